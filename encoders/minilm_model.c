/* minilm_model.c – a model by the path of its folder or packed file: found in the cache, packed when it is not there, mapped.
 *
 * What makes a start short: a record of the folder (JSON: sizes and times of its files, settings, identities) tells which packed file is
 * its own without reading a weight; the packed file is mapped and only what is not weights is looked at.
 *
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/container.h"
#include "core/files.h"
#include "encoders/minilm_inside.h"

enum { RECORD_LIMIT = 1 << 20, HEX = 64 };

struct leann_model {
    leann_reader *reader;
    leann_model_settings *set;
    leann_bert bert;
    leann_wordpiece *words;
    char identity[HEX + 1];
};

/* ---- a packed file ------------------------------------------------------------------------------------------------------------ */

static leann_status need(leann_ctx *ctx, const leann_model *self, const char *section, const char *what, leann_dtype type, uint64_t rows,
                         uint64_t stride, const void **out)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s%s", section, what[0] ? "." : "", what);
    return leann_reader_need(ctx, self->reader, name, type, rows, stride, out);
}

static leann_status map_norm(leann_ctx *ctx, const leann_model *self, const char *section, leann_norm *norm)
{
    const uint32_t n = self->set->hidden;
    const void *data;
    leann_status status = need(ctx, self, section, "", LEANN_F32, 2, (uint64_t)n * 4, &data);
    if (status == LEANN_OK) *norm = (leann_norm){.gain = data, .bias = (const float *)data + n};
    return status;
}

static leann_status map_dense(leann_ctx *ctx, const leann_model *self, const leann_dense_names *names, const char *section, leann_dense *d)
{
    static const leann_dtype types[LEANN_PRECISIONS] = {LEANN_F32, LEANN_U16, LEANN_I8};
    const leann_model_settings *set = self->set;
    const leann_dtype type = types[set->precision];
    const void *bias, *scale = NULL, *sums = NULL;
    d->in = names->inner_in ? set->inner : set->hidden;
    d->out = (names->tensor[1] ? 3 : 1) * (names->inner_out ? set->inner : set->hidden);
    leann_status status =
        need(ctx, self, section, "weight", type, d->out / LEANN_PANEL, (uint64_t)LEANN_PANEL * d->in * leann_dtype_bytes(type), &d->weight);
    if (status == LEANN_OK) status = need(ctx, self, section, "bias", LEANN_F32, d->out, 4, &bias);
    if (status == LEANN_OK && set->precision == LEANN_ENCODE_INT8) {
        status = need(ctx, self, section, "scale", LEANN_F32, d->out, 4, &scale);
        if (status == LEANN_OK) status = need(ctx, self, section, "sums", LEANN_U32, d->out, 4, &sums);
    }
    if (status != LEANN_OK) return status;
    d->bias = bias;
    d->scale = scale;
    d->sums = sums;
    return LEANN_OK;
}

static leann_status map_layer(leann_ctx *ctx, const leann_model *self, uint32_t i, leann_bert_layer *layer)
{
    char section[64];
    leann_status status = LEANN_OK;
    for (int j = 0; status == LEANN_OK && j < LEANN_BERT_DENSE; j++) {
        snprintf(section, sizeof section, "layer%u.%s", i, leann_bert_dense[j].word);
        status = map_dense(ctx, self, &leann_bert_dense[j], section, (leann_dense *)((char *)layer + leann_bert_dense[j].member));
    }
    for (int j = 0; status == LEANN_OK && j < LEANN_BERT_NORMS; j++) {
        snprintf(section, sizeof section, "layer%u.%s", i, leann_bert_norms[j].word);
        status = map_norm(ctx, self, section, (leann_norm *)((char *)layer + leann_bert_norms[j].member));
    }
    return status;
}

