/* codebook_scalar.c – products of rows with a small codebook that lies by columns, in plain C: the oracle of the other codebook files.
 *
 * Every centroid's sum runs over the components in order, in float, so a compiler may use vectors across centroids without changing
 * a bit. Cost: k d multiply-adds a row.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#include <math.h>

enum { LANES = 16 };

void leann_codebook_table_scalar(leann_codebook book, const float *x, float alpha, float *out)
{
    for (size_t c = 0; c < book.k; c += LANES) {
        float sum[LANES] = {0};
        for (size_t t = 0; t < book.d; t++)
            for (size_t l = 0; l < LANES; l++) sum[l] += x[t] * book.column[t * book.stride + c + l];
        for (size_t l = 0; l < LANES; l++) out[c + l] = (book.norm ? book.norm[c + l] : 0) + alpha * sum[l];
    }
}

void leann_codebook_nearest_scalar(leann_codebook book, const float *x, size_t stride, size_t n, uint8_t *code, float *key)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = (const float *)((const void *)((const char *)x + i * stride));
        float best = INFINITY;
        size_t at = 0;
        for (size_t c = 0; c < book.k; c += LANES) {
            float sum[LANES];
            for (size_t l = 0; l < LANES; l++) sum[l] = book.norm[c + l] / 2;
            for (size_t t = 0; t < book.d; t++)
                for (size_t l = 0; l < LANES; l++) sum[l] -= row[t] * book.column[t * book.stride + c + l];
            for (size_t l = 0; l < LANES; l++)
                if (sum[l] < best) {
                    best = sum[l];
                    at = c + l;
                }
        }
        code[i] = (uint8_t)at;
        if (key) key[i] = 2 * best;
    }
}

void leann_codebook_below_scalar(leann_codebook book, const float *x, size_t stride, size_t n, const float *cut, uint64_t *out)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = (const float *)((const void *)((const char *)x + i * stride));
        out[i] = 0;
        for (size_t c = 0; c < book.k; c += LANES) {
            float sum[LANES];
            for (size_t l = 0; l < LANES; l++) sum[l] = book.norm[c + l] / 2;
            for (size_t t = 0; t < book.d; t++)
                for (size_t l = 0; l < LANES; l++) sum[l] -= row[t] * book.column[t * book.stride + c + l];
            for (size_t l = 0; l < LANES; l++) out[i] |= (uint64_t)(sum[l] < cut[i] / 2) << (c + l);
        }
    }
}
