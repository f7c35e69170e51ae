/* test_methods.c – the contract of a whole index, held by every registered method and, inside `anchor`, by every selector, graph and
 * quantiser: bad input is refused with a sentence, tiny and degenerate data work, a saved index answers as the one in memory, damage is
 * found, the ledger is the file, the prediction holds, 1 and 2 threads give the same bytes, and a warm search allocates nothing.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* vasprintf */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/plugin.h"

enum { N = 600, D = 16, K = 10, QUERIES = 20, CONFIGS = 256 };

static char *config[CONFIGS];
static size_t configs;
static char folder[] = "/tmp/leann-conform-XXXXXX";

static void add_config(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add_config(const char *format, ...)
{
    assert_true(configs < CONFIGS);
    va_list args;
    va_start(args, format);
    assert_true(vasprintf(&config[configs++], format, args) > 0);
    va_end(args);
}

/* Parameters small enough for N rows; a quantiser that is not named here is taken with its defaults. */
static const char *quantizer_text(const char *word)
{
    if (!strcmp(word, "pq")) return "{pq: {sub_vectors: 8, codebook_size: 16}}";
    if (!strcmp(word, "opq")) return "{opq: {sub_vectors: 8, codebook_size: 16}}";
    return word;
}

/* Every registered method, and every part in the method that takes parts. */
static void list_configs(void)
{
    for (size_t i = 0; i < leann_plugin_count(LEANN_METHOD); i++) {
        const char *method = leann_plugin_at(LEANN_METHOD, i)->name;
        if (strcmp(method, "anchor") && strcmp(method, "graph") && strcmp(method, "codes") && strcmp(method, "leann-paper") &&
            strcmp(method, "frugal"))
            add_config("{method: %s}", method);
    }
    for (size_t g = 0; g < leann_plugin_count(LEANN_GRAPH); g++)
        add_config("{method: graph, build: {graph: %s}}", leann_plugin_at(LEANN_GRAPH, g)->name);
    add_config("{method: diskann, build: {graph: hnsw, vectors: f32}}");
    add_config("{method: graph, build: {graph: hnsw, link_bits: 250}}");
    add_config("{method: graph, build: {graph: vamana, link_bits: 350, order: bisected}}");
    add_config("{method: leann-paper, build: {graph: vamana, links: 32, quantizer: sq}}");
    add_config("{method: leann-paper, build: {link_bits: 120, order: bisected, quantizer: sq}}");
    add_config("{method: ivf-recompute, build: {stored: 0.3}}");
    for (size_t q = 0; q < leann_plugin_count(LEANN_QUANTIZER); q++) {
        const char *quantizer = quantizer_text(leann_plugin_at(LEANN_QUANTIZER, q)->name);
        add_config("{method: diskann, build: {quantizer: %s, vectors: none}}", quantizer);
        add_config("{method: codes, build: {quantizer: %s}}", quantizer);
        add_config("{method: frugal, build: {quantizer: %s}}", quantizer);
        add_config("{method: leann-paper, build: {quantizer: %s, cache: 0.05}}", quantizer);
        add_config("{method: graph, build: {quantizer: %s}}", quantizer);
        if (strcmp(quantizer, "none") && strcmp(quantizer, "sq"))
            add_config("{method: graph, build: {quantizer: %s, layout: lists}}", quantizer);
        for (size_t g = 0; g < leann_plugin_count(LEANN_GRAPH); g++)
            for (int residual = 0; residual < 3; residual++)
                add_config("{method: anchor, build: {graph: %s, quantizer: %s, residual: %s}}", leann_plugin_at(LEANN_GRAPH, g)->name,
                           quantizer, (const char *[]){"yes", "no", "auto"}[residual]);
    }
    for (size_t s = 0; s < leann_plugin_count(LEANN_SELECTOR); s++)
        add_config("{method: anchor, build: {selector: %s, graph: hnsw, quantizer: {sq: {bits: 8}}, residual: no}}",
                   leann_plugin_at(LEANN_SELECTOR, s)->name);
}

static void fill(float *x, size_t rows, uint64_t item)
{
    for (size_t i = 0; i < rows; i++) {
        leann_rng rng = leann_rng_at(7, "conform", item + i), centre = leann_rng_at(7, "centre", (item + i) % 12);
        for (size_t j = 0; j < D; j++) x[i * D + j] = (float)(3 * leann_rng_normal(&centre) + leann_rng_normal(&rng));
    }
}

static leann_rows rows_of(const float *x, uint32_t n, leann_space space)
{
    return (leann_rows){x, D * sizeof(float), n, D, LEANN_F32, space};
}

static void path_of(char *path, const char *name)
{
    snprintf(path, 512, "%s/%s", folder, name);
}

static char *read_all(const char *path, size_t *bytes)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char *data = NULL;
    assert_int_equal(leann_file_read(ctx, path, 1 << 26, &data, bytes), LEANN_OK);
    leann_ctx_free(ctx);
    return data;
}

