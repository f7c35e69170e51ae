/* coverage.c – τ, the radius at which coverage is measured: a median neighbour distance on a sample, O(2000 n d) by products.
 *
 * Source: probability coverage, Yehuda et al. 2022 (arXiv 2205.11320).
 * Differs: the radius is not tuned for cluster purity but is the data's own: half the points have ceil(sqrt n) neighbours nearer.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLE = 2000, SEED = 1 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

leann_status leann_coverage_sample(leann_ctx *ctx, leann_rows rows, uint32_t rank, double *tau, uint32_t *n, uint32_t **row,
                                   double **radius)
{
    *tau = 0;
    *n = 0;
    *row = NULL;
    *radius = NULL;
    if (rows.n < 2) return LEANN_OK;
    if (rank == 0) rank = (uint32_t)ceil(sqrt(rows.n));
    if (rank > rows.n - 1) rank = rows.n - 1;
    rows.space = LEANN_L2;
    uint32_t picks = rows.n < SAMPLE ? rows.n : SAMPLE;
    size_t k = rank + (size_t)1; /* a point is its own nearest */
    leann_rows sample = {0};
    uint32_t *id = leann_alloc(ctx, picks, k * sizeof *id), *picked = leann_alloc(ctx, picks, sizeof *picked);
    double *dist = leann_alloc(ctx, picks, k * sizeof *dist), *found = leann_alloc(ctx, picks, 2 * sizeof *found);
    leann_status status = LEANN_ENOMEM;
    if (!id || !picked || !dist || !found) goto done;
    leann_rng rng = leann_rng_at(SEED, "tau", 0);
    leann_rng_sample(&rng, rows.n, picks, true, picked);
    if ((status = leann_rows_pick(ctx, rows, picked, picks, &sample))) goto done;
    if ((status = leann_exact(ctx, rows, sample, (uint32_t)k, id, dist))) goto done;
    for (uint32_t i = 0; i < picks; i++) found[i] = found[picks + i] = sqrt(dist[i * k + rank]);
    qsort(found + picks, picks, sizeof *found, ascending);
    *tau = (found[picks + (picks - 1) / 2] + found[picks + picks / 2]) / 2;
    *n = picks;
    *row = picked;
    *radius = found;
    picked = NULL;
    found = NULL;
done:
    leann_free(id);
    leann_free(picked);
    leann_free(dist);
    leann_free(found);
    leann_free((void *)(uintptr_t)sample.base);
    return status;
}

leann_status leann_coverage_radius(leann_ctx *ctx, leann_rows rows, uint32_t rank, double *tau)
{
    uint32_t n, *row;
    double *radius;
    leann_status status = leann_coverage_sample(ctx, rows, rank, tau, &n, &row, &radius);
    leann_free(row);
    leann_free(radius);
    return status;
}
