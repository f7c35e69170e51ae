/* test_server.c – the embedding server with real ZeroMQ clients: what is right, what is wrong, too large, slow or gone; full queues, time
 * limits, a clean end; LEANN 0.3.8's protocol over its files; health and metrics over HTTP.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "core/container.h"
#include "server/msgpack.h"
#include "server/pypi_index.h"
#include "tests/unit/server_fake.h"

enum { PATIENCE_MS = 20000, BUFFER = 1 << 20 };

static void *zmq;
static char folder[64];

/* ---- clients ------------------------------------------------------------------------------------------------------------- */

static void set_int(void *socket, int option, int value)
{
    assert_int_equal(zmq_setsockopt(socket, option, &value, sizeof value), 0);
}

static void *client_of(const char *endpoint, int type)
{
    void *socket = zmq_socket(zmq, type);
    assert_non_null(socket);
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_RCVTIMEO, PATIENCE_MS);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

static void *client(const fake_server *s)
{
    return client_of(leann_server_endpoint(s->server), ZMQ_REQ);
}

static void tell(void *socket, const void *bytes, size_t n, bool more)
{
    assert_int_equal(zmq_send(socket, bytes, n, more ? ZMQ_SNDMORE : 0), n);
}

static void tell_text(void *socket, const char *text)
{
    tell(socket, text, strlen(text), false);
}

/* The next frame, NUL behind it; its bytes. -1: none came. */
static int hear(void *socket, char *buffer)
{
    int n = zmq_recv(socket, buffer, BUFFER - 1, 0);
    assert_true(n < BUFFER - 1);
    buffer[n > 0 ? n : 0] = '\0';
    return n;
}

static bool more_comes(void *socket)
{
    int more;
    size_t size = sizeof more;
    assert_int_equal(zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size), 0);
    return more;
}

/* The answer as a value; with frame: the bytes of its second frame, *n of them. */
static leann_value *hear_value(void *socket, char *frame, size_t *n)
{
    static char buffer[BUFFER];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *v;
    int bytes = hear(socket, buffer);
    if (bytes < 0) fail_msg("no answer: %s", zmq_strerror(errno));
    if (leann_value_parse(ctx, "answer", buffer, (size_t)bytes, &v) != LEANN_OK) fail_msg("%s: %s", leann_ctx_error(ctx), buffer);
    leann_ctx_free(ctx);
    assert_true(more_comes(socket) == (frame != NULL));
    if (frame) *n = (size_t)hear(socket, frame);
    return v;
}

static leann_value *exchange(void *socket, const char *request)
{
    tell_text(socket, request);
    return hear_value(socket, NULL, NULL);
}

static const char *text_at(const leann_value *v, const char *key)
{
    return leann_value_text(leann_value_get(v, key), "");
}

static void check_error(leann_value *v, const char *kind, const char *piece)
{
    const leann_value *error = leann_value_get(v, "error");
    if (strcmp(text_at(error, "kind"), kind) != 0 || !strstr(text_at(error, "message"), piece)) {
        char *text = leann_value_json(v, false, 0);
        fail_msg("wanted %s and '%s', but got %.500s", kind, piece, text);
    }
    leann_value_free(v);
}

/* Vectors of an answer are those of the texts. */
static void check_vectors(leann_value *v, leann_role role, const char *const *texts, uint32_t n)
{
    const leann_value *rows = leann_value_get(v, "vectors");
    assert_string_equal(text_at(v, "identity"), fake_encoder.identity);
    assert_int_equal(leann_value_int(leann_value_get(v, "dimension"), 0), FAKE_D);
    assert_int_equal(leann_value_count(rows), n);
    for (uint32_t i = 0; i < n; i++) {
        float x[FAKE_D];
        fake_vector(role, (leann_text){texts[i], strlen(texts[i])}, x);
        assert_int_equal(leann_value_count(leann_value_at(rows, i)), FAKE_D);
        for (uint32_t j = 0; j < FAKE_D; j++) /* the same bits, through the decimal text */
            assert_true((float)leann_value_real(leann_value_at(leann_value_at(rows, i), j), 9) == x[j]);
    }
    leann_value_free(v);
}

static void still_serves(const fake_server *s)
{
    void *c = client(s);
    check_vectors(exchange(c, "{\"texts\": [\"still here\"]}"), LEANN_PASSAGE, (const char *[]){"still here"}, 1);
    zmq_close(c);
}

/* A number out of /metrics: of the line that begins so. */
static double metric(const fake_server *s, const char *line)
{
    char *text = leann_server_metrics(s->server), start[200];
    snprintf(start, sizeof start, "\n%s ", line);
    const char *at = strstr(text, start);
    if (!at) fail_msg("no line '%s' in:\n%s", line, text);
    double value = strtod(at + strlen(start), NULL);
    leann_free(text);
    return value;
}

static void wait_for(const fake_server *s, const char *line, double value)
{
    for (int i = 0; metric(s, line) < value; i++) {
        if (i > PATIENCE_MS / 5) fail_msg("%s did not get to %g", line, value);
        fake_sleep_ms(5);
    }
}

/* ---- what is right ------------------------------------------------------------------------------------------------------- */

static void test_texts(void **state)
{
    (void)state;
    fake_server s;
    fake_start(&s, fake_options());
    void *c = client(&s);
    const char *const texts[] = {"one", "two \xc3\xa9", "", "[[{\\\"[{,,,,"};
    check_vectors(exchange(c, "{\"texts\": [\"one\", \"two \\u00e9\", \"\", \"[[{\\\\\\\"[{,,,,\"]}"), LEANN_PASSAGE, texts, 4);
    check_vectors(exchange(c, " \n{\"ask\": \"embed\", \"role\": \"query\", \"texts\": [\"one\"], \"vectors\": \"numbers\"}"), LEANN_QUERY,
                  texts, 1);
    zmq_close(c);
    fake_stop(&s);
}

static void test_frames(void **state)
{
    (void)state;
    fake_server s;
    char frame[1024];
    size_t n;
    const char bytes[] = "abc\0def\xff\xfe"; /* "abc", NUL and "def", "", no UTF-8 */
    const size_t length[] = {3, 4, 0, 2};
    fake_start(&s, fake_options());
    void *c = client(&s);
    static const char head[] = "{\"lengths\": [3, 4, 0, 2], \"vectors\": \"frame\", \"role\": \"query\"}";
    tell(c, head, sizeof head - 1, true);
    tell(c, bytes, 9, false);
    leann_value *v = hear_value(c, frame, &n);
    assert_null(leann_value_get(v, "vectors"));
    assert_int_equal(n, 4 * FAKE_D * sizeof(float));
    for (size_t i = 0, at = 0; i < 4; at += length[i++]) {
        float x[FAKE_D];
        fake_vector(LEANN_QUERY, (leann_text){bytes + at, length[i]}, x);
        assert_memory_equal(frame + i * sizeof x, x, sizeof x);
    }
    leann_value_free(v);
    zmq_close(c);
    fake_stop(&s);
}

