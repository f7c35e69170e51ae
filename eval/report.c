/* report.c – the report of a results folder: each method at a recall against full-embedding hnsw, the anchor grid, builds, health,
 * failures, provenance; figures from figures.c.
 *
 * Nothing is printed that was not measured, but predicted bytes and speeds between two measured points, both labelled as such. An empty
 * entry means: not measured.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/report.h"
#include "core/container.h"
#include "eval/compare.h"
#include "eval/figures.h"
#include "eval/page.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NAMES = 48 };
static const double targets[] = {0.90, 0.95};

typedef struct {
    leann_ctx *ctx;
    leann_measures *m;
    const leann_table *rows; /* all */
    leann_table *seeds;      /* ok ones, means over seeds */
    leann_page page;
    const char *data[MAX_NAMES], *label[MAX_NAMES];
    size_t datas, labels;
    double k[16], main_k;
    size_t ks;
    bool many_seeds;
    leann_figures figures;
    const char *command;
} report;

/* ---- small things --------------------------------------------------------------------------------------------------------------- */

static void set_format(leann_table *t, size_t row, const char *column, const char *format, ...) __attribute__((format(printf, 4, 5)));
static void set_format(leann_table *t, size_t row, const char *column, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    leann_table_set_text(t, row, column, text);
}

/* A share in three or four decimals, but none where there is none. */
static void set_fixed(leann_table *t, size_t row, const char *column, double x, int decimals, const char *unit)
{
    leann_table_add_column(t, column);
    if (isfinite(x)) set_format(t, row, column, "%.*f%s", decimals, x, unit);
}

/* "0.094x" in three digits. */
static void set_ratio(leann_table *t, size_t row, const char *column, double x, const char *mark)
{
    leann_table_add_column(t, column);
    if (isfinite(x)) set_format(t, row, column, "%.3gx%s", x, mark);
}

static void set_short(leann_table *t, size_t row, const char *column, double x)
{
    leann_table_set(t, row, column, isfinite(x) ? x : NAN);
}

/* "0.951" or, over seeds, "0.951 (0.949–0.953)". */
static void set_range(const report *r, leann_table *t, size_t row, const char *column, size_t from, const char *name, int decimals)
{
    char lo_name[64], hi_name[64];
    snprintf(lo_name, sizeof lo_name, "%s_min", name);
    snprintf(hi_name, sizeof hi_name, "%s_max", name);
    double x = leann_table_get(r->seeds, from, name), lo = leann_table_get(r->seeds, from, lo_name),
           hi = leann_table_get(r->seeds, from, hi_name);
    if (isnan(x) || leann_table_get(r->seeds, from, "seeds") < 2 || !(hi > lo))
        set_fixed(t, row, column, x, decimals, "");
    else
        set_format(t, row, column, "%.*f (%.*f–%.*f)", decimals, x, decimals, lo, decimals, hi);
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void collect(report *r)
{
    r->datas = leann_compare_distinct(r->rows, "dataset", r->data, MAX_NAMES);
    r->labels = leann_compare_distinct(r->seeds, "label", r->label, MAX_NAMES);
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++) {
        double k = leann_table_get(r->seeds, i, "k");
        bool there = isnan(k);
        for (size_t j = 0; j < r->ks && !there; j++) there = r->k[j] == k;
        if (!there && r->ks < 16) r->k[r->ks++] = k;
        r->many_seeds |= leann_table_get(r->seeds, i, "seeds") > 1;
    }
    qsort(r->k, r->ks, sizeof *r->k, by_number);
    for (size_t j = 0; j < r->ks; j++)
        if (r->k[j] <= 10 || j == 0) r->main_k = r->k[j]; /* 10 where it was measured */
}

/* ---- the first table -------------------------------------------------------------------------------------------------------------- */

static const char *how_text(const leann_pick *p, char buffer[64])
{
    if (p->how == LEANN_PICK_INTERPOLATED)
        snprintf(buffer, 64, "between two points");
    else
        snprintf(buffer, 64, "first above: %.4f", p->recall);
    return buffer;
}

static bool is_tie(const report *r, double ratio)
{
    double noise = leann_measures_noise(r->m, "qps");
    return isfinite(noise) && ratio > 0 && fabs(log(ratio)) <= noise;
}

