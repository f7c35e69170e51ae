/* runner.c – runs a sweep cell by cell: each build and each set of points in a worker process; results are skipped by content.
 *
 * Folder: raw/<hash>.h5 a point, sweep.json the sweep as read, .lock. Cache (results/.cache, or .cache in a folder of one's own):
 * stages, <hash>.leann an index and <hash>.json what is known of its build.
 *
 * A worker that dies in the middle of a point leaves that point as a row with the reason; the points after it go to a fresh worker.
 * One that dies before its first point fails all that are left, so that there is no endless loop.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "eval/runner.h"
#include "core/container.h"
#include "eval/provenance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what there is to do ------------------------------------------------------------------------------------------------------- */

leann_status leann_run_data(leann_ctx *ctx, leann_run *run, uint32_t data)
{
    if (run->data && run->data_at == data) return LEANN_OK;
    leann_dataset_free(run->data);
    run->data = NULL;
    run->data_at = data;
    return leann_dataset_open(ctx, run->sweep->place[data], &run->data);
}

static leann_status identify(leann_ctx *ctx, leann_run *run)
{
    char sha[65];
    leann_status s = LEANN_OK;
    for (uint32_t i = run->sweep->datas; i-- > 0 && !s;) { /* the first is at hand afterwards, and its cells come first */
        if ((s = leann_run_data(ctx, run, i))) break;
        if ((s = leann_sweep_labels(ctx, run->sweep, i, run->data))) break;
        leann_data_sha(run->data, sha);
        s = leann_sweep_identify(ctx, run->sweep, i, sha);
    }
    return s;
}

/* A failed point is tried again when the limit that it met has been raised. */
static bool limit_raised(const leann_result *r, const leann_limits *limits)
{
    const leann_value *limit = leann_value_get(r->config, "limit");
    const char *name = leann_value_text(leann_value_get(limit, "name"), "");
    double was = leann_value_real(leann_value_get(limit, "value"), INFINITY);
    if (!strcmp(name, "memory_mb")) return limits->memory_mb == 0 || (double)limits->memory_mb > was;
    if (!strcmp(name, "build_s")) return limits->build_s > was;
    if (!strcmp(name, "search_s")) return limits->search_s > was;
    return false;
}

