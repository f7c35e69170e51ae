/* test_rabitq.c – RaBitQ against its promises: codes close to the best there are, keys without bias, lower bounds that hold as often as the
 * normal law says, less error with every bit; and the projection beneath it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/quantizer.h"
#include "quant/projection.h"
#include "quant/rabitq_code.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double dot(const float *a, const float *b, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++) sum += (double)a[j] * (double)b[j];
    return sum;
}

static double l2(const float *a, const float *b, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++) sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sum;
}

static void normals(float *x, size_t n, uint64_t item)
{
    leann_rng rng = leann_rng_at(3, "normal", item);
    for (size_t i = 0; i < n; i++) x[i] = (float)leann_rng_normal(&rng);
}

/* ---- codes ------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    double at, size, level;
} event;

static int by_scale(const void *a, const void *b)
{
    double x = ((const event *)a)->at, y = ((const event *)b)->at;
    return (x > y) - (x < y);
}

/* The largest squared cosine of r with a point of the grid, by the paper's algorithm: all scales at which a component changes, sorted. */
static double best_cosine(unsigned bits, size_t width, const float *r)
{
    double levels = 1 << (bits - 1), product = 0, length = (double)width / 4, best;
    event *events = calloc(width * 8, sizeof *events);
    size_t n = 0;
    for (size_t j = 0; j < width; j++) {
        double size = fabs((double)r[j]);
        product += size / 2;
        for (double level = 1; level < levels && size > 0; level++) events[n++] = (event){level / size, size, level};
    }
    qsort(events, n, sizeof *events, by_scale);
    best = product * product / length;
    for (size_t i = 0; i < n; i++) {
        product += events[i].size;
        length += 2 * events[i].level;
        best = fmax(best, product * product / length);
    }
    free(events);
    return best / dot(r, r, width);
}

/* The code's cosine is that of its factors, and within 1 % of the best one's distance from 1. */
static void test_nearest(void **state)
{
    (void)state;
    enum { MOST = 832 };
    static float x[MOST], centre[MOST], r[MOST];
    static uint8_t component[MOST], other[MOST];
    double loss[5] = {0}, least[5] = {0};
    for (unsigned bits = 1; bits <= 4; bits++)
        for (uint32_t width = 32; width <= MOST; width += 160)
            for (uint64_t item = 0; item < 20; item++) {
                normals(x, width, item);
                normals(centre, width, 1000 + item);
                if (item % 4 == 3)
                    for (uint32_t j = 0; j < width; j++) x[j] *= x[j] * x[j]; /* far from what a rotation gives */
                for (uint32_t j = 0; j < width; j++) r[j] = x[j] - centre[j];
                leann_rabitq_factors f, g;
                leann_rabitq_encode(bits, width, x, centre, component, &f);
                leann_rabitq_encode(bits, width, r, NULL, other, &g);
                assert_memory_equal(component, other, width);
                assert_memory_equal(&f, &g, sizeof f);
                double square = dot(r, r, width), product = 0, length = 0;
                for (uint32_t j = 0; j < width; j++) {
                    double y = component[j] - ((1 << bits) - 1) / 2.0;
                    assert_true(component[j] < 1 << bits);
                    product += y * (double)r[j];
                    length += y * y;
                }
                double cosine = product * product / length / square, best = best_cosine(bits, width, r);
                assert_true(cosine <= best + 1e-9);
                if (!(1 - cosine <= 1.1 * (1 - best)))
                    fail_msg("%u bits of %u: 1 - cosine² %g, best %g", bits, width, 1 - cosine, 1 - best);
                loss[bits] += 1 - cosine;
                least[bits] += 1 - best;
                assert_true(fabs((double)f.square - square) <= 1e-6 * square);
                assert_true(fabs((double)f.factor - square / product) <= 1e-6 * (double)f.factor);
                assert_true(fabs((double)f.error - sqrt(square / cosine - square)) <= 1e-4 * sqrt(square));
            }
    for (unsigned bits = 1; bits <= 4; bits++)
        if (!(loss[bits] <= 1.01 * least[bits])) fail_msg("%u bits: %g, best %g", bits, loss[bits], least[bits]);
}

