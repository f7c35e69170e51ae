/* panels_avx2.c – products of queries with rows that lie in panels of 16 by columns, for AVX2 and FMA.
 *
 * Six queries by one panel at once: 12 sums in registers. Cost: two multiply-adds of 8 floats a query, panel and column.
 *
 * Source: Goto & van de Geijn 2008 (register blocks over packed panels).
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { ROWS = 16, HALF = 8, QUERIES = 6 };

/* Panels are the outer loop: one stays in the first or second cache while all queries pass. */
void leann_panels_f32_avx2(leann_panels rows, const float *q, size_t stride, size_t n, float alpha, const float *cut, float *key,
                           uint16_t *pass)
{
    const __m256 factor = _mm256_set1_ps(alpha);
    for (size_t p = 0; p < rows.panels; p++)
        for (size_t i = 0; i < n; i += QUERIES) {
            const float *own[QUERIES], *column = (const float *)rows.column + p * rows.d * ROWS;
            const float *bias = (const float *)rows.bias + p * ROWS;
            __m256 low[QUERIES], high[QUERIES];
#pragma GCC unroll 6
            for (size_t r = 0; r < QUERIES; r++) { /* past the end: the last query again */
                own[r] = q + (i + r < n ? i + r : n - 1) * stride;
                low[r] = high[r] = _mm256_setzero_ps();
            }
            for (size_t j = 0; j < rows.d; j++, column += ROWS) {
                __m256 first = _mm256_loadu_ps(column), second = _mm256_loadu_ps(column + HALF);
#pragma GCC unroll 6
                for (size_t r = 0; r < QUERIES; r++) {
                    __m256 x = _mm256_broadcast_ss(own[r] + j);
                    low[r] = _mm256_fmadd_ps(x, first, low[r]);
                    high[r] = _mm256_fmadd_ps(x, second, high[r]);
                }
            }
#pragma GCC unroll 6
            for (size_t r = 0; r < QUERIES; r++) {
                if (i + r >= n) continue;
                __m256 a = _mm256_fmadd_ps(factor, low[r], _mm256_loadu_ps(bias));
                __m256 b = _mm256_fmadd_ps(factor, high[r], _mm256_loadu_ps(bias + HALF)), limit = _mm256_set1_ps(cut[i + r]);
                int under = _mm256_movemask_ps(_mm256_cmp_ps(a, limit, _CMP_NGT_UQ)) |
                            _mm256_movemask_ps(_mm256_cmp_ps(b, limit, _CMP_NGT_UQ)) << HALF;
                size_t at = (i + r) * rows.panels + p;
                pass[at] = (uint16_t)under;
                if (!under) continue;
                _mm256_storeu_ps(key + at * ROWS, a);
                _mm256_storeu_ps(key + at * ROWS + HALF, b);
            }
        }
}
#else
typedef int leann_no_panels_avx2; /* ISO C wants a declaration */
#endif
