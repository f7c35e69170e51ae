/* kernel_bench.c – times each kernel of each table over rows in cache, in a run and at random places, after checking it; about
 * (kernels) * (tables) * 3 * repeats * sample_usec of one thread.
 *
 * The peak is that of multiply-adds on floats in registers, two operations each. A squared difference counts three (its subtraction runs
 * on other units), so floats could pass 100 %, and bytes, of which an instruction takes more, do; a pair that loads both sides of every
 * multiply-add is held below by its loads.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/kernel_bench.h"

#include "core/simd/dense.h"
#include "core/simd/kernels.h"
#include "eval/stats.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHED_BYTES = 16384,
    LIST = 32,
    MOST_ROWS = 64,
    RANDOM_LISTS = 2048,
    TABLES = 4,
    TILE_BYTES = 1 << 20,
    MOST_REPEATS = 1001,
    QUERIES = 8
};

/* ---- what is timed */

typedef enum {
    FLOATS,
    PANELS,
    BYTES,
    BYTE_PANELS,
    HALVES,
    NIBBLES,
    PLANES1,
    PLANES2,
    PLANES4,
    CODES8,
    CODES4,
    BLOCKS8,
    BLOCKS4,
    SUMS
} row_type; /* a row of panels: 16 rows; of blocks: 64 codes, 32 */

typedef struct { /* the sides that all rows share */
    float *q, *scale, *table;
    uint8_t *q8, *codes, *lut;
    void *sink;          /* what a kernel writes beside its result: d values, or a codebook's table */
    leann_codebook book; /* of 256 centroids and `width` components: a row is m of them, side by side */
    int8_t *high, *low;  /* (whole) */
    float *many;         /* (QUERIES, d) */
    int8_t *many8;       /* (QUERIES, whole) */
    void *bias, *keys;   /* (MOST_ROWS, 16) zeros; (QUERIES, MOST_ROWS, 16) */
    float *ones;         /* (MOST_ROWS, 16) */
    size_t d, m, width;
    size_t whole, power; /* d up to a multiple of 32; down to a power of two */
} shared;

typedef void kernel_call(const leann_kernels *t, const shared *s, leann_list rows, float *out);

typedef struct {
    const char *name;
    row_type type;
    kernel_call *call;
    double flops;   /* a component */
    double largest; /* of a term, for the bound of the check; 0: must be equal */
    size_t written; /* bytes a component */
} kernel;

static const void *row_at(const leann_list *l, uint32_t i)
{
    return (const char *)l->base + l->stride * (l->ids ? l->ids[i] : (size_t)l->first + i);
}

#define EACH_ROW(call)                                                                                                                     \
    for (uint32_t i = 0; i < l.n; i++) {                                                                                                   \
        const void *row = row_at(&l, i);                                                                                                   \
        call;                                                                                                                              \
    }
#define KERNEL(name, body)                                                                                                                 \
    static void name(const leann_kernels *t, const shared *s, leann_list l, float *out)                                                    \
    {                                                                                                                                      \
        body;                                                                                                                              \
    }

