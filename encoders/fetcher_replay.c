/* fetcher_replay.c – exact vectors from the data set itself, each fetch counted as a recomputation: the encoder's stand-in for sweeps.
 *
 * Source: none; it stands in for an encoder.
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "encoders/fetched.h"

extern const leann_fetcher_type leann_fetcher_replay;

typedef struct {
    uint32_t batch;
} replay_params;

static const leann_param table[] = {
    LEANN_PARAM_INT(replay_params, batch, 1, 65536, "64", "vectors a batch: what one call of the encoder it stands for would take"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_fetcher common;
    leann_rows source;
} replay;

static leann_status replay_open(leann_ctx *ctx, const leann_rows *source, const leann_dataset *data, const void *params,
                                leann_fetcher **out)
{
    (void)data;
    const replay_params *p = params;
    replay *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return leann_ctx_status(ctx);
    self->common = (leann_fetcher){&leann_fetcher_replay, source->n, source->d, p->batch};
    self->source = *source;
    *out = &self->common;
    return LEANN_OK;
}

static leann_status replay_submit(const leann_fetcher *fetcher, leann_ctx *ctx, const uint32_t *ids, uint32_t n, uint64_t *ticket)
{
    const replay *self = (const replay *)(const void *)fetcher;
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] >= fetcher->n) return leann_fail(ctx, LEANN_EINVAL, "vector %u asked for, but the source has %u", ids[i], fetcher->n);
    leann_fetched *f = leann_fetched_new(ctx, n, fetcher->d);
    if (!f) return leann_ctx_status(ctx);
    leann_rows_gather(self->source, ids, n, f->x);
    *ticket = leann_fetched_done(ctx, f);
    return LEANN_OK;
}

static void replay_free(leann_fetcher *fetcher)
{
    leann_free(fetcher);
}

const leann_fetcher_type leann_fetcher_replay = {
    .common = {"replay", 1, "vectors of the data set itself, each fetch counted as a recomputation",
               "none: a stand-in for an encoder in sweeps", table, sizeof(replay_params)},
    .open = replay_open,
    .submit = replay_submit,
    .collect = leann_fetched_collect,
    .free = replay_free,
};
