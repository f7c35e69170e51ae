/* test_graph.c – a topology's check, its sections in a file, and the walk over made-up links: order, counts, whole lists, limits.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A node's key is its distance, on a line, to a point. */
typedef struct {
    leann_scorer scorer;
    const leann_graph *graph; /* whole lists: what the span must be */
    float x, *place;
    uint32_t *scored; /* (n) how often */
} line_scorer;

static void line_score(leann_scorer *self, leann_span span, float cut, float *key, float *low)
{
    line_scorer *s = (line_scorer *)self;
    assert_null(low);
    assert_true(cut == cut);
    if (s->scorer.whole_lists && span.owner != LEANN_NONE) {
        const uint32_t *list = leann_graph_list(s->graph, span.owner);
        assert_ptr_equal(span.ids, list + 1);
        assert_int_equal(span.n, list[0]);
    }
    for (uint32_t i = 0; i < span.n; i++) {
        uint32_t id = span.ids ? span.ids[i] : span.first + i;
        s->scored[id]++;
        key[i] = fabsf(s->place[id] - s->x);
    }
    self->dist_comps += span.n;
}

static void link_to(leann_graph *g, uint32_t a, uint32_t b)
{
    uint32_t *list = leann_graph_list(g, a);
    list[++list[0]] = b;
}

/* Node i, at i or at i/2 rounded down (ties), is linked to i ± 1 and i ± 7. */
static leann_graph *line_graph(leann_ctx *ctx, uint32_t n, line_scorer *s, bool ties)
{
    leann_graph *g;
    assert_int_equal(leann_graph_new(ctx, n, 4, 0, NULL, &g), LEANN_OK);
    *s = (line_scorer){.scorer = {.score = line_score}, .graph = g};
    s->place = calloc(n, sizeof *s->place);
    s->scored = calloc(n, sizeof *s->scored);
    for (uint32_t i = 0; i < n; i++) {
        s->place[i] = (float)(ties ? i / 2 : i);
        if (i >= 7) link_to(g, i, i - 7);
        if (i >= 1) link_to(g, i, i - 1);
        if (i + 1 < n) link_to(g, i, i + 1);
        if (i + 7 < n) link_to(g, i, i + 7);
    }
    return g;
}

static void line_free(leann_graph *g, line_scorer *s)
{
    free(s->place);
    free(s->scored);
    leann_graph_free(g);
}

static void walks_in_order(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    line_scorer s;
    leann_graph *g = line_graph(ctx, 300, &s, false);
    uint32_t ids[9], found;
    float key[9];
    s.x = 200.25f;
    assert_int_equal(leann_graph_check(ctx, g), LEANN_OK);
    assert_int_equal(leann_graph_search(ctx, g, &s.scorer, 12, 5, ids, key, &found), LEANN_OK);
    static const uint32_t expected[] = {200, 201, 199, 202, 198};
    assert_int_equal(found, 5);
    assert_memory_equal(ids, expected, sizeof expected);
    for (uint32_t i = 0; i < 5; i++) assert_true(key[i] == fabsf((float)ids[i] - s.x));
    uint64_t scored = 0;
    for (uint32_t i = 0; i < 300; i++) {
        assert_true(s.scored[i] <= 1);
        scored += s.scored[i];
    }
    assert_int_equal(scored, leann_ctx_work(ctx)->dist_comps);
    assert_int_equal(scored, s.scorer.dist_comps);
    assert_true(leann_ctx_work(ctx)->hops >= 200 / 7);
    line_free(g, &s);
    leann_ctx_free(ctx);
}

/* Codes beside the lists: the same answer from whole lists. Ties: the smaller id. ef beyond n: all nodes, each once. */
static void whole_lists_and_ties(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    line_scorer s;
    leann_graph *g = line_graph(ctx, 101, &s, true);
    uint32_t ids[2][200], found[2];
    float key[2][200];
    for (int whole = 0; whole < 2; whole++)
        for (uint32_t ef = 3; ef <= 300; ef *= 3) {
            s.scorer.whole_lists = whole;
            s.x = 31;
            assert_int_equal(leann_graph_search(ctx, g, &s.scorer, ef, ef < 200 ? ef : 200, ids[whole], key[whole], &found[whole]),
                             LEANN_OK);
            assert_int_equal(ids[whole][0], 62);
            assert_int_equal(ids[whole][1], 63);
            assert_int_equal(ids[whole][2], 60);
            assert_int_equal(found[whole], ef < 101 ? ef : 101);
            for (uint32_t i = 1; i < found[whole]; i++)
                assert_true(leann_hit_before((leann_hit){key[whole][i - 1], ids[whole][i - 1]}, (leann_hit){key[whole][i], ids[whole][i]}));
        }
    assert_memory_equal(ids[0], ids[1], found[0] * sizeof *ids[0]);
    line_free(g, &s);
    leann_ctx_free(ctx);
}

