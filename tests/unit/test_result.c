/* test_result.c – a point's raw result comes back as it was saved; what does not fit is refused.
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

#include "core/container.h"
#include "eval/result.h"

static char folder[] = "/tmp/leann_result_XXXXXX";

static leann_result sample(leann_ctx *ctx)
{
    leann_result r = {.n = 3, .k = 2, .t = 2, .repeats = 5, .tuned = 1, .cold_ns = 12345, .load_rss = {1 << 20, 5}, .search_rss = {3, 7}};
    r.identity = leann_format(ctx, "{\"format\":1}");
    r.sweep = leann_format(ctx, "s");
    r.dataset = leann_format(ctx, "d");
    r.status = leann_format(ctx, "ok");
    r.error = leann_format(ctx, "%s", "");
    r.build = leann_value_new_map();
    leann_value_set(r.build, "build_s", leann_value_new_real(1.5));
    r.query_rows = leann_alloc(ctx, 3, sizeof *r.query_rows);
    r.ids = leann_alloc(ctx, 6, sizeof *r.ids);
    r.dist = leann_alloc(ctx, 6, sizeof *r.dist);
    r.work = leann_alloc(ctx, 3 * LEANN_RESULT_WORK, sizeof *r.work);
    r.timed_rows = leann_alloc(ctx, 2, sizeof *r.timed_rows);
    r.times_ns = leann_alloc(ctx, 10, sizeof *r.times_ns);
    r.tune_recall = leann_alloc(ctx, 3, sizeof *r.tune_recall);
    r.ids[5] = LEANN_NONE;
    r.dist[5] = INFINITY;
    r.work[26] = 1ULL << 60;
    r.times_ns[9] = 77;
    r.tune_recall[1] = 0.25;
    return r;
}

static void test_round(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_result a = sample(ctx), b;
    char *path = leann_result_path(ctx, folder, a.identity);
    char *raw = leann_format(ctx, "%s/raw", folder);
    assert_int_equal(leann_folder_make(ctx, raw), LEANN_OK);
    assert_int_equal(leann_result_save(ctx, &a, path), LEANN_OK);
    assert_int_equal(leann_result_load(ctx, path, &b), LEANN_OK);
    assert_true(b.n == 3 && b.k == 2 && b.t == 2 && b.repeats == 5 && b.tuned == 1 && b.cold_ns == 12345);
    assert_true(b.load_rss.peak == 1 << 20 && b.load_rss.anon == 5 && b.search_rss.peak == 3 && b.search_rss.anon == 7);
    assert_memory_equal(a.ids, b.ids, 6 * sizeof *a.ids);
    assert_memory_equal(a.dist, b.dist, 6 * sizeof *a.dist);
    assert_memory_equal(a.work, b.work, 3 * LEANN_RESULT_WORK * sizeof *a.work);
    assert_memory_equal(a.times_ns, b.times_ns, 10 * sizeof *a.times_ns);
    assert_memory_equal(a.tune_recall, b.tune_recall, 3 * sizeof *a.tune_recall);
    assert_true(leann_value_real(leann_value_get(b.build, "build_s"), 0) == 1.5);
    leann_result_clear(&b);
    assert_int_equal(leann_result_peek(ctx, path, &b), LEANN_OK);
    assert_string_equal(b.status, "ok");
    assert_null(b.ids);
    leann_result_clear(&a);
    leann_result_clear(&b);
    remove(path);
    rmdir(raw);
    leann_free(raw);
    leann_free(path);
    leann_ctx_free(ctx);
}

/* Files of before `pages` have nine counts a query, those of before `missing_ppm` ten: what came later is 0. No file had eight or has twelve. */
static void test_older_work(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_result a = sample(ctx), b;
    char *path = leann_format(ctx, "%s/older.h5", folder);
    uint64_t work[3 * 12];
    for (hsize_t cols = 8; cols <= 12; cols++) {
        hsize_t dims[2] = {3, cols};
        for (uint64_t i = 0; i < 3 * cols; i++) work[i] = i + 1;
        assert_int_equal(leann_result_save(ctx, &a, path), LEANN_OK);
        hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), space = H5Screate_simple(2, dims, NULL);
        assert_true(H5Ldelete(file, "work", H5P_DEFAULT) >= 0);
        hid_t set = H5Dcreate2(file, "work", H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Dwrite(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, work) >= 0);
        H5Dclose(set);
        H5Sclose(space);
        H5Fclose(file);
        leann_status status = leann_result_load(ctx, path, &b);
        assert_int_equal(status, cols >= 9 && cols <= 11 ? LEANN_OK : LEANN_EFORMAT);
        for (size_t i = 0; i < 3 && status == LEANN_OK; i++) {
            assert_memory_equal(b.work + i * LEANN_RESULT_WORK, work + i * cols, cols * sizeof *work);
            for (hsize_t j = cols; j < LEANN_RESULT_WORK; j++) assert_int_equal(b.work[i * LEANN_RESULT_WORK + j], 0);
        }
        leann_result_clear(&b);
        leann_ctx_clear(ctx);
    }
    remove(path);
    leann_result_clear(&a);
    leann_free(path);
    leann_ctx_free(ctx);
}

static void test_failed_row(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char *path = leann_format(ctx, "%s/f.h5", folder);
    leann_result a = {.identity = path, .sweep = path, .dataset = path, .status = (char[]){"limit"}, .error = (char[]){"no room"}}, b;
    assert_int_equal(leann_result_save(ctx, &a, path), LEANN_OK);
    assert_int_equal(leann_result_load(ctx, path, &b), LEANN_OK);
    assert_string_equal(b.status, "limit");
    assert_string_equal(b.error, "no room");
    assert_int_equal(b.n, 0);
    leann_result_clear(&b);
    a.status = (char[]){"ok"}; /* ok without answers is no result */
    assert_int_equal(leann_result_save(ctx, &a, path), LEANN_OK);
    assert_int_equal(leann_result_load(ctx, path, &b), LEANN_EFORMAT);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_file_write(ctx, path, "not HDF5", 8), LEANN_OK);
    assert_int_equal(leann_result_load(ctx, path, &b), LEANN_EFORMAT);
    leann_ctx_clear(ctx);
    remove(path);
    assert_int_equal(leann_result_load(ctx, path, &b), LEANN_ENOTFOUND);
    leann_free(path);
    leann_ctx_free(ctx);
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round), cmocka_unit_test(test_older_work), cmocka_unit_test(test_failed_row)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
