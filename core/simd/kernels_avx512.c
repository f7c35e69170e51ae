/* kernels_avx512.c – the kernels for AVX-512 F, BW, VL, DQ and VNNI (Ice Lake and Zen 4 on).
 *
 * Float sums: 64 components a step, chunk c (16 components) in accumulator c mod 4, a masked last chunk, then ((0+1)+(2+3)) and halving.
 * List kernels do four rows at once, which share the loads of the query, and keep that order: a pair and a list give equal bits, and a
 * row's result does not depend on its place in a list. Integer sums are exact.
 * Cost: on Zen 4, which loads 64 bytes a cycle, two loads a chunk for a pair (784 floats: 31 ns) and 1.25 in a list (21 ns + 3 ns of
 * prefetches). While four rows are scored, the first KiB of the next four is asked for: their heads into the first cache at once, the
 * rest into the second in step with the work (all at once fills the miss buffers, all into the first cache throws out the query).
 * Measured there on 784 floats at random places of 256 MB, ns a row: 354 by pairs, 226 by fours without prefetch, 197 with the first eight
 * lines at once, 167 so. A run of wide rows goes one row at a time, a stream that the hardware's own prefetcher follows better than four:
 * 109 against 148 for 784 floats, 34 against 87 for 784 bytes.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wconversion" /* masks and lane counts: a cast on each line would hide the arithmetic */
#include <float.h>
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { CHUNK = 16, STEP = 64, ROWS = 4, LINE = 64, HEAD_BYTES = 256, AHEAD_BYTES = 1024 };

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

INLINE __mmask16 first_lanes(size_t rest)
{
    return rest >= CHUNK ? 0xffff : (__mmask16)((1u << rest) - 1);
}

/* Components j.. of a row as floats: all CHUNK of them when whole, else the first `rest` and zeros (4-bit rows: and a stray last half,
 * which meets a zero of the query). */
INLINE __m512 row_chunk(term t, const void *row, size_t j, bool whole, size_t rest)
{
    __mmask16 mask = whole ? 0xffff : first_lanes(rest);
    if (t == L2_F32 || t == IP_F32) {
        const float *x = (const float *)row + j;
        return whole ? _mm512_loadu_ps(x) : _mm512_maskz_loadu_ps(mask, x);
    }
    if (t == SQ4_L2 || t == SQ4_IP) {
        const uint8_t *x = (const uint8_t *)row + j / 2;
        __m128i packed = whole ? _mm_loadl_epi64((const void *)x) : _mm_maskz_loadu_epi8(first_lanes((rest + 1) / 2), x);
        /* Each lane gets the half of the row it lies in and shifts its code to the bottom: a table of 16 floats reads 4 bits only. */
        const __m512i side = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
        const __m512i shift = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
        const __m512 value = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        __m512i code = _mm512_srlv_epi32(_mm512_permutexvar_epi32(side, _mm512_castsi128_si512(packed)), shift);
        return _mm512_permutexvar_ps(code, value);
    }
    const uint8_t *x = (const uint8_t *)row + j;
    __m128i bytes = whole ? _mm_loadu_si128((const void *)x) : _mm_maskz_loadu_epi8(mask, x);
    return _mm512_cvtepi32_ps(t == IP_I8 ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
}

/* The part of the next rows that is due while components j.. of these are worked on: see the head of the file. */
INLINE void prefetch_step(term t, const void *const *next, size_t j)
{
    size_t at = row_bytes(t, j) + HEAD_BYTES;
    if (!next || at >= AHEAD_BYTES) return;
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
        for (size_t b = 0; b < row_bytes(t, STEP); b += LINE) _mm_prefetch((const char *)next[r] + at + b, _MM_HINT_T1);
}

/* One chunk of `rows` rows into accumulator `a` of each. */
INLINE void chunk(term t, const query *s, const void *const *row, int rows, size_t j, bool whole, __m512 (*acc)[4], int a)
{
    size_t rest = s->d - j;
    __mmask16 mask = whole ? 0xffff : first_lanes(rest);
    bool scaled = t == SQ8_L2 || t == SQ4_L2;
    const float *from = (const float *)s->q + j;
    __m512 q = whole ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(mask, from);
    __m512 scale = q;
    if (scaled) scale = whole ? _mm512_loadu_ps(s->scale + j) : _mm512_maskz_loadu_ps(mask, s->scale + j);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        __m512 x = row_chunk(t, row[r], j, whole, rest);
        if (t == IP_F32 || t == IP_U8 || t == IP_I8 || t == SQ4_IP) {
            acc[r][a] = _mm512_fmadd_ps(q, x, acc[r][a]);
        } else {
            __m512 diff = scaled ? _mm512_fnmadd_ps(scale, x, q) : _mm512_sub_ps(q, x);
            acc[r][a] = _mm512_fmadd_ps(diff, diff, acc[r][a]);
        }
    }
}

