/* test_measures.c – raw results whose measures are known by construction become the right rows; bad files become rows with errors.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/container.h"
#include "datasets/datasets.h"
#include "eval/compare.h"
#include "eval/measures_row.h"
#include "eval/provenance.h"

enum { N = 40, Q = 8, K = 4 };
static char folder[] = "/tmp/leann_measures_XXXXXX";
static char path[256]; /* of the data set */

/* Points 0 … N - 1 on a line, query q at q + 0.25: its neighbours are q, q + 1, q - 1, q + 2 … */
static void make_data(leann_ctx *ctx)
{
    float train[N], test[Q];
    uint32_t near[Q * N];
    double dist[Q * N];
    for (uint32_t i = 0; i < N; i++) train[i] = (float)i;
    for (uint32_t q = 0; q < Q; q++) {
        test[q] = (float)q + 0.25F;
        for (uint32_t j = 0; j < N; j++) { /* insertion by distance */
            double d = fabs((double)j - q - 0.25);
            uint32_t at = j;
            for (; at && dist[q * N + at - 1] > d; at--) dist[q * N + at] = dist[q * N + at - 1], near[q * N + at] = near[q * N + at - 1];
            dist[q * N + at] = d;
            near[q * N + at] = j;
        }
    }
    leann_rows rows = {train, sizeof(float), N, 1, LEANN_F32, LEANN_L2}, tests = {test, sizeof(float), Q, 1, LEANN_F32, LEANN_L2};
    snprintf(path, sizeof path, "%s/line.hdf5", folder);
    assert_int_equal(leann_dataset_write(ctx, path, rows, tests, near, dist, N), LEANN_OK);
}

static leann_value *parse(leann_ctx *ctx, const char *text)
{
    leann_value *v = NULL;
    assert_int_equal(leann_value_parse(ctx, "test", text, strlen(text), &v), LEANN_OK);
    return v;
}

/* wrong: answers of query 0 that are no neighbours. */
static void save(leann_ctx *ctx, const char *results, const char *name, unsigned wrong, unsigned ef, int seed, const char *status)
{
    leann_result r = {.n = Q, .k = K, .t = Q, .repeats = 3, .cold_ns = 5000000};
    leann_dataset *data = NULL;
    char text[512], file[512];
    assert_int_equal(leann_dataset_open(ctx, path, &data), LEANN_OK);
    r.provenance = leann_provenance(data, 1);
    r.identity = leann_format(ctx, "{\"name\":\"%s\"}", name);
    r.sweep = leann_format(ctx, "s");
    r.dataset = leann_format(ctx, "line");
    r.status = leann_format(ctx, "%s", status);
    r.error = leann_format(ctx, "%s", strcmp(status, "ok") ? "it was too slow" : "");
    r.build =
        parse(ctx, "{\"build_s\": 2.5, \"index_bytes\": 80, \"ledger\": {\"graph\": 30, \"vectors\": 50}, \"facts\": {\"coverage\": 0.5}}");
    snprintf(
        text, sizeof text,
        "{\"method\": \"graph\", \"build\": {\"graph\": {\"hnsw\": {\"M\": 4}}, \"vectors\": \"source\"}, \"dataset\": \"line\", "
        "\"distance\": \"euclidean\", \"n\": %d, \"d\": 1, \"source_type\": \"f32\", \"query\": {\"ef_search\": %u}, \"k\": %d, "
        "\"seed\": %d, \"threads\": 1, \"target_recall\": null, \"cell\": \"graph graph=hnsw seed=%d\", \"point\": \"k=4 ef_search=%u\"}",
        N, ef, K, seed, seed, ef);
    r.config = parse(ctx, text);
    r.query_rows = leann_alloc(ctx, Q, sizeof *r.query_rows);
    r.ids = leann_alloc(ctx, Q * K, sizeof *r.ids);
    r.dist = leann_alloc(ctx, Q * K, sizeof *r.dist);
    r.work = leann_alloc(ctx, Q * LEANN_RESULT_WORK, sizeof *r.work);
    r.timed_rows = leann_alloc(ctx, Q, sizeof *r.timed_rows);
    r.times_ns = leann_alloc(ctx, 3 * Q, sizeof *r.times_ns);
    for (uint32_t q = 0; q < Q; q++) {
        r.query_rows[q] = r.timed_rows[q] = q;
        for (uint32_t j = 0; j < K; j++) r.ids[q * K + j] = data->neighbors[q * data->gt_k + j];
        r.work[q * LEANN_RESULT_WORK] = 10 * q;
        r.work[q * LEANN_RESULT_WORK + 2] = ef;
        r.work[q * LEANN_RESULT_WORK + 9] = 3;
        r.work[q * LEANN_RESULT_WORK + 6] = q + 1 == Q ? 16000000 : (q + 1) * 1000000;   /* the last query is slow */
        for (uint32_t p = 0; p < 3; p++) r.times_ns[p * Q + q] = (p + 1) * 1000000 * ef; /* passes take 1, 2, 3 ms a query times ef */
    }
    for (unsigned i = 0; i < wrong; i++) r.ids[i] = N - 1 - i;
    if (strcmp(status, "ok")) r.n = r.t = 0;
    snprintf(file, sizeof file, "%s/raw", results);
    assert_int_equal(leann_folder_make(ctx, file), LEANN_OK);
    snprintf(file, sizeof file, "%s/raw/%s.h5", results, name);
    assert_int_equal(leann_result_save(ctx, &r, file), LEANN_OK);
    leann_result_clear(&r);
    leann_dataset_free(data);
}

