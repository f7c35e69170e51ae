/* test_exact.c – exact neighbours against float64 loops for every type and space, in blocks or at once, for 1 and 2 threads;
 * ties, repeats and rows far from the origin, where a float product alone would lose the true neighbours.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double plain_key(leann_rows a, uint32_t i, leann_rows b, uint32_t j)
{
    long double ab = 0, aa = 0, bb = 0, square = 0;
    float *x = malloc(a.d * sizeof *x), *y = malloc(a.d * sizeof *y);
    leann_rows_floats(a, i, 1, x);
    leann_rows_floats(b, j, 1, y);
    for (uint32_t l = 0; l < a.d; l++) {
        long double p = (long double)x[l], q = (long double)y[l];
        ab += p * q;
        aa += p * p;
        bb += q * q;
        square += (p - q) * (p - q);
    }
    free(x);
    free(y);
    if (a.space == LEANN_L2) return (double)square;
    if (a.space == LEANN_IP) return (double)-ab;
    return aa * bb > 0 ? (double)(1 - ab / sqrtl(aa * bb)) : 1;
}

/* The answer must be k distinct rows, in order of (key, id), none farther than the k-th best by loops. */
static void check_answer(leann_rows rows, leann_rows queries, uint32_t k, const uint32_t *ids, const double *dist)
{
    double *key = malloc(rows.n * sizeof *key);
    bool *mine = malloc(rows.n * sizeof *mine);
    for (uint32_t q = 0; q < queries.n; q++) {
        memset(mine, 0, rows.n * sizeof *mine);
        double scale = rows.space == LEANN_ANGULAR ? 1 : 1e-300, worst = dist[q * k + k - 1];
        for (uint32_t i = 0; i < rows.n; i++) {
            key[i] = plain_key(queries, q, rows, i);
            scale = fmax(scale, fabs(key[i]));
        }
        for (uint32_t i = 0; i < k; i++) {
            uint32_t id = ids[q * k + i];
            double d = dist[q * k + i];
            assert_true(id < rows.n && !mine[id]);
            mine[id] = true;
            assert_true(fabs(d - key[id]) <= 1e-12 * scale);
            assert_true(d == leann_distance_f64(queries, q, rows, id));
            assert_true(i == 0 || dist[q * k + i - 1] < d || (dist[q * k + i - 1] == d && ids[q * k + i - 1] < id));
        }
        for (uint32_t i = 0; i < rows.n; i++) {
            if (mine[i]) continue;
            double d = leann_distance_f64(queries, q, rows, i);
            assert_true(d > worst || (d == worst && i > ids[q * k + k - 1]));
        }
    }
    free(key);
    free(mine);
}

/* Asks at once with 2 threads and in uneven blocks with 1: the same bits. */
static void check(leann_rows rows, leann_rows queries, uint32_t k)
{
    size_t cells = (size_t)queries.n * k;
    uint32_t *ids = malloc(cells * sizeof *ids), *ids2 = malloc(cells * sizeof *ids2);
    double *dist = malloc(cells * sizeof *dist), *dist2 = malloc(cells * sizeof *dist2);
    leann_ctx *two = leann_ctx_new(1, 2), *one = leann_ctx_new(1, 1);
    assert_int_equal(leann_exact(two, rows, queries, k, ids, dist), LEANN_OK);
    check_answer(rows, queries, k, ids, dist);
    leann_exact_scan *scan;
    assert_int_equal(leann_exact_begin(one, queries, k, &scan), LEANN_OK);
    for (uint32_t at = 0, n = 1; at < rows.n; at += n, n = 3 * n + 1) {
        leann_rows block = rows;
        block.base = leann_row(rows, at);
        block.n = n = n < rows.n - at ? n : rows.n - at;
        assert_int_equal(leann_exact_add(one, scan, block, at), LEANN_OK);
    }
    assert_int_equal(leann_exact_end(one, scan, ids2, dist2), LEANN_OK);
    leann_exact_free(scan);
    assert_memory_equal(ids, ids2, cells * sizeof *ids);
    assert_memory_equal(dist, dist2, cells * sizeof *dist);
    leann_ctx_free(one);
    leann_ctx_free(two);
    free(ids);
    free(ids2);
    free(dist);
    free(dist2);
}

