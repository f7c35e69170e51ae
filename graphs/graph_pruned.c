/* graph_pruned.c – another graph with fewer links: hubs keep many, all others few; beside the graph's own build a walk and a choice of links
 * a row.
 *
 * Source: Wang et al. 2025 (LEANN, arXiv 2506.08276), Algorithm 3 (high-degree-preserving); random: the baseline of its figure 7.
 * Differs: hubs are told by the links that leave them, ties by id; upper levels stay as they are, since they are few; links back are put after
 *   all forward ones, so that they do not depend on the number of threads; then the rows with most links, but for hubs, lose their farthest
 *   until mean_degree holds, so that graphs of different rules can be compared, and files sized beforehand; at the end links are added until
 *   the entry reaches every row (reach.c), for a walk that cannot come to a row cannot recompute it.
 *
 * SPDX-License-Identifier: MIT */
#include "graphs/linker.h"

#include <stdlib.h>
#include <string.h>

typedef enum { RULE_HIGH_DEGREE, RULE_RANDOM } prune_rule;

typedef struct {
    leann_choice graph;
    int rule;
    double mean_degree, hubs;
    uint32_t hub_links, links, window;
} pruned_params;

static const leann_param table[] = {
    LEANN_PARAM_PLUGIN(pruned_params, graph, "graph", "hnsw", "what is pruned"),
    LEANN_PARAM_WORD(pruned_params, rule, "high-degree-preserving|random", "high-degree-preserving",
                     "links chosen anew, many for hubs and few for others; or each link kept by chance"),
    LEANN_PARAM_REAL(pruned_params, mean_degree, 1, 512, "9", "links a row has on average, at most"),
    LEANN_PARAM_REAL(pruned_params, hubs, 0, 1, "0.02", "high-degree-preserving: share of the rows that are hubs, those with most links"),
    LEANN_PARAM_INT(pruned_params, hub_links, 0, 512, "0",
                    "links that a hub chooses, and the most that any row has; 0: as many as the graph"),
    LEANN_PARAM_INT(pruned_params, links, 0, 512, "0", "links that any other row chooses, beside those back; 0: two thirds of mean_degree"),
    LEANN_PARAM_INT(pruned_params, window, 0, 100000, "0",
                    "candidates that links are chosen among; 0: 128, or a hub's links where those are more"),
    LEANN_PARAM_END};

static const leann_graph_type *inner_of(const pruned_params *p)
{
    return (const leann_graph_type *)p->graph.plugin;
}

static pruned_params resolve(const void *params)
{
    pruned_params p = *(const pruned_params *)params;
    const uint32_t slots = inner_of(&p)->slots(p.graph.params);
    if (p.hub_links == 0 || p.hub_links > slots) p.hub_links = slots;
    if (p.links == 0) p.links = (uint32_t)(p.mean_degree * 2 / 3 + 1);
    if (p.links > p.hub_links) p.links = p.hub_links;
    if (p.window == 0) p.window = 128;
    if (p.window < p.hub_links) p.window = p.hub_links;
    return p;
}

typedef struct {
    leann_linker linker; /* its graph is the one that is made */
    const leann_graph *full;
    pruned_params params;
    uint8_t *hub;   /* (n) */
    uint16_t *most; /* (n) links that a row keeps at most */
    uint64_t links; /* of all rows, before reach.c adds to them */
    double chance;  /* random: of a link to stay */
    uint32_t first; /* row of the block in hand */
} prune_job;

/* ---- which rows are hubs ----------------------------------------------------------------------------------------------------- */

