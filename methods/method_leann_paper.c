/* method_leann_paper.c – LEANN as its paper has it: a pruned graph and product-quantised codes are kept, embeddings are not; a query walks the
 * graph by exact keys of rows that are embedded again, which codes choose among all that the walk meets.
 *
 * File: packed links (core/edges.h), code bytes a row, codebooks, and the vectors of as many hubs as were asked for.
 * Cost a query: mostly what it fetches: about ratio times the rows met, in batches; beside that a look-up of codes for each row met.
 *
 * Source: Wang et al. 2025 (LEANN, arXiv 2506.08276): Algorithm 2 (two-level search), dynamic batching, hub cache; pruning: graph_pruned.c.
 * Differs: walks are on level 0 alone, from the best by code of a sample (start_every) or from the entry; the cache holds the rows with most
 *   links, in and out, or those that queries of the tune half fetched most often; links are packed.
 *
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    leann_choice graph, quantizer;
    double links, cache;
    uint32_t cache_queries, link_bits;
    int order;
} paper_params;
typedef struct {
    uint32_t ef_search, batch, start_every, concurrent;
    double ratio;
    leann_choice fetcher;
} paper_query;

static const leann_param build_table[] = {
    LEANN_PARAM_PLUGIN(paper_params, graph, "graph", "pruned", "the topology; of hnsw its level 0"),
    LEANN_PARAM_PLUGIN(paper_params, quantizer, "quantizer", "pq", "codes that choose what is embedded again"),
    LEANN_PARAM_REAL(paper_params, links, 1, 512, "9", "links a row on average that the file has room for, where link_bits is 0"),
    LEANN_PARAM_REAL(paper_params, cache, 0, 1, "0", "share of the rows whose vectors are kept"),
    LEANN_PARAM_INT(
        paper_params, cache_queries, 0, 1000000, "0",
        "which these are: 0: those with most links; else those that so many of the queries that tune (at most half of a sweep's) "
        "fetch most often"),
    LEANN_PARAM_LATE_INT(paper_params, link_bits, 0, 65535,
                         "bits that a row's links take on average at most; 0: as many as `links` of them take in any order"),
    LEANN_PARAM_LATE_WORD(paper_params, order, LEANN_ORDER_WORDS, "rows",
                          "of the rows, for their links: their own, or one by bisecting the graph, in which what is linked lies near"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {
    LEANN_PARAM_INT(paper_query, ef_search, 0, 1000000, "0",
                    "exact candidates kept by the walk, at least k; 0: what the graph was built to prefer"),
    LEANN_PARAM_REAL(paper_query, ratio, 0, 1, "0.1", "share of the rows met, best by code first, that a hop embeds again; 1: all of them"),
    LEANN_PARAM_INT(paper_query, batch, 0, 65536, "0",
                    "rows that are gathered over hops before they are embedded; 1: each hop's alone; 0: what the fetcher likes best"),
    LEANN_PARAM_INT(paper_query, concurrent, 1, 4096, "1", "queries of a batch that walk at once and fetch together"),
    LEANN_PARAM_INT(paper_query, start_every, 0, 1000000, "64",
                    "one row in so many has its code scored before the walk, which begins at the best of them; 0: at the entry"),
    LEANN_PARAM_PLUGIN(paper_query, fetcher, "fetcher", "replay", "where exact vectors come from"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_index common;
    leann_graph *graph; /* level 0, packed */
    leann_coded coded;
    uint32_t hubs;       /* rows whose vectors are kept */
    const uint32_t *hub; /* (hubs) ascending */
    const float *vector; /* (hubs, d) */
    void *owned[2];
} paper;

static uint64_t link_bytes(const paper_params *p, uint64_t n)
{
    const uint32_t slots = leann_graph_of(p->graph)->slots(p->graph.params);
    if (p->link_bits) return leann_edges_bytes(n, p->link_bits);
    return leann_edges_bytes(n, leann_edges_enough(n, p->links, slots) + (p->order ? leann_bits_for((uint32_t)n) : 0));
}

