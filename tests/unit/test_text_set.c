/* test_text_set.c – a set of texts made, broken off, gone on with, opened again; its passages held in it and in the files.
 *
 * SPDX-License-Identifier: MIT */
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
#include <hdf5.h>

#include "core/container.h"
#include "core/product.h"
#include "datasets/relevance.h"
#include "tests/unit/text_fake.h"

static char folder[64], here[512];
static leann_ctx *ctx;

/* The fake encoder, which counts what it embeds and fails when told so. */
static uint32_t embedded, fail_after;

static leann_status counted_encode(const leann_encoder *self, leann_ctx *c, leann_role role, const leann_text *texts, uint32_t n, float *x)
{
    if (fail_after && embedded + n > fail_after) return leann_fail(c, LEANN_EIO, "the encoder broke");
    embedded += n;
    return fake_encode(self, c, role, texts, n, x);
}

static leann_encoder_type counted_type;
static leann_encoder counted;

static void put(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/leann-set-XXXXXX");
    ctx = leann_ctx_new(1, 2);
    if (!ctx || !mkdtemp(folder) || !getcwd(here, sizeof here) || chdir(folder)) return -1;
    counted_type = fake_type;
    counted_type.encode = counted_encode;
    counted = fake_encoder;
    counted.type = &counted_type;
    embedded = fail_after = 0;
    if (mkdir("in", 0777) || mkdir("in/sub", 0777)) return -1;
    FILE *f = fopen("in/a.txt", "w");
    for (int i = 0; f && i < 120; i++) fprintf(f, "Paragraph %d says what no other says: the number %d times %d.\n\n", i, i * 7919, i + 3);
    if (f) fclose(f);
    put("in/b.py", "def f():\n    return 1\n");
    put("in/sub/c.py", "def f():\n    return 1\n"); /* the same text again */
    put("in/sub/d.c", "int main(void)\n{\n    return 0;\n}\n");
    return f ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    leann_ctx_free(ctx);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir(here) || system(command);
}

static const char *const inputs[] = {"in"};
static leann_text_options options_of(const char *output)
{
    return (leann_text_options){.inputs = inputs, .input_count = 1, .output = output, .encoder = "{\"fake\": {}}"};
}

static leann_status make(leann_text_options o)
{
    leann_text_set *set = NULL;
    leann_status status = leann_text_set_new(ctx, &counted, &o, &set);
    if (status == LEANN_OK) status = leann_text_set_embed(set);
    if (status == LEANN_OK) status = leann_text_set_write(set);
    leann_text_set_free(set);
    return status;
}

static void fails(leann_status got, leann_status status, const char *words)
{
    assert_int_equal(got, status);
    if (!strstr(leann_ctx_error(ctx), words)) fail_msg("'%s' is not in: %s", words, leann_ctx_error(ctx));
    leann_ctx_clear(ctx);
}

/* Each row is the vector of its passage's text. */
static void check_rows(const leann_dataset *data)
{
    const leann_passages *p = NULL;
    if (data->passages(data, ctx, &p) != LEANN_OK) fail_msg("%s", leann_ctx_error(ctx));
    assert_int_equal(p->n, data->train.n);
    assert_string_equal(p->identity, fake_encoder.identity);
    assert_string_equal(p->encoder, "{\"fake\": {}}");
    for (uint32_t i = 0; i < p->n; i++) {
        leann_text text;
        float x[FAKE_D], row[FAKE_D];
        size_t mark = leann_scratch_mark(ctx);
        assert_int_equal(p->read(p, ctx, &i, 1, &text), LEANN_OK);
        fake_encode(&fake_encoder, ctx, LEANN_PASSAGE, &text, 1, x);
        leann_rows_floats(data->train, i, 1, row);
        for (int j = 0; j < FAKE_D; j++) assert_true(row[j] - x[j] < 1e-6f && x[j] - row[j] < 1e-6f);
        leann_scratch_reset(ctx, mark);
    }
    leann_text none;
    fails(p->read(p, ctx, &p->n, 1, &none), LEANN_EINVAL, "asked for, but");
}

