/* quantizer_rabitq.c – RaBitQ: a row about the mean, turned at random, as 1 to 4 bits a component, with a key that is unbiased and a
 * lower bound of it.
 *
 * Code, of width w (d up to a multiple of 32, or dims): w bits / 8 bytes packed as the kernels take them (rabitq_code.h), then three f32:
 * |x - µ|², the factor of the code, and the root mean square of <v, x̂ - x> over unit vectors v. x̂ = µ + P^T factor (u - (2^b - 1) / 2).
 * Key, plain and in L2: |q - µ|² + |x - µ|² - 2 <q - µ, x̂ - µ>. It is |q - x̂|² less |x̂ - x|², a constant of the row, because x̂ - x is
 * orthogonal to x - µ: so it estimates |q - x|² itself, with mean error 0 over rotations. -<q, x̂> is unbiased as it is.
 * Lower bound: key - 2 epsilon |q - µ| deviation, under inner product key - epsilon |q| deviation; it holds for all but about 3 % of rows
 * at epsilon 1.9 (one side of the normal law), fewer for rows whose error is bounded by less. Residual codes are about their anchor, with
 * |q - a| + |µ| for |q - µ|, where µ is the mean of the residuals, nearly 0.
 * With dims, principal axes come first; |x - µ|² and |q - µ|² count what they leave out (projection.h), the deviation is the larger of
 * that of the code and that of the cross term left out. The latter's bound is of rows at large: near neighbours have a larger one.
 * Encoding: O(w log w) a row, or w d multiply-adds with dims, and the code. A query: the same once. A key: 2 w byte products.
 *
 * Source: Gao & Long, "RaBitQ", SIGMOD 2024 (arXiv 2405.12497); 2 to 4 bits: Gao et al. 2024 (arXiv 2409.09913).
 * Differs: one centre, the mean (or the anchor), instead of one a cluster. See projection.c for the rotation and rabitq_code.c for the rest.
 *
 * SPDX-License-Identifier: MIT */
#include "core/beside.h"
#include "core/product.h"
#include "core/quantizer.h"
#include "quant/projection.h"
#include "quant/rabitq_code.h"

#include <assert.h>
#include <math.h>
#include <string.h>

extern const leann_quantizer_type leann_quantizer_rabitq;

enum {
    CHUNK = 256, /* rows a task encodes */
    TILE = 32    /* rows projected at once */
};

typedef struct {
    uint32_t bits, dims, training_samples;
    double epsilon;
} rabitq_params;

static const leann_param rabitq_table[] = {
    LEANN_PARAM_INT(rabitq_params, bits, 1, 4, "1", "bits a component"),
    LEANN_PARAM_INT(rabitq_params, dims, 0, 16384, "0", "leading principal axes coded, a multiple of 32; 0: all of the space"),
    LEANN_PARAM_REAL(rabitq_params, epsilon, 0, 10, "1.9", "deviations between a key and its lower bound"),
    LEANN_PARAM_INT(rabitq_params, training_samples, 1, 4294967294.0, "65536", "rows that mean and axes are taken from at most"),
    LEANN_PARAM_END};

typedef struct { /* behind the packed components */
    float square, factor, deviation;
} code_foot;

typedef struct {
    leann_quantizer common;
    uint32_t bits, width, bytes; /* bytes: of the packed components */
    float epsilon;
    float reach; /* |µ| */
    leann_projection projection;
} rabitq;

static leann_projection_kind kind_of(const rabitq_params *p)
{
    return (leann_projection_kind){.dims = p->dims, .turned = true};
}

static leann_status rabitq_check(leann_ctx *ctx, uint64_t n, uint32_t d, const void *params)
{
    (void)n;
    return leann_projection_check(ctx, "rabitq", d, kind_of(params));
}

