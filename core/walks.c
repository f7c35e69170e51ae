/* walks.c – several searches of one graph by turns: each is that of walk.c, hop for hop, but never waits for memory while another has work.
 *
 * A hop is three turns. `gather` reads a node's links and asks for the bounds of those not met; `sift` asks for the rows of those whose bound
 * is not above the cut; `rank` keys them, merges them into the queue and asks for the links of the next node. Without bounds, or a cut,
 * the rows are asked for at once and there is no sift. Between two turns of a walk every other one has its own.
 *
 * Source: Malkov & Yashunin 2018, Algorithms 2 and 5; turns: Kocberber, Falsafi & Grot 2015 (asynchronous memory access chaining).
 * Differs from walk.c: nothing is asked for on a guess, and a node met is a bit, so that a cache holds those of all walks; what a walk
 *   met is listed, and its bits are cleared one by one.
 *
 * SPDX-License-Identifier: MIT */
#include "core/bounds.h"
#include "core/queue.h"

#include <assert.h>

/* ---- turns -------------------------------------------------------------------------------------------------------------------- */

typedef enum { GATHER, SIFT, RANK, DONE } turn;

typedef struct {
    const leann_graph_query *query;
    turn turn;
    uint32_t level, open; /* open: the place in the queue of the node whose turn it is, on level 0 */
    leann_hit at;         /* the nearest node so far, above level 0 */
    queue q;
    uint64_t *bits;             /* 1 for a node met on level 0 */
    uint32_t *met, met_n, room; /* (room) those nodes */
    uint32_t m, *ids, *near;    /* of the hop: ids is a part of met where there are bounds to sift by */
    uint32_t *list;             /* room for a packed list */
    float *key;
    leann_hit *fresh;
    uint64_t hops, dist_comps;
} walk;

static float cut_of(const walk *w)
{
    return w->level > 0 ? w->at.key : queue_cut(&w->q);
}

/* Whose turn it is. */
static uint32_t node_of(const walk *w)
{
    return w->level > 0 ? w->at.id : w->q.hit[w->open].id & ~CLOSED;
}

/* The next hop is of a node whose links are asked for. */
static void go_on(const leann_graph *g, walk *w)
{
    leann_graph_prefetch(g, node_of(w), w->level);
    w->turn = GATHER;
}

/* Adds those of n nodes that are new to met, without a branch; returns how many. */
static uint32_t meet(walk *w, const uint32_t *ids, uint32_t n)
{
    uint32_t before = w->met_n;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t *word = w->bits + ids[i] / 64, bit = (uint64_t)1 << ids[i] % 64;
        w->met[w->met_n] = ids[i];
        w->met_n += !(*word & bit);
        *word |= bit;
    }
    return w->met_n - before;
}

static void enter_level(const leann_graph *g, walk *w, uint32_t level)
{
    w->level = level;
    if (level == 0) {
        meet(w, &w->at.id, 1);
        w->q.hit[w->q.n++] = w->at;
    }
    go_on(g, w);
}

/* Room in met for one list more, and one past it. */
static bool make_room(leann_ctx *ctx, walk *w, uint32_t slots)
{
    if (w->room - w->met_n > slots) return true;
    uint32_t room = 2 * w->room + slots + 1, *met = leann_scratch(ctx, room * sizeof *met);
    if (!met) return false;
    if (w->met_n) memcpy(met, w->met, w->met_n * sizeof *met);
    w->met = met;
    w->room = room;
    return true;
}

static void ask_for_codes(const leann_codes *codes, const uint32_t *ids, uint32_t n)
{
    enum { LINE = 64 };
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *code = codes->code + ids[i] * codes->stride;
        for (size_t b = 0; b < codes->stride; b += LINE) __builtin_prefetch(code + b);
    }
}

static leann_status gather(leann_ctx *ctx, const leann_graph *g, walk *w)
{
    const uint32_t *list = leann_graph_read(g, node_of(w), w->level, w->list);
    if (w->level > 0) {
        memcpy(w->near, list + 1, list[0] * sizeof *w->near);
        w->ids = w->near;
        w->m = list[0];
    } else {
        if (!make_room(ctx, w, list[0])) return LEANN_ENOMEM;
        w->q.hit[w->open].id |= CLOSED;
        w->ids = w->met + w->met_n;
        w->m = meet(w, list + 1, list[0]);
    }
    w->hops++;
    w->dist_comps += w->m;
    bool sift = w->query->bound && cut_of(w) < INFINITY;
    leann_scorer *scorer = sift ? w->query->bound : w->query->exact;
    if (scorer->prefetch)
        scorer->prefetch(scorer, (leann_span){LEANN_NONE, 0, w->m, w->ids});
    else if (w->query->codes)
        ask_for_codes(w->query->codes, w->ids, w->m);
    w->turn = sift ? SIFT : RANK;
    return LEANN_OK;
}

