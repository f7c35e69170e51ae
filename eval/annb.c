/* annb.c – writes ANN-benchmarks' result layout from raw results, and reads result files and published points into rows.
 *
 * A file holds one value a query and k ids and distances a query; all rows of `test` in file order, because readers pair by position.
 *
 * Source: the layout is that of ann-benchmarks' results.py (Aumüller, Bernhardsson & Faithfull 2020).
 * Differs: candidates is k (there, what the program itself counted); index_size is the index file's size (there, growth of memory).
 *
 * SPDX-License-Identifier: MIT */
#include "eval/annb.h"
#include "core/container.h"
#include "core/product.h"
#include "datasets/datasets.h"
#include "eval/recall.h"
#include "eval/stats.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- export ------------------------------------------------------------------------------------------------------------------- */

static leann_status whole(leann_ctx *ctx, const leann_result *raw, const leann_dataset *data, const char *cell)
{
    bool in_order = raw->n == data->test.n;
    for (uint32_t i = 0; i < raw->n && in_order; i++) in_order = raw->query_rows[i] == i;
    if (in_order && raw->t == data->test.n) return LEANN_OK;
    return leann_fail(
        ctx, LEANN_EUNSUPPORTED,
        "%s was run on %u of %u queries and timed on %u: ANN-benchmarks needs every row of test, in file order; put `split: no` "
        "and no `queries` into the sweep and run it again",
        cell, raw->n, data->test.n, raw->t);
}

/* times (q) seconds in file order, of the pass with the smallest mean; *best is that mean. */
static leann_status best_pass(leann_ctx *ctx, const leann_result *raw, float **times, double *best)
{
    *best = INFINITY;
    if (!(*times = leann_alloc(ctx, raw->t, sizeof **times))) return LEANN_ENOMEM;
    for (uint32_t r = 0; r < raw->repeats; r++) {
        const uint64_t *ns = raw->times_ns + (size_t)r * raw->t;
        double sum = 0;
        for (uint32_t i = 0; i < raw->t; i++) sum += (double)ns[i] * 1e-9;
        if (sum / raw->t >= *best) continue;
        *best = sum / raw->t;
        for (uint32_t i = 0; i < raw->t; i++)
            if (raw->timed_rows[i] < raw->t) (*times)[raw->timed_rows[i]] = (float)((double)ns[i] * 1e-9);
    }
    return LEANN_OK;
}

/* True distances in the file's units, +inf where there is no answer; ids as int32, -1 there. */
static void answers(const leann_dataset *data, const leann_result *raw, int32_t *ids, float *dist)
{
    for (size_t i = 0; i < (size_t)raw->n * raw->k; i++) {
        bool there = raw->ids[i] < data->train.n;
        double d = there ? leann_distance_f64(data->test, raw->query_rows[i / raw->k], data->train, raw->ids[i]) : INFINITY;
        ids[i] = there ? (int32_t)raw->ids[i] : -1;
        dist[i] = (float)(there && data->train.space == LEANN_L2 ? sqrt(d) : d);
    }
}

static leann_status put_facts(leann_h5 *h, const leann_table *t, size_t row, const char *name, const leann_result *raw, double best)
{
    char algo[80];
    leann_status s;
    double dist_comps = leann_table_get(t, row, "dist_comps") * raw->n * raw->repeats, build = leann_table_get(t, row, "build_s");
    double bytes = leann_table_get(t, row, "index_bytes");
    snprintf(algo, sizeof algo, "leann-%.64s", leann_table_text(t, row, "label"));
    if ((s = leann_h5_set_text(h, "algo", algo)) || (s = leann_h5_set_text(h, "name", name)) ||
        (s = leann_h5_set_text(h, "dataset", raw->dataset)) ||
        (s = leann_h5_set_text(h, "distance", leann_table_text(t, row, "distance"))) || (s = leann_h5_set_int(h, "count", raw->k)) ||
        (s = leann_h5_set_int(h, "run_count", raw->repeats)) || (s = leann_h5_set_bool(h, "batch_mode", false)) ||
        (s = leann_h5_set_bool(h, "expect_extra", false)) || (s = leann_h5_set_real(h, "best_search_time", best)) ||
        (s = leann_h5_set_real(h, "candidates", raw->k)) || (s = leann_h5_set_real(h, "build_time", isfinite(build) ? build : 0)) ||
        (s = leann_h5_set_real(h, "index_size", isfinite(bytes) ? bytes / 1024 : 0)) ||
        (s = leann_h5_set_int(h, "dist_comps",
                              isfinite(dist_comps) ? (int64_t)llround(dist_comps) : 0))) /* over all passes: its metric divides by them */
        return s;
    return LEANN_OK;
}

