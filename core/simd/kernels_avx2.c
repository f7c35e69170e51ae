/* kernels_avx2.c – the kernels for AVX2, FMA and F16C (Haswell and Zen on).
 *
 * Float sums: 32 components a step, chunk c (8 components) in accumulator c mod 4, the last chunk padded with zeros, then ((0+1)+(2+3)) and
 * halving. List kernels do two rows at once (sixteen registers hold no more sums), which share the loads of the query, and keep that
 * order: a pair and a list give equal bits, and a row's result does not depend on its place in a list. Integer sums are exact.
 * Rows are asked for four ahead of the work, as in kernels_avx512.c and for its reasons.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wconversion" /* lane counts and reinterpretations: a cast on each line would hide the arithmetic */
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { CHUNK = 8, STEP = 32, ROWS = 2, DISTANCE = 4, LINE = 64, HEAD_BYTES = 256, AHEAD_BYTES = 1024 };

/* What is summed, and of which type the row is; constants at every call, so each kernel is compiled for its own. */
typedef enum { L2_F32, IP_F32, L2_U8, IP_U8, IP_I8, SQ8_L2, SQ4_L2, SQ4_IP, BYTES_L2 } term;

typedef struct {   /* the side that a list shares */
    const void *q; /* floats, or bytes for BYTES_L2 */
    const float *scale;
    size_t d;
} query;

INLINE size_t row_bytes(term t, size_t d)
{
    if (t == L2_F32 || t == IP_F32) return 4 * d;
    return t == SQ4_L2 || t == SQ4_IP ? (d + 1) / 2 : d;
}

/* The first n < 8 bytes at x in the low end of a word, zeros above; reads nothing behind them. */
INLINE uint64_t few_bytes(const uint8_t *x, size_t n)
{
    if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, x, 4);
        memcpy(&high, x + n - 4, 4);
        return low | (uint64_t)high << (8 * (n - 4));
    }
    if (n == 0) return 0;
    return x[0] | (uint64_t)x[n / 2] << (8 * (n / 2)) | (uint64_t)x[n - 1] << (8 * (n - 1));
}

/* Eight floats, or the first `rest` < 8 and zeros. */
INLINE __m256 float_chunk(const float *x, bool whole, size_t rest)
{
    static const int32_t mask[15] = {-1, -1, -1, -1, -1, -1, -1};
    return whole ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, _mm256_loadu_si256((const void *)(mask + 7 - rest)));
}

/* Components j.. of a row as floats: eight when whole, else the first `rest` and zeros (4-bit rows: and a stray last half, which meets a
 * zero of the query). */
INLINE __m256 row_chunk(term t, const void *row, size_t j, bool whole, size_t rest)
{
    if (t == L2_F32 || t == IP_F32) return float_chunk((const float *)row + j, whole, rest);
    if (t == SQ4_L2 || t == SQ4_IP) {
        const uint8_t *x = (const uint8_t *)row + j / 2;
        uint32_t packed;
        if (whole)
            memcpy(&packed, x, 4);
        else
            packed = (uint32_t)few_bytes(x, (rest + 1) / 2);
        const __m256i shift = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
        __m256i code = _mm256_srlv_epi32(_mm256_set1_epi32((int)packed), shift);
        return _mm256_cvtepi32_ps(_mm256_and_si256(code, _mm256_set1_epi32(15)));
    }
    const uint8_t *x = (const uint8_t *)row + j;
    __m128i bytes = whole ? _mm_loadl_epi64((const void *)x) : _mm_cvtsi64_si128((long long)few_bytes(x, rest));
    return _mm256_cvtepi32_ps(t == IP_I8 ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes));
}

/* The part of the next rows that is due while components j.. of these are worked on. */
INLINE void prefetch_step(term t, const void *const *next, size_t j)
{
    size_t at = row_bytes(t, j) + HEAD_BYTES;
    if (!next || at >= AHEAD_BYTES) return;
#pragma GCC unroll 2
    for (int r = 0; r < ROWS; r++)
        for (size_t b = 0; b < row_bytes(t, STEP); b += LINE) _mm_prefetch((const char *)next[r] + at + b, _MM_HINT_T1);
}

