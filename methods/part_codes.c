/* part_codes.c – a trained quantiser and the codes of all rows, plain or of what is left after the anchor.
 *
 * The stage keeps codes in row order, because plain codes do not depend on the lists: every anchor set shares them. They are put
 * into list order when the index is made, so that a list is one run of memory.
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "core/quantizer.h"
#include "methods/parts.h"

enum { BLOCK = 8192 }; /* rows made into residuals at a time */

/* Rows ids[0, n), or [first, first + n) when ids is NULL, as floats, minus their anchors where residual. */
static void take_rows(const leann_coding *coding, const uint32_t *ids, uint32_t first, uint32_t n, float *x)
{
    uint32_t d = coding->rows.d;
    leann_rows_span(coding->rows, (leann_span){LEANN_NONE, first, n, ids}, x);
    if (!coding->residual) return;
    for (uint32_t i = 0; i < n; i++) {
        const float *anchor = coding->lists->anchor + (size_t)coding->owner[ids ? ids[i] : first + i] * coding->lists->d;
        float *row = x + (size_t)i * d;
        for (uint32_t j = 0; j < d; j++) row[j] -= anchor[j];
    }
}

static leann_rows floats_as_rows(const float *x, uint32_t n, uint32_t d, leann_space space)
{
    return (leann_rows){x, d * sizeof(float), n, d, LEANN_F32, space};
}

/* Trains on sample rows; ids (n) of them. */
static leann_status train_on(leann_ctx *ctx, const leann_coding *coding, const uint32_t *ids, uint32_t n, leann_quantizer **out)
{
    uint32_t d = coding->rows.d;
    float *x = leann_alloc(ctx, (size_t)n * d, sizeof *x);
    if (!x) return leann_ctx_status(ctx);
    take_rows(coding, ids, 0, n, x);
    leann_status status =
        leann_quantizer_of(coding->quantizer)->train(ctx, floats_as_rows(x, n, d, LEANN_L2), coding->quantizer.params, out);
    leann_free(x);
    return status;
}

static uint32_t training_rows(leann_rows rows, leann_choice quantizer)
{
    uint32_t want = leann_quantizer_of(quantizer)->training_rows(rows.n, rows.d, quantizer.params);
    return want < rows.n ? want : rows.n;
}

leann_status leann_coded_sample(leann_ctx *ctx, leann_rows rows, leann_choice quantizer, uint32_t **ids, uint32_t *n)
{
    *n = training_rows(rows, quantizer);
    if (!(*ids = leann_alloc(ctx, *n ? *n : 1, sizeof **ids))) return leann_ctx_status(ctx);
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "quantizer sample", 0);
    leann_rng_sample(&rng, rows.n, *n, true, *ids);
    return LEANN_OK;
}

static leann_status train(leann_ctx *ctx, const leann_coding *coding, leann_quantizer **out)
{
    uint32_t n, *ids;
    leann_status status = leann_coded_sample(ctx, coding->rows, coding->quantizer, &ids, &n);
    if (status == LEANN_OK) status = train_on(ctx, coding, ids, n, out);
    leann_free(ids);
    return status;
}

static leann_status encode_all(leann_ctx *ctx, const leann_coding *coding, const leann_quantizer *quantizer, uint8_t *code)
{
    leann_rows rows = coding->rows;
    if (!coding->residual) return quantizer->type->encode(ctx, quantizer, rows, code);
    float *x = leann_alloc(ctx, (size_t)BLOCK * rows.d, sizeof *x);
    if (!x) return leann_ctx_status(ctx);
    leann_status status = LEANN_OK;
    for (uint32_t first = 0; first < rows.n && status == LEANN_OK; first += BLOCK) {
        uint32_t n = rows.n - first < BLOCK ? rows.n - first : BLOCK;
        take_rows(coding, NULL, first, n, x);
        status =
            quantizer->type->encode(ctx, quantizer, floats_as_rows(x, n, rows.d, LEANN_L2), code + (size_t)first * quantizer->code_bytes);
    }
    leann_free(x);
    return status;
}