static char *results_folder(leann_ctx *ctx, const char *name)
{
    char text[1024];
    char *results = leann_format(ctx, "%s/%s", folder, name), *file = leann_format(ctx, "%s/sweep.json", results);
    assert_int_equal(leann_folder_make(ctx, results), LEANN_OK);
    int bytes = snprintf(text, sizeof text, "{\"data\": \"%s\"}", path);
    assert_int_equal(leann_file_write(ctx, file, text, (size_t)bytes), LEANN_OK);
    leann_free(file);
    return results;
}

static void near(double is, double wanted)
{
    if (!(fabs(is - wanted) <= 1e-9 * fabs(wanted) + 1e-12)) fail_msg("%.12g, not %.12g", is, wanted);
}

static void test_rows(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    char *results = results_folder(ctx, "rows"), file[512];
    save(ctx, results, "a", 3, 1, 1, "ok");
    save(ctx, results, "b", 0, 2, 1, "limit");
    snprintf(file, sizeof file, "%s/raw/c.h5", results);
    assert_int_equal(leann_file_write(ctx, file, "not HDF5 at all", 15), LEANN_OK);
    snprintf(file, sizeof file, "cp '%s' '%s/raw/d.h5'", path, results); /* HDF5, but no result */
    assert_int_equal(system(file), 0);
    leann_measures *m = NULL;
    assert_int_equal(leann_measures_open(ctx, results, &m), LEANN_OK);
    leann_table *t = leann_measures_table(m);
    assert_int_equal(leann_table_rows(t), 4);
    for (size_t i = 0; leann_measures_columns[i]; i++) assert_string_equal(leann_table_name(t, i), leann_measures_columns[i]);
    size_t ok = 9, limit = 9, bad = 9, foreign = 9;
    for (size_t i = 0; i < 4; i++) {
        const char *raw = leann_table_text(t, i, "raw");
        *(*raw == 'a' ? &ok : *raw == 'b' ? &limit : *raw == 'c' ? &bad : &foreign) = i;
    }
    near(leann_table_get(t, ok, "recall"), 1 - 3.0 / (Q * K));
    near(leann_table_get(t, ok, "recall_annb"), 1 - 3.0 / (Q * K));
    assert_true(leann_table_get(t, ok, "recall_lo") < leann_table_get(t, ok, "recall"));
    near(leann_table_get(t, ok, "qps"), 500);
    near(leann_table_get(t, ok, "qps_hi"), 1000);
    near(leann_table_get(t, ok, "qps_lo"), 1000.0 / 3);
    near(leann_table_get(t, ok, "p99_ms"), 2);
    near(leann_table_get(t, ok, "cold_ms"), 5);
    assert_true(isnan(leann_table_get(t, ok, "p999_ms")));
    near(leann_table_get(t, ok, "dist_comps"), 35);
    near(leann_table_get(t, ok, "fetches"), 1);
    near(leann_table_get(t, ok, "pages"), 3);
    near(leann_table_get(t, ok, "stage0_p50_ms"), 4.5);
    near(leann_table_get(t, ok, "stage0_ms"), 5.5);
    near(leann_table_get(t, ok, "ratio_vectors"), 80.0 / (N * 4));
    near(leann_table_get(t, ok, "bytes_graph"), 30);
    near(leann_table_get(t, ok, "coverage"), 0.5);
    near(leann_table_get(t, ok, "build_s"), 2.5);
    assert_string_equal(leann_table_text(t, ok, "label"), "hnsw");
    assert_string_equal(leann_table_text(t, ok, "cell"), "graph graph=hnsw");
    assert_string_equal(leann_table_text(t, limit, "error"), "it was too slow");
    assert_true(isnan(leann_table_get(t, limit, "qps")));
    assert_string_equal(leann_table_text(t, bad, "status"), "format");
    assert_string_equal(leann_table_text(t, foreign, "status"), "format");
    assert_non_null(strstr(leann_table_text(t, foreign, "error"), "no attribute"));
    leann_measures_free(m);
    leann_free(results);
    leann_ctx_free(ctx);
}

