/* test_graph_codes.c – method graph over codes, by node or beside the lists: exact once all are re-ranked; an opened index, whose rows lie
 * apart by whole cache lines, answers and saves as the one it was saved from.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/plugin.h"

enum { N = 500, D = 60, QUERIES = 20, K = 10 }; /* neither 240 bytes of floats nor codes of 60 are whole cache lines */

static float rows_x[N * D], queries_x[QUERIES * D];
static char folder[] = "/tmp/leann-graph-codes-XXXXXX", first[64], second[64];
static const leann_rows rows = {rows_x, D * sizeof(float), N, D, LEANN_F32, LEANN_L2};
static const leann_rows queries = {queries_x, D * sizeof(float), QUERIES, D, LEANN_F32, LEANN_L2};
static const char *const coded[] = {
    "{method: graph, build: {quantizer: {sq: {bits: 8}}}}", "{method: graph, build: {quantizer: {rabitq: {bits: 4}}}}",
    "{method: graph, build: {quantizer: {rabitq: {bits: 4}}, layout: lists}}",
    "{method: graph, build: {graph: vamana, quantizer: {pq: {sub_vectors: 15, codebook_size: 16}}, layout: lists}}"};
enum { CODED = sizeof coded / sizeof *coded };

static leann_index *build(leann_ctx *ctx, const char *config)
{
    leann_index *index = NULL;
    if (leann_index_build(ctx, rows, config, &index)) fail_msg("%s", leann_ctx_error(ctx));
    return index;
}

static void search(leann_ctx *ctx, const leann_index *index, const char *query, uint32_t *ids, float *dist)
{
    leann_plan *plan = NULL;
    if (leann_plan_new(ctx, index, query, NULL, &plan) || leann_search(plan, ctx, queries, K, ids, dist, NULL))
        fail_msg("%s", leann_ctx_error(ctx));
    leann_plan_free(plan);
}

static void all_reranked_is_exact(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *exact = build(ctx, "{method: flat}");
    uint32_t want[QUERIES * K], got[QUERIES * K];
    float far[QUERIES * K], found[QUERIES * K];
    search(ctx, exact, NULL, want, far);
    for (int c = 0; c < CODED; c++) {
        leann_index *graph = build(ctx, coded[c]);
        search(ctx, graph, "{ef_search: 500}", got, found);
        assert_memory_equal(got, want, sizeof got);
        assert_memory_equal(found, far, sizeof found);
        search(ctx, graph, "{ef_search: 500, rerank: 10}", got, found); /* the ten best codes, in the order of their exact keys */
        for (uint32_t q = 0; q < QUERIES; q++)
            for (uint32_t i = 1; i < K; i++) assert_true(found[q * K + i - 1] <= found[q * K + i]);
        leann_index_free(graph);
    }
    leann_index_free(exact);
    leann_ctx_free(ctx);
}

/* The layout is memory's: it changes the file only by its name, and says where it is not to be had. */
static void layouts_share_a_file(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_ledger given, left_out;
    leann_value *config;
    static const char *const words[] = {"{method: graph, build: {quantizer: {rabitq: {bits: 4}}, layout: nodes}}",
                                        "{method: graph, build: {quantizer: {rabitq: {bits: 4}}}}",
                                        "{method: graph, build: {quantizer: {rabitq: {bits: 3}}, layout: lists}}"};
    leann_ledger *ledger[] = {&given, &left_out, &given};
    for (int c = 0; c < 3; c++) {
        assert_int_equal(leann_config_parse(ctx, "config", words[c], strlen(words[c]), &config), LEANN_OK);
        assert_int_equal(leann_method_predict(ctx, N, D, LEANN_F32, LEANN_L2, config, ledger[c]), c < 2 ? LEANN_OK : LEANN_EINVAL);
        leann_value_free(config);
    }
    assert_non_null(strstr(leann_ctx_error(ctx), "layout is lists"));
    assert_int_equal(leann_ledger_total(&given), leann_ledger_total(&left_out));
    leann_ctx_free(ctx);
}

static void opened_is_saved_as_it_was(const char *config)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *made = build(ctx, config), *opened = NULL;
    uint32_t want[QUERIES * K], got[QUERIES * K];
    float far[QUERIES * K], found[QUERIES * K];
    char *data[2];
    size_t bytes[2];
    assert_int_equal(leann_index_save(ctx, made, first), LEANN_OK);
    assert_int_equal(leann_index_open(ctx, first, &opened), LEANN_OK);
    assert_int_equal(leann_index_save(ctx, opened, second), LEANN_OK);
    assert_int_equal(leann_file_read(ctx, first, 1 << 24, &data[0], &bytes[0]), LEANN_OK);
    assert_int_equal(leann_file_read(ctx, second, 1 << 24, &data[1], &bytes[1]), LEANN_OK);
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(data[0], data[1], bytes[0]);
    search(ctx, made, NULL, want, far);
    search(ctx, opened, NULL, got, found);
    assert_memory_equal(got, want, sizeof got);
    assert_memory_equal(found, far, sizeof found);
    leann_free(data[0]);
    leann_free(data[1]);
    leann_index_free(made);
    leann_index_free(opened);
    leann_ctx_free(ctx);
}

static void every_layout_is_saved_as_it_was(void **state)
{
    (void)state;
    for (int c = 0; c < CODED; c++) opened_is_saved_as_it_was(coded[c]);
}

static int set_up(void **state)
{
    (void)state;
    leann_rng rng = leann_rng_at(1, "graph codes", 0);
    for (size_t i = 0; i < N * D; i++) rows_x[i] = (float)leann_rng_normal(&rng);
    for (size_t i = 0; i < QUERIES * D; i++) queries_x[i] = (float)leann_rng_normal(&rng);
    if (!mkdtemp(folder)) return 1;
    snprintf(first, sizeof first, "%s/first.leann", folder);
    snprintf(second, sizeof second, "%s/second.leann", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(first);
    unlink(second);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_reranked_is_exact), cmocka_unit_test(layouts_share_a_file),
                                       cmocka_unit_test(every_layout_is_saved_as_it_was)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
