/* cmd_bench_parts.c – `leann bench parts`: the library's building blocks on a data set, checked, then timed.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/simd/kernels.h"
#include "datasets/datasets.h"
#include "eval/parts_bench.h"

extern const cli_command cli_bench_parts;

/* ---- lists with commas ------------------------------------------------------------------------------------------------------ */

/* The next piece of a list into piece; false after the last. */
static bool next_piece(const char **list, char piece[32])
{
    if (!*list || !**list) return false;
    size_t length = strcspn(*list, ",");
    snprintf(piece, 32, "%.*s", (int)length, *list);
    *list += length + ((*list)[length] == ',');
    return true;
}

static leann_status take_parts(cli *c, bool only[LEANN_BENCH_PARTS])
{
    const char *list = cli_text(c, "only");
    char piece[32];
    for (int p = 0; !list && p < LEANN_BENCH_PARTS; p++) only[p] = true;
    while (next_piece(&list, piece)) {
        int p = 0;
        while (p < LEANN_BENCH_PARTS && strcmp(piece, leann_bench_part_words[p]) != 0) p++;
        if (p < LEANN_BENCH_PARTS) {
            only[p] = true;
            continue;
        }
        const char *nearest = leann_nearest_word(piece, leann_bench_part_words, LEANN_BENCH_PARTS);
        return nearest ? cli_usage(c, "no part '%s'; did you mean '%s'?", piece, nearest) : cli_usage(c, "no part '%s'", piece);
    }
    return LEANN_OK;
}

/* Numbers of at least `least` into out; *n of them. */
static leann_status take_numbers(cli *c, const char *option, double least, double most, double out[LEANN_PARTS_KS], unsigned *n)
{
    const char *list = cli_text(c, option);
    char piece[32], *end;
    for (*n = 0; next_piece(&list, piece); ++*n) {
        if (*n == LEANN_PARTS_KS) return cli_usage(c, "--%s has more than %d numbers", option, LEANN_PARTS_KS);
        out[*n] = strtod(piece, &end);
        if (end == piece || *end || !(out[*n] >= least && out[*n] <= most))
            return cli_usage(c, "--%s has '%s', which is no number from %g to %g", option, piece, least, most);
    }
    return LEANN_OK;
}

static leann_status take_options(cli *c, leann_parts_options *o)
{
    double k[LEANN_PARTS_KS];
    unsigned ks, inertias;
    *o = (leann_parts_options){.repeats = (unsigned)cli_int(c, "repeats"),
                               .rounds = (uint32_t)cli_int(c, "rounds"),
                               .sub_vectors = (uint32_t)cli_int(c, "sub-vectors"),
                               .top = (uint32_t)cli_int(c, "top"),
                               .scans = (uint32_t)cli_int(c, "scans"),
                               .queries = (uint32_t)cli_int(c, "queries")};
    leann_status status = take_parts(c, o->only);
    if (!status) status = take_numbers(c, "k", 1, 4294967294.0, k, &ks);
    if (!status) status = take_numbers(c, "inertia", 0, INFINITY, o->inertia, &inertias);
    if (status) return status;
    for (unsigned i = 0; i < ks; i++) o->k[i] = (uint32_t)k[i];
    return inertias > ks ? cli_usage(c, "--inertia has %u numbers for %u of --k", inertias, ks) : LEANN_OK;
}

/* ---- printing --------------------------------------------------------------------------------------------------------------- */

static leann_value *timing_value(const leann_part_timing *t)
{
    leann_value *v = leann_value_new_map(), *seconds = leann_value_new_map();
    leann_value_set(seconds, "median", leann_value_new_real(t->seconds));
    leann_value_set(seconds, "min", leann_value_new_real(t->least));
    leann_value_set(seconds, "max", leann_value_new_real(t->most));
    leann_value_set(v, "part", leann_value_new_text(t->part));
    leann_value_set(v, "about", leann_value_new_text(t->about));
    if (t->rounds) leann_value_set(v, "rounds", leann_value_new_int(t->rounds));
    leann_value_set(v, "seconds", seconds);
    leann_value_set(v, "rate", leann_value_new_real(t->rate));
    leann_value_set(v, "unit", leann_value_new_text(t->unit));
    if (*t->measure) leann_value_set(v, t->measure, leann_value_new_real(t->quality));
    return v;
}

