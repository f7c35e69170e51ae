/* guard.c – the child process around libhdf5: made by fork, about 1 ms a call.
 *
 * Differs: the limit on address space is left out under the sanitizers, whose shadow memory alone is terabytes.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "datasets/guard.h"
#include "datasets/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

typedef struct { /* the shared page, facts behind it */
    int32_t status, finished;
    uint64_t spilled;
    char error[1024];
    _Alignas(64) unsigned char facts[];
} page;

struct leann_guard {
    const leann_guard_limits *limits;
    page *shared;
    int fd;
};

/* Words out of a foreign file must not move the cursor or break a JSON report: control characters and what is no UTF-8 become '?'. */
static void make_printable(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p;) {
        unsigned more = *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : 0, have = 0;
        while (have < more && (p[have + 1] & 0xc0) == 0x80) have++;
        bool good = *p < 0x80 ? *p >= 0x20 && *p != 0x7f : more > 0 && have == more;
        if (good)
            p += more + 1;
        else
            *p++ = '?';
    }
}

leann_status leann_guard_fail(leann_guard *g, leann_status status, const char *format, ...)
{
    if (g->shared->status != LEANN_OK) return (leann_status)g->shared->status;
    va_list args;
    va_start(args, format);
    vsnprintf(g->shared->error, sizeof g->shared->error, format, args);
    va_end(args);
    make_printable(g->shared->error);
    g->shared->status = (int32_t)status;
    return status;
}

void *leann_guard_facts(leann_guard *g)
{
    return g->shared->facts;
}
const char *leann_guard_what(const leann_guard *g)
{
    return g->limits->what;
}

leann_status leann_guard_append(leann_guard *g, const void *data, size_t bytes, bool align, uint64_t *offset)
{
    uint64_t at = g->shared->spilled;
    if (offset) *offset = 0;
    if (!bytes) return LEANN_OK;
    if (align) at = (at + 4095) & ~(uint64_t)4095;
    if (bytes > g->limits->spill_limit || at > g->limits->spill_limit - bytes)
        return leann_guard_fail(g, LEANN_ELIMIT, "%s: needs more than the limit of %llu MB to load", g->limits->what,
                                (unsigned long long)(g->limits->spill_limit >> 20));
    if (offset) *offset = at;
    g->shared->spilled = at + bytes;
    for (size_t done = 0; done < bytes;) {
        ssize_t now = pwrite(g->fd, (const char *)data + done, bytes - done, (off_t)(at + done));
        if (now < 0 && errno == EINTR) continue;
        if (now <= 0) return leann_guard_fail(g, LEANN_EIO, "%s: cannot spill rows: %s", g->limits->what, strerror(errno));
        done += (size_t)now;
    }
    return LEANN_OK;
}

static void limit(int what, uint64_t value)
{
    struct rlimit old;
    if (getrlimit((__rlimit_resource_t)what, &old)) return;
    if (old.rlim_cur == RLIM_INFINITY || old.rlim_cur > value) {
        old.rlim_cur = (rlim_t)value;
        setrlimit((__rlimit_resource_t)what, &old);
    }
}

/* Enough for data compressed 100:1; libhdf5 loops for ever on some damaged files. */
static unsigned seconds(const leann_guard_limits *limits)
{
    return 4 + (unsigned)(limits->file_bytes >> 22);
}

/* What the process maps already: the limit is on top of it. */
static uint64_t mapped_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%llu", &pages) != 1) pages = 0;
        fclose(f);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void child(leann_guard *g, leann_guard_body body, void *arg, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    static const int ordinary[] = {SIGALRM, SIGXCPU, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM};
    for (size_t i = 0; i < sizeof ordinary / sizeof *ordinary; i++) signal(ordinary[i], SIG_DFL);
    signal(SIGINT, SIG_IGN); /* the parent hears it and ends us */
    signal(SIGXFSZ, SIG_IGN);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) _exit(1);
    for (int i = 0; i < 3; i++) dup2(null, i);
    unsigned cpu_s = seconds(g->limits);
    uint64_t memory = g->limits->memory_bytes ? g->limits->memory_bytes : (uint64_t)1 << 30;
    if (!SANITIZED) limit(RLIMIT_AS, mapped_bytes() + memory);
    limit(RLIMIT_CPU, cpu_s);
    limit(RLIMIT_CORE, 0);
    alarm(cpu_s * 4 + 10); /* of wall time: the machine may be busy or the disk slow */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    leann_status status = body(g, arg);
    if (status != LEANN_OK) leann_guard_fail(g, status, "%s: failed", g->limits->what);
    g->shared->finished = 1;
    _exit(0);
}

