/* figures.c – picks what each figure shows: Pareto fronts a legend, one point a build, one bar a kind of index.
 *
 * A legend is a method, or the anchor method with one selector. Seventy-two anchor builds are drawn as one front a selector.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/figures.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEGENDS = 48 };

typedef struct {
    leann_ctx *ctx;
    const leann_table *t;
    const char *folder, *dataset;
    bool many_data;
    double k;
    const char *legend[MAX_LEGENDS];
    size_t legends;
    size_t *rows; /* scratch: (rows of t) */
    leann_figures *out;
} drawing;

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *label_of(const leann_table *t, const char *legend)
{
    for (size_t i = 0; i < leann_table_rows(t); i++)
        if (!strcmp(leann_table_text(t, i, "legend"), legend)) return leann_table_text(t, i, "label");
    return legend;
}

leann_look leann_figures_look(const leann_table *t, const char *legend)
{
    const char *all[MAX_LEGENDS], *label = label_of(t, legend), *labels[MAX_LEGENDS];
    size_t n = leann_compare_distinct(t, "legend", all, MAX_LEGENDS), m = leann_compare_distinct(t, "label", labels, MAX_LEGENDS);
    unsigned variant = 0, place = 0;
    qsort(all, n, sizeof *all, by_text);
    qsort(labels, m, sizeof *labels, by_text);
    for (size_t i = 0; i < n; i++) variant += strcmp(all[i], legend) < 0 && !strcmp(label_of(t, all[i]), label);
    for (size_t i = 0; i < m; i++) place += strcmp(labels[i], label) < 0 && !leann_figure_known(labels[i]);
    return leann_figure_look(label, place, variant);
}

static size_t rows_of(const drawing *d, const char *legend, double k)
{
    size_t n = 0;
    for (size_t i = 0; i < leann_table_rows(d->t); i++)
        if (leann_table_get(d->t, i, "k") == k && !strcmp(leann_table_text(d->t, i, "legend"), legend) &&
            !strcmp(leann_table_text(d->t, i, "dataset"), d->dataset))
            d->rows[n++] = i;
    return n;
}

/* Draws f under its name where that shows something, and frees it; where not, what was drawn there before goes. */
static leann_status finish(drawing *d, leann_figure *f, bool shows, const char *stem, const char *caption)
{
    leann_status s = LEANN_OK;
    if (shows && d->out->n < LEANN_FIGURES_MAX) {
        s = leann_figure_draw(f, d->folder);
        if (!s) {
            leann_drawn *one = &d->out->list[d->out->n++];
            *one = (leann_drawn){.k = d->k};
            snprintf(one->stem, sizeof one->stem, "%s", stem);
            snprintf(one->caption, sizeof one->caption, "%s", caption);
            snprintf(one->dataset, sizeof one->dataset, "%s", d->dataset);
        }
    } else {
        leann_figure_remove(d->folder, stem);
    }
    leann_figure_free(f);
    return s;
}

static leann_figure *begin(drawing *d, const char *kind, const char *name, char stem[160])
{
    char clean[100];
    size_t n = 0;
    for (const char *c = d->dataset; *c && n + 1 < sizeof clean; c++) clean[n++] = strchr("/\\ '\"", *c) ? '_' : *c;
    clean[n] = 0;
    snprintf(stem, 160, "%s%s%s", name, d->many_data ? "_" : "", d->many_data ? clean : "");
    leann_figure *f = leann_figure_new(d->ctx, kind, stem);
    if (f && d->many_data) leann_figure_set(f, "heading", d->dataset);
    return f;
}

static void xy(leann_figure *f, const char *x, bool x_log, const char *y, bool y_log, bool lines)
{
    leann_figure_set(f, "xname", x);
    leann_figure_set(f, "yname", y);
    leann_figure_number(f, "xlog", x_log);
    leann_figure_number(f, "ylog", y_log);
    leann_figure_number(f, "lines", lines);
}

/* ---- recall against QPS ------------------------------------------------------------------------------------------------------- */

