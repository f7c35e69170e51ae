/* kmeans.c – k centroids (k, d) of rows (n, d) in L2: a k-means++ start in O(n k d), then Lloyd's rounds of O(n k d) each.
 *
 * Assignment is leann_nearest. The update sums each list's rows in id order in float64, one list at a time, so that bits do not
 * depend on the number of threads.
 *
 * Source: Lloyd 1982; k-means++: Arthur & Vassilvitskii 2007.
 * Differs: the start draws up to 64 candidates from the D² law as it stood and accepts each with the chance D²(now) / D²(then).
 *   By that rejection what is accepted follows the k-means++ law exactly, yet distances come from products of blocks instead of
 *   k passes over the rows. An empty list takes the far half of the largest: the members nearer to its farthest member than to
 *   its centroid.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/simd/kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { DRAWS = 64, CHUNK = 1024, LISTS = 4 };

typedef struct {
    leann_rows rows; /* the training rows, L2 */
    uint32_t k;
    uint64_t seed;
    const char *stage;
    float *centroids;         /* (k, d), the caller's */
    uint32_t *owner, *before; /* (n) of this round and of the last one */
    uint32_t *list_off;       /* (k + 1) */
    uint32_t *list_ids;       /* (n) */
    uint32_t *from, *to;      /* (k) list j is list_ids[from[j] … to[j]): splitting moves these */
    float *key, *step;        /* (n) squared distance to the owner; to the newest centroids */
    double *running;          /* (chunks of rows) running totals of key */
} means;

/* ---- the start --------------------------------------------------------------------------------------------------------- */

static double run_totals(means *s)
{
    double total = 0;
    for (uint32_t i = 0; i < s->rows.n; i++) {
        total += (double)s->key[i];
        s->running[i / CHUNK] = total;
    }
    return total;
}

/* The row at which the running total of key passes r, never one whose key is 0. */
static uint32_t row_at(const means *s, double r)
{
    uint32_t low = 0, high = (s->rows.n - 1) / CHUNK;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->running[middle] > r)
            high = middle;
        else
            low = middle + 1;
    }
    double total = low ? s->running[low - 1] : 0;
    uint32_t row = low * CHUNK, left = s->rows.n - row, end = left < CHUNK ? s->rows.n : row + CHUNK;
    for (uint32_t i = row; i < end && total <= r; i++) {
        total += (double)s->key[i];
        if (s->key[i] > 0) row = i;
    }
    return row;
}

/* Candidates by the law of key; those accepted become the centroids from `have` on. How many, at least one. */
static uint32_t draw(means *s, uint32_t have, uint32_t pass, double total)
{
    const leann_kernels *kernels = leann_kernels_get();
    leann_rng rng = leann_rng_at(s->seed, s->stage, pass);
    size_t d = s->rows.d;
    uint32_t taken = 0;
    for (uint32_t i = 0; i < DRAWS && have + taken < s->k; i++) {
        uint32_t row = row_at(s, leann_rng_real(&rng) * total);
        double chance = leann_rng_real(&rng);
        float *mine = s->centroids + (have + taken) * d, now = s->key[row];
        leann_rows_floats(s->rows, row, 1, mine);
        for (uint32_t j = 0; j < taken; j++) now = fminf(now, kernels->l2_f32(mine, s->centroids + (have + j) * d, d));
        if (taken == 0 || chance * (double)s->key[row] < (double)now) taken++;
    }
    return taken;
}

static leann_status start(leann_ctx *ctx, means *s)
{
    size_t d = s->rows.d;
    leann_rng rng = leann_rng_at(s->seed, s->stage, 0);
    leann_rows_floats(s->rows, leann_rng_below(&rng, s->rows.n), 1, s->centroids);
    for (uint32_t i = 0; i < s->rows.n; i++) s->key[i] = INFINITY;
    uint32_t have = 1, fresh = 1;
    for (uint32_t pass = 1; have < s->k; pass++) {
        leann_status status = leann_nearest(ctx, s->rows, s->centroids + (have - fresh) * d, fresh, s->owner, s->step);
        if (status) return status;
        for (uint32_t i = 0; i < s->rows.n; i++) s->key[i] = fminf(s->key[i], s->step[i]);
        double total = run_totals(s);
        if (!(total > 0) || !isfinite(total)) break; /* every distinct row is a centroid */
        fresh = draw(s, have, pass, total);
        have += fresh;
    }
    for (uint32_t j = have; j < s->k; j++) memcpy(s->centroids + j * d, s->centroids + (j % have) * d, d * sizeof *s->centroids);
    return LEANN_OK;
}

