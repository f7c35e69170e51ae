/* kernels_check.c – what kernels_check.h says. Rows, queries and outputs end at a page that cannot be touched, so that one byte read or
 * written too far is a fault with or without a sanitizer. Two kinds of data: small integers, whose sums are exact in float in any order and
 * must equal a plain loop; and reals, held to the scalar table within the bound of float summation.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/unit/kernels_check.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_D = 1024, MAX_ROWS = 300, MAX_K = 256 };

/* ---- memory with a forbidden page behind it */

typedef struct {
    char *map, *end;
    size_t bytes;
} guarded;

static guarded guarded_new(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes / page + 1) * page;
    guarded g = {.bytes = room + page};
    g.map = mmap(NULL, g.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect(g.map + room, page, PROT_NONE) != 0) {
        perror("guarded memory");
        exit(2);
    }
    g.end = g.map + room;
    return g;
}

static void guarded_free(guarded g)
{
    munmap(g.map, g.bytes);
}

/* ---- data */

static uint32_t random_bits(void)
{
    static uint64_t state = 1; /* one fixed stream (Knuth's MMIX generator): the same data in every run */
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static float random_float(bool exact)
{
    return exact ? (float)(random_bits() % 17) - 8 : (float)random_bits() * 0x1p-30f - 1;
}

typedef struct {
    guarded q_memory, scale_memory, byte_memory, table_memory, rows_memory, out_memory;
    float *q, *scale, *table;
    uint8_t *bytes; /* the query of the byte kernels */
    size_t d, k;
    bool exact;
} data;

/* The memory of one check; every fill() places the arrays so that they end at their guards. */
static data data_new(void)
{
    data x = {.q_memory = guarded_new(MAX_D * sizeof(float)), .scale_memory = guarded_new(MAX_D * sizeof(float))};
    x.byte_memory = guarded_new(MAX_D);
    x.table_memory = guarded_new((size_t)MAX_D * MAX_K * sizeof(float));
    x.rows_memory = guarded_new((size_t)MAX_ROWS * (MAX_D * sizeof(float) + 16));
    x.out_memory = guarded_new((MAX_ROWS + 1) * sizeof(float));
    return x;
}

static void data_free(data *x)
{
    guarded_free(x->q_memory);
    guarded_free(x->scale_memory);
    guarded_free(x->byte_memory);
    guarded_free(x->table_memory);
    guarded_free(x->rows_memory);
    guarded_free(x->out_memory);
}

static void data_fill(data *x, size_t d, size_t k, bool exact)
{
    x->d = d, x->k = k, x->exact = exact;
    x->q = (float *)(void *)x->q_memory.end - d;
    x->scale = (float *)(void *)x->scale_memory.end - d;
    x->bytes = (uint8_t *)x->byte_memory.end - d;
    x->table = (float *)(void *)x->table_memory.end - d * k;
    for (size_t j = 0; j < d; j++) {
        x->q[j] = random_float(exact);
        x->scale[j] = exact ? (float)(random_bits() % 4) : random_float(false) / 64;
        x->bytes[j] = (uint8_t)random_bits();
    }
    for (size_t j = 0; j < d * k; j++) x->table[j] = random_float(exact);
}

/* ---- list kernels */

typedef enum { FLOATS, BYTES, NIBBLES } row_type;

typedef struct {
    const char *name;
    row_type type;
    void (*call)(const leann_kernels *, const data *, leann_list, float *out);
    double (*term)(const data *, const void *row, size_t j); /* what is summed over j */
    double largest;                                          /* of a term, with real data */
} list_case;

static double square(double v)
{
    return v * v;
}
static double as_float(const void *row, size_t j)
{
    return (double)((const float *)row)[j];
}
static double as_byte(const void *row, size_t j)
{
    return ((const uint8_t *)row)[j];
}
static unsigned as_nibble(const void *row, size_t j)
{
    return ((unsigned)((const uint8_t *)row)[j / 2] >> (j % 2 ? 4 : 0)) & 15u;
}

static void call_l2_f32(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->l2_f32_list(x->q, l, x->d, out);
}
static void call_ip_f32(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->ip_f32_list(x->q, l, x->d, out);
}
static void call_l2_f32_cut(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->l2_f32_cut_list(x->q, l, x->d, INFINITY, out);
}
static void call_l2_u8(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->l2_u8_list(x->bytes, l, x->d, out);
}
static void call_l2_f32_u8(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->l2_f32_u8_list(x->q, l, x->d, out);
}
static void call_ip_f32_u8(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->ip_f32_u8_list(x->q, l, x->d, out);
}
static void call_sq8_l2(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->sq8_l2_list(x->q, x->scale, l, x->d, out);
}
static void call_sq8_ip(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->sq8_ip_list(x->q, l, x->d, out);
}
static void call_sq4_l2(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->sq4_l2_list(x->q, x->scale, l, x->d, out);
}
static void call_sq4_ip(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->sq4_ip_list(x->q, l, x->d, out);
}
static void call_adc8(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->adc8_list(x->table, x->k, l, x->d, out);
}
static void call_adc4(const leann_kernels *t, const data *x, leann_list l, float *out)
{
    t->adc4_list(x->table, l, x->d, out);
}

static double term_l2_f32(const data *x, const void *row, size_t j)
{
    return square((double)x->q[j] - as_float(row, j));
}
static double term_ip_f32(const data *x, const void *row, size_t j)
{
    return (double)x->q[j] * as_float(row, j);
}
static double term_l2_u8(const data *x, const void *row, size_t j)
{
    return square(x->bytes[j] - as_byte(row, j));
}
static double term_l2_f32_u8(const data *x, const void *row, size_t j)
{
    return square((double)x->q[j] - as_byte(row, j));
}
static double term_ip_f32_u8(const data *x, const void *row, size_t j)
{
    return (double)x->q[j] * as_byte(row, j);
}
static double term_sq8_l2(const data *x, const void *row, size_t j)
{
    return square((double)x->q[j] - (double)x->scale[j] * as_byte(row, j));
}
static double term_sq4_l2(const data *x, const void *row, size_t j)
{
    return square((double)x->q[j] - (double)x->scale[j] * as_nibble(row, j));
}
static double term_sq4_ip(const data *x, const void *row, size_t j)
{
    return (double)x->q[j] * as_nibble(row, j);
}
static double term_adc8(const data *x, const void *row, size_t j)
{
    return (double)x->table[j * x->k + ((const uint8_t *)row)[j]];
}
static double term_adc4(const data *x, const void *row, size_t j)
{
    return (double)x->table[j * 16 + as_nibble(row, j)];
}

static const list_case cases[] = {
    {"l2_f32_list", FLOATS, call_l2_f32, term_l2_f32, 4},
    {"ip_f32_list", FLOATS, call_ip_f32, term_ip_f32, 1},
    {"l2_u8_list", BYTES, call_l2_u8, term_l2_u8, 65025},
    {"l2_f32_u8_list", BYTES, call_l2_f32_u8, term_l2_f32_u8, 65536},
    {"ip_f32_u8_list", BYTES, call_ip_f32_u8, term_ip_f32_u8, 255},
    {"sq8_l2_list", BYTES, call_sq8_l2, term_sq8_l2, 25},
    {"sq8_ip_list", BYTES, call_sq8_ip, term_ip_f32_u8, 255},
    {"sq4_l2_list", NIBBLES, call_sq4_l2, term_sq4_l2, 2},
    {"sq4_ip_list", NIBBLES, call_sq4_ip, term_sq4_ip, 15},
    {"adc8_list", BYTES, call_adc8, term_adc8, 1},
    {"adc4_list", NIBBLES, call_adc4, term_adc4, 1},
    {"l2_f32_cut_list", FLOATS, call_l2_f32_cut, term_l2_f32, 4},
};

static size_t row_bytes(row_type type, size_t d)
{
    return type == FLOATS ? d * sizeof(float) : type == BYTES ? d : (d + 1) / 2;
}

/* n rows with `gap` bytes between them, the last ending at the guard. Where a byte is a code it stays below k; integers stay small. */
static leann_list fill_rows(const data *x, const list_case *c, uint32_t n, size_t gap)
{
    size_t bytes = row_bytes(c->type, x->d), stride = bytes + gap;
    char *base = x->rows_memory.end - (n ? (n - 1) * stride + bytes : 0);
    for (uint32_t i = 0; i < n; i++)
        for (size_t j = 0; j < (c->type == NIBBLES ? bytes : x->d); j++) {
            char *row = base + i * stride;
            if (c->type == FLOATS)
                ((float *)(void *)row)[j] = random_float(x->exact);
            else if (c->term == term_adc8)
                row[j] = (char)(random_bits() % x->k);
            else
                row[j] = (char)(random_bits() & (x->exact && c->type == BYTES && c->term != term_l2_u8 ? 31 : 255));
        }
    return (leann_list){.base = base, .stride = stride, .n = n};
}

static const void *row_at(const leann_list *l, uint32_t i)
{
    return (const char *)l->base + l->stride * (l->ids ? l->ids[i] : l->first + i);
}

static bool list_fails(const leann_kernels *t, const list_case *c, const data *x, leann_list l, char *why)
{
    float oracle[MAX_ROWS], *out = (float *)(void *)x->out_memory.end - l.n;
    out[-1] = 12345;
    memset(out, 0xff, l.n * sizeof *out);
    c->call(t, x, l, out);
    c->call(leann_kernels_named("scalar"), x, l, oracle);
    if (out[-1] != 12345.0f) {
        snprintf(why, KERNELS_WHY, "%s wrote before its output (d %zu, n %u)", c->name, x->d, l.n);
        return true;
    }
    double bound = x->exact || c->term == term_l2_u8 ? 0 : ((double)x->d + 4) * (double)x->d * c->largest * (double)FLT_EPSILON / 2;
    for (uint32_t i = 0; i < l.n; i++) {
        double want = (double)oracle[i];
        if (bound == 0) {
            want = 0;
            for (size_t j = 0; j < x->d; j++) want += c->term(x, row_at(&l, i), j);
            want = (double)(float)want;
        }
        if (!(fabs((double)out[i] - want) <= bound)) {
            snprintf(why, KERNELS_WHY, "%s row %u of %u, d %zu, k %zu, %s: %.9g, not %.9g (bound %g)", c->name, i, l.n, x->d, x->k,
                     l.ids ? "ids" : "run", (double)out[i], want, bound);
            return true;
        }
        float alone; /* a row's result does not depend on its place */
        leann_list one = {.base = row_at(&l, i), .stride = l.stride, .n = 1};
        c->call(t, x, one, &alone);
        if (memcmp(&alone, &out[i], sizeof alone) != 0) {
            snprintf(why, KERNELS_WHY, "%s row %u of %u, d %zu: %.9g in the list, %.9g alone", c->name, i, l.n, x->d, (double)out[i],
                     (double)alone);
            return true;
        }
    }
    return false;
}

/* One case at one d: lists of many lengths, runs and ids, both kinds of data. */
static bool case_fails(const leann_kernels *t, const list_case *c, data *x, size_t d, char *why)
{
    static const uint32_t lengths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 19};
    size_t count = sizeof lengths / sizeof *lengths;
    for (int exact = 0; exact < 2; exact++) {
        size_t k = c->term == term_adc4 ? 16 : c->term != term_adc8 ? 1 : d % 3 == 0 ? 256 : d % 3 == 1 ? 16 : 101;
        data_fill(x, d, k, exact);
        for (size_t i = 0; i < count + (d == 5 || d == 384); i++) {
            uint32_t n = i < count ? lengths[i] : MAX_ROWS, ids[MAX_ROWS];
            leann_list l = fill_rows(x, c, n, c->type == FLOATS ? 4 * (i % 4) : i % 4);
            if (list_fails(t, c, x, l, why)) return true;
            if (n > 2) {
                leann_list tail = l;
                tail.first = 2, tail.n = n - 2;
                if (list_fails(t, c, x, tail, why)) return true;
            }
            for (uint32_t r = 0; r < n; r++) ids[r] = random_bits() % n; /* any order, some twice */
            if (n) ids[0] = n - 1;
            l.ids = ids, l.first = 7; /* first has no meaning beside ids */
            if (list_fails(t, c, x, l, why)) return true;
        }
    }
    return false;
}

