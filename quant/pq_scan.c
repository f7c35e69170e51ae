/* pq_scan.c – keys of product codes for pq and opq: look-up tables, their scorer, and the fast scan of runs that lie packed in blocks.
 *
 * A key is a sum of m look-ups and what leann_codes_finish adds. Where the codes are packed, a run's rows are first looked up in a table
 * of bytes, lut = min(255, floor((table - column's least) / step)), step = the widest column / 255. Then
 *     key >= sum of the columns' least + step * sum of lut - slack + what finish adds
 * where slack bounds the roundings of both sides, so a row whose right-hand side is above the cut is passed over, and every other row
 * gets the float look-ups that it would have got without: answers are the same to the bit. lut saturates and its sums are modulo 2^16,
 * both of which only make the right-hand side smaller.
 * Cost: d k multiply-adds and m k for lut a query; a row m byte look-ups, 64 an instruction or two; MNIST's 60,000 codes, k = 100: see
 * the figures in fastscan_vbmi.c, and about 1.5 % of the rows are looked up again.
 * Memory: packed blocks in the order of the codes, as kernels.h has them, beside the codes themselves.
 *
 * Source: Jégou, Douze & Schmid 2011, section 3 (ADC); André, Kermarrec & Le Scouarnec 2015, 2017 (small tables as lower bounds).
 * Differs: tables of 256 entries too; nothing is pruned that the float table would have kept.
 *
 * SPDX-License-Identifier: MIT */
#include "core/beside.h"
#include "quant/pq_book.h"

#include <assert.h>
#include <float.h>
#include <math.h>

enum { RUN = 4096, CODES8 = 64, CODES4 = 32 }; /* rows at a time; codes a block */

typedef struct {
    leann_scorer scorer;
    const leann_pq_book *book;
    const leann_kernels *kernels;
    const leann_codes *codes;
    const float *base, *table; /* table (m, pad) */
    float constant;
    leann_lookup lookup; /* of the fast scans: entry NULL where there is none */
} pq_scorer;

static uint32_t block_codes(const leann_pq_book *book)
{
    return book->pad == 16 ? CODES4 : CODES8;
}

static size_t block_bytes(const leann_pq_book *book)
{
    return (size_t)book->m * (book->pad == 16 ? CODES4 / 2 : CODES8);
}

/* ---- float look-ups ------------------------------------------------------------------------------------------------------ */

static void look_up(pq_scorer *self, leann_span span, float *key)
{
    leann_list list = leann_codes_list(self->codes, span, 0);
    if (self->book->pad == 16)
        self->kernels->adc4_list(self->table, list, self->book->m, key);
    else
        self->kernels->adc8_list(self->table, 256, list, self->book->m, key);
    leann_codes_finish(self->codes, self->base, span, self->constant, key);
}

/* ---- the fast scan ------------------------------------------------------------------------------------------------------- */

/* At most RUN rows in as many blocks as hold them. */
static void sift(pq_scorer *self, leann_span span, float cut, float *key)
{
    const leann_pq_book *book = self->book;
    const float *bias = self->codes->bias;
    uint32_t lanes = block_codes(book), block = span.first / lanes, skip = span.first % lanes;
    uint16_t sum[RUN + 2 * CODES8];
    (book->pad == 16 ? self->kernels->fastscan : self->kernels->fastscan8)(
        self->lookup.entry, self->codes->packed + block * block_bytes(book), book->m, (skip + span.n + lanes - 1) / lanes, sum);
    float other = self->base ? self->constant + self->base[span.owner] : self->constant, low = self->lookup.least + other,
          step = self->lookup.step;
    float slack = (float)(book->m + 8) * FLT_EPSILON * (2 * (self->lookup.largest + fabsf(other)) + fabsf(cut)), limit = cut + slack;
    if (self->base && bias)
        for (uint32_t i = 0; i < span.n; i++) key[i] = low + step * (float)sum[skip + i] + bias[span.first + i];
    else
        for (uint32_t i = 0; i < span.n; i++) key[i] = low + step * (float)sum[skip + i];
    uint32_t again[RUN], some = self->kernels->at_most(key, span.n, limit, again);
    if (some == 0) return;
    float exact[RUN];
    for (uint32_t i = 0; i < some; i++) again[i] += span.first;
    look_up(self, (leann_span){span.owner, 0, some, again}, exact);
    for (uint32_t i = 0; i < some; i++) key[again[i] - span.first] = exact[i];
}

