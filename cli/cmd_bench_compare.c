/* cmd_bench_compare.c – `leann bench compare`: the points that two results folders share, side by side, means over seeds.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "eval/compare.h"

extern const cli_command cli_bench_compare;

enum { PAIRS_MAX = 400 }; /* more paired tests take longer than one waits for: --paired */

static const cli_option options[] = {{"format", CLI_TEXT, "md|csv|json", "how the table is printed", "md", 0, 0},
                                     {"only", CLI_TEXT, "KEY=VALUE,…", "only the rows of both that match", NULL, 0, 0},
                                     {"paired", CLI_FLAG, NULL, "paired tests even of more than 400 points", NULL, 0, 0},
                                     CLI_OPTION_END};

typedef struct {
    leann_measures *m;
    leann_table *some;  /* the rows of m's table that are asked for, with "row" their place in it */
    leann_table *seeds; /* means over seeds of those, "row" their place in some */
} side;

static leann_status open_side(cli *c, const char *folder, side *s)
{
    leann_table *all = NULL;
    leann_status status = leann_measures_open(c->ctx, folder, &s->m);
    if (!status) status = leann_table_only(leann_measures_table(s->m), NULL, &all);
    for (size_t i = 0; !status && i < leann_table_rows(all); i++) leann_table_set(all, i, "place", (double)i);
    if (!status) status = leann_table_only(all, cli_text(c, "only"), &s->some);
    if (!status) status = leann_compare_seeds(s->some, &s->seeds);
    leann_table_free(all);
    return status;
}

static void close_side(side *s)
{
    leann_table_free(s->some);
    leann_table_free(s->seeds);
    leann_measures_free(s->m);
}

static bool same_point(const leann_table *a, size_t i, const leann_table *b, size_t j)
{
    static const char *const texts[] = {"dataset", "params", "legend", "published"}, *const numbers[] = {"k", "target_recall"};
    for (size_t c = 0; c < sizeof texts / sizeof *texts; c++)
        if (strcmp(leann_table_text(a, i, texts[c]), leann_table_text(b, j, texts[c])) != 0) return false;
    for (size_t c = 0; c < sizeof numbers / sizeof *numbers; c++) {
        double x = leann_table_get(a, i, numbers[c]), y = leann_table_get(b, j, numbers[c]);
        if (x != y && !(isnan(x) && isnan(y))) return false;
    }
    return true;
}

static void two_of(leann_table *t, size_t row, const char *name, double x, double y)
{
    char column[64];
    snprintf(column, sizeof column, "%s A", name);
    leann_table_set(t, row, column, x);
    snprintf(column, sizeof column, "%s B", name);
    leann_table_set(t, row, column, y);
}

/* "B is slower": by the paired test, unless the difference is below the noise of either folder or within the range over seeds. */
static const char *verdict(const side *a, size_t i, const side *b, size_t j, const leann_paired *p)
{
    double noise = fmax(leann_measures_noise(a->m, "qps"), leann_measures_noise(b->m, "qps"));
    if (noise > 0 && fabs(log(p->seconds.value)) <= noise) return "tie: below the noise";
    if (leann_compare_meet(a->seeds, i, b->seeds, j, "qps")) return "tie: seeds meet";
    return p->seconds.lo > 1 ? "B slower" : p->seconds.hi < 1 ? "B faster" : "no difference";
}

/* Row i of the seeds as rows of m's table, heap. */
static size_t *rows_of(leann_ctx *ctx, const side *s, size_t i, size_t *n)
{
    size_t *rows = leann_alloc(ctx, leann_table_rows(s->some) + 1, sizeof *rows);
    *n = rows ? leann_compare_group(s->some, (size_t)leann_table_get(s->seeds, i, "row"), rows) : 0;
    for (size_t r = 0; r < *n; r++) rows[r] = (size_t)leann_table_get(s->some, rows[r], "place");
    return rows;
}

static leann_status test_pair(cli *c, const side *a, size_t i, const side *b, size_t j, leann_table *t, size_t row)
{
    leann_paired p;
    leann_side x = {.m = a->m}, y = {.m = b->m};
    size_t *rows_a = rows_of(c->ctx, a, i, &x.n), *rows_b = rows_of(c->ctx, b, j, &y.n);
    x.rows = rows_a;
    y.rows = rows_b;
    leann_status s = rows_a && rows_b ? leann_compare_paired(c->ctx, y, x, &p) : LEANN_ENOMEM;
    leann_free(rows_a);
    leann_free(rows_b);
    if (s == LEANN_ENOTFOUND || s == LEANN_EINVAL) { /* no raw results, or no query in common */
        leann_ctx_clear(c->ctx);
        return LEANN_OK;
    }
    if (s) return s;
    leann_table_set_format(t, row, "recall B – A, 95 %", "%+.4f to %+.4f", p.recall.lo, p.recall.hi);
    leann_table_set_format(t, row, "seconds B / A, 95 %", "%.3f to %.3f", p.seconds.lo, p.seconds.hi);
    leann_table_set_text(t, row, "speed", verdict(a, i, b, j, &p));
    return LEANN_OK;
}

