/* knn.c – the k nearest rows of many queries in O(q n d): products by panels filter, keys that the caller computes decide, ties by id.
 *
 * Queries come in groups whose hits fit 32 MB, and for each group the rows in parts of at most 4 MB, packed into panels of 16 by columns;
 * a worker takes a tile of queries through all panels of the part, so that a query's hits belong to one worker at a time and no order of
 * events can show. A filter key is bias + alpha <q, x>: squared L2 less |q|², minus the inner product, or minus <q, x / |x|>, and is
 * off by at most `slack`, key and caller's key together:
 *   floats  with u = 2^-24, any order of summation gives |fl(<q, x>) - <q, x>| <= g |q||x|, g = d u / (1 - d u) (Higham 2002, §3.1);
 *           additions of |x|², roundings of |x|² and of the cut add a few u of (|q| + |x|)²
 *   bytes   where the machine multiplies them: filter keys are exact whole numbers of 32 bits
 * A row is passed over when its filter key is above the k-th smallest filter key so far by more than twice the slack, or above the k-th
 * smallest key of the caller's by more than the slack: then it is certainly not among the k. What is left at the end of a block gets
 * its key: k rows and a few a query. Where the slack is no smaller than the distances themselves (rows far from the origin and close
 * together), or products may overflow, every row gets one.
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
    GROUP_HITS = 4 << 20,
    BYTES_D = 32768 /* components whose keys fit 32 bits */
};

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
    /* the part of a block at hand */
    leann_rows block;
    uint32_t first_id, part_first, part_n;
    bool bytes;          /* bytes by bytes, else floats */
    size_t depth;        /* components as packed */
    char *column;        /* (panels, depth, ROWS) */
    void *bias;          /* (panels, ROWS), infinite or the largest number behind the last row */
    double *part_square; /* (panels, ROWS) |x|² */
    double longest;      /* no |x| of the block so far is larger */
    bool grown;          /* it is more than at the part before */
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

/* ---- filter keys --------------------------------------------------------------------------------------------------------- */

/* Whole numbers in the order of the keys, whatever their type; cells hold keys as the kernels take them. */
static uint32_t image_of(const leann_knn *s, uint32_t cell)
{
    float key;
    if (s->bytes) return cell ^ 0x80000000U;
    memcpy(&key, &cell, sizeof key);
    return leann_key_order(key);
}

static double value_of(const leann_knn *s, uint32_t image)
{
    return s->bytes ? (double)image - 0x1p31 : (double)leann_key_of(image);
}

/* The cell of the least key that is not below value, or not by a rounding. */
static uint32_t cell_of(const leann_knn *s, double value)
{
    uint32_t cell;
    if (s->bytes) return value >= INT32_MAX ? INT32_MAX : (uint32_t)(int32_t)fmax(ceil(value), INT32_MIN);
    float key = nextafterf((float)value, INFINITY);
    memcpy(&cell, &key, sizeof cell);
    return cell;
}

/* How far a filter key and a key of the caller's may be apart, for a query of length q and any row of the part. */
static double slack_of(const leann_knn *s, double q)
{
    const double u = 0x1p-24;
    leann_space space = s->options.queries.space;
    double d = s->options.queries.d, x = space == LEANN_ANGULAR ? 1 : s->longest;
    double sum = (q + x) * (q + x), terms = s->options.error * (space == LEANN_L2 ? sum : q * x);
    if (!s->bytes) terms += 2 * (d + 16) * q * x + (space == LEANN_L2 ? 4 * sum : 0); /* 16: packing, cut, float64 */
    if (d * u > 0.05 || !(terms < 1e36)) return INFINITY;          /* d > 838,860: the bound no longer holds; products that may overflow */
    return 1.1 * u * terms + (s->bytes ? 0 : d * (double)FLT_MIN); /* 1.1 > 1 / (1 - 0.05); the last for products that underflow */
}

/* In float64, in lanes so that adds do not wait for each other. */
static double square_of(const float *x, size_t d)
{
    double lane[LANES] = {0};
    for (size_t j = 0; j < d; j += LANES)
        for (size_t l = 0; l < LANES && j + l < d; l++) lane[l] += (double)x[j + l] * (double)x[j + l];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* ---- a tile -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_knn *s;
    leann_ctx *ctx;
    uint32_t first, n; /* of the group's queries */
    void *q;           /* (n, depth) floats, or signed bytes: what is multiplied */
    double *square;    /* (n) |q|² */
    double *slack;     /* (n) */
    uint64_t *hit;     /* (n, room) */
    uint32_t *waiting; /* (n) */
    uint32_t *cut;     /* (n) */
    uint32_t *cell;    /* (n, PANELS, ROWS) */
    uint16_t *pass;    /* (n, PANELS) */
    uint32_t *row;     /* (room) */
    double *key;       /* (room) */
} tile;

