/* kernels_scalar.c – the kernels in plain C, the oracle that the SIMD sets are held to; runs on any machine.
 *
 * Sums are kept in eight double lanes (term j in lane j mod 8) and folded in one fixed order, so a result is the true sum rounded to
 * float to within an ulp, with the same bits on every compiler and machine; integer sums are exact. A pair and a list give equal bits.
 * Inner products have their natural sign: who wants a key negates.
 * Cost: about one multiply and one add a component; a compiler may use the base ISA's two double lanes.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LANES = 8 };

static double fold(const double s[LANES])
{
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* The body of a sum of `term`, an expression in j, over j < count. */
#define SUM(count, term)                                                                                                                   \
    double s[LANES] = {0};                                                                                                                 \
    size_t whole = (count) / LANES * LANES, j = 0;                                                                                         \
    while (j < whole)                                                                                                                      \
        for (size_t l = 0; l < LANES; l++, j++) s[l] += (term);                                                                            \
    for (; j < (count); j++) s[j % LANES] += (term);                                                                                       \
    return (float)fold(s)

static double square(double x)
{
    return x * x;
}
static uint8_t half(const uint8_t *code, size_t j)
{
    return j & 1 ? code[j >> 1] >> 4 : code[j >> 1] & 15;
}

static float l2_f32(const float *a, const float *b, size_t d)
{
    SUM(d, square((double)a[j] - (double)b[j]));
}
static float ip_f32(const float *a, const float *b, size_t d)
{
    SUM(d, (double)a[j] * (double)b[j]);
}
static float l2_f32_u8(const float *a, const uint8_t *b, size_t d)
{
    SUM(d, square((double)a[j] - (double)b[j]));
}
static float ip_f32_u8(const float *a, const uint8_t *b, size_t d)
{
    SUM(d, (double)a[j] * (double)b[j]);
}
static float ip_f32_i8(const float *a, const int8_t *b, size_t d)
{
    SUM(d, (double)a[j] * (double)b[j]);
}
static float norm_f32(const float *a, size_t d)
{
    SUM(d, (double)a[j] * (double)a[j]);
}

static float sq8_l2(const float *q, const float *scale, const uint8_t *code, size_t d)
{
    SUM(d, square((double)q[j] - (double)scale[j] * (double)code[j]));
}

static float sq4_l2(const float *q, const float *scale, const uint8_t *code, size_t d)
{
    SUM(d, square((double)q[j] - (double)scale[j] * (double)half(code, j)));
}

static float sq4_ip(const float *q, const uint8_t *code, size_t d)
{
    SUM(d, (double)q[j] * (double)half(code, j));
}
static float adc8(const float *table, size_t k, const uint8_t *code, size_t m)
{
    SUM(m, (double)table[j * k + code[j]]);
}
static float adc4(const float *table, const uint8_t *code, size_t m)
{
    SUM(m, (double)table[j * 16 + half(code, j)]);
}

static uint32_t l2_u8(const uint8_t *a, const uint8_t *b, size_t d)
{
    uint32_t sum = 0; /* 65536 * 255² < 2³² */
    for (size_t j = 0; j < d; j++) {
        int32_t x = (int32_t)a[j] - (int32_t)b[j];
        sum += (uint32_t)(x * x);
    }
    return sum;
}

static uint32_t ip_u8(const uint8_t *a, const uint8_t *b, size_t d)
{
    uint32_t sum = 0;
    for (size_t j = 0; j < d; j++) sum += (uint32_t)a[j] * (uint32_t)b[j];
    return sum;
}

#define EACH_ROW(call)                                                                                                                     \
    for (uint32_t i = 0; i < rows.n; i++) {                                                                                                \
        const void *row = leann_list_row(&rows, i);                                                                                        \
        out[i] = (float)(call);                                                                                                            \
    }

