/* test_diskann.c – a graph on pages: the same answers either way of reading, exact bytes by part, damage that no checksum saw, caches.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/pages.h"
#include "core/product.h"

enum { N = 1500, D = 20, K = 10, QUERIES = 40, WIDE_N = 60, WIDE_D = 1300 };

static float rows_x[N * D], queries_x[QUERIES * D], wide_x[WIDE_N * WIDE_D];
static uint8_t rows_u8[N * (D - 1)], queries_u8[QUERIES * (D - 1)];
static uint32_t truth[QUERIES * K];
static char folder[] = "/tmp/leann-diskann-XXXXXX", path[128], other[128];
static const char plain[] = "{method: diskann, build: {graph: {vamana: {degree: 16}}}}";

static leann_rows rows_of(const float *x, uint32_t n)
{
    return (leann_rows){x, D * sizeof(float), n, D, LEANN_F32, LEANN_L2};
}

static leann_index *build(leann_ctx *ctx, leann_rows rows, const char *config)
{
    leann_index *index = NULL;
    if (leann_index_build(ctx, rows, config, &index)) fail_msg("%s: %s", config, leann_ctx_error(ctx));
    return index;
}

static leann_index *reopen(leann_ctx *ctx, leann_index *index)
{
    leann_index *again = NULL;
    if (leann_index_save(ctx, index, path) || leann_index_open(ctx, path, &again)) fail_msg("%s", leann_ctx_error(ctx));
    leann_index_free(index);
    return again;
}

typedef struct {
    uint32_t ids[QUERIES * K];
    float dist[QUERIES * K];
    leann_work work[QUERIES], sum;
    double recall;
} answer;

static leann_status search(leann_ctx *ctx, const leann_index *index, const leann_rows *source, leann_rows queries, const char *query,
                           answer *a)
{
    leann_plan *plan = NULL;
    memset(a, 0, sizeof *a);
    leann_status status = leann_plan_new(ctx, index, query, source, &plan);
    if (!status) status = leann_search(plan, ctx, queries, K, a->ids, a->dist, a->work);
    leann_plan_free(plan);
    uint32_t hits = 0;
    for (uint32_t q = 0; q < queries.n; q++) {
        a->sum.pages += a->work[q].pages;
        a->sum.cache_hits += a->work[q].cache_hits;
        a->sum.fetches += a->work[q].fetches;
        for (uint32_t i = 0; i < K; i++)
            for (uint32_t j = 0; j < K; j++) hits += a->ids[q * K + i] == truth[q * K + j];
    }
    a->recall = (double)hits / (QUERIES * K);
    return status;
}

static void answers(leann_ctx *ctx, const leann_index *index, const char *query, answer *a)
{
    leann_rows source = rows_of(rows_x, N);
    if (search(ctx, index, &source, rows_of(queries_x, QUERIES), query, a)) fail_msg("%s: %s", query, leann_ctx_error(ctx));
}

static void same(const answer *a, const answer *b)
{
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
    assert_memory_equal(a->dist, b->dist, sizeof a->dist);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------------- */

static void either_way_reads_the_same(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    leann_index *index = build(ctx, rows_of(rows_x, N), plain);
    answer built, opened, uring;
    answers(ctx, index, "{ef_search: 40}", &built);
    index = reopen(ctx, index);
    answers(ctx, index, "{ef_search: 40, io: pread}", &opened);
    same(&built, &opened);
    assert_int_equal(built.sum.pages, opened.sum.pages);
    assert_true(opened.recall > 0.95);
    if (leann_pages_io(ctx, LEANN_IO_URING) == LEANN_OK) {
        answers(ctx, index, "{ef_search: 40, io: uring}", &uring);
        same(&built, &uring);
        assert_int_equal(opened.sum.pages, uring.sum.pages);
    }
    leann_ctx_clear(ctx);
    for (uint32_t q = 0; q < QUERIES; q++) { /* exact distances: the vectors on the pages */
        leann_rows queries = rows_of(queries_x, QUERIES);
        for (uint32_t i = 0; i < K; i++) {
            double d = sqrt(leann_distance_f64(queries, q, rows_of(rows_x, N), opened.ids[q * K + i]));
            assert_true(fabs(d - (double)opened.dist[q * K + i]) < 1e-4 * d);
        }
    }
    leann_index_free(index);
    leann_ctx_free(ctx);
}

