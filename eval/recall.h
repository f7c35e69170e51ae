/* recall.h – how many of an answer's ids are as near as the k-th true neighbour, judged in float64 from the data set's own rows.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_RECALL_H
#define LEANN_RECALL_H

#include "core/plugin.h"

/* What answers are judged by: the distances of the exact neighbours that a data set names, computed from its rows once a query.
 *   shape   near, sorted (test.n, gt_k): in the order of data->neighbors, and ascending: a file made in float32 may have neighbours out
 *           of order; known (test.n)
 *   units   leann_distance_f64's: squared L2, 1 - cos, -<q, x> */
typedef struct {
    const leann_dataset *data;
    double *near, *sorted;
    bool *known;
} leann_truth;

/* Knows no query yet; data must outlive it.
 *   errors  EUNSUPPORTED the data set has no exact neighbours; ENOMEM */
leann_status leann_truth_new(leann_ctx *ctx, const leann_dataset *data, leann_truth *out);
void leann_truth_free(leann_truth *truth);

/* Learns what it does not know yet of rows (n) of data->test, so that answers of k can be judged.
 *   errors  EINVAL k is 0 or more than the data set has neighbours; ENOMEM
 *   threads in parallel over queries
 *   cost    gt_k distances a query */
leann_status leann_truth_learn(leann_ctx *ctx, leann_truth *truth, const uint32_t *rows, uint32_t n, uint32_t k);

/* The k-th smallest true distance of a learnt row. */
static inline double leann_truth_limit(const leann_truth *truth, uint32_t row, uint32_t k)
{
    return truth->sorted[(size_t)row * truth->data->gt_k + k - 1];
}

/* Of an answer's ids (k) to a learnt row:
 *   tie     #{distinct ids i: D(q, x_i) <= D_k} / k, at most 1; LEANN_NONE and ids beyond the data set are no answers
 *   annb    ANN-benchmarks' k-nn, #{distinct ids: distance <= gt[k - 1] + 1e-3} / k in its own units (Euclidean distances are
 *           square-rooted); not held below 1 there, and not here: the epsilon admits extra ids
 *   threads any number
 *   cost    a distance for each id that is no exact neighbour */
void leann_recall_both(const leann_truth *truth, uint32_t row, uint32_t k, const uint32_t *ids, double *tie, double *annb);
double leann_recall_tie(const leann_truth *truth, uint32_t row, uint32_t k, const uint32_t *ids);

/* The mean recall_tie of answers ids (n, k) to the first n test rows. errors as for the three calls above. */
leann_status leann_recall_mean(leann_ctx *ctx, const leann_dataset *data, const uint32_t *ids, uint32_t n, uint32_t k, double *recall);

#endif
