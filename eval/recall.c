/* recall.c – recall_tie and ANN-benchmarks' recall of one answer, and the fixed split of the queries.
 *
 * n queries cost n * gt_k distances for their limits and k distances an answer.
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

typedef struct {
    const leann_dataset *data;
    const uint32_t *rows;
    uint32_t k;
    double *dk;
} limits_job;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* All gt_k distances are sorted, not the k-th looked up: a file made in float32 may have neighbours out of order around k. */
static leann_status limits(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    limits_job *job = arg;
    const leann_dataset *data = job->data;
    size_t mark = leann_scratch_mark(worker);
    double *all = leann_scratch(worker, data->gt_k * sizeof *all);
    if (!all) return LEANN_ENOMEM;
    for (size_t i = begin; i < end; i++) {
        const uint32_t *near = data->neighbors + (size_t)job->rows[i] * data->gt_k;
        for (uint32_t j = 0; j < data->gt_k; j++) all[j] = leann_distance_f64(data->test, job->rows[i], data->train, near[j]);
        qsort(all, data->gt_k, sizeof *all, by_value);
        job->dk[i] = all[job->k - 1];
    }
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

leann_status leann_recall_limits(leann_ctx *ctx, const leann_dataset *data, const uint32_t *rows, uint32_t n, uint32_t k, double *dk)
{
    if (!data->neighbors || !data->gt_k)
        return leann_fail(ctx, LEANN_EUNSUPPORTED,
                          "data set '%s' has no exact neighbours, so recall cannot be computed: run `leann dataset groundtruth` on it",
                          data->name);
    if (k < 1 || k > data->gt_k)
        return leann_fail(ctx, LEANN_EINVAL, "k = %u: data set '%s' has %u exact neighbours a query, so k must be 1 to %u", k, data->name,
                          data->gt_k, data->gt_k);
    limits_job job = {data, rows, k, dk};
    return leann_parallel(ctx, n, 64, limits, &job);
}

static bool seen(const uint32_t *ids, uint32_t at)
{
    for (uint32_t j = 0; j < at; j++)
        if (ids[j] == ids[at]) return true;
    return false;
}

void leann_recall_both(const leann_dataset *data, uint32_t row, uint32_t k, double dk, const uint32_t *ids, double *tie, double *annb)
{
    uint32_t good = 0, near = 0;
    bool root = data->train.space == LEANN_L2;
    double limit = (root ? sqrt(dk) : dk) + 1e-3;
    for (uint32_t j = 0; j < k; j++) {
        if (ids[j] >= data->train.n || seen(ids, j)) continue;
        double key = leann_distance_f64(data->test, row, data->train, ids[j]);
        good += key <= dk;
        near += (root ? sqrt(key) : key) <= limit;
    }
    *tie = (double)good / k; /* k distinct ids at most: never above 1 */
    *annb = (double)near / k;
}

double leann_recall_tie(const leann_dataset *data, uint32_t row, uint32_t k, double dk, const uint32_t *ids)
{
    double tie, annb;
    leann_recall_both(data, row, k, dk, ids, &tie, &annb);
    return tie;
}

double leann_recall_annb(const leann_dataset *data, uint32_t row, uint32_t k, double dk, const uint32_t *ids)
{
    double tie, annb;
    leann_recall_both(data, row, k, dk, ids, &tie, &annb);
    return annb;
}

leann_status leann_split(leann_ctx *ctx, uint32_t test_rows, uint32_t queries, uint32_t *order, uint32_t *tune)
{
    if (queries > test_rows) return leann_fail(ctx, LEANN_EINVAL, "queries = %u: the data set has %u test rows", queries, test_rows);
    leann_rng rng = leann_rng_at(1, "split", 0);
    size_t mark = leann_scratch_mark(ctx);
    uint32_t *all = leann_scratch(ctx, (size_t)test_rows * sizeof *all);
    if (!all) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < test_rows; i++) all[i] = i;
    uint32_t used = queries ? queries : test_rows;
    for (uint32_t i = 0; i < used; i++) { /* Fisher and Yates, from the front: fewer queries are a prefix of more */
        uint32_t j = i + leann_rng_below(&rng, test_rows - i), swap = all[i];
        all[i] = all[j];
        all[j] = swap;
        order[i] = all[i];
    }
    leann_scratch_reset(ctx, mark);
    *tune = used / 2;
    return LEANN_OK;
}