/* Answers that were measured on other rows are not judged by these. */
static void test_changed_data(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char *results = results_folder(ctx, "changed"), *file = leann_format(ctx, "%s/raw/a.h5", results);
    save(ctx, results, "a", 0, 1, 1, "ok");
    leann_result r;
    assert_int_equal(leann_result_load(ctx, file, &r), LEANN_OK);
    leann_value_set(leann_value_get(r.provenance, "data"), "train", leann_value_new_text("0123456789abcdef"));
    assert_int_equal(leann_result_save(ctx, &r, file), LEANN_OK);
    leann_result_clear(&r);
    leann_measures *m = NULL;
    assert_int_equal(leann_measures_open(ctx, results, &m), LEANN_OK);
    leann_table *t = leann_measures_table(m);
    assert_true(isnan(leann_table_get(t, 0, "recall")));
    assert_non_null(strstr(leann_table_text(t, 0, "error"), "has changed"));
    leann_measures_free(m);
    leann_free(file);
    leann_free(results);
    leann_ctx_free(ctx);
}

/* The build of an otherwise good result is this. */
static void save_built(leann_ctx *ctx, const char *results, const char *name, const char *build)
{
    leann_result r;
    char *file = leann_format(ctx, "%s/raw/%s.h5", results, name);
    save(ctx, results, name, 0, 1, 1, "ok");
    assert_int_equal(leann_result_load(ctx, file, &r), LEANN_OK);
    leann_value_free(r.build);
    r.build = parse(ctx, build);
    r.load_rss = (leann_rss){7000000, 6000000};
    assert_int_equal(leann_result_save(ctx, &r, file), LEANN_OK);
    leann_result_clear(&r);
    leann_free(file);
}

