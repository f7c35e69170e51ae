/* text_inside.h – inside a set of texts in the making: what text_set.c fills and text_write.c writes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_TEXT_INSIDE_H
#define LEANN_TEXT_INSIDE_H

#include "core/files.h"
#include "datasets/relevance.h"

typedef struct {
    uint32_t file, first_line, last_line, bytes, tokens;
    bool held_out;    /* it is a query */
    uint64_t offset;  /* in its file */
    uint64_t text_at; /* in texts */
    uint64_t record;  /* of its vector in the partial file, or LEANN_PARTIAL_NONE */
    uint8_t sha[32];
} leann_passage;

typedef struct {
    char *text;
    size_t bytes;
    uint64_t record;
    uint8_t sha[32];
} leann_query;

struct leann_text_set {
    leann_ctx *ctx;
    const leann_encoder *encoder;
    leann_text_options options;
    leann_text_plan plan;
    leann_text_files files;
    leann_passage *passage;
    uint32_t passages, room;
    uint32_t *slot;       /* (4 room), by hash: passage + 1, 0 free */
    leann_query *query;   /* NULL where chunks are held out, or there are none */
    leann_answer *answer; /* (queries) where their answers lie */
    uint32_t query_room;
    bool judged;        /* they say that */
    leann_place *place; /* of all chunks, repeats too; only where judged */
    size_t places, place_room;
    leann_relevance relevance;
    leann_draft texts; /* the chunks one after another */
    leann_partial *partial;
    uint64_t done; /* texts embedded by this call */
};

/* sha256 of `before` and a text. */
leann_status leann_text_hash(leann_ctx *ctx, const char *before, leann_text text, uint8_t out[32]);
leann_status leann_text_read(const leann_text_set *s, const leann_passage *p, char *to);
/* Adds the passages and the queries' texts to an HDF5 file that has its rows. */
leann_status leann_text_write_passages(const leann_text_set *s, const char *path);

#endif