static uint32_t hubs_of(const paper_params *p, uint64_t n)
{
    return (uint32_t)((double)n * p->cache + 0.5);
}

/* ---- build --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t count, row;
} popular;

static int by_count(const void *a, const void *b)
{
    const popular *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* Links of each row, in and out. */
static leann_status count_links(leann_ctx *ctx, const leann_graph *graph, popular *all)
{
    const size_t mark = leann_scratch_mark(ctx);
    uint32_t *room = leann_scratch(ctx, ((size_t)graph->slots + 1) * sizeof *room);
    if (!room) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < graph->n; i++) {
        const uint32_t *list = leann_graph_read(graph, i, 0, room);
        all[i].count += list[0];
        for (uint32_t j = 1; j <= list[0]; j++) all[list[j]].count++;
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* A fetcher in front of another, that counts what is fetched. */
typedef struct {
    leann_fetcher common, *real;
    popular *all;
} counter;

static leann_status counter_submit(const leann_fetcher *self, leann_ctx *ctx, const uint32_t *ids, uint32_t n, uint64_t *ticket)
{
    const counter *c = (const counter *)(const void *)self;
    for (uint32_t i = 0; i < n; i++) c->all[ids[i]].count++;
    return c->real->type->submit(c->real, ctx, ids, n, ticket);
}

static leann_status counter_collect(const leann_fetcher *self, leann_ctx *ctx, uint64_t ticket, int64_t deadline_ns, leann_rows *out)
{
    const counter *c = (const counter *)(const void *)self;
    return c->real->type->collect(c->real, ctx, ticket, deadline_ns, out);
}

/* How often each row is fetched by queries of the tune half, with the default effort. One thread. */
static leann_status count_fetches(leann_ctx *ctx, const paper *self, const leann_dataset *data, popular *all)
{
    enum { K = 10 };
    static const leann_fetcher_type counting = {.common = {.name = "counter"}, .submit = counter_submit, .collect = counter_collect};
    const uint32_t queries = ((const paper_params *)self->common.params)->cache_queries, k = data->train.n < K ? data->train.n : K;
    if (queries > data->test.n / 2)
        return leann_fail(ctx, LEANN_EINVAL, "cache_queries = %u: the tune half of the data set's queries has %u", queries,
                          data->test.n / 2);
    const size_t mark = leann_scratch_mark(ctx);
    uint32_t *order = leann_scratch(ctx, 2 * (size_t)queries * sizeof *order), *ids = leann_scratch(ctx, k * sizeof *ids), tune;
    float *dist = leann_scratch(ctx, k * sizeof *dist);
    leann_plan *plan = NULL;
    leann_status status = order && ids && dist ? leann_split(ctx, data->test.n, 2 * queries, order, &tune) : leann_ctx_status(ctx);
    if (!status) status = leann_plan_new(ctx, &self->common, NULL, &data->train, &plan);
    if (status) return status;
    counter count = {.common = *plan->fetcher, .real = plan->fetcher, .all = all};
    count.common.type = &counting;
    plan->fetcher = &count.common;
    for (uint32_t i = 0; i < queries && !status; i++) {
        leann_rows one = data->test;
        one.base = (const char *)data->test.base + order[i] * data->test.stride;
        one.n = 1;
        status = leann_search(plan, ctx, one, k, ids, dist, NULL);
    }
    plan->fetcher = count.real;
    leann_plan_free(plan);
    leann_scratch_reset(ctx, mark);
    return status;
}

/* The rows of the cache and their vectors. */
static leann_status keep_hubs(leann_ctx *ctx, paper *self, const leann_dataset *data)
{
    const leann_rows rows = data->train;
    const uint32_t n = rows.n, hubs = hubs_of(self->common.params, n);
    if (hubs == 0) return LEANN_OK;
    popular *all = leann_alloc(ctx, n, sizeof *all);
    uint32_t *hub = self->owned[0] = leann_alloc(ctx, hubs, sizeof *hub);
    float *vector = self->owned[1] = leann_alloc(ctx, (size_t)hubs * rows.d, sizeof *vector);
    leann_status status = all && hub && vector ? LEANN_OK : leann_ctx_status(ctx);
    if (status) goto done;
    for (uint32_t i = 0; i < n; i++) all[i].row = i;
    if (((const paper_params *)self->common.params)->cache_queries)
        status = count_fetches(ctx, self, data, all);
    else
        status = count_links(ctx, self->graph, all);
    if (status) goto done;
    qsort(all, n, sizeof *all, by_count);
    for (uint32_t i = 0; i < hubs; i++) hub[i] = all[i].row;
    qsort(hub, hubs, sizeof *hub, leann_by_id);
    leann_rows_gather(rows, hub, hubs, vector);
    self->hubs = hubs, self->hub = hub, self->vector = vector;
done:
    leann_free(all);
    return status;
}

static leann_status paper_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    paper *self = (paper *)index;
    const paper_params *p = index->params;
    leann_status status = leann_links_over_rows(ctx, stages, data->train, p->graph, &self->graph);
    if (status) return status;
    leann_ctx_fact(ctx, "mean_degree", leann_graph_mean_degree(self->graph));
    leann_graph_drop_upper(self->graph);
    status = leann_links_pack(ctx, stages, p->graph, p->order, link_bytes(p, index->n), self->graph);
    leann_coding coding = {.rows = data->train, .quantizer = p->quantizer};
    if (!status) status = leann_coded_make(ctx, stages, &coding, &self->coded);
    return status ? status : keep_hubs(ctx, self, data);
}