/* What codes depend on, for the keys of stages. */
static leann_value *coding_words(const leann_coding *coding)
{
    leann_value *words = leann_value_new_map();
    leann_value_set(words, "quantizer", leann_choice_value(coding->quantizer));
    leann_value_set(words, "revision", leann_value_new_int(coding->quantizer.plugin->revision));
    if (coding->residual) leann_value_set(words, "residual_to", leann_value_copy(coding->key));
    return words;
}

/* ---- the stage --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t n;
    leann_quantizer *quantizer;
    const uint8_t *code; /* (n, code_bytes) in row order */
    uint8_t *owned;
    leann_reader *reader;
} coded_rows;

static void coded_rows_free(coded_rows *rows)
{
    leann_quantizer_free(rows->quantizer);
    leann_free(rows->owned);
    leann_reader_free(rows->reader);
    leann_free(rows);
}

static leann_status rows_make(leann_ctx *ctx, void *arg, void **object)
{
    const leann_coding *coding = arg;
    coded_rows *out = leann_alloc(ctx, 1, sizeof *out);
    if (!out) return leann_ctx_status(ctx);
    leann_status status = train(ctx, coding, &out->quantizer);
    if (status != LEANN_OK) goto done;
    out->n = coding->rows.n;
    out->code = out->owned = leann_alloc(ctx, out->n, out->quantizer->code_bytes);
    status = out->owned ? encode_all(ctx, coding, out->quantizer, out->owned) : leann_ctx_status(ctx);
done:
    if (status == LEANN_OK)
        *object = out;
    else
        coded_rows_free(out);
    return status;
}

static leann_status rows_save(const void *object, leann_writer *w)
{
    const coded_rows *rows = object;
    leann_status status = rows->quantizer->type->save(rows->quantizer, w);
    if (status != LEANN_OK) return status;
    return leann_writer_add(w, "codes", LEANN_PART_CODES, LEANN_U8, rows->n, rows->quantizer->code_bytes, rows->code);
}

static leann_status rows_open(leann_ctx *ctx, leann_reader *r, void *arg, void **object)
{
    const leann_coding *coding = arg;
    coded_rows *out = leann_alloc(ctx, 1, sizeof *out);
    if (!out) return leann_ctx_status(ctx);
    const void *code;
    leann_status status = leann_quantizer_of(coding->quantizer)->open(ctx, r, coding->rows.d, coding->quantizer.params, &out->quantizer);
    if (status == LEANN_OK) status = leann_reader_need(ctx, r, "codes", LEANN_U8, coding->rows.n, out->quantizer->code_bytes, &code);
    if (status != LEANN_OK) {
        coded_rows_free(out);
        return status;
    }
    out->n = coding->rows.n;
    out->code = code;
    out->reader = leann_reader_keep(r);
    *object = out;
    return LEANN_OK;
}

/* ---- the stage of what residuals are decided by ------------------------------------------------------------------------------------------ */

/* Mean |x - x̂|² of held-out rows after training on others. */
static leann_status heldout_error(leann_ctx *ctx, const leann_coding *coding, double *error)
{
    uint32_t d = coding->rows.d, want = training_rows(coding->rows, coding->quantizer);
    uint32_t held = coding->rows.n / 10 < 2000 ? coding->rows.n / 10 : 2000;
    if (held == 0) held = 1;
    uint32_t total = want > UINT32_MAX - held || want + held > coding->rows.n ? coding->rows.n : want + held;
    uint32_t trained = total > held ? total - held : total; /* a single row has to serve as both */
    size_t mark = leann_scratch_mark(ctx);
    leann_quantizer *quantizer = NULL;
    leann_status status = LEANN_ENOMEM;
    uint32_t *ids = leann_scratch(ctx, total * sizeof *ids);
    float *x = leann_scratch(ctx, (size_t)held * d * sizeof *x), *y = leann_scratch(ctx, (size_t)held * d * sizeof *y);
    uint8_t *code = NULL;
    if (!ids || !x || !y) goto done;
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "held-out sample", 0);
    leann_rng_sample(&rng, coding->rows.n, total, false, ids);
    if ((status = train_on(ctx, coding, ids, trained, &quantizer)) != LEANN_OK) goto done;
    take_rows(coding, ids + (total - held), 0, held, x);
    if (!(code = leann_scratch(ctx, (size_t)held * quantizer->code_bytes))) {
        status = LEANN_ENOMEM;
        goto done;
    }
    if ((status = quantizer->type->encode(ctx, quantizer, floats_as_rows(x, held, d, LEANN_L2), code)) != LEANN_OK) goto done;
    quantizer->type->decode(quantizer, ctx, code, quantizer->code_bytes, held, y);
    if ((status = leann_ctx_status(ctx)) != LEANN_OK) goto done; /* decoding may need scratch */
    double sum = 0;
    for (size_t i = 0; i < (size_t)held * d; i++) sum += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
    *error = sum / held;
