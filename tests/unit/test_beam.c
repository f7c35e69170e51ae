/* test_beam.c – the walk that waits: with keys or lists handed to it, whole or piece by piece, it walks as leann_graph_search does.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/beam.h"
#include "core/product.h"

enum { N = 800, D = 12, SLOTS = 8, EF = 40, QUERIES = 10 };

static float rows_x[N * D], queries_x[QUERIES * D];
static leann_graph *graph; /* each node and its 5 nearest, and 3 at random */

static leann_rows rows(void)
{
    return (leann_rows){rows_x, D * sizeof(float), N, D, LEANN_F32, LEANN_L2};
}

static void key_of(const float *q, const uint32_t *ids, uint32_t n, float *key)
{
    for (uint32_t i = 0; i < n; i++) {
        leann_rows one = {q, D * sizeof(float), 1, D, LEANN_F32, LEANN_L2};
        key[i] = (float)leann_distance_f64(one, 0, rows(), ids[i]);
    }
}

/* The same keys as a scorer's. */
typedef struct {
    leann_scorer scorer;
    const float *q;
} exact_scorer;
static void exact_score(leann_scorer *self, leann_span span, float cut, float *key, float *low)
{
    (void)cut, (void)low;
    key_of(((exact_scorer *)self)->q, span.ids, span.n, key);
    self->dist_comps += span.n;
}

typedef struct {
    uint32_t ids[EF], found;
    float key[EF];
    uint64_t hops, dist_comps;
} answer;

static answer searched(leann_ctx *ctx, const float *q)
{
    answer a = {0};
    exact_scorer s = {{.score = exact_score}, q};
    *leann_ctx_work(ctx) = (leann_work){0};
    assert_int_equal(leann_graph_search(ctx, graph, &s.scorer, EF, EF, a.ids, a.key, &a.found), LEANN_OK);
    a.hops = leann_ctx_work(ctx)->hops;
    a.dist_comps = leann_ctx_work(ctx)->dist_comps;
    return a;
}

static void same(const answer *a, const leann_hit *best, uint32_t found)
{
    assert_int_equal(found, a->found);
    for (uint32_t i = 0; i < found; i++) {
        assert_int_equal(best[i].id, a->ids[i]);
        assert_true(best[i].key == a->key[i]);
    }
}

/* pieces: how many of the wanted keys are given at once; 0: all of them. Backwards: the last wanted first. */
static void keys_walk(leann_ctx *ctx, const float *q, uint32_t beam, uint32_t pieces, bool backwards, answer *out)
{
    const uint32_t *want;
    uint32_t n, asked = 0;
    leann_hit *best;
    size_t mark = leann_scratch_mark(ctx);
    *leann_ctx_work(ctx) = (leann_work){0};
    leann_walk *w = leann_walk_begin(ctx, graph, NULL, (leann_effort){EF, beam, 0});
    leann_walk_state state;
    while ((state = leann_walk_run(w, &want, &n)) != LEANN_WALK_DONE) {
        uint32_t m = pieces && pieces < n ? pieces : n, ids[SLOTS * 4 + 1];
        float key[SLOTS * 4 + 1];
        assert_int_equal(state, LEANN_WALK_WANT_KEYS);
        assert_true(n > 0 && n <= SLOTS * beam);
        for (uint32_t i = 0; i < m; i++) ids[i] = want[backwards ? n - 1 - i : i];
        key_of(q, ids, m, key);
        leann_walk_give(w, ids, key, m);
        asked += m;
    }
    leann_walk_end(w, &best, &out->found);
    for (uint32_t i = 0; i < out->found; i++) {
        out->ids[i] = best[i].id;
        out->key[i] = best[i].key;
    }
    out->hops = leann_ctx_work(ctx)->hops;
    out->dist_comps = asked;
    assert_int_equal(leann_ctx_work(ctx)->dist_comps, 0); /* they are the caller's */
    leann_scratch_reset(ctx, mark);
}

