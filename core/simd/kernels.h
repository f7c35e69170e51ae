/* kernels.h – the SIMD kernels: one table an instruction set, chosen once at run time (LEANN_ISA=scalar|avx2|avx512|neon forces one).
 *
 * A table's *_list entries take a whole neighbour list: row i of the call is base + stride * (ids ? ids[i] : first + i). They prefetch
 * rows ahead themselves. Strides are in bytes; no alignment is asked for. The scalar set is the oracle of the others.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_KERNELS_H
#define LEANN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct { /* where the rows of a list are */
    const void *base;
    size_t stride;
    const uint32_t *ids; /* NULL: the run from first */
    uint32_t first, n;
} leann_list;

typedef struct { /* k centroids of d components by columns: component t of centroid c at column[t * stride + c]; k a multiple of 16 */
    const float *column, *norm; /* norm (k): |c|², INFINITY for a centroid that is not there */
    size_t d, k, stride;        /* stride in floats */
} leann_codebook;

typedef struct { /* rows by 16 and by columns: component t of row r of panel p is element (p * d + t) * 16 + r of column. Bytes: four
                  * components together, byte 4 * r + t % 4 of 64 from (p * d + t - t % 4) * 16 on; d a multiple of 4 */
    const void *column, *bias; /* bias (panels, 16), of the type of the keys */
    const float *scale;        /* (panels, 16), for panels_i8 alone, and start too */
    const int32_t *start;
    size_t d, panels;
} leann_panels;

typedef struct {        /* floats as bytes: code j stands for scale = largest / 127 times itself */
    float largest;      /* magnitude */
    float square, miss; /* in steps of scale, sums of squares: of the floats, and of what the codes leave of them */
    int32_t sum;        /* of the codes */
} leann_narrowed;
typedef struct { /* what becomes of the sums of a fast scan; plus and times (n) */
    float least, step, constant;
    const float *plus, *times;
} leann_scan_line;

