/* test_value.c – value trees: building, looking up, JSON both ways, refusals.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/value.h"

static leann_value *parsed(leann_ctx *ctx, const char *text)
{
    leann_value *v = NULL;
    assert_int_equal(leann_value_parse(ctx, "t", text, strlen(text), &v), LEANN_OK);
    return v;
}

static void refused(const char *text, const char *piece)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *v = NULL;
    assert_int_equal(leann_value_parse(ctx, "t", text, strlen(text), &v), LEANN_EFORMAT);
    assert_null(v);
    if (!strstr(leann_ctx_error(ctx), piece)) fail_msg("'%s' lacks '%s'", leann_ctx_error(ctx), piece);
    leann_ctx_free(ctx);
}

static void test_round_trip(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *v = parsed(ctx, "{\"b\": [1, 2.5, true, null, \"x\\n\"], \"a\": {\"z\": -3, \"y\": 0.1}}");
    char *written = leann_value_json(v, false, 0), *canonical = leann_value_json(v, true, 0);
    assert_string_equal(written, "{\"b\": [1, 2.5, true, null, \"x\\n\"], \"a\": {\"z\": -3, \"y\": 0.1}}");
    assert_string_equal(canonical, "{\"a\":{\"y\":0.1,\"z\":-3},\"b\":[1,2.5,true,null,\"x\\n\"]}");
    const char *key;
    assert_int_equal(leann_value_type(leann_value_entry(v, 0, &key)), LEANN_V_LIST);
    assert_string_equal(key, "b"); /* as written, not sorted */
    assert_null(leann_value_entry(v, 2, &key));
    void *at = NULL;
    assert_int_equal(leann_value_count(leann_value_next(v, &at, &key)), 5);
    assert_string_equal(key, "b");
    assert_int_equal(leann_value_count(leann_value_next(v, &at, &key)), 2);
    assert_string_equal(key, "a");
    assert_null(leann_value_next(v, &at, &key));
    assert_null(leann_value_next(leann_value_get(v, "b"), &at, &key)); /* no map */
    assert_int_equal(leann_value_count(leann_value_get(v, "b")), 5);
    assert_null(leann_value_get(v, "c"));
    leann_value *again = parsed(ctx, canonical);
    assert_true(leann_value_equal(v, again));
    leann_value_set(again, "a", leann_value_new_null());
    assert_false(leann_value_equal(v, again));
    leann_free(written);
    leann_free(canonical);
    leann_value_free(again);
    leann_value_free(v);
    leann_ctx_free(ctx);
}

static void test_scalars(void **state)
{
    (void)state;
    leann_value *list = leann_value_new_list();
    leann_value_append(list, leann_value_new_real(NAN));
    leann_value_append(list, leann_value_new_real(-INFINITY));
    leann_value_append(list, leann_value_new_real(1.0 / 3));
    leann_value_append(list, leann_value_new_real(3));
    leann_value_append(list, leann_value_new_int(INT64_MIN));
    leann_value_append(list, leann_value_new_text("caf\xe9")); /* Latin-1, as a path may be */
    char *text = leann_value_json(list, true, 0);
    assert_string_equal(text, "[null,null,0.333333333333333,3.0,-9223372036854775808,\"caf?\"]");
    assert_int_equal(leann_value_int(leann_value_at(list, 3), -1), 3); /* a whole real is an integer */
    assert_int_equal(leann_value_int(leann_value_at(list, 2), -1), -1);
    assert_true(leann_value_real(leann_value_at(list, 4), 0) < -9e18);
    assert_string_equal(leann_value_text(leann_value_at(list, 0), "none"), "none");
    assert_true(leann_value_bool(NULL, true));
    assert_int_equal(leann_value_type(NULL), LEANN_V_NULL);
    leann_free(text);
    leann_value_free(list);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("{\"a\": 1, \"a\": 2}", "duplicate");
    refused("{\"a\": 1", "t:1:");
    refused("[1,\n 2,\n oops]", "t:3:");
    refused("\"\\u0000\"", "NUL");
    refused("", "t:1:");
    char deep[200] = {0};
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    refused(deep, "64");
    deep[129] = 0; /* one level less is fine */
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value_free(parsed(ctx, deep + 1));
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_scalars), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