static void keys_are_asked_for(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (uint32_t i = 0; i < QUERIES; i++) {
        const float *q = queries_x + i * D;
        answer wanted = searched(ctx, q), a;
        for (uint32_t pieces = 0; pieces < 4; pieces++)
            for (int backwards = 0; backwards < 2; backwards++) {
                keys_walk(ctx, q, 1, pieces, backwards, &a);
                assert_memory_equal(a.ids, wanted.ids, sizeof a.ids);
                assert_memory_equal(a.key, wanted.key, sizeof a.key);
                assert_int_equal(a.hops, wanted.hops);
                assert_int_equal(a.dist_comps, wanted.dist_comps); /* no key is asked for twice */
            }
        answer whole, some;
        keys_walk(ctx, q, 4, 0, false, &whole); /* several lists at once: a few hops more, the same for any order */
        keys_walk(ctx, q, 4, 3, true, &some);
        assert_memory_equal(whole.ids, some.ids, sizeof some.ids);
        assert_int_equal(whole.dist_comps, some.dist_comps);
        assert_true(whole.hops >= wanted.hops && whole.dist_comps >= wanted.dist_comps);
    }
    leann_ctx_free(ctx);
}

/* The lists are not at hand. most: how many are given at once, the last wanted first; 0: all, in order. */
static void lists_walk(leann_ctx *ctx, const float *q, uint32_t beam, uint32_t most, answer *out)
{
    const uint32_t *want;
    uint32_t n;
    leann_hit *best;
    exact_scorer s = {{.score = exact_score}, q};
    leann_graph elsewhere = {.n = N, .entry = graph->entry, .slots = SLOTS};
    size_t mark = leann_scratch_mark(ctx);
    *leann_ctx_work(ctx) = (leann_work){0};
    leann_walk *w = leann_walk_begin(ctx, &elsewhere, &s.scorer, (leann_effort){EF, beam, 0});
    leann_walk_state state;
    while ((state = leann_walk_run(w, &want, &n)) != LEANN_WALK_DONE) {
        assert_int_equal(state, LEANN_WALK_WANT_PAGES);
        assert_true(n > 0 && n <= beam);
        for (uint32_t i = 0; i < n && (most == 0 || i < most); i++) {
            uint32_t id = want[most ? n - 1 - i : i];
            leann_walk_give_list(w, id, leann_graph_list(graph, id));
        }
    }
    leann_walk_end(w, &best, &out->found);
    for (uint32_t i = 0; i < out->found; i++) {
        out->ids[i] = best[i].id;
        out->key[i] = best[i].key;
    }
    out->hops = leann_ctx_work(ctx)->hops;
    out->dist_comps = leann_ctx_work(ctx)->dist_comps;
    leann_scratch_reset(ctx, mark);
}

static void lists_are_asked_for(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (uint32_t i = 0; i < QUERIES; i++) {
        const float *q = queries_x + i * D;
        answer wanted = searched(ctx, q), a;
        lists_walk(ctx, q, 1, 0, &a);
        assert_memory_equal(a.ids, wanted.ids, sizeof a.ids);
        assert_memory_equal(a.key, wanted.key, sizeof a.key);
        assert_true(a.hops == wanted.hops && a.dist_comps == wanted.dist_comps);
        for (uint32_t most = 0; most < 3; most++) {
            lists_walk(ctx, q, 4, most, &a);
            assert_int_equal(a.found, EF);
            for (uint32_t j = 0; j < EF; j++) {
                float key;
                key_of(q, &a.ids[j], 1, &key);
                assert_true(a.key[j] == key);
                assert_true(j == 0 || leann_hit_before((leann_hit){a.key[j - 1], a.ids[j - 1]}, (leann_hit){a.key[j], a.ids[j]}));
            }
            assert_true(a.key[EF - 1] <= wanted.key[EF - 1] * 1.2f);
        }
    }
    leann_ctx_free(ctx);
}