typedef struct {
    const char *name; /* "scalar", "avx2", "avx512", "neon" */
    /* One pair. */
    float (*l2_f32)(const float *a, const float *b, size_t d);
    float (*ip_f32)(const float *a, const float *b, size_t d);
    uint32_t (*l2_u8)(const uint8_t *a, const uint8_t *b, size_t d); /* exact; d <= 65536 */
    uint32_t (*ip_u8)(const uint8_t *a, const uint8_t *b, size_t d);
    float (*l2_f32_u8)(const float *a, const uint8_t *b, size_t d); /* float query, byte row */
    float (*ip_f32_u8)(const float *a, const uint8_t *b, size_t d);
    float (*ip_f32_i8)(const float *a, const int8_t *b, size_t d);
    float (*norm_f32)(const float *a, size_t d); /* sum of squares */
    /* One query against a list: out[i]. */
    void (*l2_f32_list)(const float *q, leann_list rows, size_t d, float *out);
    void (*ip_f32_list)(const float *q, leann_list rows, size_t d, float *out);
    /* The same as l2_f32_list where the sum is at most cut; a row whose partial sum passes it is left there: any value above cut.
     * Sums only grow as they are rounded, so that no row at or under cut is left. Pays where leading components say most. */
    void (*l2_f32_cut_list)(const float *q, leann_list rows, size_t d, float cut, float *out);
    void (*l2_u8_list)(const uint8_t *q, leann_list rows, size_t d, float *out);
    void (*l2_f32_u8_list)(const float *q, leann_list rows, size_t d, float *out);
    void (*ip_f32_u8_list)(const float *q, leann_list rows, size_t d, float *out);
    /* Scalar quantiser, 8 bits: sum over j of (q[j] - scale[j] * code[j])² or of q[j] * code[j] (q already scaled by the caller). */
    void (*sq8_l2_list)(const float *q, const float *scale, leann_list rows, size_t d, float *out);
    void (*sq8_ip_list)(const float *q, leann_list rows, size_t d, float *out);
    /* The same with two codes a byte, component 2j in the low half. */
    void (*sq4_l2_list)(const float *q, const float *scale, leann_list rows, size_t d, float *out);
    void (*sq4_ip_list)(const float *q, leann_list rows, size_t d, float *out);
    /* ADC look-ups: sum over j < m of table[j * k + code[j]]; codes of one byte, k <= 256; and two codes a byte, k = 16. */
    void (*adc8_list)(const float *table, size_t k, leann_list rows, size_t m, float *out);
    void (*adc4_list)(const float *table, leann_list rows, size_t m, float *out);
    /* Fast scan for n queries, each with a table lut and sums out of its own, modulo 2^16: who wants the sums themselves keeps the columns'
     * largest entries within 65535 together. Blocks lie side by side and are not prefetched. 4 bits: block (blocks, m, 16), byte i of
     * column j holds the code of vector i in its low half, of vector i + 16 in its high half; out (blocks, 32): the sum over j < m of
     * lut[16 * j + code]. 8 bits: block (blocks, m, 64), byte i of column j the code of vector i; out (blocks, 64): the sum of
     * lut[256 * j + code]; NULL where adc8_list is no slower. */
    void (*fastscan)(const uint8_t *const *lut, size_t n, const uint8_t *block, size_t m, size_t blocks, uint16_t *const *out);
    void (*fastscan8)(const uint8_t *const *lut, size_t n, const uint8_t *block, size_t m, size_t blocks, uint16_t *const *out);
    /* Keys from such sums: key[i] = (least + step * sum[i]) * times[i] + (constant + plus[i]), times NULL: without the product; n a multiple
     * of 16. Each operation rounds once, so that every table gives the same bits. */
    void (*scan_keys)(const uint16_t *sum, size_t n, leann_scan_line line, float *key);
    /* Those i < n, ascending, with key[i] not above cut (NaN is not): index (n) out; returns how many. Made for few among many. */
    uint32_t (*at_most)(const float *key, uint32_t n, float cut, uint32_t *index);
    uint32_t (*at_most_u16)(const uint16_t *key, uint32_t n, uint16_t cut, uint32_t *index);
    /* Small codebooks (product quantisers). table: out (k) = norm (0 where that is NULL) + alpha <x, c>. nearest: for n rows stride
     * bytes apart the centroid of least norm - 2 <x, c>, the smaller one of equals, k <= 256; key NULL or (n): that least value.
     * below: bit c of out[i] (n) says that norm - 2 <x_i, c> is less than cut[i] (n), k = 64. */
    void (*codebook_table)(leann_codebook book, const float *x, float alpha, float *out);
    void (*codebook_nearest)(leann_codebook book, const float *x, size_t stride, size_t n, uint8_t *code, float *key);
    void (*codebook_below)(leann_codebook book, const float *x, size_t stride, size_t n, const float *cut, uint64_t *out);
    /* Products: n queries, stride components apart, by rows in panels; a key is bias + alpha <q, x>. pass (n, panels) out: bit r for a key
     * of row r that is not above cut (n); key (n, panels, 16): those of the panels that have such a bit. u8: rows are bytes, queries
     * signed, all sums modulo 2^32; i8: rows are signed, queries bytes, and the key is bias + alpha (n) scale (start + <q, x>) with the
     * sum in parentheses modulo 2^32; both NULL where converting to floats is no slower. */
    void (*panels_f32)(leann_panels rows, const float *q, size_t stride, size_t n, float alpha, const float *cut, float *key,
                       uint16_t *pass);
    void (*panels_u8)(leann_panels rows, const int8_t *q, size_t stride, size_t n, int32_t alpha, const int32_t *cut, int32_t *key,
                      uint16_t *pass);
    void (*panels_i8)(leann_panels rows, const uint8_t *q, size_t stride, size_t n, const float *alpha, const float *cut, float *key,
                      uint16_t *pass);
    /* Codes of 1, 2 and 4 bits against a query of whole numbers, component j = 256 high[j] + low[j]; d a multiple of 32, at most 65536.
     * With bytes = d bits / 8, component j of a code is the j / bytes-th group of bits, from the lowest, of byte j % bytes. out: the exact
     * sum over j of query times code, rounded to float once. A prefetch covers a row's whole stride: keep beside a code what it needs. */
    void (*ip_i16_u1_list)(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out);
    void (*ip_i16_u2_list)(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out);
    void (*ip_i16_u4_list)(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out);
    /* The Walsh-Hadamard transform in place, without a factor: twice gives n x. n a power of two. The same bits from every table. */
    void (*hadamard_f32)(float *x, size_t n);
    /* Conversions. */
    void (*f32_from_u8)(const uint8_t *in, float *out, size_t n);
    void (*f32_from_f16)(const uint16_t *in, float *out, size_t n);
    void (*f16_from_f32)(const float *in, uint16_t *out, size_t n); /* nearest, ties to even */
    /* in less centre as whole numbers in [-127, 127], the nearest ones, ties to even; zeros where the largest is below 1e-30 or
     * infinite. NULL where panels_i8 is. */
    leann_narrowed (*i8_from_f32)(const float *in, const float *centre, int8_t *out, size_t n);
    uint32_t (*crc32c)(uint32_t crc, const void *data, size_t bytes);
} leann_kernels;

/* The table in use: what LEANN_ISA names, or the best the machine has (also when it names none that runs here: cli/ refuses that, a
 * library cannot). Thread-safe. */
const leann_kernels *leann_kernels_get(void);
/* A table by name if this machine can run it, else NULL: for the tests and benchmarks. */
const leann_kernels *leann_kernels_named(const char *name);
extern const char *const leann_kernels_best_first[]; /* all names; NULL ends them */

/* What the fast scans read: n codes, stride bytes apart, -> ceil(n / 32) blocks of 16 m bytes, ceil(n / 64) of 64 m; zeros in the place of
 * vectors from n on. 4 bits: code 2j lies in the low half of byte j. */
void leann_fastscan_pack(const uint8_t *code, size_t stride, size_t n, size_t m, uint8_t *block);
void leann_fastscan8_pack(const uint8_t *code, size_t stride, size_t n, size_t m, uint8_t *block);

#endif
