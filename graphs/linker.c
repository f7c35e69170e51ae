/* linker.c – batches, the pruning rule and back-links of hnsw and vamana; O(candidates * chosen) distances a list, in whole lists.
 *
 * Source: Malkov & Yashunin 2018, Algorithms 1 and 4; Subramanya et al. 2019, Algorithm 2; batches as in Dobson et al. 2023 (ParlayANN);
 *   links judged by 8-bit codes: Aguerrebere et al. 2023 (LVQ, arXiv 2304.04759).
 * Differs: a batch is at most 2 % of what is already linked, and its rows also see the batch's earlier rows, so that links are nearly
 *   those of one insertion after another. Pruning walks forward: a chosen candidate is compared with all that are still alive behind it
 *   in one call of the oracle, which needs the same pairs as the textbook's loop, in lists instead of one by one. Where codes of 8 bits
 *   find the same neighbours as the rows, links are judged by codes alone: a quarter of the bytes a distance, and of equal links' worth.
 *
 * SPDX-License-Identifier: MIT */
#include "graphs/linker.h"
#include "core/files.h"
#include "core/product.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define BATCH_SHARE 50u    /* a batch is 1/50 of the linked rows … */
#define BATCH_MOST  256u   /* … and no more than this: all pairs of a batch are 6 % of a build's distances on MNIST */
#define RUN         16u    /* candidates compared at once: sorted, so that one cut nearly fits all */
#define BLOCK       64u    /* candidates pruned at once: bounds what is computed behind the last chosen one */
#define NARROW_N    10000u /* rows from which on codes pay: fewer are linked within a second */
#define NARROW_D    65536u /* components up to which distances of bytes are one sum of 32 bits */
#define AGREE       0.9    /* of the nearest by rows that must be the nearest by codes: 0.97 on GloVe-50, 0.99 on 1M x 128 */

uint32_t leann_linker_batch(uint32_t done, uint32_t n)
{
    uint32_t size = done / BATCH_SHARE;
    if (size < 1) size = 1;
    if (size > BATCH_MOST) size = BATCH_MOST;
    return size < n - done ? size : n - done;
}

/* Rows as codes, where these tell neighbours apart nearly as well; else the linker keeps the oracle it was given. */
static leann_status judge_by_codes(leann_ctx *ctx, leann_rows rows, leann_linker *linker)
{
    bool exact;
    double share = 1;
    leann_status status = leann_rows_narrow(ctx, rows, &linker->codes, &exact);
    if (status || !linker->codes.base) return status;
    if (!exact) status = leann_rows_agree(ctx, rows, linker->codes, &share);
    if (status || share < AGREE) return status;
    leann_ctx_fact(ctx, "links_by_codes", share);
    status = leann_oracle_new(ctx, linker->codes, &linker->narrow);
    if (!status) linker->oracle = linker->narrow;
    leann_pages_give_back(rows.base, rows.n * rows.stride); /* few of them are looked at again */
    return status;
}

leann_status leann_linker_start(leann_ctx *ctx, const leann_oracle *oracle, leann_judge judge, leann_linker *linker)
{
    leann_rows rows = oracle->rows;
    *linker = (leann_linker){.oracle = oracle, .slack = 1};
    linker->chain = leann_alloc(ctx, rows.n, sizeof *linker->chain);
    if (!linker->chain) return LEANN_ENOMEM;
    if (judge == LEANN_JUDGE_ROWS || rows.type == LEANN_U8 || rows.n < NARROW_N || rows.d > NARROW_D) return LEANN_OK;
    leann_status status = judge_by_codes(ctx, rows, linker);
    if (linker->narrow) return status;
    leann_free((void *)(uintptr_t)linker->codes.base);
    linker->codes.base = NULL;
    return status;
}