static uint32_t rabitq_code_bytes(uint32_t d, const void *params)
{
    const rabitq_params *p = params;
    return leann_rabitq_bytes(p->bits, leann_projection_width(d, kind_of(p))) + (uint32_t)sizeof(code_foot);
}

static void rabitq_free(leann_quantizer *base)
{
    rabitq *self = (rabitq *)base;
    if (!self) return;
    leann_projection_free(&self->projection);
    leann_free(self);
}

/* Takes over the projection. */
static leann_status rabitq_new(leann_ctx *ctx, uint32_t d, const rabitq_params *p, leann_projection projection, leann_quantizer **out)
{
    rabitq *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) {
        leann_projection_free(&projection);
        return LEANN_ENOMEM;
    }
    self->common = (leann_quantizer){.type = &leann_quantizer_rabitq, .d = d, .code_bytes = rabitq_code_bytes(d, p)};
    self->bits = p->bits;
    self->width = projection.width;
    self->bytes = leann_rabitq_bytes(p->bits, projection.width);
    self->epsilon = (float)p->epsilon;
    self->reach = sqrtf(leann_kernels_get()->norm_f32(projection.centre, d));
    self->projection = projection;
    *out = &self->common;
    return LEANN_OK;
}

static uint32_t rabitq_training_rows(uint64_t n, uint32_t d, const void *params)
{
    const rabitq_params *p = params;
    (void)d;
    return n < p->training_samples ? (uint32_t)n : p->training_samples;
}

static leann_status rabitq_train(leann_ctx *ctx, leann_rows sample, const void *params, leann_quantizer **out)
{
    leann_projection projection;
    leann_status status = rabitq_check(ctx, sample.n, sample.d, params);
    if (status != LEANN_OK) return status;
    if (sample.n == 0) return leann_fail(ctx, LEANN_EINVAL, "rabitq: there are 0 training rows; it needs at least 1");
    status = leann_projection_fit(ctx, sample, kind_of(params), &projection);
    return status == LEANN_OK ? rabitq_new(ctx, sample.d, params, projection, out) : status;
}

/* ---- codes ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const rabitq *self;
    leann_rows rows;
    uint8_t *code;
} encode_job;

/* One projected row. tail: the square of what the axes leave of it. */
static void encode_row(const rabitq *self, const float *y, float tail, uint8_t *component, uint8_t *code)
{
    leann_rabitq_factors factors;
    leann_rabitq_encode(self->bits, self->width, y, NULL, component, &factors);
    leann_rabitq_pack(self->bits, self->width, component, code);
    float along = factors.error / sqrtf((float)self->width - 1), beside = sqrtf(tail) * self->projection.spread;
    code_foot foot = {factors.square + tail, factors.factor, fmaxf(along, beside)};
    memcpy(code + self->bytes, &foot, sizeof foot);
}

