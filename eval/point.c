/* point.c – builds one cell and measures its points: answers of the whole report half, then times of single queries.
 *
 * A point costs one pass over the report half (recall and work), then max(point_seconds, 5 x 200 queries) of timing; where a query runs an
 * encoder the first pass is timed instead, and no other follows. With a recall to reach, first a walk over the grid on the tune half.
 * Memory: k answers and 11 counters a query, 8 bytes a timed query.
 *
 * Timed queries are the front of one seeded shuffle of all rows used, so that points are timed over the same queries. Build and
 * search run in different processes: what a build leaves on the heap is not part of what a search takes.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/point.h"
#include "core/product.h"
#include "eval/build_facts.h"
#include "eval/provenance.h"
#include "eval/recall.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_REPEATS = 5, MAX_REPEATS = 50, MIN_TIMED = 200 };

/* ---- small things ------------------------------------------------------------------------------------------------------------ */

static void put_real(leann_value *map, const char *key, double x)
{
    leann_value_set(map, key, leann_value_new_real(x));
}
static void put_bytes(leann_value *map, const char *key, uint64_t x)
{
    leann_value_set(map, key, leann_value_new_int((int64_t)x));
}

static void say(const leann_job *job, leann_say what, uint32_t index, leann_status status, const char *text)
{
    job->say(job->arg, what, index, status, 0, 0, text);
}

/* Forgets a failure, but not that the user wants to stop. */
static void forget(leann_ctx *ctx, const leann_job *job)
{
    leann_ctx_clear(ctx);
    if (job->stop && *job->stop) leann_ctx_cancel(ctx);
}

static void on_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
    const leann_job *job = arg;
    job->say(job->arg, LEANN_SAY_STAGE, 0, LEANN_OK, done, total, what);
}

/* ---- building ---------------------------------------------------------------------------------------------------------------- */

static double sum_seconds(const leann_value *stages)
{
    double sum = 0;
    for (size_t i = 0; i < leann_value_count(stages); i++)
        sum += leann_value_real(leann_value_get(leann_value_at(stages, i), "seconds"), 0);
    return sum;
}

static leann_value *facts_stated(const leann_ctx *ctx)
{
    leann_value *facts = leann_value_new_map();
    for (size_t i = 0; i < leann_ctx_facts(ctx); i++) {
        double value;
        const char *name = leann_ctx_fact_at(ctx, i, &value);
        put_real(facts, name, value);
    }
    return facts;
}

/* Builds and saves; the record gets stages, build_s, wall_s, memory and stated facts. */
static leann_status build_and_save(leann_ctx *ctx, const leann_job *job, leann_value *record)
{
    leann_stages *stages = NULL;
    leann_index *index = NULL;
    leann_dataset lasting = *job->data;
    lasting.lasting = true;
    leann_rss_reset();
    leann_ctx_facts_clear(ctx);
    leann_status s = leann_stages_new(ctx, job->cache, job->data->sha, &stages);
    if (s) {
        say(job, LEANN_SAY_FATAL, 0, s, leann_ctx_error(ctx));
        return s;
    }
    leann_stages_accept(stages, leann_program(), job->since_ns);
    uint64_t start = leann_now_ns();
    s = leann_method_build(ctx, &lasting, job->cell->config, stages, &index);
    double wall = (double)(leann_now_ns() - start) * 1e-9;
    if (!s) {
        leann_value *report = leann_stages_report(stages);
        double sum = sum_seconds(report);
        leann_value_set(record, "program", leann_value_new_text(leann_program()));
        put_real(record, "build_s", leann_value_count(report) ? sum : wall);
        put_real(record, "wall_s", wall);
        leann_value_set(record, "stages", report);
        leann_value_set(record, "facts", facts_stated(ctx));
        leann_rss rss = leann_stages_rss(stages);
        if (rss.peak) put_bytes(record, "peak_rss_bytes", rss.peak);
        if (rss.peak) put_bytes(record, "rss_anon_bytes", rss.anon);
        if ((s = leann_index_save(ctx, index, job->index_path))) say(job, LEANN_SAY_FATAL, 0, s, leann_ctx_error(ctx));
    }
    leann_index_free(index);
    leann_stages_free(stages);
    return s;
}

