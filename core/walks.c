/* walks.c – several searches of one graph by turns: each is that of walk.c, hop for hop, but never waits for memory while another has work.
 *
 * A hop is four turns. `look` reads a node's links and asks for their marks; `gather` asks for the bounds of those not met; `sift` asks for
 * the rows of those whose bound is not above the cut; `rank` keys them, merges them into the queue and asks for the links of the next node. Without bounds, or a cut,
 * the rows are asked for at once and there is no sift. Between two turns of a walk every other one has its own.
 *
 * Source: Malkov & Yashunin 2018, Algorithms 2 and 5; turns: Kocberber, Falsafi & Grot 2015 (asynchronous memory access chaining).
 * Differs from walk.c: nothing is asked for on a guess.
 *
 * SPDX-License-Identifier: MIT */
#include "core/bounds.h"
#include "core/queue.h"

#include <assert.h>

/* ---- turns -------------------------------------------------------------------------------------------------------------------- */

typedef enum { LOOK, GATHER, SIFT, RANK, DONE } turn;

typedef struct {
    const leann_graph_query *query;
    turn turn;
    uint32_t level, open; /* open: the place in the queue of the node whose turn it is, on level 0 */
    leann_hit at;         /* the nearest node so far, above level 0 */
    queue q;
    uint16_t *marks, epoch; /* marks (n): epoch where met */
    uint32_t m, *ids;       /* of the hop */
    float *key;
    leann_hit *fresh;
    uint64_t hops, dist_comps;
} walk;

static float cut_of(const walk *w)
{
    return w->level > 0 ? w->at.key : queue_cut(&w->q);
}

static const uint32_t *links_of(const leann_graph *g, const walk *w)
{
    return w->level > 0 ? leann_graph_upper_list(g, w->at.id, w->level) : leann_graph_list(g, w->q.hit[w->open].id & ~CLOSED);
}

/* The next hop is of a node whose links are asked for. */
static void go_on(const leann_graph *g, walk *w)
{
    const uint32_t *list = links_of(g, w);
    uint32_t slots = w->level > 0 ? g->upper_slots : g->slots;
    for (uint32_t i = 0; i <= slots; i += 16) __builtin_prefetch(list + i);
    w->turn = w->level > 0 ? GATHER : LOOK;
}

static void enter_level(const leann_graph *g, walk *w, uint32_t level)
{
    w->level = level;
    if (level == 0) {
        w->marks[w->at.id] = w->epoch;
        w->q.hit[w->q.n++] = w->at;
    }
    go_on(g, w);
}

static void look(const leann_graph *g, walk *w)
{
    const uint32_t *list = links_of(g, w);
    for (uint32_t i = 1; i <= list[0]; i++) __builtin_prefetch(w->marks + list[i], 1);
    w->turn = GATHER;
}

static void gather(const leann_graph *g, walk *w)
{
    const uint32_t *list = links_of(g, w);
    if (w->level > 0) {
        memcpy(w->ids, list + 1, list[0] * sizeof *w->ids);
        w->m = list[0];
    } else {
        w->q.hit[w->open].id |= CLOSED;
        w->m = unmet(list, w->marks, w->epoch, w->ids);
    }
    w->hops++;
    w->dist_comps += w->m;
    bool sift = w->query->bound && cut_of(w) < INFINITY;
    leann_scorer *scorer = sift ? w->query->bound : w->query->exact;
    if (scorer->prefetch) scorer->prefetch(scorer, (leann_span){LEANN_NONE, 0, w->m, w->ids});
    w->turn = sift ? SIFT : RANK;
}

static void sift(walk *w)
{
    w->m = leann_bounds_sift(w->query->bound, w->ids, w->m, cut_of(w));
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
    uint32_t slots = g->slots > g->upper_slots ? g->slots : g->upper_slots;
    w->query = query;
    w->at.id = g->entry;
    w->dist_comps = 1;
    w->q.ef = ef < g->n ? ef : g->n;
    w->q.hit = leann_scratch(ctx, ((size_t)w->q.ef + g->slots + 1) * sizeof *w->q.hit);
    w->ids = leann_scratch(ctx, (slots + (size_t)1) * sizeof *w->ids); /* + 1: the gather writes one past */
    w->key = leann_scratch(ctx, (slots + (size_t)1) * sizeof *w->key);
    w->fresh = leann_scratch(ctx, (slots + (size_t)1) * sizeof *w->fresh);
    if (!w->q.hit || !w->ids || !w->key || !w->fresh) return LEANN_ENOMEM;
    query->exact->score(query->exact, (leann_span){LEANN_NONE, 0, 1, &w->at.id}, INFINITY, &w->at.key, NULL);
    enter_level(g, w, g->top_level);
    return LEANN_OK;
}

static void end(walk *w, uint32_t k)
{
    const leann_graph_query *query = w->query;
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
    uint16_t epoch, *marks = leann_ctx_marks(ctx, n * graph->n, &epoch);
    walk *walks = leann_scratch(ctx, n * sizeof *walks);
    leann_status status = marks && walks ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; i < n && !status; i++) {
        walks[i] = (walk){.marks = marks + (size_t)i * graph->n, .epoch = epoch};
        status = begin(ctx, graph, query + i, ef, walks + i);
    }
    for (uint32_t left = n; left > 0 && !status;) {
        for (uint32_t i = 0; i < left; i++) {
            walk *w = walks + i;
            switch (w->turn) {
            case LOOK:
                look(graph, w);
                break;
            case GATHER:
                gather(graph, w);
                break;
            case SIFT:
                sift(w);
                break;
            case RANK:
                rank(graph, w);
                break;
            case DONE:
                end(w, k);
                *w = walks[--left];
            }
        }
    }
    leann_scratch_reset(ctx, mark);
    return status;
}
