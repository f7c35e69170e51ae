/* test_references.c – where rows' texts lie: every reference comes back exactly, in three bytes a row; files that changed are noticed; any
 * bytes of an index file are read safely or refused.
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

#include "core/product.h"
#include "datasets/text.h"
#include "tests/unit/text_fake.h"

static char folder[64], here[512];
static leann_ctx *ctx;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/leann-references-XXXXXX");
    ctx = leann_ctx_new(1, 1);
    return ctx && mkdtemp(folder) && getcwd(here, sizeof here) && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    leann_ctx_free(ctx);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir(here) || system(command);
}

static void fails(leann_status got, leann_status status, const char *words)
{
    assert_int_equal(got, status);
    if (!strstr(leann_ctx_error(ctx), words)) fail_msg("'%s' is not in: %s", words, leann_ctx_error(ctx));
    leann_ctx_clear(ctx);
}

static void put(const char *name, const char *text, size_t bytes)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, bytes, f), bytes);
    fclose(f);
}

/* ---- columns made up --------------------------------------------------------------------------------------------------------- */

enum { N = 20000 };
typedef struct {
    leann_reference_columns columns;
    char text[1 << 20];
    uint64_t text_at[N + 1], offset[N];
    uint32_t path[N], bytes[N];
    uint8_t sha[N][32];
} made_up;

/* Some 18 chunks a file of 575 bytes each, a newline or two between most, as a text set has them; the paths' folders nest. */
static made_up *make_up(uint32_t n, const char *root)
{
    made_up *m = leann_alloc(ctx, 1, sizeof *m);
    assert_non_null(m);
    leann_rng rng = leann_rng_at(1, "references", n);
    uint32_t files = 0;
    uint64_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || leann_rng_below(&rng, 18) == 0) {
            char name[96];
            int length =
                snprintf(name, sizeof name, "corpora/kernel-doc/%02u/chapter-%03u/section-%05u.rst", files / 400, files / 20, files);
            memcpy(m->text + m->text_at[files], name, (size_t)length);
            m->text_at[files + 1] = m->text_at[files] + (uint64_t)length;
            files++;
            at = leann_rng_below(&rng, 40) ? 0 : leann_rng_below(&rng, 500);
        }
        m->path[i] = files - 1;
        m->offset[i] = at;
        m->bytes[i] = 12 + leann_rng_below(&rng, 1130);
        at += m->bytes[i] + 1 + leann_rng_below(&rng, 2) + (leann_rng_below(&rng, 200) ? 0 : leann_rng_below(&rng, 9000));
        for (int j = 0; j < 32; j++) m->sha[i][j] = (uint8_t)leann_rng_u32(&rng);
    }
    m->columns = (leann_reference_columns){.n = n,
                                           .paths = files,
                                           .root = root,
                                           .text = m->text,
                                           .text_at = m->text_at,
                                           .path = m->path,
                                           .bytes = m->bytes,
                                           .offset = m->offset,
                                           .sha = m->sha[0]};
    return m;
}

static void check_row(const leann_references *t, const made_up *m, uint32_t i)
{
    static leann_reference at;
    char want[LEANN_PATH_BYTES];
    const uint32_t path = m->path[i];
    const int length = (int)(m->text_at[path + 1] - m->text_at[path]);
    const char *name = m->text + m->text_at[path], *root = length && *name == '/' ? "" : m->columns.root;
    snprintf(want, sizeof want, "%s%s%.*s", root, *root ? "/" : "", length, name);
    leann_references_get(t, i, &at);
    assert_string_equal(at.path, want);
    assert_int_equal(at.offset, m->offset[i]);
    assert_int_equal(at.bytes, m->bytes[i]);
}