KERNEL(l2_f32, EACH_ROW(out[i] = t->l2_f32(s->q, row, s->d)))
KERNEL(ip_f32, EACH_ROW(out[i] = t->ip_f32(s->q, row, s->d)))
KERNEL(l2_u8, EACH_ROW(out[i] = (float)t->l2_u8(s->q8, row, s->d)))
KERNEL(ip_u8, EACH_ROW(out[i] = (float)t->ip_u8(s->q8, row, s->d)))
KERNEL(l2_f32_u8, EACH_ROW(out[i] = t->l2_f32_u8(s->q, row, s->d)))
KERNEL(ip_f32_u8, EACH_ROW(out[i] = t->ip_f32_u8(s->q, row, s->d)))
KERNEL(ip_f32_i8, EACH_ROW(out[i] = t->ip_f32_i8(s->q, row, s->d)))
KERNEL(norm_f32, EACH_ROW(out[i] = t->norm_f32(row, s->d)))
KERNEL(l2_f32_list, t->l2_f32_list(s->q, l, s->d, out))
KERNEL(l2_f32_cut_list, t->l2_f32_cut_list(s->q, l, s->d, INFINITY, out))
KERNEL(ip_f32_list, t->ip_f32_list(s->q, l, s->d, out))
KERNEL(l2_u8_list, t->l2_u8_list(s->q8, l, s->d, out))
KERNEL(l2_f32_u8_list, t->l2_f32_u8_list(s->q, l, s->d, out))
KERNEL(ip_f32_u8_list, t->ip_f32_u8_list(s->q, l, s->d, out))
KERNEL(sq8_l2_list, t->sq8_l2_list(s->q, s->scale, l, s->d, out))
KERNEL(sq8_ip_list, t->sq8_ip_list(s->q, l, s->d, out))
KERNEL(sq4_l2_list, t->sq4_l2_list(s->q, s->scale, l, s->d, out))
KERNEL(sq4_ip_list, t->sq4_ip_list(s->q, l, s->d, out))
KERNEL(adc8_list, t->adc8_list(s->table, 256, l, s->m, out))
KERNEL(adc4_list, t->adc4_list(s->table, l, s->m, out))
KERNEL(at_most, EACH_ROW(out[i] = (float)t->at_most(row, (uint32_t)s->d, 0.01F, s->sink))) /* one in a hundred */
KERNEL(at_most_u16, EACH_ROW(out[i] = (float)t->at_most_u16(row, (uint32_t)s->d, 655, s->sink)))
KERNEL(codebook_table,
       EACH_ROW(for (size_t j = 0; j < s->m; j++) t->codebook_table(s->book, (const float *)row + j * s->width, -2, s->sink);
                out[i] = ((const float *)s->sink)[i]))
KERNEL(ip_i16_u1_list, t->ip_i16_u1_list(s->high, s->low, l, s->whole, out))
KERNEL(ip_i16_u2_list, t->ip_i16_u2_list(s->high, s->low, l, s->whole, out))
KERNEL(ip_i16_u4_list, t->ip_i16_u4_list(s->high, s->low, l, s->whole, out))
KERNEL(hadamard_f32, EACH_ROW(memcpy(s->sink, row, s->power * sizeof(float)); t->hadamard_f32(s->sink, s->power);
                              out[i] = ((const float *)s->sink)[s->power / 3]))
KERNEL(f32_from_u8, EACH_ROW(t->f32_from_u8(row, s->sink, s->d); out[i] = 0))
KERNEL(f32_from_f16, EACH_ROW(t->f32_from_f16(row, s->sink, s->d); out[i] = 0))
KERNEL(f16_from_f32, EACH_ROW(t->f16_from_f32(row, s->sink, s->d); out[i] = 0))
KERNEL(i8_from_f32, EACH_ROW(out[i] = t->i8_from_f32(row, s->q, s->sink, s->d).largest))
KERNEL(crc32c, EACH_ROW(out[i] = (float)t->crc32c(0, row, s->d)))

/* Each block for QUERIES queries with one table; its result is all of the sums of one of them together, which a float holds exactly. */
static void scan_blocks(void (*scan)(const uint8_t *const *, size_t, const uint8_t *, size_t, size_t, uint16_t *const *), size_t lanes,
                        const shared *s, leann_list l, float *out)
{
    uint16_t sum[QUERIES][MOST_ROWS * 64], *sums[QUERIES];
    const uint8_t *lut[QUERIES];
    for (int q = 0; q < QUERIES; q++) lut[q] = s->lut;
    for (uint32_t i = 0, step = l.ids ? 1 : l.n; i < l.n; i += step) {
        for (int q = 0; q < QUERIES; q++) sums[q] = sum[q] + i * lanes;
        scan(lut, QUERIES, row_at(&l, i), s->m, step, sums);
    }
    for (uint32_t i = 0; i < l.n; i++) {
        uint32_t all = 0;
        for (size_t v = 0; v < lanes; v++) all += sum[i % QUERIES][i * lanes + v];
        out[i] = (float)all;
    }
}
KERNEL(fastscan, scan_blocks(t->fastscan, 32, s, l, out))
KERNEL(fastscan8, scan_blocks(t->fastscan8, 64, s, l, out))

