/* panels_avx512.c – products of queries with rows that lie in panels of 16 by columns, for AVX-512 F, BW and VNNI.
 *
 * Eight queries by three panels at once: 24 sums in registers, and eleven loads for 24 multiply-adds. What does not pass is not written.
 * Cost: a multiply-add of 16 floats, or of 64 bytes, a query, panel and column, and about three instructions a query and panel.
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
#define INLINE     static inline __attribute__((always_inline))
#define EACH_QUERY _Pragma("GCC unroll 8") for (size_t r = 0; r < QUERIES; r++)
#define EACH_PANEL _Pragma("GCC unroll 3") for (size_t p = 0; p < panels; p++)

typedef struct { /* up to eight queries by up to three panels */
    leann_panels rows;
    const void *q[QUERIES]; /* past the last one it again */
    size_t n;               /* queries */
    const void *alpha;      /* f32 and u8: one; i8: (n) */
    const void *cut;        /* (n) */
    void *key;              /* of the first query and panel */
    uint16_t *pass;
    size_t all; /* panels from one query's results to the next one's */
} tile;

/* The bits of one query's panels, and its keys where there is one. */
INLINE void keep(const tile *t, size_t r, size_t panels, const __mmask16 under[PANELS], const __m512 key[PANELS])
{
    unsigned any = 0;
    EACH_PANEL
    {
        t->pass[r * t->all + p] = under[p];
        any |= under[p];
    }
    if (__builtin_expect(any == 0, 1)) return;
    EACH_PANEL _mm512_storeu_ps((float *)t->key + (r * t->all + p) * ROWS, key[p]);
}

INLINE void products_f32(const tile *t, size_t panels)
{
    const float *column = t->rows.column;
    size_t d = t->rows.d;
    __m512 sum[QUERIES][PANELS];
    EACH_QUERY EACH_PANEL sum[r][p] = _mm512_setzero_ps();
    for (size_t j = 0; j < d; j++) {
        __m512 x[PANELS];
        EACH_PANEL x[p] = _mm512_loadu_ps(column + (p * d + j) * ROWS);
        EACH_QUERY
        {
            __m512 own = _mm512_set1_ps(((const float *)t->q[r])[j]);
            EACH_PANEL sum[r][p] = _mm512_fmadd_ps(own, x[p], sum[r][p]);
        }
    }
    const __m512 alpha = _mm512_set1_ps(*(const float *)t->alpha);
    EACH_QUERY
    {
        __mmask16 under[PANELS];
        if (r >= t->n) break;
        const __m512 cut = _mm512_set1_ps(((const float *)t->cut)[r]);
        EACH_PANEL
        {
            sum[r][p] = _mm512_fmadd_ps(alpha, sum[r][p], _mm512_loadu_ps((const float *)t->rows.bias + p * ROWS));
            under[p] = _mm512_cmp_ps_mask(sum[r][p], cut, _CMP_NGT_UQ);
        }
        keep(t, r, panels, under, sum[r]);
    }
}

/* The sums of bytes, four components at a time; queries are signed and rows are not, or the other way round. */
INLINE void sums(const tile *t, size_t panels, int rows_signed, __m512i sum[QUERIES][PANELS])
{
    const uint8_t *column = t->rows.column;
    size_t d = t->rows.d;
    for (size_t j = 0; j < d; j += 4) {
        __m512i x[PANELS];
        EACH_PANEL x[p] = _mm512_loadu_si512(column + (p * d + j) * ROWS);
        EACH_QUERY
        {
            int32_t four;
            memcpy(&four, (const uint8_t *)t->q[r] + j, sizeof four);
            __m512i own = _mm512_set1_epi32(four);
            EACH_PANEL sum[r][p] = rows_signed ? _mm512_dpbusd_epi32(sum[r][p], own, x[p]) : _mm512_dpbusd_epi32(sum[r][p], x[p], own);
        }
    }
}

INLINE void products_u8(const tile *t, size_t panels)
{
    __m512i sum[QUERIES][PANELS];
    EACH_QUERY EACH_PANEL sum[r][p] = _mm512_setzero_si512();
    sums(t, panels, 0, sum);
    const __m512i alpha = _mm512_set1_epi32(*(const int32_t *)t->alpha);
    EACH_QUERY
    {
        __mmask16 under[PANELS];
        __m512 key[PANELS];
        if (r >= t->n) break;
        const __m512i cut = _mm512_set1_epi32(((const int32_t *)t->cut)[r]);
        EACH_PANEL
        {
            __m512i v = _mm512_mullo_epi32(alpha, sum[r][p]);
            v = _mm512_add_epi32(_mm512_loadu_si512((const int32_t *)t->rows.bias + p * ROWS), v);
            under[p] = _mm512_cmple_epi32_mask(v, cut);
            key[p] = _mm512_castsi512_ps(v);
        }
        keep(t, r, panels, under, key);
    }
}

