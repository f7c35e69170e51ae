/* edges.c – lists of links as gaps of places; see edges.h.
 * Cost: making and opening take a pass over all links; reading a list, for each link one step over the zeros and ones, and one load and shift
 * that waits for no other.
 *
 * SPDX-License-Identifier: MIT */
#include "core/edges.h"

#include "core/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPARE = 8, MOST_BITS = 56, MOST_FIRST = 20, MOST_STEP = 6 }; /* MOST_BITS: what one load of 64 is sure to hold */

/* ---- the code of gaps ----------------------------------------------------------------------------------------------------------- */

/* false: a gap might need more than MOST_BITS, or more zeros than there are classes. */
static bool code_of(unsigned first, unsigned step, leann_gap_code *out)
{
    *out = (leann_gap_code){.first = first, .step = step};
    uint64_t least = 0;
    while (least <= INT32_MAX) {
        const unsigned zeros = out->classes++, width = first + zeros * step;
        if (step == 0 || zeros == LEANN_EDGES_CLASSES || width > MOST_BITS) return false;
        out->least[zeros] = (uint32_t)least;
        least += (uint64_t)1 << width;
    }
    return true;
}

static unsigned zeros_of(const leann_gap_code *code, uint32_t gap)
{
    unsigned zeros = 0;
    while (zeros + 1 < code->classes && gap >= code->least[zeros + 1]) zeros++;
    return zeros;
}

static unsigned bits_of(const leann_gap_code *code, uint32_t gap)
{
    const unsigned zeros = zeros_of(code, gap);
    return zeros + 1 + code->first + zeros * code->step;
}

/* Gaps are counted by their leading bits: four classes for each power of two tell codes well enough apart. */
enum { KINDS = 4 * 32 };
static unsigned kind_of(uint32_t gap)
{
    if (gap < 4) return gap;
    const unsigned log = 31 - (unsigned)__builtin_clz(gap);
    return 4 * (log - 1) + (gap >> (log - 2) & 3);
}
static uint32_t least_of_kind(unsigned kind)
{
    return kind < 4 ? kind : (4 + (kind & 3)) << (kind / 4 - 1);
}

static leann_gap_code best_code(const uint64_t *count)
{
    uint64_t least = UINT64_MAX;
    leann_gap_code best = {0}, code;
    for (unsigned first = 0; first <= MOST_FIRST; first++)
        for (unsigned step = 1; step <= MOST_STEP; step++) {
            uint64_t bits = 0;
            if (!code_of(first, step, &code)) continue;
            for (unsigned kind = 0; kind < KINDS - 4; kind++) bits += count[kind] ? count[kind] * bits_of(&code, least_of_kind(kind)) : 0;
            if (bits < least) best = code, least = bits;
        }
    return best;
}

/* ---- gaps ------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    uint32_t degree, before;
    uint32_t *gap; /* (slots): those before the own place, then those after it */
} row_gaps;

static void gaps_of(const leann_graph *g, const uint32_t *places, uint32_t row, row_gaps *out)
{
    const uint32_t *list = leann_graph_list(g, row), place = places ? places[row] : row;
    uint32_t *gap = out->gap;
    out->degree = list[0];
    out->before = 0;
    for (uint32_t i = 0; i < list[0]; i++) gap[i] = places ? places[list[1 + i]] : list[1 + i];
    qsort(gap, list[0], sizeof *gap, leann_by_id);
    while (out->before < list[0] && gap[out->before] < place) out->before++;
    for (uint32_t i = 0, j = out->before; i + 1 < j; i++) { /* the nearest first */
        const uint32_t other = gap[i];
        gap[i] = gap[--j];
        gap[j] = other;
    }
    for (uint32_t i = 0, from = place; i < list[0]; i++) {
        if (i == out->before) from = place;
        const uint32_t to = gap[i];
        gap[i] = (to > from ? to - from : from - to) - 1;
        from = to;
    }
}

/* ---- making ---------------------------------------------------------------------------------------------------------------------- */

/* A number of links, at most so many. */
static inline unsigned width_of(uint32_t most)
{
    return most ? 32 - (unsigned)__builtin_clz(most) : 0;
}

