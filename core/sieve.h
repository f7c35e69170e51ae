/* sieve.h – the k smallest of a long stream of (key, id), ties by the smaller id, so that the answer does not depend on the order of the
 * stream: for scans. A few hits are cheaper in the heap of topk.h, whose cut is the k-th smallest at any time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_SIEVE_H
#define LEANN_SIEVE_H

#include "core/topk.h"

#include <string.h>

typedef struct leann_sieve {
    uint64_t *hit; /* (room) an order-preserving image of the key above the id */
    uint32_t k, n, room;
    float cut; /* nothing above it is among the k smallest; +INFINITY at first: what a scorer may stop at */
} leann_sieve;

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

bool leann_sieve_start(leann_sieve *sieve, leann_ctx *ctx, uint32_t k); /* in ctx's scratch; false with ENOMEM; k >= 1 */
void leann_sieve_shrink(leann_sieve *sieve);                            /* drops all but the k smallest and lowers the cut */
static inline void leann_sieve_push(leann_sieve *sieve, float key, uint32_t id)
{
    if (!(key <= sieve->cut)) return; /* NaN never gets in */
    sieve->hit[sieve->n++] = (uint64_t)leann_key_order(key) << 32 | id;
    if (sieve->n == sieve->room) leann_sieve_shrink(sieve);
}
/* Keys of ids first, first + 1, … in order. */
void leann_sieve_push_run(leann_sieve *sieve, const float *key, uint32_t n, uint32_t first);
leann_hit *leann_sieve_sort(leann_sieve *sieve); /* the n <= k smallest, ascending, where hit was: the sieve is spent */

/* The k smallest of n numbers to the front, in any order; 1 <= k <= n. Returns the largest of them. */
uint64_t leann_select_smallest(uint64_t *x, uint32_t n, uint32_t k);
/* n numbers in ascending order; room (n). */
void leann_sort_numbers(uint64_t *x, uint32_t n, uint64_t *room);

#endif
