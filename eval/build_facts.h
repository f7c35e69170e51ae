/* build_facts.h – what a built index is worth before any query: coverage, balance, quantisation error and degrees.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_BUILD_FACTS_H
#define LEANN_BUILD_FACTS_H

#include "core/plugin.h"

/* The measures of an index over the data set it was built from, as a new map; those that do not apply are left out.
 *   anchors or lists  tau, coverage, coverage_auc, coverage_knn, radius_p50, radius_p99, radius_max, facility_location, anchor_error,
 *                     balance, entropy, gini, max_over_mean, empty_anchors, anchors
 *   answers from codes quantization_error, mse, codes_bias; 0 where exact vectors are kept
 *   a graph            mean_degree, and as lists out_degrees, hub_links
 *   folder  a cache folder for what depends on the data set or the anchors alone, or NULL
 *   units   distances are Euclidean, of the rows as builds see them (inner product: lifted)
 *   threads in parallel; the same values for any number
 *   cost    n * m products once per set of anchors, 2000 * n once per data set, a decode of at most 2e8 numbers per index */
leann_status leann_build_facts(leann_ctx *ctx, const leann_dataset *data, const leann_index *index, const char *folder, leann_value **out);

/* The formulas alone, for tests and tools. radius (n): distance of each row to its nearest anchor; count (m): rows per anchor.
 * Both add their measures to facts. radius is sorted in place. */
void leann_facts_coverage(leann_value *facts, float *radius, uint32_t n, double tau);
void leann_facts_balance(leann_value *facts, const uint64_t *count, uint32_t m);
/* out_degrees and hub_links of a graph with links, on level 0; ENOMEM. */
leann_status leann_facts_degrees(leann_ctx *ctx, leann_value *facts, const leann_graph *graph);

#endif
