/* test_walks.c – many queries at once over a graph answer as each alone: ids and distances to the bit, hops and distances in number.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/ctx.h"

enum { N = 900, D = 300, QUERIES = 21, MOST_K = 40 }; /* wide enough for bounds once a file is opened */

static const char *const configs[] = {
    "{method: graph, build: {graph: {hnsw: {M: 5, ef_construction: 20}}}}",
    "{method: graph, build: {graph: {vamana: {degree: 9, build_window: 20}}}}",
    "{method: graph, build: {graph: flat}}",
    "{method: graph, build: {graph: {hnsw: {M: 5, ef_construction: 20}}, quantizer: {sq: {bits: 8}}}}",
};
static const char *const efs[] = {"{ef_search: 0}", "{ef_search: 3}", "{ef_search: 2000}"}; /* the last: more than there are */

static float rows_x[N * D], queries_x[QUERIES * D];

static void compare(leann_ctx *ctx, const leann_index *index, leann_rows queries, const char *query, uint32_t k)
{
    static uint32_t many[QUERIES * MOST_K], one[MOST_K];
    static float far[QUERIES * MOST_K], dist[MOST_K];
    leann_work work[QUERIES], own;
    leann_plan *plan = NULL;
    if (leann_plan_new(ctx, index, query, NULL, &plan) || leann_search(plan, ctx, queries, k, many, far, work))
        fail_msg("%s", leann_ctx_error(ctx));
    for (uint32_t i = 0; i < queries.n; i++) {
        leann_rows q = {queries_x + (size_t)i * queries.d, queries.stride, 1, queries.d, LEANN_F32, queries.space};
        assert_int_equal(leann_search(plan, ctx, q, k, one, dist, &own), LEANN_OK);
        assert_memory_equal(one, many + (size_t)i * k, k * sizeof *one);
        assert_memory_equal(dist, far + (size_t)i * k, k * sizeof *dist);
        assert_int_equal(own.hops, work[i].hops);
        assert_int_equal(own.dist_comps, work[i].dist_comps);
    }
    leann_plan_free(plan);
}

static void over(leann_ctx *ctx, leann_rows rows, const char *path)
{
    leann_rows queries = {queries_x, rows.d * sizeof(float), QUERIES, rows.d, LEANN_F32, rows.space};
    for (size_t c = 0; c < sizeof configs / sizeof *configs; c++) {
        leann_index *index[2] = {0};
        if (leann_index_build(ctx, rows, configs[c], &index[0]) || leann_index_save(ctx, index[0], path) ||
            leann_index_open(ctx, path, &index[1]))
            fail_msg("%s: %s", configs[c], leann_ctx_error(ctx));
        for (int i = 0; i < 2; i++) {
            for (size_t e = 0; e < sizeof efs / sizeof *efs; e++)
                compare(ctx, index[i], queries, efs[e], e < 2 ? 1 : rows.n < MOST_K ? rows.n : MOST_K);
            leann_index_free(index[i]);
        }
    }
}

static void at_once_as_one_by_one(void **state)
{
    static const leann_space spaces[] = {LEANN_L2, LEANN_ANGULAR, LEANN_IP};
    leann_ctx *ctx = *state;
    char path[] = "/tmp/leann-walks-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    for (size_t s = 0; s < sizeof spaces / sizeof *spaces; s++)
        over(ctx, (leann_rows){rows_x, D * sizeof(float), N, D, LEANN_F32, spaces[s]}, path);
    over(ctx, (leann_rows){rows_x, D * sizeof(float), 1, D, LEANN_F32, LEANN_L2}, path);
    over(ctx, (leann_rows){rows_x, D * sizeof(float), N, 3, LEANN_F32, LEANN_L2}, path);
    for (size_t i = 0; i < N * D; i++) rows_x[i] = 1;
    over(ctx, (leann_rows){rows_x, D * sizeof(float), 60, D, LEANN_F32, LEANN_L2}, path);
    unlink(path);
}

static int set_up(void **state)
{
    leann_rng rng = leann_rng_at(1, "walks", 0);
    for (size_t i = 0; i < N * D; i++) rows_x[i] = (float)leann_rng_normal(&rng) + (float)(i / D % 7);
    for (size_t i = 0; i < QUERIES * D; i++) queries_x[i] = (float)leann_rng_normal(&rng) + (float)(i / D % 7);
    return (*state = leann_ctx_new(1, 1)) ? 0 : 1;
}

static int tear_down(void **state)
{
    leann_ctx_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(at_once_as_one_by_one)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
