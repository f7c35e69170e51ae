/* ascending.c – Elias-Fano sequences: made, saved, opened whatever the bytes, and read at any place.
 *
 * Number i is high << low_bits | low: its low bits lie at i * low_bits of low, and its high ones are told by where the i-th one of the bits
 * of high is, at high + i. low_bits is what makes the words fewest. A number is found from the place of every 256th one by counting the
 * ones of some nine words on average.
 *
 * Source: Elias 1974; Fano 1971; Vigna 2013 (quasi-succinct indices). Differs: places are not stored: opening reads all bits anyway.
 * SPDX-License-Identifier: MIT */
#include "core/ascending.h"

#include <assert.h>

enum { STEP = 256 };

typedef struct {
    unsigned low_bits;
    uint64_t low_words, high_words;
} sequence_shape;

/* A low bit more costs a bit a number, and halves the zeros of high. */
static sequence_shape shape_of(uint64_t n, uint64_t limit)
{
    unsigned l = 0;
    assert(n <= LEANN_ASCENDING_N_MAX && limit <= LEANN_ASCENDING_LIMIT_MAX);
    if (n == 0) return (sequence_shape){0, 0, 0};
    while (l < 62 && (limit >> l) - (limit >> (l + 1)) > n) l++;
    return (sequence_shape){l, (n * l + 63) / 64, (n + (limit >> l) + 63) / 64};
}

uint64_t leann_ascending_words(uint64_t n, uint64_t limit)
{
    sequence_shape shape = shape_of(n, limit);
    return shape.low_words + shape.high_words;
}

