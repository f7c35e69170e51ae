/* queue.h – the candidates of a best-first walk: one sorted array with an open/closed bit a node, instead of two heaps. What leaves the
 * best ef can never be expanded (its key is above the cut), so both give the same expansions in the same order; a hop's new keys are
 * merged in one pass. Ties go to the smaller id, so that an answer does not depend on the order of the links.
 *
 * For the walks of core/ only: walk.c and beam.c.
 *
 * Source: Malkov & Yashunin 2018, Algorithm 2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_QUEUE_H
#define LEANN_QUEUE_H

#include <math.h>
#include <string.h>

#include "core/graph.h"

#define CLOSED 0x80000000u /* bit of a queued id: already expanded */

static inline bool before(leann_hit a, leann_hit b)
{
    return a.key < b.key || (a.key == b.key && (a.id & ~CLOSED) < (b.id & ~CLOSED));
}

typedef struct {
    leann_hit *hit; /* (ef + longest list), sorted */
    uint32_t n, ef;
} queue;

static inline float queue_cut(const queue *q)
{
    return q->n < q->ef ? INFINITY : q->hit[q->ef - 1].key;
}

/* The hits that may enter, sorted by insertion: few of a list pass the cut. */
static inline uint32_t sort_fresh(const uint32_t *ids, const float *key, uint32_t n, float cut, leann_hit *fresh)
{
    uint32_t m = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!(key[i] <= cut)) continue;
        leann_hit hit = {key[i], ids[i]};
        uint32_t at = m++;
        for (; at > 0 && before(hit, fresh[at - 1]); at--) fresh[at] = fresh[at - 1];
        fresh[at] = hit;
    }
    return m;
}

/* Merges m sorted hits from the back: each moves one block of the tail. Returns the first position that changed. */
static inline uint32_t queue_merge(queue *q, const leann_hit *fresh, uint32_t m)
{
    uint32_t end = q->n; /* hit[0 .. end) is not yet moved */
    while (m > 0) {
        uint32_t low = 0, high = end;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (before(fresh[m - 1], q->hit[middle]))
                high = middle;
            else
                low = middle + 1;
        }
        memmove(q->hit + low + m, q->hit + low, (end - low) * sizeof *q->hit);
        m--;
        q->hit[low + m] = fresh[m];
        end = low;
    }
    return end;
}

/* What is left of n hits: the best ef. */
static inline void queue_trim(queue *q, uint32_t n)
{
    q->n = n < q->ef ? n : q->ef;
}

/* Ids without their bit. */
static inline void queue_end(queue *q)
{
    for (uint32_t i = 0; i < q->n; i++) q->hit[i].id &= ~CLOSED;
}

/* Marks the nodes of a list that have not been met: into ids, which has room for one more than there can be; returns how many. */
static inline uint32_t unmet(const uint32_t *list, uint16_t *marks, uint16_t epoch, uint32_t *ids)
{
    uint32_t m = 0;
    for (uint32_t i = 1; i <= list[0]; i++) {
        uint32_t id = list[i];
        ids[m] = id;
        m += marks[id] != epoch;
        marks[id] = epoch;
    }
    return m;
}

#endif
