/* test_pool.c – leann_parallel: every chunk once, the lowest failure, merged counters and facts, cancelling, nesting, fork.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/ctx.h"

enum { N = 10007, GRAIN = 64 };
static const unsigned THREADS[] = {1, 2, 5};

typedef struct {
    unsigned char seen[N];
    atomic_uint odd;
    uint64_t draw[N / GRAIN + 1];
} coverage;

static leann_status cover(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    coverage *c = arg;
    if (begin % GRAIN != 0 || end - begin > GRAIN || (end - begin < GRAIN && end != N)) atomic_fetch_add(&c->odd, 1);
    for (size_t i = begin; i < end; i++) c->seen[i]++;
    leann_rng rng = leann_rng_at(leann_ctx_seed(worker), "cover", begin);
    c->draw[begin / GRAIN] = leann_rng_u64(&rng);
    leann_ctx_work(worker)->dist_comps += end - begin;
    leann_ctx_work(worker)->stage_ns[2] += 1;
    leann_ctx_fact(worker, "begin", (double)begin);
    char name[16] = {'c', (char)('a' + begin / GRAIN % 26), 0};
    leann_ctx_fact(worker, name, (double)begin);
    char *scratch = leann_scratch(worker, 100 + begin); /* never given back by the task */
    if (!scratch) return leann_ctx_status(worker);
    memset(scratch, 1, 100 + begin);
    return LEANN_OK;
}

static void every_chunk_once(void **state)
{
    (void)state;
    uint64_t first[N / GRAIN + 1] = {0};
    for (size_t t = 0; t < sizeof THREADS / sizeof *THREADS; t++) {
        leann_ctx *ctx = leann_ctx_new(11, THREADS[t]);
        assert_non_null(ctx);
        for (uint64_t round = 1; round <= 50; round++) {
            coverage *c = calloc(1, sizeof *c);
            assert_non_null(c);
            leann_ctx_set_seed(ctx, 11);
            assert_int_equal(leann_parallel(ctx, N, GRAIN, cover, c), LEANN_OK);
            for (size_t i = 0; i < N; i++) assert_int_equal(c->seen[i], 1);
            assert_int_equal(c->odd, 0);
            if (t == 0) memcpy(first, c->draw, sizeof first);
            assert_memory_equal(first, c->draw, sizeof first);
            assert_true(leann_ctx_work(ctx)->dist_comps == round * N);
            assert_true(leann_ctx_work(ctx)->stage_ns[2] == round * (N / GRAIN + 1));
            double value;
            assert_int_equal(leann_ctx_facts(ctx), 27);
            assert_string_equal(leann_ctx_fact_at(ctx, 0, &value), "begin");
            assert_true(value == (double)(N / GRAIN * GRAIN)); /* what the last chunk said, whoever ran it */
            assert_string_equal(leann_ctx_fact_at(ctx, 1, &value), "ca");
            assert_true(value == 26 * 6 * GRAIN - (156 > N / GRAIN ? 26 * GRAIN : 0));
            free(c);
        }
        assert_int_equal(leann_scratch_mark(ctx), 0);
        leann_ctx_free(ctx);
    }
}

static leann_status fail_some(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)end;
    const size_t *from = arg;
    if (begin >= *from) return leann_fail(worker, LEANN_ELIMIT, "chunk at %zu", begin);
    return LEANN_OK;
}

static leann_status fail_mute(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker, (void)arg, (void)end;
    return begin == 0 ? LEANN_EFORMAT : LEANN_OK;
}

