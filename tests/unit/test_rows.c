/* test_rows.c – rows of every type through conversion, checks, the lift, the scorer and the oracle, against plain float64 loops.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 70, D = 37 };

typedef struct {
    leann_ctx *ctx;
    uint8_t store[N * (D + 3) * sizeof(float)];
    double value[N][D];
} world;

/* Random rows of a type in storage with a gap behind each row. */
static leann_rows make(world *w, leann_dtype type, leann_space space)
{
    leann_rng rng = leann_rng_at(3, "rows", (uint64_t)type);
    size_t one = leann_dtype_bytes(type), stride = (D + 3) * one;
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < D; j++) {
            uint8_t *at = w->store + i * stride + j * one;
            if (type == LEANN_F32) {
                float x = (float)leann_rng_normal(&rng);
                memcpy(at, &x, sizeof x);
                w->value[i][j] = (double)x;
            } else {
                uint8_t x = (uint8_t)leann_rng_below(&rng, 256);
                *at = x;
                w->value[i][j] = type == LEANN_U8 ? (double)x : (double)(int8_t)x;
            }
        }
    return (leann_rows){w->store, stride, N, D, type, space};
}

static double key_of(const double *x, const double *y, leann_space space)
{
    double sum = 0;
    for (uint32_t j = 0; j < D; j++) sum += space == LEANN_IP ? -x[j] * y[j] : (x[j] - y[j]) * (x[j] - y[j]);
    return sum;
}

static bool close_to(float got, double want, double scale)
{
    return fabs((double)got - want) <= 1e-5 * scale;
}

static const leann_dtype types[] = {LEANN_F32, LEANN_U8, LEANN_I8};

static void conversions(void **state)
{
    world *w = *state;
    for (int t = 0; t < 3; t++) {
        leann_rows rows = make(w, types[t], LEANN_L2);
        float x[3 * D], norm[3];
        const uint32_t ids[3] = {69, 0, 5};
        leann_rows_floats(rows, 10, 3, x);
        leann_rows_norms(rows, 10, 3, norm);
        for (uint32_t i = 0; i < 3; i++) {
            double sum = 0;
            for (uint32_t j = 0; j < D; j++) {
                assert_true((double)x[i * D + j] == w->value[10 + i][j]);
                sum += w->value[10 + i][j] * w->value[10 + i][j];
            }
            assert_true(close_to(norm[i], sum, sum));
        }
        leann_rows_gather(rows, ids, 3, x);
        leann_anchors anchors;
        leann_rows picked;
        assert_int_equal(leann_rows_anchors(w->ctx, rows, ids, 3, &anchors), LEANN_OK);
        assert_int_equal(leann_rows_pick(w->ctx, rows, ids, 3, &picked), LEANN_OK);
        assert_int_equal(picked.type, types[t]);
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(anchors.ids[i], ids[i]);
            assert_memory_equal(leann_row(picked, i), leann_row(rows, ids[i]), D * leann_dtype_bytes(types[t]));
            for (uint32_t j = 0; j < D; j++) {
                assert_true((double)x[i * D + j] == w->value[ids[i]][j]);
                assert_true(anchors.rows[i * D + j] == x[i * D + j]);
            }
        }
        leann_free(anchors.rows);
        leann_free(anchors.ids);
        leann_free((void *)(uintptr_t)picked.base);
    }
}

