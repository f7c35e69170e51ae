/* knn.c – the k nearest rows of many queries in O(q n d): products by panels filter, keys that the caller computes decide, ties by id.
 *
 * Queries come in groups whose hits fit 32 MB, and for each group the rows in parts of at most 4 MB, packed into panels of 16 by columns;
 * a worker takes a tile of queries through all panels of the part, so that a query's hits belong to one worker at a time and no order of
 * events can show. A filter key is bias + alpha <q, x>: squared L2 less |q|², minus the inner product, or minus <q, x / |x|>, and is
 * off by at most `slack`, key and caller's key together:
 *   floats  with u = 2^-24, any order of summation gives |fl(<q, x>) - <q, x>| <= g |q||x|, g = d u / (1 - d u) (Higham 2002, §3.1);
 *           additions of |x|², roundings of |x|² and of the cut add a few u of (|q| + |x|)²
 *   bytes   of both sides, where the machine multiplies them: filter keys are exact whole numbers of 32 bits
 *   codes   where it does, but components are no bytes: rows less a centre µ, and queries (less µ too in L2), are each rounded to 255
 *           steps of their own largest component. With x' = x - µ and what is missed, e, |<q', x'> - <q^, x^>| <= |e_q||x^| + |q'||e_x|
 *           (Cauchy-Schwarz), which is about a hundredth of |q'||x'|; four times as many components an instruction
 * A row is passed over when its filter key is above the k-th smallest filter key so far by more than twice the slack, or above the k-th
 * smallest key of the caller's by more than the slack: then it is certainly not among the k. What is left at the end of a block gets
 * its key: k rows and a few a query, of codes 2 to 4 k. Where codes leave more than one row in 64, floats take over; where the slack is
 * no smaller than the distances themselves even then, or products may overflow, every row gets a key.
 *
 * Source: products and selection by blocks as in Johnson, Douze & Jégou 2017 (FAISS), §4 and §5; the bounds are ours.
 *
 * SPDX-License-Identifier: MIT */
#include "core/knn.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/sieve.h"
#include "core/simd/kernels.h"

enum {
    ROWS = 16,  /* a panel */
    PANELS = 3, /* at once: what the kernels take together */
    TILE = 256, /* queries a task */
    GROUP = 8,  /* tiles are multiples of it */
    LANES = 8,
    PART_BYTES = 4 << 20,
    GROUP_BYTES = 32 << 20, /* of queries and their hits */
    BYTES_D = 32768,        /* components whose keys fit 32 bits */
    CENTRE_ROWS = 1024,     /* that the centre is the mean of */
    STEPS = 127,            /* to either side of zero, of a code */
    WORTH = 64              /* codes pay where no more than one row in so many gets a key */
};

typedef enum { FLOATS, BYTES, CODES } packing;

typedef struct { /* of a row less the centre, or the largest of many; the centre is 0 but for codes */
    double length;
    double miss; /* the length of what a code leaves of it */
} extent;

typedef struct { /* a query of the group */
    extent own;
    double whole; /* |q| */
    double shift; /* a filter key less the key of the caller's that it stands for (angular: less (key - 1) |q|) */
} asker;

struct leann_knn {
    leann_knn_options options;
    leann_knn_hit *heap; /* (q, k) the worst first once full */
    uint32_t *count;     /* (q) */
    uint32_t tile, room; /* queries a task; hits a query may have waiting */
    /* the group at hand: what waits for its key */
    uint32_t first, group; /* its first query; how many there are at most */
    uint64_t *hit;         /* (group, room) image of the filter key above the row of the block */
    uint32_t *waiting;     /* (group) hits */
    uint32_t *cut;         /* (group) cells */
    uint32_t *asked;       /* (group) keys of the caller's in this block */
    asker *asker;          /* (group) */
    char *q;               /* (group, depth) floats, signed bytes, or codes: what is multiplied */
    float *alpha;          /* (group) of codes */
    /* the part of a block at hand */
    leann_rows block;
    uint32_t first_id, part_first, part_n;
    packing kind;
    bool coarse;   /* codes have paid so far */
    size_t depth;  /* components as packed */
    float *centre; /* (d) of codes */
    double off;    /* |µ| */
    char *column;  /* (panels, depth, ROWS) */
    void *bias;    /* (panels, ROWS), infinite or the largest number behind the last row */
    float *scale;  /* (panels, ROWS) of codes, and start too */
    int32_t *start;
    extent *extent; /* (panels) */
    extent most;    /* of the block so far, or more */
    bool grown;     /* it is more than at the part before */
};

