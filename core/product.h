/* product.h – distances by the block: the door to OpenBLAS, exact neighbours, assignment to anchors, k-means, row scorers.
 *
 * OpenBLAS runs single-threaded inside our own workers on fixed tiles, so that bits do not depend on the number of threads;
 * LEANN_ISA=scalar uses a plain product (and a plain SVD) instead, so that golden values do not move between CPUs.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PRODUCT_H
#define LEANN_PRODUCT_H

#include "core/plugin.h"

/* C (m, n) = alpha A (m, k) B (n, k)^T + beta C, row-major floats, leading dimensions in floats. Serial: one thread. */
void leann_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                   float *c, size_t ldc);
void leann_gemm_nn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                   float *c, size_t ldc); /* B (k, n) */
/* C (m, n) = A (k, m)^T B (k, n). */
void leann_gemm_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                   float *c, size_t ldc);
/* out (d, d) = A (n, d)^T B (n, d), in parallel over fixed strips. ENOMEM, EINTR. */
leann_status leann_cross(leann_ctx *ctx, uint32_t n, size_t d, const float *a, const float *b, float *out);
/* The orthogonal factor of A (d, d) nearest to it in Frobenius norm: out (d, d) = U V^T of its SVD, computed in float64.
 *   errors  EINVAL A is not finite, or the SVD does not converge; ENOMEM
 *   threads serial: one thread; 6 d² doubles of heap
 *   source  Schönemann 1966 (orthogonal Procrustes) */
leann_status leann_procrustes(leann_ctx *ctx, size_t d, const float *a, float *out);
/* The principal axes of a symmetric, positive semi-definite A (d, d): orthonormal rows of axes (d, d), and values (d), largest first.
 *   errors  EINVAL d is 0 or above 16384, A is not finite, or the iteration does not converge; ENOMEM
 *   threads serial: one thread; 4 d² doubles of heap */
leann_status leann_axes(leann_ctx *ctx, size_t d, const float *a, float *axes, double *values);
const char *leann_blas_name(void); /* library, version and kernel: "OpenBLAS 0.3.21 SkylakeX" */

/* ---- rows --------------------------------------------------------------------------------------------------------------- */

/* Rows [first, first + n) as floats into x (n, d), contiguous; gather: the rows ids (n), in that order. */
void leann_rows_floats(leann_rows rows, uint32_t first, uint32_t n, float *x);
void leann_rows_gather(leann_rows rows, const uint32_t *ids, uint32_t n, float *x);
void leann_rows_span(leann_rows rows, leann_span span, float *x); /* a run, or those of its ids */
static inline const void *leann_row(leann_rows rows, uint32_t i) { return (const char *)rows.base + rows.stride * i; }
/* Asks for the first bytes of a row that will be read soon. */
static inline void leann_row_prefetch(leann_rows rows, uint32_t i, size_t bytes)
{
    const char *row = leann_row(rows, i);
    for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch(row + b, 0, 2);
}
/* The mean (d), summed in float64 by fixed chunks; rows [first, first + n) less a centre (d), and all of them, x (rows.n, d).
 *   errors  ENOMEM, EINTR
 *   threads in parallel (less: serial); the same bits for any number */
leann_status leann_rows_mean(leann_ctx *ctx, leann_rows rows, float *mean);
void leann_rows_less(leann_rows rows, const float *centre, uint32_t first, uint32_t n, float *x);
leann_status leann_rows_centred(leann_ctx *ctx, leann_rows rows, const float *centre, float *x);
void leann_rows_norms(leann_rows rows, uint32_t first, uint32_t n, float *norm); /* sums of squares */
/* EINVAL with row and column at the first NaN or Inf (F32), or at a zero row where the space is angular. In parallel. */
leann_status leann_rows_check(leann_ctx *ctx, leann_rows rows);
/* The same for rows that lie in an index file: EFORMAT, and the sentence names the file. */
leann_status leann_rows_check_file(leann_ctx *ctx, const char *path, leann_rows rows);
/* Inner-product rows lifted by one coordinate, sqrt(R² - |x|²), so that L2 order is inner-product order for queries (q, 0):
 * heap floats (n, d + 1), space L2; free base with leann_free. Other spaces: *out = rows and nothing to free (base equal). */
leann_status leann_rows_lift(leann_ctx *ctx, leann_rows rows, leann_rows *out);

/* Rows as bytes for what compares L2 distances with one another: theirs are those of rows in units of a step, within its rounding; *exact
 * where no component was rounded. d grows to a power of two or whole cache lines, by zeros.
 *   shape   out: (n, d or more) U8, its base the caller's (leann_free); NULL where floats do not hold the range of a component
 *   errors  ENOMEM; EINTR
 *   threads in parallel; the same bytes for any number */
leann_status leann_rows_narrow(leann_ctx *ctx, leann_rows rows, leann_rows *out, bool *exact);
/* Of the 10 nearest in L2 of 32 of the rows, themselves among them, the share that is also found among others (n, any d).
 *   errors  ENOMEM; EINTR
 *   threads in parallel; a product of 32 rows with all, twice */
leann_status leann_rows_agree(leann_ctx *ctx, leann_rows rows, leann_rows others, double *share);

/* The rows ids (m) as anchors: out->rows and out->ids, the caller's (leann_anchors_free). */
leann_status leann_rows_anchors(leann_ctx *ctx, leann_rows rows, const uint32_t *ids, uint32_t m, leann_anchors *out);
/* Those rows in their own type, contiguous and of the same space: free base with leann_free. */
leann_status leann_rows_pick(leann_ctx *ctx, leann_rows rows, const uint32_t *ids, uint32_t n, leann_rows *out);