static void l2_f32_list(const float *q, leann_list rows, size_t d, float *out)
{
    EACH_ROW(l2_f32(q, row, d))
}
static void ip_f32_list(const float *q, leann_list rows, size_t d, float *out)
{
    EACH_ROW(ip_f32(q, row, d))
}
static void l2_f32_cut_list(const float *q, leann_list rows, size_t d, float cut, float *out)
{
    (void)cut; /* whole sums are right too */
    l2_f32_list(q, rows, d, out);
}
static void l2_u8_list(const uint8_t *q, leann_list rows, size_t d, float *out)
{
    EACH_ROW(l2_u8(q, row, d))
}
static void l2_f32_u8_list(const float *q, leann_list rows, size_t d, float *out)
{
    EACH_ROW(l2_f32_u8(q, row, d))
}
static void ip_f32_u8_list(const float *q, leann_list rows, size_t d, float *out)
{
    EACH_ROW(ip_f32_u8(q, row, d))
}
static void sq8_l2_list(const float *q, const float *scale, leann_list rows, size_t d, float *out)
{
    EACH_ROW(sq8_l2(q, scale, row, d))
}
static void sq4_l2_list(const float *q, const float *scale, leann_list rows, size_t d, float *out)
{
    EACH_ROW(sq4_l2(q, scale, row, d))
}
static void sq4_ip_list(const float *q, leann_list rows, size_t d, float *out)
{
    EACH_ROW(sq4_ip(q, row, d))
}
static void adc8_list(const float *table, size_t k, leann_list rows, size_t m, float *out)
{
    EACH_ROW(adc8(table, k, row, m))
}
static void adc4_list(const float *table, leann_list rows, size_t m, float *out)
{
    EACH_ROW(adc4(table, row, m))
}

static void f32_from_u8(const uint8_t *in, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = (float)in[i];
}

/* IEEE 754 binary16 to binary32; a signalling NaN comes out quiet, as the hardware instructions do it. */
static float widen(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 0x3ffu, bits;
    if (exponent == 31)
        bits = sign | 0x7f800000u | (fraction << 13) | (fraction ? 0x400000u : 0u);
    else if (exponent)
        bits = sign | ((exponent + 112) << 23) | (fraction << 13);
    else { /* zero or subnormal: fraction * 2^-24 is exact in binary32 */
        float x = (float)fraction * 0x1p-24f;
        memcpy(&bits, &x, sizeof bits);
        bits |= sign;
    }
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint16_t narrow(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu)); /* NaN, quiet */
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);                               /* 65520 and above round to inf */
    if (magnitude < 0x33000000u) return (uint16_t)sign;                                            /* below 2^-25: zero */
    uint32_t keep, rest, unit;      /* the kept bits, those cut off, and the worth of the last kept bit */
    if (magnitude >= 0x38800000u) { /* normal: the exponent's bias goes from 127 to 15 */
        unit = 13;
        keep = (magnitude >> 13) - (112u << 10);
        rest = magnitude & 0x1fffu;
    } else { /* subnormal: shift the fraction with its hidden bit to units of 2^-24 */
        uint32_t fraction = (magnitude & 0x7fffffu) | 0x800000u;
        unit = 126 - (magnitude >> 23);
        keep = fraction >> unit;
        rest = fraction & ((1u << unit) - 1);
    }
    uint32_t tie = 1u << (unit - 1);
    if (rest > tie || (rest == tie && (keep & 1))) keep++; /* a carry into the exponent is what rounding asks for */
    return (uint16_t)(sign | keep);
}

static void f32_from_f16(const uint16_t *in, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = widen(in[i]);
}

static void f16_from_f32(const float *in, uint16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = narrow(in[i]);
}

/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), four bits a step; crc is that of the bytes before, 0 at the start. */
static uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
    static const uint32_t nibble[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const uint8_t *byte = data;
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc = nibble[(crc ^ byte[i]) & 15] ^ (crc >> 4);
        crc = nibble[(crc ^ (byte[i] >> 4)) & 15] ^ (crc >> 4);
    }
    return ~crc;
}

