/* cmd_advise.c – `leann advise`: which measured way of searching fits so many vectors, bytes, a recall and an encoder; and the map of where
 * each is the fastest.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "eval/advise.h"

extern const cli_command cli_advise;

static const cli_option options[] = {{"n", CLI_REAL, "N", "vectors to be searched", "100000", 1, 4294967294.0},
                                     {"d", CLI_INT, "D", "their dimension: rows of another one do not count (0: any)", "0", 0, 1000000},
                                     {"k", CLI_INT, "K", "answers a query: rows of another k do not count (0: any)", "0", 0, 1000000},
                                     {"recall", CLI_REAL, "R", "recall that is needed", "0.95", 0, 1},
                                     {"budget", CLI_REAL, "BYTES", "most bytes of the index, say 4e6 (0: any)", "0", 0, 0},
                                     {"encoder-ms", CLI_REAL, "T", "milliseconds that embedding one passage takes", "10", 0, 1e6},
                                     {"top", CLI_INT, "N", "rows shown", "5", 1, 1000},
                                     {"map", CLI_FLAG, NULL, "the fastest by bytes a vector and encoder milliseconds, instead", NULL, 0, 0},
                                     {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
                                     CLI_OPTION_END};

/* Summaries one under the other, with the folder of each row. */
static leann_status load(cli *c, leann_table **out)
{
    leann_table *all = leann_table_new(c->ctx);
    leann_status status = all ? LEANN_OK : LEANN_ENOMEM;
    for (unsigned i = 0; i < (c->words ? c->words : 1) && !status; i++) {
        const char *folder = c->words ? cli_word(c, i) : "results/recompute";
        char path[4096];
        leann_table *one = NULL;
        if (snprintf(path, sizeof path, "%s/summary.csv", folder) >= (int)sizeof path)
            status = leann_fail(c->ctx, LEANN_EINVAL, "%s: a path of more than %zu bytes", folder, sizeof path - 1);
        if (!status) status = leann_table_load_csv(c->ctx, path, &one);
        for (size_t row = 0; !status && row < leann_table_rows(one); row++)
            leann_table_set_text(all, leann_table_copy_row(all, one, row), "folder", folder);
        leann_table_free(one);
    }
    if (!status) status = leann_table_check(all);
    if (status) leann_table_free(all);
    *out = status ? NULL : all;
    return status;
}

static leann_wish wish_of(const cli *c)
{
    const double budget = cli_real(c, "budget");
    return (leann_wish){.n = cli_real(c, "n"),
                        .d = (uint32_t)cli_int(c, "d"),
                        .k = (uint32_t)cli_int(c, "k"),
                        .recall = cli_real(c, "recall"),
                        .bytes = budget > 0 ? budget : INFINITY,
                        .encoder_ms = cli_real(c, "encoder-ms")};
}

static void put(leann_table *to, const leann_table *t, const leann_advice *a)
{
    static const char *const texts[] = {"folder", "cell", "point"}, *const numbers[] = {"recall", "recomputes", "n", "d", "k"};
    const size_t row = leann_table_add_row(to);
    leann_table_set(to, row, "modelled ms", a->ms);
    leann_table_set(to, row, "bytes", a->bytes);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        leann_table_set(to, row, numbers[i], leann_table_get(t, a->row, numbers[i]));
    leann_table_set(to, row, "measured ms", leann_table_get(t, a->row, "mean_ms"));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        leann_table_set_text(to, row, texts[i], leann_table_text(t, a->row, texts[i]));
}

static leann_status best(cli *c, const leann_table *t, leann_advice *advice, leann_table *to)
{
    const leann_wish wish = wish_of(c);
    const size_t found = leann_advise(t, &wish, advice), top = (size_t)cli_int(c, "top");
    if (found == 0)
        return leann_fail(c->ctx, LEANN_ENOTFOUND,
                          "none of %zu measured rows has recall %g in %g bytes for %.0f vectors; with another recall or budget some may",
                          leann_table_rows(t), wish.recall, wish.bytes, wish.n);
    for (size_t i = 0; i < found && i < top; i++) put(to, t, &advice[i]);
    return leann_table_check(to);
}

/* The method of a row, and its quantiser where it has one. */
static void name_of(const leann_table *t, size_t row, char *out, size_t size)
{
    const char *method = leann_table_text(t, row, "method"), *quantizer = leann_table_text(t, row, "quantizer");
    snprintf(out, size, "%s%s%s", method, *quantizer ? " " : "", quantizer);
}

static leann_status map(cli *c, const leann_table *t, leann_advice *advice, leann_table *to)
{
    static const double bytes[] = {16, 24, 32, 40, 48, 64, 96, 128, 256, 512, 1024, 2048}, ms[] = {0.01, 0.1, 1, 3, 10, 30, 100, 300};
    for (size_t b = 0; b < sizeof bytes / sizeof *bytes; b++) {
        const size_t row = leann_table_add_row(to);
        leann_table_set(to, row, "bytes a vector, at most", bytes[b]);
        for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
            leann_wish wish = wish_of(c);
            char column[64], name[128] = "–";
            wish.bytes = bytes[b] * wish.n;
            wish.encoder_ms = ms[i];
            snprintf(column, sizeof column, "%g ms", ms[i]);
            if (leann_advise(t, &wish, advice) > 0) name_of(t, advice[0].row, name, sizeof name);
            leann_table_set_text(to, row, column, name);
        }
    }
    return leann_table_check(to);
}

static leann_status run(cli *c)
{
    leann_table *t = NULL, *to = NULL;
    leann_advice *advice = NULL;
    leann_status status = load(c, &t);
    if (!status && (!(to = leann_table_new(c->ctx)) || !(advice = leann_alloc(c->ctx, leann_table_rows(t) + 1, sizeof *advice))))
        status = LEANN_ENOMEM;
    if (!status) status = cli_flag(c, "map") ? map(c, t, advice, to) : best(c, t, advice, to);
    if (!status) cli_print_table(to, cli_flag(c, "json") ? "json" : "md");
    leann_table_free(t);
    leann_table_free(to);
    leann_free(advice);
    return status;
}

const cli_command cli_advise = {
    "advise",
    "[FOLDER …]",
    "say which measured way of searching fits a number of vectors, bytes, a recall and an encoder",
    "leann advise --n 1e6 --d 384 --k 3 --budget 40e6 --recall 0.95 --encoder-ms 12\n"
    "leann advise results/recompute results/text --map --k 3 --recall 0.95\n\n"
    "Rows come from the summary.csv of results folders (default: results/recompute). Bytes are as many a vector as measured.\n"
    "Times are modelled: the measured time of a query, times n over the n measured where n is more, and recomputations times\n"
    "--encoder-ms; recall and recomputations are those measured.\n",
    0,
    64,
    options,
    run};
