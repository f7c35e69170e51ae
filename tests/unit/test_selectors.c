/* test_selectors.c – every selector through the registry: shapes, repeats, seeds and threads; then what each one promises.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    leann_dataset common;
    uint32_t *label, labels;
} labelled;

static leann_status labels_of(const leann_dataset *self, leann_ctx *ctx, const char *name, const uint32_t **label, uint32_t *count)
{
    const labelled *data = (const labelled *)self;
    if (strcmp(name, "class") != 0) return leann_fail(ctx, LEANN_ENOTFOUND, "no data set %s", name);
    *label = data->label;
    *count = data->labels;
    return LEANN_OK;
}

static leann_dataset bare(const float *x, uint32_t n, uint32_t d)
{
    return (leann_dataset){.name = "", .sha = "", .train = {x, d * sizeof *x, n, d, LEANN_F32, LEANN_L2}};
}

/* The selector of a configuration text such as "kmeans" or "kmeans: {output: medoids}". */
static leann_status select_by(leann_ctx *ctx, const char *text, const leann_dataset *data, uint32_t m, leann_anchors *out)
{
    char wrapped[256];
    leann_value *config = NULL;
    leann_choice choice = {0};
    snprintf(wrapped, sizeof wrapped, "selector: %s%s%s", strchr(text, ':') ? "{" : "", text, strchr(text, ':') ? "}" : "");
    assert_int_equal(leann_config_parse(ctx, "test", wrapped, strlen(wrapped), &config), LEANN_OK);
    assert_int_equal(leann_choice_new(ctx, "selector", leann_value_get(config, "selector"), &choice), LEANN_OK);
    leann_value_free(config);
    leann_status status = leann_select(ctx, choice, data, m, out);
    leann_choice_free(choice);
    return status;
}

static float *random_rows(uint32_t n, uint32_t d, uint64_t stream)
{
    float *x = malloc((size_t)n * d * sizeof *x);
    leann_rng rng = leann_rng_at(11, "rows", stream);
    for (size_t i = 0; i < (size_t)n * d; i++) x[i] = (float)leann_rng_normal(&rng);
    return x;
}

static double fact(leann_ctx *ctx, const char *name)
{
    double value;
    for (size_t i = 0; i < leann_ctx_facts(ctx); i++)
        if (strcmp(leann_ctx_fact_at(ctx, i, &value), name) == 0) return value;
    fail_msg("no fact %s", name);
    return 0;
}

static const char *const all[] = {
    "random",
    "kmeans",
    "kmeans: {output: medoids, samples: 60}",
    "stratified-kmeans",
    "stratified-kmeans: {allocation: neyman, output: medoids, coarse: 4}",
    "stratified-kmeans: {allocation: equal}",
    "max-coverage",
    "max-coverage: {algorithm: stochastic}",
    "max-coverage: {diversity_threshold: 0.5}",
    "max-coverage: {diversity_threshold: 50, algorithm: stochastic}",
};
enum { ALL = sizeof all / sizeof *all };

/* m anchors of d, rows that are what their ids say, ids distinct. */
static void check(const leann_dataset *data, uint32_t m, const leann_anchors *a)
{
    assert_int_equal(a->m, m);
    assert_int_equal(a->d, data->train.d);
    float *x = malloc(a->d * sizeof *x);
    bool *seen = calloc(data->train.n, sizeof *seen);
    for (uint32_t j = 0; j < m; j++) {
        for (uint32_t i = 0; i < a->d; i++) assert_true(isfinite(a->rows[j * a->d + i]));
        if (a->ids[j] == LEANN_NONE) continue;
        assert_true(a->ids[j] < data->train.n && !seen[a->ids[j]]);
        seen[a->ids[j]] = true;
        leann_rows_floats(data->train, a->ids[j], 1, x);
        assert_memory_equal(x, a->rows + j * a->d, a->d * sizeof *x);
    }
    free(x);
    free(seen);
}

