/* figure.h – one figure: series of rows, drawn by gnuplot through a template of scripts/plots into SVG and PDF.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_FIGURE_H
#define LEANN_FIGURE_H

#include "eval/table.h"

typedef struct leann_figure leann_figure;

/* How a series looks. Colours tell methods apart, the same ones throughout; shape and dash tell variants of a method apart. */
typedef struct {
    char colour[8]; /* "#d55e00" */
    int point, dash;
} leann_look;
/* The look of a method's variant number `variant`. place: where an unknown method stands among the unknown ones. */
leann_look leann_figure_look(const char *label, unsigned place, unsigned variant);
bool leann_figure_known(const char *label); /* it has a colour of its own */

/* kind: scripts/plots/<kind>.gp; stem names the files. Failures are kept until leann_figure_draw. */
leann_figure *leann_figure_new(leann_ctx *ctx, const char *kind, const char *stem);
void leann_figure_free(leann_figure *f);
void leann_figure_series(leann_figure *f, const char *title, leann_look look);              /* rows that follow are its */
void leann_figure_row(leann_figure *f, const double *numbers, size_t n, const char *label); /* label NULL: none; NaN: missing */
void leann_figure_set(leann_figure *f, const char *name, const char *text);                 /* a text that the template uses */
void leann_figure_number(leann_figure *f, const char *name, double number);
size_t leann_figure_rows(const leann_figure *f);
bool leann_figure_varies(const leann_figure *f); /* its rows are not all one point of the first two columns */

/* Writes folder/<stem>.dat and .gp, which gnuplot turns into <stem>.svg and <stem>.pdf wherever they lie.
 *   errors  EUNSUPPORTED gnuplot is not installed (names the package); ENOTFOUND no scripts/plots; EIO, also what gnuplot says */
leann_status leann_figure_draw(leann_figure *f, const char *folder);
void leann_figure_remove(const char *folder, const char *stem); /* what was drawn there, if anything */

#endif