INLINE void products_i8(const tile *t, size_t panels)
{
    __m512i sum[QUERIES][PANELS];
    EACH_QUERY EACH_PANEL sum[r][p] = _mm512_loadu_si512(t->rows.start + p * ROWS);
    sums(t, panels, 1, sum);
    EACH_QUERY
    {
        __mmask16 under[PANELS];
        __m512 key[PANELS];
        if (r >= t->n) break;
        const __m512 cut = _mm512_set1_ps(((const float *)t->cut)[r]), alpha = _mm512_set1_ps(((const float *)t->alpha)[r]);
        EACH_PANEL
        {
            __m512 v = _mm512_mul_ps(_mm512_loadu_ps(t->rows.scale + p * ROWS), _mm512_cvtepi32_ps(sum[r][p]));
            key[p] = _mm512_fmadd_ps(alpha, v, _mm512_loadu_ps((const float *)t->rows.bias + p * ROWS));
            under[p] = _mm512_cmp_ps_mask(key[p], cut, _CMP_NGT_UQ);
        }
        keep(t, r, panels, under, key);
    }
}

/* Functions of their own: inlined where more registers are in use, compilers keep a panel on the stack, which costs a third. */
typedef void products(const tile *t);
#define PRODUCTS(type, panels)                                                                                                             \
    static __attribute__((noinline)) void products_##type##_##panels(const tile *t)                                                        \
    {                                                                                                                                      \
        products_##type(t, panels);                                                                                                        \
    }
#define ALL_PRODUCTS(type)                                                                                                                 \
    PRODUCTS(type, 1)                                                                                                                      \
    PRODUCTS(type, 2)                                                                                                                      \
    PRODUCTS(type, 3)                                                                                                                      \
    static products *const by_panels_##type[] = {NULL, products_##type##_1, products_##type##_2, products_##type##_3};
ALL_PRODUCTS(f32)
ALL_PRODUCTS(u8)
ALL_PRODUCTS(i8)

typedef struct {
    products *const *by_panels;
    const void *q, *alpha, *cut;
    void *key;
    uint16_t *pass;
    size_t bytes, n;         /* of a query, from one to the next; how many there are */
    size_t unit, alpha_step; /* bytes of a component of the rows; of an alpha, 0 where there is one */
} work;

/* Panels are the outer loop: three of them stay in the second cache while all queries pass. All keys, cuts and biases have four bytes. */
static void all_tiles(leann_panels rows, const work *w)
{
    enum { CELL = 4 };
    for (size_t first = 0, panels; first < rows.panels; first += panels) {
        panels = rows.panels - first < PANELS ? rows.panels - first : PANELS;
        size_t at = first * ROWS;
        tile t = {.rows = {(const char *)rows.column + at * rows.d * w->unit, (const char *)rows.bias + at * CELL,
                           rows.scale ? rows.scale + at : NULL, rows.start ? rows.start + at : NULL, rows.d, panels},
                  .all = rows.panels};
        for (size_t i = 0; i < w->n; i += QUERIES) {
            t.n = w->n - i < QUERIES ? w->n - i : QUERIES;
            for (size_t r = 0; r < QUERIES; r++) t.q[r] = (const char *)w->q + (i + (r < t.n ? r : t.n - 1)) * w->bytes;
            t.alpha = (const char *)w->alpha + i * w->alpha_step;
            t.cut = (const char *)w->cut + i * CELL;
            t.key = (char *)w->key + (i * rows.panels + first) * ROWS * CELL;
            t.pass = w->pass + i * rows.panels + first;
            w->by_panels[panels](&t);
        }
    }
}

void leann_panels_f32_avx512(leann_panels rows, const float *q, size_t stride, size_t n, float alpha, const float *cut, float *key,
                             uint16_t *pass)
{
    all_tiles(rows, &(work){by_panels_f32, q, &alpha, cut, key, pass, stride * sizeof *q, n, sizeof(float), 0});
}

void leann_panels_u8_avx512(leann_panels rows, const int8_t *q, size_t stride, size_t n, int32_t alpha, const int32_t *cut, int32_t *key,
                            uint16_t *pass)
{
    all_tiles(rows, &(work){by_panels_u8, q, &alpha, cut, key, pass, stride, n, 1, 0});
}

void leann_panels_i8_avx512(leann_panels rows, const uint8_t *q, size_t stride, size_t n, const float *alpha, const float *cut, float *key,
                            uint16_t *pass)
{
    all_tiles(rows, &(work){by_panels_i8, q, alpha, cut, key, pass, stride, n, 1, sizeof *alpha});
}
#else
typedef int leann_no_panels_avx512; /* ISO C wants a declaration */
#endif
