/* test_kernels.c – every entry of every kernel table that this machine can run (kernels_check.c), and the choice between the tables.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/unit/kernels_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TABLES = 4 };
static const char *const names[TABLES] = {"scalar", "avx2", "avx512", "neon"};

typedef struct {
    const leann_kernels *table;
    const kernels_check *check;
    char title[64];
} item;

static void check(void **state)
{
    const item *it = *state;
    char why[KERNELS_WHY] = "";
    if (!it->check->run(it->table, why)) fail_msg("%s: %s", it->table->name, why);
}

/* A table that has all its entries. */
static void complete(void **state)
{
    (void)state;
    for (int i = 0; i < TABLES; i++) {
        const leann_kernels *t = leann_kernels_named(names[i]);
        if (!t) continue;
        assert_string_equal(t->name, names[i]);
        leann_kernels whole = *t;
        if (!whole.fastscan8) whole.fastscan8 = leann_kernels_named("scalar")->fastscan8; /* these may be missing */
        if (!whole.panels_u8) whole.panels_u8 = leann_kernels_named("scalar")->panels_u8;
        if (!whole.i8_from_f32) whole.i8_from_f32 = leann_kernels_named("scalar")->i8_from_f32;
        if (!whole.panels_i8) whole.panels_i8 = leann_kernels_named("scalar")->panels_i8;
        void *entry[(sizeof whole - sizeof whole.name) / sizeof(void *)];
        memcpy(entry, (const char *)&whole + sizeof whole.name, sizeof entry);
        for (size_t e = 0; e < sizeof entry / sizeof *entry; e++) assert_non_null(entry[e]);
    }
    assert_non_null(leann_kernels_named("scalar"));
    assert_null(leann_kernels_named("sse9"));
    assert_null(leann_kernels_named(""));
}

/* The name that a fresh process chooses: the choice is made once, so each wish needs its own. */
static void chosen_with(const char *wish, char out[16])
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (wish)
            setenv("LEANN_ISA", wish, 1);
        else
            unsetenv("LEANN_ISA");
        const char *name = leann_kernels_get()->name;
        _exit(write(pipes[1], name, strlen(name) + 1) > 0 ? 0 : 1);
    }
    close(pipes[1]);
    ssize_t got = read(pipes[0], out, 15);
    close(pipes[0]);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(got > 1 && status == 0);
    out[got] = 0;
}

static void choice(void **state)
{
    (void)state;
    char best[16], got[16];
    chosen_with(NULL, best);
    for (int i = 0; i < TABLES; i++) {
        chosen_with(names[i], got);
        assert_string_equal(got, leann_kernels_named(names[i]) ? names[i] : best);
    }
    chosen_with("no such set", got);
    assert_string_equal(got, best);
}

int main(void)
{
    static item items[TABLES * 16];
    struct CMUnitTest tests[TABLES * 16 + 2] = {cmocka_unit_test(choice),
                                                cmocka_unit_test(complete)}; /* choice first: nothing is chosen yet */
    size_t count = 0;
    for (int i = 0; i < TABLES; i++) {
        const leann_kernels *table = leann_kernels_named(names[i]);
        for (size_t c = 0; table && c < kernels_checks_count; c++) {
            item *it = &items[count];
            *it = (item){.table = table, .check = &kernels_checks[c]};
            snprintf(it->title, sizeof it->title, "%s: %s", table->name, it->check->name);
            tests[2 + count++] = (struct CMUnitTest){.name = it->title, .test_func = check, .initial_state = it};
        }
    }
    return _cmocka_run_group_tests("kernels", tests, 2 + count, NULL, NULL);
}