/* ---- file ---------------------------------------------------------------------------------------------------------------------- */

static leann_status paper_save(const leann_index *index, leann_writer *w)
{
    const paper *self = (const paper *)index;
    leann_status status = leann_graph_save(self->graph, "links", w);
    if (!status) status = leann_coded_save(&self->coded, w);
    if (status || self->hubs == 0) return status;
    status = leann_writer_add(w, "hubs", LEANN_PART_IDS, LEANN_U32, self->hubs, sizeof *self->hub, self->hub);
    return status ? status
                  : leann_writer_add(w, "hub_vectors", LEANN_PART_VECTORS, LEANN_F32, self->hubs, index->d * sizeof(float), self->vector);
}

static leann_status open_hubs(leann_ctx *ctx, leann_reader *r, paper *self)
{
    const uint32_t n = self->common.n, d = self->common.d;
    const void *hub, *vector;
    self->hubs = hubs_of(self->common.params, n);
    if (self->hubs == 0) return LEANN_OK;
    leann_status status = leann_reader_need(ctx, r, "hubs", LEANN_U32, self->hubs, sizeof(uint32_t), &hub);
    if (!status) status = leann_reader_need(ctx, r, "hub_vectors", LEANN_F32, self->hubs, d * sizeof(float), &vector);
    if (status) return status;
    self->hub = hub, self->vector = vector;
    for (uint32_t i = 0; i < self->hubs; i++)
        if (self->hub[i] >= n || (i > 0 && self->hub[i] <= self->hub[i - 1]))
            return leann_fail(ctx, LEANN_EFORMAT, "%s: hub %u is row %u of %u, or out of order", leann_reader_path(r), i, self->hub[i], n);
    for (size_t i = 0; i < (size_t)self->hubs * d; i++)
        if (!isfinite(self->vector[i]))
            return leann_fail(ctx, LEANN_EFORMAT, "%s: a vector of its hubs is not finite", leann_reader_path(r));
    return LEANN_OK;
}

static leann_status paper_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    paper *self = (paper *)index;
    const paper_params *p = index->params;
    if (leann_reader_find(r, "edges.head"))
        return leann_fail(ctx, LEANN_EUNSUPPORTED,
                          "%s: revision 1 of leann-paper wrote it, with links that are kept otherwise now: build it anew",
                          leann_reader_path(r));
    leann_status status = leann_graph_open(ctx, r, "links", index->n, &self->graph);
    if (!status && self->graph->slots == 0) status = leann_fail(ctx, LEANN_EFORMAT, "%s: its graph has no links", leann_reader_path(r));
    if (!status) status = leann_coded_open(ctx, r, p->quantizer, index->d, index->space, NULL, index->n, false, &self->coded);
    return status ? status : open_hubs(ctx, r, self);
}