/* What the point's file says; build_s of its build or 0. A file that is damaged or of another point is as good as none. */
static leann_point_state state_of(leann_ctx *ctx, const leann_run *run, const leann_point *p, double *build_s)
{
    leann_result r;
    char *path = leann_result_path(ctx, run->folder, p->identity);
    leann_point_state state = LEANN_POINT_TODO;
    *build_s = 0;
    leann_ctx *quiet = path && !access(path, F_OK) ? leann_ctx_new(1, 1) : NULL;
    if (quiet && !leann_result_peek(quiet, path, &r)) {
        bool same = !strcmp(r.identity, p->identity), ok = !strcmp(r.status, "ok");
        *build_s = same && ok ? leann_value_real(leann_value_get(r.build, "build_s"), 0) : 0;
        if (same && ok)
            state = LEANN_POINT_DONE;
        else if (same && !run->options.retry && !limit_raised(&r, &run->sweep->limits))
            state = LEANN_POINT_FAILED;
        leann_result_clear(&r);
    }
    leann_ctx_free(quiet);
    leann_free(path);
    return run->options.force ? LEANN_POINT_TODO : state;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of measured over estimated builds corrects the estimates. */
static void correct(leann_run *run, double *ratio, uint32_t n)
{
    if (!n) return;
    qsort(ratio, n, sizeof *ratio, ascending);
    run->rates.correction = ratio[n / 2];
    run->corrected_by = n;
}

typedef struct { /* parts of builds that cells before this one have made */
    uint32_t *key;
    uint32_t n;
} made_parts;

/* The whole build's estimate; *fresh: of the parts that are new. */
static double estimate_build(const leann_run *run, const leann_cell *cell, made_parts *made, double *fresh)
{
    leann_build_part part[LEANN_BUILD_PARTS];
    double all = 0.1;
    *fresh = 0.1;
    leann_estimate_build(&run->rates, run->sweep, cell, part);
    for (int p = 0; p < LEANN_BUILD_PARTS; p++) {
        uint32_t i = 0;
        while (i < made->n && made->key[i] != part[p].key) i++;
        if (i == made->n) {
            made->key[made->n++] = part[p].key;
            *fresh += part[p].seconds;
        }
        all += part[p].seconds;
    }
    return all;
}

static leann_status look_at_cell(leann_ctx *ctx, leann_run *run, uint32_t i)
{
    const leann_cell *cell = &run->sweep->cell[i];
    double at_point;
    run->state[i] = leann_alloc(ctx, (size_t)cell->points + 1, sizeof **run->state);
    run->seconds[i] = leann_alloc(ctx, (size_t)cell->points + 1, sizeof **run->seconds);
    if (!run->state[i] || !run->seconds[i]) return LEANN_ENOMEM;
    for (uint32_t j = 0; j < cell->points; j++) {
        leann_point_state state = run->state[i][j] = state_of(ctx, run, &cell->point[j], &at_point);
        run->build_s[i] = fmax(run->build_s[i], at_point);
        run->points++;
        run->todo += state == LEANN_POINT_TODO;
        run->done += state == LEANN_POINT_DONE;
        run->failed += state == LEANN_POINT_FAILED;
        run->seconds[i][1 + j] = leann_estimate_point(&run->rates, run->sweep, cell, &cell->point[j]);
    }
    return LEANN_OK;
}

static leann_status look_around(leann_ctx *ctx, leann_run *run)
{
    size_t cells = (size_t)run->sweep->cells + 1;
    uint32_t known = 0;
    double fresh;
    made_parts made = {leann_alloc(ctx, cells, LEANN_BUILD_PARTS * sizeof(uint32_t)), 0};
    double *ratio = leann_alloc(ctx, cells, sizeof *ratio);
    run->state = leann_alloc(ctx, cells, sizeof *run->state);
    run->seconds = leann_alloc(ctx, cells, sizeof *run->seconds);
    run->build_s = leann_alloc(ctx, cells, sizeof *run->build_s);
    leann_status s = made.key && ratio && run->state && run->seconds && run->build_s ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; i < run->sweep->cells && !s; i++) {
        s = look_at_cell(ctx, run, i);
        double estimate = s ? 0 : estimate_build(run, &run->sweep->cell[i], &made, &fresh);
        if (run->build_s[i] > 0.2) ratio[known++] = run->build_s[i] / estimate;
    }
    if (!s) correct(run, ratio, known);
    made.n = 0;
    for (uint32_t i = 0; i < run->sweep->cells && !s; i++) {
        double estimate = estimate_build(run, &run->sweep->cell[i], &made, &fresh);
        if (run->build_s[i] == 0) run->build_s[i] = estimate;
        run->seconds[i][0] = fresh;
    }
    leann_free(made.key);
    leann_free(ratio);
    return s;
}

static leann_status folders(leann_ctx *ctx, leann_run *run)
{
    const char *given = run->options.results;
    run->folder = given ? leann_format(ctx, "%s", given) : leann_format(ctx, "results/%s", run->sweep->stem);
    run->cache = given ? leann_format(ctx, "%s/.cache", given) : leann_format(ctx, "results/.cache");
    return run->folder && run->cache ? LEANN_OK : LEANN_ENOMEM;
}

leann_status leann_run_open(leann_ctx *ctx, const char *name, leann_run_options options, leann_run **out)
{
    leann_run *run = leann_alloc(ctx, 1, sizeof *run);
    leann_dataset_info *info = NULL;
    if (!run) return LEANN_ENOMEM;
    run->options = options;
    run->opened_ns = leann_date_ns();
    leann_status s = leann_sweep_load(ctx, name, &run->sweep);
    if (s) goto done;
    if (options.threads) run->sweep->threads = options.threads;
    if ((s = folders(ctx, run))) goto done;
    if (!(info = leann_alloc(ctx, run->sweep->datas, sizeof *info))) s = LEANN_ENOMEM;
    for (uint32_t i = 0; i < run->sweep->datas && !s; i++) s = leann_dataset_peek(ctx, run->sweep->place[i], &info[i]);
    if (!s) s = leann_sweep_expand(ctx, run->sweep, info);
    if (!s && options.only) s = leann_sweep_only(ctx, run->sweep, options.only);
    if (!s) s = identify(ctx, run);
    if (!s) s = leann_estimate_calibrate(ctx, run->sweep->threads, &run->rates);
    if (!s) s = look_around(ctx, run);
done:
    leann_free(info);
    if (s)
        leann_run_free(run);
    else
        *out = run;
    return s;
}

