/* batch.c – the queue, and the workers that make batches of it: requests of any clients that ask for the same go to the encoder together.
 *
 * The oldest request decides what a batch is of; it waits until there are texts enough for one, or for wait_us. Requests are not torn: one
 * that is longer than a batch goes alone. Cost: O(requests that wait) a batch.
 *
 * Source: none; the usual way of inference servers.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include <time.h>

#include "server/inside.h"

/* ---- the queue: with the server's lock held ------------------------------------------------------------------------------ */

void leann_queue_add(leann_server *server, leann_job *job)
{
    job->next = NULL;
    *server->waiting_end = job;
    server->waiting_end = &job->next;
    server->waiting_n++;
    server->waiting_texts += job->request.n;
}

leann_job *leann_queue_take(leann_server *server, leann_job **at)
{
    leann_job *job = *at;
    *at = job->next;
    if (!job->next) server->waiting_end = at;
    server->waiting_n--;
    server->waiting_texts -= job->request.n;
    job->next = NULL;
    return job;
}

static bool together(const leann_job *a, const leann_job *b)
{
    return (a->request.ask == LEANN_ASK_COUNT) == (b->request.ask == LEANN_ASK_COUNT) && a->request.role == b->request.role;
}

static uint32_t batch_of(const leann_server *server)
{
    return server->options.batch ? server->options.batch : server->encoder->best_batch;
}

/* Whether the oldest request need not wait for more company. */
static bool is_ripe(const leann_server *server, uint64_t now)
{
    const leann_job *oldest = server->waiting;
    uint64_t texts = 0;
    if (server->stopping || now - oldest->arrived_ns >= (uint64_t)server->options.wait_us * 1000) return true;
    for (const leann_job *job = oldest; job; job = job->next)
        if (together(oldest, job)) texts += job->request.n;
    return texts >= batch_of(server);
}

/* The requests of a batch, as a list. */
static leann_job *take_batch(leann_server *server)
{
    const uint32_t best = batch_of(server);
    leann_job *first = leann_queue_take(server, &server->waiting), **end = &first->next;
    uint64_t texts = first->request.n;
    for (leann_job **at = &server->waiting; *at;) {
        if (together(first, *at) && texts + (*at)->request.n <= best) {
            texts += (*at)->request.n;
            *end = leann_queue_take(server, at);
            end = &(*end)->next;
        } else {
            at = &(*at)->next;
        }
    }
    return first;
}

static void sleep_until(leann_server *server, uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    pthread_cond_timedwait(&server->more, &server->lock, &t);
}

/* The next batch; NULL: the server stops, and nothing waits. */
static leann_job *next_batch(leann_server *server)
{
    leann_job *batch = NULL;
    pthread_mutex_lock(&server->lock);
    while (!batch && (server->waiting || !server->stopping)) {
        if (!server->waiting)
            pthread_cond_wait(&server->more, &server->lock);
        else if (is_ripe(server, leann_now_ns()))
            batch = take_batch(server);
        else
            sleep_until(server, server->waiting->arrived_ns + (uint64_t)server->options.wait_us * 1000);
    }
    pthread_mutex_unlock(&server->lock);
    return batch;
}

/* ---- a batch ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_text *texts;  /* (n) of all requests, those without a text left out */
    uint32_t *row, all; /* (all) of each text or label: where in texts, or LEANN_NONE */
    uint32_t n;
} batch_texts;

static void add_text(batch_texts *b, leann_text text, bool may_miss)
{
    bool missing = may_miss && text.n == 0;
    b->row[b->all++] = missing ? LEANN_NONE : b->n;
    if (!missing) b->texts[b->n++] = text;
}

/* The texts of labels; empty where a label has none. They lie in ctx's scratch. */
static leann_status find_texts(leann_ctx *ctx, const leann_passages *passages, const leann_request *request, leann_text *out)
{
    uint32_t *ids = leann_scratch(ctx, request->n * sizeof *ids), known = 0;
    leann_text *found = leann_scratch(ctx, request->n * sizeof *found);
    if (!ids || !found) return LEANN_ENOMEM;
    memset(out, 0, request->n * sizeof *out);
    if (!passages) return LEANN_OK;
    for (uint32_t i = 0; i < request->n; i++)
        if (request->labels[i] >= 0 && request->labels[i] < (int64_t)passages->n) ids[known++] = (uint32_t)request->labels[i];
    leann_status status = passages->read(passages, ctx, ids, known, found);
    for (uint32_t i = 0, j = 0; status == LEANN_OK && i < request->n; i++)
        if (request->labels[i] >= 0 && request->labels[i] < (int64_t)passages->n) out[i] = found[j++];
    return status;
}

