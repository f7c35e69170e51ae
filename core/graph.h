/* graph.h – one topology for every builder, its form on disk, and the walk over it. A walk sees keys, never vectors.
 *
 * Memory: level 0 is (n, 1 + slots) u32: the degree, then the ids. Upper levels (hnsw): `levels[i]` says how many a node has above
 * level 0; its lists lie one after the other from `upper + upper_at[i]`, each (1 + upper_slots) u32. Or level 0 is packed (core/edges.h).
 * Disk: the same lists with fixed slots, ids in 16 bits where n <= 65535, in 32 otherwise, so that the size is known beforehand:
 * <prefix>.head (8) u32: n, entry, slots, upper_slots, top_level, default_ef, lists above level 0, how level 0 is packed or 0;
 * <prefix>.level0 (n, 1 + slots), or what leann_edges_save writes; and where there are upper levels <prefix>.levels (n) u8 and
 * <prefix>.upper (lists, 1 + upper_slots).
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_CORE_GRAPH_H
#define LEANN_CORE_GRAPH_H

#include "core/edges.h"
#include "core/topk.h"

struct leann_graph {
    uint32_t n, entry; /* entry: where a walk begins (at top_level) */
    uint32_t slots, upper_slots, top_level;
    uint32_t *links;    /* (n, 1 + slots); NULL when slots is 0: no edges (flat), or when they are packed */
    leann_edges packed; /* level 0, where `at` is not NULL */
    uint8_t *levels;    /* (n), NULL when top_level is 0 */
    uint64_t *upper_at; /* (n), derived from levels */
    uint32_t *upper;
    uint32_t default_ef;
};

/* A graph without links. levels (n) is copied; NULL: no upper levels. slots 0: no edges. n < 2^31, slots <= 65535. */
leann_status leann_graph_new(leann_ctx *ctx, uint32_t n, uint32_t slots, uint32_t upper_slots, const uint8_t *levels, leann_graph **out);
void leann_graph_free(leann_graph *graph);
/* EFORMAT unless degrees, ids < n, levels and the entry fit, with no self links and no repeats. */
leann_status leann_graph_check(leann_ctx *ctx, const leann_graph *graph);
/* prefix: of the section names, "links" or "anchor_links": <prefix>.head, <prefix>.level0, … all LEANN_PART_GRAPH. */
leann_status leann_graph_save(const leann_graph *graph, const char *prefix, leann_writer *w);
leann_status leann_graph_open(leann_ctx *ctx, const leann_reader *r, const char *prefix, uint32_t n, leann_graph **out);
/* What save adds; upper_lists: all lists above level 0 together. */
void leann_graph_predict(uint64_t n, uint32_t slots, uint32_t upper_slots, uint64_t upper_lists, leann_ledger *ledger);
double leann_graph_mean_degree(const leann_graph *graph);

/* Places for the nodes such that what level 0 links lies near: order (n) out, the node of each place.
 *   errors  ENOMEM, EINTR
 *   threads in parallel; the same order for any number
 *   source  Dhulipala et al. 2016 (arXiv 1602.08820) */
leann_status leann_graph_order(leann_ctx *ctx, const leann_graph *graph, uint32_t *order);
/* Packs level 0, whose lists then are in no order of the builder's; what walks find stays the same. As leann_edges_make. */
leann_status leann_graph_pack(leann_ctx *ctx, leann_graph *graph, const uint32_t *order, uint64_t bytes);
/* Leaves level 0 alone, walked from the same entry. */
void leann_graph_drop_upper(leann_graph *graph);
/* What save adds once level 0 is packed; upper: bytes of the levels above it. */
void leann_graph_predict_packed(uint64_t n, uint64_t bytes, uint64_t upper, leann_ledger *ledger);

