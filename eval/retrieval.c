/* retrieval.c – ranked lists against what is relevant; dense, BM25 and hybrid lists of one text set.
 *
 * Cost: a product of all queries with all rows, and FTS5's scoring, about 3 us a passage that holds one of a query's words (Zen 4, one core;
 * most passages hold one).
 *
 * Source: Järvelin & Kekäläinen 2002 (nDCG); Voorhees 1999 (MRR); Cormack, Clarke & Büttcher 2009 (reciprocal rank fusion, k = 60).
 *
 * SPDX-License-Identifier: MIT */
#include "eval/retrieval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/product.h"
#include "datasets/relevance.h"
#include "eval/recall.h"
#include "methods/fulltext.h"

enum { TEXTS_AT_ONCE = 1024 };
const char *const leann_retrieval_measure_words[LEANN_RETRIEVAL_MEASURES] = {"ndcg_10",  "mrr_10",    "recall_1",
                                                                             "recall_3", "recall_10", "recall_100"};
const char *const leann_ranking_words[LEANN_RANKINGS] = {"dense", "bm25", "hybrid"};

/* ---- one list --------------------------------------------------------------------------------------------------------------------- */

static bool is_relevant(uint32_t id, const uint32_t *relevant, uint64_t m)
{
    return bsearch(&id, relevant, m, sizeof *relevant, leann_by_id) != NULL;
}

static double best_gain(uint64_t m, uint32_t k)
{
    double gain = 0;
    for (uint32_t r = 1; r <= k && r <= m; r++) gain += 1 / log2(r + 1.0);
    return gain;
}

void leann_retrieval_judge(const uint32_t *ids, uint32_t n, const uint32_t *relevant, uint64_t m, double out[LEANN_RETRIEVAL_MEASURES])
{
    static const uint32_t depth[LEANN_RETRIEVAL_MEASURES] = {10, 10, 1, 3, 10, 100};
    memset(out, 0, LEANN_RETRIEVAL_MEASURES * sizeof *out);
    for (uint32_t r = 1; r <= n && r <= LEANN_RETRIEVAL_DEPTH; r++) {
        if (!is_relevant(ids[r - 1], relevant, m)) continue;
        if (r <= depth[LEANN_NDCG_10]) out[LEANN_NDCG_10] += 1 / log2(r + 1.0);
        if (r <= depth[LEANN_MRR_10] && out[LEANN_MRR_10] == 0) out[LEANN_MRR_10] = 1.0 / r;
        for (int i = LEANN_RECALL_1; i <= LEANN_RECALL_100; i++) out[i] += r <= depth[i];
    }
    out[LEANN_NDCG_10] /= best_gain(m, depth[LEANN_NDCG_10]);
    for (int i = LEANN_RECALL_1; i <= LEANN_RECALL_100; i++) out[i] /= (double)m;
}

/* ---- fusion ------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    double score;
    uint32_t id;
} fused;

static int fused_by_id(const void *a, const void *b)
{
    return leann_by_id(&((const fused *)a)->id, &((const fused *)b)->id);
}

static int fused_by_score(const void *a, const void *b)
{
    const fused *x = a, *y = b;
    return x->score != y->score ? x->score > y->score ? -1 : 1 : fused_by_id(a, b);
}

static uint32_t append(fused *all, uint32_t n, const uint32_t *ids, uint32_t more)
{
    for (uint32_t i = 0; i < more; i++) all[n++] = (fused){1.0 / (LEANN_FUSION_K + i + 1), ids[i]};
    return n;
}

leann_status leann_fuse(leann_ctx *ctx, const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb, uint32_t k, uint32_t *out,
                        uint32_t *found)
{
    size_t mark = leann_scratch_mark(ctx);
    fused *all = leann_scratch(ctx, ((size_t)na + nb + 1) * sizeof *all);
    if (!all) return LEANN_ENOMEM;
    uint32_t n = append(all, append(all, 0, a, na), b, nb), kept = 0;
    qsort(all, n, sizeof *all, fused_by_id); /* an id of both lists comes twice in a row: the sum of two does not depend on the order */
    for (uint32_t i = 0; i < n; i++) {
        if (kept && all[kept - 1].id == all[i].id)
            all[kept - 1].score += all[i].score;
        else
            all[kept++] = all[i];
    }
    qsort(all, kept, sizeof *all, fused_by_score);
    *found = kept < k ? kept : k;
    for (uint32_t i = 0; i < *found; i++) out[i] = all[i].id;
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