static leann_index *build(leann_ctx *ctx, leann_rows rows, const char *text)
{
    leann_index *index = NULL;
    leann_status status = leann_index_build(ctx, rows, text, &index);
    if (status != LEANN_OK) fail_msg("%s: %s", text, leann_ctx_error(ctx));
    assert_non_null(index);
    return index;
}

static void search(leann_ctx *ctx, const leann_index *index, leann_rows source, leann_rows queries, uint32_t k, uint32_t *ids, float *dist)
{
    leann_plan *plan = NULL;
    if (leann_plan_new(ctx, index, NULL, &source, &plan) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    if (leann_search(plan, ctx, queries, k, ids, dist, NULL) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    leann_plan_free(plan);
}

static void check_answers(const uint32_t *ids, const float *dist, uint32_t n, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++) {
        if (ids[i] == LEANN_NONE) {
            assert_true(isinf(dist[i]));
            continue;
        }
        assert_true(ids[i] < n);
        assert_true(isfinite(dist[i]));
        if (i > 0) assert_true(dist[i] >= dist[i - 1]);
        for (uint32_t j = 0; j < i; j++) assert_true(ids[j] != ids[i]);
    }
}

/* ---- the tests -------------------------------------------------------------------------------------------------------------------------- */

static float train[N * D], test[QUERIES * D];

static void saved_index_answers_the_same(void **state)
{
    (void)state;
    for (size_t c = 0; c < configs; c++)
        for (leann_space space = LEANN_L2; space <= LEANN_IP; space++) {
            leann_ctx *ctx = leann_ctx_new(3, 2);
            char path[512];
            path_of(path, "same.leann");
            leann_index *index = build(ctx, rows_of(train, N, space), config[c]), *again = NULL;
            uint32_t ids[2][QUERIES * K];
            float dist[2][QUERIES * K];
            search(ctx, index, rows_of(train, N, space), rows_of(test, QUERIES, space), K, ids[0], dist[0]);
            for (uint32_t q = 0; q < QUERIES; q++) check_answers(ids[0] + q * K, dist[0] + q * K, N, K);
            if (leann_index_save(ctx, index, path) != LEANN_OK) fail_msg("%s: %s", config[c], leann_ctx_error(ctx));
            if (leann_index_open(ctx, path, &again) != LEANN_OK) fail_msg("%s: %s", config[c], leann_ctx_error(ctx));
            assert_int_equal(leann_index_size(again), N);
            assert_int_equal(leann_index_dimension(again), D);
            assert_int_equal(leann_index_space(again), space);
            assert_string_equal(leann_index_config(again), leann_index_config(index));
            search(ctx, again, rows_of(train, N, space), rows_of(test, QUERIES, space), K, ids[1], dist[1]);
            if (memcmp(ids[0], ids[1], sizeof ids[0]) || memcmp(dist[0], dist[1], sizeof dist[0]))
                fail_msg("%s: the opened index answers differently", config[c]);

            leann_reader *r = NULL;
            leann_ledger real, predicted;
            struct stat about;
            assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
            leann_reader_ledger(r, &real);
            leann_reader_free(r);
            assert_int_equal(stat(path, &about), 0);
            assert_int_equal(leann_ledger_total(&real), about.st_size);
            leann_value *value = NULL;
            assert_int_equal(leann_config_parse(ctx, "config", config[c], strlen(config[c]), &value), LEANN_OK);
            assert_int_equal(leann_method_predict(ctx, N, D, LEANN_F32, space, value, &predicted), LEANN_OK);
            leann_value_free(value);
            double off = fabs((double)leann_ledger_total(&predicted) - (double)about.st_size);
            if (off > 0.01 * (double)about.st_size + 4096)
                fail_msg("%s: predicted %llu bytes, the file has %lld", config[c], (unsigned long long)leann_ledger_total(&predicted),
                         (long long)about.st_size);
            leann_index_free(index);
            leann_index_free(again);
            leann_ctx_free(ctx);
        }
}

static void a_batch_answers_as_its_queries(void **state)
{
    (void)state;
    for (size_t c = 0; c < configs; c++)
        for (leann_space space = LEANN_L2; space <= LEANN_IP; space++) {
            leann_ctx *ctx = leann_ctx_new(3, 1);
            leann_index *index = build(ctx, rows_of(train, N, space), config[c]);
            leann_rows source = rows_of(train, N, space);
            leann_plan *plan = NULL;
            uint32_t ids[QUERIES * K], one[K];
            float dist[QUERIES * K], alone[K];
            leann_work work[QUERIES], own;
            assert_int_equal(leann_plan_new(ctx, index, NULL, &source, &plan), LEANN_OK);
            assert_int_equal(leann_search(plan, ctx, rows_of(test, QUERIES, space), K, ids, dist, work), LEANN_OK);
            for (uint32_t q = 0; q < QUERIES; q++) {
                assert_int_equal(leann_search(plan, ctx, rows_of(test + q * D, 1, space), K, one, alone, &own), LEANN_OK);
                if (memcmp(ids + q * K, one, sizeof one) || memcmp(dist + q * K, alone, sizeof alone))
                    fail_msg("%s: query %u answers differently among others", config[c], q);
                memset(own.stage_ns, 0, sizeof own.stage_ns);
                memset(work[q].stage_ns, 0, sizeof own.stage_ns);
                assert_memory_equal(&own, &work[q], sizeof own);
            }
            leann_plan_free(plan);
            leann_index_free(index);
            leann_ctx_free(ctx);
        }
}

static void threads_do_not_change_a_byte(void **state)
{
    (void)state;
    for (size_t c = 0; c < configs; c++) {
        char path[2][512], *data[2];
        size_t bytes[2];
        for (unsigned t = 0; t < 2; t++) {
            leann_ctx *ctx = leann_ctx_new(11, t + 1);
            path_of(path[t], t ? "two.leann" : "one.leann");
            leann_index *index = build(ctx, rows_of(train, N, LEANN_L2), config[c]);
            assert_int_equal(leann_index_save(ctx, index, path[t]), LEANN_OK);
            leann_index_free(index);
            leann_ctx_free(ctx);
            data[t] = read_all(path[t], &bytes[t]);
        }
        if (bytes[0] != bytes[1] || memcmp(data[0], data[1], bytes[0])) fail_msg("%s: 1 and 2 threads differ", config[c]);
        leann_free(data[0]);
        leann_free(data[1]);
    }
}

/* One row, two rows, all rows equal: an index or a sentence, never a crash, and an index must answer. */
static void tiny_and_equal_rows(void **state)
{
    (void)state;
    static float equal[N * D];
    for (size_t i = 0; i < N * D; i++) equal[i] = 1.5f;
    for (size_t c = 0; c < configs; c++)
        for (int kind = 0; kind < 4; kind++) {
            leann_ctx *ctx = leann_ctx_new(5, 1);
            uint32_t n = kind == 0 ? 0 : kind == 1 ? 1 : kind == 2 ? 2 : N, k = n < K ? n : K;
            leann_rows rows = rows_of(kind == 3 ? equal : train, n, LEANN_L2);
            leann_index *index = NULL;
            leann_status status = leann_index_build(ctx, rows, config[c], &index);
            if (status != LEANN_OK) {
                assert_true(kind < 3); /* all equal is not an error; too few rows for a codebook is */
                assert_true(status == LEANN_EINVAL && strlen(leann_ctx_error(ctx)) > 10);
                assert_null(index);
            } else {
                uint32_t ids[K];
                float dist[K];
                assert_true(n > 0);
                search(ctx, index, rows, rows_of(kind == 3 ? equal : test, 1, LEANN_L2), k, ids, dist);
                check_answers(ids, dist, n, k);
                assert_true(ids[0] != LEANN_NONE);
                leann_index_free(index);
            }
            leann_ctx_free(ctx);
        }
}

/* ---- a warm search allocates nothing ------------------------------------------------------------------------------------------------ */

#ifdef LEANN_SANITIZED /* its malloc cannot be counted */
static void warm_searches_allocate_nothing(void **state)
{
    (void)state;
    skip();
}
#else
static unsigned long allocations;

/* The program's own names go before the C library's, for all that is linked to it. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *p, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);
void *malloc(size_t bytes)
{
    allocations++;
    return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes)
{
    allocations++;
    return __libc_calloc(count, bytes);
}
void *realloc(void *p, size_t bytes)
{
    allocations++;
    return __libc_realloc(p, bytes);
}
int posix_memalign(void **p, size_t align, size_t bytes)
{
    allocations++;
    *p = __libc_memalign(align, bytes);
    return *p ? 0 : ENOMEM;
}

static void warm_searches_allocate_nothing(void **state)
{
    (void)state;
    for (size_t c = 0; c < configs; c++) {
        leann_ctx *ctx = leann_ctx_new(3, 1);
        leann_rows source = rows_of(train, N, LEANN_L2), queries = rows_of(test, QUERIES, LEANN_L2);
        leann_index *index = build(ctx, source, config[c]);
        leann_plan *plan = NULL;
        uint32_t ids[QUERIES * K];
        float dist[QUERIES * K];
        unsigned long seen[3];
        leann_ctx *fresh = leann_ctx_new(3, 1);                                      /* without what the build left */
        if (leann_plan_new(ctx, index, "{rerank: 100}", &source, &plan) != LEANN_OK) /* methods that fetch */
            assert_int_equal(leann_plan_new(ctx, index, NULL, &source, &plan), LEANN_OK);
        for (int i = 0; i < 3; i++) {
            seen[i] = allocations;
            assert_int_equal(leann_search(plan, fresh, queries, K, ids, dist, NULL), LEANN_OK);
            seen[i] = allocations - seen[i];
        }
        assert_true(seen[0] > 0); /* the counter counts */
        if (seen[1] || seen[2]) fail_msg("%s: the second search allocates %lu times, the third %lu", config[c], seen[1], seen[2]);
        leann_plan_free(plan);
        leann_index_free(index);
        leann_ctx_free(fresh);
        leann_ctx_free(ctx);
    }
}
#endif

