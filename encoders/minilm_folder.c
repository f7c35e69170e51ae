/* minilm_folder.c – a Hugging Face folder of the BERT family, read and checked: configuration, tokenizer, pooling, prompts, weights.
 *
 * What the files say is taken as transformers and sentence-transformers take it. Whatever would make other vectors than theirs and is not
 * done here is refused by name. tokenizer.json stands before vocab.txt; what tokenizer_config.json says of lower case, accents and Chinese
 * characters stands before both. tokenizer.json's truncation and padding are left alone: max_seq_length counts.
 *
 * Differs: sentence_bert_config.json's do_lower_case lowers by the tokenizer's rules, not by Python's str.lower (final sigma).
 *
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/container.h"
#include "encoders/minilm_inside.h"

enum { FILE_LIMIT = 16 << 20, MAX_TOKENS = 1 << 20, HASH_FLOATS = 1 << 16 };

typedef struct {
    leann_ctx *ctx;
    const char *path;
    leann_folder *folder;
    leann_model_settings *set;
} reader;

/* ---- files --------------------------------------------------------------------------------------------------------------------- */

/* [bytes, mtime in ns]; null: no file. */
static leann_value *stamp_of(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0) return leann_value_new_null();
    leann_value *stamp = leann_value_new_list();
    leann_value_append(stamp, leann_value_new_int(about.st_size));
    leann_value_append(stamp, leann_value_new_int((int64_t)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec));
    return stamp;
}

bool leann_folder_same(leann_ctx *ctx, const char *path, const leann_value *files)
{
    const char *name;
    void *at = NULL;
    bool same = leann_value_count(files) > 0;
    for (const leann_value *was; same && (was = leann_value_next(files, &at, &name));) {
        char *file = leann_format(ctx, "%s/%s", path, name);
        leann_value *is = file ? stamp_of(file) : NULL;
        same = is && leann_value_equal(is, was);
        leann_value_free(is);
        leann_free(file);
    }
    return same;
}

/* The path of a file; *there: whether it is. Stamped before it is read, so that a change meanwhile is seen afterwards. */
static char *look_for(const reader *r, const char *name, bool *there)
{
    char *path = leann_format(r->ctx, "%s/%s", r->path, name);
    if (!path) return NULL;
    leann_value *stamp = stamp_of(path);
    *there = leann_value_type(stamp) != LEANN_V_NULL;
    leann_value_set(r->folder->files, name, stamp);
    return path;
}

/* transformers writes 10^30 for "no limit", an integer of more than 64 bits, which the JSON reader refuses: an exponent behind so many
 * digits makes it a real. */
static char *with_exponents(leann_ctx *ctx, const char *text, size_t *bytes)
{
    char *out = leann_alloc(ctx, 2 * *bytes + 1, 1);
    size_t n = 0, digits = 0;
    bool quoted = false;
    for (size_t i = 0; out && i < *bytes; i++) {
        char c = text[i];
        if (!quoted && c >= '0' && c <= '9') {
            digits++;
        } else {
            if (digits > 18 && c != '.' && c != 'e' && c != 'E') n += (size_t)sprintf(out + n, "e0");
            digits = 0;
        }
        out[n++] = c;
        if (quoted && c == '\\' && i + 1 < *bytes)
            out[n++] = text[++i];
        else if (c == '"')
            quoted = !quoted;
    }
    *bytes = n;
    return out;
}

/* A JSON file of the folder; *out NULL where there is none. */
static leann_status load(const reader *r, const char *name, leann_value_kind kind, leann_value **out)
{
    char *text = NULL, *real = NULL;
    size_t bytes;
    bool there = false;
    *out = NULL;
    char *path = look_for(r, name, &there);
    leann_status status = path ? LEANN_OK : LEANN_ENOMEM;
    if (!there) goto done;
    status = leann_file_read(r->ctx, path, FILE_LIMIT, &text, &bytes);
    if (status == LEANN_OK && !(real = with_exponents(r->ctx, text, &bytes))) status = LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_value_parse(r->ctx, path, real, bytes, out);
    if (status == LEANN_OK && leann_value_type(*out) != kind)
        status = leann_fail(r->ctx, LEANN_EFORMAT, "%s is not a %s", path, kind == LEANN_V_MAP ? "map" : "list");
    if (status != LEANN_OK) {
        leann_value_free(*out);
        *out = NULL;
    }
done:
    leann_free(text);
    leann_free(real);
    leann_free(path);
    return status;
}

/* ---- what a file says --------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    double least, most, otherwise; /* otherwise 0: it must be there */
    uint32_t *whole;               /* or */
    double *real;
} number;

