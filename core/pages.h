/* pages.h – pages of a file read by the batch and past the page cache: the one door to O_DIRECT, io_uring and pread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_CORE_PAGES_H
#define LEANN_CORE_PAGES_H

#include "core/ctx.h"

#define LEANN_PAGE 4096u

/* How a batch is read: all of it at once by io_uring, or page after page by pread; auto: the first where there is one. */
typedef enum { LEANN_IO_AUTO, LEANN_IO_URING, LEANN_IO_PREAD } leann_io; /* the words of LEANN_IO_WORDS */
#define LEANN_IO_WORDS "auto|uring|pread"

/* n pages of an open file, from an offset on. Immutable; any number of contexts read it. */
typedef struct {
    int fd;           /* the file's owner's */
    const char *path; /* for errors; the owner's */
    uint64_t offset, n;
    bool direct; /* reads go past the page cache */
} leann_pages;

/* direct: past the page cache where the file system allows it, which is then set on the open file itself, for all who share it.
 *   errors  EIO the first page cannot be read */
leann_status leann_pages_open(leann_ctx *ctx, int fd, const char *path, uint64_t offset, uint64_t n, bool direct, leann_pages *out);

/* EUNSUPPORTED, with the reason, when io is `uring` and this program or system has none. */
leann_status leann_pages_io(leann_ctx *ctx, leann_io io);

/* Scratch aligned for direct reads; NULL with ENOMEM. */
void *leann_pages_scratch(leann_ctx *ctx, size_t bytes);

typedef struct {
    uint64_t first; /* page */
    uint32_t n;     /* pages */
    void *to;       /* n * LEANN_PAGE bytes, aligned to LEANN_PAGE */
} leann_page_run;

/* Reads all runs and waits for them. Counts pages in leann_ctx_work.
 *   errors  EIO the system refused, or the file has become shorter; what lies in `to` is then not to be used. Nothing is under way any more
 *   threads one context each; the context keeps its ring for the next batch */
leann_status leann_pages_read(const leann_pages *pages, leann_ctx *ctx, leann_io io, const leann_page_run *run, uint32_t runs);

#endif
