/* index.c – the public life of an index: configuration -> build -> save and open -> plan -> search; what is common to all methods.
 *
 * A method's own functions see checked parameters, checked rows (unit rows where the space is angular) and finite float queries. What
 * they answer in keys leaves here as distances: sqrt(key) under L2, key / 2 = 1 - cos under angular, the key itself under inner product.
 *
 * File: the section "manifest" (canonical JSON: format, method, revisions of every plug-in named, build parameters, n, d, space, dtype,
 * seed, sha256 of the rows), then the method's sections, then, where the data set has passages, references to them (references.h).
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/plugin.h"
#include "core/product.h"

/* Blocks of rows and anchors are stepped through by 32-bit numbers that must not wrap: no block has more than 2^16. */
static const uint32_t MAX_N = UINT32_MAX - (1u << 16);
enum { FORMAT = 1, MAX_D = 1 << 20, MAX_MANIFEST = 1 << 20, MAX_REVISIONS = 1000, CHUNK = 256 };

/* The public calls start fresh after a failed one; a cancel request that nobody has seen yet still stands. */
static void begin_call(leann_ctx *ctx)
{
    leann_status before = leann_ctx_status(ctx);
    if (before == LEANN_OK) return;
    bool unseen = before != LEANN_EINTR && leann_ctx_cancelled(ctx);
    leann_ctx_clear(ctx);
    if (unseen) leann_ctx_cancel(ctx);
}

/* ---- configurations ---------------------------------------------------------------------------------------------------------- */

static leann_status unknown_key(leann_ctx *ctx, const char *what, const char *key, const char *const *known, size_t n)
{
    const char *nearest = leann_nearest_word(key, known, n);
    if (nearest) return leann_fail(ctx, LEANN_EINVAL, "unknown key '%.60s' of %s; did you mean '%s'?", key, what, nearest);
    return leann_fail(ctx, LEANN_EINVAL, "unknown key '%.60s' of %s; it has method, build and complexity", key, what);
}

/* The build parameters of a configuration, a new map: those of its level of complexity, and over them those given. */
static leann_status read_build(leann_ctx *ctx, const leann_value *config, const leann_method_type *type, leann_value **out)
{
    static const char *const word[] = {"low", "medium", "high"};
    const leann_value *level = leann_value_get(config, "complexity"), *given = leann_value_get(config, "build");
    *out = NULL;
    if (!level) return LEANN_OK;
    const char *asked = leann_value_text(level, "");
    size_t i = 0;
    while (i < 3 && strcmp(asked, word[i]) != 0) i++;
    if (i == 3) return leann_fail(ctx, LEANN_EINVAL, "complexity is '%.60s', but must be one of low, medium, high", asked);
    if (!type->levels)
        return leann_fail(ctx, LEANN_EINVAL, "method %s has no levels of complexity; " LEANN_METHOD_OF_LEVELS " has", type->common.name);
    leann_status status = leann_value_parse(ctx, "a level", type->levels[i], strlen(type->levels[i]), out);
    for (size_t j = 0; !status && j < leann_value_count(given); j++) {
        const char *key;
        leann_value *v = leann_value_entry(given, j, &key);
        leann_value_set(*out, key, leann_value_copy(v));
    }
    return status;
}

/* {method: WORD, build: {…}} -> the method and its build parameters, which the caller frees by the method's table. */
static leann_status read_config(leann_ctx *ctx, const leann_value *config, const leann_method_type **type, void **params)
{
    static const char *const known[] = {"method", "build", "complexity"};
    enum { KNOWN = sizeof known / sizeof *known };
    leann_value *build = NULL;
    *params = NULL;
    if (leann_value_type(config) != LEANN_V_MAP)
        return leann_fail(ctx, LEANN_EINVAL, "a configuration is a map {method: WORD, build: {…}}");
    for (size_t i = 0; i < leann_value_count(config); i++) {
        const char *key;
        size_t j = 0;
        leann_value_entry(config, i, &key);
        while (j < KNOWN && strcmp(key, known[j]) != 0) j++;
        if (j == KNOWN) return unknown_key(ctx, "the configuration", key, known, KNOWN);
    }
    const char *word = leann_value_text(leann_value_get(config, "method"), NULL);
    if (!word && leann_value_get(config, "complexity")) word = LEANN_METHOD_OF_LEVELS;
    if (!word)
        return leann_fail(ctx, LEANN_EINVAL, "the configuration names no method: {method: WORD, build: {…}} or {complexity: medium}");
    *type = (const leann_method_type *)(const void *)leann_plugin_find(ctx, LEANN_METHOD, word);
    if (!*type) return leann_ctx_status(ctx);
    leann_status status = read_build(ctx, config, *type, &build);
    char *where = status ? NULL : leann_format(ctx, "method %s", (*type)->common.name);
    if (!status && !where) status = LEANN_ENOMEM;
    if (!status)
        status = leann_params_new(ctx, where, (*type)->common.params, (*type)->common.params_size,
                                  build ? build : leann_value_get(config, "build"), params);
    leann_free(where);
    leann_value_free(build);
    return status;
}

