/* test_merged.c – graphs built by clusters and merged: recall beside that of the whole graph, what is held at a time, every row in reach of
 * the entry, the same links for any number of threads, predicted bytes, other graphs around and inside, and what is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph.h"
#include "core/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { D = 8, CENTRES = 30 };

typedef struct {
    leann_rows rows;
    leann_oracle *oracle;
    void *x;
} data;

static data data_of(leann_ctx *ctx, void *x, uint32_t n, leann_dtype type)
{
    data set = {.rows = {x, D * leann_dtype_bytes(type), n, D, type, LEANN_L2}, .x = x};
    assert_int_equal(leann_oracle_new(ctx, set.rows, &set.oracle), LEANN_OK);
    return set;
}

/* Overlapping clusters: more of them than the graphs below are cut into. */
static data data_new(leann_ctx *ctx, uint32_t n, uint64_t item)
{
    float *x = malloc((size_t)n * D * sizeof *x);
    for (uint32_t i = 0; i < n; i++) {
        leann_rng rng = leann_rng_at(3, "rows", item + i), centre = leann_rng_at(3, "centre", leann_rng_below(&rng, CENTRES));
        for (uint32_t j = 0; j < D; j++) x[i * D + j] = (float)(2 * leann_rng_normal(&centre) + leann_rng_normal(&rng));
    }
    return data_of(ctx, x, n, LEANN_F32);
}

static void data_free(data *set)
{
    leann_oracle_free(set->oracle);
    free(set->x);
}

static leann_choice choose(leann_ctx *ctx, const char *text)
{
    leann_value *v;
    leann_choice choice;
    assert_int_equal(leann_config_parse(ctx, "graph", text, strlen(text), &v), LEANN_OK);
    assert_int_equal(leann_choice_new(ctx, "graph", v, &choice), LEANN_OK);
    leann_value_free(v);
    return choice;
}

static leann_graph *make(leann_ctx *ctx, const data *set, const char *text)
{
    leann_graph *g = NULL;
    leann_choice choice = choose(ctx, text);
    const leann_graph_type *type = (const leann_graph_type *)choice.plugin;
    if (type->build(ctx, set->oracle, choice.params, &g) != LEANN_OK) fail_msg("%s: %s", text, leann_ctx_error(ctx));
    assert_int_equal(leann_graph_check(ctx, g), LEANN_OK);
    assert_int_equal(g->default_ef, type->default_ef(choice.params));
    assert_int_equal(g->slots, type->slots(choice.params));
    leann_choice_free(choice);
    return g;
}

static double fact(const leann_ctx *ctx, const char *name)
{
    double value = -1;
    for (size_t i = 0; i < leann_ctx_facts(ctx); i++) {
        double v;
        if (strcmp(leann_ctx_fact_at(ctx, i, &v), name) == 0) value = v;
    }
    return value;
}

static uint32_t in_reach(const leann_graph *g)
{
    uint32_t *queue = calloc(g->n, sizeof *queue), end = 0;
    bool *met = calloc(g->n, sizeof *met);
    met[queue[end++] = g->entry] = true;
    for (uint32_t at = 0; at < end; at++) {
        const uint32_t *list = leann_graph_list(g, queue[at]);
        for (uint32_t i = 1; i <= list[0]; i++)
            if (!met[list[i]]) met[queue[end++] = list[i]] = true;
    }
    free(queue);
    free(met);
    return end;
}

/* The share of the ten nearest that walks find. */
static double recall(leann_ctx *ctx, const data *set, const leann_graph *g, const data *queries, uint32_t ef)
{
    enum { K = 10 };
    const uint32_t n = queries->rows.n;
    uint32_t *truth = malloc(n * K * sizeof *truth), right = 0;
    double *dist = malloc(n * K * sizeof *dist);
    assert_int_equal(leann_exact(ctx, set->rows, queries->rows, K, truth, dist), LEANN_OK);
    for (uint32_t q = 0; q < n; q++) {
        uint32_t ids[K], found;
        float key[K];
        const size_t mark = leann_scratch_mark(ctx);
        leann_scorer *scorer = leann_rows_scorer(ctx, set->rows, leann_row(queries->rows, q));
        assert_int_equal(leann_graph_search(ctx, g, scorer, ef, K, ids, key, &found), LEANN_OK);
        leann_scratch_reset(ctx, mark);
        for (uint32_t i = 0; i < found; i++)
            for (uint32_t j = 0; j < K; j++) right += ids[i] == truth[q * K + j];
    }
    free(truth);
    free(dist);
    return (double)right / (n * K);
}

static const char *const inner[] = {"{hnsw: {M: 8, ef_construction: 60}}", "{vamana: {degree: 16, build_window: 60}}"};

static void merge_text(char text[256], int kind, const char *more)
{
    snprintf(text, 256, "{merged: {graph: %s%s}}", inner[kind], more);
}

