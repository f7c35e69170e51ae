/* parts_bench.c – times k-means, product quantisation, scans of codes and exact search on a data set, each checked against a plain
 * computation in float64; about (repeats) * (k-means rounds, n q d of exact search …) of the workers' time.
 *
 * A scan is timed over several queries against all codes, as a batch search does it: look-up tables, n keys each, the top.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/parts_bench.h"

#include "core/quantizer.h"
#include "core/simd/dense.h"
#include "core/simd/peak.h"
#include "eval/recall.h"
#include "eval/stats.h"
#include "methods/parts.h"
#include "quant/pq_book.h"

#include <stdio.h>
#include <string.h>

enum {
    MOST_REPEATS = 1001,
    MOST_TIMINGS = 2 * LEANN_PARTS_KS + 8,
    MOST_FIRST_ROUNDS = 1000000,
    MOST_ROUNDS = 4,     /* as a multiple of options.rounds: where the search for an inertia gives up */
    CHECKED_ROWS = 64,   /* rows whose nearest centroids are looked for plainly */
    CHECKED_QUERIES = 3, /* each against all rows */
    GROUP = 8,           /* queries of a scan that share a pass, as in method codes */
    DECODED = 1024,      /* rows decoded at a time */
    PEAK_ROUNDS = 20000, /* of a chunk: a tenth of a millisecond, so that workers that wake late find some left */
    PEAK_CHUNKS = 512    /* a thread */
};

const char *const leann_bench_part_words[LEANN_BENCH_PARTS] = {"peak", "kmeans", "pq", "adc", "fastscan", "exact"};

typedef struct {
    leann_ctx *ctx;
    const leann_dataset *data;
    const leann_parts_options *options;
    leann_rows l2; /* data->train, judged by squared L2 */
    double *samples;
    leann_parts_report *report;
} bench;

/* ---- timing ---------------------------------------------------------------------------------------------------------------- */

typedef leann_status work(bench *b, void *arg);

static leann_part_timing *add_timing(bench *b, const char *part, double items, const char *unit)
{
    leann_part_timing *t = &b->report->timing[b->report->n++];
    *t = (leann_part_timing){.seconds = NAN, .least = NAN, .most = NAN, .rate = items, .unit = unit, .quality = NAN, .measure = ""};
    snprintf(t->part, sizeof t->part, "%s", part);
    return t;
}

/* rate holds the items of a run before, their number a second after. check: NULL, or what must hold of every run. */
static leann_status time_work(bench *b, leann_part_timing *t, work *run, work *check, void *arg)
{
    unsigned repeats = b->options->repeats;
    for (unsigned r = 0; r < repeats; r++) {
        leann_ctx_progress(b->ctx, t->part, r, repeats);
        uint64_t start = leann_now_ns();
        leann_status status = run(b, arg);
        b->samples[r] = (double)(leann_now_ns() - start) * 1e-9;
        if (!status && check) status = check(b, arg);
        if (!status && leann_ctx_cancelled(b->ctx)) status = leann_fail(b->ctx, LEANN_EINTR, "interrupted");
        if (status) return status;
    }
    leann_ctx_progress(b->ctx, t->part, repeats, repeats);
    t->seconds = leann_stats_median(b->samples, repeats);
    t->least = b->samples[0];
    t->most = b->samples[repeats - 1];
    t->rate /= t->seconds;
    return LEANN_OK;
}

/* ---- plain references ------------------------------------------------------------------------------------------------------ */

static leann_rows floats(const float *x, uint32_t n, uint32_t d, leann_space space)
{
    return (leann_rows){.base = x, .stride = d * sizeof *x, .n = n, .d = d, .type = LEANN_F32, .space = space};
}

static uint32_t sampled_row(uint32_t i, uint32_t n)
{
    return (uint32_t)((uint64_t)i * n / CHECKED_ROWS);
}

static double square(const float *x, uint32_t d)
{
    double sum = 0;
    for (uint32_t j = 0; j < d; j++) sum += (double)x[j] * (double)x[j];
    return sum;
}

