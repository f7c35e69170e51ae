/* dense_bench.c – times the products of a forward pass and what lies between them, on one sequence; each result is compared
 * with the scalar table's before.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/dense_bench.h"

#include "core/simd/dense.h"
#include "eval/stats.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { TOKENS = 252, HIDDEN = 384, INNER = 1536, HEAD = 32, BLOCK = 24, WIDTH = 256, TABLES = 8 };
enum {
    ROWS_BYTES = (TOKENS + LEANN_DENSE_SPARE) * INNER * 4,
    PANELS_BYTES = INNER * HIDDEN * 4,
    OUT_BYTES = TOKENS * INNER * 4,
    REAL_BYTES = ROWS_BYTES + PANELS_BYTES
};

typedef enum { FLOATS, BF16, BYTES } number; /* that results are */

typedef struct { /* what all calls share */
    float *real; /* (REAL_BYTES / 4) random, in [-1, 1): rows, then panels */
    void *rows, *panels, *out, *want;
    float *bias, *step, *row_step, *inverse;
    int32_t *sums, *row_zero;
    uint32_t *packed;
} room;

typedef struct op op;
struct op {
    const char *name;
    size_t rows, columns, inner; /* inner 0: a map */
    bool gelu;
    leann_peak_operand operand; /* of products */
    number result;
    double bound; /* how far a result may be from the scalar table's: of floats and bf16 relative to 1 + its size; 0: equal */
    void (*call)(const leann_dense_kernels *t, const room *r, const op *o);
};

static const size_t parts[LEANN_PEAKS] = {1, 2, 4}; /* elements a unit of four bytes */

/* ---- what is timed ------------------------------------------------------------------------------------------------------------------ */

static void product(const leann_dense_kernels *t, const room *r, const op *o)
{
    const size_t units = o->inner / parts[o->operand];
    const leann_product p = {.m = o->rows,
                             .n = o->columns,
                             .units = units,
                             .rows = r->rows,
                             .stride = units * sizeof(uint32_t),
                             .panels = r->panels,
                             .bias = o->inner > HEAD ? r->bias : NULL, /* scores of attention have none */
                             .row_step = r->row_step,
                             .row_zero = r->row_zero,
                             .step = r->step,
                             .sums = r->sums,
                             .out = r->out,
                             .out_stride = o->columns * sizeof(float),
                             .gelu = o->gelu,
                             .packed = r->packed};
    void (*const by[LEANN_PEAKS])(const leann_product *) = {t->product_f32, t->product_bf16, t->product_u8};
    by[o->operand](&p);
}

static void panels(const leann_dense_kernels *t, const room *r, const op *o)
{
    t->panels(r->real, o->columns * sizeof(float), o->rows, o->columns, WIDTH, r->out);
}

/* It works in place: the scores are copied first, by every table. */
static void softmax(const leann_dense_kernels *t, const room *r, const op *o)
{
    memcpy(r->out, r->real, o->rows * WIDTH * sizeof(float));
    t->softmax(r->out, WIDTH, o->rows, o->columns, WIDTH, o->result == BF16, r->inverse);
}

static void scale(const leann_dense_kernels *t, const room *r, const op *o)
{
    memcpy(r->out, r->real, o->rows * o->columns * sizeof(float));
    t->scale(r->out, o->columns, o->rows, o->columns, r->row_step);
}

static void norm(const leann_dense_kernels *t, const room *r, const op *o)
{
    float *x = r->out;
    memcpy(x, r->real, o->rows * o->columns * sizeof *x);
    for (size_t i = 0; i < o->rows; i++, x += o->columns) t->norm(x, r->real + i, o->columns, r->step, r->bias, 1e-12F);
}

static void bf16_from_f32(const leann_dense_kernels *t, const room *r, const op *o)
{
    t->bf16_from_f32(r->real, r->out, o->rows * o->columns);
}

static void u8_from_f32(const leann_dense_kernels *t, const room *r, const op *o)
{
    uint8_t *out = r->out;
    for (size_t i = 0; i < o->rows; i++)
        t->u8_from_f32(r->real + i * o->columns, out + i * o->columns, o->columns, &r->row_step[i], &r->row_zero[i]);
}

#define LAYERS(name, operand, bound)                                                                                                       \
    {name, TOKENS, 3 * HIDDEN, HIDDEN, false, operand, FLOATS, bound, product},                                                            \
        {name, TOKENS, HIDDEN, HIDDEN, false, operand, FLOATS, bound, product},                                                            \
        {name, TOKENS, INNER, HIDDEN, true, operand, FLOATS, bound, product},                                                              \
        {name, TOKENS, HIDDEN, INNER, false, operand, FLOATS, bound, product},
#define ATTENTION(name, operand, bound)                                                                                                    \
    {name, BLOCK, WIDTH, HEAD, false, operand, FLOATS, bound, product}, {name, BLOCK, HEAD, WIDTH, false, operand, FLOATS, bound, product},

