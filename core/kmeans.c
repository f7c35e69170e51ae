/* kmeans.c – k centroids (k, d) of rows (n, d) in L2: k-means++ on a sample, rounds on growing samples, then rounds on all rows.
 *
 * The first sample is of BASE k rows; each next one doubles, SAMPLE_ROUNDS rounds on each, so that the rounds on all rows start near
 * rest. Where shadows pay, an assignment costs O(n k 64), else O(n k d) by leann_nearest. The update sums each list's rows in id order
 * in float64 (bytes in integers), one list at a time, so that bits do not depend on the number of threads. It also carries on a share
 * of the step before; where that made the inertia grow, and in the last round, it does not, so that centroids end as means.
 *
 * Source: Lloyd 1982; k-means++: Arthur & Vassilvitskii 2007; growing samples: Newling & Fleuret 2016; the carried step: Polyak 1964.
 * Differs: the start draws up to 64 candidates from the D² law as it stood and accepts each with the chance D²(now) / D²(then).
 *   By that rejection what is accepted follows the k-means++ law exactly, yet distances come from products of blocks instead of
 *   k passes over the rows. An empty list takes the far half of the largest: the members nearer to its farthest member than to
 *   its centroid.
 *
 * SPDX-License-Identifier: MIT */
#include "core/shadow.h"
#include "core/simd/kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    DRAWS = 64,
    CHUNK = 1024,
    LISTS = 4,
    BASE = 16,         /* rows a centroid in the first sample */
    SAMPLE_ROUNDS = 4, /* on each sample */
    DENSE = 8          /* shadows that let more than one anchor in so many through cost more than products */
};

/* The share of the last step that the next one carries on: on samples, and on all rows. */
static const float SAMPLE_MOMENTUM = 0.5F, MOMENTUM = 0.7F;

typedef struct {
    leann_rows rows;        /* the training rows, L2 */
    leann_shadows *shadows; /* of them; NULL: full products */
    uint32_t *ids;          /* those of a level, ascending */
    uint32_t n, k;          /* n: rows of the level */
    uint64_t seed;
    const char *stage;
    float *centroids, *last;  /* (k, d) the caller's; where they stood a round before */
    float momentum;           /* of the update at hand */
    uint32_t *owner, *before; /* (n) of this round and of the last one */
    uint32_t *list_off;       /* (k + 1) */
    uint32_t *list_ids;       /* (n) */
    uint32_t *from, *to;      /* (k) list j is list_ids[from[j] … to[j]): splitting moves these */
    float *key, *step;        /* (n) squared distance to the owner; to the newest centroids */
    double *running;          /* (chunks of rows) running totals of key */
} means;

static const uint32_t *level_ids(const means *s)
{
    return s->n < s->rows.n ? s->ids : NULL;
}

static uint32_t row_of(const means *s, uint32_t i)
{
    return s->n < s->rows.n ? s->ids[i] : i;
}

/* The nearest of the first m centroids, into owner and key; the nearest of those before `first` is there already. */
static leann_status nearest(leann_ctx *ctx, means *s, uint32_t first, uint32_t m)
{
    size_t d = s->rows.d;
    if (s->shadows) {
        uint64_t tried;
        leann_status status = leann_shadows_nearest(ctx, s->shadows, level_ids(s), s->n, s->centroids, first, m, s->owner, s->key, &tried);
        if (!status && m >= DRAWS && tried * DENSE > (uint64_t)s->n * (m - first)) {
            leann_shadows_free(s->shadows);
            s->shadows = NULL;
        }
        return status;
    }
    if (first == 0) return leann_nearest_of(ctx, s->rows, level_ids(s), s->n, s->centroids, m, s->owner, s->key);
    leann_status status = leann_nearest_of(ctx, s->rows, level_ids(s), s->n, s->centroids + first * d, m - first, s->before, s->step);
    for (uint32_t i = 0; i < s->n && !status; i++)
        if (s->step[i] < s->key[i]) {
            s->key[i] = s->step[i];
            s->owner[i] = first + s->before[i];
        }
    return status;
}

/* ---- the start --------------------------------------------------------------------------------------------------------- */

static double run_totals(means *s)
{
    double total = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        total += (double)s->key[i];
        s->running[i / CHUNK] = total;
    }
    return total;
}

/* The row at which the running total of key passes r, never one whose key is 0. */
static uint32_t row_at(const means *s, double r)
{
    uint32_t low = 0, high = (s->n - 1) / CHUNK;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->running[middle] > r)
            high = middle;
        else
            low = middle + 1;
    }
    double total = low ? s->running[low - 1] : 0;
    uint32_t row = low * CHUNK, left = s->n - row, end = left < CHUNK ? s->n : row + CHUNK;
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
        leann_rows_floats(s->rows, row_of(s, row), 1, mine);
        for (uint32_t j = 0; j < taken; j++) now = fminf(now, kernels->l2_f32(mine, s->centroids + (have + j) * d, d));
        if (taken == 0 || chance * (double)s->key[row] < (double)now) taken++;
    }
    return taken;
}

