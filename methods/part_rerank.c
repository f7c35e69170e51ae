/* part_rerank.c – the exact re-rank: fetches the vectors of the best candidates in the fetcher's best batch and keys them exactly.
 * Cost: R fetches, R d multiply-adds and one heap of R.
 *
 * Source: Jégou, Tavenard, Douze & Amsaleg 2011 (re-ranking after codes), with the vectors fetched instead of refined codes.
 *
 * SPDX-License-Identifier: MIT */
#include "methods/parts.h"

#include <string.h>

#define FIRST 0x80000000u /* of a place: nobody asked for the row before */

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

/* ---- exact keys ------------------------------------------------------------------------------------------------------------------ */

/* ids: each once, ascending; place (total): where each wanted row is among them. Who asks first is who pays. Returns how many ids.
 * all, room (total): what is wanted, the row above its place among all that is, query after query. */
static uint32_t each_once(leann_wanted *wanted, uint32_t queries, uint64_t *all, uint64_t *room, uint32_t *ids, uint32_t *place)
{
    uint32_t total = 0, n = 0;
    for (uint32_t i = 0; i < queries; i++)
        for (uint32_t j = 0; j < wanted[i].n; j++, total++) all[total] = (uint64_t)wanted[i].hit[j].id << 32 | total;
    leann_sort_numbers(all, total, room); /* qsort allocates from 1 KiB on */
    for (uint32_t i = 0; i < total; i++) {
        const uint32_t id = (uint32_t)(all[i] >> 32), at = (uint32_t)all[i];
        const bool first = n == 0 || ids[n - 1] != id;
        if (first) ids[n++] = id;
        place[at] = first ? (n - 1) | FIRST : n - 1;
    }
    for (uint32_t i = 0, at = 0; i < queries; i++)
        for (uint32_t j = 0; j < wanted[i].n; j++, at++) {
            wanted[i].fetched += (place[at] & FIRST) != 0;
            place[at] &= ~FIRST;
        }
    return n;
}

/* A key that is no number comes of a vector that holds one; looked for only then, since every query pays for what is looked at. */
static leann_status blame(leann_ctx *ctx, const char *word, leann_rows rows, uint32_t at, uint32_t id)
{
    const float *x = (const float *)((const char *)rows.base + at * rows.stride);
    for (uint32_t j = 0; j < rows.d; j++)
        if (!isfinite(x[j]))
            return leann_fail(ctx, LEANN_EIO, "fetcher %s: number %u of the vector of row %u is %g", word, j, id, (double)x[j]);
    return LEANN_OK; /* finite, and too far away for a float */
}

/* Keys of those of a query's rows that lie among rows [first, first + rows.n); room: for wanted->n of each. */
static leann_status key_some(leann_ctx *ctx, const char *word, leann_rows rows, uint32_t first, const uint32_t *place, leann_wanted *wanted,
                             uint32_t *some, float *key)
{
    const size_t mark = leann_scratch_mark(ctx);
    uint32_t n = 0;
    for (uint32_t j = 0; j < wanted->n; j++)
        if (place[j] >= first && place[j] - first < rows.n) some[n++] = place[j] - first;
    if (n == 0) return LEANN_OK;
    leann_scorer *scorer = leann_rows_scorer(ctx, rows, wanted->q);
    if (!scorer) return leann_ctx_status(ctx);
    scorer->score(scorer, (leann_span){LEANN_NONE, 0, n, some}, INFINITY, key, NULL);
    leann_status status = LEANN_OK;
    for (uint32_t j = 0, i = 0; j < wanted->n && !status; j++) {
        if (place[j] < first || place[j] - first >= rows.n) continue;
        if (!isfinite(key[i])) status = blame(ctx, word, rows, some[i], wanted->hit[j].id);
        wanted->hit[j].key = key[i++];
    }
    leann_scratch_reset(ctx, mark);
    return status;
}

/* One batch of exact vectors, of the shape that was asked for; their numbers show in the keys. */
static leann_status fetch_batch(leann_ctx *ctx, const leann_plan *plan, const uint32_t *ids, uint32_t n, leann_rows *rows)
{
    const leann_fetcher *fetcher = plan->fetcher;
    const char *word = fetcher->type->common.name;
    const uint64_t start = leann_now_ns();
    uint64_t ticket;
    leann_status status = fetcher->type->submit(fetcher, ctx, ids, n, &ticket);
    if (!status) status = fetcher->type->collect(fetcher, ctx, ticket, 0, rows);
    if (status) return status;
    if (rows->n != n || rows->d != plan->index->d || rows->type != LEANN_F32)
        return leann_fail(ctx, LEANN_EIO, "fetcher %s gave %u vectors of %u numbers of type %s; %u of %u of type f32 were asked for", word,
                          rows->n, rows->d, leann_dtype_word(rows->type), n, plan->index->d);
    rows->space = plan->index->space;
    leann_trace(ctx, "fetch: %u rows by %s, %.3f ms", n, word, (double)(leann_now_ns() - start) * 1e-6);
    return LEANN_OK;
}