static void whole(void **state)
{
    (void)state;
    leann_dataset *data = NULL;
    leann_text_options o = options_of("x.hdf5");
    leann_text_set *set = NULL;
    put("queries.jsonl", "{\"text\": \"what is the number\"}\n\n{\"text\": \"main\", \"more\": 1}\n");
    o.queries = "queries.jsonl";
    assert_int_equal(leann_text_set_new(ctx, &counted, &o, &set), LEANN_OK);
    const leann_text_plan *plan = leann_text_set_plan(set);
    assert_int_equal(plan->files, 4);
    assert_int_equal(plan->repeats, 1);
    assert_int_equal(plan->queries, 2);
    assert_int_equal(plan->rate_chunks, fake_encoder.best_batch);
    assert_int_equal(access("x.hdf5.partial", F_OK), 0);
    uint32_t chunks = (uint32_t)plan->chunks;
    assert_true(chunks > 40);
    assert_int_equal(leann_text_set_embed(set), LEANN_OK);
    assert_int_equal(leann_text_set_write(set), LEANN_OK);
    leann_text_set_free(set);
    assert_int_equal(embedded, chunks + 2 + 1); /* each once, and one to warm up */
    assert_int_not_equal(access("x.hdf5.partial", F_OK), 0);
    assert_int_equal(leann_dataset_open(ctx, "./x.hdf5", &data), LEANN_OK);
    assert_true(data->train.n == chunks && data->train.d == FAKE_D && data->train.space == LEANN_ANGULAR);
    assert_true(data->test.n == 2 && data->gt_k == (chunks < 100 ? chunks : 100));
    check_rows(data);
    const uint32_t *label;
    uint32_t count;
    assert_int_equal(data->labels(data, ctx, "language", &label, &count), LEANN_OK);
    assert_int_equal(count, 3);
    assert_true(label[0] == 0 && label[chunks - 2] == 1 && label[chunks - 1] == 2);
    float q[FAKE_D], x[FAKE_D];
    leann_text text = {"main", 4};
    fake_encode(&fake_encoder, ctx, LEANN_QUERY, &text, 1, q);
    leann_rows_floats(data->test, 1, 1, x);
    for (int j = 0; j < FAKE_D; j++) assert_true(q[j] - x[j] < 1e-6f && x[j] - q[j] < 1e-6f);
    leann_dataset_free(data);
    rename("x.hdf5", "y.hdf5");
    assert_int_equal(make(o), LEANN_OK);
    assert_int_equal(system("cmp x.hdf5 y.hdf5"), 0); /* the same texts, the same bytes */
}

static void judged(void **state)
{
    (void)state;
    leann_text_options o = options_of("x.hdf5");
    leann_judged j;
    leann_dataset *data = NULL;
    o.queries = "in/../q";
    put("q", "{\"text\": \"main\", \"path\": \"in/sub/d.c\", \"first_line\": 2, \"last_line\": 3}\n"
             "{\"text\": \"def\", \"path\": \"in/sub/c.py\", \"first_line\": 1, \"last_line\": 1}\n"); /* a repeat of b.py */
    assert_int_equal(make(o), LEANN_OK);
    assert_int_equal(leann_dataset_open(ctx, "./x.hdf5", &data), LEANN_OK);
    uint32_t n = data->train.n;
    assert_int_equal(leann_judged_open(ctx, "./x.hdf5", 2, n, &j), LEANN_OK);
    assert_true(j.text[0].n == 4 && memcmp(j.text[0].bytes, "main", 4) == 0);
    assert_true(j.relevance.offset[1] == 1 && j.relevance.offset[2] == 2);
    assert_true(j.relevance.ids[0] == n - 1 && j.relevance.ids[1] == n - 2);
    leann_judged_free(&j);
    leann_dataset_free(data);
    put("q", "{\"text\": \"main\", \"path\": \"in/sub/d.c\", \"first_line\": 2, \"last_line\": 3}\n{\"text\": \"def\"}\n");
    fails(make(o), LEANN_EINVAL, "query 1 does not say where its answer lies");
    put("q", "{\"text\": \"main\", \"path\": \"in/sub/d.c\", \"first_line\": 2}\n");
    fails(make(o), LEANN_EINVAL, "q:1: where the answer lies");
    put("q", "{\"text\": \"main\", \"path\": \"in/sub/d.c\", \"first_line\": 20, \"last_line\": 30}\n");
    fails(make(o), LEANN_EINVAL, "no chunk holds any of lines 20 to 30 of in/sub/d.c");
}

static void split(void **state)
{
    (void)state;
    leann_dataset *data = NULL;
    leann_text_options o = options_of("x.hdf5");
    o.split = 10;
    assert_int_equal(make(o), LEANN_OK);
    assert_int_equal(leann_dataset_open(ctx, "./x.hdf5", &data), LEANN_OK);
    assert_int_equal(data->test.n, 10);
    assert_int_equal(data->train.n + 10 + 1, embedded);
    check_rows(data);
    leann_dataset_free(data);
    o.split = embedded;
    fails(make(o), LEANN_EINVAL, "leaves nothing of the");
    o.split = 5;
    o.queries = "q";
    fails(make(o), LEANN_EINVAL, "not from both");
}

