/* dense_check.c – see dense_check.h.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/unit/dense_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = LEANN_DENSE_COLUMNS, SPARE = LEANN_DENSE_SPARE };
typedef enum { F32, BF16, U8 } operand;
static const char *const operand_words[] = {"f32", "bf16", "u8"};

#define WRONG(...) return snprintf(why, DENSE_WHY, __VA_ARGS__), false

static uint32_t draw(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}
static float draw_real(void) /* in [-1, 1) */
{
    return (float)draw() / 2147483648.0f - 1;
}
static void *room(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    if (!p) abort();
    memset(p, 0x7f, bytes); /* as floats huge, so that what was not to be read shows */
    return p;
}
static float from_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static uint16_t to_bf16(float f)
{
    uint32_t x;
    memcpy(&x, &f, sizeof x);
    return (uint16_t)((x + 0x7fff + (x >> 16 & 1)) >> 16);
}
static double gelu(double x)
{
    return 0.5 * x * (1 + erf(x / sqrt(2)));
}

/* ---- products ---------------------------------------------------------------------------------------------------------------------- */

typedef struct { /* a product and what it must give */
    leann_product p;
    operand op;
    uint32_t *rows, *panels, *packed;
    float *bias, *row_step, *step, *out;
    int32_t *row_zero, *sums;
    double *want, *room; /* (m, n): the value, and how far off it may be */
} example;

/* Element t of a row of units, or of column j of the panels, as a number. */
static double element(const void *unit, operand op, size_t part, bool column)
{
    if (op == F32) return *(const float *)unit;
    if (op == BF16) return (double)from_bf16(((const uint16_t *)unit)[part]);
    return column ? ((const int8_t *)unit)[part] : ((const uint8_t *)unit)[part];
}

static example example_new(operand op, size_t m, size_t n, size_t units, bool worst)
{
    const size_t parts = op == F32 ? 1 : op == BF16 ? 2 : 4;
    example e = {.op = op,
                 .rows = room((m + SPARE) * units * 4),
                 .panels = room(n * units * 4),
                 .bias = room(n * 4),
                 .step = room(n * 4),
                 .row_step = room(m * 4),
                 .row_zero = room(m * 4),
                 .sums = room(n * 4),
                 .out = room(m * n * 4),
                 .packed = room((m + SPARE) * (units + 32) * 4),
                 .want = room(m * n * 8),
                 .room = room(m * n * 8)};
    for (size_t i = 0; i < (m + SPARE) * units; i++)
        for (size_t part = 0; part < parts; part++) {
            if (op == F32) ((float *)e.rows)[i] = draw_real();
            if (op == BF16) ((uint16_t *)e.rows)[i * 2 + part] = to_bf16(draw_real());
            if (op == U8) ((uint8_t *)e.rows)[i * 4 + part] = worst ? 255 : (uint8_t)draw();
        }
    for (size_t i = 0; i < n * units; i++)
        for (size_t part = 0; part < parts; part++) {
            if (op == F32) ((float *)e.panels)[i] = draw_real();
            if (op == BF16) ((uint16_t *)e.panels)[i * 2 + part] = to_bf16(draw_real());
            if (op == U8) ((int8_t *)e.panels)[i * 4 + part] = (int8_t)(worst ? i % 2 ? 127 : -128 : (int8_t)draw());
        }
    for (size_t j = 0; j < n; j++) {
        e.bias[j] = draw_real(), e.step[j] = 0.001f + 0.001f * fabsf(draw_real()), e.sums[j] = 0;
        for (size_t t = 0; t < units && op == U8; t++)
            for (size_t part = 0; part < 4; part++)
                e.sums[j] += (int32_t)element(&e.panels[(j / COLUMNS * units + t) * COLUMNS + j % COLUMNS], op, part, true);
    }
    for (size_t i = 0; i < m; i++) e.row_step[i] = 0.01f * fabsf(draw_real()), e.row_zero[i] = (int32_t)(draw() % 256);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0, size = 0;
            for (size_t t = 0; t < units; t++)
                for (size_t part = 0; part < parts; part++) {
                    double a = element(&e.rows[i * units + t], op, part, false);
                    double b = element(&e.panels[(j / COLUMNS * units + t) * COLUMNS + j % COLUMNS], op, part, true);
                    sum += a * b, size += fabs(a * b);
                }
            if (op == U8) {
                sum = (sum - (double)e.row_zero[i] * e.sums[j]) * (double)e.row_step[i] * (double)e.step[j];
                size = fabs(sum);
            }
            e.want[i * n + j] = sum + (double)e.bias[j];
            e.room[i * n + j] = 1e-6 * (1 + size + fabs(sum) + fabs((double)e.bias[j]));
        }
    e.p = (leann_product){.m = m,
                          .n = n,
                          .units = units,
                          .rows = e.rows,
                          .stride = units * 4,
                          .panels = e.panels,
                          .bias = e.bias,
                          .row_step = e.row_step,
                          .row_zero = e.row_zero,
                          .sums = e.sums,
                          .step = e.step,
                          .out = e.out,
                          .out_stride = n * 4,
                          .packed = e.packed};
    return e;
}