static leann_value *config_value(const leann_method_type *type, const void *params)
{
    leann_value *config = leann_value_new_map();
    leann_value_set(config, "method", leann_value_new_text(type->common.name));
    leann_value_set(config, "build", leann_params_value(type->common.params, params));
    return config;
}

leann_status leann_method_config(leann_ctx *ctx, const leann_value *config, leann_value **canonical)
{
    const leann_method_type *type;
    void *params;
    *canonical = NULL;
    leann_status status = read_config(ctx, config, &type, &params);
    if (status) return status;
    *canonical = config_value(type, params);
    leann_params_free(type->common.params, params);
    return LEANN_OK;
}

static leann_status read_query(leann_ctx *ctx, const leann_method_type *type, const leann_value *query, void **params)
{
    char *where = leann_format(ctx, "a query of method %s", type->common.name);
    if (!where) return LEANN_ENOMEM;
    leann_status status = leann_params_new(ctx, where, type->query, type->query_size, query, params);
    leann_free(where);
    return status;
}

leann_status leann_method_query(leann_ctx *ctx, const char *method, const leann_value *query, leann_value **canonical)
{
    void *params;
    *canonical = NULL;
    const leann_method_type *type = (const leann_method_type *)(const void *)leann_plugin_find(ctx, LEANN_METHOD, method);
    if (!type) return leann_ctx_status(ctx);
    leann_status status = read_query(ctx, type, query, &params);
    if (status) return status;
    *canonical = leann_params_value(type->query, params);
    leann_params_free(type->query, params);
    return LEANN_OK;
}

/* ---- revisions ---------------------------------------------------------------------------------------------------------------- */

static void add_revision(leann_ctx *ctx, leann_value *map, const char *kind, const leann_plugin *plugin)
{
    char *name = leann_format(ctx, "%s %s", kind, plugin->name);
    if (name) leann_value_set(map, name, leann_value_new_int(plugin->revision));
    leann_free(name);
}

/* Of every plug-in that the parameters name, and of those that these name. */
static void add_revisions(leann_ctx *ctx, leann_value *map, const leann_param *table, const void *params)
{
    for (const leann_param *p = table; p && p->name; p++) {
        if (p->type != LEANN_P_PLUGIN || leann_param_left_out(p, params)) continue;
        const leann_choice *choice = (const void *)((const char *)params + p->offset);
        if (!choice->plugin) continue;
        add_revision(ctx, map, p->words, choice->plugin);
        add_revisions(ctx, map, choice->plugin->params, choice->params);
    }
}

void leann_choice_revisions(leann_ctx *ctx, leann_choice choice, leann_value *out)
{
    add_revisions(ctx, out, choice.plugin->params, choice.params);
}

leann_status leann_method_revisions(leann_ctx *ctx, const leann_value *config, const leann_value *query, leann_value **out)
{
    const leann_method_type *type;
    void *params, *query_params = NULL;
    *out = NULL;
    leann_status status = read_config(ctx, config, &type, &params);
    if (status) return status;
    if (query) status = read_query(ctx, type, query, &query_params);
    if (!status) {
        *out = leann_value_new_map();
        add_revision(ctx, *out, "method", &type->common);
        add_revisions(ctx, *out, type->common.params, params);
        if (query_params) add_revisions(ctx, *out, type->query, query_params);
        status = leann_ctx_status(ctx);
    }
    leann_params_free(type->query, query_params);
    leann_params_free(type->common.params, params);
    return status;
}

/* ---- labels -------------------------------------------------------------------------------------------------------------------- */

/* *sha: made with the first labels. */
static leann_status add_labels(leann_ctx *ctx, const leann_param *table, const void *params, const leann_dataset *data, leann_sha **sha)
{
    leann_status status = LEANN_OK;
    for (const leann_param *p = table; p && p->name && !status; p++) {
        const void *field = (const char *)params + p->offset;
        if (p->type == LEANN_P_PLUGIN && ((const leann_choice *)field)->plugin)
            status = add_labels(ctx, ((const leann_choice *)field)->plugin->params, ((const leann_choice *)field)->params, data, sha);
        const char *name = p->type == LEANN_P_TEXT && p->words ? *(const char *const *)field : NULL;
        if (!name || !*name) continue;
        const uint32_t *label;
        uint32_t count;
        if ((status = data->labels(data, ctx, name, &label, &count))) break;
        if (!*sha && !(*sha = leann_sha_new())) return leann_fail(ctx, LEANN_ENOMEM, "no memory for a checksum of labels");
        leann_sha_add(*sha, label, data->train.n * sizeof *label);
    }
    return status;
}

static leann_status sum_labels(leann_ctx *ctx, const leann_param *table, const void *params, const leann_dataset *data, char hex[65])
{
    leann_sha *sha = NULL;
    char unused[65];
    hex[0] = 0;
    leann_status status = data->labels ? add_labels(ctx, table, params, data, &sha) : LEANN_OK;
    if (sha) leann_sha_end(sha, status ? unused : hex);
    return status;
}

