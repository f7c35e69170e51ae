/* text_chunk.c – a text cut into chunks of at most so many tokens; each line is counted once, O(bytes).
 *
 * From where the last chunk ended, lines are taken in until the next does not fit. Each place between two of them has a rank by what lies
 * around it, and the chunk ends at the place of highest rank in its second half, the last of equals. A place before that is taken only if
 * its rank is higher than any there, and an eighth of the room is used. So small sections share a chunk, and a large one begins its own.
 *
 *   rank 5 to 10  before a heading, by its level: # in Markdown, lines under (and over) a title in rst, by order of appearance
 *   rank 4        code: before a line in the first column, after a blank line or a closing brace
 *   rank 3        prose: the same after a blank line: a paragraph; code: one level in, a method
 *   rank 2        after a blank line, further in
 *   rank 1        before any other line
 *   rank 0        before what belongs to the line before: blank lines, closing braces, the underline of a title
 *
 * Memory: a window of 256 KiB, and the lines ahead of the chunk (48 KiB of them at most), whatever the text's size.
 *
 * Source: none; the levels of rst as in docutils' specification, "Sections".
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/text.h"

#include <assert.h>
#include <string.h>

enum {
    ROOM = 256 << 10,              /* of the window */
    AHEAD = 3 * LEANN_CHUNK_BYTES, /* what a decision may look at: the chunk, a line more, and the two after it */
    INDENT_KEPT = 256,             /* of the first line; more of it is left out */
    BATCH = 16,                    /* lines or words counted in one call */
    STRETCH = 256,                 /* bytes of a part of a long line, at least */
    STRETCH_MAX = 2048,            /* and at most */
    STRETCHES = LEANN_CHUNK_BYTES / STRETCH,
    STYLES = 12, /* of headings in rst */
    HEADING = 5, /* rank of a heading of the sixth level */
    TAB = 8
};

typedef struct {
    uint64_t at;
    uint32_t bytes; /* with its newline; LEANN_CHUNK_BYTES and open where it is longer */
    uint32_t tokens;
    bool open, blank, counted;
} line;

/* A part of a long line or word. */
typedef struct {
    uint64_t at, end;
    uint32_t tokens;
} stretch;

/* What the ranks depend on of the text before: a fence of Markdown that is open, the styles of headings seen in rst. */
typedef struct {
    char fence;
    uint8_t styles;
    uint16_t fence_length;
    char style[STYLES][2]; /* the character, and 'o' where there is one over the title too */
} outline;

struct leann_chunker {
    leann_ctx *ctx;
    const leann_encoder *encoder;
    uint32_t max_tokens;
    leann_text_shape shape;
    leann_text_more more;
    void *arg;
    char *window;
    uint64_t window_at; /* the offset of its first byte */
    size_t have;
    bool ended;
    uint64_t at;   /* where the next chunk may begin */
    uint32_t row;  /* the number of that line */
    bool mid_line; /* at lies inside it */
    line *line;    /* ahead, the first one at the chunk's begin */
    uint32_t lines;
    stretch stretch[STRETCHES]; /* of what was counted last, one after another */
    uint32_t stretches;
    outline outline; /* up to at */
};

enum { LINES = 2 * LEANN_CHUNK_BYTES + 4 };

leann_status leann_chunker_new(leann_ctx *ctx, const leann_encoder *encoder, uint32_t max_tokens, leann_chunker **out)
{
    *out = NULL;
    uint32_t most = encoder->max_tokens > 2 ? encoder->max_tokens - 2 : 1;
    if (max_tokens > most) return leann_fail(ctx, LEANN_EINVAL, "chunks of %u tokens; the encoder takes at most %u", max_tokens, most);
    leann_chunker *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    *self = (leann_chunker){.ctx = ctx, .encoder = encoder, .max_tokens = max_tokens ? max_tokens : most};
    self->window = leann_alloc(ctx, ROOM, 1);
    self->line = leann_alloc(ctx, LINES, sizeof *self->line);
    if (!self->window || !self->line) {
        leann_chunker_free(self);
        return LEANN_ENOMEM;
    }
    *out = self;
    return LEANN_OK;
}

void leann_chunker_free(leann_chunker *self)
{
    if (!self) return;
    leann_free(self->window);
    leann_free(self->line);
    leann_free(self);
}