static const size_t wide[] = {96, 98, 100, 127, 128, 129, 255, 256, 257, 384, 768, 784, 960, 1023, 1024};

static bool lists(const leann_kernels *t, char *why)
{
    bool fails = false;
    data x = data_new();
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        for (size_t d = 0; d <= 70 && !fails; d++) fails = case_fails(t, &cases[c], &x, d, why);
        for (size_t i = 0; i < sizeof wide / sizeof *wide && !fails; i++) fails = case_fails(t, &cases[c], &x, wide[i], why);
    }
    data_free(&x);
    return !fails;
}

/* A cut leaves what is at or under it as it is, bit for bit, and the rest above it: at each row's own sum and next to it. */
static bool cut_fails(const leann_kernels *t, data *x, size_t d, char *why)
{
    enum { ROWS = 45 }; /* more than go together */
    float whole[ROWS], got[ROWS];
    data_fill(x, d, 1, false);
    leann_list rows = fill_rows(x, &cases[0], ROWS, 0);
    t->l2_f32_list(x->q, rows, d, whole);
    for (int i = 0; i < ROWS; i++)
        for (int side = -1; side <= 1; side++) {
            float cut = side == 0 ? whole[i] : nextafterf(whole[i], side < 0 ? 0 : INFINITY);
            t->l2_f32_cut_list(x->q, rows, d, cut, got);
            for (int r = 0; r < ROWS; r++) {
                if (whole[r] <= cut ? memcmp(&got[r], &whole[r], sizeof *got) == 0 : got[r] > cut) continue;
                snprintf(why, KERNELS_WHY, "l2_f32_cut_list d %zu row %d, cut %.9g: %.9g, the whole sum is %.9g", d, r, (double)cut,
                         (double)got[r], (double)whole[r]);
                return true;
            }
        }
    return false;
}

