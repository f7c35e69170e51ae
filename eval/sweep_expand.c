/* sweep_expand.c – a checked sweep file -> cells and points: the cross product of its axes, at most 20,000 points; each cell is
 * compared with those before it and each point with the others of its cell, to drop repeats.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/sweep.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_POINTS = 20000, MAX_GRID = 10000 };

/* ---- axes ----------------------------------------------------------------------------------------------------------------- */

static leann_status too_many(leann_ctx *ctx, size_t n)
{
    return leann_fail(ctx, LEANN_ELIMIT, "the sweep's axes multiply to %zu or more points; the limit is %d", n, MAX_POINTS);
}

static bool is_grid(const leann_value *v)
{
    return leann_value_type(v) == LEANN_V_MAP && leann_value_count(v) == 1 && leann_value_get(v, "grid");
}

static leann_status expand(leann_ctx *ctx, const char *key, const leann_value *v, leann_value *out);

/* Every partial map of `partial` with every value of one more entry. */
static leann_status cross(leann_ctx *ctx, const leann_value *partial, const char *key, const leann_value *axis, leann_value *out)
{
    size_t n = leann_value_count(partial), m = leann_value_count(axis);
    if (n * m > MAX_POINTS) return too_many(ctx, n * m);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) {
            leann_value *map = leann_value_copy(leann_value_at(partial, i));
            leann_value_set(map, key, leann_value_copy(leann_value_at(axis, j)));
            leann_value_append(out, map);
        }
    return LEANN_OK;
}

static leann_status expand_map(leann_ctx *ctx, const leann_value *v, leann_value *out)
{
    leann_value *partial = leann_value_new_list();
    leann_value_append(partial, leann_value_new_map());
    leann_status s = LEANN_OK;
    for (size_t i = 0; !s && i < leann_value_count(v); i++) {
        const char *key = NULL;
        const leann_value *entry = leann_value_entry(v, i, &key);
        leann_value *axis = leann_value_new_list(), *next = leann_value_new_list();
        if (!(s = expand(ctx, key, entry, axis))) s = cross(ctx, partial, key, axis, next);
        leann_value_free(axis);
        leann_value_free(partial);
        partial = next;
    }
    for (size_t i = 0; !s && i < leann_value_count(partial); i++) leann_value_append(out, leann_value_keep(leann_value_at(partial, i)));
    leann_value_free(partial);
    return s;
}

/* v, the value of key, with every list inside it taken as an axis, appended to out; a {grid: …} stays whole. */
static leann_status expand(leann_ctx *ctx, const char *key, const leann_value *v, leann_value *out)
{
    leann_status s = LEANN_OK;
    if (leann_value_type(v) == LEANN_V_LIST) {
        if (!leann_value_count(v)) return leann_fail(ctx, LEANN_EINVAL, "%s is an empty list, which is no axis", key);
        for (size_t i = 0; !s && i < leann_value_count(v); i++) s = expand(ctx, key, leann_value_at(v, i), out);
    } else if (leann_value_type(v) == LEANN_V_MAP && !is_grid(v)) {
        s = expand_map(ctx, v, out);
    } else {
        leann_value_append(out, leann_value_copy(v));
    }
    if (!s && leann_value_count(out) > MAX_POINTS) s = too_many(ctx, leann_value_count(out));
    return s;
}

/* The values of a key of the group, or else of the whole sweep, or else of `otherwise` (taken over); a list the caller frees. */
static leann_status axis_of(leann_ctx *ctx, const leann_value *tree, const leann_value *group, const char *key, leann_value *otherwise,
                            leann_value **out)
{
    const leann_value *v = group ? leann_value_get(group, key) : NULL;
    if (!v) v = tree ? leann_value_get(tree, key) : NULL;
    *out = leann_value_new_list();
    leann_status s = expand(ctx, key, v ? v : otherwise, *out);
    leann_value_free(otherwise);
    return s;
}

/* ---- labels --------------------------------------------------------------------------------------------------------------- */

