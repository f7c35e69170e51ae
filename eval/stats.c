/* stats.c – quantiles and bootstrap intervals; a resample of n queries costs n draws, or one draw a distinct value where those are few.
 *
 * Recall per query takes at most k + 1 values: a resample's counts of them are one multinomial draw, the same law as n draws with
 * replacement at a hundredth of the cost. Draws come from the counter-based generator, keyed by (seed, "bootstrap", resample).
 *
 * Source: Efron 1979 (bootstrap); Efron & Tibshirani 1993, chapter 13 (percentile interval). GSL for quantiles and multinomial draws.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/stats.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <string.h>

/* ---- our generator as one of GSL's ------------------------------------------------------------------------------------------ */

static unsigned long draw_u32(void *state)
{
    return leann_rng_u32(state);
}
static double draw_real(void *state)
{
    return leann_rng_real(state);
}
static void set_nothing(void *state, unsigned long seed)
{
    (void)state;
    (void)seed;
}
static const gsl_rng_type philox = {"philox4x32", 0xffffffffUL, 0, sizeof(leann_rng), set_nothing, draw_u32, draw_real};

/* ---- means and quantiles ------------------------------------------------------------------------------------------------------ */

double leann_stats_mean(const double *x, size_t n)
{
    return n ? gsl_stats_mean(x, 1, n) : NAN;
}

void leann_stats_sort(double *x, size_t n)
{
    if (n) gsl_sort(x, 1, n);
}

double leann_stats_quantile(const double *sorted, size_t n, double share)
{
    return n ? gsl_stats_quantile_from_sorted_data(sorted, 1, n, share) : NAN;
}

double leann_stats_median(double *x, size_t n)
{
    leann_stats_sort(x, n);
    return leann_stats_quantile(x, n, 0.5);
}

/* ---- bootstrap ------------------------------------------------------------------------------------------------------------------ */

typedef enum { MEAN, DIFFERENCE, RATIO } statistic;

static double statistic_of(statistic what, double a, double b)
{
    return what == RATIO ? b != 0 ? a / b : NAN : a - b;
}

static void interval_of(double *means, double value, leann_interval *out)
{
    leann_stats_sort(means, LEANN_RESAMPLES);
    *out =
        (leann_interval){value, leann_stats_quantile(means, LEANN_RESAMPLES, 0.025), leann_stats_quantile(means, LEANN_RESAMPLES, 0.975)};
}

/* The distinct values of sorted x to its front, their numbers to count; how many there are. */
static size_t distinct(double *x, size_t n, double *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (!kept || x[i] != x[kept - 1]) {
            x[kept] = x[i];
            count[kept++] = 0;
        }
        count[kept - 1]++;
    }
    return kept;
}

/* The mean of each resample of n items that take `kept` values, count of each. */
static leann_status resample_counts(leann_ctx *ctx, const double *value, const double *count, size_t kept, size_t n, uint64_t seed,
                                    double *means)
{
    unsigned *drawn = leann_alloc(ctx, kept, sizeof *drawn);
    leann_rng state;
    gsl_rng rng = {&philox, &state};
    if (!drawn) return LEANN_ENOMEM;
    for (unsigned r = 0; r < LEANN_RESAMPLES; r++) {
        double sum = 0;
        state = leann_rng_at(seed, "bootstrap", r);
        gsl_ran_multinomial(&rng, kept, (unsigned)n, count, drawn);
        for (size_t i = 0; i < kept; i++) sum += value[i] * drawn[i];
        means[r] = sum / (double)n;
    }
    leann_free(drawn);
    return LEANN_OK;
}

static void resample_pairs(const double *a, const double *b, size_t n, statistic what, uint64_t seed, double *means)
{
    for (unsigned r = 0; r < LEANN_RESAMPLES; r++) {
        leann_rng rng = leann_rng_at(seed, "bootstrap", r);
        double sum_a = 0, sum_b = 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t j = leann_rng_below(&rng, (uint32_t)n);
            sum_a += a[j];
            if (b) sum_b += b[j];
        }
        means[r] = what == MEAN ? sum_a / (double)n : statistic_of(what, sum_a / (double)n, sum_b / (double)n);
    }
}

static leann_status bootstrap_mean(leann_ctx *ctx, const double *x, size_t n, uint64_t seed, leann_interval *out)
{
    double *value = leann_alloc(ctx, n, sizeof *value), *count = leann_alloc(ctx, n, sizeof *count);
    double *means = leann_alloc(ctx, LEANN_RESAMPLES, sizeof *means);
    leann_status s = value && count && means ? LEANN_OK : LEANN_ENOMEM;
    if (!s) {
        memcpy(value, x, n * sizeof *value);
        leann_stats_sort(value, n);
        size_t kept = distinct(value, n, count);
        if (kept * 8 <= n)
            s = resample_counts(ctx, value, count, kept, n, seed, means);
        else
            resample_pairs(x, NULL, n, MEAN, seed, means);
    }
    if (!s) interval_of(means, leann_stats_mean(x, n), out);
    leann_free(value);
    leann_free(count);
    leann_free(means);
    return s;
}

leann_status leann_stats_bootstrap(leann_ctx *ctx, const double *x, size_t n, uint64_t seed, leann_interval *out)
{
    *out = (leann_interval){NAN, NAN, NAN};
    if (!n) return LEANN_OK;
    gsl_error_handler_t *before = gsl_set_error_handler_off(); /* GSL's own ends the program */
    leann_status s = bootstrap_mean(ctx, x, n, seed, out);
    gsl_set_error_handler(before);
    return s;
}

static leann_status paired(leann_ctx *ctx, const double *a, const double *b, size_t n, statistic what, uint64_t seed, leann_interval *out)
{
    *out = (leann_interval){NAN, NAN, NAN};
    if (!n) return LEANN_OK;
    double value = statistic_of(what, leann_stats_mean(a, n), leann_stats_mean(b, n));
    if (isnan(value)) return LEANN_OK;
    double *means = leann_alloc(ctx, LEANN_RESAMPLES, sizeof *means);
    if (!means) return LEANN_ENOMEM;
    resample_pairs(a, b, n, what, seed, means);
    interval_of(means, value, out);
    leann_free(means);
    return LEANN_OK;
}

leann_status leann_stats_paired_ratio(leann_ctx *ctx, const double *a, const double *b, size_t n, uint64_t seed, leann_interval *out)
{
    return paired(ctx, a, b, n, RATIO, seed, out);
}

leann_status leann_stats_paired_difference(leann_ctx *ctx, const double *a, const double *b, size_t n, uint64_t seed, leann_interval *out)
{
    return paired(ctx, a, b, n, DIFFERENCE, seed, out);
}