static void example_free(example *e)
{
    void *all[] = {e->rows, e->panels, e->packed, e->bias, e->row_step, e->step, e->out, e->row_zero, e->sums, e->want, e->room};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void multiply(const leann_dense_kernels *table, operand op, const leann_product *p)
{
    (op == F32 ? table->product_f32 : op == BF16 ? table->product_bf16 : table->product_u8)(p);
}

static bool product_right(const leann_dense_kernels *table, example *e, char *why)
{
    const size_t m = e->p.m, n = e->p.n;
    multiply(table, e->op, &e->p);
    for (size_t i = 0; i < m * n; i++)
        if (!(fabs((double)e->out[i] - e->want[i]) <= e->room[i]))
            WRONG("%s (%zu, %zu) of %zu units: %g at %zu, must be %g", operand_words[e->op], m, n, e->p.units, (double)e->out[i], i,
                  e->want[i]);
    float *plain = room(m * n * 4);
    memcpy(plain, e->out, m * n * 4);
    e->p.gelu = true;
    multiply(table, e->op, &e->p);
    for (size_t i = 0; i < m * n; i++)
        if (!(fabs((double)e->out[i] - gelu((double)plain[i])) <= (e->op == F32 ? 1e-6 : 3e-5) * (1 + fabs((double)plain[i]))))
            WRONG("%s with gelu: %g at %zu, must be %g", operand_words[e->op], (double)e->out[i], i, gelu((double)plain[i]));
    e->p.gelu = false, e->p.out_bf16 = true, e->p.out_stride = n * 2;
    multiply(table, e->op, &e->p);
    for (size_t i = 0; i < m * n; i++)
        if (((uint16_t *)(void *)e->out)[i] != to_bf16(plain[i]))
            WRONG("%s to bf16: %x at %zu, must be %x", operand_words[e->op], ((uint16_t *)(void *)e->out)[i], i, to_bf16(plain[i]));
    /* A row alone has the bits it has in company. */
    e->p.out_bf16 = false, e->p.out_stride = n * 4, e->p.m = 1;
    for (size_t i = 0; i < m; i++) {
        e->p.rows = e->rows + i * e->p.units, e->p.row_step = e->row_step + i, e->p.row_zero = e->row_zero + i;
        multiply(table, e->op, &e->p);
        if (memcmp(e->out, plain + i * n, n * 4) != 0) WRONG("%s: row %zu of %zu alone has other bits", operand_words[e->op], i, m);
    }
    free(plain);
    return true;
}

static bool products(const leann_dense_kernels *table, char *why)
{
    static const struct {
        size_t m, n, units;
    } shapes[] = {{1, 16, 16},   {2, 32, 32},   {3, 48, 16},   {13, 64, 96}, {14, 32, 16},
                  {15, 16, 192}, {29, 96, 208}, {47, 48, 400}, {33, 32, 64}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int op = F32; op <= U8; op++) {
            example e = example_new((operand)op, shapes[s].m, shapes[s].n, shapes[s].units, false);
            bool right = product_right(table, &e, why);
            example_free(&e);
            if (!right) return false;
        }
    return true;
}

/* Sums that saturate where 16 bits are not enough. */
static bool worst_bytes(const leann_dense_kernels *table, char *why)
{
    example e = example_new(U8, 5, 32, 48, true);
    bool right = product_right(table, &e, why);
    example_free(&e);
    return right;
}

/* ---- maps -------------------------------------------------------------------------------------------------------------------------- */

static bool softmax(const leann_dense_kernels *table, char *why)
{
    enum { ROWS = 5, STRIDE = 96 };
    for (size_t n = 1; n <= 80; n += n < 20 ? 1 : 13) {
        const size_t width = (n + 31) / 32 * 32;
        float score[ROWS * STRIDE], inverse[ROWS], before[ROWS * STRIDE];
        for (size_t i = 0; i < ROWS * STRIDE; i++) before[i] = 20 * draw_real();
        for (int bf16 = 0; bf16 < 2; bf16++) {
            memcpy(score, before, sizeof score);
            table->softmax(score, STRIDE, ROWS, n, width, bf16, inverse);
            for (size_t i = 0; i < ROWS; i++) {
                double most = -1e9, sum = 0;
                for (size_t j = 0; j < n; j++) most = fmax(most, (double)before[i * STRIDE + j]);
                for (size_t j = 0; j < n; j++) sum += exp((double)before[i * STRIDE + j] - most);
                for (size_t j = 0; j < width; j++) {
                    const double want = j < n ? exp((double)before[i * STRIDE + j] - most) / sum : 0;
                    const float *row = score + i * STRIDE;
                    const double have = (double)inverse[i] * (double)(bf16 ? from_bf16(((const uint16_t *)(const void *)row)[j]) : row[j]);
                    const double part =
                        (bf16 ? 4e-3 : 5e-7) + 1e-7 * fabs((double)before[i * STRIDE + j] - most); /* of an exponent's ulp */
                    if (!(fabs(have - want) <= part * want + 1e-30))
                        WRONG("softmax of %zu%s: %g at %zu, must be %g", n, bf16 ? " to bf16" : "", have, j, want);
                }
            }
        }
    }
    return true;
}

static bool norms(const leann_dense_kernels *table, char *why)
{
    enum { D = 384 };
    float x[D], y[D], gain[D], bias[D], sum[D];
    for (int with = 0; with < 2; with++) {
        double mean = 0, square = 0;
        for (size_t j = 0; j < D; j++) {
            x[j] = 3 * draw_real() + 1, y[j] = draw_real(), gain[j] = draw_real(), bias[j] = draw_real();
            sum[j] = with ? x[j] + y[j] : x[j];
            mean += (double)sum[j] / D;
        }
        for (size_t j = 0; j < D; j++) square += ((double)sum[j] - mean) * ((double)sum[j] - mean) / D;
        table->norm(x, with ? y : NULL, D, gain, bias, 1e-12f);
        for (size_t j = 0; j < D; j++) {
            const double want = ((double)sum[j] - mean) / sqrt(square + 1e-12) * (double)gain[j] + (double)bias[j];
            if (!(fabs((double)x[j] - want) <= 5e-6)) WRONG("norm: %g at %zu, must be %g", (double)x[j], j, want);
        }
    }
    return true;
}

static bool bytes(const leann_dense_kernels *table, char *why)
{
    enum { D = 96 };
    static const struct {
        float low, high;
    } ranges[] = {{-1, 1}, {0, 3}, {-2, 0}, {1, 2}, {-5, -4}, {0, 0}, {-1e-20f, 1e10f}};
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
        float in[D], step;
        uint8_t out[D];
        int32_t zero;
        for (size_t j = 0; j < D; j++) in[j] = ranges[r].low + (ranges[r].high - ranges[r].low) * (0.5f + 0.5f * draw_real());
        table->u8_from_f32(in, out, D, &step, &zero);
        if (zero < 0 || zero > 255) WRONG("zero point %d", zero);
        for (size_t j = 0; j < D; j++)
            if (!(fabs((double)step * (out[j] - zero) - (double)in[j]) <= 1.001 * (double)step))
                WRONG("bytes of [%g, %g]: %g at %zu, must be near %g", (double)ranges[r].low, (double)ranges[r].high,
                      (double)step * (out[j] - zero), j, (double)in[j]);
    }
    return true;
}

