/* build_facts.c – coverage, balance and quantisation error of a built index (metrics: coverage, balance, quantisation).
 *
 *   coverage      share of rows within τ of an anchor; coverage_auc: the mean of max(0, 1 - r / 2τ), which is the area under the coverage
 *                 curve on [0, 2τ], over 2τ; coverage_knn: on the sample of τ, share of rows with an anchor no farther than their
 *                 ceil(sqrt n)-th neighbour
 *   balance       n² / (m Σ n_j²); entropy over log m; Gini coefficient of n_j
 *   quantization_error  Σ|x - x̂|² / Σ|x - μ|²; anchor_error the same with the nearest anchor for x̂
 *   out_degrees   rows with 0, 1, 2, … links out; hub_links: the least links, in and out, of the 0.5, 1, 2, 5, 10, 20, 50 and 100 % of the
 *                 rows that have most
 *   codes_bias    mean(estimated - true) / mean |true| of the query's key, over at most 100 queries x 1000 rows
 *
 * What depends on the data set alone (τ, the sample, Σ|x - μ|²) and on the anchors alone (the distances to them) are stages of the
 * cache: 72 cells with 8 sets of anchors compute them once and 8 times.
 *
 * Source: probability coverage, Yehuda et al. 2022 (arXiv 2205.11320); imbalance factor, Jégou, Douze & Schmid 2010; radius, Gonzalez
 *         1985. Differs: radius percentiles beside the maximum, which one outlier decides.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/build_facts.h"
#include "core/graph.h"
#include "core/product.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1024, BIAS_QUERIES = 100, BIAS_ROWS = 1000, REVISION = 1 };
static const uint64_t DECODE_LIMIT = 200000000; /* numbers decoded per index at most: beyond, a seeded sample of rows */

static void put(leann_value *facts, const char *name, double value)
{
    leann_value_set(facts, name, leann_value_new_real(value));
}

/* ---- formulas ------------------------------------------------------------------------------------------------------------- */

