/* test_ivf_recompute.c – lists without vectors: the answers of ivf, whatever is stored and whoever asks beside; what is stored, and no more; a
 * fetch that fails; files that lie.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkdtemp, memmem */
#include "core/plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 3000, D = 24, QUERIES = 40, K = 5, LISTS = 55, BATCH = 64 };
static float x[N * D], q[QUERIES * D];
static const leann_rows rows = {x, D * sizeof(float), N, D, LEANN_F32, LEANN_L2};
static char folder[] = "/tmp/leann-ivf-recompute-XXXXXX", path[64], other[64];

static int start(void **state)
{
    (void)state;
    for (int i = 0; i < N + QUERIES; i++) {
        leann_rng rng = leann_rng_at(2, "row", (uint64_t)i), centre = leann_rng_at(2, "centre", (uint64_t)(i % 30) * (uint64_t)(i % 7));
        for (int j = 0; j < D; j++)
            (i < N ? x + i * D : q + (i - N) * D)[j] = (float)(leann_rng_normal(&rng) + 1.5 * leann_rng_normal(&centre));
    }
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/a.leann", folder);
    snprintf(other, sizeof other, "%s/b.leann", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(folder);
}

static leann_rows in(leann_space space)
{
    leann_rows r = rows;
    r.space = space;
    return r;
}

typedef struct {
    uint32_t ids[QUERIES * K];
    float dist[QUERIES * K];
    leann_work work[QUERIES], sum;
} answers;

static leann_status search(leann_ctx *ctx, const leann_plan *plan, answers *a)
{
    const leann_rows queries = {q, D * sizeof(float), QUERIES, D, LEANN_F32, plan->index->space};
    memset(a, 0, sizeof *a);
    const leann_status status = leann_search(plan, ctx, queries, K, a->ids, a->dist, a->work);
    for (int i = 0; i < QUERIES && !status; i++) {
        a->sum.fetches += a->work[i].fetches;
        a->sum.recomputes += a->work[i].recomputes;
        a->sum.cache_hits += a->work[i].cache_hits;
        a->sum.dist_comps += a->work[i].dist_comps;
        a->sum.encoder_calls += a->work[i].encoder_calls;
    }
    return status;
}

static leann_plan *plan_of(leann_ctx *ctx, const leann_index *index, const char *query)
{
    const leann_rows source = in(index->space);
    leann_plan *plan = NULL;
    if (leann_plan_new(ctx, index, query, &source, &plan)) fail_msg("%s", leann_ctx_error(ctx));
    return plan;
}

static answers ask(leann_ctx *ctx, const leann_index *index, const char *query)
{
    answers a;
    leann_plan *plan = plan_of(ctx, index, query);
    if (search(ctx, plan, &a)) fail_msg("%s: %s", query, leann_ctx_error(ctx));
    leann_plan_free(plan);
    return a;
}

static void same(const answers *a, const answers *b)
{
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
    assert_memory_equal(a->dist, b->dist, sizeof a->dist);
}

static leann_index *build(leann_ctx *ctx, leann_space space, const char *config)
{
    leann_index *index = NULL;
    if (leann_index_build(ctx, in(space), config, &index)) fail_msg("%s: %s", config, leann_ctx_error(ctx));
    return index;
}

static leann_index *build_stored(leann_ctx *ctx, leann_space space, double stored)
{
    char config[96];
    snprintf(config, sizeof config, "{method: ivf-recompute, build: {stored: %g}}", stored);
    return build(ctx, space, config);
}

/* ---- answers and work ---------------------------------------------------------------------------------------------------------------- */

static void answers_as_ivf(void **state)
{
    (void)state;
    for (leann_space space = LEANN_L2; space <= LEANN_IP; space++) {
        leann_ctx *ctx = leann_ctx_new(1, 2);
        leann_index *ivf = build(ctx, space, "{method: ivf}"), *ours = build_stored(ctx, space, 0);
        const char *const probes[] = {"{probes: 1}", "{probes: 4}", "{probes: 16}", "{probes: 1000}"};
        for (int p = 0; p < 4; p++) {
            const answers a = ask(ctx, ivf, probes[p]), b = ask(ctx, ours, probes[p]);
            same(&a, &b);
            for (int i = 0; i < QUERIES; i++) {
                assert_int_equal(a.work[i].hops, b.work[i].hops);
                assert_int_equal(a.work[i].dist_comps, b.work[i].dist_comps);
                assert_int_equal(b.work[i].fetches, b.work[i].dist_comps - LISTS); /* all that is scanned is embedded again */
                assert_int_equal(b.work[i].recomputes, b.work[i].fetches);
                assert_int_equal(b.work[i].encoder_calls, (b.work[i].fetches + BATCH - 1) / BATCH);
                assert_int_equal(b.work[i].cache_hits, 0);
            }
            if (p == 3) assert_int_equal(b.sum.fetches, QUERIES * N);
        }
        leann_index_free(ivf);
        leann_index_free(ours);
        leann_ctx_free(ctx);
    }
}

static void stored_saves_fetches(void **state)
{
    (void)state;
    static const double share[] = {0.01, 0.2, 0.7, 1};
    for (leann_space space = LEANN_L2; space <= LEANN_IP; space++) {
        leann_ctx *ctx = leann_ctx_new(1, 1);
        leann_index *none = build_stored(ctx, space, 0);
        const answers a = ask(ctx, none, "{probes: 8}");
        answers before = a;
        for (int s = 0; s < 4; s++) {
            leann_index *some = build_stored(ctx, space, share[s]);
            const answers b = ask(ctx, some, "{probes: 8}");
            same(&a, &b);
            for (int i = 0; i < QUERIES; i++) {
                assert_int_equal(b.work[i].fetches + b.work[i].cache_hits, a.work[i].fetches);
                assert_int_equal(b.work[i].dist_comps, a.work[i].dist_comps);
            }
            assert_true(b.sum.fetches < before.sum.fetches && b.sum.encoder_calls <= before.sum.encoder_calls);
            before = b;
            leann_index_free(some);
        }
        assert_true(before.sum.fetches == 0 && before.sum.encoder_calls == 0);
        leann_index_free(none);
        leann_ctx_free(ctx);
    }
}

/* Rows that several queries of a group want are fetched once; all else is as alone. */
static void company(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index = build_stored(ctx, LEANN_L2, 0.1);
    const answers alone = ask(ctx, index, "{probes: 6}"), eight = ask(ctx, index, "{probes: 6, concurrent: 8}"),
                  all = ask(ctx, index, "{probes: 1000, concurrent: 40}");
    same(&alone, &eight);
    assert_int_equal(alone.sum.dist_comps, eight.sum.dist_comps);
    assert_int_equal(alone.sum.cache_hits, eight.sum.cache_hits);
    assert_true(eight.sum.fetches < alone.sum.fetches && eight.sum.encoder_calls < alone.sum.encoder_calls);
    assert_int_equal(all.sum.fetches, N - N / 10);
    assert_int_equal(all.sum.encoder_calls, (N - N / 10 + BATCH - 1) / BATCH);
    leann_index_free(index);
    leann_ctx_free(ctx);
}

/* ---- what is in the file --------------------------------------------------------------------------------------------------------------- */

/* Which rows have their vectors in the file at path: there (N) out. Returns how many. */
static uint32_t find_rows(leann_ctx *ctx, bool *there)
{
    char *data;
    size_t bytes;
    uint32_t n = 0;
    assert_int_equal(leann_file_read(ctx, path, 1 << 26, &data, &bytes), LEANN_OK);
    for (int i = 0; i < N; i++) n += there[i] = memmem(data, bytes, x + i * D, 4 * sizeof(float)) != NULL;
    leann_free(data);
    return n;
}

/* Whole lists, none shorter than one that is not stored, and of one list the rest of the room. */
static void check_lists(leann_ctx *ctx, const bool *there)
{
    leann_reader *r;
    uint32_t whole = UINT32_MAX, absent = 0, parts = 0;
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    const uint32_t *off = leann_reader_find(r, "lists")->data;
    const uint8_t *ids = leann_reader_find(r, "ids")->data;
    for (uint32_t l = 0; l < LISTS; l++) {
        uint32_t stored = 0;
        const uint32_t length = off[l + 1] - off[l];
        for (uint32_t slot = off[l]; slot < off[l + 1]; slot++) stored += there[leann_bits_at(ids, slot, leann_bits_for(N))];
        if (stored == length && length < whole) whole = length;
        if (stored < length && length > absent) absent = length;
        parts += stored > 0 && stored < length;
    }
    assert_true(whole >= absent && parts <= 1);
    leann_reader_free(r);
}

static void keeps_what_was_asked_for(void **state)
{
    (void)state;
    static const double share[] = {0, 0.0001, 0.25, 1};
    static bool there[N];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (int s = 0; s < 4; s++) {
        leann_index *index = build_stored(ctx, LEANN_L2, share[s]);
        leann_reader *r;
        leann_ledger real, predicted;
        leann_value *config = NULL;
        const uint32_t stored = (uint32_t)(N * share[s] + 0.5);
        assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
        assert_int_equal(find_rows(ctx, there), stored);
        check_lists(ctx, there);
        assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
        leann_reader_ledger(r, &real);
        leann_reader_free(r);
        assert_int_equal(real.bytes[LEANN_PART_VECTORS], stored * D * sizeof(float));
        assert_int_equal(leann_config_parse(ctx, "config", index->config, strlen(index->config), &config), LEANN_OK);
        assert_int_equal(leann_method_predict(ctx, N, D, LEANN_F32, LEANN_L2, config, &predicted), LEANN_OK);
        assert_memory_equal(&real, &predicted, sizeof real);
        leann_value_free(config);

        leann_index *again = NULL;
        if (leann_index_open(ctx, path, &again)) fail_msg("%s", leann_ctx_error(ctx));
        const answers a = ask(ctx, index, NULL), b = ask(ctx, again, NULL);
        same(&a, &b);
        assert_int_equal(a.sum.fetches, b.sum.fetches);
        assert_int_equal(a.sum.cache_hits, b.sum.cache_hits);
        leann_index_free(again);
        leann_index_free(index);
    }
    leann_ctx_free(ctx);
}

/* ---- files that lie ---------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *section;
    uint32_t word, value; /* of it, and what is put there */
    uint32_t less;        /* rows that are left out at its end; UINT32_MAX: the whole section */
    leann_dtype type;
    const char *says; /* NULL: nothing is wrong */
} change;