static int spill_file(leann_ctx *ctx, const leann_guard_limits *limits)
{
    if (!limits->spill_near) {
        int fd = memfd_create("leann-rows", MFD_CLOEXEC);
        if (fd < 0) leann_fail_errno(ctx, "cannot make a memory file");
        return fd;
    }
    char *folder = leann_format(ctx, "%s", limits->spill_near);
    if (!folder) return -1;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    int fd = leann_spill_file(ctx, slash ? folder : ".");
    leann_free(folder);
    return fd;
}

/* Waits for the child's end of the pipe to close, which is its death, whatever it dies of. A process that was forked meanwhile
 * by another thread may hold that end open: so it also asks ten times a second. */
static leann_status await(leann_ctx *ctx, pid_t pid, int pipe_end, const leann_guard_limits *limits, int *status)
{
    bool cancelled = false;
    struct pollfd p = {pipe_end, POLLIN, 0};
    for (bool closed = false;;) {
        closed = closed || poll(&p, 1, 100) > 0;
        pid_t dead = waitpid(pid, status, closed || cancelled ? 0 : WNOHANG);
        if (dead == pid) break;
        if (dead < 0 && errno != EINTR) return leann_fail_errno(ctx, "%s: lost the process that reads it", limits->what);
        if (!cancelled && leann_ctx_cancelled(ctx)) {
            cancelled = true;
            kill(pid, SIGKILL);
        }
    }
    return cancelled ? leann_fail(ctx, LEANN_EINTR, "interrupted") : LEANN_OK;
}

static leann_status verdict(leann_ctx *ctx, const leann_guard_limits *limits, page *shared, int status)
{
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGALRM))
        return leann_fail(ctx, LEANN_ELIMIT, "%s: reading it took more than the limit of %u s", limits->what, seconds(limits));
    if (WIFSIGNALED(status))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: damaged: the HDF5 library died on it (%s)", limits->what, strsignal(WTERMSIG(status)));
    if (shared->finished != 1)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: damaged: the process that reads it ended with status %d", limits->what,
                          WEXITSTATUS(status));
    shared->error[sizeof shared->error - 1] = 0;
    if (shared->status < LEANN_OK || shared->status > LEANN_EINTR)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: damaged: no sensible answer from the process that reads it", limits->what);
    if (shared->status != LEANN_OK) return leann_fail(ctx, (leann_status)shared->status, "%s", shared->error);
    return LEANN_OK;
}

leann_status leann_guard_run(leann_ctx *ctx, leann_guard_limits limits, leann_guard_body body, void *arg, void *facts, size_t bytes,
                             int *fd, uint64_t *spilled)
{
    leann_status done = LEANN_OK;
    if (fd) *fd = -1;
    int ends[2] = {-1, -1}, status = 0;
    leann_guard g = {.limits = &limits, .fd = -1};
    size_t page_bytes = sizeof(page) + bytes;
    g.shared = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (g.shared == MAP_FAILED) return leann_fail_errno(ctx, "cannot share %zu bytes", page_bytes);
    if (fd && (g.fd = spill_file(ctx, &limits)) < 0) {
        done = leann_ctx_status(ctx);
        goto done;
    }
    if (pipe2(ends, O_CLOEXEC)) {
        done = leann_fail_errno(ctx, "cannot make a pipe");
        goto done;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        done = leann_fail_errno(ctx, "cannot start a process to read %s", limits.what);
        goto done;
    }
    if (pid == 0) {
        close(ends[0]);
        child(&g, body, arg, parent);
    }
    close(ends[1]);
    ends[1] = -1;
    done = await(ctx, pid, ends[0], &limits, &status);
    if (done == LEANN_OK) done = verdict(ctx, &limits, g.shared, status);
    if (done == LEANN_OK && bytes) memcpy(facts, g.shared->facts, bytes);
    if (done == LEANN_OK && fd) {
        *fd = g.fd;
        *spilled = g.shared->spilled;
        g.fd = -1;
        struct stat info; /* a child that was misled may claim more than it wrote */
        if (*spilled > limits.spill_limit || fstat(*fd, &info) || (uint64_t)info.st_size < *spilled)
            done = leann_fail(ctx, LEANN_EFORMAT, "%s: damaged: the answer has the wrong length", limits.what);
    }
done:
    if (done != LEANN_OK && fd && g.fd < 0 && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    if (ends[0] >= 0) close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    if (g.fd >= 0) close(g.fd);
    munmap(g.shared, page_bytes);
    return done;
}
