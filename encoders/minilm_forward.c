/* minilm_forward.c – the forward pass of a BERT encoder: token ids (n sequences) -> vectors (n, hidden), or scores (n) by a cross-encoder.
 *
 * Sequences lie one after another without padding, by groups of about 256 tokens that one worker takes through all layers, so that what
 * passes between layers stays in the second cache. Between dense layers all is f32; a layer's input is rounded to bf16, or to bytes by a
 * step and a zero point a token, where the model is packed so. Attention goes head by head and by blocks of queries, so that a block's
 * scores stay in the first cache.
 *
 * Cost, a sequence of L tokens and hidden size h: 24 L h² + 4 L² h floating-point operations a layer where inner = 4 h.
 *
 * Source: Vaswani et al. 2017; Devlin et al. 2019 (BERT); Reimers & Gurevych 2019 (pooling); Nogueira & Cho 2019 (arXiv 1901.04085, scores).
 * Differs: weights exp(s - max) are divided by their sum after the product with the values, not before.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/dense.h"
#include "encoders/minilm.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_TOKENS = 256 };

typedef struct { /* of one group; rows are tokens, with LEANN_DENSE_SPARE more */
    const leann_dense_kernels *k;
    const leann_bert *bert;
    bool attend_bf16;
    size_t tokens;
    float *x;            /* (tokens, hidden) */
    float *wide;         /* (tokens, inner or 2 hidden): what a dense layer gives */
    void *qkv;           /* (tokens, 3 hidden) f32 or bf16 */
    void *operand;       /* (tokens, inner) bf16 or u8: what it takes */
    float *row_step;     /* (tokens) */
    int32_t *row_zero;   /* (tokens) */
    void *keys, *values; /* panels of one head */
    float *score;        /* (rows of a block, width) */
    float *inverse;      /* (rows of a block) */
    uint32_t *packed;
} work;

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Columns of a block's scores for L keys: units of the values' panels are a multiple of 16. */
static size_t width_of(size_t length, bool bf16)
{
    return round_up(length, (bf16 ? 2 : 1) * LEANN_DENSE_UNITS);
}

static size_t block_rows(const leann_dense_kernels *k)
{
    return round_up(24, k->rows);
}

static leann_status work_new(leann_ctx *ctx, const leann_bert *bert, size_t tokens, size_t longest, work *w)
{
    const leann_dense_kernels *k = leann_dense_get();
    const size_t rows = tokens + LEANN_DENSE_SPARE, hidden = bert->hidden, inner = bert->inner > 2 * hidden ? bert->inner : 2 * hidden;
    const size_t block = block_rows(k) + LEANN_DENSE_SPARE, width = width_of(longest, true), head = hidden / bert->heads;
    const size_t units = inner > width ? inner : width;
    *w = (work){
        .k = k,
        .bert = bert,
        .attend_bf16 = bert->precision != LEANN_ENCODE_F32 && k->fast_bf16 && head % (2 * LEANN_DENSE_UNITS) == 0,
        .tokens = tokens,
        .x = leann_scratch(ctx, rows * hidden * sizeof(float)),
        .wide = leann_scratch(ctx, rows * inner * sizeof(float)),
        .qkv = leann_scratch(ctx, rows * 3 * hidden * sizeof(float)),
        .operand = leann_scratch(ctx, rows * inner * sizeof(uint16_t)),
        .row_step = leann_scratch(ctx, rows * sizeof(float)),
        .row_zero = leann_scratch(ctx, rows * sizeof(int32_t)),
        .keys = leann_scratch(ctx, width * head * sizeof(float)),
        .values = leann_scratch(ctx, width * head * sizeof(float)),
        .score = leann_scratch(ctx, block * width * sizeof(float)),
        .inverse = leann_scratch(ctx, block * sizeof(float)),
        .packed = leann_scratch(ctx, rows * (units + 2 * LEANN_DENSE_COLUMNS) * sizeof(uint32_t)),
    };
    return leann_ctx_status(ctx);
}

/* ---- dense layers ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    void *out;
    size_t stride; /* bytes */
    bool gelu, bf16;
} result;