/* One chunk of `rows` rows into accumulator `a` of each. */
INLINE void chunk(term t, const query *s, const void *const *row, int rows, size_t j, bool whole, __m256 (*acc)[4], int a)
{
    size_t rest = s->d - j;
    bool scaled = t == SQ8_L2 || t == SQ4_L2;
    __m256 q = float_chunk((const float *)s->q + j, whole, rest), scale = q;
    if (scaled) scale = float_chunk(s->scale + j, whole, rest);
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
        __m256 x = row_chunk(t, row[r], j, whole, rest);
        if (t == IP_F32 || t == IP_U8 || t == IP_I8 || t == SQ4_IP) {
            acc[r][a] = _mm256_fmadd_ps(q, x, acc[r][a]);
        } else {
            __m256 diff = scaled ? _mm256_fnmadd_ps(scale, x, q) : _mm256_sub_ps(q, x);
            acc[r][a] = _mm256_fmadd_ps(diff, diff, acc[r][a]);
        }
    }
}

INLINE float fold(const __m256 acc[4])
{
    __m256 sum = _mm256_add_ps(_mm256_add_ps(acc[0], acc[1]), _mm256_add_ps(acc[2], acc[3]));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
    four = _mm_hadd_ps(four, four);
    return _mm_cvtss_f32(_mm_hadd_ps(four, four));
}

INLINE void score_floats(term t, const query *s, const void *const *row, const void *const *next, int rows, float *out)
{
    __m256 acc[ROWS][4];
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) acc[r][0] = acc[r][1] = acc[r][2] = acc[r][3] = _mm256_setzero_ps();
    size_t j = 0;
    for (; j + STEP <= s->d; j += STEP) {
        prefetch_step(t, next, j);
        chunk(t, s, row, rows, j, true, acc, 0);
        chunk(t, s, row, rows, j + CHUNK, true, acc, 1);
        chunk(t, s, row, rows, j + 2 * CHUNK, true, acc, 2);
        chunk(t, s, row, rows, j + 3 * CHUNK, true, acc, 3);
    }
    size_t rest = s->d - j;
    if (rest >= CHUNK) chunk(t, s, row, rows, j, true, acc, 0);
    if (rest >= 2 * CHUNK) chunk(t, s, row, rows, j + CHUNK, true, acc, 1);
    if (rest >= 3 * CHUNK) chunk(t, s, row, rows, j + 2 * CHUNK, true, acc, 2);
    if (rest % CHUNK) chunk(t, s, row, rows, s->d / CHUNK * CHUNK, false, acc, 3); /* accumulator 3 is the one that is least used */
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) out[r] = fold(acc[r]);
}

/* ---- bytes against bytes: |a - b| in 8 bits, widened by zeros, squared and summed in pairs; sums wrap at 2³², which is exact. */

INLINE uint32_t fold_dwords(__m256i sum)
{
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

/* Eight bytes, or the first `rest` and zeros, as words. */
INLINE __m128i words(const uint8_t *x, size_t rest)
{
    return _mm_cvtepu8_epi16(rest >= 8 ? _mm_loadl_epi64((const void *)x) : _mm_cvtsi64_si128((long long)few_bytes(x, rest)));
}

INLINE void sum_bytes(const query *s, const void *const *row, const void *const *next, int rows, uint32_t *out)
{
    const uint8_t *q = s->q;
    __m256i acc[ROWS][2];
    const __m256i zero = _mm256_setzero_si256();
    size_t j = 0;
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) acc[r][0] = acc[r][1] = zero;
    for (; j + STEP <= s->d; j += STEP) {
        prefetch_step(BYTES_L2, next, j);
        __m256i a = _mm256_loadu_si256((const void *)(q + j));
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) {
            __m256i b = _mm256_loadu_si256((const void *)((const uint8_t *)row[r] + j));
            __m256i diff = _mm256_sub_epi8(_mm256_max_epu8(a, b), _mm256_min_epu8(a, b));
            __m256i low = _mm256_unpacklo_epi8(diff, zero), high = _mm256_unpackhi_epi8(diff, zero);
            acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(low, low));
            acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(high, high));
        }
    }
    for (; j < s->d; j += 8) {
        __m128i a = words(q + j, s->d - j);
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) {
            __m128i diff = _mm_sub_epi16(a, words((const uint8_t *)row[r] + j, s->d - j));
            acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_zextsi128_si256(_mm_madd_epi16(diff, diff)));
        }
    }
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) out[r] = fold_dwords(_mm256_add_epi32(acc[r][0], acc[r][1]));
}

