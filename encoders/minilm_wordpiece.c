/* minilm_wordpiece.c – text of n bytes -> token ids of a vocabulary, as BERT's models want them: one pass, O(n); a piece of a word costs as
 * many look-ups as the longest token has bytes, at most.
 *
 * What a byte folds to says what to do with it: letters and digits go into the word at hand, in lower case; the rest of ASCII ends it,
 * stands alone or is left out; other code points go by the Unicode tables. A finished word is cut into tokens from the left, the longest
 * first. They lie in two open hash tables, of those that begin a word and those that continue one: 8 bytes a slot, at most half full.
 *
 * Source: Devlin et al. 2019 (BERT), its BasicTokenizer; Wu et al. 2016 (arXiv 1609.08144), section 4.1, the greedy form; both as Hugging
 * Face's `tokenizers` 0.23 has them (BertNormalizer, BertPreTokenizer, WordPiece).
 * Differs: stops at the limit, where `tokenizers` cuts afterwards: the same ids.
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "core/ctx.h"
#include "encoders/minilm.h"

enum {
    MAX_TOKENS = 1 << 20,
    MAX_TOKEN = 1024, /* bytes */
    MAX_WORD = 65536, /* code points */
    SPECIALS = 5,
    AHEAD = 64 /* bytes; a token depends on less of what comes after it: on a special token or one code point */
};
#define NONE UINT32_MAX

/* What a byte folds to, where it is no part of a word as it stands; all others fold to IN_WORD or above. */
enum { LEFT_OUT, APART, ALONE, MAYBE_SPECIAL, WIDE, IN_WORD = ' ' };

typedef struct {
    uint32_t tag, token; /* token: id + 1; 0: free */
} slot;

typedef struct {
    slot *slots;
    size_t skip, longest; /* bytes of a token that are not looked up; the most that are */
    unsigned shift;       /* of a hash to its slot's number */
} table;

typedef struct {
    char text[32];
    size_t bytes;
    uint32_t id;
} special;
enum { UNKNOWN, FIRST, LAST }; /* then others that the vocabulary has */

struct leann_wordpiece {
    leann_wordpiece_options options;
    uint8_t fold[256];
    char *text;
    uint32_t n, *start; /* (n + 1): of a token in text */
    table whole, more;
    unsigned specials;
    special special[SPECIALS];
};

/* ---- the vocabulary -------------------------------------------------------------------------------------------------------------- */

static uint64_t hash_step(uint64_t hash, uint8_t byte)
{
    return (hash + byte + 1) * 0x9E3779B97F4A7C15u;
}

/* Where a token is, or the free slot that it would take. */
static slot *slot_of(const leann_wordpiece *self, const table *t, uint64_t hash, const uint8_t *bytes, size_t n)
{
    size_t mask = ((size_t)1 << (64 - t->shift)) - 1;
    for (size_t i = hash >> t->shift;; i = (i + 1) & mask) {
        slot *s = &t->slots[i];
        if (s->token == 0) return s;
        if (s->tag != (uint32_t)hash) continue;
        const char *text = self->text + self->start[s->token - 1] + t->skip, *end = self->text + self->start[s->token];
        if ((size_t)(end - text) == n && memcmp(text, bytes, n) == 0) return s;
    }
}

/* The same; a free slot has the tag already. */
static slot *slot_of_text(const leann_wordpiece *self, const table *t, const char *text, size_t n)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint64_t hash = 0;
    for (size_t i = 0; i < n; i++) hash = hash_step(hash, bytes[i]);
    slot *s = slot_of(self, t, hash, bytes, n);
    if (s->token == 0) s->tag = (uint32_t)hash;
    return s;
}

/* The longest token that the bytes begin with, its bytes in *length; NONE: there is none. */
static uint32_t longest_token(const leann_wordpiece *self, const table *t, const uint8_t *bytes, size_t n, size_t *length)
{
    uint64_t hash[MAX_TOKEN + 1];
    hash[0] = 0;
    if (n > t->longest) n = t->longest;
    for (size_t i = 0; i < n; i++) hash[i + 1] = hash_step(hash[i], bytes[i]);
    for (; n > 0; n--) {
        const slot *s = slot_of(self, t, hash[n], bytes, n);
        if (s->token == 0) continue;
        *length = n;
        return s->token - 1;
    }
    return NONE;
}

