/* graph_merged.c – another graph built in bounded storage: rows in overlapping clusters, a graph over each cluster at a time, their lists
 * merged by union; at no time are vectors held of more than one cluster.
 *
 * Rows are read three times: a sample by k-means, each row for its `overlap` nearest centroids, and cluster by cluster for the graphs, where
 * a row is in as many as overlap says. An embedding is needed at these times and no others, so that a build may embed again what it does not
 * keep. At the end links are added until the entry reaches every row (reach.c), which may look at some rows once more.
 * Facts: vector_bytes_held, the rows of the largest cluster (the 8-bit codes that links of 10,000 rows and more may be judged by add a
 * quarter), beside vector_bytes_all; rows_in_clusters and rows_to_join, those that reach.c looked at.
 *
 * 20,000 passages of 384 dimensions in 8 clusters, 0.36 of the vectors held; recall@10 and distances of a query at ef 64, the whole graph
 * first: hnsw of M 16 0.962 and 1,094, merged 0.964 and 1,391; of M 11 with degree 32 0.962 and 1,216; vamana of degree 32 0.978 and 1,300,
 * merged 0.964 and 1,405; of degree 21 with degree 32, which is DiskANN's share, 0.970 and 1,325. With overlap 1: 0.08.
 *
 * Source: Subramanya et al. 2019 (DiskANN), section 3.1; Wang et al. 2025 (LEANN, arXiv 2506.08276), section 8.2.
 * Differs: upper levels of the parts are left out, and walks begin at the row nearest to the mean, as DiskANN's do: a cluster's levels say
 *   nothing of the others. Of the links that a list has no room for chance drops some, as in DiskANN's code, but each link by a number of its
 *   own, so that neither the order of the clusters nor the number of threads matters.
 *
 * SPDX-License-Identifier: MIT */
#include "graphs/linker.h"
#include "core/product.h"
#include "core/simd/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLUSTERS = 8, /* unless told */
    SAMPLE = 256, /* rows a cluster that k-means sees */
    ROUNDS = 20,  /* of k-means */
    GRAIN = 256   /* rows a task */
};

typedef struct {
    leann_choice graph;
    uint32_t clusters, overlap, degree;
} merged_params;

static const leann_param table[] = {
    LEANN_PARAM_PLUGIN(merged_params, graph, "graph", "hnsw", "what is built over each cluster"),
    LEANN_PARAM_INT(merged_params, clusters, 0, 65536, "0", "clusters of the rows, by k-means; 0: 8, or as many as there are rows"),
    LEANN_PARAM_INT(merged_params, overlap, 1, 16, "2", "nearest clusters that a row is in; all, where there are fewer"),
    LEANN_PARAM_INT(merged_params, degree, 0, 512, "0", "links of a row at most; 0: as many as the graph"), LEANN_PARAM_END};

static const leann_graph_type *inner_of(const merged_params *p)
{
    return (const leann_graph_type *)p->graph.plugin;
}

typedef struct {
    const leann_oracle *oracle; /* of all rows */
    merged_params params;       /* resolved */
    float *centroid;            /* (clusters, d) */
    float *mean;                /* (d) of all rows, as the centroids tell it */
    uint32_t *owner;            /* (n, overlap) a row's clusters, nearest first */
    uint32_t *list_off;         /* (clusters + 1) */
    uint32_t *member;           /* (n overlap) rows by cluster, ascending in each */
    leann_graph *graph;         /* that is made */
    leann_hit entry;            /* nearest to the mean so far */
    /* the cluster in hand */
    const leann_graph *part;
    const uint32_t *ids; /* (part's n) */
} merge_job;

/* ---- clusters ----------------------------------------------------------------------------------------------------------------- */

