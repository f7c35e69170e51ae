/* quantizer.h – what callers of quantisers share: freeing, the bias of residual codes, and the last step of every scorer over codes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_QUANTIZER_H
#define LEANN_QUANTIZER_H

#include "core/plugin.h"
#include "core/simd/kernels.h"

void leann_quantizer_free(leann_quantizer *quantizer); /* NULL is fine */

/* What a residual code adds to every key, whatever the query: |r̂|² + 2<a, r̂> under L2 and angular, 0 under inner product.
 *   shape   codes with list_off and lists set (bias is not looked at); anchors (lists, d); bias (codes->n) out
 *   errors  ENOMEM, EINTR
 *   threads in parallel over lists; a list's numbers do not depend on how many
 *   source  Jégou, Douze & Schmid 2011, §3.3, with the query's terms split off so that one table serves every list */
leann_status leann_quantizer_bias(leann_ctx *ctx, const leann_quantizer *quantizer, const leann_codes *codes, const float *anchors,
                                  float *bias);

/* Adds to the raw sums of a span what a scorer knows apart from the codes: constant, and for residuals base[owner] + bias. Squared
 * distances are kept from falling below 0 by rounding. */
void leann_codes_finish(const leann_codes *codes, const float *base, leann_span span, float constant, float *key);

/* The rows of a span, as kernels take them. skip: bytes of a code before what the kernel reads. */
static inline leann_list leann_codes_list(const leann_codes *codes, leann_span span, size_t skip)
{
    return (leann_list){.base = codes->code + skip, .stride = codes->stride, .ids = span.ids, .first = span.first, .n = span.n};
}

#endif
