/* peak.c – twelve independent chains of multiply-adds: enough to cover a latency of four cycles on two units and more. Tiles of AMX: four,
 * as that unit takes one after another.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/dense_tables.h"
#include "core/simd/peak.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__x86_64__)
/* NAME of an instruction set: lanes of `type`; all of them x, or i; a step from a sum; the sum of two; the first lane as a float. */
#define CHAINS(name, isa, type, all_x, all_i, step, add, first)                                                                            \
    __attribute__((target(isa))) static float name(uint64_t rounds, float x)                                                               \
    {                                                                                                                                      \
        type sum[12], a = all_x;                                                                                                           \
        _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) sum[i] = all_i;                                                              \
        for (uint64_t r = 0; r < rounds; r++) _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) sum[i] = step;                         \
        _Pragma("GCC unroll 12") for (int i = 1; i < 12; i++) sum[0] = add(sum[0], sum[i]);                                                \
        return first;                                                                                                                      \
    }
CHAINS(multiply_add_avx512, "avx512f", __m512, _mm512_set1_ps(x), _mm512_set1_ps((float)i), _mm512_fmadd_ps(sum[i], a, a), _mm512_add_ps,
       _mm512_cvtss_f32(sum[0]))
CHAINS(multiply_add_avx2, "avx2,fma", __m256, _mm256_set1_ps(x), _mm256_set1_ps((float)i), _mm256_fmadd_ps(sum[i], a, a), _mm256_add_ps,
       _mm256_cvtss_f32(sum[0]))
CHAINS(multiply_add_bf16, "avx512f,avx512bf16", __m512, _mm512_set1_ps(x), _mm512_set1_ps((float)i),
       _mm512_dpbf16_ps(sum[i], (__m512bh)a, (__m512bh)a), _mm512_add_ps, _mm512_cvtss_f32(sum[0]))
CHAINS(multiply_add_u8, "avx512f,avx512vnni", __m512i, _mm512_castps_si512(_mm512_set1_ps(x)), _mm512_set1_epi32(i),
       _mm512_dpbusd_epi32(sum[i], a, a), _mm512_add_epi32, _mm512_cvtss_f32(_mm512_cvtepi32_ps(sum[0])))
/* Bytes without VNNI: 16-bit halves, multiplied and added by pairs. */
CHAINS(multiply_add_i16, "avx2", __m256i, _mm256_castps_si256(_mm256_set1_ps(x)), _mm256_set1_epi32(i),
       _mm256_add_epi32(sum[i], _mm256_madd_epi16(sum[i], a)), _mm256_add_epi32, _mm256_cvtss_f32(_mm256_cvtepi32_ps(sum[0])))

/* Four products of 16 x 16 sums a round, of tiles of zeros. */
#define TILES(name, instruction)                                                                                                           \
    __attribute__((target("amx-tile,amx-int8,amx-bf16"))) static float name(uint64_t rounds, float x)                                      \
    {                                                                                                                                      \
        leann_tiles_on();                                                                                                                  \
        for (uint64_t r = 0; r < rounds; r++) {                                                                                            \
            instruction(0, 4, 6);                                                                                                          \
            instruction(1, 4, 7);                                                                                                          \
            instruction(2, 5, 6);                                                                                                          \
            instruction(3, 5, 7);                                                                                                          \
        }                                                                                                                                  \
        _tile_release();                                                                                                                   \
        return x;                                                                                                                          \
    }
TILES(tiles_bf16, _tile_dpbf16ps)
TILES(tiles_u8, _tile_dpbusd)
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
        {"scalar", LEANN_PEAK_F32, multiply_add_base, 12 * 4 * 2},
#if defined(__x86_64__)
        {"avx2", LEANN_PEAK_F32, multiply_add_avx2, 12 * 8 * 2},
        {"avx2", LEANN_PEAK_U8, multiply_add_i16, 12 * 16 * 2},
        {"avx512", LEANN_PEAK_F32, multiply_add_avx512, 12 * 16 * 2},
        {"avx512", LEANN_PEAK_U8, multiply_add_u8, 12 * 64 * 2},
        {"avx512-bf16", LEANN_PEAK_BF16, multiply_add_bf16, 12 * 32 * 2},
        {"amx", LEANN_PEAK_BF16, tiles_bf16, 4 * 8192 * 2},
        {"amx", LEANN_PEAK_U8, tiles_u8, 4 * 16384 * 2},
#elif defined(__aarch64__)
        {"neon", LEANN_PEAK_F32, multiply_add_base, 12 * 4 * 2},
#endif
    };
    *count = sizeof loops / sizeof *loops;
    return loops;
}
