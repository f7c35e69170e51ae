/* main.c – the program `leann`: finds the command, runs it, prints what failed. Exit codes: 0 done, 1 failed, 2 wrong usage; of
 * `bench run` also 3, all is done but some points failed (their rows say why), and 130, stopped by Ctrl-C with what is done kept.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "core/simd/kernels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLI_COMMAND(word) extern const cli_command cli_##word;
#include "cli/commands.def"
#undef CLI_COMMAND

static const cli_command *const table[] = {
#define CLI_COMMAND(word) &cli_##word,
#include "cli/commands.def"
#undef CLI_COMMAND
};
enum { COMMANDS = sizeof table / sizeof table[0] };

/* How many of argv's words make the command's name: 0 when they do not, or not all of them. */
static int words_of(const cli_command *command, int argc, char **argv)
{
    const char *name = command->name;
    for (int used = 0;; used++) {
        size_t length = strcspn(name, " ");
        if (used >= argc || strlen(argv[used]) != length || memcmp(argv[used], name, length) != 0) return 0;
        if (!name[length]) return used + 1;
        name += length + 1;
    }
}

static bool in_group(const cli_command *command, const char *group)
{
    size_t length = strlen(group);
    return strncmp(command->name, group, length) == 0 && command->name[length] == ' ';
}

static void list_commands(FILE *to, const char *group)
{
    fprintf(to, "leann – storage-saving vector search: build, search and compare indexes that do not keep every embedding\n\n"
                "usage: leann COMMAND …        leann COMMAND --help        leann --version\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        if (!group || in_group(table[i], group)) fprintf(to, "  %-22s%s\n", table[i]->name, table[i]->about);
}

static int unknown_command(int argc, char **argv, bool help)
{
    const char *names[COMMANDS], *given = argv[0];
    size_t n = 0;
    bool group = false;
    for (size_t i = 0; i < COMMANDS; i++) group |= in_group(table[i], given);
    if (group && (argc == 1 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        list_commands(argc == 1 && !help ? stderr : stdout, given);
        return argc == 1 && !help ? 2 : 0;
    }
    char two[256];
    snprintf(two, sizeof two, group ? "%s %s" : "%s", given, argc > 1 ? argv[1] : "");
    for (size_t i = 0; i < COMMANDS; i++)
        if (!group || in_group(table[i], given)) names[n++] = table[i]->name;
    const char *nearest = leann_nearest_word(two, names, n);
    if (!nearest && !group && argc > 1) { /* "datasets convert" */
        snprintf(two, sizeof two, "%s %s", given, argv[1]);
        nearest = leann_nearest_word(two, names, n);
    }
    fprintf(stderr, "leann: unknown %s '%s'", *given == '-' ? "option" : "command", two);
    if (nearest) fprintf(stderr, "; did you mean '%s'?", nearest);
    fprintf(stderr, "\n`leann --help` lists the commands\n");
    return 2;
}

/* A result at another level than the one asked for would be taken for what it is not. */
static bool level_runs_here(void)
{
    const char *wish = getenv("LEANN_ISA");
    if (!wish || !*wish || leann_kernels_named(wish)) return true;
    fprintf(stderr, "leann: LEANN_ISA is '%s', but this machine runs", wish);
    const char *between = " ";
    for (const char *const *name = leann_kernels_best_first; *name; name++) {
        if (!leann_kernels_named(*name)) continue;
        fprintf(stderr, "%s%s", between, *name);
        between = ", ";
    }
    fprintf(stderr, "\n");
    return false;
}

static int run_command(const cli_command *command, int argc, char **argv)
{
    cli c = {.command = command};
    int end = cli_parse(&c, argc, argv);
    if (end) {
        c.exit_code = end - 1;
        goto done;
    }
    if (!level_runs_here()) {
        c.exit_code = 2;
        goto done;
    }
    c.ctx = leann_ctx_new((uint64_t)cli_int(&c, "seed"), (unsigned)cli_int(&c, "threads"));
    if (!c.ctx) {
        fprintf(stderr, "leann: memory ran out\n");
        c.exit_code = 1;
        goto done;
    }
    cli_progress_start(c.ctx, cli_flag(&c, "quiet"));
    cli_signals_start(c.ctx);
    leann_status status = command->run(&c);
    cli_signals_stop();
    cli_progress_clear();
    if (status && c.exit_code != 2) {
        const char *sentence = leann_ctx_error(c.ctx);
        fprintf(stderr, "leann %s: %s\n", command->name, *sentence ? sentence : leann_status_word(status));
        c.exit_code = 1;
    }
    leann_ctx_free(c.ctx);
done:
    free(c.word);
    free(c.given);
    return c.exit_code;
}

static int dispatch(int argc, char **argv)
{
    bool help = false;
    if (argc > 0 && strcmp(argv[0], "help") == 0) {
        help = true;
        argc--, argv++;
    }
    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        list_commands(argc == 0 && !help ? stderr : stdout, NULL);
        return argc == 0 && !help ? 2 : 0;
    }
    if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "version") == 0) {
        printf("leann %d.%d.%d\n", LEANN_VERSION_MAJOR, LEANN_VERSION_MINOR, LEANN_VERSION_PATCH);
        return 0;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        int used = words_of(table[i], argc, argv);
        if (used == 0) continue;
        if (!help) return run_command(table[i], argc - used, argv + used);
        cli_help(table[i]);
        return 0;
    }
    return unknown_command(argc, argv, help);
}

int main(int argc, char **argv)
{
    int code = dispatch(argc - 1, argv + 1);
    errno = 0;
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "leann: cannot write to standard output: %s\n", strerror(errno ? errno : EIO));
        if (code == 0) code = 1;
    }
    return code;
}
