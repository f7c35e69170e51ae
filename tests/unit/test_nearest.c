/* test_nearest.c – the nearest anchor by products against plain loops; ties, repeats, shapes, threads; lists by owner.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *random_rows(size_t n, size_t d, const char *stage)
{
    float *x = malloc(n * d * sizeof *x);
    leann_rng rng = leann_rng_at(5, stage, 0);
    for (size_t i = 0; i < n * d; i++) x[i] = (float)leann_rng_normal(&rng);
    return x;
}

static double square(const float *a, const float *b, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++) sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sum;
}

static void against_loops(void **state)
{
    (void)state;
    static const uint32_t shape[][3] = {{1, 1, 1}, {1, 70, 3}, {300, 1, 8}, {513, 65, 17}, {257, 600, 8}, {20, 1100, 33}};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        uint32_t n = shape[s][0], m = shape[s][1], d = shape[s][2], *owner = malloc(n * sizeof *owner), *one = malloc(n * sizeof *one);
        float *x = random_rows(n, d, "x"), *a = random_rows(m, d, "a"), *key = malloc(n * sizeof *key);
        leann_ctx *two = leann_ctx_new(1, 2), *single = leann_ctx_new(1, 1);
        leann_rows rows = {x, d * sizeof *x, n, d, LEANN_F32, LEANN_L2};
        assert_int_equal(leann_nearest(two, rows, a, m, owner, key), LEANN_OK);
        assert_int_equal(leann_nearest(single, rows, a, m, one, NULL), LEANN_OK);
        assert_memory_equal(owner, one, n * sizeof *one);
        for (uint32_t i = 0; i < n; i++) {
            double best = 1e300;
            for (uint32_t j = 0; j < m; j++) best = fmin(best, square(x + i * d, a + j * d, d));
            assert_true(owner[i] < m);
            double got = square(x + i * d, a + owner[i] * d, d);
            assert_true(got <= best + 1e-5 * (1 + best));
            assert_true(fabs((double)key[i] - got) <= 1e-5 * (1 + got));
        }
        leann_ctx_free(two);
        leann_ctx_free(single);
        free(x);
        free(a);
        free(key);
        free(owner);
        free(one);
    }
}

/* Every anchor comes again further on, in another tile and another lane: the smaller id wins; a row that is an anchor has key 0. */
static void ties(void **state)
{
    (void)state;
    enum { M = 611, D = 48, N = 500 };
    float *a = random_rows(M, D, "a"), *x = random_rows(N, D, "x"), *key = malloc(N * sizeof *key);
    uint32_t *owner = malloc(N * sizeof *owner);
    for (uint32_t j = 100; j < M; j++) memcpy(a + j * D, a + (j * 7 % 100) * D, D * sizeof *a);
    memcpy(x + 9 * D, a + 55 * D, D * sizeof *x);
    leann_ctx *ctx = leann_ctx_new(1, 2);
    assert_int_equal(leann_nearest(ctx, (leann_rows){x, D * sizeof *x, N, D, LEANN_F32, LEANN_L2}, a, M, owner, key), LEANN_OK);
    for (uint32_t i = 0; i < N; i++) assert_true(owner[i] < 100);
    assert_int_equal(owner[9], 55);
    assert_true(key[9] == 0);
    leann_ctx_free(ctx);
    free(a);
    free(x);
    free(key);
    free(owner);
}

static void bytes_and_equal_rows(void **state)
{
    (void)state;
    enum { N = 300, D = 20, M = 40 };
    uint8_t rows[N * D];
    float a[M * D], key[N];
    uint32_t owner[N];
    memset(rows, 77, sizeof rows);
    for (size_t j = 0; j < M * D; j++) a[j] = 77;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    assert_int_equal(leann_nearest(ctx, (leann_rows){rows, D, N, D, LEANN_U8, LEANN_L2}, a, M, owner, key), LEANN_OK);
    for (uint32_t i = 0; i < N; i++) assert_true(owner[i] == 0 && key[i] == 0);
    assert_int_equal(leann_nearest(ctx, (leann_rows){rows, D, 0, D, LEANN_U8, LEANN_L2}, a, M, owner, key), LEANN_OK);
    leann_ctx_free(ctx);
}

static void overflow_still_owns(void **state)
{
    (void)state;
    float x[2] = {3e38f, 3e38f}, a[4] = {1, 1, 2, 2}, key;
    uint32_t owner = 99;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    assert_int_equal(leann_nearest(ctx, (leann_rows){x, sizeof x, 1, 2, LEANN_F32, LEANN_L2}, a, 2, &owner, &key), LEANN_OK);
    assert_true(owner < 2);
    leann_ctx_free(ctx);
}

static void lists(void **state)
{
    (void)state;
    const uint32_t owner[8] = {2, 0, 2, 4, 4, 0, 2, 4};
    uint32_t off[6], ids[8];
    static const uint32_t want_off[6] = {0, 2, 2, 5, 5, 8}, want_ids[8] = {1, 5, 0, 2, 6, 3, 4, 7};
    leann_lists_of(owner, 8, 5, off, ids);
    assert_memory_equal(off, want_off, sizeof off);
    assert_memory_equal(ids, want_ids, sizeof ids);
    leann_lists_of(owner, 0, 5, off, ids);
    for (int j = 0; j <= 5; j++) assert_int_equal(off[j], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_loops),       cmocka_unit_test(ties),  cmocka_unit_test(bytes_and_equal_rows),
        cmocka_unit_test(overflow_still_owns), cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
