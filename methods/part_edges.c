/* part_edges.c – the links of a graph's level 0 as one Elias-Fano sequence: the numbers node * n + id, ascending, the low bits as they are and
 * the high ones in unary. About 2 + log2(n / mean degree) bits a link, and neither degrees nor offsets; what it takes follows from n and the
 * links there is room for, so that it is known before a build.
 *
 * Cost: a list is found from its block's place by counting zeros of at most some hundred bits, then read in order. Memory: as in the file.
 *
 * Source: Elias 1974; Fano 1971; for posting lists: Vigna 2013 (quasi-succinct indices).
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 32 }; /* nodes whose first bit is kept */
enum { HEAD_N, HEAD_ENTRY, HEAD_LINKS, HEAD_ROOM, HEAD_WORDS };

typedef struct {
    unsigned low_bits;
    uint64_t low_words, high_words, blocks;
} edges_shape;

/* EUNSUPPORTED is the caller's to say: more high bits than a place can name. */
static bool shape_of(uint64_t n, uint64_t room, edges_shape *out)
{
    const uint64_t all = n * n;
    unsigned l = 0;
    while (room > 0 && l < 62 && all >> (l + 1) >= room) l++;
    const uint64_t high = (all >> l) + room + 1;
    *out = (edges_shape){l, (room * l + 63) / 64 + 1, (high + 63) / 64, (n + BLOCK - 1) / BLOCK};
    return n < (uint64_t)1 << 31 && high <= UINT32_MAX;
}

static inline uint64_t low_at(const leann_edges *e, uint64_t i)
{
    if (e->low_bits == 0) return 0;
    const uint64_t bit = i * e->low_bits, word = bit / 64, shift = bit % 64;
    uint64_t value = e->low[word] >> shift;
    if (shift + e->low_bits > 64) value |= e->low[word + 1] << (64 - shift);
    return value & (((uint64_t)1 << e->low_bits) - 1);
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------- */

/* The place after `zeros` zeros from `at` on. */
static uint64_t skip_zeros(const leann_edges *e, uint64_t at, uint64_t zeros)
{
    uint64_t word = at / 64, open = ~e->high[word] & (~(uint64_t)0 << at % 64);
    if (zeros == 0) return at;
    for (uint64_t count; (count = (uint64_t)__builtin_popcountll(open)) < zeros; open = ~e->high[++word]) zeros -= count;
    while (--zeros > 0) open &= open - 1;
    return word * 64 + (uint64_t)__builtin_ctzll(open) + 1;
}

uint32_t leann_edges_list(const leann_edges *e, uint32_t node, uint32_t *ids)
{
    const uint64_t first = (uint64_t)node * e->n, end = first + e->n, bucket = (uint64_t)(node / BLOCK * BLOCK) * e->n >> e->low_bits;
    uint64_t high = first >> e->low_bits, at = skip_zeros(e, e->place[node / BLOCK], high - bucket), i = at - high;
    uint32_t n = 0;
    for (; i < e->links; at++) {
        if (!(e->high[at / 64] >> at % 64 & 1)) {
            if (++high << e->low_bits >= end) break;
            continue;
        }
        const uint64_t value = high << e->low_bits | low_at(e, i++);
        if (value >= end) break;
        if (value >= first) ids[n++] = (uint32_t)(value - first);
    }
    return n;
}

/* ---- making ------------------------------------------------------------------------------------------------------------------ */

static leann_status take_room(leann_ctx *ctx, const edges_shape *shape, leann_edges *out)
{
    out->owned[0] = leann_alloc(ctx, shape->low_words, sizeof *out->low);
    out->owned[1] = leann_alloc(ctx, shape->high_words, sizeof *out->high);
    out->owned[2] = leann_alloc(ctx, shape->blocks, sizeof *out->place);
    out->low = out->owned[0], out->high = out->owned[1], out->place = out->owned[2];
    out->low_bits = shape->low_bits;
    return leann_ctx_status(ctx);
}

/* The first bit of the bucket that a node's links begin in: it may hold links of nodes before. */
static uint32_t place_of(const leann_edges *e, uint32_t node, uint64_t bucket, uint64_t in_bucket)
{
    const uint64_t own = (uint64_t)node * e->n >> e->low_bits;
    return (uint32_t)(own + e->links - (bucket == own ? in_bucket : 0));
}

leann_status leann_edges_make(leann_ctx *ctx, const leann_graph *graph, uint64_t room, leann_edges *out)
{
    edges_shape shape;
    *out = (leann_edges){.n = graph->n, .entry = graph->entry, .room = room};
    if (!shape_of(graph->n, room, &shape))
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "%ju links of %u rows: more than their packed form can hold", (uintmax_t)room, graph->n);
    const size_t mark = leann_scratch_mark(ctx);
    uint32_t *list = leann_scratch(ctx, ((size_t)graph->slots + 1) * sizeof *list);
    leann_status status = list ? take_room(ctx, &shape, out) : leann_ctx_status(ctx);
    uint64_t *low = out->owned[0], *high = out->owned[1], bucket = 0, in_bucket = 0; /* the last link's, and how many it holds */
    uint32_t *place = out->owned[2];
    for (uint32_t node = 0; node < graph->n && !status; node++) {
        const uint32_t *links = leann_graph_list(graph, node), degree = links[0];
        if (node % BLOCK == 0) place[node / BLOCK] = place_of(out, node, bucket, in_bucket);
        if (out->links + degree > room) {
            status = leann_fail(ctx, LEANN_EINVAL, "the graph has more links than the %ju that there is room for", (uintmax_t)room);
            break;
        }
        memcpy(list, links + 1, degree * sizeof *list);
        if (degree > out->longest) out->longest = degree;
        qsort(list, degree, sizeof *list, leann_by_id);
        for (uint32_t i = 0; i < degree; i++, out->links++) {
            const uint64_t value = (uint64_t)node * graph->n + list[i], at = (value >> out->low_bits) + out->links;
            const uint64_t bit = out->links * out->low_bits, part = value & (((uint64_t)1 << out->low_bits) - 1);
            in_bucket = value >> out->low_bits == bucket ? in_bucket + 1 : 1;
            bucket = value >> out->low_bits;
            high[at / 64] |= (uint64_t)1 << at % 64;
            low[bit / 64] |= part << bit % 64;
            if (bit % 64 + out->low_bits > 64) low[bit / 64 + 1] |= part >> (64 - bit % 64);
        }
    }
    leann_scratch_reset(ctx, mark);
    return status;
}

