/* selector_stratified_kmeans.c – rows are parted into strata, m is shared out among them, each stratum gets its own k-means.
 *
 * Strata are the values of a label data set in the file, or coarse k-means clusters. With N_h rows and spread S_h (root mean squared
 * distance to the mean) in stratum h, its share of m follows N_h (proportional), 1 (equal) or N_h S_h (neyman), between
 * min_per_group and N_h; whole numbers by largest remainder. Cost: O(iterations d sum N_h m_h), a factor of the number of strata
 * less than k-means over all rows, and the coarse clusters.
 *
 * Source: Neyman 1934 (optimum allocation); Cochran 1977, §5.5; largest remainder: Hamilton's method.
 *
 * SPDX-License-Identifier: MIT */
#include "strategies/centres.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum { PROPORTIONAL, EQUAL, NEYMAN } allocation_word;
typedef struct {
    const char *group_by;
    uint32_t coarse, min_per_group, iterations;
    int allocation, output;
} stratified_params;

static const leann_param table[] = {
    LEANN_PARAM_LABELS(stratified_params, group_by, "\"\"", "name of an integer or string data set of the file; \"\": coarse clusters"),
    LEANN_PARAM_INT(stratified_params, coarse, 1, 65536, "16", "coarse clusters, at most anchors / min_per_group"),
    LEANN_PARAM_WORD(stratified_params, allocation, "proportional|equal|neyman", "proportional", "how anchors are shared out"),
    LEANN_PARAM_INT(stratified_params, min_per_group, 0, 1000000, "1", "anchors a stratum gets at least (or all its rows)"),
    LEANN_PARAM_INT(stratified_params, iterations, 0, 1000, "20", "Lloyd rounds at most, coarse and inside a stratum"),
    LEANN_PARAM_WORD(stratified_params, output, "centroids|medoids", "centroids", "means, or the rows nearest to them"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_rows rows;
    uint32_t groups;
    uint32_t *label; /* (n) */
    uint32_t *off;   /* (groups + 1) */
    uint32_t *ids;   /* (n) rows of a stratum in id order */
    double *spread;  /* (groups) S_h */
    uint32_t *share; /* (groups) anchors */
} strata;

/* ---- strata ------------------------------------------------------------------------------------------------------------ */

static leann_status coarse_labels(leann_ctx *ctx, strata *s, const stratified_params *p, uint32_t m)
{
    uint32_t most = m / (p->min_per_group ? p->min_per_group : 1);
    s->groups = p->coarse < most ? p->coarse : most;
    if (s->groups == 0) s->groups = 1; /* min_per_group > m: refused with the values when anchors are shared out */
    s->label = leann_alloc(ctx, s->rows.n, sizeof *s->label);
    float *centroids = leann_alloc(ctx, s->groups, s->rows.d * sizeof *centroids);
    leann_kmeans_options options = {.k = s->groups, .iterations = p->iterations, .stage = "strata"};
    leann_status status = s->label && centroids ? leann_kmeans(ctx, s->rows, options, centroids, s->label, NULL) : LEANN_ENOMEM;
    leann_free(centroids);
    return status;
}

static leann_status given_labels(leann_ctx *ctx, strata *s, const leann_dataset *data, const char *name)
{
    if (!data->labels)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "group_by \"%s\": bare rows have no labels, only a data set's file has", name);
    const uint32_t *label;
    leann_status status = data->labels(data, ctx, name, &label, &s->groups);
    if (status) return status;
    s->label = leann_alloc(ctx, s->rows.n, sizeof *s->label);
    if (!s->label) return LEANN_ENOMEM;
    memcpy(s->label, label, s->rows.n * sizeof *label);
    return LEANN_OK;
}