/* A row: `whole` sums, 32 a call as walks do it. Keys are equal to the bit. */
KERNEL(scan_keys, EACH_ROW(float key[32]; out[i] = 0; for (size_t j = 0; j < s->whole; j += 32) {
           t->scan_keys((const uint16_t *)row + j, 32, (leann_scan_line){1, 0.01F, 2, s->bias, NULL}, key);
           out[i] += key[j % 31];
       }))

/* Panels one after another go in one call. A panel's result is one key of each of its rows, of queries in turn. */
static void all_panels(const leann_kernels *t, const shared *s, leann_list l, float *out)
{
    float cut[QUERIES];
    uint16_t pass[QUERIES * MOST_ROWS];
    for (int i = 0; i < QUERIES; i++) cut[i] = INFINITY;
    for (uint32_t i = 0, step = l.ids ? 1 : l.n; i < l.n; i += step) {
        const float *key = s->keys;
        t->panels_f32((leann_panels){row_at(&l, i), s->bias, NULL, NULL, s->d, step}, s->many, s->d, QUERIES, -2, cut, s->keys, pass);
        for (uint32_t p = i; p < i + step; p++) {
            out[p] = 0;
            for (uint32_t r = 0; r < 16; r++) out[p] += key[(r % QUERIES * step + p - i) * 16 + r];
        }
    }
}
static void all_byte_panels(const leann_kernels *t, const shared *s, leann_list l, float *out)
{
    int32_t cut[QUERIES];
    uint16_t pass[QUERIES * MOST_ROWS];
    for (int i = 0; i < QUERIES; i++) cut[i] = INT32_MAX;
    for (uint32_t i = 0, step = l.ids ? 1 : l.n; i < l.n; i += step) {
        const int32_t *key = s->keys;
        t->panels_u8((leann_panels){row_at(&l, i), s->bias, NULL, NULL, s->whole, step}, s->many8, s->whole, QUERIES, -2, cut, s->keys,
                     pass);
        for (uint32_t p = i; p < i + step; p++) {
            uint32_t all = 0;
            for (uint32_t r = 0; r < 16; r++) all += (uint32_t)key[(r % QUERIES * step + p - i) * 16 + r];
            out[p] = (float)all;
        }
    }
}

/* Start and bias are zeros, scale and alpha 1, so that every table rounds a sum once. */
static void all_code_panels(const leann_kernels *t, const shared *s, leann_list l, float *out)
{
    float cut[QUERIES], alpha[QUERIES];
    uint16_t pass[QUERIES * MOST_ROWS];
    for (int i = 0; i < QUERIES; i++) cut[i] = INFINITY, alpha[i] = 1;
    for (uint32_t i = 0, step = l.ids ? 1 : l.n; i < l.n; i += step) {
        const float *key = s->keys;
        t->panels_i8((leann_panels){row_at(&l, i), s->bias, s->ones, s->bias, s->whole, step}, (const uint8_t *)s->many8, s->whole, QUERIES,
                     alpha, cut, s->keys, pass);
        for (uint32_t p = i; p < i + step; p++) {
            out[p] = 0;
            for (uint32_t r = 0; r < 16; r++) out[p] += key[(r % QUERIES * step + p - i) * 16 + r];
        }
    }
}

/* The sum of the keys says what a wrong code would change; equal keys may be different centroids. */
static void codebook_nearest(const leann_kernels *t, const shared *s, leann_list l, float *out)
{
    float *key = s->sink;
    for (uint32_t i = 0; i < l.n; i++) {
        t->codebook_nearest(s->book, row_at(&l, i), s->width * sizeof(float), s->m, s->codes, key);
        out[i] = 0;
        for (size_t j = 0; j < s->m; j++) out[i] += key[j];
    }
}

/* The first 64 centroids, and of them the share below a middling cut: one that rounds to the other side moves it by little. */
static void codebook_below(const leann_kernels *t, const shared *s, leann_list l, float *out)
{
    uint64_t *bits = s->sink;
    float *cut = (float *)s->sink + 2 * s->m;
    leann_codebook book = s->book;
    book.k = 64;
    for (size_t j = 0; j < s->m; j++) cut[j] = -1;
    for (uint32_t i = 0; i < l.n; i++) {
        t->codebook_below(book, row_at(&l, i), s->width * sizeof(float), s->m, cut, bits);
        out[i] = 0;
        for (size_t j = 0; j < s->m; j++) out[i] += (float)__builtin_popcountll(bits[j]) / 64;
    }
}