static void test_count_and_about(void **state)
{
    (void)state;
    fake_server s;
    fake_start(&s, fake_options());
    void *c = client(&s);
    leann_value *v = exchange(c, "{\"ask\": \"count\", \"texts\": [\"four\", \"\", \"sevenof\"]}");
    const leann_value *tokens = leann_value_get(v, "tokens");
    assert_int_equal(leann_value_count(tokens), 3);
    assert_int_equal(leann_value_int(leann_value_at(tokens, 0), 9), 4);
    assert_int_equal(leann_value_int(leann_value_at(tokens, 1), 9), 0);
    assert_int_equal(leann_value_int(leann_value_at(tokens, 2), 9), 7);
    leann_value_free(v);
    v = exchange(c, "{\"ask\": \"about\"}");
    assert_string_equal(text_at(v, "identity"), fake_encoder.identity);
    assert_string_equal(text_at(v, "model"), "fake-model");
    assert_string_equal(text_at(v, "space"), "angular");
    assert_int_equal(leann_value_int(leann_value_get(v, "best_batch"), 0), FAKE_BATCH);
    assert_int_equal(leann_value_int(leann_value_get(v, "max_tokens"), 0), 64);
    assert_int_equal(leann_value_int(leann_value_get(leann_value_get(v, "limits"), "texts"), 0), 4096);
    leann_value_free(v);
    assert_int_equal(atomic_load(&fake_calls), 0); /* none of this needed the encoder's vectors */
    zmq_close(c);
    fake_stop(&s);
}

/* A DEALER may send the empty delimiter that a REQ sends, or not. */
static void test_dealers_and_ipc(void **state)
{
    (void)state;
    fake_server s;
    char endpoint[128], buffer[64];
    leann_server_options o = fake_options();
    snprintf(endpoint, sizeof endpoint, "ipc://%s/socket", folder);
    o.endpoint = endpoint;
    fake_start(&s, o);
    assert_string_equal(leann_server_endpoint(s.server), endpoint);
    void *c = client_of(endpoint, ZMQ_DEALER);
    check_vectors(exchange(c, "{\"texts\": [\"a\"]}"), LEANN_PASSAGE, (const char *[]){"a"}, 1);
    tell(c, "", 0, true);
    tell_text(c, "{\"texts\": [\"b\"]}");
    assert_int_equal(hear(c, buffer), 0);
    check_vectors(hear_value(c, NULL, NULL), LEANN_PASSAGE, (const char *[]){"b"}, 1);
    zmq_close(c);
    fake_stop(&s);
}

typedef struct {
    const fake_server *server;
    int number;
} one_of_many;

static void *ask_alone(void *arg)
{
    const one_of_many *o = arg;
    char request[64], text[32];
    const char *texts[] = {text};
    snprintf(text, sizeof text, "text %d", o->number);
    snprintf(request, sizeof request, "{\"texts\": [\"%s\"]}", text);
    void *c = client(o->server);
    tell_text(c, request);
    char buffer[4096];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *v;
    int n = zmq_recv(c, buffer, sizeof buffer, 0);
    assert_true(n > 0 && n < (int)sizeof buffer);
    assert_int_equal(leann_value_parse(ctx, "answer", buffer, (size_t)n, &v), LEANN_OK);
    check_vectors(v, LEANN_PASSAGE, texts, 1);
    leann_ctx_free(ctx);
    zmq_close(c);
    return NULL;
}

/* Eight clients with a text each: one call of the encoder, and everybody has his own vector. */
static void test_batches_across_clients(void **state)
{
    (void)state;
    fake_server s;
    pthread_t thread[FAKE_BATCH];
    one_of_many which[FAKE_BATCH];
    leann_server_options o = fake_options();
    o.wait_us = 10000000; /* the batch is full before that, or the test takes ten seconds and fails */
    fake_start(&s, o);
    for (int i = 0; i < FAKE_BATCH; i++) {
        which[i] = (one_of_many){&s, i};
        pthread_create(&thread[i], NULL, ask_alone, &which[i]);
    }
    for (int i = 0; i < FAKE_BATCH; i++) pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&fake_calls), 1);
    assert_int_equal(atomic_load(&fake_largest), FAKE_BATCH);
    assert_true(metric(&s, "leann_embed_batch_texts_bucket{le=\"4\"}") == 0);
    assert_true(metric(&s, "leann_embed_batch_texts_bucket{le=\"8\"}") == 1);
    fake_stop(&s);
}

/* A passage and a query do not share a call; a request is not torn, whatever its length. */
static void test_batches_keep_apart(void **state)
{
    (void)state;
    fake_server s;
    leann_server_options o = fake_options();
    o.wait_us = 20000;
    fake_start(&s, o);
    void *a = client(&s), *b = client(&s);
    const char *texts[20];
    char request[512] = "{\"texts\": [";
    for (int i = 0; i < 20; i++) {
        texts[i] = "long";
        strcat(request, i ? ", \"long\"" : "\"long\"");
    }
    strcat(request, "]}");
    tell_text(a, "{\"texts\": [\"x\"]}");
    tell_text(b, "{\"texts\": [\"x\"], \"role\": \"query\"}");
    check_vectors(hear_value(b, NULL, NULL), LEANN_QUERY, (const char *[]){"x"}, 1);
    check_vectors(hear_value(a, NULL, NULL), LEANN_PASSAGE, (const char *[]){"x"}, 1);
    assert_int_equal(atomic_load(&fake_calls), 2);
    check_vectors(exchange(a, request), LEANN_PASSAGE, texts, 20);
    assert_int_equal(atomic_load(&fake_largest), 20);
    zmq_close(a);
    zmq_close(b);
    fake_stop(&s);
}

