/* test_config.c – YAML and JSON configurations: scalars, aliases and their limits, places of errors; the nearest word.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/value.h"

/* Parses and gives the canonical JSON, so that a case is one line. */
static void reads(const char *yaml, const char *json)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *v = NULL;
    if (leann_config_parse(ctx, "c.yml", yaml, strlen(yaml), &v)) fail_msg("%s\n%s", yaml, leann_ctx_error(ctx));
    char *text = leann_value_json(v, true, 0);
    assert_string_equal(text, json);
    leann_free(text);
    leann_value_free(v);
    leann_ctx_free(ctx);
}

static void refused_bytes(const char *yaml, size_t bytes, const char *piece)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *v = NULL;
    if (!leann_config_parse(ctx, "c.yml", yaml, bytes, &v)) fail_msg("not refused: %s", yaml);
    assert_null(v);
    if (!strstr(leann_ctx_error(ctx), piece)) fail_msg("'%s' lacks '%s'", leann_ctx_error(ctx), piece);
    leann_ctx_free(ctx);
}
static void refused(const char *yaml, const char *piece)
{
    refused_bytes(yaml, strlen(yaml), piece);
}

static void test_scalars(void **state)
{
    (void)state;
    reads("[1, -2, +3, 0x1F, 0o17, 007]", "[1,-2,3,31,15,7]");
    reads("[1.5, .5, 1., 1e3, -2.5E-2, 00.25]", "[1.5,0.5,1.0,1000.0,-0.025,0.25]");
    reads("[true, False, yes, No, NO, on]", "[true,false,true,false,false,\"on\"]");
    reads("[null, ~, '', 'yes', \"1\", !!str 12]", "[null,null,\"\",\"yes\",\"1\",\"12\"]");
    reads("[1.2.3, 1e, +, 0x, e5, 12a]", "[\"1.2.3\",\"1e\",\"+\",\"0x\",\"e5\",\"12a\"]");
    reads("kmeans", "\"kmeans\"");
    reads("2.5", "2.5");
    reads("", "null");
    reads("# nothing\n", "null");
    refused("[.inf]", "finite");
    refused("1e309", "1e308");
    refused("1.7976931348623157e308", "1e308");
    refused("[1.7976931348623157e308]", "1e308");
    refused("99999999999999999999", "64 bits");
    refused("a: !!binary aGk=", "tag");
}

static void test_documents(void **state)
{
    (void)state;
    reads("method: anchor\nbuild:\n  anchors: {sqrt_n: 2.5}\n  residual: no\nlist:\n- a\n- b: 1\n",
          "{\"build\":{\"anchors\":{\"sqrt_n\":2.5},\"residual\":false},\"list\":[\"a\",{\"b\":1}],\"method\":\"anchor\"}");
    reads("{method: flat}", "{\"method\":\"flat\"}");
    reads("{\n\t\"a\": [1,\n\t2], \"b\": \"\\u00e9\"}", "{\"a\":[1,2],\"b\":\"\xc3\xa9\"}"); /* tabs: JSON */
    reads("text: |\n  two\n  lines\n", "{\"text\":\"two\\nlines\\n\"}");
    reads("a:\nb: 1\n", "{\"a\":null,\"b\":1}");
    refused("a: 1\nb: 2\na: 3\n", "c.yml:3:1: key is given twice: a");
    refused("a: [1, 2\n", "c.yml:");
    refused("a: 1\n---\nb: 2\n", "more than one document");
    refused("? [1, 2]\n: 3\n", "a key that is a list");
    refused("a: b: c\n", "c.yml:1:");
    refused_bytes("a: \0b", 5, "NUL");
    refused("a: \xff\xfe\n", "c.yml");
}

static void test_aliases(void **state)
{
    (void)state;
    reads("a: &x {k: 1}\nb: *x\nc: [*x]\n", "{\"a\":{\"k\":1},\"b\":{\"k\":1},\"c\":[{\"k\":1}]}");
    reads("a: &x 5\nb: *x\n", "{\"a\":5,\"b\":5}");
    refused("a: *x\n", "no complete value");
    refused("a: &x [*x]\n", "no complete value");
    char laughs[1000] = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n", line[100];
    for (int i = 1; i < 10; i++) {
        snprintf(line, sizeof line, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1, i - 1,
                 i - 1, i - 1, i - 1);
        strcat(laughs, line);
    }
    refused(laughs, "more than 1048576 values");
    char nest[4000] = "a0: &a0 [1]\n"; /* shallow lines that are deep together */
    for (int i = 1; i < 70; i++) {
        snprintf(line, sizeof line, "a%d: &a%d [*a%d]\n", i, i, i - 1);
        strcat(nest, line);
    }
    refused(nest, "64 levels");
}

static void test_limits(void **state)
{
    (void)state;
    char deep[300] = {0};
    memset(deep, '[', 70);
    refused(deep, "c.yml");
    size_t bytes = (16u << 20) + 1;
    char *large = malloc(bytes);
    memset(large, ' ', bytes);
    refused_bytes(large, bytes, "16777216");
    free(large);
}

static void test_load(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_value *v;
    assert_int_not_equal(leann_config_load(ctx, "/nonexistent/sweep.yml", &v), LEANN_OK);
    assert_non_null(strstr(leann_ctx_error(ctx), "/nonexistent/sweep.yml"));
    leann_ctx_free(ctx);
}

static void test_nearest(void **state)
{
    (void)state;
    const char *words[] = {"random", "kmeans", "stratified-kmeans", "max-coverage", "pq", "opq"};
    assert_string_equal(leann_nearest_word("kmean", words, 6), "kmeans");
    assert_string_equal(leann_nearest_word("kemans", words, 6), "kmeans"); /* a swap */
    assert_string_equal(leann_nearest_word("max_coverage", words, 6), "max-coverage");
    assert_string_equal(leann_nearest_word("Random", words, 6), "random");
    assert_string_equal(leann_nearest_word("pw", words, 6), "pq");
    assert_null(leann_nearest_word("hnsw", words, 6));
    assert_null(leann_nearest_word("", words, 6));
    assert_null(leann_nearest_word("a", words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scalars), cmocka_unit_test(test_documents), cmocka_unit_test(test_aliases),
                                       cmocka_unit_test(test_limits),  cmocka_unit_test(test_load),      cmocka_unit_test(test_nearest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
