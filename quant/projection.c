/* projection.c – fits, applies and files the orthogonal maps of projection.h.
 *
 * Axes: the leading eigenvectors of the sample's covariance, by products of fixed tiles and one symmetric eigenproblem. A row costs
 * width * d multiply-adds; a random rotation after it is folded into the axes and costs nothing.
 * The rotation: four rounds of signs and a Walsh-Hadamard transform of the largest power of two n <= width – of the first components and
 * of the last ones by turns – with, where n < width, one butterfly between the halves after the second: O(width log width) and 4 width
 * bytes of file, where a dense random matrix costs width² of both. Its entries have the fourth moment of a dense one's, 3 / width², within
 * 3 % at widths of 96 to 1536; butterflies after every round, as in the RaBitQ library, give up to 6 / width² (960).
 * File: axes in 16 bits. Rounding moves an axis by 2^-12 of its length, which moves 2^-24 of the energy from the projection to the tail,
 * where it still counts; made orthonormal again by one Newton-Schulz step (Higham 1986), when training ends and when a file is opened in
 * the same way, keys in projected and in plain coordinates agree to float precision.
 *
 * Source: Pearson 1901 (principal axes); Ailon & Chazelle 2009 (signs and Hadamard); windows and butterflies: the rotator of the RaBitQ
 * library (Gao & Long), after Kac 1956.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/projection.h"

#include "core/product.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    ROUNDS = 4,
    MIDDLE = 1,       /* the round after which the halves meet */
    BLOCK = 256,      /* rows a task projects */
    AXES_ROWS = 16384 /* rows that the axes are found from at most */
};

/* ---- the fast rotation ----------------------------------------------------------------------------------------------------- */

static size_t power_below(size_t width)
{
    size_t n = 1;
    while (2 * n <= width) n *= 2;
    return n;
}

/* The components of a round that are transformed. */
static size_t window_of(size_t width, size_t n, int round)
{
    return round % 2 ? width - n : 0;
}

/* a + b and a - b of the two halves. */
static void cross_halves(float *x, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
    }
}

static void turn(const float *weight, size_t width, float *x)
{
    size_t n = power_below(width);
    for (int round = 0; round < ROUNDS; round++, weight += width) {
        for (size_t i = 0; i < width; i++) x[i] *= weight[i];
        leann_kernels_get()->hadamard_f32(x + window_of(width, n, round), n);
        if (round == MIDDLE && n < width) cross_halves(x, width / 2);
    }
}

/* Every step of a round is symmetric: the inverse is the steps backwards. */
static void turn_back(const float *weight, size_t width, float *x)
{
    size_t n = power_below(width);
    weight += ROUNDS * width;
    for (int round = ROUNDS - 1; round >= 0; round--) {
        if (round == MIDDLE && n < width) cross_halves(x, width / 2);
        leann_kernels_get()->hadamard_f32(x + window_of(width, n, round), n);
        weight -= width;
        for (size_t i = 0; i < width; i++) x[i] *= weight[i];
    }
}

/* sign (ROUNDS, width), 1 for minus -> signs with the scale that makes each round orthogonal. */
static void weigh(const uint8_t *sign, size_t width, float *weight)
{
    size_t n = power_below(width);
    for (int round = 0; round < ROUNDS; round++) {
        size_t first = window_of(width, n, round);
        float halves = round == MIDDLE && n < width ? sqrtf(0.5F) : 1, within = halves / sqrtf((float)n);
        for (size_t i = 0; i < width; i++) {
            float size = i >= first && i < first + n ? within : halves;
            *weight++ = *sign++ ? -size : size;
        }
    }
}

static void draw_signs(leann_ctx *ctx, size_t width, uint8_t *sign)
{
    for (uint64_t round = 0; round < ROUNDS; round++) {
        leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "rotation", round);
        for (size_t i = 0; i < width; i++) *sign++ = leann_rng_u32(&rng) & 1;
    }
}

/* ---- kinds ------------------------------------------------------------------------------------------------------------------- */

uint32_t leann_projection_width(uint32_t d, leann_projection_kind kind)
{
    if (kind.dims) return kind.dims;
    return kind.turned ? (d + LEANN_TURNED - 1) / LEANN_TURNED * LEANN_TURNED : d;
}