static const op ops[] = {
    LAYERS("product_f32", LEANN_PEAK_F32, 1e-5)                                          /* */
    ATTENTION("product_f32", LEANN_PEAK_F32, 1e-5)                                       /* */
    LAYERS("product_bf16", LEANN_PEAK_BF16, 1e-4)                                        /* */
    ATTENTION("product_bf16", LEANN_PEAK_BF16, 1e-4)                                     /* */
    LAYERS("product_u8", LEANN_PEAK_U8, 1e-5)                                            /* */
    {"panels", TOKENS, HEAD, 0, false, LEANN_PEAK_F32, BYTES, 0, panels},                /* */
    {"softmax", BLOCK, TOKENS, 0, false, LEANN_PEAK_F32, FLOATS, 1e-6, softmax},         /* */
    {"softmax", BLOCK, TOKENS, 0, false, LEANN_PEAK_F32, BF16, 8e-3, softmax},           /* */
    {"scale", BLOCK, HEAD, 0, false, LEANN_PEAK_F32, FLOATS, 0, scale},                  /* */
    {"norm", TOKENS, HIDDEN, 0, false, LEANN_PEAK_F32, FLOATS, 1e-5, norm},              /* */
    {"bf16_from_f32", TOKENS, HIDDEN, 0, false, LEANN_PEAK_F32, BF16, 0, bf16_from_f32}, /* */
    {"u8_from_f32", TOKENS, HIDDEN, 0, false, LEANN_PEAK_F32, BYTES, 0, u8_from_f32},    /* */
};
enum { OPS = sizeof ops / sizeof *ops };

/* ---- checking ----------------------------------------------------------------------------------------------------------------------- */

