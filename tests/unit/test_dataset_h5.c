/* test_dataset_h5.c – tables of results and data sets through HDF5: what is written comes back, and what is damaged is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/datasets.h"
#include "datasets/spill.h"

#include <hdf5.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/leann-h5-XXXXXX";
static leann_ctx *ctx;

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int start(void **state)
{
    (void)state;
    ctx = leann_ctx_new(1, 2);
    setenv("XDG_CACHE_HOME", folder, 1);
    return mkdtemp(folder) && ctx ? 0 : 1;
}

static int stop(void **state)
{
    char command[300];
    (void)state;
    leann_ctx_free(ctx);
    snprintf(command, sizeof command, "chmod -R u+w '%s' && rm -rf '%s'", folder, folder);
    return system(command) != 0;
}

static int fresh(void **state)
{
    (void)state;
    leann_ctx_clear(ctx);
    return 0;
}

#define assert_ok(CALL)                                                                                                                    \
    do {                                                                                                                                   \
        if ((CALL) != LEANN_OK) fail_msg("%s: %s", #CALL, leann_ctx_error(ctx));                                                           \
    } while (0)
#define assert_says(WORDS)                                                                                                                 \
    do {                                                                                                                                   \
        if (!strstr(leann_ctx_error(ctx), WORDS)) fail_msg("\"%s\" does not say \"%s\"", leann_ctx_error(ctx), WORDS);                     \
    } while (0)

/* ---- tables ------------------------------------------------------------------------------------------------------------- */

static void table_round_trip(void **state)
{
    (void)state;
    leann_h5 *h;
    const char *path = in_folder("table.h5");
    uint32_t ids[6] = {0, 1, 2, UINT32_MAX, 4, 5};
    uint64_t work[4] = {0, UINT64_MAX, 1ULL << 60, 3};
    double real, reals[3] = {1.5, -INFINITY, 1e-300};
    float floats[2000];
    for (int i = 0; i < 2000; i++) floats[i] = (float)i / 8;
    assert_ok(leann_h5_create(ctx, path, &h));
    assert_ok(leann_h5_set_text(h, "identity", "{\"a\": \"ä\"}"));
    assert_ok(leann_h5_set_text(h, "identity", "{\"b\": \"ü\"}")); /* replaces */
    assert_ok(leann_h5_set_text(h, "error", ""));
    assert_ok(leann_h5_set_int(h, "count", -7));
    assert_ok(leann_h5_set_real(h, "seconds", 0.1));
    assert_ok(leann_h5_set_bool(h, "batch_mode", true));
    assert_ok(leann_h5_put(h, "ids", LEANN_H5_U32, 2, 3, ids, false));
    assert_ok(leann_h5_put(h, "work", LEANN_H5_U64, 4, 0, work, true));
    assert_ok(leann_h5_put(h, "reals", LEANN_H5_F64, 3, 0, reals, false));
    assert_ok(leann_h5_put(h, "floats", LEANN_H5_F32, 2000, 0, floats, true));
    assert_ok(leann_h5_put(h, "none", LEANN_H5_F32, 0, 0, NULL, true));
    assert_int_equal(access(path, F_OK), -1); /* nothing before the commit */
    assert_ok(leann_h5_commit(h));
    leann_h5_free(h);

    char *text;
    size_t rows, cols;
    void *data;
    assert_ok(leann_h5_open(ctx, path, &h));
    assert_true(leann_h5_has(h, "ids") && leann_h5_has(h, "count") && !leann_h5_has(h, "other"));
    assert_ok(leann_h5_text(h, "identity", &text));
    assert_string_equal(text, "{\"b\": \"ü\"}");
    leann_free(text);
    assert_ok(leann_h5_text(h, "error", &text));
    assert_string_equal(text, "");
    leann_free(text);
    assert_ok(leann_h5_real(h, "count", &real));
    assert_true(real == -7);
    assert_ok(leann_h5_real(h, "seconds", &real));
    assert_true(real == 0.1);
    assert_ok(leann_h5_real(h, "batch_mode", &real));
    assert_true(real == 1);
    assert_ok(leann_h5_get(h, "ids", LEANN_H5_U32, &rows, &cols, &data));
    assert_int_equal(rows, 2);
    assert_int_equal(cols, 3);
    assert_memory_equal(data, ids, sizeof ids);
    leann_free(data);
    assert_ok(leann_h5_get(h, "work", LEANN_H5_U64, &rows, &cols, &data));
    assert_int_equal(rows, 4);
    assert_int_equal(cols, 0);
    assert_memory_equal(data, work, sizeof work);
    leann_free(data);
    assert_ok(leann_h5_get(h, "reals", LEANN_H5_F64, &rows, &cols, &data));
    assert_memory_equal(data, reals, sizeof reals);
    leann_free(data);
    assert_ok(leann_h5_get(h, "floats", LEANN_H5_F64, &rows, &cols, &data));
    for (int i = 0; i < 2000; i++) assert_true(((double *)data)[i] == (double)floats[i]);
    leann_free(data);
    assert_ok(leann_h5_get(h, "none", LEANN_H5_F32, &rows, &cols, &data));
    assert_int_equal(rows, 0);
    leann_free(data);
    assert_int_equal(leann_h5_get(h, "ids", LEANN_H5_I32, &rows, &cols, &data), LEANN_EFORMAT);
    assert_says("4.29497e+09");
    leann_ctx_clear(ctx);
    assert_int_equal(leann_h5_text(h, "missing", &text), LEANN_ENOTFOUND);
    leann_h5_free(h);
}

