/* test_retrieval.c – measures of ranked lists by hand, what is relevant by lines of files, and a small text set measured whole.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/relevance.h"
#include "eval/retrieval.h"

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-6;
}

/* ---- one list ----------------------------------------------------------------------------------------------------------------------- */

static void test_judge(void **state)
{
    (void)state;
    double v[LEANN_RETRIEVAL_MEASURES];
    const uint32_t relevant[] = {2, 5, 9}, ids[] = {7, 5, 1, 2, 8};
    /* Right at ranks 2 and 4: (1 / log2 3 + 1 / log2 5) / (1 + 1 / log2 3 + 1 / 2) = 1.061606 / 2.130930. */
    leann_retrieval_judge(ids, 5, relevant, 3, v);
    assert_true(near(v[LEANN_NDCG_10], 0.498189) && v[LEANN_MRR_10] == 0.5 && v[LEANN_RECALL_1] == 0);
    assert_true(near(v[LEANN_RECALL_3], 1.0 / 3) && near(v[LEANN_RECALL_10], 2.0 / 3) && near(v[LEANN_RECALL_100], 2.0 / 3));
    leann_retrieval_judge(relevant, 3, relevant, 3, v);
    for (int i = 0; i < LEANN_RETRIEVAL_MEASURES; i++) assert_true(i == LEANN_RECALL_1 ? near(v[i], 1.0 / 3) : v[i] == 1);
    leann_retrieval_judge(ids, 0, relevant, 3, v);
    for (int i = 0; i < LEANN_RETRIEVAL_MEASURES; i++) assert_true(v[i] == 0);
}

/* Rank 10 counts for nDCG@10, MRR@10 and recall@10, rank 11 for recall@100 alone; more than ten relevant can still give nDCG 1. */
static void test_depths(void **state)
{
    (void)state;
    double v[LEANN_RETRIEVAL_MEASURES];
    uint32_t ids[200], many[20], one = 500;
    for (uint32_t i = 0; i < 200; i++) ids[i] = i;
    ids[9] = one;
    leann_retrieval_judge(ids, 200, &one, 1, v);
    assert_true(near(v[LEANN_NDCG_10], 1 / log2(11)) && near(v[LEANN_MRR_10], 0.1) && v[LEANN_RECALL_3] == 0 && v[LEANN_RECALL_10] == 1);
    ids[9] = 9;
    ids[10] = one;
    leann_retrieval_judge(ids, 200, &one, 1, v);
    assert_true(v[LEANN_NDCG_10] == 0 && v[LEANN_MRR_10] == 0 && v[LEANN_RECALL_10] == 0 && v[LEANN_RECALL_100] == 1);
    ids[10] = 10;
    ids[100] = one; /* rank 101 */
    leann_retrieval_judge(ids, 200, &one, 1, v);
    assert_true(v[LEANN_RECALL_100] == 0);
    for (uint32_t i = 0; i < 20; i++) many[i] = i;
    leann_retrieval_judge(ids, 200, many, 20, v);
    assert_true(near(v[LEANN_NDCG_10], 1) && v[LEANN_MRR_10] == 1 && v[LEANN_RECALL_10] == 0.5 && v[LEANN_RECALL_100] == 1);
}

static void test_fusion(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    const uint32_t a[] = {1, 2, 3}, b[] = {3, 4, 1};
    uint32_t out[9], found;
    /* 1: 1/61 + 1/63 = 0.032266; 3: the same, the other way round; 2: 1/62; 4: 1/62. */
    assert_int_equal(leann_fuse(ctx, a, 3, b, 3, 9, out, &found), LEANN_OK);
    assert_int_equal(found, 4);
    assert_true(out[0] == 1 && out[1] == 3 && out[2] == 2 && out[3] == 4);
    assert_int_equal(leann_fuse(ctx, a, 3, b, 3, 2, out, &found), LEANN_OK);
    assert_int_equal(found, 2);
    assert_int_equal(leann_fuse(ctx, a, 3, NULL, 0, 9, out, &found), LEANN_OK);
    assert_true(found == 3 && memcmp(out, a, sizeof a) == 0);
    assert_int_equal(leann_fuse(ctx, NULL, 0, NULL, 0, 9, out, &found), LEANN_OK);
    assert_int_equal(found, 0);
    /* Twice at rank 2 beats once at rank 1: 2/62 > 1/61. */
    const uint32_t c[] = {7, 5}, d[] = {8, 5};
    assert_int_equal(leann_fuse(ctx, c, 2, d, 2, 9, out, &found), LEANN_OK);
    assert_true(found == 3 && out[0] == 5 && out[1] == 7 && out[2] == 8);
    leann_ctx_free(ctx);
}

/* ---- what is relevant --------------------------------------------------------------------------------------------------------------- */

