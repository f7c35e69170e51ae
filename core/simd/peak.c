/* peak.c – twelve independent chains of multiply-adds: enough to cover a latency of four cycles on two units and more.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/peak.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float multiply_add_avx512(uint64_t rounds, float x)
{
    __m512 acc[12], a = _mm512_set1_ps(x);
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) acc[i] = _mm512_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) acc[i] = _mm512_fmadd_ps(acc[i], a, a);
#pragma GCC unroll 12
    for (int i = 1; i < 12; i++) acc[0] = _mm512_add_ps(acc[0], acc[i]);
    return _mm512_cvtss_f32(acc[0]);
}

__attribute__((target("avx2,fma"))) static float multiply_add_avx2(uint64_t rounds, float x)
{
    __m256 acc[12], a = _mm256_set1_ps(x);
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) acc[i] = _mm256_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) acc[i] = _mm256_fmadd_ps(acc[i], a, a);
#pragma GCC unroll 12
    for (int i = 1; i < 12; i++) acc[0] = _mm256_add_ps(acc[0], acc[i]);
    return _mm256_cvtss_f32(acc[0]);
}
#endif

/* The same in four-float vectors of the base instruction set, a multiply and an add (one instruction on Arm). */
static float multiply_add_base(uint64_t rounds, float x)
{
    typedef float four __attribute__((vector_size(16)));
    four acc[12], a = {x, x, x, x};
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) acc[i] = a * (float)i;
    for (uint64_t r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
#if defined(__aarch64__)
            __asm__("fmla %0.4s, %1.4s, %1.4s" : "+w"(acc[i]) : "w"(a));
#else
            acc[i] = acc[i] * a + a;
#endif
#pragma GCC unroll 12
    for (int i = 1; i < 12; i++) acc[0] += acc[i];
    return acc[0][0];
}

const leann_peak_loop *leann_peak_loops(size_t *count)
{
    static const leann_peak_loop loops[] = {
        {"scalar", multiply_add_base, 12 * 4 * 2},
#if defined(__x86_64__)
        {"avx2", multiply_add_avx2, 12 * 8 * 2},
        {"avx512", multiply_add_avx512, 12 * 16 * 2},
#elif defined(__aarch64__)
        {"neon", multiply_add_base, 12 * 4 * 2},
#endif
    };
    *count = sizeof loops / sizeof *loops;
    return loops;
}
