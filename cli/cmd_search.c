/* cmd_search.c – `leann search`: a data set's queries against an index; recall beside the file's ground truth, latency, work.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/plugin.h"
#include "datasets/datasets.h"
#include "eval/provenance.h"
#include "eval/recall.h"

extern const cli_command cli_search;

typedef struct {
    uint32_t n, k; /* queries */
    uint32_t *ids; /* (n, k) */
    float *dist;   /* (n, k) */
    leann_work *work;
    uint64_t *ns;  /* (n) */
    uint64_t peak; /* bytes resident at most until the last answer: measuring recall afterwards reads rows of the data set */
    double recall; /* NaN where the data set has no ground truth that deep */
} answers;

static leann_status search_all(cli *c, const leann_dataset *data, const leann_plan *plan, answers *a)
{
    a->ids = leann_alloc(c->ctx, a->n, a->k * sizeof *a->ids);
    a->dist = leann_alloc(c->ctx, a->n, a->k * sizeof *a->dist);
    a->work = leann_alloc(c->ctx, a->n, sizeof *a->work);
    a->ns = leann_alloc(c->ctx, a->n, sizeof *a->ns);
    if (!a->ids || !a->dist || !a->work || !a->ns) return LEANN_ENOMEM;
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; i < a->n && !status; i++) {
        leann_rows one = data->test;
        one.base = (const char *)data->test.base + (size_t)i * data->test.stride;
        one.n = 1;
        uint64_t start = leann_now_ns();
        status = leann_search(plan, c->ctx, one, a->k, a->ids + (size_t)i * a->k, a->dist + (size_t)i * a->k, a->work + i);
        a->ns[i] = leann_now_ns() - start;
        cli_progress("search", i + 1, a->n);
    }
    a->peak = leann_rss_now().peak;
    return status;
}

static leann_status measure_recall(cli *c, const leann_dataset *data, answers *a)
{
    a->recall = NAN;
    if (!data->neighbors || data->gt_k < a->k) return LEANN_OK;
    return leann_recall_mean(c->ctx, data, a->ids, a->n, a->k, &a->recall);
}

/* ---- passages ------------------------------------------------------------------------------------------------------------------ */

/* Where a row's text lies, as far as the index knows and its file still bears it out. */
typedef struct {
    leann_reference at;
    uint64_t first, last; /* lines */
    const char *problem;  /* NULL, or why the lines are not known: the context's, until its next call */
} passage;

static leann_status find_passage(cli *c, const leann_index *index, uint32_t id, passage *out)
{
    out->problem = NULL;
    leann_status status = leann_index_passage(c->ctx, index, id, &out->at);
    if (!status) status = leann_index_passage_lines(c->ctx, index, id, &out->first, &out->last);
    if (status != LEANN_EIO && status != LEANN_ENOTFOUND) return status;
    out->problem = leann_ctx_error(c->ctx);
    return LEANN_OK;
}

/* Names of files may hold what a terminal would obey. */
static void print_name(const char *name)
{
    for (; *name; name++) putchar((unsigned char)*name < ' ' || *name == 127 ? '?' : *name);
}

static leann_status print_passage(cli *c, const leann_index *index, uint32_t id)
{
    passage p;
    leann_status status = find_passage(c, index, id, &p);
    if (status) return status;
    print_name(p.at.path);
    if (!p.problem) {
        printf(":%" PRIu64 "-%" PRIu64 "\n", p.first, p.last);
        return LEANN_OK;
    }
    printf(", bytes %" PRIu64 " to %" PRIu64 ": ", p.at.offset, p.at.offset + p.at.bytes);
    print_name(p.problem);
    putchar('\n');
    return LEANN_OK;
}

static leann_status passage_value(cli *c, const leann_index *index, uint32_t id, leann_value *list)
{
    passage p;
    leann_status status = find_passage(c, index, id, &p);
    if (status) return status;
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "path", leann_value_new_text(p.at.path));
    leann_value_set(v, "byte_offset", leann_value_new_int((int64_t)p.at.offset));
    leann_value_set(v, "byte_length", leann_value_new_int(p.at.bytes));
    if (p.problem) {
        leann_value_set(v, "problem", leann_value_new_text(p.problem));
    } else {
        leann_value_set(v, "first_line", leann_value_new_int((int64_t)p.first));
        leann_value_set(v, "last_line", leann_value_new_int((int64_t)p.last));
    }
    leann_value_append(list, v);
    return LEANN_OK;
}

