/* test_cross_encoder.c – cross-encoders: scores of pairs against a plain forward pass in float64 over the same random weights, in every
 * precision; the same bits in any company; pairs cut as `tokenizers` cuts them; folders of another kind refused.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "datasets/wheel.h"
#include "encoders/minilm.h"

enum { HIDDEN = 64, INNER = 128, LAYERS = 2, HEADS = 4, HEAD = HIDDEN / HEADS, POSITIONS = 48, MAX = 40, LETTERS = 26, SPECIALS = 5 };
enum { FIRST = 2, LAST = 3, VOCABULARY = SPECIALS + LETTERS, TENSORS = 64, BYTES = 1 << 20, PAIRS = 24, TEXT = 256 };

/* HEAD: half of what a unit of the bf16 products spans, so that attention must go another way there. */

static leann_ctx *ctx;
static char folder[64], model[128]; /* all of a test lies in folder */

/* ---- random weights, and a folder that has them -------------------------------------------------------------------------------- */

static struct {
    char name[96];
    uint32_t rows, cols; /* cols 0: (rows) */
    float *x;
} tensor[TENSORS];
static size_t tensors;

static void add(const char *layer, const char *name, const char *what, uint32_t rows, uint32_t cols)
{
    const size_t n = (size_t)rows * (cols ? cols : 1);
    const bool gain = strstr(name, "LayerNorm") && !cols && strcmp(what, "weight") == 0, whole = strstr(name, "_embeddings") || cols == 0;
    assert_true(tensors < TENSORS);
    snprintf(tensor[tensors].name, sizeof tensor[tensors].name, "%s%s.%s", layer, name, what);
    tensor[tensors].rows = rows;
    tensor[tensors].cols = cols;
    float *x = tensor[tensors].x = calloc(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        leann_rng rng = leann_rng_at(5, tensor[tensors].name, i);
        x[i] = (float)((int)leann_rng_below(&rng, 2001) - 1000) / (whole ? 1000 : 4000) + (gain ? 1 : 0);
    }
    tensors++;
}

static void add_pair(const char *layer, const char *name, uint32_t rows, uint32_t cols)
{
    add(layer, name, "weight", rows, cols);
    add(layer, name, "bias", rows, 0);
}

static void add_all(void)
{
    add("", "bert.embeddings.word_embeddings", "weight", VOCABULARY, HIDDEN);
    add("", "bert.embeddings.position_embeddings", "weight", POSITIONS, HIDDEN);
    add("", "bert.embeddings.token_type_embeddings", "weight", 2, HIDDEN);
    add_pair("", "bert.embeddings.LayerNorm", HIDDEN, 0);
    for (int i = 0; i < LAYERS; i++) {
        char layer[32];
        snprintf(layer, sizeof layer, "bert.encoder.layer.%d.", i);
        add_pair(layer, "attention.self.query", HIDDEN, HIDDEN);
        add_pair(layer, "attention.self.key", HIDDEN, HIDDEN);
        add_pair(layer, "attention.self.value", HIDDEN, HIDDEN);
        add_pair(layer, "attention.output.dense", HIDDEN, HIDDEN);
        add_pair(layer, "attention.output.LayerNorm", HIDDEN, 0);
        add_pair(layer, "intermediate.dense", INNER, HIDDEN);
        add_pair(layer, "output.dense", HIDDEN, INNER);
        add_pair(layer, "output.LayerNorm", HIDDEN, 0);
    }
    add_pair("", "bert.pooler.dense", HIDDEN, HIDDEN);
    add_pair("", "classifier", 1, HIDDEN);
}

static float *find(const char *layer, const char *name, const char *what)
{
    char full[96];
    snprintf(full, sizeof full, "%s%s.%s", layer, name, what);
    for (size_t i = 0; i < tensors; i++)
        if (strcmp(tensor[i].name, full) == 0) return tensor[i].x;
    fail_msg("the test has no tensor %s", full);
    return NULL;
}

static void put_bytes(const char *name, const void *data, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", model, name);
    if (leann_file_write(ctx, path, data, n) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
}

/* File of the model's folder, with text; NULL: no such file. */
static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", model, name);
    if (text)
        put_bytes(name, text, strlen(text));
    else
        unlink(path);
}

