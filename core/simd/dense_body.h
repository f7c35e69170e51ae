/* dense_body.h – the functions of dense.h, written once over 16 lanes; a file of one instruction set defines the lanes and includes this.
 *
 * What that file defines before: the type lanes (16 floats, or 16 integers of 32 bits) with the functions lanes_* used here; TALL and WIDE,
 * the rows and panels of a tile whose sums stay in registers; and HEIGHTS(X), X(rows) for TALL and the lower tiles that end a product.
 *
 * A product packs its rows first, ROWS together and unit by unit, so that a tile walks two streams: a broadcast a row, a load a panel.
 * Panels are the outer loop: they stay in the second cache while all rows pass.
 *
 * Source: Goto & van de Geijn 2008 (register blocks over packed panels). The maps are polynomials interpolated at Chebyshev's nodes:
 * 2^x on [-1/2, 1/2] to 8e-8 of its value, coarse to 8e-5; a Q(a), Q the upper tail of the normal distribution, on [0, 5.5] to 3e-7, coarse on
 * [0, 4.5] to 2e-5 (x Phi(x) = max(x, 0) - |x| Q(|x|); beyond the ends it is smaller still).
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

enum { COLUMNS = LEANN_DENSE_COLUMNS };

/* ---- maps ---------------------------------------------------------------------------------------------------------------------- */

INLINE lanes polynomial(const float *c, const size_t degree, lanes x)
{
    lanes p = lanes_set(c[degree]);
    EACH(i, degree) p = lanes_fma(p, x, lanes_set(c[degree - 1 - i]));
    return p;
}

/* 2^x of x at most 0; coarse: for results that are rounded to bf16. */
INLINE lanes lanes_exp2(lanes x, const bool coarse)
{
    static const float fine_c[] = {1.0000001192092896f,  0.6931471824645996f,   0.2402210682630539f,
                                   0.05550327152013779f, 0.009676037356257439f, 0.0013400432653725147f};
    static const float coarse_c[] = {0.9999244809150696f, 0.6931210160255432f, 0.24264007806777954f, 0.05592203512787819f};
    x = lanes_max(x, lanes_set(-126));
    lanes whole = lanes_round(x), f = lanes_sub(x, whole);
    return lanes_shift(coarse ? polynomial(coarse_c, 3, f) : polynomial(fine_c, 5, f), whole);
}

/* x Phi(x); coarse: where products have no more than the bits of bf16. */
INLINE lanes lanes_gelu(lanes x, const bool coarse)
{
    static const float fine_c[] = {0.008194370195269585f, -0.06057798117399216f,  0.1912633776664734f,  -0.3086808919906616f,
                                   0.1789475828409195f,   0.26041826605796814f,   -0.6283228993415833f, 0.45969733595848083f,
                                   0.15138386189937592f,  -0.545276403427124f,    0.27221253514289856f, 0.23240207135677338f,
                                   -0.2569062113761902f,  -0.037460409104824066f, 0.09892436861991882f, -0.0005220473394729197f,
                                   -0.015696920454502106f};
    static const float coarse_c[] = {0.027499035000801086f, -0.13301706314086914f, 0.24647855758666992f,  -0.14754079282283783f,
                                     -0.20193512737751007f, 0.4360252320766449f,   -0.2080824375152588f,  -0.17805323004722595f,
                                     0.1802777647972107f,   0.02258405089378357f,  -0.044236015528440475f};
    const float end = coarse ? 4.5f : 5.5f;
    lanes zero = lanes_set(0), a = lanes_min(lanes_max(x, lanes_sub(zero, x)), lanes_set(end));
    lanes t = lanes_fma(a, lanes_set(2 / end), lanes_set(-1));
    return lanes_sub(lanes_max(x, zero), coarse ? polynomial(coarse_c, 10, t) : polynomial(fine_c, 16, t));
}

/* ---- products ------------------------------------------------------------------------------------------------------------------ */

typedef enum { F32, BF16, U8 } operand;

