/* order.c – places for the nodes of a graph, such that what is linked lies near: halves are made in which links stay, then halves of these.
 *
 * A set is a node and what it links to. A round looks at what every node would gain by crossing over to the other half, in bits of the
 * logarithms of the gaps of all sets, and swaps as many of those that gain on one side as there are on the other, the best first. Cost:
 * O(links) a round, 20 rounds at most at each of log2(n / 16) depths; the halves of a depth go in parallel. Memory: the sets of every node,
 * 4 bytes a link, and 8 bytes a node for each thread.
 *
 * Source: Dhulipala et al. 2016 (arXiv 1602.08820), Algorithms 1 and 2.
 * Differs: a node that gains nothing by itself is never swapped, so that only those that do are sorted; gains are whole numbers, so that no
 *   order of summing shows.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph.h"

#include <math.h>
#include <stdlib.h>

enum { LEAF = 16, ROUNDS = 20, FEW = 1000, TASKS = 64 }; /* a round that swaps less than one node in FEW is the last of its halves */

typedef struct {
    uint64_t *set_at; /* (n + 1) */
    uint32_t *set;    /* (links + n) the sets that node i is in: set[set_at[i]], … */
    int64_t *worth;   /* (slots + 3) what the i-th node that a half has of a set adds to the set's logarithms, in 1024ths of a bit */
    uint32_t *order;  /* (n) */
    uint32_t n;
    unsigned depth;
} order_job;

typedef struct {
    uint32_t on[2]; /* nodes of a set in the first half, and in the second */
} sides;

typedef struct {
    int64_t gain;
    uint32_t at;
} mover;

static int by_gain(const void *a, const void *b)
{
    const mover *x = a, *y = b;
    if (x->gain != y->gain) return x->gain > y->gain ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

static int64_t gain_of(const order_job *job, const sides *count, uint32_t node, int side)
{
    int64_t gain = 0;
    for (uint64_t i = job->set_at[node]; i < job->set_at[node + 1]; i++) {
        const sides *c = count + job->set[i];
        gain += job->worth[c->on[!side] + 1] - job->worth[c->on[side]];
    }
    return gain;
}

static void cross(const order_job *job, sides *count, uint32_t node, int side)
{
    for (uint64_t i = job->set_at[node]; i < job->set_at[node + 1]; i++) {
        count[job->set[i]].on[side]--;
        count[job->set[i]].on[!side]++;
    }
}

/* Counts anew what lies on each side of the middle, of all sets that reach between first and end. */
static void count_sides(const order_job *job, sides *count, uint32_t first, uint32_t middle, uint32_t end)
{
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t at = first; at < end; at++)
            for (uint64_t i = job->set_at[job->order[at]]; i < job->set_at[job->order[at] + 1]; i++) {
                if (pass == 0)
                    count[job->set[i]] = (sides){{0, 0}};
                else
                    count[job->set[i]].on[at >= middle]++;
            }
}

/* One round; returns how many nodes of each half crossed over. gaining has room for all of both. */
static uint32_t swap_some(const order_job *job, sides *count, uint32_t first, uint32_t middle, uint32_t end, mover *gaining)
{
    uint32_t n[2] = {0, 0};
    mover *half[2] = {gaining, gaining + (middle - first)};
    for (uint32_t at = first; at < end; at++) {
        const int side = at >= middle;
        const int64_t gain = gain_of(job, count, job->order[at], side);
        if (gain > 0) half[side][n[side]++] = (mover){gain, at};
    }
    const uint32_t swaps = n[0] < n[1] ? n[0] : n[1];
    for (int side = 0; side < 2 && swaps > 0; side++) qsort(half[side], n[side], sizeof *half[side], by_gain);
    for (uint32_t i = 0; i < swaps; i++) {
        uint32_t *a = job->order + half[0][i].at, *b = job->order + half[1][i].at, node = *a;
        cross(job, count, *a, 0);
        cross(job, count, *b, 1);
        *a = *b;
        *b = node;
    }
    return swaps;
}

/* Ranges of a depth: each is cut in its middle. */
static leann_status bisect_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const order_job *job = arg;
    const size_t mark = leann_scratch_mark(ctx), most = ((size_t)job->n >> job->depth) + 1;
    sides *count = leann_scratch(ctx, job->n * sizeof *count);
    mover *gaining = leann_scratch(ctx, most * sizeof *gaining);
    if (!count || !gaining) return LEANN_ENOMEM;
    for (uint64_t range = begin; range < end; range++) {
        const uint32_t first = (uint32_t)(range * job->n >> job->depth), last = (uint32_t)((range + 1) * job->n >> job->depth);
        const uint32_t middle = (uint32_t)((2 * range + 1) * job->n >> (job->depth + 1));
        uint32_t swaps = last - first;
        count_sides(job, count, first, middle, last);
        for (unsigned round = 0; round < ROUNDS && swaps > 0 && swaps >= (last - first) / FEW; round++) {
            if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
            swaps = swap_some(job, count, first, middle, last, gaining);
        }
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* The sets that each node is in. */
static leann_status invert(leann_ctx *ctx, const leann_graph *g, order_job *job)
{
    uint64_t *at = job->set_at = leann_alloc(ctx, (size_t)g->n + 1, sizeof *at);
    if (!at) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < g->n; i++) {
        const uint32_t *list = leann_graph_list(g, i);
        at[i]++;
        for (uint32_t j = 1; j <= list[0]; j++) at[list[j]]++;
    }
    for (uint32_t i = 1; i <= g->n; i++) at[i] += at[i - 1];
    if (!(job->set = leann_alloc(ctx, at[g->n], sizeof *job->set))) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < g->n; i++) { /* from the end of each node's sets, which so becomes their beginning */
        const uint32_t *list = leann_graph_list(g, i);
        job->set[--at[i]] = i;
        for (uint32_t j = 1; j <= list[0]; j++) job->set[--at[list[j]]] = i;
    }
    return LEANN_OK;
}

/* worth[i] = f(i) - f(i - 1) with f(i) = i log2(i + 1): the halves are of one size, so that it falls out. */
static leann_status weigh(leann_ctx *ctx, const leann_graph *g, order_job *job)
{
    const size_t most = (size_t)g->slots + 3;
    if (!(job->worth = leann_alloc(ctx, most, sizeof *job->worth))) return LEANN_ENOMEM;
    for (size_t i = 1; i < most; i++) {
        const double x = (double)i;
        job->worth[i] = (int64_t)lround(1024 * (x * log2(x + 1) - (x - 1) * log2(x)));
    }
    return LEANN_OK;
}

leann_status leann_graph_order(leann_ctx *ctx, const leann_graph *graph, uint32_t *order)
{
    order_job job = {.order = order, .n = graph->n};
    leann_status status = graph->slots > 0 ? invert(ctx, graph, &job) : LEANN_OK;
    if (!status) status = weigh(ctx, graph, &job);
    for (uint32_t i = 0; i < graph->n; i++) order[i] = i;
    for (; !status && graph->slots > 0 && graph->n >> job.depth > LEAF; job.depth++) {
        const size_t ranges = (size_t)1 << job.depth;
        leann_ctx_progress(ctx, "ordering", job.depth, leann_bits_for(graph->n));
        status = leann_parallel(ctx, ranges, ranges < TASKS ? 1 : ranges / TASKS, bisect_task, &job);
    }
    leann_free(job.set_at);
    leann_free(job.set);
    leann_free(job.worth);
    return status;
}
