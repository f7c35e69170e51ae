/* graph_vamana.c – one flat graph of bounded degree whose long edges come from the walks that insert its rows: n rows, about
 * n build_window log n distances a pass, `degree` links a row.
 *
 * Source: Subramanya et al. 2019 (DiskANN), Algorithms 1 to 3.
 * Differs: alpha multiplies Euclidean distances, as in the paper (DiskANN's code applies it to squared ones: its 1.2 is our 1.095).
 *   The graph starts empty, with the row nearest to the mean, instead of random: rows are inserted in random order, in batches against
 *   a frozen graph (linker.h), so that links do not depend on the number of threads. Ties keep both ends of an edge (the paper drops
 *   them), so that equal rows stay linked. While building, a list may overflow by 30 per cent, as DiskANN's do. Links are chosen in two rounds,
 *   without slack and then with it, as DiskANN's code does and its paper does not: in one, near rows take all places, and of 200,000
 *   clustered rows (128 dimensions) a walk of ef 80 found 0.17 of the ten nearest, where it now finds 0.96 (GloVe-50, ef 40: 0.875, 0.900).
 *   At the end links are added until the entry reaches every row (reach.c).
 * Two passes, the first without slack, take as many distances as one (pruning with slack is what costs) and give a better graph: on
 * MNIST with window 200, recall@10 0.991 with 457 distances a query at ef 20, against 0.990 with 513. A window of 100 takes 40 per cent
 * fewer to build, and at equal recall as many to search.
 *
 * SPDX-License-Identifier: MIT */
#include "graphs/linker.h"
#include "core/product.h"

#include <math.h>
#include <string.h>

#define ROOM 30 /* per cent of slots that a list may overflow by while building: one pruning then serves many links */

typedef struct {
    int complexity;
    uint32_t degree, build_window, ef_search, passes;
    double alpha;
    int judge;
} vamana_params;

static const leann_param table[] = {
    LEANN_PARAM_WORD(vamana_params, complexity, "low|medium|high", "medium",
                     "shorthand for degree / build_window / ef_search: 24/75/50, 32/100/100, 64/200/200; values given beside it win"),
    LEANN_PARAM_INT(vamana_params, degree, 0, 512, "0", "links of a row at most; 0: as complexity says"),
    LEANN_PARAM_INT(vamana_params, build_window, 0, 100000, "0", "candidates of an insertion; 0: as complexity says"),
    LEANN_PARAM_INT(vamana_params, ef_search, 0, 100000, "0", "candidates of a query that does not say; 0: as complexity says"),
    LEANN_PARAM_INT(vamana_params, passes, 1, 2, "2", "2: link all rows without slack first, then again with alpha"),
    LEANN_PARAM_REAL(vamana_params, alpha, 1, 2, "1.095", "how much longer, in Euclidean distance, a detour must be for an edge to stay"),
    LEANN_PARAM_LATE_WORD(vamana_params, judge, LEANN_JUDGE_WORDS, "auto", LEANN_JUDGE_HELP),
    LEANN_PARAM_END};

static vamana_params resolve(const void *params)
{
    static const vamana_params preset[] = {
        {.degree = 24, .build_window = 75, .ef_search = 50},
        {.degree = 32, .build_window = 100, .ef_search = 100},
        {.degree = 64, .build_window = 200, .ef_search = 200},
    };
    vamana_params p = *(const vamana_params *)params;
    if (p.degree == 0) p.degree = preset[p.complexity].degree;
    if (p.degree == 1) p.degree = 2; /* one link a row makes no graph */
    if (p.build_window == 0) p.build_window = preset[p.complexity].build_window;
    if (p.build_window < p.degree) p.build_window = p.degree;
    if (p.ef_search == 0) p.ef_search = preset[p.complexity].ef_search;
    return p;
}

/* ---- the entry: the row nearest to the mean ---------------------------------------------------------------------------------- */

#define BLOCK 1024u

typedef struct {
    const leann_oracle *oracle;
    const float *mean;
    leann_hit *best; /* (blocks) */
} near_job;

static leann_status near_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const near_job *job = arg;
    size_t mark = leann_scratch_mark(ctx);
    float *key = leann_scratch(ctx, BLOCK * sizeof *key);
    if (!key) return leann_ctx_status(ctx);
    leann_hit *best = &job->best[begin / BLOCK];
    *best = (leann_hit){INFINITY, (uint32_t)begin};
    job->oracle->row(job->oracle, job->mean, (leann_span){LEANN_NONE, (uint32_t)begin, (uint32_t)(end - begin), NULL}, key);
    for (size_t i = begin; i < end; i++)
        if (key[i - begin] < best->key) *best = (leann_hit){key[i - begin], (uint32_t)i};
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

