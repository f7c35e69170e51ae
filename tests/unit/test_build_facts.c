/* test_build_facts.c – coverage, balance and quantisation error against values worked out by hand or by a plain loop.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph.h"
#include "core/product.h"
#include "eval/build_facts.h"

static double get(const leann_value *facts, const char *name)
{
    return leann_value_real(leann_value_get(facts, name), NAN);
}

static void is_near(double is, double should, double slack)
{
    if (!(fabs(is - should) <= slack)) fail_msg("%.17g, but should be %.17g", is, should);
}

static void test_coverage(void **state)
{
    (void)state;
    leann_value *facts = leann_value_new_map();
    float radius[] = {3, 0, 1, 2}; /* out of order */
    leann_facts_coverage(facts, radius, 4, 1);
    is_near(get(facts, "coverage"), 0.5, 1e-12);
    is_near(get(facts, "coverage_auc"), (1 + 0.5 + 0 + 0) / 4, 1e-12);
    is_near(get(facts, "facility_location"), 1.5, 1e-12);
    is_near(get(facts, "radius_max"), 3, 0);
    is_near(get(facts, "radius_p50"), 1, 0);
    leann_value_free(facts);
}

static void test_balance(void **state)
{
    (void)state;
    const uint64_t even[] = {5, 5, 5, 5}, one[] = {0, 8, 0, 0}, odd[] = {1, 3};
    leann_value *facts = leann_value_new_map();
    leann_facts_balance(facts, even, 4);
    is_near(get(facts, "balance"), 1, 1e-12);
    is_near(get(facts, "entropy"), 1, 1e-12);
    is_near(get(facts, "gini"), 0, 1e-12);
    leann_facts_balance(facts, one, 4);
    is_near(get(facts, "balance"), 0.25, 1e-12);
    is_near(get(facts, "entropy"), 0, 1e-12);
    is_near(get(facts, "gini"), 0.75, 1e-12);
    is_near(get(facts, "empty_anchors"), 3, 0);
    is_near(get(facts, "max_over_mean"), 4, 1e-12);
    leann_facts_balance(facts, odd, 2);
    is_near(get(facts, "balance"), 16.0 / (2 * 10), 1e-12);
    is_near(get(facts, "gini"), 0.25, 1e-12);
    leann_value_free(facts);
}

static void is_list(const leann_value *facts, const char *name, const char *should)
{
    char *is = leann_value_json(leann_value_get(facts, name), true, 0);
    assert_string_equal(is, should);
    leann_free(is);
}

static void test_degrees(void **state)
{
    (void)state;
    static const uint32_t links[5][3] = {{2, 1, 2}, {1, 0}, {1, 0}, {2, 0, 1}, {0}}; /* in and out: 5, 3, 2, 2, 0 */
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_graph *graph = NULL;
    leann_value *facts = leann_value_new_map();
    assert_int_equal(leann_graph_new(ctx, 5, 2, 0, NULL, &graph), LEANN_OK);
    memcpy(graph->links, links, sizeof links);
    assert_int_equal(leann_facts_degrees(ctx, facts, graph), LEANN_OK);
    is_list(facts, "out_degrees", "[1,2,2]");
    is_list(facts, "hub_links", "[5,5,5,5,5,5,3,0]");
    leann_value_free(facts);
    leann_graph_free(graph);
    leann_ctx_free(ctx);
}

/* ---- a real index ------------------------------------------------------------------------------------------------------------ */

enum { N = 1500, D = 12, Q = 20 };
static float rows[N * D], queries[Q * D];

static leann_dataset make_data(void)
{
    leann_rng rng = leann_rng_at(3, "facts", 0);
    for (size_t i = 0; i < N * D; i++) rows[i] = (float)(leann_rng_normal(&rng) + 4.0 * (double)(i / D % 7));
    for (size_t i = 0; i < Q * D; i++) queries[i] = (float)leann_rng_normal(&rng);
    leann_dataset data = {.name = "facts", .sha = "facts-test"};
    data.train = (leann_rows){rows, D * sizeof(float), N, D, LEANN_F32, LEANN_L2};
    data.test = (leann_rows){queries, D * sizeof(float), Q, D, LEANN_F32, LEANN_L2};
    return data;
}