static leann_status take_number(const reader *r, const char *file, const leann_value *map, number want)
{
    const leann_value *v = leann_value_get(map, want.name);
    double is = want.otherwise;
    if (leann_value_type(v) != LEANN_V_NULL) {
        is = leann_value_real(v, -1);
    } else if (is == 0) {
        return leann_fail(r->ctx, LEANN_EFORMAT, "%s/%s does not say %s", r->path, file, want.name);
    }
    if (!(is >= want.least && is <= want.most) || (want.whole && is != (double)(uint32_t)is)) {
        char *shown = leann_value_json(v, false, 0);
        leann_status status = leann_fail(r->ctx, LEANN_EFORMAT, "%s/%s: %s is %.40s, but must be a %snumber between %g and %g", r->path,
                                         file, want.name, shown ? shown : "?", want.whole ? "whole " : "", want.least, want.most);
        leann_free(shown);
        return status;
    }
    if (want.whole)
        *want.whole = (uint32_t)is;
    else
        *want.real = is;
    return LEANN_OK;
}

/* Stays as it is where the file says nothing (or null). */
static leann_status take_bool(const reader *r, const char *file, const leann_value *map, const char *name, bool *out)
{
    const leann_value *v = leann_value_get(map, name);
    if (leann_value_type(v) == LEANN_V_NULL) return LEANN_OK;
    if (leann_value_type(v) != LEANN_V_BOOL)
        return leann_fail(r->ctx, LEANN_EFORMAT, "%s/%s: %s is neither true nor false", r->path, file, name);
    *out = leann_value_bool(v, false);
    return LEANN_OK;
}

static leann_status set_text(const reader *r, char **field, const char *text)
{
    leann_free(*field);
    *field = leann_format(r->ctx, "%s", text);
    return *field ? LEANN_OK : LEANN_ENOMEM;
}

/* Refused unless it is the one word that we know. */
static leann_status must_be(const reader *r, const char *file, const char *what, const leann_value *v, const char *known)
{
    if (strcmp(leann_value_text(v, ""), known) == 0) return LEANN_OK;
    char *shown = leann_value_json(v, false, 0);
    leann_status status =
        leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s: %s is %.60s; only \"%s\" is known", r->path, file, what, shown ? shown : "?", known);
    leann_free(shown);
    return status;
}

/* The same of a name that need not be there. */
static leann_status only(const reader *r, const char *file, const leann_value *map, const char *name, const char *known)
{
    const leann_value *v = leann_value_get(map, name);
    return leann_value_type(v) == LEANN_V_NULL ? LEANN_OK : must_be(r, file, name, v, known);
}

/* ---- config.json --------------------------------------------------------------------------------------------------------------- */

/* A head makes a cross-encoder of it. Where nothing is said of labels, transformers has two. */
static leann_status take_head(const reader *r, const char *file, const leann_value *map)
{
    const leann_value *names = leann_value_get(map, "architectures"), *labels = leann_value_get(map, "id2label");
    bool head = false;
    for (size_t i = 0; i < leann_value_count(names); i++)
        head |= strcmp(leann_value_text(leann_value_at(names, i), ""), "BertForSequenceClassification") == 0;
    r->set->pooling = head ? LEANN_POOL_SCORE : LEANN_POOL_MEAN;
    double count = leann_value_type(labels) == LEANN_V_MAP ? (double)leann_value_count(labels)
                                                           : leann_value_real(leann_value_get(map, "num_labels"), 2);
    if (head && count != 1)
        return leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s: its head has %g labels; only a cross-encoder's is known, with one", r->path,
                          file, count);
    if (head && r->folder->types < leann_settings_types(r->set))
        return leann_fail(r->ctx, LEANN_EFORMAT, "%s/%s: type_vocab_size is %u, but a cross-encoder has two token types", r->path, file,
                          r->folder->types);
    return LEANN_OK;
}

