/* cmd_embed_server.c – leann embed-server.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "server/pypi_index.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What clients are told: --name, or the last part of the model's path. */
static char *name_of(cli *c)
{
    if (cli_given(c, "name")) return leann_format(c->ctx, "%s", cli_text(c, "name"));
    if (cli_given(c, "encoder")) return leann_format(c->ctx, "%.60s", cli_text(c, "encoder"));
    if (!cli_given(c, "model")) return leann_format(c->ctx, "%s", LEANN_MODEL_DEFAULT);
    const char *path = cli_text(c, "model");
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';) begin--;
    return leann_format(c->ctx, "%.*s", (int)(end - begin), path + begin);
}

static char *endpoint_of(cli *c)
{
    if (cli_given(c, "endpoint")) return leann_format(c->ctx, "%s", cli_text(c, "endpoint"));
    const char *bind = cli_text(c, "bind");
    bool v6 = strchr(bind, ':') != NULL;
    char port[16] = "*";
    if (cli_int(c, "port") > 0) snprintf(port, sizeof port, "%" PRId64, cli_int(c, "port"));
    return leann_format(c->ctx, "tcp://%s%s%s:%s", v6 ? "[" : "", bind, v6 ? "]" : "", port);
}

static leann_status open_passages(cli *c, const leann_encoder *encoder, leann_pypi_index **out, leann_server_options *options)
{
    *out = NULL;
    if (!cli_given(c, "passages")) return LEANN_OK;
    const char *path = cli_text(c, "passages");
    leann_status status = leann_pypi_open(c->ctx, path, out);
    if (status != LEANN_OK) return status;
    const leann_pypi_index *index = *out;
    const uint32_t d = leann_encoder_dimension(encoder);
    if (index->d != 0 && index->d != d)
        return leann_fail(c->ctx, LEANN_EINVAL, "%s was built with vectors of dimension %" PRIu32 "; this encoder's have %" PRIu32, path,
                          index->d, d);
    if (index->skipped > 0) cli_note(c, "%" PRIu32 " lines are no passages and are skipped; the first: %s", index->skipped, index->why);
    if (index->missing > 0) cli_note(c, "%" PRIu32 " of %" PRIu32 " labels have no passage", index->missing, index->passages.n);
    options->passages = &index->passages;
    options->squared_l2 = index->squared_l2;
    return LEANN_OK;
}

static leann_server_options options_of(cli *c)
{
    leann_server_options o = leann_server_defaults();
    unsigned threads = leann_ctx_threads(c->ctx);
    o.http_address = cli_flag(c, "no-http") ? NULL : cli_text(c, "bind");
    o.http_port = (uint16_t)cli_int(c, "http-port");
    o.workers = (uint32_t)cli_int(c, "workers");
    o.threads = threads > o.workers ? threads / o.workers : 1;
    o.batch = (uint32_t)cli_int(c, "batch");
    o.wait_us = (uint32_t)(cli_real(c, "wait-ms") * 1000);
    o.queue = (uint32_t)cli_int(c, "queue");
    o.timeout_ms = (uint32_t)cli_int(c, "timeout-ms");
    o.limits.texts = (uint32_t)cli_int(c, "max-texts");
    o.limits.text_bytes = (size_t)cli_int(c, "max-text-bytes");
    o.limits.request_bytes = (size_t)cli_int(c, "max-request-bytes");
    if (o.queue_bytes < o.limits.request_bytes) o.queue_bytes = o.limits.request_bytes;
    return o;
}

static leann_status serve(cli *c, const leann_encoder *encoder, const leann_server_options *options)
{
    leann_server *server;
    leann_status status = leann_server_new(c->ctx, encoder, options, &server);
    if (status != LEANN_OK) return status;
    printf("%s: %s, dimension %" PRIu32 ", identity %s\n", leann_server_endpoint(server), options->model, leann_encoder_dimension(encoder),
           leann_encoder_identity(encoder));
    if (options->http_address) {
        bool v6 = strchr(options->http_address, ':') != NULL;
        printf("http://%s%s%s:%u: /health, /metrics\n", v6 ? "[" : "", options->http_address, v6 ? "]" : "",
               (unsigned)leann_server_http_port(server));
    }
    fflush(stdout); /* who started it waits for these lines */
    status = leann_server_run(server, c->ctx);
    leann_server_free(server);
    if (status == LEANN_OK) cli_note(c, "stopped: every accepted request was answered");
    return status;
}