static void refuse(leann_ctx *ctx, leann_rows rows, const char *text, const char *word)
{
    leann_index *index = NULL;
    assert_int_equal(leann_index_build(ctx, rows, text, &index), LEANN_EINVAL);
    assert_null(index);
    if (!strstr(leann_ctx_error(ctx), word)) fail_msg("'%s' does not say '%s'", leann_ctx_error(ctx), word);
    leann_ctx_clear(ctx);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    static float bad[N * D];
    for (size_t c = 0; c < configs; c++) {
        leann_ctx *ctx = leann_ctx_new(5, 1);
        memcpy(bad, train, sizeof bad);
        bad[5 * D + 3] = NAN;
        refuse(ctx, rows_of(bad, N, LEANN_L2), config[c], "row 5");
        bad[5 * D + 3] = INFINITY;
        refuse(ctx, rows_of(bad, N, LEANN_L2), config[c], "row 5");
        memcpy(bad, train, sizeof bad);
        memset(bad + 9 * D, 0, D * sizeof *bad);
        refuse(ctx, rows_of(bad, N, LEANN_ANGULAR), config[c], "row 9");

        leann_index *index = build(ctx, rows_of(train, N, LEANN_L2), config[c]);
        leann_plan *plan = NULL;
        leann_rows source = rows_of(train, N, LEANN_L2), queries = rows_of(test, 1, LEANN_L2);
        assert_int_equal(leann_plan_new(ctx, index, NULL, &source, &plan), LEANN_OK);
        uint32_t ids[K];
        float dist[K];
        assert_int_equal(leann_search(plan, ctx, queries, 0, ids, dist, NULL), LEANN_EINVAL);
        leann_ctx_clear(ctx);
        assert_int_equal(leann_search(plan, ctx, queries, N + 1, ids, dist, NULL), LEANN_EINVAL);
        leann_ctx_clear(ctx);
        queries.d = D - 1;
        assert_int_equal(leann_search(plan, ctx, queries, 1, ids, dist, NULL), LEANN_EINVAL);
        leann_ctx_clear(ctx);
        queries = rows_of(bad, 1, LEANN_L2);
        bad[2] = NAN;
        assert_int_equal(leann_search(plan, ctx, queries, 1, ids, dist, NULL), LEANN_EINVAL);
        leann_ctx_clear(ctx);
        leann_plan_free(plan);
        assert_int_equal(leann_plan_new(ctx, index, "{no_such_parameter: 1}", &source, &plan), LEANN_EINVAL);
        leann_index_free(index);
        leann_ctx_free(ctx);
    }
}

