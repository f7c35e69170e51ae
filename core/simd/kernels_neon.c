/* kernels_neon.c – the kernels for 64-bit Arm: Advanced SIMD and the CRC-32C instruction (Armv8.0 with crc, Armv8.1 on).
 *
 * Float sums: 16 components a step, chunk c (4 components) in accumulator c mod 4, the last step padded with zeros, then ((0+1)+(2+3)) and
 * pairwise. List kernels do four rows at once, which share the loads of the query, and keep that order: a pair and a list give equal bits,
 * and a row's result does not depend on its place in a list. Integer sums are exact. Look-ups are plain C, like those of adc8.c.
 * Checked under an emulator; prefetch distances and look-ups have not been timed on a processor.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#if defined(__aarch64__)
#pragma GCC diagnostic ignored "-Wconversion" /* lane counts and masks: a cast on each line would hide the arithmetic */
#include <arm_acle.h>
#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { STEP = 16, ROWS = 4, LINE = 64, HEAD_BYTES = 512 };

/* What is summed, and of which type the row is; constants at every call, so each kernel is compiled for its own. */
typedef enum { L2_F32, IP_F32, L2_U8, IP_U8, IP_I8, SQ8_L2, SQ4_L2, SQ4_IP, BYTES_L2 } term;

typedef struct {   /* the side that a list shares */
    const void *q; /* floats, or bytes for BYTES_L2 */
    const float *scale;
    size_t d;
} query;

typedef struct {
    float32x4_t part[4];
} sixteen;

INLINE size_t row_bytes(term t, size_t d)
{
    if (t == L2_F32 || t == IP_F32) return 4 * d;
    return t == SQ4_L2 || t == SQ4_IP ? (d + 1) / 2 : d;
}

INLINE sixteen load_floats(const float *x)
{
    return (sixteen){{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
}

INLINE sixteen widen(uint8x16_t x)
{
    uint16x8_t low = vmovl_u8(vget_low_u8(x)), high = vmovl_u8(vget_high_u8(x));
    return (sixteen){{vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(low))),
                      vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(high)))}};
}

INLINE sixteen widen_signed(int8x16_t x)
{
    int16x8_t low = vmovl_s8(vget_low_s8(x)), high = vmovl_s8(vget_high_s8(x));
    return (sixteen){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
                      vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}

/* Sixteen components of a row as floats. */
INLINE sixteen load_row(term t, const void *at)
{
    if (t == L2_F32 || t == IP_F32) return load_floats(at);
    if (t == IP_I8) return widen_signed(vld1q_s8(at));
    if (t == SQ4_L2 || t == SQ4_IP) {
        uint8x8_t packed = vld1_u8(at);
        uint8x8x2_t codes = vzip_u8(vand_u8(packed, vdup_n_u8(15)), vshr_n_u8(packed, 4));
        return widen(vcombine_u8(codes.val[0], codes.val[1]));
    }
    return widen(vld1q_u8(at));
}

INLINE void add_step(term t, sixteen q, sixteen scale, sixteen x, float32x4_t acc[4])
{
    bool product = t == IP_F32 || t == IP_U8 || t == IP_I8 || t == SQ4_IP, scaled = t == SQ8_L2 || t == SQ4_L2;
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        if (product) {
            acc[c] = vfmaq_f32(acc[c], q.part[c], x.part[c]);
        } else {
            float32x4_t diff = scaled ? vfmsq_f32(q.part[c], scale.part[c], x.part[c]) : vsubq_f32(q.part[c], x.part[c]);
            acc[c] = vfmaq_f32(acc[c], diff, diff);
        }
    }
}

/* The last rest < STEP components of all sides, behind zeros: a code's stray last half meets a zero of the query. */
INLINE void add_rest(term t, const query *s, const void *const *row, int rows, size_t j, float32x4_t (*acc)[4])
{
    bool scaled = t == SQ8_L2 || t == SQ4_L2;
    size_t rest = s->d - j;
    float q[STEP] = {0}, scale[STEP] = {0};
    memcpy(q, (const float *)s->q + j, rest * sizeof *q);
    if (scaled) memcpy(scale, s->scale + j, rest * sizeof *scale);
    for (int r = 0; r < rows; r++) {
        float last[STEP] = {0}; /* room for any type of row */
        memcpy(last, (const char *)row[r] + row_bytes(t, j), row_bytes(t, rest));
        add_step(t, load_floats(q), load_floats(scale), load_row(t, last), acc[r]);
    }
}

INLINE void score_floats(term t, const query *s, const void *const *row, int rows, float *out)
{
    bool scaled = t == SQ8_L2 || t == SQ4_L2;
    float32x4_t acc[ROWS][4];
    size_t j = 0;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) acc[r][0] = acc[r][1] = acc[r][2] = acc[r][3] = vdupq_n_f32(0);
    for (; j + STEP <= s->d; j += STEP) {
        sixteen q = load_floats((const float *)s->q + j), scale = scaled ? load_floats(s->scale + j) : q;
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) add_step(t, q, scale, load_row(t, (const char *)row[r] + row_bytes(t, j)), acc[r]);
    }
    if (j < s->d) add_rest(t, s, row, rows, j, acc);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) out[r] = vaddvq_f32(vaddq_f32(vaddq_f32(acc[r][0], acc[r][1]), vaddq_f32(acc[r][2], acc[r][3])));
}

