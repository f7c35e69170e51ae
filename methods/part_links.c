/* part_links.c – a graph over rows, built through its oracle as a shared stage; and its packing.
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

static leann_value *words_of(leann_ctx *ctx, leann_choice graph, leann_value *over)
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
    return words;
}

leann_status leann_links_make(leann_ctx *ctx, leann_stages *stages, leann_rows rows, leann_choice graph, leann_value *over,
                              leann_graph **out)
{
    links_job job = {rows, graph};
    leann_stage stage = {"graph", words_of(ctx, graph, over), links_make, links_save, links_open};
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

/* ---- packing --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t n;
    uint32_t row[]; /* of each place */
} row_order;

static leann_status order_make(leann_ctx *ctx, void *arg, void **object)
{
    const leann_graph *graph = arg;
    row_order *order = leann_alloc(ctx, 1, sizeof *order + graph->n * sizeof *order->row);
    if (!(*object = order)) return LEANN_ENOMEM;
    order->n = graph->n;
    return leann_graph_order(ctx, graph, order->row);
}

static leann_status order_save(const void *object, leann_writer *w)
{
    const row_order *order = object;
    return leann_writer_add(w, "order", LEANN_PART_IDS, LEANN_U32, order->n, sizeof *order->row, order->row);
}

static leann_status order_open(leann_ctx *ctx, leann_reader *r, void *arg, void **object)
{
    const uint32_t n = ((const leann_graph *)arg)->n;
    const void *data;
    leann_status status = leann_reader_need(ctx, r, "order", LEANN_U32, n, sizeof(uint32_t), &data);
    if (status) return status;
    const uint32_t *row = data;
    uint16_t epoch, *marks = leann_ctx_marks(ctx, n, &epoch);
    row_order *order = leann_alloc(ctx, 1, sizeof *order + n * sizeof *row);
    if (!(*object = order) || !marks) return leann_ctx_status(ctx);
    order->n = n;
    for (uint32_t i = 0; i < n; i++) {
        if (row[i] >= n || marks[row[i]] == epoch)
            return leann_fail(ctx, LEANN_EFORMAT, "%s: place %u is of row %u, which is none or has another", leann_reader_path(r), i,
                              row[i]);
        marks[row[i]] = epoch;
        order->row[i] = row[i];
    }
    return LEANN_OK;
}

leann_status leann_links_pack(leann_ctx *ctx, leann_stages *stages, leann_choice graph, int order, uint64_t bytes, leann_graph *links)
{
    if (order == LEANN_ORDER_ROWS) return leann_graph_pack(ctx, links, NULL, bytes);
    leann_value *words = words_of(ctx, graph, leann_value_new_text("rows"));
    leann_value_set(words, "order", leann_value_new_int(1)); /* goes up when the same graph is ordered otherwise */
    leann_stage stage = {"order", words, order_make, order_save, order_open};
    void *object = NULL;
    leann_status status = leann_stages_run(stages, ctx, stage, links, &object);
    if (!status) status = leann_graph_pack(ctx, links, ((const row_order *)object)->row, bytes);
    leann_free(object);
    return status;
}
