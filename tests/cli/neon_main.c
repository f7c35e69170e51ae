/* neon_main.c – runs the checks of kernels and of dense products on the tables named on the command line and says which one is chosen; for
 * test_neon.sh, so libc and core/simd only.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/unit/dense_check.h"
#include "tests/unit/kernels_check.h"

#include <stdio.h>

static int failed;

static void say(const char *table, const char *name, bool good, const char *why)
{
    printf("%s: %s: %s%s\n", table, name, good ? "ok" : "FAILED: ", why);
    failed |= !good;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const leann_kernels *table = leann_kernels_named(argv[i]);
        const leann_dense_kernels *dense = leann_dense_named(argv[i]);
        if (!table || !dense) {
            printf("%s: this machine cannot run it\n", argv[i]);
            failed = 1;
            continue;
        }
        for (size_t c = 0; c < kernels_checks_count; c++) {
            char why[KERNELS_WHY] = "";
            bool good = kernels_checks[c].run(table, why);
            say(table->name, kernels_checks[c].name, good, why);
        }
        for (size_t c = 0; c < dense_checks_count; c++) {
            char why[DENSE_WHY] = "";
            bool good = dense_checks[c].run(dense, why);
            say(dense->name, dense_checks[c].name, good, why);
        }
    }
    printf("chosen: %s\n", leann_kernels_get()->name);
    return failed;
}