static void checks(void **state)
{
    world *w = *state;
    leann_rows rows = make(w, LEANN_F32, LEANN_L2);
    float *row = (float *)(void *)(w->store + 33 * rows.stride), kept = row[5];
    assert_int_equal(leann_rows_check(w->ctx, rows), LEANN_OK);
    row[5] = NAN;
    assert_int_equal(leann_rows_check(w->ctx, rows), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(w->ctx), "row 33, column 5 is NaN"));
    leann_ctx_clear(w->ctx);
    row[5] = -INFINITY;
    assert_int_equal(leann_rows_check(w->ctx, rows), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(w->ctx), "infinite"));
    leann_ctx_clear(w->ctx);
    row[5] = kept;
    ((float *)(void *)(w->store + 32 * rows.stride))[D] = NAN; /* the gap behind a row is nobody's */
    assert_int_equal(leann_rows_check(w->ctx, rows), LEANN_OK);
    for (int t = 0; t < 3; t++) {
        rows = make(w, types[t], LEANN_ANGULAR);
        assert_int_equal(leann_rows_check(w->ctx, rows), LEANN_OK);
        memset(w->store + 7 * rows.stride, 0, rows.stride);
        assert_int_equal(leann_rows_check(w->ctx, rows), LEANN_EINVAL);
        assert_non_null(strstr(leann_ctx_error(w->ctx), "row 7"));
        leann_ctx_clear(w->ctx);
        rows.space = LEANN_L2;
        assert_int_equal(leann_rows_check(w->ctx, rows), LEANN_OK);
    }
    rows.type = LEANN_U32;
    assert_int_equal(leann_rows_check(w->ctx, rows), LEANN_EINVAL);
}

static void lifted(void **state)
{
    world *w = *state;
    leann_rows same, rows = make(w, LEANN_U8, LEANN_L2);
    assert_int_equal(leann_rows_lift(w->ctx, rows, &same), LEANN_OK);
    assert_ptr_equal(same.base, rows.base);
    for (int t = 0; t < 3; t++) {
        leann_rows up;
        rows = make(w, types[t], LEANN_IP);
        assert_int_equal(leann_rows_lift(w->ctx, rows, &up), LEANN_OK);
        assert_int_equal(up.d, D + 1);
        assert_int_equal(up.space, LEANN_L2);
        double radius = 0;
        for (uint32_t i = 0; i < N; i++) radius = fmax(radius, -key_of(w->value[i], w->value[i], LEANN_IP));
        for (uint32_t i = 0; i < N; i++) { /* all on one sphere, so L2 to (q, 0) orders as -<q, x> */
            const float *x = leann_row(up, i);
            double sum = 0;
            for (uint32_t j = 0; j <= D; j++) sum += (double)x[j] * (double)x[j];
            assert_true(fabs(sum - radius) < 1e-5 * radius);
            for (uint32_t j = 0; j < D; j++) assert_true((double)x[j] == w->value[i][j]);
        }
        leann_free((void *)(uintptr_t)up.base);
    }
}

static void scorers(void **state)
{
    world *w = *state;
    static const leann_space spaces[] = {LEANN_L2, LEANN_ANGULAR, LEANN_IP};
    const uint32_t ids[5] = {1, 69, 0, 33, 33};
    for (int t = 0; t < 3; t++)
        for (int s = 0; s < 3; s++)
            for (int whole = 0; whole < 2; whole++) {
                leann_rows rows = make(w, types[t], spaces[s]);
                float q[D];
                double wide[D];
                for (uint32_t j = 0; j < D; j++) q[j] = whole ? (float)(j * 6 % 256) : (float)j * 0.37f - 3;
                for (uint32_t j = 0; j < D; j++) wide[j] = (double)q[j];
                size_t mark = leann_scratch_mark(w->ctx);
                leann_scorer *scorer = leann_rows_scorer(w->ctx, rows, q);
                assert_non_null(scorer);
                float key[N], low[N];
                memset(q, 0, sizeof q); /* the scorer keeps its own copy */
                scorer->score(scorer, (leann_span){LEANN_NONE, 3, 60, NULL}, INFINITY, key, low);
                for (uint32_t i = 0; i < 60; i++) {
                    double want = key_of(wide, w->value[3 + i], spaces[s]);
                    assert_true(close_to(key[i], want, types[t] == LEANN_F32 && !whole ? 1e3 : 1e6));
                    assert_true(low[i] <= key[i]);
                    if (types[t] == LEANN_U8 && whole && spaces[s] != LEANN_IP) assert_true((double)key[i] == want);
                }
                scorer->prefetch(scorer, (leann_span){LEANN_NONE, 0, 5, ids});
                scorer->score(scorer, (leann_span){LEANN_NONE, 0, 5, ids}, INFINITY, key, NULL);
                for (uint32_t i = 0; i < 5; i++)
                    assert_true(close_to(key[i], key_of(wide, w->value[ids[i]], spaces[s]), types[t] == LEANN_F32 && !whole ? 1e3 : 1e6));
                assert_int_equal(scorer->dist_comps, 65);
                leann_scratch_reset(w->ctx, mark);
            }
}