static void resumed(void **state)
{
    (void)state;
    leann_text_options o = options_of("x.hdf5");
    leann_text_set *set = NULL;
    fail_after = 45;
    fails(make(o), LEANN_EIO, "the encoder broke");
    assert_int_not_equal(access("x.hdf5", F_OK), 0);
    uint32_t first = embedded;
    /* as if killed in the middle of a record; and one of the files has changed */
    FILE *f = fopen("x.hdf5.partial", "a");
    assert_non_null(f);
    fputs("torn", f);
    fclose(f);
    put("in/b.py", "def other():\n    return 2\n");
    fail_after = 0;
    assert_int_equal(leann_text_set_new(ctx, &counted, &o, &set), LEANN_OK);
    const leann_text_plan *plan = leann_text_set_plan(set);
    assert_int_equal(plan->kept, first - 1);
    fails(make(o), LEANN_EINVAL, "is in use: another process makes the same set");
    uint32_t before = embedded, chunks = (uint32_t)plan->chunks, kept = (uint32_t)plan->kept;
    assert_int_equal(leann_text_set_embed(set), LEANN_OK);
    assert_int_equal(embedded - before, chunks - kept - fake_encoder.best_batch); /* new has made a sample more */
    assert_int_equal(leann_text_set_write(set), LEANN_OK);
    leann_text_set_free(set);
    leann_dataset *data = NULL;
    assert_int_equal(leann_dataset_open(ctx, "./x.hdf5", &data), LEANN_OK);
    assert_int_equal(data->train.n, chunks);
    check_rows(data);
    leann_dataset_free(data);
}

static void planned(void **state)
{
    (void)state;
    leann_text_options o = options_of("x.hdf5");
    leann_text_set *set = NULL;
    o.look = true;
    assert_int_equal(leann_text_set_new(ctx, &counted, &o, &set), LEANN_OK);
    assert_true(leann_text_set_plan(set)->left_s > 0);
    leann_text_set_free(set);
    assert_int_not_equal(access("x.hdf5.partial", F_OK), 0);
    /* what an encoder left behind is not for another */
    o.look = false;
    fail_after = 20;
    fails(make(o), LEANN_EIO, "the encoder broke");
    counted.identity[0] = 'f';
    fails(make(o), LEANN_EINVAL, "holds vectors of another encoder (0123456789ab…, this one is f123456789ab…)");
    put("x.hdf5.partial",
        "something else that somebody has put there, more than a header long: ...............................................");
    FILE *f = fopen("x.hdf5.partial", "a");
    assert_non_null(f);
    for (int i = 0; i < 10; i++) fputs("more of it", f);
    fclose(f);
    fails(make(o), LEANN_EFORMAT, "nothing that an interrupted run left; remove it");
    put("in/a.txt", "");
    put("in/b.py", "");
    remove("in/sub/c.py");
    put("in/sub/d.c", " \n");
    fails(make(o), LEANN_EINVAL, "no text in the 3 files found");
    put("q", "{\"text\": \"x\"}\n{\"txt\": \"y\"}\n");
    o.queries = "q";
    fails(make(o), LEANN_EINVAL, "q:2: no \"text\" in this query");
    put("q", "\n\n");
    fails(make(o), LEANN_EINVAL, "q: no queries in it");
}

static void referred(void **state)
{
    (void)state;
    leann_dataset *data = NULL;
    const leann_passages *p;
    leann_text text;
    leann_text_options o = options_of("x.hdf5");
    o.no_text = true;
    assert_int_equal(make(o), LEANN_OK);
    assert_int_equal(chdir(here), 0); /* paths are of the folder where the set was made */
    char path[128];
    snprintf(path, sizeof path, "%s/x.hdf5", folder);
    assert_int_equal(leann_dataset_open(ctx, path, &data), LEANN_OK);
    assert_int_equal(chdir(folder), 0);
    check_rows(data);
    assert_int_equal(data->passages(data, ctx, &p), LEANN_OK);
    uint32_t last = p->n - 1, first = 0;
    put("in/sub/d.c", "int main(void)\n{\n    return 1;\n}\n");
    fails(p->read(p, ctx, &last, 1, &text), LEANN_EIO, "in/sub/d.c has changed since");
    put("in/sub/d.c", "int");
    fails(p->read(p, ctx, &last, 1, &text), LEANN_EIO, "in/sub/d.c has changed since");
    remove("in/sub/d.c");
    fails(p->read(p, ctx, &last, 1, &text), LEANN_ENOTFOUND, "in/sub/d.c, which");
    assert_int_equal(mkfifo("in/sub/d.c", 0600), 0);
    fails(p->read(p, ctx, &last, 1, &text), LEANN_EIO, "has changed since");
    assert_int_equal(p->read(p, ctx, &first, 1, &text), LEANN_OK); /* the others are as they were */
    leann_dataset_free(data);
}