void leann_run_free(leann_run *run)
{
    if (!run) return;
    for (uint32_t i = 0; run->sweep && i < run->sweep->cells; i++) {
        if (run->state) leann_free(run->state[i]);
        if (run->seconds) leann_free(run->seconds[i]);
    }
    leann_free(run->state);
    leann_free(run->seconds);
    leann_free(run->build_s);
    leann_free(run->folder);
    leann_free(run->cache);
    leann_dataset_free(run->data);
    leann_sweep_free(run->sweep);
    leann_free(run);
}

/* ---- folders and files ----------------------------------------------------------------------------------------------------------- */

int leann_run_lock(leann_ctx *ctx, const char *folder)
{
    char *path = leann_format(ctx, "%s/.lock", folder), pid[32] = "";
    if (!path || leann_folder_make(ctx, folder)) {
        leann_free(path);
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) leann_fail_errno(ctx, "cannot write to the results folder: %s", path);
    leann_free(path);
    if (fd < 0) return -1;
    int busy = 1;
    for (int i = 0; i < 20 && (busy = flock(fd, LOCK_EX | LOCK_NB)); i++) usleep(50000); /* a killed run's worker takes a moment to die */
    if (busy) {
        ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strcspn(pid, "\n") : 0] = 0;
        leann_fail(ctx, LEANN_ELIMIT, "another run (process %s) is writing %s; one at a time", *pid ? pid : "unknown", folder);
        close(fd);
        return -1;
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)n, 0) != n) { /* the name is a courtesy; the lock holds */
        leann_fail_errno(ctx, "cannot write to the results folder %s", folder);
        close(fd);
        return -1;
    }
    return fd;
}

/* An absolute path as seen from a folder, heap, so that a committed sweep.json names no folder of the machine that wrote it; as it is where
 * the two have nothing but the root in common. */
static char *seen_from(leann_ctx *ctx, const char *folder, const char *path)
{
    char *real = realpath(folder, NULL), *from = real ? leann_format(ctx, "%s/", real) : NULL;
    size_t common = 0;
    for (size_t i = 0; from && from[i] && from[i] == path[i]; i++)
        if (path[i] == '/') common = i + 1;
    char *seen = leann_format(ctx, "%s", path + (common > 1 ? common : 0));
    for (const char *rest = common > 1 ? from + common : ""; seen && (rest = strchr(rest, '/')); rest++) {
        char *higher = leann_format(ctx, "../%s", seen);
        leann_free(seen);
        seen = higher;
    }
    leann_free(from);
    free(real);
    return seen;
}

/* The sweep as read, its data as seen from the folder of the results. */
static char *sweep_text(leann_ctx *ctx, const leann_run *run)
{
    leann_value *tree = leann_value_copy(run->sweep->tree), *places = leann_value_new_list();
    bool list = leann_value_type(leann_value_get(tree, "data")) == LEANN_V_LIST;
    for (uint32_t i = 0; i < run->sweep->datas; i++) {
        const char *place = run->sweep->place[i];
        char *seen = *place == '/' ? seen_from(ctx, run->folder, place) : NULL;
        leann_value_append(places, leann_value_new_text(seen ? seen : place));
        leann_free(seen);
    }
    leann_value_set(tree, "data", list ? leann_value_keep(places) : leann_value_copy(leann_value_at(places, 0)));
    char *text = leann_value_json(tree, false, 2);
    leann_value_free(places);
    leann_value_free(tree);
    return text;
}

static leann_status prepare(leann_ctx *ctx, const leann_run *run)
{
    char *raw = leann_format(ctx, "%s/raw", run->folder), *copy = leann_format(ctx, "%s/sweep.json", run->folder), *text = NULL;
    leann_status s = raw && copy ? leann_folder_make(ctx, raw) : LEANN_ENOMEM;
    if (!s) s = leann_folder_make(ctx, run->cache);
    if (!s && !(text = sweep_text(ctx, run))) s = LEANN_ENOMEM;
    if (!s) s = leann_file_write(ctx, copy, text, strlen(text));
    leann_free(raw);
    leann_free(copy);
    leann_free(text);
    return s;
}

static bool has_results(const char *folder)
{
    char path[4096];
    bool found = false;
    snprintf(path, sizeof path, "%s/raw", folder);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) found = leann_result_is_name(entry->d_name);
    if (dir) closedir(dir);
    return found;
}

/* run.json: what each run of this folder measured, how long it took and where; afresh where there are no results of earlier ones,
 * whatever run.json is committed. A run that measured nothing is none. */
