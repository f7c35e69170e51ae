/* exact.c – the exact k nearest rows (n, d) of queries (q, d): O(q n d) by products, answers in float64, ties by id.
 *
 * The search is knn.c's; this file computes the keys that decide, in one order of summation for all types, so that a pair has one value
 * wherever it is computed. Bytes against bytes are whole numbers.
 *
 * SPDX-License-Identifier: MIT */
#include "core/knn.h"
#include "core/simd/kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { LANES = 8, INTEGER_D = 65536, BLOCK = 1 << 18 /* rows between two reports of progress */, AHEAD = 4 };

/* ---- float64 ------------------------------------------------------------------------------------------------------------ */

typedef enum { DOT, SQUARES } sum_kind;

static inline void add_lanes(const float *a, const float *b, size_t n, sum_kind kind, double lane[LANES])
{
    for (size_t i = 0; i < n; i += LANES) {
        size_t w = n - i < LANES ? n - i : LANES;
        if (w == LANES) {
            for (size_t l = 0; l < LANES; l++) {
                double x = (double)a[i + l], y = (double)b[i + l];
                lane[l] += kind == DOT ? x * y : (x - y) * (x - y);
            }
        } else {
            for (size_t l = 0; l < w; l++) {
                double x = (double)a[i + l], y = (double)b[i + l];
                lane[l] += kind == DOT ? x * y : (x - y) * (x - y);
            }
        }
    }
}

/* Elements [from, from + n) of a row as floats: where they lie, or converted into room. */
static const float *stretch(leann_rows rows, uint32_t i, uint32_t from, uint32_t n, float *room)
{
    const void *row = leann_row(rows, i);
    if (rows.type == LEANN_F32) return (const float *)row + from;
    for (uint32_t j = 0; j < n; j++)
        room[j] = rows.type == LEANN_U8 ? (float)((const uint8_t *)row)[from + j] : (float)((const int8_t *)row)[from + j];
    return room;
}

/* One order of summation for all types, so that a pair has one value wherever it is computed. */
static double pair_sum(leann_rows a, uint32_t i, leann_rows b, uint32_t j, sum_kind kind)
{
    enum { STEP = 512 };
    _Static_assert(STEP % LANES == 0, "lanes go on from stretch to stretch");
    float left[STEP], right[STEP];
    double lane[LANES] = {0};
    for (uint32_t from = 0; from < a.d; from += STEP) {
        uint32_t n = a.d - from < STEP ? a.d - from : STEP;
        const float *x = stretch(a, i, from, n, left), *y = stretch(b, j, from, n, right);
        if (kind == DOT)
            add_lanes(x, y, n, DOT, lane);
        else
            add_lanes(x, y, n, SQUARES, lane);
    }
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static double cosine_key(double ab, double aa, double bb)
{
    double length = sqrt(aa * bb);
    return length > 0 ? 1 - ab / length : 1;
}

double leann_distance_f64(leann_rows a, uint32_t i, leann_rows b, uint32_t j)
{
    assert(a.d == b.d);
    if (a.space == LEANN_L2) return pair_sum(a, i, b, j, SQUARES);
    double ab = pair_sum(a, i, b, j, DOT);
    if (a.space == LEANN_IP) return -ab;
    return cosine_key(ab, pair_sum(a, i, a, i, DOT), pair_sum(b, j, b, j, DOT));
}

/* ---- the search ---------------------------------------------------------------------------------------------------------- */

struct leann_exact_scan {
    leann_rows queries;
    uint32_t k;
    uint64_t seen;
    double *square; /* (q.n) |q|², angular only */
    leann_knn *knn;
    void *memory;
};

static leann_status exact_keys(leann_ctx *ctx, const void *arg, uint32_t query, leann_rows part, const uint32_t *row, uint32_t n,
                               double *key)
{
    (void)ctx;
    const leann_exact_scan *s = arg;
    const leann_kernels *kernels = leann_kernels_get();
    leann_rows queries = s->queries;
    leann_space space = queries.space;
    const uint8_t *q = leann_row(queries, query);
    bool integers = queries.type == LEANN_U8 && part.type == LEANN_U8 && part.d <= INTEGER_D && space != LEANN_ANGULAR;
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n) leann_row_prefetch(part, row[i + AHEAD], part.d * leann_dtype_bytes(part.type));
        if (integers && space == LEANN_L2)
            key[i] = (double)kernels->l2_u8(q, leann_row(part, row[i]), part.d);
        else if (integers)
            key[i] = -(double)kernels->ip_u8(q, leann_row(part, row[i]), part.d);
        else if (space == LEANN_L2)
            key[i] = pair_sum(queries, query, part, row[i], SQUARES);
        else
            key[i] = -pair_sum(queries, query, part, row[i], DOT);
        if (space == LEANN_ANGULAR) key[i] = cosine_key(-key[i], s->square[query], pair_sum(part, row[i], part, row[i], DOT));
    }
    return LEANN_OK;
}

