/* method_anchor.c – anchor-based lazy recomputation: m anchors are kept and indexed, every row is a code in its nearest anchor's list.
 *
 * A query runs in two stages: the walk over the anchor graph names the nearest `probes` anchors; the codes of their lists are scored
 * lazily (anchor + decoded delta under residual) and the best are ranked; optionally the best `rerank` are fetched and keyed exactly.
 * File: M·D·4 + N·code bytes + codebooks + anchor graph + packed ids. Cost: ef walk over M, then n · probes / m look-ups, then R fetches.
 *
 * Source: the anchor method of product.md section 1; residual coding as in Jégou, Douze & Schmid 2011, section IV.
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

typedef enum { RESIDUAL_YES, RESIDUAL_NO, RESIDUAL_AUTO } residual_word;

typedef struct {
    leann_choice selector, graph, quantizer;
    leann_count anchors;
    int residual;
} anchor_params;
typedef struct {
    uint32_t probes, ef_search, rerank;
    leann_choice fetcher;
    int on_failure;
} anchor_query;

static const leann_param build_table[] = {
    LEANN_PARAM_PLUGIN(anchor_params, selector, "selector", "kmeans", "which anchors"),
    LEANN_PARAM_COUNT(anchor_params, anchors, "{sqrt_n: 2.5}", "how many anchors"),
    LEANN_PARAM_PLUGIN(anchor_params, graph, "graph", "hnsw", "the topology over the anchors"),
    LEANN_PARAM_PLUGIN(anchor_params, quantizer, "quantizer", "pq", "row -> code -> distance"),
    LEANN_PARAM_WORD(anchor_params, residual, "yes|no|auto", "auto",
                     "code what is left after the anchor; auto: whichever has the smaller "
                     "held-out error"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {
    LEANN_PARAM_INT(anchor_query, probes, 1, 1000000, "16", "anchors whose lists are scanned, nearest first"),
    LEANN_PARAM_INT(anchor_query, ef_search, 0, 1000000, "0", "candidates of the anchor walk, at least probes; 0: the graph's own"),
    LEANN_PARAM_INT(anchor_query, rerank, 0, 1000000, "0", "best candidates fetched and keyed exactly; 0: answers come from codes alone"),
    LEANN_PARAM_PLUGIN(anchor_query, fetcher, "fetcher", "replay", "where exact vectors come from"),
    LEANN_PARAM_ON_FAILURE(anchor_query),
    LEANN_PARAM_END,
};

typedef struct {
    leann_index common;
    leann_lists lists;
    leann_graph *graph; /* over the anchors */
    leann_coded coded;
} anchor_index;

/* ---- build --------------------------------------------------------------------------------------------------------------------------- */

/* Whether to code residuals: as told, or by the error of rows that were not trained on. */
static leann_status choose_residual(leann_ctx *ctx, leann_stages *stages, leann_coding coding, residual_word word, bool *residual)
{
    *residual = word == RESIDUAL_YES;
    if (word != RESIDUAL_AUTO) return LEANN_OK;
    double plain, delta;
    coding.residual = false;
    leann_status status = leann_coded_heldout(ctx, stages, &coding, &plain);
    coding.residual = true;
    if (status == LEANN_OK) status = leann_coded_heldout(ctx, stages, &coding, &delta);
    if (status != LEANN_OK) return status;
    *residual = delta < plain;
    leann_ctx_fact(ctx, "heldout_mse_plain", plain);
    leann_ctx_fact(ctx, "heldout_mse_residual", delta);
    return LEANN_OK;
}

static leann_status anchor_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    anchor_index *self = (anchor_index *)index;
    const anchor_params *p = index->params;
    leann_listing listing = {.selector = p->selector, .m = leann_count_of(p->anchors, index->n)};
    leann_status status = leann_lists_over_rows(ctx, stages, data, &listing, &self->lists);
    if (status == LEANN_OK)
        status = leann_links_make(ctx, stages, leann_lists_anchors(&self->lists, self->lists.d, LEANN_L2), p->graph,
                                  leann_value_copy(listing.key), &self->graph);
    if (status != LEANN_OK) goto done;

    leann_coding coding = {data->train, p->quantizer, &self->lists, listing.owner, listing.order, listing.key, false};
    status = choose_residual(ctx, stages, coding, (residual_word)p->residual, &coding.residual);
    if (status == LEANN_OK) status = leann_coded_make(ctx, stages, &coding, &self->coded);
    if (status == LEANN_OK) status = leann_coded_pack(ctx, &self->coded);
    leann_ctx_fact(ctx, "residual", coding.residual);
    leann_ctx_fact(ctx, "anchors", self->lists.m);
