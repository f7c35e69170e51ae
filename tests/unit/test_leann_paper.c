/* test_leann_paper.c – the paper's method: what it finds and fetches, that batches, company and a cache change no more than they may, and that
 * its file holds no embedding that was not asked for.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkdtemp, memmem */
#include "core/plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 3000, D = 24, QUERIES = 40, K = 5 };
static float x[N * D], q[QUERIES * D];
static const leann_rows rows = {x, D * sizeof(float), N, D, LEANN_F32, LEANN_L2};
static const leann_rows queries = {q, D * sizeof(float), QUERIES, D, LEANN_F32, LEANN_L2};

static int fill(void **state)
{
    (void)state;
    for (int i = 0; i < N + QUERIES; i++) {
        leann_rng rng = leann_rng_at(2, "row", (uint64_t)i), centre = leann_rng_at(2, "centre", (uint64_t)i % 30);
        for (int j = 0; j < D; j++)
            (i < N ? x + i * D : q + (i - N) * D)[j] = (float)(leann_rng_normal(&rng) + 1.5 * leann_rng_normal(&centre));
    }
    return 0;
}

typedef struct {
    uint32_t ids[QUERIES * K];
    float dist[QUERIES * K];
    leann_work work[QUERIES];
    uint64_t fetches, cached, calls;
} answers;

