/* request.c – bytes from the wire to a request, O(bytes).
 *
 * Source: the two languages of server/request.h.
 * SPDX-License-Identifier: MIT */
#include "server/request.h"

#include <math.h>
#include <string.h>

#include "server/msgpack.h"

const char *const leann_ask_word[LEANN_ASKS] = {"embed",           "count",         "about",       "leann_texts",
                                                "leann_distances", "leann_vectors", "leann_model", "unknown"};

static leann_status take_room(leann_ctx *ctx, const leann_request_limits *limits, size_t n, const char *what, size_t size, void *out)
{
    if (n > limits->texts) return leann_fail(ctx, LEANN_ELIMIT, "the request has %zu %s; the limit is %u", n, what, limits->texts);
    void *room = leann_alloc(ctx, n, size);
    if (!room) return LEANN_ENOMEM;
    memcpy(out, &room, sizeof room);
    return LEANN_OK;
}

static leann_status check_text(leann_ctx *ctx, const leann_request_limits *limits, size_t i, size_t bytes)
{
    if (bytes <= limits->text_bytes) return LEANN_OK;
    return leann_fail(ctx, LEANN_ELIMIT, "text %zu has %zu bytes; the limit is %zu", i, bytes, limits->text_bytes);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------- */

static const char *const keys[] = {"ask", "texts", "lengths", "role", "vectors", "timeout_ms"};
static const char *const asks[] = {"embed", "count", "about", NULL}, *const roles[] = {"passage", "query", NULL},
                         *const forms[] = {"numbers", "frame", NULL};

enum { MAX_OPENS = 8 };

/* Whether a parser may make a tree of it: hardly more than the largest right request has. An empty object takes it 200 bytes for two of the
 * message's. */
static leann_status check_size(leann_ctx *ctx, leann_frame frame, const leann_request_limits *limits)
{
    const char *text = frame.at;
    size_t opens = 0, commas = 0;
    bool quoted = false;
    for (size_t i = 0; i < frame.bytes; i++) {
        if (text[i] == '"') quoted = !quoted;
        if (quoted)
            i += text[i] == '\\';
        else
            opens += text[i] == '{' || text[i] == '[', commas += text[i] == ',';
    }
    if (opens > MAX_OPENS) return leann_fail(ctx, LEANN_EFORMAT, "the request has more than %d objects and lists", MAX_OPENS);
    if (commas > (size_t)limits->texts + sizeof keys / sizeof *keys)
        return leann_fail(ctx, LEANN_ELIMIT, "the request has more texts than %u, the limit", limits->texts);
    return LEANN_OK;
}

static leann_status check_keys(leann_ctx *ctx, const leann_value *tree)
{
    enum { KEYS = sizeof keys / sizeof *keys };
    const char *key;
    for (void *at = NULL; leann_value_next(tree, &at, &key);) {
        size_t i = 0;
        while (i < KEYS && strcmp(key, keys[i]) != 0) i++;
        if (i < KEYS) continue;
        const char *nearest = leann_nearest_word(key, keys, KEYS);
        return leann_fail(ctx, LEANN_EINVAL, "unknown key '%.60s'%s%s%s", key, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                          nearest ? "'?" : "");
    }
    return LEANN_OK;
}

/* The word under a key, as its place among words; the first where the key is not there. */
static leann_status word_of(leann_ctx *ctx, const leann_value *tree, const char *key, const char *const *words, int *out)
{
    const leann_value *v = leann_value_get(tree, key);
    const char *word = v ? leann_value_text(v, "") : words[0];
    for (*out = 0; words[*out]; (*out)++)
        if (strcmp(word, words[*out]) == 0) return LEANN_OK;
    return leann_fail(ctx, LEANN_EINVAL, "\"%s\" is '%.60s', but must be %s, %s%s%s", key, word, words[0], words[1], words[2] ? ", " : "",
                      words[2] ? words[2] : "");
}

static leann_status read_head(leann_ctx *ctx, leann_request *r)
{
    int ask, role, form;
    const leann_value *timeout = leann_value_get(r->tree, "timeout_ms");
    int64_t ms = timeout ? leann_value_int(timeout, 0) : 1;
    leann_status status = check_keys(ctx, r->tree);
    if (status == LEANN_OK) status = word_of(ctx, r->tree, "ask", asks, &ask);
    if (status == LEANN_OK) status = word_of(ctx, r->tree, "role", roles, &role);
    if (status == LEANN_OK) status = word_of(ctx, r->tree, "vectors", forms, &form);
    if (status != LEANN_OK) return status;
    if (ms < 1 || ms > UINT32_MAX) return leann_fail(ctx, LEANN_EINVAL, "\"timeout_ms\" must be an integer between 1 and %u", UINT32_MAX);
    r->ask = (leann_ask)ask;
    r->role = (leann_role)role;
    r->frame = form == 1;
    r->timeout_ms = timeout ? (uint32_t)ms : 0;
    return LEANN_OK;
}

static leann_status read_texts(leann_ctx *ctx, const leann_request_limits *limits, const leann_value *list, leann_request *r)
{
    leann_status status = take_room(ctx, limits, leann_value_count(list), "texts", sizeof *r->texts, &r->texts);
    for (size_t i = 0; status == LEANN_OK && i < leann_value_count(list); i++) {
        const char *text = leann_value_text(leann_value_at(list, i), NULL);
        if (!text) return leann_fail(ctx, LEANN_EINVAL, "entry %zu of \"texts\" is no text", i);
        r->texts[i] = (leann_text){text, strlen(text)}; /* the parser lets no NUL in */
        status = check_text(ctx, limits, i, r->texts[i].n);
    }
    return status;
}

static leann_status read_lengths(leann_ctx *ctx, const leann_request_limits *limits, const leann_value *list, leann_frame bytes,
                                 leann_request *r)
{
    size_t used = 0;
    leann_status status = take_room(ctx, limits, leann_value_count(list), "texts", sizeof *r->texts, &r->texts);
    for (size_t i = 0; status == LEANN_OK && i < leann_value_count(list); i++) {
        int64_t length = leann_value_int(leann_value_at(list, i), -1);
        if (length < 0 || (uint64_t)length > bytes.bytes - used)
            return leann_fail(ctx, LEANN_EINVAL, "entry %zu of \"lengths\" is no number of bytes, or more than the %zu that are left", i,
                              bytes.bytes - used);
        r->texts[i] = (leann_text){(const char *)bytes.at + used, (size_t)length};
        used += (size_t)length;
        status = check_text(ctx, limits, i, r->texts[i].n);
    }
    if (status == LEANN_OK && used != bytes.bytes)
        status = leann_fail(ctx, LEANN_EINVAL, "\"lengths\" add up to %zu bytes, but the second frame has %zu", used, bytes.bytes);
    return status;
}

static leann_status read_json(leann_ctx *ctx, const leann_frame *frame, unsigned frames, const leann_request_limits *limits,
                              leann_request *r)
{
    leann_status status = check_size(ctx, *frame, limits);
    if (status == LEANN_OK) status = leann_value_parse(ctx, "the request", frame->at, frame->bytes, &r->tree);
    if (status != LEANN_OK) return status;
    if (leann_value_type(r->tree) != LEANN_V_MAP) return leann_fail(ctx, LEANN_EFORMAT, "the request is no JSON object");
    status = read_head(ctx, r);
    if (status != LEANN_OK || r->ask == LEANN_ASK_ABOUT) return status;
    const leann_value *texts = leann_value_get(r->tree, "texts"), *lengths = leann_value_get(r->tree, "lengths"),
                      *list = texts ? texts : lengths;
    unsigned wanted = texts ? 1 : 2;
    if (!texts == !lengths) return leann_fail(ctx, LEANN_EINVAL, "the request needs \"texts\" or \"lengths\", and not both");
    if (leann_value_type(list) != LEANN_V_LIST || leann_value_count(list) == 0)
        return leann_fail(ctx, LEANN_EINVAL, "\"%s\" must be a list with something in it", texts ? "texts" : "lengths");
    if (frames != wanted)
        return leann_fail(ctx, LEANN_EFORMAT, "a request with \"%s\" has %u frame%s, but this one has %u", texts ? "texts" : "lengths",
                          wanted, wanted > 1 ? "s" : "", frames);
    status = texts ? read_texts(ctx, limits, list, r) : read_lengths(ctx, limits, list, frame[1], r);
    if (status == LEANN_OK) r->n = (uint32_t)leann_value_count(list);
    return status;
}

/* ---- MessagePack --------------------------------------------------------------------------------------------------------- */

static leann_status wrong_item(leann_ctx *ctx, const leann_msgpack *in, const char *wanted)
{
    return leann_fail(ctx, LEANN_EFORMAT, "the item that ends at byte %zu is no %s", (size_t)(in->at - in->begin), wanted);
}

static leann_status pack_texts(leann_ctx *ctx, leann_msgpack *in, const leann_request_limits *limits, uint32_t n, leann_request *r)
{
    r->ask = LEANN_ASK_TEXTS;
    leann_status status = take_room(ctx, limits, n, "texts", sizeof *r->texts, &r->texts);
    for (uint32_t i = 0; i < n && status == LEANN_OK; i++) {
        leann_msgpack_item item;
        status = leann_msgpack_next(ctx, in, &item);
        if (status == LEANN_OK && item.kind != LEANN_MSGPACK_TEXT) status = wrong_item(ctx, in, "text");
        if (status == LEANN_OK) status = check_text(ctx, limits, i, item.n);
        if (status == LEANN_OK) r->texts[i] = (leann_text){item.text, item.n};
    }
    if (status != LEANN_OK) return status;
    static const char question[] = "__QUERY_MODEL__";
    r->n = n;
    if (n == 1 && r->texts[0].n == sizeof question - 1 && memcmp(r->texts[0].bytes, question, sizeof question - 1) == 0)
        r->ask = LEANN_ASK_MODEL;
    return LEANN_OK;
}

static leann_status pack_labels(leann_ctx *ctx, leann_msgpack *in, const leann_request_limits *limits, uint32_t n, leann_request *r)
{
    leann_status status = take_room(ctx, limits, n, "labels", sizeof *r->labels, &r->labels);
    if (status != LEANN_OK) return status;
    r->n = n; /* known now: what fails from here on has an answer of this size */
    for (uint32_t i = 0; i < n; i++) {
        leann_msgpack_item item;
        status = leann_msgpack_next(ctx, in, &item);
        if (status == LEANN_OK && item.kind != LEANN_MSGPACK_INT) status = wrong_item(ctx, in, "label");
        if (status != LEANN_OK) return status;
        r->labels[i] = item.integer;
    }
    return LEANN_OK;
}

/* The labels' own list; [[…]] in its place is seen through, as LEANN's server does. */
static leann_status pack_label_list(leann_ctx *ctx, leann_msgpack *in, const leann_request_limits *limits, leann_request *r)
{
    leann_msgpack_item item;
    leann_status status = leann_msgpack_next(ctx, in, &item);
    if (status == LEANN_OK && item.n == 1 && leann_msgpack_peek(in) == LEANN_MSGPACK_LIST) status = leann_msgpack_next(ctx, in, &item);
    return status == LEANN_OK ? pack_labels(ctx, in, limits, item.n, r) : status;
}

static leann_status pack_query(leann_ctx *ctx, leann_msgpack *in, uint32_t d, leann_request *r)
{
    leann_msgpack_item item;
    leann_status status = leann_msgpack_next(ctx, in, &item);
    if (status != LEANN_OK) return status;
    if (item.kind != LEANN_MSGPACK_LIST) return wrong_item(ctx, in, "list");
    if (item.n != d) return leann_fail(ctx, LEANN_EINVAL, "the query has %u numbers, but vectors have %u", item.n, d);
    if (!(r->query = leann_alloc(ctx, d, sizeof *r->query))) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < d; i++) {
        status = leann_msgpack_next(ctx, in, &item);
        if (status != LEANN_OK) return status;
        if (item.kind != LEANN_MSGPACK_INT && item.kind != LEANN_MSGPACK_REAL) return wrong_item(ctx, in, "number");
        r->query[i] = (float)item.real;
        if (!isfinite(r->query[i])) return leann_fail(ctx, LEANN_EINVAL, "number %u of the query is not finite", i);
    }
    return LEANN_OK;
}

