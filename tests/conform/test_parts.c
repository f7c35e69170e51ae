/* test_parts.c – the contract of each kind of part, held by every registered selector, graph, quantiser and fetcher on its own: shapes,
 * what answers mean, files, tiny and equal rows, and the same bytes for 1 and 2 threads.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkdtemp */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/graph.h"
#include "core/product.h"
#include "core/quantizer.h"

enum { N = 300, D = 12, LISTS = 5 };

static float rows_x[N * D], equal_x[N * D];
static char folder[] = "/tmp/leann-parts-XXXXXX";

static leann_rows rows_of(const float *x, uint32_t n)
{
    return (leann_rows){x, D * sizeof *x, n, D, LEANN_F32, LEANN_L2};
}

/* The i-th of a kind with its defaults; those that want more training rows than N have get parameters that fit. */
static leann_choice choice_at(leann_ctx *ctx, leann_kind kind, size_t i)
{
    const char *word = leann_plugin_at(kind, i)->name, *text = word;
    if (!strcmp(word, "pq") || !strcmp(word, "opq")) text = word[0] == 'p' ? "{pq: {codebook_size: 32}}" : "{opq: {codebook_size: 32}}";
    leann_value *v = NULL;
    leann_choice choice;
    assert_int_equal(leann_config_parse(ctx, "part", text, strlen(text), &v), LEANN_OK);
    if (leann_choice_new(ctx, leann_kind_word(kind), v, &choice) != LEANN_OK) fail_msg("%s: %s", word, leann_ctx_error(ctx));
    leann_value_free(v);
    return choice;
}

static char *path_of(char path[128])
{
    snprintf(path, 128, "%s/part", folder);
    return path;
}

