/* test_fulltext.c – BM25 against values computed by hand, queries that try to be syntax, files that are none of ours.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "methods/fulltext.h"

enum { TEXTS = 6, MOST = 10 };
static const char *const texts[TEXTS] = {"the cat sat on the mat", "The dog sat", "a cat and a dog and a cat", "", "fish", "fish"};

static leann_text text_of(const char *s)
{
    return (leann_text){s, strlen(s)};
}

static void add_all(leann_ctx *ctx, leann_fulltext *f)
{
    leann_text all[TEXTS];
    for (int i = 0; i < TEXTS; i++) all[i] = text_of(texts[i]);
    assert_int_equal(leann_fulltext_add(ctx, f, all, 2), LEANN_OK);
    assert_int_equal(leann_fulltext_add(ctx, f, all + 2, TEXTS - 2), LEANN_OK);
    assert_int_equal(leann_fulltext_finish(ctx, f), LEANN_OK);
    assert_int_equal(leann_fulltext_size(f), TEXTS);
}

static leann_fulltext *in_memory(leann_ctx *ctx)
{
    leann_fulltext *f;
    assert_int_equal(leann_fulltext_new(ctx, NULL, &f), LEANN_OK);
    add_all(ctx, f);
    return f;
}

static uint32_t found_by(leann_ctx *ctx, leann_fulltext *f, const char *query, uint32_t k, uint32_t *ids, double *key)
{
    uint32_t found = 77;
    leann_ctx_clear(ctx);
    assert_int_equal(leann_fulltext_search(ctx, f, text_of(query), k, ids, key, &found), LEANN_OK);
    assert_true(found <= k);
    for (uint32_t i = 1; i < found; i++) assert_true(key[i - 1] < key[i] || (key[i - 1] == key[i] && ids[i - 1] < ids[i]));
    return found;
}

/* N = 6 texts of 6, 3, 8, 0, 1 and 1 words: 19 / 6 on average. A word in n of them weighs ln((6 - n + 0.5) / (n + 0.5)). */
static double bm25(double in_texts, double times, double words)
{
    return log((6 - in_texts + 0.5) / (in_texts + 0.5)) * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * words / (19.0 / 6)));
}

static void check_ranking(leann_ctx *ctx, leann_fulltext *f)
{
    uint32_t ids[MOST];
    double key[MOST];
    assert_int_equal(found_by(ctx, f, "cat", MOST, ids, key), 2);
    assert_int_equal(ids[0], 2); /* twice in 8 words: ln 1.8 * 4.4 / 4.57368 = 0.565466 */
    assert_int_equal(ids[1], 0); /* once in 6 words: ln 1.8 * 2.2 / 3.00526 = 0.430289 */
    assert_true(fabs(key[0] + 0.565466) < 1e-6 && fabs(key[1] + 0.430289) < 1e-6);
    assert_true(fabs(key[0] + bm25(2, 2, 8)) < 1e-12 && fabs(key[1] + bm25(2, 1, 6)) < 1e-12);
    /* Any word will do, and each adds its part; case does not matter. */
    assert_int_equal(found_by(ctx, f, "DOG, mat!", MOST, ids, key), 3);
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[1], 1);
    assert_int_equal(ids[2], 2);
    assert_true(fabs(key[0] + bm25(1, 1, 6)) < 1e-12 && fabs(key[1] + bm25(2, 1, 3)) < 1e-12 && fabs(key[2] + bm25(2, 1, 8)) < 1e-12);
    assert_int_equal(found_by(ctx, f, "dog dog cat", MOST, ids, key), 3);
    assert_true(fabs(key[0] + 2 * bm25(2, 1, 8) + bm25(2, 2, 8)) < 1e-12);
    /* Ties by id; no more than k. */
    assert_int_equal(found_by(ctx, f, "fish", MOST, ids, key), 2);
    assert_true(ids[0] == 4 && ids[1] == 5 && key[0] == key[1]);
    assert_int_equal(found_by(ctx, f, "fish", 1, ids, key), 1);
    assert_int_equal(ids[0], 4);
}

static void test_ranking(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_fulltext *f = in_memory(ctx);
    check_ranking(ctx, f);
    leann_fulltext_free(f);
    leann_ctx_free(ctx);
}