static void pick_row(report *r, leann_table *t, const char *label, double target, const char *which, const leann_pick *p,
                     const leann_pick *base)
{
    char how[64];
    size_t row = leann_table_add_row(t);
    double bytes = leann_table_get(r->seeds, p->row, "index_bytes"), build = leann_table_get(r->seeds, p->row, "build_s");
    double ratio = base ? p->qps / base->qps : NAN;
    leann_table_set_text(t, row, "method", label);
    set_fixed(t, row, "recall", target, 2, "");
    set_format(t, row, "build", "%s%s%s", which, *which ? ": " : "", leann_table_text(r->seeds, p->row, "cell"));
    leann_table_set_text(t, row, "taken", how_text(p, how));
    set_short(t, row, "QPS", p->qps);
    char lo[32], hi[32];
    leann_table_add_column(t, "passes");
    if (isfinite(leann_table_get(r->seeds, p->row, "qps_lo")))
        set_format(t, row, "passes", "%s to %s", leann_table_short(leann_table_get(r->seeds, p->row, "qps_lo"), lo),
                   leann_table_short(leann_table_get(r->seeds, p->row, "qps_hi"), hi));
    set_ratio(t, row, "QPS / hnsw", ratio, is_tie(r, ratio) && p->row != (base ? base->row : SIZE_MAX) ? ", a tie" : "");
    set_short(t, row, "MB", bytes / 1e6);
    set_ratio(t, row, "bytes / hnsw", base ? bytes / leann_table_get(r->seeds, base->row, "index_bytes") : NAN, "");
    set_fixed(t, row, "of float32", leann_table_get(r->seeds, p->row, "ratio_vectors") * 100, 2, " %");
    set_short(t, row, "build s", build);
    set_ratio(t, row, "build / hnsw", base ? build / leann_table_get(r->seeds, base->row, "build_s") : NAN, "");
    set_short(t, row, "fetches", p->fetches);
}

static void missed_row(leann_table *t, const char *label, double target, const char *best)
{
    size_t row = leann_table_add_row(t);
    leann_table_set_text(t, row, "method", label);
    set_fixed(t, row, "recall", target, 2, "");
    leann_table_set_text(t, row, "build", best);
    leann_table_set_text(t, row, "taken", "not reached");
}

static double best_recall(const report *r, const char *dataset, double k, const char *label)
{
    double best = NAN;
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++)
        if (leann_table_get(r->seeds, i, "k") == k && !strcmp(leann_table_text(r->seeds, i, "label"), label) &&
            !strcmp(leann_table_text(r->seeds, i, "dataset"), dataset))
            best = fmax(best, leann_table_get(r->seeds, i, "recall"));
    return best;
}

static leann_status methods_table(report *r, const char *dataset, double k)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        leann_pick base, pick, small;
        bool has_base = leann_compare_best(r->seeds, dataset, k, "label", "hnsw", targets[i], false, &base);
        for (size_t j = 0; j < r->labels; j++) {
            double best = best_recall(r, dataset, k, r->label[j]);
            char text[64];
            if (isnan(best)) continue;
            if (!leann_compare_best(r->seeds, dataset, k, "label", r->label[j], targets[i], false, &pick)) {
                snprintf(text, sizeof text, "best recall %.4f", best);
                missed_row(t, r->label[j], targets[i], text);
                continue;
            }
            bool two = leann_compare_best(r->seeds, dataset, k, "label", r->label[j], targets[i], true, &small) &&
                       leann_table_get(r->seeds, small.row, "index_bytes") < leann_table_get(r->seeds, pick.row, "index_bytes") * 0.99;
            pick_row(r, t, r->label[j], targets[i], two ? "fastest" : "", &pick, has_base ? &base : NULL);
            if (two) pick_row(r, t, r->label[j], targets[i], "smallest", &small, has_base ? &base : NULL);
        }
    }
    leann_status s = leann_table_check(t);
    if (!s && leann_table_rows(t)) leann_page_table(&r->page, t);
    leann_table_free(t);
    return s;
}

