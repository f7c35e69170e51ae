/* report_methods.c – the sections of a report that hold each method against full-embedding hnsw: at a recall, over the same queries, tuned.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/report_parts.h"

#include <math.h>
#include <string.h>

/* ---- the first table -------------------------------------------------------------------------------------------------------------- */

static const char *how_text(const leann_pick *p, char buffer[64])
{
    if (p->how == LEANN_PICK_INTERPOLATED)
        snprintf(buffer, 64, "between two points");
    else
        snprintf(buffer, 64, "first above: %.4f", p->recall);
    return buffer;
}

/* "0.094x" in three digits. */
static void set_ratio(leann_table *t, size_t row, const char *column, double x, bool tie)
{
    leann_table_add_column(t, column);
    if (isfinite(x)) leann_table_set_format(t, row, column, "%.3gx%s", x, tie ? ", a tie" : "");
}

static void set_passes(leann_table *t, size_t row, const leann_pick *p)
{
    char lo[32], hi[32];
    leann_table_add_column(t, "passes");
    if (isfinite(p->qps_lo))
        leann_table_set_format(t, row, "passes", "%s to %s", leann_table_short(p->qps_lo, lo), leann_table_short(p->qps_hi, hi));
}

/* Speeds over seeds that meet, or that differ by less than noise. */
static bool as_fast(const leann_report *r, const leann_pick *a, const leann_pick *b)
{
    bool ranges = a->qps_max > a->qps_min || b->qps_max > b->qps_min;
    return leann_report_noise(r, a->qps / b->qps) || (ranges && a->qps_min <= b->qps_max && b->qps_min <= a->qps_max);
}

/* base: hnsw's pick; NULL: it does not reach the recall. */
static void pick_row(leann_report *r, leann_table *t, const char *label, double target, const char *which, const leann_pick *p,
                     const leann_pick *base)
{
    char how[64];
    const leann_table *a = r->seeds;
    size_t row = leann_table_add_row(t);
    double bytes = leann_table_get(a, p->row, "index_bytes"), build = leann_table_get(a, p->row, "build_s");
    bool other = base && p->row != base->row;
    leann_table_set_text(t, row, "method", label);
    leann_table_set_fixed(t, row, "recall", target, 2, "");
    leann_table_set_format(t, row, "build", "%s%s%s", which, *which ? ": " : "", leann_table_text(a, p->row, "cell"));
    leann_table_set_text(t, row, "taken", how_text(p, how));
    leann_report_spread(t, row, "QPS", p->qps, p->qps_min, p->qps_max);
    set_passes(t, row, p);
    set_ratio(t, row, "QPS / hnsw", base ? p->qps / base->qps : NAN, other && as_fast(r, p, base));
    leann_table_set(t, row, "MB", bytes / 1e6);
    set_ratio(t, row, "bytes / hnsw", base ? bytes / leann_table_get(a, base->row, "index_bytes") : NAN, false);
    leann_table_set_fixed(t, row, "of float32", leann_table_get(a, p->row, "ratio_vectors") * 100, 2, " %");
    leann_report_spread(t, row, "build s", build, leann_table_get(a, p->row, "build_s_min"), leann_table_get(a, p->row, "build_s_max"));
    set_ratio(t, row, "build / hnsw", base ? build / leann_table_get(a, base->row, "build_s") : NAN,
              other && leann_compare_meet(a, p->row, a, base->row, "build_s"));
    leann_table_set(t, row, "fetches", p->fetches);
}

static void missed_row(leann_table *t, const char *label, double target, const char *best)
{
    size_t row = leann_table_add_row(t);
    leann_table_set_text(t, row, "method", label);
    leann_table_set_fixed(t, row, "recall", target, 2, "");
    leann_table_set_text(t, row, "build", best);
    leann_table_set_text(t, row, "taken", "not reached");
}

static double best_recall(const leann_report *r, const char *dataset, double k, const char *label)
{
    double best = NAN;
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++)
        if (leann_table_get(r->seeds, i, "k") == k && !strcmp(leann_table_text(r->seeds, i, "label"), label) &&
            !strcmp(leann_table_text(r->seeds, i, "dataset"), dataset))
            best = fmax(best, leann_table_get(r->seeds, i, "recall"));
    return best;
}