static leann_status table_new(leann_ctx *ctx, uint32_t tokens, size_t skip, table *t)
{
    *t = (table){.skip = skip, .shift = 63};
    while (((size_t)1 << (64 - t->shift)) < 2 * (size_t)tokens) t->shift--;
    t->slots = leann_alloc(ctx, (size_t)1 << (64 - t->shift), sizeof *t->slots);
    return t->slots ? LEANN_OK : LEANN_ENOMEM;
}

/* The line at *at without its end, and *at moved past it. */
static leann_text next_line(const char **at, const char *end)
{
    const char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));
    *at = stop ? stop + 1 : end;
    if (!stop) stop = end;
    if (stop > line && stop[-1] == '\r') stop--;
    return (leann_text){line, (size_t)(stop - line)};
}

static leann_status read_lines(leann_wordpiece *self, leann_ctx *ctx, const char *vocabulary, size_t bytes)
{
    const char *at = vocabulary, *end = vocabulary + bytes;
    size_t lines = 0, used = 0;
    for (; at < end; lines++) {
        leann_text line = next_line(&at, end);
        if (line.n == 0) return leann_fail(ctx, LEANN_EFORMAT, "the vocabulary's line %zu is empty", lines + 1);
        if (line.n > MAX_TOKEN)
            return leann_fail(ctx, LEANN_EFORMAT, "the vocabulary's line %zu has %zu bytes; a token has at most %d", lines + 1, line.n,
                              MAX_TOKEN);
        if (lines == MAX_TOKENS) return leann_fail(ctx, LEANN_EFORMAT, "the vocabulary has more than %d tokens", MAX_TOKENS);
    }
    if (lines == 0) return leann_fail(ctx, LEANN_EFORMAT, "the vocabulary is empty");
    self->text = leann_alloc(ctx, bytes, 1);
    self->start = leann_alloc(ctx, lines + 1, sizeof *self->start);
    if (!self->text || !self->start) return LEANN_ENOMEM;
    for (at = vocabulary; at < end; self->n++) {
        leann_text line = next_line(&at, end);
        memcpy(self->text + used, line.bytes, line.n);
        used += line.n;
        self->start[self->n + 1] = (uint32_t)used; /* at most 2^30 */
    }
    return LEANN_OK;
}

/* Is it one that continues a word? skip: bytes of the mark that says so. */
static bool continuing(const leann_wordpiece *self, uint32_t i, size_t skip)
{
    return self->start[i + 1] - self->start[i] > skip && memcmp(self->text + self->start[i], self->options.continues, skip) == 0;
}

static leann_status fill_tables(leann_wordpiece *self, leann_ctx *ctx)
{
    size_t skip = strnlen(self->options.continues, sizeof self->options.continues);
    uint32_t more = 0;
    for (uint32_t i = 0; i < self->n; i++) more += continuing(self, i, skip);
    leann_status status = table_new(ctx, self->n, 0, &self->whole);
    if (status == LEANN_OK) status = table_new(ctx, more, skip, &self->more);
    for (uint32_t i = 0; i < self->n && status == LEANN_OK; i++) {
        const char *text = self->text + self->start[i];
        size_t n = self->start[i + 1] - self->start[i];
        slot *s = slot_of_text(self, &self->whole, text, n);
        if (s->token > 0)
            return leann_fail(ctx, LEANN_EFORMAT, "the vocabulary has '%.*s' in line %u and in line %u", (int)n, text, s->token, i + 1);
        s->token = i + 1;
        if (n > self->whole.longest) self->whole.longest = n;
        if (!continuing(self, i, skip)) continue;
        slot_of_text(self, &self->more, text + skip, n - skip)->token = i + 1;
        if (n - skip > self->more.longest) self->more.longest = n - skip;
    }
    return status;
}

/* ---- special tokens and bytes ------------------------------------------------------------------------------------------------------ */

/* A special token is found in the text as it is written, before anything else is done to that. */
static leann_status add_special(leann_wordpiece *self, leann_ctx *ctx, const char *text, size_t room, bool needed)
{
    special *to = &self->special[self->specials];
    to->bytes = strnlen(text, room);
    memcpy(to->text, text, to->bytes);
    const slot *s = slot_of_text(self, &self->whole, text, to->bytes);
    if (s->token == 0)
        return needed ? leann_fail(ctx, LEANN_EFORMAT, "the vocabulary lacks the special token '%.*s'", (int)to->bytes, text) : LEANN_OK;
    to->id = s->token - 1;
    uint8_t *fold = &self->fold[(uint8_t)text[0]];
    if (*fold != ALONE && *fold != MAYBE_SPECIAL)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "the special token '%.*s' does not begin with ASCII punctuation", (int)to->bytes, text);
    *fold = MAYBE_SPECIAL;
    self->specials++;
    return LEANN_OK;
}