static void put_ledger(leann_value *record, const leann_index *index, uint64_t predicted)
{
    leann_ledger ledger;
    leann_value *parts = leann_value_new_map();
    leann_reader_ledger(index->reader, &ledger);
    for (int i = 0; i < LEANN_PARTS; i++) put_bytes(parts, leann_part_word((leann_part)i), ledger.bytes[i]);
    leann_value_set(record, "ledger", parts);
    put_bytes(record, "index_bytes", leann_ledger_total(&ledger));
    put_bytes(record, "predicted_bytes", predicted);
}

static leann_status write_record(leann_ctx *ctx, const leann_job *job, const leann_value *record)
{
    char *text = leann_value_json(record, false, 1);
    leann_status s = text ? leann_file_write(ctx, job->record_path, text, strlen(text)) : leann_fail(ctx, LEANN_ENOMEM, "out of memory");
    if (s) say(job, LEANN_SAY_FATAL, 0, s, leann_ctx_error(ctx));
    leann_free(text);
    return s;
}

leann_status leann_cell_build(leann_ctx *ctx, const leann_job *job, const uint32_t *todo, uint32_t n)
{
    (void)todo;
    (void)n;
    leann_value *record = leann_value_new_map(), *measured = NULL;
    leann_index *index = NULL;
    leann_ctx_on_progress(ctx, on_progress, (void *)(uintptr_t)job);
    leann_status s = build_and_save(ctx, job, record);
    if (s) goto done;
    say(job, LEANN_SAY_BUILT, 0, LEANN_OK, "");
    if ((s = leann_index_open(ctx, job->index_path, &index))) goto done; /* facts are of what is on disk */
    put_ledger(record, index, job->cell->predicted_bytes);
    say(job, LEANN_SAY_STAGE, 0, LEANN_OK, "facts");
    if ((s = leann_build_facts(ctx, job->data, index, job->cache, &measured))) goto done;
    leann_value *facts = leann_value_get(record, "facts");
    for (size_t i = 0; i < leann_value_count(measured); i++) {
        const char *name = NULL;
        leann_value *v = leann_value_entry(measured, i, &name);
        leann_value_set(facts, name, leann_value_keep(v));
    }
    s = write_record(ctx, job, record);
done:
    leann_index_free(index);
    leann_value_free(measured);
    leann_value_free(record);
    return s;
}

/* ---- one query ----------------------------------------------------------------------------------------------------------------- */

static leann_status ask(leann_ctx *ctx, const leann_plan *plan, leann_rows test, uint32_t row, uint32_t k, leann_work *work, uint32_t *ids,
                        float *dist, uint64_t *ns)
{
    test.base = leann_row(test, row);
    test.n = 1;
    uint64_t start = leann_now_ns();
    leann_status s = leann_search(plan, ctx, test, k, ids, dist, work);
    *ns = leann_now_ns() - start;
    return s;
}

leann_status leann_point_plan(leann_ctx *ctx, const leann_job *job, const leann_index *index, const leann_point *point,
                              const leann_value *chosen, leann_plan **out)
{
    leann_value *query = leann_value_copy(point->query);
    if (chosen) leann_value_set(query, point->grid_name, leann_value_copy(chosen));
    char *text = leann_value_json(query, true, 0);
    leann_status s = text ? leann_plan_over(ctx, index, text, job->data, out) : leann_fail(ctx, LEANN_ENOMEM, "out of memory");
    leann_free(text);
    leann_value_free(query);
    return s;
}

/* ---- reaching a recall ----------------------------------------------------------------------------------------------------------- */

/* What is known of each grid value on the tune half. Targets of one query and k share it: a higher target only asks further values. */
typedef struct {
    const leann_point *of; /* whose query and k; NULL: nothing yet */
    double *sum;           /* (grid_n) recall_tie summed over the queries looked at */
    uint32_t *seen;        /* (grid_n) how many those are */
} tuning;

typedef struct {
    leann_ctx *ctx;
    const leann_job *job;
    const leann_index *index;
    const uint32_t *order; /* the rows used: tune first, then report */
    uint32_t tune, used;
    leann_truth truth; /* empty until something is tuned */
    tuning tuned;
} bench;

