/* method_frugal.c – codes for order, exact vectors for as few rows as a query needs: every code is scored, the best rows are fetched and keyed
 * exactly a few at a time, and the query ends when the best of the others is unlikely to be in the answer.
 *
 * A code's key misses the exact key of a near row by an error of mean m and spread s, which are a query's own. Rows that stand in for queries
 * show what m and s are on average and how far queries differ, when the index is built. A query corrects both by the errors of the rows it
 * has fetched, as one estimates a normal law from a sample and a prior. A row not fetched, of code key e, is then nearer than the k-th exact
 * key t so far with the chance P((t - e - m) / s), P the normal distribution. The query ends when this is at most 1 - confidence_threshold
 * for the best row left: what one more fetch can give is what decides, so that hard queries with hundreds of rows of like keys do not pay for
 * a gain that is had for less elsewhere. The sum of the chances is how many rows the answer is expected to miss; to end by that sum instead
 * cost a fifth more fetches for the same mean recall (110,000 passages, 24 bytes of opq).
 *
 * File: codes, their codebooks and four floats: no embedding, no link. Cost a query: n look-ups of code_bytes each, and the fetches.
 *
 * Source: ours. Codes: Jégou, Douze & Schmid 2011; the estimate of m and s: Robbins 1956 (empirical Bayes), Smyth 2004 (of variances).
 *
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

#include <string.h>

enum { NEAREST = 50 }; /* rows of each stand-in whose errors count */

typedef struct {
    leann_choice quantizer;
    uint32_t trials;
} frugal_params;
typedef struct {
    bool early_terminate;
    double confidence_threshold;
    uint32_t rerank, step;
    leann_choice fetcher;
    int on_failure;
} frugal_query;

static const leann_param build_table[] = {
    LEANN_PARAM_PLUGIN(frugal_params, quantizer, "quantizer", "opq", "codes that order the rows"),
    LEANN_PARAM_INT(frugal_params, trials, 2, 65536, "256", "rows that stand in for queries, to learn what codes get wrong"),
    LEANN_PARAM_END,
};
static const leann_param query_table[] = {
    LEANN_PARAM_BOOL(frugal_query, early_terminate, "yes",
                     "end when no other row is likely to be in the answer; no: fetch all of `rerank`"),
    LEANN_PARAM_REAL(frugal_query, confidence_threshold, 0, 1, "0.99", "chance with which the best row left is not in the answer"),
    LEANN_PARAM_INT(frugal_query, rerank, 1, 1000000, "256", "rows fetched at most, best by code; at least k"),
    LEANN_PARAM_INT(frugal_query, step, 1, 65536, "4", "rows fetched at a time"),
    LEANN_PARAM_PLUGIN(frugal_query, fetcher, "fetcher", "replay", "where exact vectors come from"),
    LEANN_PARAM_ON_FAILURE(frugal_query),
    LEANN_PARAM_END,
};

/* A sixteenth of float32's bytes and less: of 384 dimensions 16, 24 and 48 bytes. */
static const char *const levels[] = {"{\"quantizer\": {\"opq\": {\"dsub\": 24}}}", "{\"quantizer\": {\"opq\": {\"dsub\": 16}}}",
                                     "{\"quantizer\": {\"opq\": {\"dsub\": 8}}}"};

/* Exact key less the code's, of a query: its mean and its spread about that, on average over queries; and how many of a query's own errors say
 * as much of its own mean and spread as these do. */
typedef struct {
    float mean, spread, mean_weight, spread_weight;
} error_law;

typedef struct {
    leann_index common;
    leann_coded coded;
    error_law error;
} frugal;

/* ---- build --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    double sum, squares; /* of the errors of one stand-in */
    uint32_t n;
} errors;

/* The errors of the rows nearest by code to one stand-in, itself left out. */
static leann_status errors_of(leann_ctx *ctx, leann_rows rows, uint32_t self, const float *q, const leann_hit *hit, uint32_t n, errors *out)
{
    uint32_t ids[NEAREST], some = 0;
    float code[NEAREST], key[NEAREST];
    leann_scorer *exact = leann_rows_scorer(ctx, rows, q);
    if (!exact) return leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n && some < NEAREST; i++)
        if (hit[i].id != self) ids[some] = hit[i].id, code[some++] = hit[i].key;
    exact->score(exact, (leann_span){LEANN_NONE, 0, some, ids}, INFINITY, key, NULL);
    *out = (errors){.n = some};
    for (uint32_t i = 0; i < some; i++) out->sum += (double)key[i] - code[i];
    for (uint32_t i = 0; i < some; i++) {
        const double off = (double)key[i] - code[i] - out->sum / some;
        out->squares += off * off;
    }
    return LEANN_OK;
}