leann_status leann_choice_labels(leann_ctx *ctx, leann_choice choice, const leann_dataset *data, char hex[65])
{
    return sum_labels(ctx, choice.plugin->params, choice.params, data, hex);
}

leann_status leann_method_labels(leann_ctx *ctx, const leann_value *config, const leann_dataset *data, char hex[65])
{
    const leann_method_type *type;
    void *params;
    hex[0] = 0;
    leann_status status = read_config(ctx, config, &type, &params);
    if (status) return status;
    status = sum_labels(ctx, type->common.params, params, data, hex);
    leann_params_free(type->common.params, params);
    return status;
}

/* ---- opening older files --------------------------------------------------------------------------------------------------------- */

/* The plug-in of "selector kmeans", or NULL where this program has none of that name. */
static const leann_plugin *plugin_named(const char *name)
{
    for (int kind = 0; kind < LEANN_KINDS; kind++) {
        const char *word = leann_kind_word((leann_kind)kind);
        size_t length = strlen(word);
        if (strncmp(name, word, length) != 0 || name[length] != ' ') continue;
        for (size_t i = 0; i < leann_plugin_count((leann_kind)kind); i++) {
            const leann_plugin *plugin = leann_plugin_at((leann_kind)kind, i);
            if (strcmp(name + length + 1, plugin->name) == 0) return plugin;
        }
    }
    return NULL;
}

/* A file may be older than the program, never newer: a later revision means parameters or bytes that this program does not know. */
static leann_status check_revisions(leann_ctx *ctx, const char *path, const leann_value *revisions)
{
    for (size_t i = 0; i < leann_value_count(revisions) && i < MAX_REVISIONS; i++) {
        const char *name;
        const leann_value *value = leann_value_entry(revisions, i, &name);
        if (!value) break; /* no map */
        int64_t revision = leann_value_int(value, 0);
        const leann_plugin *plugin = plugin_named(name);
        const int64_t known = plugin ? plugin->revision : strcmp(name, "references") == 0 ? LEANN_REFERENCES_REVISION : INT64_MAX;
        if (revision > known)
            return leann_fail(ctx, LEANN_EUNSUPPORTED, "%s was written with revision %lld of %.80s, but this program knows up to %lld",
                              path, (long long)revision, name, (long long)known);
    }
    return LEANN_OK;
}

/* ---- the manifest ------------------------------------------------------------------------------------------------------------- */

/* Stands for rows that have no name: as long as one, so that a file's size does not depend on it. */
static const char no_sha[] = "0000000000000000000000000000000000000000000000000000000000000000";

static char *manifest_text(leann_ctx *ctx, const leann_index *index, bool references)
{
    leann_value *manifest = leann_value_new_map(), *revisions = leann_value_new_map();
    add_revision(ctx, revisions, "method", &index->type->common);
    add_revisions(ctx, revisions, index->type->common.params, index->params);
    if (references) leann_value_set(revisions, "references", leann_value_new_int(LEANN_REFERENCES_REVISION));
    leann_value_set(manifest, "format", leann_value_new_int(FORMAT));
    leann_value_set(manifest, "method", leann_value_new_text(index->type->common.name));
    leann_value_set(manifest, "build", leann_params_value(index->type->common.params, index->params));
    leann_value_set(manifest, "revisions", revisions);
    leann_value_set(manifest, "n", leann_value_new_int(index->n));
    leann_value_set(manifest, "d", leann_value_new_int(index->d));
    leann_value_set(manifest, "space", leann_value_new_text(leann_space_word(index->space)));
    leann_value_set(manifest, "dtype", leann_value_new_text(leann_dtype_word(index->source_type)));
    leann_value_set(manifest, "seed", leann_value_new_int((int64_t)index->seed)); /* two's complement past 2^63 */
    leann_value_set(manifest, "train_sha256", leann_value_new_text(index->data_sha[0] ? index->data_sha : no_sha));
    if (references) leann_value_set(manifest, "encoder_identity", leann_value_new_text(index->encoder[0] ? index->encoder : no_sha));
    char *text = leann_value_json(manifest, true, 0);
    leann_value_free(manifest);
    if (!text) leann_fail(ctx, LEANN_ENOMEM, "no memory for a manifest");
    return text;
}

static bool space_of(const char *word, leann_space *out)
{
    for (int space = LEANN_L2; space <= LEANN_IP; space++)
        if (strcmp(word, leann_space_word((leann_space)space)) == 0) {
            *out = (leann_space)space;
            return true;
        }
    return false;
}

static bool dtype_of(const char *word, leann_dtype *out)
{
    static const leann_dtype types[] = {LEANN_F32, LEANN_U8, LEANN_I8};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(word, leann_dtype_word(types[i])) == 0) {
            *out = types[i];
            return true;
        }
    return false;
}

