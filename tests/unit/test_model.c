/* test_model.c – models of the BERT family: folders as Hugging Face has them, read, packed and mapped; wrong ones refused; the cache.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/container.h"
#include "core/simd/kernels.h"
#include "datasets/wheel.h"
#include "encoders/minilm.h"

enum { HIDDEN = 64, INNER = 128, LAYERS = 2, HEADS = 2, VOCABULARY = 12, POSITIONS = 20, TYPES = 2, HEADER = 16384 };

static leann_ctx *ctx;
static char folder[64], model[128]; /* all of a test lies in folder */

/* ---- a folder with a small random model --------------------------------------------------------------------------------------- */

static const char config[] = "{\"architectures\": [\"BertModel\"], \"model_type\": \"bert\", \"hidden_act\": \"gelu\", \"vocab_size\": 12,"
                             " \"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"intermediate_size\": 128,"
                             " \"max_position_embeddings\": 20, \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12}";
static const char lines[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\na\n\xc3\xa9\n!\n"; /* one fewer than the embeddings have */
static const char tokenizer[] =
    "{\"version\": \"1.0\", \"truncation\": {\"max_length\": 5}, \"added_tokens\": [{\"id\": 2, \"content\": \"[CLS]\", \"special\": true,"
    " \"lstrip\": false}, {\"id\": 4, \"content\": \"[MASK]\"}], \"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true,"
    " \"handle_chinese_chars\": true, \"strip_accents\": null, \"lowercase\": true}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},"
    " \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}},"
    " {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 0}}]}, \"model\": {\"type\":"
    " \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100, \"vocab\":"
    " {\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"[MASK]\": 4, \"world\": 6, \"hello\": 5, \"##s\": 7, \"a\": 8,"
    " \"\\u00e9\": 9, \"!\": 10}}}";
static const char modules[] =
    "[{\"idx\": 0, \"name\": \"0\", \"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"},"
    " {\"idx\": 1, \"name\": \"1\", \"path\": \"1_Pooling\", \"type\": \"sentence_transformers.models.Pooling\"},"
    " {\"idx\": 2, \"name\": \"2\", \"path\": \"2_Normalize\", \"type\": \"sentence_transformers.models.Normalize\"}]";
static const char pooling[] = "{\"word_embedding_dimension\": 64, \"pooling_mode_cls_token\": false, \"pooling_mode_mean_tokens\": true,"
                              " \"pooling_mode_max_tokens\": false}";

/* File of the model's folder, with text; NULL: no such file. */
static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", model, name);
    if (!text)
        unlink(path);
    else if (leann_file_write(ctx, path, text, strlen(text)) != LEANN_OK)
        fail_msg("%s", leann_ctx_error(ctx));
}

/* Weights that F32, F16 and BF16 all hold exactly. */
static float value_of(const char *tensor, uint64_t i)
{
    leann_rng rng = leann_rng_at(1, tensor, i);
    return (float)((int)leann_rng_below(&rng, 257) - 128) / 128;
}

typedef struct {
    const char *type, *prefix;
    char header[HEADER];
    char *data;
    size_t used, bytes;
} tensors;

static void add_element(tensors *t, float x)
{
    uint16_t half;
    uint32_t bits;
    char *to = t->data + t->bytes;
    memcpy(&bits, &x, sizeof bits);
    if (strcmp(t->type, "F32") == 0) {
        memcpy(to, &x, 4);
        t->bytes += 4;
        return;
    }
    if (strcmp(t->type, "BF16") == 0)
        half = (uint16_t)(bits >> 16);
    else
        leann_kernels_get()->f16_from_f32(&x, &half, 1);
    memcpy(to, &half, 2);
    t->bytes += 2;
}

