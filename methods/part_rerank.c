/* part_rerank.c – the exact re-rank: fetches the vectors of the best candidates in the fetcher's best batch and keys them exactly.
 * Cost: R fetches, R d multiply-adds and one heap of R.
 *
 * Source: Jégou, Tavenard, Douze & Amsaleg 2011 (re-ranking after codes), with the vectors fetched instead of refined codes.
 *
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

#include <string.h>

leann_status leann_rerank_plan(leann_ctx *ctx, leann_plan *plan, leann_choice fetcher, uint32_t rerank)
{
    if (rerank == 0) return LEANN_OK;
    if (!plan->source)
        return leann_fail(ctx, LEANN_EINVAL,
                          "rerank is %u, but the plan was given no source rows to fetch exact vectors from; rerank: 0 "
                          "answers from the codes alone",
                          rerank);
    return leann_fetcher_of(fetcher)->open(ctx, plan->source, plan->data, fetcher.params, &plan->fetcher);
}

static leann_status fetch_keys(leann_ctx *ctx, const leann_fetcher *fetcher, leann_space space, const float *q, leann_hit *hit, uint32_t n)
{
    size_t mark = leann_scratch_mark(ctx);
    leann_status status = LEANN_ENOMEM;
    uint32_t batch = fetcher->best_batch && fetcher->best_batch < n ? fetcher->best_batch : n;
    uint32_t *ids = leann_scratch(ctx, batch * sizeof *ids);
    float *key = leann_scratch(ctx, batch * sizeof *key);
    if (!ids || !key) goto done;
    for (uint32_t first = 0; first < n; first += batch) {
        uint32_t m = n - first < batch ? n - first : batch;
        size_t inner = leann_scratch_mark(ctx);
        uint64_t ticket;
        leann_rows rows;
        for (uint32_t i = 0; i < m; i++) ids[i] = hit[first + i].id;
        status = fetcher->type->submit(fetcher, ctx, ids, m, &ticket);
        if (status == LEANN_OK) status = fetcher->type->collect(fetcher, ctx, ticket, 0, &rows);
        if (status != LEANN_OK) goto done;
        rows.space = space;
        leann_scorer *scorer = leann_rows_scorer(ctx, rows, q);
        if (!scorer) {
            status = LEANN_ENOMEM;
            goto done;
        }
        scorer->score(scorer, (leann_span){LEANN_NONE, 0, m, NULL}, INFINITY, key, NULL);
        leann_ctx_work(ctx)->dist_comps += m;
        for (uint32_t i = 0; i < m; i++) hit[first + i].key = key[i];
        leann_scratch_reset(ctx, inner);
    }
    status = LEANN_OK;
done:
    leann_scratch_reset(ctx, mark);
    return status;
}

leann_status leann_rerank(leann_ctx *ctx, const leann_plan *plan, const float *q, leann_hit *hit, uint32_t n, uint32_t k, uint32_t *ids,
                          float *key, uint32_t *found)
{
    leann_work *work = leann_ctx_work(ctx);
    uint64_t start = leann_now_ns();
    if (plan->fetcher && n > 0) {
        size_t mark = leann_scratch_mark(ctx);
        leann_sieve top;
        if (!leann_sieve_start(&top, ctx, n)) return leann_ctx_status(ctx);
        leann_status status = fetch_keys(ctx, plan->fetcher, plan->index->space, q, hit, n);
        if (status == LEANN_OK) {
            for (uint32_t i = 0; i < n; i++) leann_sieve_push(&top, hit[i].key, hit[i].id);
            memcpy(hit, leann_sieve_sort(&top), n * sizeof *hit);
        }
        leann_scratch_reset(ctx, mark);
        if (status != LEANN_OK) return status;
    }
    *found = n < k ? n : k;
    for (uint32_t i = 0; i < *found; i++) {
        ids[i] = hit[i].id;
        key[i] = hit[i].key;
    }
    work->stage_ns[2] += leann_now_ns() - start;
    return LEANN_OK;
}