/* The share of rows with most links; of equal degrees the first. */
static leann_status mark_hubs(leann_ctx *ctx, prune_job *job)
{
    const leann_graph *g = job->full;
    const size_t mark = leann_scratch_mark(ctx);
    uint32_t *rows = leann_scratch(ctx, ((size_t)g->slots + 1) * sizeof *rows); /* by degree */
    if (!rows) return leann_ctx_status(ctx);
    memset(rows, 0, ((size_t)g->slots + 1) * sizeof *rows);
    for (uint32_t i = 0; i < g->n; i++) rows[leann_graph_list(g, i)[0]]++;
    uint32_t left = (uint32_t)((double)g->n * job->params.hubs + 0.5), degree = g->slots;
    while (degree > 0 && rows[degree] < left) left -= rows[degree--];
    for (uint32_t i = 0; i < g->n; i++) {
        const uint32_t own = leann_graph_list(g, i)[0];
        job->hub[i] = own > degree || (own == degree && left > 0);
        left -= own == degree && left > 0;
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* ---- links ------------------------------------------------------------------------------------------------------------------- */

/* Algorithm 3, a row: what a walk over the full graph finds for it, and of that the links that the graph's own rule takes. */
static leann_status choose_row(leann_ctx *ctx, const prune_job *job, uint32_t row)
{
    leann_graph_walk walk = {.ef = job->params.window + 1};
    leann_status status = leann_row_walk(ctx, job->linker.oracle, job->full, row, &walk);
    uint32_t n = 0;
    if (status) return status;
    for (uint32_t i = 0; i < walk.found; i++)
        if (walk.best[i].id != row) walk.best[n++] = walk.best[i];
    n = leann_linker_select(ctx, &job->linker, walk.best, n, job->hub[row] ? job->params.hub_links : job->params.links, walk.best);
    leann_linker_put(&job->linker, row, 0, walk.best, n);
    return LEANN_OK;
}

static void thin_row(leann_ctx *ctx, const prune_job *job, uint32_t row)
{
    const uint32_t *list = leann_graph_list(job->full, row);
    uint32_t *out = leann_graph_list(job->linker.graph, row);
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "pruned links", row);
    out[0] = 0;
    for (uint32_t i = 1; i <= list[0]; i++)
        if (leann_rng_real(&rng) < job->chance) out[++out[0]] = list[i];
}

static leann_status prune_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const prune_job *job = arg;
    leann_status status = LEANN_OK;
    for (size_t i = begin; i < end && !status; i++) {
        const size_t mark = leann_scratch_mark(ctx);
        if (job->params.rule == RULE_RANDOM)
            thin_row(ctx, job, job->first + (uint32_t)i);
        else
            status = choose_row(ctx, job, job->first + (uint32_t)i);
        leann_scratch_reset(ctx, mark);
    }
    return status;
}

static leann_status link_back(leann_ctx *ctx, prune_job *job)
{
    enum { BATCH = 16384 }; /* rows: what waits takes memory */
    const uint32_t n = job->full->n;
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; i < n && !status; i += BATCH)
        status = leann_linker_back(ctx, &job->linker, (leann_span){LEANN_NONE, i, n - i < BATCH ? n - i : BATCH, NULL});
    return status;
}

/* ---- the limit ----------------------------------------------------------------------------------------------------------------- */

static uint64_t links_of(const leann_graph *g)
{
    uint64_t links = 0;
    for (uint32_t i = 0; i < g->n; i++) links += leann_graph_list(g, i)[0];
    return links;
}

/* Links of all rows if those that are no hubs had `most` at most. */
static uint64_t links_under(const prune_job *job, uint32_t most)
{
    const leann_graph *g = job->linker.graph;
    uint64_t links = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        const uint32_t degree = leann_graph_list(g, i)[0];
        links += job->hub[i] || degree < most ? degree : most;
    }
    return links;
}

/* How many each row keeps: one number for all but hubs, and one more for the first of them as far as the limit goes. */
static void share_out(prune_job *job)
{
    const leann_graph *g = job->linker.graph;
    uint32_t most = g->slots;
    uint64_t links;
    while ((links = links_under(job, most)) > job->links && most > 1) most--;
    uint64_t left = links < job->links ? job->links - links : 0;
    for (uint32_t i = 0; i < g->n; i++) {
        const uint32_t degree = leann_graph_list(g, i)[0];
        const bool more = !job->hub[i] && degree > most && left > 0;
        job->most[i] = (uint16_t)(job->hub[i] ? degree : most + more);
        left -= more;
    }
}

