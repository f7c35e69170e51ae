/* test_graph_build.c – what hnsw and vamana build: recall against the flat scan, the pruning rule against the textbook's loop, the same
 * links for any number of threads, predicted bytes, and rows that are few, equal or fewer than a row's links.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "graphs/linker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    leann_rows rows;
    leann_oracle *oracle;
    float *x;
} data;

/* Gaussian rows, or equal ones. */
static data data_new(leann_ctx *ctx, uint32_t n, uint32_t d, bool equal)
{
    data set = {.x = malloc((size_t)n * d * sizeof(float))};
    leann_rng rng = leann_rng_at(3, "rows", 0);
    for (size_t i = 0; i < (size_t)n * d; i++) set.x[i] = equal ? 2 : (float)leann_rng_normal(&rng);
    set.rows = (leann_rows){set.x, d * sizeof(float), n, d, LEANN_F32, LEANN_L2};
    assert_int_equal(leann_oracle_new(ctx, set.rows, &set.oracle), LEANN_OK);
    return set;
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
    leann_graph *g;
    leann_choice choice = choose(ctx, text);
    const leann_graph_type *type = (const leann_graph_type *)choice.plugin;
    assert_int_equal(type->build(ctx, set->oracle, choice.params, &g), LEANN_OK);
    assert_int_equal(leann_graph_check(ctx, g), LEANN_OK);
    assert_int_equal(g->default_ef, type->default_ef(choice.params));
    leann_choice_free(choice);
    return g;
}

static uint32_t find(leann_ctx *ctx, const data *set, const leann_graph *g, const float *q, uint32_t ef, uint32_t k, uint32_t *ids)
{
    float key[512];
    uint32_t found;
    size_t mark = leann_scratch_mark(ctx);
    leann_scorer *scorer = leann_rows_scorer(ctx, set->rows, q);
    assert_int_equal(leann_graph_search(ctx, g, scorer, ef, k, ids, key, &found), LEANN_OK);
    leann_scratch_reset(ctx, mark);
    return found;
}

static const char *const kinds[] = {"{hnsw: {M: 8, ef_construction: 60}}", "{vamana: {degree: 16, build_window: 60}}",
                                    "{vamana: {degree: 16, build_window: 60, passes: 1}}",
                                    "{pruned: {graph: {hnsw: {M: 8, ef_construction: 60}}, mean_degree: 8}}",
                                    "{pruned: {graph: {vamana: {degree: 16, build_window: 60}}, rule: random, mean_degree: 10}}"};
enum { KINDS = sizeof kinds / sizeof *kinds, ANEW = 3 }; /* the kind whose links are chosen anew among the nearest, whatever the seed */

static void finds_what_the_scan_finds(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    data set = data_new(ctx, 2000, 8, false);
    leann_graph *flat = make(ctx, &set, "flat");
    for (int kind = 0; kind < KINDS; kind++) {
        leann_graph *g = make(ctx, &set, kinds[kind]);
        leann_rng rng = leann_rng_at(4, "queries", 0);
        uint32_t right = 0;
        assert_true(g->slots == 16 && leann_graph_mean_degree(g) > 4);
        leann_ctx_work(ctx)->dist_comps = 0;
        for (int i = 0; i < 100; i++) {
            float q[8];
            uint32_t near[10], truth[10];
            for (int j = 0; j < 8; j++) q[j] = (float)leann_rng_normal(&rng);
            assert_int_equal(find(ctx, &set, g, q, 50, 10, near), 10);
            uint64_t walked = leann_ctx_work(ctx)->dist_comps;
            assert_int_equal(find(ctx, &set, flat, q, 10, 10, truth), 10);
            leann_ctx_work(ctx)->dist_comps = walked;
            for (int a = 0; a < 10; a++)
                for (int b = 0; b < 10; b++) right += near[a] == truth[b];
        }
        assert_true(right >= 970);                                /* of 1,000 */
        assert_true(leann_ctx_work(ctx)->dist_comps < 100 * 500); /* a quarter of the scan's */
        leann_graph_free(g);
    }
    leann_graph_free(flat);
    data_free(&set);
    leann_ctx_free(ctx);
}

