/* cmd_plugins.c – `leann plugins`: every plug-in with every parameter, range, default and source, for people, programs and the README.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/plugin.h"

extern const cli_command cli_plugins;

/* ---- the registry as a value: what all three forms are printed from ---------------------------------------------------------- */

static const char *type_word(leann_param_type type)
{
    static const char *const words[] = {"integer", "number", "yes or no", "word", "text", "count", "plug-in"};
    return words[type];
}

static char *range_text(leann_ctx *ctx, const leann_param *p)
{
    switch (p->type) {
    case LEANN_P_INT:
    case LEANN_P_REAL:
        return leann_format(ctx, "%.10g … %.10g", p->min, p->max);
    case LEANN_P_BOOL:
        return leann_format(ctx, "yes | no");
    case LEANN_P_TEXT:
        return leann_format(ctx, "text");
    case LEANN_P_COUNT:
        return leann_format(ctx, "a number, or {sqrt_n: factor}");
    case LEANN_P_PLUGIN:
        return leann_format(ctx, "a %s", p->words);
    case LEANN_P_WORD:
        break;
    }
    char *text = leann_format(ctx, "%s", p->words), *spaced = leann_format(ctx, "%*s", text ? (int)(3 * strlen(text)) : 0, "");
    char *to = spaced;
    for (const char *from = text; to && from && *from; from++) {
        if (*from == '|') *to++ = ' ';
        *to++ = *from;
        if (*from == '|') *to++ = ' ';
    }
    if (to) *to = 0;
    leann_free(text);
    return spaced;
}

static leann_value *table_value(leann_ctx *ctx, const leann_param *table)
{
    leann_value *list = leann_value_new_list();
    for (const leann_param *p = table; p && p->name; p++) {
        leann_value *v = leann_value_new_map();
        char *range = range_text(ctx, p);
        leann_value_set(v, "name", leann_value_new_text(p->name));
        leann_value_set(v, "type", leann_value_new_text(type_word(p->type)));
        leann_value_set(v, "range", leann_value_new_text(range ? range : ""));
        if (p->type == LEANN_P_INT || p->type == LEANN_P_REAL) {
            bool whole = p->type == LEANN_P_INT;
            leann_value_set(v, "min", whole ? leann_value_new_int((int64_t)p->min) : leann_value_new_real(p->min));
            leann_value_set(v, "max", whole ? leann_value_new_int((int64_t)p->max) : leann_value_new_real(p->max));
        }
        bool none = !p->preset || strcmp(p->preset, "none-given") == 0;
        leann_value_set(v, "default", none ? leann_value_new_null() : leann_value_new_text(p->preset));
        leann_value_set(v, "help", leann_value_new_text(p->help));
        leann_value_append(list, v);
        leann_free(range);
    }
    return list;
}

static leann_value *plugin_value(leann_ctx *ctx, leann_kind kind, const leann_plugin *plugin)
{
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "kind", leann_value_new_text(leann_kind_word(kind)));
    leann_value_set(v, "name", leann_value_new_text(plugin->name));
    leann_value_set(v, "revision", leann_value_new_int(plugin->revision));
    leann_value_set(v, "about", leann_value_new_text(plugin->about));
    leann_value_set(v, "source", leann_value_new_text(plugin->source));
    leann_value_set(v, "parameters", table_value(ctx, plugin->params));
    if (kind == LEANN_METHOD) leann_value_set(v, "query", table_value(ctx, ((const leann_method_type *)plugin)->query));
    return v;
}

static leann_value *all_values(leann_ctx *ctx, int only)
{
    leann_value *list = leann_value_new_list();
    for (int kind = 0; kind < LEANN_KINDS; kind++)
        for (size_t i = 0; (only < 0 || only == kind) && i < leann_plugin_count((leann_kind)kind); i++)
            leann_value_append(list, plugin_value(ctx, (leann_kind)kind, leann_plugin_at((leann_kind)kind, i)));
    return list;
}

/* ---- for people --------------------------------------------------------------------------------------------------------------- */

static const char *text_of(const leann_value *map, const char *key)
{
    return leann_value_text(leann_value_get(map, key), "");
}