/* ---- what is wrong ------------------------------------------------------------------------------------------------------- */

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *request, *kind, *piece;
    } wrong[] = {
        {"", "malformed", "is empty"},
        {"hello", "malformed", "invalid token"},
        {"{\"texts\": [\"a\"", "malformed", "the request:1"},
        {"{\"texts\": [\"\xff\"]}", "malformed", "byte 0xff"},
        {"{\"texts\": [\"a\\u0000b\"]}", "malformed", "\\u0000"},
        {"{\"texts\": [\"a\"], \"texts\": [\"b\"]}", "malformed", "duplicate"},
        {"[\"a\"]", "malformed", "no JSON object"},
        {"{}", "invalid", "\"texts\" or \"lengths\""},
        {"{\"texts\": []}", "invalid", "with something in it"},
        {"{\"texts\": \"a\"}", "invalid", "must be a list"},
        {"{\"texts\": [1]}", "invalid", "entry 0 of \"texts\""},
        {"{\"texts\": [\"a\", null]}", "invalid", "entry 1 of \"texts\""},
        {"{\"texts\": [[\"a\"]]}", "invalid", "entry 0 of \"texts\""},
        {"{\"texts\": [{},{},{},{},{},{},{}]}", "malformed", "more than 8 objects and lists"},
        {"{\"texts\": [\"a\"], \"lengths\": [1]}", "invalid", "not both"},
        {"{\"texs\": [\"a\"]}", "invalid", "did you mean 'texts'"},
        {"{\"texts\": [\"a\"], \"role\": \"Query\"}", "invalid", "\"role\" is 'Query'"},
        {"{\"texts\": [\"a\"], \"role\": 5}", "invalid", "\"role\" is ''"},
        {"{\"texts\": [\"a\"], \"vectors\": \"base64\"}", "invalid", "numbers, frame"},
        {"{\"ask\": \"delete\"}", "invalid", "embed, count, about"},
        {"{\"texts\": [\"a\"], \"timeout_ms\": 0}", "invalid", "timeout_ms"},
        {"{\"lengths\": [1]}", "malformed", "2 frames, but this one has 1"},
    };
    fake_server s;
    fake_start(&s, fake_options());
    void *c = client(&s);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) check_error(exchange(c, wrong[i].request), wrong[i].kind, wrong[i].piece);
    static const char *const lengths[] = {"[2]",      "[4]", "[-1]", "[1.5]", "[\"a\"]", "[9223372036854775807, 9223372036854775807]",
                                          "[3, null]"};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char head[128];
        snprintf(head, sizeof head, "{\"lengths\": %s}", lengths[i]);
        tell(c, head, strlen(head), true);
        tell(c, "abc", 3, false);
        check_error(hear_value(c, NULL, NULL), "invalid", "\"lengths\"");
    }
    for (unsigned frames = 2; frames < 40; frames += 7) { /* a request in JSON has one */
        for (unsigned i = 1; i < frames; i++) tell(c, "{\"texts\": [\"a\"]}", 16, true);
        tell_text(c, "x");
        check_error(hear_value(c, NULL, NULL), "malformed", "has 1 frame");
    }
    assert_int_equal(atomic_load(&fake_calls), 0);
    zmq_close(c);
    still_serves(&s);
    fake_stop(&s);
}

/* Bytes at random, and right messages with one byte changed: there is always an answer. */
static void test_noise(void **state)
{
    (void)state;
    fake_server s;
    static char buffer[BUFFER];
    fake_start(&s, fake_options());
    void *c = client(&s);
    static const char good[] = "{\"texts\": [\"a\", \"b\"], \"role\": \"query\", \"vectors\": \"frame\", \"timeout_ms\": 100}";
    for (uint64_t i = 0; i < 400; i++) {
        leann_rng rng = leann_rng_at(1, "noise", i);
        char message[sizeof good];
        size_t n = i % 2 ? sizeof good - 1 : leann_rng_below(&rng, sizeof message);
        memcpy(message, good, sizeof good);
        if (i % 2)
            message[leann_rng_below(&rng, (uint32_t)n)] = (char)leann_rng_below(&rng, 256);
        else
            for (size_t j = 0; j < n; j++) message[j] = (char)leann_rng_below(&rng, 256);
        tell(c, message, n, false);
        if (hear(c, buffer) < 0) fail_msg("no answer to message %u", (unsigned)i);
        while (more_comes(c)) hear(c, buffer);
    }
    zmq_close(c);
    fake_stop(&s);
}

static void test_limits(void **state)
{
    (void)state;
    fake_server s;
    leann_server_options o = fake_options();
    o.limits = (leann_request_limits){.texts = 3, .text_bytes = 10, .request_bytes = 200};
    fake_start(&s, o);
    void *c = client(&s);
    check_error(exchange(c, "{\"texts\": [\"a\", \"b\", \"c\", \"d\"]}"), "limit", "has 4 texts; the limit is 3");
    check_error(exchange(c, "{\"lengths\": [0,0,0,0,0,0,0,0,0,0,0]}"), "limit", "more texts than 3, the limit");
    check_error(exchange(c, "{\"texts\": [\"0123456789a\"]}"), "limit", "text 0 has 11 bytes; the limit is 10");
    char request[256];
    memset(request, ' ', sizeof request);
    memcpy(request, "{\"texts\": [\"a\"]", 15);
    request[200] = '}';
    tell(c, request, 201, false);
    check_error(hear_value(c, NULL, NULL), "limit", "has 201 bytes; the limit is 200");
    request[199] = '}';
    tell(c, request, 200, false);
    check_vectors(hear_value(c, NULL, NULL), LEANN_PASSAGE, (const char *[]){"a"}, 1);
    check_vectors(exchange(c, "{\"texts\": [\"0123456789\"]}"), LEANN_PASSAGE, (const char *[]){"0123456789"}, 1);
    set_int(c, ZMQ_RCVTIMEO, 300); /* a frame of twice the limit and more: the peer is cut off */
    static char huge[100000];
    tell(c, huge, sizeof huge, false);
    assert_int_equal(hear(c, request), -1);
    zmq_close(c);
    still_serves(&s);
    assert_true(metric(&s, "leann_embed_errors_total{kind=\"limit\"}") == 4);
    fake_stop(&s);
}

/* A text that the encoder fails on is its sender's trouble alone. */
static void test_encoder_fails(void **state)
{
    (void)state;
    fake_server s;
    leann_server_options o = fake_options();
    o.batch = 3;
    o.wait_us = 5000000;
    fake_start(&s, o);
    void *a = client(&s), *b = client(&s), *c = client(&s);
    tell_text(a, "{\"texts\": [\"good\"]}");
    tell_text(b, "{\"texts\": [\"boom\"]}");
    tell_text(c, "{\"texts\": [\"nan\"]}");
    check_vectors(hear_value(a, NULL, NULL), LEANN_PASSAGE, (const char *[]){"good"}, 1);
    check_error(hear_value(b, NULL, NULL), "encoder", "this text cannot be encoded");
    check_error(hear_value(c, NULL, NULL), "encoder", "not finite");
    assert_true(metric(&s, "leann_embed_errors_total{kind=\"encoder\"}") == 2);
    zmq_close(a);
    zmq_close(b);
    zmq_close(c);
    fake_stop(&s);
}

/* ---- too much, too slow, gone -------------------------------------------------------------------------------------------- */