static leann_status take_architecture(const reader *r)
{
    static const char file[] = "config.json";
    leann_model_settings *set = r->set;
    bool decoder = false;
    leann_value *map;
    leann_status status = load(r, file, LEANN_V_MAP, &map);
    if (status == LEANN_OK && !map) return leann_fail(r->ctx, LEANN_ENOTFOUND, "%s is no folder of a model: it has no %s", r->path, file);
    if (status == LEANN_OK) status = only(r, file, map, "model_type", "bert");
    if (status == LEANN_OK) status = only(r, file, map, "hidden_act", "gelu");
    if (status == LEANN_OK) status = only(r, file, map, "position_embedding_type", "absolute");
    if (status == LEANN_OK) status = take_bool(r, file, map, "is_decoder", &decoder);
    if (status == LEANN_OK && decoder)
        status = leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s: is_decoder is true; only encoders are known", r->path, file);
    const number numbers[] = {
        {"vocab_size", 1, MAX_TOKENS, 0, &set->vocabulary, NULL},
        {"hidden_size", LEANN_PANEL, 8192, 0, &set->hidden, NULL},
        {"num_hidden_layers", 1, LEANN_BERT_LAYERS, 0, &set->layers, NULL},
        {"num_attention_heads", 1, 8192, 0, &set->heads, NULL},
        {"intermediate_size", LEANN_PANEL, 65536, 0, &set->inner, NULL},
        {"max_position_embeddings", 2, 65536, 512, &set->positions, NULL},
        {"type_vocab_size", 1, 65536, 2, &r->folder->types, NULL},
        {"layer_norm_eps", 1e-30, 1, 1e-12, NULL, &set->epsilon},
    };
    for (size_t i = 0; status == LEANN_OK && i < sizeof numbers / sizeof *numbers; i++) status = take_number(r, file, map, numbers[i]);
    if (status == LEANN_OK) status = take_head(r, file, map);
    leann_value_free(map);
    return status;
}

/* ---- the tokenizer ------------------------------------------------------------------------------------------------------------- */

/* A token's text, which may stand inside a map {"content": …}. */
static const char *content(const leann_value *v)
{
    return leann_value_text(leann_value_type(v) == LEANN_V_MAP ? leann_value_get(v, "content") : v, NULL);
}

static leann_status take_token(const reader *r, const leann_value *map, const char *name, char **field)
{
    const char *text = content(leann_value_get(map, name));
    return text ? set_text(r, field, text) : LEANN_OK;
}

/* Tokens by id -> one a line. */
static leann_status join(const reader *r, const char *const *token, size_t n)
{
    size_t bytes = 0, at = 0;
    for (size_t i = 0; i < n; i++) bytes += strlen(token[i]) + 1;
    char *out = leann_alloc(r->ctx, bytes + 1, 1);
    if (!out) return LEANN_ENOMEM;
    for (size_t i = 0; i < n; i++) at += (size_t)sprintf(out + at, "%s\n", token[i]);
    r->folder->vocabulary = out;
    r->folder->vocabulary_bytes = bytes;
    return LEANN_OK;
}

static leann_status take_vocabulary(const reader *r, const leann_value *map)
{
    static const char file[] = "tokenizer.json";
    size_t n = leann_value_count(map);
    if (leann_value_type(map) != LEANN_V_MAP || n == 0 || n > MAX_TOKENS)
        return leann_fail(r->ctx, LEANN_EFORMAT, "%s/%s: its model has a vocabulary of %zu tokens, not 1 to %d", r->path, file, n,
                          MAX_TOKENS);
    const char **token = leann_alloc(r->ctx, n, sizeof *token), *name;
    leann_status status = token ? LEANN_OK : LEANN_ENOMEM;
    void *at = NULL;
    for (const leann_value *v; status == LEANN_OK && (v = leann_value_next(map, &at, &name));) {
        int64_t id = leann_value_int(v, -1);
        if (id < 0 || id >= (int64_t)n || token[id])
            status = leann_fail(r->ctx, LEANN_EFORMAT, "%s/%s: the id of \"%.60s\" is taken, or not one of 0 to %zu", r->path, file, name,
                                n - 1);
        else if (strchr(name, '\n'))
            status = leann_fail(r->ctx, LEANN_EFORMAT, "%s/%s: token %jd holds the end of a line", r->path, file, (intmax_t)id);
        else
            token[id] = name;
    }
    if (status == LEANN_OK) status = join(r, token, n);
    leann_free(token);
    return status;
}

static leann_status take_normalizer(const reader *r, const leann_value *map, bool *strip_given)
{
    static const char file[] = "tokenizer.json";
    leann_model_settings *set = r->set;
    bool clean = true;
    leann_status status = must_be(r, file, "normalizer", leann_value_get(map, "type"), "BertNormalizer");
    if (status == LEANN_OK) status = take_bool(r, file, map, "clean_text", &clean);
    if (status == LEANN_OK && !clean)
        status = leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s does not clean the text as BERT does", r->path, file);
    if (status == LEANN_OK) status = take_bool(r, file, map, "lowercase", &set->lowercase);
    if (status == LEANN_OK) status = take_bool(r, file, map, "handle_chinese_chars", &set->space_cjk);
    if (status == LEANN_OK) status = take_bool(r, file, map, "strip_accents", &set->strip_accents);
    *strip_given = leann_value_type(leann_value_get(map, "strip_accents")) == LEANN_V_BOOL;
    return status;
}