static void scans_without_edges(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    line_scorer s;
    leann_graph *linked = line_graph(ctx, 5000, &s, true), *g;
    uint32_t ids[8], found;
    float key[8];
    s.x = 2400.1f;
    assert_int_equal(leann_graph_new(ctx, 5000, 0, 0, NULL, &g), LEANN_OK);
    assert_int_equal(leann_graph_check(ctx, g), LEANN_OK);
    assert_int_equal(leann_graph_search(ctx, g, &s.scorer, 8, 4, ids, key, &found), LEANN_OK);
    static const uint32_t expected[] = {4800, 4801, 4802, 4803};
    assert_int_equal(found, 4);
    assert_memory_equal(ids, expected, sizeof expected);
    assert_int_equal(leann_ctx_work(ctx)->dist_comps, 5000);
    leann_graph_free(g);
    line_free(linked, &s);
    leann_ctx_free(ctx);
}

static void refuses_bad_limits(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    line_scorer s;
    leann_graph *g = line_graph(ctx, 20, &s, false), *none;
    uint32_t ids[30], found;
    float key[30];
    assert_int_equal(leann_graph_search(ctx, g, &s.scorer, 10, 0, ids, key, &found), LEANN_EINVAL);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_graph_search(ctx, g, &s.scorer, 4, 5, ids, key, &found), LEANN_EINVAL);
    assert_string_equal(leann_ctx_error(ctx), "ef is 4: it must be at least k = 5");
    leann_ctx_clear(ctx);
    assert_int_equal(leann_graph_search(ctx, g, &s.scorer, 30, 30, ids, key, &found), LEANN_OK);
    assert_int_equal(found, 20);
    assert_int_equal(leann_graph_new(ctx, 0, 4, 0, NULL, &none), LEANN_EINVAL);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_graph_new(ctx, 10, 70000, 0, NULL, &none), LEANN_EINVAL);
    line_free(g, &s);
    leann_ctx_free(ctx);
}

/* ---- the check and the file ------------------------------------------------------------------------------------------------ */

/* Three levels over n nodes: every 5th node has one level more, every 50th two. */
static leann_graph *levelled(leann_ctx *ctx, uint32_t n)
{
    uint8_t *levels = calloc(n, 1);
    leann_graph *g;
    for (uint32_t i = 0; i < n; i++) levels[i] = i % 50 == 0 ? 2 : i % 5 == 0 ? 1 : 0;
    assert_int_equal(leann_graph_new(ctx, n, 3, 2, levels, &g), LEANN_OK);
    free(levels);
    g->default_ef = 77;
    g->entry = 50;
    for (uint32_t i = 0; i < n; i++) {
        link_to(g, i, (i + 1) % n);
        if (i % 2) link_to(g, i, (i + 2) % n);
        for (uint32_t l = 1; l <= g->levels[i]; l++) {
            uint32_t *list = leann_graph_upper_list(g, i, l);
            list[0] = 1;
            list[1] = i == 0 ? 50 : 0;
        }
    }
    assert_int_equal(leann_graph_check(ctx, g), LEANN_OK);
    return g;
}

static void finds_damage(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_graph *g = levelled(ctx, 100);
    uint32_t *list = leann_graph_list(g, 9), *upper = leann_graph_upper_list(g, 5, 1);
    struct {
        uint32_t *at, bad;
        const char *says;
    } damage[] = {
        {&g->entry, 100, "graph: the entry is node 100, there are 100 nodes"},
        {&g->entry, 5, "graph: the entry, node 5, ends on level 1, the top level is 2"},
        {&list[0], 4, "graph: node 9 has degree 4 on level 0, the limit is 3"},
        {&list[0], UINT32_MAX, "graph: node 9 has degree 4294967295 on level 0, the limit is 3"},
        {&list[1], 100, "graph: node 9 links to 100, there are 100 nodes"},
        {&list[1], 9, "graph: node 9 links on level 0 to itself, 9"},
        {&list[1], 11, "graph: node 9 links on level 0 to a node twice, 11"},
        {&upper[0], 3, "graph: node 5 has degree 3 on level 1, the limit is 2"},
        {&upper[1], 7, "graph: node 5 links on level 1 to node 7, whose top level is 0"},
    };
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        uint32_t good = *damage[i].at;
        *damage[i].at = damage[i].bad;
        assert_int_equal(leann_graph_check(ctx, g), LEANN_EFORMAT);
        assert_string_equal(leann_ctx_error(ctx), damage[i].says);
        leann_ctx_clear(ctx);
        *damage[i].at = good;
    }
    assert_int_equal(leann_graph_check(ctx, g), LEANN_OK);
    leann_graph_free(g);
    leann_ctx_free(ctx);
}

static char path[64];

static leann_status save_graph(leann_ctx *ctx, const leann_graph *g)
{
    leann_writer *w;
    leann_status status = leann_writer_new(ctx, path, &w);
    if (!status) status = leann_graph_save(g, "links", w);
    if (!status) status = leann_writer_commit(w);
    leann_writer_free(w);
    return status;
}