static leann_status map_weights(leann_ctx *ctx, leann_model *self)
{
    const leann_model_settings *set = self->set;
    const bool scores = set->pooling == LEANN_POOL_SCORE;
    const uint64_t row = (uint64_t)set->hidden * sizeof(float);
    const void *word, *position, *classifier = NULL;
    leann_dense pooler = {0};
    leann_norm norm;
    leann_bert_layer *layer = leann_alloc(ctx, set->layers, sizeof *layer);
    self->bert.layer = layer;
    if (!layer) return LEANN_ENOMEM;
    leann_status status = need(ctx, self, "word", "", LEANN_F32, set->vocabulary, row, &word);
    if (status == LEANN_OK)
        status = need(ctx, self, "position", "", LEANN_F32, (uint64_t)leann_settings_types(set) * set->positions, row, &position);
    if (status == LEANN_OK) status = map_norm(ctx, self, "norm", &norm);
    for (uint32_t i = 0; status == LEANN_OK && i < set->layers; i++) status = map_layer(ctx, self, i, &layer[i]);
    if (status == LEANN_OK && scores) status = map_dense(ctx, self, &leann_bert_pooler, leann_bert_pooler.word, &pooler);
    if (status == LEANN_OK && scores) status = need(ctx, self, "classifier", "", LEANN_F32, set->hidden + 1, sizeof(float), &classifier);
    if (status != LEANN_OK) return status;
    self->bert = (leann_bert){.precision = (leann_precision)set->precision,
                              .vocabulary = set->vocabulary,
                              .hidden = set->hidden,
                              .layers = set->layers,
                              .heads = set->heads,
                              .inner = set->inner,
                              .positions = set->positions,
                              .max_tokens = set->max_tokens,
                              .epsilon = (float)set->epsilon,
                              .first_token = set->pooling == LEANN_POOL_CLS,
                              .unit = set->unit,
                              .width = scores ? 1 : set->hidden,
                              .word = word,
                              .position = position,
                              .norm = norm,
                              .layer = layer,
                              .pooler = pooler,
                              .classifier = classifier};
    return LEANN_OK;
}

static leann_status take_words(leann_ctx *ctx, leann_model *self)
{
    const leann_model_settings *set = self->set;
    const leann_section *words = leann_reader_find(self->reader, "vocabulary");
    leann_wordpiece_options options = {
        .lowercase = set->lowercase, .strip_accents = set->strip_accents, .space_cjk = set->space_cjk, .max_word = set->max_word};
    snprintf(options.unknown, sizeof options.unknown, "%s", set->unknown); /* their lengths have been checked */
    snprintf(options.first, sizeof options.first, "%s", set->first);
    snprintf(options.last, sizeof options.last, "%s", set->last);
    snprintf(options.continues, sizeof options.continues, "%s", set->continues);
    if (!words) return leann_fail(ctx, LEANN_EFORMAT, "%s has no vocabulary", leann_reader_path(self->reader));
    leann_status status = leann_wordpiece_new(ctx, words->data, words->bytes, &options, &self->words);
    if (status == LEANN_OK && leann_wordpiece_size(self->words) > set->vocabulary)
        status = leann_fail(ctx, LEANN_EFORMAT, "%s: its vocabulary has %u tokens, but the embeddings have %u",
                            leann_reader_path(self->reader), leann_wordpiece_size(self->words), set->vocabulary);
    return status;
}

/* What the file is: settings, and the identity that they make. */
static leann_status read_head(leann_ctx *ctx, const leann_reader *reader, leann_model_settings **set, char identity[HEX + 1])
{
    const char *path = leann_reader_path(reader);
    const leann_section *head = leann_reader_find(reader, LEANN_PACK_HEAD);
    leann_value *map = NULL;
    if (!head || head->bytes > RECORD_LIMIT) return leann_fail(ctx, LEANN_EFORMAT, "%s is no packed model", path);
    leann_status status = leann_value_parse(ctx, path, head->data, head->bytes, &map);
    int64_t layout = leann_value_int(leann_value_get(map, "layout"), -1);
    if (status == LEANN_OK && layout != LEANN_PACK_LAYOUT)
        status =
            leann_fail(ctx, LEANN_EFORMAT, "%s has layout %jd; this program reads layout %d", path, (intmax_t)layout, LEANN_PACK_LAYOUT);
    if (status == LEANN_OK) status = leann_settings_new(ctx, path, leann_value_get(map, "settings"), set);
    if (status == LEANN_OK) status = leann_settings_identity(ctx, *set, identity);
    if (status == LEANN_OK && strcmp(identity, leann_value_text(leann_value_get(map, "identity"), "")) != 0)
        status = leann_fail(ctx, LEANN_EFORMAT, "%s: its settings do not make the identity that it states", path);
    leann_value_free(map);
    return status;
}

