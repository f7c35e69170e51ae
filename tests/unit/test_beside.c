/* test_beside.c – codes beside neighbour lists: their keys are those of the codes themselves, off by the steps of a table of bytes at most,
 * for every quantiser that has columns of 4 bits, in both kinds of space, for lists of any length.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/beside.h"
#include "core/quantizer.h"

enum { N = 300, D = 60, SLOTS = 70 }; /* three blocks, the last one of six */

static float rows_x[N * D], query[D];

/* Lists of 0 to SLOTS links, to the nodes that follow. */
static leann_graph *lists(leann_ctx *ctx)
{
    leann_graph *g;
    assert_int_equal(leann_graph_new(ctx, N, SLOTS, 0, NULL, &g), LEANN_OK);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t *list = leann_graph_list(g, i);
        list[0] = i % (SLOTS + 1);
        for (uint32_t l = 0; l < list[0]; l++) list[1 + l] = (i + 1 + 3 * l) % N;
    }
    return g;
}

static leann_choice chosen(leann_ctx *ctx, const char *quantizer)
{
    leann_value *value;
    leann_choice choice;
    assert_int_equal(leann_config_parse(ctx, "quantizer", quantizer, strlen(quantizer), &value), LEANN_OK);
    assert_int_equal(leann_choice_new(ctx, "quantizer", value, &choice), LEANN_OK);
    leann_value_free(value);
    return choice;
}

static void keys_are_those_of_the_codes(const char *word, leann_space space, double most)
{
    leann_ctx *ctx = leann_ctx_new(1, 2);
    leann_rows rows = {rows_x, D * sizeof(float), N, D, LEANN_F32, space}, sample = rows;
    leann_choice choice = chosen(ctx, word);
    const leann_quantizer_type *type = (const leann_quantizer_type *)choice.plugin;
    leann_quantizer *quantizer;
    sample.space = LEANN_L2;
    if (type->train(ctx, sample, choice.params, &quantizer)) fail_msg("%s: %s", word, leann_ctx_error(ctx));
    uint8_t *code = leann_alloc(ctx, N, quantizer->code_bytes);
    assert_int_equal(type->encode(ctx, quantizer, rows, code), LEANN_OK);
    leann_codes codes = {.code = code, .stride = quantizer->code_bytes, .n = N, .space = space};
    leann_graph *g = lists(ctx);
    leann_columns columns = type->columns(D, choice.params);
    assert_true(columns.m > 0);
    leann_beside *beside;
    assert_int_equal(leann_beside_make(ctx, quantizer, columns, &codes, g, &beside), LEANN_OK);
    codes.beside = beside;
    leann_scorer *scorer = type->prepare(quantizer, ctx, &codes, query, NULL);
    assert_non_null(scorer);
    assert_true(scorer->whole_lists);

    double sum = 0, squares = 0, count = 0;
    static float want[N * SLOTS], got[N * SLOTS + 96];
    for (uint32_t i = 0, at = 0; i < N; i++) {
        const uint32_t *list = leann_graph_list(g, i);
        scorer->prefetch(scorer, (leann_span){i, 0, list[0], NULL});
        scorer->score(scorer, (leann_span){LEANN_NONE, 0, list[0], list + 1}, INFINITY, want + at, NULL);
        scorer->score(scorer, (leann_span){i, 0, list[0], list + 1}, INFINITY, got + at, NULL);
        for (uint32_t l = 0; l < list[0]; l++, at++, count++) sum += (double)want[at], squares += (double)want[at] * (double)want[at];
    }
    double spread = sqrt(squares / count - sum / count * (sum / count)), off = 0, largest = 0;
    for (uint32_t at = 0; at < (uint32_t)count; at++) {
        double miss = fabs((double)got[at] - (double)want[at]);
        off += miss * miss;
        largest = fmax(largest, miss);
    }
    double typical = sqrt(off / count);
    if (!(typical <= most * spread && largest <= 6 * most * spread))
        fail_msg("%s, %s: keys beside lists are off by %g, at most %g, where keys spread by %g", word, leann_space_word(space), typical,
                 largest, spread);
    leann_beside_free(beside);
    leann_graph_free(g);
    leann_free(code);
    leann_quantizer_free(quantizer);
    leann_choice_free(choice);
    leann_ctx_free(ctx);
}

static void every_quantiser(void **state)
{
    (void)state;
    static const char *const words[] = {"{rabitq: {bits: 1}}",
                                        "{rabitq: {bits: 2}}",
                                        "{rabitq: {bits: 4}}",
                                        "{rabitq: {bits: 4, dims: 32}}",
                                        "{pq: {sub_vectors: 15, codebook_size: 16}}",
                                        "{pq: {sub_vectors: 20, codebook_size: 13}}",
                                        "{opq: {sub_vectors: 12, codebook_size: 16}}"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        keys_are_those_of_the_codes(words[i], LEANN_L2, 0.02);
        keys_are_those_of_the_codes(words[i], LEANN_IP, 0.02);
    }
}

/* Those whose codes are no columns of 4 bits say so. */
static void others_have_no_columns(void **state)
{
    (void)state;
    static const char *const words[] = {"{sq: {bits: 8}}", "{sq: {bits: 4}}", "{rabitq: {bits: 3}}", "{pq: {codebook_size: 17}}", "none"};
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        leann_choice choice = chosen(ctx, words[i]);
        const leann_quantizer_type *type = (const leann_quantizer_type *)choice.plugin;
        assert_true(!type->columns || type->columns(D, choice.params).m == 0);
        leann_choice_free(choice);
    }
    leann_ctx_free(ctx);
}

/* A table in bytes: never above what it stands for, less than a step below it. */
static void tables_in_bytes(void **state)
{
    (void)state;
    enum { M = 300 };
    static float table[M * 16];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_rng rng = leann_rng_at(3, "tables", 0);
    for (int kind = 0; kind < 2; kind++) { /* even columns; a wide one */
        for (size_t i = 0; i < M * 16; i++) table[i] = (float)((kind && i / 16 == 7 ? 400 : 1) * leann_rng_normal(&rng));
        leann_lookup l;
        assert_int_equal(leann_lookup_of(ctx, table, M, 16, &l), LEANN_OK);
        double least = 0;
        uint32_t most = 0;
        for (size_t s = 0; s < M; s++) {
            float low = table[16 * s];
            uint8_t high = 0;
            for (size_t c = 0; c < 16; c++) low = fminf(low, table[16 * s + c]);
            for (size_t c = 0; c < 16; c++) {
                double over = (double)table[16 * s + c] - (double)low, back = (double)l.step * l.entry[16 * s + c];
                assert_true(back <= over);
                assert_true(l.entry[16 * s + c] == 255 || over - back <= 1.001 * (double)l.step);
                high = l.entry[16 * s + c] > high ? l.entry[16 * s + c] : high;
            }
            least += (double)low;
            most += high;
        }
        assert_true(most <= 65535);
        assert_true(fabs(least - (double)l.least) <= 1e-5 * fabs(least));
    }
    leann_ctx_free(ctx);
}

static int set_up(void **state)
{
    (void)state;
    leann_rng rng = leann_rng_at(2, "beside", 0);
    for (size_t i = 0; i < N * D; i++) rows_x[i] = (float)(leann_rng_normal(&rng) * (i % D < 8 ? 3 : 1)); /* some axes say more */
    for (size_t i = 0; i < D; i++) query[i] = (float)(leann_rng_normal(&rng) * (i < 8 ? 3 : 1));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_quantiser), cmocka_unit_test(others_have_no_columns),
                                       cmocka_unit_test(tables_in_bytes)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
