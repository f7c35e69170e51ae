/* shadow.c – the nearest of m anchors (m, d) to each of n rows (n, d) by shadows of 64 coordinates, exact up to rounding.
 *
 * A shadow is x - µ on 63 orthonormal axes, and the length of what they leave. Two rows' shadows are never farther apart than the rows
 * (the last coordinate by the triangle inequality), so an anchor whose shadow is farther than the row's best key so far cannot be
 * nearer. Shadows meet by products of 64 components in place of d; only what passes costs a key of d. The axes are those of
 * nearly the largest variance of a sample, by two rounds of subspace iteration: any axes give right answers, good ones few keys.
 * MNIST, 245 centroids: 15 % of the variance is left, and 0.6 keys a row pass beside the owner's own.
 * Cost: 64 n d once; then 64 n m multiply-adds and the keys. Anchors lie in tiles of 64 by columns, as the codebook kernels take them.
 *
 * Source: the bound: Hwang, Han & Ahn 2012 (nonlinear embedding: mean and deviation, here any axes); the axes:
 *   Halko, Martinsson & Tropp 2011, algorithm 4.4.
 * Differs: rounding is met by a margin of (d + 64) 2^-23 + 2^-11 of the squared lengths; the second part is for the root of what is
 *   left, which loses half its digits where nearly nothing is.
 *
 * SPDX-License-Identifier: MIT */
#include "core/shadow.h"
#include "core/simd/kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { WIDE = 64, AXES = WIDE - 1, TILE = 64, BLOCK = 256, SAMPLE = 2048, TURNS = 2, LEAST_D = 4 * WIDE };

struct leann_shadows {
    leann_rows rows;
    float *centre;           /* (d) */
    float *axes;             /* (AXES, d): orthonormal, or 0 where the sample has fewer dimensions */
    float *row, *norm;       /* (n, WIDE) and (n): squared length, less the margin */
    float *tile, *tile_norm; /* (tiles, WIDE, TILE) of the anchors, and (tiles, TILE) */
    uint32_t tiles;          /* room */
    uint32_t *tried;         /* (blocks) */
    float margin;
};

/* What the tasks of one call share. */
typedef struct {
    leann_shadows *s;
    const uint32_t *ids;
    const float *anchors;
    uint32_t first, m, *owner;
    float *key;
} search;

bool leann_shadows_pay(uint32_t d, uint32_t k)
{
    return d >= LEAST_D && k >= TILE;
}

/* ---- shadows ---------------------------------------------------------------------------------------------------------------- */

/* x (n, d) -> out (n, WIDE) and norm (n); x is used up. */
static void cast(const leann_shadows *s, float *x, size_t n, float *out, float *norm)
{
    const leann_kernels *kernels = leann_kernels_get();
    size_t d = s->rows.d;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) x[i * d + j] -= s->centre[j];
    leann_gemm_nt(n, AXES, d, 1, x, d, s->axes, d, 0, out, WIDE);
    for (size_t i = 0; i < n; i++) {
        float whole = kernels->norm_f32(x + i * d, d), left = whole - kernels->norm_f32(out + i * WIDE, AXES);
        out[i * WIDE + AXES] = sqrtf(fmaxf(left, 0));
        norm[i] = whole * (1 - s->margin);
    }
}