extern const leann_fetcher_type leann_fetcher_passages;
typedef struct {
    leann_choice encoder;
} fetch_params; /* as the fetcher has it */

static void fetched(void **state)
{
    (void)state;
    const leann_fetcher_type *type = &leann_fetcher_passages;
    leann_dataset *data = NULL;
    leann_fetcher *f = NULL;
    leann_text_options o = options_of("x.hdf5");
    o.no_text = true;
    fetch_params params = {{&fake_type.common, NULL}};
    assert_int_equal(make(o), LEANN_OK);
    assert_int_equal(leann_dataset_open(ctx, "./x.hdf5", &data), LEANN_OK);
    assert_int_equal(type->open(ctx, &data->train, data, &params, &f), LEANN_OK);
    assert_true(f->type == type && f->n == data->train.n && f->d == FAKE_D && f->best_batch == fake_encoder.best_batch);
    uint32_t last = f->n - 1;
    const uint32_t ids[2][3] = {{0, 7, 0}, {last, 2, 3}};
    uint64_t ticket[2];
    leann_rows rows;
    float row[FAKE_D];
    size_t mark = leann_scratch_mark(ctx);
    for (int b = 0; b < 2; b++) assert_int_equal(type->submit(f, ctx, ids[b], 3, &ticket[b]), LEANN_OK);
    for (int b = 1; b >= 0; b--) {
        assert_int_equal(type->collect(f, ctx, ticket[b], 0, &rows), LEANN_OK);
        assert_true(rows.n == 3 && rows.d == FAKE_D && rows.type == LEANN_F32);
        for (uint32_t i = 0; i < 3; i++) {
            leann_rows_floats(data->train, ids[b][i], 1, row);
            const float *x = leann_row(rows, i);
            for (int j = 0; j < FAKE_D; j++) assert_true(row[j] - x[j] < 1e-6f && x[j] - row[j] < 1e-6f);
        }
    }
    leann_scratch_reset(ctx, mark);
    assert_true(leann_ctx_work(ctx)->fetches == 6 && leann_ctx_work(ctx)->recomputes == 6 && leann_ctx_work(ctx)->encoder_calls == 2);
    put("in/sub/d.c", "int main(void)\n{\n    return 1;\n}\n");
    fails(type->submit(f, ctx, &last, 1, &ticket[0]), LEANN_EIO, "in/sub/d.c has changed since");
    fails(type->submit(f, ctx, &f->n, 1, &ticket[0]), LEANN_EINVAL, "asked for, but");
    type->free(f);
    leann_rows fewer = data->train;
    fewer.n--;
    fails(type->open(ctx, &fewer, data, &params, &f), LEANN_EINVAL, "passages, but the source has");
    fails(type->open(ctx, &data->train, NULL, &params, &f), LEANN_EUNSUPPORTED, "not bare rows");
    fetch_params named = {{NULL, NULL}};
    fails(type->open(ctx, &data->train, data, &named, &f), LEANN_ENOTFOUND, "unknown encoder 'fake'");
    leann_dataset_free(data);
    counted.identity[3] = 'x';
    assert_int_equal(make(o), LEANN_OK);
    assert_int_equal(leann_dataset_open(ctx, "./x.hdf5", &data), LEANN_OK);
    fails(type->open(ctx, &data->train, data, &params, &f), LEANN_EINVAL,
          "is not the one that made the data set: its identity is 0123456789ab");
    leann_dataset_free(data);
}