done:
    leann_listing_free(&listing);
    return status;
}

/* ---- file ------------------------------------------------------------------------------------------------------------------------------ */

static leann_status anchor_save(const leann_index *index, leann_writer *w)
{
    const anchor_index *self = (const anchor_index *)index;
    uint8_t residual = self->coded.residual;
    leann_status status = leann_writer_add(w, "residual", LEANN_PART_META, LEANN_U8, 1, 1, &residual);
    if (status == LEANN_OK) status = leann_lists_save(&self->lists, w);
    if (status == LEANN_OK) status = leann_graph_save(self->graph, "links", w);
    if (status == LEANN_OK) status = leann_coded_save(&self->coded, w);
    return status;
}

static leann_status anchor_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    anchor_index *self = (anchor_index *)index;
    const anchor_params *p = index->params;
    uint32_t m = leann_count_of(p->anchors, index->n);
    const void *residual;
    leann_status status = leann_reader_need(ctx, r, "residual", LEANN_U8, 1, 1, &residual);
    if (status != LEANN_OK) return status;
    if (*(const uint8_t *)residual > 1)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: residual is %u, neither 0 nor 1", leann_reader_path(r), *(const uint8_t *)residual);
    status = leann_lists_open(ctx, r, m, leann_build_dimension(index->d, index->space), index->n, &self->lists);
    if (status == LEANN_OK) status = leann_graph_open(ctx, r, "links", m, &self->graph);
    if (status == LEANN_OK)
        status = leann_coded_open(ctx, r, p->quantizer, index->d, index->space, &self->lists, index->n, *(const uint8_t *)residual == 1,
                                  &self->coded);
    if (status == LEANN_OK) status = leann_coded_pack(ctx, &self->coded);
    return status;
}

static void anchor_free(leann_index *index)
{
    anchor_index *self = (anchor_index *)index;
    leann_lists_free(&self->lists);
    leann_graph_free(self->graph);
    leann_coded_free(&self->coded);
}

static leann_status anchor_check(leann_ctx *ctx, uint64_t n, uint32_t d, leann_space space, const void *params)
{
    (void)space;
    const anchor_params *p = params;
    leann_status status = leann_lists_check(ctx, "anchors", p->anchors, n);
    if (status != LEANN_OK) return status;
    return leann_quantizer_of(p->quantizer)->check(ctx, n, d, p->quantizer.params);
}

static void anchor_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                           leann_ledger *ledger)
{
    (void)type;
    const anchor_params *p = params;
    uint32_t m = leann_count_of(p->anchors, (uint32_t)n);
    leann_ledger_add(ledger, LEANN_PART_META, 1);
    leann_lists_predict(n, m, leann_build_dimension(d, space), ledger);
    leann_graph_of(p->graph)->predict(m, seed, p->graph.params, ledger);
    leann_coded_predict(n, d, p->quantizer, ledger);
}

/* ---- query ----------------------------------------------------------------------------------------------------------------------------- */

static leann_status anchor_plan(leann_ctx *ctx, leann_plan *plan)
{
    const anchor_query *p = plan->params;
    plan->codes_will_do = p->on_failure;
    return leann_rerank_plan(ctx, plan, p->fetcher, p->rerank);
}