static leann_status encode_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const encode_job *job = arg;
    const rabitq *self = job->self;
    size_t width = self->width, mark = leann_scratch_mark(ctx);
    float *y = leann_scratch(ctx, TILE * width * sizeof *y), tail[TILE];
    uint8_t *component = leann_scratch(ctx, width);
    if (!y || !component) return LEANN_ENOMEM;
    for (size_t i = begin; i < end; i += TILE) {
        size_t n = end - i < TILE ? end - i : TILE;
        leann_status status = leann_projection_rows(&self->projection, ctx, job->rows, (uint32_t)i, (uint32_t)n, y, tail);
        if (status != LEANN_OK) return status;
        for (size_t r = 0; r < n; r++) encode_row(self, y + r * width, tail[r], component, job->code + (i + r) * self->common.code_bytes);
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

static leann_status rabitq_encode(leann_ctx *ctx, const leann_quantizer *base, leann_rows rows, uint8_t *code)
{
    assert(rows.d == base->d);
    encode_job job = {(const rabitq *)base, rows, code};
    return leann_parallel(ctx, rows.n, CHUNK, encode_task, &job);
}

static code_foot foot_of(const rabitq *self, const uint8_t *code)
{
    code_foot foot;
    memcpy(&foot, code + self->bytes, sizeof foot);
    return foot;
}

static void rabitq_decode(const leann_quantizer *base, leann_ctx *ctx, const uint8_t *code, size_t stride, uint32_t n, float *x)
{
    const rabitq *self = (const rabitq *)base;
    size_t d = base->d, width = self->width, mark = leann_scratch_mark(ctx);
    float *y = leann_scratch(ctx, TILE * width * sizeof *y), middle = (float)((1u << self->bits) - 1) / 2;
    uint8_t *component = leann_scratch(ctx, width);
    for (uint32_t i = 0; i < n && y && component; i += TILE) { /* else the context says why */
        uint32_t rows = n - i < TILE ? n - i : TILE;
        for (uint32_t r = 0; r < rows; r++) {
            float factor = foot_of(self, code + (i + r) * stride).factor;
            leann_rabitq_unpack(self->bits, self->width, code + (i + r) * stride, component);
            for (size_t j = 0; j < width; j++) y[r * width + j] = factor * ((float)component[j] - middle);
        }
        leann_projection_back(&self->projection, y, rows, x + i * d);
    }
    leann_scratch_reset(ctx, mark);
}

/* ---- scorers -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_scorer scorer;
    const rabitq *self;
    const leann_codes *codes;
    const float *base;
    leann_rabitq_query query;
    float constant, factor; /* of a key: apart from the row, and of an inner product with it, -1 or -2 */
    float reach;            /* the length of what is multiplied with x̂ - x; residual and L2: less |q - a| */
    bool squares;           /* plain squared distances: not inner products */
    leann_lookup lookup;    /* for codes beside lists */
} rabitq_scorer;

static void rabitq_score(leann_scorer *scorer, leann_span span, float cut, float *key, float *low)
{
    (void)cut;
    rabitq_scorer *self = (rabitq_scorer *)scorer;
    if (span.owner != LEANN_NONE && self->codes->beside) {
        leann_beside_score(self->codes->beside, &self->lookup, self->constant, span.owner, span.n, key);
        scorer->dist_comps += span.n;
        return;
    }
    leann_list list = leann_codes_list(self->codes, span, 0);
    leann_rabitq_products(&self->query, self->self->bits, self->self->width, list, key);
    float reach = self->reach;
    if (low && self->base && self->codes->space != LEANN_IP) reach += sqrtf(fmaxf(0, self->base[span.owner]));
    for (uint32_t i = 0; i < span.n; i++) {
        size_t row = span.ids ? span.ids[i] : span.first + i;
        code_foot foot = foot_of(self->self, self->codes->code + row * self->codes->stride);
        key[i] = self->factor * foot.factor * key[i] + (self->squares ? foot.square : 0);
        if (low) low[i] = self->factor * self->self->epsilon * reach * foot.deviation; /* below 0 */
    }
    leann_codes_finish(self->codes, self->base, span, self->constant, key);
    for (uint32_t i = 0; low && i < span.n; i++) low[i] += key[i];
    scorer->dist_comps += span.n;
}

static void rabitq_prefetch(const leann_scorer *scorer, leann_span span)
{
    leann_beside_prefetch(((const rabitq_scorer *)scorer)->codes->beside, span.owner);
}

/* Whether the code falls into columns of 4 bits. */
static leann_columns rabitq_columns(uint32_t d, const void *params)
{
    const rabitq_params *p = params;
    if (p->bits == 3) return (leann_columns){.m = 0};
    return (leann_columns){.m = 2 * leann_rabitq_bytes(p->bits, leann_projection_width(d, kind_of(p))), .scaled = true};
}

static void rabitq_terms(const leann_quantizer *base, leann_space space, const uint8_t *code, float *plus, float *times)
{
    code_foot foot = foot_of((const rabitq *)base, code);
    *plus = space == LEANN_IP ? 0 : foot.square;
    *times = (space == LEANN_IP ? -1 : -2) * foot.factor;
}

