/* minilm.h – inside the encoder of the BERT family: its tokenizer, its model as a packed file, its forward pass.
 *
 * The way of a text: wordpiece (bytes -> token ids), bert (token ids -> one vector; of two texts together, by a cross-encoder, one score).
 * A model is read from a Hugging Face folder once and packed for one precision; the packed file is mapped at start.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_MINILM_H
#define LEANN_MINILM_H

#include "core/plugin.h"

/* ---- wordpiece: minilm_wordpiece.c ----------------------------------------------------------------------------------------- */

typedef struct {
    bool lowercase, strip_accents, space_cjk; /* BertNormalizer's; clean_text is always on */
    uint32_t max_word;                        /* code points of a word, 1 to 65,536; a longer one is one unknown token */
    char unknown[32], first[32], last[32];    /* "[UNK]", "[CLS]", "[SEP]" */
    char continues[8];                        /* "##" */
} leann_wordpiece_options;

typedef struct leann_wordpiece leann_wordpiece; /* immutable: any number of threads */

/* vocabulary: one token a line, its id the line's number from 0; at most 2^20 tokens of at most 1,024 bytes. It is copied.
 * As in `tokenizers`, the special tokens (the three of the options; "[PAD]" and "[MASK]" where the vocabulary has them) are also found in
 * texts, as they are written.
 *   errors  EFORMAT empty, an empty line, a token twice, or a special one missing: says which and in which line; EINVAL max_word;
 *           EUNSUPPORTED a special one that does not begin with ASCII punctuation; ENOMEM */
leann_status leann_wordpiece_new(leann_ctx *ctx, const char *vocabulary, size_t bytes, const leann_wordpiece_options *options,
                                 leann_wordpiece **out);
void leann_wordpiece_free(leann_wordpiece *self);
uint32_t leann_wordpiece_size(const leann_wordpiece *self); /* of the vocabulary */

/* The token ids of prefix and text together (prefix: UTF-8, {NULL, 0} for none), first and last marks included.
 *   shape   ids (max) out, *n of them; max >= 2. What is beyond max - 2 tokens is cut off, and the text is not read further than that needs
 *   errors  ENOMEM
 *   threads serial, scratch of ctx
 *   source  BERT's BasicTokenizer and WordPiece as Hugging Face's `tokenizers` has them (BertNormalizer, BertPreTokenizer, WordPiece) */
leann_status leann_wordpiece_encode(const leann_wordpiece *self, leann_ctx *ctx, leann_text prefix, leann_text text, uint32_t max,
                                    uint32_t *ids, uint32_t *n);
/* The token ids of two texts as one sequence: first mark, first text, last mark, second text, last mark.
 *   shape   ids (max) out, *n of them, *second the place where the second text's tokens begin; max >= 3. What is beyond max - 3 tokens is
 *           cut off the longer text, which keeps half of them, then off the other one; of an odd number the longer keeps one more
 *   errors  ENOMEM; ELIMIT 2^32 tokens or more
 *   threads serial, scratch of ctx
 *   source  BertProcessing and the truncation longest_first of `tokenizers` */
leann_status leann_wordpiece_encode_pair(const leann_wordpiece *self, leann_ctx *ctx, leann_text first, leann_text last, uint32_t max,
                                         uint32_t *ids, uint32_t *n, uint32_t *second);
/* How many tokens a text has, without marks and without a limit: the sum over its parts where it is cut at white space. That is space,
 * \t, \n, \r and Unicode's separators; \v, \f, U+001C … U+001F and U+0085 are control characters: they go, and what is around them is
 * one word.
 *   errors  ENOMEM; ELIMIT 2^32 tokens or more */
leann_status leann_wordpiece_count(const leann_wordpiece *self, leann_ctx *ctx, leann_text text, uint32_t *n);

/* ---- unicode: minilm_unicode.c ------------------------------------------------------------------------------------------------ */

