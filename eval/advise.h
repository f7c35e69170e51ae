/* advise.h – which measured way of searching fits a wish: bytes, recall, and what an embedding costs.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_ADVISE_H
#define LEANN_ADVISE_H

#include "eval/table.h"

typedef struct {
    double n;          /* vectors */
    uint32_t d, k;     /* rows of another d or k do not count; 0: any */
    double recall;     /* at least */
    double bytes;      /* of the index, at most; INFINITY: any */
    double encoder_ms; /* that embedding one passage again takes */
} leann_wish;

/* What a measured row would be for n vectors. */
typedef struct {
    size_t row;   /* of the table */
    double bytes; /* index_bytes, as many a vector as measured */
    double ms;    /* mean_ms, n / n measured times as much where n is more, and recomputes x encoder_ms: modelled */
} leann_advice;

/* The rows of a summary that fit, fastest first: advice (as many as t has rows) out; how many. Of equal times the smaller is first. Rows that
 * failed, were published by others, or ran an encoder themselves are passed over. */
size_t leann_advise(const leann_table *t, const leann_wish *wish, leann_advice *advice);

#endif