static leann_index *build(leann_ctx *ctx, const leann_dataset *data, const char *text)
{
    leann_value *config = NULL;
    leann_index *index = NULL;
    assert_int_equal(leann_config_parse(ctx, "config", text, strlen(text), &config), LEANN_OK);
    if (leann_method_build(ctx, data, config, NULL, &index)) fail_msg("%s", leann_ctx_error(ctx));
    leann_value_free(config);
    return index;
}

static double square(double x)
{
    return x * x;
}

/* The plain way to the same numbers. */
static void check_plain(leann_ctx *ctx, const leann_dataset *data, const leann_index *index, const leann_value *facts)
{
    static float decoded[N * D];
    static uint32_t ids[N];
    leann_inside in = {0};
    double tau, within = 0, error = 0, spread = 0, left = 0;
    index->type->inside(index, &in);
    assert_int_equal(leann_coverage_radius(ctx, data->train, 0, &tau), LEANN_OK);
    for (uint32_t i = 0; i < N; i++) ids[i] = i;
    assert_int_equal(index->type->decode(index, ctx, ids, N, decoded), LEANN_OK);
    for (uint32_t j = 0; j < D; j++) {
        double mean = 0;
        for (uint32_t i = 0; i < N; i++) mean += (double)rows[i * D + j] / N;
        for (uint32_t i = 0; i < N; i++) spread += square((double)rows[i * D + j] - mean);
    }
    for (uint32_t i = 0; i < N; i++) {
        double near = INFINITY;
        for (uint32_t a = 0; a < in.anchors.n; a++) near = fmin(near, leann_distance_f64(data->train, i, in.anchors, a));
        within += sqrt(near) <= tau;
        left += near;
        for (uint32_t j = 0; j < D; j++) error += square((double)rows[i * D + j] - (double)decoded[i * D + j]);
    }
    is_near(get(facts, "tau"), tau, 1e-6);
    is_near(get(facts, "coverage"), within / N, 2.0 / N);
    is_near(get(facts, "anchor_error"), left / spread, 1e-5);
    is_near(get(facts, "quantization_error"), error / spread, 1e-6);
    is_near(get(facts, "anchors"), in.anchors.n, 0);
}

static void test_index(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(5, 2), *one = leann_ctx_new(6, 1);
    leann_dataset data = make_data();
    char folder[] = "/tmp/leann_facts_XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    leann_index *index = build(ctx, &data,
                               "{method: anchor, build: {selector: kmeans, anchors: 30, graph: flat, quantizer: {pq: {sub_vectors: 4,"
                               " codebook_size: 16}}, residual: no}}");
    leann_value *facts = NULL, *again = NULL, *serial = NULL;
    assert_int_equal(leann_build_facts(ctx, &data, index, folder, &facts), LEANN_OK);
    check_plain(ctx, &data, index, facts);
    assert_true(get(facts, "balance") > 0 && get(facts, "balance") <= 1);
    assert_true(get(facts, "coverage_knn") > 0 && get(facts, "coverage_knn") <= 1);
    assert_true(isfinite(get(facts, "codes_bias")));
    assert_int_equal(leann_build_facts(ctx, &data, index, folder, &again), LEANN_OK); /* now from the cache */
    assert_true(leann_value_equal(facts, again));
    assert_int_equal(leann_build_facts(one, &data, index, NULL, &serial), LEANN_OK); /* one thread, another seed, no cache */
    assert_true(leann_value_equal(facts, serial));
    leann_value_free(facts);
    leann_value_free(again);
    leann_value_free(serial);
    leann_index_free(index);
    leann_ctx_free(ctx);
    leann_ctx_free(one);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* Exact vectors: no anchors, no error; a graph has degrees. */
static void test_exact(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(5, 1);
    leann_dataset data = make_data();
    leann_index *index = build(ctx, &data, "{method: graph, build: {graph: {hnsw: {M: 8, ef_construction: 20}}}}");
    leann_value *facts = NULL;
    assert_int_equal(leann_build_facts(ctx, &data, index, NULL, &facts), LEANN_OK);
    assert_null(leann_value_get(facts, "coverage"));
    is_near(get(facts, "quantization_error"), 0, 0);
    assert_true(get(facts, "mean_degree") > 1);
    leann_value_free(facts);
    leann_index_free(index);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_coverage), cmocka_unit_test(test_balance), cmocka_unit_test(test_degrees),
                                       cmocka_unit_test(test_index), cmocka_unit_test(test_exact)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
