/* compare.c – groups rows over seeds, finds Pareto fronts (n log n), the speed at a recall, and paired differences between points.
 *
 * Source: percentile bootstrap over paired queries, Efron & Tibshirani 1993.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NEAR = 0.02; /* of recall: Pareto points further apart are not interpolated between */

/* ---- seeds ------------------------------------------------------------------------------------------------------------------- */

static const char *const spread[] = {"recall", "qps", "build_s", "index_bytes", "coverage", "balance", "quantization_error", "fetches"};
enum { SPREADS = sizeof spread / sizeof *spread };

static bool same_text(const leann_table *t, size_t a, size_t b, const char *column)
{
    return !strcmp(leann_table_text(t, a, column), leann_table_text(t, b, column));
}

static bool same_number(const leann_table *t, size_t a, size_t b, const char *column)
{
    double x = leann_table_get(t, a, column), y = leann_table_get(t, b, column);
    return x == y || (isnan(x) && isnan(y));
}

static bool same_but_seed(const leann_table *t, size_t a, size_t b)
{
    return same_text(t, a, b, "dataset") && same_text(t, a, b, "legend") && same_text(t, a, b, "params") &&
           same_text(t, a, b, "published") && same_number(t, a, b, "k") && same_number(t, a, b, "target_recall") &&
           same_number(t, a, b, "threads") && same_number(t, a, b, "queries") && !*leann_table_text(t, a, "published");
}

static void mean_row(const leann_table *t, const size_t *rows, size_t n, leann_table *out)
{
    char name[64];
    size_t to = leann_table_copy_row(out, t, rows[0]);
    leann_table_set(out, to, "seeds", (double)n);
    leann_table_set(out, to, "row", (double)rows[0]);
    for (size_t c = 0; n > 1 && c < leann_table_columns(t); c++) {
        const char *column = leann_table_name(t, c);
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += leann_table_get(t, rows[i], column);
        if (!leann_table_is_text(t, rows[0], c) && strcmp(column, "seed") != 0) leann_table_set(out, to, column, sum / (double)n);
    }
    for (size_t i = 0; i < SPREADS; i++) {
        double lo = INFINITY, hi = -INFINITY;
        for (size_t j = 0; j < n; j++) {
            lo = fmin(lo, leann_table_get(t, rows[j], spread[i]));
            hi = fmax(hi, leann_table_get(t, rows[j], spread[i]));
        }
        snprintf(name, sizeof name, "%s_min", spread[i]);
        leann_table_set(out, to, name, lo <= hi ? lo : NAN);
        snprintf(name, sizeof name, "%s_max", spread[i]);
        leann_table_set(out, to, name, lo <= hi ? hi : NAN);
    }
}

size_t leann_compare_group(const leann_table *t, size_t first, size_t *rows)
{
    size_t count = 0;
    for (size_t i = first; i < leann_table_rows(t) && same_text(t, first, i, "cell"); i++) /* rows are sorted: one cell stands together */
        if (!strcmp(leann_table_text(t, i, "status"), "ok") && (i == first || same_but_seed(t, first, i))) rows[count++] = i;
    return count;
}

leann_status leann_compare_seeds(const leann_table *t, leann_table **out)
{
    leann_ctx *ctx = leann_table_ctx(t);
    size_t n = leann_table_rows(t), *group = leann_alloc(ctx, n + 1, sizeof *group);
    bool *used = leann_alloc(ctx, n + 1, sizeof *used);
    leann_table *made = leann_table_new(ctx);
    leann_status s = group && used && made ? LEANN_OK : LEANN_ENOMEM;
    for (size_t i = 0; i < n && !s; i++) {
        if (used[i] || strcmp(leann_table_text(t, i, "status"), "ok") != 0) continue;
        size_t count = leann_compare_group(t, i, group);
        for (size_t j = 0; j < count; j++) used[group[j]] = true;
        mean_row(t, group, count, made);
    }
    if (!s) s = leann_table_check(made);
    leann_free(group);
    leann_free(used);
    if (s) {
        leann_table_free(made);
        made = NULL;
    }
    *out = made;
    return s;
}

void leann_compare_range(const leann_table *seeds, size_t row, const char *name, double *lo, double *hi)
{
    char column[64];
    snprintf(column, sizeof column, "%s_min", name);
    *lo = leann_table_get(seeds, row, column);
    snprintf(column, sizeof column, "%s_max", name);
    *hi = leann_table_get(seeds, row, column);
}

bool leann_compare_meet(const leann_table *a, size_t i, const leann_table *b, size_t j, const char *name)
{
    double lo, hi, other_lo, other_hi;
    leann_compare_range(a, i, name, &lo, &hi);
    leann_compare_range(b, j, name, &other_lo, &other_hi);
    return (hi > lo || other_hi > other_lo) && lo <= other_hi && other_lo <= hi;
}

