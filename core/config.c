/* config.c – YAML or JSON text of at most 16 MiB -> a value tree, O(size); and the nearest word to a misspelt one.
 *
 * Works on libfyaml's events with a stack of open containers, so that aliases are copied under a limit on the number of nodes (the
 * "billion laughs" document ends in an error) and every error has its line.
 * Source: YAML 1.2.2, core schema; edit distance with transpositions: Damerau 1964, restricted form.
 * Differs: yes and no are booleans too; infinities, NaN, tags but !!str, keys that are no scalars and more than one document are
 * refused.
 *
 * SPDX-License-Identifier: MIT */
#include "core/value.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <libfyaml.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/container.h"

enum { MAX_BYTES = 16 << 20, MAX_DEPTH = 64, MAX_NODES = 1 << 20, MAX_ANCHORS = 4096 };

/* ---- scalars --------------------------------------------------------------------------------------------------------------- */

static bool one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

static size_t digits(const char *s)
{
    return strspn(s, "0123456789");
}

static bool is_integer(const char *s)
{
    if (s[0] == '0' && s[1] == 'o') return s[2] && s[2 + strspn(s + 2, "01234567")] == 0;
    if (s[0] == '0' && s[1] == 'x') return s[2] && s[2 + strspn(s + 2, "0123456789abcdefABCDEF")] == 0;
    s += *s == '+' || *s == '-';
    return *s && s[digits(s)] == 0;
}

static bool is_real(const char *s)
{
    s += *s == '+' || *s == '-';
    size_t whole = digits(s), part = 0;
    s += whole;
    if (*s == '.') {
        part = digits(++s);
        s += part;
    }
    if (whole + part == 0) return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '+' || *s == '-';
        if (digits(s) == 0) return false;
        s += digits(s);
    }
    return *s == 0;
}

/* strtod obeys the locale's decimal point; jansson's own number reader does not, so the text goes through it as JSON. */
static leann_value *real_of(const char *s)
{
    char json[400];
    size_t n = 0;
    if (strlen(s) > 300) return NULL;
    if (*s == '-') json[n++] = '-';
    s += *s == '+' || *s == '-';
    size_t whole = digits(s), zeros = strspn(s, "0");
    if (zeros >= whole) json[n++] = '0'; /* .5 and 00.5 -> 0.5 */
    for (size_t i = zeros; i < whole; i++) json[n++] = s[i];
    s += whole;
    if (*s == '.' && digits(s + 1) == 0)
        s++; /* 1. -> 1 */
    else if (*s == '.') {
        json[n++] = *s++;
        for (size_t i = digits(s); i > 0; i--) json[n++] = *s++;
    }
    bool exponent = *s == 'e' || *s == 'E';
    while (*s) json[n++] = *s++;
    if (!exponent) { /* so that it stays a real */
        json[n++] = 'e';
        json[n++] = '0';
    }
    return json_loadb(json, n, JSON_DECODE_ANY, NULL);
}

/* A plain scalar as the core schema sees it; NULL with a reason that ends "… is refused: <why>". */
static leann_value *plain_scalar(const char *s, const char **why)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", "yes", "Yes", "YES", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", "no", "No", "NO", NULL};
    static const char *const endless[] = {".inf", ".Inf", ".INF", "+.inf", "-.inf", "+.Inf", "-.Inf", ".nan", ".NaN", ".NAN", NULL};
    *why = "memory ran out";
    if (one_of(s, nulls)) return json_null();
    if (one_of(s, trues)) return json_true();
    if (one_of(s, falses)) return json_false();
    if (one_of(s, endless)) {
        *why = "numbers must be finite";
        return NULL;
    }
    if (is_integer(s)) {
        int base = s[0] == '0' && s[1] == 'o' ? 8 : s[0] == '0' && s[1] == 'x' ? 16 : 10;
        errno = 0;
        long long number = strtoll(base == 8 ? s + 2 : s, NULL, base);
        if (errno == 0) return json_integer(number);
        *why = "integers have at most 64 bits";
        return NULL;
    }
    if (is_real(s)) {
        *why = "numbers go up to 1e308";
        json_t *v = real_of(s);
        if (!v || fabs(json_real_value(v)) <= 1e308) return v;
        json_decref(v);
        return NULL;
    }
    return json_string(s);
}

/* ---- documents ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    json_t *container; /* borrowed from its parent, or from the loader's root */
    char *key;         /* map: the key whose value comes next, NULL when a key comes next */
    char *anchor;      /* name to register when it ends */
} level;

typedef struct {
    leann_ctx *ctx;
    const char *what;
    struct fy_parser *parser;
    json_t *root;
    level open[MAX_DEPTH + 1];
    unsigned depth;
    size_t nodes;
    json_t *anchors; /* name -> value, as it was when complete */
    bool done;       /* one document was read */
} loader;