static leann_status open_packed(leann_ctx *ctx, const char *path, leann_precision precision, leann_model **out)
{
    *out = NULL;
    leann_model *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    leann_status status = leann_reader_map(ctx, path, &self->reader);
    if (status == LEANN_OK) status = read_head(ctx, self->reader, &self->set, self->identity);
    if (status == LEANN_OK && self->set->precision != (int)precision)
        status = leann_fail(ctx, LEANN_EINVAL, "%s is packed in %s, but %s is asked for", path, leann_precision_word[self->set->precision],
                            leann_precision_word[precision]);
    if (status == LEANN_OK) status = map_weights(ctx, self);
    if (status == LEANN_OK) status = take_words(ctx, self);
    if (status == LEANN_OK)
        *out = self;
    else
        leann_model_free(self);
    return status;
}

/* ---- the cache ----------------------------------------------------------------------------------------------------------------- */

char *leann_models_folder(leann_ctx *ctx)
{
    char *cache = leann_cache_folder(ctx), *folder = cache ? leann_format(ctx, "%s/models", cache) : NULL;
    if (!cache) leann_fail(ctx, LEANN_ENOTFOUND, "there is no cache folder for models: set XDG_CACHE_HOME or HOME to an absolute path");
    leann_free(cache);
    return folder;
}

static char *packed_folder(leann_ctx *ctx)
{
    char *models = leann_models_folder(ctx), *folder = models ? leann_format(ctx, "%s/packed", models) : NULL;
    leann_free(models);
    return folder;
}

static char *packed_path(leann_ctx *ctx, const char *identity)
{
    char *folder = packed_folder(ctx), *path = folder ? leann_format(ctx, "%s/%s.model", folder, identity) : NULL;
    leann_free(folder);
    return path;
}

/* Of a folder's record: a name that its path makes. */
static char *record_path(leann_ctx *ctx, const char *path)
{
    char hex[HEX + 1], *folder = packed_folder(ctx), *record = NULL;
    leann_sha *sha = folder ? leann_sha_new() : NULL;
    if (sha) {
        leann_sha_add(sha, path, strlen(path));
        leann_sha_end(sha, hex);
        record = leann_format(ctx, "%s/%s.json", folder, hex);
    } else if (folder) {
        leann_fail(ctx, LEANN_ENOMEM, "no memory for a checksum");
    }
    leann_free(folder);
    return record;
}

static const char *identity_in(const leann_value *record, leann_precision precision)
{
    const char *hex = leann_value_text(leann_value_get(leann_value_get(record, "identity"), leann_precision_word[precision]), "");
    return strspn(hex, "0123456789abcdef") == HEX && !hex[HEX] ? hex : NULL;
}

/* A record file, if it is whole and the files of its folder (path, or NULL: as it states itself) are as they were; else NULL, which is no
 * error. */
static leann_value *read_record(const char *file, const char *path)
{
    leann_ctx *quiet = leann_ctx_new(0, 1);
    leann_value *record = NULL;
    char *text = NULL;
    size_t bytes;
    bool fine = quiet && leann_file_read(quiet, file, RECORD_LIMIT, &text, &bytes) == LEANN_OK &&
                leann_value_parse(quiet, file, text, bytes, &record) == LEANN_OK;
    const char *folder = path ? path : leann_value_text(leann_value_get(record, "folder"), NULL); /* a path may be no UTF-8 */
    fine = fine && folder && leann_folder_same(quiet, folder, leann_value_get(record, "files"));
    for (int i = 0; fine && i < LEANN_PRECISIONS; i++) fine = identity_in(record, (leann_precision)i) != NULL;
    if (!fine) {
        leann_value_free(record);
        record = NULL;
    }
    leann_free(text);
    leann_ctx_free(quiet);
    return record;
}

static leann_value *settings_value(const leann_model_settings *set) /* of all precisions */
{
    leann_value *all = leann_params_value(leann_settings, set), *map = leann_value_new_map();
    const char *name;
    void *at = NULL;
    for (leann_value *v; (v = leann_value_next(all, &at, &name));)
        if (strcmp(name, "precision") != 0) leann_value_set(map, name, leann_value_keep(v));
    leann_value_free(all);
    return map;
}

static leann_status new_record(leann_ctx *ctx, const char *path, const leann_folder *folder, leann_value **out)
{
    leann_value *record = leann_value_new_map(), *identity = leann_value_new_map();
    leann_model_settings set = *folder->set;
    leann_status status = LEANN_OK;
    char hex[HEX + 1] = "";
    for (int i = 0; status == LEANN_OK && i < LEANN_PRECISIONS; i++) {
        set.precision = i;
        status = leann_settings_identity(ctx, &set, hex);
        leann_value_set(identity, leann_precision_word[i], leann_value_new_text(hex));
    }
    leann_value_set(record, "folder", leann_value_new_text(path));
    leann_value_set(record, "files", leann_value_keep(folder->files));
    leann_value_set(record, "licence", folder->licence[0] ? leann_value_new_text(folder->licence) : leann_value_new_null());
    leann_value_set(record, "type", leann_value_new_text(folder->type));
    leann_value_set(record, "settings", settings_value(&set));
    leann_value_set(record, "identity", identity);
    if (status == LEANN_OK)
        *out = record;
    else
        leann_value_free(record);
    return status;
}