static void same_links_for_any_threads(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        leann_graph *g[3];
        for (unsigned i = 0; i < 3; i++) { /* 1 and 3 threads, then another seed */
            leann_ctx *ctx = leann_ctx_new(i == 2 ? 9 : 1, i == 1 ? 3 : 1);
            data set = data_new(ctx, 1500, 6, false);
            g[i] = make(ctx, &set, kinds[kind]);
            data_free(&set);
            leann_ctx_free(ctx);
        }
        size_t bytes = (size_t)1500 * (1 + g[0]->slots) * 4;
        assert_memory_equal(g[0]->links, g[1]->links, bytes);
        assert_int_equal(g[0]->entry, g[1]->entry);
        if (g[0]->levels) assert_memory_equal(g[0]->levels, g[1]->levels, 1500);
        if (kind != ANEW) assert_true(memcmp(g[0]->links, g[2]->links, bytes) != 0);
        for (int i = 0; i < 3; i++) leann_graph_free(g[i]);
    }
}

/* Hubs are the rows with most links and keep many; all others few; each of a row's own links has a link back, or met a full list. */
static void prunes_but_hubs(void **state)
{
    (void)state;
    enum { N = 3000, HUBS = 60 };
    leann_ctx *ctx = leann_ctx_new(1, 2);
    data set = data_new(ctx, N, 8, false);
    leann_graph *full = make(ctx, &set, "{hnsw: {M: 12, ef_construction: 80}}");
    leann_graph *pruned = make(ctx, &set, "{pruned: {graph: {hnsw: {M: 12, ef_construction: 80}}, mean_degree: 6}}");
    leann_graph *random = make(ctx, &set, "{pruned: {graph: {hnsw: {M: 12, ef_construction: 80}}, rule: random, mean_degree: 6}}");
    assert_true(leann_graph_mean_degree(full) > 9);
    assert_true(fabs(leann_graph_mean_degree(pruned) - 5.95) < 0.05 && fabs(leann_graph_mean_degree(random) - 5.95) < 0.2);
    uint32_t by_degree[25] = {0}, least = 24, above = 0;
    for (uint32_t i = 0; i < N; i++) by_degree[leann_graph_list(full, i)[0]]++;
    while (above + by_degree[least] <= HUBS) above += by_degree[least--]; /* all with more are hubs */
    double of_hubs = 0, of_others = 0;
    for (uint32_t i = 0; i < N; i++) *(leann_graph_list(full, i)[0] > least ? &of_hubs : &of_others) += leann_graph_list(pruned, i)[0];
    assert_true(above > 0 && of_hubs / above > 1.5 * of_others / (N - above));
    for (uint32_t i = 0; i < N; i++) { /* a random one has nothing but links that were there, and those that reach every row */
        const uint32_t *list = leann_graph_list(random, i), *was = leann_graph_list(full, i);
        uint32_t added = list[0];
        for (uint32_t a = 1; a <= list[0]; a++)
            for (uint32_t b = 1; b <= was[0]; b++) added -= list[a] == was[b];
        assert_true(added <= 2);
    }
    assert_memory_equal(full->levels, pruned->levels, N);
    leann_graph_free(full);
    leann_graph_free(pruned);
    leann_graph_free(random);
    leann_choice none = choose(ctx, "{pruned: {graph: flat}}");
    leann_graph *g;
    assert_int_equal(((const leann_graph_type *)none.plugin)->build(ctx, set.oracle, none.params, &g), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "flat has no links to prune"));
    leann_choice_free(none);
    data_free(&set);
    leann_ctx_free(ctx);
}

static bool textbook_takes(const data *set, const leann_hit *chosen, uint32_t m, leann_hit cand, float slack)
{
    for (uint32_t s = 0; s < m && leann_hit_before(chosen[s], cand); s++) {
        float key;
        set->oracle->list(set->oracle, chosen[s].id, (leann_span){LEANN_NONE, cand.id, 1, NULL}, INFINITY, &key);
        if (slack * key < cand.key) return false;
    }
    return true;
}