/* What a code point is to BERT's tokenizer. A mark is part of a word unless accents are stripped. */
typedef enum { LEANN_CHAR_WORD, LEANN_CHAR_MARK, LEANN_CHAR_PUNCTUATION, LEANN_CHAR_SPACE, LEANN_CHAR_CONTROL } leann_char;
enum { LEANN_CHAR_PARTS = 4, LEANN_CHAR_REPLACEMENT = 0xFFFD };

/* The next code point of UTF-8, with *at moved past it; *at < end. What is no UTF-8 reads as U+FFFD, one for each maximal subpart. */
uint32_t leann_utf8_next(const uint8_t **at, const uint8_t *end);
size_t leann_utf8_put(uint32_t cp, uint8_t *out); /* its 1 to 4 bytes */

/* cp: at most U+10FFFF. All say what `tokenizers` says, whatever the version of utf8proc's tables. */
leann_char leann_char_kind(uint32_t cp);
bool leann_char_ideograph(uint32_t cp); /* of those that BERT puts spaces around: no kana, no Hangul */
uint8_t leann_char_rank(uint32_t cp);   /* its canonical combining class */
unsigned leann_char_decompose(uint32_t cp, uint32_t parts[LEANN_CHAR_PARTS]); /* canonically and in full; how many */
unsigned leann_char_lower(uint32_t cp, uint32_t parts[LEANN_CHAR_PARTS]);     /* how many */

/* ---- the model: minilm_model.c ------------------------------------------------------------------------------------------------ */

typedef enum { LEANN_ENCODE_F32, LEANN_ENCODE_BF16, LEANN_ENCODE_INT8 } leann_precision;
enum { LEANN_PRECISIONS = 3 };
extern const char *const leann_precision_word[LEANN_PRECISIONS]; /* "f32", "bf16", "int8" */

/* A dense layer y = W x + b, W (out, in), as the products of core/simd/dense.h take it: panels of 16 outputs, the inputs inside by groups
 * of 1 (f32), 2 (bf16) or 4 (int8): weight[panel][in / group][16][group]; in and out are multiples of 16, in bf16 of 32, in int8 of 64. */
typedef struct {
    uint32_t in, out;
    const void *weight;
    const float *bias;   /* (out) */
    const float *scale;  /* int8: (out), the float that a step of the weights stands for; else NULL */
    const int32_t *sums; /* int8: (out), the sum over the inputs of the weights' integers, for zero points; else NULL */
} leann_dense;
typedef struct {
    const float *gain, *bias; /* (hidden) */
} leann_norm;
typedef struct {
    leann_dense qkv; /* query, key and value over one another: out = 3 hidden; 1 / sqrt(head size) is in query already */
    leann_dense mix; /* attention's output */
    leann_norm norm1;
    leann_dense up, down;
    leann_norm norm2;
} leann_bert_layer;
typedef struct {
    leann_precision precision;
    uint32_t vocabulary, hidden, layers, heads, inner, positions; /* inner: of the feed-forward part */
    uint32_t max_tokens;                                          /* max_seq_length, at most positions */
    float epsilon;                                                /* of the layer norms */
    bool first_token, unit;                                       /* pooling: [CLS], else the mean; then to unit length */
    uint32_t width;               /* of what a sequence gives: hidden, or 1 where it is a cross-encoder's score */
    const float *word, *position; /* (vocabulary, hidden), (positions, hidden): token type 0's vector is added to position already; */
    leann_norm norm;              /* a cross-encoder has (positions, hidden) more, with type 1's */
    leann_bert_layer *layer;      /* (layers) */
    leann_dense pooler;           /* a cross-encoder's: what the first token becomes, before tanh */
    const float *classifier;      /* and (hidden + 1), weights and bias of its score; else NULL */
} leann_bert;

#define LEANN_MODEL_DEFAULT "all-MiniLM-L6-v2"
typedef struct leann_model leann_model; /* immutable: any number of threads */

