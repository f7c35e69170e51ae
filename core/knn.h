/* knn.h – the k nearest rows of many queries: products by panels filter, and keys that the caller computes decide. What leann_exact and
 * method flat share.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_KNN_H
#define LEANN_KNN_H

#include "core/product.h"

typedef struct {
    double key;
    uint32_t id;
} leann_knn_hit;

typedef struct {
    leann_rows queries; /* must outlive the search; their space says what is filtered by: squared L2, 1 - cos, -<q, x> */
    uint32_t k;
    uint32_t rows; /* that come in one block at most */
    bool serial;   /* in the caller's thread alone; else by its workers */
    /* Keys of rows row (n) of part to a query, in ctx's scratch what it needs. The answers are the k smallest, ties by id. */
    leann_status (*keys)(leann_ctx *ctx, const void *arg, uint32_t query, leann_rows part, const uint32_t *row, uint32_t n, double *key);
    const void *arg;
    double error; /* of such a key: at most this times 2^-24 (|q| + |x|)², or 2^-24 |q||x| where no squares are summed */
} leann_knn_options;

typedef struct leann_knn leann_knn;
/* Memory that a search takes (64-byte aligned, not zeroed), which is the caller's: 16 k bytes a query and up to 40 MB. */
size_t leann_knn_bytes(const leann_knn_options *options);
leann_knn *leann_knn_begin(const leann_knn_options *options, void *memory);
/* A block of rows with ids from first_id on; it may be gone afterwards.
 *   errors  ENOMEM, EINTR, those of keys
 *   threads the answer does not depend on how many */
leann_status leann_knn_add(leann_ctx *ctx, leann_knn *knn, leann_rows block, uint32_t first_id);
/* The hits (k, or as many as there were rows) of a query, closest first. Spent: no block may follow. */
const leann_knn_hit *leann_knn_end(leann_knn *knn, uint32_t query, uint32_t *n);

#endif