static void add_header(tensors *t, const char *type, const char *name, const char *shape, size_t begin)
{
    t->used +=
        (size_t)snprintf(t->header + t->used, HEADER - t->used, "%s\"%s%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                         t->used > 1 ? "," : "", t->prefix, name, type, shape, begin, t->bytes);
    assert_true(t->used < HEADER);
}

static void add(tensors *t, const char *name, uint64_t rows, uint64_t cols)
{
    char shape[64];
    size_t begin = t->bytes;
    snprintf(shape, sizeof shape, cols ? "[%d,%d]" : "[%d]", (int)rows, (int)cols);
    for (uint64_t i = 0; i < rows * (cols ? cols : 1); i++) add_element(t, value_of(name, i));
    add_header(t, t->type, name, shape, begin);
}

static void add_pair(tensors *t, uint32_t layer, const char *name, uint64_t rows, uint64_t cols)
{
    char tensor[128];
    snprintf(tensor, sizeof tensor, "encoder.layer.%u.%s.weight", layer, name);
    add(t, tensor, rows, cols);
    snprintf(tensor, sizeof tensor, "encoder.layer.%u.%s.bias", layer, name);
    add(t, tensor, rows, 0);
}

static void put_tensors(const char *type, const char *prefix)
{
    tensors t = {.type = type, .prefix = prefix, .header = "{", .used = 1, .data = calloc(1, 1 << 20)};
    assert_non_null(t.data);
    t.bytes = 8; /* of a tensor of integers, which is ignored */
    add_header(&t, "I64", "embeddings.position_ids", "[1,1]", 0);
    for (uint32_t i = LAYERS; i-- > 0;) { /* any order will do */
        add_pair(&t, i, "output.LayerNorm", HIDDEN, 0);
        add_pair(&t, i, "output.dense", HIDDEN, INNER);
        add_pair(&t, i, "intermediate.dense", INNER, HIDDEN);
        add_pair(&t, i, "attention.output.LayerNorm", HIDDEN, 0);
        add_pair(&t, i, "attention.output.dense", HIDDEN, HIDDEN);
        add_pair(&t, i, "attention.self.query", HIDDEN, HIDDEN);
        add_pair(&t, i, "attention.self.key", HIDDEN, HIDDEN);
        add_pair(&t, i, "attention.self.value", HIDDEN, HIDDEN);
    }
    add(&t, "embeddings.word_embeddings.weight", VOCABULARY, HIDDEN);
    add(&t, "embeddings.position_embeddings.weight", POSITIONS, HIDDEN);
    add(&t, "embeddings.token_type_embeddings.weight", TYPES, HIDDEN);
    add(&t, "embeddings.LayerNorm.weight", HIDDEN, 0);
    add(&t, "embeddings.LayerNorm.bias", HIDDEN, 0);
    add(&t, "pooler.dense.weight", HIDDEN, HIDDEN); /* not needed */
    t.used += (size_t)snprintf(t.header + t.used, HEADER - t.used, ",\"__metadata__\":{\"format\":\"pt\"}}");
    uint64_t head = t.used;
    char *file = calloc(1, 8 + t.used + t.bytes), path[256];
    assert_non_null(file);
    memcpy(file, &head, 8);
    memcpy(file + 8, t.header, t.used);
    memcpy(file + 8 + t.used, t.data, t.bytes);
    snprintf(path, sizeof path, "%s/model.safetensors", model);
    assert_int_equal(leann_file_write(ctx, path, file, 8 + t.used + t.bytes), LEANN_OK);
    free(file);
    free(t.data);
}

static void put_model(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s/1_Pooling", model);
    assert_int_equal(leann_folder_make(ctx, path), LEANN_OK);
    put("config.json", config);
    put("vocab.txt", lines);
    put("modules.json", modules);
    put("1_Pooling/config.json", pooling);
    put("sentence_bert_config.json", "{\"max_seq_length\": 16, \"do_lower_case\": false}");
    put("tokenizer_config.json", "{\"do_lower_case\": true, \"model_max_length\": 1000000000000000019884624838656}");
    put("README.md", "---\nlanguage: en\nlicense: apache-2.0\ntags: [x]\n---\n# A model\n");
    put_tensors("F32", "");
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/leann-model-XXXXXX");
    ctx = leann_ctx_new(1, 2);
    if (!ctx || !mkdtemp(folder)) return -1;
    setenv("XDG_CACHE_HOME", folder, 1);
    snprintf(model, sizeof model, "%s/tiny", folder);
    put_model();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    leann_folder_remove(folder);
    leann_ctx_free(ctx);
    return access(folder, F_OK) == 0;
}

static leann_model *opened(const char *path, leann_precision precision)
{
    leann_model *m;
    if (leann_model_open(ctx, path, precision, &m) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    return m;
}

static void identity_of(leann_precision precision, char hex[65])
{
    leann_model *m = opened(model, precision);
    strcpy(hex, leann_model_identity(m));
    leann_model_free(m);
}

/* ---- what is packed ------------------------------------------------------------------------------------------------------------ */

/* Weight (o, i) of a dense layer as the folder has it, and its bias; query's are scaled. */
static float weight_of(uint32_t layer, const char *const *names, uint32_t part, uint32_t in, uint32_t o, uint32_t i, bool bias)
{
    char tensor[128];
    snprintf(tensor, sizeof tensor, "encoder.layer.%u.%s.%s", layer, names[o / part], bias ? "bias" : "weight");
    float x = value_of(tensor, bias ? o % part : (uint64_t)(o % part) * in + i);
    return names[1] && o < part ? x * (1 / sqrtf(HIDDEN / HEADS)) : x;
}

static void same_dense(const leann_dense *d, leann_precision precision, uint32_t layer, const char *const *names, uint32_t part,
                       uint32_t in)
{
    assert_int_equal(d->in, in);
    assert_int_equal(d->out, names[1] ? 3 * part : part);
    assert_int_equal((uintptr_t)d->weight % 64, 0);
    assert_true((precision == LEANN_ENCODE_INT8) == (d->scale && d->sums));
    for (uint32_t o = 0; o < d->out; o++) {
        float most = 0;
        int32_t sum = 0, largest = 0;
        assert_true(d->bias[o] == weight_of(layer, names, part, in, o, 0, true));
        for (uint32_t i = 0; i < in; i++) {
            float x = weight_of(layer, names, part, in, o, i, false), y;
            size_t panel = (size_t)(o / 16) * 16 * in, f32 = panel + (size_t)i * 16 + o % 16;
            size_t bf16 = panel + ((size_t)(i / 2) * 16 + o % 16) * 2 + i % 2, int8 = panel + ((size_t)(i / 4) * 16 + o % 16) * 4 + i % 4;
            most = fmaxf(most, fabsf(x));
            if (precision == LEANN_ENCODE_F32) {
                assert_true(((const float *)d->weight)[f32] == x);
            } else if (precision == LEANN_ENCODE_BF16) {
                uint32_t bits = (uint32_t)((const uint16_t *)d->weight)[bf16] << 16;
                memcpy(&y, &bits, sizeof y);
                assert_true(fabsf(x - y) <= fabsf(x) / 256); /* half a step of 8 bits */
            } else {
                int32_t q = ((const int8_t *)d->weight)[int8];
                assert_true(fabsf(x - (float)q * d->scale[o]) <= d->scale[o] * 0.50001f);
                sum += q;
                if (abs(q) > largest) largest = abs(q);
            }
        }
        if (precision != LEANN_ENCODE_INT8) continue;
        assert_true(d->scale[o] == most / 127);
        assert_int_equal(d->sums[o], sum);
        assert_int_equal(largest, 127);
    }
}

static void same_norm(const leann_norm *norm, const char *name)
{
    char gain[128], bias[128];
    snprintf(gain, sizeof gain, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    for (uint32_t i = 0; i < HIDDEN; i++) assert_true(norm->gain[i] == value_of(gain, i) && norm->bias[i] == value_of(bias, i));
}

static void same_model(const leann_bert *b, leann_precision precision)
{
    static const char *const qkv[3] = {"attention.self.query", "attention.self.key", "attention.self.value"};
    static const char *const mix[3] = {"attention.output.dense"}, *const up[3] = {"intermediate.dense"}, *const down[3] = {"output.dense"};
    assert_true(b->precision == precision && b->vocabulary == VOCABULARY && b->hidden == HIDDEN && b->layers == LAYERS &&
                b->heads == HEADS);
    assert_true(b->inner == INNER && b->positions == POSITIONS && b->max_tokens == 16 && b->epsilon == 1e-12f && !b->first_token &&
                b->unit);
    for (uint32_t i = 0; i < VOCABULARY * HIDDEN; i++) assert_true(b->word[i] == value_of("embeddings.word_embeddings.weight", i));
    for (uint32_t i = 0; i < POSITIONS * HIDDEN; i++)
        assert_true(b->position[i] ==
                    value_of("embeddings.position_embeddings.weight", i) + value_of("embeddings.token_type_embeddings.weight", i % HIDDEN));
    same_norm(&b->norm, "embeddings.LayerNorm");
    for (uint32_t i = 0; i < LAYERS; i++) {
        char name[128];
        const leann_bert_layer *layer = &b->layer[i];
        same_dense(&layer->qkv, precision, i, qkv, HIDDEN, HIDDEN);
        same_dense(&layer->mix, precision, i, mix, HIDDEN, HIDDEN);
        same_dense(&layer->up, precision, i, up, INNER, HIDDEN);
        same_dense(&layer->down, precision, i, down, HIDDEN, INNER);
        snprintf(name, sizeof name, "encoder.layer.%u.attention.output.LayerNorm", i);
        same_norm(&layer->norm1, name);
        snprintf(name, sizeof name, "encoder.layer.%u.output.LayerNorm", i);
        same_norm(&layer->norm2, name);
    }
}

static void packed_as_it_is(void **state)
{
    (void)state;
    for (int p = 0; p < LEANN_PRECISIONS; p++) {
        leann_model *m = opened(model, (leann_precision)p);
        same_model(leann_model_bert(m), (leann_precision)p);
        assert_int_equal(leann_wordpiece_size(leann_model_wordpiece(m)), 11);
        assert_null(leann_model_prefix(m, LEANN_QUERY).bytes);
        assert_null(leann_model_prefix(m, LEANN_PASSAGE).bytes);
        leann_model_free(m);
    }
}

static void halves_and_names_are_the_same_model(void **state)
{
    (void)state;
    static const char *const types[] = {"F32", "F16", "BF16"};
    char first[LEANN_PRECISIONS][65], now[65];
    for (int p = 0; p < LEANN_PRECISIONS; p++) identity_of((leann_precision)p, first[p]);
    assert_string_not_equal(first[0], first[1]);
    for (int i = 0; i < 6; i++) {
        put_tensors(types[i % 3], i < 3 ? "" : "bert.");
        for (int p = 0; p < LEANN_PRECISIONS; p++) {
            identity_of((leann_precision)p, now);
            assert_string_equal(now, first[p]);
        }
    }
    put("tokenizer.json", tokenizer); /* stands before vocab.txt, and has the same tokens */
    identity_of(LEANN_ENCODE_F32, now);
    assert_string_equal(now, first[0]);
    put("vocab.txt", NULL);
    identity_of(LEANN_ENCODE_F32, now);
    assert_string_equal(now, first[0]);
    put("tokenizer.json", NULL);
    put("vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nhello\r\nworld\r\n##s\r\na\r\n\xc3\xa9\r\n!");
    identity_of(LEANN_ENCODE_F32, now);
    assert_string_equal(now, first[0]);
}

/* Whatever vectors depend on makes another identity; put back, the first one. */
static void settings_are_the_identity(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text, *usual;
    } changes[] = {
        {"sentence_bert_config.json", "{\"max_seq_length\": 15}", "{\"max_seq_length\": 16, \"do_lower_case\": false}"},
        {"tokenizer_config.json", "{\"do_lower_case\": false}", "{\"do_lower_case\": true}"},
        {"tokenizer_config.json", "{\"strip_accents\": false}", "{\"strip_accents\": null}"},
        {"tokenizer_config.json", "{\"tokenize_chinese_chars\": false}", "{}"},
        {"tokenizer_config.json", "{\"cls_token\": {\"content\": \"[PAD]\"}}", "{\"cls_token\": {\"content\": \"[CLS]\"}}"},
        {"1_Pooling/config.json", "{\"pooling_mode_cls_token\": true}", "{\"pooling_mode_mean_tokens\": true}"},
        {"config_sentence_transformers.json", "{\"prompts\": {\"query\": \"for: \"}}", "{\"prompts\": {\"query\": \"\"}}"},
        {"config_sentence_transformers.json", "{\"prompts\": {\"passage\": \"it: \"}}", "{\"prompts\": {}}"},
        {"config_sentence_transformers.json", "{\"prompts\": {\"x\": \"it: \"}, \"default_prompt_name\": \"x\"}",
         "{\"prompts\": {\"x\": \"it: \"}, \"default_prompt_name\": null}"},
        {"modules.json", "[{\"type\": \"a.Transformer\"}, {\"path\": \"1_Pooling\", \"type\": \"a.Pooling\"}]", modules},
        {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\na\n\xc3\xa9\n?\n", lines},
    };
    char first[65], now[65];
    identity_of(LEANN_ENCODE_F32, first);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        put(changes[i].file, changes[i].text);
        identity_of(LEANN_ENCODE_F32, now);
        if (strcmp(first, now) == 0) fail_msg("%s: %s changes nothing", changes[i].file, changes[i].text);
        put(changes[i].file, changes[i].usual);
        identity_of(LEANN_ENCODE_F32, now);
        if (strcmp(first, now) != 0) fail_msg("%s: %s is not the usual", changes[i].file, changes[i].usual);
    }
}

static void the_shape_of_bge(void **state)
{
    (void)state;
    static const char words[] = "Represent this sentence for searching relevant passages: ";
    put("1_Pooling/config.json",
        "{\"word_embedding_dimension\": 64, \"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}");
    put("config_sentence_transformers.json",
        "{\"prompts\": {\"query\": \"Represent this sentence for searching relevant passages: \"}, \"default_prompt_name\": null}");
    put("sentence_bert_config.json", "{\"max_seq_length\": 20, \"do_lower_case\": true}");
    leann_model *m = opened(model, LEANN_ENCODE_INT8);
    assert_true(leann_model_bert(m)->first_token && leann_model_bert(m)->unit && leann_model_bert(m)->max_tokens == 20);
    leann_text query = leann_model_prefix(m, LEANN_QUERY);
    assert_int_equal(query.n, sizeof words - 1);
    assert_memory_equal(query.bytes, words, query.n);
    assert_null(leann_model_prefix(m, LEANN_PASSAGE).bytes);
    leann_model_free(m);
}

static void a_folder_of_a_bare_model(void **state) /* without what sentence-transformers adds: the mean, as it is */
{
    (void)state;
    put("modules.json", NULL);
    put("1_Pooling/config.json", NULL);
    put("sentence_bert_config.json", NULL);
    put("tokenizer_config.json", NULL);
    put("README.md", NULL);
    leann_model *m = opened(model, LEANN_ENCODE_F32);
    assert_true(!leann_model_bert(m)->first_token && !leann_model_bert(m)->unit && leann_model_bert(m)->max_tokens == POSITIONS);
    leann_model_free(m);
    put("tokenizer_config.json", "{\"model_max_length\": 18}");
    m = opened(model, LEANN_ENCODE_F32);
    assert_int_equal(leann_model_bert(m)->max_tokens, 18);
    leann_model_free(m);
}

/* ---- the cache ----------------------------------------------------------------------------------------------------------------- */

static char *packed_of(const char *identity)
{
    return leann_format(ctx, "%s/leann/models/packed/%s.model", folder, identity);
}

static ino_t inode_of(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 ? about.st_ino : 0;
}

static void flip(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    fputc(c ^ 1, f);
    assert_int_equal(fclose(f), 0);
}

static void packed_once(void **state)
{
    (void)state;
    char hex[65], again[65];
    identity_of(LEANN_ENCODE_BF16, hex);
    char *path = packed_of(hex);
    ino_t first = inode_of(path);
    assert_true(first != 0);
    identity_of(LEANN_ENCODE_BF16, again);
    assert_string_equal(again, hex);
    assert_int_equal(inode_of(path), first);
    put("config.json", config); /* newer, and the same: read again, but not packed again */
    identity_of(LEANN_ENCODE_BF16, again);
    assert_string_equal(again, hex);
    assert_int_equal(inode_of(path), first);
    put_tensors("BF16", "bert.");
    identity_of(LEANN_ENCODE_BF16, again);
    assert_string_equal(again, hex);
    assert_int_equal(inode_of(path), first);

    unlink(path);
    identity_of(LEANN_ENCODE_BF16, again); /* gone: made again */
    assert_string_equal(again, hex);
    assert_true(inode_of(path) != 0);
    flip(path, 200); /* the head is damaged: made again */
    identity_of(LEANN_ENCODE_BF16, again);
    assert_string_equal(again, hex);
    leann_reader *r;
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    leann_reader_free(r);

    char *f32;
    identity_of(LEANN_ENCODE_F32, again);
    f32 = packed_of(again);
    put_tensors("F32", ""); /* read anew, so that other contents under the right name are not taken for them */
    put("sentence_bert_config.json", "{\"max_seq_length\": 15}");
    identity_of(LEANN_ENCODE_F32, again);
    char *other = packed_of(again);
    assert_int_equal(rename(f32, other), 0);
    leann_model *m = opened(model, LEANN_ENCODE_F32);
    assert_int_equal(leann_model_bert(m)->max_tokens, 15);
    leann_model_free(m);
    leann_free(other);
    leann_free(f32);

    m = opened(path, LEANN_ENCODE_BF16); /* the packed file itself */
    same_model(leann_model_bert(m), LEANN_ENCODE_BF16);
    assert_string_equal(leann_model_identity(m), hex);
    leann_model_free(m);
    assert_int_equal(leann_model_open(ctx, path, LEANN_ENCODE_F32, &m), LEANN_EINVAL);
    assert_null(m);
    assert_non_null(strstr(leann_ctx_error(ctx), "is packed in bf16, but f32 is asked for"));
    leann_free(path);
}

static void the_same_bytes_from_another_folder(void **state)
{
    (void)state;
    char hex[65], other[65], *first, *second;
    size_t n, m;
    identity_of(LEANN_ENCODE_INT8, hex);
    char *path = packed_of(hex);
    assert_int_equal(leann_file_read(ctx, path, 1 << 24, &first, &n), LEANN_OK);
    unlink(path);
    snprintf(model, sizeof model, "%s/other", folder);
    put_model();
    put_tensors("F16", "bert.");
    identity_of(LEANN_ENCODE_INT8, other);
    assert_string_equal(hex, other);
    assert_int_equal(leann_file_read(ctx, path, 1 << 24, &second, &m), LEANN_OK);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    leann_free(first);
    leann_free(second);
    leann_free(path);
}

static int bad_entries(const char *path)
{
    leann_value *what;
    int bad = 0;
    if (leann_model_verify(ctx, path, &what) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    assert_true(leann_value_count(what) > 0);
    for (size_t i = 0; i < leann_value_count(what); i++) bad += !leann_value_bool(leann_value_get(leann_value_at(what, i), "ok"), false);
    leann_value_free(what);
    return bad;
}

static void verified(void **state)
{
    (void)state;
    char hex[65];
    assert_int_equal(bad_entries(model), 0);
    identity_of(LEANN_ENCODE_INT8, hex);
    assert_int_equal(bad_entries(model), 0);
    char *path = packed_of(hex);
    assert_int_equal(bad_entries(path), 0);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    flip(path, about.st_size / 2); /* a weight: opening does not see it */
    leann_model_free(opened(model, LEANN_ENCODE_INT8));
    assert_int_equal(bad_entries(path), 1);
    assert_int_equal(bad_entries(model), 1);
    unlink(path);
    assert_int_equal(bad_entries(model), 0);

    char weights[256]; /* changed behind our back: the same size and time */
    snprintf(weights, sizeof weights, "%s/model.safetensors", model);
    leann_model_free(opened(model, LEANN_ENCODE_INT8));
    assert_int_equal(stat(weights, &about), 0);
    flip(weights, -(long)(HIDDEN * HIDDEN * 4) - 3); /* the last bias of the embeddings' norm */
    assert_int_equal(utimensat(AT_FDCWD, weights, (struct timespec[]){about.st_atim, about.st_mtim}, 0), 0);
    assert_int_equal(bad_entries(model), 1);
    leann_free(path);
}

static void described(void **state)
{
    (void)state;
    leann_value *about, *list;
    char hex[65];
    assert_int_equal(leann_model_describe(ctx, model, &about), LEANN_OK);
    assert_string_equal(leann_value_text(leann_value_get(about, "licence"), ""), "apache-2.0");
    assert_string_equal(leann_value_text(leann_value_get(about, "type"), ""), "F32");
    assert_int_equal(leann_value_int(leann_value_get(leann_value_get(about, "settings"), "hidden"), 0), HIDDEN);
    assert_int_equal(leann_value_count(leann_value_get(about, "packed")), 0);
    leann_value_free(about);
    identity_of(LEANN_ENCODE_BF16, hex);
    assert_int_equal(leann_model_describe(ctx, model, &about), LEANN_OK);
    assert_string_equal(leann_value_text(leann_value_get(leann_value_get(about, "identity"), "bf16"), ""), hex);
    assert_int_equal(leann_value_count(leann_value_get(about, "packed")), 1);
    assert_int_equal(leann_models_list(ctx, &list), LEANN_OK);
    assert_int_equal(leann_value_count(list), 1);
    assert_true(leann_value_equal(leann_value_at(list, 0), about));
    leann_value_free(list);
    leann_value_free(about);
    char *path = packed_of(hex);
    assert_int_equal(leann_model_describe(ctx, path, &about), LEANN_OK);
    assert_string_equal(leann_value_text(leann_value_get(leann_value_get(about, "identity"), "bf16"), ""), hex);
    leann_value_free(about);
    leann_free(path);
}

static void the_usual_model(void **state)
{
    (void)state;
    leann_model *m;
    assert_int_equal(leann_model_open(ctx, NULL, LEANN_ENCODE_F32, &m), LEANN_ENOTFOUND);
    assert_non_null(strstr(leann_ctx_error(ctx), "`leann model fetch` gets it into"));
    leann_ctx_clear(ctx);
    snprintf(model, sizeof model, "%s/leann/models/" LEANN_MODEL_DEFAULT, folder);
    put_model();
    m = opened(NULL, LEANN_ENCODE_F32);
    same_model(leann_model_bert(m), LEANN_ENCODE_F32);
    leann_model_free(m);
    unsetenv("XDG_CACHE_HOME");
    char *home = strdup(getenv("HOME") ? getenv("HOME") : "");
    unsetenv("HOME");
    leann_status status = leann_model_open(ctx, NULL, LEANN_ENCODE_F32, &m);
    setenv("HOME", home, 1);
    free(home);
    assert_int_equal(status, LEANN_ENOTFOUND);
    assert_non_null(strstr(leann_ctx_error(ctx), "set XDG_CACHE_HOME or HOME"));
}

/* ---- wrong folders ------------------------------------------------------------------------------------------------------------- */

static void refused(leann_status status, const char *words)
{
    leann_model *m;
    leann_status is = leann_model_open(ctx, model, LEANN_ENCODE_INT8, &m);
    if (is != status || !strstr(leann_ctx_error(ctx), words))
        fail_msg("\"%s\" (%s), not \"%s\" (%s)", leann_ctx_error(ctx), leann_status_word(is), words, leann_status_word(status));
    assert_null(m);
    leann_ctx_clear(ctx);
}

/* The first `from` of a file becomes `to`. */
static void edit(const char *name, const char *from, const char *to)
{
    char path[256], *text;
    size_t bytes, m = strlen(from), n = strlen(to);
    snprintf(path, sizeof path, "%s/%s", model, name);
    assert_int_equal(leann_file_read(ctx, path, 1 << 24, &text, &bytes), LEANN_OK);
    char *at = memmem(text, bytes, from, m), *out = malloc(bytes + n);
    if (!at) fail_msg("%s has no %s", name, from);
    assert_non_null(out);
    size_t before = (size_t)(at - text);
    memcpy(out, text, before);
    memcpy(out + before, to, n);
    memcpy(out + before + n, at + m, bytes - before - m);
    assert_int_equal(leann_file_write(ctx, path, out, bytes - m + n), LEANN_OK);
    free(out);
    leann_free(text);
}

static void other_architectures(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *words;
        leann_status status;
    } cases[] = {
        {"\"gelu\"", "\"relu\"", "hidden_act is \"relu\"; only \"gelu\" is known", LEANN_EUNSUPPORTED},
        {"\"gelu\"", "[1, 2]", "hidden_act is [1, 2]", LEANN_EUNSUPPORTED},
        {"\"bert\"", "\"mpnet\"", "model_type is \"mpnet\"", LEANN_EUNSUPPORTED},
        {"{", "{\"is_decoder\": true, ", "is_decoder is true; only encoders are known", LEANN_EUNSUPPORTED},
        {"{", "{\"position_embedding_type\": \"relative_key\", ", "position_embedding_type is", LEANN_EUNSUPPORTED},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "3 heads do not divide the hidden size 64", LEANN_EFORMAT},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 49", "num_hidden_layers is 49, but must be a whole number between 1 and 48",
         LEANN_EFORMAT},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1.5", "num_hidden_layers is 1.5", LEANN_EFORMAT},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": \"x\"", "num_hidden_layers is \"x\"", LEANN_EFORMAT},
        {"\"num_hidden_layers\": 2", "\"layers\": 2", "does not say num_hidden_layers", LEANN_EFORMAT},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "has no tensor encoder.layer.2.attention.self.query.weight",
         LEANN_EFORMAT},
        {"\"hidden_size\": 64", "\"hidden_size\": 4294967360", "hidden_size is 4294967360", LEANN_EFORMAT},
        {"\"hidden_size\": 64", "\"hidden_size\": 80", "word_embedding_dimension is 64, but the hidden size 80", LEANN_EFORMAT},
        {"\"intermediate_size\": 128", "\"intermediate_size\": 144", "shape (128, 64), but config.json asks for (144, 64)", LEANN_EFORMAT},
        {"\"vocab_size\": 12", "\"vocab_size\": 10", "its vocabulary has 11 tokens, but config.json's vocab_size is 10", LEANN_EFORMAT},
        {"\"vocab_size\": 12", "\"vocab_size\": 13", "has shape (12, 64), but config.json asks for (13, 64)", LEANN_EFORMAT},
        {"\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": -1", "layer_norm_eps is -1", LEANN_EFORMAT},
        {"}", "", "config.json", LEANN_EFORMAT},
        {"{", "[{", "config.json", LEANN_EFORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("config.json", config);
        edit("config.json", cases[i].from, cases[i].to);
        refused(cases[i].status, cases[i].words);
    }
    put("config.json", NULL);
    refused(LEANN_ENOTFOUND, "is no folder of a model: it has no config.json");
}

