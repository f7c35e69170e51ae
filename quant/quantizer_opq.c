/* quantizer_opq.c – optimised product quantisation: pq after a rotation (d, d) that fits the rows to the sub-spaces.
 *
 * Code, look-up tables and codebooks: pq_book.c. Training: turns times two products n d², one k-means round and one SVD in O(d³);
 * then pq's own rounds. Encoding costs d² multiply-adds a row more than pq, a query's table d² once.
 * File: opq.rotation i8 (d, d), v for v |v|, row r the direction of turned component r at any length (f16 in files of revision 2, at length
 * 1); and pq's sections.
 *
 * The first rotation decides much: on MNIST, 98 x 256, 25,600 rows, 10 turns, the relative error is 0.0189 from none and 0.0211 from
 * principal axes (pq: 0.0203), on its residuals to 612 centroids 0.0357 and 0.0189 (pq: 0.0498). Hence `start: auto`.
 *
 * Source: Ge, He, Ke & Sun, "Optimized product quantization", PAMI 2014 (CVPR 2013), the non-parametric algorithm, from
 * nothing or from the parametric solution.
 * Differs: rows are centred first. The rotation is kept in 8 bits and made orthogonal again to float precision by Newton-Schulz steps
 * (Higham 1986) when training ends and when a file is opened, in the same way, so that keys in turned and in plain coordinates agree; the
 * last codebooks are fitted to what it then is. Against 16 bits, centroids in bytes too, the relative error of 110,000 passages (24 bytes)
 * stayed 0.2704 and that of MNIST (98 bytes) went from 0.01916 to 0.01920: where it begins at none a rotation has large components
 * and many small ones, which even steps leave too coarse (0.01970).
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "quant/pq_book.h"

#include <string.h>

extern const leann_quantizer_type leann_quantizer_opq;

enum {
    TILE = 256, /* rows a task turns, or a decode, at once */
    SETTLE = 4, /* k-means rounds before the first rotation */
    STEPS = 8   /* Newton-Schulz, at most */
};

typedef struct {
    uint32_t sub_vectors, codebook_size, training_samples, iterations, dsub, turns;
    int start;
} opq_params;
enum { EITHER, NATURAL, AXES };

static const leann_param opq_table[] = {
    LEANN_PQ_PARAMS(opq_params), LEANN_PARAM_INT(opq_params, turns, 1, 1000, "5", "rotations fitted"),
    LEANN_PARAM_WORD(opq_params, start, "auto|natural|pca", "auto",
                     "first rotation: the better of none (natural) and principal axes dealt to the sub-spaces (pca)"),
    LEANN_PARAM_END};

static leann_pq_params book_params(const void *params)
{
    const opq_params *p = params;
    return (leann_pq_params){p->sub_vectors, p->codebook_size, p->training_samples, p->iterations, p->dsub};
}

typedef struct {
    leann_quantizer common;
    leann_pq_book book; /* of turned rows; its centre is in plain coordinates */
    leann_dtype kept;   /* I8; F16 where an older file was opened */
    void *file;         /* (d, d) of that type: the rotation as a file keeps it */
    float *rotation;    /* (d, d): y = R x */
    float *centre;      /* (d): R times the book's centre */
} opq;

static leann_status opq_check(leann_ctx *ctx, uint64_t n, uint32_t d, const void *params)
{
    leann_pq_params p = book_params(params);
    if (d > 16384) return leann_fail(ctx, LEANN_EINVAL, "opq: d is %u; a rotation of more than 16384 x 16384 is not kept", d);
    leann_status status = leann_pq_check(ctx, "opq", d, &p);
    return status == LEANN_OK ? leann_pq_check_rows(ctx, "opq", n, &p) : status;
}

static void opq_free(leann_quantizer *base)
{
    opq *self = (opq *)base;
    if (!self) return;
    leann_pq_book_free(&self->book);
    leann_free(self->file);
    leann_free(self->rotation);
    leann_free(self->centre);
    leann_free(self);
}

