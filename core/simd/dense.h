/* dense.h – what a transformer's forward pass multiplies and maps: one table an instruction set, chosen at run time.
 *
 * A product takes the rows of its left side as they lie, and its right side in panels of 16 columns, the inner dimension by units of four
 * bytes: one float, two bf16 or four bytes. Unit t of panel p is 64 bytes at (p * units + t) * 64, a column after the other. That is what a
 * multiply-add of 16 floats, a VNNI instruction and a tile of AMX all read as it is.
 *
 * The sum of an element runs over the inner dimension in ascending order and depends on no other row, so that a row has the same bits in
 * any company; f32 is a chain of fused multiply-adds, the same in every table.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_DENSE_H
#define LEANN_DENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LEANN_DENSE_COLUMNS = 16, /* of a panel */
    LEANN_DENSE_SPARE = 32,   /* rows beyond the last that a product may read, and never uses */
    LEANN_DENSE_UNITS = 16    /* units are a multiple of it */
};

typedef struct {
    size_t m, n, units;    /* out (m, n); n a multiple of 16 */
    const void *rows;      /* (m, units) units of four bytes: f32, bf16 or u8 */
    size_t stride;         /* bytes from row to row */
    const void *panels;    /* (n / 16, units, 16) units: f32, bf16 or i8 */
    const float *bias;     /* (n), or NULL */
    const float *row_step; /* u8 alone: row i stands for row_step[i] * (byte - row_zero[i]), column j for step[j] times its integers, */
    const int32_t *row_zero, *sums; /* whose sum is sums[j] */
    const float *step;
    void *out;
    size_t out_stride; /* bytes */
    bool gelu;         /* x Phi(x) of the results, to 1e-6; of bf16 and bytes to 3e-5 */
    bool out_bf16;     /* results are rounded to bf16; else f32 */
    uint32_t *packed;  /* room for (m + LEANN_DENSE_SPARE) * (units + 32) */
} leann_product;

typedef struct {
    const char *name;
    size_t rows;    /* a product's block of rows: multiples of it waste nothing */
    bool fast_bf16; /* product_bf16 is faster than product_f32 */
    void (*product_f32)(const leann_product *p);
    void (*product_bf16)(const leann_product *p);
    void (*product_u8)(const leann_product *p); /* integers are exact: the same ones from every table */
    /* n rows of units as the columns of panels, width of them in all: a multiple of 16; those from n on are any finite values. */
    void (*panels)(const void *rows, size_t stride, size_t n, size_t units, size_t width, void *out);
    /* Rows of scores (m, n), stride floats apart, become weights exp(score - largest), not divided by their sum; inverse (m) out:
     * 1 / sum. Columns from n to width become 0. width a multiple of 16. bf16: the weights take the place of the scores, 2 bytes each. */
    void (*softmax)(float *score, size_t stride, size_t m, size_t n, size_t width, bool bf16, float *inverse);
    /* x (m, d), stride floats apart: each row times factor[i]; d a multiple of 16. */
    void (*scale)(float *x, size_t stride, size_t m, size_t d, const float *factor);
    /* x (d) becomes the layer norm of x + y: (x - mean) / sqrt(variance + epsilon) * gain + bias; y NULL: of x. d a multiple of 16. */
    void (*norm)(float *x, const float *y, size_t d, const float *gain, const float *bias, float epsilon);
    void (*bf16_from_f32)(const float *in, uint16_t *out, size_t n); /* nearest, ties to even; n a multiple of 16. */
    /* One row as bytes: in is about step * (out - zero), zero in [0, 255]; n a multiple of 16. */
    void (*u8_from_f32)(const float *in, uint8_t *out, size_t n, float *step, int32_t *zero);
} leann_dense_kernels;

/* The table in use: the one of leann_kernels_get()'s instruction set, with bf16 or AMX where this machine has them. Thread-safe. */
const leann_dense_kernels *leann_dense_get(void);
/* By name ("scalar", "avx2", "avx512", "avx512-bf16", "amx", "neon") if this machine can run it, else NULL. */
const leann_dense_kernels *leann_dense_named(const char *name);
extern const char *const leann_dense_best_first[]; /* all names; NULL ends them */

#endif
