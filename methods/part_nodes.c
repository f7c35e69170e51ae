/* part_nodes.c – the nodes of a graph on pages of 4 KiB: their order, their file, and the walk that reads them.
 *
 * Sections: nodes.head (8) u32: n, entry, default_ef, slots, vector bytes, node bytes, nodes a page, pages a node; nodes.ids, the row of
 * each place, packed; nodes, the pages: groups of per_page nodes one after the other, the rest of a group zero (see leann_nodes).
 *
 * Order: breadth-first from the entry; a page is filled up with what is linked to the nodes on it, nearest first. So the first pages are
 * those that every walk reads, and a page that is read for one node brings nodes that the walk wants soon. O(links).
 *
 * A query keeps the pages it has read (4 MiB at most, the oldest give way): none is read twice while it is there. A round first expands
 * what it has; only when nothing of the beam is at hand it reads, all wanted pages in one batch. With vectors, every node of a page gets
 * its exact key when the page arrives, wanted or not: that costs 20 ns a node, the read 50,000.
 *
 * Source: Subramanya et al. 2019 (DiskANN), section 3; nodes near each other on a page: Ni et al. 2023 (DiskANN++, arXiv 2310.00402),
 * Wang et al. 2024 (Starling, arXiv 2401.02116).
 * Differs: several nodes a page instead of one node a sector.
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "methods/parts.h"

enum { HEAD_N, HEAD_ENTRY, HEAD_EF, HEAD_SLOTS, HEAD_VECTOR, HEAD_NODE, HEAD_PER_PAGE, HEAD_SPAN, HEAD_WORDS };
enum { BLOCK_PAGES = 256 };                    /* of a save and of a fill: 1 MiB */
static const uint32_t MOST_AT_HAND = 4u << 20; /* bytes of pages a query keeps */
static const uint32_t UNMET = UINT32_MAX, UNPLACED = UINT32_MAX - 1;

/* ---- layout ---------------------------------------------------------------------------------------------------------------------- */

static uint32_t vector_bytes(const leann_nodes *nodes)
{
    return (uint32_t)(nodes->vectors.stride + 3) / 4 * 4;
}

static void lay_out(leann_nodes *nodes, leann_rows rows, leann_keep keep, uint32_t slots)
{
    leann_dtype type = leann_keep_type(rows.type, keep);
    size_t stride = keep == LEANN_KEEP_NONE ? 0 : rows.d * leann_dtype_bytes(type);
    *nodes = (leann_nodes){.graph = {.n = rows.n, .slots = slots},
                           .vectors = {NULL, stride, rows.n, rows.d, type, rows.space},
                           .bits = leann_bits_for(rows.n)};
    nodes->node_bytes = vector_bytes(nodes) + 4 * (1 + slots);
    nodes->per_page = nodes->node_bytes < LEANN_PAGE ? LEANN_PAGE / nodes->node_bytes : 1;
    nodes->span = (nodes->node_bytes + LEANN_PAGE - 1) / LEANN_PAGE;
}

static uint32_t groups_of(const leann_nodes *nodes)
{
    return (nodes->graph.n - 1) / nodes->per_page + 1;
}

static size_t group_bytes(const leann_nodes *nodes)
{
    return (size_t)nodes->span * LEANN_PAGE;
}

/* How many nodes lie in a group. */
static uint32_t nodes_of(const leann_nodes *nodes, uint32_t group)
{
    uint32_t left = nodes->graph.n - group * nodes->per_page;
    return left < nodes->per_page ? left : nodes->per_page;
}

static uint64_t pages_of(const leann_nodes *nodes)
{
    return (uint64_t)groups_of(nodes) * nodes->span;
}

static uint32_t share_out(const leann_nodes *nodes, leann_share share[2])
{
    uint64_t vectors = nodes->graph.n * (uint64_t)nodes->vectors.stride;
    share[0] = (leann_share){LEANN_PART_GRAPH, pages_of(nodes) * LEANN_PAGE - vectors};
    share[1] = (leann_share){LEANN_PART_VECTORS, vectors};
    return vectors ? 2 : 1;
}