static void test_centre_itself(void **state)
{
    (void)state;
    float x[32] = {1, 2, 3};
    uint8_t component[32];
    for (unsigned bits = 1; bits <= 4; bits++) {
        leann_rabitq_factors f;
        leann_rabitq_encode(bits, 32, x, x, component, &f);
        assert_true(f.square == 0.0F && f.factor == 0.0F && f.error == 0.0F);
    }
}

static void test_products(void **state)
{
    (void)state;
    enum { WIDTH = 224, N = 300 };
    static uint8_t component[N][WIDTH], code[N][WIDTH], back[WIDTH];
    static float q[WIDTH], product[N];
    static uint32_t ids[N];
    int8_t high[WIDTH], low[WIDTH];
    normals(q, WIDTH, 5);
    leann_rabitq_query query = leann_rabitq_query_of(WIDTH, q, high, low);
    for (uint32_t j = 0; j < WIDTH; j++) {
        double whole = 256.0 * high[j] + low[j];
        assert_true(fabs(whole * (double)query.step - (double)q[j]) <= 0.501 * (double)query.step);
    }
    for (unsigned bits = 1; bits <= 4; bits++) {
        leann_rng rng = leann_rng_at(1, "components", bits);
        uint32_t bytes = leann_rabitq_bytes(bits, WIDTH);
        for (uint32_t i = 0; i < N; i++) {
            ids[i] = (7 * i + 3) % N;
            for (uint32_t j = 0; j < WIDTH; j++) component[i][j] = (uint8_t)leann_rng_below(&rng, 1u << bits);
            memset(code[i], 0xee, WIDTH);
            leann_rabitq_pack(bits, WIDTH, component[i], code[i]);
            assert_true(bytes == WIDTH || code[i][bytes] == 0xee);
            leann_rabitq_unpack(bits, WIDTH, code[i], back);
            assert_memory_equal(back, component[i], WIDTH);
        }
        for (int by_ids = 0; by_ids < 2; by_ids++) {
            leann_list list = {.base = code, .stride = WIDTH, .ids = by_ids ? ids : NULL, .first = 1, .n = N - 1};
            leann_rabitq_products(&query, bits, WIDTH, list, product);
            for (uint32_t i = 0; i + 1 < N; i++) {
                double want = 0, size = 0;
                for (uint32_t j = 0; j < WIDTH; j++) {
                    double y = component[by_ids ? ids[i] : i + 1][j] - ((1 << bits) - 1) / 2.0;
                    want += (double)query.step * (256.0 * high[j] + low[j]) * y;
                    size += fabs((double)q[j]) * (1 << bits);
                }
                assert_true(fabs((double)product[i] - want) <= 1e-6 * size);
            }
        }
    }
    float none[32] = {0}, tiny[32] = {1e-44F};
    assert_true(leann_rabitq_query_of(32, none, high, low).sum == 0 && high[0] == 0 && low[0] == 0);
    assert_true(isfinite(leann_rabitq_query_of(32, tiny, high, low).sum));
}

/* ---- keys -------------------------------------------------------------------------------------------------------------------- */

enum { D = 100, ROWS = 400 };
static float rows_x[ROWS * D], queries[ROWS * D];

static leann_rows rows_of(const float *x, uint32_t n)
{
    return (leann_rows){x, D * sizeof *x, n, D, LEANN_F32, LEANN_L2};
}

typedef struct {
    leann_choice choice;
    leann_quantizer *quantizer;
    uint8_t *code;
} trained;

static trained build(leann_ctx *ctx, leann_rows rows, const char *format, ...) __attribute__((format(printf, 3, 4)));
static trained build(leann_ctx *ctx, leann_rows rows, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    leann_value *given = NULL;
    trained t = {.code = NULL};
    assert_int_equal(leann_config_parse(ctx, "test", text, strlen(text), &given), LEANN_OK);
    assert_int_equal(leann_choice_new(ctx, "quantizer", given, &t.choice), LEANN_OK);
    leann_value_free(given);
    const leann_quantizer_type *type = (const leann_quantizer_type *)(const void *)t.choice.plugin;
    if (type->train(ctx, rows, t.choice.params, &t.quantizer) != LEANN_OK) fail_msg("%s: %s", text, leann_ctx_error(ctx));
    t.code = leann_alloc(ctx, rows.n, t.quantizer->code_bytes);
    assert_int_equal(type->encode(ctx, t.quantizer, rows, t.code), LEANN_OK);
    return t;
}

