/* projection.h – an orthogonal map that quantisers share: a row less its centre, seen along its leading principal axes, turned at random,
 * or both; and the square of what the map leaves out.
 *
 * With y = P (x - centre) and tail = |x - centre|² - |y|², for a row x and a query q
 *     |q - x|² = |y_q - y_x|² + tail_q + tail_x - 2 <what P leaves of q - centre, what P leaves of x - centre>.
 * The last term is what a code cannot know; its mean over rows is 0, because they are centred, so that the first three estimate |q - x|²
 * without bias over rows. Among the nearest neighbours of q it is more often positive: their estimates are a little too large.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PROJECTION_H
#define LEANN_PROJECTION_H

#include "core/quantizer.h"

typedef struct {
    uint32_t dims; /* leading principal axes kept; 0: all of the space, in no order */
    bool turned;   /* turned at random afterwards */
} leann_projection_kind;

typedef struct {
    uint32_t d, width; /* components of a row, and of its projection: dims; or d; or, turned, d up to a multiple of LEANN_TURNED */
    float *centre;     /* (d) the mean of the sample */
    float *axes;       /* (width, d) orthonormal rows, turned already; NULL where all of the space is kept */
    uint16_t *half;    /* the same as a file keeps them */
    float *weight;     /* (rounds, width) of the fast rotation; NULL where there are axes */
    float spread; /* sqrt(sum λ²) / sum λ over the axes left out: what <tail of q, tail of x> comes to, of |tail of q| |tail of x| */
} leann_projection;

enum { LEANN_TURNED = 32 }; /* turned widths are multiples of it */

/* EINVAL where dims is above d, or, turned, no multiple of LEANN_TURNED. who: the plug-in's word. */
leann_status leann_projection_check(leann_ctx *ctx, const char *who, uint32_t d, leann_projection_kind kind);
uint32_t leann_projection_width(uint32_t d, leann_projection_kind kind);

/* Mean, axes and rotation of a sample.
 *   shape   sample (n, d), n >= 1; axes from at most 16,384 of its rows, evenly spaced
 *   errors  EINVAL the axes cannot be found (leann_axes); ENOMEM, EINTR
 *   threads in parallel; same seed, same bits for any number
 *   cost    16,384 d² multiply-adds and O(d³) for the axes */
leann_status leann_projection_fit(leann_ctx *ctx, leann_rows sample, leann_projection_kind kind, leann_projection *out);
void leann_projection_free(leann_projection *p); /* what it holds */

/* y = P (x - centre) of rows [first, first + n).
 *   shape   y (n, width) out, tail (n) out or NULL
 *   errors  ENOMEM
 *   threads serial; cost n width d multiply-adds, or O(n width log width) */
leann_status leann_projection_rows(const leann_projection *p, leann_ctx *ctx, leann_rows rows, uint32_t first, uint32_t n, float *y,
                                   float *tail);
/* All rows, in parallel over fixed blocks: for training on what will be coded. */
leann_status leann_projection_all(const leann_projection *p, leann_ctx *ctx, leann_rows rows, float *y);
/* y (width) = P (q - centre), or P q where not centred; *square: |q - centre|² or |q|². ENOMEM. */
leann_status leann_projection_query(const leann_projection *p, leann_ctx *ctx, const float *q, bool centred, float *y, float *square);
/* x (n, d) = centre + P^T y, y (n, width); y is overwritten. */
void leann_projection_back(const leann_projection *p, float *y, uint32_t n, float *x);

/* Sections projection.centre f32 (1, d + 1): the centre, then the spread; and projection.axes f16 (width, d), or projection.signs u8
 * (rounds, width): 1 where a component is turned about in that round, else 0. */
leann_status leann_projection_save(const leann_projection *p, leann_writer *w);
leann_status leann_projection_open(leann_ctx *ctx, const leann_reader *r, uint32_t d, leann_projection_kind kind, leann_projection *out);
void leann_projection_predict(uint32_t d, leann_projection_kind kind, leann_ledger *ledger);

#endif