INLINE __m128 fold_to_four(const __m512 acc[4])
{
    __m512 sum = _mm512_add_ps(_mm512_add_ps(acc[0], acc[1]), _mm512_add_ps(acc[2], acc[3]));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

INLINE void score_floats(term t, const query *s, const void *const *row, const void *const *next, int rows, float *out)
{
    __m512 acc[ROWS][4];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) acc[r][0] = acc[r][1] = acc[r][2] = acc[r][3] = _mm512_setzero_ps();
    size_t j = 0;
    for (; j + STEP <= s->d; j += STEP) {
        prefetch_step(t, next, j);
        chunk(t, s, row, rows, j, true, acc, 0);
        chunk(t, s, row, rows, j + CHUNK, true, acc, 1);
        chunk(t, s, row, rows, j + 2 * CHUNK, true, acc, 2);
        chunk(t, s, row, rows, j + 3 * CHUNK, true, acc, 3);
    }
    if (j < s->d) chunk(t, s, row, rows, j, false, acc, 0);
    if (j + CHUNK < s->d) chunk(t, s, row, rows, j + CHUNK, false, acc, 1);
    if (j + 2 * CHUNK < s->d) chunk(t, s, row, rows, j + 2 * CHUNK, false, acc, 2);
    if (j + 3 * CHUNK < s->d) chunk(t, s, row, rows, j + 3 * CHUNK, false, acc, 3);
    if (rows == ROWS) {
        __m128 low = _mm_hadd_ps(fold_to_four(acc[0]), fold_to_four(acc[1]));
        __m128 high = _mm_hadd_ps(fold_to_four(acc[2]), fold_to_four(acc[3]));
        _mm_storeu_ps(out, _mm_hadd_ps(low, high));
    } else {
        __m128 four = fold_to_four(acc[0]);
        four = _mm_hadd_ps(four, four);
        *out = _mm_cvtss_f32(_mm_hadd_ps(four, four));
    }
}

/* ---- bytes against bytes: |a - b| in 8 bits, widened by zeros, squared and summed in pairs by VNNI; sums wrap at 2³², which is exact. */

INLINE __m512i byte_chunk(const uint8_t *x, size_t rest)
{
    return rest >= STEP ? _mm512_loadu_si512(x) : _mm512_maskz_loadu_epi8((1ull << rest) - 1, x);
}

/* The sum of the lanes by vector adds, which wrap; the compiler's own reduction ends in a signed add, which may not. */
INLINE uint32_t fold_dwords(__m512i sum)
{
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

INLINE void sum_bytes(const query *s, const void *const *row, const void *const *next, int rows, uint32_t *out)
{
    const uint8_t *q = s->q;
    size_t d = s->d;
    __m512i acc[ROWS][2];
    const __m512i zero = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) acc[r][0] = acc[r][1] = zero;
    for (size_t j = 0; j < d; j += STEP) {
        prefetch_step(BYTES_L2, next, j);
        __m512i a = byte_chunk(q + j, d - j);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            __m512i b = byte_chunk((const uint8_t *)row[r] + j, d - j);
            __m512i diff = _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b));
            __m512i low = _mm512_unpacklo_epi8(diff, zero), high = _mm512_unpackhi_epi8(diff, zero);
            acc[r][0] = _mm512_dpwssd_epi32(acc[r][0], low, low);
            acc[r][1] = _mm512_dpwssd_epi32(acc[r][1], high, high);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) out[r] = fold_dwords(_mm512_add_epi32(acc[r][0], acc[r][1]));
}

/* ---- pairs and lists */

INLINE void score(term t, const query *s, const void *const *row, const void *const *next, int rows, float *out)
{
    if (t == BYTES_L2) {
        uint32_t sum[ROWS];
        sum_bytes(s, row, next, rows, sum);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) out[r] = (float)sum[r];
    } else {
        score_floats(t, s, row, next, rows, out);
    }
}