/* Sums of rows from i and columns from j as results; sum: panels together, row by row. Rows from m on are left out. */
INLINE void finish(const leann_product *p, size_t i, size_t j, size_t rows, size_t panels, const float *sum, const operand op)
{
    rows = p->m - i < rows ? p->m - i : rows;
    for (size_t r = 0; r < rows; r++) {
        char *row = (char *)p->out + (i + r) * p->out_stride;
        for (size_t c = j; c < j + panels * COLUMNS; c += COLUMNS, sum += COLUMNS) {
            lanes v = lanes_load(sum);
            if (op == U8)
                v = lanes_mul(lanes_mul(lanes_dot(v, p->row_zero[i + r], p->sums + c), lanes_set(p->row_step[i + r])),
                              lanes_load(p->step + c));
            if (p->bias) v = lanes_add(v, lanes_load(p->bias + c));
            if (p->gelu) v = lanes_gelu(v, op != F32);
            if (p->out_bf16)
                lanes_store_bf16((uint16_t *)(void *)row + c, v);
            else
                lanes_store((float *)(void *)row + c, v);
        }
    }
}
static NOINLINE void finish_f32(const leann_product *p, size_t i, size_t j, size_t rows, size_t panels, const float *sum)
{
    finish(p, i, j, rows, panels, sum, F32);
}
static NOINLINE void finish_bf16(const leann_product *p, size_t i, size_t j, size_t rows, size_t panels, const float *sum)
{
    finish(p, i, j, rows, panels, sum, BF16);
}
static NOINLINE void finish_u8(const leann_product *p, size_t i, size_t j, size_t rows, size_t panels, const float *sum)
{
    finish(p, i, j, rows, panels, sum, U8);
}

/* Adds units [from, to) of one product to sums (rows, panels, 16), which begin at zero where from is 0. a: its rows, packed. */
INLINE void tile(const leann_product *p, size_t from, size_t to, size_t j, const uint32_t *a, float *sums, const size_t rows,
                 const size_t panels, const operand op)
{
    const char *b = (const char *)p->panels + (j * p->units + from * COLUMNS) * sizeof *a;
    const size_t next = COLUMNS * p->units * sizeof *a;
    lanes sum[TALL][WIDE], column[WIDE];
    EACH(r, rows) EACH(c, panels) sum[r][c] = from ? lanes_load(sums + (r * panels + c) * COLUMNS) : lanes_set(0);
    a += from * rows;
    for (size_t t = from; t < to; t++, a += rows, b += COLUMNS * sizeof *a) {
        EACH(c, panels) column[c] = lanes_load(b + c * next);
        EACH(r, rows)
        {
            lanes own = lanes_unit(a + r);
            EACH(c, panels)
            sum[r][c] = op == F32    ? lanes_fma(own, column[c], sum[r][c])
                        : op == BF16 ? lanes_add_bf16(sum[r][c], own, column[c])
                                     : lanes_add_u8(sum[r][c], own, column[c]);
        }
    }
    EACH(r, rows) EACH(c, panels) lanes_store(sums + (r * panels + c) * COLUMNS, sum[r][c]);
}

typedef void tile_function(const leann_product *p, size_t from, size_t to, size_t j, const uint32_t *a, float *sums, size_t rows);

/* The heights are constants, so that sums stay in registers; each width is a function of its own for the same reason. */
#define CASE(height)                                                                                                                       \
    case height:                                                                                                                           \
        tile(p, from, to, j, a, sums, height, panels, op);                                                                                 \
        break;
INLINE void tile_of(const leann_product *p, size_t from, size_t to, size_t j, const uint32_t *a, float *sums, size_t rows,
                    const size_t panels, const operand op)
{
    switch (rows) {
        HEIGHTS(CASE)
    }
}
#define TILE(name, panels, op)                                                                                                             \
    static NOINLINE void name(const leann_product *p, size_t from, size_t to, size_t j, const uint32_t *a, float *sums, size_t rows)       \
    {                                                                                                                                      \
        tile_of(p, from, to, j, a, sums, rows, panels, op);                                                                                \
    }