static void table_of_another_program(void **state)
{
    (void)state;
    leann_h5 *h;
    char *text;
    double real;
    const char *path = in_folder("fixed.h5");
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, 9); /* a fixed-length string without its NUL */
    hid_t attribute = H5Acreate2(file, "algo", type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, "hnswlib-x");
    H5Aclose(attribute);
    float seconds = 0.25f;
    attribute = H5Acreate2(file, "build_time", H5T_IEEE_F32BE, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_FLOAT, &seconds);
    H5Aclose(attribute);
    H5Gclose(H5Gcreate2(file, "metrics", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(file);
    assert_ok(leann_h5_open(ctx, path, &h));
    assert_ok(leann_h5_text(h, "algo", &text));
    assert_string_equal(text, "hnswlib-x");
    assert_ok(leann_h5_real(h, "build_time", &real));
    assert_true(real == 0.25);
    leann_free(text);
    leann_h5_free(h);
}

static void table_that_is_none(void **state)
{
    (void)state;
    leann_h5 *h;
    assert_int_equal(leann_h5_open(ctx, in_folder("absent.h5"), &h), LEANN_ENOTFOUND);
    leann_ctx_clear(ctx);
    FILE *f = fopen(in_folder("text.h5"), "w");
    fputs("this is no HDF5 file", f);
    fclose(f);
    assert_int_equal(leann_h5_open(ctx, in_folder("text.h5"), &h), LEANN_EFORMAT);
    assert_says("not an HDF5 file");
}

/* ---- data sets -------------------------------------------------------------------------------------------------------------- */

typedef struct { /* a data set as another program might have written it */
    const char *name, *distance;
    hid_t train_type, neighbors_type;
    hsize_t train[3], test[3];
    int rank;
    bool chunked, no_train;
    uint32_t bad_row; /* of train, set to bad */
    float bad;
    int64_t bad_id;
    hsize_t gt_rows, gt_k;
} recipe;

static void put(hid_t file, const char *name, hid_t type, hid_t from, int rank, const hsize_t *dims, const void *data, bool chunked)
{
    hid_t space = H5Screate_simple(rank, dims, NULL), made = H5Pcreate(H5P_DATASET_CREATE);
    if (chunked) {
        hsize_t chunk[3] = {dims[0] < 7 ? dims[0] : 7, dims[1], 1};
        H5Pset_chunk(made, rank, chunk);
        H5Pset_deflate(made, 1);
    }
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, made, H5P_DEFAULT);
    if (H5Sget_simple_extent_npoints(space) > 0) H5Dwrite(set, from, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    H5Dclose(set);
    H5Pclose(made);
    H5Sclose(space);
}

enum { N = 20, D = 4, Q = 3, K = 5 };

static const char *cook(recipe r)
{
    const char *path = in_folder(r.name);
    float x[N * D * 2], q[Q * D * 2];
    int64_t ids[64];
    for (int i = 0; i < N * D * 2; i++) x[i] = (float)(i % 37) + 1;
    for (int i = 0; i < Q * D * 2; i++) q[i] = (float)(i % 11) + 1;
    for (int i = 0; i < 64; i++) ids[i] = i % N;
    if (r.bad_row)
        for (int j = 0; j < D; j++) x[r.bad_row * D + (uint32_t)j] = r.bad;
    if (r.bad_id) ids[7] = r.bad_id;
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (r.distance) {
        hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
        H5Tset_size(type, H5T_VARIABLE);
        hid_t attribute = H5Acreate2(file, "distance", type, space, H5P_DEFAULT, H5P_DEFAULT);
        H5Awrite(attribute, type, &r.distance);
        H5Aclose(attribute);
        H5Sclose(space);
        H5Tclose(type);
    }
    hsize_t train[3] = {r.train[0] ? r.train[0] : N, r.train[1] ? r.train[1] : D, 1}, test[3] = {Q, r.test[1] ? r.test[1] : D, 1};
    hsize_t gt[2] = {r.gt_rows ? r.gt_rows : Q, r.gt_k ? r.gt_k : K};
    if (!r.no_train)
        put(file, "train", r.train_type ? r.train_type : H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, r.rank ? r.rank : 2, train, x, r.chunked);
    put(file, "test", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 2, test, q, r.chunked);
    put(file, "neighbors", r.neighbors_type ? r.neighbors_type : H5T_STD_I32LE, H5T_NATIVE_INT64, 2, gt, ids, r.chunked);
    int32_t strata[N];
    const char *words[N];
    for (int i = 0; i < N; i++) {
        strata[i] = i % 3 ? -5 : 100 + i % 2;
        words[i] = i < 5 ? "b" : i < 8 ? "" : "a";
    }
    hsize_t n = train[0] < N ? train[0] : N;
    put(file, "stratum", H5T_STD_I32BE, H5T_NATIVE_INT32, 1, &n, strata, false);
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    put(file, "language", type, type, 1, &n, words, false);
    H5Tclose(type);
    H5Fclose(file);
    return path;
}

static void same_rows(recipe r, leann_dtype type)
{
    leann_dataset *data;
    assert_ok(leann_dataset_open(ctx, cook(r), &data));
    assert_int_equal(data->train.n, N);
    assert_int_equal(data->train.d, D);
    assert_int_equal(data->test.n, Q);
    assert_int_equal(data->gt_k, K);
    assert_int_equal(data->train.type, type);
    assert_int_equal(strlen(data->sha), 64);
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < D; j++) {
            const char *row = (const char *)data->train.base + i * data->train.stride;
            float got = type == LEANN_F32 ? ((const float *)(const void *)row)[j] : (float)((const uint8_t *)row)[j];
            float want = (float)((i * D + j) % 37) + 1;
            if (data->train.space == LEANN_ANGULAR) {
                float sum = 0;
                for (uint32_t m = 0; m < D; m++) sum += powf((float)((i * D + m) % 37) + 1, 2);
                assert_float_equal(got, want / sqrtf(sum), 1e-6f);
            } else
                assert_true(got <= want && got >= want);
        }
    for (uint32_t i = 0; i < Q * K; i++) assert_int_equal(data->neighbors[i], i % N);
    leann_dataset_free(data);
}

