/* test_ascending.c – sequences of ascending numbers: what goes in comes out, at any place; any bytes of a file are read safely or refused.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/ascending.h"

static char path[64];
static leann_ctx *ctx;

static int set_up(void **state)
{
    (void)state;
    ctx = leann_ctx_new(1, 1);
    snprintf(path, sizeof path, "/tmp/leann-ascending-%ld", (long)getpid());
    return ctx ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    leann_ctx_free(ctx);
    unlink(path);
    return 0;
}

/* A file of one section "s". */
static void write_words(const uint64_t *word, uint64_t words)
{
    leann_writer *w;
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    assert_int_equal(leann_writer_add(w, "s", LEANN_PART_IDS, LEANN_U64, words, 8, word), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
}

static void check_numbers(const leann_ascending *s, const uint64_t *value, uint64_t n)
{
    leann_ascending_walk walk = leann_ascending_from(s, 0);
    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal(leann_ascending_next(&walk), value[i]);
        assert_int_equal(leann_ascending_get(s, i), value[i]);
    }
    for (uint64_t i = 0; i < n; i += 1 + i / 3) {
        uint64_t upto = i + 1;
        while (upto < n && value[upto] == value[i]) upto++;
        assert_int_equal(leann_ascending_upto(s, value[i]), upto);
        leann_ascending_walk from = leann_ascending_from(s, i);
        for (uint64_t j = i; j < n && j < i + 70; j++) assert_int_equal(leann_ascending_next(&from), value[j]);
    }
    assert_int_equal(leann_ascending_upto(s, s->limit), n);
    if (n > 0 && value[0] > 0) assert_int_equal(leann_ascending_upto(s, value[0] - 1), 0);
}

static void round_trip(const uint64_t *value, uint64_t n, uint64_t limit)
{
    leann_ascending made, read;
    leann_writer *w;
    leann_reader *r;
    leann_ledger real, predicted;
    assert_int_equal(leann_ascending_make(ctx, value, n, limit, &made), LEANN_OK);
    check_numbers(&made, value, n);
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    assert_int_equal(leann_ascending_save(&made, w, "s", LEANN_PART_IDS), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    if (leann_ascending_open(ctx, r, "s", n, limit, &read)) fail_msg("%s", leann_ctx_error(ctx));
    check_numbers(&read, value, n);
    leann_reader_ledger(r, &real);
    leann_ledger_begin(&predicted);
    leann_ascending_predict(n, limit, LEANN_PART_IDS, &predicted);
    leann_ledger_end(&predicted);
    assert_memory_equal(&real, &predicted, sizeof real);
    leann_ascending_free(&read);
    leann_ascending_free(&made);
    leann_reader_free(r);
}

/* Steps of every kind: dense, sparse, equal numbers in long runs, one far jump, the limit itself. */
static void numbers_come_back(void **state)
{
    (void)state;
    enum { N = 3000 };
    static uint64_t value[N];
    static const uint64_t most[] = {1, 2, 3, 600, 1u << 20, (uint64_t)1 << 45};
    for (size_t m = 0; m < sizeof most / sizeof *most; m++) {
        leann_rng rng = leann_rng_at(1, "ascending", m);
        uint64_t at = 0;
        for (uint64_t i = 0; i < N; i++) value[i] = at += leann_rng_u64(&rng) % most[m];
        for (uint64_t n = 0; n <= N; n = n < 4 ? n + 1 : n < 500 ? n * 2 : n + 1250) {
            round_trip(value, n, n ? value[n - 1] : 0);
            round_trip(value, n, value[N - 1] + 1000);
            round_trip(value, n, LEANN_ASCENDING_LIMIT_MAX);
        }
    }
    for (uint64_t i = 0; i < N; i++) value[i] = i < 1000 ? 0 : i < 2999 ? 5 : LEANN_ASCENDING_LIMIT_MAX;
    round_trip(value, N, LEANN_ASCENDING_LIMIT_MAX);
    for (uint64_t i = 0; i < N; i++) value[i] = i * 580 + i % 7;
    round_trip(value, N, value[N - 1]);
    assert_true(leann_ascending_words(N, value[N - 1]) * 64 <= N * 23 / 2); /* 2 + log2 580 = 11.2 bits each */
}

/* Not the words that a sequence has, or numbers that do not ascend: refused with the section's name. */
static void wrong_files_are_refused(void **state)
{
    (void)state;
    static const uint64_t value[] = {3, 4, 4, 9, 200, 1000, 1000, 1023};
    leann_ascending made, read;
    leann_reader *r;
    assert_int_equal(leann_ascending_make(ctx, value, 8, 1023, &made), LEANN_OK);
    const uint64_t words = leann_ascending_words(8, 1023);
    write_words(made.owned, words);
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    const struct {
        const char *name;
        uint64_t n, limit;
    } wrong[] = {{"t", 8, 1023},   {"s", 7, 1023}, {"s", 9, 1023},          {"s", 8, 1022},
                 {"s", 800, 1023}, {"s", 8, 1},    {"s", UINT64_MAX, 1023}, {"s", 8, UINT64_MAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(leann_ascending_open(ctx, r, wrong[i].name, wrong[i].n, wrong[i].limit, &read), LEANN_EFORMAT);
        assert_non_null(strstr(leann_ctx_error(ctx), wrong[i].name));
        leann_ctx_clear(ctx);
        leann_ascending_free(&read);
    }
    leann_reader_free(r);
    leann_ascending_free(&made);
}

/* Any bits at all: what is opened ascends, and reading it stays inside (the sanitizers watch). */
static void any_bits_are_safe(void **state)
{
    (void)state;
    enum { N = 300, LIMIT = 9000 };
    uint64_t value[N], opened = 0;
    leann_rng rng = leann_rng_at(2, "ascending", 0);
    leann_ascending made, read;
    for (uint64_t i = 0, at = 0; i < N; i++) value[i] = at += leann_rng_below(&rng, 30);
    assert_int_equal(leann_ascending_make(ctx, value, N, LIMIT, &made), LEANN_OK);
    const uint64_t words = leann_ascending_words(N, LIMIT);
    for (int trial = 0; trial < 400; trial++) {
        leann_reader *r;
        uint64_t *copy = leann_alloc(ctx, words, sizeof *copy);
        memcpy(copy, made.owned, words * sizeof *copy);
        for (uint32_t flips = 1 + leann_rng_below(&rng, 3); flips > 0; flips--)
            copy[leann_rng_below(&rng, (uint32_t)words)] ^= (uint64_t)1 << leann_rng_below(&rng, 64);
        write_words(copy, words);
        assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
        if (leann_ascending_open(ctx, r, "s", N, LIMIT, &read) == LEANN_OK) {
            opened++;
            for (uint64_t i = 0; i < N; i++) {
                assert_true(leann_ascending_get(&read, i) <= LIMIT);
                if (i > 0) assert_true(leann_ascending_get(&read, i - 1) <= leann_ascending_get(&read, i));
            }
        }
        leann_ctx_clear(ctx);
        leann_ascending_free(&read);
        leann_reader_free(r);
        leann_free(copy);
    }
    assert_in_range(opened, 1, 399); /* some flips of low bits leave it ascending, those of high ones do not */
    leann_ascending_free(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_come_back), cmocka_unit_test(wrong_files_are_refused),
                                       cmocka_unit_test(any_bits_are_safe)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
