/* args.c – options and words of a command by its table, and the help that the table makes.
 *
 * Differs from getopt_long: no abbreviations (a script written today must not break when an option is added), and a wrong name is
 * answered with the nearest one.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option common[] = {{"seed", CLI_INT, "N", "master seed: all randomness comes from it", "1", 0, 9007199254740992.0},
                                    {"threads", CLI_INT, "N", "workers for builds; 0: one a processor", "0", 0, 1024},
                                    {"quiet", CLI_FLAG, NULL, "no progress and no notes on standard error", NULL, 0, 0},
                                    {"help", CLI_FLAG, NULL, "this text", NULL, 0, 0},
                                    CLI_OPTION_END};
enum { MAX_OPTIONS = 64 };

static const cli_option *find_in(const cli_option *table, const char *name, size_t length)
{
    for (const cli_option *o = table; o && o->name; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0) return o;
    return NULL;
}

static const cli_option *find_option(const cli *c, const char *name, size_t length)
{
    const cli_option *o = find_in(c->command->options, name, length); /* its own first: it may replace a common one */
    return o ? o : find_in(common, name, length);
}

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

static leann_status unknown_option(cli *c, const char *given)
{
    const char *names[MAX_OPTIONS];
    size_t n = 0;
    for (const cli_option *o = c->command->options; o && o->name && n < MAX_OPTIONS; o++) names[n++] = o->name;
    for (const cli_option *o = common; o->name && n < MAX_OPTIONS; o++) names[n++] = o->name;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(given, "="), given);
    const char *nearest = leann_nearest_word(name, names, n);
    if (nearest) return cli_usage(c, "unknown option --%s; did you mean --%s?", name, nearest);
    return cli_usage(c, "unknown option --%s", name);
}

static leann_status add_given(cli *c, const cli_option *o, const char *text)
{
    double number = 0;
    if (o->type == CLI_INT || o->type == CLI_REAL) {
        char *end;
        errno = 0;
        number = strtod(text, &end);
        if (end == text || *end || errno || !isfinite(number) || (o->type == CLI_INT && number != floor(number)))
            return cli_usage(c, "--%s is '%s', but must be %s", o->name, text, o->type == CLI_INT ? "an integer" : "a number");
        if ((o->min != 0 || o->max != 0) && (number < o->min || number > o->max))
            return cli_usage(c, "--%s is %.16g, but must be between %.16g and %.16g", o->name, number, o->min, o->max);
    }
    c->given[c->givens].option = o;
    c->given[c->givens].text = text;
    c->given[c->givens++].number = number;
    return LEANN_OK;
}

/* A leading '-' makes an option, unless what follows is a number or nothing ("-" is standard input). */
static bool is_option(const char *text)
{
    if (text[0] != '-' || !text[1]) return false;
    char *end;
    strtod(text, &end);
    return end == text || *end;
}

static leann_status take_option(cli *c, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + (argv[*at][1] == '-' ? 2 : 1), *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    if (length == 1 && *name == 'h') name = "help", length = 4;
    const cli_option *o = find_option(c, name, length);
    if (!o) return unknown_option(c, name);
    if (o->type == CLI_FLAG)
        return equals ? cli_usage(c, "--%s takes no argument, but got '%s'", o->name, equals + 1) : add_given(c, o, "yes");
    if (equals) return add_given(c, o, equals + 1);
    if (*at + 1 >= argc) return cli_usage(c, "--%s needs an argument: %s", o->name, o->argument);
    return add_given(c, o, argv[++*at]);
}

static leann_status take_all(cli *c, int argc, char **argv)
{
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        leann_status status = LEANN_OK;
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (!only_words && is_option(argv[i]))
            status = take_option(c, argc, argv, &i);
        else
            c->word[c->words++] = argv[i];
        if (status) return status;
    }
    if (cli_flag(c, "help")) return LEANN_OK;
    if (c->words < c->command->least)
        return cli_usage(c, "%u of at least %u words given: %s", c->words, c->command->least, c->command->words);
    if (c->words > c->command->most) return cli_usage(c, "one word too many: '%s'", c->word[c->command->most]);
    return LEANN_OK;
}

int cli_parse(cli *c, int argc, char **argv)
{
    c->word = calloc((size_t)argc + 1, sizeof *c->word);
    c->given = calloc((size_t)argc + 1, sizeof *c->given);
    if (!c->word || !c->given) {
        fprintf(stderr, "leann: memory ran out\n");
        return 2;
    }
    if (take_all(c, argc, argv)) return c->exit_code + 1;
    if (!cli_flag(c, "help")) return 0;
    cli_help(c->command);
    return 1;
}

