/* panels_neon.c – products of queries with rows that lie in panels of 16 by columns, for Armv8-A Advanced SIMD.
 *
 * Six queries by one panel at once: 24 sums in registers. Cost: four multiply-adds of 4 floats a query, panel and column.
 *
 * Source: Goto & van de Geijn 2008 (register blocks over packed panels).
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__aarch64__)
#include <arm_neon.h>

enum { ROWS = 16, LANES = 4, PARTS = 4, QUERIES = 6 };

void leann_panels_f32_neon(leann_panels rows, const float *q, size_t stride, size_t n, float alpha, const float *cut, float *key,
                           uint16_t *pass)
{
    for (size_t p = 0; p < rows.panels; p++)
        for (size_t i = 0; i < n; i += QUERIES) {
            const float *own[QUERIES], *column = (const float *)rows.column + p * rows.d * ROWS;
            const float *bias = (const float *)rows.bias + p * ROWS;
            float32x4_t sum[QUERIES][PARTS];
#pragma GCC unroll 6
            for (size_t r = 0; r < QUERIES; r++) { /* past the end: the last query again */
                own[r] = q + (i + r < n ? i + r : n - 1) * stride;
                for (size_t s = 0; s < PARTS; s++) sum[r][s] = vdupq_n_f32(0);
            }
            for (size_t j = 0; j < rows.d; j++, column += ROWS) {
                float32x4_t x[PARTS];
#pragma GCC unroll 4
                for (size_t s = 0; s < PARTS; s++) x[s] = vld1q_f32(column + s * LANES);
#pragma GCC unroll 6
                for (size_t r = 0; r < QUERIES; r++)
#pragma GCC unroll 4
                    for (size_t s = 0; s < PARTS; s++) sum[r][s] = vfmaq_n_f32(sum[r][s], x[s], own[r][j]);
            }
            for (size_t r = 0; r < QUERIES && i + r < n; r++) {
                const uint32x4_t bit = {1, 2, 4, 8};
                size_t at = (i + r) * rows.panels + p;
                uint32_t under = 0;
                for (size_t s = 0; s < PARTS; s++) {
                    float32x4_t v = vfmaq_n_f32(vld1q_f32(bias + s * LANES), sum[r][s], alpha);
                    under |= vaddvq_u32(vbicq_u32(bit, vcgtq_f32(v, vdupq_n_f32(cut[i + r])))) << s * LANES;
                    vst1q_f32(key + at * ROWS + s * LANES, v);
                }
                pass[at] = (uint16_t)under;
            }
        }
}
#else
typedef int leann_no_panels_neon; /* ISO C wants a declaration */
#endif