static void pq_score(leann_scorer *scorer, leann_span span, float cut, float *key, float *low)
{
    (void)low;
    pq_scorer *self = (pq_scorer *)scorer;
    scorer->dist_comps += span.n;
    if (span.owner != LEANN_NONE && self->codes->beside) {
        leann_beside_score(self->codes->beside, &self->lookup, self->constant, span.owner, span.n, key);
        return;
    }
    if (!self->codes->packed || span.ids || cut == INFINITY) {
        look_up(self, span, key);
        return;
    }
    for (uint32_t at = 0; at < span.n; at += RUN) {
        uint32_t n = span.n - at < RUN ? span.n - at : RUN;
        sift(self, (leann_span){span.owner, span.first + at, n, NULL}, cut, key + at);
    }
}

static void pq_prefetch(const leann_scorer *scorer, leann_span span)
{
    leann_beside_prefetch(((const pq_scorer *)scorer)->codes->beside, span.owner);
}

/* ---- the scorer, and the packing of its codes ---------------------------------------------------------------------------- */

/* Plain L2: |q - µ - c|² = |q - µ|² + sum of (|c|² - 2<q - µ, c>). Else factor <q, µ + c>, factor -1 (inner product) or -2. */
leann_scorer *leann_pq_book_scorer(const leann_pq_book *book, leann_ctx *ctx, const leann_codes *codes, const float *q, const float *centre,
                                   const float *base)
{
    pq_scorer *scorer = leann_scratch(ctx, sizeof *scorer);
    size_t entries = (size_t)book->m * book->pad;
    float *table = leann_scratch(ctx, entries * sizeof *table), *own = leann_scratch(ctx, book->d * sizeof *own);
    if (!scorer || !table || !own) return NULL;
    *scorer = (pq_scorer){
        .scorer = {.score = pq_score}, .book = book, .kernels = leann_kernels_get(), .codes = codes, .base = base, .table = table};
    bool squares = !base && codes->space != LEANN_IP;
    float factor = codes->space == LEANN_IP ? -1 : -2;
    for (uint32_t j = 0; j < book->d; j++) own[j] = squares ? q[j] - centre[j] : q[j];
    scorer->constant = squares ? scorer->kernels->norm_f32(own, book->d) : factor * scorer->kernels->ip_f32(q, centre, book->d);
    for (uint32_t s = 0; s < book->m; s++) {
        leann_codebook columns = leann_pq_book_columns(book, s);
        columns.k = book->pad; /* those that are not there too */
        if (!squares) columns.norm = NULL;
        scorer->kernels->codebook_table(columns, own + (size_t)s * book->width, factor, table + (size_t)s * book->pad);
    }
    if (codes->beside) scorer->scorer.whole_lists = true, scorer->scorer.prefetch = pq_prefetch;
    if (!codes->packed && !codes->beside) return &scorer->scorer;
    return leann_lookup_of(ctx, table, book->m, book->pad, &scorer->lookup) ? NULL : &scorer->scorer;
}

typedef struct {
    const leann_pq_book *book;
    const leann_codes *codes;
    uint8_t *packed;
} pack_job;

static leann_status pack_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    (void)ctx;
    const pack_job *job = arg;
    size_t lanes = block_codes(job->book), first = begin * lanes,
           n = end * lanes < job->codes->n ? end * lanes - first : job->codes->n - first;
    (job->book->pad == 16 ? leann_fastscan_pack : leann_fastscan8_pack)(job->codes->code + first * job->codes->stride, job->codes->stride,
                                                                        n, job->book->m, job->packed + begin * block_bytes(job->book));
    return LEANN_OK;
}

leann_status leann_pq_book_pack(leann_ctx *ctx, const leann_pq_book *book, const leann_codes *codes, uint8_t **packed)
{
    enum { BLOCKS = 64 }; /* a task */
    *packed = NULL;
    if (book->pad != 16 && !leann_kernels_get()->fastscan8) return LEANN_OK;
    size_t blocks = ((size_t)codes->n + block_codes(book) - 1) / block_codes(book);
    pack_job job = {book, codes, leann_alloc(ctx, blocks, block_bytes(book))};
    if (!job.packed) return LEANN_ENOMEM;
    *packed = job.packed;
    return leann_parallel(ctx, blocks, BLOCKS, pack_task, &job);
}

/* ---- codes beside lists ---------------------------------------------------------------------------------------------------- */

leann_columns leann_pq_columns(uint32_t d, const leann_pq_params *params)
{
    return (leann_columns){.m = params->codebook_size <= 16 ? leann_pq_sub_vectors(d, params) : 0};
}

void leann_pq_terms(const leann_quantizer *self, leann_space space, const uint8_t *code, float *plus, float *times)
{
    (void)self, (void)space, (void)code;
    *plus = 0;
    *times = 1;
}
