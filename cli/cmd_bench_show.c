/* cmd_bench_show.c – `leann bench show`: chosen columns of a results folder's summary, and parameters out of its points, as a table.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

extern const cli_command cli_bench_show;

enum { COLUMNS = 32 };

static const cli_option options[] = {{"columns", CLI_TEXT, "A,B,…", "columns of summary.csv, or parameters: query.rerank, build.quantizer",
                                      "method,quantizer,point,recall,recall_lo,fetches,index_bytes", 0, 0},
                                     {"only", CLI_TEXT, "KEY=VALUE,…", "only the rows that match", NULL, 0, 0},
                                     {"sort", CLI_TEXT, "A,B,…", "order of the rows", NULL, 0, 0},
                                     {"format", CLI_TEXT, "md|csv|json", "how the table is printed", "md", 0, 0},
                                     CLI_OPTION_END};

/* "a,b" cut in place. */
static size_t cut(char *text, const char **names)
{
    size_t n = 0;
    for (char *rest = text, *name; n < COLUMNS && (name = strsep(&rest, ",")) != NULL;)
        if (*name) names[n++] = name;
    return n;
}

/* What a dotted path leads to: "query.rerank". */
static const leann_value *follow(const leann_value *v, const char *path)
{
    char key[128];
    for (const char *end; v && *path; path = *end ? end + 1 : end) {
        end = path + strcspn(path, ".");
        if ((size_t)(end - path) >= sizeof key) return NULL;
        memcpy(key, path, (size_t)(end - path));
        key[end - path] = '\0';
        v = leann_value_get(v, key);
    }
    return v;
}

static leann_status put_parameter(leann_ctx *ctx, leann_table *to, size_t row, const char *name, const char *params)
{
    leann_value *all = NULL;
    leann_status status = leann_value_parse(ctx, "params", params, strlen(params), &all);
    const leann_value *v = status ? NULL : follow(all, name);
    const double number = leann_value_real(v, NAN);
    char *json = v && isnan(number) ? leann_value_json(v, false, 0) : NULL;
    if (isfinite(number))
        leann_table_set(to, row, name, number);
    else if (v)
        leann_table_set_text(to, row, name, leann_value_text(v, json));
    leann_free(json);
    leann_value_free(all);
    return status;
}

static leann_status pick(cli *c, const leann_table *from, const char **names, size_t n, leann_table *to)
{
    for (size_t j = 0; j < n; j++) {
        if (leann_table_find(from, names[j]) < 0 && !strchr(names[j], '.'))
            return leann_fail(c->ctx, LEANN_EINVAL, "--columns: summary.csv has no column '%s' (parameters are query.NAME and build.NAME)",
                              names[j]);
        leann_table_add_column(to, names[j]);
    }
    leann_status status = LEANN_OK;
    for (size_t row = 0; row < leann_table_rows(from) && !status; row++) {
        const size_t at = leann_table_add_row(to);
        for (size_t j = 0; j < n && !status; j++) {
            const int column = leann_table_find(from, names[j]);
            if (column < 0)
                status = put_parameter(c->ctx, to, at, names[j], leann_table_text(from, row, "params"));
            else if (leann_table_is_text(from, row, (size_t)column))
                leann_table_set_text(to, at, names[j], leann_table_text(from, row, names[j]));
            else
                leann_table_set(to, at, names[j], leann_table_get(from, row, names[j]));
        }
    }
    return status ? status : leann_table_check(to);
}

static leann_status run(cli *c)
{
    const char *names[COLUMNS], *order[COLUMNS], *format = cli_text(c, "format");
    if (strcmp(format, "md") && strcmp(format, "csv") && strcmp(format, "json"))
        return cli_usage(c, "--format %s: one of md, csv, json", format);
    leann_table *all = NULL, *some = NULL, *to = leann_table_new(c->ctx);
    char *path = leann_format(c->ctx, "%s/summary.csv", cli_word(c, 0)), *columns = leann_format(c->ctx, "%s", cli_text(c, "columns")),
         *sort = leann_format(c->ctx, "%s", cli_text(c, "sort") ? cli_text(c, "sort") : "");
    leann_status status = to && path && columns && sort ? leann_table_load_csv(c->ctx, path, &all) : LEANN_ENOMEM;
    if (!status) status = leann_table_only(all, cli_text(c, "only"), &some);
    if (!status) status = pick(c, some, names, cut(columns, names), to);
    if (!status && *sort) leann_table_sort(to, order, cut(sort, order));
    if (!status) cli_print_table(to, format);
    leann_free(path);
    leann_free(columns);
    leann_free(sort);
    leann_table_free(all);
    leann_table_free(some);
    leann_table_free(to);
    return status;
}

const cli_command cli_bench_show = {
    "bench show",
    "DIR",
    "print chosen columns and parameters of a results folder",
    "leann bench show results/quickstart --only method=ivf,k=10 --columns query.probes,recall,qps --sort recall\n"
    "leann bench show results/recompute --only method=frugal --columns quantizer,query.confidence_threshold,recall,fetches\n\n"
    "Reads DIR/summary.csv, which `leann bench report` writes. A name with a dot is a parameter of the point.\n",
    1,
    1,
    options,
    run};