static void kinds_of_rows(void **state)
{
    (void)state;
    same_rows((recipe){.name = "f32.hdf5", .distance = "euclidean"}, LEANN_F32);
    same_rows((recipe){.name = "f64.hdf5", .distance = "euclidean", .train_type = H5T_IEEE_F64LE}, LEANN_F32);
    same_rows((recipe){.name = "be.hdf5", .distance = "euclidean", .train_type = H5T_IEEE_F32BE}, LEANN_F32);
    same_rows((recipe){.name = "u8.hdf5", .distance = "euclidean", .train_type = H5T_STD_U8LE}, LEANN_U8);
    same_rows((recipe){.name = "i8.hdf5", .distance = "ip", .train_type = H5T_STD_I8LE}, LEANN_I8);
    same_rows((recipe){.name = "i32.hdf5", .distance = "euclidean", .train_type = H5T_STD_I32LE}, LEANN_F32);
    same_rows((recipe){.name = "chunk.hdf5", .distance = "euclidean", .chunked = true}, LEANN_F32);
    same_rows((recipe){.name = "i64.hdf5", .distance = "angular", .neighbors_type = H5T_STD_I64LE}, LEANN_F32);
    same_rows((recipe){.name = "u8a.hdf5", .distance = "angular", .train_type = H5T_STD_U8LE, .chunked = true}, LEANN_F32);
}