leann_status leann_exact_add(leann_ctx *ctx, leann_exact_scan *s, leann_rows block, uint32_t first_id)
{
    if (block.d != s->queries.d || block.space != s->queries.space)
        return leann_fail(ctx, LEANN_EINVAL, "rows (%u dimensions, %s) do not fit the queries (%u, %s)", block.d,
                          leann_space_word(block.space), s->queries.d, leann_space_word(s->queries.space));
    if (block.n > LEANN_NONE - first_id)
        return leann_fail(ctx, LEANN_ELIMIT, "row ids go up to %u: %u + %u are too many", LEANN_NONE - 1, first_id, block.n);
    s->seen += block.n;
    return leann_knn_add(ctx, s->knn, block, first_id);
}

/* rows: that come in one block at most. */
static leann_status begin(leann_ctx *ctx, leann_rows queries, uint32_t k, uint32_t rows, leann_exact_scan **out)
{
    if (k == 0) return leann_fail(ctx, LEANN_EINVAL, "k is 0: at least one neighbour must be asked for");
    if (queries.d == 0) return leann_fail(ctx, LEANN_EINVAL, "the queries have no dimensions");
    leann_exact_scan *s = leann_alloc(ctx, 1, sizeof *s);
    if (!s) return LEANN_ENOMEM;
    const leann_knn_options options = {.queries = queries, .k = k, .rows = rows, .keys = exact_keys, .arg = s};
    s->queries = queries;
    s->k = k;
    s->square = leann_alloc(ctx, queries.n, sizeof *s->square);
    s->memory = leann_alloc(ctx, 1, leann_knn_bytes(&options));
    if (!s->square || !s->memory) {
        leann_exact_free(s);
        return LEANN_ENOMEM;
    }
    s->knn = leann_knn_begin(&options, s->memory);
    for (uint32_t i = 0; i < queries.n && queries.space == LEANN_ANGULAR; i++) s->square[i] = pair_sum(queries, i, queries, i, DOT);
    *out = s;
    return LEANN_OK;
}

leann_status leann_exact_begin(leann_ctx *ctx, leann_rows queries, uint32_t k, leann_exact_scan **out)
{
    return begin(ctx, queries, k, UINT32_MAX, out);
}

leann_status leann_exact_end(leann_ctx *ctx, leann_exact_scan *s, uint32_t *ids, double *dist)
{
    if (s->k > s->seen) return leann_fail(ctx, LEANN_EINVAL, "k is %u, but there are only %llu rows", s->k, (unsigned long long)s->seen);
    for (uint32_t i = 0; i < s->queries.n; i++) {
        uint32_t n;
        const leann_knn_hit *hit = leann_knn_end(s->knn, i, &n);
        assert(n == s->k);
        for (uint32_t j = 0; j < n; j++) {
            *ids++ = hit[j].id;
            *dist++ = hit[j].key;
        }
    }
    return LEANN_OK;
}

void leann_exact_free(leann_exact_scan *s)
{
    if (!s) return;
    leann_free(s->square);
    leann_free(s->memory);
    leann_free(s);
}

leann_status leann_exact(leann_ctx *ctx, leann_rows rows, leann_rows queries, uint32_t k, uint32_t *ids, double *dist)
{
    if (k > rows.n) return leann_fail(ctx, LEANN_EINVAL, "k is %u, but there are only %u rows", k, rows.n);
    leann_exact_scan *scan = NULL;
    leann_status status = begin(ctx, queries, k, rows.n < BLOCK ? rows.n : BLOCK, &scan);
    for (uint32_t at = 0; !status && at < rows.n;) {
        leann_rows block = rows;
        block.base = leann_row(rows, at);
        block.n = rows.n - at < BLOCK ? rows.n - at : BLOCK;
        status = leann_exact_add(ctx, scan, block, at);
        at += block.n;
        if (!status) leann_ctx_progress(ctx, "ground truth", at, rows.n);
    }
    if (!status) status = leann_exact_end(ctx, scan, ids, dist);
    leann_exact_free(scan);
    return status;
}