static void free_tuning(tuning *t)
{
    leann_free(t->sum);
    leann_free(t->seen);
    *t = (tuning){0};
}

static leann_status start_tuning(bench *b, const leann_point *p)
{
    tuning *t = &b->tuned;
    if (t->of && t->of->k == p->k && leann_value_equal(t->of->query, p->query)) return LEANN_OK;
    free_tuning(t);
    t->sum = leann_alloc(b->ctx, p->grid_n, sizeof *t->sum);
    t->seen = leann_alloc(b->ctx, p->grid_n, sizeof *t->seen);
    if (!t->sum || !t->seen) return LEANN_ENOMEM;
    leann_status s = b->truth.data ? LEANN_OK : leann_truth_new(b->ctx, b->job->data, &b->truth);
    if (!s) s = leann_truth_learn(b->ctx, &b->truth, b->order, b->tune, p->k);
    if (!s) t->of = p;
    return s;
}

/* Looks at queries of the tune half until value i has passed the target or can no longer do so. */
static leann_status try_value(bench *b, const leann_point *p, uint32_t i, bool *passed)
{
    tuning *t = &b->tuned;
    leann_plan *plan = NULL;
    double need = p->target * b->tune - 1e-9;
    uint64_t ns;
    *passed = t->seen[i] == b->tune && t->sum[i] >= need;
    if (t->seen[i] == b->tune || t->sum[i] + (b->tune - t->seen[i]) < need) return LEANN_OK;
    uint32_t *ids = leann_alloc(b->ctx, p->k, sizeof *ids);
    float *dist = leann_alloc(b->ctx, p->k, sizeof *dist);
    leann_value *value = leann_sweep_grid_value(p, i);
    leann_status s = ids && dist ? leann_point_plan(b->ctx, b->job, b->index, p, value, &plan) : LEANN_ENOMEM;
    while (!s && t->seen[i] < b->tune && t->sum[i] + (b->tune - t->seen[i]) >= need) {
        uint32_t row = b->order[t->seen[i]];
        if ((s = ask(b->ctx, plan, b->job->data->test, row, p->k, NULL, ids, dist, &ns))) break;
        t->sum[i] += leann_recall_tie(&b->truth, row, p->k, ids);
        t->seen[i]++;
    }
    *passed = !s && t->seen[i] == b->tune && t->sum[i] >= need;
    leann_plan_free(plan);
    leann_value_free(value);
    leann_free(ids);
    leann_free(dist);
    return s;
}

/* The first passing value of the grid, or the last; a value that the method refuses (ef < k) does not pass. */
static leann_status tune(bench *b, const leann_point *p, leann_result *r, leann_value **chosen, bool *passed)
{
    leann_status s = start_tuning(b, p);
    if (!s && !(r->tune_recall = leann_alloc(b->ctx, p->grid_n, 3 * sizeof *r->tune_recall))) s = LEANN_ENOMEM;
    *passed = false;
    for (uint32_t i = 0; !s && i < p->grid_n && !*passed; i++) {
        b->job->say(b->job->arg, LEANN_SAY_STAGE, 0, LEANN_OK, i, p->grid_n, "tuning");
        s = try_value(b, p, i, passed);
        if (s == LEANN_EINVAL && (r->tuned || i + 1 < p->grid_n)) { /* when all are refused the last one's sentence stands */
            forget(b->ctx, b->job);
            s = LEANN_OK;
            continue;
        }
        if (s) break;
        double *row = r->tune_recall + (size_t)r->tuned++ * 3;
        row[0] = p->grid[i];
        row[1] = b->tuned.seen[i] ? b->tuned.sum[i] / b->tuned.seen[i] : 0;
        row[2] = b->tuned.seen[i];
        leann_value_free(*chosen);
        *chosen = leann_sweep_grid_value(p, i);
    }
    return s;
}

/* ---- answers and times ----------------------------------------------------------------------------------------------------------- */

static void keep_work(const leann_work *w, uint64_t out[LEANN_RESULT_WORK])
{
    const uint64_t all[LEANN_RESULT_WORK] = {w->dist_comps,  w->hops,        w->fetches,     w->recomputes, w->encoder_calls, w->cache_hits,
                                             w->stage_ns[0], w->stage_ns[1], w->stage_ns[2], w->pages,      w->missing_ppm};
    memcpy(out, all, sizeof all);
}

