/* frames.c – one end of a ZeroMQ connection, each with a ZeroMQ context of its own: one input/output thread.
 *
 * Source: ZeroMQ's reference of zmq_socket, zmq_setsockopt; RFC 28 (REQ/REP) for the delimiter.
 * Differs: envelopes of several hops (proxies between client and server) are not read: the frame behind the first is the delimiter where it
 * is empty, and the message where it is not.
 * SPDX-License-Identifier: MIT */
#include "core/frames.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

/* Of one peer: UNHEARD messages of it may wait here, then it has to wait; and UNREAD for it, then it gets no more: it reads none. */
enum { UNHEARD = 16, UNREAD = 64, HEARTBEAT_MS = 10000, SILENCE_MS = 30000, ENDPOINT = 512 };

_Static_assert(sizeof(zmq_msg_t) <= LEANN_FRAME_HOLD, "a frame of the library fits");
_Static_assert(_Alignof(zmq_msg_t) <= 16, "a frame of the library is aligned");

struct leann_wire {
    void *context, *socket;
    bool listens;
    char endpoint[ENDPOINT];
};

/* ---- frames -------------------------------------------------------------------------------------------------------------- */

static zmq_msg_t *held(leann_frames *frames, unsigned i)
{
    return (zmq_msg_t *)(void *)frames->hold[i];
}

void leann_frames_free(leann_frames *frames)
{
    for (unsigned i = 0; i < frames->n; i++) zmq_msg_close(held(frames, i));
    frames->n = 0;
}

/* ---- wires --------------------------------------------------------------------------------------------------------------- */

static bool set(leann_wire *wire, int option, int value)
{
    return zmq_setsockopt(wire->socket, option, &value, sizeof value) == 0;
}

