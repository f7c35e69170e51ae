/* minilm_pack.c – a model's folder -> its packed file: weights as the products take them, in a container that is mapped at start.
 *
 * Sections (sizes in rows x bytes):
 *   model                JSON {layout, identity, settings}
 *   vocabulary           a token a line
 *   word                 f32 (vocabulary, hidden)
 *   position             f32 (positions, hidden), token type 0's vector added; a cross-encoder's: then once more, with type 1's
 *   norm                 f32 (2, hidden): gain, bias
 *   layerN.W.weight      W one of qkv, mix, up, down: panels (out / 16, in * 16) of f32, bf16 (as u16) or i8, inside
 *                        weight[in / group][16][group] with groups of 1, 2 or 4 inputs
 *   layerN.W.bias        f32 (out)
 *   layerN.W.scale       int8 only, f32 (out): the largest weight of an output / 127
 *   layerN.W.sums        int8 only, i32 (as u32) (out): the sum of an output's integers
 *   layerN.norm1, norm2  f32 (2, hidden)
 *   pooler.*             a cross-encoder's: as layerN.W.*
 *   classifier           a cross-encoder's: f32 (hidden + 1), weights, then bias
 * Query's weights and bias are multiplied by 1 / sqrt(head size) first. bf16 and int8 round to nearest, ties to even. The bytes depend on
 * the folder's contents and the precision alone. One pass; 16 rows of weights are held at a time.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/container.h"
#include "encoders/minilm_inside.h"

enum { ROWS = LEANN_PANEL };

typedef struct {
    leann_ctx *ctx;
    const leann_folder *folder;
    leann_writer *w;
    leann_precision precision;
    float *rows;         /* (16, widest) */
    void *panel;         /* as packed */
    float *bias, *scale; /* (longest) */
    int32_t *sums;       /* (longest) */
    uint32_t done;
} packer;

/* ---- one panel ----------------------------------------------------------------------------------------------------------------- */

static void lay_f32(const float *x, uint32_t in, float *out)
{
    for (uint32_t i = 0; i < in; i++)
        for (uint32_t o = 0; o < ROWS; o++) out[(size_t)i * ROWS + o] = x[(size_t)o * in + i];
}

/* false: a weight rounds to infinity. */
static bool lay_bf16(const float *x, uint32_t in, uint16_t *out)
{
    bool fine = true;
    for (uint32_t i = 0; i < in; i++)
        for (uint32_t o = 0; o < ROWS; o++) {
            uint32_t bits;
            memcpy(&bits, x + (size_t)o * in + i, sizeof bits);
            bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
            fine &= (bits & 0x7f80) != 0x7f80;
            out[((size_t)(i / 2) * ROWS + o) * 2 + i % 2] = (uint16_t)bits;
        }
    return fine;
}

/* An output whose weights are all 0, or too small to have a scale, has scale 0 and integers 0. */
static void lay_int8(const float *x, uint32_t in, int8_t *out, float *scale, int32_t *sums)
{
    for (uint32_t o = 0; o < ROWS; o++) {
        const float *row = x + (size_t)o * in;
        float most = 0;
        for (uint32_t i = 0; i < in; i++) most = fmaxf(most, fabsf(row[i]));
        float step = most / 127;
        if (!isnormal(step)) step = 0;
        sums[o] = 0;
        scale[o] = step;
        for (uint32_t i = 0; i < in; i++) {
            int whole = step > 0 ? (int)lrintf(row[i] / step) : 0; /* at most 127: most / (most / 127) rounds to 127 */
            out[((size_t)(i / 4) * ROWS + o) * 4 + i % 4] = (int8_t)whole;
            sums[o] += whole;
        }
    }
}

