/* synth.c – clustered rows (n, d) that are hard in the way real embeddings are: overlapping clusters of low intrinsic dimension.
 *
 * The law: cluster c of ceil(sqrt n) with probability proportional to 1 / c (Zipf); a row is
 *     spread * m_c + A_c z + e,   m_c ~ N(0, I 16 / d),   z ~ N(0, I) of 16 dimensions,   e ~ N(0, I / (16 d)),
 * A_c (d, 16) a random plane with columns of length about 1. So a cluster's radius is about 4, the noise 1/4, and the centres lie
 * 4 * spread from the origin. Queries follow the same law. spread begins at 0.5 and is lowered until a k-means IVF of ceil(sqrt n)
 * lists with one probe finds at most 0.6 of the ten nearest: a set on which one probe is enough would flatter every method.
 * Row i's draws are keyed by (seed, i): the bytes depend neither on threads nor on blocks. O(n d 16), in blocks of 8 MB.
 *
 * Source: intrinsic dimension by maximum likelihood, Levina & Bickel 2004, averaged as MacKay & Ghahramani 2005.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "datasets/raw.h"
#include "datasets/write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PLANE = 16, JUDGES = 500, NEAR = 20, TOP = 10, ROUNDS = 8, TRIES = 12 };
static const double most_recall = 0.6, first_spread = 0.5, shrink = 0.75;

typedef struct {
    uint32_t d, plane, clusters;
    uint64_t seed;
    double spread;
    float *centre; /* (clusters, d) */
    float *basis;  /* (clusters, plane, d) */
    double *up_to; /* (clusters): cumulated probability */
} law;

static leann_status cluster_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    (void)ctx;
    law *l = arg;
    double unit = 1 / sqrt((double)l->d);
    for (size_t c = begin; c < end; c++) {
        leann_rng rng = leann_rng_at(l->seed, "synth.cluster", c);
        for (uint32_t j = 0; j < l->d; j++) l->centre[c * l->d + j] = (float)(4 * unit * leann_rng_normal(&rng));
        for (size_t j = 0; j < (size_t)l->plane * l->d; j++) l->basis[c * l->plane * l->d + j] = (float)(unit * leann_rng_normal(&rng));
    }
    return LEANN_OK;
}

static leann_status law_make(leann_ctx *ctx, uint32_t n, uint32_t d, law *l)
{
    double sum = 0;
    *l = (law){.d = d,
               .plane = d < PLANE ? d : PLANE,
               .clusters = (uint32_t)ceil(sqrt((double)n)),
               .seed = leann_ctx_seed(ctx),
               .spread = first_spread};
    l->centre = leann_alloc(ctx, (size_t)l->clusters * d, sizeof *l->centre);
    l->basis = leann_alloc(ctx, (size_t)l->clusters * l->plane * d, sizeof *l->basis);
    l->up_to = leann_alloc(ctx, l->clusters, sizeof *l->up_to);
    if (!l->centre || !l->basis || !l->up_to) return LEANN_ENOMEM;
    for (uint32_t c = 0; c < l->clusters; c++) l->up_to[c] = sum += 1.0 / (c + 1);
    for (uint32_t c = 0; c < l->clusters; c++) l->up_to[c] /= sum;
    return leann_parallel(ctx, l->clusters, 4, cluster_task, l);
}

static void law_free(law *l)
{
    leann_free(l->centre);
    leann_free(l->basis);
    leann_free(l->up_to);
}

static uint32_t draw_cluster(const law *l, double u)
{
    uint32_t low = 0, high = l->clusters - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->up_to[middle] > u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

typedef struct {
    const law *law;
    const char *stage;
    uint64_t first;
    float *x;
} block_job;

static leann_status block_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    (void)ctx;
    const block_job *job = arg;
    const law *l = job->law;
    float spread = (float)l->spread;
    double noise = 0.25 / sqrt((double)l->d);
    for (size_t i = begin; i < end; i++) {
        float *x = job->x + i * l->d, z[PLANE];
        leann_rng rng = leann_rng_at(l->seed, job->stage, job->first + i);
        uint32_t c = draw_cluster(l, leann_rng_real(&rng));
        for (uint32_t p = 0; p < l->plane; p++) z[p] = (float)leann_rng_normal(&rng);
        for (uint32_t j = 0; j < l->d; j++) x[j] = spread * l->centre[(size_t)c * l->d + j] + (float)(noise * leann_rng_normal(&rng));
        for (uint32_t p = 0; p < l->plane; p++) {
            const float *axis = l->basis + ((size_t)c * l->plane + p) * l->d;
            for (uint32_t j = 0; j < l->d; j++) x[j] += z[p] * axis[j];
        }
    }
    return LEANN_OK;
}