void leann_chunker_begin(leann_chunker *self, leann_text_shape shape, leann_text_more more, void *arg)
{
    self->shape = shape;
    self->more = more;
    self->arg = arg;
    self->window_at = self->at = 0;
    self->have = 0;
    self->ended = self->mid_line = false;
    self->row = 1;
    self->lines = self->stretches = 0;
    self->outline = (outline){0};
}

/* ---- the window ---------------------------------------------------------------------------------------------------------- */

static const char *bytes_at(const leann_chunker *c, uint64_t at)
{
    return c->window + (at - c->window_at);
}

static uint64_t end_of(const leann_chunker *c)
{
    return c->window_at + c->have;
}

/* Makes AHEAD bytes from `from` on lie in the window, or all there are; what is before from may go. */
static leann_status look_ahead(leann_chunker *c, uint64_t from)
{
    if (c->ended || end_of(c) - from >= AHEAD) return LEANN_OK;
    size_t keep = (size_t)(end_of(c) - from);
    memmove(c->window, bytes_at(c, from), keep);
    c->window_at = from;
    c->have = keep;
    while (c->have < ROOM) {
        size_t got = 0;
        leann_status status = c->more(c->ctx, c->arg, c->window + c->have, ROOM - c->have, &got);
        if (status != LEANN_OK) return status;
        assert(got <= ROOM - c->have);
        if (got == 0) {
            c->ended = true;
            break;
        }
        c->have += got;
    }
    return LEANN_OK;
}

static bool one_of(const char *set, char b)
{
    return b != 0 && strchr(set, b) != NULL;
}

static bool is_blank(char b)
{
    return b == ' ' || (b >= '\t' && b <= '\r');
}

/* Moves to the first byte that is not blank, counting lines: *begin is the start of its line, or the byte itself where the line began in an
 * earlier chunk or far before. false: there is none. */
static leann_status skip_blank(leann_chunker *c, uint64_t *begin, bool *found)
{
    uint64_t line_at = c->at, at = c->at;
    *found = false;
    for (;;) {
        leann_status status = look_ahead(c, at - line_at > INDENT_KEPT ? at : line_at);
        if (status != LEANN_OK) return status;
        uint64_t end = end_of(c), stop = end - at < AHEAD / 2 ? end : at + AHEAD / 2;
        if (at == end) return LEANN_OK;
        for (; at < stop && is_blank(*bytes_at(c, at)); at++) {
            if (*bytes_at(c, at) != '\n') continue;
            c->row++;
            c->mid_line = false;
            line_at = at + 1;
        }
        if (at < stop) break;
    }
    *found = true;
    *begin = c->mid_line || at - line_at > INDENT_KEPT ? at : line_at;
    c->at = *begin;
    return look_ahead(c, *begin);
}

/* ---- lines ahead --------------------------------------------------------------------------------------------------------- */

static leann_text text_of(const leann_chunker *c, const line *l)
{
    return (leann_text){bytes_at(c, l->at), l->bytes};
}

static bool add_line(leann_chunker *c, uint64_t at)
{
    uint64_t left = end_of(c) - at;
    size_t most = left < LEANN_CHUNK_BYTES ? (size_t)left : LEANN_CHUNK_BYTES, first = 0;
    if (left == 0 || at - c->line[0].at >= 2 * LEANN_CHUNK_BYTES) return false;
    const char *text = bytes_at(c, at), *newline = memchr(text, '\n', most);
    line *l = c->line + c->lines++;
    *l = (line){.at = at, .bytes = (uint32_t)(newline ? (size_t)(newline - text) + 1 : most), .open = !newline && left > most};
    while (first < l->bytes && is_blank(text[first])) first++;
    l->blank = l->counted = first == l->bytes;
    return true;
}

/* Drops lines before `begin`, and fills up to n lines from it on, where there are as many. */
static void fill_lines(leann_chunker *c, uint64_t begin, uint32_t n)
{
    uint32_t gone = 0;
    while (gone < c->lines && c->line[gone].at < begin) gone++;
    line *cut = gone ? c->line + gone - 1 : NULL;
    if (cut && !cut->open && cut->at + cut->bytes > begin) { /* its rest is to be counted anew; those behind it stay as they are */
        *cut = (line){.at = begin, .bytes = (uint32_t)(cut->at + cut->bytes - begin)};
        gone--;
    }
    if (gone) memmove(c->line, c->line + gone, (c->lines - gone) * sizeof *c->line);
    c->lines -= gone;
    if (c->lines == 0) c->line[0].at = begin;
    while (c->lines < n) {
        const line *last = c->lines ? c->line + c->lines - 1 : NULL;
        if ((last && last->open) || !add_line(c, last ? last->at + last->bytes : begin)) return;
    }
}

