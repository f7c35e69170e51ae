/* test_frugal.c – the method that fetches until enough is expected to be there: that it keeps its word, that harder queries pay more, and that
 * its file holds no embedding.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkdtemp, memmem */
#include "core/plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 4000, D = 32, QUERIES = 400, K = 5 };
static float x[N * D], q[QUERIES * D];
static const leann_rows rows = {x, D * sizeof(float), N, D, LEANN_F32, LEANN_L2};
static const leann_rows queries = {q, D * sizeof(float), QUERIES, D, LEANN_F32, LEANN_L2};

static int fill(void **state)
{
    (void)state;
    for (int i = 0; i < N + QUERIES; i++) {
        leann_rng rng = leann_rng_at(3, "row", (uint64_t)i), centre = leann_rng_at(3, "centre", (uint64_t)i % 20);
        for (int j = 0; j < D; j++)
            (i < N ? x + i * D : q + (i - N) * D)[j] = (float)(leann_rng_normal(&rng) + 1.5 * leann_rng_normal(&centre));
    }
    return 0;
}

typedef struct {
    uint32_t ids[QUERIES * K];
    float dist[QUERIES * K];
    leann_work work[QUERIES];
    double fetches, missing; /* a query */
} answers;

static answers *ask(leann_ctx *ctx, const leann_index *index, const char *query)
{
    answers *a = calloc(1, sizeof *a);
    leann_plan *plan = NULL;
    assert_non_null(a);
    if (leann_plan_new(ctx, index, query, &rows, &plan) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    if (leann_search(plan, ctx, queries, K, a->ids, a->dist, a->work) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    leann_plan_free(plan);
    for (int i = 0; i < QUERIES; i++) {
        a->fetches += (double)a->work[i].fetches / QUERIES;
        a->missing += (double)a->work[i].missing_ppm * 1e-6 / QUERIES;
    }
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

#define FRUGAL "{method: frugal, build: {quantizer: {pq: {sub_vectors: 8, codebook_size: 64}}}}"

/* Of queries that no part of the build has seen, the share of the answer that the method expects to have is there, within four standard errors
 * of the recall of 2,000 answers and a third of what it expects to miss; more confidence costs more fetches and finds more, and as many
 * fetches for every query find less. */
static void keeps_its_word(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    leann_index *flat = build(ctx, "{method: flat}"), *frugal = build(ctx, FRUGAL);
    answers *truth = ask(ctx, flat, NULL);
    double before = 0, found = 0;
    static const double asked[] = {0.97, 0.98, 0.99, 0.997};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        char query[128], fixed[64];
        snprintf(query, sizeof query, "{confidence_threshold: %g, step: 1, rerank: 1000}", asked[i]);
        answers *a = ask(ctx, frugal, query);
        snprintf(fixed, sizeof fixed, "{early_terminate: no, rerank: %d}", (int)(a->fetches + 0.5));
        answers *same = ask(ctx, frugal, fixed);
        const double got = recall(a, truth), miss = a->missing / K, noise = 4 * sqrt(miss * (1 - miss) / (QUERIES * K));
        print_message("confidence %.3f: recall %.4f, expected %.4f, %.1f fetches; as many for every query: %.4f\n", asked[i], got, 1 - miss,
                      a->fetches, recall(same, truth));
        assert_true(fabs(got - (1 - miss)) <= noise + miss / 3);
        assert_true(a->fetches > before && got > found && got > recall(same, truth));
        before = a->fetches, found = got;
        free(a);
        free(same);
    }
    free(truth);
    leann_index_free(flat);
    leann_index_free(frugal);
    leann_ctx_free(ctx);
}

/* With all rows allowed and everything wanted the answer is the exact one, key for key; codes without error need no row beyond the first k. */
static void ends(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *flat = build(ctx, "{method: flat}"), *frugal = build(ctx, FRUGAL),
                *exact = build(ctx, "{method: frugal, build: {quantizer: none}}");
    answers *truth = ask(ctx, flat, NULL), *all = ask(ctx, frugal, "{early_terminate: no, rerank: 4000}"),
            *sure = ask(ctx, exact, "{step: 1, confidence_threshold: 0.99}"),
            *capped = ask(ctx, frugal, "{rerank: 1, confidence_threshold: 1}");
    assert_memory_equal(all->ids, truth->ids, sizeof truth->ids);
    assert_memory_equal(all->dist, truth->dist, sizeof truth->dist);
    assert_memory_equal(sure->ids, truth->ids, sizeof truth->ids);
    assert_true(sure->fetches < K + 1 && fabs(capped->fetches - K) < 1e-6);
    for (int i = 0; i < QUERIES; i++) assert_int_equal(all->work[i].dist_comps, 2 * N);
    free(truth), free(all), free(sure), free(capped);
    leann_index_free(flat);
    leann_index_free(frugal);
    leann_index_free(exact);
    leann_ctx_free(ctx);
}

static void keeps_no_embedding(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char folder[] = "/tmp/leann-frugal-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.leann", folder);
    leann_index *index = build(ctx, FRUGAL), *again = NULL;
    char *data;
    size_t bytes;
    assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
    assert_int_equal(leann_file_read(ctx, path, 1 << 26, &data, &bytes), LEANN_OK);
    for (int i = 0; i < N; i++) assert_null(memmem(data, bytes, x + i * D, 4 * sizeof(float)));
    leann_free(data);
    assert_int_equal(leann_index_open(ctx, path, &again), LEANN_OK);
    answers *a = ask(ctx, index, NULL), *b = ask(ctx, again, NULL);
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
    assert_memory_equal(a->dist, b->dist, sizeof a->dist);
    assert_true(a->fetches == b->fetches);
    free(a), free(b);
    leann_index_free(index);
    leann_index_free(again);
    unlink(path);
    rmdir(folder);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_its_word), cmocka_unit_test(ends), cmocka_unit_test(keeps_no_embedding)};
    return cmocka_run_group_tests(tests, fill, NULL);
}
