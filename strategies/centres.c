/* centres.c – k-means centroids (k, d) of rows (n, d), or medoids: the member of each list that is nearest to its centroid.
 *
 * Source: k-means: core/kmeans.c; medoids by one alternation: Park & Jun 2009.
 * Differs: a list without members (fewer distinct rows than k) takes the row that is farthest from its own centroid and is no
 *   medoid yet.
 *
 * SPDX-License-Identifier: MIT */
#include "strategies/centres.h"
#include "core/topk.h"

#include <stdlib.h>

static int farthest_first(const void *a, const void *b)
{
    leann_hit x = *(const leann_hit *)a, y = *(const leann_hit *)b;
    if (x.key != y.key) return x.key < y.key ? 1 : -1;
    return (x.id > y.id) - (x.id < y.id);
}

/* ids (k): the nearest member of each list; key becomes -1 where a row is taken. Rows for empty lists come from the far end. */
static leann_status choose(leann_ctx *ctx, const uint32_t *owner, float *key, uint32_t n, uint32_t k, uint32_t *ids)
{
    uint32_t empty = k, next = 0;
    for (uint32_t j = 0; j < k; j++) ids[j] = LEANN_NONE;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *mine = &ids[owner[i]];
        empty -= *mine == LEANN_NONE;
        if (*mine == LEANN_NONE || key[i] < key[*mine]) *mine = i;
    }
    if (!empty) return LEANN_OK;
    leann_hit *far = leann_alloc(ctx, n, sizeof *far);
    if (!far) return LEANN_ENOMEM;
    for (uint32_t j = 0; j < k; j++)
        if (ids[j] != LEANN_NONE) key[ids[j]] = -1;
    for (uint32_t i = 0; i < n; i++) far[i] = (leann_hit){key[i], i};
    qsort(far, n, sizeof *far, farthest_first);
    for (uint32_t j = 0; j < k; j++)
        if (ids[j] == LEANN_NONE) ids[j] = far[next++].id;
    leann_free(far);
    return LEANN_OK;
}

leann_status leann_centres_of(leann_ctx *ctx, leann_rows rows, leann_kmeans_options options, bool medoids, float *centre, uint32_t *ids)
{
    uint32_t k = options.k, n = rows.n;
    if (options.samples > 0 && options.samples < k)
        return leann_fail(ctx, LEANN_EINVAL, "samples is %u, but at least the %u anchors (0: all rows)", options.samples, k);
    rows.space = LEANN_L2;
    leann_status status = leann_kmeans(ctx, rows, options, centre, NULL, NULL);
    for (uint32_t j = 0; j < k; j++) ids[j] = LEANN_NONE;
    if (status || !medoids) return status;
    uint32_t *owner = leann_alloc(ctx, n, sizeof *owner);
    float *key = leann_alloc(ctx, n, sizeof *key);
    status = LEANN_ENOMEM;
    if (!owner || !key) goto done;
    if ((status = leann_nearest(ctx, rows, centre, k, owner, key))) goto done;
    if ((status = choose(ctx, owner, key, n, k, ids))) goto done;
    leann_rows_gather(rows, ids, k, centre);
done:
    leann_free(owner);
    leann_free(key);
    return status;
}

leann_status leann_centres_new(leann_ctx *ctx, uint32_t m, uint32_t d, leann_anchors *out)
{
    *out = (leann_anchors){m, d, leann_alloc(ctx, m, d * sizeof *out->rows), leann_alloc(ctx, m, sizeof *out->ids)};
    if (out->rows && out->ids) return LEANN_OK;
    leann_anchors_free(out);
    return LEANN_ENOMEM;
}
