/* fastscan_avx512.c – look-ups of 4-bit codes in blocks of 32, four columns at once, for AVX-512 BW.
 *
 * A shuffle gives sixteen bytes a column, which are added as eight words, low bytes with what the high ones carry, and once more shifted
 * down, high bytes alone: even = all - 256 odd, all modulo 2^16, so nothing is lost by the carries. Cost: 11 instructions for 128
 * look-ups and adds, and about 20 a block to put the four columns together.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wconversion"
#include <immintrin.h>

enum { VECTORS = 32, HALF = 16, STEP = 64 };

typedef struct { /* of sixteen vectors, four columns side by side */
    __m512i all, odd;
} sums;

static inline void add(sums *s, __m512i x)
{
    s->all = _mm512_add_epi16(s->all, x);
    s->odd = _mm512_add_epi16(s->odd, _mm512_srli_epi16(x, 8));
}

static inline void columns(sums *low, sums *high, __m512i table, __m512i codes)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    add(low, _mm512_shuffle_epi8(table, _mm512_and_si512(codes, nibble)));
    add(high, _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble)));
}

/* Lane 0: a's four lanes added up, lane 1: b's. */
static inline __m256i fold(__m512i a, __m512i b)
{
    __m512i sum = _mm512_add_epi16(_mm512_shuffle_i64x2(a, b, 0x44), _mm512_shuffle_i64x2(a, b, 0xee)); /* a0 + a2, a1 + a3, b … */
    sum = _mm512_add_epi16(sum, _mm512_shuffle_i64x2(sum, sum, 0xb1));
    return _mm512_castsi512_si256(_mm512_shuffle_i64x2(sum, sum, 0x08));
}

void leann_fastscan_avx512(const uint8_t *lut, const uint8_t *block, size_t m, size_t blocks, uint16_t *out)
{
    size_t bytes = m * HALF;
    for (size_t b = 0; b < blocks; b++, block += bytes, out += VECTORS) {
        sums low = {_mm512_setzero_si512(), _mm512_setzero_si512()}, high = low;
        size_t at = 0;
        for (; at + STEP <= bytes; at += STEP) columns(&low, &high, _mm512_loadu_si512(lut + at), _mm512_loadu_si512(block + at));
        if (at < bytes) { /* up to three columns: the tables of the others are zero */
            __mmask8 rest = (__mmask8)((1u << (bytes - at) / 8) - 1);
            columns(&low, &high, _mm512_maskz_loadu_epi64(rest, lut + at), _mm512_maskz_loadu_epi64(rest, block + at));
        }
        __m256i odd = fold(low.odd, high.odd), even = _mm256_sub_epi16(fold(low.all, high.all), _mm256_slli_epi16(odd, 8));
        __m256i first = _mm256_unpacklo_epi16(even, odd), second = _mm256_unpackhi_epi16(even, odd);
        _mm256_storeu_si256((void *)out, _mm256_permute2x128_si256(first, second, 0x20));
        _mm256_storeu_si256((void *)(out + HALF), _mm256_permute2x128_si256(first, second, 0x31));
    }
}
#else
typedef int leann_no_fastscan_avx512; /* ISO C wants a declaration */
#endif