static void labels(void **state)
{
    (void)state;
    leann_dataset *data;
    const uint32_t *label, *again;
    uint32_t count;
    assert_ok(leann_dataset_open(ctx, cook((recipe){.name = "labels.hdf5", .distance = "euclidean"}), &data));
    assert_ok(data->labels(data, ctx, "stratum", &label, &count));
    assert_int_equal(count, 3); /* 100, -5, 101 */
    for (uint32_t i = 0; i < N; i++) assert_int_equal(label[i], i % 3 ? 1 : i % 2 ? 2 : 0);
    assert_ok(data->labels(data, ctx, "stratum", &again, &count));
    assert_ptr_equal(label, again);
    assert_ok(data->labels(data, ctx, "language", &label, &count));
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(label[i], i < 5 ? 0 : i < 8 ? 1 : 2);
    assert_int_equal(data->labels(data, ctx, "colour", &label, &count), LEANN_ENOTFOUND);
    assert_says("colour");
    leann_ctx_clear(ctx);
    assert_int_equal(data->labels(data, ctx, "train", &label, &count), LEANN_EINVAL);
    leann_dataset_free(data);
}

static void refused(recipe r, leann_status status, const char *words)
{
    leann_dataset *data;
    leann_ctx_clear(ctx);
    const char *path = cook(r);
    leann_status got = leann_dataset_open(ctx, path, &data);
    if (got != status)
        fail_msg("%s: %s (%s), expected %s", r.name, leann_status_word(got), leann_ctx_error(ctx), leann_status_word(status));
    assert_null(data);
    assert_says(words);
    assert_says(path);
}

static void bad_sets(void **state)
{
    (void)state;
    refused((recipe){.name = "a.hdf5", .distance = "euclidean", .no_train = true}, LEANN_EFORMAT, "no dataset train");
    refused((recipe){.name = "b.hdf5"}, LEANN_EFORMAT, "no attribute distance");
    refused((recipe){.name = "c.hdf5", .distance = "manhattan"}, LEANN_EFORMAT, "\"manhattan\"");
    refused((recipe){.name = "c2.hdf5", .distance = "\033[2J\xff\xc3\xa4"}, LEANN_EFORMAT, "\"?[2J?\xc3\xa4\"");
    refused((recipe){.name = "d.hdf5", .distance = "hamming"}, LEANN_EUNSUPPORTED, "hamming");
    refused((recipe){.name = "e.hdf5", .distance = "euclidean", .rank = 1}, LEANN_EINVAL, "rank 1, needs 2");
    refused((recipe){.name = "f.hdf5", .distance = "euclidean", .rank = 3}, LEANN_EINVAL, "rank 3");
    refused((recipe){.name = "g.hdf5", .distance = "euclidean", .test = {0, 5}}, LEANN_EINVAL, "test has dimension 5, dataset train 4");
    refused((recipe){.name = "h.hdf5", .distance = "euclidean", .gt_rows = 2}, LEANN_EINVAL, "neighbors has 2 rows, dataset test 3");
    refused((recipe){.name = "i.hdf5", .distance = "euclidean", .gt_k = 21}, LEANN_EINVAL, "21 columns, needs 1 to the 20 rows");
    refused((recipe){.name = "j.hdf5", .distance = "euclidean", .bad_id = 20}, LEANN_EFORMAT, "row 1 has id 20, needs 0 to 19");
    refused((recipe){.name = "k.hdf5", .distance = "euclidean", .bad_id = -1}, LEANN_EFORMAT, "id -1");
    refused((recipe){.name = "l.hdf5", .distance = "euclidean", .bad_id = 1LL << 40, .neighbors_type = H5T_STD_I64LE}, LEANN_EFORMAT,
            "id 2147483647");
    refused((recipe){.name = "m.hdf5", .distance = "euclidean", .bad_row = 6, .bad = NAN}, LEANN_EINVAL, "row 6, column 0 is NaN");
    refused((recipe){.name = "n.hdf5", .distance = "ip", .bad_row = 19, .bad = INFINITY}, LEANN_EINVAL, "row 19, column 0 is infinite");
    refused((recipe){.name = "o.hdf5", .distance = "angular", .bad_row = 3, .bad = 0}, LEANN_EINVAL, "row 3 is zero");
    refused((recipe){.name = "p.hdf5", .distance = "angular", .train_type = H5T_STD_U8LE, .bad_row = 3, .bad = 0}, LEANN_EINVAL,
            "row 3 is zero");
    refused((recipe){.name = "q.hdf5", .distance = "euclidean", .neighbors_type = H5T_IEEE_F32LE}, LEANN_EFORMAT, "no integers");
}

