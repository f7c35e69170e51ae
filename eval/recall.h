/* recall.h – how many of an answer's ids are as near as the k-th true neighbour, judged in float64 from the data set's own rows.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_RECALL_H
#define LEANN_RECALL_H

#include "core/plugin.h"

/* The k-th smallest true distance of each query, from the exact neighbours that the data set names, each distance computed anew.
 *   shape   rows (n) rows of data->test; dk (n) out
 *   units   leann_distance_f64's: squared L2, 1 - cos, -<q, x>
 *   errors  EUNSUPPORTED the data set has no exact neighbours; EINVAL k is 0 or more than it has
 *   threads in parallel over queries
 *   cost    n * gt_k distances */
leann_status leann_recall_limits(leann_ctx *ctx, const leann_dataset *data, const uint32_t *rows, uint32_t n, uint32_t k, double *dk);

/* #{distinct ids i: D(q, x_i) <= dk} / k, at most 1; ids (k), LEANN_NONE is no answer. An id beyond the data set counts as no answer. */
double leann_recall_tie(const leann_dataset *data, uint32_t row, uint32_t k, double dk, const uint32_t *ids);

/* ANN-benchmarks' k-nn: #{distinct ids: distance <= gt[k - 1] + 1e-3} / k, in its own units (Euclidean distances are square-rooted).
 * Not held below 1 there, and not here: the epsilon admits extra ids. */
double leann_recall_annb(const leann_dataset *data, uint32_t row, uint32_t k, double dk, const uint32_t *ids);

/* Both at the price of one: k distances. */
void leann_recall_both(const leann_dataset *data, uint32_t row, uint32_t k, double dk, const uint32_t *ids, double *tie, double *annb);

/* The fixed split: the test rows used, shuffled by seed 1 whatever the cell's seed; the first half tunes, the rest report (one
 * query: nothing tunes). Fewer queries are a prefix of more.
 *   shape   queries <= test_rows are used (0: all); order (queries) out: order[0 .. tune) tune, order[tune .. queries) report
 *   errors  EINVAL more queries than test rows */
leann_status leann_split(leann_ctx *ctx, uint32_t test_rows, uint32_t queries, uint32_t *order, uint32_t *tune);

#endif
