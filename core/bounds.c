/* bounds.c – lower bounds of |q - x|² for rows (n, d), from w <= 124 bytes and a float a row: 64 or 128 bytes.
 *
 * A row's shadow is x - µ where that has at most 124 coordinates, else what it is along 123 orthonormal axes and the length of what they
 * leave. Two shadows are never farther apart than the rows (the last coordinate by the triangle inequality). A
 * shadow is kept as bytes, each coordinate in steps of its own over four deviations about its mean, and beside them how far they lie
 * from it. So, with s the shadow of q and c the bytes' of x,
 *     |q - x| >= |s - c| - (what the bytes are off) - (what rounding may be off),
 * and a row for which the right side is above the root of the cut need not be read. The cost of a row passed over is a sum of w bytes
 * instead of d floats; of a query, 123 d multiply-adds where there are axes.
 * Rounding: (d + 64) 2^-23 of a length is more than 124 sums of d terms in 16 lanes or more can be off together; the axes need only not
 * lengthen, as x -> (A x, |x|² - |A x|² under a root) then lengthens nothing.
 * Layout: row i at code + i * stride: w bytes, the float at the next multiple of 4, to the end of a cache line.
 * Counted on walks of hnsw (M 16), lines read against all lines of all rows met, recall .98 to .99: MNIST 0.43, GloVe-50 0.46.
 *
 * Source: a filter of small approximations before exact vectors: Weber, Schek & Blott 1998 (VA-file); the length of what is left:
 *   Hwang, Han & Ahn 2012; axes: core/shadow.c.
 * Differs: bounds steer nothing and order nothing: the walk sees exact keys or none.
 *
 * SPDX-License-Identifier: MIT */
#include "core/bounds.h"
#include "core/shadow.h"
#include "core/simd/kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LINE = 64, WIDE = 124, SAMPLE = 2048, BLOCK = 256, TOP = 255, GROUP = 64, TOGETHER = 8, AHEAD_BYTES = 256, CACHE_BYTES = 1 << 20 };
#define SPREAD 4.0 /* deviations about the mean that the steps cover */

struct leann_bounds {
    leann_rows rows;
    uint32_t width;       /* coordinates of a shadow */
    float *centre, *axes; /* (d), (width - 1, d); axes NULL: all of x - centre */
    float *low, *step;    /* (width): byte c of coordinate j stands for low[j] + step[j] * c */
    float margin, reach;  /* what rounding may move, as a share of a length; the length that low and step span */
    size_t at, stride;    /* where in a row the float is */
    char *code;           /* (n, stride) */
};

static uint32_t width_of(uint32_t d)
{
    return d < WIDE ? d : WIDE;
}

static size_t stride_of(uint32_t width)
{
    return leann_line_up(width + sizeof(float));
}

bool leann_bounds_pay(leann_rows rows)
{
    size_t bytes = rows.d * leann_dtype_bytes(rows.type);
    return rows.type == LEANN_F32 && rows.space != LEANN_IP && bytes >= 3 * stride_of(width_of(rows.d)) && rows.n * bytes > CACHE_BYTES;
}

/* The shadows (n, width) of x (n, d), which is used up, and off (n): how far rounding may have moved each. n <= TOGETHER: an axis meets all of
 * them while it is at hand. */
static void cast(const leann_bounds *b, float *x, uint32_t n, float *shadow, float *off)
{
    static const uint32_t ids[TOGETHER] = {0, 1, 2, 3, 4, 5, 6, 7};
    const leann_kernels *kernels = leann_kernels_get();
    size_t d = b->rows.d, axes = b->width - 1;
    float along[TOGETHER];
    for (uint32_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) x[i * d + j] -= b->centre[j];
    for (size_t a = 0; b->axes && a < axes; a++) {
        kernels->ip_f32_list(b->axes + a * d, (leann_list){x, d * sizeof *x, ids, 0, n}, d, along);
        for (uint32_t i = 0; i < n; i++) shadow[i * b->width + a] = along[i];
    }
    if (!b->axes) memcpy(shadow, x, n * d * sizeof *shadow);
    for (uint32_t i = 0; i < n; i++, x += d, shadow += b->width) {
        float square = kernels->norm_f32(x, d), rest_off = 2 * b->margin * square;
        off[i] = b->margin * sqrtf(square);
        if (!b->axes) continue;
        float rest = fmaxf(square - kernels->norm_f32(shadow, axes), 0);
        shadow[axes] = sqrtf(rest);
        if (rest_off > 0) off[i] += rest_off / sqrtf(fmaxf(rest, rest_off));
    }
}

/* ---- the rows ----------------------------------------------------------------------------------------------------------------- */

