/* measures.c – raw results and the data set -> rows: recall, speed, work, bytes, health, memory, each with its spread.
 *
 * A row costs one read of its raw file and k distances a query; the limits D_k of a query are computed once a k.
 *
 * Speed: a pass over the timed queries gives one mean; qps is the median of the passes' 1 / mean, qps_lo and qps_hi the slowest and
 * fastest pass. Percentiles are over queries, each query's time being its median over the passes. p999 only from 10,000 queries.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/measures.h"
#include "core/container.h"
#include "datasets/datasets.h"
#include "eval/recall.h"
#include "eval/stats.h"
#include "eval/sweep.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DATA = 64, MAX_K = 16, P999_QUERIES = 10000 };

const char *const leann_measures_columns[] = {
    "dataset", "method", "selector", "graph", "quantizer", "residual", "anchors", "params", "k", "status", "recall", "qps", "p50_ms",
    "p95_ms", "p99_ms", "build_s", "index_bytes", "bytes_per_vector", "ratio_vectors", "ratio_source", "dist_comps", "fetches", "coverage",
    "balance", "quantization_error", "peak_rss_mb", "recall_lo", "recall_hi", "recall_annb", "recomputes", "encoder_calls", "n", "d",
    "distance", "seed", "threads", "isa",
    /* then more */
    "label", "legend", "cell", "point", "target_recall", "chosen", "passed", "queries", "recall_p1", "recall_p5", "share_ge_90", "qps_lo",
    "qps_hi", "mean_ms", "p999_ms", "cold_ms", "batch_qps", "timed_queries", "repeats", "stage0_ms", "stage1_ms", "stage2_ms", "hops",
    "cache_hits", "pages", "bytes_meta", "bytes_graph", "bytes_codes", "bytes_anchors", "bytes_codebooks", "bytes_ids", "bytes_vectors",
    "bytes_text", "bytes_delta", "predicted_bytes", "coverage_auc", "coverage_knn", "tau", "radius_p50", "radius_p99", "radius_max",
    "facility_location", "entropy", "gini", "max_over_mean", "empty_anchors", "mse", "anchor_error", "codes_bias", "mean_degree",
    "rss_anon_mb", "load_rss_mb", "search_rss_mb", "load_s", "error", "published", "raw", NULL};

typedef struct {
    char *name; /* as results call it */
    leann_dataset *data;
    uint32_t k[MAX_K];
    double *dk[MAX_K]; /* (test.n), NaN: not computed yet */
} ground;

struct leann_measures {
    leann_ctx *ctx;
    char *folder;
    leann_table *table;
    leann_value *sweep;      /* sweep.json, NULL when there is none */
    leann_value *aa;         /* aa.json */
    leann_value *provenance; /* of the first raw file */
    leann_value *data;       /* {data set: its checksums} */
    char *stem;              /* of its sweep */
    char *origin;            /* of the last raw file read */
    unsigned origins;
    bool has_raw;
    ground ground[MAX_DATA];
    unsigned grounds;
};

/* ---- data sets ------------------------------------------------------------------------------------------------------------ */

/* "mnist-784-euclidean" or "x/my.hdf5" is called mnist-784-euclidean or my in results. */
static bool is_called(const char *given, const char *name)
{
    const char *base = strrchr(given, '/');
    base = base ? base + 1 : given;
    size_t n = strlen(name);
    return !strncmp(base, name, n) && (!base[n] || !strcmp(base + n, ".hdf5") || !strcmp(base + n, ".h5"));
}

/* The name or path by which the sweep names a data set; its name where the sweep says nothing. */
static const char *where_is(const leann_measures *m, const char *name)
{
    const leann_value *data = leann_value_get(m->sweep, "data");
    const char *one = leann_value_text(data, NULL);
    if (one && is_called(one, name)) return one;
    for (size_t i = 0; i < leann_value_count(data); i++) {
        const char *given = leann_value_text(leann_value_at(data, i), "");
        if (is_called(given, name)) return given;
    }
    return name;
}

static leann_status find_ground(leann_measures *m, const char *name, ground **out)
{
    for (unsigned i = 0; i < m->grounds; i++)
        if (!strcmp(m->ground[i].name, name)) {
            *out = &m->ground[i];
            return LEANN_OK;
        }
    if (m->grounds == MAX_DATA) return leann_fail(m->ctx, LEANN_ELIMIT, "%s: more than %d data sets", m->folder, MAX_DATA);
    ground *g = &m->ground[m->grounds];
    *g = (ground){0};
    leann_status s = leann_dataset_open(m->ctx, where_is(m, name), &g->data);
    if (!s && !(g->name = leann_format(m->ctx, "%s", name))) {
        leann_dataset_free(g->data);
        s = LEANN_ENOMEM;
    }
    if (s) return s;
    m->grounds++;
    *out = g;
    return LEANN_OK;
}