/* 100 nodes: 16-bit ids; 70,000: 32-bit ones. The file is as long as predicted and opens to the same graph. */
static void saves_and_opens(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    static const uint32_t sizes[] = {100, 70000};
    for (int i = 0; i < 4; i++) {
        uint32_t n = sizes[i / 2];
        leann_graph *g, *back;
        leann_reader *r;
        leann_ledger predicted, real;
        uint64_t lists = 0;
        if (i % 2)
            assert_int_equal(leann_graph_new(ctx, n, 0, 0, NULL, &g), LEANN_OK);
        else
            g = levelled(ctx, n);
        for (uint32_t j = 0; g->levels && j < n; j++) lists += g->levels[j];
        assert_int_equal(save_graph(ctx, g), LEANN_OK);
        assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
        leann_ledger_begin(&predicted);
        leann_graph_predict(n, g->slots, g->upper_slots, lists, &predicted);
        leann_ledger_end(&predicted);
        leann_reader_ledger(r, &real);
        assert_memory_equal(predicted.bytes, real.bytes, sizeof real.bytes);
        assert_int_equal(leann_graph_open(ctx, r, "links", n, &back), LEANN_OK);
        leann_reader_free(r);
        assert_int_equal(back->entry, g->entry);
        assert_int_equal(back->default_ef, g->default_ef);
        assert_int_equal(back->top_level, g->top_level);
        assert_true(leann_graph_mean_degree(back) == leann_graph_mean_degree(g));
        if (g->slots) assert_memory_equal(back->links, g->links, (size_t)n * (1 + g->slots) * 4);
        if (lists) assert_memory_equal(back->upper, g->upper, lists * (1 + g->upper_slots) * 4);
        leann_graph_free(back);
        leann_graph_free(g);
    }
    unlink(path);
    leann_ctx_free(ctx);
}

/* Well-formed files whose sections do not fit one another. */
static void refuses_forged_sections(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    enum { N = 100, CASES = 10 };
    static const struct {
        int word; /* of the head */
        uint32_t value;
    } forged[CASES] = {{0, 99}, {1, 100}, {2, 4}, {2, 70000}, {3, 3}, {4, 0}, {4, 3}, {6, 1}, {7, 1}, {5, UINT32_MAX}};
    for (int i = 0; i < CASES; i++) {
        leann_graph *g = levelled(ctx, N), *back;
        leann_writer *w;
        leann_reader *r;
        uint32_t head[8] = {N, 50, 3, 2, 2, 77, 0, 0};
        uint16_t level0[N * 4], upper[N * 3];
        for (uint32_t j = 0; j < N; j++) head[6] += g->levels[j];
        uint64_t lists = head[6];
        for (uint32_t j = 0; j < N * 4; j++) level0[j] = (uint16_t)g->links[j];
        for (uint32_t j = 0; j < lists * 3; j++) upper[j] = (uint16_t)g->upper[j];
        head[forged[i].word] = forged[i].value;
        if (i == 5) head[1] = 50; /* no upper levels: sections left over do no harm, the entry is any node */
        assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
        assert_int_equal(leann_writer_add(w, "links.head", LEANN_PART_GRAPH, LEANN_U32, 8, 4, head), LEANN_OK);
        assert_int_equal(leann_writer_add(w, "links.level0", LEANN_PART_GRAPH, LEANN_U16, N, 8, level0), LEANN_OK);
        assert_int_equal(leann_writer_add(w, "links.levels", LEANN_PART_GRAPH, LEANN_U8, N, 1, g->levels), LEANN_OK);
        assert_int_equal(leann_writer_add(w, "links.upper", LEANN_PART_GRAPH, LEANN_U16, lists, 6, upper), LEANN_OK);
        assert_int_equal(leann_writer_commit(w), LEANN_OK);
        leann_writer_free(w);
        assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
        leann_status status = leann_graph_open(ctx, r, "links", N, &back);
        if (status == LEANN_OK) leann_graph_free(back);
        assert_int_equal(status, i == 5 ? LEANN_OK : LEANN_EFORMAT);
        leann_ctx_clear(ctx);
        assert_int_equal(leann_graph_open(ctx, r, "other", N, &back), LEANN_EFORMAT);
        leann_ctx_clear(ctx);
        leann_reader_free(r);
        leann_graph_free(g);
    }
    unlink(path);
    leann_ctx_free(ctx);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/leann_test_graph_%ld.idx", (long)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_in_order),          cmocka_unit_test(whole_lists_and_ties), cmocka_unit_test(scans_without_edges),
        cmocka_unit_test(refuses_bad_limits),      cmocka_unit_test(finds_damage),         cmocka_unit_test(saves_and_opens),
        cmocka_unit_test(refuses_forged_sections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