static void shapes_seeds_threads(void **state)
{
    (void)state;
    enum { N = 700, D = 6, M = 40 };
    float *x = random_rows(N, D, 0);
    leann_dataset data = bare(x, N, D);
    for (int s = 0; s < ALL; s++) {
        leann_anchors out[3];
        for (unsigned t = 0; t < 3; t++) {
            leann_ctx *ctx = leann_ctx_new(t == 2 ? 5 : 4, t == 0 ? 1 : 2);
            assert_int_equal(select_by(ctx, all[s], &data, M, &out[t]), LEANN_OK);
            check(&data, M, &out[t]);
            leann_ctx_free(ctx);
        }
        size_t bytes = M * D * sizeof(float);
        assert_memory_equal(out[0].rows, out[1].rows, bytes);
        assert_memory_equal(out[0].ids, out[1].ids, M * sizeof(uint32_t));
        /* Exact greedy over all rows does not draw: the one selector without a seed, at this size. */
        bool drawn = strncmp(all[s], "max-coverage", 12) != 0 || strcmp(all[s], "max-coverage: {algorithm: stochastic}") == 0;
        if (drawn) assert_true(memcmp(out[0].rows, out[2].rows, bytes) != 0);
        for (int t = 0; t < 3; t++) leann_anchors_free(&out[t]);
    }
    free(x);
}

static void tiny_and_equal(void **state)
{
    leann_ctx *ctx = *state;
    enum { N = 90 };
    float *x = random_rows(N, 3, 1), same[N * 3];
    uint8_t bytes[N * 3];
    for (size_t i = 0; i < N * 3; i++) same[i] = 2;
    memset(bytes, 200, sizeof bytes);
    for (int s = 0; s < ALL; s++) {
        if (strstr(all[s], "samples")) continue; /* has its own limit */
        const uint32_t sizes[][2] = {{1, 1}, {2, 1}, {2, 2}, {3, 2}, {17, 17}, {N, N}, {N, 1}};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int kind = 0; kind < 3; kind++) {
                leann_dataset data = bare(kind ? same : x, sizes[i][0], 3);
                if (kind == 2) data.train = (leann_rows){bytes, 3, sizes[i][0], 3, LEANN_U8, LEANN_L2};
                leann_anchors out;
                assert_int_equal(select_by(ctx, all[s], &data, sizes[i][1], &out), LEANN_OK);
                check(&data, sizes[i][1], &out);
                if (kind)
                    for (uint32_t j = 0; j < sizes[i][1] * 3; j++) assert_true(out.rows[j] == (kind == 1 ? 2 : 200));
                leann_anchors_free(&out);
            }
    }
    free(x);
}

static double facility(const leann_dataset *data, const leann_anchors *a, leann_ctx *ctx)
{
    uint32_t *owner = malloc(data->train.n * sizeof *owner);
    float *key = malloc(data->train.n * sizeof *key);
    double sum = 0;
    assert_int_equal(leann_nearest(ctx, data->train, a->rows, a->m, owner, key), LEANN_OK);
    for (uint32_t i = 0; i < data->train.n; i++) sum += (double)key[i];
    free(owner);
    free(key);
    return sum;
}

/* Centroids beat medoids, medoids beat chance: what the words promise. */
static void kmeans_is_near(void **state)
{
    leann_ctx *ctx = *state;
    float *x = random_rows(3000, 4, 2);
    leann_dataset data = bare(x, 3000, 4);
    double sum[4];
    static const char *const words[4] = {"kmeans", "stratified-kmeans", "kmeans: {output: medoids}", "random"};
    for (int i = 0; i < 4; i++) {
        leann_anchors out;
        assert_int_equal(select_by(ctx, words[i], &data, 60, &out), LEANN_OK);
        sum[i] = facility(&data, &out, ctx);
        leann_anchors_free(&out);
    }
    assert_true(sum[0] < sum[2] && sum[2] < 0.9 * sum[3]);
    assert_true(sum[1] < 1.15 * sum[0]);
    free(x);
}

