/* msgpack.c – MessagePack item by item, big-endian as it is; O(1) an item.
 *
 * Source: the MessagePack specification (spec.md, 2013 revision).
 * Differs: nil, truth values, binary, maps and extensions are refused: no message of the protocol has them.
 * SPDX-License-Identifier: MIT */
#include "server/msgpack.h"

#include <string.h>

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static uint64_t big(const uint8_t *at, unsigned bytes)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes; i++) x = x << 8 | at[i];
    return x;
}

/* How many bytes follow the first byte and belong to the item's number, or to its length; 9: no item we know. */
static unsigned tail_of(uint8_t first)
{
    if (first <= 0x7f || first >= 0xe0 || (first >= 0x90 && first <= 0xbf)) return 0;
    switch (first) {
    case 0xcc: /* uint8, int8, str8 */
    case 0xd0:
    case 0xd9:
        return 1;
    case 0xcd: /* 16 bits, str16, array16 */
    case 0xd1:
    case 0xda:
    case 0xdc:
        return 2;
    case 0xca: /* float, 32 bits, str32, array32 */
    case 0xce:
    case 0xd2:
    case 0xdb:
    case 0xdd:
        return 4;
    case 0xcb: /* double, 64 bits */
    case 0xcf:
    case 0xd3:
        return 8;
    default:
        return 9;
    }
}

static leann_msgpack_kind kind_of(uint8_t first)
{
    if ((first >= 0x90 && first <= 0x9f) || first == 0xdc || first == 0xdd) return LEANN_MSGPACK_LIST;
    if ((first >= 0xa0 && first <= 0xbf) || (first >= 0xd9 && first <= 0xdb)) return LEANN_MSGPACK_TEXT;
    return first == 0xca || first == 0xcb ? LEANN_MSGPACK_REAL : LEANN_MSGPACK_INT;
}

leann_msgpack_kind leann_msgpack_peek(const leann_msgpack *in)
{
    return in->at < in->end && tail_of(*in->at) < 9 ? kind_of(*in->at) : LEANN_MSGPACK_REAL;
}

static int64_t integer_of(uint8_t first, uint64_t x)
{
    if (first <= 0x7f) return first;
    if (first >= 0xe0) return (int8_t)first;
    switch (first) {
    case 0xd0:
        return (int8_t)x;
    case 0xd1:
        return (int16_t)x;
    case 0xd2:
        return (int32_t)x;
    case 0xd3:
        return (int64_t)x;
    default:
        return x <= INT64_MAX ? (int64_t)x : INT64_MAX;
    }
}

static double real_of(uint8_t first, uint64_t x)
{
    uint32_t half = (uint32_t)x;
    float f;
    double d;
    memcpy(&f, &half, sizeof f);
    memcpy(&d, &x, sizeof d);
    return first == 0xca ? (double)f : d;
}

leann_status leann_msgpack_next(leann_ctx *ctx, leann_msgpack *in, leann_msgpack_item *item)
{
    size_t where = (size_t)(in->at - in->begin), left = (size_t)(in->end - in->at);
    *item = (leann_msgpack_item){0};
    if (left == 0) return leann_fail(ctx, LEANN_EFORMAT, "the message ends at byte %zu, inside a list", where);
    uint8_t first = *in->at;
    unsigned tail = tail_of(first);
    if (tail > 8) return leann_fail(ctx, LEANN_EFORMAT, "byte %zu is 0x%02x, which begins no list, text or number", where, (unsigned)first);
    if (tail >= left) return leann_fail(ctx, LEANN_EFORMAT, "the message ends inside the item at byte %zu", where);
    uint64_t x = big(in->at + 1, tail);
    in->at += 1 + tail;
    left -= 1 + tail;
    item->kind = kind_of(first);
    if (item->kind == LEANN_MSGPACK_INT) {
        item->integer = integer_of(first, x);
        item->real = first == 0xcf ? (double)x : (double)item->integer;
    } else if (item->kind == LEANN_MSGPACK_REAL) {
        item->real = real_of(first, x);
    } else {
        item->n = tail ? (uint32_t)x : first & (item->kind == LEANN_MSGPACK_LIST ? 0x0fu : 0x1fu);
        if (item->n > left)
            return leann_fail(ctx, LEANN_EFORMAT, "the item at byte %zu is to have %u %s, but the message ends %zu bytes behind it", where,
                              item->n, item->kind == LEANN_MSGPACK_LIST ? "items" : "bytes", left);
        item->text = (const char *)in->at;
        if (item->kind == LEANN_MSGPACK_TEXT) in->at += item->n;
    }
    return LEANN_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static uint8_t *put(uint8_t *at, uint8_t first, uint64_t x, unsigned bytes)
{
    *at++ = first;
    for (unsigned i = bytes; i-- > 0;) *at++ = (uint8_t)(x >> 8 * i);
    return at;
}

uint8_t *leann_msgpack_put_list(uint8_t *at, uint32_t n)
{
    if (n < 16) return put(at, (uint8_t)(0x90 | n), 0, 0);
    return n <= UINT16_MAX ? put(at, 0xdc, n, 2) : put(at, 0xdd, n, 4);
}

uint8_t *leann_msgpack_put_uint(uint8_t *at, uint32_t x)
{
    return x < 128 ? put(at, (uint8_t)x, 0, 0) : put(at, 0xce, x, 4);
}

uint8_t *leann_msgpack_put_real(uint8_t *at, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return put(at, 0xca, bits, 4);
}

uint8_t *leann_msgpack_put_text(uint8_t *at, const char *text, uint32_t n)
{
    at = n < 32 ? put(at, (uint8_t)(0xa0 | n), 0, 0) : put(at, 0xdb, n, 4);
    memcpy(at, text, n);
    return at + n;
}
