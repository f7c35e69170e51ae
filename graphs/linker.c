/* linker.c – batches, the pruning rule and back-links of hnsw and vamana; O(candidates * chosen) distances a list, in whole lists.
 *
 * Source: Malkov & Yashunin 2018, Algorithms 1 and 4; Subramanya et al. 2019, Algorithm 2; batches as in Dobson et al. 2023 (ParlayANN).
 * Differs: a batch is at most 2 % of what is already linked, and its rows also see the batch's earlier rows, so that links are nearly
 *   those of one insertion after another. Pruning walks forward: a chosen candidate is compared with all that are still alive behind it
 *   in one call of the oracle, which needs the same pairs as the textbook's loop, in lists instead of one by one.
 *
 * SPDX-License-Identifier: MIT */
#include "graphs/linker.h"

#include <assert.h>
#include <string.h>

#define BATCH_SHARE 50u  /* a batch is 1/50 of the linked rows … */
#define BATCH_MOST  256u /* … and no more than this: all pairs of a batch are 6 % of a build's distances on MNIST */
#define RUN         16u  /* candidates compared at once: sorted, so that one cut nearly fits all */
#define BLOCK       64u  /* candidates pruned at once: bounds what is computed behind the last chosen one */

uint32_t leann_linker_batch(uint32_t done, uint32_t n)
{
    uint32_t size = done / BATCH_SHARE;
    if (size < 1) size = 1;
    if (size > BATCH_MOST) size = BATCH_MOST;
    return size < n - done ? size : n - done;
}

leann_status leann_linker_start(leann_ctx *ctx, const leann_oracle *oracle, leann_graph *graph, leann_linker *linker)
{
    *linker = (leann_linker){.oracle = oracle, .graph = graph, .keep = graph->slots, .slack = 1};
    uint64_t upper = 0;
    for (uint32_t i = 0; graph->levels && i < graph->n; i++) upper += graph->levels[i];
    linker->key = leann_alloc(ctx, (size_t)graph->n * (1 + graph->slots), sizeof(float));
    linker->chain = leann_alloc(ctx, graph->n, sizeof *linker->chain);
    if (upper > 0) linker->upper_key = leann_alloc(ctx, upper * (1 + graph->upper_slots), sizeof(float));
    return linker->key && linker->chain && (linker->upper_key || upper == 0) ? LEANN_OK : leann_ctx_status(ctx);
}

void leann_linker_stop(leann_linker *linker)
{
    leann_free(linker->key);
    leann_free(linker->upper_key);
    leann_free(linker->chain);
}

static void row_score(leann_scorer *self, leann_span span, float cut, float *key, float *low)
{
    (void)low;
    const leann_row_scorer *row = (const leann_row_scorer *)self;
    row->oracle->list(row->oracle, row->row, span, cut, key);
    self->dist_comps += span.n;
}

void leann_row_scorer_start(leann_row_scorer *self, const leann_oracle *oracle, uint32_t row)
{
    *self = (leann_row_scorer){.scorer = {.score = row_score}, .oracle = oracle, .row = row};
}

/* ---- lists ---------------------------------------------------------------------------------------------------------------- */

static uint32_t *list_at(const leann_linker *l, uint32_t node, uint32_t level, float **key)
{
    uint32_t *list = level == 0 ? leann_graph_list(l->graph, node) : leann_graph_upper_list(l->graph, node, level);
    *key = level == 0 ? l->key + (list - l->graph->links) : l->upper_key + (list - l->graph->upper);
    return list;
}

void leann_linker_put(const leann_linker *linker, uint32_t node, uint32_t level, const leann_hit *hit, uint32_t n)
{
    float *key;
    uint32_t *list = list_at(linker, node, level, &key), slots = level == 0 ? linker->graph->slots : linker->graph->upper_slots;
    assert(n <= slots);
    list[0] = n;
    for (uint32_t i = 0; i < n; i++) {
        list[1 + i] = hit[i].id;
        key[1 + i] = hit[i].key;
    }
    memset(list + 1 + n, 0, (slots - n) * sizeof *list); /* unused slots go into the file: they must not tell the history */
}

void leann_hits_insert(leann_hit *sorted, uint32_t n, leann_hit hit)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (leann_hit_before(hit, sorted[middle]))
            high = middle;
        else
            low = middle + 1;
    }
    memmove(sorted + low + 1, sorted + low, (n - low) * sizeof *sorted);
    sorted[low] = hit;
}

/* ---- pruning ---------------------------------------------------------------------------------------------------------------- */

/* The candidates of one block that are still alive: ids packed for the oracle. */
typedef struct {
    leann_hit hit[BLOCK];
    uint32_t n;
} alive_block;

/* Drops from alive[from …] what is nearer, with slack, to row s than to the row that is being linked. Returns the distances computed:
 * RUN at a time, as far as the farthest of them could still be dropped at. */