/* [CLS] A [SEP] B [SEP], the last two of token type 1. */
static bool pairs_so(const leann_value *pair, const char *first, const char *last)
{
    const char *const ids[] = {first, "A", last, "B", last};
    bool fine = leann_value_count(pair) == 5;
    for (size_t i = 0; fine && i < 5; i++) {
        const leann_value *piece = leann_value_get(leann_value_at(pair, i), i % 2 ? "Sequence" : "SpecialToken");
        fine = strcmp(leann_value_text(leann_value_get(piece, "id"), ""), ids[i]) == 0 &&
               leann_value_int(leann_value_get(piece, "type_id"), -1) == (i > 2);
    }
    return fine;
}

/* [CLS] text [SEP], by either of two types. */
static leann_status take_marks(const reader *r, const leann_value *map)
{
    bool pairs = true;
    const char *type = leann_value_text(leann_value_get(map, "type"), ""), *first = NULL, *last = NULL;
    if (strcmp(type, "BertProcessing") == 0) {
        first = leann_value_text(leann_value_at(leann_value_get(map, "cls"), 0), NULL);
        last = leann_value_text(leann_value_at(leann_value_get(map, "sep"), 0), NULL);
    } else if (strcmp(type, "TemplateProcessing") == 0) {
        const leann_value *single = leann_value_get(map, "single");
        bool three = leann_value_count(single) == 3 && leann_value_get(leann_value_at(single, 1), "Sequence");
        first = three ? leann_value_text(leann_value_get(leann_value_get(leann_value_at(single, 0), "SpecialToken"), "id"), NULL) : NULL;
        last = three ? leann_value_text(leann_value_get(leann_value_get(leann_value_at(single, 2), "SpecialToken"), "id"), NULL) : NULL;
        pairs = first && last && pairs_so(leann_value_get(map, "pair"), first, last);
    }
    if (!first || !last)
        return leann_fail(r->ctx, LEANN_EUNSUPPORTED,
                          "%s/tokenizer.json: its post_processor %.60s does not put one token before a text and one behind it", r->path,
                          type);
    if (!pairs && r->set->pooling == LEANN_POOL_SCORE)
        return leann_fail(r->ctx, LEANN_EUNSUPPORTED,
                          "%s/tokenizer.json: its post_processor does not put pairs of texts together as BERT's does", r->path);
    leann_status status = set_text(r, &r->set->first, first);
    return status == LEANN_OK ? set_text(r, &r->set->last, last) : status;
}

/* Tokens that are found in a text before it is split: those of BERT, which the tokenizer knows by name. */
static leann_status check_added(const reader *r, const leann_value *list, const leann_value *vocabulary)
{
    static const char *const flags[] = {"lstrip", "rstrip", "single_word"};
    const leann_model_settings *set = r->set;
    for (size_t i = 0; i < leann_value_count(list); i++) {
        const leann_value *added = leann_value_at(list, i), *id = leann_value_get(added, "id");
        const char *name = leann_value_text(leann_value_get(added, "content"), "");
        const char *const known[] = {"[PAD]", "[MASK]", set->unknown, set->first, set->last};
        bool is = leann_value_type(id) == LEANN_V_INT && leann_value_equal(leann_value_get(vocabulary, name), id), fine = false;
        for (size_t j = 0; j < sizeof known / sizeof *known; j++) fine |= strcmp(name, known[j]) == 0;
        for (size_t j = 0; j < sizeof flags / sizeof *flags; j++) fine &= !leann_value_bool(leann_value_get(added, flags[j]), false);
        if (!is)
            return leann_fail(r->ctx, LEANN_EFORMAT,
                              "%s/tokenizer.json: the added token \"%.60s\" has not the id that it has in the vocabulary", r->path, name);
        if (!fine)
            return leann_fail(
                r->ctx, LEANN_EUNSUPPORTED,
                "%s/tokenizer.json adds the token \"%.60s\"; only BERT's five special ones are known, which take no space with them",
                r->path, name);
    }
    return LEANN_OK;
}

static leann_status take_tokenizer(const reader *r, const leann_value *map, bool *strip_given)
{
    static const char file[] = "tokenizer.json";
    const leann_value *model = leann_value_get(map, "model"), *vocabulary = leann_value_get(model, "vocab");
    leann_status status = only(r, file, model, "type", "WordPiece");
    if (status == LEANN_OK)
        status = must_be(r, file, "pre_tokenizer", leann_value_get(leann_value_get(map, "pre_tokenizer"), "type"), "BertPreTokenizer");
    if (status == LEANN_OK) status = take_normalizer(r, leann_value_get(map, "normalizer"), strip_given);
    if (status == LEANN_OK) status = take_token(r, model, "unk_token", &r->set->unknown);
    if (status == LEANN_OK) status = take_token(r, model, "continuing_subword_prefix", &r->set->continues);
    if (status == LEANN_OK)
        status = take_number(r, file, model, (number){"max_input_chars_per_word", 1, 1000, 100, &r->set->max_word, NULL});
    if (status == LEANN_OK) status = take_marks(r, leann_value_get(map, "post_processor"));
    if (status == LEANN_OK) status = take_vocabulary(r, vocabulary);
    return status == LEANN_OK ? check_added(r, leann_value_get(map, "added_tokens"), vocabulary) : status;
}

