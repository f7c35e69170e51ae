/* test_minilm.c – the encoder minilm against token ids and float32 vectors that other programs gave 200 passages (scripts/reference/minilm),
 * in every precision; and that a passage has the same bits alone, in a batch and with two threads. The vectors of linux-doc-minilm, 4,002
 * chunks of the Linux kernel's documentation by sentence-transformers, are a second reference where that folder is present.
 *
 * The model is all-MiniLM-L6-v2 from the cache, where `leann model fetch` puts it. Where it is missing the tests say so and are skipped.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/bytes.h"
#include "encoders/minilm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { N = 200, D = 384, MAX = 256, LINE = 1 << 16, NPY_HEAD = 128, DOCS = 4002 };
#ifdef LEANN_SANITIZED
enum { DOCS_USED = 4 }; /* the path is what sanitizers look at */
#else
enum { DOCS_USED = 40 };
#endif

static char text[N][LINE / 8];
static leann_text texts[N];
static uint32_t ids[N][MAX], tokens[N];
static float reference[N][D], x[N][D], y[N][D];
static bool missing;

static void read_passages(void)
{
    static char line[LINE];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *v = NULL;
    FILE *f = fopen("tests/golden/minilm.jsonl", "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f)); /* what the file is */
    for (size_t i = 0; i < N; i++) {
        assert_non_null(fgets(line, sizeof line, f));
        assert_int_equal(leann_value_parse(ctx, "minilm.jsonl", line, strlen(line), &v), LEANN_OK);
        const leann_value *list = leann_value_get(v, "ids");
        snprintf(text[i], sizeof text[i], "%s", leann_value_text(leann_value_get(v, "text"), ""));
        texts[i] = (leann_text){text[i], strlen(text[i])};
        tokens[i] = (uint32_t)leann_value_count(list);
        assert_in_range(tokens[i], 2, MAX);
        for (size_t t = 0; t < tokens[i]; t++) ids[i][t] = (uint32_t)leann_value_int(leann_value_at(list, t), 0);
        leann_value_free(v);
    }
    fclose(f);
    f = fopen("tests/golden/minilm.npy", "rb");
    assert_non_null(f);
    assert_int_equal(fread(line, 1, NPY_HEAD, f), NPY_HEAD);
    assert_non_null(strstr(line + 10, "'<f4', 'fortran_order': False, 'shape': (200, 384)"));
    assert_int_equal(fread(reference, sizeof reference[0], N, f), N);
    fclose(f);
    leann_ctx_free(ctx);
}

static int setup(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_model *model = NULL;
    leann_status status = leann_model_open(ctx, NULL, LEANN_ENCODE_F32, &model);
    missing = status == LEANN_ENOTFOUND;
    if (status) printf("golden.minilm: %s%s\n", missing ? "SKIPPED, the encoder is NOT checked: " : "", leann_ctx_error(ctx));
    leann_model_free(model);
    leann_ctx_free(ctx);
    read_passages();
    return status == LEANN_OK || missing ? 0 : -1;
}

static leann_encoder *open_encoder(leann_ctx *ctx, const char *precision)
{
    leann_value *given = leann_value_new_map(), *params = leann_value_new_map();
    leann_choice choice;
    leann_encoder *encoder = NULL;
    leann_value_set(params, "precision", leann_value_new_text(precision));
    leann_value_set(given, "minilm", params);
    assert_int_equal(leann_choice_new(ctx, "encoder", given, &choice), LEANN_OK);
    assert_int_equal(leann_encoder_open(ctx, choice, &encoder), LEANN_OK);
    assert_int_equal(encoder->d, D);
    leann_choice_free(choice);
    leann_value_free(given);
    return encoder;
}

static void token_ids(void **state)
{
    (void)state;
    if (missing) skip();
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_model *model = NULL;
    uint32_t out[MAX], n;
    assert_int_equal(leann_model_open(ctx, NULL, LEANN_ENCODE_F32, &model), LEANN_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(leann_wordpiece_encode(leann_model_wordpiece(model), ctx, (leann_text){NULL, 0}, texts[i], MAX, out, &n),
                         LEANN_OK);
        if (n != tokens[i] || memcmp(out, ids[i], n * sizeof *out) != 0) fail_msg("passage %zu has other token ids", i);
    }
    leann_model_free(model);
    leann_ctx_free(ctx);
}

static double cosine(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t j = 0; j < D; j++) {
        ab += (double)a[j] * (double)b[j];
        aa += (double)a[j] * (double)a[j];
        bb += (double)b[j] * (double)b[j];
    }
    return ab / sqrt(aa * bb);
}

static const struct {
    const char *precision;
    double least, mean;
} cases[] = {{"f32", 0.99999, 0.99999}, {"bf16", 0.9999, 0.9999}, {"int8", 0.98, 0.998}};

