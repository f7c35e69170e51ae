/* write.h – an ANN-benchmarks file written by blocks of rows.
 *
 * libhdf5 lays the empty file out in a child; the disk space is reserved; then rows go to their place with plain writes. So a full
 * disk is found before hours of work, and sets larger than memory need no more than a block of it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_WRITE_H
#define LEANN_WRITE_H

#include "datasets/datasets.h"

typedef struct {
    uint32_t n, d, queries, gt_k; /* gt_k 0: neither neighbors nor distances */
    leann_dtype train, test;      /* F32, U8 or I8 */
    leann_space space;
} leann_layout;

typedef enum { LEANN_TO_TRAIN, LEANN_TO_TEST, LEANN_TO_NEIGHBORS, LEANN_TO_DISTANCES, LEANN_TO_PARTS } leann_target;

typedef struct leann_output leann_output;
leann_status leann_output_new(leann_ctx *ctx, const char *path, leann_layout layout, leann_output **out);
/* Rows [first, first + n) of a part, contiguous, in its type (neighbors: int32, distances: float32). */
leann_status leann_output_put(leann_output *o, leann_target part, uint64_t first, uint64_t n, const void *rows);
/* The rows written so far, mapped for reading; valid until the output is freed. */
leann_status leann_output_rows(leann_output *o, leann_target part, leann_rows *rows);
/* Exact neighbours of test in train, in blocks, written to their places (distances as ANN-benchmarks has them). */
leann_status leann_output_groundtruth(leann_ctx *ctx, leann_output *o, uint32_t k);
leann_status leann_output_commit(leann_output *o); /* fsync, rename, fsync of the folder */
void leann_output_free(leann_output *o);           /* uncommitted: removes the temporary file */

/* Exact neighbours in blocks: rows as stored (angular ones are made unit a block at a time). ids, dist (test.n, k): dist as
 * ANN-benchmarks has it: Euclidean distance, 1 - cos or -<q, x>. */
leann_status leann_groundtruth(leann_ctx *ctx, leann_rows train, leann_rows test, uint32_t k, uint32_t *ids, float *dist);
/* A fresh temporary name beside path, created empty; heap. */
leann_status leann_temporary(leann_ctx *ctx, const char *path, char **out);
/* fsync of the file, rename to path, fsync of the folder. */
leann_status leann_replace(leann_ctx *ctx, int fd, const char *temporary, const char *path);

#endif
