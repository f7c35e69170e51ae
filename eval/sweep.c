/* sweep.c – finds, reads and checks a sweep file; linear in its size. Its axes are expanded in sweep_expand.c.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/sweep.h"
#include "core/files.h"
#include "core/params.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_QUERIES = 100000000, MAX_K = 100000, MAX_STEMS = 256 };

/* ---- finding -------------------------------------------------------------------------------------------------------------- */

static leann_status no_such_stem(leann_ctx *ctx, const char *folder, const char *stem)
{
    char *names[MAX_STEMS], all[1024] = "";
    size_t n = 0, used = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && n < MAX_STEMS && (entry = readdir(dir));) {
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || dot == entry->d_name || !(names[n] = strndup(entry->d_name, (size_t)(dot - entry->d_name)))) continue;
        int wrote = snprintf(all + used, sizeof all - used, "%s%s", n ? ", " : "", names[n]);
        if (wrote > 0 && used + (size_t)wrote < sizeof all) used += (size_t)wrote;
        n++;
    }
    if (dir) closedir(dir);
    const char *near = leann_nearest_word(stem, (const char *const *)names, n);
    leann_status s = near ? leann_fail(ctx, LEANN_ENOTFOUND, "no sweep '%s' in %s; did you mean '%s'?", stem, folder, near)
                          : leann_fail(ctx, LEANN_ENOTFOUND, "no sweep '%s' in %s; there are: %s", stem, folder, all);
    for (size_t i = 0; i < n; i++) free(names[i]);
    return s;
}

static leann_status find_path(leann_ctx *ctx, const char *given, char *path, size_t size)
{
    static const char *const endings[] = {".yml", ".yaml", ".json"};
    const char *dot = strrchr(given, '.');
    bool is_path = strchr(given, '/') != NULL;
    for (size_t i = 0; i < 3 && dot; i++) is_path |= !strcmp(dot, endings[i]);
    if (is_path) {
        if (snprintf(path, size, "%s", given) >= (int)size) return leann_fail(ctx, LEANN_EINVAL, "the sweep's path is too long");
        return access(path, F_OK) ? leann_fail_errno(ctx, "cannot open sweep %s", path) : LEANN_OK;
    }
    char folder[4096];
    if (!leann_shipped_find("eval/sweeps", folder, sizeof folder))
        return leann_fail(ctx, LEANN_ENOTFOUND, "there is no folder eval/sweeps here or with the program: give the sweep's path");
    for (size_t i = 0; i < 3; i++)
        if (snprintf(path, size, "%s/%s%s", folder, given, endings[i]) < (int)size && !access(path, F_OK)) return LEANN_OK;
    return no_such_stem(ctx, folder, given);
}

/* ---- checking ------------------------------------------------------------------------------------------------------------- */

static leann_status known_keys(leann_ctx *ctx, const char *where, const leann_value *map, const char *const *keys, size_t n)
{
    if (leann_value_type(map) != LEANN_V_MAP) return leann_fail(ctx, LEANN_EINVAL, "%s must be a map {key: value, …}", where);
    for (size_t i = 0; i < leann_value_count(map); i++) {
        const char *key = NULL;
        size_t j = 0;
        leann_value_entry(map, i, &key);
        while (j < n && strcmp(key, keys[j]) != 0) j++;
        if (j < n) continue;
        const char *near = leann_nearest_word(key, keys, n);
        if (near) return leann_fail(ctx, LEANN_EINVAL, "%s has an unknown key '%s'; did you mean '%s'?", where, key, near);
        return leann_fail(ctx, LEANN_EINVAL, "%s has an unknown key '%s'", where, key);
    }
    return LEANN_OK;
}

static leann_status number_in(leann_ctx *ctx, const char *where, const char *key, const leann_value *v, bool whole, double lo, double hi,
                              double *out)
{
    leann_value_kind kind = leann_value_type(v);
    double x = leann_value_real(v, 0);
    if (kind != LEANN_V_INT && !(kind == LEANN_V_REAL && !whole))
        return leann_fail(ctx, LEANN_EINVAL, "%s: %s must be %s", where, key, whole ? "a whole number" : "a number");
    if (!(x >= lo && x <= hi)) return leann_fail(ctx, LEANN_EINVAL, "%s: %s is %.15g, but must be %.15g to %.15g", where, key, x, lo, hi);
    *out = x;
    return LEANN_OK;
}

