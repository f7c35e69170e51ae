/* method_codes.c – codes alone: every code is scored for every query; optionally the best R are fetched and keyed exactly.
 *
 * Cost a query: n look-ups of code_bytes each, plus R fetches. No graph, no lists: the ceiling of what the codes can do.
 *
 * Source: Jégou, Douze & Schmid 2011, section III (ADC).
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

typedef struct {
    leann_choice quantizer;
} codes_params;
typedef struct {
    uint32_t rerank;
    leann_choice fetcher;
    int on_failure;
} codes_query;

static const leann_param build_table[] = {
    LEANN_PARAM_PLUGIN(codes_params, quantizer, "quantizer", "pq", "row -> code -> distance"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {
    LEANN_PARAM_INT(codes_query, rerank, 0, 1000000, "0", "best candidates fetched and keyed exactly; 0: answers come from codes alone"),
    LEANN_PARAM_PLUGIN(codes_query, fetcher, "fetcher", "replay", "where exact vectors come from"),
    LEANN_PARAM_ON_FAILURE(codes_query),
    LEANN_PARAM_END,
};

typedef struct {
    leann_index common;
    leann_coded coded;
} codes;

static leann_status codes_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    leann_coding coding = {.rows = data->train, .quantizer = ((const codes_params *)index->params)->quantizer};
    leann_coded *coded = &((codes *)index)->coded;
    leann_status status = leann_coded_make(ctx, stages, &coding, coded);
    if (status == LEANN_OK) status = leann_coded_pack(ctx, coded);
    return status == LEANN_OK ? leann_coded_measure(ctx, coded) : status;
}

static leann_status codes_save(const leann_index *index, leann_writer *w)
{
    return leann_coded_save(&((const codes *)index)->coded, w);
}

static leann_status codes_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    const codes_params *p = index->params;
    leann_coded *coded = &((codes *)index)->coded;
    leann_status status = leann_coded_open(ctx, r, p->quantizer, index->d, index->space, NULL, index->n, false, coded);
    if (status == LEANN_OK) status = leann_coded_pack(ctx, coded);
    return status == LEANN_OK ? leann_coded_measure(ctx, coded) : status;
}

static void codes_free(leann_index *index)
{
    leann_coded_free(&((codes *)index)->coded);
}

static leann_status codes_plan(leann_ctx *ctx, leann_plan *plan)
{
    const codes_query *p = plan->params;
    plan->codes_will_do = p->on_failure;
    return leann_rerank_plan(ctx, plan, p->fetcher, p->rerank);
}

/* At most LEANN_SCAN_TOGETHER queries over one pass of the codes. */
static leann_status search_group(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids, float *key,
                                 uint32_t *found, leann_work *work)
{
    const codes *self = (const codes *)plan->index;
    uint32_t rows = self->common.n, d = self->common.d, rerank = ((const codes_query *)plan->params)->rerank;
    uint32_t most = rerank > k ? rerank : k;
    if (most > rows) most = rows;
    size_t mark = leann_scratch_mark(ctx);
    leann_hit *hit[LEANN_SCAN_TOGETHER];
    uint32_t near[LEANN_SCAN_TOGETHER];
    uint64_t start = leann_now_ns();
    leann_status status = leann_coded_nearest(ctx, &self->coded, q, n, most, hit, near);
    uint64_t share = (leann_now_ns() - start) / n;
    for (uint32_t i = 0; i < n && status == LEANN_OK; i++) {
        *leann_ctx_work(ctx) = (leann_work){.dist_comps = rows, .hops = 1, .stage_ns = {0, share, 0}};
        status = leann_rerank(ctx, plan, q + (size_t)i * d, hit[i], near[i], k, ids + (size_t)i * k, key + (size_t)i * k, &found[i]);
        work[i] = *leann_ctx_work(ctx);
    }
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status codes_search_batch(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids,
                                       float *key, uint32_t *found, leann_work *work)
{
    leann_status status = LEANN_OK;
    for (size_t i = 0; i < n && status == LEANN_OK; i += LEANN_SCAN_TOGETHER) {
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        uint32_t group = n - i < LEANN_SCAN_TOGETHER ? (uint32_t)(n - i) : LEANN_SCAN_TOGETHER;
        status = search_group(plan, ctx, q + i * plan->index->d, group, k, ids + i * k, key + i * k, found + i, work + i);
    }
    return status;
}

static leann_status codes_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                                 uint32_t *found)
{
    leann_work work; /* the context's is the same */
    return search_group(plan, ctx, q, 1, k, ids, key, found, &work);
}

static void codes_inside(const leann_index *index, leann_inside *out)
{
    out->quantizer = ((const codes *)index)->coded.quantizer;
}

static leann_status codes_decode(const leann_index *index, leann_ctx *ctx, const uint32_t *ids, uint32_t n, float *x)
{
    return leann_coded_decode(&((const codes *)index)->coded, ctx, NULL, ids, n, x);
}

static leann_status codes_check(leann_ctx *ctx, uint64_t n, uint32_t d, leann_space space, const void *params)
{
    (void)space;
    const codes_params *p = params;
    return leann_quantizer_of(p->quantizer)->check(ctx, n, d, p->quantizer.params);
}

static void codes_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                          leann_ledger *ledger)
{
    (void)type, (void)space, (void)seed;
    leann_coded_predict(n, d, ((const codes_params *)params)->quantizer, ledger);
}

const leann_method_type leann_method_codes = {
    .common = {"codes", 2, "all codes scored, optionally the best R re-ranked exactly", "Jégou et al. 2011, section III", build_table,
               sizeof(codes_params)},
    .query = query_table,
    .query_size = sizeof(codes_query),
    .index_size = sizeof(codes),
    .plan_size = sizeof(leann_plan),
    .build = codes_build,
    .save = codes_save,
    .open = codes_open,
    .free = codes_free,
    .plan = codes_plan,
    .search = codes_search,
    .search_batch = codes_search_batch,
    .batch_from = 2,
    .inside = codes_inside,
    .decode = codes_decode,
    .check = codes_check,
    .predict = codes_predict,
};
