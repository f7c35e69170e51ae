/* annb.h – ANN-benchmarks' result files, out and in, and points published elsewhere.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_ANNB_H
#define LEANN_ANNB_H

#include "eval/measures.h"

/* Writes each row of t (rows of m) that is ok and has a raw result as folder/<dataset>/<k>/<algo>/<args>.hdf5; *written counts them.
 *   errors  EUNSUPPORTED a row was run on part of the queries, or in another order than the file's (`split: no` in the sweep mends it);
 *           EINVAL a data set's name with an underscore, which those readers cannot take; EIO */
leann_status leann_annb_export(leann_measures *m, const leann_table *t, const char *folder, size_t *written);

/* One result file of any program -> a row at the end of t. recall is computed from its ids over the data set it names (by name, or data
 * if not NULL: a name or path); recall_annb from its distances; index_size, which is memory and not bytes of a file, is kept apart.
 *   errors  EFORMAT what a result file needs and this one lacks; ENOTFOUND the data set; EINVAL another number of queries than the data's */
leann_status leann_annb_import(leann_ctx *ctx, const char *path, const char *data, leann_table *t);

/* A CSV of published points -> rows at the end of t: columns of summary.csv, among them method and recall. They are labelled published.
 *   errors  EFORMAT, EINVAL with the line or column (names the nearest) */
leann_status leann_published_import(leann_ctx *ctx, const char *path, leann_table *t);

/* Adds rows to folder/imported.csv; those that name the same thing (dataset, cell, k, published) are replaced. */
leann_status leann_imported_add(leann_ctx *ctx, const char *folder, const leann_table *rows);

#endif
