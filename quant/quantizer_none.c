/* quantizer_none.c – no quantisation: a code is the row's d floats, little-endian, 4 d bytes; a key costs d multiply-adds.
 *
 * Source: none; the referee of the other quantisers, and the right choice for rows that must stay exact.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/quantizer.h"

#include <assert.h>
#include <string.h>

extern const leann_quantizer_type leann_quantizer_none;

enum { CHUNK = 1024 }; /* rows a task */

static leann_status none_new(leann_ctx *ctx, uint32_t d, leann_quantizer **out)
{
    leann_quantizer *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    *self = (leann_quantizer){.type = &leann_quantizer_none, .d = d, .code_bytes = d * (uint32_t)sizeof(float)};
    *out = self;
    return LEANN_OK;
}

static leann_status none_check(leann_ctx *ctx, uint64_t n, uint32_t d, const void *params)
{
    (void)n, (void)params;
    if (d == 0 || d > UINT32_MAX / sizeof(float))
        return leann_fail(ctx, LEANN_EINVAL, "none: d is %u, not 1 to %zu", d, UINT32_MAX / sizeof(float));
    return LEANN_OK;
}

static leann_status none_train(leann_ctx *ctx, leann_rows sample, const void *params, leann_quantizer **out)
{
    leann_status status = none_check(ctx, sample.n, sample.d, params);
    return status == LEANN_OK ? none_new(ctx, sample.d, out) : status;
}

typedef struct {
    leann_rows rows;
    uint8_t *code;
} none_job;

static leann_status none_encode_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    (void)ctx;
    const none_job *job = arg;
    leann_rows_floats(job->rows, (uint32_t)begin, (uint32_t)(end - begin),
                      (float *)(void *)(job->code + begin * job->rows.d * sizeof(float)));
    return LEANN_OK;
}

static leann_status none_encode(leann_ctx *ctx, const leann_quantizer *self, leann_rows rows, uint8_t *code)
{
    assert(rows.d == self->d);
    (void)self;
    none_job job = {.rows = rows, .code = code};
    return leann_parallel(ctx, rows.n, CHUNK, none_encode_task, &job);
}

static void none_decode(const leann_quantizer *self, leann_ctx *ctx, const uint8_t *code, size_t stride, uint32_t n, float *x)
{
    (void)ctx;
    for (uint32_t i = 0; i < n; i++) memcpy(x + (size_t)i * self->d, code + i * stride, self->code_bytes);
}

typedef struct {
    leann_scorer scorer;
    const leann_kernels *kernels;
    const leann_codes *codes;
    const float *base, *q;
    size_t d;
} none_scorer;

static void none_score(leann_scorer *scorer, leann_span span, float cut, float *key, float *low)
{
    (void)cut, (void)low;
    none_scorer *self = (none_scorer *)scorer;
    leann_list list = leann_codes_list(self->codes, span, 0);
    if (self->base || self->codes->space == LEANN_IP)
        self->kernels->ip_f32_list(self->q, list, self->d, key);
    else
        self->kernels->l2_f32_list(self->q, list, self->d, key);
    leann_codes_finish(self->codes, self->base, span, 0, key);
    scorer->dist_comps += span.n;
}

static leann_scorer *none_prepare(const leann_quantizer *self, leann_ctx *ctx, const leann_codes *codes, const float *q, const float *base)
{
    none_scorer *scorer = leann_scratch(ctx, sizeof *scorer);
    float *own = leann_scratch(ctx, self->d * sizeof *own);
    if (!scorer || !own) return NULL;
    float factor = codes->space == LEANN_IP ? -1 : base ? -2 : 1;
    for (uint32_t j = 0; j < self->d; j++) own[j] = factor * q[j];
    *scorer = (none_scorer){
        .scorer = {.score = none_score}, .kernels = leann_kernels_get(), .codes = codes, .base = base, .q = own, .d = self->d};
    return &scorer->scorer;
}

static leann_status none_save(const leann_quantizer *self, leann_writer *w)
{
    (void)self, (void)w;
    return LEANN_OK;
}

static leann_status none_open(leann_ctx *ctx, const leann_reader *r, uint32_t d, const void *params, leann_quantizer **out)
{
    (void)r;
    leann_status status = none_check(ctx, 1, d, params);
    return status == LEANN_OK ? none_new(ctx, d, out) : status;
}

static void none_free(leann_quantizer *self)
{
    leann_free(self);
}

static uint32_t none_code_bytes(uint32_t d, const void *params)
{
    (void)params;
    return d * (uint32_t)sizeof(float);
}

static void none_predict(uint64_t n, uint32_t d, const void *params, leann_ledger *ledger)
{
    (void)n, (void)d, (void)params, (void)ledger;
}

static uint32_t none_training_rows(uint64_t n, uint32_t d, const void *params)
{
    (void)d, (void)params;
    return n < 1 ? 0 : 1; /* looks at d only */
}

const leann_quantizer_type leann_quantizer_none = {
    .common = {.name = "none", .revision = 1, .about = "the row itself as 32-bit floats", .source = "none: exact"},
    .train = none_train,
    .encode = none_encode,
    .decode = none_decode,
    .prepare = none_prepare,
    .save = none_save,
    .open = none_open,
    .free = none_free,
    .check = none_check,
    .code_bytes = none_code_bytes,
    .predict = none_predict,
    .training_rows = none_training_rows,
};
