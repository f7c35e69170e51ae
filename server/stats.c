/* stats.c – what the server has done: counts, and how they are shown to people's health checks and to Prometheus.
 *
 * Source: Prometheus' text exposition format 0.0.4.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/inside.h"

const char *const leann_fault_word[LEANN_FAULTS] = {"malformed", "invalid", "limit",   "full", "timeout",
                                                    "stopping",  "encoder", "passage", "gone", "slow"};
static const uint32_t batch_bound[LEANN_BATCH_BINS] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
static const double time_bound[LEANN_TIME_BINS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};

/* ---- counting: with the server's lock held ------------------------------------------------------------------------------- */

void leann_stats_batch(leann_server_stats *stats, uint32_t texts)
{
    size_t bin = 0;
    while (bin < LEANN_BATCH_BINS && texts > batch_bound[bin]) bin++;
    stats->batch[bin]++;
    stats->batch_n++;
    stats->batch_texts += texts;
}

void leann_stats_time(leann_server_stats *stats, uint64_t ns)
{
    size_t bin = 0;
    while (bin < LEANN_TIME_BINS && (double)ns * 1e-9 > time_bound[bin]) bin++;
    stats->time[bin]++;
    stats->time_n++;
    stats->time_ns += ns;
}

/* ---- showing ------------------------------------------------------------------------------------------------------------- */

/* The counts of one moment, so that printing them holds nobody up. */
typedef struct {
    leann_server_stats stats;
    uint32_t waiting_n, waiting_texts, open;
    bool stopping;
} moment;

static moment moment_of(leann_server *server)
{
    pthread_mutex_lock(&server->lock);
    moment m = {server->stats, server->waiting_n, server->waiting_texts, server->open, server->stopping};
    pthread_mutex_unlock(&server->lock);
    return m;
}

static double uptime(const moment *m)
{
    return (double)(leann_now_ns() - m->stats.started_ns) * 1e-9;
}

char *leann_server_health(leann_server *server, bool *stopping)
{
    const moment m = moment_of(server);
    leann_value *v = leann_value_new_map(), *queue = leann_value_new_map();
    *stopping = m.stopping;
    leann_value_set(queue, "waiting", leann_value_new_int(m.waiting_n));
    leann_value_set(queue, "texts", leann_value_new_int(m.waiting_texts));
    leann_value_set(queue, "open", leann_value_new_int(m.open));
    leann_value_set(queue, "limit", leann_value_new_int(server->options.queue));
    leann_value_set(v, "status", leann_value_new_text(m.stopping ? "stopping" : "ok"));
    leann_value_set(v, "model", leann_value_new_text(server->model));
    leann_value_set(v, "identity", leann_value_new_text(server->encoder->identity));
    leann_value_set(v, "dimension", leann_value_new_int(server->encoder->d));
    leann_value_set(v, "endpoint", leann_value_new_text(leann_wire_endpoint(server->wire)));
    leann_value_set(v, "workers", leann_value_new_int(server->options.workers));
    leann_value_set(v, "uptime_s", leann_value_new_real(uptime(&m)));
    leann_value_set(v, "queue", queue);
    char *text = leann_value_json(v, false, 2);
    leann_value_free(v);
    return text;
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(FILE *out, const char *name, const char *help, double value)
{
    head(out, name, "gauge", help);
    fprintf(out, "%s %.9g\n", name, value);
}

/* A label's value: of the characters that the format sets apart, none is left as it is. */
static void label(FILE *out, const char *key, const char *value)
{
    fprintf(out, "%s=\"", key);
    for (; *value; value++) {
        if (*value == '\n')
            fputs("\\n", out);
        else
            fprintf(out, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    }
    fputc('"', out);
}

static void info(FILE *out, const leann_server *server)
{
    head(out, "leann_embed_info", "gauge", "What is served; always 1.");
    fputs("leann_embed_info{", out);
    label(out, "model", server->model);
    fprintf(out, ",identity=\"%s\",dimension=\"%" PRIu32 "\"} 1\n", server->encoder->identity, server->encoder->d);
}

static void counts_by_word(FILE *out, const char *name, const char *key, const char *const *word, const uint64_t *count, size_t n,
                           const char *help)
{
    head(out, name, "counter", help);
    for (size_t i = 0; i < n; i++) fprintf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", name, key, word[i], count[i]);
}

static void batch_histogram(FILE *out, const leann_server_stats *s)
{
    uint64_t sum = 0;
    head(out, "leann_embed_batch_texts", "histogram", "Texts given to the encoder in one call.");
    for (size_t i = 0; i < LEANN_BATCH_BINS; i++) {
        sum += s->batch[i];
        fprintf(out, "leann_embed_batch_texts_bucket{le=\"%" PRIu32 "\"} %" PRIu64 "\n", batch_bound[i], sum);
    }
    fprintf(out, "leann_embed_batch_texts_bucket{le=\"+Inf\"} %" PRIu64 "\n", s->batch_n);
    fprintf(out, "leann_embed_batch_texts_sum %" PRIu64 "\nleann_embed_batch_texts_count %" PRIu64 "\n", s->batch_texts, s->batch_n);
}

static void time_histogram(FILE *out, const leann_server_stats *s)
{
    uint64_t sum = 0;
    head(out, "leann_embed_request_seconds", "histogram", "From a request's arrival until its answer was sent.");
    for (size_t i = 0; i < LEANN_TIME_BINS; i++) {
        sum += s->time[i];
        fprintf(out, "leann_embed_request_seconds_bucket{le=\"%g\"} %" PRIu64 "\n", time_bound[i], sum);
    }
    fprintf(out, "leann_embed_request_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", s->time_n);
    fprintf(out, "leann_embed_request_seconds_sum %.9g\nleann_embed_request_seconds_count %" PRIu64 "\n", (double)s->time_ns * 1e-9,
            s->time_n);
}

char *leann_server_metrics(leann_server *server)
{
    const moment m = moment_of(server);
    const leann_server_stats *s = &m.stats;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    info(out, server);
    gauge(out, "leann_embed_uptime_seconds", "Since the server began to listen.", uptime(&m));
    gauge(out, "leann_embed_queue_requests", "Requests that wait for a worker.", m.waiting_n);
    gauge(out, "leann_embed_queue_texts", "Texts of requests that wait for a worker.", m.waiting_texts);
    gauge(out, "leann_embed_open_requests", "Requests accepted and not yet answered.", m.open);
    counts_by_word(out, "leann_embed_requests_total", "ask", leann_ask_word, s->requests, LEANN_ASKS, "Requests by what they ask.");
    head(out, "leann_embed_texts_total", "counter", "Texts and labels of accepted requests.");
    fprintf(out, "leann_embed_texts_total %" PRIu64 "\n", s->texts);
    counts_by_word(out, "leann_embed_errors_total", "kind", leann_fault_word, s->faults, LEANN_FAULTS, "What went wrong, by kind.");
    batch_histogram(out, s);
    time_histogram(out, s);
    bool whole = fclose(out) == 0;
    if (whole) return text;
    leann_free(text);
    return NULL;
}