static leann_status export_file(leann_ctx *ctx, const char *path, const leann_table *t, size_t row, const char *name,
                                const leann_result *raw, const leann_dataset *data)
{
    leann_h5 *h = NULL;
    float *times = NULL, *dist = leann_alloc(ctx, (size_t)raw->n * raw->k, sizeof *dist);
    int32_t *ids = leann_alloc(ctx, (size_t)raw->n * raw->k, sizeof *ids);
    double best = 0;
    leann_status s = dist && ids ? best_pass(ctx, raw, &times, &best) : LEANN_ENOMEM;
    if (!s) answers(data, raw, ids, dist);
    if (!s) s = leann_h5_create(ctx, path, &h);
    if (!s) s = put_facts(h, t, row, name, raw, best);
    if (!s) s = leann_h5_put(h, "times", LEANN_H5_F32, raw->t, 0, times, false);
    if (!s) s = leann_h5_put(h, "neighbors", LEANN_H5_I32, raw->n, raw->k, ids, false);
    if (!s) s = leann_h5_put(h, "distances", LEANN_H5_F32, raw->n, raw->k, dist, false);
    if (!s) s = leann_h5_commit(h);
    leann_h5_free(h);
    leann_free(times);
    leann_free(dist);
    leann_free(ids);
    return s;
}

/* A piece of a path: letters, digits, '-', '.', '=' stay. */
static void clean(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (; *text && n + 1 < size; text++) out[n++] = isalnum((unsigned char)*text) || strchr("-.=", *text) ? *text : '_';
    out[n] = 0;
}

static leann_status export_row(leann_measures *m, const leann_table *t, size_t row, const char *folder)
{
    leann_ctx *ctx = leann_table_ctx(t);
    leann_result raw;
    const leann_dataset *data = NULL;
    char args[160], algo[96];
    const char *hash = leann_table_text(t, row, "raw");
    size_t at = 0; /* the same row in m's own table */
    while (at < leann_table_rows(leann_measures_table(m)) && strcmp(leann_table_text(leann_measures_table(m), at, "raw"), hash) != 0) at++;
    leann_status s = leann_measures_raw(m, at, &raw, &data);
    if (s) return s;
    char *name = leann_format(ctx, "%s %s seed=%.0f", leann_table_text(t, row, "cell"), leann_table_text(t, row, "point"),
                              leann_table_get(t, row, "seed"));
    clean(leann_table_text(t, row, "cell"), args, sizeof args);
    clean(leann_table_text(t, row, "label"), algo, sizeof algo);
    char *place = leann_format(ctx, "%s/%s/%u/leann-%s", folder, raw.dataset, raw.k, algo);
    char *path = place ? leann_format(ctx, "%s/%s_%.24s.hdf5", place, args, hash) : NULL;
    if (!name || !path) s = LEANN_ENOMEM;
    if (!s && strchr(raw.dataset, '_'))
        s = leann_fail(ctx, LEANN_EINVAL, "data set '%s': ANN-benchmarks allows no underscore in a name; rename the file and run again",
                       raw.dataset);
    if (!s) s = whole(ctx, &raw, data, leann_table_text(t, row, "cell"));
    if (!s) s = leann_folder_make(ctx, place);
    if (!s) s = export_file(ctx, path, t, row, name, &raw, data);
    leann_result_clear(&raw);
    leann_free(name);
    leann_free(place);
    leann_free(path);
    return s;
}

leann_status leann_annb_export(leann_measures *m, const leann_table *t, const char *folder, size_t *written)
{
    leann_ctx *ctx = leann_table_ctx(t);
    leann_status s = LEANN_OK;
    *written = 0;
    if (!leann_measures_has_raw(m))
        return leann_fail(ctx, LEANN_ENOTFOUND, "%s: no raw results, which an export is made of: run the sweep", leann_measures_folder(m));
    for (size_t i = 0; i < leann_table_rows(t) && !s; i++) {
        leann_ctx_progress(ctx, "export", i, leann_table_rows(t));
        if (strcmp(leann_table_text(t, i, "status"), "ok") != 0 || !*leann_table_text(t, i, "raw")) continue;
        if (!(s = export_row(m, t, i, folder))) (*written)++;
    }
    if (!s && !*written) s = leann_fail(ctx, LEANN_ENOTFOUND, "%s: no row to export", leann_measures_folder(m));
    return s;
}