/* At most LEANN_SCAN_TOGETHER stand-ins over one pass of the codes. */
static leann_status try_group(leann_ctx *ctx, const frugal *self, leann_rows rows, const uint32_t *ids, uint32_t n, errors *out)
{
    const size_t mark = leann_scratch_mark(ctx);
    const uint32_t most = rows.n < NEAREST + 1 ? rows.n : NEAREST + 1;
    leann_hit *hit[LEANN_SCAN_TOGETHER];
    uint32_t near[LEANN_SCAN_TOGETHER];
    float *q = leann_scratch(ctx, (size_t)n * rows.d * sizeof *q);
    if (!q) return leann_ctx_status(ctx);
    leann_rows_gather(rows, ids, n, q);
    leann_status status = leann_coded_nearest(ctx, &self->coded, q, n, most, hit, near);
    for (uint32_t i = 0; i < n && !status; i++) status = errors_of(ctx, rows, ids[i], q + (size_t)i * rows.d, hit[i], near[i], &out[i]);
    leann_scratch_reset(ctx, mark);
    return status;
}

/* The method of moments: what queries differ by in mean and in variance is told apart from what a finite number of errors leaves. Variances
 * are taken to be scaled inverse chi-squared among queries: with weight w theirs have a squared coefficient of variation of 2 / (w - 4). */
static error_law law_of(const errors *all, uint32_t trials)
{
    const double most = 1e6; /* a weight: the queries' own errors say nothing new */
    double sum = 0, squares = 0, n = 0, means = 0, variances = 0;
    for (uint32_t i = 0; i < trials; i++) sum += all[i].sum, squares += all[i].squares, n += all[i].n;
    if (n <= trials) return (error_law){.mean = n > 0 ? (float)(sum / n) : 0, .mean_weight = (float)most, .spread_weight = (float)most};
    const double mean = sum / n, within = squares / (n - trials), each = n / trials;
    for (uint32_t i = 0; i < trials; i++) {
        const double off = all[i].sum / all[i].n - mean, more = all[i].squares / (all[i].n - 1) - within;
        means += off * off / trials;
        variances += more * more / trials;
    }
    const double between = means - within / each, uneven = variances / (within * within + 1e-30) - 2 / (each - 1);
    return (error_law){.mean = (float)mean,
                       .spread = (float)sqrt(within),
                       .mean_weight = (float)(between > within / most ? within / between : most),
                       .spread_weight = (float)(uneven > 2 / most ? 4 + 2 / uneven : most)};
}

static leann_status learn_errors(leann_ctx *ctx, frugal *self, leann_rows rows)
{
    const frugal_params *p = self->common.params;
    const uint32_t trials = p->trials < rows.n ? p->trials : rows.n;
    const size_t mark = leann_scratch_mark(ctx);
    uint32_t *ids = leann_scratch(ctx, trials * sizeof *ids);
    errors *all = leann_scratch(ctx, trials * sizeof *all);
    leann_status status = ids && all ? LEANN_OK : leann_ctx_status(ctx);
    if (!status) {
        leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "frugal", 0);
        leann_rng_sample(&rng, rows.n, trials, true, ids);
    }
    for (uint32_t i = 0; i < trials && !status; i += LEANN_SCAN_TOGETHER) {
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        status = try_group(ctx, self, rows, ids + i, trials - i < LEANN_SCAN_TOGETHER ? trials - i : LEANN_SCAN_TOGETHER, all + i);
    }
    if (!status) self->error = law_of(all, trials);
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status frugal_build(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *index)
{
    frugal *self = (frugal *)index;
    leann_coding coding = {.rows = data->train, .quantizer = ((const frugal_params *)index->params)->quantizer};
    leann_status status = leann_coded_make(ctx, stages, &coding, &self->coded);
    if (!status) status = leann_coded_pack(ctx, &self->coded);
    if (!status) status = leann_coded_measure(ctx, &self->coded);
    if (!status) status = learn_errors(ctx, self, data->train);
    if (status) return status;
    leann_ctx_fact(ctx, "error_mean", self->error.mean);
    leann_ctx_fact(ctx, "error_spread", self->error.spread);
    leann_ctx_fact(ctx, "error_mean_weight", self->error.mean_weight);
    leann_ctx_fact(ctx, "error_spread_weight", self->error.spread_weight);
    return LEANN_OK;
}

