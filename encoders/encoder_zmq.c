/* encoder_zmq.c – vectors from an embedding server (`leann embed-server`), in this machine or another.
 *
 * Texts go in slices, several at once where the context has several threads, each over a connection of its own; connections are kept for
 * the next call. A request that is not answered in time is sent again over a new connection: the old one may wait for an answer that will never
 * come. The server says who it is with every answer, and one that is not who it was is refused.
 *
 * Source: the JSON language of server/request.h, with "lengths" and "frame"; the "lazy pirate" of the ZeroMQ guide, chapter 4.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/frames.h"
#include "core/plugin.h"

extern const leann_encoder_type leann_encoder_zmq;

/* KEPT: connections. ABOUT_MS: who a server is, it says at once, however busy. TICK_MS: how soon Ctrl-C is heard. */
enum { KEPT = 64, ABOUT_MS = 3000, TICK_MS = 100, PAUSE_MS = 50, LONGEST_PAUSE_MS = 1000, MAX_D = 65536 };
static const size_t ANSWER = (size_t)1 << 20; /* bytes of an answer without vectors */

typedef struct {
    const char *endpoint, *model;
    uint32_t batch, timeout_ms, retries;
} zmq_params;

static const leann_param table[] = {
    LEANN_PARAM_TEXT(zmq_params, endpoint, "\"tcp://127.0.0.1:5555\"", "where the server listens: tcp://ADDRESS:PORT or ipc://PATH"),
    LEANN_PARAM_TEXT(zmq_params, model, "\"\"", "the name or identity that the server must have; empty: any, which is then held to"),
    LEANN_PARAM_INT(zmq_params, batch, 0, 65536, "0", "texts a request; 0: what the server's encoder likes best"),
    LEANN_PARAM_INT(zmq_params, timeout_ms, 1, 3600000, "30000", "milliseconds to wait for an answer before asking again"),
    LEANN_PARAM_INT(zmq_params, retries, 0, 100, "3", "how often to ask again"),
    LEANN_PARAM_END,
};

typedef struct {
    leann_encoder common;
    char *endpoint;
    uint32_t timeout_ms, retries, texts; /* texts: of a request */
    size_t text_bytes, request_bytes;    /* the server's limits */
    size_t answer_bytes;                 /* of a frame of its answers, at most */
    pthread_mutex_t lock;                /* for what is below */
    leann_wire *idle[KEPT];
    unsigned idles;
} remote;

/* ---- connections --------------------------------------------------------------------------------------------------------- */

static leann_status take_wire(remote *self, leann_ctx *ctx, leann_wire **out)
{
    *out = NULL;
    pthread_mutex_lock(&self->lock);
    if (self->idles > 0) *out = self->idle[--self->idles];
    pthread_mutex_unlock(&self->lock);
    return *out ? LEANN_OK : leann_wire_call(ctx, self->endpoint, self->answer_bytes, out);
}

static void keep_wire(remote *self, leann_wire *wire)
{
    pthread_mutex_lock(&self->lock);
    bool room = self->idles < KEPT;
    if (room) self->idle[self->idles++] = wire;
    pthread_mutex_unlock(&self->lock);
    if (!room) leann_wire_free(wire, 0);
}

static void drop_wires(remote *self)
{
    while (self->idles > 0) leann_wire_free(self->idle[--self->idles], 0);
}