static void put_weights(const char *without)
{
    char *file = calloc(1, BYTES);
    size_t used = 9, at = 0;
    assert_non_null(file);
    file[8] = '{';
    for (size_t i = 0; i < tensors; i++) {
        const size_t bytes = (size_t)tensor[i].rows * (tensor[i].cols ? tensor[i].cols : 1) * sizeof(float);
        char shape[32];
        snprintf(shape, sizeof shape, tensor[i].cols ? "%u,%u" : "%u", tensor[i].rows, tensor[i].cols);
        if (strcmp(tensor[i].name, without) == 0) continue;
        used += (size_t)sprintf(file + used, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", at ? "," : "",
                                tensor[i].name, shape, at, at + bytes);
        at += bytes;
    }
    file[used++] = '}';
    const uint64_t head = used - 8;
    memcpy(file, &head, sizeof head);
    for (size_t i = 0; i < tensors; i++) {
        const size_t bytes = (size_t)tensor[i].rows * (tensor[i].cols ? tensor[i].cols : 1) * sizeof(float);
        if (strcmp(tensor[i].name, without) == 0) continue;
        assert_true(used + bytes <= BYTES);
        memcpy(file + used, tensor[i].x, bytes);
        used += bytes;
    }
    put_bytes("model.safetensors", file, used);
    free(file);
}

static void put_config(const char *architecture, const char *labels, unsigned types)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{\"architectures\": [\"%s\"], %s \"model_type\": \"bert\", \"hidden_act\": \"gelu\", \"vocab_size\": %d, \"hidden_size\": %d,"
             " \"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"intermediate_size\": %d, \"max_position_embeddings\": %d,"
             " \"type_vocab_size\": %u, \"layer_norm_eps\": 1e-12}",
             architecture, labels, VOCABULARY, HIDDEN, LAYERS, HEADS, INNER, POSITIONS, types);
    put("config.json", text);
}

static const char head[] = "BertForSequenceClassification", label[] = "\"id2label\": {\"0\": \"LABEL_0\"},";

static int set_up(void **state)
{
    (void)state;
    char words[256] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    strcpy(folder, "/tmp/leann-cross-XXXXXX");
    ctx = leann_ctx_new(1, 2);
    if (!ctx || !mkdtemp(folder)) return -1;
    setenv("XDG_CACHE_HOME", folder, 1);
    snprintf(model, sizeof model, "%s/tiny", folder);
    assert_int_equal(leann_folder_make(ctx, model), LEANN_OK);
    for (int i = 0; i < LETTERS; i++) strcat(words, (const char[]){(char)('a' + i), '\n', 0});
    put("vocab.txt", words);
    put_config(head, label, 2);
    put("tokenizer_config.json", "{\"do_lower_case\": true, \"model_max_length\": 40}");
    add_all();
    put_weights("");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (tensors > 0) free(tensor[--tensors].x);
    leann_folder_remove(folder);
    leann_ctx_free(ctx);
    return access(folder, F_OK) == 0;
}

