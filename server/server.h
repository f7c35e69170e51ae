/* server.h – the embedding server: texts of many clients, gathered into batches that an encoder likes, answered over ZeroMQ; what it is and
 * does, over HTTP.
 *
 * The way of a request: the thread in leann_server_run reads it (server/request.h), accepts it into a bounded queue or refuses it with a
 * sentence; a worker takes what has gathered (server/batch.c) and encodes it; the first thread sends the answer. What was accepted is
 * answered, whatever happens: with vectors, or with what went wrong.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_SERVER_H
#define LEANN_SERVER_H

#include "server/request.h"

typedef struct {
    const char *endpoint;     /* as leann_wire_listen takes it */
    const char *http_address; /* numeric, v4 or v6; NULL: no HTTP */
    uint16_t http_port;       /* 0: any free one */
    const char *model;        /* the name that clients are told */
    uint32_t workers;         /* that encode at the same time … */
    uint32_t threads;         /* … each with so many threads */
    uint32_t batch;           /* texts that are worth a call of the encoder; 0: what it likes best */
    uint32_t wait_us;         /* how long a request may wait for others to fill the batch */
    uint32_t queue;           /* requests accepted and not yet answered, at most … */
    size_t queue_bytes;       /* … and bytes of theirs */
    uint32_t timeout_ms;      /* a request that waits longer than this is answered with that */
    leann_request_limits limits;
    const leann_passages
        *passages;   /* texts by label for LEANN's clients; NULL: there are none. One whose text is empty counts as missing */
    bool squared_l2; /* their distances: squared L2, else minus the inner product */
} leann_server_options;
leann_server_options leann_server_defaults(void); /* 127.0.0.1:5555 and :8081 */

typedef struct leann_server leann_server;

/* Listens, and starts the workers; nothing is read before leann_server_run. encoder and passages outlive it, texts are copied.
 *   errors  EINVAL an endpoint or address that is none; EIO it is in use; ENOMEM
 *   threads its own: the workers, one of ZeroMQ, one of HTTP; all with signals blocked, which so come to the caller's */
leann_status leann_server_new(leann_ctx *ctx, const leann_encoder *encoder, const leann_server_options *options, leann_server **out);
const char *leann_server_endpoint(const leann_server *server); /* with the port it got */
uint16_t leann_server_http_port(const leann_server *server);   /* 0: no HTTP */

/* Serves until ctx is cancelled (leann_ctx_cancel: from a signal handler or another thread). Then what was accepted is answered, what still
 * comes is refused with that, and it returns LEANN_OK. It listens until then: ZeroMQ cuts off all peers of an address that it leaves.
 *   errors  EIO, ENOMEM of the socket itself; not what requests go wrong with */
leann_status leann_server_run(leann_server *server, leann_ctx *ctx);
void leann_server_free(leann_server *server); /* NULL: nothing. Waits up to 2 s for clients to take their last answers */

/* What HTTP shows, heap (leann_free); NULL only when memory runs out. From any thread. */
char *leann_server_health(leann_server *server, bool *stopping); /* GET /health: a JSON object */
char *leann_server_metrics(leann_server *server);                /* GET /metrics: Prometheus' text format, version 0.0.4 */

#endif
