/* beam.h – a walk that can wait: best-first over a graph whose lists lie on pages, or whose keys cost a fetch each. It says what it wants
 * and goes on when it is given it, so that a caller can gather the wants of several nodes, or of several queries, into one batch.
 *
 *     walk = leann_walk_begin(ctx, graph, coarse, effort);
 *     while ((state = leann_walk_run(walk, &want, &n)) != LEANN_WALK_DONE)
 *         … get some of what is wanted, and give it …
 *     leann_walk_end(walk, &best, &n);
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_CORE_BEAM_H
#define LEANN_CORE_BEAM_H

#include "core/graph.h"

typedef enum { LEANN_WALK_DONE, LEANN_WALK_WANT_KEYS, LEANN_WALK_WANT_PAGES } leann_walk_state;
typedef struct {
    uint32_t ef;    /* candidates kept, at least 1 */
    uint32_t beam;  /* nodes expanded at once, at least 1: how many lists are wanted together, or how many lists' keys */
    uint32_t every; /* with a coarse scorer: nodes 0, every, 2 every … are met before the walk, beside the entry; 0: the entry alone */
} leann_effort;
typedef struct leann_walk leann_walk;

/* Starts at the graph's entry, on level 0, and at the nearest of those that the effort says.
 *   graph   links NULL (slots are not): its lists are asked for, WANT_PAGES
 *   coarse  keys of all nodes, which order the walk. NULL: keys are asked for, WANT_KEYS; then the graph's links must be at hand
 *   errors  NULL: ENOMEM
 *   memory  in ctx's scratch; one walk at a time uses a context's marks
 *   source  Subramanya et al. 2019 (DiskANN), Algorithm 1 with beams, section 3.2; with beam 1 it expands what leann_graph_search does */
leann_walk *leann_walk_begin(leann_ctx *ctx, const leann_graph *graph, leann_scorer *coarse, leann_effort effort);
/* Goes on as far as it can. want (n): the ids whose keys or lists are still to be given, most promising first; valid until the next run. */
leann_walk_state leann_walk_run(leann_walk *walk, const uint32_t **want, uint32_t *n);
/* Any part of what is wanted, in any order. */
void leann_walk_give(leann_walk *walk, const uint32_t *ids, const float *key, uint32_t n);
/* list: the degree, at most the graph's slots, then ids < n; it is used up when this returns. */
void leann_walk_give_list(leann_walk *walk, uint32_t id, const uint32_t *list);
/* The best so far, closest first, ties by id, in the walk's memory; counts its hops and the scorer's computations in the context. */
void leann_walk_end(leann_walk *walk, leann_hit **best, uint32_t *found);

#endif