static leann_status refuse(loader *l, struct fy_event *event, const char *sentence, const char *detail)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    int line = mark ? mark->line + 1 : 1, column = mark ? mark->column + 1 : 1;
    return leann_fail(l->ctx, LEANN_EFORMAT, "%s:%d:%d: %s%s%s", l->what, line, column, sentence, detail ? " " : "", detail ? detail : "");
}

static char *token_text(struct fy_token *token, size_t *length)
{
    const char *text = token ? fy_token_get_text(token, length) : NULL;
    if (!text) *length = 0;
    return text ? strndup(text, *length) : strdup("");
}

/* Nodes of a tree, at most limit + 1. */
static size_t nodes_of(json_t *v, size_t limit)
{
    size_t n = 1;
    for (size_t i = 0; i < json_array_size(v) && n <= limit; i++) n += nodes_of(json_array_get(v, i), limit - n);
    for (void *at = json_object_iter(v); at && n <= limit; at = json_object_iter_next(v, at))
        n += nodes_of(json_object_iter_value(at), limit - n);
    return n;
}

static unsigned depth_of(json_t *v)
{
    unsigned deepest = 0;
    for (size_t i = 0; i < json_array_size(v); i++) {
        unsigned depth = depth_of(json_array_get(v, i));
        deepest = depth > deepest ? depth : deepest;
    }
    for (void *at = json_object_iter(v); at; at = json_object_iter_next(v, at)) {
        unsigned depth = depth_of(json_object_iter_value(at));
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + (json_is_array(v) || json_is_object(v));
}

/* Puts v, whose reference is taken over, where the next value belongs. */
static leann_status place(loader *l, struct fy_event *event, json_t *v)
{
    if (!v) return leann_fail(l->ctx, LEANN_ENOMEM, "%s: memory ran out", l->what);
    if (++l->nodes > MAX_NODES) {
        json_decref(v);
        return refuse(l, event, "more than 1048576 values", NULL);
    }
    if (l->depth == 0) {
        l->root = v;
        return LEANN_OK;
    }
    level *top = &l->open[l->depth - 1];
    int failed;
    if (json_is_array(top->container))
        failed = json_array_append_new(top->container, v);
    else {
        failed = json_object_set_new(top->container, top->key, v);
        free(top->key);
        top->key = NULL;
    }
    return failed ? refuse(l, event, "a key is not UTF-8 text, or memory ran out", NULL) : LEANN_OK;
}

static leann_status name_anchor(loader *l, struct fy_event *event, const char *name, json_t *v)
{
    if (json_object_size(l->anchors) >= MAX_ANCHORS) return refuse(l, event, "more than 4096 anchors", NULL);
    json_t *copy = json_deep_copy(v);
    l->nodes += nodes_of(v, MAX_NODES);
    if (l->nodes > MAX_NODES) {
        json_decref(copy);
        return refuse(l, event, "more than 1048576 values", NULL);
    }
    return json_object_set_new(l->anchors, name, copy) ? refuse(l, event, "an anchor is not UTF-8 text:", name) : LEANN_OK;
}

static leann_status take_key(loader *l, struct fy_event *event, char *text)
{
    level *top = &l->open[l->depth - 1];
    if (json_object_get(top->container, text)) {
        leann_status status = refuse(l, event, "key is given twice:", text);
        free(text);
        return status;
    }
    top->key = text;
    return LEANN_OK;
}

static bool wants_key(const loader *l)
{
    return l->depth > 0 && json_is_object(l->open[l->depth - 1].container) && !l->open[l->depth - 1].key;
}

static leann_status take_scalar(loader *l, struct fy_event *event)
{
    size_t length;
    char *text = token_text(event->scalar.value, &length), *anchor = NULL;
    if (!text) return leann_fail(l->ctx, LEANN_ENOMEM, "%s: memory ran out", l->what);
    leann_status status = LEANN_OK;
    if (strlen(text) != length) {
        status = refuse(l, event, "a NUL byte inside text", NULL);
        goto done;
    }
    if (wants_key(l)) {
        status = event->scalar.anchor ? refuse(l, event, "an anchor on a key", NULL) : take_key(l, event, text);
        if (!event->scalar.anchor) text = NULL;
        goto done;
    }
    bool plain = !event->scalar.value || fy_token_scalar_style(event->scalar.value) == FYSS_PLAIN;
    if (event->scalar.tag) {
        size_t tag_length;
        char *tag = token_text(event->scalar.tag, &tag_length);
        bool is_text = tag && (strcmp(tag, "tag:yaml.org,2002:str") == 0 || strcmp(tag, "!") == 0 || strcmp(tag, "!!str") == 0);
        if (!is_text) status = refuse(l, event, "a tag other than !!str:", tag);
        free(tag);
        if (status) goto done;
        plain = false;
    }
    const char *why = "it is not UTF-8";
    json_t *v = plain ? plain_scalar(text, &why) : json_string(text);
    if (!v) {
        char *sentence = leann_format(l->ctx, "'%.40s' is refused: %s", text, why);
        status = refuse(l, event, sentence ? sentence : why, NULL);
        leann_free(sentence);
        goto done;
    }
    if (event->scalar.anchor) {
        anchor = token_text(event->scalar.anchor, &length);
        status = anchor ? name_anchor(l, event, anchor, v) : leann_fail(l->ctx, LEANN_ENOMEM, "%s: memory ran out", l->what);
        if (status) {
            json_decref(v);
            goto done;
        }
    }
    status = place(l, event, v);
done:
    free(anchor);
    free(text);
    return status;
}

static leann_status take_alias(loader *l, struct fy_event *event)
{
    if (wants_key(l)) return refuse(l, event, "an alias as a key", NULL);
    size_t length;
    char *name = token_text(event->alias.anchor, &length);
    if (!name) return leann_fail(l->ctx, LEANN_ENOMEM, "%s: memory ran out", l->what);
    json_t *v = json_object_get(l->anchors, name);
    leann_status status = LEANN_OK;
    if (!v)
        status = refuse(l, event, "no complete value is anchored before this alias:", name);
    else if (l->nodes + nodes_of(v, MAX_NODES) > MAX_NODES)
        status = refuse(l, event, "more than 1048576 values, aliases expanded", NULL);
    else if (l->depth + depth_of(v) > MAX_DEPTH)
        status = refuse(l, event, "nested more than 64 levels deep, aliases expanded", NULL);
    else {
        l->nodes += nodes_of(v, MAX_NODES) - 1;
        status = place(l, event, json_deep_copy(v));
    }
    free(name);
    return status;
}

static leann_status take_start(loader *l, struct fy_event *event, json_t *container, struct fy_token *anchor, struct fy_token *tag)
{
    leann_status status = LEANN_OK;
    if (wants_key(l))
        status = refuse(l, event, "a key that is a list or a map", NULL);
    else if (tag)
        status = refuse(l, event, "a tag on a list or a map", NULL);
    else if (l->depth >= MAX_DEPTH)
        status = refuse(l, event, "nested more than 64 levels deep", NULL);
    if (status) {
        json_decref(container);
        return status;
    }
    status = place(l, event, container);
    if (status) return status;
    level *top = &l->open[l->depth++];
    *top = (level){.container = container};
    if (anchor) {
        size_t length;
        top->anchor = token_text(anchor, &length);
        if (!top->anchor) return leann_fail(l->ctx, LEANN_ENOMEM, "%s: memory ran out", l->what);
    }
    return LEANN_OK;
}

static leann_status take_end(loader *l, struct fy_event *event)
{
    level *top = &l->open[--l->depth];
    leann_status status = top->anchor ? name_anchor(l, event, top->anchor, top->container) : LEANN_OK;
    free(top->anchor);
    free(top->key);
    return status;
}

static leann_status take_event(loader *l, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return l->done ? refuse(l, event, "more than one document", NULL) : LEANN_OK;
    case FYET_DOCUMENT_END:
        l->done = true;
        return LEANN_OK;
    case FYET_SCALAR:
        return take_scalar(l, event);
    case FYET_ALIAS:
        return take_alias(l, event);
    case FYET_SEQUENCE_START:
        return take_start(l, event, json_array(), event->sequence_start.anchor, event->sequence_start.tag);
    case FYET_MAPPING_START:
        return take_start(l, event, json_object(), event->mapping_start.anchor, event->mapping_start.tag);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return take_end(l, event);
    default:
        return LEANN_OK;
    }
}

