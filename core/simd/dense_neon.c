/* dense_neon.c – dense.h for NEON (Armv8-A): 16 lanes in four registers, six rows by one panel in 24.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/dense_tables.h"

#if defined(__aarch64__)
#pragma GCC diagnostic ignored "-Wconversion"
#include <arm_neon.h>

#define INLINE     static inline __attribute__((always_inline))
#define NOINLINE   __attribute__((noinline))
#define EACH(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)
#define HEIGHTS(X) X(6) X(4) X(2)
enum { TALL = 6, WIDE = 1 };

typedef struct {
    float32x4_t q[4];
} lanes;

#define MAP(expression)                                                                                                                    \
    lanes out;                                                                                                                             \
    EACH(k, 4) out.q[k] = (expression);                                                                                                    \
    return out
INLINE lanes lanes_load(const void *p)
{
    MAP(vld1q_f32((const float *)p + 4 * k));
}
INLINE void lanes_store(float *p, lanes v)
{
    EACH(k, 4) vst1q_f32(p + 4 * k, v.q[k]);
}
INLINE lanes lanes_set(float x)
{
    MAP(vdupq_n_f32(x));
}
INLINE lanes lanes_add(lanes a, lanes b)
{
    MAP(vaddq_f32(a.q[k], b.q[k]));
}
INLINE lanes lanes_sub(lanes a, lanes b)
{
    MAP(vsubq_f32(a.q[k], b.q[k]));
}
INLINE lanes lanes_mul(lanes a, lanes b)
{
    MAP(vmulq_f32(a.q[k], b.q[k]));
}
INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    MAP(vfmaq_f32(c.q[k], a.q[k], b.q[k]));
}
INLINE lanes lanes_max(lanes a, lanes b)
{
    MAP(vmaxq_f32(a.q[k], b.q[k]));
}
INLINE lanes lanes_min(lanes a, lanes b)
{
    MAP(vminq_f32(a.q[k], b.q[k]));
}
INLINE lanes lanes_round(lanes a)
{
    MAP(vrndnq_f32(a.q[k]));
}
INLINE float32x4_t power(float32x4_t whole) /* 2^whole, whole in [-126, 127] */
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(whole), vdupq_n_s32(127)), 23));
}
INLINE lanes lanes_shift(lanes a, lanes whole)
{
    MAP(vmulq_f32(a.q[k], power(whole.q[k])));
}
INLINE float lanes_sum(lanes a)
{
    return vaddvq_f32(vaddq_f32(vaddq_f32(a.q[0], a.q[1]), vaddq_f32(a.q[2], a.q[3])));
}
INLINE float lanes_most(lanes a)
{
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.q[0], a.q[1]), vmaxq_f32(a.q[2], a.q[3])));
}
INLINE uint16x4_t whole_16(float32x4_t x)
{
    return vqmovun_s32(vcvtnq_s32_f32(x));
}
INLINE void lanes_store_u8(uint8_t *p, lanes v)
{
    EACH(k, 2) vst1_u8(p + 8 * k, vqmovn_u16(vcombine_u16(whole_16(v.q[2 * k]), whole_16(v.q[2 * k + 1]))));
}
INLINE void lanes_store_bf16(uint16_t *p, lanes v)
{
    EACH(k, 4)
    {
        const uint32x4_t x = vreinterpretq_u32_f32(v.q[k]), odd = vandq_u32(vshrq_n_u32(x, 16), vdupq_n_u32(1));
        vst1_u16(p + 4 * k, vshrn_n_u32(vaddq_u32(x, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16));
    }
}
INLINE void lanes_transpose(lanes v[16])
{
    lanes out[16];
    EACH(i, 4)
    EACH(k, 4) /* rows 4 i … by columns 4 k … */
    {
        const float32x4_t a = vtrn1q_f32(v[4 * i].q[k], v[4 * i + 1].q[k]), b = vtrn2q_f32(v[4 * i].q[k], v[4 * i + 1].q[k]);
        const float32x4_t c = vtrn1q_f32(v[4 * i + 2].q[k], v[4 * i + 3].q[k]), d = vtrn2q_f32(v[4 * i + 2].q[k], v[4 * i + 3].q[k]);
        out[4 * k].q[i] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
        out[4 * k + 1].q[i] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
        out[4 * k + 2].q[i] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
        out[4 * k + 3].q[i] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
    }
    EACH(i, 16) v[i] = out[i];
}

/* Units of a product. */
INLINE lanes lanes_unit(const uint32_t *p)
{
    const float32x4_t unit = vreinterpretq_f32_u32(vld1q_dup_u32(p));
    MAP(unit);
}
INLINE float32x4_t add_u8(float32x4_t sum, float32x4_t own, float32x4_t column)
{
    const int16x8_t a = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(vreinterpretq_u8_f32(own)))); /* the unit twice */
    const int8x16_t bytes = vreinterpretq_s8_f32(column);
    const int16x8_t b = vmovl_s8(vget_low_s8(bytes)), c = vmovl_s8(vget_high_s8(bytes));
    const int32x4_t first = vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
    const int32x4_t second = vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(c)), vmull_high_s16(a, c));
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(sum), vpaddq_s32(first, second)));
}
INLINE lanes lanes_add_u8(lanes sum, lanes own, lanes column)
{
    MAP(add_u8(sum.q[k], own.q[k], column.q[k]));
}
INLINE float32x4_t high(float32x4_t x)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vdupq_n_u32(0xffff0000u)));
}
INLINE float32x4_t low(float32x4_t x)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(x), 16));
}
INLINE lanes lanes_add_bf16(lanes sum, lanes own, lanes column)
{
    MAP(vfmaq_f32(vfmaq_f32(sum.q[k], high(own.q[k]), high(column.q[k])), low(own.q[k]), low(column.q[k])));
}
/* Integers less zero times those of less, as floats. */
INLINE lanes lanes_dot(lanes v, int32_t zero, const int32_t *less)
{
    MAP(vcvtq_f32_s32(vmlsq_s32(vreinterpretq_s32_f32(v.q[k]), vdupq_n_s32(zero), vld1q_s32(less + 4 * k))));
}
#include "core/simd/dense_body.h"

PRODUCT(product_f32, F32)
PRODUCT(product_bf16, BF16)
PRODUCT(product_u8, U8)
const leann_dense_kernels leann_dense_neon = DENSE_TABLE("neon", TALL, false, product_bf16, product_u8);
#else
typedef int leann_no_dense_neon; /* ISO C wants a declaration */
#endif