/* What a sweep's target_recall found on the tune half, and what that gives on the report half. */
static leann_status tuned_table(report *r, const char *dataset)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++) {
        double target = leann_table_get(r->seeds, i, "target_recall");
        if (isnan(target) || strcmp(leann_table_text(r->seeds, i, "dataset"), dataset) != 0) continue;
        size_t row = leann_table_add_row(t);
        leann_table_set_text(t, row, "build", leann_table_text(r->seeds, i, "cell"));
        set_short(t, row, "k", leann_table_get(r->seeds, i, "k"));
        set_fixed(t, row, "recall to reach", target, 2, "");
        leann_table_set_text(t, row, "reached in tuning", leann_table_text(r->seeds, i, "passed"));
        set_short(t, row, "value found", leann_table_get(r->seeds, i, "chosen"));
        set_range(r, t, row, "recall", i, "recall", 4);
        set_range(r, t, row, "QPS", i, "qps", 0);
        set_short(t, row, "fetches", leann_table_get(r->seeds, i, "fetches"));
    }
    leann_status s = leann_table_check(t);
    if (!s && leann_table_rows(t)) {
        leann_page_heading(&r->page, 3, "Tuned on one half, measured on the other");
        leann_page_table(&r->page, t);
    }
    leann_table_free(t);
    return s;
}

/* What one must know to read the tables. */
static void rules(report *r)
{
    leann_page *p = &r->page;
    double noise = leann_measures_noise(r->m, "qps");
    size_t disturbed = 0;
    for (size_t i = 0; i < leann_table_rows(r->rows); i++) /* passes took half as long again as the queries' medians say */
        disturbed += leann_table_get(r->rows, i, "qps") * leann_table_get(r->rows, i, "mean_ms") < 1000 / 1.5;
    leann_page_text(
        p, "Recall is recall_tie over the report half of the queries: distinct ids as near as the k-th true neighbour, judged in float64. "
           "QPS is 1 / mean seconds of a query on one thread, the median over passes; percentiles are over queries, each query "
           "taken at its median over passes; fetches are exact vectors asked for, a query.");
    leann_page_text(
        p, "Each method stands with its fastest build at the recall and, where another is smaller, its smallest. QPS and fetches at "
           "a recall lie between two Pareto points of one build (logarithm of QPS, linear in recall) where those are at most 0.02 "
           "of recall apart, one on each side; otherwise the first Pareto point above the recall is taken and named. "
           "The build is chosen by these same queries. Passes are the slowest and the fastest pass over the timed queries: where they lie "
           "far apart, other work disturbed the machine.");
    if (isfinite(noise))
        leann_page_text(
            p, "Two runs of one point differ by up to %.1f %% in QPS here (`leann bench aa`): smaller differences are marked as ties.",
            (exp(noise) - 1) * 100);
    else if (leann_measures_noise_elsewhere(r->m))
        leann_page_text(p,
                        "The noise in aa.json is that of another machine, so no difference is marked as a tie: `leann bench aa` measures "
                        "this one's.");
    else
        leann_page_text(p, "The noise of this machine was not measured for these results (`leann bench aa` does it), so no difference is "
                           "marked as a tie.");
    if (disturbed)
        leann_page_text(
            p,
            "%zu of %zu points were disturbed: their passes took more than 1.5 times what the medians of their queries add up to, as when "
            "other work has the processor. Do not trust their QPS; mean_ms in summary.csv and the paired tests rest on the medians.",
            disturbed, leann_table_rows(r->rows));
    leann_left_files left = leann_measures_left_out(r->m);
    if (left.gone || left.older)
        leann_page_text(
            p, "%zu raw files are left out: %zu of points that the sweep does not have, %zu of points that were measured again since.",
            left.gone + left.older, left.gone, left.older);
    if (r->many_seeds)
        leann_page_text(
            p, "Values are means over seeds, with their range in brackets: two builds differ only if they differ by more than that range.");
}

/* ---- paired tests -------------------------------------------------------------------------------------------------------------------- */

static const char *verdict(const leann_interval *i, double even)
{
    return i->lo > even ? "more" : i->hi < even ? "less" : "no difference";
}