/* A query reads no page twice, and one that keeps all candidates reads all pages. */
static void pages_are_read_once(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index = reopen(ctx, build(ctx, rows_of(rows_x, N), plain));
    leann_reader *r;
    answer a;
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    uint64_t pages = leann_reader_find(r, "nodes")->rows;
    assert_int_equal(pages, (N + 26) / 27); /* 80 + 4 + 64 bytes a node */
    leann_reader_free(r);
    for (int beam = 1; beam <= 64; beam *= 4) {
        char query[64];
        snprintf(query, sizeof query, "{ef_search: %d, beam_width: %d}", N, beam);
        answers(ctx, index, query, &a);
        for (uint32_t q = 0; q < QUERIES; q++) assert_int_equal(a.work[q].pages, pages);
        assert_true(a.recall == 1);
    }
    answers(ctx, index, "{ef_search: 10, beam_width: 1}", &a);
    assert_true(a.sum.pages < QUERIES * pages / 2);
    leann_index_free(index);
    leann_ctx_free(ctx);
}

static void the_cache_saves_reads(void **state)
{
    (void)state;
    enum { MANY = 20000, FEW = 8 };
    leann_ctx *ctx = leann_ctx_new(1, 2);
    float *x = malloc(sizeof(float) * MANY * D);
    assert_non_null(x);
    leann_rng rng = leann_rng_at(8, "many", 0);
    for (size_t i = 0; i < MANY * D; i++) x[i] = (float)leann_rng_normal(&rng);
    leann_rows rows = rows_of(x, MANY), queries = rows_of(queries_x, FEW);
    leann_index *index = reopen(ctx, build(ctx, rows, "{method: diskann, build: {graph: {vamana: {degree: 16, build_window: 30}}}}"));
    answer none, some, all;
    assert_int_equal(search(ctx, index, NULL, queries, "{ef_search: 30}", &none), LEANN_OK);
    assert_int_equal(search(ctx, index, NULL, queries, "{ef_search: 30, cache_mb: 1}", &some), LEANN_OK);
    assert_int_equal(search(ctx, index, NULL, queries, "{ef_search: 30, cache_mb: 100}", &all), LEANN_OK);
    assert_true(none.sum.cache_hits == 0 && none.sum.pages > 0);
    assert_true(some.sum.cache_hits > 0 && some.sum.pages > 0 && some.sum.pages < none.sum.pages);
    assert_true(all.sum.pages == 0 && all.sum.cache_hits > 0);
    leann_index_free(index);
    leann_ctx_free(ctx);
    free(x);
}

typedef struct {
    const leann_plan *plan;
    const answer *wanted;
    bool ok;
} search_job;

static void *search_thread(void *arg)
{
    search_job *job = arg;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    uint32_t ids[QUERIES * K];
    float dist[QUERIES * K];
    job->ok = true;
    for (int i = 0; i < 3; i++)
        job->ok = job->ok && leann_search(job->plan, ctx, rows_of(queries_x, QUERIES), K, ids, dist, NULL) == LEANN_OK &&
                  !memcmp(ids, job->wanted->ids, sizeof ids) && !memcmp(dist, job->wanted->dist, sizeof dist);
    leann_ctx_free(ctx);
    return NULL;
}

static void threads_share_a_plan(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index = reopen(ctx, build(ctx, rows_of(rows_x, N), plain));
    leann_plan *plan = NULL;
    answer wanted;
    answers(ctx, index, NULL, &wanted);
    assert_int_equal(leann_plan_new(ctx, index, "{cache_mb: 1}", NULL, &plan), LEANN_OK);
    search_job job[4];
    pthread_t thread[4];
    for (int t = 0; t < 4; t++) {
        job[t] = (search_job){plan, &wanted, false};
        assert_int_equal(pthread_create(&thread[t], NULL, search_thread, &job[t]), 0);
    }
    for (int t = 0; t < 4; t++) {
        pthread_join(thread[t], NULL);
        assert_true(job[t].ok);
    }
    leann_plan_free(plan);
    leann_index_free(index);
    leann_ctx_free(ctx);
}

/* ---- layouts ---------------------------------------------------------------------------------------------------------------------- */

/* Predicted bytes are the real ones, part by part; a file saved from an opened index is the same file. */
static void parts_are_exact(leann_ctx *ctx, leann_rows rows, const char *config, uint64_t vector_bytes)
{
    leann_index *index = reopen(ctx, build(ctx, rows, config));
    leann_reader *r;
    leann_ledger real, predicted;
    leann_value *value = NULL;
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    leann_reader_ledger(r, &real);
    assert_int_equal(leann_reader_find(r, "nodes")->offset % LEANN_PAGE, 0);
    leann_reader_free(r);
    assert_int_equal(leann_config_parse(ctx, "config", config, strlen(config), &value), LEANN_OK);
    assert_int_equal(leann_method_predict(ctx, rows.n, rows.d, rows.type, rows.space, value, &predicted), LEANN_OK);
    leann_value_free(value);
    assert_memory_equal(&real, &predicted, sizeof real);
    assert_int_equal(real.bytes[LEANN_PART_VECTORS], vector_bytes);
    assert_true(real.bytes[LEANN_PART_GRAPH] > 0 && real.bytes[LEANN_PART_IDS] > 0 && real.bytes[LEANN_PART_CODES] > 0);
    char *a, *b;
    size_t na, nb;
    assert_int_equal(leann_index_save(ctx, index, other), LEANN_OK);
    assert_int_equal(leann_file_read(ctx, path, SIZE_MAX, &a, &na), LEANN_OK);
    assert_int_equal(leann_file_read(ctx, other, SIZE_MAX, &b, &nb), LEANN_OK);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    leann_free(a);
    leann_free(b);
    leann_index_free(index);
}

