/* report.c – the report of a results folder: each method at a recall against full-embedding hnsw, the anchor grid, builds, health,
 * failures, provenance; figures from figures.c.
 *
 * Nothing is printed that was not measured, but predicted bytes and speeds between two measured points, both labelled as such. An empty
 * entry means: not measured.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/report.h"
#include "core/container.h"
#include "eval/report_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const double leann_report_targets[LEANN_REPORT_TARGETS] = {0.90, 0.95};

/* ---- what sections share ------------------------------------------------------------------------------------------------------------ */

void leann_report_range(const leann_report *r, leann_table *t, size_t row, const char *column, size_t from, const char *name, int decimals)
{
    double x = leann_table_get(r->seeds, from, name), lo, hi;
    leann_compare_range(r->seeds, from, name, &lo, &hi);
    if (isnan(x) || !(hi > lo))
        leann_table_set_fixed(t, row, column, x, decimals, "");
    else
        leann_table_set_format(t, row, column, "%.*f (%.*f–%.*f)", decimals, x, decimals, lo, decimals, hi);
}

void leann_report_spread(leann_table *t, size_t row, const char *column, double x, double lo, double hi)
{
    char mean[32], least[32], most[32];
    if (isnan(x) || !(hi > lo))
        leann_table_set(t, row, column, x);
    else
        leann_table_set_format(t, row, column, "%s (%s–%s)", leann_table_short(x, mean), leann_table_short(lo, least),
                               leann_table_short(hi, most));
}

bool leann_report_noise(const leann_report *r, double ratio)
{
    double noise = leann_measures_noise(r->m, "qps");
    return isfinite(noise) && ratio > 0 && fabs(log(ratio)) <= noise;
}

leann_status leann_report_table(leann_report *r, leann_table *t, const char *heading, const char *text)
{
    leann_status s = leann_table_check(t);
    if (!s && leann_table_rows(t)) {
        if (heading) leann_page_heading(&r->page, 3, heading);
        if (text) leann_page_text(&r->page, "%s", text);
        leann_page_table(&r->page, t);
    }
    leann_table_free(t);
    return s;
}

/* ---- what there is ------------------------------------------------------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void collect(leann_report *r)
{
    r->datas = leann_compare_distinct(r->rows, "dataset", r->data, LEANN_REPORT_NAMES);
    r->labels = leann_compare_distinct(r->seeds, "label", r->label, LEANN_REPORT_NAMES);
    for (size_t i = 0; i < leann_table_rows(r->seeds); i++) {
        double k = leann_table_get(r->seeds, i, "k");
        bool there = isnan(k);
        for (size_t j = 0; j < r->ks && !there; j++) there = r->k[j] == k;
        if (!there && r->ks < LEANN_REPORT_KS) r->k[r->ks++] = k;
        r->many_seeds |= leann_table_get(r->seeds, i, "seeds") > 1;
    }
    qsort(r->k, r->ks, sizeof *r->k, by_number);
    for (size_t j = 0; j < r->ks; j++)
        if (r->k[j] <= 10 || j == 0) r->main_k = r->k[j]; /* 10 where it was measured */
}

/* ---- what one must know to read the tables ------------------------------------------------------------------------------------------ */

static void rules(leann_report *r)
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
        leann_page_text(p, "Values are means over seeds, with their range in brackets: two builds differ only if they differ by more than "
                           "that range, so a ratio of builds whose ranges meet is marked as a tie.");
}

/* ---- failures, provenance ---------------------------------------------------------------------------------------------------------------- */

static leann_status failures(leann_report *r)
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
        leann_table_set(t, row, "seed", leann_table_get(r->rows, i, "seed"));
        leann_table_set_text(t, row, "status", status);
        leann_table_set_text(t, row, "error", leann_table_text(r->rows, i, "error"));
    }
    leann_page_heading(&r->page, 2, "What failed");
    if (!leann_table_rows(t)) leann_page_text(&r->page, "Nothing: all %zu points were measured.", leann_table_rows(r->rows));
    return leann_report_table(r, t, NULL, NULL);
}

