/* figure.c – writes a figure's data and its gnuplot program, and runs gnuplot on it.
 *
 * The program is settings of this figure, then scripts/plots/common.gp, then the kind's template, so that folder/<stem>.gp runs by
 * itself. Texts come from result files: they are put between single quotes, where gnuplot neither runs commands nor expands anything.
 *
 * Source: colours by Okabe & Ito 2008, told apart by colour-blind readers.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* posix_spawn_file_actions_addchdir_np, pipe2 */
#include "eval/figure.h"
#include "core/container.h"
#include "core/files.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_SERIES = 64, COLUMNS = 8 };
extern char **environ;

struct leann_figure {
    leann_ctx *ctx;
    leann_status failed;
    char *kind, *stem;
    char *data, *settings;
    size_t data_bytes, settings_bytes;
    FILE *dat, *set; /* memory streams into the two */
    char *title[MAX_SERIES];
    leann_look look[MAX_SERIES];
    unsigned series;
    size_t rows, rows_before;        /* all, and before the last series */
    double lo[COLUMNS], hi[COLUMNS]; /* of each column */
};

/* ---- looks -------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *label, *colour;
} known[] = {{"anchor", "#0072b2"}, {"hnsw", "#d55e00"}, {"vamana", "#cc79a7"},
             {"flat", "#555555"},   {"ivf", "#009e73"},  {"codes", "#e69f00"}};
static const char *const spare[] = {"#56b4e9", "#8c564b", "#7f7f00", "#882255", "#44aa99", "#aa4499", "#332288", "#999933"};

bool leann_figure_known(const char *label)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(label, known[i].label)) return true;
    return false;
}

leann_look leann_figure_look(const char *label, unsigned place, unsigned variant)
{
    static const int shapes[] = {7, 5, 9, 11, 13, 6, 4, 8, 10, 12}; /* filled circle, square, triangle …, then open ones */
    leann_look look = {.point = shapes[variant % 10], .dash = 1 + (int)(variant % 5)};
    const char *colour = spare[place % (sizeof spare / sizeof *spare)];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(label, known[i].label)) colour = known[i].colour;
    snprintf(look.colour, sizeof look.colour, "%s", colour);
    return look;
}

/* ---- filling ------------------------------------------------------------------------------------------------------------------- */

leann_figure *leann_figure_new(leann_ctx *ctx, const char *kind, const char *stem)
{
    leann_figure *f = leann_alloc(ctx, 1, sizeof *f);
    if (!f) return NULL;
    f->ctx = ctx;
    f->kind = leann_format(ctx, "%s", kind);
    f->stem = leann_format(ctx, "%s", stem);
    for (int i = 0; i < COLUMNS; i++) f->lo[i] = INFINITY, f->hi[i] = -INFINITY;
    f->dat = open_memstream(&f->data, &f->data_bytes);
    f->set = open_memstream(&f->settings, &f->settings_bytes);
    if (!f->kind || !f->stem || !f->dat || !f->set) {
        leann_fail(ctx, LEANN_ENOMEM, "out of memory for a figure");
        leann_figure_free(f);
        return NULL;
    }
    return f;
}

void leann_figure_free(leann_figure *f)
{
    if (!f) return;
    if (f->dat) fclose(f->dat);
    if (f->set) fclose(f->set);
    free(f->data);
    free(f->settings);
    for (unsigned i = 0; i < f->series; i++) leann_free(f->title[i]);
    leann_free(f->kind);
    leann_free(f->stem);
    leann_free(f);
}

/* 'text' for gnuplot: quotes doubled, control characters blanked. */
static void put_quoted(const char *text, FILE *to)
{
    fputc('\'', to);
    for (; *text; text++) {
        if (*text == '\'') fputc('\'', to);
        fputc((unsigned char)*text < 32 || *text == 127 ? ' ' : *text, to);
    }
    fputc('\'', to);
}

