/* topk.h – the k smallest of a stream of (key, id): a bounded max-heap, ties by the smaller id, so that the answer does not depend
 * on the order of the stream.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_TOPK_H
#define LEANN_TOPK_H

#include "core/ctx.h"

typedef struct {
    float key;
    uint32_t id;
} leann_hit;

typedef struct {
    leann_hit *hit; /* (k), the worst first */
    uint32_t k, n;
    float cut; /* key of the worst once n == k, +INFINITY before: what a scorer may stop at */
} leann_topk;

static inline bool leann_hit_before(leann_hit a, leann_hit b) { return a.key < b.key || (a.key == b.key && a.id < b.id); }
void leann_topk_start(leann_topk *top, leann_hit *store, uint32_t k); /* store (k), k >= 1 */
void leann_topk_insert(leann_topk *top, float key, uint32_t id);      /* the slow path of push */
static inline void leann_topk_push(leann_topk *top, float key, uint32_t id)
{
    if (key <= top->cut) leann_topk_insert(top, key, id);
}
void leann_topk_sort(leann_topk *top); /* ascending in place; the heap is spent */

#endif