/* Floats are in [0, 1), scales too; a codebook's 256 (64) multiply-adds a component are counted, and the 10 additions that a component
 * takes in a transform of 1,024. */
static const kernel kernels[] = {
    {"l2_f32", FLOATS, l2_f32, 3, 1, 0},
    {"ip_f32", FLOATS, ip_f32, 2, 1, 0},
    {"norm_f32", FLOATS, norm_f32, 2, 1, 0},
    {"l2_f32_list", FLOATS, l2_f32_list, 3, 1, 0},
    {"l2_f32_cut_list", FLOATS, l2_f32_cut_list, 3, 1, 0},
    {"ip_f32_list", FLOATS, ip_f32_list, 2, 1, 0},
    {"at_most", FLOATS, at_most, 1, 0, 0},
    {"panels_f32", PANELS, all_panels, 2 * 16 * QUERIES, 32, 0},
    {"codebook_table", FLOATS, codebook_table, 512, 4, 0},
    {"codebook_nearest", FLOATS, codebook_nearest, 512, 4, 0},
    {"hadamard_f32", FLOATS, hadamard_f32, 10, 0, 0},
    {"codebook_below", FLOATS, codebook_below, 128, 4, 0},
    {"f16_from_f32", FLOATS, f16_from_f32, 0, 0, 2},
    {"i8_from_f32", FLOATS, i8_from_f32, 0, 0, 1},
    {"f32_from_f16", HALVES, f32_from_f16, 0, 0, 4},
    {"f32_from_u8", BYTES, f32_from_u8, 0, 0, 4},
    {"panels_u8", BYTE_PANELS, all_byte_panels, 2 * 16 * QUERIES, 0, 0},
    {"panels_i8", BYTE_PANELS, all_code_panels, 2 * 16 * QUERIES, 0, 0},
    {"l2_u8", BYTES, l2_u8, 3, 0, 0},
    {"ip_u8", BYTES, ip_u8, 2, 0, 0},
    {"l2_u8_list", BYTES, l2_u8_list, 3, 0, 0},
    {"l2_f32_u8", BYTES, l2_f32_u8, 3, 65025, 0},
    {"ip_f32_u8", BYTES, ip_f32_u8, 2, 255, 0},
    {"ip_f32_i8", BYTES, ip_f32_i8, 2, 128, 0},
    {"l2_f32_u8_list", BYTES, l2_f32_u8_list, 3, 65025, 0},
    {"ip_f32_u8_list", BYTES, ip_f32_u8_list, 2, 255, 0},
    {"sq8_l2_list", BYTES, sq8_l2_list, 4, 65025, 0},
    {"sq8_ip_list", BYTES, sq8_ip_list, 2, 255, 0},
    {"sq4_l2_list", NIBBLES, sq4_l2_list, 4, 225, 0},
    {"sq4_ip_list", NIBBLES, sq4_ip_list, 2, 15, 0},
    {"adc8_list", CODES8, adc8_list, 1, 1, 0},
    {"adc4_list", CODES4, adc4_list, 1, 1, 0},
    {"ip_i16_u1_list", PLANES1, ip_i16_u1_list, 2, 0, 0},
    {"ip_i16_u2_list", PLANES2, ip_i16_u2_list, 2, 0, 0},
    {"ip_i16_u4_list", PLANES4, ip_i16_u4_list, 2, 0, 0},
    {"fastscan", BLOCKS4, fastscan, 32 * QUERIES, 0, 0},
    {"fastscan8", BLOCKS8, fastscan8, 64 * QUERIES, 0, 0},
    {"at_most_u16", HALVES, at_most_u16, 1, 0, 0},
    {"scan_keys", SUMS, scan_keys, 3, 0, 0},
    {"crc32c", BYTES, crc32c, 0, 0, 0},
};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static size_t components(const kernel *k, const shared *s)
{
    if (k->type == PLANES1 || k->type == PLANES2 || k->type == PLANES4 || k->type == BYTE_PANELS || k->type == SUMS) return s->whole;
    return k->type >= CODES8 ? s->m : s->d;
}

