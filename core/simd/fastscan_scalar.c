/* fastscan_scalar.c – look-ups of codes in blocks of 32 or 64, in plain C: the oracle of the other fastscan files; and what packs codes
 * into blocks.
 *
 * Codes of 4 bits, a block (m, 16): byte i of column j holds the code of vector i in its low half and that of vector i + 16 in its high
 * half, so that sixteen look-ups in a column's table of sixteen bytes are one byte shuffle on every machine. Codes of 8 bits, a block
 * (m, 64): a column's table of 256 bytes is four registers of AVX-512. Cost: 32 m or 64 m look-ups and adds a block.
 *
 * Source: André, Kermarrec & Le Scouarnec 2015, Cache locality is not enough (PQ Fast Scan); 2017, Accelerated nearest neighbor search
 * with Quick ADC, which the layout comes from.
 * Differs: sums of 16 bits where Quick ADC saturates at 8.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#include <string.h>

enum { VECTORS = 32, HALF = 16, WIDE = 64 };

static void scan(const uint8_t *lut, const uint8_t *block, size_t m, size_t blocks, uint16_t *out)
{
    for (size_t b = 0; b < blocks; b++, block += m * HALF, out += VECTORS) {
        uint16_t sum[VECTORS] = {0};
        for (size_t j = 0; j < m; j++)
            for (size_t i = 0; i < HALF; i++) {
                uint8_t codes = block[j * HALF + i];
                sum[i] = (uint16_t)(sum[i] + lut[j * HALF + (codes & 15)]);
                sum[i + HALF] = (uint16_t)(sum[i + HALF] + lut[j * HALF + (codes >> 4)]);
            }
        memcpy(out, sum, sizeof sum);
    }
}

void leann_fastscan_scalar(const uint8_t *const *lut, size_t n, const uint8_t *block, size_t m, size_t blocks, uint16_t *const *out)
{
    for (size_t i = 0; i < n; i++) scan(lut[i], block, m, blocks, out[i]);
}

void leann_fastscan_pack(const uint8_t *code, size_t stride, size_t n, size_t m, uint8_t *block)
{
    for (size_t first = 0; first < n; first += VECTORS, block += m * HALF) {
        memset(block, 0, m * HALF);
        for (size_t i = 0; i < VECTORS && first + i < n; i++, code += stride)
            for (size_t j = 0; j < m; j++) {
                uint8_t *byte = block + j * HALF + i % HALF;
                *byte = (uint8_t)(*byte | (code[j / 2] >> j % 2 * 4 & 15) << i / HALF * 4);
            }
    }
}

static void scan8(const uint8_t *lut, const uint8_t *block, size_t m, size_t blocks, uint16_t *out)
{
    for (size_t b = 0; b < blocks; b++, block += m * WIDE, out += WIDE) {
        uint16_t sum[WIDE] = {0};
        for (size_t j = 0; j < m; j++)
            for (size_t i = 0; i < WIDE; i++) sum[i] = (uint16_t)(sum[i] + lut[j * 256 + block[j * WIDE + i]]);
        memcpy(out, sum, sizeof sum);
    }
}

void leann_fastscan8_scalar(const uint8_t *const *lut, size_t n, const uint8_t *block, size_t m, size_t blocks, uint16_t *const *out)
{
    for (size_t i = 0; i < n; i++) scan8(lut[i], block, m, blocks, out[i]);
}

void leann_fastscan8_pack(const uint8_t *code, size_t stride, size_t n, size_t m, uint8_t *block)
{
    for (size_t first = 0; first < n; first += WIDE, block += m * WIDE)
        for (size_t i = 0; i < WIDE; i++, code += stride)
            for (size_t j = 0; j < m; j++) block[j * WIDE + i] = first + i < n ? code[j] : 0;
}
