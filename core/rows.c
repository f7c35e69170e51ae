/* rows.c – borrowed rows (n, d) of floats or bytes: conversion, norms, checks, the lift of inner products, and row scorers.
 *
 * A scorer is one query against rows: O(d) a key, through the kernels' neighbour-list entries. The oracle is row against row in L2;
 * bytes are scored as bytes, in exact integers; signed bytes are widened to floats once, at oracle_new.
 *
 * Source: lift: Bachrach et al. 2014 (inner product to L2 by one coordinate).
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/simd/kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    INTEGER_D = 65536, /* up to here sums of byte squares fit 32 bits */
    CUT_D = 96,        /* from here on a sum that stops at the cut is worth asking for */
    CHECK_ROWS = 4096
};

/* ---- conversion --------------------------------------------------------------------------------------------------------- */

static void one_row(leann_rows rows, uint32_t i, float *x)
{
    const void *row = leann_row(rows, i);
    switch (rows.type) {
    case LEANN_F32:
        memcpy(x, row, rows.d * sizeof *x);
        break;
    case LEANN_U8:
        leann_kernels_get()->f32_from_u8(row, x, rows.d);
        break;
    case LEANN_I8:
        for (uint32_t j = 0; j < rows.d; j++) x[j] = (float)((const int8_t *)row)[j];
        break;
    default:
        assert(false && "rows are F32, U8 or I8");
    }
}

void leann_rows_floats(leann_rows rows, uint32_t first, uint32_t n, float *x)
{
    for (uint32_t i = 0; i < n; i++) one_row(rows, first + i, x + (size_t)i * rows.d);
}

void leann_rows_gather(leann_rows rows, const uint32_t *ids, uint32_t n, float *x)
{
    for (uint32_t i = 0; i < n; i++) one_row(rows, ids[i], x + (size_t)i * rows.d);
}

void leann_rows_norms(leann_rows rows, uint32_t first, uint32_t n, float *norm)
{
    const leann_kernels *kernels = leann_kernels_get();
    for (uint32_t i = 0; i < n; i++) {
        const void *row = leann_row(rows, first + i);
        if (rows.type == LEANN_F32) {
            norm[i] = kernels->norm_f32(row, rows.d);
            continue;
        }
        uint64_t sum = 0; /* exact; squares of both byte types fit 16 bits */
        for (uint32_t j = 0; j < rows.d; j++) {
            int x = rows.type == LEANN_U8 ? ((const uint8_t *)row)[j] : ((const int8_t *)row)[j];
            sum += (uint64_t)(x * x);
        }
        norm[i] = (float)sum;
    }
}

/* ---- the mean --------------------------------------------------------------------------------------------------------------- */

enum { MEAN_ROWS = 1024 };
typedef struct {
    leann_rows rows;
    double *sum; /* (chunks, d) */
    const float *centre;
    float *x;
} mean_job;