static leann_status draw_pareto(drawing *d)
{
    char name[64], stem[160], caption[256], axis[64];
    snprintf(name, sizeof name, "recall_qps_k%.0f", d->k);
    leann_figure *f = begin(d, "xy", name, stem);
    if (!f) return LEANN_ENOMEM;
    snprintf(axis, sizeof axis, "recall@%.0f", d->k);
    xy(f, axis, false, "queries per second, one thread", true, true);
    leann_figure_number(f, "xtop", 1.003);
    leann_figure_number(f, "xfrom", 0.6);
    for (size_t i = 0; i < d->legends; i++) {
        size_t n = leann_compare_front(d->t, "recall", 1, "qps", 1, d->rows, rows_of(d, d->legend[i], d->k));
        if (!n) continue;
        leann_figure_series(f, d->legend[i], leann_figures_look(d->t, d->legend[i]));
        for (size_t j = 0; j < n; j++) {
            const double xy_of[] = {leann_table_get(d->t, d->rows[j], "recall"), leann_table_get(d->t, d->rows[j], "qps")};
            leann_figure_row(f, xy_of, 2, NULL);
        }
    }
    snprintf(
        caption, sizeof caption,
        "Recall against speed, %s, k = %.0f: the Pareto front of each method over all its builds and query parameters, from recall 0.6 on.",
        d->dataset, d->k);
    return finish(d, f, leann_figure_varies(f), stem, caption);
}

/* ---- bytes, fetches, recall --------------------------------------------------------------------------------------------------------- */

/* The point of each build with the fewest fetches at recall >= target, as one series a legend. */
static leann_status draw_fetches(drawing *d, double target)
{
    char name[64], stem[160], caption[300], axis[96];
    snprintf(name, sizeof name, "bytes_fetches_r%.0f", target * 100);
    leann_figure *f = begin(d, "xy", name, stem);
    if (!f) return LEANN_ENOMEM;
    snprintf(axis, sizeof axis, "exact vectors fetched a query at recall@%.0f >= %.2f", d->k, target);
    xy(f, axis, false, "index bytes a vector", true, false);
    for (size_t i = 0; i < d->legends; i++) {
        size_t n = rows_of(d, d->legend[i], d->k), kept = 0;
        for (size_t j = 0; j < n; j++) { /* rows of one build stand together */
            double fetches = leann_table_get(d->t, d->rows[j], "fetches");
            if (!(leann_table_get(d->t, d->rows[j], "recall") >= target) || isnan(fetches)) continue;
            bool same = kept && !strcmp(leann_table_text(d->t, d->rows[kept - 1], "cell"), leann_table_text(d->t, d->rows[j], "cell"));
            if (!same)
                d->rows[kept++] = d->rows[j];
            else if (fetches < leann_table_get(d->t, d->rows[kept - 1], "fetches"))
                d->rows[kept - 1] = d->rows[j];
        }
        kept = leann_compare_front(d->t, "fetches", -1, "bytes_per_vector", -1, d->rows, kept);
        if (kept) leann_figure_series(f, d->legend[i], leann_figures_look(d->t, d->legend[i]));
        for (size_t j = 0; j < kept; j++) {
            const double xy_of[] = {leann_table_get(d->t, d->rows[j], "fetches"), leann_table_get(d->t, d->rows[j], "bytes_per_vector")};
            leann_figure_row(f, xy_of, 2, NULL);
        }
    }
    snprintf(caption, sizeof caption,
             "Bytes against fetches, %s: builds at their measured point with the fewest fetches that has recall@%.0f of at least %.2f, "
             "those that no other of the method beats in both.",
             d->dataset, d->k, target);
    return finish(d, f, leann_figure_varies(f), stem, caption);
}

static leann_status draw_recall_bytes(drawing *d)
{
    char stem[160], caption[256], axis[64];
    leann_figure *f = begin(d, "xy", "recall_bytes", stem);
    if (!f) return LEANN_ENOMEM;
    snprintf(axis, sizeof axis, "best recall@%.0f", d->k);
    xy(f, "index bytes a vector", true, axis, false, true);
    for (size_t i = 0; i < d->legends; i++) {
        size_t n = leann_compare_front(d->t, "bytes_per_vector", -1, "recall", 1, d->rows, rows_of(d, d->legend[i], d->k));
        if (!n) continue;
        leann_figure_series(f, d->legend[i], leann_figures_look(d->t, d->legend[i]));
        for (size_t j = 0; j < n; j++) {
            const double xy_of[] = {leann_table_get(d->t, d->rows[j], "bytes_per_vector"), leann_table_get(d->t, d->rows[j], "recall")};
            leann_figure_row(f, xy_of, 2, NULL);
        }
    }
    snprintf(caption, sizeof caption,
             "Recall against bytes, %s, k = %.0f: for each method, what the best build of at most so many bytes reaches.", d->dataset,
             d->k);
    return finish(d, f, leann_figure_varies(f), stem, caption);
}

