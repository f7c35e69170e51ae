/* minilm_unicode.c – the code points of UTF-8, and what the `tokenizers` package takes each of them for: O(1) a code point.
 *
 * Source: The Unicode Standard 15.0 as utf8proc has it, 3.9 (maximal subparts), 3.11 (normalisation forms) and 4.5 (categories); BERT's
 * BasicTokenizer as `tokenizers` 0.23.3 has it.
 * Differs: `tokenizers` mixes three versions: categories of Unicode 8, decompositions and combining classes of Unicode 9, lower case of
 * Unicode 17. Two tables hold what comes of it. `scripts/reference/wordpiece tables` made them: it asks `tokenizers` about every code point
 * and lists those that utf8proc 2.8 or Unicode 17 see otherwise, so that a newer utf8proc changes no token. What lies between two of a kind
 * and is of that kind itself joins them to one range.
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <utf8proc.h>

#include "encoders/minilm.h"

enum { WORD = LEANN_CHAR_WORD, MARK = LEANN_CHAR_MARK, SPACE = LEANN_CHAR_SPACE, CONTROL = LEANN_CHAR_CONTROL };
enum { PUNCTUATION = LEANN_CHAR_PUNCTUATION };

typedef struct {
    uint32_t first, last;
    uint8_t kind;
    bool ranked; /* has its combining class; else that is 0 */
} exception;

/* None of them decomposes. */
/* clang-format off */
static const exception exceptions[] = {
    {0x9, 0xA, SPACE, false}, {0xD, 0xD, SPACE, false}, {0x24, 0x2B, PUNCTUATION, false}, {0x3C, 0x3E, PUNCTUATION, false},
    {0x5E, 0x60, PUNCTUATION, false}, {0x7C, 0x7E, PUNCTUATION, false}, {0x5C8, 0x5C9, WORD, false}, {0x61D, 0x61D, WORD, false},
    {0x7FD, 0x7FD, WORD, false}, {0x890, 0x8D3, WORD, false}, {0x8D4, 0x8E1, WORD, true}, {0x8E2, 0x8E2, WORD, false},
    {0x9FD, 0x9FE, WORD, false}, {0xA76, 0xA76, WORD, false}, {0xAFA, 0xAFF, WORD, false}, {0xB53, 0xB55, WORD, false},
    {0xC04, 0xC3C, WORD, false}, {0xC77, 0xC77, WORD, false}, {0xC84, 0xC84, WORD, false}, {0xD00, 0xD00, WORD, false},
    {0xD3B, 0xD3C, WORD, false}, {0xD81, 0xD81, WORD, false}, {0xEBA, 0xEBA, WORD, false}, {0xECE, 0xECE, WORD, false},
    {0x166D, 0x166D, PUNCTUATION, false}, {0x1715, 0x1715, WORD, false}, {0x1734, 0x1734, MARK, true}, {0x180F, 0x1886, WORD, false},
    {0x1ABF, 0x1AF0, WORD, false}, {0x1B4E, 0x1B4F, WORD, false}, {0x1B7D, 0x1B7F, WORD, false}, {0x1DF6, 0x1DFA, WORD, false},
    {0x1DFB, 0x1DFB, WORD, true}, {0x2E43, 0x2E63, WORD, false}, {0xA82C, 0xA82C, WORD, false}, {0xA8C5, 0xA8C5, WORD, false},
    {0xA8FF, 0xA8FF, WORD, false}, {0xA9BD, 0xA9BD, WORD, false}, {0xFFFD, 0xFFFD, CONTROL, false}, {0x105C9, 0x105E4, WORD, false},
    {0x10D24, 0x10F89, WORD, false}, {0x11070, 0x11074, WORD, false}, {0x110C2, 0x110CD, WORD, false},
    {0x111C9, 0x111C9, PUNCTUATION, false}, {0x111CF, 0x111CF, WORD, false}, {0x1123E, 0x11241, WORD, false},
    {0x1133B, 0x1133B, WORD, false}, {0x11383, 0x1143F, WORD, false}, {0x11442, 0x11442, WORD, true}, {0x11443, 0x11444, WORD, false},
    {0x11446, 0x11446, WORD, true}, {0x1144B, 0x1145E, WORD, false}, {0x11660, 0x1166C, WORD, false}, {0x116B9, 0x116B9, WORD, false},
    {0x1171E, 0x1171E, MARK, false}, {0x1182F, 0x11C3D, WORD, false}, {0x11C3F, 0x11C3F, WORD, true}, {0x11C41, 0x11FFF, WORD, false},
    {0x12FF1, 0x1612F, WORD, false}, {0x16D68, 0x16F4F, WORD, false}, {0x16FE2, 0x16FF1, WORD, false}, {0x1CF00, 0x1D128, WORD, false},
    {0x1D250, 0x1D281, WORD, false}, {0x1E000, 0x1E006, WORD, true}, {0x1E008, 0x1E018, WORD, true}, {0x1E01B, 0x1E021, WORD, true},
    {0x1E023, 0x1E024, WORD, true}, {0x1E026, 0x1E02A, WORD, true}, {0x1E08F, 0x1E6F5, WORD, false}, {0x1E944, 0x1E94A, WORD, true},
    {0x1E95E, 0x1E95F, WORD, false},
};
/* clang-format on */

