/* signals.c – Ctrl-C and SIGTERM ask the running call to stop; what is done is kept. A second one ends the program at once.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <signal.h>
#include <stddef.h>

static leann_ctx *volatile running;

static void stop(int number)
{
    (void)number;
    if (running) leann_ctx_cancel(running);
}

static void set(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {0};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void cli_signals_start(leann_ctx *ctx)
{
    running = ctx;
    set(SIGINT, stop, (int)(SA_RESTART | SA_RESETHAND));
    set(SIGTERM, stop, (int)(SA_RESTART | SA_RESETHAND));
    set(SIGPIPE, SIG_IGN, 0); /* `leann … | head` becomes a write error, which main reports */
}

void cli_signals_stop(void)
{
    set(SIGINT, SIG_DFL, 0);
    set(SIGTERM, SIG_DFL, 0);
    running = NULL;
}