/* ---- latency --------------------------------------------------------------------------------------------------------------------------- */

static leann_status draw_latency(drawing *d, double target)
{
    char stem[160], caption[300], heading[200];
    leann_figure *f = begin(d, "latency", "latency", stem);
    if (!f) return LEANN_ENOMEM;
    unsigned bars = 0;
    bool tail = false;
    for (size_t i = 0; i < d->legends; i++) {
        leann_pick pick;
        if (!leann_compare_best(d->t, d->dataset, d->k, "legend", d->legend[i], target, false, &pick)) continue;
        if (isnan(leann_table_get(d->t, pick.row, "p50_ms"))) continue;
        leann_look look = leann_figures_look(d->t, d->legend[i]);
        leann_figure_series(f, d->legend[i], look);
        const double row[] = {++bars, leann_table_get(d->t, pick.row, "p50_ms"), leann_table_get(d->t, pick.row, "p95_ms"),
                              leann_table_get(d->t, pick.row, "p99_ms"), leann_table_get(d->t, pick.row, "p999_ms")};
        tail |= !isnan(row[4]);
        leann_figure_row(f, row, 5, d->legend[i]);
    }
    leann_figure_number(f, "tail", tail);
    snprintf(heading, sizeof heading, "fastest build of each method with recall@%.0f of at least %.2f", d->k, target);
    leann_figure_set(f, "heading", heading);
    snprintf(caption, sizeof caption, "Latency, %s: percentiles over queries of the median over passes, one thread; %s.", d->dataset,
             heading);
    return finish(d, f, leann_figure_varies(f), stem, caption);
}

/* ---- bytes by part --------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *part, *colour;
} parts[] = {{"vectors", "#9a9a9a"},   {"codes", "#4477aa"}, {"anchors", "#66ccee"}, {"graph", "#228833"}, {"ids", "#ccbb44"},
             {"codebooks", "#ee6677"}, {"meta", "#aa3377"},  {"text", "#bbbbbb"},    {"delta", "#222222"}};
enum { PARTS = sizeof parts / sizeof *parts };

/* Adds '"label" at' to a list of tics, which is gnuplot code: only plain characters pass. */
static void add_tic(char *names, size_t size, const char *label, unsigned at)
{
    size_t used = strlen(names);
    int wrote = snprintf(names + used, size - used, "%s\"", used ? ", " : "");
    used += wrote > 0 && used + (size_t)wrote < size ? (size_t)wrote : 0;
    for (; *label && used + 24 < size; label++)
        if (isalnum((unsigned char)*label) || strchr("-_ .,=()+/*", *label)) names[used++] = *label;
    snprintf(names + used, size - used, "\" %u", at);
}

/* Rows of part p for bars (n) of d->rows, only those below `below` percent. */
static void stack(drawing *d, leann_figure *f, size_t n, unsigned p, double below)
{
    unsigned bar = 0;
    for (size_t i = 0; i < n; i++) {
        char name[32];
        double scale = 100 / (leann_table_get(d->t, d->rows[i], "n") * leann_table_get(d->t, d->rows[i], "d") * 4), from = 0;
        if (!(leann_table_get(d->t, d->rows[i], "ratio_vectors") * 100 < below)) continue;
        bar++;
        for (unsigned q = 0; q <= p; q++) {
            snprintf(name, sizeof name, "bytes_%s", parts[q].part);
            double bytes = leann_table_get(d->t, d->rows[i], name) * scale;
            const double row[] = {bar, from, from + bytes};
            if (q == p && bytes > 0) leann_figure_row(f, row, 3, NULL);
            if (bytes > 0) from += bytes;
        }
    }
}

