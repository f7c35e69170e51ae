/* measures_kept.h – which raw files of a results folder count.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_MEASURES_KEPT_H
#define LEANN_MEASURES_KEPT_H

#include "eval/measures.h"

/* Of the files names (*n) of folder/raw, those of points that folder/sweep.json has, each point once: the one measured last. The others'
 * names are freed, and *out counts them. Where there is no sweep.json, or it cannot be expanded here, all points count as its own. A file
 * that cannot be read stays: it becomes a row with its error.
 *   errors  ENOMEM
 *   cost    the attributes of n files */
leann_status leann_measures_keep(leann_ctx *ctx, const char *folder, char **names, size_t *n, leann_left_files *out);

#endif
