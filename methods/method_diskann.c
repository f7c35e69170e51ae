/* method_diskann.c – a graph over all rows whose nodes stay on disk: codes in memory lead the walk, the vectors beside the links re-rank.
 *
 * In memory: n code bytes, n packed ids, n marks of a context, and a query's pages. A query reads about ef_search / nodes-a-page pages,
 * beam_width at a time, and scores the codes of every node it meets. Without vectors (vectors: none) the best `rerank` are fetched.
 * Under inner product the graph is built over rows lifted by one coordinate; codes and vectors are of the rows themselves.
 *
 * Source: Subramanya et al. 2019 (DiskANN), section 3; page layout: part_nodes.c.
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

#include <string.h>

typedef struct {
    leann_choice graph, quantizer;
    int vectors;
} diskann_params;
typedef struct {
    uint32_t ef_search, beam_width, start_every, rerank, cache_mb;
    int io;
    leann_choice fetcher;
    int on_failure;
} diskann_query;

static const leann_param build_table[] = {
    LEANN_PARAM_PLUGIN(diskann_params, graph, "graph", "vamana", "the topology; of hnsw its level 0"),
    LEANN_PARAM_PLUGIN(diskann_params, quantizer, "quantizer", "{sq: {bits: 4}}", "codes in memory, which lead the walk"),
    LEANN_PARAM_WORD(diskann_params, vectors, LEANN_KEEP_WORDS "|none", "source",
                     "vectors beside the links in the source's own type, or as 32-bit floats; none: exact keys are fetched"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {
    LEANN_PARAM_INT(diskann_query, ef_search, 0, 1000000, "0",
                    "candidates kept by the walk, at least k and rerank; 0: what the graph was built to prefer"),
    LEANN_PARAM_INT(diskann_query, beam_width, 1, 256, "4", "nodes read in one batch"),
    LEANN_PARAM_INT(diskann_query, start_every, 0, 1000000, "64",
                    "one node in so many has its code scored before the walk, which begins at the best of them; 0: at the entry alone"),
    LEANN_PARAM_INT(diskann_query, rerank, 0, 1000000, "0",
                    "vectors: none: best candidates fetched and keyed exactly; 0: answers come from codes alone"),
    LEANN_PARAM_PLUGIN(diskann_query, fetcher, "fetcher", "replay", "vectors: none: where exact vectors come from"),
    LEANN_PARAM_ON_FAILURE(diskann_query),
    LEANN_PARAM_WORD(diskann_query, io, LEANN_IO_WORDS, "auto", "batches by io_uring or page by page with pread; auto: what there is"),
    LEANN_PARAM_INT(diskann_query, cache_mb, 0, 1000000, "0", "MiB of pages nearest the entry that the plan keeps in memory"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_index common;
    leann_nodes nodes;
    leann_coded coded; /* of places */
} diskann;
typedef struct {
    leann_plan common;
    char *owned; /* holds the cache, which begins at a page */
    const char *cache;
    uint32_t cached; /* page groups */
} diskann_plan;

/* ---- build and file -------------------------------------------------------------------------------------------------------------- */

static leann_status diskann_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    diskann *self = (diskann *)index;
    const diskann_params *p = index->params;
    leann_graph *graph = NULL;
    uint32_t *order = NULL;
    leann_status status = leann_links_over_rows(ctx, stages, data->train, p->graph, &graph);
    if (status == LEANN_OK) status = leann_nodes_make(ctx, graph, data->train, (leann_keep)p->vectors, &self->nodes, &order);
    leann_graph_free(graph);
    leann_coding coding = {.rows = data->train, .quantizer = p->quantizer, .order = order};
    if (status == LEANN_OK) status = leann_coded_make(ctx, stages, &coding, &self->coded);
    leann_free(order);
    return status;
}

static leann_status diskann_save(const leann_index *index, leann_writer *w)
{
    const diskann *self = (const diskann *)index;
    leann_status status = leann_coded_save(&self->coded, w);
    return status == LEANN_OK ? leann_nodes_save(&self->nodes, w) : status;
}

static leann_status diskann_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    diskann *self = (diskann *)index;
    const diskann_params *p = index->params;
    leann_rows rows = {.n = index->n, .d = index->d, .type = index->source_type, .space = index->space};
    leann_status status = leann_coded_open(ctx, r, p->quantizer, index->d, index->space, NULL, index->n, false, &self->coded);
    if (status != LEANN_OK) return status;
    return leann_nodes_open(ctx, r, rows, (leann_keep)p->vectors, leann_graph_of(p->graph)->slots(p->graph.params), &self->nodes);
}

static void diskann_free(leann_index *index)
{
    diskann *self = (diskann *)index;
    leann_nodes_free(&self->nodes);
    leann_coded_free(&self->coded);
}

/* ---- plan ------------------------------------------------------------------------------------------------------------------------ */