static void fold_bytes(leann_wordpiece *self)
{
    for (unsigned c = 0; c < 256; c++) {
        uint32_t lower[LEANN_CHAR_PARTS] = {c};
        leann_char kind = c < 0x80 ? leann_char_kind(c) : LEANN_CHAR_WORD;
        if (self->options.lowercase) leann_char_lower(c, lower);
        self->fold[c] = kind == LEANN_CHAR_CONTROL       ? LEFT_OUT
                        : kind == LEANN_CHAR_SPACE       ? APART
                        : kind == LEANN_CHAR_PUNCTUATION ? ALONE
                        : c < 0x80                       ? (uint8_t)lower[0]
                                                         : WIDE;
    }
}

leann_status leann_wordpiece_new(leann_ctx *ctx, const char *vocabulary, size_t bytes, const leann_wordpiece_options *options,
                                 leann_wordpiece **out)
{
    *out = NULL;
    if (options->max_word < 1 || options->max_word > MAX_WORD)
        return leann_fail(ctx, LEANN_EINVAL, "words of at most %u code points; the limit is 1 to %d", options->max_word, MAX_WORD);
    leann_wordpiece *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    self->options = *options;
    fold_bytes(self);
    leann_status status = read_lines(self, ctx, vocabulary, bytes);
    if (status == LEANN_OK) status = fill_tables(self, ctx);
    if (status == LEANN_OK) status = add_special(self, ctx, options->unknown, sizeof options->unknown, true);
    if (status == LEANN_OK) status = add_special(self, ctx, options->first, sizeof options->first, true);
    if (status == LEANN_OK) status = add_special(self, ctx, options->last, sizeof options->last, true);
    if (status == LEANN_OK) status = add_special(self, ctx, "[PAD]", 5, false);
    if (status == LEANN_OK) status = add_special(self, ctx, "[MASK]", 6, false);
    if (status == LEANN_OK)
        *out = self;
    else
        leann_wordpiece_free(self);
    return status;
}

void leann_wordpiece_free(leann_wordpiece *self)
{
    if (!self) return;
    leann_free(self->text);
    leann_free(self->start);
    leann_free(self->whole.slots);
    leann_free(self->more.slots);
    leann_free(self);
}

uint32_t leann_wordpiece_size(const leann_wordpiece *self)
{
    return self->n;
}

/* ---- a text ------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const leann_wordpiece *self;
    size_t n, max;  /* tokens so far, past max where a word's last ones are too many; no word is begun at max */
    uint32_t *ids;  /* (max), or NULL: they are only counted */
    uint8_t *word;  /* (4 max_word): the word at hand as it is looked up */
    size_t bytes;   /* of it */
    size_t settled; /* bytes of it that no combining character goes before */
    uint32_t chars; /* of it; past max_word: it has its token already, and the rest of it goes by */
} run;

static leann_status run_new(const leann_wordpiece *self, leann_ctx *ctx, size_t max, uint32_t *ids, run *out)
{
    *out = (run){.self = self, .max = max, .ids = ids, .word = leann_scratch(ctx, 4 * (size_t)self->options.max_word)};
    return out->word ? LEANN_OK : LEANN_ENOMEM;
}

static void emit(run *r, uint32_t id)
{
    if (r->ids && r->n < r->max) r->ids[r->n] = id;
    r->n++;
}

/* A word that cannot be cut to its end is unknown as a whole. */
static void end_word(run *r)
{
    const leann_wordpiece *self = r->self;
    const table *t = &self->whole;
    size_t before = r->n, length = 0;
    for (size_t at = 0; at < r->bytes; at += length) {
        uint32_t id = longest_token(self, t, r->word + at, r->bytes - at, &length);
        if (id == NONE) {
            r->n = before;
            emit(r, self->special[UNKNOWN].id);
            break;
        }
        emit(r, id);
        t = &self->more;
    }
    r->bytes = r->settled = 0;
    r->chars = 0;
}

static void too_long(run *r)
{
    if (r->chars <= r->self->options.max_word) emit(r, r->self->special[UNKNOWN].id);
    r->chars = r->self->options.max_word + 1;
    r->bytes = 0;
}