done:
    leann_quantizer_free(quantizer);
    leann_scratch_reset(ctx, mark);
    return status;
}

static leann_status heldout_make(leann_ctx *ctx, void *arg, void **object)
{
    double *error = leann_alloc(ctx, 1, sizeof *error);
    leann_status status = error ? heldout_error(ctx, arg, error) : LEANN_ENOMEM;
    if (status == LEANN_OK)
        *object = error;
    else
        leann_free(error);
    return status;
}

static leann_status heldout_save(const void *object, leann_writer *w)
{
    return leann_writer_add(w, "error", LEANN_PART_META, LEANN_BYTES, sizeof(double), 1, object);
}

static leann_status heldout_open(leann_ctx *ctx, leann_reader *r, void *arg, void **object)
{
    (void)arg;
    const void *stored;
    leann_status status = leann_reader_need(ctx, r, "error", LEANN_BYTES, sizeof(double), 1, &stored);
    double *error = status == LEANN_OK ? leann_alloc(ctx, 1, sizeof *error) : NULL;
    if (!error) return leann_ctx_status(ctx);
    memcpy(error, stored, sizeof *error);
    *object = error;
    return LEANN_OK;
}

leann_status leann_coded_heldout(leann_ctx *ctx, leann_stages *stages, const leann_coding *coding, double *error)
{
    leann_stage stage = {"held-out", coding_words(coding), heldout_make, heldout_save, heldout_open};
    void *object = NULL;
    leann_coding copy = *coding;
    leann_status status = leann_stages_run(stages, ctx, stage, &copy, &object);
    if (status != LEANN_OK) return status;
    *error = *(double *)object;
    leann_free(object);
    return LEANN_OK;
}

/* ---- the part ---------------------------------------------------------------------------------------------------------------------- */

static leann_status make_bias(leann_ctx *ctx, leann_coded *coded, const leann_lists *lists)
{
    if (!coded->residual) return LEANN_OK;
    float *bias = leann_alloc(ctx, coded->codes.n, sizeof *bias);
    if (!bias) return leann_ctx_status(ctx);
    coded->owned_bias = bias;
    coded->codes.bias = bias;
    return leann_quantizer_bias(ctx, coded->quantizer, &coded->codes, lists->anchor, bias); /* lifted anchors: never read */
}

static void describe_codes(leann_coded *coded, const uint8_t *code, uint32_t n, leann_space space, const leann_lists *lists)
{
    coded->codes =
        (leann_codes){code, coded->quantizer->code_bytes, n, lists ? lists->m : 0, lists ? lists->off : NULL, NULL, space, NULL, NULL};
}

leann_status leann_coded_make(leann_ctx *ctx, leann_stages *stages, const leann_coding *coding, leann_coded *out)
{
    leann_stage stage = {"codes", coding_words(coding), rows_make, rows_save, rows_open};
    void *object = NULL;
    leann_coding copy = *coding;
    leann_status status = leann_stages_run(stages, ctx, stage, &copy, &object);
    if (status != LEANN_OK) return status;

    coded_rows *rows = object;
    *out = (leann_coded){.quantizer = rows->quantizer, .residual = coding->residual, .reader = rows->reader};
    const uint8_t *code = rows->code;
    out->owned_code = rows->owned;
    leann_free(rows);
    if (coding->order) {
        size_t bytes = out->quantizer->code_bytes;
        uint8_t *sorted = leann_alloc(ctx, coding->rows.n, bytes);
        if (!sorted) return leann_ctx_status(ctx);
        for (uint32_t slot = 0; slot < coding->rows.n; slot++) memcpy(sorted + slot * bytes, code + coding->order[slot] * bytes, bytes);
        leann_free(out->owned_code);
        out->owned_code = sorted;
        code = sorted;
    }
    describe_codes(out, code, coding->rows.n, coding->rows.space, coding->lists);
    return make_bias(ctx, out, coding->lists);
}