static leann_status read_packed(leann_ctx *ctx, leann_frame frame, const leann_request_limits *limits, uint32_t d, leann_request *r)
{
    leann_msgpack in = {frame.at, frame.at, (const uint8_t *)frame.at + frame.bytes};
    leann_msgpack_item outer;
    leann_status status = leann_msgpack_next(ctx, &in, &outer);
    if (status != LEANN_OK) return status;
    leann_msgpack_kind first = outer.n > 0 ? leann_msgpack_peek(&in) : LEANN_MSGPACK_INT;
    if (first == LEANN_MSGPACK_TEXT) {
        status = pack_texts(ctx, &in, limits, outer.n, r);
    } else if (first == LEANN_MSGPACK_LIST && outer.n <= 2) {
        r->ask = outer.n == 2 ? LEANN_ASK_DISTANCES : LEANN_ASK_VECTORS;
        status = pack_label_list(ctx, &in, limits, r);
        if (status == LEANN_OK && outer.n == 2) status = pack_query(ctx, &in, d, r);
    } else {
        r->ask = LEANN_ASK_VECTORS;
        status = pack_labels(ctx, &in, limits, outer.n, r);
    }
    if (status == LEANN_OK && in.at != in.end)
        status = leann_fail(ctx, LEANN_EFORMAT, "%zu bytes are left over behind the message", (size_t)(in.end - in.at));
    return status;
}

