/* dense_avx2.c – dense.h for AVX2 and FMA: 16 lanes in two registers, six rows by one panel in twelve.
 *
 * Bytes: VPMADDUBSW saturates where two products pass 16 bits, so that it is given one byte of each pair at a time.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/dense_tables.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wconversion"
#include <immintrin.h>

#define INLINE     static inline __attribute__((always_inline))
#define NOINLINE   __attribute__((noinline))
#define EACH(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)
#define HEIGHTS(X) X(6) X(4) X(2)
enum { TALL = 6, WIDE = 1 };

typedef struct {
    __m256 a, b;
} lanes;

INLINE lanes lanes_load(const void *p)
{
    return (lanes){_mm256_loadu_ps(p), _mm256_loadu_ps((const float *)p + 8)};
}
INLINE void lanes_store(float *p, lanes v)
{
    _mm256_storeu_ps(p, v.a);
    _mm256_storeu_ps(p + 8, v.b);
}
INLINE lanes lanes_set(float x)
{
    return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
INLINE lanes lanes_add(lanes x, lanes y)
{
    return (lanes){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
INLINE lanes lanes_sub(lanes x, lanes y)
{
    return (lanes){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}
INLINE lanes lanes_mul(lanes x, lanes y)
{
    return (lanes){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
INLINE lanes lanes_max(lanes x, lanes y)
{
    return (lanes){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}
INLINE lanes lanes_min(lanes x, lanes y)
{
    return (lanes){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}
INLINE lanes lanes_fma(lanes x, lanes y, lanes z)
{
    return (lanes){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
INLINE lanes lanes_round(lanes x)
{
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    return (lanes){_mm256_round_ps(x.a, NEAREST), _mm256_round_ps(x.b, NEAREST)};
}
INLINE __m256 power(__m256 whole) /* 2^whole, whole in [-126, 127] */
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127)), 23));
}
INLINE lanes lanes_shift(lanes x, lanes whole)
{
    return lanes_mul(x, (lanes){power(whole.a), power(whole.b)});
}
INLINE float lanes_sum(lanes x)
{
    __m256 s = _mm256_add_ps(x.a, x.b);
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}
INLINE float lanes_most(lanes x)
{
    __m256 s = _mm256_max_ps(x.a, x.b);
    __m128 t = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_max_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_max_ss(t, _mm_movehdup_ps(t)));
}
INLINE void lanes_store_u8(uint8_t *p, lanes v)
{
    __m256i pairs = _mm256_permute4x64_epi64(_mm256_packs_epi32(_mm256_cvtps_epi32(v.a), _mm256_cvtps_epi32(v.b)), 0xd8);
    _mm_storeu_si128((void *)p, _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1)));
}
INLINE __m256i rounded(__m256 v) /* to bf16, in the low halves */
{
    __m256i x = _mm256_castps_si256(v), odd = _mm256_and_si256(_mm256_srli_epi32(x, 16), _mm256_set1_epi32(1));
    return _mm256_srli_epi32(_mm256_add_epi32(x, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
}
INLINE void lanes_store_bf16(uint16_t *p, lanes v)
{
    _mm256_storeu_si256((void *)p, _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded(v.a), rounded(v.b)), 0xd8));
}

INLINE void transpose_8(__m256 v[8])
{
    __m256 a[8], b[8];
    EACH(i, 4)
    {
        a[2 * i] = _mm256_unpacklo_ps(v[2 * i], v[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_ps(v[2 * i], v[2 * i + 1]);
    }
    EACH(i, 4)
    {
        const __m256d x = _mm256_castps_pd(a[i / 2 * 4 + i % 2]), y = _mm256_castps_pd(a[i / 2 * 4 + i % 2 + 2]);
        b[2 * i] = _mm256_castpd_ps(_mm256_unpacklo_pd(x, y));
        b[2 * i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(x, y));
    }
    EACH(j, 4)
    {
        v[j] = _mm256_permute2f128_ps(b[j], b[4 + j], 0x20);
        v[4 + j] = _mm256_permute2f128_ps(b[j], b[4 + j], 0x31);
    }
}
INLINE void lanes_transpose(lanes v[16])
{
    __m256 quarter[2][2][8];
    EACH(i, 8)
    {
        quarter[0][0][i] = v[i].a, quarter[0][1][i] = v[i].b;
        quarter[1][0][i] = v[8 + i].a, quarter[1][1][i] = v[8 + i].b;
    }
    EACH(i, 4) transpose_8(quarter[i / 2][i % 2]);
    EACH(i, 8)
    {
        v[i] = (lanes){quarter[0][0][i], quarter[1][0][i]};
        v[8 + i] = (lanes){quarter[0][1][i], quarter[1][1][i]};
    }
}

/* Units of a product. */
INLINE lanes lanes_unit(const uint32_t *p)
{
    float unit;
    __builtin_memcpy(&unit, p, sizeof unit);
    return lanes_set(unit);
}
INLINE __m256 add_u8(__m256 sum, __m256 own, __m256 column)
{
    const __m256i a = _mm256_castps_si256(own), b = _mm256_castps_si256(column), ones = _mm256_set1_epi16(1);
    const __m256i even = _mm256_maddubs_epi16(a, _mm256_and_si256(b, _mm256_set1_epi16(0xff)));
    const __m256i odd = _mm256_maddubs_epi16(a, _mm256_andnot_si256(_mm256_set1_epi16(0xff), b));
    const __m256i both = _mm256_add_epi32(_mm256_madd_epi16(even, ones), _mm256_madd_epi16(odd, ones));
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), both));
}
INLINE lanes lanes_add_u8(lanes sum, lanes own, lanes column)
{
    return (lanes){add_u8(sum.a, own.a, column.a), add_u8(sum.b, own.b, column.b)};
}
INLINE __m256 high(__m256 x)
{
    return _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000)));
}
INLINE __m256 low(__m256 x)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), 16));
}
INLINE lanes lanes_add_bf16(lanes sum, lanes own, lanes column)
{
    sum = lanes_fma((lanes){high(own.a), high(own.b)}, (lanes){high(column.a), high(column.b)}, sum);
    return lanes_fma((lanes){low(own.a), low(own.b)}, (lanes){low(column.a), low(column.b)}, sum);
}
/* Integers less zero times those of less, as floats. */
INLINE __m256 dot(__m256 v, int32_t zero, const int32_t *less)
{
    const __m256i shift = _mm256_mullo_epi32(_mm256_set1_epi32(zero), _mm256_loadu_si256((const void *)less));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_castps_si256(v), shift));
}
INLINE lanes lanes_dot(lanes v, int32_t zero, const int32_t *less)
{
    return (lanes){dot(v.a, zero, less), dot(v.b, zero, less + 8)};
}
#include "core/simd/dense_body.h"

PRODUCT(product_f32, F32)
PRODUCT(product_bf16, BF16)
PRODUCT(product_u8, U8)
const leann_dense_kernels leann_dense_avx2 = DENSE_TABLE("avx2", TALL, false, product_bf16, product_u8);
#else
typedef int leann_no_dense_avx2; /* ISO C wants a declaration */
#endif
