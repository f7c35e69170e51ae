/* minilm_cross.c – cross-encoders through leann.h: query and passage read together by a BERT with a head of one label -> a score.
 *
 * Source: Nogueira & Cho 2019 (arXiv 1901.04085); Reimers & Gurevych 2019 (arXiv 1908.10084).
 * Differs: the score is the logit; sentence-transformers puts a sigmoid behind it where the model does not say otherwise.
 *
 * SPDX-License-Identifier: MIT */
#include "encoders/minilm.h"

#include <string.h>

typedef struct {
    const char *model;
    int precision;
} cross_params;

static const leann_param table[] = {
    LEANN_PARAM_TEXT(cross_params, model, NULL, "a folder as Hugging Face keeps models, or a packed file"),
    LEANN_PARAM_WORD(cross_params, precision, "f32|bf16|int8", "f32", "of weights and of what dense layers take"),
    LEANN_PARAM_END,
};

struct leann_cross_encoder {
    leann_model *model;
};

static leann_status open_model(leann_ctx *ctx, const cross_params *p, leann_cross_encoder *self)
{
    if (!p->model) return leann_fail(ctx, LEANN_EINVAL, "a cross-encoder needs its model: {model: FOLDER}");
    leann_status status = leann_model_open(ctx, p->model, (leann_precision)p->precision, &self->model);
    if (status == LEANN_OK && !leann_model_bert(self->model)->classifier)
        status = leann_fail(
            ctx, LEANN_EUNSUPPORTED,
            "the model %s is a sentence encoder, no cross-encoder: its configuration names no BertForSequenceClassification", p->model);
    return status;
}

leann_status leann_cross_encoder_new(leann_ctx *ctx, const char *config, leann_cross_encoder **out)
{
    leann_value *given = NULL;
    void *params = NULL;
    leann_ctx_clear(ctx);
    *out = NULL;
    leann_cross_encoder *self = leann_alloc(ctx, 1, sizeof *self);
    leann_status status = self ? leann_config_parse(ctx, "cross-encoder", config, strlen(config), &given) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_params_new(ctx, "a cross-encoder", table, sizeof(cross_params), given, &params);
    if (status == LEANN_OK) status = open_model(ctx, params, self);
    leann_params_free(table, params);
    leann_value_free(given);
    if (status == LEANN_OK)
        *out = self;
    else
        leann_cross_encoder_free(self);
    return status;
}

void leann_cross_encoder_free(leann_cross_encoder *cross)
{
    if (!cross) return;
    leann_model_free(cross->model);
    leann_free(cross);
}

const char *leann_cross_encoder_identity(const leann_cross_encoder *cross)
{
    return leann_model_identity(cross->model);
}

leann_status leann_cross_encode(const leann_cross_encoder *cross, leann_ctx *ctx, leann_text query, const leann_text *texts, uint32_t n,
                                float *score)
{
    leann_ctx_clear(ctx);
    return leann_model_encode(ctx, cross->model, query, texts, n, score);
}