/* ---- fronts -------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    double x, y;
    size_t row;
} point;

static int best_x_first(const void *a, const void *b)
{
    const point *p = a, *q = b;
    if (p->x != q->x) return p->x > q->x ? -1 : 1;
    if (p->y != q->y) return p->y > q->y ? -1 : 1;
    return p->row < q->row ? -1 : p->row > q->row;
}

size_t leann_compare_front(const leann_table *t, const char *x, int x_sign, const char *y, int y_sign, size_t *rows, size_t n)
{
    point *all = malloc((n ? n : 1) * sizeof *all);
    size_t count = 0, kept = 0;
    double best = -INFINITY;
    if (!all) return 0;
    for (size_t i = 0; i < n; i++) {
        point p = {x_sign * leann_table_get(t, rows[i], x), y_sign * leann_table_get(t, rows[i], y), rows[i]};
        if (isfinite(p.x) && isfinite(p.y)) all[count++] = p;
    }
    qsort(all, count, sizeof *all, best_x_first);
    for (size_t i = 0; i < count; i++)
        if (all[i].y > best) {
            best = all[i].y;
            rows[kept++] = all[i].row;
        }
    free(all);
    for (size_t i = 0; x_sign > 0 && i < kept / 2; i++) { /* best first is descending: turn it round */
        size_t swap = rows[i];
        rows[i] = rows[kept - 1 - i];
        rows[kept - 1 - i] = swap;
    }
    return kept;
}

size_t leann_compare_distinct(const leann_table *t, const char *column, const char **texts, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < leann_table_rows(t); i++) {
        const char *text = leann_table_text(t, i, column);
        bool there = !*text;
        for (size_t j = 0; j < n && !there; j++) there = !strcmp(texts[j], text);
        if (!there && n < max) texts[n++] = text;
    }
    return n;
}

/* ---- at a recall --------------------------------------------------------------------------------------------------------------- */

static leann_pick measured(const leann_table *t, size_t row)
{
    return (leann_pick){.row = row,
                        .recall = leann_table_get(t, row, "recall"),
                        .fetches = leann_table_get(t, row, "fetches"),
                        .qps = leann_table_get(t, row, "qps"),
                        .qps_lo = leann_table_get(t, row, "qps_lo"),
                        .qps_hi = leann_table_get(t, row, "qps_hi"),
                        .qps_min = leann_table_get(t, row, "qps_min"),
                        .qps_max = leann_table_get(t, row, "qps_max"),
                        .how = LEANN_PICK_ABOVE};
}

static double between_logs(double lo, double hi, double share)
{
    return exp(log(lo) + share * (log(hi) - log(lo)));
}

static leann_pick between(const leann_table *t, size_t below, size_t above, double target)
{
    leann_pick lo = measured(t, below), hi = measured(t, above);
    if (hi.recall == target || !(hi.recall - lo.recall <= NEAR + 1e-12)) return hi;
    double share = (target - lo.recall) / (hi.recall - lo.recall);
    return (leann_pick){.row = above,
                        .recall = target,
                        .fetches = lo.fetches + share * (hi.fetches - lo.fetches),
                        .qps = between_logs(lo.qps, hi.qps, share),
                        .qps_lo = between_logs(lo.qps_lo, hi.qps_lo, share),
                        .qps_hi = between_logs(lo.qps_hi, hi.qps_hi, share),
                        .qps_min = between_logs(lo.qps_min, hi.qps_min, share),
                        .qps_max = between_logs(lo.qps_max, hi.qps_max, share),
                        .how = LEANN_PICK_INTERPOLATED};
}

bool leann_compare_at(const leann_table *t, const char *dataset, double k, const char *cell, double target, leann_pick *out)
{
    size_t n = leann_table_rows(t), count = 0, *rows = malloc((n ? n : 1) * sizeof *rows);
    bool found = false;
    if (!rows) return false;
    for (size_t i = 0; i < n; i++) {
        if (leann_table_get(t, i, "k") != k || strcmp(leann_table_text(t, i, "dataset"), dataset) != 0 ||
            strcmp(leann_table_text(t, i, "cell"), cell) != 0)
            continue;
        rows[count++] = i;
    }
    count = leann_compare_front(t, "recall", 1, "qps", 1, rows, count);
    for (size_t i = 0; i < count && !found; i++) {
        if (leann_table_get(t, rows[i], "recall") < target) continue;
        *out = i ? between(t, rows[i - 1], rows[i], target) : measured(t, rows[i]);
        found = true;
    }
    free(rows);
    return found;
}

/* Whether a goes before b: faster, or smaller and then faster. */
static bool better(const leann_table *t, const leann_pick *a, const leann_pick *b, bool smallest)
{
    double x = leann_table_get(t, a->row, "index_bytes"), y = leann_table_get(t, b->row, "index_bytes");
    return smallest && x != y ? x < y : a->qps > b->qps;
}

