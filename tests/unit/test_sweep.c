/* test_sweep.c – sweeps: what is refused and why, how axes multiply, constraints, choosing some, identities.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "eval/sweep.h"

static leann_dataset_info data_of(uint32_t n, uint32_t d)
{
    leann_dataset_info info = {.name = "some", .distance = "euclidean", .n = n, .d = d, .queries = 100, .gt_k = 100, .type = LEANN_F32};
    return info;
}

static leann_status parse(leann_ctx *ctx, const char *text, leann_sweep **out)
{
    return leann_sweep_parse(ctx, "t", text, strlen(text), out);
}

/* Parses and expands over 10,000 x 32. */
static leann_status expand(leann_ctx *ctx, const char *text, leann_sweep **out)
{
    leann_dataset_info info[2] = {data_of(10000, 32), data_of(400, 20)};
    leann_status s = parse(ctx, text, out);
    if (s) return s;
    if ((s = leann_sweep_expand(ctx, *out, info))) {
        leann_sweep_free(*out);
        *out = NULL;
    }
    return s;
}

/* The sweep is refused, and the sentence holds the words. */
static void refused(const char *text, const char *words)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_sweep *sweep = NULL;
    leann_status s = expand(ctx, text, &sweep);
    if (!s || !strstr(leann_ctx_error(ctx), words)) {
        print_error("%s\n-> %s\nwants: %s\n", text, s ? leann_ctx_error(ctx) : "accepted", words);
        fail();
    }
    leann_sweep_free(sweep);
    leann_ctx_free(ctx);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("[1]", "must be a map");
    refused("{dta: x, k: 1, cells: [{method: flat}]}", "did you mean 'data'?");
    refused("{k: 1, cells: [{method: flat}]}", "data must be");
    refused("{data: x, k: 1}", "cells must be a list");
    refused("{data: x, k: 1, cells: []}", "cells must be a list");
    refused("{data: x, cells: [{method: flat}]}", "k is given neither");
    refused("{data: x, k: 0, cells: [{method: flat}]}", "k is 0, but must be 1");
    refused("{data: x, k: 1.5, cells: [{method: flat}]}", "k must be a whole number");
    refused("{data: x, k: [], cells: [{method: flat}]}", "empty list");
    refused("{data: x, k: 101, cells: [{method: flat}]}", "has 100 exact neighbours");
    refused("{data: x, k: 1, queries: 1, cells: [{method: flat}]}", "queries is 1");
    refused("{data: x, k: 1, queries: 101, cells: [{method: flat}]}", "has 100 test rows");
    refused("{data: x, k: 1, limits: {memory: 1}, cells: [{method: flat}]}", "did you mean 'memory_mb'?");
    refused("{data: x, k: 1, limits: {build_s: 0}, cells: [{method: flat}]}", "build_s is 0");
    refused("{data: x, k: 1, cells: [{methd: flat}]}", "cells[0] has an unknown key 'methd'; did you mean 'method'?");
    refused("{data: x, k: 1, cells: [{method: flat}, {build: {}}]}", "cells[1] has no method");
    refused("{data: x, k: 1, cells: [{method: falt}]}", "flat");
    refused("{data: x, k: 1, cells: [{method: graph, build: {grahp: hnsw}}]}", "did you mean 'graph'?");
    refused("{data: x, k: 1, cells: [{method: graph, query: {ef_serch: 3}}]}", "did you mean 'ef_search'?");
    refused("{data: x, k: 1, cells: [{method: graph, build: [], query: {ef_search: 3}}]}", "cells[0]: build is an empty list");
    refused("{data: x, k: 1, cells: [{method: flat}, {method: codes, build: {quantizer: {pq: {sub_vectors: []}}}}]}",
            "cells[1]: sub_vectors is an empty list, which is no axis");
    refused("{data: x, k: 1, cells: [{method: graph, query: {ef_search: 3}}], target_recall: 0.9}",
            "cells[0]: target_recall needs one query parameter with a grid");
    refused("{data: x, k: 1, cells: [{method: graph, query: {ef_search: {grid: [1, 9, 1.2]}}}], target_recall: 0.9}",
            "cells[0]: ef_search: the grid's ratio is 1.2; to reach a recall it must be at most 1.1");
    refused("{data: x, k: 1, cells: [{method: graph, query: {ef_search: {grid: [9, 1, 1.1]}}}], target_recall: 0.9}",
            "cells[0]: ef_search: {grid: [9, 1, 1.1]}: a grid is [from, to, ratio] with 0 < from <= to");
    refused("{data: x, k: 1, cells: [{method: graph, query: {ef_search: {grid: [1, 2]}}}], target_recall: 0.9}",
            "a grid is [from, to, ratio]");
    refused("{data: x, k: 1, target_recall: 1.1, cells: [{method: flat}]}", "target_recall is 1.1");
    refused("{data: x, k: 1, cells: [{method: flat, requires: 3}]}", "requires must be a text");
    refused("{data: x, k: 1, cells: [{method: flat, requires: \"build.selector == kmeans\"}]}", "never applies");
    refused("{data: x, k: 1, cells: [{method: flat, requires: \"n <\"}]}", "a value is missing at column");
    refused("{data: x, k: 1, cells: [{method: flat, requires: \"n + flat > 2\"}]}", "a number is wanted");
    refused("{data: x, k: 1, cells: [{method: flat, requires: \"n + 2\"}]}", "no comparison");
    refused("{data: x, k: 1, cells: [{method: anchor, requires: \"selector == kmeans\"}]}",
            "'selector' is a mere word; did you mean build.selector? The comparison ends at column 19");
    refused("{data: x, k: 1, cells: [{method: anchor, requires: \"kmeans != selector\"}]}", "did you mean build.selector?");
    refused("{data: x, k: 1, cells: [{method: anchor, requires: \"probes >= 2\"}]}", "did you mean query.probes?");
    refused("{data: x, k: 1, cells: [{method: anchor, requires: \"k == selektor\"}]}",
            "'selektor' is a mere word (parameters are build.NAME");
    refused("{data: x, k: 1, cells: [{method: flat}, {method: anchor, requires: \"build.selector == kmaens\"}]}",
            "cells[1]: requires \"build.selector == kmaens\" leaves out every cell");
    refused("{data: x, k: 1, cells: [{method: anchor, requires: \"n > 1000000\"}]}",
            "constraints leave no point over; anchor requires n > 1000000");
    refused("{data: x, k: 1, seed: 9e99, cells: [{method: flat}]}", "seed");
    refused("{data: x, k: 1, threads: 0, cells: [{method: flat}]}", "threads is 0");
    refused("{data: x, k: 1, point_seconds: 0, cells: [{method: flat}]}", "point_seconds is 0");
}

