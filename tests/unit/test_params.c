/* test_params.c – tables of parameters: defaults, each type, refusals that name value and limit, and the way back to a value.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/plugin.h"

typedef struct {
    uint32_t iterations;
    double alpha;
    bool quiet;
    int residual, output;
    const char *label, *unset;
    leann_count anchors;
    leann_choice graph, none;
} sample;

static const leann_param table[] = {
    LEANN_PARAM_INT(sample, iterations, 1, 1000, "20", "rounds"),
    LEANN_PARAM_REAL(sample, alpha, 1, 2, "1.25", "factor"),
    LEANN_PARAM_BOOL(sample, quiet, "no", "silence"),
    LEANN_PARAM_WORD(sample, residual, "yes|no|auto", "auto", "deltas"),
    LEANN_PARAM_WORD(sample, output, "8|4", "8", "bits"),
    LEANN_PARAM_TEXT(sample, label, "genre", "strata"),
    LEANN_PARAM_TEXT(sample, unset, "none-given", "strata"),
    LEANN_PARAM_COUNT(sample, anchors, "{sqrt_n: 2.5}", "anchors"),
    LEANN_PARAM_PLUGIN(sample, graph, "graph", "hnsw", "topology"),
    LEANN_PARAM_PLUGIN(sample, none, "quantizer", "none-given", "codes"),
    LEANN_PARAM_END,
};

static leann_status make(leann_ctx *ctx, const char *yaml, sample **out)
{
    leann_value *v = NULL;
    void *made = NULL;
    assert_int_equal(leann_config_parse(ctx, "given", yaml, strlen(yaml), &v), LEANN_OK);
    leann_status status = leann_params_new(ctx, "selector kmeans", table, sizeof(sample), v, &made);
    leann_value_free(v);
    *out = made;
    return status;
}

static void refused(const char *yaml, const char *sentence)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    sample *p;
    if (!make(ctx, yaml, &p)) fail_msg("not refused: %s", yaml);
    assert_null(p);
    if (!strstr(leann_ctx_error(ctx), sentence)) fail_msg("'%s' lacks '%s'", leann_ctx_error(ctx), sentence);
    leann_ctx_free(ctx);
}

static void test_defaults(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    sample *p;
    assert_int_equal(make(ctx, "null", &p), LEANN_OK);
    assert_int_equal(p->iterations, 20);
    assert_true(p->alpha == 1.25);
    assert_false(p->quiet);
    assert_int_equal(p->residual, 2);
    assert_int_equal(p->output, 0);
    assert_string_equal(p->label, "genre");
    assert_null(p->unset);
    assert_true(p->anchors.per_sqrt_n && p->anchors.value == 2.5);
    assert_string_equal(p->graph.plugin->name, "hnsw");
    assert_null(p->none.plugin);
    leann_params_free(table, p);
    leann_ctx_free(ctx);
}

static void test_given(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    sample *p;
    assert_int_equal(make(ctx,
                          "{iterations: 30.0, alpha: 2, quiet: 'yes', residual: no, output: 4, label: 2024, anchors: 612, "
                          "graph: {hnsw: {M: 24}}, unset: null}",
                          &p),
                     LEANN_OK);
    assert_int_equal(p->iterations, 30);
    assert_true(p->alpha == 2);
    assert_true(p->quiet);
    assert_int_equal(p->residual, 1); /* the boolean that YAML makes of no */
    assert_int_equal(p->output, 1);   /* a number that is a word */
    assert_string_equal(p->label, "2024");
    assert_false(p->anchors.per_sqrt_n);
    assert_int_equal(leann_count_of(p->anchors, 60000), 612);

    /* back to a value, which makes the same parameters again */
    leann_value *v = leann_params_value(table, p);
    char *text = leann_value_json(v, true, 0), *again_text;
    assert_non_null(strstr(text, "\"residual\":\"no\""));
    assert_non_null(strstr(text, "\"anchors\":612,"));
    assert_non_null(strstr(text, "\"M\":24"));
    assert_non_null(strstr(text, "\"none\":null"));
    sample *again;
    assert_int_equal(make(ctx, text, &again), LEANN_OK);
    leann_value *v2 = leann_params_value(table, again);
    again_text = leann_value_json(v2, true, 0);
    assert_string_equal(text, again_text);
    leann_free(text);
    leann_free(again_text);
    leann_value_free(v);
    leann_value_free(v2);
    leann_params_free(table, p);
    leann_params_free(table, again);
    leann_ctx_free(ctx);
}

static void test_counts(void **state)
{
    (void)state;
    assert_int_equal(leann_count_of((leann_count){2.5, true}, 60000), 612); /* 612.37 */
    assert_int_equal(leann_count_of((leann_count){1, true}, 60000), 245);   /* 244.95 */
    assert_int_equal(leann_count_of((leann_count){1e-6, true}, 100), 1);
    assert_int_equal(leann_count_of((leann_count){50, true}, 100), 100);
    assert_int_equal(leann_count_of((leann_count){4294967294.0, false}, 7), 7);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("{iteratons: 5}", "unknown parameter 'iteratons' of selector kmeans; did you mean 'iterations'?");
    refused("{zzz: 5}", "unknown parameter 'zzz' of selector kmeans; it has iterations, alpha, quiet");
    refused("{iterations: 0}", "iterations of selector kmeans is 0, but must be between 1 and 1000");
    refused("{iterations: 2.5}", "iterations of selector kmeans is 2.5, a number, but must be an integer");
    refused("{iterations: many}", "iterations of selector kmeans is \"many\", text, but must be an integer");
    refused("{iterations: 5000000000}", "5000000000");
    refused("{alpha: 2.5}", "between 1 and 2");
    refused("{quiet: 7}", "yes or no");
    refused("{iterations: null}", "iterations of selector kmeans is null, but must be an integer; leave it out for its default, 20");
    refused("{residual: }", "residual of selector kmeans is null");
    refused("{label: ~}", "label of selector kmeans is null");
    refused("{anchors: null}", "anchors of selector kmeans is null");
    refused("{graph: null}", "graph is null, but must be a word");
    refused("{residual: yess}", "'yess', but must be yes|no|auto; did you mean 'yes'?");
    refused("{residual: [yes]}", "must be yes|no|auto");
    refused("{output: 6}", "8|4");
    refused("{output: true}", "'true', but must be 8|4");
    refused("{anchors: {sqrt: 2}}", "{sqrt_n: factor}");
    refused("{anchors: {sqrt_n: 0}}", "between");
    refused("{anchors: 0}", "anchors of selector kmeans is 0");
    refused("{anchors: 2.5}", "an integer");
    refused("{graph: hnws}", "unknown graph 'hnws'; did you mean 'hnsw'?");
    refused("{graph: {hnsw: {m: 5}}}", "unknown parameter 'm' of graph hnsw");
    refused("{graph: {hnsw: 5}}", "the parameters of graph hnsw are an integer");
    refused("{graph: {hnsw: {}, flat: {}}}", "must be a word or {word:");
    refused("{graph: no}", "must be a word");
    refused("[1]", "must be a map");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_defaults), cmocka_unit_test(test_given), cmocka_unit_test(test_counts),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
