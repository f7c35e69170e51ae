/* fuzz_config.c – bytes -> YAML and JSON -> value -> canonical text and back -> parameters of every plug-in and method.
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libfyaml 0.7.12 forgets an accumulator when a quoted scalar ends in a syntax error: not ours to mend. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

/* What was read is written and read again: the same text both times. */
static void check_round_trip(leann_ctx *ctx, const leann_value *v)
{
    leann_value *again = NULL;
    char *text = leann_value_json(v, true, 0);
    assert(text);
    if (leann_value_parse(ctx, "again", text, strlen(text), &again)) assert(strlen(leann_ctx_error(ctx)) > 0 && false);
    char *second = leann_value_json(again, true, 0);
    assert(second && strcmp(text, second) == 0);
    leann_free(text);
    leann_free(second);
    leann_value_free(again);
}

static void use(leann_ctx *ctx, const leann_value *v)
{
    check_round_trip(ctx, v);
    leann_value *canonical;
    leann_choice choice;
    for (int kind = 0; kind < LEANN_KINDS; kind++) {
        leann_ctx_clear(ctx);
        if (!leann_choice_new(ctx, leann_kind_word((leann_kind)kind), v, &choice)) leann_choice_free(choice);
        for (size_t i = 0; i < leann_plugin_count((leann_kind)kind); i++) {
            const leann_plugin *plugin = leann_plugin_at((leann_kind)kind, i);
            void *params;
            leann_ctx_clear(ctx);
            if (leann_params_new(ctx, "fuzzed", plugin->params, plugin->params_size, v, &params)) continue;
            leann_value *back = leann_params_value(plugin->params, params);
            check_round_trip(ctx, back);
            leann_value_free(back);
            leann_params_free(plugin->params, params);
        }
    }
    leann_ctx_clear(ctx);
    if (!leann_method_config(ctx, v, &canonical)) leann_value_free(canonical);
    leann_ctx_clear(ctx);
    if (!leann_method_query(ctx, "anchor", v, &canonical)) leann_value_free(canonical);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *v = NULL;
    if (!ctx) return 0;
    if (!leann_value_parse(ctx, "json", (const char *)data, size, &v)) use(ctx, v);
    leann_value_free(v);
    leann_ctx_clear(ctx);
    v = NULL;
    if (!leann_config_parse(ctx, "yaml", (const char *)data, size, &v)) use(ctx, v);
    leann_value_free(v);
    leann_ctx_free(ctx);
    return 0;
}
