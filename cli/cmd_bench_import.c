/* cmd_bench_import.c – `leann bench import`: results of other programs and published points as rows of a results folder.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "eval/annb.h"

extern const cli_command cli_bench_import;

static const cli_option options[] = {
    {"into", CLI_TEXT, "DIR", "the results folder whose reports and figures get the rows", NULL, 0, 0},
    {"data", CLI_TEXT, "NAME|FILE", "the data set of the result files, where it is not found by the name they state", NULL, 0, 0},
    CLI_OPTION_END};

static leann_status import_one(cli *c, const char *path, leann_table *rows)
{
    const char *dot = strrchr(path, '.');
    if (dot && !strcmp(dot, ".csv")) return leann_published_import(c->ctx, path, rows);
    if (dot && (!strcmp(dot, ".hdf5") || !strcmp(dot, ".h5"))) return leann_annb_import(c->ctx, path, cli_text(c, "data"), rows);
    return leann_fail(c->ctx, LEANN_EUNSUPPORTED, "%s: takes ANN-benchmarks result files (.hdf5) and published points (.csv)", path);
}

static leann_status run(cli *c)
{
    const char *into = cli_text(c, "into");
    if (!into) return cli_usage(c, "say where to: --into DIR");
    leann_table *rows = leann_table_new(c->ctx);
    leann_status s = rows ? LEANN_OK : LEANN_ENOMEM;
    for (unsigned i = 0; i < c->words && !s; i++) s = import_one(c, cli_word(c, i), rows);
    if (!s) s = leann_imported_add(c->ctx, into, rows);
    if (!s) printf("%s/imported.csv: %zu rows from %u files\n", into, leann_table_rows(rows), c->words);
    leann_table_free(rows);
    return s;
}

const cli_command cli_bench_import = {
    "bench import",
    "FILE…",
    "take results of other programs and published points into a results folder",
    "leann bench import ann-benchmarks/results/mnist-784-euclidean/10/hnswlib/*.hdf5 --into results/quickstart\n"
    "leann bench import published.csv --into results/quickstart\n\n"
    "A CSV has columns of summary.csv, at least dataset, method, k and recall; its rows are labelled published.\n",
    1,
    100000,
    options,
    run};
