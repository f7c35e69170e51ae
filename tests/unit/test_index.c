/* test_index.c – what is common to all methods: configurations, row and query checks, distances, files and their manifests.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/plugin.h"

enum { N = 50, D = 8 };
static float rows_f32[N * D];
static uint8_t rows_u8[N * D];
static char path[] = "/tmp/leann_index_XXXXXX";

static int set_up(void **state)
{
    (void)state;
    leann_rng rng = leann_rng_at(5, "test", 0);
    for (int i = 0; i < N * D; i++) {
        rows_f32[i] = (float)leann_rng_normal(&rng) * 3;
        rows_u8[i] = (uint8_t)leann_rng_below(&rng, 256);
    }
    int fd = mkstemp(path);
    if (fd < 0) return -1;
    close(fd);
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static leann_rows f32(leann_space space)
{
    return (leann_rows){rows_f32, D * sizeof(float), N, D, LEANN_F32, space};
}
static leann_rows u8(leann_space space)
{
    return (leann_rows){rows_u8, D, N, D, LEANN_U8, space};
}

static void fails(leann_ctx *ctx, leann_status got, leann_status wanted, const char *piece)
{
    if (!strstr(leann_ctx_error(ctx), piece)) fail_msg("'%s' lacks '%s'", leann_ctx_error(ctx), piece);
    assert_int_equal(got, wanted);
}

/* A level of complexity is a shorthand for build parameters; what is given beside it stands. */
static void test_complexity(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    static const struct {
        const char *text, *quantizer, *method;
        int64_t dsub, sub_vectors;
    } cases[] = {{"{complexity: low}", "opq", "frugal", 24, 0},
                 {"{complexity: medium}", "opq", "frugal", 16, 0},
                 {"{method: frugal, complexity: high}", "opq", "frugal", 8, 0},
                 {"{complexity: low, build: {trials: 7, quantizer: {opq: {sub_vectors: 4}}}}", "opq", "frugal", 0, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leann_value *config, *canonical;
        assert_int_equal(leann_config_parse(ctx, "c", cases[i].text, strlen(cases[i].text), &config), LEANN_OK);
        assert_int_equal(leann_method_config(ctx, config, &canonical), LEANN_OK);
        const leann_value *build = leann_value_get(canonical, "build");
        const leann_value *codes = leann_value_get(leann_value_get(build, "quantizer"), cases[i].quantizer);
        assert_string_equal(leann_value_text(leann_value_get(canonical, "method"), ""), cases[i].method);
        assert_int_equal(leann_value_int(leann_value_get(codes, "dsub"), 0), cases[i].dsub);
        assert_int_equal(leann_value_int(leann_value_get(codes, "sub_vectors"), -1), cases[i].sub_vectors);
        assert_int_equal(leann_value_int(leann_value_get(build, "trials"), 0), i == 3 ? 7 : 256);
        leann_value_free(config);
        leann_value_free(canonical);
    }
    leann_index *index;
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "{complexity: huge}", &index), LEANN_EINVAL, "one of low, medium, high");
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "{complexity: 3}", &index), LEANN_EINVAL, "one of low, medium, high");
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "{method: flat, complexity: low}", &index), LEANN_EINVAL, "no levels of complexity");
    leann_ctx_free(ctx);
}

static void test_configurations(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index;
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "{method: flatt}", &index), LEANN_ENOTFOUND, "did you mean 'flat'?");
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "{metod: flat}", &index), LEANN_EINVAL, "did you mean 'method'?");
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "{build: {}}", &index), LEANN_EINVAL, "names no method");
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "flat", &index), LEANN_EINVAL, "{method: WORD");
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "{method: [", &index), LEANN_EFORMAT, "configuration:2:1:");
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), NULL, &index), LEANN_EINVAL, "NULL");
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "{method: flat, build: {kep: f32}}", &index), LEANN_EINVAL, "of method flat");
    assert_null(index);
    leann_ctx_clear(ctx);
    leann_value *config, *canonical, *again;
    assert_int_equal(leann_config_parse(ctx, "c", "{method: graph}", 15, &config), LEANN_OK);
    assert_int_equal(leann_method_config(ctx, config, &canonical), LEANN_OK);
    assert_int_equal(leann_method_config(ctx, canonical, &again), LEANN_OK);
    assert_true(leann_value_equal(canonical, again));
    leann_value *revisions;
    assert_int_equal(leann_method_revisions(ctx, config, NULL, &revisions), LEANN_OK);
    assert_int_equal(leann_value_count(revisions), 2);
    assert_true(leann_value_int(leann_value_get(revisions, "method graph"), 0) >= 1);
    leann_value_free(revisions);
    leann_value_free(config);
    leann_value_free(canonical);
    leann_value_free(again);
    leann_ctx_free(ctx);
}

