/* measures_row.c – one raw result -> its row of measures: what it is, what its build cost, its work and its speed. No data set is needed.
 *
 * Speed: a pass over the timed queries gives one mean; qps is the median of the passes' 1 / mean, qps_lo and qps_hi the slowest and
 * fastest pass. Percentiles are over queries, each query's time being its median over the passes. p999 only from 10,000 queries.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/measures_row.h"
#include "eval/measures.h"
#include "eval/stats.h"
#include "eval/sweep.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { P999_QUERIES = 10000, STAGES = 6 /* where a query's seconds by stage begin in its work */ };

const char *const leann_measures_columns[] = {
    "dataset", "method", "selector", "graph", "quantizer", "residual", "anchors", "params", "k", "status", "recall", "qps", "p50_ms",
    "p95_ms", "p99_ms", "build_s", "index_bytes", "bytes_per_vector", "ratio_vectors", "ratio_source", "dist_comps", "fetches", "coverage",
    "balance", "quantization_error", "peak_rss_mb", "recall_lo", "recall_hi", "recall_annb", "recomputes", "encoder_calls", "n", "d",
    "distance", "seed", "threads", "isa",
    /* then more */
    "label", "legend", "cell", "point", "target_recall", "chosen", "passed", "queries", "recall_p1", "recall_p5", "share_ge_90", "qps_lo",
    "qps_hi", "mean_ms", "p999_ms", "cold_ms", "batch_qps", "timed_queries", "repeats", "stage0_ms", "stage1_ms", "stage2_ms",
    "stage0_p50_ms", "stage1_p50_ms", "stage2_p50_ms", "hops", "cache_hits", "pages", "missing", "predicted_recall", "bytes_meta",
    "bytes_graph", "bytes_codes", "bytes_anchors", "bytes_codebooks", "bytes_ids", "bytes_vectors", "bytes_text", "bytes_delta",
    "predicted_bytes", "coverage_auc", "coverage_knn", "tau", "radius_p50", "radius_p99", "radius_max", "facility_location", "entropy",
    "gini", "max_over_mean", "empty_anchors", "mse", "anchor_error", "codes_bias", "codes_recall", "mean_degree", "rss_anon_mb",
    "load_rss_mb", "load_anon_mb", "search_rss_mb", "search_anon_mb", "load_s", "error", "published", "raw", NULL};

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

/* The memory of a process that took stages from the cache is not the build's, unless those stages know what making them took. */
static bool knows_memory(const leann_value *build)
{
    const leann_value *stages = leann_value_get(build, "stages");
    for (size_t i = 0; i < leann_value_count(stages); i++) {
        const leann_value *stage = leann_value_at(stages, i);
        if (leann_value_bool(leann_value_get(stage, "cached"), false) && !leann_value_get(stage, "peak_rss_bytes")) return false;
    }
    return true;
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
    bool memory = knows_memory(b);
    leann_table_set(t, row, "peak_rss_mb", memory ? leann_value_real(leann_value_get(b, "peak_rss_bytes"), NAN) / 1e6 : NAN);
    leann_table_set(t, row, "rss_anon_mb", memory ? leann_value_real(leann_value_get(b, "rss_anon_bytes"), NAN) / 1e6 : NAN);
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
        if (leann_value_type(v) == LEANN_V_LIST) { /* out_degrees, … */
            char *list = leann_value_json(v, true, 0);
            put_text(t, row, name, list);
            leann_free(list);
            continue;
        }
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

/* The median over queries of the time in each stage, from the pass that gave the answers. */
static leann_status measure_stages(leann_table *t, size_t row, const leann_result *raw)
{
    static const char *const names[] = {"stage0_p50_ms", "stage1_p50_ms", "stage2_p50_ms"};
    double *ms = leann_alloc(leann_table_ctx(t), (size_t)raw->n + 1, sizeof *ms);
    if (!ms) return LEANN_ENOMEM;
    for (unsigned i = 0; i < 3; i++) {
        for (uint32_t q = 0; q < raw->n; q++) ms[q] = (double)raw->work[(size_t)q * LEANN_RESULT_WORK + STAGES + i] * 1e-6;
        leann_table_set(t, row, names[i], raw->n ? leann_stats_median(ms, raw->n) : NAN);
    }
    leann_free(ms);
    return LEANN_OK;
}

static void measure_work(leann_table *t, size_t row, const leann_result *raw)
{
    static const struct {
        const char *column;
        double unit;
    } counts[LEANN_RESULT_WORK] = {{"dist_comps", 1},    {"hops", 1},       {"fetches", 1},      {"recomputes", 1},
                                   {"encoder_calls", 1}, {"cache_hits", 1}, {"stage0_ms", 1e-6}, {"stage1_ms", 1e-6},
                                   {"stage2_ms", 1e-6},  {"pages", 1},      {"missing", 1e-6}};
    for (unsigned i = 0; i < LEANN_RESULT_WORK; i++) leann_table_set(t, row, counts[i].column, mean_work(raw, i) * counts[i].unit);
    const double missing = mean_work(raw, LEANN_RESULT_WORK - 1) * 1e-6;
    if (missing > 0) leann_table_set(t, row, "predicted_recall", 1 - missing / raw->k);
    leann_table_set(t, row, "queries", raw->n);
}

leann_status leann_row_seconds(leann_ctx *ctx, const leann_result *raw, double *seconds)
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

static void set_megabytes(leann_table *t, size_t row, const char *column, uint64_t bytes) /* 0: not known */
{
    leann_table_set(t, row, column, bytes ? (double)bytes / 1e6 : NAN);
}

static leann_status measure_speed(leann_table *t, size_t row, const leann_result *raw)
{
    leann_ctx *ctx = leann_table_ctx(t);
    double *pass = leann_alloc(ctx, (size_t)raw->repeats + 1, sizeof *pass),
           *seconds = leann_alloc(ctx, (size_t)raw->t + 1, sizeof *seconds);
    leann_status s = pass && seconds ? leann_row_seconds(ctx, raw, seconds) : LEANN_ENOMEM;
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
    set_megabytes(t, row, "load_rss_mb", raw->load_rss.peak);
    set_megabytes(t, row, "load_anon_mb", raw->load_rss.anon);
    set_megabytes(t, row, "search_rss_mb", raw->search_rss.peak);
    set_megabytes(t, row, "search_anon_mb", raw->search_rss.anon);
    leann_free(pass);
    leann_free(seconds);
    return s;
}

leann_status leann_row_measure(leann_table *t, size_t row, const leann_result *raw)
{
    describe(t, row, raw);
    measure_build(t, row, raw);
    if (strcmp(raw->status, "ok") != 0) return LEANN_OK;
    measure_work(t, row, raw);
    leann_status s = measure_stages(t, row, raw);
    return s ? s : measure_speed(t, row, raw);
}
