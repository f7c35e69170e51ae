/* worker.h – runs a piece of work in a child process under limits, and says how it ended.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_WORKER_H
#define LEANN_WORKER_H

#include "eval/point.h"

/* What a worker says reaches this in the parent, in order. */
typedef void (*leann_worker_heard)(void *arg, leann_say what, uint32_t index, leann_status status, uint64_t done, uint64_t total,
                                   const char *text);

typedef struct {
    char word[16];       /* "ok", "limit", "crash" or a status word */
    char error[480];     /* the sentence */
    leann_status status; /* LEANN_OK: it ended well; LEANN_EINTR: it was asked to stop and did */
    leann_value *limit;  /* {name, value} of the limit that was reached, or NULL; the caller's */
    bool fatal;          /* it could not write: no use in going on */
    bool bad_index;      /* the cached index could not be opened */
} leann_outcome;

typedef leann_status (*leann_worker_fn)(leann_ctx *ctx, const leann_job *job, const uint32_t *todo, uint32_t n);

/* Forks; the child runs fn with a context of its own (seed of the cell, threads) and ends. The parent passes on what it says, watches
 * its resident memory at 20 Hz and its time, and passes on the cancelling of ctx. build: the time limit is build_s until BUILT, else
 * search_s for each point. The child is ended with the parent, even by SIGKILL.
 *   errors  EIO the system gives no process or pipe; how the child ended is *out and no error
 *   threads the caller must not have threads of its own */
leann_status leann_worker_run(leann_ctx *ctx, const leann_job *job, leann_worker_fn fn, const uint32_t *todo, uint32_t n, unsigned threads,
                              bool build, leann_worker_heard heard, void *arg, leann_outcome *out);

#endif
