/* cli.h – how a command of the program `leann` is declared, and what it may call.
 *
 * To add a command: a file cli/cmd_<word>.c with one exported `const cli_command cli_<word>`, and one line CLI_COMMAND(<word>) in
 * commands.def, in the order in which `leann --help` lists them. "dataset convert" is cli_dataset_convert. Nothing else: names of
 * options, their arguments, ranges and help come from the table below.
 *
 *     static const cli_option options[] = {
 *         {"k", CLI_INT, "N", "answers a query", "10", 1, 4294967294.0},
 *         {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
 *         CLI_OPTION_END};
 *     static leann_status run(cli *c)
 *     {
 *         leann_status status = leann_dataset_open(c->ctx, cli_word(c, 0), &data);    (the first word after the command)
 *         … cli_int(c, "k") … cli_flag(c, "json") … printf(…) … return status;
 *     }
 *     const cli_command cli_search = {"search", "INDEX DATA", "search an index with a data set's queries", "leann search a.leann b.hdf5\n",
 *                                     2, 2, options, run};
 *
 * A command returns a status: main prints the context's sentence as "leann search: …" and exits with 1. Wrong usage
 * (cli_usage) exits with 2. Every command has --help, --quiet, --seed and --threads besides; c->ctx is made with the last two, shows
 * progress on standard error and is cancelled by Ctrl-C.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_CLI_H
#define LEANN_CLI_H

#include "core/value.h"
#include "encoders/minilm.h"
#include "eval/table.h"

typedef enum { CLI_FLAG, CLI_INT, CLI_REAL, CLI_TEXT, CLI_LIST } cli_type; /* LIST: text that may be given many times */

typedef struct {
    const char *name; /* without the dashes; a name of one letter works as -k and --k */
    cli_type type;
    const char *argument; /* as help shows it: "N", "FILE"; NULL for a flag */
    const char *help;     /* one line, units included */
    const char *preset;   /* the default, or NULL: none */
    double min, max;      /* INT and REAL: inclusive; both 0: any */
} cli_option;
#define CLI_OPTION_END                                                                                                                     \
    {                                                                                                                                      \
        NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0                                                                                             \
    }

typedef struct cli cli;
typedef struct {
    const char *name;          /* "dataset convert" */
    const char *words;         /* what follows it, for help: "IN OUT.hdf5" */
    const char *about;         /* one line, lower case, no full stop */
    const char *more;          /* examples, one a line; an empty line and further prose may follow */
    unsigned least, most;      /* words it takes */
    const cli_option *options; /* NULL: none of its own */
    leann_status (*run)(cli *c);
} cli_command;

struct cli {
    const cli_command *command;
    leann_ctx *ctx;
    const char **word; /* (words) */
    unsigned words;
    int exit_code; /* what main returns after LEANN_OK; a command may set 1: "answered, and the answer is no" */
    struct {       /* one an option given, in the order given */
        const cli_option *option;
        const char *text;
        double number;
    } * given;
    unsigned givens;
};

/* What was given, or the default. Asking for a name that is not in the table is our bug. */
const char *cli_word(const cli *c, unsigned i); /* NULL when there are fewer */
bool cli_given(const cli *c, const char *name);
bool cli_flag(const cli *c, const char *name);
int64_t cli_int(const cli *c, const char *name);                  /* 0 when neither given nor preset */
double cli_real(const cli *c, const char *name);                  /* the same */
const char *cli_text(const cli *c, const char *name);             /* NULL when neither */
const char *cli_list(const cli *c, const char *name, unsigned i); /* the i-th, NULL after the last */

/* "wrong usage": the sentence, where help is, exit code 2. */
leann_status cli_usage(cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- printing ------------------------------------------------------------------------------------------------------------ */

void cli_print_json(leann_value *v);                            /* indented, to standard output; frees v */
void cli_print_table(const leann_table *t, const char *format); /* "md", "csv" or "json", to standard output */
/* Text into a caller's buffer of 32: "12.6 MB" (powers of 1000), "3.2 ms", "1:02:03". Returns buffer. */
char *cli_bytes(char buffer[32], double bytes);
char *cli_seconds(char buffer[32], double seconds);
/* A note on standard error unless --quiet: what it is doing, never the result. */
void cli_note(const cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Progress on standard error: a bar with the remaining time on a terminal, otherwise a line every five seconds. It is hooked to c->ctx
 * already; a command that counts its own units calls it. total 0: unknown. done == total ends the bar. */
void cli_progress(const char *what, uint64_t done, uint64_t total);
void cli_progress_clear(void); /* before printing something else */

/* ---- of data sets: cmd_dataset.c ------------------------------------------------------------------------------------------ */

leann_status cli_dataset_output(cli *c, const char *path);   /* wrong usage unless it ends in .hdf5 or .h5 */
leann_status cli_dataset_describe(cli *c, const char *path); /* prints the line that ends each command which makes one */

/* ---- encoders: encoder.c -------------------------------------------------------------------------------------------------- */

#define CLI_ENCODER_OPTIONS                                                                                                                \
    {"encoder", CLI_TEXT, "'{…}'", "a word, or {word: {parameter: value}} (`leann plugins encoder`)", "minilm", 0, 0},                     \
        {"model", CLI_TEXT, "DIR", "its model: a Hugging Face folder or a packed file (default " LEANN_MODEL_DEFAULT ")", NULL, 0, 0},     \
    {                                                                                                                                      \
        "precision", CLI_TEXT, "P", "its precision: f32 (the default), bf16 or int8", NULL, 0, 0                                           \
    }
/* The encoder that these name. canonical (heap, or NULL): its configuration with defaults filled in.
 *   errors  those of leann_encoder_new; free both, also after a failure */
leann_status cli_encoder_open(cli *c, leann_encoder **out, char **canonical);

/* ---- for main.c ---------------------------------------------------------------------------------------------------------- */

/* Parses argv after the command's words. 0; or an exit code + 1 when the program is to end (after --help, or wrong usage). */
int cli_parse(cli *c, int argc, char **argv);
void cli_help(const cli_command *command);
void cli_progress_start(leann_ctx *ctx, bool quiet);
void cli_signals_start(leann_ctx *ctx); /* Ctrl-C and SIGTERM cancel ctx; a second one ends the program at once */
void cli_signals_stop(void);

#endif