/* All but the book. */
static opq *opq_new(leann_ctx *ctx, uint32_t d, leann_dtype kept, const leann_pq_params *params)
{
    opq *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return NULL;
    self->common = (leann_quantizer){.type = &leann_quantizer_opq, .d = d, .code_bytes = leann_pq_code_bytes(d, params)};
    self->kept = kept;
    self->file = leann_alloc(ctx, (size_t)d * d, leann_dtype_bytes(kept));
    self->rotation = leann_alloc(ctx, (size_t)d * d, sizeof *self->rotation);
    self->centre = leann_alloc(ctx, d, sizeof *self->centre);
    if (self->file && self->rotation && self->centre) return self;
    opq_free((leann_quantizer *)self);
    return NULL;
}

/* The rotation as bytes: the largest component of each row is +-127. */
static void to_bytes(const float *rotation, size_t d, int8_t *byte)
{
    for (size_t r = 0; r < d; r++, rotation += d, byte += d) {
        float most = 0;
        for (size_t j = 0; j < d; j++) most = fmaxf(most, fabsf(rotation[j]));
        for (size_t j = 0; j < d; j++) byte[j] = leann_pq_to_byte(rotation[j] / most * LEANN_PQ_BYTE_MOST);
    }
}

/* And back, at length 1. */
static leann_status from_bytes(leann_ctx *ctx, const int8_t *byte, size_t d, float *rotation)
{
    for (size_t r = 0; r < d; r++, rotation += d, byte += d) {
        double square = 0;
        for (size_t j = 0; j < d; j++) {
            if (byte[j] == INT8_MIN)
                return leann_fail(ctx, LEANN_EFORMAT, "opq.rotation: component %zu of row %zu is -128, below -127", j, r);
            square += (double)leann_pq_from_byte(byte[j]) * (double)leann_pq_from_byte(byte[j]);
        }
        for (size_t j = 0; j < d; j++) rotation[j] = (float)((double)leann_pq_from_byte(byte[j]) / sqrt(square));
    }
    return LEANN_OK;
}

/* Makes a rotation orthogonal to float precision, by steps R (3 I - R^T R) / 2: each squares what is missing. rough, gram: scratch (d, d). */
static leann_status straighten(leann_ctx *ctx, size_t d, float *rotation, float *rough, float *gram)
{
    float most = 1;
    for (int step = 0; step < STEPS && most > 1e-4F; step++) { /* off by so little, one step is the last */
        memcpy(rough, rotation, d * d * sizeof *rough);
        leann_gemm_tn(d, d, d, 1, rough, d, rough, d, 0, gram, d);
        most = 0;
        for (size_t i = 0; i < d * d; i++) {
            float off = fabsf(gram[i] - (i % (d + 1) == 0 ? 1 : 0));
            if (!(off < 0.5F))
                return leann_fail(ctx, LEANN_EFORMAT, "opq.rotation: columns %zu and %zu are off by %g from orthonormal", i / d, i % d,
                                  (double)off);
            most = fmaxf(most, off);
        }
        leann_gemm_nn(d, d, d, -0.5F, rough, d, gram, d, 1.5F, rotation, d);
    }
    return most > 1e-4F ? leann_fail(ctx, LEANN_EFORMAT, "opq.rotation: its columns stay off by %g from orthonormal", (double)most)
                        : LEANN_OK;
}

/* From what a file keeps and the book's centre: the rotation in floats, and the turned centre. */
static leann_status unfold(leann_ctx *ctx, opq *self)
{
    size_t d = self->common.d;
    float *gram = leann_alloc(ctx, d * d, sizeof *gram), *rough = leann_alloc(ctx, d * d, sizeof *rough);
    leann_status status = gram && rough ? LEANN_OK : LEANN_ENOMEM;
    if (status == LEANN_OK && self->kept == LEANN_I8) status = from_bytes(ctx, self->file, d, self->rotation);
    if (status == LEANN_OK && self->kept == LEANN_F16) leann_kernels_get()->f32_from_f16(self->file, self->rotation, d * d);
    if (status == LEANN_OK) status = straighten(ctx, d, self->rotation, rough, gram);
    if (status == LEANN_OK) leann_gemm_nt(1, d, d, 1, self->book.centre, d, self->rotation, d, 0, self->centre, d);
    leann_free(gram);
    leann_free(rough);
    return status;
}