void leann_edges_free(leann_edges *edges)
{
    for (int i = 0; i < 3; i++) leann_free(edges->owned[i]);
    *edges = (leann_edges){0};
}

/* ---- file ---------------------------------------------------------------------------------------------------------------------- */

leann_status leann_edges_save(const leann_edges *e, leann_writer *w)
{
    edges_shape shape;
    shape_of(e->n, e->room, &shape);
    const uint64_t head[HEAD_WORDS] = {e->n, e->entry, e->links, e->room};
    leann_status status = leann_writer_add(w, "edges.head", LEANN_PART_GRAPH, LEANN_U64, HEAD_WORDS, sizeof *head, head);
    if (!status) status = leann_writer_add(w, "edges.low", LEANN_PART_GRAPH, LEANN_U64, shape.low_words, sizeof *e->low, e->low);
    if (!status) status = leann_writer_add(w, "edges.high", LEANN_PART_GRAPH, LEANN_U64, shape.high_words, sizeof *e->high, e->high);
    if (!status) status = leann_writer_add(w, "edges.place", LEANN_PART_GRAPH, LEANN_U32, shape.blocks, sizeof *e->place, e->place);
    return status;
}

void leann_edges_predict(uint64_t n, uint64_t room, leann_ledger *ledger)
{
    edges_shape shape;
    shape_of(n, room, &shape);
    leann_ledger_add(ledger, LEANN_PART_GRAPH, HEAD_WORDS * sizeof(uint64_t));
    leann_ledger_add(ledger, LEANN_PART_GRAPH, shape.low_words * sizeof(uint64_t));
    leann_ledger_add(ledger, LEANN_PART_GRAPH, shape.high_words * sizeof(uint64_t));
    leann_ledger_add(ledger, LEANN_PART_GRAPH, shape.blocks * sizeof(uint32_t));
}

