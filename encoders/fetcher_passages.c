/* fetcher_passages.c – exact vectors made again from the texts of the data set, by the encoder that made them at first.
 *
 * The encoder is the one that the set names, unless another is chosen; one of another identity is refused, since its vectors would be
 * others. What is asked for is
 * made in submit, in one call of the encoder.
 *
 * Source: Wang et al. 2025 (LEANN, arXiv 2506.08276), recomputation of embeddings.
 * SPDX-License-Identifier: MIT */
#include "encoders/fetched.h"

#include <string.h>

extern const leann_fetcher_type leann_fetcher_passages;

typedef struct {
    leann_choice encoder;
} passages_params;

static const leann_param table[] = {
    LEANN_PARAM_PLUGIN(passages_params, encoder, "encoder", "none-given", "what makes the vectors; none: as the data set says"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_fetcher common;
    const leann_passages *passages;
    leann_encoder *encoder;
} fetcher;

static void passages_free(leann_fetcher *self)
{
    if (!self) return;
    leann_encoder_free(((fetcher *)(void *)self)->encoder);
    leann_free(self);
}

/* The encoder that a set names. */
static leann_status open_named(leann_ctx *ctx, const leann_passages *passages, leann_encoder **out)
{
    leann_value *config = NULL;
    leann_choice choice = {0};
    leann_status status = leann_value_parse(ctx, "the data set's encoder", passages->encoder, strlen(passages->encoder), &config);
    if (status == LEANN_OK) status = leann_choice_new(ctx, "encoder", config, &choice);
    if (status == LEANN_OK) status = leann_encoder_open(ctx, choice, out);
    leann_choice_free(choice);
    leann_value_free(config);
    return status;
}

static leann_status check(leann_ctx *ctx, const fetcher *self, const leann_rows *source)
{
    const leann_encoder *encoder = self->encoder;
    const leann_passages *passages = self->passages;
    if (passages->n != source->n)
        return leann_fail(ctx, LEANN_EINVAL, "the data set has %u passages, but the source has %u rows", passages->n, source->n);
    if (encoder->d != source->d)
        return leann_fail(ctx, LEANN_EINVAL, "the encoder %s makes vectors of dimension %u, but the source has %u",
                          encoder->type->common.name, encoder->d, source->d);
    if (strcmp(encoder->identity, passages->identity) != 0)
        return leann_fail(ctx, LEANN_EINVAL,
                          "the encoder %s is not the one that made the data set: its identity is %.12s…, not %.12s… (weights, "
                          "tokenizer, precision, lengths and prefixes go into it)",
                          encoder->type->common.name, encoder->identity, passages->identity);
    return LEANN_OK;
}

static leann_status passages_open(leann_ctx *ctx, const leann_rows *source, const leann_dataset *data, const void *params,
                                  leann_fetcher **out)
{
    const passages_params *p = params;
    if (!data || !data->passages)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "fetcher passages needs a data set of `leann dataset text`, not bare rows");
    fetcher *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    leann_status status = data->passages(data, ctx, &self->passages);
    if (status == LEANN_OK)
        status = p->encoder.plugin ? leann_encoder_open(ctx, p->encoder, &self->encoder) : open_named(ctx, self->passages, &self->encoder);
    if (status == LEANN_OK) status = check(ctx, self, source);
    if (status != LEANN_OK) {
        passages_free(&self->common);
        return status;
    }
    self->common = (leann_fetcher){&leann_fetcher_passages, source->n, source->d, self->encoder->best_batch};
    *out = &self->common;
    return LEANN_OK;
}

static leann_status passages_submit(const leann_fetcher *common, leann_ctx *ctx, const uint32_t *ids, uint32_t n, uint64_t *ticket)
{
    const fetcher *self = (const fetcher *)(const void *)common;
    leann_fetched *f = leann_fetched_new(ctx, n, common->d);
    size_t mark = leann_scratch_mark(ctx);
    leann_text *text = leann_scratch(ctx, n * sizeof *text);
    if (!f || !text) return leann_ctx_status(ctx);
    leann_status status = self->passages->read(self->passages, ctx, ids, n, text);
    if (status == LEANN_OK) status = self->encoder->type->encode(self->encoder, ctx, LEANN_PASSAGE, text, n, f->x);
    leann_scratch_reset(ctx, mark);
    if (status == LEANN_OK) *ticket = leann_fetched_done(ctx, f);
    return status;
}

const leann_fetcher_type leann_fetcher_passages = {
    .common = {"passages", 1, "vectors made again by an encoder from the texts of the data set", "Wang et al. 2025 (LEANN), recomputation",
               table, sizeof(passages_params)},
    .open = passages_open,
    .submit = passages_submit,
    .collect = leann_fetched_collect,
    .free = passages_free,
    .encodes = true,
};
