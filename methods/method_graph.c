/* method_graph.c – a graph over all vectors, which are kept: the full-embedding baseline (hnsw, vamana), and flat as its referee.
 *
 * The walk sees vectors. An opened index holds bounds of wide ones beside them, in memory and not in the file (64 bytes a row up to 60
 * dimensions, else 128), so that most rows that are too far need not be read: the answers are the same to the bit (core/bounds.c). Queries
 * that come together walk by turns, over vectors or codes (core/walks.c).
 *
 * With a quantizer the walk sees codes, a cache line or two a node, and the best it finds are keyed exactly by the kept vectors, from the
 * best on, each only as far as it can still be among the k nearest. With layout lists, codes of 4-bit columns are laid beside every list
 * that they stand in when an index is built or opened (core/beside.h): a hop reads one run of memory and scores 32 neighbours by byte
 * shuffles, for as many times the memory of the codes as there are slots. Under inner product the graph is built over rows lifted by one
 * coordinate, in L2; the walk keys the rows themselves by -<q, x>, which is the same order. File: links, on level 0 packed where that was
 * asked for (core/edges.h), vectors and, with a quantizer, codes, once. Cost: one walk of ef_search candidates a query.
 *
 * Source: Malkov & Yashunin 2018; Subramanya et al. 2019; the lift: Bachrach et al. 2014 (core/rows.c).
 * SPDX-License-Identifier: MIT */
#include "core/bounds.h"
#include "methods/parts.h"

#include <string.h>

enum { WALKS = 8 }; /* of one thread at a time */

typedef struct {
    leann_choice graph;
    int vectors;
    leann_choice quantizer;
    int layout;
    uint32_t link_bits;
    int order;
} graph_params;
enum { LAYOUT_NODES, LAYOUT_LISTS };
typedef struct {
    uint32_t ef_search, rerank;
} graph_query;

