/* kernels.c – chooses a kernel table once, at the first use: what LEANN_ISA names if this machine can run it, else the best it can.
 *
 * Threads: leann_kernels_get may be called by any number at once; the choice is made by exactly one of them.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const leann_kernels *chosen;

const leann_kernels *leann_kernels_named(const char *name)
{
    if (strcmp(name, "scalar") == 0) return &leann_kernels_scalar;
    return NULL;
}

static void choose(void)
{
    static const char *const best_first[] = {"avx512", "avx2", "neon", "scalar"};
    const char *wish = getenv("LEANN_ISA");
    if (wish) chosen = leann_kernels_named(wish);
    for (size_t i = 0; !chosen; i++) chosen = leann_kernels_named(best_first[i]);
}

const leann_kernels *leann_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}
