/* test_stages.c – the cache of stages: hits, what misses, damaged files, facts, a folder that cannot be written, trimming.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
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

static int made; /* how often make ran */

static leann_status make(leann_ctx *ctx, void *arg, void **object)
{
    uint32_t *number = leann_alloc(ctx, 1, sizeof *number);
    if (!number) return LEANN_ENOMEM;
    *number = *(const uint32_t *)arg;
    made++;
    leann_ctx_fact(ctx, "share", 0.75);
    *object = number;
    return LEANN_OK;
}

static leann_status make_failing(leann_ctx *ctx, void *arg, void **object)
{
    (void)arg, (void)object;
    return leann_fail(ctx, LEANN_ELIMIT, "the stage fails");
}

static leann_status save(const void *object, leann_writer *w)
{
    return leann_writer_add(w, "number", LEANN_PART_GRAPH, LEANN_U32, 1, 4, object);
}

static leann_status open_number(leann_ctx *ctx, leann_reader *r, void *arg, void **object)
{
    (void)arg;
    const void *data;
    leann_status status = leann_reader_need(ctx, r, "number", LEANN_U32, 1, 4, &data);
    if (status) return status;
    uint32_t *number = leann_alloc(ctx, 1, sizeof *number);
    if (!number) return LEANN_ENOMEM;
    memcpy(number, data, sizeof *number);
    *object = number;
    return LEANN_OK;
}

static char folder[] = "/tmp/leann_stages_XXXXXX";