/* Rows from.. of a list, their heads asked for; past the end the last row stands in. */
INLINE void next_rows(const leann_list *rows, uint32_t from, size_t bytes, const void **row)
{
#pragma GCC unroll 4
    for (uint32_t r = 0; r < ROWS; r++) {
        uint32_t last = rows->n - 1;
        row[r] = leann_list_row(rows, last - from < r || from > last ? last : from + r);
        for (size_t b = 0; b < bytes && b < HEAD_BYTES; b += LINE) _mm_prefetch((const char *)row[r] + b, _MM_HINT_T0);
    }
}

INLINE void score_list(term t, const query s, leann_list rows, float *out)
{
    const void *row[ROWS], *next[ROWS];
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
    for (; rows.n - i >= ROWS; i += ROWS) {
        memcpy(row, next, sizeof row);
        next_rows(&rows, i + ROWS, bytes, next);
        score(t, &s, row, next, ROWS, out + i);
    }
    for (uint32_t r = 0; i < rows.n; i++, r++) score(t, &s, next + r, NULL, 1, out + i);
}

/* ---- sums that stop at a cut: all rows of a list go through the components together, 64 at a time, and those past the cut stay behind.
 * The next 64 of a survivor are asked for while the others are summed. The order of a row's additions is that of score_floats. */

typedef struct {
    __m512 acc[4];
    const float *row;
    uint32_t at; /* where its key goes */
} partial;

INLINE float fold_to_one(const __m512 acc[4])
{
    __m128 four = fold_to_four(acc);
    four = _mm_hadd_ps(four, four);
    return _mm_cvtss_f32(_mm_hadd_ps(four, four));
}

INLINE void prefetch_floats(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += CHUNK) _mm_prefetch((const char *)(x + i), _MM_HINT_T0);
}

/* Components [j, j + STEP) of n rows, or the rest of the d; returns how many are still at or under the cut, moved to the front. */
INLINE uint32_t advance(const float *q, size_t d, size_t j, float cut, partial *rows, uint32_t n, float *out)
{
    __m512 part[4];
    __mmask16 mask[4];
    uint32_t kept = 0;
#pragma GCC unroll 4
    for (size_t c = 0; c < 4; c++) {
        mask[c] = d - j > c * CHUNK ? first_lanes(d - j - c * CHUNK) : 0;
        part[c] = _mm512_maskz_loadu_ps(mask[c], q + j + c * CHUNK);
    }
    for (uint32_t i = 0; i < n; i++) {
        partial *r = rows + i;
        __m512 acc[4];
#pragma GCC unroll 4
        for (size_t c = 0; c < 4; c++) {
            __m512 diff = _mm512_sub_ps(part[c], _mm512_maskz_loadu_ps(mask[c], r->row + j + c * CHUNK));
            acc[c] = _mm512_fmadd_ps(diff, diff, r->acc[c]);
        }
        out[r->at] = fold_to_one(acc);
        if (out[r->at] > cut) continue;
        if (d - j > STEP) prefetch_floats(r->row + j + STEP, d - j - STEP < STEP ? d - j - STEP : STEP);
        rows[kept].row = r->row;
        rows[kept].at = r->at;
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) rows[kept].acc[c] = acc[c];
        kept++;
    }
    return kept;
}