/* Rows [first, first + 16) of one of a layer's tensors; at: the output that they become. */
static leann_status put_panel(packer *p, const leann_tensor *t, uint64_t first, uint32_t in, float factor, uint32_t at)
{
    size_t n = (size_t)ROWS * in;
    leann_status status = leann_safetensors_read(p->ctx, p->folder->tensors, t, first * in, n, p->rows);
    if (status != LEANN_OK) return status;
    if (factor != 1)
        for (size_t i = 0; i < n; i++) p->rows[i] *= factor;
    switch (p->precision) {
    case LEANN_ENCODE_F32:
        lay_f32(p->rows, in, p->panel);
        return leann_writer_put(p->w, p->panel, n * 4);
    case LEANN_ENCODE_BF16:
        if (!lay_bf16(p->rows, in, p->panel))
            return leann_fail(p->ctx, LEANN_EFORMAT, "a weight of the model is too large for bf16, whose largest number is 3.39e38");
        return leann_writer_put(p->w, p->panel, n * 2);
    case LEANN_ENCODE_INT8:
        lay_int8(p->rows, in, p->panel, p->scale + at, p->sums + at);
        return leann_writer_put(p->w, p->panel, n);
    }
    return LEANN_OK;
}

/* ---- layers -------------------------------------------------------------------------------------------------------------------- */

static leann_status need(const packer *p, const char *before, const char *name, const char *what, uint64_t rows, uint64_t cols,
                         const leann_tensor **out)
{
    char tensor[128];
    snprintf(tensor, sizeof tensor, "%s%s.%s", before, name, what);
    return leann_safetensors_need(p->ctx, p->folder->tensors, tensor, rows, cols, out);
}

static leann_status count_tensor(packer *p)
{
    const leann_model_settings *set = p->folder->set;
    if (leann_ctx_cancelled(p->ctx)) return leann_fail(p->ctx, LEANN_EINTR, "interrupted");
    leann_ctx_progress(p->ctx, "pack", ++p->done, 4 + (uint64_t)8 * set->layers + (set->pooling == LEANN_POOL_SCORE ? 2 : 0));
    return LEANN_OK;
}

/* One of the tensors that lie over one another in a dense layer: its panels go to the open section, its bias to p->bias at `at`. */
static leann_status put_part(packer *p, const char *before, const char *name, uint32_t out, uint32_t in, float factor, uint32_t at)
{
    const leann_tensor *weight, *bias;
    leann_status status = need(p, before, name, "weight", out, in, &weight);
    for (uint32_t i = 0; status == LEANN_OK && i < out; i += ROWS) status = put_panel(p, weight, i, in, factor, at + i);
    if (status == LEANN_OK) status = need(p, before, name, "bias", out, 0, &bias);
    if (status == LEANN_OK) status = leann_safetensors_read(p->ctx, p->folder->tensors, bias, 0, out, p->bias + at);
    for (uint32_t i = 0; status == LEANN_OK && i < out; i++) p->bias[at + i] *= factor;
    return status == LEANN_OK ? count_tensor(p) : status;
}

static leann_status put_vector(const packer *p, const char *section, const char *what, leann_dtype type, uint32_t n, const void *data)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", section, what);
    return leann_writer_add(p->w, name, LEANN_PART_VECTORS, type, n, 4, data);
}

static leann_status put_dense(packer *p, const leann_dense_names *names, const char *section, const char *before)
{
    static const leann_dtype types[] = {LEANN_F32, LEANN_U16, LEANN_I8};
    const leann_model_settings *set = p->folder->set;
    const uint32_t in = names->inner_in ? set->inner : set->hidden, part = names->inner_out ? set->inner : set->hidden;
    const uint32_t parts = names->tensor[1] ? 3 : 1, out = parts * part;
    const leann_dtype type = types[p->precision];
    char name[96];
    snprintf(name, sizeof name, "%s.weight", section);
    leann_status status =
        leann_writer_begin(p->w, name, LEANN_PART_VECTORS, type, out / ROWS, (uint64_t)ROWS * in * leann_dtype_bytes(type));
    for (uint32_t i = 0; status == LEANN_OK && i < parts; i++) {
        float factor = parts == 3 && i == 0 ? 1 / sqrtf((float)(set->hidden / set->heads)) : 1; /* query's */
        status = put_part(p, before, names->tensor[i], part, in, factor, i * part);
    }
    if (status == LEANN_OK) status = leann_writer_end(p->w);
    if (status == LEANN_OK) status = put_vector(p, section, "bias", LEANN_F32, out, p->bias);
    if (p->precision != LEANN_ENCODE_INT8 || status != LEANN_OK) return status;
    status = put_vector(p, section, "scale", LEANN_F32, out, p->scale);
    return status == LEANN_OK ? put_vector(p, section, "sums", LEANN_U32, out, p->sums) : status;
}