/* ---- bytes against bytes: products of 16 bits, summed in pairs to 32, which wrap: exact. */

/* Sixteen bytes, or the first `rest` and zeros. */
INLINE uint8x16_t load_bytes(const uint8_t *x, size_t rest)
{
    uint8_t last[16] = {0};
    if (rest >= 16) return vld1q_u8(x);
    memcpy(last, x, rest);
    return vld1q_u8(last);
}

INLINE uint32x4_t add_products(uint32x4_t acc, uint8x16_t a, uint8x16_t b)
{
    acc = vpadalq_u16(acc, vmull_u8(vget_low_u8(a), vget_low_u8(b)));
    return vpadalq_u16(acc, vmull_u8(vget_high_u8(a), vget_high_u8(b)));
}

INLINE void sum_bytes(const query *s, const void *const *row, int rows, uint32_t *out)
{
    const uint8_t *q = s->q;
    uint32x4_t acc[ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) acc[r] = vdupq_n_u32(0);
    for (size_t j = 0; j < s->d; j += STEP) {
        uint8x16_t a = load_bytes(q + j, s->d - j);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            uint8x16_t diff = vabdq_u8(a, load_bytes((const uint8_t *)row[r] + j, s->d - j));
            acc[r] = add_products(acc[r], diff, diff);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) out[r] = vaddvq_u32(acc[r]);
}

static uint32_t l2_u8(const uint8_t *a, const uint8_t *b, size_t d)
{
    const query s = {a, NULL, d};
    const void *row = b;
    uint32_t sum;
    sum_bytes(&s, &row, 1, &sum);
    return sum;
}

static uint32_t ip_u8(const uint8_t *a, const uint8_t *b, size_t d)
{
    uint32x4_t acc = vdupq_n_u32(0);
    for (size_t j = 0; j < d; j += STEP) acc = add_products(acc, load_bytes(a + j, d - j), load_bytes(b + j, d - j));
    return vaddvq_u32(acc);
}

/* ---- pairs and lists */

INLINE void score(term t, const query *s, const void *const *row, int rows, float *out)
{
    if (t == BYTES_L2) {
        uint32_t sum[ROWS];
        sum_bytes(s, row, rows, sum);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) out[r] = (float)sum[r];
    } else {
        score_floats(t, s, row, rows, out);
    }
}

/* Asks for the heads of rows from.. of a list. */
INLINE void prefetch_rows(const leann_list *rows, uint32_t from, size_t bytes)
{
    for (uint32_t i = from; i < rows->n && i - from < ROWS; i++) {
        const char *row = leann_list_row(rows, i);
        for (size_t b = 0; b < bytes && b < HEAD_BYTES; b += LINE) __builtin_prefetch(row + b);
    }
}

INLINE void score_list(term t, const query s, leann_list rows, float *out)
{
    const void *row[ROWS];
    size_t bytes = row_bytes(t, s.d);
    uint32_t i = 0;
    prefetch_rows(&rows, 0, bytes);
    for (; rows.n - i >= ROWS; i += ROWS) {
        prefetch_rows(&rows, i + ROWS, bytes);
#pragma GCC unroll 4
        for (uint32_t r = 0; r < ROWS; r++) row[r] = leann_list_row(&rows, i + r);
        score(t, &s, row, ROWS, out + i);
    }
    for (; i < rows.n; i++) {
        row[0] = leann_list_row(&rows, i);
        score(t, &s, row, 1, out + i);
    }
}

INLINE float pair(term t, const float *q, const void *row, size_t d)
{
    const query s = {q, NULL, d};
    float out;
    score(t, &s, &row, 1, &out);
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
static void l2_f32_cut_list(const float *q, leann_list rows, size_t d, float cut, float *out)
{
    (void)cut; /* whole sums are right too; stopping at the cut waits for a processor to time it on */
    l2_f32_list(q, rows, d, out);
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

/* ---- look-ups: four rows at once, so that four sums are under way */

static void adc4_list(const float *table, leann_list rows, size_t m, float *out)
{
    for (uint32_t i = 0; i < rows.n; i += ROWS) {
        uint32_t left = rows.n - i;
        const uint8_t *row[ROWS];
        float sum[ROWS] = {0};
        prefetch_rows(&rows, i + ROWS, (m + 1) / 2);
        for (uint32_t r = 0; r < ROWS; r++) row[r] = leann_list_row(&rows, r < left ? i + r : i);
        for (size_t j = 0; j < m; j++)
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; r++) sum[r] += table[16 * j + (row[r][j / 2] >> (j % 2 * 4) & 15)];
        memcpy(out + i, sum, (left < ROWS ? left : ROWS) * sizeof *sum);
    }
}

/* ---- conversions: the last few through a padded copy */

static void f32_from_u8(const uint8_t *in, float *out, size_t n)
{
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        sixteen x = widen(vld1q_u8(in + i));
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) vst1q_f32(out + i + 4 * c, x.part[c]);
    }
    for (; i < n; i++) out[i] = in[i];
}

