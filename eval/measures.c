/* measures.c – a folder's raw results and their data sets -> rows: recall here, what needs no data set in measures_row.c.
 *
 * A row costs one read of its raw file and a distance for each id that is no exact neighbour; those of the exact ones are computed once.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/measures.h"
#include "core/container.h"
#include "datasets/datasets.h"
#include "eval/measures_kept.h"
#include "eval/measures_row.h"
#include "eval/recall.h"
#include "eval/stats.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DATA = 64 };

typedef struct {
    char *name; /* as results call it */
    leann_dataset *data;
    leann_truth truth;
} ground;

struct leann_measures {
    leann_ctx *ctx;
    char *folder;
    leann_table *table;
    leann_value *sweep;      /* sweep.json, NULL when there is none */
    leann_value *aa;         /* aa.json */
    leann_value *runs;       /* run.json */
    leann_value *provenance; /* of the first raw file */
    leann_value *data;       /* {data set: its checksums} */
    char *stem;              /* of its sweep */
    char *origin;            /* of the last raw file read */
    unsigned origins;
    bool has_raw;
    leann_left_files left_out;
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
static const char *given_as(const leann_measures *m, const char *name)
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

static leann_status open_data(leann_measures *m, const char *name, leann_dataset **out)
{
    const char *given = given_as(m, name);
    const bool beside = *given != '/' && leann_dataset_is_path(given); /* a path as seen from sweep.json */
    char *place = beside ? leann_format(m->ctx, "%s/%s", m->folder, given) : leann_format(m->ctx, "%s", given);
    leann_status s = place ? leann_dataset_open(m->ctx, place, out) : LEANN_ENOMEM;
    leann_free(place);
    return s;
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
    leann_status s = open_data(m, name, &g->data);
    if (!s) s = leann_truth_new(m->ctx, g->data, &g->truth);
    if (!s && !(g->name = leann_format(m->ctx, "%s", name))) s = LEANN_ENOMEM;
    if (s) {
        leann_truth_free(&g->truth);
        leann_dataset_free(g->data);
        return s;
    }
    m->grounds++;
    *out = g;
    return LEANN_OK;
}

/* ---- recall per query -------------------------------------------------------------------------------------------------------- */

typedef struct {
    const leann_truth *truth;
    const leann_result *raw;
    double *tie, *annb;
} judging;

static leann_status judge_some(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker;
    const judging *j = arg;
    for (size_t i = begin; i < end; i++)
        leann_recall_both(j->truth, j->raw->query_rows[i], j->raw->k, j->raw->ids + i * j->raw->k, &j->tie[i], &j->annb[i]);
    return LEANN_OK;
}

static leann_status judge(leann_ctx *ctx, ground *g, const leann_result *raw, double *tie, double *annb)
{
    for (uint32_t i = 0; i < raw->n; i++)
        if (raw->query_rows[i] >= g->data->test.n)
            return leann_fail(ctx, LEANN_EFORMAT, "query row %u: data set '%s' has %u test rows", raw->query_rows[i], g->name,
                              g->data->test.n);
    leann_status s = leann_truth_learn(ctx, &g->truth, raw->query_rows, raw->n, raw->k);
    judging job = {&g->truth, raw, tie, annb};
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

/* ---- recall of one row ------------------------------------------------------------------------------------------------------- */

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
        if (!leann_result_is_name(e->d_name)) continue;
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
    s = leann_row_measure(m->table, row, &raw);
    if (!s && !strcmp(raw.status, "ok")) s = row_failed(m, row, measure_recall(m, row, &raw));
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

/* Whether summary.csv was written after the last file of raw/, sweep.json and imported.csv came there. */
static bool summary_is_new(const char *folder)
{
    char path[4096];
    struct stat summary, other;
    const char *const others[] = {"raw", "sweep.json", "imported.csv"};
    snprintf(path, sizeof path, "%s/summary.csv", folder);
    if (stat(path, &summary)) return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, others[i]);
        if (!stat(path, &other) && newer(&other, &summary)) return false;
    }
    return true;
}

/* summary.csv's rows into m, when they can be those of n raw files: some files do not count. */
static leann_status take_summary(leann_measures *m, size_t n, bool *taken)
{
    size_t rows = 0;
    leann_status s = add_csv(m, "summary.csv");
    for (size_t i = 0; i < leann_table_rows(m->table); i++) rows += *leann_table_text(m->table, i, "raw") != 0;
    *taken = !s && rows && rows <= n;
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
    m->runs = side_file(m, "run.json");
    bool summary = false; /* which holds what was imported */
    if ((s = list_raw(ctx, folder, &names, &n))) goto done;
    if (quick && n && summary_is_new(folder) && (s = take_summary(m, n, &summary))) goto done;
    m->has_raw = n > 0;
    if (!summary && (s = leann_measures_keep(ctx, folder, names, &n, &m->left_out))) goto done;
    for (size_t i = 0; leann_measures_columns[i]; i++) leann_table_add_column(m->table, leann_measures_columns[i]);
    if (!summary) s = m->has_raw ? measure_all(m, names, n) : add_csv(m, "summary.csv");
    summary |= !m->has_raw && leann_table_rows(m->table) > 0;
    if (!s && !summary) s = add_csv(m, "imported.csv");
    if (!s && m->left_out.gone && !leann_table_rows(m->table))
        s = leann_fail(ctx, LEANN_ENOTFOUND, "no results in %s: all %zu files of raw/ are of points that sweep.json does not have", folder,
                       m->left_out.gone);
    if (!s && !leann_table_rows(m->table))
        s = leann_fail(ctx, LEANN_ENOTFOUND, "no results in %s: neither raw/*.h5, as `leann bench run` writes them, nor summary.csv",
                       folder);
    leann_table_sort(m->table, keys, sizeof keys / sizeof *keys);
    if (!s) s = leann_row_ceilings(m->table);
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
        leann_truth_free(&m->ground[i].truth);
    }
    leann_table_free(m->table);
    leann_value_free(m->sweep);
    leann_value_free(m->aa);
    leann_value_free(m->runs);
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
leann_left_files leann_measures_left_out(const leann_measures *m)
{
    return m->left_out;
}
unsigned leann_measures_origins(const leann_measures *m)
{
    return m->origins;
}
const leann_value *leann_measures_runs(const leann_measures *m)
{
    return m->runs;
}

/* ---- noise --------------------------------------------------------------------------------------------------------------------- */

bool leann_measures_noise_elsewhere(const leann_measures *m)
{
    static const char *const keys[] = {"cpu", "processors", "isa"};
    const leann_value *there = leann_value_get(m->aa, "provenance");
    bool same = true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        same &= leann_value_equal(leann_value_get(there, keys[i]), leann_value_get(m->provenance, keys[i]));
    return m->aa && m->provenance && !same;
}

double leann_measures_noise(const leann_measures *m, const char *name)
{
    if (leann_measures_noise_elsewhere(m)) return NAN;
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
    if (!s) s = leann_row_seconds(m->ctx, &raw, out->seconds);
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