static bool cuts(const leann_kernels *t, char *why)
{
    bool fails = false;
    data x = data_new();
    for (size_t d = 1; d <= 140 && !fails; d += 3) fails = cut_fails(t, &x, d, why);
    for (size_t i = 0; i < sizeof wide / sizeof *wide && !fails; i++) fails = cut_fails(t, &x, wide[i], why);
    data_free(&x);
    return !fails;
}

/* ---- pairs: against a plain loop over integers, and bit for bit against the list form over reals */

static bool pair_fails(const leann_kernels *t, data *x, size_t d, bool exact, char *why)
{
    float got[6], want[6];
    data_fill(x, d, 1, exact);
    const uint8_t *bytes = fill_rows(x, &cases[3], 1, 0).base; /* small where exact */
    double sum[6] = {0};
    for (size_t j = 0; j < d; j++) {
        sum[0] += term_l2_f32_u8(x, bytes, j);
        sum[1] += term_ip_f32_u8(x, bytes, j);
        sum[2] += (double)x->q[j] * (double)((const int8_t *)bytes)[j];
        sum[3] += (double)x->q[j] * (double)x->q[j];
    }
    got[0] = t->l2_f32_u8(x->q, bytes, d), got[1] = t->ip_f32_u8(x->q, bytes, d);
    got[2] = t->ip_f32_i8(x->q, (const int8_t *)bytes, d), got[3] = t->norm_f32(x->q, d);
    leann_list row = {.base = bytes, .stride = d, .n = 1};
    t->l2_f32_u8_list(x->q, row, d, &want[0]);
    t->ip_f32_u8_list(x->q, row, d, &want[1]);
    const float *floats = fill_rows(x, &cases[0], 1, 0).base;
    for (size_t j = 0; j < d; j++) {
        sum[4] += term_l2_f32(x, floats, j);
        sum[5] += term_ip_f32(x, floats, j);
    }
    got[4] = t->l2_f32(x->q, floats, d), got[5] = t->ip_f32(x->q, floats, d);
    row = (leann_list){.base = floats, .stride = 4 * d, .n = 1};
    t->l2_f32_list(x->q, row, d, &want[4]);
    t->ip_f32_list(x->q, row, d, &want[5]);
    want[2] = got[2], want[3] = got[3]; /* without a list form */
    static const char *const names[] = {"l2_f32_u8", "ip_f32_u8", "ip_f32_i8", "norm_f32", "l2_f32", "ip_f32"};
    static const double largest[] = {65536, 255, 128, 1, 4, 1};
    for (int i = 0; i < 6; i++) {
        double bound = exact ? 0 : ((double)d + 4) * (double)d * largest[i] * (double)FLT_EPSILON / 2;
        if (fabs((double)got[i] - sum[i]) <= bound && memcmp(&got[i], &want[i], sizeof *got) == 0) continue;
        snprintf(why, KERNELS_WHY, "%s d %zu: %.9g, not %.9g (bound %g), in a list %.9g", names[i], d, (double)got[i], sum[i], bound,
                 (double)want[i]);
        return true;
    }
    return false;
}

static bool pairs(const leann_kernels *t, char *why)
{
    bool fails = false;
    data x = data_new();
    for (size_t d = 0; d <= 200 && !fails; d++) fails = pair_fails(t, &x, d, d % 2, why) || pair_fails(t, &x, d, !(d % 2), why);
    for (size_t i = 0; i < sizeof wide / sizeof *wide && !fails; i++)
        fails = pair_fails(t, &x, wide[i], true, why) || pair_fails(t, &x, wide[i], false, why);
    data_free(&x);
    return !fails;
}

/* Bytes against bytes are exact up to the largest d and the largest values. */
static bool bytes(const leann_kernels *t, char *why)
{
    enum { LARGEST = 65536 };
    guarded left = guarded_new(LARGEST), right = guarded_new(LARGEST);
    bool fails = false;
    for (size_t d = 0; d <= LARGEST && !fails; d = d < 300 ? d + 1 : d < 1024 ? d + 97 : d == LARGEST ? d + 1 : LARGEST)
        for (int kind = 0; kind < 3 && !fails; kind++) {
            uint8_t *a = (uint8_t *)left.end - d, *b = (uint8_t *)right.end - d;
            uint32_t l2 = 0, ip = 0;
            for (size_t j = 0; j < d; j++) {
                a[j] = kind == 0 ? (uint8_t)random_bits() : 255;
                b[j] = kind == 0 ? (uint8_t)random_bits() : kind == 1 ? 255 : 0;
                l2 += (uint32_t)((a[j] - b[j]) * (a[j] - b[j]));
                ip += (uint32_t)(a[j] * b[j]);
            }
            fails = t->l2_u8(a, b, d) != l2 || t->ip_u8(a, b, d) != ip;
            if (fails)
                snprintf(why, KERNELS_WHY, "d %zu: l2_u8 %u, not %u; ip_u8 %u, not %u", d, t->l2_u8(a, b, d), l2, t->ip_u8(a, b, d), ip);
        }
    guarded_free(left);
    guarded_free(right);
    return !fails;
}