static leann_status paired_row(report *r, leann_table *t, const char *label, const leann_pick *p, const leann_pick *base)
{
    leann_paired pair;
    leann_status s = leann_compare_paired(r->ctx, r->m, (size_t)leann_table_get(r->seeds, p->row, "row"), r->m,
                                          (size_t)leann_table_get(r->seeds, base->row, "row"), &pair);
    if (s == LEANN_ENOTFOUND || s == LEANN_EINVAL) { /* an imported row, or no query in common: nothing to pair */
        leann_ctx_clear(r->ctx);
        return LEANN_OK;
    }
    if (s) return s;
    size_t row = leann_table_add_row(t);
    leann_table_set_text(t, row, "method", label);
    set_format(t, row, "point", "%s, %s", leann_table_text(r->seeds, p->row, "cell"), leann_table_text(r->seeds, p->row, "point"));
    set_format(t, row, "recall – hnsw's", "%+.4f (%+.4f to %+.4f)", pair.recall.value, pair.recall.lo, pair.recall.hi);
    leann_table_set_text(t, row, "recall", verdict(&pair.recall, 0));
    set_format(t, row, "seconds / hnsw's", "%.3f (%.3f to %.3f)", pair.seconds.value, pair.seconds.lo, pair.seconds.hi);
    leann_table_set_text(t, row, "time", is_tie(r, pair.seconds.value) ? "a tie: below the noise" : verdict(&pair.seconds, 1));
    set_format(t, row, "queries", "%u, timed %u", pair.n, pair.t);
    return LEANN_OK;
}

static leann_status paired_table(report *r, const char *dataset)
{
    leann_pick base, pick;
    leann_status s = LEANN_OK;
    if (!leann_measures_has_raw(r->m) || !leann_compare_best(r->seeds, dataset, r->main_k, "label", "hnsw", targets[0], false, &base))
        return s;
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t j = 0; j < r->labels && !s; j++)
        if (strcmp(r->label[j], "hnsw") != 0 &&
            leann_compare_best(r->seeds, dataset, r->main_k, "label", r->label[j], targets[0], false, &pick))
            s = paired_row(r, t, r->label[j], &pick, &base);
    if (!s) s = leann_table_check(t);
    if (!s && leann_table_rows(t)) {
        leann_page_heading(&r->page, 3, "The same queries, pair by pair");
        leann_page_text(
            &r->page,
            "The measured points at or above recall@%.0f of %.2f that the table above rests on, against hnsw's (%s, %s): paired "
            "bootstrap over the queries both answered, 95 %% intervals.",
            r->main_k, targets[0], leann_table_text(r->seeds, base.row, "cell"), leann_table_text(r->seeds, base.row, "point"));
        leann_page_table(&r->page, t);
    }
    leann_table_free(t);
    return s;
}

/* ---- builds ---------------------------------------------------------------------------------------------------------------------------- */

/* The best recall of a build at k with at most `most` fetches; the row, or SIZE_MAX. */
static size_t best_within(const report *r, const char *dataset, const char *cell, double k, double most)
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

static void at_targets(report *r, leann_table *t, size_t row, const char *dataset, const char *cell)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char name[48];
        leann_pick pick;
        bool there = leann_compare_at(r->seeds, dataset, r->main_k, cell, targets[i], &pick);
        snprintf(name, sizeof name, "QPS at %.2f", targets[i]);
        set_short(t, row, name, there ? pick.qps : NAN);
        snprintf(name, sizeof name, "fetches at %.2f", targets[i]);
        set_short(t, row, name, there ? pick.fetches : NAN);
    }
}