/* ---- pairs and lists */

INLINE void score(term t, const query *s, const void *const *row, const void *const *next, int rows, float *out)
{
    if (t == BYTES_L2) {
        uint32_t sum[ROWS];
        sum_bytes(s, row, next, rows, sum);
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) out[r] = (float)sum[r];
    } else {
        score_floats(t, s, row, next, rows, out);
    }
}

/* Rows from.. of a list, their heads asked for; past the end the last row stands in. */
INLINE void next_rows(const leann_list *rows, uint32_t from, size_t bytes, const void **row)
{
#pragma GCC unroll 2
    for (uint32_t r = 0; r < ROWS; r++) {
        uint32_t last = rows->n - 1;
        row[r] = leann_list_row(rows, last - from < r || from > last ? last : from + r);
        for (size_t b = 0; b < bytes && b < HEAD_BYTES; b += LINE) _mm_prefetch((const char *)row[r] + b, _MM_HINT_T0);
    }
}

INLINE void score_list(term t, const query s, leann_list rows, float *out)
{
    const void *row[ROWS], *next[ROWS], *later[ROWS];
    size_t bytes = row_bytes(t, s.d);
    uint32_t i = 0;
    if (!rows.ids && bytes > HEAD_BYTES) {
        for (; i < rows.n; i++) {
            row[0] = leann_list_row(&rows, i);
            score(t, &s, row, NULL, 1, out + i);
        }
        return;
    }
    if (rows.n == 0) return;
    next_rows(&rows, 0, bytes, next);
    next_rows(&rows, ROWS, bytes, later);
    for (; rows.n - i >= ROWS; i += ROWS) {
        memcpy(row, next, sizeof row);
        memcpy(next, later, sizeof row);
        next_rows(&rows, i + DISTANCE, bytes, later);
        score(t, &s, row, later, ROWS, out + i);
    }
    for (uint32_t r = 0; i < rows.n; i++, r++) score(t, &s, next + r, NULL, 1, out + i);
}

/* ---- sums that stop at a cut: see kernels_avx512.c; 32 components at a time, in the order of score_floats. */

typedef struct {
    __m256 acc[4];
    const float *row;
    uint32_t at; /* where its key goes */
} partial;

INLINE void prefetch_floats(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LINE / sizeof *x) _mm_prefetch((const char *)(x + i), _MM_HINT_T0);
}

/* Components [j, j + STEP) of a row, or the rest of the d, into its sums. */
INLINE void add_step(const float *q, const float *x, size_t d, size_t j, __m256 acc[4])
{
    size_t rest = d - j < STEP ? d - j : STEP;
#pragma GCC unroll 4
    for (size_t c = 0; c < 4; c++) {
        if (rest < (c + 1) * CHUNK) break;
        __m256 diff = _mm256_sub_ps(_mm256_loadu_ps(q + j + c * CHUNK), _mm256_loadu_ps(x + j + c * CHUNK));
        acc[c] = _mm256_fmadd_ps(diff, diff, acc[c]);
    }
    if (rest % CHUNK == 0) return;
    size_t at = d / CHUNK * CHUNK;
    __m256 diff = _mm256_sub_ps(float_chunk(q + at, false, rest % CHUNK), float_chunk(x + at, false, rest % CHUNK));
    acc[3] = _mm256_fmadd_ps(diff, diff, acc[3]);
}

/* How many of n rows are still at or under the cut after this step, moved to the front. */
INLINE uint32_t advance(const float *q, size_t d, size_t j, float cut, partial *rows, uint32_t n, float *out)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        partial r = rows[i];
        add_step(q, r.row, d, j, r.acc);
        out[r.at] = fold(r.acc);
        if (out[r.at] > cut) continue;
        if (d - j > STEP) prefetch_floats(r.row + j + STEP, d - j - STEP < STEP ? d - j - STEP : STEP);
        rows[kept++] = r;
    }
    return kept;
}

