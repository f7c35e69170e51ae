/* codebook_neon.c – products of rows with a small codebook that lies by columns, 4 centroids at once, for Armv8-A Advanced SIMD.
 *
 * As codebook_avx512.c does it. Cost: k d / 4 multiply-adds a row.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__aarch64__)
#include <arm_neon.h>

enum { LANES = 4, ROWS = 4 };

void leann_codebook_table_neon(leann_codebook book, const float *x, float alpha, float *out)
{
    for (size_t c = 0; c < book.k; c += LANES) {
        float32x4_t sum = vdupq_n_f32(0);
        for (size_t t = 0; t < book.d; t++) sum = vfmaq_n_f32(sum, vld1q_f32(book.column + t * book.stride + c), x[t]);
        float32x4_t norm = book.norm ? vld1q_f32(book.norm + c) : vdupq_n_f32(0);
        vst1q_f32(out + c, vfmaq_n_f32(norm, sum, alpha));
    }
}

/* The least of four lanes, the smallest centroid among equals. */
static float fold(float32x4_t best, uint32x4_t block, uint8_t *code)
{
    float value[LANES], least = __builtin_inff();
    uint32_t first[LANES], at = UINT32_MAX;
    vst1q_f32(value, best);
    vst1q_u32(first, block);
    for (uint32_t l = 0; l < LANES; l++)
        if (value[l] < least || (value[l] == least && first[l] + l < at)) {
            least = value[l];
            at = first[l] + l;
        }
    *code = (uint8_t)at;
    return least;
}

void leann_codebook_nearest_neon(leann_codebook book, const float *x, size_t stride, size_t n, uint8_t *code, float *key)
{
    for (size_t i = 0; i < n; i += ROWS) {
        const float *row[ROWS];
        float32x4_t best[ROWS];
        uint32x4_t block[ROWS];
        for (size_t r = 0; r < ROWS; r++) { /* past the end: the last row again */
            row[r] = (const void *)((const char *)x + (i + r < n ? i + r : n - 1) * stride);
            best[r] = vdupq_n_f32(__builtin_inff());
            block[r] = vdupq_n_u32(0);
        }
        for (size_t c = 0; c < book.k; c += LANES) {
            const float *column = book.column + c;
            float32x4_t half = vmulq_n_f32(vld1q_f32(book.norm + c), 0.5F), sum[ROWS] = {half, half, half, half};
            for (size_t t = 0; t < book.d; t++, column += book.stride) {
                float32x4_t component = vld1q_f32(column);
#pragma GCC unroll 4
                for (size_t r = 0; r < ROWS; r++) sum[r] = vfmsq_n_f32(sum[r], component, row[r][t]);
            }
            uint32x4_t here = vdupq_n_u32((uint32_t)c);
#pragma GCC unroll 4
            for (size_t r = 0; r < ROWS; r++) {
                uint32x4_t less = vcltq_f32(sum[r], best[r]);
                best[r] = vbslq_f32(less, sum[r], best[r]);
                block[r] = vbslq_u32(less, here, block[r]);
            }
        }
        for (size_t r = 0; r < ROWS && i + r < n; r++) {
            float least = fold(best[r], block[r], code + i + r);
            if (key) key[i + r] = 2 * least;
        }
    }
}

/* Six rows against 16 centroids at once: 24 sums stay in registers. */
void leann_codebook_below_neon(leann_codebook book, const float *x, size_t stride, size_t n, const float *cut, uint64_t *out)
{
    enum { MANY = 6, PARTS = 4 };
    const uint32x4_t bit = {1, 2, 4, 8};
    for (size_t i = 0; i < n; i += MANY) {
        const float *row[MANY];
        for (size_t r = 0; r < MANY; r++) /* past the end: the last row again */
            row[r] = (const void *)((const char *)x + (i + r < n ? i + r : n - 1) * stride);
        for (size_t r = 0; r < MANY && i + r < n; r++) out[i + r] = 0;
        for (size_t c = 0; c < book.k; c += PARTS * LANES) {
            float32x4_t sum[MANY][PARTS];
#pragma GCC unroll 6
            for (size_t r = 0; r < MANY; r++)
#pragma GCC unroll 4
                for (size_t p = 0; p < PARTS; p++) sum[r][p] = vmulq_n_f32(vld1q_f32(book.norm + c + p * LANES), 0.5F);
            const float *column = book.column + c;
            for (size_t t = 0; t < book.d; t++, column += book.stride) {
                float32x4_t component[PARTS];
#pragma GCC unroll 4
                for (size_t p = 0; p < PARTS; p++) component[p] = vld1q_f32(column + p * LANES);
#pragma GCC unroll 6
                for (size_t r = 0; r < MANY; r++)
#pragma GCC unroll 4
                    for (size_t p = 0; p < PARTS; p++) sum[r][p] = vfmsq_n_f32(sum[r][p], component[p], row[r][t]);
            }
            for (size_t r = 0; r < MANY && i + r < n; r++)
                for (size_t p = 0; p < PARTS; p++) {
                    uint32x4_t less = vcltq_f32(sum[r][p], vdupq_n_f32(cut[i + r] / 2));
                    out[i + r] |= (uint64_t)vaddvq_u32(vandq_u32(less, bit)) << (c + p * LANES);
                }
        }
    }
}
#else
typedef int leann_no_codebook_neon; /* ISO C wants a declaration */
#endif