/* gnuplot does not count a block without rows. */
static void end_series(leann_figure *f)
{
    if (f->series && f->rows == f->rows_before) fputs("NaN NaN NaN NaN NaN NaN NaN\n", f->dat);
}

void leann_figure_series(leann_figure *f, const char *title, leann_look look)
{
    if (f->series == MAX_SERIES) {
        f->failed = leann_fail(f->ctx, LEANN_ELIMIT, "figure %s: more than %d series", f->stem, MAX_SERIES);
        return;
    }
    end_series(f);
    if (f->series) fputs("\n\n", f->dat);
    f->rows_before = f->rows;
    fputs("# ", f->dat);
    put_quoted(title, f->dat);
    fputc('\n', f->dat);
    f->look[f->series] = look;
    if (!(f->title[f->series++] = leann_format(f->ctx, "%s", title))) f->failed = LEANN_ENOMEM;
}

void leann_figure_row(leann_figure *f, const double *numbers, size_t n, const char *label)
{
    for (size_t i = 0; i < n; i++) {
        fprintf(f->dat, isfinite(numbers[i]) ? "%s%.9g" : "%sNaN", i ? " " : "", numbers[i]);
        if (i >= COLUMNS || !isfinite(numbers[i])) continue;
        f->lo[i] = fmin(f->lo[i], numbers[i]);
        f->hi[i] = fmax(f->hi[i], numbers[i]);
    }
    if (label) {
        fputs(n ? " \"" : "\"", f->dat);
        for (; *label; label++) fputc((unsigned char)*label < 32 || strchr("\"\\", *label) ? ' ' : *label, f->dat);
        fputc('"', f->dat);
    }
    fputc('\n', f->dat);
    f->rows++;
}

void leann_figure_set(leann_figure *f, const char *name, const char *text)
{
    fprintf(f->set, "%s = ", name);
    put_quoted(text, f->set);
    fputc('\n', f->set);
}

void leann_figure_number(leann_figure *f, const char *name, double number)
{
    fprintf(f->set, "%s = %.9g\n", name, isfinite(number) ? number : 0.0);
}

size_t leann_figure_rows(const leann_figure *f)
{
    return f->rows;
}

/* ---- drawing ------------------------------------------------------------------------------------------------------------------- */

static leann_status find_template(leann_ctx *ctx, const char *kind, char **text, size_t *bytes)
{
    char name[128], path[4352];
    snprintf(name, sizeof name, "scripts/plots/%.64s.gp", kind);
    if (!leann_shipped_find(name, path, sizeof path))
        return leann_fail(ctx, LEANN_ENOTFOUND, "no template %s here or with the program", name);
    return leann_file_read(ctx, path, 1 << 20, text, bytes);
}

static void put_array(leann_figure *f, FILE *to, const char *name, int what)
{
    fprintf(to, "array %s[%u] = [", name, f->series ? f->series : 1);
    for (unsigned i = 0; i < f->series; i++) {
        if (i) fputs(", ", to);
        if (what == 0)
            put_quoted(f->title[i], to);
        else if (what == 1)
            put_quoted(f->look[i].colour, to);
        else
            fprintf(to, "%d", what == 2 ? f->look[i].point : f->look[i].dash);
    }
    fputs(f->series ? "]\n" : "0]\n", to);
}