static void print_table(const leann_value *table, const char *title)
{
    for (size_t i = 0; i < leann_value_count(table); i++) {
        const leann_value *p = leann_value_at(table, i);
        const char *preset = leann_value_text(leann_value_get(p, "default"), NULL);
        if (i == 0) printf("    %s\n", title);
        printf("      %-22s %s", text_of(p, "name"), text_of(p, "range"));
        if (preset) printf(", default %s", preset);
        printf("\n      %-22s   %s\n", "", text_of(p, "help"));
    }
}

static void print_text(const leann_value *list)
{
    const char *last = "";
    for (size_t i = 0; i < leann_value_count(list); i++) {
        const leann_value *v = leann_value_at(list, i);
        const char *kind = text_of(v, "kind");
        if (strcmp(kind, last) != 0) printf("%s%s\n", i ? "\n" : "", kind);
        last = kind;
        printf("  %s – %s\n    source: %s (revision %lld)\n", text_of(v, "name"), text_of(v, "about"), text_of(v, "source"),
               (long long)leann_value_int(leann_value_get(v, "revision"), 0));
        bool method = strcmp(kind, "method") == 0;
        print_table(leann_value_get(v, "parameters"), method ? "build parameters:" : "parameters:");
        print_table(leann_value_get(v, "query"), "query parameters:");
    }
}

/* A '|' would end a cell of a Markdown table. */
static void print_cell(const char *text)
{
    printf("| ");
    for (; *text; text++) {
        if (*text == '|') putchar('\\');
        putchar(*text);
    }
    putchar(' ');
}

static void print_markdown_rows(const leann_value *v, const char *table, const char *prefix)
{
    const leann_value *list = leann_value_get(v, table);
    for (size_t i = 0; i < leann_value_count(list); i++) {
        const leann_value *p = leann_value_at(list, i);
        printf("| `%s` | %s`%s` ", text_of(v, "name"), prefix, text_of(p, "name"));
        print_cell(text_of(p, "range"));
        print_cell(text_of(p, "default"));
        print_cell(text_of(p, "help"));
        printf("|\n");
    }
}

static void print_markdown(const leann_value *list)
{
    const char *last = "";
    for (size_t i = 0; i < leann_value_count(list);) {
        const char *kind = text_of(leann_value_at(list, i), "kind");
        size_t end = i;
        while (end < leann_value_count(list) && strcmp(text_of(leann_value_at(list, end), "kind"), kind) == 0) end++;
        printf("%s### %s\n\n| word | what it is | source |\n|---|---|---|\n", *last ? "\n" : "", kind);
        for (size_t j = i; j < end; j++) {
            const leann_value *v = leann_value_at(list, j);
            printf("| `%s` ", text_of(v, "name"));
            print_cell(text_of(v, "about"));
            print_cell(text_of(v, "source"));
            printf("|\n");
        }
        printf("\n| word | parameter | range | default | meaning |\n|---|---|---|---|---|\n");
        for (size_t j = i; j < end; j++) {
            print_markdown_rows(leann_value_at(list, j), "parameters", "");
            print_markdown_rows(leann_value_at(list, j), "query", "query: ");
        }
        last = kind;
        i = end;
    }
}

static leann_status run(cli *c)
{
    int only = -1;
    leann_kind kind;
    if (cli_flag(c, "json") && cli_flag(c, "markdown")) return cli_usage(c, "give --json or --markdown, not both");
    if (cli_word(c, 0)) {
        leann_status status = leann_kind_find(c->ctx, cli_word(c, 0), &kind);
        if (status) return status;
        only = (int)kind;
    }
    leann_value *list = all_values(c->ctx, only);
    if (cli_flag(c, "json")) {
        cli_print_json(list);
        return LEANN_OK;
    }
    if (cli_flag(c, "markdown"))
        print_markdown(list);
    else
        print_text(list);
    leann_value_free(list);
    return LEANN_OK;
}

static const cli_option options[] = {{"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
                                     {"markdown", CLI_FLAG, NULL, "print the tables of the README", NULL, 0, 0},
                                     CLI_OPTION_END};
const cli_command cli_plugins = {"plugins",
                                 "[KIND]",
                                 "list selectors, graphs, quantizers, fetchers and methods with their parameters",
                                 "  leann plugins\n"
                                 "  leann plugins selector\n"
                                 "  leann plugins method --json\n",
                                 0,
                                 1,
                                 options,
                                 run};