static void test_full_queue(void **state)
{
    (void)state;
    fake_server s;
    leann_server_options o = fake_options();
    o.queue = 2;
    fake_start(&s, o);
    void *c[3];
    atomic_store(&fake_held, true);
    for (int i = 0; i < 2; i++) {
        tell_text(c[i] = client(&s), "{\"texts\": [\"held\"]}");
        wait_for(&s, "leann_embed_open_requests", i + 1);
    }
    c[2] = client(&s);
    check_error(exchange(c[2], "{\"texts\": [\"one too many\"]}"), "full", "try again later");
    leann_value_free(exchange(c[2], "{\"ask\": \"about\"}")); /* what needs no encoder is answered all the same */
    atomic_store(&fake_held, false);
    for (int i = 0; i < 2; i++) check_vectors(hear_value(c[i], NULL, NULL), LEANN_PASSAGE, (const char *[]){"held"}, 1);
    check_vectors(exchange(c[2], "{\"texts\": [\"now\"]}"), LEANN_PASSAGE, (const char *[]){"now"}, 1);
    for (int i = 0; i < 3; i++) zmq_close(c[i]);
    assert_true(metric(&s, "leann_embed_errors_total{kind=\"full\"}") == 1);
    fake_stop(&s);
}

static void test_full_of_bytes(void **state)
{
    (void)state;
    fake_server s;
    leann_server_options o = fake_options();
    o.queue_bytes = 30;
    fake_start(&s, o);
    void *a = client(&s), *b = client(&s);
    atomic_store(&fake_held, true);
    tell_text(a, "{\"texts\": [\"more than thirty bytes\"]}"); /* alone it may be */
    wait_for(&s, "leann_embed_open_requests", 1);
    check_error(exchange(b, "{\"texts\": [\"\"]}"), "full", "try again later");
    atomic_store(&fake_held, false);
    leann_value_free(hear_value(a, NULL, NULL));
    zmq_close(a);
    zmq_close(b);
    fake_stop(&s);
}

static void test_time_limit(void **state)
{
    (void)state;
    fake_server s;
    leann_server_options o = fake_options();
    o.timeout_ms = 250;
    o.wait_us = 0;
    fake_start(&s, o);
    void *a = client(&s), *b = client(&s), *c = client(&s);
    atomic_store(&fake_held, true);
    tell_text(a, "{\"texts\": [\"with the encoder\"]}");
    wait_for(&s, "leann_embed_open_requests", 1);
    while (atomic_load(&fake_calls) == 0) fake_sleep_ms(1);
    uint64_t begin = leann_now_ns();
    tell_text(b, "{\"texts\": [\"waits\"], \"timeout_ms\": 50}");
    tell_text(c, "{\"texts\": [\"waits\"], \"timeout_ms\": 3600000}"); /* no longer than the server's */
    check_error(hear_value(b, NULL, NULL), "timeout", "its limit");
    uint64_t first = leann_now_ns() - begin;
    check_error(hear_value(c, NULL, NULL), "timeout", "its limit");
    uint64_t second = leann_now_ns() - begin;
    assert_true(first >= 50 * 1000000u && second >= 250 * 1000000u && second < 5000 * 1000000ull);
    atomic_store(&fake_held, false);
    check_vectors(hear_value(a, NULL, NULL), LEANN_PASSAGE, (const char *[]){"with the encoder"}, 1);
    assert_true(metric(&s, "leann_embed_errors_total{kind=\"timeout\"}") == 2);
    zmq_close(a);
    zmq_close(b);
    zmq_close(c);
    fake_stop(&s);
}

static void test_client_vanishes(void **state)
{
    (void)state;
    static const char gone[] = "leann_embed_errors_total{kind=\"gone\"}";
    fake_server s;
    fake_start(&s, fake_options());
    for (int i = 1; i <= 50 && metric(&s, gone) == 0; i++) { /* ever more time to notice that it is gone: the machine may be busy */
        atomic_store(&fake_held, true);
        void *c = client(&s);
        tell_text(c, "{\"texts\": [\"for nobody\"]}");
        wait_for(&s, "leann_embed_open_requests", 1);
        zmq_close(c);
        fake_sleep_ms(20 * i);
        atomic_store(&fake_held, false);
        while (metric(&s, "leann_embed_open_requests") > 0) fake_sleep_ms(1);
    }
    assert_true(metric(&s, gone) >= 1);
    still_serves(&s);
    fake_stop(&s);
}

/* A connection that says nothing sensible, or nothing at all, in ZeroMQ's own language. */
static void test_stranger(void **state)
{
    (void)state;
    fake_server s;
    unsigned port = 0;
    fake_start(&s, fake_options());
    assert_int_equal(sscanf(leann_server_endpoint(s.server), "tcp://127.0.0.1:%u", &port), 1);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    static const char *const lines[] = {"", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\xff\0\0\0\0\0\0\0\1\x7f\3"};
    int fd[3];
    for (int i = 0; i < 3; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd[i], (struct sockaddr *)&at, sizeof at), 0);
        assert_true(write(fd[i], lines[i], i == 2 ? 11 : strlen(lines[i])) >= 0);
    }
    still_serves(&s);
    for (int i = 0; i < 3; i++) close(fd[i]);
    still_serves(&s);
    fake_stop(&s);
}

/* One that asks and asks and reads nothing: it loses answers, and nobody else does. */
static void test_client_does_not_read(void **state)
{
    (void)state;
    enum { ASKS = 400, TEXTS = 4096 };
    fake_server s;
    static char head[4 * TEXTS + 100];
    leann_server_options o = fake_options();
    o.queue = 10;
    fake_start(&s, o);
    strcpy(head, "{\"vectors\": \"frame\", \"lengths\": [0");
    for (int i = 1; i < TEXTS; i++) strcat(head + 2 * i, ",0");
    strcat(head, "]}");
    void *slow = zmq_socket(zmq, ZMQ_DEALER);
    set_int(slow, ZMQ_RCVHWM, 1);
    set_int(slow, ZMQ_RCVBUF, 4096);
    set_int(slow, ZMQ_LINGER, 0);
    set_int(slow, ZMQ_SNDTIMEO, PATIENCE_MS);
    assert_int_equal(zmq_connect(slow, leann_server_endpoint(s.server)), 0);
    int asked = 0;
    for (; asked < ASKS && metric(&s, "leann_embed_errors_total{kind=\"slow\"}") == 0; asked++) {
        tell(slow, head, strlen(head), true);
        tell(slow, "", 0, false);
        wait_for(&s, "leann_embed_requests_total{ask=\"embed\"}", asked + 1);
        while (metric(&s, "leann_embed_open_requests") > 5) fake_sleep_ms(1);
    }
    assert_true(asked < ASKS);
    still_serves(&s);
    zmq_close(slow);
    still_serves(&s);
    fake_stop(&s);
}

/* ---- the end ------------------------------------------------------------------------------------------------------------- */