/* The file at path again, with right checksums, but for one section. */
static void write_changed(leann_ctx *ctx, const change *lie)
{
    leann_reader *r;
    leann_writer *w;
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    assert_int_equal(leann_writer_new(ctx, other, &w), LEANN_OK);
    for (size_t i = 0; i < leann_reader_sections(r); i++) {
        leann_section s = *leann_reader_at(r, i);
        uint8_t *data = malloc(s.bytes);
        assert_non_null(data);
        memcpy(data, s.data, s.bytes);
        if (!strcmp(s.name, lie->section)) {
            memcpy(data + lie->word * sizeof lie->value, &lie->value, sizeof lie->value);
            s.rows -= lie->less < s.rows ? lie->less : s.rows;
            s.type = lie->type;
        }
        if (s.rows) assert_int_equal(leann_writer_add(w, s.name, s.part, s.type, s.rows, s.stride, data), LEANN_OK);
        free(data);
    }
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
    leann_reader_free(r);
}

static void lies_are_found(void **state)
{
    (void)state;
    static const change lies[] = {
        {"stored", 7, 0x3f800000, 0, LEANN_F32, NULL},
        {"stored", 7, 0x3f800000, UINT32_MAX, LEANN_F32, "stored"},
        {"stored", 7, 0x3f800000, 1, LEANN_F32, "stored"},
        {"stored", 7, 0x3f800000, 0, LEANN_U32, "stored"},
        {"stored", 2 * D + 7, 0x7fc00000, 0, LEANN_F32, "row 2"},
        {"stored", N / 4 * D - 1, 0x7f800000, 0, LEANN_F32, "row 749"},
        {"lists", 0, 1, 0, LEANN_U32, "lists run from 1"},
        {"lists", 5, UINT32_MAX, 0, LEANN_U32, "list 4"},
        {"lists", LISTS, N + 1, 0, LEANN_U32, "3001 instead of"},
        {"ids", 0, UINT32_MAX, 0, LEANN_BYTES, "slot 0 holds row 4095"},
        {"ids", 0, 0, 0, LEANN_BYTES, "row 0 stands in two slots"},
        {"anchors", 0, 0, 1, LEANN_F32, "anchors"},
        {"anchors", 0, 0x7fc00000, 0, LEANN_F32, "row 0"},
    };
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index = build_stored(ctx, LEANN_L2, 0.25), *again;
    assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
    leann_index_free(index);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        again = NULL;
        write_changed(ctx, &lies[i]);
        const leann_status status = leann_index_open(ctx, other, &again);
        assert_int_equal(status, lies[i].says ? LEANN_EFORMAT : LEANN_OK);
        if (lies[i].says && !strstr(leann_ctx_error(ctx), lies[i].says))
            fail_msg("'%s' does not say %s", leann_ctx_error(ctx), lies[i].says);
        if (status) leann_ctx_clear(ctx);
        if (!status) leann_index_free(again);
    }
    leann_ctx_free(ctx);
}

