/* test_dense.c – every table of core/simd/dense.h that this machine can run (dense_check.c), and the choice between them.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/kernels.h"
#include "tests/unit/dense_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void check_all(void **state)
{
    (void)state;
    for (size_t i = 0; leann_dense_best_first[i]; i++) {
        const leann_dense_kernels *table = leann_dense_named(leann_dense_best_first[i]);
        if (!table) continue;
        assert_string_equal(table->name, leann_dense_best_first[i]);
        for (size_t c = 0; c < dense_checks_count; c++) {
            char why[DENSE_WHY] = "";
            if (!dense_checks[c].run(table, why)) fail_msg("%s, %s: %s", table->name, dense_checks[c].name, why);
        }
    }
}

/* The table in use belongs to the instruction set in use. */
static void choice(void **state)
{
    (void)state;
    const char *set = leann_kernels_get()->name, *dense = leann_dense_get()->name;
    assert_true(strncmp(dense, set, strlen(set)) == 0 || (strcmp(set, "avx512") == 0 && strcmp(dense, "amx") == 0));
    assert_non_null(leann_dense_named("scalar"));
    assert_null(leann_dense_named("avx"));
    assert_null(leann_dense_named(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(check_all), cmocka_unit_test(choice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
