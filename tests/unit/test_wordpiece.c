/* test_wordpiece.c – the tokenizer against texts read by hand and a plain greedy referee; limits, prefixes, parts, hostile vocabularies.
 * What it shares with `tokenizers`: golden.wordpiece.
 *
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/ctx.h"
#include "encoders/minilm.h"

enum { ROOM = 1 << 21 };
static uint32_t ids[ROOM + 1], other[ROOM];
static const leann_wordpiece_options uncased = {true, true, true, 100, "[UNK]", "[CLS]", "[SEP]", "##"};
static const char small[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nab\n##a\n##b\n##ab\n##abb\nword\n##ing\n.\n!\n[\n]\ncls\n\xC3\xA9\n\xE4\xB8\xAD\n";
enum {
    PAD,
    UNK,
    CLS,
    SEP,
    MASK,
    A,
    B,
    AB,
    MORE_A,
    MORE_B,
    MORE_AB,
    MORE_ABB,
    WORD,
    ING,
    DOT,
    BANG,
    OPEN,
    CLOSE,
    LOWER_CLS,
    ACCENT,
    IDEOGRAPH
};

static leann_wordpiece *make(leann_ctx *ctx, const char *vocabulary, size_t bytes, leann_wordpiece_options options)
{
    leann_wordpiece *self;
    if (leann_wordpiece_new(ctx, vocabulary, bytes, &options, &self)) fail_msg("%s", leann_ctx_error(ctx));
    return self;
}

static uint32_t encode(const leann_wordpiece *self, leann_ctx *ctx, const void *text, size_t n, uint32_t max)
{
    uint32_t found, beyond = ids[max] = 0xA5A5A5A5;
    assert_int_equal(leann_wordpiece_encode(self, ctx, (leann_text){NULL, 0}, (leann_text){text, n}, max, ids, &found), LEANN_OK);
    assert_int_equal(ids[max], beyond);
    return found;
}

/* Ids between the marks, ended by UINT32_MAX. */
static void gives(const leann_wordpiece *self, leann_ctx *ctx, const char *text, size_t n, const uint32_t *want)
{
    uint32_t found = encode(self, ctx, text, n, ROOM), i = 0, counted;
    assert_int_equal(ids[0], CLS);
    assert_int_equal(ids[found - 1], SEP);
    for (; want[i] != UINT32_MAX; i++)
        if (i + 2 >= found || ids[i + 1] != want[i]) fail_msg("'%s': token %u", text, i);
    if (i + 2 != found) fail_msg("'%s': %u tokens, not %u", text, found - 2, i);
    assert_int_equal(leann_wordpiece_count(self, ctx, (leann_text){text, n}, &counted), LEANN_OK);
    assert_int_equal(counted, i);
}
#define GIVES(text, ...) gives(self, ctx, text, sizeof text - 1, (const uint32_t[]){__VA_ARGS__ UINT32_MAX})

static void test_words(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_wordpiece *self = make(ctx, small, sizeof small - 1, uncased);
    assert_int_equal(leann_wordpiece_size(self), 21);
    GIVES("", );
    GIVES(" \t\r\n\xC2\xA0", );
    GIVES("a  AB\nwording", A, AB, WORD, ING, );
    GIVES("abab", AB, MORE_AB, );
    GIVES("aabb", A, MORE_ABB, );
    GIVES("aabbx ab", UNK, AB, ); /* a word that cannot be cut to its end is unknown as a whole */
    GIVES("a.b!?", A, DOT, B, BANG, UNK, );
    GIVES("a\fb\v\177", AB, ); /* control characters go, and are no white space */
    GIVES("a\0b\xEF\xBF\xBD", AB, );
    GIVES("a\377b\344\270", AB, ); /* as U+FFFD */
    GIVES("a\344\270\255b", A, IDEOGRAPH, B, );
    GIVES("\303\241B\314\201", AB, ); /* accents, composed and not */
    GIVES("a[CLS]b[SEP][MASK] [PAD][UNK]", A, CLS, B, SEP, MASK, PAD, UNK, );
    GIVES("[cls] [CLS[CLS]", OPEN, LOWER_CLS, CLOSE, OPEN, LOWER_CLS, CLS, );
    GIVES("[CL\xC2\xADS]", OPEN, LOWER_CLS, CLOSE, ); /* special tokens are found before anything is cleaned */
    leann_wordpiece_free(self);
    static const char nested[] = "[UNK]\nx\n[A]\n[A\na\n]\n"; /* of two special tokens the longer one */
    self = make(ctx, nested, sizeof nested - 1, (leann_wordpiece_options){true, true, true, 100, "[UNK]", "[A]", "[A", "##"});
    assert_int_equal(encode(self, ctx, "[A]x[Ax", 7, ROOM), 6);
    assert_memory_equal(ids, ((uint32_t[]){2, 2, 1, 3, 1, 3}), 6 * sizeof *ids);
    leann_wordpiece_free(self);
    self = make(ctx, small, sizeof small - 1, (leann_wordpiece_options){false, false, false, 2, "[UNK]", "[CLS]", "[SEP]", "##"});
    GIVES("A ab aab", UNK, AB, UNK, );
    GIVES("\xC3\xA9 e\xCC\x81", ACCENT, UNK, );
    GIVES("a\xE4\xB8\xAD \xE4\xB8\xAD", UNK, IDEOGRAPH, );
    leann_wordpiece_free(self);
    leann_ctx_free(ctx);
}

