/* cmd_bench_run.c – `leann bench run`: runs a sweep, or says what it would do.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "eval/runner.h"

extern const cli_command cli_bench_run;

enum { SOME_FAILED = 3, INTERRUPTED = 130 }; /* 130: what a shell says of a program that Ctrl-C ended */

/* ---- progress ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    bool quiet, terminal, drawn;
    uint64_t printed_ns;
} screen;

static unsigned columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100;
}

static void wipe(screen *s)
{
    if (s->drawn) fprintf(stderr, "\r\033[K");
    s->drawn = false;
}

/* "0:32", "1:02:03": whole seconds, rounded down. */
static char *clock_of(char buffer[32], double seconds)
{
    unsigned long long whole = seconds > 0 ? (unsigned long long)seconds : 0;
    if (whole < 3600)
        snprintf(buffer, 32, "%llu:%02llu", whole / 60, whole % 60);
    else
        snprintf(buffer, 32, "%llu:%02llu:%02llu", whole / 3600, whole / 60 % 60, whole % 60);
    return buffer;
}

/* [3/81] 12 of 243 points, 0:32, about 5:10 left | anchor selector=kmeans … | codes 40 % */
static void draw(screen *s, const leann_run_event *e)
{
    char took[32], left[32], line[1024], share[32] = "", failed[32] = "";
    if (e->total) snprintf(share, sizeof share, " %.0f %%", 100.0 * (double)e->done / (double)e->total);
    if (e->failed) snprintf(failed, sizeof failed, ", %u failed", e->failed);
    snprintf(line, sizeof line, "[%u/%u] %u of %u points%s, %s, about %s left | %s%s | %s", e->cell_number, e->cells, e->finished, e->todo,
             failed, clock_of(took, e->elapsed_s), clock_of(left, ceil(fmax(1, e->left_s))), e->text, share, e->cell->label);
    if (s->terminal)
        fprintf(stderr, "\r\033[K%.*s", (int)columns() - 1, line);
    else
        fprintf(stderr, "%s\n", line);
    s->drawn = s->terminal;
    fflush(stderr);
    s->printed_ns = leann_now_ns();
}

static void heard(void *arg, const leann_run_event *e)
{
    screen *s = arg;
    uint64_t now = leann_now_ns(), every = s->terminal ? 100000000ULL : 15000000000ULL;
    if (e->what == LEANN_SAY_MEASURED && e->status) { /* also when quiet: a row that is missing its numbers */
        wipe(s);
        fprintf(stderr, "failed: %s, %s: %s\n", e->cell->label, e->cell->point[e->index].label, e->text);
    }
    if (s->quiet) return;
    bool begins = e->what == LEANN_SAY_OPENED && !s->terminal;
    if (begins || ((e->what == LEANN_SAY_STAGE || e->what == LEANN_SAY_POINT) && now - s->printed_ns >= every)) {
        leann_run_event shown = *e;
        if (begins) shown.text = "begins";
        draw(s, &shown);
    }
}

/* ---- saying what would be done ------------------------------------------------------------------------------------------------------ */

static const char *state_word(leann_point_state state)
{
    static const char *const words[] = {"to do", "done", "failed before"};
    return words[state];
}

typedef struct {
    double seconds;
    uint64_t bytes;
} totals;

static totals totals_of(const leann_run *run)
{
    totals t = {0};
    for (uint32_t i = 0; i < run->sweep->cells; i++) {
        const leann_cell *cell = &run->sweep->cell[i];
        bool todo = false;
        for (uint32_t j = 0; j < cell->points; j++) {
            if (run->state[i][j] != LEANN_POINT_TODO) continue;
            t.seconds += cell->refused ? 0 : run->seconds[i][1 + j];
            todo = true;
        }
        if (!todo || cell->refused) continue;
        t.seconds += run->seconds[i][0];
        t.bytes += cell->predicted_bytes;
    }
    return t;
}

/* An estimate deserves no more than two digits. */
static double rounded(double seconds)
{
    return seconds >= 9.95 ? floor(seconds + 0.5) : floor(seconds * 10 + 0.5) / 10;
}

static void print_cell(const leann_run *run, uint32_t i)
{
    const leann_cell *cell = &run->sweep->cell[i];
    char bytes[32], seconds[32];
    if (!cell->points) return;
    if (cell->refused)
        printf("%s\n    cannot be built: %s\n", cell->label, cell->error);
    else
        printf("%s\n    %s predicted, build about %s\n", cell->label, cli_bytes(bytes, (double)cell->predicted_bytes),
               cli_seconds(seconds, rounded(run->build_s[i])));
    for (uint32_t j = 0; j < cell->points; j++)
        printf("    %-52s about %-9s %s\n", cell->point[j].label, cli_seconds(seconds, rounded(run->seconds[i][1 + j])),
               state_word(run->state[i][j]));
}