static leann_status put_norm(packer *p, const char *section, const char *before, const char *name)
{
    static const char *const what[] = {"weight", "bias"};
    const uint32_t n = p->folder->set->hidden;
    leann_status status = leann_writer_begin(p->w, section, LEANN_PART_VECTORS, LEANN_F32, 2, (uint64_t)n * 4);
    for (int i = 0; status == LEANN_OK && i < 2; i++) {
        const leann_tensor *t;
        status = need(p, before, name, what[i], n, 0, &t);
        if (status == LEANN_OK) status = leann_safetensors_read(p->ctx, p->folder->tensors, t, 0, n, p->rows);
        if (status == LEANN_OK) status = leann_writer_put(p->w, p->rows, (uint64_t)n * 4);
    }
    if (status == LEANN_OK) status = leann_writer_end(p->w);
    return status == LEANN_OK ? count_tensor(p) : status;
}

static leann_status put_layer(packer *p, uint32_t layer)
{
    char before[64], section[64];
    leann_status status = LEANN_OK;
    snprintf(before, sizeof before, "encoder.layer.%u.", layer);
    for (int i = 0; status == LEANN_OK && i < LEANN_BERT_DENSE; i++) {
        snprintf(section, sizeof section, "layer%u.%s", layer, leann_bert_dense[i].word);
        status = put_dense(p, &leann_bert_dense[i], section, before);
    }
    for (int i = 0; status == LEANN_OK && i < LEANN_BERT_NORMS; i++) {
        snprintf(section, sizeof section, "layer%u.%s", layer, leann_bert_norms[i].word);
        status = put_norm(p, section, before, leann_bert_norms[i].tensor);
    }
    return status;
}

/* ---- the rest ------------------------------------------------------------------------------------------------------------------ */

/* All rows of embeddings, 16 at a time; plus (hidden): added to each, or NULL. */
static leann_status put_rows(packer *p, const leann_tensor *t, uint32_t n, const float *plus)
{
    const uint32_t d = p->folder->set->hidden;
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; status == LEANN_OK && i < n; i += ROWS) {
        uint32_t now = n - i < ROWS ? n - i : ROWS;
        status = leann_safetensors_read(p->ctx, p->folder->tensors, t, (uint64_t)i * d, (size_t)now * d, p->rows);
        for (size_t j = 0; status == LEANN_OK && plus && j < (size_t)now * d; j++) p->rows[j] += plus[j % d];
        if (status == LEANN_OK) status = leann_writer_put(p->w, p->rows, (uint64_t)now * d * 4);
    }
    return status;
}

/* A section of embeddings: all their rows for each of the types, whose vector plus[type] (hidden) is added; plus NULL: as they are. */
static leann_status put_table(packer *p, const char *section, const char *name, uint32_t n, const float *plus, uint32_t types)
{
    const uint32_t d = p->folder->set->hidden;
    const leann_tensor *t;
    leann_status status = need(p, "embeddings.", name, "weight", n, d, &t);
    if (status == LEANN_OK) status = leann_writer_begin(p->w, section, LEANN_PART_VECTORS, LEANN_F32, (uint64_t)types * n, (uint64_t)d * 4);
    for (uint32_t i = 0; status == LEANN_OK && i < types; i++) status = put_rows(p, t, n, plus ? plus + (size_t)i * d : NULL);
    if (status == LEANN_OK) status = leann_writer_end(p->w);
    return status == LEANN_OK ? count_tensor(p) : status;
}

static leann_status put_embeddings(packer *p)
{
    const leann_model_settings *set = p->folder->set;
    const uint32_t types = leann_settings_types(set);
    const leann_tensor *type;
    float *plus = p->bias; /* not in use yet */
    leann_status status = need(p, "embeddings.", "token_type_embeddings", "weight", p->folder->types, set->hidden, &type);
    if (status == LEANN_OK) status = leann_safetensors_read(p->ctx, p->folder->tensors, type, 0, (size_t)types * set->hidden, plus);
    if (status == LEANN_OK) status = count_tensor(p);
    if (status == LEANN_OK) status = put_table(p, "word", "word_embeddings", set->vocabulary, NULL, 1);
    if (status == LEANN_OK) status = put_table(p, "position", "position_embeddings", set->positions, plus, types);
    return status == LEANN_OK ? put_norm(p, "norm", "embeddings.", "LayerNorm") : status;
}