static void l2_f32_cut_list(const float *q, leann_list rows, size_t d, float cut, float *out)
{
    enum { GROUP = 32 }; /* rows that go together: their sums take 8 KiB of the first cache */
    partial part[GROUP];
    for (uint32_t first = 0; first < rows.n; first += GROUP) {
        uint32_t n = rows.n - first < GROUP ? rows.n - first : GROUP;
        for (uint32_t i = 0; i < n; i++) {
            part[i] = (partial){.row = leann_list_row(&rows, first + i), .at = first + i};
            prefetch_floats(part[i].row, d < STEP ? d : STEP);
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

/* VNNI multiplies unsigned by signed bytes: <a, b> = <a, b - 128> + 128 sum a. */
static uint32_t ip_u8(const uint8_t *a, const uint8_t *b, size_t d)
{
    const __m512i flip = _mm512_set1_epi8((char)0x80); /* b ^ flip = b - 128, and flip itself is -128 */
    __m512i acc = _mm512_setzero_si512(), shift = acc;
    for (size_t j = 0; j < d; j += STEP) {
        __m512i x = byte_chunk(a + j, d - j), y = byte_chunk(b + j, d - j);
        acc = _mm512_dpbusd_epi32(acc, x, _mm512_xor_si512(y, flip));
        shift = _mm512_dpbusd_epi32(shift, x, flip);
    }
    return fold_dwords(_mm512_sub_epi32(acc, shift));
}

/* ---- look-ups */

/* Sixteen rows at once, a lane each: a dword of a row holds eight codes, and a table of sixteen floats is one register. */
INLINE void adc4_rows(const float *table, const uint8_t *const row[16], size_t m, __m512 *sum)
{
    __m512 acc[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    size_t bytes = (m + 1) / 2;
    for (size_t b = 0; b < bytes; b += 16) {
        __mmask16 mask = first_lanes(bytes - b);
        __m512i part[4], mix[4], codes[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) { /* part k holds rows k, k + 4, k + 8, k + 12 */
            part[k] = _mm512_castsi128_si512(_mm_maskz_loadu_epi8(mask, row[k] + b));
            part[k] = _mm512_inserti32x4(part[k], _mm_maskz_loadu_epi8(mask, row[k + 4] + b), 1);
            part[k] = _mm512_inserti32x4(part[k], _mm_maskz_loadu_epi8(mask, row[k + 8] + b), 2);
            part[k] = _mm512_inserti32x4(part[k], _mm_maskz_loadu_epi8(mask, row[k + 12] + b), 3);
        }
        mix[0] = _mm512_unpacklo_epi32(part[0], part[1]);
        mix[1] = _mm512_unpacklo_epi32(part[2], part[3]);
        mix[2] = _mm512_unpackhi_epi32(part[0], part[1]);
        mix[3] = _mm512_unpackhi_epi32(part[2], part[3]);
        codes[0] = _mm512_unpacklo_epi64(mix[0], mix[1]);
        codes[1] = _mm512_unpackhi_epi64(mix[0], mix[1]);
        codes[2] = _mm512_unpacklo_epi64(mix[2], mix[3]);
        codes[3] = _mm512_unpackhi_epi64(mix[2], mix[3]);
        for (int k = 0; k < 4; k++) {
            size_t j = 2 * b + 8 * (size_t)k;
            for (size_t end = m < j + 8 ? m : j + 8; j < end; j++) { /* a look-up reads the low four bits of a lane */
                acc[j & 1] = _mm512_add_ps(acc[j & 1], _mm512_permutexvar_ps(codes[k], _mm512_loadu_ps(table + 16 * j)));
                codes[k] = _mm512_srli_epi32(codes[k], 4);
            }
        }
    }
    *sum = _mm512_add_ps(acc[0], acc[1]);
}

static void adc4_list(const float *table, leann_list rows, size_t m, float *out)
{
    for (uint32_t i = 0; i < rows.n; i += 16) {
        uint32_t left = rows.n - i;
        const uint8_t *row[16];
        for (uint32_t r = 0; r < 16; r++) {
            row[r] = leann_list_row(&rows, r < left ? i + r : i);
            if (left <= 16 + r) continue;
            const char *next = leann_list_row(&rows, i + 16 + r);
            for (size_t b = 0; b < m / 2 && b < HEAD_BYTES; b += LINE) _mm_prefetch(next + b, _MM_HINT_T0);
        }
        __m512 sum;
        adc4_rows(table, row, m, &sum);
        _mm512_mask_storeu_ps(out + i, first_lanes(left), sum);
    }
}

/* ---- selection */

static void scan_keys(const uint16_t *sum, size_t n, leann_scan_line line, float *key)
{
    const __m512 least = _mm512_set1_ps(line.least), step = _mm512_set1_ps(line.step), constant = _mm512_set1_ps(line.constant);
    for (size_t i = 0; i < n; i += CHUNK) {
        __m512 all = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(sum + i))));
        all = _mm512_add_ps(least, _mm512_mul_ps(step, all));
        if (line.times) all = _mm512_mul_ps(all, _mm512_loadu_ps(line.times + i));
        _mm512_storeu_ps(key + i, _mm512_add_ps(all, _mm512_add_ps(constant, _mm512_loadu_ps(line.plus + i))));
    }
}

static uint32_t at_most(const float *key, uint32_t n, float cut, uint32_t *index)
{
    const __m512 limit = _mm512_set1_ps(cut);
    uint32_t some = 0;
    for (uint32_t i = 0; i < n; i += 2 * CHUNK) {
        __mmask16 low = first_lanes(n - i), high = n - i > CHUNK ? first_lanes(n - i - CHUNK) : 0;
        low = _mm512_mask_cmp_ps_mask(low, _mm512_maskz_loadu_ps(low, key + i), limit, _CMP_NGT_UQ);
        high = _mm512_mask_cmp_ps_mask(high, _mm512_maskz_loadu_ps(high, key + i + CHUNK), limit, _CMP_NGT_UQ);
        for (uint32_t mask = _mm512_kunpackw(high, low); mask; mask &= mask - 1) index[some++] = i + (uint32_t)__builtin_ctz(mask);
    }
    return some;
}

static uint32_t at_most_u16(const uint16_t *key, uint32_t n, uint16_t cut, uint32_t *index)
{
    const __m512i limit = _mm512_set1_epi16((int16_t)cut);
    uint32_t some = 0;
    for (uint32_t i = 0; i < n; i += 2 * CHUNK) {
        __mmask32 there = n - i < 2 * CHUNK ? (1u << (n - i)) - 1 : UINT32_MAX;
        uint32_t mask = _mm512_mask_cmple_epu16_mask(there, _mm512_maskz_loadu_epi16(there, key + i), limit);
        for (; mask; mask &= mask - 1) index[some++] = i + (uint32_t)__builtin_ctz(mask);
    }
    return some;
}

/* ---- conversions */

static void f32_from_u8(const uint8_t *in, float *out, size_t n)
{
    for (size_t i = 0; i < n; i += CHUNK) {
        __mmask16 mask = first_lanes(n - i);
        _mm512_mask_storeu_ps(out + i, mask, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, in + i))));
    }
}