static leann_status keep_time(leann_ctx *ctx, const leann_run *run, const leann_run_summary *sum, bool afresh)
{
    static const char *const facts[] = {"date", "commit", "cpu", "processors", "threads"};
    char *path = leann_format(ctx, "%s/run.json", run->folder), *text = NULL;
    size_t bytes = 0;
    leann_value *runs = NULL, *one = leann_value_new_map(), *provenance = leann_provenance(run->data, run->sweep->threads);
    leann_ctx *quiet = afresh ? NULL : leann_ctx_new(1, 1); /* a file that is not there or damaged is begun anew */
    if (path && quiet && !leann_file_read(quiet, path, 16 << 20, &text, &bytes)) leann_value_parse(quiet, path, text, bytes, &runs);
    leann_free(text);
    leann_ctx_free(quiet);
    if (leann_value_type(runs) != LEANN_V_LIST) {
        leann_value_free(runs);
        runs = leann_value_new_list();
    }
    leann_value_set(one, "seconds", leann_value_new_real(sum->seconds));
    leann_value_set(one, "measured", leann_value_new_int(sum->measured));
    leann_value_set(one, "failed", leann_value_new_int(sum->failed));
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        leann_value_set(one, facts[i], leann_value_copy(leann_value_get(provenance, facts[i])));
    leann_value_append(runs, one);
    text = leann_value_json(runs, false, 1);
    leann_status s = path && text ? leann_file_write(ctx, path, text, strlen(text)) : leann_fail(ctx, LEANN_ENOMEM, "out of memory");
    leann_free(text);
    leann_free(path);
    leann_value_free(runs);
    leann_value_free(provenance);
    return s;
}

/* The cache within its limit; records whose index is gone go too. */
static leann_status trim(leann_ctx *ctx, const leann_run *run)
{
    leann_status s = leann_stages_trim(ctx, run->cache, (uint64_t)(run->sweep->limits.cache_gb * 1e9));
    DIR *dir = s ? NULL : opendir(run->cache);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char index[300];
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".json") != 0) continue;
        snprintf(index, sizeof index, "%.*s.leann", (int)(dot - entry->d_name), entry->d_name);
        if (faccessat(dirfd(dir), index, F_OK, 0)) unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir) closedir(dir);
    return s;
}

leann_status leann_run_job(leann_ctx *ctx, leann_run *run, const leann_cell *cell, leann_job *job)
{
    char hex[65];
    leann_status s = leann_run_data(ctx, run, cell->data);
    *job = (leann_job){.sweep = run->sweep, .cell = cell, .data = run->data, .folder = run->folder, .cache = run->cache};
    leann_sha *sha = s ? NULL : leann_sha_new();
    if (!sha) return s ? s : leann_fail(ctx, LEANN_ENOMEM, "out of memory");
    leann_sha_add(sha, cell->identity, strlen(cell->identity));
    leann_sha_end(sha, hex);
    job->index_path = leann_format(ctx, "%s/%.32s.leann", run->cache, hex);
    job->record_path = leann_format(ctx, "%s/%.32s.json", run->cache, hex);
    job->since_ns = run->options.force ? run->opened_ns : 0;
    job->provenance = leann_provenance(run->data, run->sweep->threads);
    return job->index_path && job->record_path && job->provenance ? LEANN_OK : LEANN_ENOMEM;
}

void leann_run_job_free(leann_job *job)
{
    leann_free((void *)(uintptr_t)job->index_path);
    leann_free((void *)(uintptr_t)job->record_path);
    leann_value_free((leann_value *)(uintptr_t)job->provenance);
    *job = (leann_job){0};
}

/* The record of the build, whose seconds go into results, is this program's. */
static bool built_by_this(const leann_job *job)
{
    char *text = NULL;
    size_t bytes = 0;
    leann_value *record = NULL;
    leann_ctx *quiet = leann_ctx_new(1, 1);
    bool same = quiet && !leann_file_read(quiet, job->record_path, 16 << 20, &text, &bytes) &&
                !leann_value_parse(quiet, job->record_path, text, bytes, &record) &&
                !strcmp(leann_value_text(leann_value_get(record, "program"), ""), leann_program());
    leann_value_free(record);
    leann_free(text);
    leann_ctx_free(quiet);
    return same;
}

leann_status leann_run_build(leann_ctx *ctx, const leann_job *job, bool afresh, leann_worker_heard heard, void *arg, leann_outcome *out)
{
    bool there = !access(job->index_path, R_OK) && !access(job->record_path, R_OK) && built_by_this(job);
    *out = (leann_outcome){.word = "ok"};
    if (there && !afresh) {
        utimensat(AT_FDCWD, job->index_path, NULL, 0); /* used now: trimming takes the oldest */
        return LEANN_OK;
    }
    unlink(job->record_path); /* a record without its index, or of another run's, is none */
    return leann_worker_run(ctx, job, leann_cell_build, NULL, 0, job->sweep->threads, true, heard, arg, out);
}

