/* test_text_chunk.c – texts cut into chunks: every byte that is not blank once, none too long, and where the structure says.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datasets/text.h"
#include "tests/unit/text_fake.h"

typedef struct {
    const char *text;
    size_t n, at, piece; /* piece: what the reader gives at once, 0: all it is asked for */
} source;

static leann_status more(leann_ctx *ctx, void *arg, char *to, size_t room, size_t *got)
{
    source *s = arg;
    (void)ctx;
    size_t now = s->n - s->at < room ? s->n - s->at : room;
    if (s->piece && now > s->piece) now = s->piece;
    memcpy(to, s->text + s->at, now);
    s->at += now;
    *got = now;
    return LEANN_OK;
}

typedef struct {
    leann_chunk chunk[4096];
    size_t n;
} chunks;

/* The chunks of a text, held to what each must keep. */
static void cut(const char *text, size_t n, leann_text_shape shape, size_t piece, chunks *out)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_chunker *c = NULL;
    source s = {text, n, 0, piece};
    uint64_t at = 0;
    uint32_t row = 1, tokens;
    assert_int_equal(leann_chunker_new(ctx, &fake_encoder, 0, &c), LEANN_OK);
    leann_chunker_begin(c, shape, more, &s);
    out->n = 0;
    for (;;) {
        leann_chunk chunk;
        assert_int_equal(leann_chunker_next(c, &chunk), LEANN_OK);
        uint64_t end = chunk.bytes ? chunk.offset : n;
        assert_true(end >= at && end <= n);
        for (; at < end; at++) {
            assert_true(fake_blank(text[at])); /* nothing is lost between two */
            row += text[at] == '\n';
        }
        if (chunk.bytes == 0) break;
        assert_true(chunk.offset + chunk.bytes <= n && chunk.bytes <= LEANN_CHUNK_BYTES);
        assert_memory_equal(chunk.text, text + at, chunk.bytes);
        assert_false(fake_blank(chunk.text[chunk.bytes - 1]));
        assert_int_equal(chunk.first_line, row);
        leann_text whole = {chunk.text, chunk.bytes};
        fake_count(&fake_encoder, ctx, &whole, 1, &tokens);
        assert_int_equal(tokens, chunk.tokens);
        assert_in_range(tokens, 1, FAKE_TOKENS);
        for (; at < chunk.offset + chunk.bytes; at++) row += text[at] == '\n';
        assert_int_equal(chunk.last_line, row);
        assert_true(out->n < 4096);
        out->chunk[out->n] = chunk;
        out->chunk[out->n++].text = text + chunk.offset;
    }
    leann_chunker_free(c);
    leann_ctx_free(ctx);
}

/* The same whatever the reader gives at once; the begins of the chunks are `wanted`, a bar between two. */
static void begins(const char *text, leann_text_shape shape, const char *wanted)
{
    static chunks a, b;
    char got[4096] = "";
    cut(text, strlen(text), shape, 0, &a);
    cut(text, strlen(text), shape, 1, &b);
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        assert_true(a.chunk[i].offset == b.chunk[i].offset && a.chunk[i].bytes == b.chunk[i].bytes);
        const char *from = a.chunk[i].text;
        while (fake_blank(*from)) from++;
        strncat(got, from, strcspn(from, " \n") < 20 ? strcspn(from, " \n") : 20);
        if (i + 1 < a.n) strcat(got, "|");
    }
    assert_string_equal(got, wanted);
}

#define TEN    "one two three four five six seven eight nine ten\n" /* 10 words, 10 tokens */
#define TWENTY TEN TEN

static void structure(void **state)
{
    (void)state;
    begins("", LEANN_PROSE, "");
    begins(" \n\n\t \r\n", LEANN_PROSE, "");
    begins("\n\nword", LEANN_PROSE, "word");
    begins("A " TEN "B " TEN "\nC " TEN "D " TEN, LEANN_PROSE, "A|C");                /* a paragraph */
    begins("A " TEN "\nB " TEN "\nC " TEN "\nD " TEN, LEANN_PROSE, "A|C");            /* two fit */
    begins("A " TEN "B " TEN "C " TEN "D " TEN, LEANN_PROSE, "A|C");                  /* lines */
    begins("# A\n" TEN "## B\n" TEN "# C\n" TEN "## D\n" TEN, LEANN_MARKDOWN, "#|#"); /* the higher heading */
    begins("A\n=\n" TEN "\nB\n----\n" TEN "\nC\n====\n" TEN TEN, LEANN_MARKDOWN, "A|C");
    begins("a\n```\n# no\n" TEN "# heading\n" TEN "```\n\n# H\n" TEN TEN, LEANN_MARKDOWN, "a|#");
    begins("=====\nTitle\n=====\n\n" TEN "\nSection\n-------\n" TEN "\nSub\n~~~~\n" TEN "\nOther\n-----\n" TEN, LEANN_UNDERLINED,
           "=====|Section|Other");
    begins("int a;\n\nvoid f(void)\n{\n\tx;\n\n" TWENTY "}\n\n/* g */\nvoid g(void)\n{\n" TWENTY "}\n", LEANN_CODE, "int|/*");
    begins("class A:\n    def f():\n        " TEN "\n    def g():\n        x\n\n        " TEN "        y\n\n        " TWENTY, LEANN_CODE,
           "class|def|one");
    begins("if a {\n" TWENTY "b\n} else {\n" TWENTY "}\n", LEANN_CODE, "if|one");
}