static size_t row_bytes(const kernel *k, const shared *s)
{
    size_t n = components(k, s);
    if (k->type == FLOATS) return n * sizeof(float);
    if (k->type == PLANES1 || k->type == PLANES2) return n / (k->type == PLANES1 ? 8 : 4);
    if (k->type == PANELS || k->type == BYTE_PANELS) return 16 * n * (k->type == PANELS ? sizeof(float) : 1);
    if (k->type == HALVES || k->type == SUMS) return n * sizeof(uint16_t);
    if (k->type == BLOCKS8 || k->type == BLOCKS4) return k->type == BLOCKS8 ? n * 64 : n * 16;
    return k->type == NIBBLES || k->type == CODES4 || k->type == PLANES4 ? (n + 1) / 2 : n;
}

/* ---- the machine's peaks, one thread */

static volatile float kept; /* so that no result is unused */

leann_machine_peak leann_measure_peak(leann_peak_operand operand)
{
    size_t count;
    const leann_peak_loop *loops = leann_peak_loops(&count);
    const uint64_t rounds = 50000;
    leann_machine_peak best = {0, "-"};
    for (size_t i = 0; i < count; i++) {
        if (loops[i].operand != operand || !leann_dense_named(loops[i].isa)) continue;
        for (int repeat = 0; repeat < 20; repeat++) { /* the best of twenty: what the core can do */
            uint64_t start = leann_thread_ns();
            kept = loops[i].run(rounds, 0.5F + kept * 0);
            double rate = (double)rounds * loops[i].flops / (double)(leann_thread_ns() - start);
            if (rate > best.gflop_s) best = (leann_machine_peak){rate, loops[i].isa};
        }
    }
    return best;
}

static void measure_stream(const void *memory, size_t bytes, leann_kernel_report *report)
{
    const uint64_t *word = memory;
    for (int repeat = 0; repeat < 5; repeat++) {
        uint64_t sum[8] = {0}, start = leann_thread_ns();
        for (size_t i = 0; i + 8 <= bytes / sizeof *word; i += 8)
            for (size_t l = 0; l < 8; l++) sum[l] += word[i + l];
        kept = (float)(sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7]);
        double rate = (double)bytes / (double)(leann_thread_ns() - start);
        if (rate > report->stream_gb_s) report->stream_gb_s = rate;
    }
}

/* ---- one kernel */

typedef struct {
    leann_ctx *ctx;
    const leann_kernel_bench_options *options;
    const leann_kernels *tables[TABLES]; /* scalar first */
    size_t count;
    shared s;
    char *memory;
    uint32_t *ids; /* (RANDOM_LISTS * LIST), fractions of 2³² until a kernel's rows are known */
    uint32_t *places;
    double *samples; /* (tables, repeats) */
} bench;

/* Random floats, or bytes; a tile of them again and again, which no cache can tell. */
static void fill_memory(const bench *b, row_type type)
{
    leann_rng rng = leann_rng_at(1, "kernel-bench", type == FLOATS);
    size_t tile = b->options->memory_bytes < TILE_BYTES ? b->options->memory_bytes : TILE_BYTES;
    for (size_t i = 0; i + 4 <= tile; i += 4) {
        uint32_t bits = leann_rng_u32(&rng);
        float real = (float)(bits >> 8) * 0x1p-24F;
        memcpy(b->memory + i, type == FLOATS ? (void *)&real : (void *)&bits, 4);
    }
    for (size_t at = tile; at < b->options->memory_bytes; at += tile) {
        size_t left = b->options->memory_bytes - at;
        memcpy(b->memory + at, b->memory, left < tile ? left : tile);
    }
}

/* The list of the call `turn`. */
static leann_list list_at(const bench *b, const kernel *k, leann_rows_place place, uint64_t turn)
{
    leann_list l = {.base = b->memory, .stride = row_bytes(k, &b->s)};
    size_t rows = b->options->memory_bytes / l.stride;
    if (place == LEANN_ROWS_CACHED) {
        l.n = LIST;
        l.ids = b->places; /* the few rows that fit, again and again */
    } else if (place == LEANN_ROWS_RUN) {
        l.n = MOST_ROWS;
        l.first = (uint32_t)(turn % (rows / MOST_ROWS) * MOST_ROWS);
    } else {
        l.n = LIST;
        l.ids = b->places + LIST + turn % RANDOM_LISTS * LIST;
    }
    return l;
}

