/* fastscan_neon.c – look-ups of 4-bit codes in blocks of 32, a column at once, for Armv8-A Advanced SIMD.
 *
 * Bytes are widened as they are added, so nothing carries. Cost: 9 instructions for 32 look-ups and adds.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__aarch64__)
#include <arm_neon.h>

enum { VECTORS = 32, HALF = 16 };

static void scan(const uint8_t *lut, const uint8_t *block, size_t m, size_t blocks, uint16_t *out)
{
    for (size_t b = 0; b < blocks; b++, block += m * HALF, out += VECTORS) {
        uint16x8_t sum[4] = {vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0)};
        for (size_t j = 0; j < m; j++) {
            uint8x16_t table = vld1q_u8(lut + j * HALF), codes = vld1q_u8(block + j * HALF);
            uint8x16_t low = vqtbl1q_u8(table, vandq_u8(codes, vdupq_n_u8(15))), high = vqtbl1q_u8(table, vshrq_n_u8(codes, 4));
            sum[0] = vaddw_u8(sum[0], vget_low_u8(low));
            sum[1] = vaddw_high_u8(sum[1], low);
            sum[2] = vaddw_u8(sum[2], vget_low_u8(high));
            sum[3] = vaddw_high_u8(sum[3], high);
        }
        for (size_t i = 0; i < 4; i++) vst1q_u16(out + 8 * i, sum[i]);
    }
}

void leann_fastscan_neon(const uint8_t *const *lut, size_t n, const uint8_t *block, size_t m, size_t blocks, uint16_t *const *out)
{
    for (size_t i = 0; i < n; i++) scan(lut[i], block, m, blocks, out[i]);
}
#else
typedef int leann_no_fastscan_neon; /* ISO C wants a declaration */
#endif
