/* pq_book.c – product codebooks: training, coding and files, for pq and opq; their look-up tables: pq_scan.c.
 *
 * Code: m bytes, one a sub-space; or, k <= 16, ceil(m / 2) bytes, sub-space 2s in the low half.
 * Training: iterations n d k multiply-adds. 98 x 256 on 25,600 rows of 784: see the figures in quantizer_pq.c. (leann_kmeans works by
 * products of wide rows; at 8 components and 256 centroids the codebook kernel is what counts, and a sub-space fits the second cache.)
 * File: pq.codebook i8 (m k, width), v for v |v| units of the sub-space, where that is as good as f16, in one unit; pq.centre f32 (1, d + m) or
 * (1, d + 1): the centre, then the units. Bytes are as good where a sub-space tells no more than 4 values a component apart (k <= 4^width):
 * what they round off is then 0.1 to 0.2 % of what a code of normal rows leaves out, or less. Files of revision 2 have f16 always.
 *
 * Source: Jégou, Douze & Schmid, "Product quantization for nearest neighbor search", PAMI 2011.
 * Differs: rows are centred first, so that rounded centroids are as fine as the spread of the data and not as its offset; centroids
 * are rounded before anything is encoded, so that a file opened again gives the same keys.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/pq_book.h"

#include "core/product.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    ENCODE_ROWS = 256, /* rows a task encodes */
    START_ROWS = 16,   /* rows a centroid that k-means++ looks at */
    PICK = 64,         /* of them, that a sum is kept of */
    LANES = 8          /* sums side by side, in an order of their own on every machine */
};

/* ---- parameters ---------------------------------------------------------------------------------------------------------- */

uint32_t leann_pq_sub_vectors(uint32_t d, const leann_pq_params *params)
{
    if (params->sub_vectors) return params->sub_vectors;
    const uint32_t dsub = params->dsub ? params->dsub : 8;
    uint32_t m = (d + dsub - 1) / dsub;
    while (d % m) m++;
    return m;
}

leann_status leann_pq_check(leann_ctx *ctx, const char *who, uint32_t d, const leann_pq_params *params)
{
    if (d == 0 || d > 65536) return leann_fail(ctx, LEANN_EINVAL, "%s: d is %u, not 1 to 65536", who, d);
    uint32_t m = leann_pq_sub_vectors(d, params);
    if (d % m == 0) return LEANN_OK;
    char known[1024]; /* at most 120 divisors */
    size_t used = 0;
    for (uint32_t i = 1; i <= d; i++)
        if (d % i == 0) used += (size_t)snprintf(known + used, sizeof known - used, "%s%u", used ? ", " : "", i);
    return leann_fail(ctx, LEANN_EINVAL, "%s: sub_vectors %u does not divide d = %u; these do: %s", who, m, d, known);
}

leann_status leann_pq_check_rows(leann_ctx *ctx, const char *who, uint64_t n, const leann_pq_params *params)
{
    uint32_t rows = leann_pq_training_rows(n, params), k = params->codebook_size;
    if (rows >= k) return LEANN_OK;
    return leann_fail(ctx, LEANN_EINVAL, "%s: codebook_size %u needs at least %u training rows; there are %u%s", who, k, k, rows,
                      rows < n ? " (training_samples)" : "");
}

static uint32_t bytes_of(uint32_t m, uint32_t k)
{
    return k <= 16 ? (m + 1) / 2 : m;
}

uint32_t leann_pq_code_bytes(uint32_t d, const leann_pq_params *params)
{
    return bytes_of(leann_pq_sub_vectors(d, params), params->codebook_size);
}

uint32_t leann_pq_training_rows(uint64_t n, const leann_pq_params *params)
{
    return n < params->training_samples ? (uint32_t)n : params->training_samples;
}

/* Whether bytes are as good as halves: 4 values a component are told apart at most. */
static leann_dtype kept_as(uint32_t width, uint32_t k)
{
    return width >= 4 || k <= 1U << 2 * width ? LEANN_I8 : LEANN_F16;
}

static uint32_t units_of(leann_dtype kept, uint32_t m)
{
    return kept == LEANN_I8 ? m : 1;
}

