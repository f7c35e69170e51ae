/* test_edges.c – packed links against the graph they were made of: the same lists, predicted bytes, the same from a file, a damaged file
 * refused wherever a bit is turned, an order that is worth it, and the answers of indexes that pack theirs.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkdtemp */
#include "core/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/leann-edges-XXXXXX", path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/edges", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* Rows of any degree from 0 to slots, with upper levels where they are wanted; far: links to the last rows alone. */
static leann_graph *graph_of(leann_ctx *ctx, uint32_t n, uint32_t slots, bool far, bool upper)
{
    leann_graph *g;
    uint8_t *levels = calloc(n, 1);
    for (uint32_t i = 0; upper && i < n; i += 10) levels[i] = (uint8_t)(1 + (i == n / 20 * 10));
    assert_int_equal(leann_graph_new(ctx, n, slots, upper ? 2 : 0, upper ? levels : NULL, &g), LEANN_OK);
    free(levels);
    g->entry = n / 20 * 10;
    for (uint32_t i = 0; i < n; i++) {
        leann_rng rng = leann_rng_at(5, "degree", i);
        uint32_t most = slots < n - 1 ? slots : n - 1, degree = leann_rng_below(&rng, most + 1), *list = leann_graph_list(g, i);
        if (i % 7 == 3) degree = 0;
        for (uint32_t tries = 0; list[0] < degree && tries < 20 * slots; tries++) {
            uint32_t id = far ? n - 1 - leann_rng_below(&rng, n < 40 ? n : 40) : leann_rng_below(&rng, n);
            bool new = id != i;
            for (uint32_t j = 1; j <= list[0]; j++) new = new &&list[j] != id;
            if (new) list[++list[0]] = id;
        }
    }
    return g;
}

static double links_of(const leann_graph *g)
{
    return leann_graph_mean_degree(g) * g->n;
}

/* The same rows in each list, in whatever order. */
static void same_lists(const leann_graph *g, const leann_graph *packed)
{
    uint32_t *room = malloc((g->slots + 1) * sizeof *room), *own = malloc((g->slots + 1) * sizeof *own);
    assert_true(packed->n == g->n && packed->entry == g->entry && packed->slots == g->slots && !packed->links);
    assert_true(links_of(packed) == links_of(g));
    for (uint32_t i = 0; i < g->n; i++) {
        const uint32_t *list = leann_graph_read(packed, i, 0, room);
        memcpy(own, leann_graph_list(g, i), (g->slots + 1) * sizeof *own);
        assert_int_equal(list[0], own[0]);
        qsort(room + 1, room[0], sizeof *room, leann_by_id);
        qsort(own + 1, own[0], sizeof *own, leann_by_id);
        assert_memory_equal(room, own, (own[0] + 1) * sizeof *own);
    }
    free(room);
    free(own);
}