void leann_nodes_predict(uint64_t n, uint32_t d, leann_dtype source, leann_keep keep, uint32_t slots, leann_ledger *ledger)
{
    leann_nodes nodes;
    leann_share share[2];
    lay_out(&nodes, (leann_rows){.n = (uint32_t)n, .d = d, .type = source}, keep, slots);
    leann_ledger_add(ledger, LEANN_PART_GRAPH, HEAD_WORDS * 4);
    leann_ledger_add(ledger, LEANN_PART_IDS, leann_packed_bytes(n, nodes.bits));
    uint32_t shares = share_out(&nodes, share);
    leann_ledger_add_pages(ledger, share, shares);
}

/* ---- order ----------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const leann_graph *graph;
    uint32_t *place; /* (n) of a row, or UNMET, UNPLACED */
    uint32_t *order; /* (n) row of a place */
    uint32_t *met;   /* (n) rows in the order in which they were met */
    uint32_t placed, mets;
} packing;

static void meet(packing *p, uint32_t row)
{
    if (p->place[row] != UNMET) return;
    p->place[row] = UNPLACED;
    p->met[p->mets++] = row;
}

static void put_row(packing *p, uint32_t row)
{
    p->place[row] = p->placed;
    p->order[p->placed++] = row;
    const uint32_t *list = leann_graph_list(p->graph, row);
    for (uint32_t i = 1; i <= list[0]; i++) meet(p, list[i]);
}

static void pack(packing *p, uint32_t per_page)
{
    uint32_t n = p->graph->n, next = 0, unmet = 0;
    for (uint32_t i = 0; i < n; i++) p->place[i] = UNMET;
    meet(p, p->graph->entry);
    while (p->placed < n) {
        if (next == p->mets) { /* what no walk reaches comes last */
            while (p->place[unmet] != UNMET) unmet++;
            meet(p, unmet);
        }
        uint32_t row = p->met[next++], from = p->placed;
        if (p->place[row] != UNPLACED) continue;
        put_row(p, row);
        for (; from < p->placed; from++) { /* those on the page, the page growing meanwhile */
            const uint32_t *list = leann_graph_list(p->graph, p->order[from]);
            for (uint32_t i = 1; i <= list[0] && p->placed % per_page != 0; i++)
                if (p->place[list[i]] == UNPLACED) put_row(p, list[i]);
        }
    }
}

/* ---- build ----------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const leann_nodes *nodes;
    const leann_graph *graph;
    leann_rows rows;
    const uint32_t *order, *place;
} fill_job;

static void fill_node(const fill_job *job, uint32_t row, char *node)
{
    const leann_rows *vectors = &job->nodes->vectors;
    if (vectors->stride > 0 && vectors->type == job->rows.type)
        memcpy(node, leann_row(job->rows, row), vectors->stride);
    else if (vectors->stride > 0)
        leann_rows_floats(job->rows, row, 1, (float *)(void *)node);
    uint32_t *list = (uint32_t *)(void *)(node + vector_bytes(job->nodes));
    const uint32_t *links = leann_graph_list(job->graph, row);
    list[0] = links[0];
    for (uint32_t i = 1; i <= links[0]; i++) list[i] = job->place[links[i]];
}

static leann_status fill_task(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const fill_job *job = arg;
    const leann_nodes *nodes = job->nodes;
    size_t mark = leann_scratch_mark(worker), bytes = (end - begin) * group_bytes(nodes);
    char *block = leann_scratch(worker, bytes);
    if (!block) return LEANN_ENOMEM;
    memset(block, 0, bytes);
    for (size_t group = begin; group < end; group++)
        for (uint32_t i = 0; i < nodes_of(nodes, (uint32_t)group); i++)
            fill_node(job, job->order[group * nodes->per_page + i], block + (group - begin) * group_bytes(nodes) + i * nodes->node_bytes);
    leann_draft spool = nodes->spool;
    spool.ctx = worker; /* whose error it is */
    leann_status status = leann_draft_write(&spool, begin * group_bytes(nodes), block, bytes);
    leann_scratch_reset(worker, mark);
    return status;
}