static void too_few_samples(void **state)
{
    leann_ctx *ctx = *state;
    float *x = random_rows(50, 2, 3);
    leann_dataset data = bare(x, 50, 2);
    leann_anchors out;
    assert_int_equal(select_by(ctx, "kmeans: {samples: 9}", &data, 10, &out), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "9"));
    assert_non_null(strstr(leann_ctx_error(ctx), "10"));
    free(x);
}

/* Groups of 600, 300 and 100 rows on far-off places, the smallest with ten times the spread. How many anchors each one got. */
static void shares(leann_ctx *ctx, const char *text, uint32_t m, uint32_t share[3])
{
    enum { N = 1000 };
    float x[N];
    uint32_t label[N];
    leann_rng rng = leann_rng_at(1, "groups", 0);
    for (uint32_t i = 0; i < N; i++) {
        label[i] = i % 10 < 6 ? 0 : i % 10 < 9 ? 1 : 2;
        x[i] = (float)(1000 * label[i] + (label[i] == 2 ? 10 : 1) * leann_rng_normal(&rng));
    }
    labelled data = {bare(x, N, 1), label, 3};
    data.common.labels = labels_of;
    leann_anchors out;
    assert_int_equal(select_by(ctx, text, &data.common, m, &out), LEANN_OK);
    check(&data.common, m, &out);
    memset(share, 0, 3 * sizeof *share);
    for (uint32_t j = 0; j < m; j++) share[label[out.ids[j]]]++;
    leann_anchors_free(&out);
}

static void allocations(void **state)
{
    leann_ctx *ctx = *state;
    uint32_t share[3];
    shares(ctx, "stratified-kmeans: {group_by: class, output: medoids}", 20, share);
    assert_true(share[0] == 12 && share[1] == 6 && share[2] == 2);
    shares(ctx, "stratified-kmeans: {group_by: class, output: medoids, allocation: equal}", 21, share);
    assert_true(share[0] == 7 && share[1] == 7 && share[2] == 7);
    shares(ctx, "stratified-kmeans: {group_by: class, output: medoids, allocation: neyman}", 95, share);
    assert_true(abs((int)share[0] - 30) <= 3 && abs((int)share[1] - 15) <= 3 && abs((int)share[2] - 50) <= 5);
    shares(ctx, "stratified-kmeans: {group_by: class, output: medoids, min_per_group: 5}", 20, share);
    assert_true(share[0] == 10 && share[1] == 5 && share[2] == 5);
    shares(ctx, "stratified-kmeans: {group_by: class, output: medoids, allocation: equal}", 900, share); /* full groups overflow */
    assert_true(share[0] == 500 && share[1] == 300 && share[2] == 100);
}

static void refused_strata(void **state)
{
    leann_ctx *ctx = *state;
    float x[30] = {0};
    uint32_t label[30];
    for (uint32_t i = 0; i < 30; i++) label[i] = i % 6;
    labelled data = {bare(x, 30, 1), label, 6};
    leann_anchors out;
    assert_int_equal(select_by(ctx, "stratified-kmeans: {group_by: class}", &data.common, 6, &out), LEANN_EUNSUPPORTED);
    leann_ctx_clear(ctx);
    data.common.labels = labels_of;
    assert_int_equal(select_by(ctx, "stratified-kmeans: {group_by: klass}", &data.common, 6, &out), LEANN_ENOTFOUND);
    leann_ctx_clear(ctx);
    assert_int_equal(select_by(ctx, "stratified-kmeans: {group_by: class, min_per_group: 2}", &data.common, 11, &out), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "12"));
    assert_non_null(strstr(leann_ctx_error(ctx), "11"));
    leann_ctx_clear(ctx);
    assert_int_equal(select_by(ctx, "stratified-kmeans: {group_by: class, min_per_group: 0}", &data.common, 5, &out), LEANN_OK);
    leann_anchors_free(&out);
}