static void test_too_many(void **state)
{
    (void)state;
    char text[8192] = "{data: x, k: [";
    for (int i = 1; i <= 90; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "%d,", i);
    strcat(text, "], seed: [");
    for (int i = 0; i < 300; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "%d,", i);
    strcat(text, "], cells: [{method: flat}]}");
    refused(text, "the limit is 20000");
}

static void test_axes(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_sweep *sweep = NULL;
    const char *text =
        "{about: b, data: [x, y], k: [3, 10], seed: [1, 2], cells: [{method: graph, build: {graph: [flat, {hnsw: {M: [8, 16]}}]},"
        " query: {ef_search: [20, 30, 20]}}, {method: graph, build: {graph: flat}, query: {ef_search: 40}, k: 5}]}";
    assert_int_equal(expand(ctx, text, &sweep), LEANN_OK);
    assert_int_equal(sweep->cells, 2 * 2 * 3); /* data x seed x (flat, hnsw 8, hnsw 16); the second group's cell is the first's */
    assert_int_equal(leann_sweep_points(sweep), 4 * (3 * 2 * 2 + 1)); /* ef 20 and 30 (its repeat dropped) x k, and one more for flat */
    for (uint32_t i = 1; i < sweep->cells; i++) assert_true(sweep->cell[i - 1].data <= sweep->cell[i].data);
    assert_string_equal(sweep->cell[0].label, "graph graph=flat seed=1 data=x");
    leann_sweep_free(sweep);
    leann_ctx_free(ctx);
}