static void lowest_failure_is_kept(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof THREADS / sizeof *THREADS; t++) {
        leann_ctx *ctx = leann_ctx_new(0, THREADS[t]);
        for (size_t from = 0; from < 200; from += 7) {
            size_t at = from;
            assert_int_equal(leann_parallel(ctx, 200, 1, fail_some, &at), LEANN_ELIMIT);
            char expected[32];
            snprintf(expected, sizeof expected, "chunk at %zu", from);
            assert_string_equal(leann_ctx_error(ctx), expected);
            leann_ctx_clear(ctx);
            size_t never = 1000; /* and the next job is clean */
            assert_int_equal(leann_parallel(ctx, 200, 1, fail_some, &never), LEANN_OK);
            assert_string_equal(leann_ctx_error(ctx), "");
        }
        assert_int_equal(leann_parallel(ctx, 10, 1, fail_mute, NULL), LEANN_EFORMAT);
        assert_true(strlen(leann_ctx_error(ctx)) > 0);
        leann_ctx_free(ctx);
    }
}

static leann_status count_and_cancel(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)begin, (void)end;
    size_t before = atomic_fetch_add((atomic_size_t *)arg, 1);
    if (before == 20) leann_ctx_cancel(worker);
    while (before > 20 && !leann_ctx_cancelled(worker)) continue; /* the one that cancels may be off its processor just before it does */
    return LEANN_OK;
}

static void cancelling_stops(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof THREADS / sizeof *THREADS; t++) {
        leann_ctx *ctx = leann_ctx_new(0, THREADS[t]);
        atomic_size_t done = 0;
        assert_int_equal(leann_parallel(ctx, 100000, 1, count_and_cancel, &done), LEANN_EINTR);
        assert_in_range(done, 21, 21 + THREADS[t]);
        assert_string_equal(leann_ctx_error(ctx), "interrupted");
        assert_true(leann_ctx_cancelled(ctx));
        leann_ctx_clear(ctx);
        assert_false(leann_ctx_cancelled(ctx));
        leann_ctx_free(ctx);
    }
}

static leann_status nested(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    coverage *c = calloc(1, sizeof *c);
    if (!c) return leann_fail(worker, LEANN_ENOMEM, "no memory");
    leann_status status = leann_parallel(worker, N, GRAIN, cover, c);
    for (size_t i = 0; i < N && status == LEANN_OK; i++)
        if (c->seen[i] != 1) status = leann_fail(worker, LEANN_EINVAL, "item %zu", i);
    free(c);
    size_t from = 3;
    if (begin >= 2 && status == LEANN_OK) status = leann_parallel(worker, 10, 1, fail_some, &from);
    atomic_fetch_add((atomic_size_t *)arg, end - begin);
    return status;
}

static void nesting_is_serial(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(0, 3);
    atomic_size_t done = 0;
    assert_int_equal(leann_parallel(ctx, 2, 1, nested, &done), LEANN_OK);
    assert_int_equal(done, 2);
    assert_int_equal(leann_parallel(ctx, 4, 1, nested, &done), LEANN_ELIMIT);
    assert_string_equal(leann_ctx_error(ctx), "chunk at 3");
    leann_ctx_free(ctx);
}

static void empty_and_single(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(0, 2);
    size_t from = 0;
    assert_int_equal(leann_parallel(ctx, 0, 1, fail_some, &from), LEANN_OK);
    assert_int_equal(leann_parallel(ctx, 5, SIZE_MAX, fail_some, &from), LEANN_ELIMIT);
    leann_ctx_free(ctx);
}

/* A forked child finds the parent's pool without its threads: it makes its own, and frees everything without waiting. */
static void after_fork(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(0, 2);
    size_t never = 1000;
    assert_int_equal(leann_parallel(ctx, 100, 1, fail_some, &never), LEANN_OK);
    pid_t pid = fork();
    if (pid == 0) {
        leann_ctx *own = leann_ctx_new(0, 1);
        int bad = leann_parallel(own, 100, 1, fail_some, &never) != LEANN_OK;
        leann_ctx_free(own);
        leann_ctx_free(ctx);
        _exit(bad);
    }
    int status = -1;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(leann_parallel(ctx, 100, 1, fail_some, &never), LEANN_OK);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_once),  cmocka_unit_test(lowest_failure_is_kept), cmocka_unit_test(cancelling_stops),
        cmocka_unit_test(nesting_is_serial), cmocka_unit_test(empty_and_single),       cmocka_unit_test(after_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