static double distance(const float *x, const float *y, uint32_t d)
{
    double sum = 0;
    for (uint32_t j = 0; j < d; j++) sum += ((double)x[j] - (double)y[j]) * ((double)x[j] - (double)y[j]);
    return sum;
}

/* ---- the peak -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const leann_peak_loop *loop;
    size_t chunks;
} peak;

static leann_status peak_task(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker;
    const peak *p = arg;
    volatile float kept; /* so that no result is unused; of this task, because all of them run at once */
    for (size_t i = begin; i < end; i++) kept = p->loop->run(PEAK_ROUNDS, 0.5F);
    (void)kept;
    return LEANN_OK;
}

static leann_status peak_run(bench *b, void *arg)
{
    const peak *p = arg;
    return leann_parallel(b->ctx, p->chunks, 1, peak_task, arg);
}

static leann_status bench_peak(bench *b)
{
    size_t count;
    const leann_peak_loop *loops = leann_peak_loops(&count);
    peak p = {.loop = loops, .chunks = (size_t)PEAK_CHUNKS * leann_ctx_threads(b->ctx)};
    for (size_t i = 0; i < count; i++)
        if (loops[i].operand == LEANN_PEAK_F32 && leann_dense_named(loops[i].isa)) p.loop = &loops[i];
    leann_part_timing *t = add_timing(b, "peak", (double)p.chunks * PEAK_ROUNDS * p.loop->flops * 1e-9, "GFLOP/s");
    snprintf(t->about, sizeof t->about, "multiply-adds, %s", p.loop->isa);
    return time_work(b, t, peak_run, NULL, &p);
}

/* ---- k-means --------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t k, rounds;
    float *centroids;
    uint32_t *owner;
    double inertia;
} means;

static leann_status means_run(bench *b, void *arg)
{
    means *m = arg;
    leann_kmeans_options options = {.k = m->k, .iterations = m->rounds, .stage = "kmeans", .quiet = true};
    return leann_kmeans(b->ctx, b->l2, options, m->centroids, m->owner, &m->inertia);
}

/* The owners of some rows are their nearest centroids, and the inertia is that of all owners. A choice made on float32 products may
 * fall on a centroid as near as d 2^-23 |x||c|, see leann_nearest. */
static leann_status means_check(bench *b, void *arg)
{
    const means *m = arg;
    uint32_t n = b->l2.n, d = b->l2.d;
    leann_rows centroids = floats(m->centroids, m->k, d, LEANN_L2), origin = centroids;
    float *zero = leann_alloc(b->ctx, d, sizeof *zero);
    double inertia = 0;
    if (!zero) return LEANN_ENOMEM;
    origin.base = zero;
    for (uint32_t i = 0; i < n; i++) inertia += leann_distance_f64(b->l2, i, centroids, m->owner[i]);
    leann_status status = LEANN_OK;
    if (!(fabs(inertia - m->inertia) <= 1e-4 * inertia))
        status =
            leann_fail(b->ctx, LEANN_EINVAL, "k-means, %u centroids: inertia %.9g, but its owners' is %.9g", m->k, m->inertia, inertia);
    for (uint32_t i = 0; i < CHECKED_ROWS && !status; i++) {
        uint32_t row = sampled_row(i, n), near = m->owner[row];
        double own = leann_distance_f64(b->l2, row, centroids, near), best = own;
        for (uint32_t j = 0; j < m->k; j++) {
            double key = leann_distance_f64(b->l2, row, centroids, j);
            if (key < best) best = key, near = j;
        }
        double lengths = sqrt(leann_distance_f64(b->l2, row, origin, 0) * leann_distance_f64(centroids, near, origin, 0));
        if (own - best > d * 0x1p-22 * lengths)
            status = leann_fail(b->ctx, LEANN_EINVAL, "k-means, %u centroids: row %u is given to one at %.9g; the nearest is at %.9g", m->k,
                                row, own, best);
    }
    leann_free(zero);
    return status;
}

