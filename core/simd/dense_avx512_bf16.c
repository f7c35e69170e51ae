/* dense_avx512_bf16.c – dense.h for AVX-512 with VNNI and BF16.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/dense_tables.h"

#if defined(__x86_64__)
#include "core/simd/dense_avx512.h"
#include "core/simd/dense_body.h"

PRODUCT(product_f32, F32)
PRODUCT(product_bf16, BF16)
PRODUCT(product_u8, U8)
const leann_dense_kernels leann_dense_avx512_bf16 = DENSE_TABLE("avx512-bf16", TALL, true, product_bf16, product_u8);
#else
typedef int leann_no_dense_avx512_bf16; /* ISO C wants a declaration */
#endif