static leann_status write_record(leann_ctx *ctx, const char *file, const leann_value *record)
{
    char *text = leann_value_json(record, false, 2);
    if (!text) return leann_fail(ctx, LEANN_ENOMEM, "no memory for the record of a model");
    leann_status status = leann_file_write(ctx, file, text, strlen(text));
    leann_free(text);
    return status;
}

/* ---- a folder ------------------------------------------------------------------------------------------------------------------ */

/* The absolute path of what is asked for; *is_folder: what it is. */
static leann_status find(leann_ctx *ctx, const char *path, char **out, bool *is_folder)
{
    struct stat about;
    char *models = path ? NULL : leann_models_folder(ctx), *wish = NULL;
    *out = NULL;
    if (!path && !models) return leann_ctx_status(ctx);
    wish = path ? leann_format(ctx, "%s", path) : leann_format(ctx, "%s/" LEANN_MODEL_DEFAULT, models);
    leann_free(models);
    if (!wish) return LEANN_ENOMEM;
    leann_status status = LEANN_OK;
    char *real = realpath(wish, NULL); /* the C library's memory, which is what leann_free gives back */
    if (!real && errno == ENOENT && !path)
        status =
            leann_fail(ctx, LEANN_ENOTFOUND, "the model " LEANN_MODEL_DEFAULT " is not here: `leann model fetch` gets it into %s", wish);
    else if (!real || stat(real, &about) != 0)
        status = leann_fail_errno(ctx, "cannot open the model %s", wish);
    else if (!S_ISDIR(about.st_mode) && !S_ISREG(about.st_mode))
        status = leann_fail(ctx, LEANN_EFORMAT, "the model %s is neither a folder nor a file", wish);
    leann_free(wish);
    if (status != LEANN_OK) {
        leann_free(real);
        return status;
    }
    *is_folder = S_ISDIR(about.st_mode);
    *out = real;
    return LEANN_OK;
}

/* The packed file of a record, if it is there and in order; else NULL, which is no error. */
static leann_model *open_kept(const leann_value *record, leann_precision precision)
{
    const char *identity = identity_in(record, precision);
    leann_ctx *quiet = leann_ctx_new(0, 1);
    leann_model *model = NULL;
    char *file = quiet ? packed_path(quiet, identity) : NULL;
    if (file) open_packed(quiet, file, precision, &model);
    if (model && strcmp(leann_model_identity(model), identity) != 0) {
        leann_model_free(model);
        model = NULL;
    }
    leann_free(file);
    leann_ctx_free(quiet);
    return model;
}

/* Reads the folder, packs it where no packed file of its identity is there (another folder may hold the same), and records it. */
static leann_status pack_folder(leann_ctx *ctx, const char *path, const char *record, leann_precision precision, leann_model **out)
{
    leann_folder folder;
    leann_value *now = NULL;
    char *file = NULL, *cache = NULL;
    leann_status status = leann_folder_read(ctx, path, &folder);
    if (status != LEANN_OK) return status;
    folder.set->precision = (int)precision;
    status = new_record(ctx, path, &folder, &now);
    if (status == LEANN_OK && (!(file = packed_path(ctx, identity_in(now, precision))) || !(cache = packed_folder(ctx))))
        status = LEANN_ENOMEM;
    if (status == LEANN_OK && !(*out = open_kept(now, precision))) {
        status = leann_folder_make(ctx, cache);
        if (status == LEANN_OK) status = leann_pack(ctx, &folder, file);
        if (status == LEANN_OK) status = open_packed(ctx, file, precision, out);
    }
    if (status == LEANN_OK) status = write_record(ctx, record, now);
    if (status != LEANN_OK) {
        leann_model_free(*out);
        *out = NULL;
    }
    leann_free(file);
    leann_free(cache);
    leann_value_free(now);
    leann_folder_drop(&folder);
    return status;
}

