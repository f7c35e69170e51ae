/* test_ctx.c – errors, memory, scratch, marks, facts, progress and cancelling of one context.
 *
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/ctx.h"

static leann_ctx *ctx;

static int set_up(void **state)
{
    (void)state;
    ctx = leann_ctx_new(42, 1);
    return ctx ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    leann_ctx_free(ctx);
    return 0;
}

static void the_first_error_stands(void **state)
{
    (void)state;
    assert_string_equal(leann_ctx_error(ctx), "");
    assert_int_equal(leann_ctx_status(ctx), LEANN_OK);
    assert_int_equal(leann_fail(ctx, LEANN_EINVAL, "k is %d, the limit is %d", 0, 1), LEANN_EINVAL);
    assert_int_equal(leann_fail(ctx, LEANN_EIO, "later"), LEANN_EIO);
    errno = ENOENT;
    assert_int_equal(leann_fail_errno(ctx, "later still"), LEANN_ENOTFOUND);
    assert_string_equal(leann_ctx_error(ctx), "k is 0, the limit is 1");
    assert_int_equal(leann_ctx_status(ctx), LEANN_EINVAL);
    leann_ctx_clear(ctx);
    assert_string_equal(leann_ctx_error(ctx), "");
    errno = ENOENT;
    assert_int_equal(leann_fail_errno(ctx, "cannot open %s", "x"), LEANN_ENOTFOUND);
    assert_string_equal(leann_ctx_error(ctx), "cannot open x: No such file or directory");
    leann_ctx_clear(ctx);
    errno = ENOSPC;
    assert_int_equal(leann_fail_errno(ctx, "x"), LEANN_EIO);
    leann_ctx_clear(ctx);
    char *longest = malloc(10000); /* cut, not overrun */
    assert_non_null(longest);
    memset(longest, 'a', 9999);
    longest[9999] = '\0';
    leann_fail_errno(ctx, "%s", longest);
    assert_in_range(strlen(leann_ctx_error(ctx)), 1000, 9999);
    free(longest);
    for (int s = LEANN_OK; s <= LEANN_EINTR + 1; s++) assert_true(strlen(leann_status_word((leann_status)s)) > 0);
}

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300000; n = 3 * n + 1) {
        unsigned char *p = leann_alloc(ctx, n, 3);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < 3 * n; i++) assert_int_equal(p[i], 0);
        memset(p, 0xff, 3 * n);
        leann_free(p);
    }
    assert_null(leann_alloc(ctx, SIZE_MAX / 2, 3));
    assert_int_equal(leann_ctx_status(ctx), LEANN_ENOMEM);
    leann_ctx_clear(ctx);
    assert_null(leann_alloc(ctx, SIZE_MAX, 1));
    assert_int_equal(leann_ctx_status(ctx), LEANN_ENOMEM);
    leann_ctx_clear(ctx);
    assert_null(leann_scratch(ctx, SIZE_MAX));
    assert_int_equal(leann_ctx_status(ctx), LEANN_ENOMEM);
    leann_free(NULL);
    char *text = leann_format(ctx, "%d %s", 7, "words");
    assert_string_equal(text, "7 words");
    leann_free(text);
}

static void scratch_is_a_stack(void **state)
{
    (void)state;
    enum { DEPTH = 40 };
    for (uint64_t trial = 0; trial < 200; trial++) {
        leann_rng rng = leann_rng_at(1, "scratch", trial);
        unsigned char *piece[DEPTH];
        size_t mark[DEPTH], bytes[DEPTH];
        uint32_t depth = 0;
        for (int step = 0; step < 100; step++) {
            if (depth == DEPTH || (depth > 0 && leann_rng_below(&rng, 3) == 0)) {
                uint32_t keep = leann_rng_below(&rng, depth); /* back several steps at once */
                leann_scratch_reset(ctx, mark[keep]);
                assert_int_equal(leann_scratch_mark(ctx), mark[keep]);
                depth = keep;
                continue;
            }
            mark[depth] = leann_scratch_mark(ctx);
            bytes[depth] = leann_rng_below(&rng, leann_rng_below(&rng, 10) == 0 ? 300000 : 3000);
            piece[depth] = leann_scratch(ctx, bytes[depth]);
            assert_non_null(piece[depth]);
            assert_int_equal((uintptr_t)piece[depth] % 64, 0);
            memset(piece[depth], (int)depth, bytes[depth]);
            depth++;
            for (uint32_t i = 0; i < depth; i++) /* what lies below has not moved nor changed */
                for (size_t j = 0; j < bytes[i]; j += 97) assert_int_equal(piece[i][j], i);
        }
        leann_scratch_reset(ctx, 0);
        assert_int_equal(leann_scratch_mark(ctx), 0);
    }
}

static void warm_scratch_stays_where_it_is(void **state)
{
    (void)state;
    void *first[20];
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 20; i++) {
            void *p = leann_scratch(ctx, (size_t)1000 << i % 10);
            if (round < 2) first[i] = p; /* the first round may leave blocks that the second joins */
            assert_ptr_equal(p, first[i]);
        }
        leann_scratch_reset(ctx, 0);
    }
}