/* One try. answer->n = 0: there was no answer in time. */
static leann_status ask_once(remote *self, leann_ctx *ctx, const leann_frame *question, unsigned frames, uint32_t ms, leann_frames *answer)
{
    leann_wire *wire;
    const uint64_t end = leann_now_ns() + (uint64_t)ms * 1000000;
    leann_status status = take_wire(self, ctx, &wire);
    if (status == LEANN_OK) status = leann_wire_send(ctx, wire, NULL, question, frames);
    while (status == LEANN_OK && answer->n == 0) {
        uint64_t now = leann_now_ns(), left = now < end ? (end - now + 999999) / 1000000 : 0;
        if (left == 0) break;
        if (leann_ctx_cancelled(ctx))
            status = leann_fail(ctx, LEANN_EINTR, "interrupted");
        else if (leann_wire_wait(wire, -1, left < TICK_MS ? (int)left : TICK_MS) & LEANN_WIRE_MESSAGE)
            status = leann_wire_receive(ctx, wire, answer);
    }
    if (status == LEANN_OK && answer->n > 0)
        keep_wire(self, wire);
    else
        leann_wire_free(wire, 0);
    return status;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------- */

static leann_status refused(const remote *self, leann_ctx *ctx, const char *kind, const char *message)
{
    leann_status status = strcmp(kind, "limit") == 0 ? LEANN_ELIMIT : strcmp(kind, "invalid") == 0 ? LEANN_EINVAL : LEANN_EIO;
    return leann_fail(ctx, status, "the server at %s: %.500s (%.20s)", self->endpoint, message, kind);
}

static leann_status read_answer(const remote *self, leann_ctx *ctx, const leann_frames *answer, leann_value **out)
{
    leann_status status = leann_value_parse(ctx, self->endpoint, answer->frame[0].at, answer->frame[0].bytes, out);
    if (status == LEANN_OK && leann_value_type(*out) != LEANN_V_MAP)
        status = leann_fail(ctx, LEANN_EFORMAT, "the answer of %s is no JSON object", self->endpoint);
    return status;
}

static void pause_ms(uint64_t ms)
{
    nanosleep(&(struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000}, NULL);
}

/* The answer to a question: its first frame as *out, the caller's. It is asked again where none came in time, and, after a pause, where the
 * server has too much to do or is about to stop: another may take its place. */
static leann_status ask(remote *self, leann_ctx *ctx, const leann_frame *question, unsigned frames, uint32_t ms, leann_frames *answer,
                        leann_value **out)
{
    *out = NULL;
    for (uint32_t i = 0; i <= self->retries; i++) {
        leann_status status = ask_once(self, ctx, question, frames, ms, answer);
        if (status == LEANN_OK && answer->n == 0) continue;
        if (status == LEANN_OK) status = read_answer(self, ctx, answer, out);
        if (status != LEANN_OK) return status;
        const leann_value *error = leann_value_get(*out, "error");
        if (!error) return LEANN_OK;
        const char *kind = leann_value_text(leann_value_get(error, "kind"), "unknown");
        bool later = strcmp(kind, "full") == 0 || strcmp(kind, "timeout") == 0 || strcmp(kind, "stopping") == 0;
        if (!later || i == self->retries) return refused(self, ctx, kind, leann_value_text(leann_value_get(error, "message"), ""));
        leann_value_free(*out);
        *out = NULL;
        leann_frames_free(answer);
        uint64_t pause = (uint64_t)PAUSE_MS << (i < 8 ? i : 8);
        pause_ms(pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS);
    }
    return leann_fail(ctx, LEANN_EIO, "the server at %s gave no answer, %u times after %u ms", self->endpoint, self->retries + 1, ms);
}

static leann_status check_same(const remote *self, leann_ctx *ctx, const leann_value *answer)
{
    const char *identity = leann_value_text(leann_value_get(answer, "identity"), "none");
    int64_t d = leann_value_int(leann_value_get(answer, "dimension"), 0);
    if (strcmp(identity, self->common.identity) == 0 && d == (int64_t)self->common.d) return LEANN_OK;
    return leann_fail(ctx, LEANN_EINVAL,
                      "the server at %s has identity %.64s and dimension %lld now; it had %s and %u when it was opened, and vectors of two "
                      "encoders do not mix",
                      self->endpoint, identity, (long long)d, self->common.identity, self->common.d);
}

/* ---- questions about texts ----------------------------------------------------------------------------------------------- */

typedef struct {
    remote *self;
    leann_role role;
    const leann_text *texts;
    const uint32_t *start; /* of each slice */
    float *x;              /* (texts, d) out, or NULL: … */
    uint32_t *tokens;      /* … (texts) out */
} job;

static char *head_of(const job *j, const leann_text *texts, uint32_t n)
{
    leann_value *v = leann_value_new_map(), *lengths = leann_value_new_list();
    for (uint32_t i = 0; i < n; i++) leann_value_append(lengths, leann_value_new_int((int64_t)texts[i].n));
    leann_value_set(v, "ask", leann_value_new_text(j->x ? "embed" : "count"));
    leann_value_set(v, "role", leann_value_new_text(j->role == LEANN_QUERY ? "query" : "passage"));
    leann_value_set(v, "vectors", leann_value_new_text("frame"));
    leann_value_set(v, "timeout_ms", leann_value_new_int(j->self->timeout_ms)); /* then nobody waits for it here any more */
    leann_value_set(v, "lengths", lengths);
    char *text = leann_value_json(v, false, 0);
    leann_value_free(v);
    return text;
}

static leann_status take_vectors(const remote *self, leann_ctx *ctx, const leann_frames *answer, uint32_t n, float *x)
{
    size_t bytes = (size_t)n * self->common.d * sizeof *x, got = answer->n == 2 ? answer->frame[1].bytes : 0;
    if (got != bytes) return leann_fail(ctx, LEANN_EFORMAT, "%u vectors of %s have %zu bytes, not %zu", n, self->endpoint, bytes, got);
    memcpy(x, answer->frame[1].at, bytes);
    for (size_t i = 0; i < (size_t)n * self->common.d; i++)
        if (!isfinite(x[i])) return leann_fail(ctx, LEANN_EFORMAT, "a number in the vectors of %s is not finite", self->endpoint);
    return LEANN_OK;
}

static leann_status take_tokens(const remote *self, leann_ctx *ctx, const leann_value *answer, uint32_t n, uint32_t *tokens)
{
    const leann_value *list = leann_value_get(answer, "tokens");
    for (uint32_t i = 0; i < n; i++) {
        int64_t count = leann_value_count(list) == n ? leann_value_int(leann_value_at(list, i), -1) : -1;
        if (count < 0 || count > UINT32_MAX)
            return leann_fail(ctx, LEANN_EFORMAT, "the answer of %s has no %u counts of tokens", self->endpoint, n);
        tokens[i] = (uint32_t)count;
    }
    return LEANN_OK;
}

static leann_status ask_slice(leann_ctx *ctx, const job *j, uint32_t first, uint32_t n, const char *head)
{
    remote *self = j->self;
    const leann_text *texts = j->texts + first;
    size_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) bytes += texts[i].n;
    char *all = leann_scratch(ctx, bytes), *to = all;
    if (!all || !head) return leann_fail(ctx, LEANN_ENOMEM, "no memory for a request of %u texts", n);
    for (uint32_t i = 0; i < n; to += texts[i++].n)
        if (texts[i].n > 0) memcpy(to, texts[i].bytes, texts[i].n);
    leann_frames answer = {.n = 0};
    leann_value *v;
    const leann_frame question[] = {{head, strlen(head)}, {all, bytes}};
    leann_status status = ask(self, ctx, question, 2, self->timeout_ms, &answer, &v);
    if (status == LEANN_OK) status = check_same(self, ctx, v);
    if (status == LEANN_OK)
        status = j->x ? take_vectors(self, ctx, &answer, n, j->x + (size_t)first * self->common.d)
                      : take_tokens(self, ctx, v, n, j->tokens + first);
    leann_value_free(v);
    leann_frames_free(&answer);
    return status;
}