static void drop(trained *t)
{
    leann_quantizer_free(t->quantizer);
    leann_choice_free(t->choice);
    leann_free(t->code);
}

static void score(leann_ctx *ctx, const trained *t, leann_space space, const float *q, uint32_t n, float *key, float *low)
{
    size_t mark = leann_scratch_mark(ctx);
    leann_codes codes = {.code = t->code, .stride = t->quantizer->code_bytes, .n = n, .space = space};
    leann_scorer *scorer = t->quantizer->type->prepare(t->quantizer, ctx, &codes, q, NULL);
    assert_true(scorer && scorer->has_low);
    scorer->score(scorer, (leann_span){.owner = LEANN_NONE, .n = n}, INFINITY, key, low);
    leann_scratch_reset(ctx, mark);
}

/* One pair over many rotations: the mean error is 0 within four of its standard errors; the same x̂ scaled to be nearest to x, which is what
 * plain rounding would take, is not. */
static void test_unbiased(void **state)
{
    (void)state;
    enum { SEEDS = 1500 };
    for (int pair = 0; pair < 3; pair++)
        for (unsigned bits = 1; bits <= 4; bits += bits < 2 ? 1 : 2)
            for (int inner = 0; inner < 2; inner++) {
                double sum = 0, squares = 0, naive = 0;
                const float *x = rows_x + pair * D;
                float mean[D], some[3 * D], q[D];
                for (int j = 0; j < D; j++) q[j] = x[j] + (queries[pair * D + j] - x[j]) / 2; /* so that it lies on the row's side */
                memcpy(some, x, D * sizeof *x);                                               /* about a centre that is not the row */
                memcpy(some + D, rows_x + 40 * D, 2 * D * sizeof *x);
                for (int j = 0; j < D; j++) mean[j] = (some[j] + some[D + j] + some[2 * D + j]) / 3;
                double truth = inner ? -dot(q, x, D) : l2(q, x, D);
                for (uint64_t seed = 0; seed < SEEDS; seed++) {
                    leann_ctx *ctx = leann_ctx_new(seed, 1);
                    trained t = build(ctx, rows_of(some, 3), "{rabitq: {bits: %u}}", bits);
                    float key[3], y[D];
                    score(ctx, &t, inner ? LEANN_IP : LEANN_L2, q, 3, key, NULL);
                    double error = (double)key[0] - truth;
                    sum += error;
                    squares += error * error;
                    t.quantizer->type->decode(t.quantizer, ctx, t.code, t.quantizer->code_bytes, 1, y);
                    double cosine2 = l2(x, mean, D) / l2(y, mean, D), about = 0;
                    for (int j = 0; j < D; j++) about += (double)(q[j] - (inner ? 0 : mean[j])) * cosine2 * (double)(y[j] - mean[j]);
                    double base = inner ? -dot(q, mean, D) : l2(q, mean, D) + l2(x, mean, D);
                    naive += base - (inner ? 1 : 2) * about - truth;
                    drop(&t);
                    leann_ctx_free(ctx);
                }
                double bias = sum / SEEDS, deviation = sqrt(squares / SEEDS - bias * bias), standard = deviation / sqrt(SEEDS);
                if (!(fabs(bias) <= 4 * standard))
                    fail_msg("pair %d, %u bits: mean error %g, standard error %g", pair, bits, bias, standard);
                if (bits == 1 && !(fabs(naive / SEEDS) > 6 * standard))
                    fail_msg("pair %d: this test would not see a bias of %g (standard error %g)", pair, naive / SEEDS, standard);
            }
}