/* ---- running ------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    leann_run *run;
    const leann_cell *cell;
    uint32_t cell_at, cell_number, cells;
    leann_job job;
    leann_run_heard heard;
    void *arg;
    leann_run_summary *sum;
    uint64_t start_ns;
    double spent, left; /* estimated seconds of what is done and of what is not */
    uint32_t *todo;     /* (points of the cell) */
    uint32_t todo_n, todo_at;
    bool at_point; /* todo[todo_at] has begun */
} going;

static void tell(going *g, leann_say what, uint32_t index, leann_status status, uint64_t done, uint64_t total, const char *text)
{
    double elapsed = (double)(leann_now_ns() - g->start_ns) * 1e-9;
    /* This run's own pace, once there is enough of it to go by. */
    double pace = g->spent > 1 && elapsed > 1 ? elapsed / g->spent : 1;
    leann_run_event e = {.what = what, .cell = g->cell, .text = text, .done = done, .total = total, .status = status, .index = index};
    e.cell_number = g->cell_number;
    e.cells = g->cells;
    e.finished = g->sum->measured + g->sum->failed;
    e.failed = g->sum->failed;
    e.todo = g->run->todo;
    e.elapsed_s = elapsed;
    e.left_s = g->left * pace;
    if (g->heard) g->heard(g->arg, &e);
}

static void point_over(going *g, uint32_t point, leann_status status, const char *error)
{
    g->spent += g->run->seconds[g->cell_at][1 + point];
    g->left -= g->run->seconds[g->cell_at][1 + point];
    g->sum->measured += status == LEANN_OK;
    g->sum->failed += status != LEANN_OK;
    tell(g, LEANN_SAY_MEASURED, point, status, 0, 0, error);
}

static void worker_says(void *arg, leann_say what, uint32_t index, leann_status status, uint64_t done, uint64_t total, const char *text)
{
    going *g = arg;
    if (what == LEANN_SAY_POINT) {
        while (g->todo_at < g->todo_n && g->todo[g->todo_at] != index) g->todo_at++;
        g->at_point = true;
        tell(g, what, index, LEANN_OK, 0, 0, text);
    } else if (what == LEANN_SAY_MEASURED) {
        g->at_point = false;
        g->todo_at++;
        point_over(g, index, status, text);
    } else if (what != LEANN_SAY_OPENED) {
        tell(g, what, index, LEANN_OK, done, total, text);
    }
}

/* Rows for the points that are left, all for the same reason. */
static leann_status fail_rest(leann_ctx *ctx, going *g, const char *word, const char *error, leann_value *limit)
{
    leann_status s = LEANN_OK;
    leann_status as = strcmp(word, "limit") ? LEANN_EIO : LEANN_ELIMIT;
    for (; g->todo_at < g->todo_n && !s; g->todo_at++) {
        s = leann_point_failed(ctx, &g->job, g->todo[g->todo_at], word, error, limit ? leann_value_copy(limit) : NULL);
        if (!s) point_over(g, g->todo[g->todo_at], as, error);
    }
    return s;
}

/* How a worker's bad end becomes rows; *again: there is more to do for a fresh worker. */
static leann_status settle(leann_ctx *ctx, going *g, const leann_outcome *out, bool *again)
{
    char where[600];
    *again = false;
    if (out->status == LEANN_OK) return LEANN_OK;
    if (out->status == LEANN_EINTR) {
        g->sum->interrupted = true;
        return LEANN_OK;
    }
    if (out->fatal) return leann_fail(ctx, out->status, "%s", out->error);
    if (!g->at_point || g->todo_at >= g->todo_n) return fail_rest(ctx, g, out->word, out->error, out->limit);
    uint32_t point = g->todo[g->todo_at];
    snprintf(where, sizeof where, "%s, at %s", out->error, g->cell->point[point].label);
    leann_status s = leann_point_failed(ctx, &g->job, point, out->word, where, out->limit ? leann_value_copy(out->limit) : NULL);
    if (s) return s;
    g->at_point = false;
    g->todo_at++;
    point_over(g, point, strcmp(out->word, "limit") ? LEANN_EIO : LEANN_ELIMIT, where);
    *again = g->todo_at < g->todo_n;
    return LEANN_OK;
}