static bool encodes(const leann_plan *plan)
{
    return plan->fetcher && plan->fetcher->type->encodes;
}

/* The whole report half once: answers and work. *mean_ns of a query, the first (cold) one apart. */
static leann_status answers(bench *b, const leann_point *p, const leann_plan *plan, leann_result *r, double *mean_ns)
{
    leann_status s = LEANN_OK;
    uint64_t ns, sum = 0;
    r->n = b->used - b->tune;
    r->k = p->k;
    r->query_rows = leann_alloc(b->ctx, r->n, sizeof *r->query_rows);
    r->ids = leann_alloc(b->ctx, (size_t)r->n * r->k, sizeof *r->ids);
    r->dist = leann_alloc(b->ctx, (size_t)r->n * r->k, sizeof *r->dist);
    r->work = leann_alloc(b->ctx, (size_t)r->n * LEANN_RESULT_WORK, sizeof *r->work);
    if (!r->query_rows || !r->ids || !r->dist || !r->work) return LEANN_ENOMEM;
    memcpy(r->query_rows, b->order + b->tune, r->n * sizeof *r->query_rows);
    if (encodes(plan)) {
        r->timed_rows = leann_alloc(b->ctx, r->n, sizeof *r->timed_rows);
        r->times_ns = leann_alloc(b->ctx, r->n, sizeof *r->times_ns);
        if (!r->timed_rows || !r->times_ns) return LEANN_ENOMEM;
        memcpy(r->timed_rows, r->query_rows, r->n * sizeof *r->timed_rows);
        r->t = r->n, r->repeats = 1;
    }
    for (uint32_t i = 0; i < r->n && !s; i++) {
        leann_work work = {0};
        s = ask(b->ctx, plan, b->job->data->test, r->query_rows[i], p->k, &work, r->ids + (size_t)i * r->k, r->dist + (size_t)i * r->k,
                &ns);
        keep_work(&work, r->work + (size_t)i * LEANN_RESULT_WORK);
        if (i == 0) r->cold_ns = ns;
        if (r->times_ns) r->times_ns[i] = ns;
        sum += i == 0 && r->n > 1 ? 0 : ns;
        if ((i & 63) == 0) b->job->say(b->job->arg, LEANN_SAY_STAGE, 0, LEANN_OK, i, r->n, "recall");
    }
    *mean_ns = (double)sum / (r->n > 1 ? r->n - 1 : 1);
    return s;
}

/* Which test rows are used: order[0 .. tune) tune, the rest report; `split: no`: all of them report, in file order. */
static leann_status rows_used(leann_ctx *ctx, const leann_sweep *sweep, const leann_dataset *data, uint32_t *order, uint32_t *tune_n)
{
    if (!sweep->whole) return leann_split(ctx, data->test.n, sweep->queries, order, tune_n);
    for (uint32_t i = 0; i < data->test.n; i++) order[i] = i;
    *tune_n = 0;
    return LEANN_OK;
}

/* The front of one shuffle of the rows used, whatever the point: times of two points are over the same queries. */
static leann_status timed_rows(leann_ctx *ctx, const uint32_t *order, uint32_t used, uint32_t **rows)
{
    leann_rng rng = leann_rng_at(1, "timing", 0);
    if (!(*rows = leann_alloc(ctx, used, sizeof **rows))) return LEANN_ENOMEM;
    memcpy(*rows, order, used * sizeof **rows);
    for (uint32_t i = 0; i < used; i++) {
        uint32_t j = i + leann_rng_below(&rng, used - i), swap = (*rows)[i];
        (*rows)[i] = (*rows)[j];
        (*rows)[j] = swap;
    }
    return LEANN_OK;
}

static void budget(double seconds, double mean_ns, uint32_t used, bool whole, uint32_t *t, uint32_t *repeats)
{
    double queries = seconds * 1e9 / (mean_ns > 1 ? mean_ns : 1) / MIN_REPEATS, passes;
    *t = queries < MIN_TIMED ? MIN_TIMED : queries > used ? used : (uint32_t)queries;
    if (*t > used || whole) *t = used;
    passes = seconds * 1e9 / ((mean_ns > 1 ? mean_ns : 1) * *t);
    *repeats = passes < MIN_REPEATS ? MIN_REPEATS : passes > MAX_REPEATS ? MAX_REPEATS : (uint32_t)passes;
}