static void other_tokenizers(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *words;
        leann_status status;
    } cases[] = {
        {"\"WordPiece\"", "\"Unigram\"", "type is \"Unigram\"; only \"WordPiece\" is known", LEANN_EUNSUPPORTED},
        {"\"BertNormalizer\"", "\"NFC\"", "normalizer is \"NFC\"", LEANN_EUNSUPPORTED},
        {"\"clean_text\": true", "\"clean_text\": false", "does not clean the text", LEANN_EUNSUPPORTED},
        {"\"normalizer\": {", "\"normalizer\": null, \"x\": {", "normalizer is null", LEANN_EUNSUPPORTED},
        {"\"pre_tokenizer\": {", "\"pre_tokenizer\": null, \"x\": {", "pre_tokenizer is null", LEANN_EUNSUPPORTED},
        {"\"BertPreTokenizer\"", "\"Whitespace\"", "pre_tokenizer is \"Whitespace\"", LEANN_EUNSUPPORTED},
        {"\"TemplateProcessing\"", "\"ByteLevel\"", "post_processor ByteLevel does not put one token before a text", LEANN_EUNSUPPORTED},
        {"{\"Sequence\"", "{\"Sequences\"", "post_processor TemplateProcessing does not put", LEANN_EUNSUPPORTED},
        {"\"content\": \"[MASK]\"", "\"content\": \"[MUSK]\"", "added token \"[MUSK]\" has not the id", LEANN_EFORMAT},
        {"\"id\": 4, \"content\": \"[MASK]\"", "\"id\": 5, \"content\": \"hello\"", "adds the token \"hello\"", LEANN_EUNSUPPORTED},
        {"\"lstrip\": false", "\"lstrip\": true", "adds the token \"[CLS]\"", LEANN_EUNSUPPORTED},
        {"\"world\": 6", "\"world\": 5", "\"hello\" is taken", LEANN_EFORMAT},
        {"\"world\": 6", "\"world\": 11", "the id of \"world\" is taken, or not one of 0 to 10", LEANN_EFORMAT},
        {"\"world\": 6", "\"world\": -1", "the id of \"world\"", LEANN_EFORMAT},
        {"\"world\": 6", "\"w\\nd\": 6", "token 6 holds the end of a line", LEANN_EFORMAT},
        {"\"world\": 6", "\"hello\": 6", "duplicate", LEANN_EFORMAT},
        {"\"vocab\": {", "\"vocab\": [], \"x\": {", "a vocabulary of 0 tokens", LEANN_EFORMAT},
        {"\"unk_token\": \"[UNK]\"", "\"unk_token\": \"[unk]\"", "[unk]", LEANN_EFORMAT},
        {"\"lowercase\": true", "\"lowercase\": 1", "lowercase is neither true nor false", LEANN_EFORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("tokenizer.json", tokenizer);
        edit("tokenizer.json", cases[i].from, cases[i].to);
        refused(cases[i].status, cases[i].words);
    }
    put("tokenizer.json", NULL);
    put("vocab.txt", "");
    refused(LEANN_EFORMAT, "its vocabulary has 0 tokens");
    put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[PAD]\n");
    refused(LEANN_EFORMAT, "[PAD]");
    put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\nhello\n");
    refused(LEANN_EFORMAT, "[SEP]");
    put("vocab.txt", NULL);
    refused(LEANN_ENOTFOUND, "has neither tokenizer.json nor vocab.txt");
}

