/* quantizer.c – the bias of residual codes, and the last step of every scorer over codes.
 *
 * Cost of a bias: one look-up table a list and two sums a code, no row is decoded.
 *
 * SPDX-License-Identifier: MIT */
#include "core/quantizer.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void leann_quantizer_free(leann_quantizer *quantizer)
{
    if (quantizer) quantizer->type->free(quantizer);
}

void leann_codes_finish(const leann_codes *codes, const float *base, leann_span span, float constant, float *key)
{
    if (base) {
        assert(span.owner < codes->lists);
        constant += base[span.owner];
    }
    if (base && codes->bias && span.ids)
        for (uint32_t i = 0; i < span.n; i++) key[i] += constant + codes->bias[span.ids[i]];
    else if (base && codes->bias)
        for (uint32_t i = 0; i < span.n; i++) key[i] += constant + codes->bias[span.first + i];
    else
        for (uint32_t i = 0; i < span.n; i++) key[i] += constant;
    if (codes->space != LEANN_IP)
        for (uint32_t i = 0; i < span.n; i++) key[i] = key[i] > 0 ? key[i] : 0;
}

typedef struct {
    const leann_quantizer *quantizer;
    const leann_codes *codes;
    const float *anchors;
    float *bias;
} bias_job;

/* Lists [begin, end): |r̂|² is the plain squared distance from 0, -<a, r̂> the plain inner-product key of a. */
static leann_status bias_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const bias_job *job = arg;
    const leann_quantizer *quantizer = job->quantizer;
    uint32_t d = quantizer->d, most = 0;
    for (size_t l = begin; l < end; l++) {
        uint32_t n = job->codes->list_off[l + 1] - job->codes->list_off[l];
        most = n > most ? n : most;
    }
    size_t outer = leann_scratch_mark(ctx);
    float *zero = leann_scratch(ctx, d * sizeof *zero), *product = leann_scratch(ctx, (most + 1) * sizeof *product);
    leann_codes from_zero = *job->codes, from_anchor = *job->codes;
    from_zero.list_off = from_anchor.list_off = NULL;
    from_zero.bias = from_anchor.bias = NULL;
    from_zero.space = LEANN_L2;
    from_anchor.space = LEANN_IP;
    leann_scorer *norm = NULL;
    if (zero) {
        memset(zero, 0, d * sizeof *zero);
        norm = quantizer->type->prepare(quantizer, ctx, &from_zero, zero, NULL);
    }
    leann_status status = norm && product ? LEANN_OK : LEANN_ENOMEM;
    for (size_t l = begin; l < end && status == LEANN_OK; l++) {
        uint32_t first = job->codes->list_off[l], n = job->codes->list_off[l + 1] - first;
        if (n == 0) continue;
        leann_span span = {.owner = LEANN_NONE, .first = first, .n = n, .ids = NULL};
        size_t inner = leann_scratch_mark(ctx);
        leann_scorer *along = quantizer->type->prepare(quantizer, ctx, &from_anchor, job->anchors + l * d, NULL);
        if (along) {
            norm->score(norm, span, INFINITY, job->bias + first, NULL);
            along->score(along, span, INFINITY, product, NULL);
            for (uint32_t i = 0; i < n; i++) job->bias[first + i] -= 2 * product[i];
        } else
            status = LEANN_ENOMEM;
        leann_scratch_reset(ctx, inner);
    }
    leann_scratch_reset(ctx, outer);
    return status;
}

leann_status leann_quantizer_bias(leann_ctx *ctx, const leann_quantizer *quantizer, const leann_codes *codes, const float *anchors,
                                  float *bias)
{
    assert(codes->list_off && codes->list_off[codes->lists] == codes->n);
    if (codes->space == LEANN_IP) {
        memset(bias, 0, codes->n * sizeof *bias);
        return LEANN_OK;
    }
    bias_job job = {.quantizer = quantizer, .codes = codes, .anchors = anchors, .bias = bias};
    return leann_parallel(ctx, codes->lists, 16, bias_task, &job);
}