/* ---- fast scans: packed codes, against plain sums modulo 2^16 */

/* n codes of m columns of 4 or 8 bits, six queries; kind of table: any bytes, the largest, the least and the largest. */
static bool fastscan_fails(const leann_kernels *t, const data *x, size_t bits, size_t m, size_t n, int kind, char *why)
{
    enum { QUERIES = 6 };
    size_t stride = (m * bits + 7) / 8 + m % 3, entries = (size_t)1 << bits, lanes = bits * 8, blocks = (n + lanes - 1) / lanes;
    size_t bytes = blocks * m * lanes * bits / 8, queries = 1 + m % QUERIES;
    guarded lut_memory = guarded_new(queries * entries * m), block_memory = guarded_new(bytes);
    guarded out_memory = guarded_new(queries * blocks * lanes * 2);
    uint8_t *lut[QUERIES], *block = (uint8_t *)block_memory.end - bytes, *code = (uint8_t *)x->rows_memory.end - n * stride;
    uint16_t *out[QUERIES];
    bool fails = false;
    for (size_t j = 0; j < n * stride; j++) code[j] = (uint8_t)random_bits();
    for (size_t q = 0; q < queries; q++) {
        lut[q] = (uint8_t *)lut_memory.end - (q + 1) * entries * m;
        out[q] = (uint16_t *)(void *)out_memory.end - (q + 1) * blocks * lanes;
        for (size_t j = 0; j < entries * m; j++)
            lut[q][j] = kind == 0 ? (uint8_t)random_bits() : kind == 1 ? 255 : (uint8_t)(random_bits() % 2 * 255);
    }
    (bits == 4 ? leann_fastscan_pack : leann_fastscan8_pack)(code, stride, n, m, block);
    (bits == 4 ? t->fastscan : t->fastscan8)((const uint8_t *const *)lut, queries, block, m, blocks, out);
    for (size_t i = 0; i < queries * blocks * lanes && !fails; i++) {
        size_t q = i / (blocks * lanes), v = i % (blocks * lanes);
        const uint8_t *row = code + v * stride;
        unsigned want = 0;
        for (size_t j = 0; j < m; j++) want += lut[q][entries * j + (v >= n ? 0 : bits == 4 ? as_nibble(row, j) : row[j])];
        fails = out[q][v] != (want & 65535);
        if (fails)
            snprintf(why, KERNELS_WHY, "%zu bits, m %zu, query %zu of %zu, code %zu of %zu: %u, not %u", bits, m, q, queries, v, n,
                     out[q][v], want & 65535);
    }
    guarded_free(lut_memory);
    guarded_free(block_memory);
    guarded_free(out_memory);
    return fails;
}

static bool fastscans(const leann_kernels *t, char *why)
{
    static const size_t lengths[] = {1, 31, 32, 33, 63, 64, 65, 100};
    bool fails = false;
    data x = data_new();
    for (size_t m = 1; m <= 600 && !fails; m += m < 40 ? 1 : 59) /* 600 columns of 255 pass 65535 twice */
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths && !fails; i++)
            for (int kind = 0; kind < 3 && !fails; kind++)
                fails = fastscan_fails(t, &x, 4, m, lengths[i], kind, why) ||
                        (t->fastscan8 && fastscan_fails(t, &x, 8, m, lengths[i], kind, why));
    data_free(&x);
    return !fails;
}

/* ---- panels: small integers, which floats hold exactly, and bytes up to the largest */

typedef enum { PANELS_F32, PANELS_U8, PANELS_I8 } panels_type;

/* Component j of a row or a query. */
static int64_t panels_at(panels_type type, bool row, const char *x, size_t j)
{
    if (type == PANELS_F32) return (int64_t)((const float *)(const void *)x)[j];
    return row == (type == PANELS_U8) ? ((const uint8_t *)x)[j] : ((const int8_t *)x)[j];
}

/* n queries, `panels` panels of d components; kind of bytes: any, or all bits or but the highest: the largest and the least that there
 * are, whose keys have few digits. */