static void other_sentence_settings(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text, *words;
        leann_status status;
    } cases[] = {
        {"1_Pooling/config.json", "{\"pooling_mode_max_tokens\": true}", "pooling \"max_tokens\"", LEANN_EUNSUPPORTED},
        {"1_Pooling/config.json", "{\"pooling_mode_lasttoken\": true}", "pooling \"lasttoken\"", LEANN_EUNSUPPORTED},
        {"1_Pooling/config.json", "{\"pooling_mode_mean_sqrt_len_tokens\": true}", "pooling \"mean_sqrt_len_tokens\"", LEANN_EUNSUPPORTED},
        {"1_Pooling/config.json", "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": true}", "among others",
         LEANN_EUNSUPPORTED},
        {"1_Pooling/config.json", "[]", "1_Pooling/config.json is not a map", LEANN_EFORMAT},
        {"1_Pooling/config.json", NULL, "has no 1_Pooling/config.json", LEANN_ENOTFOUND},
        {"1_Pooling/config.json", pooling, "", LEANN_OK},
        {"modules.json", "{}", "modules.json is not a list", LEANN_EFORMAT},
        {"modules.json", "[{\"type\": \"a.Transformer\"}]", "has no module that pools", LEANN_EUNSUPPORTED},
        {"modules.json", "[{\"type\": \"a.Transformer\"}, {\"type\": \"a.Pooling\", \"path\": \"../x\"}]", "lies in \"../x\"",
         LEANN_EUNSUPPORTED},
        {"modules.json", "[{\"type\": \"a.Transformer\", \"path\": \"0_T\"}]", "lies in \"0_T\"", LEANN_EUNSUPPORTED},
        {"modules.json", "[{\"type\": \"a.Transformer\"}, {\"type\": \"a.Pooling\", \"path\": \"1_Pooling\"}, {\"type\": \"a.Dense\"}]",
         "module 2 is a.Dense", LEANN_EUNSUPPORTED},
        {"modules.json", modules, "", LEANN_OK},
        {"sentence_bert_config.json", "{\"max_seq_length\": 21}", "max_seq_length is 21, but must be a whole number between 2 and 20",
         LEANN_EFORMAT},
        {"sentence_bert_config.json", "{\"max_seq_length\": 1}", "max_seq_length is 1", LEANN_EFORMAT},
        {"sentence_bert_config.json", "{}", "", LEANN_OK},
        {"tokenizer_config.json", "{\"do_lower_case\": \"no\"}", "do_lower_case is neither true nor false", LEANN_EFORMAT},
        {"tokenizer_config.json", "{\"unk_token\": \"\"}", "the unknown token of", LEANN_EFORMAT},
        {"tokenizer_config.json", "{\"sep_token\": \"a token that is far longer than any other\"}", "the last token of", LEANN_EFORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i].file, cases[i].text);
        if (cases[i].status != LEANN_OK) refused(cases[i].status, cases[i].words);
    }
    put("tokenizer_config.json", "{\"do_lower_case\": false}");
    put("sentence_bert_config.json", "{\"do_lower_case\": true}");
    refused(LEANN_EUNSUPPORTED, "lowers the text, but its tokenizer does not");
    put("tokenizer_config.json", NULL);
    put("config_sentence_transformers.json", "{\"prompts\": {\"query\": \"x\"}}");
    put("1_Pooling/config.json", "{\"pooling_mode_mean_tokens\": true, \"include_prompt\": false}");
    refused(LEANN_EUNSUPPORTED, "has prompts, which its pooling leaves out");
}