static void long_lines(void **state)
{
    (void)state;
    static chunks out;
    begins("Head\n\nA one two three four five six seven eight. Nine ten one two three four five six seven eight nine ten. "
           "Eleven one two three four five six seven eight nine ten twelve.\nnext",
           LEANN_PROSE, "Head|Eleven"); /* a title goes with what fits of its paragraph, up to a sentence */
    static char text[1 << 20];
    memset(text, 'x', sizeof text);
    cut(text, 100000, LEANN_PROSE, 0, &out); /* one word, by bytes */
    assert_in_range(out.n, 100000 / (8 * FAKE_TOKENS), 100000 / (4 * FAKE_TOKENS));
    for (size_t i = 0; i + 3 <= sizeof text; i += 3) memcpy(text + i, "\xe3\x81\x82", 3);
    cut(text, 99999, LEANN_PROSE, 777, &out); /* characters stay whole */
    for (size_t i = 0; i < out.n; i++) assert_true(out.chunk[i].offset % 3 == 0 && out.chunk[i].bytes % 3 == 0);
    memset(text, 0, sizeof text); /* a NUL is no blank, and no end */
    cut(text, 50000, LEANN_CODE, 0, &out);
    memset(text, '\f', 50000);
    text[0] = text[49999] = 'x';
    for (size_t i = 50000; i < 50400; i++) text[i] = i % 2 ? '\v' : 'y';
    cut(text, 50400, LEANN_PROSE, 0, &out);
    memset(text, '\x80', sizeof text);
    cut(text, 50000, LEANN_PROSE, 0, &out); /* no UTF-8, and a chunk has its limit in bytes */
    for (size_t i = 0; i < sizeof text; i++) text[i] = i % 5 == 4 ? ' ' : 'w';
    cut(text, 200000, LEANN_PROSE, 0, &out); /* one line of words */
    assert_in_range(out.n, 200000 / 5 / FAKE_TOKENS, 200000 / 5 / FAKE_TOKENS + 2);
    memset(text, '\n', sizeof text);
    text[5] = text[700000] = 'w';
    cut(text, sizeof text, LEANN_CODE, 0, &out);
    assert_int_equal(out.n, 2);
    assert_int_equal(out.chunk[1].first_line, 700000);
    memset(text, ' ', sizeof text);
    text[700000] = 'w';
    cut(text, sizeof text, LEANN_CODE, 100, &out);
    assert_int_equal(out.n, 1);
}

/* Random texts of the pieces that ranks look at: what holds of all is checked in cut(), and that the reader does not matter. */
static void any_text(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\n",     "\n\n",  " ",   "\t",         "word ",        "# ",     "====\n",
                                         "----\n", "```\n", "}\n", "def f():\n", "\xe3\x81\x82", "\x80",   "long-long-long-long-word",
                                         TEN,      "    ",  ".",   "\r\n",       "* item\n",     "#else\n"};
    enum { PIECES = sizeof pieces / sizeof *pieces };
    static char text[40000];
    static chunks a, b;
    for (uint32_t round = 0; round < 120; round++) {
        leann_rng rng = leann_rng_at(3, "text", round);
        size_t n = 0, want = leann_rng_below(&rng, round % 8 == 0 ? 30000 : 2000);
        while (n < want) {
            const char *piece = pieces[leann_rng_below(&rng, PIECES)];
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        for (int shape = LEANN_PROSE; shape <= LEANN_CODE; shape++) {
            cut(text, n, (leann_text_shape)shape, 0, &a);
            cut(text, n, (leann_text_shape)shape, 1 + round * 7, &b);
            assert_int_equal(a.n, b.n);
            for (size_t i = 0; i < a.n; i++) assert_true(a.chunk[i].offset == b.chunk[i].offset && a.chunk[i].bytes == b.chunk[i].bytes);
        }
    }
}

