/* test_text_walk.c – which files of a folder are text to take: patterns of .gitignore, and the walk over a small tree.
 *
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <limits.h>
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

#include "core/container.h"
#include "datasets/text.h"

/* ---- patterns ------------------------------------------------------------------------------------------------------------ */

static void patterns(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *path; /* a path that ends in '/' is a folder */
        int says;
    } cases[] = {
        {"", "a", -1},
        {"# a\n\n  \n", "a", -1},
        {"a", "a", 1},
        {"a", "b/a", 1},
        {"a", "ab", -1},
        {"a\n!a", "a", 0},
        {"!a\na", "a", 1},
        {"a/", "a", -1},
        {"a/", "b/a/", 1},
        {"/a", "a", 1},
        {"/a", "b/a", -1},
        {"a/b", "a/b", 1},
        {"a/b", "c/a/b", -1},
        {"a/b/", "a/b", -1},
        {"*.o", "x/y.o", 1},
        {"*.o", "y.oo", -1},
        {"a*c", "abbbc", 1},
        {"a/*", "a/b", 1},
        {"a/*", "a/b/c", -1},
        {"a/*c", "a/bc", 1},
        {"**", "a/b", 1},
        {"**/a", "a", 1},
        {"**/a", "x/y/a", 1},
        {"a/**", "a/", -1},
        {"a/**", "a/b/c", 1},
        {"a/**/b", "a/b", 1},
        {"a/**/b", "a/x/y/b", 1},
        {"a/**/b", "a/xb", -1},
        {"a/**/b/**/c", "a/b/b/x/c", 1},
        {"/**/a", "a", 1},
        {"a**b/c", "axb/c", 1},
        {"?", "a", 1},
        {"a?b", "a/b", -1},
        {"[abc]x", "bx", 1},
        {"[!abc]x", "bx", -1},
        {"[^abc]x", "dx", 1},
        {"[a-c]", "b", 1},
        {"[]x]", "]", 1},
        {"[!]x]", "a", 1},
        {"[b-[:x]y", "ay", -1},
        {"[a-]", "-", 1},
        {"[\\]]", "]", 1},
        {"[[:digit:]]", "7", 1},
        {"[[:digit:]]", "x", -1},
        {"[[:what:]]", "w", -1},
        {"[[:punct:]x]", "x", 1},
        {"a[/]b", "a/b", -1},
        {"[a", "[a", -1},
        {"a\\", "a\\", -1},
        {"\\#a", "#a", 1},
        {"\\!a", "!a", 1},
        {"\\*", "*", 1},
        {"\\*", "x", -1},
        {"a  ", "a", 1},
        {"a\\ ", "a ", 1},
        {"a b", "a b", 1},
        {"a\r\nb\r\n", "a", 1},
        {"\xef\xbb\xbf"
         "a\n",
         "a", 1},
        {"/", "a", -1},
        {"!", "a", -1},
        {"//a", "a", -1},
        {"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", -1},
        {"**/a/**/a/**/a/**/a/**/b", "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", -1},
    };
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leann_ignore *ignore = NULL;
        char path[128];
        size_t n = strlen(cases[i].path);
        bool folder = cases[i].path[n - 1] == '/';
        snprintf(path, sizeof path, "%.*s", (int)(folder ? n - 1 : n), cases[i].path);
        assert_int_equal(leann_ignore_new(ctx, cases[i].lines, strlen(cases[i].lines), &ignore), LEANN_OK);
        int says = leann_ignore_says(ignore, path, folder);
        if (says != cases[i].says) fail_msg("'%s' says %d of '%s', not %d", cases[i].lines, says, cases[i].path, cases[i].says);
        leann_ignore_free(ignore);
    }
    leann_ctx_free(ctx);
}