/* The smallest build of a legend, whatever its recall; SIZE_MAX: none whose bytes by part are known. */
static size_t smallest(const drawing *d, const char *legend)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < leann_table_rows(d->t); i++) {
        if (leann_table_get(d->t, i, "k") != d->k || strcmp(leann_table_text(d->t, i, "legend"), legend) != 0 ||
            strcmp(leann_table_text(d->t, i, "dataset"), d->dataset) != 0 || isnan(leann_table_get(d->t, i, "bytes_meta")))
            continue;
        if (best == SIZE_MAX || leann_table_get(d->t, i, "index_bytes") < leann_table_get(d->t, best, "index_bytes")) best = i;
    }
    return best;
}

typedef struct {
    char names[4096], small_names[4096];
    size_t n, small; /* all, and those below ZOOM percent */
    bool below;      /* one does not reach the recall */
} bars;
static const double ZOOM = 30;

/* Into d->rows: of each legend the smallest build that reaches the recall; where none does, the smallest, with a star. */
static void pick_bars(drawing *d, double target, bars *b)
{
    for (size_t i = 0; i < d->legends; i++) {
        char name[200];
        leann_pick pick;
        bool reached = leann_compare_best(d->t, d->dataset, d->k, "legend", d->legend[i], target, true, &pick);
        size_t row = reached ? pick.row : smallest(d, d->legend[i]);
        if (row == SIZE_MAX || isnan(leann_table_get(d->t, row, "bytes_meta"))) continue;
        d->rows[b->n++] = row;
        b->below |= !reached;
        snprintf(name, sizeof name, "%s%s", d->legend[i], reached ? "" : " *");
        add_tic(b->names, sizeof b->names, name, (unsigned)b->n);
        if (leann_table_get(d->t, row, "ratio_vectors") * 100 < ZOOM)
            add_tic(b->small_names, sizeof b->small_names, name, (unsigned)++b->small);
    }
}

/* One series a part that some bar has, of all bars and again of the small ones; how many series. */
static unsigned stack_parts(drawing *d, leann_figure *f, const bars *b)
{
    unsigned series = 0;
    for (int zoomed = 0; zoomed < 2; zoomed++)
        for (unsigned p = 0; p < PARTS; p++) {
            char name[32];
            bool there = false;
            leann_look look = {"", 0, 0};
            snprintf(name, sizeof name, "bytes_%s", parts[p].part);
            for (size_t i = 0; i < b->n; i++) there |= leann_table_get(d->t, d->rows[i], name) > 0;
            if (!there) continue;
            snprintf(look.colour, sizeof look.colour, "%s", parts[p].colour);
            leann_figure_series(f, parts[p].part, look);
            stack(d, f, b->n, p, zoomed ? ZOOM : INFINITY);
            series++;
        }
    return series;
}

static leann_status draw_parts(drawing *d, double target)
{
    char stem[160], caption[400];
    bars b = {0};
    leann_figure *f = begin(d, "bytes_parts", "bytes_parts", stem);
    if (!f) return LEANN_ENOMEM;
    pick_bars(d, target, &b);
    unsigned series = stack_parts(d, f, &b);
    leann_figure_set(f, "names", b.names);
    leann_figure_set(f, "small_names", b.small_names);
    leann_figure_number(f, "bars", (double)b.n);
    leann_figure_number(f, "small", (double)b.small);
    leann_figure_number(f, "zoom", ZOOM);
    leann_figure_number(f, "width", 1200);
    snprintf(caption, sizeof caption,
             "Bytes by part, %s: the smallest build of each method that reaches recall@%.0f of %.2f, as percent of the float32 vectors%s.",
             d->dataset, d->k, target, b.below ? "; a star marks the smallest build of a method of which none does" : "");
    return finish(d, f, series, stem, caption);
}

/* ---- health ------------------------------------------------------------------------------------------------------------------------------ */

static size_t anchor_rows(drawing *d)
{
    size_t n = 0;
    for (size_t i = 0; i < leann_table_rows(d->t); i++)
        if (!strcmp(leann_table_text(d->t, i, "label"), "anchor") && !strcmp(leann_table_text(d->t, i, "dataset"), d->dataset))
            d->rows[n++] = i;
    return n;
}

/* The distinct numbers of a column over rows, ascending; how many. */
static size_t numbers_of(const drawing *d, size_t n, const char *column, double *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        double x = leann_table_get(d->t, d->rows[i], column);
        size_t at = 0;
        while (at < count && out[at] < x) at++;
        if (isnan(x) || (at < count && out[at] == x) || count == max) continue;
        memmove(out + at + 1, out + at, (count - at) * sizeof *out);
        out[at] = x;
        count++;
    }
    return count;
}