/* Two clusters a row make a graph nearly as good as the whole one; in one cluster each, what lies at a border is hard to find. */
static void finds_what_the_whole_graph_finds(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    data set = data_new(ctx, 4000, 0), queries = data_new(ctx, 200, 1 << 20);
    for (int kind = 0; kind < 2; kind++) {
        char text[256];
        leann_graph *whole = make(ctx, &set, inner[kind]);
        merge_text(text, kind, ", clusters: 6");
        leann_graph *two = make(ctx, &set, text);
        merge_text(text, kind, ", clusters: 6, overlap: 1");
        leann_graph *one = make(ctx, &set, text);
        const double of_whole = recall(ctx, &set, whole, &queries, 40), of_two = recall(ctx, &set, two, &queries, 40),
                     of_one = recall(ctx, &set, one, &queries, 40);
        if (!(of_two > 0.95 && of_two > of_whole - 0.03 && of_one < of_two))
            fail_msg("%s: recall %g whole, %g merged, %g without overlap", inner[kind], of_whole, of_two, of_one);
        leann_graph_free(whole);
        leann_graph_free(two);
        leann_graph_free(one);
    }
    data_free(&set);
    data_free(&queries);
    leann_ctx_free(ctx);
}

/* Far less is held than there is, and that is stated; bytes count as bytes. */
static void states_what_it_held(void **state)
{
    (void)state;
    enum { N = 2000, CLUSTERS = 8 };
    leann_ctx *ctx = leann_ctx_new(1, 2);
    data floats = data_new(ctx, N, 0);
    uint8_t *byte = malloc(N * D);
    for (size_t i = 0; i < N * D; i++) byte[i] = (uint8_t)(100 + 10 * ((const float *)floats.x)[i]);
    data bytes = data_of(ctx, byte, N, LEANN_U8);
    for (uint32_t overlap = 1; overlap <= 3; overlap++)
        for (int type = 0; type < 2; type++) {
            char more[64], text[256];
            const double row = D * (type ? 1 : sizeof(float));
            snprintf(more, sizeof more, ", clusters: %d, overlap: %u", CLUSTERS, overlap);
            merge_text(text, 0, more);
            leann_ctx_facts_clear(ctx);
            leann_graph *g = make(ctx, type ? &bytes : &floats, text);
            assert_true(fact(ctx, "rows_in_clusters") == overlap * N);
            assert_true(fact(ctx, "vector_bytes_all") == N * row);
            assert_true(fact(ctx, "vector_bytes_held") >= row * N * overlap / CLUSTERS);
            assert_true(fact(ctx, "vector_bytes_held") < 2 * row * N * overlap / CLUSTERS);
            assert_true(fact(ctx, "rows_to_join") >= 0 && fact(ctx, "rows_to_join") < N);
            leann_graph_free(g);
        }
    data_free(&floats);
    data_free(&bytes);
    leann_ctx_free(ctx);
}

static void reaches_every_row(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    data set = data_new(ctx, 3000, 0);
    static const char *const texts[] = {
        "{merged: {graph: {hnsw: {M: 4, ef_construction: 20}}, clusters: 20}}",
        "{merged: {graph: {vamana: {degree: 8, build_window: 20}}, clusters: 20}}",
        "{merged: {graph: {hnsw: {M: 4, ef_construction: 20}}, clusters: 20, overlap: 1}}",
        "{merged: {graph: {vamana: {degree: 8, build_window: 20}}, clusters: 20, overlap: 1}}",
        "{merged: {graph: {hnsw: {M: 4, ef_construction: 20}}, clusters: 1500}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        leann_graph *g = make(ctx, &set, texts[i]);
        if (in_reach(g) != 3000) fail_msg("%s: %u rows of 3000 are in reach", texts[i], in_reach(g));
        leann_graph_free(g);
    }
    data_free(&set);
    leann_ctx_free(ctx);
}

static void same_links_for_any_threads(void **state)
{
    (void)state;
    enum { N = 1500 };
    for (int kind = 0; kind < 2; kind++) {
        leann_graph *g[3];
        char text[256];
        merge_text(text, kind, "");
        for (unsigned i = 0; i < 3; i++) { /* 1 and 3 threads, then another seed */
            leann_ctx *ctx = leann_ctx_new(i == 2 ? 9 : 1, i == 1 ? 3 : 1);
            data set = data_new(ctx, N, 0);
            g[i] = make(ctx, &set, text);
            data_free(&set);
            leann_ctx_free(ctx);
        }
        const size_t bytes = (size_t)N * (1 + g[0]->slots) * sizeof *g[0]->links;
        assert_memory_equal(g[0]->links, g[1]->links, bytes);
        assert_int_equal(g[0]->entry, g[1]->entry);
        assert_true(memcmp(g[0]->links, g[2]->links, bytes) != 0);
        for (int i = 0; i < 3; i++) leann_graph_free(g[i]);
    }
}