static void say(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

/* kmeans(output=medoids), 2.5*sqrt(n), 98 … */
static void say_value(char *text, size_t size, const leann_value *v)
{
    const char *word = leann_value_text(v, NULL), *key = NULL;
    if (word) {
        say(text, size, "%s", word);
    } else if (leann_value_type(v) == LEANN_V_BOOL) {
        say(text, size, "%s", leann_value_bool(v, false) ? "yes" : "no");
    } else if (leann_value_type(v) != LEANN_V_MAP) {
        say(text, size, "%.10g", leann_value_real(v, NAN));
    } else if (leann_value_get(v, "sqrt_n")) {
        say(text, size, "%.10g*sqrt(n)", leann_value_real(leann_value_get(v, "sqrt_n"), 0));
    } else {
        for (size_t i = 0; i < leann_value_count(v); i++) {
            const leann_value *inner = leann_value_entry(v, i, &key);
            bool named = leann_value_type(inner) != LEANN_V_MAP || leann_value_get(inner, "sqrt_n");
            say(text, size, "%s%s%s", i ? "," : "", key, named ? "=" : leann_value_count(inner) ? "(" : "");
            say_value(text, size, inner);
            say(text, size, "%s", !named && leann_value_count(inner) ? ")" : "");
        }
    }
}

static void say_entries(char *text, size_t size, const leann_value *map)
{
    for (size_t i = 0; i < leann_value_count(map); i++) {
        const char *key = NULL;
        const leann_value *v = leann_value_entry(map, i, &key);
        say(text, size, " %s=", key);
        say_value(text, size, v);
    }
}

/* ---- grids ---------------------------------------------------------------------------------------------------------------- */

/* The geometric grid [from, to, ratio] with `to` itself at the end; whole numbers, without repeats, when `from` is one. */
static leann_status grid_values(leann_ctx *ctx, const char *name, const leann_value *grid, bool tuned, leann_point *out)
{
    const leann_value *list = leann_value_get(grid, "grid"), *first = leann_value_at(list, 0);
    double from = leann_value_real(first, 0), to = leann_value_real(leann_value_at(list, 1), 0);
    double ratio = leann_value_real(leann_value_at(list, 2), 0);
    if (leann_value_type(list) != LEANN_V_LIST || leann_value_count(list) != 3 || !(from > 0 && to >= from && ratio > 1 && to < 1e15)) {
        char *shown = leann_value_json(list, false, 0);
        leann_status s = leann_fail(ctx, LEANN_EINVAL, "%s: {grid: %.80s}: a grid is [from, to, ratio] with 0 < from <= to and ratio > 1",
                                    name, shown ? shown : "?");
        leann_free(shown);
        return s;
    }
    if (tuned && ratio > 1.1 + 1e-9)
        return leann_fail(ctx, LEANN_EINVAL, "%s: the grid's ratio is %g; to reach a recall it must be at most 1.1", name, ratio);
    double steps = floor(log(to / from) / log(ratio) + 1e-9);
    if (!(steps < MAX_GRID)) return leann_fail(ctx, LEANN_ELIMIT, "%s: the grid has %.0f values; the limit is %d", name, steps, MAX_GRID);
    if (!(out->grid = leann_alloc(ctx, (size_t)steps + 2, sizeof *out->grid))) return LEANN_ENOMEM;
    out->grid_whole = leann_value_type(first) == LEANN_V_INT;
    for (uint32_t i = 0; i <= (uint32_t)steps + 1; i++) {
        double x = i <= (uint32_t)steps ? from * pow(ratio, i) : to;
        if (out->grid_whole) x = floor(x + 0.5);
        if (!out->grid_n || x > out->grid[out->grid_n - 1]) out->grid[out->grid_n++] = x;
    }
    return LEANN_OK;
}

leann_value *leann_sweep_grid_value(const leann_point *p, uint32_t i)
{
    return p->grid_whole ? leann_value_new_int((int64_t)p->grid[i]) : leann_value_new_real(p->grid[i]);
}

/* Grids without a recall to reach are axes like any list. */
static leann_status grids_as_axes(leann_ctx *ctx, leann_value *query)
{
    for (size_t i = 0; i < leann_value_count(query); i++) {
        const char *key = NULL;
        const leann_value *v = leann_value_entry(query, i, &key);
        leann_point values = {0};
        if (!is_grid(v)) continue;
        leann_status s = grid_values(ctx, key, v, false, &values);
        leann_value *axis = leann_value_new_list();
        for (uint32_t j = 0; !s && j < values.grid_n; j++) leann_value_append(axis, leann_sweep_grid_value(&values, j));
        leann_free(values.grid);
        leann_value_set(query, key, axis);
        if (s) return s;
    }
    return LEANN_OK;
}

/* ---- points --------------------------------------------------------------------------------------------------------------- */

typedef struct { /* one group of the file while it is expanded */
    leann_sweep *sweep;
    const leann_value *group;
    uint32_t index;
    leann_value *configs, *queries, *ks, *seeds, *targets, *constraints;
    struct {
        bool asked, applied, held, over_data;
    } * seen;      /* (constraints): what became of each */
    size_t points; /* of the whole sweep so far */
} group_job;

static leann_status tuned_parameter(leann_ctx *ctx, const leann_value *query, leann_point *p, leann_value **first)
{
    *first = leann_value_copy(query);
    for (size_t i = 0; i < leann_value_count(query); i++) {
        const char *key = NULL;
        const leann_value *v = leann_value_entry(query, i, &key);
        if (!is_grid(v)) continue;
        if (p->grid)
            return leann_fail(ctx, LEANN_EINVAL, "query: both %s and %s have a grid; one parameter can be tuned", p->grid_name, key);
        leann_status s = grid_values(ctx, key, v, true, p);
        if (s) return s;
        snprintf(p->grid_name, sizeof p->grid_name, "%s", key);
        leann_value_set(*first, key, leann_sweep_grid_value(p, 0));
    }
    if (!p->grid)
        return leann_fail(ctx, LEANN_EINVAL, "target_recall needs one query parameter with a grid, say ef_search: {grid: [10, 1000, 1.1]}");
    return LEANN_OK;
}

static leann_status make_point(leann_ctx *ctx, const char *method, const leann_value *query, uint32_t k, double target, leann_point *p)
{
    leann_value *first = NULL;
    char label[512] = "";
    *p = (leann_point){.k = k, .target = target};
    leann_status s = target > 0 ? tuned_parameter(ctx, query, p, &first) : LEANN_OK;
    if (!s) s = leann_method_query(ctx, method, first ? first : query, &p->query);
    if (!s && p->grid) leann_value_set(p->query, p->grid_name, leann_value_copy(leann_value_get(query, p->grid_name)));
    leann_value_free(first);
    say(label, sizeof label, "k=%u", k);
    for (size_t i = 0; i < leann_value_count(query); i++) {
        const char *key = NULL;
        const leann_value *v = leann_value_entry(query, i, &key);
        if (is_grid(v)) continue;
        say(label, sizeof label, " %s=", key);
        say_value(label, sizeof label, v);
    }
    if (target > 0) say(label, sizeof label, " %s for recall %g", p->grid_name, target);
    if (!s && !(p->label = leann_format(ctx, "%s", label))) s = LEANN_ENOMEM;
    return s;
}

static void free_point(leann_point *p)
{
    leann_value_free(p->query);
    leann_free(p->grid);
    leann_free(p->label);
    leann_free(p->identity);
}

static bool same_point(const leann_point *a, const leann_point *b)
{
    return a->k == b->k && a->target == b->target && leann_value_equal(a->query, b->query);
}

/* Takes over p; a repeat is dropped. */
static leann_status add_point(leann_ctx *ctx, leann_cell *cell, leann_point *p)
{
    for (uint32_t i = 0; i < cell->points; i++)
        if (same_point(&cell->point[i], p)) {
            free_point(p);
            return LEANN_OK;
        }
    if ((cell->points & (cell->points - 1)) == 0) { /* room doubles at powers of two */
        leann_point *more = leann_alloc(ctx, cell->points ? (size_t)cell->points * 2 : 1, sizeof *more);
        if (!more) {
            free_point(p);
            return LEANN_ENOMEM;
        }
        if (cell->points) memcpy(more, cell->point, cell->points * sizeof *more);
        leann_free(cell->point);
        cell->point = more;
    }
    cell->point[cell->points++] = *p;
    return LEANN_OK;
}

static leann_status leave_out(leann_ctx *ctx, leann_sweep *sweep, const char *cell, const char *point, const char *reason)
{
    leann_left_out *more = leann_alloc(ctx, (size_t)sweep->left_outs + 1, sizeof *more);
    if (!more) return LEANN_ENOMEM;
    if (sweep->left_outs) memcpy(more, sweep->left_out, sweep->left_outs * sizeof *more);
    leann_free(sweep->left_out);
    sweep->left_out = more;
    more[sweep->left_outs].label = point ? leann_format(ctx, "%s %s", cell, point) : leann_format(ctx, "%s", cell);
    more[sweep->left_outs++].reason = leann_format(ctx, "%s", reason);
    return LEANN_OK;
}

/* The first constraint that the point breaks, or NULL. */
static leann_status broken(leann_ctx *ctx, group_job *job, const leann_cell *cell, const leann_point *p, const char **reason)
{
    const leann_dataset_info *info = &job->sweep->info[cell->data];
    leann_facts facts = {leann_value_get(cell->config, "build"),
                         p->query,
                         cell->method,
                         info->n,
                         info->d,
                         job->sweep->queries ? job->sweep->queries : info->queries,
                         p->k,
                         (double)cell->seed};
    *reason = NULL;
    for (size_t i = 0; i < leann_value_count(job->constraints) && !*reason; i++) {
        const char *text = leann_value_text(leann_value_at(job->constraints, i), "");
        leann_verdict verdict;
        leann_status s = leann_requires(ctx, text, &facts, &verdict);
        if (s) return s;
        job->seen[i].asked = true;
        job->seen[i].applied |= verdict.applies;
        job->seen[i].held |= verdict.holds;
        job->seen[i].over_data |= verdict.over_data;
        if (!verdict.holds) *reason = text;
    }
    return LEANN_OK;
}

/* One query configuration with one k and target; counts in *reason what was left out. */
static leann_status one_point(leann_ctx *ctx, group_job *job, leann_cell *cell, const leann_value *query, size_t k, size_t target)
{
    leann_point p;
    const char *reason;
    if (job->points++ >= MAX_POINTS) return too_many(ctx, job->points);
    leann_status s = make_point(ctx, cell->method, query, (uint32_t)leann_value_int(leann_value_at(job->ks, k), 1),
                                leann_value_real(leann_value_at(job->targets, target), 0), &p);
    if (!s) s = broken(ctx, job, cell, &p, &reason);
    if (!s && !reason) return add_point(ctx, cell, &p);
    if (!s) s = leave_out(ctx, job->sweep, cell->label, p.label, reason);
    free_point(&p);
    return s;
}

/* Several left-out points that are all the new points of the cell, for one reason: one entry will do. */
static void merge_left_out(leann_sweep *sweep, const leann_cell *cell, uint32_t before, uint32_t points_before)
{
    if (cell->points > points_before || sweep->left_outs <= before) return;
    for (uint32_t i = before + 1; i < sweep->left_outs; i++)
        if (strcmp(sweep->left_out[i].reason, sweep->left_out[before].reason) != 0) return;
    sweep->left_out[before].label[strlen(cell->label)] = 0; /* labels begin with the cell's */
    for (uint32_t i = before + 1; i < sweep->left_outs; i++) {
        leann_free(sweep->left_out[i].label);
        leann_free(sweep->left_out[i].reason);
    }
    sweep->left_outs = before + 1;
}

static leann_status cell_points(leann_ctx *ctx, group_job *job, leann_cell *cell)
{
    uint32_t before = job->sweep->left_outs, points_before = cell->points;
    leann_status s = LEANN_OK;
    for (size_t q = 0; !s && q < leann_value_count(job->queries); q++)
        for (size_t k = 0; !s && k < leann_value_count(job->ks); k++)
            for (size_t t = 0; !s && t < leann_value_count(job->targets); t++)
                s = one_point(ctx, job, cell, leann_value_at(job->queries, q), k, t);
    if (!s) merge_left_out(job->sweep, cell, before, points_before);
    return s;
}

/* ---- cells ---------------------------------------------------------------------------------------------------------------- */

static leann_status predict(leann_ctx *ctx, const leann_dataset_info *info, leann_cell *cell)
{
    leann_ledger ledger;
    const leann_data_shape data = {info->n, info->d, info->type, info->space, info->references};
    leann_ctx_set_seed(ctx, cell->seed);
    leann_status s = leann_method_predict_over(ctx, &data, cell->config, &ledger);
    if (!s) {
        cell->predicted_bytes = leann_ledger_total(&ledger);
    } else if (s != LEANN_ENOMEM) { /* this cell does not fit these data: a row with its error */
        cell->refused = s;
        cell->error = leann_format(ctx, "%s", leann_ctx_error(ctx));
        leann_ctx_clear(ctx);
        s = LEANN_OK;
    }
    return s;
}

static leann_status label_cell(leann_ctx *ctx, const leann_sweep *sweep, const leann_value *given, leann_cell *cell)
{
    char label[1024] = "";
    say(label, sizeof label, "%s", cell->method);
    say_entries(label, sizeof label, leann_value_get(given, "build"));
    const leann_value *seeds = leann_value_get(sweep->tree, "seed");
    if (leann_value_type(seeds) == LEANN_V_LIST) say(label, sizeof label, " seed=%llu", (unsigned long long)cell->seed);
    if (sweep->datas > 1) say(label, sizeof label, " data=%s", sweep->data[cell->data]);
    cell->label = leann_format(ctx, "%s", label);
    return cell->label ? LEANN_OK : LEANN_ENOMEM;
}

/* The cell with this canonical configuration, made when it is new. */
static leann_status find_cell(leann_ctx *ctx, group_job *job, const leann_value *given, const leann_value *config, uint32_t data,
                              uint64_t seed, leann_cell **out)
{
    leann_sweep *sweep = job->sweep;
    for (uint32_t i = 0; i < sweep->cells; i++) {
        *out = &sweep->cell[i];
        if ((*out)->data == data && (*out)->seed == seed && leann_value_equal((*out)->config, config)) return LEANN_OK;
    }
    if ((sweep->cells & (sweep->cells - 1)) == 0) {
        leann_cell *more = leann_alloc(ctx, sweep->cells ? (size_t)sweep->cells * 2 : 1, sizeof *more);
        if (!more) return LEANN_ENOMEM;
        if (sweep->cells) memcpy(more, sweep->cell, sweep->cells * sizeof *more);
        leann_free(sweep->cell);
        sweep->cell = more;
    }
    leann_cell *cell = *out = &sweep->cell[sweep->cells];
    *cell = (leann_cell){.data = data, .seed = seed, .group = job->index, .config = leann_value_copy(config)};
    if (!cell->config) return leann_fail(ctx, LEANN_ENOMEM, "out of memory");
    sweep->cells++;
    cell->method = leann_value_text(leann_value_get(cell->config, "method"), "");
    leann_status s = label_cell(ctx, sweep, given, cell);
    return s ? s : predict(ctx, &sweep->info[data], cell);
}

/* Recall needs k true neighbours. */
static leann_status check_ks(leann_ctx *ctx, const group_job *job)
{
    for (uint32_t data = 0; data < job->sweep->datas; data++)
        for (size_t i = 0; i < leann_value_count(job->ks); i++) {
            int64_t k = leann_value_int(leann_value_at(job->ks, i), 0);
            if (k > job->sweep->info[data].gt_k)
                return leann_fail(ctx, LEANN_EINVAL, "k = %lld: data set '%s' has %u exact neighbours a query%s", (long long)k,
                                  job->sweep->data[data], job->sweep->info[data].gt_k,
                                  job->sweep->info[data].gt_k ? "" : "; run `leann dataset groundtruth` on it");
        }
    return LEANN_OK;
}

/* One that never applies has a misspelt name; one that lets nothing through, whatever the data, a misspelt value. */
static leann_status check_constraints(leann_ctx *ctx, const group_job *job)
{
    for (size_t i = 0; i < leann_value_count(job->constraints); i++) {
        const char *text = leann_value_text(leann_value_at(job->constraints, i), "");
        if (!job->seen[i].asked) continue; /* the ones before it left nothing over */
        if (!job->seen[i].applied)
            return leann_fail(ctx, LEANN_EINVAL, "requires \"%s\" never applies: no cell has the parameter it names", text);
        if (!job->seen[i].held && !job->seen[i].over_data)
            return leann_fail(ctx, LEANN_EINVAL, "requires \"%s\" leaves out every cell", text);
    }
    return LEANN_OK;
}

static leann_status group_cells(leann_ctx *ctx, group_job *job)
{
    leann_status s = check_ks(ctx, job);
    for (size_t c = 0; !s && c < leann_value_count(job->configs); c++) {
        const leann_value *given = leann_value_at(job->configs, c);
        leann_value *config = NULL;
        s = leann_method_config(ctx, given, &config);
        for (uint32_t data = 0; !s && data < job->sweep->datas; data++)
            for (size_t i = 0; !s && i < leann_value_count(job->seeds); i++) {
                leann_cell *cell;
                uint64_t seed = (uint64_t)leann_value_int(leann_value_at(job->seeds, i), 1);
                s = find_cell(ctx, job, given, config, data, seed, &cell);
                if (!s) s = cell_points(ctx, job, cell);
            }
        leann_value_free(config);
    }
    return s ? s : check_constraints(ctx, job);
}

static leann_status expand_group(leann_ctx *ctx, leann_sweep *sweep, uint32_t index, size_t *points)
{
    const leann_value *tree = sweep->tree, *v;
    group_job job = {.sweep = sweep, .index = index, .points = *points};
    job.group = leann_value_at(leann_value_get(tree, "cells"), index);
    leann_value *config = leann_value_new_map(), *query = leann_value_new_map();
    leann_value_set(config, "method", leann_value_copy(leann_value_get(job.group, "method")));
    v = leann_value_get(job.group, "build");
    leann_value_set(config, "build", v ? leann_value_copy(v) : leann_value_new_map());
    if ((v = leann_value_get(job.group, "query"))) {
        leann_value_free(query);
        query = leann_value_copy(v);
    }
    leann_status s = axis_of(ctx, tree, job.group, "target_recall", leann_value_new_real(0), &job.targets);
    bool tuned = leann_value_real(leann_value_at(job.targets, 0), 0) > 0;
    if (!s && !tuned) s = grids_as_axes(ctx, query);
    if (!s)
        s = axis_of(ctx, NULL, NULL, "build", config, &job.configs);
    else
        leann_value_free(config);
    if (!s)
        s = axis_of(ctx, NULL, NULL, "query", query, &job.queries);
    else
        leann_value_free(query);
    if (!s) s = axis_of(ctx, tree, job.group, "k", leann_value_new_null(), &job.ks);
    if (!s) s = axis_of(ctx, tree, job.group, "seed", leann_value_new_int(1), &job.seeds);
    job.constraints = leann_value_new_list();
    if ((v = leann_value_get(job.group, "requires")) && !s) s = expand(ctx, "requires", v, job.constraints);
    if (!s && !(job.seen = leann_alloc(ctx, leann_value_count(job.constraints) + 1, sizeof *job.seen))) s = LEANN_ENOMEM;
    if (!s) s = group_cells(ctx, &job);
    leann_value *lists[] = {job.configs, job.queries, job.ks, job.seeds, job.targets, job.constraints};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) leann_value_free(lists[i]);
    leann_free(job.seen);
    *points = job.points;
    return s;
}

