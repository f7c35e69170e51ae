/* server_fake.h – for tests of the embedding server and of its client: an encoder that can be held up, and a server in a thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_SERVER_FAKE_H
#define LEANN_SERVER_FAKE_H

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "server/server.h"

enum { FAKE_D = 16, FAKE_BATCH = 8 };

/* libzmq hands messages from thread to thread by atomics that ThreadSanitizer does not see: it is built without it. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so\nrace:libzmq.so\nrace:libstdc++.so\n";
}

/* What the encoder saw, and whether it is let go on. */
static atomic_uint fake_calls, fake_largest;
static atomic_bool fake_held;

static inline void fake_sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* A unit vector that comes of a text's bytes and its role alone. */
static inline void fake_vector(leann_role role, leann_text text, float *x)
{
    uint64_t h = role == LEANN_QUERY ? 7 : 1469598103934665603u;
    for (size_t i = 0; i < text.n; i++) h = (h ^ (unsigned char)text.bytes[i]) * 1099511628211u;
    leann_rng rng = leann_rng_at(h, "fake", 0);
    double sum = 0, y[FAKE_D];
    for (int i = 0; i < FAKE_D; i++) {
        y[i] = leann_rng_real(&rng) - 0.5;
        sum += y[i] * y[i];
    }
    for (int i = 0; i < FAKE_D; i++) x[i] = (float)(y[i] / sqrt(sum));
}

static inline bool fake_begins(leann_text text, const char *with)
{
    return text.n >= strlen(with) && memcmp(text.bytes, with, strlen(with)) == 0;
}

static inline leann_status fake_encode(const leann_encoder *self, leann_ctx *ctx, leann_role role, const leann_text *texts, uint32_t n,
                                       float *x)
{
    atomic_fetch_add(&fake_calls, 1);
    if (n > atomic_load(&fake_largest)) atomic_store(&fake_largest, n);
    while (atomic_load(&fake_held)) fake_sleep_ms(1);
    for (uint32_t i = 0; i < n; i++) {
        if (fake_begins(texts[i], "boom")) return leann_fail(ctx, LEANN_EIO, "this text cannot be encoded");
        float whole[FAKE_D];
        fake_vector(role, texts[i], whole);
        memcpy(x + (size_t)i * self->d, whole, self->d * sizeof *x); /* d may be less */
        if (fake_begins(texts[i], "nan")) x[(size_t)i * self->d] = NAN;
    }
    return LEANN_OK;
}

static inline leann_status fake_count(const leann_encoder *self, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *tokens)
{
    (void)self, (void)ctx;
    for (uint32_t i = 0; i < n; i++) tokens[i] = (uint32_t)texts[i].n;
    return LEANN_OK;
}

static const leann_encoder_type fake_type = {.common = {"fake", 1, "hashes", "none", NULL, 0}, .encode = fake_encode, .count = fake_count};
static const leann_encoder fake_encoder = {.type = &fake_type,
                                           .d = FAKE_D,
                                           .best_batch = FAKE_BATCH,
                                           .max_tokens = 64,
                                           .space = LEANN_ANGULAR,
                                           .identity = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};

/* ---- a server in a thread ------------------------------------------------------------------------------------------------ */

typedef struct {
    leann_ctx *ctx;
    leann_server *server;
    pthread_t thread;
    leann_status status; /* of leann_server_run */
} fake_server;

static inline void *fake_run(void *arg)
{
    fake_server *s = arg;
    s->status = leann_server_run(s->server, s->ctx);
    return NULL;
}

static inline leann_server_options fake_options(void)
{
    leann_server_options o = leann_server_defaults();
    o.endpoint = "tcp://127.0.0.1:*";
    o.http_address = NULL;
    o.model = "fake-model";
    return o;
}

static inline void fake_start_with(fake_server *s, const leann_encoder *encoder, leann_server_options options)
{
    atomic_store(&fake_calls, 0);
    atomic_store(&fake_largest, 0);
    atomic_store(&fake_held, false);
    s->ctx = leann_ctx_new(1, 1);
    if (leann_server_new(s->ctx, encoder, &options, &s->server) != LEANN_OK) fail_msg("%s", leann_ctx_error(s->ctx));
    pthread_create(&s->thread, NULL, fake_run, s);
}

static inline void fake_start(fake_server *s, leann_server_options options)
{
    fake_start_with(s, &fake_encoder, options);
}

static inline void fake_stop(fake_server *s)
{
    leann_ctx_cancel(s->ctx);
    pthread_join(s->thread, NULL);
    assert_int_equal(s->status, LEANN_OK);
    leann_server_free(s->server);
    leann_ctx_free(s->ctx);
}

#endif