leann_status leann_pq_book_new(leann_ctx *ctx, uint32_t d, const leann_pq_params *params, leann_pq_book *book)
{
    uint32_t m = leann_pq_sub_vectors(d, params), k = params->codebook_size;
    assert(d % m == 0);
    *book = (leann_pq_book){.d = d, .m = m, .k = k, .width = d / m, .pad = k <= 16 ? 16 : 256, .kept = kept_as(d / m, k)};
    book->unit = leann_alloc(ctx, m, sizeof *book->unit);
    book->centre = leann_alloc(ctx, d, sizeof *book->centre);
    book->column = leann_alloc(ctx, (size_t)d * book->pad, sizeof *book->column);
    book->norm = leann_alloc(ctx, (size_t)m * book->pad, sizeof *book->norm);
    if (book->unit && book->centre && book->column && book->norm) return LEANN_OK;
    leann_pq_book_free(book);
    return LEANN_ENOMEM;
}

void leann_pq_book_free(leann_pq_book *book)
{
    leann_free(book->unit);
    leann_free(book->centre);
    leann_free(book->column);
    leann_free(book->norm);
    *book = (leann_pq_book){.d = 0};
}

/* norm follows column. */
static void norms(leann_pq_book *book, uint32_t s)
{
    const float *column = book->column + (size_t)s * book->width * book->pad;
    float *norm = book->norm + (size_t)s * book->pad;
    for (uint32_t c = 0; c < book->pad; c++) norm[c] = c < book->k ? 0 : INFINITY;
    for (uint32_t t = 0; t < book->width; t++)
        for (uint32_t c = 0; c < book->k; c++) norm[c] += column[(size_t)t * book->pad + c] * column[(size_t)t * book->pad + c];
}

/* ---- training ------------------------------------------------------------------------------------------------------------ */

leann_status leann_pq_book_centre(leann_ctx *ctx, leann_pq_book *book, leann_rows sample, float *x)
{
    leann_status status = leann_rows_mean(ctx, sample, book->centre);
    return status == LEANN_OK ? leann_rows_centred(ctx, sample, book->centre, x) : status;
}

typedef struct {
    leann_pq_book *book;
    const float *x;
    uint32_t n, rounds;
    bool start;
    float *decoded;
} train_job;

typedef struct { /* one sub-space's k-means, in a worker's scratch */
    leann_pq_book *book;
    uint32_t s, n;
    float *x;      /* (n, width) */
    float *key;    /* (n): |c|² - 2<x, c> */
    uint8_t *code; /* (n), and the round's before */
    uint8_t *before;
    double *sum; /* (k, width) */
    uint32_t *count;
} lloyd;

/* Component t of centroid c. */
static float *cell(const lloyd *run, uint32_t c, uint32_t t)
{
    return run->book->column + ((size_t)run->s * run->book->width + t) * run->book->pad + c;
}

static void place(const lloyd *run, uint32_t c, const float *x)
{
    for (uint32_t t = 0; t < run->book->width; t++) *cell(run, c, t) = x[t];
}

/* What k-means++ draws from: evenly spaced rows, START_ROWS a centroid (rows come in random order already), by columns as a codebook
 * has its centroids, so that one table is the distances of all of them to a new centroid. */
typedef struct {
    leann_codebook rows;
    uint32_t n;        /* without what makes rows.k a multiple of 16 */
    size_t step;       /* from one of run->x to the next */
    float *key, *near; /* (rows.k) to the newest centroid, less its |x|²; to the nearest */
    double *total;     /* (n / PICK + 1) of each PICK of near */
} urn;

static leann_status urn_fill(leann_ctx *ctx, const lloyd *run, urn *u)
{
    uint32_t width = run->book->width, most = START_ROWS * run->book->k;
    u->n = run->n < most ? run->n : most;
    u->step = run->n / u->n;
    size_t n = ((size_t)u->n + 15) / 16 * 16;
    float *column = leann_scratch(ctx, n * width * sizeof *column), *norm = leann_scratch(ctx, n * sizeof *norm);
    u->key = leann_scratch(ctx, n * sizeof *u->key);
    u->near = leann_scratch(ctx, n * sizeof *u->near);
    u->total = leann_scratch(ctx, (n / PICK + 1) * sizeof *u->total);
    if (!column || !norm || !u->key || !u->near || !u->total) return LEANN_ENOMEM;
    memset(norm, 0, n * sizeof *norm);
    for (uint32_t t = 0; t < width; t++)
        for (size_t i = 0; i < n; i++) {
            float x = i < u->n ? run->x[i * u->step * width + t] : 0;
            column[t * n + i] = x;
            norm[i] += x * x;
        }
    for (size_t i = 0; i < n; i++) u->near[i] = i < u->n ? INFINITY : 0;
    u->rows = (leann_codebook){.column = column, .norm = norm, .d = width, .k = n, .stride = n};
    return LEANN_OK;
}