/* D_k of the rows (n), computed where they are not known yet; *dk (test.n) is g's. */
static leann_status limits_of(leann_ctx *ctx, ground *g, uint32_t k, const uint32_t *rows, uint32_t n, const double **dk)
{
    unsigned at = 0;
    while (at < MAX_K && g->dk[at] && g->k[at] != k) at++;
    if (at == MAX_K) { /* a seventeenth k takes the place of the first */
        at = 0;
        leann_free(g->dk[0]);
        g->dk[0] = NULL;
    }
    if (!g->dk[at]) {
        if (!(g->dk[at] = leann_alloc(ctx, g->data->test.n, sizeof **g->dk))) return LEANN_ENOMEM;
        for (uint32_t i = 0; i < g->data->test.n; i++) g->dk[at][i] = NAN;
        g->k[at] = k;
    }
    uint32_t *missing = leann_alloc(ctx, (size_t)n + 1, sizeof *missing), count = 0;
    double *fresh = leann_alloc(ctx, (size_t)n + 1, sizeof *fresh);
    leann_status s = missing && fresh ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; i < n && !s; i++)
        if (isnan(g->dk[at][rows[i]])) missing[count++] = rows[i];
    if (!s && count) s = leann_recall_limits(ctx, g->data, missing, count, k, fresh);
    for (uint32_t i = 0; i < count && !s; i++) g->dk[at][missing[i]] = fresh[i];
    leann_free(missing);
    leann_free(fresh);
    *dk = g->dk[at];
    return s;
}

/* ---- recall per query -------------------------------------------------------------------------------------------------------- */

typedef struct {
    const leann_dataset *data;
    const leann_result *raw;
    const double *dk;
    double *tie, *annb;
} judging;

static leann_status judge_some(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker;
    const judging *j = arg;
    for (size_t i = begin; i < end; i++) {
        uint32_t row = j->raw->query_rows[i];
        leann_recall_both(j->data, row, j->raw->k, j->dk[row], j->raw->ids + i * j->raw->k, &j->tie[i], &j->annb[i]);
    }
    return LEANN_OK;
}

static leann_status judge(leann_ctx *ctx, ground *g, const leann_result *raw, double *tie, double *annb)
{
    const double *dk = NULL;
    for (uint32_t i = 0; i < raw->n; i++)
        if (raw->query_rows[i] >= g->data->test.n)
            return leann_fail(ctx, LEANN_EFORMAT, "query row %u: data set '%s' has %u test rows", raw->query_rows[i], g->name,
                              g->data->test.n);
    leann_status s = limits_of(ctx, g, raw->k, raw->query_rows, raw->n, &dk);
    judging job = {g->data, raw, dk, tie, annb};
    return s ? s : leann_parallel(ctx, raw->n, 64, judge_some, &job);
}

/* The answers must have been measured on the rows that are judged now. */
static leann_status same_data(leann_ctx *ctx, const ground *g, const leann_result *raw)
{
    const leann_dataset_sums *sums = leann_dataset_checksums(g->data);
    const leann_value *then = leann_value_get(raw->provenance, "data");
    const struct {
        const char *part, *now;
    } parts[] = {{"train", sums->train}, {"test", sums->test}, {"neighbors", sums->neighbors}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *was = leann_value_text(leann_value_get(then, parts[i].part), "");
        if (*was && strcmp(was, parts[i].now))
            return leann_fail(ctx, LEANN_EINVAL, "data set '%s' has changed since: its %s has sha256 %.12s…, the result is of %.12s…",
                              g->name, parts[i].part, parts[i].now, was);
    }
    return LEANN_OK;
}

/* ---- one row: what it is --------------------------------------------------------------------------------------------------- */

static void put_text(leann_table *t, size_t row, const char *name, const char *text)
{
    if (text && *text) leann_table_set_text(t, row, name, text);
}

/* {pq: {…}} and "pq" are pq; NULL when there is none. */
static const char *word_of(const leann_value *v)
{
    const char *word = leann_value_text(v, NULL);
    if (leann_value_type(v) == LEANN_V_MAP && leann_value_count(v) == 1) leann_value_entry(v, 0, &word);
    return word;
}

