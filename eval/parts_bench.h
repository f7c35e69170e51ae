/* parts_bench.h – the library's building blocks on one data set: seconds, and what they gave for them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PARTS_BENCH_H
#define LEANN_PARTS_BENCH_H

#include "core/plugin.h"

typedef enum {
    LEANN_BENCH_PEAK,     /* multiply-adds in registers on all threads: what a second core can give at all */
    LEANN_BENCH_KMEANS,   /* leann_kmeans, the final assignment of all rows included */
    LEANN_BENCH_PQ,       /* 256 centroids a sub-space: training, then encoding */
    LEANN_BENCH_ADC,      /* scans of all 8-bit pq codes for the top nearest: table, look-ups and heap */
    LEANN_BENCH_FASTSCAN, /* the same on 4-bit codes of as many sub-vectors */
    LEANN_BENCH_EXACT,    /* leann_exact of the test queries */
    LEANN_BENCH_PARTS
} leann_bench_part;
extern const char *const leann_bench_part_words[LEANN_BENCH_PARTS];

enum { LEANN_PARTS_KS = 8 };
typedef struct {
    bool only[LEANN_BENCH_PARTS];   /* which */
    unsigned repeats;               /* medians of so many runs */
    uint32_t k[LEANN_PARTS_KS];     /* k-means: centroids, 0 ends the list */
    double inertia[LEANN_PARTS_KS]; /* 0, or find the fewest rounds after which inertia is at most this, and time those too */
    uint32_t rounds;                /* k-means */
    uint32_t sub_vectors;           /* pq: 0 as the plug-in prefers */
    uint32_t top;                   /* nearest neighbours of scans and of exact search, at most n */
    uint32_t scans;                 /* queries of a timed scan, at most all */
    uint32_t queries;               /* of exact search; 0: all */
} leann_parts_options;

typedef struct {
    char part[32];               /* "kmeans 245", "kmeans 245 to inertia", "pq train", "adc" … */
    char about[64];              /* "20 rounds", "98 x 256" */
    uint32_t rounds;             /* of k-means, else 0 */
    double seconds, least, most; /* median and extremes of the repeats, wall clock; NaN: the inertia was not reached */
    double rate;                 /* units a second at the median */
    const char *unit;
    double quality; /* NaN: none, or not known */
    const char *measure;
} leann_part_timing;

typedef struct {
    leann_part_timing *timing; /* (n), in the order run */
    size_t n;
} leann_parts_report;

/* Runs each part on data with ctx's threads. What each run answers is held against a plain computation in float64, on a sample, before
 * its time counts.
 *   shape   report out; leann_parts_report_free it, also after a failure
 *   units   seconds by the wall clock. measure: "inertia"; "relative error" of all rows; "recall" of a scan: exact neighbours among its
 *           top, as recall_tie (NaN where the data set has fewer than top)
 *   errors  EINVAL options that do not fit the data, or a part whose answers are wrong; ENOMEM; EINTR
 *   threads ctx's workers; a scan's queries are shared out among them */
leann_status leann_parts_bench(leann_ctx *ctx, const leann_dataset *data, const leann_parts_options *options, leann_parts_report *report);
void leann_parts_report_free(leann_parts_report *report);

#endif
