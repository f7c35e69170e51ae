/* raw.h – the rows of an ANN-benchmarks file as they are stored: mapped where that needs no change, else spilled by the child.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_RAW_H
#define LEANN_RAW_H

#include "datasets/datasets.h"

#include <sys/stat.h>

enum { LEANN_DIMENSION_MAX = 65536 };        /* what the byte kernels sum without overflow */
#define LEANN_ROWS_MAX ((uint64_t)INT32_MAX) /* ANN-benchmarks' neighbours are int32 */

typedef struct {
    char *path, *name; /* name: the file's, without folder and .hdf5 */
    struct stat info;
    int fd;
    char *map, *spill;
    size_t map_bytes, spill_bytes;
    leann_space space;
    leann_rows train, test; /* as stored: F32, U8 or I8; angular rows are NOT unit yet; base NULL when rows were not asked for */
    const uint32_t *neighbors;
    uint32_t gt_k;
    bool passages; /* it has a group of them */
} leann_raw;

/* rows: whether the rows are wanted, not only their shape. spill_near: NULL to spill into memory, or a file whose folder takes it. */
leann_status leann_raw_open(leann_ctx *ctx, const char *path, bool rows, const char *spill_near, leann_raw *out);
/* The same without the neighbours, wrong as they may be: for who computes them anew. */
leann_status leann_raw_open_rows(leann_ctx *ctx, const char *path, const char *spill_near, leann_raw *out);
void leann_raw_close(leann_raw *raw);
leann_status leann_raw_map(leann_ctx *ctx, leann_raw *raw); /* the file, where it is not yet */
/* The passages of the train rows (see leann_dataset.passages; text_passages.c); raw must outlive them. */
leann_status leann_passages_open(leann_ctx *ctx, const leann_raw *raw, leann_passages **out);
void leann_passages_free(leann_passages *self);
/* Labels of the train rows (see leann_dataset.labels); *label on the heap. */
leann_status leann_raw_labels(leann_ctx *ctx, const leann_raw *raw, const char *name, uint32_t **label, uint32_t *count);

/* Rows [first, first + n) as unit floats into x (n, d); the row's number if one has zero norm or is not finite, else rows.n. */
uint32_t leann_rows_unit(leann_rows rows, uint32_t first, uint32_t n, float *x);
/* The first row in [0, n) of a block that holds NaN or Inf, or is zero where the space is angular; n when all are good. */
leann_status leann_block_check(leann_ctx *ctx, const char *what, leann_rows block, uint64_t first);

#endif