/* "kmeans" or, where parameters are not the defaults, "kmeans(output=medoids)". */
static void choice_text(const char *kind, const leann_value *v, char *out, size_t size)
{
    const char *word = word_of(v);
    snprintf(out, size, "%s", word ? word : "");
    leann_ctx *quiet = leann_ctx_new(1, 1); /* a plug-in that this program does not know is no failure */
    leann_choice preset = {0};
    leann_value *name = word ? leann_value_new_text(word) : NULL, *full = NULL;
    if (name && quiet && !leann_choice_new(quiet, kind, name, &preset)) {
        full = leann_choice_value(preset);
        leann_choice_free(preset);
    }
    const leann_value *defaults = leann_value_get(full, word ? word : ""), *given = leann_value_get(v, word ? word : "");
    size_t used = strlen(out), shown = 0;
    for (size_t i = 0; i < leann_value_count(given) && defaults; i++) {
        const char *key = NULL;
        const leann_value *value = leann_value_entry(given, i, &key);
        if (leann_value_equal(value, leann_value_get(defaults, key))) continue;
        char *text = leann_value_json(value, true, 0);
        const char *plain = leann_value_text(value, text ? text : "");
        int wrote = snprintf(out + used, size - used, "%s%s=%s", shown++ ? " " : "(", key, plain);
        leann_free(text);
        used = wrote > 0 && used + (size_t)wrote < size ? used + (size_t)wrote : size - 1;
    }
    if (shown && used + 1 < size) snprintf(out + used, size - used, ")");
    leann_value_free(full);
    leann_value_free(name);
    leann_ctx_free(quiet);
}

/* "cell … seed=1" without the seed: what seeds have in common. */
static void cell_text(const char *cell, char *out, size_t size)
{
    const char *seed = strstr(cell, " seed=");
    size_t head = seed ? (size_t)(seed - cell) : strlen(cell), skip = seed ? 1 + strcspn(seed + 1, " ") : 0;
    snprintf(out, size, "%.*s%s", (int)head, cell, seed ? seed + skip : "");
}

static void describe_choices(leann_table *t, size_t row, const leann_value *build, const char *method)
{
    char selector[160];
    choice_text("selector", leann_value_get(build, "selector"), selector, sizeof selector);
    const char *graph = word_of(leann_value_get(build, "graph")), *label = !strcmp(method, "graph") && graph ? graph : method;
    const char *quantizer = word_of(leann_value_get(build, "quantizer")),
               *keep = leann_value_text(leann_value_get(build, "vectors"), "source");
    const char *variant = !strcmp(method, "anchor")               ? selector
                          : !strcmp(method, "codes") && quantizer ? quantizer
                          : strcmp(keep, "source")                ? keep
                                                                  : "";
    char legend[200];
    snprintf(legend, sizeof legend, "%s%s%s", label, *variant ? " " : "", variant);
    put_text(t, row, "selector", selector);
    put_text(t, row, "graph", graph);
    put_text(t, row, "quantizer", quantizer);
    put_text(t, row, "residual", leann_value_text(leann_value_get(build, "residual"), NULL));
    put_text(t, row, "label", label);
    put_text(t, row, "legend", legend);
}

static void describe_counts(leann_table *t, size_t row, const leann_result *raw, const leann_value *build)
{
    double n = leann_value_real(leann_value_get(raw->config, "n"), NAN), number = NAN;
    const leann_value *anchors = leann_value_get(build, "anchors"), *lists = leann_value_get(build, "lists");
    const char *word = NULL;
    double counted = leann_value_real(leann_value_get(leann_value_get(raw->build, "facts"), "anchors"), NAN);
    if (anchors && leann_sweep_scalar(anchors, n, &number, &word) && !word)
        leann_table_set(t, row, "anchors", isnan(counted) ? number : counted);
    if (lists && leann_sweep_scalar(lists, n, &number, &word) && !word) leann_table_set(t, row, "lists", isnan(counted) ? number : counted);
    leann_table_set(t, row, "n", n);
    leann_table_set(t, row, "d", leann_value_real(leann_value_get(raw->config, "d"), NAN));
    leann_table_set(t, row, "k", leann_value_real(leann_value_get(raw->config, "k"), NAN));
    leann_table_set(t, row, "seed", leann_value_real(leann_value_get(raw->config, "seed"), NAN));
    leann_table_set(t, row, "threads", leann_value_real(leann_value_get(raw->config, "threads"), NAN));
    leann_table_set(t, row, "target_recall", leann_value_real(leann_value_get(raw->config, "target_recall"), NAN));
}