/* ---- file ---------------------------------------------------------------------------------------------------------------------- */

static leann_status frugal_save(const leann_index *index, leann_writer *w)
{
    const frugal *self = (const frugal *)index;
    leann_status status = leann_coded_save(&self->coded, w);
    return status ? status : leann_writer_add(w, "error", LEANN_PART_CODEBOOKS, LEANN_F32, 1, sizeof self->error, &self->error);
}

static leann_status frugal_open(leann_ctx *ctx, leann_reader *r, leann_index *index)
{
    frugal *self = (frugal *)index;
    const void *error;
    leann_status status = leann_coded_open(ctx, r, ((const frugal_params *)index->params)->quantizer, index->d, index->space, NULL,
                                           index->n, false, &self->coded);
    if (!status) status = leann_coded_pack(ctx, &self->coded);
    if (!status) status = leann_coded_measure(ctx, &self->coded);
    if (!status) status = leann_reader_need(ctx, r, "error", LEANN_F32, 1, sizeof self->error, &error);
    if (status) return status;
    memcpy(&self->error, error, sizeof self->error);
    const error_law e = self->error;
    if (!isfinite(e.mean) ||
        !(e.spread >= 0 && e.mean_weight >= 0 && e.spread_weight >= 0 && e.spread + e.mean_weight + e.spread_weight < INFINITY))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: the law of its codes' errors, %g, %g, %g, %g, is none that a build gives",
                          leann_reader_path(r), (double)e.mean, (double)e.spread, (double)e.mean_weight, (double)e.spread_weight);
    return LEANN_OK;
}

static void frugal_free(leann_index *index)
{
    leann_coded_free(&((frugal *)index)->coded);
}

static leann_status frugal_check(leann_ctx *ctx, uint64_t n, uint32_t d, leann_space space, const void *params)
{
    (void)space;
    const frugal_params *p = params;
    return leann_quantizer_of(p->quantizer)->check(ctx, n, d, p->quantizer.params);
}

static void frugal_predict(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params,
                           leann_ledger *ledger)
{
    (void)type, (void)space, (void)seed;
    leann_coded_predict(n, d, ((const frugal_params *)params)->quantizer, ledger);
    leann_ledger_add(ledger, LEANN_PART_CODEBOOKS, sizeof(error_law));
}

/* ---- search -------------------------------------------------------------------------------------------------------------------- */

static leann_status frugal_plan(leann_ctx *ctx, leann_plan *plan)
{
    const frugal_query *p = plan->params;
    plan->codes_will_do = p->on_failure;
    return leann_rerank_plan(ctx, plan, p->fetcher, p->rerank);
}

/* A query's own law of errors. */
typedef struct {
    const error_law *law;
    uint32_t n;          /* errors seen */
    double off, squares; /* the sums of what they are off law->mean, and of its squares */
    double mean, spread;
} own_law;

static void see_error(own_law *own, double error)
{
    const double off = error - own->law->mean;
    own->n++;
    own->off += off;
    own->squares += off * off;
}

static void settle(own_law *own)
{
    const error_law *law = own->law;
    const double move = own->off / (own->n + (double)law->mean_weight);
    const double about = own->squares - 2 * move * own->off + own->n * move * move; /* the sum of squares about the new mean */
    own->mean = law->mean + move;
    own->spread = sqrt((law->spread_weight * (double)law->spread * law->spread + fmax(about, 0)) / (law->spread_weight + (double)own->n));
}

/* The chance that a row of key `code` by its code is nearer than cut. */
static double chance_of(const own_law *own, float code, float cut)
{
    return erfc((code + own->mean - cut) / (own->spread * sqrt(2) + 1e-30)) / 2;
}

/* How many of rows of keys code (n), ascending, are expected to be nearer than cut. */
static double expected_below(const own_law *own, const float *code, uint32_t n, float cut)
{
    double sum = 0, chance = 1;
    for (uint32_t i = 0; i < n && chance > 1e-6; i++) sum += chance = chance_of(own, code[i], cut);
    return sum;
}

