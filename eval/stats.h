/* stats.h – the statistics of measures: quantiles, bootstrap intervals of means and of ratios over the same queries. The door to GSL.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_STATS_H
#define LEANN_STATS_H

#include "core/ctx.h"

enum { LEANN_RESAMPLES = 1000 };

typedef struct {
    double value, lo, hi; /* the estimate and its 95 % percentile interval */
} leann_interval;

double leann_stats_mean(const double *x, size_t n); /* NaN when n is 0 */
void leann_stats_sort(double *x, size_t n);
double leann_stats_quantile(const double *sorted, size_t n, double share); /* linear between order statistics; NaN when n is 0 */
double leann_stats_median(double *x, size_t n);                            /* sorts x */

/* The mean of x and its bootstrap interval over LEANN_RESAMPLES resamples, the same for a seed wherever it runs.
 *   errors  ENOMEM; n = 0 gives NaN */
leann_status leann_stats_bootstrap(leann_ctx *ctx, const double *x, size_t n, uint64_t seed, leann_interval *out);
/* mean(a) / mean(b) over the same n queries (paired: a resample draws queries, both values with it).
 *   errors  ENOMEM; n = 0 or a mean of b of 0 gives NaN */
leann_status leann_stats_paired_ratio(leann_ctx *ctx, const double *a, const double *b, size_t n, uint64_t seed, leann_interval *out);
/* mean(a) - mean(b) over the same n queries. */
leann_status leann_stats_paired_difference(leann_ctx *ctx, const double *a, const double *b, size_t n, uint64_t seed, leann_interval *out);

#endif