static void provenance_rows(leann_table *t, const leann_value *map, const char *before)
{
    for (size_t i = 0; i < leann_value_count(map); i++) {
        const char *key = NULL;
        const leann_value *v = leann_value_entry(map, i, &key);
        if (leann_value_type(v) == LEANN_V_MAP) continue; /* checksums stand below, of every data set */
        char *text = leann_value_json(v, false, 0);
        size_t row = leann_table_add_row(t);
        leann_table_set_format(t, row, "what", "%s%s", before, key);
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
static void run_time(leann_report *r)
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

static leann_status provenance(leann_report *r)
{
    leann_table *t = leann_table_new(r->ctx);
    if (!t) return LEANN_ENOMEM;
    leann_page_heading(&r->page, 2, "Where it comes from");
    if (!leann_measures_provenance(r->m))
        leann_page_text(&r->page, "The raw results are not here: this report was made of summary.csv, which does not keep provenance.");
    if (leann_measures_origins(r->m) > 1)
        leann_page_text(&r->page, "These results come from more than one program, machine or setting; this is the first one's. Speeds "
                                  "across them do not compare.");
    provenance_rows(t, leann_measures_provenance(r->m), "");
    checksum_rows(t, leann_measures_data(r->m));
    return leann_report_table(r, t, NULL, NULL);
}

static void make_again(leann_report *r)
{
    const char *base = strrchr(r->command, '/'), *stem = leann_measures_sweep(r->m);
    base = base ? base + 1 : r->command;
    bool usual = !*stem || !strcmp(stem, base);
    char *code = leann_format(r->ctx, "leann bench run %s%s%s\nleann bench report %s", *stem ? stem : base, usual ? "" : " --results ",
                              usual ? "" : r->command, r->command);
    leann_page_heading(&r->page, 2, "Make it again");
    leann_page_text(
        &r->page,
        "From the root of the repository. Points that are done are skipped, so the first line costs nothing where raw results are there.");
    if (code) leann_page_code(&r->page, code);
    leann_free(code);
    run_time(r);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------------ */

static void show_figures(leann_report *r, const char *folder, const char *dataset)
{
    for (size_t i = 0; i < r->figures.n; i++)
        if (!strcmp(r->figures.list[i].dataset, dataset))
            leann_page_figure(&r->page, folder, r->figures.list[i].stem, r->figures.list[i].caption);
}

static leann_status data_section(leann_report *r, const char *dataset, const char *figures)
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
        s = leann_report_methods(r, dataset, k);
        if (!s && j == 0) s = leann_report_paired(r, dataset);
        if (!s && j == 0) leann_page_heading(&r->page, 3, "Figures");
        if (!s && j == 0) show_figures(r, figures, dataset);
    }
    if (!s) s = leann_report_tuned(r, dataset);
    if (!s) s = leann_report_pages(r, dataset);
    if (!s) s = leann_report_builds(r, dataset, true);
    if (!s) s = leann_report_builds(r, dataset, false);
    if (!s) s = leann_report_scans(r, dataset);
    if (!s) s = leann_report_health(r, dataset);
    if (!s) s = leann_report_reference(r, dataset);
    return s;
}

static leann_status write_page(leann_report *r, const char *figures, const char *missing)
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
    make_again(r);
    leann_status end = leann_page_end(&r->page);
    return s ? s : end;
}

static leann_status start(leann_measures *m, leann_report_options options, leann_report *r)
{
    const leann_table *t = leann_measures_table(m);
    *r = (leann_report){.ctx = leann_table_ctx(t), .m = m, .rows = t, .command = options.command};
    leann_status s = leann_compare_seeds(t, &r->seeds);
    if (!s) collect(r);
    return s;
}

/* Without gnuplot there is a report without figures, and *missing says why; the caller frees it. */
static leann_status draw(leann_report *r, const char *folder, char **missing)
{
    leann_status s = leann_figures_draw(r->ctx, r->seeds, folder, r->data, r->datas, r->k, r->ks, r->main_k, &r->figures);
    if (s != LEANN_EUNSUPPORTED && s != LEANN_ENOTFOUND) return s;
    *missing = leann_format(r->ctx, "%s", leann_ctx_error(r->ctx));
    leann_ctx_clear(r->ctx);
    return *missing ? LEANN_OK : LEANN_ENOMEM;
}

static leann_status write_text(leann_report *r, const char *name, const char *text, size_t bytes)
{
    char *path = leann_format(r->ctx, "%s/%s", leann_measures_folder(r->m), name);
    leann_status s = path ? leann_file_write(r->ctx, path, text, bytes) : LEANN_ENOMEM;
    leann_free(path);
    return s;
}

static leann_status write_tables(leann_report *r)
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
    leann_report r;
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

static void remove_figures(const leann_report *r, const char *folder)
{
    for (size_t i = 0; i < r->figures.n; i++) leann_figure_remove(folder, r->figures.list[i].stem);
    rmdir(folder);
}

leann_status leann_report_print(leann_measures *m, leann_report_options options, bool html, FILE *to)
{
    leann_report r;
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
