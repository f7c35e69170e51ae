/* references.h – where in which file the text of each row lies: a packed part of an index file, beside those of its method.
 *
 * The chunks of the files, in order of file and offset, are laid end to end as they lie in their files; stored are where each one starts,
 * the gap before it, the first one of each file, the files' paths, front-coded, and six bytes a file that tell whether its chunks are still
 * what they were. Where rows are in another order, so is each row's place in this one. About 2.9 bytes a chunk (109,846 of 575 bytes in
 * 5,957 files: starts 1.39, paths 0.71, gaps 0.37, checks 0.33, first ones 0.04).
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_REFERENCES_H
#define LEANN_REFERENCES_H

#include "core/container.h"

enum { LEANN_REFERENCES_REVISION = 1 };

/* The same as columns, borrowed: what a data set knows. Each row's chunk lies in one file: path < paths, offset + bytes < 2^63. */
typedef struct {
    uint32_t n, paths;
    const char *root;             /* the folder that paths are relative to; "": not known */
    const char *text;             /* the paths, one behind the other, without NULs between them … */
    const uint64_t *text_at;      /* (paths + 1) … cut here, into at most 4095 bytes each */
    const uint32_t *path, *bytes; /* (n) */
    const uint64_t *offset;       /* (n) in the file, in bytes */
    const uint8_t *sha;           /* (n, 32) sha256 of the text */
} leann_reference_columns;

/* What fixes every byte of the sizes below; n = 0: there are none. On disk as it is: section references.head. */
typedef struct {
    uint64_t n, files;            /* files that hold a chunk */
    uint64_t end;                 /* of all chunks laid end to end */
    uint64_t gap_least, gap_bits; /* gaps less the least one (two's complement: below 0 where chunks overlap) are codes of so many bits … */
    uint64_t far, far_sum;        /* … but for those that are too large for the largest code, which stands for them, and their sum */
    uint64_t path_bytes, root_bytes;
    uint64_t mixed; /* 1: rows are not in the order of their chunks */
} leann_references_shape;

typedef struct leann_references leann_references; /* immutable; any number of threads may read it */

/* The shape that leann_references_make would have, and the sections that save would write.
 *   errors  EUNSUPPORTED files of 2^62 bytes together; EFORMAT a path that holds a NUL; ENOMEM */
leann_status leann_references_measure(leann_ctx *ctx, const leann_reference_columns *columns, leann_references_shape *out);
void leann_references_predict(const leann_references_shape *shape, leann_ledger *ledger);

leann_status leann_references_make(leann_ctx *ctx, const leann_reference_columns *columns, leann_references **out);
void leann_references_free(leann_references *self); /* NULL: nothing */
leann_status leann_references_save(const leann_references *self, leann_writer *w);
/* *out NULL where the file has none. r outlives it; every byte is checked: what is open answers for all n rows.
 *   errors  EFORMAT; ENOMEM */
leann_status leann_references_open(leann_ctx *ctx, const leann_reader *r, uint32_t n, leann_references **out);
const leann_references_shape *leann_references_shape_of(const leann_references *self);

/* As leann_index_passage and leann_index_passage_lines (core/leann.h); id < n. */
void leann_references_get(const leann_references *self, uint32_t id, leann_reference *out);
leann_status leann_references_lines(const leann_references *self, leann_ctx *ctx, uint32_t id, uint64_t *first, uint64_t *last);

#endif
