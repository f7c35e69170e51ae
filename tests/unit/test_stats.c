/* test_stats.c – quantiles and bootstrap intervals against values that are known.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

#include "eval/stats.h"

static void test_quantiles(void **state)
{
    (void)state;
    double x[] = {5, 1, 3, 2, 4};
    assert_true(leann_stats_median(x, 5) == 3);
    assert_true(x[0] == 1 && x[4] == 5);
    assert_true(fabs(leann_stats_quantile(x, 5, 0.25) - 2) < 1e-12);
    assert_true(fabs(leann_stats_quantile(x, 5, 0.9) - 4.6) < 1e-12);
    assert_true(leann_stats_mean(x, 5) == 3);
    assert_true(isnan(leann_stats_quantile(x, 0, 0.5)) && isnan(leann_stats_mean(x, 0)));
}

/* Half zeros, half ones: the interval of the mean is 0.5 ± 1.96 sqrt(0.25 / n). */
static void test_few_values(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    double x[1000];
    leann_interval a, b;
    for (int i = 0; i < 1000; i++) x[i] = i % 2;
    assert_int_equal(leann_stats_bootstrap(ctx, x, 1000, 7, &a), LEANN_OK);
    assert_true(a.value == 0.5);
    assert_true(fabs(a.lo - (0.5 - 0.031)) < 0.005 && fabs(a.hi - (0.5 + 0.031)) < 0.005);
    assert_int_equal(leann_stats_bootstrap(ctx, x, 1000, 7, &b), LEANN_OK);
    assert_true(a.lo == b.lo && a.hi == b.hi);
    leann_ctx_free(ctx);
}

/* Distinct values take the other way through; the interval of a mean of uniforms is known too. */
static void test_many_values(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    double x[2000];
    leann_interval a;
    leann_rng rng = leann_rng_at(3, "test", 0);
    for (int i = 0; i < 2000; i++) x[i] = leann_rng_real(&rng);
    assert_int_equal(leann_stats_bootstrap(ctx, x, 2000, 1, &a), LEANN_OK);
    double half = 1.96 * sqrt(1.0 / 12 / 2000);
    assert_true(fabs(a.hi - a.lo - 2 * half) < 0.15 * 2 * half);
    assert_true(a.lo < a.value && a.value < a.hi);
    assert_int_equal(leann_stats_bootstrap(ctx, x, 0, 1, &a), LEANN_OK);
    assert_true(isnan(a.value));
    leann_ctx_free(ctx);
}

/* Pairs that differ by a constant have no spread, however much the values themselves have. */
static void test_pairs(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    double x[500], y[500];
    leann_interval d, r;
    leann_rng rng = leann_rng_at(4, "test", 0);
    for (int i = 0; i < 500; i++) {
        x[i] = 1 + 100 * leann_rng_real(&rng);
        y[i] = 2 * x[i];
    }
    assert_int_equal(leann_stats_paired_ratio(ctx, y, x, 500, 1, &r), LEANN_OK);
    assert_true(fabs(r.value - 2) < 1e-12 && fabs(r.lo - 2) < 1e-9 && fabs(r.hi - 2) < 1e-9);
    for (int i = 0; i < 500; i++) y[i] = x[i] + 0.25;
    assert_int_equal(leann_stats_paired_difference(ctx, y, x, 500, 1, &d), LEANN_OK);
    assert_true(fabs(d.lo - 0.25) < 1e-9 && fabs(d.hi - 0.25) < 1e-9);
    for (int i = 0; i < 500; i++) x[i] = 0;
    assert_int_equal(leann_stats_paired_ratio(ctx, y, x, 500, 1, &r), LEANN_OK);
    assert_true(isnan(r.value));
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quantiles), cmocka_unit_test(test_few_values),
                                       cmocka_unit_test(test_many_values), cmocka_unit_test(test_pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