static answers ask(leann_ctx *ctx, const leann_index *index, const char *query)
{
    answers a = {0};
    leann_plan *plan = NULL;
    if (leann_plan_new(ctx, index, query, &rows, &plan) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    if (leann_search(plan, ctx, queries, K, a.ids, a.dist, a.work) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    leann_plan_free(plan);
    for (int i = 0; i < QUERIES; i++) a.fetches += a.work[i].fetches, a.cached += a.work[i].cache_hits, a.calls += a.work[i].encoder_calls;
    return a;
}

static leann_index *build(leann_ctx *ctx, const char *config)
{
    leann_index *index = NULL;
    if (leann_index_build(ctx, rows, config, &index) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    return index;
}

static double recall(const answers *a, const answers *b)
{
    int both = 0;
    for (int i = 0; i < QUERIES; i++)
        for (int j = 0; j < K; j++)
            for (int l = 0; l < K; l++) both += a->ids[i * K + j] == b->ids[i * K + l];
    return (double)both / (QUERIES * K);
}

#define PAPER "{method: leann-paper, build: {quantizer: {pq: {sub_vectors: 12, codebook_size: 64}}"

static void finds(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    leann_index *flat = build(ctx, "{method: flat}"), *paper = build(ctx, PAPER "}}");
    const answers truth = ask(ctx, flat, NULL), all = ask(ctx, paper, "{ratio: 1, ef_search: 60, batch: 1}");
    const answers some = ask(ctx, paper, "{ratio: 0.02, ef_search: 60, batch: 1}"),
                  few = ask(ctx, paper, "{ratio: 0.02, ef_search: 10, batch: 1}");
    const answers batches = ask(ctx, paper, "{ratio: 0.1, ef_search: 60, batch: 32}");
    assert_true(recall(&all, &truth) >= 0.95 && recall(&some, &truth) >= 0.9);
    assert_true(5 * some.fetches < 4 * all.fetches && few.fetches < some.fetches && few.fetches >= QUERIES * 10);
    assert_true(batches.calls < some.calls / 3 && recall(&batches, &truth) >= 0.9);
    for (int i = 0; i < QUERIES * K; i++) { /* keys are exact */
        if (all.ids[i] != truth.ids[i]) continue;
        assert_true(all.dist[i] == truth.dist[i]);
    }
    for (int i = 0; i < QUERIES; i++) assert_true(all.work[i].hops > 0 && all.work[i].dist_comps > all.work[i].fetches);
    leann_index_free(flat);
    leann_index_free(paper);
    leann_ctx_free(ctx);
}

/* In company each query answers as alone where its share of the batch is the same; rows that several want are fetched once. */
static void company(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *paper = build(ctx, PAPER "}}");
    const answers alone = ask(ctx, paper, "{ratio: 0.2, ef_search: 40, batch: 4, start_every: 0}");
    const answers eight = ask(ctx, paper, "{ratio: 0.2, ef_search: 40, batch: 32, concurrent: 8, start_every: 0}");
    assert_memory_equal(alone.ids, eight.ids, sizeof alone.ids);
    assert_memory_equal(alone.dist, eight.dist, sizeof alone.dist);
    assert_true(eight.fetches < alone.fetches && eight.calls < alone.calls / 4); /* all begin at the entry */
    leann_index_free(paper);
    leann_ctx_free(ctx);
}

static void cache(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *without = build(ctx, PAPER "}}"), *with = build(ctx, PAPER ", cache: 0.1}}");
    const answers a = ask(ctx, without, "{ef_search: 40}"), b = ask(ctx, with, "{ef_search: 40}");
    assert_memory_equal(a.ids, b.ids, sizeof a.ids);
    assert_memory_equal(a.dist, b.dist, sizeof a.dist);
    assert_true(a.cached == 0 && b.cached > 0 && b.fetches + b.cached == a.fetches);
    assert_true(10 * b.cached > a.fetches); /* hubs are met more often than others */
    leann_index_free(without);
    leann_index_free(with);
    leann_ctx_free(ctx);
}

/* Vectors of rows that queries like these fetch spare more fetches than those of hubs do. */
static void cache_by_fetches(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *by_links = build(ctx, PAPER ", cache: 0.05}}"), *by_fetches = NULL;
    const leann_dataset data = {.name = "", .sha = "", .train = rows, .test = queries};
    static const char text[] = PAPER ", cache: 0.05, cache_queries: 20}}";
    leann_value *config = NULL;
    assert_int_equal(leann_config_parse(ctx, "config", text, sizeof text - 1, &config), LEANN_OK);
    if (leann_method_build(ctx, &data, config, NULL, &by_fetches) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    leann_value_free(config);
    const answers a = ask(ctx, by_links, "{ef_search: 40}"), b = ask(ctx, by_fetches, "{ef_search: 40}");
    assert_memory_equal(a.ids, b.ids, sizeof a.ids);
    assert_true(b.cached > a.cached && b.fetches + b.cached == a.fetches + a.cached);
    leann_index_free(by_links);
    leann_index_free(by_fetches);
    assert_int_equal(leann_index_build(ctx, rows, text, &by_fetches), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "cache_queries = 20"));
    leann_ctx_free(ctx);
}

/* No row, whole or its first four components, is in the file. */
static void keeps_no_embedding(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char folder[] = "/tmp/leann-paper-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.leann", folder);
    static const char *const configs[] = {PAPER "}}", PAPER ", cache: 0.1}}"};
    for (int c = 0; c < 2; c++) {
        leann_index *index = build(ctx, configs[c]);
        char *data;
        size_t bytes;
        uint32_t there = 0;
        leann_reader *reader;
        leann_ledger ledger;
        assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
        assert_int_equal(leann_reader_open(ctx, path, &reader), LEANN_OK);
        leann_reader_ledger(reader, &ledger);
        leann_reader_free(reader);
        assert_int_equal(ledger.bytes[LEANN_PART_VECTORS], c * N / 10 * D * (int)sizeof(float));
        assert_int_equal(leann_file_read(ctx, path, 1 << 26, &data, &bytes), LEANN_OK);
        for (int i = 0; i < N; i++) there += memmem(data, bytes, x + i * D, 4 * sizeof(float)) != NULL;
        assert_int_equal(there, c * N / 10);
        leann_free(data);
        leann_index_free(index);
    }
    unlink(path);
    rmdir(folder);
    leann_ctx_free(ctx);
}

static void refused(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index = NULL;
    leann_plan *plan = NULL;
    assert_int_equal(leann_index_build(ctx, rows, "{method: leann-paper, build: {graph: flat}}", &index), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "no links to walk"));
    assert_int_equal(leann_index_build(ctx, rows, "{method: leann-paper, build: {graph: hnsw, links: 2}}", &index), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "there is room for"));
    index = build(ctx, PAPER "}}");
    assert_int_equal(leann_plan_new(ctx, index, NULL, NULL, &plan), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "no source rows"));
    leann_index_free(index);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds),
                                       cmocka_unit_test(company),
                                       cmocka_unit_test(cache),
                                       cmocka_unit_test(cache_by_fetches),
                                       cmocka_unit_test(keeps_no_embedding),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, fill, NULL);
}
