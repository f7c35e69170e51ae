/* cmd_bench_plot.c – `leann bench plot`: draws any two columns of a results folder's rows.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "eval/figures.h"

extern const cli_command cli_bench_plot;

static const cli_option options[] = {
    {"x", CLI_TEXT, "COL", "column of the horizontal axis", "recall", 0, 0},
    {"y", CLI_TEXT, "COL", "column of the vertical axis", "qps", 0, 0},
    {"by", CLI_TEXT, "COL", "column whose values are the series", "legend", 0, 0},
    {"only", CLI_TEXT, "KEY=VALUE,…", "only the rows that match; a key given twice means either value", NULL, 0, 0},
    {"log", CLI_TEXT, "x,y", "logarithmic axes: x, y or x,y", "", 0, 0},
    {"lines", CLI_FLAG, NULL, "join the points of a series, by ascending x", NULL, 0, 0},
    {"out", CLI_TEXT, "STEM", "writes STEM.svg, .pdf, .gp and .dat (default DIR/figures/plot_Y_X)", NULL, 0, 0},
    CLI_OPTION_END};

static leann_status run(cli *c)
{
    const char *axes = cli_text(c, "log"), *dir = cli_word(c, 0);
    leann_plot plot = {.x = cli_text(c, "x"), .y = cli_text(c, "y"), .by = cli_text(c, "by"), .lines = cli_flag(c, "lines")};
    leann_measures *m = NULL;
    leann_table *some = NULL, *seeds = NULL;
    char *out = NULL;
    if (strcmp(axes, "") && strcmp(axes, "x") && strcmp(axes, "y") && strcmp(axes, "x,y") && strcmp(axes, "y,x"))
        return cli_usage(c, "--log %s: x, y or x,y", axes);
    plot.x_log = strchr(axes, 'x') != NULL;
    plot.y_log = strchr(axes, 'y') != NULL;
    leann_status s = leann_measures_open_quick(c->ctx, dir, &m);
    if (!s) s = leann_table_only(leann_measures_table(m), cli_text(c, "only"), &some);
    if (!s) s = leann_compare_seeds(some, &seeds);
    if (!s && !(out = cli_text(c, "out") ? leann_format(c->ctx, "%s", cli_text(c, "out"))
                                         : leann_format(c->ctx, "%s/figures/plot_%s_%s", dir, plot.y, plot.x)))
        s = LEANN_ENOMEM;
    plot.out = out;
    if (!s) s = leann_figures_plot(c->ctx, seeds, &plot);
    if (!s) printf("%s.svg, .pdf, .gp and .dat\n", out);
    leann_table_free(some);
    leann_table_free(seeds);
    leann_measures_free(m);
    leann_free(out);
    return s;
}

const cli_command cli_bench_plot = {
    "bench plot",
    "DIR",
    "draw any two columns of a results folder, as SVG and PDF",
    "leann bench plot results/quickstart --x fetches --y recall --by selector --only method=anchor,k=10\n"
    "leann bench plot results/quickstart --x index_bytes --y build_s --log x,y --out figures/build\n\n"
    "Columns are those of summary.csv. Rows that differ in seed alone are one point, their mean; rows that failed are left out.\n",
    1,
    1,
    options,
    run};