/* Any single damaged byte and any lost tail is found at opening. */
static void damage_is_found(void **state)
{
    (void)state;
    for (size_t c = 0; c < configs; c++) {
        leann_ctx *ctx = leann_ctx_new(5, 1);
        char path[512];
        size_t bytes;
        path_of(path, "damaged.leann");
        leann_index *index = build(ctx, rows_of(train, N, LEANN_L2), config[c]);
        assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
        leann_index_free(index);
        char *data = read_all(path, &bytes);
        for (uint32_t i = 0; i < 24; i++) {
            leann_rng rng = leann_rng_at(c, "damage", i);
            size_t at = leann_rng_u64(&rng) % bytes;
            FILE *f = fopen(path, "wb");
            assert_non_null(f);
            size_t written = i % 2 ? at : bytes;
            char flip = (char)(1 << (i % 8));
            data[at] = (char)(data[at] ^ flip);
            assert_int_equal(fwrite(data, 1, written, f), written);
            data[at] = (char)(data[at] ^ flip);
            fclose(f);
            leann_status status = leann_index_open(ctx, path, &index);
            if (status == LEANN_OK) fail_msg("%s: %s at byte %zu was not found", config[c], i % 2 ? "a cut" : "a flipped bit", at);
            leann_ctx_clear(ctx);
        }
        leann_free(data);
        leann_ctx_free(ctx);
    }
}

static int start(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    list_configs();
    fill(train, N, 0);
    fill(test, QUERIES, 1000000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    const char *names[] = {"same.leann", "one.leann", "two.leann", "damaged.leann"};
    char path[512];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(path, names[i]);
        unlink(path);
    }
    while (configs) free(config[--configs]);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_index_answers_the_same),   cmocka_unit_test(a_batch_answers_as_its_queries),
        cmocka_unit_test(threads_do_not_change_a_byte),   cmocka_unit_test(tiny_and_equal_rows),
        cmocka_unit_test(bad_input_is_refused),           cmocka_unit_test(damage_is_found),
        cmocka_unit_test(warm_searches_allocate_nothing),
    };
    return cmocka_run_group_tests_name("methods", tests, start, end);
}