/* ---- the update ---------------------------------------------------------------------------------------------------------- */

/* The mean of rows ids (n > 0), summed in that order. sum, x: (d) scratch. */
static void mean_of(leann_rows rows, const uint32_t *ids, uint32_t n, double *sum, float *x, float *mean)
{
    memset(sum, 0, rows.d * sizeof *sum);
    for (uint32_t i = 0; i < n; i++) {
        leann_rows_gather(rows, ids + i, 1, x);
        for (uint32_t j = 0; j < rows.d; j++) sum[j] += (double)x[j];
    }
    for (uint32_t j = 0; j < rows.d; j++) mean[j] = (float)(sum[j] / n);
}

static leann_status update(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    means *s = arg;
    size_t mark = leann_scratch_mark(worker), d = s->rows.d;
    double *sum = leann_scratch(worker, d * sizeof *sum);
    float *x = leann_scratch(worker, d * sizeof *x);
    if (!sum || !x) return LEANN_ENOMEM;
    for (size_t j = begin; j < end; j++)
        if (s->to[j] > s->from[j]) mean_of(s->rows, s->list_ids + s->from[j], s->to[j] - s->from[j], sum, x, s->centroids + j * d);
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

/* Gives the far half of list g to the empty list e. False when all its members are equal. sum, x, far: (d) scratch. */
static bool split(means *s, uint32_t g, uint32_t e, double *sum, float *x, float *far)
{
    const leann_kernels *kernels = leann_kernels_get();
    size_t d = s->rows.d;
    float *centroid = s->centroids + g * d, most = 0;
    for (uint32_t i = s->from[g]; i < s->to[g]; i++) {
        leann_rows_gather(s->rows, s->list_ids + i, 1, x);
        float key = kernels->l2_f32(x, centroid, d);
        if (key > most) {
            most = key;
            memcpy(far, x, d * sizeof *far);
        }
    }
    if (most == 0) return false;
    uint32_t *list = s->list_ids, *moved = s->owner, near_n = s->from[g], moved_n = 0; /* owner is free between rounds */
    for (uint32_t i = s->from[g]; i < s->to[g]; i++) {
        leann_rows_gather(s->rows, list + i, 1, x);
        if (kernels->l2_f32(x, far, d) < kernels->l2_f32(x, centroid, d))
            moved[moved_n++] = list[i];
        else
            list[near_n++] = list[i];
    }
    memcpy(list + near_n, moved, moved_n * sizeof *list);
    if (near_n == s->from[g]) return false; /* rounding: the farthest member is not apart from the rest */
    s->from[e] = near_n;
    s->to[e] = s->to[g];
    s->to[g] = near_n;
    mean_of(s->rows, list + s->from[g], s->to[g] - s->from[g], sum, x, centroid);
    mean_of(s->rows, list + s->from[e], moved_n, sum, x, s->centroids + e * d);
    return true;
}

static leann_status fill_empty(leann_ctx *ctx, means *s)
{
    size_t mark = leann_scratch_mark(ctx), d = s->rows.d;
    double *sum = leann_scratch(ctx, d * sizeof *sum);
    float *x = leann_scratch(ctx, d * sizeof *x), *far = leann_scratch(ctx, d * sizeof *far);
    uint8_t *whole = leann_scratch(ctx, s->k); /* cannot be split */
    leann_status status = sum && x && far && whole ? LEANN_OK : LEANN_ENOMEM;
    if (status) goto done;
    memset(whole, 0, s->k);
    for (uint32_t e = 0; e < s->k; e++) {
        if (s->to[e] > s->from[e]) continue;
        for (bool done = false; !done;) {
            uint32_t g = LEANN_NONE, most = 1;
            for (uint32_t j = 0; j < s->k; j++)
                if (!whole[j] && s->to[j] - s->from[j] > most) {
                    most = s->to[j] - s->from[j];
                    g = j;
                }
            if (g == LEANN_NONE) goto done; /* no two different rows share a list: repeats stay */
            done = split(s, g, e, sum, x, far);
            whole[g] = !done;
        }
    }
done:
    leann_scratch_reset(ctx, mark);
    return status;
}

/* ---- rounds ---------------------------------------------------------------------------------------------------------------- */

static leann_status rounds(leann_ctx *ctx, means *s, leann_kmeans_options options)
{
    for (uint32_t round = 0; round < options.iterations; round++) {
        leann_status status = leann_nearest(ctx, s->rows, s->centroids, s->k, s->owner, NULL);
        if (status) return status;
        if (round > 0 && memcmp(s->owner, s->before, s->rows.n * sizeof *s->owner) == 0) break;
        leann_lists_of(s->owner, s->rows.n, s->k, s->list_off, s->list_ids);
        memcpy(s->from, s->list_off, s->k * sizeof *s->from);
        memcpy(s->to, s->list_off + 1, s->k * sizeof *s->to);
        uint32_t *spare = s->before;
        s->before = s->owner;
        s->owner = spare;
        if ((status = leann_parallel(ctx, s->k, LISTS, update, s)) || (status = fill_empty(ctx, s))) return status;
        if (!options.quiet) leann_ctx_progress(ctx, options.stage, round + 1, options.iterations);
    }
    if (!options.quiet) leann_ctx_progress(ctx, options.stage, options.iterations, options.iterations);
    return LEANN_OK;
}

static leann_status sample_rows(leann_ctx *ctx, leann_rows rows, uint32_t samples, const char *stage, leann_rows *out)
{
    uint32_t *ids = leann_alloc(ctx, samples, sizeof *ids);
    if (!ids) return LEANN_ENOMEM;
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), stage, UINT64_MAX); /* the passes of the start take 0, 1, … */
    leann_rng_sample(&rng, rows.n, samples, true, ids);
    leann_status status = leann_rows_pick(ctx, rows, ids, samples, out);
    leann_free(ids);
    return status;
}