static uint32_t block_groups(const leann_nodes *nodes)
{
    return nodes->span < BLOCK_PAGES ? BLOCK_PAGES / nodes->span : 1;
}

leann_status leann_nodes_make(leann_ctx *ctx, const leann_graph *graph, leann_rows rows, leann_keep keep, leann_nodes *out,
                              uint32_t **order)
{
    uint32_t n = rows.n;
    lay_out(out, rows, keep, graph->slots);
    packing p = {.graph = graph,
                 .place = leann_alloc(ctx, n, sizeof *p.place),
                 .order = leann_alloc(ctx, n, sizeof *p.order),
                 .met = leann_alloc(ctx, n, sizeof *p.met)};
    uint8_t *ids = leann_alloc(ctx, leann_packed_bytes(n, out->bits), 1);
    out->ids = out->owned = ids;
    leann_status status = p.place && p.order && p.met && ids ? leann_draft_spool(ctx, &out->spool) : LEANN_ENOMEM;
    if (status != LEANN_OK) goto done;
    pack(&p, out->per_page);
    leann_bits_pack(p.order, n, out->bits, ids);
    out->graph.entry = p.place[graph->entry];
    out->graph.default_ef = graph->default_ef;
    fill_job job = {out, graph, rows, p.order, p.place};
    status = leann_parallel(ctx, groups_of(out), block_groups(out), fill_task, &job);
    if (status == LEANN_OK) status = leann_pages_open(ctx, out->spool.fd, out->spool.path, 0, pages_of(out), false, &out->pages);
done:
    leann_free(p.place);
    leann_free(p.met);
    if (status == LEANN_OK)
        *order = p.order;
    else
        leann_free(p.order);
    return status;
}

void leann_nodes_free(leann_nodes *nodes)
{
    if (nodes->spool.path) leann_draft_drop(&nodes->spool); /* all zero before it is made */
    leann_free(nodes->owned);
    *nodes = (leann_nodes){0};
}

uint32_t *leann_nodes_places(leann_ctx *ctx, const leann_nodes *nodes)
{
    uint32_t *place = leann_scratch(ctx, nodes->graph.n * sizeof *place);
    if (!place) return NULL;
    for (uint32_t i = 0; i < nodes->graph.n; i++) place[leann_bits_at(nodes->ids, i, nodes->bits)] = i;
    return place;
}

/* ---- file -------------------------------------------------------------------------------------------------------------------------- */

static void fill_head(const leann_nodes *nodes, uint32_t head[HEAD_WORDS])
{
    head[HEAD_N] = nodes->graph.n;
    head[HEAD_ENTRY] = nodes->graph.entry;
    head[HEAD_EF] = nodes->graph.default_ef;
    head[HEAD_SLOTS] = nodes->graph.slots;
    head[HEAD_VECTOR] = vector_bytes(nodes);
    head[HEAD_NODE] = nodes->node_bytes;
    head[HEAD_PER_PAGE] = nodes->per_page;
    head[HEAD_SPAN] = nodes->span;
}

static leann_status save_pages(const leann_nodes *nodes, leann_writer *w)
{
    leann_ctx *ctx = leann_writer_ctx(w);
    size_t mark = leann_scratch_mark(ctx);
    char *block = leann_pages_scratch(ctx, (size_t)BLOCK_PAGES * LEANN_PAGE);
    leann_status status = block ? leann_writer_begin(w, "nodes", LEANN_PART_GRAPH, LEANN_PAGES, nodes->pages.n, LEANN_PAGE) : LEANN_ENOMEM;
    for (uint64_t page = 0; page < nodes->pages.n && status == LEANN_OK; page += BLOCK_PAGES) {
        uint64_t left = nodes->pages.n - page;
        leann_page_run run = {page, left < BLOCK_PAGES ? (uint32_t)left : BLOCK_PAGES, block};
        status = leann_pages_read(&nodes->pages, ctx, LEANN_IO_AUTO, &run, 1);
        if (status == LEANN_OK) status = leann_writer_put(w, block, (uint64_t)run.n * LEANN_PAGE);
    }
    leann_scratch_reset(ctx, mark);
    return status == LEANN_OK ? leann_writer_end(w) : status;
}

