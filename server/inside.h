/* inside.h – what the server's files share: requests under way, the counts, the server itself.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_SERVER_INSIDE_H
#define LEANN_SERVER_INSIDE_H

#include <pthread.h>

#include "server/server.h"

/* ---- what goes wrong ----------------------------------------------------------------------------------------------------- */

typedef enum {
    LEANN_FAULT_MALFORMED, /* no message of either language */
    LEANN_FAULT_INVALID,   /* one that asks for what is not */
    LEANN_FAULT_LIMIT,
    LEANN_FAULT_FULL,     /* too many requests wait */
    LEANN_FAULT_TIMEOUT,  /* this one waited too long */
    LEANN_FAULT_STOPPING, /* the server is about to end */
    LEANN_FAULT_ENCODER,
    LEANN_FAULT_PASSAGE, /* a label without a text */
    LEANN_FAULT_GONE,    /* the client left before its answer */
    LEANN_FAULT_SLOW,    /* the client does not read its answers */
    LEANN_FAULTS
} leann_fault;
extern const char *const leann_fault_word[LEANN_FAULTS];

/* ---- counts: stats.c ----------------------------------------------------------------------------------------------------- */

enum { LEANN_BATCH_BINS = 13, LEANN_TIME_BINS = 14 };
typedef struct {
    uint64_t started_ns, requests[LEANN_ASKS], texts, faults[LEANN_FAULTS];
    uint64_t batch[LEANN_BATCH_BINS + 1], batch_n, batch_texts; /* the last bin: above all bounds */
    uint64_t time[LEANN_TIME_BINS + 1], time_n, time_ns;        /* from a request's arrival to its answer */
} leann_server_stats;
void leann_stats_batch(leann_server_stats *stats, uint32_t texts);
void leann_stats_time(leann_server_stats *stats, uint64_t ns);

/* ---- answers: answer.c --------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_frame frame[2];
    unsigned n; /* 0: not made yet */
    void *own[2];
} leann_answer;
void leann_answer_free(leann_answer *answer);

/* x: vectors; row (request->n): which of them is a text's, LEANN_NONE: it has none; NULL: in order. */
leann_status leann_answer_vectors(leann_ctx *ctx, const leann_server *server, const leann_request *request, const float *x,
                                  const uint32_t *row, leann_answer *out);
leann_status leann_answer_tokens(leann_ctx *ctx, const leann_server *server, const uint32_t *tokens, uint32_t n, leann_answer *out);
leann_status leann_answer_about(leann_ctx *ctx, const leann_server *server, leann_answer *out);
leann_status leann_answer_model(leann_ctx *ctx, const leann_server *server, leann_answer *out);
/* Never fails: where memory is short it says that. */
void leann_answer_fault(const leann_server *server, const leann_request *request, leann_fault fault, const char *sentence,
                        leann_answer *out);

/* ---- requests under way: batch.c ----------------------------------------------------------------------------------------- */

typedef struct leann_job leann_job;
struct leann_job {
    leann_job *next;
    leann_frames in;
    leann_request request;
    leann_answer answer;
    size_t bytes;
    uint64_t arrived_ns, deadline_ns;
};

typedef struct {
    leann_server *server;
    leann_ctx *ctx;
    pthread_t thread;
} leann_worker;

struct leann_server {
    leann_server_options options;
    char *endpoint, *http_address, *model; /* options points to them */
    const leann_encoder *encoder;
    leann_wire *wire;
    struct leann_http *http;
    int bell; /* an eventfd that workers ring when answers lie in done */
    leann_worker *worker;
    uint32_t workers; /* started */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t more;  /* something waits, or stopping */
    leann_job *waiting, **waiting_end, *done;
    uint32_t waiting_n, waiting_texts;
    uint32_t open; /* accepted and not yet answered: waiting, with a worker, or done */
    size_t open_bytes;
    bool stopping;
    leann_server_stats stats;
};

/* A worker's thread: batches until the server stops and nothing waits. arg: leann_worker */
void *leann_server_work(void *arg);
/* With the lock held: appends, or takes out the job that *at points to. */
void leann_queue_add(leann_server *server, leann_job *job);
leann_job *leann_queue_take(leann_server *server, leann_job **at);
void leann_server_ring(leann_server *server); /* answers lie in done */

/* ---- HTTP: http.c -------------------------------------------------------------------------------------------------------- */

typedef struct leann_http leann_http;
leann_status leann_http_start(leann_ctx *ctx, leann_server *server, const char *address, uint16_t port, leann_http **out);
uint16_t leann_http_port(const leann_http *http);
void leann_http_stop(leann_http *http); /* NULL: nothing */

#endif