/* near after row `pick` has become a centroid; the sum of all. Keys that rounding alone can make are 0. */
static double urn_near(urn *u, const float *x, uint32_t pick)
{
    float norm = u->rows.norm[pick], rounding = norm * 0x1p-20F;
    leann_kernels_get()->codebook_table(u->rows, x, -2, u->key);
    double total = 0;
    for (size_t i = 0; i < u->rows.k; i += PICK) {
        double sum[LANES] = {0};
        for (size_t j = i; j < i + PICK && j < u->rows.k; j += LANES)
            for (size_t l = 0; l < LANES; l++) {
                float key = u->key[j + l] + norm, least = key > rounding ? key : 0;
                u->near[j + l] = least < u->near[j + l] ? least : u->near[j + l];
                sum[l] += (double)u->near[j + l];
            }
        for (size_t l = 1; l < LANES; l++) sum[0] += sum[l];
        total += u->total[i / PICK] = sum[0];
    }
    return total;
}

/* The row at which the running sum of near passes `at`, never one that is 0. */
static uint32_t urn_pick(const urn *u, double at)
{
    size_t in = 0;
    for (size_t c = 0; c * PICK < u->n; c++) {
        if (u->total[c] > 0) in = c;
        if (at < u->total[c]) break;
        at -= u->total[c];
    }
    uint32_t pick = (uint32_t)in * PICK;
    for (uint32_t i = pick; i < (in + 1) * PICK && i < u->n && at >= 0; i++) {
        if (u->near[i] > 0) pick = i;
        at -= (double)u->near[i];
    }
    return pick;
}

