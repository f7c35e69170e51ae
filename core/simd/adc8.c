/* adc8.c – byte-code look-ups for the SIMD tables, in plain C: n rows by m look-ups in a table of m times k floats.
 *
 * Eight rows at once, so that their adds do not wait for each other, eight codes a load, and 32 KiB of the table at a time over 256 rows,
 * so that it stays in the first cache. A row's sum is one float accumulator over j in order, whatever n is.
 * Measured on Sapphire Rapids at m = 98, k = 256 (ns a row): this 24.7, four rows at once 29.4, a load for every code 26.6. On Zen 4 at
 * m = 96: four rows 28, without the column blocks 39, AVX-512 gathers over 16 rows 45, AVX2 gathers 42, one row at a time 54. So no
 * instruction set has a form of its own.
 *
 * Source: Jégou, Douze, Schmid 2011, Product quantization for nearest neighbor search, asymmetric distances.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#include <string.h>

enum { ROWS = 8, BLOCK_ROWS = 256, TABLE_FLOATS = 8192, AHEAD = 8, LINE = 64 };

static void prefetch(const char *row, size_t bytes)
{
    for (size_t b = 0; b < bytes; b += LINE) __builtin_prefetch(row + b);
}

/* Adds the look-ups j in [from, to) of ROWS rows to sum; a byte of `codes` is the next code on the little-endian machines this is for. */
static void add_columns(const float *table, size_t k, const uint8_t *const row[ROWS], size_t from, size_t to, float sum[ROWS])
{
    float acc[ROWS];
    memcpy(acc, sum, sizeof acc);
    size_t j = from;
    for (; j + 8 <= to; j += 8)
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            const float *column = table + j * k;
            uint64_t codes;
            memcpy(&codes, row[r] + j, sizeof codes);
#pragma GCC unroll 8
            for (int c = 0; c < 8; c++, column += k, codes >>= 8) acc[r] += column[codes & 255];
        }
    for (; j < to; j++)
        for (int r = 0; r < ROWS; r++) acc[r] += table[j * k + row[r][j]];
    memcpy(sum, acc, sizeof acc);
}

void leann_adc8_blocked(const float *table, size_t k, leann_list rows, size_t m, float *out)
{
    size_t width = TABLE_FLOATS / k / 8 * 8;
    for (uint32_t first = 0; first < rows.n; first += BLOCK_ROWS) {
        uint32_t n = rows.n - first < BLOCK_ROWS ? rows.n - first : BLOCK_ROWS;
        float sum[BLOCK_ROWS + ROWS] = {0};
        for (size_t from = 0; from < m; from += width) {
            size_t to = m - from < width ? m : from + width;
            for (uint32_t i = 0; i < n; i += ROWS) {
                const uint8_t *row[ROWS];
                for (uint32_t r = 0; r < ROWS; r++) {
                    row[r] = leann_list_row(&rows, first + (i + r < n ? i + r : i));
                    if (from == 0 && rows.ids && n - i > AHEAD + r) prefetch(leann_list_row(&rows, first + i + AHEAD + r), m);
                }
                add_columns(table, k, row, from, to, sum + i);
            }
        }
        memcpy(out + first, sum, n * sizeof *sum);
    }
}