static leann_status ask_slices(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const job *j = arg;
    leann_status status = LEANN_OK;
    for (size_t i = begin; i < end && status == LEANN_OK; i++) {
        size_t mark = leann_scratch_mark(ctx);
        uint32_t first = j->start[i], n = j->start[i + 1] - first;
        char *head = head_of(j, j->texts + first, n);
        status = ask_slice(ctx, j, first, n, head);
        leann_free(head);
        leann_scratch_reset(ctx, mark);
    }
    return status;
}

/* As many texts a slice as a request may have, by number and by bytes. */
static leann_status cut(const remote *self, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *start, uint32_t *slices)
{
    size_t bytes = 0;
    *slices = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (texts[i].n > self->text_bytes)
            return leann_fail(ctx, LEANN_ELIMIT, "text %u has %zu bytes; the limit of the server at %s is %zu", i, texts[i].n,
                              self->endpoint, self->text_bytes);
        if (i == 0 || i - start[*slices - 1] == self->texts || bytes + texts[i].n > self->request_bytes) {
            start[(*slices)++] = i;
            bytes = 0;
        }
        bytes += texts[i].n;
    }
    start[*slices] = n;
    return LEANN_OK;
}

static leann_status in_slices(leann_ctx *ctx, job j, uint32_t n)
{
    size_t mark = leann_scratch_mark(ctx);
    uint32_t slices, *start = leann_scratch(ctx, ((size_t)n + 1) * sizeof *start);
    if (!start) return LEANN_ENOMEM;
    leann_status status = cut(j.self, ctx, j.texts, n, start, &slices);
    j.start = start;
    if (status == LEANN_OK) status = leann_parallel(ctx, slices, 1, ask_slices, &j);
    leann_scratch_reset(ctx, mark);
    return status;
}

/* An encoder is const to those who use it; behind the lock it keeps connections for them. */
static remote *inside(const leann_encoder *encoder)
{
    return (remote *)(uintptr_t)encoder;
}

static leann_status zmq_encode(const leann_encoder *encoder, leann_ctx *ctx, leann_role role, const leann_text *texts, uint32_t n, float *x)
{
    return in_slices(ctx, (job){.self = inside(encoder), .role = role, .texts = texts, .x = x}, n);
}