static void describe(leann_table *t, size_t row, const leann_result *raw)
{
    const leann_value *build = leann_value_get(raw->config, "build"), *chosen = leann_value_get(raw->config, "chosen");
    const char *method = leann_value_text(leann_value_get(raw->config, "method"), "");
    char cell[512];
    put_text(t, row, "dataset", raw->dataset);
    put_text(t, row, "method", method);
    put_text(t, row, "status", raw->status);
    put_text(t, row, "error", raw->error);
    put_text(t, row, "distance", leann_value_text(leann_value_get(raw->config, "distance"), NULL));
    put_text(t, row, "isa", leann_value_text(leann_value_get(raw->provenance, "isa"), NULL));
    cell_text(leann_value_text(leann_value_get(raw->config, "cell"), method), cell, sizeof cell);
    put_text(t, row, "cell", cell);
    put_text(t, row, "point", leann_value_text(leann_value_get(raw->config, "point"), NULL));
    if (leann_value_type(chosen) == LEANN_V_TEXT)
        put_text(t, row, "chosen", leann_value_text(chosen, ""));
    else
        leann_table_set(t, row, "chosen", leann_value_real(chosen, NAN));
    if (leann_value_get(raw->config, "passed"))
        put_text(t, row, "passed", leann_value_bool(leann_value_get(raw->config, "passed"), false) ? "yes" : "no");
    leann_value *params = leann_value_new_map();
    leann_value_set(params, "build", build ? leann_value_copy(build) : leann_value_new_map());
    const leann_value *query = leann_value_get(raw->config, "query");
    leann_value_set(params, "query", query ? leann_value_copy(query) : leann_value_new_map());
    char *text = leann_value_json(params, true, 0);
    put_text(t, row, "params", text);
    leann_free(text);
    leann_value_free(params);
    describe_choices(t, row, build, method);
    describe_counts(t, row, raw, build);
}

/* ---- one row: what it costs -------------------------------------------------------------------------------------------------- */

static double source_bytes(const leann_value *config)
{
    const char *type = leann_value_text(leann_value_get(config, "source_type"), "");
    for (int i = LEANN_F32; i <= LEANN_BYTES; i++)
        if (!strcmp(type, leann_dtype_word((leann_dtype)i))) return (double)leann_dtype_bytes((leann_dtype)i);
    return NAN;
}

static void measure_build(leann_table *t, size_t row, const leann_result *raw)
{
    const leann_value *b = raw->build, *ledger = leann_value_get(b, "ledger"), *facts = leann_value_get(b, "facts");
    double n = leann_table_get(t, row, "n"), d = leann_table_get(t, row, "d"),
           bytes = leann_value_real(leann_value_get(b, "index_bytes"), NAN);
    leann_table_set(t, row, "build_s", leann_value_real(leann_value_get(b, "build_s"), NAN));
    leann_table_set(t, row, "index_bytes", bytes);
    leann_table_set(t, row, "bytes_per_vector", bytes / n);
    leann_table_set(t, row, "ratio_vectors", bytes / (n * d * 4));
    leann_table_set(t, row, "ratio_source", bytes / (n * d * source_bytes(raw->config)));
    leann_table_set(t, row, "predicted_bytes", leann_value_real(leann_value_get(b, "predicted_bytes"), NAN));
    leann_table_set(t, row, "peak_rss_mb", leann_value_real(leann_value_get(b, "peak_rss_bytes"), NAN) / 1e6);
    leann_table_set(t, row, "rss_anon_mb", leann_value_real(leann_value_get(b, "rss_anon_bytes"), NAN) / 1e6);
    leann_table_set(t, row, "load_s", leann_value_real(leann_value_get(b, "load_s"), NAN));
    for (size_t i = 0; i < leann_value_count(ledger); i++) {
        char name[64];
        const char *part = NULL;
        const leann_value *v = leann_value_entry(ledger, i, &part);
        snprintf(name, sizeof name, "bytes_%.50s", part);
        leann_table_set(t, row, name, leann_value_real(v, NAN));
    }
    for (size_t i = 0; i < leann_value_count(facts); i++) { /* also what plug-ins state: bound_share, … */
        const char *name = NULL;
        const leann_value *v = leann_value_entry(facts, i, &name);
        if (!strcmp(name, "anchors") || isfinite(leann_table_get(t, row, name))) continue;
        char other[64];
        bool text = *leann_table_text(t, row, name) != 0; /* what `residual: auto` decided is the fact residual */
        snprintf(other, sizeof other, "%.47s%s", name, text ? "_taken" : "");
        leann_table_set(t, row, other, leann_value_real(v, NAN));
    }
}

