/* kernels.h – the SIMD kernels: one table an instruction set, chosen once at run time (LEANN_ISA=scalar|avx2|avx512|neon forces one).
 *
 * A table's *_list entries take a whole neighbour list: row i of the call is base + stride * (ids ? ids[i] : first + i). They prefetch
 * rows ahead themselves. Strides are in bytes; no alignment is asked for. The scalar set is the oracle of the others.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_KERNELS_H
#define LEANN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct { /* where the rows of a list are */
    const void *base;
    size_t stride;
    const uint32_t *ids; /* NULL: the run from first */
    uint32_t first, n;
} leann_list;

typedef struct { /* k centroids of d components by columns: component t of centroid c at column[t * stride + c]; k a multiple of 16 */
    const float *column, *norm; /* norm (k): |c|², INFINITY for a centroid that is not there */
    size_t d, k, stride;        /* stride in floats */
} leann_codebook;

typedef struct {
    const char *name; /* "scalar", "avx2", "avx512", "neon" */
    /* One pair. */
    float (*l2_f32)(const float *a, const float *b, size_t d);
    float (*ip_f32)(const float *a, const float *b, size_t d);
    uint32_t (*l2_u8)(const uint8_t *a, const uint8_t *b, size_t d); /* exact; d <= 65536 */
    uint32_t (*ip_u8)(const uint8_t *a, const uint8_t *b, size_t d);
    float (*l2_f32_u8)(const float *a, const uint8_t *b, size_t d); /* float query, byte row */
    float (*ip_f32_u8)(const float *a, const uint8_t *b, size_t d);
    float (*ip_f32_i8)(const float *a, const int8_t *b, size_t d);
    float (*norm_f32)(const float *a, size_t d); /* sum of squares */
    /* One query against a list: out[i]. */
    void (*l2_f32_list)(const float *q, leann_list rows, size_t d, float *out);
    void (*ip_f32_list)(const float *q, leann_list rows, size_t d, float *out);
    void (*l2_u8_list)(const uint8_t *q, leann_list rows, size_t d, float *out);
    void (*l2_f32_u8_list)(const float *q, leann_list rows, size_t d, float *out);
    void (*ip_f32_u8_list)(const float *q, leann_list rows, size_t d, float *out);
    /* Scalar quantiser, 8 bits: sum over j of (q[j] - scale[j] * code[j])² or of q[j] * code[j] (q already scaled by the caller). */
    void (*sq8_l2_list)(const float *q, const float *scale, leann_list rows, size_t d, float *out);
    void (*sq8_ip_list)(const float *q, leann_list rows, size_t d, float *out);
    /* The same with two codes a byte, component 2j in the low half. */
    void (*sq4_l2_list)(const float *q, const float *scale, leann_list rows, size_t d, float *out);
    void (*sq4_ip_list)(const float *q, leann_list rows, size_t d, float *out);
    /* ADC look-ups: sum over j < m of table[j * k + code[j]]; codes of one byte, k <= 256; and two codes a byte, k = 16. */
    void (*adc8_list)(const float *table, size_t k, leann_list rows, size_t m, float *out);
    void (*adc4_list)(const float *table, leann_list rows, size_t m, float *out);
    /* Small codebooks (product quantisers). table: out (k) = norm (0 where that is NULL) + alpha <x, c>. nearest: for n rows stride
     * bytes apart the centroid of least norm - 2 <x, c>, the smaller one of equals, k <= 256; key NULL or (n): that least value.
     * below: bit c of out[i] (n) says that norm - 2 <x_i, c> is less than cut[i] (n), k = 64. */
    void (*codebook_table)(leann_codebook book, const float *x, float alpha, float *out);
    void (*codebook_nearest)(leann_codebook book, const float *x, size_t stride, size_t n, uint8_t *code, float *key);
    void (*codebook_below)(leann_codebook book, const float *x, size_t stride, size_t n, const float *cut, uint64_t *out);
    /* Conversions. */
    void (*f32_from_u8)(const uint8_t *in, float *out, size_t n);
    void (*f32_from_f16)(const uint16_t *in, float *out, size_t n);
    void (*f16_from_f32)(const float *in, uint16_t *out, size_t n); /* nearest, ties to even */
    uint32_t (*crc32c)(uint32_t crc, const void *data, size_t bytes);
} leann_kernels;

/* The table in use: the best the machine has, or what LEANN_ISA names. Thread-safe. */
const leann_kernels *leann_kernels_get(void);
/* A table by name if this machine can run it, else NULL: for the tests and benchmarks. */
const leann_kernels *leann_kernels_named(const char *name);

#endif
