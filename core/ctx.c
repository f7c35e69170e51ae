/* ctx.c – the context of a thread: its first error, scratch, visited marks, counters, facts, progress and cancel flag.
 *
 * Scratch is a list of blocks that never move, each with its place in one line of positions, so that a mark is one number and going
 * back to it is O(blocks). A block is never given back before the context is: a search that has run once allocates nothing.
 * Under AddressSanitizer scratch that is not handed out is poisoned.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/ctx_inside.h"

#if defined(__SANITIZE_ADDRESS__)
#define CTX_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CTX_ASAN 1
#endif
#endif
#ifdef CTX_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = 64, HUGE_PAGE = 2 << 20, LARGE = 4 << 20, FIRST_BLOCK = 1 << 16, MAX_THREADS = 1024 };
static const uint64_t PROGRESS_NS = 100 * 1000 * 1000;

struct ctx_block {
    ctx_block *next;
    size_t start, size, used; /* start: position of its first byte; all multiples of ALIGN */
    char *base;
};

/* ---- life -------------------------------------------------------------------------------------------------------------- */

static unsigned processors(void) /* that this process may use: a job scheduler may give fewer than the machine has */
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return (unsigned)CPU_COUNT(&set);
}

leann_ctx *ctx_make(leann_ctx *root, uint64_t seed, unsigned threads)
{
    leann_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return NULL;
    ctx->root = root ? root : ctx;
    ctx->seed = seed;
    ctx->threads = threads;
    atomic_init(&ctx->cancelled, false);
    if (pthread_mutex_init(&ctx->progress_lock, NULL) != 0) {
        free(ctx);
        return NULL;
    }
    return ctx;
}

leann_ctx *leann_ctx_new(uint64_t seed, unsigned threads)
{
    if (threads == 0) threads = processors();
    return ctx_make(NULL, seed, threads < MAX_THREADS ? threads : MAX_THREADS);
}

void leann_ctx_free(leann_ctx *ctx)
{
    if (!ctx) return;
    ctx_pool_free(ctx->pool);
    ctx_ring_free(ctx->ring);
    for (ctx_block *block = ctx->bottom, *next; block; block = next) {
        next = block->next;
        ASAN_UNPOISON_MEMORY_REGION(block->base, block->size);
        leann_free(block->base);
        free(block);
    }
    leann_free(ctx->marks);
    leann_free(ctx->bits);
    pthread_mutex_destroy(&ctx->progress_lock);
    free(ctx);
}

unsigned leann_ctx_threads(const leann_ctx *ctx)
{
    return ctx->threads;
}

uint64_t leann_ctx_seed(const leann_ctx *ctx)
{
    return ctx->seed;
}

void leann_ctx_set_seed(leann_ctx *ctx, uint64_t seed)
{
    ctx->seed = seed;
}

