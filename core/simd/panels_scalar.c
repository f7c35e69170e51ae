/* panels_scalar.c – products of queries with rows that lie in panels of 16 by columns, in plain C: the oracle of the other panels files.
 *
 * A product is one sum over the components in order, so that a compiler may use vectors across the rows of a panel. Cost: 16 d
 * multiply-adds a query and panel.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#include <string.h>

enum { ROWS = 16 };

void leann_panels_f32_scalar(leann_panels rows, const float *q, size_t stride, size_t n, float alpha, const float *cut, float *key,
                             uint16_t *pass)
{
    for (size_t i = 0; i < n; i++, q += stride)
        for (size_t p = 0; p < rows.panels; p++, key += ROWS, pass++) {
            const float *column = (const float *)rows.column + p * rows.d * ROWS, *bias = (const float *)rows.bias + p * ROWS;
            float sum[ROWS] = {0};
            for (size_t t = 0; t < rows.d; t++)
                for (size_t r = 0; r < ROWS; r++) sum[r] += q[t] * column[t * ROWS + r];
            *pass = 0;
            for (size_t r = 0; r < ROWS; r++) {
                key[r] = bias[r] + alpha * sum[r];
                *pass = (uint16_t)(*pass | !(key[r] > cut[i]) << r);
            }
        }
}

void leann_panels_u8_scalar(leann_panels rows, const int8_t *q, size_t stride, size_t n, int32_t alpha, const int32_t *cut, int32_t *key,
                            uint16_t *pass)
{
    for (size_t i = 0; i < n; i++, q += stride)
        for (size_t p = 0; p < rows.panels; p++, key += ROWS, pass++) {
            const uint8_t *column = (const uint8_t *)rows.column + p * rows.d * ROWS;
            const int32_t *bias = (const int32_t *)rows.bias + p * ROWS;
            int32_t sum[ROWS] = {0};
            for (size_t t = 0; t < rows.d; t += 4, column += 4 * ROWS)
                for (size_t r = 0; r < ROWS; r++)
                    for (size_t c = 0; c < 4; c++) sum[r] += q[t + c] * column[4 * r + c];
            *pass = 0;
            for (size_t r = 0; r < ROWS; r++) {
                key[r] = (int32_t)((uint32_t)bias[r] + (uint32_t)alpha * (uint32_t)sum[r]);
                *pass = (uint16_t)(*pass | (key[r] <= cut[i]) << r);
            }
        }
}

void leann_panels_i8_scalar(leann_panels rows, const uint8_t *q, size_t stride, size_t n, const float *alpha, const float *cut, float *key,
                            uint16_t *pass)
{
    for (size_t i = 0; i < n; i++, q += stride)
        for (size_t p = 0; p < rows.panels; p++, key += ROWS, pass++) {
            const int8_t *column = (const int8_t *)rows.column + p * rows.d * ROWS;
            const float *bias = (const float *)rows.bias + p * ROWS;
            uint32_t sum[ROWS];
            for (size_t r = 0; r < ROWS; r++) sum[r] = (uint32_t)rows.start[p * ROWS + r];
            for (size_t t = 0; t < rows.d; t += 4, column += 4 * ROWS)
                for (size_t r = 0; r < ROWS; r++)
                    for (size_t c = 0; c < 4; c++) sum[r] += (uint32_t)(q[t + c] * column[4 * r + c]);
            *pass = 0;
            for (size_t r = 0; r < ROWS; r++) {
                key[r] = bias[r] + alpha[i] * (rows.scale[p * ROWS + r] * (float)(int32_t)sum[r]);
                *pass = (uint16_t)(*pass | !(key[r] > cut[i]) << r);
            }
        }
}