leann_status leann_nodes_save(const leann_nodes *nodes, leann_writer *w)
{
    uint32_t head[HEAD_WORDS];
    leann_share share[2];
    uint64_t ids = leann_packed_bytes(nodes->graph.n, nodes->bits);
    fill_head(nodes, head);
    leann_status status = leann_writer_add(w, "nodes.head", LEANN_PART_GRAPH, LEANN_U32, HEAD_WORDS, 4, head);
    if (status == LEANN_OK) status = leann_writer_add(w, "nodes.ids", LEANN_PART_IDS, LEANN_BYTES, ids, 1, nodes->ids);
    if (status == LEANN_OK) status = save_pages(nodes, w);
    uint32_t shares = share_out(nodes, share);
    return status == LEANN_OK ? leann_writer_share(w, share, shares) : status;
}

/* Every row has one place. */
static leann_status check_ids(leann_ctx *ctx, const leann_nodes *nodes, const char *path)
{
    uint32_t n = nodes->graph.n;
    uint16_t epoch, *marks = leann_ctx_marks(ctx, n, &epoch); /* which a search needs too */
    if (!marks) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = leann_bits_at(nodes->ids, i, nodes->bits);
        if (row >= n || marks[row] == epoch)
            return leann_fail(ctx, LEANN_EFORMAT, "%s: place %u holds row %u of %u%s", path, i, row, n, row < n ? ", as another does" : "");
        marks[row] = epoch;
    }
    return LEANN_OK;
}

leann_status leann_nodes_open(leann_ctx *ctx, const leann_reader *r, leann_rows rows, leann_keep keep, uint32_t slots, leann_nodes *out)
{
    const char *path = leann_reader_path(r);
    const void *head, *ids, *pages;
    uint32_t wanted[HEAD_WORDS];
    lay_out(out, rows, keep, slots);
    leann_status status = leann_reader_need(ctx, r, "nodes.head", LEANN_U32, HEAD_WORDS, 4, &head);
    if (status == LEANN_OK) status = leann_reader_need(ctx, r, "nodes.ids", LEANN_BYTES, leann_packed_bytes(rows.n, out->bits), 1, &ids);
    if (status == LEANN_OK) status = leann_reader_need(ctx, r, "nodes", LEANN_PAGES, pages_of(out), LEANN_PAGE, &pages);
    if (status != LEANN_OK) return status;
    out->graph.entry = ((const uint32_t *)head)[HEAD_ENTRY];
    out->graph.default_ef = ((const uint32_t *)head)[HEAD_EF];
    out->ids = ids;
    fill_head(out, wanted);
    if (memcmp(wanted, head, sizeof wanted) != 0 || out->graph.entry >= rows.n)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: the head of its nodes is not that of %u rows with %u links and vectors of %u bytes",
                          path, rows.n, slots, wanted[HEAD_VECTOR]);
    status = check_ids(ctx, out, path);
    if (status != LEANN_OK) return status;
    return leann_pages_open(ctx, leann_reader_file(r), path, leann_reader_find(r, "nodes")->offset, pages_of(out), true, &out->pages);
}

/* ---- search ------------------------------------------------------------------------------------------------------------------------ */

/* The pages that a query has at hand: `frames` groups, the oldest giving way. */
typedef struct {
    leann_ctx *ctx;
    const leann_nodes *nodes;
    leann_nodes_query query;
    char *frame;     /* (frames, group_bytes) */
    uint32_t *group; /* (frames) which lies there */
    uint32_t frames, used, next;
    leann_page_run *run; /* (beam) */
    leann_scorer *exact; /* over frame in units of 4 bytes; NULL: no vectors */
    leann_topk top;      /* rows */
    uint32_t *unit;      /* (per_page) */
    float *key;
} desk;

