/* value.c – the tree of configuration and message values over jansson's counted JSON nodes; O(1) a call, O(size) to read or write.
 *
 * Source: RFC 8259. Differs: objects keep the order in which they were written; duplicate keys, NUL bytes and more than 64 levels are
 * refused; text that is no UTF-8 (a path, say) keeps its ASCII and shows '?' for the rest.
 *
 * SPDX-License-Identifier: MIT */
#include "core/value.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64, REAL_DIGITS = 15 };
static const double MAX_REAL = 1e308; /* the largest doubles, written with 15 digits, would be read as infinities */

leann_value_kind leann_value_type(const leann_value *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_TRUE:
    case JSON_FALSE:
        return LEANN_V_BOOL;
    case JSON_INTEGER:
        return LEANN_V_INT;
    case JSON_REAL:
        return LEANN_V_REAL;
    case JSON_STRING:
        return LEANN_V_TEXT;
    case JSON_ARRAY:
        return LEANN_V_LIST;
    case JSON_OBJECT:
        return LEANN_V_MAP;
    case JSON_NULL:
        break;
    }
    return LEANN_V_NULL;
}

leann_value *leann_value_new_map(void)
{
    return json_object();
}
leann_value *leann_value_new_list(void)
{
    return json_array();
}
leann_value *leann_value_new_int(int64_t number)
{
    return json_integer(number);
}
leann_value *leann_value_new_real(double number)
{
    return fabs(number) <= MAX_REAL ? json_real(number) : json_null();
}
leann_value *leann_value_new_bool(bool truth)
{
    return json_boolean(truth);
}
leann_value *leann_value_new_null(void)
{
    return json_null();
}
leann_value *leann_value_keep(leann_value *v)
{
    return json_incref(v);
}
leann_value *leann_value_copy(const leann_value *v)
{
    return json_deep_copy(v);
}
void leann_value_free(leann_value *v)
{
    json_decref(v);
}

leann_value *leann_value_new_text(const char *text)
{
    leann_value *v = json_string(text);
    if (v || !text) return v;
    char *ascii = strdup(text); /* not UTF-8, or no memory: then this fails too */
    if (!ascii) return NULL;
    for (char *p = ascii; *p; p++)
        if ((unsigned char)*p >= 0x80) *p = '?';
    v = json_string(ascii);
    free(ascii);
    return v;
}

leann_value *leann_value_get(const leann_value *map, const char *key)
{
    return json_object_get(map, key);
}
void leann_value_set(leann_value *map, const char *key, leann_value *v)
{
    json_object_set_new(map, key, v);
}

size_t leann_value_count(const leann_value *v)
{
    return json_is_array(v) ? json_array_size(v) : json_is_object(v) ? json_object_size(v) : 0;
}
leann_value *leann_value_at(const leann_value *list, size_t i)
{
    return json_array_get(list, i);
}
void leann_value_append(leann_value *list, leann_value *v)
{
    json_array_append_new(list, v);
}

leann_value *leann_value_entry(const leann_value *map, size_t i, const char **key)
{
    json_t *object = (json_t *)map; /* jansson's iterators are not const-correct; nothing is changed */
    void *at = json_object_iter(object);
    while (at && i-- > 0) at = json_object_iter_next(object, at);
    if (!at) return NULL;
    if (key) *key = json_object_iter_key(at);
    return json_object_iter_value(at);
}

leann_value *leann_value_next(const leann_value *map, void **at, const char **key)
{
    json_t *object = (json_t *)map;
    *at = *at ? json_object_iter_next(object, *at) : json_object_iter(object);
    if (!*at) return NULL;
    *key = json_object_iter_key(*at);
    return json_object_iter_value(*at);
}

bool leann_value_bool(const leann_value *v, bool otherwise)
{
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}
int64_t leann_value_int(const leann_value *v, int64_t otherwise)
{
    if (json_is_integer(v)) return json_integer_value(v);
    double real = json_is_real(v) ? json_real_value(v) : NAN; /* 60000.0, as other programs write whole numbers */
    return real == floor(real) && fabs(real) < 9e18 ? (int64_t)real : otherwise;
}
double leann_value_real(const leann_value *v, double otherwise)
{
    return json_is_number(v) ? json_number_value(v) : otherwise;
}
const char *leann_value_text(const leann_value *v, const char *otherwise)
{
    return json_is_string(v) ? json_string_value(v) : otherwise;
}
bool leann_value_equal(const leann_value *a, const leann_value *b)
{
    return json_equal(a, b);
}

char *leann_value_json(const leann_value *v, bool canonical, unsigned indent)
{
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS);
    if (canonical)
        flags |= JSON_SORT_KEYS | JSON_COMPACT;
    else if (indent)
        flags |= JSON_INDENT(indent);
    json_t *null = v ? NULL : json_null();
    return json_dumps(v ? v : null, flags); /* the C library's memory, which is what leann_free gives back */
}

/* NULL, or what is wrong with a tree that jansson has read. */
static const char *fault_of(const json_t *v, unsigned levels)
{
    if (json_is_real(v) && !(fabs(json_real_value(v)) <= MAX_REAL)) return "a number beyond 1e308";
    if (!json_is_array(v) && !json_is_object(v)) return NULL;
    if (levels == 0) return "nested more than 64 levels deep";
    const char *fault = NULL;
    for (size_t i = 0; i < json_array_size(v) && !fault; i++) fault = fault_of(json_array_get(v, i), levels - 1);
    json_t *map = (json_t *)v;
    for (void *at = json_object_iter(map); at && !fault; at = json_object_iter_next(map, at))
        fault = fault_of(json_object_iter_value(at), levels - 1);
    return fault;
}

leann_status leann_value_parse(leann_ctx *ctx, const char *what, const char *text, size_t bytes, leann_value **out)
{
    json_error_t error;
    *out = NULL;
    json_t *v = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!v) return leann_fail(ctx, LEANN_EFORMAT, "%s:%d:%d: %s", what, error.line, error.column, error.text);
    const char *fault = fault_of(v, MAX_DEPTH);
    if (fault) {
        json_decref(v);
        return leann_fail(ctx, LEANN_EFORMAT, "%s: %s", what, fault);
    }
    *out = v;
    return LEANN_OK;
}
