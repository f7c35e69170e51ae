/* sweep.h – a sweep file, checked and expanded into cells (builds) and points (measurements).
 *
 * Inside a sweep a list is an axis, wherever it stands. A cell is (data set, seed, method and build configuration); a point is a cell
 * with a query configuration, k and perhaps a recall to reach. All points of a cell share one build.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_SWEEP_H
#define LEANN_SWEEP_H

#include "core/value.h"
#include "datasets/datasets.h"

typedef struct {
    leann_value *query; /* canonical; with a target, the tuned parameter is {grid: [from, to, ratio]} */
    uint32_t k;
    double target;      /* recall_tie@k to reach on the tune half; 0: none */
    char grid_name[48]; /* the tuned parameter, "" without a target */
    double *grid;       /* (grid_n), ascending; whole numbers when grid_whole */
    uint32_t grid_n;
    bool grid_whole;
    char *label;    /* "k=10 probes=8": what tells it from its neighbours */
    char *identity; /* canonical JSON, set by leann_sweep_identify; its hash names the raw file */
} leann_point;

typedef struct {
    uint32_t data; /* index into the sweep's data */
    uint64_t seed;
    leann_value *config;  /* canonical {method, build} */
    const char *method;   /* borrowed from config */
    char *label;          /* "anchor kmeans 612 hnsw pq" */
    char labels[65];      /* sha256 of the labels that the configuration names, set by leann_sweep_labels; "" when there are none */
    char *identity;       /* of the build: canonical JSON, set by leann_sweep_identify */
    leann_status refused; /* not LEANN_OK: this configuration does not fit this data set; its points become rows with that error */
    char *error;
    uint64_t predicted_bytes;
    uint32_t group; /* which entry of `cells` it comes from */
    leann_point *point;
    uint32_t points;
} leann_cell;

typedef struct {
    char *label, *reason; /* a cell or point that a constraint leaves out */
} leann_left_out;

typedef struct {
    uint64_t memory_mb; /* of a worker; 0: none */
    double build_s, search_s, cache_gb;
} leann_limits;

typedef struct {
    char *stem, *about;
    uint32_t datas;
    char **data;              /* (datas) names or paths, as the file has them */
    char **place;             /* (datas) the same as leann_dataset_open takes them: a relative path is absolute, once it is found */
    leann_dataset_info *info; /* (datas), set by leann_sweep_expand */
    uint32_t queries;         /* 0: all test rows */
    uint32_t threads;         /* of a build */
    uint32_t search_threads;  /* of one query, where its method or its encoder can use them; 1 unless the file says more */
    double point_seconds;
    bool whole; /* `split: no`: every test row is searched and timed, in file order, and nothing is tuned: for ANN-benchmarks' exports */
    bool batch; /* also measure all queries at once, by `threads` */
    leann_limits limits;
    leann_value *tree; /* the file as read, but with place for data */
    leann_cell *cell;
    uint32_t cells;
    leann_left_out *left_out;
    uint32_t left_outs;
} leann_sweep;

/* Reads and checks a sweep: every key, type and range that needs no data. A relative path of a data set is looked for in the folder of
 * the sweep's file, then in the working folder (parse: has no file, and looks for none).
 *   given   a stem (looked up as eval/sweeps/<stem>.yml, .yaml, .json from here and from the program's tree), or a path
 *   errors  ENOTFOUND (lists what there is, or the places of a data set), EINVAL with the place in the file and the nearest known key,
 *           EFORMAT */
leann_status leann_sweep_load(leann_ctx *ctx, const char *given, leann_sweep **out);
leann_status leann_sweep_parse(leann_ctx *ctx, const char *stem, const char *text, size_t bytes, leann_sweep **out);
void leann_sweep_free(leann_sweep *sweep);

/* Expands the axes over data sets of known shape (info: datas of them, in the order of sweep->data), fills in defaults, applies
 * `requires`, predicts bytes and sorts cells so that those that share stages follow each other. Repeated points are dropped.
 *   errors  EINVAL unknown plug-in or parameter, a constraint that makes no sense, never applies or leaves out its whole group whatever
 *           the data, no point left; ELIMIT more than 20,000 points */
leann_status leann_sweep_expand(leann_ctx *ctx, leann_sweep *sweep, const leann_dataset_info *info);

/* Keeps the points that match "key=value,…": method, data, seed, k, target_recall or any parameter ("selector", "build.anchors",
 * "probes"); a key given twice means either. EINVAL when a key or the whole matches nothing. */
leann_status leann_sweep_only(leann_ctx *ctx, leann_sweep *sweep, const char *only);

/* Sums the labels that cells over data set `data` name: they are no part of its checksum. Labels that cannot be read are none here; the
 * build says why.
 *   errors  ENOMEM, EINTR */
leann_status leann_sweep_labels(leann_ctx *ctx, leann_sweep *sweep, uint32_t data, const leann_dataset *opened);

/* Fills in the identities of the cells and points over data set `data`, once its checksum is known. */
leann_status leann_sweep_identify(leann_ctx *ctx, leann_sweep *sweep, uint32_t data, const char *data_sha);

leann_value *leann_sweep_grid_value(const leann_point *point, uint32_t i); /* a new value */
uint32_t leann_sweep_points(const leann_sweep *sweep);

/* A parameter's value as one number or one word: {sqrt_n: x} is the number it means for n rows, {pq: {…}} the word pq, a boolean yes or
 * no. Returns whether it is either; *word is NULL when it is a number. */
bool leann_sweep_scalar(const leann_value *v, double n, double *number, const char **word);
/* The value at a dotted path ("build.quantizer.pq.sub_vectors") of {config…, query}, or NULL. A count {sqrt_n: x} is left as it is. */
const leann_value *leann_sweep_path(const leann_value *root, const char *path);

/* ---- constraints (sweep_requires.c) ---------------------------------------------------------------------------------------- */

typedef struct {
    const leann_value *build, *query; /* canonical */
    const char *method;
    double n, d, queries, k, seed;
} leann_facts;

typedef struct {
    bool holds;
    bool applies;   /* all parameters that it names were there */
    bool over_data; /* it looks at n, d or queries, or at a count that follows n: another data set, another answer */
} leann_verdict;

/* Whether "build.anchors <= n / 10" holds: comparisons, `divides`, + - * /, sqrt(), and, or, parentheses over numbers, words, n, d,
 * queries, k, seed, method, build.* and query.*; a minus stands between spaces. A comparison that names a parameter which this cell
 * does not have holds. A word can only be compared with a parameter.
 *   errors  EINVAL with the place in the text, and the nearest parameter for a word that should be one */
leann_status leann_requires(leann_ctx *ctx, const char *text, const leann_facts *facts, leann_verdict *verdict);

#endif