/* The share of pairs whose true key is below the bound is what the normal law leaves beyond epsilon, and never much more. */
static void bound_holds(leann_space space, unsigned bits, double epsilon, uint32_t dims, double least, double most)
{
    leann_ctx *ctx = leann_ctx_new(5, 2);
    static float key[ROWS], low[ROWS], again[ROWS];
    trained t = build(ctx, rows_of(rows_x, ROWS), "{rabitq: {bits: %u, epsilon: %g, dims: %u}}", bits, epsilon, dims);
    uint32_t broken = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        const float *q = queries + i * D;
        score(ctx, &t, space, q, ROWS, key, low);
        score(ctx, &t, space, q, ROWS, again, NULL);
        assert_memory_equal(key, again, sizeof key);
        for (uint32_t r = 0; r < ROWS; r++) {
            double truth = space == LEANN_IP ? -dot(q, rows_x + r * D, D) : l2(q, rows_x + r * D, D);
            assert_true(low[r] <= key[r]);
            broken += (double)low[r] > truth;
        }
    }
    double share = (double)broken / (ROWS * ROWS);
    if (!(share >= least && share <= most))
        fail_msg("%s, %u bits, dims %u, epsilon %g: %.4f of true keys below their bound, expected %.4f to %.4f", leann_space_word(space),
                 bits, dims, epsilon, share, least, most);
    drop(&t);
    leann_ctx_free(ctx);
}

static void test_bound(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits <= 4; bits++)
        for (int inner = 0; inner < 2; inner++) {
            leann_space space = inner ? LEANN_IP : LEANN_L2;
            bound_holds(space, bits, 1, 0, 0.13, 0.18);      /* normal: 0.159 */
            bound_holds(space, bits, 1.9, 0, 0.018, 0.038);  /* 0.029 */
            bound_holds(space, bits, 3.5, 0, 0, 0.001);      /* 0.0002 */
            bound_holds(space, bits, 1.9, 64, 0.0001, 0.04); /* with a tail, the larger of two deviations stands for both */
        }
}

/* Residual keys: the same promise about what is left after an anchor. */
static void test_residual_bound(void **state)
{
    (void)state;
    enum { LISTS = 4 };
    static float r[ROWS * D], anchors[LISTS * D], bias[ROWS], base[LISTS], key[ROWS], low[ROWS];
    uint32_t off[LISTS + 1];
    for (uint32_t l = 0; l <= LISTS; l++) off[l] = ROWS / LISTS * l;
    for (uint32_t i = 0; i < ROWS; i++) /* the means of the lists */
        for (uint32_t j = 0; j < D; j++) anchors[i / (ROWS / LISTS) * D + j] += rows_x[i * D + j] / (ROWS / LISTS);
    for (uint32_t i = 0; i < ROWS; i++)
        for (uint32_t j = 0; j < D; j++) r[i * D + j] = rows_x[i * D + j] - anchors[i / (ROWS / LISTS) * D + j];
    leann_ctx *ctx = leann_ctx_new(5, 2);
    for (int inner = 0; inner < 2; inner++) {
        leann_space space = inner ? LEANN_IP : LEANN_L2;
        trained t = build(ctx, rows_of(r, ROWS), "{rabitq: {bits: 2}}");
        leann_codes codes = {.code = t.code, .stride = t.quantizer->code_bytes, .n = ROWS, .lists = LISTS, .list_off = off};
        codes.space = space;
        assert_int_equal(leann_quantizer_bias(ctx, t.quantizer, &codes, anchors, bias), LEANN_OK);
        codes.bias = bias;
        uint32_t broken = 0;
        for (uint32_t i = 0; i < ROWS; i++) {
            const float *q = queries + i * D;
            size_t mark = leann_scratch_mark(ctx);
            for (uint32_t l = 0; l < LISTS; l++) base[l] = (float)(inner ? -dot(q, anchors + l * D, D) : l2(q, anchors + l * D, D));
            leann_scorer *scorer = t.quantizer->type->prepare(t.quantizer, ctx, &codes, q, base);
            for (uint32_t l = 0; l < LISTS; l++) {
                leann_span span = {.owner = l, .first = off[l], .n = off[l + 1] - off[l]};
                scorer->score(scorer, span, INFINITY, key + off[l], low + off[l]);
            }
            for (uint32_t x = 0; x < ROWS; x++) broken += (double)low[x] > (inner ? -dot(q, rows_x + x * D, D) : l2(q, rows_x + x * D, D));
            leann_scratch_reset(ctx, mark);
        }
        double share = (double)broken / (ROWS * ROWS);
        if (!(share > 0.001 && share <= 0.038)) fail_msg("%s: %.4f of true keys below their bound", leann_space_word(space), share);
        drop(&t);
    }
    leann_ctx_free(ctx);
}