static void test_shutdown_answers_what_was_accepted(void **state)
{
    (void)state;
    enum { CLIENTS = 6 };
    fake_server s;
    fake_start(&s, fake_options());
    void *c[CLIENTS], *late = client(&s);
    leann_value_free(exchange(late, "{\"ask\": \"about\"}")); /* it is connected */
    atomic_store(&fake_held, true);
    for (int i = 0; i < CLIENTS; i++) {
        tell_text(c[i] = client(&s), "{\"texts\": [\"accepted\"]}");
        wait_for(&s, "leann_embed_open_requests", i + 1);
    }
    leann_ctx_cancel(s.ctx);
    bool stopping = false;
    while (!stopping) {
        leann_free(leann_server_health(s.server, &stopping));
        fake_sleep_ms(1);
    }
    check_error(exchange(late, "{\"texts\": [\"too late\"]}"), "stopping", "about to stop");
    void *later = client(&s);
    check_error(exchange(later, "{\"texts\": [\"later still\"]}"), "stopping", "about to stop");
    atomic_store(&fake_held, false);
    for (int i = 0; i < CLIENTS; i++) check_vectors(hear_value(c[i], NULL, NULL), LEANN_PASSAGE, (const char *[]){"accepted"}, 1);
    for (int i = 0; i < CLIENTS; i++) zmq_close(c[i]);
    fake_stop(&s);
    set_int(late, ZMQ_RCVTIMEO, 200);
    tell_text(late, "{\"ask\": \"about\"}");
    char buffer[64];
    assert_int_equal(hear(late, buffer), -1); /* nobody is there any more */
    zmq_close(late);
    zmq_close(later);
}

/* Under load from several threads: whoever was not told otherwise gets vectors, and the sum of all answers is the sum of all requests. */
typedef struct {
    char endpoint[64];
    int answered, refused, silent;
} loader;

static void *load(void *arg)
{
    loader *l = arg;
    static _Thread_local char buffer[BUFFER];
    void *c = client_of(l->endpoint, ZMQ_REQ);
    set_int(c, ZMQ_RCVTIMEO, 10000);
    for (int i = 0; l->refused + l->silent == 0; i++) {
        tell_text(c, "{\"texts\": [\"load\"]}");
        int n = hear(c, buffer);
        if (n < 0)
            l->silent++; /* it came when nobody listened any more */
        else if (strstr(buffer, "\"stopping\""))
            l->refused++;
        else
            l->answered += strstr(buffer, "\"vectors\"") != NULL;
    }
    zmq_close(c);
    return NULL;
}

static void test_shutdown_under_load(void **state)
{
    (void)state;
    enum { LOADERS = 4 };
    fake_server s;
    loader l[LOADERS] = {0};
    pthread_t thread[LOADERS];
    leann_server_options o = fake_options();
    o.workers = 3;
    o.wait_us = 100;
    fake_start(&s, o);
    for (int i = 0; i < LOADERS; i++) {
        snprintf(l[i].endpoint, sizeof l[i].endpoint, "%s", leann_server_endpoint(s.server));
        pthread_create(&thread[i], NULL, load, &l[i]);
    }
    wait_for(&s, "leann_embed_request_seconds_count", 200);
    leann_ctx_cancel(s.ctx);
    pthread_join(s.thread, NULL);
    double requests = metric(&s, "leann_embed_requests_total{ask=\"embed\"}"), sent = metric(&s, "leann_embed_request_seconds_count"),
           stopping = metric(&s, "leann_embed_errors_total{kind=\"stopping\"}"),
           gone = metric(&s, "leann_embed_errors_total{kind=\"gone\"}");
    leann_server_free(s.server);
    leann_ctx_free(s.ctx);
    int answered = 0, refused = 0;
    for (int i = 0; i < LOADERS; i++) {
        pthread_join(thread[i], NULL);
        answered += l[i].answered;
        refused += l[i].refused;
    }
    assert_true(requests == sent && gone == 0);
    assert_true(answered == requests - stopping && refused == stopping);
}

/* ---- LEANN 0.3.8 --------------------------------------------------------------------------------------------------------- */

static void put_file(const char *name, const char *text)
{
    char path[128];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(leann_file_write(ctx, path, text, strlen(text)), LEANN_OK);
    leann_ctx_free(ctx);
}

static leann_status open_index(leann_ctx *ctx, const char *name, leann_pypi_index **out)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    leann_ctx_clear(ctx);
    return leann_pypi_open(ctx, path, out);
}

static const char meta[] = "{\"version\": \"1.0\", \"backend_name\": \"hnsw\", \"embedding_model\": \"m\", \"dimensions\": 16,"
                           " \"backend_kwargs\": {\"distance_metric\": \"%s\"}, \"passage_sources\": [{\"type\": \"jsonl\","
                           " \"path\": \"%s\", \"index_path\": \"x.idx\"}]}";
static const char lines[] = "{\"id\": \"zwei\", \"text\": \"second\", \"metadata\": {}}\n"
                            "{\"id\": \"eins\", \"text\": \"an older first\"}\n"
                            "\n"
                            "{\"id\": \"leer\", \"text\": \"\"}\n"
                            "{\"id\": \"bad\", \"text\": \"x\", \"metadata\": {\"n\": NaN}}\n"
                            "{\"id\": \"\\u00e9\", \"text\": \"third\"}\n"
                            "{\"id\": \"eins\", \"text\": \"first\"}"; /* the last line of an id stands; no line end */

static void put_index(const char *metric_word, const char *path)
{
    char text[1024];
    snprintf(text, sizeof text, meta, metric_word, path);
    put_file("x.leann.meta.json", text);
    put_file("x.leann.passages.jsonl", lines);
    put_file("x.ids.txt", "eins\nzwei\nnicht da\n\xc3\xa9\nleer\n");
}

