/* text_fake.h – an encoder for tests of texts: a word of n characters is 1 + n / 8 tokens, a vector comes of a text's bytes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_TEXT_FAKE_H
#define LEANN_TEXT_FAKE_H

#include <string.h>

#include "core/plugin.h"

enum { FAKE_D = 16, FAKE_TOKENS = 32 };

static inline bool fake_blank(char b)
{
    return b == ' ' || (b >= '\t' && b <= '\r');
}

static inline leann_status fake_count(const leann_encoder *self, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *tokens)
{
    (void)self, (void)ctx;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t letters = 0;
        tokens[i] = 0;
        for (size_t j = 0; j < texts[i].n; j++) {
            bool blank = fake_blank(texts[i].bytes[j]);
            if (!blank && letters == 0) tokens[i]++;
            if (!blank && ((unsigned char)texts[i].bytes[j] & 0xc0) != 0x80 && ++letters % 8 == 0) tokens[i]++;
            if (blank) letters = 0;
        }
    }
    return LEANN_OK;
}

static inline leann_status fake_encode(const leann_encoder *self, leann_ctx *ctx, leann_role role, const leann_text *texts, uint32_t n,
                                       float *x)
{
    (void)ctx;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t h = role == LEANN_QUERY ? 7 : 1469598103934665603ULL;
        for (size_t j = 0; j < texts[i].n; j++) h = (h ^ (unsigned char)texts[i].bytes[j]) * 1099511628211ULL;
        leann_rng rng = leann_rng_at(h, "fake", 0);
        double sum = 0;
        for (uint32_t j = 0; j < self->d; j++) {
            x[i * self->d + j] = (float)(leann_rng_real(&rng) - 0.5);
            sum += (double)x[i * self->d + j] * (double)x[i * self->d + j];
        }
        for (uint32_t j = 0; j < self->d; j++) x[i * self->d + j] = (float)((double)x[i * self->d + j] / __builtin_sqrt(sum));
    }
    return LEANN_OK;
}

static inline leann_status fake_open(leann_ctx *ctx, const void *params, leann_encoder **out);
static inline void fake_free(leann_encoder *self)
{
    leann_free(self);
}

static const leann_encoder_type fake_type = {
    .common = {"fake", 1, "words", "none", NULL, 0}, .open = fake_open, .encode = fake_encode, .count = fake_count, .free = fake_free};
static const leann_encoder fake_encoder = {.type = &fake_type,
                                           .d = FAKE_D,
                                           .best_batch = 8,
                                           .max_tokens = FAKE_TOKENS + 2,
                                           .space = LEANN_ANGULAR,
                                           .identity = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};

static inline leann_status fake_open(leann_ctx *ctx, const void *params, leann_encoder **out)
{
    (void)params;
    *out = leann_alloc(ctx, 1, sizeof **out);
    if (!*out) return LEANN_ENOMEM;
    **out = fake_encoder;
    return LEANN_OK;
}

#endif
