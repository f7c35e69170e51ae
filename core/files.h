/* files.h – a draft: a temporary file beside its path that takes the path's place in one step, or leaves no trace; and what comes with
 * the program.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_FILES_H
#define LEANN_FILES_H

#include "core/ctx.h"

typedef struct {
    leann_ctx *ctx;
    int fd; /* -1: none open */
    char *path, *temporary;
} leann_draft;

leann_status leann_draft_open(leann_ctx *ctx, const char *path, leann_draft *out);
/* A draft without a name, for reading too: it is never committed, and gone when it is dropped or the process ends. It lies in $TMPDIR, else
 * in /var/tmp, which may hold more than memory. */
leann_status leann_draft_spool(leann_ctx *ctx, leann_draft *out);
/* bytes at offset, whole; EIO says how many did not fit where ("No space left on device"). */
leann_status leann_draft_write(leann_draft *draft, uint64_t offset, const void *data, size_t bytes);
leann_status leann_draft_commit(leann_draft *draft); /* fsync, rename, fsync of the folder; the caller still drops the draft */
void leann_draft_drop(leann_draft *draft);           /* frees it; removes the temporary file if it is still there */

/* Of this user: $XDG_CACHE_HOME/leann or ~/.cache/leann, heap; NULL, without an error, where there is neither. */
char *leann_cache_folder(leann_ctx *ctx);

/* Bytes of a mapped file are not needed for a while: their pages leave resident memory, and come back from the file when they are read. */
void leann_pages_forget(const void *at, size_t bytes);
/* The same for bytes of unknown kind: where they are not pages of a shared mapping, which would come back as they were, nothing is done. */
void leann_pages_give_back(const void *at, size_t bytes);

/* Where a file or folder lies that comes with the program ("eval/sweeps"): here, or above the program (the repository around
 * build/release/leann), or in share/leann there (bin/leann as installed). false: nowhere; path then says where it would be here. */
bool leann_shipped_find(const char *name, char *path, size_t size);

#endif