/* out = layer(in), in (tokens, layer->in) f32. */
static void dense(const work *w, const leann_dense *layer, const float *in, result to)
{
    const size_t d = layer->in;
    leann_product p = {.m = w->tokens,
                       .n = layer->out,
                       .units = d,
                       .rows = in,
                       .stride = d * sizeof *in,
                       .panels = layer->weight,
                       .bias = layer->bias,
                       .out = to.out,
                       .out_stride = to.stride,
                       .gelu = to.gelu,
                       .out_bf16 = to.bf16,
                       .packed = w->packed};
    switch (w->bert->precision) {
    case LEANN_ENCODE_F32:
        w->k->product_f32(&p);
        return;
    case LEANN_ENCODE_BF16:
        w->k->bf16_from_f32(in, w->operand, w->tokens * d);
        p.rows = w->operand, p.stride = d * sizeof(uint16_t), p.units = d / 2;
        w->k->product_bf16(&p);
        return;
    case LEANN_ENCODE_INT8:
        for (size_t i = 0; i < w->tokens; i++)
            w->k->u8_from_f32(in + i * d, (uint8_t *)w->operand + i * d, d, &w->row_step[i], &w->row_zero[i]);
        p.rows = w->operand, p.stride = d, p.units = d / 4;
        p.row_step = w->row_step, p.row_zero = w->row_zero, p.step = layer->scale, p.sums = layer->sums;
        w->k->product_u8(&p);
    }
}

/* x = norm(x + y), row by row. */
static void add_norm(const work *w, const leann_norm *norm, const float *y)
{
    const size_t hidden = w->bert->hidden;
    for (size_t i = 0; i < w->tokens; i++) w->k->norm(w->x + i * hidden, y + i * hidden, hidden, norm->gain, norm->bias, w->bert->epsilon);
}

/* ---- attention --------------------------------------------------------------------------------------------------------------------- */

/* The values (length, head), stride bytes apart, as panels: the inner dimension is the key. */
static void value_panels(const char *v, size_t stride, size_t length, size_t width, size_t head, bool bf16, void *out)
{
    for (size_t c = 0; c < head; c += LEANN_DENSE_COLUMNS) {
        if (!bf16) {
            float *to = (float *)out + c * width;
            for (size_t i = 0; i < length; i++)
                memcpy(to + i * LEANN_DENSE_COLUMNS, v + i * stride + c * sizeof *to, LEANN_DENSE_COLUMNS * sizeof *to);
            memset(to + length * LEANN_DENSE_COLUMNS, 0, (width - length) * LEANN_DENSE_COLUMNS * sizeof *to);
            continue;
        }
        uint16_t *to = (uint16_t *)out + c * width;
        for (size_t i = 0; i < width; i += 2, to += 2 * LEANN_DENSE_COLUMNS) {
            static const uint16_t zeros[LEANN_DENSE_COLUMNS];
            const uint16_t *even = i < length ? (const void *)(v + i * stride + c * sizeof *to) : zeros;
            const uint16_t *odd = i + 1 < length ? (const void *)(v + (i + 1) * stride + c * sizeof *to) : zeros;
            for (size_t l = 0; l < LEANN_DENSE_COLUMNS; l++) to[2 * l] = even[l], to[2 * l + 1] = odd[l];
        }
    }
}