/* Made, and saved and opened again: every row's reference is what it was; the bytes are those predicted. Returns them. */
static uint64_t round_trip(const made_up *m)
{
    leann_references *made, *read;
    leann_references_shape shape;
    leann_writer *w;
    leann_reader *r;
    leann_ledger real, predicted;
    if (leann_references_make(ctx, &m->columns, &made)) fail_msg("%s", leann_ctx_error(ctx));
    assert_int_equal(leann_references_measure(ctx, &m->columns, &shape), LEANN_OK);
    assert_memory_equal(&shape, leann_references_shape_of(made), sizeof shape);
    assert_int_equal(leann_writer_new(ctx, "t.leann", &w), LEANN_OK);
    assert_int_equal(leann_references_save(made, w), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
    assert_int_equal(leann_reader_open(ctx, "t.leann", &r), LEANN_OK);
    if (leann_references_open(ctx, r, m->columns.n, &read)) fail_msg("%s", leann_ctx_error(ctx));
    for (uint32_t i = 0; i < m->columns.n; i++) {
        check_row(made, m, i);
        check_row(read, m, i);
    }
    leann_reader_ledger(r, &real);
    leann_ledger_begin(&predicted);
    leann_references_predict(&shape, &predicted);
    leann_ledger_end(&predicted);
    assert_memory_equal(&real, &predicted, sizeof real);
    leann_references_free(read);
    leann_references_free(made);
    leann_reader_free(r);
    return leann_ledger_total(&real);
}

static void shuffle(made_up *m, uint32_t n)
{
    leann_rng rng = leann_rng_at(3, "references", 0);
    for (uint32_t i = n - 1; i > 0; i--) {
        const uint32_t j = leann_rng_below(&rng, i + 1), path = m->path[i], bytes = m->bytes[i];
        const uint64_t offset = m->offset[i];
        m->path[i] = m->path[j], m->bytes[i] = m->bytes[j], m->offset[i] = m->offset[j];
        m->path[j] = path, m->bytes[j] = bytes, m->offset[j] = offset;
    }
}

static void references_come_back(void **state)
{
    (void)state;
    made_up *m = make_up(N, "/home/somebody/texts");
    const uint64_t bytes = round_trip(m);
    if (bytes > 3 * N) fail_msg("%.3f bytes a row", (double)bytes / N);
    shuffle(m, N); /* then each row's place is held too: 15 bits */
    const uint64_t mixed = round_trip(m);
    assert_in_range(mixed, bytes + N * 15 / 8, bytes + N * 15 / 8 + 200);
    leann_free(m);
    for (uint32_t n = 1; n < 5; n++) {
        m = make_up(n, "");
        round_trip(m);
        leann_free(m);
    }
}

/* Overlapping chunks, empty ones, the same one twice, far ones, none in a file, an absolute path, no path, equal paths. */
static void odd_references_come_back(void **state)
{
    (void)state;
    static const char text[] = "/abs/x"
                               ""
                               "same"
                               "same"
                               "never"
                               "\xff\xc3";
    static const uint64_t text_at[] = {0, 6, 6, 10, 14, 19, 21};
    static const struct {
        uint32_t path;
        uint64_t offset;
        uint32_t bytes;
    } rows[] = {{5, 3, 0},
                {0, 0, 500},
                {0, 250, 500},
                {0, 500, 500},
                {0, 500, 500},
                {0, 700, 100},
                {2, 1, 1},
                {1, 0, 0},
                {1, 0, 0},
                {3, 9, 7},
                {3, 17, 1},
                {3, 17, 2},
                {0, (uint64_t)1 << 60, 9},
                {5, 99999, 16384},
                {5, 1000, 77}};
    made_up *m = leann_alloc(ctx, 1, sizeof *m);
    const uint32_t n = sizeof rows / sizeof *rows;
    memcpy(m->text, text, sizeof text);
    memcpy(m->text_at, text_at, sizeof text_at);
    for (uint32_t i = 0; i < n; i++) m->path[i] = rows[i].path, m->offset[i] = rows[i].offset, m->bytes[i] = rows[i].bytes;
    m->columns = (leann_reference_columns){n, 6, "/r", m->text, m->text_at, m->path, m->bytes, m->offset, m->sha[0]};
    round_trip(m);
    m->columns.n = 2;
    round_trip(m);
    m->columns.n = n;
    m->columns.root = "";
    round_trip(m);
    leann_references *none;
    m->offset[0] = (uint64_t)1 << 62;
    fails(leann_references_make(ctx, &m->columns, &none), LEANN_EUNSUPPORTED, "the files together have more than");
    m->text[7] = 0;
    fails(leann_references_make(ctx, &m->columns, &none), LEANN_EFORMAT, "a path of the passages holds a NUL");
    leann_free(m);
}

/* ---- any bytes ------------------------------------------------------------------------------------------------------------------- */

/* Copies t.leann into u.leann with bits of one section turned. */
static void turn_bits(leann_rng *rng)
{
    leann_reader *r;
    leann_writer *w;
    assert_int_equal(leann_reader_open(ctx, "t.leann", &r), LEANN_OK);
    assert_int_equal(leann_writer_new(ctx, "u.leann", &w), LEANN_OK);
    const size_t which = leann_rng_below(rng, (uint32_t)leann_reader_sections(r));
    for (size_t i = 0; i < leann_reader_sections(r); i++) {
        const leann_section *s = leann_reader_at(r, i);
        uint8_t *copy = leann_alloc(ctx, s->bytes, 1);
        memcpy(copy, s->data, s->bytes);
        for (uint32_t flips = i == which ? 1 + leann_rng_below(rng, 3) : 0; flips > 0; flips--)
            copy[leann_rng_below(rng, (uint32_t)s->bytes)] ^= (uint8_t)(1 << leann_rng_below(rng, 8));
        assert_int_equal(leann_writer_add(w, s->name, s->part, s->type, s->rows, s->stride, copy), LEANN_OK);
        leann_free(copy);
    }
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
    leann_reader_free(r);
}

static void any_bits_are_safe(void **state)
{
    (void)state;
    enum { ROWS = 60 };
    static leann_reference at;
    leann_rng rng = leann_rng_at(4, "references", 0);
    made_up *m = make_up(ROWS, "/r");
    shuffle(m, ROWS);
    round_trip(m);
    uint32_t opened = 0;
    for (int trial = 0; trial < 600; trial++) {
        leann_reader *r;
        leann_references *t;
        turn_bits(&rng);
        assert_int_equal(leann_reader_open(ctx, "u.leann", &r), LEANN_OK);
        const leann_status status = leann_references_open(ctx, r, ROWS, &t);
        assert_true(status == LEANN_OK || status == LEANN_EFORMAT);
        assert_true(!t || ++opened);
        for (uint32_t i = 0; t && i < ROWS; i++) {
            uint64_t first, last;
            leann_references_get(t, i, &at);
            assert_true(strlen(at.path) < sizeof at.path && at.offset < (uint64_t)1 << 62);
            assert_int_not_equal(leann_references_lines(t, ctx, i, &first, &last), LEANN_OK); /* there are no such files */
            leann_ctx_clear(ctx);
        }
        leann_ctx_clear(ctx);
        leann_references_free(t);
        leann_reader_free(r);
    }
    assert_in_range(opened, 1, 599);
    leann_reader *r;
    leann_references *t;
    assert_int_equal(leann_reader_open(ctx, "t.leann", &r), LEANN_OK);
    fails(leann_references_open(ctx, r, ROWS + 1, &t), LEANN_EFORMAT, "t.leann: the head of its passages' references is damaged");
    leann_reader_free(r);
    leann_free(m);
}

/* ---- files ----------------------------------------------------------------------------------------------------------------------- */

static const char *const inputs[] = {"in"};

/* The set x.hdf5 of in/a.txt (many chunks) and in/sub/d.c, and an index over it, x.leann. */
static leann_dataset *make_set(bool no_text, const char *config)
{
    leann_text_set *set = NULL;
    leann_dataset *data = NULL;
    leann_index *index;
    leann_value *value;
    leann_text_options o = {.inputs = inputs, .input_count = 1, .output = "x.hdf5", .encoder = "{\"fake\": {}}", .no_text = no_text};
    mkdir("in", 0777);
    mkdir("in/sub", 0777);
    FILE *f = fopen("in/a.txt", "w");
    assert_non_null(f);
    for (int i = 0; i < 120; i++) fprintf(f, "Paragraph %d says what no other says:\nthe number %d times %d.\n\n", i, i * 7919, i + 3);
    fclose(f);
    put("in/sub/d.c", "\n\nint main(void)\n{\n    return 0;\n}\n", 35);
    assert_int_equal(leann_text_set_new(ctx, &fake_encoder, &o, &set), LEANN_OK);
    assert_int_equal(leann_text_set_embed(set), LEANN_OK);
    assert_int_equal(leann_text_set_write(set), LEANN_OK);
    leann_text_set_free(set);
    assert_int_equal(leann_dataset_open(ctx, "./x.hdf5", &data), LEANN_OK);
    assert_int_equal(leann_config_parse(ctx, "c", config, strlen(config), &value), LEANN_OK);
    if (leann_method_build(ctx, data, value, NULL, &index)) fail_msg("%s", leann_ctx_error(ctx));
    assert_int_equal(leann_index_save(ctx, index, "x.leann"), LEANN_OK);
    leann_index_free(index);
    leann_value_free(value);
    return data;
}

/* The text of a row as its reference has it, with its lines, counted here. */
static void check_text(const leann_index *index, uint32_t id, leann_text want)
{
    static leann_reference at;
    char *bytes;
    size_t n;
    uint64_t first, last, lines = 1;
    if (leann_index_passage(ctx, index, id, &at)) fail_msg("%s", leann_ctx_error(ctx));
    assert_int_equal(leann_file_read(ctx, at.path, 1 << 20, &bytes, &n), LEANN_OK);
    assert_true(at.offset + at.bytes <= n);
    assert_int_equal(at.bytes, want.n);
    assert_memory_equal(bytes + at.offset, want.bytes, want.n);
    if (leann_index_passage_lines(ctx, index, id, &first, &last)) fail_msg("%s", leann_ctx_error(ctx));
    for (size_t i = 0; i < at.offset; i++) lines += bytes[i] == '\n';
    assert_int_equal(first, lines);
    for (size_t i = at.offset; i < at.offset + at.bytes; i++) lines += bytes[i] == '\n';
    assert_int_equal(last, lines);
    leann_free(bytes);
}

/* An index over a text set finds every text again, is as large as predicted, for open data and for a look at them; without its passages
 * it is smaller by just them. */
static void an_index_refers_to_its_texts(void **state)
{
    (void)state;
    static const char *const configs[] = {"{method: flat}", "{method: codes, build: {quantizer: sq}}"};
    for (int trial = 0; trial < 4; trial++) {
        leann_dataset *data = make_set(trial / 2, configs[trial % 2]);
        const leann_passages *passages;
        leann_dataset_info info;
        leann_data_shape shape;
        leann_ledger predicted, real;
        leann_value *value;
        leann_index *index;
        assert_int_equal(leann_index_open(ctx, "x.leann", &index), LEANN_OK);
        assert_int_equal(data->passages(data, ctx, &passages), LEANN_OK);
        for (uint32_t i = 0; i < data->train.n; i++) {
            const size_t mark = leann_scratch_mark(ctx);
            leann_text text;
            assert_int_equal(passages->read(passages, ctx, &i, 1, &text), LEANN_OK);
            check_text(index, i, text);
            leann_scratch_reset(ctx, mark);
        }
        assert_int_equal(leann_config_parse(ctx, "c", configs[trial % 2], strlen(configs[trial % 2]), &value), LEANN_OK);
        assert_int_equal(leann_data_shape_of(ctx, data, &shape), LEANN_OK);
        assert_int_equal(shape.references.files, 2);
        assert_int_equal(leann_method_predict_over(ctx, &shape, value, &predicted), LEANN_OK);
        leann_reader_ledger(index->reader, &real);
        assert_memory_equal(&real, &predicted, sizeof real);
        assert_int_equal(leann_dataset_peek(ctx, "./x.hdf5", &info), LEANN_OK);
        assert_memory_equal(&info.references, &shape.references, sizeof shape.references);
        leann_index_free(index);
        leann_value_free(value);
        leann_dataset_free(data);
    }
}

static void changes_are_noticed(void **state)
{
    (void)state;
    static leann_reference at;
    uint64_t first, last;
    leann_dataset *data = make_set(true, "{method: flat}");
    const uint32_t end = data->train.n - 1;
    leann_index *index;
    leann_dataset_free(data);
    assert_int_equal(leann_index_open(ctx, "x.leann", &index), LEANN_OK);
    assert_int_equal(chdir(here), 0); /* paths are of the folder where the set was made */
    if (leann_index_passage_lines(ctx, index, end, &first, &last)) fail_msg("%s", leann_ctx_error(ctx));
    assert_true(first == 3 && last == 6);
    assert_int_equal(chdir(folder), 0);
    fails(leann_index_passage(ctx, index, end + 1, &at), LEANN_EINVAL, "asked for, but the index has");
    put("in/sub/d.c", "\n\nint main(void)\n{\n    return 1;\n}\n", 35);
    fails(leann_index_passage_lines(ctx, index, end, &first, &last), LEANN_EIO, "in/sub/d.c has changed since the index was built");
    put("in/sub/d.c", "\nint main(void)\n{\n    return 0;\n}\n", 34);
    fails(leann_index_passage_lines(ctx, index, end, &first, &last), LEANN_EIO, "has changed");
    remove("in/sub/d.c");
    fails(leann_index_passage_lines(ctx, index, end, &first, &last), LEANN_ENOTFOUND, "in/sub/d.c");
    assert_int_equal(mkfifo("in/sub/d.c", 0600), 0);
    fails(leann_index_passage_lines(ctx, index, end, &first, &last), LEANN_EIO, "has changed");
    remove("in/sub/d.c");
    assert_int_equal(leann_index_passage(ctx, index, end, &at), LEANN_OK);               /* the reference itself stands */
    assert_int_equal(leann_index_passage_lines(ctx, index, 0, &first, &last), LEANN_OK); /* and the other file */
    FILE *f = fopen("in/a.txt", "r+"); /* a change in another chunk than the one asked for */
    assert_non_null(f);
    assert_int_equal(fseek(f, -4, SEEK_END), 0);
    fputc('7', f);
    fclose(f);
    fails(leann_index_passage_lines(ctx, index, 0, &first, &last), LEANN_EIO, "in/a.txt has changed");
    leann_index_free(index);
}

/* ---- other indexes --------------------------------------------------------------------------------------------------------------- */

static leann_status no_passages(const leann_dataset *self, leann_ctx *c, const leann_passages **out)
{
    (void)self;
    *out = NULL;
    return leann_fail(c, LEANN_ENOTFOUND, "there are none");
}

static leann_passages without;
static leann_status passages_without_files(const leann_dataset *self, leann_ctx *c, const leann_passages **out)
{
    (void)c;
    without.n = self->train.n;
    *out = &without;
    return LEANN_OK;
}

static leann_status broken_passages(const leann_dataset *self, leann_ctx *c, const leann_passages **out)
{
    (void)self, (void)out;
    return leann_fail(c, LEANN_EFORMAT, "they are broken");
}

/* No passages, or none whose place is known: the bytes that there were before there were references. */
static void others_are_as_before(void **state)
{
    (void)state;
    static float x[8 * 4] = {1, 2, 3, 4, 5, 6, 7, 8};
    static leann_reference at;
    leann_dataset data = {.name = "", .sha = "", .train = {x, 16, 8, 4, LEANN_F32, LEANN_L2}};
    leann_value *config;
    leann_index *index;
    assert_int_equal(leann_config_parse(ctx, "c", "{method: flat}", 14, &config), LEANN_OK);
    assert_int_equal(leann_index_build(ctx, data.train, "{method: flat}", &index), LEANN_OK);
    fails(leann_index_passage(ctx, index, 0, &at), LEANN_ENOTFOUND, "holds no references");
    assert_int_equal(leann_index_save(ctx, index, "bare.leann"), LEANN_OK);
    leann_index_free(index);
    for (int i = 0; i < 2; i++) {
        data.passages = i ? passages_without_files : no_passages;
        assert_int_equal(leann_method_build(ctx, &data, config, NULL, &index), LEANN_OK);
        assert_int_equal(leann_ctx_status(ctx), LEANN_OK);
        assert_int_equal(leann_index_save(ctx, index, "other.leann"), LEANN_OK);
        assert_int_equal(system("cmp bare.leann other.leann"), 0);
        leann_index_free(index);
    }
    data.passages = broken_passages;
    fails(leann_method_build(ctx, &data, config, NULL, &index), LEANN_EFORMAT, "they are broken");
    leann_value_free(config);
}

/* A later revision of the table is refused by name. */
static void later_revisions_are_refused(void **state)
{
    (void)state;
    leann_dataset_free(make_set(false, "{method: flat}"));
    leann_reader *r;
    leann_writer *w;
    leann_index *index;
    assert_int_equal(leann_reader_open(ctx, "x.leann", &r), LEANN_OK);
    assert_int_equal(leann_writer_new(ctx, "later.leann", &w), LEANN_OK);
    for (size_t i = 0; i < leann_reader_sections(r); i++) {
        const leann_section *s = leann_reader_at(r, i);
        char *copy = leann_alloc(ctx, s->bytes + 1, 1), *at;
        memcpy(copy, s->data, s->bytes);
        if (strcmp(s->name, "manifest") == 0) {
            assert_non_null(at = strstr(copy, "\"references\":1"));
            at[strlen("\"references\":")] = '2';
        }
        assert_int_equal(leann_writer_add(w, s->name, s->part, s->type, s->rows, s->stride, copy), LEANN_OK);
        leann_free(copy);
    }
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    fails(leann_index_open(ctx, "later.leann", &index), LEANN_EUNSUPPORTED, "revision 2 of references, but this program knows up to 1");
    leann_writer_free(w);
    leann_reader_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_come_back),         cmocka_unit_test(odd_references_come_back), cmocka_unit_test(any_bits_are_safe),
        cmocka_unit_test(an_index_refers_to_its_texts), cmocka_unit_test(changes_are_noticed),      cmocka_unit_test(others_are_as_before),
        cmocka_unit_test(later_revisions_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
