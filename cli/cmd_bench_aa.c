/* cmd_bench_aa.c – `leann bench aa`: one cell measured twice, in turn, and how large a difference is noise here.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "eval/aa.h"

extern const cli_command cli_bench_aa;

static void progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
    (void)arg;
    cli_progress(what, done, total);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The spread of one measure: least, median and most of both sides. */
static void print_measure(const leann_aa *aa, int m)
{
    double all[2 * LEANN_AA_MAX_PAIRS], scale = m ? 1e-3 : 1;
    size_t n = 0;
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < aa->pairs; i++) all[n++] = aa->run[side][i][m] * scale;
    qsort(all, n, sizeof *all, by_value);
    printf("%-5s %12.5g %12.5g %12.5g   %8.2f %% %10.2f %% %10.2f %%\n", leann_aa_names[m], all[0], all[n / 2], all[n - 1],
           100 * expm1(aa->in_turn[m]), 100 * expm1(aa->noise[m]), 100 * expm1(aa->bias[m]));
}

static void print_text(const leann_run *run, const leann_aa *aa)
{
    printf("%s: %u pairs, A and B in turn, each in a fresh process\n\n", run->folder, aa->pairs);
    printf("%-5s %12s %12s %12s   %10s %12s %12s\n", "", "least", "median", "most", "in turn", "any two", "mean A-B");
    for (int m = 0; m < LEANN_AA_MEASURES; m++) print_measure(aa, m);
    printf("\nqps in queries a second, p50 to p99 in microseconds. 95 %% of the pairs differ by less than `any two`: a difference between\n"
           "methods below %.1f %% in qps is noise here. Reports read it from %s/aa.json.\n",
           100 * expm1(aa->noise[0]), run->folder);
}

static leann_status measure(cli *c, leann_ctx *ctx)
{
    leann_run *run = NULL;
    leann_run_options options = {
        .results = cli_text(c, "results"), .only = cli_text(c, "only"), .threads = (unsigned)cli_int(c, "threads")};
    leann_aa *aa = leann_alloc(ctx, 1, sizeof *aa);
    if (!aa) return LEANN_ENOMEM;
    leann_status status = leann_run_open(ctx, cli_word(c, 0), options, &run);
    if (!status) status = leann_aa_run(ctx, run, (uint32_t)cli_int(c, "pairs"), cli_flag(c, "quiet") ? NULL : progress, NULL, aa);
    cli_progress_clear();
    if (!status && cli_flag(c, "json")) {
        leann_value *map = leann_value_new_map();
        for (int m = 0; m < LEANN_AA_MEASURES; m++) leann_value_set(map, leann_aa_names[m], leann_value_new_real(aa->noise[m]));
        cli_print_json(map);
    } else if (!status) {
        print_text(run, aa);
    }
    leann_run_free(run);
    leann_free(aa);
    return status;
}

static leann_status run(cli *c)
{
    signal(SIGXFSZ, SIG_IGN);
    leann_ctx *one = leann_ctx_new(leann_ctx_seed(c->ctx), 1); /* workers are forked: no threads here */
    if (!one) return leann_fail(c->ctx, LEANN_ENOMEM, "out of memory");
    cli_progress_start(one, cli_flag(c, "quiet"));
    cli_signals_start(one);
    leann_status status = measure(c, one);
    cli_signals_start(c->ctx);
    if (status) leann_fail(c->ctx, status, "%s", leann_ctx_error(one));
    leann_ctx_free(one);
    return status;
}

static const cli_option options[] = {
    {"only", CLI_TEXT, "KEY=VALUE,…", "which cell and point: the first that matches", NULL, 0, 0},
    {"results", CLI_TEXT, "DIR", "folder of the results (default results/<sweep>)", NULL, 0, 0},
    {"pairs", CLI_INT, "N", "measurements of A and of B", "10", 2, LEANN_AA_MAX_PAIRS},
    {"json", CLI_FLAG, NULL, "print the noise as JSON: the share below which 95 % of differences stay, as |ln(a/b)|", NULL, 0, 0},
    CLI_OPTION_END};

const cli_command cli_bench_aa = {"bench aa",
                                  "SWEEP",
                                  "measure one cell twice, in turn: how large a difference is noise",
                                  "leann bench aa quickstart --only method=graph,k=10\n",
                                  1,
                                  1,
                                  options,
                                  run};
