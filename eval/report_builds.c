/* report_builds.c – the sections of a report on builds: what they take, scans of all their codes, health, and figures from elsewhere.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/report_parts.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* ---- builds ---------------------------------------------------------------------------------------------------------------------------- */

/* The best recall of a build at k with at most `most` fetches; the row, or SIZE_MAX. */
static size_t best_within(const leann_report *r, const char *dataset, const char *cell, double k, double most)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++) {
        if (leann_table_get(r->seeds, i, "k") != k || strcmp(leann_table_text(r->seeds, i, "cell"), cell) != 0 ||
            strcmp(leann_table_text(r->seeds, i, "dataset"), dataset) != 0 || !(leann_table_get(r->seeds, i, "fetches") <= most))
            continue;
        double recall = leann_table_get(r->seeds, i, "recall"), so_far = best == SIZE_MAX ? -1 : leann_table_get(r->seeds, best, "recall");
        if (recall > so_far || (recall == so_far && leann_table_get(r->seeds, i, "qps") > leann_table_get(r->seeds, best, "qps"))) best = i;
    }
    return best;
}

static void at_targets(leann_report *r, leann_table *t, size_t row, const char *dataset, const char *cell)
{
    for (size_t i = 0; i < LEANN_REPORT_TARGETS; i++) {
        char name[48];
        leann_pick pick;
        bool there = leann_compare_at(r->seeds, dataset, r->main_k, cell, leann_report_targets[i], &pick);
        snprintf(name, sizeof name, "QPS at %.2f", leann_report_targets[i]);
        leann_table_set(t, row, name, there ? pick.qps : NAN);
        snprintf(name, sizeof name, "fetches at %.2f", leann_report_targets[i]);
        leann_table_set(t, row, name, there ? pick.fetches : NAN);
    }
}

static void set_predicted(leann_table *t, size_t row, const leann_table *a, size_t from)
{
    leann_table_set_fixed(t, row, "predicted (modelled) / real",
                          leann_table_get(a, from, "predicted_bytes") / leann_table_get(a, from, "index_bytes"), 4, "");
}

/* "pq(sub_vectors=98)" of a cell's label; the word alone where the label does not name it. */
static const char *quantizer_of(const leann_table *a, size_t from, char buffer[128])
{
    static const char key[] = " quantizer=";
    const char *at = strstr(leann_table_text(a, from, "cell"), key);
    if (!at) return leann_table_text(a, from, "quantizer");
    at += sizeof key - 1;
    snprintf(buffer, 128, "%.*s", (int)strcspn(at, " "), at);
    return buffer;
}

static void set_words(leann_table *t, size_t row, const leann_table *a, size_t from)
{
    char quantizer[128];
    leann_table_set_text(t, row, "selector", leann_table_text(a, from, "selector"));
    leann_table_set_text(t, row, "graph", leann_table_text(a, from, "graph"));
    leann_table_set_text(t, row, "quantizer", quantizer_of(a, from, quantizer));
    leann_table_set_text(t, row, "residual", leann_table_text(a, from, "residual"));
    leann_table_set(t, row, "anchors", leann_table_get(a, from, "anchors"));
}

static void build_row(leann_report *r, leann_table *t, size_t from, const char *dataset, bool anchor)
{
    const leann_table *a = r->seeds;
    size_t row = leann_table_add_row(t);
    const char *cell = leann_table_text(a, from, "cell");
    if (anchor)
        set_words(t, row, a, from);
    else
        leann_table_set_text(t, row, "build", cell);
    leann_table_set(t, row, "MB", leann_table_get(a, from, "index_bytes") / 1e6);
    leann_table_set_fixed(t, row, "of float32", leann_table_get(a, from, "ratio_vectors") * 100, 2, " %");
    leann_table_set_fixed(t, row, "of source", leann_table_get(a, from, "ratio_source") * 100, 2, " %");
    set_predicted(t, row, a, from);
    leann_report_range(r, t, row, "build s", from, "build_s", 2);
    leann_table_set(t, row, "build peak MB", leann_table_get(a, from, "peak_rss_mb"));
    leann_table_set(t, row, "search peak MB", leann_table_get(a, from, "search_rss_mb"));
    leann_table_set(t, row, "search anonymous MB", leann_table_get(a, from, "search_anon_mb"));
    char name[64];
    snprintf(name, sizeof name, anchor ? "recall@%.0f, at most 100 fetches" : "best recall@%.0f", r->main_k);
    size_t best = best_within(r, dataset, cell, r->main_k, anchor ? 100 : INFINITY);
    if (best == SIZE_MAX)
        leann_table_add_column(t, name);
    else
        leann_report_range(r, t, row, name, best, "recall", 4);
    if (anchor) leann_table_set(t, row, "fetches there", best == SIZE_MAX ? NAN : leann_table_get(a, best, "fetches"));
    at_targets(r, t, row, dataset, cell);
}

