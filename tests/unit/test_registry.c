/* test_registry.c – the registry: every plug-in is complete and found by its word, defaults parse, wrong words name the nearest.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/plugin.h"

static void check_params(leann_ctx *ctx, const char *where, const leann_param *table, size_t size)
{
    for (const leann_param *p = table; p && p->name; p++) {
        assert_non_null(p->help);
        assert_true(p->offset < size);
        if (p->type == LEANN_P_WORD || p->type == LEANN_P_PLUGIN) assert_non_null(p->words);
    }
    void *params;
    if (leann_params_new(ctx, where, table, size, NULL, &params)) fail_msg("defaults of %s: %s", where, leann_ctx_error(ctx));
    leann_value *v = leann_params_value(table, params);
    void *again;
    if (leann_params_new(ctx, where, table, size, v, &again)) fail_msg("%s is not its own inverse: %s", where, leann_ctx_error(ctx));
    leann_params_free(table, again);
    leann_params_free(table, params);
    leann_value_free(v);
}

static void test_each(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    size_t all = 0;
    for (int kind = 0; kind < LEANN_KINDS; kind++) {
        leann_kind found;
        assert_int_equal(leann_kind_find(ctx, leann_kind_word((leann_kind)kind), &found), LEANN_OK);
        assert_int_equal(found, kind);
        for (size_t i = 0; i < leann_plugin_count((leann_kind)kind); i++, all++) {
            const leann_plugin *plugin = leann_plugin_at((leann_kind)kind, i);
            assert_ptr_equal(leann_plugin_find(ctx, (leann_kind)kind, plugin->name), plugin);
            assert_true(plugin->revision >= 1);
            assert_true(plugin->about && *plugin->about && plugin->source && *plugin->source);
            check_params(ctx, plugin->name, plugin->params, plugin->params_size);
            if (kind != LEANN_METHOD) continue;
            const leann_method_type *method = (const leann_method_type *)plugin;
            check_params(ctx, plugin->name, method->query, method->query_size);
            assert_true(method->index_size >= sizeof(leann_index) && method->plan_size >= sizeof(leann_plan));
        }
    }
    assert_true(all > 0);
    assert_null(leann_plugin_at(LEANN_GRAPH, 1000));
    leann_ctx_free(ctx);
}

static void test_nearest(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    assert_null(leann_plugin_find(ctx, LEANN_GRAPH, "vamanna"));
    assert_int_equal(leann_ctx_status(ctx), LEANN_ENOTFOUND);
    assert_string_equal(leann_ctx_error(ctx), "unknown graph 'vamanna'; did you mean 'vamana'?");
    leann_ctx_clear(ctx);
    leann_kind kind;
    assert_int_equal(leann_kind_find(ctx, "quantiser", &kind), LEANN_ENOTFOUND);
    assert_string_equal(leann_ctx_error(ctx), "unknown kind 'quantiser'; did you mean 'quantizer'?");
    leann_ctx_free(ctx);
}

static leann_status select_two(leann_ctx *ctx, const leann_dataset *data, uint32_t m, const void *params, leann_anchors *out)
{
    (void)params;
    *out = (leann_anchors){m, data->train.d, leann_alloc(ctx, m, data->train.d * sizeof(float)), leann_alloc(ctx, m, sizeof(uint32_t))};
    return LEANN_OK;
}

static void test_select(void **state)
{
    (void)state;
    static const leann_selector_type type = {.common = {"two", 1, "a test's", "none", NULL, 0}, .select = select_two};
    leann_choice choice = {&type.common, NULL};
    float x[6] = {0};
    leann_dataset data = {.name = "", .sha = "", .train = {x, 2 * sizeof *x, 3, 2, LEANN_F32, LEANN_L2}};
    leann_anchors anchors;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    assert_int_equal(leann_select(ctx, choice, &data, 3, &anchors), LEANN_OK);
    leann_anchors_free(&anchors);
    assert_null(anchors.rows);
    assert_int_equal(leann_select(ctx, choice, &data, 4, &anchors), LEANN_EINVAL);
    assert_string_equal(leann_ctx_error(ctx), "anchors is 4, but at most n = 3");
    leann_ctx_clear(ctx);
    assert_int_equal(leann_select(ctx, choice, &data, 0, &anchors), LEANN_EINVAL);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each), cmocka_unit_test(test_nearest), cmocka_unit_test(test_select)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
