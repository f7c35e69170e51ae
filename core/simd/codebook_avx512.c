/* codebook_avx512.c – products of rows with a small codebook that lies by columns, 16 centroids at once, for AVX-512 F.
 *
 * Eight rows share each load of a column; a lane keeps its own least sum and the block it came from, folded once a row. A row's result
 * does not depend on its place among the eight. Cost: k d / 16 multiply-adds a row, two a cycle at best.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wconversion"
#include <immintrin.h>

enum { LANES = 16, ROWS = 8 };

void leann_codebook_table_avx512(leann_codebook book, const float *x, float alpha, float *out)
{
    const __m512 factor = _mm512_set1_ps(alpha);
    for (size_t c = 0; c < book.k; c += LANES) {
        __m512 sum = _mm512_setzero_ps();
        for (size_t t = 0; t < book.d; t++)
            sum = _mm512_fmadd_ps(_mm512_set1_ps(x[t]), _mm512_loadu_ps(book.column + t * book.stride + c), sum);
        __m512 norm = book.norm ? _mm512_loadu_ps(book.norm + c) : _mm512_setzero_ps();
        _mm512_storeu_ps(out + c, _mm512_fmadd_ps(factor, sum, norm));
    }
}

void leann_codebook_nearest_avx512(leann_codebook book, const float *x, size_t stride, size_t n, uint8_t *code, float *key)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (size_t i = 0; i < n; i += ROWS) {
        const float *row[ROWS];
        __m512 best[ROWS];
        __m512i block[ROWS];
        for (size_t r = 0; r < ROWS; r++) { /* past the end: the last row again */
            row[r] = (const void *)((const char *)x + (i + r < n ? i + r : n - 1) * stride);
            best[r] = _mm512_set1_ps(__builtin_inff());
            block[r] = _mm512_setzero_si512();
        }
        for (size_t c = 0; c < book.k; c += LANES) {
            const float *column = book.column + c;
            __m512 half = _mm512_mul_ps(_mm512_loadu_ps(book.norm + c), _mm512_set1_ps(0.5F)), sum[ROWS];
#pragma GCC unroll 8
            for (size_t r = 0; r < ROWS; r++) sum[r] = half;
            for (size_t t = 0; t < book.d; t++, column += book.stride) {
                __m512 component = _mm512_loadu_ps(column);
#pragma GCC unroll 8
                for (size_t r = 0; r < ROWS; r++) sum[r] = _mm512_fnmadd_ps(_mm512_set1_ps(row[r][t]), component, sum[r]);
            }
            __m512i here = _mm512_set1_epi32((int)c);
#pragma GCC unroll 8
            for (size_t r = 0; r < ROWS; r++) {
                block[r] = _mm512_mask_mov_epi32(block[r], _mm512_cmp_ps_mask(sum[r], best[r], _CMP_LT_OQ), here);
                best[r] = _mm512_min_ps(sum[r], best[r]);
            }
        }
        for (size_t r = 0; r < ROWS && i + r < n; r++) {
            float least = _mm512_reduce_min_ps(best[r]);
            __mmask16 equal = _mm512_cmp_ps_mask(best[r], _mm512_set1_ps(least), _CMP_EQ_OQ);
            code[i + r] = (uint8_t)_mm512_mask_reduce_min_epu32(equal, _mm512_add_epi32(block[r], lane));
            if (key) key[i + r] = 2 * least;
        }
    }
}

/* Six rows against all 64 centroids: 24 sums stay in registers. */
void leann_codebook_below_avx512(leann_codebook book, const float *x, size_t stride, size_t n, const float *cut, uint64_t *out)
{
    enum { MANY = 6, PARTS = 4 };
    for (size_t i = 0; i < n; i += MANY) {
        const float *row[MANY];
        __m512 sum[MANY][PARTS];
#pragma GCC unroll 6
        for (size_t r = 0; r < MANY; r++) { /* past the end: the last row again */
            row[r] = (const void *)((const char *)x + (i + r < n ? i + r : n - 1) * stride);
#pragma GCC unroll 4
            for (size_t p = 0; p < PARTS; p++) sum[r][p] = _mm512_mul_ps(_mm512_loadu_ps(book.norm + p * LANES), _mm512_set1_ps(0.5F));
        }
        const float *column = book.column;
        for (size_t t = 0; t < book.d; t++, column += book.stride) {
            __m512 component[PARTS];
#pragma GCC unroll 4
            for (size_t p = 0; p < PARTS; p++) component[p] = _mm512_loadu_ps(column + p * LANES);
#pragma GCC unroll 6
            for (size_t r = 0; r < MANY; r++) {
                __m512 value = _mm512_set1_ps(row[r][t]);
#pragma GCC unroll 4
                for (size_t p = 0; p < PARTS; p++) sum[r][p] = _mm512_fnmadd_ps(value, component[p], sum[r][p]);
            }
        }
        for (size_t r = 0; r < MANY && i + r < n; r++) {
            __m512 limit = _mm512_set1_ps(cut[i + r] / 2);
            out[i + r] = 0;
            for (size_t p = 0; p < PARTS; p++) out[i + r] |= (uint64_t)_mm512_cmp_ps_mask(sum[r][p], limit, _CMP_LT_OQ) << (p * LANES);
        }
    }
}
#else
typedef int leann_no_codebook_avx512; /* ISO C wants a declaration */
#endif