leann_status leann_coded_save(const leann_coded *coded, leann_writer *w)
{
    leann_status status = coded->quantizer->type->save(coded->quantizer, w);
    if (status != LEANN_OK) return status;
    return leann_packed_save(w, "codes", LEANN_PART_CODES, LEANN_U8, coded->codes.n, coded->quantizer->code_bytes, coded->codes.code,
                             coded->codes.stride);
}

leann_status leann_coded_open(leann_ctx *ctx, const leann_reader *r, leann_choice quantizer, uint32_t d, leann_space space,
                              const leann_lists *lists, uint32_t n, bool residual, leann_coded *out)
{
    *out = (leann_coded){.residual = residual};
    leann_status status = leann_quantizer_of(quantizer)->open(ctx, r, d, quantizer.params, &out->quantizer);
    if (status != LEANN_OK) return status;
    const void *code;
    status = leann_reader_need(ctx, r, "codes", LEANN_U8, n, out->quantizer->code_bytes, &code);
    if (status != LEANN_OK) return status;
    describe_codes(out, code, n, space, lists);
    return make_bias(ctx, out, lists);
}

leann_status leann_coded_pack(leann_ctx *ctx, leann_coded *coded)
{
    const leann_quantizer *quantizer = coded->quantizer;
    uint8_t *packed = NULL;
    leann_status status = quantizer->type->pack ? quantizer->type->pack(ctx, quantizer, &coded->codes, &packed) : LEANN_OK;
    coded->codes.packed = coded->owned_packed = packed;
    return status;
}

leann_status leann_coded_measure(leann_ctx *ctx, leann_coded *coded)
{
    enum { RUN = 4096 };
    const uint32_t n = coded->codes.n, d = coded->quantizer->d;
    if (coded->codes.space != LEANN_ANGULAR || coded->residual) return LEANN_OK;
    const size_t mark = leann_scratch_mark(ctx);
    float *zero = leann_scratch(ctx, d * sizeof *zero), *length = coded->length = leann_alloc(ctx, n, sizeof *length), most = 0;
    if (!zero || !length) return leann_ctx_status(ctx);
    memset(zero, 0, d * sizeof *zero);
    leann_scorer *scorer = leann_coded_scorer(ctx, coded, zero, NULL); /* the keys of a query of zeros are |x̂|² */
    if (!scorer) return leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n; i += RUN)
        scorer->score(scorer, (leann_span){LEANN_NONE, i, n - i < RUN ? n - i : RUN, NULL}, INFINITY, length + i, NULL);
    for (uint32_t i = 0; i < n; i++) {
        length[i] = sqrtf(length[i]);
        most = fmaxf(most, fabsf(length[i] - 1));
    }
    leann_scratch_reset(ctx, mark);
    if (most >= 1e-3F) return LEANN_OK;
    leann_free(length);
    coded->length = NULL;
    return LEANN_OK;
}

/* How many rows a scan keeps by distance so that the `most` best by key are among them. */
static uint32_t keeps(const leann_coded *coded, uint32_t most)
{
    enum { WIDER = 4 };
    const uint64_t keep = coded->length ? (uint64_t)WIDER * most : most;
    return keep < coded->codes.n ? (uint32_t)keep : coded->codes.n;
}

/* The `most` best by key of what a scan kept; the sieve is spent. NULL: ENOMEM */
static leann_hit *best_by_key(leann_ctx *ctx, const leann_coded *coded, leann_sieve *top, uint32_t most, uint32_t *n)
{
    leann_hit *hit = leann_sieve_sort(top);
    leann_sieve turned;
    *n = top->n;
    if (!coded->length) return hit;
    if (!leann_sieve_start(&turned, ctx, most)) return NULL;
    for (uint32_t i = 0; i < top->n; i++) {
        const float l = coded->length[hit[i].id];
        leann_sieve_push(&turned, l > 0 ? fmaxf(0, 2 - (1 + l * l - hit[i].key) / l) : 2, hit[i].id);
    }
    hit = leann_sieve_sort(&turned);
    *n = turned.n;
    return hit;
}