static size_t texts_of(const drawing *d, size_t n, const char *column, const char **out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = leann_table_text(d->t, d->rows[i], column);
        bool there = !*text;
        for (size_t j = 0; j < count && !there; j++) there = !strcmp(out[j], text);
        if (!there && count < max) out[count++] = text;
    }
    qsort(out, count, sizeof *out, by_text);
    return count;
}

static leann_look blue(unsigned variant, unsigned of)
{
    static const char *const shade[] = {"#9ecae1", "#4292c6", "#0072b2", "#08306b"}; /* of the anchor method's colour */
    leann_look look = leann_figure_look("anchor", 0, variant);
    snprintf(look.colour, sizeof look.colour, "%s", shade[of > 1 ? variant * 3 / (of - 1) : 2]);
    return look;
}

static void anchor_series(drawing *d, leann_figure *f, size_t n, const char *const *selector, size_t selectors, const double *count,
                          size_t counts)
{
    for (size_t a = 0; a < counts; a++) {
        char title[64];
        snprintf(title, sizeof title, "%.0f anchors", count[a]);
        leann_figure_series(f, title, blue((unsigned)a, (unsigned)counts));
        for (size_t s = 0; s < selectors; s++)
            for (size_t i = 0; i < n; i++) {
                size_t row = d->rows[i];
                if (leann_table_get(d->t, row, "anchors") != count[a] || strcmp(leann_table_text(d->t, row, "selector"), selector[s]) != 0)
                    continue;
                double x = (double)s + 1 + (counts > 1 ? ((double)a / (double)(counts - 1) - 0.5) * 0.4 : 0);
                const double all[] = {x,
                                      leann_table_get(d->t, row, "coverage"),
                                      leann_table_get(d->t, row, "coverage_min"),
                                      leann_table_get(d->t, row, "coverage_max"),
                                      leann_table_get(d->t, row, "balance"),
                                      leann_table_get(d->t, row, "balance_min"),
                                      leann_table_get(d->t, row, "balance_max")};
                leann_figure_row(f, all, 7, NULL);
                break; /* all builds with these anchors have the same */
            }
    }
}

/* The error of one quantiser by selector: of plain codes no anchors matter, of residuals to anchors `count` of them (0: any). */
typedef struct {
    const char *quantizer, *residual;
    double count, shift; /* shift: of the points, beside their selector's place */
} error_group;

static bool error_points(drawing *d, leann_figure *f, size_t n, error_group group, const char *const *selector, size_t selectors,
                         const char *title, leann_look look)
{
    bool begun = false;
    for (size_t i = 0; i < n; i++) {
        size_t row = d->rows[i], s = 0;
        double error = leann_table_get(d->t, row, "quantization_error");
        if (isnan(error) || strcmp(leann_table_text(d->t, row, "quantizer"), group.quantizer) != 0 ||
            strcmp(leann_table_text(d->t, row, "residual"), group.residual) != 0 ||
            (group.count > 0 && leann_table_get(d->t, row, "anchors") != group.count))
            continue;
        while (s + 1 < selectors && strcmp(selector[s], leann_table_text(d->t, row, "selector")) != 0) s++;
        if (!begun) leann_figure_series(f, title, look);
        begun = true;
        leann_figure_row(f, (const double[]){(double)s + 1 + group.shift, error}, 2, NULL);
    }
    return begun;
}

/* How many series: a colour a quantiser, a shape what is coded. */
static size_t error_series(drawing *d, leann_figure *f, size_t n, const char *const *selector, size_t selectors, const double *count,
                           size_t counts)
{
    static const char *const colours[] = {"#e69f00", "#882255", "#44aa99", "#8c564b", "#999933", "#332288"};
    const char *quantizer[16], *residual[4];
    size_t quantizers = texts_of(d, n, "quantizer", quantizer, 16), residuals = texts_of(d, n, "residual", residual, 4), series = 0;
    for (size_t q = 0; q < quantizers; q++)
        for (size_t r = 0, shape = 0; r < residuals; r++) {
            bool plain = !strcmp(residual[r], "no");
            for (size_t c = 0; c < (plain ? 1 : counts); c++, shape++) {
                char title[128];
                leann_look look = {.point = (int)(4 + shape % 10), .dash = 1};
                snprintf(look.colour, sizeof look.colour, "%s", colours[q % 6]);
                if (residuals == 1 && plain)
                    snprintf(title, sizeof title, "%s", quantizer[q]);
                else if (plain)
                    snprintf(title, sizeof title, "%s, residual no", quantizer[q]);
                else
                    snprintf(title, sizeof title, "%s, residual %s, %.0f anchors", quantizer[q], residual[r], count[c]);
                double shift = quantizers > 1 ? ((double)q / (double)(quantizers - 1) - 0.5) * 0.5 : 0;
                error_group group = {quantizer[q], residual[r], plain ? 0 : count[c], shift};
                series += error_points(d, f, n, group, selector, selectors, title, look);
            }
        }
    return series;
}

