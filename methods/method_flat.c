/* method_flat.c – the exact scan of all vectors: n·d work a query, recall 1; the referee of every other method.
 *
 * One query is scored row by row. From BATCH queries on, products by blocks (core/knn.h) say which few rows may matter, and those are
 * scored as one query's are: answers are the same to the bit.
 *
 * Source: none; it is the definition.
 * SPDX-License-Identifier: MIT */
#include "core/knn.h"
#include "methods/parts.h"

enum { BATCH = 4 }; /* MNIST: packing all rows costs what scoring them for three queries does */

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
    return leann_vectors_take(ctx, data, NULL, (leann_keep)p->vectors, &((flat *)index)->vectors);
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

typedef struct {
    leann_rows rows;
    const float *q; /* (queries, d) */
} scoring;

static leann_status scored_keys(leann_ctx *ctx, const void *arg, uint32_t query, leann_rows block, const uint32_t *row, uint32_t n,
                                double *key)
{
    const scoring *s = arg;
    size_t mark = leann_scratch_mark(ctx);
    leann_scorer *scorer = leann_rows_scorer(ctx, s->rows, s->q + (size_t)query * block.d);
    float *score = leann_scratch(ctx, n * sizeof *score);
    if (!scorer || !score) return LEANN_ENOMEM;
    scorer->score(scorer, (leann_span){LEANN_NONE, 0, n, row}, INFINITY, score, NULL);
    for (uint32_t i = 0; i < n; i++) key[i] = (double)score[i];
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* Queries as they are multiplied: as bytes where the rows are and each component is one, which is exact. */
static leann_status query_rows(leann_ctx *ctx, leann_rows rows, const float *q, uint32_t n, leann_rows *out)
{
    size_t total = (size_t)n * rows.d;
    *out = (leann_rows){q, rows.d * sizeof *q, n, rows.d, LEANN_F32, rows.space};
    if (rows.type != LEANN_U8) return LEANN_OK;
    uint8_t *bytes = leann_scratch(ctx, total);
    if (!bytes) return LEANN_ENOMEM;
    for (size_t i = 0; i < total; i++) {
        if (!(q[i] >= 0 && q[i] <= 255 && q[i] == (float)(uint8_t)q[i])) return LEANN_OK;
        bytes[i] = (uint8_t)q[i];
    }
    out->base = bytes;
    out->stride = rows.d;
    out->type = LEANN_U8;
    return LEANN_OK;
}

static leann_status by_blocks(const flat *self, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, leann_knn **out)
{
    leann_rows rows = self->vectors.rows, queries;
    if (rows.space == LEANN_ANGULAR) rows.space = LEANN_L2; /* what scorers of unit rows answer in */
    scoring *s = leann_scratch(ctx, sizeof *s);
    leann_status status = s ? query_rows(ctx, rows, q, n, &queries) : LEANN_ENOMEM;
    if (status != LEANN_OK) return status;
    *s = (scoring){self->vectors.rows, q};
    leann_knn_options options = {.queries = queries, .k = k, .rows = rows.n, .serial = true, .keys = scored_keys, .arg = s};
    options.error = rows.d + 8; /* a float sum of d terms, in any order */
    void *memory = leann_scratch(ctx, leann_knn_bytes(&options));
    if (!memory) return LEANN_ENOMEM;
    *out = leann_knn_begin(&options, memory);
    return leann_knn_add(ctx, *out, rows, 0);
}

static leann_status flat_search_batch(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids,
                                      float *key, uint32_t *found, leann_work *work)
{
    const flat *self = (const flat *)plan->index;
    uint64_t start = leann_now_ns();
    leann_knn *knn;
    leann_status status = by_blocks(self, ctx, q, n, k, &knn);
    if (status != LEANN_OK) return status;
    for (uint32_t i = 0; i < n; i++) {
        const leann_knn_hit *hit = leann_knn_end(knn, i, &found[i]);
        for (uint32_t j = 0; j < found[i]; j++) {
            ids[(size_t)i * k + j] = hit[j].id;
            key[(size_t)i * k + j] = (float)hit[j].key;
        }
        work[i] = (leann_work){.dist_comps = self->common.n, .hops = 1};
    }
    for (uint32_t i = 0, share = (uint32_t)((leann_now_ns() - start) / n); i < n; i++) work[i].stage_ns[0] = share;
    return LEANN_OK;
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
    .search_batch = flat_search_batch,
    .batch_from = BATCH,
    .predict = flat_predict,
};