static double value_at(const void *x, number of, size_t i)
{
    if (of == BYTES) return ((const uint8_t *)x)[i];
    uint32_t bits;
    float f;
    memcpy(&bits, (const char *)x + i * (of == BF16 ? 2 : 4), of == BF16 ? 2 : 4);
    if (of == BF16) bits <<= 16;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static leann_status check(leann_ctx *ctx, const op *o, const leann_dense_kernels *scalar, const leann_dense_kernels *t, const room *r)
{
    static const size_t size[] = {sizeof(float), sizeof(uint16_t), 1};
    const bool weights = o->call == softmax, whole = o->call == panels;
    const size_t line = weights ? WIDTH * sizeof(float) : o->columns * size[o->result]; /* bytes from row to row */
    const size_t bytes = whole ? WIDTH * o->columns * sizeof(float) : o->rows * line;
    memset(r->want, 0, bytes);
    memset(r->out, 0, bytes);
    o->call(scalar, r, o);
    memcpy(r->want, r->out, bytes);
    memset(r->out, 0, bytes);
    o->call(t, r, o);
    if (o->bound == 0 && memcmp(r->out, r->want, bytes) != 0)
        return leann_fail(ctx, LEANN_EINVAL, "%s of %s gives other bits than scalar", o->name, t->name);
    for (size_t i = 0; i < o->rows && o->bound > 0; i++)
        for (size_t j = 0; j < o->columns; j++) {
            double got = value_at((char *)r->out + i * line, o->result, j), want = value_at((char *)r->want + i * line, o->result, j);
            if (!(fabs(got - want) <= o->bound * (1 + fabs(want))))
                return leann_fail(ctx, LEANN_EINVAL,
                                  "%s of %s gives %.9g at row %zu, column %zu where scalar gives %.9g; the bound is %g of it", o->name,
                                  t->name, got, i, j, want, o->bound);
        }
    return LEANN_OK;
}

/* ---- one of them -------------------------------------------------------------------------------------------------------------------- */

/* Rows and panels as an operand has them. Bytes are random bits; signed they stand for what the scales make of them. */
static void fill(const room *r, leann_peak_operand operand)
{
    const leann_dense_kernels *scalar = leann_dense_named("scalar");
    const char *bits = (const char *)r->real;
    leann_rng rng = leann_rng_at(1, "dense-bench", 1);
    if (operand == LEANN_PEAK_F32) {
        memcpy(r->rows, bits, ROWS_BYTES);
        memcpy(r->panels, bits + ROWS_BYTES, PANELS_BYTES);
    } else if (operand == LEANN_PEAK_BF16) {
        scalar->bf16_from_f32(r->real, r->rows, ROWS_BYTES / 4);
        scalar->bf16_from_f32(r->real + ROWS_BYTES / 4, r->panels, PANELS_BYTES / 4);
    } else {
        for (size_t i = 0; i < ROWS_BYTES; i++) ((uint8_t *)r->rows)[i] = (uint8_t)leann_rng_u32(&rng);
        for (size_t i = 0; i < PANELS_BYTES; i++) ((int8_t *)r->panels)[i] = (int8_t)leann_rng_u32(&rng);
    }
}

static double sample(const leann_dense_kernels *t, const room *r, const op *o, unsigned usec)
{
    const int some = o->inner ? 1 : 16; /* the clock costs as much as a small map */
    uint64_t calls = 0, limit = leann_now_ns() + (uint64_t)usec * 1000, start = leann_thread_ns();
    do
        for (int i = 0; i < some; i++, calls++) o->call(t, r, o);
    while (leann_now_ns() < limit);
    return (double)(leann_thread_ns() - start) / (double)calls * 1e-3;
}

static leann_status measure(leann_ctx *ctx, const op *o, const leann_dense_kernels *const *table, size_t tables, const room *r,
                            leann_dense_options options, leann_dense_report *report)
{
    const size_t mark = leann_scratch_mark(ctx), repeats = options.repeats;
    double *samples = leann_scratch(ctx, tables * repeats * sizeof *samples);
    leann_dense_timing *out = report->timing + report->n;
    leann_status status = leann_ctx_status(ctx);
    for (size_t t = 0; t < tables && status == LEANN_OK; t++) status = check(ctx, o, table[0], table[t], r);
    if (status) goto done;
    for (size_t i = 0; i < repeats; i++)
        for (size_t t = 0; t < tables; t++) samples[t * repeats + i] = sample(table[t], r, o, options.sample_usec);
    for (size_t t = 0; t < tables; t++) {
        const double us = leann_stats_median(samples + t * repeats, repeats);
        const double gflop_s = 2 * (double)(o->rows * o->columns * o->inner) / us * 1e-3, peak = report->peak[o->operand].gflop_s;
        out[t] = (leann_dense_timing){o->name, table[t]->name, o->rows, o->columns, o->inner, o->gelu, us, 0, gflop_s, 0};
        out[t].speedup = out[0].us / us;
        if (peak > 0) out[t].peak_share = gflop_s / peak;
    }
    report->n += tables;
    if (leann_ctx_cancelled(ctx)) status = leann_fail(ctx, LEANN_EINTR, "interrupted");
done:
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status room_new(leann_ctx *ctx, room *r)
{
    *r = (room){.real = leann_scratch(ctx, REAL_BYTES),
                .rows = leann_scratch(ctx, ROWS_BYTES),
                .panels = leann_scratch(ctx, PANELS_BYTES),
                .out = leann_scratch(ctx, OUT_BYTES),
                .want = leann_scratch(ctx, OUT_BYTES),
                .bias = leann_scratch(ctx, INNER * sizeof(float)),
                .step = leann_scratch(ctx, INNER * sizeof(float)),
                .row_step = leann_scratch(ctx, TOKENS * sizeof(float)),
                .inverse = leann_scratch(ctx, TOKENS * sizeof(float)),
                .sums = leann_scratch(ctx, INNER * sizeof(int32_t)),
                .row_zero = leann_scratch(ctx, TOKENS * sizeof(int32_t)),
                .packed = leann_scratch(ctx, (TOKENS + LEANN_DENSE_SPARE) * (INNER + 32) * sizeof(uint32_t))};
    if (leann_ctx_status(ctx)) return leann_ctx_status(ctx);
    leann_rng rng = leann_rng_at(1, "dense-bench", 0);
    for (size_t i = 0; i < REAL_BYTES / sizeof(float); i++) r->real[i] = (float)(2 * leann_rng_real(&rng) - 1);
    for (size_t j = 0; j < INNER; j++) r->bias[j] = r->real[j], r->step[j] = 0.01F, r->sums[j] = (int32_t)j;
    for (size_t i = 0; i < TOKENS; i++) r->row_step[i] = 0.01F, r->row_zero[i] = 100;
    return LEANN_OK;
}

leann_status leann_dense_bench(leann_ctx *ctx, leann_dense_options options, leann_dense_report *report)
{
    const size_t mark = leann_scratch_mark(ctx);
    const leann_dense_kernels *table[TABLES];
    size_t tables = 0, names = 0;
    room r;
    *report = (leann_dense_report){0};
    if (options.tokens < 1 || options.tokens > TOKENS)
        return leann_fail(ctx, LEANN_EINVAL, "%zu tokens; from 1 to %d", options.tokens, TOKENS);
    if (options.repeats < 1) return leann_fail(ctx, LEANN_EINVAL, "0 repeats; at least 1");
    while (leann_dense_best_first[names]) names++;
    for (size_t i = names; i-- > 0 && tables < TABLES;) /* scalar first */
        if (leann_dense_named(leann_dense_best_first[i])) table[tables++] = leann_dense_named(leann_dense_best_first[i]);
    leann_status status = room_new(ctx, &r);
    report->timing = leann_alloc(ctx, OPS * tables, sizeof *report->timing);
    if (!status && !report->timing) status = leann_ctx_status(ctx);
    for (int i = 0; i < LEANN_PEAKS; i++) report->peak[i] = leann_measure_peak((leann_peak_operand)i);
    for (size_t i = 0; i < OPS && status == LEANN_OK; i++) {
        leann_ctx_progress(ctx, ops[i].name, i, OPS);
        if (i == 0 || ops[i].operand != ops[i - 1].operand) fill(&r, ops[i].operand);
        op o = ops[i];
        if (o.rows > options.tokens) o.rows = options.tokens;
        status = measure(ctx, &o, table, tables, &r, options, report);
    }
    leann_ctx_progress(ctx, "dense kernels", OPS, OPS);
    leann_scratch_reset(ctx, mark);
    return status;
}

void leann_dense_report_free(leann_dense_report *report)
{
    leann_free(report->timing);
    *report = (leann_dense_report){0};
}
