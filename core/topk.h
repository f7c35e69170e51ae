/* topk.h – the k smallest of a stream of (key, id), ties by the smaller id, so that the answer does not depend on the order of the
 * stream.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_TOPK_H
#define LEANN_TOPK_H

#include "core/ctx.h"

#include <string.h>

typedef struct {
    float key;
    uint32_t id;
} leann_hit;

typedef struct {
    uint64_t *hit; /* (room) an order-preserving image of the key above the id */
    uint32_t k, n, room;
    float cut; /* nothing above it is among the k smallest; +INFINITY at first: what a scorer may stop at */
} leann_topk;

static inline bool leann_hit_before(leann_hit a, leann_hit b)
{
    return a.key < b.key || (a.key == b.key && a.id < b.id);
}

/* Whole numbers in the order of the floats, -0 as 0. */
static inline uint32_t leann_key_order(float key)
{
    uint32_t bits;
    key += 0.0F;
    memcpy(&bits, &key, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000U;
}
static inline float leann_key_of(uint32_t order)
{
    uint32_t bits = order >> 31 ? order & 0x7fffffffU : ~order;
    float key;
    memcpy(&key, &bits, sizeof key);
    return key;
}

bool leann_topk_start(leann_topk *top, leann_ctx *ctx, uint32_t k); /* in ctx's scratch; false with ENOMEM; k >= 1 */
void leann_topk_shrink(leann_topk *top);                            /* drops all but the k smallest and lowers the cut */
static inline void leann_topk_push(leann_topk *top, float key, uint32_t id)
{
    if (!(key <= top->cut)) return; /* NaN never gets in */
    top->hit[top->n++] = (uint64_t)leann_key_order(key) << 32 | id;
    if (top->n == top->room) leann_topk_shrink(top);
}
/* Keys of ids first, first + 1, … in order. */
void leann_topk_push_run(leann_topk *top, const float *key, uint32_t n, uint32_t first);
leann_hit *leann_topk_sort(leann_topk *top); /* the n <= k smallest, ascending, where hit was: top is spent */

/* The k smallest of n numbers to the front, in any order; 1 <= k <= n. Returns the largest of them. */
uint64_t leann_select_smallest(uint64_t *x, uint32_t n, uint32_t k);
/* n numbers in ascending order; room (n). */
void leann_sort_numbers(uint64_t *x, uint32_t n, uint64_t *room);

#endif