/* A word in more than half of the texts counts next to nothing, and never below it. */
static void test_common_word(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_fulltext *f;
    uint32_t ids[MOST];
    double key[MOST];
    leann_text all[] = {text_of("a b"), text_of("a c"), text_of("a d")};
    assert_int_equal(leann_fulltext_new(ctx, NULL, &f), LEANN_OK);
    assert_int_equal(leann_fulltext_add(ctx, f, all, 3), LEANN_OK);
    assert_int_equal(leann_fulltext_finish(ctx, f), LEANN_OK);
    assert_int_equal(found_by(ctx, f, "a d", MOST, ids, key), 3);
    assert_int_equal(ids[0], 2);
    assert_true(fabs(key[0] + log(2.5 / 1.5) + 1e-6) < 1e-9 && fabs(key[1] + 1e-6) < 1e-9);
    leann_fulltext_free(f);
    leann_ctx_free(ctx);
}

/* Words are those of unicode61: what stands between them, FTS5's syntax included, means nothing. */
static void test_any_bytes(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_fulltext *f = in_memory(ctx);
    uint32_t ids[MOST], found;
    double key[MOST];
    static const char *const nothing[] = {"", " \t\n", "\"", "\"\"\"", "*", "()", "^-+:{}", "\xff\xfe", "--;", "\xe2\x80\x9c"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) assert_int_equal(found_by(ctx, f, nothing[i], MOST, ids, key), 0);
    static const char *const fishes[] = {"fish",  "\"fish",  "fish\"",      "fish*",         "^fish",        "body:fish",
                                         "-fish", "(fish))", "fish'; DROP", "NEAR(fish, 5)", "{body}: fish", "NOT fish OR"};
    for (size_t i = 0; i < sizeof fishes / sizeof *fishes; i++) assert_int_equal(found_by(ctx, f, fishes[i], MOST, ids, key), 2);
    assert_int_equal(found_by(ctx, f, "fi*", MOST, ids, key), 0);         /* no prefix */
    assert_int_equal(found_by(ctx, f, "\"sat the\"", MOST, ids, key), 2); /* no phrase */
    leann_text nul = {"cat\0fish\0\xffmat", 13};
    assert_int_equal(leann_fulltext_search(ctx, f, nul, MOST, ids, key, &found), LEANN_OK);
    assert_int_equal(found, 4);
    leann_fulltext_free(f);
    leann_ctx_free(ctx);
}

static void test_words(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_fulltext *f;
    uint32_t ids[MOST];
    double key[MOST];
    leann_text all[] = {text_of("vm_area_struct"), text_of("Caf\xc3\xa9 \xd0\x9c\xd0\xb8\xd1\x80"), {"na\0me", 5}, text_of("x y z")};
    assert_int_equal(leann_fulltext_new(ctx, NULL, &f), LEANN_OK);
    assert_int_equal(leann_fulltext_add(ctx, f, all, 4), LEANN_OK);
    assert_int_equal(leann_fulltext_finish(ctx, f), LEANN_OK);
    assert_int_equal(found_by(ctx, f, "area", MOST, ids, key), 1);
    assert_int_equal(found_by(ctx, f, "struct->vm", MOST, ids, key), 1);
    assert_int_equal(found_by(ctx, f, "CAFE", MOST, ids, key), 1);
    assert_int_equal(found_by(ctx, f, "\xd0\xbc\xd0\xb8\xd1\x80", MOST, ids, key), 1);
    assert_int_equal(ids[0], 1);
    assert_int_equal(found_by(ctx, f, "me", MOST, ids, key), 1);
    assert_int_equal(ids[0], 2);
    leann_fulltext_free(f);
    leann_ctx_free(ctx);
}

static void test_limits(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_fulltext *f = in_memory(ctx);
    uint32_t ids[MOST], found, most = LEANN_FULLTEXT_QUERY_BYTES;
    double key[MOST];
    char *query = malloc(most + 1);
    memset(query, 'x', most + 1);
    assert_int_equal(leann_fulltext_search(ctx, f, (leann_text){query, most}, MOST, ids, key, &found), LEANN_OK);
    assert_int_equal(found, 0);
    assert_int_equal(leann_fulltext_search(ctx, f, (leann_text){query, most + 1}, MOST, ids, key, &found), LEANN_ELIMIT);
    for (uint32_t i = 0; i < most; i++) query[i] = i % 2 ? ' ' : (char)('a' + i / 2 % 26);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_fulltext_search(ctx, f, (leann_text){query, 2 * LEANN_FULLTEXT_QUERY_WORDS}, MOST, ids, key, &found), LEANN_OK);
    assert_int_equal(found, 1); /* "a": only of the third */
    assert_int_equal(leann_fulltext_search(ctx, f, (leann_text){query, 2 * LEANN_FULLTEXT_QUERY_WORDS + 2}, MOST, ids, key, &found),
                     LEANN_ELIMIT);
    assert_non_null(strstr(leann_ctx_error(ctx), "4097 words; full-text search takes 4096"));
    leann_ctx_clear(ctx);
    assert_int_equal(leann_fulltext_search(ctx, f, text_of("cat"), 0, ids, key, &found), LEANN_EINVAL);
    leann_ctx_clear(ctx);
    leann_ctx_cancel(ctx);
    leann_text one = text_of("one");
    leann_fulltext *g;
    leann_fulltext_free(f);
    assert_int_equal(leann_fulltext_new(ctx, NULL, &g), LEANN_OK);
    assert_int_equal(leann_fulltext_add(ctx, g, &one, 1), LEANN_EINTR);
    leann_fulltext_free(g);
    free(query);
    leann_ctx_free(ctx);
}