static void paper_free(leann_index *index)
{
    paper *self = (paper *)index;
    leann_graph_free(self->graph);
    leann_coded_free(&self->coded);
    leann_free(self->owned[0]);
    leann_free(self->owned[1]);
}

static leann_status paper_check(leann_ctx *ctx, uint64_t n, uint32_t d, leann_space space, const void *params)
{
    (void)space;
    const paper_params *p = params;
    if (leann_graph_of(p->graph)->slots(p->graph.params) == 0)
        return leann_fail(ctx, LEANN_EINVAL, "graph %s has no links to walk: leann-paper needs pruned, hnsw or vamana",
                          p->graph.plugin->name);
    return leann_quantizer_of(p->quantizer)->check(ctx, n, d, p->quantizer.params);
}

static void paper_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                          leann_ledger *ledger)
{
    (void)type, (void)space, (void)seed;
    const paper_params *p = params;
    const uint64_t hubs = hubs_of(p, n);
    leann_graph_predict_packed(n, link_bytes(p, n), 0, ledger);
    leann_coded_predict(n, d, p->quantizer, ledger);
    if (hubs == 0) return;
    leann_ledger_add(ledger, LEANN_PART_IDS, hubs * sizeof(uint32_t));
    leann_ledger_add(ledger, LEANN_PART_VECTORS, hubs * d * sizeof(float));
}

/* ---- a walk -------------------------------------------------------------------------------------------------------------------- */

typedef struct { /* closest first; in the context's scratch, where it grows */
    leann_hit *hit;
    uint32_t n, room;
} heap;

/* Room for one more hit: twice as much as before, in the context's scratch, when it is full. */
static bool grow(leann_ctx *ctx, leann_hit **hit, uint32_t n, uint32_t *room)
{
    if (n < *room) return true;
    const uint32_t twice = *room ? 2 * *room : 128;
    leann_hit *more = leann_scratch(ctx, twice * sizeof *more);
    if (!more) return false;
    if (n) memcpy(more, *hit, n * sizeof *more);
    *hit = more, *room = twice;
    return true;
}

static bool heap_push(leann_ctx *ctx, heap *h, leann_hit hit)
{
    if (!grow(ctx, &h->hit, h->n, &h->room)) return false;
    uint32_t at = h->n++;
    for (; at > 0 && leann_hit_before(hit, h->hit[(at - 1) / 2]); at = (at - 1) / 2) h->hit[at] = h->hit[(at - 1) / 2];
    h->hit[at] = hit;
    return true;
}

static leann_hit heap_pop(heap *h)
{
    const leann_hit top = h->hit[0], last = h->hit[--h->n];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < h->n; at = child) {
        if (child + 1 < h->n && leann_hit_before(h->hit[child + 1], h->hit[child])) child++;
        if (!leann_hit_before(h->hit[child], last)) break;
        h->hit[at] = h->hit[child];
    }
    h->hit[at] = last;
    return top;
}

typedef struct {
    leann_wanted want; /* rows to be keyed exactly; wanted in any order */
    uint32_t want_room;
    leann_scorer *code;
    uint64_t *seen;  /* bits */
    heap met, open;  /* by code, not keyed exactly yet; by exact key, not expanded yet */
    leann_topk best; /* by exact key */
    uint32_t *ids;   /* (1 + slots) */
    float *key;
    uint64_t hops, exact, cached;
    bool done;
} walk;

static bool want(leann_ctx *ctx, walk *w, uint32_t id)
{
    if (!grow(ctx, &w->want.hit, w->want.n, &w->want_room)) return false;
    w->want.hit[w->want.n++].id = id;
    return true;
}

static bool see(walk *w, uint32_t id) /* true: for the first time */
{
    const uint64_t bit = (uint64_t)1 << id % 64;
    const bool fresh = !(w->seen[id / 64] & bit);
    w->seen[id / 64] |= bit;
    return fresh;
}