static void build_row(report *r, leann_table *t, size_t from, const char *dataset, bool anchor)
{
    const leann_table *a = r->seeds;
    size_t row = leann_table_add_row(t);
    const char *cell = leann_table_text(a, from, "cell");
    if (anchor) {
        static const char *const words[] = {"selector", "graph", "quantizer", "residual"};
        for (size_t i = 0; i < 4; i++) leann_table_set_text(t, row, words[i], leann_table_text(a, from, words[i]));
        set_short(t, row, "anchors", leann_table_get(a, from, "anchors"));
    } else {
        leann_table_set_text(t, row, "build", cell);
    }
    set_short(t, row, "MB", leann_table_get(a, from, "index_bytes") / 1e6);
    set_fixed(t, row, "of float32", leann_table_get(a, from, "ratio_vectors") * 100, 2, " %");
    set_fixed(t, row, "of source", leann_table_get(a, from, "ratio_source") * 100, 2, " %");
    double predicted = leann_table_get(a, from, "predicted_bytes"), bytes = leann_table_get(a, from, "index_bytes");
    if (!anchor) set_fixed(t, row, "predicted (modelled) / real", predicted / bytes, 4, "");
    set_range(r, t, row, "build s", from, "build_s", 2);
    if (!anchor) set_short(t, row, "peak MB", leann_table_get(a, from, "peak_rss_mb"));
    if (!anchor) set_short(t, row, "search MB", leann_table_get(a, from, "search_rss_mb"));
    char name[64];
    snprintf(name, sizeof name, anchor ? "recall@%.0f, at most 100 fetches" : "best recall@%.0f", r->main_k);
    size_t best = best_within(r, dataset, cell, r->main_k, anchor ? 100 : INFINITY);
    if (best == SIZE_MAX)
        leann_table_add_column(t, name);
    else
        set_range(r, t, row, name, best, "recall", 4);
    if (anchor) set_short(t, row, "fetches there", best == SIZE_MAX ? NAN : leann_table_get(a, best, "fetches"));
    at_targets(r, t, row, dataset, cell);
}

static leann_status builds_table(report *r, const char *dataset, bool anchor)
{
    leann_table *t = leann_table_new(r->ctx);
    const char *last = "";
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++) {
        const char *cell = leann_table_text(r->seeds, i, "cell");
        bool is_anchor = !strcmp(leann_table_text(r->seeds, i, "label"), "anchor");
        if (is_anchor != anchor || !strcmp(cell, last) || strcmp(leann_table_text(r->seeds, i, "dataset"), dataset) != 0) continue;
        last = cell;
        build_row(r, t, i, dataset, anchor);
    }
    leann_status s = leann_table_check(t);
    static const char *const order[] = {"selector", "anchors", "graph", "quantizer", "residual"};
    if (anchor) leann_table_sort(t, order, 5);
    if (!s && leann_table_rows(t)) {
        leann_page_heading(&r->page, 3,
                           anchor ? "The anchor method: selector x graph x quantiser x anchors" : "Builds of the other methods");
        leann_page_table(&r->page, t);
    }
    leann_table_free(t);
    return s;
}

/* ---- health ---------------------------------------------------------------------------------------------------------------------------- */

static void judge(leann_table *t, size_t row, const char *column, double x, double healthy, double limit, bool more)
{
    bool good = more ? x > healthy : x < healthy, bad = more ? x < limit : x > limit;
    leann_table_add_column(t, column);
    if (isfinite(x)) leann_table_set_text(t, row, column, good ? "healthy" : bad ? "beyond the limit" : "between");
}

static leann_status health_table(report *r, const char *dataset)
{
    static const char *const columns[] = {"method", "selector", "anchors", "quantizer", "residual"};
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++) {
        const leann_table *a = r->seeds;
        const char *label = leann_table_text(a, i, "label"), *quantizer = leann_table_text(a, i, "quantizer");
        if (strcmp(leann_table_text(a, i, "dataset"), dataset) != 0 || (isnan(leann_table_get(a, i, "coverage")) && !*quantizer)) continue;
        bool there = false; /* graphs do not matter here */
        for (size_t j = 0; j < leann_table_rows(t) && !there; j++) {
            double m = leann_table_get(t, j, "anchors"), n = leann_table_get(a, i, "anchors");
            there = !strcmp(leann_table_text(t, j, "method"), label) && (m == n || (isnan(m) && isnan(n))) &&
                    !strcmp(leann_table_text(t, j, "selector"), leann_table_text(a, i, "selector")) &&
                    !strcmp(leann_table_text(t, j, "quantizer"), quantizer) &&
                    !strcmp(leann_table_text(t, j, "residual"), leann_table_text(a, i, "residual"));
        }
        if (there) continue;
        size_t row = leann_table_add_row(t);
        leann_table_set_text(t, row, "method", label);
        leann_table_set_text(t, row, "selector", leann_table_text(a, i, "selector"));
        set_short(t, row, "anchors", leann_table_get(a, i, "anchors"));
        leann_table_set_text(t, row, "quantizer", quantizer);
        leann_table_set_text(t, row, "residual", leann_table_text(a, i, "residual"));
        set_range(r, t, row, "coverage", i, "coverage", 3);
        judge(t, row, "over 0.80", leann_table_get(a, i, "coverage"), 0.80, 0.70, true);
        set_range(r, t, row, "balance", i, "balance", 3);
        judge(t, row, "over 0.70", leann_table_get(a, i, "balance"), 0.70, 0.70, true);
        set_range(r, t, row, "quantisation error", i, "quantization_error", 5);
        judge(t, row, "under 0.05", leann_table_get(a, i, "quantization_error"), 0.05, 0.05, false);
        set_fixed(t, row, "anchors alone leave", leann_table_get(a, i, "anchor_error"), 3, "");
        set_short(t, row, "empty", leann_table_get(a, i, "empty_anchors"));
    }
    leann_table_sort(t, columns, 5);
    leann_status s = leann_table_check(t);
    if (!s && leann_table_rows(t)) {
        leann_page_heading(&r->page, 3, "Health");
        leann_page_text(&r->page, "Coverage above 0.80 is healthy and below 0.70 asks for a rebuild, balance above 0.70 is healthy, and so "
                                  "is a quantisation error "
                                  "below 0.05 where answers come from codes alone.");
        leann_page_table(&r->page, t);
    }
    leann_table_free(t);
    return s;
}