static leann_status medoid(leann_ctx *ctx, const leann_oracle *oracle, uint32_t *out)
{
    uint32_t n = oracle->n, blocks = (n + BLOCK - 1) / BLOCK;
    float *mean = leann_alloc(ctx, oracle->d, sizeof *mean);
    near_job job = {oracle, mean, leann_alloc(ctx, blocks, sizeof(leann_hit))};
    leann_status status = mean && job.best ? leann_rows_mean(ctx, oracle->rows, mean) : leann_ctx_status(ctx);
    if (!status) status = leann_parallel(ctx, n, BLOCK, near_task, &job);
    if (status) goto done;
    leann_hit best = job.best[0];
    for (uint32_t b = 1; b < blocks; b++)
        if (leann_hit_before(job.best[b], best)) best = job.best[b];
    *out = best.id;
done:
    leann_free(mean);
    leann_free(job.best);
    return status;
}

/* ---- insertion ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_linker linker;
    vamana_params params;
    uint32_t *order; /* (n) the entry first, then at random */
    uint32_t done;
    bool again;         /* second pass: all rows are in the graph */
    leann_hit *forward; /* (batch, degree) new links, written to the graph when the whole batch has them */
    uint32_t *chosen;   /* (batch) */
} vamana_build;

/* Candidates of a row: the walk's best and what it left behind, the batch's earlier rows or, again, the links the row has. */
static leann_status candidates(leann_ctx *ctx, const vamana_build *b, uint32_t p, leann_graph_walk walk, leann_hit **out, uint32_t *found)
{
    const leann_linker *l = &b->linker;
    uint32_t row = b->order[b->done + p], n = 0, mates = b->again ? 0 : p;
    const uint32_t *list = leann_graph_list(l->graph, row);
    leann_hit *cand = leann_scratch(ctx, ((size_t)walk.found + walk.dropped_n + mates + list[0] + 1) * sizeof *cand);
    float *key = leann_scratch(ctx, ((size_t)mates + list[0] + 1) * sizeof *key);
    uint32_t *own = leann_scratch(ctx, ((size_t)list[0] + 1) * sizeof *own), owned = 0;
    uint16_t epoch, *marks = leann_ctx_marks(ctx, l->graph->n, &epoch);
    if (!cand || !key || !own || !marks) return leann_ctx_status(ctx);
    marks[row] = epoch;
    for (uint32_t i = 0; i < walk.found; i++) {
        if (walk.best[i].id != row) cand[n++] = walk.best[i];
        marks[walk.best[i].id] = epoch;
    }
    for (uint32_t i = 0; i < walk.dropped_n; i++) {
        if (marks[walk.dropped[i].id] != epoch) leann_hits_insert(cand, n++, walk.dropped[i]);
        marks[walk.dropped[i].id] = epoch;
    }
    for (uint32_t i = 1; i <= list[0]; i++)
        if (marks[list[i]] != epoch) own[owned++] = list[i];
    n = leann_linker_add(ctx, l, row, own, owned, key, cand, n);
    *found = leann_linker_add(ctx, l, row, b->order + b->done, mates, key, cand, n);
    *out = cand;
    return LEANN_OK;
}

static leann_status insert_row(leann_ctx *ctx, const vamana_build *b, uint32_t p)
{
    uint32_t row = b->order[b->done + p], room = 4 * b->params.build_window, n = 0;
    leann_hit *cand = NULL;
    leann_graph_walk walk = {.ef = b->params.build_window, .dropped = leann_scratch(ctx, room * sizeof(leann_hit)), .dropped_room = room};
    if (!walk.dropped) return leann_ctx_status(ctx);
    leann_status status = LEANN_OK;
    if (b->done > 0 || b->again) status = leann_row_walk(ctx, b->linker.oracle, b->linker.graph, row, &walk);
    if (!status) status = candidates(ctx, b, p, walk, &cand, &n);
    if (!status) b->chosen[p] = leann_linker_select(ctx, &b->linker, cand, n, b->params.degree, b->forward + (size_t)p * b->params.degree);
    return status;
}

static leann_status insert_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const vamana_build *b = arg;
    leann_status status = LEANN_OK;
    for (size_t p = begin; !status && p < end; p++) {
        size_t mark = leann_scratch_mark(ctx);
        status = insert_row(ctx, b, (uint32_t)p);
        leann_scratch_reset(ctx, mark);
    }
    return status;
}

static leann_status insert_all(leann_ctx *ctx, vamana_build *b, float slack)
{
    uint32_t n = b->linker.graph->n;
    leann_status status = LEANN_OK;
    b->linker.slack = slack;
    for (b->done = 0; !status && b->done < n;) {
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        uint32_t batch = leann_linker_batch(b->again ? n : b->done, b->again ? 2 * n - b->done : n);
        if (batch > n - b->done) batch = n - b->done;
        status = leann_parallel(ctx, batch, 1, insert_task, b);
        for (uint32_t p = 0; !status && p < batch; p++)
            leann_linker_put(&b->linker, b->order[b->done + p], 0, b->forward + (size_t)p * b->params.degree, b->chosen[p]);
        if (!status) status = leann_linker_back(ctx, &b->linker, (leann_span){LEANN_NONE, 0, batch, b->order + b->done});
        b->done += batch;
        leann_ctx_progress(ctx, "graph", b->done, n);
    }
    return status;
}