leann_status leann_fetch_wanted(leann_ctx *ctx, const leann_plan *plan, leann_wanted *wanted, uint32_t queries)
{
    const leann_fetcher *fetcher = plan->fetcher;
    const size_t mark = leann_scratch_mark(ctx);
    uint32_t total = 0;
    for (uint32_t i = 0; i < queries; i++) total += wanted[i].n;
    if (total == 0) return LEANN_OK;
    uint64_t *all = leann_scratch(ctx, total * sizeof *all), *room = leann_scratch(ctx, total * sizeof *room);
    uint32_t *ids = leann_scratch(ctx, total * sizeof *ids), *place = leann_scratch(ctx, total * sizeof *place);
    uint32_t *some = leann_scratch(ctx, total * sizeof *some);
    float *key = leann_scratch(ctx, total * sizeof *key);
    if (!all || !room || !ids || !place || !some || !key) return leann_ctx_status(ctx);
    const uint32_t n = each_once(wanted, queries, all, room, ids, place);
    const uint32_t batch = fetcher->best_batch && fetcher->best_batch < n ? fetcher->best_batch : n;
    leann_status status = LEANN_OK;
    for (uint32_t first = 0; first < n && !status; first += batch) {
        const size_t inner = leann_scratch_mark(ctx);
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        leann_rows rows;
        status = fetch_batch(ctx, plan, ids + first, n - first < batch ? n - first : batch, &rows);
        for (uint32_t i = 0, at = 0; i < queries && !status; at += wanted[i++].n)
            status = key_some(ctx, fetcher->type->common.name, rows, first, place + at, &wanted[i], some, key);
        leann_scratch_reset(ctx, inner);
    }
    leann_ctx_work(ctx)->dist_comps += total;
    leann_scratch_reset(ctx, mark);
    return status;
}

bool leann_codes_will_do(leann_ctx *ctx, const leann_plan *plan, leann_status failure)
{
    if (!plan->codes_will_do || failure == LEANN_ENOMEM || failure == LEANN_EINTR || failure == LEANN_EINVAL) return false;
    leann_trace(ctx, "the fetch failed (%s): what is left is answered by codes", leann_ctx_error(ctx));
    leann_ctx_forgive(ctx);
    leann_ctx_work(ctx)->approximate = 1;
    return true;
}

/* ---- the best of them -------------------------------------------------------------------------------------------------------------- */

leann_status leann_rerank(leann_ctx *ctx, const leann_plan *plan, const float *q, leann_hit *hit, uint32_t n, uint32_t k, uint32_t *ids,
                          float *key, uint32_t *found)
{
    leann_work *work = leann_ctx_work(ctx);
    uint64_t start = leann_now_ns();
    if (plan->fetcher && n > 0) {
        size_t mark = leann_scratch_mark(ctx);
        leann_sieve top;
        if (!leann_sieve_start(&top, ctx, n)) return leann_ctx_status(ctx);
        leann_hit *exact = leann_scratch(ctx, n * sizeof *exact);
        if (!exact) return leann_ctx_status(ctx);
        memcpy(exact, hit, n * sizeof *exact);
        leann_status status = leann_fetch_wanted(ctx, plan, &(leann_wanted){.q = q, .hit = exact, .n = n}, 1);
        if (status == LEANN_OK) {
            for (uint32_t i = 0; i < n; i++) leann_sieve_push(&top, exact[i].key, exact[i].id);
            memcpy(hit, leann_sieve_sort(&top), n * sizeof *hit);
        }
        leann_scratch_reset(ctx, mark);
        if (status != LEANN_OK && !leann_codes_will_do(ctx, plan, status)) return status;
    }
    *found = n < k ? n : k;
    for (uint32_t i = 0; i < *found; i++) {
        ids[i] = hit[i].id;
        key[i] = hit[i].key;
    }
    work->stage_ns[2] += leann_now_ns() - start;
    return LEANN_OK;
}
