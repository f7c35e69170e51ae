/* measures.h – a results folder's raw files and the data set -> one row of measures a point (summary.csv).
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_MEASURES_H
#define LEANN_MEASURES_H

#include "core/plugin.h"
#include "eval/result.h"
#include "eval/table.h"

typedef struct leann_measures leann_measures;

/* Reads the raw files of folder/raw that count and computes their rows; folder/imported.csv adds its rows. A folder without raw files, such
 * as a committed one, gives the rows of its summary.csv. A raw file that is damaged, or whose data set has changed since, is a row with
 * its error. Those do not count which are of a point that folder/sweep.json no longer has, or that was measured again since.
 *   errors  ENOTFOUND neither raw files nor summary.csv; the data set is not there (says where to put it); ENOMEM, EINTR
 *   threads in parallel over queries; the same rows for any number of them
 *   cost    n_queries * (gt_k + k) distances a point */
leann_status leann_measures_open(leann_ctx *ctx, const char *folder, leann_measures **out);
/* The same, but takes the rows of summary.csv where it is newer than the raw files and the sweep: for drawing, which needs no values per
 * query. */
leann_status leann_measures_open_quick(leann_ctx *ctx, const char *folder, leann_measures **out);
void leann_measures_free(leann_measures *m);

leann_table *leann_measures_table(leann_measures *m);       /* borrowed */
const char *leann_measures_folder(const leann_measures *m); /* as given */
bool leann_measures_has_raw(const leann_measures *m);
const leann_value *leann_measures_provenance(const leann_measures *m); /* of the first raw file in order, NULL without; borrowed */
/* {data set: {train, test, neighbors: sha256}} of the raw files, a map; borrowed. */
const leann_value *leann_measures_data(const leann_measures *m);
const char *leann_measures_sweep(const leann_measures *m); /* the sweep's stem, "" where no raw file says it */
/* Raw files that do not count. */
typedef struct {
    size_t gone;  /* of points that the sweep no longer has */
    size_t older; /* of points that were measured again since */
} leann_left_files;
leann_left_files leann_measures_left_out(const leann_measures *m);
/* How many versions of provenance there are by commit, CPU and ISA: more than one is said in reports. */
unsigned leann_measures_origins(const leann_measures *m);

/* One point's values per query, for paired tests. */
typedef struct {
    uint32_t n;
    uint32_t *rows; /* (n) rows of test */
    double *recall; /* (n) recall_tie */
    uint32_t t;
    uint32_t *timed; /* (t) rows of test */
    double *seconds; /* (t) median over the repeats */
} leann_queries;
/* row: of the table. errors: ENOTFOUND this row has no raw file (imported, or from summary.csv). */
leann_status leann_measures_queries(leann_measures *m, size_t row, leann_queries *out);
void leann_queries_clear(leann_queries *q);

/* The raw result of a row and its data set, for exports; the result is the caller's to clear, the data set is m's. */
leann_status leann_measures_raw(leann_measures *m, size_t row, leann_result *raw, const leann_dataset **data);

/* Noise of two equal runs (results/<stem>/aa.json by `leann bench aa`) as a difference of logarithms: "qps", "p50", …; NaN: not known, or
 * measured elsewhere: on another CPU, number of processors or ISA than the raw results. */
double leann_measures_noise(const leann_measures *m, const char *name);
bool leann_measures_noise_elsewhere(const leann_measures *m);
/* run.json, [{seconds, measured, failed, date, …}] of every `leann bench run` that measured something; NULL without; borrowed. */
const leann_value *leann_measures_runs(const leann_measures *m);

/* The columns that every summary.csv begins with, NULL at the end. */
extern const char *const leann_measures_columns[];

#endif