/* ---- training ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    size_t n, d;
    const float *x, *rotation;       /* (n, d), (d, d) */
    float *turned, *decoded, *cross; /* (n, d), (n, d), (d, d) */
} turn_job;

static leann_status turn_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    (void)ctx;
    const turn_job *job = arg;
    size_t d = job->d;
    leann_gemm_nt(end - begin, d, d, 1, job->x + begin * d, d, job->rotation, d, 0, job->turned + begin * d, d);
    return LEANN_OK;
}

/* The principal axes, dealt to the sub-spaces so that their products of variances are as equal as they can be: the best rotation for
 * normal rows (section 4 of the paper). axes: scratch (d, d). */
static leann_status deal_axes(leann_ctx *ctx, opq *self, turn_job *job, float *axes)
{
    size_t d = job->d, m = self->book.m, width = self->book.width;
    double *value = leann_alloc(ctx, d, sizeof *value), *load = leann_alloc(ctx, m, sizeof *load);
    size_t *have = leann_alloc(ctx, m, sizeof *have);
    leann_status status = value && load && have ? leann_cross(ctx, (uint32_t)job->n, d, job->x, job->x, job->cross) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_axes(ctx, d, job->cross, axes, value);
    for (size_t i = 0; i < d && status == LEANN_OK; i++) {
        size_t to = m;
        for (size_t s = 0; s < m; s++)
            if (have[s] < width && (to == m || load[s] < load[to])) to = s;
        memcpy(self->rotation + (to * width + have[to]++) * d, axes + i * d, d * sizeof *axes);
        /* Above 0 for all but the directions in which nothing varies; relative to the largest, so that the unit does not matter. */
        load[to] += log(fmax(value[i] / fmax(value[0], 1e-300), 1e-12)) + 28;
    }
    leann_free(value);
    leann_free(load);
    leann_free(have);
    return status;
}

/* The rotation, the turned rows, codebooks after a few rounds, and *loss: the squared distances of turned rows to their centroids. */
static leann_status begin_at(leann_ctx *ctx, opq *self, turn_job *job, int start, double *loss)
{
    size_t d = job->d;
    leann_status status = LEANN_OK;
    if (start == NATURAL)
        for (size_t i = 0; i < d * d; i++) self->rotation[i] = i % (d + 1) == 0;
    else
        status = deal_axes(ctx, self, job, job->turned);
    if (status == LEANN_OK) status = leann_parallel(ctx, job->n, TILE, turn_task, job);
    if (status == LEANN_OK) status = leann_pq_book_train(ctx, &self->book, job->turned, (uint32_t)job->n, true, SETTLE, job->decoded);
    *loss = 0;
    for (size_t i = 0; i < job->n && status == LEANN_OK; i++)
        *loss += (double)leann_kernels_get()->l2_f32(job->turned + i * d, job->decoded + i * d, d);
    return status;
}

static leann_status begin(leann_ctx *ctx, opq *self, turn_job *job, int start)
{
    double natural = INFINITY, axes = INFINITY;
    leann_status status = start == AXES ? LEANN_OK : begin_at(ctx, self, job, NATURAL, &natural);
    if (status == LEANN_OK && start != NATURAL) status = begin_at(ctx, self, job, AXES, &axes);
    if (status == LEANN_OK && start == EITHER && natural <= axes) status = begin_at(ctx, self, job, NATURAL, &natural);
    return status;
}