static double mean_work(const leann_result *raw, unsigned what)
{
    double sum = 0;
    for (uint32_t i = 0; i < raw->n; i++) sum += (double)raw->work[(size_t)i * LEANN_RESULT_WORK + what];
    return raw->n ? sum / raw->n : NAN;
}

static void measure_work(leann_table *t, size_t row, const leann_result *raw)
{
    static const char *const names[] = {"dist_comps", "hops",      "fetches",   "recomputes", "encoder_calls",
                                        "cache_hits", "stage0_ms", "stage1_ms", "stage2_ms",  "pages"};
    for (unsigned i = 0; i < LEANN_RESULT_WORK; i++)
        leann_table_set(t, row, names[i], mean_work(raw, i) * (strstr(names[i], "_ms") ? 1e-6 : 1));
    leann_table_set(t, row, "queries", raw->n);
}

/* Each timed query's median over the passes, in seconds. */
static leann_status per_query(leann_ctx *ctx, const leann_result *raw, double *seconds)
{
    double *one = leann_alloc(ctx, (size_t)raw->repeats + 1, sizeof *one);
    if (!one) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < raw->t; i++) {
        for (uint32_t r = 0; r < raw->repeats; r++) one[r] = (double)raw->times_ns[(size_t)r * raw->t + i] * 1e-9;
        seconds[i] = leann_stats_median(one, raw->repeats);
    }
    leann_free(one);
    return LEANN_OK;
}

static leann_status measure_speed(leann_table *t, size_t row, const leann_result *raw)
{
    leann_ctx *ctx = leann_table_ctx(t);
    double *pass = leann_alloc(ctx, (size_t)raw->repeats + 1, sizeof *pass),
           *seconds = leann_alloc(ctx, (size_t)raw->t + 1, sizeof *seconds);
    leann_status s = pass && seconds ? per_query(ctx, raw, seconds) : LEANN_ENOMEM;
    if (!s && raw->t) {
        for (uint32_t r = 0; r < raw->repeats; r++) {
            double sum = 0;
            for (uint32_t i = 0; i < raw->t; i++) sum += (double)raw->times_ns[(size_t)r * raw->t + i];
            pass[r] = raw->t * 1e9 / sum;
        }
        leann_stats_sort(pass, raw->repeats);
        leann_table_set(t, row, "qps", leann_stats_quantile(pass, raw->repeats, 0.5));
        leann_table_set(t, row, "qps_lo", pass[0]);
        leann_table_set(t, row, "qps_hi", pass[raw->repeats - 1]);
        leann_table_set(t, row, "mean_ms", leann_stats_mean(seconds, raw->t) * 1e3);
        leann_stats_sort(seconds, raw->t);
        leann_table_set(t, row, "p50_ms", leann_stats_quantile(seconds, raw->t, 0.5) * 1e3);
        leann_table_set(t, row, "p95_ms", leann_stats_quantile(seconds, raw->t, 0.95) * 1e3);
        leann_table_set(t, row, "p99_ms", leann_stats_quantile(seconds, raw->t, 0.99) * 1e3);
        if (raw->t >= P999_QUERIES) leann_table_set(t, row, "p999_ms", leann_stats_quantile(seconds, raw->t, 0.999) * 1e3);
    }
    leann_table_set(t, row, "timed_queries", raw->t);
    leann_table_set(t, row, "repeats", raw->repeats);
    leann_table_set(t, row, "cold_ms", (double)raw->cold_ns * 1e-6);
    leann_table_set(t, row, "batch_qps", raw->batch_qps > 0 ? raw->batch_qps : NAN);
    leann_table_set(t, row, "load_rss_mb", (double)raw->load_rss_bytes / 1e6);
    leann_table_set(t, row, "search_rss_mb", (double)raw->search_rss_bytes / 1e6);
    leann_free(pass);
    leann_free(seconds);
    return s;
}

static leann_status measure_recall(leann_measures *m, size_t row, const leann_result *raw)
{
    ground *g = NULL;
    leann_table *t = m->table;
    leann_interval interval;
    double *tie = leann_alloc(m->ctx, (size_t)raw->n + 1, sizeof *tie), *annb = leann_alloc(m->ctx, (size_t)raw->n + 1, sizeof *annb);
    leann_status s = tie && annb ? find_ground(m, raw->dataset, &g) : LEANN_ENOMEM;
    if (!s) s = same_data(m->ctx, g, raw);
    if (!s) s = judge(m->ctx, g, raw, tie, annb);
    if (!s) s = leann_stats_bootstrap(m->ctx, tie, raw->n, 1, &interval);
    if (!s) {
        uint32_t good = 0;
        leann_table_set(t, row, "recall", interval.value);
        leann_table_set(t, row, "recall_lo", interval.lo);
        leann_table_set(t, row, "recall_hi", interval.hi);
        leann_table_set(t, row, "recall_annb", leann_stats_mean(annb, raw->n));
        for (uint32_t i = 0; i < raw->n; i++) good += tie[i] >= 0.9 - 1e-12;
        leann_stats_sort(tie, raw->n);
        leann_table_set(t, row, "recall_p1", leann_stats_quantile(tie, raw->n, 0.01));
        leann_table_set(t, row, "recall_p5", leann_stats_quantile(tie, raw->n, 0.05));
        leann_table_set(t, row, "share_ge_90", (double)good / raw->n);
    }
    leann_free(tie);
    leann_free(annb);
    return s;
}