static leann_status broken(leann_ctx *ctx, void *arg, char *to, size_t room, size_t *got)
{
    (void)arg, (void)to, (void)room, (void)got;
    return leann_fail(ctx, LEANN_EIO, "cannot read the file");
}

static void failures(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_chunker *c = NULL;
    leann_chunk chunk;
    assert_int_equal(leann_chunker_new(ctx, &fake_encoder, FAKE_TOKENS + 1, &c), LEANN_EINVAL);
    assert_string_equal(leann_ctx_error(ctx), "chunks of 33 tokens; the encoder takes at most 32");
    leann_ctx_clear(ctx);
    assert_int_equal(leann_chunker_new(ctx, &fake_encoder, 5, &c), LEANN_OK);
    leann_chunker_begin(c, LEANN_PROSE, broken, NULL);
    assert_int_equal(leann_chunker_next(c, &chunk), LEANN_EIO);
    source s = {TEN, strlen(TEN), 0, 0};
    leann_chunker_begin(c, LEANN_PROSE, more, &s); /* used again */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(leann_chunker_next(c, &chunk), LEANN_OK);
        assert_int_equal(chunk.tokens, 5);
    }
    assert_int_equal(leann_chunker_next(c, &chunk), LEANN_OK);
    assert_int_equal(chunk.bytes, 0);
    leann_chunker_free(c);
    leann_ctx_free(ctx);
}

static void languages(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name;
        leann_text_shape shape;
    } cases[] = {{"a/b.c", "c", LEANN_CODE},
                 {"b.PY", "python", LEANN_CODE},
                 {"x.tar.md", "markdown", LEANN_MARKDOWN},
                 {"src/CMakeLists.txt", "cmake", LEANN_CODE},
                 {"notes.txt", "text", LEANN_UNDERLINED},
                 {"a.d/file", "other", LEANN_PROSE},
                 {"Makefile", "make", LEANN_CODE},
                 {"index.rst", "rst", LEANN_UNDERLINED},
                 {".c", "c", LEANN_CODE},
                 {"x.", "other", LEANN_PROSE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const leann_language *l = leann_language_at(leann_language_of(cases[i].path));
        assert_string_equal(l->name, cases[i].name);
        assert_int_equal(l->shape, cases[i].shape);
    }
    assert_null(leann_language_at(leann_language_count()));
}

static uint64_t asked; /* bytes that were counted */

static leann_status asking_count(const leann_encoder *self, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *tokens)
{
    for (uint32_t i = 0; i < n; i++) asked += texts[i].n;
    return fake_count(self, ctx, texts, n, tokens);
}

/* However long lines and words are, no byte is counted over and over. */
static void counted_little(void **state)
{
    (void)state;
    enum { BYTES = 300000 };
    static char text[BYTES];
    static const struct {
        const char *letters;
        uint32_t line; /* bytes of one; 0: all is one */
    } cases[] = {{"x", 0},   {"abcdefg+hijklmnop/", 0}, {"\xe4\xb8\xad", 0}, {"abcdefg+hijklmnop/", 15000}, {"some words. ", 15000},
                 {"x", 9000}};
    leann_encoder_type type = fake_type;
    leann_encoder encoder = fake_encoder;
    type.count = asking_count;
    encoder.type = &type;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leann_ctx *ctx = leann_ctx_new(1, 1);
        leann_chunker *c = NULL;
        leann_chunk chunk = {.bytes = 1};
        source s = {text, sizeof text, 0, 0};
        for (size_t at = 0; at < sizeof text; at++) {
            text[at] = cases[i].letters[at % strlen(cases[i].letters)];
            if (cases[i].line && at % cases[i].line == cases[i].line - 1) text[at] = '\n';
        }
        asked = 0;
        assert_int_equal(leann_chunker_new(ctx, &encoder, 0, &c), LEANN_OK);
        leann_chunker_begin(c, LEANN_PROSE, more, &s);
        while (chunk.bytes) assert_int_equal(leann_chunker_next(c, &chunk), LEANN_OK);
        if (asked > 25 * (uint64_t)BYTES) fail_msg("case %zu: %zu bytes counted for %d", i, (size_t)asked, BYTES);
        leann_chunker_free(c);
        leann_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(structure), cmocka_unit_test(long_lines),     cmocka_unit_test(any_text),
                                       cmocka_unit_test(failures),  cmocka_unit_test(counted_little), cmocka_unit_test(languages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
