/* test_parts_bench.c – the benchmark of building blocks on tiny data: every part is there, checked, with figures that can be divided by.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "eval/parts_bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { N = 700, D = 24, Q = 9, TOP = 20 };
static float train[N * D], test[Q * D];
static uint32_t neighbors[Q * TOP];
static double distances[Q * TOP];

static const leann_parts_options tiny = {
    .repeats = 3, .k = {5, 40}, .rounds = 6, .sub_vectors = 6, .top = TOP, .scans = 4, .only = {true, true, true, true, true, true}};

static void unit(float *x)
{
    float sum = 0;
    for (int j = 0; j < D; j++) sum += x[j] * x[j];
    for (int j = 0; j < D; j++) x[j] /= sqrtf(sum);
}

static leann_dataset data_of(leann_ctx *ctx, leann_space space)
{
    for (uint32_t i = 0; i < N * D; i++) {
        leann_rng rng = leann_rng_at(5, "train", i);
        train[i] = (float)(leann_rng_normal(&rng) + 3 * (i / D % 7));
    }
    for (uint32_t i = 0; space == LEANN_ANGULAR && i < N; i++) unit(train + i * D);
    for (uint32_t i = 0; i < Q * D; i++) test[i] = train[i] * 1.01F;
    const leann_rows rows = {.base = train, .stride = D * sizeof *train, .n = N, .d = D, .type = LEANN_F32, .space = space};
    leann_dataset data = {.name = "tiny", .sha = "", .train = rows, .test = rows, .neighbors = neighbors, .gt_k = TOP};
    data.test.base = test;
    data.test.n = Q;
    assert_int_equal(leann_exact(ctx, data.train, data.test, TOP, neighbors, distances), LEANN_OK);
    return data;
}

static const leann_part_timing *timing_of(const leann_parts_report *report, const char *part)
{
    for (size_t i = 0; i < report->n; i++)
        if (strcmp(report->timing[i].part, part) == 0) return &report->timing[i];
    fail_msg("no part '%s'", part);
    return NULL;
}

static void figures(void **state)
{
    (void)state;
    static const char *const parts[] = {"peak", "kmeans 5", "kmeans 40", "pq train", "pq encode", "adc", "fastscan", "exact"};
    for (int space = LEANN_L2; space <= LEANN_IP; space++)
        for (unsigned threads = 1; threads <= 2; threads++) {
            leann_ctx *ctx = leann_ctx_new(1, threads);
            leann_dataset data = data_of(ctx, (leann_space)space);
            leann_parts_report report;
            if (leann_parts_bench(ctx, &data, &tiny, &report) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
            assert_int_equal(report.n, sizeof parts / sizeof *parts);
            for (size_t i = 0; i < report.n; i++) {
                const leann_part_timing *t = &report.timing[i];
                assert_string_equal(t->part, parts[i]);
                assert_true(t->least > 0 && t->least <= t->seconds && t->seconds <= t->most && t->rate > 0);
            }
            assert_true(timing_of(&report, "kmeans 40")->quality < timing_of(&report, "kmeans 5")->quality);
            double error = timing_of(&report, "pq train")->quality, recall = timing_of(&report, "adc")->quality;
            assert_true(error > 0 && error < 0.2);
            double coarse = timing_of(&report, "fastscan")->quality;
            if (!(recall > 0.2 && recall <= 1 && coarse > 0.1 && coarse <= 1))
                fail_msg("%s: recall %g, %g", leann_space_word((leann_space)space), recall, coarse);
            leann_parts_report_free(&report);
            leann_ctx_free(ctx);
        }
}

/* One round's inertia takes one round, the last round's no more than all, and none reach 0. */
static void to_inertia(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_dataset data = data_of(ctx, LEANN_L2);
    leann_parts_options options = {.only = {[LEANN_BENCH_KMEANS] = true}, .repeats = 1, .k = {40}, .rounds = 1, .top = 1, .scans = 1};
    leann_parts_report report;
    double first, last;
    assert_int_equal(leann_parts_bench(ctx, &data, &options, &report), LEANN_OK);
    first = report.timing[0].quality;
    leann_parts_report_free(&report);
    options.rounds = 8;
    assert_int_equal(leann_parts_bench(ctx, &data, &options, &report), LEANN_OK);
    last = report.timing[0].quality;
    leann_parts_report_free(&report);
    assert_true(last < first);

    const double wanted[] = {first, last, first * 0.01};
    for (int i = 0; i < 3; i++) {
        options.inertia[0] = wanted[i];
        assert_int_equal(leann_parts_bench(ctx, &data, &options, &report), LEANN_OK);
        const leann_part_timing *t = timing_of(&report, "kmeans 40 to inertia");
        assert_true(i == 0 ? t->rounds == 1 : i == 1 ? t->rounds > 1 && t->rounds <= 8 : t->rounds == 0);
        assert_true(i == 2 ? isnan(t->seconds) : t->seconds > 0 && t->quality <= wanted[i]);
        leann_parts_report_free(&report);
    }
    options.rounds = 1; /* the eighth round is beyond the first look, within the second */
    options.inertia[0] = (first + last) / 2;
    assert_int_equal(leann_parts_bench(ctx, &data, &options, &report), LEANN_OK);
    assert_true(timing_of(&report, "kmeans 40 to inertia")->rounds > 1);
    leann_parts_report_free(&report);
    leann_ctx_free(ctx);
}

static void refused(void **state)
{
    (void)state;
    static const char *const says[] = {"0 repeats", "0 rounds", "701 centroids of 700", "5 does not divide", "no queries"};
    for (int i = 0; i < 5; i++) {
        leann_ctx *ctx = leann_ctx_new(1, 1);
        leann_dataset data = data_of(ctx, LEANN_L2);
        leann_parts_options options = tiny;
        leann_parts_report report;
        if (i == 0) options.repeats = 0;
        if (i == 1) options.rounds = 0;
        if (i == 2) options.k[1] = 701;
        if (i == 3) options.sub_vectors = 5;
        if (i == 4) data.test.n = 0;
        assert_int_equal(leann_parts_bench(ctx, &data, &options, &report), LEANN_EINVAL);
        if (!strstr(leann_ctx_error(ctx), says[i])) fail_msg("'%s' says nothing of '%s'", leann_ctx_error(ctx), says[i]);
        leann_parts_report_free(&report);
        leann_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(figures), cmocka_unit_test(to_inertia), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
