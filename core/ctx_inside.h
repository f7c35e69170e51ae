/* ctx_inside.h – the fields of a context, for core/ctx.c, core/pool.c and core/pages.c only.
 *
 * A context is a root (made by leann_ctx_new) or a worker's child (made by the pool of a root). Children share the root's cancel
 * flag and progress call; everything else is their own, and what they counted is added to the root's when a job ends.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_CTX_INSIDE_H
#define LEANN_CTX_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/ctx.h"

enum { CTX_ERROR_BYTES = 2048, CTX_FACTS = 64, CTX_FACT_NAME = 48 };

typedef struct {
    char name[CTX_FACT_NAME];
    double value;
    size_t chunk; /* which chunk stated it: the last one stands, whoever ran it */
} ctx_fact;

typedef struct ctx_block ctx_block; /* of scratch, defined in ctx.c */
typedef struct ctx_pool ctx_pool;   /* of workers, defined in pool.c */
typedef struct ctx_ring ctx_ring;   /* of page reads, defined in pages.c */

struct leann_ctx {
    leann_ctx *root;       /* itself for a root */
    atomic_bool cancelled; /* the root's counts */
    unsigned threads;
    uint64_t seed;
    leann_status status;
    char error[CTX_ERROR_BYTES];
    ctx_block *bottom, *top; /* scratch: top is the block in use, NULL before the first */
    uint16_t *marks;
    uint32_t marks_n;
    uint64_t *bits; /* (bits_n) words, zero between calls */
    size_t bits_n;
    uint16_t epoch;
    leann_work work;
    ctx_fact facts[CTX_FACTS]; /* by name, ascending */
    size_t facts_n, chunk;
    pthread_mutex_t progress_lock; /* root: guards the five below */
    leann_progress_fn progress;
    void *progress_arg;
    uint64_t progress_ns;
    bool progress_ended;               /* the last call said done = total … */
    char progress_what[CTX_FACT_NAME]; /* … of this stage */
    leann_trace_fn trace;
    void *trace_arg;
    ctx_pool *pool; /* root: NULL before the first parallel job */
    ctx_ring *ring; /* NULL before the first batch of page reads */
};

leann_ctx *ctx_make(leann_ctx *root, uint64_t seed, unsigned threads); /* root NULL: makes a root */
void ctx_fact_put(leann_ctx *ctx, const char *name, double value, size_t chunk);
void ctx_pool_free(ctx_pool *pool); /* NULL is fine */
void ctx_ring_free(ctx_ring *ring); /* NULL is fine */

#endif