/* k-means++ */
static leann_status seed(leann_ctx *ctx, lloyd *run)
{
    size_t mark = leann_scratch_mark(ctx);
    urn u;
    leann_status status = urn_fill(ctx, run, &u);
    if (status != LEANN_OK) return status;
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "pq", run->s);
    uint32_t pick = leann_rng_below(&rng, u.n);
    for (uint32_t c = 0; c < run->book->k; c++) {
        const float *centroid = run->x + pick * u.step * run->book->width;
        place(run, c, centroid);
        double total = urn_near(&u, centroid, pick), at = leann_rng_real(&rng) * total;
        pick = leann_rng_below(&rng, u.n);
        if (total > 0) pick = urn_pick(&u, at); /* else all are centroids */
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* Empty centroids take the rows worst served. */
static void refill(lloyd *run)
{
    uint32_t width = run->book->width;
    for (uint32_t c = 0, ready = 0; c < run->book->k; c++) {
        if (run->count[c]) continue;
        if (!ready++)
            for (uint32_t i = 0; i < run->n; i++)
                for (uint32_t t = 0; t < width; t++) run->key[i] += run->x[(size_t)i * width + t] * run->x[(size_t)i * width + t];
        uint32_t worst = 0;
        for (uint32_t i = 1; i < run->n; i++) worst = run->key[i] > run->key[worst] ? i : worst;
        if (!(run->key[worst] > 0)) return; /* fewer distinct rows than centroids */
        place(run, c, run->x + (size_t)worst * width);
        run->key[worst] = 0;
    }
}

static void means(lloyd *run)
{
    uint32_t k = run->book->k, width = run->book->width;
    memset(run->sum, 0, (size_t)k * width * sizeof *run->sum);
    memset(run->count, 0, k * sizeof *run->count);
    for (uint32_t i = 0; i < run->n; i++) {
        double *sum = run->sum + (size_t)run->code[i] * width;
        const float *x = run->x + (size_t)i * width;
        for (uint32_t t = 0; t < width; t++) sum[t] += (double)x[t];
        run->count[run->code[i]]++;
    }
    for (uint32_t c = 0; c < k; c++)
        for (uint32_t t = 0; t < width && run->count[c]; t++) *cell(run, c, t) = (float)(run->sum[(size_t)c * width + t] / run->count[c]);
    refill(run);
}

static void assign(lloyd *run)
{
    norms(run->book, run->s);
    leann_kernels_get()->codebook_nearest(leann_pq_book_columns(run->book, run->s), run->x, run->book->width * sizeof *run->x, run->n,
                                          run->code, run->key);
}

static leann_status train_one(leann_ctx *ctx, const train_job *job, uint32_t s)
{
    leann_pq_book *book = job->book;
    lloyd run = {.book = book, .s = s, .n = job->n};
    size_t n = job->n, width = book->width, mark = leann_scratch_mark(ctx);
    run.x = leann_scratch(ctx, n * width * sizeof *run.x);
    run.key = leann_scratch(ctx, n * sizeof *run.key);
    run.code = leann_scratch(ctx, n);
    run.before = leann_scratch(ctx, n);
    run.sum = leann_scratch(ctx, book->k * width * sizeof *run.sum);
    run.count = leann_scratch(ctx, book->k * sizeof *run.count);
    if (!run.x || !run.key || !run.code || !run.before || !run.sum || !run.count) return LEANN_ENOMEM;
    for (size_t i = 0; i < n; i++) memcpy(run.x + i * width, job->x + i * book->d + s * width, width * sizeof *run.x);
    leann_status status = job->start ? seed(ctx, &run) : LEANN_OK;
    if (status != LEANN_OK) return status;
    for (uint32_t round = 0; round < job->rounds; round++) {
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        assign(&run);
        if (round && memcmp(run.code, run.before, n) == 0) break;
        means(&run);
        memcpy(run.before, run.code, n);
    }
    norms(book, s);
    for (size_t i = 0; job->decoded && i < n; i++)
        for (uint32_t t = 0; t < width; t++) job->decoded[i * book->d + s * width + t] = *cell(&run, run.code[i], t);
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

static leann_status train_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    leann_status status = LEANN_OK;
    for (size_t s = begin; s < end && status == LEANN_OK; s++) status = train_one(ctx, arg, (uint32_t)s);
    return status;
}

leann_status leann_pq_book_train(leann_ctx *ctx, leann_pq_book *book, const float *x, uint32_t n, bool start, uint32_t rounds,
                                 float *decoded)
{
    assert(n >= book->k && rounds > 0);
    train_job job = {.book = book, .x = x, .n = n, .rounds = rounds, .start = start, .decoded = decoded};
    return leann_parallel(ctx, book->m, 1, train_task, &job);
}

/* ---- what a file keeps ------------------------------------------------------------------------------------------------------ */

/* Component t of sub-space s's centroids in units, (k). */
static void to_units(const leann_pq_book *book, uint32_t s, uint32_t t, float scaled[256])
{
    const float *column = book->column + ((size_t)s * book->width + t) * book->pad;
    for (uint32_t c = 0; c < book->k; c++) scaled[c] = column[c] / book->unit[s];
}

static void from_units(leann_pq_book *book, uint32_t s, uint32_t t, const float scaled[256])
{
    float *column = book->column + ((size_t)s * book->width + t) * book->pad;
    for (uint32_t c = 0; c < book->k; c++) column[c] = scaled[c] * book->unit[s];
}

/* The largest component of sub-spaces [first, end). */
static float most_of(const leann_pq_book *book, uint32_t first, uint32_t end)
{
    const size_t each = (size_t)book->width * book->pad;
    float most = 0;
    for (size_t i = first * each; i < end * each; i++) most = fmaxf(most, fabsf(book->column[i]));
    return isfinite(most) ? most : 0;
}

/* A power of two, at most 2^15 of which are the largest component, so that halves are exact once rounded. */
static float unit_of_halves(const leann_pq_book *book)
{
    const float most = most_of(book, 0, book->m);
    int exponent = 0;
    (void)frexpf(most, &exponent);
    return most > 0 ? ldexpf(1, exponent < -85 ? -100 : exponent - 15) : 1;
}

void leann_pq_book_round(leann_pq_book *book)
{
    const float half_unit = unit_of_halves(book);
    float scaled[256];
    uint16_t half[256];
    for (uint32_t s = 0; s < book->m; s++) {
        book->unit[s] = book->kept == LEANN_I8 ? fmaxf(most_of(book, s, s + 1) / LEANN_PQ_BYTE_MOST, 0x1p-100F) : half_unit;
        for (uint32_t t = 0; t < book->width; t++) {
            to_units(book, s, t, scaled);
            if (book->kept == LEANN_F16) {
                leann_kernels_get()->f16_from_f32(scaled, half, book->k);
                leann_kernels_get()->f32_from_f16(half, scaled, book->k);
            }
            for (uint32_t c = 0; c < book->k && book->kept == LEANN_I8; c++) scaled[c] = leann_pq_from_byte(leann_pq_to_byte(scaled[c]));
            from_units(book, s, t, scaled);
        }
        norms(book, s);
    }
}

/* ---- codes ---------------------------------------------------------------------------------------------------------------- */

/* n rows as the sub-spaces take them, (n, d), -> codes. */
static leann_status encode_block(leann_ctx *ctx, const leann_pq_book *book, const float *x, uint32_t n, uint8_t *code)
{
    size_t stride = bytes_of(book->m, book->k);
    uint8_t *one = leann_scratch(ctx, n);
    if (!one) return LEANN_ENOMEM;
    const leann_kernels *kernels = leann_kernels_get();
    for (uint32_t s = 0; s < book->m; s++) {
        kernels->codebook_nearest(leann_pq_book_columns(book, s), x + (size_t)s * book->width, book->d * sizeof *x, n, one, NULL);
        if (book->pad == 256)
            for (uint32_t i = 0; i < n; i++) code[i * stride + s] = one[i];
        else if (s % 2 == 0)
            for (uint32_t i = 0; i < n; i++) code[i * stride + s / 2] = one[i];
        else
            for (uint32_t i = 0; i < n; i++) code[i * stride + s / 2] = (uint8_t)(code[i * stride + s / 2] | one[i] << 4);
    }
    return LEANN_OK;
}

typedef struct {
    const leann_pq_book *book;
    leann_rows rows;
    const float *rotation;
    uint8_t *code;
} encode_job;

static leann_status encode_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const encode_job *job = arg;
    const leann_pq_book *book = job->book;
    uint32_t n = (uint32_t)(end - begin);
    size_t d = book->d, mark = leann_scratch_mark(ctx);
    float *x = leann_scratch(ctx, n * d * sizeof *x), *turned = job->rotation ? leann_scratch(ctx, n * d * sizeof *turned) : x;
    if (!x || !turned) return LEANN_ENOMEM;
    leann_rows_less(job->rows, book->centre, (uint32_t)begin, n, x);
    if (job->rotation) leann_gemm_nt(n, d, d, 1, x, d, job->rotation, d, 0, turned, d);
    leann_status status = encode_block(ctx, book, turned, n, job->code + begin * bytes_of(book->m, book->k));
    leann_scratch_reset(ctx, mark);
    return status;
}

