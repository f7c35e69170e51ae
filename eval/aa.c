/* aa.c – one point measured twice, in turn: the noise floor of differences in speed.
 *
 * Each measurement is a fresh process: where memory happens to lie is part of the noise. All pairs (a_i, b_j) count, not only
 * neighbours in time, because cells of a sweep are minutes apart and the machine drifts. Differences are |ln(a / b)|, about the relative
 * difference where it is small. Cost: 2 * pairs * (opening + point_seconds).
 *
 * SPDX-License-Identifier: MIT */
#include "eval/aa.h"
#include "core/container.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const leann_aa_names[LEANN_AA_MEASURES] = {"qps", "p50", "p95", "p99"};

/* ---- one measurement, in the child ----------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double share)
{
    return sorted[(size_t)(share * (double)(n - 1) + 0.5)];
}

/* QPS: the median over passes; percentiles over all times of all passes. */
static leann_status sum_up(leann_ctx *ctx, uint64_t *times, uint32_t t, uint32_t repeats, double out[LEANN_AA_MEASURES])
{
    size_t all = (size_t)t * repeats;
    double *qps = leann_alloc(ctx, repeats, sizeof *qps);
    if (!qps) return LEANN_ENOMEM;
    for (uint32_t r = 0; r < repeats; r++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < t; i++) sum += times[(size_t)r * t + i];
        qps[r] = t / ((double)(sum ? sum : 1) * 1e-9);
    }
    qsort(qps, repeats, sizeof *qps, by_value);
    qsort(times, all, sizeof *times, by_time);
    out[0] = quantile(qps, repeats, 0.5);
    const double share[] = {0.5, 0.95, 0.99};
    for (int i = 0; i < 3; i++) out[1 + i] = (double)times[(size_t)(share[i] * (double)(all - 1) + 0.5)];
    leann_free(qps);
    return LEANN_OK;
}

/* The work of a worker: says the four numbers as text. A tuned parameter is measured at the middle of its grid. */
static leann_status measure(leann_ctx *ctx, const leann_job *job, const uint32_t *todo, uint32_t n)
{
    const leann_point *p = &job->cell->point[todo[0]];
    leann_index *index = NULL;
    leann_plan *plan = NULL;
    uint32_t *rows = NULL, t = 0, repeats = 0;
    uint64_t *times = NULL;
    double value[LEANN_AA_MEASURES];
    char text[256];
    leann_value *chosen = p->grid_n ? leann_sweep_grid_value(p, p->grid_n / 2) : NULL;
    (void)n;
    leann_status s = leann_index_open(ctx, job->index_path, &index);
    job->say(job->arg, LEANN_SAY_POINT, todo[0], LEANN_OK, 0, 0, p->label);
    if (!s) s = leann_point_plan(ctx, job, index, p, chosen, &plan);
    if (!s) s = leann_point_times(ctx, job->sweep, job->data, plan, p->k, 0, &rows, &times, &t, &repeats);
    if (!s) s = sum_up(ctx, times, t, repeats, value);
    if (!s) {
        snprintf(text, sizeof text, "%.17g %.17g %.17g %.17g", value[0], value[1], value[2], value[3]);
        job->say(job->arg, LEANN_SAY_MEASURED, todo[0], LEANN_OK, 0, 0, text);
    }
    leann_free(rows);
    leann_free(times);
    leann_plan_free(plan);
    leann_index_free(index);
    leann_value_free(chosen);
    return s;
}

/* ---- the parent -------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    double value[LEANN_AA_MEASURES];
    bool said;
    leann_progress_fn progress;
    void *arg;
} listener;

static void heard(void *arg, leann_say what, uint32_t index, leann_status status, uint64_t done, uint64_t total, const char *text)
{
    listener *l = arg;
    (void)index;
    (void)status;
    if (what == LEANN_SAY_STAGE && l->progress) l->progress(l->arg, text, done, total);
    if (what == LEANN_SAY_MEASURED) l->said = sscanf(text, "%lf %lf %lf %lf", &l->value[0], &l->value[1], &l->value[2], &l->value[3]) == 4;
}

/* How a worker ended -> a status of ours. */
static leann_status judge(leann_ctx *ctx, const leann_job *job, const leann_outcome *out)
{
    leann_value_free(out->limit);
    if (out->status == LEANN_EINTR) return leann_fail(ctx, LEANN_EINTR, "interrupted");
    if (out->status) return leann_fail(ctx, LEANN_EINVAL, "%s: %s", job->cell->label, out->error);
    return LEANN_OK;
}

void leann_aa_judge(leann_aa *aa)
{
    static double all[LEANN_AA_MAX_PAIRS * LEANN_AA_MAX_PAIRS];
    for (int m = 0; m < LEANN_AA_MEASURES; m++) {
        double turn[LEANN_AA_MAX_PAIRS];
        size_t n = 0;
        aa->bias[m] = 0;
        for (uint32_t i = 0; i < aa->pairs; i++) {
            double d = log(aa->run[0][i][m] / aa->run[1][i][m]);
            turn[i] = fabs(d);
            aa->bias[m] += d / aa->pairs;
            for (uint32_t j = 0; j < aa->pairs; j++) all[n++] = fabs(log(aa->run[0][i][m] / aa->run[1][j][m]));
        }
        qsort(all, n, sizeof *all, by_value);
        qsort(turn, aa->pairs, sizeof *turn, by_value);
        aa->noise[m] = quantile(all, n, 0.95);
        aa->in_turn[m] = quantile(turn, aa->pairs, 0.95);
    }
}