static void l2_f32_cut_list(const float *q, leann_list rows, size_t d, float cut, float *out)
{
    enum { GROUP = 32 }; /* rows that go together */
    partial part[GROUP];
    for (uint32_t first = 0; first < rows.n; first += GROUP) {
        uint32_t n = rows.n - first < GROUP ? rows.n - first : GROUP;
        for (uint32_t i = 0; i < n; i++) {
            part[i] = (partial){.row = leann_list_row(&rows, first + i), .at = first + i};
            prefetch_floats(part[i].row, d < 2 * STEP ? d : 2 * STEP);
            out[first + i] = 0;
        }
        for (size_t j = 0; n > 0 && j < d; j += STEP) n = advance(q, d, j, cut, part, n, out);
    }
}

/* ---- pairs and lists of the rest */

INLINE float pair(term t, const float *q, const void *row, size_t d)
{
    const query s = {q, NULL, d};
    float out;
    score(t, &s, &row, NULL, 1, &out);
    return out;
}

static float l2_f32(const float *a, const float *b, size_t d)
{
    return pair(L2_F32, a, b, d);
}
static float ip_f32(const float *a, const float *b, size_t d)
{
    return pair(IP_F32, a, b, d);
}
static float l2_f32_u8(const float *a, const uint8_t *b, size_t d)
{
    return pair(L2_U8, a, b, d);
}
static float ip_f32_u8(const float *a, const uint8_t *b, size_t d)
{
    return pair(IP_U8, a, b, d);
}
static float ip_f32_i8(const float *a, const int8_t *b, size_t d)
{
    return pair(IP_I8, a, b, d);
}
static float norm_f32(const float *a, size_t d)
{
    return pair(IP_F32, a, a, d);
}

static void l2_f32_list(const float *q, leann_list rows, size_t d, float *out)
{
    score_list(L2_F32, (query){q, NULL, d}, rows, out);
}
static void ip_f32_list(const float *q, leann_list rows, size_t d, float *out)
{
    score_list(IP_F32, (query){q, NULL, d}, rows, out);
}
static void l2_f32_u8_list(const float *q, leann_list rows, size_t d, float *out)
{
    score_list(L2_U8, (query){q, NULL, d}, rows, out);
}
static void ip_f32_u8_list(const float *q, leann_list rows, size_t d, float *out)
{
    score_list(IP_U8, (query){q, NULL, d}, rows, out);
}
static void sq4_ip_list(const float *q, leann_list rows, size_t d, float *out)
{
    score_list(SQ4_IP, (query){q, NULL, d}, rows, out);
}

static void sq8_l2_list(const float *q, const float *scale, leann_list rows, size_t d, float *out)
{
    score_list(SQ8_L2, (query){q, scale, d}, rows, out);
}

static void sq4_l2_list(const float *q, const float *scale, leann_list rows, size_t d, float *out)
{
    score_list(SQ4_L2, (query){q, scale, d}, rows, out);
}

static void l2_u8_list(const uint8_t *q, leann_list rows, size_t d, float *out)
{
    score_list(BYTES_L2, (query){q, NULL, d}, rows, out);
}

static uint32_t l2_u8(const uint8_t *a, const uint8_t *b, size_t d)
{
    const query s = {a, NULL, d};
    const void *row = b;
    uint32_t sum;
    sum_bytes(&s, &row, NULL, 1, &sum);
    return sum;
}

static uint32_t ip_u8(const uint8_t *a, const uint8_t *b, size_t d)
{
    __m256i acc[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    size_t j = 0;
    for (; j + STEP <= d; j += STEP)
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++) {
            __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(a + j + 16 * h)));
            __m256i y = _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(b + j + 16 * h)));
            acc[h] = _mm256_add_epi32(acc[h], _mm256_madd_epi16(x, y));
        }
    for (; j < d; j += 8)
        acc[0] = _mm256_add_epi32(acc[0], _mm256_zextsi128_si256(_mm_madd_epi16(words(a + j, d - j), words(b + j, d - j))));
    return fold_dwords(_mm256_add_epi32(acc[0], acc[1]));
}

/* ---- look-ups */