static bool panels_fail(const leann_kernels *t, panels_type type, size_t d, size_t n, size_t panels, int kind, char *why)
{
    static const char *const names[] = {"f32", "u8", "i8"}, row_kinds[][2] = {{(char)255, (char)255}, {(char)128, 127}},
                             query_kinds[][2] = {{(char)128, 127}, {(char)255, (char)255}};
    bool bytes = type != PANELS_F32, whole = type == PANELS_U8;
    size_t unit = bytes ? 1 : sizeof(float), depth = bytes ? (d + 3) / 4 * 4 : d, stride = depth + (bytes ? 4 : 3);
    guarded rows_memory = guarded_new(panels * depth * 16 * unit), q_memory = guarded_new(n * stride * unit);
    guarded key_memory = guarded_new(n * panels * 16 * 4), pass_memory = guarded_new(n * panels * 2);
    char *rows = rows_memory.end - panels * depth * 16 * unit, *q = q_memory.end - ((n - 1) * stride + depth) * unit;
    float cut[32], alpha[32], bias[16 * 16], scale[16 * 16], *key = (float *)(void *)key_memory.end - n * panels * 16;
    int32_t cut8[32], bias8[16 * 16], start[16 * 16], *key8 = (int32_t *)(void *)key;
    uint16_t *pass = (uint16_t *)(void *)pass_memory.end - n * panels;
    bool fails = false;
    for (size_t i = 0; i < panels * depth * 16; i++)
        if (bytes)
            rows[i] = kind ? row_kinds[type - PANELS_U8][kind - 1] : (char)random_bits();
        else
            ((float *)(void *)rows)[i] = random_float(true);
    for (size_t i = 0; i < (n - 1) * stride + depth; i++)
        if (bytes)
            q[i] = kind ? query_kinds[type - PANELS_U8][kind - 1] : (char)random_bits();
        else
            ((float *)(void *)q)[i] = random_float(true);
    for (size_t r = 0; r < panels * 16; r++) {
        bias8[r] = kind ? 0 : (int32_t)(random_bits() % 100), bias[r] = (float)bias8[r];
        scale[r] = (float)(1 << random_bits() % 4);
        start[r] = kind ? 0 : (int32_t)(random_bits() % 1000) - 500;
    }
    for (size_t i = 0; i < n; i++) {
        cut8[i] = i % 3 == 0 ? INT32_MAX : (int32_t)(random_bits() % 64) - 20, cut[i] = i % 3 == 0 ? INFINITY : (float)cut8[i];
        alpha[i] = type == PANELS_I8 && i % 2 ? 1 : -2;
    }
    leann_panels all = {rows, whole ? (const void *)bias8 : bias, scale, start, depth, panels};
    if (type == PANELS_F32) t->panels_f32(all, (const float *)(const void *)q, stride, n, -2, cut, key, pass);
    if (type == PANELS_U8) t->panels_u8(all, (const int8_t *)q, stride, n, -2, cut8, key8, pass);
    if (type == PANELS_I8) t->panels_i8(all, (const uint8_t *)q, stride, n, alpha, cut, key, pass);
    for (size_t i = 0; i < n && !fails; i++)
        for (size_t r = 0; r < panels * 16 && !fails; r++) {
            int64_t want = type == PANELS_I8 ? start[r] : 0;
            size_t at = i * panels * 16 + r, first = r / 16 * depth * 16;
            for (size_t j = 0; j < depth; j++)
                want += panels_at(type, false, q + i * stride * unit, j) *
                        panels_at(type, true, rows, first + (bytes ? j / 4 * 64 + r % 16 * 4 + j % 4 : j * 16 + r % 16));
            want = bias8[r] + (int64_t)alpha[i] * want * (type == PANELS_I8 ? (int64_t)scale[r] : 1);
            bool under = whole ? (int32_t)want <= cut8[i] : !((double)want > (double)cut[i]);
            fails =
                (pass[at / 16] >> at % 16 & 1) != under || (under && (whole ? key8[at] != (int32_t)want : (double)key[at] != (double)want));
            if (fails)
                snprintf(why, KERNELS_WHY, "panels of %s, d %zu, query %zu of %zu, row %zu: %g (passes: %d), not %lld", names[type], d, i,
                         n, r, whole ? (double)key8[at] : (double)key[at], pass[at / 16] >> at % 16 & 1, (long long)want);
        }
    guarded_free(rows_memory);
    guarded_free(q_memory);
    guarded_free(key_memory);
    guarded_free(pass_memory);
    return fails;
}

static bool panels(const leann_kernels *t, char *why)
{
    static const size_t depths[] = {1, 2, 3, 4, 5, 8, 15, 16, 33, 100};
    panels_type last = t->panels_u8 ? PANELS_I8 : PANELS_F32;
    bool fails = false;
    for (panels_type type = PANELS_F32; type <= last; type++)
        for (size_t i = 0; i < sizeof depths / sizeof *depths && !fails; i++)
            for (size_t n = 1; n <= 20 && !fails; n += n < 9 ? 1 : 5)
                for (size_t p = 1; p <= 7 && !fails; p++) fails = panels_fail(t, type, depths[i], n, p, 0, why);
    for (panels_type type = PANELS_U8; type <= last && !fails; type++)
        for (int kind = 1; kind < 3 && !fails; kind++) fails = panels_fail(t, type, 32768, 9, 2, kind, why);
    return !fails;
}

/* Codes are the nearest, of any count and scale; sums of squares are those of the steps. */
static bool narrowing_bytes(const leann_kernels *t, char *why)
{
    enum { MOST = 150 };
    static const float scales[] = {1, 1e-20F, 1e20F, 1e-35F};
    bool fails = false;
    for (size_t n = 1; n <= MOST && t->i8_from_f32 && !fails; n++)
        for (size_t c = 0; c < sizeof scales / sizeof *scales && !fails; c++) {
            guarded in_memory = guarded_new(n * sizeof(float)), centre_memory = guarded_new(n * sizeof(float)), out_memory = guarded_new(n);
            float *in = (float *)(void *)in_memory.end - n, *centre = (float *)(void *)centre_memory.end - n, largest = 0;
            int8_t *out = (int8_t *)out_memory.end - n;
            double square = 0, miss = 0;
            int32_t sum = 0;
            for (size_t j = 0; j < n; j++) {
                in[j] = random_float(false) * scales[c], centre[j] = random_float(false) * scales[c];
                largest = fmaxf(largest, fabsf(in[j] - centre[j]));
            }
            leann_narrowed got = t->i8_from_f32(in, centre, out, n);
            float steps = largest < 1e-30F ? 0 : 127 / largest;
            for (size_t j = 0; j < n; j++) {
                float x = (in[j] - centre[j]) * steps;
                fails |= out[j] != lrintf(x);
                square += (double)x * (double)x;
                miss += (double)(x - rintf(x)) * (double)(x - rintf(x));
                sum += out[j];
            }
            fails |= got.largest != largest || got.sum != sum || fabs((double)got.square - square) > 1e-5 * square ||
                     fabs((double)got.miss - miss) > 1e-5 * miss;
            if (fails) snprintf(why, KERNELS_WHY, "i8_from_f32 of %zu at %g", n, (double)scales[c]);
            guarded_free(in_memory);
            guarded_free(centre_memory);
            guarded_free(out_memory);
        }
    return !fails;
}

/* ---- selection */

