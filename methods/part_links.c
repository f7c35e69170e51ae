/* part_links.c – a graph over rows, built through its oracle as a shared stage.
 *
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

typedef struct {
    leann_rows rows;
    leann_choice graph;
} links_job;

static leann_status links_make(leann_ctx *ctx, void *arg, void **object)
{
    links_job *job = arg;
    leann_oracle *oracle = NULL;
    leann_graph *graph = NULL;
    leann_status status = leann_oracle_new(ctx, job->rows, &oracle);
    if (status == LEANN_OK) status = leann_graph_of(job->graph)->build(ctx, oracle, job->graph.params, &graph);
    leann_oracle_free(oracle);
    if (status == LEANN_OK) leann_ctx_fact(ctx, "mean_degree", leann_graph_mean_degree(graph));
    *object = graph;
    return status;
}

static leann_status links_save(const void *object, leann_writer *w)
{
    return leann_graph_save(object, "links", w);
}

static leann_status links_open(leann_ctx *ctx, leann_reader *r, void *arg, void **object)
{
    leann_graph *graph;
    leann_status status = leann_graph_open(ctx, r, "links", ((links_job *)arg)->rows.n, &graph);
    if (status == LEANN_OK) *object = graph;
    return status;
}

leann_status leann_links_make(leann_ctx *ctx, leann_stages *stages, leann_rows rows, leann_choice graph, leann_value *over,
                              leann_graph **out)
{
    leann_value *words = leann_value_new_map(), *parts = leann_value_new_map();
    leann_value_set(words, "graph", leann_choice_value(graph));
    leann_value_set(words, "revision", leann_value_new_int(graph.plugin->revision));
    leann_choice_revisions(ctx, graph, parts);
    if (leann_value_count(parts) > 0)
        leann_value_set(words, "parts", parts);
    else
        leann_value_free(parts);
    leann_value_set(words, "over", over);
    links_job job = {rows, graph};
    leann_stage stage = {"graph", words, links_make, links_save, links_open};
    void *object = NULL;
    leann_status status = leann_stages_run(stages, ctx, stage, &job, &object);
    *out = object;
    return status;
}

leann_status leann_links_over_rows(leann_ctx *ctx, leann_stages *stages, leann_rows rows, leann_choice graph, leann_graph **out)
{
    leann_rows lifted;
    leann_status status = leann_rows_lift(ctx, rows, &lifted);
    if (status != LEANN_OK) return status;
    status = leann_links_make(ctx, stages, lifted, graph, leann_value_new_text("rows"), out);
    if (lifted.base != rows.base) leann_free((void *)(uintptr_t)lifted.base);
    return status;
}
