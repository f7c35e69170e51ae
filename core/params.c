/* params.c – tables of parameters: a map of given values -> a plug-in's struct, and back. O(parameters x given names).
 *
 * Differs from most option parsers: numbers may come as reals that are whole (JSON writers do that), and a word "yes" or "no" may come
 * as the boolean that YAML makes of it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/params.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/plugin.h"

enum { MAX_NAMES = 64, MAX_WORD = 64 };

uint32_t leann_count_of(leann_count count, uint32_t n)
{
    double wanted = count.per_sqrt_n ? count.value * sqrt((double)n) : count.value;
    if (!(wanted >= 1.5)) return 1; /* a NaN too */
    return wanted >= (double)n ? (n ? n : 1) : (uint32_t)(wanted + 0.5);
}

static const char *article_of(leann_value_kind kind)
{
    static const char *const words[] = {"null", "a boolean", "an integer", "a number", "text", "a list", "a map"};
    return words[kind];
}

static leann_status wrong_type(leann_ctx *ctx, const char *where, const leann_param *p, const leann_value *v, const char *wanted)
{
    if (leann_value_type(v) == LEANN_V_NULL && p->preset)
        return leann_fail(ctx, LEANN_EINVAL, "%s of %s is null, but must be %s; leave it out for its default, %s", p->name, where, wanted,
                          p->preset);
    char *shown = leann_value_json(v, false, 0);
    leann_status status = leann_fail(ctx, LEANN_EINVAL, "%s of %s is %.60s, %s, but must be %s", p->name, where, shown ? shown : "?",
                                     article_of(leann_value_type(v)), wanted);
    leann_free(shown);
    return status;
}

/* Words "a|b|c": how many, and the i-th into word. */
static bool word_at(const char *words, size_t i, char word[MAX_WORD])
{
    while (i-- > 0) {
        words = strchr(words, '|');
        if (!words) return false;
        words++;
    }
    size_t length = strcspn(words, "|");
    assert(length < MAX_WORD);
    memcpy(word, words, length);
    word[length] = 0;
    return true;
}

static int index_of_word(const char *words, const char *given)
{
    char word[MAX_WORD];
    for (size_t i = 0; word_at(words, i, word); i++)
        if (strcmp(word, given) == 0) return (int)i;
    return -1;
}

static leann_status unknown_word(leann_ctx *ctx, const char *where, const leann_param *p, const char *given)
{
    char text[MAX_NAMES][MAX_WORD];
    const char *list[MAX_NAMES];
    size_t n = 0;
    for (; n < MAX_NAMES && word_at(p->words, n, text[n]); n++) list[n] = text[n];
    const char *nearest = leann_nearest_word(given, list, n);
    if (nearest)
        return leann_fail(ctx, LEANN_EINVAL, "%s of %s is '%.60s', but must be %s; did you mean '%s'?", p->name, where, given, p->words,
                          nearest);
    return leann_fail(ctx, LEANN_EINVAL, "%s of %s is '%.60s', but must be %s", p->name, where, given, p->words);
}

static leann_status read_word(leann_ctx *ctx, const char *where, const leann_param *p, const leann_value *v, int *out)
{
    char number[32];
    const char *given = leann_value_text(v, NULL);
    if (leann_value_type(v) == LEANN_V_INT) {
        snprintf(number, sizeof number, "%lld", (long long)leann_value_int(v, 0));
        given = number;
    }
    *out = given ? index_of_word(p->words, given) : -1;
    if (leann_value_type(v) == LEANN_V_BOOL) { /* YAML reads a bare yes as true */
        static const char *const names[2][3] = {{"no", "false", "off"}, {"yes", "true", "on"}};
        bool truth = leann_value_bool(v, false);
        for (int i = 0; i < 3 && *out < 0; i++) *out = index_of_word(p->words, names[truth][i]);
        given = names[truth][1];
    }
    if (*out >= 0) return LEANN_OK;
    return given ? unknown_word(ctx, where, p, given) : wrong_type(ctx, where, p, v, p->words);
}

static leann_status read_bool(leann_ctx *ctx, const char *where, const leann_param *p, const leann_value *v, bool *out)
{
    const char *text = leann_value_text(v, "");
    if (leann_value_type(v) == LEANN_V_BOOL)
        *out = leann_value_bool(v, false);
    else if (strcmp(text, "yes") == 0 || strcmp(text, "true") == 0)
        *out = true;
    else if (strcmp(text, "no") == 0 || strcmp(text, "false") == 0)
        *out = false;
    else
        return wrong_type(ctx, where, p, v, "yes or no");
    return LEANN_OK;
}

static leann_status read_number(leann_ctx *ctx, const char *where, const leann_param *p, const leann_value *v, bool whole, double *out)
{
    leann_value_kind kind = leann_value_type(v);
    if (kind != LEANN_V_INT && kind != LEANN_V_REAL) return wrong_type(ctx, where, p, v, whole ? "an integer" : "a number");
    double number = leann_value_real(v, 0);
    if (whole && number != floor(number)) return wrong_type(ctx, where, p, v, "an integer");
    if (!(number >= p->min && number <= p->max))
        return leann_fail(ctx, LEANN_EINVAL, "%s of %s is %.15g, but must be between %.15g and %.15g", p->name, where, number, p->min,
                          p->max);
    *out = number;
    return LEANN_OK;
}