static leann_narrowed i8_from_f32(const float *in, const float *centre, int8_t *out, size_t n)
{
    __m512 most = _mm512_setzero_ps(), square = most, miss = most;
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += CHUNK) {
        __mmask16 mask = first_lanes(n - i);
        most =
            _mm512_max_ps(most, _mm512_abs_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, in + i), _mm512_maskz_loadu_ps(mask, centre + i))));
    }
    float largest = _mm512_reduce_max_ps(most);
    if (!(largest >= 1e-30F && largest <= FLT_MAX)) {
        memset(out, 0, n);
        return (leann_narrowed){largest, 0, 0, 0};
    }
    const __m512 steps = _mm512_set1_ps(127 / largest);
    for (size_t i = 0; i < n; i += CHUNK) {
        __mmask16 mask = first_lanes(n - i);
        __m512 x = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, in + i), _mm512_maskz_loadu_ps(mask, centre + i));
        x = _mm512_mul_ps(x, steps);
        __m512i nearest = _mm512_cvtps_epi32(x);
        __m512 left = _mm512_sub_ps(x, _mm512_cvtepi32_ps(nearest));
        square = _mm512_fmadd_ps(x, x, square);
        miss = _mm512_fmadd_ps(left, left, miss);
        sum = _mm512_add_epi32(sum, nearest);
        _mm_mask_storeu_epi8(out + i, mask, _mm512_cvtepi32_epi8(nearest));
    }
    return (leann_narrowed){largest, _mm512_reduce_add_ps(square), _mm512_reduce_add_ps(miss), _mm512_reduce_add_epi32(sum)};
}

static void f32_from_f16(const uint16_t *in, float *out, size_t n)
{
    for (size_t i = 0; i < n; i += CHUNK) {
        __mmask16 mask = first_lanes(n - i);
        _mm512_mask_storeu_ps(out + i, mask, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, in + i)));
    }
}

static void f16_from_f32(const float *in, uint16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i += CHUNK) {
        __mmask16 mask = first_lanes(n - i);
        __m256i half = _mm512_cvtps_ph(_mm512_maskz_loadu_ps(mask, in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm256_mask_storeu_epi16(out + i, mask, half);
    }
}

const leann_kernels leann_kernels_avx512 = {
    .name = "avx512",
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
    .fastscan = leann_fastscan_avx2, /* without VBMI: see kernels.c */
    .scan_keys = scan_keys,
    .at_most = at_most,
    .at_most_u16 = at_most_u16,
    .codebook_table = leann_codebook_table_avx512,
    .panels_f32 = leann_panels_f32_avx512,
    .panels_u8 = leann_panels_u8_avx512,
    .panels_i8 = leann_panels_i8_avx512,
    .codebook_nearest = leann_codebook_nearest_avx512,
    .codebook_below = leann_codebook_below_avx512,
    .ip_i16_u1_list = leann_ip_i16_u1_list_avx512,
    .ip_i16_u2_list = leann_ip_i16_u2_list_avx512,
    .ip_i16_u4_list = leann_ip_i16_u4_list_avx512,
    .hadamard_f32 = leann_hadamard_f32_avx512,
    .f32_from_u8 = f32_from_u8,
    .f32_from_f16 = f32_from_f16,
    .f16_from_f32 = f16_from_f32,
    .i8_from_f32 = i8_from_f32,
    .crc32c = leann_crc32c_sse42,
};
#endif