static void refused(const char *vocabulary, size_t bytes, leann_wordpiece_options options, leann_status status, const char *sentence)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_wordpiece *self = (leann_wordpiece *)&ids;
    assert_int_equal(leann_wordpiece_new(ctx, vocabulary, bytes, &options, &self), status);
    assert_null(self);
    if (!strstr(leann_ctx_error(ctx), sentence)) fail_msg("'%s' lacks '%s'", leann_ctx_error(ctx), sentence);
    leann_ctx_free(ctx);
}

static void test_vocabularies(void **state)
{
    (void)state;
    leann_wordpiece_options options = uncased;
    static char wide[3 << 20];
    refused("", 0, options, LEANN_EFORMAT, "is empty");
    refused("a\n\nb\n", 5, options, LEANN_EFORMAT, "line 2 is empty");
    refused("[UNK]\n[CLS]\n[SEP]\na\nb\na", 23, options, LEANN_EFORMAT, "'a' in line 4 and in line 6");
    refused("[UNK]\n[CLS]\na\n", 14, options, LEANN_EFORMAT, "lacks the special token '[SEP]'");
    memset(wide, 'x', 1025);
    refused(wide, 1025, options, LEANN_EFORMAT, "line 1 has 1025 bytes; a token has at most 1024");
    for (size_t i = 0; i < sizeof wide; i += 2) memcpy(wide + i, "x\n", 2);
    refused(wide, sizeof wide, options, LEANN_EFORMAT, "more than 1048576 tokens");
    options.max_word = 0;
    refused(small, sizeof small - 1, options, LEANN_EINVAL, "0 code points");
    options = uncased;
    strcpy(options.first, "word");
    refused(small, sizeof small - 1, options, LEANN_EUNSUPPORTED, "'word' does not begin with");
    strcpy(options.first, "");
    refused(small, sizeof small - 1, options, LEANN_EFORMAT, "lacks the special token ''");

    leann_ctx *ctx = leann_ctx_new(1, 1); /* lines ended by CR LF, the last one by nothing; a token of 1,024 bytes */
    char lines[1100] = "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\nb\r\n";
    size_t n = strlen(lines);
    memset(lines + n, 'y', 1024);
    options = uncased;
    options.max_word = 1000;
    leann_wordpiece *self = make(ctx, lines, n + 1024, options);
    assert_int_equal(leann_wordpiece_size(self), 6);
    GIVES("b yyy", 4, UNK, );
    leann_wordpiece_free(self);
    leann_ctx_free(ctx);
}

/* ---- a referee: the greedy rule as it is said, over a list of tokens ----------------------------------------------------------------- */

enum { TOKENS = 40, LETTERS = 3, WORDS = 12 };
typedef struct {
    char token[TOKENS][8]; /* the first five: [PAD] … [MASK] */
    uint32_t n;
} list;

static bool has(const list *l, const char *token)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (strcmp(l->token[i], token) == 0) return true;
    return false;
}

static list random_list(leann_rng *rng)
{
    list l = {{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}, 5};
    while (l.n < TOKENS) {
        char token[8] = "##";
        size_t at = leann_rng_below(rng, 2) ? 2 : 0, end = at + 1 + leann_rng_below(rng, 4);
        for (; at < end; at++) token[at] = (char)('a' + leann_rng_below(rng, LETTERS));
        token[at] = 0;
        if (!has(&l, token)) strcpy(l.token[l.n++], token);
    }
    return l;
}

/* Tokens of one word to out; how many. */
static uint32_t greedy(const list *l, const char *word, uint32_t *out)
{
    uint32_t n = 0;
    for (size_t at = 0, length; word[at]; at += length) {
        uint32_t found = UNK;
        for (length = strlen(word + at); length > 0 && found == UNK; length -= found == UNK) {
            char key[32];
            snprintf(key, sizeof key, "%s%.*s", at > 0 ? "##" : "", (int)length, word + at);
            for (uint32_t i = 5; i < l->n; i++)
                if (strcmp(l->token[i], key) == 0) found = i;
        }
        if (found == UNK) {
            out[0] = UNK;
            return 1;
        }
        out[n++] = found;
    }
    return n;
}

