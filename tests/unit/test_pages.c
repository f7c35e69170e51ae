/* test_pages.c – pages read by io_uring and by pread are the same bytes; faults are the same sentences; refusals fall back.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/pages.h"

enum { PAGES = 300, BEFORE = 2 * LEANN_PAGE, RUNS = 150 };
static const leann_io ways[] = {LEANN_IO_URING, LEANN_IO_PREAD, LEANN_IO_AUTO};
enum { WAYS = sizeof ways / sizeof *ways };

static char path[] = "/var/tmp/leann-pages-XXXXXX"; /* /tmp may have no disk below it */
static int file;
static bool ring; /* this system has io_uring */

/* ---- faults -------------------------------------------------------------------------------------------------------------------- */

/* The program's own name goes before the C library's: what the next reads answer. */
static struct {
    int error, times; /* errno of that many reads */
    size_t most;      /* bytes a read brings at most, 0: all */
} fault;
static _Atomic unsigned preads;

ssize_t pread(int fd, void *to, size_t bytes, off_t offset)
{
    preads++;
    if (fault.times > 0) {
        fault.times--;
        errno = fault.error;
        return -1;
    }
    if (fault.most && bytes > fault.most) bytes = fault.most;
    return syscall(SYS_pread64, fd, to, bytes, offset);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------------- */

static uint8_t byte_of(uint64_t page, uint32_t i)
{
    return (uint8_t)(page * 131 + i * 7 + (i >> 8));
}

static leann_pages open_pages(leann_ctx *ctx, bool direct)
{
    leann_pages pages;
    assert_int_equal(leann_pages_open(ctx, file, path, BEFORE, PAGES, direct, &pages), LEANN_OK);
    return pages;
}

/* RUNS runs of one to three pages, scattered, in one call; and what they must bring. */
static leann_status read_runs(leann_ctx *ctx, const leann_pages *pages, leann_io io, uint64_t item)
{
    leann_page_run run[RUNS];
    size_t mark = leann_scratch_mark(ctx);
    leann_rng rng = leann_rng_at(1, "runs", item);
    uint64_t wanted = 0, before = leann_ctx_work(ctx)->pages;
    for (uint32_t r = 0; r < RUNS; r++) {
        uint32_t n = 1 + leann_rng_below(&rng, 3);
        run[r] = (leann_page_run){leann_rng_below(&rng, PAGES - n), n, leann_pages_scratch(ctx, n * LEANN_PAGE)};
        assert_non_null(run[r].to);
        wanted += n;
    }
    leann_status status = leann_pages_read(pages, ctx, io, run, RUNS);
    for (uint32_t r = 0; r < RUNS && status == LEANN_OK; r++)
        for (uint32_t i = 0; i < run[r].n * LEANN_PAGE; i++)
            if (((uint8_t *)run[r].to)[i] != byte_of(run[r].first + i / LEANN_PAGE, i % LEANN_PAGE))
                fail_msg("run %u: byte %u of page %ju is wrong", r, i, (uintmax_t)run[r].first);
    if (status == LEANN_OK) assert_int_equal(leann_ctx_work(ctx)->pages - before, wanted);
    leann_scratch_reset(ctx, mark);
    return status;
}

static void all_ways_read_the_same(void **state)
{
    (void)state;
    for (int direct = 0; direct < 2; direct++)
        for (int way = 0; way < WAYS; way++) {
            leann_ctx *ctx = leann_ctx_new(1, 1);
            leann_pages pages = open_pages(ctx, direct);
            preads = 0;
            if (ring || ways[way] != LEANN_IO_URING)
                for (uint64_t item = 0; item < 3; item++) assert_int_equal(read_runs(ctx, &pages, ways[way], item), LEANN_OK);
            if (ring) assert_int_equal(preads, ways[way] == LEANN_IO_PREAD ? 3 * RUNS : 0);
            leann_ctx_free(ctx);
        }
}

static void *reader(void *arg)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_status status = LEANN_OK;
    for (uint64_t item = 0; item < 20 && status == LEANN_OK; item++) status = read_runs(ctx, arg, LEANN_IO_AUTO, item);
    leann_ctx_free(ctx);
    return status == LEANN_OK ? arg : NULL;
}

static void contexts_read_at_once(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_pages pages = open_pages(ctx, true);
    pthread_t thread[4];
    void *ok;
    for (int t = 0; t < 4; t++) assert_int_equal(pthread_create(&thread[t], NULL, reader, &pages), 0);
    for (int t = 0; t < 4; t++) {
        pthread_join(thread[t], &ok);
        assert_ptr_equal(ok, &pages);
    }
    leann_ctx_free(ctx);
}

/* A child must not find its parent's completions in a ring that both hold. */
static void a_child_has_its_own_ring(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_pages pages = open_pages(ctx, true);
    assert_int_equal(read_runs(ctx, &pages, LEANN_IO_AUTO, 1), LEANN_OK);
    pid_t child = fork();
    if (child == 0) _exit(read_runs(ctx, &pages, LEANN_IO_AUTO, 2) == LEANN_OK ? 0 : 1);
    int result = -1;
    assert_int_equal(read_runs(ctx, &pages, LEANN_IO_AUTO, 3), LEANN_OK);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_int_equal(read_runs(ctx, &pages, LEANN_IO_AUTO, 4), LEANN_OK);
    leann_ctx_free(ctx);
}