leann_status leann_pq_book_encode(leann_ctx *ctx, const leann_pq_book *book, leann_rows rows, const float *rotation, uint8_t *code)
{
    assert(rows.d == book->d);
    encode_job job = {book, rows, rotation, code};
    return leann_parallel(ctx, rows.n, ENCODE_ROWS, encode_task, &job);
}

static uint8_t code_at(const leann_pq_book *book, const uint8_t *code, uint32_t s)
{
    return book->pad == 256 ? code[s] : s & 1 ? code[s >> 1] >> 4 : code[s >> 1] & 15;
}

void leann_pq_book_decode(const leann_pq_book *book, const uint8_t *code, size_t stride, uint32_t n, float *x)
{
    for (uint32_t i = 0; i < n; i++, code += stride)
        for (uint32_t s = 0; s < book->m; s++) {
            const float *column = book->column + (size_t)s * book->width * book->pad + code_at(book, code, s);
            for (uint32_t t = 0; t < book->width; t++) *x++ = column[(size_t)t * book->pad];
        }
}

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

/* Where component t of centroid c of sub-space s lies in a file. */
static size_t place_of(const leann_pq_book *book, uint32_t s, uint32_t c, uint32_t t)
{
    return ((size_t)s * book->k + c) * book->width + t;
}

leann_status leann_pq_book_save(const leann_pq_book *book, leann_writer *w)
{
    const size_t bytes = leann_dtype_bytes(book->kept), units = units_of(book->kept, book->m);
    void *file = leann_alloc(leann_writer_ctx(w), (size_t)book->d * book->k, bytes);
    float *centre = leann_alloc(leann_writer_ctx(w), book->d + units, sizeof *centre), scaled[256];
    uint16_t half[256];
    leann_status status = LEANN_ENOMEM;
    if (!file || !centre) goto done;
    memcpy(centre, book->centre, book->d * sizeof *centre);
    memcpy(centre + book->d, book->unit, units * sizeof *centre);
    for (uint32_t s = 0; s < book->m; s++)
        for (uint32_t t = 0; t < book->width; t++) {
            to_units(book, s, t, scaled);
            if (book->kept == LEANN_F16) leann_kernels_get()->f16_from_f32(scaled, half, book->k);
            for (uint32_t c = 0; c < book->k; c++)
                if (book->kept == LEANN_F16)
                    ((uint16_t *)file)[place_of(book, s, c, t)] = half[c];
                else
                    ((int8_t *)file)[place_of(book, s, c, t)] = leann_pq_to_byte(scaled[c]);
        }
    status = leann_writer_add(w, "pq.centre", LEANN_PART_CODEBOOKS, LEANN_F32, 1, (book->d + units) * sizeof *centre, centre);
    if (status == LEANN_OK)
        status =
            leann_writer_add(w, "pq.codebook", LEANN_PART_CODEBOOKS, book->kept, (uint64_t)book->m * book->k, book->width * bytes, file);
done:
    leann_free(file);
    leann_free(centre);
    return status;
}