/* One cluster is the whole graph; that of vamana to the last link and the entry. */
static void one_cluster_is_the_graph(void **state)
{
    (void)state;
    enum { N = 250 };
    leann_ctx *ctx = leann_ctx_new(1, 2);
    data set = data_new(ctx, N, 0);
    leann_graph *whole = make(ctx, &set, inner[1]),
                *merged = make(ctx, &set, "{merged: {graph: {vamana: {degree: 16, build_window: 60}}, clusters: 1}}");
    assert_memory_equal(whole->links, merged->links, (size_t)N * (1 + whole->slots) * sizeof *whole->links);
    assert_int_equal(whole->entry, merged->entry);
    leann_graph_free(whole);
    leann_graph_free(merged);
    data_free(&set);
    leann_ctx_free(ctx);
}

/* Inside another graph, around one, and around itself; with fewer rows than clusters are usual, and with equal ones. */
static void composes(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    data set = data_new(ctx, 1200, 0), queries = data_new(ctx, 50, 1 << 20);
    static const char *const texts[] = {
        "{pruned: {graph: {merged: {graph: {hnsw: {M: 8, ef_construction: 60}}}}, mean_degree: 9}}",
        "{merged: {graph: {pruned: {graph: {hnsw: {M: 8, ef_construction: 60}}, mean_degree: 9}}}}",
        "{merged: {graph: {merged: {graph: {vamana: {degree: 16, build_window: 60}}, clusters: 3}}, clusters: 3}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        leann_graph *g = make(ctx, &set, texts[i]);
        assert_int_equal(in_reach(g), 1200);
        const double found = recall(ctx, &set, g, &queries, 60);
        if (!(found > 0.9)) fail_msg("%s: recall %g", texts[i], found);
        leann_graph_free(g);
    }
    for (uint32_t n = 1; n <= 5; n++) {
        data few = data_of(ctx, memcpy(malloc(5 * D * sizeof(float)), set.x, 5 * D * sizeof(float)), n, LEANN_F32);
        leann_graph *g = make(ctx, &few, "merged");
        assert_int_equal(in_reach(g), n);
        leann_graph_free(g);
        data_free(&few);
    }
    data equal = data_of(ctx, calloc(1000 * D, sizeof(float)), 1000, LEANN_F32);
    leann_graph *g = make(ctx, &equal, "merged");
    assert_true(in_reach(g) >= 10);
    leann_graph_free(g);
    data_free(&equal);
    data_free(&set);
    data_free(&queries);
    leann_ctx_free(ctx);
}

static void predicts_its_bytes(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(7, 1);
    data set = data_new(ctx, 700, 0);
    for (int kind = 0; kind < 2; kind++) {
        char text[256];
        merge_text(text, kind, ", clusters: 4");
        leann_choice choice = choose(ctx, text);
        leann_graph *g = make(ctx, &set, text);
        leann_ledger predicted, real;
        assert_true(g->slots == 16 && g->top_level == 0 && g->upper_slots == 0);
        leann_ledger_begin(&predicted);
        ((const leann_graph_type *)choice.plugin)->predict(700, 7, choice.params, &predicted);
        leann_ledger_begin(&real);
        leann_graph_predict(700, g->slots, 0, 0, &real);
        assert_memory_equal(&predicted, &real, sizeof real);
        leann_graph_free(g);
        leann_choice_free(choice);
    }
    leann_graph *g = make(ctx, &set, "{merged: {graph: {hnsw: {M: 4}}, clusters: 4, degree: 13}}"); /* lists of the parts have 8 */
    uint32_t most = 0;
    for (uint32_t i = 0; i < 700; i++) most = leann_graph_list(g, i)[0] > most ? leann_graph_list(g, i)[0] : most;
    assert_true(g->slots == 13 && most == 13);
    leann_graph_free(g);
    data_free(&set);
    leann_ctx_free(ctx);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"{merged: {graph: flat}}", "graph merged: flat has no links to merge"},
        {"{merged: {clusters: 41}}", "graph merged: clusters is 41, but there are 40 rows"},
    };
    leann_ctx *ctx = leann_ctx_new(1, 1);
    data set = data_new(ctx, 40, 0);
    for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
        const bool stopped = i == sizeof cases / sizeof *cases;
        leann_choice choice = choose(ctx, stopped ? "merged" : cases[i].text);
        leann_graph *g = NULL;
        if (stopped) leann_ctx_cancel(ctx);
        assert_int_equal(((const leann_graph_type *)choice.plugin)->build(ctx, set.oracle, choice.params, &g),
                         stopped ? LEANN_EINTR : LEANN_EINVAL);
        assert_null(g);
        if (!stopped) assert_string_equal(leann_ctx_error(ctx), cases[i].sentence);
        leann_choice_free(choice);
        leann_ctx_clear(ctx);
    }
    data_free(&set);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_the_whole_graph_finds),
        cmocka_unit_test(states_what_it_held),
        cmocka_unit_test(reaches_every_row),
        cmocka_unit_test(same_links_for_any_threads),
        cmocka_unit_test(one_cluster_is_the_graph),
        cmocka_unit_test(composes),
        cmocka_unit_test(predicts_its_bytes),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