static void binary(void **state)
{
    (void)state;
    char bytes[LEANN_TEXT_SNIFF];
    memset(bytes, 'a', sizeof bytes);
    assert_false(leann_text_is_binary("", 0));
    assert_false(leann_text_is_binary(bytes, sizeof bytes));
    assert_true(leann_text_is_binary("a\0b", 3));
    memset(bytes, 0xff, sizeof bytes / 10);
    assert_false(leann_text_is_binary(bytes, sizeof bytes));
    memset(bytes, 0xff, sizeof bytes / 10 + 1);
    assert_true(leann_text_is_binary(bytes, sizeof bytes));
    assert_false(leann_text_is_binary("\xe3\x81\x82\xe3\x81", 5)); /* cut off at the end */
    assert_true(leann_text_is_binary("\xed\xa0\x80", 3));          /* half of a pair */
    assert_true(leann_text_is_binary("\xc0\x80", 2));              /* too long for what it is */
}

/* ---- the walk ------------------------------------------------------------------------------------------------------------ */

static char folder[64];
static leann_ctx *ctx;
static char seen[4096], left[4096];

static char *in(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    char *path = in(name), *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(leann_folder_make(ctx, path), LEANN_OK);
    *slash = '/';
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void note_left(void *arg, leann_left why, const char *path, uint64_t bytes)
{
    (void)arg, (void)bytes;
    size_t skip = strncmp(path, folder, strlen(folder)) == 0 ? strlen(folder) + 1 : 0;
    snprintf(left + strlen(left), sizeof left - strlen(left), "%s:%s ", path + skip, leann_left_word(why));
}

static leann_status walk(const char *const *inputs, size_t n, uint64_t max)
{
    leann_text_files files;
    leann_walk_options options = {.max_file_bytes = max, .left = note_left};
    seen[0] = left[0] = '\0';
    leann_status status = leann_text_walk(ctx, inputs, n, &options, &files);
    for (size_t i = 0; i < files.n; i++) {
        size_t skip = strncmp(files.file[i].path, folder, strlen(folder)) == 0 ? strlen(folder) + 1 : 0;
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s ", files.file[i].path + skip);
    }
    leann_text_files_free(&files);
    return status;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/leann-walk-XXXXXX");
    ctx = leann_ctx_new(1, 1);
    return ctx && mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[192];
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", folder, folder);
    leann_ctx_free(ctx);
    return system(command);
}

static void tree(void **state)
{
    (void)state;
    put(".git/config", "x");
    put(".gitignore", "*.log\nbuild/\n/top\n");
    put("B", "x");
    put("a/.gitignore", "!keep.log\ninner\n");
    put("a/keep.log", "x");
    put("a/other.log", "x");
    put("a/inner", "x");
    put("a/top", "x");
    put("a/deep/inner", "x");
    put("a/deep/z", "x");
    put("build/x", "x");
    put("build/.gitignore", "!x\n"); /* too late: its folder is ignored */
    put("inner", "x");
    put("top", "x");
    put("large", "1234567890123456789");
    put("empty", "");
    FILE *f = fopen(in("binary"), "w");
    assert_non_null(f);
    assert_int_equal(fwrite("a\0b", 1, 3, f), 3);
    fclose(f);
    assert_int_equal(symlink("B", in("link")), 0);
    assert_int_equal(symlink(".", in("loop")), 0);
    assert_int_equal(mkfifo(in("pipe"), 0600), 0);
    assert_int_equal(walk((const char *const[]){folder}, 1, 16), LEANN_OK);
    /* the .gitignore files are text too, unless they are long */
    assert_string_equal(seen, "B a/.gitignore a/deep/z a/keep.log a/top empty inner ");
    assert_string_equal(left, ".gitignore:large a/deep/inner:ignored a/inner:ignored a/other.log:ignored binary:binary build:ignored "
                              "large:large link:link loop:link pipe:special top:ignored ");
    char sub[128], top[128], loop[128];
    snprintf(sub, sizeof sub, "%s/a/", folder);
    snprintf(top, sizeof top, "%s/large", folder);
    snprintf(loop, sizeof loop, "%s/link", folder);
    /* the patterns above hold; what is named itself is taken, whatever size and through a link */
    assert_int_equal(walk((const char *const[]){sub, top, loop}, 3, 16), LEANN_OK);
    assert_string_equal(seen, "a/.gitignore a/deep/z a/keep.log a/top large link ");
    char here[512];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(sub), 0);
    assert_int_equal(walk((const char *const[]){"."}, 1, 0), LEANN_OK);
    assert_string_equal(seen, ".gitignore deep/z keep.log top ");
    assert_int_equal(walk((const char *const[]){"../a/deep"}, 1, 0), LEANN_OK);
    assert_string_equal(seen, "../a/deep/z ");
    assert_int_equal(chdir(here), 0);
}