/* The first row of each build of dataset in r->seeds, from `at` on; SIZE_MAX: no more. Rows of one build stand together. */
static size_t next_build(const leann_report *r, size_t at, const char *dataset, bool anchor)
{
    for (; at < leann_table_rows(r->seeds); at++) {
        const char *before = at ? leann_table_text(r->seeds, at - 1, "cell") : "";
        bool is_anchor = !strcmp(leann_table_text(r->seeds, at, "label"), "anchor");
        if (is_anchor == anchor && strcmp(leann_table_text(r->seeds, at, "cell"), before) != 0 &&
            !strcmp(leann_table_text(r->seeds, at, "dataset"), dataset))
            return at;
    }
    return SIZE_MAX;
}

static const char *const anchor_order[] = {"selector", "anchors", "graph", "quantizer", "residual"};
enum { ANCHOR_ORDER = sizeof anchor_order / sizeof *anchor_order };

leann_status leann_report_builds(leann_report *r, const char *dataset, bool anchor)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; (i = next_build(r, i, dataset, anchor)) != SIZE_MAX; i++) build_row(r, t, i, dataset, anchor);
    if (anchor) leann_table_sort(t, anchor_order, ANCHOR_ORDER);
    return leann_report_table(r, t, anchor ? "The anchor method: selector x graph x quantiser x anchors" : "Builds of the other methods",
                              NULL);
}

/* ---- scans of all codes ------------------------------------------------------------------------------------------------------------------ */

static const double SCAN_SLACK = 0.01; /* of recall */

/* A parameter of a row's query; NaN: it has none, or a grid. */
static double query_number(const leann_report *r, size_t row, const char *name)
{
    const char *text = leann_table_text(r->seeds, row, "params");
    leann_value *params = NULL;
    double x = NAN;
    if (!leann_value_parse(r->ctx, "params", text, strlen(text), &params))
        x = leann_value_real(leann_value_get(leann_value_get(params, "query"), name), NAN);
    leann_value_free(params);
    return x;
}

/* Of a build's points that fetch nothing: the fewest probes within SCAN_SLACK of the scan, or else the best recall. */
static size_t first_near(const leann_report *r, size_t from, bool *near)
{
    const leann_table *a = r->seeds;
    const char *cell = leann_table_text(a, from, "cell"), *dataset = leann_table_text(a, from, "dataset");
    size_t best = SIZE_MAX;
    double probes = INFINITY, recall = -1;
    *near = false;
    for (size_t i = from; i < leann_table_rows(a) && !strcmp(leann_table_text(a, i, "cell"), cell); i++) {
        double here = leann_table_get(a, i, "recall"), p = query_number(r, i, "probes");
        if (leann_table_get(a, i, "k") != r->main_k || leann_table_get(a, i, "fetches") != 0 ||
            strcmp(leann_table_text(a, i, "dataset"), dataset) != 0)
            continue;
        bool enough = here >= leann_table_get(a, i, "codes_recall") - SCAN_SLACK;
        if (enough ? p < probes : !*near && here > recall) best = i;
        if (enough) probes = fmin(probes, p);
        recall = fmax(recall, here);
        *near |= enough;
    }
    return best;
}

static void scan_row(leann_report *r, leann_table *t, size_t from)
{
    const leann_table *a = r->seeds;
    bool near;
    size_t at = first_near(r, from, &near), row;
    char scan[64], there[64];
    if (at == SIZE_MAX || isnan(leann_table_get(a, at, "codes_recall"))) return;
    snprintf(scan, sizeof scan, "recall@%.0f of a scan", r->main_k);
    snprintf(there, sizeof there, "recall@%.0f there", r->main_k);
    row = leann_table_add_row(t);
    set_words(t, row, a, at);
    leann_table_set(t, row, "MB", leann_table_get(a, at, "index_bytes") / 1e6);
    set_predicted(t, row, a, at);
    leann_table_set_fixed(t, row, scan, leann_table_get(a, at, "codes_recall"), 4, "");
    leann_table_add_column(t, "first probes within 0.01");
    if (near)
        leann_table_set(t, row, "first probes within 0.01", query_number(r, at, "probes"));
    else
        leann_table_set_format(t, row, "first probes within 0.01", "none; best: %.0f", query_number(r, at, "probes"));
    leann_report_range(r, t, row, there, at, "recall", 4);
    leann_table_set(t, row, "stage 1 ms", leann_table_get(a, at, "stage0_p50_ms"));
    leann_table_set(t, row, "stage 2 ms", leann_table_get(a, at, "stage1_p50_ms"));
    leann_table_set(t, row, "a query ms", leann_table_get(a, at, "p50_ms"));
}

