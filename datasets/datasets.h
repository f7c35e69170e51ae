/* datasets.h – data sets in and out: ANN-benchmarks HDF5 (the only door to libhdf5), other formats, the catalogue, synthetic data.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_DATASETS_H
#define LEANN_DATASETS_H

#include "core/plugin.h"

/* Opens by catalogue name or by the path of an HDF5 file. A child process with limits on memory and time opens and checks the file
 * first, because libhdf5 is not safe on damaged ones: a child that dies is an error message. Rows lie in memory (mapped straight
 * from the file where it is contiguous and needs no change); angular rows are made unit.
 *   errors  ENOTFOUND (says where to put the file, or the command that makes it), EFORMAT, EINVAL (NaN, zero norm, wrong rank …) */
leann_status leann_dataset_open(leann_ctx *ctx, const char *name_or_path, leann_dataset **out);
void leann_dataset_free(leann_dataset *data);
/* Gives back the memory of mapped rows: they are read from the file again when they are looked at. */
void leann_dataset_forget(const leann_dataset *data);

/* Facts without the rows, cheap: what `leann dataset info` and --dry-run print. */
typedef struct {
    char name[128], path[1024], distance[16];
    uint32_t n, d, queries, gt_k;
    leann_dtype type;
    leann_space space;
    leann_references_shape references; /* to its passages, in an index over it; n = 0: none */
} leann_dataset_info;
leann_status leann_dataset_peek(leann_ctx *ctx, const char *name_or_path, leann_dataset_info *out);

/* sha256 of what a data set holds, 64 hex digits each: shape, type, distance and the bytes as stored (float64 and other numbers that
 * become float32: as converted; angular: before they are made unit). train is data->sha; "" for a part there is none of. */
typedef struct {
    char train[65], test[65], neighbors[65];
} leann_dataset_sums;
const leann_dataset_sums *leann_dataset_checksums(const leann_dataset *data); /* borrowed */

bool leann_dataset_is_path(const char *name_or_path); /* it ends in .hdf5 or .h5 or holds a '/' */
/* Where a name leads: a path is itself; else NAME.hdf5 in the data folders (README.md).
 *   errors  ENOTFOUND: says where to put the file, or the command that makes it */
leann_status leann_dataset_find(leann_ctx *ctx, const char *name_or_path, char path[1024]);
/* The folder into which data sets are made: $LEANN_DATA, or datasets/ of the repository around the working folder or the program,
 * or $XDG_DATA_HOME/leann (~/.local/share/leann). */
leann_status leann_dataset_folder(leann_ctx *ctx, char path[1024]);

/* Writes rows, queries and (k = gt_k > 0) neighbours as ANN-benchmarks HDF5, atomically. */
leann_status leann_dataset_write(leann_ctx *ctx, const char *path, leann_rows train, leann_rows test, const uint32_t *neighbors,
                                 const double *distances, uint32_t gt_k);

/* ---- making data sets ----------------------------------------------------------------------------------------------------- */

enum { LEANN_GT_K = 100 }; /* neighbours a query, as in ANN-benchmarks; fewer where train has fewer rows */

/* in: IDX, fvecs, bvecs, ivecs, fbin, u8bin, i8bin, ibin, npy or HDF5, each gzip-compressed or not -> out, an ANN-benchmarks file,
 * atomically. bytes stay bytes; everything else becomes float32. Rows pass through in blocks: nothing needs to fit memory but the
 * queries.
 *   errors  EFORMAT, EINVAL with value and limit; EIO a full disk or a folder that cannot be written (out is then untouched)
 *   progress "convert" and "ground truth" in rows */
typedef struct {
    const char *queries; /* a second file of any of the formats, or NULL */
    uint32_t split;      /* or so many rows of in, drawn by ctx's seed, become the queries; 0: all of test where in is HDF5 */
    leann_space space;
    bool any_space; /* in is HDF5: take its own distance */
    bool ground_truth;
} leann_convert_options;
leann_status leann_dataset_convert(leann_ctx *ctx, const char *in, const char *out, leann_convert_options options);
/* (Re)computes neighbors and distances of an HDF5 file; what else it holds stays. */
leann_status leann_dataset_groundtruth(leann_ctx *ctx, const char *path);
/* What a vector file of any format holds; out->name is its format. */
leann_status leann_dataset_sniff(leann_ctx *ctx, const char *path, leann_dataset_info *out);
/* Reads every row of such a file: EINVAL where one holds NaN or Inf, EFORMAT where one is damaged. */
leann_status leann_dataset_scan(leann_ctx *ctx, const char *path);