leann_status leann_coded_nearest(leann_ctx *ctx, const leann_coded *coded, const float *q, uint32_t queries, uint32_t most, leann_hit **hit,
                                 uint32_t *n)
{
    leann_scorer *scorer[LEANN_SCAN_TOGETHER] = {NULL};
    leann_sieve top[LEANN_SCAN_TOGETHER];
    for (uint32_t i = 0; i < queries; i++) {
        scorer[i] = leann_coded_scorer(ctx, coded, q + (size_t)i * coded->quantizer->d, NULL);
        if (!scorer[i] || !leann_sieve_start(&top[i], ctx, keeps(coded, most))) return leann_ctx_status(ctx);
    }
    leann_scan_all(scorer, top, queries, coded->codes.n);
    for (uint32_t i = 0; i < queries; i++)
        if (!(hit[i] = best_by_key(ctx, coded, &top[i], most, &n[i]))) return leann_ctx_status(ctx);
    return LEANN_OK;
}

leann_status leann_coded_settle(leann_ctx *ctx, const leann_reader *r, leann_coded *coded)
{
    size_t bytes = coded->codes.stride, stride = leann_line_up(bytes);
    if (4 * stride > 5 * bytes) stride = bytes;
    leann_status status = leann_settle(ctx, r, "codes", stride, &coded->owned_code);
    if (status == LEANN_OK) coded->codes.code = coded->owned_code, coded->codes.stride = stride;
    return status;
}

leann_status leann_coded_beside(leann_ctx *ctx, leann_coded *coded, leann_columns columns, const leann_graph *graph)
{
    leann_status status = leann_beside_make(ctx, coded->quantizer, columns, &coded->codes, graph, &coded->beside);
    coded->codes.beside = coded->beside;
    return status;
}

void leann_coded_free(leann_coded *coded)
{
    leann_beside_free(coded->beside);
    leann_free(coded->length);
    leann_quantizer_free(coded->quantizer);
    leann_free(coded->owned_code);
    leann_free(coded->owned_bias);
    leann_free(coded->owned_packed);
    leann_reader_free(coded->reader);
    *coded = (leann_coded){0};
}

void leann_coded_predict(uint64_t n, uint32_t d, leann_choice quantizer, leann_ledger *ledger)
{
    const leann_quantizer_type *type = leann_quantizer_of(quantizer);
    type->predict(n, d, quantizer.params, ledger);
    leann_ledger_add(ledger, LEANN_PART_CODES, n * type->code_bytes(d, quantizer.params));
}

leann_status leann_coded_decode(const leann_coded *coded, leann_ctx *ctx, const leann_lists *lists, const uint32_t *slots, uint32_t n,
                                float *x)
{
    size_t mark = leann_scratch_mark(ctx), bytes = coded->codes.stride;
    uint32_t d = coded->quantizer->d;
    uint8_t *code = leann_scratch(ctx, n * bytes);
    if (!code) return leann_ctx_status(ctx);
    for (uint32_t i = 0; i < n; i++) memcpy(code + i * bytes, coded->codes.code + slots[i] * bytes, bytes);
    coded->quantizer->type->decode(coded->quantizer, ctx, code, bytes, n, x);
    for (uint32_t i = 0; i < n && coded->residual; i++) {
        const float *anchor = lists->anchor + (size_t)leann_lists_owner(lists, slots[i]) * lists->d;
        for (uint32_t j = 0; j < d; j++) x[(size_t)i * d + j] += anchor[j];
    }
    leann_scratch_reset(ctx, mark);
    return leann_ctx_status(ctx); /* decoding may need scratch */
}

leann_scorer *leann_coded_scorer(leann_ctx *ctx, const leann_coded *coded, const float *q, const float *base)
{
    return coded->quantizer->type->prepare(coded->quantizer, ctx, &coded->codes, q, base);
}