/* A scalar or a list of scalars, each a number in a range. */
static leann_status axis_of_numbers(leann_ctx *ctx, const char *where, const leann_value *map, const char *key, bool whole, double lo,
                                    double hi)
{
    const leann_value *v = leann_value_get(map, key);
    double x;
    if (!v) return LEANN_OK;
    if (leann_value_type(v) != LEANN_V_LIST) return number_in(ctx, where, key, v, whole, lo, hi, &x);
    if (!leann_value_count(v)) return leann_fail(ctx, LEANN_EINVAL, "%s: %s is an empty list, which is no axis", where, key);
    for (size_t i = 0; i < leann_value_count(v); i++) {
        leann_status s = number_in(ctx, where, key, leann_value_at(v, i), whole, lo, hi, &x);
        if (s) return s;
    }
    return LEANN_OK;
}

static leann_status shared_axes(leann_ctx *ctx, const char *where, const leann_value *map)
{
    leann_status s;
    if ((s = axis_of_numbers(ctx, where, map, "k", true, 1, MAX_K)) || (s = axis_of_numbers(ctx, where, map, "seed", true, 0, 9e15)) ||
        (s = axis_of_numbers(ctx, where, map, "target_recall", false, 1e-9, 1)))
        return s;
    return LEANN_OK;
}

static leann_status check_group(leann_ctx *ctx, const leann_value *tree, size_t i)
{
    static const char *const keys[] = {"about", "method", "build", "query", "requires", "k", "seed", "target_recall"};
    char where[32];
    snprintf(where, sizeof where, "cells[%zu]", i);
    const leann_value *group = leann_value_at(leann_value_get(tree, "cells"), i), *v;
    leann_status s = known_keys(ctx, where, group, keys, sizeof keys / sizeof *keys);
    if (!s) s = shared_axes(ctx, where, group);
    if (s) return s;
    if (!leann_value_get(group, "method")) return leann_fail(ctx, LEANN_EINVAL, "%s has no method", where);
    if (!leann_value_get(group, "k") && !leann_value_get(tree, "k"))
        return leann_fail(ctx, LEANN_EINVAL, "%s: k is given neither here nor for the whole sweep", where);
    for (size_t j = 0; j < 2; j++) {
        v = leann_value_get(group, j ? "query" : "build");
        if (v && leann_value_type(v) != LEANN_V_MAP && leann_value_type(v) != LEANN_V_LIST)
            return leann_fail(ctx, LEANN_EINVAL, "%s: %s must be a map of parameters", where, j ? "query" : "build");
    }
    if (!(v = leann_value_get(group, "requires")) || leann_value_type(v) == LEANN_V_TEXT) return LEANN_OK;
    for (size_t j = 0; j < leann_value_count(v) || j == 0; j++)
        if (leann_value_type(v) != LEANN_V_LIST || leann_value_type(leann_value_at(v, j)) != LEANN_V_TEXT)
            return leann_fail(ctx, LEANN_EINVAL, "%s: requires must be a text or a list of texts", where);
    return LEANN_OK;
}

