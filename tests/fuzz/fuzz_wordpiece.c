/* fuzz_wordpiece.c – any bytes as a vocabulary and a text: an error with a sentence, or tokens that do not depend on where the text is cut,
 * on what of it is given as prefix, nor on whether what is no UTF-8 was replaced before.
 *
 * Bytes: options, a number to cut at, a vocabulary up to the first 0 (none: a small one of its own), the text.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "core/ctx.h"
#include "encoders/minilm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 16 };
static const char own[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nab\n##a\n##b\n##ab\nword\nwo\n##rd\n##ing\n.\n[\n]\ncls\ni\n##"
                          "\xCC\x87\n\xC3\xA9\n##\xC3\xA9\n"
                          "e\n##e\n\xE4\xB8\xAD\n\xF0\x9D\x85\x98\n##\xF0\x9D\x85\xA5\n##\xF0\x9D\x85\xAD\n";

static uint32_t encode(const leann_wordpiece *self, leann_ctx *ctx, leann_text prefix, leann_text text, uint32_t max, uint32_t *ids)
{
    uint32_t n;
    if (leann_wordpiece_encode(self, ctx, prefix, text, max, ids, &n)) abort();
    if (n < 2 || n > max) abort();
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] >= leann_wordpiece_size(self)) abort();
    return n;
}

/* The same text, its U+FFFD written out; at most 3 bytes a byte. */
static size_t replaced(leann_text text, uint8_t *out)
{
    const uint8_t *at = (const uint8_t *)text.bytes, *end = at + text.n;
    size_t n = 0;
    while (at < end) n += leann_utf8_put(leann_utf8_next(&at, end), out + n);
    return n;
}

static void check(const leann_wordpiece *self, leann_ctx *ctx, leann_text text, size_t cut)
{
    static uint32_t ids[ROOM], other[ROOM];
    static uint8_t clean[3 * ROOM];
    leann_text none = {NULL, 0};
    uint32_t n = encode(self, ctx, none, text, ROOM, ids), max = 2 + (uint32_t)cut % n, counted;
    uint32_t short_n = encode(self, ctx, none, text, max, other);
    if (short_n != (n < max ? n : max) || memcmp(ids, other, (short_n - 1) * sizeof *ids) != 0) abort();
    if (leann_wordpiece_count(self, ctx, text, &counted) || counted != n - 2) abort();
    if (encode(self, ctx, none, (leann_text){(const char *)clean, replaced(text, clean)}, ROOM, other) != n) abort();
    if (memcmp(ids, other, n * sizeof *ids) != 0) abort();
    size_t at = text.n > 0 ? cut % text.n : 0;
    while (at < text.n && ((uint8_t)text.bytes[at] & 0xC0) == 0x80) at++; /* what is cut off ends no code point before it */
    leann_text prefix = {text.bytes, at}, rest = {text.bytes + at, text.n - at};
    if (encode(self, ctx, prefix, rest, max, other) != short_n || memcmp(ids, other, (short_n - 1) * sizeof *ids) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_wordpiece *self;
    if (!ctx || size < 3 || size > ROOM / 4) {
        leann_ctx_free(ctx);
        return 0;
    }
    leann_wordpiece_options options = {data[0] & 1, data[0] & 2, data[0] & 4, data[0] & 8 ? 100 : 5, "[UNK]", "[CLS]", "[SEP]", "##"};
    if (data[0] & 16) options.continues[0] = 0;
    const char *rest = (const char *)data + 2, *zero = memchr(rest, 0, size - 2);
    size_t bytes = zero ? (size_t)(zero - rest) : 0;
    leann_text text = {zero ? zero + 1 : rest, size - 2 - bytes - (zero != NULL)};
    if (leann_wordpiece_new(ctx, bytes > 0 ? rest : own, bytes > 0 ? bytes : sizeof own - 1, &options, &self) == LEANN_OK)
        check(self, ctx, text, data[1]);
    else if (!leann_ctx_error(ctx)[0])
        abort();
    leann_wordpiece_free(self);
    leann_ctx_free(ctx);
    return 0;
}
