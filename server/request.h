/* request.h – what a client may ask of the embedding server, in two languages: JSON, for everyone, and MessagePack as LEANN 0.3.8 (PyPI)
 * speaks it with its own embedding server. The first byte tells them apart.
 *
 * JSON: the first frame is an object, of these keys and no others:
 *
 *     "ask"        "embed" (the default), "count" (tokens), or "about": what the server is
 *     "texts"      ["…", …]; or, for texts of any bytes, NUL and broken UTF-8 included:
 *     "lengths"    [bytes, …], and a second frame has all texts one behind the other
 *     "role"       "passage" (the default) or "query": models may put a prefix before queries
 *     "vectors"    "numbers" (the default): "vectors" of the answer is a list of lists; or "frame": the answer has a second frame,
 *                  the vectors one behind the other as 32-bit little-endian floats: exact, and a third of the bytes
 *     "timeout_ms" after which an answer is of no use any more; at most, and by default, the server's own limit
 *
 * Answers are objects too:
 *
 *     embed        {"identity": 64 hex digits, "dimension": d, "vectors": [[…], …]}; of the form "frame" without "vectors"
 *     count        {"identity", "dimension", "tokens": […]}, the marks at a text's ends not counted
 *     about        {"identity", "dimension", "model", "best_batch", "max_tokens", "space", "limits": {"texts", "text_bytes",
 *                  "request_bytes"}, "timeout_ms"}
 *     any          {"error": {"kind": WORD, "message": SENTENCE}}: malformed, invalid, limit, full, timeout, stopping, or encoder
 *
 * MessagePack, one frame (read in leann_backend_hnsw's hnsw_embedding_server.py and HNSW_zmq.cpp; nothing was copied):
 *
 *     ["__QUERY_MODEL__"]     -> [the model's name]
 *     [TEXT, …]               -> [[float, …], …], a vector for each text
 *     [[LABEL, …], [float …]] -> [[distance, …]], from the vectors of the passages of these labels to the one given: minus the inner
 *                                product, or the squared L2 distance, whichever the index was built for; 1e9 for a label
 *                                that has no text
 *     [[LABEL, …]]            -> [[n, d], [float, …]], the passages' vectors one behind the other; zeros for a label that has no
 *                                text. The labels may also be the outer list itself
 *     what failed             -> the same shapes with nothing but 1e9 or 0 in them; [] for texts. The protocol has no word for errors, and
 *                                its clients read past the end of an answer that is shorter than they expect
 *
 * Everything here is read as if an enemy had written it: sizes are held against the limits and the message's bytes before room is taken.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_REQUEST_H
#define LEANN_REQUEST_H

#include "core/frames.h"
#include "core/plugin.h"

typedef struct {
    uint32_t texts;                   /* of a request, or labels */
    size_t text_bytes, request_bytes; /* of one text; of all frames together */
} leann_request_limits;

typedef enum {
    LEANN_ASK_EMBED,
    LEANN_ASK_COUNT,
    LEANN_ASK_ABOUT,
    LEANN_ASK_TEXTS, /* this one and those below: MessagePack */
    LEANN_ASK_DISTANCES,
    LEANN_ASK_VECTORS,
    LEANN_ASK_MODEL,
    LEANN_ASK_UNKNOWN, /* not read so far that one could tell */
    LEANN_ASKS
} leann_ask;
extern const char *const leann_ask_word[LEANN_ASKS];

typedef struct {
    leann_ask ask;
    bool packed; /* MessagePack: so is the answer */
    bool frame;  /* EMBED: vectors in a frame of their own */
    leann_role role;
    uint32_t timeout_ms; /* 0: not stated */
    uint32_t n;          /* texts or labels */
    leann_text *texts;   /* (n), inside the message or tree; NULL where there are labels */
    int64_t *labels;     /* (n) */
    float *query;        /* (d), DISTANCES */
    leann_value *tree;
} leann_request;

/* Reads a message's frames, which must outlive the request; d: the dimension that a query has to have. After an error too, ask and packed,
 * and n of MessagePack, say as much as was understood, for an answer of the right shape; leann_request_free is called in any case.
 *   errors  EFORMAT no message of either language; EINVAL a key, word or value that is none; ELIMIT; ENOMEM */
leann_status leann_request_read(leann_ctx *ctx, const leann_frame *frame, unsigned frames, const leann_request_limits *limits, uint32_t d,
                                leann_request *out);
void leann_request_free(leann_request *request); /* what it holds, not itself */

#endif
