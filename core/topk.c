/* topk.c – the k smallest of a stream: a binary heap with the worst hit on top; O(log k) for a hit that gets in, O(1) for the rest.
 *
 * Hits are ordered by (key, id). NaN keys never get in: they are not <= cut.
 *
 * Source: Williams 1964 (heapsort).
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <math.h>

#include "core/topk.h"

static void sift_down(leann_hit *hit, uint32_t n, leann_hit x) /* x goes to the top of hit[0 … n) and down to its place */
{
    uint32_t at = 0;
    for (uint64_t child; (child = 2 * (uint64_t)at + 1) < n;) {
        if (child + 1 < n && leann_hit_before(hit[child], hit[child + 1])) child++;
        if (!leann_hit_before(x, hit[child])) break;
        hit[at] = hit[child];
        at = (uint32_t)child;
    }
    hit[at] = x;
}

void leann_topk_start(leann_topk *top, leann_hit *store, uint32_t k)
{
    assert(k >= 1);
    *top = (leann_topk){.hit = store, .k = k, .cut = INFINITY};
}

void leann_topk_insert(leann_topk *top, float key, uint32_t id)
{
    leann_hit x = {key, id};
    if (top->n == top->k) {
        if (!leann_hit_before(x, top->hit[0])) return;
        sift_down(top->hit, top->n, x);
    } else {
        uint32_t at = top->n++;
        for (uint32_t up; at > 0 && leann_hit_before(top->hit[up = (at - 1) / 2], x); at = up) top->hit[at] = top->hit[up];
        top->hit[at] = x;
        if (top->n < top->k) return;
    }
    top->cut = top->hit[0].key;
}

void leann_topk_sort(leann_topk *top)
{
    for (uint32_t n = top->n; n > 1; n--) {
        leann_hit worst = top->hit[0];
        sift_down(top->hit, n - 1, top->hit[n - 1]);
        top->hit[n - 1] = worst;
    }
}