/* The lowest tile that holds so many rows. */
#define HOLDS(height) least = (height) >= rows ? (height) : least;
static size_t height_of(size_t rows)
{
    size_t least = TALL;
    HEIGHTS(HOLDS)
    return least;
}

/* 16 units of rows [i, i + 16), turned: block[c] is unit t + c of them all. Rows from m on repeat the last one. */
INLINE void turned(const void *rows, size_t stride, size_t i, size_t m, size_t t, lanes block[COLUMNS])
{
    EACH(r, COLUMNS) block[r] = lanes_load((const char *)rows + (i + r < m ? i + r : m - 1) * stride + t * sizeof(uint32_t));
    lanes_transpose(block);
}

/* Rows from i on as a tile reads them: unit by unit. What it writes beyond their end is written over by the next rows. */
static void pack(const leann_product *p, size_t i, size_t rows)
{
    uint32_t *a = p->packed + i * p->units;
    lanes block[COLUMNS];
    for (size_t t = 0; t < p->units; t += COLUMNS) {
        turned(p->rows, p->stride, i, p->m, t, block);
        EACH(c, COLUMNS) lanes_store((float *)(void *)(a + (t + c) * rows), block[c]);
    }
}

/* Panels outside, then blocks of the inner dimension: a block of the panels stays in the first cache while all rows pass. */
INLINE void product(const leann_product *p, tile_function *wide, tile_function *narrow, const operand op)
{
    enum { UNITS = 192 };
    float *sums = (float *)(void *)(p->packed + (p->m + LEANN_DENSE_SPARE) * p->units);
    for (size_t i = 0; i < p->m; i += TALL) pack(p, i, height_of(p->m - i));
    for (size_t j = 0, columns; j < p->n; j += columns) {
        columns = p->n - j >= WIDE * COLUMNS ? WIDE * COLUMNS : COLUMNS;
        for (size_t from = 0, to; from < p->units; from = to) {
            to = p->units - from > UNITS ? from + UNITS : p->units;
            for (size_t i = 0; i < p->m; i += TALL) {
                const size_t rows = height_of(p->m - i);
                float *own = sums + (p->units > UNITS ? i * columns : 0);
                (columns == COLUMNS ? narrow : wide)(p, from, to, j, p->packed + i * p->units, own, rows);
                if (to == p->units) (op == U8 ? finish_u8 : op == BF16 ? finish_bf16 : finish_f32)(p, i, j, rows, columns / COLUMNS, own);
            }
        }
    }
}

