/* linker.h – what the builders of proximity graphs share: rows inserted in batches against a frozen graph, the pruning rule, and
 * back-links applied by target. Links are the same for any number of threads, because a batch sees only the graph before it and the
 * distances to its own earlier members, and each list is changed by one worker, in the order of the sources.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_LINKER_H
#define LEANN_LINKER_H

#include "core/graph.h"

typedef struct {
    const leann_oracle *oracle; /* what links are judged by */
    leann_graph *graph;
    uint32_t keep;        /* links left in a list of level 0 that overflows its slots */
    float slack;          /* a candidate c goes when slack * |s - c|² < |p - c|² for a chosen s: 1 for hnsw, alpha² for vamana */
    uint32_t *chain;      /* (n) first pending back-link of a target + 1, 0 between calls */
    leann_oracle *narrow; /* owned: over codes, or NULL */
    leann_rows codes;
} leann_linker;

/* What a parameter may say of the distances that links are judged by, and its help. */
typedef enum { LEANN_JUDGE_AUTO, LEANN_JUDGE_ROWS } leann_judge;
#define LEANN_JUDGE_WORDS "auto|rows"
#define LEANN_JUDGE_HELP                                                                                                                   \
    "what links are judged by; auto: 8 bits a component where there are 10,000 rows and these codes find as good as the same neighbours, " \
    "measured on 32 rows, else the rows themselves"

/* To be called before the graph is made, since making codes takes memory of its own; graph and keep are then the caller's to set. slack is
 * 1. Stop frees after a failure too.
 *   errors  ENOMEM, EINTR */
leann_status leann_linker_start(leann_ctx *ctx, const leann_oracle *oracle, leann_judge judge, leann_linker *linker);
void leann_linker_stop(leann_linker *linker);

/* How many rows the next batch takes when `done` of n are in the graph. */
uint32_t leann_linker_batch(uint32_t done, uint32_t n);

/* Row `row` as a query of a walk. */
typedef struct {
    leann_scorer scorer;
    const leann_oracle *oracle;
    uint32_t row;
} leann_row_scorer;
void leann_row_scorer_start(leann_row_scorer *self, const leann_oracle *oracle, uint32_t row);
/* The walk of a row from the entry on level 0; counts its distances. walk: ef and what else leann_graph_collect is told. ENOMEM. */
leann_status leann_row_walk(leann_ctx *ctx, const leann_oracle *oracle, const leann_graph *graph, uint32_t row, leann_graph_walk *walk);

/* Puts a hit into its place among n sorted ones (room for n + 1). */
void leann_hits_insert(leann_hit *sorted, uint32_t n, leann_hit hit);

/* Keys rows ids (m) to a row and puts them into their places among n sorted hits (room for n + m); returns n + m. key: (m), scratch.
 * Counts its distances. */
uint32_t leann_linker_add(leann_ctx *ctx, const leann_linker *linker, uint32_t row, const uint32_t *ids, uint32_t m, float *key,
                          leann_hit *sorted, uint32_t n);

enum { LEANN_LINKS_MOST = 1024 }; /* that a selection with slack may be asked for */
/* At most `most` of n sorted candidates, so that none is nearer to a chosen, nearer one than to the row itself (key); with slack, first those
 * without it, which lie in all directions, then as many as slack lets in, nearest first: links that lead far would find no room else.
 * Counts its distances.
 *   shape   out (most), sorted; returns how many. May be the start of cand itself
 *   threads any number of workers on one linker; allocates nothing and cannot fail
 *   source  Malkov & Yashunin 2018, Algorithm 4 (slack 1); Subramanya et al. 2019, Algorithm 2 (slack alpha²), in two rounds as DiskANN's
 *           code has it */
uint32_t leann_linker_select(leann_ctx *ctx, const leann_linker *linker, const leann_hit *cand, uint32_t n, uint32_t most, leann_hit *out);
/* Makes hit (n), sorted, the whole list of a node on that level; n is at most its slots. */
void leann_linker_put(const leann_linker *linker, uint32_t node, uint32_t level, const leann_hit *hit, uint32_t n);
/* For each source in turn and each link of it, on every level, the link back, where it is not there; full lists are pruned.
 *   errors  ENOMEM, EINTR
 *   threads in parallel over targets; the links do not depend on how many */
leann_status leann_linker_back(leann_ctx *ctx, leann_linker *linker, leann_span sources);

/* Adds links until a walk on level 0 can come from the entry to every node; one stays out only where each of the 64 nearest that are in
 * reach is full of links that others hang on. See reach.c.
 *   errors  ENOMEM
 *   threads one; the same links for any number that built the graph
 *   source  Fu et al. 2019 (NSG), Algorithm 2 */
leann_status leann_reach(leann_ctx *ctx, const leann_oracle *oracle, leann_graph *graph);

#endif