/* What a process that took its stages from the cache held is not what the build takes, unless the stages know theirs. */
static void test_memory(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char *results = results_folder(ctx, "memory");
    save_built(ctx, results, "a", "{\"peak_rss_bytes\": 9000000, \"stages\": [{\"cached\": false}, {\"cached\": false}]}");
    save_built(ctx, results, "b", "{\"peak_rss_bytes\": 9000000, \"stages\": [{\"cached\": false}, {\"cached\": true}]}");
    save_built(ctx, results, "c", "{\"peak_rss_bytes\": 9000000, \"stages\": [{\"cached\": true, \"peak_rss_bytes\": 9000000}]}");
    leann_measures *m = NULL;
    assert_int_equal(leann_measures_open(ctx, results, &m), LEANN_OK);
    leann_table *t = leann_measures_table(m);
    assert_int_equal(leann_table_rows(t), 3);
    for (size_t i = 0; i < 3; i++) {
        double peak = leann_table_get(t, i, "peak_rss_mb");
        if (*leann_table_text(t, i, "raw") == 'b')
            assert_true(isnan(peak));
        else
            near(peak, 9);
        near(leann_table_get(t, i, "load_rss_mb"), 7);
        near(leann_table_get(t, i, "load_anon_mb"), 6);
        assert_true(isnan(leann_table_get(t, i, "search_anon_mb"))); /* a file that does not have it */
    }
    leann_measures_free(m);
    leann_free(results);
    leann_ctx_free(ctx);
}

static void test_seeds_and_targets(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char *results = results_folder(ctx, "seeds");
    save(ctx, results, "a", 2, 1, 1, "ok"); /* recall 30/32 and 28/32 */
    save(ctx, results, "b", 4, 1, 2, "ok");
    save(ctx, results, "c", 1, 2, 1, "ok"); /* 31/32, half as fast */
    save(ctx, results, "d", 1, 2, 2, "ok");
    leann_measures *m = NULL;
    leann_table *t = NULL;
    leann_pick pick;
    assert_int_equal(leann_measures_open(ctx, results, &m), LEANN_OK);
    assert_int_equal(leann_compare_seeds(leann_measures_table(m), &t), LEANN_OK);
    assert_int_equal(leann_table_rows(t), 2);
    size_t first = leann_table_get(t, 0, "recall") < 0.95 ? 0 : 1;
    near(leann_table_get(t, first, "seeds"), 2);
    near(leann_table_get(t, first, "recall"), 29.0 / 32);
    near(leann_table_get(t, first, "recall_min"), 28.0 / 32);
    near(leann_table_get(t, first, "recall_max"), 30.0 / 32);
    /* 0.90625 and 0.96875 lie more than 0.02 apart: no interpolation, the first above */
    assert_true(leann_compare_at(t, "line", K, "graph graph=hnsw", 0.95, &pick));
    assert_int_equal(pick.how, LEANN_PICK_ABOVE);
    near(pick.qps, 250);
    assert_false(leann_compare_at(t, "line", K, "graph graph=hnsw", 0.99, &pick));
    leann_table_set(t, first, "recall", 0.955); /* now they are near: half way in recall is half way in the logarithm */
    assert_true(leann_compare_at(t, "line", K, "graph graph=hnsw", (0.955 + 31.0 / 32) / 2, &pick));
    assert_int_equal(pick.how, LEANN_PICK_INTERPOLATED);
    near(pick.qps, sqrt(500.0 * 250));
    near(pick.fetches, 1.5);
    near(pick.qps_lo, sqrt(500.0 * 250) * 2 / 3); /* the slowest pass of both takes 3 where the median takes 2 */
    near(pick.qps_hi, sqrt(500.0 * 250) * 2);
    near(pick.qps_min, pick.qps);
    leann_paired pair;
    size_t fast[2], slow[2];
    assert_int_equal(leann_compare_group(leann_measures_table(m), (size_t)leann_table_get(t, first, "row"), fast), 2);
    assert_int_equal(leann_compare_group(leann_measures_table(m), (size_t)leann_table_get(t, 1 - first, "row"), slow), 2);
    leann_side a = {m, fast, 2}, b = {m, slow, 2};
    assert_int_equal(leann_compare_paired(ctx, a, a, &pair), LEANN_OK);
    near(pair.seconds.value, 1);
    assert_true(pair.recall.value == 0 && pair.n == Q && pair.t == Q);
    assert_int_equal(leann_compare_paired(ctx, a, b, &pair), LEANN_OK);
    near(pair.seconds.value, 0.5);
    near(pair.recall.value, -2.0 / 32);                            /* over both seeds: of the first alone it is -1/32 */
    assert_true(leann_compare_meet(t, first, t, first, "recall")); /* a range of two values */
    assert_false(leann_compare_meet(t, first, t, 1 - first, "recall"));
    assert_false(leann_compare_meet(t, first, t, first, "qps")); /* the same in all seeds: no range */
    leann_table_free(t);
    leann_measures_free(m);
    leann_free(results);
    leann_ctx_free(ctx);
}

