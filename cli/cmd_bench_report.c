/* cmd_bench_report.c – `leann bench report`: measures a results folder and writes its tables, figures and report.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "eval/measures.h"
#include "eval/report.h"

extern const cli_command cli_bench_report;

static const cli_option options[] = {{"format", CLI_TEXT, "html|md|csv|json",
                                      "print this one to standard output and write no file (default: write all, figures too)", NULL, 0, 0},
                                     CLI_OPTION_END};

static leann_status print(cli *c, leann_measures *m, const char *format)
{
    leann_report_options o = {.command = cli_word(c, 0)};
    if (!strcmp(format, "html") || !strcmp(format, "md")) return leann_report_print(m, o, !strcmp(format, "html"), stdout);
    cli_print_table(leann_measures_table(m), format);
    return LEANN_OK;
}

static leann_status run(cli *c)
{
    const char *format = cli_text(c, "format");
    leann_measures *m = NULL;
    leann_report_options o = {.command = cli_word(c, 0)};
    if (format && strcmp(format, "html") && strcmp(format, "md") && strcmp(format, "csv") && strcmp(format, "json"))
        return cli_usage(c, "--format %s: one of html, md, csv, json", format);
    leann_status s = leann_measures_open(c->ctx, cli_word(c, 0), &m);
    if (s) goto done;
    s = format ? print(c, m, format) : leann_report_write(m, o);
    if (!s && !format)
        printf("%s: summary.csv, summary.json, report.md, report.html and figures/ of %zu rows\n", cli_word(c, 0),
               leann_table_rows(leann_measures_table(m)));
done:
    leann_measures_free(m);
    return s;
}

const cli_command cli_bench_report = {
    "bench report",
    "DIR",
    "measure a results folder and write its tables, figures and report",
    "leann bench report results/quickstart\nleann bench report results/quickstart --format csv > rows.csv\n\n"
    "Measures are computed from DIR/raw and the data set. Without raw files, DIR/summary.csv is taken. Figures need gnuplot; where it\n"
    "is missing everything else is still written, and the exit code is 1.\n",
    1,
    1,
    options,
    run};