/* What makes a score of the first token. */
static leann_status put_scorer(packer *p)
{
    const uint32_t d = p->folder->set->hidden;
    const leann_tensor *weight, *bias;
    leann_status status = put_dense(p, &leann_bert_pooler, leann_bert_pooler.word, "");
    if (status == LEANN_OK) status = need(p, "", "classifier", "weight", 1, d, &weight);
    if (status == LEANN_OK) status = need(p, "", "classifier", "bias", 1, 0, &bias);
    if (status == LEANN_OK) status = leann_safetensors_read(p->ctx, p->folder->tensors, weight, 0, d, p->rows);
    if (status == LEANN_OK) status = leann_safetensors_read(p->ctx, p->folder->tensors, bias, 0, 1, p->rows + d);
    if (status == LEANN_OK) status = leann_writer_add(p->w, "classifier", LEANN_PART_VECTORS, LEANN_F32, d + 1, 4, p->rows);
    return status == LEANN_OK ? count_tensor(p) : status;
}

static leann_status put_head(packer *p)
{
    char identity[65];
    leann_status status = leann_settings_identity(p->ctx, p->folder->set, identity);
    if (status != LEANN_OK) return status;
    leann_value *head = leann_value_new_map();
    leann_value_set(head, "layout", leann_value_new_int(LEANN_PACK_LAYOUT));
    leann_value_set(head, "identity", leann_value_new_text(identity));
    leann_value_set(head, "settings", leann_params_value(leann_settings, p->folder->set));
    char *text = leann_value_json(head, true, 0);
    leann_value_free(head);
    if (!text) return leann_fail(p->ctx, LEANN_ENOMEM, "no memory for the head of a packed model");
    status = leann_writer_add(p->w, LEANN_PACK_HEAD, LEANN_PART_META, LEANN_BYTES, strlen(text), 1, text);
    leann_free(text);
    if (status != LEANN_OK) return status;
    return leann_writer_add(p->w, "vocabulary", LEANN_PART_TEXT, LEANN_BYTES, p->folder->vocabulary_bytes, 1, p->folder->vocabulary);
}

static bool rooms(packer *p)
{
    const leann_model_settings *set = p->folder->set;
    size_t widest = set->inner > set->hidden ? set->inner : set->hidden, longest = 3 * (size_t)set->hidden;
    if (set->inner > longest) longest = set->inner;
    return (p->rows = leann_alloc(p->ctx, ROWS * widest, sizeof *p->rows)) &&
           (p->panel = leann_alloc(p->ctx, ROWS * widest, sizeof(float))) && (p->bias = leann_alloc(p->ctx, longest, sizeof *p->bias)) &&
           (p->scale = leann_alloc(p->ctx, longest, sizeof *p->scale)) && (p->sums = leann_alloc(p->ctx, longest, sizeof *p->sums));
}

leann_status leann_pack(leann_ctx *ctx, const leann_folder *folder, const char *path)
{
    packer p = {.ctx = ctx, .folder = folder, .precision = (leann_precision)folder->set->precision};
    leann_status status = leann_settings_check(ctx, "this model", folder->set);
    if (status == LEANN_OK && !rooms(&p)) status = LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_writer_new(ctx, path, &p.w);
    if (status == LEANN_OK) status = put_head(&p);
    if (status == LEANN_OK) status = put_embeddings(&p);
    for (uint32_t i = 0; status == LEANN_OK && i < folder->set->layers; i++) status = put_layer(&p, i);
    if (status == LEANN_OK && folder->set->pooling == LEANN_POOL_SCORE) status = put_scorer(&p);
    if (status == LEANN_OK) status = leann_writer_commit(p.w);
    leann_writer_free(p.w);
    leann_free(p.rows);
    leann_free(p.panel);
    leann_free(p.bias);
    leann_free(p.scale);
    leann_free(p.sums);
    return status;
}