leann_status cli_usage(cli *c, const char *format, ...)
{
    cli_progress_clear();
    fprintf(stderr, "leann %s: ", c->command->name);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: leann %s%s%s [options] (leann %s --help tells more)\n", c->command->name, *c->command->words ? " " : "",
            c->command->words, c->command->name);
    c->exit_code = 2;
    return LEANN_EINVAL;
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

const char *cli_word(const cli *c, unsigned i)
{
    return i < c->words ? c->word[i] : NULL;
}

/* The last one given under the name, or -1. */
static int last_given(const cli *c, const cli_option *o)
{
    for (int i = (int)c->givens - 1; i >= 0; i--)
        if (c->given[i].option == o) return i;
    return -1;
}

static const cli_option *known(const cli *c, const char *name)
{
    const cli_option *o = find_option(c, name, strlen(name));
    assert(o);
    return o;
}

bool cli_given(const cli *c, const char *name)
{
    return last_given(c, known(c, name)) >= 0;
}
bool cli_flag(const cli *c, const char *name)
{
    return cli_given(c, name);
}

double cli_real(const cli *c, const char *name)
{
    const cli_option *o = known(c, name);
    int i = last_given(c, o);
    return i >= 0 ? c->given[i].number : o->preset ? strtod(o->preset, NULL) : 0;
}

int64_t cli_int(const cli *c, const char *name)
{
    return (int64_t)cli_real(c, name);
}

const char *cli_text(const cli *c, const char *name)
{
    const cli_option *o = known(c, name);
    int i = last_given(c, o);
    return i >= 0 ? c->given[i].text : o->preset;
}

const char *cli_list(const cli *c, const char *name, unsigned i)
{
    const cli_option *o = known(c, name);
    for (unsigned j = 0; j < c->givens; j++)
        if (c->given[j].option == o && i-- == 0) return c->given[j].text;
    return NULL;
}

/* ---- help ------------------------------------------------------------------------------------------------------------------ */

/* In characters: "…" is three bytes and one column. */
static size_t columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_options(const cli_option *table, const cli_option *unless)
{
    for (const cli_option *o = table; o && o->name; o++) {
        char left[64];
        if (unless && find_in(unless, o->name, strlen(o->name))) continue;
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        size_t wide = columns(left);
        printf("  %s%*s%s", left, wide > 25 ? 0 : (int)(26 - wide), "", wide > 25 ? "\n                            " : "");
        printf("%s", o->help);
        if (o->type == CLI_LIST) printf(" (may be repeated)");
        if (o->preset && *o->preset) printf(" (default %s)", o->preset);
        putchar('\n');
    }
}

void cli_help(const cli_command *command)
{
    bool own = command->options && command->options->name;
    printf("leann %s – %s\n\nusage: leann %s%s%s [options]\n", command->name, command->about, command->name, *command->words ? " " : "",
           command->words);
    printf("\noptions:\n");
    if (own) print_options(command->options, NULL);
    print_options(common, own ? command->options : NULL);
    if (command->more) printf("\nexamples:\n");
    for (const char *line = command->more; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
        printf("%s%.*s\n", strncmp(line, "leann ", 6) == 0 ? "  " : "", (int)strcspn(line, "\n"), line);
}

/* ---- printing -------------------------------------------------------------------------------------------------------------- */

void cli_print_json(leann_value *v)
{
    char *text = leann_value_json(v, false, 2);
    puts(text ? text : "null");
    leann_free(text);
    leann_value_free(v);
}

void cli_print_table(const leann_table *t, const char *format)
{
    if (!strcmp(format, "csv"))
        leann_table_write_csv(t, stdout);
    else if (!strcmp(format, "json"))
        cli_print_json(leann_table_json(t));
    else
        leann_table_write_markdown(t, stdout);
}

char *cli_bytes(char buffer[32], double bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    int unit = 0;
    for (; bytes >= 999.95 && unit < 4; unit++) bytes /= 1000;
    snprintf(buffer, 32, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return buffer;
}

char *cli_seconds(char buffer[32], double seconds)
{
    long long whole = (long long)(seconds + 0.5);
    if (seconds < 1e-3)
        snprintf(buffer, 32, "%.1f µs", seconds * 1e6);
    else if (seconds < 1)
        snprintf(buffer, 32, "%.2f ms", seconds * 1e3);
    else if (seconds < 60)
        snprintf(buffer, 32, "%.2f s", seconds);
    else if (whole < 3600)
        snprintf(buffer, 32, "%lld:%02lld", whole / 60, whole % 60);
    else
        snprintf(buffer, 32, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
    return buffer;
}

void cli_note(const cli *c, const char *format, ...)
{
    if (cli_flag(c, "quiet")) return;
    cli_progress_clear();
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}
