/* minilm_texts.c – texts -> what a model makes of them, n vectors (n, hidden) or a cross-encoder's scores (n): cut into tokens and put
 * through the forward pass, 1,024 at a time.
 *
 * SPDX-License-Identifier: MIT */
#include "encoders/minilm.h"

#include <string.h>

enum { SLICE = 1024 }; /* texts whose tokens lie in memory at once */

typedef struct {
    const leann_model *model;
    leann_text before;
    const leann_text *texts;
    uint32_t *ids;    /* (texts, max_tokens), or NULL: they are counted alone */
    uint32_t *tokens; /* (texts) out */
    uint32_t *second; /* (texts) out, or NULL: no pairs */
} job;

static leann_status tokens_of(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const job *j = arg;
    const leann_wordpiece *words = leann_model_wordpiece(j->model);
    const uint32_t max = leann_model_bert(j->model)->max_tokens;
    leann_status status = LEANN_OK;
    for (size_t i = begin; i < end && status == LEANN_OK; i++) {
        uint32_t *ids = j->ids ? j->ids + i * max : NULL;
        status = !ids        ? leann_wordpiece_count(words, ctx, j->texts[i], &j->tokens[i])
                 : j->second ? leann_wordpiece_encode_pair(words, ctx, j->before, j->texts[i], max, ids, &j->tokens[i], &j->second[i])
                             : leann_wordpiece_encode(words, ctx, j->before, j->texts[i], max, ids, &j->tokens[i]);
    }
    return status;
}

static leann_status encode_slice(leann_ctx *ctx, const leann_model *model, leann_text before, const leann_text *texts, uint32_t n, float *x)
{
    const leann_bert *bert = leann_model_bert(model);
    const size_t mark = leann_scratch_mark(ctx), max = bert->max_tokens;
    uint32_t *ids = leann_scratch(ctx, n * max * sizeof *ids), *start = leann_scratch(ctx, (n + 1) * sizeof *start);
    uint32_t *second = bert->classifier ? leann_scratch(ctx, n * sizeof *second) : NULL;
    leann_status status = leann_ctx_status(ctx);
    if (status == LEANN_OK) status = leann_parallel(ctx, n, 16, tokens_of, &(job){model, before, texts, ids, start + 1, second});
    if (status == LEANN_OK) {
        start[0] = 0; /* counts become places, and the tokens close ranks */
        for (uint32_t i = 0; i < n; i++) {
            memmove(ids + start[i], ids + i * max, start[i + 1] * sizeof *ids);
            start[i + 1] += start[i];
        }
        status = leann_bert_forward(ctx, bert, ids, start, second, n, x);
    }
    leann_scratch_reset(ctx, mark);
    return status;
}

leann_status leann_model_encode(leann_ctx *ctx, const leann_model *model, leann_text before, const leann_text *texts, uint32_t n, float *x)
{
    const size_t width = leann_model_bert(model)->width;
    leann_status status = LEANN_OK;
    for (uint32_t first = 0, count; first < n && status == LEANN_OK; first += count) {
        count = n - first < SLICE ? n - first : SLICE;
        status = encode_slice(ctx, model, before, texts + first, count, x + first * width);
    }
    return status;
}

leann_status leann_model_count(leann_ctx *ctx, const leann_model *model, const leann_text *texts, uint32_t n, uint32_t *tokens)
{
    return leann_parallel(ctx, n, 16, tokens_of, &(job){.model = model, .texts = texts, .tokens = tokens});
}