/* ---- lists of a set -------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_ctx *ctx;
    leann_dataset *data;
    const leann_passages *passages; /* the data set's */
    leann_judged judged;
    uint32_t *query; /* (out->queries): those that are judged */
    leann_retrieval *out;
} job;

static leann_status rank_dense(const job *j)
{
    leann_retrieval *r = j->out;
    leann_rows queries = {0};
    uint32_t k = r->n < LEANN_RETRIEVAL_DEPTH ? r->n : LEANN_RETRIEVAL_DEPTH,
             *ids = leann_alloc(j->ctx, (size_t)r->queries * k, sizeof *ids);
    double *dist = leann_alloc(j->ctx, (size_t)r->queries * k, sizeof *dist);
    leann_status status = ids && dist ? leann_rows_pick(j->ctx, j->data->test, j->query, r->queries, &queries) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_exact(j->ctx, j->data->train, queries, k, ids, dist);
    for (uint32_t i = 0; status == LEANN_OK && i < r->queries; i++) {
        memcpy(r->ids[LEANN_DENSE] + (size_t)i * LEANN_RETRIEVAL_DEPTH, ids + (size_t)i * k, k * sizeof *ids);
        r->found[LEANN_DENSE][i] = k;
    }
    leann_free((void *)(uintptr_t)queries.base);
    leann_free(ids);
    leann_free(dist);
    return status;
}

/* Each block of the passages' texts in turn. */
typedef leann_status (*block_fn)(leann_ctx *ctx, void *arg, const leann_text *texts, uint32_t n);

static leann_status each_block(const job *j, block_fn take, void *arg)
{
    uint32_t ids[TEXTS_AT_ONCE];
    leann_text texts[TEXTS_AT_ONCE];
    leann_status status = LEANN_OK;
    for (uint32_t first = 0; status == LEANN_OK && first < j->out->n; first += TEXTS_AT_ONCE) {
        uint32_t now = j->out->n - first < TEXTS_AT_ONCE ? j->out->n - first : TEXTS_AT_ONCE;
        size_t mark = leann_scratch_mark(j->ctx);
        for (uint32_t i = 0; i < now; i++) ids[i] = first + i;
        status = j->passages->read(j->passages, j->ctx, ids, now, texts);
        if (status == LEANN_OK) status = take(j->ctx, arg, texts, now);
        leann_scratch_reset(j->ctx, mark);
    }
    return status;
}

static leann_status index_block(leann_ctx *ctx, void *arg, const leann_text *texts, uint32_t n)
{
    return leann_fulltext_add(ctx, arg, texts, n);
}

static leann_status search_texts(const job *j, leann_fulltext *f)
{
    leann_retrieval *r = j->out;
    double key[LEANN_RETRIEVAL_DEPTH];
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; status == LEANN_OK && i < r->queries; i++) {
        leann_ctx_progress(j->ctx, "bm25", i, r->queries);
        status = leann_fulltext_search(j->ctx, f, j->judged.text[j->query[i]], LEANN_RETRIEVAL_DEPTH,
                                       r->ids[LEANN_BM25] + (size_t)i * LEANN_RETRIEVAL_DEPTH, key, r->found[LEANN_BM25] + i);
    }
    if (status == LEANN_OK) leann_ctx_progress(j->ctx, "bm25", r->queries, r->queries);
    return status;
}

static leann_status rank_bm25(const job *j, const leann_retrieval *like)
{
    leann_retrieval *r = j->out;
    leann_fulltext *f = NULL;
    if (like && leann_retrieval_pairs(like, r)) {
        memcpy(r->ids[LEANN_BM25], like->ids[LEANN_BM25], (size_t)r->queries * LEANN_RETRIEVAL_DEPTH * sizeof **r->ids);
        memcpy(r->found[LEANN_BM25], like->found[LEANN_BM25], r->queries * sizeof **r->found);
        return LEANN_OK;
    }
    leann_status status = leann_fulltext_new(j->ctx, NULL, &f);
    if (status == LEANN_OK) status = each_block(j, index_block, f);
    if (status == LEANN_OK) status = leann_fulltext_finish(j->ctx, f);
    if (status == LEANN_OK) status = search_texts(j, f);
    leann_fulltext_free(f);
    return status;
}

