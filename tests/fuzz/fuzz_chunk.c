/* fuzz_chunk.c – any bytes as a text to cut: every byte that is not blank in one chunk, none too long, however the reader gives them.
 *
 * The first byte says the text's shape and how much the reader gives at once.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "datasets/text.h"
#include "tests/unit/text_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const char *text;
    size_t n, at, piece;
} source;

static leann_status more(leann_ctx *ctx, void *arg, char *to, size_t room, size_t *got)
{
    source *s = arg;
    (void)ctx;
    *got = s->n - s->at < room ? s->n - s->at : room;
    if (*got > s->piece) *got = s->piece;
    memcpy(to, s->text + s->at, *got);
    s->at += *got;
    return LEANN_OK;
}

/* A hash of where the chunks lie. */
static uint64_t cut(leann_ctx *ctx, const char *text, size_t n, leann_text_shape shape, size_t piece)
{
    leann_chunker *c = NULL;
    source s = {text, n, 0, piece};
    uint64_t at = 0, hash = 0;
    uint32_t row = 1;
    if (leann_chunker_new(ctx, &fake_encoder, 0, &c)) abort();
    leann_chunker_begin(c, shape, more, &s);
    for (;;) {
        leann_chunk chunk;
        if (leann_chunker_next(c, &chunk)) abort();
        uint64_t end = chunk.bytes ? chunk.offset : n;
        if (end < at || end > n) abort();
        for (; at < end; at++) {
            if (!fake_blank(text[at])) abort();
            row += text[at] == '\n';
        }
        if (chunk.bytes == 0) break;
        if (chunk.bytes > LEANN_CHUNK_BYTES || chunk.bytes > n - at || memcmp(chunk.text, text + at, chunk.bytes) != 0) abort();
        if (chunk.tokens > FAKE_TOKENS || chunk.first_line != row || fake_blank(chunk.text[chunk.bytes - 1])) abort();
        for (; at < chunk.offset + chunk.bytes; at++) row += text[at] == '\n';
        if (chunk.last_line != row) abort();
        hash = (hash ^ (chunk.offset << 20) ^ chunk.bytes) * 1099511628211ULL;
    }
    leann_chunker_free(c);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1 << 18) return 0;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    if (!ctx) return 0;
    leann_text_shape shape = (leann_text_shape)(data[0] & 3);
    const char *text = (const char *)data + 1;
    if (cut(ctx, text, size - 1, shape, size) != cut(ctx, text, size - 1, shape, 1 + (size_t)(data[0] >> 2) * 97)) abort();
    leann_ctx_free(ctx);
    return 0;
}