/* The sentence of a failure gets the group in front. */
static leann_status say_group(leann_ctx *ctx, leann_status s, uint32_t index)
{
    char sentence[1024];
    if (!s || s == LEANN_ENOMEM) return s;
    snprintf(sentence, sizeof sentence, "%s", leann_ctx_error(ctx));
    leann_ctx_clear(ctx);
    return leann_fail(ctx, s, "cells[%u]: %s", index, sentence);
}

/* ---- order ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t data, group, index;
    uint64_t seed;
    char *stage; /* what the first stage rests on: selector and anchors */
} sort_key;

static int by_stage(const void *a, const void *b)
{
    const sort_key *x = a, *y = b;
    int order = (x->data > y->data) - (x->data < y->data);
    if (!order) order = (x->group > y->group) - (x->group < y->group);
    if (!order) order = (x->seed > y->seed) - (x->seed < y->seed);
    if (!order) order = strcmp(x->stage, y->stage);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Cells that share anchors follow each other; cells that a constraint emptied are dropped. */
static leann_status sort_cells(leann_ctx *ctx, leann_sweep *sweep)
{
    uint32_t n = sweep->cells, kept = 0;
    sort_key *key = leann_alloc(ctx, (size_t)n + 1, sizeof *key);
    leann_cell *sorted = leann_alloc(ctx, (size_t)n + 1, sizeof *sorted);
    leann_status s = key && sorted ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; i < n && !s; i++) {
        const leann_cell *cell = &sweep->cell[i];
        const leann_value *build = leann_value_get(cell->config, "build");
        char text[1024] = "";
        say_value(text, sizeof text, leann_value_get(build, "anchors"));
        say(text, sizeof text, " ");
        say_value(text, sizeof text, leann_value_get(build, "selector"));
        key[i] = (sort_key){cell->data, cell->group, i, cell->seed, leann_format(ctx, "%s", text)};
        if (!key[i].stage) s = LEANN_ENOMEM;
    }
    if (!s) {
        qsort(key, n, sizeof *key, by_stage);
        for (uint32_t i = 0; i < n; i++) {
            leann_cell *cell = &sweep->cell[key[i].index];
            if (cell->points) {
                sorted[kept++] = *cell;
            } else {
                leann_value_free(cell->config);
                leann_free(cell->label);
                leann_free(cell->error);
            }
        }
        leann_free(sweep->cell);
        sweep->cell = sorted;
        sweep->cells = kept;
        sorted = NULL;
    }
    for (uint32_t i = 0; key && i < n; i++) leann_free(key[i].stage);
    leann_free(key);
    leann_free(sorted);
    return s;
}

