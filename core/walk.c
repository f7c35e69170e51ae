/* walk.c – the k nearest nodes of a graph as a scorer judges them: greedy descent, then best-first with a queue of ef.
 * One hop scores the unvisited part of a neighbour list in one call; a search of h hops over lists of r costs O(h (r + log ef)) and one
 * move of the queue's tail a hop, and allocates nothing once the context's scratch is warm.
 *
 * Source: Malkov & Yashunin 2018, Algorithms 2 and 5.
 * Differs: one sorted array instead of two heaps. What leaves the best ef can never be expanded (its key is above the cut), so one
 *   array with an open/closed bit a node gives the same expansions in the same order; a hop's new keys are merged in one pass.
 *   Ties go to the smaller id, so that an answer does not depend on the order of the links.
 *   The rows of a list are asked for by the list kernels themselves; those of the node that most often comes next by scorer->prefetch,
 *   one hop ahead (5 to 10 % of a search on GloVe-50, nothing lost on MNIST), and the links of the node after that one.
 *
 * SPDX-License-Identifier: MIT */
#include "core/queue.h"
#include "core/sieve.h"
#include "core/simd/kernels.h"

#define RUN 2048u /* nodes a flat scan scores at once: their keys stay in the first-level cache */

/* ---- one level ------------------------------------------------------------------------------------------------------------ */

typedef struct { /* of one hop; slots each */
    uint32_t *ids, *index;
    uint32_t *list[2], node[2]; /* room for packed lists, one of them read ahead; the nodes whose these are */
    int last;                   /* which was asked for */
    float *key;
    leann_hit *fresh;
    uint16_t *marks, epoch;
} hop_room;

/* A node's list. It stays where it is until the second one after it is asked for. */
static const uint32_t *list_of(const leann_graph *g, uint32_t node, uint32_t level, hop_room *room)
{
    if (level > 0 || !g->packed.at) return leann_graph_list_at(g, node, level);
    room->last = node == room->node[0] ? 0 : node == room->node[1] ? 1 : !room->last;
    if (room->node[room->last] != node) leann_edges_list(&g->packed, node, room->list[room->last]);
    room->node[room->last] = node;
    return room->list[room->last];
}

/* Keys of the list's unvisited nodes, packed at the front of room->ids and room->key; returns how many. */
static uint32_t score_list(const uint32_t *list, uint32_t node, uint32_t level, leann_scorer *scorer, float cut, hop_room *room)
{
    uint32_t m = 0;
    if (scorer->whole_lists && level == 0) { /* codes of the whole list lie together: cheaper to score all of it than to look who is new */
        scorer->score(scorer, (leann_span){node, 0, list[0], list + 1}, cut, room->key, NULL);
        uint32_t some = leann_kernels_get()->at_most(room->key, list[0], cut, room->index);
        for (uint32_t i = 0; i < some; i++) { /* what is above the cut now is so later too, and needs no mark */
            uint32_t at = room->index[i], id = list[1 + at];
            if (room->marks[id] == room->epoch) continue;
            room->marks[id] = room->epoch;
            room->ids[m] = id;
            room->key[m++] = room->key[at];
        }
        return m;
    }
    m = unmet(list, room->marks, room->epoch, room->ids);
    if (m > 0) scorer->score(scorer, (leann_span){LEANN_NONE, 0, m, room->ids}, cut, room->key, NULL);
    return m;
}

/* The next open node is most often the next hop: its rows are asked for a hop ahead, and the links of the node after it. */
static void look_ahead(const leann_graph *g, uint32_t level, leann_scorer *scorer, const queue *q, uint32_t next, hop_room *room)
{
    if (scorer->prefetch && scorer->whole_lists && level == 0) {
        scorer->prefetch(scorer, (leann_span){q->hit[next].id, 0, g->slots, NULL});
    } else if (scorer->prefetch) {
        const uint32_t *list = list_of(g, q->hit[next].id, level, room);
        uint32_t m = 0;
        for (uint32_t i = 1; i <= list[0]; i++) {
            room->ids[m] = list[i];
            m += room->marks[list[i]] != room->epoch;
        }
        scorer->prefetch(scorer, (leann_span){LEANN_NONE, 0, m, room->ids});
        do next++;
        while (next < q->n && (q->hit[next].id & CLOSED));
    }
    if (next < q->n) leann_graph_prefetch(g, q->hit[next].id, level);
}