static leann_value *runs_of(const leann_aa *aa, int side)
{
    leann_value *list = leann_value_new_list();
    for (uint32_t i = 0; i < aa->pairs; i++) {
        leann_value *one = leann_value_new_map();
        for (int m = 0; m < LEANN_AA_MEASURES; m++) {
            char key[16];
            snprintf(key, sizeof key, m ? "%s_ns" : "%s", leann_aa_names[m]);
            leann_value_set(one, key, leann_value_new_real(aa->run[side][i][m]));
        }
        leann_value_append(list, one);
    }
    return list;
}

static leann_status write_json(leann_ctx *ctx, const leann_run *run, const leann_job *job, const leann_point *p, const leann_aa *aa)
{
    leann_value *map = leann_value_new_map(), *runs = leann_value_new_map();
    const double *const sums[] = {aa->noise, aa->in_turn, aa->bias};
    const char *const names[] = {"noise", "noise_in_turn", "bias"};
    leann_value_set(map, "sweep", leann_value_new_text(run->sweep->stem));
    leann_value_set(map, "cell", leann_value_new_text(job->cell->label));
    leann_value_set(map, "point", leann_value_new_text(p->label));
    leann_value_set(map, "pairs", leann_value_new_int(aa->pairs));
    leann_value_set(map, "point_seconds", leann_value_new_real(run->sweep->point_seconds));
    for (int i = 0; i < 3; i++) {
        leann_value *one = leann_value_new_map();
        for (int m = 0; m < LEANN_AA_MEASURES; m++) leann_value_set(one, leann_aa_names[m], leann_value_new_real(sums[i][m]));
        leann_value_set(map, names[i], one);
    }
    leann_value_set(runs, "a", runs_of(aa, 0));
    leann_value_set(runs, "b", runs_of(aa, 1));
    leann_value_set(map, "runs", runs);
    leann_value_set(map, "provenance", leann_value_copy(job->provenance));
    char *path = leann_format(ctx, "%s/aa.json", run->folder), *text = leann_value_json(map, false, 1);
    leann_status s = path && text ? leann_file_write(ctx, path, text, strlen(text)) : LEANN_ENOMEM;
    leann_free(path);
    leann_free(text);
    leann_value_free(map);
    return s;
}

static leann_status all_runs(leann_ctx *ctx, const leann_job *job, listener *l, leann_aa *aa)
{
    const uint32_t point = 0;
    leann_status s = LEANN_OK;
    for (uint32_t i = 0; i < 2 * aa->pairs && !s; i++) {
        leann_outcome out;
        if (l->progress) l->progress(l->arg, "A and B in turn", i, 2 * (uint64_t)aa->pairs);
        l->said = false;
        s = leann_worker_run(ctx, job, measure, &point, 1, 1, false, heard, l, &out);
        if (!s) s = judge(ctx, job, &out);
        if (!s && !l->said) s = leann_fail(ctx, LEANN_EIO, "a worker ended without its times");
        memcpy(aa->run[i % 2][i / 2], l->value, sizeof l->value);
    }
    return s;
}

leann_status leann_aa_run(leann_ctx *ctx, leann_run *run, uint32_t pairs, leann_progress_fn progress, void *arg, leann_aa *aa)
{
    leann_job job = {0};
    leann_outcome out;
    listener l = {.progress = progress, .arg = arg};
    const leann_cell *cell = NULL;
    if (pairs < 2 || pairs > LEANN_AA_MAX_PAIRS)
        return leann_fail(ctx, LEANN_EINVAL, "pairs = %u, but must be 2 to %d", pairs, LEANN_AA_MAX_PAIRS);
    for (uint32_t i = run->sweep->cells; i-- > 0;)
        if (run->sweep->cell[i].points) cell = &run->sweep->cell[i];
    if (!cell) return leann_fail(ctx, LEANN_EINVAL, "the sweep has no cell");
    if (cell->refused) return leann_fail(ctx, cell->refused, "%s: %s", cell->label, cell->error);
    int lock = leann_run_lock(ctx, run->folder);
    if (lock < 0) return leann_ctx_status(ctx);
    aa->pairs = pairs;
    leann_status s = leann_folder_make(ctx, run->cache);
    if (!s) s = leann_run_job(ctx, run, cell, &job);
    if (!s) s = leann_run_build(ctx, &job, false, heard, &l, &out);
    if (!s) s = judge(ctx, &job, &out);
    if (!s) s = all_runs(ctx, &job, &l, aa);
    if (!s) {
        leann_aa_judge(aa);
        s = write_json(ctx, run, &job, &cell->point[0], aa);
    }
    leann_run_job_free(&job);
    close(lock);
    return s;
}