static void test_greedy(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    uint32_t unknown = 0, pieces = 0;
    for (uint64_t trial = 0; trial < 300; trial++) {
        leann_rng rng = leann_rng_at(3, "wordpiece", trial);
        list l = random_list(&rng);
        char lines[TOKENS * 8] = "", text[WORDS * 12] = "";
        for (uint32_t i = 0; i < l.n; i++) strcat(strcat(lines, l.token[i]), "\n");
        leann_wordpiece *self = make(ctx, lines, strlen(lines), uncased);
        uint32_t want = 0;
        for (uint32_t w = 0; w < WORDS; w++) {
            char word[12] = "";
            for (uint32_t i = 1 + leann_rng_below(&rng, 9); i > 0; i--) word[i - 1] = (char)('a' + leann_rng_below(&rng, LETTERS));
            strcat(strcat(text, word), " ");
            uint32_t n = greedy(&l, word, other + want);
            unknown += other[want] == UNK;
            pieces += n > 1;
            want += n;
        }
        assert_int_equal(encode(self, ctx, text, strlen(text), ROOM), want + 2);
        assert_memory_equal(ids + 1, other, want * sizeof *ids);
        for (uint32_t max = 2; max < want + 2; max++) { /* a word is unknown as a whole also where its beginning alone would fit */
            assert_int_equal(encode(self, ctx, text, strlen(text), max), max);
            assert_memory_equal(ids + 1, other, (max - 2) * sizeof *ids);
        }
        leann_wordpiece_free(self);
    }
    assert_true(unknown > 300 && pieces > 300);
    leann_ctx_free(ctx);
}

/* ---- limits, prefixes, parts, long texts --------------------------------------------------------------------------------------------- */

/* A text that says it has 1 GiB, of which all but the first pages must not be read. */
static void test_reads_no_further(void **state)
{
    (void)state;
    enum { PAGES = 16384 };
    static const char *const texts[] = {"ab ab ", "abx", ".", "[CLS]", "\xC3\xA1 ", "\xE4\xB8\xAD"};
    size_t n = (size_t)1 << 30;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_wordpiece *self = make(ctx, small, sizeof small - 1, uncased);
    char *text = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(text != MAP_FAILED);
    assert_int_equal(mprotect(text, PAGES, PROT_READ | PROT_WRITE), 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint32_t max = i == 1 ? 3 : 256, found; /* a word without an end: its token is known when it is too long */
        for (size_t at = 0; at < PAGES; at++) text[at] = texts[i][at % strlen(texts[i])];
        assert_int_equal(encode(self, ctx, text, n, max), max);
        assert_int_equal(leann_wordpiece_encode(self, ctx, (leann_text){"word", 4}, (leann_text){text, n}, max, other, &found), LEANN_OK);
        assert_int_equal(found, max);
    }
    munmap(text, n);
    leann_wordpiece_free(self);
    leann_ctx_free(ctx);
}

static void test_prefixes(void **state)
{
    (void)state;
    static const char text[] = "word ab[CLS] a\314\201b \xE4\xB8\xAD aabbx. wording [SEP";
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_wordpiece *self = make(ctx, small, sizeof small - 1, uncased);
    uint32_t all = encode(self, ctx, text, sizeof text - 1, ROOM), found;
    for (size_t at = 0; at < sizeof text; at++) {
        if (((uint8_t)text[at] & 0xC0) == 0x80) continue; /* a prefix is UTF-8 */
        assert_int_equal(
            leann_wordpiece_encode(self, ctx, (leann_text){text, at}, (leann_text){text + at, sizeof text - 1 - at}, 64, other, &found),
            LEANN_OK);
        assert_int_equal(found, all);
        assert_memory_equal(ids, other, all * sizeof *ids);
    }
    /* What a part of the text ends in is no end: a special token, a word, a code point that lies across. */
    enum { MAX = 50, LENGTH = 200000 };
    static char spread[LENGTH];
    for (size_t shift = 0; shift < 6; shift++) {
        memset(spread, '\r', sizeof spread);
        for (size_t i = shift; i + 5 <= LENGTH; i += 4096 + 16 * (MAX - 2) - 3) memcpy(spread + i, i / 4096 % 2 ? "[CLS]" : "abab\r", 5);
        all = encode(self, ctx, spread, LENGTH, MAX);
        assert_int_equal(
            leann_wordpiece_encode(self, ctx, (leann_text){spread, 2}, (leann_text){spread + 2, LENGTH - 2}, MAX, other, &found), LEANN_OK);
        assert_int_equal(found, all);
        assert_memory_equal(ids, other, all * sizeof *ids);
    }
    leann_wordpiece_free(self);
    leann_ctx_free(ctx);
}