/* ---- failures, provenance ---------------------------------------------------------------------------------------------------------------- */

static leann_status failures(report *r)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; i < leann_table_rows(r->rows); i++) {
        const char *status = leann_table_text(r->rows, i, "status"), *cell = leann_table_text(r->rows, i, "cell");
        if (!strcmp(status, "ok")) continue;
        size_t row = leann_table_add_row(t);
        leann_table_set_text(t, row, "data set", leann_table_text(r->rows, i, "dataset"));
        leann_table_set_text(t, row, "build", *cell ? cell : leann_table_text(r->rows, i, "raw"));
        leann_table_set_text(t, row, "point", leann_table_text(r->rows, i, "point"));
        set_short(t, row, "seed", leann_table_get(r->rows, i, "seed"));
        leann_table_set_text(t, row, "status", status);
        leann_table_set_text(t, row, "error", leann_table_text(r->rows, i, "error"));
    }
    leann_status s = leann_table_check(t);
    leann_page_heading(&r->page, 2, "What failed");
    if (leann_table_rows(t))
        leann_page_table(&r->page, t);
    else
        leann_page_text(&r->page, "Nothing: all %zu points were measured.", leann_table_rows(r->rows));
    leann_table_free(t);
    return s;
}

static void provenance_rows(leann_table *t, const leann_value *map, const char *before)
{
    for (size_t i = 0; i < leann_value_count(map); i++) {
        const char *key = NULL;
        const leann_value *v = leann_value_entry(map, i, &key);
        if (leann_value_type(v) == LEANN_V_MAP) continue; /* checksums stand below, of every data set */
        char *text = leann_value_json(v, false, 0);
        size_t row = leann_table_add_row(t);
        set_format(t, row, "what", "%s%s", before, key);
        leann_table_set_text(t, row, "value", leann_value_text(v, text ? text : ""));
        leann_free(text);
    }
}

static void checksum_rows(leann_table *t, const leann_value *data)
{
    for (size_t i = 0; i < leann_value_count(data); i++) {
        const char *name = NULL;
        char before[200];
        const leann_value *sums = leann_value_entry(data, i, &name);
        snprintf(before, sizeof before, "sha256 of %.150s's ", name);
        provenance_rows(t, sums, before);
    }
}

/* How long the first line took. */
static void run_time(report *r)
{
    const leann_value *runs = leann_measures_runs(r->m);
    size_t n = leann_value_count(runs);
    double seconds = 0, measured = 0, failed = 0;
    for (size_t i = 0; i < n; i++) {
        const leann_value *one = leann_value_at(runs, i);
        seconds += leann_value_real(leann_value_get(one, "seconds"), 0);
        measured += leann_value_real(leann_value_get(one, "measured"), 0);
        failed += leann_value_real(leann_value_get(one, "failed"), 0);
    }
    if (n)
        leann_page_text(&r->page, "It took %.0f:%02.0f minutes in %zu %s, builds included: %.0f points measured, %.0f failed.",
                        floor(seconds / 60), floor(fmod(seconds, 60)), n, n == 1 ? "run" : "runs", measured, failed);
}