/* ---- printing ------------------------------------------------------------------------------------------------------------------ */

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(const answers *a, double share) /* of ns, sorted */
{
    uint32_t rank = (uint32_t)ceil(share * a->n);
    return (double)a->ns[rank > 0 ? rank - 1 : 0] * 1e-6;
}

static leann_value *summary_value(const answers *a)
{
    static const char *const names[] = {"dist_comps", "hops", "fetches", "recomputes", "encoder_calls", "cache_hits", "pages"};
    enum { COUNTS = sizeof names / sizeof names[0] };
    leann_value *v = leann_value_new_map();
    double sums[COUNTS] = {0}, total_ns = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        const leann_work *w = a->work + i;
        const uint64_t counts[COUNTS] = {w->dist_comps, w->hops, w->fetches, w->recomputes, w->encoder_calls, w->cache_hits, w->pages};
        for (int j = 0; j < COUNTS; j++) sums[j] += (double)counts[j];
        total_ns += (double)a->ns[i];
    }
    leann_value_set(v, "queries", leann_value_new_int(a->n));
    leann_value_set(v, "k", leann_value_new_int(a->k));
    leann_value_set(v, "recall", leann_value_new_real(a->recall));
    leann_value_set(v, "mean_ms", leann_value_new_real(total_ns * 1e-6 / a->n));
    leann_value_set(v, "p50_ms", leann_value_new_real(percentile_ms(a, 0.50)));
    leann_value_set(v, "p95_ms", leann_value_new_real(percentile_ms(a, 0.95)));
    leann_value_set(v, "p99_ms", leann_value_new_real(percentile_ms(a, 0.99)));
    leann_value_set(v, "qps", leann_value_new_real(total_ns > 0 ? a->n / (total_ns * 1e-9) : 0));
    leann_value_set(v, "peak_rss_mb", leann_value_new_real((double)a->peak * 1e-6));
    for (int j = 0; j < COUNTS; j++) leann_value_set(v, names[j], leann_value_new_real(sums[j] / a->n));
    return v;
}

static leann_status answers_value(cli *c, const leann_index *index, const answers *a, leann_value **out)
{
    leann_status status = LEANN_OK;
    leann_value *list = *out = leann_value_new_list();
    for (uint32_t i = 0; i < a->n && !status; i++) {
        leann_value *v = leann_value_new_map(), *ids = leann_value_new_list(), *dist = leann_value_new_list(),
                    *passages = leann_value_new_list();
        for (uint32_t j = 0; j < a->k && a->ids[(size_t)i * a->k + j] != LEANN_NONE && !status; j++) {
            leann_value_append(ids, leann_value_new_int(a->ids[(size_t)i * a->k + j]));
            leann_value_append(dist, leann_value_new_real(a->dist[(size_t)i * a->k + j]));
            if (index->references) status = passage_value(c, index, a->ids[(size_t)i * a->k + j], passages);
        }
        leann_value_set(v, "query", leann_value_new_int(i));
        leann_value_set(v, "ids", ids);
        leann_value_set(v, "distances", dist);
        if (index->references) leann_value_set(v, "passages", leann_value_keep(passages));
        leann_value_free(passages);
        leann_value_append(list, v);
    }
    return status;
}

static leann_status print_answers(cli *c, const leann_index *index, const answers *a)
{
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; i < a->n && !status; i++) {
        const uint32_t *ids = a->ids + (size_t)i * a->k;
        printf("%" PRIu32 ":", i);
        for (uint32_t j = 0; j < a->k && ids[j] != LEANN_NONE; j++)
            printf(" %" PRIu32 " (%.6g)", ids[j], (double)a->dist[(size_t)i * a->k + j]);
        putchar('\n');
        for (uint32_t j = 0; index->references && j < a->k && ids[j] != LEANN_NONE && !status; j++) {
            printf("  %10" PRIu32 "  ", ids[j]);
            status = print_passage(c, index, ids[j]);
        }
    }
    return status;
}

