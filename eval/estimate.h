/* estimate.h – how long cells and points will take, before they run: an estimate to plan by, never a result.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_ESTIMATE_H
#define LEANN_ESTIMATE_H

#include "eval/sweep.h"

typedef struct {
    double product; /* flop/s of one thread in matrix products */
    double scan;    /* flop/s of one thread over neighbour lists of 32-bit floats */
    double look_up; /* PQ look-ups a second of one thread */
    unsigned threads;
    double correction; /* of builds: measured / estimated of earlier results, 1 at first */
} leann_rates;

/* Measures the rates in about a quarter of a second; threads: of a build, at most the processors there are. */
leann_status leann_estimate_calibrate(leann_ctx *ctx, unsigned threads, leann_rates *out);

/* A build in the parts that cells may share: those with the same key are made once and then come from the cache. */
typedef struct {
    uint32_t key;
    double seconds;
} leann_build_part;
enum { LEANN_BUILD_PARTS = 3 }; /* anchors and assignment, codes, graph */
void leann_estimate_build(const leann_rates *rates, const leann_sweep *sweep, const leann_cell *cell,
                          leann_build_part parts[LEANN_BUILD_PARTS]);

/* Seconds that measuring a point takes. */
double leann_estimate_point(const leann_rates *rates, const leann_sweep *sweep, const leann_cell *cell, const leann_point *point);

#endif