/* The fewest rounds whose inertia is at most wanted, into m->rounds; 0: not reached. Inertia falls with every round; m holds that of
 * options.rounds. */
static leann_status find_rounds(bench *b, means *m, double wanted)
{
    uint32_t low = 0, high = m->rounds; /* the answer is in (low, high] */
    leann_status status = LEANN_OK;
    if (m->inertia > wanted) {
        low = high;
        m->rounds = high = MOST_ROUNDS * low;
        status = means_run(b, m);
        if (m->inertia > wanted) low = high = 0;
    }
    while (!status && high - low > 1) {
        m->rounds = low + (high - low) / 2;
        status = means_run(b, m);
        if (m->inertia <= wanted)
            high = m->rounds;
        else
            low = m->rounds;
    }
    m->rounds = high;
    return status;
}

static leann_status time_means(bench *b, means *m, const char *suffix)
{
    char name[32];
    snprintf(name, sizeof name, "kmeans %u%s", m->k, suffix);
    leann_part_timing *t = add_timing(b, name, (double)b->l2.n * m->k * m->rounds, "row-centroid pairs");
    t->measure = "inertia";
    t->rounds = m->rounds;
    snprintf(t->about, sizeof t->about, "%u rounds", m->rounds);
    leann_status status = m->rounds ? time_work(b, t, means_run, means_check, m) : LEANN_OK;
    t->quality = m->rounds ? m->inertia : NAN;
    return status;
}

static leann_status bench_kmeans(bench *b)
{
    const leann_parts_options *o = b->options;
    for (unsigned i = 0; i < LEANN_PARTS_KS && o->k[i]; i++) {
        means m = {.k = o->k[i], .rounds = o->rounds};
        m.centroids = leann_alloc(b->ctx, (size_t)m.k * b->l2.d, sizeof *m.centroids);
        m.owner = leann_alloc(b->ctx, b->l2.n, sizeof *m.owner);
        leann_status status = m.centroids && m.owner ? time_means(b, &m, "") : LEANN_ENOMEM;
        if (!status && o->inertia[i] > 0) {
            status = find_rounds(b, &m, o->inertia[i]);
            if (!status) status = time_means(b, &m, " to inertia");
        }
        leann_free(m.centroids);
        leann_free(m.owner);
        if (status) return status;
    }
    return LEANN_OK;
}

/* ---- product quantisation ------------------------------------------------------------------------------------------------------ */

typedef struct {
    leann_choice choice;
    const leann_quantizer_type *type;
    uint32_t centroids, sub_vectors;
    leann_rows sample;
    leann_quantizer *quantizer;
    uint8_t *code, *packed;
    leann_codes codes;
    float *q;      /* (queries, d) */
    uint32_t *ids; /* (queries, top) */
    uint32_t queries, top;
} coder;

static void coder_free(coder *c)
{
    leann_quantizer_free(c->quantizer);
    leann_choice_free(c->choice);
    leann_free((void *)(uintptr_t)c->sample.base);
    leann_free(c->code);
    leann_free(c->packed);
    leann_free(c->q);
    leann_free(c->ids);
}

static leann_status coder_new(bench *b, uint32_t centroids, coder *c)
{
    char text[96];
    leann_value *given = NULL;
    *c = (coder){.centroids = centroids};
    snprintf(text, sizeof text, "{pq: {sub_vectors: %u, codebook_size: %u}}", b->options->sub_vectors, centroids);
    leann_status status = leann_config_parse(b->ctx, "pq", text, strlen(text), &given);
    if (!status) status = leann_choice_new(b->ctx, "quantizer", given, &c->choice);
    leann_value_free(given);
    if (status) return status;
    c->type = leann_quantizer_of(c->choice);
    if ((status = c->type->check(b->ctx, b->l2.n, b->l2.d, c->choice.params))) return status;
    uint32_t bytes = c->type->code_bytes(b->l2.d, c->choice.params), n, *ids;
    c->sub_vectors = leann_pq_sub_vectors(b->l2.d, c->choice.params);
    if ((status = leann_coded_sample(b->ctx, b->l2, c->choice, &ids, &n))) return status;
    float *x = leann_alloc(b->ctx, (size_t)n * b->l2.d, sizeof *x);
    c->sample = floats(x, n, b->l2.d, LEANN_L2);
    c->code = leann_alloc(b->ctx, b->l2.n, bytes);
    c->codes = (leann_codes){.code = c->code, .stride = bytes, .n = b->l2.n, .space = b->data->train.space};
    if (x) leann_rows_gather(b->l2, ids, n, x);
    leann_free(ids);
    return leann_ctx_status(b->ctx);
}