static leann_status check_tree(leann_ctx *ctx, const char *what, const leann_value *tree)
{
    static const char *const keys[] = {"about", "data",   "queries",       "seed",  "k",     "threads",       "point_seconds",
                                       "batch", "limits", "target_recall", "cells", "split", "search_threads"};
    leann_status s = known_keys(ctx, what, tree, keys, sizeof keys / sizeof *keys);
    if (!s) s = shared_axes(ctx, what, tree);
    if (s) return s;
    const leann_value *cells = leann_value_get(tree, "cells");
    if (leann_value_type(cells) != LEANN_V_LIST || !leann_value_count(cells))
        return leann_fail(ctx, LEANN_EINVAL, "%s: cells must be a list of at least one group {method, build, query, …}", what);
    for (size_t i = 0; !s && i < leann_value_count(cells); i++) s = check_group(ctx, tree, i);
    return s;
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static leann_status read_data(leann_ctx *ctx, leann_sweep *sweep)
{
    const leann_value *v = leann_value_get(sweep->tree, "data");
    bool list = leann_value_type(v) == LEANN_V_LIST;
    size_t n = list ? leann_value_count(v) : 1;
    if (n < 1 || n > 1000) return leann_fail(ctx, LEANN_EINVAL, "%s: data lists %zu data sets, but must list 1 to 1000", sweep->stem, n);
    if (!(sweep->data = leann_alloc(ctx, n, sizeof *sweep->data))) return LEANN_ENOMEM;
    if (!(sweep->place = leann_alloc(ctx, n, sizeof *sweep->place))) return LEANN_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *name = leann_value_text(list ? leann_value_at(v, i) : v, "");
        if (!*name) return leann_fail(ctx, LEANN_EINVAL, "%s: data must be a catalogue name, a path, or a list of these", sweep->stem);
        sweep->datas++;
        if (!(sweep->data[i] = leann_format(ctx, "%s", name))) return LEANN_ENOMEM;
        if (!(sweep->place[i] = leann_format(ctx, "%s", name))) return LEANN_ENOMEM;
    }
    return LEANN_OK;
}

/* folder/path without links and dots in its folders, heap; NULL when there is no such file. */
static char *absolute(leann_ctx *ctx, const char *folder, const char *path)
{
    char *joined = leann_format(ctx, "%s/%s", folder, path), *slash = joined ? strrchr(joined, '/') : NULL, *found = NULL;
    if (!slash || access(joined, F_OK)) {
        leann_free(joined);
        return NULL;
    }
    *slash = 0;
    char *real = realpath(*joined ? joined : "/", NULL);
    if (real) found = leann_format(ctx, "%s/%s", real, slash + 1);
    free(real);
    leann_free(joined);
    return found;
}

static leann_status find_data(leann_ctx *ctx, leann_sweep *sweep, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? leann_format(ctx, "%.*s", (int)(slash - path), path) : leann_format(ctx, ".");
    leann_status s = folder ? LEANN_OK : LEANN_ENOMEM;
    leann_value *places = leann_value_new_list();
    for (uint32_t i = 0; i < sweep->datas && !s; i++) {
        const char *given = sweep->data[i];
        if (*given != '/' && leann_dataset_is_path(given)) {
            char *found = absolute(ctx, folder, given);
            if (!found) found = absolute(ctx, ".", given);
            if (!found && !(s = leann_ctx_status(ctx)))
                s = leann_fail(ctx, LEANN_ENOTFOUND, "%s: no file %s in the sweep's folder %s, nor in the working folder", sweep->stem,
                               given, folder);
            leann_free(sweep->place[i]);
            sweep->place[i] = found;
        }
        if (!s) leann_value_append(places, leann_value_new_text(sweep->place[i]));
    }
    bool list = leann_value_type(leann_value_get(sweep->tree, "data")) == LEANN_V_LIST;
    if (!s) leann_value_set(sweep->tree, "data", list ? leann_value_keep(places) : leann_value_copy(leann_value_at(places, 0)));
    leann_value_free(places);
    leann_free(folder);
    return s;
}

static leann_status read_limits(leann_ctx *ctx, leann_sweep *sweep)
{
    static const char *const keys[] = {"memory_mb", "build_s", "search_s", "cache_gb"};
    const leann_value *v, *map = leann_value_get(sweep->tree, "limits");
    sweep->limits = (leann_limits){0, 24 * 3600, 3600, 8};
    if (!map) return LEANN_OK;
    leann_status s = known_keys(ctx, "limits", map, keys, 4);
    double memory = 0;
    if (!s && (v = leann_value_get(map, "memory_mb"))) s = number_in(ctx, "limits", "memory_mb", v, true, 1, 1e9, &memory);
    if (!s && (v = leann_value_get(map, "build_s"))) s = number_in(ctx, "limits", "build_s", v, false, 0.001, 1e9, &sweep->limits.build_s);
    if (!s && (v = leann_value_get(map, "search_s")))
        s = number_in(ctx, "limits", "search_s", v, false, 0.001, 1e9, &sweep->limits.search_s);
    if (!s && (v = leann_value_get(map, "cache_gb"))) s = number_in(ctx, "limits", "cache_gb", v, false, 0, 1e6, &sweep->limits.cache_gb);
    sweep->limits.memory_mb = (uint64_t)memory;
    return s;
}

