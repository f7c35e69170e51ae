/* method_ivf_recompute.c – EdgeRAG's inverted file: the centres of the lists and who is in them are kept, embeddings are not; a query embeds
 * the rows of its nearest `probes` lists again, but for those of the longest lists, whose vectors may be stored.
 *
 * File: centres, list offsets, packed row ids, and (rows n · stored, d) floats: list after list, as many of each as it has stored. Which these
 * are follows from the lengths of the lists, so that nothing of it is written. No other row's vector is in the file, unless it is a centre:
 * that of a list of one row, or one that the selector took from the rows.
 * Cost a query: m + n · probes / m distances, and a fetch for each of those rows that is not stored.
 *
 * Source: Seemakhupt, Liu & Khan 2024 (EdgeRAG, arXiv 2412.21023): second-level embeddings pruned, those of costly clusters stored.
 * Differs: clusters are stored within a share of the rows, not where embedding them takes longer than a limit of seconds, so that the size of
 *   the file is known beforehand and does not depend on a machine; their cost is their rows, not the characters in them. They are stored
 *   whole, the costliest first; what the next one does not fit into is filled with its first rows. No cache of clusters that queries
 *   have generated (cost-aware LFU): what a query costs would depend on the queries before it, and a plan that threads share is immutable.
 *
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

#include <stdlib.h>

typedef struct {
    leann_choice selector;
    leann_count lists;
    double stored;
} recompute_params;
typedef struct {
    uint32_t probes, concurrent;
    leann_choice fetcher;
} recompute_query;

static const leann_param build_table[] = {
    LEANN_PARAM_COUNT(recompute_params, lists, "{sqrt_n: 1}", "how many lists"),
    LEANN_PARAM_PLUGIN(recompute_params, selector, "selector", "kmeans", "where the lists' centres come from"),
    LEANN_PARAM_REAL(recompute_params, stored, 0, 1, "0", "share of the rows whose vectors are kept, those of the longest lists"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {
    LEANN_PARAM_INT(recompute_query, probes, 1, 1000000, "8", "lists searched, nearest first (all of them when there are fewer)"),
    LEANN_PARAM_INT(recompute_query, concurrent, 1, 4096, "1", "queries of a batch that fetch together, each row once"),
    LEANN_PARAM_PLUGIN(recompute_query, fetcher, "fetcher", "replay", "where exact vectors come from"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_index common;
    leann_lists lists;
    uint32_t *stored_off; /* (m + 1) into vector: list l has its first stored_off[l + 1] - stored_off[l] rows there; owned */
    const float *vector;  /* (stored rows, d), in list order */
    float *owned;
} recompute;

static uint32_t rows_stored(const recompute_params *p, uint64_t n)
{
    return (uint32_t)((double)n * p->stored + 0.5);
}

/* ---- build --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t rows, list;
} cost;

static int costly_first(const void *a, const void *b)
{
    const cost *x = a, *y = b;
    if (x->rows != y->rows) return x->rows > y->rows ? -1 : 1;
    return x->list < y->list ? -1 : 1;
}

/* stored_off, of the lengths of the lists: all of the longest while there is room, then as many rows of the next as still fit. */
static leann_status share_out(leann_ctx *ctx, recompute *self)
{
    const uint32_t m = self->lists.m, *off = self->lists.off;
    uint32_t left = rows_stored(self->common.params, self->common.n);
    cost *list = leann_alloc(ctx, m, sizeof *list);
    self->stored_off = leann_alloc(ctx, (size_t)m + 1, sizeof *self->stored_off);
    leann_status status = list && self->stored_off ? LEANN_OK : leann_ctx_status(ctx);
    if (status) goto done;
    for (uint32_t l = 0; l < m; l++) list[l] = (cost){off[l + 1] - off[l], l};
    qsort(list, m, sizeof *list, costly_first);
    for (uint32_t i = 0; i < m; i++) {
        const uint32_t rows = list[i].rows < left ? list[i].rows : left;
        self->stored_off[list[i].list + 1] = rows;
        left -= rows;
    }
    for (uint32_t l = 0; l < m; l++) self->stored_off[l + 1] += self->stored_off[l];
done:
    leann_free(list);
    return status;
}