static inline uint32_t *leann_graph_list(const leann_graph *g, uint32_t node)
{
    return g->links + (size_t)node * (1 + g->slots);
}
static inline uint32_t *leann_graph_upper_list(const leann_graph *g, uint32_t node, uint32_t level) /* level >= 1 */
{
    return g->upper + g->upper_at[node] + (size_t)(level - 1) * (1 + g->upper_slots);
}
static inline uint32_t *leann_graph_list_at(const leann_graph *g, uint32_t node, uint32_t level)
{
    return level == 0 ? leann_graph_list(g, node) : leann_graph_upper_list(g, node, level);
}
/* The list, as above: where it lies, or read into room (1 + slots). */
static inline const uint32_t *leann_graph_read(const leann_graph *g, uint32_t node, uint32_t level, uint32_t *room)
{
    if (level > 0 || !g->packed.at) return leann_graph_list_at(g, node, level);
    leann_edges_list(&g->packed, node, room);
    return room;
}
static inline uint32_t leann_graph_slots_at(const leann_graph *g, uint32_t level)
{
    return level == 0 ? g->slots : g->upper_slots;
}
static inline void leann_graph_prefetch(const leann_graph *g, uint32_t node, uint32_t level) /* its list */
{
    if (level == 0 && g->packed.at) {
        leann_edges_prefetch(&g->packed, node);
        return;
    }
    const uint32_t *list = leann_graph_list_at(g, node, level);
    for (uint32_t i = 0, slots = leann_graph_slots_at(g, level); i <= slots; i += 16) __builtin_prefetch(list + i);
}

/* The k nearest nodes as the scorer judges: greedy descent through the upper levels, then best-first with a queue of ef; without
 * edges, a scan of all nodes.
 *   shape   ids (k), key (k) out, closest first, ties by id; *found <= k
 *   errors  EINVAL k = 0 or ef < k; ENOMEM
 *   threads any number of contexts on one graph; scratch and marks come from ctx
 *   source  Malkov & Yashunin 2018, Algorithms 2 and 5 */
leann_status leann_graph_search(leann_ctx *ctx, const leann_graph *graph, leann_scorer *scorer, uint32_t ef, uint32_t k, uint32_t *ids,
                                float *key, uint32_t *found);

/* Several searches at once, each with the answers and the counts of leann_graph_search: while what one waits for comes from memory, others go
 * on. For graphs with edges; some 4 to 16 at a time.
 *   shape   each query's ids (k), key (k), *found, *work out, as above; work: dist_comps and hops alone
 *   errors  EINVAL k = 0 or ef < k; ENOMEM
 *   threads any number of contexts on one graph; scratch comes from ctx */
typedef struct {
    leann_scorer *exact, *bound; /* bound: of leann_bounds_scorers, before exact, or NULL */
    const leann_codes *codes;    /* what exact scores, to be asked for ahead; NULL: it asks itself */
    uint32_t *ids, *found;
    float *key;
    leann_work *work;
} leann_graph_query;
leann_status leann_graph_search_many(leann_ctx *ctx, const leann_graph *graph, const leann_graph_query *query, uint32_t n, uint32_t ef,
                                     uint32_t k);

/* The two halves of a search, for builders. `at` is a node with its key; both count hops in the context and computations in the scorer. */

/* Greedy descent from level `from` down to, but not on, level `to`: *at becomes the nearest node met. */
leann_status leann_graph_descend(leann_ctx *ctx, const leann_graph *graph, leann_scorer *scorer, uint32_t from, uint32_t to, leann_hit *at);

/* Best-first on one level from `at`, until no open node is among the best ef. */
typedef struct {
    uint32_t level, ef;
    leann_hit *best;    /* out: in the context's scratch, closest first, ties by id */
    uint32_t found;     /* out: <= min(ef, n) */
    leann_hit *dropped; /* (dropped_room) out or NULL: nodes that were expanded and then left the best ef; further ones are not kept */
    uint32_t dropped_room, dropped_n;
} leann_graph_walk;
leann_status leann_graph_collect(leann_ctx *ctx, const leann_graph *graph, leann_scorer *scorer, leann_hit at, leann_graph_walk *walk);

#endif
