/* method_ivf.c – inverted file: k-means lists of kept vectors; a query scans the vectors of its nearest `probes` lists.
 *
 * Memory: vectors in list order, so that a list is one run. Cost a query: lists + n · probes / lists distances.
 *
 * Source: Jégou, Douze & Schmid 2011, section IV (without the codes); Sivic & Zisserman 2003.
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

typedef struct {
    leann_choice selector;
    leann_count lists;
    int vectors;
} ivf_params;
typedef struct {
    uint32_t probes;
} ivf_query;

static const leann_param build_table[] = {
    LEANN_PARAM_COUNT(ivf_params, lists, "{sqrt_n: 1}", "how many lists"),
    LEANN_PARAM_PLUGIN(ivf_params, selector, "selector", "kmeans", "where the lists' centres come from"),
    LEANN_PARAM_WORD(ivf_params, vectors, LEANN_KEEP_WORDS, "source", "keep vectors in the source's own type, or as 32-bit floats"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {
    LEANN_PARAM_INT(ivf_query, probes, 1, 1000000, "8", "lists scanned, nearest first (all of them when there are fewer)"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_index common;
    leann_lists lists;
    leann_vectors vectors;
} ivf;

static leann_status ivf_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    ivf *self = (ivf *)index;
    const ivf_params *p = index->params;
    leann_listing listing = {.selector = p->selector, .m = leann_count_of(p->lists, index->n)};
    leann_status status = leann_lists_over_rows(ctx, stages, data, &listing, &self->lists);
    if (status == LEANN_OK) status = leann_vectors_take(ctx, data, listing.order, (leann_keep)p->vectors, &self->vectors);
    leann_listing_free(&listing);
    return status;
}

static leann_status ivf_save(const leann_index *index, leann_writer *w)
{
    const ivf *self = (const ivf *)index;
    leann_status status = leann_lists_save(&self->lists, w);
    return status == LEANN_OK ? leann_vectors_save(&self->vectors, w) : status;
}

static leann_status ivf_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    ivf *self = (ivf *)index;
    const ivf_params *p = index->params;
    leann_status status =
        leann_lists_open(ctx, r, leann_count_of(p->lists, index->n), leann_build_dimension(index->d, index->space), index->n, &self->lists);
    return status == LEANN_OK ? leann_vectors_open(ctx, r, index->n, index->d, index->space, &self->vectors) : status;
}

static void ivf_free(leann_index *index)
{
    ivf *self = (ivf *)index;
    leann_lists_free(&self->lists);
    leann_vectors_free(&self->vectors);
}

static leann_status ivf_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                               uint32_t *found)
{
    const ivf *self = (const ivf *)plan->index;
    uint32_t probes = ((const ivf_query *)plan->params)->probes;
    leann_work *work = leann_ctx_work(ctx);
    uint64_t start = leann_now_ns();
    leann_hit *list = NULL;
    leann_sieve top;
    leann_status status = leann_lists_probe(ctx, &self->lists, self->common.d, self->common.space, q, &probes, &list);
    if (status != LEANN_OK) return status;
    uint64_t walked = leann_now_ns();
    work->stage_ns[0] += walked - start;

    leann_scorer *scorer = leann_rows_scorer(ctx, self->vectors.rows, q);
    if (!scorer || !leann_sieve_start(&top, ctx, k)) return leann_ctx_status(ctx);
    if ((status = leann_lists_scan(ctx, &self->lists, scorer, list, probes, &top)) != LEANN_OK) return status;
    leann_hit *hit = leann_sieve_sort(&top);
    work->stage_ns[1] += leann_now_ns() - walked;
    return leann_rerank(ctx, plan, q, hit, top.n, k, ids, key, found);
}

static void ivf_inside(const leann_index *index, leann_inside *out)
{
    const leann_lists *lists = &((const ivf *)index)->lists;
    out->anchors = leann_lists_anchors(lists, lists->d, LEANN_L2);
    out->list_off = lists->off;
}

static leann_status ivf_check(leann_ctx *ctx, uint64_t n, uint32_t d, leann_space space, const void *params)
{
    (void)d, (void)space;
    return leann_lists_check(ctx, "lists", ((const ivf_params *)params)->lists, n);
}

static void ivf_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                        leann_ledger *ledger)
{
    (void)seed;
    const ivf_params *p = params;
    leann_lists_predict(n, leann_count_of(p->lists, (uint32_t)n), leann_build_dimension(d, space), ledger);
    leann_vectors_predict(n, d, type, (leann_keep)p->vectors, ledger);
}

const leann_method_type leann_method_ivf = {
    .common = {"ivf", 1, "inverted lists of kept vectors; the nearest lists are scanned",
               "Jégou et al. 2011, section IV; Sivic & Zisserman 2003", build_table, sizeof(ivf_params)},
    .query = query_table,
    .query_size = sizeof(ivf_query),
    .index_size = sizeof(ivf),
    .plan_size = sizeof(leann_plan),
    .build = ivf_build,
    .save = ivf_save,
    .open = ivf_open,
    .free = ivf_free,
    .search = ivf_search,
    .inside = ivf_inside,
    .check = ivf_check,
    .predict = ivf_predict,
};
