/* Every quantiser: what a scorer says is the distance to what decode gives, plain and residual; files, threads, odd data, bad input.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/quantizer.h"
#include "core/sieve.h"
#include "core/simd/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 700, D = 24, LISTS = 9 };

/* most: relative error allowed on the data below, and that a working quantiser is well under. */
static const struct {
    const char *config;
    double most;
} kinds[] = {
    {"none", 1e-12},
    {"sq", 3e-4},
    {"{sq: {bounds: global}}", 3e-4},
    {"{sq: {bounds: local}}", 3e-4},
    {"{sq: {bits: 4}}", 0.03},
    {"{sq: {bits: 4, bounds: global}}", 0.05},
    {"{sq: {bits: 4, bounds: local}}", 0.05},
    {"{pq: {sub_vectors: 6, codebook_size: 64}}", 0.3},
    {"{pq: {sub_vectors: 12, codebook_size: 200}}", 0.1},
    {"{pq: {sub_vectors: 8, codebook_size: 16}}", 0.4},
    {"{pq: {sub_vectors: 3, codebook_size: 5}}", 0.9},
    {"{opq: {sub_vectors: 6, codebook_size: 64, turns: 4}}", 0.3},
    {"{opq: {sub_vectors: 12, codebook_size: 16, turns: 4}}", 0.4},
    {"{sq: {dims: 24}}", 3e-4},
    {"{sq: {dims: 16, bits: 4}}", 0.1},
    {"{sq: {dims: 9, bounds: global}}", 0.3},
    {"{sq: {dims: 13, bits: 4, bounds: local}}", 0.2},
    {"rabitq", 0.8},
    {"{rabitq: {bits: 2}}", 0.2},
    {"{rabitq: {bits: 3}}", 0.05},
    {"{rabitq: {bits: 4}}", 0.01},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef struct {
    leann_choice choice;
    const leann_quantizer_type *type;
    leann_quantizer *quantizer;
    uint8_t *code;
} trained;

static leann_choice choose(leann_ctx *ctx, const char *config)
{
    leann_value *given = NULL;
    leann_choice choice = {0};
    assert_int_equal(leann_config_parse(ctx, "test", config, strlen(config), &given), LEANN_OK);
    assert_int_equal(leann_choice_new(ctx, "quantizer", given, &choice), LEANN_OK);
    leann_value_free(given);
    return choice;
}

static trained build(leann_ctx *ctx, const char *config, leann_rows rows)
{
    trained t = {.choice = choose(ctx, config)};
    t.type = (const leann_quantizer_type *)(const void *)t.choice.plugin;
    if (t.type->check(ctx, rows.n, rows.d, t.choice.params) != LEANN_OK) fail_msg("%s: %s", config, leann_ctx_error(ctx));
    leann_rows sample = rows;
    sample.n = t.type->training_rows(rows.n, rows.d, t.choice.params);
    assert_in_range(sample.n, 1, rows.n);
    if (t.type->train(ctx, sample, t.choice.params, &t.quantizer) != LEANN_OK) fail_msg("%s: %s", config, leann_ctx_error(ctx));
    assert_int_equal(t.quantizer->code_bytes, t.type->code_bytes(rows.d, t.choice.params));
    assert_int_equal(t.quantizer->d, rows.d);
    t.code = leann_alloc(ctx, rows.n, t.quantizer->code_bytes);
    assert_int_equal(t.type->encode(ctx, t.quantizer, rows, t.code), LEANN_OK);
    return t;
}

static void drop(trained *t)
{
    leann_quantizer_free(t->quantizer);
    leann_choice_free(t->choice);
    leann_free(t->code);
}

/* Overlapping clusters away from the origin, dimensions of unequal spread. */
static leann_rows data(float *x, uint32_t n, uint32_t d)
{
    for (uint32_t i = 0; i < n; i++) {
        leann_rng rng = leann_rng_at(7, "rows", i), centre = leann_rng_at(7, "centre", leann_rng_below(&rng, 12));
        for (uint32_t j = 0; j < d; j++)
            x[i * d + j] = (float)(3 + (1 + j % 5) * (leann_rng_normal(&centre) + 0.3 * leann_rng_normal(&rng)));
    }
    return (leann_rows){.base = x, .stride = d * sizeof *x, .n = n, .d = d, .type = LEANN_F32, .space = LEANN_L2};
}

static double l2(const float *a, const float *b, uint32_t d)
{
    double sum = 0;
    for (uint32_t j = 0; j < d; j++) sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sum;
}

static double ip(const float *a, const float *b, uint32_t d)
{
    double sum = 0;
    for (uint32_t j = 0; j < d; j++) sum += (double)a[j] * (double)b[j];
    return sum;
}

static double relative_error(leann_ctx *ctx, const trained *t, leann_rows rows)
{
    double miss = 0, spread = 0;
    float *y = leann_alloc(ctx, rows.n, rows.d * sizeof *y);
    const float *x = rows.base;
    t->type->decode(t->quantizer, ctx, t->code, t->quantizer->code_bytes, rows.n, y);
    for (uint32_t j = 0; j < rows.d; j++) {
        double mean = 0;
        for (uint32_t i = 0; i < rows.n; i++) mean += (double)x[i * rows.d + j] / rows.n;
        for (uint32_t i = 0; i < rows.n; i++) spread += ((double)x[i * rows.d + j] - mean) * ((double)x[i * rows.d + j] - mean);
    }
    for (uint32_t i = 0; i < rows.n; i++) miss += l2(x + i * rows.d, y + i * rows.d, rows.d);
    leann_free(y);
    return miss / spread;
}

static void test_error(void **state)
{
    (void)state;
    static float x[N * D];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_rows rows = data(x, N, D);
    for (size_t i = 0; i < KINDS; i++) {
        trained t = build(ctx, kinds[i].config, rows);
        double error = relative_error(ctx, &t, rows);
        if (!(error <= kinds[i].most)) fail_msg("%s: relative error %g, at most %g", kinds[i].config, error, kinds[i].most);
        drop(&t);
    }
    leann_ctx_free(ctx);
}

/* key of row i within 4e-5 of the size of what is summed: rabitq keeps 16 bits of a query. */
static void expect_key(const char *config, const char *what, float key, double truth, double size)
{
    if (!(fabs((double)key - truth) <= 4e-5 * size))
        fail_msg("%s, %s: key %.9g, decoded %.9g (size %g)", config, what, (double)key, truth, size);
}

/* What squared distances are more than those to x̂ (y), for each row: a constant of the row where keys estimate those to x, else 0. The
 * lesser of what two opposite queries see: near one of them a key may have been kept from falling below 0. */
static double *excess_of(leann_ctx *ctx, const trained *t, const char *config, const uint8_t *code, size_t stride, leann_rows rows,
                         const float *y)
{
    double *excess = leann_alloc(ctx, rows.n, sizeof *excess);
    float *key = leann_alloc(ctx, rows.n, sizeof *key), q[D];
    const float *first = rows.base;
    leann_codes codes = {.code = code, .stride = stride, .n = rows.n, .space = LEANN_L2};
    for (int sign = 1; sign >= -1 && (strstr(config, "rabitq") || strstr(config, "dims")); sign -= 2) {
        size_t mark = leann_scratch_mark(ctx);
        for (uint32_t j = 0; j < rows.d; j++) q[j] = (float)sign * first[j];
        leann_scorer *scorer = t->type->prepare(t->quantizer, ctx, &codes, q, NULL);
        scorer->score(scorer, (leann_span){.owner = LEANN_NONE, .n = rows.n}, INFINITY, key, NULL);
        for (uint32_t i = 0; i < rows.n; i++) {
            double more = (double)key[i] - l2(q, y + (size_t)i * rows.d, rows.d);
            excess[i] = sign > 0 ? more : fmin(excess[i], more);
        }
        leann_scratch_reset(ctx, mark);
    }
    leann_free(key);
    return excess;
}

/* Packed codes give the very keys of those that lie in rows where they are not above the cut, and others above it where those are. */
static void packed_keys(leann_ctx *ctx, const char *config, const trained *t, const leann_codes *codes, const float *q, const float *base,
                        leann_span span)
{
    leann_codes packed = *codes;
    uint8_t *blocks = NULL;
    if (!t->type->pack || span.n == 0) return;
    assert_int_equal(t->type->pack(ctx, t->quantizer, codes, &blocks), LEANN_OK);
    packed.packed = blocks;
    size_t mark = leann_scratch_mark(ctx);
    float *want = leann_scratch(ctx, span.n * sizeof *want), *got = leann_scratch(ctx, span.n * sizeof *got);
    leann_scorer *plain = t->type->prepare(t->quantizer, ctx, codes, q, base);
    leann_scorer *fast = t->type->prepare(t->quantizer, ctx, &packed, q, base);
    plain->score(plain, span, INFINITY, want, NULL);
    for (uint32_t c = 0; c < 12; c++) { /* cuts: keys that are there, one far below and infinity */
        float cut = c == 10 ? -1e9F : c == 11 ? INFINITY : want[c * (span.n - 1) / 9];
        fast->score(fast, span, cut, got, NULL);
        for (uint32_t i = 0; i < span.n; i++)
            if (want[i] <= cut ? memcmp(&want[i], &got[i], sizeof *got) != 0 : !(got[i] > cut))
                fail_msg("%s packed, row %u of [%u, + %u): %.9g, not %.9g, at cut %.9g", config, i, span.first, span.n, (double)got[i],
                         (double)want[i], (double)cut);
    }
    assert_int_equal(fast->dist_comps, 12 * span.n);
    leann_scratch_reset(ctx, mark);
    leann_free(blocks);
}

static void plain_keys(leann_ctx *ctx, const char *config, leann_rows rows, const float *q, leann_space space)
{
    trained t = build(ctx, config, rows);
    uint32_t bytes = t.quantizer->code_bytes, d = rows.d;
    size_t stride = bytes + 3; /* codes need not be dense */
    uint8_t *apart = leann_alloc(ctx, rows.n, stride);
    for (uint32_t i = 0; i < rows.n; i++) memcpy(apart + i * stride, t.code + (size_t)i * bytes, bytes);
    leann_codes codes = {.code = apart, .stride = stride, .n = rows.n, .space = space};
    float *y = leann_alloc(ctx, rows.n, d * sizeof *y), *key = leann_alloc(ctx, rows.n, sizeof *key);
    t.type->decode(t.quantizer, ctx, apart, stride, rows.n, y);
    double *excess = excess_of(ctx, &t, config, apart, stride, rows, y);
    size_t mark = leann_scratch_mark(ctx);
    leann_scorer *scorer = t.type->prepare(t.quantizer, ctx, &codes, q, NULL);
    assert_non_null(scorer);
    uint32_t first = 5, n = rows.n - 9, ids[4] = {3, rows.n - 1, 0, 77 % rows.n};
    scorer->score(scorer, (leann_span){.owner = LEANN_NONE, .first = first, .n = n}, INFINITY, key, NULL);
    for (uint32_t i = 0; i < n; i++) {
        const float *row = y + (size_t)(first + i) * d;
        double size = ip(q, q, d) + ip(row, row, d);
        expect_key(config, space == LEANN_IP ? "ip" : "l2", key[i],
                   space == LEANN_IP ? -ip(q, row, d) : fmax(0, l2(q, row, d) + excess[first + i]), size);
    }
    scorer->score(scorer, (leann_span){.owner = LEANN_NONE, .n = 4, .ids = ids}, INFINITY, key, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        const float *row = y + (size_t)ids[i] * d;
        expect_key(config, "by ids", key[i], space == LEANN_IP ? -ip(q, row, d) : fmax(0, l2(q, row, d) + excess[ids[i]]),
                   ip(q, q, d) + ip(row, row, d));
    }
    assert_int_equal(scorer->dist_comps, n + 4);
    packed_keys(ctx, config, &t, &codes, q, NULL, (leann_span){.owner = LEANN_NONE, .n = rows.n});
    packed_keys(ctx, config, &t, &codes, q, NULL, (leann_span){.owner = LEANN_NONE, .first = first, .n = n});
    packed_keys(ctx, config, &t, &codes, q, NULL, (leann_span){.owner = LEANN_NONE, .first = rows.n - 7, .n = 3});
    leann_scratch_reset(ctx, mark);
    leann_free(apart);
    leann_free(y);
    leann_free(key);
    leann_free(excess);
    drop(&t);
}

static void test_plain(void **state)
{
    (void)state;
    static float x[N * D], odd[40 * 7];
    leann_ctx *ctx = leann_ctx_new(1, 2);
    leann_rows rows = data(x, N, D), narrow = data(odd, 40, 7);
    for (size_t i = 0; i < KINDS; i++) {
        plain_keys(ctx, kinds[i].config, rows, x + 11 * D, LEANN_L2);
        plain_keys(ctx, kinds[i].config, rows, x + 11 * D, LEANN_IP);
        plain_keys(ctx, kinds[i].config, rows, x + 12 * D, LEANN_ANGULAR);
    }
    const char *odds[] = {"none",
                          "rabitq",
                          "{rabitq: {bits: 3}}",
                          "{sq: {dims: 5, bits: 4}}",
                          "{sq: {bits: 4}}",
                          "{sq: {bits: 4, bounds: local}}",
                          "{pq: {sub_vectors: 7, codebook_size: 16}}",
                          "{opq: {sub_vectors: 1, codebook_size: 33}}"};
    for (size_t i = 0; i < sizeof odds / sizeof *odds; i++) {
        plain_keys(ctx, odds[i], narrow, odd, LEANN_L2);
        plain_keys(ctx, odds[i], narrow, odd, LEANN_IP);
    }
    leann_ctx_free(ctx);
}

static void residual_keys(leann_ctx *ctx, const char *config, leann_rows rows, const float *q, leann_space space)
{
    static float anchors[LISTS * D], r[N * D], base[LISTS], bias[N], y[N * D], key[N];
    uint32_t off[LISTS + 1];
    for (uint32_t l = 0; l <= LISTS; l++) off[l] = l < 2 ? 0 : N * l / LISTS; /* the first list is empty */
    const float *x = rows.base;
    for (uint32_t l = 0; l < LISTS; l++) {
        memcpy(anchors + l * D, x + off[l] * D, D * sizeof *x);
        base[l] = (float)(space == LEANN_IP ? -ip(q, anchors + l * D, D) : l2(q, anchors + l * D, D));
        for (uint32_t i = off[l]; i < off[l + 1]; i++)
            for (uint32_t j = 0; j < D; j++) r[i * D + j] = x[i * D + j] - anchors[l * D + j];
    }
    leann_rows deltas = {.base = r, .stride = D * sizeof *r, .n = N, .d = D, .type = LEANN_F32, .space = LEANN_L2};
    trained t = build(ctx, config, deltas);
    leann_codes codes = {
        .code = t.code, .stride = t.quantizer->code_bytes, .n = N, .lists = LISTS, .list_off = off, .bias = bias, .space = space};
    assert_int_equal(leann_quantizer_bias(ctx, t.quantizer, &codes, anchors, bias), LEANN_OK);
    t.type->decode(t.quantizer, ctx, t.code, codes.stride, N, y);
    double *excess = excess_of(ctx, &t, config, t.code, codes.stride, deltas, y);
    size_t mark = leann_scratch_mark(ctx);
    leann_scorer *scorer = t.type->prepare(t.quantizer, ctx, &codes, q, base);
    assert_non_null(scorer);
    for (uint32_t l = 0; l < LISTS; l++) {
        leann_span span = {.owner = l, .first = off[l], .n = off[l + 1] - off[l]};
        scorer->score(scorer, span, INFINITY, key, NULL);
        for (uint32_t i = 0; i < span.n; i++) {
            float *row = y + (off[l] + i) * D, *anchor = anchors + l * D;
            double size = ip(q, q, D) + 3 * ip(row, row, D) + 3 * ip(anchor, anchor, D);
            for (uint32_t j = 0; j < D; j++) row[j] += anchor[j];
            expect_key(config, space == LEANN_IP ? "residual ip" : "residual l2", key[i],
                       space == LEANN_IP ? -ip(q, row, D) : fmax(0, l2(q, row, D) + excess[off[l] + i]), size);
        }
        packed_keys(ctx, config, &t, &codes, q, base, span);
    }
    assert_int_equal(scorer->dist_comps, N);
    leann_scratch_reset(ctx, mark);
    leann_free(excess);
    drop(&t);
}

/* What scorers of packed codes sift out for several queries at once is what sieves keep of all keys, ties and rows equal to a query too. */
static void sifted(leann_ctx *ctx, const char *config, leann_space space, const float *x, uint32_t queries, uint32_t k)
{
    enum { MOST = 9, ROWS = 5000 };
    trained t = build(ctx, config, (leann_rows){x, D * sizeof *x, N, D, LEANN_F32, LEANN_L2});
    uint8_t *blocks = NULL, *code = leann_alloc(ctx, ROWS, t.quantizer->code_bytes);
    leann_rng rng = leann_rng_at(1, "sifted", k);
    leann_codes codes = {.code = code, .stride = t.quantizer->code_bytes, .n = ROWS, .space = space};
    for (uint32_t i = 0; i < ROWS; i++) memcpy(code + i * codes.stride, t.code + leann_rng_below(&rng, N) * codes.stride, codes.stride);
    leann_codes packed = codes;
    assert_int_equal(t.type->pack(ctx, t.quantizer, &codes, &blocks), LEANN_OK);
    packed.packed = blocks;
    size_t mark = leann_scratch_mark(ctx);
    leann_scorer *fast[MOST];
    leann_sieve got[MOST], want;
    float *key = leann_scratch(ctx, ROWS * sizeof *key);
    for (uint32_t i = 0; i < queries; i++) {
        fast[i] = t.type->prepare(t.quantizer, ctx, &packed, x + i * 7 * D, NULL);
        assert_true(leann_sieve_start(&got[i], ctx, k));
    }
    if (blocks) fast[0]->sift(fast, got, queries, (leann_span){.owner = LEANN_NONE, .first = 13, .n = ROWS - 13});
    for (uint32_t i = 0; i < queries && blocks; i++) {
        leann_scorer *plain = t.type->prepare(t.quantizer, ctx, &codes, x + i * 7 * D, NULL);
        assert_true(leann_sieve_start(&want, ctx, k));
        plain->score(plain, (leann_span){.owner = LEANN_NONE, .first = 13, .n = ROWS - 13}, INFINITY, key, NULL);
        leann_sieve_push_run(&want, key, ROWS - 13, 13);
        const leann_hit *good = leann_sieve_sort(&want), *hit = leann_sieve_sort(&got[i]);
        assert_int_equal(got[i].n, want.n);
        assert_int_equal(fast[i]->dist_comps, ROWS - 13);
        for (uint32_t j = 0; j < want.n; j++)
            if (hit[j].id != good[j].id || memcmp(&hit[j].key, &good[j].key, sizeof hit->key) != 0)
                fail_msg("%s, query %u of %u, k %u, hit %u: row %u at %.9g, not %u at %.9g", config, i, queries, k, j, hit[j].id,
                         (double)hit[j].key, good[j].id, (double)good[j].key);
    }
    leann_scratch_reset(ctx, mark);
    leann_free(code);
    leann_free(blocks);
    drop(&t);
}

static void test_sift(void **state)
{
    (void)state;
    static const char *const configs[] = {"{pq: {sub_vectors: 6, codebook_size: 64}}", "{pq: {sub_vectors: 8, codebook_size: 16}}",
                                          "{pq: {sub_vectors: 3, codebook_size: 5}}",
                                          "{opq: {sub_vectors: 12, codebook_size: 16, turns: 4}}"};
    static const uint32_t ks[] = {1, 10, 300, 3000};
    static float x[N * D];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    data(x, N, D);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
        for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
            for (leann_space space = LEANN_L2; space <= LEANN_IP; space++)
                sifted(ctx, configs[i], space, x, 1 + 4 * (uint32_t)space, ks[k]);
    leann_ctx_free(ctx);
}

static void test_residual(void **state)
{
    (void)state;
    static float x[N * D];
    leann_ctx *ctx = leann_ctx_new(1, 2);
    leann_rows rows = data(x, N, D);
    for (size_t i = 0; i < KINDS; i++) {
        residual_keys(ctx, kinds[i].config, rows, x + 300 * D, LEANN_L2);
        residual_keys(ctx, kinds[i].config, rows, x + 301 * D, LEANN_IP);
    }
    leann_ctx_free(ctx);
}

/* ---- files and threads ------------------------------------------------------------------------------------------------------ */

static char folder[64];

static void save(leann_ctx *ctx, const trained *t, char path[128], const char *name)
{
    leann_writer *w = NULL;
    snprintf(path, 128, "%s/%s", folder, name);
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    assert_int_equal(t->type->save(t->quantizer, w), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
}

static void test_file(void **state)
{
    (void)state;
    static float x[N * D];
    leann_rows rows = data(x, N, D);
    for (size_t i = 0; i < KINDS; i++) {
        char path[128];
        leann_ctx *ctx = leann_ctx_new(1, 1);
        trained t = build(ctx, kinds[i].config, rows), again = {.type = t.type, .choice = t.choice};
        save(ctx, &t, path, "a");
        leann_reader *r = NULL;
        leann_ledger ledger, predicted;
        assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
        leann_reader_ledger(r, &ledger);
        leann_ledger_begin(&predicted);
        t.type->predict(N, D, t.choice.params, &predicted);
        leann_ledger_end(&predicted);
        assert_memory_equal(predicted.bytes, ledger.bytes, sizeof ledger.bytes);
        if (t.type->open(ctx, r, D, t.choice.params, &again.quantizer) != LEANN_OK)
            fail_msg("%s: %s", kinds[i].config, leann_ctx_error(ctx));
        leann_reader_free(r); /* nothing is borrowed from it */
        again.code = leann_alloc(ctx, N, again.quantizer->code_bytes);
        assert_int_equal(again.type->encode(ctx, again.quantizer, rows, again.code), LEANN_OK);
        assert_memory_equal(again.code, t.code, (size_t)N * t.quantizer->code_bytes);
        static float key[2][N];
        for (int k = 0; k < 2; k++) {
            const trained *of = k ? &again : &t;
            leann_codes codes = {.code = of->code, .stride = of->quantizer->code_bytes, .n = N, .space = LEANN_L2};
            leann_scorer *scorer = of->type->prepare(of->quantizer, ctx, &codes, x + 9 * D, NULL);
            scorer->score(scorer, (leann_span){.owner = LEANN_NONE, .n = N}, INFINITY, key[k], NULL);
        }
        assert_memory_equal(key[0], key[1], sizeof key[0]);
        leann_quantizer_free(again.quantizer);
        leann_free(again.code);
        drop(&t);
        leann_ctx_free(ctx);
        unlink(path);
    }
}

static void test_threads(void **state)
{
    (void)state;
    static float x[3 * N * D];
    leann_rows rows = data(x, 3 * N, D);
    for (size_t i = 0; i < KINDS; i++) {
        char path[2][128], *file[2];
        uint8_t *code[2];
        size_t bytes[2], code_bytes = 0;
        for (unsigned k = 0; k < 2; k++) {
            leann_ctx *ctx = leann_ctx_new(5, k + 1);
            trained t = build(ctx, kinds[i].config, rows);
            save(ctx, &t, path[k], k ? "two" : "one");
            assert_int_equal(leann_file_read(ctx, path[k], 1 << 24, &file[k], &bytes[k]), LEANN_OK);
            code_bytes = (size_t)rows.n * t.quantizer->code_bytes;
            code[k] = t.code;
            t.code = NULL;
            drop(&t);
            leann_ctx_free(ctx);
            unlink(path[k]);
        }
        assert_memory_equal(code[0], code[1], code_bytes);
        assert_int_equal(bytes[0], bytes[1]);
        assert_memory_equal(file[0], file[1], bytes[0]);
        for (int k = 0; k < 2; k++) {
            leann_free(code[k]);
            leann_free(file[k]);
        }
    }
}

/* A file of sections with the wrong numbers is refused with a sentence, not with a crash. */
static void test_damaged(void **state)
{
    (void)state;
    static float x[N * D];
    leann_rows rows = data(x, N, D);
    for (size_t i = 1; i < KINDS; i++) {
        char path[128];
        leann_ctx *ctx = leann_ctx_new(1, 1);
        trained t = build(ctx, kinds[i].config, rows);
        save(ctx, &t, path, "good");
        leann_reader *r = NULL, *bad = NULL;
        assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
        size_t sections = leann_reader_sections(r);
        for (size_t harm = 0; harm < 3 * sections; harm++) {
            leann_writer *w = NULL;
            char worse[160];
            snprintf(worse, sizeof worse, "%s-%zu", path, harm);
            assert_int_equal(leann_writer_new(ctx, worse, &w), LEANN_OK);
            for (size_t s = 0; s < sections; s++) {
                const leann_section *section = leann_reader_at(r, s);
                uint8_t *copy = leann_alloc(ctx, 1, (size_t)section->bytes);
                memcpy(copy, section->data, (size_t)section->bytes);
                bool mine = s == harm / 3;
                if (mine && harm % 3 == 0)
                    memset(copy + section->bytes - leann_dtype_bytes(section->type), 0xff, leann_dtype_bytes(section->type));
                if (mine && harm % 3 == 1) memset(copy, 0x7c, leann_dtype_bytes(section->type)); /* f16: NaN; f32: 5e36 */
                if (mine && harm % 3 == 1 && section->type == LEANN_F32) memset(copy, 0xff, 4);
                if (mine && harm % 3 < 2 && section->type == LEANN_I8)
                    copy[harm % 3 ? 0 : section->bytes - 1] = 0x80; /* no file has -128 */
                uint64_t cut = mine && harm % 3 == 2;
                uint64_t each = section->stride - cut * leann_dtype_bytes(section->type);
                if (each)
                    assert_int_equal(leann_writer_add(w, section->name, section->part, section->type, section->rows, each, copy), LEANN_OK);
                leann_free(copy);
            }
            assert_int_equal(leann_writer_commit(w), LEANN_OK);
            leann_writer_free(w);
            assert_int_equal(leann_reader_open(ctx, worse, &bad), LEANN_OK);
            leann_quantizer *none = NULL;
            leann_status status = t.type->open(ctx, bad, D, t.choice.params, &none);
            if (status == LEANN_OK) fail_msg("%s: damage %zu is not seen", kinds[i].config, harm);
            assert_null(none);
            assert_string_not_equal(leann_ctx_error(ctx), "");
            leann_ctx_clear(ctx);
            leann_reader_free(bad);
            unlink(worse);
        }
        leann_reader_free(r);
        unlink(path);
        drop(&t);
        leann_ctx_free(ctx);
    }
}

static leann_status open_opq(leann_ctx *ctx, leann_dtype kept, const void *rotation, const void *codebook, leann_quantizer **out)
{
    enum { d = 8, m = 2, k = 2 };
    static const float centre[d + m] = {1, 2, 3, 4, 5, 6, 7, 8, 0.5F, 0.25F};
    const size_t bytes = leann_dtype_bytes(kept);
    char path[128];
    leann_choice choice = choose(ctx, "{opq: {sub_vectors: 2, codebook_size: 2}}");
    leann_writer *w = NULL;
    leann_reader *r = NULL;
    snprintf(path, sizeof path, "%s/opq", folder);
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    assert_int_equal(leann_writer_add(w, "opq.rotation", LEANN_PART_CODEBOOKS, kept, d, d * bytes, rotation), LEANN_OK);
    assert_int_equal(leann_writer_add(w, "pq.centre", LEANN_PART_CODEBOOKS, LEANN_F32, 1, (kept == LEANN_I8 ? d + m : d + 1) * 4, centre),
                     LEANN_OK);
    assert_int_equal(leann_writer_add(w, "pq.codebook", LEANN_PART_CODEBOOKS, kept, m * k, d / m * bytes, codebook), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    leann_status status = ((const leann_quantizer_type *)(const void *)choice.plugin)->open(ctx, r, d, choice.params, out);
    leann_reader_free(r);
    leann_choice_free(choice);
    unlink(path);
    return status;
}

/* Files of revision 2 have halves, and open as they did; in those of bytes a row of the rotation has any length, and no two may be alike. */
static void test_opq_files(void **state)
{
    (void)state;
    int8_t rotation[64] = {0}, codebook[16];
    uint16_t half[64], half_book[16];
    float wide[64], y[8];
    for (int i = 0; i < 64; i++) rotation[i] = i % 9 == 0 ? (int8_t)(i % 2 ? 127 : -1 - i) : 0; /* a turn of every axis or none */
    for (int i = 0; i < 64; i++) wide[i] = i % 9 == 0 ? (i % 2 ? 1 : -1) : 0;
    leann_kernels_get()->f16_from_f32(wide, half, 64);
    for (int i = 0; i < 16; i++) codebook[i] = (int8_t)(i * i / 2 - 50);
    for (int i = 0; i < 16; i++) wide[i] = (float)(codebook[i] * abs(codebook[i])); /* what a byte stands for */
    leann_kernels_get()->f16_from_f32(wide, half_book, 16);
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (int older = 0; older < 2; older++) {
        leann_quantizer *opened = NULL;
        const uint8_t code = 0x10; /* centroid 0, then 1 */
        if (open_opq(ctx, older ? LEANN_F16 : LEANN_I8, older ? (void *)half : rotation, older ? (void *)half_book : codebook, &opened))
            fail_msg("%s", leann_ctx_error(ctx));
        opened->type->decode(opened, ctx, &code, 1, 1, y);
        for (int j = 0; j < 8; j++) {
            float component = (j < 4 ? 0.5F : older ? 0.5F : 0.25F) * wide[j < 4 ? j : 8 + j];
            assert_true(y[j] == (float)(j + 1) + (j % 2 ? component : -component));
        }
        leann_quantizer_free(opened);
    }
    leann_quantizer *none = NULL;
    memcpy(rotation + 8, rotation, 8);
    assert_int_equal(open_opq(ctx, LEANN_I8, rotation, codebook, &none), LEANN_EFORMAT);
    assert_non_null(strstr(leann_ctx_error(ctx), "orthonormal"));
    leann_ctx_clear(ctx);
    memset(rotation + 8, 0, 8);
    assert_int_equal(open_opq(ctx, LEANN_I8, rotation, codebook, &none), LEANN_EFORMAT);
    assert_null(none);
    leann_ctx_free(ctx);
}

/* ---- odd data ---------------------------------------------------------------------------------------------------------------- */

static void test_odd(void **state)
{
    (void)state;
    static float x[300 * 8];
    const char *all[] = {"none",
                         "sq",
                         "{sq: {bits: 4}}",
                         "{sq: {bounds: global}}",
                         "{sq: {bounds: local}}",
                         "{sq: {bounds: local, bits: 4}}",
                         "{sq: {dims: 8}}",
                         "{rabitq: {bits: 4}}",
                         "{pq: {codebook_size: 2}}",
                         "{pq: {sub_vectors: 4, codebook_size: 2}}",
                         "{opq: {sub_vectors: 2, codebook_size: 2}}"};
    const float sizes[] = {0, 1, 1e-12F, 1e15F};
    for (size_t a = 0; a < sizeof all / sizeof *all; a++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (uint32_t n = 1; n <= 300; n = n < 2 ? 2 : n * 150) {
                leann_ctx *ctx = leann_ctx_new(1, 1);
                leann_rows rows = data(x, n, 8);
                for (uint32_t i = 0; i < n; i++) /* dimension 3 is constant; size 0: all rows are equal */
                    for (uint32_t j = 0; j < 8; j++) x[i * 8 + j] = sizes[s] == 0 ? (float)j : j == 3 ? sizes[s] : x[i * 8 + j] * sizes[s];
                leann_choice choice = choose(ctx, all[a]);
                const leann_quantizer_type *type = (const leann_quantizer_type *)(const void *)choice.plugin;
                if (n == 1 && strstr(all[a], "pq")) {
                    assert_int_equal(type->check(ctx, n, 8, choice.params), LEANN_EINVAL);
                    assert_non_null(strstr(leann_ctx_error(ctx), "codebook_size 2 needs at least 2 training rows; there are 1"));
                } else {
                    trained t = build(ctx, all[a], rows);
                    float y[16];
                    t.type->decode(t.quantizer, ctx, t.code, t.quantizer->code_bytes, n < 2 ? 1 : 2, y);
                    bool exact = sizes[s] == 0 || n <= 2;
                    double scale = ip(x, x, 8), slack = strstr(all[a], "sq") ? 0.02 : 1e-4;
                    for (uint32_t i = 0; i < n && i < 2; i++) {
                        for (uint32_t j = 0; j < 8; j++) assert_true(isfinite(y[i * 8 + j]));
                        /* two rows fit two centroids, and the ends of every range */
                        if (exact && (sizes[s] == 0 || !strstr(all[a], "rabitq")) && !(l2(x + i * 8, y + i * 8, 8) <= slack * scale))
                            fail_msg("%s: n %u, size %g: row %u is off by %g", all[a], n, (double)sizes[s], i, l2(x + i * 8, y + i * 8, 8));
                    }
                    drop(&t);
                }
                leann_choice_free(choice);
                leann_ctx_free(ctx);
            }
}

static void test_bytes(void **state)
{
    (void)state;
    static uint8_t bytes[N * D];
    static float wide[N * D];
    for (uint32_t i = 0; i < N * D; i++) wide[i] = bytes[i] = (uint8_t)((i * 2654435761U) >> 24);
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (size_t i = 0; i < KINDS; i++) {
        trained a = build(ctx, kinds[i].config, (leann_rows){bytes, D, N, D, LEANN_U8, LEANN_L2});
        trained b = build(ctx, kinds[i].config, (leann_rows){wide, D * sizeof *wide, N, D, LEANN_F32, LEANN_L2});
        assert_memory_equal(a.code, b.code, (size_t)N * a.quantizer->code_bytes);
        drop(&a);
        drop(&b);
    }
    leann_ctx_free(ctx);
}

/* As many centroids as rows: nothing is lost but what 8 bits lose, or 16 where sub-spaces are narrow. */
static void test_enough_centroids(void **state)
{
    (void)state;
    static float x[200 * D];
    leann_ctx *ctx = leann_ctx_new(3, 1);
    leann_rows rows = data(x, 200, D);
    trained wide = build(ctx, "{pq: {sub_vectors: 4, codebook_size: 200}}", rows);
    trained narrow = build(ctx, "{pq: {sub_vectors: 8, codebook_size: 200}}", rows);
    assert_true(relative_error(ctx, &wide, rows) < 1e-4);
    assert_true(relative_error(ctx, &narrow, rows) < 1e-6);
    drop(&wide);
    drop(&narrow);
    leann_ctx_free(ctx);
}

/* Rows on a random 4-dimensional plane of 16 dimensions, all of it along directions that no sub-space holds: a rotation pays. */
static void test_rotation_pays(void **state)
{
    (void)state;
    enum { n = 1500, d = 16, plane = 4 };
    static float x[n * d];
    leann_rng axes = leann_rng_at(4, "axes", 0);
    double axis[plane][d];
    for (int p = 0; p < plane; p++)
        for (int j = 0; j < d; j++) axis[p][j] = leann_rng_normal(&axes);
    for (uint32_t i = 0; i < n; i++) {
        leann_rng rng = leann_rng_at(4, "row", i);
        for (int p = 0; p < plane; p++) {
            double at = leann_rng_normal(&rng);
            for (int j = 0; j < d; j++) x[i * d + (uint32_t)j] += (float)(at * axis[p][j]);
        }
    }
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_rows rows = {x, d * sizeof *x, n, d, LEANN_F32, LEANN_L2};
    trained plain = build(ctx, "{pq: {sub_vectors: 4, codebook_size: 32}}", rows);
    trained turned = build(ctx, "{opq: {sub_vectors: 4, codebook_size: 32}}", rows);
    double before = relative_error(ctx, &plain, rows), after = relative_error(ctx, &turned, rows);
    if (!(after < 0.7 * before)) fail_msg("pq %g, opq %g", before, after);
    drop(&plain);
    drop(&turned);
    leann_ctx_free(ctx);
}

static void test_refused(void **state)
{
    (void)state;
    const struct {
        const char *config;
        uint32_t n, d;
        const char *sentence;
    } cases[] = {
        {"{pq: {sub_vectors: 100}}", 60000, 784,
         "pq: sub_vectors 100 does not divide d = 784; these do: 1, 2, 4, 7, 8, 14, 16, 28, 49, 56, 98, 112, 196, 392, 784"},
        {"{opq: {sub_vectors: 9}}", 60000, 8, "opq: sub_vectors 9 does not divide d = 8; these do: 1, 2, 4, 8"},
        {"pq", 100, 784, "pq: codebook_size 256 needs at least 256 training rows; there are 100"},
        {"{opq: {training_samples: 200}}", 1000, 784,
         "opq: codebook_size 256 needs at least 256 training rows; there are 200 (training_samples)"},
        {"{sq: {bits: 6}}", 1000, 784, "sq: bits is 6; it must be 8 or 4"},
        {"{sq: {dims: 785}}", 1000, 784, "sq: dims is 785, more than the 784 there are"},
        {"{sq: {dims: 64}}", 1000, 20000, "sq: d is 20000; axes of more than 16384 dimensions are not looked for"},
        {"{rabitq: {dims: 100}}", 1000, 784, "rabitq: dims is 100; it must be a multiple of 32, or 0 for all"},
        {"rabitq", 1000, 70000, "rabitq: d is 70000, not 1 to 65536"},
        {"pq", 1000, 70000, "pq: d is 70000, not 1 to 65536"},
        {"opq", 1000, 20000, "opq: d is 20000; a rotation of more than 16384 x 16384 is not kept"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leann_ctx *ctx = leann_ctx_new(1, 1);
        leann_choice choice = choose(ctx, cases[i].config);
        const leann_quantizer_type *type = (const leann_quantizer_type *)(const void *)choice.plugin;
        assert_int_equal(type->check(ctx, cases[i].n, cases[i].d, choice.params), LEANN_EINVAL);
        assert_string_equal(leann_ctx_error(ctx), cases[i].sentence);
        leann_choice_free(choice);
        leann_ctx_free(ctx);
    }
}

/* The default number of sub-vectors divides any d, and is d / 8 where that is whole. */
static void test_default_sub_vectors(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_choice choice = choose(ctx, "pq");
    const leann_quantizer_type *type = (const leann_quantizer_type *)(const void *)choice.plugin;
    const uint32_t d[] = {784, 768, 384, 100, 50, 53, 1, 2, 8}, m[] = {98, 96, 48, 20, 10, 53, 1, 1, 1};
    for (size_t i = 0; i < sizeof d / sizeof *d; i++) {
        assert_int_equal(type->check(ctx, 1000, d[i], choice.params), LEANN_OK);
        assert_int_equal(type->code_bytes(d[i], choice.params), m[i]);
    }
    leann_choice_free(choice);
    leann_ctx_free(ctx);
}

/* Codes that no encoder writes (a damaged file with right checksums) cost sense, not safety. */
static void test_wild_codes(void **state)
{
    (void)state;
    static float x[N * D], key[8], y[8 * D];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_rows rows = data(x, N, D);
    for (size_t i = 1; i < KINDS; i++) {
        trained t = build(ctx, kinds[i].config, rows);
        size_t bytes = t.quantizer->code_bytes;
        uint8_t *code = leann_alloc(ctx, 8, bytes);
        memset(code, 0xff, 8 * bytes);
        leann_codes codes = {.code = code, .stride = bytes, .n = 8, .space = LEANN_L2};
        leann_scorer *scorer = t.type->prepare(t.quantizer, ctx, &codes, x, NULL);
        scorer->score(scorer, (leann_span){.owner = LEANN_NONE, .n = 8}, INFINITY, key, NULL);
        t.type->decode(t.quantizer, ctx, code, bytes, 8, y);
        leann_free(code);
        drop(&t);
    }
    leann_ctx_free(ctx);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/leann-quantizer-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),      cmocka_unit_test(test_plain),         cmocka_unit_test(test_residual),
        cmocka_unit_test(test_file),       cmocka_unit_test(test_threads),       cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_odd),        cmocka_unit_test(test_bytes),         cmocka_unit_test(test_enough_centroids),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_rotation_pays), cmocka_unit_test(test_default_sub_vectors),
        cmocka_unit_test(test_wild_codes), cmocka_unit_test(test_sift),          cmocka_unit_test(test_opq_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