static leann_status make_rows(leann_ctx *ctx, const law *l, leann_output *o, leann_target part, const char *stage, uint32_t n)
{
    uint32_t fit = (8u << 20) / (l->d * (uint32_t)sizeof(float)), block = fit < 64 ? 64 : fit;
    float *x = leann_alloc(ctx, (size_t)block * l->d, sizeof *x);
    leann_status status = x ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; status == LEANN_OK && i < n; i += block) {
        uint32_t now = n - i < block ? n - i : block;
        block_job job = {l, stage, i, x};
        status = leann_parallel(ctx, now, 32, block_task, &job);
        if (status == LEANN_OK) status = leann_output_put(o, part, i, now, x);
        leann_ctx_progress(ctx, part == LEANN_TO_TRAIN ? "rows" : "queries", i + now, n);
    }
    leann_free(x);
    return status;
}

/* ---- how hard it came out -------------------------------------------------------------------------------------------------------- */

/* Rows ids of `rows` as floats, unit where angular, for L2. */
static leann_status gather(leann_ctx *ctx, leann_rows rows, const uint32_t *ids, uint32_t n, float *x, leann_rows *out)
{
    leann_rows_gather(rows, ids, n, x);
    *out = (leann_rows){.base = x, .stride = rows.d * sizeof(float), .n = n, .d = rows.d, .type = LEANN_F32, .space = LEANN_L2};
    if (rows.space != LEANN_ANGULAR) return LEANN_OK;
    uint32_t bad = leann_rows_unit(*out, 0, n, x);
    return bad == n ? LEANN_OK : leann_fail(ctx, LEANN_EINVAL, "row %u has no direction", bad);
}

/* 1 / mean over queries of (1 / (k - 1)) sum over j < k of ln(T_k / T_j). */
static double intrinsic_dimension(const float *dist, uint32_t queries, uint32_t k, leann_space space)
{
    double sum = 0;
    uint64_t terms = 0;
    for (uint32_t q = 0; k > 2 && q < queries; q++) {
        const float *t = dist + (size_t)q * k;
        for (uint32_t j = 0; j + 1 < k; j++)
            if (t[j] > 0) {
                double ratio = log((double)t[k - 1] / (double)t[j]);
                sum += space == LEANN_ANGULAR ? ratio / 2 : ratio; /* |a - b|² = 2 (1 - cos) */
                terms++;
            }
    }
    return sum > 0 ? (double)terms / sum : 0;
}

/* How many of the nearest lie in the list of their query, when lists are k-means' cells. */
static leann_status one_probe(leann_ctx *ctx, leann_rows train, leann_rows judges, const uint32_t *near, uint32_t k, uint32_t lists,
                              double *recall)
{
    uint32_t samples = train.n / lists > 64 ? lists * 64 : train.n, top = k < TOP ? k : TOP, found = 0;
    uint32_t *ids = leann_alloc(ctx, samples > judges.n * top ? samples : judges.n * top, sizeof *ids);
    uint32_t *owner = leann_alloc(ctx, (size_t)judges.n * (top + 1), sizeof *owner);
    float *x = leann_alloc(ctx, (size_t)samples * train.d, sizeof *x), *centre = leann_alloc(ctx, (size_t)lists * train.d, sizeof *centre);
    float *hits = leann_alloc(ctx, (size_t)judges.n * top * train.d, sizeof *hits),
          *asked = leann_alloc(ctx, (size_t)judges.n * train.d, sizeof *asked);
    leann_rows sample, hit, query;
    leann_status status = ids && owner && x && centre && hits && asked ? LEANN_OK : LEANN_ENOMEM;
    if (status != LEANN_OK) goto done;
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "synth.sample", 0);
    leann_rng_sample(&rng, train.n, samples, true, ids);
    if ((status = gather(ctx, train, ids, samples, x, &sample)) != LEANN_OK) goto done;
    leann_kmeans_options options = {.k = lists, .iterations = ROUNDS, .stage = "synth.lists", .quiet = true};
    if ((status = leann_kmeans(ctx, sample, options, centre, NULL, NULL)) != LEANN_OK) goto done;
    for (uint32_t q = 0; q < judges.n; q++) memcpy(ids + (size_t)q * top, near + (size_t)q * k, top * sizeof *ids);
    if ((status = gather(ctx, train, ids, judges.n * top, hits, &hit)) != LEANN_OK) goto done;
    for (uint32_t q = 0; q < judges.n; q++) ids[q] = q;
    if ((status = gather(ctx, judges, ids, judges.n, asked, &query)) != LEANN_OK) goto done;
    if ((status = leann_nearest(ctx, hit, centre, lists, owner + judges.n, NULL)) != LEANN_OK) goto done;
    if ((status = leann_nearest(ctx, query, centre, lists, owner, NULL)) != LEANN_OK) goto done;
    for (uint32_t q = 0; q < judges.n; q++)
        for (uint32_t j = 0; j < top; j++) found += owner[judges.n + q * top + j] == owner[q];
    *recall = (double)found / ((double)judges.n * top);
