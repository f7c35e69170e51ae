/* test_topk.c – the heap against a full sort, on streams in any order, with ties.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/topk.h"

static int by_key(const void *a, const void *b)
{
    const leann_hit *x = a, *y = b;
    return leann_hit_before(*y, *x) - leann_hit_before(*x, *y);
}

static void same_as_a_sort(void **state)
{
    (void)state;
    enum { N = 500 };
    leann_hit all[N], store[N + 10];
    for (uint64_t trial = 0; trial < 200; trial++) {
        leann_rng rng = leann_rng_at(1, "topk", trial);
        uint32_t n = leann_rng_below(&rng, N + 1), k = 1 + leann_rng_below(&rng, N + 10), ids[N];
        leann_rng_sample(&rng, n, n, false, ids);
        leann_topk top;
        leann_topk_start(&top, store, k);
        for (uint32_t i = 0; i < n; i++) { /* keys of few values: many ties */
            all[i] = (leann_hit){(float)leann_rng_below(&rng, 40), ids[i]};
            leann_topk_push(&top, all[i].key, all[i].id);
            if (top.n < k) assert_true(isinf(top.cut));
        }
        qsort(all, n, sizeof *all, by_key);
        assert_int_equal(top.n, n < k ? n : k);
        if (top.n == k) assert_true(top.cut == all[k - 1].key);
        leann_topk_sort(&top);
        for (uint32_t i = 0; i < top.n; i++) {
            assert_int_equal(store[i].id, all[i].id);
            assert_true(store[i].key == all[i].key);
        }
    }
}

static void odd_keys(void **state)
{
    (void)state;
    leann_hit store[2];
    leann_topk top;
    leann_topk_start(&top, store, 2);
    leann_topk_push(&top, NAN, 1);
    assert_int_equal(top.n, 0);
    leann_topk_push(&top, INFINITY, 7);
    leann_topk_push(&top, INFINITY, 3);
    leann_topk_push(&top, -INFINITY, 9);
    leann_topk_push(&top, NAN, 2);
    leann_topk_sort(&top);
    assert_int_equal(store[0].id, 9);
    assert_int_equal(store[1].id, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_a_sort), cmocka_unit_test(odd_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
