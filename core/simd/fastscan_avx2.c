/* fastscan_avx2.c – look-ups of 4-bit codes in blocks of 32, two columns at once, for AVX2.
 *
 * A shuffle gives sixteen bytes a column, which are added as eight words, low bytes with what the high ones carry, and once more shifted
 * down, high bytes alone: even = all - 256 odd, all modulo 2^16, so nothing is lost by the carries. Cost: 11 instructions for 64
 * look-ups and adds.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { VECTORS = 32, HALF = 16 };

typedef struct { /* of sixteen vectors, two columns side by side */
    __m256i all, odd;
} sums;

static inline void add(sums *s, __m256i x)
{
    s->all = _mm256_add_epi16(s->all, x);
    s->odd = _mm256_add_epi16(s->odd, _mm256_srli_epi16(x, 8));
}

static inline void columns(sums *low, sums *high, __m256i table, __m256i codes)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    add(low, _mm256_shuffle_epi8(table, _mm256_and_si256(codes, nibble)));
    add(high, _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble)));
}

static inline void store(sums s, uint16_t *out)
{
    __m128i odd = _mm_add_epi16(_mm256_castsi256_si128(s.odd), _mm256_extracti128_si256(s.odd, 1));
    __m128i even = _mm_add_epi16(_mm256_castsi256_si128(s.all), _mm256_extracti128_si256(s.all, 1));
    even = _mm_sub_epi16(even, _mm_slli_epi16(odd, 8));
    _mm_storeu_si128((void *)out, _mm_unpacklo_epi16(even, odd));
    _mm_storeu_si128((void *)(out + 8), _mm_unpackhi_epi16(even, odd));
}

static void scan(const uint8_t *lut, const uint8_t *block, size_t m, size_t blocks, uint16_t *out)
{
    size_t bytes = m * HALF;
    for (size_t b = 0; b < blocks; b++, block += bytes, out += VECTORS) {
        sums low = {_mm256_setzero_si256(), _mm256_setzero_si256()}, high = low;
        size_t at = 0;
        for (; at + 2 * HALF <= bytes; at += 2 * HALF)
            columns(&low, &high, _mm256_loadu_si256((const void *)(lut + at)), _mm256_loadu_si256((const void *)(block + at)));
        if (at < bytes) /* the other column's table is zero */
            columns(&low, &high, _mm256_zextsi128_si256(_mm_loadu_si128((const void *)(lut + at))),
                    _mm256_zextsi128_si256(_mm_loadu_si128((const void *)(block + at))));
        store(low, out);
        store(high, out + HALF);
    }
}

void leann_fastscan_avx2(const uint8_t *const *lut, size_t n, const uint8_t *block, size_t m, size_t blocks, uint16_t *const *out)
{
    for (size_t i = 0; i < n; i++) scan(lut[i], block, m, blocks, out[i]);
}
#else
typedef int leann_no_fastscan_avx2; /* ISO C wants a declaration */
#endif