static leann_status start(leann_ctx *ctx, const leann_oracle *oracle, vamana_build *b, leann_graph **out)
{
    uint32_t n = oracle->n, batch = leann_linker_batch(n, UINT32_MAX);
    leann_status status = leann_graph_new(ctx, n, b->params.degree + b->params.degree * ROOM / 100, 0, NULL, out);
    if (!status) status = medoid(ctx, oracle, &(*out)->entry);
    if (!status) status = leann_linker_start(ctx, oracle, (leann_judge)b->params.judge, &b->linker);
    if (status) return status;
    b->linker.graph = *out;
    b->linker.keep = b->params.degree;
    b->order = leann_alloc(ctx, n, sizeof *b->order);
    b->forward = leann_alloc(ctx, (size_t)batch * b->params.degree, sizeof *b->forward);
    b->chosen = leann_alloc(ctx, batch, sizeof *b->chosen);
    if (!b->order || !b->forward || !b->chosen) return leann_ctx_status(ctx);
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "vamana order", 0);
    leann_rng_sample(&rng, n, n, false, b->order);
    for (uint32_t i = 0; i < n; i++)
        if (b->order[i] == (*out)->entry) {
            b->order[i] = b->order[0];
            b->order[0] = (*out)->entry;
            break;
        }
    return LEANN_OK;
}

/* ---- the links that stay ------------------------------------------------------------------------------------------------------- */

typedef struct {
    const vamana_build *build;
    leann_graph *to;
} keep_job;

static leann_status keep_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const keep_job *job = arg;
    const leann_linker *l = &job->build->linker;
    size_t mark = leann_scratch_mark(ctx);
    leann_hit *hit = leann_scratch(ctx, ((size_t)l->graph->slots + 1) * sizeof *hit);
    float *key = leann_scratch(ctx, ((size_t)l->graph->slots + 1) * sizeof *key);
    if (!hit || !key) return leann_ctx_status(ctx);
    for (size_t i = begin; i < end; i++) {
        const uint32_t *list = leann_graph_list(l->graph, (uint32_t)i);
        uint32_t *out = leann_graph_list(job->to, (uint32_t)i), n = leann_linker_add(ctx, l, (uint32_t)i, list + 1, list[0], key, hit, 0);
        if (n > job->to->slots) n = leann_linker_select(ctx, l, hit, n, job->to->slots, hit);
        out[0] = n;
        for (uint32_t j = 0; j < n; j++) out[1 + j] = hit[j].id;
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

static leann_status keep_links(leann_ctx *ctx, const vamana_build *b, leann_graph **out)
{
    leann_status status = leann_graph_new(ctx, b->linker.graph->n, b->params.degree, 0, NULL, out);
    if (status) return status;
    (*out)->entry = b->linker.graph->entry;
    (*out)->default_ef = b->params.ef_search;
    return leann_parallel(ctx, (*out)->n, 256, keep_task, &(keep_job){b, *out});
}

/* ---- the plug-in ---------------------------------------------------------------------------------------------------------------- */

static leann_status build(leann_ctx *ctx, const leann_oracle *oracle, const void *params, leann_graph **out)
{
    vamana_build b = {.params = resolve(params)};
    leann_graph *roomy = NULL, *g = NULL;
    float slack = (float)(b.params.alpha * b.params.alpha);
    leann_status status = start(ctx, oracle, &b, &roomy);
    if (!status) status = insert_all(ctx, &b, b.params.passes == 2 ? 1 : slack);
    b.again = true;
    if (!status && b.params.passes == 2) status = insert_all(ctx, &b, slack);
    if (!status) status = keep_links(ctx, &b, &g);
    if (!status) status = leann_reach(ctx, b.linker.oracle, g);
#ifndef NDEBUG
    if (!status) status = leann_graph_check(ctx, g);
#endif
    leann_linker_stop(&b.linker);
    leann_graph_free(roomy);
    leann_free(b.order);
    leann_free(b.forward);
    leann_free(b.chosen);
    if (status)
        leann_graph_free(g);
    else
        *out = g;
    return status;
}

static void predict(uint64_t n, uint64_t seed, const void *params, leann_ledger *ledger)
{
    (void)seed;
    leann_graph_predict(n, resolve(params).degree, 0, 0, ledger);
}

static uint32_t default_ef(const void *params)
{
    return resolve(params).ef_search;
}

static uint32_t slots(const void *params)
{
    return resolve(params).degree;
}

extern const leann_graph_type leann_graph_vamana;
const leann_graph_type leann_graph_vamana = {
    .common = {.name = "vamana",
               .revision = 4,
               .about = "one graph of bounded degree with long edges, as in DiskANN, in memory",
               .source = "Subramanya et al. 2019, Algorithms 1 to 3",
               .params = table,
               .params_size = sizeof(vamana_params)},
    .build = build,
    .predict = predict,
    .default_ef = default_ef,
    .slots = slots,
};
