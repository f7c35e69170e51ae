/* dense_avx512.h – the 16 lanes of dense_body.h in one register of AVX-512 (F, BW, VL, DQ, VNNI); shared by dense_avx512.c and dense_amx.c.
 *
 * A tile of 14 rows by two panels has 28 sums in registers: two loads and 14 broadcasts for 28 multiply-adds.
 *
 * SPDX-License-Identifier: MIT */
#pragma GCC diagnostic ignored "-Wconversion"
#include "core/simd/dense.h"

#include <immintrin.h>
#include <string.h>

#define INLINE     static inline __attribute__((always_inline))
#define NOINLINE   __attribute__((noinline))
#define EACH(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)
#define HEIGHTS(X) X(14) X(12) X(10) X(8) X(6) X(4) X(2)
enum { TALL = 14, WIDE = 2 };

typedef __m512 lanes;

INLINE lanes lanes_load(const void *p)
{
    return _mm512_loadu_ps(p);
}
INLINE lanes lanes_set(float x)
{
    return _mm512_set1_ps(x);
}
INLINE void lanes_store(float *p, lanes v)
{
    _mm512_storeu_ps(p, v);
}
INLINE lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_ps(a, b);
}
INLINE lanes lanes_sub(lanes a, lanes b)
{
    return _mm512_sub_ps(a, b);
}
INLINE lanes lanes_mul(lanes a, lanes b)
{
    return _mm512_mul_ps(a, b);
}
INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_ps(a, b, c);
}
INLINE lanes lanes_max(lanes a, lanes b)
{
    return _mm512_max_ps(a, b);
}
INLINE lanes lanes_min(lanes a, lanes b)
{
    return _mm512_min_ps(a, b);
}
INLINE lanes lanes_round(lanes a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
INLINE lanes lanes_shift(lanes a, lanes whole)
{
    return _mm512_scalef_ps(a, whole);
} /* a 2^whole */
INLINE float lanes_sum(lanes a)
{
    return _mm512_reduce_add_ps(a);
}
INLINE float lanes_most(lanes a)
{
    return _mm512_reduce_max_ps(a);
}
INLINE void lanes_store_u8(uint8_t *p, lanes v)
{
    _mm_storeu_si128((void *)p, _mm512_cvtusepi32_epi8(_mm512_max_epi32(_mm512_cvtps_epi32(v), _mm512_setzero_si512())));
}
INLINE void lanes_transpose(lanes v[16])
{
    lanes a[16], b[16];
    EACH(i, 8)
    {
        a[2 * i] = _mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]);
    }
    EACH(i, 8)
    {
        const __m512d x = _mm512_castps_pd(a[i / 2 * 4 + i % 2]), y = _mm512_castps_pd(a[i / 2 * 4 + i % 2 + 2]);
        b[2 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
        b[2 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
    }
    /* b[4 i + j]: component 4 q + j of rows 4 i to 4 i + 3 in its quarter q. */
    EACH(j, 4)
    {
        const lanes even = _mm512_shuffle_f32x4(b[j], b[4 + j], 0x88), odd = _mm512_shuffle_f32x4(b[j], b[4 + j], 0xdd);
        const lanes even2 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0x88), odd2 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0xdd);
        v[j] = _mm512_shuffle_f32x4(even, even2, 0x88);
        v[4 + j] = _mm512_shuffle_f32x4(odd, odd2, 0x88);
        v[8 + j] = _mm512_shuffle_f32x4(even, even2, 0xdd);
        v[12 + j] = _mm512_shuffle_f32x4(odd, odd2, 0xdd);
    }
}
/* Units of a product. */
INLINE lanes lanes_unit(const uint32_t *p)
{
    float unit;
    memcpy(&unit, p, sizeof unit);
    return _mm512_set1_ps(unit);
}
INLINE lanes lanes_add_u8(lanes sum, lanes own, lanes column)
{
    return _mm512_castsi512_ps(_mm512_dpbusd_epi32(_mm512_castps_si512(sum), _mm512_castps_si512(own), _mm512_castps_si512(column)));
}
/* Integers less zero times those of less, as floats. */
INLINE lanes lanes_dot(lanes v, int32_t zero, const int32_t *less)
{
    __m512i shift = _mm512_mullo_epi32(_mm512_set1_epi32(zero), _mm512_loadu_si512(less));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_castps_si512(v), shift));
}
/* Nearest bf16, ties to even. */
#ifdef __AVX512BF16__
INLINE void lanes_store_bf16(uint16_t *p, lanes v)
{
    _mm256_storeu_si256((void *)p, (__m256i)_mm512_cvtneps_pbh(v));
}
INLINE lanes lanes_add_bf16(lanes sum, lanes own, lanes column)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)own, (__m512bh)column);
}
#else
INLINE void lanes_store_bf16(uint16_t *p, lanes v)
{
    __m512i x = _mm512_castps_si512(v), odd = _mm512_and_si512(_mm512_srli_epi32(x, 16), _mm512_set1_epi32(1));
    x = _mm512_add_epi32(x, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    _mm256_storeu_si256((void *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(x, 16)));
}
INLINE lanes lanes_add_bf16(lanes sum, lanes own, lanes column)
{
    const __m512i top = _mm512_set1_epi32((int)0xffff0000), a = _mm512_castps_si512(own), b = _mm512_castps_si512(column);
    sum = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(a, top)), _mm512_castsi512_ps(_mm512_and_si512(b, top)), sum);
    return _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(a, 16)), _mm512_castsi512_ps(_mm512_slli_epi32(b, 16)), sum);
}
#endif