/* Root mean square error of keys: less by at least 1.6 with every bit. */
static void test_bits(void **state)
{
    (void)state;
    static float key[ROWS];
    leann_ctx *ctx = leann_ctx_new(1, 2);
    double before = INFINITY;
    for (unsigned bits = 1; bits <= 4; bits++) {
        trained t = build(ctx, rows_of(rows_x, ROWS), "{rabitq: {bits: %u}}", bits);
        double squares = 0;
        for (uint32_t i = 0; i < 50; i++) {
            score(ctx, &t, LEANN_L2, queries + i * D, ROWS, key, NULL);
            for (uint32_t r = 0; r < ROWS; r++) squares += pow((double)key[r] - l2(queries + i * D, rows_x + r * D, D), 2);
        }
        double error = sqrt(squares / (50 * ROWS));
        if (!(error * 1.6 < before)) fail_msg("%u bits: error %g, with one less %g", bits, error, before);
        before = error;
        drop(&t);
    }
    leann_ctx_free(ctx);
}

/* ---- the projection ---------------------------------------------------------------------------------------------------------- */

/* Lengths and products stay, and there is a way back; different seeds give different maps. */
static void test_rotation(void **state)
{
    (void)state;
    const uint32_t widths[] = {1, 31, 32, 33, 64, 100, 128, 160, 784};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        uint32_t d = widths[w];
        float x[3 * 784], y[3 * 800], z[3 * 800], back[3 * 784], tail[3], square;
        normals(x, 3 * d, d);
        leann_rows rows = {x, d * sizeof *x, 3, d, LEANN_F32, LEANN_L2};
        leann_projection p, other;
        leann_ctx *ctx = leann_ctx_new(1, 1), *two = leann_ctx_new(2, 1);
        leann_projection_kind kind = {.turned = true};
        assert_int_equal(leann_projection_fit(ctx, rows, kind, &p), LEANN_OK);
        assert_int_equal(leann_projection_fit(two, rows, kind, &other), LEANN_OK);
        assert_true(p.width % 32 == 0 && p.width >= d && p.width < d + 32);
        assert_int_equal(leann_projection_rows(&p, ctx, rows, 0, 3, y, tail), LEANN_OK);
        for (uint32_t a = 0; a < 3; a++)
            for (uint32_t b = 0; b < 3; b++) {
                double truth = l2(x + a * d, x + b * d, d);
                assert_true(fabs(l2(y + a * p.width, y + b * p.width, p.width) - truth) <= 1e-5 * (truth + 1));
            }
        assert_int_equal(leann_projection_query(&p, ctx, x, true, z, &square), LEANN_OK);
        assert_memory_equal(y, z, p.width * sizeof *y);
        assert_int_equal(leann_projection_query(&other, ctx, x, true, z, &square), LEANN_OK);
        assert_memory_not_equal(y, z, p.width * sizeof *y);
        leann_projection_back(&p, y, 3, back);
        for (uint32_t j = 0; j < 3 * d; j++) assert_true(fabs((double)(back[j] - x[j])) <= 1e-5);
        leann_projection_free(&p);
        leann_projection_free(&other);
        leann_ctx_free(ctx);
        leann_ctx_free(two);
    }
}

/* A single component is spread as a dense random rotation spreads it. */
static void test_spreads(void **state)
{
    (void)state;
    for (uint32_t d = 96; d <= 992; d += 224) { /* 992 = 512 + 480: windows that hardly meet */
        float *x = calloc((size_t)d * d, sizeof *x), *y = calloc((size_t)d * (d + 32), sizeof *y);
        for (uint32_t i = 0; i < d; i++) x[i * d + i] = 1;
        leann_rows rows = {x, d * sizeof *x, d, d, LEANN_F32, LEANN_L2};
        leann_ctx *ctx = leann_ctx_new(9, 2);
        leann_projection p;
        assert_int_equal(leann_projection_fit(ctx, rows, (leann_projection_kind){.turned = true}, &p), LEANN_OK);
        assert_int_equal(leann_projection_all(&p, ctx, rows, y), LEANN_OK);
        double fourth = 0, largest = 0;
        for (size_t i = 0; i < (size_t)d * p.width; i++) {
            double z = (double)y[i] * sqrt(p.width);
            fourth += z * z * z * z / ((double)d * p.width);
            largest = fmax(largest, fabs(z));
        }
        if (!(fabs(fourth - 3) < 0.15 && largest < 6)) fail_msg("d %u: fourth moment %g (normal: 3), largest %g", d, fourth, largest);
        leann_projection_free(&p);
        leann_ctx_free(ctx);
        free(x);
        free(y);
    }
}