static leann_status measure(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    strata *s = arg;
    size_t mark = leann_scratch_mark(worker), d = s->rows.d;
    double *mean = leann_scratch(worker, d * sizeof *mean);
    float *x = leann_scratch(worker, d * sizeof *x);
    if (!mean || !x) return LEANN_ENOMEM;
    for (size_t h = begin; h < end; h++) {
        uint32_t n = s->off[h + 1] - s->off[h];
        const uint32_t *ids = s->ids + s->off[h];
        double sum = 0;
        memset(mean, 0, d * sizeof *mean);
        for (uint32_t i = 0; i < n; i++) {
            leann_rows_gather(s->rows, ids + i, 1, x);
            for (size_t j = 0; j < d; j++) mean[j] += (double)x[j] / n;
        }
        for (uint32_t i = 0; i < n; i++) {
            leann_rows_gather(s->rows, ids + i, 1, x);
            for (size_t j = 0; j < d; j++) sum += ((double)x[j] - mean[j]) * ((double)x[j] - mean[j]);
        }
        s->spread[h] = n ? sqrt(sum / n) : 0;
    }
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

/* ---- allocation ---------------------------------------------------------------------------------------------------------- */

static uint32_t size_of(const strata *s, uint32_t h)
{
    return s->off[h + 1] - s->off[h];
}

static uint32_t floor_of(const strata *s, uint32_t h, uint32_t least)
{
    return least < size_of(s, h) ? least : size_of(s, h);
}

static double share_of(const strata *s, uint32_t h, const double *weight, double rate, uint32_t least)
{
    return fmin(fmax(rate * weight[h], floor_of(s, h, least)), size_of(s, h));
}

static double shares_at(const strata *s, const double *weight, double rate, uint32_t least)
{
    double sum = 0;
    for (uint32_t h = 0; h < s->groups; h++) sum += share_of(s, h, weight, rate, least);
    return sum;
}

/* The largest rate at which the shares, held between their limits, add up to no more than m: bisection of a rising sum. */
static double rate_for(const strata *s, const double *weight, uint32_t least, uint32_t m)
{
    double low = 0, high = 1;
    while (shares_at(s, weight, high, least) < m) high *= 2; /* ends: m <= n, and no weight is below 1e-12 */
    for (int halving = 0; halving < 100; halving++) {
        double middle = (low + high) / 2;
        if (shares_at(s, weight, middle, least) > m)
            high = middle;
        else
            low = middle;
    }
    return low;
}

static leann_status allocate(leann_ctx *ctx, strata *s, const stratified_params *p, uint32_t m)
{
    uint32_t used = 0, floors = 0;
    uint64_t wanted = 0;
    for (uint32_t h = 0; h < s->groups; h++) {
        if (!size_of(s, h)) continue;
        used++;
        wanted += floor_of(s, h, p->min_per_group);
    }
    if (wanted > m)
        return leann_fail(ctx, LEANN_EINVAL, "min_per_group %u in %u groups needs %llu anchors, more than the %u there are",
                          p->min_per_group, used, (unsigned long long)wanted, m);
    double *weight = leann_alloc(ctx, s->groups, 2 * sizeof *weight), largest = 0;
    if (!weight) return LEANN_ENOMEM;
    double *rest = weight + s->groups;
    for (uint32_t h = 0; h < s->groups; h++) {
        weight[h] = p->allocation == EQUAL ? 1 : size_of(s, h) * (p->allocation == NEYMAN ? s->spread[h] : 1);
        largest = fmax(largest, weight[h]);
    }
    /* A stratum of equal rows has no Neyman weight; it still takes what the others have no rows for. */
    for (uint32_t h = 0; h < s->groups; h++) weight[h] = largest > 0 ? fmax(weight[h] / largest, 1e-12) : 1;
    double rate = rate_for(s, weight, p->min_per_group, m);
    for (uint32_t h = 0; h < s->groups; h++) {
        double share = share_of(s, h, weight, rate, p->min_per_group);
        s->share[h] = (uint32_t)share;
        rest[h] = share - s->share[h];
        floors += s->share[h];
    }
    for (; floors < m; floors++) {
        uint32_t best = LEANN_NONE;
        for (uint32_t h = 0; h < s->groups; h++)
            if (s->share[h] < size_of(s, h) && (best == LEANN_NONE || rest[h] > rest[best])) best = h;
        s->share[best]++;
        rest[best] -= 1;
    }
    leann_free(weight);
    return LEANN_OK;
}

/* ---- anchors --------------------------------------------------------------------------------------------------------------- */

static leann_status fill(leann_ctx *ctx, const strata *s, const stratified_params *p, leann_anchors *out)
{
    uint32_t at = 0;
    for (uint32_t h = 0; h < s->groups; h++) {
        uint32_t m = s->share[h];
        const uint32_t *ids = s->ids + s->off[h];
        if (!m) continue;
        char stage[32];
        snprintf(stage, sizeof stage, "stratum %u", h);
        leann_rows rows;
        leann_status status = leann_rows_pick(ctx, s->rows, ids, size_of(s, h), &rows);
        if (status) return status;
        leann_kmeans_options options = {.k = m, .iterations = p->iterations, .stage = stage, .quiet = true};
        status = leann_centres_of(ctx, rows, options, p->output == 1, out->rows + (size_t)at * out->d, out->ids + at);
        leann_free((void *)(uintptr_t)rows.base);
        if (status) return status;
        for (uint32_t j = at; j < at + m; j++)
            if (out->ids[j] != LEANN_NONE) out->ids[j] = ids[out->ids[j]];
        at += m;
        leann_ctx_progress(ctx, "strata filled", at, out->m);
    }
    return LEANN_OK;
}

static leann_status pick(leann_ctx *ctx, const leann_dataset *data, uint32_t m, const void *params, leann_anchors *out)
{
    const stratified_params *p = params;
    strata s = {.rows = data->train};
    bool named = p->group_by && *p->group_by;
    leann_status status = named ? given_labels(ctx, &s, data, p->group_by) : coarse_labels(ctx, &s, p, m);
    if (status) goto done;
    status = LEANN_ENOMEM;
    s.off = leann_alloc(ctx, s.groups + (size_t)1, sizeof *s.off);
    s.ids = leann_alloc(ctx, s.rows.n, sizeof *s.ids);
    s.spread = leann_alloc(ctx, s.groups, sizeof *s.spread);
    s.share = leann_alloc(ctx, s.groups, sizeof *s.share);
    if (!s.off || !s.ids || !s.spread || !s.share) goto done;
    leann_lists_of(s.label, s.rows.n, s.groups, s.off, s.ids);
    if (p->allocation == NEYMAN && (status = leann_parallel(ctx, s.groups, 1, measure, &s))) goto done;
    if ((status = allocate(ctx, &s, p, m)) || (status = leann_centres_new(ctx, m, s.rows.d, out))) goto done;
    leann_ctx_fact(ctx, "strata", s.groups);
    status = fill(ctx, &s, p, out);
done:
    leann_free(s.label);
    leann_free(s.off);
    leann_free(s.ids);
    leann_free(s.spread);
    leann_free(s.share);
    return status;
}

extern const leann_selector_type leann_selector_stratified_kmeans;
const leann_selector_type leann_selector_stratified_kmeans = {
    .common = {.name = "stratified-kmeans",
               .revision = 1,
               .about = "k-means inside labelled or coarse strata, anchors shared out by size or spread",
               .source = "Neyman 1934; Lloyd 1982",
               .params = table,
               .params_size = sizeof(stratified_params)},
    .select = pick,
};