/* The best by code of one row in `every`. */
static uint32_t best_of_sample(const paper *self, walk *w, uint32_t every)
{
    enum { SOME = 64 };
    leann_hit best = {INFINITY, self->graph->entry};
    uint32_t ids[SOME];
    float key[SOME];
    for (uint64_t row = 0; row < self->common.n;) {
        uint32_t n = 0;
        for (; n < SOME && row < self->common.n; row += every) ids[n++] = (uint32_t)row;
        w->code->score(w->code, (leann_span){LEANN_NONE, 0, n, ids}, INFINITY, key, NULL);
        for (uint32_t i = 0; i < n; i++)
            if (leann_hit_before((leann_hit){key[i], ids[i]}, best)) best = (leann_hit){key[i], ids[i]};
    }
    return best.id;
}

static leann_status walk_start(leann_ctx *ctx, const leann_plan *plan, const float *q, uint32_t ef, walk *w)
{
    const paper *self = (const paper *)plan->index;
    const paper_query *p = plan->params;
    const size_t words = (size_t)self->common.n / 64 + 1, longest = (size_t)self->graph->slots + 1;
    *w = (walk){.want = {.q = q}, .code = leann_coded_scorer(ctx, &self->coded, q, NULL)};
    leann_hit *store = leann_scratch(ctx, ef * sizeof *store);
    w->seen = leann_scratch(ctx, words * sizeof *w->seen);
    w->ids = leann_scratch(ctx, longest * sizeof *w->ids);
    w->key = leann_scratch(ctx, longest * sizeof *w->key);
    if (!w->code || !store || !w->seen || !w->ids || !w->key) return leann_ctx_status(ctx);
    memset(w->seen, 0, words * sizeof *w->seen);
    leann_topk_start(&w->best, store, ef);
    const uint32_t first = p->start_every ? best_of_sample(self, w, p->start_every) : self->graph->entry;
    see(w, first);
    return want(ctx, w, first) ? LEANN_OK : leann_ctx_status(ctx);
}

/* One hop: the closest row that is not expanded yet; what it leads to is judged by code, and the best of all that was met so far is wanted. */
static leann_status hop(leann_ctx *ctx, const paper *self, double ratio, walk *w)
{
    const uint32_t *list = leann_graph_read(self->graph, heap_pop(&w->open).id, 0, w->ids), n = list[0];
    uint32_t fresh = 0;
    w->hops++;
    for (uint32_t i = 1; i <= n; i++)
        if (see(w, list[i])) w->ids[fresh++] = list[i];
    if (fresh) w->code->score(w->code, (leann_span){LEANN_NONE, 0, fresh, w->ids}, INFINITY, w->key, NULL);
    for (uint32_t i = 0; i < fresh; i++)
        if (!heap_push(ctx, &w->met, (leann_hit){w->key[i], w->ids[i]})) return leann_ctx_status(ctx);
    for (uint32_t most = (uint32_t)ceil(ratio * w->met.n); most > 0 && w->met.n > 0; most--)
        if (!want(ctx, w, heap_pop(&w->met).id)) return leann_ctx_status(ctx);
    return LEANN_OK;
}

/* Hops until a batch is wanted, or nothing can come closer without what is wanted already. */
static leann_status advance(leann_ctx *ctx, const leann_plan *plan, uint32_t batch, walk *w)
{
    const paper *self = (const paper *)plan->index;
    const paper_query *p = plan->params;
    leann_status status = LEANN_OK;
    while (!status && w->want.n < batch) {
        if (w->open.n == 0 || w->open.hit[0].key > w->best.cut) {
            w->done = w->want.n == 0;
            break;
        }
        status = hop(ctx, self, p->ratio, w);
    }
    leann_trace(ctx, "%" PRIu64 " hops: %u rows met and not keyed exactly, %u keyed and not expanded, %u wanted; key of the %u-th %.5g%s",
                w->hops, w->met.n, w->open.n, w->want.n, w->best.k, (double)w->best.cut,
                w->done ? "; it ends: no row that is not expanded is nearer" : "");
    return status;
}

