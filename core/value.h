/* value.h – a tree of configuration or message values (null, bool, integer, real, text, list, map), and its JSON form.
 * The only door to jansson; config.h reads YAML into it. Maps keep the order in which they were written.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_VALUE_H
#define LEANN_VALUE_H

#include "core/ctx.h"

typedef struct json_t leann_value; /* counted references: leann_value_free gives one back */

typedef enum { LEANN_V_NULL, LEANN_V_BOOL, LEANN_V_INT, LEANN_V_REAL, LEANN_V_TEXT, LEANN_V_LIST, LEANN_V_MAP } leann_value_kind;

leann_value_kind leann_value_type(const leann_value *v); /* NULL counts as LEANN_V_NULL */
leann_value *leann_value_new_map(void);
leann_value *leann_value_new_list(void);
leann_value *leann_value_new_text(const char *text);
leann_value *leann_value_new_int(int64_t number);
leann_value *leann_value_new_real(double number); /* NaN and infinities become null */
leann_value *leann_value_new_bool(bool truth);
leann_value *leann_value_new_null(void);
leann_value *leann_value_keep(leann_value *v); /* one more reference */
leann_value *leann_value_copy(const leann_value *v); /* deep */
void leann_value_free(leann_value *v);

/* Map: get borrows (NULL when absent); set takes over the reference given, replacing what was there. */
leann_value *leann_value_get(const leann_value *map, const char *key);
void leann_value_set(leann_value *map, const char *key, leann_value *v);
/* List. */
size_t leann_value_count(const leann_value *v); /* entries of a list or a map, else 0 */
leann_value *leann_value_at(const leann_value *list, size_t i);
void leann_value_append(leann_value *list, leann_value *v); /* takes over */
/* Map entry i in written order; key borrowed. */
leann_value *leann_value_entry(const leann_value *map, size_t i, const char **key);
/* Entries of a map one after another, each in O(1): *at is NULL at first; NULL behind the last. The map stays as it is meanwhile. */
leann_value *leann_value_next(const leann_value *map, void **at, const char **key);

bool leann_value_bool(const leann_value *v, bool otherwise);
int64_t leann_value_int(const leann_value *v, int64_t otherwise);
double leann_value_real(const leann_value *v, double otherwise); /* an integer is a real too */
const char *leann_value_text(const leann_value *v, const char *otherwise);
bool leann_value_equal(const leann_value *a, const leann_value *b); /* maps: in any order */

/* JSON text, heap (leann_free). canonical: keys sorted, no spaces, numbers in 15 significant digits: what hashes are taken of.
 * indent 0: one line. NULL only when memory runs out. */
char *leann_value_json(const leann_value *v, bool canonical, unsigned indent);
/* JSON text -> value; what names the text in errors. Refuses duplicate keys and depth > 64. */
leann_status leann_value_parse(leann_ctx *ctx, const char *what, const char *text, size_t bytes, leann_value **out);

/* config.h's job, declared here because callers want one include: YAML or JSON -> value through libfyaml.
 * Plain scalars are resolved as YAML 1.2 core does (yes/no are also accepted as booleans); duplicate keys, anchors that nest
 * deeper than 64 and documents over 16 MiB are refused; errors give file:line. */
leann_status leann_config_load(leann_ctx *ctx, const char *path, leann_value **out);
leann_status leann_config_parse(leann_ctx *ctx, const char *what, const char *text, size_t bytes, leann_value **out);

/* The nearest word by edit distance, or NULL when none is near (more than a third of the letters differ). */
const char *leann_nearest_word(const char *word, const char *const *words, size_t n);

#endif
