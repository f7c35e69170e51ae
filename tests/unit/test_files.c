/* test_files.c – small files written whole or not at all, read within a limit; folders; packed ids.
 *
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/container.h"

static char folder[64];
static char *path;
static leann_ctx *ctx;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/leann-files-XXXXXX");
    ctx = leann_ctx_new(1, 1);
    if (!ctx || !mkdtemp(folder)) return -1;
    path = leann_format(ctx, "%s/file", folder);
    return path ? 0 : -1;
}

static int tear_down(void **state) /* fails when a temporary file was left */
{
    (void)state;
    unlink(path);
    int bad = rmdir(folder);
    leann_free(path);
    leann_ctx_free(ctx);
    return bad;
}

static void holds(const char *text, size_t bytes)
{
    char *data;
    size_t n;
    assert_int_equal(leann_file_read(ctx, path, bytes, &data, &n), LEANN_OK);
    assert_int_equal(n, bytes);
    assert_memory_equal(data, text, bytes);
    assert_int_equal(data[n], 0);
    leann_free(data);
}

static void written_and_read(void **state)
{
    (void)state;
    assert_int_equal(leann_file_write(ctx, path, "abc", 3), LEANN_OK);
    holds("abc", 3);
    assert_int_equal(leann_file_write(ctx, path, NULL, 0), LEANN_OK);
    holds("", 0);
    char *large = calloc(1, 100000);
    assert_non_null(large);
    large[99999] = 'x';
    assert_int_equal(leann_file_write(ctx, path, large, 100000), LEANN_OK);
    holds(large, 100000);
    free(large);
    char *data;
    size_t n;
    assert_int_equal(leann_file_read(ctx, path, 99999, &data, &n), LEANN_ELIMIT);
    assert_null(data);
    assert_non_null(strstr(leann_ctx_error(ctx), "100000 bytes; the limit is 99999"));
}

static void files_without_a_size(void **state) /* as pipes and /proc have: read to the end, within the limit */
{
    (void)state;
    char *data;
    size_t n;
    assert_int_equal(leann_file_read(ctx, "/proc/self/smaps", 1 << 24, &data, &n), LEANN_OK);
    assert_true(n > 4096 && strlen(data) == n);
    leann_free(data);
    assert_int_equal(leann_file_read(ctx, "/dev/zero", 10000, &data, &n), LEANN_ELIMIT);
    assert_null(data);
}

static void not_to_be_had(void **state)
{
    (void)state;
    char *data;
    size_t n;
    assert_int_equal(leann_file_read(ctx, path, 10, &data, &n), LEANN_ENOTFOUND);
    leann_ctx_clear(ctx);
    assert_true(leann_file_read(ctx, folder, 1 << 20, &data, &n) != LEANN_OK);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_file_write(ctx, "/nonexistent-folder/x", "a", 1), LEANN_ENOTFOUND);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_file_write(ctx, folder, "a", 1), LEANN_EIO);
    assert_non_null(strstr(leann_ctx_error(ctx), folder));
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    assert_int_equal(leann_file_write(ctx, path, "old", 3), LEANN_OK);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){5, old.rlim_max}), 0);
    leann_status status = leann_file_write(ctx, path, "new and long", 12);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, LEANN_EIO);
    assert_non_null(strstr(leann_ctx_error(ctx), "cannot write 7 bytes at 5 of "));
    leann_ctx_clear(ctx);
    holds("old", 3);
}

static void folders(void **state)
{
    (void)state;
    char *deep = leann_format(ctx, "%s/a//b/c/", folder), *below = leann_format(ctx, "%s/file/x", folder);
    struct stat about;
    assert_int_equal(leann_folder_make(ctx, deep), LEANN_OK);
    assert_int_equal(leann_folder_make(ctx, deep), LEANN_OK);
    assert_true(stat(deep, &about) == 0 && S_ISDIR(about.st_mode));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rmdir(deep), 0);
        size_t n = strlen(deep);
        while (n > 0 && deep[n - 1] == '/') n--;
        while (n > 0 && deep[n - 1] != '/') n--;
        deep[n] = '\0';
    }
    assert_int_equal(leann_folder_make(ctx, "/"), LEANN_OK);
    assert_true(leann_folder_make(ctx, "") != LEANN_OK);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_file_write(ctx, path, "", 0), LEANN_OK);
    assert_true(leann_folder_make(ctx, below) != LEANN_OK);
    assert_non_null(strstr(leann_ctx_error(ctx), "Not a directory"));
    leann_free(deep);
    leann_free(below);
}

static void packed_ids(void **state)
{
    (void)state;
    static const uint32_t n[] = {0, 1, 2, 3, 4, 5, 255, 256, 257, 60000, 65536, 65537, 1u << 31, (1u << 31) + 1, UINT32_MAX};
    static const unsigned bits[] = {1, 1, 1, 2, 2, 3, 8, 8, 9, 16, 16, 17, 31, 32, 32};
    enum { COUNT = 1001 };
    uint32_t ids[COUNT];
    for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
        assert_int_equal(leann_bits_for(n[i]), bits[i]);
        for (uint64_t count = 0; count <= COUNT; count = 10 * count + 1) {
            uint64_t bytes = leann_packed_bytes(count, bits[i]);
            assert_int_equal(bytes, (count * bits[i] + 7) / 8 + 8);
            leann_rng rng = leann_rng_at(1, "ids", i);
            for (uint64_t j = 0; j < count; j++) ids[j] = leann_rng_below(&rng, n[i] ? n[i] : 1);
            if (count && n[i]) ids[count - 1] = n[i] - 1;
            uint8_t *packed = malloc(bytes); /* exactly: a reader that loads past it is seen by AddressSanitizer */
            assert_non_null(packed);
            leann_bits_pack(ids, count, bits[i], packed);
            for (uint64_t j = 0; j < count; j++) assert_int_equal(leann_bits_at(packed, j, bits[i]), ids[j]);
            free(packed);
        }
    }
    assert_true(leann_packed_bytes(UINT64_MAX, 2) == UINT64_MAX);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(written_and_read), EACH(files_without_a_size), EACH(not_to_be_had), EACH(a_full_disk_leaves_the_old_file),
        EACH(folders),          EACH(packed_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