static int by_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int by_count(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void leann_facts_coverage(leann_value *facts, float *radius, uint32_t n, double tau)
{
    double within = 0, area = 0, sum = 0;
    qsort(radius, n, sizeof *radius, by_float);
    for (uint32_t i = 0; i < n; i++) {
        within += (double)radius[i] <= tau;
        area += tau > 0 ? fmax(0, 1 - (double)radius[i] / (2 * tau)) : radius[i] == 0;
        sum += (double)radius[i];
    }
    put(facts, "tau", tau);
    put(facts, "coverage", within / n);
    put(facts, "coverage_auc", area / n);
    put(facts, "facility_location", sum / n);
    put(facts, "radius_p50", (double)radius[(n - 1) / 2]);
    put(facts, "radius_p99", (double)radius[(uint32_t)(0.99 * (n - 1))]);
    put(facts, "radius_max", (double)radius[n - 1]);
}

/* Gini: Σ (2i - m - 1) n_i / (m Σ n_i) over counts in ascending order, i from 1. */
static double gini(const uint64_t *count, uint32_t m, double total)
{
    uint64_t *sorted = malloc(m * sizeof *sorted);
    double sum = 0;
    if (!sorted) return NAN;
    memcpy(sorted, count, m * sizeof *sorted);
    qsort(sorted, m, sizeof *sorted, by_count);
    for (uint32_t i = 0; i < m; i++) sum += (2.0 * (i + 1) - m - 1) * (double)sorted[i];
    free(sorted);
    return sum / (m * total);
}

void leann_facts_balance(leann_value *facts, const uint64_t *count, uint32_t m)
{
    double total = 0, squares = 0, entropy = 0, most = 0, empty = 0;
    for (uint32_t i = 0; i < m; i++) total += (double)count[i];
    if (!(total > 0)) return;
    for (uint32_t i = 0; i < m; i++) {
        double c = (double)count[i];
        squares += c * c;
        if (c > 0) entropy -= c / total * log(c / total);
        most = fmax(most, c);
        empty += c == 0;
    }
    put(facts, "anchors", m);
    put(facts, "balance", total * total / (m * squares));
    put(facts, "entropy", m > 1 ? entropy / log(m) : 1);
    put(facts, "gini", gini(count, m, total));
    put(facts, "max_over_mean", most * m / total);
    put(facts, "empty_anchors", empty);
}

/* ---- of the data set: τ, its sample, the spread ----------------------------------------------------------------------------- */

typedef struct {
    double tau, spread, lifted_spread; /* Σ|x - μ|² of the rows, and of the lifted ones (inner product) */
    uint32_t n;
    uint32_t *row; /* (n) sampled rows, ascending */
    float *radius; /* (n) distance to their ceil(sqrt n)-th neighbour */
} data_facts;

typedef struct {
    leann_rows given, lifted;
} data_rows;

static void free_data_facts(data_facts *f)
{
    if (!f) return;
    leann_free(f->row);
    leann_free(f->radius);
    leann_free(f);
}

typedef struct {
    leann_rows rows;
    double *sum; /* (chunks, d + 1): column sums and the sum of squares */
} spread_job;

static leann_status spread_task(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const spread_job *job = arg;
    uint32_t d = job->rows.d;
    double *sum = job->sum + begin / BLOCK * (d + 1);
    float *x = leann_scratch(worker, d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    for (size_t i = begin; i < end; i++) {
        leann_rows_floats(job->rows, (uint32_t)i, 1, x);
        for (uint32_t j = 0; j < d; j++) {
            sum[j] += (double)x[j];
            sum[d] += (double)x[j] * (double)x[j];
        }
    }
    return LEANN_OK;
}

/* Σ|x|² - n|μ|² in double. */
static leann_status spread_of(leann_ctx *ctx, leann_rows rows, double *out)
{
    size_t chunks = (rows.n + BLOCK - 1) / BLOCK, width = (size_t)rows.d + 1;
    spread_job job = {rows, leann_alloc(ctx, chunks, width * sizeof(double))};
    leann_status s = job.sum ? leann_parallel(ctx, rows.n, BLOCK, spread_task, &job) : LEANN_ENOMEM;
    if (!s) {
        double mean = 0;
        for (size_t c = 1; c < chunks; c++)
            for (size_t j = 0; j < width; j++) job.sum[j] += job.sum[c * width + j];
        for (uint32_t j = 0; j < rows.d; j++) mean += job.sum[j] * job.sum[j];
        *out = fmax(0, job.sum[rows.d] - mean / rows.n);
    }
    leann_free(job.sum);
    return s;
}

static leann_status make_data_facts(leann_ctx *ctx, void *arg, void **object)
{
    const data_rows *rows = arg;
    double *radius = NULL;
    data_facts *f = leann_alloc(ctx, 1, sizeof *f);
    if (!f) return LEANN_ENOMEM;
    leann_status s = leann_coverage_sample(ctx, rows->lifted, 0, &f->tau, &f->n, &f->row, &radius);
    if (!s) s = spread_of(ctx, rows->given, &f->spread);
    f->lifted_spread = f->spread;
    if (!s && rows->lifted.base != rows->given.base) s = spread_of(ctx, rows->lifted, &f->lifted_spread);
    if (!s && !(f->radius = leann_alloc(ctx, (size_t)f->n + 1, sizeof *f->radius))) s = LEANN_ENOMEM;
    for (uint32_t i = 0; !s && i < f->n; i++) f->radius[i] = (float)radius[i];
    leann_free(radius);
    if (s)
        free_data_facts(f);
    else
        *object = f;
    return s;
}

static leann_status save_data_facts(const void *object, leann_writer *w)
{
    const data_facts *f = object;
    double numbers[3] = {f->tau, f->spread, f->lifted_spread};
    leann_status s = leann_writer_add(w, "numbers", LEANN_PART_META, LEANN_BYTES, 3, sizeof(double), numbers);
    if (!s) s = leann_writer_add(w, "row", LEANN_PART_META, LEANN_U32, f->n, sizeof *f->row, f->row);
    return s ? s : leann_writer_add(w, "radius", LEANN_PART_META, LEANN_F32, f->n, sizeof *f->radius, f->radius);
}

static leann_status open_data_facts(leann_ctx *ctx, leann_reader *r, void *arg, void **object)
{
    const data_rows *rows = arg;
    const void *numbers, *row, *radius;
    const leann_section *section = leann_reader_find(r, "row");
    uint64_t n = section ? section->rows : 0;
    if (n > rows->given.n)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: a sample of %llu rows of %u", leann_reader_path(r), (unsigned long long)n,
                          rows->given.n);
    leann_status s = leann_reader_need(ctx, r, "numbers", LEANN_BYTES, 3, sizeof(double), &numbers);
    if (!s) s = leann_reader_need(ctx, r, "row", LEANN_U32, n, sizeof(uint32_t), &row);
    if (!s) s = leann_reader_need(ctx, r, "radius", LEANN_F32, n, sizeof(float), &radius);
    data_facts *f = s ? NULL : leann_alloc(ctx, 1, sizeof *f);
    if (!f) return s ? s : LEANN_ENOMEM;
    f->n = (uint32_t)n;
    f->row = leann_alloc(ctx, n + 1, sizeof *f->row);
    f->radius = leann_alloc(ctx, n + 1, sizeof *f->radius);
    if (!f->row || !f->radius) {
        free_data_facts(f);
        return LEANN_ENOMEM;
    }
    memcpy(&f->tau, numbers, sizeof(double));
    memcpy(&f->spread, (const char *)numbers + sizeof(double), sizeof(double));
    memcpy(&f->lifted_spread, (const char *)numbers + 2 * sizeof(double), sizeof(double));
    memcpy(f->row, row, n * sizeof *f->row);
    memcpy(f->radius, radius, n * sizeof *f->radius);
    *object = f;
    return LEANN_OK;
}

static leann_value *stage_key(const char *of)
{
    leann_value *key = leann_value_new_map();
    leann_value_set(key, "facts", leann_value_new_text(of));
    leann_value_set(key, "revision", leann_value_new_int(REVISION));
    return key;
}

/* ---- of the anchors: every row's nearest ------------------------------------------------------------------------------------ */

typedef struct {
    leann_rows rows;
    const float *anchors; /* (m, d) */
    uint32_t m;
} nearest_job;
typedef struct {
    uint32_t n;
    float *key; /* (n) squared distance to the nearest anchor */
} nearest_facts;

static leann_status make_nearest(leann_ctx *ctx, void *arg, void **object)
{
    const nearest_job *job = arg;
    nearest_facts *f = leann_alloc(ctx, 1, sizeof *f);
    uint32_t *owner = leann_alloc(ctx, job->rows.n, sizeof *owner);
    leann_status s = f && owner && (f->key = leann_alloc(ctx, job->rows.n, sizeof *f->key)) ? LEANN_OK : LEANN_ENOMEM;
    if (!s) s = leann_nearest(ctx, job->rows, job->anchors, job->m, owner, f->key);
    leann_free(owner);
    if (s) {
        leann_free(f ? f->key : NULL);
        leann_free(f);
        return s;
    }
    f->n = job->rows.n;
    *object = f;
    return LEANN_OK;
}

static leann_status save_nearest(const void *object, leann_writer *w)
{
    const nearest_facts *f = object;
    return leann_writer_add(w, "key", LEANN_PART_META, LEANN_F32, f->n, sizeof *f->key, f->key);
}

static leann_status open_nearest(leann_ctx *ctx, leann_reader *r, void *arg, void **object)
{
    const nearest_job *job = arg;
    const void *key;
    leann_status s = leann_reader_need(ctx, r, "key", LEANN_F32, job->rows.n, sizeof(float), &key);
    nearest_facts *f = s ? NULL : leann_alloc(ctx, 1, sizeof *f);
    if (!f) return s ? s : LEANN_ENOMEM;
    f->n = job->rows.n;
    if (!(f->key = leann_alloc(ctx, f->n, sizeof *f->key))) {
        leann_free(f);
        return LEANN_ENOMEM;
    }
    memcpy(f->key, key, f->n * sizeof *f->key);
    *object = f;
    return LEANN_OK;
}

static leann_status anchor_facts(leann_ctx *ctx, leann_rows rows, const leann_inside *in, leann_stages *stages, const data_facts *of_data,
                                 leann_value *facts)
{
    char hex[65];
    void *object = NULL;
    nearest_job job = {rows, NULL, in->anchors.n};
    float *anchors = leann_alloc(ctx, in->anchors.n, in->anchors.d * sizeof *anchors);
    leann_sha *sha = anchors ? leann_sha_new() : NULL;
    leann_value *key = stage_key("anchors");
    if (!sha) {
        leann_value_free(key);
        leann_free(anchors);
        return leann_fail(ctx, LEANN_ENOMEM, "out of memory");
    }
    leann_rows_floats(in->anchors, 0, in->anchors.n, anchors);
    leann_sha_add(sha, anchors, (size_t)in->anchors.n * in->anchors.d * sizeof *anchors);
    leann_sha_end(sha, hex);
    leann_value_set(key, "sha", leann_value_new_text(hex));
    job.anchors = anchors;
    leann_stage stage = {"nearest anchors", key, make_nearest, save_nearest, open_nearest};
    leann_status s = leann_stages_run(stages, ctx, stage, &job, &object);
    leann_free(anchors);
    if (s) return s;
    nearest_facts *f = object;
    double error = 0, near = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        error += (double)f->key[i];
        f->key[i] = sqrtf(f->key[i] > 0 ? f->key[i] : 0); /* products can end a little below 0 */
    }
    for (uint32_t i = 0; i < of_data->n; i++) near += f->key[of_data->row[i]] <= of_data->radius[i];
    if (of_data->n) put(facts, "coverage_knn", near / of_data->n);
    if (of_data->lifted_spread > 0) put(facts, "anchor_error", error / of_data->lifted_spread);
    leann_facts_coverage(facts, f->key, f->n, of_data->tau);
    leann_free(f->key);
    leann_free(f);
    return LEANN_OK;
}