static void test_overlaps(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_relevance r;
    leann_text_file file[] = {{(char *)(uintptr_t) "a", 1}, {(char *)(uintptr_t) "b", 1}};
    leann_text_files files = {file, 2, 2};
    /* File 0: chunks 5, 1, 0 at lines 1-10, 10-12, 14-20; file 1: 3 at 1-8, and the text of 5 once more at 9-18, and again there. */
    leann_place place[] = {{1, 9, 18, 5}, {0, 14, 20, 0}, {1, 1, 8, 3}, {0, 1, 10, 5}, {0, 10, 12, 1}, {1, 9, 18, 5}};
    leann_answer target[] = {{.first_line = 10, .last_line = 10, .file = 0},
                             {.first_line = 11, .last_line = 14, .file = 0},
                             {.first_line = 20, .last_line = 99, .file = 0},
                             {.first_line = 1, .last_line = 18, .file = 1},
                             {.first_line = 9, .last_line = 9, .file = 0}};
    static const uint32_t want[] = {1, 5, 0, 1, 0, 3, 5, 5};
    static const uint64_t cut[] = {0, 2, 4, 5, 7, 8};
    assert_int_equal(leann_relevance_make(ctx, target, 5, place, 6, &files, &r), LEANN_OK);
    assert_int_equal(r.queries, 5);
    assert_memory_equal(r.offset, cut, sizeof cut);
    assert_memory_equal(r.ids, want, sizeof want);
    leann_relevance_free(&r);
    target[1] = (leann_answer){.first_line = 13, .last_line = 13, .file = 0}; /* blank lines between chunks */
    assert_int_equal(leann_relevance_make(ctx, target, 5, place, 6, &files, &r), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "query 1: no chunk holds any of lines 13 to 13 of a"));
    assert_null(r.ids);
    leann_ctx_free(ctx);
}

static leann_status read_target(leann_ctx *ctx, const char *line, leann_answer *out)
{
    leann_value *v;
    leann_ctx_clear(ctx);
    assert_int_equal(leann_value_parse(ctx, "line", line, strlen(line), &v), LEANN_OK);
    leann_status status = leann_answer_read(ctx, "q.jsonl:3", v, out);
    leann_value_free(v);
    return status;
}

static void test_target_lines(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_answer t;
    assert_int_equal(read_target(ctx, "{\"text\":\"x\",\"path\":\"text/a.c\",\"first_line\":3,\"last_line\":9,\"kind\":\"k\"}", &t),
                     LEANN_OK);
    assert_string_equal(t.path, "text/a.c");
    assert_true(t.first_line == 3 && t.last_line == 9);
    leann_free(t.path);
    assert_int_equal(read_target(ctx, "{\"text\":\"x\"}", &t), LEANN_OK);
    assert_null(t.path);
    static const char *const bad[] = {"{\"path\":\"a\"}",
                                      "{\"first_line\":1,\"last_line\":2}",
                                      "{\"path\":\"\",\"first_line\":1,\"last_line\":2}",
                                      "{\"path\":7,\"first_line\":1,\"last_line\":2}",
                                      "{\"path\":\"a\",\"first_line\":0,\"last_line\":2}",
                                      "{\"path\":\"a\",\"first_line\":3,\"last_line\":2}",
                                      "{\"path\":\"a\",\"first_line\":3,\"last_line\":4294967296}",
                                      "{\"path\":\"a\",\"first_line\":\"3\",\"last_line\":4}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_target(ctx, bad[i], &t), LEANN_EINVAL);
        assert_non_null(strstr(leann_ctx_error(ctx), "q.jsonl:3"));
        assert_null(t.path);
    }
    leann_ctx_free(ctx);
}

/* ---- files ---------------------------------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/leann-retrieval-XXXXXX";

static char *in_folder(const char *name)
{
    static char path[8][200];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void test_find(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char *a = in_folder("a"), *b = in_folder("./b"), *other = in_folder("c");
    for (int i = 0; i < 3; i++) fclose(fopen(i == 0 ? a : i == 1 ? b : other, "w"));
    leann_text_file file[] = {{a, 0}, {b, 0}};
    leann_text_files files = {file, 2, 2};
    char first[] = "b", second[] = "../leann-retrieval-none/a", third[] = "c";
    leann_answer t[] = {{.path = first}, {.path = a}, {.path = a}}; /* relative to the queries' folder, or absolute */
    assert_int_equal(leann_answers_find(ctx, in_folder("q.jsonl"), t, 3, &files), LEANN_OK);
    assert_true(t[0].file == 1 && t[1].file == 0 && t[2].file == 0);
    t[1].path = third;
    assert_int_equal(leann_answers_find(ctx, in_folder("q.jsonl"), t, 3, &files), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "query 1 lies in"));
    leann_ctx_clear(ctx);
    t[1].path = second;
    assert_int_equal(leann_answers_find(ctx, in_folder("q.jsonl"), t, 3, &files), LEANN_ENOTFOUND);
    leann_ctx_clear(ctx);
    t[1].path = NULL;
    assert_int_equal(leann_answers_find(ctx, in_folder("q.jsonl"), t, 3, &files), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "query 1 does not say where"));
    unlink(a), unlink(b), unlink(other);
    leann_ctx_free(ctx);
}