leann_status leann_projection_check(leann_ctx *ctx, const char *who, uint32_t d, leann_projection_kind kind)
{
    if (d == 0 || d > 65536) return leann_fail(ctx, LEANN_EINVAL, "%s: d is %u, not 1 to 65536", who, d);
    if (kind.dims > d) return leann_fail(ctx, LEANN_EINVAL, "%s: dims is %u, more than the %u there are", who, kind.dims, d);
    if (kind.turned && kind.dims % LEANN_TURNED)
        return leann_fail(ctx, LEANN_EINVAL, "%s: dims is %u; it must be a multiple of %d, or 0 for all", who, kind.dims, LEANN_TURNED);
    if (kind.dims && d > 16384)
        return leann_fail(ctx, LEANN_EINVAL, "%s: d is %u; axes of more than 16384 dimensions are not looked for", who, d);
    return LEANN_OK;
}

static leann_status projection_new(leann_ctx *ctx, uint32_t d, leann_projection_kind kind, leann_projection *out)
{
    assert(kind.dims || kind.turned);
    size_t width = leann_projection_width(d, kind);
    *out = (leann_projection){.d = d, .width = (uint32_t)width};
    out->centre = leann_alloc(ctx, d, sizeof *out->centre);
    if (kind.dims) {
        out->axes = leann_alloc(ctx, width * d, sizeof *out->axes);
        out->half = leann_alloc(ctx, width * d, sizeof *out->half);
    } else
        out->weight = leann_alloc(ctx, ROUNDS * width, sizeof *out->weight);
    if (out->centre && (kind.dims ? out->axes && out->half : out->weight != NULL)) return LEANN_OK;
    leann_projection_free(out);
    return LEANN_ENOMEM;
}

void leann_projection_free(leann_projection *p)
{
    leann_free(p->centre);
    leann_free(p->axes);
    leann_free(p->half);
    leann_free(p->weight);
    *p = (leann_projection){.d = 0};
}

/* ---- fitting ----------------------------------------------------------------------------------------------------------------- */

/* All principal axes (d, d) of rows about the centre, and the variance along each, times the rows. */
static leann_status find_axes(leann_ctx *ctx, leann_rows rows, const float *centre, float *axes, double *value)
{
    size_t d = rows.d, step = (rows.n + (size_t)AXES_ROWS - 1) / AXES_ROWS;
    rows.n = (uint32_t)((rows.n + step - 1) / step);
    rows.stride *= step;
    float *x = leann_alloc(ctx, rows.n * d, sizeof *x), *covariance = leann_alloc(ctx, d * d, sizeof *covariance);
    leann_status status = x && covariance ? leann_rows_centred(ctx, rows, centre, x) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_cross(ctx, rows.n, d, x, x, covariance);
    leann_free(x);
    if (status == LEANN_OK) status = leann_axes(ctx, d, covariance, axes, value);
    leann_free(covariance);
    return status;
}

/* half from axes, and axes from half: orthonormal again by one step (3 I - A A^T) A / 2. */
static leann_status unfold(leann_ctx *ctx, leann_projection *p)
{
    size_t d = p->d, width = p->width;
    float *gram = leann_alloc(ctx, width * width, sizeof *gram), *rough = leann_alloc(ctx, width * d, sizeof *rough);
    leann_status status = LEANN_ENOMEM;
    if (!gram || !rough) goto done;
    leann_kernels_get()->f32_from_f16(p->half, rough, width * d);
    leann_gemm_nt(width, width, d, 1, rough, d, rough, d, 0, gram, width);
    for (size_t i = 0; i < width * width; i++) {
        float off = fabsf(gram[i] - (i % (width + 1) == 0 ? 1 : 0));
        if (off < 0.05F) continue; /* halves give at most 1e-3 */
        status = leann_fail(ctx, LEANN_EFORMAT, "projection.axes: rows %zu and %zu are off by %g from orthonormal", i / width, i % width,
                            (double)off);
        goto done;
    }
    memcpy(p->axes, rough, width * d * sizeof *rough);
    leann_gemm_nn(width, d, width, -0.5F, gram, width, rough, d, 1.5F, p->axes, d);
    status = LEANN_OK;
done:
    leann_free(gram);
    leann_free(rough);
    return status;
}

