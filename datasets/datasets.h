/* datasets.h – data sets in and out: ANN-benchmarks HDF5 (the only door to libhdf5), other formats, the catalogue, synthetic data.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_DATASETS_H
#define LEANN_DATASETS_H

#include "core/plugin.h"

/* Opens by catalogue name or by the path of an HDF5 file. A child process with limits on memory and time opens and checks the file
 * first, because libhdf5 is not safe on damaged ones: a child that dies is an error message. Rows lie in memory (mapped straight
 * from the file where it is contiguous and needs no change); angular rows are made unit.
 *   errors  ENOTFOUND (says where to put the file, or the command that makes it), EFORMAT, EINVAL (NaN, zero norm, wrong rank …) */
leann_status leann_dataset_open(leann_ctx *ctx, const char *name_or_path, leann_dataset **out);
void leann_dataset_free(leann_dataset *data);

/* Facts without the rows, cheap: what `leann dataset info` and --dry-run print. */
typedef struct {
    char name[128], path[1024], distance[16];
    uint32_t n, d, queries, gt_k;
    leann_dtype type;
    leann_space space;
} leann_dataset_info;
leann_status leann_dataset_peek(leann_ctx *ctx, const char *name_or_path, leann_dataset_info *out);

/* Writes rows, queries and (k = gt_k > 0) neighbours as ANN-benchmarks HDF5, atomically. */
leann_status leann_dataset_write(leann_ctx *ctx, const char *path, leann_rows train, leann_rows test, const uint32_t *neighbors,
                                 const double *distances, uint32_t gt_k);

/* ---- tables of results: the HDF5 door for eval/ -------------------------------------------------------------------------- */

/* A small HDF5 file of attributes and arrays, written atomically and read in a checked child's shadow as above. */
typedef struct leann_h5 leann_h5;
leann_status leann_h5_create(leann_ctx *ctx, const char *path, leann_h5 **out); /* seen under path only after leann_h5_commit */
leann_status leann_h5_commit(leann_h5 *h);
leann_status leann_h5_open(leann_ctx *ctx, const char *path, leann_h5 **out);
void leann_h5_free(leann_h5 *h);
/* Attributes of the root: strings are variable-length UTF-8 (fixed-length ones break ANN-benchmarks' readers). */
leann_status leann_h5_set_text(leann_h5 *h, const char *name, const char *text);
leann_status leann_h5_set_int(leann_h5 *h, const char *name, int64_t number);
leann_status leann_h5_set_real(leann_h5 *h, const char *name, double number);
leann_status leann_h5_set_bool(leann_h5 *h, const char *name, bool truth); /* h5py's enum of FALSE, TRUE */
leann_status leann_h5_text(leann_h5 *h, const char *name, char **out);     /* heap; ENOTFOUND */
leann_status leann_h5_real(leann_h5 *h, const char *name, double *out);    /* any number */
bool leann_h5_has(leann_h5 *h, const char *name);                          /* an attribute or a dataset */
/* Arrays of rank 1 (cols = 0) or 2; memory types f32 f64 i32 u32 u64, converted by libhdf5 on reading. deflate: compressed. */
typedef enum { LEANN_H5_F32, LEANN_H5_F64, LEANN_H5_I32, LEANN_H5_U32, LEANN_H5_U64 } leann_h5_type;
leann_status leann_h5_put(leann_h5 *h, const char *name, leann_h5_type type, size_t rows, size_t cols, const void *data, bool deflate);
leann_status leann_h5_get(leann_h5 *h, const char *name, leann_h5_type type, size_t *rows, size_t *cols, void **data); /* heap */

#endif
