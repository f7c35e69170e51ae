/* The codebook kernels of every set this machine can run, against the scalar one and against a plain search.
 *
 * SPDX-License-Identifier: MIT */
#include "core/ctx.h"
#include "core/simd/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAD = 256, MOST = 37, ROWS = 23 };
static const char *const sets[] = {"scalar", "avx2", "avx512", "neon"};
static float column[MOST * PAD], norm[PAD], x[ROWS * (MOST + 1)];

/* k centroids of d components at random, one twice. */
static leann_codebook make(size_t d, size_t k, uint64_t item)
{
    leann_rng rng = leann_rng_at(2, "codebook", item);
    memset(column, 0, sizeof column);
    for (size_t c = 0; c < PAD; c++) norm[c] = c < k ? 0 : INFINITY;
    for (size_t t = 0; t < d; t++)
        for (size_t c = 0; c < k; c++) column[t * PAD + c] = c == k - 1 ? column[t * PAD] : (float)leann_rng_normal(&rng);
    for (size_t t = 0; t < d; t++)
        for (size_t c = 0; c < k; c++) norm[c] += column[t * PAD + c] * column[t * PAD + c];
    for (size_t i = 0; i < ROWS * (MOST + 1); i++) x[i] = (float)leann_rng_normal(&rng);
    return (leann_codebook){.column = column, .norm = norm, .d = d, .k = (k + 15) / 16 * 16, .stride = PAD};
}

static double term(leann_codebook book, const float *row, size_t c)
{
    double sum = 0;
    for (size_t t = 0; t < book.d; t++) sum += (double)row[t] * (double)column[t * PAD + c];
    return sum;
}

static void test_nearest(void **state)
{
    (void)state;
    const size_t widths[] = {1, 2, 7, 8, 16, MOST}, sizes[] = {2, 15, 16, 17, 200, 256};
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        const leann_kernels *kernels = leann_kernels_named(sets[s]);
        if (!kernels) continue;
        for (size_t w = 0; w < 6; w++)
            for (size_t z = 0; z < 6; z++)
                for (size_t n = 1; n <= ROWS; n += n < 5 ? 1 : 6) {
                    leann_codebook book = make(widths[w], sizes[z], w * 6 + z);
                    uint8_t code[ROWS];
                    float key[ROWS];
                    kernels->codebook_nearest(book, x, (MOST + 1) * sizeof *x, n, code, key);
                    for (size_t i = 0; i < n; i++) {
                        const float *row = x + i * (MOST + 1);
                        double least = INFINITY;
                        for (size_t c = 0; c < sizes[z]; c++) least = fmin(least, (double)norm[c] - 2 * term(book, row, c));
                        assert_in_range(code[i], 0, sizes[z] - 1);
                        assert_true(code[i] != sizes[z] - 1 || sizes[z] == 1); /* the smaller one of equals */
                        double got = (double)norm[code[i]] - 2 * term(book, row, code[i]);
                        assert_true(got - least <= 1e-5 * (1 + fabs(least)));
                        assert_true(fabs((double)key[i] - least) <= 1e-5 * (1 + fabs(least) + (double)norm[code[i]]));
                    }
                    uint8_t alone;
                    for (size_t i = 0; i < n; i++) { /* a row's place makes no difference */
                        kernels->codebook_nearest(book, x + i * (MOST + 1), 0, 1, &alone, NULL);
                        assert_int_equal(alone, code[i]);
                    }
                }
    }
}

static void test_table(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        const leann_kernels *kernels = leann_kernels_named(sets[s]);
        if (!kernels) continue;
        for (size_t d = 1; d <= MOST; d += 6) {
            leann_codebook book = make(d, 100, d);
            float out[PAD];
            for (int with = 0; with < 2; with++) {
                book.k = PAD;
                book.norm = with ? norm : NULL;
                kernels->codebook_table(book, x, -2, out);
                for (size_t c = 0; c < PAD; c++) {
                    double truth = (with ? (double)norm[c] : 0) - 2 * term(book, x, c);
                    assert_true(isinf(truth) ? isinf(out[c]) : fabs((double)out[c] - truth) <= 1e-5 * (1 + fabs(truth) + (double)d));
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nearest), cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
