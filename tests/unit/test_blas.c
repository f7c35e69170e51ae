/* test_blas.c – products against a float64 triple loop, with every leading dimension larger than it need be; rotations.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fill(float *x, size_t n, const char *stage)
{
    leann_rng rng = leann_rng_at(1, stage, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)leann_rng_normal(&rng);
}

typedef void (*gemm)(size_t, size_t, size_t, float, const float *, size_t, const float *, size_t, float, float *, size_t);

/* ta, tb: the operand is stored transposed. */
static void check_gemm(gemm run, bool ta, bool tb, size_t m, size_t n, size_t k, float beta)
{
    size_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
    size_t rows_a = ta ? k : m, rows_b = tb ? n : k;
    float *a = calloc(rows_a * lda + 1, sizeof *a), *b = calloc(rows_b * ldb + 1, sizeof *b), *c = calloc(m * ldc + 1, sizeof *c),
          *old = calloc(m * ldc + 1, sizeof *old);
    fill(a, rows_a * lda, "a");
    fill(b, rows_b * ldb, "b");
    fill(c, m * ldc, "c");
    memcpy(old, c, m * ldc * sizeof *c);
    run(m, n, k, -2, a, lda, b, ldb, beta, c, ldc);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < ldc; j++) {
            double sum = 0;
            if (j >= n) { /* the gap between rows is not touched */
                assert_true(c[i * ldc + j] == old[i * ldc + j]);
                continue;
            }
            for (size_t l = 0; l < k; l++)
                sum += (double)(ta ? a[l * lda + i] : a[i * lda + l]) * (double)(tb ? b[j * ldb + l] : b[l * ldb + j]);
            double want = -2 * sum + (beta == 0 ? 0 : (double)beta * (double)old[i * ldc + j]);
            assert_true(fabs(want - (double)c[i * ldc + j]) < 1e-5 * (double)(k + 10));
        }
    free(a);
    free(b);
    free(c);
    free(old);
}

static void products(void **state)
{
    (void)state;
    static const size_t shape[][3] = {{1, 1, 1}, {3, 5, 7}, {64, 16, 256}, {65, 17, 257}, {130, 70, 300}, {2, 100, 1}, {5, 5, 0}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        for (int beta = 0; beta < 2; beta++) {
            check_gemm(leann_gemm_nt, false, true, shape[i][0], shape[i][1], shape[i][2], (float)beta * 0.5f);
            check_gemm(leann_gemm_nn, false, false, shape[i][0], shape[i][1], shape[i][2], (float)beta * 0.5f);
            check_gemm(leann_gemm_tn, true, false, shape[i][0], shape[i][1], shape[i][2], (float)beta * 0.5f);
        }
}

static void beta_zero_ignores_nan(void **state)
{
    (void)state;
    float a[2] = {1, 2}, b[2] = {3, 4}, c = NAN;
    leann_gemm_nt(1, 1, 2, 1, a, 2, b, 2, 0, &c, 1);
    assert_true(c == 11);
}

static double off_identity(size_t d, const float *r)
{
    double worst = 0;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double sum = i == j ? -1 : 0;
            for (size_t l = 0; l < d; l++) sum += (double)r[i * d + l] * (double)r[j * d + l];
            worst = fmax(worst, fabs(sum));
        }
    return worst;
}

static double trace_of(size_t d, const float *a, const float *r)
{
    double sum = 0;
    for (size_t i = 0; i < d * d; i++) sum += (double)a[i] * (double)r[i];
    return sum;
}

static void rotations(void **state)
{
    leann_ctx *ctx = *state;
    static const size_t sizes[] = {1, 2, 5, 33};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t d = sizes[s];
        float a[33 * 33], q[33 * 33], r[33 * 33];
        fill(a, d * d, "rotation");
        assert_int_equal(leann_procrustes(ctx, d, a, q), LEANN_OK);
        assert_true(off_identity(d, q) < 1e-5);
        /* An orthogonal matrix is its own factor; the factor of A is the one with the largest <A, R>. */
        assert_int_equal(leann_procrustes(ctx, d, q, r), LEANN_OK);
        for (size_t i = 0; i < d * d; i++) assert_true(fabsf(r[i] - q[i]) < 1e-5f);
        float other[33 * 33];
        fill(other, d * d, "another");
        assert_int_equal(leann_procrustes(ctx, d, other, r), LEANN_OK);
        assert_true(d == 1 || trace_of(d, a, q) > trace_of(d, a, r));
        /* q^T A is symmetric: the sign that it is the polar factor, and not merely orthogonal. */
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < i; j++) {
                double left = 0, right = 0;
                for (size_t l = 0; l < d; l++) {
                    left += (double)q[l * d + i] * (double)a[l * d + j];
                    right += (double)q[l * d + j] * (double)a[l * d + i];
                }
                assert_true(fabs(left - right) < 1e-4);
            }
    }
}

static void low_rank(void **state)
{
    leann_ctx *ctx = *state;
    enum { D = 12 };
    float a[D * D], r[D * D];
    memset(a, 0, sizeof a);
    assert_int_equal(leann_procrustes(ctx, D, a, r), LEANN_OK); /* rank 0: any rotation, but a rotation */
    assert_true(off_identity(D, r) < 1e-5);
    float u[2 * D], v[2 * D];
    fill(u, 2 * D, "u");
    fill(v, 2 * D, "v");
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++) a[i * D + j] = u[i] * v[j] + u[D + i] * v[D + j];
    assert_int_equal(leann_procrustes(ctx, D, a, r), LEANN_OK);
    assert_true(off_identity(D, r) < 1e-5);
}

static void bad_matrix(void **state)
{
    leann_ctx *ctx = *state;
    float a[4] = {1, 2, INFINITY, 4}, r[4];
    assert_int_equal(leann_procrustes(ctx, 2, a, r), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "(1, 0)"));
}

static void has_a_name(void **state)
{
    (void)state;
    assert_true(strlen(leann_blas_name()) > 4);
}

static int ctx_new(void **state)
{
    return !(*state = leann_ctx_new(1, 1));
}
static int ctx_free(void **state)
{
    leann_ctx_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),
        cmocka_unit_test(beta_zero_ignores_nan),
        cmocka_unit_test_setup_teardown(rotations, ctx_new, ctx_free),
        cmocka_unit_test_setup_teardown(low_rank, ctx_new, ctx_free),
        cmocka_unit_test_setup_teardown(bad_matrix, ctx_new, ctx_free),
        cmocka_unit_test(has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
