/* pages.c – batches of page reads: by io_uring where the kernel grants a ring, else by pread; a context makes its ring at its first batch.
 *
 * Containers often refuse io_uring_setup (EPERM, ENOSYS), so that is no error: the context remembers it and reads by pread.
 * Whatever a completion did not bring whole – an error, a short read, EINTR, EAGAIN – is read again by pread, which then finds the words
 * for what is wrong: both ways give the same bytes and the same sentences.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/pages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ctx_inside.h"

/* ---- one run at a time ------------------------------------------------------------------------------------------------------- */

static uint64_t offset_of(const leann_pages *pages, const leann_page_run *run)
{
    return pages->offset + run->first * LEANN_PAGE;
}

static leann_status read_run(const leann_pages *pages, leann_ctx *ctx, const leann_page_run *run)
{
    size_t bytes = (size_t)run->n * LEANN_PAGE;
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(pages->fd, (char *)run->to + done, bytes - done, (off_t)(offset_of(pages, run) + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return leann_fail_errno(ctx, "cannot read page %ju of %ju of %s", (uintmax_t)(run->first + done / LEANN_PAGE),
                                    (uintmax_t)pages->n, pages->path);
        if (n == 0)
            return leann_fail(ctx, LEANN_EIO, "%s ends before page %ju of %ju: it has become shorter since it was opened", pages->path,
                              (uintmax_t)(run->first + done / LEANN_PAGE), (uintmax_t)pages->n);
        done += (size_t)n;
    }
    return LEANN_OK;
}

/* ---- io_uring ------------------------------------------------------------------------------------------------------------------ */

#ifdef LEANN_URING
#include <liburing.h>

enum { DEPTH = 64 }; /* runs under way at once */

struct ctx_ring {
    struct io_uring ring;
    int refused; /* errno of the setup, 0: there is a ring */
    pid_t pid;   /* a child that was forked off must not use its parent's */
};

void ctx_ring_free(ctx_ring *ring)
{
    if (ring && !ring->refused) io_uring_queue_exit(&ring->ring);
    free(ring);
}

/* The context's ring; refused, or NULL when memory ran out: there is none. */
static ctx_ring *ring_of(leann_ctx *ctx)
{
    if (ctx->ring && ctx->ring->pid != getpid()) {
        ctx_ring_free(ctx->ring);
        ctx->ring = NULL;
    }
    if (!ctx->ring && (ctx->ring = calloc(1, sizeof *ctx->ring))) {
        ctx->ring->refused = -io_uring_queue_init(DEPTH, &ctx->ring->ring, 0);
        ctx->ring->pid = getpid();
    }
    return ctx->ring;
}

leann_status leann_pages_io(leann_ctx *ctx, leann_io io)
{
    if (io != LEANN_IO_URING) return LEANN_OK;
    const ctx_ring *ring = ring_of(ctx);
    if (!ring) return leann_fail(ctx, LEANN_ENOMEM, "no memory for a ring of reads");
    if (!ring->refused) return LEANN_OK;
    return leann_fail(ctx, LEANN_EUNSUPPORTED, "io is uring, but this system refuses io_uring (%s); io: auto reads by pread then",
                      strerror(ring->refused));
}

/* Hands the runs to the kernel all at once and waits for them; whole[i]: run i was read. False: the kernel takes no more of them. */
static bool submit(const leann_pages *pages, struct io_uring *ring, const leann_page_run *run, uint32_t n, bool *whole)
{
    uint32_t taken = 0, back = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        assert(sqe); /* between batches the ring is empty */
        io_uring_prep_read(sqe, pages->fd, run[i].to, run[i].n * LEANN_PAGE, offset_of(pages, run + i));
        io_uring_sqe_set_data64(sqe, i);
    }
    while (back < n) {
        int more = io_uring_submit_and_wait(ring, n - back);
        if (more < 0 && more != -EINTR && taken == back) return false;
        if (more > 0) taken += (uint32_t)more;
        struct io_uring_cqe *cqe;
        while (io_uring_peek_cqe(ring, &cqe) == 0) {
            uint64_t i = io_uring_cqe_get_data64(cqe);
            whole[i] = cqe->res > 0 && (uint32_t)cqe->res == run[i].n * LEANN_PAGE;
            io_uring_cqe_seen(ring, cqe);
            back++;
        }
    }
    return true;
}