/* Rows drawn alike, no row twice (k > n: then again from the first). */
static leann_status start_at_random(leann_ctx *ctx, means *s)
{
    uint32_t have = s->k < s->n ? s->k : s->n, *at = leann_alloc(ctx, have, sizeof *at);
    if (!at) return leann_ctx_status(ctx);
    leann_rng rng = leann_rng_at(s->seed, s->stage, 0);
    leann_rng_sample(&rng, s->n, have, false, at);
    for (uint32_t j = 0; j < s->k; j++) leann_rows_floats(s->rows, row_of(s, at[j % have]), 1, s->centroids + j * (size_t)s->rows.d);
    leann_free(at);
    return LEANN_OK;
}

static leann_status start(leann_ctx *ctx, means *s)
{
    size_t d = s->rows.d;
    leann_rng rng = leann_rng_at(s->seed, s->stage, 0);
    leann_rows_floats(s->rows, row_of(s, leann_rng_below(&rng, s->n)), 1, s->centroids);
    uint32_t have = 1, seen = 0;
    for (uint32_t pass = 1; have < s->k; pass++) {
        leann_status status = nearest(ctx, s, seen, have);
        if (status) return status;
        seen = have;
        double total = run_totals(s);
        if (!(total > 0) || !isfinite(total)) break; /* every distinct row is a centroid */
        have += draw(s, have, pass, total);
    }
    for (uint32_t j = have; j < s->k; j++) memcpy(s->centroids + j * d, s->centroids + (j % have) * d, d * sizeof *s->centroids);
    return LEANN_OK;
}

/* ---- the update ---------------------------------------------------------------------------------------------------------- */

/* The mean of places ids (n > 0), summed in that order. sum, x: (d) scratch. */
static void mean_of(const means *s, const uint32_t *ids, uint32_t n, double *sum, float *x, float *mean)
{
    uint32_t d = s->rows.d, *whole = (uint32_t *)(void *)sum;
    memset(sum, 0, d * sizeof *sum);
    if (s->rows.type == LEANN_U8 && n <= UINT32_MAX / UINT8_MAX) { /* the same sums, and faster */
        for (uint32_t i = 0; i < n; i++) {
            const uint8_t *row = leann_row(s->rows, row_of(s, ids[i]));
            for (uint32_t j = 0; j < d; j++) whole[j] += row[j];
        }
        for (uint32_t j = 0; j < d; j++) mean[j] = (float)((double)whole[j] / n);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        leann_rows_floats(s->rows, row_of(s, ids[i]), 1, x);
        for (uint32_t j = 0; j < d; j++) sum[j] += (double)x[j];
    }
    for (uint32_t j = 0; j < d; j++) mean[j] = (float)(sum[j] / n);
}