static leann_status syntax_error(loader *l, struct fy_diag *diag)
{
    void *at = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &at);
    if (!error) return leann_fail(l->ctx, LEANN_EFORMAT, "%s: not YAML", l->what);
    return leann_fail(l->ctx, LEANN_EFORMAT, "%s:%d:%d: %s", l->what, error->line, error->column, error->msg);
}

static leann_status read_events(loader *l, struct fy_diag *diag)
{
    for (;;) {
        struct fy_event *event = fy_parser_parse(l->parser);
        if (!event) return syntax_error(l, diag); /* a stream that is well formed ends with its own event */
        bool last = event->type == FYET_STREAM_END;
        leann_status status = take_event(l, event);
        fy_parser_event_free(l->parser, event);
        if (status || last) return status;
    }
}

static leann_status parse_yaml(leann_ctx *ctx, const char *what, const char *text, size_t bytes, leann_value **out)
{
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.level = FYET_ERROR;
    struct fy_diag *diag = fy_diag_create(&diag_config);
    loader *l = leann_alloc(ctx, 1, sizeof *l);
    leann_status status = LEANN_OK;
    if (!diag || !l) {
        status = leann_fail(ctx, LEANN_ENOMEM, "%s: memory ran out", what);
        goto done;
    }
    fy_diag_set_collect_errors(diag, true);
    *l = (loader){.ctx = ctx, .what = what, .anchors = json_object()};
    struct fy_parse_cfg config = {
        .search_path = "", .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE | FYPCF_DEFAULT_VERSION_1_2, .diag = diag};
    l->parser = fy_parser_create(&config);
    if (!l->parser || !l->anchors || fy_parser_set_string(l->parser, text, bytes)) {
        status = leann_fail(ctx, LEANN_ENOMEM, "%s: memory ran out", what);
        goto done;
    }
    status = read_events(l, diag);
    if (!status) {
        *out = l->root ? l->root : json_null();
        l->root = NULL;
    }
done:
    if (l) {
        while (l->depth > 0) {
            free(l->open[--l->depth].key);
            free(l->open[l->depth].anchor);
        }
        json_decref(l->root);
        json_decref(l->anchors);
        if (l->parser) fy_parser_destroy(l->parser);
    }
    leann_free(l);
    if (diag) fy_diag_destroy(diag);
    return status;
}