static leann_status read_manifest(leann_ctx *ctx, const leann_reader *r, leann_value **out)
{
    const char *path = leann_reader_path(r);
    const leann_section *section = leann_reader_find(r, "manifest");
    if (!section) return leann_fail(ctx, LEANN_EFORMAT, "%s has no manifest: it is no index", path);
    if (section->bytes > MAX_MANIFEST)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: the manifest has %llu bytes, but at most %d", path, (unsigned long long)section->bytes,
                          MAX_MANIFEST);
    leann_status status = leann_value_parse(ctx, path, section->data, section->bytes, out);
    if (status) return status;
    int64_t format = leann_value_int(leann_value_get(*out, "format"), -1);
    if (format == FORMAT) return LEANN_OK;
    if (format > FORMAT)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "%s is of index format %lld, but this program knows up to %d", path, (long long)format,
                          FORMAT);
    return leann_fail(ctx, LEANN_EFORMAT, "%s: the manifest's format is %lld, which no program wrote", path, (long long)format);
}

/* Only what is a sha256 is taken for one. */
static void keep_sha(char to[sizeof no_sha], const char *sha)
{
    bool is_one = strlen(sha) == sizeof no_sha - 1 && strspn(sha, "0123456789abcdef") == sizeof no_sha - 1 && strcmp(sha, no_sha) != 0;
    snprintf(to, sizeof no_sha, "%s", is_one ? sha : "");
}