/* Numbers of a column of passages overwritten. */
static void spoil(const char *name, uint64_t at, uint64_t value)
{
    hsize_t start = at, one = 1;
    hid_t file = H5Fopen("x.hdf5", H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(set),
          cell = H5Screate_simple(1, &one, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &one, NULL);
    assert_true(H5Dwrite(set, H5T_NATIVE_UINT64, cell, space, H5P_DEFAULT, &value) >= 0);
    H5Sclose(cell);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
}

static void refused(const char *words)
{
    leann_dataset *data = NULL;
    const leann_passages *p;
    assert_int_equal(leann_dataset_open(ctx, "./x.hdf5", &data), LEANN_OK); /* its rows are good all the same */
    fails(data->passages(data, ctx, &p), LEANN_EFORMAT, words);
    leann_dataset_free(data);
}

static void hostile(void **state)
{
    (void)state;
    leann_text_options o = options_of("x.hdf5");
    static const struct {
        const char *name;
        uint64_t at, value;
        bool no_text;
    } cases[] = {{"passages/text_offset", 0, 1, false},          {"passages/text_offset", 3, 1, false},
                 {"passages/text_offset", 3, 1ULL << 60, false}, {"passages/path", 0, 4, true},
                 {"passages/byte_length", 0, 16385, true},       {"passages/byte_offset", 0, INT64_MAX, true},
                 {"passages/path_offset", 1, 1ULL << 40, true},  {"passages/path_offset", 2, 0, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        o.no_text = cases[i].no_text;
        assert_int_equal(make(o), LEANN_OK);
        spoil(cases[i].name, cases[i].at, cases[i].value);
        refused("passage");
    }
    o.no_text = false;
    assert_int_equal(make(o), LEANN_OK);
    hid_t file = H5Fopen("x.hdf5", H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Ldelete(file, "passages/text_offset", H5P_DEFAULT) >= 0);
    H5Fclose(file);
    refused("passages/text_offset is missing");
    leann_dataset *data = NULL;
    const leann_passages *p;
    leann_rows rows = {.base = (const float[]){1, 0, 0, 1}, .stride = 8, .n = 2, .d = 2};
    assert_int_equal(leann_dataset_write(ctx, "z.hdf5", rows, (leann_rows){0}, NULL, NULL, 0), LEANN_OK);
    assert_int_equal(leann_dataset_open(ctx, "./z.hdf5", &data), LEANN_OK);
    fails(data->passages(data, ctx, &p), LEANN_ENOTFOUND, "has no passages: it was not made by `leann dataset text`");
    leann_dataset_free(data);
}

/* As if somebody removed files between the walk and the cutting: what was found is left out, what was named is missed. */
static char left[64];
static const char *gone[2];

static void note_left(void *arg, leann_left why, const char *path, uint64_t bytes)
{
    (void)arg;
    snprintf(left + strlen(left), sizeof left - strlen(left), "%s:%s:%d ", path, leann_left_word(why), (int)bytes);
}

static leann_status removing_count(const leann_encoder *self, leann_ctx *c, const leann_text *texts, uint32_t n, uint32_t *tokens)
{
    for (int i = 0; i < 2; i++)
        if (gone[i]) unlink(gone[i]);
    return fake_count(self, c, texts, n, tokens);
}

static void vanished(void **state)
{
    (void)state;
    leann_text_set *set = NULL;
    leann_text_options o = options_of("x.hdf5");
    o.walk.left = note_left;
    counted_type.count = removing_count;
    gone[0] = "in/b.py";
    left[0] = '\0';
    assert_int_equal(leann_text_set_new(ctx, &counted, &o, &set), LEANN_OK);
    assert_string_equal(left, "in/b.py:unreadable:22 ");
    const leann_text_plan *plan = leann_text_set_plan(set);
    assert_true(plan->files == 3 && plan->repeats == 0); /* what it repeated is a chunk now */
    assert_int_equal(leann_text_set_embed(set), LEANN_OK);
    assert_int_equal(leann_text_set_write(set), LEANN_OK);
    leann_text_set_free(set);
    static const char *const both[] = {"in/a.txt", "in/sub/d.c"};
    o.inputs = both;
    o.input_count = 2;
    gone[1] = "in/sub/d.c";
    fails(make(o), LEANN_ENOTFOUND, "cannot open in/sub/d.c");
    gone[0] = gone[1] = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole, set_up, tear_down),   cmocka_unit_test_setup_teardown(split, set_up, tear_down),
        cmocka_unit_test_setup_teardown(judged, set_up, tear_down),  cmocka_unit_test_setup_teardown(resumed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(planned, set_up, tear_down), cmocka_unit_test_setup_teardown(referred, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fetched, set_up, tear_down), cmocka_unit_test_setup_teardown(hostile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vanished, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
