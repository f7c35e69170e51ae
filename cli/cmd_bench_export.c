/* cmd_bench_export.c – `leann bench export`: a results folder as ANN-benchmarks' own scripts read it.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/cli.h"
#include "eval/annb.h"

extern const cli_command cli_bench_export;

static const cli_option options[] = {
    {"ann-benchmarks", CLI_TEXT, "OUT", "folder that gets <dataset>/<k>/<algo>/<args>.hdf5: ANN-benchmarks' results/", NULL, 0, 0},
    {"only", CLI_TEXT, "KEY=VALUE,…", "only the rows that match; a key given twice means either value", NULL, 0, 0},
    CLI_OPTION_END};

static leann_status run(cli *c)
{
    leann_measures *m = NULL;
    leann_table *some = NULL;
    const char *out = cli_text(c, "ann-benchmarks");
    size_t written = 0;
    if (!out) return cli_usage(c, "say where to: --ann-benchmarks OUT");
    leann_status s = leann_measures_open(c->ctx, cli_word(c, 0), &m);
    if (!s) s = leann_table_only(leann_measures_table(m), cli_text(c, "only"), &some);
    if (!s) s = leann_annb_export(m, some, out, &written);
    if (!s) printf("%s: %zu result files\n", out, written);
    leann_table_free(some);
    leann_measures_free(m);
    return s;
}

const cli_command cli_bench_export = {"bench export",
                                      "DIR",
                                      "write results as ANN-benchmarks' own scripts read them",
                                      "leann bench export results/annb --ann-benchmarks ann-benchmarks/results\n\n"
                                      "Its readers pair answers with queries by position, so a sweep to export says `split: no`: every "
                                      "test row is searched, in file order.\n",
                                      1,
                                      1,
                                      options,
                                      run};
