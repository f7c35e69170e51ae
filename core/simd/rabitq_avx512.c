/* rabitq_avx512.c – whole-number products with codes of 1, 2 and 4 bits, and the Walsh-Hadamard transform, for AVX-512 F, BW, DQ and VNNI.
 *
 * 64 bytes of a code hold 64 components in each of their 8 / bits planes: a plane is masked out, multiplied by both bytes of the query in
 * two VNNI instructions, and the next one shifted down. Four rows share the loads of the query; while they are worked on the next four
 * are asked for, with what lies behind their codes. Cost: 2 d / 64 products a row and as many masks and shifts.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wconversion"      /* masks: a cast on each line would hide the arithmetic */
#pragma GCC diagnostic ignored "-Wsign-conversion" /* the count of a shift is signed for gcc and unsigned for clang */
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { CHUNK = 64, ROWS = 4, LINE = 64, AHEAD_BYTES = 1024, LANES = 16 };

/* The sums of sixteen whole numbers of four vectors. */
INLINE __m128i fold(const __m512i acc[ROWS])
{
    __m128i four[ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++) {
        __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(acc[r]), _mm512_extracti64x4_epi64(acc[r], 1));
        four[r] = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    }
    return _mm_hadd_epi32(_mm_hadd_epi32(four[0], four[1]), _mm_hadd_epi32(four[2], four[3]));
}

/* Four rows of `bytes` bytes. */
INLINE __m128 ip_rows(unsigned bits, const int8_t *high, const int8_t *low, const uint8_t *const row[ROWS], size_t bytes)
{
    const __m512i plane = _mm512_set1_epi8((char)((1u << bits) - 1));
    __m512i high_sum[ROWS], low_sum[ROWS], part[ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++) high_sum[r] = low_sum[r] = _mm512_setzero_si512();
    for (size_t i = 0; i < bytes; i += CHUNK) {
        __mmask64 mask = bytes - i >= CHUNK ? ~0ull : (1ull << (bytes - i)) - 1;
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) part[r] = _mm512_maskz_loadu_epi8(mask, row[r] + i);
#pragma GCC unroll 8
        for (size_t p = 0; p < 8 / bits; p++) {
            __m512i upper = _mm512_maskz_loadu_epi8(mask, high + p * bytes + i), lower = _mm512_maskz_loadu_epi8(mask, low + p * bytes + i);
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; r++) {
                __m512i component = _mm512_and_si512(part[r], plane);
                high_sum[r] = _mm512_dpbusd_epi32(high_sum[r], component, upper);
                low_sum[r] = _mm512_dpbusd_epi32(low_sum[r], component, lower);
                part[r] = _mm512_srli_epi16(part[r], bits); /* what comes from the neighbour is masked */
            }
        }
    }
    __m256i sum = _mm256_slli_epi64(_mm256_cvtepi32_epi64(fold(high_sum)), 8);
    return _mm256_cvtepi64_ps(_mm256_add_epi64(sum, _mm256_cvtepi32_epi64(fold(low_sum))));
}

/* Rows from.. of a list, asked for; past the end the last row stands in. */
INLINE void next_rows(const leann_list *rows, uint32_t from, size_t bytes, const uint8_t *row[ROWS])
{
#pragma GCC unroll 4
    for (uint32_t r = 0; r < ROWS; r++) {
        uint32_t last = rows->n - 1;
        row[r] = leann_list_row(rows, last - from < r || from > last ? last : from + r);
        for (size_t b = 0; b < bytes; b += LINE) _mm_prefetch((const char *)row[r] + b, _MM_HINT_T0);
    }
}

INLINE void ip_list(unsigned bits, const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out)
{
    const uint8_t *row[ROWS], *next[ROWS];
    size_t ahead = rows.stride < AHEAD_BYTES ? rows.stride : AHEAD_BYTES;
    if (rows.n == 0) return;
    next_rows(&rows, 0, ahead, next);
    for (uint32_t i = 0; i < rows.n; i += ROWS) {
        uint32_t n = rows.n - i < ROWS ? rows.n - i : ROWS;
        memcpy(row, next, sizeof row);
        next_rows(&rows, i + ROWS, ahead, next);
        _mm_mask_storeu_ps(out + i, (1u << n) - 1, ip_rows(bits, high, low, row, d * bits / 8));
    }
}

#define LIST(bits)                                                                                                                         \
    void leann_ip_i16_u##bits##_list_avx512(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out)                  \
    {                                                                                                                                      \
        ip_list(bits, high, low, rows, d, out);                                                                                            \
    }
LIST(1)
LIST(2)
LIST(4)

/* The butterflies among the sixteen components of a vector: what is `half` away is added to a component or to its negative. */
INLINE __m512 within(__m512 x)
{
    const __m512i sign = _mm512_set1_epi32((int)0x80000000);
#define STAGE(mask, away)                                                                                                                  \
    x = _mm512_add_ps(away, _mm512_castsi512_ps(_mm512_mask_xor_epi32(_mm512_castps_si512(x), mask, _mm512_castps_si512(x), sign)))
    STAGE(0xaaaa, _mm512_permute_ps(x, 0xb1));
    STAGE(0xcccc, _mm512_permute_ps(x, 0x4e));
    STAGE(0xf0f0, _mm512_shuffle_f32x4(x, x, 0xb1));
    STAGE(0xff00, _mm512_shuffle_f32x4(x, x, 0x4e));
#undef STAGE
    return x;
}

void leann_hadamard_f32_avx512(float *x, size_t n)
{
    if (n < LANES) {
        leann_hadamard_f32_scalar(x, n);
        return;
    }
    for (size_t i = 0; i < n; i += LANES) _mm512_storeu_ps(x + i, within(_mm512_loadu_ps(x + i)));
    for (size_t half = LANES; half < n; half *= 2)
        for (size_t i = 0; i < n; i += 2 * half)
            for (size_t j = i; j < i + half; j += LANES) {
                __m512 a = _mm512_loadu_ps(x + j), b = _mm512_loadu_ps(x + j + half);
                _mm512_storeu_ps(x + j, _mm512_add_ps(a, b));
                _mm512_storeu_ps(x + j + half, _mm512_sub_ps(a, b));
            }
}
#else
typedef int leann_no_rabitq_avx512; /* ISO C wants a declaration */
#endif
