/* beam.c – the resumable walk: best-first with one sorted queue of ef, `beam` nodes at a time. O(hops (slots + log ef)), as walk.c's.
 *
 * A node is taken from the queue (closed) when its list or its neighbours' keys are asked for, and expanded when they are given. The
 * beam is topped up at every run, so a caller that has some lists at hand gives those first and reads the others while more is known.
 *
 * Source: Subramanya et al. 2019 (DiskANN), Algorithm 1 and section 3.2.
 * Differs: the queue is walk.c's; a node taken is expanded even when better ones have pushed it out since.
 *
 * SPDX-License-Identifier: MIT */
#include "core/beam.h"

#include <assert.h>

#include "core/queue.h"

struct leann_walk {
    leann_ctx *ctx;
    const leann_graph *graph;
    leann_scorer *coarse;
    queue near;
    uint32_t open; /* no node before it in the queue is open */
    uint32_t beam, hops;
    uint32_t *want, wanted, at; /* want (wanted): LEANN_NONE where it has been given; at: where the last one was found */
    uint32_t *ids;              /* of one list: (slots + 1) each */
    float *key;
    leann_hit *fresh;
    uint16_t *marks, epoch;
    uint64_t computed; /* the scorer's, before the walk */
};

/* The scored nodes that are near enough, into the queue. */
static void enter(leann_walk *w, const uint32_t *ids, const float *key, uint32_t n)
{
    uint32_t m = sort_fresh(ids, key, n, queue_cut(&w->near), w->fresh), changed = queue_merge(&w->near, w->fresh, m);
    queue_trim(&w->near, w->near.n + m);
    if (m > 0 && changed < w->open) w->open = changed;
}

static void expand(leann_walk *w, const uint32_t *list)
{
    if (!w->coarse) { /* their keys are asked for */
        w->wanted += unmet(list, w->marks, w->epoch, w->want + w->wanted);
        return;
    }
    uint32_t m = unmet(list, w->marks, w->epoch, w->ids);
    if (m == 0) return;
    w->coarse->score(w->coarse, (leann_span){LEANN_NONE, 0, m, w->ids}, queue_cut(&w->near), w->key, NULL);
    enter(w, w->ids, w->key, m);
}

/* The nearest open node, closed; LEANN_NONE when all are. */
static uint32_t take(leann_walk *w)
{
    while (w->open < w->near.n && (w->near.hit[w->open].id & CLOSED)) w->open++;
    if (w->open == w->near.n) return LEANN_NONE;
    uint32_t id = w->near.hit[w->open].id;
    w->near.hit[w->open++].id |= CLOSED;
    w->hops++;
    return id;
}

/* A share of all nodes, a list's length at a time. */
static bool meet_every(leann_walk *w, uint32_t every)
{
    uint32_t *list = leann_scratch(w->ctx, ((size_t)w->graph->slots + 1) * sizeof *list);
    if (!list) return false;
    for (uint64_t id = 0; id < w->graph->n;) {
        for (list[0] = 0; list[0] < w->graph->slots && id < w->graph->n; id += every) list[++list[0]] = (uint32_t)id;
        expand(w, list);
    }
    return true;
}

leann_walk *leann_walk_begin(leann_ctx *ctx, const leann_graph *graph, leann_scorer *coarse, leann_effort effort)
{
    assert(graph->slots > 0 && (coarse || graph->links) && effort.ef > 0 && effort.beam > 0);
    leann_walk *w = leann_scratch(ctx, sizeof *w);
    if (!w) return NULL;
    *w = (leann_walk){.ctx = ctx, .graph = graph, .coarse = coarse, .beam = effort.beam};
    size_t room = (size_t)graph->slots + 1; /* + 1: unmet writes one past */
    w->near.ef = effort.ef < graph->n ? effort.ef : graph->n;
    w->near.hit = leann_scratch(ctx, (w->near.ef + room) * sizeof *w->near.hit);
    w->want = leann_scratch(ctx, (coarse ? effort.beam : effort.beam * (size_t)graph->slots + 1) * sizeof *w->want);
    w->ids = leann_scratch(ctx, room * sizeof *w->ids);
    w->key = leann_scratch(ctx, room * sizeof *w->key);
    w->fresh = leann_scratch(ctx, room * sizeof *w->fresh);
    w->marks = leann_ctx_marks(ctx, graph->n, &w->epoch);
    if (!w->near.hit || !w->want || !w->ids || !w->key || !w->fresh || !w->marks) return NULL;
    const uint32_t entry[] = {1, graph->entry};
    if (coarse) w->computed = coarse->dist_comps;
    expand(w, entry);
    return coarse && effort.every > 0 && !meet_every(w, effort.every) ? NULL : w;
}

/* What has been given is wanted no more. */
static void forget_given(leann_walk *w)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < w->wanted; i++)
        if (w->want[i] != LEANN_NONE) w->want[left++] = w->want[i];
    w->wanted = left;
    w->at = 0;
}

leann_walk_state leann_walk_run(leann_walk *walk, const uint32_t **want, uint32_t *n)
{
    leann_walk *w = walk;
    uint32_t node;
    forget_given(w);
    if (!w->graph->links)
        while (w->wanted < w->beam && (node = take(w)) != LEANN_NONE) w->want[w->wanted++] = node;
    else
        while (w->wanted == 0 && w->open < w->near.n)
            for (uint32_t i = 0; i < w->beam && (node = take(w)) != LEANN_NONE; i++) expand(w, leann_graph_list(w->graph, node));
    *want = w->want;
    *n = w->wanted;
    if (w->wanted == 0) return LEANN_WALK_DONE;
    return w->graph->links ? LEANN_WALK_WANT_KEYS : LEANN_WALK_WANT_PAGES;
}

/* Ids that are given in the order in which they were asked for are found at once. */
static void strike(leann_walk *w, uint32_t id)
{
    for (uint32_t looked = 0; looked < w->wanted; looked++) {
        uint32_t at = w->at++;
        if (w->at == w->wanted) w->at = 0;
        if (w->want[at] != id) continue;
        w->want[at] = LEANN_NONE;
        return;
    }
    assert(false && "what was not wanted is given");
}

void leann_walk_give(leann_walk *walk, const uint32_t *ids, const float *key, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) strike(walk, ids[i]);
    for (uint32_t first = 0; first < n; first += walk->graph->slots) { /* the queue has room for a list at a time */
        uint32_t m = n - first < walk->graph->slots ? n - first : walk->graph->slots;
        enter(walk, ids + first, key + first, m);
    }
}

void leann_walk_give_list(leann_walk *walk, uint32_t id, const uint32_t *list)
{
    assert(!walk->graph->links && list[0] <= walk->graph->slots);
    strike(walk, id);
    expand(walk, list);
}

void leann_walk_end(leann_walk *walk, leann_hit **best, uint32_t *found)
{
    queue_end(&walk->near);
    leann_work *work = leann_ctx_work(walk->ctx);
    work->hops += walk->hops;
    if (walk->coarse) work->dist_comps += walk->coarse->dist_comps - walk->computed;
    *best = walk->near.hit;
    *found = walk->near.n;
}