static void test_rows(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index;
    leann_rows rows = f32(LEANN_L2);
    rows.n = 0;
    fails(ctx, leann_index_build(ctx, rows, "{method: flat}", &index), LEANN_EINVAL, "n is 0");
    rows.n = LEANN_NONE - 1;
    fails(ctx, leann_index_build(ctx, rows, "{method: flat}", &index), LEANN_EINVAL, "n is 4294967294, but at most 4294901759");
    rows = f32(LEANN_L2);
    rows.d = 0;
    fails(ctx, leann_index_build(ctx, rows, "{method: flat}", &index), LEANN_EINVAL, "d is 0");
    rows = f32(LEANN_L2);
    rows.stride = 3;
    fails(ctx, leann_index_build(ctx, rows, "{method: flat}", &index), LEANN_EINVAL, "stride is 3 bytes");
    rows = f32(LEANN_L2);
    rows.type = LEANN_U32;
    fails(ctx, leann_index_build(ctx, rows, "{method: flat}", &index), LEANN_EINVAL, "u32");
    float kept = rows_f32[11];
    rows_f32[11] = NAN;
    fails(ctx, leann_index_build(ctx, f32(LEANN_L2), "{method: flat}", &index), LEANN_EINVAL, "row 1");
    rows_f32[11] = kept;
    float zero[D] = {0};
    rows = (leann_rows){zero, sizeof zero, 1, D, LEANN_F32, LEANN_ANGULAR};
    fails(ctx, leann_index_build(ctx, rows, "{method: flat}", &index), LEANN_EINVAL, "row 0");
    assert_int_equal(leann_index_build(ctx, f32(LEANN_L2), "{method: flat}", &index), LEANN_OK); /* a failed call leaves no trace */
    leann_index_free(index);
    leann_ctx_free(ctx);
}

static double distance(leann_space space, const float *a, const float *b)
{
    double l2 = 0, ab = 0, aa = 0, bb = 0;
    for (int j = 0; j < D; j++) {
        l2 += ((double)a[j] - b[j]) * ((double)a[j] - b[j]);
        ab += (double)a[j] * b[j];
        aa += (double)a[j] * a[j];
        bb += (double)b[j] * b[j];
    }
    return space == LEANN_L2 ? sqrt(l2) : space == LEANN_IP ? -ab : 1 - ab / sqrt(aa * bb);
}

/* flat over rows that are not unit answers true distances, closest first, in every space; through a file too. */
static void check_distances(leann_space space, bool bytes, bool through_file)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index;
    leann_plan *plan;
    leann_rows rows = bytes ? u8(space) : f32(space);
    assert_int_equal(leann_index_build(ctx, rows, "{method: flat}", &index), LEANN_OK);
    if (through_file) {
        assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
        leann_index_free(index);
        if (leann_index_open(ctx, path, &index)) fail_msg("%s", leann_ctx_error(ctx));
    }
    assert_int_equal(leann_index_size(index), N);
    assert_int_equal(leann_index_dimension(index), D);
    assert_int_equal(leann_index_space(index), space);
    assert_int_equal(leann_plan_new(ctx, index, NULL, NULL, &plan), LEANN_OK);
    uint32_t ids[2 * N];
    float dist[2 * N];
    leann_work work[2];
    leann_rows queries = rows;
    queries.n = 2;
    assert_int_equal(leann_search(plan, ctx, queries, N, ids, dist, work), LEANN_OK);
    assert_int_equal(work[1].dist_comps, N);
    for (int i = 0; i < 2 * N; i++) {
        float a[D], b[D];
        for (int j = 0; j < D; j++) {
            a[j] = bytes ? rows_u8[i / N * D + j] : rows_f32[i / N * D + j];
            b[j] = bytes ? rows_u8[ids[i] * D + (uint32_t)j] : rows_f32[ids[i] * D + (uint32_t)j];
        }
        double true_distance = distance(space, a, b);
        assert_true(fabs(true_distance - dist[i]) <= 1e-3 + 1e-5 * fabs(true_distance));
        assert_true(i % N == 0 || dist[i] >= dist[i - 1]);
    }
    leann_plan_free(plan);
    leann_index_free(index);
    leann_ctx_free(ctx);
}

static void test_distances(void **state)
{
    (void)state;
    for (int space = LEANN_L2; space <= LEANN_IP; space++)
        for (int variant = 0; variant < 4; variant++) check_distances((leann_space)space, variant & 1, variant & 2);
}

