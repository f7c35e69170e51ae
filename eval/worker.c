/* worker.c – a child process with limits on memory and time, and the pipe on which it says how far it is.
 *
 * A message is one write of 512 bytes, which a pipe keeps whole. Memory has two guards: RLIMIT_DATA makes an allocation beyond the limit
 * fail with a sentence, and the parent's look at /proc/<pid>/statm ends a child whose resident pages (mapped files too) pass it.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "eval/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_MS = 50, EXIT_SAID = 10, EXIT_INTERRUPTED = 11 };

typedef struct {
    uint32_t what, index, status, zero;
    uint64_t done, total;
    char text[480];
} message;
_Static_assert(sizeof(message) <= PIPE_BUF, "a message must be written whole");

/* ---- the child ------------------------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t asked_to_stop;
static leann_ctx *volatile child_ctx;

static void stop(int number)
{
    (void)number;
    asked_to_stop = 1;
    if (child_ctx) leann_ctx_cancel(child_ctx);
}

static void child_says(void *arg, leann_say what, uint32_t index, leann_status status, uint64_t done, uint64_t total, const char *text)
{
    static uint64_t last_ns;
    int fd = *(const int *)arg;
    uint64_t now = leann_now_ns();
    message m = {.what = what, .index = index, .status = status, .done = done, .total = total};
    if (what == LEANN_SAY_STAGE && now - last_ns < 100000000 && done) return;
    last_ns = now;
    snprintf(m.text, sizeof m.text, "%s", text ? text : "");
    while (write(fd, &m, sizeof m) < 0 && errno == EINTR) continue; /* no reader: the parent is gone, and so is this soon */
}

/* Sanitizers reserve terabytes of address space, which RLIMIT_DATA would count. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static void limit_memory(uint64_t mb)
{
#ifdef SANITIZED
    (void)mb;
#else
    char line[256];
    uint64_t now_kb = 0;
    if (!mb || mb > RLIM_INFINITY / 2 >> 20) return;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmData:", 7)) now_kb = strtoull(line + 7, NULL, 10);
    if (f) fclose(f);
    struct rlimit data = {(mb << 20) + now_kb * 1024, (mb << 20) + now_kb * 1024};
    setrlimit(RLIMIT_DATA, &data);
#endif
}

static void child_main(const leann_job *given, leann_worker_fn fn, const uint32_t *todo, uint32_t n, unsigned threads, int fd)
{
    leann_job job = *given;
    struct sigaction action = {0};
    job.say = child_says;
    job.arg = &fd;
    job.stop = &asked_to_stop;
    action.sa_handler = stop;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    setpgid(0, 0); /* Ctrl-C reaches the parent alone, which passes it on once */
    action.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &action, NULL); /* a file size limit is a write error like a full disk */
    sigaction(SIGPIPE, &action, NULL);
    limit_memory(job.sweep->limits.memory_mb);
    leann_ctx *ctx = leann_ctx_new(job.cell->seed, threads);
    leann_status s = LEANN_ENOMEM;
    if (ctx) {
        child_ctx = ctx;
        if (asked_to_stop) leann_ctx_cancel(ctx);
        s = fn(ctx, &job, todo, n);
    }
    if (s == LEANN_EINTR || (s && asked_to_stop)) _exit(EXIT_INTERRUPTED);
    if (s) child_says(&fd, LEANN_SAY_FAILED, 0, s, 0, 0, ctx ? leann_ctx_error(ctx) : "out of memory");
    _exit(s ? EXIT_SAID : 0);
}

/* ---- the parent ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const leann_job *job;
    pid_t pid;
    int fd;
    bool build, timed, told, killed; /* timed: the clock below counts; told: the child knows that it is to stop */
    uint64_t since_ns;
    leann_worker_heard heard;
    void *arg;
    leann_outcome *out;
    bool said_failed;
} watch;

static void reached(watch *w, const char *name, double value, const char *unit, double was)
{
    leann_outcome *out = w->out;
    if (out->limit) return;
    snprintf(out->word, sizeof out->word, "limit");
    snprintf(out->error, sizeof out->error, "%s: %.6g %s, and the limit is %.6g %s", name, was, unit, value, unit);
    out->status = LEANN_ELIMIT;
    out->limit = leann_value_new_map();
    leann_value_set(out->limit, "name", leann_value_new_text(name));
    leann_value_set(out->limit, "value", leann_value_new_real(value));
}

static void kill_child(watch *w)
{
    if (!w->killed) kill(w->pid, SIGKILL);
    w->killed = true;
}

static void check_time(watch *w)
{
    double limit = w->build ? w->job->sweep->limits.build_s : w->job->sweep->limits.search_s;
    double seconds = (double)(leann_now_ns() - w->since_ns) * 1e-9;
    if (!w->timed || w->killed || seconds <= limit) return;
    reached(w, w->build ? "build_s" : "search_s", limit, "s", seconds);
    kill_child(w);
}

static void over_memory(watch *w, uint64_t bytes)
{
    uint64_t limit = w->job->sweep->limits.memory_mb;
    if (limit && bytes > limit << 20) reached(w, "memory_mb", (double)limit, "MB", (double)bytes / 1048576);
}

