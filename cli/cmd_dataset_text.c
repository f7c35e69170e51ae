/* cmd_dataset_text.c – leann dataset text: files and folders of text -> an ANN-benchmarks data set with its passages.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "datasets/text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    cli *c;
    uint64_t left[LEANN_LEFT_REASONS];
    double embed_s;
} account;

static bool is_input(const cli *c, const char *path)
{
    for (unsigned i = 0; i < c->words; i++)
        if (strcmp(c->word[i], path) == 0) return true;
    return false;
}

/* Of those that somebody may miss, each is named. */
static void note_left(void *arg, leann_left why, const char *path, uint64_t bytes)
{
    account *a = arg;
    char size[32];
    a->left[why]++;
    if (why == LEANN_LEFT_LARGE)
        cli_note(a->c, "%s: left out, %s is above --max-file-mb %" PRId64, path, cli_bytes(size, (double)bytes),
                 cli_int(a->c, "max-file-mb"));
    else if (why == LEANN_LEFT_UNREADABLE || why == LEANN_LEFT_DEEP || is_input(a->c, path))
        cli_note(a->c, "%s: left out, it is %s", path, leann_left_word(why));
}

/* ---- what it says -------------------------------------------------------------------------------------------------------- */

static leann_value *plan_value(const account *a, const leann_text_plan *p)
{
    leann_value *v = leann_value_new_map(), *left = leann_value_new_map();
    leann_value_set(v, "files", leann_value_new_int((int64_t)p->files));
    leann_value_set(v, "file_bytes", leann_value_new_int((int64_t)p->file_bytes));
    leann_value_set(v, "chunks", leann_value_new_int((int64_t)p->chunks));
    leann_value_set(v, "chunk_bytes", leann_value_new_int((int64_t)p->chunk_bytes));
    leann_value_set(v, "tokens", leann_value_new_int((int64_t)p->tokens));
    leann_value_set(v, "repeats", leann_value_new_int((int64_t)p->repeats));
    leann_value_set(v, "queries", leann_value_new_int(p->queries));
    leann_value_set(v, "kept", leann_value_new_int((int64_t)p->kept));
    leann_value_set(v, "sample_chunks", leann_value_new_int((int64_t)p->rate_chunks));
    leann_value_set(v, "sample_s", leann_value_new_real(p->rate_s));
    leann_value_set(v, "estimate_s", leann_value_new_real(p->left_s));
    leann_value_set(v, "embed_s", a->embed_s > 0 ? leann_value_new_real(a->embed_s) : leann_value_new_null());
    for (int i = 0; i < LEANN_LEFT_REASONS; i++)
        leann_value_set(left, leann_left_word((leann_left)i), leann_value_new_int((int64_t)a->left[i]));
    leann_value_set(v, "left_out", left);
    return v;
}

static void print_plan(const account *a, const leann_text_plan *p, const leann_encoder *encoder)
{
    char size[32], files[32], took[32], left[32];
    printf("%" PRIu64 " files (%s): %" PRIu64 " chunks, %s of text, %" PRIu64 " tokens; %" PRIu64 " repeats left out\n", p->files,
           cli_bytes(files, (double)p->file_bytes), p->chunks, cli_bytes(size, (double)p->chunk_bytes), p->tokens, p->repeats);
    const char *between = "left out: ";
    for (int i = 0; i < LEANN_LEFT_REASONS; i++) {
        if (a->left[i] == 0) continue;
        printf("%s%" PRIu64 " %s", between, a->left[i], leann_left_word((leann_left)i));
        between = ", ";
    }
    if (*between == ',') putchar('\n');
    if (p->kept) printf("%" PRIu64 " vectors kept of an interrupted run\n", p->kept);
    if (p->rate_chunks)
        printf("encoder %s: %" PRIu64 " chunks in %s, so about %s for the rest\n", encoder->type->common.name, p->rate_chunks,
               cli_seconds(took, p->rate_s), cli_seconds(left, p->left_s));
    fflush(stdout);
}

/* ---- the command --------------------------------------------------------------------------------------------------------- */

static leann_status embed(cli *c, account *a, leann_text_set *set)
{
    uint64_t start = leann_now_ns();
    leann_status status = leann_text_set_embed(set);
    a->embed_s = (double)(leann_now_ns() - start) * 1e-9;
    if (status != LEANN_OK) {
        cli_note(c, "the vectors made so far are kept in %s.partial; the same command goes on there", cli_text(c, "output"));
        return status;
    }
    return leann_text_set_write(set);
}