leann_status leann_report_scans(leann_report *r, const char *dataset)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; (i = next_build(r, i, dataset, true)) != SIZE_MAX; i++) scan_row(r, t, i);
    leann_table_sort(t, anchor_order, ANCHOR_ORDER);
    return leann_report_table(r, t, "The anchor method against a scan of all its codes",
                              "Answers from codes alone, without a fetch: the recall of a scan of all the codes that a build rests on, "
                              "their ceiling, and the first "
                              "number of probes whose recall is at most 0.01 below it. Stage 1 finds the anchors, stage 2 scores the codes "
                              "of their lists; times are "
                              "medians over queries, one thread, a query's from end to end.");
}

/* ---- health ---------------------------------------------------------------------------------------------------------------------------- */

static void judge(leann_table *t, size_t row, const char *column, double x, double healthy, double limit, bool more)
{
    bool good = more ? x > healthy : x < healthy, bad = more ? x < limit : x > limit;
    leann_table_add_column(t, column);
    if (isfinite(x)) leann_table_set_text(t, row, column, good ? "healthy" : bad ? "beyond the limit" : "between");
}

static bool same_number(double x, double y)
{
    return x == y || (isnan(x) && isnan(y));
}

/* The row of t for what is healthy or not in row i of the seeds: graphs and k do not matter here. SIZE_MAX: there is none yet. */
static size_t health_row(const leann_table *t, const leann_table *a, size_t i)
{
    char quantizer[128];
    const char *word = quantizer_of(a, i, quantizer);
    for (size_t row = 0; row < leann_table_rows(t); row++) {
        bool same = !strcmp(leann_table_text(t, row, "method"), leann_table_text(a, i, "label")) &&
                    !strcmp(leann_table_text(t, row, "selector"), leann_table_text(a, i, "selector")) &&
                    !strcmp(leann_table_text(t, row, "quantizer"), word) &&
                    !strcmp(leann_table_text(t, row, "residual"), leann_table_text(a, i, "residual")) &&
                    same_number(leann_table_get(t, row, "anchors"), leann_table_get(a, i, "anchors"));
        if (same) return row;
    }
    return SIZE_MAX;
}

static void add_health(const leann_report *r, leann_table *t, size_t i)
{
    const leann_table *a = r->seeds;
    char quantizer[128];
    size_t row = leann_table_add_row(t);
    leann_table_set_text(t, row, "method", leann_table_text(a, i, "label"));
    leann_table_set_text(t, row, "selector", leann_table_text(a, i, "selector"));
    leann_table_set(t, row, "anchors", leann_table_get(a, i, "anchors"));
    leann_table_set_text(t, row, "quantizer", quantizer_of(a, i, quantizer));
    leann_table_set_text(t, row, "residual", leann_table_text(a, i, "residual"));
    leann_report_range(r, t, row, "coverage", i, "coverage", 3);
    judge(t, row, "over 0.80", leann_table_get(a, i, "coverage"), 0.80, 0.70, true);
    leann_table_set_fixed(t, row, "of the bound", leann_table_get(a, i, "bound_share"), 3, "");
    leann_report_range(r, t, row, "balance", i, "balance", 3);
    judge(t, row, "over 0.70", leann_table_get(a, i, "balance"), 0.70, 0.70, true);
    leann_report_range(r, t, row, "quantisation error", i, "quantization_error", 5);
    judge(t, row, "under 0.05", leann_table_get(a, i, "quantization_error"), 0.05, 0.05, false);
    leann_table_set_fixed(t, row, "anchors alone leave", leann_table_get(a, i, "anchor_error"), 3, "");
    leann_table_set(t, row, "empty", leann_table_get(a, i, "empty_anchors"));
}