/* Clustered data for tests of scale; the same bytes for a seed on any number of threads. See synth.c for the law. */
typedef struct {
    uint32_t n, d, queries;
    leann_space space;
} leann_synth_options;
typedef struct {
    uint32_t clusters, lists;
    double spread;              /* standard deviation of the cluster centres in units of the planes' */
    double ivf_recall;          /* recall@10 of sqrt n k-means lists and one probe: at most 0.6 */
    double intrinsic_dimension; /* maximum likelihood over 20 neighbours */
    bool easy;                  /* no spread that was tried came down to that recall: too few rows for their lists */
} leann_synth_report;
leann_status leann_dataset_synth(leann_ctx *ctx, const char *out, leann_synth_options options, leann_synth_report *report);

typedef enum { LEANN_MADE_HERE, LEANN_MADE_UP, LEANN_MADE_BY_PIP, LEANN_PUT_BY_USER } leann_dataset_way; /* made up: by synth, seed 1 */
typedef struct {
    const char *name;
    uint32_t n, d, queries;
    const char *distance;
    leann_dataset_way way;
    uint64_t bytes;     /* of the published file, 0: made here or not known */
    const char *sha256; /* of the published file, "" when not known */
    const char *licence, *about;
} leann_catalogue_entry;
size_t leann_catalogue_count(void);
const leann_catalogue_entry *leann_catalogue_at(size_t i);
const leann_catalogue_entry *leann_catalogue_find(const char *name); /* NULL */
/* Makes a catalogue set that can be made here, unless it is there already; path out.
 *   errors  ENOTFOUND not in the catalogue (names the nearest); EUNSUPPORTED only its user can put it there (says where) */
leann_status leann_dataset_fetch(leann_ctx *ctx, const char *name, char path[1024], leann_synth_report *made);
/* Compares a file with the catalogue's checksum: OK, or EFORMAT with both sums; EUNSUPPORTED when none is known. */
leann_status leann_dataset_verify(leann_ctx *ctx, const char *name, const char *path);

/* ---- tables of results: the HDF5 door for eval/ -------------------------------------------------------------------------- */

/* A small HDF5 file of attributes and arrays, written atomically and read in a checked child's shadow as above. */
typedef struct leann_h5 leann_h5;
leann_status leann_h5_create(leann_ctx *ctx, const char *path, leann_h5 **out); /* seen under path only after leann_h5_commit */
leann_status leann_h5_commit(leann_h5 *h);
leann_status leann_h5_open(leann_ctx *ctx, const char *path, leann_h5 **out);
void leann_h5_free(leann_h5 *h);
/* Attributes of the root: strings are variable-length UTF-8 (fixed-length ones break ANN-benchmarks' readers). */
leann_status leann_h5_set_text(leann_h5 *h, const char *name, const char *text);
leann_status leann_h5_set_int(leann_h5 *h, const char *name, int64_t number);
leann_status leann_h5_set_real(leann_h5 *h, const char *name, double number);
leann_status leann_h5_set_bool(leann_h5 *h, const char *name, bool truth); /* h5py's enum of FALSE, TRUE */
leann_status leann_h5_text(leann_h5 *h, const char *name, char **out);     /* heap; ENOTFOUND */
leann_status leann_h5_real(leann_h5 *h, const char *name, double *out);    /* any number */
bool leann_h5_has(leann_h5 *h, const char *name);                          /* an attribute or a dataset */
/* Arrays of rank 1 (cols = 0) or 2; memory types f32 f64 i32 u32 u64, converted by libhdf5 on reading. deflate: compressed. */
typedef enum { LEANN_H5_F32, LEANN_H5_F64, LEANN_H5_I32, LEANN_H5_U32, LEANN_H5_U64 } leann_h5_type;
leann_status leann_h5_put(leann_h5 *h, const char *name, leann_h5_type type, size_t rows, size_t cols, const void *data, bool deflate);
leann_status leann_h5_get(leann_h5 *h, const char *name, leann_h5_type type, size_t *rows, size_t *cols, void **data); /* heap */

#endif