/* ---- import of result files ------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *algo, *name, *dataset;
    double count, best, build, kb, dist_comps, runs;
    size_t q, k, timed;
    float *times, *distances;
    int32_t *ids;
} annb;

static void annb_clear(annb *a)
{
    void *heap[] = {a->algo, a->name, a->dataset, a->times, a->distances, a->ids};
    for (size_t i = 0; i < sizeof heap / sizeof *heap; i++) leann_free(heap[i]);
    *a = (annb){0};
}

static double real_or(leann_h5 *h, const char *name)
{
    double x = NAN;
    return leann_h5_has(h, name) && !leann_h5_real(h, name, &x) ? x : NAN;
}

static leann_status annb_read(leann_ctx *ctx, const char *path, annb *a)
{
    leann_h5 *h = NULL;
    size_t rows = 0, cols = 0, none = 0;
    leann_status s = leann_h5_open(ctx, path, &h);
    if (!s) s = leann_h5_text(h, "algo", &a->algo);
    if (!s) s = leann_h5_text(h, "name", &a->name);
    if (!s) s = leann_h5_text(h, "dataset", &a->dataset);
    if (!s) s = leann_h5_real(h, "count", &a->count);
    if (!s) s = leann_h5_real(h, "best_search_time", &a->best);
    if (!s) s = leann_h5_get(h, "times", LEANN_H5_F32, &a->timed, &none, (void **)&a->times);
    if (!s) s = leann_h5_get(h, "neighbors", LEANN_H5_I32, &a->q, &a->k, (void **)&a->ids);
    if (!s) s = leann_h5_get(h, "distances", LEANN_H5_F32, &rows, &cols, (void **)&a->distances);
    if (!s) {
        a->build = real_or(h, "build_time");
        a->kb = real_or(h, "index_size");
        a->dist_comps = real_or(h, "dist_comps");
        a->runs = real_or(h, "run_count");
        if (rows != a->q || cols != a->k || !a->q || a->timed != a->q || none)
            s = leann_fail(ctx, LEANN_EFORMAT, "%s: times (%zu), neighbors (%zu, %zu) and distances (%zu, %zu) do not fit together", path,
                           a->timed, a->q, a->k, rows, cols);
        else if (!(a->count >= 1 && a->count <= 1e6 && a->count == floor(a->count)) || (double)a->k < a->count)
            s = leann_fail(ctx, LEANN_EFORMAT, "%s: count is %g, but there are %zu neighbours a query", path, a->count, a->k);
        else if (!(a->best > 0) || !isfinite(a->best))
            s = leann_fail(ctx, LEANN_EFORMAT, "%s: best_search_time is %g seconds", path, a->best);
    }
    leann_h5_free(h);
    return s;
}

/* Recall of the ids as we define it, and of the stated distances as ANN-benchmarks does: (q) each. */
static leann_status annb_judge(leann_ctx *ctx, const char *path, const annb *a, const leann_dataset *data, double *tie, double *stated)
{
    uint32_t k = (uint32_t)a->count, n = data->test.n;
    if (a->q != n) return leann_fail(ctx, LEANN_EINVAL, "%s: %zu queries, but data set '%s' has %u test rows", path, a->q, data->name, n);
    uint32_t *rows = leann_alloc(ctx, n, sizeof *rows), *ids = leann_alloc(ctx, k, sizeof *ids);
    leann_truth truth = {0};
    leann_status s = rows && ids ? leann_truth_new(ctx, data, &truth) : LEANN_ENOMEM;
    for (uint32_t i = 0; i < n && !s; i++) rows[i] = i;
    if (!s) s = leann_truth_learn(ctx, &truth, rows, n, k);
    for (uint32_t i = 0; i < n && !s; i++) {
        double dk = leann_truth_limit(&truth, i, k), limit = (data->train.space == LEANN_L2 ? sqrt(dk) : dk) + 1e-3;
        uint32_t good = 0;
        for (uint32_t j = 0; j < k; j++) {
            int32_t id = a->ids[i * a->k + j];
            ids[j] = id < 0 ? LEANN_NONE : (uint32_t)id;
            good += (double)a->distances[i * a->k + j] <= limit;
        }
        tie[i] = leann_recall_tie(&truth, i, k, ids);
        stated[i] = (double)good / k;
    }
    leann_free(rows);
    leann_free(ids);
    leann_truth_free(&truth);
    return s;
}