/* The four bytes at x, or the first `rest` and zeros: eight codes. */
INLINE int eight_codes(const uint8_t *x, size_t rest)
{
    int32_t word;
    if (rest < 4) return (int)few_bytes(x, rest);
    memcpy(&word, x, 4);
    return word;
}

/* Eight rows at once, a lane each; a table of sixteen floats is two registers, and bit 3 of the code says which. */
INLINE __m256 adc4_rows(const float *table, const uint8_t *const row[8], size_t m)
{
    __m256 acc[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t bytes = (m + 1) / 2;
    for (size_t b = 0; b < bytes; b += 4) {
        size_t rest = bytes - b, j = 2 * b, end = m < j + 8 ? m : j + 8;
        __m256i codes = _mm256_setr_epi32(eight_codes(row[0] + b, rest), eight_codes(row[1] + b, rest), eight_codes(row[2] + b, rest),
                                          eight_codes(row[3] + b, rest), eight_codes(row[4] + b, rest), eight_codes(row[5] + b, rest),
                                          eight_codes(row[6] + b, rest), eight_codes(row[7] + b, rest));
        for (; j < end; j++) { /* a look-up reads the low three bits of a lane, a blend the top one */
            __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 16 * j), codes);
            __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 16 * j + 8), codes);
            __m256 value = _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28)));
            acc[j & 1] = _mm256_add_ps(acc[j & 1], value);
            codes = _mm256_srli_epi32(codes, 4);
        }
    }
    return _mm256_add_ps(acc[0], acc[1]);
}

static void adc4_list(const float *table, leann_list rows, size_t m, float *out)
{
    for (uint32_t i = 0; i < rows.n; i += 8) {
        uint32_t left = rows.n - i;
        const uint8_t *row[8];
        float sum[8];
        for (uint32_t r = 0; r < 8; r++) {
            row[r] = leann_list_row(&rows, r < left ? i + r : i);
            if (left <= 8 + r) continue;
            const char *next = leann_list_row(&rows, i + 8 + r);
            for (size_t b = 0; b < m / 2 && b < HEAD_BYTES; b += LINE) _mm_prefetch(next + b, _MM_HINT_T0);
        }
        _mm256_storeu_ps(sum, adc4_rows(table, row, m));
        memcpy(out + i, sum, (left < 8 ? left : 8) * sizeof *sum);
    }
}

/* ---- conversions: the last few through a padded copy */

static void f32_from_u8(const uint8_t *in, float *out, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(in + i)))));
    for (; i < n; i++) out[i] = in[i];
}

static void f32_from_f16(const uint16_t *in, float *out, size_t n)
{
    uint16_t last[8] = {0};
    float wide[8];
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(in + i))));
    if (i == n) return;
    memcpy(last, in + i, (n - i) * sizeof *in);
    _mm256_storeu_ps(wide, _mm256_cvtph_ps(_mm_loadu_si128((const void *)last)));
    memcpy(out + i, wide, (n - i) * sizeof *out);
}

INLINE __m128i narrow(const float *in)
{
    return _mm256_cvtps_ph(_mm256_loadu_ps(in), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static void f16_from_f32(const float *in, uint16_t *out, size_t n)
{
    float last[8] = {0};
    uint16_t half[8];
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm_storeu_si128((void *)(out + i), narrow(in + i));
    if (i == n) return;
    memcpy(last, in + i, (n - i) * sizeof *in);
    _mm_storeu_si128((void *)half, narrow(last));
    memcpy(out + i, half, (n - i) * sizeof *out);
}

/* CRC-32C by the instruction made for it, eight bytes a step; crc is that of the bytes before, 0 at the start. */
uint32_t leann_crc32c_sse42(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *x = data;
    uint64_t sum = ~crc;
    for (; bytes >= 8; bytes -= 8, x += 8) {
        uint64_t word;
        memcpy(&word, x, 8);
        sum = _mm_crc32_u64(sum, word);
    }
    for (; bytes > 0; bytes--) sum = _mm_crc32_u8((uint32_t)sum, *x++);
    return ~(uint32_t)sum;
}

/* ---- selection */

static void scan_keys(const uint16_t *sum, size_t n, leann_scan_line line, float *key)
{
    const __m256 least = _mm256_set1_ps(line.least), step = _mm256_set1_ps(line.step), constant = _mm256_set1_ps(line.constant);
    for (size_t i = 0; i < n; i += 8) {
        __m256 all = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(sum + i))));
        all = _mm256_add_ps(least, _mm256_mul_ps(step, all));
        if (line.times) all = _mm256_mul_ps(all, _mm256_loadu_ps(line.times + i));
        _mm256_storeu_ps(key + i, _mm256_add_ps(all, _mm256_add_ps(constant, _mm256_loadu_ps(line.plus + i))));
    }
}

