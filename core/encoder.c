/* encoder.c – encoders through leann.h: opened by their word, told what they may be given.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plugin.h"

#include <string.h>

leann_status leann_encoder_open(leann_ctx *ctx, leann_choice encoder, leann_encoder **out)
{
    *out = NULL;
    return ((const leann_encoder_type *)encoder.plugin)->open(ctx, encoder.params, out);
}

leann_status leann_encoder_new(leann_ctx *ctx, const char *config, leann_encoder **out)
{
    leann_value *given = NULL;
    leann_choice choice;
    leann_ctx_clear(ctx);
    *out = NULL;
    leann_status status = leann_config_parse(ctx, "encoder", config, strlen(config), &given);
    if (status) return status;
    status = leann_choice_new(ctx, "encoder", given, &choice);
    leann_value_free(given);
    if (status) return status;
    status = leann_encoder_open(ctx, choice, out);
    leann_choice_free(choice);
    return status;
}

void leann_encoder_free(leann_encoder *encoder)
{
    if (encoder) encoder->type->free(encoder);
}

uint32_t leann_encoder_dimension(const leann_encoder *encoder)
{
    return encoder->d;
}

const char *leann_encoder_identity(const leann_encoder *encoder)
{
    return encoder->identity;
}

leann_status leann_encode(const leann_encoder *encoder, leann_ctx *ctx, leann_role role, const leann_text *texts, uint32_t n, float *x)
{
    leann_ctx_clear(ctx);
    return n ? encoder->type->encode(encoder, ctx, role, texts, n, x) : LEANN_OK;
}

leann_status leann_count_tokens(const leann_encoder *encoder, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *tokens)
{
    leann_ctx_clear(ctx);
    return n ? encoder->type->count(encoder, ctx, texts, n, tokens) : LEANN_OK;
}