static const leann_param build_table[] = {
    LEANN_PARAM_PLUGIN(graph_params, graph, "graph", "hnsw", "the topology"),
    LEANN_PARAM_WORD(graph_params, vectors, LEANN_KEEP_WORDS, "source", "keep vectors in the source's own type, or as 32-bit floats"),
    LEANN_PARAM_LATE_PLUGIN(graph_params, quantizer, "quantizer", "none",
                            "codes that the walk sees in place of vectors; none: it sees vectors"),
    LEANN_PARAM_LATE_WORD(graph_params, layout, "nodes|lists", "nodes",
                          "where codes lie in memory: once, by node, or beside every list that they stand in, for a fast scan of the list"),
    LEANN_PARAM_LATE_INT(graph_params, link_bits, 0, 65535,
                         "bits that a row's links on level 0 take on average at most, packed; 0: they are not"),
    LEANN_PARAM_LATE_WORD(graph_params, order, LEANN_ORDER_WORDS, "rows",
                          "of the rows, for packed links: their own, or one by bisecting the graph, in which what is linked lies near"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {
    LEANN_PARAM_INT(graph_query, ef_search, 0, 1000000, "0",
                    "candidates kept by the walk, at least k; 0: what the graph was built to prefer"),
    LEANN_PARAM_INT(graph_query, rerank, 0, 1000000, "0",
                    "after a walk over codes: best candidates keyed exactly, at least k; 0: all that it kept"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_index common;
    leann_vectors vectors;
    leann_graph *graph;
    leann_coded coded;    /* empty where the walk sees vectors */
    leann_bounds *bounds; /* of an opened index where the walk sees wide vectors, else NULL */
} graph_index;

static bool has_codes(const graph_params *p)
{
    return strcmp(p->quantizer.plugin->name, "none") != 0;
}

static leann_columns columns_of(const graph_params *p, uint32_t d)
{
    const leann_quantizer_type *type = leann_quantizer_of(p->quantizer);
    return type->columns ? type->columns(d, p->quantizer.params) : (leann_columns){.m = 0};
}

/* The codes, once they are there, beside the lists where that is wanted. */
static leann_status lay_out(leann_ctx *ctx, graph_index *self)
{
    const graph_params *p = self->common.params;
    if (p->layout != LAYOUT_LISTS || self->graph->slots == 0) return LEANN_OK;
    return leann_coded_beside(ctx, &self->coded, columns_of(p, self->common.d), self->graph);
}

static leann_status graph_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    graph_index *self = (graph_index *)index;
    const graph_params *p = index->params;
    leann_status status = leann_links_over_rows(ctx, stages, data->train, p->graph, &self->graph);
    if (status == LEANN_OK && p->link_bits)
        status = leann_links_pack(ctx, stages, p->graph, p->order, leann_edges_bytes(index->n, p->link_bits), self->graph);
    if (status == LEANN_OK) status = leann_vectors_take(ctx, data, NULL, (leann_keep)p->vectors, &self->vectors);
    if (status != LEANN_OK || !has_codes(p)) return status;
    status = leann_coded_make(ctx, stages, &(leann_coding){.rows = data->train, .quantizer = p->quantizer}, &self->coded);
    return status == LEANN_OK ? lay_out(ctx, self) : status;
}

static leann_status graph_save(const leann_index *index, leann_writer *w)
{
    const graph_index *self = (const graph_index *)index;
    leann_status status = leann_graph_save(self->graph, "links", w);
    if (status == LEANN_OK) status = leann_vectors_save(&self->vectors, w);
    return status == LEANN_OK && self->coded.quantizer ? leann_coded_save(&self->coded, w) : status;
}

static leann_status graph_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    graph_index *self = (graph_index *)index;
    leann_status status = leann_graph_open(ctx, r, "links", index->n, &self->graph);
    if (status == LEANN_OK) status = leann_vectors_open(ctx, r, index->n, index->d, index->space, &self->vectors);
    if (status == LEANN_OK) status = leann_vectors_settle(ctx, r, &self->vectors);
    const graph_params *p = index->params;
    if (status != LEANN_OK) return status;
    if (!has_codes(p)) {
        bool pay = self->graph->slots > 0 && leann_bounds_pay(self->vectors.rows);
        return pay ? leann_bounds_new(ctx, self->vectors.rows, &self->bounds) : LEANN_OK;
    }
    status = leann_coded_open(ctx, r, p->quantizer, index->d, index->space, NULL, index->n, false, &self->coded);
    if (status == LEANN_OK) status = leann_coded_settle(ctx, r, &self->coded);
    return status == LEANN_OK ? lay_out(ctx, self) : status;
}

static void graph_free(leann_index *index)
{
    graph_index *self = (graph_index *)index;
    leann_graph_free(self->graph);
    leann_vectors_free(&self->vectors);
    leann_coded_free(&self->coded);
    leann_bounds_free(self->bounds);
}

/* The exact k best of n candidates, best first by their codes. A few at a time, so that the k-th best so far can stop the rest early. */
static leann_status rerank(leann_ctx *ctx, const leann_plan *plan, leann_scorer *exact, const float *q, const uint32_t *cand, uint32_t n,
                           uint32_t k, uint32_t *ids, float *key, uint32_t *found)
{
    enum { STEP = 8 };
    float step[STEP];
    leann_topk top;
    leann_work *work = leann_ctx_work(ctx);
    uint64_t start = leann_now_ns();
    leann_hit *hit = leann_scratch(ctx, k * sizeof *hit);
    if (!hit) return leann_ctx_status(ctx);
    leann_topk_start(&top, hit, k);
    for (uint32_t at = 0; at < n; at += STEP) {
        uint32_t m = n - at < STEP ? n - at : STEP, ahead = n - at - m < STEP ? n - at - m : STEP;
        if (exact->prefetch) exact->prefetch(exact, (leann_span){LEANN_NONE, 0, ahead, cand + at + m});
        exact->score(exact, (leann_span){LEANN_NONE, 0, m, cand + at}, top.cut, step, NULL);
        for (uint32_t i = 0; i < m; i++) leann_topk_push(&top, step[i], cand[at + i]);
    }
    leann_topk_sort(&top);
    work->dist_comps += n;
    work->stage_ns[2] += leann_now_ns() - start;
    return leann_rerank(ctx, plan, q, hit, top.n, k, ids, key, found);
}

static uint32_t ef_of(const leann_plan *plan, uint32_t k)
{
    leann_choice graph = ((const graph_params *)plan->index->params)->graph;
    uint32_t ef = ((const graph_query *)plan->params)->ef_search;
    if (ef == 0) ef = leann_graph_of(graph)->default_ef(graph.params);
    return ef < k ? k : ef;
}

/* How many of a walk over codes are keyed exactly. */
static uint32_t candidates_of(const leann_plan *plan, uint32_t k, uint32_t ef)
{
    uint32_t n = ((const graph_query *)plan->params)->rerank;
    if (n == 0 || n > ef) n = ef;
    return n < k ? k : n;
}

/* A query alone waits for its bounds as for its rows: they pay only for rows of many lines (GloVe-50, one at a time: 0.90x the speed). */
enum { ALONE_BYTES = 1024 };

/* For n queries: exact (n), and bound (n), those before exact or NULL where there are no bounds. */
static leann_status scorers_of(leann_ctx *ctx, const graph_index *self, const float *q, uint32_t n, leann_scorer **exact,
                               leann_scorer **bound)
{
    for (uint32_t i = 0; i < n; i++) {
        bound[i] = NULL;
        if (!(exact[i] = leann_rows_scorer(ctx, self->vectors.rows, q + (size_t)i * self->common.d))) return LEANN_ENOMEM;
    }
    bool pay = self->bounds && (n > 1 || self->vectors.rows.stride >= ALONE_BYTES);
    return pay ? leann_bounds_scorers(ctx, self->bounds, q, n, exact, bound) : LEANN_OK;
}

static leann_status graph_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                                 uint32_t *found)
{
    const graph_index *self = (const graph_index *)plan->index;
    leann_work *work = leann_ctx_work(ctx);
    uint32_t ef = ef_of(plan, k), n = candidates_of(plan, k, ef);
    uint64_t start = leann_now_ns();
    leann_scorer *exact, *bound;
    if (scorers_of(ctx, self, q, 1, &exact, &bound)) return leann_ctx_status(ctx);
    if (!self->coded.quantizer) {
        leann_status status = leann_graph_search(ctx, self->graph, bound ? bound : exact, ef, k, ids, key, found);
        work->stage_ns[0] += leann_now_ns() - start;
        return status;
    }
    uint32_t *cand = leann_scratch(ctx, n * sizeof *cand);
    float *coarse_key = leann_scratch(ctx, n * sizeof *coarse_key);
    leann_scorer *coarse = leann_coded_scorer(ctx, &self->coded, q, NULL);
    if (!cand || !coarse_key || !coarse) return leann_ctx_status(ctx);
    leann_status status = leann_graph_search(ctx, self->graph, coarse, ef, n, cand, coarse_key, &n);
    work->stage_ns[0] += leann_now_ns() - start;
    return status == LEANN_OK ? rerank(ctx, plan, exact, q, cand, n, k, ids, key, found) : status;
}