void leann_linker_stop(leann_linker *linker)
{
    leann_oracle_free(linker->narrow);
    leann_free((void *)(uintptr_t)linker->codes.base);
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

leann_status leann_row_walk(leann_ctx *ctx, const leann_oracle *oracle, const leann_graph *graph, uint32_t row, leann_graph_walk *walk)
{
    leann_row_scorer scorer;
    leann_hit at = {.id = graph->entry};
    leann_row_scorer_start(&scorer, oracle, row);
    scorer.scorer.score(&scorer.scorer, (leann_span){LEANN_NONE, 0, 1, &at.id}, INFINITY, &at.key, NULL);
    leann_status status = leann_graph_collect(ctx, graph, &scorer.scorer, at, walk);
    leann_ctx_work(ctx)->dist_comps += scorer.scorer.dist_comps;
    return status;
}

/* ---- lists ---------------------------------------------------------------------------------------------------------------- */

void leann_linker_put(const leann_linker *linker, uint32_t node, uint32_t level, const leann_hit *hit, uint32_t n)
{
    uint32_t *list = leann_graph_list_at(linker->graph, node, level), slots = leann_graph_slots_at(linker->graph, level);
    assert(n <= slots);
    list[0] = n;
    for (uint32_t i = 0; i < n; i++) list[1 + i] = hit[i].id;
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

uint32_t leann_linker_add(leann_ctx *ctx, const leann_linker *linker, uint32_t row, const uint32_t *ids, uint32_t m, float *key,
                          leann_hit *sorted, uint32_t n)
{
    if (m > 0) linker->oracle->list(linker->oracle, row, (leann_span){LEANN_NONE, 0, m, ids}, INFINITY, key);
    for (uint32_t i = 0; i < m; i++) leann_hits_insert(sorted, n + i, (leann_hit){key[i], ids[i]});
    leann_ctx_work(ctx)->dist_comps += m;
    return n + m;
}

/* ---- pruning ---------------------------------------------------------------------------------------------------------------- */

/* The candidates of one block that are still alive: ids packed for the oracle. */
typedef struct {
    leann_hit hit[BLOCK];
    uint32_t n;
} alive_block;

/* Drops from alive[from …] what is nearer, with slack, to row s than to the row that is being linked. Returns the distances computed:
 * RUN at a time, as far as the farthest of them could still be dropped at. */
static uint32_t drop_near(const leann_linker *l, float slack, uint32_t s, alive_block *alive, uint32_t from)
{
    uint32_t ids[RUN], kept = from, end = alive->n;
    float key[RUN], reach = 1 / slack * (1 + 1e-6f); /* of |p - c|², rounded up: c stays where |s - c|² is above it */
    for (uint32_t at = from; at < end; at += RUN) {
        uint32_t n = end - at < RUN ? end - at : RUN;
        for (uint32_t i = 0; i < n; i++) ids[i] = alive->hit[at + i].id;
        l->oracle->list(l->oracle, s, (leann_span){LEANN_NONE, 0, n, ids}, alive->hit[at + n - 1].key * reach, key);
        for (uint32_t i = 0; i < n; i++)
            if (!(slack * key[i] < alive->hit[at + i].key)) alive->hit[kept++] = alive->hit[at + i];
    }
    alive->n = kept;
    return end - from;
}

/* Those that none chosen before, nearer, is much nearer to. out may be cand. */
static uint32_t select_plain(leann_ctx *ctx, const leann_linker *l, float slack, const leann_hit *cand, uint32_t n, uint32_t most,
                             leann_hit *out)
{
    alive_block alive;
    uint64_t computed = 0;
    uint32_t m = 0;
    for (uint32_t first = 0; first < n && m < most; first += BLOCK) {
        alive.n = n - first < BLOCK ? n - first : BLOCK;
        memcpy(alive.hit, cand + first, alive.n * sizeof *cand);
        for (uint32_t s = 0; s < m && alive.n > 0; s++) computed += drop_near(l, slack, out[s].id, &alive, 0);
        for (uint32_t i = 0; i < alive.n && m < most; i++) {
            out[m++] = alive.hit[i];
            if (m < most) computed += drop_near(l, slack, alive.hit[i].id, &alive, i + 1);
        }
    }
    leann_ctx_work(ctx)->dist_comps += computed;
    return m;
}

static uint32_t same_until(const leann_hit *sorted, uint32_t n, leann_hit hit) /* how many stand before it */
{
    uint32_t low = 0;
    while (low < n && leann_hit_before(sorted[low], hit)) low++;
    return low;
}

/* Adds to m chosen ones, sorted, others of the candidates that slack lets in, nearest first, until there are `most`. */
static uint32_t select_more(leann_ctx *ctx, const leann_linker *l, const leann_hit *cand, uint32_t n, uint32_t most, leann_hit *chosen,
                            uint32_t m)
{
    alive_block alive;
    uint64_t computed = 0;
    uint32_t at = 0, has = 0; /* of chosen: those that stand before cand[at] */
    while (at < n && m < most) {
        const uint32_t before = m;
        for (alive.n = 0; at < n && alive.n < BLOCK; at++) {
            while (has < m && leann_hit_before(chosen[has], cand[at])) has++;
            if (has == m || chosen[has].id != cand[at].id) alive.hit[alive.n++] = cand[at];
        }
        for (uint32_t s = 0; s < before && alive.n > 0; s++)
            computed += drop_near(l, l->slack, chosen[s].id, &alive, same_until(alive.hit, alive.n, chosen[s]));
        for (uint32_t i = 0; i < alive.n && m < most; i++) {
            leann_hits_insert(chosen, m++, alive.hit[i]);
            if (m < most) computed += drop_near(l, l->slack, alive.hit[i].id, &alive, i + 1);
        }
        has = 0;
    }
    leann_ctx_work(ctx)->dist_comps += computed;
    return m;
}

uint32_t leann_linker_select(leann_ctx *ctx, const leann_linker *linker, const leann_hit *cand, uint32_t n, uint32_t most, leann_hit *out)
{
    if (linker->slack == 1) return select_plain(ctx, linker, 1, cand, n, most, out);
    leann_hit chosen[LEANN_LINKS_MOST];
    assert(most <= LEANN_LINKS_MOST);
    uint32_t m = select_plain(ctx, linker, 1, cand, n, most, chosen);
    m = select_more(ctx, linker, cand, n, most, chosen, m);
    memcpy(out, chosen, m * sizeof *out);
    return m;
}

/* ---- back-links -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t id, level, first; /* first pending link + 1 */
} back_target;

typedef struct {
    const leann_linker *linker;
    const back_target *target;
    const uint32_t *source, *next; /* of a pending link; next[i]: the target's next one + 1, 0 at the end; sources ascend along it */
} back_job;

static bool has_link(const uint32_t *list, uint32_t id)
{
    for (uint32_t i = 1; i <= list[0]; i++)
        if (list[i] == id) return true;
    return false;
}

/* room, key: for one more than a list has slots. A list is pruned so seldom that keys of links are not kept but computed again. */
static void add_link(leann_ctx *ctx, const leann_linker *l, back_target to, uint32_t source, leann_hit *room, float *key)
{
    uint32_t *list = leann_graph_list_at(l->graph, to.id, to.level), slots = leann_graph_slots_at(l->graph, to.level);
    if (has_link(list, source)) return;
    if (list[0] < slots) {
        list[++list[0]] = source;
        return;
    }
    uint32_t n = leann_linker_add(ctx, l, to.id, &source, 1, key, room, 0);
    n = leann_linker_add(ctx, l, to.id, list + 1, list[0], key, room, n);
    n = leann_linker_select(ctx, l, room, n, to.level == 0 ? l->keep : slots, room);
    leann_linker_put(l, to.id, to.level, room, n);
}

static leann_status back_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const back_job *job = arg;
    const leann_graph *g = job->linker->graph;
    size_t mark = leann_scratch_mark(ctx), most = (size_t)g->slots + g->upper_slots + 1;
    leann_hit *room = leann_scratch(ctx, most * sizeof *room);
    float *key = leann_scratch(ctx, most * sizeof *key);
    if (!room || !key) return leann_ctx_status(ctx);
    for (size_t t = begin; t < end; t++)
        for (uint32_t at = job->target[t].first; at > 0; at = job->next[at - 1])
            add_link(ctx, job->linker, job->target[t], job->source[at - 1], room, key);
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

static uint32_t source_at(leann_span sources, uint32_t i)
{
    return sources.ids ? sources.ids[i] : sources.first + i;
}

static uint32_t level_of(const leann_graph *g, uint32_t node)
{
    return g->levels ? g->levels[node] : 0;
}

leann_status leann_linker_back(leann_ctx *ctx, leann_linker *linker, leann_span sources)
{
    const leann_graph *g = linker->graph;
    uint32_t top = 0, links = 0, m = 0;
    size_t mark = leann_scratch_mark(ctx), most = (size_t)sources.n * g->slots;
    for (uint32_t s = 0; s < sources.n; s++) {
        uint32_t level = level_of(g, source_at(sources, s));
        if (level > top) top = level;
        most += (size_t)level * g->upper_slots;
    }
    back_target *target = leann_scratch(ctx, most * sizeof *target);
    uint32_t *source = leann_scratch(ctx, most * sizeof *source), *next = leann_scratch(ctx, most * sizeof *next);
    if (!target || !source || !next) return leann_ctx_status(ctx);

    for (uint32_t level = 0; level <= top; level++) {
        uint32_t first = m;
        for (uint32_t s = sources.n; s-- > 0;) { /* backwards, so that each chain begins with its first source */
            uint32_t node = source_at(sources, s);
            if (level_of(g, node) < level) continue;
            const uint32_t *list = leann_graph_list_at(g, node, level);
            for (uint32_t i = 1; i <= list[0]; i++) {
                uint32_t *chain = &linker->chain[list[i]];
                if (*chain == 0) target[m++] = (back_target){list[i], level, 0};
                source[links] = node;
                next[links] = *chain;
                *chain = ++links;
            }
        }
        for (uint32_t t = first; t < m; t++) {
            target[t].first = linker->chain[target[t].id];
            linker->chain[target[t].id] = 0;
        }
    }
    leann_status status = leann_parallel(ctx, m, 32, back_task, &(back_job){linker, target, source, next});
    leann_scratch_reset(ctx, mark);
    return status;
}