done:
    leann_free(asked);
    leann_free(hits);
    leann_free(centre);
    leann_free(x);
    leann_free(owner);
    leann_free(ids);
    return status;
}

/* Judged by their own queries under L2 (ip) or unit L2 (angular): the first ones of the set, or rows of train where it has none. */
static leann_status judge(leann_ctx *ctx, leann_output *o, leann_synth_options options, leann_synth_report *report)
{
    leann_rows train, judges;
    leann_status status = leann_output_rows(o, LEANN_TO_TRAIN, &train);
    if (status == LEANN_OK) status = leann_output_rows(o, options.queries ? LEANN_TO_TEST : LEANN_TO_TRAIN, &judges);
    if (status != LEANN_OK) return status;
    if (judges.n > JUDGES) judges.n = JUDGES;
    if (train.space == LEANN_IP) train.space = judges.space = LEANN_L2;
    uint32_t k = train.n < NEAR ? train.n : NEAR;
    uint32_t *near = leann_alloc(ctx, (size_t)judges.n * k, sizeof *near);
    float *dist = leann_alloc(ctx, (size_t)judges.n * k, sizeof *dist);
    status = near && dist ? leann_groundtruth(ctx, train, judges, k, near, dist) : LEANN_ENOMEM;
    if (status == LEANN_OK) report->intrinsic_dimension = intrinsic_dimension(dist, judges.n, k, train.space);
    if (status == LEANN_OK) status = one_probe(ctx, train, judges, near, k, report->lists, &report->ivf_recall);
    leann_free(dist);
    leann_free(near);
    return status;
}

leann_status leann_dataset_synth(leann_ctx *ctx, const char *out, leann_synth_options options, leann_synth_report *report)
{
    law l = {0};
    leann_output *o = NULL;
    memset(report, 0, sizeof *report);
    if (options.n < 1 || options.n > LEANN_ROWS_MAX || options.d < 1 || options.d > LEANN_DIMENSION_MAX)
        return leann_fail(ctx, LEANN_EINVAL, "%u rows of dimension %u, needs 1 to %llu rows of dimension 1 to %d", options.n, options.d,
                          (unsigned long long)LEANN_ROWS_MAX, LEANN_DIMENSION_MAX);
    uint32_t k = !options.queries ? 0 : options.n < LEANN_GT_K ? options.n : LEANN_GT_K;
    leann_layout layout = {options.n, options.d, options.queries, k, LEANN_F32, LEANN_F32, options.space};
    leann_status status = law_make(ctx, options.n, options.d, &l);
    if (status == LEANN_OK) status = leann_output_new(ctx, out, layout, &o);
    report->clusters = report->lists = l.clusters;
    for (int i = 0; status == LEANN_OK && i < TRIES; i++) {
        report->spread = l.spread;
        status = make_rows(ctx, &l, o, LEANN_TO_TRAIN, "synth.row", options.n);
        if (status == LEANN_OK && options.queries) status = make_rows(ctx, &l, o, LEANN_TO_TEST, "synth.query", options.queries);
        if (status == LEANN_OK) status = judge(ctx, o, options, report);
        if (report->ivf_recall <= most_recall) break;
        l.spread *= shrink;
    }
    report->easy = report->ivf_recall > most_recall;
    if (status == LEANN_OK && k) status = leann_output_groundtruth(ctx, o, k);
    if (status == LEANN_OK) status = leann_output_commit(o);
    leann_output_free(o);
    law_free(&l);
    return status;
}