static leann_cross_encoder *opened(const char *precision)
{
    leann_cross_encoder *cross;
    char config[256];
    snprintf(config, sizeof config, "{model: \"%s\", precision: %s}", model, precision);
    if (leann_cross_encoder_new(ctx, config, &cross) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    return cross;
}

/* ---- the reference --------------------------------------------------------------------------------------------------------------- */

static void affine(const char *layer, const char *name, const double *x, uint32_t in, double *y, uint32_t out)
{
    const float *weight = find(layer, name, "weight"), *bias = find(layer, name, "bias");
    for (uint32_t o = 0; o < out; o++) {
        y[o] = (double)bias[o];
        for (uint32_t i = 0; i < in; i++) y[o] += (double)weight[o * in + i] * x[i];
    }
}

static void norm(const char *layer, const char *name, double *x)
{
    const float *gain = find(layer, name, "weight"), *bias = find(layer, name, "bias");
    double mean = 0, variance = 0;
    for (int i = 0; i < HIDDEN; i++) mean += x[i] / HIDDEN;
    for (int i = 0; i < HIDDEN; i++) variance += (x[i] - mean) * (x[i] - mean) / HIDDEN;
    for (int i = 0; i < HIDDEN; i++) x[i] = (x[i] - mean) / sqrt(variance + 1e-12) * (double)gain[i] + (double)bias[i];
}

static double dot(const double *a, const double *b)
{
    double sum = 0;
    for (int i = 0; i < HEAD; i++) sum += a[i] * b[i];
    return sum;
}

/* What one head of token t gathers of n tokens. */
static void gather(double (*q)[HIDDEN], double (*k)[HIDDEN], double (*v)[HIDDEN], uint32_t n, uint32_t t, int from, double *out)
{
    double sum = 0;
    for (int i = 0; i < HEAD; i++) out[i] = 0;
    for (uint32_t s = 0; s < n; s++) {
        const double weight = exp(dot(&q[t][from], &k[s][from]) / sqrt(HEAD));
        sum += weight;
        for (int i = 0; i < HEAD; i++) out[i] += weight * v[s][from + i];
    }
    for (int i = 0; i < HEAD; i++) out[i] /= sum;
}

static void layer_of(const char *layer, double (*x)[HIDDEN], uint32_t n)
{
    static double q[MAX][HIDDEN], k[MAX][HIDDEN], v[MAX][HIDDEN];
    for (uint32_t t = 0; t < n; t++) {
        affine(layer, "attention.self.query", x[t], HIDDEN, q[t], HIDDEN);
        affine(layer, "attention.self.key", x[t], HIDDEN, k[t], HIDDEN);
        affine(layer, "attention.self.value", x[t], HIDDEN, v[t], HIDDEN);
    }
    for (uint32_t t = 0; t < n; t++) {
        double gathered[HIDDEN], y[HIDDEN], wide[INNER];
        for (int h = 0; h < HEADS; h++) gather(q, k, v, n, t, h * HEAD, gathered + (size_t)h * HEAD);
        affine(layer, "attention.output.dense", gathered, HIDDEN, y, HIDDEN);
        for (int i = 0; i < HIDDEN; i++) x[t][i] += y[i];
        norm(layer, "attention.output.LayerNorm", x[t]);
        affine(layer, "intermediate.dense", x[t], HIDDEN, wide, INNER);
        for (int i = 0; i < INNER; i++) wide[i] *= 0.5 * (1 + erf(wide[i] / sqrt(2)));
        affine(layer, "output.dense", wide, INNER, y, HIDDEN);
        for (int i = 0; i < HIDDEN; i++) x[t][i] += y[i];
        norm(layer, "output.LayerNorm", x[t]);
    }
}

/* Tokens from second on are of type 1. */
static double reference(const uint32_t *ids, uint32_t n, uint32_t second)
{
    static double x[MAX][HIDDEN];
    const float *word = find("bert.embeddings.", "word_embeddings", "weight");
    const float *position = find("bert.embeddings.", "position_embeddings", "weight");
    const float *type = find("bert.embeddings.", "token_type_embeddings", "weight");
    double pooled[HIDDEN], score;
    assert_true(n <= MAX);
    for (uint32_t t = 0; t < n; t++) {
        for (uint32_t i = 0; i < HIDDEN; i++)
            x[t][i] = (double)word[ids[t] * HIDDEN + i] + (double)position[t * HIDDEN + i] + (double)type[(t < second ? 0 : HIDDEN) + i];
        norm("bert.embeddings.", "LayerNorm", x[t]);
    }
    for (int i = 0; i < LAYERS; i++) {
        char layer[32];
        snprintf(layer, sizeof layer, "bert.encoder.layer.%d.", i);
        layer_of(layer, x, n);
    }
    affine("bert.", "pooler.dense", x[0], HIDDEN, pooled, HIDDEN);
    for (int i = 0; i < HIDDEN; i++) pooled[i] = tanh(pooled[i]);
    affine("", "classifier", pooled, HIDDEN, &score, 1);
    return score;
}

/* ---- pairs ----------------------------------------------------------------------------------------------------------------------- */

/* n letters apart, which are a token each. */
static leann_text letters(uint64_t which, uint32_t n, char *text, uint32_t *ids)
{
    leann_rng rng = leann_rng_at(9, "letters", which);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t c = (uint32_t)leann_rng_below(&rng, LETTERS);
        ids[i] = SPECIALS + c;
        text[2 * i] = (char)('a' + c);
        text[2 * i + 1] = ' ';
    }
    return (leann_text){text, 2 * (size_t)n};
}