leann_status leann_model_open(leann_ctx *ctx, const char *path, leann_precision precision, leann_model **out)
{
    char *real, *record = NULL;
    bool is_folder;
    *out = NULL;
    leann_status status = find(ctx, path, &real, &is_folder);
    if (status != LEANN_OK) return status;
    if (!is_folder) {
        status = open_packed(ctx, real, precision, out);
    } else if (!(record = record_path(ctx, real))) {
        status = leann_ctx_status(ctx);
    } else {
        leann_value *known = read_record(record, real);
        if (known) *out = open_kept(known, precision);
        if (!*out) status = pack_folder(ctx, real, record, precision, out);
        leann_value_free(known);
    }
    leann_free(record);
    leann_free(real);
    return status;
}

void leann_model_free(leann_model *self)
{
    if (!self) return;
    leann_wordpiece_free(self->words);
    leann_free(self->bert.layer);
    leann_params_free(leann_settings, self->set);
    leann_reader_free(self->reader);
    leann_free(self);
}

const leann_bert *leann_model_bert(const leann_model *self)
{
    return &self->bert;
}
const leann_wordpiece *leann_model_wordpiece(const leann_model *self)
{
    return self->words;
}
const char *leann_model_identity(const leann_model *self)
{
    return self->identity;
}

leann_text leann_model_prefix(const leann_model *self, leann_role role)
{
    const char *text = role == LEANN_QUERY ? self->set->query_prefix : self->set->passage_prefix;
    return text[0] ? (leann_text){text, strlen(text)} : (leann_text){NULL, 0};
}

/* ---- what `leann model` asks ---------------------------------------------------------------------------------------------------- */

/* A record, with the packed files that are there in place of its times. */
static leann_value *describe(leann_ctx *ctx, const leann_value *record)
{
    leann_value *out = leann_value_new_map(), *packed = leann_value_new_map();
    const char *name;
    void *at = NULL;
    for (leann_value *v; (v = leann_value_next(record, &at, &name));)
        if (strcmp(name, "files") != 0) leann_value_set(out, name, leann_value_keep(v));
    for (int i = 0; i < LEANN_PRECISIONS; i++) {
        struct stat about;
        char *path = packed_path(ctx, identity_in(record, (leann_precision)i));
        if (path && stat(path, &about) == 0) {
            leann_value *file = leann_value_new_map();
            leann_value_set(file, "path", leann_value_new_text(path));
            leann_value_set(file, "bytes", leann_value_new_int(about.st_size));
            leann_value_set(packed, leann_precision_word[i], file);
        }
        leann_free(path);
    }
    leann_value_set(out, "packed", packed);
    return out;
}

static leann_status describe_packed(leann_ctx *ctx, const char *path, leann_value **out)
{
    leann_reader *reader;
    leann_model_settings *set = NULL;
    char identity[HEX + 1];
    leann_status status = leann_reader_map(ctx, path, &reader);
    if (status != LEANN_OK) return status;
    status = read_head(ctx, reader, &set, identity);
    if (status == LEANN_OK) {
        const char *word = leann_precision_word[set->precision];
        leann_value *record = leann_value_new_map(), *identities = leann_value_new_map(), *packed = leann_value_new_map();
        leann_value *file = leann_value_new_map();
        struct stat about;
        leann_value_set(file, "path", leann_value_new_text(path));
        leann_value_set(file, "bytes", leann_value_new_int(stat(path, &about) == 0 ? about.st_size : 0));
        leann_value_set(identities, word, leann_value_new_text(identity));
        leann_value_set(packed, word, file);
        leann_value_set(record, "file", leann_value_new_text(path));
        leann_value_set(record, "settings", settings_value(set));
        leann_value_set(record, "identity", identities);
        leann_value_set(record, "packed", packed);
        *out = record;
    }
    leann_params_free(leann_settings, set);
    leann_reader_free(reader);
    return status;
}

leann_status leann_model_describe(leann_ctx *ctx, const char *path, leann_value **out)
{
    char *real, *file = NULL;
    bool is_folder;
    *out = NULL;
    leann_status status = find(ctx, path, &real, &is_folder);
    if (status == LEANN_OK && !is_folder) {
        status = describe_packed(ctx, real, out);
    } else if (status == LEANN_OK && !(file = record_path(ctx, real))) {
        status = leann_ctx_status(ctx);
    } else if (status == LEANN_OK) {
        leann_folder folder;
        leann_value *record = read_record(file, real);
        if (!record && (status = leann_folder_read(ctx, real, &folder)) == LEANN_OK) {
            status = new_record(ctx, real, &folder, &record);
            leann_folder_drop(&folder);
        }
        if (status == LEANN_OK) *out = describe(ctx, record);
        leann_value_free(record);
    }
    leann_free(file);
    leann_free(real);
    return status;
}