/* order: the row of each slot. */
static leann_status keep_stored(leann_ctx *ctx, recompute *self, leann_rows rows, const uint32_t *order)
{
    leann_status status = share_out(ctx, self);
    if (status) return status;
    const uint32_t *off = self->lists.off, *at = self->stored_off;
    self->owned = leann_alloc(ctx, (size_t)at[self->lists.m] * rows.d, sizeof *self->owned);
    if (!self->owned) return leann_ctx_status(ctx);
    for (uint32_t l = 0; l < self->lists.m; l++)
        leann_rows_gather(rows, order + off[l], at[l + 1] - at[l], self->owned + (size_t)at[l] * rows.d);
    self->vector = self->owned;
    return LEANN_OK;
}

static leann_status recompute_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    recompute *self = (recompute *)index;
    const recompute_params *p = index->params;
    leann_listing listing = {.selector = p->selector, .m = leann_count_of(p->lists, index->n)};
    leann_status status = leann_lists_over_rows(ctx, stages, data, &listing, &self->lists);
    if (!status) status = keep_stored(ctx, self, data->train, listing.order);
    leann_listing_free(&listing);
    return status;
}

/* ---- file ---------------------------------------------------------------------------------------------------------------------- */

static leann_status recompute_save(const leann_index *index, leann_writer *w)
{
    const recompute *self = (const recompute *)index;
    const uint32_t rows = self->stored_off[self->lists.m];
    leann_status status = leann_lists_save(&self->lists, w);
    if (status || rows == 0) return status;
    return leann_writer_add(w, "stored", LEANN_PART_VECTORS, LEANN_F32, rows, index->d * sizeof(float), self->vector);
}

static leann_status recompute_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    recompute *self = (recompute *)index;
    const recompute_params *p = index->params;
    const uint32_t n = index->n, d = index->d, rows = rows_stored(p, n);
    const void *vector;
    leann_status status = leann_lists_open(ctx, r, leann_count_of(p->lists, n), leann_build_dimension(d, index->space), n, &self->lists);
    if (!status) status = share_out(ctx, self);
    if (status || rows == 0) return status;
    status = leann_reader_need(ctx, r, "stored", LEANN_F32, rows, d * sizeof(float), &vector);
    if (status) return status;
    self->vector = vector;
    return leann_rows_check_file(ctx, leann_reader_path(r), (leann_rows){vector, d * sizeof(float), rows, d, LEANN_F32, index->space});
}

static void recompute_free(leann_index *index)
{
    recompute *self = (recompute *)index;
    leann_lists_free(&self->lists);
    leann_free(self->stored_off);
    leann_free(self->owned);
}

static leann_status recompute_check(leann_ctx *ctx, uint64_t n, uint32_t d, leann_space space, const void *params)
{
    (void)d, (void)space;
    return leann_lists_check(ctx, "lists", ((const recompute_params *)params)->lists, n);
}

static void recompute_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                              leann_ledger *ledger)
{
    (void)type, (void)seed;
    const recompute_params *p = params;
    const uint64_t rows = rows_stored(p, n);
    leann_lists_predict(n, leann_count_of(p->lists, (uint32_t)n), leann_build_dimension(d, space), ledger);
    if (rows) leann_ledger_add(ledger, LEANN_PART_VECTORS, rows * d * sizeof(float));
}

/* ---- search -------------------------------------------------------------------------------------------------------------------- */

static leann_status recompute_plan(leann_ctx *ctx, leann_plan *plan)
{
    const recompute *self = (const recompute *)plan->index;
    if (self->stored_off[self->lists.m] == self->common.n) return LEANN_OK; /* nothing is left to be fetched */
    if (!plan->source)
        return leann_fail(ctx, LEANN_EINVAL, "ivf-recompute embeds rows again, but the plan was given no source rows to fetch from");
    return leann_rerank_plan(ctx, plan, ((const recompute_query *)plan->params)->fetcher, 1);
}