/* Scans go one by one, and so do walks over codes beside their lists, which lie in one run of memory each. */
static leann_status graph_plan(leann_ctx *ctx, leann_plan *plan)
{
    (void)ctx;
    const graph_index *self = (const graph_index *)plan->index;
    if (self->coded.beside || self->graph->slots == 0) plan->batch_from = UINT32_MAX;
    return LEANN_OK;
}

static leann_status walk_over_vectors(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids,
                                      float *key, uint32_t *found, leann_work *work)
{
    const graph_index *self = (const graph_index *)plan->index;
    leann_graph_query query[WALKS];
    leann_scorer *exact[WALKS], *bound[WALKS];
    leann_status status = scorers_of(ctx, self, q, n, exact, bound);
    if (status) return status;
    for (size_t j = 0; j < n; j++) query[j] = (leann_graph_query){exact[j], bound[j], NULL, ids + j * k, found + j, key + j * k, work + j};
    return leann_graph_search_many(ctx, self->graph, query, n, ef_of(plan, k), k);
}

/* Then each query's best are keyed exactly. */
static leann_status walk_over_codes(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids,
                                    float *key, uint32_t *found, leann_work *work)
{
    const graph_index *self = (const graph_index *)plan->index;
    leann_graph_query query[WALKS];
    uint32_t ef = ef_of(plan, k), room = candidates_of(plan, k, ef), d = self->common.d, best[WALKS];
    uint32_t *cand = leann_scratch(ctx, (size_t)n * room * sizeof *cand);
    float *coarse_key = leann_scratch(ctx, (size_t)n * room * sizeof *coarse_key);
    if (!cand || !coarse_key) return LEANN_ENOMEM;
    for (size_t j = 0; j < n; j++) {
        leann_scorer *coarse = leann_coded_scorer(ctx, &self->coded, q + j * d, NULL);
        if (!coarse) return leann_ctx_status(ctx);
        query[j] = (leann_graph_query){coarse, NULL, &self->coded.codes, cand + j * room, best + j, coarse_key + j * room, work + j};
    }
    leann_status status = leann_graph_search_many(ctx, self->graph, query, n, ef, room);
    for (size_t j = 0; j < n && !status; j++) {
        leann_scorer *exact = leann_rows_scorer(ctx, self->vectors.rows, q + j * d);
        if (!exact) return LEANN_ENOMEM;
        *leann_ctx_work(ctx) = work[j];
        status = rerank(ctx, plan, exact, q + j * d, cand + j * room, best[j], k, ids + j * k, key + j * k, found + j);
        work[j] = *leann_ctx_work(ctx);
    }
    return status;
}

