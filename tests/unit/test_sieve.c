/* test_sieve.c – the selection against a full sort, on streams in any order, with ties.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/sieve.h"

static int by_key(const void *a, const void *b)
{
    const leann_hit *x = a, *y = b;
    return leann_hit_before(*y, *x) - leann_hit_before(*x, *y);
}

/* kind: keys of few values, so that many tie; falling, so that each is the least so far; reals of both signs. */
static float key_of(leann_rng *rng, int kind, uint32_t i)
{
    if (kind == 0) return (float)leann_rng_below(rng, 40);
    if (kind == 1) return -(float)i;
    return (float)leann_rng_normal(rng);
}

static void same_as_a_sort(void **state)
{
    (void)state;
    enum { N = 3000 };
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_hit *all = malloc(N * sizeof *all);
    uint32_t *ids = malloc(N * sizeof *ids);
    for (uint64_t trial = 0; trial < 300; trial++) {
        leann_rng rng = leann_rng_at(1, "sieve", trial);
        uint32_t n = leann_rng_below(&rng, N + 1), k = 1 + leann_rng_below(&rng, trial % 2 ? N + 10 : 50);
        leann_rng_sample(&rng, n, n, false, ids);
        leann_sieve sieve;
        size_t mark = leann_scratch_mark(ctx);
        assert_true(leann_sieve_start(&sieve, ctx, k));
        for (uint32_t i = 0; i < n; i++) {
            all[i] = (leann_hit){key_of(&rng, (int)(trial % 3), i), ids[i]};
            leann_sieve_push(&sieve, all[i].key, all[i].id);
            assert_true(sieve.n < sieve.room);
            if (i < k) assert_true(isinf(sieve.cut));
        }
        qsort(all, n, sizeof *all, by_key);
        if (n >= k) assert_true(sieve.cut >= all[k - 1].key);
        leann_sieve_shrink(&sieve);
        if (n >= k) assert_true(sieve.cut == all[k - 1].key);
        const leann_hit *hit = leann_sieve_sort(&sieve);
        assert_int_equal(sieve.n, n < k ? n : k);
        for (uint32_t i = 0; i < sieve.n; i++) {
            assert_int_equal(hit[i].id, all[i].id);
            assert_true(hit[i].key == all[i].key);
        }
        leann_scratch_reset(ctx, mark);
    }
    free(all);
    free(ids);
    leann_ctx_free(ctx);
}

static void runs(void **state)
{
    (void)state;
    enum { N = 1000 };
    leann_ctx *ctx = leann_ctx_new(1, 1);
    float key[N];
    for (uint32_t k = 1; k < N; k += 83) {
        leann_rng rng = leann_rng_at(1, "sieve runs", k);
        leann_sieve one, run;
        assert_true(leann_sieve_start(&one, ctx, k) && leann_sieve_start(&run, ctx, k));
        for (uint32_t i = 0; i < N; i++) key[i] = i % 7 ? (float)leann_rng_real(&rng) : NAN;
        for (uint32_t i = 0; i < N; i++) leann_sieve_push(&one, key[i], 5 + i);
        leann_sieve_push_run(&run, key, N - 300, 5);
        leann_sieve_push_run(&run, key + N - 300, 300, 5 + N - 300);
        const leann_hit *a = leann_sieve_sort(&one), *b = leann_sieve_sort(&run);
        assert_int_equal(one.n, run.n);
        assert_memory_equal(a, b, one.n * sizeof *a);
    }
    leann_ctx_free(ctx);
}

static void odd_keys(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_sieve sieve;
    assert_true(leann_sieve_start(&sieve, ctx, 3));
    leann_sieve_push(&sieve, NAN, 1);
    assert_int_equal(sieve.n, 0);
    leann_sieve_push(&sieve, INFINITY, 7);
    leann_sieve_push(&sieve, INFINITY, 3);
    leann_sieve_push(&sieve, 0.0F, 8);
    leann_sieve_push(&sieve, -0.0F, 9);
    leann_sieve_push(&sieve, -INFINITY, 9);
    leann_sieve_push(&sieve, NAN, 2);
    const leann_hit *hit = leann_sieve_sort(&sieve);
    assert_int_equal(hit[0].id, 9);
    assert_int_equal(hit[1].id, 8); /* 0 and -0 are equal: the smaller id */
    assert_int_equal(hit[2].id, 9);
    leann_ctx_free(ctx);
}

/* Values that would make a pivot by place slow: blocks of equals, one far away, all equal. */
static void selection(void **state)
{
    (void)state;
    enum { N = 2000 };
    uint64_t x[N], sorted[N], room[N];
    for (int kind = 0; kind < 5; kind++)
        for (uint32_t k = 1; k <= N; k += k < 10 ? 1 : 97) {
            leann_rng rng = leann_rng_at(1, "selection", k);
            for (uint32_t i = 0; i < N; i++)
                x[i] = kind == 0   ? leann_rng_u64(&rng)
                       : kind == 1 ? i / 100
                       : kind == 2 ? UINT64_MAX - i
                       : kind == 3 ? 7
                                   : (i == 3) * UINT64_MAX + i % 5;
            for (uint32_t i = 0; i < N; i++) sorted[i] = x[i];
            leann_sort_numbers(sorted, N, room);
            for (uint32_t i = 1; i < N; i++) assert_true(sorted[i - 1] <= sorted[i]);
            assert_true(leann_select_smallest(x, N, k) == sorted[k - 1]);
            leann_sort_numbers(x, k, room);
            leann_sort_numbers(x + k, N - k, room);
            assert_memory_equal(x, sorted, sizeof x);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_a_sort), cmocka_unit_test(runs), cmocka_unit_test(odd_keys),
                                       cmocka_unit_test(selection)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
