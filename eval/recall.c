/* recall.c – recall_tie and ANN-benchmarks' recall of one answer.
 *
 * A query costs gt_k distances once; an answer one for each of its ids that is no exact neighbour.
 *
 * Source: recall_annb follows ann-benchmarks' `knn` metric (Aumüller, Bernhardsson & Faithfull 2020), epsilon 1e-3.
 * Differs: repeated ids count once (the original scores ten copies of one neighbour as 1.0); distances are float64 and computed from
 *          the rows, not read from a file, so that an answer is never judged by its own word.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/recall.h"
#include "core/product.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is true ---------------------------------------------------------------------------------------------------------- */

leann_status leann_truth_new(leann_ctx *ctx, const leann_dataset *data, leann_truth *out)
{
    *out = (leann_truth){.data = data};
    if (!data->neighbors || !data->gt_k)
        return leann_fail(ctx, LEANN_EUNSUPPORTED,
                          "data set '%s' has no exact neighbours, so recall cannot be computed: run `leann dataset groundtruth` on it",
                          data->name);
    size_t bytes = data->gt_k * sizeof(double);
    out->near = leann_alloc(ctx, data->test.n, bytes);
    out->sorted = leann_alloc(ctx, data->test.n, bytes);
    out->known = leann_alloc(ctx, data->test.n, sizeof *out->known);
    if (out->near && out->sorted && out->known) return LEANN_OK;
    leann_truth_free(out);
    return LEANN_ENOMEM;
}

void leann_truth_free(leann_truth *truth)
{
    leann_free(truth->near);
    leann_free(truth->sorted);
    leann_free(truth->known);
    *truth = (leann_truth){0};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef struct {
    leann_truth *truth;
    const uint32_t *rows;
} learn_job;

static leann_status learn(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker;
    const learn_job *job = arg;
    const leann_truth *truth = job->truth;
    const leann_dataset *data = truth->data;
    size_t k = data->gt_k;
    for (size_t i = begin; i < end; i++) {
        size_t row = job->rows[i];
        const uint32_t *ids = data->neighbors + row * k;
        double *near = truth->near + row * k, *sorted = truth->sorted + row * k;
        for (size_t j = 0; j < k; j++) near[j] = leann_distance_f64(data->test, (uint32_t)row, data->train, ids[j]);
        memcpy(sorted, near, k * sizeof *sorted);
        qsort(sorted, k, sizeof *sorted, by_value);
    }
    return LEANN_OK;
}

leann_status leann_truth_learn(leann_ctx *ctx, leann_truth *truth, const uint32_t *rows, uint32_t n, uint32_t k)
{
    const leann_dataset *data = truth->data;
    if (k < 1 || k > data->gt_k)
        return leann_fail(ctx, LEANN_EINVAL, "k = %u: data set '%s' has %u exact neighbours a query, so k must be 1 to %u", k, data->name,
                          data->gt_k, data->gt_k);
    size_t mark = leann_scratch_mark(ctx), count = 0;
    uint32_t *fresh = leann_scratch(ctx, (size_t)n * sizeof *fresh);
    if (!fresh) return leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n; i++) {
        if (truth->known[rows[i]]) continue;
        truth->known[rows[i]] = true; /* a row that comes twice is one worker's */
        fresh[count++] = rows[i];
    }
    leann_status status = leann_parallel(ctx, count, 64, learn, &(learn_job){truth, fresh});
    for (size_t i = 0; i < count && status; i++) truth->known[fresh[i]] = false;
    leann_scratch_reset(ctx, mark);
    return status;
}

/* ---- recall ------------------------------------------------------------------------------------------------------------------ */

static bool seen(const uint32_t *ids, uint32_t at)
{
    for (uint32_t j = 0; j < at; j++)
        if (ids[j] == ids[at]) return true;
    return false;
}

static double distance(const leann_truth *truth, uint32_t row, uint32_t id)
{
    const leann_dataset *data = truth->data;
    const uint32_t *near = data->neighbors + (size_t)row * data->gt_k;
    uint32_t at = LEANN_NONE;
    for (uint32_t j = 0; j < data->gt_k; j++) at = near[j] == id ? j : at; /* no way out early, so that it takes vectors */
    if (at != LEANN_NONE) return truth->near[(size_t)row * data->gt_k + at];
    return leann_distance_f64(data->test, row, data->train, id);
}

void leann_recall_both(const leann_truth *truth, uint32_t row, uint32_t k, const uint32_t *ids, double *tie, double *annb)
{
    uint32_t good = 0, near = 0;
    bool root = truth->data->train.space == LEANN_L2;
    double dk = leann_truth_limit(truth, row, k), limit = (root ? sqrt(dk) : dk) + 1e-3;
    for (uint32_t j = 0; j < k; j++) {
        if (ids[j] >= truth->data->train.n || seen(ids, j)) continue;
        double key = distance(truth, row, ids[j]);
        good += key <= dk;
        near += (root ? sqrt(key) : key) <= limit;
    }
    *tie = (double)good / k; /* k distinct ids at most: never above 1 */
    *annb = (double)near / k;
}

double leann_recall_tie(const leann_truth *truth, uint32_t row, uint32_t k, const uint32_t *ids)
{
    double tie, annb;
    leann_recall_both(truth, row, k, ids, &tie, &annb);
    return tie;
}

leann_status leann_recall_mean(leann_ctx *ctx, const leann_dataset *data, const uint32_t *ids, uint32_t n, uint32_t k, double *recall)
{
    leann_truth truth = {0};
    double sum = 0;
    uint32_t *rows = leann_alloc(ctx, n, sizeof *rows);
    leann_status status = rows ? leann_truth_new(ctx, data, &truth) : LEANN_ENOMEM;
    for (uint32_t i = 0; i < n && !status; i++) rows[i] = i;
    if (!status) status = leann_truth_learn(ctx, &truth, rows, n, k);
    for (uint32_t i = 0; i < n && !status; i++) sum += leann_recall_tie(&truth, i, k, ids + (size_t)i * k);
    if (!status) *recall = sum / n;
    leann_free(rows);
    leann_truth_free(&truth);
    return status;
}