/* A scorer over rows (F32, U8, I8) for query q (rows.d floats), in ctx's scratch (NULL: ENOMEM in ctx): key = squared L2 (L2, angular) or
 * -<q, x> (IP). U8 rows under L2 with a q of whole numbers in [0, 255] are scored in exact integers. */
leann_scorer *leann_rows_scorer(leann_ctx *ctx, leann_rows rows, const float *q);
/* The oracle over rows, in L2; U8 rows are scored as bytes. Free with leann_oracle_free; rows must outlive it. */
leann_status leann_oracle_new(leann_ctx *ctx, leann_rows rows, leann_oracle **out);
void leann_oracle_free(leann_oracle *oracle);

/* ---- blocked searches ------------------------------------------------------------------------------------------------------ */

/* The nearest of m anchors (m, d) to every row, in L2, by products; ties to the smaller anchor.
 *   shape   owner (n) out, key (n) out or NULL; m >= 1
 *   units   key: squared L2 to the owner, computed directly (0 where the row is its anchor). The choice of the owner is made on
 *           |a|² - 2<x, a> in float32: anchors whose keys differ by less than about d 2^-23 |x||a| count as equally near
 *   threads in parallel over fixed blocks of rows */
leann_status leann_nearest(leann_ctx *ctx, leann_rows rows, const float *anchors, uint32_t m, uint32_t *owner, float *key);
/* The same for the rows ids (n) only; owner (n), key (n). */
leann_status leann_nearest_of(leann_ctx *ctx, leann_rows rows, const uint32_t *ids, uint32_t n, const float *anchors, uint32_t m,
                              uint32_t *owner, float *key);

/* Exact k nearest of each query, ties by id. Products by blocks only filter: every row whose product, less a proven bound of its
 * error, is within the k-th best so far gets its key in float64, so that no true neighbour can be lost.
 *   shape   ids (q.n, k), dist (q.n, k) out: float64 keys (squared L2, 1 - cos, -<q, x>), closest first; 1 <= k <= rows.n
 *   units   rows and queries of the same d and space, F32, U8 or I8; exact integers where both are bytes
 *   errors  EINVAL k or shapes that do not fit; ENOMEM; EINTR
 *   threads in parallel; the answer does not depend on how many
 *   progress "ground truth" in rows; the scan by blocks leaves progress to its caller */
leann_status leann_exact(leann_ctx *ctx, leann_rows rows, leann_rows queries, uint32_t k, uint32_t *ids, double *dist);
/* The same over rows that come in blocks: begin, add each block, end (which needs k rows seen). queries must outlive the scan;
 * a block may be gone after its add. Memory: q.n * k * 16 bytes and up to 40 MB. */
typedef struct leann_exact_scan leann_exact_scan;
leann_status leann_exact_begin(leann_ctx *ctx, leann_rows queries, uint32_t k, leann_exact_scan **out);
leann_status leann_exact_add(leann_ctx *ctx, leann_exact_scan *scan, leann_rows block, uint32_t first_id);
leann_status leann_exact_end(leann_ctx *ctx, leann_exact_scan *scan, uint32_t *ids, double *dist);
void leann_exact_free(leann_exact_scan *scan);
/* One pair in float64, the same bits as leann_exact's: the referee of recall_tie. In a's space. */
double leann_distance_f64(leann_rows a, uint32_t i, leann_rows b, uint32_t j);

/* τ, the radius of coverage: the median L2 distance of a point to its ceil(sqrt n)-th exact neighbour (itself not counted), on a
 * sample of min(n, 2000) points drawn with seed 1: a property of the data set, not of a build. rank: another neighbour than the
 * ceil(sqrt n)-th, 0: that one; at most n - 1 is used. n = 1: 0.
 *   source  probability coverage, arXiv 2205.11320 */
leann_status leann_coverage_radius(leann_ctx *ctx, leann_rows rows, uint32_t rank, double *tau);
/* The same with the sample it rests on: *n rows, ascending, and the distance of each to that neighbour; both on the heap. */
leann_status leann_coverage_sample(leann_ctx *ctx, leann_rows rows, uint32_t rank, double *tau, uint32_t *n, uint32_t **row,
                                   double **radius);

/* ---- k-means ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t k, iterations;
    uint32_t samples;  /* rows trained on at most; 0: all */
    const char *stage; /* name of the random stream */
    bool quiet;        /* no progress */
    bool random;       /* start at k rows drawn alike, not by k-means++ */
} leann_kmeans_options;

/* Lloyd's rounds in L2 from a k-means++ or a random start and a few rounds on growing samples; empty clusters re-seeded by splitting the
 * largest; fewer distinct rows than k: repeats. Stops early when no assignment changes. iterations: rounds on all training rows.
 *   shape   centroids (k, d) out; owner (rows.n) out or NULL: final assignment of all rows; *inertia out or NULL: their sum of
 *           squared distances; k >= 1, rows.n >= 1
 *   errors  ENOMEM; EINTR
 *   threads in parallel; same seed, same bits for any number
 *   progress options.stage in rounds
 *   source  Lloyd 1982; Arthur & Vassilvitskii 2007 (k-means++) */
leann_status leann_kmeans(leann_ctx *ctx, leann_rows rows, leann_kmeans_options options, float *centroids, uint32_t *owner,
                          double *inertia);

/* owner (n) -> lists: list_off (m + 1), list_ids (n), ids ascending inside a list. */
void leann_lists_of(const uint32_t *owner, uint32_t n, uint32_t m, uint32_t *list_off, uint32_t *list_ids);

#endif