static leann_status train_run(bench *b, void *arg)
{
    coder *c = arg;
    leann_quantizer_free(c->quantizer);
    c->quantizer = NULL;
    return c->type->train(b->ctx, c->sample, c->choice.params, &c->quantizer);
}

static leann_status encode_run(bench *b, void *arg)
{
    const coder *c = arg;
    return c->type->encode(b->ctx, c->quantizer, b->l2, c->code);
}

/* Codes of some rows name the nearest centroids of their sub-spaces; what these are, codes of one number say. */
static leann_status encode_check(bench *b, void *arg)
{
    const coder *c = arg;
    uint32_t d = b->l2.d, bytes = (uint32_t)c->codes.stride, width = d / c->sub_vectors;
    float *book = leann_alloc(b->ctx, (size_t)c->centroids * d, sizeof *book), *x = leann_alloc(b->ctx, 2 * (size_t)d, sizeof *x);
    uint8_t *codes = leann_alloc(b->ctx, c->centroids, bytes);
    if (!book || !x || !codes) goto done;
    for (uint32_t j = 0; j < c->centroids; j++) memset(codes + j * bytes, (int)(c->centroids > 16 ? j : j | j << 4), bytes);
    c->type->decode(c->quantizer, b->ctx, codes, bytes, c->centroids, book);
    for (uint32_t i = 0; i < CHECKED_ROWS && !leann_ctx_status(b->ctx); i++) {
        uint32_t row = sampled_row(i, b->l2.n);
        leann_rows_floats(b->l2, row, 1, x);
        c->type->decode(c->quantizer, b->ctx, c->code + (size_t)row * bytes, bytes, 1, x + d);
        for (uint32_t s = 0; s < d; s += width) {
            double own = distance(x + s, x + d + s, width), best = own;
            for (uint32_t j = 0; j < c->centroids; j++) best = fmin(best, distance(x + s, book + (size_t)j * d + s, width));
            if (own - best > 1e-5 * (square(x + s, width) + square(x + d + s, width))) {
                leann_fail(b->ctx, LEANN_EINVAL, "pq, %u centroids: row %u is coded at %.9g from column %u on; the nearest is at %.9g",
                           c->centroids, row, own, s, best);
                break;
            }
        }
    }
done:
    leann_free(book);
    leann_free(x);
    leann_free(codes);
    return leann_ctx_status(b->ctx);
}

/* The squared distance of all rows to what their codes stand for, as a share of that to their mean. */
static leann_status relative_error(bench *b, const coder *c, double *error)
{
    uint32_t n = b->l2.n, d = b->l2.d;
    float *x = leann_alloc(b->ctx, (size_t)2 * DECODED * d, sizeof *x), *y = x + (size_t)DECODED * d;
    double *sum = leann_alloc(b->ctx, d, sizeof *sum), squares = 0, miss = 0;
    for (uint32_t at = 0; x && sum && at < n; at += DECODED) {
        uint32_t rows = n - at < DECODED ? n - at : DECODED;
        leann_rows_floats(b->l2, at, rows, x);
        c->type->decode(c->quantizer, b->ctx, c->code + at * c->codes.stride, c->codes.stride, rows, y);
        miss += distance(x, y, rows * d);
        squares += square(x, rows * d);
        for (uint32_t i = 0; i < rows * d; i++) sum[i % d] += (double)x[i];
    }
    for (uint32_t j = 0; sum && j < d; j++) squares -= sum[j] * sum[j] / n;
    *error = squares > 0 ? miss / squares : NAN;
    leann_free(x);
    leann_free(sum);
    return leann_ctx_status(b->ctx);
}