/* Those of the wanted rows that the cache has get their keys; they go to the end, and the others are left to the fetcher. */
static leann_status ask_cache(leann_ctx *ctx, const paper *self, walk *w, uint32_t *left)
{
    const size_t mark = leann_scratch_mark(ctx);
    uint32_t n = w->want.n, fetched = 0;
    *left = n;
    if (self->hubs == 0) return LEANN_OK;
    const leann_rows rows = {self->vector, self->common.d * sizeof(float), self->hubs, self->common.d, LEANN_F32, self->common.space};
    leann_scorer *scorer = leann_rows_scorer(ctx, rows, w->want.q);
    uint32_t *place = leann_scratch(ctx, n * sizeof *place);
    float *key = leann_scratch(ctx, n * sizeof *key);
    leann_hit *had = leann_scratch(ctx, n * sizeof *had);
    if (!scorer || !place || !key || !had) return leann_ctx_status(ctx);
    uint32_t hits = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t *at = bsearch(&w->want.hit[i].id, self->hub, self->hubs, sizeof *self->hub, leann_by_id);
        if (at) {
            place[hits] = (uint32_t)(at - self->hub);
            had[hits++].id = w->want.hit[i].id;
        } else {
            w->want.hit[fetched++].id = w->want.hit[i].id;
        }
    }
    if (hits) scorer->score(scorer, (leann_span){LEANN_NONE, 0, hits, place}, INFINITY, key, NULL);
    for (uint32_t i = 0; i < hits; i++) w->want.hit[fetched + i] = (leann_hit){key[i], had[i].id};
    w->cached += hits;
    *left = fetched;
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

static leann_status absorb(leann_ctx *ctx, walk *w)
{
    w->exact += w->want.n;
    for (uint32_t i = 0; i < w->want.n; i++) {
        leann_topk_push(&w->best, w->want.hit[i].key, w->want.hit[i].id);
        if (!heap_push(ctx, &w->open, w->want.hit[i])) return leann_ctx_status(ctx);
    }
    w->want.n = 0;
    return LEANN_OK;
}

/* Exact keys of what all walks want, by one fetch. */
static leann_status key_wanted(leann_ctx *ctx, const leann_plan *plan, walk *w, uint32_t n)
{
    const paper *self = (const paper *)plan->index;
    const size_t mark = leann_scratch_mark(ctx);
    leann_wanted *wanted = leann_scratch(ctx, n * sizeof *wanted);
    leann_status status = wanted ? LEANN_OK : leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n && !status; i++) {
        uint32_t left = 0;
        if (!w[i].done) status = ask_cache(ctx, self, &w[i], &left);
        wanted[i] = w[i].want;
        wanted[i].n = left;
    }
    if (!status) status = leann_fetch_wanted(ctx, plan, wanted, n);
    for (uint32_t i = 0; i < n && !status; i++) w[i].want.fetched = wanted[i].fetched;
    leann_scratch_reset(ctx, mark);
    return status;
}

/* ---- search -------------------------------------------------------------------------------------------------------------------- */

static leann_status paper_plan(leann_ctx *ctx, leann_plan *plan)
{
    if (!plan->source)
        return leann_fail(ctx, LEANN_EINVAL, "leann-paper embeds rows again, but the plan was given no source rows to fetch from");
    return leann_rerank_plan(ctx, plan, ((const paper_query *)plan->params)->fetcher, 1);
}

