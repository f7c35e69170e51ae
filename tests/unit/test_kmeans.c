/* test_kmeans.c – k-means finds planted clusters, is the same for 1 and 2 threads, and takes repeats, n = 1 and k = n.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* n rows around `clusters` far corners, row i in cluster i % clusters. */
static float *planted(uint32_t n, uint32_t d, uint32_t clusters)
{
    float *x = malloc((size_t)n * d * sizeof *x);
    leann_rng rng = leann_rng_at(2, "noise", 0);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < d; j++) {
            leann_rng corner = leann_rng_at(2, "corner", (uint64_t)(i % clusters) * d + j);
            x[(size_t)i * d + j] = (float)(20 * leann_rng_normal(&corner) + leann_rng_normal(&rng));
        }
    return x;
}

static leann_rows rows_of(const float *x, uint32_t n, uint32_t d)
{
    return (leann_rows){x, d * sizeof *x, n, d, LEANN_F32, LEANN_L2};
}

static void finds_clusters(void **state)
{
    leann_ctx *ctx = *state;
    enum { N = 2000, D = 10, K = 20 };
    float *x = planted(N, D, K), c[K * D];
    uint32_t *owner = malloc(N * sizeof *owner);
    double inertia;
    leann_kmeans_options options = {.k = K, .iterations = 30, .stage = "test"};
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, c, owner, &inertia), LEANN_OK);
    /* The noise has variance 1 a coordinate; a merged pair of clusters would add tens of thousands. */
    assert_true(inertia < 1.6 * N * D);
    double sum = 0;
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < D; j++) {
            double e = (double)x[i * D + j] - (double)c[owner[i] * D + j];
            sum += e * e;
        }
    assert_true(fabs(sum - inertia) < 1e-4 * sum);
    free(x);
    free(owner);
}

/* Rows drawn alike: other centroids than those of k-means++, each a mean all the same, and more centroids than rows are no harm. */
static void starts_at_random(void **state)
{
    leann_ctx *ctx = *state;
    enum { N = 1500, D = 6, K = 12, MANY = 40 };
    float *x = planted(N, D, 5), spread[K * D], drawn[K * D], again[K * D], many[MANY * D];
    double inertia[3];
    leann_kmeans_options options = {.k = K, .iterations = 0, .stage = "test", .quiet = true};
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, spread, NULL, &inertia[0]), LEANN_OK);
    options.random = true;
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, drawn, NULL, &inertia[1]), LEANN_OK);
    assert_memory_not_equal(spread, drawn, sizeof drawn);
    options.iterations = 50;
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, drawn, NULL, &inertia[2]), LEANN_OK);
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, again, NULL, NULL), LEANN_OK);
    assert_memory_equal(drawn, again, sizeof again);
    assert_true(inertia[2] < inertia[1]);
    options.k = MANY;
    assert_int_equal(leann_kmeans(ctx, rows_of(x, 15, D), options, many, NULL, &inertia[0]), LEANN_OK);
    assert_true(inertia[0] < 1e-6);
    free(x);
}

/* Rounds lower the inertia, and at rest every centroid is the mean of its list. */
static void lloyd_rests(void **state)
{
    leann_ctx *ctx = *state;
    enum { N = 1500, D = 6, K = 12 };
    float *x = planted(N, D, 5), c[K * D];
    uint32_t *owner = malloc(N * sizeof *owner);
    double start, end, sum[K][D] = {{0}};
    uint32_t count[K] = {0};
    leann_kmeans_options options = {.k = K, .iterations = 0, .stage = "test", .quiet = true};
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, c, NULL, &start), LEANN_OK);
    options.iterations = 500;
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, c, owner, &end), LEANN_OK);
    assert_true(end < start);
    for (uint32_t i = 0; i < N; i++) {
        count[owner[i]]++;
        for (uint32_t j = 0; j < D; j++) sum[owner[i]][j] += (double)x[i * D + j];
    }
    for (uint32_t k = 0; k < K; k++) {
        assert_true(count[k] > 0);
        for (uint32_t j = 0; j < D; j++) assert_true(fabs(sum[k][j] / count[k] - (double)c[k * D + j]) < 1e-4);
    }
    free(x);
    free(owner);
}

static void threads_agree(void **state)
{
    (void)state;
    enum { N = 3000, D = 9, K = 100 };
    float *x = planted(N, D, 40), c[2][K * D];
    for (unsigned t = 1; t <= 2; t++) {
        leann_ctx *ctx = leann_ctx_new(7, t);
        leann_kmeans_options options = {.k = K, .iterations = 5, .samples = 2500, .stage = "test"};
        assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, c[t - 1], NULL, NULL), LEANN_OK);
        leann_ctx_free(ctx);
    }
    assert_memory_equal(c[0], c[1], sizeof c[0]);
    leann_ctx *ctx = leann_ctx_new(8, 2); /* another seed, other centroids */
    leann_kmeans_options options = {.k = K, .iterations = 5, .samples = 2500, .stage = "test"};
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, c[1], NULL, NULL), LEANN_OK);
    assert_true(memcmp(c[0], c[1], sizeof c[0]) != 0);
    leann_ctx_free(ctx);
    free(x);
}

