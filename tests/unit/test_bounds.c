/* test_bounds.c – bounds of rows: a scorer behind them gives every key that is not above the cut to the bit, whatever the width of the
 * rows, their lengths and how they lie; it does pass over rows; an opened graph, which has bounds, answers as the one that was built.
 *
 * SPDX-License-Identifier: MIT */
#include "core/bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 1400, WIDEST = 300, QUERIES = 12, LIST = 70 }; /* a list is longer than a scorer's groups */

typedef enum { SPREAD, FAR, EQUAL, FLAT, TINY, HUGE_ROWS, BYTES, KINDS } kind; /* FLAT: in three dimensions of the d */

static float rows_x[N * WIDEST], queries_x[QUERIES * WIDEST];
static uint8_t bytes_x[N * WIDEST];

static leann_rows make(uint32_t d, kind how)
{
    leann_rng rng = leann_rng_at(1, "bounds", d * (uint64_t)KINDS + how);
    float scale = how == TINY ? 1e-21F : how == HUGE_ROWS ? 1e17F : 1, base[3 * WIDEST];
    for (size_t j = 0; j < 3 * WIDEST; j++) base[j] = (float)leann_rng_normal(&rng);
    for (size_t i = 0; i < N + QUERIES; i++) {
        float *x = i < N ? rows_x + i * d : queries_x + (i - N) * d;
        float a = (float)leann_rng_normal(&rng), b = (float)leann_rng_normal(&rng), c = (float)leann_rng_normal(&rng);
        for (size_t j = 0; j < d; j++) {
            float flat = a * base[j] + b * base[WIDEST + j] + c * base[2 * WIDEST + j];
            float noise = (float)leann_rng_normal(&rng) * (how == FLAT ? 0 : 0.3F);
            x[j] = how == EQUAL ? 3 : scale * (flat + noise) + (how == FAR ? 1000 : 0);
            if (how == BYTES) x[j] = rintf(fminf(fmaxf(128 + 20 * x[j], 0), 255));
            if (how == BYTES && i < N) bytes_x[i * d + j] = (uint8_t)x[j];
        }
    }
    for (size_t j = 0; j < d; j++) queries_x[j] = rows_x[7 * d + j], queries_x[d + j] += 30 * scale; /* a row; a stranger */
    if (how == BYTES) return (leann_rows){bytes_x, d, N, d, LEANN_U8, LEANN_L2};
    return (leann_rows){rows_x, d * sizeof(float), N, d, LEANN_F32, LEANN_L2};
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of all lists of all queries, cut where `rank` rows of each pass; returns how many keys above the cut were given all the same. */
static uint32_t agree(leann_ctx *ctx, leann_rows rows, const leann_bounds *bounds, uint32_t rank)
{
    uint32_t read = 0, ids[LIST];
    for (uint32_t i = 0; i < QUERIES; i++) {
        const float *q = queries_x + (size_t)i * rows.d;
        size_t mark = leann_scratch_mark(ctx);
        leann_scorer *exact = leann_rows_scorer(ctx, rows, q), *behind = leann_rows_scorer(ctx, rows, q);
        leann_scorer *bound = NULL;
        assert_true(exact && behind && leann_bounds_scorers(ctx, bounds, q, 1, &behind, &bound) == LEANN_OK);
        for (uint32_t first = 0; first + LIST <= N; first += LIST) {
            float want[LIST], sorted[LIST], got[LIST];
            leann_span span = {LEANN_NONE, 0, LIST, ids};
            for (uint32_t j = 0; j < LIST; j++) ids[j] = (first + j) * 11 % N; /* all of them, the one that is a query too */
            exact->score(exact, span, INFINITY, want, NULL);
            memcpy(sorted, want, sizeof want);
            qsort(sorted, LIST, sizeof *sorted, by_value);
            bound->prefetch(bound, span);
            bound->score(bound, span, sorted[rank], got, NULL);
            for (uint32_t j = 0; j < LIST; j++) {
                if (want[j] <= sorted[rank])
                    assert_memory_equal(got + j, want + j, sizeof *got);
                else
                    assert_true(got[j] > sorted[rank]);
                read += want[j] > sorted[rank] && got[j] < INFINITY;
            }
        }
        assert_int_equal(bound->dist_comps, N / LIST * LIST);
        leann_scratch_reset(ctx, mark);
    }
    return read;
}

static void keys_are_those_of_the_rows(void **state)
{
    static const uint32_t width[] = {1, 59, 60, 61, 124, 125, WIDEST};
    leann_ctx *ctx = *state;
    for (size_t w = 0; w < sizeof width / sizeof *width; w++)
        for (kind how = 0; how < KINDS; how++) {
            leann_bounds *bounds = NULL;
            leann_rows rows = make(width[w], how);
            assert_int_equal(leann_bounds_new(ctx, rows, &bounds), LEANN_OK);
            for (uint32_t rank = 0; rank < LIST; rank += 34) {
                uint32_t above = (LIST - 1 - rank) * (N / LIST) * QUERIES, read = agree(ctx, rows, bounds, rank);
                if (how == SPREAD && width[w] > 1 && rank == 0) assert_true(read < above / 4);
            }
            leann_bounds_free(bounds);
        }
}

static void some_rows_do_not_pay(void **state)
{
    (void)state;
    assert_true(leann_bounds_pay((leann_rows){NULL, 0, 1000000, 128, LEANN_F32, LEANN_L2}));
    assert_true(leann_bounds_pay((leann_rows){NULL, 0, 1000000, 50, LEANN_F32, LEANN_ANGULAR}));
    assert_false(leann_bounds_pay((leann_rows){NULL, 0, 1000000, 784, LEANN_U8, LEANN_L2}));
    assert_false(leann_bounds_pay((leann_rows){NULL, 0, 1000000, 128, LEANN_F32, LEANN_IP}));
    assert_false(leann_bounds_pay((leann_rows){NULL, 0, 1000000, 128, LEANN_U8, LEANN_L2}));
    assert_false(leann_bounds_pay((leann_rows){NULL, 0, 1000000, 25, LEANN_F32, LEANN_L2}));
    assert_false(leann_bounds_pay((leann_rows){NULL, 0, 1000000, 64, LEANN_F32, LEANN_L2}));
    assert_false(leann_bounds_pay((leann_rows){NULL, 0, 100, 128, LEANN_F32, LEANN_L2}));
}

/* Indexes before and after a file: the same ids, distances and counts. */
static void an_opened_graph_answers_as_a_built_one(void **state)
{
    enum { K = 10 };
    leann_ctx *ctx = *state;
    char path[] = "/tmp/leann-bounds-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    for (uint32_t d = 200; d <= WIDEST; d += WIDEST - 200) {
        leann_rows rows = make(d, SPREAD), queries = {queries_x, d * sizeof(float), QUERIES, d, LEANN_F32, LEANN_L2};
        assert_true(leann_bounds_pay(rows));
        leann_index *index[2] = {0};
        leann_work work[2][QUERIES];
        uint32_t ids[2][QUERIES * K];
        float dist[2][QUERIES * K];
        if (leann_index_build(ctx, rows, "{method: graph, build: {graph: {hnsw: {M: 6, ef_construction: 12}}}}", &index[0]) ||
            leann_index_save(ctx, index[0], path) || leann_index_open(ctx, path, &index[1]))
            fail_msg("%s", leann_ctx_error(ctx));
        for (int i = 0; i < 2; i++) {
            leann_plan *plan = NULL;
            if (leann_plan_new(ctx, index[i], "{ef_search: 30}", NULL, &plan) ||
                leann_search(plan, ctx, queries, K, ids[i], dist[i], work[i]))
                fail_msg("%s", leann_ctx_error(ctx));
            leann_plan_free(plan);
            leann_index_free(index[i]);
        }
        assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
        assert_memory_equal(dist[0], dist[1], sizeof dist[0]);
        for (uint32_t q = 0; q < QUERIES; q++) assert_int_equal(work[0][q].dist_comps, work[1][q].dist_comps);
    }
    unlink(path);
}

static int set_up(void **state)
{
    return (*state = leann_ctx_new(1, 2)) ? 0 : 1;
}

static int tear_down(void **state)
{
    leann_ctx_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_are_those_of_the_rows), cmocka_unit_test(some_rows_do_not_pay),
                                       cmocka_unit_test(an_opened_graph_answers_as_a_built_one)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