/* The last n' <= n before which no character is torn; n where there is no UTF-8. */
static size_t to_boundary(const char *text, size_t n)
{
    for (size_t back = 0; back < 4 && back <= n; back++)
        if (((unsigned char)text[n - back] & 0xc0) != 0x80) return n - back;
    return n;
}

/* Where tokens begin anew for tokenizers of BERT's family: ASCII's punctuation, ideographs (U+4E00 to U+9FFF); and at white space. */
static bool is_seam(const char *text)
{
    unsigned char first = (unsigned char)*text, second = (unsigned char)text[1];
    return (first >= 0xe5 && first <= 0xe9) || (first == 0xe4 && second >= 0xb8) ||
           one_of(" \t\n\r!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", *text);
}

/* Where a stretch that begins at `at` ends: at a seam, if there is one in reach. */
static uint64_t stretch_end(const leann_chunker *c, uint64_t at, uint64_t end)
{
    const char *text = bytes_at(c, at);
    size_t left = (size_t)(end - at), most = left < STRETCH_MAX ? left : STRETCH_MAX;
    for (size_t i = STRETCH; i + 1 < most; i++)
        if (is_seam(text + i)) return at + i;
    return left <= STRETCH_MAX ? end : at + to_boundary(text, STRETCH_MAX);
}

/* The tokens of a long part of a text: those of its stretches, each counted once, though chunk after chunk asks for much the same bytes. Where
 * the stretches end at seams it is what the encoder says of the whole, else near it. */
static leann_status guess_tokens(leann_chunker *c, leann_text part, uint32_t *tokens)
{
    uint64_t at = c->window_at + (uint64_t)(part.bytes - c->window), end = at + part.n;
    leann_text text[STRETCHES + 2];
    uint32_t count[STRETCHES + 2], n = 0, gone = 0, known = 0;
    while (gone < c->stretches && c->stretch[gone].at < at) gone++;
    c->stretches -= gone;
    memmove(c->stretch, c->stretch + gone, c->stretches * sizeof *c->stretch);
    const uint32_t old = c->stretches;
    while (known < old && c->stretch[known].end <= end) known++;
    uint64_t first = known ? c->stretch[0].at : at, last = known ? c->stretch[known - 1].end : at;
    for (uint64_t next; known == old && (next = stretch_end(c, last, end)) < end; last = next) {
        c->stretch[c->stretches++] = (stretch){.at = last, .end = next};
        text[n++] = (leann_text){bytes_at(c, last), (size_t)(next - last)};
    }
    if (at < first) text[n++] = (leann_text){bytes_at(c, at), (size_t)(first - at)};
    if (last < end) text[n++] = (leann_text){bytes_at(c, last), (size_t)(end - last)};
    leann_status status = n ? c->encoder->type->count(c->encoder, c->ctx, text, n, count) : LEANN_OK;
    if (status != LEANN_OK) {
        c->stretches = 0;
        return status;
    }
    for (uint32_t i = old; i < c->stretches; i++) c->stretch[i].tokens = count[i - old];
    *tokens = 0;
    for (uint32_t i = 0; i < known; i++) *tokens += c->stretch[i].tokens;
    for (uint32_t i = 0; i < n; i++) *tokens += count[i];
    return LEANN_OK;
}

/* Tokens of a part of a line; only about, where they are far more than a chunk may have. */
static leann_status count_part(leann_chunker *c, leann_text part, uint32_t *tokens)
{
    leann_status status = part.n > STRETCH_MAX ? guess_tokens(c, part, tokens) : LEANN_OK;
    if (status != LEANN_OK || (part.n > STRETCH_MAX && *tokens / 2 > c->max_tokens)) return status;
    return c->encoder->type->count(c->encoder, c->ctx, &part, 1, tokens);
}

