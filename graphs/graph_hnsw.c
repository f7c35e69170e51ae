/* graph_hnsw.c – hierarchical navigable small world graphs: n rows, about n ef_construction log n distances, 2M links a row.
 *
 * Source: Malkov & Yashunin 2018 (arXiv 1603.09320), Algorithms 1, 2, 4 and 5, with the choices of hnswlib: 2M slots on level 0 and M above,
 *   M forward links on each level, Algorithm 4 without extending or keeping candidates, full lists pruned by it, fewer than M candidates
 *   all taken.
 * Differs: rows are inserted in batches against a frozen graph (linker.h), so that links do not depend on the number of threads. Levels
 *   come from a counter-based generator, by comparison with powers of 1/M, so that the size of a file is known before the build. Many rows
 *   are compared by 8 bits a component where these will do; judge: rows compares them as hnswlib does.
 *   At the end links are added until the entry reaches every row (reach.c).
 *
 * SPDX-License-Identifier: MIT */
#include "graphs/linker.h"

#include <assert.h>
#include <math.h>

#define TOP_LEVEL 31

typedef struct {
    int complexity;
    uint32_t M, ef_construction, ef_search;
    int judge;
} hnsw_params;

static const leann_param table[] = {
    LEANN_PARAM_WORD(hnsw_params, complexity, "low|medium|high", "medium",
                     "shorthand for M / ef_construction / ef_search: 12/100/50, 16/200/100, 32/400/200; values given beside it win"),
    LEANN_PARAM_INT(hnsw_params, M, 0, 128, "0", "links a row makes on each level; level 0 keeps up to 2M; 0: as complexity says"),
    LEANN_PARAM_INT(hnsw_params, ef_construction, 0, 100000, "0", "candidates of an insertion; 0: as complexity says"),
    LEANN_PARAM_INT(hnsw_params, ef_search, 0, 100000, "0", "candidates of a query that does not say; 0: as complexity says"),
    LEANN_PARAM_LATE_WORD(hnsw_params, judge, LEANN_JUDGE_WORDS, "auto", LEANN_JUDGE_HELP),
    LEANN_PARAM_END};

static hnsw_params resolve(const void *params)
{
    static const hnsw_params preset[] = {{.M = 12, .ef_construction = 100, .ef_search = 50},
                                         {.M = 16, .ef_construction = 200, .ef_search = 100},
                                         {.M = 32, .ef_construction = 400, .ef_search = 200}};
    hnsw_params p = *(const hnsw_params *)params;
    if (p.M == 0) p.M = preset[p.complexity].M;
    if (p.M == 1) p.M = 2; /* one link a row makes no graph, and levels by powers of 1/1 no end */
    if (p.ef_construction == 0) p.ef_construction = preset[p.complexity].ef_construction;
    if (p.ef_construction < p.M) p.ef_construction = p.M;
    if (p.ef_search == 0) p.ef_search = preset[p.complexity].ef_search;
    return p;
}

/* floor(-ln U / ln M), U in (0, 1]. */
static uint8_t draw_level(uint64_t seed, uint64_t row, uint32_t M)
{
    leann_rng rng = leann_rng_at(seed, "hnsw level", row);
    double u = 1 - leann_rng_real(&rng), bound = 1.0 / M;
    uint8_t level = 0;
    for (; level < TOP_LEVEL && u <= bound; level++) bound /= M;
    return level;
}

/* ---- insertion ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_linker linker;
    hnsw_params params;
    const uint8_t *levels;
    uint32_t done, entry, top; /* the frozen graph: rows [0, done), its entry and that one's level */
} hnsw_build;

/* Links of one row on one level, from the frozen graph's best and the rows of the batch before this one. */
static leann_status link_level(leann_ctx *ctx, const hnsw_build *b, uint32_t row, uint32_t level, const leann_hit *best, uint32_t found)
{
    const leann_oracle *oracle = b->linker.oracle;
    uint32_t most = b->params.ef_construction, n = found, mates = 0;
    leann_hit *cand = leann_scratch(ctx, ((size_t)most + 1) * sizeof *cand);
    leann_hit *out = leann_scratch(ctx, (size_t)b->params.M * sizeof *out);
    uint32_t *mate = leann_scratch(ctx, ((size_t)row - b->done + 1) * sizeof *mate);
    float *key = leann_scratch(ctx, ((size_t)row - b->done + 1) * sizeof *key);
    if (!cand || !out || !mate || !key) return leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n; i++) cand[i] = best[i];
    for (uint32_t i = b->done; i < row; i++)
        if (b->levels[i] >= level) mate[mates++] = i;
    if (mates > 0) oracle->list(oracle, row, (leann_span){LEANN_NONE, 0, mates, mate}, n == most ? cand[n - 1].key : INFINITY, key);
    leann_ctx_work(ctx)->dist_comps += mates;
    for (uint32_t i = 0; i < mates; i++) {
        leann_hit hit = {key[i], mate[i]};
        if (n == most && !leann_hit_before(hit, cand[n - 1])) continue;
        leann_hits_insert(cand, n, hit);
        n += n < most;
    }
    if (n < b->params.M) { /* as hnswlib: too few to choose from */
        leann_linker_put(&b->linker, row, level, cand, n);
        return LEANN_OK;
    }
    n = leann_linker_select(ctx, &b->linker, cand, n, b->params.M, out);
    leann_linker_put(&b->linker, row, level, out, n);
    return LEANN_OK;
}

