/* edges.h – the lists of a graph's level 0 in few bits, read one at a time.
 *
 * Every row has a place, such that what is linked lies near (leann_graph_order), or its place is its own number. A list is its row's place
 * where that is not its number, its degree, how many of its rows lie before its own place, and gaps: from the own place to the nearest before
 * it, from that to the next and so on, then the same for those after it. A gap takes h zeros and a one, and first + h * step bits for how far
 * it is beyond all gaps of fewer zeros; zeros and ones of all gaps come first, so that every gap's bits can be found without those before it.
 * Lists lie one after the other, in the order of rows.
 *
 * Memory: the bits as in the file; for each row 8 bytes for where its list begins, and 4 more where rows have places of their own.
 *
 * Source: gaps of ordered graphs, zeta codes: Boldi & Vigna 2004 (The WebGraph Framework I and II).
 * Differs: gaps go both ways from the own place; the zeros of a list come first; the first class of a code may have a width of its own.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_EDGES_H
#define LEANN_EDGES_H

#include "core/plugin.h"

enum { LEANN_EDGES_CLASSES = 32 };
typedef struct {
    unsigned first, step, classes;
    uint32_t least[LEANN_EDGES_CLASSES]; /* the least gap of so many zeros */
} leann_gap_code;

typedef struct {
    uint32_t n, slots; /* slots: links a list has at most */
    leann_gap_code code;
    uint64_t bytes;      /* there is room for, 8 spare ones at the end included */
    const uint8_t *bits; /* (bytes) */
    uint64_t *at;        /* (n) the bit where a row's list begins */
    uint32_t *row;       /* (n) of each place; NULL: a row's place is its own number */
    void *owned;         /* bits of edges that were made */
} leann_edges;

/* Room for n lists of so many bits each on average. */
uint64_t leann_edges_bytes(uint64_t n, uint64_t list_bits);
/* Bits that lists need on average, at most, where `links` lead from a row on average, whatever the order: about 2 + log2(n / links) a link. Places are not
 * in it. */
uint64_t leann_edges_enough(uint64_t n, double links, uint32_t slots);

/* Level 0 of a graph.
 *   shape   order (n): the row of each place, or NULL; borrowed for the call. *taken: bits of a list on average, rounded up
 *   errors  EINVAL they do not fit into `bytes`; ENOMEM. *out may hold something then: leann_edges_free */
leann_status leann_edges_make(leann_ctx *ctx, const leann_graph *graph, const uint32_t *order, uint64_t bytes, leann_edges *out,
                              uint64_t *taken);
void leann_edges_free(leann_edges *edges);
/* The section <prefix>.packed. */
leann_status leann_edges_save(const leann_edges *edges, const char *prefix, leann_writer *w);
/* Where the file has them; code: first | step << 8 | 1 << 16 where there are places. All lists are read and checked, so that later no one has to.
 *   errors  EFORMAT, ENOMEM */
leann_status leann_edges_open(leann_ctx *ctx, const leann_reader *r, const char *prefix, uint32_t n, uint32_t slots, uint32_t code,
                              leann_edges *out);
uint32_t leann_edges_code(const leann_edges *edges);

/* list (1 + slots) out: the degree, then the rows. */
void leann_edges_list(const leann_edges *edges, uint32_t row, uint32_t *list);
uint32_t leann_edges_degree(const leann_edges *edges, uint32_t row);

/* A list of some 30 bytes lies on two lines of the cache as often as not: the second one too. */
static inline void leann_edges_prefetch(const leann_edges *edges, uint32_t row)
{
    enum { FURTHER = 48 };
    const uintptr_t list = (uintptr_t)edges->bits + edges->at[row] / 8;
    __builtin_prefetch((const void *)list);
    __builtin_prefetch((const void *)(list + FURTHER));
}

#endif