/* Alternates codebooks for the rotation and the rotation for the codebooks: R = argmin |X R^T - Ŷ|, the orthogonal factor of Ŷ^T X. */
static leann_status fit(leann_ctx *ctx, opq *self, const float *x, uint32_t n, const opq_params *p)
{
    size_t d = self->common.d;
    turn_job job = {.n = n, .d = d, .x = x, .rotation = self->rotation};
    job.turned = leann_alloc(ctx, n * d > d * d ? n * d : d * d, sizeof *job.turned);
    job.decoded = leann_alloc(ctx, n * d, sizeof *job.decoded);
    job.cross = leann_alloc(ctx, d * d, sizeof *job.cross);
    leann_status status = job.turned && job.decoded && job.cross ? begin(ctx, self, &job, p->start) : LEANN_ENOMEM;
    for (uint32_t turn = 0; turn < p->turns && status == LEANN_OK; turn++) {
        leann_ctx_progress(ctx, "rotation", turn, p->turns);
        if (turn > 0) status = leann_pq_book_train(ctx, &self->book, job.turned, n, false, 1, job.decoded);
        if (status == LEANN_OK) status = leann_cross(ctx, n, d, job.decoded, x, job.cross);
        if (status == LEANN_OK) status = leann_procrustes(ctx, d, job.cross, self->rotation);
        if (status == LEANN_OK && turn + 1 < p->turns) status = leann_parallel(ctx, n, TILE, turn_task, &job);
    }
    if (status != LEANN_OK) goto done;
    leann_ctx_progress(ctx, "rotation", p->turns, p->turns);
    to_bytes(self->rotation, d, self->file);
    status = unfold(ctx, self);
    if (status == LEANN_OK) status = leann_parallel(ctx, n, TILE, turn_task, &job);
    if (status == LEANN_OK) status = leann_pq_book_train(ctx, &self->book, job.turned, n, false, p->iterations, NULL);
    if (status == LEANN_OK) leann_pq_book_round(&self->book);
done:
    leann_free(job.turned);
    leann_free(job.decoded);
    leann_free(job.cross);
    return status;
}

static leann_status opq_train(leann_ctx *ctx, leann_rows sample, const void *params, leann_quantizer **out)
{
    leann_pq_params p = book_params(params);
    leann_status status = opq_check(ctx, sample.n, sample.d, params);
    if (status != LEANN_OK) return status;
    float *x = leann_alloc(ctx, (size_t)sample.n * sample.d, sizeof *x);
    opq *self = opq_new(ctx, sample.d, LEANN_I8, &p);
    status = x && self ? leann_pq_book_new(ctx, sample.d, &p, &self->book) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_pq_book_centre(ctx, &self->book, sample, x);
    if (status == LEANN_OK) status = fit(ctx, self, x, sample.n, params);
    leann_free(x);
    if (status == LEANN_OK)
        *out = &self->common;
    else
        opq_free((leann_quantizer *)self);
    return status;
}

/* ---- codes ---------------------------------------------------------------------------------------------------------------- */

static leann_status opq_encode(leann_ctx *ctx, const leann_quantizer *base, leann_rows rows, uint8_t *code)
{
    const opq *self = (const opq *)base;
    return leann_pq_book_encode(ctx, &self->book, rows, self->rotation, code);
}

static void opq_decode(const leann_quantizer *base, leann_ctx *ctx, const uint8_t *code, size_t stride, uint32_t n, float *x)
{
    const opq *self = (const opq *)base;
    size_t d = base->d, mark = leann_scratch_mark(ctx);
    float *turned = leann_scratch(ctx, (n < TILE ? n : TILE) * d * sizeof *turned);
    for (uint32_t i = 0; i < n; i += TILE) {
        uint32_t rows = n - i < TILE ? n - i : TILE;
        for (uint32_t r = 0; r < rows; r++) memcpy(x + (i + r) * d, self->book.centre, d * sizeof *x);
        if (!turned) continue; /* the context says why */
        leann_pq_book_decode(&self->book, code + i * stride, stride, rows, turned);
        leann_gemm_nn(rows, d, d, 1, turned, d, self->rotation, d, 1, x + i * d, d);
    }
    leann_scratch_reset(ctx, mark);
}

