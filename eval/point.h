/* point.h – what a worker process does: builds a cell's index, or measures points of it; each result is a file as soon as it is there.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_POINT_H
#define LEANN_POINT_H

#include <signal.h>

#include "eval/result.h"
#include "eval/sweep.h"

typedef enum {
    LEANN_SAY_STAGE,     /* text: what; done of total */
    LEANN_SAY_BUILT,     /* index and record are in the cache */
    LEANN_SAY_OPENED,    /* the index is open, points follow */
    LEANN_SAY_POINT,     /* point `index` begins */
    LEANN_SAY_MEASURED,  /* point `index` has its file, with status `status` */
    LEANN_SAY_FAILED,    /* this phase failed with `status`: text */
    LEANN_SAY_BAD_INDEX, /* the cached index cannot be opened: text */
    LEANN_SAY_FATAL      /* nothing can be written: text; the sweep must stop */
} leann_say;

typedef struct {
    const leann_sweep *sweep;
    const leann_cell *cell;
    const leann_dataset *data;
    const char *folder;      /* results/<stem> */
    const char *cache;       /* folder of stages and indexes */
    const char *index_path;  /* <cache>/<hash>.leann */
    const char *record_path; /* <cache>/<hash>.json: what is known of its build */
    const leann_value *provenance;
    int64_t since_ns; /* stages made before (leann_date_ns) are made again; 0: any will do */
    void (*say)(void *arg, leann_say what, uint32_t index, leann_status status, uint64_t done, uint64_t total, const char *text);
    void *arg;
    const volatile sig_atomic_t *stop; /* set by a signal: give up soon; NULL: never */
} leann_job;

/* Builds, saves, reopens and measures the index; writes the record (todo and n are not looked at: the two kinds of work look alike). Says BUILT once index and its costs are known, before the facts.
 *   errors  the build's own; EIO when the cache cannot be written (said as FATAL) */
leann_status leann_cell_build(leann_ctx *ctx, const leann_job *job, const uint32_t *todo, uint32_t n);

/* Opens the index and measures the points todo (n), in order. A point that fails is a row with its error, and the next one follows.
 * The point in hand is dropped, without a trace, when ctx is cancelled: EINTR.
 *   errors  EFORMAT the cached index or record is damaged (said as BAD_INDEX); EIO a result cannot be written (said as FATAL) */
leann_status leann_cell_measure(leann_ctx *ctx, const leann_job *job, const uint32_t *todo, uint32_t n);

/* Writes the row of a point that failed. limit: {name, value} of the limit that was reached, or NULL; taken over. */
leann_status leann_point_failed(leann_ctx *ctx, const leann_job *job, uint32_t point, const char *status, const char *error,
                                leann_value *limit);

/* Speed alone, for `leann bench aa`: at least 5 passes over the timed queries of a plan, as a point does it.
 *   shape  *rows (*t) and *times_ns (*repeats, *t), heap; mean_ns: what one query took so far, 0: not known */
leann_status leann_point_times(leann_ctx *ctx, const leann_sweep *sweep, const leann_dataset *data, const leann_plan *plan, uint32_t k,
                               double mean_ns, uint32_t **rows, uint64_t **times_ns, uint32_t *t, uint32_t *repeats);

/* Opens the index and makes the plan of a point whose query names no grid (chosen: the tuned value, NULL without a target). */
leann_status leann_point_plan(leann_ctx *ctx, const leann_job *job, const leann_index *index, const leann_point *point,
                              const leann_value *chosen, leann_plan **out);

#endif