static void save(leann_ctx *ctx, const leann_graph *g)
{
    leann_writer *w;
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    assert_int_equal(leann_graph_save(g, "links", w), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
}

static uint32_t *shuffled(uint32_t n)
{
    uint32_t *order = malloc(n * sizeof *order);
    leann_rng rng = leann_rng_at(7, "order", n);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t at = leann_rng_below(&rng, i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    return order;
}

/* A graph packed, saved and opened. */
static void there_and_back(leann_ctx *ctx, uint32_t n, uint32_t slots, bool far, bool upper, bool ordered)
{
    leann_graph *g = graph_of(ctx, n, slots, far, upper), *packed = graph_of(ctx, n, slots, far, upper), *back = NULL;
    const uint64_t enough = leann_edges_enough(n, leann_graph_mean_degree(g), slots),
                   bytes = leann_edges_bytes(n, enough + (ordered ? leann_bits_for(n) : 0));
    uint32_t *order = ordered ? shuffled(n) : NULL;
    leann_ledger predicted, real;
    leann_reader *reader;
    if (leann_graph_pack(ctx, packed, order, bytes) != LEANN_OK) fail_msg("%u rows, %u slots: %s", n, slots, leann_ctx_error(ctx));
    same_lists(g, packed);
    save(ctx, packed);
    leann_ledger_begin(&predicted);
    const uint64_t lists_above = upper ? (n + 9) / 10 + 1 : 0; /* every tenth row has one, the entry two */
    leann_graph_predict_packed(n, bytes, lists_above ? n + lists_above * 3 * (n > UINT16_MAX ? 4 : 2) : 0, &predicted);
    leann_ledger_end(&predicted);
    assert_int_equal(leann_reader_open(ctx, path, &reader), LEANN_OK);
    leann_reader_ledger(reader, &real);
    assert_memory_equal(predicted.bytes, real.bytes, sizeof real.bytes);
    if (leann_graph_open(ctx, reader, "links", n, &back) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    same_lists(g, back);
    leann_graph_free(back);
    leann_reader_free(reader);
    leann_graph_free(packed);
    leann_graph_free(g);
    free(order);
}

static void lists(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    static const uint32_t sizes[] = {1, 2, 3, 31, 32, 33, 1000, 70000}, slots[] = {1, 9, 40};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int t = 0; t < 24; t++) there_and_back(ctx, sizes[s], slots[t / 8], t & 1, t & 2, t & 4);
    leann_ctx_free(ctx);
}

/* Lists as long as they may be, of all other rows. */
static void whole_lists(void **state)
{
    (void)state;
    enum { N = 300 };
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_graph *g[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(leann_graph_new(ctx, N, N - 1, 0, NULL, &g[i]), LEANN_OK);
        for (uint32_t a = 0; a < N; a++)
            for (uint32_t b = 0; b < N; b++)
                if (a != b) leann_graph_list(g[i], a)[++leann_graph_list(g[i], a)[0]] = b;
    }
    assert_int_equal(leann_graph_pack(ctx, g[1], NULL, leann_edges_bytes(N, N - 1 + 18)), LEANN_OK); /* a bit a link, and two counts */
    same_lists(g[0], g[1]);
    leann_graph_free(g[0]);
    leann_graph_free(g[1]);
    leann_ctx_free(ctx);
}

static void is_sound(const leann_graph *g)
{
    uint32_t room[80];
    for (uint32_t i = 0; i < g->n; i++) {
        const uint32_t *list = leann_graph_read(g, i, 0, room);
        assert_true(list[0] <= g->slots);
        for (uint32_t j = 1; j <= list[0]; j++) {
            assert_true(list[j] < g->n && list[j] != i);
            for (uint32_t x = 1; x < j; x++) assert_int_not_equal(list[x], list[j]);
        }
    }
}

/* Sections that are whole but lie: each bit of each turned in memory, written anew with right checksums. */
static void lies(void **state)
{
    (void)state;
    enum { N = 40, SLOTS = 4 };
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_graph *g = graph_of(ctx, N, SLOTS, false, false);
    uint32_t *order = shuffled(N), refused = 0, all = 0;
    assert_int_equal(leann_graph_pack(ctx, g, order, leann_edges_bytes(N, 46)), LEANN_OK);
    const struct {
        void *at;
        size_t bits;
    } parts[] = {{g->packed.owned, 8 * g->packed.bytes}, {&g->packed.code.first, 8}, {&g->packed.code.step, 8}};
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        for (size_t bit = 0; bit < parts[p].bits; bit++, all++) {
            leann_reader *reader;
            leann_graph *back = NULL;
            uint8_t *byte = (uint8_t *)parts[p].at + bit / 8;
            *byte ^= (uint8_t)(1 << bit % 8);
            save(ctx, g);
            *byte ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(leann_reader_open(ctx, path, &reader), LEANN_OK);
            const leann_status status = leann_graph_open(ctx, reader, "links", N, &back);
            assert_true(status == LEANN_OK || status == LEANN_EFORMAT);
            refused += status == LEANN_EFORMAT;
            if (p == 0 && bit < 6)
                assert_int_equal(status, LEANN_EFORMAT); /* a place that is another's; of the rest some make another graph */
            if (back) is_sound(back);
            leann_graph_free(back);
            leann_ctx_clear(ctx);
            leann_reader_free(reader);
        }
    assert_true(refused > all / 2);
    leann_graph_free(g);
    free(order);
    leann_ctx_free(ctx);
}

static void refuses(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_graph *g = graph_of(ctx, 100, 9, false, false), *as_it_was = graph_of(ctx, 100, 9, false, false);
    assert_int_equal(leann_graph_pack(ctx, g, NULL, leann_edges_bytes(100, 5)), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "there is room for 5 (link_bits)"));
    assert_memory_equal(g->links, as_it_was->links, 100 * 10 * sizeof *g->links);
    leann_graph_free(g);
    leann_graph_free(as_it_was);
    leann_ctx_free(ctx);
}

/* ---- the order ----------------------------------------------------------------------------------------------------------------- */

/* A ring whose rows were shuffled: each is linked to the three before it and the three after it. */
static leann_graph *ring(leann_ctx *ctx, uint32_t n)
{
    leann_graph *g;
    uint32_t *row = shuffled(n);
    assert_int_equal(leann_graph_new(ctx, n, 6, 0, NULL, &g), LEANN_OK);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t away = 1; away <= 3; away++) {
            uint32_t *list = leann_graph_list(g, row[i]);
            list[++list[0]] = row[(i + away) % n];
            list[++list[0]] = row[(i + n - away) % n];
        }
    free(row);
    return g;
}

