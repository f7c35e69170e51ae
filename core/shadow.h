/* shadow.h – shadows of rows: a few coordinates whose distances are never longer than the rows' own, and the nearest anchors by them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_SHADOW_H
#define LEANN_SHADOW_H

#include "core/product.h"

typedef struct leann_shadows leann_shadows;

/* Whether k anchors of d components are worth shadows at all. */
bool leann_shadows_pay(uint32_t d, uint32_t k);
/* The shadows of rows, which must outlive them; axes from a sample drawn by (seed, stage). Memory: 260 bytes a row.
 *   errors  ENOMEM; EINTR
 *   threads in parallel; same seed, same bits for any number */
leann_status leann_shadows_new(leann_ctx *ctx, leann_rows rows, const char *stage, leann_shadows **out);
void leann_shadows_free(leann_shadows *shadows);

/* Axes of nearly the largest variance of a sample of rows, and its mean.
 *   shape   centre (d), axes (m, d) out: orthonormal to a few times 2^-24, or 0 where the sample has fewer dimensions; rows.n >= 1
 *   errors  ENOMEM
 *   threads serial; the sample is drawn by (seed, stage); cost 8,192 m d multiply-adds
 *   source  Halko, Martinsson & Tropp 2011, algorithm 4.4 */
leann_status leann_shadow_axes(leann_ctx *ctx, leann_rows rows, const char *stage, uint32_t m, float *centre, float *axes);

/* The nearest of m anchors (m, d), in L2, to the rows ids (n) (NULL: to the first n rows); ties to the smaller anchor.
 *   shape   owner (n), key (n) in and out: on entry the nearest of the anchors before `first` and its key; with first 0 the owner is a
 *           guess, whose key is not looked at, or LEANN_NONE for all rows. tried: how many keys were computed for a share of n m
 *   units   key: squared L2 to the owner, computed directly. An anchor is passed over where its shadow says that it is farther than
 *           the owner by more than rounding, about 2^-11 of the squared lengths
 *   errors  ENOMEM; EINTR
 *   threads in parallel over fixed blocks of rows; same bits for any number */
leann_status leann_shadows_nearest(leann_ctx *ctx, leann_shadows *shadows, const uint32_t *ids, uint32_t n, const float *anchors,
                                   uint32_t first, uint32_t m, uint32_t *owner, float *key, uint64_t *tried);

#endif