leann_status leann_point_times(leann_ctx *ctx, const leann_sweep *sweep, const leann_dataset *data, const leann_plan *plan, uint32_t k,
                               double mean_ns, uint32_t **rows, uint64_t **times_ns, uint32_t *t, uint32_t *repeats)
{
    uint32_t used = sweep->queries ? sweep->queries : data->test.n, tune_n;
    uint32_t *order = leann_alloc(ctx, used, sizeof *order), *ids = leann_alloc(ctx, k, sizeof *ids);
    float *dist = leann_alloc(ctx, k, sizeof *dist);
    uint64_t ns, sum = 0;
    leann_status s = order && ids && dist ? rows_used(ctx, sweep, data, order, &tune_n) : LEANN_ENOMEM;
    if (!s) s = timed_rows(ctx, order, used, rows);
    uint32_t first = used < 50 ? used : 50;
    for (uint32_t i = 0; i < first && !s && mean_ns <= 0; i++) { /* not known yet: a short pass says it, and warms up */
        s = ask(ctx, plan, data->test, (*rows)[i], k, NULL, ids, dist, &ns);
        sum += ns;
    }
    if (s) goto done;
    budget(sweep->point_seconds, mean_ns > 0 ? mean_ns : (double)sum / first, used, sweep->whole, t, repeats);
    if (!(*times_ns = leann_alloc(ctx, (size_t)*repeats * *t, sizeof **times_ns))) s = LEANN_ENOMEM;
    for (uint32_t r = 0; r < *repeats && !s; r++)
        for (uint32_t i = 0; i < *t && !s; i++)
            s = ask(ctx, plan, data->test, (*rows)[i], k, NULL, ids, dist, *times_ns + (size_t)r * *t + i);
done:
    leann_free(order);
    leann_free(ids);
    leann_free(dist);
    return s;
}

/* ---- all queries at once ------------------------------------------------------------------------------------------------------- */

typedef struct {
    const leann_plan *plan;
    const leann_dataset *data;
    const uint32_t *rows;
    uint32_t k;
} batch_job;

static leann_status batch_task(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const batch_job *job = arg;
    uint64_t ns;
    uint32_t *ids = leann_scratch(worker, job->k * sizeof *ids);
    float *dist = leann_scratch(worker, job->k * sizeof *dist);
    leann_status s = ids && dist ? LEANN_OK : LEANN_ENOMEM;
    for (size_t i = begin; i < end && !s; i++) s = ask(worker, job->plan, job->data->test, job->rows[i], job->k, NULL, ids, dist, &ns);
    return s;
}

/* Queries a second over the report half with the sweep's threads, wall clock: the median of three passes. */
static leann_status batch(bench *b, const leann_plan *plan, leann_result *r)
{
    double qps[3];
    batch_job job = {plan, b->job->data, r->query_rows, r->k};
    leann_ctx *many = leann_ctx_new(b->job->cell->seed, b->job->sweep->threads);
    leann_status s = many ? LEANN_OK : leann_fail(b->ctx, LEANN_ENOMEM, "out of memory");
    for (int i = 0; i < 3 && !s; i++) {
        uint64_t start = leann_now_ns();
        if (leann_ctx_cancelled(b->ctx)) s = leann_fail(b->ctx, LEANN_EINTR, "interrupted");
        if (!s && (s = leann_parallel(many, r->n, 16, batch_task, &job))) leann_fail(b->ctx, s, "%s", leann_ctx_error(many));
        qps[i] = (double)r->n / ((double)(leann_now_ns() - start) * 1e-9);
    }
    leann_ctx_free(many);
    if (!s) r->batch_qps = fmax(fmin(qps[0], qps[1]), fmin(fmax(qps[0], qps[1]), qps[2]));
    return s;
}

/* ---- one point ---------------------------------------------------------------------------------------------------------------------- */