/* n queries in step: all walk until each has its share of a batch, which is then fetched at once. */
static leann_status search_group(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids, float *key,
                                 uint32_t *found, leann_work *work)
{
    const paper *self = (const paper *)plan->index;
    const paper_query *p = plan->params;
    const paper_params *build = plan->index->params;
    const size_t mark = leann_scratch_mark(ctx);
    const uint64_t start = leann_now_ns();
    uint64_t waited = 0;
    uint32_t ef = p->ef_search ? p->ef_search : leann_graph_of(build->graph)->default_ef(build->graph.params), going = n;
    if (ef < k) ef = k;
    if (ef > self->common.n) ef = self->common.n;
    const uint32_t whole = p->batch                    ? p->batch
                           : plan->fetcher->best_batch ? plan->fetcher->best_batch
                                                       : 64,
                   batch = whole / n ? whole / n : 1;
    walk *w = leann_scratch(ctx, n * sizeof *w);
    leann_status status = w ? LEANN_OK : leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n && !status; i++) status = walk_start(ctx, plan, q + (size_t)i * self->common.d, ef, &w[i]);
    while (!status && going > 0) {
        const uint64_t asked = leann_now_ns();
        status = leann_ctx_cancelled(ctx) ? leann_fail(ctx, LEANN_EINTR, "interrupted") : key_wanted(ctx, plan, w, n);
        waited += leann_now_ns() - asked;
        going = 0;
        for (uint32_t i = 0; i < n && !status; i++) {
            if (w[i].done) continue;
            status = absorb(ctx, &w[i]);
            if (!status) status = advance(ctx, plan, batch, &w[i]);
            going += !w[i].done;
        }
    }
    const uint64_t walked = (leann_now_ns() - start - waited) / n;
    for (uint32_t i = 0; i < n && !status; i++) {
        leann_topk_sort(&w[i].best);
        found[i] = w[i].best.n < k ? w[i].best.n : k;
        for (uint32_t j = 0; j < found[i]; j++) {
            ids[(size_t)i * k + j] = w[i].best.hit[j].id;
            key[(size_t)i * k + j] = w[i].best.hit[j].key;
        }
        const uint64_t fetched = w[i].want.fetched;
        work[i] = (leann_work){.dist_comps = w[i].code->dist_comps + w[i].exact,
                               .hops = w[i].hops,
                               .fetches = fetched,
                               .recomputes = fetched,
                               .cache_hits = w[i].cached,
                               .stage_ns = {walked, 0, waited / n}};
    }
    if (!status) work[0].encoder_calls = leann_ctx_work(ctx)->encoder_calls;
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status paper_search_batch(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids,
                                       float *key, uint32_t *found, leann_work *work)
{
    const uint32_t together = ((const paper_query *)plan->params)->concurrent;
    leann_status status = LEANN_OK;
    for (size_t i = 0; i < n && !status; i += together) {
        const uint32_t group = n - i < together ? (uint32_t)(n - i) : together;
        *leann_ctx_work(ctx) = (leann_work){0};
        status = search_group(plan, ctx, q + i * plan->index->d, group, k, ids + i * k, key + i * k, found + i, work + i);
    }
    return status;
}

static leann_status paper_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                                 uint32_t *found)
{
    leann_work work;
    leann_status status = search_group(plan, ctx, q, 1, k, ids, key, found, &work);
    if (!status) *leann_ctx_work(ctx) = work;
    return status;
}

/* ---- what others ask ------------------------------------------------------------------------------------------------------------- */

static void paper_inside(const leann_index *index, leann_inside *out)
{
    out->quantizer = ((const paper *)index)->coded.quantizer;
}

static leann_status paper_decode(const leann_index *index, leann_ctx *ctx, const uint32_t *ids, uint32_t n, float *x)
{
    return leann_coded_decode(&((const paper *)index)->coded, ctx, NULL, ids, n, x);
}

const leann_method_type leann_method_leann_paper = {
    .common = {"leann-paper", 2, "a pruned graph and codes are kept, embeddings are not: a walk embeds again what codes choose",
               "Wang et al. 2025 (LEANN, arXiv 2506.08276), Algorithm 2", build_table, sizeof(paper_params)},
    .query = query_table,
    .query_size = sizeof(paper_query),
    .index_size = sizeof(paper),
    .plan_size = sizeof(leann_plan),
    .build = paper_build,
    .save = paper_save,
    .open = paper_open,
    .free = paper_free,
    .plan = paper_plan,
    .search = paper_search,
    .search_batch = paper_search_batch,
    .batch_from = 2,
    .inside = paper_inside,
    .decode = paper_decode,
    .check = paper_check,
    .predict = paper_predict,
};