/* The same for lower case. */
typedef struct {
    uint32_t first, last;
    int32_t by;
} shift;

/* clang-format off */
static const shift shifts[] = {
    {0x1C89, 0x1C89, 1}, {0xA7CB, 0xA7CB, -42343}, {0xA7CC, 0xA7CC, 1}, {0xA7CE, 0xA7CE, 1}, {0xA7D2, 0xA7D2, 1}, {0xA7D4, 0xA7D4, 1},
    {0xA7DA, 0xA7DA, 1}, {0xA7DC, 0xA7DC, -42561}, {0x10D50, 0x10D65, 32}, {0x16EA0, 0x16EB8, 27},
};
/* clang-format on */

/* ---- UTF-8 ------------------------------------------------------------------------------------------------------------------------ */

uint32_t leann_utf8_next(const uint8_t **at, const uint8_t *end)
{
    assert(*at < end);
    uint32_t cp = *(*at)++;
    if (cp < 0x80) return cp;
    if (cp < 0xC2 || cp > 0xF4) return LEANN_CHAR_REPLACEMENT;
    unsigned more = cp >= 0xF0 ? 3 : cp >= 0xE0 ? 2 : 1;
    /* The second byte's bounds keep out long forms, surrogates and what is beyond U+10FFFF. */
    uint8_t low = cp == 0xE0 ? 0xA0 : cp == 0xF0 ? 0x90 : 0x80, high = cp == 0xED ? 0x9F : cp == 0xF4 ? 0x8F : 0xBF;
    for (cp &= 0x3Fu >> more; more > 0; more--) {
        if (*at == end || **at < low || **at > high) return LEANN_CHAR_REPLACEMENT; /* that byte begins the next one */
        cp = cp << 6 | (*(*at)++ & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    return cp;
}

size_t leann_utf8_put(uint32_t cp, uint8_t *out)
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)cp, out);
}

/* ---- kinds ------------------------------------------------------------------------------------------------------------------------ */

static const exception *exception_of(uint32_t cp)
{
    size_t low = 0, high = sizeof exceptions / sizeof *exceptions;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (cp > exceptions[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof exceptions / sizeof *exceptions && cp >= exceptions[low].first ? &exceptions[low] : NULL;
}

leann_char leann_char_kind(uint32_t cp)
{
    const exception *e = exception_of(cp);
    if (e) return (leann_char)e->kind;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
        return LEANN_CHAR_CONTROL;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return LEANN_CHAR_SPACE;
    case UTF8PROC_CATEGORY_MN:
        return LEANN_CHAR_MARK;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return LEANN_CHAR_PUNCTUATION;
    default:
        return LEANN_CHAR_WORD;
    }
}

uint8_t leann_char_rank(uint32_t cp)
{
    const exception *e = exception_of(cp);
    return e && !e->ranked ? 0 : (uint8_t)utf8proc_get_property((utf8proc_int32_t)cp)->combining_class;
}

/* As BERT has them, but that `tokenizers` takes U+2B820 … U+2B91F for something else. */
bool leann_char_ideograph(uint32_t cp)
{
    return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF) || (cp >= 0x20000 && cp <= 0x2A6DF) ||
           (cp >= 0x2A700 && cp <= 0x2B81F) || (cp >= 0x2B920 && cp <= 0x2CEAF) || (cp >= 0xF900 && cp <= 0xFAFF) ||
           (cp >= 0x2F800 && cp <= 0x2FA1F);
}

unsigned leann_char_decompose(uint32_t cp, uint32_t parts[LEANN_CHAR_PARTS])
{
    utf8proc_int32_t found[LEANN_CHAR_PARTS];
    parts[0] = cp;
    if (exception_of(cp)) return 1;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, found, LEANN_CHAR_PARTS, UTF8PROC_DECOMPOSE, NULL);
    assert(n >= 1 && n <= LEANN_CHAR_PARTS);
    for (utf8proc_ssize_t i = 0; i < n; i++) parts[i] = (uint32_t)found[i];
    return (unsigned)n;
}

unsigned leann_char_lower(uint32_t cp, uint32_t parts[LEANN_CHAR_PARTS])
{
    parts[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++)
        if (cp >= shifts[i].first && cp <= shifts[i].last) parts[0] = (uint32_t)((int32_t)cp + shifts[i].by);
    if (cp != 0x130) return 1;
    parts[0] = 'i'; /* the only one that becomes two: i with a dot above */
    parts[1] = 0x307;
    return 2;
}