/* Keys of the rows that a list has stored. */
static void key_stored(leann_ctx *ctx, const recompute *self, leann_scorer *scorer, uint32_t l, leann_sieve *top)
{
    enum { RUN = 1024 }; /* keys of a run stay in L1 */
    const uint32_t slot = self->lists.off[l], first = self->stored_off[l], rows = self->stored_off[l + 1] - first;
    float key[RUN];
    for (uint32_t at = 0; at < rows; at += RUN) {
        const uint32_t n = rows - at < RUN ? rows - at : RUN;
        scorer->score(scorer, (leann_span){LEANN_NONE, first + at, n, NULL}, top->cut, key, NULL);
        for (uint32_t i = 0; i < n; i++)
            if (key[i] <= top->cut) leann_sieve_push(top, key[i], leann_bits_at(self->lists.ids, slot + at + i, self->lists.bits));
    }
    leann_ctx_work(ctx)->dist_comps += rows;
    leann_ctx_work(ctx)->cache_hits += rows;
}

/* Room for the rows of the lists that are not stored, of which there are at most `room`. */
static leann_status want_room(leann_ctx *ctx, const recompute *self, const leann_hit *list, uint32_t probes, uint64_t room,
                              leann_wanted *want)
{
    const uint32_t *off = self->lists.off, *at = self->stored_off;
    uint64_t rows = 0;
    for (uint32_t p = 0; p < probes; p++) {
        const uint32_t l = list[p].id;
        rows += (off[l + 1] - off[l]) - (at[l + 1] - at[l]);
    }
    if (rows > room)
        return leann_fail(ctx, LEANN_ELIMIT,
                          "%llu rows are wanted at once where there is room for %llu more; ask for fewer probes, or concurrent",
                          (unsigned long long)rows, (unsigned long long)room);
    want->hit = leann_scratch(ctx, rows * sizeof *want->hit);
    return want->hit ? LEANN_OK : leann_ctx_status(ctx);
}

/* A query's nearest lists: what they have stored goes into top, the other rows are wanted. Counted in ctx's work. */
static leann_status scan_lists(leann_ctx *ctx, const leann_plan *plan, uint64_t room, leann_wanted *want, leann_sieve *top)
{
    const recompute *self = (const recompute *)plan->index;
    const leann_lists *lists = &self->lists;
    const leann_rows stored = {self->vector,      self->common.d * sizeof(float), self->stored_off[lists->m], self->common.d, LEANN_F32,
                               self->common.space};
    uint32_t probes = ((const recompute_query *)plan->params)->probes;
    leann_work *work = leann_ctx_work(ctx);
    const uint64_t start = leann_now_ns();
    leann_hit *list = NULL;
    leann_status status = leann_lists_probe(ctx, lists, self->common.d, self->common.space, want->q, &probes, &list);
    if (!status) status = want_room(ctx, self, list, probes, room, want);
    if (status) return status;
    const uint64_t probed = leann_now_ns();
    leann_scorer *scorer = leann_rows_scorer(ctx, stored, want->q);
    if (!scorer) return leann_ctx_status(ctx);
    for (uint32_t p = 0; p < probes; p++) {
        const uint32_t l = list[p].id, first = lists->off[l] + (self->stored_off[l + 1] - self->stored_off[l]);
        key_stored(ctx, self, scorer, l, top);
        for (uint32_t slot = first; slot < lists->off[l + 1]; slot++)
            want->hit[want->n++].id = leann_bits_at(lists->ids, slot, lists->bits);
    }
    work->hops += probes;
    work->stage_ns[0] += probed - start;
    work->stage_ns[1] += leann_now_ns() - probed;
    return LEANN_OK;
}

