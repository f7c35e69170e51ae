/* text_ignore.c – the lines of a .gitignore as patterns, and whether a path matches them.
 *
 * A pattern is cut at its slashes once; a path is then matched name by name, and a name byte by byte. Both go back only to the last "**" or
 * "*" seen, which is enough for such patterns and costs the product of the lengths, where a plain recursion costs a power of them.
 *
 * Source: gitignore(5) and the behaviour of git 2.39.
 * Differs: after literal text ("lib**"), "**" is a "*" as the manual has it, where git lets it pass slashes; a slash behind a backslash is
 * a slash in "**" too.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/text.h"

#include <assert.h>
#include <string.h>

typedef struct {
    const char *at;
    uint32_t bytes;
    bool any; /* "**": any number of names */
} name_glob;

typedef struct {
    uint32_t first, n; /* of the globs */
    bool again;        /* '!': not ignored after all */
    bool folders;      /* matches folders only */
    bool base;         /* no slash: of the last name alone */
} pattern;

struct leann_ignore {
    char *text; /* what the globs point into */
    name_glob *glob;
    pattern *pattern;
    uint32_t globs, patterns;
};

/* ---- one name ------------------------------------------------------------------------------------------------------------ */

static bool in_class(const char *name, size_t bytes, unsigned char c, bool *known)
{
    static const char *const names[] = {"alnum", "alpha", "blank", "cntrl", "digit", "graph",
                                        "lower", "print", "punct", "space", "upper", "xdigit"};
    bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9', graph = c > ' ' && c < 0x7f;
    bool alnum = lower || upper || digit, hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    const bool is[] = {alnum,
                       lower || upper,
                       c == ' ' || c == '\t',
                       c < ' ' || c == 0x7f,
                       digit,
                       graph,
                       lower,
                       graph || c == ' ',
                       graph && !alnum,
                       c == ' ' || (c >= '\t' && c <= '\r'),
                       upper,
                       hex};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == bytes && memcmp(names[i], name, bytes) == 0) return is[i];
    *known = false;
    return false;
}

/* The bracket expression at p, "[" first: the place behind it, and whether it holds c; NULL when it is none. */
static const char *bracket(const char *p, const char *end, unsigned char c, bool *holds)
{
    bool negated = p + 1 < end && (p[1] == '!' || p[1] == '^'), found = false, known = true;
    unsigned char before = 0; /* what a range may begin with */
    p += negated ? 2 : 1;
    for (bool first = true; p < end && (first || *p != ']'); first = false) {
        unsigned char low = (unsigned char)*p;
        const char *colon = low == '[' && p + 1 < end && p[1] == ':' ? memchr(p + 2, ']', (size_t)(end - p - 2)) : NULL;
        if (low == '[' && p + 1 < end && p[1] == ':' && !colon) return NULL;
        if (colon && colon - p > 2 && colon[-1] == ':') {
            found |= in_class(p + 2, (size_t)(colon - p - 3), c, &known);
            p = colon + 1;
            before = 0;
        } else if (low == '-' && before && p + 1 < end && p[1] != ']') {
            p += p[1] == '\\' ? 2 : 1;
            if (p == end) return NULL;
            unsigned char high = (unsigned char)*p++;
            found |= c >= before && c <= high;
            before = 0;
        } else {
            if (low == '\\' && ++p == end) return NULL;
            before = (unsigned char)*p++;
            found |= c == before;
        }
    }
    *holds = found != negated;
    return p < end && known ? p + 1 : NULL;
}

/* Whether the element at *p, which is no '*', matches c; *p then lies behind it. */
static bool matches_one(const char **p, const char *end, char c)
{
    bool holds = false;
    if (**p == '[') {
        *p = bracket(*p, end, (unsigned char)c, &holds);
        assert(*p); /* others are dropped when the file is read */
        return holds;
    }
    if (**p == '?') return (*p)++, true;
    if (**p == '\\') (*p)++;
    return *(*p)++ == c;
}

static bool name_matches(const name_glob *g, const char *s, size_t bytes)
{
    const char *p = g->at, *end = g->at + g->bytes, *s_end = s + bytes, *star = NULL, *from = NULL;
    for (;;) {
        const char *next = p;
        if (p < end && *p == '*') {
            star = ++p;
            from = s;
        } else if (p < end && s < s_end && matches_one(&next, end, *s)) {
            p = next;
            s++;
        } else if (p == end && s == s_end) {
            return true;
        } else if (!star || from == s_end) {
            return false;
        } else {
            p = star;
            s = ++from;
        }
    }
}

/* ---- a path -------------------------------------------------------------------------------------------------------------- */

