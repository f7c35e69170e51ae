/* test_narrow.c – rows in bytes: distances within the rounding, nothing lost of whole numbers, ranges that do not fit, and the measure of
 * whether they are fine enough.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 9000, D = 37 }; /* more than one chunk */

static leann_ctx *ctx;
static float *x; /* (N, D) */

static leann_rows rows_of(uint32_t n)
{
    return (leann_rows){x, D * sizeof *x, n, D, LEANN_F32, LEANN_L2};
}

static double squared(leann_rows rows, uint32_t a, uint32_t b)
{
    float y[2 * 128];
    double sum = 0;
    leann_rows_floats(rows, a, 1, y);
    leann_rows_floats(rows, b, 1, y + 128);
    for (uint32_t j = 0; j < rows.d; j++) sum += (double)(y[j] - y[128 + j]) * (double)(y[j] - y[128 + j]);
    return sum;
}

static leann_rows narrow(leann_rows rows, bool expect_exact)
{
    leann_rows out;
    bool exact;
    assert_int_equal(leann_rows_narrow(ctx, rows, &out, &exact), LEANN_OK);
    assert_int_equal(exact, expect_exact);
    return out;
}

static void release(leann_rows rows)
{
    leann_free((void *)(uintptr_t)rows.base);
}

static void distances_within_the_rounding(void **state)
{
    (void)state;
    leann_rng rng = leann_rng_at(1, "narrow rows", 0);
    float least[D], most[D], width = 0;
    for (size_t i = 0; i < (size_t)N * D; i++) x[i] = (float)(leann_rng_normal(&rng) * (1 + (double)(i % D)) + 1e3 * (double)(i % D));
    for (uint32_t j = 0; j < D; j++) {
        least[j] = most[j] = x[j];
        for (size_t i = 0; i < N; i++) {
            least[j] = fminf(least[j], x[i * D + j]);
            most[j] = fmaxf(most[j], x[i * D + j]);
        }
        width = fmaxf(width, most[j] - least[j]);
    }
    double step = (double)width / 255, share;
    leann_rows codes = narrow(rows_of(N), false);
    assert_true(codes.type == LEANN_U8 && codes.space == LEANN_L2 && codes.n == N && codes.d == 64 && codes.stride == 64);
    for (uint32_t i = 0; i + 1 < N; i += 97) {
        double exact = sqrt(squared(rows_of(N), i, i + 1)), coded = step * sqrt(squared(codes, i, i + 1));
        assert_true(fabs(exact - coded) <= step * sqrt(D) * 1.001);
    }
    assert_int_equal(leann_rows_agree(ctx, rows_of(N), rows_of(N), &share), LEANN_OK);
    assert_true(share == 1);
    assert_int_equal(leann_rows_agree(ctx, rows_of(N), codes, &share), LEANN_OK);
    assert_true(share > 0.9 && share < 1);
    release(codes);
    x[5 * D] = 1e7f; /* one far row: the step is as wide as all others lie apart */
    codes = narrow(rows_of(N), false);
    assert_int_equal(leann_rows_agree(ctx, rows_of(N), codes, &share), LEANN_OK);
    assert_true(share < 0.5);
    release(codes);
}

static void nothing_lost_of_whole_numbers(void **state)
{
    (void)state;
    leann_rng rng = leann_rng_at(2, "narrow rows", 0);
    int8_t *bytes = malloc(N * D);
    for (size_t i = 0; i < (size_t)N * D; i++) {
        bytes[i] = (int8_t)((int)leann_rng_below(&rng, 256) - 128);
        x[i] = (float)(bytes[i] + 300 * (int)(i % D) - 60);
    }
    leann_rows signed_rows = {bytes, D, N, D, LEANN_I8, LEANN_L2};
    leann_rows floats = narrow(rows_of(N), true), codes = narrow(signed_rows, true);
    for (uint32_t i = 0; i + 1 < N; i += 97) {
        double exact = squared(signed_rows, i, i + 1);
        assert_true(squared(floats, i, i + 1) == exact && squared(codes, i, i + 1) == exact);
    }
    release(floats);
    release(codes);
    free(bytes);
    x[7 * D + 3] += 0.5f;
    release(narrow(rows_of(N), false));
    x[7 * D + 3] += 1e9f; /* whole, but wide */
    release(narrow(rows_of(N), false));
}

static void rows_without_a_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < (size_t)N * D; i++) x[i] = 0.3f;
    leann_rows codes = narrow(rows_of(N), true); /* equal rows are as far from one another as before */
    assert_true(squared(codes, 0, N - 1) == 0);
    release(codes);
    release(narrow(rows_of(1), true));
    x[3] = FLT_MAX;
    x[D + 3] = -FLT_MAX;
    assert_null(narrow(rows_of(N), false).base);
}

/* Up to a cache line a power of two, then whole lines; what is behind the components is zero. */
static void padded(void **state)
{
    (void)state;
    static const uint32_t d[] = {1, 3, 32, 33, 37}, stride[] = {1, 4, 32, 64, 64};
    for (size_t i = 0; i < (size_t)N * D; i++) x[i] = (float)(i % 200);
    for (int c = 0; c < 5; c++) {
        leann_rows rows = rows_of(20);
        rows.d = d[c];
        leann_rows codes = narrow(rows, true);
        assert_int_equal(codes.stride, stride[c]);
        assert_int_equal(codes.d, stride[c]);
        for (uint32_t i = 0; i < 20; i++)
            for (uint32_t j = d[c]; j < stride[c]; j++) assert_int_equal(((const uint8_t *)leann_row(codes, i))[j], 0);
        release(codes);
    }
}

static int begin(void **state)
{
    (void)state;
    ctx = leann_ctx_new(1, 2);
    x = malloc((size_t)N * D * sizeof *x);
    return !ctx || !x;
}

static int end(void **state)
{
    (void)state;
    leann_ctx_free(ctx);
    free(x);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_within_the_rounding),
        cmocka_unit_test(nothing_lost_of_whole_numbers),
        cmocka_unit_test(rows_without_a_range),
        cmocka_unit_test(padded),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