leann_status leann_report_health(leann_report *r, const char *dataset)
{
    static const char *const columns[] = {"method", "selector", "anchors", "quantizer", "residual"};
    const leann_table *a = r->seeds;
    char ceiling[64];
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    snprintf(ceiling, sizeof ceiling, "a scan's recall@%.0f", r->main_k);
    for (size_t i = 0; i < leann_table_rows(a); i++) {
        if (strcmp(leann_table_text(a, i, "dataset"), dataset) != 0 ||
            (isnan(leann_table_get(a, i, "coverage")) && !*leann_table_text(a, i, "quantizer")))
            continue;
        size_t row = health_row(t, a, i);
        if (row == SIZE_MAX) {
            add_health(r, t, i);
            row = leann_table_rows(t) - 1;
        }
        if (leann_table_get(a, i, "k") == r->main_k) leann_table_set_fixed(t, row, ceiling, leann_table_get(a, i, "codes_recall"), 4, "");
    }
    leann_table_sort(t, columns, 5);
    return leann_report_table(
        r, t, "Health",
        "Coverage above 0.80 is healthy and below 0.70 asks for a rebuild, balance above 0.70 is healthy, and so is a quantisation error "
        "below "
        "0.05 where answers come from codes alone. Of the bound: the share of what no choice of anchors can exceed that the chosen ones "
        "cover, "
        "where a selector knows it. A scan: of all the codes, without a re-rank, which is the ceiling of answers from codes alone.");
}

/* ---- beside figures from elsewhere --------------------------------------------------------------------------------------------------------- */

/* The mean and range of a measure over the rows of dataset that are `where`; how many. */
static leann_status look_up(leann_report *r, const char *dataset, const char *where, const char *measure, double *mean, double *lo,
                            double *hi, size_t *n)
{
    leann_table *some = NULL;
    *n = 0;
    *lo = INFINITY, *hi = -INFINITY, *mean = 0;
    leann_status s = leann_table_only(r->rows, where, &some);
    if (s == LEANN_ENOTFOUND) { /* not measured here */
        leann_ctx_clear(r->ctx);
        return LEANN_OK;
    }
    if (!s && leann_table_find(some, measure) < 0) s = leann_fail(r->ctx, LEANN_EINVAL, "reference.csv: no column '%s'", measure);
    for (size_t i = 0; !s && i < leann_table_rows(some); i++) {
        double x = leann_table_get(some, i, measure);
        if (isnan(x) || strcmp(leann_table_text(some, i, "dataset"), dataset) != 0) continue;
        *mean += x;
        *lo = fmin(*lo, x);
        *hi = fmax(*hi, x);
        ++*n;
    }
    if (*n) *mean /= (double)*n;
    leann_table_free(some);
    return s;
}

static leann_status reference_row(leann_report *r, const char *dataset, const leann_table *given, size_t i, leann_table *t)
{
    const char *measure = leann_table_text(given, i, "measure"), *where = leann_table_text(given, i, "where");
    double reference = leann_table_get(given, i, "reference"), within = leann_table_get(given, i, "within"), mean, lo, hi;
    bool less = !strcmp(leann_table_text(given, i, "better"), "less");
    size_t n;
    leann_status s = look_up(r, dataset, where, measure, &mean, &lo, &hi, &n);
    if (s || (!n && r->datas > 1)) return s; /* it may be another data set's */
    size_t row = leann_table_add_row(t);
    const char *word = !n                                                     ? "not measured"
                       : reference >= lo - within && reference <= hi + within ? "agrees"
                       : (mean < reference) == less                           ? "better"
                                                                              : "worse";
    leann_table_set_text(t, row, "measure", measure);
    leann_table_set_text(t, row, "of", where);
    leann_table_set(t, row, "reference", reference);
    leann_report_spread(t, row, "ours", n ? mean : NAN, lo, hi);
    leann_table_set_fixed(t, row, "ours / reference", n ? mean / reference : NAN, 3, "");
    leann_table_set_text(t, row, "verdict", word);
    leann_table_set_text(t, row, "why", *word == 'b' || *word == 'w' ? leann_table_text(given, i, "why") : "");
    return LEANN_OK;
}

leann_status leann_report_reference(leann_report *r, const char *dataset)
{
    leann_table *given = NULL, *t = NULL;
    struct stat info;
    char *path = leann_format(r->ctx, "%s/reference.csv", leann_measures_folder(r->m));
    leann_status s = path ? LEANN_OK : LEANN_ENOMEM;
    if (!s && !stat(path, &info)) {
        s = leann_table_load_csv(r->ctx, path, &given);
        if (!s && !(t = leann_table_new(r->ctx))) s = LEANN_ENOMEM;
        for (size_t i = 0; !s && i < leann_table_rows(given); i++) s = reference_row(r, dataset, given, i, t);
        if (!s)
            s = leann_report_table(
                r, t, "Beside figures from elsewhere",
                "The figures of reference.csv, measured by another program with the same definitions. Ours: the mean over all "
                "rows that match, with their range. They agree where the range, widened by what a figure is rounded to, "
                "holds the other's.");
        else
            leann_table_free(t);
    }
    leann_table_free(given);
    leann_free(path);
    return s;
}
