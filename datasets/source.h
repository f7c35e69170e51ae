/* source.h – files of vectors as a stream of rows: IDX, fvecs and kin, fbin and kin, npy.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_SOURCE_H
#define LEANN_SOURCE_H

#include "datasets/datasets.h"

typedef struct leann_source leann_source;
typedef struct {
    const char *format; /* "idx", "fvecs", … */
    uint64_t n;
    uint32_t d;
    leann_dtype type; /* of the rows handed out: bytes stay bytes, everything else becomes F32 */
    char stored[8];   /* "u8", "f64", … with "be" behind where big-endian */
} leann_source_facts;

/* Opens and checks the header against the file's size. The format follows the name (.fvecs, .npy, …-idx3-ubyte, any of them with .gz)
 * or else the first bytes.
 *   errors  EFORMAT, EINVAL (rank, empty), ELIMIT with value and limit */
leann_status leann_source_open(leann_ctx *ctx, const char *path, leann_source **out);
leann_status leann_source_memory(leann_ctx *ctx, const char *name, const void *data, size_t size, leann_source **out); /* borrowed */
leann_status leann_source_of_rows(leann_ctx *ctx, const char *what, leann_rows rows, leann_source **out);              /* borrowed */
void leann_source_free(leann_source *v);
leann_source_facts leann_source_about(const leann_source *v);
/* The next n rows, (n, d) contiguous in the stated type. */
leann_status leann_source_next(leann_source *v, uint32_t n, void *rows);
bool leann_is_hdf5(const char *path); /* by its first bytes */

#endif
