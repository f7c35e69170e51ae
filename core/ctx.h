/* ctx.h – the inside of a context: errors, memory, scratch, randomness, workers, facts. Every room includes it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_CTX_H
#define LEANN_CTX_H

#include "core/leann.h"

/* ---- errors: the sentence of the FIRST failure is kept, with the value and the limit --------------------------------- */

leann_status leann_fail(leann_ctx *ctx, leann_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same with strerror(errno) added: leann_fail_errno(ctx, "cannot open %s", path) -> "cannot open x: No such file…" */
leann_status leann_fail_errno(leann_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
leann_status leann_ctx_status(const leann_ctx *ctx); /* of the first failure, LEANN_OK if none */
void leann_ctx_forgive(leann_ctx *ctx);              /* forget the failure alone: something else was done instead */
void leann_ctx_clear(leann_ctx *ctx);                /* forget the failure and the cancel request: ready for another call */

/* ---- memory ------------------------------------------------------------------------------------------------------- */

/* count * size bytes, 64-byte aligned, zeroed; NULL with ENOMEM in ctx when it overflows or there is none. Free with leann_free. */
void *leann_alloc(leann_ctx *ctx, size_t count, size_t size);
void leann_free(void *p);
char *leann_format(leann_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3))); /* heap; leann_free */

/* Memory of this process in bytes: the most that was resident since its start or the last reset, and what is resident now of no file; 0: not
 * known. Where /proc forbids a reset the peak stays that of the whole process. */
typedef struct {
    uint64_t peak, anon;
} leann_rss;
leann_rss leann_rss_now(void);
void leann_rss_reset(void);

/* Scratch: a stack of blocks that never move, kept by the context for its next use, so that a warm search allocates nothing.
 *     size_t mark = leann_scratch_mark(ctx);  float *t = leann_scratch(ctx, n * sizeof *t);  …  leann_scratch_reset(ctx, mark); */
void *leann_scratch(leann_ctx *ctx, size_t bytes); /* 64-byte aligned, not zeroed; NULL with ENOMEM */
size_t leann_scratch_mark(const leann_ctx *ctx);
void leann_scratch_reset(leann_ctx *ctx, size_t mark);

static inline size_t leann_line_up(size_t bytes) /* to whole cache lines */
{
    return (bytes + 63) / 64 * 64;
}

/* Visited marks of a walk over n nodes: marks[i] == *epoch means seen. A call starts a new, empty set in O(1) amortised. */
uint16_t *leann_ctx_marks(leann_ctx *ctx, uint32_t n, uint16_t *epoch);

/* As marks for walks that go by turns: words of bits, all 0, to be left all 0. NULL with ENOMEM. */
uint64_t *leann_ctx_bits(leann_ctx *ctx, size_t words);

/* ---- counters ----------------------------------------------------------------------------------------------------- */

leann_work *leann_ctx_work(leann_ctx *ctx); /* of the call in progress; workers' counters are added at the end of leann_parallel */

/* Facts a build wants in the results ("bound_share", 0.97); the last value of a name stands; at most 64 names of 47 characters. */
void leann_ctx_fact(leann_ctx *ctx, const char *name, double value);
size_t leann_ctx_facts(const leann_ctx *ctx); /* how many */
const char *leann_ctx_fact_at(const leann_ctx *ctx, size_t i, double *value);
void leann_ctx_facts_clear(leann_ctx *ctx);

uint64_t leann_ctx_seed(const leann_ctx *ctx);
void leann_ctx_set_seed(leann_ctx *ctx, uint64_t seed);
bool leann_ctx_cancelled(const leann_ctx *ctx); /* poll it in long loops; return leann_fail(ctx, LEANN_EINTR, "interrupted") */
void leann_ctx_progress(leann_ctx *ctx, const char *what, uint64_t done, uint64_t total); /* cheap: throttled inside */

/* What a search tells of itself, a line a step, to whoever listens on its own context; without a listener nothing is formatted. */
typedef void (*leann_trace_fn)(void *arg, const char *line);
void leann_ctx_on_trace(leann_ctx *ctx, leann_trace_fn fn, void *arg); /* fn NULL: nobody */
void leann_trace(leann_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t leann_now_ns(void);    /* monotonic */
uint64_t leann_thread_ns(void); /* that this thread has run; a system call */
int64_t leann_date_ns(void);    /* since 1970: for what is kept longer than a process lives */

/* ---- randomness: counter-based, so that item i's draws do not depend on who drew before ---------------------------------
 * Source: Philox4x32-10, Salmon et al. 2011. Keyed by (seed, stage, item). */
typedef struct {
    uint64_t key, item, draw;
    uint32_t buffer[4];
    unsigned left;
} leann_rng;

leann_rng leann_rng_at(uint64_t seed, const char *stage, uint64_t item);
uint32_t leann_rng_u32(leann_rng *rng);
uint64_t leann_rng_u64(leann_rng *rng);
uint32_t leann_rng_below(leann_rng *rng, uint32_t n); /* uniform in [0, n), n > 0, without bias */
double leann_rng_real(leann_rng *rng);                /* [0, 1), 53 bits */
double leann_rng_normal(leann_rng *rng);              /* mean 0, variance 1 */
/* m distinct ids of [0, n), ascending when sorted is asked for; m <= n. */
void leann_rng_sample(leann_rng *rng, uint32_t n, uint32_t m, bool sorted, uint32_t *ids);
int leann_by_id(const void *a, const void *b); /* of two ids, u32: for qsort and bsearch */

/* The fixed split: the test rows used, shuffled by seed 1 whatever the cell's seed; the first half tunes, the rest report (one
 * query: nothing tunes). Fewer queries are a prefix of more.
 *   shape   queries <= test_rows are used (0: all); order (queries) out: order[0 .. tune) tune, order[tune .. queries) report
 *   errors  EINVAL more queries than test rows */
leann_status leann_split(leann_ctx *ctx, uint32_t test_rows, uint32_t queries, uint32_t *order, uint32_t *tune);

/* ---- workers -------------------------------------------------------------------------------------------------------- */

/* Runs task on [0, n) in chunks of grain: [0, grain), [grain, 2 grain) … Which worker takes a chunk is not fixed, so a result may
 * depend on the chunk, never on the worker. Inside a task leann_parallel runs serially. The first failing chunk's sentence is kept.
 * Stops early, with EINTR, when the context is cancelled. */
typedef leann_status (*leann_task)(leann_ctx *worker, void *arg, size_t begin, size_t end);
leann_status leann_parallel(leann_ctx *ctx, size_t n, size_t grain, leann_task task, void *arg);
/* The same chunks, by the caller alone. */
leann_status leann_serial(leann_ctx *ctx, size_t n, size_t grain, leann_task task, void *arg);

#endif