/* Stage 1: the nearest anchors by the walk; base (m) holds the keys of those found, which is all that stage 2 asks for. */
static leann_status nearest_anchors(const leann_plan *plan, leann_ctx *ctx, const float *q, leann_hit **list, uint32_t *probes,
                                    float **base)
{
    const anchor_index *self = (const anchor_index *)plan->index;
    const anchor_params *build = plan->index->params;
    const anchor_query *p = plan->params;
    uint32_t m = self->lists.m, want = p->probes < m ? p->probes : m;
    uint32_t ef = p->ef_search ? p->ef_search : leann_graph_of(build->graph)->default_ef(build->graph.params);
    uint32_t *ids = leann_scratch(ctx, want * sizeof *ids);
    float *key = leann_scratch(ctx, want * sizeof *key), *from = leann_scratch(ctx, m * sizeof *from);
    leann_hit *hit = leann_scratch(ctx, want * sizeof *hit);
    leann_scorer *scorer = leann_rows_scorer(ctx, leann_lists_anchors(&self->lists, self->common.d, self->common.space), q);
    if (!ids || !key || !from || !hit || !scorer) return leann_ctx_status(ctx);
    leann_status status = leann_graph_search(ctx, self->graph, scorer, ef > want ? ef : want, want, ids, key, probes);
    if (status != LEANN_OK) return status;
    for (uint32_t i = 0; i < *probes; i++) {
        hit[i] = (leann_hit){key[i], ids[i]};
        from[ids[i]] = key[i];
    }
    *list = hit;
    *base = from;
    return LEANN_OK;
}

static leann_status anchor_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                                  uint32_t *found)
{
    const anchor_index *self = (const anchor_index *)plan->index;
    const anchor_query *p = plan->params;
    uint32_t keep = p->rerank > k ? p->rerank : k, probes;
    if (keep > self->common.n) keep = self->common.n;
    leann_work *work = leann_ctx_work(ctx);
    uint64_t start = leann_now_ns();
    leann_hit *list = NULL;
    float *base = NULL;
    leann_sieve top;
    leann_status status = nearest_anchors(plan, ctx, q, &list, &probes, &base);
    if (status != LEANN_OK) return status;
    uint64_t walked = leann_now_ns();
    work->stage_ns[0] += walked - start;

    leann_scorer *scorer = leann_coded_scorer(ctx, &self->coded, q, self->coded.residual ? base : NULL);
    if (!scorer || !leann_sieve_start(&top, ctx, keep)) return leann_ctx_status(ctx);
    if ((status = leann_lists_scan(ctx, &self->lists, scorer, list, probes, &top)) != LEANN_OK) return status;
    leann_hit *hit = leann_sieve_sort(&top);
    work->stage_ns[1] += leann_now_ns() - walked;
    return leann_rerank(ctx, plan, q, hit, top.n, k, ids, key, found);
}

/* ---- measures -------------------------------------------------------------------------------------------------------------------------- */

static void anchor_inside(const leann_index *index, leann_inside *out)
{
    const anchor_index *self = (const anchor_index *)index;
    *out = (leann_inside){leann_lists_anchors(&self->lists, self->lists.d, LEANN_L2), self->lists.off, self->graph, self->coded.quantizer,
                          self->coded.residual};
}

static leann_status anchor_decode(const leann_index *index, leann_ctx *ctx, const uint32_t *ids, uint32_t n, float *x)
{
    const anchor_index *self = (const anchor_index *)index;
    size_t mark = leann_scratch_mark(ctx);
    uint32_t *slot_of = leann_lists_slots(ctx, &self->lists), *slots = leann_scratch(ctx, n * sizeof *slots);
    leann_status status = slot_of && slots ? LEANN_OK : leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n && status == LEANN_OK; i++) slots[i] = slot_of[ids[i]];
    if (status == LEANN_OK) status = leann_coded_decode(&self->coded, ctx, &self->lists, slots, n, x);
    leann_scratch_reset(ctx, mark);
    return status;
}

const leann_method_type leann_method_anchor = {
    .common = {"anchor", 1, "anchors are kept and indexed, rows are codes in their anchor's list; two stages and an optional exact re-rank",
               "anchor-based lazy recomputation; residuals: Jégou et al. 2011, section IV", build_table, sizeof(anchor_params)},
    .query = query_table,
    .query_size = sizeof(anchor_query),
    .index_size = sizeof(anchor_index),
    .plan_size = sizeof(leann_plan),
    .build = anchor_build,
    .save = anchor_save,
    .open = anchor_open,
    .free = anchor_free,
    .plan = anchor_plan,
    .search = anchor_search,
    .inside = anchor_inside,
    .decode = anchor_decode,
    .check = anchor_check,
    .predict = anchor_predict,
};