/* vocab.txt as it is, but with ends of lines of one kind, the last one too. */
static leann_status take_lines(const reader *r)
{
    char *text = NULL;
    size_t bytes, n = 0;
    bool there = false;
    char *path = look_for(r, "vocab.txt", &there);
    leann_status status = path ? LEANN_OK : LEANN_ENOMEM;
    if (path && !there) status = leann_fail(r->ctx, LEANN_ENOTFOUND, "%s has neither tokenizer.json nor vocab.txt", r->path);
    if (status == LEANN_OK) status = leann_file_read(r->ctx, path, FILE_LIMIT, &text, &bytes);
    leann_free(path);
    if (status != LEANN_OK) return status;
    for (size_t i = 0; i < bytes; i++)
        if (text[i] != '\r' || text[i + 1] != '\n') text[n++] = text[i]; /* there is a NUL behind */
    if (n > 0 && text[n - 1] != '\n') text[n++] = '\n';
    r->folder->vocabulary = text;
    r->folder->vocabulary_bytes = n;
    return LEANN_OK;
}

/* What tokenizer_config.json says; the tokens only where there is no tokenizer.json. */
static leann_status take_overrides(const reader *r, const leann_value *map, bool lines, bool *strip_given)
{
    static const char file[] = "tokenizer_config.json";
    leann_model_settings *set = r->set;
    leann_status status = take_bool(r, file, map, "do_lower_case", &set->lowercase);
    if (status == LEANN_OK) status = take_bool(r, file, map, "tokenize_chinese_chars", &set->space_cjk);
    if (status == LEANN_OK) status = take_bool(r, file, map, "strip_accents", &set->strip_accents);
    *strip_given |= leann_value_type(leann_value_get(map, "strip_accents")) == LEANN_V_BOOL;
    if (status == LEANN_OK && lines) status = take_token(r, map, "unk_token", &set->unknown);
    if (status == LEANN_OK && lines) status = take_token(r, map, "cls_token", &set->first);
    if (status == LEANN_OK && lines) status = take_token(r, map, "sep_token", &set->last);
    return status;
}

static leann_status check_vocabulary(const reader *r)
{
    size_t n = 0;
    const leann_folder *f = r->folder;
    for (size_t i = 0; i < f->vocabulary_bytes; i++) n += f->vocabulary[i] == '\n';
    if (n == 0 || n > r->set->vocabulary)
        return leann_fail(r->ctx, LEANN_EFORMAT, "%s: its vocabulary has %zu tokens, but config.json's vocab_size is %u", r->path, n,
                          r->set->vocabulary);
    leann_sha *sha = leann_sha_new();
    if (!sha) return leann_fail(r->ctx, LEANN_ENOMEM, "no memory for a checksum");
    char hex[65];
    leann_sha_add(sha, f->vocabulary, f->vocabulary_bytes);
    leann_sha_end(sha, hex);
    return set_text(r, &r->set->tokens, hex);
}

/* Sets max_tokens where the tokenizer's configuration does. */
static leann_status take_words(const reader *r)
{
    leann_model_settings *set = r->set;
    leann_value *tokenizer = NULL, *config = NULL;
    bool strip_given = false;
    set->lowercase = set->space_cjk = true;
    set->max_word = 100;
    leann_status status = set_text(r, &set->unknown, "[UNK]");
    if (status == LEANN_OK) status = set_text(r, &set->first, "[CLS]");
    if (status == LEANN_OK) status = set_text(r, &set->last, "[SEP]");
    if (status == LEANN_OK) status = set_text(r, &set->continues, "##");
    if (status == LEANN_OK) status = load(r, "tokenizer.json", LEANN_V_MAP, &tokenizer);
    if (status == LEANN_OK) status = load(r, "tokenizer_config.json", LEANN_V_MAP, &config);
    if (status == LEANN_OK) status = tokenizer ? take_tokenizer(r, tokenizer, &strip_given) : take_lines(r);
    if (status == LEANN_OK) status = take_overrides(r, config, !tokenizer, &strip_given);
    if (!strip_given) set->strip_accents = set->lowercase;
    double most = leann_value_real(leann_value_get(config, "model_max_length"), 0); /* may be 10^30 */
    if (most >= 2 && most < set->positions) set->max_tokens = (uint32_t)most;
    leann_value_free(config);
    leann_value_free(tokenizer);
    return status == LEANN_OK ? check_vocabulary(r) : status;
}