static void oracles(void **state)
{
    world *w = *state;
    const uint32_t ids[4] = {4, 60, 7, 7};
    for (int t = 0; t < 3; t++) {
        leann_rows rows = make(w, types[t], LEANN_L2);
        leann_oracle *oracle;
        assert_int_equal(leann_oracle_new(w->ctx, rows, &oracle), LEANN_OK);
        double scale = types[t] == LEANN_F32 ? 100 : 1e6;
        float key[N * N], x[D];
        oracle->list(oracle, 9, (leann_span){LEANN_NONE, 0, N, NULL}, INFINITY, key);
        for (uint32_t i = 0; i < N; i++) {
            double want = key_of(w->value[9], w->value[i], LEANN_L2);
            assert_true(types[t] == LEANN_F32 ? close_to(key[i], want, scale) : (double)key[i] == want);
        }
        leann_rows_floats(rows, 9, 1, x);
        oracle->row(oracle, x, (leann_span){LEANN_NONE, 0, 4, ids}, key);
        for (uint32_t i = 0; i < 4; i++) assert_true(close_to(key[i], key_of(w->value[9], w->value[ids[i]], LEANN_L2), scale));
        assert_int_equal(oracle->block(oracle, w->ctx, (leann_span){LEANN_NONE, 1, N - 1, NULL}, (leann_span){LEANN_NONE, 0, N, NULL}, key),
                         LEANN_OK);
        for (uint32_t i = 0; i + 1 < N; i++)
            for (uint32_t j = 0; j < N; j++)
                assert_true(close_to(key[i * N + j], key_of(w->value[i + 1], w->value[j], LEANN_L2), scale) && key[i * N + j] >= 0);
        assert_int_equal(oracle->block(oracle, w->ctx, (leann_span){LEANN_NONE, 0, 4, ids}, (leann_span){LEANN_NONE, 0, 4, ids}, key),
                         LEANN_OK);
        for (uint32_t i = 0; i < 16; i++)
            assert_true(close_to(key[i], key_of(w->value[ids[i / 4]], w->value[ids[i % 4]], LEANN_L2), scale));
        leann_oracle_free(oracle);
    }
}

/* A block wider and higher than its inner tiles agrees with lists. */
static void large_block(void **state)
{
    world *w = *state;
    enum { BIG = 700, BD = 5 };
    float *x = malloc(BIG * BD * sizeof *x), *key = malloc(BIG * BIG * sizeof *key), *list = malloc(BIG * sizeof *list);
    leann_rng rng = leann_rng_at(1, "big", 0);
    for (size_t i = 0; i < BIG * BD; i++) x[i] = (float)leann_rng_real(&rng);
    leann_oracle *oracle;
    leann_rows rows = {x, BD * sizeof *x, BIG, BD, LEANN_F32, LEANN_L2};
    leann_span all = {LEANN_NONE, 0, BIG, NULL};
    assert_int_equal(leann_oracle_new(w->ctx, rows, &oracle), LEANN_OK);
    assert_int_equal(oracle->block(oracle, w->ctx, all, all, key), LEANN_OK);
    for (uint32_t i = 0; i < BIG; i++) {
        oracle->list(oracle, i, all, INFINITY, list);
        for (uint32_t j = 0; j < BIG; j++) assert_true(fabsf(key[i * BIG + j] - list[j]) < 1e-5f);
    }
    leann_oracle_free(oracle);
    free(x);
    free(key);
    free(list);
}

static int begin(void **state)
{
    world *w = calloc(1, sizeof *w);
    *state = w;
    return !w || !(w->ctx = leann_ctx_new(1, 2));
}

static int end(void **state)
{
    leann_ctx_free(((world *)*state)->ctx);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(conversions, begin, end), cmocka_unit_test_setup_teardown(checks, begin, end),
        cmocka_unit_test_setup_teardown(lifted, begin, end),      cmocka_unit_test_setup_teardown(scorers, begin, end),
        cmocka_unit_test_setup_teardown(oracles, begin, end),     cmocka_unit_test_setup_teardown(large_block, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
