/* dense_tables.h – inside core/simd only: the tables that dense.c chooses from.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_DENSE_TABLES_H
#define LEANN_DENSE_TABLES_H

#include "core/simd/dense.h"

extern const leann_dense_kernels leann_dense_scalar; /* runs everywhere */
#if defined(__x86_64__)
extern const leann_dense_kernels leann_dense_avx2;        /* avx2, fma */
extern const leann_dense_kernels leann_dense_avx512;      /* avx512 f, bw, vl, dq, vnni */
extern const leann_dense_kernels leann_dense_avx512_bf16; /* and bf16 */
extern const leann_dense_kernels leann_dense_amx;         /* and tiles of bf16 and int8 */
void leann_tiles_on(void);                                /* AMX: eight tiles of 16 rows of 64 bytes, of zeros; until _tile_release */
#endif
#if defined(__aarch64__)
extern const leann_dense_kernels leann_dense_neon;
#endif

/* A file's functions as a table. */
#define DENSE_TABLE(name, rows, fast_bf16, product_bf16, product_u8)                                                                       \
    {                                                                                                                                      \
        name, rows, fast_bf16, product_f32, product_bf16, product_u8, panels, softmax, scale, norm, bf16_from_f32, u8_from_f32             \
    }

#endif