static leann_status read_scalars(leann_ctx *ctx, leann_sweep *sweep)
{
    const leann_value *v, *tree = sweep->tree;
    leann_status s = LEANN_OK;
    double x = 0;
    if ((v = leann_value_get(tree, "queries")) && strcmp(leann_value_text(v, ""), "all") != 0) {
        if ((s = number_in(ctx, sweep->stem, "queries", v, true, 2, MAX_QUERIES, &x))) return s; /* one to tune, one to report */
        sweep->queries = (uint32_t)x;
    }
    x = (double)sysconf(_SC_NPROCESSORS_ONLN);
    if ((v = leann_value_get(tree, "threads")) && (s = number_in(ctx, sweep->stem, "threads", v, true, 1, 1024, &x))) return s;
    sweep->threads = x >= 1 ? (uint32_t)x : 1;
    x = 1;
    if ((v = leann_value_get(tree, "search_threads")) && (s = number_in(ctx, sweep->stem, "search_threads", v, true, 1, 1024, &x)))
        return s;
    sweep->search_threads = (uint32_t)x;
    sweep->point_seconds = 5;
    if ((v = leann_value_get(tree, "point_seconds")) &&
        (s = number_in(ctx, sweep->stem, "point_seconds", v, false, 0.001, 86400, &sweep->point_seconds)))
        return s;
    if ((v = leann_value_get(tree, "batch")) && leann_value_type(v) != LEANN_V_BOOL)
        return leann_fail(ctx, LEANN_EINVAL, "%s: batch must be yes or no", sweep->stem);
    sweep->batch = leann_value_bool(v, false);
    sweep->about = leann_format(ctx, "%s", leann_value_text(leann_value_get(tree, "about"), ""));
    return sweep->about ? LEANN_OK : LEANN_ENOMEM;
}

/* `split: no`: all test rows, in the order of the file. Then there are no queries to tune with. */
static leann_status read_split(leann_ctx *ctx, leann_sweep *sweep)
{
    const leann_value *v = leann_value_get(sweep->tree, "split"), *cells = leann_value_get(sweep->tree, "cells");
    if (v && leann_value_type(v) != LEANN_V_BOOL) return leann_fail(ctx, LEANN_EINVAL, "%s: split must be yes or no", sweep->stem);
    sweep->whole = !leann_value_bool(v, true);
    if (!sweep->whole) return LEANN_OK;
    if (sweep->queries)
        return leann_fail(ctx, LEANN_EINVAL, "%s: split: no is for all test rows, so queries = %u must go", sweep->stem, sweep->queries);
    bool tunes = leann_value_get(sweep->tree, "target_recall") != NULL;
    for (size_t i = 0; i < leann_value_count(cells); i++) tunes |= leann_value_get(leann_value_at(cells, i), "target_recall") != NULL;
    return tunes ? leann_fail(ctx, LEANN_EINVAL, "%s: split: no leaves no queries to tune with, so target_recall must go", sweep->stem)
                 : LEANN_OK;
}

/* Takes over tree. */
static leann_status from_tree(leann_ctx *ctx, const char *stem, leann_value *tree, leann_sweep **out)
{
    leann_sweep *sweep = leann_alloc(ctx, 1, sizeof *sweep);
    if (!sweep) {
        leann_value_free(tree);
        return LEANN_ENOMEM;
    }
    sweep->tree = tree;
    sweep->stem = leann_format(ctx, "%s", stem);
    leann_status s = sweep->stem ? check_tree(ctx, stem, tree) : LEANN_ENOMEM;
    if (!s) s = read_data(ctx, sweep);
    if (!s) s = read_scalars(ctx, sweep);
    if (!s) s = read_split(ctx, sweep);
    if (!s) s = read_limits(ctx, sweep);
    if (s)
        leann_sweep_free(sweep);
    else
        *out = sweep;
    return s;
}

