/* exact.c – the exact k nearest rows (n, d) of queries (q, d): O(q n d) by float products, answers in float64, ties by id.
 *
 * The products only filter. With u = 2^-24, any order of summation gives |fl(<q, x>) - <q, x>| <= g |q||x|, g = d u / (1 - d u)
 * (Higham 2002, §3.1); the additions of |x|² and the roundings of |x|² and of the threshold add a few u of (|q| + |x|)². A row is
 * passed over only when its float key exceeds the k-th best float64 key so far by more than that bound, so it is certainly
 * farther; every other row gets its key in float64 at once, while its block is in memory. A float key that is not finite (the
 * product overflowed) is never passed over. That is about k (1 + ln(n / k)) float64 keys a query on rows in no order; where the
 * bound is no smaller than the distances themselves (rows far from the origin and close together) every pair is done in float64.
 *
 * Rows come in blocks: a block is packed to floats in parts of at most 32 MB, then each worker takes a tile of queries through the
 * whole part, so that a query's heap belongs to one worker and no order of events can show.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/simd/kernels.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum {
    QUERY_TILE = 256,
    ROW_TILE = 512,
    LOOK = 64, /* keys compared before the first branch */
    PART_FLOATS = 8 << 20,
    PART_ROWS = 16384,
    PACK_ROWS = 256,
    LANES = 8,
    INTEGER_D = 65536
};

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

/* ---- the scan ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    double key;
    uint32_t id;
} hit;

struct leann_exact_scan {
    leann_rows queries;
    uint32_t k, tile; /* queries a task */
    uint64_t seen;
    hit *heap;       /* (q.n, k) the worst first once full */
    uint32_t *count; /* (q.n) */
    double *square;  /* (q.n) |q|² */
    /* the part of a block at hand */
    leann_rows part;
    uint32_t part_first, part_rows; /* part_rows: what there is room for */
    float *packed;                  /* (part_rows, d); unit rows where the space is angular */
    float *bias;                    /* (part_rows) |x|² under L2, else 0 */
    double *part_square;            /* (part_rows) |x|² */
    double longest;                 /* the largest |x| of the part */
    bool integers;                  /* bytes against bytes */
};

static bool before(hit a, hit b)
{
    return a.key < b.key || (a.key == b.key && a.id < b.id);
}