static void finds_an_order(void **state)
{
    (void)state;
    enum { N = 20000 };
    uint32_t *order[2], *seen = calloc(N, sizeof *seen);
    for (uint32_t threads = 1; threads <= 2; threads++) {
        leann_ctx *ctx = leann_ctx_new(1, threads);
        leann_graph *g = ring(ctx, N);
        order[threads - 1] = malloc(N * sizeof **order);
        assert_int_equal(leann_graph_order(ctx, g, order[threads - 1]), LEANN_OK);
        if (threads == 2) {
            for (uint32_t i = 0; i < N; i++) seen[order[1][i]]++;
            for (uint32_t i = 0; i < N; i++) assert_int_equal(seen[i], 1);
            assert_int_equal(leann_graph_pack(ctx, g, order[1], leann_edges_bytes(N, 15 + 40)), LEANN_OK); /* by chance: 80 */
        }
        leann_graph_free(g);
        leann_ctx_free(ctx);
    }
    assert_memory_equal(order[0], order[1], N * sizeof **order);
    free(order[0]);
    free(order[1]);
    free(seen);
}

/* Graphs too small to be cut, without links, and with one row that all others are linked to. */
static void orders_anything(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    for (uint32_t n = 1; n < 200; n = 2 * n + 1)
        for (uint32_t slots = 0; slots < 2; slots++) {
            leann_graph *g;
            uint32_t *order = malloc(n * sizeof *order);
            assert_int_equal(leann_graph_new(ctx, n, slots, 0, NULL, &g), LEANN_OK);
            for (uint32_t i = 1; slots && i < n; i++) memcpy(leann_graph_list(g, i), (uint32_t[]){1, 0}, 2 * sizeof(uint32_t));
            assert_int_equal(leann_graph_order(ctx, g, order), LEANN_OK);
            qsort(order, n, sizeof *order, leann_by_id);
            for (uint32_t i = 0; i < n; i++) assert_int_equal(order[i], i);
            free(order);
            leann_graph_free(g);
        }
    leann_ctx_free(ctx);
}

/* ---- indexes ------------------------------------------------------------------------------------------------------------------- */

enum { N = 900, D = 20, QUERIES = 20, K = 10 };
static float x[N * D], q[QUERIES * D];

typedef struct {
    uint32_t ids[QUERIES * K], one[K];
    float dist[QUERIES * K], one_dist[K];
    leann_work work[QUERIES], one_work;
} answers;

static void ask(leann_ctx *ctx, const leann_index *index, leann_space space, answers *a)
{
    const leann_rows rows = {x, D * sizeof(float), N, D, LEANN_F32, space}, queries = {q, D * sizeof(float), QUERIES, D, LEANN_F32, space};
    const leann_rows one = {q, D * sizeof(float), 1, D, LEANN_F32, space};
    leann_plan *plan = NULL;
    *a = (answers){0};
    if (leann_plan_new(ctx, index, "{ef_search: 30}", &rows, &plan) || leann_search(plan, ctx, queries, K, a->ids, a->dist, a->work) ||
        leann_search(plan, ctx, one, K, a->one, a->one_dist, &a->one_work))
        fail_msg("%s", leann_ctx_error(ctx));
    leann_plan_free(plan);
}

