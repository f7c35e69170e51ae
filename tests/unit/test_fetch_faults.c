/* test_fetch_faults.c – what every method that fetches does when a fetch fails, is late, or gives something else than was asked for: the query
 * ends with the sentence, or is answered by codes where that was asked for; the next query knows nothing of it; threads share one fetcher.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1200, D = 16, QUERIES = 16, K = 4 };
static float x[N * D], q[QUERIES * D];
static const leann_rows rows = {x, D * sizeof(float), N, D, LEANN_F32, LEANN_L2};
static const leann_rows queries = {q, D * sizeof(float), QUERIES, D, LEANN_F32, LEANN_L2};

#define PQ "quantizer: {pq: {sub_vectors: 8, codebook_size: 64}}"
static const struct {
    const char *build, *query;
    bool codes; /* can answer by codes */
} method[] = {
    {"{method: codes, build: {" PQ "}}", "rerank: 40", true},
    {"{method: anchor, build: {" PQ "}}", "probes: 8, rerank: 40", true},
    {"{method: diskann, build: {vectors: none, " PQ "}}", "rerank: 40", true},
    {"{method: frugal, build: {" PQ "}}", "step: 4", true},
    {"{method: leann-paper, build: {" PQ "}}", "ef_search: 30", false},
    {"{method: ivf-recompute}", "probes: 4", false},
};
enum { METHODS = sizeof method / sizeof *method };

static int fill(void **state)
{
    (void)state;
    for (int i = 0; i < N + QUERIES; i++) {
        leann_rng rng = leann_rng_at(5, "row", (uint64_t)i), centre = leann_rng_at(5, "centre", (uint64_t)i % 15);
        for (int j = 0; j < D; j++)
            (i < N ? x + i * D : q + (i - N) * D)[j] = (float)(leann_rng_normal(&rng) + 2 * leann_rng_normal(&centre));
    }
    return 0;
}

/* ---- a fetcher that can be told to fail ------------------------------------------------------------------------------------------- */

typedef enum { WELL, REFUSES, LATE, FEWER, NARROWER, BYTES, NOT_A_NUMBER, INFINITE, FAULTS } fault;
static const char *const says[FAULTS] = {
    [REFUSES] = "no such luck", [LATE] = "too late",    [FEWER] = "gave",   [NARROWER] = "vectors of 15",
    [BYTES] = "of type u8",     [NOT_A_NUMBER] = "nan", [INFINITE] = "inf",
};

typedef struct {
    leann_fetcher common;
    leann_fetcher *real;
    fault fault;
    uint32_t after; /* fetches that go well first */
    atomic_uint calls;
} faulty;

static leann_status faulty_submit(const leann_fetcher *self, leann_ctx *ctx, const uint32_t *ids, uint32_t n, uint64_t *ticket)
{
    faulty *f = (faulty *)(uintptr_t)self;
    if (f->fault == REFUSES && f->calls >= f->after) return leann_fail(ctx, LEANN_EIO, "no such luck");
    return f->real->type->submit(f->real, ctx, ids, n, ticket);
}

static leann_status faulty_collect(const leann_fetcher *self, leann_ctx *ctx, uint64_t ticket, int64_t deadline_ns, leann_rows *out)
{
    faulty *f = (faulty *)(uintptr_t)self;
    leann_status status = f->real->type->collect(f->real, ctx, ticket, deadline_ns, out);
    if (status || f->calls++ < f->after) return status;
    float *base = (float *)(uintptr_t)out->base;
    switch (f->fault) {
    case LATE:
        return leann_fail(ctx, LEANN_ELIMIT, "too late");
    case FEWER:
        out->n--;
        break;
    case NARROWER:
        out->d--;
        break;
    case BYTES:
        out->type = LEANN_U8;
        break;
    case NOT_A_NUMBER:
        base[(size_t)out->n * D - 1] = NAN;
        break;
    case INFINITE:
        base[0] = -INFINITY;
        break;
    default:
        break;
    }
    return LEANN_OK;
}

static const leann_fetcher_type faulty_type = {.common = {.name = "faulty"}, .submit = faulty_submit, .collect = faulty_collect};

