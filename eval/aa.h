/* aa.h – how large a difference is noise here: the same point measured twice, in turn.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_AA_H
#define LEANN_AA_H

#include "eval/runner.h"

enum { LEANN_AA_MEASURES = 4, LEANN_AA_MAX_PAIRS = 200 }; /* qps, p50, p95, p99 */
extern const char *const leann_aa_names[LEANN_AA_MEASURES];

typedef struct {
    uint32_t pairs;
    double run[2][LEANN_AA_MAX_PAIRS][LEANN_AA_MEASURES]; /* queries a second, then ns of a query */
    double noise[LEANN_AA_MEASURES];                      /* |ln(a / b)| that 95 % of all pairs (a_i, b_j) stay below */
    double in_turn[LEANN_AA_MEASURES];                    /* the same of the pairs that ran one after the other */
    double bias[LEANN_AA_MEASURES];                       /* mean ln(a_i / b_i): near 0, or the order of running matters */
} leann_aa;

/* Measures the first point of the first cell of a run (narrow it by --only) 2 * pairs times: A B A B …, each in a process of its own
 * that opens the index afresh, and writes <folder>/aa.json.
 *   errors  EINVAL pairs is not 2 to 200, the cell cannot be built or measured; EINTR; EIO
 *   threads as leann_run_go */
leann_status leann_aa_run(leann_ctx *ctx, leann_run *run, uint32_t pairs, leann_progress_fn progress, void *arg, leann_aa *out);

/* noise, in_turn and bias from run. */
void leann_aa_judge(leann_aa *aa);

#endif