static uint32_t at_most(const float *key, uint32_t n, float cut, uint32_t *index)
{
    const __m256 limit = _mm256_set1_ps(cut);
    uint32_t some = 0, i = 0;
    for (; n - i >= 32; i += 32) {
        uint32_t mask = 0;
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++)
            mask |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(key + i + 8 * p), limit, _CMP_NGT_UQ)) << 8 * p;
        for (; mask; mask &= mask - 1) index[some++] = i + (uint32_t)__builtin_ctz(mask);
    }
    for (; i < n; i++)
        if (!(key[i] > cut)) index[some++] = i;
    return some;
}

static uint32_t at_most_u16(const uint16_t *key, uint32_t n, uint16_t cut, uint32_t *index)
{
    const __m256i limit = _mm256_set1_epi16((int16_t)cut);
    uint32_t some = 0, i = 0;
    for (; n - i >= 32; i += 32) {
        __m256i first = _mm256_loadu_si256((const void *)(key + i)), second = _mm256_loadu_si256((const void *)(key + i + 16));
        first = _mm256_cmpeq_epi16(_mm256_min_epu16(first, limit), first);
        second = _mm256_cmpeq_epi16(_mm256_min_epu16(second, limit), second);
        __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(first, second), 0xd8); /* packing works in halves */
        for (uint32_t mask = (uint32_t)_mm256_movemask_epi8(bytes); mask; mask &= mask - 1)
            index[some++] = i + (uint32_t)__builtin_ctz(mask);
    }
    for (; i < n; i++)
        if (key[i] <= cut) index[some++] = i;
    return some;
}

const leann_kernels leann_kernels_avx2 = {
    .name = "avx2",
    .l2_f32 = l2_f32,
    .ip_f32 = ip_f32,
    .l2_u8 = l2_u8,
    .ip_u8 = ip_u8,
    .l2_f32_u8 = l2_f32_u8,
    .ip_f32_u8 = ip_f32_u8,
    .ip_f32_i8 = ip_f32_i8,
    .norm_f32 = norm_f32,
    .l2_f32_list = l2_f32_list,
    .ip_f32_list = ip_f32_list,
    .l2_f32_cut_list = l2_f32_cut_list,
    .l2_u8_list = l2_u8_list,
    .l2_f32_u8_list = l2_f32_u8_list,
    .ip_f32_u8_list = ip_f32_u8_list,
    .sq8_l2_list = sq8_l2_list,
    .sq8_ip_list = ip_f32_u8_list, /* the same sum */
    .sq4_l2_list = sq4_l2_list,
    .sq4_ip_list = sq4_ip_list,
    .adc8_list = leann_adc8_blocked,
    .adc4_list = adc4_list,
    .fastscan = leann_fastscan_avx2,
    .scan_keys = scan_keys,
    .at_most = at_most,
    .at_most_u16 = at_most_u16,
    .codebook_table = leann_codebook_table_avx2,
    .panels_f32 = leann_panels_f32_avx2,
    .codebook_nearest = leann_codebook_nearest_avx2,
    .codebook_below = leann_codebook_below_avx2,
    .ip_i16_u1_list = leann_ip_i16_u1_list_avx2,
    .ip_i16_u2_list = leann_ip_i16_u2_list_avx2,
    .ip_i16_u4_list = leann_ip_i16_u4_list_avx2,
    .hadamard_f32 = leann_hadamard_f32_avx2,
    .f32_from_u8 = f32_from_u8,
    .f32_from_f16 = f32_from_f16,
    .f16_from_f32 = f16_from_f32,
    .crc32c = leann_crc32c_sse42,
};
#endif