static void marks_start_empty(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {10, 5, 1000, 1000, 10};
    for (int round = 0; round < 70000; round++) { /* the 16-bit epoch comes round */
        uint32_t n = sizes[round % 5];
        uint16_t epoch, *marks = leann_ctx_marks(ctx, n, &epoch);
        assert_non_null(marks);
        uint32_t at = (uint32_t)round % n;
        assert_true(marks[at] != epoch && marks[n - 1] != epoch && marks[0] != epoch);
        marks[at] = marks[n - 1] = marks[0] = epoch;
    }
    uint16_t epoch;
    assert_non_null(leann_ctx_marks(ctx, 0, &epoch));
}

static void facts_are_kept_by_name(void **state)
{
    (void)state;
    double value;
    leann_ctx_fact(ctx, "b", 1);
    leann_ctx_fact(ctx, "a", 2);
    leann_ctx_fact(ctx, "b", 3);
    assert_int_equal(leann_ctx_facts(ctx), 2);
    assert_string_equal(leann_ctx_fact_at(ctx, 0, &value), "a");
    assert_true(value == 2);
    assert_string_equal(leann_ctx_fact_at(ctx, 1, &value), "b");
    assert_true(value == 3);
    for (int i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "a_name_that_is_far_longer_than_the_47_characters_%d", i);
        leann_ctx_fact(ctx, name, i); /* all of them are cut to the same name */
        snprintf(name, sizeof name, "n%d", i);
        leann_ctx_fact(ctx, name, i);
    }
    assert_int_equal(leann_ctx_facts(ctx), 64);
    assert_int_equal(strlen(leann_ctx_fact_at(ctx, 1, &value)), 47);
    assert_true(value == 99);
    leann_ctx_facts_clear(ctx);
    assert_int_equal(leann_ctx_facts(ctx), 0);
}

typedef struct {
    int calls, ends;
} told;

static void listen(void *arg, const char *what, uint64_t done, uint64_t total)
{
    told *t = arg;
    assert_true(strcmp(what, "one") == 0 || strcmp(what, "two") == 0);
    t->calls++;
    t->ends += done == total;
}

static void progress_is_throttled(void **state)
{
    (void)state;
    told t = {0};
    leann_ctx_progress(ctx, "one", 0, 1000); /* nobody listens */
    leann_ctx_on_progress(ctx, listen, &t);
    uint64_t begin = leann_now_ns();
    for (uint64_t i = 0; i <= 100000; i++) leann_ctx_progress(ctx, "one", i, 100000);
    for (uint64_t i = 0; i <= 100000; i++) leann_ctx_progress(ctx, "two", i, 100000);
    for (uint64_t i = 0; i < 1000; i++) leann_ctx_progress(ctx, "two", 5, 5); /* ends again and again */
    uint64_t tenths = (leann_now_ns() - begin) / 100000000;
    assert_in_range(t.calls, 3, 3 + tenths);
    assert_in_range(t.ends, 2, 2 + tenths);
    leann_ctx_on_progress(ctx, NULL, NULL);
    leann_ctx_progress(ctx, "three", 1, 1);
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    leann_ctx_cancel(ctx);
}

static void cancelling_from_a_signal_handler(void **state)
{
    (void)state;
    assert_false(leann_ctx_cancelled(ctx));
    void (*old)(int) = signal(SIGUSR1, on_alarm);
    raise(SIGUSR1);
    signal(SIGUSR1, old);
    assert_true(leann_ctx_cancelled(ctx));
    leann_ctx_clear(ctx);
    assert_false(leann_ctx_cancelled(ctx));
}

static void small_things(void **state)
{
    (void)state;
    leann_ctx *many = leann_ctx_new(7, 0);
    assert_non_null(many);
    assert_true(leann_ctx_threads(many) >= 1);
    assert_true(leann_ctx_seed(many) == 7);
    leann_ctx_set_seed(many, 8);
    assert_true(leann_ctx_seed(many) == 8);
    leann_ctx_free(many);
    leann_ctx_free(NULL);
    static const size_t bytes[] = {4, 1, 1, 2, 2, 4, 8, 1};
    for (int t = LEANN_F32; t <= LEANN_BYTES; t++) assert_int_equal(leann_dtype_bytes((leann_dtype)t), bytes[t]);
    assert_int_equal(leann_dtype_bytes((leann_dtype)99), 0);
    assert_string_equal(leann_dtype_word(LEANN_F16), "f16");
    assert_string_equal(leann_dtype_word((leann_dtype)99), "unknown");
    assert_string_equal(leann_space_word(LEANN_L2), "euclidean");
    assert_string_equal(leann_space_word(LEANN_IP), "ip");
    assert_string_equal(leann_space_word((leann_space)99), "unknown");
    uint64_t a = leann_now_ns(), b = leann_now_ns();
    assert_true(b >= a);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(the_first_error_stands), EACH(memory_is_zeroed_and_aligned),
        EACH(scratch_is_a_stack),     EACH(warm_scratch_stays_where_it_is),
        EACH(marks_start_empty),      EACH(facts_are_kept_by_name),
        EACH(progress_is_throttled),  EACH(cancelling_from_a_signal_handler),
        EACH(small_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