static leann_status balance_facts(leann_ctx *ctx, const leann_inside *in, leann_value *facts)
{
    uint32_t m = in->anchors.n;
    uint64_t *count = leann_alloc(ctx, m, sizeof *count);
    if (!count) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < m; i++) count[i] = in->list_off[i + 1] - in->list_off[i];
    leann_facts_balance(facts, count, m);
    leann_free(count);
    return LEANN_OK;
}

/* ---- of the codes ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const leann_index *index;
    leann_rows rows;
    const uint32_t *ids;
    double *error; /* (chunks) */
} decode_job;

static leann_status decode_task(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const decode_job *job = arg;
    uint32_t n = (uint32_t)(end - begin), d = job->rows.d;
    float *x = leann_scratch(worker, (size_t)n * d * sizeof *x), *y = leann_scratch(worker, (size_t)n * d * sizeof *y);
    if (!x || !y) return LEANN_ENOMEM;
    leann_rows_gather(job->rows, job->ids + begin, n, x);
    leann_status s = job->index->type->decode(job->index, worker, job->ids + begin, n, y);
    if (s) return s;
    double sum = 0;
    for (size_t i = 0; i < (size_t)n * d; i++) sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    job->error[begin / BLOCK] = sum;
    return LEANN_OK;
}

static double key_of(leann_space space, const float *q, const float *x, uint32_t d)
{
    double key = 0;
    for (uint32_t j = 0; j < d; j++)
        key += space == LEANN_IP ? -(double)q[j] * (double)x[j] : ((double)q[j] - (double)x[j]) * ((double)q[j] - (double)x[j]);
    return key;
}