static void sift(walk *w)
{
    w->m = leann_bounds_sift(w->query->bound, w->ids, w->m, cut_of(w), w->near);
    w->ids = w->near;
    w->turn = RANK;
}

static void rank(const leann_graph *g, walk *w)
{
    leann_scorer *exact = w->query->exact;
    float cut = cut_of(w);
    if (w->m > 0) exact->score(exact, (leann_span){LEANN_NONE, 0, w->m, w->ids}, cut, w->key, NULL);
    if (w->level > 0) {
        uint32_t node = w->at.id;
        for (uint32_t i = 0; i < w->m; i++) {
            leann_hit hit = {w->key[i], w->ids[i]};
            if (leann_hit_before(hit, w->at)) w->at = hit;
        }
        enter_level(g, w, w->level - (w->at.id == node));
        return;
    }
    uint32_t m = sort_fresh(w->ids, w->key, w->m, cut, w->fresh), changed = queue_merge(&w->q, w->fresh, m);
    queue_trim(&w->q, w->q.n + m);
    if (m > 0 && changed < w->open) w->open = changed;
    while (w->open < w->q.n && (w->q.hit[w->open].id & CLOSED)) w->open++;
    if (w->open < w->q.n)
        go_on(g, w);
    else
        w->turn = DONE;
}

/* ---- all of them ---------------------------------------------------------------------------------------------------------------- */

static leann_status begin(leann_ctx *ctx, const leann_graph *g, const leann_graph_query *query, uint32_t ef, walk *w)
{
    enum { MET_EF = 32 }; /* a walk meets some 10 to 30 nodes for each that it keeps */
    uint32_t slots = g->slots > g->upper_slots ? g->slots : g->upper_slots;
    w->query = query;
    w->at.id = g->entry;
    w->dist_comps = 1;
    w->q.ef = ef < g->n ? ef : g->n;
    w->q.hit = leann_scratch(ctx, ((size_t)w->q.ef + g->slots + 1) * sizeof *w->q.hit);
    w->near = leann_scratch(ctx, slots * sizeof *w->near);
    w->list = leann_scratch(ctx, ((size_t)slots + 1) * sizeof *w->list);
    w->key = leann_scratch(ctx, slots * sizeof *w->key);
    w->fresh = leann_scratch(ctx, slots * sizeof *w->fresh);
    if (!w->q.hit || !w->near || !w->list || !w->key || !w->fresh || !make_room(ctx, w, w->q.ef < g->n / MET_EF ? MET_EF * w->q.ef : g->n))
        return LEANN_ENOMEM;
    query->exact->score(query->exact, (leann_span){LEANN_NONE, 0, 1, &w->at.id}, INFINITY, &w->at.key, NULL);
    enter_level(g, w, g->top_level);
    return LEANN_OK;
}

static void end(walk *w, uint32_t k)
{
    const leann_graph_query *query = w->query;
    for (uint32_t i = 0; i < w->met_n; i++) w->bits[w->met[i] / 64] = 0;
    queue_end(&w->q);
    *query->found = w->q.n < k ? w->q.n : k;
    for (uint32_t i = 0; i < *query->found; i++) {
        query->ids[i] = w->q.hit[i].id;
        query->key[i] = w->q.hit[i].key;
    }
    query->work->hops += w->hops;
    query->work->dist_comps += w->dist_comps;
}

leann_status leann_graph_search_many(leann_ctx *ctx, const leann_graph *graph, const leann_graph_query *query, uint32_t n, uint32_t ef,
                                     uint32_t k)
{
    assert(graph->slots > 0);
    if (k == 0) return leann_fail(ctx, LEANN_EINVAL, "k is 0: it must be at least 1");
    if (ef < k) return leann_fail(ctx, LEANN_EINVAL, "ef is %u: it must be at least k = %u", ef, k);
    size_t mark = leann_scratch_mark(ctx);
    size_t words = ((size_t)graph->n + 63) / 64;
    uint64_t *bits = leann_ctx_bits(ctx, n * words);
    walk *walks = leann_scratch(ctx, n * sizeof *walks);
    leann_status status = bits && walks ? LEANN_OK : LEANN_ENOMEM;
    uint32_t left = 0;
    for (; left < n && !status; left++) {
        walks[left] = (walk){.bits = bits + left * words};
        status = begin(ctx, graph, query + left, ef, walks + left);
    }
    while (left > 0) {
        for (uint32_t i = 0; i < left; i++) {
            walk *w = walks + i;
            if (status || w->turn == DONE) {
                end(w, k);
                *w = walks[--left];
            } else if (w->turn == GATHER)
                status = gather(ctx, graph, w);
            else if (w->turn == SIFT)
                sift(w);
            else
                rank(graph, w);
        }
    }
    leann_scratch_reset(ctx, mark);
    return status;
}