static leann_status provenance(report *r)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    leann_page_heading(&r->page, 2, "Where it comes from");
    if (leann_measures_provenance(r->m)) {
        if (leann_measures_origins(r->m) > 1)
            leann_page_text(
                &r->page,
                "These results come from more than one program, machine or setting; this is the first one's. Speeds across them do "
                "not compare.");
        provenance_rows(t, leann_measures_provenance(r->m), "");
        checksum_rows(t, leann_measures_data(r->m));
        leann_page_table(&r->page, t);
    } else {
        leann_page_text(&r->page, "The raw results are not here: this report was made of summary.csv, which does not keep provenance.");
    }
    leann_page_heading(&r->page, 2, "Make it again");
    const char *base = strrchr(r->command, '/'), *stem = leann_measures_sweep(r->m);
    bool usual = !*stem || !strcmp(stem, base ? base + 1 : r->command);
    char *code = leann_format(r->ctx, "leann bench run %s%s%s\nleann bench report %s",
                              *stem  ? stem
                              : base ? base + 1
                                     : r->command,
                              usual ? "" : " --results ", usual ? "" : r->command, r->command);
    leann_page_text(
        &r->page,
        "From the root of the repository. Points that are done are skipped, so the first line costs nothing where raw results are there.");
    if (code) leann_page_code(&r->page, code);
    leann_free(code);
    run_time(r);
    leann_status s = leann_table_check(t);
    leann_table_free(t);
    return s;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------------ */

static void show_figures(report *r, const char *folder, const char *dataset)
{
    for (size_t i = 0; i < r->figures.n; i++)
        if (!strcmp(r->figures.list[i].dataset, dataset))
            leann_page_figure(&r->page, folder, r->figures.list[i].stem, r->figures.list[i].caption);
}

static leann_status data_section(report *r, const char *dataset, const char *figures)
{
    char heading[200];
    leann_status s = LEANN_OK;
    size_t row = 0;
    while (row + 1 < leann_table_rows(r->rows) && strcmp(leann_table_text(r->rows, row, "dataset"), dataset) != 0) row++;
    leann_page_heading(&r->page, 2, dataset);
    leann_page_text(&r->page, "%.0f rows of %.0f dimensions, %s distance.", leann_table_get(r->rows, row, "n"),
                    leann_table_get(r->rows, row, "d"), leann_table_text(r->rows, row, "distance"));
    for (size_t j = 0; j < r->ks && !s; j++) { /* the main k first */
        double k = j == 0 ? r->main_k : r->k[j - 1] < r->main_k ? r->k[j - 1] : r->k[j];
        snprintf(heading, sizeof heading, "Each method against full-embedding hnsw, k = %.0f", k);
        leann_page_heading(&r->page, 3, heading);
        s = methods_table(r, dataset, k);
        if (!s && j == 0) s = paired_table(r, dataset);
        if (!s && j == 0) leann_page_heading(&r->page, 3, "Figures");
        if (!s && j == 0) show_figures(r, figures, dataset);
    }
    if (!s) s = tuned_table(r, dataset);
    if (!s) s = builds_table(r, dataset, true);
    if (!s) s = builds_table(r, dataset, false);
    if (!s) s = health_table(r, dataset);
    return s;
}

static leann_status write_page(report *r, const char *figures, const char *missing)
{
    char title[256];
    const char *base = strrchr(r->command, '/');
    snprintf(title, sizeof title, "Results of %s", base && base[1] ? base + 1 : r->command);
    leann_status s = leann_page_begin(r->ctx, title, &r->page);
    if (s) return s;
    rules(r);
    if (missing) leann_page_text(&r->page, "This report has no figures: %s", missing);
    for (size_t i = 0; i < r->datas && !s; i++) s = data_section(r, r->data[i], figures);
    if (!s) s = failures(r);
    if (!s) s = provenance(r);
    leann_status end = leann_page_end(&r->page);
    return s ? s : end;
}