/* ---- sentence-transformers: length, pooling, prompts ---------------------------------------------------------------------------- */

static leann_status take_length(const reader *r)
{
    static const char file[] = "sentence_bert_config.json";
    bool lower = false;
    leann_value *map;
    leann_status status = load(r, file, LEANN_V_MAP, &map);
    if (status == LEANN_OK)
        status = take_number(r, file, map, (number){"max_seq_length", 2, r->set->positions, r->set->max_tokens, &r->set->max_tokens, NULL});
    if (status == LEANN_OK) status = take_bool(r, file, map, "do_lower_case", &lower);
    if (status == LEANN_OK && lower && !r->set->lowercase)
        status = leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s lowers the text, but its tokenizer does not", r->path, file);
    leann_value_free(map);
    return status;
}

static const char modes[] = "pooling_mode_";

/* Exactly one way to pool, of two that are known. */
static leann_status take_pooling(const reader *r, const char *file, bool must, bool *prompt_counts)
{
    leann_value *map;
    leann_status status = load(r, file, LEANN_V_MAP, &map);
    if (status == LEANN_OK && must && !map) return leann_fail(r->ctx, LEANN_ENOTFOUND, "%s has no %s", r->path, file);
    const char *name, *mode = leann_value_text(leann_value_get(map, "pooling_mode"), NULL);
    void *at = NULL;
    unsigned ways = mode != NULL;
    for (const leann_value *v; map && (v = leann_value_next(map, &at, &name));)
        if (strncmp(name, modes, sizeof modes - 1) == 0 && leann_value_bool(v, false)) {
            mode = name + sizeof modes - 1;
            ways++;
        }
    if (!mode) mode = "mean";
    bool mean = strncmp(mode, "mean", 4) == 0 && (!mode[4] || strcmp(mode + 4, "_tokens") == 0);
    bool first = strncmp(mode, "cls", 3) == 0 && (!mode[3] || strcmp(mode + 3, "_token") == 0);
    if (status == LEANN_OK && (ways > 1 || (!mean && !first)))
        status = leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s: pooling \"%.40s\"%s; known are the mean of all tokens, and cls", r->path,
                            file, mode, ways > 1 ? " among others" : "");
    r->set->pooling = first;
    double d = leann_value_real(leann_value_get(map, "word_embedding_dimension"), r->set->hidden);
    if (status == LEANN_OK && d != r->set->hidden)
        status = leann_fail(r->ctx, LEANN_EFORMAT, "%s/%s: word_embedding_dimension is %g, but the hidden size %u", r->path, file, d,
                            r->set->hidden);
    if (status == LEANN_OK) status = take_bool(r, file, map, "include_prompt", prompt_counts);
    leann_value_free(map);
    return status;
}

static bool plain_name(const char *name) /* of a folder in the folder */
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return n > 0 && !name[n] && n < 64 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Transformer, Pooling and perhaps Normalize; without the file the mean, as it is. A cross-encoder is a Transformer alone. */
static leann_status take_modules(const reader *r, bool *prompt_counts)
{
    const bool scores = r->set->pooling == LEANN_POOL_SCORE;
    static const char file[] = "modules.json", *const words[] = {"Transformer", "Pooling", "Normalize"};
    leann_value *list;
    char pooling[96] = "1_Pooling/config.json";
    leann_status status = load(r, file, LEANN_V_LIST, &list);
    size_t n = leann_value_count(list);
    for (size_t i = 0; status == LEANN_OK && i < n; i++) {
        const leann_value *module = leann_value_at(list, i);
        const char *type = leann_value_text(leann_value_get(module, "type"), ""), *dot = strrchr(type, '.');
        const char *path = leann_value_text(leann_value_get(module, "path"), "");
        if (i > (scores ? 0 : 2) || strcmp(dot ? dot + 1 : type, words[i]) != 0)
            status = leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s: module %zu is %.80s; known %s", r->path, file, i, type,
                                scores ? "of a cross-encoder is Transformer alone" : "are Transformer, Pooling and then Normalize");
        else if (i == 0 ? path[0] != 0 : !plain_name(path))
            status = leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s: module %s lies in \"%.60s\", but must lie in %s", r->path, file,
                                words[i], path, i ? "a folder inside this one" : "this folder itself");
        else if (i == 1)
            snprintf(pooling, sizeof pooling, "%s/config.json", path);
    }
    if (status == LEANN_OK && list && n < 2 && !scores)
        status = leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s has no module that pools", r->path, file);
    r->set->unit = n == 3;
    bool must = list != NULL;
    leann_value_free(list);
    return status == LEANN_OK && !scores ? take_pooling(r, pooling, must, prompt_counts) : status;
}

