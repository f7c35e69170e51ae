/* codebook_avx2.c – products of rows with a small codebook that lies by columns, 8 centroids at once, for AVX2 and FMA.
 *
 * As codebook_avx512.c does it. Cost: k d / 8 multiply-adds a row, two a cycle at best.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { LANES = 8, ROWS = 4 };

void leann_codebook_table_avx2(leann_codebook book, const float *x, float alpha, float *out)
{
    const __m256 factor = _mm256_set1_ps(alpha);
    for (size_t c = 0; c < book.k; c += LANES) {
        __m256 sum = _mm256_setzero_ps();
        for (size_t t = 0; t < book.d; t++)
            sum = _mm256_fmadd_ps(_mm256_set1_ps(x[t]), _mm256_loadu_ps(book.column + t * book.stride + c), sum);
        __m256 norm = book.norm ? _mm256_loadu_ps(book.norm + c) : _mm256_setzero_ps();
        _mm256_storeu_ps(out + c, _mm256_fmadd_ps(factor, sum, norm));
    }
}

/* The least of eight lanes, the smallest centroid among equals. */
static float fold(__m256 best, __m256i block, uint8_t *code)
{
    float value[LANES], least = __builtin_inff();
    uint32_t first[LANES], at = UINT32_MAX;
    _mm256_storeu_ps(value, best);
    _mm256_storeu_si256((__m256i *)(void *)first, block);
    for (uint32_t l = 0; l < LANES; l++)
        if (value[l] < least || (value[l] == least && first[l] + l < at)) {
            least = value[l];
            at = first[l] + l;
        }
    *code = (uint8_t)at;
    return least;
}

/* The lesser of best and sum; where that is sum, block becomes here. */
static inline __m256 keep(__m256 best, __m256 sum, __m256i *block, __m256i here)
{
    __m256 less = _mm256_cmp_ps(sum, best, _CMP_LT_OQ);
    *block = _mm256_blendv_epi8(*block, here, _mm256_castps_si256(less));
    return _mm256_min_ps(sum, best);
}

void leann_codebook_nearest_avx2(leann_codebook book, const float *x, size_t stride, size_t n, uint8_t *code, float *key)
{
    for (size_t i = 0; i < n; i += ROWS) {
        const float *row[ROWS];
        __m256 best[ROWS];
        __m256i block[ROWS];
        for (size_t r = 0; r < ROWS; r++) { /* past the end: the last row again */
            row[r] = (const void *)((const char *)x + (i + r < n ? i + r : n - 1) * stride);
            best[r] = _mm256_set1_ps(__builtin_inff());
            block[r] = _mm256_setzero_si256();
        }
        for (size_t c = 0; c < book.k; c += 2 * LANES) {
            const float *column = book.column + c;
            __m256 low[ROWS], high[ROWS];
#pragma GCC unroll 4
            for (size_t r = 0; r < ROWS; r++) {
                low[r] = _mm256_mul_ps(_mm256_loadu_ps(book.norm + c), _mm256_set1_ps(0.5F));
                high[r] = _mm256_mul_ps(_mm256_loadu_ps(book.norm + c + LANES), _mm256_set1_ps(0.5F));
            }
            for (size_t t = 0; t < book.d; t++, column += book.stride) {
                __m256 first = _mm256_loadu_ps(column), second = _mm256_loadu_ps(column + LANES);
#pragma GCC unroll 4
                for (size_t r = 0; r < ROWS; r++) {
                    __m256 value = _mm256_set1_ps(row[r][t]);
                    low[r] = _mm256_fnmadd_ps(value, first, low[r]);
                    high[r] = _mm256_fnmadd_ps(value, second, high[r]);
                }
            }
            __m256i here = _mm256_set1_epi32((int)c), there = _mm256_set1_epi32((int)c + LANES);
#pragma GCC unroll 4
            for (size_t r = 0; r < ROWS; r++) {
                best[r] = keep(best[r], low[r], &block[r], here);
                best[r] = keep(best[r], high[r], &block[r], there);
            }
        }
        for (size_t r = 0; r < ROWS && i + r < n; r++) {
            float least = fold(best[r], block[r], code + i + r);
            if (key) key[i + r] = 2 * least;
        }
    }
}

/* Six rows against 16 centroids at once: 12 sums stay in registers. */
void leann_codebook_below_avx2(leann_codebook book, const float *x, size_t stride, size_t n, const float *cut, uint64_t *out)
{
    enum { MANY = 6, PARTS = 2 };
    for (size_t i = 0; i < n; i += MANY) {
        const float *row[MANY];
        for (size_t r = 0; r < MANY; r++) /* past the end: the last row again */
            row[r] = (const void *)((const char *)x + (i + r < n ? i + r : n - 1) * stride);
        for (size_t r = 0; r < MANY && i + r < n; r++) out[i + r] = 0;
        for (size_t c = 0; c < book.k; c += PARTS * LANES) {
            __m256 sum[MANY][PARTS];
#pragma GCC unroll 6
            for (size_t r = 0; r < MANY; r++)
#pragma GCC unroll 2
                for (size_t p = 0; p < PARTS; p++)
                    sum[r][p] = _mm256_mul_ps(_mm256_loadu_ps(book.norm + c + p * LANES), _mm256_set1_ps(0.5F));
            const float *column = book.column + c;
            for (size_t t = 0; t < book.d; t++, column += book.stride) {
                __m256 low = _mm256_loadu_ps(column), high = _mm256_loadu_ps(column + LANES);
#pragma GCC unroll 6
                for (size_t r = 0; r < MANY; r++) {
                    __m256 value = _mm256_set1_ps(row[r][t]);
                    sum[r][0] = _mm256_fnmadd_ps(value, low, sum[r][0]);
                    sum[r][1] = _mm256_fnmadd_ps(value, high, sum[r][1]);
                }
            }
            for (size_t r = 0; r < MANY && i + r < n; r++) {
                __m256 limit = _mm256_set1_ps(cut[i + r] / 2);
                for (size_t p = 0; p < PARTS; p++) {
                    unsigned bits = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(sum[r][p], limit, _CMP_LT_OQ));
                    out[i + r] |= (uint64_t)bits << (c + p * LANES);
                }
            }
        }
    }
}
#else
typedef int leann_no_codebook_avx2; /* ISO C wants a declaration */
#endif
