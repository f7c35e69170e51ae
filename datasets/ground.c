/* ground.c – exact neighbours of test (q, d) in train (n, d), a block of rows at a time; O(q n d) by products (core/exact.c).
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "datasets/raw.h"
#include "datasets/write.h"

#include <math.h>

static leann_status unit(leann_ctx *ctx, leann_rows rows, uint32_t first, uint32_t n, float *x, leann_rows *out)
{
    uint32_t bad = leann_rows_unit(rows, first, n, x);
    *out = (leann_rows){.base = x, .stride = rows.d * sizeof(float), .n = n, .d = rows.d, .type = LEANN_F32, .space = rows.space};
    return bad == rows.n ? LEANN_OK : leann_fail(ctx, LEANN_EINVAL, "row %u is zero: it has no direction, so no angular distance", bad);
}

static float answer(leann_space space, double key)
{
    return (float)(space == LEANN_L2 ? sqrt(key > 0 ? key : 0) : key);
}

leann_status leann_groundtruth(leann_ctx *ctx, leann_rows train, leann_rows test, uint32_t k, uint32_t *ids, float *dist)
{
    leann_exact_scan *scan = NULL;
    float *queries = NULL, *rows = NULL;
    double *key = NULL;
    bool angular = train.space == LEANN_ANGULAR;
    uint64_t fit = ((uint64_t)64 << 20) / (train.d * sizeof(float));
    uint32_t block = fit < 256 ? 256 : fit > 32768 ? 32768 : (uint32_t)fit;
    leann_status status = LEANN_OK;
    if (angular && !(queries = leann_alloc(ctx, (size_t)test.n * test.d, sizeof *queries))) return LEANN_ENOMEM;
    if (angular && (status = unit(ctx, test, 0, test.n, queries, &test)) != LEANN_OK) goto done;
    if ((angular && !(rows = leann_alloc(ctx, (size_t)block * train.d, sizeof *rows))) ||
        !(key = leann_alloc(ctx, (size_t)test.n * k, sizeof *key))) {
        status = LEANN_ENOMEM;
        goto done;
    }
    if ((status = leann_exact_begin(ctx, test, k, &scan)) != LEANN_OK) goto done;
    for (uint32_t i = 0; i < train.n; i += block) {
        uint32_t now = train.n - i < block ? train.n - i : block;
        leann_rows part = train;
        part.base = leann_row(train, i);
        part.n = now;
        if (angular && (status = unit(ctx, train, i, now, rows, &part)) != LEANN_OK) goto done;
        leann_ctx_progress(ctx, "ground truth", i, train.n);
        if (leann_ctx_cancelled(ctx)) status = leann_fail(ctx, LEANN_EINTR, "interrupted");
        if (status != LEANN_OK || (status = leann_exact_add(ctx, scan, part, i)) != LEANN_OK) goto done;
    }
    if ((status = leann_exact_end(ctx, scan, ids, key)) != LEANN_OK) goto done;
    for (size_t i = 0; i < (size_t)test.n * k; i++) dist[i] = answer(train.space, key[i]);
    leann_ctx_progress(ctx, "ground truth", train.n, train.n);
done:
    leann_exact_free(scan);
    leann_free(key);
    leann_free(rows);
    leann_free(queries);
    return status;
}

leann_status leann_output_groundtruth(leann_ctx *ctx, leann_output *o, uint32_t k)
{
    leann_rows train, test;
    uint32_t *ids = NULL;
    float *dist = NULL;
    leann_status status = LEANN_OK;
    if ((status = leann_output_rows(o, LEANN_TO_TRAIN, &train)) != LEANN_OK) return status;
    if ((status = leann_output_rows(o, LEANN_TO_TEST, &test)) != LEANN_OK) return status;
    ids = leann_alloc(ctx, (size_t)test.n * k, sizeof *ids);
    dist = leann_alloc(ctx, (size_t)test.n * k, sizeof *dist);
    status = ids && dist ? leann_groundtruth(ctx, train, test, k, ids, dist) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_output_put(o, LEANN_TO_NEIGHBORS, 0, test.n, ids);
    if (status == LEANN_OK) status = leann_output_put(o, LEANN_TO_DISTANCES, 0, test.n, dist);
    leann_free(ids);
    leann_free(dist);
    return status;
}