static void test_grid(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_sweep *sweep = NULL;
    const char *text = "{data: x, k: 3, target_recall: [0.9, 0.95], cells: [{method: graph, query: {ef_search: {grid: [10, 100, 1.1]}}}]}";
    assert_int_equal(expand(ctx, text, &sweep), LEANN_OK);
    assert_int_equal(leann_sweep_points(sweep), 2);
    const leann_point *p = &sweep->cell[0].point[0];
    assert_string_equal(p->grid_name, "ef_search");
    assert_true(p->grid_whole && p->grid[0] == 10 && p->grid[p->grid_n - 1] == 100);
    for (uint32_t i = 1; i < p->grid_n; i++) assert_true(p->grid[i] > p->grid[i - 1] && p->grid[i] <= p->grid[i - 1] * 1.1 + 1);
    leann_sweep_free(sweep);
    /* Without a recall to reach a grid is an axis, of any ratio. */
    assert_int_equal(expand(ctx, "{data: x, k: 3, cells: [{method: graph, query: {ef_search: {grid: [10, 80, 2]}}}]}", &sweep), LEANN_OK);
    assert_int_equal(leann_sweep_points(sweep), 4);
    leann_sweep_free(sweep);
    leann_ctx_free(ctx);
}

static void test_left_out(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_sweep *sweep = NULL;
    const char *text =
        "{data: x, k: [3, 10], cells: [{method: codes, build: {quantizer: [{pq: {sub_vectors: [8, 7]}}, sq]},"
        " query: {rerank: [0, 5]}, requires: [\"build.quantizer.pq.sub_vectors divides d\", \"query.rerank >= k or query.rerank == 0\"]}]}";
    assert_int_equal(expand(ctx, text, &sweep), LEANN_OK);
    assert_int_equal(sweep->cells, 2);
    assert_int_equal(leann_sweep_points(sweep), 2 * 3); /* rerank 5 with k 10 is out */
    assert_int_equal(sweep->left_outs, 1 + 2);
    uint32_t whole = 0;
    for (uint32_t i = 0; i < sweep->left_outs; i++) whole += !strcmp(sweep->left_out[i].label, "codes quantizer=pq(sub_vectors=7)");
    assert_int_equal(whole, 1); /* all its points for one reason: one entry */
    leann_sweep_free(sweep);
    /* A group may be for other data: the rest goes on. A constraint that another leaves nothing to is not called misspelt. */
    text = "{data: x, k: 1, cells: [{method: flat}, {method: anchor, requires: [\"build.anchors > n\", \"build.selector == random\"]}]}";
    assert_int_equal(expand(ctx, text, &sweep), LEANN_OK);
    assert_int_equal(sweep->cells, 1);
    assert_int_equal(sweep->left_outs, 1);
    leann_sweep_free(sweep);
    leann_ctx_free(ctx);
}

static void test_refused_cell(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_sweep *sweep = NULL;
    assert_int_equal(expand(ctx, "{data: x, k: 3, cells: [{method: codes, build: {quantizer: {pq: {sub_vectors: 7}}}}]}", &sweep),
                     LEANN_OK);
    assert_int_equal(sweep->cell[0].refused, LEANN_EINVAL); /* a row with this error, not the end of the sweep */
    assert_non_null(strstr(sweep->cell[0].error, "7"));
    assert_int_equal(leann_ctx_status(ctx), LEANN_OK);
    leann_sweep_free(sweep);
    leann_ctx_free(ctx);
}

static bool holds(const char *text)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *build = NULL, *query = NULL;
    leann_verdict verdict = {0};
    const char *b = "{anchors: {sqrt_n: 2}, quantizer: {pq: {sub_vectors: 8}}, selector: stratified-kmeans, on: true}", *q = "{probes: 16}";
    assert_int_equal(leann_config_parse(ctx, "b", b, strlen(b), &build), LEANN_OK);
    assert_int_equal(leann_config_parse(ctx, "q", q, strlen(q), &query), LEANN_OK);
    leann_facts facts = {build, query, "anchor", 10000, 32, 100, 10, 1};
    if (leann_requires(ctx, text, &facts, &verdict)) {
        print_error("%s: %s\n", text, leann_ctx_error(ctx));
        fail();
    }
    leann_value_free(build);
    leann_value_free(query);
    leann_ctx_free(ctx);
    return verdict.holds;
}