static leann_value *config_of(const leann_job *job, const leann_point *p)
{
    const leann_dataset_info *info = &job->sweep->info[job->cell->data];
    leann_value *map = leann_value_copy(job->cell->config);
    leann_value_set(map, "dataset", leann_value_new_text(info->name));
    leann_value_set(map, "distance", leann_value_new_text(info->distance));
    leann_value_set(map, "n", leann_value_new_int(info->n));
    leann_value_set(map, "d", leann_value_new_int(info->d));
    leann_value_set(map, "source_type", leann_value_new_text(leann_dtype_word(info->type)));
    leann_value_set(map, "query", leann_value_copy(p->query));
    leann_value_set(map, "k", leann_value_new_int(p->k));
    leann_value_set(map, "seed", leann_value_new_int((int64_t)job->cell->seed));
    leann_value_set(map, "threads", leann_value_new_int(job->sweep->threads));
    leann_value_set(map, "search_threads", leann_value_new_int(job->sweep->search_threads));
    leann_value_set(map, "target_recall", p->target > 0 ? leann_value_new_real(p->target) : leann_value_new_null());
    leann_value_set(map, "cell", leann_value_new_text(job->cell->label));
    leann_value_set(map, "point", leann_value_new_text(p->label));
    return map;
}

static leann_status describe(leann_ctx *ctx, const leann_job *job, const leann_point *p, const char *status, const char *error,
                             leann_result *r)
{
    r->identity = leann_format(ctx, "%s", p->identity);
    r->sweep = leann_format(ctx, "%s", job->sweep->stem);
    r->dataset = leann_format(ctx, "%s", job->sweep->info[job->cell->data].name);
    r->status = leann_format(ctx, "%s", status);
    r->error = leann_format(ctx, "%s", error);
    r->provenance = leann_value_copy(job->provenance);
    leann_value_set(r->provenance, "seed", leann_value_new_int((int64_t)job->cell->seed));
    r->config = config_of(job, p);
    return r->identity && r->sweep && r->dataset && r->status && r->error ? LEANN_OK : LEANN_ENOMEM;
}

static leann_status measure(bench *b, const leann_point *p, leann_result *r)
{
    leann_plan *plan = NULL;
    leann_value *chosen = NULL;
    bool passed = true;
    double mean_ns = 0;
    leann_status s = LEANN_OK;
    if (p->k > b->job->data->train.n)
        return leann_fail(b->ctx, LEANN_EINVAL, "k = %u: data set '%s' has %u rows", p->k, b->job->data->name, b->job->data->train.n);
    if (p->target > 0) {
        s = tune(b, p, r, &chosen, &passed);
        leann_value_set(r->config, "chosen", chosen ? leann_value_copy(chosen) : leann_value_new_null());
        leann_value_set(r->config, "passed", leann_value_new_bool(passed));
    }
    leann_dataset_forget(b->job->data); /* rows that tuning looked at are no part of what a search holds */
    leann_rss_reset();
    if (!s) s = leann_point_plan(b->ctx, b->job, b->index, p, chosen, &plan);
    if (!s) s = answers(b, p, plan, r, &mean_ns);
    b->job->say(b->job->arg, LEANN_SAY_STAGE, 0, LEANN_OK, 0, 0, "timing");
    if (!s && !r->times_ns)
        s = leann_point_times(b->ctx, b->job->sweep, b->job->data, plan, p->k, mean_ns, &r->timed_rows, &r->times_ns, &r->t, &r->repeats);
    if (!s && b->job->sweep->batch && !encodes(plan)) s = batch(b, plan, r);
    r->search_rss = leann_rss_now();
    leann_plan_free(plan);
    leann_value_free(chosen);
    return s;
}

/* What is left of a point that failed: its description, without arrays. */
static void strip(leann_result *r)
{
    void **heap[] = {(void **)&r->query_rows, (void **)&r->ids,      (void **)&r->dist,       (void **)&r->work,
                     (void **)&r->timed_rows, (void **)&r->times_ns, (void **)&r->tune_recall};
    for (size_t i = 0; i < sizeof heap / sizeof *heap; i++) {
        leann_free(*heap[i]);
        *heap[i] = NULL;
    }
    r->n = r->t = r->tuned = 0;
}

