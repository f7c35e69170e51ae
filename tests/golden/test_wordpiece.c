/* test_wordpiece.c – token ids that the `tokenizers` package gives, tests/golden/wordpiece.txt, with a vocabulary that has every code point
 * up to U+33FFF: of every code point, alone and in company, and of all kinds of texts. `scripts/reference/wordpiece golden` writes the file.
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

#include "core/ctx.h"
#include "encoders/minilm.h"

enum { ROOM = 1 << 16, LAST = 0x34000, BLOCK = 4096, MODES = 4 };
static uint32_t ids[ROOM], wanted[ROOM];

static const struct {
    const char *word;
    leann_wordpiece_options options;
} modes[MODES] = {
    {"lower+strip+cjk", {true, true, true, 100, "[UNK]", "[CLS]", "[SEP]", "##"}},
    {"cjk", {false, false, true, 100, "[UNK]", "[CLS]", "[SEP]", "##"}},
    {"lower+cjk", {true, false, true, 100, "[UNK]", "[CLS]", "[SEP]", "##"}},
    {"strip", {false, true, false, 100, "[UNK]", "[CLS]", "[SEP]", "##"}},
};

/* [PAD] … [MASK], the words, and every code point below LAST as a word and as a continuation: as the script has it. */
static char *vocabulary_of(const char *words, size_t *bytes)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, bytes);
    assert_non_null(to);
    fputs("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", to);
    for (const char *c = words; *c; c++) putc(*c == ' ' ? '\n' : *c, to);
    putc('\n', to);
    for (int more = 0; more < 2; more++)
        for (uint32_t cp = 0x21; cp < LAST; cp++) {
            uint8_t utf8[4];
            if (cp >= 0xD800 && cp < 0xE000) continue;
            size_t n = leann_utf8_put(cp, utf8);
            fprintf(to, "%s%.*s\n", more ? "##" : "", (int)n, (const char *)utf8);
        }
    fclose(to);
    return text;
}

static uint32_t encode(const leann_wordpiece *self, leann_ctx *ctx, const void *text, size_t n, uint32_t max)
{
    uint32_t found;
    assert_int_equal(leann_wordpiece_encode(self, ctx, (leann_text){NULL, 0}, (leann_text){text, n}, max, ids, &found), LEANN_OK);
    return found;
}

/* block FIRST DIGEST…: of the ids of BLOCK code points one after another. */
static void check_block(const leann_wordpiece *self, leann_ctx *ctx, const char *line)
{
    static const uint32_t around[3][2] = {{0, 0}, {'a', 'b'}, {0x1D16D, 0x1D165}};
    static const char *const company[3] = {"alone", "between letters", "between combining characters"};
    unsigned first, want[3];
    assert_int_equal(sscanf(line, "block %X %x %x %x", &first, &want[0], &want[1], &want[2]), 4);
    for (int i = 0; i < 3; i++) {
        uint32_t digest = 2166136261u;
        for (uint32_t cp = first; cp < first + BLOCK; cp++) {
            uint8_t text[12];
            if (cp >= 0xD800 && cp < 0xE000) continue;
            size_t n = i > 0 ? leann_utf8_put(around[i][0], text) : 0;
            n += leann_utf8_put(cp, text + n);
            n += i > 0 ? leann_utf8_put(around[i][1], text + n) : 0;
            uint32_t found = encode(self, ctx, text, n, ROOM);
            for (uint32_t j = 0; j < found; j++) digest = (digest ^ ids[j]) * 16777619u;
        }
        if (digest != want[i]) fail_msg("one of U+%04X … U+%04X differs, %s", first, first + BLOCK - 1, company[i]);
    }
}

/* text MODE TEXT IDS…: whole, and cut at every length. */
static void check_text(leann_wordpiece *const *self, leann_ctx *ctx, char *line)
{
    static uint8_t text[1 << 16];
    char *word = line + 5, *quoted = strchr(word, ' ') + 1, *numbers = strchr(quoted, ' ');
    size_t n = 0, mode = 0;
    uint32_t want = 0, counted;
    quoted[-1] = 0;
    while (strcmp(modes[mode].word, word) != 0) assert_true(++mode < MODES);
    for (const char *c = quoted; c < numbers; c++) {
        unsigned byte = (uint8_t)*c;
        if (*c == '%') assert_int_equal(sscanf(c + 1, "%2X", &byte), 1);
        if (*c == '%') c += 2;
        text[n++] = (uint8_t)byte;
    }
    while (*numbers == ' ') wanted[want++] = (uint32_t)strtoul(numbers, &numbers, 10);
    if (encode(self[mode], ctx, text, n, ROOM) != want || memcmp(ids, wanted, want * sizeof *ids) != 0) fail_msg("%s: %s", word, quoted);
    for (uint32_t max = 2; max < want; max++) {
        assert_int_equal(encode(self[mode], ctx, text, n, max), max);
        if (memcmp(ids, wanted, (max - 1) * sizeof *ids) != 0) fail_msg("%s, cut to %u: %s", word, max, quoted);
        assert_int_equal(ids[max - 1], wanted[want - 1]);
    }
    assert_int_equal(leann_wordpiece_count(self[mode], ctx, (leann_text){(const char *)text, n}, &counted), LEANN_OK);
    assert_int_equal(counted, want - 2);
}

static void test_golden(void **state)
{
    (void)state;
    static char line[1 << 18];
    leann_wordpiece *self[MODES] = {NULL};
    leann_ctx *ctx = leann_ctx_new(1, 1);
    unsigned blocks = 0, texts = 0;
    FILE *from = fopen("tests/golden/wordpiece.txt", "r");
    assert_non_null(from);
    while (fgets(line, sizeof line, from)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "tokens ", 7) == 0) {
            size_t bytes;
            char *vocabulary = vocabulary_of(line + 7, &bytes);
            for (int i = 0; i < MODES; i++)
                if (leann_wordpiece_new(ctx, vocabulary, bytes, &modes[i].options, &self[i])) fail_msg("%s", leann_ctx_error(ctx));
            free(vocabulary);
        }
        if (strncmp(line, "block ", 6) == 0) {
            check_block(self[0], ctx, line);
            blocks++;
        }
        if (strncmp(line, "text ", 5) == 0) {
            check_text(self, ctx, line);
            texts++;
        }
    }
    fclose(from);
    assert_int_equal(blocks, 0x110000 / BLOCK);
    assert_true(texts >= 400);
    for (int i = 0; i < MODES; i++) leann_wordpiece_free(self[i]);
    leann_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