void leann_ascending_predict(uint64_t n, uint64_t limit, leann_part part, leann_ledger *ledger)
{
    if (n > 0) leann_ledger_add(ledger, part, leann_ascending_words(n, limit) * sizeof(uint64_t));
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static uint64_t low_of(const leann_ascending *s, uint64_t i)
{
    if (s->low_bits == 0) return 0;
    const uint64_t bit = i * s->low_bits, word = bit / 64, shift = bit % 64;
    uint64_t value = s->low[word] >> shift;
    if (shift + s->low_bits > 64) value |= s->low[word + 1] << (64 - shift);
    return value & (((uint64_t)1 << s->low_bits) - 1);
}

uint64_t leann_ascending_next(leann_ascending_walk *walk)
{
    const leann_ascending *s = walk->of;
    while (walk->left == 0) walk->left = s->high[++walk->word];
    const uint64_t bit = walk->word * 64 + (uint64_t)__builtin_ctzll(walk->left), i = walk->i++;
    walk->left &= walk->left - 1;
    return (bit - i) << s->low_bits | low_of(s, i);
}

leann_ascending_walk leann_ascending_from(const leann_ascending *self, uint64_t i)
{
    assert(i <= self->n);
    if (i == self->n) return (leann_ascending_walk){.of = self, .i = i};
    const uint64_t bit = self->place[i / STEP];
    leann_ascending_walk walk = {.of = self, .i = i, .word = bit / 64, .left = self->high[bit / 64] & ~(uint64_t)0 << bit % 64};
    uint64_t over = i % STEP, ones; /* numbers to pass */
    while ((ones = (uint64_t)__builtin_popcountll(walk.left)) <= over) {
        over -= ones;
        walk.left = self->high[++walk.word];
    }
    for (; over > 0; over--) walk.left &= walk.left - 1;
    return walk;
}

uint64_t leann_ascending_get(const leann_ascending *self, uint64_t i)
{
    assert(i < self->n);
    leann_ascending_walk walk = leann_ascending_from(self, i);
    return leann_ascending_next(&walk);
}

uint64_t leann_ascending_upto(const leann_ascending *self, uint64_t x)
{
    uint64_t from = 0, to = self->n;
    while (from < to) {
        const uint64_t middle = from + (to - from) / 2;
        if (leann_ascending_get(self, middle) <= x)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* ---- making -------------------------------------------------------------------------------------------------------------- */

/* Where every STEP-th one is. high holds n ones. */
static leann_status find_places(leann_ctx *ctx, leann_ascending *s, uint64_t high_words)
{
    s->place = leann_alloc(ctx, s->n / STEP + 1, sizeof *s->place);
    if (!s->place) return LEANN_ENOMEM;
    uint64_t ones = 0, next = 0; /* before this word; the one that is looked for */
    for (uint64_t word = 0; word < high_words; word++) {
        uint64_t left = s->high[word];
        const uint64_t end = ones + (uint64_t)__builtin_popcountll(left);
        if (next < end) {
            for (; ones < next; ones++) left &= left - 1;
            s->place[next / STEP] = word * 64 + (uint64_t)__builtin_ctzll(left);
            next += STEP; /* a word has fewer ones than that */
        }
        ones = end;
    }
    return LEANN_OK;
}

leann_status leann_ascending_make(leann_ctx *ctx, const uint64_t *value, uint64_t n, uint64_t limit, leann_ascending *out)
{
    const sequence_shape shape = shape_of(n, limit);
    *out = (leann_ascending){.n = n, .limit = limit, .low_bits = shape.low_bits};
    if (n == 0) return LEANN_OK;
    uint64_t *low = leann_alloc(ctx, shape.low_words + shape.high_words, sizeof *low), *high = low + shape.low_words;
    if (!low) return LEANN_ENOMEM;
    out->owned = low, out->low = low, out->high = high;
    for (uint64_t i = 0; i < n; i++) {
        assert(value[i] <= limit && (i == 0 || value[i - 1] <= value[i]));
        const uint64_t at = (value[i] >> shape.low_bits) + i, bit = i * shape.low_bits;
        const uint64_t part = value[i] & (((uint64_t)1 << shape.low_bits) - 1);
        high[at / 64] |= (uint64_t)1 << at % 64;
        if (shape.low_bits > 0) low[bit / 64] |= part << bit % 64;
        if (bit % 64 + shape.low_bits > 64) low[bit / 64 + 1] |= part >> (64 - bit % 64);
    }
    return find_places(ctx, out, shape.high_words);
}

void leann_ascending_free(leann_ascending *self)
{
    leann_free(self->owned);
    leann_free(self->place);
    *self = (leann_ascending){0};
}

/* ---- file ---------------------------------------------------------------------------------------------------------------- */

leann_status leann_ascending_save(const leann_ascending *self, leann_writer *w, const char *name, leann_part part)
{
    const sequence_shape shape = shape_of(self->n, self->limit);
    if (self->n == 0) return LEANN_OK;
    leann_status status = leann_writer_begin(w, name, part, LEANN_U64, shape.low_words + shape.high_words, sizeof(uint64_t));
    if (!status) status = leann_writer_put(w, self->low, shape.low_words * sizeof(uint64_t));
    if (!status) status = leann_writer_put(w, self->high, shape.high_words * sizeof(uint64_t));
    return status ? status : leann_writer_end(w);
}

static leann_status damaged(leann_ctx *ctx, const leann_reader *r, const char *name, uint64_t n, uint64_t limit)
{
    return leann_fail(ctx, LEANN_EFORMAT, "%s: section %s does not hold %ju numbers in ascending order up to %ju", leann_reader_path(r),
                      name, (uintmax_t)n, (uintmax_t)limit);
}

/* As many ones as numbers, nothing behind the last low bit, and no number below the one before or above the limit: then every walk ends. */
static bool is_sound(const leann_ascending *s, const sequence_shape *shape)
{
    uint64_t ones = 0, last = 0;
    for (uint64_t word = 0; word < shape->high_words; word++) ones += (uint64_t)__builtin_popcountll(s->high[word]);
    const uint64_t used = s->n * shape->low_bits % 64;
    if (ones != s->n || (used > 0 && s->low[shape->low_words - 1] >> used)) return false;
    leann_ascending_walk walk = {.of = s, .left = s->high[0]};
    for (uint64_t i = 0; i < s->n; i++) {
        const uint64_t value = leann_ascending_next(&walk);
        if (value < last || value > s->limit) return false;
        last = value;
    }
    return true;
}

leann_status leann_ascending_open(leann_ctx *ctx, const leann_reader *r, const char *name, uint64_t n, uint64_t limit, leann_ascending *out)
{
    *out = (leann_ascending){.n = n, .limit = limit};
    if (n > LEANN_ASCENDING_N_MAX || limit > LEANN_ASCENDING_LIMIT_MAX) return damaged(ctx, r, name, n, limit);
    if (n == 0) return LEANN_OK;
    const sequence_shape shape = shape_of(n, limit);
    const void *words;
    leann_status status = leann_reader_need(ctx, r, name, LEANN_U64, shape.low_words + shape.high_words, sizeof(uint64_t), &words);
    if (status) return status;
    out->low_bits = shape.low_bits;
    out->low = words;
    out->high = out->low + shape.low_words;
    return is_sound(out, &shape) ? find_places(ctx, out, shape.high_words) : damaged(ctx, r, name, n, limit);
}