/* Holds n vectors to the reference. */
static void check_cosines(const char *of, size_t c, size_t n)
{
    double mean = 0, least = 2;
    for (size_t i = 0; i < n; i++) {
        const double cos = cosine(x[i], reference[i]);
        mean += cos / (double)n;
        least = cos < least ? cos : least;
    }
    printf("golden.minilm: %s, %s: cosine to the reference: mean %.7f, least %.7f\n", of, cases[c].precision, mean, least);
    assert_true(mean >= cases[c].mean && least >= cases[c].least);
}

static void vectors(void **state)
{
    (void)state;
    if (missing) skip();
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        leann_ctx *one = leann_ctx_new(1, 1), *two = leann_ctx_new(1, 2);
        leann_encoder *encoder = open_encoder(one, cases[c].precision);
        assert_int_equal(encoder->type->encode(encoder, two, LEANN_PASSAGE, texts, N, x[0]), LEANN_OK);
        check_cosines("passages", c, N);
        for (size_t i = 0; i < N; i += 7) { /* alone, and with one thread */
            assert_int_equal(encoder->type->encode(encoder, one, LEANN_PASSAGE, &texts[i], 1, y[i]), LEANN_OK);
            if (memcmp(x[i], y[i], sizeof x[i]) != 0) fail_msg("%s: passage %zu alone has other bits", cases[c].precision, i);
        }
        leann_encoder_free(encoder);
        leann_ctx_free(one);
        leann_ctx_free(two);
    }
}

/* A file of linux-doc-minilm, beside this source or among what it is tested with; NULL: it is absent. */
static leann_bytes *open_docs(leann_ctx *ctx, const char *name)
{
    static const char *const folders[] = {"datasets", "../shared/datasets"};
    leann_bytes *bytes = NULL;
    for (size_t i = 0; !bytes && i < sizeof folders / sizeof *folders; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/linux-doc-minilm/%s", folders[i], name);
        leann_status status = leann_bytes_open(ctx, path, &bytes);
        if (status != LEANN_OK && status != LEANN_ENOTFOUND) fail_msg("%s", leann_ctx_error(ctx));
        leann_ctx_clear(ctx);
    }
    return bytes;
}

/* Some chunks, evenly spread, and their vectors into text and reference; false: they are absent. */
static bool read_docs(leann_ctx *ctx)
{
    leann_bytes *chunks = open_docs(ctx, "chunks.jsonl.gz"), *rows = chunks ? open_docs(ctx, "embeddings.npy") : NULL;
    static char head[NPY_HEAD + 1];
    static float row[D];
    if (!chunks) return false;
    assert_non_null(rows);
    size_t size = (size_t)leann_bytes_size(chunks), used = 0;
    char *lines = malloc(size + 1), *line = lines;
    assert_non_null(lines);
    assert_int_equal(leann_bytes_read(chunks, lines, size), LEANN_OK);
    lines[size] = '\0';
    assert_int_equal(leann_bytes_read(rows, head, NPY_HEAD), LEANN_OK);
    assert_non_null(strstr(head + 10, "'<f4', 'fortran_order': False, 'shape': (4002, 384)"));
    for (size_t i = 0; used < DOCS_USED; i++) {
        char *end = strchr(line, '\n');
        leann_value *v = NULL;
        assert_non_null(end);
        assert_int_equal(leann_bytes_read(rows, row, sizeof row), LEANN_OK);
        if (i % (DOCS / DOCS_USED) == 0) {
            assert_int_equal(leann_value_parse(ctx, "chunks.jsonl", line, (size_t)(end - line), &v), LEANN_OK);
            const char *of = leann_value_text(leann_value_get(v, "text"), "");
            assert_in_range(strlen(of), 1, sizeof text[used] - 1);
            strcpy(text[used], of);
            texts[used] = (leann_text){text[used], strlen(of)};
            memcpy(reference[used++], row, sizeof row);
            leann_value_free(v);
        }
        line = end + 1;
    }
    free(lines);
    leann_bytes_free(rows);
    leann_bytes_free(chunks);
    return true;
}

/* The last test: it has the place of the passages. */
static void docs(void **state)
{
    (void)state;
    if (missing) skip();
    leann_ctx *ctx = leann_ctx_new(1, 2);
    if (!read_docs(ctx)) {
        printf("golden.minilm: datasets/linux-doc-minilm is absent: its vectors were NOT checked\n");
        leann_ctx_free(ctx);
        return;
    }
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        leann_encoder *encoder = open_encoder(ctx, cases[c].precision);
        assert_int_equal(encoder->type->encode(encoder, ctx, LEANN_PASSAGE, texts, DOCS_USED, x[0]), LEANN_OK);
        check_cosines("linux-doc-minilm", c, DOCS_USED);
        leann_encoder_free(encoder);
    }
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(token_ids), cmocka_unit_test(vectors), cmocka_unit_test(docs)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
