/* method_graph.c – a graph over all vectors, which are kept: the full-embedding baseline (hnsw, vamana), and flat as its referee.
 *
 * Under inner product the graph is built over rows lifted by one coordinate, in L2; the walk keys the rows themselves by -<q, x>,
 * which is the same order. File: links and vectors. Cost: one walk of ef_search candidates a query.
 *
 * Source: Malkov & Yashunin 2018; Subramanya et al. 2019; the lift: Bachrach et al. 2014 (core/rows.c).
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

typedef struct {
    leann_choice graph;
    int vectors;
} graph_params;
typedef struct {
    uint32_t ef_search;
} graph_query;

static const leann_param build_table[] = {
    LEANN_PARAM_PLUGIN(graph_params, graph, "graph", "hnsw", "the topology"),
    LEANN_PARAM_WORD(graph_params, vectors, LEANN_KEEP_WORDS, "source", "keep vectors in the source's own type, or as 32-bit floats"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {
    LEANN_PARAM_INT(graph_query, ef_search, 0, 1000000, "0",
                    "candidates kept by the walk, at least k; 0: what the graph was built to prefer"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_index common;
    leann_vectors vectors;
    leann_graph *graph;
} graph_index;

static leann_status graph_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    graph_index *self = (graph_index *)index;
    const graph_params *p = index->params;
    leann_rows rows;
    leann_status status = leann_rows_lift(ctx, data->train, &rows);
    if (status != LEANN_OK) return status;
    status = leann_links_make(ctx, stages, rows, p->graph, leann_value_new_text("rows"), &self->graph);
    if (rows.base != data->train.base) leann_free((void *)(uintptr_t)rows.base);
    if (status != LEANN_OK) return status;
    return leann_vectors_take(ctx, data->train, NULL, (leann_keep)p->vectors, &self->vectors);
}

static leann_status graph_save(const leann_index *index, leann_writer *w)
{
    const graph_index *self = (const graph_index *)index;
    leann_status status = leann_graph_save(self->graph, "links", w);
    return status == LEANN_OK ? leann_vectors_save(&self->vectors, w) : status;
}

static leann_status graph_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    graph_index *self = (graph_index *)index;
    leann_status status = leann_graph_open(ctx, r, "links", index->n, &self->graph);
    if (status == LEANN_OK) status = leann_vectors_open(ctx, r, index->n, index->d, index->space, &self->vectors);
    return status == LEANN_OK ? leann_vectors_settle(ctx, r, &self->vectors) : status;
}

static void graph_free(leann_index *index)
{
    graph_index *self = (graph_index *)index;
    leann_graph_free(self->graph);
    leann_vectors_free(&self->vectors);
}

static leann_status graph_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                                 uint32_t *found)
{
    const graph_index *self = (const graph_index *)plan->index;
    const graph_params *p = plan->index->params;
    uint32_t ef = ((const graph_query *)plan->params)->ef_search;
    uint64_t start = leann_now_ns();
    if (ef == 0) ef = leann_graph_of(p->graph)->default_ef(p->graph.params);
    leann_scorer *scorer = leann_rows_scorer(ctx, self->vectors.rows, q);
    if (!scorer) return leann_ctx_status(ctx);
    leann_status status = leann_graph_search(ctx, self->graph, scorer, ef > k ? ef : k, k, ids, key, found);
    leann_ctx_work(ctx)->stage_ns[0] += leann_now_ns() - start;
    return status;
}

static void graph_inside(const leann_index *index, leann_inside *out)
{
    out->graph = ((const graph_index *)index)->graph;
}

static void graph_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                          leann_ledger *ledger)
{
    (void)space;
    const graph_params *p = params;
    leann_graph_of(p->graph)->predict(n, seed, p->graph.params, ledger);
    leann_vectors_predict(n, d, type, (leann_keep)p->vectors, ledger);
}

const leann_method_type leann_method_graph = {
    .common = {"graph", 1, "a graph over all vectors, which are kept: the full-embedding baseline",
               "Malkov & Yashunin 2018; Subramanya et al. 2019", build_table, sizeof(graph_params)},
    .query = query_table,
    .query_size = sizeof(graph_query),
    .index_size = sizeof(graph_index),
    .plan_size = sizeof(leann_plan),
    .build = graph_build,
    .save = graph_save,
    .open = graph_open,
    .free = graph_free,
    .search = graph_search,
    .inside = graph_inside,
    .predict = graph_predict,
};