static void same_answers(const answers *a, const answers *b)
{
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
    assert_memory_equal(a->dist, b->dist, sizeof a->dist);
    assert_memory_equal(a->one, b->one, sizeof a->one);
    assert_memory_equal(a->one_dist, b->one_dist, sizeof a->one_dist);
    for (int i = 0; i < QUERIES; i++)
        assert_true(a->work[i].hops == b->work[i].hops && a->work[i].dist_comps == b->work[i].dist_comps &&
                    a->work[i].fetches == b->work[i].fetches);
    assert_true(a->one_work.hops == b->one_work.hops && a->one_work.dist_comps == b->one_work.dist_comps);
}

/* Half of the rows stand there twice, so that there are ties. */
static void the_same_answers(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "{method: graph, build: {graph: {hnsw: {M: 6}}%s}}",
        "{method: graph, build: {graph: {vamana: {degree: 12}}%s}}",
        "{method: graph, build: {graph: {hnsw: {M: 6}}, quantizer: {pq: {sub_vectors: 4, codebook_size: 16}}%s}}",
        "{method: graph, build: {graph: {hnsw: {M: 6}}, quantizer: {pq: {sub_vectors: 4, codebook_size: 16}}, layout: lists%s}}",
        "{method: leann-paper, build: {quantizer: {pq: {sub_vectors: 4, codebook_size: 16}}, cache: 0.05%s}}",
    };
    for (uint32_t i = 0; i < N + QUERIES; i++) {
        leann_rng rng = leann_rng_at(2, "row", i < N ? i / 2 : i), centre = leann_rng_at(2, "centre", i / 2 % 30);
        for (uint32_t j = 0; j < D; j++)
            (i < N ? x + i * D : q + (i - N) * D)[j] = (float)(leann_rng_normal(&rng) + 1.5 * leann_rng_normal(&centre));
    }
    leann_ctx *ctx = leann_ctx_new(1, 2);
    for (size_t c = 0; c < sizeof configs / sizeof *configs; c++)
        for (leann_space space = LEANN_L2; space <= LEANN_IP; space++) {
            const leann_rows rows = {x, D * sizeof(float), N, D, LEANN_F32, space};
            char text[2][256];
            leann_index *index[3] = {NULL};
            answers a[3];
            snprintf(text[0], sizeof *text, configs[c], "");
            snprintf(text[1], sizeof *text, configs[c], space == LEANN_L2 ? ", link_bits: 120" : ", link_bits: 120, order: bisected");
            if (leann_index_build(ctx, rows, text[0], &index[0]) || leann_index_build(ctx, rows, text[1], &index[1]) ||
                leann_index_save(ctx, index[1], path) || leann_index_open(ctx, path, &index[2]))
                fail_msg("%s: %s", text[1], leann_ctx_error(ctx));
            for (int i = 0; i < 3; i++) ask(ctx, index[i], space, &a[i]);
            same_answers(&a[0], &a[1]);
            same_answers(&a[0], &a[2]);
            for (int i = 0; i < 3; i++) leann_index_free(index[i]);
        }
    leann_index *none = NULL;
    const leann_rows rows = {x, D * sizeof(float), N, D, LEANN_F32, LEANN_L2};
    assert_int_equal(leann_index_build(ctx, rows, "{method: graph, build: {graph: flat, link_bits: 99}}", &none), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "flat has no links"));
    assert_int_equal(leann_index_build(ctx, rows, "{method: graph, build: {order: bisected}}", &none), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "link_bits must not be 0"));
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),           cmocka_unit_test(whole_lists),    cmocka_unit_test(lies),
        cmocka_unit_test(refuses),         cmocka_unit_test(finds_an_order), cmocka_unit_test(orders_anything),
        cmocka_unit_test(the_same_answers)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
