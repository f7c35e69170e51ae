/* Principal axes: orthonormal, in order, and A = axes^T diag(values) axes, low rank included.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { D = 33 };

/* The Gram matrix of n random rows, taken apart and put together again. */
static void check(leann_ctx *ctx, uint32_t n)
{
    static float x[2 * D * D], a[D * D], axes[D * D];
    static double values[D];
    leann_rng rng = leann_rng_at(3, "rows", n);
    for (uint32_t i = 0; i < n * D; i++) x[i] = (float)leann_rng_normal(&rng);
    memset(a, 0, sizeof a);
    if (n) leann_gemm_tn(D, D, n, 1, x, D, x, D, 0, a, D);
    assert_int_equal(leann_axes(ctx, D, a, axes, values), LEANN_OK);
    for (uint32_t i = 0; i < D; i++) {
        assert_true(i == 0 || values[i] <= values[i - 1]);
        if (i >= n) assert_true(fabs(values[i]) < 1e-3);
        for (uint32_t j = 0; j < D; j++) {
            double unit = 0, again = 0;
            for (uint32_t l = 0; l < D; l++) {
                unit += (double)axes[i * D + l] * (double)axes[j * D + l];
                again += values[l] * (double)axes[l * D + i] * (double)axes[l * D + j];
            }
            assert_true(fabs(unit - (i == j)) < 1e-5);
            assert_true(fabs(again - (double)a[i * D + j]) < 1e-4 * (1 + values[0]));
        }
    }
}

static void test_axes(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    check(ctx, 2 * D);
    check(ctx, 7);
    check(ctx, 0);
    float bad[4] = {1, 0, 0, NAN}, axes[4];
    double values[2];
    assert_int_equal(leann_axes(ctx, 2, bad, axes, values), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "element (1, 1)"));
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_axes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