/* Every truncation, and a byte flipped at each place of the headers: an error or a data set, never a crash. */
static void damaged_sets(void **state)
{
    (void)state;
    char whole[65536], path[256];
    leann_dataset *data;
    snprintf(path, sizeof path, "%s", cook((recipe){.name = "whole.hdf5", .distance = "euclidean", .chunked = true}));
    FILE *f = fopen(path, "rb");
    size_t bytes = fread(whole, 1, sizeof whole, f);
    fclose(f);
    assert_in_range(bytes, 1000, sizeof whole - 1);
    snprintf(path, sizeof path, "%s/hurt.hdf5", folder);
    for (size_t i = 0; i < bytes; i += bytes / 40) {
        f = fopen(path, "wb");
        fwrite(whole, 1, i, f);
        fclose(f);
        leann_ctx_clear(ctx);
        assert_int_not_equal(leann_dataset_open(ctx, path, &data), LEANN_OK);
        assert_says("hurt.hdf5");
    }
    for (size_t i = 0; i < bytes; i += bytes / 80) {
        whole[i] ^= 0x55;
        f = fopen(path, "wb");
        fwrite(whole, 1, bytes, f);
        fclose(f);
        whole[i] ^= 0x55;
        leann_ctx_clear(ctx);
        if (leann_dataset_open(ctx, path, &data) == LEANN_OK)
            leann_dataset_free(data);
        else
            assert_true(strlen(leann_ctx_error(ctx)) > 10);
    }
}

static void write_and_read(void **state)
{
    (void)state;
    leann_dataset *data;
    leann_dataset_info info;
    uint8_t train[N * D], test[Q * D];
    uint32_t ids[Q * K];
    double dist[Q * K];
    for (int i = 0; i < N * D; i++) train[i] = (uint8_t)(i * 7);
    for (int i = 0; i < Q * D; i++) test[i] = (uint8_t)(i * 5);
    for (uint32_t i = 0; i < Q * K; i++) ids[i] = i;
    for (int i = 0; i < Q * K; i++) dist[i] = i / 4.0;
    leann_rows a = {train, D, N, D, LEANN_U8, LEANN_IP}, b = {test, D, Q, D, LEANN_U8, LEANN_IP};
    char path[256], sha[65];
    snprintf(path, sizeof path, "%s/made.hdf5", folder);
    assert_ok(leann_dataset_write(ctx, path, a, b, ids, dist, K));
    assert_ok(leann_dataset_open(ctx, path, &data));
    assert_int_equal(data->train.space, LEANN_IP);
    assert_int_equal(data->train.type, LEANN_U8);
    assert_memory_equal(data->train.base, train, sizeof train);
    assert_memory_equal(data->test.base, test, sizeof test);
    assert_memory_equal(data->neighbors, ids, sizeof ids);
    assert_string_equal(data->name, "made");
    assert_string_equal(leann_dataset_checksums(data)->train, data->sha);
    snprintf(sha, sizeof sha, "%s", data->sha);
    leann_dataset_free(data);
    assert_ok(leann_dataset_peek(ctx, path, &info));
    assert_string_equal(info.distance, "ip");
    assert_int_equal(info.n, N);
    assert_int_equal(info.queries, Q);
    assert_int_equal(info.gt_k, K);
    train[5]++; /* another byte, another sum; no queries */
    assert_ok(leann_dataset_write(ctx, path, a, (leann_rows){0}, NULL, NULL, 0));
    assert_ok(leann_dataset_open(ctx, path, &data));
    assert_int_equal(data->test.n, 0);
    assert_null(data->neighbors);
    assert_string_not_equal(data->sha, sha);
    leann_dataset_free(data);
}

