/* centres.h – what the k-means selectors share: k centroids of rows, or the k distinct rows that lie nearest to them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_CENTRES_H
#define LEANN_CENTRES_H

#include "core/product.h"

/* options.k centres of rows, in L2; 1 <= options.k <= rows.n.
 *   shape   centre (k, d) out; ids (k) out: LEANN_NONE, or with medoids the row a centre is, all distinct
 *   errors  EINVAL options.samples below k; ENOMEM; EINTR
 *   threads in parallel; the same for any number */
leann_status leann_centres_of(leann_ctx *ctx, leann_rows rows, leann_kmeans_options options, bool medoids, float *centre, uint32_t *ids);
/* Room for m anchors of d. */
leann_status leann_centres_new(leann_ctx *ctx, uint32_t m, uint32_t d, leann_anchors *out);

#endif
