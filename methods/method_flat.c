/* method_flat.c – the exact scan of all vectors: n·d work a query, recall 1; the referee of every other method.
 *
 * Source: none; it is the definition.
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

typedef struct {
    int vectors;
} flat_params;

static const leann_param build_table[] = {
    LEANN_PARAM_WORD(flat_params, vectors, LEANN_KEEP_WORDS, "source", "keep vectors in the source's own type, or as 32-bit floats"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {LEANN_PARAM_END};

typedef struct {
    leann_index common;
    leann_vectors vectors;
} flat;

static leann_status flat_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    (void)stages;
    const flat_params *p = index->params;
    return leann_vectors_take(ctx, data->train, NULL, (leann_keep)p->vectors, &((flat *)index)->vectors);
}

static leann_status flat_save(const leann_index *index, leann_writer *w)
{
    return leann_vectors_save(&((const flat *)index)->vectors, w);
}

static leann_status flat_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    return leann_vectors_open(ctx, r, index->n, index->d, index->space, &((flat *)index)->vectors);
}

static void flat_free(leann_index *index)
{
    leann_vectors_free(&((flat *)index)->vectors);
}

static leann_status flat_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                                uint32_t *found)
{
    const flat *self = (const flat *)plan->index;
    uint64_t start = leann_now_ns();
    leann_scorer *scorer = leann_rows_scorer(ctx, self->vectors.rows, q);
    leann_sieve top;
    if (!scorer || !leann_sieve_start(&top, ctx, k)) return leann_ctx_status(ctx);
    leann_scan_all(&scorer, &top, 1, self->common.n);
    leann_hit *hit = leann_sieve_sort(&top);
    leann_work *work = leann_ctx_work(ctx);
    work->dist_comps += self->common.n;
    work->hops += 1;
    work->stage_ns[0] += leann_now_ns() - start;
    return leann_rerank(ctx, plan, q, hit, top.n, k, ids, key, found);
}

static void flat_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                         leann_ledger *ledger)
{
    (void)space, (void)seed;
    leann_vectors_predict(n, d, type, (leann_keep)((const flat_params *)params)->vectors, ledger);
}

const leann_method_type leann_method_flat = {
    .common = {"flat", 1, "exact scan of all vectors", "none: the definition", build_table, sizeof(flat_params)},
    .query = query_table,
    .query_size = 1,
    .index_size = sizeof(flat),
    .plan_size = sizeof(leann_plan),
    .build = flat_build,
    .save = flat_save,
    .open = flat_open,
    .free = flat_free,
    .search = flat_search,
    .predict = flat_predict,
};