static void print_text(const answers *a, const leann_value *summary)
{
    static const char *const work[] = {"dist_comps", "hops", "fetches", "recomputes", "encoder_calls", "pages"};
    printf("%" PRIu32 " queries, k = %" PRIu32 ", one thread\n", a->n, a->k);
    if (isnan(a->recall))
        printf("  recall      not known: the data set has no ground truth for k = %" PRIu32 "\n", a->k);
    else
        printf("  recall@%-4" PRIu32 " %.4f\n", a->k, a->recall);
    printf("  latency     mean %.3f ms, p50 %.3f, p95 %.3f, p99 %.3f; %.0f queries a second\n",
           leann_value_real(leann_value_get(summary, "mean_ms"), 0), leann_value_real(leann_value_get(summary, "p50_ms"), 0),
           leann_value_real(leann_value_get(summary, "p95_ms"), 0), leann_value_real(leann_value_get(summary, "p99_ms"), 0),
           leann_value_real(leann_value_get(summary, "qps"), 0));
    printf("  per query  ");
    for (size_t j = 0; j < sizeof work / sizeof work[0]; j++)
        printf("%s %.1f %s", j ? "," : "", leann_value_real(leann_value_get(summary, work[j]), 0), work[j]);
    printf("\n  memory      %.1f MB resident at most\n", leann_value_real(leann_value_get(summary, "peak_rss_mb"), 0));
}

static leann_status print_all(cli *c, const leann_index *index, answers *a)
{
    cli_progress_clear();
    bool json = cli_flag(c, "json"), each = cli_flag(c, "answers");
    leann_value *listed = NULL;
    leann_status status = LEANN_OK;
    if (each) status = json ? answers_value(c, index, a, &listed) : print_answers(c, index, a);
    if (status) {
        leann_value_free(listed);
        return status;
    }
    qsort(a->ns, a->n, sizeof *a->ns, ascending);
    leann_value *summary = summary_value(a);
    if (listed) leann_value_set(summary, "answers", listed);
    if (json)
        cli_print_json(leann_value_keep(summary));
    else
        print_text(a, summary);
    leann_value_free(summary);
    return LEANN_OK;
}

/* ---- one query, step by step ------------------------------------------------------------------------------------------------------ */

static void print_step(void *arg, const char *line)
{
    (void)arg;
    printf("  %s\n", line);
}

/* Which of the exact neighbours a row is, from 1; 0: none that the file has. */
static uint32_t rank_of(const leann_dataset *data, uint32_t query, uint32_t id)
{
    for (uint32_t i = 0; data->neighbors && i < data->gt_k; i++)
        if (data->neighbors[(size_t)query * data->gt_k + i] == id) return i + 1;
    return 0;
}

static leann_status explain(cli *c, const leann_dataset *data, const leann_plan *plan, uint32_t query, uint32_t k)
{
    static const char *const stages[] = {"anchors or graph", "codes", "exact vectors"};
    if (query >= data->test.n)
        return leann_fail(c->ctx, LEANN_EINVAL, "--explain %u: the data set's queries are 0 to %u", query, data->test.n - 1);
    uint32_t *ids = leann_alloc(c->ctx, k, sizeof *ids);
    float *dist = leann_alloc(c->ctx, k, sizeof *dist);
    leann_rows one = data->test;
    leann_work w = {0};
    one.base = (const char *)data->test.base + (size_t)query * data->test.stride;
    one.n = 1;
    printf("query %u, %s\n", query, leann_index_config(plan->index));
    leann_ctx_on_trace(c->ctx, print_step, NULL);
    uint64_t start = leann_now_ns();
    leann_status status = ids && dist ? leann_search(plan, c->ctx, one, k, ids, dist, &w) : LEANN_ENOMEM;
    double ms = (double)(leann_now_ns() - start) * 1e-6;
    leann_ctx_on_trace(c->ctx, NULL, NULL);
    if (!status) {
        printf("%.3f ms:", ms);
        for (int i = 0; i < 3; i++) printf("%s %.3f %s", i ? "," : "", (double)w.stage_ns[i] * 1e-6, stages[i]);
        printf("\n%" PRIu64 " distances, %" PRIu64 " hops, %" PRIu64 " fetches, %" PRIu64 " recomputed in %" PRIu64 " calls, %" PRIu64
               " from a cache, %" PRIu64 " pages%s\n",
               w.dist_comps, w.hops, w.fetches, w.recomputes, w.encoder_calls, w.cache_hits, w.pages,
               w.approximate ? "; APPROXIMATE: exact vectors could not be had" : "");
    }
    for (uint32_t i = 0; i < k && !status && ids[i] != LEANN_NONE; i++) {
        const uint32_t rank = rank_of(data, query, ids[i]);
        printf("%3u. row %u, distance %.6g, ", i + 1, ids[i], (double)dist[i]);
        if (rank)
            printf("exact neighbour %u\n", rank);
        else
            printf("not among the exact neighbours known\n");
        if (!plan->index->references) continue;
        printf("     ");
        status = print_passage(c, plan->index, ids[i]);
    }
    leann_free(ids);
    leann_free(dist);
    return status;
}