static void print_plan(const leann_run *run)
{
    const leann_sweep *sweep = run->sweep;
    char seconds[32], bytes[32];
    totals t = totals_of(run);
    printf("%s: %s\n\n", sweep->stem, sweep->about);
    for (uint32_t i = 0; i < sweep->cells; i++) print_cell(run, i);
    if (sweep->left_outs) printf("\nleft out:\n");
    for (uint32_t i = 0; i < sweep->left_outs; i++) printf("%s\n    requires %s\n", sweep->left_out[i].label, sweep->left_out[i].reason);
    printf("\n%u points: %u to do, %u done, %u failed before; results in %s\n", run->points, run->todo, run->done, run->failed,
           run->folder);
    printf("estimate: %s with stages shared, indexes of %s in the cache (limit %g GB)\n", clock_of(seconds, ceil(t.seconds)),
           cli_bytes(bytes, (double)t.bytes), sweep->limits.cache_gb);
    printf("it rests on %.0f Gflop/s of products and %.0f of scans a thread, measured now", run->rates.product * 1e-9,
           run->rates.scan * 1e-9);
    if (run->corrected_by) printf(", and on %u earlier builds (x %.2f)", run->corrected_by, run->rates.correction);
    printf("; times may be off by a factor of two\n");
}

static leann_value *text_of(const char *text)
{
    return leann_value_new_text(text);
}

static leann_value *cell_value(const leann_run *run, uint32_t i)
{
    const leann_cell *cell = &run->sweep->cell[i];
    leann_value *map = leann_value_new_map(), *points = leann_value_new_list();
    leann_value_set(map, "cell", text_of(cell->label));
    leann_value_set(map, "data", text_of(run->sweep->data[cell->data]));
    leann_value_set(map, "config", leann_value_copy(cell->config));
    leann_value_set(map, "seed", leann_value_new_int((int64_t)cell->seed));
    leann_value_set(map, "predicted_bytes", leann_value_new_int((int64_t)cell->predicted_bytes));
    leann_value_set(map, "estimated_build_s", leann_value_new_real(run->build_s[i]));
    if (cell->refused) leann_value_set(map, "error", text_of(cell->error));
    for (uint32_t j = 0; j < cell->points; j++) {
        const leann_point *p = &cell->point[j];
        leann_value *point = leann_value_new_map();
        leann_value_set(point, "k", leann_value_new_int(p->k));
        leann_value_set(point, "query", leann_value_copy(p->query));
        leann_value_set(point, "target_recall", p->target > 0 ? leann_value_new_real(p->target) : leann_value_new_null());
        leann_value_set(point, "estimated_s", leann_value_new_real(run->seconds[i][1 + j]));
        leann_value_set(point, "state", text_of(state_word(run->state[i][j])));
        leann_value_append(points, point);
    }
    leann_value_set(map, "points", points);
    return map;
}

static void print_plan_json(const leann_run *run)
{
    totals t = totals_of(run);
    leann_value *map = leann_value_new_map(), *cells = leann_value_new_list(), *left = leann_value_new_list();
    for (uint32_t i = 0; i < run->sweep->cells; i++)
        if (run->sweep->cell[i].points) leann_value_append(cells, cell_value(run, i));
    for (uint32_t i = 0; i < run->sweep->left_outs; i++) {
        leann_value *entry = leann_value_new_map();
        leann_value_set(entry, "cell", text_of(run->sweep->left_out[i].label));
        leann_value_set(entry, "requires", text_of(run->sweep->left_out[i].reason));
        leann_value_append(left, entry);
    }
    leann_value_set(map, "sweep", text_of(run->sweep->stem));
    leann_value_set(map, "results", text_of(run->folder));
    leann_value_set(map, "cells", cells);
    leann_value_set(map, "left_out", left);
    leann_value_set(map, "points", leann_value_new_int(run->points));
    leann_value_set(map, "todo", leann_value_new_int(run->todo));
    leann_value_set(map, "done", leann_value_new_int(run->done));
    leann_value_set(map, "failed_before", leann_value_new_int(run->failed));
    leann_value_set(map, "estimated_s", leann_value_new_real(t.seconds));
    leann_value_set(map, "predicted_bytes", leann_value_new_int((int64_t)t.bytes));
    cli_print_json(map);
}

/* ---- running ------------------------------------------------------------------------------------------------------------------------ */