/* What a filter key must be above to be passed over, by the caller's keys. */
static double limit_of(const tile *t, uint32_t i)
{
    const leann_knn *s = t->s;
    uint32_t query = s->first + t->first + i;
    if (s->count[query] < s->options.k) return INFINITY;
    double worst = s->heap[(size_t)query * s->options.k].key;
    leann_space space = s->options.queries.space;
    if (space == LEANN_L2) return worst - t->square[i] + t->slack[i];
    return (space == LEANN_ANGULAR ? (worst - 1) * sqrt(t->square[i]) : worst) + t->slack[i];
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

static void products(const tile *t, leann_panels rows)
{
    const leann_kernels *kernels = leann_kernels_get();
    int alpha = t->s->options.queries.space == LEANN_L2 ? -2 : -1;
    void *key = t->cell, *cut = t->cut;
    if (t->s->bytes)
        kernels->panels_u8(rows, t->q, rows.d, t->n, alpha, cut, key, t->pass);
    else
        kernels->panels_f32(rows, t->q, rows.d, t->n, (float)alpha, cut, key, t->pass);
}

/* All rows of the part against the tile. */
static leann_status scan(tile *t)
{
    leann_knn *s = t->s;
    leann_status status = LEANN_OK;
    uint32_t panels = (s->part_n + ROWS - 1) / ROWS;
    size_t unit = s->bytes ? 1 : sizeof(float);
    for (uint32_t first = 0; first < panels; first += PANELS) {
        uint32_t some = panels - first < PANELS ? panels - first : PANELS;
        products(t, (leann_panels){s->column + first * s->depth * ROWS * unit, (float *)s->bias + first * ROWS, s->depth, some});
        for (uint32_t at = 0; at < t->n * some && !status; at++)
            for (uint32_t mask = t->pass[at]; mask && !status; mask &= mask - 1) {
                uint32_t r = (uint32_t)__builtin_ctz(mask);
                status = take(t, at / some, (first + at % some) * ROWS + r, t->cell[at * ROWS + r]);
            }
    }
    return status;
}

static void take_queries(const tile *t)
{
    const leann_knn *s = t->s;
    leann_rows queries = s->options.queries;
    uint32_t first = s->first + t->first;
    if (!s->bytes) leann_rows_floats(queries, first, t->n, t->q);
    for (uint32_t i = 0; i < t->n; i++) {
        if (!s->bytes) {
            t->square[i] = square_of((const float *)t->q + i * s->depth, s->depth);
            continue;
        }
        const uint8_t *q = leann_row(queries, first + i);
        int8_t *out = (int8_t *)t->q + i * s->depth; /* one side of a product of bytes is signed: q - 128 */
        for (size_t j = 0; j < s->depth; j++) out[j] = (int8_t)(j < queries.d ? q[j] - 128 : 0);
        t->square[i] = leann_kernels_get()->ip_u8(q, q, queries.d);
    }
}

static leann_status tile_new(leann_ctx *ctx, leann_knn *s, size_t begin, size_t end, tile *t)
{
    size_t n = end - begin;
    *t = (tile){.s = s, .ctx = ctx, .first = (uint32_t)begin, .n = (uint32_t)n};
    t->hit = s->hit + begin * s->room;
    t->waiting = s->waiting + begin;
    t->cut = s->cut + begin;
    t->q = leann_scratch(ctx, n * s->depth * sizeof(float));
    t->square = leann_scratch(ctx, n * sizeof *t->square);
    t->slack = leann_scratch(ctx, n * sizeof *t->slack);
    t->cell = leann_scratch(ctx, n * PANELS * ROWS * sizeof *t->cell);
    t->pass = leann_scratch(ctx, n * PANELS * sizeof *t->pass);
    t->row = leann_scratch(ctx, s->room * sizeof *t->row);
    t->key = leann_scratch(ctx, s->room * sizeof *t->key);
    if (!t->q || !t->square || !t->slack || !t->cell || !t->pass || !t->row || !t->key) return LEANN_ENOMEM;
    take_queries(t);
    for (uint32_t i = 0; i < n; i++) t->slack[i] = slack_of(s, sqrt(t->square[i]));
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

/* Rows of panel p as floats, by way of x (ROWS, d). */
static void pack_floats(leann_knn *s, uint32_t p, float *x)
{
    size_t d = s->depth;
    uint32_t first = p * ROWS, n = s->part_n - first < ROWS ? s->part_n - first : ROWS;
    float *column = (float *)(void *)s->column + p * d * ROWS, *bias = (float *)s->bias + first;
    leann_rows_floats(s->block, s->part_first + first, n, x);
    memset(x + n * d, 0, (ROWS - n) * d * sizeof *x);
    for (uint32_t r = 0; r < ROWS; r++) {
        double square = s->part_square[first + r] = square_of(x + r * d, d);
        bias[r] = r >= n ? INFINITY : s->block.space == LEANN_L2 ? (float)square : 0;
        double scale = square > 0 ? 1 / sqrt(square) : 0;
        for (size_t j = 0; j < d && s->block.space == LEANN_ANGULAR; j++) x[r * d + j] = (float)((double)x[r * d + j] * scale);
    }
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < ROWS; r++) column[j * ROWS + r] = x[r * d + j];
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
        s->part_square[first + r] = 0;
        bias[r] = INT32_MAX;
        if (first + r >= s->part_n) continue;
        const uint8_t *x = leann_row(s->block, s->part_first + first + r);
        uint32_t sum = 0, square = kernels->ip_u8(x, x, d);
        for (size_t j = 0; j < d; j++) sum += x[j];
        s->part_square[first + r] = square;
        bias[r] = (int32_t)(s->block.space == LEANN_L2 ? square - 256 * sum : 0 - 128 * sum);
        for (size_t j = 0; j + 4 <= d; j += 4) memcpy(column + j * ROWS + 4 * r, x + j, 4);
        memcpy(column + d / 4 * 4 * ROWS + 4 * r, x + d / 4 * 4, d % 4);
    }
}