static leann_reader *reopen(leann_ctx *ctx, leann_writer *w)
{
    char path[128];
    leann_reader *r = NULL;
    if (leann_writer_commit(w) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    leann_writer_free(w);
    assert_int_equal(leann_reader_open(ctx, path_of(path), &r), LEANN_OK);
    return r;
}

/* The file's ledger, part by part, is what was predicted. */
static void as_predicted(const leann_reader *r, leann_ledger *predicted)
{
    leann_ledger real;
    leann_ledger_end(predicted);
    leann_reader_ledger(r, &real);
    assert_memory_equal(real.bytes, predicted->bytes, sizeof real.bytes);
}

/* ---- selectors -------------------------------------------------------------------------------------------------------------- */

/* m finite rows of d; an id is NONE or a row, no row twice, and the anchor is that row. */
static void check_anchors(const char *word, leann_rows rows, uint32_t m, const leann_anchors *a)
{
    bool seen[N] = {false};
    assert_true(a->m == m && a->d == rows.d);
    for (uint32_t i = 0; i < m * D; i++) assert_true(isfinite(a->rows[i]));
    for (uint32_t j = 0; j < m; j++) {
        if (a->ids[j] == LEANN_NONE) continue;
        if (a->ids[j] >= rows.n || seen[a->ids[j]]) fail_msg("%s: anchor %u is row %u, again or of %u", word, j, a->ids[j], rows.n);
        seen[a->ids[j]] = true;
        assert_memory_equal(a->rows + j * D, leann_row(rows, a->ids[j]), D * sizeof(float));
    }
}

static void selectors(void **state)
{
    (void)state;
    const uint32_t sizes[][2] = {{1, 1}, {2, 1}, {2, 2}, {N, 1}, {N, 17}, {N, N}}; /* n, m */
    for (size_t i = 0; i < leann_plugin_count(LEANN_SELECTOR); i++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int kind = 0; kind < 2; kind++) {
                leann_anchors a[2];
                uint32_t n = sizes[s][0], m = sizes[s][1];
                leann_dataset data = {.name = "", .sha = "", .train = rows_of(kind ? equal_x : rows_x, n)};
                for (unsigned t = 0; t < 2; t++) {
                    leann_ctx *ctx = leann_ctx_new(3, t + 1);
                    leann_choice choice = choice_at(ctx, LEANN_SELECTOR, i);
                    if (leann_select(ctx, choice, &data, m, &a[t]) != LEANN_OK)
                        fail_msg("%s, %u of %u: %s", choice.plugin->name, m, n, leann_ctx_error(ctx));
                    check_anchors(choice.plugin->name, data.train, m, &a[t]);
                    leann_choice_free(choice);
                    leann_ctx_free(ctx);
                }
                assert_memory_equal(a[0].rows, a[1].rows, (size_t)m * D * sizeof(float));
                assert_memory_equal(a[0].ids, a[1].ids, m * sizeof(uint32_t));
                leann_anchors_free(&a[0]);
                leann_anchors_free(&a[1]);
            }
}

/* ---- graphs ------------------------------------------------------------------------------------------------------------------- */

static leann_graph *build_graph(leann_ctx *ctx, leann_choice choice, leann_rows rows)
{
    leann_oracle *oracle = NULL;
    leann_graph *g = NULL;
    assert_int_equal(leann_oracle_new(ctx, rows, &oracle), LEANN_OK);
    if (((const leann_graph_type *)choice.plugin)->build(ctx, oracle, choice.params, &g) != LEANN_OK)
        fail_msg("%s: %s", choice.plugin->name, leann_ctx_error(ctx));
    leann_oracle_free(oracle);
    if (leann_graph_check(ctx, g) != LEANN_OK) fail_msg("%s: %s", choice.plugin->name, leann_ctx_error(ctx));
    return g;
}

/* Answers of every row as a query: different nodes, closest first, with their true keys; the row itself among equals first. */
static void search_all(leann_ctx *ctx, const leann_graph *g, leann_rows rows, uint32_t k, uint32_t *ids)
{
    float key[8];
    for (uint32_t i = 0; i < rows.n; i++) {
        const float *q = leann_row(rows, i);
        size_t mark = leann_scratch_mark(ctx);
        uint32_t found, *mine = ids + i * k;
        leann_scorer *scorer = leann_rows_scorer(ctx, rows, q);
        assert_int_equal(leann_graph_search(ctx, g, scorer, 64, k, mine, key, &found), LEANN_OK);
        assert_int_equal(found, k);
        for (uint32_t j = 0; j < k; j++) {
            float true_key;
            assert_true(mine[j] < rows.n && (j == 0 || key[j - 1] <= key[j]));
            for (uint32_t l = 0; l < j; l++) assert_int_not_equal(mine[l], mine[j]);
            scorer->score(scorer, (leann_span){LEANN_NONE, mine[j], 1, NULL}, INFINITY, &true_key, NULL);
            assert_true(key[j] == true_key);
        }
        leann_scratch_reset(ctx, mark);
    }
}

static void same_graph(const leann_graph *a, const leann_graph *b)
{
    leann_value *text[2] = {leann_value_new_list(), leann_value_new_list()};
    const leann_graph *both[2] = {a, b};
    for (int i = 0; i < 2; i++) { /* degrees and ids of all lists, in order */
        const leann_graph *g = both[i];
        leann_value_append(text[i], leann_value_new_int(g->entry));
        leann_value_append(text[i], leann_value_new_int(g->default_ef));
        for (uint32_t v = 0; g->slots && v < g->n; v++)
            for (uint32_t l = 0; l <= (g->levels ? g->levels[v] : 0u); l++) {
                const uint32_t *list = l ? leann_graph_upper_list(g, v, l) : leann_graph_list(g, v);
                for (uint32_t j = 0; j <= list[0]; j++) leann_value_append(text[i], leann_value_new_int(list[j]));
            }
    }
    assert_true(leann_value_equal(text[0], text[1]));
    leann_value_free(text[0]);
    leann_value_free(text[1]);
}

static void graphs(void **state)
{
    (void)state;
    const uint32_t sizes[] = {1, 2, 3, N};
    static uint32_t ids[2][N * 3];
    for (size_t i = 0; i < leann_plugin_count(LEANN_GRAPH); i++)
        for (size_t s = 0; s < 2 * sizeof sizes / sizeof *sizes; s++) {
            uint32_t n = sizes[s / 2], k = n < 3 ? n : 3;
            leann_rows rows = rows_of(s % 2 ? equal_x : rows_x, n);
            leann_ctx *ctx = leann_ctx_new(4, 1), *two = leann_ctx_new(4, 2);
            leann_choice choice = choice_at(ctx, LEANN_GRAPH, i);
            const leann_graph_type *type = (const leann_graph_type *)choice.plugin;
            leann_graph *g = build_graph(ctx, choice, rows), *other = build_graph(two, choice, rows), *back = NULL;
            same_graph(g, other);
            assert_true(type->default_ef(choice.params) >= 1 && g->default_ef == type->default_ef(choice.params));

            char path[128];
            leann_writer *w = NULL;
            leann_ledger predicted;
            assert_int_equal(leann_writer_new(ctx, path_of(path), &w), LEANN_OK);
            assert_int_equal(leann_graph_save(g, "links", w), LEANN_OK);
            leann_reader *r = reopen(ctx, w);
            leann_ledger_begin(&predicted);
            type->predict(n, leann_ctx_seed(ctx), choice.params, &predicted);
            as_predicted(r, &predicted);
            if (leann_graph_open(ctx, r, "links", n, &back) != LEANN_OK) fail_msg("%s: %s", type->common.name, leann_ctx_error(ctx));
            leann_reader_free(r);
            same_graph(g, back);
            if (s % 2 == 0 || n <= 3) { /* N equal rows need not be linked into one piece */
                search_all(ctx, g, rows, k, ids[0]);
                search_all(two, back, rows, k, ids[1]);
                assert_memory_equal(ids[0], ids[1], (size_t)n * k * sizeof(uint32_t));
            }
            leann_graph_free(g);
            leann_graph_free(other);
            leann_graph_free(back);
            leann_choice_free(choice);
            leann_ctx_free(two);
            leann_ctx_free(ctx);
        }
}

/* ---- quantisers ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const leann_quantizer_type *type;
    leann_quantizer *quantizer;
    uint8_t *code;
} trained;

static trained train(leann_ctx *ctx, leann_choice choice, leann_rows rows)
{
    trained t = {.type = (const leann_quantizer_type *)choice.plugin};
    leann_rows sample = rows;
    leann_status status = t.type->check(ctx, rows.n, D, choice.params);
    sample.n = t.type->training_rows(rows.n, D, choice.params);
    assert_in_range(sample.n, 1, rows.n);
    if (!status) status = t.type->train(ctx, sample, choice.params, &t.quantizer);
    if (status) fail_msg("%s: %s", t.type->common.name, leann_ctx_error(ctx));
    assert_true(t.quantizer->type == t.type && t.quantizer->d == D);
    assert_int_equal(t.quantizer->code_bytes, t.type->code_bytes(D, choice.params));
    t.code = leann_alloc(ctx, rows.n, t.quantizer->code_bytes);
    assert_int_equal(t.type->encode(ctx, t.quantizer, rows, t.code), LEANN_OK);
    return t;
}

static double sum_of(const float *a, const float *b, bool squares)
{
    double sum = 0;
    for (int j = 0; j < D; j++) sum += squares ? ((double)a[j] - b[j]) * ((double)a[j] - b[j]) : (double)a[j] * b[j];
    return sum;
}

/* What plain squared distances differ by from those to x̂ (y), as a query far from all rows sees it: for each row a constant, of at most
 * |x - x̂|². */
static void find_excess(leann_ctx *ctx, const trained *t, const float *x, const float *y, double excess[N])
{
    float key[N], q[D];
    leann_codes codes = {.code = t->code, .stride = t->quantizer->code_bytes, .n = N, .space = LEANN_L2};
    size_t mark = leann_scratch_mark(ctx);
    for (int j = 0; j < D; j++) q[j] = j % 2 ? 10 : -10;
    leann_scorer *scorer = t->type->prepare(t->quantizer, ctx, &codes, q, NULL);
    assert_non_null(scorer);
    scorer->score(scorer, (leann_span){LEANN_NONE, 0, N, NULL}, INFINITY, key, NULL);
    for (uint32_t i = 0; i < N; i++) {
        excess[i] = (double)key[i] - sum_of(q, y + i * D, true);
        double size = sum_of(q, q, false) + sum_of(y + i * D, y + i * D, false) + 1, most = sum_of(x + i * D, y + i * D, true);
        if (fabs(excess[i]) > 1.001 * most + 1e-4 * size)
            fail_msg("%s: key %g of row %u, %g more than decoded; at most %g", t->type->common.name, (double)key[i], i, excess[i], most);
    }
    leann_scratch_reset(ctx, mark);
}

/* Keys are what x̂ (and the anchor, where residual) gives, and a constant of the row, to float rounding. x (N, D) was coded; anchors
 * (LISTS, D) or NULL. */
static void keys_agree(leann_ctx *ctx, const trained *t, const float *x, leann_space space, const float *anchors)
{
    static float y[N * D], key[N], bias[N], base[LISTS];
    static double excess[N];
    const float *q = rows_x + 7 * D;
    bool squares = space != LEANN_IP;
    uint32_t off[LISTS + 1], lists = anchors ? LISTS : 1;
    for (uint32_t l = 0; l <= lists; l++) off[l] = N * l / lists;
    leann_codes codes = {.code = t->code, .stride = t->quantizer->code_bytes, .n = N, .space = space};
    if (anchors) {
        codes.lists = LISTS;
        codes.list_off = off;
        assert_int_equal(leann_quantizer_bias(ctx, t->quantizer, &codes, anchors, bias), LEANN_OK);
        codes.bias = bias;
        for (uint32_t l = 0; l < LISTS; l++) base[l] = (float)((squares ? 1 : -1) * sum_of(q, anchors + l * D, squares));
    }
    size_t mark = leann_scratch_mark(ctx);
    t->type->decode(t->quantizer, ctx, t->code, codes.stride, N, y);
    find_excess(ctx, t, x, y, excess);
    leann_scorer *scorer = t->type->prepare(t->quantizer, ctx, &codes, q, anchors ? base : NULL);
    assert_non_null(scorer);
    for (uint32_t l = 0; l < lists; l++) {
        scorer->score(scorer, (leann_span){anchors ? l : LEANN_NONE, off[l], off[l + 1] - off[l], NULL}, INFINITY, key + off[l], NULL);
        for (uint32_t i = off[l]; i < off[l + 1]; i++) {
            double size = sum_of(q, q, false) + sum_of(y + i * D, y + i * D, false) + 1;
            for (int j = 0; anchors && j < D; j++) y[i * D + (uint32_t)j] += anchors[l * D + (uint32_t)j];
            double truth = (squares ? 1 : -1) * sum_of(q, y + i * D, squares) + (squares ? excess[i] : 0);
            if (squares && truth < 0) truth = 0; /* as keys are kept */
            if (fabs(truth - (double)key[i]) > 1e-4 * size)
                fail_msg("%s: key %g of row %u, decoded %g", t->type->common.name, (double)key[i], i, truth);
        }
    }
    assert_int_equal(scorer->dist_comps, N);
    leann_scratch_reset(ctx, mark);
}

static void quantizers(void **state)
{
    (void)state;
    for (size_t i = 0; i < leann_plugin_count(LEANN_QUANTIZER); i++)
        for (int kind = 0; kind < 2; kind++) {
            leann_rows rows = rows_of(kind ? equal_x : rows_x, N);
            leann_ctx *ctx = leann_ctx_new(6, 1), *two = leann_ctx_new(6, 2);
            leann_choice choice = choice_at(ctx, LEANN_QUANTIZER, i);
            trained t = train(ctx, choice, rows), other = train(two, choice, rows), back = {.type = t.type};
            size_t bytes = (size_t)N * t.quantizer->code_bytes;
            assert_memory_equal(t.code, other.code, bytes);
            for (leann_space space = LEANN_L2; space <= LEANN_IP; space++) {
                keys_agree(ctx, &t, rows.base, space, NULL);
                keys_agree(ctx, &t, rows.base, space, rows_x + 40 * D);
            }
            char path[128];
            leann_writer *w = NULL;
            leann_ledger predicted;
            assert_int_equal(leann_writer_new(ctx, path_of(path), &w), LEANN_OK);
            assert_int_equal(t.type->save(t.quantizer, w), LEANN_OK);
            leann_reader *r = reopen(ctx, w);
            leann_ledger_begin(&predicted);
            t.type->predict(N, D, choice.params, &predicted);
            as_predicted(r, &predicted);
            assert_int_equal(t.type->open(ctx, r, D, choice.params, &back.quantizer), LEANN_OK);
            back.code = leann_alloc(ctx, bytes, 1);
            assert_int_equal(t.type->encode(ctx, back.quantizer, rows, back.code), LEANN_OK);
            assert_memory_equal(t.code, back.code, bytes);
            keys_agree(ctx, &back, rows.base, LEANN_L2, NULL);
            leann_quantizer_free(back.quantizer); /* before its file, which it may point into */
            leann_reader_free(r);
            leann_quantizer_free(t.quantizer);
            leann_quantizer_free(other.quantizer);
            leann_free(t.code);
            leann_free(other.code);
            leann_free(back.code);
            leann_choice_free(choice);
            leann_ctx_free(two);
            leann_ctx_free(ctx);
        }
}

/* ---- fetchers ------------------------------------------------------------------------------------------------------------------- */

/* Exact rows in the order asked, repeats too, with two tickets under way; each counted; an id that is not there is refused. */
static void fetch_from(leann_rows source)
{
    for (size_t i = 0; i < leann_plugin_count(LEANN_FETCHER); i++) {
        leann_ctx *ctx = leann_ctx_new(1, 1);
        leann_choice choice = choice_at(ctx, LEANN_FETCHER, i);
        const leann_fetcher_type *type = (const leann_fetcher_type *)choice.plugin;
        leann_fetcher *f = NULL;
        const uint32_t ids[2][4] = {{9, 0, source.n - 1, 9}, {3, 2, 1, 0}};
        float wanted[4 * D];
        uint64_t ticket[2];
        leann_rows out;
        leann_status opened = type->open(ctx, &source, NULL, choice.params, &f);
        if (opened == LEANN_EUNSUPPORTED && strlen(leann_ctx_error(ctx)) > 10) { /* it needs more of a data set than rows */
            leann_choice_free(choice);
            leann_ctx_free(ctx);
            continue;
        }
        assert_int_equal(opened, LEANN_OK);
        assert_true(f->type == type && f->n == source.n && f->d == source.d);
        size_t mark = leann_scratch_mark(ctx);
        for (int b = 0; b < 2; b++) assert_int_equal(type->submit(f, ctx, ids[b], 4, &ticket[b]), LEANN_OK);
        for (int b = 1; b >= 0; b--) {
            assert_int_equal(type->collect(f, ctx, ticket[b], 0, &out), LEANN_OK);
            assert_true(out.n == 4 && out.d == D && out.type == LEANN_F32);
            leann_rows_gather(source, ids[b], 4, wanted);
            for (uint32_t j = 0; j < 4; j++) assert_memory_equal(leann_row(out, j), wanted + j * D, D * sizeof(float));
        }
        assert_int_equal(leann_ctx_work(ctx)->fetches, 8);
        assert_true(leann_ctx_work(ctx)->recomputes <= 8 && leann_ctx_work(ctx)->encoder_calls <= 2);
        leann_scratch_reset(ctx, mark);
        assert_int_equal(type->submit(f, ctx, &source.n, 1, &ticket[0]), LEANN_EINVAL);
        assert_true(strlen(leann_ctx_error(ctx)) > 10);
        type->free(f);
        leann_choice_free(choice);
        leann_ctx_free(ctx);
    }
}

static void fetchers(void **state)
{
    (void)state;
    static uint8_t bytes[N * D];
    for (size_t i = 0; i < N * D; i++) bytes[i] = (uint8_t)(i * 37);
    fetch_from(rows_of(rows_x, N));
    fetch_from((leann_rows){bytes, D, N, D, LEANN_U8, LEANN_L2});
    fetch_from((leann_rows){bytes, D, N, D, LEANN_I8, LEANN_IP});
}

static int start(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        leann_rng rng = leann_rng_at(2, "parts", i), centre = leann_rng_at(2, "centre", i % 9);
        for (uint32_t j = 0; j < D; j++) {
            rows_x[i * D + j] = (float)(2 * leann_rng_normal(&centre) + leann_rng_normal(&rng));
            equal_x[i * D + j] = 1.5f;
        }
    }
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    char path[128];
    unlink(path_of(path));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(selectors), cmocka_unit_test(graphs), cmocka_unit_test(quantizers),
                                       cmocka_unit_test(fetchers)};
    return cmocka_run_group_tests_name("parts", tests, start, end);
}
