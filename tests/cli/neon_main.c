/* neon_main.c – runs the kernel checks on the tables named on the command line and says which one is chosen; for test_neon.sh, so libc and core/simd only.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/unit/kernels_check.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        const leann_kernels *table = leann_kernels_named(argv[i]);
        if (!table) {
            printf("%s: this machine cannot run it\n", argv[i]);
            failed = 1;
            continue;
        }
        for (size_t c = 0; c < kernels_checks_count; c++) {
            char why[KERNELS_WHY] = "";
            bool good = kernels_checks[c].run(table, why);
            printf("%s: %s: %s%s\n", table->name, kernels_checks[c].name, good ? "ok" : "FAILED: ", why);
            failed |= !good;
        }
    }
    printf("chosen: %s\n", leann_kernels_get()->name);
    return failed;
}