/* Plain greedy by loops: lazy must choose the very same gains. */
static double plain_greedy(const float *x, uint32_t n, uint32_t d, double tau, uint32_t m)
{
    bool *covered = calloc(n, sizeof *covered), *within = calloc((size_t)n * n, sizeof *within);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) {
            double key = 0;
            for (uint32_t l = 0; l < d; l++)
                key += ((double)x[i * d + l] - (double)x[j * d + l]) * ((double)x[i * d + l] - (double)x[j * d + l]);
            within[i * n + j] = key <= tau * tau;
        }
    for (uint32_t round = 0; round < m; round++) {
        uint32_t best = 0, most = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t gain = 0;
            for (uint32_t j = 0; j < n; j++) gain += within[i * n + j] && !covered[j];
            if (gain > most) {
                most = gain;
                best = i;
            }
        }
        for (uint32_t j = 0; j < n; j++) covered[j] = covered[j] || within[best * n + j];
        sum += most;
    }
    free(covered);
    free(within);
    return (double)sum / n;
}

static void greedy_is_greedy(void **state)
{
    leann_ctx *ctx = *state;
    enum { N = 800, D = 5, M = 12 };
    float *x = random_rows(N, D, 4);
    leann_dataset data = bare(x, N, D);
    leann_anchors out;
    assert_int_equal(select_by(ctx, "max-coverage: {algorithm: lazy}", &data, M, &out), LEANN_OK);
    double lazy = fact(ctx, "coverage_at_tau"), bound = fact(ctx, "bound_share");
    assert_true(fabs(lazy - plain_greedy(x, N, D, fact(ctx, "tau"), M)) < 0.002); /* a row at the very edge may fall on either side */
    assert_true(bound > 1 - exp(-1.0) && bound <= 1);
    assert_true(fact(ctx, "coverage_rounds") == 1);
    leann_anchors_free(&out);
    assert_int_equal(select_by(ctx, "max-coverage: {algorithm: stochastic, epsilon: 0.01}", &data, M, &out), LEANN_OK);
    assert_true(fact(ctx, "coverage_at_tau") > 0.95 * lazy);
    leann_anchors_free(&out);
    assert_int_equal(select_by(ctx, "max-coverage: {algorithm: stochastic}", &data, 300, &out), LEANN_OK);
    assert_true(fact(ctx, "coverage_at_tau") == 1 && fact(ctx, "bound_share") == 1 && fact(ctx, "coverage_rounds") > 1);
    leann_anchors_free(&out);
    free(x);
}

static void keeps_apart(void **state)
{
    leann_ctx *ctx = *state;
    enum { N = 800, D = 5, M = 25 };
    float *x = random_rows(N, D, 4);
    leann_dataset data = bare(x, N, D);
    leann_anchors out;
    assert_int_equal(select_by(ctx, "max-coverage: {diversity_threshold: 0.8}", &data, M, &out), LEANN_OK);
    assert_true(fact(ctx, "anchors_within_threshold") == 0);
    double least = 0.8 * fact(ctx, "tau");
    for (uint32_t a = 0; a < M; a++)
        for (uint32_t b = 0; b < a; b++)
            assert_true(sqrt(leann_distance_f64(data.train, out.ids[a], data.train, out.ids[b])) >= least * 0.9999);
    leann_anchors_free(&out);
    assert_int_equal(select_by(ctx, "max-coverage: {diversity_threshold: 9}", &data, M, &out), LEANN_OK);
    assert_true(fact(ctx, "anchors_within_threshold") > 0);
    leann_anchors_free(&out);
    free(x);
}

static int begin(void **state)
{
    return !(*state = leann_ctx_new(3, 2));
}
static int end(void **state)
{
    leann_ctx_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_seeds_threads),
        cmocka_unit_test_setup_teardown(tiny_and_equal, begin, end),
        cmocka_unit_test_setup_teardown(kmeans_is_near, begin, end),
        cmocka_unit_test_setup_teardown(too_few_samples, begin, end),
        cmocka_unit_test_setup_teardown(allocations, begin, end),
        cmocka_unit_test_setup_teardown(refused_strata, begin, end),
        cmocka_unit_test_setup_teardown(greedy_is_greedy, begin, end),
        cmocka_unit_test_setup_teardown(keeps_apart, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
