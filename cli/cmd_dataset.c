/* cmd_dataset.c – leann dataset list | info | convert | groundtruth | synth | fetch (cmd_dataset_text.c: text).
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "datasets/datasets.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const ways[] = {
    [LEANN_MADE_HERE] = "made here", [LEANN_MADE_UP] = "made up", [LEANN_MADE_BY_PIP] = "made by pip", [LEANN_PUT_BY_USER] = "put by you"};

static bool space_of(cli *c, const char *word, leann_space *out, leann_status *status)
{
    static const char *const words[] = {"euclidean", "angular", "ip"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(word, words[i])) {
            *out = (leann_space)i;
            return true;
        }
    const char *nearest = leann_nearest_word(word, words, 3);
    *status = cli_usage(c, "distance \"%s\"; needs one of euclidean, angular, ip%s%s%s", word, nearest ? " (did you mean " : "",
                        nearest ? nearest : "", nearest ? "?)" : "");
    return false;
}

/* Grouped by threes: 1,183,514. */
static const char *grouped(char buffer[32], uint64_t n)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) buffer[at++] = ',';
        buffer[at++] = digits[i];
    }
    buffer[at] = 0;
    return buffer;
}

/* ---- list ------------------------------------------------------------------------------------------------------------------ */

static bool here(leann_ctx *ctx, const char *name, char path[1024])
{
    leann_status status = leann_dataset_find(ctx, name, path);
    if (status != LEANN_OK) leann_ctx_clear(ctx);
    return status == LEANN_OK;
}

static leann_status list(cli *c)
{
    char path[1024], folder[1024], n[32], q[32];
    leann_status status = leann_dataset_folder(c->ctx, folder);
    if (status != LEANN_OK) return status;
    leann_value *sets = leann_value_new_list();
    if (!cli_flag(c, "json")) printf("%-28s %10s %5s %8s  %-10s %-12s %s\n", "name", "rows", "dim", "queries", "distance", "how", "here");
    for (size_t i = 0; i < leann_catalogue_count(); i++) {
        const leann_catalogue_entry *e = leann_catalogue_at(i);
        bool is = here(c->ctx, e->name, path);
        if (!cli_flag(c, "json")) {
            printf("%-28s %10s %5u %8s  %-10s %-12s %s\n", e->name, grouped(n, e->n), e->d, grouped(q, e->queries), e->distance,
                   ways[e->way], is ? path : "no");
            continue;
        }
        leann_value *v = leann_value_new_map();
        leann_value_set(v, "name", leann_value_new_text(e->name));
        leann_value_set(v, "rows", leann_value_new_int(e->n));
        leann_value_set(v, "dimension", leann_value_new_int(e->d));
        leann_value_set(v, "queries", leann_value_new_int(e->queries));
        leann_value_set(v, "distance", leann_value_new_text(e->distance));
        leann_value_set(v, "how", leann_value_new_text(ways[e->way]));
        leann_value_set(v, "bytes", e->bytes ? leann_value_new_int((int64_t)e->bytes) : leann_value_new_null());
        leann_value_set(v, "sha256", e->sha256[0] ? leann_value_new_text(e->sha256) : leann_value_new_null());
        leann_value_set(v, "licence", leann_value_new_text(e->licence));
        leann_value_set(v, "about", leann_value_new_text(e->about));
        leann_value_set(v, "path", is ? leann_value_new_text(path) : leann_value_new_null());
        leann_value_append(sets, v);
    }
    if (cli_flag(c, "json")) {
        cli_print_json(sets);
        return LEANN_OK;
    }
    leann_value_free(sets);
    printf("\nData sets are made in %s; a file NAME.hdf5 put there is known by its name.\n"
           "\"made\" sets: `leann dataset fetch NAME`; \"put by you\": `leann dataset fetch NAME` says which file goes where.\n",
           folder);
    return LEANN_OK;
}