static leann_status bias_of(leann_ctx *ctx, const leann_dataset *data, const leann_index *index, const uint32_t *ids, uint32_t n,
                            double *bias)
{
    uint32_t d = data->train.d, queries = data->test.n < BIAS_QUERIES ? data->test.n : BIAS_QUERIES;
    if (n > BIAS_ROWS) n = BIAS_ROWS;
    size_t mark = leann_scratch_mark(ctx);
    float *x = leann_scratch(ctx, (size_t)n * d * sizeof *x), *y = leann_scratch(ctx, (size_t)n * d * sizeof *y);
    float *q = leann_scratch(ctx, d * sizeof *q);
    double off = 0, size = 0;
    leann_status s = x && y && q ? index->type->decode(index, ctx, ids, n, y) : LEANN_ENOMEM;
    if (!s) leann_rows_gather(data->train, ids, n, x);
    for (uint32_t j = 0; j < queries && !s; j++) {
        leann_rows_floats(data->test, j, 1, q);
        for (uint32_t i = 0; i < n; i++) {
            double truth = key_of(data->train.space, q, x + (size_t)i * d, d);
            off += key_of(data->train.space, q, y + (size_t)i * d, d) - truth;
            size += fabs(truth);
        }
    }
    leann_scratch_reset(ctx, mark);
    *bias = size > 0 ? off / size : 0;
    return s;
}

static leann_status code_facts(leann_ctx *ctx, const leann_dataset *data, const leann_index *index, double spread, leann_value *facts)
{
    uint32_t n = data->train.n;
    double mse = 0, bias = 0;
    if (!index->type->decode) { /* exact vectors are kept */
        put(facts, "quantization_error", 0);
        put(facts, "mse", 0);
        return LEANN_OK;
    }
    if ((uint64_t)n * data->train.d > DECODE_LIMIT) n = (uint32_t)(DECODE_LIMIT / data->train.d);
    decode_job job = {.index = index, .rows = data->train};
    uint32_t *ids = leann_alloc(ctx, n, sizeof *ids);
    job.error = leann_alloc(ctx, (n + BLOCK - 1) / BLOCK, sizeof *job.error);
    leann_status s = ids && job.error ? LEANN_OK : LEANN_ENOMEM;
    if (!s) {
        leann_rng rng = leann_rng_at(1, "decoded rows", 0);
        leann_rng_sample(&rng, data->train.n, n, false, ids);
        job.ids = ids;
        s = leann_parallel(ctx, n, BLOCK, decode_task, &job);
    }
    if (!s) s = bias_of(ctx, data, index, ids, n, &bias);
    for (uint32_t c = 0; !s && c < (n + BLOCK - 1) / BLOCK; c++) mse += job.error[c];
    if (!s) {
        mse /= n;
        put(facts, "mse", mse);
        if (spread > 0) put(facts, "quantization_error", mse * data->train.n / spread);
        put(facts, "codes_bias", bias);
    }
    leann_free(ids);
    leann_free(job.error);
    return s;
}