uint64_t leann_edges_bytes(uint64_t n, uint64_t list_bits)
{
    return (n * list_bits + 7) / 8 + SPARE;
}

/* Links by chance gain by no order, and take in gaps what they do in Elias & Fano's sequence of as many numbers below n * n; and the degrees. */
uint64_t leann_edges_enough(uint64_t n, double links, uint32_t slots)
{
    const uint64_t all = (uint64_t)((double)n * links + 0.5);
    unsigned low = 0;
    while (all > 0 && low < 62 && n * n >> (low + 1) >= all) low++;
    return (all * (low + 1) + (n * n >> low) + n - 1) / n + width_of(slots);
}

static void put(uint8_t *bits, uint64_t *at, uint64_t value, unsigned width)
{
    uint64_t word;
    memcpy(&word, bits + *at / 8, sizeof word);
    word |= value << *at % 8;
    memcpy(bits + *at / 8, &word, sizeof word);
    *at += width;
}

static unsigned place_bits(const leann_edges *e)
{
    return e->row ? leann_bits_for(e->n) : 0;
}

static void put_list(const leann_edges *e, uint8_t *bits, uint64_t at, uint32_t place, const row_gaps *gaps)
{
    put(bits, &at, e->row ? place : 0, place_bits(e));
    put(bits, &at, gaps->degree, width_of(e->slots));
    put(bits, &at, gaps->before, width_of(gaps->degree));
    for (uint32_t i = 0; i < gaps->degree; i++) {
        const unsigned zeros = zeros_of(&e->code, gaps->gap[i]);
        put(bits, &at, (uint64_t)1 << zeros, zeros + 1);
    }
    for (uint32_t i = 0; i < gaps->degree; i++) {
        const unsigned zeros = zeros_of(&e->code, gaps->gap[i]);
        put(bits, &at, gaps->gap[i] - e->code.least[zeros], e->code.first + zeros * e->code.step);
    }
}

/* Rows of places, and places of rows. */
static leann_status take_order(leann_ctx *ctx, const uint32_t *order, leann_edges *e, uint32_t **place)
{
    e->row = leann_alloc(ctx, e->n, sizeof *e->row);
    *place = leann_alloc(ctx, e->n, sizeof **place);
    if (!e->row || !*place) return LEANN_ENOMEM;
    memcpy(e->row, order, e->n * sizeof *order);
    for (uint32_t i = 0; i < e->n; i++) (*place)[order[i]] = i;
    return LEANN_OK;
}

/* Chooses the code, and says where each list begins. */
static uint64_t lay_out(const leann_graph *g, const uint32_t *place, leann_edges *e, row_gaps *gaps)
{
    uint64_t count[KINDS] = {0}, at = 0;
    for (uint32_t row = 0; row < e->n; row++) {
        gaps_of(g, place, row, gaps);
        for (uint32_t i = 0; i < gaps->degree; i++) count[kind_of(gaps->gap[i])]++;
    }
    e->code = best_code(count);
    for (uint32_t row = 0; row < e->n; row++) {
        e->at[row] = at;
        gaps_of(g, place, row, gaps);
        at += place_bits(e) + width_of(e->slots) + width_of(gaps->degree);
        for (uint32_t i = 0; i < gaps->degree; i++) at += bits_of(&e->code, gaps->gap[i]);
    }
    return at;
}

