/* test_flat.c – method flat: many queries at once answer as each alone, to the bit, whatever the type of the rows, the space and k, with
 * ties and with rows that are close together far from the origin.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ctx.h"

enum { N = 700, D = 37, QUERIES = 70, MOST_K = 300 };

typedef enum { SPREAD, FAR, EQUAL, FRACTIONS, KINDS } kind; /* FRACTIONS: queries that bytes cannot hold */

static union {
    float f32[N * D];
    uint8_t u8[N * D];
    int8_t i8[N * D];
} rows_x;
static float queries_x[QUERIES * D];

static leann_rows rows_of(leann_dtype type, leann_space space, kind how)
{
    leann_rng rng = leann_rng_at(1, "flat", (uint64_t)type * 16 + how);
    for (size_t i = 0; i < N * D; i++) {
        double x = how == EQUAL ? 3 : 40 * leann_rng_normal(&rng) + 100 * (how == FAR);
        if (i % 11 == 0) x = 5; /* some components are equal, so that some keys tie */
        if (type == LEANN_F32) rows_x.f32[i] = (float)(x + 1e4 * (how == FAR));
        if (type == LEANN_U8) rows_x.u8[i] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
        if (type == LEANN_I8) rows_x.i8[i] = (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x);
    }
    for (size_t i = 0; i < QUERIES * D; i++) queries_x[i] = (float)leann_rng_below(&rng, 200) + (how == FRACTIONS ? 0.3F : 0);
    if (how == FAR && type == LEANN_F32)
        for (size_t i = 0; i < QUERIES * D; i++) queries_x[i] += 1e4F;
    size_t bytes = leann_dtype_bytes(type);
    return (leann_rows){&rows_x, D * bytes, N, D, type, space};
}

static void same(leann_ctx *ctx, leann_rows rows, uint32_t k)
{
    static uint32_t ids[QUERIES * MOST_K], one[MOST_K];
    static float dist[QUERIES * MOST_K], alone[MOST_K];
    leann_rows queries = {queries_x, D * sizeof(float), QUERIES, D, LEANN_F32, rows.space};
    leann_index *index = NULL;
    leann_plan *plan = NULL;
    if (leann_index_build(ctx, rows, "{method: flat}", &index) || leann_plan_new(ctx, index, NULL, NULL, &plan))
        fail_msg("%s", leann_ctx_error(ctx));
    assert_int_equal(leann_search(plan, ctx, queries, k, ids, dist, NULL), LEANN_OK);
    queries.n = 1;
    for (uint32_t i = 0; i < QUERIES; i++) {
        queries.base = queries_x + i * D;
        assert_int_equal(leann_search(plan, ctx, queries, k, one, alone, NULL), LEANN_OK);
        if (memcmp(ids + i * k, one, k * sizeof *one) || memcmp(dist + i * k, alone, k * sizeof *alone))
            fail_msg("%s, %s, query %u, k %u: other answers among others", leann_dtype_word(rows.type), leann_space_word(rows.space), i, k);
    }
    leann_plan_free(plan);
    leann_index_free(index);
}

static void answers_at_once(void **state)
{
    (void)state;
    static const uint32_t ks[] = {1, 10, MOST_K};
    leann_ctx *ctx = leann_ctx_new(1, 2);
    for (leann_dtype type = LEANN_F32; type <= LEANN_I8; type++)
        for (leann_space space = LEANN_L2; space <= LEANN_IP; space++)
            for (kind how = SPREAD; how < KINDS; how++)
                for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) same(ctx, rows_of(type, space, how), ks[k]);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
