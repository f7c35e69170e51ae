/* rabitq_code.h – RaBitQ codes of single rows about any centre, and products of a query with lists of them: for the quantiser, and for
 * methods that keep codes of their own (beside a neighbour list, about the list's owner).
 *
 * All rows, centres and queries here are turned already, by one random rotation (quant/projection.h). Nothing here can fail.
 *
 * With r = x - centre, width w and bits b, the code is u (w) of [0, 2^b): u - (2^b - 1) / 2 is the point of the grid of half-integers whose
 * direction is nearest to that of r. Then x̂ = centre + factor (u - (2^b - 1) / 2) has x̂ - x orthogonal to r, and for any q
 *     <q, x> = factor <q, u - (2^b - 1) / 2> + <q, centre> - <q, x̂ - x>,
 * where, over rotations, <q - centre, x̂ - x> has mean 0 and root mean square at most |q - centre| error / sqrt(w - 1): the estimate of a key is
 * unbiased, and off by more than epsilon such deviations in a share of queries that falls like exp(-epsilon² / 2).
 *
 * Source: Gao & Long 2024, "RaBitQ" (arXiv 2405.12497), §3; 2 to 4 bits: Gao et al. 2024 (arXiv 2409.09913), §3 and Algorithm 1.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_RABITQ_CODE_H
#define LEANN_RABITQ_CODE_H

#include "core/simd/kernels.h"

typedef struct {
    float square; /* |x - centre|² */
    float factor; /* of u - (2^b - 1) / 2; 0 where the row is its centre */
    float error;  /* |x̂ - x| */
} leann_rabitq_factors;

/* One row's code, unpacked.
 *   shape   x (width), centre (width) or NULL: the origin; component (width) out; bits 1 to 4
 *   cost    1 bit: width operations; else 2^(bits - 1) - 1 additions a component to find the grid's scale, and a few more */
void leann_rabitq_encode(unsigned bits, uint32_t width, const float *x, const float *centre, uint8_t *component, leann_rabitq_factors *out);

/* Components as kernels take them (core/simd/kernels.h, ip_i16_u*_list), width bits / 8 bytes; width a multiple of 32. Three bits are the
 * upper two of all components and then the lowest of all. */
static inline uint32_t leann_rabitq_bytes(unsigned bits, uint32_t width)
{
    return width / 8 * bits;
}
void leann_rabitq_pack(unsigned bits, uint32_t width, const uint8_t *component, uint8_t *code);
void leann_rabitq_unpack(unsigned bits, uint32_t width, const uint8_t *code, uint8_t *component);

/* A query in whole numbers: q_j is about step (256 high[j] + low[j]), rounded to the nearest of 65,279 values between plus and minus the
 * largest |q_j|; so the product of q and a row is off by about 1e-5 of its size. */
typedef struct {
    const int8_t *high, *low; /* (width) */
    float step;
    double sum; /* of 256 high[j] + low[j] */
} leann_rabitq_query;
/* high, low (width): memory for it, the caller's. */
leann_rabitq_query leann_rabitq_query_of(uint32_t width, const float *q, int8_t *high, int8_t *low);
/* product (rows.n) out: <q, u - (2^b - 1) / 2>. rows: where packed codes begin. */
void leann_rabitq_products(const leann_rabitq_query *query, unsigned bits, uint32_t width, leann_list rows, float *product);

/* table (2 leann_rabitq_bytes, 16) out: entry (c, v) is what the half byte v of column c adds to <q, u - (2^b - 1) / 2>: column 2i is the
 * low half of byte i of a packed code. bits 1, 2 or 4. */
void leann_rabitq_table(unsigned bits, uint32_t width, const float *q, float *table);

#endif
