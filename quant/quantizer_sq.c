/* quantizer_sq.c – scalar quantisation: every component to 8 or 4 bits, between bounds per dimension, for all, or per vector; of the row
 * itself or of its leading principal axes.
 *
 * Code, per-dimension and global: d bytes, or ceil(d / 2) with component 2j in the low half: x̂_j = low_j + step_j code_j.
 * Code, local: 8 bytes – f32 |x̂ - µ|², f16 low, f16 step, both in the quantiser's unit – and then the same components:
 * x̂_j = µ_j + low + step code_j, low and step of the vector itself.
 * Code of `dims` axes: f32, the squared length of what they leave of the row, then a code as above of the dims projected components; a
 * multiple of 4 bytes, or 16, 32, 64 or 128 where that is at most a third more. So 60 axes of 8 bits lie in one line of the cache, 64 to
 * 124 in two. A key adds the squared lengths that the axes leave of row and query (projection.h says what it thereby estimates).
 * Training: one pass for the bounds (the least and largest value of the sample; values outside are clamped), at 4 bits a second one
 * that narrows them. Encoding: about two operations a component. A key: one kernel pass over the code, d multiply-adds. Axes: see projection.c.
 *
 * Source: global and per-dimension bounds: folklore (Lloyd 1982 for the narrowing). Local: LVQ, Aguerrebere et al. 2023
 * (arXiv 2304.04759), §3.
 * Differs: |x̂ - µ|² is kept with a local code, so that L2 too is one integer-by-float product a component and no division a vector.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/quantizer.h"
#include "quant/projection.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

extern const leann_quantizer_type leann_quantizer_sq;

enum { PER_DIMENSION, GLOBAL, LOCAL };
enum {
    CHUNK = 1024,   /* rows a task */
    TILE = 16,      /* rows converted at once */
    LOCAL_HEAD = 8, /* bytes before a local code's components */
    TAIL = 4,       /* bytes before those, of a projected row */
    SHARES = 16     /* widths tried when bounds are narrowed: 1, 15/16, … 1/16 */
};

typedef struct {
    uint32_t bits, training_samples, dims;
    int bounds;
} sq_params;

static const leann_param sq_table[] = {
    LEANN_PARAM_INT(sq_params, bits, 4, 8, "8", "bits a component: 8 or 4"),
    LEANN_PARAM_WORD(sq_params, bounds, "per-dimension|global|local", "per-dimension",
                     "range that the steps divide: of each dimension, of all components together, or of each vector about the mean"),
    LEANN_PARAM_INT(sq_params, training_samples, 1, 4294967294.0, "65536", "rows that the bounds are taken from at most"),
    LEANN_PARAM_LATE_INT(sq_params, dims, 0, 16384, "leading principal axes that are coded instead of the row; 0: the row itself"),
    LEANN_PARAM_END};

typedef struct {
    leann_quantizer common;
    uint32_t bits, top;          /* top: the largest code, 255 or 15 */
    uint32_t width;              /* components of a code: d or dims */
    uint32_t tail, head;         /* bytes before a code: of its tail, and with what a local one begins with */
    leann_projection projection; /* where width is not d */
    int bounds;
    float unit;        /* local: of low and step in a code */
    float *low, *step; /* (width) each; local: low is the mean, step is not used */
} sq;

static leann_projection_kind kind_of(const sq_params *p)
{
    return (leann_projection_kind){.dims = p->dims};
}

static void sq_free(leann_quantizer *base)
{
    sq *self = (sq *)base;
    if (!self) return;
    leann_projection_free(&self->projection);
    leann_free(self->low);
    leann_free(self->step);
    leann_free(self);
}

static leann_status sq_check(leann_ctx *ctx, uint64_t n, uint32_t d, const void *params)
{
    const sq_params *p = params;
    (void)n;
    if (p->bits != 8 && p->bits != 4) return leann_fail(ctx, LEANN_EINVAL, "sq: bits is %u; it must be 8 or 4", p->bits);
    if (d == 0 || d > 1u << 28) return leann_fail(ctx, LEANN_EINVAL, "sq: d is %u, not 1 to %u", d, 1u << 28);
    return p->dims ? leann_projection_check(ctx, "sq", d, kind_of(p)) : LEANN_OK;
}