/* Fills the common part of an index from a manifest; type and params are set by the caller. */
static leann_status fill_from_manifest(leann_ctx *ctx, const char *path, const leann_value *manifest, leann_index *index)
{
    int64_t n = leann_value_int(leann_value_get(manifest, "n"), 0), d = leann_value_int(leann_value_get(manifest, "d"), 0);
    const char *space = leann_value_text(leann_value_get(manifest, "space"), "?");
    const char *dtype = leann_value_text(leann_value_get(manifest, "dtype"), "?");
    if (n < 1 || n > MAX_N) return leann_fail(ctx, LEANN_EFORMAT, "%s: n is %lld in the manifest", path, (long long)n);
    if (d < 1 || d > MAX_D) return leann_fail(ctx, LEANN_EFORMAT, "%s: d is %lld in the manifest", path, (long long)d);
    if (!space_of(space, &index->space)) return leann_fail(ctx, LEANN_EFORMAT, "%s: unknown space '%.40s'", path, space);
    if (!dtype_of(dtype, &index->source_type)) return leann_fail(ctx, LEANN_EFORMAT, "%s: unknown dtype '%.40s'", path, dtype);
    index->n = (uint32_t)n;
    index->d = (uint32_t)d;
    index->seed = (uint64_t)leann_value_int(leann_value_get(manifest, "seed"), 0);
    keep_sha(index->data_sha, leann_value_text(leann_value_get(manifest, "train_sha256"), "")); /* older files have none */
    keep_sha(index->encoder, leann_value_text(leann_value_get(manifest, "encoder_identity"), ""));
    return LEANN_OK;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------------- */

static leann_status check_shape(leann_ctx *ctx, const char *what, leann_rows rows)
{
    if (rows.n < 1) return leann_fail(ctx, LEANN_EINVAL, "%s: n is 0, but at least 1 row is needed", what);
    if (rows.n > MAX_N) return leann_fail(ctx, LEANN_EINVAL, "%s: n is %u, but at most %u", what, rows.n, MAX_N);
    if (rows.d < 1 || rows.d > MAX_D)
        return leann_fail(ctx, LEANN_EINVAL, "%s: d is %u, but must be between 1 and %d", what, rows.d, MAX_D);
    if (rows.type != LEANN_F32 && rows.type != LEANN_U8 && rows.type != LEANN_I8)
        return leann_fail(ctx, LEANN_EINVAL, "%s: rows of type %s, but f32, u8 or i8 is needed", what, leann_dtype_word(rows.type));
    if ((unsigned)rows.space > LEANN_IP) return leann_fail(ctx, LEANN_EINVAL, "%s: no space has number %d", what, (int)rows.space);
    if (!rows.base) return leann_fail(ctx, LEANN_EINVAL, "%s: no rows given (base is NULL)", what);
    if (rows.n > 1 && rows.stride < rows.d * leann_dtype_bytes(rows.type))
        return leann_fail(ctx, LEANN_EINVAL, "%s: stride is %zu bytes, but a row has %zu", what, rows.stride,
                          rows.d * leann_dtype_bytes(rows.type));
    return LEANN_OK;
}

/* |x|² is 1 as far as floats can say: rows that a data set made unit are taken as they are. */
static bool is_unit(float norm)
{
    return fabsf(norm - 1) <= 4e-6f;
}

/* Every step-th row. */
static bool all_unit(leann_rows rows, uint32_t step)
{
    for (uint64_t i = 0; i < rows.n; i += step) {
        float norm;
        leann_rows_norms(rows, (uint32_t)i, 1, &norm);
        if (!is_unit(norm)) return false;
    }
    return true;
}

static void make_unit(float *x, uint32_t d)
{
    double sum = 0;
    for (uint32_t j = 0; j < d; j++) sum += (double)x[j] * x[j];
    double scale = 1 / sqrt(sum);
    for (uint32_t j = 0; j < d; j++) x[j] = (float)(x[j] * scale);
}

typedef struct {
    leann_rows rows;
    float *out;
} unit_task;

static leann_status unit_chunk(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    (void)ctx;
    const unit_task *task = arg;
    for (size_t i = begin; i < end; i++) {
        float *x = task->out + i * task->rows.d;
        leann_rows_floats(task->rows, (uint32_t)i, 1, x);
        make_unit(x, task->rows.d);
    }
    return LEANN_OK;
}

/* Angular rows that are not unit yet -> a unit copy in floats, *owned; other rows stay as they are and *owned is NULL. */
static leann_status unit_rows(leann_ctx *ctx, leann_rows rows, uint32_t step, leann_rows *out, float **owned)
{
    *out = rows;
    *owned = NULL;
    if (rows.space != LEANN_ANGULAR || (rows.type == LEANN_F32 && all_unit(rows, step))) return LEANN_OK;
    float *x = leann_alloc(ctx, rows.n, rows.d * sizeof *x);
    if (!x) return LEANN_ENOMEM;
    unit_task task = {rows, x};
    leann_status status = leann_parallel(ctx, rows.n, CHUNK, unit_chunk, &task);
    if (status) {
        leann_free(x);
        return status;
    }
    *owned = x;
    *out = (leann_rows){x, rows.d * sizeof *x, rows.n, rows.d, LEANN_F32, LEANN_ANGULAR};
    return LEANN_OK;
}

/* ---- building ------------------------------------------------------------------------------------------------------------------- */

static leann_index *new_index(leann_ctx *ctx, const leann_method_type *type, void *params)
{
    assert(type->index_size >= sizeof(leann_index));
    leann_index *index = leann_alloc(ctx, 1, type->index_size);
    if (!index) {
        leann_params_free(type->common.params, params);
        return NULL;
    }
    index->type = type;
    index->params = params;
    leann_value *config = config_value(type, params);
    index->config = leann_value_json(config, true, 0);
    leann_value_free(config);
    if (index->config) return index;
    leann_fail(ctx, LEANN_ENOMEM, "no memory for a configuration");
    leann_index_free(index);
    return NULL;
}

/* The passages of a data set that knows where they lie; NULL where it has none, or does not know. */
static leann_status find_passages(leann_ctx *ctx, const leann_dataset *data, const leann_passages **out)
{
    const leann_passages *passages = NULL;
    *out = NULL;
    leann_status status = data->passages ? data->passages(data, ctx, &passages) : LEANN_OK;
    if (status == LEANN_ENOTFOUND) {
        leann_ctx_forgive(ctx);
        return LEANN_OK;
    }
    if (status || !passages || !passages->columns) return status;
    if (passages->n != data->train.n)
        return leann_fail(ctx, LEANN_EINVAL, "the data set has %u rows, but %u passages", data->train.n, passages->n);
    *out = passages;
    return LEANN_OK;
}

static leann_status make_references(leann_ctx *ctx, const leann_dataset *data, leann_index *index)
{
    const leann_passages *passages;
    leann_status status = find_passages(ctx, data, &passages);
    if (status || !passages) return status;
    keep_sha(index->encoder, passages->identity);
    return leann_references_make(ctx, passages->columns, &index->references);
}

leann_status leann_method_build(leann_ctx *ctx, const leann_dataset *data, const leann_value *config, leann_stages *stages,
                                leann_index **out)
{
    const leann_method_type *type;
    void *params;
    *out = NULL;
    leann_status status = check_shape(ctx, "the data set", data->train);
    if (!status) status = read_config(ctx, config, &type, &params);
    if (status) return status;
    leann_index *index = new_index(ctx, type, params);
    if (!index) return LEANN_ENOMEM;
    index->n = data->train.n;
    index->d = data->train.d;
    index->source_type = data->train.type;
    index->space = data->train.space;
    index->seed = leann_ctx_seed(ctx);
    keep_sha(index->data_sha, data->sha);
    leann_ctx_facts_clear(ctx); /* those of an earlier build are none of this one's */
    size_t mark = leann_scratch_mark(ctx);
    if (type->check) status = type->check(ctx, index->n, index->d, index->space, params);
    if (!status) status = make_references(ctx, data, index);
    if (!status) status = type->build(ctx, data, stages, index);
    leann_scratch_reset(ctx, mark); /* a build that failed may have left some */
    if (status)
        leann_index_free(index);
    else
        *out = index;
    return status;
}

leann_status leann_data_shape_of(leann_ctx *ctx, const leann_dataset *data, leann_data_shape *out)
{
    const leann_passages *passages;
    *out = (leann_data_shape){.n = data->train.n, .d = data->train.d, .type = data->train.type, .space = data->train.space};
    leann_status status = find_passages(ctx, data, &passages);
    return status || !passages ? status : leann_references_measure(ctx, passages->columns, &out->references);
}

leann_status leann_method_predict(leann_ctx *ctx, uint32_t n, uint32_t d, leann_dtype type, leann_space space, const leann_value *config,
                                  leann_ledger *ledger)
{
    const leann_data_shape data = {.n = n, .d = d, .type = type, .space = space};
    return leann_method_predict_over(ctx, &data, config, ledger);
}

leann_status leann_method_predict_over(leann_ctx *ctx, const leann_data_shape *data, const leann_value *config, leann_ledger *ledger)
{
    const uint32_t n = data->n, d = data->d;
    const leann_space space = data->space;
    const leann_method_type *method;
    void *params;
    leann_status status = read_config(ctx, config, &method, &params);
    if (status) return status;
    leann_index index = {.type = method, .n = n, .d = d, .space = space, .seed = leann_ctx_seed(ctx), .params = params};
    index.source_type = space == LEANN_ANGULAR ? LEANN_F32 : data->type; /* unit rows are floats */
    char *manifest = NULL;
    if (method->check) status = method->check(ctx, n, d, space, params);
    if (!status) {
        manifest = manifest_text(ctx, &index, data->references.n > 0);
        status = manifest ? LEANN_OK : LEANN_ENOMEM;
    }
    if (!status) {
        leann_ledger_begin(ledger);
        leann_ledger_add(ledger, LEANN_PART_META, strlen(manifest));
        method->predict(n, d, index.source_type, space, index.seed, params, ledger);
        leann_references_predict(&data->references, ledger);
        leann_ledger_end(ledger);
    }
    leann_free(manifest);
    leann_params_free(method->common.params, params);
    return status;
}

leann_status leann_index_build(leann_ctx *ctx, leann_rows rows, const char *config, leann_index **out)
{
    begin_call(ctx);
    *out = NULL;
    leann_value *value = NULL;
    leann_dataset data = {.name = "", .sha = ""};
    float *unit = NULL;
    leann_status status = config ? leann_config_parse(ctx, "configuration", config, strlen(config), &value)
                                 : leann_fail(ctx, LEANN_EINVAL, "no configuration given (config is NULL)");
    if (!status) status = check_shape(ctx, "the rows", rows);
    if (!status) status = leann_rows_check(ctx, rows);
    if (!status) status = unit_rows(ctx, rows, 1, &data.train, &unit);
    if (!status) status = leann_method_build(ctx, &data, value, NULL, out);
    leann_free(unit);
    leann_value_free(value);
    return status;
}

/* ---- files ----------------------------------------------------------------------------------------------------------------------- */

leann_status leann_index_save(leann_ctx *ctx, const leann_index *index, const char *path)
{
    begin_call(ctx);
    leann_writer *w = NULL;
    char *manifest = manifest_text(ctx, index, index->references != NULL);
    leann_status status = manifest ? leann_writer_new(ctx, path, &w) : LEANN_ENOMEM;
    if (!status) status = leann_writer_add(w, "manifest", LEANN_PART_META, LEANN_BYTES, strlen(manifest), 1, manifest);
    if (!status) status = index->type->save(index, w);
    if (!status && index->references) status = leann_references_save(index->references, w);
    if (!status) status = leann_writer_commit(w);
    leann_writer_free(w);
    leann_free(manifest);
    return status;
}

static leann_status open_index(leann_ctx *ctx, leann_reader *r, const leann_value *manifest, leann_index **out)
{
    const leann_method_type *type;
    void *params;
    leann_status status = check_revisions(ctx, leann_reader_path(r), leann_value_get(manifest, "revisions"));
    if (status) return status;
    leann_value *config = leann_value_new_map();
    leann_value_set(config, "method", leann_value_copy(leann_value_get(manifest, "method")));
    leann_value_set(config, "build", leann_value_copy(leann_value_get(manifest, "build")));
    status = read_config(ctx, config, &type, &params);
    leann_value_free(config);
    if (status) return status;
    leann_index *index = new_index(ctx, type, params);
    if (!index) return LEANN_ENOMEM;
    status = fill_from_manifest(ctx, leann_reader_path(r), manifest, index);
    /* a file's parameters are no more to be trusted than a user's: what would not be built is not opened */
    if (!status && type->check) status = type->check(ctx, index->n, index->d, index->space, params);
    if (!status) {
        index->reader = leann_reader_keep(r);
        status = type->open(ctx, r, index);
    }
    if (!status) status = leann_references_open(ctx, r, index->n, &index->references);
    if (status)
        leann_index_free(index);
    else
        *out = index;
    return status;
}

leann_status leann_index_open(leann_ctx *ctx, const char *path, leann_index **out)
{
    begin_call(ctx);
    leann_reader *r = NULL;
    leann_value *manifest = NULL;
    *out = NULL;
    leann_status status = leann_reader_open(ctx, path, &r);
    if (!status) status = read_manifest(ctx, r, &manifest);
    if (!status) status = open_index(ctx, r, manifest, out);
    leann_value_free(manifest);
    leann_reader_free(r); /* the index keeps its own reference */
    return status;
}

void leann_index_free(leann_index *index)
{
    if (!index) return;
    index->type->free(index);
    leann_references_free(index->references);
    leann_params_free(index->type->common.params, index->params);
    leann_free(index->config);
    leann_reader_free(index->reader);
    leann_free(index);
}

uint32_t leann_index_size(const leann_index *index)
{
    return index->n;
}
uint32_t leann_index_dimension(const leann_index *index)
{
    return index->d;
}
leann_space leann_index_space(const leann_index *index)
{
    return index->space;
}
const char *leann_index_config(const leann_index *index)
{
    return index->config;
}

/* ---- passages -------------------------------------------------------------------------------------------------------------------- */

static leann_status check_passage(leann_ctx *ctx, const leann_index *index, uint32_t id)
{
    if (id >= index->n) return leann_fail(ctx, LEANN_EINVAL, "row %u asked for, but the index has %u", id, index->n);
    if (index->references) return LEANN_OK;
    return leann_fail(ctx, LEANN_ENOTFOUND, "the index holds no references to passages: its data set was not made by `leann dataset text`");
}

leann_status leann_index_passage(leann_ctx *ctx, const leann_index *index, uint32_t id, leann_reference *out)
{
    begin_call(ctx);
    leann_status status = check_passage(ctx, index, id);
    if (!status) leann_references_get(index->references, id, out);
    return status;
}

leann_status leann_index_passage_lines(leann_ctx *ctx, const leann_index *index, uint32_t id, uint64_t *first, uint64_t *last)
{
    begin_call(ctx);
    leann_status status = check_passage(ctx, index, id);
    return status ? status : leann_references_lines(index->references, ctx, id, first, last);
}

/* ---- plans ----------------------------------------------------------------------------------------------------------------------- */

/* The plan keeps its own description of the source rows, and a unit copy where angular ones are not unit. That is judged by at most 1024
 * of them, evenly spread, so that a plan does not read a whole mapped file: the build has seen them all. */
static leann_status bind_source(leann_ctx *ctx, leann_plan *plan, const leann_rows *source)
{
    const leann_index *index = plan->index;
    leann_status status = check_shape(ctx, "the source rows", *source);
    if (status) return status;
    if (source->n != index->n || source->d != index->d)
        return leann_fail(ctx, LEANN_EINVAL, "the source rows are %u x %u, but the index was built from %u x %u", source->n, source->d,
                          index->n, index->d);
    if (source->space != index->space)
        return leann_fail(ctx, LEANN_EINVAL, "the source rows are %s, but the index is %s", leann_space_word(source->space),
                          leann_space_word(index->space));
    status = unit_rows(ctx, *source, index->n / 1024 + 1, &plan->source_rows, &plan->source_unit);
    if (!status) plan->source = &plan->source_rows;
    return status;
}

static leann_status new_plan(leann_ctx *ctx, const leann_index *index, const char *query, const leann_rows *source,
                             const leann_dataset *data, leann_plan **out)
{
    begin_call(ctx);
    *out = NULL;
    leann_value *value = NULL;
    leann_status status = query ? leann_config_parse(ctx, "query", query, strlen(query), &value) : LEANN_OK;
    if (status) return status;
    assert(index->type->plan_size >= sizeof(leann_plan));
    leann_plan *plan = leann_alloc(ctx, 1, index->type->plan_size);
    if (!plan) {
        leann_value_free(value);
        return LEANN_ENOMEM;
    }
    plan->index = index;
    plan->data = data;
    plan->batch_from = index->type->search_batch ? index->type->batch_from : UINT32_MAX;
    status = read_query(ctx, index->type, value, &plan->params);
    if (!status && source) status = bind_source(ctx, plan, source);
    if (!status && index->type->plan) status = index->type->plan(ctx, plan);
    leann_value_free(value);
    if (status)
        leann_plan_free(plan);
    else
        *out = plan;
    return status;
}

leann_status leann_plan_new(leann_ctx *ctx, const leann_index *index, const char *query, const leann_rows *source, leann_plan **out)
{
    return new_plan(ctx, index, query, source, NULL, out);
}

leann_status leann_plan_over(leann_ctx *ctx, const leann_index *index, const char *query, const leann_dataset *data, leann_plan **out)
{
    return new_plan(ctx, index, query, &data->train, data, out);
}

void leann_plan_free(leann_plan *plan)
{
    if (!plan) return;
    if (plan->index->type->plan_free) plan->index->type->plan_free(plan);
    if (plan->fetcher) plan->fetcher->type->free(plan->fetcher);
    leann_params_free(plan->index->type->query, plan->params);
    leann_free(plan->source_unit);
    leann_free(plan);
}

/* ---- searches -------------------------------------------------------------------------------------------------------------------- */

static leann_status check_search(leann_ctx *ctx, const leann_index *index, leann_rows queries, uint32_t k)
{
    if (k == 0) return leann_fail(ctx, LEANN_EINVAL, "k is 0, but at least 1");
    if (k > index->n) return leann_fail(ctx, LEANN_EINVAL, "k is %u, but at most n = %u", k, index->n);
    leann_status status = check_shape(ctx, "the queries", queries);
    if (status) return status;
    if (queries.d != index->d) return leann_fail(ctx, LEANN_EINVAL, "queries have dimension %u, but the index has %u", queries.d, index->d);
    if (queries.space != index->space)
        return leann_fail(ctx, LEANN_EINVAL, "queries are %s, but the index is %s", leann_space_word(queries.space),
                          leann_space_word(index->space));
    return LEANN_OK;
}

/* Query i as the method wants it: finite floats, unit under angular. */
static leann_status take_query(leann_ctx *ctx, leann_rows queries, uint32_t i, float *q)
{
    double sum = 0;
    leann_rows_floats(queries, i, 1, q);
    for (uint32_t j = 0; j < queries.d; j++) {
        if (!isfinite(q[j])) return leann_fail(ctx, LEANN_EINVAL, "query %u has %f in column %u", i, (double)q[j], j);
        sum += (double)q[j] * q[j];
    }
    if (queries.space != LEANN_ANGULAR) return LEANN_OK;
    if (sum == 0) return leann_fail(ctx, LEANN_EINVAL, "query %u is zero, which has no angle", i);
    if (!is_unit((float)sum)) make_unit(q, queries.d);
    return LEANN_OK;
}

static float distance_of(leann_space space, float key)
{
    if (space == LEANN_IP) return key;
    float positive = key > 0 ? key : 0; /* sums of products may end a little below zero */
    return space == LEANN_L2 ? sqrtf(positive) : positive / 2;
}

/* One query's answer as the caller sees it: distances, and padding where fewer than k were found. */
static void finish_answer(const leann_index *index, uint32_t k, uint32_t found, uint32_t *ids, float *dist)
{
    assert(found <= k);
    for (uint32_t j = 0; j < found; j++) assert(ids[j] < index->n && (j == 0 || dist[j - 1] <= dist[j]));
    for (uint32_t j = 0; j < found; j++) dist[j] = distance_of(index->space, dist[j]);
    for (uint32_t j = found; j < k; j++) {
        ids[j] = LEANN_NONE;
        dist[j] = INFINITY;
    }
}

/* Queries [first, first + n) at once where the method can, q: room for them; n is 1 where it cannot. */
static leann_status search_block(const leann_plan *plan, leann_ctx *ctx, leann_rows queries, uint32_t first, uint32_t n, float *q,
                                 uint32_t k, uint32_t *ids, float *dist, leann_work *work)
{
    const leann_method_type *type = plan->index->type;
    leann_work *own = leann_ctx_work(ctx), *each = leann_scratch(ctx, n * sizeof *each);
    uint32_t *found = leann_scratch(ctx, n * sizeof *found);
    if (!each || !found) return LEANN_ENOMEM;
    memset(found, 0, n * sizeof *found);
    if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; i < n && !status; i++) status = take_query(ctx, queries, first + i, q + (size_t)i * queries.d);
    bool at_once = n >= plan->batch_from;
    *own = (leann_work){0};
    if (!status && at_once) status = type->search_batch(plan, ctx, q, n, k, ids, dist, found, each);
    for (uint32_t i = 0; i < n && !status && !at_once; i++) {
        size_t at = (size_t)i * k;
        *own = (leann_work){0};
        status = type->search(plan, ctx, q + (size_t)i * queries.d, k, ids + at, dist + at, &found[i]);
        each[i] = *own;
    }
    if (status) return status;
    for (uint32_t i = 0; i < n; i++) finish_answer(plan->index, k, found[i], ids + (size_t)i * k, dist + (size_t)i * k);
    if (work) memcpy(work, each, n * sizeof *each);
    return LEANN_OK;
}

