/* spill.h – room for rows that must change before they can be used (angular ones become unit rows, numbers of other types floats): memory
 * for few, a file without a name for many, which the system pages in and out and which is gone with the process.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_SPILL_H
#define LEANN_SPILL_H

#include "core/ctx.h"

typedef struct {
    float *rows;
    uint64_t mapped; /* bytes of the file; 0: heap */
} leann_spill;

uint64_t leann_machine_memory(void); /* bytes */
/* Rows of so many bytes go to a file: 64 MiB, or half of the memory that this process may have (machine, control group, ulimit -d and -v). */
uint64_t leann_spill_from(void);
/* bytes of room, in a file when they are `from` or more. Where there is no folder for it, or not that much room on its disk (all of it is
 * taken at once, so that none is missing later), in the heap, if it is less than half of the memory.
 *   errors  ENOMEM; EIO no file, and too much for the heap */
leann_status leann_spill_new(leann_ctx *ctx, const char *what, uint64_t bytes, uint64_t from, leann_spill *out);
void leann_spill_free(leann_spill *spill);

/* $TMPDIR, else leann's folder for caches, which it makes, else /var/tmp (/tmp may be memory itself); heap, NULL with an error. */
char *leann_spill_folder(leann_ctx *ctx);
/* A file without a name in a folder: its descriptor, or -1 with EIO. */
int leann_spill_file(leann_ctx *ctx, const char *folder);

#endif
