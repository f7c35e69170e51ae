/* progress.c – how far a long stage is, on standard error: a bar with the remaining time on a terminal, else a line every five seconds.
 *
 * The remaining time is elapsed * (total - done) / done of the stage in hand. One bar at a time: state is the process's.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 28 };

static struct {
    bool on, terminal, shown;
    char what[48];
    uint64_t started_ns, printed_ns;
} state;

static void begin_stage(const char *what, uint64_t now)
{
    snprintf(state.what, sizeof state.what, "%s", what);
    state.started_ns = now;
    state.printed_ns = now;
}

static void left_text(char buffer[40], uint64_t elapsed_ns, uint64_t done, uint64_t total)
{
    char time[32];
    buffer[0] = 0;
    if (done == 0 || done >= total || elapsed_ns < 500000000) return;
    double seconds = (double)elapsed_ns * 1e-9 * (double)(total - done) / (double)done;
    if (seconds < 59.5)
        snprintf(buffer, 40, "%.0f s left", ceil(seconds));
    else
        snprintf(buffer, 40, "%s left", cli_seconds(time, seconds));
}

static void draw(uint64_t now, uint64_t done, uint64_t total)
{
    char bar[BAR + 1], left[40], took[32];
    double share = total ? (double)done / (double)total : 0;
    int full = (int)(share * BAR);
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)(full > BAR ? BAR : full));
    bar[BAR] = 0;
    left_text(left, now - state.started_ns, done, total);
    cli_seconds(took, (double)(now - state.started_ns) * 1e-9);
    if (state.terminal && total)
        fprintf(stderr, "\r\033[K%-20s [%s] %3.0f %%  %s", state.what, bar, share * 100, left);
    else if (state.terminal)
        fprintf(stderr, "\r\033[K%-20s %llu  %s", state.what, (unsigned long long)done, took);
    else if (total)
        fprintf(stderr, "%s: %.0f %%, %s%s%s\n", state.what, share * 100, took, *left ? " so far, " : "", left);
    else
        fprintf(stderr, "%s: %llu, %s\n", state.what, (unsigned long long)done, took);
    fflush(stderr);
    state.shown = state.terminal;
    state.printed_ns = now;
}

void cli_progress(const char *what, uint64_t done, uint64_t total)
{
    if (!state.on) return;
    uint64_t now = leann_now_ns();
    bool ends = total && done >= total;
    if (strncmp(what, state.what, sizeof state.what - 1) != 0) begin_stage(what, now);
    uint64_t every = state.terminal ? 100000000ULL : 5000000000ULL;
    if (now - state.printed_ns >= every) draw(now, done, total);
    if (ends) {
        cli_progress_clear();
        state.what[0] = 0; /* the next call starts a new stage, of the same name perhaps */
    }
}

void cli_progress_clear(void)
{
    if (state.shown) fprintf(stderr, "\r\033[K");
    state.shown = false;
}

static void hook(void *arg, const char *what, uint64_t done, uint64_t total)
{
    (void)arg;
    cli_progress(what, done, total);
}

void cli_progress_start(leann_ctx *ctx, bool quiet)
{
    state.on = !quiet;
    state.terminal = isatty(STDERR_FILENO) == 1;
    if (state.on) leann_ctx_on_progress(ctx, hook, NULL);
}
