/* fetched.h – vectors that a fetcher has as soon as they are asked for: the ticket is where they lie in the context's scratch, so that one
 * context may have several under way.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_FETCHED_H
#define LEANN_FETCHED_H

#include "core/plugin.h"

typedef struct {
    uint32_t n;
    float *x; /* (n, d) */
} leann_fetched;

/* Room for n vectors; NULL with ENOMEM in ctx. */
static inline leann_fetched *leann_fetched_new(leann_ctx *ctx, uint32_t n, uint32_t d)
{
    leann_fetched *self = leann_scratch(ctx, sizeof *self);
    float *x = leann_scratch(ctx, (size_t)n * d * sizeof *x);
    if (!self || !x) return NULL;
    *self = (leann_fetched){n, x};
    return self;
}

/* They are there, by one call of an encoder: counts them, and gives the ticket. */
static inline uint64_t leann_fetched_done(leann_ctx *ctx, const leann_fetched *self)
{
    leann_work *work = leann_ctx_work(ctx);
    work->fetches += self->n;
    work->recomputes += self->n;
    work->encoder_calls += 1;
    return (uintptr_t)self;
}

/* The collect of such a fetcher: never late. */
static inline leann_status leann_fetched_collect(const leann_fetcher *fetcher, leann_ctx *ctx, uint64_t ticket, int64_t deadline_ns,
                                                 leann_rows *out)
{
    (void)ctx, (void)deadline_ns;
    const leann_fetched *self = (const leann_fetched *)(uintptr_t)ticket;
    *out = (leann_rows){self->x, fetcher->d * sizeof(float), self->n, fetcher->d, LEANN_F32, LEANN_L2};
    return LEANN_OK;
}

#endif
