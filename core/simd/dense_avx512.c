/* dense_avx512.c – dense.h for AVX-512 with VNNI; bf16 by two multiply-adds of floats.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/dense_tables.h"

#if defined(__x86_64__)
#include "core/simd/dense_avx512.h"
#include "core/simd/dense_body.h"

PRODUCT(product_f32, F32)
PRODUCT(product_bf16, BF16)
PRODUCT(product_u8, U8)
const leann_dense_kernels leann_dense_avx512 = DENSE_TABLE("avx512", TALL, false, product_bf16, product_u8);
#else
typedef int leann_no_dense_avx512; /* ISO C wants a declaration */
#endif
