/* test_edges.c – packed links against the graph they were made of: the same lists, predicted bytes, the same from a file, and a damaged file
 * refused wherever a bit is turned.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkdtemp */
#include "methods/parts.h"

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

/* Rows of any degree from 0 to slots; far: links to the last rows alone. */
static leann_graph *graph_of(leann_ctx *ctx, uint32_t n, uint32_t slots, bool far)
{
    leann_graph *g;
    assert_int_equal(leann_graph_new(ctx, n, slots, 0, NULL, &g), LEANN_OK);
    g->entry = n / 2;
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

static uint64_t links_of(const leann_graph *g)
{
    uint64_t links = 0;
    for (uint32_t i = 0; i < g->n; i++) links += leann_graph_list(g, i)[0];
    return links;
}

static void same_lists(const leann_graph *g, const leann_edges *e)
{
    uint32_t *ids = malloc((e->longest + 1) * sizeof *ids);
    assert_true(e->n == g->n && e->entry == g->entry && e->links == links_of(g) && e->longest <= g->slots);
    for (uint32_t i = 0; i < g->n; i++) {
        const uint32_t *list = leann_graph_list(g, i);
        assert_int_equal(leann_edges_list(e, i, ids), list[0]);
        for (uint32_t j = 0; j < list[0]; j++) {
            bool there = false;
            for (uint32_t x = 1; x <= list[0]; x++) there = there || list[x] == ids[j];
            assert_true(there && (j == 0 || ids[j] > ids[j - 1]));
        }
    }
    free(ids);
}

static void save(leann_ctx *ctx, const leann_edges *e)
{
    leann_writer *w;
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    assert_int_equal(leann_edges_save(e, w), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
}

static void lists(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    static const uint32_t sizes[] = {1, 2, 3, 31, 32, 33, 1000, 70000}, slots[] = {1, 9, 40};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int t = 0; t < 6; t++) {
            leann_graph *g = graph_of(ctx, sizes[s], slots[t / 2], t % 2);
            const uint64_t links = links_of(g), rooms[] = {links, links + 1, 3 * links + 50};
            for (int r = 0; r < 3; r++) {
                leann_edges e, back;
                leann_ledger predicted, real;
                leann_reader *reader;
                assert_int_equal(leann_edges_make(ctx, g, rooms[r], &e), LEANN_OK);
                same_lists(g, &e);
                save(ctx, &e);
                leann_ledger_begin(&predicted);
                leann_edges_predict(g->n, rooms[r], &predicted);
                leann_ledger_end(&predicted);
                assert_int_equal(leann_reader_open(ctx, path, &reader), LEANN_OK);
                leann_reader_ledger(reader, &real);
                assert_memory_equal(predicted.bytes, real.bytes, sizeof real.bytes);
                if (leann_edges_open(ctx, reader, g->n, rooms[r], &back) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
                same_lists(g, &back);
                assert_int_equal(leann_edges_open(ctx, reader, g->n, rooms[r] + 1, &back), LEANN_EFORMAT);
                leann_ctx_clear(ctx);
                leann_reader_free(reader);
                leann_edges_free(&e);
            }
            leann_graph_free(g);
        }
    leann_ctx_free(ctx);
}

/* Sections that are whole but lie: each bit of each turned in memory, written anew with right checksums. */
static void lies(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_graph *g = graph_of(ctx, 40, 4, false);
    leann_edges e, back;
    const uint64_t room = links_of(g) + 9;
    assert_int_equal(leann_edges_make(ctx, g, room, &e), LEANN_OK);
    const struct {
        void *at;
        size_t bits;
    } parts[] = {{e.owned[1], 2 * room}, {e.owned[2], 2 * 32}, {e.owned[0], room * e.low_bits}};
    uint32_t refused = 0, all = 0;
    for (size_t p = 0; p < 3; p++)
        for (size_t bit = 0; bit < parts[p].bits; bit++, all++) {
            leann_reader *reader;
            uint8_t *byte = (uint8_t *)parts[p].at + bit / 8;
            *byte ^= (uint8_t)(1 << bit % 8);
            save(ctx, &e);
            *byte ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(leann_reader_open(ctx, path, &reader), LEANN_OK);
            leann_status status = leann_edges_open(ctx, reader, 40, room, &back);
            assert_true(status == LEANN_OK || status == LEANN_EFORMAT);
            refused += status == LEANN_EFORMAT;
            if (p < 2 && bit < 2 * e.links) assert_int_equal(status, LEANN_EFORMAT); /* of the low bits some make another graph */
            for (uint32_t i = 0, ids[80]; i < 40 && status == LEANN_OK; i++)
                for (uint32_t n = leann_edges_list(&back, i, ids); n > 0; n--) assert_true(ids[n - 1] < 40 && ids[n - 1] != i);
            leann_ctx_clear(ctx);
            leann_reader_free(reader);
        }
    assert_true(refused > all / 2);
    leann_edges_free(&e);
    leann_graph_free(g);
    leann_ctx_free(ctx);
}

static void refused(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_graph *g = graph_of(ctx, 100, 9, false);
    leann_edges e;
    assert_int_equal(leann_edges_make(ctx, g, links_of(g) - 1, &e), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "has more links than"));
    leann_edges_free(&e);
    leann_graph_free(g);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists), cmocka_unit_test(lies), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