static leann_status update(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    means *s = arg;
    size_t mark = leann_scratch_mark(worker), d = s->rows.d;
    double *sum = leann_scratch(worker, d * sizeof *sum);
    float *x = leann_scratch(worker, d * sizeof *x), *mean = leann_scratch(worker, d * sizeof *mean);
    if (!sum || !x || !mean) return LEANN_ENOMEM;
    for (size_t j = begin; j < end; j++) {
        if (s->to[j] == s->from[j]) continue;
        mean_of(s, s->list_ids + s->from[j], s->to[j] - s->from[j], sum, x, mean);
        float *centroid = s->centroids + j * d, *last = s->last + j * d;
        for (size_t t = 0; t < d; t++) {
            float old = centroid[t];
            centroid[t] = mean[t] + s->momentum * (old - last[t]);
            last[t] = old;
        }
    }
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
        leann_rows_floats(s->rows, row_of(s, s->list_ids[i]), 1, x);
        float key = kernels->l2_f32(x, centroid, d);
        if (key > most) {
            most = key;
            memcpy(far, x, d * sizeof *far);
        }
    }
    if (most == 0) return false;
    uint32_t *list = s->list_ids, *moved = s->owner, near_n = s->from[g], moved_n = 0; /* owner is free between rounds */
    for (uint32_t i = s->from[g]; i < s->to[g]; i++) {
        leann_rows_floats(s->rows, row_of(s, list[i]), 1, x);
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
    mean_of(s, list + s->from[g], s->to[g] - s->from[g], sum, x, centroid);
    mean_of(s, list + s->from[e], moved_n, sum, x, s->centroids + e * d);
    memcpy(s->last + g * d, centroid, d * sizeof *centroid);
    memcpy(s->last + e * d, s->centroids + e * d, d * sizeof *centroid);
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

/* Rounds on the rows of a level, until nothing moves. plain_end: the last update carries nothing on. */
static leann_status rounds(leann_ctx *ctx, means *s, uint32_t iterations, float momentum, bool plain_end, bool quiet)
{
    double total = INFINITY;
    bool plain = false;
    for (uint32_t round = 0; round < iterations; round++) {
        leann_status status = nearest(ctx, s, 0, s->k);
        if (status) return status;
        bool still = round > 0 && memcmp(s->owner, s->before, s->n * sizeof *s->owner) == 0;
        if (still && plain) break;
        double now = run_totals(s);
        plain = still || (plain_end && round + 1 == iterations) || now > total;
        total = now;
        s->momentum = plain ? 0 : momentum;
        leann_lists_of(s->owner, s->n, s->k, s->list_off, s->list_ids);
        memcpy(s->from, s->list_off, s->k * sizeof *s->from);
        memcpy(s->to, s->list_off + 1, s->k * sizeof *s->to);
        memcpy(s->before, s->owner, s->n * sizeof *s->owner);
        if ((status = leann_parallel(ctx, s->k, LISTS, update, s)) || (status = fill_empty(ctx, s))) return status;
        memcpy(s->owner, s->before, s->n * sizeof *s->owner); /* where the next search begins: splitting has used it */
        if (!quiet) leann_ctx_progress(ctx, s->stage, round + 1, iterations);
    }
    if (!quiet) leann_ctx_progress(ctx, s->stage, iterations, iterations);
    return LEANN_OK;
}

/* The start, and rounds on samples that double until one would hold two thirds of the rows; then on all. */
static leann_status climb(leann_ctx *ctx, means *s, leann_kmeans_options options)
{
    leann_status status = LEANN_OK;
    uint64_t n = (uint64_t)BASE * s->k;
    for (uint32_t level = 0;; level++, n *= 2) {
        bool all = 3 * n >= 2 * (uint64_t)s->rows.n;
        s->n = all ? s->rows.n : (uint32_t)n;
        if (!all) {
            leann_rng rng = leann_rng_at(s->seed, s->stage, UINT64_MAX - 1 - level); /* UINT64_MAX is sample_rows' */
            leann_rng_sample(&rng, s->rows.n, s->n, true, s->ids);
        }
        for (uint32_t i = 0; i < s->n; i++) s->owner[i] = LEANN_NONE;
        if (level == 0) {
            if ((status = options.random ? start_at_random(ctx, s) : start(ctx, s))) return status;
            memcpy(s->last, s->centroids, (size_t)s->k * s->rows.d * sizeof *s->last);
        }
        if (all) return rounds(ctx, s, options.iterations, MOMENTUM, true, options.quiet);
        if ((status = rounds(ctx, s, SAMPLE_ROUNDS, SAMPLE_MOMENTUM, false, true))) return status;
    }
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

/* The final assignment of all rows where only some were trained on: its owners and the sum of its keys, in row order. */
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
    means s = {.rows = training, .k = k, .n = n, .seed = leann_ctx_seed(ctx), .stage = options.stage, .centroids = centroids};
    s.ids = leann_alloc(ctx, n, sizeof *s.ids);
    s.owner = leann_alloc(ctx, n, sizeof *s.owner);
    s.before = leann_alloc(ctx, n, sizeof *s.before);
    s.last = leann_alloc(ctx, k, training.d * sizeof *s.last);
    s.list_off = leann_alloc(ctx, k + (size_t)1, sizeof *s.list_off);
    s.list_ids = leann_alloc(ctx, n, sizeof *s.list_ids);
    s.from = leann_alloc(ctx, k, sizeof *s.from);
    s.to = leann_alloc(ctx, k, sizeof *s.to);
    s.key = leann_alloc(ctx, n, sizeof *s.key);
    s.step = leann_alloc(ctx, n, sizeof *s.step);
    s.running = leann_alloc(ctx, n / CHUNK + (size_t)1, sizeof *s.running);
    status = LEANN_ENOMEM;
    if (!s.ids || !s.last || !s.owner || !s.before || !s.list_off || !s.list_ids || !s.from || !s.to || !s.key || !s.step || !s.running)
        goto done;
    if (leann_shadows_pay(training.d, k) && (status = leann_shadows_new(ctx, training, options.stage, &s.shadows))) goto done;
    if ((status = climb(ctx, &s, options))) goto done;
    if (!sampled && (owner || inertia)) {
        if ((status = nearest(ctx, &s, 0, k))) goto done;
        if (owner) memcpy(owner, s.owner, n * sizeof *owner);
        if (inertia) *inertia = run_totals(&s);
    } else if (owner || inertia)
        status = settle(ctx, rows, centroids, k, owner, inertia);
done:
    leann_shadows_free(s.shadows);
    leann_free(s.ids);
    leann_free(s.last);
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