static leann_status check(const bench *b, const kernel *k, const leann_kernels *t)
{
    float got[MOST_ROWS], want[MOST_ROWS];
    size_t n = components(k, &b->s), written = b->s.d * k->written;
    double bound = ((double)n + 4) * (double)n * k->largest * (double)FLT_EPSILON / 2;
    size_t mark = leann_scratch_mark(b->ctx);
    void *sink = leann_scratch(b->ctx, written + 1);
    if (!sink) return leann_ctx_status(b->ctx);
    for (int place = 0; place < LEANN_ROWS_PLACES; place++) {
        leann_list l = list_at(b, k, (leann_rows_place)place, 0);
        k->call(b->tables[0], &b->s, l, want);
        memcpy(sink, b->s.sink, written);
        k->call(t, &b->s, l, got);
        for (uint32_t i = 0; i < l.n; i++)
            if (!(fabs((double)got[i] - (double)want[i]) <= bound))
                return leann_fail(b->ctx, LEANN_EINVAL, "%s of %s gives %.9g for %zu components where scalar gives %.9g; the bound is %g",
                                  k->name, t->name, (double)got[i], n, (double)want[i], bound);
        if (memcmp(sink, b->s.sink, written) != 0)
            return leann_fail(b->ctx, LEANN_EINVAL, "%s of %s writes other bits than scalar for %zu components", k->name, t->name, n);
    }
    leann_scratch_reset(b->ctx, mark);
    return LEANN_OK;
}

/* Nanoseconds a row over sample_usec of calls: the thread's own, as what another program takes of the core is not the kernel's. */
static double sample(const bench *b, const kernel *k, const leann_kernels *t, leann_rows_place place, uint64_t *turn)
{
    float out[MOST_ROWS];
    uint64_t rows = 0, limit = leann_now_ns() + (uint64_t)b->options->sample_usec * 1000, start = leann_thread_ns();
    do
        for (int call = 0; call < 16; call++) { /* the clock costs as much as a row or two */
            leann_list l = list_at(b, k, place, (*turn)++);
            k->call(t, &b->s, l, out);
            rows += l.n;
        }
    while (leann_now_ns() < limit);
    uint64_t end = leann_thread_ns();
    kept = out[0];
    return (double)(end - start) / (double)rows;
}

static leann_status measure(const bench *b, const kernel *k, leann_kernel_report *report)
{
    leann_kernel_timing *out = report->timing + report->n;
    const leann_kernels *tables[TABLES];
    size_t count = 0;
    for (size_t t = 0; t < b->count; t++) /* those that have it: kernels.h names the one that may be missing */
        if ((k->call != fastscan8 || b->tables[t]->fastscan8) &&
            ((k->type != BYTE_PANELS && k->call != i8_from_f32) || b->tables[t]->panels_u8))
            tables[count++] = b->tables[t];
    size_t repeats = b->options->repeats, bytes = row_bytes(k, &b->s), rows = b->options->memory_bytes / bytes;
    uint32_t fit = bytes * LIST < CACHED_BYTES ? LIST : bytes * 4 < CACHED_BYTES ? (uint32_t)(CACHED_BYTES / bytes) : 4;
    for (uint32_t i = 0; i < LIST; i++) b->places[i] = i % fit;
    for (uint32_t i = 0; i < RANDOM_LISTS * LIST; i++) b->places[LIST + i] = (uint32_t)((uint64_t)b->ids[i] * rows >> 32);
    for (size_t t = 0; t < count; t++) {
        leann_status status = check(b, k, tables[t]);
        if (status) return status;
        out[t] = (leann_kernel_timing){.kernel = k->name, .isa = tables[t]->name, .row_bytes = bytes + b->s.d * k->written};
    }
    for (int place = 0; place < LEANN_ROWS_PLACES; place++) {
        uint64_t turn = 0;
        for (size_t r = 0; r < repeats; r++)
            for (size_t t = 0; t < count; t++) b->samples[t * repeats + r] = sample(b, k, tables[t], (leann_rows_place)place, &turn);
        for (size_t t = 0; t < count; t++) {
            out[t].ns[place] = leann_stats_median(b->samples + t * repeats, repeats);
            out[t].gb_s[place] = (double)out[t].row_bytes / out[t].ns[place];
            out[t].speedup[place] = out[0].ns[place] / out[t].ns[place];
        }
        if (leann_ctx_cancelled(b->ctx)) return leann_fail(b->ctx, LEANN_EINTR, "interrupted");
    }
    for (size_t t = 0; t < count; t++) {
        out[t].gflop_s = k->flops * (double)components(k, &b->s) / out[t].ns[LEANN_ROWS_CACHED];
        out[t].peak_share = out[t].gflop_s / report->peak.gflop_s;
        out[t].stream_share = out[t].gb_s[LEANN_ROWS_RUN] / report->stream_gb_s;
    }
    report->n += count;
    return LEANN_OK;
}