static void test_searches(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index;
    leann_plan *plan;
    uint32_t ids[N + 1];
    float dist[N + 1];
    assert_int_equal(leann_index_build(ctx, f32(LEANN_L2), "{method: graph, build: {graph: flat}}", &index), LEANN_OK);
    fails(ctx, leann_plan_new(ctx, index, "{ef: 5}", NULL, &plan), LEANN_EINVAL, "unknown parameter 'ef'");
    leann_rows wrong = f32(LEANN_L2);
    wrong.n = N - 1;
    fails(ctx, leann_plan_new(ctx, index, NULL, &wrong, &plan), LEANN_EINVAL, "49 x 8, but the index was built from 50 x 8");
    leann_rows source = f32(LEANN_L2);
    assert_int_equal(leann_plan_new(ctx, index, NULL, &source, &plan), LEANN_OK);
    leann_rows q = f32(LEANN_L2);
    q.n = 1;
    fails(ctx, leann_search(plan, ctx, q, 0, ids, dist, NULL), LEANN_EINVAL, "k is 0");
    fails(ctx, leann_search(plan, ctx, q, N + 1, ids, dist, NULL), LEANN_EINVAL, "k is 51, but at most n = 50");
    q.d = D - 1;
    fails(ctx, leann_search(plan, ctx, q, 1, ids, dist, NULL), LEANN_EINVAL, "dimension 7, but the index has 8");
    q.d = D;
    q.space = LEANN_IP;
    fails(ctx, leann_search(plan, ctx, q, 1, ids, dist, NULL), LEANN_EINVAL, "ip, but the index is euclidean");
    q.space = LEANN_L2;
    float bad[D] = {0, 0, INFINITY};
    leann_rows infinite = {bad, sizeof bad, 1, D, LEANN_F32, LEANN_L2};
    fails(ctx, leann_search(plan, ctx, infinite, 1, ids, dist, NULL), LEANN_EINVAL, "query 0 has inf in column 2");
    assert_int_equal(leann_search(plan, ctx, q, 1, ids, dist, NULL), LEANN_OK);
    assert_int_equal(ids[0], 0);
    q.n = 0;
    assert_int_equal(leann_search(plan, ctx, q, 1, ids, dist, NULL), LEANN_OK);
    q.n = 1;
    leann_ctx_cancel(ctx);
    fails(ctx, leann_search(plan, ctx, q, 1, ids, dist, NULL), LEANN_EINTR, "interrupted");
    assert_int_equal(leann_search(plan, ctx, q, 1, ids, dist, NULL), LEANN_OK); /* the request was answered */
    fails(ctx, leann_search(plan, ctx, q, 0, ids, dist, NULL), LEANN_EINVAL, "k is 0");
    leann_ctx_cancel(ctx); /* after a failure of another kind: still to be answered */
    fails(ctx, leann_search(plan, ctx, q, 1, ids, dist, NULL), LEANN_EINTR, "interrupted");
    leann_plan_free(plan);
    leann_index_free(index);
    leann_ctx_free(ctx);
}

static void test_prediction(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(9, 1);
    leann_index *index;
    leann_value *config;
    leann_ledger ledger;
    const char *text = "{method: graph, build: {graph: {vamana: {degree: 12}}}}";
    assert_int_equal(leann_config_parse(ctx, "c", text, strlen(text), &config), LEANN_OK);
    for (int bytes = 0; bytes < 2; bytes++) {
        leann_rows rows = bytes ? u8(LEANN_ANGULAR) : f32(LEANN_L2);
        struct stat about;
        assert_int_equal(leann_method_predict(ctx, N, D, rows.type, rows.space, config, &ledger), LEANN_OK);
        assert_int_equal(leann_index_build(ctx, rows, text, &index), LEANN_OK);
        assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(leann_ledger_total(&ledger), about.st_size); /* to the byte, manifest included */
        leann_index_free(index);
    }
    leann_value_free(config);
    leann_ctx_free(ctx);
}

/* Writes the file again with one piece of the manifest replaced, or, piece NULL, with a NaN in the vectors; checksums of the new bytes come
 * with it. */
static void forge(leann_ctx *ctx, const char *piece, const char *instead)
{
    leann_reader *r;
    leann_writer *w;
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    for (size_t i = 0; i < leann_reader_sections(r); i++) {
        const leann_section *s = leann_reader_at(r, i);
        char text[4096] = "", *at;
        if (!piece && strcmp(s->name, "vectors") == 0) {
            float x[N * D];
            memcpy(x, s->data, sizeof x);
            x[3 * D + 2] = NAN;
            assert_int_equal(leann_writer_add(w, s->name, s->part, s->type, s->rows, s->stride, x), LEANN_OK);
            continue;
        }
        if (!piece || strcmp(s->name, "manifest") != 0) {
            assert_int_equal(leann_writer_add(w, s->name, s->part, s->type, s->rows, s->stride, s->data), LEANN_OK);
            continue;
        }
        memcpy(text, s->data, s->bytes);
        assert_non_null(at = strstr(text, piece));
        char *tail = strdup(at + strlen(piece));
        strcpy(at, instead);
        strcat(text, tail);
        free(tail);
        assert_int_equal(leann_writer_add(w, "manifest", LEANN_PART_META, LEANN_BYTES, strlen(text), 1, text), LEANN_OK);
    }
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
    leann_reader_free(r);
}