/* Reads all in order: links ascend, none leads to its own node, and places are what they must be, so that lists need no checks. */
static leann_status check_edges(leann_ctx *ctx, leann_edges *e, const edges_shape *shape, const char *path)
{
    uint64_t ones = 0, i = 0, high = 0, bucket = 0, in_bucket = 0, last = 0;
    uint32_t block = 0, degree = 0, node = 0;
    for (uint64_t word = 0; word < shape->high_words; word++) ones += (uint64_t)__builtin_popcountll(e->high[word]);
    if (ones != e->links)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: %ju links where its head says %ju", path, (uintmax_t)ones, (uintmax_t)e->links);
    leann_edges seen = {.n = e->n, .low_bits = e->low_bits};
    for (uint64_t at = 0; i < e->links; at++) {
        if (!(e->high[at / 64] >> at % 64 & 1)) {
            high++;
            continue;
        }
        const uint64_t value = high << e->low_bits | low_at(e, i);
        const uint32_t from = (uint32_t)(value / e->n), to = (uint32_t)(value % e->n);
        if (value >= (uint64_t)e->n * e->n || from == to || (i > 0 && value <= last))
            return leann_fail(ctx, LEANN_EFORMAT, "%s: link %ju is out of order, or leads nowhere", path, (uintmax_t)i);
        for (; block <= from / BLOCK; block++)
            if (e->place[block] != place_of(&seen, block * BLOCK, bucket, in_bucket))
                return leann_fail(ctx, LEANN_EFORMAT, "%s: the links of node %u are not where it says", path, block * BLOCK);
        degree = i > 0 && from == node ? degree + 1 : 1;
        if (degree > e->longest) e->longest = degree;
        in_bucket = high == bucket ? in_bucket + 1 : 1;
        bucket = high, node = from, last = value, seen.links = ++i;
    }
    for (; block < shape->blocks; block++)
        if (e->place[block] != place_of(&seen, block * BLOCK, bucket, in_bucket))
            return leann_fail(ctx, LEANN_EFORMAT, "%s: the links of node %u are not where it says", path, block * BLOCK);
    return LEANN_OK;
}

leann_status leann_edges_open(leann_ctx *ctx, const leann_reader *r, uint32_t n, uint64_t room, leann_edges *out)
{
    edges_shape shape;
    const void *head, *low, *high, *place;
    *out = (leann_edges){0};
    leann_status status = leann_reader_need(ctx, r, "edges.head", LEANN_U64, HEAD_WORDS, sizeof(uint64_t), &head);
    if (status) return status;
    const uint64_t *h = head;
    if (h[HEAD_N] != n || h[HEAD_ENTRY] >= n || h[HEAD_ROOM] != room || h[HEAD_LINKS] > room || !shape_of(n, room, &shape))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: the head of its links is damaged (%ju rows, entry %ju, %ju links, room for %ju)",
                          leann_reader_path(r), (uintmax_t)h[HEAD_N], (uintmax_t)h[HEAD_ENTRY], (uintmax_t)h[HEAD_LINKS],
                          (uintmax_t)h[HEAD_ROOM]);
    status = leann_reader_need(ctx, r, "edges.low", LEANN_U64, shape.low_words, sizeof(uint64_t), &low);
    if (!status) status = leann_reader_need(ctx, r, "edges.high", LEANN_U64, shape.high_words, sizeof(uint64_t), &high);
    if (!status) status = leann_reader_need(ctx, r, "edges.place", LEANN_U32, shape.blocks, sizeof(uint32_t), &place);
    if (status) return status;
    *out = (leann_edges){.n = n,
                         .entry = (uint32_t)h[HEAD_ENTRY],
                         .links = h[HEAD_LINKS],
                         .room = room,
                         .low_bits = shape.low_bits,
                         .low = low,
                         .high = high,
                         .place = place};
    return check_edges(ctx, out, &shape, leann_reader_path(r));
}