static void print_summary(cli *c, const leann_run *run, const leann_run_summary *sum)
{
    char seconds[32];
    if (cli_flag(c, "json")) {
        leann_value *map = leann_value_new_map();
        leann_value_set(map, "sweep", text_of(run->sweep->stem));
        leann_value_set(map, "results", text_of(run->folder));
        leann_value_set(map, "points", leann_value_new_int(run->points));
        leann_value_set(map, "measured", leann_value_new_int(sum->measured));
        leann_value_set(map, "failed", leann_value_new_int(sum->failed));
        leann_value_set(map, "skipped", leann_value_new_int(sum->skipped));
        leann_value_set(map, "left_out", leann_value_new_int(run->sweep->left_outs));
        leann_value_set(map, "interrupted", leann_value_new_bool(sum->interrupted));
        leann_value_set(map, "seconds", leann_value_new_real(sum->seconds));
        cli_print_json(map);
        return;
    }
    printf("%s: %u points measured, %u failed, %u from before", run->folder, sum->measured, sum->failed, sum->skipped);
    if (run->sweep->left_outs) printf(", %u cells or points left out by constraints (--dry-run names them)", run->sweep->left_outs);
    if (sum->interrupted) printf(", %u left: interrupted, run it again to go on", run->todo - sum->measured - sum->failed);
    printf("; took %s\n", clock_of(seconds, sum->seconds));
}

static leann_status run_sweep(cli *c, leann_ctx *ctx)
{
    leann_run *run = NULL;
    leann_run_summary sum = {0};
    screen s = {.quiet = cli_flag(c, "quiet"), .terminal = isatty(STDERR_FILENO) == 1};
    leann_run_options options = {.results = cli_text(c, "results"),
                                 .only = cli_text(c, "only"),
                                 .force = cli_flag(c, "force"),
                                 .retry = cli_flag(c, "retry"),
                                 .threads = (unsigned)cli_int(c, "threads")};
    leann_status status = leann_run_open(ctx, cli_word(c, 0), options, &run);
    if (status) return status;
    if (cli_flag(c, "dry-run")) {
        cli_flag(c, "json") ? print_plan_json(run) : print_plan(run);
    } else if (!(status = leann_run_go(ctx, run, heard, &s, &sum))) {
        wipe(&s);
        print_summary(c, run, &sum);
        if (sum.failed + run->failed > 0) c->exit_code = SOME_FAILED;
        if (sum.interrupted) c->exit_code = INTERRUPTED;
    }
    wipe(&s);
    leann_run_free(run);
    return status;
}

static leann_status run(cli *c)
{
    signal(SIGXFSZ, SIG_IGN);                                  /* a file size limit is a write error like a full disk */
    leann_ctx *one = leann_ctx_new(leann_ctx_seed(c->ctx), 1); /* workers are forked: no threads here */
    if (!one) return leann_fail(c->ctx, LEANN_ENOMEM, "out of memory");
    cli_progress_start(one, cli_flag(c, "quiet"));
    cli_signals_start(one);
    leann_status status = run_sweep(c, one);
    cli_signals_start(c->ctx);
    if (status) leann_fail(c->ctx, status, "%s", leann_ctx_error(one));
    leann_ctx_free(one);
    return status;
}

static const cli_option options[] = {
    {"dry-run", CLI_FLAG, NULL, "print every cell and point with predicted bytes and time, and what constraints leave out", NULL, 0, 0},
    {"results", CLI_TEXT, "DIR", "folder of the results (default results/<sweep>)", NULL, 0, 0},
    {"only", CLI_TEXT, "KEY=VALUE,…", "only the points that match; a key given twice means either value", NULL, 0, 0},
    {"force", CLI_FLAG, NULL, "measure again what is done, and build again", NULL, 0, 0},
    {"retry", CLI_FLAG, NULL, "try again what failed before", NULL, 0, 0},
    {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
    CLI_OPTION_END};

const cli_command cli_bench_run = {
    "bench run",
    "SWEEP",
    "run a sweep: build its cells, measure its points",
    "leann bench run quickstart\n"
    "leann bench run eval/sweeps/mnist_grid.yml --only selector=kmeans,k=10 --dry-run\n"
    "\n"
    "SWEEP is a stem of eval/sweeps/ or a path. Points that are done are skipped, so a stopped run goes on where it was. A cell that "
    "fails,\n"
    "crashes or meets a limit is a row with its error, tried again with --retry, --force or a higher limit; the exit code is 3 then.\n"
    "Ctrl-C stops after the query in hand; a second one stops at once. Keys of --only: method, data, seed, k, target_recall and any "
    "parameter\n"
    "(selector, build.anchors, query.probes, …).\n",
    1,
    1,
    options,
    run};