static int delete_entry(const char *path, const struct stat *about, int flag, struct FTW *ftw)
{
    (void)about, (void)flag, (void)ftw;
    return remove(path);
}
static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/leann_stages_XXXXXX");
    made = 0;
    return mkdtemp(folder) ? 0 : -1;
}
static int tear_down(void **state)
{
    (void)state;
    return nftw(folder, delete_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Runs the stage and gives the number it holds; its report entry's "cached" in *cached. */
static uint32_t run(leann_ctx *ctx, const char *where, const char *sha, const char *word, uint32_t number, bool *cached)
{
    leann_stages *stages;
    void *object;
    assert_int_equal(leann_stages_new(ctx, where, sha, &stages), LEANN_OK);
    leann_value *key = leann_value_new_map();
    leann_value_set(key, "word", leann_value_new_text(word));
    leann_value_set(key, "third", leann_value_new_real(1.0 / 3)); /* more digits than are written */
    leann_stage stage = {"number", key, make, save, open_number};
    assert_int_equal(leann_stages_run(stages, ctx, stage, &number, &object), LEANN_OK);
    leann_value *report = leann_stages_report(stages), *entry = leann_value_at(report, 0);
    assert_int_equal(leann_value_count(report), 1);
    assert_string_equal(leann_value_text(leann_value_get(entry, "name"), ""), "number");
    assert_true(leann_value_real(leann_value_get(entry, "seconds"), -1) >= 0);
    assert_true(leann_value_real(leann_value_get(leann_value_get(entry, "facts"), "share"), 0) == 0.75);
    assert_int_equal(leann_value_count(leann_value_get(entry, "facts")), 1); /* not those of other stages */
    *cached = leann_value_bool(leann_value_get(entry, "cached"), false);
    uint32_t got = *(uint32_t *)object;
    leann_free(object);
    leann_value_free(report);
    leann_stages_free(stages);
    return got;
}

static void test_hits(void **state)
{
    (void)state;
    bool cached;
    leann_ctx *ctx = leann_ctx_new(1, 1), *other = leann_ctx_new(2, 1);
    leann_ctx_fact(ctx, "earlier", 3);
    assert_int_equal(run(ctx, folder, "abc", "w", 7, &cached), 7);
    assert_false(cached);
    assert_int_equal(leann_ctx_facts(ctx), 2); /* what was stated before stands */
    leann_ctx_facts_clear(ctx);
    assert_int_equal(run(ctx, folder, "abc", "w", 8, &cached), 7); /* from the file */
    assert_true(cached);
    double value;
    assert_int_equal(leann_ctx_facts(ctx), 1);
    assert_string_equal(leann_ctx_fact_at(ctx, 0, &value), "share");
    assert_true(value == 0.75);
    assert_int_equal(run(ctx, folder, "abc", "v", 9, &cached), 9);     /* another key */
    assert_int_equal(run(ctx, folder, "abd", "w", 10, &cached), 10);   /* other data */
    assert_int_equal(run(other, folder, "abc", "w", 11, &cached), 11); /* another seed */
    assert_int_equal(made, 4);
    assert_int_equal(run(ctx, folder, "", "w", 12, &cached), 12); /* data without a name are never cached */
    assert_int_equal(run(ctx, folder, "", "w", 13, &cached), 13);
    assert_int_equal(run(ctx, NULL, "abc", "w", 14, &cached), 14);
    leann_ctx_free(ctx);
    leann_ctx_free(other);
}

/* Seconds are measurements: another number of threads is another stage, and kept ones of another program or from before a time will not
 * do where that is asked for. */
static void test_accepted(void **state)
{
    (void)state;
    bool cached;
    leann_ctx *ctx = leann_ctx_new(1, 1), *two = leann_ctx_new(1, 2);
    assert_int_equal(run(ctx, folder, "abc", "w", 1, &cached), 1);
    assert_int_equal(run(two, folder, "abc", "w", 2, &cached), 2);
    int64_t later = leann_date_ns();
    const struct {
        const char *program;
        int64_t since_ns;
        bool taken;
    } asked[] = {{NULL, 0, true}, {"p", 0, false}, {"p", 0, true},         {"p", later, true},
                 {"q", 0, false}, {NULL, 0, true}, {"q", INT64_MAX, false}};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        leann_stages *stages;
        uint32_t number = 10 + (uint32_t)i;
        void *object;
        leann_value *key = leann_value_new_map();
        leann_value_set(key, "word", leann_value_new_text("w"));
        leann_value_set(key, "third", leann_value_new_real(1.0 / 3));
        assert_int_equal(leann_stages_new(ctx, folder, "abc", &stages), LEANN_OK);
        leann_stages_accept(stages, asked[i].program, asked[i].since_ns);
        leann_stage stage = {"number", key, make, save, open_number};
        assert_int_equal(leann_stages_run(stages, ctx, stage, &number, &object), LEANN_OK);
        leann_value *report = leann_stages_report(stages);
        assert_int_equal(leann_value_bool(leann_value_get(leann_value_at(report, 0), "cached"), false), asked[i].taken);
        leann_value_free(report);
        leann_free(object);
        leann_stages_free(stages);
    }
    leann_ctx_free(ctx);
    leann_ctx_free(two);
}

static char found[4096];
static long long total;
static int note_file(const char *path, const struct stat *about, int flag, struct FTW *ftw)
{
    (void)ftw;
    if (flag == FTW_F) {
        snprintf(found, sizeof found, "%s", path);
        total += about->st_size;
    }
    return 0;
}

static void test_damaged(void **state)
{
    (void)state;
    bool cached;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    run(ctx, folder, "abc", "w", 7, &cached);
    nftw(folder, note_file, 16, FTW_PHYS);
    for (int cut = 0; cut < 2; cut++) {
        if (cut)
            assert_int_equal(truncate(found, 100), 0);
        else {
            int fd = open(found, O_RDWR);
            assert_int_equal(pwrite(fd, "x", 1, 70), 1);
            close(fd);
        }
        assert_int_equal(run(ctx, folder, "abc", "w", 20, &cached), 20); /* made again, no error … */
        assert_false(cached);
        assert_int_equal(leann_ctx_status(ctx), LEANN_OK);
        assert_int_equal(run(ctx, folder, "abc", "w", 21, &cached), 20); /* … and kept again */
        assert_true(cached);
    }
    leann_ctx_free(ctx);
}

static void test_not_kept(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_stages *stages;
    char inside[sizeof folder + 8];
    snprintf(inside, sizeof inside, "%s/a", folder);
    assert_int_equal(leann_stages_new(ctx, inside, "abc", &stages), LEANN_OK); /* made by it */
    assert_int_equal(rmdir(inside), 0);
    uint32_t number = 5;
    void *object;
    leann_stage stage = {"number", leann_value_new_map(), make, save, open_number};
    assert_int_equal(leann_stages_run(stages, ctx, stage, &number, &object), LEANN_OK);
    leann_value *report = leann_stages_report(stages);
    assert_non_null(leann_value_text(leann_value_get(leann_value_at(report, 0), "not_kept"), NULL));
    leann_value_free(report);
    leann_free(object);
    stage = (leann_stage){"number", leann_value_new_map(), make_failing, save, open_number};
    assert_int_equal(leann_stages_run(stages, ctx, stage, &number, &object), LEANN_ELIMIT);
    assert_string_equal(leann_ctx_error(ctx), "the stage fails");
    leann_ctx_clear(ctx);
    leann_stages_free(stages);
    stage = (leann_stage){"number", leann_value_new_map(), make, save, open_number};
    assert_int_equal(leann_stages_run(NULL, ctx, stage, &number, &object), LEANN_OK); /* no stages at all */
    leann_free(object);
    leann_ctx_free(ctx);
}

static void test_trim(void **state)
{
    (void)state;
    bool cached;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char name[sizeof folder + 40];
    for (uint32_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "w%u", i);
        run(ctx, folder, "abc", name, i, &cached);
    }
    snprintf(name, sizeof name, "%s/notes.txt", folder); /* not ours */
    assert_int_equal(leann_file_write(ctx, name, "hello", 5), LEANN_OK);
    snprintf(name, sizeof name, "%s/x.stage.tmp-1-1", folder); /* left by a killed writer long ago */
    assert_int_equal(leann_file_write(ctx, name, "hello", 5), LEANN_OK);
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    utimensat(AT_FDCWD, name, old, 0);
    run(ctx, folder, "abc", "w0", 99, &cached); /* used last */
    assert_true(cached);
    total = 0;
    nftw(folder, note_file, 16, FTW_PHYS);
    uint64_t bytes = (uint64_t)total - 10; /* four stages */
    assert_int_equal(leann_stages_trim(ctx, folder, bytes / 2), LEANN_OK);
    assert_int_equal(access(name, F_OK), -1);
    assert_int_equal(run(ctx, folder, "abc", "w0", 50, &cached), 0);
    assert_true(cached);
    assert_int_equal(run(ctx, folder, "abc", "w1", 51, &cached), 51); /* trimmed */
    assert_int_equal(leann_stages_trim(ctx, folder, 0), LEANN_OK);
    total = 0;
    nftw(folder, note_file, 16, FTW_PHYS);
    assert_int_equal(total, 5);
    assert_int_equal(leann_stages_trim(ctx, "/nonexistent/folder", 0), LEANN_OK);
    leann_ctx_free(ctx);
}