/* Recall and re-ranking would be of other rows than the index answers from. */
static leann_status check_same_rows(cli *c, const leann_index *index, const leann_dataset *data)
{
    if (!index->data_sha[0] || !data->sha[0] || strcmp(index->data_sha, data->sha) == 0) return LEANN_OK;
    return leann_fail(c->ctx, LEANN_EINVAL, "%s was built from other rows than those of %s: their sha256 is %.12s…, not %.12s…",
                      cli_word(c, 0), cli_word(c, 1), index->data_sha, data->sha);
}

static leann_status run(cli *c)
{
    leann_dataset *data = NULL;
    leann_index *index = NULL;
    leann_plan *plan = NULL;
    answers a = {.k = (uint32_t)cli_int(c, "k")};
    leann_status status = leann_index_open(c->ctx, cli_word(c, 0), &index);
    if (!status) status = leann_dataset_open(c->ctx, cli_word(c, 1), &data);
    if (!status) status = check_same_rows(c, index, data);
    if (!status && data->test.n == 0) status = leann_fail(c->ctx, LEANN_EINVAL, "%s has no queries (no rows in test)", cli_word(c, 1));
    if (!status) status = leann_plan_over(c->ctx, index, cli_text(c, "query"), data, &plan);
    if (!status && cli_given(c, "explain")) {
        status = explain(c, data, plan, (uint32_t)cli_int(c, "explain"), a.k);
        goto done;
    }
    if (!status) {
        uint32_t wanted = (uint32_t)cli_int(c, "queries");
        a.n = wanted == 0 || wanted > data->test.n ? data->test.n : wanted;
        status = search_all(c, data, plan, &a);
    }
    if (!status) status = measure_recall(c, data, &a);
    if (!status) status = print_all(c, index, &a);
done:
    leann_free(a.ids);
    leann_free(a.dist);
    leann_free(a.work);
    leann_free(a.ns);
    leann_plan_free(plan);
    leann_dataset_free(data);
    leann_index_free(index);
    return status;
}

static const cli_option options[] = {
    {"k", CLI_INT, "N", "answers a query", "10", 1, 4294967294.0},
    {"query", CLI_TEXT, "'{…}'", "the method's query parameters, YAML or JSON: '{ef_search: 64}'", NULL, 0, 0},
    {"queries", CLI_INT, "N", "only the first N of the data set's queries; 0: all", "0", 0, 4294967294.0},
    {"explain", CLI_INT, "ROW", "only this query, step by step: stages, fetches, why it ended", NULL, 0, 4294967294.0},
    {"answers", CLI_FLAG, NULL, "print each query's ids and distances too, and where their passages lie", NULL, 0, 0},
    {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
    CLI_OPTION_END};
const cli_command cli_search = {"search",
                                "INDEX DATA",
                                "search an index with a data set's queries: recall, latency and work",
                                "  leann search mnist.leann mnist-784-euclidean --k 10\n"
                                "  leann search mnist.leann mnist-784-euclidean --query '{probes: 32, rerank: 100}' --json\n"
                                "  leann search mnist.leann mnist-784-euclidean --queries 3 --answers\n"
                                "  leann search mnist.leann mnist-784-euclidean --explain 7\n",
                                2,
                                2,
                                options,
                                run};