static leann_status write_program(leann_figure *f, const char *folder, const char *common, const char *template)
{
    char *text = NULL, *path = leann_format(f->ctx, "%s/%s.gp", folder, f->stem);
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    leann_status s = path && to ? LEANN_OK : leann_fail(f->ctx, LEANN_ENOMEM, "out of memory for %s.gp", f->stem);
    if (to) {
        fprintf(to, "# `gnuplot %s.gp` in this folder makes %s.svg and %s.pdf of %s.dat.\n", f->stem, f->stem, f->stem, f->stem);
        leann_figure_set(f, "stem", f->stem);
        fflush(f->set);
        fwrite(f->settings, 1, f->settings_bytes, to);
        fprintf(to, "N = %u\n", f->series);
        for (int i = 0; i < COLUMNS && f->lo[i] <= f->hi[i]; i++)
            fprintf(to, "lo%d = %.9g; hi%d = %.9g\n", i + 1, f->lo[i], i + 1, f->hi[i]);
        put_array(f, to, "title", 0);
        put_array(f, to, "colour", 1);
        put_array(f, to, "shape", 2);
        put_array(f, to, "dash", 3);
        fprintf(to, "%s\ndo for [format in 'svg pdf'] {\n", common);
        fputs("if (format eq 'svg') { set terminal svg size width,height dynamic noenhanced font 'Helvetica,15' background '#ffffff' } "
              "else { set terminal pdfcairo size width/110.0,height/110.0 noenhanced font 'Helvetica,13' }\n",
              to);
        fprintf(to, "set output stem.'.'.format\n%sset output\n}\n", template);
        if (fclose(to)) s = leann_fail(f->ctx, LEANN_ENOMEM, "out of memory for %s.gp", f->stem);
    }
    if (!s) s = leann_file_write(f->ctx, path, text, bytes);
    free(text);
    leann_free(path);
    return s;
}

static leann_status write_data(leann_figure *f, const char *folder)
{
    char *path = leann_format(f->ctx, "%s/%s.dat", folder, f->stem);
    end_series(f);
    fflush(f->dat);
    leann_status s = path ? leann_file_write(f->ctx, path, f->data, f->data_bytes) : LEANN_ENOMEM;
    leann_free(path);
    return s;
}

/* gnuplot in `folder`, its messages into said. */
static leann_status run_gnuplot(leann_figure *f, const char *folder, char *said, size_t size)
{
    char program[512];
    int pipes[2], state = 0;
    pid_t child;
    size_t used = 0;
    snprintf(program, sizeof program, "%s.gp", f->stem);
    char *argv[] = {(char *)(uintptr_t) "gnuplot", program, NULL};
    posix_spawn_file_actions_t actions;
    said[0] = 0;
    if (pipe2(pipes, O_CLOEXEC)) return leann_fail_errno(f->ctx, "cannot make a pipe for gnuplot");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 2);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    int failed = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    for (ssize_t got; !failed && ((got = read(pipes[0], said + used, size - 1 - used)) > 0 || (got < 0 && errno == EINTR));) {
        used += got > 0 ? (size_t)got : 0;
        if (used + 1 >= size) used = 0; /* the last words matter */
    }
    said[used] = 0;
    close(pipes[0]);
    if (failed == ENOENT)
        return leann_fail(f->ctx, LEANN_EUNSUPPORTED,
                          "figures need gnuplot, which is not installed: on Debian, apt-get install gnuplot-nox "
                          "(tables work without: --format md, csv or json)");
    if (failed) return leann_fail(f->ctx, LEANN_EIO, "cannot run gnuplot: %s", strerror(failed));
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) continue;
    if (!WIFEXITED(state) || WEXITSTATUS(state)) {
        size_t n = strlen(said);
        while (n && (said[n - 1] == '\n' || said[n - 1] == ' ')) said[--n] = 0;
        for (char *c = said; *c; c++)
            if (*c == '\n') *c = ' ';
        return leann_fail(f->ctx, LEANN_EIO, "gnuplot failed on %s/%s.gp: %.300s", folder, f->stem, said);
    }
    return LEANN_OK;
}

leann_status leann_figure_draw(leann_figure *f, const char *folder)
{
    char *common = NULL, *template = NULL, said[4096];
    size_t bytes;
    leann_status s = f->failed;
    if (!s) s = find_template(f->ctx, "common", &common, &bytes);
    if (!s) s = find_template(f->ctx, f->kind, &template, &bytes);
    if (!s) s = leann_folder_make(f->ctx, folder);
    if (!s) s = write_data(f, folder);
    if (!s) s = write_program(f, folder, common, template);
    if (!s) s = run_gnuplot(f, folder, said, sizeof said);
    leann_free(common);
    leann_free(template);
    return s;
}