/* ---- fetches that fail --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_fetcher common;
    const leann_fetcher *real;
} failing;
static int submits, collects, bad_submit, bad_collect; /* how many there were; the one that fails, 0: none */

static leann_status failing_submit(const leann_fetcher *self, leann_ctx *ctx, const uint32_t *ids, uint32_t n, uint64_t *ticket)
{
    const leann_fetcher *real = ((const failing *)(const void *)self)->real;
    if (++submits == bad_submit) return leann_fail(ctx, LEANN_EIO, "the encoder does not take batch %d", submits);
    return real->type->submit(real, ctx, ids, n, ticket);
}

static leann_status failing_collect(const leann_fetcher *self, leann_ctx *ctx, uint64_t ticket, int64_t deadline_ns, leann_rows *out)
{
    const leann_fetcher *real = ((const failing *)(const void *)self)->real;
    if (++collects == bad_collect) return leann_fail(ctx, LEANN_EIO, "the encoder has lost batch %d", collects);
    return real->type->collect(real, ctx, ticket, deadline_ns, out);
}

/* The query ends with the fetcher's own sentence, alone and in a group, and the same plan and context answer rightly after it. */
static void a_failed_fetch_ends_the_query(void **state)
{
    (void)state;
    static const leann_fetcher_type type = {.common = {.name = "failing"}, .submit = failing_submit, .collect = failing_collect};
    static const char *const queries[] = {"{probes: 1000}", "{probes: 1000, concurrent: 8}"};
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index = build_stored(ctx, LEANN_L2, 0.1);
    for (int i = 0; i < 2; i++) {
        const answers right = ask(ctx, index, queries[i]);
        answers a;
        leann_plan *plan = plan_of(ctx, index, queries[i]);
        leann_fetcher *real = plan->fetcher;
        failing fetcher = {{&type, N, D, real->best_batch}, real};
        plan->fetcher = &fetcher.common;
        for (int when = 1; when < 60; when += 20) { /* 43 batches a query */
            submits = collects = 0, bad_submit = when, bad_collect = 0;
            assert_int_equal(search(ctx, plan, &a), LEANN_EIO);
            assert_non_null(strstr(leann_ctx_error(ctx), "does not take batch"));
            assert_int_equal(submits, when); /* and nothing is asked for after it */
            submits = collects = 0, bad_submit = 0, bad_collect = when;
            assert_int_equal(search(ctx, plan, &a), LEANN_EIO);
            assert_non_null(strstr(leann_ctx_error(ctx), "has lost batch"));
            assert_int_equal(collects, when);
        }
        bad_submit = bad_collect = 0;
        assert_int_equal(search(ctx, plan, &a), LEANN_OK);
        same(&a, &right);
        plan->fetcher = real;
        leann_plan_free(plan);
    }
    leann_index_free(index);
    leann_ctx_free(ctx);
}

static void refused(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index = NULL;
    leann_plan *plan = NULL;
    assert_int_equal(leann_index_build(ctx, rows, "{method: ivf-recompute, build: {lists: 3001}}", &index), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "3001"));
    assert_int_equal(leann_index_build(ctx, rows, "{method: ivf-recompute, build: {stored: 1.5}}", &index), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "stored"));
    index = build_stored(ctx, LEANN_L2, 0.999);
    assert_int_equal(leann_plan_new(ctx, index, NULL, NULL, &plan), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "no source rows"));
    leann_index_free(index);
    index = build_stored(ctx, LEANN_L2, 1); /* which has nothing to fetch */
    assert_int_equal(leann_plan_new(ctx, index, NULL, NULL, &plan), LEANN_OK);
    answers a;
    assert_int_equal(search(ctx, plan, &a), LEANN_OK);
    leann_plan_free(plan);
    leann_index_free(index);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_ivf), cmocka_unit_test(stored_saves_fetches),
        cmocka_unit_test(company),        cmocka_unit_test(keeps_what_was_asked_for),
        cmocka_unit_test(lies_are_found), cmocka_unit_test(a_failed_fetch_ends_the_query),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("ivf-recompute", tests, start, end);
}
