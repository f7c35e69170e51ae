/* test_aa.c – the noise floor of runs whose differences are known.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "eval/aa.h"

static leann_aa aa;

static void test_same(void **state)
{
    (void)state;
    aa.pairs = 5;
    for (int m = 0; m < LEANN_AA_MEASURES; m++)
        for (int i = 0; i < 5; i++) aa.run[0][i][m] = aa.run[1][i][m] = 1000;
    leann_aa_judge(&aa);
    for (int m = 0; m < LEANN_AA_MEASURES; m++) assert_true(aa.noise[m] == 0 && aa.in_turn[m] == 0 && aa.bias[m] == 0);
}

/* A drifts with B: neighbours in time agree, the whole does not. B is a tenth slower: that is bias. */
static void test_drift(void **state)
{
    (void)state;
    aa.pairs = 3;
    const double drift[] = {100, 200, 400};
    for (int m = 0; m < LEANN_AA_MEASURES; m++)
        for (int i = 0; i < 3; i++) {
            aa.run[0][i][m] = drift[i];
            aa.run[1][i][m] = drift[i] / 1.1;
        }
    leann_aa_judge(&aa);
    assert_true(fabs(aa.in_turn[0] - log(1.1)) < 1e-9);
    assert_true(fabs(aa.bias[0] - log(1.1)) < 1e-9);
    assert_true(fabs(aa.noise[0] - log(4 * 1.1)) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_drift)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