static leann_status hop_room_new(leann_ctx *ctx, const leann_graph *g, hop_room *room)
{
    enum { BLOCK = 32 }; /* the gather writes one past, whole lists up to a multiple of 32 */
    size_t slots = ((g->slots > g->upper_slots ? g->slots : g->upper_slots) / BLOCK + 1) * BLOCK;
    room->ids = leann_scratch(ctx, slots * sizeof *room->ids);
    room->index = leann_scratch(ctx, slots * sizeof *room->index);
    for (int i = 0; i < 2; i++) {
        room->list[i] = leann_scratch(ctx, (slots + 1) * sizeof *room->list[i]);
        room->node[i] = LEANN_NONE;
    }
    room->last = 0;
    room->key = leann_scratch(ctx, slots * sizeof *room->key);
    room->fresh = leann_scratch(ctx, slots * sizeof *room->fresh);
    room->marks = leann_ctx_marks(ctx, g->n, &room->epoch);
    return room->ids && room->index && room->list[0] && room->list[1] && room->key && room->fresh && room->marks ? LEANN_OK
                                                                                                                 : leann_ctx_status(ctx);
}

/* Of what leaves the best ef, that which was expanded, where the caller asked for it. */
static void keep_dropped(const queue *q, uint32_t n, leann_graph_walk *walk)
{
    for (uint32_t i = q->ef; walk->dropped && i < n; i++)
        if ((q->hit[i].id & CLOSED) && walk->dropped_n < walk->dropped_room)
            walk->dropped[walk->dropped_n++] = (leann_hit){q->hit[i].key, q->hit[i].id & ~CLOSED};
}

leann_status leann_graph_collect(leann_ctx *ctx, const leann_graph *graph, leann_scorer *scorer, leann_hit at, leann_graph_walk *walk)
{
    uint32_t slots = leann_graph_slots_at(graph, walk->level);
    queue q = {.ef = walk->ef < graph->n ? walk->ef : graph->n};
    hop_room room;
    q.hit = leann_scratch(ctx, ((size_t)q.ef + slots + 1) * sizeof *q.hit);
    if (!q.hit) return leann_ctx_status(ctx);
    leann_status status = hop_room_new(ctx, graph, &room);
    if (status) return status;

    walk->dropped_n = 0;
    room.marks[at.id] = room.epoch;
    q.hit[q.n++] = at;
    uint32_t open = 0, hops = 0;
    while (open < q.n) {
        uint32_t node = q.hit[open].id, next = open + 1;
        q.hit[open].id |= CLOSED;
        hops++;
        while (next < q.n && (q.hit[next].id & CLOSED)) next++;
        const uint32_t *list = list_of(graph, node, walk->level, &room);
        if (next < q.n) look_ahead(graph, walk->level, scorer, &q, next, &room);
        float cut = queue_cut(&q);
        uint32_t m = score_list(list, node, walk->level, scorer, cut, &room);
        m = sort_fresh(room.ids, room.key, m, cut, room.fresh);
        uint32_t changed = queue_merge(&q, room.fresh, m);
        keep_dropped(&q, q.n + m, walk);
        queue_trim(&q, q.n + m);
        open = m > 0 && changed < next ? changed : next;
        while (open < q.n && (q.hit[open].id & CLOSED)) open++;
    }
    queue_end(&q);
    leann_ctx_work(ctx)->hops += hops;
    walk->best = q.hit;
    walk->found = q.n;
    return LEANN_OK;
}

/* ---- descent ---------------------------------------------------------------------------------------------------------------- */