/* Combining characters that follow one another lie in the order of their ranks (Unicode's canonical order); most have gone as marks. */
static void append(run *r, uint32_t cp, uint8_t rank)
{
    if (r->chars >= r->self->options.max_word) {
        too_long(r);
        return;
    }
    size_t at = r->bytes;
    while (rank > 0 && at > r->settled) {
        size_t back = at - 1;
        while ((r->word[back] & 0xC0) == 0x80) back--;
        const uint8_t *before = r->word + back;
        if (leann_char_rank(leann_utf8_next(&before, r->word + at)) <= rank) break;
        at = back;
    }
    uint8_t utf8[4];
    size_t n = leann_utf8_put(cp, utf8);
    memmove(r->word + at + n, r->word + at, r->bytes - at);
    memcpy(r->word + at, utf8, n);
    r->bytes += n;
    r->chars++;
}

/* A code point after its decomposition. */
static void take_part(run *r, uint32_t cp)
{
    const leann_wordpiece_options *o = &r->self->options;
    leann_char kind = leann_char_kind(cp);
    uint8_t rank = o->strip_accents ? leann_char_rank(cp) : 0;
    if (kind == LEANN_CHAR_MARK && o->strip_accents) { /* gone, but of rank 0 it keeps those around it apart */
        if (rank == 0) r->settled = r->bytes;
        return;
    }
    if (kind == LEANN_CHAR_SPACE || kind == LEANN_CHAR_PUNCTUATION) end_word(r);
    if (kind == LEANN_CHAR_SPACE) return;
    uint32_t lower[LEANN_CHAR_PARTS] = {cp};
    unsigned n = o->lowercase ? leann_char_lower(cp, lower) : 1;
    for (unsigned i = 0; i < n; i++) append(r, lower[i], rank);
    if (kind == LEANN_CHAR_PUNCTUATION) end_word(r);
}

static void take(run *r, uint32_t cp)
{
    const leann_wordpiece_options *o = &r->self->options;
    if (leann_char_kind(cp) == LEANN_CHAR_CONTROL) return;
    bool apart = o->space_cjk && leann_char_ideograph(cp);
    uint32_t parts[LEANN_CHAR_PARTS] = {cp};
    unsigned n = o->strip_accents ? leann_char_decompose(cp, parts) : 1;
    if (apart) end_word(r);
    for (unsigned i = 0; i < n; i++) take_part(r, parts[i]);
    if (apart) end_word(r);
}

/* Letters and digits of ASCII from at on; where they end. */
static const uint8_t *take_letters(run *r, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *fold = r->self->fold, *from = at;
    size_t room = r->chars < r->self->options.max_word ? r->self->options.max_word - r->chars : 0;
    const uint8_t *stop = (size_t)(end - at) > room ? at + room : end;
    uint8_t *to = r->word + r->bytes;
    while (at < stop && fold[*at] >= IN_WORD) *to++ = fold[*at++];
    r->bytes += (size_t)(at - from);
    r->chars += (uint32_t)(at - from);
    if (at < stop || at == end || fold[*at] < IN_WORD) return at;
    too_long(r);
    while (r->n < r->max && at < end && fold[*at] >= IN_WORD) at++;
    return at;
}

/* The longest special token that is written here, or NULL. */
static const special *special_at(const leann_wordpiece *self, const uint8_t *at, const uint8_t *end)
{
    const special *best = NULL;
    for (const special *s = self->special; s < self->special + self->specials; s++)
        if (s->bytes <= (size_t)(end - at) && memcmp(at, s->text, s->bytes) == 0 && (!best || s->bytes > best->bytes)) best = s;
    return best;
}

/* Punctuation of ASCII, or a special token that it begins; where that ends. */
static const uint8_t *take_alone(run *r, const uint8_t *at, const uint8_t *end)
{
    const special *s = r->self->fold[*at] == MAYBE_SPECIAL ? special_at(r->self, at, end) : NULL;
    end_word(r);
    if (s) {
        emit(r, s->id);
        return at + s->bytes;
    }
    r->word[0] = *at;
    r->bytes = r->chars = 1;
    end_word(r);
    return at + 1;
}