/* The model of a folder or packed file, mapped. A folder is packed first where its packed file is missing, damaged or of other contents:
 * sizes and times of its files tell. Weights are not checked against their checksums (`leann model verify` does that).
 *   path    a Hugging Face folder (config.json, model.safetensors, vocab.txt or tokenizer.json, modules.json …), or NULL: all-MiniLM-L6-v2
 *           from the user's cache folder, where `leann model fetch` puts it
 *   errors  ENOTFOUND; EFORMAT; EUNSUPPORTED (says what of the architecture); EINVAL a packed file of another precision; ELIMIT; EIO;
 *           ENOMEM; EINTR
 *   progress "read" and "pack" in tensors */
leann_status leann_model_open(leann_ctx *ctx, const char *path, leann_precision precision, leann_model **out);
void leann_model_free(leann_model *self);
const leann_bert *leann_model_bert(const leann_model *self);
const leann_wordpiece *leann_model_wordpiece(const leann_model *self);
const char *leann_model_identity(const leann_model *self);               /* 64 hex digits */
leann_text leann_model_prefix(const leann_model *self, leann_role role); /* {NULL, 0} where there is none */

/* Models on disk, for `leann model`: in the user's cache folder lie models/NAME, folders that were fetched, and models/packed: a packed
 * file for each identity, IDENTITY.model, and for each folder that was read a record of what its files were then. All of models/packed may
 * be deleted at any time: it is made anew. */
char *leann_models_folder(leann_ctx *ctx); /* heap; NULL with ENOTFOUND where there is no cache folder */
/* {"folder" or "file", "licence", "type" of the weights, "settings", "identity": {"f32": …}, "packed": {"f32": {"path", "bytes"}}}: the last
 * of those precisions that are packed. A folder is read, and its weights hashed, only where it is not known as it is now. */
leann_status leann_model_describe(leann_ctx *ctx, const char *path, leann_value **out);
/* The same of all folders on record that are still there. */
leann_status leann_models_list(leann_ctx *ctx, leann_value **out);
/* Everything again: files are read and hashed, packed files checked to the last byte; what says what was looked at, [{"path", "ok",
 * "says"}]. Damage is an entry that is not ok, not an error.
 *   errors  those of leann_model_open but for EFORMAT of packed files */
leann_status leann_model_verify(leann_ctx *ctx, const char *path, leann_value **what);

/* ---- the forward pass: minilm_forward.c ---------------------------------------------------------------------------------------- */

/* The vectors of n token sequences, or a cross-encoder's scores, packed by length: no padding.
 *   shape   ids: the sequences one after another, the i-th from start[i] to start[i + 1] (n + 1); second (n): its first token of type 1, of
 *           a cross-encoder, else NULL; x (n, width) out
 *   errors  ENOMEM; EINTR
 *   threads in parallel over groups of sequences; a sequence has the same bits in any company
 *   source  Devlin et al. 2019 (BERT); Reimers & Gurevych 2019 (pooling); Nogueira & Cho 2019 (scores) */
leann_status leann_bert_forward(leann_ctx *ctx, const leann_bert *bert, const uint32_t *ids, const uint32_t *start, const uint32_t *second,
                                uint32_t n, float *x);

/* ---- texts: minilm_texts.c ------------------------------------------------------------------------------------------------------ */

/* What the model makes of n texts, each with `before` before it: a prefix; of a cross-encoder, the first text of every pair.
 *   shape   x (n, width) out
 *   errors  ENOMEM; EINTR; ELIMIT a text of 2^32 tokens that is to be one of a pair
 *   threads in parallel; a text has the same bits in any company */
leann_status leann_model_encode(leann_ctx *ctx, const leann_model *model, leann_text before, const leann_text *texts, uint32_t n, float *x);
/* leann_wordpiece_count of each text: tokens (n) out, in parallel. */
leann_status leann_model_count(leann_ctx *ctx, const leann_model *model, const leann_text *texts, uint32_t n, uint32_t *tokens);

#endif