/* Trained and encoded; both timed where pq is asked for. */
static leann_status bench_codes(bench *b, coder *c)
{
    if (!b->options->only[LEANN_BENCH_PQ] || c->centroids <= 16) {
        leann_status status = train_run(b, c);
        if (!status) status = encode_run(b, c);
        return status ? status : encode_check(b, c);
    }
    leann_part_timing *train = add_timing(b, "pq train", c->sample.n, "rows");
    leann_part_timing *encode = add_timing(b, "pq encode", b->l2.n, "rows");
    snprintf(train->about, sizeof train->about, "%u x %u on %u rows", c->sub_vectors, c->centroids, c->sample.n);
    snprintf(encode->about, sizeof encode->about, "%u x %u", c->sub_vectors, c->centroids);
    leann_status status = time_work(b, train, train_run, NULL, c);
    if (!status) status = time_work(b, encode, encode_run, encode_check, c);
    if (!status) status = relative_error(b, c, &train->quality);
    encode->quality = train->quality;
    train->measure = encode->measure = "relative error";
    return status;
}

static leann_status scan_task(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const coder *c = arg;
    leann_scorer *scorer[GROUP] = {0};
    leann_sieve top[GROUP];
    for (size_t i = begin; i < end; i++) {
        scorer[i - begin] = c->type->prepare(c->quantizer, worker, &c->codes, c->q + i * c->quantizer->d, NULL);
        if (!scorer[i - begin] || !leann_sieve_start(&top[i - begin], worker, c->top)) return leann_ctx_status(worker);
    }
    leann_scan_all(scorer, top, (uint32_t)(end - begin), c->codes.n);
    for (size_t i = begin; i < end; i++) {
        const leann_hit *hit = leann_sieve_sort(&top[i - begin]);
        for (uint32_t j = 0; j < c->top; j++) c->ids[i * c->top + j] = hit[j].id;
    }
    return LEANN_OK;
}

static leann_status scan_run(bench *b, void *arg)
{
    const coder *c = arg;
    return leann_parallel(b->ctx, c->queries, GROUP, scan_task, arg);
}

/* key (n) of one query to what all codes stand for. x: room for DECODED rows. */
static void plain_keys(bench *b, const coder *c, const float *q, float *x, double *key)
{
    uint32_t n = b->l2.n, d = b->l2.d;
    leann_space space = c->codes.space == LEANN_IP ? LEANN_IP : LEANN_L2;
    for (uint32_t at = 0; at < n; at += DECODED) {
        uint32_t rows = n - at < DECODED ? n - at : DECODED;
        c->type->decode(c->quantizer, b->ctx, c->code + at * c->codes.stride, c->codes.stride, rows, x);
        for (uint32_t i = 0; i < rows; i++) key[at + i] = leann_distance_f64(floats(q, 1, d, space), 0, floats(x, rows, d, space), i);
    }
}