static leann_status sum_chunk(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    enum { TILE = 16 }; /* rows converted at once */
    const mean_job *job = arg;
    size_t d = job->rows.d, mark = leann_scratch_mark(worker);
    double *sum = job->sum + begin / MEAN_ROWS * d;
    float *x = leann_scratch(worker, TILE * d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    for (size_t i = begin; i < end; i += TILE) {
        size_t n = end - i < TILE ? end - i : TILE;
        leann_rows_floats(job->rows, (uint32_t)i, (uint32_t)n, x);
        for (size_t r = 0; r < n; r++)
            for (size_t j = 0; j < d; j++) sum[j] += (double)x[r * d + j];
    }
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

leann_status leann_rows_mean(leann_ctx *ctx, leann_rows rows, float *mean)
{
    size_t d = rows.d, chunks = ((size_t)rows.n + MEAN_ROWS - 1) / MEAN_ROWS;
    mean_job job = {.rows = rows, .sum = leann_alloc(ctx, chunks * d, sizeof *job.sum)};
    if (!job.sum) return LEANN_ENOMEM;
    leann_status status = leann_parallel(ctx, rows.n, MEAN_ROWS, sum_chunk, &job);
    for (size_t j = 0; j < d; j++) {
        for (size_t c = 1; c < chunks; c++) job.sum[j] += job.sum[c * d + j];
        mean[j] = (float)(job.sum[j] / rows.n);
    }
    leann_free(job.sum);
    return status;
}

void leann_rows_less(leann_rows rows, const float *centre, uint32_t first, uint32_t n, float *x)
{
    leann_rows_floats(rows, first, n, x);
    for (uint32_t i = 0; i < n; i++, x += rows.d)
        for (uint32_t j = 0; j < rows.d; j++) x[j] -= centre[j];
}

static leann_status less_chunk(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker;
    const mean_job *job = arg;
    leann_rows_less(job->rows, job->centre, (uint32_t)begin, (uint32_t)(end - begin), job->x + begin * job->rows.d);
    return LEANN_OK;
}

leann_status leann_rows_centred(leann_ctx *ctx, leann_rows rows, const float *centre, float *x)
{
    return leann_parallel(ctx, rows.n, MEAN_ROWS, less_chunk, &(mean_job){.rows = rows, .centre = centre, .x = x});
}

leann_status leann_rows_pick(leann_ctx *ctx, leann_rows rows, const uint32_t *ids, uint32_t n, leann_rows *out)
{
    size_t bytes = rows.d * leann_dtype_bytes(rows.type);
    char *copy = leann_alloc(ctx, n, bytes);
    if (!copy) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < n; i++) memcpy(copy + i * bytes, leann_row(rows, ids[i]), bytes);
    *out = (leann_rows){copy, bytes, n, rows.d, rows.type, rows.space};
    return LEANN_OK;
}

leann_status leann_rows_anchors(leann_ctx *ctx, leann_rows rows, const uint32_t *ids, uint32_t m, leann_anchors *out)
{
    *out = (leann_anchors){m, rows.d, NULL, NULL};
    size_t row_bytes = rows.d * sizeof *out->rows;
    out->rows = leann_alloc(ctx, m, row_bytes);
    out->ids = leann_alloc(ctx, m, sizeof *out->ids);
    if (!out->rows || !out->ids) {
        leann_free(out->rows);
        leann_free(out->ids);
        *out = (leann_anchors){0, 0, NULL, NULL};
        return LEANN_ENOMEM;
    }
    leann_rows_gather(rows, ids, m, out->rows);
    memcpy(out->ids, ids, m * sizeof *ids);
    return LEANN_OK;
}

/* ---- checks ----------------------------------------------------------------------------------------------------------------- */

static bool finite_row(const float *x, uint32_t d)
{
    uint32_t bad = 0;
    for (uint32_t j = 0; j < d; j++) { /* by bits and without a branch, so that it takes vectors */
        uint32_t bits;
        memcpy(&bits, x + j, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

static bool zero_row(const void *row, size_t bytes, leann_dtype type)
{
    if (type != LEANN_F32) {
        for (size_t j = 0; j < bytes; j++)
            if (((const char *)row)[j]) return false;
        return true;
    }
    for (size_t j = 0; j < bytes / sizeof(float); j++)
        if (((const float *)row)[j] != 0) return false; /* minus zero is zero */
    return true;
}

typedef struct {
    leann_rows rows;
    leann_status status;     /* of a bad row */
    const char *path, *mark; /* before the sentence */
} check_job;

static leann_status check_chunk(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const check_job *job = arg;
    leann_rows rows = job->rows;
    size_t bytes = rows.d * leann_dtype_bytes(rows.type);
    for (size_t i = begin; i < end; i++) {
        const float *x = leann_row(rows, (uint32_t)i);
        if (rows.type == LEANN_F32 && !finite_row(x, rows.d))
            for (uint32_t j = 0; j < rows.d; j++)
                if (!isfinite(x[j]))
                    return leann_fail(worker, job->status, "%s%srow %zu, column %u is %s: every number must be finite", job->path,
                                      job->mark, i, j, isnan(x[j]) ? "NaN" : "infinite");
        if (rows.space == LEANN_ANGULAR && zero_row(x, bytes, rows.type))
            return leann_fail(worker, job->status, "%s%srow %zu is all zeros: it has no angle", job->path, job->mark, i);
    }
    return LEANN_OK;
}

leann_status leann_rows_check(leann_ctx *ctx, leann_rows rows)
{
    if (rows.type != LEANN_F32 && rows.type != LEANN_U8 && rows.type != LEANN_I8)
        return leann_fail(ctx, LEANN_EINVAL, "rows of %s cannot be searched: float32, uint8 and int8 can", leann_dtype_word(rows.type));
    if (rows.type != LEANN_F32 && rows.space != LEANN_ANGULAR) return LEANN_OK;
    return leann_parallel(ctx, rows.n, CHECK_ROWS, check_chunk, &(check_job){rows, LEANN_EINVAL, "", ""});
}

leann_status leann_rows_check_file(leann_ctx *ctx, const char *path, leann_rows rows)
{
    if (rows.type != LEANN_F32 && rows.space != LEANN_ANGULAR) return LEANN_OK;
    return leann_parallel(ctx, rows.n, CHECK_ROWS, check_chunk, &(check_job){rows, LEANN_EFORMAT, path, ": "});
}

/* ---- the lift ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_rows rows;
    double *norm, largest;
    float *out;
} lift;

static leann_status lift_norms(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    lift *l = arg;
    size_t mark = leann_scratch_mark(worker);
    float *x = leann_scratch(worker, l->rows.d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    for (size_t i = begin; i < end; i++) {
        one_row(l->rows, (uint32_t)i, x);
        double sum = 0;
        for (uint32_t j = 0; j < l->rows.d; j++) sum += (double)x[j] * (double)x[j];
        l->norm[i] = sum;
    }
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

static leann_status lift_rows(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker;
    lift *l = arg;
    for (size_t i = begin; i < end; i++) {
        float *x = l->out + i * (l->rows.d + (size_t)1);
        one_row(l->rows, (uint32_t)i, x);
        x[l->rows.d] = (float)sqrt(l->largest - l->norm[i]);
    }
    return LEANN_OK;
}

leann_status leann_rows_lift(leann_ctx *ctx, leann_rows rows, leann_rows *out)
{
    *out = rows;
    if (rows.space != LEANN_IP) return LEANN_OK;
    lift l = {rows, leann_alloc(ctx, rows.n, sizeof *l.norm), 0, leann_alloc(ctx, rows.n, (rows.d + (size_t)1) * sizeof *l.out)};
    leann_status status = LEANN_ENOMEM;
    if (!l.norm || !l.out) goto done;
    if ((status = leann_parallel(ctx, rows.n, CHECK_ROWS, lift_norms, &l))) goto done;
    for (uint32_t i = 0; i < rows.n; i++) l.largest = fmax(l.largest, l.norm[i]);
    if ((status = leann_parallel(ctx, rows.n, CHECK_ROWS, lift_rows, &l))) goto done;
    *out = (leann_rows){l.out, (rows.d + (size_t)1) * sizeof *l.out, rows.n, rows.d + 1, LEANN_F32, LEANN_L2};
    l.out = NULL;
done:
    leann_free(l.norm);
    leann_free(l.out);
    return status;
}

/* ---- the scorer ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_scorer common;
    leann_rows rows;
    const leann_kernels *kernels;
    float *q, *wide;      /* q (d), minus q under inner product: -<q, x> = <-q, x>; wide (d): a signed-byte row as floats */
    const uint8_t *whole; /* q as bytes */
} row_scorer;

static leann_list list_of(leann_rows rows, leann_span span)
{
    return (leann_list){rows.base, rows.stride, span.ids, span.first, span.n};
}

static uint32_t member(leann_span span, uint32_t i)
{
    return span.ids ? span.ids[i] : span.first + i;
}

static void l2_floats(const leann_kernels *kernels, const float *q, leann_list list, size_t d, float cut, float *key)
{
    if (d >= CUT_D && cut < INFINITY)
        kernels->l2_f32_cut_list(q, list, d, cut, key);
    else
        kernels->l2_f32_list(q, list, d, key);
}

static void signed_list(const row_scorer *s, leann_span span, float *key)
{
    for (uint32_t i = 0; i < span.n; i++) {
        uint32_t row = member(span, i);
        if (s->rows.space == LEANN_IP) {
            key[i] = s->kernels->ip_f32_i8(s->q, leann_row(s->rows, row), s->rows.d);
        } else {
            one_row(s->rows, row, s->wide);
            key[i] = s->kernels->l2_f32(s->q, s->wide, s->rows.d);
        }
    }
}

static void score(leann_scorer *self, leann_span span, float cut, float *key, float *low)
{
    row_scorer *s = (row_scorer *)self;
    leann_list list = list_of(s->rows, span);
    size_t d = s->rows.d;
    bool ip = s->rows.space == LEANN_IP;
    if (s->rows.type == LEANN_F32 && ip)
        s->kernels->ip_f32_list(s->q, list, d, key);
    else if (s->rows.type == LEANN_F32)
        l2_floats(s->kernels, s->q, list, d, cut, key);
    else if (s->rows.type == LEANN_I8)
        signed_list(s, span, key);
    else if (s->whole)
        s->kernels->l2_u8_list(s->whole, list, d, key);
    else
        (ip ? s->kernels->ip_f32_u8_list : s->kernels->l2_f32_u8_list)(s->q, list, d, key);
    if (low) memcpy(low, key, span.n * sizeof *low);
    self->dist_comps += span.n;
}

static void prefetch(const leann_scorer *self, leann_span span)
{
    enum { HEAD = 256 }; /* what is summed before a first look at the cut */
    const row_scorer *s = (const row_scorer *)self;
    size_t bytes = s->rows.stride < HEAD ? s->rows.stride : HEAD;
    for (uint32_t i = 0; i < span.n; i++) leann_row_prefetch(s->rows, member(span, i), bytes);
}

leann_scorer *leann_rows_scorer(leann_ctx *ctx, leann_rows rows, const float *q)
{
    row_scorer *s = leann_scratch(ctx, sizeof *s);
    float *copy = leann_scratch(ctx, rows.d * sizeof *copy), *wide = NULL;
    if (!s || !copy) return NULL;
    bool whole = rows.type == LEANN_U8 && rows.space != LEANN_IP && rows.d <= INTEGER_D;
    for (uint32_t j = 0; j < rows.d; j++) {
        copy[j] = rows.space == LEANN_IP ? -q[j] : q[j];
        whole = whole && q[j] >= 0 && q[j] <= 255 && q[j] == (float)(int)q[j];
    }
    uint8_t *bytes = NULL;
    if (whole) {
        if (!(bytes = leann_scratch(ctx, rows.d))) return NULL;
        for (uint32_t j = 0; j < rows.d; j++) bytes[j] = (uint8_t)q[j];
    }
    if (rows.type == LEANN_I8 && !(wide = leann_scratch(ctx, rows.d * sizeof *wide))) return NULL;
    *s = (row_scorer){{.score = score, .prefetch = prefetch}, rows, leann_kernels_get(), copy, wide, bytes};
    return &s->common;
}

/* ---- the oracle ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_oracle common; /* .rows: what is scored, widened signed bytes included */
    const leann_kernels *kernels;
    float *wide; /* owned, NULL unless the rows were signed bytes */
    bool integers;
} row_oracle;

static void oracle_row(const leann_oracle *self, const float *x, leann_span b, float *key)
{
    const row_oracle *o = (const row_oracle *)self;
    leann_list list = list_of(self->rows, b);
    (self->rows.type == LEANN_U8 ? o->kernels->l2_f32_u8_list : o->kernels->l2_f32_list)(x, list, self->d, key);
}

static void oracle_list(const leann_oracle *self, uint32_t a, leann_span b, float cut, float *key)
{
    const row_oracle *o = (const row_oracle *)self;
    const void *row = leann_row(self->rows, a);
    leann_list list = list_of(self->rows, b);
    if (o->integers)
        o->kernels->l2_u8_list(row, list, self->d, key);
    else if (self->rows.type == LEANN_F32)
        l2_floats(o->kernels, row, list, self->d, cut, key);
    else /* bytes of more than 65,536 dimensions: the sums overflow 32 bits, so pair by pair in floats */
        for (uint32_t i = 0; i < b.n; i++) {
            const uint8_t *x = row, *y = leann_row(self->rows, member(b, i));
            uint64_t sum = 0;
            for (uint32_t j = 0; j < self->d; j++) sum += (uint64_t)((x[j] - y[j]) * (x[j] - y[j]));
            key[i] = (float)sum;
        }
}

void leann_rows_span(leann_rows rows, leann_span span, float *x)
{
    if (span.ids)
        leann_rows_gather(rows, span.ids, span.n, x);
    else
        leann_rows_floats(rows, span.first, span.n, x);
}

/* Floats: |a|² + |b|² - 2<a, b>, clipped at 0, in tiles cut at multiples of 256 x 512 of the call. Bytes: list by list, exact, at
 * about the speed of a float product. */
static leann_status oracle_block(const leann_oracle *self, leann_ctx *ctx, leann_span a, leann_span b, float *key)
{
    enum { TILE_A = 256, TILE_B = 512 };
    const row_oracle *o = (const row_oracle *)self;
    if (self->rows.type != LEANN_F32) {
        for (uint32_t i = 0; i < a.n; i++) oracle_list(self, member(a, i), b, INFINITY, key + (size_t)i * b.n);
        return LEANN_OK;
    }
    size_t mark = leann_scratch_mark(ctx), d = self->d;
    float *x = leann_scratch(ctx, TILE_A * d * sizeof *x), *y = leann_scratch(ctx, TILE_B * d * sizeof *y);
    float *norm = leann_scratch(ctx, (TILE_A + TILE_B) * sizeof *norm);
    leann_status status = x && y && norm ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t j = 0; !status && j < b.n; j += TILE_B) {
        uint32_t w = b.n - j < TILE_B ? b.n - j : TILE_B;
        leann_rows_span(self->rows, (leann_span){LEANN_NONE, b.first + j, w, b.ids ? b.ids + j : NULL}, y);
        for (uint32_t q = 0; q < w; q++) norm[TILE_A + q] = o->kernels->norm_f32(y + q * d, d);
        for (uint32_t i = 0; i < a.n; i += TILE_A) {
            uint32_t h = a.n - i < TILE_A ? a.n - i : TILE_A;
            leann_rows_span(self->rows, (leann_span){LEANN_NONE, a.first + i, h, a.ids ? a.ids + i : NULL}, x);
            float *out = key + (size_t)i * b.n + j;
            leann_gemm_nt(h, w, d, -2, x, d, y, d, 0, out, b.n);
            for (uint32_t p = 0; p < h; p++) {
                float mine = o->kernels->norm_f32(x + p * d, d), *line = out + (size_t)p * b.n;
                for (uint32_t q = 0; q < w; q++) {
                    float k = (mine + norm[TILE_A + q]) + line[q];
                    line[q] = k > 0 ? k : 0;
                }
            }
        }
    }
    leann_scratch_reset(ctx, mark);
    return status;
}

leann_status leann_oracle_new(leann_ctx *ctx, leann_rows rows, leann_oracle **out)
{
    row_oracle *o = leann_alloc(ctx, 1, sizeof *o);
    if (!o) return LEANN_ENOMEM;
    o->common = (leann_oracle){rows.n, rows.d, oracle_list, oracle_row, oracle_block, rows};
    o->kernels = leann_kernels_get();
    o->integers = rows.type == LEANN_U8 && rows.d <= INTEGER_D;
    if (rows.type == LEANN_I8) {
        o->wide = leann_alloc(ctx, rows.n, rows.d * sizeof *o->wide);
        if (!o->wide) {
            leann_free(o);
            return LEANN_ENOMEM;
        }
        leann_rows_floats(rows, 0, rows.n, o->wide);
        o->common.rows = (leann_rows){o->wide, rows.d * sizeof *o->wide, rows.n, rows.d, LEANN_F32, rows.space};
    }
    *out = &o->common;
    return LEANN_OK;
}

void leann_oracle_free(leann_oracle *oracle)
{
    if (!oracle) return;
    leann_free(((row_oracle *)oracle)->wide);
    leann_free(oracle);
}