leann_status leann_edges_make(leann_ctx *ctx, const leann_graph *graph, const uint32_t *order, uint64_t bytes, leann_edges *out,
                              uint64_t *taken)
{
    *out = (leann_edges){.n = graph->n, .slots = graph->slots, .bytes = bytes};
    const size_t mark = leann_scratch_mark(ctx);
    row_gaps gaps = {.gap = leann_scratch(ctx, ((size_t)graph->slots + 1) * sizeof *gaps.gap)};
    uint32_t *place = NULL;
    uint8_t *bits = leann_alloc(ctx, bytes, 1);
    out->bits = out->owned = bits;
    out->at = leann_alloc(ctx, graph->n, sizeof *out->at);
    leann_status status = gaps.gap && bits && out->at ? LEANN_OK : LEANN_ENOMEM;
    if (!status && order) status = take_order(ctx, order, out, &place);
    const uint64_t all = status ? 0 : lay_out(graph, place, out, &gaps);
    *taken = (all + graph->n - 1) / graph->n;
    if (all > 8 * (bytes - SPARE))
        status = leann_fail(ctx, LEANN_EINVAL, "a row's links take %ju bits on average, but there is room for %ju (link_bits)",
                            (uintmax_t)*taken, (uintmax_t)(8 * (bytes - SPARE) / graph->n));
    for (uint32_t row = 0; row < graph->n && !status; row++) {
        gaps_of(graph, place, row, &gaps);
        put_list(out, bits, out->at[row], place ? place[row] : row, &gaps);
    }
    leann_free(place);
    leann_scratch_reset(ctx, mark);
    return status;
}

void leann_edges_free(leann_edges *edges)
{
    leann_free(edges->at);
    leann_free(edges->row);
    leann_free(edges->owned);
    *edges = (leann_edges){0};
}

/* ---- reading --------------------------------------------------------------------------------------------------------------------- */

static inline uint64_t load(const leann_edges *e, uint64_t at)
{
    uint64_t word;
    memcpy(&word, e->bits + at / 8, sizeof word);
    return word >> at % 8;
}

static inline uint32_t take(const leann_edges *e, uint64_t *at, unsigned width)
{
    const uint64_t word = load(e, *at);
    *at += width;
    return (uint32_t)(word & (((uint64_t)1 << width) - 1));
}

uint32_t leann_edges_degree(const leann_edges *e, uint32_t row)
{
    uint64_t at = e->at[row] + place_bits(e);
    return take(e, &at, width_of(e->slots));
}

/* ones (degree) out: the bits, counted from `at`, that are ones; returns where the bit after them is. */
static inline uint64_t find_ones(const leann_edges *e, uint64_t at, uint32_t degree, uint32_t *ones)
{
    const uint64_t mask = ((uint64_t)1 << MOST_BITS) - 1;
    uint64_t word = load(e, at) & mask;
    uint32_t done = 0;
    for (uint32_t i = 0; i < degree; i++, word &= word - 1) {
        for (; word == 0; word = load(e, at + done) & mask) done += MOST_BITS;
        ones[i] = done + (uint32_t)__builtin_ctzll(word);
    }
    return degree ? at + ones[degree - 1] + 1 : at;
}

void leann_edges_list(const leann_edges *e, uint32_t row, uint32_t *list)
{
    const uint32_t first = e->code.first, step = e->code.step;
    uint64_t at = e->at[row];
    const uint32_t own = e->row ? take(e, &at, place_bits(e)) : row;
    const uint32_t degree = take(e, &at, width_of(e->slots)), before = take(e, &at, width_of(degree));
    uint32_t place = own, past = 0; /* past: zeros and ones before a gap's own */
    at = find_ones(e, at, degree, list + 1);
    list[0] = degree;
    for (uint32_t i = 0; i < degree; i++) {
        const uint32_t zeros = list[1 + i] - past, width = first + zeros * step;
        const uint64_t bits = load(e, at + i * first + (past - i) * step) & (((uint64_t)1 << width) - 1);
        const uint32_t away = e->code.least[zeros] + (uint32_t)bits + 1;
        past = list[1 + i] + 1;
        if (i == before) place = own;
        place += i < before ? -away : away;
        list[1 + i] = place;
    }
    for (uint32_t i = 1; e->row && i <= degree; i++) list[i] = e->row[list[i]];
}

/* ---- file ------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    char text[32];
} section_name;

static section_name name_of(const char *prefix)
{
    section_name name;
    snprintf(name.text, sizeof name.text, "%s.packed", prefix);
    return name;
}

enum { WITH_PLACES = 1 << 16 };

uint32_t leann_edges_code(const leann_edges *e)
{
    return e->code.first | e->code.step << 8 | (e->row ? WITH_PLACES : 0);
}

leann_status leann_edges_save(const leann_edges *e, const char *prefix, leann_writer *w)
{
    return leann_writer_add(w, name_of(prefix).text, LEANN_PART_GRAPH, LEANN_U8, e->bytes, 1, e->bits);
}

/* Where the list of a row that begins at `at` ends, or 0: its place is another's, it is longer than there are slots, leads nowhere, or runs
 * out of the section. */
