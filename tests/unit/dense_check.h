/* dense_check.h – the checks of a table of core/simd/dense.h against plain arithmetic; they need only libc and core/simd, so that they also
 * run cross-compiled (tests/cli/neon_main.c).
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_TEST_DENSE_CHECK_H
#define LEANN_TEST_DENSE_CHECK_H

#include "core/simd/dense.h"

enum { DENSE_WHY = 256 };

/* False with a sentence in why (DENSE_WHY) at the first difference. */
typedef struct {
    const char *name;
    bool (*run)(const leann_dense_kernels *table, char *why);
} dense_check;

extern const dense_check dense_checks[];
extern const size_t dense_checks_count;

#endif