static void sink(hit *heap, uint32_t n, uint32_t at)
{
    hit moving = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(heap[child], heap[child + 1])) child++;
        if (!before(moving, heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

/* True when the heap's worst changed. */
static bool offer(hit *heap, uint32_t *count, uint32_t k, hit new)
{
    if (*count < k) {
        heap[(*count)++] = new;
        if (*count < k) return false;
        for (uint32_t i = k / 2; i-- > 0;) sink(heap, k, i);
        return true;
    }
    if (!before(new, heap[0])) return false;
    heap[0] = new;
    sink(heap, k, 0);
    return true;
}

static double exact_key(const leann_exact_scan *s, uint32_t query, uint32_t row)
{
    if (s->integers) {
        const leann_kernels *kernels = leann_kernels_get();
        const uint8_t *q = leann_row(s->queries, query), *x = leann_row(s->part, row);
        return s->queries.space == LEANN_L2 ? (double)kernels->l2_u8(q, x, s->queries.d) : -(double)kernels->ip_u8(q, x, s->queries.d);
    }
    if (s->queries.space == LEANN_L2) return pair_sum(s->queries, query, s->part, row, SQUARES);
    double ab = pair_sum(s->queries, query, s->part, row, DOT);
    return s->queries.space == LEANN_IP ? -ab : cosine_key(ab, s->square[query], s->part_square[row]);
}

/* The bound of the file head for one query and any row of the part. */
static double rounding(const leann_exact_scan *s, uint32_t query)
{
    const double u = 0x1p-24;
    double d = s->queries.d, q = sqrt(s->square[query]);
    if (d * u > 0.05) return INFINITY; /* d > 838,860: the bound no longer holds */
    double x = s->queries.space == LEANN_ANGULAR ? 1 : s->longest, terms = 2 * (d + 16) * q * x; /* 16: packing, threshold, float64 */
    if (s->queries.space == LEANN_L2) terms += 4 * (q + x) * (q + x);
    return 1.1 * u * terms + d * (double)FLT_MIN; /* 1.1 > 1 / (1 - 0.05); the last for products that underflow */
}

/* What a float key must exceed to be passed over. */
static float cut_of(const leann_exact_scan *s, uint32_t query, double slack)
{
    if (s->count[query] < s->k) return INFINITY;
    double worst = s->heap[(size_t)query * s->k].key, cut = worst;
    if (s->queries.space == LEANN_L2) cut = worst - s->square[query];
    if (s->queries.space == LEANN_ANGULAR) cut = (worst - 1) * sqrt(s->square[query]);
    return nextafterf((float)(cut + slack), INFINITY);
}

/* A key that overflowed, or is NaN, says nothing. Without a branch, so that it takes vectors. */
static inline bool farther(float v, float cut)
{
    return (v > cut) & (v <= FLT_MAX);
}

/* One query against a tile: c (n) = -2<q, x> or -<q, x>, rows of the part from `first`. */
static void sift(leann_exact_scan *s, uint32_t query, double slack, const float *c, uint32_t first, uint32_t n)
{
    const float *bias = s->bias + first;
    hit *heap = s->heap + (size_t)query * s->k;
    float cut = cut_of(s, query, slack);
    for (uint32_t j = 0; j < n; j += LOOK) {
        uint32_t w = n - j < LOOK ? n - j : LOOK, passing = 0;
        for (uint32_t l = 0; l < w; l++) passing += !farther(bias[j + l] + c[j + l], cut);
        for (uint32_t l = 0; passing && l < w; l++) {
            if (farther(bias[j + l] + c[j + l], cut)) continue;
            uint32_t row = first + j + l;
            if (offer(heap, &s->count[query], s->k, (hit){exact_key(s, query, row), s->part_first + row})) cut = cut_of(s, query, slack);
        }
    }
}

static leann_status scan_tile(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    leann_exact_scan *s = arg;
    size_t mark = leann_scratch_mark(worker), d = s->queries.d, n = end - begin;
    float *q = leann_scratch(worker, n * d * sizeof *q), *c = leann_scratch(worker, n * ROW_TILE * sizeof *c);
    double *slack = leann_scratch(worker, n * sizeof *slack);
    if (!q || !c || !slack) return LEANN_ENOMEM;
    leann_rows_floats(s->queries, (uint32_t)begin, (uint32_t)n, q);
    for (size_t i = 0; i < n; i++) slack[i] = rounding(s, (uint32_t)(begin + i));
    float alpha = s->queries.space == LEANN_L2 ? -2 : -1;
    for (uint32_t j = 0; j < s->part.n; j += ROW_TILE) {
        uint32_t w = s->part.n - j < ROW_TILE ? s->part.n - j : ROW_TILE;
        leann_gemm_nt(n, w, d, alpha, q, d, s->packed + j * d, d, 0, c, w);
        for (size_t i = 0; i < n; i++) sift(s, (uint32_t)(begin + i), slack[i], c + i * w, j, w);
    }
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

static leann_status pack(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker;
    leann_exact_scan *s = arg;
    size_t d = s->part.d;
    leann_rows_floats(s->part, (uint32_t)begin, (uint32_t)(end - begin), s->packed + begin * d);
    for (size_t i = begin; i < end; i++) {
        double square = pair_sum(s->part, (uint32_t)i, s->part, (uint32_t)i, DOT);
        s->part_square[i] = square;
        s->bias[i] = s->part.space == LEANN_L2 ? (float)square : 0;
        if (s->part.space != LEANN_ANGULAR) continue;
        double scale = square > 0 ? 1 / sqrt(square) : 0;
        for (size_t j = 0; j < d; j++) s->packed[i * d + j] = (float)((double)s->packed[i * d + j] * scale);
    }
    return LEANN_OK;
}

static leann_status scan_part(leann_ctx *ctx, leann_exact_scan *s)
{
    leann_status status = leann_parallel(ctx, s->part.n, PACK_ROWS, pack, s);
    if (status) return status;
    double longest = 0;
    for (uint32_t i = 0; i < s->part.n; i++) longest = fmax(longest, s->part_square[i]);
    s->longest = sqrt(longest);
    return leann_parallel(ctx, s->queries.n, s->tile, scan_tile, s);
}

leann_status leann_exact_add(leann_ctx *ctx, leann_exact_scan *s, leann_rows block, uint32_t first_id)
{
    if (block.d != s->queries.d || block.space != s->queries.space)
        return leann_fail(ctx, LEANN_EINVAL, "rows (%u dimensions, %s) do not fit the queries (%u, %s)", block.d,
                          leann_space_word(block.space), s->queries.d, leann_space_word(s->queries.space));
    if (block.n > LEANN_NONE - first_id)
        return leann_fail(ctx, LEANN_ELIMIT, "row ids go up to %u: %u + %u are too many", LEANN_NONE - 1, first_id, block.n);
    s->integers = s->queries.type == LEANN_U8 && block.type == LEANN_U8 && block.d <= INTEGER_D && block.space != LEANN_ANGULAR;
    for (uint32_t at = 0; at < block.n;) {
        uint32_t n = block.n - at < s->part_rows ? block.n - at : s->part_rows;
        s->part = block;
        s->part.base = leann_row(block, at);
        s->part.n = n;
        s->part_first = first_id + at;
        leann_status status = scan_part(ctx, s);
        if (status) return status;
        at += n;
    }
    s->seen += block.n;
    return LEANN_OK;
}

leann_status leann_exact_begin(leann_ctx *ctx, leann_rows queries, uint32_t k, leann_exact_scan **out)
{
    if (k == 0) return leann_fail(ctx, LEANN_EINVAL, "k is 0: at least one neighbour must be asked for");
    if (queries.d == 0) return leann_fail(ctx, LEANN_EINVAL, "the queries have no dimensions");
    leann_exact_scan *s = leann_alloc(ctx, 1, sizeof *s);
    if (!s) return LEANN_ENOMEM;
    size_t d = queries.d, fit = PART_FLOATS / d / ROW_TILE * ROW_TILE, row_hits = k * sizeof *s->heap;
    s->queries = queries;
    s->k = k;
    /* few queries are cut finer, so that two workers have something to do; by their number alone */
    s->tile = queries.n >= 8 * QUERY_TILE ? QUERY_TILE : (queries.n / 8 + 16) / 16 * 16;
    if (s->tile < 16) s->tile = 16;
    s->part_rows = (uint32_t)(fit < ROW_TILE ? ROW_TILE : fit > PART_ROWS ? PART_ROWS : fit);
    s->heap = leann_alloc(ctx, queries.n, row_hits);
    s->count = leann_alloc(ctx, queries.n, sizeof *s->count);
    s->square = leann_alloc(ctx, queries.n, sizeof *s->square);
    s->packed = leann_alloc(ctx, s->part_rows, d * sizeof *s->packed);
    s->bias = leann_alloc(ctx, s->part_rows, sizeof *s->bias);
    s->part_square = leann_alloc(ctx, s->part_rows, sizeof *s->part_square);
    if (!s->heap || !s->count || !s->square || !s->packed || !s->bias || !s->part_square) {
        leann_exact_free(s);
        return LEANN_ENOMEM;
    }
    for (uint32_t i = 0; i < queries.n; i++) s->square[i] = pair_sum(queries, i, queries, i, DOT);
    *out = s;
    return LEANN_OK;
}

leann_status leann_exact_end(leann_ctx *ctx, leann_exact_scan *s, uint32_t *ids, double *dist)
{
    if (s->k > s->seen) return leann_fail(ctx, LEANN_EINVAL, "k is %u, but there are only %llu rows", s->k, (unsigned long long)s->seen);
    for (uint32_t i = 0; i < s->queries.n; i++) {
        hit *heap = s->heap + (size_t)i * s->k;
        for (uint32_t n = s->k; n-- > 0;) { /* heap sort: the worst goes last; the heap is spent */
            ids[(size_t)i * s->k + n] = heap[0].id;
            dist[(size_t)i * s->k + n] = heap[0].key;
            heap[0] = heap[n];
            sink(heap, n, 0);
        }
    }
    return LEANN_OK;
}

void leann_exact_free(leann_exact_scan *s)
{
    if (!s) return;
    leann_free(s->heap);
    leann_free(s->count);
    leann_free(s->square);
    leann_free(s->packed);
    leann_free(s->bias);
    leann_free(s->part_square);
    leann_free(s);
}

leann_status leann_exact(leann_ctx *ctx, leann_rows rows, leann_rows queries, uint32_t k, uint32_t *ids, double *dist)
{
    if (k > rows.n) return leann_fail(ctx, LEANN_EINVAL, "k is %u, but there are only %u rows", k, rows.n);
    leann_exact_scan *scan = NULL;
    leann_status status = leann_exact_begin(ctx, queries, k, &scan);
    for (uint32_t at = 0; !status && at < rows.n;) {
        leann_rows block = rows;
        block.base = leann_row(rows, at);
        block.n = rows.n - at < scan->part_rows ? rows.n - at : scan->part_rows;
        status = leann_exact_add(ctx, scan, block, at);
        at += block.n;
        if (!status) leann_ctx_progress(ctx, "ground truth", at, rows.n);
    }
    if (!status) status = leann_exact_end(ctx, scan, ids, dist);
    leann_exact_free(scan);
    return status;
}