leann_status leann_report_methods(leann_report *r, const char *dataset, double k)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; i < LEANN_REPORT_TARGETS; i++) {
        leann_pick base, pick, small;
        bool has_base = leann_compare_best(r->seeds, dataset, k, "label", "hnsw", leann_report_targets[i], false, &base);
        for (size_t j = 0; j < r->labels; j++) {
            double best = best_recall(r, dataset, k, r->label[j]);
            char text[64];
            if (isnan(best)) continue;
            if (!leann_compare_best(r->seeds, dataset, k, "label", r->label[j], leann_report_targets[i], false, &pick)) {
                snprintf(text, sizeof text, "best recall %.4f", best);
                missed_row(t, r->label[j], leann_report_targets[i], text);
                continue;
            }
            bool two = leann_compare_best(r->seeds, dataset, k, "label", r->label[j], leann_report_targets[i], true, &small) &&
                       leann_table_get(r->seeds, small.row, "index_bytes") < leann_table_get(r->seeds, pick.row, "index_bytes") * 0.99;
            pick_row(r, t, r->label[j], leann_report_targets[i], two ? "fastest" : "", &pick, has_base ? &base : NULL);
            if (two) pick_row(r, t, r->label[j], leann_report_targets[i], "smallest", &small, has_base ? &base : NULL);
        }
    }
    return leann_report_table(r, t, NULL, NULL);
}

/* What a sweep's target_recall found on the tune half, and what that gives on the report half. */
leann_status leann_report_tuned(leann_report *r, const char *dataset)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++) {
        double target = leann_table_get(r->seeds, i, "target_recall");
        if (isnan(target) || strcmp(leann_table_text(r->seeds, i, "dataset"), dataset) != 0) continue;
        size_t row = leann_table_add_row(t);
        leann_table_set_text(t, row, "build", leann_table_text(r->seeds, i, "cell"));
        leann_table_set(t, row, "k", leann_table_get(r->seeds, i, "k"));
        leann_table_set_fixed(t, row, "recall to reach", target, 2, "");
        leann_table_set_text(t, row, "reached in tuning", leann_table_text(r->seeds, i, "passed"));
        leann_table_set(t, row, "value found", leann_table_get(r->seeds, i, "chosen"));
        leann_report_range(r, t, row, "recall", i, "recall", 4);
        leann_report_range(r, t, row, "QPS", i, "qps", 0);
        leann_table_set(t, row, "fetches", leann_table_get(r->seeds, i, "fetches"));
    }
    return leann_report_table(r, t, "Tuned on one half, measured on the other", NULL);
}

/* Rows whose searches read pages; none, no section. */
leann_status leann_report_pages(leann_report *r, const char *dataset)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++) {
        double pages = leann_table_get(r->seeds, i, "pages");
        if (!(pages > 0) || strcmp(leann_table_text(r->seeds, i, "dataset"), dataset) != 0) continue;
        size_t row = leann_table_add_row(t);
        leann_table_set_text(t, row, "build", leann_table_text(r->seeds, i, "cell"));
        leann_table_set_text(t, row, "point", leann_table_text(r->seeds, i, "point"));
        leann_report_range(r, t, row, "recall", i, "recall", 4);
        leann_table_set_fixed(t, row, "pages", pages, 1, "");
        leann_table_set_fixed(t, row, "p50 ms", leann_table_get(r->seeds, i, "p50_ms"), 2, "");
        leann_table_set_fixed(t, row, "p99 ms", leann_table_get(r->seeds, i, "p99_ms"), 2, "");
        leann_table_set_fixed(t, row, "resident MB", leann_table_get(r->seeds, i, "search_rss_mb"), 0, "");
        leann_table_set_fixed(t, row, "resident MB of the build", leann_table_get(r->seeds, i, "peak_rss_mb"), 0, "");
    }
    return leann_report_table(
        r, t, "Pages read",
        "Pages of 4 KiB that a query reads past the page cache, its time, one thread, and the most memory that the process "
        "held while it searched.");
}

/* ---- paired tests -------------------------------------------------------------------------------------------------------------------- */

static const char *verdict(const leann_interval *i, double even)
{
    return i->lo > even ? "more" : i->hi < even ? "less" : "no difference";
}