static void test_parts_add_up(void **state)
{
    (void)state;
    static const char *const words[] = {"ab", "abab[CLS]", "aabbx", ".", "\xE4\xB8\xAD!", "\xFF", "a\xCC", "wording", "[SEP", "x\x0C"};
    static const char *const spaces[] = {" ", "\n", "\t\r\n", "\xC2\xA0", "\xE3\x80\x80"};
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_wordpiece *self = make(ctx, small, sizeof small - 1, uncased);
    char text[4096] = "";
    uint32_t sum = 0, n;
    for (uint64_t i = 0; i < 400; i++) {
        leann_rng rng = leann_rng_at(4, "wordpiece", i);
        const char *word = words[leann_rng_below(&rng, 10)], *space = spaces[leann_rng_below(&rng, 5)];
        strcat(strcat(text, word), space);
        assert_int_equal(leann_wordpiece_count(self, ctx, (leann_text){word, strlen(word)}, &n), LEANN_OK);
        sum += n;
        assert_int_equal(leann_wordpiece_count(self, ctx, (leann_text){text, strlen(text)}, &n), LEANN_OK);
        assert_int_equal(n, sum);
    }
    leann_wordpiece_free(self);
    leann_ctx_free(ctx);
}

static void test_long_words(void **state)
{
    (void)state;
    enum { MEGA = 1 << 20 };
    static char text[MEGA];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_wordpiece *self = make(ctx, small, sizeof small - 1, uncased);
    memset(text, 'a', sizeof text);
    assert_int_equal(encode(self, ctx, text, 100, ROOM), 102); /* 100 code points are a word, 101 are not */
    assert_int_equal(encode(self, ctx, text, 101, ROOM), 3);
    assert_int_equal(ids[1], UNK);
    assert_int_equal(encode(self, ctx, text, MEGA, ROOM), 3);
    for (size_t i = 0; i < MEGA; i += 2) memcpy(text + i, "\xC3\xA1", 2); /* without its accent an a */
    assert_int_equal(encode(self, ctx, text, 200, ROOM), 102);
    assert_int_equal(encode(self, ctx, text, 202, ROOM), 3);
    assert_int_equal(encode(self, ctx, text, MEGA, ROOM), 3);
    for (size_t i = 2; i < MEGA; i += 2) memcpy(text + i, "\xCC\x81", 2); /* marks that go do not count */
    assert_int_equal(encode(self, ctx, text, MEGA, ROOM), 3);
    assert_int_equal(ids[1], A);
    memset(text, '.', sizeof text);
    assert_int_equal(encode(self, ctx, text, MEGA, ROOM), MEGA + 2);
    leann_wordpiece_free(self);
    leann_ctx_free(ctx);
}

/* ---- UTF-8 --------------------------------------------------------------------------------------------------------------------------- */

/* As bytes.decode("utf-8", errors="replace") reads it. */
static void reads(const char *bytes, size_t n, const uint32_t *want)
{
    const uint8_t *at = (const uint8_t *)bytes, *end = at + n;
    size_t i = 0;
    for (; at < end; i++) assert_int_equal(leann_utf8_next(&at, end), want[i]);
    assert_int_equal(want[i], UINT32_MAX);
}
#define READS(bytes, ...) reads(bytes, sizeof bytes - 1, (const uint32_t[]){__VA_ARGS__, UINT32_MAX})

static void test_utf8(void **state)
{
    (void)state;
    enum { R = LEANN_CHAR_REPLACEMENT };
    READS("a\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x91\xA9", 'a', 0xE9, 0x4E2D, 0x1F469);
    READS("\x80\xFFz", R, R, 'z');
    READS("\xC0\x80\xC1\xBF", R, R, R, R);
    READS("\xE0\x80\x80", R, R, R);
    READS("\xED\xA0\x80", R, R, R);
    READS("\xED\x9F\xBF\xEE\x80\x80", 0xD7FF, 0xE000);
    READS("\xF0\x80\x80", R, R, R);
    READS("\xF4\x90\x80\x80\xF5", R, R, R, R, R);
    READS("\xF4\x8F\xBF\xBF", 0x10FFFF);
    READS("\xF0\x9F\x91z\xE4\xB8", R, 'z', R); /* one for all bytes of a beginning */
    READS("\xE4\xB8\xC3\xA9\xC3", R, 0xE9, R);
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        uint8_t utf8[4];
        if (cp >= 0xD800 && cp < 0xE000) continue;
        size_t n = leann_utf8_put(cp, utf8);
        const uint8_t *at = utf8;
        assert_int_equal(leann_utf8_next(&at, utf8 + n), cp);
        assert_ptr_equal(at, utf8 + n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),      cmocka_unit_test(test_vocabularies),
        cmocka_unit_test(test_greedy),     cmocka_unit_test(test_reads_no_further),
        cmocka_unit_test(test_prefixes),   cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_long_words), cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