/* One head of the sequence of length tokens from first on; out (length, head), hidden floats apart. */
static void attend(const work *w, size_t first, size_t length, size_t at, float *out)
{
    const bool bf16 = w->attend_bf16;
    const size_t hidden = w->bert->hidden, head = hidden / w->bert->heads, element = bf16 ? sizeof(uint16_t) : sizeof(float);
    const size_t stride = 3 * hidden * element, width = width_of(length, bf16), step = block_rows(w->k);
    const char *q = (const char *)w->qkv + first * stride + at * head * element, *k = q + hidden * element, *v = k + hidden * element;
    void (*product)(const leann_product *) = bf16 ? w->k->product_bf16 : w->k->product_f32;
    w->k->panels(k, stride, length, head * element / sizeof(uint32_t), width, w->keys);
    value_panels(v, stride, length, width, head, bf16, w->values);
    for (size_t i = 0; i < length; i += step) {
        const size_t rows = length - i < step ? length - i : step;
        product(&(leann_product){.m = rows,
                                 .n = width,
                                 .units = head * element / sizeof(uint32_t),
                                 .rows = q + i * stride,
                                 .stride = stride,
                                 .panels = w->keys,
                                 .out = w->score,
                                 .out_stride = width * sizeof(float),
                                 .packed = w->packed});
        w->k->softmax(w->score, width, rows, length, width, bf16, w->inverse);
        product(&(leann_product){.m = rows,
                                 .n = head,
                                 .units = width * element / sizeof(uint32_t),
                                 .rows = w->score,
                                 .stride = width * sizeof(float),
                                 .panels = w->values,
                                 .out = out + i * hidden,
                                 .out_stride = hidden * sizeof(float),
                                 .packed = w->packed});
        w->k->scale(out + i * hidden, hidden, rows, head, w->inverse);
    }
}

/* ---- groups of sequences ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const leann_bert *bert;
    const uint32_t *ids, *start, *second; /* second: NULL but for a cross-encoder */
    const uint32_t *order;                /* sequences by length, longest first */
    const uint32_t *group;                /* the i-th takes order[group[i]] to order[group[i + 1]] */
    float *x;                             /* out */
} job;

static size_t length_of(const job *j, uint32_t sequence)
{
    return j->start[sequence + 1] - j->start[sequence];
}

/* Tokens from second on are of type 1. */
static void embed(const work *w, const uint32_t *ids, size_t length, size_t second, float *x)
{
    const leann_bert *b = w->bert;
    for (size_t t = 0; t < length; t++, x += b->hidden) {
        const float *position = b->position + (t < second ? t : b->positions + t) * b->hidden;
        assert(ids[t] < b->vocabulary && t < b->positions);
        memcpy(x, b->word + (size_t)ids[t] * b->hidden, b->hidden * sizeof *x);
        for (size_t j = 0; j < b->hidden; j++) x[j] += position[j];
        w->k->norm(x, NULL, b->hidden, b->norm.gain, b->norm.bias, b->epsilon);
    }
}

static void pool(const leann_bert *b, const float *x, size_t length, float *out)
{
    double square = 0;
    memcpy(out, x, b->hidden * sizeof *out);
    for (size_t t = 1; t < length && !b->first_token; t++)
        for (size_t j = 0; j < b->hidden; j++) out[j] += x[t * b->hidden + j];
    if (!b->first_token)
        for (size_t j = 0; j < b->hidden; j++) out[j] /= (float)length;
    if (!b->unit) return;
    for (size_t j = 0; j < b->hidden; j++) square += (double)out[j] * (double)out[j];
    const float factor = square > 0 ? (float)(1 / sqrt(square)) : 0;
    for (size_t j = 0; j < b->hidden; j++) out[j] *= factor;
}

static void pool_group(const work *w, const job *j, const uint32_t *sequence, size_t count)
{
    const size_t hidden = w->bert->hidden;
    for (size_t s = 0, at = 0, length; s < count; s++, at += length) {
        length = length_of(j, sequence[s]);
        pool(w->bert, w->x + at * hidden, length, j->x + (size_t)sequence[s] * hidden);
    }
}

/* The first token of each sequence makes its score; they close ranks first, and the others are lost. */
static void score_group(work *w, const job *j, const uint32_t *sequence, size_t count)
{
    const leann_bert *b = w->bert;
    const size_t hidden = b->hidden;
    for (size_t s = 0, at = 0; s < count; at += length_of(j, sequence[s++]))
        memmove(w->x + s * hidden, w->x + at * hidden, hidden * sizeof(float));
    w->tokens = count;
    dense(w, &b->pooler, w->x, (result){w->wide, hidden * sizeof(float), false, false});
    for (size_t s = 0; s < count; s++) {
        double score = (double)b->classifier[hidden];
        for (size_t i = 0; i < hidden; i++) score += (double)b->classifier[i] * tanh((double)w->wide[s * hidden + i]);
        j->x[sequence[s]] = (float)score;
    }
}