static void every_layout_is_exact(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    leann_rows bytes = {rows_u8, D - 1, N, D - 1, LEANN_U8, LEANN_L2};
    leann_rows wide = {wide_x, WIDE_D * sizeof(float), WIDE_N, WIDE_D, LEANN_F32, LEANN_L2};
    parts_are_exact(ctx, rows_of(rows_x, N), plain, N * D * 4);
    parts_are_exact(ctx, rows_of(rows_x, N), "{method: diskann, build: {vectors: none}}", 0);
    parts_are_exact(ctx, rows_of(rows_x, N), "{method: diskann, build: {graph: hnsw}}", N * D * 4);
    parts_are_exact(ctx, bytes, plain, N * (D - 1)); /* nodes padded to 4 bytes */
    parts_are_exact(ctx, bytes, "{method: diskann, build: {vectors: f32, quantizer: sq}}", N * (D - 1) * 4);
    parts_are_exact(ctx, wide, plain, WIDE_N * WIDE_D * 4); /* nodes of two pages */
    leann_ctx_free(ctx);
}

static void bytes_and_wide_rows_answer(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    leann_rows bytes = {rows_u8, D - 1, N, D - 1, LEANN_U8, LEANN_L2}, few = {queries_u8, D - 1, QUERIES, D - 1, LEANN_U8, LEANN_L2};
    static double dist[QUERIES * K];
    answer a;
    uint32_t kept[QUERIES * K];
    memcpy(kept, truth, sizeof kept);
    assert_int_equal(leann_exact(ctx, bytes, few, K, truth, dist), LEANN_OK);
    leann_index *index = reopen(ctx, build(ctx, bytes, plain));
    assert_int_equal(search(ctx, index, NULL, few, "{ef_search: 100}", &a), LEANN_OK);
    assert_true(a.recall > 0.9);
    leann_index_free(index);
    memcpy(truth, kept, sizeof kept);

    leann_rows wide = {wide_x, WIDE_D * sizeof(float), WIDE_N, WIDE_D, LEANN_F32, LEANN_L2}, one = wide;
    index = reopen(ctx, build(ctx, wide, plain));
    for (one.n = 1; (const float *)one.base < wide_x + WIDE_N * WIDE_D; one.base = (const float *)one.base + WIDE_D) {
        assert_int_equal(search(ctx, index, NULL, one, "{ef_search: 60}", &a), LEANN_OK);
        assert_int_equal(a.ids[0], ((const float *)one.base - wide_x) / WIDE_D); /* each row finds itself */
        assert_int_equal(a.work[0].pages, 2 * WIDE_N);
    }
    leann_index_free(index);
    leann_ctx_free(ctx);
}

/* Without vectors the best are fetched; with them a re-rank is refused, as are graphs without links. */
static void vectors_may_be_left_out(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    answer with, without, coarse;
    leann_index *index = reopen(ctx, build(ctx, rows_of(rows_x, N), plain));
    answers(ctx, index, "{ef_search: 60}", &with);
    leann_plan *plan = NULL;
    leann_rows source = rows_of(rows_x, N);
    assert_int_equal(leann_plan_new(ctx, index, "{rerank: 20}", &source, &plan), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "keeps its vectors"));
    leann_index_free(index);
    index = reopen(ctx, build(ctx, rows_of(rows_x, N), "{method: diskann, build: {graph: {vamana: {degree: 16}}, vectors: none}}"));
    answers(ctx, index, "{ef_search: 60, rerank: 60}", &without);
    answers(ctx, index, "{ef_search: 60}", &coarse);
    assert_true(without.recall > 0.95 && coarse.recall < without.recall && coarse.recall > 0.5);
    assert_true(without.sum.fetches == 60 * QUERIES && with.sum.fetches == 0 && without.sum.pages < with.sum.pages);
    assert_int_equal(leann_plan_new(ctx, index, "{rerank: 20}", NULL, &plan), LEANN_EINVAL);
    leann_index_free(index);
    index = NULL;
    assert_int_equal(leann_index_build(ctx, source, "{method: diskann, build: {graph: flat}}", &index), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "no links"));
    leann_ctx_free(ctx);
}

