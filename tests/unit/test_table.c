/* test_table.c – tables keep what is put in, come back from CSV, and refuse text that is no CSV.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/table.h"

static leann_table *sample(leann_ctx *ctx)
{
    leann_table *t = leann_table_new(ctx);
    size_t a = leann_table_add_row(t), b = leann_table_add_row(t), c = leann_table_add_row(t);
    leann_table_set_text(t, a, "name", "plain");
    leann_table_set(t, a, "x", 0.1);
    leann_table_set_text(t, b, "name", "a \"quoted\", with a comma\nand a line");
    leann_table_set(t, b, "x", 1e300);
    leann_table_set_text(t, c, "name", "plain");
    leann_table_set_text(t, c, "json", "{\"a\": 1}");
    assert_int_equal(leann_table_check(t), LEANN_OK);
    return t;
}

static void test_round(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_table *t = sample(ctx), *u = NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    leann_table_write_csv(t, to);
    fclose(to);
    assert_int_equal(leann_table_read_csv(ctx, "test", text, bytes, &u), LEANN_OK);
    assert_int_equal(leann_table_rows(u), 3);
    assert_int_equal(leann_table_columns(u), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(leann_table_text(u, i, "name"), leann_table_text(t, i, "name"));
        assert_string_equal(leann_table_text(u, i, "json"), leann_table_text(t, i, "json"));
    }
    assert_true(leann_table_get(u, 0, "x") == 0.1 && leann_table_get(u, 1, "x") == 1e300 && isnan(leann_table_get(u, 2, "x")));
    free(text);
    leann_value *list = leann_table_json(t);
    assert_int_equal(leann_value_type(leann_value_get(leann_value_at(list, 2), "json")), LEANN_V_MAP);
    assert_int_equal(leann_value_type(leann_value_get(leann_value_at(list, 2), "x")), LEANN_V_NULL);
    leann_value_free(list);
    leann_table_free(t);
    leann_table_free(u);
    leann_ctx_free(ctx);
}

static void test_bad_csv(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
        size_t bytes;
    } bad[] = {{"", "empty", 0},
               {"a,b\n1\n", ":2: fewer entries", 0},
               {"a,b\n1,2,3\n", ":2: more entries", 0},
               {"a,a\n", "twice", 0},
               {"a,\n", "no name", 0},
               {"a,b\n\"1,2\n", "never closed", 0},
               {"a\n1\0", "NUL", 4}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        leann_ctx *ctx = leann_ctx_new(1, 1);
        leann_table *t = NULL;
        size_t bytes = bad[i].bytes ? bad[i].bytes : strlen(bad[i].text);
        assert_int_equal(leann_table_read_csv(ctx, "test", bad[i].text, bytes, &t), LEANN_EFORMAT);
        assert_null(t);
        assert_non_null(strstr(leann_ctx_error(ctx), bad[i].says));
        leann_ctx_free(ctx);
    }
}

static void test_csv_of_others(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_table *t = NULL;
    const char *text = "\xef\xbb\xbf"
                       "a,b\r\n1,nan\r\n\r\n0x10,-2e-3";
    assert_int_equal(leann_table_read_csv(ctx, "test", text, strlen(text), &t), LEANN_OK);
    assert_int_equal(leann_table_rows(t), 2);
    assert_true(leann_table_get(t, 0, "a") == 1 && leann_table_get(t, 1, "b") == -2e-3);
    assert_string_equal(leann_table_text(t, 0, "b"), "nan");
    assert_string_equal(leann_table_text(t, 1, "a"), "0x10");
    leann_table_free(t);
    leann_ctx_free(ctx);
}

static void test_choose(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_table *t = sample(ctx), *u = NULL;
    assert_int_equal(leann_table_only(t, "name=plain", &u), LEANN_OK);
    assert_int_equal(leann_table_rows(u), 2);
    leann_table_free(u);
    assert_int_equal(leann_table_only(t, "name=plain,x=0.1", &u), LEANN_OK);
    assert_int_equal(leann_table_rows(u), 1);
    leann_table_free(u);
    assert_int_equal(leann_table_only(t, "x=0.1,x=1e300", &u), LEANN_OK);
    assert_int_equal(leann_table_rows(u), 2);
    leann_table_free(u);
    assert_int_equal(leann_table_only(t, "nam=plain", &u), LEANN_EINVAL);
    assert_non_null(strstr(leann_ctx_error(ctx), "'name'"));
    leann_ctx_clear(ctx);
    assert_int_equal(leann_table_only(t, "x=3", &u), LEANN_ENOTFOUND);
    leann_table_free(t);
    leann_ctx_free(ctx);
}

static void test_short(void **state)
{
    (void)state;
    char b[32];
    assert_string_equal(leann_table_short(1234567, b), "1 234 567");
    assert_string_equal(leann_table_short(-1234, b), "-1 234");
    assert_string_equal(leann_table_short(0.951234, b), "0.9512");
    assert_string_equal(leann_table_short(0, b), "0");
    assert_string_equal(leann_table_short(NAN, b), "–");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round), cmocka_unit_test(test_bad_csv), cmocka_unit_test(test_csv_of_others),
                                       cmocka_unit_test(test_choose), cmocka_unit_test(test_short)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