static void check_memory(watch *w)
{
    char path[64];
    unsigned long long size = 0, resident = 0;
    if (!w->job->sweep->limits.memory_mb || w->killed) return;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)w->pid);
    FILE *f = fopen(path, "r");
    if (!f) return;
    if (fscanf(f, "%llu %llu", &size, &resident) == 2) over_memory(w, resident * (uint64_t)sysconf(_SC_PAGESIZE));
    fclose(f);
    if (w->out->limit) kill_child(w);
}

static void hear(watch *w, const message *m)
{
    leann_outcome *out = w->out;
    leann_say what = (leann_say)m->what;
    if (w->build && what == LEANN_SAY_BUILT) {
        check_time(w); /* a build that ended between two looks at the clock is late all the same */
        w->timed = false;
    }
    if (what == LEANN_SAY_POINT || what == LEANN_SAY_OPENED) {
        w->timed = !w->build;
        w->since_ns = leann_now_ns();
    }
    if (what == LEANN_SAY_FAILED || what == LEANN_SAY_FATAL || what == LEANN_SAY_BAD_INDEX) {
        if (!w->said_failed && !out->limit) {
            out->status = (leann_status)m->status;
            snprintf(out->word, sizeof out->word, "%s", leann_status_word(out->status));
            snprintf(out->error, sizeof out->error, "%s", m->text);
        }
        w->said_failed = true;
        out->fatal |= what == LEANN_SAY_FATAL;
        out->bad_index |= what == LEANN_SAY_BAD_INDEX;
        return;
    }
    w->heard(w->arg, what, m->index, (leann_status)m->status, m->done, m->total, m->text);
}

/* Until the child closes its end. */
static void listen_to(leann_ctx *ctx, watch *w)
{
    for (bool open = true; open;) {
        struct pollfd p = {w->fd, POLLIN, 0};
        int ready = poll(&p, 1, POLL_MS);
        if (leann_ctx_cancelled(ctx) && !w->told) {
            w->told = true;
            kill(w->pid, SIGINT);
        }
        message m;
        ssize_t n = ready > 0 ? read(w->fd, &m, sizeof m) : 1;
        m.text[sizeof m.text - 1] = 0;
        if (ready > 0 && n == (ssize_t)sizeof m) hear(w, &m);
        open = n > 0 || (n < 0 && errno == EINTR);
        check_time(w);
        check_memory(w);
    }
}

static void judge(watch *w, int status, const struct rusage *usage)
{
    leann_outcome *out = w->out;
    if (out->limit) return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        snprintf(out->word, sizeof out->word, "ok");
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_INTERRUPTED) {
        out->status = LEANN_EINTR;
        snprintf(out->word, sizeof out->word, "%s", leann_status_word(LEANN_EINTR));
        snprintf(out->error, sizeof out->error, "interrupted");
        return;
    }
    if (w->said_failed) {
        if (out->status != LEANN_ENOMEM || !w->job->sweep->limits.memory_mb || out->fatal) return;
        char sentence[400]; /* RLIMIT_DATA made the allocation fail */
        snprintf(sentence, sizeof sentence, "%.399s", out->error);
        reached(w, "memory_mb", (double)w->job->sweep->limits.memory_mb, "MB", (double)usage->ru_maxrss / 1024);
        snprintf(out->error, sizeof out->error, "%s (memory_mb limits it to %llu MB)", sentence,
                 (unsigned long long)w->job->sweep->limits.memory_mb);
        return;
    }
    out->status = LEANN_EIO;
    snprintf(out->word, sizeof out->word, "crash");
    if (WIFSIGNALED(status))
        snprintf(out->error, sizeof out->error, "the worker was ended by signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
                 WTERMSIG(status) == SIGKILL ? ": perhaps the system ran out of memory" : "");
    else
        snprintf(out->error, sizeof out->error, "the worker ended with code %d and no word", WEXITSTATUS(status));
}

leann_status leann_worker_run(leann_ctx *ctx, const leann_job *job, leann_worker_fn fn, const uint32_t *todo, uint32_t n, unsigned threads,
                              bool build, leann_worker_heard heard, void *arg, leann_outcome *out)
{
    int ends[2], status = 0;
    struct rusage usage = {0};
    pid_t parent = getpid();
    *out = (leann_outcome){0};
    if (pipe2(ends, O_CLOEXEC)) return leann_fail_errno(ctx, "cannot make a pipe for a worker");
    fflush(NULL); /* or the child would print it again */
    pid_t pid = fork();
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return leann_fail_errno(ctx, "cannot start a worker");
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(EXIT_INTERRUPTED); /* it died before the line above */
        close(ends[0]);
        child_main(job, fn, todo, n, threads, ends[1]);
    }
    close(ends[1]);
    watch w = {.job = job,
               .pid = pid,
               .fd = ends[0],
               .build = build,
               .timed = true,
               .since_ns = leann_now_ns(),
               .heard = heard,
               .arg = arg,
               .out = out};
    listen_to(ctx, &w);
    close(ends[0]);
    while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) continue;
    judge(&w, status, &usage);
    return LEANN_OK;
}