static leann_status desk_start(leann_ctx *ctx, const leann_nodes *nodes, leann_nodes_query query, const float *q, uint32_t k, desk *d)
{
    uint64_t most = MOST_AT_HAND / group_bytes(nodes), enough = 2 * (uint64_t)query.effort.ef;
    if (most > enough) most = enough;
    if (most < query.effort.beam) most = query.effort.beam;
    if (most > groups_of(nodes)) most = groups_of(nodes);
    *d = (desk){.ctx = ctx, .nodes = nodes, .query = query, .frames = (uint32_t)most};
    d->frame = leann_pages_scratch(ctx, d->frames * group_bytes(nodes));
    d->group = leann_scratch(ctx, d->frames * sizeof *d->group);
    d->run = leann_scratch(ctx, query.effort.beam * sizeof *d->run);
    d->unit = leann_scratch(ctx, nodes->per_page * sizeof *d->unit);
    d->key = leann_scratch(ctx, nodes->per_page * sizeof *d->key);
    leann_hit *best = leann_scratch(ctx, k * sizeof *best);
    if (!d->frame || !d->group || !d->run || !d->unit || !d->key || !best) return LEANN_ENOMEM;
    leann_topk_start(&d->top, best, k);
    if (nodes->vectors.stride == 0) return LEANN_OK;
    leann_rows units = nodes->vectors;
    units.base = d->frame;
    units.stride = 4;
    d->exact = leann_rows_scorer(ctx, units, q);
    return d->exact ? LEANN_OK : LEANN_ENOMEM;
}

static const uint32_t *list_at(const desk *d, uint32_t frame, uint32_t slot)
{
    const leann_nodes *nodes = d->nodes;
    return (const uint32_t *)(const void *)(d->frame + frame * group_bytes(nodes) + slot * nodes->node_bytes + vector_bytes(nodes));
}

static leann_status damaged(const desk *d, uint32_t place, const char *what, uint32_t value, uint32_t limit)
{
    return leann_fail(d->ctx, LEANN_EFORMAT, "%s is damaged: node %u %s %u, the limit is %u", d->nodes->pages.path, place, what, value,
                      limit);
}

static leann_status check_list(const desk *d, const uint32_t *list, uint32_t place)
{
    const leann_graph *g = &d->nodes->graph;
    if (list[0] > g->slots) return damaged(d, place, "has degree", list[0], g->slots);
    for (uint32_t i = 1; i <= list[0]; i++)
        if (list[i] >= g->n) return damaged(d, place, "links to", list[i], g->n - 1);
    return LEANN_OK;
}

/* A group that has come: its lists are checked, its vectors keyed. */
static leann_status arrive(desk *d, uint32_t frame)
{
    const leann_nodes *nodes = d->nodes;
    uint32_t first = d->group[frame] * nodes->per_page, n = nodes_of(nodes, d->group[frame]);
    for (uint32_t i = 0; i < n; i++) {
        leann_status status = check_list(d, list_at(d, frame, i), first + i);
        if (status != LEANN_OK) return status;
        d->unit[i] = (uint32_t)((frame * group_bytes(nodes) + i * nodes->node_bytes) / 4);
    }
    if (!d->exact) return LEANN_OK;
    d->exact->score(d->exact, (leann_span){LEANN_NONE, 0, n, d->unit}, d->top.cut, d->key, NULL);
    for (uint32_t i = 0; i < n; i++) {
        if (isnan(d->key[i]))
            return leann_fail(d->ctx, LEANN_EFORMAT, "%s is damaged: the vector of node %u is not finite", nodes->pages.path, first + i);
        if (d->key[i] <= d->top.cut) leann_topk_push(&d->top, d->key[i], leann_bits_at(nodes->ids, first + i, nodes->bits));
    }
    return LEANN_OK;
}