static void print_json(cli *c, const leann_dataset *data, const leann_parts_report *report)
{
    leann_value *v = leann_value_new_map(), *list = leann_value_new_list();
    leann_value_set(v, "data", leann_value_new_text(cli_word(c, 0)));
    leann_value_set(v, "n", leann_value_new_int(data->train.n));
    leann_value_set(v, "d", leann_value_new_int(data->train.d));
    leann_value_set(v, "isa", leann_value_new_text(leann_kernels_get()->name));
    leann_value_set(v, "threads", leann_value_new_int(leann_ctx_threads(c->ctx)));
    leann_value_set(v, "repeats", leann_value_new_int(cli_int(c, "repeats")));
    for (size_t i = 0; i < report->n; i++) leann_value_append(list, timing_value(&report->timing[i]));
    leann_value_set(v, "parts", list);
    cli_print_json(v);
}

static void print_table(cli *c, const leann_dataset *data, const leann_parts_report *report)
{
    printf("%s: %u x %u, %s, %u threads; seconds: the median of %lld runs, the least and the most\n\n", cli_word(c, 0), data->train.n,
           data->train.d, leann_kernels_get()->name, leann_ctx_threads(c->ctx), (long long)cli_int(c, "repeats"));
    printf("%-24s%-38s%11s%11s%11s%13s  %-22s%s\n", "part", "", "seconds", "least", "most", "a second", "of", "quality");
    for (size_t i = 0; i < report->n; i++) {
        const leann_part_timing *t = &report->timing[i];
        printf("%-24s%-38s", t->part, t->about);
        if (isnan(t->seconds))
            printf("not reached\n");
        else if (isnan(t->quality))
            printf("%11.5g%11.5g%11.5g%13.5g  %s\n", t->seconds, t->least, t->most, t->rate, t->unit);
        else
            printf("%11.5g%11.5g%11.5g%13.5g  %-22s%s %.6g\n", t->seconds, t->least, t->most, t->rate, t->unit, t->measure, t->quality);
    }
}

static leann_status run(cli *c)
{
    leann_parts_options options;
    leann_parts_report report = {0};
    leann_dataset *data = NULL;
    leann_status status = take_options(c, &options);
    if (!status) status = leann_dataset_open(c->ctx, cli_word(c, 0), &data);
    if (!status) status = leann_parts_bench(c->ctx, data, &options, &report);
    cli_progress_clear();
    if (!status && cli_flag(c, "json"))
        print_json(c, data, &report);
    else if (!status)
        print_table(c, data, &report);
    leann_parts_report_free(&report);
    leann_dataset_free(data);
    return status;
}

static const cli_option options_table[] = {
    {"only", CLI_TEXT, "PART,…", "of peak, kmeans, pq, adc, fastscan and exact; all unless given", NULL, 0, 0},
    {"repeats", CLI_INT, "N", "runs whose median is taken", "5", 1, 1001},
    {"k", CLI_TEXT, "K,…", "kmeans: centroids", "245,2048", 0, 0},
    {"rounds", CLI_INT, "N", "kmeans: rounds", "20", 1, 1000000},
    {"inertia", CLI_TEXT, "X,…", "kmeans: time the fewest rounds that reach this too, one for each K", NULL, 0, 0},
    {"sub-vectors", CLI_INT, "N", "pq, adc, fastscan: parts a row is cut into; 0: as pq prefers", "0", 0, 65536},
    {"top", CLI_INT, "N", "adc, fastscan, exact: neighbours a query", "100", 1, 4294967294.0},
    {"scans", CLI_INT, "N", "adc, fastscan: queries of a run, the first of the data set's", "32", 1, 4294967294.0},
    {"queries", CLI_INT, "N", "exact: queries of a run; 0: all", "0", 0, 4294967294.0},
    {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
    CLI_OPTION_END};

const cli_command cli_bench_parts = {
    "bench parts",
    "DATA",
    "check and time the building blocks on a data set: k-means, pq, scans of codes, exact search",
    "  leann bench parts mnist-784-euclidean --threads 1\n"
    "  leann bench parts mnist-784-euclidean --only kmeans --k 245 --inertia 9.8e10 --json\n"
    "  leann bench parts my.hdf5 --only pq,adc,fastscan --sub-vectors 16 --repeats 9\n"
    "\n"
    "What a part answers is held against a plain computation first; one that differs is an error. Times are by the wall clock, on\n"
    "--threads workers: a scan's queries are shared out among them, each is one look-up table, n keys and the best --top of them.\n"
    "peak: multiply-adds in registers, what more threads can give at all.\n",
    1,
    1,
    options_table,
    run};