/* Tokens of the lines from i on, a batch of them; of a long one alone. */
static leann_status count_lines(leann_chunker *c, uint32_t i)
{
    leann_text text[BATCH];
    uint32_t which[BATCH], tokens[BATCH], n = 0;
    if (c->line[i].bytes > STRETCH_MAX) {
        c->line[i].counted = true;
        return count_part(c, text_of(c, c->line + i), &c->line[i].tokens);
    }
    for (; i < c->lines && n < BATCH; i++) {
        if (c->line[i].counted || c->line[i].open || c->line[i].bytes > STRETCH_MAX) continue;
        which[n] = i;
        text[n++] = text_of(c, c->line + i);
    }
    leann_status status = c->encoder->type->count(c->encoder, c->ctx, text, n, tokens);
    for (uint32_t j = 0; status == LEANN_OK && j < n; j++) {
        c->line[which[j]].tokens = tokens[j];
        c->line[which[j]].counted = true;
    }
    return status;
}

/* ---- ranks --------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *at; /* behind the indentation */
    size_t n;       /* without what is blank at its end */
    unsigned indent;
} view;

static view view_of(const leann_chunker *c, uint32_t i)
{
    view v = {0};
    if (i >= c->lines || c->line[i].blank) return v;
    v.at = bytes_at(c, c->line[i].at);
    v.n = c->line[i].bytes;
    for (; is_blank(*v.at); v.at++, v.n--) v.indent = *v.at == '\t' ? (v.indent / TAB + 1) * TAB : v.indent + 1;
    while (is_blank(v.at[v.n - 1])) v.n--;
    return v;
}

static size_t run_of(view v, char b)
{
    size_t n = 0;
    while (n < v.n && v.at[n] == b) n++;
    return n;
}

/* A line of one punctuation character over or under a title. */
static bool is_rule(view v)
{
    return v.n >= 3 && v.indent == 0 && one_of("=-~^\"'*+#:._<>`", *v.at) && run_of(v, *v.at) == v.n;
}

static size_t characters(view v)
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++) n += ((unsigned char)v.at[i] & 0xc0) != 0x80;
    return n;
}

static bool underlines(view rule, view title)
{
    return is_rule(rule) && title.n > 0 && !is_rule(title) && (rule.n >= 4 || rule.n >= characters(title));
}

static unsigned level_rank(unsigned level)
{
    return HEADING + 6 - (level < 1 ? 1 : level > 6 ? 6 : level);
}

/* The level of a style, which is new or was seen before. */
static unsigned style_level(outline *o, char rule, bool over)
{
    unsigned i = 0;
    while (i < o->styles && (o->style[i][0] != rule || (o->style[i][1] == 'o') != over)) i++;
    if (i == o->styles && o->styles < STYLES) {
        o->style[i][0] = rule;
        o->style[i][1] = over ? 'o' : 'u';
        o->styles++;
    }
    return i + 1;
}

/* Moves the fence past a line; whether the line belongs to fenced code. */
static bool fenced(outline *o, view v)
{
    char mark = v.n >= 3 && (*v.at == '`' || *v.at == '~') ? *v.at : 0;
    size_t run = mark ? run_of(v, mark) : 0;
    bool inside = o->fence != 0;
    if (run >= 3 && !inside) {
        o->fence = mark;
        o->fence_length = (uint16_t)(run > UINT16_MAX ? UINT16_MAX : run);
    } else if (inside && mark == o->fence && run >= o->fence_length && run == v.n) {
        o->fence = 0;
    }
    return inside;
}

static unsigned markdown_heading(view v, view after)
{
    size_t run = v.n && v.indent <= 3 && *v.at == '#' ? run_of(v, '#') : 0;
    if (run >= 1 && run <= 6 && (run == v.n || is_blank(v.at[run]))) return (unsigned)run;
    if (v.indent <= 3 && underlines(after, v) && (*after.at == '=' || *after.at == '-')) return *after.at == '=' ? 1 : 2;
    return 0;
}

/* One level is four columns or one tab. */
static unsigned by_indent(bool code, view v)
{
    bool inner = v.indent <= 4 || (v.indent == TAB && v.at[-1] == '\t');
    return v.indent == 0 ? (code ? 4 : 3) : code && inner ? 3 : 2;
}