/* Fetches hits, closest by code first, until the best of the others is unlikely to be among the best->k nearest. */
static leann_status fetch_until(leann_ctx *ctx, const leann_plan *plan, const float *q, leann_hit *hit, uint32_t n, leann_topk *best)
{
    const frugal_query *p = plan->params;
    const error_law *law = &((const frugal *)plan->index)->error;
    own_law own = {.law = law, .mean = law->mean, .spread = law->spread};
    float *code = leann_scratch(ctx, n * sizeof *code);
    if (!code) return leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n; i++) code[i] = hit[i].key;
    leann_status status = LEANN_OK;
    bool done = false;
    uint32_t known = 0;
    while (known < n && !done && !status) {
        const uint32_t step = known == 0 && p->step < best->k ? best->k : p->step, more = step < n - known ? step : n - known;
        status = leann_fetch_wanted(ctx, plan, &(leann_wanted){.q = q, .hit = hit + known, .n = more}, 1);
        for (const uint32_t until = known + more; known < until && !status; known++) {
            leann_topk_push(best, hit[known].key, hit[known].id);
            see_error(&own, (double)hit[known].key - code[known]);
        }
        settle(&own);
        const double chance = known < n ? chance_of(&own, code[known], best->cut) : 0;
        leann_trace(ctx,
                    "%u fetched: key of the %u-th %.5g; codes are off by %.4g, spread %.4g; the best of the others is nearer with %.2g",
                    known, best->k, (double)best->cut, own.mean, own.spread, chance);
        done = p->early_terminate && chance <= 1 - p->confidence_threshold;
    }
    if (status && !leann_codes_will_do(ctx, plan, status)) return status;
    for (uint32_t i = known; i < n && status; i++) leann_topk_push(best, (float)(code[i] + own.mean), hit[i].id);
    const double missing = expected_below(&own, code + known, n - known, best->cut);
    leann_trace(ctx, "it ends: %s; %.3g of the %u nearest are expected to be missing",
                status      ? "a fetch failed"
                : known < n ? "the best row left is not likely enough to be nearer"
                            : "as many were fetched as may be (rerank)",
                missing, best->k);
    leann_ctx_work(ctx)->missing_ppm += (uint64_t)(1e6 * fmin(missing, best->k));
    return LEANN_OK;
}

static leann_status frugal_search(const leann_plan *plan, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key,
                                  uint32_t *found)
{
    const frugal *self = (const frugal *)plan->index;
    const frugal_query *p = plan->params;
    const uint32_t rows = self->common.n, wanted = p->rerank > k ? p->rerank : k, most = wanted < rows ? wanted : rows;
    uint32_t near;
    const size_t mark = leann_scratch_mark(ctx);
    const uint64_t start = leann_now_ns();
    leann_work *work = leann_ctx_work(ctx);
    leann_hit *store = leann_scratch(ctx, k * sizeof *store), *hit;
    leann_topk best;
    leann_status status = store ? leann_coded_nearest(ctx, &self->coded, q, 1, most, &hit, &near) : leann_ctx_status(ctx);
    if (status) return status;
    const uint64_t scanned = leann_now_ns();
    leann_trace(ctx, "codes: %u rows scored, the best %u kept, %.3f ms", rows, near, (double)(scanned - start) * 1e-6);
    leann_topk_start(&best, store, k);
    status = fetch_until(ctx, plan, q, hit, near, &best);
    if (status) return status;
    leann_topk_sort(&best);
    *found = best.n;
    for (uint32_t i = 0; i < best.n; i++) {
        ids[i] = best.hit[i].id;
        key[i] = best.hit[i].key;
    }
    work->dist_comps += rows;
    work->hops += 1;
    work->stage_ns[1] += scanned - start;
    work->stage_ns[2] += leann_now_ns() - scanned;
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* ---- what others ask ------------------------------------------------------------------------------------------------------------- */

static void frugal_inside(const leann_index *index, leann_inside *out)
{
    out->quantizer = ((const frugal *)index)->coded.quantizer;
}

static leann_status frugal_decode(const leann_index *index, leann_ctx *ctx, const uint32_t *ids, uint32_t n, float *x)
{
    return leann_coded_decode(&((const frugal *)index)->coded, ctx, NULL, ids, n, x);
}

const leann_method_type leann_method_frugal = {
    .common = {"frugal", 1, "all codes scored, the best re-keyed exactly until no other row is likely to be in the answer",
               "ours: chances under a normal law of what codes get wrong", build_table, sizeof(frugal_params)},
    .query = query_table,
    .query_size = sizeof(frugal_query),
    .levels = levels,
    .index_size = sizeof(frugal),
    .plan_size = sizeof(leann_plan),
    .build = frugal_build,
    .save = frugal_save,
    .open = frugal_open,
    .free = frugal_free,
    .plan = frugal_plan,
    .search = frugal_search,
    .inside = frugal_inside,
    .decode = frugal_decode,
    .check = frugal_check,
    .predict = frugal_predict,
};
