/* graph.c – the topology that all graph builders make: its memory, its check and its sections in an index file.
 * Layout: see graph.h. Check and open cost O(links).
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MAX_NODES INT32_MAX /* the walk keeps one bit of an id for itself */
#define MAX_SLOTS UINT16_MAX
#define MAX_EF    (1u << 24)
#define WIDE(n)   ((n) > UINT16_MAX) /* ids in 32 bits on disk */

enum { HEAD_N, HEAD_ENTRY, HEAD_SLOTS, HEAD_UPPER_SLOTS, HEAD_TOP, HEAD_EF, HEAD_LISTS, HEAD_PACKED, HEAD_WORDS };

static uint64_t upper_lists(const leann_graph *g)
{
    uint64_t lists = 0;
    for (uint32_t i = 0; g->levels && i < g->n; i++) lists += g->levels[i];
    return lists;
}

/* Levels, their offsets, and room for their lists. */
static leann_status take_levels(leann_ctx *ctx, leann_graph *g, const uint8_t *levels)
{
    for (uint32_t i = 0; i < g->n; i++)
        if (levels[i] > g->top_level) g->top_level = levels[i];
    if (g->top_level == 0) return LEANN_OK;
    g->levels = leann_alloc(ctx, g->n, 1);
    g->upper_at = leann_alloc(ctx, g->n, sizeof *g->upper_at);
    if (!g->levels || !g->upper_at) return leann_ctx_status(ctx);
    memcpy(g->levels, levels, g->n);
    uint64_t at = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        g->upper_at[i] = at;
        at += (uint64_t)levels[i] * (1 + g->upper_slots);
    }
    g->upper = leann_alloc(ctx, at, sizeof *g->upper);
    return g->upper ? LEANN_OK : leann_ctx_status(ctx);
}

leann_status leann_graph_new(leann_ctx *ctx, uint32_t n, uint32_t slots, uint32_t upper_slots, const uint8_t *levels, leann_graph **out)
{
    *out = NULL;
    if (n == 0 || n > MAX_NODES) return leann_fail(ctx, LEANN_EINVAL, "a graph of %u nodes: it must have 1 to %d", n, MAX_NODES);
    if (slots > MAX_SLOTS || upper_slots > MAX_SLOTS)
        return leann_fail(ctx, LEANN_EINVAL, "a graph with %u links a node: the limit is %d", slots > upper_slots ? slots : upper_slots,
                          MAX_SLOTS);
    leann_status status = LEANN_OK;
    leann_graph *g = leann_alloc(ctx, 1, sizeof *g);
    if (!g) return leann_ctx_status(ctx);
    *g = (leann_graph){.n = n, .slots = slots, .upper_slots = upper_slots};
    if (slots > 0 && !(g->links = leann_alloc(ctx, (size_t)n * (1 + slots), sizeof *g->links))) status = leann_ctx_status(ctx);
    if (!status && levels) status = take_levels(ctx, g, levels);
    if (status) {
        leann_graph_free(g);
        return status;
    }
    *out = g;
    return LEANN_OK;
}

void leann_graph_free(leann_graph *graph)
{
    if (!graph) return;
    leann_graph_drop_upper(graph);
    leann_edges_free(&graph->packed);
    leann_free(graph->links);
    leann_free(graph);
}

void leann_graph_drop_upper(leann_graph *graph)
{
    leann_free(graph->levels);
    leann_free(graph->upper_at);
    leann_free(graph->upper);
    graph->levels = NULL;
    graph->upper_at = NULL;
    graph->upper = NULL;
    graph->top_level = 0;
}

leann_status leann_graph_pack(leann_ctx *ctx, leann_graph *graph, const uint32_t *order, uint64_t bytes)
{
    uint64_t taken;
    leann_edges packed;
    leann_status status = leann_edges_make(ctx, graph, order, bytes, &packed, &taken);
    if (status) {
        leann_edges_free(&packed);
        return status;
    }
    leann_ctx_fact(ctx, "link_bits", (double)taken);
    leann_free(graph->links);
    graph->links = NULL;
    graph->packed = packed;
    return LEANN_OK;
}

/* ---- check -------------------------------------------------------------------------------------------------------------- */

static leann_status check_list(leann_ctx *ctx, const leann_graph *g, uint32_t node, uint32_t level, const uint32_t *list, uint32_t slots)
{
    if (list[0] > slots)
        return leann_fail(ctx, LEANN_EFORMAT, "graph: node %u has degree %u on level %u, the limit is %u", node, list[0], level, slots);
    uint16_t epoch, *marks = leann_ctx_marks(ctx, g->n, &epoch);
    if (!marks) return leann_ctx_status(ctx);
    marks[node] = epoch;
    for (uint32_t i = 1; i <= list[0]; i++) {
        uint32_t to = list[i];
        if (to >= g->n) return leann_fail(ctx, LEANN_EFORMAT, "graph: node %u links to %u, there are %u nodes", node, to, g->n);
        if (level > 0 && g->levels[to] < level)
            return leann_fail(ctx, LEANN_EFORMAT, "graph: node %u links on level %u to node %u, whose top level is %u", node, level, to,
                              g->levels[to]);
        if (marks[to] == epoch)
            return leann_fail(ctx, LEANN_EFORMAT, "graph: node %u links on level %u to %s %u", node, level,
                              to == node ? "itself," : "a node twice,", to);
        marks[to] = epoch;
    }
    return LEANN_OK;
}