static uint32_t drop_near(const leann_linker *l, uint32_t s, alive_block *alive, uint32_t from)
{
    uint32_t ids[RUN], kept = from, end = alive->n;
    float key[RUN], reach = 1 / l->slack * (1 + 1e-6f); /* of |p - c|², rounded up: c stays where |s - c|² is above it */
    for (uint32_t at = from; at < end; at += RUN) {
        uint32_t n = end - at < RUN ? end - at : RUN;
        for (uint32_t i = 0; i < n; i++) ids[i] = alive->hit[at + i].id;
        l->oracle->list(l->oracle, s, (leann_span){LEANN_NONE, 0, n, ids}, alive->hit[at + n - 1].key * reach, key);
        for (uint32_t i = 0; i < n; i++)
            if (!(l->slack * key[i] < alive->hit[at + i].key)) alive->hit[kept++] = alive->hit[at + i];
    }
    alive->n = kept;
    return end - from;
}

uint32_t leann_linker_select(leann_ctx *ctx, const leann_linker *linker, const leann_hit *cand, uint32_t n, uint32_t most, leann_hit *out)
{
    alive_block alive;
    uint64_t computed = 0;
    uint32_t m = 0;
    for (uint32_t first = 0; first < n && m < most; first += BLOCK) {
        alive.n = n - first < BLOCK ? n - first : BLOCK;
        memcpy(alive.hit, cand + first, alive.n * sizeof *cand);
        for (uint32_t s = 0; s < m && alive.n > 0; s++) computed += drop_near(linker, out[s].id, &alive, 0);
        for (uint32_t i = 0; i < alive.n && m < most; i++) {
            out[m++] = alive.hit[i];
            if (m < most) computed += drop_near(linker, alive.hit[i].id, &alive, i + 1);
        }
    }
    leann_ctx_work(ctx)->dist_comps += computed;
    return m;
}

/* ---- back-links -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_linker *linker;
    uint32_t level;
    const uint32_t *targets, *next; /* next[i]: the target's next pending link + 1, 0 at the end; sources ascend along it */
    const leann_hit *link;          /* the source and its key */
} back_job;

static bool has_link(const uint32_t *list, uint32_t id)
{
    for (uint32_t i = 1; i <= list[0]; i++)
        if (list[i] == id) return true;
    return false;
}

static void add_link(leann_ctx *ctx, const leann_linker *l, uint32_t target, uint32_t level, leann_hit link, leann_hit *room)
{
    float *key;
    uint32_t *list = list_at(l, target, level, &key), slots = level == 0 ? l->graph->slots : l->graph->upper_slots;
    if (has_link(list, link.id)) return;
    if (list[0] < slots) {
        list[0]++;
        list[list[0]] = link.id;
        key[list[0]] = link.key;
        return;
    }
    uint32_t n = 0;
    room[n++] = link;
    for (uint32_t i = 1; i <= list[0]; i++, n++) leann_hits_insert(room, n, (leann_hit){key[i], list[i]});
    n = leann_linker_select(ctx, l, room, n, level == 0 ? l->keep : slots, room);
    leann_linker_put(l, target, level, room, n);
}

static leann_status back_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const back_job *job = arg;
    const leann_graph *g = job->linker->graph;
    size_t mark = leann_scratch_mark(ctx);
    leann_hit *room = leann_scratch(ctx, ((size_t)g->slots + g->upper_slots + 1) * sizeof *room);
    if (!room) return leann_ctx_status(ctx);
    for (size_t t = begin; t < end; t++)
        for (uint32_t at = job->linker->chain[job->targets[t]]; at > 0; at = job->next[at - 1])
            add_link(ctx, job->linker, job->targets[t], job->level, job->link[at - 1], room);
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

leann_status leann_linker_back(leann_ctx *ctx, leann_linker *linker, uint32_t level, const uint32_t *sources, uint32_t n)
{
    uint32_t slots = level == 0 ? linker->graph->slots : linker->graph->upper_slots, links = 0, m = 0;
    float *key;
    size_t mark = leann_scratch_mark(ctx), most = (size_t)n * slots;
    uint32_t *targets = leann_scratch(ctx, most * sizeof *targets), *next = leann_scratch(ctx, most * sizeof *next);
    leann_hit *link = leann_scratch(ctx, most * sizeof *link);
    if (!targets || !next || !link) return leann_ctx_status(ctx);

    for (uint32_t s = n; s-- > 0;) { /* backwards, so that each chain begins with its first source */
        const uint32_t *list = list_at(linker, sources[s], level, &key);
        for (uint32_t i = 1; i <= list[0]; i++, links++) {
            uint32_t *chain = &linker->chain[list[i]];
            if (*chain == 0) targets[m++] = list[i];
            link[links] = (leann_hit){key[i], sources[s]};
            next[links] = *chain;
            *chain = links + 1;
        }
    }
    back_job job = {linker, level, targets, next, link};
    leann_status status = leann_parallel(ctx, m, 16, back_task, &job);
    for (uint32_t t = 0; t < m; t++) linker->chain[targets[t]] = 0;
    leann_scratch_reset(ctx, mark);
    return status;
}
