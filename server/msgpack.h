/* msgpack.h – the few forms of MessagePack that LEANN 0.3.8's clients and its embedding server exchange: lists, texts, numbers.
 *
 * Own code and no library: a reader that makes a tree takes room for as many items as a list says it has before it has seen one (five bytes
 * can claim 2^32), and all that is needed is the next item and a few writers.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_MSGPACK_H
#define LEANN_MSGPACK_H

#include "core/ctx.h"

typedef struct {
    const uint8_t *at, *begin, *end;
} leann_msgpack;

typedef enum { LEANN_MSGPACK_INT, LEANN_MSGPACK_REAL, LEANN_MSGPACK_TEXT, LEANN_MSGPACK_LIST } leann_msgpack_kind;

typedef struct {
    leann_msgpack_kind kind;
    uint32_t n;       /* a text's bytes; a list's items, which come next: never more than there are bytes left */
    int64_t integer;  /* INT; what is above INT64_MAX reads as that */
    double real;      /* INT and REAL */
    const char *text; /* TEXT: inside the message */
} leann_msgpack_item;

/* The next item; a list's head, not its items.
 *   errors  EFORMAT the message ends inside it, or it is of another kind (nil, a truth value, bytes, a map, an extension): says where */
leann_status leann_msgpack_next(leann_ctx *ctx, leann_msgpack *in, leann_msgpack_item *item);
/* What the next item is; LEANN_MSGPACK_REAL where that does not matter: there is none, or leann_msgpack_next will refuse it. */
leann_msgpack_kind leann_msgpack_peek(const leann_msgpack *in);

/* Writers: at most 5 bytes, and a text's own; they return where the next goes. */
enum { LEANN_MSGPACK_HEAD = 5 };
uint8_t *leann_msgpack_put_list(uint8_t *at, uint32_t n);
uint8_t *leann_msgpack_put_uint(uint8_t *at, uint32_t x);
uint8_t *leann_msgpack_put_real(uint8_t *at, float x);
uint8_t *leann_msgpack_put_text(uint8_t *at, const char *text, uint32_t n);

#endif