/* ---- the folder --------------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of folder/raw's files, sorted; none where there is no such folder. */
static leann_status list_raw(leann_ctx *ctx, const char *folder, char ***names, size_t *n)
{
    char *path = leann_format(ctx, "%s/raw", folder);
    DIR *dir = path ? opendir(path) : NULL;
    size_t space = 0;
    *names = NULL;
    *n = 0;
    leann_status s = path ? LEANN_OK : LEANN_ENOMEM;
    for (struct dirent *e; !s && dir && (e = readdir(dir));) {
        size_t length = strlen(e->d_name);
        if (e->d_name[0] == '.' || length < 4 || strcmp(e->d_name + length - 3, ".h5") != 0) continue;
        if (*n == space) {
            char **more = realloc(*names, (space = space ? 2 * space : 256) * sizeof *more);
            if (more) *names = more;
            if (!more) s = leann_fail(ctx, LEANN_ENOMEM, "out of memory listing %s", path);
        }
        if (!s && !((*names)[(*n)++] = strdup(e->d_name))) s = leann_fail(ctx, LEANN_ENOMEM, "out of memory listing %s", path);
    }
    if (dir) closedir(dir);
    leann_free(path);
    if (*n) qsort(*names, *n, sizeof **names, by_name);
    return s;
}

/* An error of one file -> that row's status and sentence; what concerns all rows stays an error. */
static leann_status row_failed(leann_measures *m, size_t row, leann_status s)
{
    if (s == LEANN_OK || s == LEANN_ENOMEM || s == LEANN_EINTR || s == LEANN_ENOTFOUND) return s;
    leann_table_set_text(m->table, row, "status", leann_status_word(s));
    leann_table_set_text(m->table, row, "error", leann_ctx_error(m->ctx));
    leann_ctx_clear(m->ctx);
    return LEANN_OK;
}

static void keep_origin(leann_measures *m, const leann_value *provenance)
{
    char *origin =
        leann_format(m->ctx, "%s|%s|%s|%s", leann_value_text(leann_value_get(provenance, "commit"), ""),
                     leann_value_text(leann_value_get(provenance, "cpu"), ""), leann_value_text(leann_value_get(provenance, "isa"), ""),
                     leann_value_text(leann_value_get(provenance, "flags"), ""));
    if (!m->provenance) m->provenance = leann_value_copy(provenance);
    if (origin && (!m->origin || strcmp(origin, m->origin) != 0)) m->origins++;
    leann_free(m->origin);
    m->origin = origin;
}

static leann_status measure_file(leann_measures *m, const char *name)
{
    leann_result raw;
    leann_status s;
    size_t row = leann_table_add_row(m->table);
    char hash[64];
    snprintf(hash, sizeof hash, "%.*s", (int)(strlen(name) - 3 > 60 ? 60 : strlen(name) - 3), name);
    leann_table_set_text(m->table, row, "raw", hash);
    char *path = leann_format(m->ctx, "%s/raw/%s", m->folder, name);
    if (!path) return LEANN_ENOMEM;
    s = leann_result_load(m->ctx, path, &raw);
    leann_free(path);
    if (s) return row_failed(m, row, s == LEANN_ENOTFOUND ? LEANN_EFORMAT : s); /* HDF5, but an attribute or array is not there */
    keep_origin(m, raw.provenance);
    const leann_value *sums = leann_value_get(raw.provenance, "data");
    if (sums && !leann_value_get(m->data, raw.dataset)) leann_value_set(m->data, raw.dataset, leann_value_copy(sums));
    if (!m->stem) m->stem = leann_format(m->ctx, "%s", raw.sweep);
    describe(m->table, row, &raw);
    measure_build(m->table, row, &raw);
    if (!strcmp(raw.status, "ok")) {
        measure_work(m->table, row, &raw);
        s = measure_speed(m->table, row, &raw);
        if (!s) s = row_failed(m, row, measure_recall(m, row, &raw));
    }
    leann_result_clear(&raw);
    return s;
}