/* The bytes of a shadow, and how far they lie from it beside what rounding may have moved. */
static void encode(const leann_bounds *b, const float *shadow, float off, uint8_t *code)
{
    double error = 0;
    for (uint32_t j = 0; j < b->width; j++) {
        float steps = b->step[j] > 0 ? (shadow[j] - b->low[j]) / b->step[j] : 0;
        code[j] = (uint8_t)(fminf(fmaxf(steps, 0), TOP) + 0.5F);
        double left = (double)shadow[j] - ((double)b->low[j] + (double)b->step[j] * code[j]);
        error += left * left;
    }
    off += (float)sqrt(error);
    memcpy(code + b->at, &off, sizeof off);
}

static leann_status encode_rows(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const leann_bounds *b = arg;
    size_t mark = leann_scratch_mark(worker);
    float *x = leann_scratch(worker, TOGETHER * b->rows.d * sizeof *x), shadow[TOGETHER * WIDE], off[TOGETHER];
    if (!x) return LEANN_ENOMEM;
    for (size_t i = begin; i < end; i += TOGETHER) {
        uint32_t n = end - i < TOGETHER ? (uint32_t)(end - i) : TOGETHER;
        leann_rows_floats(b->rows, (uint32_t)i, n, x);
        cast(b, x, n, shadow, off);
        for (uint32_t r = 0; r < n; r++) encode(b, shadow + r * b->width, off[r], (uint8_t *)b->code + (i + r) * b->stride);
    }
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

/* Steps by the mean and the deviation of each coordinate of a sample's shadows. */
static leann_status find_steps(leann_ctx *ctx, leann_bounds *b)
{
    size_t mark = leann_scratch_mark(ctx);
    uint32_t every = b->rows.n / SAMPLE + 1, n = 0;
    float *x = leann_scratch(ctx, b->rows.d * sizeof *x), shadow[WIDE], off;
    if (!x) return LEANN_ENOMEM;
    double sum[WIDE] = {0}, squares[WIDE] = {0}, reach = 0;
    for (uint32_t i = 0; i < b->rows.n; i += every, n++) {
        leann_rows_floats(b->rows, i, 1, x);
        cast(b, x, 1, shadow, &off);
        for (uint32_t j = 0; j < b->width; j++) sum[j] += (double)shadow[j], squares[j] += (double)shadow[j] * (double)shadow[j];
    }
    for (uint32_t j = 0; j < b->width; j++) {
        double mean = sum[j] / n, spread = SPREAD * sqrt(fmax(squares[j] / n - mean * mean, 0));
        b->low[j] = (float)(mean - spread);
        b->step[j] = (float)(2 * spread / TOP);
        reach += (fabs(mean) + spread) * (fabs(mean) + spread);
    }
    b->reach = (float)sqrt(reach);
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

leann_status leann_bounds_new(leann_ctx *ctx, leann_rows rows, leann_bounds **out)
{
    leann_bounds *b = *out = leann_alloc(ctx, 1, sizeof *b);
    if (!b) return LEANN_ENOMEM;
    size_t d = rows.d;
    b->rows = rows;
    b->width = width_of(rows.d);
    b->at = (b->width + sizeof(float) - 1) / sizeof(float) * sizeof(float);
    b->stride = stride_of(b->width);
    b->margin = (float)(d + LINE) * 0x1p-23F;
    b->low = leann_alloc(ctx, b->width, sizeof *b->low);
    b->step = leann_alloc(ctx, b->width, sizeof *b->step);
    b->code = leann_alloc(ctx, rows.n, b->stride);
    b->centre = leann_alloc(ctx, d, sizeof *b->centre);
    leann_status status = b->low && b->step && b->code && b->centre ? LEANN_OK : LEANN_ENOMEM;
    if (!status && b->width == d) status = leann_rows_mean(ctx, rows, b->centre);
    if (!status && b->width < d) {
        b->axes = leann_alloc(ctx, b->width - 1, d * sizeof *b->axes);
        status = b->axes ? leann_shadow_axes(ctx, rows, "bounds", b->width - 1, b->centre, b->axes) : LEANN_ENOMEM;
    }
    if (!status) status = find_steps(ctx, b);
    if (!status) status = leann_parallel(ctx, rows.n, BLOCK, encode_rows, b);
    if (!status) return LEANN_OK;
    leann_bounds_free(b);
    *out = NULL;
    return status;
}

void leann_bounds_free(leann_bounds *b)
{
    if (!b) return;
    leann_free(b->centre);
    leann_free(b->axes);
    leann_free(b->low);
    leann_free(b->step);
    leann_free(b->code);
    leann_free(b);
}

/* ---- the scorer ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_scorer common, *exact;
    const leann_bounds *bounds;
    const leann_kernels *kernels;
    float *q;  /* (width): the query's shadow less low */
    float off; /* what rounding may have moved it, and a sum's terms */
    bool all;  /* there was no cut when it was last asked */
} bound_scorer;

/* Most rows that are read are read to the end: all of a short one is asked for, of a long one its head. */
static void ask_for(const leann_bounds *b, uint32_t id)
{
    leann_row_prefetch(b->rows, id, b->rows.stride < AHEAD_BYTES ? b->rows.stride : AHEAD_BYTES);
}

/* Of at most GROUP rows those that must be read, to the front of id, their places to where; returns how many. */
static uint32_t near_enough(const bound_scorer *s, const uint32_t *ids, uint32_t n, float cut, uint32_t *id, uint32_t *where)
{
    const leann_bounds *b = s->bounds;
    float square[GROUP], root = sqrtf(cut) + s->off, grown = 1 + 4 * b->margin;
    uint32_t kept = 0;
    s->kernels->sq8_l2_list(s->q, b->step, (leann_list){b->code, b->stride, ids, 0, n}, b->width, square);
    for (uint32_t i = 0; i < n; i++) {
        float off, reach;
        memcpy(&off, b->code + ids[i] * b->stride + b->at, sizeof off);
        reach = root + off;
        id[kept] = ids[i];
        where[kept] = i;
        kept += !(square[i] > reach * reach * grown + FLT_MIN); /* FLT_MIN: squares may vanish */
    }
    return kept;
}

uint32_t leann_bounds_sift(const leann_scorer *scorer, const uint32_t *ids, uint32_t n, float cut, uint32_t *near)
{
    const bound_scorer *s = (const bound_scorer *)scorer;
    uint32_t kept = 0, where[GROUP];
    for (uint32_t at = 0; at < n; at += GROUP) kept += near_enough(s, ids + at, n - at < GROUP ? n - at : GROUP, cut, near + kept, where);
    for (uint32_t i = 0; i < kept; i++) ask_for(s->bounds, near[i]);
    return kept;
}

static void score(leann_scorer *self, leann_span span, float cut, float *key, float *low)
{
    bound_scorer *s = (bound_scorer *)self;
    self->dist_comps += span.n;
    s->all = !(cut < INFINITY);
    if (s->all || !span.ids) {
        s->exact->score(s->exact, span, cut, key, low);
        return;
    }
    uint32_t id[GROUP], where[GROUP];
    float exact[GROUP];
    for (uint32_t at = 0; at < span.n; at += GROUP) {
        uint32_t n = span.n - at < GROUP ? span.n - at : GROUP;
        uint32_t kept = near_enough(s, span.ids + at, n, cut, id, where);
        for (uint32_t i = 0; i < n; i++) key[at + i] = INFINITY;
        for (uint32_t i = 0; i < kept; i++) ask_for(s->bounds, id[i]);
        if (kept) s->exact->score(s->exact, (leann_span){LEANN_NONE, 0, kept, id}, cut, exact, NULL);
        for (uint32_t i = 0; i < kept; i++) key[at + where[i]] = exact[i];
    }
    if (low) memcpy(low, key, span.n * sizeof *low);
}

static void prefetch(const leann_scorer *self, leann_span span)
{
    const bound_scorer *s = (const bound_scorer *)self;
    const leann_bounds *b = s->bounds;
    if (s->all && s->exact->prefetch) s->exact->prefetch(s->exact, span);
    for (uint32_t i = 0; i < span.n; i++) {
        const char *code = b->code + (span.ids ? span.ids[i] : (size_t)span.first + i) * b->stride;
        for (size_t at = 0; at < b->stride; at += LINE) __builtin_prefetch(code + at);
    }
}

leann_status leann_bounds_scorers(leann_ctx *ctx, const leann_bounds *bounds, const float *q, uint32_t n, leann_scorer *const *exact,
                                  leann_scorer **out)
{
    size_t d = bounds->rows.d, width = bounds->width;
    float *x = leann_scratch(ctx, n * d * sizeof *x), *shadow = leann_scratch(ctx, n * width * sizeof *shadow), off[TOGETHER];
    bound_scorer *s = leann_scratch(ctx, n * sizeof *s);
    if (!x || !shadow || !s) return LEANN_ENOMEM;
    memcpy(x, q, n * d * sizeof *x);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = i % TOGETHER, m = n - i < TOGETHER ? n - i : TOGETHER;
        float *mine = shadow + i * width;
        if (r == 0) cast(bounds, x + i * d, m, mine, off);
        for (uint32_t j = 0; j < width; j++) mine[j] -= bounds->low[j];
        s[i] = (bound_scorer){{.score = score, .prefetch = prefetch},  exact[i], bounds, leann_kernels_get(), mine,
                              off[r] + bounds->margin * bounds->reach, false};
        out[i] = &s[i].common;
    }
    return LEANN_OK;
}