/* Of q turned, y (width). */
static leann_status look_up(rabitq_scorer *scorer, leann_ctx *ctx, const float *y)
{
    const rabitq *self = scorer->self;
    float *table = leann_scratch(ctx, (size_t)self->bytes * 32 * sizeof *table);
    if (!table) return LEANN_ENOMEM;
    leann_rabitq_table(self->bits, self->width, y, table);
    return leann_lookup_of(ctx, table, 2 * (size_t)self->bytes, 16, &scorer->lookup);
}

static leann_scorer *rabitq_prepare(const leann_quantizer *base_type, leann_ctx *ctx, const leann_codes *codes, const float *q,
                                    const float *base)
{
    const rabitq *self = (const rabitq *)base_type;
    rabitq_scorer *scorer = leann_scratch(ctx, sizeof *scorer);
    int8_t *high = leann_scratch(ctx, self->width), *low = leann_scratch(ctx, self->width);
    float *y = leann_scratch(ctx, self->width * sizeof *y), square;
    if (!scorer || !high || !low || !y) return NULL;
    *scorer = (rabitq_scorer){.scorer = {.score = rabitq_score, .has_low = true}, .self = self, .codes = codes, .base = base};
    scorer->squares = !base && codes->space != LEANN_IP;
    scorer->factor = codes->space == LEANN_IP ? -1 : -2;
    if (leann_projection_query(&self->projection, ctx, q, scorer->squares, y, &square)) return NULL;
    scorer->constant = scorer->squares ? square : scorer->factor * leann_kernels_get()->ip_f32(q, self->projection.centre, base_type->d);
    scorer->reach = base && codes->space != LEANN_IP ? self->reach : sqrtf(square);
    scorer->query = leann_rabitq_query_of(self->width, y, high, low);
    if (codes->beside) {
        if (look_up(scorer, ctx, y)) return NULL;
        scorer->scorer.whole_lists = true;
        scorer->scorer.prefetch = rabitq_prefetch;
    }
    return &scorer->scorer;
}

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

static leann_status rabitq_save(const leann_quantizer *base, leann_writer *w)
{
    return leann_projection_save(&((const rabitq *)base)->projection, w);
}

static leann_status rabitq_open(leann_ctx *ctx, const leann_reader *r, uint32_t d, const void *params, leann_quantizer **out)
{
    leann_projection projection;
    leann_status status = rabitq_check(ctx, 1, d, params);
    if (status == LEANN_OK) status = leann_projection_open(ctx, r, d, kind_of(params), &projection);
    return status == LEANN_OK ? rabitq_new(ctx, d, params, projection, out) : status;
}

static void rabitq_predict(uint64_t n, uint32_t d, const void *params, leann_ledger *ledger)
{
    (void)n;
    leann_projection_predict(d, kind_of(params), ledger);
}

const leann_quantizer_type leann_quantizer_rabitq = {
    .common = {.name = "rabitq",
               .revision = 1,
               .about = "1 to 4 bits a component of the row turned at random, with unbiased keys and a lower bound",
               .source = "Gao & Long 2024 (arXiv 2405.12497), section 3; 2 to 4 bits: Gao et al. 2024 (arXiv 2409.09913)",
               .params = rabitq_table,
               .params_size = sizeof(rabitq_params)},
    .train = rabitq_train,
    .encode = rabitq_encode,
    .decode = rabitq_decode,
    .prepare = rabitq_prepare,
    .columns = rabitq_columns,
    .terms = rabitq_terms,
    .save = rabitq_save,
    .open = rabitq_open,
    .free = rabitq_free,
    .check = rabitq_check,
    .code_bytes = rabitq_code_bytes,
    .predict = rabitq_predict,
    .training_rows = rabitq_training_rows,
};
