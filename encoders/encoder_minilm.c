/* encoder_minilm.c – sentence vectors by a transformer of the BERT family on this processor: all-MiniLM-L6-v2, or any model of its shape.
 *
 * Cost, all-MiniLM-L6-v2: 5.8 GFLOP a text of 250 tokens.
 *
 * Source: Wang et al. 2020 (MiniLM, arXiv 2002.10957); Reimers & Gurevych 2019 (arXiv 1908.10084).
 * SPDX-License-Identifier: MIT */
#include "encoders/minilm.h"

#include <string.h>

extern const leann_encoder_type leann_encoder_minilm;

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
    if (status == LEANN_OK && leann_model_bert(self->model)->classifier)
        status = leann_fail(ctx, LEANN_EUNSUPPORTED,
                            "the model %s is a cross-encoder: it gives pairs of texts a score, and no text a vector", p->model);
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

static leann_status minilm_encode(const leann_encoder *encoder, leann_ctx *ctx, leann_role role, const leann_text *texts, uint32_t n,
                                  float *x)
{
    const leann_model *model = ((const minilm *)(const void *)encoder)->model;
    return leann_model_encode(ctx, model, leann_model_prefix(model, role), texts, n, x);
}

static leann_status minilm_count(const leann_encoder *encoder, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *tokens)
{
    return leann_model_count(ctx, ((const minilm *)(const void *)encoder)->model, texts, n, tokens);
}

const leann_encoder_type leann_encoder_minilm = {
    .common = {"minilm", 1, "sentence vectors by a transformer of the BERT family, computed here",
               "Wang et al. 2020, arXiv 2002.10957; Reimers & Gurevych 2019, arXiv 1908.10084", table, sizeof(minilm_params)},
    .open = minilm_open,
    .encode = minilm_encode,
    .count = minilm_count,
    .free = minilm_free,
};
