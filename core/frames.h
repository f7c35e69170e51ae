/* frames.h – messages of several frames between programs, over ZeroMQ: what server/ and the encoder `zmq` speak through. The only door to
 * libzmq.
 *
 * A wire is one end, of one thread at a time: a listener, which any number of peers call, or a caller, which asks one listener and asks
 * again only when it has its answer. Nothing here blocks but leann_wire_wait, and leann_wire_free for as long as it is told to.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_FRAMES_H
#define LEANN_FRAMES_H

#include "core/ctx.h"

enum { LEANN_FRAMES_MAX = 8, LEANN_FRAME_HOLD = 64 };

typedef struct {
    const void *at;
    size_t bytes;
} leann_frame;

/* A message that came in. It may not be copied or moved: the library holds short frames inside. */
typedef struct {
    leann_frame frame[LEANN_FRAMES_MAX];
    unsigned n;        /* frames; 0: there was no message */
    unsigned envelope; /* listener: the first ones, which say whom it came from */
    bool cut;          /* it had more frames than are kept */
    _Alignas(16) unsigned char hold[LEANN_FRAMES_MAX][LEANN_FRAME_HOLD];
} leann_frames;
void leann_frames_free(leann_frames *frames); /* what it holds, not itself; n is 0 then */

typedef struct leann_wire leann_wire;

/* One end.
 *   endpoint  "tcp://ADDRESS:PORT", where a listener may have * for the port: any free one; or "ipc://PATH"
 *   max_frame bytes; a peer that sends a longer frame is cut off, before it is read
 *   errors    EINVAL another kind of endpoint; EIO the address is in use, or not this machine's; ENOMEM
 *   source    ZeroMQ's ROUTER (listener) and REQ (caller) sockets; a peer may be a REQ or a DEALER, with or without the empty delimiter */
leann_status leann_wire_listen(leann_ctx *ctx, const char *endpoint, size_t max_frame, leann_wire **out);
leann_status leann_wire_call(leann_ctx *ctx, const char *endpoint, size_t max_frame, leann_wire **out);
const char *leann_wire_endpoint(const leann_wire *wire); /* with the port it got */
/* linger_ms: how long it waits for peers to take what was sent to them; what they did not take by then is lost. NULL: nothing. */
void leann_wire_free(leann_wire *wire, int linger_ms);

enum { LEANN_WIRE_MESSAGE = 1, LEANN_WIRE_FD = 2 };
/* Until there is a message, fd (-1: none) can be read, a signal came, or the time is over: which of the two it was, as bits. */
unsigned leann_wire_wait(leann_wire *wire, int fd, int timeout_ms);

/* out->n = 0, and LEANN_OK, where no message is there. */
leann_status leann_wire_receive(leann_ctx *ctx, leann_wire *wire, leann_frames *out);
/* The frames of body; a listener's go to whom `to` came from (NULL for a caller).
 *   errors  ENOTFOUND that peer is gone; ELIMIT it does not read what it is sent; EIO */
leann_status leann_wire_send(leann_ctx *ctx, leann_wire *wire, const leann_frames *to, const leann_frame *body, unsigned n);

#endif
