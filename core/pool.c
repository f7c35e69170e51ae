/* pool.c – leann_parallel: fixed chunks of [0, n) on persistent workers, each with its own child context.
 *
 * The calling thread is a worker too: a pool of t contexts has t - 1 threads, made at the first job of more than one chunk. Chunks are
 * claimed in ascending order by one atomic counter and claiming stops at the first failure, so every chunk below a failing one
 * has been run: the lowest failing chunk is the same for any number of threads, and its sentence is kept. A worker that wakes after
 * the last chunk was claimed is not waited for. Threads take no signals, so that handlers run in the program's own.
 *
 * After fork the child process has none of the threads: a pool of another process is dropped without touching them.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ctx_inside.h"

typedef struct {
    ctx_pool *pool;
    leann_ctx *ctx;
    pthread_t thread; /* of workers 1 … ; worker 0 is the caller */
    bool worked;      /* in the job at hand: has counters to merge */
} worker;

struct ctx_pool {
    pid_t pid;
    unsigned workers; /* the caller counted */
    worker *worker;
    bool busy; /* the caller is inside leann_parallel */
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    bool open, quit;     /* lock: a job may be joined; threads should end */
    unsigned active;     /* lock: threads inside the job */
    size_t failed_chunk; /* lock: the lowest so far, SIZE_MAX if none */
    leann_status failed_status;
    char failed_error[CTX_ERROR_BYTES];
    leann_task task; /* of the job, fixed while it is open */
    void *arg;
    size_t n, grain, chunks;
    atomic_size_t next;
    atomic_bool stop;
};

static void note_failure(ctx_pool *pool, size_t chunk, leann_ctx *ctx, leann_status status)
{
    atomic_store(&pool->stop, true);
    pthread_mutex_lock(&pool->lock);
    if (chunk < pool->failed_chunk) {
        pool->failed_chunk = chunk;
        pool->failed_status = status;
        memcpy(pool->failed_error, ctx->error, sizeof ctx->error);
    }
    pthread_mutex_unlock(&pool->lock);
}

static void work_on_job(ctx_pool *pool, worker *self)
{
    leann_ctx *ctx = self->ctx;
    self->worked = true;
    ctx->seed = ctx->root->seed;
    while (!atomic_load(&pool->stop) && !leann_ctx_cancelled(ctx)) {
        size_t chunk = atomic_fetch_add(&pool->next, 1);
        if (chunk >= pool->chunks) break;
        size_t begin = chunk * pool->grain, left = pool->n - begin;
        size_t mark = leann_scratch_mark(ctx);
        ctx->chunk = chunk;
        leann_ctx_clear(ctx);
        leann_status status = pool->task(ctx, pool->arg, begin, begin + (left < pool->grain ? left : pool->grain));
        leann_scratch_reset(ctx, mark);
        if (status != LEANN_OK) note_failure(pool, chunk, ctx, status);
    }
}

