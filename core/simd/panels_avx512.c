/* panels_avx512.c – products of queries with rows that lie in panels of 16 by columns, for AVX-512 F, BW and VNNI.
 *
 * Eight queries by three panels at once: 24 sums in registers, and eleven loads for 24 multiply-adds. What does not pass is not written.
 * Cost: a multiply-add of 16 floats, or of 64 bytes, a query, panel and column.
 *
 * Source: Goto & van de Geijn 2008 (register blocks over packed panels).
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wconversion"
#include <immintrin.h>
#include <string.h>

enum { ROWS = 16, QUERIES = 8, PANELS = 3 };
#define INLINE static inline __attribute__((always_inline))

/* Eight queries; where fewer are left the last one again. */
INLINE void queries_at(const void *q, size_t bytes, size_t left, const void *own[QUERIES])
{
    for (size_t r = 0; r < QUERIES; r++) own[r] = (const char *)q + (r < left ? r : left - 1) * bytes;
}

INLINE void products_f32(const void *const *q, const void *column, size_t d, size_t panels, void *out)
{
    __m512 sum[QUERIES][PANELS];
#pragma GCC unroll 8
    for (size_t r = 0; r < QUERIES; r++)
#pragma GCC unroll 3
        for (size_t p = 0; p < panels; p++) sum[r][p] = _mm512_setzero_ps();
    for (size_t j = 0; j < d; j++) {
        __m512 x[PANELS];
#pragma GCC unroll 3
        for (size_t p = 0; p < panels; p++) x[p] = _mm512_loadu_ps((const float *)column + (p * d + j) * ROWS);
#pragma GCC unroll 8
        for (size_t r = 0; r < QUERIES; r++) {
            __m512 own = _mm512_set1_ps(((const float *)q[r])[j]);
#pragma GCC unroll 3
            for (size_t p = 0; p < panels; p++) sum[r][p] = _mm512_fmadd_ps(own, x[p], sum[r][p]);
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < QUERIES; r++)
#pragma GCC unroll 3
        for (size_t p = 0; p < panels; p++) _mm512_storeu_ps((float *)out + (r * panels + p) * ROWS, sum[r][p]);
}

INLINE void products_u8(const void *const *q, const void *column, size_t d, size_t panels, void *out)
{
    __m512i sum[QUERIES][PANELS];
#pragma GCC unroll 8
    for (size_t r = 0; r < QUERIES; r++)
#pragma GCC unroll 3
        for (size_t p = 0; p < panels; p++) sum[r][p] = _mm512_setzero_si512();
    for (size_t j = 0; j < d; j += 4) {
        __m512i x[PANELS];
#pragma GCC unroll 3
        for (size_t p = 0; p < panels; p++) x[p] = _mm512_loadu_si512((const uint8_t *)column + (p * d + j) * ROWS);
#pragma GCC unroll 8
        for (size_t r = 0; r < QUERIES; r++) {
            int32_t four;
            memcpy(&four, (const int8_t *)q[r] + j, sizeof four);
            __m512i own = _mm512_set1_epi32(four);
#pragma GCC unroll 3
            for (size_t p = 0; p < panels; p++) sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], x[p], own);
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < QUERIES; r++)
#pragma GCC unroll 3
        for (size_t p = 0; p < panels; p++) _mm512_storeu_si512((int32_t *)out + (r * panels + p) * ROWS, sum[r][p]);
}

/* Functions of their own: inlined where more registers are in use, compilers keep a panel on the stack, which costs a third. */
typedef void products(const void *const *q, const void *column, size_t d, void *out);
#define PRODUCTS(type, panels)                                                                                                             \
    static __attribute__((noinline)) void products_##type##_##panels(const void *const *q, const void *column, size_t d, void *out)        \
    {                                                                                                                                      \
        products_##type(q, column, d, panels, out);                                                                                        \
    }
PRODUCTS(f32, 1)
PRODUCTS(f32, 2)
PRODUCTS(f32, 3)
PRODUCTS(u8, 1)
PRODUCTS(u8, 2)
PRODUCTS(u8, 3)

/* Panels are the outer loop: three of them stay in the second cache while all queries pass. */
void leann_panels_f32_avx512(leann_panels rows, const float *q, size_t stride, size_t n, float alpha, const float *cut, float *key,
                             uint16_t *pass)
{
    static products *const by_panels[] = {NULL, products_f32_1, products_f32_2, products_f32_3};
    const void *own[QUERIES];
    float sum[QUERIES * PANELS * ROWS];
    for (size_t first = 0, panels; first < rows.panels; first += panels) {
        panels = rows.panels - first < PANELS ? rows.panels - first : PANELS;
        for (size_t i = 0; i < n; i += QUERIES) {
            queries_at(q + i * stride, stride * sizeof *q, n - i, own);
            by_panels[panels](own, (const float *)rows.column + first * rows.d * ROWS, rows.d, sum);
            for (size_t r = 0; r < QUERIES && i + r < n; r++)
                for (size_t p = 0; p < panels; p++) {
                    __m512 bias = _mm512_loadu_ps((const float *)rows.bias + (first + p) * ROWS);
                    __m512 v = _mm512_fmadd_ps(_mm512_set1_ps(alpha), _mm512_loadu_ps(sum + (r * panels + p) * ROWS), bias);
                    __mmask16 under = _mm512_cmp_ps_mask(v, _mm512_set1_ps(cut[i + r]), _CMP_NGT_UQ);
                    size_t at = (i + r) * rows.panels + first + p;
                    pass[at] = under;
                    if (under) _mm512_storeu_ps(key + at * ROWS, v);
                }
        }
    }
}

void leann_panels_u8_avx512(leann_panels rows, const int8_t *q, size_t stride, size_t n, int32_t alpha, const int32_t *cut, int32_t *key,
                            uint16_t *pass)
{
    static products *const by_panels[] = {NULL, products_u8_1, products_u8_2, products_u8_3};
    const void *own[QUERIES];
    int32_t sum[QUERIES * PANELS * ROWS];
    for (size_t first = 0, panels; first < rows.panels; first += panels) {
        panels = rows.panels - first < PANELS ? rows.panels - first : PANELS;
        for (size_t i = 0; i < n; i += QUERIES) {
            queries_at(q + i * stride, stride, n - i, own);
            by_panels[panels](own, (const uint8_t *)rows.column + first * rows.d * ROWS, rows.d, sum);
            for (size_t r = 0; r < QUERIES && i + r < n; r++)
                for (size_t p = 0; p < panels; p++) {
                    __m512i bias = _mm512_loadu_si512((const int32_t *)rows.bias + (first + p) * ROWS);
                    __m512i v = _mm512_mullo_epi32(_mm512_set1_epi32(alpha), _mm512_loadu_si512(sum + (r * panels + p) * ROWS));
                    v = _mm512_add_epi32(bias, v);
                    __mmask16 under = _mm512_cmple_epi32_mask(v, _mm512_set1_epi32(cut[i + r]));
                    size_t at = (i + r) * rows.panels + first + p;
                    pass[at] = under;
                    if (under) _mm512_storeu_si512(key + at * ROWS, v);
                }
        }
    }
}
#else
typedef int leann_no_panels_avx512; /* ISO C wants a declaration */
#endif