/* Wide rows and many centroids, by shadows: each owner is the nearest there is, for 1 and 2 threads alike, on samples that grow. */
static void by_shadows(void **state)
{
    (void)state;
    enum { N = 4000, D = 300, K = 70 };
    float *x = planted(N, D, 60), *c[2];
    uint32_t *owner = malloc(N * sizeof *owner);
    double inertia = 0, sum = 0;
    for (unsigned t = 0; t < 2; t++) {
        c[t] = malloc(sizeof(float) * K * D);
        leann_ctx *ctx = leann_ctx_new(7, t + 1);
        leann_kmeans_options options = {.k = K, .iterations = 5, .stage = "test", .quiet = true};
        assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, c[t], owner, &inertia), LEANN_OK);
        leann_ctx_free(ctx);
    }
    assert_memory_equal(c[0], c[1], sizeof(float) * K * D);
    for (uint32_t i = 0; i < N; i++) {
        double least = INFINITY, own = 0;
        for (uint32_t k = 0; k < K; k++) {
            double key = 0;
            for (uint32_t j = 0; j < D; j++) key += pow((double)x[i * D + j] - (double)c[0][k * D + j], 2);
            least = fmin(least, key);
            if (k == owner[i]) own = key;
        }
        assert_true(own <= least * (1 + 1e-5));
        sum += own;
    }
    assert_true(fabs(sum - inertia) < 1e-4 * sum);
    free(x);
    free(c[0]);
    free(c[1]);
    free(owner);
}

static void equal_rows(void **state)
{
    leann_ctx *ctx = *state;
    enum { N = 100, D = 4, K = 30 };
    float x[N * D], c[K * D];
    uint32_t owner[N];
    double inertia = 1;
    for (size_t i = 0; i < N * D; i++) x[i] = 0.1f;
    leann_kmeans_options options = {.k = K, .iterations = 10, .stage = "test"};
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, D), options, c, owner, &inertia), LEANN_OK);
    for (size_t i = 0; i < K * D; i++) assert_true(c[i] == 0.1f);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(owner[i], 0);
    assert_true(inertia == 0);
}

/* Three distinct rows, thirty centroids: every centroid is one of the three, and each of the three is there. */
static void few_distinct(void **state)
{
    leann_ctx *ctx = *state;
    enum { N = 90, K = 30 };
    uint8_t x[N * 2];
    float c[K * 2];
    double inertia = 1;
    for (uint32_t i = 0; i < N; i++) x[2 * i] = x[2 * i + 1] = (uint8_t)(100 * (i % 3));
    leann_rows rows = {x, 2, N, 2, LEANN_U8, LEANN_L2};
    leann_kmeans_options options = {.k = K, .iterations = 10, .stage = "test"};
    assert_int_equal(leann_kmeans(ctx, rows, options, c, NULL, &inertia), LEANN_OK);
    assert_true(inertia == 0);
    for (uint32_t k = 0; k < K; k++) assert_true(c[2 * k] == c[2 * k + 1] && fmodf(c[2 * k], 100) == 0);
}

/* k = n, k > n, n = 1. */
static void tiny(void **state)
{
    leann_ctx *ctx = *state;
    float x[3] = {1, 5, 9}, c[5];
    double inertia = 1;
    for (uint32_t n = 1; n <= 3; n++)
        for (uint32_t k = n; k <= 5; k++) {
            leann_kmeans_options options = {.k = k, .iterations = 20, .stage = "test"};
            assert_int_equal(leann_kmeans(ctx, rows_of(x, n, 1), options, c, NULL, &inertia), LEANN_OK);
            assert_true(inertia == 0);
        }
}

/* A start that leaves lists empty: most rows equal, so that the D² law must find the few others, and splitting the rest. */
static void lopsided(void **state)
{
    leann_ctx *ctx = *state;
    enum { N = 2000, K = 50 };
    float x[N], c[K];
    uint32_t owner[N], count[K] = {0}, used = 0;
    for (uint32_t i = 0; i < N; i++) x[i] = i < N - 60 ? 0.25f : (float)i;
    leann_kmeans_options options = {.k = K, .iterations = 50, .stage = "test"};
    assert_int_equal(leann_kmeans(ctx, rows_of(x, N, 1), options, c, owner, NULL), LEANN_OK);
    for (uint32_t i = 0; i < N; i++) used += count[owner[i]]++ == 0;
    assert_int_equal(used, K);
    for (uint32_t i = 1; i < N - 60; i++) assert_int_equal(owner[i], owner[0]);
}

static int begin(void **state)
{
    return !(*state = leann_ctx_new(1, 2));
}
static int end(void **state)
{
    leann_ctx_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_clusters, begin, end),
        cmocka_unit_test_setup_teardown(starts_at_random, begin, end),
        cmocka_unit_test_setup_teardown(lloyd_rests, begin, end),
        cmocka_unit_test(threads_agree),
        cmocka_unit_test(by_shadows),
        cmocka_unit_test_setup_teardown(equal_rows, begin, end),
        cmocka_unit_test_setup_teardown(few_distinct, begin, end),
        cmocka_unit_test_setup_teardown(tiny, begin, end),
        cmocka_unit_test_setup_teardown(lopsided, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