/* A multiple of 4, and 16, 32, 64 or 128 where that is at most a third more: then no code lies across more lines than it must. */
static uint32_t stored_bytes(uint32_t bytes)
{
    bytes = (bytes + 3) / 4 * 4;
    for (uint32_t whole = 16; whole <= 128; whole *= 2)
        if (bytes < whole && 3 * (whole - bytes) <= bytes) return whole;
    return bytes;
}

static uint32_t sq_code_bytes(uint32_t d, const void *params)
{
    const sq_params *p = params;
    uint32_t width = p->dims ? p->dims : d, bytes = (p->bounds == LOCAL ? LOCAL_HEAD : 0) + (p->bits == 8 ? width : (width + 1) / 2);
    return p->dims ? stored_bytes(TAIL + bytes) : bytes;
}

static leann_status sq_new(leann_ctx *ctx, uint32_t d, const sq_params *p, sq **out)
{
    sq *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    self->common = (leann_quantizer){.type = &leann_quantizer_sq, .d = d, .code_bytes = sq_code_bytes(d, p)};
    self->bits = p->bits;
    self->top = p->bits == 8 ? 255 : 15;
    self->width = p->dims ? p->dims : d;
    self->tail = p->dims ? TAIL : 0;
    self->head = self->tail + (p->bounds == LOCAL ? LOCAL_HEAD : 0);
    self->bounds = p->bounds;
    self->unit = 1;
    self->low = leann_alloc(ctx, self->width, sizeof *self->low);
    self->step = leann_alloc(ctx, self->width, sizeof *self->step);
    if (!self->low || !self->step) {
        sq_free((leann_quantizer *)self);
        return LEANN_ENOMEM;
    }
    *out = self;
    return LEANN_OK;
}

static uint32_t sq_training_rows(uint64_t n, uint32_t d, const void *params)
{
    const sq_params *p = params;
    (void)d;
    return n < p->training_samples ? (uint32_t)n : p->training_samples;
}

/* ---- training ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_rows rows;
    size_t chunks;
    float *low, *high; /* (chunks, d) */
    double *sum;       /* (chunks, d) */
} range_job;

