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
/* The rows of t behind one of those, whose "row" is first: rows (as many as t has) out; how many. */
size_t leann_compare_group(const leann_table *t, size_t first, size_t *rows);

/* The range over seeds of a measure of those that have one. */
void leann_compare_range(const leann_table *seeds, size_t row, const char *name, double *lo, double *hi);
/* Whether the ranges of row i of a and row j of b meet, one of which has more than one value: then the two do not differ. */
bool leann_compare_meet(const leann_table *a, size_t i, const leann_table *b, size_t j, const char *name);

/* The rows (n) of t that no other beats in both columns, by ascending x, to the front of rows; how many. sign +1: more is better. Rows
 * without a number are dropped. */
size_t leann_compare_front(const leann_table *t, const char *x, int x_sign, const char *y, int y_sign, size_t *rows, size_t n);

/* The distinct texts of a column in order of appearance (a number counts as its text), at most max; how many. Borrowed from t. */
size_t leann_compare_distinct(const leann_table *t, const char *column, const char **texts, size_t max);

typedef enum { LEANN_PICK_INTERPOLATED, LEANN_PICK_ABOVE } leann_pick_how;

/* A build at a recall of the report half. INTERPOLATED: log qps, its passes and its range over seeds (and, linearly, fetches) between two
 * Pareto points at most 0.02 of recall apart, one on each side. ABOVE: the first Pareto point above. */
typedef struct {
    size_t row; /* of t: the measured point at or above the recall */
    double recall, qps, fetches;
    double qps_lo, qps_hi;   /* of the slowest and the fastest pass */
    double qps_min, qps_max; /* over seeds */
    leann_pick_how how;
} leann_pick;

/* The build `cell` of dataset at k; false: it does not reach the recall. */
bool leann_compare_at(const leann_table *t, const char *dataset, double k, const char *cell, double target, leann_pick *out);
/* Of all builds whose column `by` is `word`: the fastest there, or the smallest (the faster of equals). */
bool leann_compare_best(const leann_table *t, const char *dataset, double k, const char *by, const char *word, double target, bool smallest,
                        leann_pick *out);

/* One point, of one or more seeds: rows (n) of m's table. */
typedef struct {
    leann_measures *m;
    const size_t *rows;
    size_t n;
} leann_side;

/* Two points over the same queries, each query's values being means over seeds: recall a - b, seconds a / b, with 95 % intervals; n and t
 * say over how many queries.
 *   errors  ENOTFOUND a row without raw file; EINVAL no query in common */
typedef struct {
    leann_interval recall, seconds;
    uint32_t n, t;
} leann_paired;
leann_status leann_compare_paired(leann_ctx *ctx, leann_side a, leann_side b, leann_paired *out);

#endif