static leann_status run(cli *c)
{
    leann_encoder *encoder = NULL;
    leann_pypi_index *index = NULL;
    leann_server_options options = options_of(c);
    char *name = name_of(c), *endpoint = endpoint_of(c);
    leann_status status = name && endpoint ? cli_encoder_open(c, &encoder, NULL) : LEANN_ENOMEM;
    options.model = name;
    options.endpoint = endpoint;
    if (status == LEANN_OK) status = open_passages(c, encoder, &index, &options);
    if (status == LEANN_OK) status = serve(c, encoder, &options);
    leann_pypi_free(index);
    leann_encoder_free(encoder);
    leann_free(endpoint);
    leann_free(name);
    return status;
}

static const cli_option options[] = {
    CLI_ENCODER_OPTIONS,
    {"name", CLI_TEXT, "NAME", "the model's name as clients are told it (default: from its path)", NULL, 0, 0},
    {"port", CLI_INT, "N", "of ZeroMQ; 0: any free one", "5555", 0, 65535},
    {"http-port", CLI_INT, "N", "of /health and /metrics; 0: any free one", "8081", 0, 65535},
    {"no-http", CLI_FLAG, NULL, "no /health and no /metrics", NULL, 0, 0},
    {"bind", CLI_TEXT, "ADDRESS", "to listen at; 0.0.0.0 lets other machines in", "127.0.0.1", 0, 0},
    {"endpoint", CLI_TEXT, "URL", "instead of --bind and --port: ipc://PATH or tcp://ADDRESS:PORT", NULL, 0, 0},
    {"passages", CLI_TEXT, "FILE", "of an index of LEANN 0.3.8: X.leann.meta.json, or its .jsonl alone", NULL, 0, 0},
    {"workers", CLI_INT, "N", "batches encoded at a time", "1", 1, 256},
    {"threads", CLI_INT, "N", "of all workers together; 0: one a processor", "0", 0, 1024},
    {"batch", CLI_INT, "N", "texts that are worth a call of the encoder; 0: what it likes best", "0", 0, 65536},
    {"wait-ms", CLI_REAL, "MS", "that a request may wait for others to fill a batch", "2", 0, 10000},
    {"queue", CLI_INT, "N", "requests accepted and not yet answered, at most", "256", 1, 1000000},
    {"timeout-ms", CLI_INT, "MS", "after which a request that still waits is given up", "30000", 1, 86400000},
    {"max-texts", CLI_INT, "N", "texts of a request, at most", "4096", 1, 65536},
    {"max-text-bytes", CLI_INT, "N", "bytes of a text, at most", "1048576", 1, 1073741824.0},
    {"max-request-bytes", CLI_INT, "N", "bytes of a request, at most", "8388608", 64, 1073741824.0},
    CLI_OPTION_END};

const cli_command cli_embed_server = {
    "embed-server",
    "",
    "serve an encoder to other programs, over ZeroMQ",
    "leann embed-server\n"
    "leann embed-server --precision int8 --port 6000 --http-port 6001\n"
    "leann embed-server --passages docs.leann.meta.json\n"
    "\n"
    "A request is a JSON object to a REQ or DEALER socket, the answer is another:\n"
    "  {\"texts\": [\"…\"], \"role\": \"query\"} -> {\"identity\": \"…\", \"dimension\": 384, \"vectors\": [[…]]}\n"
    "  {\"ask\": \"count\", \"texts\": [\"…\"]}   -> {\"identity\": \"…\", \"dimension\": 384, \"tokens\": [1]}\n"
    "  {\"ask\": \"about\"}                   -> {\"identity\": \"…\", \"model\": \"…\", \"limits\": {…}, …}\n"
    "  whatever fails                     -> {\"error\": {\"kind\": \"full\", \"message\": \"…\"}}\n"
    "With \"vectors\": \"frame\" they come as 32-bit floats in a second frame; with \"lengths\": [bytes, …] instead of\n"
    "\"texts\" the texts go out in a second frame, and may be any bytes. \"role\" is passage unless stated; \"timeout_ms\"\n"
    "says when an answer is of no use any more. The encoder `zmq` is a client.\n"
    "\n"
    "LEANN 0.3.8 (PyPI) is understood too: its HNSW backend recomputes here what --passages names.\n"
    "\n"
    "Nothing but this machine can connect unless --bind says so, and there is no encryption and no password.\n"
    "SIGTERM or Ctrl-C: no new requests, those accepted are answered, exit code 0.\n",
    0,
    0,
    options,
    run};