/* ---- a set -------------------------------------------------------------------------------------------------------------------------- */

enum { N = 4, QUERIES = 2 };
static const char passages[] = "red applegreen pearblue plumgrey stone";
static const uint64_t passage_cut[N + 1] = {0, 9, 19, 28, 38};
static const char queries[] = "applestone and pear";
static const uint64_t query_cut[QUERIES + 1] = {0, 5, 19};
static const float train[N][2] = {{1, 0}, {0.6f, 0.8f}, {0, 1}, {-1, 0}}, test[QUERIES][2] = {{0.8f, 0.6f}, {0, 1}};

typedef struct {
    uint64_t cut[QUERIES + 1];
    uint32_t ids[8];
    uint32_t count;
} truth;
static const truth right = {{0, 1, 3}, {0, 1, 3}, 3}; /* query 0: passage 0; query 1: passages 1 and 3 */

static void put(hid_t at, const char *name, hid_t type, uint64_t rows, const void *data)
{
    hsize_t dims[] = {rows};
    hid_t space = H5Screate_simple(1, dims, NULL), set = H5Dcreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0 && (rows == 0 || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0));
    H5Dclose(set);
    H5Sclose(space);
}

static hid_t group(hid_t file, const char *name)
{
    hid_t g = H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(g >= 0);
    return g;
}

/* t NULL: no group `relevance`. */
static void make_set(leann_ctx *ctx, const char *path, const truth *t, float turn)
{
    float x[N][2];
    for (int i = 0; i < N; i++) x[i][0] = train[i][0] * turn, x[i][1] = train[i][1];
    leann_rows rows = {x, 8, N, 2, LEANN_F32, LEANN_ANGULAR}, asked = {test, 8, QUERIES, 2, LEANN_F32, LEANN_ANGULAR};
    leann_ctx_clear(ctx);
    assert_int_equal(leann_dataset_write(ctx, path, rows, asked, NULL, NULL, 0), LEANN_OK);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), g = group(file, "passages");
    put(g, "text", H5T_NATIVE_UINT8, strlen(passages), passages);
    put(g, "text_offset", H5T_NATIVE_UINT64, N + 1, passage_cut);
    H5Gclose(g);
    g = group(file, "queries");
    put(g, "text", H5T_NATIVE_UINT8, strlen(queries), queries);
    put(g, "text_offset", H5T_NATIVE_UINT64, QUERIES + 1, query_cut);
    H5Gclose(g);
    if (t) {
        g = group(file, "relevance");
        put(g, "offset", H5T_NATIVE_UINT64, QUERIES + 1, t->cut);
        put(g, "ids", H5T_NATIVE_UINT32, t->count, t->ids);
        H5Gclose(g);
    }
    H5Fclose(file);
}

static double mean(leann_ctx *ctx, const leann_retrieval *r, leann_ranking ranking, leann_retrieval_measure measure)
{
    leann_interval v;
    assert_int_equal(leann_retrieval_mean(ctx, r, ranking, measure, &v), LEANN_OK);
    assert_true(v.lo <= v.value && v.value <= v.hi);
    return v.value;
}

/* Dense: query 0 finds 1, 0, 2, 3, its answer second; query 1 finds 2, 1, 0, 3, its answers second and fourth. BM25: each word is in one
 * text of two words, so that query 0 finds 0 and query 1 finds 1 and 3. Hybrid of query 0: 0 has 1/61 + 1/62, 1 has 1/61. */
