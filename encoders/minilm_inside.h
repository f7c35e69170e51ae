/* minilm_inside.h – what reading, packing and opening a model of the BERT family share: its settings, the names of its weights, a folder
 * that has been read.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_MINILM_INSIDE_H
#define LEANN_MINILM_INSIDE_H

#include "encoders/minilm.h"
#include "encoders/minilm_safetensors.h"

enum {
    LEANN_BERT_LAYERS = 48, /* at most: each has 18 sections of a packed file, which may have 1,024 */
    LEANN_BERT_DENSE = 4,
    LEANN_BERT_NORMS = 2,
    LEANN_PANEL = 16,     /* outputs of a panel */
    LEANN_PACK_LAYOUT = 1 /* of packed files: another one is packed anew */
};
enum { LEANN_POOL_MEAN, LEANN_POOL_CLS, LEANN_POOL_SCORE }; /* score: a cross-encoder */
#define LEANN_PACK_HEAD "model"                             /* the section that says what a packed file is */

/* All that vectors depend on; names in JSON are those of the members. The identity of an encoder is the sha256 of the canonical JSON
 * (sorted keys, no spaces) of leann_params_value(leann_settings, …). */
typedef struct {
    uint32_t vocabulary, hidden, layers, heads, inner, positions, max_tokens, max_word;
    double epsilon;
    bool lowercase, strip_accents, space_cjk, unit;
    int pooling, precision;                   /* "mean|cls|score"; leann_precision */
    char *unknown, *first, *last, *continues; /* "[UNK]", "[CLS]", "[SEP]", "##" */
    char *query_prefix, *passage_prefix;      /* "": none */
    char *weights, *tokens;                   /* sha256 of the weights as float32 in the order of leann_folder_hash; of the vocabulary */
} leann_model_settings;
extern const leann_param leann_settings[]; /* its table; leann_params_free frees a heap one */
/* From JSON of our own; the ranges of the table and what else must hold among the numbers.
 *   errors  EFORMAT */
leann_status leann_settings_new(leann_ctx *ctx, const char *where, const leann_value *given, leann_model_settings **out);
leann_status leann_settings_check(leann_ctx *ctx, const char *where, const leann_model_settings *set);
leann_status leann_settings_identity(leann_ctx *ctx, const leann_model_settings *set, char hex[65]);
uint32_t leann_settings_types(const leann_model_settings *set); /* token types that are used: the first ones of the folder's */

/* Dense layers and norms of a layer: word in names of sections ("layer3.qkv.weight"), tensors of the folder ("encoder.layer.3." before
 * them), one over another, and the member of leann_bert_layer. */
typedef struct {
    const char *word, *tensor[3];
    bool inner_in, inner_out; /* else hidden */
    size_t member;
} leann_dense_names;
typedef struct {
    const char *word, *tensor;
    size_t member;
} leann_norm_names;
extern const leann_dense_names leann_bert_dense[LEANN_BERT_DENSE];
extern const leann_norm_names leann_bert_norms[LEANN_BERT_NORMS];
extern const leann_dense_names leann_bert_pooler; /* a cross-encoder's, of no layer; then tensor and section "classifier" */

/* ---- a folder: minilm_folder.c -------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_model_settings *set; /* precision: as asked for in leann_settings_identity and leann_pack */
    char *vocabulary;          /* a token a line, each ended */
    size_t vocabulary_bytes;
    uint32_t types; /* rows of token_type_embeddings */
    leann_safetensors *tensors;
    char type[8];       /* of the word embeddings: "F32" */
    char licence[64];   /* as README.md's head has it; "" */
    leann_value *files; /* {name: [bytes, mtime in ns] or null where there is none}, of all that were looked for */
} leann_folder;

/* Reads and checks everything; the weights too, for their hash.
 *   errors  ENOTFOUND, EFORMAT, EUNSUPPORTED, ELIMIT, EIO, ENOMEM, EINTR */
leann_status leann_folder_read(leann_ctx *ctx, const char *path, leann_folder *out);
void leann_folder_drop(leann_folder *folder); /* what it holds */
/* Whether all files are as they were. */
bool leann_folder_same(leann_ctx *ctx, const char *path, const leann_value *files);

/* ---- packing: minilm_pack.c ------------------------------------------------------------------------------------------------------ */

/* Writes a folder's packed file for set->precision. Holds a panel of weights at a time.
 *   errors  EUNSUPPORTED sizes that fit no panels; EFORMAT weights beyond bf16; EIO, ENOMEM, EINTR
 *   progress "pack" in tensors */
leann_status leann_pack(leann_ctx *ctx, const leann_folder *folder, const char *path);

#endif