/* The textbook's loop: a candidate stays when no chosen, nearer one is nearer to it than the row is; then others, with slack. */
static void prunes_as_the_textbook(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    enum { N = 300 };
    data set = data_new(ctx, N, 3, false);
    static const float slacks[] = {1, 1.2f, 1.7f};
    for (uint32_t row = 0; row < 12; row++) {
        leann_hit cand[N], out[N], expected[N];
        leann_linker linker = {.oracle = set.oracle, .slack = slacks[row % 3]};
        uint32_t n = 0, most = row < 6 ? 6 : N, m = 0, chosen;
        for (uint32_t i = 0; i < N; i++) {
            float key;
            if (i == row) continue;
            set.oracle->list(set.oracle, row, (leann_span){LEANN_NONE, i, 1, NULL}, INFINITY, &key);
            leann_hits_insert(cand, n++, (leann_hit){key, i});
        }
        for (uint32_t i = 0; i < n && m < most; i++)
            if (textbook_takes(&set, expected, m, cand[i], 1)) expected[m++] = cand[i];
        for (uint32_t i = 0; i < n && m < most; i++) {
            bool there = false;
            for (uint32_t s = 0; s < m; s++) there = there || expected[s].id == cand[i].id;
            if (!there && textbook_takes(&set, expected, m, cand[i], linker.slack)) leann_hits_insert(expected, m++, cand[i]);
        }
        chosen = leann_linker_select(ctx, &linker, cand, n, most, out);
        assert_int_equal(chosen, m);
        for (uint32_t i = 0; i < m; i++) assert_int_equal(out[i].id, expected[i].id);
        chosen = leann_linker_select(ctx, &linker, cand, n, most, cand); /* in place */
        assert_int_equal(chosen, m);
        assert_int_equal(cand[m - 1].id, expected[m - 1].id);
    }
    data_free(&set);
    leann_ctx_free(ctx);
}

/* 1, 2 and few rows, distinct and equal, with more links than rows: all are found. */
static void few_and_equal_rows(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    static const uint32_t sizes[] = {1, 2, 3, 17, 33};
    static const char *const words[] = {"flat", "hnsw", "{hnsw: {M: 128}}", "vamana", "{vamana: {degree: 512, alpha: 2}}"};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++)
        for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
            uint32_t n = sizes[i / 2], ids[33];
            data set = data_new(ctx, n, 4, i % 2);
            leann_graph *g = make(ctx, &set, words[w]);
            assert_int_equal(find(ctx, &set, g, set.x, n, n, ids), n);
            assert_int_equal(ids[0], 0);
            leann_graph_free(g);
            data_free(&set);
        }
    data equal = data_new(ctx, 1000, 4, true);
    for (int kind = 0; kind < KINDS; kind++) {
        uint32_t ids[10];
        leann_graph *g = make(ctx, &equal, kinds[kind]);
        assert_int_equal(find(ctx, &equal, g, equal.x, 10, 10, ids), 10);
        leann_graph_free(g);
    }
    data_free(&equal);
    leann_ctx_free(ctx);
}

/* Tight clusters far apart: pruning alone leaves some 20 of these rows where no walk comes. */
static void reaches_every_node(void **state)
{
    (void)state;
    enum { N = 1500, D = 24, ROWS = 100 };
    leann_ctx *ctx = leann_ctx_new(1, 2);
    data set = data_new(ctx, N, D, false);
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < D; j++) {
            leann_rng centre = leann_rng_at(4, "centre", (uint64_t)(i / ROWS) * D + j);
            set.x[i * D + j] = 0.001F * set.x[i * D + j] + (float)leann_rng_normal(&centre);
        }
    static const char *const few[] = {"{hnsw: {M: 4, ef_construction: 20}}", "{vamana: {degree: 8, build_window: 20}}"};
    for (size_t kind = 0; kind < 2; kind++) {
        leann_graph *g = make(ctx, &set, few[kind]);
        uint32_t queue[N], end = 0;
        bool met[N] = {false};
        met[queue[end++] = g->entry] = true;
        for (uint32_t at = 0; at < end; at++) {
            const uint32_t *list = leann_graph_list(g, queue[at]);
            for (uint32_t i = 1; i <= list[0]; i++)
                if (!met[list[i]]) met[queue[end++] = list[i]] = true;
        }
        assert_int_equal(end, N);
        leann_graph_free(g);
    }
    data_free(&set);
    leann_ctx_free(ctx);
}

/* 10,000 rows and more are judged by codes of 8 bits where these will do: by whole numbers nothing changes, by others next to nothing, and
 * where a far row makes codes coarse, rows are judged themselves. */
