/* encoder_minilm.c – sentence vectors by a transformer of the BERT family on this processor: all-MiniLM-L6-v2, or any model of its shape.
 *
 * Cost, all-MiniLM-L6-v2: 5.8 GFLOP a text of 250 tokens.
 *
 * Source: Wang et al. 2020 (MiniLM, arXiv 2002.10957); Reimers & Gurevych 2019 (arXiv 1908.10084).
 * SPDX-License-Identifier: MIT */
#include "encoders/minilm.h"

#include <assert.h>
#include <string.h>

extern const leann_encoder_type leann_encoder_minilm;

enum { SLICE = 1024 }; /* texts whose tokens lie in memory at once */

typedef struct {
    const char *model;
    int precision;
    uint32_t batch;
} minilm_params;

static const leann_param table[] = {
    LEANN_PARAM_TEXT(
        minilm_params, model, "\"\"",
        "a folder as Hugging Face keeps models, or a packed file; empty: all-MiniLM-L6-v2 from the cache (`leann model fetch`)"),
    LEANN_PARAM_WORD(minilm_params, precision, "f32|bf16|int8", "f32", "of weights and of what dense layers take"),
    LEANN_PARAM_INT(minilm_params, batch, 1, 65536, "64", "texts a call that it likes best"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_encoder common;
    leann_model *model;
} minilm;

static void minilm_free(leann_encoder *encoder)
{
    minilm *self = (minilm *)(void *)encoder;
    if (!self) return;
    leann_model_free(self->model);
    leann_free(self);
}

static leann_status minilm_open(leann_ctx *ctx, const void *params, leann_encoder **out)
{
    const minilm_params *p = params;
    minilm *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    leann_status status = leann_model_open(ctx, p->model[0] ? p->model : NULL, (leann_precision)p->precision, &self->model);
    if (status) {
        minilm_free(&self->common);
        return status;
    }
    const leann_bert *bert = leann_model_bert(self->model);
    self->common = (leann_encoder){.type = &leann_encoder_minilm,
                                   .d = bert->hidden,
                                   .best_batch = p->batch,
                                   .max_tokens = bert->max_tokens,
                                   .space = bert->unit ? LEANN_ANGULAR : LEANN_IP};
    memcpy(self->common.identity, leann_model_identity(self->model), sizeof self->common.identity);
    *out = &self->common;
    return LEANN_OK;
}

typedef struct {
    const minilm *self;
    leann_text prefix;
    const leann_text *texts;
    uint32_t *ids;    /* (texts, max_tokens), or NULL: they are counted alone */
    uint32_t *tokens; /* (texts) out */
} job;

static leann_status tokens_of(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const job *j = arg;
    const leann_wordpiece *words = leann_model_wordpiece(j->self->model);
    const uint32_t max = j->self->common.max_tokens;
    leann_status status = LEANN_OK;
    for (size_t i = begin; i < end && status == LEANN_OK; i++)
        status = j->ids ? leann_wordpiece_encode(words, ctx, j->prefix, j->texts[i], max, j->ids + i * max, &j->tokens[i])
                        : leann_wordpiece_count(words, ctx, j->texts[i], &j->tokens[i]);
    return status;
}

static leann_status encode_slice(leann_ctx *ctx, const minilm *self, leann_text prefix, const leann_text *texts, uint32_t n, float *x)
{
    const size_t mark = leann_scratch_mark(ctx), max = self->common.max_tokens;
    uint32_t *ids = leann_scratch(ctx, n * max * sizeof *ids), *start = leann_scratch(ctx, (n + 1) * sizeof *start);
    leann_status status = leann_ctx_status(ctx);
    if (status == LEANN_OK) status = leann_parallel(ctx, n, 16, tokens_of, &(job){self, prefix, texts, ids, start + 1});
    if (status == LEANN_OK) {
        start[0] = 0; /* counts become places, and the tokens close ranks */
        for (uint32_t i = 0; i < n; i++) {
            memmove(ids + start[i], ids + i * max, start[i + 1] * sizeof *ids);
            start[i + 1] += start[i];
        }
        status = leann_bert_forward(ctx, leann_model_bert(self->model), ids, start, n, x);
    }
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status minilm_encode(const leann_encoder *encoder, leann_ctx *ctx, leann_role role, const leann_text *texts, uint32_t n,
                                  float *x)
{
    const minilm *self = (const minilm *)(const void *)encoder;
    const leann_text prefix = leann_model_prefix(self->model, role);
    leann_status status = LEANN_OK;
    for (uint32_t first = 0, count; first < n && status == LEANN_OK; first += count) {
        count = n - first < SLICE ? n - first : SLICE;
        status = encode_slice(ctx, self, prefix, texts + first, count, x + (size_t)first * encoder->d);
    }
    return status;
}

static leann_status minilm_count(const leann_encoder *encoder, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *tokens)
{
    return leann_parallel(ctx, n, 16, tokens_of, &(job){.self = (const minilm *)(const void *)encoder, .texts = texts, .tokens = tokens});
}

const leann_encoder_type leann_encoder_minilm = {
    .common = {"minilm", 1, "sentence vectors by a transformer of the BERT family, computed here",
               "Wang et al. 2020, arXiv 2002.10957; Reimers & Gurevych 2019, arXiv 1908.10084", table, sizeof(minilm_params)},
    .open = minilm_open,
    .encode = minilm_encode,
    .count = minilm_count,
    .free = minilm_free,
};
