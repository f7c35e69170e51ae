/* kernels_check.h – the checks of a kernel table against plain arithmetic and the scalar table; they need only libc and core/simd, so
 * that they also run cross-compiled (tests/cli/neon_main.c).
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_TEST_KERNELS_CHECK_H
#define LEANN_TEST_KERNELS_CHECK_H

#include "core/simd/kernels.h"

#include <stdbool.h>
#include <stddef.h>

enum { KERNELS_WHY = 256 };

/* False with a sentence in why (KERNELS_WHY) at the first difference. */
typedef struct {
    const char *name;
    bool (*run)(const leann_kernels *table, char *why);
} kernels_check;

extern const kernels_check kernels_checks[];
extern const size_t kernels_checks_count;

#endif