leann_status leann_graph_check(leann_ctx *ctx, const leann_graph *graph)
{
    if (graph->entry >= graph->n)
        return leann_fail(ctx, LEANN_EFORMAT, "graph: the entry is node %u, there are %u nodes", graph->entry, graph->n);
    if (graph->top_level > 0 && graph->levels[graph->entry] != graph->top_level)
        return leann_fail(ctx, LEANN_EFORMAT, "graph: the entry, node %u, ends on level %u, the top level is %u", graph->entry,
                          graph->levels[graph->entry], graph->top_level);
    for (uint32_t i = 0; graph->slots > 0 && i < graph->n; i++) { /* packed lists are checked when they are opened */
        leann_status status = graph->links ? check_list(ctx, graph, i, 0, leann_graph_list(graph, i), graph->slots) : LEANN_OK;
        for (uint32_t l = 1; !status && graph->levels && l <= graph->levels[i]; l++)
            status = check_list(ctx, graph, i, l, leann_graph_upper_list(graph, i, l), graph->upper_slots);
        if (status) return status;
    }
    return LEANN_OK;
}

double leann_graph_mean_degree(const leann_graph *graph)
{
    uint64_t links = 0;
    for (uint32_t i = 0; graph->slots > 0 && i < graph->n; i++)
        links += graph->links ? leann_graph_list(graph, i)[0] : leann_edges_degree(&graph->packed, i);
    return (double)links / graph->n;
}

/* ---- sections ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    char text[64];
} section_name;

static section_name name_of(const char *prefix, const char *part)
{
    section_name name;
    snprintf(name.text, sizeof name.text, "%s.%s", prefix, part);
    return name;
}

/* lists of `width` words each; ids narrowed to 16 bits where all fit. Unused slots are zero, as they are in memory. */
static leann_status save_lists(leann_writer *w, const char *name, const uint32_t *list, uint64_t lists, uint32_t width, bool wide)
{
    if (wide) return leann_writer_add(w, name, LEANN_PART_GRAPH, LEANN_U32, lists, (uint64_t)width * 4, list);
    leann_ctx *ctx = leann_writer_ctx(w);
    uint16_t *narrow = leann_alloc(ctx, lists * width, sizeof *narrow);
    if (!narrow) return leann_ctx_status(ctx);
    for (uint64_t i = 0; i < lists; i++)
        for (uint32_t j = 0; j <= list[i * width]; j++) narrow[i * width + j] = (uint16_t)list[i * width + j];
    leann_status status = leann_writer_add(w, name, LEANN_PART_GRAPH, LEANN_U16, lists, (uint64_t)width * 2, narrow);
    leann_free(narrow);
    return status;
}

leann_status leann_graph_save(const leann_graph *graph, const char *prefix, leann_writer *w)
{
    uint64_t lists = upper_lists(graph);
    const bool packed = graph->packed.at != NULL;
    const uint32_t head[HEAD_WORDS] = {graph->n,         graph->entry,      graph->slots,    graph->upper_slots,
                                       graph->top_level, graph->default_ef, (uint32_t)lists, packed ? leann_edges_code(&graph->packed) : 0};
    leann_status status = leann_writer_add(w, name_of(prefix, "head").text, LEANN_PART_GRAPH, LEANN_U32, HEAD_WORDS, 4, head);
    if (!status && packed)
        status = leann_edges_save(&graph->packed, prefix, w);
    else if (!status && graph->slots > 0)
        status = save_lists(w, name_of(prefix, "level0").text, graph->links, graph->n, 1 + graph->slots, WIDE(graph->n));
    if (status || graph->top_level == 0) return status;
    status = leann_writer_add(w, name_of(prefix, "levels").text, LEANN_PART_GRAPH, LEANN_U8, graph->n, 1, graph->levels);
    if (status) return status;
    return save_lists(w, name_of(prefix, "upper").text, graph->upper, lists, 1 + graph->upper_slots, WIDE(graph->n));
}

void leann_graph_predict(uint64_t n, uint32_t slots, uint32_t upper_slots, uint64_t lists, leann_ledger *ledger)
{
    uint64_t word = WIDE(n) ? 4 : 2;
    leann_ledger_add(ledger, LEANN_PART_GRAPH, HEAD_WORDS * 4);
    if (slots > 0) leann_ledger_add(ledger, LEANN_PART_GRAPH, n * (1 + (uint64_t)slots) * word);
    if (lists == 0) return;
    leann_ledger_add(ledger, LEANN_PART_GRAPH, n);
    leann_ledger_add(ledger, LEANN_PART_GRAPH, lists * (1 + (uint64_t)upper_slots) * word);
}