static leann_status read_count(leann_ctx *ctx, const char *where, const leann_param *p, const leann_value *v, leann_count *out)
{
    if (leann_value_type(v) != LEANN_V_MAP) {
        if (leann_value_type(v) != LEANN_V_INT && leann_value_type(v) != LEANN_V_REAL)
            return wrong_type(ctx, where, p, v, "a number or {sqrt_n: factor}");
        out->per_sqrt_n = false;
        return read_number(ctx, where, p, v, true, &out->value);
    }
    const leann_value *factor = leann_value_get(v, "sqrt_n");
    if (!factor || leann_value_count(v) != 1) return wrong_type(ctx, where, p, v, "a number or {sqrt_n: factor}");
    leann_param table = {.name = p->name, .min = 1e-6, .max = 1e6};
    char *place = leann_format(ctx, "%s (times sqrt n)", where);
    if (!place) return LEANN_ENOMEM;
    out->per_sqrt_n = true;
    leann_status status = read_number(ctx, place, &table, factor, false, &out->value);
    leann_free(place);
    return status;
}

static leann_status read_text(leann_ctx *ctx, const char *where, const leann_param *p, const leann_value *v, char **out)
{
    char *shown = leann_value_type(v) == LEANN_V_INT ? leann_value_json(v, true, 0) : NULL; /* a name such as 2024 */
    const char *text = shown ? shown : leann_value_text(v, NULL);
    if (!text) return wrong_type(ctx, where, p, v, "text");
    *out = leann_format(ctx, "%s", text);
    leann_free(shown);
    return *out ? LEANN_OK : LEANN_ENOMEM;
}

static leann_status read_one(leann_ctx *ctx, const char *where, const leann_param *p, const leann_value *v, void *params)
{
    void *field = (char *)params + p->offset;
    double number = 0;
    leann_status status;
    switch (p->type) {
    case LEANN_P_INT:
        assert(p->min >= 0 && p->max <= UINT32_MAX);
        status = read_number(ctx, where, p, v, true, &number);
        if (!status) *(uint32_t *)field = (uint32_t)number;
        return status;
    case LEANN_P_REAL:
        return read_number(ctx, where, p, v, false, field);
    case LEANN_P_BOOL:
        return read_bool(ctx, where, p, v, field);
    case LEANN_P_WORD:
        return read_word(ctx, where, p, v, field);
    case LEANN_P_TEXT:
        return read_text(ctx, where, p, v, field);
    case LEANN_P_COUNT:
        return read_count(ctx, where, p, v, field);
    case LEANN_P_PLUGIN:
        return leann_choice_new(ctx, p->words, v, field);
    }
    return LEANN_OK;
}