bool leann_compare_best(const leann_table *t, const char *dataset, double k, const char *by, const char *word, double target, bool smallest,
                        leann_pick *out)
{
    bool found = false;
    const char *last = "";
    for (size_t i = 0; i < leann_table_rows(t); i++) {
        const char *cell = leann_table_text(t, i, "cell");
        leann_pick pick;
        if (leann_table_get(t, i, "k") != k || strcmp(leann_table_text(t, i, by), word) != 0 ||
            strcmp(leann_table_text(t, i, "dataset"), dataset) != 0 || !strcmp(cell, last))
            continue;
        last = cell;
        if (!leann_compare_at(t, dataset, k, cell, target, &pick) || (found && !better(t, &pick, out, smallest))) continue;
        *out = pick;
        found = true;
    }
    return found;
}

/* ---- over the same queries --------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t row;
    double value;
} item;

static int by_row(const void *a, const void *b)
{
    uint32_t x = ((const item *)a)->row, y = ((const item *)b)->row;
    return x < y ? -1 : x > y;
}

typedef struct {
    item *item;
    size_t n;
} values;

static void add(values *to, const uint32_t *rows, const double *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) to->item[to->n++] = (item){rows[i], x[i]};
}

/* One item a query: the mean of its `seeds` items. A query that not all seeds have is dropped. */
static void means(values *v, size_t seeds)
{
    size_t kept = 0;
    qsort(v->item, v->n, sizeof *v->item, by_row);
    for (size_t i = 0, run; i < v->n; i += run) {
        double sum = 0;
        for (run = 0; i + run < v->n && v->item[i + run].row == v->item[i].row; run++) sum += v->item[i + run].value;
        if (run == seeds) v->item[kept++] = (item){v->item[i].row, sum / (double)seeds};
    }
    v->n = kept;
}

/* Values of the queries that both have: x and y heap; how many. */
static leann_status meet(leann_ctx *ctx, values a, values b, double **x, double **y, uint32_t *both)
{
    *both = 0;
    *x = leann_alloc(ctx, a.n + 1, sizeof **x);
    *y = leann_alloc(ctx, a.n + 1, sizeof **y);
    if (!*x || !*y) return LEANN_ENOMEM;
    for (size_t i = 0, j = 0; i < a.n && j < b.n;) {
        if (a.item[i].row == b.item[j].row) {
            (*x)[*both] = a.item[i++].value;
            (*y)[(*both)++] = b.item[j++].value;
        } else if (a.item[i].row < b.item[j].row) {
            i++;
        } else {
            j++;
        }
    }
    return LEANN_OK;
}

typedef leann_status (*paired_fn)(leann_ctx *, const double *, const double *, size_t, uint64_t, leann_interval *);

static leann_status test(leann_ctx *ctx, values a, values b, paired_fn fn, leann_interval *out, uint32_t *both)
{
    double *x = NULL, *y = NULL;
    leann_status s = meet(ctx, a, b, &x, &y, both);
    if (!s && !*both) s = leann_fail(ctx, LEANN_EINVAL, "the two points have no query in common");
    if (!s) s = fn(ctx, x, y, *both, 1, out);
    leann_free(x);
    leann_free(y);
    return s;
}

/* recall and seconds of every query, means over the rows (n) of m. */
static leann_status look_up(leann_ctx *ctx, leann_measures *m, const size_t *rows, size_t n, values *recall, values *seconds)
{
    leann_queries *q = leann_alloc(ctx, n + 1, sizeof *q);
    leann_status s = q ? LEANN_OK : LEANN_ENOMEM;
    for (size_t i = 0; i < n && !s; i++) s = leann_measures_queries(m, rows[i], &q[i]);
    size_t all = 0, timed = 0;
    for (size_t i = 0; i < n && !s; i++) {
        all += q[i].n;
        timed += q[i].t;
    }
    recall->item = s ? NULL : leann_alloc(ctx, all + 1, sizeof *recall->item);
    seconds->item = s ? NULL : leann_alloc(ctx, timed + 1, sizeof *seconds->item);
    if (!s && (!recall->item || !seconds->item)) s = LEANN_ENOMEM;
    for (size_t i = 0; i < n && !s; i++) {
        add(recall, q[i].rows, q[i].recall, q[i].n);
        add(seconds, q[i].timed, q[i].seconds, q[i].t);
    }
    if (!s) means(recall, n);
    if (!s) means(seconds, n);
    for (size_t i = 0; q && i < n; i++) leann_queries_clear(&q[i]);
    leann_free(q);
    return s;
}

leann_status leann_compare_paired(leann_ctx *ctx, leann_side a, leann_side b, leann_paired *out)
{
    values recall_a = {0}, seconds_a = {0}, recall_b = {0}, seconds_b = {0};
    leann_status s = look_up(ctx, a.m, a.rows, a.n, &recall_a, &seconds_a);
    if (!s) s = look_up(ctx, b.m, b.rows, b.n, &recall_b, &seconds_b);
    if (!s) s = test(ctx, recall_a, recall_b, leann_stats_paired_difference, &out->recall, &out->n);
    if (!s) s = test(ctx, seconds_a, seconds_b, leann_stats_paired_ratio, &out->seconds, &out->t);
    item *const heap[] = {recall_a.item, seconds_a.item, recall_b.item, seconds_b.item};
    for (size_t i = 0; i < sizeof heap / sizeof *heap; i++) leann_free(heap[i]);
    return s;
}