/* A scan's top are the nearest of all codes; a table in 8 bits, as fast scans have, may miss one in ten. */
static leann_status scan_check(bench *b, void *arg)
{
    const coder *c = arg;
    uint32_t n = b->l2.n, d = b->l2.d, good = 0, of = 0;
    float *x = leann_alloc(b->ctx, (size_t)DECODED * d, sizeof *x);
    double *key = leann_alloc(b->ctx, n, sizeof *key), *sorted = leann_alloc(b->ctx, n, sizeof *sorted);
    for (uint32_t i = 0; x && key && sorted && i < c->queries && i < CHECKED_QUERIES; i++) {
        plain_keys(b, c, c->q + (size_t)i * d, x, key);
        memcpy(sorted, key, n * sizeof *key);
        leann_stats_sort(sorted, n);
        double limit = sorted[c->top - 1] + 1e-5 * (fabs(sorted[c->top - 1]) + square(c->q + (size_t)i * d, d));
        for (uint32_t j = 0; j < c->top; j++) good += key[c->ids[(size_t)i * c->top + j]] <= limit;
        of += c->top;
    }
    leann_free(x);
    leann_free(key);
    leann_free(sorted);
    if (leann_ctx_status(b->ctx)) return leann_ctx_status(b->ctx);
    if (good >= (c->centroids > 16 ? 1.0 : 0.9) * of) return LEANN_OK;
    return leann_fail(b->ctx, LEANN_EINVAL, "a scan of %u x %u codes has %u of the %u nearest", c->sub_vectors, c->centroids, good, of);
}

/* recall_tie of the scan's answers, where the data set knows as many neighbours. */
static leann_status scan_recall(bench *b, const coder *c, double *recall)
{
    if (!b->data->neighbors || b->data->gt_k < c->top) return LEANN_OK;
    return leann_recall_mean(b->ctx, b->data, c->ids, c->queries, c->top, recall);
}

static leann_status bench_scan(bench *b, coder *c, const char *part)
{
    const leann_parts_options *o = b->options;
    c->top = o->top < b->l2.n ? o->top : b->l2.n;
    c->queries = o->scans < b->data->test.n ? o->scans : b->data->test.n;
    c->q = leann_alloc(b->ctx, (size_t)c->queries * b->l2.d, sizeof *c->q);
    c->ids = leann_alloc(b->ctx, (size_t)c->queries * c->top, sizeof *c->ids);
    if (!c->q || !c->ids) return LEANN_ENOMEM;
    leann_rows_floats(b->data->test, 0, c->queries, c->q);
    leann_part_timing *t = add_timing(b, part, (double)c->queries * b->l2.n, "codes");
    t->measure = "recall";
    snprintf(t->about, sizeof t->about, "%u x %u, %u queries, top %u", c->sub_vectors, c->centroids, c->queries, c->top);
    leann_status status = c->type->pack(b->ctx, c->quantizer, &c->codes, &c->packed);
    c->codes.packed = c->packed;
    if (!status) status = time_work(b, t, scan_run, scan_check, c);
    return status ? status : scan_recall(b, c, &t->quality);
}

static leann_status bench_pq(bench *b, uint32_t centroids, leann_bench_part scan)
{
    coder c = {0};
    leann_status status = coder_new(b, centroids, &c);
    if (!status) status = bench_codes(b, &c);
    if (!status && b->options->only[scan]) status = bench_scan(b, &c, leann_bench_part_words[scan]);
    coder_free(&c);
    return status;
}

/* ---- exact search ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_rows queries;
    uint32_t k;
    uint32_t *ids;
    double *dist;
} exact;

static leann_status exact_run(bench *b, void *arg)
{
    exact *e = arg;
    return leann_exact(b->ctx, b->data->train, e->queries, e->k, e->ids, e->dist);
}

/* Distances of some queries are the smallest of all, bit by bit, and those of the rows named. */
static leann_status exact_check(bench *b, void *arg)
{
    const exact *e = arg;
    leann_rows train = b->data->train;
    double *key = leann_alloc(b->ctx, train.n, sizeof *key);
    if (!key) return LEANN_ENOMEM;
    bool good = true;
    for (uint32_t i = 0; i < e->queries.n && i < CHECKED_QUERIES; i++) {
        for (uint32_t j = 0; j < train.n; j++) key[j] = leann_distance_f64(e->queries, i, train, j);
        for (uint32_t j = 0; j < e->k; j++) good &= key[e->ids[(size_t)i * e->k + j]] == e->dist[(size_t)i * e->k + j];
        leann_stats_sort(key, train.n);
        good &= memcmp(key, e->dist + (size_t)i * e->k, e->k * sizeof *key) == 0;
    }
    leann_free(key);
    return good ? LEANN_OK : leann_fail(b->ctx, LEANN_EINVAL, "exact search: answers are not the nearest rows");
}