static leann_status run(cli *c)
{
    account a = {.c = c};
    leann_encoder *encoder = NULL;
    leann_text_set *set = NULL;
    char *config = NULL;
    const char *output = cli_text(c, "output");
    if (!output) return cli_usage(c, "--output is needed: the data set to make");
    leann_status status = cli_dataset_output(c, output);
    if (status != LEANN_OK) return status;
    if (cli_given(c, "queries") && cli_given(c, "split")) return cli_usage(c, "give --queries or --split, not both");
    if ((status = cli_encoder_open(c, &encoder, &config)) != LEANN_OK) goto done;
    leann_text_options options = {
        .inputs = c->word,
        .input_count = c->words,
        .output = output,
        .encoder = config,
        .queries = cli_text(c, "queries"),
        .split = (uint32_t)cli_int(c, "split"),
        .chunk_tokens = (uint32_t)cli_int(c, "chunk-tokens"),
        .walk = {.max_file_bytes = (uint64_t)cli_int(c, "max-file-mb") * 1000000, .left = note_left, .arg = &a},
        .no_text = cli_flag(c, "no-text"),
        .look = cli_flag(c, "dry-run"),
    };
    if ((status = leann_text_set_new(c->ctx, encoder, &options, &set)) != LEANN_OK) goto done;
    const leann_text_plan *plan = leann_text_set_plan(set);
    cli_progress_clear();
    if (!cli_flag(c, "json")) print_plan(&a, plan, encoder);
    if (plan->queries == 0) cli_note(c, "no queries: for benchmarks, give --queries FILE, or --split N to hold chunks out");
    if (!options.look) status = embed(c, &a, set);
    if (status != LEANN_OK) goto done;
    if (cli_flag(c, "json"))
        cli_print_json(plan_value(&a, plan));
    else if (!options.look)
        status = cli_dataset_describe(c, output);
done:
    leann_text_set_free(set);
    leann_encoder_free(encoder);
    leann_free(config);
    return status;
}

static const cli_option options[] = {
    {"output", CLI_TEXT, "X.hdf5", "the data set to make", NULL, 0, 0},
    CLI_ENCODER_OPTIONS,
    {"queries", CLI_TEXT, "FILE", "queries, one a line, or {\"text\": …} a line", NULL, 0, 0},
    {"split", CLI_INT, "N", "hold N chunks, drawn by --seed, out as the queries instead", NULL, 1, 2147483646.0},
    {"chunk-tokens", CLI_INT, "N", "tokens a chunk at most; 0: what the encoder takes, less the two marks", "0", 0, 1048576},
    {"max-file-mb", CLI_INT, "N", "leave out larger files, unless they are named themselves; 0: none", "64", 0, 1048576},
    {"no-text", CLI_FLAG, NULL, "refer to the files by path, range and hash instead of holding their text", NULL, 0, 0},
    {"dry-run", CLI_FLAG, NULL, "walk, cut and time a small batch, say what the rest will take, and stop", NULL, 0, 0},
    {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
    CLI_OPTION_END};
const cli_command cli_dataset_text = {
    "dataset text",
    "INPUT…",
    "cut files and folders of text into chunks, embed them, and make a data set with its passages",
    "leann dataset text docs src README.md --output mine.hdf5 --queries questions.txt\n"
    "leann dataset text src --output src.hdf5 --precision int8 --dry-run\n"
    "\nTaken: files in folders, in the order of their names, but for those that .gitignore files name (of the folder, below it, and above "
    "it\n"
    "up to the repository's root), symbolic links, version control, files above --max-file-mb, and binary ones: a NUL byte, or more than "
    "a\n"
    "tenth of the first 8 KiB no UTF-8. A file that is named itself is taken whatever its size and patterns.\n"
    "A chunk ends where the text's structure says: headings (Markdown, rst), functions, paragraphs, lines, sentences, words. It has at "
    "most\n"
    "254 tokens with the default model, and 16 KiB. The same text again is left out.\n"
    "A query may say where its answer lies: {\"text\": …, \"path\": …, \"first_line\": …, \"last_line\": …}, the path as seen from the "
    "file of\n"
    "queries; if so, all must, and the set says which chunks are relevant to each.\n"
    "Vectors are kept in X.hdf5.partial as they come: an interrupted run, given the same command, goes on where it was.\n"
    "X.hdf5 holds train, test, neighbors, distances; `language`, labels for stratified-kmeans: {group_by: language}; and the passages, "
    "from\n"
    "which {fetcher: passages} recomputes vectors. With --no-text a fetch fails, with the file's name, where a file has changed since.\n",
    1,
    UINT_MAX,
    options,
    run};