static leann_status cast_rows(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    leann_shadows *s = arg;
    size_t mark = leann_scratch_mark(worker), n = end - begin;
    float *x = leann_scratch(worker, n * s->rows.d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    leann_rows_floats(s->rows, (uint32_t)begin, (uint32_t)n, x);
    cast(s, x, n, s->row + begin * WIDE, s->norm + begin);
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

/* The m rows of axes made orthonormal, twice because once is not enough in floats; what depends on rows before it becomes 0.
 * along (m): room. */
static void straighten(float *axes, size_t m, size_t d, float *along)
{
    const leann_kernels *kernels = leann_kernels_get();
    for (size_t i = 0; i < m; i++) {
        float *axis = axes + i * d, before = kernels->norm_f32(axis, d);
        for (int pass = 0; pass < 2 && i > 0; pass++) {
            leann_gemm_nt(1, i, d, 1, axis, d, axes, d, 0, along, i);
            leann_gemm_nn(1, d, i, -1, along, i, axes, d, 1, axis, d);
        }
        float length = kernels->norm_f32(axis, d), unit = length > 1e-6F * before ? 1 / sqrtf(length) : 0;
        for (size_t j = 0; j < d; j++) axis[j] *= unit;
    }
}

leann_status leann_shadow_axes(leann_ctx *ctx, leann_rows rows, const char *stage, uint32_t m, float *centre, float *axes)
{
    uint32_t n = rows.n < SAMPLE ? rows.n : SAMPLE;
    size_t d = rows.d;
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), stage, UINT64_MAX);
    uint32_t *ids = leann_alloc(ctx, n, sizeof *ids);
    float *x = leann_alloc(ctx, n, d * sizeof *x), *along = leann_alloc(ctx, n, m * sizeof *along);
    double *sum = leann_alloc(ctx, d, sizeof *sum);
    leann_status status = ids && x && along && sum ? LEANN_OK : LEANN_ENOMEM;
    if (status) goto done;
    leann_rng_sample(&rng, rows.n, n, true, ids);
    leann_rows_gather(rows, ids, n, x);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) sum[j] += (double)x[i * d + j];
    for (size_t j = 0; j < d; j++) centre[j] = (float)(sum[j] / n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) x[i * d + j] -= centre[j];
    for (size_t i = 0; i < m * d; i++) axes[i] = (float)leann_rng_normal(&rng);
    for (int turn = 0; turn < TURNS; turn++) {
        leann_gemm_nt(n, m, d, 1, x, d, axes, d, 0, along, m);
        leann_gemm_tn(m, d, n, 1, along, m, x, d, 0, axes, d);
        straighten(axes, m, d, along);
    }
done:
    leann_free(ids);
    leann_free(x);
    leann_free(along);
    leann_free(sum);
    return status;
}

leann_status leann_shadows_new(leann_ctx *ctx, leann_rows rows, const char *stage, leann_shadows **out)
{
    leann_shadows *s = *out = leann_alloc(ctx, 1, sizeof *s);
    if (!s) return LEANN_ENOMEM;
    s->rows = rows;
    s->margin = (float)(rows.d + WIDE) * 0x1p-23F + 0x1p-11F;
    s->centre = leann_alloc(ctx, rows.d, sizeof *s->centre);
    s->axes = leann_alloc(ctx, AXES, rows.d * sizeof *s->axes);
    s->row = leann_alloc(ctx, rows.n, WIDE * sizeof *s->row);
    s->norm = leann_alloc(ctx, rows.n, sizeof *s->norm);
    s->tried = leann_alloc(ctx, (size_t)rows.n / BLOCK + 1, sizeof *s->tried);
    leann_status status = s->centre && s->axes && s->row && s->norm && s->tried
                              ? leann_shadow_axes(ctx, rows, stage, AXES, s->centre, s->axes)
                              : LEANN_ENOMEM;
    if (!status) status = leann_parallel(ctx, rows.n, BLOCK, cast_rows, s);
    if (!status) return LEANN_OK;
    leann_shadows_free(s);
    *out = NULL;
    return status;
}

void leann_shadows_free(leann_shadows *s)
{
    if (!s) return;
    leann_free(s->centre);
    leann_free(s->axes);
    leann_free(s->row);
    leann_free(s->norm);
    leann_free(s->tile);
    leann_free(s->tile_norm);
    leann_free(s->tried);
    leann_free(s);
}

/* ---- the search ------------------------------------------------------------------------------------------------------------- */