static const leann_dtype types[] = {LEANN_F32, LEANN_U8, LEANN_I8};
static const leann_space spaces[] = {LEANN_L2, LEANN_ANGULAR, LEANN_IP};

static leann_rows make(uint32_t n, uint32_t d, leann_dtype type, leann_space space, double offset, const char *stage)
{
    leann_rng rng = leann_rng_at(4, stage, (uint64_t)type);
    size_t stride = d * leann_dtype_bytes(type) + 4;
    char *base = calloc(n, stride);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < d; j++) {
            if (type == LEANN_F32)
                ((float *)(void *)(base + i * stride))[j] = (float)(offset + leann_rng_normal(&rng));
            else
                base[i * stride + j] = (char)leann_rng_below(&rng, 256);
        }
    return (leann_rows){base, stride, n, d, type, space};
}

static void drop(leann_rows rows)
{
    free((void *)(uintptr_t)rows.base);
}

static void every_type_and_space(void **state)
{
    (void)state;
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (int s = 0; s < 3; s++) {
                leann_rows rows = make(700, 19, types[a], spaces[s], 0, "rows"), queries = make(17, 19, types[b], spaces[s], 0, "queries");
                check(rows, queries, 7);
                drop(rows);
                drop(queries);
            }
}

static void shapes(void **state)
{
    (void)state;
    static const uint32_t shape[][4] = {{1, 1, 1, 1}, {2, 1, 1, 2}, {5, 3, 600, 5}, {600, 300, 2, 1}, {1500, 40, 33, 100}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        leann_rows rows = make(shape[i][0], shape[i][2], LEANN_F32, LEANN_L2, 0, "rows"),
                   queries = make(shape[i][1], shape[i][2], LEANN_F32, LEANN_L2, 0, "queries");
        check(rows, queries, shape[i][3]);
        drop(rows);
        drop(queries);
    }
}

/* Distances of about 8 between rows whose squared length is 4e9: float keys are off by hundreds. */
static void far_from_the_origin(void **state)
{
    (void)state;
    for (int s = 0; s < 3; s++) {
        leann_rows rows = make(900, 40, LEANN_F32, spaces[s], 1e4, "rows"), queries = make(9, 40, LEANN_F32, spaces[s], 1e4, "queries");
        check(rows, queries, 10);
        drop(rows);
        drop(queries);
    }
}

/* One component says nearly all of a distance, so that codes of bytes see no other: floats take over after the first part of 4 MB. */
static void one_wide_component(void **state)
{
    (void)state;
    enum { N = 1300, D = 6000, EQUAL = 2 };
    for (int s = 0; s < 3; s++) {
        leann_rows rows = make(N, D, LEANN_F32, spaces[s], 0, "rows"), queries = make(3, D, LEANN_F32, spaces[s], 0, "queries");
        for (uint32_t i = 0; i < N; i++) *(float *)(uintptr_t)leann_row(rows, i) = (float)(i % EQUAL) * 1e6F;
        for (uint32_t i = 0; i < 3; i++) *(float *)(uintptr_t)leann_row(queries, i) = (float)i * 1e6F;
        check(rows, queries, 2);
        drop(rows);
        drop(queries);
    }
}

/* The float product overflows; the float64 key does not. And the other end: squares below the smallest float. */
static void huge_and_tiny(void **state)
{
    (void)state;
    static const float scales[] = {1e19f, 3e37f, 1e-21f, 1e-30f};
    for (size_t c = 0; c < 4; c++)
        for (int s = 0; s < 3; s++) {
            leann_rows rows = make(300, 8, LEANN_F32, spaces[s], 0, "rows"), queries = make(5, 8, LEANN_F32, spaces[s], 0, "queries");
            for (size_t i = 0; i < 300; i++)
                for (size_t j = 0; j < 8; j++) ((float *)(uintptr_t)leann_row(rows, (uint32_t)i))[j] *= scales[c];
            for (size_t i = 0; i < 5; i++)
                for (size_t j = 0; j < 8; j++) ((float *)(uintptr_t)leann_row(queries, (uint32_t)i))[j] *= scales[c];
            check(rows, queries, 6);
            drop(rows);
            drop(queries);
        }
}