#define PRODUCT(name, op)                                                                                                                  \
    TILE(wide_##op, WIDE, op)                                                                                                              \
    TILE(narrow_##op, 1, op)                                                                                                               \
    static void name(const leann_product *p)                                                                                               \
    {                                                                                                                                      \
        product(p, wide_##op, narrow_##op, op);                                                                                            \
    }

/* ---- rows ---------------------------------------------------------------------------------------------------------------------- */

INLINE void softmax_rows(float *score, size_t stride, size_t m, size_t n, size_t width, const bool bf16, float *inverse)
{
    const lanes log2e = lanes_set(1.44269504088896341f);
    for (size_t i = 0; i < m; i++) {
        float *row = score + i * stride;
        for (size_t j = n; j < width; j++) row[j] = -INFINITY;
        lanes most = lanes_load(row), sum = lanes_set(0);
        for (size_t j = COLUMNS; j < width; j += COLUMNS) most = lanes_max(most, lanes_load(row + j));
        const lanes least = lanes_set(lanes_most(most));
        for (size_t j = 0; j < width; j += COLUMNS) {
            lanes weight = lanes_exp2(lanes_mul(lanes_sub(lanes_load(row + j), least), log2e), bf16);
            sum = lanes_add(sum, weight);
            if (bf16)
                lanes_store_bf16((uint16_t *)row + j, weight);
            else
                lanes_store(row + j, weight);
        }
        inverse[i] = 1 / lanes_sum(sum);
    }
}

static void softmax(float *score, size_t stride, size_t m, size_t n, size_t width, bool bf16, float *inverse)
{
    bf16 ? softmax_rows(score, stride, m, n, width, true, inverse) : softmax_rows(score, stride, m, n, width, false, inverse);
}

static void scale(float *x, size_t stride, size_t m, size_t d, const float *factor)
{
    for (size_t i = 0; i < m; i++)
        for (float *v = x + i * stride; v < x + i * stride + d; v += COLUMNS)
            lanes_store(v, lanes_mul(lanes_load(v), lanes_set(factor[i])));
}

static void norm(float *x, const float *y, size_t d, const float *gain, const float *bias, float epsilon)
{
    lanes sum = lanes_set(0), square = lanes_set(0);
    for (size_t j = 0; j < d; j += COLUMNS) {
        lanes v = lanes_load(x + j);
        if (y) v = lanes_add(v, lanes_load(y + j));
        lanes_store(x + j, v);
        sum = lanes_add(sum, v);
    }
    const lanes mean = lanes_set(lanes_sum(sum) / (float)d);
    for (size_t j = 0; j < d; j += COLUMNS) {
        lanes v = lanes_sub(lanes_load(x + j), mean);
        square = lanes_fma(v, v, square);
    }
    const lanes factor = lanes_set(1 / sqrtf(lanes_sum(square) / (float)d + epsilon));
    for (size_t j = 0; j < d; j += COLUMNS) {
        lanes v = lanes_mul(lanes_sub(lanes_load(x + j), mean), factor);
        lanes_store(x + j, lanes_fma(v, lanes_load(gain + j), lanes_load(bias + j)));
    }
}

static void u8_from_f32(const float *in, uint8_t *out, size_t n, float *step, int32_t *zero)
{
    enum { CHAINS = 4 };
    lanes low[CHAINS], high[CHAINS];
    EACH(c, CHAINS) low[c] = high[c] = lanes_set(0); /* 0 is among the values that bytes stand for */
    size_t begin = 0;
    for (; begin + CHAINS * COLUMNS <= n; begin += CHAINS * COLUMNS) EACH(c, CHAINS)
        {
            lanes v = lanes_load(in + begin + c * COLUMNS);
            low[c] = lanes_min(low[c], v);
            high[c] = lanes_max(high[c], v);
        }
    for (; begin < n; begin += COLUMNS) {
        lanes v = lanes_load(in + begin);
        low[0] = lanes_min(low[0], v);
        high[0] = lanes_max(high[0], v);
    }
    EACH(c, CHAINS - 1)
    {
        low[0] = lanes_min(low[0], low[c + 1]);
        high[0] = lanes_max(high[0], high[c + 1]);
    }
    const float least = -lanes_most(lanes_sub(lanes_set(0), low[0])), range = lanes_most(high[0]) - least;
    const bool spread = range > 0 && range < INFINITY; /* else all stands for 0: equal rows, and no numbers */
    const float inverse = spread ? 255 / range : 0;
    *step = spread ? range / 255 : 0;
    *zero = spread ? (int32_t)nearbyintf(-least * inverse) : 0;
    const lanes times = lanes_set(inverse), plus = lanes_set((float)*zero);
    for (size_t j = 0; j < n; j += COLUMNS) lanes_store_u8(out + j, lanes_add(lanes_round(lanes_mul(lanes_load(in + j), times)), plus));
}

static void bf16_from_f32(const float *in, uint16_t *out, size_t n)
{
    for (size_t j = 0; j < n; j += COLUMNS) lanes_store_bf16(out + j, lanes_load(in + j));
}

static void panels(const void *rows, size_t stride, size_t n, size_t units, size_t width, void *out)
{
    float *to = out;
    lanes block[COLUMNS];
    for (size_t i = 0; i < width; i += COLUMNS)
        for (size_t t = 0; t < units; t += COLUMNS) {
            if (i < n)
                turned(rows, stride, i, n, t, block);
            else
                EACH(c, COLUMNS) block[c] = lanes_set(0);
            EACH(c, COLUMNS) lanes_store(to, block[c]), to += COLUMNS;
        }
}