static void test_manifests(void **state)
{
    (void)state;
    static const struct {
        const char *piece, *instead;
        leann_status status;
        const char *sentence;
    } cases[] = {
        {"\"format\":1", "\"format\":2", LEANN_EUNSUPPORTED, "index format 2, but this program knows up to 1"},
        {"\"format\":1", "\"format\":\"x\"", LEANN_EFORMAT, "format"},
        {"\"method flat\":1", "\"method flat\":99", LEANN_EUNSUPPORTED, "revision 99 of method flat"},
        {"\"method\":\"flat\"", "\"method\":\"flax\"", LEANN_ENOTFOUND, "flax"},
        {"\"n\":50", "\"n\":0", LEANN_EFORMAT, "n is 0"},
        {"\"n\":50", "\"n\":51", LEANN_EFORMAT, ""},
        {"\"d\":8", "\"d\":-8", LEANN_EFORMAT, "d is -8"},
        {"\"euclidean\"", "\"manhattan\"", LEANN_EFORMAT, "manhattan"},
        {"\"dtype\":\"f32\"", "\"dtype\":\"u64\"", LEANN_EFORMAT, "u64"},
        {"{", "[", LEANN_EFORMAT, ""},
        {NULL, NULL, LEANN_EFORMAT, ": row 3, column 2 is NaN"},
    };
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(leann_index_build(ctx, f32(LEANN_L2), "{method: flat}", &index), LEANN_OK);
        assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
        leann_index_free(index);
        forge(ctx, cases[i].piece, cases[i].instead);
        fails(ctx, leann_index_open(ctx, path, &index), cases[i].status, cases[i].sentence);
        assert_null(index);
    }
    fails(ctx, leann_index_open(ctx, "/nonexistent.leann", &index), LEANN_ENOTFOUND, "/nonexistent.leann");
    leann_ctx_free(ctx);
}

/* An index keeps what its rows are called, through a file too; bare rows have no name, and neither have files from before there were any. */
static void test_rows_are_named(void **state)
{
    (void)state;
    static const char sha[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char zeros[] = "\"train_sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"";
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_index *index;
    leann_value *config;
    struct stat named, bare;
    leann_dataset data = {.name = "named", .sha = sha, .train = f32(LEANN_L2)};
    assert_int_equal(leann_config_parse(ctx, "c", "{method: flat}", 14, &config), LEANN_OK);
    assert_int_equal(leann_method_build(ctx, &data, config, NULL, &index), LEANN_OK);
    assert_string_equal(index->data_sha, sha);
    assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
    assert_int_equal(stat(path, &named), 0);
    leann_index_free(index);
    assert_int_equal(leann_index_open(ctx, path, &index), LEANN_OK);
    assert_string_equal(index->data_sha, sha);
    leann_index_free(index);

    assert_int_equal(leann_index_build(ctx, f32(LEANN_L2), "{method: flat}", &index), LEANN_OK);
    assert_string_equal(index->data_sha, "");
    assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
    assert_int_equal(stat(path, &bare), 0);
    assert_int_equal(named.st_size, bare.st_size); /* prediction knows no rows */
    leann_index_free(index);
    char *bare_bytes, *bytes;
    size_t bare_size, size;
    assert_int_equal(leann_file_read(ctx, path, 1 << 20, &bare_bytes, &bare_size), LEANN_OK);
    data.sha = "";
    assert_int_equal(leann_method_build(ctx, &data, config, NULL, &index), LEANN_OK); /* as `leann build` does: the same bytes */
    assert_int_equal(leann_index_save(ctx, index, path), LEANN_OK);
    assert_int_equal(leann_file_read(ctx, path, 1 << 20, &bytes, &size), LEANN_OK);
    assert_int_equal(size, bare_size);
    assert_memory_equal(bytes, bare_bytes, size);
    leann_free(bytes);
    leann_free(bare_bytes);
    leann_index_free(index);
    static const char *const instead[] = {"\"train_sha256\":\"\"", "\"older\":1", "\"train_sha256\":7", zeros};
    const char *piece = zeros;
    for (size_t i = 0; i < sizeof instead / sizeof instead[0]; i++) {
        forge(ctx, piece, instead[i]);
        piece = instead[i];
        assert_int_equal(leann_index_open(ctx, path, &index), LEANN_OK);
        assert_string_equal(index->data_sha, "");
        leann_index_free(index);
    }
    leann_value_free(config);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_complexity),
        cmocka_unit_test(test_configurations), cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_distances),      cmocka_unit_test(test_searches),
                                       cmocka_unit_test(test_prediction),     cmocka_unit_test(test_manifests),
                                       cmocka_unit_test(test_rows_are_named)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