static leann_status build(leann_ctx *ctx, going *g, bool afresh, bool *built)
{
    leann_outcome out;
    bool again;
    leann_status s = leann_run_build(ctx, &g->job, afresh, worker_says, g, &out);
    if (s) return s;
    s = settle(ctx, g, &out, &again);
    *built = !s && out.status == LEANN_OK;
    leann_value_free(out.limit);
    return s;
}

static leann_status measure(leann_ctx *ctx, going *g)
{
    bool again = true, rebuilt = false;
    leann_status s = LEANN_OK;
    while (again && !s && !leann_ctx_cancelled(ctx)) {
        leann_outcome out;
        s = leann_worker_run(ctx, &g->job, leann_cell_measure, g->todo + g->todo_at, g->todo_n - g->todo_at, g->run->sweep->search_threads,
                             false, worker_says, g, &out);
        if (s) break;
        if (out.bad_index && !rebuilt) { /* the cache was damaged: once more from the stages */
            rebuilt = true;
            s = build(ctx, g, true, &again);
        } else {
            s = settle(ctx, g, &out, &again);
        }
        leann_value_free(out.limit);
    }
    g->sum->interrupted |= leann_ctx_cancelled(ctx);
    return s;
}

static leann_status run_cell(leann_ctx *ctx, going *g)
{
    leann_run *run = g->run;
    bool built = false;
    g->todo_n = g->todo_at = 0;
    g->at_point = false;
    if (!(g->todo = leann_alloc(ctx, g->cell->points, sizeof *g->todo))) return LEANN_ENOMEM;
    for (uint32_t j = 0; j < g->cell->points; j++)
        if (run->state[g->cell_at][j] == LEANN_POINT_TODO) g->todo[g->todo_n++] = j;
    leann_status s = leann_run_job(ctx, run, g->cell, &g->job);
    if (s) goto done;
    tell(g, LEANN_SAY_OPENED, 0, LEANN_OK, 0, 0, g->cell->label);
    if (g->cell->refused) {
        s = fail_rest(ctx, g, leann_status_word(g->cell->refused), g->cell->error, NULL);
        goto done;
    }
    if ((s = trim(ctx, run))) goto done;
    s = build(ctx, g, run->options.force, &built);
    g->spent += run->seconds[g->cell_at][0];
    g->left -= run->seconds[g->cell_at][0];
    if (!s && built) s = measure(ctx, g);
done:
    leann_run_job_free(&g->job);
    leann_free(g->todo);
    return s;
}

static bool has_todo(const leann_run *run, uint32_t cell)
{
    for (uint32_t j = 0; j < run->sweep->cell[cell].points; j++)
        if (run->state[cell][j] == LEANN_POINT_TODO) return true;
    return false;
}

static void count_work(going *g)
{
    const leann_run *run = g->run;
    for (uint32_t i = 0; i < run->sweep->cells; i++) {
        if (!has_todo(run, i)) continue;
        g->cells++;
        g->left += run->seconds[i][0];
        for (uint32_t j = 0; j < run->sweep->cell[i].points; j++)
            if (run->state[i][j] == LEANN_POINT_TODO) g->left += run->seconds[i][1 + j];
    }
}

leann_status leann_run_go(leann_ctx *ctx, leann_run *run, leann_run_heard heard, void *arg, leann_run_summary *out)
{
    going g = {.run = run, .heard = heard, .arg = arg, .sum = out, .start_ns = leann_now_ns()};
    *out = (leann_run_summary){.skipped = run->done + run->failed};
    int lock = leann_run_lock(ctx, run->folder);
    if (lock < 0) return leann_ctx_status(ctx);
    bool afresh = !has_results(run->folder);
    leann_status s = prepare(ctx, run);
    count_work(&g);
    for (uint32_t i = 0; i < run->sweep->cells && !s; i++) {
        if (leann_ctx_cancelled(ctx)) out->interrupted = true;
        if (out->interrupted) break;
        if (!has_todo(run, i)) continue;
        g.cell = &run->sweep->cell[i];
        g.cell_at = i;
        g.cell_number++;
        s = run_cell(ctx, &g);
    }
    if (out->measured + out->failed == run->todo) out->interrupted = false; /* too late: all was done */
    if (!s) s = trim(ctx, run);
    out->seconds = (double)(leann_now_ns() - g.start_ns) * 1e-9;
    if (!s && out->measured + out->failed) s = keep_time(ctx, run, out, afresh);
    close(lock);
    return s;
}
