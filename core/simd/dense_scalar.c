/* dense_scalar.c – dense.h in plain C: runs everywhere, and is the oracle that tests hold the other tables to.
 *
 * A multiply-add is rounded once where the sum of a product and a float fits a double, which is all but always.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/dense_tables.h"

#include <math.h>
#include <string.h>

#define INLINE     static inline __attribute__((always_inline))
#define NOINLINE   __attribute__((noinline))
#define EACH(i, n) for (size_t i = 0; i < (n); i++)
#define HEIGHTS(X) X(2) X(1)
enum { TALL = 2, WIDE = 1 };

typedef union {
    float f[16];
    int32_t i[16];
    uint32_t u[16];
} lanes;

#define MAP(expression)                                                                                                                    \
    lanes out;                                                                                                                             \
    EACH(k, 16) out.f[k] = (expression);                                                                                                   \
    return out
INLINE lanes lanes_load(const void *p)
{
    lanes out;
    memcpy(&out, p, sizeof out);
    return out;
}
INLINE void lanes_store(float *p, lanes v)
{
    memcpy(p, &v, sizeof v);
}
INLINE lanes lanes_set(float x)
{
    MAP(x);
}
INLINE lanes lanes_add(lanes a, lanes b)
{
    MAP(a.f[k] + b.f[k]);
}
INLINE lanes lanes_sub(lanes a, lanes b)
{
    MAP(a.f[k] - b.f[k]);
}
INLINE lanes lanes_mul(lanes a, lanes b)
{
    MAP(a.f[k] * b.f[k]);
}
INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    MAP((float)((double)a.f[k] * (double)b.f[k] + (double)c.f[k]));
}
INLINE lanes lanes_max(lanes a, lanes b)
{
    MAP(a.f[k] > b.f[k] ? a.f[k] : b.f[k]);
}
INLINE lanes lanes_min(lanes a, lanes b)
{
    MAP(a.f[k] < b.f[k] ? a.f[k] : b.f[k]);
}
INLINE lanes lanes_round(lanes a)
{
    MAP(rintf(a.f[k]));
}
INLINE lanes lanes_shift(lanes a, lanes whole)
{
    MAP(ldexpf(a.f[k], (int)whole.f[k]));
}
INLINE float lanes_sum(lanes a)
{
    float sum = 0;
    EACH(k, 16) sum += a.f[k];
    return sum;
}
INLINE float lanes_most(lanes a)
{
    float most = a.f[0];
    EACH(k, 16) most = a.f[k] > most ? a.f[k] : most;
    return most;
}
INLINE void lanes_store_u8(uint8_t *p, lanes v)
{
    EACH(k, 16) p[k] = (uint8_t)(v.f[k] < 0 ? 0 : v.f[k] > 255 ? 255 : v.f[k]);
}
INLINE void lanes_store_bf16(uint16_t *p, lanes v)
{
    EACH(k, 16) p[k] = (uint16_t)((v.u[k] + 0x7fff + (v.u[k] >> 16 & 1)) >> 16);
}
INLINE void lanes_transpose(lanes v[16])
{
    EACH(i, 16)
    for (size_t k = 0; k < i; k++) {
        const uint32_t other = v[i].u[k];
        v[i].u[k] = v[k].u[i];
        v[k].u[i] = other;
    }
}

/* Units of a product. */
INLINE lanes lanes_unit(const uint32_t *p)
{
    lanes out;
    EACH(k, 16) out.u[k] = *p;
    return out;
}
INLINE lanes lanes_add_u8(lanes sum, lanes own, lanes column)
{
    EACH(k, 16)
    for (unsigned shift = 0; shift < 32; shift += 8) sum.i[k] += (int32_t)(own.u[k] >> shift & 255) * (int8_t)(column.u[k] >> shift & 255);
    return sum;
}
INLINE lanes lanes_add_bf16(lanes sum, lanes own, lanes column)
{
    lanes low = own, low_column = column;
    EACH(k, 16)
    {
        low.u[k] <<= 16, low_column.u[k] <<= 16;
        own.u[k] &= 0xffff0000u, column.u[k] &= 0xffff0000u;
    }
    return lanes_fma(low, low_column, lanes_fma(own, column, sum));
}
/* Integers less zero times those of less, as floats. */
INLINE lanes lanes_dot(lanes v, int32_t zero, const int32_t *less)
{
    lanes out;
    EACH(k, 16) out.f[k] = (float)(v.i[k] - zero * less[k]);
    return out;
}
#include "core/simd/dense_body.h"

PRODUCT(product_f32, F32)
PRODUCT(product_bf16, BF16)
PRODUCT(product_u8, U8)
const leann_dense_kernels leann_dense_scalar = DENSE_TABLE("scalar", TALL, false, product_bf16, product_u8);
