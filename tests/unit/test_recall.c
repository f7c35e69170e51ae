/* test_recall.c – recall_tie and recall_annb on answers whose score is known, and the split.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "eval/recall.h"

/* Rows on a line: 0, 1, 1, 2, 3, 4; the query at 0. Its neighbours in order: 0, then a tie of 1 and 2, then 3, 4, 5. */
static const float line[] = {0, 1, 1, 2, 3, 4}, origin[] = {0};
static const uint32_t near4[] = {0, 1, 2, 3};

static leann_dataset data(void)
{
    leann_dataset d = {.name = "line", .sha = "", .neighbors = near4, .gt_k = 4};
    d.train = (leann_rows){line, sizeof(float), 6, 1, LEANN_F32, LEANN_L2};
    d.test = (leann_rows){origin, sizeof(float), 1, 1, LEANN_F32, LEANN_L2};
    return d;
}

static void test_tie(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_dataset d = data();
    uint32_t row = 0;
    leann_truth t;
    assert_int_equal(leann_truth_new(ctx, &d, &t), LEANN_OK);
    assert_int_equal(leann_truth_learn(ctx, &t, &row, 1, 2), LEANN_OK);
    assert_float_equal(leann_truth_limit(&t, 0, 2), 1.0, 0);
    assert_float_equal(leann_recall_tie(&t, 0, 2, (uint32_t[]){0, 2}), 1.0, 0); /* the other of the tie is as good */
    assert_float_equal(leann_recall_tie(&t, 0, 2, (uint32_t[]){0, 0}), 0.5, 0); /* repeats count once */
    assert_float_equal(leann_recall_tie(&t, 0, 2, (uint32_t[]){3, LEANN_NONE}), 0.0, 0);
    assert_float_equal(leann_recall_tie(&t, 0, 2, (uint32_t[]){6, 1}), 0.5, 0);        /* an id beyond the data */
    assert_float_equal(leann_recall_tie(&t, 0, 4, (uint32_t[]){0, 1, 2, 5}), 0.75, 0); /* no exact neighbour: its distance is computed */
    leann_truth_free(&t);
    leann_ctx_free(ctx);
}

static void test_annb_epsilon(void **state)
{
    (void)state;
    static const float rows[] = {1.0f, 1.0005f, 1.01f};
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_dataset d = data();
    d.train.base = rows;
    d.train.n = 3;
    d.gt_k = 1;
    uint32_t row = 0;
    leann_truth t;
    double tie, annb;
    assert_int_equal(leann_truth_new(ctx, &d, &t) || leann_truth_learn(ctx, &t, &row, 1, 1), LEANN_OK);
    leann_recall_both(&t, 0, 1, (uint32_t[]){1}, &tie, &annb);
    assert_float_equal(tie, 0.0, 0);
    assert_float_equal(annb, 1.0, 0); /* within 1e-3 in distance, not squared */
    leann_recall_both(&t, 0, 1, (uint32_t[]){2}, &tie, &annb);
    assert_float_equal(annb, 0.0, 0);
    leann_truth_free(&t);
    leann_ctx_free(ctx);
}

static void test_bad_k(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_dataset d = data();
    uint32_t row = 0;
    leann_truth t;
    assert_int_equal(leann_truth_new(ctx, &d, &t), LEANN_OK);
    assert_int_equal(leann_truth_learn(ctx, &t, &row, 1, 5), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "4"));
    leann_ctx_clear(ctx);
    leann_truth_free(&t);
    d.neighbors = NULL;
    assert_int_equal(leann_truth_new(ctx, &d, &t), LEANN_EUNSUPPORTED);
    leann_ctx_free(ctx);
}

static void test_split(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(7, 1), *other = leann_ctx_new(8, 1);
    uint32_t all[100], few[20], tune, tune_few;
    bool hit[100] = {false};
    assert_int_equal(leann_split(ctx, 100, 0, all, &tune), LEANN_OK);
    assert_int_equal(tune, 50);
    for (size_t i = 0; i < 100; i++) {
        assert_true(all[i] < 100 && !hit[all[i]]);
        hit[all[i]] = true;
    }
    assert_int_equal(leann_split(other, 100, 20, few, &tune_few), LEANN_OK); /* another seed, the same split */
    assert_int_equal(tune_few, 10);
    assert_memory_equal(all, few, sizeof few);
    assert_int_equal(leann_split(ctx, 100, 101, all, &tune), LEANN_EINVAL);
    leann_ctx_free(ctx);
    leann_ctx_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tie), cmocka_unit_test(test_annb_epsilon), cmocka_unit_test(test_bad_k),
                                       cmocka_unit_test(test_split)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