/* The tokens of a text, until there are max; how far it was read. */
static const uint8_t *run_text(run *r, const uint8_t *at, const uint8_t *end)
{
    while (at < end && r->n < r->max) {
        switch (r->self->fold[*at]) {
        case LEFT_OUT:
            at++;
            break;
        case APART:
            end_word(r);
            at++;
            break;
        case ALONE:
        case MAYBE_SPECIAL:
            at = take_alone(r, at, end);
            break;
        case WIDE:
            take(r, leann_utf8_next(&at, end));
            break;
        default:
            at = take_letters(r, at, end);
        }
    }
    if (at == end) end_word(r);
    return at;
}

/* The end of a prefix and the beginning of a text may be one word: they are copied together, and of the text as much as is needed. */
static leann_status run_joined(run *r, leann_ctx *ctx, leann_text prefix, leann_text text)
{
    run fresh = *r;
    for (size_t part = 4096 + 16 * r->max;; part *= 8) {
        if (part > text.n) part = text.n;
        size_t mark = leann_scratch_mark(ctx), bytes = prefix.n + part;
        uint8_t *joined = leann_scratch(ctx, bytes);
        if (!joined) return LEANN_ENOMEM;
        memcpy(joined, prefix.bytes, prefix.n);
        if (part > 0) memcpy(joined + prefix.n, text.bytes, part);
        *r = fresh;
        const uint8_t *stop = run_text(r, joined, joined + bytes);
        leann_scratch_reset(ctx, mark);
        if (part == text.n || joined + bytes - stop >= AHEAD) return LEANN_OK;
    }
}

leann_status leann_wordpiece_encode(const leann_wordpiece *self, leann_ctx *ctx, leann_text prefix, leann_text text, uint32_t max,
                                    uint32_t *ids, uint32_t *n)
{
    assert(max >= 2);
    size_t mark = leann_scratch_mark(ctx);
    run r;
    leann_status status = run_new(self, ctx, max - 2, ids + 1, &r);
    if (status == LEANN_OK && prefix.n > 0)
        status = run_joined(&r, ctx, prefix, text);
    else if (status == LEANN_OK && text.n > 0)
        run_text(&r, (const uint8_t *)text.bytes, (const uint8_t *)text.bytes + text.n);
    leann_scratch_reset(ctx, mark);
    if (status != LEANN_OK) return status;
    *n = (uint32_t)(r.n < r.max ? r.n : r.max) + 2;
    ids[0] = self->special[FIRST].id;
    ids[*n - 1] = self->special[LAST].id;
    return LEANN_OK;
}

/* How many of first tokens stay beside others, where there is room for so many of both. */
static uint32_t share_of(uint32_t first, uint32_t other, uint32_t room)
{
    const uint32_t half = room / 2;
    if (first <= half) return first;
    if (other <= half) return first < room - other ? first : room - other;
    return first > other ? room - half : half;
}

leann_status leann_wordpiece_encode_pair(const leann_wordpiece *self, leann_ctx *ctx, leann_text first, leann_text last, uint32_t max,
                                         uint32_t *ids, uint32_t *n, uint32_t *second)
{
    assert(max >= 3);
    const leann_text none = {NULL, 0};
    uint32_t all, others = 0;
    leann_status status = leann_wordpiece_count(self, ctx, first, &all);
    if (status == LEANN_OK && all > (max - 3) / 2) status = leann_wordpiece_count(self, ctx, last, &others);
    if (status == LEANN_OK) status = leann_wordpiece_encode(self, ctx, none, first, share_of(all, others, max - 3) + 2, ids, second);
    if (status != LEANN_OK) return status;
    uint32_t *from = ids + *second - 1; /* the first text's last mark, which the second one's first mark lies on for a while */
    status = leann_wordpiece_encode(self, ctx, none, last, max - *second + 1, from, n);
    *from = self->special[LAST].id;
    *n += *second - 1;
    return status;
}

leann_status leann_wordpiece_count(const leann_wordpiece *self, leann_ctx *ctx, leann_text text, uint32_t *n)
{
    size_t mark = leann_scratch_mark(ctx);
    run r;
    leann_status status = run_new(self, ctx, SIZE_MAX, NULL, &r);
    if (status == LEANN_OK && text.n > 0) run_text(&r, (const uint8_t *)text.bytes, (const uint8_t *)text.bytes + text.n);
    leann_scratch_reset(ctx, mark);
    if (status != LEANN_OK) return status;
    if (r.n > UINT32_MAX) return leann_fail(ctx, LEANN_ELIMIT, "a text has %zu tokens; the limit is %u", r.n, UINT32_MAX);
    *n = (uint32_t)r.n;
    return LEANN_OK;
}