static void cannot_write(void **state)
{
    (void)state;
    char path[256];
    float x[4] = {1, 2, 3, 4};
    leann_rows a = {x, 16, 1, 4, LEANN_F32, LEANN_L2};
    snprintf(path, sizeof path, "%s/none/x.hdf5", folder);
    assert_int_equal(leann_dataset_write(ctx, path, a, (leann_rows){0}, NULL, NULL, 0), LEANN_ENOTFOUND);
    assert_says(path);
    leann_ctx_clear(ctx);
    leann_dataset *data;
    assert_int_equal(leann_dataset_open(ctx, "mnist-784-euclidian", &data), LEANN_ENOTFOUND);
    assert_says("mnist-784-euclidean");
    leann_ctx_clear(ctx);
    assert_int_equal(leann_dataset_open(ctx, "fashion-mnist-784-euclidean", &data), LEANN_ENOTFOUND);
    assert_says("fashion-mnist-784-euclidean.hdf5");
    leann_ctx_clear(ctx);
    assert_int_equal(leann_dataset_open(ctx, folder, &data), LEANN_EINVAL);
    assert_says("is not a file");
}

/* Neighbours that cannot be are refused by who uses them, and no hindrance to who computes them anew. */
static void wrong_neighbours(void **state)
{
    (void)state;
    float x[4] = {0, 1, 2, 3}, q[1] = {2.9f};
    uint32_t ids[2] = {1, 4};
    double dist[2] = {0, 0};
    leann_rows a = {x, sizeof *x, 4, 1, LEANN_F32, LEANN_L2}, b = {q, sizeof *q, 1, 1, LEANN_F32, LEANN_L2};
    leann_dataset *data = NULL;
    char path[256];
    snprintf(path, sizeof path, "%s", in_folder("wrong.hdf5"));
    assert_ok(leann_dataset_write(ctx, path, a, b, ids, dist, 2));
    assert_int_equal(leann_dataset_open(ctx, path, &data), LEANN_EFORMAT);
    assert_says("row 0 has id 4, needs 0 to 3");
    leann_ctx_clear(ctx);
    leann_convert_options options = {.any_space = true, .ground_truth = true};
    assert_ok(leann_dataset_convert(ctx, path, in_folder("right.hdf5"), options));
    assert_ok(leann_dataset_groundtruth(ctx, path));
    assert_ok(leann_dataset_open(ctx, path, &data));
    assert_int_equal(data->neighbors[0], 3);
    leann_dataset_free(data);
}

/* Room for rows: memory below the line, a nameless file from there on, and a sentence where the disk has no such room. */
static void room_for_rows(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    leann_spill room;
    const char *here = in_folder("room");
    assert_int_equal(mkdir(here, 0700) || setenv("TMPDIR", here, 1), 0);
    assert_ok(leann_spill_new(ctx, "rows", BYTES, BYTES + 1, &room));
    assert_int_equal(room.mapped, 0);
    leann_spill_free(&room);
    assert_ok(leann_spill_new(ctx, "rows", BYTES, BYTES, &room));
    assert_int_equal(room.mapped, BYTES);
    memset(room.rows, 1, BYTES);
    assert_int_equal(rmdir(here), 0); /* it has no name in it */
    assert_int_equal(mkdir(here, 0700), 0);
    leann_spill_free(&room);
    assert_null(room.rows);
    assert_int_equal(leann_spill_new(ctx, "rows", (uint64_t)1 << 60, 1, &room), LEANN_EIO);
    assert_says(here);
    assert_int_equal(setenv("TMPDIR", "/nowhere", 1), 0);
    assert_ok(leann_spill_new(ctx, "rows", BYTES, BYTES, &room)); /* no such folder: memory, of which there is enough */
    assert_int_equal(room.mapped, 0);
    assert_int_equal(leann_ctx_status(ctx), LEANN_OK);
    leann_spill_free(&room);
    assert_int_equal(leann_spill_from(), (uint64_t)64 << 20);
    unsetenv("TMPDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(table_round_trip, fresh),
        cmocka_unit_test_setup(table_of_another_program, fresh),
        cmocka_unit_test_setup(table_that_is_none, fresh),
        cmocka_unit_test_setup(kinds_of_rows, fresh),
        cmocka_unit_test_setup(labels, fresh),
        cmocka_unit_test_setup(bad_sets, fresh),
        cmocka_unit_test_setup(damaged_sets, fresh),
        cmocka_unit_test_setup(write_and_read, fresh),
        cmocka_unit_test_setup(cannot_write, fresh),
        cmocka_unit_test_setup(wrong_neighbours, fresh),
        cmocka_unit_test_setup(room_for_rows, fresh),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
