/* answer.c – vectors, token counts, distances and sentences as the frames of an answer, O(bytes).
 *
 * Source: the two languages of server/request.h.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/inside.h"
#include "server/msgpack.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors go out as they lie in memory");

static const float FAR = 1e9f; /* LEANN's distance to what it cannot find */

void leann_answer_free(leann_answer *answer)
{
    leann_free(answer->own[0]);
    leann_free(answer->own[1]);
    *answer = (leann_answer){0};
}

static void own_frame(leann_answer *out, void *at, size_t bytes)
{
    out->own[out->n] = at;
    out->frame[out->n++] = (leann_frame){at, bytes};
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------- */

static leann_value *head_of(const leann_server *server)
{
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "identity", leann_value_new_text(server->encoder->identity));
    leann_value_set(v, "dimension", leann_value_new_int(server->encoder->d));
    return v;
}

static leann_status own_json(leann_ctx *ctx, leann_value *v, leann_answer *out) /* frees v */
{
    char *text = leann_value_json(v, false, 0);
    leann_value_free(v);
    if (!text) return leann_fail(ctx, LEANN_ENOMEM, "no memory for an answer");
    own_frame(out, text, strlen(text));
    return LEANN_OK;
}

/* The lists of lists, written straight into the text: a tree of them would take ten times their room. Nine digits give a float back. */
static leann_status json_numbers(leann_ctx *ctx, const leann_server *server, const float *x, uint32_t n, leann_answer *out)
{
    const uint32_t d = server->encoder->d;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to) {
        fprintf(to, "{\"identity\": \"%s\", \"dimension\": %" PRIu32 ", \"vectors\": [", server->encoder->identity, d);
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t j = 0; j < d; j++) fprintf(to, "%s%.9g", j ? ", " : i ? "], [" : "[", (double)x[(size_t)i * d + j]);
        }
        fputs("]]}", to);
    }
    if (!to || fclose(to) != 0) {
        leann_free(text);
        return leann_fail(ctx, LEANN_ENOMEM, "no memory for an answer of %u vectors", n);
    }
    own_frame(out, text, size);
    return LEANN_OK;
}

static leann_status json_frame(leann_ctx *ctx, const leann_server *server, const float *x, uint32_t n, leann_answer *out)
{
    float *copy = leann_alloc(ctx, (size_t)n * server->encoder->d, sizeof *copy);
    if (!copy) return LEANN_ENOMEM;
    memcpy(copy, x, (size_t)n * server->encoder->d * sizeof *copy);
    leann_status status = own_json(ctx, head_of(server), out);
    if (status == LEANN_OK)
        own_frame(out, copy, (size_t)n * server->encoder->d * sizeof *copy);
    else
        leann_free(copy);
    return status;
}

leann_status leann_answer_tokens(leann_ctx *ctx, const leann_server *server, const uint32_t *tokens, uint32_t n, leann_answer *out)
{
    leann_value *v = head_of(server), *list = leann_value_new_list();
    for (uint32_t i = 0; i < n; i++) leann_value_append(list, leann_value_new_int(tokens[i]));
    leann_value_set(v, "tokens", list);
    return own_json(ctx, v, out);
}

leann_status leann_answer_about(leann_ctx *ctx, const leann_server *server, leann_answer *out)
{
    const leann_encoder *encoder = server->encoder;
    leann_value *v = head_of(server), *limits = leann_value_new_map();
    leann_value_set(limits, "texts", leann_value_new_int(server->options.limits.texts));
    leann_value_set(limits, "text_bytes", leann_value_new_int((int64_t)server->options.limits.text_bytes));
    leann_value_set(limits, "request_bytes", leann_value_new_int((int64_t)server->options.limits.request_bytes));
    leann_value_set(v, "model", leann_value_new_text(server->model));
    leann_value_set(v, "best_batch", leann_value_new_int(encoder->best_batch));
    leann_value_set(v, "max_tokens", leann_value_new_int(encoder->max_tokens));
    leann_value_set(v, "space", leann_value_new_text(leann_space_word(encoder->space)));
    leann_value_set(v, "limits", limits);
    leann_value_set(v, "timeout_ms", leann_value_new_int(server->options.timeout_ms));
    return own_json(ctx, v, out);
}

/* ---- MessagePack --------------------------------------------------------------------------------------------------------- */

/* Room for heads and numbers, each of which takes at most five bytes. */
static uint8_t *packed_room(leann_ctx *ctx, size_t items, leann_answer *out)
{
    uint8_t *at = leann_alloc(ctx, items, LEANN_MSGPACK_HEAD);
    if (at) own_frame(out, at, 0);
    return at;
}

static void packed_end(leann_answer *out, const uint8_t *end)
{
    out->frame[0].bytes = (size_t)(end - (const uint8_t *)out->own[0]);
}

static uint8_t *put_row(uint8_t *at, const float *x, uint32_t d) /* x NULL: zeros */
{
    for (uint32_t j = 0; j < d; j++) at = leann_msgpack_put_real(at, x ? x[j] : 0);
    return at;
}

static leann_status packed_texts(leann_ctx *ctx, uint32_t d, const float *x, uint32_t n, leann_answer *out)
{
    uint8_t *at = packed_room(ctx, 1 + (size_t)n * (1 + (size_t)d), out);
    if (!at) return LEANN_ENOMEM;
    at = leann_msgpack_put_list(at, n);
    for (uint32_t i = 0; i < n; i++) at = put_row(leann_msgpack_put_list(at, d), x + (size_t)i * d, d);
    packed_end(out, at);
    return LEANN_OK;
}

