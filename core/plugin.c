/* plugin.c – the registry made of plugins.def, looked through by kind and word; and what wrappers check before a plug-in is called.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plugin.h"

#include <assert.h>
#include <string.h>

#define LEANN_PLUGIN(kind, symbol) extern const leann_##kind##_type leann_##kind##_##symbol;
#include "core/plugins.def"
#undef LEANN_PLUGIN

enum {
    KIND_selector = LEANN_SELECTOR,
    KIND_graph = LEANN_GRAPH,
    KIND_quantizer = LEANN_QUANTIZER,
    KIND_encoder = LEANN_ENCODER,
    KIND_fetcher = LEANN_FETCHER,
    KIND_method = LEANN_METHOD
};

static const struct {
    int kind;
    const void *type; /* begins with a leann_plugin */
} registry[] = {
#define LEANN_PLUGIN(kind, symbol) {KIND_##kind, &leann_##kind##_##symbol},
#include "core/plugins.def"
#undef LEANN_PLUGIN
};
enum { LINES = sizeof registry / sizeof registry[0] };

static const char *const kind_words[LEANN_KINDS] = {"selector", "graph", "quantizer", "encoder", "fetcher", "method"};

const char *leann_kind_word(leann_kind kind)
{
    assert((unsigned)kind < LEANN_KINDS);
    return kind_words[kind];
}

leann_status leann_kind_find(leann_ctx *ctx, const char *word, leann_kind *out)
{
    for (int kind = 0; kind < LEANN_KINDS; kind++)
        if (strcmp(word, kind_words[kind]) == 0) {
            *out = (leann_kind)kind;
            return LEANN_OK;
        }
    const char *nearest = leann_nearest_word(word, kind_words, LEANN_KINDS);
    if (nearest) return leann_fail(ctx, LEANN_ENOTFOUND, "unknown kind '%.60s'; did you mean '%s'?", word, nearest);
    return leann_fail(ctx, LEANN_ENOTFOUND, "unknown kind '%.60s'; there are selector, graph, quantizer, encoder, fetcher and method",
                      word);
}

const leann_plugin *leann_plugin_at(leann_kind kind, size_t i)
{
    for (size_t line = 0; line < LINES; line++)
        if (registry[line].kind == (int)kind && i-- == 0) return registry[line].type;
    return NULL;
}

size_t leann_plugin_count(leann_kind kind)
{
    size_t n = 0;
    while (leann_plugin_at(kind, n)) n++;
    return n;
}

const leann_plugin *leann_plugin_find(leann_ctx *ctx, leann_kind kind, const char *word)
{
    const char *words[LINES];
    size_t n = leann_plugin_count(kind);
    for (size_t i = 0; i < n; i++) {
        const leann_plugin *plugin = leann_plugin_at(kind, i);
        if (strcmp(plugin->name, word) == 0) return plugin;
        words[i] = plugin->name;
    }
    const char *nearest = leann_nearest_word(word, words, n);
    if (nearest)
        leann_fail(ctx, LEANN_ENOTFOUND, "unknown %s '%.60s'; did you mean '%s'?", kind_words[kind], word, nearest);
    else
        leann_fail(ctx, LEANN_ENOTFOUND, "unknown %s '%.60s'; `leann plugins %s` lists them", kind_words[kind], word, kind_words[kind]);
    return NULL;
}

/* ---- selectors -------------------------------------------------------------------------------------------------------------- */

void leann_anchors_free(leann_anchors *anchors)
{
    leann_free(anchors->rows);
    leann_free(anchors->ids);
    *anchors = (leann_anchors){0};
}

leann_status leann_select(leann_ctx *ctx, leann_choice selector, const leann_dataset *data, uint32_t m, leann_anchors *out)
{
    *out = (leann_anchors){0};
    if (m == 0) return leann_fail(ctx, LEANN_EINVAL, "anchors is 0, but at least 1");
    if (m > data->train.n) return leann_fail(ctx, LEANN_EINVAL, "anchors is %u, but at most n = %u", m, data->train.n);
    const leann_selector_type *type = (const leann_selector_type *)selector.plugin;
    leann_status status = type->select(ctx, data, m, selector.params, out);
    if (status)
        leann_anchors_free(out);
    else
        assert(out->m == m && out->d == data->train.d && out->rows && out->ids);
    return status;
}
