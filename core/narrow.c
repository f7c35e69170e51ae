/* narrow.c – rows in one byte a component for what only compares distances: n rows of d bytes, two passes over the rows.
 *
 * Component j becomes (x_j - least_j) / step to the nearest whole number, with one step for all: the widest range of a component over 255,
 * or 1 where all components are whole numbers that range over 255 or less, and then nothing is lost. Offsets cancel in a difference, so that
 * a squared distance between codes times step² is that between the rows, within the rounding. Codes are padded with zeros to a power of
 * two or to whole cache lines: a code of up to 64 bytes never lies across two.
 *
 * Source: uniform scalar quantisation; to judge links by it: Aguerrebere et al. 2023 (LVQ, arXiv 2304.04759), section 4.
 * Differs: one step for all rows, so that distances are whole numbers; whether that is fine enough is measured, not assumed.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 8192, TILE = 16, LINE = 64, WIDE = 65536, PROBES = 32, NEAREST = 10 };

typedef struct {
    leann_rows rows;
    float *least, *most; /* (chunks, d); then those of all rows in the first line */
    bool *whole;         /* (chunks) */
    float scale;         /* 1 / step */
    uint8_t *code;
    size_t stride;
} narrow_job;

/* TILE rows at a time as floats in the worker's scratch. */
static leann_status range_chunk(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const narrow_job *job = arg;
    size_t d = job->rows.d, at = begin / CHUNK;
    float *least = job->least + at * d, *most = job->most + at * d, *x = leann_scratch(worker, TILE * d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    for (size_t j = 0; j < d; j++) {
        least[j] = INFINITY;
        most[j] = -INFINITY;
    }
    uint32_t broken = 0; /* without a branch, so that it takes vectors */
    for (size_t i = begin; i < end; i += TILE) {
        size_t n = end - i < TILE ? end - i : TILE;
        leann_rows_floats(job->rows, (uint32_t)i, (uint32_t)n, x);
        for (size_t r = 0; r < n; r++)
            for (size_t j = 0; j < d; j++) {
                float v = x[r * d + j], clipped = v < -WIDE ? -WIDE : v > WIDE ? WIDE : v;
                least[j] = v < least[j] ? v : least[j];
                most[j] = v > most[j] ? v : most[j];
                broken |= (float)(int)clipped != v;
            }
    }
    job->whole[at] = !broken;
    return LEANN_OK;
}

static leann_status code_chunk(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const narrow_job *job = arg;
    size_t d = job->rows.d;
    float *x = leann_scratch(worker, TILE * d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    for (size_t i = begin; i < end; i += TILE) {
        size_t n = end - i < TILE ? end - i : TILE;
        leann_rows_floats(job->rows, (uint32_t)i, (uint32_t)n, x);
        for (size_t r = 0; r < n; r++) {
            uint8_t *code = job->code + (i + r) * job->stride;
            for (size_t j = 0; j < d; j++) code[j] = (uint8_t)(int)((x[r * d + j] - job->least[j]) * job->scale + 0.5f);
            memset(code + d, 0, job->stride - d);
        }
    }
    return LEANN_OK;
}

/* The widest range of a component; ranges of the chunks become those of all rows. */
static float widest(narrow_job *job, size_t chunks, bool *whole)
{
    size_t d = job->rows.d;
    float width = 0;
    *whole = true;
    for (size_t c = 0; c < chunks; c++) {
        *whole = *whole && job->whole[c];
        for (size_t j = 0; j < d; j++) {
            job->least[j] = fminf(job->least[j], job->least[c * d + j]);
            job->most[j] = fmaxf(job->most[j], job->most[c * d + j]);
        }
    }
    for (size_t j = 0; j < d; j++) width = fmaxf(width, job->most[j] - job->least[j]);
    return width;
}

static size_t stride_of(size_t d)
{
    size_t stride = 1;
    while (stride < d && stride < LINE) stride *= 2;
    return stride < LINE ? stride : leann_line_up(d);
}

leann_status leann_rows_narrow(leann_ctx *ctx, leann_rows rows, leann_rows *out, bool *exact)
{
    *out = (leann_rows){0};
    *exact = false;
    size_t d = rows.d, chunks = ((size_t)rows.n + CHUNK - 1) / CHUNK;
    narrow_job job = {.rows = rows, .stride = stride_of(d)};
    leann_status status = LEANN_ENOMEM;
    job.least = leann_alloc(ctx, chunks * d, sizeof *job.least);
    job.most = leann_alloc(ctx, chunks * d, sizeof *job.most);
    job.whole = leann_alloc(ctx, chunks, sizeof *job.whole);
    if (!job.least || !job.most || !job.whole) goto done;
    if ((status = leann_parallel(ctx, rows.n, CHUNK, range_chunk, &job))) goto done;
    bool whole;
    float width = widest(&job, chunks, &whole);
    if (!(width < INFINITY)) goto done;
    *exact = width == 0 || (whole && width <= 255);
    job.scale = *exact ? 1 : 255 / width;
    if (!(job.scale < INFINITY)) goto done;
    job.code = leann_alloc(ctx, rows.n, job.stride);
    status = job.code ? leann_parallel(ctx, rows.n, CHUNK, code_chunk, &job) : LEANN_ENOMEM;
    if (status) {
        leann_free(job.code);
        goto done;
    }
    *out = (leann_rows){job.code, job.stride, rows.n, (uint32_t)job.stride, LEANN_U8, LEANN_L2};
done:
    leann_free(job.least);
    leann_free(job.most);
    leann_free(job.whole);
    return status;
}

/* ---- are they fine enough? ------------------------------------------------------------------------------------------------------- */

/* The k nearest of the rows `probe` among all, ids (PROBES, k). */
static leann_status nearest(leann_ctx *ctx, leann_rows rows, const uint32_t *probe, uint32_t n, uint32_t k, uint32_t *ids, double *dist)
{
    leann_rows queries;
    leann_exact_scan *scan = NULL;
    rows.space = LEANN_L2;
    leann_status status = leann_rows_pick(ctx, rows, probe, n, &queries);
    if (status) return status;
    status = leann_exact_begin(ctx, queries, k, &scan); /* by blocks: it says nothing of progress */
    if (!status) status = leann_exact_add(ctx, scan, rows, 0);
    if (!status) status = leann_exact_end(ctx, scan, ids, dist);
    leann_exact_free(scan);
    leann_free((void *)(uintptr_t)queries.base);
    return status;
}

leann_status leann_rows_agree(leann_ctx *ctx, leann_rows rows, leann_rows others, double *share)
{
    uint32_t probe[PROBES], ids[2][PROBES * NEAREST], same = 0;
    double dist[PROBES * NEAREST];
    uint32_t n = rows.n < PROBES ? rows.n : PROBES, k = rows.n < NEAREST ? rows.n : NEAREST;
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "narrow", 0);
    leann_rng_sample(&rng, rows.n, n, true, probe);
    leann_status status = nearest(ctx, rows, probe, n, k, ids[0], dist);
    if (!status) status = nearest(ctx, others, probe, n, k, ids[1], dist);
    for (uint32_t p = 0; p < n; p++)
        for (uint32_t a = 0; a < k; a++)
            for (uint32_t b = 0; b < k; b++) same += ids[0][p * k + a] == ids[1][p * k + b];
    *share = (double)same / (n * k);
    return status;
}