static void note_deep(void *arg, leann_left why, const char *path, uint64_t bytes)
{
    unsigned *deep = arg;
    *deep += why == LEANN_LEFT_DEEP && strlen(path) >= PATH_MAX && bytes == 0;
}

/* Files whose paths nothing can open as a whole, only folder by folder. */
static void long_paths(void **state)
{
    (void)state;
    enum { NAME = 200, FOLDERS = PATH_MAX / NAME + 2 };
    char here[512], name[NAME + 1];
    unsigned deep = 0;
    leann_text_files files;
    leann_walk_options options = {.left = note_deep, .arg = &deep};
    snprintf(name, sizeof name, "%0200d", 0);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(folder), 0);
    for (int i = 0; i < FOLDERS; i++) {
        assert_int_equal(close(open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0666)), 0);
        assert_true(mkdir(name, 0777) == 0 && chdir(name) == 0);
    }
    assert_int_equal(chdir(here), 0);
    assert_int_equal(leann_text_walk(ctx, (const char *const[]){folder}, 1, &options, &files), LEANN_OK);
    assert_true(deep > 0 && files.n == FOLDERS - deep);
    for (size_t i = 0; i < files.n; i++) assert_int_equal(access(files.file[i].path, R_OK), 0);
    leann_text_files_free(&files);
}

static void refused(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/none", folder);
    assert_int_equal(walk((const char *const[]){path}, 1, 0), LEANN_ENOTFOUND);
    assert_non_null(strstr(leann_ctx_error(ctx), "no file or folder"));
    leann_ctx_clear(ctx);
    char deep[1200] = "";
    for (int i = 0; i < 230; i++) strcat(deep, "d/");
    snprintf(path, sizeof path, "%s/chain", folder);
    char *whole = leann_format(ctx, "%s/%s", path, deep);
    assert_int_equal(leann_folder_make(ctx, whole), LEANN_OK);
    leann_free(whole);
    assert_int_equal(walk((const char *const[]){path}, 1, 0), LEANN_OK);
    assert_non_null(strstr(left, ":deep"));
    put("big/.gitignore", "");
    assert_int_equal(truncate(in("big/.gitignore"), (4 << 20) + 1), 0);
    snprintf(path, sizeof path, "%s/big", folder);
    assert_int_equal(walk((const char *const[]){path}, 1, 0), LEANN_ELIMIT);
    assert_non_null(strstr(leann_ctx_error(ctx), "4194305 bytes; the limit is 4194304"));
    leann_ctx_clear(ctx);
    if (geteuid() != 0) {
        put("shut/x", "x");
        assert_int_equal(chmod(in("shut/x"), 0), 0);
        snprintf(path, sizeof path, "%s/shut", folder);
        assert_int_equal(walk((const char *const[]){path}, 1, 0), LEANN_OK);
        assert_string_equal(left, "shut/x:unreadable ");
        snprintf(path, sizeof path, "%s/shut/x", folder);
        assert_int_equal(walk((const char *const[]){path}, 1, 0), LEANN_EIO);
        leann_ctx_clear(ctx);
    }
    leann_ctx_cancel(ctx);
    snprintf(path, sizeof path, "%s", folder);
    assert_int_equal(walk((const char *const[]){path}, 1, 0), LEANN_EINTR);
    leann_ctx_clear(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns), cmocka_unit_test(binary), cmocka_unit_test_setup_teardown(tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_paths, set_up, tear_down), cmocka_unit_test_setup_teardown(refused, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
