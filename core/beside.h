/* beside.h – codes of whole neighbour lists that lie together: what a quantiser's scorer reads when a walk gives it the complete list of a
 * node. One look-up table a query, one stream of memory a hop, and no look at which neighbours were met before.
 *
 * A code is m columns of 4 bits; its key is plus + times * sum over columns of table[16 j + code_j], with plus and times of the code
 * (leann_quantizer_type.columns and .terms). Tables are scanned as bytes (leann_lookup), so a key is off by half a step a column, at random.
 * Memory: node i at base + i * stride: for ceil(slots / 32) blocks the codes (blocks, m, 16) as the fast scan reads them, plus f32
 * (blocks, 32), and where `scaled` times f32 (blocks, 32); whole cache lines. It is made when an index is built or opened and never saved:
 * 16 m + 128 or 256 bytes for every 32 slots of every node.
 *
 * Source: Gou, Gao, Xu & Long 2024, "SymphonyQG" (arXiv 2411.12229), section 3.1; NGT-QG before it; André et al. 2015 for the scan.
 * Differs: codes about the one centre of the quantiser instead of about the list's owner, so that any quantiser of 4-bit columns will do.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_BESIDE_H
#define LEANN_BESIDE_H

#include "core/graph.h"

struct leann_beside {
    uint8_t *base;
    size_t stride;   /* bytes of a node */
    uint32_t blocks; /* of 32 slots, of a node */
    leann_columns columns;
};

/* The codes of every list of level 0. graph and codes are borrowed only for the call.
 *   errors  ENOMEM, EINTR
 *   threads in parallel over nodes; the same bytes for any number */
leann_status leann_beside_make(leann_ctx *ctx, const leann_quantizer *quantizer, leann_columns columns, const leann_codes *codes,
                               const leann_graph *graph, leann_beside **out);
void leann_beside_free(leann_beside *beside); /* NULL is fine */

/* A query's table in bytes: entry = (table - least of its column) / step, rounded down, at most 255; the sums of m of them fit 16 bits. */
typedef struct {
    uint8_t *entry;             /* (m, pad) */
    float step, least, largest; /* least: sum of the columns' least; largest: sum of their largest magnitudes */
} leann_lookup;
/* table (m, pad), pad a multiple of 16; entries that are not finite saturate, but not all of a column are. ENOMEM; in ctx's scratch. */
leann_status leann_lookup_of(leann_ctx *ctx, const float *table, size_t m, size_t pad, leann_lookup *out);

/* key (n up to a multiple of 32) out, of the n first slots of the node's list, constant added. */
void leann_beside_score(const leann_beside *beside, const leann_lookup *lookup, float constant, uint32_t node, uint32_t n, float *key);
void leann_beside_prefetch(const leann_beside *beside, uint32_t node);

#endif