static leann_status draw_health(drawing *d)
{
    char stem[160], caption[300], names[2048] = "";
    const char *selector[24];
    double count[16];
    leann_figure *f = begin(d, "health", "health", stem);
    if (!f) return LEANN_ENOMEM;
    size_t n = anchor_rows(d), selectors = texts_of(d, n, "selector", selector, 24), counts = numbers_of(d, n, "anchors", count, 16);
    for (size_t i = 0; i < selectors; i++) add_tic(names, sizeof names, selector[i], (unsigned)i + 1);
    anchor_series(d, f, n, selector, selectors, count, counts);
    leann_figure_number(f, "A", (double)counts);
    size_t errors = error_series(d, f, n, selector, selectors, count, counts), lines = errors + 1 > counts + 2 ? errors + 1 : counts + 2;
    double worst = 0;
    for (size_t i = 0; i < n; i++) worst = fmax(worst, leann_table_get(d->t, d->rows[i], "quantization_error"));
    leann_figure_number(f, "worst", worst);
    leann_figure_number(f, "groups", (double)selectors);
    leann_figure_set(f, "names", names);
    leann_figure_number(f, "width", 1300);
    leann_figure_number(f, "height", 530 + 29 * (double)lines);
    leann_figure_number(f, "lines", (double)lines); /* of the longest legend, below the panels */
    snprintf(
        caption, sizeof caption,
        "Health of the anchor method, %s: coverage and balance by selector and number of anchors (bars: range over seeds), error of the "
        "quantisers, with the limits of health.",
        d->dataset);
    return finish(d, f, counts && selectors, stem, caption);
}

/* ---- all ----------------------------------------------------------------------------------------------------------------------------------- */

leann_status leann_figures_draw(leann_ctx *ctx, const leann_table *seeds, const char *folder, const char *const *datas, size_t data_count,
                                const double *ks, size_t k_count, double main_k, leann_figures *out)
{
    drawing d = {.ctx = ctx, .t = seeds, .folder = folder, .many_data = data_count > 1, .out = out};
    leann_status s = LEANN_OK;
    out->n = 0;
    d.rows = leann_alloc(ctx, leann_table_rows(seeds) + MAX_LEGENDS, sizeof *d.rows);
    if (!d.rows) return LEANN_ENOMEM;
    d.legends = leann_compare_distinct(seeds, "legend", d.legend, MAX_LEGENDS);
    for (size_t i = 0; i < data_count && !s; i++) {
        d.dataset = datas[i];
        for (size_t j = 0; j < k_count && !s; j++) {
            d.k = ks[j];
            s = draw_pareto(&d);
        }
        d.k = main_k;
        if (!s) s = draw_fetches(&d, 0.90);
        if (!s) s = draw_fetches(&d, 0.95);
        if (!s) s = draw_recall_bytes(&d);
        if (!s) s = draw_latency(&d, 0.90);
        if (!s) s = draw_parts(&d, 0.90);
        if (!s) s = draw_health(&d);
    }
    leann_free(d.rows);
    return s;
}

/* ---- any two columns ------------------------------------------------------------------------------------------------------------------------ */