static void judged_by_codes(void **state)
{
    (void)state;
    enum { N = 10000, D = 5, WHOLE, FINE, COARSE };
    static const char *const words[][2] = {
        {"{hnsw: {M: 4, ef_construction: 20}}", "{hnsw: {M: 4, ef_construction: 20, judge: rows}}"},
        {"{vamana: {degree: 8, build_window: 20, passes: 1}}", "{vamana: {degree: 8, build_window: 20, passes: 1, judge: rows}}"}};
    leann_ctx *ctx = leann_ctx_new(1, 1), *three = leann_ctx_new(1, 3);
    data set = data_new(ctx, N, D, false);
    for (int kind = WHOLE; kind <= COARSE; kind++) {
        if (kind == WHOLE)
            for (size_t i = 0; i < (size_t)N * D; i++) set.x[i] = rintf(25 * set.x[i]);
        for (size_t i = 0; kind == FINE && i < (size_t)N * D; i++) set.x[i] += 1e-3f * (float)(i % 7);
        if (kind == COARSE) set.x[0] = 1e6f;
        for (int w = 0; w < 2; w++) {
            leann_ctx_facts_clear(ctx);
            leann_graph *rows = make(ctx, &set, words[w][1]);
            assert_int_equal(leann_ctx_facts(ctx), 0);
            leann_graph *codes = make(ctx, &set, words[w][0]), *again = make(three, &set, words[w][0]);
            double share = 0;
            if (leann_ctx_facts(ctx) > 0) assert_string_equal(leann_ctx_fact_at(ctx, 0, &share), "links_by_codes");
            assert_true(kind == COARSE ? share == 0 : kind == WHOLE ? share == 1 : share >= 0.9);
            size_t bytes = (size_t)N * (1 + rows->slots) * sizeof *rows->links;
            assert_memory_equal(codes->links, again->links, bytes);
            assert_int_equal(memcmp(codes->links, rows->links, bytes) == 0, kind != FINE);
            leann_graph_free(rows);
            leann_graph_free(codes);
            leann_graph_free(again);
        }
    }
    data_free(&set);
    leann_ctx_free(three);
    leann_ctx_free(ctx);
}

static void shorthand_and_prediction(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(7, 2);
    data set = data_new(ctx, 700, 4, false);
    static const struct {
        const char *text;
        uint32_t slots, ef;
    } cases[] = {{"{hnsw: {complexity: low}}", 24, 50},
                 {"hnsw", 32, 100},
                 {"{hnsw: {complexity: high, ef_search: 33}}", 64, 33},
                 {"{hnsw: {M: 2}}", 4, 100},
                 {"{vamana: {complexity: low}}", 24, 50},
                 {"{vamana: {degree: 11}}", 11, 100},
                 {"flat", 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leann_choice choice = choose(ctx, cases[i].text);
        const leann_graph_type *type = (const leann_graph_type *)choice.plugin;
        leann_graph *g = make(ctx, &set, cases[i].text);
        leann_ledger predicted, real;
        uint64_t lists = 0;
        for (uint32_t j = 0; g->levels && j < g->n; j++) lists += g->levels[j];
        assert_int_equal(g->slots, cases[i].slots);
        assert_int_equal(g->default_ef, cases[i].ef);
        leann_ledger_begin(&predicted);
        type->predict(700, 7, choice.params, &predicted);
        leann_ledger_begin(&real);
        leann_graph_predict(700, g->slots, g->upper_slots, lists, &real);
        assert_memory_equal(&predicted, &real, sizeof real);
        leann_graph_free(g);
        leann_choice_free(choice);
    }
    data_free(&set);
    leann_ctx_free(ctx);
}

static void stops_when_cancelled(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        leann_ctx *ctx = leann_ctx_new(1, 2);
        data set = data_new(ctx, 500, 4, false);
        leann_choice choice = choose(ctx, kinds[kind]);
        leann_graph *g = NULL;
        leann_ctx_cancel(ctx);
        assert_int_equal(((const leann_graph_type *)choice.plugin)->build(ctx, set.oracle, choice.params, &g), LEANN_EINTR);
        assert_null(g);
        leann_choice_free(choice);
        data_free(&set);
        leann_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_the_scan_finds), cmocka_unit_test(same_links_for_any_threads), cmocka_unit_test(prunes_as_the_textbook),
        cmocka_unit_test(prunes_but_hubs),           cmocka_unit_test(few_and_equal_rows),         cmocka_unit_test(judged_by_codes),
        cmocka_unit_test(shorthand_and_prediction),  cmocka_unit_test(reaches_every_node),         cmocka_unit_test(stops_when_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