/* ---- all */

static leann_status check_options(leann_ctx *ctx, const leann_kernel_bench_options *o)
{
    if (o->d < 1 || o->d > 65536) return leann_fail(ctx, LEANN_EINVAL, "%zu components a row; from 1 to 65536", o->d);
    if (o->repeats < 1 || o->repeats > MOST_REPEATS)
        return leann_fail(ctx, LEANN_EINVAL, "%u repeats; from 1 to %d", o->repeats, MOST_REPEATS);
    size_t least = (o->d < 8 ? 8 : o->d) * 16 * sizeof(float) * MOST_ROWS; /* the widest row is a panel */
    if (o->memory_bytes < least || o->memory_bytes > (size_t)1 << 40)
        return leann_fail(ctx, LEANN_EINVAL, "%zu bytes of rows; from %zu (%d rows) to 2^40", o->memory_bytes, least, MOST_ROWS);
    return LEANN_OK;
}

static leann_status prepare(bench *b)
{
    shared *s = &b->s;
    leann_rng rng = leann_rng_at(1, "kernel-bench", 2);
    s->d = b->options->d;
    s->m = s->d < 8 ? 1 : s->d / 8;
    s->whole = (s->d + 31) / 32 * 32;
    for (s->power = 1; 2 * s->power <= s->d;) s->power *= 2;
    s->q = leann_alloc(b->ctx, s->d, sizeof *s->q);
    s->scale = leann_alloc(b->ctx, s->d, sizeof *s->scale);
    s->q8 = leann_alloc(b->ctx, s->d, 1);
    s->high = leann_alloc(b->ctx, s->whole, 1);
    s->low = leann_alloc(b->ctx, s->whole, 1);
    s->table = leann_alloc(b->ctx, s->m * 256, sizeof *s->table);
    s->lut = leann_alloc(b->ctx, s->m, 256);
    s->many = leann_alloc(b->ctx, QUERIES * s->d, sizeof *s->many);
    s->many8 = leann_alloc(b->ctx, QUERIES, s->whole);
    s->bias = leann_alloc(b->ctx, MOST_ROWS * 16, sizeof(float));
    s->ones = leann_alloc(b->ctx, MOST_ROWS * 16, sizeof *s->ones);
    s->keys = leann_alloc(b->ctx, QUERIES * MOST_ROWS * 16, sizeof(float));
    s->width = s->d < 8 ? s->d : 8;
    s->codes = leann_alloc(b->ctx, s->m, 1);
    s->sink = leann_alloc(b->ctx, s->d < 256 ? 256 : s->d, sizeof(float));
    float *column = leann_alloc(b->ctx, s->width * 256, sizeof *column), *norm = leann_alloc(b->ctx, 256, sizeof *norm);
    s->book = (leann_codebook){.column = column, .norm = norm, .d = s->width, .k = 256, .stride = 256};
    b->memory = leann_alloc(b->ctx, b->options->memory_bytes, 1);
    b->ids = leann_alloc(b->ctx, RANDOM_LISTS * LIST, sizeof *b->ids);
    b->places = leann_alloc(b->ctx, LIST + RANDOM_LISTS * LIST, sizeof *b->places);
    b->samples = leann_alloc(b->ctx, TABLES * (size_t)b->options->repeats, sizeof *b->samples);
    if (leann_ctx_status(b->ctx)) return leann_ctx_status(b->ctx);
    for (size_t i = 0; i < MOST_ROWS * 16; i++) s->ones[i] = 1;
    for (size_t j = 0; j < s->d; j++) {
        s->q[j] = (float)(leann_rng_u32(&rng) >> 8) * 0x1p-24F;
        s->scale[j] = (float)(leann_rng_u32(&rng) >> 8) * 0x1p-24F;
        s->q8[j] = (uint8_t)leann_rng_u32(&rng);
    }
    for (size_t j = 0; j < s->whole; j++) s->high[j] = (int8_t)leann_rng_u32(&rng), s->low[j] = (int8_t)leann_rng_u32(&rng);
    for (size_t j = 0; j < QUERIES * s->d; j++) s->many[j] = (float)(leann_rng_u32(&rng) >> 8) * 0x1p-24F;
    for (size_t j = 0; j < QUERIES * s->whole; j++) s->many8[j] = (int8_t)leann_rng_u32(&rng);
    for (size_t j = 0; j < s->m * 256; j++) s->table[j] = (float)(leann_rng_u32(&rng) >> 8) * 0x1p-24F;
    for (size_t j = 0; j < s->m * 256; j++) s->lut[j] = (uint8_t)leann_rng_u32(&rng);
    for (size_t j = 0; j < s->width * 256; j++) {
        column[j] = (float)(leann_rng_u32(&rng) >> 8) * 0x1p-24F;
        norm[j % 256] += column[j] * column[j];
    }
    for (uint32_t i = 0; i < RANDOM_LISTS * LIST; i++) b->ids[i] = leann_rng_u32(&rng);
    return LEANN_OK;
}

