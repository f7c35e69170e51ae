/* test_encoder_zmq.c – the encoder `zmq`: vectors as the server's encoder has them; servers that are others, gone, late, full or hostile.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "tests/unit/server_fake.h"

extern const leann_encoder_type leann_encoder_zmq;

enum { TEXTS = 100 };

static char folder[64], endpoint[128]; /* a socket file: the next server has it again */
static char bytes[TEXTS][16];
static leann_text texts[TEXTS];

static leann_server_options options(void)
{
    leann_server_options o = fake_options();
    o.endpoint = endpoint;
    return o;
}

/* config: what is not the default, as JSON inside braces. */
static leann_status open_client(leann_ctx *ctx, const char *config, leann_encoder **out)
{
    char text[512];
    leann_value *given;
    void *params;
    snprintf(text, sizeof text, "{\"endpoint\": \"%s\"%s%s}", endpoint, *config ? ", " : "", config);
    leann_ctx_clear(ctx);
    *out = NULL;
    if (leann_value_parse(ctx, "test", text, strlen(text), &given) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    const leann_plugin *plugin = &leann_encoder_zmq.common;
    if (leann_params_new(ctx, "encoder zmq", plugin->params, plugin->params_size, given, &params) != LEANN_OK)
        fail_msg("%s", leann_ctx_error(ctx));
    leann_status status = leann_encoder_zmq.open(ctx, params, out);
    leann_params_free(plugin->params, params);
    leann_value_free(given);
    return status;
}

static leann_encoder *client(leann_ctx *ctx, const char *config)
{
    leann_encoder *encoder;
    if (open_client(ctx, config, &encoder) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    return encoder;
}

static void refuse_client(leann_ctx *ctx, const char *config, leann_status wanted, const char *piece)
{
    leann_encoder *encoder;
    leann_status status = open_client(ctx, config, &encoder);
    if (status != wanted || !strstr(leann_ctx_error(ctx), piece)) fail_msg("got %d, %s", (int)status, leann_ctx_error(ctx));
    assert_null(encoder);
}

static leann_status encode(const leann_encoder *e, leann_ctx *ctx, uint32_t n, float *x)
{
    leann_ctx_clear(ctx);
    return e->type->encode(e, ctx, LEANN_PASSAGE, texts, n, x);
}

static void check_encode(const leann_encoder *e, leann_ctx *ctx, leann_role role, uint32_t n)
{
    static _Thread_local float x[TEXTS * FAKE_D];
    leann_ctx_clear(ctx);
    memset(x, 0, sizeof x);
    if (e->type->encode(e, ctx, role, texts, n, x) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    for (uint32_t i = 0; i < n; i++) {
        float y[FAKE_D];
        fake_vector(role, texts[i], y);
        assert_memory_equal(y, x + i * FAKE_D, sizeof y);
    }
}

/* ---- right servers ------------------------------------------------------------------------------------------------------- */

static void test_same_vectors(void **state)
{
    (void)state;
    fake_server s;
    leann_server_options o = options();
    o.wait_us = 100;
    fake_start(&s, o);
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        leann_ctx *ctx = leann_ctx_new(1, threads);
        leann_encoder *e = client(ctx, threads > 1 ? "\"batch\": 7" : "");
        assert_int_equal(e->d, FAKE_D);
        assert_int_equal(e->best_batch, threads > 1 ? 7 : FAKE_BATCH);
        assert_int_equal(e->max_tokens, 64);
        assert_int_equal(e->space, LEANN_ANGULAR);
        assert_string_equal(e->identity, fake_encoder.identity);
        check_encode(e, ctx, LEANN_PASSAGE, TEXTS);
        check_encode(e, ctx, LEANN_QUERY, TEXTS);
        check_encode(e, ctx, LEANN_PASSAGE, 1);
        check_encode(e, ctx, LEANN_PASSAGE, 0);
        uint32_t tokens[TEXTS];
        assert_int_equal(e->type->count(e, ctx, texts, TEXTS, tokens), LEANN_OK);
        for (int i = 0; i < TEXTS; i++) assert_int_equal(tokens[i], texts[i].n);
        e->type->free(e);
        leann_ctx_free(ctx);
    }
    fake_stop(&s);
}

typedef struct {
    const leann_encoder *encoder;
    uint32_t n;
} sharer;

static void *share(void *arg)
{
    const sharer *s = arg;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (int i = 0; i < 5; i++) check_encode(s->encoder, ctx, LEANN_QUERY, s->n);
    leann_ctx_free(ctx);
    return NULL;
}

static void test_shared_by_threads(void **state)
{
    (void)state;
    fake_server s;
    pthread_t thread[4];
    sharer which[4];
    fake_start(&s, options());
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_encoder *e = client(ctx, "");
    for (uint32_t i = 0; i < 4; i++) {
        which[i] = (sharer){e, 5 + 9 * i};
        pthread_create(&thread[i], NULL, share, &which[i]);
    }
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    e->type->free(e);
    leann_ctx_free(ctx);
    fake_stop(&s);
}

/* Slices are cut so that the server takes them: by number, and by bytes. */
static void test_limits(void **state)
{
    (void)state;
    enum { LONG = 1500, LONGS = 7 };
    fake_server s;
    static char long_bytes[LONGS][LONG];
    static float x[LONGS * FAKE_D];
    leann_text long_texts[LONGS];
    leann_server_options o = options();
    o.limits = (leann_request_limits){.texts = 5, .text_bytes = LONG, .request_bytes = 4000};
    fake_start(&s, o);
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_encoder *e = client(ctx, "\"batch\": 50");
    assert_int_equal(e->best_batch, 5);
    check_encode(e, ctx, LEANN_PASSAGE, TEXTS);
    assert_int_equal(atomic_load(&fake_largest), 5);
    for (int i = 0; i < LONGS; i++) {
        memset(long_bytes[i], 'a' + i, LONG);
        long_texts[i] = (leann_text){long_bytes[i], LONG};
    }
    if (e->type->encode(e, ctx, LEANN_QUERY, long_texts, LONGS, x) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    for (int i = 0; i < LONGS; i++) {
        float y[FAKE_D];
        fake_vector(LEANN_QUERY, long_texts[i], y);
        assert_memory_equal(y, x + i * FAKE_D, sizeof y);
    }
    long_texts[2].n = LONG + 1; /* its bytes are not looked at */
    assert_int_equal(e->type->encode(e, ctx, LEANN_QUERY, long_texts, 3, x), LEANN_ELIMIT);
    assert_non_null(strstr(leann_ctx_error(ctx), "text 2 has 1501 bytes; the limit of the server"));
    e->type->free(e);
    leann_ctx_free(ctx);
    fake_stop(&s);
}

static void test_names(void **state)
{
    (void)state;
    fake_server s;
    fake_start(&s, options());
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_encoder *e = client(ctx, "\"model\": \"fake-model\"");
    e->type->free(e);
    e = client(ctx, "\"model\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"");
    e->type->free(e);
    refuse_client(ctx, "\"model\": \"all-MiniLM-L6-v2\"", LEANN_EINVAL, "is fake-model (0123");
    leann_ctx_free(ctx);
    fake_stop(&s);
}

/* ---- other servers ------------------------------------------------------------------------------------------------------- */

/* A server that comes back is the same; one in its place is not. */
static void test_server_changes(void **state)
{
    (void)state;
    fake_server s;
    float x[FAKE_D];
    leann_encoder another = fake_encoder, longer = fake_encoder;
    another.identity[0] = 'f';
    longer.d = FAKE_D - 1;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    fake_start(&s, options());
    leann_encoder *e = client(ctx, "\"timeout_ms\": 2000");
    check_encode(e, ctx, LEANN_PASSAGE, 3);
    fake_stop(&s);
    fake_start(&s, options());
    check_encode(e, ctx, LEANN_PASSAGE, 3);
    fake_stop(&s);
    fake_start_with(&s, &another, options());
    assert_int_equal(encode(e, ctx, 1, x), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "has identity f123"));
    uint32_t tokens;
    leann_ctx_clear(ctx);
    assert_int_equal(e->type->count(e, ctx, texts, 1, &tokens), LEANN_EINVAL);
    fake_stop(&s);
    fake_start_with(&s, &longer, options());
    assert_int_equal(encode(e, ctx, 1, x), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "dimension 15 now"));
    fake_stop(&s);
    fake_start(&s, options());
    check_encode(e, ctx, LEANN_PASSAGE, 3);
    fake_stop(&s);
    e->type->free(e);
    leann_ctx_free(ctx);
}

static void test_no_server(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    uint64_t begin = leann_now_ns();
    refuse_client(ctx, "\"timeout_ms\": 40, \"retries\": 2", LEANN_EIO, "gave no answer, 3 times after 40 ms");
    assert_non_null(strstr(leann_ctx_error(ctx), endpoint));
    uint64_t took = leann_now_ns() - begin;
    assert_true(took >= 120 * 1000000ull && took < 5000 * 1000000ull);
    leann_ctx_free(ctx);
}

/* Full and about to stop are asked again, and so is what waited too long; what the encoder cannot do is not. */
static void test_server_is_busy(void **state)
{
    (void)state;
    fake_server s;
    float x[FAKE_D];
    leann_server_options o = options();
    o.queue = 1;
    o.wait_us = 0;
    fake_start(&s, o);
    leann_ctx *ctx = leann_ctx_new(1, 1), *other = leann_ctx_new(1, 1);
    leann_encoder *e = client(ctx, "\"retries\": 0"), *patient = client(other, "\"retries\": 20");
    atomic_store(&fake_held, true);
    pthread_t thread;
    pthread_create(&thread, NULL, share, &(sharer){patient, 1});
    while (atomic_load(&fake_calls) == 0) fake_sleep_ms(1);
    assert_int_equal(encode(e, ctx, 1, x), LEANN_EIO);
    assert_non_null(strstr(leann_ctx_error(ctx), "too many requests wait; try again later (full)"));
    pthread_t second;
    pthread_create(&second, NULL, share, &(sharer){patient, 2});
    fake_sleep_ms(120); /* it has been refused once at least by now */
    atomic_store(&fake_held, false);
    pthread_join(thread, NULL);
    pthread_join(second, NULL);
    const leann_text kept = texts[0];
    texts[0] = (leann_text){"boom", 4};
    assert_int_equal(encode(patient, ctx, 1, x), LEANN_EIO);
    assert_non_null(strstr(leann_ctx_error(ctx), "this text cannot be encoded (encoder)"));
    texts[0] = kept;
    patient->type->free(patient);
    e->type->free(e);
    leann_ctx_free(other);
    leann_ctx_free(ctx);
    fake_stop(&s);
}

static void *cancel_soon(void *ctx)
{
    fake_sleep_ms(100);
    leann_ctx_cancel(ctx);
    return NULL;
}

static void test_interrupted(void **state)
{
    (void)state;
    fake_server s;
    float x[FAKE_D];
    pthread_t thread;
    fake_start(&s, options());
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_encoder *e = client(ctx, "");
    atomic_store(&fake_held, true);
    leann_ctx_clear(ctx);
    pthread_create(&thread, NULL, cancel_soon, ctx);
    assert_int_equal(e->type->encode(e, ctx, LEANN_PASSAGE, texts, 1, x), LEANN_EINTR);
    pthread_join(thread, NULL);
    atomic_store(&fake_held, false);
    check_encode(e, ctx, LEANN_PASSAGE, 4); /* over a new connection: the old one has an answer to come */
    e->type->free(e);
    leann_ctx_free(ctx);
    fake_stop(&s);
}

/* ---- servers that are none ----------------------------------------------------------------------------------------------- */

typedef struct {
    const char *first, *second; /* frames; NULL: no answer, or no second frame */
    size_t second_bytes;
} reply;

typedef struct {
    void *zmq, *socket;
    const reply *replies;
    int n;
} actor;

/* Answers one request after another as the script says. */
static void *act(void *arg)
{
    actor *a = arg;
    char id[16], buffer[4096];
    for (int i = 0; i < a->n; i++) {
        int id_bytes = zmq_recv(a->socket, id, sizeof id, 0), more;
        if (id_bytes < 0) return NULL;
        size_t size = sizeof more;
        do {
            zmq_recv(a->socket, buffer, sizeof buffer, 0);
            zmq_getsockopt(a->socket, ZMQ_RCVMORE, &more, &size);
        } while (more);
        const reply *r = &a->replies[i];
        if (!r->first) continue;
        zmq_send(a->socket, id, (size_t)id_bytes, ZMQ_SNDMORE);
        zmq_send(a->socket, "", 0, ZMQ_SNDMORE);
        zmq_send(a->socket, r->first, strlen(r->first), r->second ? ZMQ_SNDMORE : 0);
        if (r->second) zmq_send(a->socket, r->second, r->second_bytes, 0);
    }
    return NULL;
}

static pthread_t actor_start(actor *a, const reply *replies, int n)
{
    pthread_t thread;
    int patience = 20000;
    *a = (actor){zmq_ctx_new(), NULL, replies, n};
    a->socket = zmq_socket(a->zmq, ZMQ_ROUTER);
    zmq_setsockopt(a->socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(zmq_bind(a->socket, endpoint), 0);
    pthread_create(&thread, NULL, act, a);
    return thread;
}

static void actor_stop(actor *a, pthread_t thread)
{
    pthread_join(thread, NULL);
    zmq_close(a->socket);
    zmq_ctx_term(a->zmq);
}

#define WHO "\"identity\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", \"dimension\": 2"
#define ABOUT                                                                                                                              \
    "{" WHO ", \"model\": \"m\", \"best_batch\": 8, \"max_tokens\": 9, \"space\": \"ip\", \"limits\": {\"texts\": 9, \"text_bytes\": 99, " \
    "\"request_bytes\": 9999}}"

/* The first answer never comes: the client asks again over another connection, and takes that answer. */
static void test_lost_answer(void **state)
{
    (void)state;
    static const float x[] = {0.25f, -1};
    const reply script[] = {{NULL, NULL, 0}, {ABOUT, NULL, 0}, {NULL, NULL, 0}, {NULL, NULL, 0}, {"{" WHO "}", (const char *)x, sizeof x}};
    actor a;
    pthread_t thread = actor_start(&a, script, 5);
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_encoder *e = client(ctx, "\"timeout_ms\": 150, \"retries\": 2");
    float y[2];
    if (encode(e, ctx, 1, y) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    assert_memory_equal(x, y, sizeof x);
    actor_stop(&a, thread);
    assert_int_equal(encode(e, ctx, 1, y), LEANN_EIO);
    assert_non_null(strstr(leann_ctx_error(ctx), "3 times after 150 ms"));
    e->type->free(e);
    leann_ctx_free(ctx);
}

static void test_hostile_about(void **state)
{
    (void)state;
    static const char *const about[] = {
        "",
        "hello",
        "[]",
        "5",
        "{}",
        "{\"error\": 5}",
        "{\"error\": {\"kind\": 5, \"message\": []}}",
        "{\"identity\": \"0123\", \"dimension\": 2}",
        "{" WHO "}",
        "{\"identity\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeZ\", \"dimension\": 2, \"best_batch\": 8,"
        " \"max_tokens\": 9, \"space\": \"ip\", \"limits\": {\"texts\": 9, \"text_bytes\": 99, \"request_bytes\": 9999}}",
        "{" WHO ", \"best_batch\": 8, \"max_tokens\": -9, \"space\": \"ip\", \"limits\": {\"texts\": 9, \"text_bytes\": 99,"
        " \"request_bytes\": 9999}}",
        "{" WHO ", \"best_batch\": 8, \"max_tokens\": 9, \"space\": \"hyperbolic\", \"limits\": {\"texts\": 9, \"text_bytes\": 99,"
        " \"request_bytes\": 9999}}"};
    enum { N = sizeof about / sizeof *about };
    reply script[N] = {{0}};
    for (int i = 0; i < N; i++) script[i].first = about[i];
    actor a;
    pthread_t thread = actor_start(&a, script, N);
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (int i = 0; i < N; i++) refuse_client(ctx, "\"retries\": 0", i == 5 || i == 6 ? LEANN_EIO : LEANN_EFORMAT, endpoint);
    actor_stop(&a, thread);
    leann_ctx_free(ctx);
}

static void test_hostile_answers(void **state)
{
    (void)state;
    static const float nan_x[] = {NAN, 1};
    static const reply bad[] = {
        {"", NULL, 0},
        {"{" WHO "}", NULL, 0},                           /* no vectors */
        {"{" WHO "}", "1234567", 7},                      /* too few bytes */
        {"{" WHO "}", "123456781", 9},                    /* too many */
        {"{" WHO "}", (const char *)nan_x, sizeof nan_x}, /* not finite */
        {"{" WHO ", \"vectors\": [[0, 1]]}", NULL, 0},    /* in the other form */
        {"[" WHO "]", "12345678", 8},
        {"{\"error\": {\"kind\": \"limit\", \"message\": \"no\"}}", NULL, 0},
        {"{\"error\": {\"kind\": \"invalid\", \"message\": \"no\"}}", NULL, 0},
        {"{\"error\": \"full\"}", NULL, 0},
    };
    static const leann_status wanted[] = {LEANN_EFORMAT, LEANN_EFORMAT, LEANN_EFORMAT, LEANN_EFORMAT, LEANN_EFORMAT,
                                          LEANN_EFORMAT, LEANN_EFORMAT, LEANN_ELIMIT,  LEANN_EINVAL,  LEANN_EIO};
    static const char *const counts[] = {"{" WHO "}",
                                         "{" WHO ", \"tokens\": []}",
                                         "{" WHO ", \"tokens\": [1, 2]}",
                                         "{" WHO ", \"tokens\": [-1]}",
                                         "{" WHO ", \"tokens\": [4294967296]}",
                                         "{" WHO ", \"tokens\": {\"a\": 1}}"};
    enum { N = sizeof bad / sizeof *bad, M = sizeof counts / sizeof *counts };
    reply script[1 + N + M] = {{ABOUT, NULL, 0}};
    memcpy(script + 1, bad, sizeof bad);
    for (int i = 0; i < M; i++) script[1 + N + i] = (reply){counts[i], NULL, 0};
    actor a;
    pthread_t thread = actor_start(&a, script, 1 + N + M);
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_encoder *e = client(ctx, "\"retries\": 0");
    float y[2];
    uint32_t tokens;
    for (int i = 0; i < N; i++) {
        leann_status status = encode(e, ctx, 1, y);
        if (status != wanted[i] || !strstr(leann_ctx_error(ctx), endpoint))
            fail_msg("%d gave %d, %s", i, (int)status, leann_ctx_error(ctx));
    }
    for (int i = 0; i < M; i++) {
        leann_ctx_clear(ctx);
        assert_int_equal(e->type->count(e, ctx, texts, 1, &tokens), LEANN_EFORMAT);
    }
    actor_stop(&a, thread);
    e->type->free(e);
    leann_ctx_free(ctx);
}

static void test_endpoints(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char kept[sizeof endpoint];
    memcpy(kept, endpoint, sizeof kept);
    strcpy(endpoint, "http://127.0.0.1:80");
    refuse_client(ctx, "", LEANN_EINVAL, "neither tcp");
    strcpy(endpoint, "tcp://127.0.0.1");
    refuse_client(ctx, "", LEANN_EINVAL, "cannot connect to");
    memcpy(endpoint, kept, sizeof kept);
    leann_ctx_free(ctx);
}

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < TEXTS; i++) { /* some empty, some with a NUL, some no UTF-8 */
        int n = snprintf(bytes[i], sizeof bytes[i], "text %d%c\xff", i, i % 3 ? 'a' : '\0');
        texts[i] = (leann_text){bytes[i], i % 10 == 9 ? 0 : (size_t)n};
    }
    strcpy(folder, "/tmp/leann-zmq-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/socket", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_vectors),   cmocka_unit_test(test_shared_by_threads), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_server_changes),    cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_server_is_busy), cmocka_unit_test(test_interrupted),       cmocka_unit_test(test_lost_answer),
        cmocka_unit_test(test_hostile_about),  cmocka_unit_test(test_hostile_answers),   cmocka_unit_test(test_endpoints),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