leann_status leann_sweep_parse(leann_ctx *ctx, const char *stem, const char *text, size_t bytes, leann_sweep **out)
{
    leann_value *tree = NULL;
    leann_status s = leann_config_parse(ctx, stem, text, bytes, &tree);
    return s ? s : from_tree(ctx, stem, tree, out);
}

leann_status leann_sweep_load(leann_ctx *ctx, const char *given, leann_sweep **out)
{
    char path[4096], stem[256];
    leann_value *tree = NULL;
    leann_status s = find_path(ctx, given, path, sizeof path);
    if (!s) s = leann_config_load(ctx, path, &tree);
    if (s) return s;
    const char *base = strrchr(path, '/'), *dot;
    base = base ? base + 1 : path;
    dot = strrchr(base, '.');
    snprintf(stem, sizeof stem, "%.*s", (int)(dot && dot > base ? dot - base : (ptrdiff_t)strlen(base)), base);
    if (!(s = from_tree(ctx, stem, tree, out)) && (s = find_data(ctx, *out, path))) {
        leann_sweep_free(*out);
        *out = NULL;
    }
    return s;
}

/* ---- looking inside ------------------------------------------------------------------------------------------------------- */

const leann_value *leann_sweep_path(const leann_value *root, const char *path)
{
    char key[64];
    while (root && *path) {
        size_t length = strcspn(path, ".");
        if (length >= sizeof key || leann_value_type(root) != LEANN_V_MAP) return NULL;
        memcpy(key, path, length);
        key[length] = 0;
        root = leann_value_get(root, key);
        path += length + (path[length] == '.');
    }
    return root;
}

bool leann_sweep_scalar(const leann_value *v, double n, double *number, const char **word)
{
    const leann_value *inner;
    *word = NULL;
    switch (leann_value_type(v)) {
    case LEANN_V_INT:
    case LEANN_V_REAL:
        *number = leann_value_real(v, 0);
        return true;
    case LEANN_V_BOOL:
        *word = leann_value_bool(v, false) ? "yes" : "no";
        return true;
    case LEANN_V_TEXT:
        *word = leann_value_text(v, "");
        return true;
    case LEANN_V_MAP:
        if (leann_value_count(v) != 1) return false;
        inner = leann_value_entry(v, 0, word);
        if (!strcmp(*word, "sqrt_n")) {
            *word = NULL;
            *number = leann_count_of((leann_count){leann_value_real(inner, 1), true}, n < UINT32_MAX ? (uint32_t)n : UINT32_MAX);
        }
        return true;
    case LEANN_V_NULL:
    case LEANN_V_LIST:
        break;
    }
    return false;
}

static void free_cell(leann_cell *cell)
{
    for (uint32_t i = 0; i < cell->points; i++) {
        leann_value_free(cell->point[i].query);
        leann_free(cell->point[i].grid);
        leann_free(cell->point[i].label);
        leann_free(cell->point[i].identity);
    }
    leann_free(cell->point);
    leann_value_free(cell->config);
    leann_free(cell->label);
    leann_free(cell->identity);
    leann_free(cell->error);
}

void leann_sweep_free(leann_sweep *sweep)
{
    if (!sweep) return;
    for (uint32_t i = 0; i < sweep->cells; i++) free_cell(&sweep->cell[i]);
    for (uint32_t i = 0; i < sweep->left_outs; i++) {
        leann_free(sweep->left_out[i].label);
        leann_free(sweep->left_out[i].reason);
    }
    for (uint32_t i = 0; i < sweep->datas; i++) {
        leann_free(sweep->data[i]);
        leann_free(sweep->place[i]);
    }
    leann_free(sweep->cell);
    leann_free(sweep->left_out);
    leann_free(sweep->data);
    leann_free(sweep->place);
    leann_free(sweep->info);
    leann_free(sweep->stem);
    leann_free(sweep->about);
    leann_value_free(sweep->tree);
    leann_free(sweep);
}

uint32_t leann_sweep_points(const leann_sweep *sweep)
{
    uint32_t points = 0;
    for (uint32_t i = 0; i < sweep->cells; i++) points += sweep->cell[i].points;
    return points;
}