static leann_status zmq_count(const leann_encoder *encoder, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *tokens)
{
    return in_slices(ctx, (job){.self = inside(encoder), .texts = texts, .tokens = tokens}, n);
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

static bool is_identity(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static int64_t number_in(const leann_value *map, const char *key)
{
    return leann_value_int(leann_value_get(map, key), 0);
}

static bool find_space(const char *word, leann_space *out)
{
    for (int s = LEANN_L2; s <= LEANN_IP; s++)
        if (strcmp(word, leann_space_word((leann_space)s)) == 0) {
            *out = (leann_space)s;
            return true;
        }
    return false;
}

static leann_status learn(remote *self, leann_ctx *ctx, const zmq_params *p, const leann_value *about)
{
    const leann_value *limits = leann_value_get(about, "limits");
    const char *identity = leann_value_text(leann_value_get(about, "identity"), ""),
               *model = leann_value_text(leann_value_get(about, "model"), "");
    int64_t d = number_in(about, "dimension"), tokens = number_in(about, "max_tokens"), best = number_in(about, "best_batch"),
            texts = number_in(limits, "texts"), text_bytes = number_in(limits, "text_bytes"), bytes = number_in(limits, "request_bytes");
    leann_space space = LEANN_IP;
    if (!is_identity(identity) || d < 1 || d > MAX_D || tokens < 1 || tokens > UINT32_MAX || best < 1 || best > UINT32_MAX || texts < 1 ||
        text_bytes < 1 || bytes < 1 || !find_space(leann_value_text(leann_value_get(about, "space"), ""), &space))
        return leann_fail(ctx, LEANN_EFORMAT, "the server at %s does not say who it is in a way that is understood here", self->endpoint);
    if (p->model[0] && strcmp(p->model, model) != 0 && strcmp(p->model, identity) != 0)
        return leann_fail(ctx, LEANN_EINVAL, "the server at %s is %.100s (%s), not %.100s", self->endpoint, model, identity, p->model);
    int64_t batch = p->batch ? (int64_t)p->batch : best;
    self->texts = (uint32_t)(batch < texts ? batch : texts);
    self->text_bytes = (uint64_t)text_bytes < SIZE_MAX ? (size_t)text_bytes : SIZE_MAX;
    /* What the head takes is kept free: up to 22 bytes a text, and its words. */
    int64_t head = (int64_t)self->texts * 22 + 256;
    self->request_bytes = bytes > head ? (size_t)(bytes - head) : 0;
    size_t vectors = (size_t)self->texts * (size_t)d * sizeof(float);
    if (vectors > self->answer_bytes) self->answer_bytes = vectors;
    drop_wires(self); /* they take no longer answers than were expected then */
    self->common.d = (uint32_t)d;
    self->common.best_batch = self->texts;
    self->common.max_tokens = (uint32_t)tokens;
    self->common.space = space;
    memcpy(self->common.identity, identity, sizeof self->common.identity);
    return LEANN_OK;
}

static leann_status introduce(remote *self, leann_ctx *ctx, const zmq_params *p)
{
    static const char question[] = "{\"ask\": \"about\"}";
    leann_frames answer = {.n = 0};
    leann_value *about;
    uint32_t ms = p->timeout_ms < ABOUT_MS ? p->timeout_ms : ABOUT_MS;
    leann_status status = ask(self, ctx, &(leann_frame){question, sizeof question - 1}, 1, ms, &answer, &about);
    if (status == LEANN_OK) status = learn(self, ctx, p, about);
    leann_value_free(about);
    leann_frames_free(&answer);
    return status;
}

static void zmq_free(leann_encoder *encoder)
{
    remote *self = inside(encoder);
    drop_wires(self);
    pthread_mutex_destroy(&self->lock);
    leann_free(self->endpoint);
    leann_free(self);
}

static leann_status zmq_open(leann_ctx *ctx, const void *params, leann_encoder **out)
{
    const zmq_params *p = params;
    remote *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    *self = (remote){.common = {.type = &leann_encoder_zmq}, .timeout_ms = p->timeout_ms, .retries = p->retries, .answer_bytes = ANSWER};
    if (pthread_mutex_init(&self->lock, NULL) != 0) {
        leann_free(self);
        return leann_fail(ctx, LEANN_ENOMEM, "cannot make a lock");
    }
    self->endpoint = leann_format(ctx, "%s", p->endpoint);
    leann_status status = self->endpoint ? introduce(self, ctx, p) : LEANN_ENOMEM;
    if (status == LEANN_OK)
        *out = &self->common;
    else
        zmq_free(&self->common);
    return status;
}

const leann_encoder_type leann_encoder_zmq = {
    .common = {"zmq", 1, "sentence vectors from an embedding server, by ZeroMQ", "Hintjens 2013 (ZeroMQ guide), the lazy pirate", table,
               sizeof(zmq_params)},
    .open = zmq_open,
    .encode = zmq_encode,
    .count = zmq_count,
    .free = zmq_free,
};
