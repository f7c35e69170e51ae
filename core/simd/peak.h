/* peak.h – loops that only multiply and add in registers: the peaks that `leann bench kernels` states shares of.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PEAK_H
#define LEANN_PEAK_H

#include <stddef.h>
#include <stdint.h>

/* What is multiplied: floats; pairs of bf16, summed as floats; bytes by signed bytes, summed as integers. */
typedef enum { LEANN_PEAK_F32, LEANN_PEAK_BF16, LEANN_PEAK_U8, LEANN_PEAKS } leann_peak_operand;

typedef struct {
    const char *isa; /* the name of the table that it goes with: run it only where leann_dense_named finds that */
    leann_peak_operand operand;
    float (*run)(uint64_t rounds, float x);
    double flops; /* operations a round */
} leann_peak_loop;

/* All loops of this architecture, the base instruction set first. */
const leann_peak_loop *leann_peak_loops(size_t *count);

#endif