/* The final assignment of all rows: its owners and the sum of its keys, in row order. */
static leann_status settle(leann_ctx *ctx, leann_rows rows, const float *centroids, uint32_t k, uint32_t *owner, double *inertia)
{
    uint32_t *own = owner ? owner : leann_alloc(ctx, rows.n, sizeof *own);
    float *key = inertia ? leann_alloc(ctx, rows.n, sizeof *key) : NULL;
    leann_status status = LEANN_ENOMEM;
    if (!own || (inertia && !key)) goto done;
    status = leann_nearest(ctx, rows, centroids, k, own, key);
    if (inertia) {
        *inertia = 0;
        for (uint32_t i = 0; !status && i < rows.n; i++) *inertia += (double)key[i];
    }
done:
    if (!owner) leann_free(own);
    leann_free(key);
    return status;
}

leann_status leann_kmeans(leann_ctx *ctx, leann_rows rows, leann_kmeans_options options, float *centroids, uint32_t *owner, double *inertia)
{
    assert(options.k >= 1 && rows.n >= 1);
    bool sampled = options.samples > 0 && options.samples < rows.n;
    leann_rows training = rows, picked = {0};
    leann_status status = LEANN_OK;
    if (sampled && (status = sample_rows(ctx, rows, options.samples, options.stage, &picked))) return status;
    if (sampled) training = picked;
    training.space = LEANN_L2;
    uint32_t n = training.n, k = options.k;
    means s = {training, k, leann_ctx_seed(ctx), options.stage, centroids, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    s.owner = leann_alloc(ctx, n, sizeof *s.owner);
    s.before = leann_alloc(ctx, n, sizeof *s.before);
    s.list_off = leann_alloc(ctx, k + (size_t)1, sizeof *s.list_off);
    s.list_ids = leann_alloc(ctx, n, sizeof *s.list_ids);
    s.from = leann_alloc(ctx, k, sizeof *s.from);
    s.to = leann_alloc(ctx, k, sizeof *s.to);
    s.key = leann_alloc(ctx, n, sizeof *s.key);
    s.step = leann_alloc(ctx, n, sizeof *s.step);
    s.running = leann_alloc(ctx, n / CHUNK + (size_t)1, sizeof *s.running);
    status = LEANN_ENOMEM;
    if (!s.owner || !s.before || !s.list_off || !s.list_ids || !s.from || !s.to || !s.key || !s.step || !s.running) goto done;
    if ((status = start(ctx, &s)) || (status = rounds(ctx, &s, options))) goto done;
    if (owner || inertia) status = settle(ctx, rows, centroids, k, owner, inertia);
done:
    leann_free(s.owner);
    leann_free(s.before);
    leann_free(s.list_off);
    leann_free(s.list_ids);
    leann_free(s.from);
    leann_free(s.to);
    leann_free(s.key);
    leann_free(s.step);
    leann_free(s.running);
    leann_free((void *)(uintptr_t)picked.base);
    return status;
}