static void check_passage(leann_ctx *ctx, const leann_passages *p, uint32_t label, const char *wanted)
{
    leann_text text;
    if (p->read(p, ctx, &label, 1, &text) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    assert_int_equal(text.n, strlen(wanted));
    assert_true(text.n == 0 || memcmp(text.bytes, wanted, text.n) == 0);
}

static void test_pypi_index(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_pypi_index *index;
    static const char *const paths[] = {"x.leann.passages.jsonl", "/nowhere/x.jsonl", ""}; /* the last two: beside the metadata, by name */
    for (int i = 0; i < 3; i++) {
        put_index(i ? "l2" : "cosine", paths[i]);
        if (open_index(ctx, "x.leann.meta.json", &index) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
        assert_int_equal(index->d, 16);
        assert_int_equal(index->squared_l2, i > 0);
        assert_int_equal(index->passages.n, 5);
        assert_int_equal(index->missing, 1);
        assert_int_equal(index->skipped, 1);
        assert_non_null(strstr(index->why, "line 5"));
        check_passage(ctx, &index->passages, 0, "first");
        check_passage(ctx, &index->passages, 1, "second");
        check_passage(ctx, &index->passages, 2, "");
        check_passage(ctx, &index->passages, 3, "third");
        check_passage(ctx, &index->passages, 4, "");
        leann_text text;
        assert_int_equal(index->passages.read(&index->passages, ctx, &(uint32_t){5}, 1, &text), LEANN_EINVAL);
        leann_pypi_free(index);
    }
    put_file("y.jsonl", "{\"id\": \"1\", \"text\": \"b\"}\n{\"id\": \"0\", \"text\": \"a\"}\n"); /* label i is the passage "i" */
    assert_int_equal(open_index(ctx, "y.jsonl", &index), LEANN_OK);
    assert_int_equal(index->passages.n, 2);
    check_passage(ctx, &index->passages, 0, "a");
    check_passage(ctx, &index->passages, 1, "b");
    put_file("z.jsonl", "");
    char path[128];
    snprintf(path, sizeof path, "%s/y.jsonl", folder);
    assert_int_equal(truncate(path, 10), 0); /* under a server that has it open */
    leann_text text;
    assert_int_equal(index->passages.read(&index->passages, ctx, &(uint32_t){0}, 1, &text), LEANN_EIO);
    assert_non_null(strstr(leann_ctx_error(ctx), "has changed"));
    leann_pypi_free(index);
    assert_int_equal(open_index(ctx, "z.jsonl", &index), LEANN_OK);
    assert_int_equal(index->passages.n, 0);
    leann_pypi_free(index);
    leann_ctx_free(ctx);
}

static void refuse_index(leann_ctx *ctx, const char *name, const char *text, leann_status wanted, const char *piece)
{
    leann_pypi_index *index;
    if (text) put_file(name, text);
    leann_status status = open_index(ctx, name, &index);
    if (status != wanted || !strstr(leann_ctx_error(ctx), piece)) fail_msg("%s gave %d, %s", name, (int)status, leann_ctx_error(ctx));
    assert_null(index);
}

static void test_pypi_index_refused(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char path[128];
    refuse_index(ctx, "none.meta.json", NULL, LEANN_ENOTFOUND, "none.meta.json");
    refuse_index(ctx, "passages.txt", "", LEANN_EINVAL, "neither");
    refuse_index(ctx, "a.meta.json", "{", LEANN_EFORMAT, "a.meta.json:1");
    refuse_index(ctx, "a.meta.json", "[]", LEANN_EFORMAT, "passage_sources");
    refuse_index(ctx, "a.meta.json", "{\"passage_sources\": {}}", LEANN_EFORMAT, "passage_sources");
    refuse_index(ctx, "a.meta.json", "{\"passage_sources\": [5]}", LEANN_EUNSUPPORTED, "type ''");
    refuse_index(ctx, "a.meta.json", "{\"passage_sources\": [{\"type\": \"pickle\"}]}", LEANN_EUNSUPPORTED, "pickle");
    refuse_index(ctx, "a.meta.json", "{\"passage_sources\": [{\"type\": \"jsonl\"}]}", LEANN_ENOTFOUND, "not there");
    refuse_index(ctx, "a.meta.json", "{\"passage_sources\": [{\"type\": \"jsonl\", \"path\": \"/dev/zero\"}]}", LEANN_EFORMAT, "no file");
    refuse_index(ctx, "a.meta.json", "{\"backend_kwargs\": {\"distance_metric\": \"hamming\"}}", LEANN_EUNSUPPORTED, "hamming");
    snprintf(path, sizeof path, "%s/pipe.jsonl", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuse_index(ctx, "pipe.jsonl", NULL, LEANN_EFORMAT, "no file"); /* and it is not waited for */
    leann_ctx_free(ctx);
}

/* ---- MessagePack */

static uint8_t *put_ids(uint8_t *at, const int *labels, uint32_t n)
{
    at = leann_msgpack_put_list(at, n);
    for (uint32_t i = 0; i < n; i++) at = leann_msgpack_put_uint(at, (uint32_t)labels[i]);
    return at;
}

static leann_msgpack_item item_of(leann_msgpack *in)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_msgpack_item item;
    if (leann_msgpack_next(ctx, in, &item) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    leann_ctx_free(ctx);
    return item;
}

static leann_msgpack ask_packed(void *c, const uint8_t *request, const uint8_t *end, uint8_t *buffer)
{
    tell(c, request, (size_t)(end - request), false);
    int n = hear(c, (char *)buffer);
    if (n < 0) fail_msg("no answer: %s", zmq_strerror(errno));
    return (leann_msgpack){buffer, buffer, buffer + n};
}

static void check_row(leann_msgpack *in, const char *text) /* NULL: zeros */
{
    float x[FAKE_D] = {0};
    if (text) fake_vector(LEANN_PASSAGE, (leann_text){text, strlen(text)}, x);
    for (int i = 0; i < FAKE_D; i++) assert_true((float)item_of(in).real == x[i]);
}

static void test_leann_protocol(void **state)
{
    (void)state;
    static uint8_t buffer[BUFFER];
    static const char *const passage[] = {"first", "second", NULL, "third", NULL, NULL};
    const int labels[] = {0, 1, 2, 3, 4, 70000};
    uint8_t request[512], *at;
    float query[FAKE_D];
    fake_vector(LEANN_QUERY, (leann_text){"q", 1}, query);
    for (int l2 = 0; l2 < 2; l2++) {
        fake_server s;
        leann_pypi_index *index;
        leann_ctx *ctx = leann_ctx_new(1, 1);
        put_index(l2 ? "l2" : "mips", "x.leann.passages.jsonl");
        if (open_index(ctx, "x.leann.meta.json", &index) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
        leann_server_options o = fake_options();
        o.passages = &index->passages;
        o.squared_l2 = index->squared_l2;
        fake_start(&s, o);
        void *c = client(&s);

        at = leann_msgpack_put_text(leann_msgpack_put_list(request, 1), "__QUERY_MODEL__", 15);
        leann_msgpack in = ask_packed(c, request, at, buffer);
        assert_int_equal(item_of(&in).n, 1);
        leann_msgpack_item item = item_of(&in);
        assert_int_equal(item.n, 10);
        assert_memory_equal(item.text, "fake-model", 10);

        at = leann_msgpack_put_text(leann_msgpack_put_text(leann_msgpack_put_list(request, 2), "one", 3), "two", 3);
        in = ask_packed(c, request, at, buffer);
        assert_int_equal(item_of(&in).n, 2);
        assert_int_equal(item_of(&in).n, FAKE_D);
        check_row(&in, "one");
        assert_int_equal(item_of(&in).n, FAKE_D);
        check_row(&in, "two");
        assert_ptr_equal(in.at, in.end);

        at = put_ids(leann_msgpack_put_list(request, 2), labels, 6);
        at = leann_msgpack_put_list(at, FAKE_D);
        for (int i = 0; i < FAKE_D; i++) at = leann_msgpack_put_real(at, query[i]);
        in = ask_packed(c, request, at, buffer);
        assert_int_equal(item_of(&in).n, 1);
        assert_int_equal(item_of(&in).n, 6);
        for (int i = 0; i < 6; i++) {
            double wanted = 0, got = item_of(&in).real;
            float x[FAKE_D];
            if (passage[i]) fake_vector(LEANN_PASSAGE, (leann_text){passage[i], strlen(passage[i])}, x);
            for (int j = 0; passage[i] && j < FAKE_D; j++) {
                double a = (double)x[j], b = (double)query[j];
                wanted += l2 ? (a - b) * (a - b) : -a * b;
            }
            assert_true(passage[i] ? fabs(wanted - got) < 1e-6 : got == 1e9);
        }
        assert_ptr_equal(in.at, in.end);

        for (int form = 0; form < 2; form++) { /* [[labels]] and [labels] */
            at = put_ids(form ? request : leann_msgpack_put_list(request, 1), labels, 6);
            in = ask_packed(c, request, at, buffer);
            assert_int_equal(item_of(&in).n, 2);
            assert_int_equal(item_of(&in).n, 2);
            assert_int_equal(item_of(&in).integer, 6);
            assert_int_equal(item_of(&in).integer, FAKE_D);
            assert_int_equal(item_of(&in).n, 6 * FAKE_D);
            for (int i = 0; i < 6; i++) check_row(&in, passage[i]);
            assert_ptr_equal(in.at, in.end);
        }
        assert_true(metric(&s, "leann_embed_errors_total{kind=\"passage\"}") == 9);
        zmq_close(c);
        fake_stop(&s);
        leann_pypi_free(index);
        leann_ctx_free(ctx);
    }
}

/* What is wrong has an answer of the shape that its client looks for. */
static void test_leann_protocol_faults(void **state)
{
    (void)state;
    static uint8_t buffer[BUFFER];
    uint8_t request[512], *at;
    fake_server s;
    leann_server_options o = fake_options(); /* no passages at all */
    o.limits.texts = 10;
    fake_start(&s, o);
    void *c = client(&s);
    const int labels[11] = {0, 1, 2};
    at = put_ids(leann_msgpack_put_list(request, 2), labels, 3);
    for (int d = FAKE_D - 1; d <= FAKE_D; d++) { /* a query of another dimension; then a right one */
        uint8_t *end = leann_msgpack_put_list(at, (uint32_t)d);
        for (int i = 0; i < d; i++) end = leann_msgpack_put_real(end, 0.5f);
        leann_msgpack in = ask_packed(c, request, end, buffer);
        assert_int_equal(item_of(&in).n, 1);
        assert_int_equal(item_of(&in).n, 3);
        for (int i = 0; i < 3; i++) assert_true(item_of(&in).real == 1e9);
    }
    static const struct {
        const char *bytes;
        size_t n;
    } wrong[] = {
        {"\x91", 1},                        /* a list that ends before its item */
        {"\xdd\xff\xff\xff\xff", 5},        /* 2^32 - 1 items claimed */
        {"\x91\xdb\xff\xff\xff\xff", 6},    /* a text of as many bytes */
        {"\x91\x81\x01\x01", 4},            /* a map */
        {"\x91\xc0", 2},                    /* nil */
        {"\x92\xa1\x61\x01", 4},            /* a text and a number */
        {"\x91\xa1\x61\x01", 4},            /* something left over */
        {"\x93\x90\x90\x90", 4},            /* three lists */
        {"\x9b\0\0\0\0\0\0\0\0\0\0\0", 12}, /* more labels than the limit */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        leann_msgpack in = ask_packed(c, (const uint8_t *)wrong[i].bytes, (const uint8_t *)wrong[i].bytes + wrong[i].n, buffer);
        leann_msgpack_item item = item_of(&in); /* [] or [[n, d], […]] */
        assert_true(item.kind == LEANN_MSGPACK_LIST && (item.n == 0 || item.n == 2));
    }
    at = leann_msgpack_put_list(leann_msgpack_put_list(request, 1), 0); /* no labels: no vectors */
    leann_msgpack in = ask_packed(c, request, at, buffer);
    assert_int_equal(item_of(&in).n, 2);
    assert_int_equal(item_of(&in).n, 2);
    assert_int_equal(item_of(&in).integer, 0);
    assert_int_equal(item_of(&in).integer, FAKE_D);
    assert_int_equal(item_of(&in).n, 0);
    zmq_close(c);
    still_serves(&s);
    fake_stop(&s);
}

/* Every form of number, by both ends. */
static void test_msgpack_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        double value;
    } number[] = {{"\x7f", 1, 127},
                  {"\xe0", 1, -32},
                  {"\xcc\xff", 2, 255},
                  {"\xcd\x01\x00", 3, 256},
                  {"\xce\xff\xff\xff\xff", 5, 4294967295.0},
                  {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, 18446744073709551615.0},
                  {"\xd0\x80", 2, -128},
                  {"\xd1\x80\x00", 3, -32768},
                  {"\xd2\x80\x00\x00\x00", 5, -2147483648.0},
                  {"\xd3\xff\xff\xff\xff\xff\xff\xff\xff", 9, -1},
                  {"\xca\x3f\xc0\x00\x00", 5, 1.5},
                  {"\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00", 9, -1.5}};
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_msgpack_item item;
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        const uint8_t *bytes = (const uint8_t *)number[i].bytes;
        leann_msgpack in = {bytes, bytes, bytes + number[i].n}, cut = {bytes, bytes, bytes + number[i].n - 1};
        leann_ctx_clear(ctx);
        assert_int_equal(leann_msgpack_next(ctx, &in, &item), LEANN_OK);
        assert_true(item.real == number[i].value && in.at == in.end);
        assert_int_equal(leann_msgpack_next(ctx, &cut, &item), LEANN_EFORMAT);
    }
    static const uint32_t sizes[] = {0, 15, 16, 65535, 65536};
    for (size_t i = 0; i < 5; i++) {
        static uint8_t room[70000];
        memset(room, 0xa0, sizeof room);
        leann_msgpack_put_list(room, sizes[i]);
        leann_msgpack in = {room, room, room + sizeof room};
        leann_ctx_clear(ctx);
        assert_int_equal(leann_msgpack_next(ctx, &in, &item), LEANN_OK);
        assert_true(item.kind == LEANN_MSGPACK_LIST && item.n == sizes[i]);
        static const char text[200] = "text";
        const uint32_t n = i < 2 ? 31 : 200;
        in = (leann_msgpack){room, room, leann_msgpack_put_text(room, text, n)};
        assert_int_equal(leann_msgpack_next(ctx, &in, &item), LEANN_OK);
        assert_true(item.kind == LEANN_MSGPACK_TEXT && item.n == n && memcmp(item.text, text, n) == 0 && in.at == in.end);
        in = (leann_msgpack){room, room, leann_msgpack_put_uint(room, sizes[i])};
        assert_int_equal(leann_msgpack_next(ctx, &in, &item), LEANN_OK);
        assert_true(item.kind == LEANN_MSGPACK_INT && item.integer == sizes[i]);
    }
    leann_ctx_free(ctx);
}

/* ---- HTTP ---------------------------------------------------------------------------------------------------------------- */

static void http(const fake_server *s, const char *request, char *answer, size_t size)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(leann_server_http_port(s->server)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    size_t have = 0;
    for (ssize_t n; have < size - 1 && (n = read(fd, answer + have, size - 1 - have)) > 0;) have += (size_t)n;
    answer[have] = '\0';
    close(fd);
}

static void test_http(void **state)
{
    (void)state;
    fake_server s;
    static char answer[65536];
    leann_server_options o = fake_options();
    o.http_address = "127.0.0.1";
    o.http_port = 0;
    o.model = "a \"quoted\\name\"\nof two lines";
    fake_start(&s, o);
    still_serves(&s);
    http(&s, "GET /health HTTP/1.0\r\n\r\n", answer, sizeof answer);
    assert_non_null(strstr(answer, " 200 "));
    assert_non_null(strstr(answer, "application/json"));
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    leann_value *v;
    assert_int_equal(leann_value_parse(s.ctx, "health", body, strlen(body), &v), LEANN_OK);
    assert_string_equal(text_at(v, "status"), "ok");
    assert_string_equal(text_at(v, "identity"), fake_encoder.identity);
    assert_string_equal(text_at(v, "endpoint"), leann_server_endpoint(s.server));
    assert_string_equal(text_at(v, "model"), o.model);
    assert_int_equal(leann_value_int(leann_value_get(v, "dimension"), 0), FAKE_D);
    assert_int_equal(leann_value_int(leann_value_get(leann_value_get(v, "queue"), "waiting"), 9), 0);
    assert_true(leann_value_real(leann_value_get(v, "uptime_s"), -1) >= 0);
    leann_value_free(v);
    http(&s, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof answer);
    assert_non_null(strstr(answer, "text/plain; version=0.0.4"));
    assert_non_null(strstr(answer, "\nleann_embed_info{model=\"a \\\"quoted\\\\name\\\"\\nof two lines\",identity=\"0123"));
    assert_non_null(strstr(answer, "\nleann_embed_requests_total{ask=\"embed\"} 1\n"));
    assert_non_null(strstr(answer, "\nleann_embed_texts_total 1\n"));
    assert_non_null(strstr(answer, "\nleann_embed_batch_texts_bucket{le=\"1\"} 1\n"));
    assert_non_null(strstr(answer, "\nleann_embed_batch_texts_bucket{le=\"+Inf\"} 1\n"));
    assert_non_null(strstr(answer, "\nleann_embed_request_seconds_count 1\n"));
    assert_non_null(strstr(answer, "\n# TYPE leann_embed_request_seconds histogram\n"));
    http(&s, "GET /secrets HTTP/1.0\r\n\r\n", answer, sizeof answer);
    assert_non_null(strstr(answer, " 404 "));
    http(&s, "POST /health HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", answer, sizeof answer);
    assert_non_null(strstr(answer, " 405 "));
    assert_non_null(strstr(answer, "Allow: GET, HEAD"));
    http(&s, "HEAD /health HTTP/1.0\r\n\r\n", answer, sizeof answer);
    assert_non_null(strstr(answer, " 200 "));
    http(&s, "nonsense\r\n\r\n", answer, sizeof answer);
    http(&s, "GET /health HTTP/1.0\r\n\r\n", answer, sizeof answer);
    assert_non_null(strstr(answer, " 200 "));

    atomic_store(&fake_held, true); /* stopping, but not yet at its end */
    void *c = client(&s);
    tell_text(c, "{\"texts\": [\"last\"]}");
    wait_for(&s, "leann_embed_open_requests", 1);
    leann_ctx_cancel(s.ctx);
    for (bool stopping = false; !stopping; fake_sleep_ms(1)) leann_free(leann_server_health(s.server, &stopping));
    http(&s, "GET /health HTTP/1.0\r\n\r\n", answer, sizeof answer);
    assert_non_null(strstr(answer, " 503 "));
    assert_non_null(strstr(answer, "\"stopping\""));
    atomic_store(&fake_held, false);
    leann_value_free(hear_value(c, NULL, NULL));
    zmq_close(c);
    fake_stop(&s);
}

/* ---- options ------------------------------------------------------------------------------------------------------------- */

static void refuse_options(leann_server_options o, leann_status wanted, const char *piece)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_server *server;
    leann_status status = leann_server_new(ctx, &fake_encoder, &o, &server);
    if (status != wanted || !strstr(leann_ctx_error(ctx), piece)) fail_msg("got %d, %s", (int)status, leann_ctx_error(ctx));
    assert_null(server);
    leann_ctx_free(ctx);
}