static leann_status fill_cache(leann_ctx *ctx, const leann_nodes *nodes, const diskann_query *query, diskann_plan *plan)
{
    enum { MIB_PAGES = (1 << 20) / LEANN_PAGE };
    uint64_t pages = (uint64_t)query->cache_mb * MIB_PAGES;
    if (pages > nodes->pages.n) pages = nodes->pages.n;
    pages -= pages % nodes->span;
    if (pages == 0) return LEANN_OK;
    plan->owned = leann_alloc(ctx, pages + 1, LEANN_PAGE);
    if (!plan->owned) return LEANN_ENOMEM;
    char *to = plan->owned + (LEANN_PAGE - (uintptr_t)plan->owned % LEANN_PAGE) % LEANN_PAGE;
    leann_status status = LEANN_OK;
    for (uint64_t page = 0; page < pages && status == LEANN_OK; page += MIB_PAGES) {
        uint32_t n = pages - page < MIB_PAGES ? (uint32_t)(pages - page) : MIB_PAGES;
        leann_page_run run = {page, n, to + page * LEANN_PAGE};
        status = leann_pages_read(&nodes->pages, ctx, LEANN_IO_PREAD, &run, 1);
    }
    plan->cache = to;
    plan->cached = (uint32_t)(pages / nodes->span);
    return status;
}

static leann_status diskann_make_plan(leann_ctx *ctx, leann_plan *plan)
{
    const diskann *self = (const diskann *)plan->index;
    const diskann_query *query = plan->params;
    if (query->rerank > 0 && self->nodes.vectors.stride > 0)
        return leann_fail(ctx, LEANN_EINVAL, "rerank is %u, but this index keeps its vectors: its answers are exact already",
                          query->rerank);
    leann_status status = leann_pages_io(ctx, (leann_io)query->io);
    plan->codes_will_do = query->on_failure;
    if (status == LEANN_OK) status = leann_rerank_plan(ctx, plan, query->fetcher, query->rerank);
    if (status == LEANN_OK) status = fill_cache(ctx, &self->nodes, query, (diskann_plan *)plan);
    return status;
}

static void diskann_plan_free(leann_plan *plan)
{
    leann_free(((diskann_plan *)plan)->owned);
}

/* ---- search ---------------------------------------------------------------------------------------------------------------------- */

static leann_status diskann_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                                   uint32_t *found)
{
    const diskann *self = (const diskann *)plan->index;
    const diskann_plan *own = (const diskann_plan *)plan;
    const diskann_query *query = plan->params;
    uint64_t start = leann_now_ns();
    uint32_t want = query->rerank > k ? query->rerank : k, ef = query->ef_search, n;
    if (ef == 0) ef = self->nodes.graph.default_ef;
    leann_nodes_query nodes = {
        {ef > want ? ef : want, query->beam_width, query->start_every}, (leann_io)query->io, own->cache, own->cached};
    leann_hit *hit;
    leann_scorer *coarse = leann_coded_scorer(ctx, &self->coded, q, NULL);
    if (!coarse) return leann_ctx_status(ctx);
    leann_status status = leann_nodes_search(ctx, &self->nodes, coarse, nodes, q, k, &hit, &n);
    leann_ctx_work(ctx)->stage_ns[0] += leann_now_ns() - start;
    if (status != LEANN_OK) return status;
    return leann_rerank(ctx, plan, q, hit, n < want ? n : want, k, ids, key, found);
}

/* ---- what others ask --------------------------------------------------------------------------------------------------------------- */

static void diskann_inside(const leann_index *index, leann_inside *out)
{
    out->quantizer = ((const diskann *)index)->coded.quantizer;
}

static leann_status diskann_decode(const leann_index *index, leann_ctx *ctx, const uint32_t *ids, uint32_t n, float *x)
{
    const diskann *self = (const diskann *)index;
    size_t mark = leann_scratch_mark(ctx);
    uint32_t *place_of = leann_nodes_places(ctx, &self->nodes), *places = leann_scratch(ctx, n * sizeof *places);
    leann_status status = place_of && places ? LEANN_OK : leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n && status == LEANN_OK; i++) places[i] = place_of[ids[i]];
    if (status == LEANN_OK) status = leann_coded_decode(&self->coded, ctx, NULL, places, n, x);
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status diskann_check(leann_ctx *ctx, uint64_t n, uint32_t d, leann_space space, const void *params)
{
    (void)space;
    const diskann_params *p = params;
    if (leann_graph_of(p->graph)->slots(p->graph.params) == 0)
        return leann_fail(ctx, LEANN_EINVAL, "graph %s has no links to walk: diskann needs vamana or hnsw", p->graph.plugin->name);
    return leann_quantizer_of(p->quantizer)->check(ctx, n, d, p->quantizer.params);
}

static void diskann_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                            leann_ledger *ledger)
{
    (void)space, (void)seed;
    const diskann_params *p = params;
    leann_coded_predict(n, d, p->quantizer, ledger);
    leann_nodes_predict(n, d, type, (leann_keep)p->vectors, leann_graph_of(p->graph)->slots(p->graph.params), ledger);
}

const leann_method_type leann_method_diskann = {
    .common = {"diskann", 1, "a graph whose nodes stay on disk, led by codes in memory, re-ranked by the vectors on its pages",
               "Subramanya et al. 2019, section 3", build_table, sizeof(diskann_params)},
    .query = query_table,
    .query_size = sizeof(diskann_query),
    .index_size = sizeof(diskann),
    .plan_size = sizeof(diskann_plan),
    .build = diskann_build,
    .save = diskann_save,
    .open = diskann_open,
    .free = diskann_free,
    .plan = diskann_make_plan,
    .plan_free = diskann_plan_free,
    .search = diskann_search,
    .inside = diskann_inside,
    .decode = diskann_decode,
    .check = diskann_check,
    .predict = diskann_predict,
};