leann_status leann_sweep_expand(leann_ctx *ctx, leann_sweep *sweep, const leann_dataset_info *info)
{
    uint64_t seed = leann_ctx_seed(ctx);
    size_t points = 0;
    leann_status s = LEANN_OK;
    if (!(sweep->info = leann_alloc(ctx, sweep->datas, sizeof *sweep->info))) return LEANN_ENOMEM;
    memcpy(sweep->info, info, sweep->datas * sizeof *info);
    for (uint32_t i = 0; i < sweep->datas && !s; i++)
        if (sweep->queries > info[i].queries || info[i].queries < 2)
            s = leann_fail(ctx, LEANN_EINVAL, "queries = %u: data set '%s' has %u test rows and must have at least %u", sweep->queries,
                           sweep->data[i], info[i].queries, sweep->queries > 2 ? sweep->queries : 2);
    for (uint32_t i = 0; i < leann_value_count(leann_value_get(sweep->tree, "cells")) && !s; i++)
        s = say_group(ctx, expand_group(ctx, sweep, i, &points), i);
    if (!s) s = sort_cells(ctx, sweep);
    if (!s && !sweep->cells)
        s = leann_fail(ctx, LEANN_EINVAL, "constraints leave no point over; %s requires %s", sweep->left_out->label,
                       sweep->left_out->reason);
    leann_ctx_set_seed(ctx, seed);
    return s;
}