void leann_graph_predict_packed(uint64_t n, uint64_t bytes, uint64_t upper, leann_ledger *ledger)
{
    leann_ledger_add(ledger, LEANN_PART_GRAPH, HEAD_WORDS * 4);
    leann_ledger_add(ledger, LEANN_PART_GRAPH, bytes);
    if (upper == 0) return;
    leann_ledger_add(ledger, LEANN_PART_GRAPH, n);
    leann_ledger_add(ledger, LEANN_PART_GRAPH, upper - n);
}

static leann_status need_lists(leann_ctx *ctx, const leann_reader *r, section_name name, uint32_t n, uint64_t lists, uint32_t width,
                               const void **data)
{
    return leann_reader_need(ctx, r, name.text, WIDE(n) ? LEANN_U32 : LEANN_U16, lists, (uint64_t)width * (WIDE(n) ? 4 : 2), data);
}

static void widen(uint32_t *list, const void *data, size_t count, bool wide)
{
    const uint16_t *narrow = data;
    if (wide)
        memcpy(list, data, count * sizeof *list);
    else
        for (size_t i = 0; i < count; i++) list[i] = narrow[i];
}

/* The head and the levels, checked against n and one another, so that what they ask to allocate is no more than the file holds. */
static leann_status open_head(leann_ctx *ctx, const leann_reader *r, const char *prefix, uint32_t n, const uint32_t **head,
                              const uint8_t **levels)
{
    const void *data;
    leann_status status = leann_reader_need(ctx, r, name_of(prefix, "head").text, LEANN_U32, HEAD_WORDS, 4, &data);
    if (status) return status;
    const uint32_t *h = *head = data;
    if (h[HEAD_N] != n) return leann_fail(ctx, LEANN_EFORMAT, "graph %s: it has %u nodes, the index has %u", prefix, h[HEAD_N], n);
    if (h[HEAD_SLOTS] > MAX_SLOTS || h[HEAD_UPPER_SLOTS] > MAX_SLOTS || h[HEAD_EF] > MAX_EF)
        return leann_fail(ctx, LEANN_EFORMAT, "graph %s: its head is damaged (slots %u and %u, ef %u)", prefix, h[HEAD_SLOTS],
                          h[HEAD_UPPER_SLOTS], h[HEAD_EF]);
    if (h[HEAD_TOP] == 0) return LEANN_OK;
    status = leann_reader_need(ctx, r, name_of(prefix, "levels").text, LEANN_U8, n, 1, &data);
    if (status) return status;
    *levels = data;
    uint64_t lists = 0;
    uint32_t top = 0;
    for (uint32_t i = 0; i < n; i++) {
        lists += (*levels)[i];
        if ((*levels)[i] > top) top = (*levels)[i];
    }
    if (top != h[HEAD_TOP] || lists != h[HEAD_LISTS] || h[HEAD_SLOTS] == 0)
        return leann_fail(ctx, LEANN_EFORMAT, "graph %s: its levels (%u at most, %llu lists) are not those of its head (%u, %u)", prefix,
                          top, (unsigned long long)lists, h[HEAD_TOP], h[HEAD_LISTS]);
    return LEANN_OK;
}

leann_status leann_graph_open(leann_ctx *ctx, const leann_reader *r, const char *prefix, uint32_t n, leann_graph **out)
{
    *out = NULL;
    const uint32_t *h;
    const uint8_t *levels = NULL;
    const void *level0 = NULL, *upper = NULL;
    leann_graph *g = NULL;
    leann_status status = open_head(ctx, r, prefix, n, &h, &levels);
    if (!status && h[HEAD_SLOTS] > 0 && !h[HEAD_PACKED])
        status = need_lists(ctx, r, name_of(prefix, "level0"), n, n, 1 + h[HEAD_SLOTS], &level0);
    if (!status && levels) status = need_lists(ctx, r, name_of(prefix, "upper"), n, h[HEAD_LISTS], 1 + h[HEAD_UPPER_SLOTS], &upper);
    if (!status) status = leann_graph_new(ctx, n, h[HEAD_PACKED] ? 0 : h[HEAD_SLOTS], h[HEAD_UPPER_SLOTS], levels, &g);
    if (status) return status;
    g->slots = h[HEAD_SLOTS];
    g->entry = h[HEAD_ENTRY];
    g->default_ef = h[HEAD_EF];
    if (level0) widen(g->links, level0, (size_t)n * (1 + g->slots), WIDE(n));
    if (upper) widen(g->upper, upper, (size_t)h[HEAD_LISTS] * (1 + g->upper_slots), WIDE(n));
    if (h[HEAD_PACKED]) status = leann_edges_open(ctx, r, prefix, n, g->slots, h[HEAD_PACKED], &g->packed);
    if (!status) status = leann_graph_check(ctx, g);
    if (status)
        leann_graph_free(g);
    else
        *out = g;
    return status;
}