static leann_scorer *opq_prepare(const leann_quantizer *base, leann_ctx *ctx, const leann_codes *codes, const float *q, const float *keys)
{
    const opq *self = (const opq *)base;
    float *turned = leann_scratch(ctx, base->d * sizeof *turned);
    if (!turned) return NULL;
    leann_list rows = {.base = self->rotation, .stride = base->d * sizeof *turned, .n = base->d};
    leann_kernels_get()->ip_f32_list(q, rows, base->d, turned);
    return leann_pq_book_scorer(&self->book, ctx, codes, turned, self->centre, keys);
}

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

static leann_status opq_pack(leann_ctx *ctx, const leann_quantizer *base, const leann_codes *codes, uint8_t **packed)
{
    return leann_pq_book_pack(ctx, &((const opq *)base)->book, codes, packed);
}

static leann_columns opq_columns(uint32_t d, const void *params)
{
    leann_pq_params p = book_params(params);
    return leann_pq_columns(d, &p);
}

static leann_status opq_save(const leann_quantizer *base, leann_writer *w)
{
    const opq *self = (const opq *)base;
    uint64_t d = base->d;
    leann_status status =
        leann_writer_add(w, "opq.rotation", LEANN_PART_CODEBOOKS, self->kept, d, d * leann_dtype_bytes(self->kept), self->file);
    return status == LEANN_OK ? leann_pq_book_save(&self->book, w) : status;
}

static leann_status opq_open(leann_ctx *ctx, const leann_reader *r, uint32_t d, const void *params, leann_quantizer **out)
{
    leann_pq_params p = book_params(params);
    const leann_section *section = leann_reader_find(r, "opq.rotation");
    const leann_dtype kept = section && section->type == LEANN_F16 ? LEANN_F16 : LEANN_I8;
    const void *file = NULL;
    leann_status status = opq_check(ctx, p.codebook_size, d, params);
    if (status == LEANN_OK) status = leann_reader_need(ctx, r, "opq.rotation", kept, d, d * leann_dtype_bytes(kept), &file);
    if (status != LEANN_OK) return status;
    opq *self = opq_new(ctx, d, kept, &p);
    status = self ? leann_pq_book_open(ctx, r, d, &p, &self->book) : LEANN_ENOMEM;
    if (status == LEANN_OK) {
        memcpy(self->file, file, (size_t)d * d * leann_dtype_bytes(kept));
        status = unfold(ctx, self);
    }
    if (status == LEANN_OK)
        *out = &self->common;
    else
        opq_free((leann_quantizer *)self);
    return status;
}

static uint32_t opq_code_bytes(uint32_t d, const void *params)
{
    leann_pq_params p = book_params(params);
    return leann_pq_code_bytes(d, &p);
}

static void opq_predict(uint64_t n, uint32_t d, const void *params, leann_ledger *ledger)
{
    leann_pq_params p = book_params(params);
    (void)n;
    leann_ledger_add(ledger, LEANN_PART_CODEBOOKS, (uint64_t)d * d);
    leann_pq_book_predict(d, &p, ledger);
}

static uint32_t opq_training_rows(uint64_t n, uint32_t d, const void *params)
{
    leann_pq_params p = book_params(params);
    (void)d;
    return leann_pq_training_rows(n, &p);
}

const leann_quantizer_type leann_quantizer_opq = {
    .common = {.name = "opq",
               .revision = 3,
               .about = "product quantisation after a learned rotation",
               .source = "Ge, He, Ke & Sun 2013 (CVPR), the non-parametric algorithm",
               .params = opq_table,
               .params_size = sizeof(opq_params)},
    .train = opq_train,
    .encode = opq_encode,
    .decode = opq_decode,
    .prepare = opq_prepare,
    .pack = opq_pack,
    .columns = opq_columns,
    .terms = leann_pq_terms,
    .save = opq_save,
    .open = opq_open,
    .free = opq_free,
    .check = opq_check,
    .code_bytes = opq_code_bytes,
    .predict = opq_predict,
    .training_rows = opq_training_rows,
};
