/* kernel_bench.h – the SIMD kernels, each checked against the scalar one and then timed, from cache and from memory.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_KERNEL_BENCH_H
#define LEANN_KERNEL_BENCH_H

#include "core/ctx.h"
#include "core/simd/peak.h"

typedef struct {
    double gflop_s; /* of the best loop, one thread; 0: this machine has none for such operands */
    const char *isa;
} leann_machine_peak;
leann_machine_peak leann_measure_peak(leann_peak_operand operand);

/* Where the rows of a timed list lie: lists of 32 of the few that fit the first cache (4 at least); one after another in memory; lists
 * of 32 at random places of it. */
typedef enum { LEANN_ROWS_CACHED, LEANN_ROWS_RUN, LEANN_ROWS_RANDOM, LEANN_ROWS_PLACES } leann_rows_place;

typedef struct {
    size_t d;             /* components a row, at most 65536; look-up kernels take d / 8 (at least 1) codes */
    size_t memory_bytes;  /* the rows of the last two places: several times the largest cache */
    unsigned repeats;     /* medians of so many */
    unsigned sample_usec; /* each this long at least */
} leann_kernel_bench_options;

typedef struct {
    const char *kernel, *isa;
    size_t row_bytes;                  /* read a row; conversions: read and written */
    double ns[LEANN_ROWS_PLACES];      /* a row, median, of the thread's own time */
    double gb_s[LEANN_ROWS_PLACES];    /* row_bytes / ns */
    double speedup[LEANN_ROWS_PLACES]; /* ns of the scalar table / ns */
    double gflop_s;                    /* in cache; 0 for what is no arithmetic */
    double peak_share;                 /* gflop_s of the machine's best multiply-add loop, one thread */
    double stream_share;               /* gb_s of a run of rows, of a plain read of the same memory, one thread */
} leann_kernel_timing;

typedef struct {
    leann_machine_peak peak; /* of floats */
    double stream_gb_s;
    leann_kernel_timing *timing; /* (n), by kernel, then from the scalar table up */
    size_t n;
} leann_kernel_report;

/* Checks and times every kernel of every table that this machine can run, the tables in turn within each repeat.
 *   shape   report out; leann_kernel_report_free it, also after a failure
 *   units   nanoseconds, 10⁹ bytes and operations a second; a multiply-add is two operations
 *   errors  EINVAL d, memory_bytes or repeats out of range, or a kernel that differs from the scalar one (then nothing of it was timed);
 *           ENOMEM; EINTR
 *   threads the caller's only */
leann_status leann_kernel_bench(leann_ctx *ctx, const leann_kernel_bench_options *options, leann_kernel_report *report);
void leann_kernel_report_free(leann_kernel_report *report);

#endif