/* A small JSON file of the folder, NULL when there is none or it is damaged (it only adds to a report). */
static leann_value *side_file(leann_measures *m, const char *name)
{
    leann_value *v = NULL;
    char *path = leann_format(m->ctx, "%s/%s", m->folder, name), *text = NULL;
    size_t bytes = 0;
    leann_ctx *quiet = leann_ctx_new(1, 1);
    if (path && quiet && !leann_file_read(quiet, path, 16 << 20, &text, &bytes)) leann_value_parse(quiet, name, text, bytes, &v);
    leann_free(text);
    leann_free(path);
    leann_ctx_free(quiet);
    return v;
}

static leann_status add_csv(leann_measures *m, const char *name)
{
    leann_table *more = NULL;
    char *path = leann_format(m->ctx, "%s/%s", m->folder, name);
    struct stat info;
    leann_status s = path ? LEANN_OK : LEANN_ENOMEM;
    if (!s && !stat(path, &info)) s = leann_table_load_csv(m->ctx, path, &more);
    for (size_t i = 0; !s && more && i < leann_table_rows(more); i++) leann_table_copy_row(m->table, more, i);
    leann_table_free(more);
    leann_free(path);
    return s;
}

static leann_status measure_all(leann_measures *m, char **names, size_t n)
{
    leann_status s = LEANN_OK;
    for (size_t i = 0; i < n && !s; i++) {
        leann_ctx_progress(m->ctx, "measures", i, n);
        if (leann_ctx_cancelled(m->ctx)) s = leann_fail(m->ctx, LEANN_EINTR, "interrupted");
        if (!s) s = measure_file(m, names[i]);
    }
    leann_ctx_progress(m->ctx, "measures", n, n);
    return s;
}

static bool newer(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec : a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

/* Whether summary.csv was written after the last file of raw/ and imported.csv came there. */
static bool summary_is_new(const char *folder)
{
    char path[4096];
    struct stat summary, other;
    const char *const others[] = {"raw", "imported.csv"};
    snprintf(path, sizeof path, "%s/summary.csv", folder);
    if (stat(path, &summary)) return false;
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, others[i]);
        if (!stat(path, &other) && newer(&other, &summary)) return false;
    }
    return true;
}

/* summary.csv's rows into m, when there is one for each of n raw files. */
static leann_status take_summary(leann_measures *m, size_t n, bool *taken)
{
    size_t rows = 0;
    leann_status s = add_csv(m, "summary.csv");
    for (size_t i = 0; i < leann_table_rows(m->table); i++) rows += *leann_table_text(m->table, i, "raw") != 0;
    *taken = !s && rows == n;
    if (*taken) return s;
    leann_ctx_clear(m->ctx); /* damaged, or of other files: measured afresh */
    leann_table_free(m->table);
    m->table = leann_table_new(m->ctx);
    return m->table ? LEANN_OK : LEANN_ENOMEM;
}

static leann_status open_folder(leann_ctx *ctx, const char *folder, bool quick, leann_measures **out)
{
    static const char *const keys[] = {"dataset", "label", "cell", "k", "seed", "target_recall", "recall", "point"};
    char **names = NULL;
    size_t n = 0;
    leann_measures *m = leann_alloc(ctx, 1, sizeof *m);
    leann_status s = LEANN_ENOMEM;
    *out = NULL;
    if (!m) return s;
    m->ctx = ctx;
    m->folder = leann_format(ctx, "%s", folder);
    m->table = leann_table_new(ctx);
    m->data = leann_value_new_map();
    if (!m->folder || !m->table) goto done;
    m->sweep = side_file(m, "sweep.json");
    m->aa = side_file(m, "aa.json");
    bool summary = false; /* which holds what was imported */
    if ((s = list_raw(ctx, folder, &names, &n))) goto done;
    if (quick && n && summary_is_new(folder) && (s = take_summary(m, n, &summary))) goto done;
    for (size_t i = 0; leann_measures_columns[i]; i++) leann_table_add_column(m->table, leann_measures_columns[i]);
    m->has_raw = n > 0;
    if (!summary) s = n ? measure_all(m, names, n) : add_csv(m, "summary.csv");
    summary |= !n && leann_table_rows(m->table) > 0;
    if (!s && !summary) s = add_csv(m, "imported.csv");
    if (!s && !leann_table_rows(m->table))
        s = leann_fail(ctx, LEANN_ENOTFOUND, "no results in %s: neither raw/*.h5, as `leann bench run` writes them, nor summary.csv",
                       folder);
    leann_table_sort(m->table, keys, sizeof keys / sizeof *keys);
    if (!s) s = leann_table_check(m->table);
done:
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
    if (s)
        leann_measures_free(m);
    else
        *out = m;
    return s;
}