/* Rows with a known spectrum: the axes hold what they should, the tail is the rest, and the cross term left out has mean 0 and the spread
 * that is stated. */
static void test_axes(void **state)
{
    (void)state;
    enum { N = 4000, W = 48, DIMS = 32 };
    static float x[N * W], y[N * DIMS], tail[N];
    for (uint32_t i = 0; i < N; i++) {
        leann_rng rng = leann_rng_at(8, "spectrum", i);
        for (uint32_t j = 0; j < W; j++) x[i * W + j] = (float)(2 + leann_rng_normal(&rng) / (1 + j));
    }
    leann_rows rows = {x, W * sizeof *x, N, W, LEANN_F32, LEANN_L2};
    double sum = 0, squares = 0, all = 0;
    for (uint32_t j = 0; j < W; j++) {
        double variance = 1.0 / ((1 + j) * (1 + j));
        all += variance;
        if (j >= DIMS) sum += variance, squares += variance * variance;
    }
    for (int turned = 0; turned < 2; turned++) {
        leann_ctx *ctx = leann_ctx_new(1, 2);
        leann_projection p;
        assert_int_equal(leann_projection_fit(ctx, rows, (leann_projection_kind){.dims = DIMS, .turned = turned}, &p), LEANN_OK);
        assert_int_equal(leann_projection_rows(&p, ctx, rows, 0, N, y, tail), LEANN_OK);
        assert_true(fabs((double)p.spread - sqrt(squares) / sum) < 0.1 * sqrt(squares) / sum);
        double left = 0, cross = 0, cross2 = 0, size = 0;
        for (uint32_t i = 0; i < N; i++) left += (double)tail[i] / N;
        assert_true(fabs(left - sum) < 0.1 * sum && fabs(left) < 0.02 * all);
        for (uint32_t i = 0; i < N / 2; i++) {
            uint32_t a = i, b = N / 2 + i;
            double parts = l2(y + a * DIMS, y + b * DIMS, DIMS) + (double)tail[a] + (double)tail[b];
            double miss = parts - l2(x + a * W, x + b * W, W), most = sqrt((double)tail[a] * (double)tail[b]);
            assert_true(fabs(miss) <= 2 * most + 1e-4);
            cross += miss / 2;
            cross2 += miss * miss / 4;
            size += most * most;
        }
        assert_true(fabs(cross) <= 4 * sqrt(cross2));
        assert_true(fabs(sqrt(cross2 / size) - (double)p.spread) < 0.15 * (double)p.spread);
        leann_projection_free(&p);
        leann_ctx_free(ctx);
    }
}

static int start(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ROWS; i++) { /* of unequal spread, away from the origin */
        normals(rows_x + i * D, D, i);
        normals(queries + i * D, D, 10000 + i);
        for (uint32_t j = 0; j < D; j++) {
            float spread = j < 10 ? 3 : j < 60 ? 1 : 0.3F;
            rows_x[i * D + j] = 1 + spread * rows_x[i * D + j];
            queries[i * D + j] = 1 + spread * queries[i * D + j];
        }
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest),  cmocka_unit_test(test_centre_itself), cmocka_unit_test(test_products),
        cmocka_unit_test(test_unbiased), cmocka_unit_test(test_bound),         cmocka_unit_test(test_residual_bound),
        cmocka_unit_test(test_bits),     cmocka_unit_test(test_rotation),      cmocka_unit_test(test_spreads),
        cmocka_unit_test(test_axes),
    };
    return cmocka_run_group_tests_name("rabitq", tests, start, NULL);
}
