/* bounds.h – what a row's distance is at least, from one or two cache lines of memory beside it: for walks that would else read every row
 * they meet, though most are farther than all that they keep.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_BOUNDS_H
#define LEANN_BOUNDS_H

#include "core/product.h"

typedef struct leann_bounds leann_bounds;

/* Whether bounds of these rows spare more than they cost: floats under L2 (or angular), of three times the bytes of their bounds at least,
 * and more of them than a cache holds. (Bytes of 784 dimensions: 0.79 to 0.99x the speed, so none.) */
bool leann_bounds_pay(leann_rows rows);
/* Bounds of all rows. Memory: 64 bytes a row up to 60 dimensions, else 128.
 *   errors  ENOMEM; EINTR
 *   threads in parallel; what a scorer answers does not depend on the bounds */
leann_status leann_bounds_new(leann_ctx *ctx, leann_rows rows, leann_bounds **out);
void leann_bounds_free(leann_bounds *bounds);

/* For each of n queries (n, d) a scorer in ctx's scratch that asks exact[i], a scorer of the same rows for the same query, only about rows
 * whose bound is not above the cut; the others' keys are INFINITY. No row whose exact key is at or under the cut is passed over, however
 * the sums are rounded. Every row counts as a distance.
 *   shape   out (n)
 *   errors  ENOMEM
 *   threads one context each; cost, above 124 dimensions, 123 d multiply-adds a query, cheaper when they come by eight */
leann_status leann_bounds_scorers(leann_ctx *ctx, const leann_bounds *bounds, const float *q, uint32_t n, leann_scorer *const *exact,
                                  leann_scorer **out);
/* Of the rows ids (n) those that such a scorer would ask for, to near (n), in their order, and asked for ahead; returns how many. cut
 * finite. Counts nothing. */
uint32_t leann_bounds_sift(const leann_scorer *scorer, const uint32_t *ids, uint32_t n, float cut, uint32_t *near);

#endif