/* Sums of a scan become keys: equal to the bit. */
static bool scan_lines(const leann_kernels *t, char *why)
{
    enum { MOST = 160 };
    guarded memory[4];
    for (int i = 0; i < 4; i++) memory[i] = guarded_new(MOST * sizeof(float));
    bool fails = false;
    for (size_t n = 16; n <= MOST && !fails; n += 16)
        for (int scaled = 0; scaled < 2 && !fails; scaled++) {
            uint16_t *sum = (uint16_t *)(void *)memory[0].end - n;
            float *plus = (float *)(void *)memory[1].end - n, *times = (float *)(void *)memory[2].end - n,
                  *key = (float *)(void *)memory[3].end - n, want[MOST];
            for (size_t i = 0; i < n; i++) {
                sum[i] = i % 7 == 3 ? 65535 : (uint16_t)random_bits();
                plus[i] = i % 9 == 5 ? INFINITY : random_float(false);
                times[i] = random_float(false);
            }
            leann_scan_line line = {random_float(false), 0.37F, random_float(false), plus, scaled ? times : NULL};
            t->scan_keys(sum, n, line, key);
            leann_kernels_named("scalar")->scan_keys(sum, n, line, want);
            fails = memcmp(key, want, n * sizeof *key) != 0;
            if (fails) snprintf(why, KERNELS_WHY, "scan_keys of %zu, %s: other bits than scalar", n, scaled ? "scaled" : "not scaled");
        }
    for (int i = 0; i < 4; i++) guarded_free(memory[i]);
    return !fails;
}

static bool selection(const leann_kernels *t, char *why)
{
    enum { MOST = 200 };
    guarded key_memory = guarded_new(MOST * sizeof(float)), index_memory = guarded_new(MOST * sizeof(uint32_t));
    guarded whole_memory = guarded_new(MOST * sizeof(uint16_t));
    bool fails = false;
    for (uint32_t n = 0; n <= MOST && !fails; n++)
        for (uint32_t one_in = 1; one_in < 60 && !fails; one_in = one_in * 3 + 1) {
            float *key = (float *)(void *)key_memory.end - n;
            uint16_t *whole = (uint16_t *)(void *)whole_memory.end - n;
            uint32_t *index = (uint32_t *)(void *)index_memory.end - n, want = 0;
            for (uint32_t i = 0; i < n; i++) key[i] = random_bits() % one_in ? 5 : (float)(random_bits() % 3);
            for (uint32_t i = 0; i < n; i++) whole[i] = key[i] > 1 ? (uint16_t)(60000 + i) : (uint16_t)(40000 * key[i]);
            uint32_t few = t->at_most_u16(whole, n, 40000, index);
            for (uint32_t i = 0; i < n; i++)
                if (whole[i] <= 40000) {
                    fails |= want >= few || index[want] != i;
                    want++;
                }
            fails |= few != want || t->at_most_u16(whole, n, UINT16_MAX, index) != n;
            want = 0;
            if (n > 20) key[n / 2] = NAN, key[n / 3] = INFINITY, key[n / 4] = -INFINITY;
            uint32_t some = t->at_most(key, n, 1, index);
            for (uint32_t i = 0; i < n; i++)
                if (!(key[i] > 1)) {
                    fails |= want >= some || index[want] != i;
                    want++;
                }
            fails |= some != want || t->at_most(key, n, INFINITY, index) != n;
            if (fails) snprintf(why, KERNELS_WHY, "at_most of %u, one in %u: %u found, not %u, or others", n, one_in, some, want);
        }
    guarded_free(key_memory);
    guarded_free(index_memory);
    guarded_free(whole_memory);
    return !fails;
}

/* ---- codebooks: small integers, so that sums are exact and ties are common */

static bool codebook_fails(const leann_kernels *t, const data *x, size_t d, size_t k, char *why)
{
    enum { ROWS = 7 };
    size_t lanes = (k + 15) / 16 * 16;
    leann_codebook book = {.column = x->table, .d = d, .k = lanes, .stride = lanes};
    float norm[MAX_K], out[MAX_K], key[ROWS], cut[ROWS], *norms = (float *)(void *)x->scale_memory.end - lanes;
    uint8_t code[ROWS];
    uint64_t bits[ROWS];
    float *rows = (float *)(void *)x->rows_memory.end - (ROWS - 1) * (d + 1) - d;
    for (size_t c = 0; c < lanes; c++) {
        norm[c] = c < k ? 0 : INFINITY;
        for (size_t j = 0; j < d && c < k; j++) norm[c] += book.column[j * lanes + c] * book.column[j * lanes + c];
    }
    memcpy(norms, norm, lanes * sizeof *norm);
    book.norm = norms;
    for (size_t j = 0; j < (ROWS - 1) * (d + 1) + d; j++) rows[j] = random_float(true);
    t->codebook_table(book, rows, -2, out);
    t->codebook_nearest(book, rows, (d + 1) * sizeof(float), ROWS, code, key);
    for (size_t r = 0; r < ROWS; r++) cut[r] = out[r % k]; /* keys of row 0, so that some are equal */
    if (lanes == 64) t->codebook_below(book, rows, (d + 1) * sizeof(float), ROWS, cut, bits);
    for (size_t r = 0; r < ROWS; r++) {
        double least = INFINITY, wants[MAX_K];
        size_t at = 0;
        for (size_t c = 0; c < k; c++) {
            double want = (double)norm[c];
            for (size_t j = 0; j < d; j++) want -= 2 * (double)rows[r * (d + 1) + j] * (double)book.column[j * lanes + c];
            wants[c] = want;
            if (want < least) least = want, at = c;
            if (r > 0 || (double)out[c] == want) continue;
            snprintf(why, KERNELS_WHY, "codebook_table d %zu, k %zu, centroid %zu: %g, not %g", d, k, c, (double)out[c], want);
            return true;
        }
        if (lanes == 64) {
            uint64_t below = 0;
            for (size_t c = 0; c < k; c++) below |= (uint64_t)(wants[c] < (double)cut[r]) << c;
            if (bits[r] != below) {
                snprintf(why, KERNELS_WHY, "codebook_below d %zu, k %zu, row %zu: %llx, not %llx", d, k, r, (unsigned long long)bits[r],
                         (unsigned long long)below);
                return true;
            }
        }
        if (code[r] == at && (double)key[r] == least) continue;
        snprintf(why, KERNELS_WHY, "codebook_nearest d %zu, k %zu, row %zu: %u at %g, not %zu at %g", d, k, r, code[r], (double)key[r], at,
                 least);
        return true;
    }
    return false;
}