INLINE void four_from_f16(const uint16_t *in, float *out)
{
    vst1q_f32(out, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(in))));
}
INLINE void four_to_f16(const float *in, uint16_t *out)
{
    vst1_u16(out, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(in))));
}

static void f32_from_f16(const uint16_t *in, float *out, size_t n)
{
    uint16_t last[4] = {0};
    float wide[4];
    size_t i = 0;
    for (; i + 4 <= n; i += 4) four_from_f16(in + i, out + i);
    if (i == n) return;
    memcpy(last, in + i, (n - i) * sizeof *in);
    four_from_f16(last, wide);
    memcpy(out + i, wide, (n - i) * sizeof *out);
}

static void f16_from_f32(const float *in, uint16_t *out, size_t n)
{
    float last[4] = {0};
    uint16_t half[4];
    size_t i = 0;
    for (; i + 4 <= n; i += 4) four_to_f16(in + i, out + i);
    if (i == n) return;
    memcpy(last, in + i, (n - i) * sizeof *in);
    four_to_f16(last, half);
    memcpy(out + i, half, (n - i) * sizeof *out);
}

/* CRC-32C by the instruction made for it, eight bytes a step; crc is that of the bytes before, 0 at the start. */
static uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *x = data;
    crc = ~crc;
    for (; bytes >= 8; bytes -= 8, x += 8) {
        uint64_t word;
        memcpy(&word, x, 8);
        crc = __crc32cd(crc, word);
    }
    for (; bytes > 0; bytes--) crc = __crc32cb(crc, *x++);
    return ~crc;
}

/* ---- selection */

static void scan_keys(const uint16_t *sum, size_t n, leann_scan_line line, float *key)
{
    const float32x4_t least = vdupq_n_f32(line.least), step = vdupq_n_f32(line.step), constant = vdupq_n_f32(line.constant);
    for (size_t i = 0; i < n; i += 4) {
        float32x4_t all = vaddq_f32(least, vmulq_f32(step, vcvtq_f32_u32(vmovl_u16(vld1_u16(sum + i)))));
        if (line.times) all = vmulq_f32(all, vld1q_f32(line.times + i));
        vst1q_f32(key + i, vaddq_f32(all, vaddq_f32(constant, vld1q_f32(line.plus + i))));
    }
}

static uint32_t at_most(const float *key, uint32_t n, float cut, uint32_t *index)
{
    const float32x4_t limit = vdupq_n_f32(cut);
    uint32_t some = 0, i = 0;
    for (; n - i >= 16; i += 16) {
        uint32x4_t above[4];
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++) above[p] = vcgtq_f32(vld1q_f32(key + i + 4 * p), limit);
        if (vminvq_u32(vandq_u32(vandq_u32(above[0], above[1]), vandq_u32(above[2], above[3])))) continue;
        for (uint32_t l = i; l < i + 16; l++)
            if (!(key[l] > cut)) index[some++] = l;
    }
    for (; i < n; i++)
        if (!(key[i] > cut)) index[some++] = i;
    return some;
}

static uint32_t at_most_u16(const uint16_t *key, uint32_t n, uint16_t cut, uint32_t *index)
{
    const uint16x8_t limit = vdupq_n_u16(cut);
    uint32_t some = 0, i = 0;
    for (; n - i >= 16; i += 16) {
        uint16x8_t least = vminq_u16(vld1q_u16(key + i), vld1q_u16(key + i + 8));
        if (!vmaxvq_u16(vcleq_u16(least, limit))) continue;
        for (uint32_t l = i; l < i + 16; l++)
            if (key[l] <= cut) index[some++] = l;
    }
    for (; i < n; i++)
        if (key[i] <= cut) index[some++] = i;
    return some;
}

const leann_kernels leann_kernels_neon = {
    .name = "neon",
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
    .fastscan = leann_fastscan_neon,
    .scan_keys = scan_keys,
    .at_most = at_most,
    .at_most_u16 = at_most_u16,
    .codebook_table = leann_codebook_table_neon,
    .panels_f32 = leann_panels_f32_neon,
    .codebook_nearest = leann_codebook_nearest_neon,
    .codebook_below = leann_codebook_below_neon,
    .ip_i16_u1_list = leann_ip_i16_u1_list_neon,
    .ip_i16_u2_list = leann_ip_i16_u2_list_neon,
    .ip_i16_u4_list = leann_ip_i16_u4_list_neon,
    .hadamard_f32 = leann_hadamard_f32_neon,
    .f32_from_u8 = f32_from_u8,
    .f32_from_f16 = f32_from_f16,
    .f16_from_f32 = f16_from_f32,
    .crc32c = crc32c,
};
#endif
