/* guard.h – runs libhdf5 on foreign files in a child process, so that a damaged one cannot hurt the program.
 *
 * The child has limits on memory, processor time and wall time, its standard streams go nowhere, and it answers through a shared page
 * and a spill file (memory, or a nameless file in a folder). The parent believes nothing of the answer without checking it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_GUARD_H
#define LEANN_GUARD_H

#include "core/ctx.h"

typedef struct leann_guard leann_guard; /* the child's end */
typedef leann_status (*leann_guard_body)(leann_guard *g, void *arg);

typedef struct {
    const char *what;       /* of errors: usually the file's path */
    const char *spill_near; /* a file in whose folder the spill file lies; NULL: in memory */
    uint64_t spill_limit;   /* most bytes the child may append */
    uint64_t memory_bytes;  /* the child's heap, 0: 1 GiB */
    uint64_t file_bytes;    /* of the file read: processor time is limited to 4 s and 1 s more for each 4 MB */
} leann_guard_limits;

/* Runs body in a child. facts (bytes of it) is what the child fills at leann_guard_facts; it starts as zeroes.
 *   fd      NULL, or out: the spill file, *spilled bytes long; the caller closes it
 *   errors  what the body said; EFORMAT the child died; ELIMIT it took too long; EINTR cancelled; EIO no child could be made */
leann_status leann_guard_run(leann_ctx *ctx, leann_guard_limits limits, leann_guard_body body, void *arg, void *facts, size_t bytes,
                             int *fd, uint64_t *spilled);

/* In the child. */
leann_status leann_guard_fail(leann_guard *g, leann_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void *leann_guard_facts(leann_guard *g);
/* Appends to the spill file; *offset (or NULL) is where it begins, a multiple of 4096 when align is asked for;
 * 0 when there are no bytes. */
leann_status leann_guard_append(leann_guard *g, const void *data, size_t bytes, bool align, uint64_t *offset);
const char *leann_guard_what(const leann_guard *g);

#endif