static bool panels(const leann_dense_kernels *table, char *why)
{
    enum { N = 37, UNITS = 32, WIDTH = 64 };
    uint32_t rows[N * UNITS], *out = room(WIDTH * UNITS * 4);
    for (size_t i = 0; i < N * UNITS; i++) rows[i] = draw() & 0x3fffffff;
    table->panels(rows, UNITS * 4, N, UNITS, WIDTH, out);
    for (size_t j = 0; j < N; j++)
        for (size_t t = 0; t < UNITS; t++)
            if (out[(j / COLUMNS * UNITS + t) * COLUMNS + j % COLUMNS] != rows[j * UNITS + t]) WRONG("panels: unit %zu of row %zu", t, j);
    for (size_t i = 0; i < WIDTH * UNITS; i++) {
        float x;
        memcpy(&x, out + i, sizeof x);
        if (!isfinite(x)) WRONG("panels: no number at %zu", i);
    }
    free(out);
    return true;
}

static bool rounding(const leann_dense_kernels *table, char *why)
{
    float in[64], x[2 * 48], factor[2] = {2, 0.5f}, before[2 * 48];
    uint16_t out[64];
    for (size_t j = 0; j < 64; j++) in[j] = draw_real() * (j % 2 ? 1e20f : 1);
    in[3] = 1.00390625f, in[5] = 1.01171875f; /* ties */
    table->bf16_from_f32(in, out, 64);
    for (size_t j = 0; j < 64; j++)
        if (out[j] != to_bf16(in[j])) WRONG("bf16 of %g is %x, must be %x", (double)in[j], out[j], to_bf16(in[j]));
    for (size_t j = 0; j < 2 * 48; j++) x[j] = before[j] = draw_real();
    table->scale(x, 48, 2, 32, factor);
    for (size_t j = 0; j < 2 * 48; j++)
        if (x[j] != (j % 48 < 32 ? before[j] * factor[j / 48] : before[j])) WRONG("scale at %zu", j);
    return true;
}

const dense_check dense_checks[] = {
    {"products", products}, {"worst bytes", worst_bytes}, {"softmax", softmax},   {"norms", norms},
    {"bytes", bytes},       {"panels", panels},           {"rounding", rounding},
};
const size_t dense_checks_count = sizeof dense_checks / sizeof *dense_checks;