/* The centre and the units from a file's numbers. */
static leann_status take_centre(leann_ctx *ctx, leann_pq_book *book, const float *centre)
{
    const uint32_t units = units_of(book->kept, book->m), d = book->d;
    for (uint32_t j = 0; j < d + units; j++)
        if (!isfinite(centre[j]) || (j >= d && !(centre[j] > 0)))
            return leann_fail(ctx, LEANN_EFORMAT, "pq.centre: value %u is %g; it must be finite%s", j, (double)centre[j],
                              j < d ? "" : " and above 0");
    memcpy(book->centre, centre, d * sizeof *centre);
    for (uint32_t s = 0; s < book->m; s++) book->unit[s] = centre[d + (units == 1 ? 0 : s)];
    return LEANN_OK;
}

/* The centroids of sub-space s from a file's numbers. */
static leann_status take_centroids(leann_ctx *ctx, leann_pq_book *book, uint32_t s, const void *file)
{
    float scaled[256];
    uint16_t half[256];
    for (uint32_t t = 0; t < book->width; t++) {
        for (uint32_t c = 0; c < book->k; c++)
            if (book->kept == LEANN_F16)
                half[c] = ((const uint16_t *)file)[place_of(book, s, c, t)];
            else
                scaled[c] = leann_pq_from_byte(((const int8_t *)file)[place_of(book, s, c, t)]);
        if (book->kept == LEANN_F16) leann_kernels_get()->f32_from_f16(half, scaled, book->k);
        for (uint32_t c = 0; c < book->k; c++)
            if (!isfinite(scaled[c] * book->unit[s]) || (book->kept == LEANN_I8 && fabsf(scaled[c]) > LEANN_PQ_BYTE_MOST))
                return leann_fail(ctx, LEANN_EFORMAT, "pq.codebook: centroid %u of sub-space %u has the component %g times %g", c, s,
                                  (double)scaled[c], (double)book->unit[s]);
        from_units(book, s, t, scaled);
    }
    norms(book, s);
    return LEANN_OK;
}

leann_status leann_pq_book_open(leann_ctx *ctx, const leann_reader *r, uint32_t d, const leann_pq_params *params, leann_pq_book *book)
{
    const leann_section *section = leann_reader_find(r, "pq.codebook");
    const leann_dtype kept = section && section->type == LEANN_F16 ? LEANN_F16 : LEANN_I8;
    const uint32_t m = leann_pq_sub_vectors(d, params), units = units_of(kept, m);
    const uint64_t stride = d / m * leann_dtype_bytes(kept);
    const void *centre = NULL, *file = NULL;
    leann_status status = leann_reader_need(ctx, r, "pq.centre", LEANN_F32, 1, ((uint64_t)d + units) * sizeof(float), &centre);
    if (status == LEANN_OK) status = leann_reader_need(ctx, r, "pq.codebook", kept, (uint64_t)m * params->codebook_size, stride, &file);
    if (status == LEANN_OK) status = leann_pq_book_new(ctx, d, params, book);
    if (status != LEANN_OK) return status;
    book->kept = kept;
    status = take_centre(ctx, book, centre);
    for (uint32_t s = 0; s < m && status == LEANN_OK; s++) status = take_centroids(ctx, book, s, file);
    if (status != LEANN_OK) leann_pq_book_free(book);
    return status;
}

void leann_pq_book_predict(uint32_t d, const leann_pq_params *params, leann_ledger *ledger)
{
    const uint32_t m = leann_pq_sub_vectors(d, params);
    const leann_dtype kept = kept_as(d / m, params->codebook_size);
    leann_ledger_add(ledger, LEANN_PART_CODEBOOKS, ((uint64_t)d + units_of(kept, m)) * sizeof(float));
    leann_ledger_add(ledger, LEANN_PART_CODEBOOKS, (uint64_t)d * params->codebook_size * leann_dtype_bytes(kept));
}