static void test_options(void **state)
{
    (void)state;
    fake_server s;
    leann_server_options o = fake_options();
    o.http_address = "127.0.0.1";
    o.http_port = 0;
    fake_start(&s, o);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "%s", leann_server_endpoint(s.server));
    o = fake_options();
    o.endpoint = endpoint;
    refuse_options(o, LEANN_EIO, "Address already in use");
    o = fake_options();
    o.http_address = "127.0.0.1";
    o.http_port = leann_server_http_port(s.server);
    refuse_options(o, LEANN_EIO, "HTTP");
    fake_stop(&s);
    o.http_address = "localhost";
    refuse_options(o, LEANN_EINVAL, "no numeric address");
    o = fake_options();
    o.endpoint = "inproc://x";
    refuse_options(o, LEANN_EINVAL, "neither tcp");
    o.endpoint = "tcp://nonsense";
    refuse_options(o, LEANN_EINVAL, "cannot listen");
    o = fake_options();
    o.workers = 0;
    refuse_options(o, LEANN_EINVAL, "0 workers");
    o = fake_options();
    o.queue = 0;
    refuse_options(o, LEANN_EINVAL, "at least 1");
    o = fake_options();
    o.limits.texts = UINT32_MAX;
    refuse_options(o, LEANN_EINVAL, "too high");
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/leann-server-XXXXXX");
    zmq = zmq_ctx_new();
    return zmq && mkdtemp(folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return zmq_ctx_term(zmq) == 0 ? system(command) : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_count_and_about),
        cmocka_unit_test(test_dealers_and_ipc),
        cmocka_unit_test(test_batches_across_clients),
        cmocka_unit_test(test_batches_keep_apart),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_encoder_fails),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_full_of_bytes),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_client_vanishes),
        cmocka_unit_test(test_stranger),
        cmocka_unit_test(test_client_does_not_read),
        cmocka_unit_test(test_shutdown_answers_what_was_accepted),
        cmocka_unit_test(test_shutdown_under_load),
        cmocka_unit_test(test_pypi_index),
        cmocka_unit_test(test_pypi_index_refused),
        cmocka_unit_test(test_leann_protocol),
        cmocka_unit_test(test_leann_protocol_faults),
        cmocka_unit_test(test_msgpack_numbers),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