static leann_status range_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const range_job *job = arg;
    size_t d = job->rows.d, at = begin / CHUNK * d, mark = leann_scratch_mark(ctx);
    float *x = leann_scratch(ctx, TILE * d * sizeof *x), *low = job->low + at, *high = job->high + at;
    if (!x) return LEANN_ENOMEM;
    for (size_t j = 0; j < d; j++) low[j] = FLT_MAX, high[j] = -FLT_MAX;
    for (size_t i = begin; i < end; i += TILE) {
        size_t n = end - i < TILE ? end - i : TILE;
        leann_rows_floats(job->rows, (uint32_t)i, (uint32_t)n, x);
        for (size_t r = 0; r < n; r++)
            for (size_t j = 0; j < d; j++) {
                float v = x[r * d + j];
                low[j] = v < low[j] ? v : low[j];
                high[j] = v > high[j] ? v : high[j];
                job->sum[at + j] += (double)v;
            }
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* low, high, mean (d) of the sample. */
static leann_status ranges(leann_ctx *ctx, leann_rows sample, float *low, float *high, float *mean)
{
    size_t d = sample.d, chunks = ((size_t)sample.n + CHUNK - 1) / CHUNK;
    range_job job = {.rows = sample, .chunks = chunks};
    job.low = leann_alloc(ctx, chunks * d, sizeof *job.low);
    job.high = leann_alloc(ctx, chunks * d, sizeof *job.high);
    job.sum = leann_alloc(ctx, chunks * d, sizeof *job.sum);
    leann_status status = job.low && job.high && job.sum ? leann_parallel(ctx, sample.n, CHUNK, range_task, &job) : LEANN_ENOMEM;
    if (status != LEANN_OK) goto done;
    for (size_t j = 0; j < d; j++) {
        double sum = 0;
        low[j] = FLT_MAX, high[j] = -FLT_MAX;
        for (size_t c = 0; c < chunks; c++) {
            low[j] = fminf(low[j], job.low[c * d + j]);
            high[j] = fmaxf(high[j], job.high[c * d + j]);
            sum += job.sum[c * d + j];
        }
        mean[j] = (float)(sum / sample.n);
    }
done:
    leann_free(job.low);
    leann_free(job.high);
    leann_free(job.sum);
    return status;
}

typedef struct {
    leann_rows rows;
    const float *low, *high;
    double *loss; /* (chunks, SHARES, d) */
} narrow_job;

/* Squared error of each share of each dimension's range, on rows [begin, end). */
static leann_status narrow_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const narrow_job *job = arg;
    size_t d = job->rows.d, mark = leann_scratch_mark(ctx);
    double *loss = job->loss + begin / CHUNK * SHARES * d;
    float *x = leann_scratch(ctx, d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    for (size_t i = begin; i < end; i++) {
        leann_rows_floats(job->rows, (uint32_t)i, 1, x);
        for (size_t s = 0; s < SHARES; s++) {
            float share = (float)(SHARES - s) / SHARES;
            for (size_t j = 0; j < d; j++) {
                float width = (job->high[j] - job->low[j]) * share, low = (job->high[j] + job->low[j] - width) / 2, step = width / 15;
                float code = step > 0 ? (x[j] - low) / step : 0;
                code = code > 0 ? code < 15 ? floorf(code + 0.5F) : 15 : 0;
                float miss = x[j] - low - step * code;
                loss[s * d + j] += (double)miss * (double)miss;
            }
        }
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* At 16 levels a rare far value costs every other one: each range is narrowed about its middle to the share with least squared error
 * on the first 4,096 sample rows (global: one share for all dimensions). */
static leann_status narrow(leann_ctx *ctx, leann_rows sample, bool together, float *low, float *high)
{
    size_t d = sample.d;
    if (sample.n > 4 * CHUNK) sample.n = 4 * CHUNK;
    size_t chunks = ((size_t)sample.n + CHUNK - 1) / CHUNK;
    narrow_job job = {.rows = sample, .low = low, .high = high};
    job.loss = leann_alloc(ctx, chunks * SHARES * d, sizeof *job.loss);
    if (!job.loss) return LEANN_ENOMEM;
    leann_status status = leann_parallel(ctx, sample.n, CHUNK, narrow_task, &job);
    for (size_t c = 1; c < chunks; c++)
        for (size_t i = 0; i < SHARES * d; i++) job.loss[i] += job.loss[c * SHARES * d + i];
    for (size_t s = 0; together && s < SHARES; s++) {
        double sum = 0;
        for (size_t j = 0; j < d; j++) sum += job.loss[s * d + j];
        for (size_t j = 0; j < d; j++) job.loss[s * d + j] = sum;
    }
    for (size_t j = 0; j < d && status == LEANN_OK; j++) {
        size_t best = 0;
        for (size_t s = 1; s < SHARES; s++)
            if (job.loss[s * d + j] < job.loss[best * d + j]) best = s;
        float width = (high[j] - low[j]) * (float)(SHARES - best) / SHARES, middle = high[j] + low[j];
        low[j] = (middle - width) / 2;
        high[j] = (middle + width) / 2;
    }
    leann_free(job.loss);
    return status;
}

/* The bounds of a sample of rows as they are coded, (n, width). */
static leann_status fit(leann_ctx *ctx, sq *self, leann_rows sample)
{
    uint32_t d = self->width;
    float *high = leann_alloc(ctx, d, sizeof *high), *mean = leann_alloc(ctx, d, sizeof *mean);
    leann_status status = high && mean ? ranges(ctx, sample, self->low, high, mean) : LEANN_ENOMEM;
    if (status != LEANN_OK) goto done;
    if (self->bounds == LOCAL) {
        float far = 0;
        for (uint32_t j = 0; j < d; j++) far = fmaxf(far, fmaxf(high[j] - mean[j], mean[j] - self->low[j]));
        int exponent = 0;
        (void)frexpf(far, &exponent);
        self->unit = far > 0 ? ldexpf(1, exponent < -86 ? -100 : exponent - 14) : 1; /* far is at most 2^14 units: halves reach 2^16 */
        memcpy(self->low, mean, d * sizeof *mean);
        goto done;
    }
    if (self->bounds == GLOBAL) {
        float low = FLT_MAX, top = -FLT_MAX;
        for (uint32_t j = 0; j < d; j++) low = fminf(low, self->low[j]), top = fmaxf(top, high[j]);
        for (uint32_t j = 0; j < d; j++) self->low[j] = low, high[j] = top;
    }
    if (self->bits == 4) status = narrow(ctx, sample, self->bounds == GLOBAL, self->low, high);
    for (uint32_t j = 0; j < d; j++) self->step[j] = (high[j] - self->low[j]) / (float)self->top;
done:
    leann_free(high);
    leann_free(mean);
    return status;
}

/* The projection, and the sample as it sees it: y on the heap, the caller's. */
static leann_status project_sample(leann_ctx *ctx, sq *self, leann_rows *sample, const sq_params *p, float **y)
{
    leann_status status = leann_projection_fit(ctx, *sample, kind_of(p), &self->projection);
    if (status != LEANN_OK) return status;
    *y = leann_alloc(ctx, sample->n, self->width * sizeof **y);
    if (!*y) return LEANN_ENOMEM;
    status = leann_projection_all(&self->projection, ctx, *sample, *y);
    *sample = (leann_rows){*y, self->width * sizeof **y, sample->n, self->width, LEANN_F32, LEANN_L2};
    return status;
}

static leann_status sq_train(leann_ctx *ctx, leann_rows sample, const void *params, leann_quantizer **out)
{
    const sq_params *p = params;
    sq *self = NULL;
    float *y = NULL;
    leann_status status = sq_check(ctx, sample.n, sample.d, p);
    if (status != LEANN_OK) return status;
    if (sample.n == 0) return leann_fail(ctx, LEANN_EINVAL, "sq: there are 0 training rows; it needs at least 1");
    status = sq_new(ctx, sample.d, p, &self);
    if (status == LEANN_OK && p->dims) status = project_sample(ctx, self, &sample, p, &y);
    if (status == LEANN_OK) status = fit(ctx, self, sample);
    leann_free(y);
    if (status == LEANN_OK)
        *out = &self->common;
    else
        sq_free((leann_quantizer *)self);
    return status;
}

/* ---- codes ---------------------------------------------------------------------------------------------------------------- */

/* (x - low) / step to the nearest whole number of [0, top], packed. step 0: code 0. inverse (d) or one for all; so low. */
static void quantise(const sq *self, const float *x, const float *low, const float *inverse, size_t each, uint8_t *code)
{
    float top = (float)self->top;
    uint32_t d = self->width;
    if (self->bits == 4) memset(code, 0, (d + 1) / 2);
    for (uint32_t j = 0; j < d; j++) {
        float v = (x[j] - low[j * each]) * inverse[j * each];
        v = v > 0 ? v < top ? v : top : 0; /* NaN: 0 */
        uint8_t c = (uint8_t)(int)(v + 0.5F);
        if (self->bits == 8)
            code[j] = c;
        else
            code[j >> 1] = (uint8_t)(code[j >> 1] | c << (j & 1 ? 4 : 0));
    }
}

static uint8_t component(const sq *self, const uint8_t *code, uint32_t j)
{
    return self->bits == 8 ? code[j] : j & 1 ? code[j >> 1] >> 4 : code[j >> 1] & 15;
}

typedef struct {
    float norm, low, step;
} local_head;

static local_head head_of(const sq *self, const uint8_t *code)
{
    local_head head;
    uint16_t half[2];
    float wide[2];
    memcpy(&head.norm, code, sizeof head.norm);
    memcpy(half, code + sizeof head.norm, sizeof half);
    leann_kernels_get()->f32_from_f16(half, wide, 2);
    head.low = wide[0] * self->unit;
    head.step = wide[1] * self->unit;
    return head;
}

/* x becomes x - mean and is coded between its own least and largest component, both rounded to halves first. */
static void encode_local(const sq *self, float *x, uint8_t *code)
{
    uint32_t d = self->width;
    float low = FLT_MAX, high = -FLT_MAX, norm = 0, halves_of[2];
    uint16_t half[2];
    for (uint32_t j = 0; j < d; j++) {
        x[j] -= self->low[j];
        low = x[j] < low ? x[j] : low;
        high = x[j] > high ? x[j] : high;
    }
    halves_of[0] = fmaxf(-65504, fminf(65504, low / self->unit)); /* only rows far outside the sample are cut */
    leann_kernels_get()->f16_from_f32(halves_of, half, 1);
    memcpy(code + sizeof norm, half, sizeof *half);
    leann_kernels_get()->f32_from_f16(half, &low, 1);
    halves_of[1] = fmaxf(0, fminf(65504, (high / self->unit - low) / (float)self->top));
    leann_kernels_get()->f16_from_f32(halves_of + 1, half + 1, 1);
    memcpy(code + sizeof norm, half, sizeof half);
    local_head head = head_of(self, code);
    float inverse = head.step > 0 ? 1 / head.step : 0;
    quantise(self, x, &head.low, &inverse, 0, code + LOCAL_HEAD);
    for (uint32_t j = 0; j < d; j++) x[j] = head.low + head.step * (float)component(self, code + LOCAL_HEAD, j);
    norm = leann_kernels_get()->norm_f32(x, d);
    memcpy(code, &norm, sizeof norm);
}

typedef struct {
    const sq *self;
    leann_rows rows;
    const float *inverse; /* (width), not local */
    uint8_t *code;
} encode_job;

static leann_status encode_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const encode_job *job = arg;
    const sq *self = job->self;
    size_t d = self->width, mark = leann_scratch_mark(ctx);
    float *x = leann_scratch(ctx, TILE * d * sizeof *x), tail[TILE];
    if (!x) return LEANN_ENOMEM;
    for (size_t i = begin; i < end; i += TILE) {
        size_t n = end - i < TILE ? end - i : TILE;
        if (!self->tail)
            leann_rows_floats(job->rows, (uint32_t)i, (uint32_t)n, x);
        else if (leann_projection_rows(&self->projection, ctx, job->rows, (uint32_t)i, (uint32_t)n, x, tail))
            return LEANN_ENOMEM;
        for (size_t r = 0; r < n; r++) {
            uint8_t *code = job->code + (i + r) * self->common.code_bytes;
            if (self->tail) {
                memset(code, 0, self->common.code_bytes);
                memcpy(code, &tail[r], TAIL);
            }
            if (self->bounds == LOCAL)
                encode_local(self, x + r * d, code + self->tail);
            else
                quantise(self, x + r * d, self->low, job->inverse, 1, code + self->tail);
        }
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

static leann_status sq_encode(leann_ctx *ctx, const leann_quantizer *base, leann_rows rows, uint8_t *code)
{
    const sq *self = (const sq *)base;
    assert(rows.d == base->d);
    float *inverse = leann_alloc(ctx, self->width, sizeof *inverse);
    if (!inverse) return LEANN_ENOMEM;
    for (uint32_t j = 0; j < self->width; j++) inverse[j] = self->step[j] > 0 ? 1 / self->step[j] : 0;
    encode_job job = {.self = self, .rows = rows, .inverse = inverse, .code = code};
    leann_status status = leann_parallel(ctx, rows.n, CHUNK, encode_task, &job);
    leann_free(inverse);
    return status;
}

/* One code, behind its tail. */
static void decode_row(const sq *self, const uint8_t *code, float *x)
{
    if (self->bounds == LOCAL) {
        local_head head = head_of(self, code);
        for (uint32_t j = 0; j < self->width; j++)
            x[j] = self->low[j] + (head.low + head.step * (float)component(self, code + LOCAL_HEAD, j));
    } else
        for (uint32_t j = 0; j < self->width; j++) x[j] = self->low[j] + self->step[j] * (float)component(self, code, j);
}

static void sq_decode(const leann_quantizer *base, leann_ctx *ctx, const uint8_t *code, size_t stride, uint32_t n, float *x)
{
    const sq *self = (const sq *)base;
    size_t d = base->d, mark = leann_scratch_mark(ctx);
    float *y = self->tail ? leann_scratch(ctx, TILE * self->width * sizeof *y) : NULL;
    for (uint32_t i = 0; i < n && !self->tail; i++) decode_row(self, code + i * stride, x + i * d);
    for (uint32_t i = 0; i < n && y; i += TILE) {
        uint32_t rows = n - i < TILE ? n - i : TILE;
        for (uint32_t r = 0; r < rows; r++) decode_row(self, code + (i + r) * stride + TAIL, y + r * self->width);
        leann_projection_back(&self->projection, y, rows, x + i * d);
    }
    leann_scratch_reset(ctx, mark);
}

/* ---- scorers -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_scorer scorer;
    const sq *self;
    const leann_kernels *kernels;
    const leann_codes *codes;
    const float *base, *q; /* q (width) as the kernel wants it */
    float constant;
    float sum, factor; /* local: of q's components; what an inner product counts in a key, -1 or -2 */
    bool squares;      /* plain squared distances: not inner products */
} sq_scorer;

static const uint8_t *code_of(const sq_scorer *self, leann_span span, uint32_t i)
{
    size_t row = span.ids ? span.ids[i] : span.first + i;
    return self->codes->code + row * self->codes->stride;
}

static void score_local(const sq_scorer *self, leann_span span, float *key)
{
    for (uint32_t i = 0; i < span.n; i++) {
        local_head head = head_of(self->self, code_of(self, span, i) + self->self->tail);
        key[i] = self->factor * (head.low * self->sum + head.step * key[i]) + (self->squares ? head.norm : 0);
    }
}

static void add_tails(const sq_scorer *self, leann_span span, float *key)
{
    for (uint32_t i = 0; i < span.n; i++) {
        float tail;
        memcpy(&tail, code_of(self, span, i), sizeof tail);
        key[i] += tail;
    }
}

static void sq_score(leann_scorer *scorer, leann_span span, float cut, float *key, float *low)
{
    (void)cut, (void)low;
    sq_scorer *self = (sq_scorer *)scorer;
    bool local = self->self->bounds == LOCAL, bytes = self->self->bits == 8;
    leann_list list = leann_codes_list(self->codes, span, self->self->head);
    size_t d = self->self->width;
    if (self->squares && !local)
        (bytes ? self->kernels->sq8_l2_list : self->kernels->sq4_l2_list)(self->q, self->self->step, list, d, key);
    else
        (bytes ? self->kernels->sq8_ip_list : self->kernels->sq4_ip_list)(self->q, list, d, key);
    if (local) score_local(self, span, key);
    if (self->self->tail && self->squares) add_tails(self, span, key);
    leann_codes_finish(self->codes, self->base, span, self->constant, key);
    scorer->dist_comps += span.n;
}

static leann_scorer *sq_prepare(const leann_quantizer *base_type, leann_ctx *ctx, const leann_codes *codes, const float *q,
                                const float *base)
{
    const sq *self = (const sq *)base_type;
    uint32_t d = self->width;
    sq_scorer *scorer = leann_scratch(ctx, sizeof *scorer);
    float *own = leann_scratch(ctx, d * sizeof *own), *along = self->tail ? leann_scratch(ctx, d * sizeof *along) : NULL;
    if (!scorer || !own || (self->tail && !along)) return NULL;
    *scorer =
        (sq_scorer){.scorer = {.score = sq_score}, .self = self, .kernels = leann_kernels_get(), .codes = codes, .base = base, .q = own};
    scorer->squares = !base && codes->space != LEANN_IP;
    scorer->factor = codes->space == LEANN_IP ? -1 : -2;
    double along_low = 0, sum = 0, apart = 0;
    if (self->tail) { /* what the axes leave of q, and the centre they are about */
        float square;
        if (leann_projection_query(&self->projection, ctx, q, scorer->squares, along, &square)) return NULL;
        apart = scorer->squares ? fmax(0, (double)square - (double)scorer->kernels->norm_f32(along, d))
                                : (double)scorer->factor * (double)scorer->kernels->ip_f32(q, self->projection.centre, base_type->d);
        q = along;
    }
    for (uint32_t j = 0; j < d; j++) along_low += (double)q[j] * (double)self->low[j];
    if (scorer->squares) /* about low: the mean (local) or code 0 */
        for (uint32_t j = 0; j < d; j++) own[j] = q[j] - self->low[j];
    else if (self->bounds == LOCAL)
        memcpy(own, q, d * sizeof *own);
    else
        for (uint32_t j = 0; j < d; j++) own[j] = scorer->factor * q[j] * self->step[j];
    for (uint32_t j = 0; j < d; j++) sum += (double)own[j];
    scorer->sum = (float)sum;
    if (!scorer->squares)
        apart += (double)scorer->factor * along_low;
    else if (self->bounds == LOCAL)
        apart += (double)scorer->kernels->norm_f32(own, d);
    scorer->constant = (float)apart;
    return &scorer->scorer;
}

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

/* The projection's sections where there is one; then, of width w, sq.bounds: per-dimension f32 (2, w): low, step; global f32 (2, 1): low,
 * step; local f32 (1, w + 1): mean, unit. */
static uint64_t bounds_rows(int bounds)
{
    return bounds == LOCAL ? 1 : 2;
}
static uint64_t bounds_stride(int bounds, uint32_t width)
{
    return sizeof(float) * (bounds == GLOBAL ? 1 : bounds == LOCAL ? (uint64_t)width + 1 : width);
}

static leann_status sq_save(const leann_quantizer *base, leann_writer *w)
{
    const sq *self = (const sq *)base;
    uint32_t d = self->width, each = self->bounds == GLOBAL ? 1 : d;
    leann_status status = self->tail ? leann_projection_save(&self->projection, w) : LEANN_OK;
    if (status != LEANN_OK) return status;
    float *flat = leann_alloc(leann_writer_ctx(w), 2 * (size_t)d, sizeof *flat);
    if (!flat) return LEANN_ENOMEM;
    memcpy(flat, self->low, each * sizeof *flat);
    if (self->bounds == LOCAL)
        flat[d] = self->unit;
    else
        memcpy(flat + each, self->step, each * sizeof *flat);
    status =
        leann_writer_add(w, "sq.bounds", LEANN_PART_CODEBOOKS, LEANN_F32, bounds_rows(self->bounds), bounds_stride(self->bounds, d), flat);
    leann_free(flat);
    return status;
}

static leann_status sq_open(leann_ctx *ctx, const leann_reader *r, uint32_t d, const void *params, leann_quantizer **out)
{
    const sq_params *p = params;
    const void *data = NULL;
    sq *self = NULL;
    uint32_t width = p->dims ? p->dims : d;
    leann_status status = sq_check(ctx, 1, d, p);
    if (status == LEANN_OK)
        status = leann_reader_need(ctx, r, "sq.bounds", LEANN_F32, bounds_rows(p->bounds), bounds_stride(p->bounds, width), &data);
    if (status != LEANN_OK) return status;
    const float *flat = data;
    size_t count = (size_t)(bounds_rows(p->bounds) * bounds_stride(p->bounds, width) / sizeof *flat);
    for (size_t i = 0; i < count; i++) {
        bool is_step = p->bounds == LOCAL ? i == width : i >= count / 2;
        if (!isfinite(flat[i]) || (is_step && flat[i] < 0))
            return leann_fail(ctx, LEANN_EFORMAT, "sq.bounds: value %zu is %g; it must be finite%s", i, (double)flat[i],
                              is_step ? " and at least 0" : "");
    }
    status = sq_new(ctx, d, p, &self);
    if (status == LEANN_OK && p->dims) status = leann_projection_open(ctx, r, d, kind_of(p), &self->projection);
    if (status != LEANN_OK) {
        sq_free((leann_quantizer *)self);
        return status;
    }
    for (uint32_t j = 0; j < width; j++) {
        self->low[j] = flat[p->bounds == GLOBAL ? 0 : j];
        if (p->bounds != LOCAL) self->step[j] = flat[p->bounds == GLOBAL ? 1 : width + j];
    }
    if (p->bounds == LOCAL) self->unit = flat[width];
    *out = &self->common;
    return LEANN_OK;
}

static void sq_predict(uint64_t n, uint32_t d, const void *params, leann_ledger *ledger)
{
    const sq_params *p = params;
    (void)n;
    if (p->dims) leann_projection_predict(d, kind_of(p), ledger);
    leann_ledger_add(ledger, LEANN_PART_CODEBOOKS, bounds_rows(p->bounds) * bounds_stride(p->bounds, p->dims ? p->dims : d));
}

const leann_quantizer_type leann_quantizer_sq = {
    .common = {.name = "sq",
               .revision = 1,
               .about = "each component in 8 or 4 bits, between bounds per dimension, global or of the vector itself",
               .source = "local bounds: LVQ, Aguerrebere et al. 2023 (arXiv 2304.04759), section 3",
               .params = sq_table,
               .params_size = sizeof(sq_params)},
    .train = sq_train,
    .encode = sq_encode,
    .decode = sq_decode,
    .prepare = sq_prepare,
    .save = sq_save,
    .open = sq_open,
    .free = sq_free,
    .check = sq_check,
    .code_bytes = sq_code_bytes,
    .predict = sq_predict,
    .training_rows = sq_training_rows,
};