static leann_status cast_tile(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const search *q = arg;
    leann_shadows *s = q->s;
    size_t mark = leann_scratch_mark(worker), d = s->rows.d;
    float *x = leann_scratch(worker, TILE * d * sizeof *x), *shadow = leann_scratch(worker, TILE * WIDE * sizeof *shadow);
    if (!x || !shadow) return LEANN_ENOMEM;
    for (size_t t = begin + q->first / TILE; t < end + q->first / TILE; t++) {
        size_t from = t * TILE, n = q->m - from < TILE ? q->m - from : TILE;
        float *tile = s->tile + t * WIDE * TILE, *norm = s->tile_norm + from;
        memcpy(x, q->anchors + from * d, n * d * sizeof *x);
        memset(x + n * d, 0, (TILE - n) * d * sizeof *x);
        cast(s, x, TILE, shadow, norm);
        for (size_t c = n; c < TILE; c++) norm[c] = INFINITY;
        for (size_t j = 0; j < WIDE; j++)
            for (size_t c = 0; c < TILE; c++) tile[j * TILE + c] = shadow[c * WIDE + j];
    }
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

static leann_codebook tile_of(const leann_shadows *s, size_t t)
{
    return (leann_codebook){s->tile + t * WIDE * TILE, s->tile_norm + t * TILE, WIDE, TILE, TILE};
}

/* Squared L2 of row i and an anchor. x: (d) scratch. */
static float key_of(leann_rows rows, uint32_t i, const float *anchor, float *x)
{
    const leann_kernels *kernels = leann_kernels_get();
    if (rows.type == LEANN_U8) return kernels->l2_f32_u8(anchor, leann_row(rows, i), rows.d);
    if (rows.type == LEANN_F32) return kernels->l2_f32(anchor, leann_row(rows, i), rows.d);
    leann_rows_floats(rows, i, 1, x);
    return kernels->l2_f32(anchor, x, rows.d);
}

/* owner (n): the anchor of the nearest shadow. */
static void guess(const search *q, const float *shadow, uint32_t n, uint32_t *owner)
{
    uint8_t code[BLOCK];
    float key[BLOCK], least[BLOCK];
    for (uint32_t i = 0; i < n; i++) least[i] = INFINITY, owner[i] = 0;
    for (uint32_t t = 0; t * TILE < q->m; t++) {
        leann_kernels_get()->codebook_nearest(tile_of(q->s, t), shadow, WIDE * sizeof *shadow, n, code, key);
        for (uint32_t i = 0; i < n; i++)
            if (key[i] < least[i]) least[i] = key[i], owner[i] = t * TILE + code[i];
    }
}

static leann_status block(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const search *q = arg;
    leann_shadows *s = q->s;
    size_t mark = leann_scratch_mark(worker), d = s->rows.d;
    uint32_t n = (uint32_t)(end - begin), *owner = q->owner + begin, tried = 0, ids[BLOCK];
    float *x = leann_scratch(worker, d * sizeof *x), *gathered = leann_scratch(worker, BLOCK * WIDE * sizeof *gathered);
    float *key = q->key + begin, *shadow = q->ids ? gathered : s->row + begin * WIDE, cut[BLOCK];
    uint64_t bits[BLOCK];
    if (!x || !gathered) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = q->ids ? q->ids[begin + i] : (uint32_t)begin + i;
        if (q->ids) memcpy(gathered + i * WIDE, s->row + (size_t)ids[i] * WIDE, WIDE * sizeof *gathered);
    }
    if (q->first == 0) {
        if (owner[0] == LEANN_NONE) guess(q, shadow, n, owner);
        for (uint32_t i = 0; i < n; i++) key[i] = key_of(s->rows, ids[i], q->anchors + owner[i] * d, x);
        tried += n;
    }
    for (uint32_t t = q->first / TILE; t * TILE < q->m; t++) {
        for (uint32_t i = 0; i < n; i++) cut[i] = key[i] - s->norm[ids[i]] + 1e-30F; /* ties pass where all lengths are 0 too */
        leann_kernels_get()->codebook_below(tile_of(s, t), shadow, WIDE * sizeof *shadow, n, cut, bits);
        for (uint32_t i = 0; i < n; i++)
            for (uint64_t rest = bits[i]; rest; rest &= rest - 1) {
                uint32_t j = t * TILE + (uint32_t)__builtin_ctzll(rest);
                if (j < q->first || j == owner[i]) continue;
                float other = key_of(s->rows, ids[i], q->anchors + j * d, x);
                tried++;
                if (other < key[i] || (other == key[i] && j < owner[i])) key[i] = other, owner[i] = j;
            }
    }
    s->tried[begin / BLOCK] = tried;
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

leann_status leann_shadows_nearest(leann_ctx *ctx, leann_shadows *s, const uint32_t *ids, uint32_t n, const float *anchors, uint32_t first,
                                   uint32_t m, uint32_t *owner, float *key, uint64_t *tried)
{
    assert(first < m && m <= UINT32_MAX - TILE && n <= s->rows.n);
    search q = {s, ids, anchors, first, m, owner, key};
    uint32_t tiles = (m + TILE - 1) / TILE;
    if (tiles > s->tiles) {
        leann_free(s->tile);
        leann_free(s->tile_norm);
        s->tile = leann_alloc(ctx, tiles, WIDE * TILE * sizeof *s->tile);
        s->tile_norm = leann_alloc(ctx, tiles, TILE * sizeof *s->tile_norm);
        s->tiles = s->tile && s->tile_norm ? tiles : 0;
        if (!s->tiles) return LEANN_ENOMEM;
    }
    leann_status status = leann_parallel(ctx, tiles - first / TILE, 1, cast_tile, &q);
    if (!status) status = leann_parallel(ctx, n, BLOCK, block, &q);
    *tried = 0;
    for (uint32_t b = 0; b * BLOCK < n && !status; b++) *tried += s->tried[b];
    return status;
}
