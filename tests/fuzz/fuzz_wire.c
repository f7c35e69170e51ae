/* fuzz_wire.c – a client's message of any bytes to the embedding server, in JSON or MessagePack. Where 0xff 0xff stands first, a second
 * frame begins behind the next 0xff 0xff.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "server/request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { D = 3 };

static void *exactly(const uint8_t *data, size_t size) /* a read past it is seen by AddressSanitizer */
{
    void *copy = malloc(size ? size : 1);
    if (!copy) abort();
    return size ? memcpy(copy, data, size) : copy;
}

static void check(const leann_request *r, const leann_request_limits *limits, const leann_frame *frame, unsigned frames)
{
    unsigned sum = 0;
    size_t all = 0;
    if (r->n > limits->texts || r->ask >= LEANN_ASK_UNKNOWN || r->packed != (r->ask >= LEANN_ASK_TEXTS)) abort();
    if (r->ask == LEANN_ASK_ABOUT) return;
    if (!r->texts == !r->labels) abort();
    for (uint32_t i = 0; r->texts && i < r->n; i++) {
        if (r->texts[i].n > limits->text_bytes) abort();
        for (size_t j = 0; j < r->texts[i].n; j++) sum += (unsigned char)r->texts[i].bytes[j];
        all += r->texts[i].n;
    }
    if (frames == 2 && all != frame[1].bytes) abort();
    for (uint32_t i = 0; r->labels && i < r->n; i++) sum += (unsigned)r->labels[i];
    if ((r->query != NULL) != (r->ask == LEANN_ASK_DISTANCES)) abort();
    for (int i = 0; r->query && i < D; i++)
        if (!isfinite(r->query[i])) abort();
    volatile unsigned read = sum; /* so that all of it is */
    (void)read;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static leann_ctx *ctx;
    static const leann_request_limits limits = {.texts = 20, .text_bytes = 40, .request_bytes = 1000};
    leann_request request;
    if (!ctx && !(ctx = leann_ctx_new(1, 1))) abort();
    const uint8_t *cut = NULL;
    if (size >= 2 && data[0] == 0xff && data[1] == 0xff) {
        data += 2, size -= 2;
        cut = memmem(data, size, "\xff\xff", 2);
    }
    const size_t first = cut ? (size_t)(cut - data) : size, second = cut ? size - first - 2 : 0;
    void *a = exactly(data, first), *b = exactly(cut ? cut + 2 : NULL, second);
    const leann_frame frame[] = {{a, first}, {b, second}};
    const unsigned frames = cut ? 2 : 1;
    leann_ctx_clear(ctx);
    leann_status status = leann_request_read(ctx, frame, frames, &limits, D, &request);
    if (status == LEANN_OK)
        check(&request, &limits, frame, frames);
    else if (!leann_ctx_error(ctx)[0] || request.n > limits.texts) /* a failure says what it is, and its answer has a size */
        abort();
    leann_request_free(&request);
    free(a);
    free(b);
    return 0;
}