/* A plan whose fetches go through f. */
static leann_plan *plan_of(leann_ctx *ctx, const leann_index *index, const char *query, const char *more, faulty *f)
{
    char text[256];
    leann_plan *plan = NULL;
    snprintf(text, sizeof text, "{%s%s}", query, more);
    if (leann_plan_new(ctx, index, text, &rows, &plan) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    *f = (faulty){.common = *plan->fetcher, .real = plan->fetcher};
    f->common.type = &faulty_type;
    plan->fetcher = &f->common;
    return plan;
}

static void plan_free(leann_plan *plan, const faulty *f)
{
    plan->fetcher = f->real;
    leann_plan_free(plan);
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------------ */

static void ends_with_a_sentence(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (int m = 0; m < METHODS; m++) {
        leann_index *index = NULL;
        if (leann_index_build(ctx, rows, method[m].build, &index) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
        faulty f;
        leann_plan *plan = plan_of(ctx, index, method[m].query, "", &f);
        uint32_t ids[QUERIES * K], again[QUERIES * K];
        float dist[QUERIES * K], same[QUERIES * K];
        assert_int_equal(leann_search(plan, ctx, queries, K, ids, dist, NULL), LEANN_OK);
        for (fault what = REFUSES; what < FAULTS; what++)
            for (uint32_t after = 0; after < 4; after += 3) { /* the first fetch, or one in the middle of it all */
                f.fault = what, f.after = after, f.calls = 0;
                leann_status status = leann_search(plan, ctx, queries, K, again, same, NULL);
                if (status != (what == LATE ? LEANN_ELIMIT : LEANN_EIO) || !strstr(leann_ctx_error(ctx), says[what]))
                    fail_msg("%s, fault %d after %u: status %d, '%s'", method[m].build, what, after, status, leann_ctx_error(ctx));
                f.fault = WELL;
                assert_int_equal(leann_search(plan, ctx, queries, K, again, same, NULL), LEANN_OK);
                assert_memory_equal(ids, again, sizeof ids);
                assert_memory_equal(dist, same, sizeof dist);
            }
        plan_free(plan, &f);
        leann_index_free(index);
    }
    leann_ctx_free(ctx);
}

/* on_failure: codes: every query is answered, those without exact vectors are marked; where nothing fails nothing changes. */
static void codes_will_do(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (int m = 0; m < METHODS; m++) {
        if (!method[m].codes) continue;
        leann_index *index = NULL;
        if (leann_index_build(ctx, rows, method[m].build, &index) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
        faulty f;
        leann_plan *plan = plan_of(ctx, index, method[m].query, ", on_failure: codes", &f);
        uint32_t ids[QUERIES * K], rough[QUERIES * K], both = 0;
        float dist[QUERIES * K], far[QUERIES * K];
        leann_work work[QUERIES];
        assert_int_equal(leann_search(plan, ctx, queries, K, ids, dist, work), LEANN_OK);
        for (int i = 0; i < QUERIES; i++) assert_int_equal(work[i].approximate, 0);
        f.fault = NOT_A_NUMBER, f.after = 0;
        assert_int_equal(leann_search(plan, ctx, queries, K, rough, far, work), LEANN_OK);
        assert_string_equal(leann_ctx_error(ctx), "");
        for (int i = 0; i < QUERIES; i++) {
            assert_int_equal(work[i].approximate, 1);
            for (int j = 0; j < K; j++) {
                assert_true(rough[i * K + j] < N && isfinite(far[i * K + j]) && (j == 0 || far[i * K + j] >= far[i * K + j - 1]));
                for (int l = 0; l < K; l++) both += ids[i * K + l] == rough[i * K + j];
            }
        }
        assert_true(both >= QUERIES * K / 3 && both < QUERIES * K); /* codes know something, and not all */
        plan_free(plan, &f);
        leann_index_free(index);
    }
    leann_ctx_free(ctx);
}

typedef struct {
    const leann_plan *plan;
    uint32_t ids[QUERIES * K];
} shared;

static leann_status search_some(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    shared *s = arg;
    float dist[QUERIES * K];
    const leann_rows some = {q + begin * D, D * sizeof(float), (uint32_t)(end - begin), D, LEANN_F32, LEANN_L2};
    return leann_search(s->plan, ctx, some, K, s->ids + begin * K, dist, NULL);
}

static void threads_share_one(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 4);
    for (int m = 0; m < METHODS; m++) {
        leann_index *index = NULL;
        if (leann_index_build(ctx, rows, method[m].build, &index) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
        faulty f;
        uint32_t ids[QUERIES * K];
        float dist[QUERIES * K];
        leann_plan *plan = plan_of(ctx, index, method[m].query, "", &f);
        shared s = {.plan = plan};
        for (int i = 0; i < QUERIES; i++) {
            const leann_rows one = {q + i * D, D * sizeof(float), 1, D, LEANN_F32, LEANN_L2};
            assert_int_equal(leann_search(plan, ctx, one, K, ids + i * K, dist + i * K, NULL), LEANN_OK);
        }
        assert_int_equal(leann_parallel(ctx, QUERIES, 1, search_some, &s), LEANN_OK);
        assert_memory_equal(ids, s.ids, sizeof ids);
        f.fault = INFINITE, f.after = f.calls + 5;
        assert_int_equal(leann_parallel(ctx, QUERIES, 1, search_some, &s), LEANN_EIO);
        assert_non_null(strstr(leann_ctx_error(ctx), "inf"));
        leann_ctx_clear(ctx);
        plan_free(plan, &f);
        leann_index_free(index);
    }
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ends_with_a_sentence), cmocka_unit_test(codes_will_do),
                                       cmocka_unit_test(threads_share_one)};
    return cmocka_run_group_tests(tests, fill, NULL);
}
