/* rabitq_neon.c – whole-number products with codes of 1, 2 and 4 bits, and the Walsh-Hadamard transform, for Armv8-A Advanced SIMD.
 *
 * As rabitq_avx512.c does it, 16 bytes of a code and one row at once; 16 bits hold the sums of all planes of a chunk (at most
 * 2 * 15 * 128 or 8 * 128). Cost: 4 d / 16 products a row.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

enum { CHUNK = 16, AHEAD = 4, LINE = 64, AHEAD_BYTES = 1024, LANES = 4 };

/* 16 bytes, or the first `rest` of them and zeros. */
static inline uint8x16_t chunk(const void *x, size_t rest)
{
    uint8_t few[CHUNK] = {0};
    if (rest >= CHUNK) return vld1q_u8(x);
    memcpy(few, x, rest);
    return vld1q_u8(few);
}

static inline float ip_row(unsigned bits, const int8_t *high, const int8_t *low, const uint8_t *row, size_t bytes)
{
    const uint8x16_t plane = vdupq_n_u8((uint8_t)((1u << bits) - 1));
    const int8x16_t shift = vdupq_n_s8(-(int8_t)bits);
    int32x4_t high_sum = vdupq_n_s32(0), low_sum = high_sum;
    for (size_t i = 0; i < bytes; i += CHUNK) {
        uint8x16_t part = chunk(row + i, bytes - i);
        int16x8_t high_part[2] = {vdupq_n_s16(0), vdupq_n_s16(0)}, low_part[2] = {vdupq_n_s16(0), vdupq_n_s16(0)};
        for (size_t p = 0; p < 8 / bits; p++) {
            int8x16_t component = vreinterpretq_s8_u8(vandq_u8(part, plane));
            int8x16_t upper = vreinterpretq_s8_u8(chunk(high + p * bytes + i, bytes - i));
            int8x16_t lower = vreinterpretq_s8_u8(chunk(low + p * bytes + i, bytes - i));
            high_part[0] = vmlal_s8(high_part[0], vget_low_s8(component), vget_low_s8(upper));
            high_part[1] = vmlal_high_s8(high_part[1], component, upper);
            low_part[0] = vmlal_s8(low_part[0], vget_low_s8(component), vget_low_s8(lower));
            low_part[1] = vmlal_high_s8(low_part[1], component, lower);
            part = vshlq_u8(part, shift);
        }
        high_sum = vpadalq_s16(vpadalq_s16(high_sum, high_part[0]), high_part[1]);
        low_sum = vpadalq_s16(vpadalq_s16(low_sum, low_part[0]), low_part[1]);
    }
    return (float)(256 * (int64_t)vaddvq_s32(high_sum) + vaddvq_s32(low_sum));
}

static inline void ip_list(unsigned bits, const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out)
{
    size_t ahead = rows.stride < AHEAD_BYTES ? rows.stride : AHEAD_BYTES;
    for (uint32_t i = 0; i < rows.n; i++) {
        if (rows.n - i > AHEAD) {
            const char *next = leann_list_row(&rows, i + AHEAD);
            for (size_t b = 0; b < ahead; b += LINE) __builtin_prefetch(next + b);
        }
        out[i] = ip_row(bits, high, low, leann_list_row(&rows, i), d * bits / 8);
    }
}

#define LIST(bits)                                                                                                                         \
    void leann_ip_i16_u##bits##_list_neon(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out)                    \
    {                                                                                                                                      \
        ip_list(bits, high, low, rows, d, out);                                                                                            \
    }
LIST(1)
LIST(2)
LIST(4)

/* The butterflies among the four components of a vector: what is `half` away is added to a component or to its negative. */
static inline float32x4_t within(float32x4_t x)
{
    static const float one[4] = {1, -1, 1, -1}, two[4] = {1, 1, -1, -1};
    x = vaddq_f32(vrev64q_f32(x), vmulq_f32(x, vld1q_f32(one)));
    return vaddq_f32(vextq_f32(x, x, 2), vmulq_f32(x, vld1q_f32(two)));
}

void leann_hadamard_f32_neon(float *x, size_t n)
{
    if (n < LANES) {
        leann_hadamard_f32_scalar(x, n);
        return;
    }
    for (size_t i = 0; i < n; i += LANES) vst1q_f32(x + i, within(vld1q_f32(x + i)));
    for (size_t half = LANES; half < n; half *= 2)
        for (size_t i = 0; i < n; i += 2 * half)
            for (size_t j = i; j < i + half; j += LANES) {
                float32x4_t a = vld1q_f32(x + j), b = vld1q_f32(x + j + half);
                vst1q_f32(x + j, vaddq_f32(a, b));
                vst1q_f32(x + j + half, vsubq_f32(a, b));
            }
}
#else
typedef int leann_no_rabitq_neon; /* ISO C wants a declaration */
#endif