static void annb_facts(leann_table *t, size_t row, const annb *a, const leann_dataset *data, const char *path)
{
    const char *base = strrchr(path, '/');
    leann_table_set_text(t, row, "dataset", a->dataset);
    leann_table_set_text(t, row, "method", a->algo);
    leann_table_set_text(t, row, "label", a->algo);
    leann_table_set_text(t, row, "legend", a->algo);
    leann_table_set_text(t, row, "cell", a->name);
    leann_table_set_text(t, row, "point", base ? base + 1 : path);
    leann_table_set_text(t, row, "status", "ok");
    leann_table_set_text(t, row, "published", "an ANN-benchmarks result file");
    leann_table_set_text(t, row, "distance", leann_space_word(data->train.space));
    leann_table_set(t, row, "k", a->count);
    leann_table_set(t, row, "n", data->train.n);
    leann_table_set(t, row, "d", data->train.d);
    leann_table_set(t, row, "qps", 1 / a->best);
    leann_table_set(t, row, "build_s", a->build > 0 ? a->build : NAN);
    leann_table_set(t, row, "annb_index_kb", a->kb > 0 ? a->kb : NAN); /* memory that grew, not bytes of a file */
    leann_table_set(t, row, "dist_comps", a->dist_comps > 0 && a->runs >= 1 ? a->dist_comps / ((double)a->q * a->runs) : NAN);
    leann_table_set(t, row, "queries", (double)a->q);
    leann_table_set(t, row, "timed_queries", (double)a->q);
}

static leann_status annb_measures(leann_ctx *ctx, leann_table *t, size_t row, const annb *a, double *tie, const double *stated)
{
    leann_interval interval;
    double *ms = leann_alloc(ctx, a->q, sizeof *ms);
    leann_status s = ms ? leann_stats_bootstrap(ctx, tie, a->q, 1, &interval) : LEANN_ENOMEM;
    if (!s) {
        for (size_t i = 0; i < a->q; i++) ms[i] = (double)a->times[i] * 1e3;
        leann_stats_sort(ms, a->q);
        leann_table_set(t, row, "recall", interval.value);
        leann_table_set(t, row, "recall_lo", interval.lo);
        leann_table_set(t, row, "recall_hi", interval.hi);
        leann_table_set(t, row, "recall_annb", leann_stats_mean(stated, a->q));
        leann_table_set(t, row, "mean_ms", leann_stats_mean(ms, a->q));
        leann_table_set(t, row, "p50_ms", leann_stats_quantile(ms, a->q, 0.5));
        leann_table_set(t, row, "p95_ms", leann_stats_quantile(ms, a->q, 0.95));
        leann_table_set(t, row, "p99_ms", leann_stats_quantile(ms, a->q, 0.99));
        s = leann_table_check(t);
    }
    leann_free(ms);
    return s;
}

leann_status leann_annb_import(leann_ctx *ctx, const char *path, const char *data_name, leann_table *t)
{
    annb a = {0};
    leann_dataset *data = NULL;
    double *tie = NULL, *stated = NULL;
    leann_status s = annb_read(ctx, path, &a);
    if (!s) s = leann_dataset_open(ctx, data_name ? data_name : a.dataset, &data);
    if (!s) {
        tie = leann_alloc(ctx, a.q, sizeof *tie);
        stated = leann_alloc(ctx, a.q, sizeof *stated);
        s = tie && stated ? annb_judge(ctx, path, &a, data, tie, stated) : LEANN_ENOMEM;
    }
    if (!s) {
        size_t row = leann_table_add_row(t);
        annb_facts(t, row, &a, data, path);
        s = annb_measures(ctx, t, row, &a, tie, stated);
    }
    leann_dataset_free(data);
    leann_free(tie);
    leann_free(stated);
    annb_clear(&a);
    return s;
}

/* ---- published points ---------------------------------------------------------------------------------------------------------------- */

