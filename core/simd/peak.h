/* peak.h – loops that only multiply and add in registers: the peak that `leann bench kernels` states shares of.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PEAK_H
#define LEANN_PEAK_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *isa; /* the name of the kernel table that it goes with: run it only where leann_kernels_named finds that */
    float (*run)(uint64_t rounds, float x);
    double flops; /* operations a round */
} leann_peak_loop;

/* All loops of this architecture, the base instruction set first. */
const leann_peak_loop *leann_peak_loops(size_t *count);

#endif