/* ---- of a graph -------------------------------------------------------------------------------------------------------------- */

/* [number, …] */
static leann_value *list_of(const uint64_t *number, size_t n)
{
    leann_value *list = leann_value_new_list();
    for (size_t i = 0; i < n; i++) leann_value_append(list, leann_value_new_int((int64_t)number[i]));
    return list;
}

leann_status leann_facts_degrees(leann_ctx *ctx, leann_value *facts, const leann_graph *graph)
{
    enum { SHARES = 8 };
    static const uint64_t thousandths[SHARES] = {5, 10, 20, 50, 100, 200, 500, 1000};
    uint64_t *rows = leann_alloc(ctx, (size_t)graph->slots + 1, sizeof *rows), *links = leann_alloc(ctx, graph->n, sizeof *links);
    uint64_t least[SHARES];
    leann_status s = rows && links ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; i < graph->n && !s; i++) {
        const uint32_t *list = leann_graph_list(graph, i);
        rows[list[0]]++;
        links[i] += list[0];
        for (uint32_t j = 1; j <= list[0]; j++) links[list[j]]++;
    }
    if (!s) {
        qsort(links, graph->n, sizeof *links, by_count);
        for (size_t i = 0; i < SHARES; i++) {
            const uint64_t hubs = graph->n * thousandths[i] / 1000;
            least[i] = links[graph->n - (hubs ? hubs : 1)];
        }
        leann_value_set(facts, "out_degrees", list_of(rows, (size_t)graph->slots + 1));
        leann_value_set(facts, "hub_links", list_of(least, SHARES));
    }
    leann_free(rows);
    leann_free(links);
    return s;
}

/* ---- all together ------------------------------------------------------------------------------------------------------------ */

static leann_status all_facts(leann_ctx *ctx, const leann_dataset *data, leann_rows lifted, const leann_index *index, leann_stages *stages,
                              leann_value *facts)
{
    leann_inside in = {0};
    void *object = NULL;
    data_rows rows = {data->train, lifted};
    leann_status s = LEANN_OK;
    if (index->type->inside) index->type->inside(index, &in);
    bool anchors = in.anchors.n && in.anchors.d == lifted.d;
    if (anchors || index->type->decode) { /* else nothing below needs them */
        leann_stage stage = {"facts of the data", stage_key("data"), make_data_facts, save_data_facts, open_data_facts};
        s = leann_stages_run(stages, ctx, stage, &rows, &object);
        if (s) return s;
    }
    data_facts *of_data = object;
    if (anchors) s = anchor_facts(ctx, lifted, &in, stages, of_data, facts);
    if (!s && in.anchors.n && in.list_off) s = balance_facts(ctx, &in, facts);
    if (!s && in.graph && in.graph->links) {
        put(facts, "mean_degree", leann_graph_mean_degree(in.graph));
        s = leann_facts_degrees(ctx, facts, in.graph);
    }
    if (!s) s = code_facts(ctx, data, index, of_data ? of_data->spread : 0, facts);
    free_data_facts(of_data);
    return s;
}

leann_status leann_build_facts(leann_ctx *ctx, const leann_dataset *data, const leann_index *index, const char *folder, leann_value **out)
{
    leann_stages *stages = NULL;
    leann_rows lifted = data->train;
    leann_value *facts = leann_value_new_map();
    uint64_t seed = leann_ctx_seed(ctx);
    leann_ctx_set_seed(ctx, 1); /* these belong to the data set and the anchors, whatever seed made the anchors */
    leann_status s = leann_stages_new(ctx, folder, data->sha, &stages);
    if (!s) s = leann_rows_lift(ctx, data->train, &lifted);
    if (!s) s = all_facts(ctx, data, lifted, index, stages, facts);
    if (lifted.base != data->train.base) leann_free((void *)(uintptr_t)lifted.base);
    leann_stages_free(stages);
    leann_ctx_set_seed(ctx, seed);
    if (s)
        leann_value_free(facts);
    else
        *out = facts;
    return s;
}
