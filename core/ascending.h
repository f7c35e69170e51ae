/* ascending.h – numbers in ascending order, none above a limit, in about 2 + log2(limit / n) bits each, any of them at hand: an Elias-Fano
 * sequence.
 *
 * In a file it is one section of 64-bit words, the low bits of all numbers and then the high ones in unary; how many words follows from n
 * and the limit, which whoever owns the sequence keeps in a head of its own. Where every 256th number lies is found at opening, and in no
 * file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_ASCENDING_H
#define LEANN_ASCENDING_H

#include "core/container.h"

#define LEANN_ASCENDING_N_MAX     ((uint64_t)1 << 40)
#define LEANN_ASCENDING_LIMIT_MAX ((uint64_t)1 << 62)

typedef struct { /* immutable; any number of threads may read it */
    uint64_t n, limit;
    unsigned low_bits;
    const uint64_t *low, *high; /* the owner's file, or owned */
    uint64_t *owned;
    uint64_t *place; /* (n / 256 + 1) of every 256th number: its bit in high */
} leann_ascending;

/* 64-bit words in a file. n and limit within the limits above. */
uint64_t leann_ascending_words(uint64_t n, uint64_t limit);
void leann_ascending_predict(uint64_t n, uint64_t limit, leann_part part, leann_ledger *ledger); /* n 0: no section */

/* From values (n), equal ones allowed, the last one at most limit (asserted); free it also after a failure.
 *   errors  ENOMEM */
leann_status leann_ascending_make(leann_ctx *ctx, const uint64_t *value, uint64_t n, uint64_t limit, leann_ascending *out);
void leann_ascending_free(leann_ascending *self);
leann_status leann_ascending_save(const leann_ascending *self, leann_writer *w, const char *name, leann_part part);
/* Reads all of it once: what is open ascends and keeps within the limit, whatever the file's bytes. r outlives it; n and limit may be any.
 *   errors  EFORMAT; ENOMEM */
leann_status leann_ascending_open(leann_ctx *ctx, const leann_reader *r, const char *name, uint64_t n, uint64_t limit,
                                  leann_ascending *out);

uint64_t leann_ascending_get(const leann_ascending *self, uint64_t i);  /* i < n; some ten nanoseconds */
uint64_t leann_ascending_upto(const leann_ascending *self, uint64_t x); /* how many are at most x: log2 n gets */

/* One after another, from number i <= n on: at most n - i calls of next. */
typedef struct {
    const leann_ascending *of;
    uint64_t i, word, left; /* left: the bits of that word of high that are still to come */
} leann_ascending_walk;
leann_ascending_walk leann_ascending_from(const leann_ascending *self, uint64_t i);
uint64_t leann_ascending_next(leann_ascending_walk *walk);

#endif
