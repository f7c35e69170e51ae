/* report_parts.h – what the sections of a report share, and the sections: report_methods.c, report_builds.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_REPORT_PARTS_H
#define LEANN_REPORT_PARTS_H

#include "eval/compare.h"
#include "eval/figures.h"
#include "eval/page.h"

enum { LEANN_REPORT_NAMES = 48, LEANN_REPORT_KS = 16, LEANN_REPORT_TARGETS = 2 };
extern const double leann_report_targets[LEANN_REPORT_TARGETS]; /* of recall */

typedef struct {
    leann_ctx *ctx;
    leann_measures *m;
    const leann_table *rows; /* all */
    leann_table *seeds;      /* ok ones, means over seeds */
    leann_page page;
    const char *data[LEANN_REPORT_NAMES], *label[LEANN_REPORT_NAMES];
    size_t datas, labels;
    double k[LEANN_REPORT_KS], main_k;
    size_t ks;
    bool many_seeds;
    leann_figures figures;
    const char *command;
} leann_report;

/* Row `from` of r->seeds as "0.951" or, over seeds, "0.951 (0.949–0.953)". */
void leann_report_range(const leann_report *r, leann_table *t, size_t row, const char *column, size_t from, const char *name, int decimals);
/* The same in four significant digits, as a number where there is no range; x, lo and hi as given. */
void leann_report_spread(leann_table *t, size_t row, const char *column, double x, double lo, double hi);
/* Whether a ratio of speeds is below the noise of this machine. */
bool leann_report_noise(const leann_report *r, double ratio);
/* Ends a table: under its heading and text (NULL: none) unless it has no rows; frees it. */
leann_status leann_report_table(leann_report *r, leann_table *t, const char *heading, const char *text);

/* ---- sections of one data set ------------------------------------------------------------------------------------------------ */

leann_status leann_report_methods(leann_report *r, const char *dataset, double k); /* each against full-embedding hnsw */
leann_status leann_report_paired(leann_report *r, const char *dataset);            /* the same, query by query */
leann_status leann_report_tuned(leann_report *r, const char *dataset);
leann_status leann_report_pages(leann_report *r, const char *dataset); /* what a search reads of a file and holds in memory */
leann_status leann_report_builds(leann_report *r, const char *dataset, bool anchor);
leann_status leann_report_scans(leann_report *r, const char *dataset); /* anchor builds against a scan of all their codes */
leann_status leann_report_health(leann_report *r, const char *dataset);
leann_status leann_report_reference(leann_report *r, const char *dataset); /* beside the figures of reference.csv */

#endif
