/* server.c – the life of the embedding server, and its first thread: messages in, refusals and answers out.
 *
 * Source: none.
 * SPDX-License-Identifier: MIT */
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/inside.h"

/* TURN: messages read before answers get theirs. IDLE_MS: how soon a cancel from another thread is seen. */
enum { TURN = 64, IDLE_MS = 100, LINGER_MS = 2000, MAX_WORKERS = 256 };

leann_server_options leann_server_defaults(void)
{
    return (leann_server_options){.endpoint = "tcp://127.0.0.1:5555",
                                  .http_address = "127.0.0.1",
                                  .http_port = 8081,
                                  .model = "",
                                  .workers = 1,
                                  .threads = 1,
                                  .wait_us = 2000,
                                  .queue = 256,
                                  .queue_bytes = (size_t)64 << 20,
                                  .timeout_ms = 30000,
                                  .limits = {.texts = 4096, .text_bytes = (size_t)1 << 20, .request_bytes = (size_t)8 << 20}};
}

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

static leann_status check_options(leann_ctx *ctx, const leann_server_options *o, uint32_t d)
{
    if (o->workers < 1 || o->workers > MAX_WORKERS)
        return leann_fail(ctx, LEANN_EINVAL, "%u workers, but there must be between 1 and %d", o->workers, MAX_WORKERS);
    if (o->queue < 1 || o->timeout_ms < 1 || o->limits.texts < 1)
        return leann_fail(ctx, LEANN_EINVAL, "the queue, the time limit and the limit of texts must be at least 1");
    if ((uint64_t)o->limits.texts * d > UINT32_MAX)
        return leann_fail(ctx, LEANN_EINVAL, "a limit of %u texts of dimension %u is too high: an answer holds at most 2^32 numbers",
                          o->limits.texts, d);
    return LEANN_OK;
}

static bool init_lock(leann_server *self)
{
    pthread_condattr_t attributes;
    if (pthread_mutex_init(&self->lock, NULL) != 0) return false;
    bool ok = pthread_condattr_init(&attributes) == 0;
    if (ok) {
        ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 && pthread_cond_init(&self->more, &attributes) == 0;
        pthread_condattr_destroy(&attributes);
    }
    if (!ok) pthread_mutex_destroy(&self->lock);
    return ok;
}

static leann_status start_workers(leann_ctx *ctx, leann_server *self)
{
    self->worker = leann_alloc(ctx, self->options.workers, sizeof *self->worker);
    if (!self->worker) return LEANN_ENOMEM;
    for (; self->workers < self->options.workers; self->workers++) {
        leann_worker *w = &self->worker[self->workers];
        *w = (leann_worker){.server = self, .ctx = leann_ctx_new(0, self->options.threads)};
        int code = w->ctx ? pthread_create(&w->thread, NULL, leann_server_work, w) : ENOMEM;
        if (code == 0) continue;
        leann_ctx_free(w->ctx);
        return leann_fail(ctx, LEANN_EIO, "cannot start worker %u: %s", self->workers, strerror(code));
    }
    return LEANN_OK;
}

/* All that has threads of its own; they inherit the caller's blocked signals. */
static leann_status start(leann_ctx *ctx, leann_server *self)
{
    /* Twice the limit: what is a little too long gets a sentence, what is more is cut off by the library. */
    size_t limit = self->options.limits.request_bytes;
    leann_status status = leann_wire_listen(ctx, self->endpoint, limit < SIZE_MAX / 2 ? 2 * limit : SIZE_MAX, &self->wire);
    if (status == LEANN_OK && self->http_address)
        status = leann_http_start(ctx, self, self->http_address, self->options.http_port, &self->http);
    if (status == LEANN_OK) status = start_workers(ctx, self);
    return status;
}

static leann_status copy_texts(leann_ctx *ctx, leann_server *self)
{
    leann_server_options *o = &self->options;
    o->endpoint = self->endpoint = leann_format(ctx, "%s", o->endpoint);
    o->model = self->model = leann_format(ctx, "%s", o->model);
    if (o->http_address) o->http_address = self->http_address = leann_format(ctx, "%s", o->http_address);
    return leann_ctx_status(ctx);
}