static void wrong_weights(void **state)
{
    (void)state;
    static const char file[] = "model.safetensors";
    static const struct { /* as long as one another: the bytes behind the header stay where they are */
        const char *from, *to, *words;
        leann_status status;
    } cases[] = {
        {"\"embeddings.word_embeddings.weight\"", "\"embeddings.word-embeddings.weight\"",
         "has no tensor embeddings.word_embeddings.weight", LEANN_EFORMAT},
        {"layer.1.output.dense.bias", "layer.9.output.dense.bias", "has no tensor encoder.layer.1.output.dense.bias", LEANN_EFORMAT},
        {"\"shape\":[64,128]", "\"shape\":[128,64]", "output.dense.weight has shape (128, 64), but config.json asks for (64, 128)",
         LEANN_EFORMAT},
        {"\"shape\":[64,128]", "\"shape\":[64,127]", "of 8128 elements of F32 has 32768 bytes", LEANN_EFORMAT},
        {"\"shape\":[64,128]", "\"shape\":[8192]  ", "has shape (8192), but config.json asks for (64, 128)", LEANN_EFORMAT},
        {"\"shape\":[64,128]", "\"shape\":[-4,128]", "number 0 of its shape is none", LEANN_EFORMAT},
        {"\"shape\":[64,128]", "\"shape\":[6.,128]", "model.safetensors", LEANN_EFORMAT}, /* no JSON */
        {"\"shape\":[64,128]", "\"shape\":\"a shap\"", "has no shape of at most 8 numbers", LEANN_EFORMAT},
        {"\"shape\":[64,128]", "\"shape\":[1,2,3] ", "of 6 elements of F32 has 32768 bytes", LEANN_EFORMAT},
        {"\"dtype\":\"F32\"", "\"dtype\":\"I32\"", "is of I32; only F32, F16 and BF16 are read", LEANN_EUNSUPPORTED},
        {"\"dtype\":\"F32\"", "\"dtype\":\"F64\"", "of 64 elements of F64 has 256 bytes", LEANN_EFORMAT},
        {"\"dtype\":\"F32\"", "\"dtype\":  111", "has no dtype", LEANN_EFORMAT},
        {"\"data_offsets\":[0,8]", "\"data_offsets\":[0,9]", "of 1 elements of I64 has 9 bytes", LEANN_EFORMAT},
        {"\"data_offsets\":[8,264]", "\"data_offsets\":[4,260]", "begins at 4, before the end of what lies before it at 8", LEANN_EFORMAT},
        {"\"data_offsets\":[8,264]", "\"data_offsets\":[9,265]", "begins at 9, behind the end of what lies before it at 8", LEANN_EFORMAT},
        {"\"data_offsets\":[8,264]", "\"data_offsets\":[264,8]", "lies at 264 to 8 of", LEANN_EFORMAT},
        {"\"data_offsets\":[8,264]", "\"data_offsets\":[8,9e9]", "its data_offsets are not two whole numbers", LEANN_EFORMAT},
        {"\"data_offsets\":[8,264]", "\"data_offsets\":[8,\"x\"]", "its data_offsets are not two whole numbers", LEANN_EFORMAT},
        {"\"data_offsets\":[8,264]", "\"data_offset\": [8,264]", "its data_offsets are not two whole numbers", LEANN_EFORMAT},
        {"layer.1.attention.self.query.weight", "layer.1.attention.self.value.weight", "duplicate", LEANN_EFORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_tensors("F32", "");
        edit(file, cases[i].from, cases[i].to);
        refused(cases[i].status, cases[i].words);
    }
    put(file, NULL);
    refused(LEANN_ENOTFOUND, "has no model.safetensors");
    put(file, "1234567");
    refused(LEANN_EFORMAT, "is no safetensors file: 7 bytes, the least is 8");
    put(file, "\xff\xff\xff\xff\xff\xff\xff\xff{}");
    refused(LEANN_EFORMAT, "states a header of 18446744073709551615 bytes, but has 2 behind the first 8 (truncated?)");
}

/* Every cut of a file is an error, and every byte of its header may be another without harm. */
static void damaged_weights(void **state)
{
    (void)state;
    char path[256], *text;
    size_t bytes;
    leann_model *m;
    snprintf(path, sizeof path, "%s/model.safetensors", model);
    assert_int_equal(leann_file_read(ctx, path, 1 << 24, &text, &bytes), LEANN_OK);
    uint64_t head;
    memcpy(&head, text, 8);
    for (size_t cut = 0; cut < bytes; cut += cut < 20 ? 1 : cut < head ? 331 : 65521) {
        assert_int_equal(leann_file_write(ctx, path, text, cut), LEANN_OK);
        refused(LEANN_EFORMAT, "model.safetensors");
    }
    for (size_t i = 0; i < head + 8; i += i < 300 ? 1 : 97) {
        text[i] ^= 0x10;
        assert_int_equal(leann_file_write(ctx, path, text, bytes), LEANN_OK);
        text[i] ^= 0x10;
        if (leann_model_open(ctx, model, LEANN_ENCODE_F32, &m) == LEANN_OK)
            leann_model_free(m); /* the name of a tensor that is not needed */
        else
            assert_true(leann_ctx_error(ctx)[0] != 0);
        leann_ctx_clear(ctx);
    }
    float nan = NAN; /* in the last row of the tensor that is needed last but one in the file */
    memcpy(text + bytes - HIDDEN * HIDDEN * 4 - 4, &nan, 4);
    assert_int_equal(leann_file_write(ctx, path, text, bytes), LEANN_OK);
    refused(LEANN_EFORMAT, "tensor embeddings.LayerNorm.bias: element 63 is NaN");
    leann_free(text);
}

static void sizes_that_fit_no_panels(void **state)
{
    (void)state;
    put("config.json",
        "{\"vocab_size\": 12, \"hidden_size\": 60, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 128}");
    put("1_Pooling/config.json", "{}");
    refused(LEANN_EUNSUPPORTED, "hidden size 60 and intermediate size 128 must be multiples of 16");
    put("config.json",
        "{\"vocab_size\": 12, \"hidden_size\": 64, \"num_hidden_layers\": 1, \"num_attention_heads\": 8, \"intermediate_size\": 128}");
    refused(LEANN_EUNSUPPORTED, "heads of size 8 (8 of them); a multiple of 16 is needed");
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(packed_as_it_is),
        EACH(halves_and_names_are_the_same_model),
        EACH(settings_are_the_identity),
        EACH(the_shape_of_bge),
        EACH(a_folder_of_a_bare_model),
        EACH(packed_once),
        EACH(the_same_bytes_from_another_folder),
        EACH(verified),
        EACH(described),
        EACH(the_usual_model),
        EACH(other_architectures),
        EACH(other_tokenizers),
        EACH(other_sentence_settings),
        EACH(wrong_weights),
        EACH(damaged_weights),
        EACH(sizes_that_fit_no_panels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