static void test_set(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 2);
    char *path = in_folder("a.hdf5"), *turned = in_folder("b.hdf5");
    leann_retrieval r, other;
    leann_interval v;
    const double l3 = 1 / log2(3), l5 = 1 / log2(5);
    make_set(ctx, path, &right, 1);
    assert_int_equal(leann_retrieval_run(ctx, path, true, NULL, &r), LEANN_OK);
    assert_true(r.n == N && r.queries == QUERIES && r.of == QUERIES);
    assert_true(near(mean(ctx, &r, LEANN_DENSE, LEANN_NDCG_10), (l3 + (l3 + l5) / (1 + l3)) / 2));
    assert_true(near(mean(ctx, &r, LEANN_DENSE, LEANN_MRR_10), 0.5) && mean(ctx, &r, LEANN_DENSE, LEANN_RECALL_1) == 0);
    assert_true(near(mean(ctx, &r, LEANN_DENSE, LEANN_RECALL_3), 0.75) && mean(ctx, &r, LEANN_DENSE, LEANN_RECALL_100) == 1);
    assert_true(mean(ctx, &r, LEANN_BM25, LEANN_NDCG_10) == 1 && mean(ctx, &r, LEANN_BM25, LEANN_RECALL_1) == 0.75);
    assert_true(mean(ctx, &r, LEANN_HYBRID, LEANN_MRR_10) == 1);
    assert_int_equal(leann_retrieval_difference(ctx, &r, LEANN_BM25, &r, LEANN_DENSE, LEANN_MRR_10, &v), LEANN_OK);
    assert_true(v.value == 0.5 && v.lo == 0.5 && v.hi == 0.5); /* of both queries the same */
    /* Other vectors of the same texts are comparable, and share their BM25. */
    make_set(ctx, turned, &right, -1);
    assert_int_equal(leann_retrieval_run(ctx, turned, true, &r, &other), LEANN_OK);
    assert_true(leann_retrieval_pairs(&r, &other) && mean(ctx, &other, LEANN_BM25, LEANN_NDCG_10) == 1);
    assert_true(mean(ctx, &other, LEANN_DENSE, LEANN_RECALL_1) < mean(ctx, &r, LEANN_DENSE, LEANN_RECALL_3));
    /* Query 0 finds 3, 2, 1 by them where it found 1, 0, 2; query 1 the same as before. */
    assert_int_equal(leann_retrieval_agreement(ctx, &other, &r, 3, &v), LEANN_OK);
    assert_true(near(v.value, (2.0 / 3 + 1) / 2) && v.lo <= v.value && v.value <= v.hi);
    assert_int_equal(leann_retrieval_agreement(ctx, &other, &r, 2, &v), LEANN_OK);
    assert_true(v.value == 0.5);
    assert_int_equal(leann_retrieval_agreement(ctx, &other, &r, 100, &v), LEANN_OK);
    assert_true(v.value == 1);
    leann_retrieval_free(&other);
    /* Half of the queries are others. */
    assert_int_equal(leann_retrieval_run(ctx, path, false, &r, &other), LEANN_OK);
    assert_true(other.queries == 1 && other.of == 2 && !leann_retrieval_pairs(&r, &other));
    assert_int_equal(leann_retrieval_difference(ctx, &other, LEANN_BM25, &r, LEANN_DENSE, LEANN_MRR_10, &v), LEANN_EINVAL);
    assert_int_equal(leann_retrieval_agreement(ctx, &other, &r, 10, &v), LEANN_EINVAL);
    leann_retrieval_free(&other);
    leann_retrieval_free(&r);
    unlink(path), unlink(turned);
    leann_ctx_free(ctx);
}

static void refuse(leann_ctx *ctx, const truth *t, leann_status want, const char *words)
{
    leann_retrieval r;
    const char *path = in_folder("bad.hdf5");
    make_set(ctx, path, t, 1);
    assert_int_equal(leann_retrieval_run(ctx, path, true, NULL, &r), want);
    if (!strstr(leann_ctx_error(ctx), words)) fail_msg("no '%s' in: %s", words, leann_ctx_error(ctx));
    assert_null(r.name);
    unlink(path);
}

static void test_bad_truth(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    refuse(ctx, NULL, LEANN_ENOTFOUND, "does not say what is relevant");
    refuse(ctx, &(truth){{0, 0, 2}, {1, 3}, 2}, LEANN_EINVAL, "nothing is relevant to query 0");
    refuse(ctx, &(truth){{0, 1, 3}, {0, 3, 1}, 3}, LEANN_EFORMAT, "query 1 is not in order");
    refuse(ctx, &(truth){{0, 1, 3}, {0, 1, 1}, 3}, LEANN_EFORMAT, "query 1 is not in order");
    refuse(ctx, &(truth){{0, 1, 3}, {0, 1, N}, 3}, LEANN_EFORMAT, "passage 4 of 4");
    refuse(ctx, &(truth){{0, 2, 1}, {0, 1, 3}, 3}, LEANN_EFORMAT, "relevance/offset does not cut 3 entries for 2 queries");
    refuse(ctx, &(truth){{0, 1, 2}, {0, 1, 3}, 3}, LEANN_EFORMAT, "relevance/offset does not cut 3 entries");
    refuse(ctx, &(truth){{1, 1, 3}, {0, 1, 3}, 3}, LEANN_EFORMAT, "relevance/offset");
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_judge),    cmocka_unit_test(test_depths),       cmocka_unit_test(test_fusion),
                                       cmocka_unit_test(test_overlaps), cmocka_unit_test(test_target_lines), cmocka_unit_test(test_find),
                                       cmocka_unit_test(test_set),      cmocka_unit_test(test_bad_truth)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
