/* product.h – distances by the block: the door to OpenBLAS, exact neighbours, assignment to anchors, k-means, row scorers.
 *
 * OpenBLAS runs single-threaded inside our own workers on fixed tiles, so that bits do not depend on the number of threads;
 * LEANN_ISA=scalar uses a plain product instead, so that golden values do not move between CPUs.
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
/* The orthogonal factor of A (d, d) nearest to it in Frobenius norm: U V^T of its SVD (Procrustes). Serial. */
leann_status leann_procrustes(leann_ctx *ctx, size_t d, const float *a, float *out);
const char *leann_blas_name(void); /* library, version and kernel: "OpenBLAS 0.3.21 SkylakeX" */

/* ---- rows --------------------------------------------------------------------------------------------------------------- */

/* Rows [first, first + n) as floats into x (n, d), contiguous. */
void leann_rows_floats(leann_rows rows, uint32_t first, uint32_t n, float *x);
void leann_rows_gather(leann_rows rows, const uint32_t *ids, uint32_t n, float *x);
static inline const void *leann_row(leann_rows rows, uint32_t i) { return (const char *)rows.base + rows.stride * i; }
void leann_rows_norms(leann_rows rows, uint32_t first, uint32_t n, float *norm); /* sums of squares */
/* EINVAL with row and column at the first NaN or Inf (F32), or at a zero row where the space is angular. In parallel. */
leann_status leann_rows_check(leann_ctx *ctx, leann_rows rows);
/* Inner-product rows lifted by one coordinate, sqrt(R² - |x|²), so that L2 order is inner-product order for queries (q, 0):
 * heap floats (n, d + 1), space L2; free base with leann_free. Other spaces: *out = rows and nothing to free (base equal). */
leann_status leann_rows_lift(leann_ctx *ctx, leann_rows rows, leann_rows *out);

/* A scorer over rows (F32, U8, I8) for query q (rows.d floats), in ctx's scratch: key = squared L2 (L2, angular) or -<q, x> (IP).
 * U8 rows under L2 with a q of whole numbers in [0, 255] are scored in exact integers. */
leann_scorer *leann_rows_scorer(leann_ctx *ctx, leann_rows rows, const float *q);
/* The oracle over rows, in L2; U8 rows are scored as bytes. Free with leann_oracle_free; rows must outlive it. */
leann_status leann_oracle_new(leann_ctx *ctx, leann_rows rows, leann_oracle **out);
void leann_oracle_free(leann_oracle *oracle);

/* ---- blocked searches ------------------------------------------------------------------------------------------------------ */

/* The nearest of m anchors (m, d) to every row, in L2, by products; ties to the smaller anchor.
 *   shape   owner (n) out, key (n) out or NULL: squared L2
 *   threads in parallel over fixed blocks of rows */
leann_status leann_nearest(leann_ctx *ctx, leann_rows rows, const float *anchors, uint32_t m, uint32_t *owner, float *key);

/* Exact k nearest of each query by products, the best 2k + 16 or so re-ranked in float64, ties by id.
 *   shape   ids (q.n, k), dist (q.n, k) out: float64 keys (squared L2, 1 - cos, -<q, x>), closest first; k <= rows.n
 *   units   rows and queries of the same d and space; any dtype; exact integers where both are bytes
 *   threads in parallel; the answer does not depend on how many
 *   progress "ground truth" in rows */
leann_status leann_exact(leann_ctx *ctx, leann_rows rows, leann_rows queries, uint32_t k, uint32_t *ids, double *dist);
/* The same over rows that come in blocks: start, add each block, end. */
typedef struct leann_exact_scan leann_exact_scan;
leann_status leann_exact_begin(leann_ctx *ctx, leann_rows queries, uint32_t k, leann_exact_scan **out);
leann_status leann_exact_add(leann_ctx *ctx, leann_exact_scan *scan, leann_rows block, uint32_t first_id);
leann_status leann_exact_end(leann_ctx *ctx, leann_exact_scan *scan, uint32_t *ids, double *dist);
void leann_exact_free(leann_exact_scan *scan);
/* One pair in float64: the referee of recall_tie. */
double leann_distance_f64(leann_rows a, uint32_t i, leann_rows b, uint32_t j);

/* ---- k-means ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t k, iterations;
    uint32_t samples;  /* rows trained on at most; 0: all */
    const char *stage; /* name of the random stream */
    bool quiet;        /* no progress */
} leann_kmeans_options;

/* Lloyd's rounds from a k-means++ start (greedy by blocks), empty clusters re-seeded from the largest; fewer distinct rows than k:
 * repeats. Stops early when no assignment changes.
 *   shape   centroids (k, d) out; owner (rows.n) out or NULL: final assignment of all rows; *inertia out or NULL
 *   threads in parallel; same seed, same bits for any number */
leann_status leann_kmeans(leann_ctx *ctx, leann_rows rows, leann_kmeans_options options, float *centroids, uint32_t *owner,
                          double *inertia);

/* owner (n) -> lists: list_off (m + 1), list_ids (n), ids ascending inside a list. */
void leann_lists_of(const uint32_t *owner, uint32_t n, uint32_t m, uint32_t *list_off, uint32_t *list_ids);

#endif
