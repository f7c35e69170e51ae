/* tables.h – inside core/simd only: the tables that kernels.c chooses from.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_SIMD_TABLES_H
#define LEANN_SIMD_TABLES_H

#include "core/simd/kernels.h"

extern const leann_kernels leann_kernels_scalar; /* runs everywhere */
#if defined(__x86_64__)
extern const leann_kernels leann_kernels_avx2;   /* avx2, fma, f16c, sse4.2 */
extern const leann_kernels leann_kernels_avx512; /* avx512 f, bw, vl, dq, vnni, and the above */
#endif
#if defined(__aarch64__)
extern const leann_kernels leann_kernels_neon; /* Advanced SIMD and crc */
#endif

/* What the SIMD tables share because plain C won (k <= 256), and a function of the SSE4.2 that both x86 tables have. */
void leann_adc8_blocked(const float *table, size_t k, leann_list rows, size_t m, float *out);
#if defined(__x86_64__)
uint32_t leann_crc32c_sse42(uint32_t crc, const void *data, size_t bytes);
#endif

/* The shared row address of a list: kernels.h says which row i is. */
static inline const void *leann_list_row(const leann_list *rows, uint32_t i)
{
    size_t row = rows->ids ? rows->ids[i] : (size_t)rows->first + i;
    return (const char *)rows->base + rows->stride * row;
}

/* codebook_<set>.c */
#define LEANN_CODEBOOK_SET(set)                                                                                                            \
    void leann_codebook_table_##set(leann_codebook book, const float *x, float alpha, float *out);                                         \
    void leann_codebook_nearest_##set(leann_codebook book, const float *x, size_t stride, size_t n, uint8_t *code, float *key);            \
    void leann_codebook_below_##set(leann_codebook book, const float *x, size_t stride, size_t n, const float *cut, uint64_t *out)
LEANN_CODEBOOK_SET(scalar);
LEANN_CODEBOOK_SET(avx2);
LEANN_CODEBOOK_SET(avx512);
LEANN_CODEBOOK_SET(neon);

/* rabitq_<set>.c */
#define LEANN_RABITQ_SET(set)                                                                                                              \
    void leann_ip_i16_u1_list_##set(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out);                         \
    void leann_ip_i16_u2_list_##set(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out);                         \
    void leann_ip_i16_u4_list_##set(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out);                         \
    void leann_hadamard_f32_##set(float *x, size_t n)
LEANN_RABITQ_SET(scalar);
LEANN_RABITQ_SET(avx2);
LEANN_RABITQ_SET(avx512);
LEANN_RABITQ_SET(neon);

/* fastscan_<set>.c */
#define LEANN_FASTSCAN_SET(set)                                                                                                            \
    void leann_fastscan_##set(const uint8_t *const *lut, size_t n, const uint8_t *block, size_t m, size_t blocks, uint16_t *const *out);   \
    void leann_fastscan8_##set(const uint8_t *const *lut, size_t n, const uint8_t *block, size_t m, size_t blocks,                         \
                               uint16_t *const *out) /* scalar and vbmi */
LEANN_FASTSCAN_SET(scalar);
LEANN_FASTSCAN_SET(avx2);
LEANN_FASTSCAN_SET(vbmi);
LEANN_FASTSCAN_SET(neon);

/* panels_<set>.c */
#define LEANN_PANELS_SET(set)                                                                                                              \
    void leann_panels_f32_##set(leann_panels rows, const float *q, size_t stride, size_t n, float alpha, const float *cut, float *key,     \
                                uint16_t *pass);                                                                                           \
    void leann_panels_u8_##set(leann_panels rows, const int8_t *q, size_t stride, size_t n, int32_t alpha, const int32_t *cut,             \
                               int32_t *key, uint16_t *pass); /* this and the next: scalar and avx512 */                                   \
    void leann_panels_i8_##set(leann_panels rows, const uint8_t *q, size_t stride, size_t n, const float *alpha, const float *cut,         \
                               float *key, uint16_t *pass)
LEANN_PANELS_SET(scalar);
LEANN_PANELS_SET(avx2);
LEANN_PANELS_SET(avx512);
LEANN_PANELS_SET(neon);

#endif