static void scores_are_the_references(void **state)
{
    (void)state;
    static const struct {
        const char *precision;
        double most; /* the largest difference from the reference */
    } cases[] = {{"f32", 5e-6}, {"bf16", 0.03}, {"int8", 0.06}};
    enum { QUERY = 5 };
    char query_text[TEXT], text[PAIRS][TEXT];
    uint32_t query_ids[MAX], passage_ids[MAX], ids[MAX];
    double expected[PAIRS], typeless = 0;
    float score[PAIRS];
    leann_text texts[PAIRS], query = letters(PAIRS, QUERY, query_text, query_ids);
    for (uint32_t i = 0; i < PAIRS; i++) {
        const uint32_t n = i; /* the first one is empty */
        uint32_t at = 0;
        texts[i] = letters(i, n, text[i], passage_ids);
        ids[at++] = FIRST;
        for (uint32_t t = 0; t < QUERY; t++) ids[at++] = query_ids[t];
        ids[at++] = LAST;
        for (uint32_t t = 0; t < n; t++) ids[at++] = passage_ids[t];
        ids[at++] = LAST;
        expected[i] = reference(ids, at, QUERY + 2);
        typeless = fmax(typeless, fabs(expected[i] - reference(ids, at, at)));
    }
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        leann_cross_encoder *cross = opened(cases[c].precision);
        double most = 0;
        assert_int_equal(leann_cross_encode(cross, ctx, query, texts, PAIRS, score), LEANN_OK);
        for (uint32_t i = 0; i < PAIRS; i++) most = fmax(most, fabs((double)score[i] - expected[i]));
        leann_cross_encoder_free(cross);
        print_message("%s: scores differ by at most %.2g; without token types by %.2g\n", cases[c].precision, most, typeless);
        assert_true(most < cases[c].most && most < typeless / 4);
    }
}

static void the_same_bits_in_any_company(void **state)
{
    (void)state;
    static const char *const precisions[] = {"f32", "bf16", "int8"};
    char query_text[TEXT], text[PAIRS][TEXT];
    uint32_t ids[MAX];
    leann_text texts[PAIRS], query = letters(PAIRS, 7, query_text, ids);
    for (uint32_t i = 0; i < PAIRS; i++) texts[i] = letters(i, (i * 7) % 36, text[i], ids);
    for (int p = 0; p < LEANN_PRECISIONS; p++) {
        leann_cross_encoder *cross = opened(precisions[p]);
        float first[PAIRS], now[PAIRS];
        assert_int_equal(leann_cross_encode(cross, ctx, query, texts, PAIRS, first), LEANN_OK);
        for (unsigned threads = 1; threads <= 3; threads++) {
            leann_ctx *other = leann_ctx_new(2, threads);
            assert_int_equal(leann_cross_encode(cross, other, query, texts, PAIRS, now), LEANN_OK);
            assert_memory_equal(now, first, sizeof now);
            for (uint32_t i = 0; i < PAIRS; i++) assert_int_equal(leann_cross_encode(cross, other, query, &texts[i], 1, &now[i]), LEANN_OK);
            assert_memory_equal(now, first, sizeof now);
            leann_ctx_free(other);
        }
        assert_int_equal(leann_cross_encode(cross, ctx, query, texts, 0, now), LEANN_OK);
        leann_cross_encoder_free(cross);
    }
}

/* The numbers of tokens that stay are those of `tokenizers` 0.23 with longest_first. */
static void pairs_are_cut_as_tokenizers_cuts_them(void **state)
{
    (void)state;
    static const struct {
        uint32_t first, last, max, first_kept, last_kept;
    } cases[] = {
        {4, 6, 13, 4, 6},   {4, 60, 13, 4, 6},  {60, 4, 13, 6, 4},  {5, 6, 13, 5, 5},  {6, 5, 13, 5, 5},      {60, 60, 13, 5, 5},
        {5, 60, 14, 5, 6},  {60, 5, 14, 6, 5},  {6, 60, 14, 5, 6},  {60, 6, 14, 6, 5}, {60, 60, 14, 5, 6},    {61, 60, 14, 6, 5},
        {60, 61, 14, 5, 6}, {60, 0, 14, 11, 0}, {0, 60, 14, 0, 11}, {0, 0, 14, 0, 0},  {60, 60, 3, 0, 0},     {60, 60, 4, 0, 1},
        {61, 60, 4, 1, 0},  {1, 1, 4, 0, 1},    {11, 0, 14, 11, 0}, {3, 8, 14, 3, 8},  {100, 99, 40, 19, 18}, {18, 99, 40, 18, 19},
    };
    leann_model *m;
    assert_int_equal(leann_model_open(ctx, model, LEANN_ENCODE_F32, &m), LEANN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char first_text[TEXT], last_text[TEXT];
        uint32_t first_ids[TEXT], last_ids[TEXT], ids[MAX + 1], n = 0, second = 0, at = 0;
        const leann_text first = letters(2 * i, cases[i].first, first_text, first_ids);
        const leann_text last = letters(2 * i + 1, cases[i].last, last_text, last_ids);
        ids[cases[i].max] = 12345;
        assert_int_equal(leann_wordpiece_encode_pair(leann_model_wordpiece(m), ctx, first, last, cases[i].max, ids, &n, &second), LEANN_OK);
        if (second != cases[i].first_kept + 2 || n != cases[i].first_kept + cases[i].last_kept + 3)
            fail_msg("%u and %u tokens in %u: %u and %u stay", cases[i].first, cases[i].last, cases[i].max, second - 2, n - second - 1);
        assert_int_equal(ids[at++], FIRST);
        for (uint32_t t = 0; t < cases[i].first_kept; t++) assert_int_equal(ids[at++], first_ids[t]);
        assert_int_equal(ids[at++], LAST);
        for (uint32_t t = 0; t < cases[i].last_kept; t++) assert_int_equal(ids[at++], last_ids[t]);
        assert_int_equal(ids[at], LAST);
        assert_int_equal(ids[cases[i].max], 12345);
    }
    leann_model_free(m);
}