/* Over all seeds of both points. */
static leann_status pair_up(leann_report *r, size_t point, size_t base, leann_paired *out, size_t seeds[2])
{
    const size_t of[2] = {point, base};
    size_t n = leann_table_rows(r->rows), *rows = leann_alloc(r->ctx, n + 1, 2 * sizeof *rows);
    leann_side side[2];
    if (!rows) return LEANN_ENOMEM;
    for (size_t i = 0; i < 2; i++) {
        seeds[i] = leann_compare_group(r->rows, (size_t)leann_table_get(r->seeds, of[i], "row"), rows + i * n);
        side[i] = (leann_side){r->m, rows + i * n, seeds[i]};
    }
    leann_status s = leann_compare_paired(r->ctx, side[0], side[1], out);
    leann_free(rows);
    return s;
}

static leann_status paired_row(leann_report *r, leann_table *t, const char *label, size_t point, size_t base)
{
    leann_paired pair;
    size_t seeds[2];
    leann_status s = pair_up(r, point, base, &pair, seeds);
    if (s == LEANN_ENOTFOUND || s == LEANN_EINVAL) { /* an imported row, or no query in common: nothing to pair */
        leann_ctx_clear(r->ctx);
        return LEANN_OK;
    }
    if (s) return s;
    size_t row = leann_table_add_row(t);
    leann_table_set_text(t, row, "method", label);
    leann_table_set_format(t, row, "point", "%s, %s", leann_table_text(r->seeds, point, "cell"),
                           leann_table_text(r->seeds, point, "point"));
    leann_table_set_format(t, row, "recall – hnsw's", "%+.4f (%+.4f to %+.4f)", pair.recall.value, pair.recall.lo, pair.recall.hi);
    leann_table_set_text(t, row, "recall",
                         leann_compare_meet(r->seeds, point, r->seeds, base, "recall") ? "a tie: seeds meet" : verdict(&pair.recall, 0));
    leann_table_set_format(t, row, "seconds / hnsw's", "%.3f (%.3f to %.3f)", pair.seconds.value, pair.seconds.lo, pair.seconds.hi);
    leann_table_set_text(t, row, "time",
                         leann_report_noise(r, pair.seconds.value)                    ? "a tie: below the noise"
                         : leann_compare_meet(r->seeds, point, r->seeds, base, "qps") ? "a tie: seeds meet"
                                                                                      : verdict(&pair.seconds, 1));
    leann_table_set_format(t, row, "queries", "%u, timed %u", pair.n, pair.t);
    if (r->many_seeds) leann_table_set_format(t, row, "seeds", "%zu, hnsw %zu", seeds[0], seeds[1]);
    return LEANN_OK;
}

static leann_status paired_at(leann_report *r, const char *dataset, double target, const char *heading)
{
    leann_pick base, pick;
    char text[1024];
    if (!leann_compare_best(r->seeds, dataset, r->main_k, "label", "hnsw", target, false, &base)) return LEANN_OK;
    leann_table *t = leann_table_new(r->ctx);
    leann_status s = t ? LEANN_OK : LEANN_ENOMEM;
    for (size_t j = 0; j < r->labels && !s; j++)
        if (strcmp(r->label[j], "hnsw") != 0 &&
            leann_compare_best(r->seeds, dataset, r->main_k, "label", r->label[j], target, false, &pick))
            s = paired_row(r, t, r->label[j], pick.row, base.row);
    snprintf(text, sizeof text,
             "The measured points at or above recall@%.0f of %.2f that the table above rests on, against hnsw's (%s, %s): paired bootstrap "
             "over the queries both answered, a query's values being means over seeds, 95 %% intervals.",
             r->main_k, target, leann_table_text(r->seeds, base.row, "cell"), leann_table_text(r->seeds, base.row, "point"));
    if (!s) return leann_report_table(r, t, heading, text);
    leann_table_free(t);
    return s;
}

leann_status leann_report_paired(leann_report *r, const char *dataset)
{
    leann_status s = LEANN_OK;
    if (!leann_measures_has_raw(r->m)) return s;
    for (size_t i = 0; i < LEANN_REPORT_TARGETS && !s; i++)
        s = paired_at(r, dataset, leann_report_targets[i], i ? NULL : "The same queries, pair by pair");
    return s;
}
