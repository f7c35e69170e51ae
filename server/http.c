/* http.c – GET /health and GET /metrics. The only door to libmicrohttpd.
 *
 * One thread of the library's own; few connections, short time limits: it is for health checks and a metrics collector.
 *
 * Source: RFC 9110; libmicrohttpd's manual.
 * SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>

#include "server/inside.h"

enum { CONNECTIONS = 32, SECONDS = 10, MEMORY = 8192 };

struct leann_http {
    struct MHD_Daemon *daemon;
    leann_server *server;
};

/* text: heap, given away; NULL: memory ran out. */
static enum MHD_Result reply(struct MHD_Connection *connection, unsigned code, const char *type, char *text)
{
    static char no_memory[] = "no memory\n";
    struct MHD_Response *response = text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE)
                                         : MHD_create_response_from_buffer(strlen(no_memory), no_memory, MHD_RESPMEM_PERSISTENT);
    if (!response) {
        leann_free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, text ? code : MHD_HTTP_INTERNAL_SERVER_ERROR, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *upload, size_t *upload_bytes, void **state)
{
    const struct leann_http *http = arg;
    static int seen;
    (void)version, (void)upload;
    if (!*state) { /* the head alone has come */
        *state = &seen;
        return MHD_YES;
    }
    if (*upload_bytes > 0) { /* a body is read and thrown away, so that the refusal gets through */
        *upload_bytes = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return reply(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", strdup("only GET is known here\n"));
    if (strcmp(url, "/health") == 0) {
        bool stopping;
        char *text = leann_server_health(http->server, &stopping);
        return reply(connection, stopping ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, "application/json", text);
    }
    if (strcmp(url, "/metrics") == 0)
        return reply(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", leann_server_metrics(http->server));
    return reply(connection, MHD_HTTP_NOT_FOUND, "text/plain", strdup("there are /health and /metrics\n"));
}

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static bool read_address(const char *text, uint16_t port, address *out)
{
    *out = (address){0};
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return true;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) != 1) return false;
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    return true;
}

leann_status leann_http_start(leann_ctx *ctx, leann_server *server, const char *where, uint16_t port, leann_http **out)
{
    address at;
    *out = NULL;
    if (!read_address(where, port, &at)) return leann_fail(ctx, LEANN_EINVAL, "'%.60s' is no numeric address for HTTP", where);
    leann_http *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    self->server = server;
    unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | (at.any.sa_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    errno = 0;
    self->daemon = MHD_start_daemon(flags, port, NULL, NULL, answer, self, MHD_OPTION_SOCK_ADDR, &at.any, MHD_OPTION_CONNECTION_LIMIT,
                                    (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SECONDS,
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_END);
    if (!self->daemon) {
        leann_status status = errno == ENOMEM ? LEANN_ENOMEM : LEANN_EIO;
        status = leann_fail(ctx, status, "cannot serve HTTP at %s, port %u: %s", where, (unsigned)port, strerror(errno ? errno : EIO));
        leann_free(self);
        return status;
    }
    *out = self;
    return LEANN_OK;
}

uint16_t leann_http_port(const leann_http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

void leann_http_stop(leann_http *http)
{
    if (!http) return;
    MHD_stop_daemon(http->daemon);
    leann_free(http);
}