leann_status leann_server_new(leann_ctx *ctx, const leann_encoder *encoder, const leann_server_options *options, leann_server **out)
{
    *out = NULL;
    leann_status status = check_options(ctx, options, encoder->d);
    if (status != LEANN_OK) return status;
    leann_server *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    *self = (leann_server){.options = *options, .encoder = encoder, .bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    self->waiting_end = &self->waiting;
    self->stats.started_ns = leann_now_ns();
    if (self->bell < 0 || !init_lock(self)) {
        status = leann_fail_errno(ctx, "cannot make a lock for the server");
        if (self->bell >= 0) close(self->bell);
        leann_free(self);
        return status;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = copy_texts(ctx, self);
    if (status == LEANN_OK) status = start(ctx, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status == LEANN_OK)
        *out = self;
    else
        leann_server_free(self);
    return status;
}

const char *leann_server_endpoint(const leann_server *server)
{
    return leann_wire_endpoint(server->wire);
}

uint16_t leann_server_http_port(const leann_server *server)
{
    return server->http ? leann_http_port(server->http) : 0;
}

static void job_free(leann_job *job)
{
    leann_request_free(&job->request);
    leann_answer_free(&job->answer);
    leann_frames_free(&job->in);
    leann_free(job);
}

static void stop(leann_server *self)
{
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->more);
    pthread_mutex_unlock(&self->lock);
}

void leann_server_free(leann_server *self)
{
    if (!self) return;
    stop(self);
    for (uint32_t i = 0; i < self->workers; i++) {
        pthread_join(self->worker[i].thread, NULL);
        leann_ctx_free(self->worker[i].ctx);
    }
    leann_http_stop(self->http);
    leann_wire_free(self->wire, LINGER_MS);
    for (leann_job *job = self->done, *next; job; job = next) { /* only where leann_server_run failed */
        next = job->next;
        job_free(job);
    }
    pthread_cond_destroy(&self->more);
    pthread_mutex_destroy(&self->lock);
    close(self->bell);
    leann_free(self->worker);
    leann_free(self->endpoint);
    leann_free(self->http_address);
    leann_free(self->model);
    leann_free(self);
}

/* ---- out ----------------------------------------------------------------------------------------------------------------- */

void leann_server_ring(leann_server *self)
{
    ssize_t written = write(self->bell, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* full: it has been rung already */
}

static void count_fault(leann_server *self, leann_fault fault)
{
    pthread_mutex_lock(&self->lock);
    self->stats.faults[fault]++;
    pthread_mutex_unlock(&self->lock);
}

/* Sends a job's answer and frees it. A client that is gone, or does not read, loses its answer and nobody else's. It is counted first: who
 * has an answer finds it in the counts. */
static void send_answer(leann_server *self, leann_ctx *own, leann_job *job)
{
    pthread_mutex_lock(&self->lock);
    leann_stats_time(&self->stats, leann_now_ns() - job->arrived_ns);
    pthread_mutex_unlock(&self->lock);
    leann_ctx_clear(own);
    leann_status status = leann_wire_send(own, self->wire, &job->in, job->answer.frame, job->answer.n);
    if (status != LEANN_OK) count_fault(self, status == LEANN_ELIMIT ? LEANN_FAULT_SLOW : LEANN_FAULT_GONE);
    job_free(job);
}

/* The answer of a request that was accepted. */
static void close_job(leann_server *self, leann_ctx *own, leann_job *job)
{
    pthread_mutex_lock(&self->lock);
    self->open--;
    self->open_bytes -= job->bytes;
    pthread_mutex_unlock(&self->lock);
    send_answer(self, own, job);
}

static void send_done(leann_server *self, leann_ctx *own)
{
    uint64_t rings;
    ssize_t got = read(self->bell, &rings, sizeof rings);
    (void)got; /* none: there may still be something */
    pthread_mutex_lock(&self->lock);
    leann_job *done = self->done;
    self->done = NULL;
    pthread_mutex_unlock(&self->lock);
    for (leann_job *next; done; done = next) {
        next = done->next;
        close_job(self, own, done);
    }
}

/* Answers what has waited too long, and says how many milliseconds from now on that may be the case again. */
static int expire(leann_server *self, leann_ctx *own)
{
    leann_job *late = NULL;
    uint64_t now = leann_now_ns(), next = now + (uint64_t)IDLE_MS * 1000000;
    char sentence[96];
    pthread_mutex_lock(&self->lock);
    for (leann_job **at = &self->waiting; *at;) {
        if ((*at)->deadline_ns <= now) {
            leann_job *job = leann_queue_take(self, at);
            job->next = late;
            late = job;
            self->stats.faults[LEANN_FAULT_TIMEOUT]++;
        } else {
            if ((*at)->deadline_ns < next) next = (*at)->deadline_ns;
            at = &(*at)->next;
        }
    }
    pthread_mutex_unlock(&self->lock);
    for (leann_job *job = late; job; job = late) {
        late = job->next;
        snprintf(sentence, sizeof sentence, "the request waited %.0f ms for its turn, which is more than its limit",
                 (double)(now - job->arrived_ns) * 1e-6);
        leann_answer_fault(self, &job->request, LEANN_FAULT_TIMEOUT, sentence, &job->answer);
        close_job(self, own, job);
    }
    return (int)((next - now + 999999) / 1000000);
}

/* ---- in ------------------------------------------------------------------------------------------------------------------ */

static void refuse(leann_server *self, leann_ctx *own, leann_job *job, leann_fault fault, const char *sentence)
{
    count_fault(self, fault);
    leann_answer_fault(self, &job->request, fault, sentence, &job->answer);
    send_answer(self, own, job);
}

static leann_fault fault_of(leann_status status)
{
    return status == LEANN_EFORMAT ? LEANN_FAULT_MALFORMED : status == LEANN_EINVAL ? LEANN_FAULT_INVALID : LEANN_FAULT_LIMIT;
}

/* LEANN_FAULTS: it is in the queue, and a worker's from now on. */
static leann_fault admit(leann_server *self, leann_job *job)
{
    const leann_server_options *o = &self->options;
    leann_fault fault = LEANN_FAULTS;
    pthread_mutex_lock(&self->lock);
    if (self->stopping)
        fault = LEANN_FAULT_STOPPING;
    else if (self->open >= o->queue || (self->open > 0 && self->open_bytes + job->bytes > o->queue_bytes))
        fault = LEANN_FAULT_FULL;
    if (fault == LEANN_FAULTS) {
        self->open++;
        self->open_bytes += job->bytes;
        self->stats.texts += job->request.n;
        leann_queue_add(self, job);
        pthread_cond_signal(&self->more);
    }
    pthread_mutex_unlock(&self->lock);
    return fault;
}

/* What needs no encoder is answered at once. */
static leann_status answer_now(leann_server *self, leann_ctx *own, leann_job *job)
{
    if (job->request.ask == LEANN_ASK_ABOUT) return leann_answer_about(own, self, &job->answer);
    if (job->request.ask == LEANN_ASK_MODEL) return leann_answer_model(own, self, &job->answer);
    if (job->request.n == 0) return leann_answer_vectors(own, self, &job->request, NULL, NULL, &job->answer); /* no labels */
    return LEANN_OK;
}

static leann_status read_job(leann_server *self, leann_ctx *own, leann_job *job)
{
    const leann_frames *in = &job->in;
    leann_request *r = &job->request;
    for (unsigned i = in->envelope; i < in->n; i++) job->bytes += in->frame[i].bytes;
    leann_status status =
        leann_request_read(own, in->frame + in->envelope, in->n - in->envelope, &self->options.limits, self->encoder->d, r);
    if (status == LEANN_OK && in->cut) status = leann_fail(own, LEANN_EFORMAT, "the request has more than %d frames", LEANN_FRAMES_MAX);
    uint64_t ms = r->timeout_ms && r->timeout_ms < self->options.timeout_ms ? r->timeout_ms : self->options.timeout_ms;
    job->deadline_ns = job->arrived_ns + ms * 1000000;
    pthread_mutex_lock(&self->lock);
    self->stats.requests[r->ask]++;
    pthread_mutex_unlock(&self->lock);
    return status;
}

static void take_message(leann_server *self, leann_ctx *own, leann_job *job)
{
    static const char *const sentence[] = {
        [LEANN_FAULT_FULL] = "too many requests wait; try again later", [LEANN_FAULT_STOPPING] = "the server is about to stop"};
    job->arrived_ns = leann_now_ns();
    leann_status status = read_job(self, own, job);
    if (status == LEANN_OK) status = answer_now(self, own, job);
    if (status != LEANN_OK) {
        refuse(self, own, job, fault_of(status), leann_ctx_error(own));
    } else if (job->answer.n > 0) {
        send_answer(self, own, job);
    } else {
        leann_fault fault = admit(self, job);
        if (fault != LEANN_FAULTS) refuse(self, own, job, fault, sentence[fault]);
    }
}

/* At most TURN messages. */
static leann_status receive(leann_server *self, leann_ctx *ctx, leann_ctx *own)
{
    for (int i = 0; i < TURN; i++) {
        leann_job *job = leann_alloc(ctx, 1, sizeof *job);
        if (!job) return LEANN_ENOMEM;
        leann_status status = leann_wire_receive(ctx, self->wire, &job->in);
        if (status != LEANN_OK || job->in.n == 0) {
            leann_free(job);
            return status;
        }
        leann_ctx_clear(own);
        take_message(self, own, job);
    }
    return LEANN_OK;
}

/* ---- the first thread ---------------------------------------------------------------------------------------------------- */

static bool is_open(leann_server *self)
{
    pthread_mutex_lock(&self->lock);
    bool open = self->open > 0;
    pthread_mutex_unlock(&self->lock);
    return open;
}

leann_status leann_server_run(leann_server *self, leann_ctx *ctx)
{
    leann_ctx *own = leann_ctx_new(0, 1); /* for what goes wrong with requests: ctx would forget there that it was cancelled */
    leann_status status = own ? LEANN_OK : leann_fail(ctx, LEANN_ENOMEM, "no memory for a context");
    bool stopping = false;
    while (status == LEANN_OK && !(stopping && !is_open(self))) {
        if (!stopping && leann_ctx_cancelled(ctx)) {
            stopping = true;
            stop(self);
        }
        leann_wire_wait(self->wire, self->bell, expire(self, own));
        send_done(self, own);
        status = receive(self, ctx, own);
    }
    if (status == LEANN_OK) status = receive(self, ctx, own); /* what came in the last moment is refused, not left without a word */
    leann_ctx_free(own);
    return status;
}