static leann_status run_group(leann_ctx *ctx, const job *j, const uint32_t *sequence, size_t count)
{
    const leann_bert *b = j->bert;
    const size_t mark = leann_scratch_mark(ctx), hidden = b->hidden;
    size_t tokens = 0, longest = length_of(j, sequence[0]);
    work w;
    for (size_t s = 0; s < count; s++) tokens += length_of(j, sequence[s]);
    leann_status status = work_new(ctx, b, tokens, longest, &w);
    if (status) goto done;
    for (size_t s = 0, at = 0, length; s < count; s++, at += length) {
        length = length_of(j, sequence[s]);
        embed(&w, j->ids + j->start[sequence[s]], length, j->second ? j->second[sequence[s]] : length, w.x + at * hidden);
    }
    for (uint32_t l = 0; l < b->layers; l++) {
        const leann_bert_layer *layer = &b->layer[l];
        float *context = w.wide + tokens * hidden; /* behind what mix gives */
        dense(&w, &layer->qkv, w.x, (result){w.qkv, 3 * hidden * (w.attend_bf16 ? sizeof(uint16_t) : sizeof(float)), false, w.attend_bf16});
        for (size_t s = 0, at = 0, length; s < count; s++, at += length) {
            length = length_of(j, sequence[s]);
            for (uint32_t h = 0; h < b->heads; h++) attend(&w, at, length, h, context + at * hidden + h * (hidden / b->heads));
        }
        dense(&w, &layer->mix, context, (result){w.wide, hidden * sizeof(float), false, false});
        add_norm(&w, &layer->norm1, w.wide);
        dense(&w, &layer->up, w.x, (result){w.wide, b->inner * sizeof(float), true, false});
        dense(&w, &layer->down, w.wide, (result){w.qkv, hidden * sizeof(float), false, false});
        add_norm(&w, &layer->norm2, w.qkv);
    }
    if (b->classifier)
        score_group(&w, j, sequence, count);
    else
        pool_group(&w, j, sequence, count);
done:
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status run_groups(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const job *j = arg;
    leann_status status = LEANN_OK;
    for (size_t g = begin; g < end && status == LEANN_OK; g++)
        status = run_group(ctx, j, j->order + j->group[g], j->group[g + 1] - j->group[g]);
    return status;
}

typedef struct {
    uint32_t length, sequence;
} measured;

static int longer_first(const void *a, const void *b)
{
    const measured *x = a, *y = b;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return x->sequence < y->sequence ? -1 : 1;
}

leann_status leann_bert_forward(leann_ctx *ctx, const leann_bert *bert, const uint32_t *ids, const uint32_t *start, const uint32_t *second,
                                uint32_t n, float *x)
{
    assert(!second == !bert->classifier);
    const size_t mark = leann_scratch_mark(ctx);
    measured *sorted = leann_scratch(ctx, n * sizeof *sorted);
    uint32_t *order = leann_scratch(ctx, n * sizeof *order), *group = leann_scratch(ctx, (n + 1) * sizeof *group), groups = 0;
    leann_status status = leann_ctx_status(ctx);
    if (status) goto done;
    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = (measured){start[i + 1] - start[i], i};
        assert(sorted[i].length > 0 && sorted[i].length <= bert->positions);
    }
    qsort(sorted, n, sizeof *sorted, longer_first);
    for (uint32_t i = 0, tokens = GROUP_TOKENS; i < n; i++) {
        if (tokens + sorted[i].length > GROUP_TOKENS) {
            group[groups++] = i;
            tokens = 0;
        }
        tokens += sorted[i].length;
        order[i] = sorted[i].sequence;
    }
    group[groups] = n;
    status = leann_parallel(ctx, groups, 1, run_groups, &(job){bert, ids, start, second, order, group, x});
done:
    leann_scratch_reset(ctx, mark);
    return status;
}