static leann_status gather(leann_ctx *ctx, const leann_server *server, const leann_job *batch, batch_texts *b)
{
    size_t n = 0;
    for (const leann_job *job = batch; job; job = job->next) n += job->request.n;
    *b = (batch_texts){leann_scratch(ctx, n * sizeof *b->texts), leann_scratch(ctx, n * sizeof *b->row), 0, 0};
    if (!b->texts || !b->row) return LEANN_ENOMEM;
    for (const leann_job *job = batch; job; job = job->next) {
        const leann_request *r = &job->request;
        leann_text *texts = r->texts;
        if (r->labels) {
            if (!(texts = leann_scratch(ctx, r->n * sizeof *texts))) return LEANN_ENOMEM;
            leann_status status = find_texts(ctx, server->options.passages, r, texts);
            if (status != LEANN_OK) return status;
        }
        for (uint32_t i = 0; i < r->n; i++) add_text(b, texts[i], r->labels != NULL);
    }
    return LEANN_OK;
}

static leann_status answer_all(leann_ctx *ctx, const leann_server *server, leann_job *batch, const batch_texts *b, const float *x,
                               const uint32_t *tokens)
{
    uint32_t at = 0;
    leann_status status = LEANN_OK;
    for (leann_job *job = batch; job && status == LEANN_OK; job = job->next) {
        const leann_request *r = &job->request;
        if (tokens)
            status = leann_answer_tokens(ctx, server, tokens + at, r->n, &job->answer);
        else if (r->labels) /* row says where, from the batch's beginning */
            status = leann_answer_vectors(ctx, server, r, x, b->row + at, &job->answer);
        else
            status = leann_answer_vectors(ctx, server, r, r->n ? x + (size_t)b->row[at] * server->encoder->d : x, NULL, &job->answer);
        at += r->n;
    }
    return status;
}

static leann_status encode(leann_ctx *ctx, const leann_server *server, leann_job *batch, const batch_texts *b)
{
    const leann_encoder *encoder = server->encoder;
    bool count = batch->request.ask == LEANN_ASK_COUNT;
    uint32_t *tokens = count ? leann_scratch(ctx, b->n * sizeof *tokens) : NULL;
    float *x = count ? NULL : leann_scratch(ctx, (size_t)b->n * encoder->d * sizeof *x);
    leann_status status = leann_ctx_status(ctx);
    if (status == LEANN_OK && count) status = encoder->type->count(encoder, ctx, b->texts, b->n, tokens);
    if (status == LEANN_OK && !count && b->n > 0) status = encoder->type->encode(encoder, ctx, batch->request.role, b->texts, b->n, x);
    for (size_t i = 0; status == LEANN_OK && !count && i < (size_t)b->n * encoder->d; i++)
        if (!isfinite(x[i])) status = leann_fail(ctx, LEANN_EFORMAT, "the encoder made a number that is not finite");
    return status == LEANN_OK ? answer_all(ctx, server, batch, b, x, tokens) : status;
}

/* What a batch was, into the counts: its texts, and its labels that had none. */
static void count_batch(leann_server *server, const batch_texts *b)
{
    pthread_mutex_lock(&server->lock);
    leann_stats_batch(&server->stats, b->n);
    server->stats.faults[LEANN_FAULT_PASSAGE] += b->all - b->n;
    pthread_mutex_unlock(&server->lock);
}

static void fail_job(leann_server *server, leann_job *job, const char *sentence)
{
    leann_answer_fault(server, &job->request, LEANN_FAULT_ENCODER, sentence, &job->answer);
    pthread_mutex_lock(&server->lock);
    server->stats.faults[LEANN_FAULT_ENCODER]++;
    pthread_mutex_unlock(&server->lock);
}

/* Answers all requests of a batch. Where it fails each is tried alone: nobody suffers for a neighbour's text. */
static void run_batch(leann_worker *worker, leann_job *batch)
{
    leann_ctx *ctx = worker->ctx;
    leann_server *server = worker->server;
    batch_texts b;
    size_t mark = leann_scratch_mark(ctx);
    leann_ctx_clear(ctx);
    leann_status status = gather(ctx, server, batch, &b);
    if (status == LEANN_OK) status = encode(ctx, server, batch, &b);
    leann_scratch_reset(ctx, mark);
    if (status == LEANN_OK) {
        count_batch(server, &b);
    } else if (!batch->next) {
        fail_job(server, batch, leann_ctx_error(ctx));
    } else {
        for (leann_job *job = batch, *next; job; job = next) {
            next = job->next;
            job->next = NULL;
            leann_answer_free(&job->answer);
            run_batch(worker, job);
            job->next = next;
        }
    }
}

static void hand_back(leann_server *server, leann_job *batch)
{
    leann_job **end = &batch;
    while (*end) end = &(*end)->next;
    pthread_mutex_lock(&server->lock);
    *end = server->done;
    server->done = batch;
    pthread_mutex_unlock(&server->lock);
    leann_server_ring(server);
}

void *leann_server_work(void *arg)
{
    leann_worker *worker = arg;
    for (leann_job *batch; (batch = next_batch(worker->server));) {
        run_batch(worker, batch);
        hand_back(worker->server, batch);
    }
    return NULL;
}