static void *thread_main(void *arg)
{
    worker *self = arg;
    ctx_pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    while (!pool->quit) {
        if (!pool->open || self->worked) {
            pthread_cond_wait(&pool->wake, &pool->lock);
            continue;
        }
        pool->active++;
        pthread_mutex_unlock(&pool->lock);
        work_on_job(pool, self);
        pthread_mutex_lock(&pool->lock);
        if (--pool->active == 0) pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void ctx_pool_free(ctx_pool *pool)
{
    if (!pool) return;
    if (pool->pid == getpid()) {
        pthread_mutex_lock(&pool->lock);
        pool->quit = true;
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
        for (unsigned i = 1; i < pool->workers; i++) pthread_join(pool->worker[i].thread, NULL);
        pthread_cond_destroy(&pool->idle);
        pthread_cond_destroy(&pool->wake);
        pthread_mutex_destroy(&pool->lock);
    }
    for (unsigned i = 0; i < pool->workers; i++) leann_ctx_free(pool->worker[i].ctx);
    free(pool->worker);
    free(pool);
}

/* As many workers as can be made, at most ctx->threads; NULL when not even one context fits in memory. */
static ctx_pool *pool_new(leann_ctx *ctx)
{
    ctx_pool *pool = calloc(1, sizeof *pool);
    worker *workers = calloc(ctx->threads, sizeof *workers);
    if (!pool || !workers) goto fail;
    pool->pid = getpid();
    pool->worker = workers;
    if (pthread_mutex_init(&pool->lock, NULL) != 0) goto fail;
    if (pthread_cond_init(&pool->wake, NULL) != 0 || pthread_cond_init(&pool->idle, NULL) != 0) goto fail;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (unsigned i = 0; i < ctx->threads; i++) {
        worker *self = &workers[i];
        *self = (worker){.pool = pool, .ctx = ctx_make(ctx, ctx->seed, 1)};
        if (!self->ctx) break;
        if (i > 0 && pthread_create(&self->thread, NULL, thread_main, self) != 0) {
            leann_ctx_free(self->ctx);
            break;
        }
        pool->workers = i + 1;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (pool->workers > 0) return pool;
fail:
    free(workers);
    free(pool);
    return NULL;
}

leann_status leann_serial(leann_ctx *ctx, size_t n, size_t grain, leann_task task, void *arg)
{
    for (size_t begin = 0; begin < n;) {
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        size_t end = n - begin < grain ? n : begin + grain, mark = leann_scratch_mark(ctx);
        leann_status status = task(ctx, arg, begin, end);
        leann_scratch_reset(ctx, mark);
        if (status != LEANN_OK) return leann_fail(ctx, status, "a part of the work failed: %s", leann_status_word(status));
        begin = end;
    }
    return LEANN_OK;
}

static void merge(leann_ctx *ctx, worker *from)
{
    leann_ctx *child = from->ctx;
    leann_work *sum = &ctx->work, *add = &child->work;
    sum->dist_comps += add->dist_comps;
    sum->hops += add->hops;
    sum->fetches += add->fetches;
    sum->recomputes += add->recomputes;
    sum->encoder_calls += add->encoder_calls;
    sum->cache_hits += add->cache_hits;
    sum->pages += add->pages;
    sum->missing_ppm += add->missing_ppm;
    sum->approximate += add->approximate;
    for (int i = 0; i < 3; i++) sum->stage_ns[i] += add->stage_ns[i];
    memset(add, 0, sizeof *add);
    for (size_t i = 0; i < child->facts_n; i++) ctx_fact_put(ctx, child->facts[i].name, child->facts[i].value, child->facts[i].chunk);
    child->facts_n = 0;
    from->worked = false;
}

static leann_status run_on_pool(leann_ctx *ctx, ctx_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->open = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    work_on_job(pool, &pool->worker[0]);
    pthread_mutex_lock(&pool->lock);
    pool->open = false;
    while (pool->active > 0) pthread_cond_wait(&pool->idle, &pool->lock);
    for (unsigned i = 0; i < pool->workers; i++)
        if (pool->worker[i].worked) merge(ctx, &pool->worker[i]);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < ctx->facts_n; i++) ctx->facts[i].chunk = 0; /* the next statement of any of them stands */
    if (pool->failed_chunk == SIZE_MAX) {
        if (atomic_load(&pool->next) < pool->chunks) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        return LEANN_OK;
    }
    leann_status status = pool->failed_status;
    if (pool->failed_error[0]) return leann_fail(ctx, status, "%s", pool->failed_error);
    return leann_fail(ctx, status, "a part of the work failed: %s", leann_status_word(status));
}

leann_status leann_parallel(leann_ctx *ctx, size_t n, size_t grain, leann_task task, void *arg)
{
    assert(grain > 0);
    size_t chunks = n / grain + (n % grain != 0);
    if (ctx->root != ctx || ctx->threads == 1 || chunks <= 1) return leann_serial(ctx, n, grain, task, arg);
    if (ctx->pool && ctx->pool->pid != getpid()) {
        ctx_pool_free(ctx->pool);
        ctx->pool = NULL;
    }
    if (!ctx->pool) ctx->pool = pool_new(ctx);
    ctx_pool *pool = ctx->pool;
    if (!pool || pool->workers == 1) return leann_serial(ctx, n, grain, task, arg);
    assert(!pool->busy); /* a task must use the context it is given, not its caller's */
    pool->busy = true;
    pool->task = task;
    pool->arg = arg;
    pool->n = n;
    pool->grain = grain;
    pool->chunks = chunks;
    pool->failed_chunk = SIZE_MAX;
    pool->failed_error[0] = '\0';
    atomic_store(&pool->next, 0);
    atomic_store(&pool->stop, false);
    leann_status status = run_on_pool(ctx, pool);
    pool->busy = false;
    return status;
}