/* ---- files -------------------------------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/leann-fulltext-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* each test leaves it empty: no draft, no journal */
}

static void make_file(leann_ctx *ctx, const char *path)
{
    leann_fulltext *f;
    assert_int_equal(leann_fulltext_new(ctx, path, &f), LEANN_OK);
    assert_int_not_equal(access(path, F_OK), 0); /* not before it is whole */
    add_all(ctx, f);
    assert_int_equal(access(path, F_OK), 0);
    check_ranking(ctx, f);
    leann_fulltext_free(f);
}

static void test_file(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    const char *path = in_folder("a.fts");
    leann_fulltext *f;
    make_file(ctx, path);
    assert_int_equal(leann_fulltext_open(ctx, path, &f), LEANN_OK);
    assert_int_equal(leann_fulltext_size(f), TEXTS);
    check_ranking(ctx, f);
    leann_fulltext_free(f);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(leann_fulltext_new(ctx, path, &f), LEANN_OK);
    leann_fulltext_free(f); /* thrown away: nothing is left */
    assert_int_equal(leann_fulltext_open(ctx, path, &f), LEANN_ENOTFOUND);
    assert_null(f);
    leann_ctx_clear(ctx);
    assert_int_not_equal(leann_fulltext_new(ctx, in_folder("none/a.fts"), &f), LEANN_OK);
    leann_ctx_free(ctx);
}

static size_t slurp(const char *path, char **bytes)
{
    struct stat about;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &about), 0);
    *bytes = malloc((size_t)about.st_size);
    assert_int_equal(fread(*bytes, 1, (size_t)about.st_size, file), about.st_size);
    fclose(file);
    return (size_t)about.st_size;
}

static void spit(const char *path, const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

/* Whatever a file holds: an error with a sentence, or answers with ids that are there. */
static void probe(leann_ctx *ctx, const char *path)
{
    leann_fulltext *f;
    uint32_t ids[MOST], found = 0;
    double key[MOST];
    leann_ctx_clear(ctx);
    if (leann_fulltext_open(ctx, path, &f) == LEANN_OK &&
        leann_fulltext_search(ctx, f, text_of("cat dog fish sat"), MOST, ids, key, &found) == LEANN_OK)
        for (uint32_t i = 0; i < found; i++) assert_true(ids[i] < leann_fulltext_size(f));
    else
        assert_int_not_equal(leann_ctx_error(ctx)[0], 0);
    leann_fulltext_free(f);
}

static void test_damage(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_rng rng = leann_rng_at(1, "damage", 0);
    leann_fulltext *f;
    char *bytes;
    const char *path = in_folder("b.fts");
    make_file(ctx, path);
    size_t n = slurp(path, &bytes);
    for (int i = 0; i < 300; i++) {
        size_t at = leann_rng_below(&rng, (uint32_t)n);
        char kept = bytes[at];
        bytes[at] = (char)leann_rng_u32(&rng);
        spit(path, bytes, n);
        probe(ctx, path);
        bytes[at] = kept;
    }
    for (size_t cut = 0; cut < n; cut += 1021) {
        spit(path, bytes, cut);
        probe(ctx, path);
    }
    leann_ctx_clear(ctx);
    spit(path, "no database at all, but long enough to be looked at as one, says its author", 70);
    assert_int_equal(leann_fulltext_open(ctx, path, &f), LEANN_EFORMAT);
    leann_ctx_clear(ctx);
    spit(path, bytes, 0); /* SQLite takes it for an empty database */
    assert_int_equal(leann_fulltext_open(ctx, path, &f), LEANN_EFORMAT);
    assert_non_null(strstr(leann_ctx_error(ctx), "no full-text index of this program"));
    assert_int_equal(unlink(path), 0);
    free(bytes);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranking), cmocka_unit_test(test_common_word), cmocka_unit_test(test_any_bytes),
                                       cmocka_unit_test(test_words),   cmocka_unit_test(test_limits),      cmocka_unit_test(test_file),
                                       cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