static bool codebooks(const leann_kernels *t, char *why)
{
    static const size_t sizes[] = {1, 2, 15, 16, 17, 63, 64, 100, 255, 256};
    bool fails = false;
    data x = data_new();
    for (size_t d = 1; d <= 33 && !fails; d++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !fails; i++) {
            data_fill(&x, d, (sizes[i] + 15) / 16 * 16, true);
            fails = codebook_fails(t, &x, d, sizes[i], why);
        }
    data_free(&x);
    return !fails;
}

/* ---- codes of a few bits against queries of whole numbers: exact up to the largest d and the largest values */

typedef void small_code_kernel(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out);

static bool small_codes_fail(small_code_kernel *kernel, unsigned bits, size_t d, uint32_t n, bool largest, char *why)
{
    enum { GAP = 4 };
    size_t bytes = d * bits / 8, stride = bytes + GAP;
    guarded query[2] = {guarded_new(d), guarded_new(d)}, rows = guarded_new(n * stride);
    int8_t *high = (int8_t *)query[0].end - d, *low = (int8_t *)query[1].end - d;
    uint8_t *base = (uint8_t *)rows.end - ((n - 1) * stride + bytes);
    for (size_t j = 0; j < d; j++) high[j] = largest ? -128 : (int8_t)random_bits(), low[j] = largest ? -128 : (int8_t)random_bits();
    for (size_t i = 0; i < (n - 1) * stride + bytes; i++) base[i] = largest ? 255 : (uint8_t)random_bits();
    bool fails = false;
    for (int by_ids = 0; by_ids < 2 && !fails; by_ids++) {
        uint32_t ids[32];
        float out[33] = {[32] = 7};
        for (uint32_t i = 0; i < n; i++) ids[i] = random_bits() % n;
        kernel(high, low, (leann_list){.base = base, .stride = stride, .ids = by_ids ? ids : NULL, .n = n}, d, out);
        for (uint32_t i = 0; i < n && !fails; i++) {
            const uint8_t *row = base + (by_ids ? ids[i] : i) * stride;
            int64_t want = 0;
            for (size_t j = 0; j < d; j++)
                want += (256 * high[j] + low[j]) * (int64_t)((unsigned)row[j % bytes] >> (bits * (j / bytes)) & ((1u << bits) - 1));
            fails = out[i] != (float)want || out[32] != 7.0F;
            if (fails)
                snprintf(why, KERNELS_WHY, "codes of %u bits, d %zu, row %u of %u: %.9g, not %.9g", bits, d, i, n, (double)out[i],
                         (double)(float)want);
        }
    }
    guarded_free(query[0]);
    guarded_free(query[1]);
    guarded_free(rows);
    return fails;
}

static bool small_codes(const leann_kernels *t, char *why)
{
    const struct {
        unsigned bits;
        small_code_kernel *kernel;
    } all[] = {{1, t->ip_i16_u1_list}, {2, t->ip_i16_u2_list}, {4, t->ip_i16_u4_list}};
    for (size_t k = 0; k < 3; k++) {
        for (size_t d = 32; d <= 1056; d += 32)
            for (uint32_t n = 1; n <= 32; n += n < 6 ? 1 : 13)
                if (small_codes_fail(all[k].kernel, all[k].bits, d, n, false, why)) return false;
        if (small_codes_fail(all[k].kernel, all[k].bits, 65536, 5, true, why)) return false;
        leann_list none = {.base = NULL, .n = 0};
        all[k].kernel(NULL, NULL, none, 32, NULL);
    }
    return true;
}

/* Against the definition, where all sums are whole numbers; against the scalar table bit for bit, where they are rounded. */
static bool hadamard(const leann_kernels *t, char *why)
{
    for (size_t n = 1; n <= MAX_D; n *= 2)
        for (int exact = 0; exact < 2; exact++) {
            float x[MAX_D], want[MAX_D];
            guarded memory = guarded_new(n * sizeof *x);
            float *y = (float *)(void *)memory.end - n;
            for (size_t j = 0; j < n; j++) y[j] = x[j] = random_float(exact);
            memcpy(want, x, n * sizeof *x);
            if (exact)
                for (size_t i = 0; i < n; i++) {
                    want[i] = 0;
                    for (size_t j = 0; j < n; j++) want[i] += __builtin_popcountll(i & j) % 2 ? -x[j] : x[j];
                }
            else
                leann_kernels_named("scalar")->hadamard_f32(want, n);
            t->hadamard_f32(y, n);
            bool fails = false;
            for (size_t i = 0; i < n && !fails; i++) {
                fails = y[i] != want[i];
                if (fails) snprintf(why, KERNELS_WHY, "hadamard_f32 of %zu: %.9g at %zu, not %.9g", n, (double)y[i], i, (double)want[i]);
            }
            guarded_free(memory);
            if (fails) return false;
        }
    return true;
}

/* ---- conversions */

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool widening(const leann_kernels *t, char *why)
{
    enum { ALL = 65536 };
    guarded in = guarded_new(ALL * 2), out = guarded_new(ALL * 4);
    uint16_t *half = (uint16_t *)(void *)in.end - ALL;
    float *wide_out = (float *)(void *)out.end - ALL;
    bool fails = false;
    for (uint32_t i = 0; i < ALL; i++) half[i] = (uint16_t)i;
    t->f32_from_f16(half, wide_out, ALL);
    for (uint32_t i = 0; i < ALL && !fails; i++) {
        uint32_t exponent = i >> 10 & 31, fraction = i & 1023;
        double size = exponent == 31 ? (double)INFINITY : exponent ? ldexp(1024 + fraction, (int)exponent - 25) : ldexp(fraction, -24);
        uint32_t want = bits_of((float)size) | (i & 0x8000) << 16;
        if (exponent == 31 && fraction) want = (i & 0x8000) << 16 | 0x7fc00000 | fraction << 13; /* NaN comes out quiet, payload kept */
        fails = bits_of(wide_out[i]) != want;
        if (fails) snprintf(why, KERNELS_WHY, "half %04x widens to %08x, not %08x", i, bits_of(wide_out[i]), want);
    }
    guarded_free(in);
    guarded_free(out);
    return !fails;
}