static void all_at_hand(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    const uint32_t *want;
    uint32_t n, found;
    leann_hit *best;
    for (uint32_t i = 0; i < QUERIES; i++) {
        exact_scorer s = {{.score = exact_score}, queries_x + i * D};
        answer wanted = searched(ctx, s.q);
        leann_walk *w = leann_walk_begin(ctx, graph, &s.scorer, (leann_effort){EF, 1, 0});
        assert_int_equal(leann_walk_run(w, &want, &n), LEANN_WALK_DONE);
        leann_walk_end(w, &best, &found);
        same(&wanted, best, found);
        w = leann_walk_begin(ctx, graph, &s.scorer, (leann_effort){10 * N, 7, 0}); /* everything */
        assert_int_equal(leann_walk_run(w, &want, &n), LEANN_WALK_DONE);
        leann_walk_end(w, &best, &found);
        assert_int_equal(found, N);
    }
    leann_ctx_free(ctx);
}

/* Two rings without a way between them: the entry reaches its own, and what is met before the walk the other one. */
static void starts_reach_islands(void **state)
{
    (void)state;
    enum { HALF = N / 2 };
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_graph *rings = NULL;
    assert_int_equal(leann_graph_new(ctx, N, SLOTS, 0, NULL, &rings), LEANN_OK);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t *list = leann_graph_list(rings, i), ring = i / HALF * HALF;
        for (list[0] = 0; list[0] < SLOTS; list[0]++) list[1 + list[0]] = ring + (i + 1 + list[0]) % HALF;
    }
    for (uint32_t every = 0; every < 50; every = every ? 7 * every : 1) {
        const uint32_t *want;
        uint32_t n, found, far = 0;
        leann_hit *best;
        exact_scorer s = {{.score = exact_score}, queries_x};
        leann_walk *w = leann_walk_begin(ctx, rings, &s.scorer, (leann_effort){EF, 2, every});
        assert_int_equal(leann_walk_run(w, &want, &n), LEANN_WALK_DONE);
        leann_walk_end(w, &best, &found);
        for (uint32_t i = 0; i < found; i++) {
            far += best[i].id >= HALF;
            for (uint32_t j = 0; j < i; j++) assert_int_not_equal(best[i].id, best[j].id);
        }
        assert_int_equal(found, EF);
        assert_true(every > 0 ? far > 0 : far == 0);
        if (every == 1) { /* all nodes: no better answer */
            float worst = best[EF - 1].key, key;
            uint32_t nearer = 0;
            for (uint32_t i = 0; i < N; i++) {
                key_of(queries_x, &i, 1, &key);
                nearer += key < worst;
            }
            assert_int_equal(nearer, EF - 1);
            assert_int_equal(s.scorer.dist_comps, N);
        }
    }
    leann_graph_free(rings);
    leann_ctx_free(ctx);
}

static int start(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_rng rng = leann_rng_at(3, "beam", 0);
    static uint32_t near[N * 6];
    static double dist[N * 6];
    for (size_t i = 0; i < N * D; i++) rows_x[i] = (float)leann_rng_normal(&rng);
    for (size_t i = 0; i < QUERIES * D; i++) queries_x[i] = (float)leann_rng_normal(&rng);
    if (leann_exact(ctx, rows(), rows(), 6, near, dist) || leann_graph_new(ctx, N, SLOTS, 0, NULL, &graph)) return -1;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t *list = leann_graph_list(graph, i);
        for (uint32_t j = 0; j < 6 && list[0] < 5; j++)
            if (near[i * 6 + j] != i) list[++list[0]] = near[i * 6 + j];
        list[++list[0]] = (i + 1) % N; /* so that all are reached */
        while (list[0] < SLOTS) list[++list[0]] = leann_rng_below(&rng, N);
    }
    graph->entry = 17;
    leann_ctx_free(ctx);
    return 0;
}

static int end(void **state)
{
    (void)state;
    leann_graph_free(graph);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_are_asked_for), cmocka_unit_test(lists_are_asked_for),
                                       cmocka_unit_test(all_at_hand), cmocka_unit_test(starts_reach_islands)};
    return cmocka_run_group_tests_name("beam", tests, start, end);
}