enum { N = 60, D = 4 };
static uint32_t strata[N];
static leann_status labels(const leann_dataset *self, leann_ctx *ctx, const char *name, const uint32_t **label, uint32_t *count)
{
    (void)self, (void)ctx, (void)name;
    *label = strata;
    *count = 2;
    return LEANN_OK;
}

/* How many stages of a build came from the cache. */
static size_t cached_stages(leann_ctx *ctx, const leann_dataset *data, const char *text)
{
    leann_stages *stages;
    leann_value *config;
    leann_index *index;
    size_t cached = 0;
    assert_int_equal(leann_config_parse(ctx, "c", text, strlen(text), &config), LEANN_OK);
    assert_int_equal(leann_stages_new(ctx, folder, data->sha, &stages), LEANN_OK);
    if (leann_method_build(ctx, data, config, stages, &index)) fail_msg("%s", leann_ctx_error(ctx));
    leann_value *report = leann_stages_report(stages);
    for (size_t i = 0; i < leann_value_count(report); i++)
        cached += leann_value_bool(leann_value_get(leann_value_at(report, i), "cached"), false);
    leann_value_free(report);
    leann_index_free(index);
    leann_value_free(config);
    leann_stages_free(stages);
    return cached;
}

/* Labels are no part of the rows' checksum: others of the same rows are another key, for all that rests on them. */
static void test_labels(void **state)
{
    (void)state;
    static float rows[N * D];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_rng rng = leann_rng_at(3, "test", 0);
    for (int i = 0; i < N * D; i++) rows[i] = (float)leann_rng_normal(&rng);
    for (uint32_t i = 0; i < N; i++) strata[i] = i % 2;
    leann_dataset data = {.name = "x", .sha = "abc", .train = {rows, D * sizeof(float), N, D, LEANN_F32, LEANN_L2}, .labels = labels};
    const char *config =
        "{method: anchor, build: {selector: {stratified-kmeans: {group_by: genre}}, anchors: 6, graph: flat, quantizer: none, "
        "residual: yes}}";
    assert_int_equal(cached_stages(ctx, &data, config), 0);
    assert_int_equal(cached_stages(ctx, &data, config), 4); /* anchors, assignment, graph, codes */
    strata[0] = 1;
    assert_int_equal(cached_stages(ctx, &data, config), 0);
    config = "{method: anchor, build: {selector: random, anchors: 6, graph: flat, quantizer: none, residual: auto}}";
    cached_stages(ctx, &data, config);
    assert_int_equal(cached_stages(ctx, &data, config), 4 + 2); /* what decides about residuals is trained twice, and takes its time */
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hits, set_up, tear_down),    cmocka_unit_test_setup_teardown(test_accepted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down), cmocka_unit_test_setup_teardown(test_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trim, set_up, tear_down),    cmocka_unit_test_setup_teardown(test_labels, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