/* ---- both ---------------------------------------------------------------------------------------------------------------- */

leann_status leann_request_read(leann_ctx *ctx, const leann_frame *frame, unsigned frames, const leann_request_limits *limits, uint32_t d,
                                leann_request *out)
{
    *out = (leann_request){.ask = LEANN_ASK_UNKNOWN};
    if (frames == 0 || frame->bytes == 0) return leann_fail(ctx, LEANN_EFORMAT, "the request is empty");
    uint8_t first = *(const uint8_t *)frame->at;
    out->packed = (first >= 0x90 && first <= 0x9f) || first == 0xdc || first == 0xdd; /* a list; JSON's object begins with no such byte */
    size_t bytes = 0;
    for (unsigned i = 0; i < frames; i++) bytes += frame[i].bytes;
    if (bytes > limits->request_bytes)
        return leann_fail(ctx, LEANN_ELIMIT, "the request has %zu bytes; the limit is %zu", bytes, limits->request_bytes);
    if (!out->packed) return read_json(ctx, frame, frames, limits, out);
    if (frames > 1) return leann_fail(ctx, LEANN_EFORMAT, "a request in MessagePack has one frame, but this one has %u", frames);
    return read_packed(ctx, *frame, limits, d, out);
}

void leann_request_free(leann_request *request)
{
    leann_free(request->texts);
    leann_free(request->labels);
    leann_free(request->query);
    leann_value_free(request->tree);
    request->texts = NULL;
    request->labels = NULL;
    request->query = NULL;
    request->tree = NULL;
}