static void side_by_side(const side *a, size_t i, const side *b, size_t j, leann_table *t)
{
    static const char *const names[] = {"recall", "qps", "p99_ms", "fetches", "index_bytes", "build_s"};
    size_t row = leann_table_add_row(t);
    leann_table_set_text(t, row, "dataset", leann_table_text(a->seeds, i, "dataset"));
    leann_table_set_text(t, row, "build", leann_table_text(a->seeds, i, "cell"));
    leann_table_set_text(t, row, "point", leann_table_text(a->seeds, i, "point"));
    two_of(t, row, "seeds", leann_table_get(a->seeds, i, "seeds"), leann_table_get(b->seeds, j, "seeds"));
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        two_of(t, row, names[n], leann_table_get(a->seeds, i, names[n]), leann_table_get(b->seeds, j, names[n]));
    leann_table_set(t, row, "qps B / A", leann_table_get(b->seeds, j, "qps") / leann_table_get(a->seeds, i, "qps"));
    double build = leann_table_get(b->seeds, j, "build_s") / leann_table_get(a->seeds, i, "build_s");
    bool tie = leann_compare_meet(a->seeds, i, b->seeds, j, "build_s");
    leann_table_add_column(t, "build_s B / A");
    if (isfinite(build)) leann_table_set_format(t, row, "build_s B / A", "%.3g%s", build, tie ? ", a tie" : "");
}

static leann_status compare(cli *c, const side *a, const side *b, leann_table *t, size_t *only_a, size_t *only_b)
{
    size_t n = leann_table_rows(a->seeds), m = leann_table_rows(b->seeds), matched = 0;
    struct {
        size_t i, j;
    } *pairs = leann_alloc(c->ctx, n + 1, sizeof *pairs);
    bool *used = leann_alloc(c->ctx, m + 1, sizeof *used);
    leann_status s = pairs && used ? LEANN_OK : LEANN_ENOMEM;
    for (size_t i = 0; i < n && !s; i++)
        for (size_t j = 0; j < m; j++)
            if (!used[j] && same_point(a->seeds, i, b->seeds, j)) {
                used[j] = true;
                pairs[matched].i = i;
                pairs[matched++].j = j;
                side_by_side(a, i, b, j, t);
                break;
            }
    bool test = matched <= PAIRS_MAX || cli_flag(c, "paired");
    if (!test) cli_note(c, "%zu points: no paired tests (--paired makes them)\n", matched);
    for (size_t p = 0; p < matched && !s && test; p++) {
        cli_progress("paired tests", p + 1, matched);
        s = test_pair(c, a, pairs[p].i, b, pairs[p].j, t, p);
    }
    *only_a = n - matched;
    *only_b = m - matched;
    leann_free(pairs);
    leann_free(used);
    return s ? s : leann_table_check(t);
}

static leann_status run(cli *c)
{
    const char *format = cli_text(c, "format"), *a_name = cli_word(c, 0), *b_name = cli_word(c, 1);
    side a = {0}, b = {0};
    size_t only_a = 0, only_b = 0;
    if (strcmp(format, "md") && strcmp(format, "csv") && strcmp(format, "json"))
        return cli_usage(c, "--format %s: one of md, csv, json", format);
    leann_table *t = leann_table_new(c->ctx);
    leann_status s = t ? open_side(c, a_name, &a) : LEANN_ENOMEM;
    if (!s) s = open_side(c, b_name, &b);
    if (!s) s = compare(c, &a, &b, t, &only_a, &only_b);
    if (!s && !leann_table_rows(t)) s = leann_fail(c->ctx, LEANN_ENOTFOUND, "%s and %s have no point in common", a_name, b_name);
    cli_progress_clear();
    if (!s && !strcmp(format, "md"))
        printf("A is %s, B is %s: %zu points in both, %zu in A alone, %zu in B alone.\n\n", a_name, b_name, leann_table_rows(t), only_a,
               only_b);
    if (!s) cli_print_table(t, format);
    leann_table_free(t);
    close_side(&a);
    close_side(&b);
    return s;
}

const cli_command cli_bench_compare = {
    "bench compare",
    "A B",
    "put the points that two results folders share side by side",
    "leann bench compare results/quickstart /tmp/quickstart_of_yesterday\nleann bench compare A B --only k=10 --format csv\n\n"
    "Points are the same when data set, parameters and k are; values are means over seeds. Where both have raw results, a paired\n"
    "bootstrap over the queries says whether recall and speed differ; a difference of speed below the noise (`leann bench aa`) is a\n"
    "tie, and so is one where the ranges over seeds meet.\n",
    2,
    2,
    options,
    run};