/* Lines that end or divide what was begun before them. */
static bool closes(view v)
{
    static const char *const words[] = {"#else", "#endif", "#elif", "else", "elif", "except", "finally", "end"};
    if (one_of("})]{", *v.at)) return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (v.n >= n && memcmp(v.at, words[i], n) == 0 && (v.n == n || !((v.at[n] | 32) >= 'a' && (v.at[n] | 32) <= 'z'))) return true;
    }
    return false;
}

/* The rank of the place before line i, and the outline moved past the line. */
static unsigned rank_before(const leann_chunker *c, outline *o, uint32_t i)
{
    view v = view_of(c, i), before = i ? view_of(c, i - 1) : (view){0}, after = view_of(c, i + 1), third = view_of(c, i + 2);
    bool code = c->shape == LEANN_CODE, apart = before.n == 0;
    if (v.n == 0) return 0;
    if (c->shape == LEANN_MARKDOWN) {
        if (fenced(o, v)) return apart ? 2 : 1;
        unsigned level = o->fence ? 0 : markdown_heading(v, after);
        if (level && (apart || *v.at == '#')) return level_rank(level);
        if (!apart && underlines(v, before)) return 0;
    }
    if (c->shape == LEANN_UNDERLINED) {
        if (is_rule(v) && underlines(third, after) && *third.at == *v.at) return level_rank(style_level(o, *v.at, true));
        if (apart && v.indent == 0 && underlines(after, v)) return level_rank(style_level(o, *after.at, false));
        if (!apart && (underlines(v, before) || (is_rule(before) && underlines(after, v) && *after.at == *before.at))) return 0;
    }
    if (code && closes(v)) return 0;
    if (!apart) return code && v.indent == 0 && *before.at == '}' && before.indent == 0 ? 4 : 1;
    return by_indent(code, v);
}

/* ---- where to cut -------------------------------------------------------------------------------------------------------- */

typedef struct { /* the best place so far: before line cut */
    uint32_t cut, tokens;
    unsigned rank;
    outline outline; /* up to there */
} choice;

static void consider(const leann_chunker *c, choice *best, choice other)
{
    bool tiny = best->cut == 0 || best->tokens < c->max_tokens / 8;
    if (tiny || other.rank >= best->rank) *best = other;
}

/* Whether a word goes on: to a form feed and past it, since tokenizers of BERT's family drop such marks and join what is around them. */
static bool continues(const leann_chunker *c, uint64_t at, const line *l)
{
    if (at == l->at + l->bytes) return false;
    char b = *bytes_at(c, at);
    return b != ' ' && b != '\t' && b != '\n' && b != '\r';
}

static bool ends_sentence(const leann_chunker *c, uint64_t end)
{
    return one_of(".?!", *bytes_at(c, end - 1));
}

/* The next words of a line from *at on, at most BATCH of them, whole ones that end before `limit`; a long one alone. */
static uint32_t next_words(const leann_chunker *c, const line *l, uint64_t *at, uint64_t limit, leann_text word[BATCH])
{
    uint64_t end = l->at + l->bytes;
    uint32_t n = 0;
    while (n < BATCH) {
        uint64_t first = *at, last;
        while (first < end && is_blank(*bytes_at(c, first))) first++;
        for (last = first; continues(c, last, l);) last++;
        bool is_long = last - first > STRETCH_MAX;
        if (last == first || last > limit || (last == end && l->open) || (is_long && n > 0)) break;
        word[n++] = (leann_text){bytes_at(c, first), (size_t)(last - first)};
        *at = last;
        if (is_long) break;
    }
    return n;
}

/* Where a chunk that begins at `begin` and has used tokens so far ends inside a line: after a sentence in its second half, else after the
 * last word that fits; *end 0: not one does. */
static leann_status cut_line(leann_chunker *c, uint64_t begin, const line *l, uint32_t *used, uint64_t *end)
{
    leann_text word[BATCH];
    uint32_t tokens[BATCH], total = *used;
    uint64_t at = l->at, limit = begin + LEANN_CHUNK_BYTES;
    bool sentence = false;
    *end = 0;
    for (uint32_t n; (n = next_words(c, l, &at, limit, word)) > 0;) {
        leann_status status = n == 1 ? count_part(c, *word, tokens) : c->encoder->type->count(c->encoder, c->ctx, word, n, tokens);
        if (status != LEANN_OK) return status;
        for (uint32_t i = 0; i < n; i++) {
            if (tokens[i] > c->max_tokens - total) return LEANN_OK;
            total += tokens[i];
            uint64_t here = c->window_at + (uint64_t)(word[i].bytes - c->window) + word[i].n;
            bool full = total >= c->max_tokens / 2, ends = full && ends_sentence(c, here);
            if (sentence && !ends) continue;
            *end = here;
            *used = total;
            sentence = ends;
        }
    }
    return LEANN_OK;
}

