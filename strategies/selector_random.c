/* selector_random.c – m of n rows, each set of m equally likely: O(m d). What the other selectors have to beat.
 *
 * Source: simple random sampling without replacement, by the Philox generator of core/rng.c.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

static leann_status pick(leann_ctx *ctx, const leann_dataset *data, uint32_t m, const void *params, leann_anchors *out)
{
    (void)params;
    uint32_t *ids = leann_alloc(ctx, m, sizeof *ids);
    if (!ids) return LEANN_ENOMEM;
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "selector random", 0);
    leann_rng_sample(&rng, data->train.n, m, true, ids);
    leann_status status = leann_rows_anchors(ctx, data->train, ids, m, out);
    leann_free(ids);
    return status;
}

extern const leann_selector_type leann_selector_random;
const leann_selector_type leann_selector_random = {
    .common = {.name = "random", .revision = 1, .about = "rows drawn uniformly without repeats", .source = "simple random sampling"},
    .select = pick,
};