/* The answers of n queries, whose rows are fetched together. */
static leann_status search_group(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids, float *key,
                                 uint32_t *found, leann_work *work)
{
    const size_t mark = leann_scratch_mark(ctx);
    leann_work *own = leann_ctx_work(ctx);
    leann_wanted *want = leann_scratch(ctx, n * sizeof *want);
    leann_sieve *top = leann_scratch(ctx, n * sizeof *top);
    leann_status status = want && top ? LEANN_OK : leann_ctx_status(ctx);
    uint64_t room = INT32_MAX; /* that leann_fetch_wanted takes */
    for (uint32_t i = 0; i < n && !status; i++) {
        *own = (leann_work){0};
        want[i] = (leann_wanted){.q = q + (size_t)i * plan->index->d};
        if (leann_ctx_cancelled(ctx)) status = leann_fail(ctx, LEANN_EINTR, "interrupted");
        if (!status && !leann_sieve_start(&top[i], ctx, k)) status = leann_ctx_status(ctx);
        if (!status) status = scan_lists(ctx, plan, room, &want[i], &top[i]);
        room -= want[i].n;
        work[i] = *own;
    }
    const uint64_t start = leann_now_ns();
    *own = (leann_work){0};
    if (!status) status = leann_fetch_wanted(ctx, plan, want, n);
    for (uint32_t i = 0; i < n && !status; i++) {
        for (uint32_t j = 0; j < want[i].n; j++) leann_sieve_push(&top[i], want[i].hit[j].key, want[i].hit[j].id);
        const leann_hit *best = leann_sieve_sort(&top[i]);
        found[i] = top[i].n;
        for (uint32_t j = 0; j < found[i]; j++) {
            ids[(size_t)i * k + j] = best[j].id;
            key[(size_t)i * k + j] = best[j].key;
        }
        work[i].fetches = work[i].recomputes = want[i].fetched;
        work[i].dist_comps += want[i].n;
    }
    const uint64_t share = (leann_now_ns() - start) / n;
    for (uint32_t i = 0; i < n && !status; i++) work[i].stage_ns[2] = share;
    if (!status) work[0].encoder_calls = own->encoder_calls;
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status recompute_search_batch(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids,
                                           float *key, uint32_t *found, leann_work *work)
{
    const uint32_t together = ((const recompute_query *)plan->params)->concurrent;
    leann_status status = LEANN_OK;
    for (size_t i = 0; i < n && !status; i += together) {
        const uint32_t group = n - i < together ? (uint32_t)(n - i) : together;
        status = search_group(plan, ctx, q + i * plan->index->d, group, k, ids + i * k, key + i * k, found + i, work + i);
    }
    return status;
}

static leann_status recompute_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                                     uint32_t *found)
{
    leann_work work;
    leann_status status = search_group(plan, ctx, q, 1, k, ids, key, found, &work);
    if (!status) *leann_ctx_work(ctx) = work;
    return status;
}

static void recompute_inside(const leann_index *index, leann_inside *out)
{
    const leann_lists *lists = &((const recompute *)index)->lists;
    out->anchors = leann_lists_anchors(lists, lists->d, LEANN_L2);
    out->list_off = lists->off;
}

const leann_method_type leann_method_ivf_recompute = {
    .common = {"ivf-recompute", 1, "inverted lists without vectors: the rows of the nearest lists are embedded again",
               "Seemakhupt et al. 2024 (EdgeRAG, arXiv 2412.21023)", build_table, sizeof(recompute_params)},
    .query = query_table,
    .query_size = sizeof(recompute_query),
    .index_size = sizeof(recompute),
    .plan_size = sizeof(leann_plan),
    .build = recompute_build,
    .save = recompute_save,
    .open = recompute_open,
    .free = recompute_free,
    .plan = recompute_plan,
    .search = recompute_search,
    .search_batch = recompute_search_batch,
    .batch_from = 2,
    .inside = recompute_inside,
    .check = recompute_check,
    .predict = recompute_predict,
};