leann_status leann_measures_open(leann_ctx *ctx, const char *folder, leann_measures **out)
{
    return open_folder(ctx, folder, false, out);
}

leann_status leann_measures_open_quick(leann_ctx *ctx, const char *folder, leann_measures **out)
{
    return open_folder(ctx, folder, true, out);
}

void leann_measures_free(leann_measures *m)
{
    if (!m) return;
    for (unsigned i = 0; i < m->grounds; i++) {
        leann_dataset_free(m->ground[i].data);
        leann_free(m->ground[i].name);
        for (unsigned k = 0; k < MAX_K; k++) leann_free(m->ground[i].dk[k]);
    }
    leann_table_free(m->table);
    leann_value_free(m->sweep);
    leann_value_free(m->aa);
    leann_value_free(m->data);
    leann_value_free(m->provenance);
    leann_free(m->origin);
    leann_free(m->stem);
    leann_free(m->folder);
    leann_free(m);
}

leann_table *leann_measures_table(leann_measures *m)
{
    return m->table;
}
const char *leann_measures_folder(const leann_measures *m)
{
    return m->folder;
}
bool leann_measures_has_raw(const leann_measures *m)
{
    return m->has_raw;
}
const leann_value *leann_measures_provenance(const leann_measures *m)
{
    return m->provenance;
}
const leann_value *leann_measures_data(const leann_measures *m)
{
    return m->data;
}
const char *leann_measures_sweep(const leann_measures *m)
{
    return m->stem ? m->stem : "";
}
unsigned leann_measures_origins(const leann_measures *m)
{
    return m->origins;
}
double leann_measures_noise(const leann_measures *m, const char *name)
{
    return leann_value_real(leann_value_get(leann_value_get(m->aa, "noise"), name), NAN);
}

/* ---- one point again --------------------------------------------------------------------------------------------------------- */

leann_status leann_measures_raw(leann_measures *m, size_t row, leann_result *raw, const leann_dataset **data)
{
    const char *hash = leann_table_text(m->table, row, "raw");
    ground *g = NULL;
    *raw = (leann_result){0};
    if (!*hash || !m->has_raw) return leann_fail(m->ctx, LEANN_ENOTFOUND, "%s: this row has no raw result", m->folder);
    char *path = leann_format(m->ctx, "%s/raw/%s.h5", m->folder, hash);
    leann_status s = path ? leann_result_load(m->ctx, path, raw) : LEANN_ENOMEM;
    if (!s) s = find_ground(m, raw->dataset, &g);
    if (!s) s = same_data(m->ctx, g, raw);
    if (s) leann_result_clear(raw);
    if (!s && data) *data = g->data;
    leann_free(path);
    return s;
}

leann_status leann_measures_queries(leann_measures *m, size_t row, leann_queries *out)
{
    leann_result raw;
    ground *g = NULL;
    double *annb = NULL;
    *out = (leann_queries){0};
    leann_status s = leann_measures_raw(m, row, &raw, NULL);
    if (s) return s;
    if (!(s = find_ground(m, raw.dataset, &g))) {
        annb = leann_alloc(m->ctx, (size_t)raw.n + 1, sizeof *annb);
        out->recall = leann_alloc(m->ctx, (size_t)raw.n + 1, sizeof *out->recall);
        out->seconds = leann_alloc(m->ctx, (size_t)raw.t + 1, sizeof *out->seconds);
        s = annb && out->recall && out->seconds ? judge(m->ctx, g, &raw, out->recall, annb) : LEANN_ENOMEM;
    }
    if (!s) s = per_query(m->ctx, &raw, out->seconds);
    if (!s) {
        out->n = raw.n;
        out->t = raw.t;
        out->rows = raw.query_rows;
        out->timed = raw.timed_rows;
        raw.query_rows = raw.timed_rows = NULL;
    } else {
        leann_queries_clear(out);
    }
    leann_free(annb);
    leann_result_clear(&raw);
    return s;
}

void leann_queries_clear(leann_queries *q)
{
    void *heap[] = {q->rows, q->recall, q->timed, q->seconds};
    for (size_t i = 0; i < sizeof heap / sizeof *heap; i++) leann_free(heap[i]);
    *q = (leann_queries){0};
}
