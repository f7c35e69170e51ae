/* figures.h – the figures of a report, of rows of measures.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_FIGURES_H
#define LEANN_FIGURES_H

#include "eval/compare.h"
#include "eval/figure.h"

enum { LEANN_FIGURES_MAX = 64 };

typedef struct {
    char stem[160], caption[400];
    double k;
    char dataset[128];
} leann_drawn;

typedef struct {
    leann_drawn list[LEANN_FIGURES_MAX];
    size_t n;
} leann_figures;

/* Draws into folder what the rows (means over seeds) allow: recall against QPS per k; at the main k bytes against fetches, recall against
 * bytes, latency, bytes by part, health of the anchors. datas and ks name what there is; main_k is one of them.
 *   errors  those of leann_figure_draw */
leann_status leann_figures_draw(leann_ctx *ctx, const leann_table *seeds, const char *folder, const char *const *datas, size_t data_count,
                                const double *ks, size_t k_count, double main_k, leann_figures *out);

/* The look of each legend of t: colours by label, variants numbered in order of the legends. */
leann_look leann_figures_look(const leann_table *t, const char *legend);

/* `leann bench plot`: any two columns. stem may hold a folder. */
typedef struct {
    const char *x, *y, *by;
    bool x_log, y_log, lines; /* lines: join the points of a series by ascending x */
    const char *out;          /* folder and stem */
} leann_plot;
leann_status leann_figures_plot(leann_ctx *ctx, const leann_table *t, const leann_plot *plot);

#endif