static leann_status rank_hybrid(const job *j)
{
    leann_retrieval *r = j->out;
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; status == LEANN_OK && i < r->queries; i++) {
        size_t at = (size_t)i * LEANN_RETRIEVAL_DEPTH;
        status = leann_fuse(j->ctx, r->ids[LEANN_DENSE] + at, r->found[LEANN_DENSE][i], r->ids[LEANN_BM25] + at, r->found[LEANN_BM25][i],
                            LEANN_RETRIEVAL_DEPTH, r->ids[LEANN_HYBRID] + at, r->found[LEANN_HYBRID] + i);
    }
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------- */

static leann_status hash_block(leann_ctx *ctx, void *arg, const leann_text *texts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        leann_sha_add(arg, &texts[i].n, sizeof texts[i].n);
        leann_sha_add(arg, texts[i].bytes, texts[i].n);
    }
    return LEANN_OK;
}

static leann_status hash_texts(const job *j)
{
    const leann_relevance *r = &j->judged.relevance;
    leann_sha *sha = leann_sha_new();
    if (!sha) return leann_fail(j->ctx, LEANN_ENOMEM, "no memory for a checksum");
    leann_status status = each_block(j, hash_block, sha);
    if (status == LEANN_OK) status = hash_block(j->ctx, sha, j->judged.text, r->queries);
    leann_sha_add(sha, r->offset, ((size_t)r->queries + 1) * sizeof *r->offset);
    leann_sha_add(sha, r->ids, r->offset[r->queries] * sizeof *r->ids);
    leann_sha_end(sha, j->out->texts);
    return status;
}

/* Which queries are judged, and room for what is found. */
static leann_status lay_out(job *j, bool all)
{
    leann_retrieval *r = j->out;
    uint32_t tune = 0, *order = leann_alloc(j->ctx, (size_t)r->of + 1, sizeof *order);
    leann_status status = order ? leann_split(j->ctx, r->of, 0, order, &tune) : LEANN_ENOMEM;
    if (status != LEANN_OK) return status;
    if (all) tune = 0;
    j->query = order;
    r->queries = r->of - tune;
    memmove(order, order + tune, r->queries * sizeof *order);
    for (int i = 0; i < LEANN_RANKINGS; i++) {
        r->ids[i] = leann_alloc(j->ctx, (size_t)r->queries * LEANN_RETRIEVAL_DEPTH, sizeof **r->ids);
        r->found[i] = leann_alloc(j->ctx, r->queries, sizeof **r->found);
        if (!r->ids[i] || !r->found[i]) return LEANN_ENOMEM;
        for (int m = 0; m < LEANN_RETRIEVAL_MEASURES; m++)
            if (!(r->value[i][m] = leann_alloc(j->ctx, r->queries, sizeof ***r->value))) return LEANN_ENOMEM;
    }
    return LEANN_OK;
}

static leann_status open_set(job *j, const char *name, bool all)
{
    leann_retrieval *r = j->out;
    leann_status status = leann_dataset_open(j->ctx, name, &j->data);
    if (status != LEANN_OK) return status;
    r->n = j->data->train.n;
    r->of = j->data->test.n;
    if (r->of == 0) return leann_fail(j->ctx, LEANN_EINVAL, "%s has no queries", name);
    if ((status = j->data->passages(j->data, j->ctx, &j->passages)) != LEANN_OK) return status;
    r->name = leann_format(j->ctx, "%s", name);
    r->encoder = leann_format(j->ctx, "%s", j->passages->encoder);
    if (!r->name || !r->encoder) return LEANN_ENOMEM;
    strncpy(r->identity, j->passages->identity, sizeof r->identity - 1);
    status = leann_judged_open(j->ctx, name, r->of, r->n, &j->judged);
    if (status == LEANN_OK) status = lay_out(j, all);
    return status == LEANN_OK ? hash_texts(j) : status;
}

static void judge(const job *j)
{
    const leann_retrieval *r = j->out;
    const leann_relevance *truth = &j->judged.relevance;
    double value[LEANN_RETRIEVAL_MEASURES];
    for (int k = 0; k < LEANN_RANKINGS; k++)
        for (uint32_t i = 0; i < r->queries; i++) {
            uint64_t begin = truth->offset[j->query[i]], end = truth->offset[j->query[i] + 1];
            leann_retrieval_judge(r->ids[k] + (size_t)i * LEANN_RETRIEVAL_DEPTH, r->found[k][i], truth->ids + begin, end - begin, value);
            for (int m = 0; m < LEANN_RETRIEVAL_MEASURES; m++) r->value[k][m][i] = value[m];
        }
}