/* Forward links of one row on all its levels. No list of the frozen graph leads to the row yet, so they are written in place. */
static leann_status insert_row(leann_ctx *ctx, const hnsw_build *b, uint32_t row)
{
    const leann_graph *g = b->linker.graph;
    const leann_oracle *oracle = b->linker.oracle;
    leann_status status = LEANN_OK;
    uint32_t level = b->levels[row];
    for (uint32_t l = level; !status && (l > b->top || b->done == 0); l--) {
        status = link_level(ctx, b, row, l, NULL, 0);
        if (l == 0) return status;
    }
    leann_row_scorer scorer;
    leann_row_scorer_start(&scorer, oracle, row);
    leann_hit at = {.id = b->entry};
    scorer.scorer.score(&scorer.scorer, (leann_span){LEANN_NONE, 0, 1, &at.id}, INFINITY, &at.key, NULL);
    if (!status) status = leann_graph_descend(ctx, g, &scorer.scorer, b->top, level, &at);
    for (uint32_t l = level < b->top ? level : b->top; !status; l--) {
        size_t mark = leann_scratch_mark(ctx);
        leann_graph_walk walk = {.level = l, .ef = b->params.ef_construction};
        status = leann_graph_collect(ctx, g, &scorer.scorer, at, &walk);
        if (!status) status = link_level(ctx, b, row, l, walk.best, walk.found);
        if (!status) at = walk.best[0];
        leann_scratch_reset(ctx, mark);
        if (l == 0) break;
    }
    leann_ctx_work(ctx)->dist_comps += scorer.scorer.dist_comps;
    return status;
}

static leann_status insert_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const hnsw_build *b = arg;
    leann_status status = LEANN_OK;
    for (size_t i = begin; !status && i < end; i++) {
        size_t mark = leann_scratch_mark(ctx);
        status = insert_row(ctx, b, b->done + (uint32_t)i);
        leann_scratch_reset(ctx, mark);
    }
    return status;
}

static leann_status insert_batch(leann_ctx *ctx, hnsw_build *b, uint32_t n)
{
    leann_status status = leann_parallel(ctx, n, 1, insert_task, b);
    if (!status) status = leann_linker_back(ctx, &b->linker, (leann_span){LEANN_NONE, b->done, n, NULL});
    for (uint32_t i = b->done; i < b->done + n; i++)
        if (b->levels[i] > b->top) {
            b->top = b->levels[i];
            b->entry = i;
        }
    b->done += n;
    return status;
}

static leann_status insert_all(leann_ctx *ctx, hnsw_build *b)
{
    uint32_t n = b->linker.graph->n;
    leann_status status = LEANN_OK;
    b->top = b->levels[0];
    while (!status && b->done < n) {
        status =
            leann_ctx_cancelled(ctx) ? leann_fail(ctx, LEANN_EINTR, "interrupted") : insert_batch(ctx, b, leann_linker_batch(b->done, n));
        leann_ctx_progress(ctx, "graph", b->done, n);
    }
    return status;
}

/* ---- the plug-in ------------------------------------------------------------------------------------------------------------- */

static leann_status build(leann_ctx *ctx, const leann_oracle *oracle, const void *params, leann_graph **out)
{
    hnsw_build b = {.params = resolve(params)};
    uint32_t n = oracle->n;
    leann_graph *g = NULL;
    leann_status status = LEANN_OK;
    uint8_t *levels = leann_alloc(ctx, n, 1);
    if (!levels) return leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n; i++) levels[i] = draw_level(leann_ctx_seed(ctx), i, b.params.M);
    b.levels = levels;
    status = leann_linker_start(ctx, oracle, (leann_judge)b.params.judge, &b.linker);
    if (!status) status = leann_graph_new(ctx, n, 2 * b.params.M, b.params.M, levels, &g);
    if (status) goto done;
    b.linker.graph = g;
    b.linker.keep = g->slots;
    if ((status = insert_all(ctx, &b))) goto done;
    g->default_ef = b.params.ef_search;
    g->entry = b.entry;
    assert(b.top == g->top_level);
    if ((status = leann_reach(ctx, b.linker.oracle, g))) goto done;
#ifndef NDEBUG
    status = leann_graph_check(ctx, g);
#endif
done:
    leann_linker_stop(&b.linker);
    leann_free(levels);
    if (status)
        leann_graph_free(g);
    else
        *out = g;
    return status;
}

static void predict(uint64_t n, uint64_t seed, const void *params, leann_ledger *ledger)
{
    hnsw_params p = resolve(params);
    uint64_t lists = 0;
    for (uint64_t i = 0; i < n; i++) lists += draw_level(seed, i, p.M);
    leann_graph_predict(n, 2 * p.M, p.M, lists, ledger);
}

static uint32_t default_ef(const void *params)
{
    return resolve(params).ef_search;
}

static uint32_t slots(const void *params)
{
    return 2 * resolve(params).M;
}

extern const leann_graph_type leann_graph_hnsw;
const leann_graph_type leann_graph_hnsw = {
    .common = {.name = "hnsw",
               .revision = 3,
               .about = "hierarchical navigable small world graph, as hnswlib links it",
               .source = "Malkov & Yashunin 2018, Algorithms 1, 2, 4 and 5",
               .params = table,
               .params_size = sizeof(hnsw_params)},
    .build = build,
    .predict = predict,
    .default_ef = default_ef,
    .slots = slots,
};