static void bench_free(bench *b)
{
    leann_free(b->s.q);
    leann_free(b->s.scale);
    leann_free(b->s.q8);
    leann_free(b->s.high);
    leann_free(b->s.low);
    leann_free(b->s.codes);
    leann_free(b->s.lut);
    leann_free(b->s.many);
    leann_free(b->s.many8);
    leann_free(b->s.bias);
    leann_free(b->s.ones);
    leann_free(b->s.keys);
    leann_free((void *)(uintptr_t)b->s.book.column);
    leann_free((void *)(uintptr_t)b->s.book.norm);
    leann_free(b->s.table);
    leann_free(b->s.sink);
    leann_free(b->memory);
    leann_free(b->ids);
    leann_free(b->places);
    leann_free(b->samples);
}

leann_status leann_kernel_bench(leann_ctx *ctx, const leann_kernel_bench_options *options, leann_kernel_report *report)
{
    static const char *const names[TABLES] = {"scalar", "avx2", "avx512", "neon"};
    bench b = {.ctx = ctx, .options = options};
    *report = (leann_kernel_report){0};
    for (size_t i = 0; i < TABLES; i++)
        if (leann_kernels_named(names[i])) b.tables[b.count++] = leann_kernels_named(names[i]);
    leann_status status = check_options(ctx, options);
    if (status) return status;
    status = prepare(&b);
    if (status) goto done;
    report->timing = leann_alloc(ctx, KERNELS * b.count, sizeof *report->timing);
    if (!report->timing) {
        status = leann_ctx_status(ctx);
        goto done;
    }
    report->peak = leann_measure_peak(LEANN_PEAK_F32);
    fill_memory(&b, FLOATS);
    measure_stream(b.memory, options->memory_bytes, report);
    for (size_t k = 0; k < KERNELS; k++) {
        if (k > 0 && kernels[k - 1].type <= PANELS && kernels[k].type > PANELS) fill_memory(&b, BYTES);
        leann_ctx_progress(ctx, kernels[k].name, k, KERNELS);
        status = measure(&b, &kernels[k], report);
        if (status) goto done;
    }
    leann_ctx_progress(ctx, "kernels", KERNELS, KERNELS);
done:
    bench_free(&b);
    return status;
}

void leann_kernel_report_free(leann_kernel_report *report)
{
    leann_free(report->timing);
    *report = (leann_kernel_report){0};
}