static const cli_option list_options[] = {{"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0}, CLI_OPTION_END};
const cli_command cli_dataset_list = {
    "dataset list",
    "",
    "the data sets known by name, and which are here",
    "leann dataset list\n"
    "\nData sets lie in $LEANN_DATA; else in datasets/ of the repository around the working folder or the program; else in\n"
    "$XDG_DATA_HOME/leann (~/.local/share/leann). All of these are searched, in this order; new ones go to the first.\n",
    0,
    0,
    list_options,
    list};

/* ---- info ------------------------------------------------------------------------------------------------------------------- */

static bool is_vectors(const char *path)
{
    static const char *const endings[] = {".fvecs", ".bvecs", ".ivecs", ".fbin", ".u8bin", ".i8bin",
                                          ".ibin",  ".npy",   "-ubyte", ".idx",  ".gz"};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (length > strlen(endings[i]) && !strcmp(path + length - strlen(endings[i]), endings[i])) return true;
    return false;
}

static void put_text(leann_value *v, const char *key, const char *text)
{
    leann_value_set(v, key, text[0] ? leann_value_new_text(text) : leann_value_new_null());
}

static leann_status info(cli *c)
{
    leann_dataset_info facts;
    leann_dataset *data = NULL;
    leann_dataset_sums sums = {{0}, {0}, {0}};
    struct stat file;
    char size[32];
    const char *name = cli_word(c, 0);
    bool vectors = is_vectors(name) && access(name, F_OK) == 0;
    leann_status status = vectors ? leann_dataset_sniff(c->ctx, name, &facts) : leann_dataset_peek(c->ctx, name, &facts);
    if (status == LEANN_OK && vectors && !cli_flag(c, "quick")) status = leann_dataset_scan(c->ctx, name);
    if (status == LEANN_OK && !vectors && !cli_flag(c, "quick")) {
        status = leann_dataset_open(c->ctx, facts.path, &data); /* checks every row */
        if (status == LEANN_OK) sums = *leann_dataset_checksums(data);
        leann_dataset_free(data);
    }
    if (status != LEANN_OK) return status;
    uint64_t bytes = stat(facts.path, &file) == 0 ? (uint64_t)file.st_size : 0;
    if (cli_flag(c, "json")) {
        leann_value *v = leann_value_new_map();
        put_text(v, vectors ? "format" : "name", facts.name);
        put_text(v, "path", facts.path);
        leann_value_set(v, "bytes", leann_value_new_int((int64_t)bytes));
        leann_value_set(v, "rows", leann_value_new_int(facts.n));
        leann_value_set(v, "dimension", leann_value_new_int(facts.d));
        put_text(v, "type", leann_dtype_word(facts.type));
        put_text(v, "distance", facts.distance);
        leann_value_set(v, "queries", leann_value_new_int(facts.queries));
        leann_value_set(v, "neighbors", leann_value_new_int(facts.gt_k));
        put_text(v, "train_sha256", sums.train);
        put_text(v, "test_sha256", sums.test);
        put_text(v, "neighbors_sha256", sums.neighbors);
        cli_print_json(v);
        return LEANN_OK;
    }
    printf("%-11s%s\n%-11s%s (%s)\n", vectors ? "format" : "name", facts.name, "file", facts.path, cli_bytes(size, (double)bytes));
    printf("%-11s%u x %u %s\n", "rows", facts.n, facts.d, leann_dtype_word(facts.type));
    if (vectors) return LEANN_OK;
    printf("%-11s%s\n%-11s%u, %u neighbours each\n", "distance", facts.distance, "queries", facts.queries, facts.gt_k);
    if (sums.train[0]) printf("%-11s%s\n", "sha256", sums.train);
    return LEANN_OK;
}

static const cli_option info_options[] = {{"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
                                          {"quick", CLI_FLAG, NULL, "look at the shape only, do not check the rows", NULL, 0, 0},
                                          CLI_OPTION_END};
const cli_command cli_dataset_info = {"dataset info",
                                      "NAME|FILE",
                                      "what a data set or a file of vectors holds, after checking it",
                                      "leann dataset info mnist-784-euclidean\nleann dataset info base.fvecs.gz\n",
                                      1,
                                      1,
                                      info_options,
                                      info};

/* ---- convert, groundtruth ---------------------------------------------------------------------------------------------------- */

leann_status cli_dataset_describe(cli *c, const char *path)
{
    leann_dataset_info facts;
    leann_status status = leann_dataset_peek(c->ctx, path, &facts);
    if (status == LEANN_OK)
        printf("%s: %u x %u %s, %s, %u queries with %u neighbours each\n", path, facts.n, facts.d, leann_dtype_word(facts.type),
               facts.distance, facts.queries, facts.gt_k);
    return status;
}

leann_status cli_dataset_output(cli *c, const char *path)
{
    size_t length = strlen(path);
    if ((length > 5 && !strcmp(path + length - 5, ".hdf5")) || (length > 3 && !strcmp(path + length - 3, ".h5"))) return LEANN_OK;
    return cli_usage(c, "the output %s must end in .hdf5", path);
}

static leann_status convert(cli *c)
{
    leann_status status = cli_dataset_output(c, cli_word(c, 1));
    const char *word = cli_text(c, "distance");
    leann_convert_options options = {.queries = cli_text(c, "queries"),
                                     .split = (uint32_t)cli_int(c, "split"),
                                     .any_space = !word,
                                     .ground_truth = !cli_flag(c, "no-groundtruth")};
    if (status != LEANN_OK || (word && !space_of(c, word, &options.space, &status))) return status;
    if (options.queries && options.split) return cli_usage(c, "give --queries or --split, not both");
    status = leann_dataset_convert(c->ctx, cli_word(c, 0), cli_word(c, 1), options);
    return status == LEANN_OK ? cli_dataset_describe(c, cli_word(c, 1)) : status;
}

static const cli_option convert_options[] = {
    {"queries", CLI_TEXT, "FILE", "the queries, in any of the formats", NULL, 0, 0},
    {"split", CLI_INT, "N", "draw N rows by --seed as the queries instead", NULL, 1, 2147483646.0},
    {"distance", CLI_TEXT, "D", "euclidean, angular or ip (an HDF5 file knows its own)", NULL, 0, 0},
    {"no-groundtruth", CLI_FLAG, NULL, "leave the exact neighbours out", NULL, 0, 0},
    CLI_OPTION_END};
const cli_command cli_dataset_convert = {
    "dataset convert",
    "IN OUT.hdf5",
    "turn a file of vectors into an ANN-benchmarks data set",
    "leann dataset convert base.fvecs sift.hdf5 --queries query.fvecs --distance euclidean\n"
    "leann dataset convert emb.npy emb.hdf5 --split 1000 --distance angular\n"
    "\nReads IDX (…-ubyte, .idx), .fvecs .bvecs .ivecs, .fbin .u8bin .i8bin .ibin, .npy and .hdf5, each also gzip-compressed (.gz).\n"
    "Bytes stay bytes; all else becomes float32. Rows stream through in blocks; the exact 100 neighbours are computed at the end.\n",
    2,
    2,
    convert_options,
    convert};

static leann_status groundtruth(cli *c)
{
    char path[1024];
    leann_status status = leann_dataset_find(c->ctx, cli_word(c, 0), path);
    if (status == LEANN_OK) status = leann_dataset_groundtruth(c->ctx, path);
    return status == LEANN_OK ? cli_dataset_describe(c, path) : status;
}

const cli_command cli_dataset_groundtruth = {
    "dataset groundtruth",
    "FILE.hdf5",
    "compute the exact neighbours of a data set anew",
    "leann dataset groundtruth sift.hdf5\n"
    "\nReplaces neighbors and distances; everything else in the file stays. The file is replaced in one step.\n",
    1,
    1,
    NULL,
    groundtruth};

/* ---- synth, fetch --------------------------------------------------------------------------------------------------------------- */

static void say_how_hard(const cli *c, const leann_synth_report *made)
{
    printf("%u clusters, centres at spread %.3g, intrinsic dimension %.1f; ivf with %u lists and one probe finds %.3f of the nearest 10\n",
           made->clusters, made->spread, made->intrinsic_dimension, made->lists, made->ivf_recall);
    if (made->easy)
        cli_note(c, "an easy set: one probe should find at most 0.6 of the nearest 10, and at no spread that was tried it did; "
                    "take more rows\n");
}

static leann_status synth(cli *c)
{
    leann_synth_options options = {(uint32_t)cli_int(c, "n"), (uint32_t)cli_int(c, "dim"), (uint32_t)cli_int(c, "queries"), LEANN_L2};
    leann_synth_report report;
    leann_status status = cli_dataset_output(c, cli_word(c, 0));
    if (status != LEANN_OK || !space_of(c, cli_text(c, "distance"), &options.space, &status)) return status;
    if (!cli_given(c, "n") || !cli_given(c, "dim")) return cli_usage(c, "--n and --dim are needed");
    if ((status = leann_dataset_synth(c->ctx, cli_word(c, 0), options, &report)) != LEANN_OK) return status;
    say_how_hard(c, &report);
    return cli_dataset_describe(c, cli_word(c, 0));
}

static const cli_option synth_options[] = {{"n", CLI_INT, "N", "rows", NULL, 1, 2147483647.0},
                                           {"dim", CLI_INT, "D", "dimension", NULL, 1, 65536},
                                           {"queries", CLI_INT, "Q", "queries", "1000", 0, 10000000},
                                           {"distance", CLI_TEXT, "D", "euclidean, angular or ip", "euclidean", 0, 0},
                                           CLI_OPTION_END};
const cli_command cli_dataset_synth = {"dataset synth",
                                       "OUT.hdf5",
                                       "make clustered data: sqrt n overlapping Zipf clusters on planes of 16 dimensions, plus noise",
                                       "leann dataset synth big.hdf5 --n 100000 --dim 768 --queries 1000 --seed 1\n",
                                       1,
                                       1,
                                       synth_options,
                                       synth};

static leann_status fetch(cli *c)
{
    char path[1024];
    leann_synth_report made;
    leann_status status = leann_dataset_fetch(c->ctx, cli_word(c, 0), path, &made);
    if (status == LEANN_OK && made.clusters) say_how_hard(c, &made);
    return status == LEANN_OK ? cli_dataset_describe(c, path) : status;
}

const cli_command cli_dataset_fetch = {"dataset fetch",
                                       "NAME",
                                       "make a data set of the catalogue, or say where its file goes",
                                       "leann dataset fetch mnist-784-euclidean\n",
                                       1,
                                       1,
                                       NULL,
                                       fetch};