/* The first of some prompts that is there, else the one for all texts, else "". */
static const char *prompt_of(const leann_value *map, const char *const *names)
{
    const leann_value *prompts = leann_value_get(map, "prompts");
    const char *text = NULL, *all = leann_value_text(leann_value_get(map, "default_prompt_name"), NULL);
    for (; *names && !text; names++) text = leann_value_text(leann_value_get(prompts, *names), NULL);
    if (!text && all) text = leann_value_text(leann_value_get(prompts, all), NULL);
    return text ? text : "";
}

static leann_status take_prompts(const reader *r, bool prompt_counts)
{
    static const char file[] = "config_sentence_transformers.json";
    static const char *const query[] = {"query", NULL}, *const passage[] = {"document", "passage", "corpus", NULL};
    leann_model_settings *set = r->set;
    leann_value *map;
    leann_status status = load(r, file, LEANN_V_MAP, &map);
    if (status == LEANN_OK) status = set_text(r, &set->query_prefix, prompt_of(map, query));
    if (status == LEANN_OK) status = set_text(r, &set->passage_prefix, prompt_of(map, passage));
    if (status == LEANN_OK && set->pooling == LEANN_POOL_SCORE && (*set->query_prefix || *set->passage_prefix))
        status = leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s has prompts, which are not known of a cross-encoder", r->path, file);
    if (status == LEANN_OK && !prompt_counts && (*set->query_prefix || *set->passage_prefix))
        status = leann_fail(r->ctx, LEANN_EUNSUPPORTED, "%s/%s has prompts, which its pooling leaves out of the mean", r->path, file);
    leann_value_free(map);
    return status;
}

/* Of the model card's head: "---", then lines "license: apache-2.0" among others, "---". Only shown, so that a card of another form is no
 * error. */
static void take_licence(const reader *r)
{
    char line[256], *path = leann_format(r->ctx, "%s/README.md", r->path);
    FILE *card = path ? fopen(path, "r") : NULL;
    bool head = card && fgets(line, sizeof line, card) && strncmp(line, "---", 3) == 0;
    for (int i = 0; head && i < 1000 && fgets(line, sizeof line, card) && strncmp(line, "---", 3) != 0; i++)
        if (sscanf(line, "license: %63[A-Za-z0-9.+-]", r->folder->licence) == 1) break;
    if (card) fclose(card);
    leann_free(path);
}

/* ---- the weights --------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const reader *r;
    leann_sha *sha;
    float *x; /* (HASH_FLOATS) */
    uint32_t done;
} hash;

/* A tensor (rows, cols), of which the first `used` elements count. */
static leann_status add_tensor(hash *h, const char *name, uint64_t rows, uint64_t cols, uint64_t used)
{
    const reader *r = h->r;
    const leann_tensor *t;
    leann_status status = leann_safetensors_need(r->ctx, r->folder->tensors, name, rows, cols, &t);
    for (uint64_t at = 0; status == LEANN_OK && at < used; at += HASH_FLOATS) {
        size_t n = used - at < HASH_FLOATS ? (size_t)(used - at) : HASH_FLOATS;
        status = leann_safetensors_read(r->ctx, r->folder->tensors, t, at, n, h->x);
        if (status == LEANN_OK) leann_sha_add(h->sha, h->x, n * sizeof *h->x);
        if (status == LEANN_OK && leann_ctx_cancelled(r->ctx)) status = leann_fail(r->ctx, LEANN_EINTR, "interrupted");
    }
    leann_ctx_progress(r->ctx, "read", ++h->done, 5 + 16 * (uint64_t)r->set->layers + (r->set->pooling == LEANN_POOL_SCORE ? 4 : 0));
    return status;
}

/* weight and bias; cols 0: of a norm. */
static leann_status add_pair(hash *h, const char *before, const char *name, uint64_t rows, uint64_t cols)
{
    char tensor[128];
    snprintf(tensor, sizeof tensor, "%s%s.weight", before, name);
    leann_status status = add_tensor(h, tensor, rows, cols, rows * (cols ? cols : 1));
    snprintf(tensor, sizeof tensor, "%s%s.bias", before, name);
    return status == LEANN_OK ? add_tensor(h, tensor, rows, 0, rows) : status;
}