/* ---- damage that no checksum saw ------------------------------------------------------------------------------------------------------- */

static void find(leann_ctx *ctx, const leann_index *index, leann_status wanted, const char *word)
{
    answer a;
    const char *const queries[] = {"{ef_search: 1500, io: pread}", "{ef_search: 1500}"};
    for (int i = 0; i < 2; i++) {
        leann_status status = search(ctx, index, NULL, rows_of(queries_x, QUERIES), queries[i], &a);
        assert_int_equal(status, wanted);
        if (!strstr(leann_ctx_error(ctx), word)) fail_msg("\"%s\" does not say \"%s\"", leann_ctx_error(ctx), word);
        leann_ctx_clear(ctx);
    }
}

static void damage_under_an_open_index_is_an_error(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index = reopen(ctx, build(ctx, rows_of(rows_x, N), plain));
    leann_reader *r;
    struct stat about;
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    off_t nodes = (off_t)leann_reader_find(r, "nodes")->offset, third = nodes + 3 * LEANN_PAGE, list = third + 2 * 148 + 80;
    leann_reader_free(r);
    int file = open(path, O_RDWR);
    assert_true(file >= 0 && fstat(file, &about) == 0);
    const struct {
        off_t at;
        uint32_t value;
        const char *word;
    } damages[] = {
        {list, 17, "node 83 has degree 17, the limit is 16"},
        {list, UINT32_MAX, "node 83 has degree 4294967295"},
        {list + 4, N, "node 83 links to 1500, the limit is 1499"},
        {third + 2 * 148 + 8, 0x7fc00000, "vector of node 83 is not finite"},
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        uint32_t right;
        assert_int_equal(pread(file, &right, 4, damages[i].at), 4);
        assert_int_equal(pwrite(file, &damages[i].value, 4, damages[i].at), 4);
        find(ctx, index, LEANN_EFORMAT, damages[i].word);
        assert_int_equal(pwrite(file, &right, 4, damages[i].at), 4);
    }
    find(ctx, index, LEANN_OK, "");
    assert_int_equal(ftruncate(file, third), 0);
    find(ctx, index, LEANN_EIO, "has become shorter");
    assert_int_equal(ftruncate(file, about.st_size), 0);
    close(file);
    leann_index_free(index);
    leann_ctx_free(ctx);
}

static void a_spool_needs_a_folder(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index = NULL;
    char *old = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
    setenv("TMPDIR", "/no/such/folder", 1);
    assert_int_equal(leann_index_build(ctx, rows_of(rows_x, N), plain, &index), LEANN_ENOTFOUND);
    assert_non_null(strstr(leann_ctx_error(ctx), "/no/such/folder"));
    if (old)
        setenv("TMPDIR", old, 1);
    else
        unsetenv("TMPDIR");
    free(old);
    leann_ctx_free(ctx);
}

static int start(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    static double dist[QUERIES * K];
    for (uint32_t i = 0; i < N + QUERIES; i++) {
        leann_rng rng = leann_rng_at(2, "rows", i), centre = leann_rng_at(2, "centre", i % 15);
        float *x = i < N ? rows_x + i * D : queries_x + (i - N) * D;
        for (uint32_t j = 0; j < D; j++) x[j] = (float)(2 * leann_rng_normal(&centre) + leann_rng_normal(&rng));
        uint8_t *b = i < N ? rows_u8 + i * (D - 1) : queries_u8 + (i - N) * (D - 1);
        for (uint32_t j = 0; j < D - 1; j++) b[j] = (uint8_t)fmaxf(0, fminf(255, 128 + 20 * x[j]));
    }
    leann_rng rng = leann_rng_at(2, "wide", 0);
    for (size_t i = 0; i < WIDE_N * WIDE_D; i++) wide_x[i] = (float)(i / WIDE_D) + (float)leann_rng_normal(&rng); /* along a line */
    if (!mkdtemp(folder) || leann_exact(ctx, rows_of(rows_x, N), rows_of(queries_x, QUERIES), K, truth, dist)) return -1;
    snprintf(path, sizeof path, "%s/a.leann", folder);
    snprintf(other, sizeof other, "%s/b.leann", folder);
    leann_ctx_free(ctx);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_way_reads_the_same), cmocka_unit_test(pages_are_read_once),
        cmocka_unit_test(the_cache_saves_reads),     cmocka_unit_test(threads_share_a_plan),
        cmocka_unit_test(every_layout_is_exact),     cmocka_unit_test(bytes_and_wide_rows_answer),
        cmocka_unit_test(vectors_may_be_left_out),   cmocka_unit_test(damage_under_an_open_index_is_an_error),
        cmocka_unit_test(a_spool_needs_a_folder),
    };
    return cmocka_run_group_tests_name("diskann", tests, start, end);
}