static leann_status check_column(const leann_table *t, const char *name, bool number)
{
    leann_ctx *ctx = leann_table_ctx(t);
    if (leann_table_find(t, name) < 0) {
        const char *all[256], *near;
        size_t n = leann_table_columns(t);
        for (size_t c = 0; c < n && c < 256; c++) all[c] = leann_table_name(t, c);
        near = leann_nearest_word(name, all, n < 256 ? n : 256);
        return leann_fail(ctx, LEANN_EINVAL, "no column '%s'%s%s%s", name, near ? "; did you mean '" : "", near ? near : "",
                          near ? "'?" : "");
    }
    for (size_t i = 0; i < leann_table_rows(t); i++)
        if (isfinite(leann_table_get(t, i, name))) return LEANN_OK;
    return number ? leann_fail(ctx, LEANN_EINVAL, "column '%s' holds no number in any row", name) : LEANN_OK;
}

/* Rows of the series `value` that can be drawn, by ascending x, into rows; how many. */
static size_t series_rows(const leann_table *t, const leann_plot *plot, const char *value, size_t *rows)
{
    char buffer[32];
    size_t n = 0;
    int by = leann_table_find(t, plot->by);
    for (size_t i = 0; i < leann_table_rows(t); i++) {
        double x = leann_table_get(t, i, plot->x), y = leann_table_get(t, i, plot->y);
        if (!isfinite(x) || !isfinite(y) || (plot->x_log && x <= 0) || (plot->y_log && y <= 0)) continue;
        if (strcmp(leann_table_show(t, i, (size_t)by, buffer), value) != 0) continue;
        size_t at = n++;
        for (; at && leann_table_get(t, rows[at - 1], plot->x) > x; at--) rows[at] = rows[at - 1];
        rows[at] = i;
    }
    return n;
}

static leann_status fill_plot(leann_figure *f, const leann_table *t, const leann_plot *plot, size_t *rows)
{
    leann_ctx *ctx = leann_table_ctx(t);
    leann_table *names = leann_table_new(ctx); /* the distinct values of `by` as texts */
    char buffer[32];
    const char *value[MAX_LEGENDS];
    bool methods = !strcmp(plot->by, "legend") || !strcmp(plot->by, "label");
    int by = leann_table_find(t, plot->by);
    if (!names) return LEANN_ENOMEM;
    for (size_t i = 0; i < leann_table_rows(t); i++)
        leann_table_set_text(names, leann_table_add_row(names), "value", leann_table_show(t, i, (size_t)by, buffer));
    leann_status s = leann_table_check(names);
    size_t n = s ? 0 : leann_compare_distinct(names, "value", value, MAX_LEGENDS);
    qsort(value, n, sizeof *value, by_text);
    for (size_t i = 0; i < n; i++) {
        size_t count = series_rows(t, plot, value[i], rows);
        if (!count) continue;
        leann_figure_series(f, value[i], methods ? leann_figures_look(t, value[i]) : leann_figure_look("", (unsigned)i, (unsigned)i));
        for (size_t j = 0; j < count; j++) {
            const double xy_of[] = {leann_table_get(t, rows[j], plot->x), leann_table_get(t, rows[j], plot->y)};
            leann_figure_row(f, xy_of, 2, NULL);
        }
    }
    leann_table_free(names);
    return s;
}

leann_status leann_figures_plot(leann_ctx *ctx, const leann_table *t, const leann_plot *plot)
{
    leann_status s;
    if ((s = check_column(t, plot->x, true)) || (s = check_column(t, plot->y, true)) || (s = check_column(t, plot->by, false))) return s;
    const char *slash = strrchr(plot->out, '/');
    char *folder =
        slash ? leann_format(ctx, "%.*s", (int)(slash - plot->out), slash == plot->out ? "/" : plot->out) : leann_format(ctx, ".");
    leann_figure *f = leann_figure_new(ctx, "xy", slash ? slash + 1 : plot->out);
    size_t *rows = leann_alloc(ctx, leann_table_rows(t) + 1, sizeof *rows);
    s = folder && f && rows ? LEANN_OK : LEANN_ENOMEM;
    if (!s) {
        xy(f, plot->x, plot->x_log, plot->y, plot->y_log, plot->lines);
        s = fill_plot(f, t, plot, rows);
    }
    if (!s && !leann_figure_rows(f))
        s = leann_fail(ctx, LEANN_EINVAL, "no row has both '%s' and '%s'%s", plot->x, plot->y,
                       plot->x_log || plot->y_log ? " above 0, as a logarithmic axis needs" : "");
    if (!s) s = leann_figure_draw(f, folder);
    leann_figure_free(f);
    leann_free(rows);
    leann_free(folder);
    return s;
}
