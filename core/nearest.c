/* nearest.c – the nearest of m anchors (m, d) to each of n rows (n, d), O(n m d) by float products, and lists by owner.
 *
 * |x|² is the same for all anchors of a row, so |a|² - 2<x, a> decides. A block of 256 rows meets tiles of 512 anchors; both are
 * padded, so that an anchor's product takes the same steps wherever it stands and equal anchors give equal keys. The least is kept
 * over 16 lanes while the tile is still in the second-level cache.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/simd/kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { BLOCK = 256, TILE = 512, PAD = 64, LANES = 16 };

typedef struct {
    leann_rows rows;
    const uint32_t *ids;  /* of rows; NULL: all */
    const float *anchors; /* (m, d) as given */
    float *padded, *norm; /* (mp, d) and (mp): m rounded up to a multiple of PAD; padding has an infinite norm */
    uint32_t m, mp, *owner;
    float *key;
} nearest;

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* The least of norm[j] + c[j] (n a multiple of LANES) against the lanes' least so far; id counts from first. */
static void least(const float *norm, const float *c, uint32_t n, uint32_t first, float best[LANES], uint32_t who[LANES])
{
    float low[LANES];
    uint32_t at[LANES];
    memcpy(low, best, sizeof low);
    memcpy(at, who, sizeof at);
    for (uint32_t j = 0; j < n; j += LANES)
        for (uint32_t l = 0; l < LANES; l++) {
            float v = norm[j + l] + c[j + l];
            uint32_t id = first + j;
            at[l] = v < low[l] ? id : at[l];
            low[l] = v < low[l] ? v : low[l];
        }
    memcpy(best, low, sizeof low);
    memcpy(who, at, sizeof at);
}

static uint32_t winner(const float low[LANES], const uint32_t at[LANES])
{
    uint32_t best = at[0];
    float v = low[0];
    for (uint32_t l = 1; l < LANES; l++)
        if (low[l] < v || (low[l] == v && at[l] + l < best)) {
            v = low[l];
            best = at[l] + l;
        }
    return best;
}

static leann_status block(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const nearest *s = arg;
    const leann_kernels *kernels = leann_kernels_get();
    size_t mark = leann_scratch_mark(worker), d = s->rows.d, n = end - begin, padded = up(n, LANES);
    uint32_t tile = s->mp < TILE ? s->mp : TILE;
    float *x = leann_scratch(worker, padded * d * sizeof *x), *c = leann_scratch(worker, padded * tile * sizeof *c);
    float(*low)[LANES] = leann_scratch(worker, n * sizeof *low);
    uint32_t(*at)[LANES] = leann_scratch(worker, n * sizeof *at);
    leann_status status = x && c && low && at ? LEANN_OK : LEANN_ENOMEM;
    if (status) goto done;
    leann_rows_span(s->rows, (leann_span){LEANN_NONE, (uint32_t)begin, (uint32_t)n, s->ids ? s->ids + begin : NULL}, x);
    memset(x + n * d, 0, (padded - n) * d * sizeof *x);
    memset(at, 0, n * sizeof *at);
    for (size_t i = 0; i < n; i++)
        for (uint32_t l = 0; l < LANES; l++) low[i][l] = INFINITY;
    for (uint32_t j = 0; j < s->mp; j += TILE) {
        uint32_t w = s->mp - j < TILE ? s->mp - j : TILE;
        leann_gemm_nt(padded, w, d, -2, x, d, s->padded + (size_t)j * d, d, 0, c, w);
        for (size_t i = 0; i < n; i++) least(s->norm + j, c + i * w, w, j, low[i], at[i]);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t who = winner(low[i], at[i]);
        if (who >= s->m) who = 0; /* nothing was below infinity: keys overflow, or are NaN */
        s->owner[begin + i] = who;
        if (s->key) s->key[begin + i] = kernels->l2_f32(x + i * d, s->anchors + (size_t)who * d, d);
    }
done:
    leann_scratch_reset(worker, mark);
    return status;
}

leann_status leann_nearest_of(leann_ctx *ctx, leann_rows rows, const uint32_t *ids, uint32_t n, const float *anchors, uint32_t m,
                              uint32_t *owner, float *key)
{
    assert(m >= 1 && m <= UINT32_MAX - PAD);
    nearest s = {rows, ids, anchors, NULL, NULL, m, (uint32_t)up(m, PAD), owner, key};
    size_t d = rows.d;
    s.padded = leann_alloc(ctx, s.mp, d * sizeof *s.padded);
    s.norm = leann_alloc(ctx, s.mp, sizeof *s.norm);
    leann_status status = LEANN_ENOMEM;
    if (!s.padded || !s.norm) goto done;
    memcpy(s.padded, anchors, m * d * sizeof *anchors);
    for (uint32_t j = 0; j < s.mp; j++) s.norm[j] = j < m ? leann_kernels_get()->norm_f32(anchors + j * d, d) : INFINITY;
    status = leann_parallel(ctx, n, BLOCK, block, &s);
done:
    leann_free(s.padded);
    leann_free(s.norm);
    return status;
}

leann_status leann_nearest(leann_ctx *ctx, leann_rows rows, const float *anchors, uint32_t m, uint32_t *owner, float *key)
{
    return leann_nearest_of(ctx, rows, NULL, rows.n, anchors, m, owner, key);
}

void leann_lists_of(const uint32_t *owner, uint32_t n, uint32_t m, uint32_t *list_off, uint32_t *list_ids)
{
    memset(list_off, 0, (m + (size_t)1) * sizeof *list_off);
    for (uint32_t i = 0; i < n; i++) {
        assert(owner[i] < m);
        list_off[owner[i] + 1]++;
    }
    for (uint32_t j = 0; j < m; j++) list_off[j + 1] += list_off[j];
    for (uint32_t i = 0; i < n; i++) list_ids[list_off[owner[i]]++] = i; /* each offset now ends its list: move them back by one */
    for (uint32_t j = m; j > 0; j--) list_off[j] = list_off[j - 1];
    list_off[0] = 0;
}