static bool set_up(leann_wire *wire, const char *endpoint, size_t max_frame)
{
    int64_t limit = max_frame < INT64_MAX ? (int64_t)max_frame : INT64_MAX;
    /* IPv6 where an address in brackets asks for it: with it on, "localhost" may be ::1, where a listener at 127.0.0.1 is not. */
    bool ok = zmq_setsockopt(wire->socket, ZMQ_MAXMSGSIZE, &limit, sizeof limit) == 0 && set(wire, ZMQ_LINGER, 0) &&
              set(wire, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    if (!wire->listens) return ok;
    /* A peer that is gone, or does not read, is told of when something is sent to it; one whose machine died is found by heartbeats. */
    return ok && set(wire, ZMQ_ROUTER_MANDATORY, 1) && set(wire, ZMQ_RCVHWM, UNHEARD) && set(wire, ZMQ_SNDHWM, UNREAD) &&
           set(wire, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) && set(wire, ZMQ_HEARTBEAT_TIMEOUT, SILENCE_MS);
}

static leann_status open_wire(leann_ctx *ctx, const char *endpoint, size_t max_frame, bool listens, leann_wire **out)
{
    *out = NULL;
    if ((strncmp(endpoint, "tcp://", 6) != 0 && strncmp(endpoint, "ipc://", 6) != 0) || strlen(endpoint) >= ENDPOINT)
        return leann_fail(ctx, LEANN_EINVAL, "endpoint '%.100s' is neither tcp://ADDRESS:PORT nor ipc://PATH", endpoint);
    leann_wire *wire = leann_alloc(ctx, 1, sizeof *wire);
    if (!wire) return LEANN_ENOMEM;
    wire->listens = listens;
    wire->context = zmq_ctx_new();
    wire->socket = wire->context ? zmq_socket(wire->context, listens ? ZMQ_ROUTER : ZMQ_REQ) : NULL;
    size_t size = sizeof wire->endpoint;
    if (!wire->socket || !set_up(wire, endpoint, max_frame) ||
        (listens ? zmq_bind(wire->socket, endpoint) : zmq_connect(wire->socket, endpoint)) != 0 ||
        zmq_getsockopt(wire->socket, ZMQ_LAST_ENDPOINT, wire->endpoint, &size) != 0) {
        leann_status status = errno == EINVAL ? LEANN_EINVAL : LEANN_EIO;
        status = leann_fail(ctx, status, "cannot %s %s: %s", listens ? "listen at" : "connect to", endpoint, zmq_strerror(errno));
        leann_wire_free(wire, 0);
        return status;
    }
    *out = wire;
    return LEANN_OK;
}

leann_status leann_wire_listen(leann_ctx *ctx, const char *endpoint, size_t max_frame, leann_wire **out)
{
    return open_wire(ctx, endpoint, max_frame, true, out);
}

leann_status leann_wire_call(leann_ctx *ctx, const char *endpoint, size_t max_frame, leann_wire **out)
{
    return open_wire(ctx, endpoint, max_frame, false, out);
}

const char *leann_wire_endpoint(const leann_wire *wire)
{
    return wire->endpoint;
}

void leann_wire_free(leann_wire *wire, int linger_ms)
{
    if (!wire) return;
    if (wire->socket) {
        set(wire, ZMQ_LINGER, linger_ms);
        zmq_close(wire->socket);
    }
    while (wire->context && zmq_ctx_term(wire->context) != 0 && errno == EINTR) continue; /* a signal: the time to linger goes on */
    leann_free(wire);
}

/* ---- messages ------------------------------------------------------------------------------------------------------------ */

unsigned leann_wire_wait(leann_wire *wire, int fd, int timeout_ms)
{
    zmq_pollitem_t item[2] = {{.socket = wire->socket, .events = ZMQ_POLLIN}, {.fd = fd, .events = ZMQ_POLLIN}};
    if (zmq_poll(item, fd < 0 ? 1 : 2, timeout_ms) <= 0) return 0;
    return (item[0].revents & ZMQ_POLLIN ? LEANN_WIRE_MESSAGE : 0u) | (item[1].revents & ZMQ_POLLIN ? LEANN_WIRE_FD : 0u);
}

leann_status leann_wire_receive(leann_ctx *ctx, leann_wire *wire, leann_frames *out)
{
    out->n = out->envelope = 0;
    out->cut = false;
    for (bool more = true; more;) {
        zmq_msg_t beyond, *into = out->n < LEANN_FRAMES_MAX ? held(out, out->n) : &beyond;
        int got;
        zmq_msg_init(into);
        do got = zmq_msg_recv(into, wire->socket, ZMQ_DONTWAIT);
        while (got < 0 && errno == EINTR); /* else the rest of a message would be taken for one */
        if (got < 0) {
            int code = errno;
            zmq_msg_close(into);
            leann_frames_free(out);
            return code == EAGAIN ? LEANN_OK : leann_fail(ctx, LEANN_EIO, "cannot receive at %s: %s", wire->endpoint, zmq_strerror(code));
        }
        more = zmq_msg_more(into);
        if (into == &beyond) {
            out->cut = true;
            zmq_msg_close(into);
        } else {
            out->frame[out->n++] = (leann_frame){zmq_msg_data(into), zmq_msg_size(into)};
        }
    }
    if (wire->listens) out->envelope = out->n > 1 && out->frame[1].bytes == 0 ? 2 : 1;
    return LEANN_OK;
}

static bool send_frame(leann_wire *wire, leann_frame frame, bool more)
{
    return zmq_send(wire->socket, frame.at, frame.bytes, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0;
}

leann_status leann_wire_send(leann_ctx *ctx, leann_wire *wire, const leann_frames *to, const leann_frame *body, unsigned n)
{
    bool ok = true;
    /* The first frame of a listener's message names the peer: only there can it fail for the peer's sake, and then nothing was sent. */
    for (unsigned i = 0; to && i < to->envelope && ok; i++) ok = send_frame(wire, to->frame[i], true);
    for (unsigned i = 0; i < n && ok; i++) ok = send_frame(wire, body[i], i + 1 < n);
    if (ok) return LEANN_OK;
    if (errno == EHOSTUNREACH) return leann_fail(ctx, LEANN_ENOTFOUND, "the peer is gone");
    if (errno == EAGAIN) return leann_fail(ctx, LEANN_ELIMIT, "the peer does not read what it is sent");
    return leann_fail(ctx, LEANN_EIO, "cannot send at %s: %s", wire->endpoint, zmq_strerror(errno));
}