static void read_together(const leann_pages *pages, leann_ctx *ctx, const leann_page_run *run, uint32_t n, bool *whole)
{
    ctx_ring *ring = ring_of(ctx);
    if (!ring || ring->refused || submit(pages, &ring->ring, run, n, whole)) return;
    io_uring_queue_exit(&ring->ring); /* with what it did not take */
    ring->refused = EBUSY;
}

#else

enum { DEPTH = 64 };

void ctx_ring_free(ctx_ring *ring)
{
    assert(!ring);
}

leann_status leann_pages_io(leann_ctx *ctx, leann_io io)
{
    if (io != LEANN_IO_URING) return LEANN_OK;
    return leann_fail(ctx, LEANN_EUNSUPPORTED, "io is uring, but this program was built without liburing; io: auto reads by pread then");
}

static void read_together(const leann_pages *pages, leann_ctx *ctx, const leann_page_run *run, uint32_t n, bool *whole)
{
    (void)pages, (void)ctx, (void)run, (void)n, (void)whole;
}

#endif

/* ---- batches ------------------------------------------------------------------------------------------------------------------- */

leann_status leann_pages_read(const leann_pages *pages, leann_ctx *ctx, leann_io io, const leann_page_run *run, uint32_t runs)
{
    leann_status status = LEANN_OK;
    for (uint32_t first = 0, n; first < runs && status == LEANN_OK; first += n) {
        bool whole[DEPTH] = {false};
        n = runs - first < DEPTH ? runs - first : DEPTH;
        for (uint32_t i = first; i < first + n; i++) {
            assert(run[i].first < pages->n && run[i].n <= pages->n - run[i].first && (uintptr_t)run[i].to % LEANN_PAGE == 0);
            leann_ctx_work(ctx)->pages += run[i].n;
        }
        if (io == LEANN_IO_URING || (io == LEANN_IO_AUTO && n > 1)) read_together(pages, ctx, run + first, n, whole);
        for (uint32_t i = 0; i < n && status == LEANN_OK; i++)
            if (!whole[i]) status = read_run(pages, ctx, run + first + i);
    }
    return status;
}

void *leann_pages_scratch(leann_ctx *ctx, size_t bytes)
{
    char *p = leann_scratch(ctx, bytes + LEANN_PAGE - 1);
    return p ? p + (LEANN_PAGE - (uintptr_t)p % LEANN_PAGE) % LEANN_PAGE : NULL;
}

/* A file system may take the flag and then refuse every read: hence a first one. */
static bool try_direct(const leann_pages *pages)
{
    _Alignas(LEANN_PAGE) char page[LEANN_PAGE];
    if (fcntl(pages->fd, F_SETFL, O_DIRECT) != 0) return false;
    ssize_t n;
    do {
        n = pread(pages->fd, page, sizeof page, (off_t)pages->offset);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof page;
}

leann_status leann_pages_open(leann_ctx *ctx, int fd, const char *path, uint64_t offset, uint64_t n, bool direct, leann_pages *out)
{
    assert(offset % LEANN_PAGE == 0 && n > 0);
    *out = (leann_pages){.fd = fd, .path = path, .offset = offset, .n = n};
    out->direct = direct && try_direct(out);
    if (out->direct) return LEANN_OK;
    if (fcntl(fd, F_SETFL, 0) != 0)
        return leann_fail_errno(ctx, "cannot set the flags of %s", path); /* O_NONBLOCK would have io_uring give up */
    _Alignas(LEANN_PAGE) char page[LEANN_PAGE];
    leann_page_run run = {0, 1, page};
    return read_run(out, ctx, &run);
}
