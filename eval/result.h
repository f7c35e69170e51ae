/* result.h – the raw result of one point of a sweep, and its HDF5 file: what the measures are computed from afterwards.
 *
 * A file is results/<stem>/raw/<hash>.h5, hash = the first 24 hex digits of the sha256 of `identity`. A point that failed has a status
 * other than "ok", an error and no arrays.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_RESULT_H
#define LEANN_RESULT_H

#include "core/value.h"

/* dist_comps, hops, fetches, recomputes, encoder_calls, cache_hits, stage_ns[0], [1], [2], pages, missing_ppm */
enum { LEANN_RESULT_WORK = 11 };

typedef struct {
    char *identity; /* canonical JSON: what this point is */
    char *sweep, *dataset;
    char *status;                             /* "ok", a status word, or "crash" */
    char *error;                              /* the sentence, "" when ok */
    leann_value *provenance, *build, *config; /* maps; build is an empty map when the build failed */
    leann_rss load_rss, search_rss;           /* the peak of each, and what no file holds at its end */
    uint64_t cold_ns;
    double batch_qps;     /* 0: not measured */
    uint32_t n, k;        /* report queries, answers a query */
    uint32_t *query_rows; /* (n) rows of test */
    uint32_t *ids;        /* (n, k), LEANN_NONE pads */
    float *dist;          /* (n, k), INFINITY pads */
    uint64_t *work;       /* (n, LEANN_RESULT_WORK) */
    uint32_t t, repeats;  /* timed queries, passes over them */
    uint32_t *timed_rows; /* (t) rows of test */
    uint64_t *times_ns;   /* (repeats, t) */
    uint32_t tuned;       /* grid values tried, 0: no tuning */
    double *tune_recall;  /* (tuned, 3): value, recall_tie over the tune queries looked at, how many those were */
} leann_result;

/* Everything a raw holds, not itself; it is all zero afterwards. */
void leann_result_clear(leann_result *raw);

/* Writes path atomically. errors: EIO, ENOMEM; nothing is left behind then. */
leann_status leann_result_save(leann_ctx *ctx, const leann_result *raw, const char *path);

/* Reads path and checks that shapes fit together. On failure *raw is all zero.
 *   errors  ENOTFOUND, EFORMAT (what does not fit), ENOMEM */
leann_status leann_result_load(leann_ctx *ctx, const char *path, leann_result *raw);

/* The attributes alone, without arrays (n, k, t, repeats and tuned stay 0): quick, for the runner's "is it done". */
leann_status leann_result_peek(leann_ctx *ctx, const char *path, leann_result *raw);

/* <folder>/raw/<24 hex digits>.h5 of an identity; heap. */
char *leann_result_path(leann_ctx *ctx, const char *folder, const char *identity);
bool leann_result_is_name(const char *name); /* of a file in the folder of raw results: not hidden, and *.h5 */

#endif