static const char *next_name(const char *path)
{
    path += strcspn(path, "/");
    return path + (*path == '/');
}

static bool path_matches(const name_glob *g, uint32_t n, const char *path)
{
    uint32_t i = 0, star = 0;
    const char *from = NULL; /* where the names begin that the last "**" has not taken yet */
    for (;;) {
        if (i < n && g[i].any) {
            if (i + 1 == n) return *path; /* at the end: what lies in a folder, not the folder */
            star = ++i;
            from = path;
        } else if (i < n && *path && name_matches(g + i, path, strcspn(path, "/"))) {
            i++;
            path = next_name(path);
        } else if (i == n && !*path) {
            return true;
        } else if (!from || !*from) {
            return false;
        } else {
            i = star;
            path = from = next_name(from);
        }
    }
}

int leann_ignore_says(const leann_ignore *self, const char *path, bool folder)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    for (uint32_t i = self->patterns; i-- > 0;) {
        const pattern *p = self->pattern + i;
        if (p->folders && !folder) continue;
        if (path_matches(self->glob + p->first, p->n, p->base ? base : path)) return !p->again;
    }
    return -1;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

/* The length of a line without the spaces at its end, of which one may be kept by a backslash. */
static size_t trimmed(const char *line, size_t bytes)
{
    size_t end = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (line[i] == '\\' && i + 1 < bytes)
            i++, end = i + 1;
        else if (line[i] != ' ')
            end = i + 1;
    }
    return end;
}

/* Adds one glob a name. false: it can match nothing. */
static bool cut(leann_ignore *self, const char *at, const char *end, pattern *p)
{
    for (;;) {
        const char *begin = at;
        bool holds, stars = true;
        while (at < end && *at != '/') {
            if (*at == '\\' && at + 1 == end) return false;
            if (*at == '\\' && at[1] == '/') break; /* a slash all the same */
            if (*at != '*') stars = false;
            if (*at == '[') {
                if (!(at = bracket(at, end, 0, &holds))) return false;
            } else {
                at += *at == '\\' ? 2 : 1;
            }
        }
        self->glob[self->globs++] = (name_glob){begin, (uint32_t)(at - begin), stars && at - begin >= 2};
        p->n++;
        if (at == end) return true;
        at += *at == '\\' ? 2 : 1;
    }
}

static void add_line(leann_ignore *self, const char *at, size_t bytes)
{
    pattern p = {.first = self->globs};
    if (bytes == 0 || *at == '#') return;
    if (at[bytes - 1] == '\r') bytes--;
    bytes = trimmed(at, bytes);
    const char *end = at + bytes;
    if (at < end && *at == '!') p.again = true, at++;
    if (at < end && end[-1] == '/') p.folders = true, end--;
    p.base = !memchr(at, '/', (size_t)(end - at));
    if (at < end && *at == '/') at++;
    if (at < end && cut(self, at, end, &p)) {
        if (p.base) self->glob[p.first].any = false; /* of one name, "**" is "*" */
        self->pattern[self->patterns++] = p;
    } else {
        self->globs = p.first;
    }
}

leann_status leann_ignore_new(leann_ctx *ctx, const char *text, size_t bytes, leann_ignore **out)
{
    size_t lines = 1, names = 1;
    *out = NULL;
    if (bytes > UINT32_MAX / 2) return leann_fail(ctx, LEANN_ELIMIT, "patterns of %zu bytes; the limit is %u", bytes, UINT32_MAX / 2);
    for (size_t i = 0; i < bytes; i++) {
        lines += text[i] == '\n';
        names += text[i] == '\n' || text[i] == '/';
    }
    leann_ignore *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    self->text = leann_alloc(ctx, bytes + 1, 1);
    self->glob = leann_alloc(ctx, names, sizeof *self->glob);
    self->pattern = leann_alloc(ctx, lines, sizeof *self->pattern);
    if (!self->text || !self->glob || !self->pattern) {
        leann_ignore_free(self);
        return LEANN_ENOMEM;
    }
    if (bytes) memcpy(self->text, text, bytes);
    for (size_t at = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; at < bytes;) {
        const char *newline = memchr(self->text + at, '\n', bytes - at);
        size_t length = newline ? (size_t)(newline - (self->text + at)) : bytes - at;
        add_line(self, self->text + at, strnlen(self->text + at, length)); /* a NUL ends a line, as in git */
        at += length + 1;
    }
    *out = self;
    return LEANN_OK;
}

void leann_ignore_free(leann_ignore *self)
{
    if (!self) return;
    leann_free(self->text);
    leann_free(self->glob);
    leann_free(self->pattern);
    leann_free(self);
}