/* No descriptor is left for a ring: `uring` says so, `auto` reads all the same. */
static void without_a_ring_pread_reads(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_pages pages = open_pages(ctx, true);
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){0, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    leann_status status = leann_pages_io(ctx, LEANN_IO_URING), read = read_runs(ctx, &pages, LEANN_IO_AUTO, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(status, LEANN_EUNSUPPORTED);
    assert_non_null(strstr(leann_ctx_error(ctx), "io: auto"));
    assert_int_equal(read, LEANN_OK);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_pages_io(ctx, LEANN_IO_AUTO), LEANN_OK);
    assert_int_equal(leann_pages_io(ctx, LEANN_IO_PREAD), LEANN_OK);
    leann_ctx_free(ctx);
}

static void refused(leann_ctx *ctx, const leann_pages *pages, const char *word)
{
    for (int way = 0; way < WAYS; way++) {
        if (!ring && ways[way] == LEANN_IO_URING) continue;
        assert_int_equal(read_runs(ctx, pages, ways[way], 5), LEANN_EIO);
        if (!strstr(leann_ctx_error(ctx), word)) fail_msg("\"%s\" does not say \"%s\"", leann_ctx_error(ctx), word);
        leann_ctx_clear(ctx);
    }
}

static void a_shorter_file_is_an_error(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_pages pages = open_pages(ctx, true);
    off_t whole = lseek(file, 0, SEEK_END);
    assert_int_equal(ftruncate(file, whole / 2), 0);
    refused(ctx, &pages, "has become shorter");
    assert_int_equal(ftruncate(file, BEFORE + 1000), 0); /* inside its first page */
    leann_pages again;
    assert_int_equal(leann_pages_open(ctx, file, path, BEFORE, PAGES, true, &again), LEANN_EIO);
    leann_ctx_clear(ctx);
    assert_int_equal(ftruncate(file, whole), 0); /* zeros from there on */
    for (uint64_t p = 0; p < PAGES; p++) {
        uint8_t page[LEANN_PAGE];
        for (uint32_t i = 0; i < LEANN_PAGE; i++) page[i] = byte_of(p, i);
        assert_int_equal(pwrite(file, page, LEANN_PAGE, BEFORE + (off_t)p * LEANN_PAGE), LEANN_PAGE);
    }
    assert_int_equal(read_runs(ctx, &pages, LEANN_IO_AUTO, 5), LEANN_OK);
    leann_ctx_free(ctx);
}

static void a_refused_read_is_an_error(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_pages pages = open_pages(ctx, true);
    pages.fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(pages.fd >= 0);
    refused(ctx, &pages, strerror(EBADF));
    close(pages.fd);
    pages.fd = file;
    fault.error = EIO; /* what io_uring did not bring would be read again: only pread meets this */
    fault.times = 1;
    assert_int_equal(read_runs(ctx, &pages, LEANN_IO_PREAD, 5), LEANN_EIO);
    assert_non_null(strstr(leann_ctx_error(ctx), strerror(EIO)));
    leann_ctx_clear(ctx);
    fault.error = EINTR;
    fault.times = 3;
    assert_int_equal(read_runs(ctx, &pages, LEANN_IO_PREAD, 5), LEANN_OK);
    assert_int_equal(fault.times, 0);
    leann_pages buffered = open_pages(ctx, false);
    fault.most = 1000; /* short reads are gone on with */
    assert_int_equal(read_runs(ctx, &buffered, LEANN_IO_PREAD, 5), LEANN_OK);
    fault.most = 0;
    leann_ctx_free(ctx);
}

static int start(void **state)
{
    (void)state;
    uint8_t page[LEANN_PAGE] = {0};
    leann_ctx *ctx = leann_ctx_new(1, 1);
    ring = leann_pages_io(ctx, LEANN_IO_URING) == LEANN_OK;
    if (!ring) print_message("%s\n", leann_ctx_error(ctx));
    leann_ctx_free(ctx);
    if ((file = mkstemp(path)) < 0) return -1;
    for (int i = 0; i < 2; i++)
        if (write(file, page, LEANN_PAGE) != LEANN_PAGE) return -1;
    for (uint64_t p = 0; p < PAGES; p++) {
        for (uint32_t i = 0; i < LEANN_PAGE; i++) page[i] = byte_of(p, i);
        if (write(file, page, LEANN_PAGE) != LEANN_PAGE) return -1;
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    close(file);
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ways_read_the_same),     cmocka_unit_test(contexts_read_at_once),
        cmocka_unit_test(a_child_has_its_own_ring),   cmocka_unit_test(without_a_ring_pread_reads),
        cmocka_unit_test(a_shorter_file_is_an_error), cmocka_unit_test(a_refused_read_is_an_error),
    };
    return cmocka_run_group_tests_name("pages", tests, start, end);
}
