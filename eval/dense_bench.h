/* dense_bench.h – the encoder's kernels, each checked against the scalar one and then timed on the shapes of all-MiniLM-L6-v2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_DENSE_BENCH_H
#define LEANN_DENSE_BENCH_H

#include "eval/kernel_bench.h"

typedef struct {
    size_t tokens;        /* rows of what a layer takes, at most 252 */
    unsigned repeats;     /* medians of so many */
    unsigned sample_usec; /* each this long at least, and one call */
} leann_dense_options;

typedef struct {
    const char *kernel, *isa;
    size_t rows, columns, inner; /* of a product; inner 0: a map of rows */
    bool gelu;
    double us;         /* a call, median, of the thread's own time */
    double speedup;    /* us of the scalar table / us */
    double gflop_s;    /* 0 for a map */
    double peak_share; /* gflop_s of the machine's best loop on such operands; 0 for a map, and where there is no such loop */
} leann_dense_timing;

typedef struct {
    leann_machine_peak peak[LEANN_PEAKS];
    leann_dense_timing *timing; /* (n), by kernel and shape, then from the scalar table up */
    size_t n;
} leann_dense_report;

/* Checks and times every kernel of every table of core/simd/dense.h that this machine can run, the tables in turn within each repeat.
 *   shape   report out; leann_dense_report_free it, also after a failure
 *   units   10⁹ operations a second; a multiply-add is two operations
 *   errors  EINVAL tokens or repeats out of range, or a kernel that differs from the scalar one (then nothing of it was timed); ENOMEM; EINTR
 *   threads the caller's only */
leann_status leann_dense_bench(leann_ctx *ctx, leann_dense_options options, leann_dense_report *report);
void leann_dense_report_free(leann_dense_report *report);

#endif
