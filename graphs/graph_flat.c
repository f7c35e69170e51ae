/* graph_flat.c – no edges: a search scans all n nodes. The referee of the other graphs, and the right answer for a few hundred anchors.
 *
 * Source: none; the scan itself is in core/walk.c.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph.h"

static leann_status build(leann_ctx *ctx, const leann_oracle *oracle, const void *params, leann_graph **out)
{
    (void)params;
    leann_status status = leann_graph_new(ctx, oracle->n, 0, 0, NULL, out);
    if (!status) (*out)->default_ef = 1;
    return status;
}

static void predict(uint64_t n, uint64_t seed, const void *params, leann_ledger *ledger)
{
    (void)seed, (void)params;
    leann_graph_predict(n, 0, 0, 0, ledger);
}

static uint32_t default_ef(const void *params)
{
    (void)params;
    return 1;
}

static uint32_t slots(const void *params)
{
    (void)params;
    return 0;
}

extern const leann_graph_type leann_graph_flat;
const leann_graph_type leann_graph_flat = {
    .common = {.name = "flat", .revision = 1, .about = "no edges: a search scans all nodes", .source = "exhaustive search"},
    .build = build,
    .predict = predict,
    .default_ef = default_ef,
    .slots = slots,
};