static leann_status save(leann_ctx *ctx, const leann_job *job, const leann_result *r)
{
    char *path = leann_result_path(ctx, job->folder, r->identity);
    leann_status s = path ? leann_result_save(ctx, r, path) : LEANN_ENOMEM;
    leann_free(path);
    if (s) say(job, LEANN_SAY_FATAL, 0, s, leann_ctx_error(ctx));
    return s;
}

/* Measures and writes one point; the measurement's own failure is a row and LEANN_OK here. */
static leann_status one_point(bench *b, uint32_t index, const leann_value *build, leann_rss load_rss)
{
    const leann_point *p = &b->job->cell->point[index];
    leann_result r = {.load_rss = load_rss};
    leann_status s = describe(b->ctx, b->job, p, "ok", "", &r), measured = LEANN_OK;
    r.build = leann_value_copy(build);
    if (s) goto done;
    if ((measured = measure(b, p, &r))) {
        if (measured == LEANN_EINTR || leann_ctx_cancelled(b->ctx)) {
            s = LEANN_EINTR;
            goto done;
        }
        leann_free(r.status);
        leann_free(r.error);
        r.error = leann_format(b->ctx, "%s", leann_ctx_error(b->ctx));
        r.status = leann_format(b->ctx, "%s", leann_status_word(measured));
        forget(b->ctx, b->job);
        strip(&r);
    }
    if (!(s = save(b->ctx, b->job, &r))) say(b->job, LEANN_SAY_MEASURED, index, measured, r.error);
done:
    leann_result_clear(&r);
    return s;
}

/* ---- all points of a cell ---------------------------------------------------------------------------------------------------------- */

static leann_status read_record(leann_ctx *ctx, const leann_job *job, leann_value **out)
{
    char *text = NULL;
    size_t bytes = 0;
    leann_status s = leann_file_read(ctx, job->record_path, 16 << 20, &text, &bytes);
    if (!s) s = leann_value_parse(ctx, job->record_path, text, bytes, out);
    leann_free(text);
    return s;
}

leann_status leann_cell_measure(leann_ctx *ctx, const leann_job *job, const uint32_t *todo, uint32_t n)
{
    bench b = {.ctx = ctx, .job = job};
    leann_index *index = NULL;
    leann_value *build = NULL;
    uint32_t *order = NULL;
    leann_ctx_on_progress(ctx, on_progress, (void *)(uintptr_t)job);
    leann_status s = read_record(ctx, job, &build);
    leann_rss_reset();
    uint64_t start = leann_now_ns();
    if (!s) s = leann_index_open(ctx, job->index_path, &index);
    double load_s = (double)(leann_now_ns() - start) * 1e-9;
    leann_rss load_rss = leann_rss_now();
    if (s) {
        say(job, LEANN_SAY_BAD_INDEX, 0, s, leann_ctx_error(ctx));
        goto done;
    }
    say(job, LEANN_SAY_OPENED, 0, LEANN_OK, "");
    put_real(build, "load_s", load_s);
    b.index = index;
    b.used = job->sweep->queries ? job->sweep->queries : job->data->test.n;
    if (!(order = leann_alloc(ctx, b.used, sizeof *order))) s = LEANN_ENOMEM;
    if (!s) s = rows_used(ctx, job->sweep, job->data, order, &b.tune);
    b.order = order;
    for (uint32_t i = 0; i < n && !s; i++) {
        if (leann_ctx_cancelled(ctx)) s = LEANN_EINTR;
        if (s) break;
        say(job, LEANN_SAY_POINT, todo[i], LEANN_OK, job->cell->point[todo[i]].label);
        s = one_point(&b, todo[i], build, load_rss);
    }
done:
    free_tuning(&b.tuned);
    leann_truth_free(&b.truth);
    leann_free(order);
    leann_index_free(index);
    leann_value_free(build);
    return s;
}

leann_status leann_point_failed(leann_ctx *ctx, const leann_job *job, uint32_t point, const char *status, const char *error,
                                leann_value *limit)
{
    leann_result r = {0};
    leann_status s = describe(ctx, job, &job->cell->point[point], status, error, &r);
    r.build = leann_value_new_map();
    put_bytes(r.build, "predicted_bytes", job->cell->predicted_bytes);
    if (limit) leann_value_set(r.config, "limit", limit);
    if (!s) s = save(ctx, job, &r);
    leann_result_clear(&r);
    return s;
}