static uint64_t end_of_list(const leann_edges *e, uint32_t row, uint64_t at)
{
    const uint64_t end = 8 * (e->bytes - SPARE);
    if (at + place_bits(e) + width_of(e->slots) > end) return 0;
    const uint32_t own = e->row ? take(e, &at, place_bits(e)) : row, degree = take(e, &at, width_of(e->slots));
    if (own >= e->n || (e->row && e->row[own] != LEANN_NONE)) return 0;
    if (e->row) e->row[own] = row;
    if (degree > e->slots || at + width_of(degree) > end) return 0;
    const uint32_t before = take(e, &at, width_of(degree));
    if (before > degree) return 0;
    uint64_t bits = at, left = own; /* left: places on that side */
    for (uint32_t i = 0; i < degree; i++, bits++)
        while (bits < end && !(load(e, bits) & 1)) bits++;
    for (uint32_t i = 0; i < degree; i++) {
        const uint64_t word = bits <= end ? load(e, at) : 0;
        if (!(word & (((uint64_t)1 << e->code.classes) - 1))) return 0;
        const unsigned zeros = (unsigned)__builtin_ctzll(word), width = e->code.first + zeros * e->code.step;
        const uint64_t away = e->code.least[zeros] + (load(e, bits) & (((uint64_t)1 << width) - 1)) + 1;
        at += zeros + 1;
        bits += width;
        if (i == before) left = e->n - 1 - own;
        if (away > left) return 0;
        left -= away;
    }
    return bits <= end ? bits : 0;
}

static leann_status check_lists(leann_ctx *ctx, const char *path, leann_edges *e)
{
    uint64_t at = 0;
    for (uint32_t row = 0; row < e->n; row++) {
        e->at[row] = at;
        at = end_of_list(e, row, at);
        if (at == 0) return leann_fail(ctx, LEANN_EFORMAT, "%s: the packed links of row %u are damaged", path, row);
    }
    if (load(e, at) << at % 8 != 0) at = 0; /* the bits after the last list, of its byte and 7 more */
    for (uint64_t i = at / 8 + 1; i < e->bytes && at > 0; i++)
        if (e->bits[i]) at = 0;
    return at ? LEANN_OK : leann_fail(ctx, LEANN_EFORMAT, "%s: something follows the last of its packed links", path);
}

leann_status leann_edges_open(leann_ctx *ctx, const leann_reader *r, const char *prefix, uint32_t n, uint32_t slots, uint32_t code,
                              leann_edges *out)
{
    const section_name name = name_of(prefix);
    const leann_section *packed = leann_reader_find(r, name.text);
    const void *data;
    *out = (leann_edges){.n = n, .slots = slots, .bytes = packed && packed->rows > SPARE ? packed->rows : SPARE + 1};
    if (slots == 0 || code >= 2 * WITH_PLACES || (code & 0xff) > MOST_FIRST || !code_of(code & 0xff, code >> 8 & 0xff, &out->code))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: its links are packed in a way (%#x) that there is not", leann_reader_path(r), code);
    leann_status status = leann_reader_need(ctx, r, name.text, LEANN_U8, out->bytes, 1, &data);
    if (status) return status;
    out->bits = data;
    out->at = leann_alloc(ctx, n, sizeof *out->at);
    if (code & WITH_PLACES) out->row = leann_alloc(ctx, n, sizeof *out->row);
    if (!out->at || (code & WITH_PLACES && !out->row)) status = LEANN_ENOMEM;
    if (!status && out->row) memset(out->row, 0xff, n * sizeof *out->row); /* LEANN_NONE */
    if (!status) status = check_lists(ctx, leann_reader_path(r), out);
    if (status) leann_edges_free(out);
    return status;
}
