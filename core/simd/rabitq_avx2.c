/* rabitq_avx2.c – whole-number products with codes of 1, 2 and 4 bits, and the Walsh-Hadamard transform, for AVX2.
 *
 * As rabitq_avx512.c does it, 32 bytes of a code and two rows at once. Without VNNI a product goes to 16 bits first, which hold the sums
 * of all planes of a chunk (at most 2 * 2 * 15 * 128); they are widened once a chunk. Cost: 2 d / 32 products a row, with as many
 * additions, masks and shifts.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { CHUNK = 32, ROWS = 2, DISTANCE = 4, LINE = 64, AHEAD_BYTES = 1024, LANES = 8 };

/* 32 bytes, or the first `rest` of them, a multiple of 4, and zeros. */
INLINE __m256i chunk(const void *x, size_t rest)
{
    static const int32_t mask[15] = {-1, -1, -1, -1, -1, -1, -1};
    if (rest >= CHUNK) return _mm256_loadu_si256(x);
    return _mm256_maskload_epi32(x, _mm256_loadu_si256((const void *)(mask + 7 - rest / 4)));
}

INLINE int32_t fold(__m256i sum)
{
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

INLINE void ip_rows(int bits, const int8_t *high, const int8_t *low, const uint8_t *const row[ROWS], size_t bytes, float out[ROWS])
{
    const __m256i plane = _mm256_set1_epi8((char)((1 << bits) - 1)), ones = _mm256_set1_epi16(1);
    __m256i high_sum[ROWS], low_sum[ROWS], part[ROWS], high_part[ROWS], low_part[ROWS];
#pragma GCC unroll 2
    for (int r = 0; r < ROWS; r++) high_sum[r] = low_sum[r] = _mm256_setzero_si256();
    for (size_t i = 0; i < bytes; i += CHUNK) {
#pragma GCC unroll 2
        for (int r = 0; r < ROWS; r++) {
            part[r] = chunk(row[r] + i, bytes - i);
            high_part[r] = low_part[r] = _mm256_setzero_si256();
        }
#pragma GCC unroll 8
        for (size_t p = 0; p < 8u / (unsigned)bits; p++) {
            __m256i upper = chunk(high + p * bytes + i, bytes - i), lower = chunk(low + p * bytes + i, bytes - i);
#pragma GCC unroll 2
            for (int r = 0; r < ROWS; r++) {
                __m256i component = _mm256_and_si256(part[r], plane);
                high_part[r] = _mm256_add_epi16(high_part[r], _mm256_maddubs_epi16(component, upper));
                low_part[r] = _mm256_add_epi16(low_part[r], _mm256_maddubs_epi16(component, lower));
                part[r] = _mm256_srli_epi16(part[r], bits); /* what comes from the neighbour is masked */
            }
        }
#pragma GCC unroll 2
        for (int r = 0; r < ROWS; r++) {
            high_sum[r] = _mm256_add_epi32(high_sum[r], _mm256_madd_epi16(high_part[r], ones));
            low_sum[r] = _mm256_add_epi32(low_sum[r], _mm256_madd_epi16(low_part[r], ones));
        }
    }
#pragma GCC unroll 2
    for (int r = 0; r < ROWS; r++) out[r] = (float)(256 * (int64_t)fold(high_sum[r]) + fold(low_sum[r]));
}

INLINE void ip_list(int bits, const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out)
{
    size_t ahead = rows.stride < AHEAD_BYTES ? rows.stride : AHEAD_BYTES;
    for (uint32_t i = 0; i < rows.n; i += ROWS) {
        const uint8_t *row[ROWS];
        float two[ROWS];
        uint32_t n = rows.n - i < ROWS ? rows.n - i : ROWS;
        for (uint32_t r = 0; r < ROWS; r++) {
            row[r] = leann_list_row(&rows, i + (r < n ? r : 0));
            if (rows.n - i <= DISTANCE + r) continue;
            const char *next = leann_list_row(&rows, i + DISTANCE + r);
            for (size_t b = 0; b < ahead; b += LINE) _mm_prefetch(next + b, _MM_HINT_T0);
        }
        ip_rows(bits, high, low, row, d * (unsigned)bits / 8, two);
        memcpy(out + i, two, n * sizeof *out);
    }
}

#define LIST(bits)                                                                                                                         \
    void leann_ip_i16_u##bits##_list_avx2(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out)                    \
    {                                                                                                                                      \
        ip_list(bits, high, low, rows, d, out);                                                                                            \
    }
LIST(1)
LIST(2)
LIST(4)

/* The butterflies among the eight components of a vector: what is `half` away is added to a component or to its negative. */
INLINE __m256 within(__m256 x)
{
    x = _mm256_add_ps(_mm256_permute_ps(x, 0xb1), _mm256_xor_ps(x, _mm256_setr_ps(0, -0.0F, 0, -0.0F, 0, -0.0F, 0, -0.0F)));
    x = _mm256_add_ps(_mm256_permute_ps(x, 0x4e), _mm256_xor_ps(x, _mm256_setr_ps(0, 0, -0.0F, -0.0F, 0, 0, -0.0F, -0.0F)));
    return _mm256_add_ps(_mm256_permute2f128_ps(x, x, 1), _mm256_xor_ps(x, _mm256_setr_ps(0, 0, 0, 0, -0.0F, -0.0F, -0.0F, -0.0F)));
}

void leann_hadamard_f32_avx2(float *x, size_t n)
{
    if (n < LANES) {
        leann_hadamard_f32_scalar(x, n);
        return;
    }
    for (size_t i = 0; i < n; i += LANES) _mm256_storeu_ps(x + i, within(_mm256_loadu_ps(x + i)));
    for (size_t half = LANES; half < n; half *= 2)
        for (size_t i = 0; i < n; i += 2 * half)
            for (size_t j = i; j < i + half; j += LANES) {
                __m256 a = _mm256_loadu_ps(x + j), b = _mm256_loadu_ps(x + j + half);
                _mm256_storeu_ps(x + j, _mm256_add_ps(a, b));
                _mm256_storeu_ps(x + j + half, _mm256_sub_ps(a, b));
            }
}
#else
typedef int leann_no_rabitq_avx2; /* ISO C wants a declaration */
#endif