static int is_record(const struct dirent *entry)
{
    return strlen(entry->d_name) == HEX + 5 && strcmp(entry->d_name + HEX, ".json") == 0;
}

leann_status leann_models_list(leann_ctx *ctx, leann_value **out)
{
    struct dirent **entries = NULL;
    char *folder = packed_folder(ctx);
    *out = NULL;
    if (!folder) return leann_ctx_status(ctx);
    leann_value *list = leann_value_new_list();
    int n = scandir(folder, &entries, is_record, alphasort); /* -1 where nothing was ever packed */
    for (int i = 0; i < n; i++) {
        char *file = leann_format(ctx, "%s/%s", folder, entries[i]->d_name);
        leann_value *record = file ? read_record(file, NULL) : NULL;
        if (record) leann_value_append(list, describe(ctx, record));
        leann_value_free(record);
        leann_free(file);
        free(entries[i]);
    }
    free(entries);
    leann_free(folder);
    *out = list;
    return LEANN_OK;
}

/* ---- everything again ------------------------------------------------------------------------------------------------------------ */

static void say(leann_value *what, const char *path, bool ok, const char *says)
{
    leann_value *entry = leann_value_new_map();
    leann_value_set(entry, "path", leann_value_new_text(path));
    leann_value_set(entry, "ok", leann_value_new_bool(ok));
    leann_value_set(entry, "says", leann_value_new_text(says));
    leann_value_append(what, entry);
}

/* A packed file to its last byte. identity NULL: whatever it is. */
static void verify_packed(const char *path, const char *identity, leann_value *what)
{
    leann_ctx *quiet = leann_ctx_new(0, 0);
    leann_reader *reader = NULL;
    leann_model_settings *set = NULL;
    char is[HEX + 1] = "";
    leann_status status = quiet ? leann_reader_open(quiet, path, &reader) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = read_head(quiet, reader, &set, is);
    if (status == LEANN_OK && identity && strcmp(identity, is) != 0)
        status = leann_fail(quiet, LEANN_EFORMAT, "%s is of identity %s", path, is);
    say(what, path, status == LEANN_OK, status == LEANN_OK ? "all checksums are right" : quiet ? leann_ctx_error(quiet) : "no memory");
    leann_params_free(leann_settings, set);
    leann_reader_free(reader);
    leann_ctx_free(quiet);
}

static leann_status verify_folder(leann_ctx *ctx, const char *path, leann_value *what)
{
    leann_folder folder;
    leann_value *now = NULL;
    char *file = record_path(ctx, path);
    if (!file) return leann_ctx_status(ctx);
    leann_value *known = read_record(file, path);
    leann_free(file);
    leann_status status = leann_folder_read(ctx, path, &folder);
    if (status == LEANN_OK) {
        status = new_record(ctx, path, &folder, &now);
        leann_folder_drop(&folder);
    }
    if (status == LEANN_OK) {
        bool same = !known || leann_value_equal(leann_value_get(known, "identity"), leann_value_get(now, "identity"));
        say(what, path, same,
            !known ? "its files are in order; it was not packed as it is"
            : same ? "its files are those that were packed"
                   : "its files have changed, though their sizes and times have not");
    }
    for (int i = 0; status == LEANN_OK && i < LEANN_PRECISIONS; i++) {
        struct stat about;
        const char *identity = identity_in(now, (leann_precision)i);
        char *packed = packed_path(ctx, identity);
        if (!packed)
            status = leann_ctx_status(ctx);
        else if (stat(packed, &about) == 0)
            verify_packed(packed, identity, what);
        leann_free(packed);
    }
    leann_value_free(known);
    leann_value_free(now);
    return status;
}

leann_status leann_model_verify(leann_ctx *ctx, const char *path, leann_value **what)
{
    char *real;
    bool is_folder;
    *what = NULL;
    leann_status status = find(ctx, path, &real, &is_folder);
    if (status != LEANN_OK) return status;
    leann_value *list = leann_value_new_list();
    if (is_folder)
        status = verify_folder(ctx, real, list);
    else
        verify_packed(real, NULL, list);
    if (status == LEANN_OK)
        *what = list;
    else
        leann_value_free(list);
    leann_free(real);
    return status;
}