static uint32_t frame_of(const desk *d, uint32_t group)
{
    for (uint32_t i = 0; i < d->used; i++)
        if (d->group[i] == group) return i;
    return LEANN_NONE;
}

static uint32_t make_room(desk *d, uint32_t group)
{
    uint32_t frame = d->next++;
    if (d->next == d->frames) d->next = 0;
    if (d->used < d->frames) d->used++;
    d->group[frame] = group;
    return frame;
}

/* The frame of a group that is at hand or in the cache; LEANN_NONE: it must be read. */
static leann_status look(desk *d, uint32_t group, uint32_t *frame)
{
    *frame = frame_of(d, group);
    if (*frame != LEANN_NONE || group >= d->query.cached) return LEANN_OK;
    *frame = make_room(d, group);
    size_t bytes = group_bytes(d->nodes);
    memcpy(d->frame + *frame * bytes, d->query.cache + group * bytes, bytes);
    leann_ctx_work(d->ctx)->cache_hits++;
    return arrive(d, *frame);
}

/* Reads the groups of the places: a beam, so all of them find room. */
static leann_status fetch(desk *d, const uint32_t *place, uint32_t n)
{
    const leann_nodes *nodes = d->nodes;
    uint32_t runs = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t group = place[i] / nodes->per_page;
        if (frame_of(d, group) != LEANN_NONE) continue;
        char *to = d->frame + make_room(d, group) * group_bytes(nodes);
        d->run[runs++] = (leann_page_run){(uint64_t)group * nodes->span, nodes->span, to};
    }
    leann_status status = leann_pages_read(&nodes->pages, d->ctx, d->query.io, d->run, runs);
    for (uint32_t i = 0; i < runs && status == LEANN_OK; i++)
        status = arrive(d, (uint32_t)((size_t)((char *)d->run[i].to - d->frame) / group_bytes(nodes)));
    return status;
}

/* Gives the walk all wanted nodes that are at hand; how many there were. */
static leann_status give_some(desk *d, leann_walk *walk, const uint32_t *want, uint32_t n, uint32_t *given)
{
    leann_status status = LEANN_OK;
    *given = 0;
    for (uint32_t i = 0; i < n && status == LEANN_OK; i++) {
        uint32_t place = want[i], per_page = d->nodes->per_page, frame;
        status = look(d, place / per_page, &frame);
        if (status != LEANN_OK || frame == LEANN_NONE) continue;
        leann_walk_give_list(walk, place, list_at(d, frame, place % per_page));
        ++*given;
    }
    return status;
}

leann_status leann_nodes_search(leann_ctx *ctx, const leann_nodes *nodes, leann_scorer *coarse, leann_nodes_query query, const float *q,
                                uint32_t k, leann_hit **hit, uint32_t *found)
{
    desk d;
    leann_status status = desk_start(ctx, nodes, query, q, k, &d);
    leann_walk *walk = status == LEANN_OK ? leann_walk_begin(ctx, &nodes->graph, coarse, query.effort) : NULL;
    if (!walk) return leann_ctx_status(ctx);
    const uint32_t *want;
    uint32_t n, given;
    while (status == LEANN_OK && leann_walk_run(walk, &want, &n) != LEANN_WALK_DONE) {
        status = give_some(&d, walk, want, n, &given);
        if (status == LEANN_OK && given == 0)
            status = leann_ctx_cancelled(ctx) ? leann_fail(ctx, LEANN_EINTR, "interrupted") : fetch(&d, want, n);
    }
    if (status != LEANN_OK) return status;
    leann_walk_end(walk, hit, found);
    if (d.exact) {
        leann_ctx_work(ctx)->dist_comps += d.exact->dist_comps;
        leann_topk_sort(&d.top);
        *hit = d.top.hit;
        *found = d.top.n;
    } else
        for (uint32_t i = 0; i < *found; i++) (*hit)[i].id = leann_bits_at(nodes->ids, (*hit)[i].id, nodes->bits);
    return LEANN_OK;
}