leann_status leann_retrieval_run(leann_ctx *ctx, const char *name_or_path, bool all, const leann_retrieval *like, leann_retrieval *out)
{
    job j = {.ctx = ctx, .out = out};
    *out = (leann_retrieval){0};
    leann_status status = open_set(&j, name_or_path, all);
    if (status == LEANN_OK) status = rank_dense(&j);
    if (status == LEANN_OK) status = rank_bm25(&j, like);
    if (status == LEANN_OK) status = rank_hybrid(&j);
    if (status == LEANN_OK) judge(&j);
    leann_free(j.query);
    leann_judged_free(&j.judged);
    leann_dataset_free(j.data);
    if (status != LEANN_OK) leann_retrieval_free(out);
    return status;
}

void leann_retrieval_free(leann_retrieval *r)
{
    leann_free(r->name);
    leann_free(r->encoder);
    for (int i = 0; i < LEANN_RANKINGS; i++) {
        leann_free(r->ids[i]);
        leann_free(r->found[i]);
        for (int m = 0; m < LEANN_RETRIEVAL_MEASURES; m++) leann_free(r->value[i][m]);
    }
    *r = (leann_retrieval){0};
}

/* ---- means -------------------------------------------------------------------------------------------------------------------------------- */

static const uint64_t resampling_seed = 1;

bool leann_retrieval_pairs(const leann_retrieval *a, const leann_retrieval *b)
{
    return a->queries == b->queries && a->of == b->of && strcmp(a->texts, b->texts) == 0;
}

leann_status leann_retrieval_mean(leann_ctx *ctx, const leann_retrieval *r, leann_ranking ranking, leann_retrieval_measure measure,
                                  leann_interval *out)
{
    return leann_stats_bootstrap(ctx, r->value[ranking][measure], r->queries, resampling_seed, out);
}

static leann_status check_pairs(leann_ctx *ctx, const leann_retrieval *a, const leann_retrieval *b)
{
    if (leann_retrieval_pairs(a, b)) return LEANN_OK;
    return leann_fail(ctx, LEANN_EINVAL, "%s and %s have not the same texts and queries, so that they cannot be compared query by query",
                      a->name, b->name);
}

leann_status leann_retrieval_difference(leann_ctx *ctx, const leann_retrieval *a, leann_ranking a_ranking, const leann_retrieval *b,
                                        leann_ranking b_ranking, leann_retrieval_measure measure, leann_interval *out)
{
    leann_status status = check_pairs(ctx, a, b);
    if (status != LEANN_OK) return status;
    return leann_stats_paired_difference(ctx, a->value[a_ranking][measure], b->value[b_ranking][measure], a->queries, resampling_seed, out);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

leann_status leann_retrieval_agreement(leann_ctx *ctx, const leann_retrieval *a, const leann_retrieval *b, uint32_t k, leann_interval *out)
{
    const size_t mark = leann_scratch_mark(ctx);
    leann_status status = check_pairs(ctx, a, b);
    double *share = status == LEANN_OK ? leann_scratch(ctx, a->queries * sizeof *share) : NULL;
    if (!share) return status == LEANN_OK ? leann_ctx_status(ctx) : status;
    for (uint32_t i = 0; i < a->queries; i++) {
        const uint32_t *of_a = a->ids[LEANN_DENSE] + (size_t)i * LEANN_RETRIEVAL_DEPTH;
        const uint32_t *of_b = b->ids[LEANN_DENSE] + (size_t)i * LEANN_RETRIEVAL_DEPTH;
        const uint32_t na = least(k, a->found[LEANN_DENSE][i]), nb = least(k, b->found[LEANN_DENSE][i]);
        uint32_t both = 0;
        for (uint32_t x = 0; x < nb; x++)
            for (uint32_t y = 0; y < na; y++) both += of_a[y] == of_b[x];
        share[i] = nb ? (double)both / nb : 1;
    }
    status = leann_stats_bootstrap(ctx, share, a->queries, resampling_seed, out);
    leann_scratch_reset(ctx, mark);
    return status;
}
