/* pq_scan.c – keys of product codes for pq and opq: look-up tables, their scorer, and the fast scan of runs that lie packed in blocks.
 *
 * A key is a sum of m look-ups and what leann_codes_finish adds. Where the codes are packed, a run's rows are first looked up in a table
 * of bytes, lut = min(255, floor((table - column's least) / step)), step = the widest column / 255. Then
 *     key >= sum of the columns' least + step * sum of lut - slack + what finish adds
 * where slack bounds the roundings of both sides, so a row whose right-hand side is above the cut is passed over, and every other row
 * gets the float look-ups that it would have got without: answers are the same to the bit. lut saturates and its sums are modulo 2^16,
 * both of which only make the right-hand side smaller.
 * A scan of all rows compares the sums themselves, of several queries at once; its first cut is what the k smallest sums of the first run
 * are below, m steps above the last of them, since each column loses less than a step.
 * Cost: d k multiply-adds and m k for lut a query; a row m byte look-ups, 64 an instruction or two; MNIST's 60,000 codes, k = 100: see
 * the figures in fastscan_vbmi.c, and about 0.7 % of the rows are looked up again.
 * Memory: packed blocks in the order of the codes, as kernels.h has them, beside the codes themselves.
 *
 * Source: Jégou, Douze & Schmid 2011, section 3 (ADC); André, Kermarrec & Le Scouarnec 2015, 2017 (small tables as lower bounds).
 * Differs: tables of 256 entries too; nothing is pruned that the float table would have kept.
 *
 * SPDX-License-Identifier: MIT */
#include "core/beside.h"
#include "core/sieve.h"
#include "quant/pq_book.h"

#include <assert.h>
#include <float.h>
#include <math.h>

enum { RUN = 2048, CODES8 = 64, CODES4 = 32, GROUP = 8 }; /* rows at a time; codes a block; queries at a time */

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

typedef uint16_t run_sums[RUN + 2 * CODES8];

/* Sums of at most RUN rows, in as many blocks as hold them, for n queries; where those of the first row are. */
static uint32_t add_up(pq_scorer *const *self, uint32_t n, leann_span run, run_sums *sum)
{
    const leann_pq_book *book = self[0]->book;
    const leann_kernels *kernels = self[0]->kernels;
    uint32_t lanes = block_codes(book), block = run.first / lanes, skip = run.first % lanes;
    const uint8_t *lut[GROUP];
    uint16_t *out[GROUP];
    for (uint32_t i = 0; i < n; i++) {
        lut[i] = self[i]->lookup.entry;
        out[i] = sum[i];
    }
    (book->pad == 16 ? kernels->fastscan : kernels->fastscan8)(lut, n, self[0]->codes->packed + block * block_bytes(book), book->m,
                                                               (skip + run.n + lanes - 1) / lanes, out);
    return skip;
}

/* What finish adds to all rows of a span. */
static float rest_of(const pq_scorer *self, leann_span span)
{
    return self->base ? self->constant + self->base[span.owner] : self->constant;
}

static float slack_of(const pq_scorer *self, float rest, float cut)
{
    return (float)(self->book->m + 8) * FLT_EPSILON * (2 * (self->lookup.largest + fabsf(rest)) + fabsf(cut));
}

/* The keys of at most RUN rows, or their bounds where these are above the cut. */
static void score_run(pq_scorer *self, leann_span run, float cut, float *key)
{
    const float *bias = self->codes->bias;
    run_sums sums;
    const uint16_t *sum = sums + add_up(&self, 1, run, &sums);
    float rest = rest_of(self, run), low = self->lookup.least + rest;
    if (self->base && bias)
        for (uint32_t i = 0; i < run.n; i++) key[i] = low + self->lookup.step * (float)sum[i] + bias[run.first + i];
    else
        for (uint32_t i = 0; i < run.n; i++) key[i] = low + self->lookup.step * (float)sum[i];
    uint32_t again[RUN], some = self->kernels->at_most(key, run.n, cut + slack_of(self, rest, cut), again);
    if (some == 0) return;
    float exact[RUN];
    for (uint32_t i = 0; i < some; i++) again[i] += run.first;
    look_up(self, (leann_span){run.owner, 0, some, again}, exact);
    for (uint32_t i = 0; i < some; i++) key[again[i] - run.first] = exact[i];
}

/* What the keys of the k rows of least sums are below, and a key that is cut off at 0 is not: a cut where there is none yet. */
static float first_cut(const pq_scorer *self, const uint16_t *sum, uint32_t n, uint32_t k, float rest)
{
    uint64_t order[RUN];
    if (n < k) return INFINITY;
    for (uint32_t i = 0; i < n; i++) order[i] = sum[i];
    float steps = (float)leann_select_smallest(order, n, k) + (float)self->book->m + 1,
          cut = self->lookup.least + rest + self->lookup.step * steps;
    cut += slack_of(self, rest, cut);
    return self->codes->space == LEANN_IP || cut > 0 ? cut : 0;
}

/* Pushes the rows of a run whose sums say that they may matter. Without base and bias. */
static void sift_run(pq_scorer *self, leann_sieve *top, leann_span run, const uint16_t *sum)
{
    float rest = rest_of(self, run), cut = top->cut == INFINITY ? first_cut(self, sum, run.n, top->k, rest) : top->cut;
    double room = (double)cut + (double)slack_of(self, rest, cut) - (double)(self->lookup.least + rest), step = (double)self->lookup.step;
    if (room < 0) return;
    uint16_t most = room < step * (UINT16_MAX - 1) ? (uint16_t)(room / step + 1) : UINT16_MAX;
    uint32_t again[RUN], some = self->kernels->at_most_u16(sum, run.n, most, again);
    if (some == 0) return;
    float exact[RUN];
    for (uint32_t i = 0; i < some; i++) again[i] += run.first;
    look_up(self, (leann_span){run.owner, 0, some, again}, exact);
    for (uint32_t i = 0; i < some; i++) leann_sieve_push(top, exact[i], again[i]);
    if (top->n >= top->k + top->k / 2) leann_sieve_shrink(top); /* earlier than it would by itself: a hit costs more than it does there */
}

static void pq_sift(leann_scorer *const *scorer, leann_sieve *top, uint32_t queries, leann_span run)
{
    run_sums sum[GROUP];
    pq_scorer *const *self = (pq_scorer *const *)scorer;
    for (uint32_t i = 0; i < queries; i++) scorer[i]->dist_comps += run.n;
    for (uint32_t at = 0; at < run.n; at += RUN) {
        leann_span part = {run.owner, run.first + at, run.n - at < RUN ? run.n - at : RUN, NULL};
        for (uint32_t first = 0; first < queries; first += GROUP) {
            uint32_t n = queries - first < GROUP ? queries - first : GROUP, skip = add_up(self + first, n, part, sum);
            for (uint32_t i = 0; i < n; i++) sift_run(self[first + i], &top[first + i], part, sum[i] + skip);
        }
    }
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
        score_run(self, (leann_span){span.owner, span.first + at, n, NULL}, cut, key + at);
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
    if (codes->packed && !base) scorer->scorer.sift = pq_sift;
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