/* In lanes, which a compiler may use vectors for. */
static leann_narrowed i8_from_f32(const float *in, const float *centre, int8_t *out, size_t n)
{
    enum { SUMS = 8 };
    const float whole = 0x1.8p23F; /* added, leaves the nearest whole number in the lowest bits */
    float most[SUMS] = {0}, square[SUMS] = {0}, miss[SUMS] = {0};
    int32_t sum[SUMS] = {0};
    leann_narrowed all = {0, 0, 0, 0};
    for (size_t j = 0; j < n; j += SUMS)
        for (size_t l = 0; l < SUMS && j + l < n; l++) {
            float x = fabsf(in[j + l] - centre[j + l]);
            most[l] = x > most[l] ? x : most[l];
        }
    for (size_t l = 0; l < SUMS; l++) all.largest = most[l] > all.largest ? most[l] : all.largest;
    if (!(all.largest >= 1e-30F && all.largest <= FLT_MAX)) {
        memset(out, 0, n);
        return all;
    }
    float steps = 127 / all.largest;
    for (size_t j = 0; j < n; j += SUMS)
        for (size_t l = 0; l < SUMS && j + l < n; l++) {
            float x = (in[j + l] - centre[j + l]) * steps, nearest = (x + whole) - whole, left = x - nearest;
            out[j + l] = (int8_t)nearest;
            square[l] += x * x;
            miss[l] += left * left;
            sum[l] += out[j + l];
        }
    for (size_t l = 0; l < SUMS; l++) {
        all.square += square[l];
        all.miss += miss[l];
        all.sum += sum[l];
    }
    return all;
}

static void scan_keys(const uint16_t *sum, size_t n, leann_scan_line line, float *key)
{
    for (size_t i = 0; i < n; i++) {
        float all = line.least + line.step * (float)sum[i];
        if (line.times) all *= line.times[i];
        key[i] = all + (line.constant + line.plus[i]);
    }
}

static uint32_t at_most(const float *key, uint32_t n, float cut, uint32_t *index)
{
    uint32_t some = 0;
    for (uint32_t i = 0; i < n; i++) {
        index[some] = i;
        some += !(key[i] > cut);
    }
    return some;
}

static uint32_t at_most_u16(const uint16_t *key, uint32_t n, uint16_t cut, uint32_t *index)
{
    uint32_t some = 0;
    for (uint32_t i = 0; i < n; i++) {
        index[some] = i;
        some += key[i] <= cut;
    }
    return some;
}

const leann_kernels leann_kernels_scalar = {
    .name = "scalar",
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
    .adc8_list = adc8_list,
    .adc4_list = adc4_list,
    .fastscan = leann_fastscan_scalar,
    .fastscan8 = leann_fastscan8_scalar,
    .scan_keys = scan_keys,
    .at_most = at_most,
    .at_most_u16 = at_most_u16,
    .codebook_table = leann_codebook_table_scalar,
    .panels_f32 = leann_panels_f32_scalar,
    .panels_u8 = leann_panels_u8_scalar,
    .panels_i8 = leann_panels_i8_scalar,
    .codebook_nearest = leann_codebook_nearest_scalar,
    .codebook_below = leann_codebook_below_scalar,
    .ip_i16_u1_list = leann_ip_i16_u1_list_scalar,
    .ip_i16_u2_list = leann_ip_i16_u2_list_scalar,
    .ip_i16_u4_list = leann_ip_i16_u4_list_scalar,
    .hadamard_f32 = leann_hadamard_f32_scalar,
    .f32_from_u8 = f32_from_u8,
    .f32_from_f16 = f32_from_f16,
    .f16_from_f32 = f16_from_f32,
    .i8_from_f32 = i8_from_f32,
    .crc32c = crc32c,
};
