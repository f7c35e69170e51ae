/* runner.h – runs a sweep: what is to do, one worker process at a time, what is done so far.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_RUNNER_H
#define LEANN_RUNNER_H

#include "eval/estimate.h"
#include "eval/worker.h"

typedef struct {
    const char *results; /* the folder, NULL: results/<stem> */
    const char *only;    /* "key=value,…" or NULL */
    unsigned threads;    /* of a build, 0: as the sweep says */
    bool force;          /* everything again, builds and their stages too */
    bool retry;          /* failed points again */
} leann_run_options;

typedef enum { LEANN_POINT_TODO, LEANN_POINT_DONE, LEANN_POINT_FAILED } leann_point_state; /* DONE and FAILED: there is a file */

typedef struct {
    leann_sweep *sweep;
    char *folder, *cache;
    leann_run_options options;
    leann_point_state **state; /* (cells)(points) */
    double **seconds;          /* (cells)(1 + points): estimated; first the parts of the build that no cell before it makes */
    double *build_s;           /* (cells) the whole build: known from earlier results, or estimated */
    leann_rates rates;
    uint32_t points, todo, done, failed; /* as found */
    uint32_t corrected_by;               /* earlier builds that the estimates rest on */
    leann_dataset *data;                 /* the one at hand */
    uint32_t data_at;
    int64_t opened_ns; /* leann_date_ns: what --force makes again is all from before */
} leann_run;

/* Loads the sweep, opens its data sets (their checksums name the results), and finds out what is done. Writes nothing.
 *   errors  those of leann_sweep_load and _expand, of leann_dataset_open */
leann_status leann_run_open(leann_ctx *ctx, const char *sweep, leann_run_options options, leann_run **out);
void leann_run_free(leann_run *run);

typedef struct {
    leann_say what; /* STAGE, BUILT, POINT, MEASURED; OPENED: a new cell begins */
    const leann_cell *cell;
    const char *text; /* stage, or the error of a failed point */
    uint64_t done, total;
    leann_status status;
    uint32_t index, cell_number, cells; /* cells: that have something to do */
    uint32_t finished, failed, todo;    /* points of this run */
    double elapsed_s, left_s;           /* left_s: estimated, from this run's own pace */
} leann_run_event;
typedef void (*leann_run_heard)(void *arg, const leann_run_event *event);

typedef struct {
    uint32_t measured, failed, skipped; /* points: of this run; skipped: done or failed before */
    bool interrupted;
    double seconds;
} leann_run_summary;

/* Does what is to do. A cell that fails is a row with its error and the sweep goes on; a cancelled ctx stops after the query in hand.
 *   errors  EIO the results or the cache cannot be written; ELIMIT another process is writing this folder
 *   threads ctx must have one thread: workers are forked from here */
leann_status leann_run_go(leann_ctx *ctx, leann_run *run, leann_run_heard heard, void *arg, leann_run_summary *out);

/* The data set of a cell, opened when it is not the one at hand. */
leann_status leann_run_data(leann_ctx *ctx, leann_run *run, uint32_t data);
/* A job for a cell of the run: the paths are the caller's to free with leann_run_job_free. */
leann_status leann_run_job(leann_ctx *ctx, leann_run *run, const leann_cell *cell, leann_job *job);
void leann_run_job_free(leann_job *job);
/* Builds the cell in a worker unless its index is in the cache, built by this program (afresh: anyway). */
leann_status leann_run_build(leann_ctx *ctx, const leann_job *job, bool afresh, leann_worker_heard heard, void *arg, leann_outcome *out);
/* One writer a results folder: the lock's descriptor, or -1 with ELIMIT (who holds it) or EIO (the folder cannot be written). */
int leann_run_lock(leann_ctx *ctx, const char *folder);

#endif