/* Plain codes are the same under all anchors, residuals under the same ones; a scan counts when it fetched nothing and keyed all rows. */
static void test_ceilings(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_table *t = leann_table_new(ctx);
    const struct {
        const char *residual, *selector;
        double seed, fetches, dist_comps, recall, wanted;
    } rows[] = {{"", "", 1, 0, 100, 0.7, 0.7},            /* a scan of plain codes */
                {"no", "kmeans", 1, 0, 40, 0.6, 0.7},     /* rests on the same */
                {"no", "random", 1, 50, 140, 0.99, 0.7},  /* so does this, which re-ranks */
                {"no", "random", 2, 50, 140, 0.99, NAN},  /* another seed: not scanned */
                {"yes", "kmeans", 1, 0, 99, 0.8, NAN},    /* misses a row */
                {"yes", "random", 1, 0, 120, 0.75, 0.75}, /* its own */
                {"auto", "random", 1, 0, 10, 0.3, 0.75}}; /* which took residuals */
    enum { ROWS = sizeof rows / sizeof *rows };
    for (size_t i = 0; i < ROWS; i++) {
        char params[200];
        leann_table_add_row(t);
        snprintf(params, sizeof params, "{\"build\": {\"quantizer\": {\"pq\": {}}, \"selector\": \"%s\", \"anchors\": 5}}",
                 rows[i].selector);
        leann_table_set_text(t, i, "dataset", "line");
        leann_table_set_text(t, i, "params", params);
        leann_table_set_text(t, i, "status", "ok");
        leann_table_set_text(t, i, "quantizer", "pq");
        leann_table_set_text(t, i, "residual", rows[i].residual);
        leann_table_set(t, i, "residual_taken", rows[i].residual[0] == 'a' ? 1 : NAN);
        leann_table_set(t, i, "n", 100);
        leann_table_set(t, i, "k", 10);
        leann_table_set(t, i, "seed", rows[i].seed);
        leann_table_set(t, i, "fetches", rows[i].fetches);
        leann_table_set(t, i, "dist_comps", rows[i].dist_comps);
        leann_table_set(t, i, "recall", rows[i].recall);
    }
    assert_int_equal(leann_row_ceilings(t), LEANN_OK);
    for (size_t i = 0; i < ROWS; i++) {
        double is = leann_table_get(t, i, "codes_recall");
        if (is != rows[i].wanted && !(isnan(is) && isnan(rows[i].wanted))) fail_msg("row %zu: %g, not %g", i, is, rows[i].wanted);
    }
    leann_table_free(t);
    leann_ctx_free(ctx);
}

static void test_front(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_table *t = leann_table_new(ctx);
    const double xy[][2] = {{0.5, 10}, {0.6, 12}, {0.7, 8}, {0.8, 9}, {0.9, 1}, {0.9, 2}};
    size_t rows[6];
    for (size_t i = 0; i < 6; i++) {
        rows[i] = leann_table_add_row(t);
        leann_table_set(t, i, "x", xy[i][0]);
        leann_table_set(t, i, "y", xy[i][1]);
    }
    assert_int_equal(leann_compare_front(t, "x", 1, "y", 1, rows, 6), 3);
    assert_true(rows[0] == 1 && rows[1] == 3 && rows[2] == 5);
    leann_table_free(t);
    leann_ctx_free(ctx);
}

static int set_up(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    assert_non_null(mkdtemp(folder));
    make_data(ctx);
    leann_ctx_free(ctx);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),     cmocka_unit_test(test_changed_data),
                                       cmocka_unit_test(test_memory),   cmocka_unit_test(test_seeds_and_targets),
                                       cmocka_unit_test(test_ceilings), cmocka_unit_test(test_front)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