static leann_status bench_exact(bench *b)
{
    const leann_parts_options *o = b->options;
    exact e = {.queries = b->data->test, .k = o->top < b->l2.n ? o->top : b->l2.n};
    if (o->queries && o->queries < e.queries.n) e.queries.n = o->queries;
    e.ids = leann_alloc(b->ctx, e.queries.n, e.k * sizeof *e.ids);
    e.dist = leann_alloc(b->ctx, e.queries.n, e.k * sizeof *e.dist);
    leann_part_timing *t = add_timing(b, "exact", e.queries.n, "queries");
    snprintf(t->about, sizeof t->about, "%u queries, k = %u", e.queries.n, e.k);
    leann_status status = e.ids && e.dist ? time_work(b, t, exact_run, exact_check, &e) : LEANN_ENOMEM;
    leann_free(e.ids);
    leann_free(e.dist);
    return status;
}

/* ---- all -------------------------------------------------------------------------------------------------------------------- */

static leann_status check_options(leann_ctx *ctx, const leann_dataset *data, const leann_parts_options *o)
{
    if (o->repeats < 1 || o->repeats > MOST_REPEATS)
        return leann_fail(ctx, LEANN_EINVAL, "%u repeats; from 1 to %d", o->repeats, MOST_REPEATS);
    if (o->rounds < 1 || o->rounds > MOST_FIRST_ROUNDS)
        return leann_fail(ctx, LEANN_EINVAL, "%u rounds; from 1 to %d", o->rounds, MOST_FIRST_ROUNDS);
    if (o->top < 1 || o->scans < 1) return leann_fail(ctx, LEANN_EINVAL, "a scan of %u queries for %u rows", o->scans, o->top);
    for (unsigned i = 0; o->only[LEANN_BENCH_KMEANS] && i < LEANN_PARTS_KS; i++)
        if (o->k[i] > data->train.n) return leann_fail(ctx, LEANN_EINVAL, "%u centroids of %u rows", o->k[i], data->train.n);
    bool search = o->only[LEANN_BENCH_ADC] || o->only[LEANN_BENCH_FASTSCAN] || o->only[LEANN_BENCH_EXACT];
    if (search && data->test.n == 0) return leann_fail(ctx, LEANN_EINVAL, "the data set has no queries (no rows in test)");
    return LEANN_OK;
}

leann_status leann_parts_bench(leann_ctx *ctx, const leann_dataset *data, const leann_parts_options *options, leann_parts_report *report)
{
    bench b = {.ctx = ctx, .data = data, .options = options, .l2 = data->train, .report = report};
    const bool *only = options->only;
    *report = (leann_parts_report){0};
    leann_status status = check_options(ctx, data, options);
    if (status) return status;
    b.l2.space = LEANN_L2;
    b.samples = leann_alloc(ctx, options->repeats, sizeof *b.samples);
    report->timing = leann_alloc(ctx, MOST_TIMINGS, sizeof *report->timing);
    if (!b.samples || !report->timing) status = LEANN_ENOMEM;
    if (!status && only[LEANN_BENCH_PEAK]) status = bench_peak(&b);
    if (!status && only[LEANN_BENCH_KMEANS]) status = bench_kmeans(&b);
    if (!status && (only[LEANN_BENCH_PQ] || only[LEANN_BENCH_ADC])) status = bench_pq(&b, 256, LEANN_BENCH_ADC);
    if (!status && only[LEANN_BENCH_FASTSCAN]) status = bench_pq(&b, 16, LEANN_BENCH_FASTSCAN);
    if (!status && only[LEANN_BENCH_EXACT]) status = bench_exact(&b);
    leann_free(b.samples);
    return status;
}

void leann_parts_report_free(leann_parts_report *report)
{
    leann_free(report->timing);
    *report = (leann_parts_report){0};
}