static const float *row_of(const float *x, const uint32_t *row, uint32_t i, uint32_t d) /* NULL: it has none */
{
    return row && row[i] != LEANN_NONE ? x + (size_t)row[i] * d : NULL;
}

static leann_status packed_vectors(leann_ctx *ctx, uint32_t d, const float *x, const uint32_t *row, uint32_t n, leann_answer *out)
{
    uint8_t *at = packed_room(ctx, 5 + (size_t)n * d, out);
    if (!at) return LEANN_ENOMEM;
    at = leann_msgpack_put_list(leann_msgpack_put_list(at, 2), 2);
    at = leann_msgpack_put_uint(leann_msgpack_put_uint(at, n), d);
    at = leann_msgpack_put_list(at, n * d);
    for (uint32_t i = 0; i < n; i++) at = put_row(at, row_of(x, row, i, d), d);
    packed_end(out, at);
    return LEANN_OK;
}

static float distance_of(const float *x, const float *query, uint32_t d, bool squared_l2)
{
    double sum = 0;
    for (uint32_t j = 0; j < d; j++) {
        double a = (double)x[j], b = (double)query[j];
        sum += squared_l2 ? (a - b) * (a - b) : -a * b;
    }
    return (float)sum;
}

static leann_status packed_distances(leann_ctx *ctx, const leann_server *server, const float *x, const uint32_t *row,
                                     const leann_request *request, leann_answer *out)
{
    const uint32_t d = server->encoder->d;
    uint8_t *at = packed_room(ctx, 2 + (size_t)request->n, out);
    if (!at) return LEANN_ENOMEM;
    at = leann_msgpack_put_list(leann_msgpack_put_list(at, 1), request->n);
    for (uint32_t i = 0; i < request->n; i++) {
        const float *y = row_of(x, row, i, d);
        at = leann_msgpack_put_real(at, y ? distance_of(y, request->query, d, server->options.squared_l2) : FAR);
    }
    packed_end(out, at);
    return LEANN_OK;
}

leann_status leann_answer_model(leann_ctx *ctx, const leann_server *server, leann_answer *out)
{
    size_t n = strlen(server->model);
    uint8_t *at = leann_alloc(ctx, n + 2 * LEANN_MSGPACK_HEAD, 1);
    if (!at) return LEANN_ENOMEM;
    own_frame(out, at, 0);
    packed_end(out, leann_msgpack_put_text(leann_msgpack_put_list(at, 1), server->model, (uint32_t)n));
    return LEANN_OK;
}

/* ---- both ---------------------------------------------------------------------------------------------------------------- */

leann_status leann_answer_vectors(leann_ctx *ctx, const leann_server *server, const leann_request *request, const float *x,
                                  const uint32_t *row, leann_answer *out)
{
    switch (request->ask) {
    case LEANN_ASK_TEXTS:
        return packed_texts(ctx, server->encoder->d, x, request->n, out);
    case LEANN_ASK_DISTANCES:
        return packed_distances(ctx, server, x, row, request, out);
    case LEANN_ASK_VECTORS:
        return packed_vectors(ctx, server->encoder->d, x, row, request->n, out);
    default:
        return request->frame ? json_frame(ctx, server, x, request->n, out) : json_numbers(ctx, server, x, request->n, out);
    }
}

static leann_status fault_json(leann_ctx *ctx, leann_fault fault, const char *sentence, leann_answer *out)
{
    leann_value *v = leann_value_new_map(), *error = leann_value_new_map();
    leann_value_set(error, "kind", leann_value_new_text(leann_fault_word[fault]));
    leann_value_set(error, "message", leann_value_new_text(sentence));
    leann_value_set(v, "error", error);
    return own_json(ctx, v, out);
}

/* The shape that the client looks for, with nothing in it: every passage far away, or zeros. */
static leann_status fault_packed(leann_ctx *ctx, const leann_server *server, const leann_request *request, leann_answer *out)
{
    if (request->ask == LEANN_ASK_DISTANCES) return packed_distances(ctx, server, NULL, NULL, request, out);
    if (request->ask == LEANN_ASK_TEXTS) return packed_texts(ctx, server->encoder->d, NULL, 0, out);
    return packed_vectors(ctx, server->encoder->d, NULL, NULL, request->ask == LEANN_ASK_VECTORS ? request->n : 0, out);
}

void leann_answer_fault(const leann_server *server, const leann_request *request, leann_fault fault, const char *sentence,
                        leann_answer *out)
{
    static const char no_memory[] = "{\"error\": {\"kind\": \"encoder\", \"message\": \"no memory for an answer\"}}";
    leann_answer_free(out); /* what was made of another answer */
    leann_ctx *own = leann_ctx_new(0, 1);
    leann_status status = !own              ? LEANN_ENOMEM
                          : request->packed ? fault_packed(own, server, request, out)
                                            : fault_json(own, fault, sentence, out);
    leann_ctx_free(own);
    if (status == LEANN_OK) return;
    leann_answer_free(out);
    out->frame[0] = (leann_frame){no_memory, request->packed ? 0 : sizeof no_memory - 1};
    out->n = 1;
}