static leann_status add_layer(hash *h, uint32_t layer)
{
    const leann_model_settings *set = h->r->set;
    char before[64];
    leann_status status = LEANN_OK;
    snprintf(before, sizeof before, "encoder.layer.%u.", layer);
    for (int i = 0; i < LEANN_BERT_DENSE; i++) {
        const leann_dense_names *d = &leann_bert_dense[i];
        for (int j = 0; status == LEANN_OK && j < 3 && d->tensor[j]; j++)
            status = add_pair(h, before, d->tensor[j], d->inner_out ? set->inner : set->hidden, d->inner_in ? set->inner : set->hidden);
    }
    for (int i = 0; status == LEANN_OK && i < LEANN_BERT_NORMS; i++)
        status = add_pair(h, before, leann_bert_norms[i].tensor, set->hidden, 0);
    return status;
}

/* All tensors are there and of their shapes. Their hash is that of the values, so that the same weights in halves or in another order
 * have the same: word, position and the first token type's embeddings, their norm's weight and bias; of each layer query, key, value,
 * attention's output, intermediate, output (weight and bias each), then attention's norm and the output's. A cross-encoder has the second
 * token type too, and last the pooler and the classifier. */
static leann_status hash_weights(const reader *r)
{
    const leann_model_settings *set = r->set;
    const bool scores = set->pooling == LEANN_POOL_SCORE;
    char hex[65];
    hash h = {r, leann_sha_new(), leann_alloc(r->ctx, HASH_FLOATS, sizeof *h.x), 0};
    leann_status status = h.sha && h.x ? LEANN_OK : leann_fail(r->ctx, LEANN_ENOMEM, "no memory for a checksum");
#define ROWS(NAME, N, USED)                                                                                                                \
    if (status == LEANN_OK) status = add_tensor(&h, "embeddings." NAME ".weight", N, set->hidden, (uint64_t)(USED)*set->hidden)
    ROWS("word_embeddings", set->vocabulary, set->vocabulary);
    ROWS("position_embeddings", set->positions, set->positions);
    ROWS("token_type_embeddings", r->folder->types, leann_settings_types(set));
#undef ROWS
    if (status == LEANN_OK) status = add_pair(&h, "embeddings.", "LayerNorm", set->hidden, 0);
    for (uint32_t i = 0; status == LEANN_OK && i < set->layers; i++) status = add_layer(&h, i);
    if (status == LEANN_OK && scores) status = add_pair(&h, "", leann_bert_pooler.tensor[0], set->hidden, set->hidden);
    if (status == LEANN_OK && scores) status = add_pair(&h, "", "classifier", 1, set->hidden);
    if (h.sha) leann_sha_end(h.sha, hex);
    leann_free(h.x);
    return status == LEANN_OK ? set_text(r, &r->set->weights, hex) : status;
}

static leann_status take_weights(const reader *r)
{
    const leann_tensor *word;
    bool there = false;
    char *path = look_for(r, "model.safetensors", &there);
    leann_status status = path ? LEANN_OK : LEANN_ENOMEM;
    if (path && !there)
        status = leann_fail(r->ctx, LEANN_ENOTFOUND, "%s has no model.safetensors (other forms of weights are not read)", r->path);
    if (status == LEANN_OK) status = leann_safetensors_open(r->ctx, path, &r->folder->tensors);
    leann_free(path);
    if (status == LEANN_OK) status = hash_weights(r);
    if (status == LEANN_OK)
        status = leann_safetensors_need(r->ctx, r->folder->tensors, "embeddings.word_embeddings.weight", r->set->vocabulary, r->set->hidden,
                                        &word);
    if (status == LEANN_OK) snprintf(r->folder->type, sizeof r->folder->type, "%s", leann_tensor_type(word));
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------------ */

leann_status leann_folder_read(leann_ctx *ctx, const char *path, leann_folder *out)
{
    *out = (leann_folder){.set = leann_alloc(ctx, 1, sizeof *out->set), .files = leann_value_new_map()};
    reader r = {ctx, path, out, out->set};
    bool prompt_counts = true;
    leann_status status = out->set && out->files ? LEANN_OK : LEANN_ENOMEM;
    if (status == LEANN_OK) status = take_architecture(&r);
    if (status == LEANN_OK) {
        r.set->max_tokens = r.set->positions;
        status = take_words(&r);
    }
    if (status == LEANN_OK) status = take_length(&r);
    if (status == LEANN_OK) status = take_modules(&r, &prompt_counts);
    if (status == LEANN_OK) status = take_prompts(&r, prompt_counts);
    if (status == LEANN_OK) status = leann_settings_check(ctx, path, r.set);
    if (status == LEANN_OK) take_licence(&r);
    if (status == LEANN_OK) status = take_weights(&r);
    if (status != LEANN_OK) leann_folder_drop(out);
    return status;
}

void leann_folder_drop(leann_folder *folder)
{
    leann_safetensors_free(folder->tensors);
    leann_params_free(leann_settings, folder->set);
    leann_free(folder->vocabulary);
    leann_value_free(folder->files);
    *folder = (leann_folder){0};
}