static leann_status pack_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    leann_knn *s = arg;
    size_t mark = leann_scratch_mark(ctx);
    float *x = leann_scratch(ctx, ROWS * s->depth * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    for (size_t p = begin; p < end; p++)
        if (s->bytes)
            pack_bytes(s, (uint32_t)p);
        else
            pack_floats(s, (uint32_t)p, x);
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

static size_t float_depth(const leann_knn_options *o)
{
    return o->queries.d;
}
static size_t byte_depth(const leann_knn_options *o)
{
    return ((size_t)o->queries.d + 3) / 4 * 4;
}

/* A piece of memory, or, where that is NULL, its size alone. */
static void *piece(char *memory, size_t *used, size_t bytes)
{
    void *at = memory ? memory + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return at;
}

static size_t lay_out(const leann_knn_options *o, char *memory, leann_knn *s)
{
    size_t used = 0, q = o->queries.n, wide = float_depth(o) * sizeof(float), narrow = byte_depth(o);
    size_t floats = part_rows(o, wide) * wide, bytes = part_rows(o, narrow) * narrow, rows = part_rows(o, narrow);
    piece(memory, &used, sizeof *s);
    s->room = 2 * o->k + 256;
    s->group = GROUP_HITS / s->room / GROUP * GROUP;
    if (s->group < GROUP) s->group = GROUP;
    if (s->group > o->queries.n) s->group = o->queries.n;
    s->heap = piece(memory, &used, q * o->k * sizeof *s->heap);
    s->count = piece(memory, &used, q * sizeof *s->count);
    s->hit = piece(memory, &used, (size_t)s->group * s->room * sizeof *s->hit);
    s->waiting = piece(memory, &used, s->group * sizeof *s->waiting);
    s->cut = piece(memory, &used, s->group * sizeof *s->cut);
    s->column = piece(memory, &used, floats > bytes ? floats : bytes);
    s->bias = piece(memory, &used, rows * sizeof(float));
    s->part_square = piece(memory, &used, rows * sizeof *s->part_square);
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
    memset(s->count, 0, options->queries.n * sizeof *s->count);
    return s;
}

/* Packs the part, and takes the group through it. */
static leann_status scan_part(leann_ctx *ctx, leann_knn *s, uint32_t group)
{
    enum { GRAIN = 16 }; /* panels */
    leann_status status = run(ctx, s, (s->part_n + ROWS - 1) / ROWS, GRAIN, pack_task);
    if (status) return status;
    double longest = 0;
    int exponent;
    for (uint32_t i = 0; i < s->part_n; i++) longest = fmax(longest, s->part_square[i]);
    s->grown = s->part_first == 0 || sqrt(longest) > s->longest;
    if (s->grown) { /* a sixteenth more at most, so that it seldom grows */
        double part = frexp(sqrt(longest), &exponent);
        s->longest = ldexp(ceil(32 * part) / 32, exponent);
    }
    return run(ctx, s, group, s->tile, scan_task);
}

leann_status leann_knn_add(leann_ctx *ctx, leann_knn *s, leann_rows block, uint32_t first_id)
{
    const leann_knn_options *o = &s->options;
    assert(block.d == o->queries.d && block.n <= o->rows);
    s->block = block;
    s->first_id = first_id;
    s->bytes = leann_kernels_get()->panels_u8 && o->queries.type == LEANN_U8 && block.type == LEANN_U8 && block.d <= BYTES_D &&
               block.space != LEANN_ANGULAR;
    s->depth = s->bytes ? byte_depth(o) : float_depth(o);
    uint32_t most = part_rows(o, s->bytes ? s->depth : s->depth * sizeof(float));
    leann_status status = LEANN_OK;
    for (s->first = 0; s->first < o->queries.n && block.n && !status; s->first += s->group) {
        uint32_t group = o->queries.n - s->first < s->group ? o->queries.n - s->first : s->group;
        memset(s->waiting, 0, group * sizeof *s->waiting);
        for (s->part_first = 0; s->part_first < block.n && !status; s->part_first += s->part_n) {
            s->part_n = block.n - s->part_first < most ? block.n - s->part_first : most;
            status = scan_part(ctx, s, group);
        }
        if (!status) status = run(ctx, s, group, s->tile, settle_task);
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
