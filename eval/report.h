/* report.h – what a results folder shows: tables, figures and where they come from.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_REPORT_H
#define LEANN_REPORT_H

#include "eval/measures.h"

typedef struct {
    const char *command; /* the folder as the reader would type it */
} leann_report_options;

/* Writes summary.csv, summary.json, report.md, report.html and figures/ into the measured folder.
 *   errors  EUNSUPPORTED gnuplot is not installed: the rest is written, without figures; EIO */
leann_status leann_report_write(leann_measures *m, leann_report_options options);

/* Markdown or HTML alone; figures of the HTML are drawn in a temporary folder. */
leann_status leann_report_print(leann_measures *m, leann_report_options options, bool html, FILE *to);

#endif