/* Between each two neighbouring halves: the tie goes to the even one, and what lies just beside it to the nearer one. */
static bool narrowing(const leann_kernels *t, char *why)
{
    for (uint32_t h = 0; h < 0x7c00; h++) {
        uint16_t pair[2] = {(uint16_t)h, (uint16_t)(h + 1)}, got[10];
        float ends[2];
        leann_kernels_named("scalar")->f32_from_f16(pair, ends, 2);
        if (h + 1 == 0x7c00) ends[1] = 65536; /* infinity's place in the sequence */
        float middle = (ends[0] + ends[1]) / 2;
        float in[10] = {ends[0], nextafterf(middle, 0), middle, nextafterf(middle, INFINITY), h + 1 == 0x7c00 ? INFINITY : ends[1]};
        uint32_t want[10] = {h, h, h + (h & 1), h + 1, h + 1};
        for (int i = 0; i < 5; i++) in[5 + i] = -in[i], want[5 + i] = want[i] | 0x8000;
        t->f16_from_f32(in, got, 10);
        for (int i = 0; i < 10; i++)
            if (got[i] != want[i]) {
                snprintf(why, KERNELS_WHY, "%a narrows to %04x, not %04x", (double)in[i], got[i], want[i]);
                return false;
            }
    }
    static const uint32_t odd[][2] = {{0x7f800001, 0x7e00}, {0x7fc00000, 0x7e00}, {0xffffffff, 0xffff}, {0x7f802000, 0x7e01},
                                      {0x00000001, 0x0000}, {0x807fffff, 0x8000}, {0x7f7fffff, 0x7c00}, {0xff7fffff, 0xfc00}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        float in = float_of(odd[i][0]);
        uint16_t got;
        t->f16_from_f32(&in, &got, 1);
        if (got != odd[i][1]) {
            snprintf(why, KERNELS_WHY, "float bits %08x narrow to %04x, not %04x", odd[i][0], got, odd[i][1]);
            return false;
        }
    }
    return true;
}

/* Every count, at the end of a page: neither input nor output is passed. */
static bool counts(const leann_kernels *t, char *why)
{
    enum { MOST = 70 };
    guarded in = guarded_new(MOST * 4), out = guarded_new(MOST * 4 + 4);
    bool fails = false;
    for (size_t n = 0; n <= MOST && !fails; n++) {
        uint8_t *byte = (uint8_t *)in.end - n;
        float *wide_out = (float *)(void *)out.end - n;
        wide_out[-1] = 7;
        for (size_t i = 0; i < n; i++) byte[i] = (uint8_t)random_bits();
        t->f32_from_u8(byte, wide_out, n);
        for (size_t i = 0; i < n; i++) fails |= wide_out[i] != (float)byte[i];
        uint16_t *half = (uint16_t *)(void *)in.end - n;
        for (size_t i = 0; i < n; i++) half[i] = (uint16_t)(random_bits() % 0x7c00);
        t->f32_from_f16(half, wide_out, n);
        for (size_t i = 0; i < n; i++) {
            float want;
            leann_kernels_named("scalar")->f32_from_f16(half + i, &want, 1);
            fails |= wide_out[i] != want;
        }
        fails |= wide_out[-1] != 7.0f;
        float *narrow_in = (float *)(void *)in.end - n;
        uint16_t *narrow_out = (uint16_t *)(void *)out.end - n;
        narrow_out[-1] = 7;
        for (size_t i = 0; i < n; i++) narrow_in[i] = random_float(false);
        t->f16_from_f32(narrow_in, narrow_out, n);
        for (size_t i = 0; i < n; i++) {
            uint16_t want;
            leann_kernels_named("scalar")->f16_from_f32(narrow_in + i, &want, 1);
            fails |= narrow_out[i] != want;
        }
        fails |= narrow_out[-1] != 7;
        if (fails) snprintf(why, KERNELS_WHY, "a conversion of %zu values", n);
    }
    guarded_free(in);
    guarded_free(out);
    return !fails;
}

/* Vectors of RFC 3720, B.4, and that of the CRC catalogues; then every length, in one piece and in two. */
static bool checksums(const leann_kernels *t, char *why)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++) up[i] = (uint8_t)i, down[i] = (uint8_t)(31 - i);
    const struct {
        const void *data;
        size_t bytes;
        uint32_t crc;
    } known[] = {{"123456789", 9, 0xe3069283}, {zeros, 32, 0x8a9136aa}, {ones, 32, 0x62a8ab43},
                 {up, 32, 0x46dd794e},         {down, 32, 0x113fdb5c},  {"", 0, 0}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (t->crc32c(0, known[i].data, known[i].bytes) != known[i].crc) {
            snprintf(why, KERNELS_WHY, "crc32c of known vector %zu: not %08x", i, known[i].crc);
            return false;
        }
    guarded memory = guarded_new(200);
    bool fails = false;
    for (size_t n = 0; n <= 200 && !fails; n++) {
        uint8_t *x = (uint8_t *)memory.end - n;
        for (size_t i = 0; i < n; i++) x[i] = (uint8_t)random_bits();
        uint32_t want = leann_kernels_named("scalar")->crc32c(0, x, n), whole = t->crc32c(0, x, n);
        fails = whole != want || t->crc32c(t->crc32c(0, x, n / 3), x + n / 3, n - n / 3) != want;
        if (fails) snprintf(why, KERNELS_WHY, "crc32c of %zu bytes: %08x, not %08x", n, whole, want);
    }
    guarded_free(memory);
    return !fails;
}

const kernels_check kernels_checks[] = {
    {"lists", lists},
    {"pairs", pairs},
    {"cuts", cuts},
    {"bytes", bytes},
    {"fast scans", fastscans},
    {"panels", panels},
    {"narrowing to bytes", narrowing_bytes},
    {"scan keys", scan_lines},
    {"selection", selection},
    {"codebooks", codebooks},
    {"small codes", small_codes},
    {"hadamard", hadamard},
    {"float16 widening", widening},
    {"float16 narrowing", narrowing},
    {"every count", counts},
    {"crc32c", checksums},
};
const size_t kernels_checks_count = sizeof kernels_checks / sizeof *kernels_checks;