leann_work *leann_ctx_work(leann_ctx *ctx)
{
    return &ctx->work;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t leann_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t leann_thread_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t leann_date_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- errors ------------------------------------------------------------------------------------------------------------ */

const char *leann_status_word(leann_status status)
{
    switch (status) {
    case LEANN_OK:
        return "ok";
    case LEANN_EINVAL:
        return "invalid";
    case LEANN_ENOMEM:
        return "no memory";
    case LEANN_EIO:
        return "input/output";
    case LEANN_EFORMAT:
        return "format";
    case LEANN_ENOTFOUND:
        return "not found";
    case LEANN_EUNSUPPORTED:
        return "unsupported";
    case LEANN_ELIMIT:
        return "limit";
    case LEANN_EINTR:
        return "interrupted";
    }
    return "unknown";
}

leann_status leann_fail(leann_ctx *ctx, leann_status status, const char *format, ...)
{
    assert(status != LEANN_OK);
    if (ctx->status != LEANN_OK) return status; /* the first sentence stands */
    ctx->status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(ctx->error, sizeof ctx->error, format, args);
    va_end(args);
    return status;
}

leann_status leann_fail_errno(leann_ctx *ctx, const char *format, ...)
{
    int code = errno;
    leann_status status = code == ENOENT || code == ENOTDIR ? LEANN_ENOTFOUND : code == ENOMEM ? LEANN_ENOMEM : LEANN_EIO;
    if (ctx->status != LEANN_OK) return status;
    ctx->status = status;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(ctx->error, sizeof ctx->error, format, args);
    va_end(args);
    char reason[128];
    if (n >= 0 && (size_t)n < sizeof ctx->error)
        snprintf(ctx->error + n, sizeof ctx->error - (size_t)n, ": %s", strerror_r(code, reason, sizeof reason));
    return status;
}

const char *leann_ctx_error(const leann_ctx *ctx)
{
    return ctx->error;
}

leann_status leann_ctx_status(const leann_ctx *ctx)
{
    return ctx->status;
}

void leann_ctx_forgive(leann_ctx *ctx)
{
    ctx->status = LEANN_OK;
    ctx->error[0] = '\0';
}

void leann_ctx_clear(leann_ctx *ctx)
{
    leann_ctx_forgive(ctx);
    if (ctx->root == ctx) atomic_store(&ctx->cancelled, false); /* a worker may not take back the user's wish */
}

void leann_ctx_cancel(leann_ctx *ctx)
{
    atomic_store(&ctx->root->cancelled, true);
}

bool leann_ctx_cancelled(const leann_ctx *ctx)
{
    return atomic_load_explicit(&ctx->root->cancelled, memory_order_relaxed);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

/* Large blocks begin on a huge page and ask for them: a walk that jumps about in hundreds of megabytes else misses the TLB at every row. */
static void *aligned(size_t bytes)
{
    void *p;
    bool large = bytes >= LARGE;
    if (bytes > PTRDIFF_MAX || posix_memalign(&p, large ? HUGE_PAGE : ALIGN, bytes ? bytes : 1) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    if (large) madvise(p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* may be refused: small pages work too */
#endif
    return p;
}

void *leann_alloc(leann_ctx *ctx, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        leann_fail(ctx, LEANN_ENOMEM, "%zu items of %zu bytes are more than an address space holds", count, size);
        return NULL;
    }
    void *p = aligned(bytes);
    if (!p) {
        leann_fail(ctx, LEANN_ENOMEM, "no memory for %zu bytes", bytes);
        return NULL;
    }
    return memset(p, 0, bytes);
}

void leann_free(void *p)
{
    free(p);
}

char *leann_format(leann_ctx *ctx, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : leann_alloc(ctx, (size_t)n + 1, 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    if (n < 0) leann_fail(ctx, LEANN_EINVAL, "text of format \"%s\" cannot be made", format);
    return text;
}

/* A new top block with room for bytes; blocks above the old top are empty and too small, so they go. */
static ctx_block *grow(leann_ctx *ctx, size_t bytes)
{
    ctx_block *below = ctx->top;
    for (ctx_block *block = below ? below->next : ctx->bottom, *next; block; block = next) {
        next = block->next;
        ASAN_UNPOISON_MEMORY_REGION(block->base, block->size);
        leann_free(block->base);
        free(block);
    }
    if (below)
        below->next = NULL;
    else
        ctx->bottom = NULL;
    size_t size = below ? below->size : FIRST_BLOCK / 2;
    size = size <= SIZE_MAX / 4 ? 2 * size : size; /* doubling: few blocks whatever is asked for */
    if (size < bytes) size = bytes;
    ctx_block *block = calloc(1, sizeof *block);
    if (block && !(block->base = aligned(size))) {
        free(block);
        block = NULL;
    }
    if (!block) {
        leann_fail(ctx, LEANN_ENOMEM, "no memory for %zu bytes of scratch", size);
        return NULL;
    }
    ASAN_POISON_MEMORY_REGION(block->base, size);
    block->size = size;
    block->start = below ? below->start + below->size : 0;
    if (below)
        below->next = block;
    else
        ctx->bottom = block;
    return block;
}

void *leann_scratch(leann_ctx *ctx, size_t bytes)
{
    if (bytes > PTRDIFF_MAX - ALIGN) {
        leann_fail(ctx, LEANN_ENOMEM, "no memory for %zu bytes of scratch", bytes);
        return NULL;
    }
    size_t room = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    ctx_block *block = ctx->top;
    if (block && block->size - block->used < room) block = block->next;
    if (!block || block->size - block->used < room) block = grow(ctx, room);
    if (!block) return NULL;
    ctx->top = block;
    void *p = block->base + block->used;
    block->used += room;
    ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    return p;
}

size_t leann_scratch_mark(const leann_ctx *ctx)
{
    return ctx->top ? ctx->top->start + ctx->top->used : 0;
}

void leann_scratch_reset(leann_ctx *ctx, size_t mark)
{
    assert(mark <= leann_scratch_mark(ctx));
    ctx_block *top = NULL;
    for (ctx_block *block = ctx->bottom; block; block = block->next) {
        size_t keep = mark <= block->start ? 0 : mark - block->start;
        if (keep > block->used) keep = block->used; /* what the block's end left over counts as used by positions above it */
        block->used = keep;
        ASAN_POISON_MEMORY_REGION(block->base + keep, block->size - keep);
        if (keep || block == ctx->bottom) top = block;
        if (block == ctx->top) break;
    }
    ctx->top = top;
}

uint16_t *leann_ctx_marks(leann_ctx *ctx, uint32_t n, uint16_t *epoch)
{
    if (n > ctx->marks_n || !ctx->marks) {
        uint16_t *marks = leann_alloc(ctx, n, sizeof *marks);
        if (!marks) return NULL;
        leann_free(ctx->marks);
        ctx->marks = marks;
        ctx->marks_n = n;
        ctx->epoch = 0;
    }
    if (ctx->epoch == UINT16_MAX) {
        memset(ctx->marks, 0, (size_t)ctx->marks_n * sizeof *ctx->marks);
        ctx->epoch = 0;
    }
    *epoch = ++ctx->epoch;
    return ctx->marks;
}

uint64_t *leann_ctx_bits(leann_ctx *ctx, size_t words)
{
    if (words > ctx->bits_n) {
        uint64_t *bits = leann_alloc(ctx, words, sizeof *bits);
        if (!bits) return NULL;
        leann_free(ctx->bits);
        ctx->bits = bits;
        ctx->bits_n = words;
    }
    return ctx->bits;
}

/* ---- facts --------------------------------------------------------------------------------------------------------------- */

void ctx_fact_put(leann_ctx *ctx, const char *name, double value, size_t chunk)
{
    char key[CTX_FACT_NAME];
    snprintf(key, sizeof key, "%s", name);
    size_t at = 0;
    while (at < ctx->facts_n && strcmp(ctx->facts[at].name, key) < 0) at++;
    bool known = at < ctx->facts_n && strcmp(ctx->facts[at].name, key) == 0;
    if (known && chunk < ctx->facts[at].chunk) return;
    if (!known) {
        if (ctx->facts_n == CTX_FACTS) return;
        memmove(&ctx->facts[at + 1], &ctx->facts[at], (ctx->facts_n - at) * sizeof *ctx->facts);
        memcpy(ctx->facts[at].name, key, sizeof key);
        ctx->facts_n++;
    }
    ctx->facts[at].value = value;
    ctx->facts[at].chunk = chunk;
}

void leann_ctx_fact(leann_ctx *ctx, const char *name, double value)
{
    ctx_fact_put(ctx, name, value, ctx->chunk);
}

size_t leann_ctx_facts(const leann_ctx *ctx)
{
    return ctx->facts_n;
}

const char *leann_ctx_fact_at(const leann_ctx *ctx, size_t i, double *value)
{
    assert(i < ctx->facts_n);
    *value = ctx->facts[i].value;
    return ctx->facts[i].name;
}

void leann_ctx_facts_clear(leann_ctx *ctx)
{
    ctx->facts_n = 0;
}

/* ---- progress ------------------------------------------------------------------------------------------------------------ */

void leann_ctx_on_progress(leann_ctx *ctx, leann_progress_fn fn, void *arg)
{
    pthread_mutex_lock(&ctx->root->progress_lock);
    ctx->root->progress = fn;
    ctx->root->progress_arg = arg;
    pthread_mutex_unlock(&ctx->root->progress_lock);
}

/* A thread that finds another one telling its progress goes on with its work. The end of a stage is told even when it comes soon. */
void leann_ctx_progress(leann_ctx *ctx, const char *what, uint64_t done, uint64_t total)
{
    leann_ctx *root = ctx->root;
    if (done >= total)
        pthread_mutex_lock(&root->progress_lock);
    else if (pthread_mutex_trylock(&root->progress_lock) != 0)
        return;
    if (root->progress) {
        uint64_t now = leann_now_ns();
        bool same = strncmp(what, root->progress_what, sizeof root->progress_what - 1) == 0;
        bool end = done >= total && !(same && root->progress_ended);
        if (now - root->progress_ns >= PROGRESS_NS || end) {
            root->progress_ns = now;
            root->progress_ended = done >= total;
            snprintf(root->progress_what, sizeof root->progress_what, "%s", what);
            root->progress(root->progress_arg, what, done, total);
        }
    }
    pthread_mutex_unlock(&root->progress_lock);
}

void leann_ctx_on_trace(leann_ctx *ctx, leann_trace_fn fn, void *arg)
{
    ctx->trace = fn;
    ctx->trace_arg = arg;
}

void leann_trace(leann_ctx *ctx, const char *format, ...)
{
    char line[512];
    if (!ctx->trace) return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ctx->trace(ctx->trace_arg, line);
}

/* ---- words --------------------------------------------------------------------------------------------------------------- */

size_t leann_dtype_bytes(leann_dtype type)
{
    switch (type) {
    case LEANN_F32:
    case LEANN_U32:
        return 4;
    case LEANN_F16:
    case LEANN_U16:
        return 2;
    case LEANN_U64:
        return 8;
    case LEANN_U8:
    case LEANN_I8:
    case LEANN_BYTES:
        return 1;
    case LEANN_PAGES:
        return 4096;
    }
    return 0;
}

const char *leann_dtype_word(leann_dtype type)
{
    static const char *const word[] = {"f32", "u8", "i8", "f16", "u16", "u32", "u64", "bytes", "pages"};
    return (unsigned)type < sizeof word / sizeof *word ? word[type] : "unknown";
}

const char *leann_space_word(leann_space space)
{
    static const char *const word[] = {"euclidean", "angular", "ip"};
    return (unsigned)space < sizeof word / sizeof *word ? word[space] : "unknown";
}
