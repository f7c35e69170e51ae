/* minilm_settings.c – the numbers and words of a model of the BERT family: their limits, and the identity that they make.
 *
 * SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <string.h>

#include "encoders/minilm_inside.h"

enum { MAX_PREFIX = 4096 };

const char *const leann_precision_word[LEANN_PRECISIONS] = {"f32", "bf16", "int8"};

#define INT(F, LO, HI, HELP) LEANN_PARAM_INT(leann_model_settings, F, LO, HI, NULL, HELP)
#define BOOL(F, HELP)        LEANN_PARAM_BOOL(leann_model_settings, F, NULL, HELP)
#define TEXT(F, HELP)        LEANN_PARAM_TEXT(leann_model_settings, F, NULL, HELP)
const leann_param leann_settings[] = {
    INT(vocabulary, 1, 1 << 20, "rows of the word embeddings"),
    INT(hidden, LEANN_PANEL, 8192, "dimension of the vectors"),
    INT(layers, 1, LEANN_BERT_LAYERS, "layers"),
    INT(heads, 1, 8192, "heads of attention"),
    INT(inner, LEANN_PANEL, 65536, "width of the feed-forward part"),
    INT(positions, 2, 65536, "rows of the position embeddings"),
    LEANN_PARAM_REAL(leann_model_settings, epsilon, 1e-30, 1, NULL, "of the layer norms"),
    INT(max_tokens, 2, 65536, "tokens of a text, marks included: what is beyond is cut off"),
    LEANN_PARAM_WORD(leann_model_settings, pooling, "mean|cls|score", NULL,
                     "mean of all tokens, the first one, or a cross-encoder's score by it"),
    BOOL(unit, "vectors are brought to unit length"),
    BOOL(lowercase, "of the text"),
    BOOL(strip_accents, "of the text"),
    BOOL(space_cjk, "Chinese characters are words"),
    INT(max_word, 1, 1000, "code points of a word; a longer one is unknown"),
    TEXT(unknown, "token of what is not in the vocabulary"),
    TEXT(first, "token before a text"),
    TEXT(last, "token behind it"),
    TEXT(continues, "begins a token inside a word"),
    TEXT(query_prefix, "put before queries"),
    TEXT(passage_prefix, "put before passages"),
    TEXT(weights, "sha256 of the weights as float32"),
    TEXT(tokens, "sha256 of the vocabulary"),
    LEANN_PARAM_WORD(leann_model_settings, precision, "f32|bf16|int8", NULL, "of the weights and products"),
    LEANN_PARAM_END,
};

#define MEMBER(F) offsetof(leann_bert_layer, F)
const leann_dense_names leann_bert_dense[LEANN_BERT_DENSE] = {
    {"qkv", {"attention.self.query", "attention.self.key", "attention.self.value"}, false, false, MEMBER(qkv)},
    {"mix", {"attention.output.dense"}, false, false, MEMBER(mix)},
    {"up", {"intermediate.dense"}, false, true, MEMBER(up)},
    {"down", {"output.dense"}, true, false, MEMBER(down)},
};
const leann_norm_names leann_bert_norms[LEANN_BERT_NORMS] = {
    {"norm1", "attention.output.LayerNorm", MEMBER(norm1)},
    {"norm2", "output.LayerNorm", MEMBER(norm2)},
};
const leann_dense_names leann_bert_pooler = {"pooler", {"pooler.dense"}, false, false, 0};

uint32_t leann_settings_types(const leann_model_settings *set)
{
    return set->pooling == LEANN_POOL_SCORE ? 2 : 1;
}

static leann_status check_text(leann_ctx *ctx, const char *where, const char *name, const char *text, size_t least, size_t most)
{
    size_t length = strlen(text);
    if (length >= least && length <= most) return LEANN_OK;
    return leann_fail(ctx, LEANN_EFORMAT, "%s of %s has %zu bytes, but must have %zu to %zu", name, where, length, least, most);
}

leann_status leann_settings_check(leann_ctx *ctx, const char *where, const leann_model_settings *set)
{
    const leann_wordpiece_options *words = NULL; /* for the room it has */
    const size_t mark = sizeof words->unknown - 1, most = MAX_PREFIX;
    const uint32_t marks = 1 + leann_settings_types(set), unit = (uint32_t)LEANN_PANEL << set->precision; /* groups of 1, 2 or 4 */
    if (set->hidden % set->heads != 0)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: %u heads do not divide the hidden size %u", where, set->heads, set->hidden);
    if (set->max_tokens > set->positions)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: texts of %u tokens do not fit its %u positions", where, set->max_tokens, set->positions);
    if (set->max_tokens < marks)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: max_tokens is %u, but the marks alone are %u", where, set->max_tokens, marks);
    if (set->hidden % unit != 0 || set->inner % unit != 0)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "%s: hidden size %u and intermediate size %u must be multiples of %u in %s", where,
                          set->hidden, set->inner, unit, leann_precision_word[set->precision]);
    if (set->hidden / set->heads % LEANN_PANEL != 0)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "%s: heads of size %u (%u of them); a multiple of %d is needed", where,
                          set->hidden / set->heads, set->heads, LEANN_PANEL);
    leann_status status = check_text(ctx, where, "the unknown token", set->unknown, 1, mark);
    if (status == LEANN_OK) status = check_text(ctx, where, "the first token", set->first, 1, mark);
    if (status == LEANN_OK) status = check_text(ctx, where, "the last token", set->last, 1, mark);
    if (status == LEANN_OK) status = check_text(ctx, where, "the mark of continued words", set->continues, 1, sizeof words->continues - 1);
    if (status == LEANN_OK) status = check_text(ctx, where, "the prefix of queries", set->query_prefix, 0, most);
    if (status == LEANN_OK) status = check_text(ctx, where, "the prefix of passages", set->passage_prefix, 0, most);
    return status;
}

leann_status leann_settings_new(leann_ctx *ctx, const char *where, const leann_value *given, leann_model_settings **out)
{
    void *made = NULL;
    *out = NULL;
    for (const leann_param *p = leann_settings; p->name; p++)
        if (leann_value_type(leann_value_get(given, p->name)) == LEANN_V_NULL)
            return leann_fail(ctx, LEANN_EFORMAT, "%s does not say the model's %s", where, p->name);
    leann_status status = leann_params_new(ctx, where, leann_settings, sizeof **out, given, &made);
    if (status == LEANN_EINVAL) status = LEANN_EFORMAT; /* a file's fault, not the caller's */
    if (status == LEANN_OK) status = leann_settings_check(ctx, where, made);
    if (status == LEANN_OK)
        *out = made;
    else
        leann_params_free(leann_settings, made);
    return status;
}

leann_status leann_settings_identity(leann_ctx *ctx, const leann_model_settings *set, char hex[65])
{
    leann_value *map = leann_params_value(leann_settings, set);
    char *text = leann_value_json(map, true, 0);
    leann_sha *sha = text ? leann_sha_new() : NULL;
    hex[0] = 0;
    if (sha) {
        leann_sha_add(sha, text, strlen(text));
        leann_sha_end(sha, hex);
    }
    leann_free(text);
    leann_value_free(map);
    return hex[0] ? LEANN_OK : leann_fail(ctx, LEANN_ENOMEM, "no memory for a checksum");
}