/* ---- the heap of keys ---------------------------------------------------------------------------------------------------- */

static bool before(leann_knn_hit a, leann_knn_hit b)
{
    return a.key < b.key || (a.key == b.key && a.id < b.id);
}

static void sink(leann_knn_hit *heap, uint32_t n, uint32_t at)
{
    leann_knn_hit moving = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(heap[child], heap[child + 1])) child++;
        if (!before(moving, heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static void offer(leann_knn_hit *heap, uint32_t *count, uint32_t k, leann_knn_hit new)
{
    if (*count < k) {
        heap[(*count)++] = new;
        for (uint32_t i = k / 2; *count == k && i-- > 0;) sink(heap, k, i);
    } else if (before(new, heap[0])) {
        heap[0] = new;
        sink(heap, k, 0);
    }
}

static size_t float_depth(const leann_knn_options *o)
{
    return o->queries.d;
}
static size_t byte_depth(const leann_knn_options *o)
{
    return ((size_t)o->queries.d + 3) / 4 * 4;
}

static size_t unit_of(const leann_knn *s)
{
    return s->kind == FLOATS ? sizeof(float) : 1;
}

/* ---- filter keys --------------------------------------------------------------------------------------------------------- */

/* Whole numbers in the order of the keys, whatever their type; cells hold keys as the kernels take them. */
static uint32_t image_of(const leann_knn *s, uint32_t cell)
{
    float key;
    if (s->kind == BYTES) return cell ^ 0x80000000U;
    memcpy(&key, &cell, sizeof key);
    return leann_key_order(key);
}

static double value_of(const leann_knn *s, uint32_t image)
{
    return s->kind == BYTES ? (double)image - 0x1p31 : (double)leann_key_of(image);
}

/* The cell of the least key that is not below value, or not by a rounding. */
static uint32_t cell_of(const leann_knn *s, double value)
{
    uint32_t cell;
    if (s->kind == BYTES) return value >= INT32_MAX ? INT32_MAX : (uint32_t)(int32_t)fmax(ceil(value), INT32_MIN);
    float key = nextafterf((float)value, INFINITY);
    memcpy(&cell, &key, sizeof cell);
    return cell;
}

/* How far a filter key and a key of the caller's may be apart, for a query and any row of the part. */
static double slack_of(const leann_knn *s, const asker *query)
{
    const double u = 0x1p-24;
    leann_space space = s->options.queries.space;
    double d = s->options.queries.d, q = query->whole, x = space == LEANN_ANGULAR ? 1 : s->most.length + s->off, sum = (q + x) * (q + x);
    double terms = s->options.error * (space == LEANN_L2 ? sum : q * x), missed = 0;
    if (s->kind == FLOATS) terms += 2 * (d + 16) * q * x + (space == LEANN_L2 ? 4 * sum : 0); /* 16: packing, cut, float64 */
    if (s->kind == CODES) {
        double own = query->own.length, most = s->most.length, reach = own + most + (space == LEANN_ANGULAR ? 1 : 0);
        terms += 2 * (d + 16) * reach * reach + q * s->off; /* of lengths, steps and packing: less than sqrt d + 8 each */
        missed = 1.01 * (space == LEANN_L2 ? 2 : 1) * (query->own.miss * (most + s->most.miss) + own * s->most.miss);
    }
    if (d * u > 0.05 || !(terms < 1e36)) return INFINITY; /* d > 838,860: the bound no longer holds; products that may overflow */
    return missed + 1.1 * u * terms + (s->kind == BYTES ? 0 : d * (double)FLT_MIN); /* 1.1 > 1 / (1 - 0.05); products that underflow */
}

/* In float64, in lanes so that adds do not wait for each other. */
static double square_of(const float *x, size_t d)
{
    double lane[LANES] = {0};
    for (size_t j = 0; j < d; j += LANES)
        for (size_t l = 0; l < LANES && j + l < d; l++) lane[l] += (double)x[j + l] * (double)x[j + l];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* ---- codes --------------------------------------------------------------------------------------------------------------- */

/* x (d) less the centre -> code (d); scale times a code is what it stands for. Lengths come from steps, so that no square underflows. */
static extent narrow(const leann_knn *s, const float *x, const float *centre, int8_t *code, float *scale, int32_t *sum)
{
    size_t d = s->options.queries.d;
    leann_narrowed as = leann_kernels_get()->i8_from_f32(x, centre, code, d);
    double step = (double)(*scale = as.largest / STEPS), most = sqrt((double)d) * (double)as.largest;
    *sum = as.sum;
    if (as.square > 0) return (extent){sqrt((double)as.square) * step, sqrt((double)as.miss) * step};
    *scale = 0; /* too small or too large for steps */
    return (extent){most, most};
}

/* ---- queries of a group ----------------------------------------------------------------------------------------------------- */

static void take_code(leann_knn *s, uint32_t i, const float *x, const float *zero, int8_t *code)
{
    asker *own = &s->asker[i];
    bool moved = s->options.queries.space == LEANN_L2;
    uint8_t *out = (uint8_t *)s->q + i * s->depth; /* one side of a product of bytes is unsigned: code + 128 */
    int32_t sum;
    own->own = narrow(s, x, moved ? s->centre : zero, code, &s->alpha[i], &sum);
    s->alpha[i] *= moved ? -2 : -1;
    own->shift = 0;
    for (size_t j = 0; j < s->options.queries.d; j++) {
        double a = (double)x[j], b = (double)s->centre[j];
        own->shift += moved ? -(a - b) * (a - b) : a * b;
    }
    for (size_t j = 0; j < s->depth; j++) out[j] = (uint8_t)(code[j] + 128);
}

static leann_status ask_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    leann_knn *s = arg;
    leann_rows queries = s->options.queries;
    size_t mark = leann_scratch_mark(ctx), d = queries.d;
    float *x = leann_scratch(ctx, d * sizeof *x), *zero = leann_scratch(ctx, d * sizeof *zero);
    int8_t *code = leann_scratch(ctx, byte_depth(&s->options));
    if (!x || !zero || !code) return LEANN_ENOMEM;
    memset(zero, 0, d * sizeof *zero);
    memset(code, 0, byte_depth(&s->options));
    for (size_t i = begin; i < end; i++) {
        leann_rows_floats(queries, s->first + (uint32_t)i, 1, x);
        double square = square_of(x, d);
        s->asker[i] = (asker){{sqrt(square), 0}, sqrt(square), queries.space == LEANN_L2 ? -square : 0};
        if (s->kind == CODES) take_code(s, (uint32_t)i, x, zero, code);
        if (s->kind == FLOATS) memcpy(s->q + i * d * sizeof *x, x, d * sizeof *x);
        const uint8_t *q = leann_row(queries, s->first + (uint32_t)i);
        int8_t *out = (int8_t *)s->q + i * s->depth; /* one side of a product of bytes is signed: q - 128 */
        for (size_t j = 0; j < s->depth && s->kind == BYTES; j++) out[j] = (int8_t)(j < d ? q[j] - 128 : 0);
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* ---- a tile -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_knn *s;
    leann_ctx *ctx;
    uint32_t first, n; /* of the group's queries */
    const char *q;     /* (n, depth), and the rest of the group's (n) */
    const asker *asker;
    const float *alpha;
    uint64_t *hit; /* (n, room) */
    uint32_t *waiting, *cut;
    double *slack;  /* (n) */
    uint32_t *cell; /* (n, PANELS, ROWS) */
    uint16_t *pass; /* (n, PANELS), and zeros up to a multiple of 4 */
    uint32_t *row;  /* (room) */
    double *key;    /* (room) */
} tile;

/* What a filter key must be above to be passed over, by the caller's keys. */
static double limit_of(const tile *t, uint32_t i)
{
    const leann_knn *s = t->s;
    uint32_t query = s->first + t->first + i;
    if (s->count[query] < s->options.k) return INFINITY;
    double worst = s->heap[(size_t)query * s->options.k].key;
    if (s->options.queries.space == LEANN_ANGULAR) worst = (worst - 1) * t->asker[i].whole;
    return worst + t->asker[i].shift + t->slack[i];
}

static void lower(tile *t, uint32_t i, double limit)
{
    uint32_t cell = cell_of(t->s, limit);
    if (image_of(t->s, cell) < image_of(t->s, t->cut[i])) t->cut[i] = cell;
}

/* Gives the rows that wait their keys, and waits for none. */
static leann_status settle(tile *t, uint32_t i)
{
    leann_knn *s = t->s;
    uint32_t query = s->first + t->first + i, k = s->options.k, n = t->waiting[i];
    for (uint32_t j = 0; j < n; j++) t->row[j] = (uint32_t)t->hit[(size_t)i * s->room + j];
    leann_status status = n ? s->options.keys(t->ctx, s->options.arg, query, s->block, t->row, n, t->key) : LEANN_OK;
    for (uint32_t j = 0; j < n && !status; j++)
        offer(s->heap + (size_t)query * k, &s->count[query], k, (leann_knn_hit){t->key[j], s->first_id + t->row[j]});
    t->waiting[i] = 0;
    s->asked[t->first + i] += n;
    lower(t, i, limit_of(t, i));
    return status;
}

/* Drops the rows that cannot be among the k nearest; settles where too few could be dropped. */
static leann_status sift(tile *t, uint32_t i)
{
    leann_knn *s = t->s;
    uint64_t *hit = t->hit + (size_t)i * s->room;
    uint32_t k = s->options.k, n = t->waiting[i], kept = k;
    if (n > k && isfinite(t->slack[i])) {
        lower(t, i, value_of(s, (uint32_t)(leann_select_smallest(hit, n, k) >> 32)) + 2 * t->slack[i]);
        uint64_t limit = (uint64_t)image_of(s, t->cut[i]) << 32 | UINT32_MAX;
        for (uint32_t j = k; j < n && t->slack[i] > 0; j++) /* else the keys are the caller's, and ties are settled by the row */
            if (hit[j] <= limit) hit[kept++] = hit[j];
        t->waiting[i] = kept;
    }
    return t->waiting[i] > s->room - s->room / 4 ? settle(t, i) : LEANN_OK;
}

/* Row r of the part. */
static leann_status take(tile *t, uint32_t i, uint32_t r, uint32_t cell)
{
    leann_knn *s = t->s;
    uint32_t image = image_of(s, cell);
    if (r >= s->part_n || image > image_of(s, t->cut[i])) return LEANN_OK;
    t->hit[(size_t)i * s->room + t->waiting[i]++] = (uint64_t)image << 32 | (s->part_first + r);
    return t->waiting[i] == s->room ? sift(t, i) : LEANN_OK;
}

static void products(const tile *t, uint32_t first, uint32_t panels)
{
    const leann_kernels *kernels = leann_kernels_get();
    const leann_knn *s = t->s;
    int alpha = s->options.queries.space == LEANN_L2 ? -2 : -1;
    void *key = t->cell, *cut = t->cut;
    const void *q = t->q;
    size_t at = (size_t)first * ROWS;
    leann_panels rows = {s->column + at * s->depth * unit_of(s), (float *)s->bias + at, s->scale + at, s->start + at, s->depth, panels};
    if (s->kind == FLOATS) kernels->panels_f32(rows, q, s->depth, t->n, (float)alpha, cut, key, t->pass);
    if (s->kind == BYTES) kernels->panels_u8(rows, q, s->depth, t->n, alpha, cut, key, t->pass);
    if (s->kind == CODES) kernels->panels_i8(rows, q, s->depth, t->n, t->alpha, cut, key, t->pass);
}

/* All rows of the part against the tile. */
static leann_status scan(tile *t)
{
    enum { FOUR = 4 };
    leann_knn *s = t->s;
    leann_status status = LEANN_OK;
    uint32_t panels = (s->part_n + ROWS - 1) / ROWS;
    for (uint32_t first = 0; first < panels && !status; first += PANELS) {
        uint32_t some = panels - first < PANELS ? panels - first : PANELS;
        products(t, first, some);
        memset(t->pass + t->n * some, 0, FOUR * sizeof *t->pass);
        for (uint32_t at = 0; at < t->n * some && !status; at += FOUR) {
            uint64_t four;
            memcpy(&four, t->pass + at, sizeof four);
            for (uint32_t j = 0; four && j < FOUR; j++) /* seldom */
                for (uint32_t mask = t->pass[at + j]; mask && !status; mask &= mask - 1) {
                    uint32_t r = (uint32_t)__builtin_ctz(mask), here = at + j;
                    status = take(t, here / some, (first + here % some) * ROWS + r, t->cell[here * ROWS + r]);
                }
        }
    }
    return status;
}

static leann_status tile_new(leann_ctx *ctx, leann_knn *s, size_t begin, size_t end, tile *t)
{
    size_t n = end - begin;
    *t = (tile){.s = s, .ctx = ctx, .first = (uint32_t)begin, .n = (uint32_t)n};
    t->q = s->q + begin * s->depth * unit_of(s);
    t->asker = s->asker + begin;
    t->alpha = s->alpha + begin;
    t->hit = s->hit + begin * s->room;
    t->waiting = s->waiting + begin;
    t->cut = s->cut + begin;
    t->slack = leann_scratch(ctx, n * sizeof *t->slack);
    t->cell = leann_scratch(ctx, n * PANELS * ROWS * sizeof *t->cell);
    t->pass = leann_scratch(ctx, (n * PANELS + 4) * sizeof *t->pass);
    t->row = leann_scratch(ctx, s->room * sizeof *t->row);
    t->key = leann_scratch(ctx, s->room * sizeof *t->key);
    if (!t->slack || !t->cell || !t->pass || !t->row || !t->key) return LEANN_ENOMEM;
    for (size_t i = 0; i < n; i++) t->slack[i] = slack_of(s, &t->asker[i]);
    return LEANN_OK;
}

static leann_status scan_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    leann_knn *s = arg;
    size_t mark = leann_scratch_mark(ctx);
    tile t;
    leann_status status = tile_new(ctx, s, begin, end, &t);
    for (uint32_t i = 0; i < end - begin && !status && s->grown; i++) { /* cuts that counted on less slack */
        t.cut[i] = cell_of(s, limit_of(&t, i));
        status = sift(&t, i);
    }
    if (!status) status = scan(&t);
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status settle_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    leann_knn *s = arg;
    size_t mark = leann_scratch_mark(ctx);
    tile t;
    leann_status status = tile_new(ctx, s, begin, end, &t);
    for (uint32_t i = 0; i < end - begin && !status; i++) {
        status = sift(&t, i);
        if (!status) status = settle(&t, i);
    }
    leann_scratch_reset(ctx, mark);
    return status;
}

/* ---- packing ------------------------------------------------------------------------------------------------------------- */

static void add_extent(extent *most, extent one)
{
    most->length = fmax(most->length, one.length);
    most->miss = fmax(most->miss, one.miss);
}

/* Row i of the part as floats, of length 1 where the space is angular: where it lies, or in x (d). */
static const float *take_row(const leann_knn *s, uint32_t i, float *x)
{
    size_t d = s->block.d;
    bool unit = s->block.space == LEANN_ANGULAR;
    if (s->block.type == LEANN_F32 && !unit) return leann_row(s->block, s->part_first + i);
    leann_rows_floats(s->block, s->part_first + i, 1, x);
    double square = unit ? square_of(x, d) : 1, scale = square > 0 ? 1 / sqrt(square) : 0;
    for (size_t j = 0; j < d && unit; j++) x[j] = (float)((double)x[j] * scale);
    return x;
}

/* Rows of panel p as floats. x: (d) */
static void pack_floats(leann_knn *s, uint32_t p, float *x)
{
    size_t d = s->depth;
    uint32_t first = p * ROWS;
    float *column = (float *)(void *)s->column + p * d * ROWS, *bias = (float *)s->bias + first;
    memset(column, 0, d * ROWS * sizeof *column);
    for (uint32_t r = 0; r < ROWS; r++) {
        bias[r] = INFINITY;
        if (first + r >= s->part_n) continue;
        const float *row = take_row(s, first + r, x);
        double square = square_of(row, d);
        add_extent(&s->extent[p], (extent){sqrt(square), 0});
        bias[r] = s->block.space == LEANN_L2 ? (float)square : 0;
        for (size_t j = 0; j < d; j++) column[j * ROWS + r] = row[j];
    }
}

/* The mean of evenly spaced rows of the block: any point serves, one near the middle best. */
static leann_status find_centre(leann_ctx *ctx, leann_knn *s)
{
    size_t mark = leann_scratch_mark(ctx), d = s->block.d;
    uint32_t n = s->block.n < CENTRE_ROWS ? s->block.n : CENTRE_ROWS;
    double *sum = leann_scratch(ctx, d * sizeof *sum);
    float *x = leann_scratch(ctx, d * sizeof *x);
    if (!sum || !x) return LEANN_ENOMEM;
    memset(sum, 0, d * sizeof *sum);
    s->part_first = 0;
    for (uint32_t i = 0; i < n; i++) {
        const float *row = take_row(s, (uint32_t)((uint64_t)i * s->block.n / n), x);
        for (size_t j = 0; j < d; j++) sum[j] += (double)row[j];
    }
    for (size_t j = 0; j < d; j++) s->centre[j] = (float)(sum[j] / n);
    s->off = sqrt(square_of(s->centre, d));
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* As codes; the product with a query's code + 128 begins with -128 times their sum. x: (d), code: (depth) */
static void pack_codes(leann_knn *s, uint32_t p, float *x, int8_t *code)
{
    uint32_t first = p * ROWS;
    char *column = s->column + p * s->depth * ROWS;
    float *bias = (float *)s->bias + first, *scale = s->scale + first;
    int32_t *start = s->start + first, sum;
    memset(column, 0, s->depth * ROWS);
    for (uint32_t r = 0; r < ROWS; r++) {
        bias[r] = INFINITY;
        scale[r] = 0;
        start[r] = 0;
        if (first + r >= s->part_n) continue;
        extent one = narrow(s, take_row(s, first + r, x), s->centre, code, &scale[r], &sum);
        add_extent(&s->extent[p], one);
        bias[r] = s->block.space == LEANN_L2 ? (float)(one.length * one.length) : 0;
        start[r] = -128 * sum;
        for (size_t j = 0; j < s->depth; j += 4) memcpy(column + j * ROWS + 4 * r, code + j, 4);
    }
}

/* |x|² - 2 <x, q> = |x|² - 256 sum x - 2 <x, q - 128>. */
static void pack_bytes(leann_knn *s, uint32_t p)
{
    const leann_kernels *kernels = leann_kernels_get();
    size_t d = s->block.d;
    uint32_t first = p * ROWS;
    uint8_t *column = (uint8_t *)s->column + p * s->depth * ROWS;
    int32_t *bias = (int32_t *)s->bias + first;
    memset(column, 0, s->depth * ROWS);
    for (uint32_t r = 0; r < ROWS; r++) {
        bias[r] = INT32_MAX;
        if (first + r >= s->part_n) continue;
        const uint8_t *x = leann_row(s->block, s->part_first + first + r);
        uint32_t sum = 0, square = kernels->ip_u8(x, x, d);
        for (size_t j = 0; j < d; j++) sum += x[j];
        add_extent(&s->extent[p], (extent){sqrt(square), 0});
        bias[r] = (int32_t)(s->block.space == LEANN_L2 ? square - 256 * sum : 0 - 128 * sum);
        for (size_t j = 0; j + 4 <= d; j += 4) memcpy(column + j * ROWS + 4 * r, x + j, 4);
        memcpy(column + d / 4 * 4 * ROWS + 4 * r, x + d / 4 * 4, d % 4);
    }
}

static leann_status pack_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    leann_knn *s = arg;
    size_t mark = leann_scratch_mark(ctx), depth = byte_depth(&s->options);
    float *x = leann_scratch(ctx, s->block.d * sizeof *x);
    int8_t *code = leann_scratch(ctx, depth);
    if (!x || !code) return LEANN_ENOMEM;
    memset(code, 0, depth);
    for (uint32_t p = (uint32_t)begin; p < end; p++) {
        s->extent[p] = (extent){0, 0};
        if (s->kind == FLOATS) pack_floats(s, p, x);
        if (s->kind == BYTES) pack_bytes(s, p);
        if (s->kind == CODES) pack_codes(s, p, x, code);
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* ---- a search ------------------------------------------------------------------------------------------------------------ */

static leann_status run(leann_ctx *ctx, leann_knn *s, size_t n, size_t grain, leann_task task)
{
    return (s->options.serial ? leann_serial : leann_parallel)(ctx, n, grain, task, s);
}

/* Rows of a part: whole threes of panels. */
static uint32_t part_rows(const leann_knn_options *o, size_t row_bytes)
{
    enum { STEP = PANELS * ROWS, MOST = 1 << 18 };
    size_t most = PART_BYTES / row_bytes < MOST ? PART_BYTES / row_bytes : MOST;
    if (most > o->rows) most = o->rows + (STEP - 1);
    return (uint32_t)(most < STEP ? STEP : most / STEP * STEP);
}

/* A piece of memory, or, where that is NULL, its size alone. */
static void *piece(char *memory, size_t *used, size_t bytes)
{
    void *at = memory ? memory + *used : NULL;
    *used += leann_line_up(bytes);
    return at;
}

static size_t lay_out(const leann_knn_options *o, char *memory, leann_knn *s)
{
    size_t used = 0, q = o->queries.n, wide = float_depth(o) * sizeof(float), narrow_row = byte_depth(o);
    size_t floats = part_rows(o, wide) * wide, bytes = part_rows(o, narrow_row) * narrow_row, rows = part_rows(o, narrow_row);
    piece(memory, &used, sizeof *s);
    s->room = 2 * o->k + 256;
    s->group = (uint32_t)(GROUP_BYTES / (s->room * sizeof *s->hit + wide) / GROUP * GROUP);
    if (s->group < GROUP) s->group = GROUP;
    if (s->group > o->queries.n) s->group = o->queries.n;
    s->heap = piece(memory, &used, q * o->k * sizeof *s->heap);
    s->count = piece(memory, &used, q * sizeof *s->count);
    s->hit = piece(memory, &used, (size_t)s->group * s->room * sizeof *s->hit);
    s->waiting = piece(memory, &used, s->group * sizeof *s->waiting);
    s->cut = piece(memory, &used, s->group * sizeof *s->cut);
    s->asked = piece(memory, &used, s->group * sizeof *s->asked);
    s->asker = piece(memory, &used, s->group * sizeof *s->asker);
    s->q = piece(memory, &used, s->group * (wide > narrow_row ? wide : narrow_row));
    s->alpha = piece(memory, &used, s->group * sizeof *s->alpha);
    s->centre = piece(memory, &used, wide);
    s->column = piece(memory, &used, floats > bytes ? floats : bytes);
    s->bias = piece(memory, &used, rows * sizeof(float));
    s->scale = piece(memory, &used, rows * sizeof *s->scale);
    s->start = piece(memory, &used, rows * sizeof *s->start);
    s->extent = piece(memory, &used, rows / ROWS * sizeof *s->extent);
    return used;
}

size_t leann_knn_bytes(const leann_knn_options *options)
{
    leann_knn sizes;
    return lay_out(options, NULL, &sizes);
}

leann_knn *leann_knn_begin(const leann_knn_options *options, void *memory)
{
    leann_knn *s = memory;
    *s = (leann_knn){.options = *options};
    lay_out(options, memory, s);
    /* few queries are cut finer, so that two workers have something to do; by their number alone */
    s->tile = options->serial || s->group >= 8 * TILE ? TILE : (s->group / 8 + GROUP - 1) / GROUP * GROUP;
    if (s->tile < GROUP) s->tile = GROUP;
    s->coarse = options->queries.d <= BYTES_D && leann_kernels_get()->panels_i8;
    memset(s->count, 0, options->queries.n * sizeof *s->count);
    return s;
}

/* Largest numbers a sixteenth more at most, so that they seldom grow. */
static bool grow(double *most, double part)
{
    int exponent;
    if (!(part > *most)) return false;
    double fraction = frexp(part, &exponent);
    *most = ldexp(ceil(32 * fraction) / 32, exponent);
    return true;
}

/* Packs the part, and takes the group through it. */
static leann_status scan_part(leann_ctx *ctx, leann_knn *s, uint32_t group)
{
    enum { GRAIN = 16 }; /* panels */
    uint32_t panels = (s->part_n + ROWS - 1) / ROWS;
    leann_status status = run(ctx, s, panels, GRAIN, pack_task);
    if (status) return status;
    extent most = {0, 0};
    for (uint32_t p = 0; p < panels; p++) add_extent(&most, s->extent[p]);
    s->grown |= grow(&s->most.length, most.length);
    s->grown |= grow(&s->most.miss, most.miss);
    status = run(ctx, s, group, s->tile, scan_task);
    s->grown = false;
    return status;
}

/* What the rows of the block are packed as, and the group's queries with them. */
static leann_status take_kind(leann_ctx *ctx, leann_knn *s, uint32_t group, packing kind)
{
    const leann_knn_options *o = &s->options;
    s->kind = kind;
    s->depth = kind == FLOATS ? float_depth(o) : byte_depth(o);
    s->off = 0;
    s->most = (extent){0, 0};
    s->grown = true;
    leann_status status = kind == CODES ? find_centre(ctx, s) : LEANN_OK;
    return status ? status : run(ctx, s, group, s->tile, ask_task);
}

/* Codes that leave too many rows to be worth it. */
static bool codes_fail(const leann_knn *s, uint32_t group)
{
    uint64_t asked = 0;
    for (uint32_t i = 0; i < group; i++) asked += s->asked[i];
    return s->kind == CODES && asked > (uint64_t)group * (s->room + (s->part_first + s->part_n) / WORTH);
}

/* The block for the group at hand. */
static leann_status scan_group(leann_ctx *ctx, leann_knn *s, uint32_t group, packing kind)
{
    memset(s->waiting, 0, group * sizeof *s->waiting);
    memset(s->asked, 0, group * sizeof *s->asked);
    leann_status status = take_kind(ctx, s, group, kind);
    for (s->part_first = 0; s->part_first < s->block.n && !status; s->part_first += s->part_n) {
        uint32_t most = part_rows(&s->options, s->depth * unit_of(s));
        s->part_n = s->block.n - s->part_first < most ? s->block.n - s->part_first : most;
        status = scan_part(ctx, s, group);
        if (status || !codes_fail(s, group)) continue;
        s->coarse = false;
        status = run(ctx, s, group, s->tile, settle_task); /* what waits has keys of codes */
        if (!status) status = take_kind(ctx, s, group, FLOATS);
    }
    return status ? status : run(ctx, s, group, s->tile, settle_task);
}

leann_status leann_knn_add(leann_ctx *ctx, leann_knn *s, leann_rows block, uint32_t first_id)
{
    const leann_knn_options *o = &s->options;
    assert(block.d == o->queries.d && block.n <= o->rows);
    s->block = block;
    s->first_id = first_id;
    bool bytes = leann_kernels_get()->panels_u8 && o->queries.type == LEANN_U8 && block.type == LEANN_U8 && block.d <= BYTES_D &&
                 block.space != LEANN_ANGULAR;
    leann_status status = LEANN_OK;
    for (s->first = 0; s->first < o->queries.n && block.n && !status; s->first += s->group) {
        uint32_t group = o->queries.n - s->first < s->group ? o->queries.n - s->first : s->group;
        status = scan_group(ctx, s, group, bytes ? BYTES : s->coarse ? CODES : FLOATS);
    }
    return status;
}

const leann_knn_hit *leann_knn_end(leann_knn *s, uint32_t query, uint32_t *n)
{
    leann_knn_hit *heap = s->heap + (size_t)query * s->options.k;
    *n = s->count[query];
    for (uint32_t i = *n / 2; i-- > 0;) sink(heap, *n, i);
    for (uint32_t left = *n; left > 1; left--) { /* heap sort: the worst goes last */
        leann_knn_hit worst = heap[0];
        heap[0] = heap[left - 1];
        heap[left - 1] = worst;
        sink(heap, left - 1, 0);
    }
    return heap;
}