/* Every row three times over, and all rows equal: the smaller ids. */
static void ties_by_id(void **state)
{
    (void)state;
    leann_rows rows = make(999, 12, LEANN_F32, LEANN_L2, 0, "rows");
    for (uint32_t i = 333; i < 999; i++) memcpy((void *)(uintptr_t)leann_row(rows, i), leann_row(rows, i % 333), 12 * sizeof(float));
    leann_rows queries = rows;
    queries.n = 20;
    check(rows, queries, 8);
    drop(rows);
    static uint8_t same[800 * 6];
    memset(same, 9, sizeof same);
    for (int s = 0; s < 3; s++)
        check((leann_rows){same, 6, 800, 6, LEANN_U8, spaces[s]}, (leann_rows){same, 6, 3, 6, LEANN_U8, spaces[s]}, 5);
}

static void refusals(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_rows rows = make(10, 3, LEANN_F32, LEANN_L2, 0, "rows"), other = rows;
    uint32_t ids[20];
    double dist[20];
    assert_int_equal(leann_exact(ctx, rows, rows, 0, ids, dist), LEANN_EINVAL);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_exact(ctx, rows, rows, 11, ids, dist), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "11"));
    assert_non_null(strstr(leann_ctx_error(ctx), "10"));
    leann_ctx_clear(ctx);
    other.d = 2;
    assert_int_equal(leann_exact(ctx, rows, other, 1, ids, dist), LEANN_EINVAL);
    leann_ctx_clear(ctx);
    leann_exact_scan *scan;
    assert_int_equal(leann_exact_begin(ctx, rows, 2, &scan), LEANN_OK);
    other = rows;
    other.n = 1;
    assert_int_equal(leann_exact_add(ctx, scan, other, 0), LEANN_OK);
    assert_int_equal(leann_exact_end(ctx, scan, ids, dist), LEANN_EINVAL);
    leann_exact_free(scan);
    leann_ctx_free(ctx);
    drop(rows);
}

static void radius(void **state)
{
    (void)state;
    enum { N = 400 };
    float line[N];
    for (int i = 0; i < N; i++) line[i] = (float)i;
    leann_rows rows = {line, sizeof *line, N, 1, LEANN_F32, LEANN_IP}; /* L2 whatever the space */
    leann_ctx *ctx = leann_ctx_new(99, 2);
    double tau, other;
    /* On a line the 20 nearest of an inner point lie within 10. */
    assert_int_equal(leann_coverage_radius(ctx, rows, 0, &tau), LEANN_OK);
    assert_true(tau == 10);
    assert_int_equal(leann_coverage_radius(ctx, rows, 4, &other), LEANN_OK);
    assert_true(other == 2);
    rows.n = 1;
    assert_int_equal(leann_coverage_radius(ctx, rows, 0, &tau), LEANN_OK);
    assert_true(tau == 0);
    rows.n = 2;
    assert_int_equal(leann_coverage_radius(ctx, rows, 0, &tau), LEANN_OK);
    assert_true(tau == 1);
    leann_rows many = make(2500, 5, LEANN_F32, LEANN_L2, 0, "rows");
    assert_int_equal(leann_coverage_radius(ctx, many, 0, &tau), LEANN_OK);
    leann_ctx_set_seed(ctx, 5); /* it belongs to the data, not to the seed */
    assert_int_equal(leann_coverage_radius(ctx, many, 0, &other), LEANN_OK);
    assert_true(tau == other && tau > 0);
    drop(many);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_space),
        cmocka_unit_test(shapes),
        cmocka_unit_test(far_from_the_origin),
        cmocka_unit_test(one_wide_component),
        cmocka_unit_test(huge_and_tiny),
        cmocka_unit_test(ties_by_id),
        cmocka_unit_test(refusals),
        cmocka_unit_test(radius),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