static leann_status check_names(leann_ctx *ctx, const char *path, const leann_table *t)
{
    static const char *const needed[] = {"dataset", "method", "k", "recall"};
    size_t known = 0;
    while (leann_measures_columns[known]) known++;
    for (size_t c = 0; c < leann_table_columns(t); c++) {
        const char *name = leann_table_name(t, c);
        bool there = false;
        for (size_t i = 0; i < known && !there; i++) there = !strcmp(leann_measures_columns[i], name);
        if (there) continue;
        const char *near = leann_nearest_word(name, leann_measures_columns, known);
        return leann_fail(ctx, LEANN_EINVAL, "%s: column '%s' is none of summary.csv%s%s%s", path, name, near ? "; did you mean '" : "",
                          near ? near : "", near ? "'?" : "");
    }
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (leann_table_find(t, needed[i]) < 0)
            return leann_fail(ctx, LEANN_EFORMAT, "%s: no column '%s': published points need dataset, method, k and recall", path,
                              needed[i]);
    return LEANN_OK;
}

leann_status leann_published_import(leann_ctx *ctx, const char *path, leann_table *t)
{
    leann_table *csv = NULL;
    leann_status s = leann_table_load_csv(ctx, path, &csv);
    if (!s) s = check_names(ctx, path, csv);
    for (size_t i = 0; !s && i < leann_table_rows(csv); i++) {
        double recall = leann_table_get(csv, i, "recall"), k = leann_table_get(csv, i, "k");
        const char *method = leann_table_text(csv, i, "method"), *base = strrchr(path, '/');
        if (!(recall >= 0 && recall <= 1))
            s = leann_fail(ctx, LEANN_EINVAL, "%s: row %zu: recall is %g, which is not between 0 and 1", path, i + 2, recall);
        else if (!(k >= 1) || !*method || !*leann_table_text(csv, i, "dataset"))
            s = leann_fail(ctx, LEANN_EINVAL, "%s: row %zu: dataset, method and k must be there, k at least 1", path, i + 2);
        if (s) break;
        size_t row = leann_table_copy_row(t, csv, i);
        char legend[256];
        snprintf(legend, sizeof legend, "%.200s (published)", method);
        leann_table_set_text(t, row, "status", "ok");
        leann_table_set_text(t, row, "label", legend);
        leann_table_set_text(t, row, "legend", legend);
        if (!*leann_table_text(t, row, "cell")) leann_table_set_text(t, row, "cell", legend);
        if (!*leann_table_text(t, row, "published")) leann_table_set_text(t, row, "published", base ? base + 1 : path);
        s = leann_table_check(t);
    }
    leann_table_free(csv);
    return s;
}

/* ---- imported.csv -------------------------------------------------------------------------------------------------------------------- */

static bool same_thing(const leann_table *a, size_t i, const leann_table *b, size_t j)
{
    static const char *const names[] = {"dataset", "cell", "point", "published"};
    for (size_t c = 0; c < sizeof names / sizeof *names; c++)
        if (strcmp(leann_table_text(a, i, names[c]), leann_table_text(b, j, names[c])) != 0) return false;
    bool points = *leann_table_text(a, i, "point") != 0; /* published points of one method differ in what they measure */
    return leann_table_get(a, i, "k") == leann_table_get(b, j, "k") &&
           (points || leann_table_get(a, i, "recall") == leann_table_get(b, j, "recall"));
}

leann_status leann_imported_add(leann_ctx *ctx, const char *folder, const leann_table *rows)
{
    leann_table *old = NULL, *all = leann_table_new(ctx);
    char *path = leann_format(ctx, "%s/imported.csv", folder), *text = NULL;
    size_t bytes = 0;
    struct stat info;
    leann_status s = all && path ? leann_folder_make(ctx, folder) : LEANN_ENOMEM;
    if (!s && !stat(path, &info)) s = leann_table_load_csv(ctx, path, &old);
    for (size_t i = 0; !s && old && i < leann_table_rows(old); i++) {
        bool again = false;
        for (size_t j = 0; j < leann_table_rows(rows) && !again; j++) again = same_thing(old, i, rows, j);
        if (!again) leann_table_copy_row(all, old, i);
    }
    for (size_t j = 0; !s && j < leann_table_rows(rows); j++) leann_table_copy_row(all, rows, j);
    if (!s) s = leann_table_check(all);
    FILE *to = s ? NULL : open_memstream(&text, &bytes);
    if (!s && !to) s = leann_fail(ctx, LEANN_ENOMEM, "out of memory for %s", path);
    if (to) {
        leann_table_write_csv(all, to);
        s = fclose(to) ? leann_fail(ctx, LEANN_ENOMEM, "out of memory for %s", path) : leann_file_write(ctx, path, text, bytes);
    }
    free(text);
    leann_table_free(old);
    leann_table_free(all);
    leann_free(path);
    return s;
}