static const leann_param *find_param(const leann_param *table, const char *name)
{
    for (const leann_param *p = table; p && p->name; p++)
        if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

static leann_status unknown_name(leann_ctx *ctx, const char *where, const leann_param *table, const char *given)
{
    const char *names[MAX_NAMES];
    char all[512] = "";
    size_t n = 0, used = 0;
    for (const leann_param *p = table; p && p->name && n < MAX_NAMES; p++) {
        int wrote = snprintf(all + used, sizeof all - used, "%s%s", n ? ", " : "", p->name);
        if (wrote > 0 && used + (size_t)wrote < sizeof all) used += (size_t)wrote;
        names[n++] = p->name;
    }
    if (n == 0) return leann_fail(ctx, LEANN_EINVAL, "unknown parameter '%.60s' of %s, which has none", given, where);
    const char *nearest = leann_nearest_word(given, names, n);
    if (nearest) return leann_fail(ctx, LEANN_EINVAL, "unknown parameter '%.60s' of %s; did you mean '%s'?", given, where, nearest);
    return leann_fail(ctx, LEANN_EINVAL, "unknown parameter '%.60s' of %s; it has %s", given, where, all);
}

static bool has_preset(const leann_param *p)
{
    return p->preset && strcmp(p->preset, "none-given") != 0;
}

static leann_status read_preset(leann_ctx *ctx, const char *where, const leann_param *p, void *params)
{
    if (!has_preset(p)) return LEANN_OK; /* the zeroed field says so */
    leann_value *v = NULL;
    leann_status status = leann_config_parse(ctx, p->name, p->preset, strlen(p->preset), &v);
    if (!status) status = read_one(ctx, where, p, v, params);
    leann_value_free(v);
    return status;
}

leann_status leann_params_new(leann_ctx *ctx, const char *where, const leann_param *table, size_t size, const leann_value *given,
                              void **out)
{
    *out = NULL;
    leann_value_kind kind = leann_value_type(given);
    if (kind != LEANN_V_NULL && kind != LEANN_V_MAP)
        return leann_fail(ctx, LEANN_EINVAL, "the parameters of %s are %s, but must be a map {name: value, …}", where, article_of(kind));
    size_t count = leann_value_count(given);
    for (size_t i = 0; i < count; i++) {
        const char *name = NULL;
        leann_value_entry(given, i, &name);
        if (!find_param(table, name)) return unknown_name(ctx, where, table, name);
    }
    void *params = leann_alloc(ctx, 1, size ? size : 1);
    if (!params) return LEANN_ENOMEM;
    leann_status status = LEANN_OK;
    for (const leann_param *p = table; p && p->name && !status; p++) {
        const leann_value *v = leann_value_get(given, p->name);
        bool absent = !v || (!has_preset(p) && leann_value_type(v) == LEANN_V_NULL); /* null: "none given", where that is a value */
        status = absent ? read_preset(ctx, where, p, params) : read_one(ctx, where, p, v, params);
    }
    if (status)
        leann_params_free(table, params);
    else
        *out = params;
    return status;
}

void leann_params_free(const leann_param *table, void *params)
{
    if (!params) return;
    for (const leann_param *p = table; p && p->name; p++) {
        void *field = (char *)params + p->offset;
        if (p->type == LEANN_P_TEXT) leann_free(*(char **)field);
        if (p->type == LEANN_P_PLUGIN) leann_choice_free(*(leann_choice *)field);
    }
    leann_free(params);
}

static leann_value *value_of_count(leann_count count)
{
    if (!count.per_sqrt_n) return leann_value_new_int((int64_t)count.value);
    leann_value *map = leann_value_new_map();
    leann_value_set(map, "sqrt_n", leann_value_new_real(count.value));
    return map;
}

static leann_value *value_of(const leann_param *p, const void *params)
{
    const void *field = (const char *)params + p->offset;
    char word[MAX_WORD];
    switch (p->type) {
    case LEANN_P_INT:
        return leann_value_new_int(*(const uint32_t *)field);
    case LEANN_P_REAL:
        return leann_value_new_real(*(const double *)field);
    case LEANN_P_BOOL:
        return leann_value_new_bool(*(const bool *)field);
    case LEANN_P_WORD:
        return word_at(p->words, (size_t) * (const int *)field, word) ? leann_value_new_text(word) : leann_value_new_null();
    case LEANN_P_TEXT:
        return *(const char *const *)field ? leann_value_new_text(*(const char *const *)field) : leann_value_new_null();
    case LEANN_P_COUNT:
        if (((const leann_count *)field)->value == 0) return leann_value_new_null(); /* none given */
        return value_of_count(*(const leann_count *)field);
    case LEANN_P_PLUGIN:
        return leann_choice_value(*(const leann_choice *)field);
    }
    return leann_value_new_null();
}

bool leann_param_left_out(const leann_param *p, const void *params)
{
    const void *field = (const char *)params + p->offset;
    if (!p->late) return false;
    return p->type == LEANN_P_PLUGIN ? strcmp(((const leann_choice *)field)->plugin->name, p->preset) == 0 : *(const uint32_t *)field == 0;
}

leann_value *leann_params_value(const leann_param *table, const void *params)
{
    leann_value *map = leann_value_new_map();
    for (const leann_param *p = table; p && p->name; p++) {
        if (leann_param_left_out(p, params)) continue;
        leann_value_set(map, p->name, value_of(p, params));
    }
    return map;
}

/* ---- choices ----------------------------------------------------------------------------------------------------------------- */

leann_value *leann_choice_value(leann_choice choice)
{
    if (!choice.plugin) return leann_value_new_null();
    if (!choice.plugin->params || !choice.plugin->params->name) return leann_value_new_text(choice.plugin->name);
    leann_value *map = leann_value_new_map();
    leann_value_set(map, choice.plugin->name, leann_params_value(choice.plugin->params, choice.params));
    return map;
}

leann_status leann_choice_new(leann_ctx *ctx, const char *kind_word, const leann_value *given, leann_choice *out)
{
    leann_kind kind;
    *out = (leann_choice){0};
    leann_status status = leann_kind_find(ctx, kind_word, &kind);
    if (status) return status;
    const char *word = leann_value_text(given, NULL);
    const leann_value *params = NULL;
    if (leann_value_type(given) == LEANN_V_MAP && leann_value_count(given) == 1) params = leann_value_entry(given, 0, &word);
    if (!word) {
        char *shown = leann_value_json(given, false, 0);
        status = leann_fail(ctx, LEANN_EINVAL, "%s is %.60s, but must be a word or {word: {parameter: value, …}}", kind_word,
                            shown ? shown : "?");
        leann_free(shown);
        return status;
    }
    const leann_plugin *plugin = leann_plugin_find(ctx, kind, word);
    if (!plugin) return leann_ctx_status(ctx);
    char *where = leann_format(ctx, "%s %s", kind_word, plugin->name);
    if (!where) return LEANN_ENOMEM;
    void *made = NULL;
    status = leann_params_new(ctx, where, plugin->params, plugin->params_size, params, &made);
    leann_free(where);
    if (!status) *out = (leann_choice){plugin, made};
    return status;
}

void leann_choice_free(leann_choice choice)
{
    if (choice.plugin) leann_params_free(choice.plugin->params, (void *)choice.params);
}