static leann_status start(leann_measures *m, leann_report_options options, report *r)
{
    const leann_table *t = leann_measures_table(m);
    *r = (report){.ctx = leann_table_ctx(t), .m = m, .rows = t, .command = options.command};
    leann_status s = leann_compare_seeds(t, &r->seeds);
    if (!s) collect(r);
    return s;
}

/* Without gnuplot there is a report without figures, and *missing says why; the caller frees it. */
static leann_status draw(report *r, const char *folder, char **missing)
{
    leann_status s = leann_figures_draw(r->ctx, r->seeds, folder, r->data, r->datas, r->k, r->ks, r->main_k, &r->figures);
    if (s != LEANN_EUNSUPPORTED && s != LEANN_ENOTFOUND) return s;
    *missing = leann_format(r->ctx, "%s", leann_ctx_error(r->ctx));
    leann_ctx_clear(r->ctx);
    return *missing ? LEANN_OK : LEANN_ENOMEM;
}

static leann_status write_text(report *r, const char *name, const char *text, size_t bytes)
{
    char *path = leann_format(r->ctx, "%s/%s", leann_measures_folder(r->m), name);
    leann_status s = path ? leann_file_write(r->ctx, path, text, bytes) : LEANN_ENOMEM;
    leann_free(path);
    return s;
}

static leann_status write_tables(report *r)
{
    char *csv = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&csv, &bytes);
    if (!to) return leann_fail(r->ctx, LEANN_ENOMEM, "out of memory for summary.csv");
    leann_table_write_csv(r->rows, to);
    leann_status s =
        fclose(to) ? leann_fail(r->ctx, LEANN_ENOMEM, "out of memory for summary.csv") : write_text(r, "summary.csv", csv, bytes);
    free(csv);
    leann_value *list = leann_table_json(r->rows);
    char *json = s ? NULL : leann_value_json(list, false, 1);
    if (!s) s = json ? write_text(r, "summary.json", json, strlen(json)) : LEANN_ENOMEM;
    leann_free(json);
    leann_value_free(list);
    return s;
}

leann_status leann_report_write(leann_measures *m, leann_report_options options)
{
    report r;
    char *missing = NULL, *figures = NULL;
    leann_status s = start(m, options, &r);
    if (!s) s = write_tables(&r);
    if (!s && !(figures = leann_format(r.ctx, "%s/figures", leann_measures_folder(m)))) s = LEANN_ENOMEM;
    if (!s) s = draw(&r, figures, &missing);
    if (!s) s = write_page(&r, figures, missing);
    if (!s) s = write_text(&r, "report.md", r.page.md, r.page.md_bytes);
    if (!s) s = write_text(&r, "report.html", r.page.html, r.page.html_bytes);
    if (!s && missing) s = leann_fail(r.ctx, LEANN_EUNSUPPORTED, "%s", missing);
    leann_page_free(&r.page);
    leann_table_free(r.seeds);
    leann_free(missing);
    leann_free(figures);
    return s;
}

static void remove_figures(const report *r, const char *folder)
{
    static const char *const ends[] = {"svg", "pdf", "gp", "dat"};
    char path[512];
    for (size_t i = 0; i < r->figures.n; i++)
        for (size_t j = 0; j < 4; j++) {
            snprintf(path, sizeof path, "%s/%s.%s", folder, r->figures.list[i].stem, ends[j]);
            unlink(path);
        }
    rmdir(folder);
}

leann_status leann_report_print(leann_measures *m, leann_report_options options, bool html, FILE *to)
{
    report r;
    char *missing = NULL, folder[] = "/tmp/leann_report_XXXXXX";
    bool made = false;
    leann_status s = start(m, options, &r);
    if (!s && html && !(made = mkdtemp(folder) != NULL)) s = leann_fail_errno(r.ctx, "cannot make %s", folder);
    if (!s && html) s = draw(&r, folder, &missing);
    if (!s) s = write_page(&r, folder, missing);
    if (!s) fwrite(html ? r.page.html : r.page.md, 1, html ? r.page.html_bytes : r.page.md_bytes, to);
    if (made) remove_figures(&r, folder);
    leann_page_free(&r.page);
    leann_table_free(r.seeds);
    leann_free(missing);
    return s;
}