static leann_status trim_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const prune_job *job = arg;
    const leann_linker *l = &job->linker;
    const size_t mark = leann_scratch_mark(ctx), slots = l->graph->slots;
    leann_hit *hit = leann_scratch(ctx, (slots + 1) * sizeof *hit);
    float *key = leann_scratch(ctx, (slots + 1) * sizeof *key);
    if (!hit || !key) return leann_ctx_status(ctx);
    for (uint32_t row = job->first + (uint32_t)begin; row < job->first + end; row++) {
        const uint32_t *list = leann_graph_list(l->graph, row);
        if (list[0] <= job->most[row]) continue;
        leann_linker_add(ctx, l, row, list + 1, list[0], key, hit, 0);
        leann_linker_put(l, row, 0, hit, job->most[row]);
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------------ */

/* A task for all rows, in blocks so that it can be stopped. */
static leann_status each_row(leann_ctx *ctx, prune_job *job, leann_task task, const char *what)
{
    enum { BLOCK = 4096 };
    const uint32_t n = job->full->n;
    leann_status status = LEANN_OK;
    for (job->first = 0; job->first < n && !status; job->first += BLOCK) {
        leann_ctx_progress(ctx, what, job->first, n);
        status = leann_parallel(ctx, n - job->first < BLOCK ? n - job->first : BLOCK, 16, task, job);
    }
    if (!status) leann_ctx_progress(ctx, what, n, n);
    return status;
}

static void copy_upper(const leann_graph *from, leann_graph *to)
{
    for (uint32_t i = 0; from->levels && i < from->n; i++)
        if (from->levels[i])
            memcpy(leann_graph_upper_list(to, i, 1), leann_graph_upper_list(from, i, 1),
                   from->levels[i] * (1 + (size_t)from->upper_slots) * sizeof(uint32_t));
}

static leann_status prune(leann_ctx *ctx, prune_job *job)
{
    leann_status status = mark_hubs(ctx, job);
    const uint64_t links = links_of(job->full);
    job->links = (uint64_t)(0.99 * job->params.mean_degree * job->full->n); /* the hundredth is left to reach.c */
    job->chance = links > job->links ? (double)job->links / (double)links : 1;
    if (!status) status = each_row(ctx, job, prune_task, "pruning");
    if (status || job->params.rule == RULE_RANDOM) return status;
    if ((status = link_back(ctx, job))) return status;
    share_out(job);
    return each_row(ctx, job, trim_task, "trimming");
}

/* ---- the plug-in --------------------------------------------------------------------------------------------------------------- */

static leann_status build(leann_ctx *ctx, const leann_oracle *oracle, const void *params, leann_graph **out)
{
    prune_job job = {.params = resolve(params)};
    leann_graph *full = NULL, *g = NULL;
    *out = NULL;
    if (inner_of(&job.params)->slots(job.params.graph.params) == 0)
        return leann_fail(ctx, LEANN_EINVAL, "graph pruned: %s has no links to prune", job.params.graph.plugin->name);
    leann_status status = inner_of(&job.params)->build(ctx, oracle, job.params.graph.params, &full);
    if (status) return status;
    job.full = full;
    job.hub = leann_alloc(ctx, full->n, 1);
    job.most = leann_alloc(ctx, full->n, sizeof *job.most);
    status = job.hub && job.most ? leann_linker_start(ctx, oracle, LEANN_JUDGE_ROWS, &job.linker) : leann_ctx_status(ctx);
    if (!status) status = leann_graph_new(ctx, full->n, full->slots, full->upper_slots, full->levels, &g);
    if (status) goto done;
    job.linker.graph = g;
    job.linker.keep = job.params.hub_links;
    g->entry = full->entry;
    g->default_ef = full->default_ef;
    status = prune(ctx, &job);
    if (!status) status = leann_reach(ctx, oracle, g);
    if (status) goto done;
    copy_upper(full, g);
    leann_ctx_fact(ctx, "mean_degree_full", leann_graph_mean_degree(full));
    leann_ctx_fact(ctx, "mean_degree", leann_graph_mean_degree(g));
done:
    leann_linker_stop(&job.linker);
    leann_free(job.hub);
    leann_free(job.most);
    leann_graph_free(full);
    if (status)
        leann_graph_free(g);
    else
        *out = g;
    return status;
}

static void predict(uint64_t n, uint64_t seed, const void *params, leann_ledger *ledger)
{
    const pruned_params *p = params;
    inner_of(p)->predict(n, seed, p->graph.params, ledger);
}

static uint32_t default_ef(const void *params)
{
    const pruned_params *p = params;
    return inner_of(p)->default_ef(p->graph.params);
}

static uint32_t slots(const void *params)
{
    const pruned_params *p = params;
    return inner_of(p)->slots(p->graph.params);
}

extern const leann_graph_type leann_graph_pruned;
const leann_graph_type leann_graph_pruned = {
    .common = {.name = "pruned",
               .revision = 1,
               .about = "another graph with fewer links: hubs keep many, all others few",
               .source = "Wang et al. 2025 (LEANN, arXiv 2506.08276), Algorithm 3",
               .params = table,
               .params_size = sizeof(pruned_params)},
    .build = build,
    .predict = predict,
    .default_ef = default_ef,
    .slots = slots,
};