/* As many queries as are taken at once: 16 MiB of floats. */
static uint32_t block_of(const leann_plan *plan, leann_rows queries)
{
    enum { FLOATS = 1 << 22, MOST = 4096 };
    uint32_t most = FLOATS / queries.d;
    if (plan->batch_from == UINT32_MAX || most < 1) return 1;
    if (most > MOST) most = MOST;
    return most < queries.n ? most : queries.n;
}

leann_status leann_search(const leann_plan *plan, leann_ctx *ctx, leann_rows queries, uint32_t k, uint32_t *ids, float *dist,
                          leann_work *work)
{
    begin_call(ctx);
    if (queries.n == 0) return LEANN_OK;
    leann_status status = check_search(ctx, plan->index, queries, k);
    if (status) return status;
    size_t mark = leann_scratch_mark(ctx);
    uint32_t block = block_of(plan, queries);
    float *q = leann_scratch(ctx, (size_t)block * queries.d * sizeof *q);
    if (!q) status = LEANN_ENOMEM;
    for (uint32_t i = 0; i < queries.n && !status; i += block) {
        size_t inner = leann_scratch_mark(ctx), at = (size_t)i * k;
        uint32_t n = queries.n - i < block ? queries.n - i : block;
        status = search_block(plan, ctx, queries, i, n, q, k, ids + at, dist + at, work ? work + i : NULL);
        leann_scratch_reset(ctx, inner);
    }
    leann_scratch_reset(ctx, mark);
    return status;
}
