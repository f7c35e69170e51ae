/* compare.h – rows of measures compared: over seeds, on a Pareto front, at one recall, between two points over the same queries.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_COMPARE_H
#define LEANN_COMPARE_H

#include "eval/measures.h"
#include "eval/stats.h"

/* Rows that differ in seed alone -> one row: numbers are means, and recall, qps, build_s, index_bytes, coverage, balance,
 * quantization_error and fetches get NAME_min and NAME_max; "seeds" counts them and "row" is the first in t. Only rows that are ok. */
leann_status leann_compare_seeds(const leann_table *t, leann_table **out);

/* The rows (n) of t that no other beats in both columns, by ascending x, to the front of rows; how many. sign +1: more is better. Rows
 * without a number are dropped. */
size_t leann_compare_front(const leann_table *t, const char *x, int x_sign, const char *y, int y_sign, size_t *rows, size_t n);

/* The distinct texts of a column in order of appearance (a number counts as its text), at most max; how many. Borrowed from t. */
size_t leann_compare_distinct(const leann_table *t, const char *column, const char **texts, size_t max);

typedef enum { LEANN_PICK_INTERPOLATED, LEANN_PICK_ABOVE } leann_pick_how;

/* A build at a recall of the report half. INTERPOLATED: log qps (and, linearly, fetches) between two Pareto
 * points at most 0.02 of recall apart, one on each side. ABOVE: the first Pareto point above. */
typedef struct {
    size_t row; /* of t: the measured point at or above the recall */
    double recall, qps, fetches;
    leann_pick_how how;
} leann_pick;

/* The build `cell` of dataset at k; false: it does not reach the recall. */
bool leann_compare_at(const leann_table *t, const char *dataset, double k, const char *cell, double target, leann_pick *out);
/* Of all builds whose column `by` is `word`: the fastest there, or the smallest (the faster of equals). */
bool leann_compare_best(const leann_table *t, const char *dataset, double k, const char *by, const char *word, double target, bool smallest,
                        leann_pick *out);

/* Two points over the same queries: recall a - b, seconds a / b, with 95 % intervals; n and t say over how many queries.
 *   errors  ENOTFOUND a row without raw file; EINVAL no query in common */
typedef struct {
    leann_interval recall, seconds;
    uint32_t n, t;
} leann_paired;
leann_status leann_compare_paired(leann_ctx *ctx, leann_measures *a, size_t row_a, leann_measures *b, size_t row_b, leann_paired *out);

#endif