/* Most texts given to leann_config_parse are one word or number, a default of a parameter: no parser is needed for those. */
static bool is_plain(const char *text, size_t bytes)
{
    if (bytes == 0 || bytes > 60 || !isalnum((unsigned char)text[0])) return false;
    for (size_t i = 0; i < bytes; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("_.+-", text[i])) return false;
    return text[0] != '-' && text[0] != '.';
}

leann_status leann_config_parse(leann_ctx *ctx, const char *what, const char *text, size_t bytes, leann_value **out)
{
    *out = NULL;
    if (bytes > MAX_BYTES) return leann_fail(ctx, LEANN_ELIMIT, "%s: %zu bytes, but at most %d are read", what, bytes, MAX_BYTES);
    if (memchr(text, 0, bytes)) return leann_fail(ctx, LEANN_EFORMAT, "%s: a NUL byte inside text", what);
    json_t *utf8 = json_stringn(text, bytes); /* libfyaml lets some other bytes pass */
    if (!utf8) return leann_fail(ctx, LEANN_EFORMAT, "%s: not UTF-8 text", what);
    json_decref(utf8);
    if (is_plain(text, bytes)) {
        char word[64];
        const char *why;
        memcpy(word, text, bytes);
        word[bytes] = 0;
        *out = plain_scalar(word, &why);
        return *out ? LEANN_OK : leann_fail(ctx, LEANN_EFORMAT, "%s:1:1: '%s' is refused: %s", what, word, why);
    }
    size_t blank = 0;
    while (blank < bytes && isspace((unsigned char)text[blank])) blank++;
    /* JSON is YAML but for tabs and a few corners, so strict JSON goes to the JSON reader; the YAML reader tells what is wrong. */
    if (blank < bytes && (text[blank] == '{' || text[blank] == '[')) {
        leann_ctx *quiet = leann_ctx_new(0, 1);
        leann_status status = quiet ? leann_value_parse(quiet, what, text, bytes, out) : LEANN_ENOMEM;
        leann_ctx_free(quiet);
        if (!status) return LEANN_OK;
    }
    return parse_yaml(ctx, what, text, bytes, out);
}

leann_status leann_config_load(leann_ctx *ctx, const char *path, leann_value **out)
{
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    leann_status status = leann_file_read(ctx, path, MAX_BYTES, &text, &bytes);
    if (!status) status = leann_config_parse(ctx, path, text, bytes, out);
    leann_free(text);
    return status;
}

/* ---- the nearest word -------------------------------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b, size_t c)
{
    return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/* Insertions, deletions, substitutions and swaps of neighbours; case, '-' and '_' count as equal. */
static size_t edits(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[3][72];
    for (size_t j = 0; j <= m; j++) row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            int x = a[i - 1] == '-' ? '_' : tolower((unsigned char)a[i - 1]), y = b[j - 1] == '-' ? '_' : tolower((unsigned char)b[j - 1]);
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < now[j]) now[j] = before[j - 2] + 1;
        }
    }
    return row[n % 3][m];
}

const char *leann_nearest_word(const char *word, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t length = strlen(word), fewest = SIZE_MAX;
    if (length == 0 || length > 70) return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(words[i]), longest = other > length ? other : length;
        if (other > 70) continue;
        size_t distance = edits(word, length, words[i], other);
        size_t bound = longest / 3 > 1 ? longest / 3 : 1; /* "pw" is near "pq" */
        if (longest > 1 && distance <= bound && distance < fewest) {
            fewest = distance;
            best = words[i];
        }
    }
    return best;
}