static size_t first_character(leann_text part)
{
    size_t n = 1;
    while (n < part.n && n < 4 && ((unsigned char)part.bytes[n] & 0xc0) == 0x80) n++;
    return n;
}

/* Takes from a part of a word what is too much by its tokens; false: nothing is, or it is one character. */
static bool shorten(leann_text *part, uint32_t tokens, uint32_t most)
{
    size_t less = tokens > most ? to_boundary(part->bytes, part->n * most / tokens) : part->n, one = first_character(*part);
    if (less >= part->n || one >= part->n) return false;
    part->n = less > 0 ? less : one;
    return true;
}

/* Where a chunk that is a part of one word ends. */
static leann_status cut_word(leann_chunker *c, const line *l, uint32_t *tokens, uint64_t *end)
{
    uint64_t at = l->at, last;
    leann_status status = LEANN_OK;
    while (is_blank(*bytes_at(c, at))) at++;
    for (last = at; continues(c, last, l);) last++;
    leann_text part = {bytes_at(c, at), (size_t)(last - at)};
    if (l->open && last == l->at + l->bytes) part.n = to_boundary(part.bytes, part.n);
    if (part.n > STRETCH_MAX && (status = guess_tokens(c, part, tokens)) == LEANN_OK) shorten(&part, *tokens, c->max_tokens);
    do {
        if (status == LEANN_OK) status = c->encoder->type->count(c->encoder, c->ctx, &part, 1, tokens);
        if (status != LEANN_OK) return status;
    } while (shorten(&part, *tokens, c->max_tokens));
    *end = at + part.n;
    return LEANN_OK;
}

/* The chunk from begin to before line `cut`, or to end inside line `cut` where that is not 0. */
static void emit(leann_chunker *c, uint64_t begin, uint32_t cut, uint64_t end, uint32_t tokens, leann_chunk *out)
{
    uint32_t last = end ? cut : cut - 1;
    while (!end && c->line[last].blank) last--;
    if (!end) end = c->line[last].at + c->line[last].bytes;
    while (is_blank(*bytes_at(c, end - 1))) end--;
    *out = (leann_chunk){bytes_at(c, begin), (uint32_t)(end - begin), tokens, begin, c->row, c->row + last};
    c->at = end;
    c->row += last;
    c->mid_line = true;
}

leann_status leann_chunker_next(leann_chunker *c, leann_chunk *out)
{
    uint64_t begin = 0, end = 0;
    uint32_t tokens = 0, i = 0;
    choice best = {.outline = c->outline};
    outline now = c->outline;
    bool found;
    *out = (leann_chunk){0};
    leann_status status = skip_blank(c, &begin, &found);
    if (status != LEANN_OK || !found) return status;
    for (;; i++) {
        fill_lines(c, begin, i + BATCH);
        if (i == c->lines) { /* all of the rest fits */
            best = (choice){i, tokens, 0, now};
            break;
        }
        const line *l = c->line + i;
        if (!l->counted && !l->open && (status = count_lines(c, i)) != LEANN_OK) return status;
        outline before = now;
        unsigned rank = rank_before(c, &now, i);
        if (i > 0) consider(c, &best, (choice){i, tokens, rank, before});
        if (l->open || l->tokens > c->max_tokens - tokens || l->at + l->bytes - begin > LEANN_CHUNK_BYTES) break;
        tokens += l->tokens;
    }
    if (i < c->lines && (best.cut == 0 || best.tokens < c->max_tokens / 8)) { /* a title alone: what fits of the long line goes with it */
        uint32_t used = tokens;
        status = cut_line(c, begin, c->line + i, &used, &end);
        if (status == LEANN_OK && end == 0 && i == 0) status = cut_word(c, c->line, &used, &end);
        if (status != LEANN_OK) return status;
        if (end) best = (choice){i, used, 0, best.outline};
    }
    emit(c, begin, best.cut, end, best.tokens, out);
    c->outline = best.outline;
    return LEANN_OK;
}