/* What the folder's max length cuts does not count. */
static void long_texts_are_cut(void **state)
{
    (void)state;
    char query_text[TEXT], text[TEXT];
    uint32_t ids[TEXT];
    leann_cross_encoder *cross = opened("f32");
    const leann_text query = letters(1, 4, query_text, ids), whole = letters(2, 100, text, ids);
    const leann_text texts[] = {whole, {text, 2 * (MAX - 3 - 4)}, {text, 2 * (MAX - 3 - 5)}};
    float score[3];
    assert_int_equal(leann_cross_encode(cross, ctx, query, texts, 3, score), LEANN_OK);
    assert_true(score[0] == score[1]);
    assert_true(score[0] != score[2]);
    leann_cross_encoder_free(cross);
}

/* ---- identity, kinds ------------------------------------------------------------------------------------------------------------- */

static void identity_of(char hex[65])
{
    leann_cross_encoder *cross = opened("f32");
    strcpy(hex, leann_cross_encoder_identity(cross));
    leann_cross_encoder_free(cross);
}

static void weights_of_the_head_are_the_identity(void **state)
{
    (void)state;
    float *const weights[] = {find("bert.", "embeddings.token_type_embeddings", "weight") + 2 * HIDDEN - 1,
                              find("bert.", "pooler.dense", "weight") + HIDDEN * HIDDEN - 1, find("bert.", "pooler.dense", "bias") + 1,
                              find("", "classifier", "weight") + HIDDEN - 1, find("", "classifier", "bias")};
    char first[65], now[65];
    identity_of(first);
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        const float was = *weights[i];
        *weights[i] = 2;
        put_weights("");
        identity_of(now);
        assert_string_not_equal(now, first);
        *weights[i] = was;
        put_weights("");
        identity_of(now);
        assert_string_equal(now, first);
    }
}

static void a_packed_file_is_the_same_model(void **state)
{
    (void)state;
    char query_text[TEXT], text[TEXT], config[512];
    uint32_t ids[TEXT];
    leann_cross_encoder *cross = opened("int8"), *packed;
    const leann_text query = letters(1, 4, query_text, ids), passage = letters(2, 9, text, ids);
    float score, again;
    snprintf(config, sizeof config, "{model: \"%s/leann/models/packed/%s.model\", precision: int8}", folder,
             leann_cross_encoder_identity(cross));
    assert_int_equal(leann_cross_encoder_new(ctx, config, &packed), LEANN_OK);
    assert_string_equal(leann_cross_encoder_identity(packed), leann_cross_encoder_identity(cross));
    assert_int_equal(leann_cross_encode(cross, ctx, query, &passage, 1, &score), LEANN_OK);
    assert_int_equal(leann_cross_encode(packed, ctx, query, &passage, 1, &again), LEANN_OK);
    assert_true(score == again);
    leann_cross_encoder_free(packed);
    leann_cross_encoder_free(cross);
}

static void refused(const char *config, leann_status status, const char *words)
{
    leann_cross_encoder *cross;
    leann_status is = leann_cross_encoder_new(ctx, config, &cross);
    if (is != status || !strstr(leann_ctx_error(ctx), words)) fail_msg("%s: %s", leann_status_word(is), leann_ctx_error(ctx));
    assert_null(cross);
}