/* Walks go WALKS at a time: core/walks.c. */
static leann_status graph_search_batch(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids,
                                       float *key, uint32_t *found, leann_work *work)
{
    bool coded = ((const graph_index *)plan->index)->coded.quantizer != NULL;
    leann_status status = LEANN_OK;
    memset(work, 0, n * sizeof *work);
    for (uint32_t first = 0; first < n && !status; first += WALKS) {
        uint32_t m = n - first < WALKS ? n - first : WALKS;
        size_t at = (size_t)first * k, mark = leann_scratch_mark(ctx);
        uint64_t start = leann_now_ns();
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        status = (coded ? walk_over_codes : walk_over_vectors)(plan, ctx, q + (size_t)first * plan->index->d, m, k, ids + at, key + at,
                                                               found + first, work + first);
        uint64_t walking = leann_now_ns() - start;
        for (uint32_t j = 0; j < m; j++) walking -= work[first + j].stage_ns[2];
        for (uint32_t j = 0; j < m; j++) work[first + j].stage_ns[0] = walking / m;
        leann_scratch_reset(ctx, mark);
    }
    return status;
}

static void graph_inside(const leann_index *index, leann_inside *out)
{
    out->graph = ((const graph_index *)index)->graph;
}

static leann_status graph_check(leann_ctx *ctx, uint64_t n, uint32_t d, leann_space space, const void *params)
{
    (void)space;
    const graph_params *p = params;
    if (p->link_bits && leann_graph_of(p->graph)->slots(p->graph.params) == 0)
        return leann_fail(ctx, LEANN_EINVAL, "graph: link_bits is %u, but %s has no links to pack", p->link_bits, p->graph.plugin->name);
    if (p->order && !p->link_bits)
        return leann_fail(ctx, LEANN_EINVAL, "graph: order is bisected, which is for packed links: link_bits must not be 0");
    leann_status status = leann_quantizer_of(p->quantizer)->check(ctx, n, d, p->quantizer.params);
    if (status != LEANN_OK || p->layout != LAYOUT_LISTS || columns_of(p, d).m > 0) return status;
    return leann_fail(
        ctx, LEANN_EINVAL,
        "graph: layout is lists, and codes of this quantizer (%s) are no columns of 4 bits: those of rabitq with bits 1, 2 or 4 "
        "and of pq and opq with a codebook_size of at most 16 are",
        p->quantizer.plugin->name);
}

/* What the graph takes but for its level 0. */
static uint64_t upper_bytes(uint64_t n, uint64_t seed, leann_choice graph)
{
    const leann_graph_type *type = leann_graph_of(graph);
    leann_ledger all, level0;
    leann_ledger_begin(&all);
    type->predict(n, seed, graph.params, &all);
    leann_ledger_begin(&level0);
    leann_graph_predict(n, type->slots(graph.params), 0, 0, &level0);
    return all.bytes[LEANN_PART_GRAPH] - level0.bytes[LEANN_PART_GRAPH];
}

static void graph_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                          leann_ledger *ledger)
{
    (void)space;
    const graph_params *p = params;
    if (p->link_bits)
        leann_graph_predict_packed(n, leann_edges_bytes(n, p->link_bits), upper_bytes(n, seed, p->graph), ledger);
    else
        leann_graph_of(p->graph)->predict(n, seed, p->graph.params, ledger);
    leann_vectors_predict(n, d, type, (leann_keep)p->vectors, ledger);
    if (has_codes(p)) leann_coded_predict(n, d, p->quantizer, ledger);
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
    .plan = graph_plan,
    .search = graph_search,
    .search_batch = graph_search_batch,
    .batch_from = 2,
    .inside = graph_inside,
    .check = graph_check,
    .predict = graph_predict,
};