/* R axes, a column at a time. */
static leann_status turn_axes(leann_ctx *ctx, leann_projection *p)
{
    size_t d = p->d, width = p->width, mark = leann_scratch_mark(ctx);
    uint8_t *sign = leann_scratch(ctx, ROUNDS * width);
    float *weight = leann_scratch(ctx, ROUNDS * width * sizeof *weight), *column = leann_scratch(ctx, width * sizeof *column);
    if (!sign || !weight || !column) return LEANN_ENOMEM;
    draw_signs(ctx, width, sign);
    weigh(sign, width, weight);
    for (size_t j = 0; j < d; j++) {
        for (size_t i = 0; i < width; i++) column[i] = p->axes[i * d + j];
        turn(weight, width, column);
        for (size_t i = 0; i < width; i++) p->axes[i * d + j] = column[i];
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

static leann_status fit_axes(leann_ctx *ctx, leann_rows sample, bool turned, leann_projection *p)
{
    size_t d = p->d;
    float *axes = leann_alloc(ctx, d * d, sizeof *axes);
    double *value = leann_alloc(ctx, d, sizeof *value), sum = 0, squares = 0;
    leann_status status = axes && value ? find_axes(ctx, sample, p->centre, axes, value) : LEANN_ENOMEM;
    if (status != LEANN_OK) goto done;
    memcpy(p->axes, axes, p->width * d * sizeof *axes);
    for (size_t i = p->width; i < d; i++) {
        double share = fmax(value[i], 0) / fmax(value[0], 1e-300);
        sum += share;
        squares += share * share;
    }
    p->spread = sum > 0 ? (float)(sqrt(squares) / sum) : 0;
    if (turned) status = turn_axes(ctx, p);
    leann_kernels_get()->f16_from_f32(p->axes, p->half, p->width * d);
    if (status == LEANN_OK) status = unfold(ctx, p);
done:
    leann_free(axes);
    leann_free(value);
    return status;
}

leann_status leann_projection_fit(leann_ctx *ctx, leann_rows sample, leann_projection_kind kind, leann_projection *out)
{
    assert(sample.n > 0);
    leann_status status = projection_new(ctx, sample.d, kind, out);
    if (status != LEANN_OK) return status;
    status = leann_rows_mean(ctx, sample, out->centre);
    if (status == LEANN_OK && kind.dims) status = fit_axes(ctx, sample, kind.turned, out);
    if (status == LEANN_OK && !kind.dims) {
        uint8_t *sign = leann_alloc(ctx, ROUNDS, out->width);
        status = sign ? LEANN_OK : LEANN_ENOMEM;
        if (sign) {
            draw_signs(ctx, out->width, sign);
            weigh(sign, out->width, out->weight);
        }
        leann_free(sign);
    }
    if (status != LEANN_OK) leann_projection_free(out);
    return status;
}

/* ---- applying ---------------------------------------------------------------------------------------------------------------- */

/* y (n, width) = P x, x (n, d). */
static void project(const leann_projection *p, const float *x, size_t n, float *y)
{
    size_t d = p->d, width = p->width;
    if (p->axes) {
        leann_gemm_nt(n, width, d, 1, x, d, p->axes, d, 0, y, width);
        return;
    }
    for (size_t i = 0; i < n; i++, x += d, y += width) {
        memcpy(y, x, d * sizeof *y);
        memset(y + d, 0, (width - d) * sizeof *y);
        turn(p->weight, width, y);
    }
}

leann_status leann_projection_rows(const leann_projection *p, leann_ctx *ctx, leann_rows rows, uint32_t first, uint32_t n, float *y,
                                   float *tail)
{
    const leann_kernels *kernels = leann_kernels_get();
    size_t d = p->d, width = p->width, mark = leann_scratch_mark(ctx);
    assert(rows.d == d);
    float *x = leann_scratch(ctx, n * d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    leann_rows_less(rows, p->centre, first, n, x);
    project(p, x, n, y);
    for (size_t i = 0; tail && i < n; i++)
        tail[i] = p->axes ? fmaxf(0, kernels->norm_f32(x + i * d, d) - kernels->norm_f32(y + i * width, width)) : 0;
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

typedef struct {
    const leann_projection *p;
    leann_rows rows;
    float *y;
} all_job;

static leann_status all_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const all_job *job = arg;
    return leann_projection_rows(job->p, ctx, job->rows, (uint32_t)begin, (uint32_t)(end - begin), job->y + begin * job->p->width, NULL);
}

leann_status leann_projection_all(const leann_projection *p, leann_ctx *ctx, leann_rows rows, float *y)
{
    all_job job = {p, rows, y};
    return leann_parallel(ctx, rows.n, BLOCK, all_task, &job);
}

leann_status leann_projection_query(const leann_projection *p, leann_ctx *ctx, const float *q, bool centred, float *y, float *square)
{
    const leann_kernels *kernels = leann_kernels_get();
    size_t d = p->d, mark = leann_scratch_mark(ctx);
    float *x = leann_scratch(ctx, d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    for (size_t j = 0; j < d; j++) x[j] = centred ? q[j] - p->centre[j] : q[j];
    *square = kernels->norm_f32(x, d);
    if (p->axes) /* for one row a list of inner products beats a product */
        kernels->ip_f32_list(x, (leann_list){.base = p->axes, .stride = d * sizeof *x, .n = p->width}, d, y);
    else
        project(p, x, 1, y);
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

void leann_projection_back(const leann_projection *p, float *y, uint32_t n, float *x)
{
    size_t d = p->d, width = p->width;
    if (p->axes) {
        for (size_t i = 0; i < n; i++) memcpy(x + i * d, p->centre, d * sizeof *x);
        leann_gemm_nn(n, d, width, 1, y, width, p->axes, d, 1, x, d);
        return;
    }
    for (size_t i = 0; i < n; i++, x += d, y += width) {
        turn_back(p->weight, width, y);
        for (size_t j = 0; j < d; j++) x[j] = p->centre[j] + y[j];
    }
}

/* ---- files ------------------------------------------------------------------------------------------------------------------- */

leann_status leann_projection_save(const leann_projection *p, leann_writer *w)
{
    uint64_t d = p->d, width = p->width;
    leann_ctx *ctx = leann_writer_ctx(w);
    float *centre = leann_alloc(ctx, d + 1, sizeof *centre);
    uint8_t *sign = leann_alloc(ctx, ROUNDS, width);
    leann_status status = LEANN_ENOMEM;
    if (!centre || !sign) goto done;
    memcpy(centre, p->centre, d * sizeof *centre);
    centre[d] = p->spread;
    status = leann_writer_add(w, "projection.centre", LEANN_PART_CODEBOOKS, LEANN_F32, 1, (d + 1) * sizeof *centre, centre);
    if (status != LEANN_OK) goto done;
    if (p->axes)
        status = leann_writer_add(w, "projection.axes", LEANN_PART_CODEBOOKS, LEANN_F16, width, d * sizeof *p->half, p->half);
    else {
        for (size_t i = 0; i < ROUNDS * width; i++) sign[i] = p->weight[i] < 0;
        status = leann_writer_add(w, "projection.signs", LEANN_PART_CODEBOOKS, LEANN_U8, ROUNDS, width, sign);
    }
done:
    leann_free(centre);
    leann_free(sign);
    return status;
}

leann_status leann_projection_open(leann_ctx *ctx, const leann_reader *r, uint32_t d, leann_projection_kind kind, leann_projection *out)
{
    const void *centre_data = NULL, *map = NULL;
    uint64_t width = leann_projection_width(d, kind);
    leann_status status = leann_reader_need(ctx, r, "projection.centre", LEANN_F32, 1, ((uint64_t)d + 1) * sizeof(float), &centre_data);
    if (status == LEANN_OK && kind.dims)
        status = leann_reader_need(ctx, r, "projection.axes", LEANN_F16, width, d * sizeof(uint16_t), &map);
    if (status == LEANN_OK && !kind.dims) status = leann_reader_need(ctx, r, "projection.signs", LEANN_U8, ROUNDS, width, &map);
    if (status == LEANN_OK) status = projection_new(ctx, d, kind, out);
    if (status != LEANN_OK) return status;
    const float *centre = centre_data;
    const uint8_t *sign = map;
    for (uint32_t j = 0; j <= d && status == LEANN_OK; j++)
        if (!isfinite(centre[j]) || (j == d && !(centre[j] >= 0 && centre[j] <= 1)))
            status = leann_fail(ctx, LEANN_EFORMAT, "projection.centre: value %u is %g; it must be finite%s", j, (double)centre[j],
                                j == d ? ", of 0 to 1" : "");
    for (size_t i = 0; !kind.dims && i < ROUNDS * width && status == LEANN_OK; i++)
        if (sign[i] > 1) status = leann_fail(ctx, LEANN_EFORMAT, "projection.signs: value %zu is %u, not 0 or 1", i, sign[i]);
    if (status != LEANN_OK) goto done;
    memcpy(out->centre, centre, d * sizeof *centre);
    out->spread = centre[d];
    if (kind.dims) {
        memcpy(out->half, map, width * d * sizeof *out->half);
        status = unfold(ctx, out);
    } else
        weigh(sign, width, out->weight);
done:
    if (status != LEANN_OK) leann_projection_free(out);
    return status;
}

void leann_projection_predict(uint32_t d, leann_projection_kind kind, leann_ledger *ledger)
{
    uint64_t width = leann_projection_width(d, kind);
    leann_ledger_add(ledger, LEANN_PART_CODEBOOKS, ((uint64_t)d + 1) * sizeof(float));
    leann_ledger_add(ledger, LEANN_PART_CODEBOOKS, kind.dims ? width * d * sizeof(uint16_t) : ROUNDS * width);
}