static leann_status owner_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const merge_job *job = arg;
    const uint32_t d = job->oracle->d, overlap = job->params.overlap;
    const size_t mark = leann_scratch_mark(ctx);
    float *x = leann_scratch(ctx, d * sizeof *x);
    leann_hit *near = leann_scratch(ctx, (overlap + (size_t)1) * sizeof *near);
    if (!x || !near) return leann_ctx_status(ctx);
    for (size_t i = begin; i < end; i++) {
        uint32_t have = 0;
        leann_rows_floats(job->oracle->rows, (uint32_t)i, 1, x);
        for (uint32_t c = 0; c < job->params.clusters; c++) {
            leann_hits_insert(near, have, (leann_hit){leann_kernels_get()->l2_f32(x, job->centroid + (size_t)c * d, d), c});
            have += have < overlap;
        }
        for (uint32_t j = 0; j < overlap; j++) job->owner[i * overlap + j] = near[j].id;
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* The mean of all rows, were the centroids the means of the rows nearest to them: those of the sample are. */
static void find_mean(merge_job *job)
{
    const uint32_t n = job->oracle->n, d = job->oracle->d;
    for (uint32_t i = 0; i < n; i++) job->list_off[job->owner[(size_t)i * job->params.overlap]]++;
    for (uint32_t c = 0; c < job->params.clusters; c++) {
        const float share = (float)((double)job->list_off[c] / n);
        for (uint32_t j = 0; j < d; j++) job->mean[j] += share * job->centroid[(size_t)c * d + j];
    }
}

/* Rows that k-means sees: no more than a cluster has, so that they are not what is held most of. */
static uint32_t samples_of(const merge_job *job)
{
    const uint32_t clusters = job->params.clusters, each = job->oracle->n / clusters, most = each > clusters ? each : clusters;
    return SAMPLE * clusters < most ? SAMPLE * clusters : most;
}

static leann_status find_clusters(leann_ctx *ctx, merge_job *job)
{
    const uint32_t n = job->oracle->n, overlap = job->params.overlap;
    const leann_kmeans_options options = {
        .k = job->params.clusters, .iterations = ROUNDS, .samples = samples_of(job), .stage = "merged clusters"};
    leann_status status = leann_kmeans(ctx, job->oracle->rows, options, job->centroid, NULL, NULL);
    if (!status) status = leann_parallel(ctx, n, GRAIN, owner_task, job);
    if (status) return status;
    find_mean(job);
    leann_lists_of(job->owner, n * overlap, job->params.clusters, job->list_off, job->member);
    for (size_t i = 0; i < (size_t)n * overlap; i++) job->member[i] /= overlap; /* a place among the owners: its row */
    return LEANN_OK;
}

/* ---- one cluster -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t id, lot;
} drawn_link;

static drawn_link draw(leann_ctx *ctx, uint32_t row, uint32_t id)
{
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "merged links", (uint64_t)row << 32 | id);
    return (drawn_link){id, leann_rng_u32(&rng)};
}

static int by_lot(const void *a, const void *b)
{
    const drawn_link *x = a, *y = b;
    if (x->lot != y->lot) return x->lot < y->lot ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static bool has_link(const uint32_t *list, uint32_t id)
{
    for (uint32_t i = 1; i <= list[0]; i++)
        if (list[i] == id) return true;
    return false;
}

/* Adds to a row's list what a part has for it. all: (slots of both), scratch. */
static void merge_list(leann_ctx *ctx, const merge_job *job, uint32_t own, drawn_link *all)
{
    const uint32_t row = job->ids[own], *from = leann_graph_list(job->part, own);
    uint32_t *list = leann_graph_list(job->graph, row), n = 0;
    for (uint32_t i = 1; i <= list[0]; i++) all[n++] = draw(ctx, row, list[i]);
    for (uint32_t i = 1; i <= from[0]; i++)
        if (!has_link(list, job->ids[from[i]])) all[n++] = draw(ctx, row, job->ids[from[i]]);
    if (n > job->graph->slots) {
        qsort(all, n, sizeof *all, by_lot);
        n = job->graph->slots;
    }
    list[0] = n;
    for (uint32_t i = 0; i < n; i++) list[1 + i] = all[i].id;
}

static leann_status merge_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const merge_job *job = arg;
    const size_t mark = leann_scratch_mark(ctx);
    drawn_link *all = leann_scratch(ctx, ((size_t)job->graph->slots + job->part->slots) * sizeof *all);
    if (!all) return leann_ctx_status(ctx);
    for (size_t i = begin; i < end; i++) merge_list(ctx, job, (uint32_t)i, all);
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* Of the cluster's rows the one nearest to the mean of all. */
static leann_status look_for_entry(leann_ctx *ctx, merge_job *job, const leann_oracle *oracle)
{
    const size_t mark = leann_scratch_mark(ctx);
    float *key = leann_scratch(ctx, oracle->n * sizeof *key);
    if (!key) return leann_ctx_status(ctx);
    oracle->row(oracle, job->mean, (leann_span){LEANN_NONE, 0, oracle->n, NULL}, key);
    for (uint32_t i = 0; i < oracle->n; i++) {
        const leann_hit hit = {key[i], job->ids[i]};
        if (leann_hit_before(hit, job->entry)) job->entry = hit;
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

static leann_status add_cluster(leann_ctx *ctx, merge_job *job, uint32_t cluster)
{
    const uint32_t n = job->list_off[cluster + 1] - job->list_off[cluster];
    leann_rows rows = {0};
    leann_oracle *oracle = NULL;
    leann_graph *part = NULL;
    if (n == 0) return LEANN_OK;
    job->ids = job->member + job->list_off[cluster];
    leann_status status = leann_rows_pick(ctx, job->oracle->rows, job->ids, n, &rows);
    if (!status) status = leann_oracle_new(ctx, rows, &oracle);
    if (!status) status = inner_of(&job->params)->build(ctx, oracle, job->params.graph.params, &part);
    if (!status) status = look_for_entry(ctx, job, oracle);
    job->part = part;
    if (!status) status = leann_parallel(ctx, n, GRAIN, merge_task, job);
    leann_graph_free(part);
    leann_oracle_free(oracle);
    leann_free((void *)(uintptr_t)rows.base);
    return status;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------------- */

/* An oracle that marks the rows it is asked for. */
typedef struct {
    leann_oracle common;
    const leann_oracle *real;
    uint8_t *asked; /* (n) */
} marking_oracle;

static void marking_list(const leann_oracle *self, uint32_t a, leann_span b, float cut, float *key)
{
    const marking_oracle *m = (const marking_oracle *)self;
    m->asked[a] = 1;
    for (uint32_t i = 0; i < b.n; i++) m->asked[b.ids ? b.ids[i] : b.first + i] = 1;
    m->real->list(m->real, a, b, cut, key);
}

static leann_status join(leann_ctx *ctx, const merge_job *job)
{
    const uint32_t n = job->oracle->n;
    marking_oracle marking = {*job->oracle, job->oracle, leann_alloc(ctx, n, 1)};
    marking.common.list = marking_list;
    leann_status status = marking.asked ? leann_reach(ctx, &marking.common, job->graph) : leann_ctx_status(ctx);
    uint32_t asked = 0;
    for (uint32_t i = 0; i < n && !status; i++) asked += marking.asked[i];
    leann_ctx_fact(ctx, "rows_to_join", asked);
    leann_free(marking.asked);
    return status;
}

static void state_facts(leann_ctx *ctx, const merge_job *job)
{
    const leann_rows rows = job->oracle->rows;
    const double row_bytes = (double)rows.d * (double)leann_dtype_bytes(rows.type);
    uint32_t largest = samples_of(job);
    for (uint32_t c = 0; c < job->params.clusters; c++) {
        const uint32_t size = job->list_off[c + 1] - job->list_off[c];
        if (size > largest) largest = size;
    }
    leann_ctx_fact(ctx, "vector_bytes_held", largest * row_bytes);
    leann_ctx_fact(ctx, "vector_bytes_all", rows.n * row_bytes);
    leann_ctx_fact(ctx, "rows_in_clusters", job->list_off[job->params.clusters]);
}

static leann_status merge(leann_ctx *ctx, merge_job *job)
{
    const uint32_t clusters = job->params.clusters;
    leann_status status = find_clusters(ctx, job);
    job->entry = (leann_hit){INFINITY, 0};
    for (uint32_t c = 0; c < clusters && !status; c++) {
        leann_ctx_progress(ctx, "clusters", c, clusters);
        status = add_cluster(ctx, job, c);
    }
    if (status) return status;
    leann_ctx_progress(ctx, "clusters", clusters, clusters);
    state_facts(ctx, job);
    job->graph->entry = job->entry.id;
    return join(ctx, job);
}

static leann_status resolve(leann_ctx *ctx, uint32_t n, const void *params, merged_params *out)
{
    *out = *(const merged_params *)params;
    if (inner_of(out)->slots(out->graph.params) == 0)
        return leann_fail(ctx, LEANN_EINVAL, "graph merged: %s has no links to merge", out->graph.plugin->name);
    if (out->clusters > n) return leann_fail(ctx, LEANN_EINVAL, "graph merged: clusters is %u, but there are %u rows", out->clusters, n);
    if (out->clusters == 0) out->clusters = n < CLUSTERS ? n : CLUSTERS;
    if (out->overlap > out->clusters) out->overlap = out->clusters;
    if ((uint64_t)n * out->overlap > UINT32_MAX)
        return leann_fail(ctx, LEANN_EINVAL, "graph merged: %u rows in %u clusters each are more than %u", n, out->overlap, UINT32_MAX);
    return LEANN_OK;
}

static uint32_t default_ef(const void *params)
{
    const merged_params *p = params;
    return inner_of(p)->default_ef(p->graph.params);
}

static uint32_t slots(const void *params)
{
    const merged_params *p = params;
    return p->degree > 0 ? p->degree : inner_of(p)->slots(p->graph.params);
}

static leann_status build(leann_ctx *ctx, const leann_oracle *oracle, const void *params, leann_graph **out)
{
    const uint32_t n = oracle->n, d = oracle->d;
    merge_job job = {.oracle = oracle};
    leann_status status = resolve(ctx, n, params, &job.params);
    if (status) return status;
    const size_t places = (size_t)n * job.params.overlap, clusters = job.params.clusters;
    job.centroid = leann_alloc(ctx, clusters * d, sizeof *job.centroid);
    job.mean = leann_alloc(ctx, d, sizeof *job.mean);
    job.owner = leann_alloc(ctx, places, sizeof *job.owner);
    job.list_off = leann_alloc(ctx, clusters + 1, sizeof *job.list_off);
    job.member = leann_alloc(ctx, places, sizeof *job.member);
    const bool room = job.centroid && job.mean && job.owner && job.list_off && job.member;
    status = room ? leann_graph_new(ctx, n, slots(params), 0, NULL, &job.graph) : leann_ctx_status(ctx);
    if (!status) status = merge(ctx, &job);
    leann_free(job.centroid);
    leann_free(job.mean);
    leann_free(job.owner);
    leann_free(job.list_off);
    leann_free(job.member);
    if (status) {
        leann_graph_free(job.graph);
        return status;
    }
    job.graph->default_ef = default_ef(params);
    *out = job.graph;
    return LEANN_OK;
}

static void predict(uint64_t n, uint64_t seed, const void *params, leann_ledger *ledger)
{
    (void)seed;
    leann_graph_predict(n, slots(params), 0, 0, ledger);
}

extern const leann_graph_type leann_graph_merged;
const leann_graph_type leann_graph_merged = {
    .common = {.name = "merged",
               .revision = 1,
               .about = "another graph built in bounded storage: over one cluster of the rows at a time, lists merged",
               .source = "Subramanya et al. 2019 (DiskANN), section 3.1; Wang et al. 2025 (LEANN), section 8.2",
               .params = table,
               .params_size = sizeof(merged_params)},
    .build = build,
    .predict = predict,
    .default_ef = default_ef,
    .slots = slots,
};