static void refused_so(leann_status status, const char *words)
{
    char config[256];
    snprintf(config, sizeof config, "{model: \"%s\"}", model);
    refused(config, status, words);
}

static void wrong_parameters(void **state)
{
    (void)state;
    refused("{}", LEANN_EINVAL, "a cross-encoder needs its model");
    refused("minilm", LEANN_EINVAL, "must be a map");
    refused("{modle: x}", LEANN_EINVAL, "model");
    refused("{model: x, precision: f64}", LEANN_EINVAL, "f64");
    refused("{model: /no/such/folder}", LEANN_ENOTFOUND, "/no/such/folder");
    refused("{", LEANN_EFORMAT, "cross-encoder");
    leann_cross_encoder_free(NULL);
}

static void the_other_kind(void **state)
{
    (void)state;
    leann_encoder *encoder;
    char config[256];
    snprintf(config, sizeof config, "{minilm: {model: \"%s\"}}", model);
    assert_int_equal(leann_encoder_new(ctx, config, &encoder), LEANN_EUNSUPPORTED);
    assert_non_null(strstr(leann_ctx_error(ctx), "is a cross-encoder: it gives pairs of texts a score"));
    put_config("BertModel", label, 2);
    refused_so(LEANN_EUNSUPPORTED, "is a sentence encoder, no cross-encoder");
    assert_int_equal(leann_encoder_new(ctx, config, &encoder), LEANN_OK);
    leann_encoder_free(encoder);
}

static void wrong_heads(void **state)
{
    (void)state;
    static const char tokenizer[] =
        "{\"normalizer\": {\"type\": \"BertNormalizer\"}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"post_processor\": "
        "{\"type\":"
        " \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\"}}, {\"Sequence\": {\"id\": \"A\"}}, {\"SpecialToken\":"
        " {\"id\": \"[SEP]\"}}], \"pair\": [{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\","
        " \"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}},"
        " {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": %d}}]}, \"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[UNK]\": 0,"
        " \"[CLS]\": 1, \"[SEP]\": 2}}}";
    char text[2048];
    put_config(head, "\"id2label\": {\"0\": \"no\", \"1\": \"yes\", \"2\": \"perhaps\"},", 2);
    refused_so(LEANN_EUNSUPPORTED, "its head has 3 labels");
    put_config(head, "", 2); /* transformers has two then */
    refused_so(LEANN_EUNSUPPORTED, "its head has 2 labels");
    put_config(head, label, 1);
    refused_so(LEANN_EFORMAT, "type_vocab_size is 1");
    put_config(head, label, 2);
    put_weights("classifier.bias");
    refused_so(LEANN_EFORMAT, "classifier.bias");
    put_weights("bert.pooler.dense.weight");
    refused_so(LEANN_EFORMAT, "pooler.dense.weight");
    put_weights("");
    put("modules.json", "[{\"path\": \"\", \"type\": \"a.Transformer\"}, {\"path\": \"1_Pooling\", \"type\": \"a.Pooling\"}]");
    refused_so(LEANN_EUNSUPPORTED, "known of a cross-encoder is Transformer alone");
    put("modules.json", "[{\"path\": \"\", \"type\": \"a.Transformer\"}]");
    put("config_sentence_transformers.json", "{\"prompts\": {\"query\": \"for: \"}}");
    refused_so(LEANN_EUNSUPPORTED, "prompts, which are not known of a cross-encoder");
    put("config_sentence_transformers.json", "{\"prompts\": {\"query\": \"\"}}");
    put("sentence_bert_config.json", "{\"max_seq_length\": 2}");
    refused_so(LEANN_EFORMAT, "the marks alone are 3");
    put("sentence_bert_config.json", NULL);
    snprintf(text, sizeof text, tokenizer, 0);
    put("tokenizer.json", text);
    refused_so(LEANN_EUNSUPPORTED, "does not put pairs of texts together as BERT's does");
    snprintf(text, sizeof text, tokenizer, 1);
    put("tokenizer.json", text);
    leann_cross_encoder_free(opened("f32"));
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(scores_are_the_references),
        EACH(the_same_bits_in_any_company),
        EACH(pairs_are_cut_as_tokenizers_cuts_them),
        EACH(long_texts_are_cut),
        EACH(weights_of_the_head_are_the_identity),
        EACH(a_packed_file_is_the_same_model),
        EACH(wrong_parameters),
        EACH(the_other_kind),
        EACH(wrong_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