/* Whole lists, nodes met before included, as hnswlib does it: leaving those out gives the same answers for 6 % fewer distances at ef 20
 * and 1.3 % at ef 200 on MNIST, but then a count of distances no longer compares with hnswlib's. */
leann_status leann_graph_descend(leann_ctx *ctx, const leann_graph *graph, leann_scorer *scorer, uint32_t from, uint32_t to, leann_hit *at)
{
    size_t mark = leann_scratch_mark(ctx);
    float *key = leann_scratch(ctx, ((size_t)graph->upper_slots + 1) * sizeof *key);
    if (!key) return leann_ctx_status(ctx);
    uint32_t hops = 0;
    for (uint32_t level = from; level > to; level--) {
        uint32_t node;
        do {
            node = at->id;
            hops++;
            const uint32_t *list = leann_graph_upper_list(graph, node, level);
            if (list[0] > 0) scorer->score(scorer, (leann_span){LEANN_NONE, 0, list[0], list + 1}, at->key, key, NULL);
            for (uint32_t i = 0; i < list[0]; i++) {
                leann_hit hit = {key[i], list[1 + i]};
                if (leann_hit_before(hit, *at)) *at = hit;
            }
        } while (at->id != node);
    }
    leann_ctx_work(ctx)->hops += hops;
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* ---- search ----------------------------------------------------------------------------------------------------------------- */

/* No edges: all nodes in runs. */
static leann_status scan(leann_ctx *ctx, const leann_graph *g, leann_scorer *scorer, uint32_t k, leann_hit **best, uint32_t *found)
{
    leann_sieve top;
    float *key = leann_scratch(ctx, RUN * sizeof *key);
    if (!key || !leann_sieve_start(&top, ctx, k)) return leann_ctx_status(ctx);
    for (uint32_t first = 0; first < g->n; first += RUN) {
        uint32_t n = g->n - first < RUN ? g->n - first : RUN;
        scorer->score(scorer, (leann_span){LEANN_NONE, first, n, NULL}, top.cut, key, NULL);
        leann_sieve_push_run(&top, key, n, first);
    }
    *best = leann_sieve_sort(&top);
    leann_ctx_work(ctx)->hops++;
    *found = top.n;
    return LEANN_OK;
}

static leann_status walk_down(leann_ctx *ctx, const leann_graph *g, leann_scorer *scorer, leann_graph_walk *walk)
{
    leann_hit at = {.id = g->entry};
    scorer->score(scorer, (leann_span){LEANN_NONE, 0, 1, &at.id}, INFINITY, &at.key, NULL);
    leann_status status = leann_graph_descend(ctx, g, scorer, g->top_level, 0, &at);
    return status ? status : leann_graph_collect(ctx, g, scorer, at, walk);
}

leann_status leann_graph_search(leann_ctx *ctx, const leann_graph *graph, leann_scorer *scorer, uint32_t ef, uint32_t k, uint32_t *ids,
                                float *key, uint32_t *found)
{
    *found = 0;
    if (k == 0) return leann_fail(ctx, LEANN_EINVAL, "k is 0: it must be at least 1");
    if (ef < k) return leann_fail(ctx, LEANN_EINVAL, "ef is %u: it must be at least k = %u", ef, k);
    uint64_t before_us = scorer->dist_comps;
    size_t mark = leann_scratch_mark(ctx);
    if (k > graph->n) k = graph->n;
    leann_graph_walk walk = {.ef = ef};
    leann_status status = graph->slots == 0 ? scan(ctx, graph, scorer, k, &walk.best, &walk.found) : walk_down(ctx, graph, scorer, &walk);
    leann_ctx_work(ctx)->dist_comps += scorer->dist_comps - before_us;
    if (!status) {
        *found = walk.found < k ? walk.found : k;
        for (uint32_t i = 0; i < *found; i++) {
            ids[i] = walk.best[i].id;
            key[i] = walk.best[i].key;
        }
    }
    leann_scratch_reset(ctx, mark);
    return status;
}