static void test_requires(void **state)
{
    (void)state;
    assert_true(holds("build.anchors == 200"));
    assert_true(holds("build.anchors <= n / 50"));
    assert_false(holds("build.anchors < n / 50"));
    assert_true(holds("build.quantizer.pq.sub_vectors divides d"));
    assert_false(holds("3 divides d"));
    assert_true(holds("build.quantizer == pq and build.selector == stratified-kmeans"));
    assert_true(holds("method == anchor"));
    assert_true(holds("build.on == yes"));
    assert_false(holds("n < 10 or d - 2 > 30"));
    assert_true(holds("(n < 10 or d > 30) and k <= query.probes"));
    assert_true(holds("1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 8 / 2 / 2 == 2 and 8 - 2 - 2 == 4"));
    assert_true(holds("sqrt(n) * 2 == build.anchors"));
    assert_true(holds("-d < 0 and queries == 100 and seed == 1"));
    assert_true(holds("build.quantizer.sq.bits > 100")); /* names what is not there: holds */
    assert_true(holds("build.selector != kmeans"));
}

static void test_only(void **state)
{
    (void)state;
    const char *text = "{data: [x, y], k: [3, 10], seed: [1, 2], cells: [{method: graph, build: {graph: [flat, {hnsw: {M: [8, 16]}}]},"
                       " query: {ef_search: [20, 30]}}, {method: flat}]}";
    const struct {
        const char *only;
        uint32_t points; /* 0: refused */
    } rows[] = {
        {"method=flat", 8},          {"method=flat,k=3", 4},    {"k=3,k=10,data=x", 28}, {"graph=hnsw", 32}, {"build.graph.hnsw.M=8", 16},
        {"ef_search=20,seed=2", 12}, {"query.ef_search=99", 0}, {"colour=red", 0},       {"k", 0},           {"", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        leann_ctx *ctx = leann_ctx_new(1, 1);
        leann_sweep *sweep = NULL;
        assert_int_equal(expand(ctx, text, &sweep), LEANN_OK);
        leann_status s = leann_sweep_only(ctx, sweep, rows[i].only);
        if (rows[i].points)
            assert_int_equal(leann_sweep_points(sweep), rows[i].points);
        else
            assert_int_equal(s, LEANN_EINVAL);
        leann_sweep_free(sweep);
        leann_ctx_free(ctx);
    }
}

static void test_identity(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_sweep *a = NULL, *b = NULL;
    /* Defaults said or not, other limits, another order: the same points. Another seed or checksum: others. */
    assert_int_equal(expand(ctx, "{data: x, k: 3, threads: 2, cells: [{method: graph, build: {graph: hnsw}}]}", &a), LEANN_OK);
    assert_int_equal(
        expand(ctx, "{data: z, k: 3, threads: 2, limits: {build_s: 5}, cells: [{query: {}, build: {graph: {hnsw: {}}}, method: graph}]}",
               &b),
        LEANN_OK);
    assert_int_equal(leann_sweep_identify(ctx, a, 0, "00ff"), LEANN_OK);
    assert_int_equal(leann_sweep_identify(ctx, b, 0, "00ff"), LEANN_OK);
    assert_string_equal(a->cell[0].identity, b->cell[0].identity);
    assert_string_equal(a->cell[0].point[0].identity, b->cell[0].point[0].identity);
    assert_non_null(strstr(a->cell[0].point[0].identity, "\"graph hnsw\":"));
    assert_int_equal(leann_sweep_identify(ctx, b, 0, "00fe"), LEANN_OK);
    assert_string_not_equal(a->cell[0].point[0].identity, b->cell[0].point[0].identity);
    leann_sweep_free(a);
    leann_sweep_free(b);
    leann_ctx_free(ctx);
}

/* An index over passages holds references to them: its bytes are predicted with them, and its results are others than those from before
 * there were any; those over other data keep their names. */
static void test_passages(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_sweep *sweep = NULL;
    leann_dataset_info info[2] = {data_of(10000, 32), data_of(10000, 32)};
    leann_ledger alone;
    info[1].references = (leann_references_shape){.n = 10000, .files = 500, .end = 5750000, .gap_bits = 2, .path_bytes = 9000};
    assert_int_equal(parse(ctx, "{data: [x, z], k: 3, cells: [{method: flat}]}", &sweep), LEANN_OK);
    assert_int_equal(leann_sweep_expand(ctx, sweep, info), LEANN_OK);
    for (uint32_t data = 0; data < 2; data++) assert_int_equal(leann_sweep_identify(ctx, sweep, data, "00ff"), LEANN_OK);
    const leann_cell *plain = &sweep->cell[sweep->cell[1].data == 0], *text = &sweep->cell[sweep->cell[1].data == 1];
    leann_ledger_begin(&alone);
    leann_references_predict(&info[1].references, &alone);
    assert_true(text->predicted_bytes >= plain->predicted_bytes + alone.bytes[LEANN_PART_IDS]);
    assert_true(text->predicted_bytes < plain->predicted_bytes + alone.bytes[LEANN_PART_IDS] + 2000);
    assert_null(strstr(plain->identity, "references"));
    assert_non_null(strstr(text->identity, "\"references\":1"));
    assert_null(strstr(plain->point[0].identity, "references"));
    assert_non_null(strstr(text->point[0].identity, "\"references\":1"));
    leann_sweep_free(sweep);
    leann_ctx_free(ctx);
}

static uint32_t strata[3];
static leann_status labels(const leann_dataset *self, leann_ctx *ctx, const char *name, const uint32_t **label, uint32_t *count)
{
    (void)self;
    *label = strata;
    *count = 3;
    return strcmp(name, "stratum") ? leann_fail(ctx, LEANN_ENOTFOUND, "no dataset %s for labels", name) : LEANN_OK;
}

/* Cells that name labels are others when the labels are; a name that is not there is left to the build. */
static void test_labels(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_sweep *sweep = NULL;
    leann_dataset data = {.name = "x", .sha = "00ff", .train = {.n = 3, .d = 32}, .labels = labels};
    char before[3][1024];
    const char *text =
        "{data: x, k: 3, cells: [{method: anchor, build: {selector: [kmeans, {stratified-kmeans: {group_by: [stratum, none]}}]}}]}";
    assert_int_equal(expand(ctx, text, &sweep), LEANN_OK);
    assert_int_equal(sweep->cells, 3);
    for (uint32_t pass = 0; pass < 2; pass++) {
        strata[1] = pass;
        assert_int_equal(leann_sweep_labels(ctx, sweep, 0, &data), LEANN_OK);
        assert_int_equal(leann_ctx_status(ctx), LEANN_OK);
        assert_int_equal(leann_sweep_identify(ctx, sweep, 0, "00ff"), LEANN_OK);
        for (uint32_t i = 0; i < 3; i++) {
            bool named = strstr(sweep->cell[i].identity, "\"stratum\"") != NULL;
            assert_int_equal(strlen(sweep->cell[i].labels), named ? 64 : 0);
            assert_int_equal(strstr(sweep->cell[i].identity, "\"labels\"") != NULL, named);
            if (pass) assert_int_equal(strcmp(before[i], sweep->cell[i].point[0].identity) != 0, named);
            snprintf(before[i], sizeof before[i], "%s", sweep->cell[i].point[0].identity);
        }
    }
    leann_sweep_free(sweep);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_too_many),     cmocka_unit_test(test_axes),     cmocka_unit_test(test_grid),
        cmocka_unit_test(test_left_out), cmocka_unit_test(test_refused_cell), cmocka_unit_test(test_requires), cmocka_unit_test(test_only),
        cmocka_unit_test(test_identity), cmocka_unit_test(test_passages),     cmocka_unit_test(test_labels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
