/* table.c – rows of named columns in one growing array of entries; reading CSV costs one pass over the text.
 *
 * Memory: 16 bytes an entry, texts apart on the heap. Rows hold `room` entries, so that adding a column rarely moves anything.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* qsort_r */
#include "eval/table.h"
#include "core/container.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 256, SLOTS = 1024, MAX_ENTRIES = 4000000, MAX_PAIRS = 32 };
#define MAX_FILE ((size_t)256 << 20)

typedef struct {
    char *text;    /* NULL: a number or nothing */
    double number; /* NaN: nothing */
} entry;

struct leann_table {
    leann_ctx *ctx;
    leann_status failed;
    char *name[MAX_COLUMNS];
    size_t columns;
    uint16_t slot[SLOTS]; /* column + 1 by the hash of its name, open addressing: reports look names up by the million */
    entry **row;          /* (rows) each of MAX_COLUMNS at most, `room` allocated when the row was made */
    size_t *room;
    size_t rows, space;
};

leann_table *leann_table_new(leann_ctx *ctx)
{
    leann_table *t = leann_alloc(ctx, 1, sizeof *t);
    if (t) t->ctx = ctx;
    return t;
}

void leann_table_free(leann_table *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->rows; i++) {
        for (size_t c = 0; c < t->room[i]; c++) free(t->row[i][c].text);
        free(t->row[i]);
    }
    for (size_t c = 0; c < t->columns; c++) free(t->name[c]);
    free(t->row);
    free(t->room);
    leann_free(t);
}

leann_status leann_table_check(const leann_table *t)
{
    return t->failed;
}
leann_ctx *leann_table_ctx(const leann_table *t)
{
    return t->ctx;
}
size_t leann_table_rows(const leann_table *t)
{
    return t->rows;
}
size_t leann_table_columns(const leann_table *t)
{
    return t->columns;
}
const char *leann_table_name(const leann_table *t, size_t column)
{
    return t->name[column];
}

static void no_memory(leann_table *t)
{
    t->failed = leann_fail(t->ctx, LEANN_ENOMEM, "out of memory for a table of %zu rows", t->rows);
}

/* The slot that holds name, or the empty one where it would go. FNV-1a. */
static size_t slot_of(const leann_table *t, const char *name)
{
    uint32_t hash = 2166136261U;
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619U;
    size_t at = hash % SLOTS;
    while (t->slot[at] && strcmp(t->name[t->slot[at] - 1], name) != 0) at = (at + 1) % SLOTS;
    return at;
}

int leann_table_find(const leann_table *t, const char *name)
{
    return (int)t->slot[slot_of(t, name)] - 1;
}

void leann_table_add_column(leann_table *t, const char *name)
{
    if (leann_table_find(t, name) >= 0) return;
    if (t->columns == MAX_COLUMNS)
        t->failed = leann_fail(t->ctx, LEANN_ELIMIT, "column '%s': a table has at most %d columns", name, MAX_COLUMNS);
    else if (!(t->name[t->columns] = strdup(name)))
        no_memory(t);
    else {
        t->columns++;
        t->slot[slot_of(t, name)] = (uint16_t)t->columns;
    }
}

size_t leann_table_add_row(leann_table *t)
{
    if (t->rows == t->space) {
        size_t space = t->space ? t->space * 2 : 64;
        entry **row = realloc(t->row, space * sizeof *row);
        if (row) t->row = row;
        size_t *room = row ? realloc(t->room, space * sizeof *room) : NULL;
        if (room) t->room = room;
        if (!room) {
            no_memory(t);
            return t->rows ? t->rows - 1 : 0;
        }
        t->space = space;
    }
    t->row[t->rows] = NULL;
    t->room[t->rows] = 0;
    return t->rows++;
}

/* The entry to write to, emptied; NULL when memory ran out. */
static entry *open_entry(leann_table *t, size_t row, const char *name)
{
    leann_table_add_column(t, name);
    int c = leann_table_find(t, name);
    if (c < 0 || row >= t->rows) return NULL;
    if ((size_t)c >= t->room[row]) {
        size_t room = t->columns + 8;
        entry *more = realloc(t->row[row], room * sizeof *more);
        if (!more) {
            no_memory(t);
            return NULL;
        }
        for (size_t i = t->room[row]; i < room; i++) more[i] = (entry){NULL, NAN};
        t->row[row] = more;
        t->room[row] = room;
    }
    entry *e = &t->row[row][c];
    free(e->text);
    *e = (entry){NULL, NAN};
    return e;
}

void leann_table_set(leann_table *t, size_t row, const char *name, double number)
{
    entry *e = open_entry(t, row, name);
    if (e) e->number = number;
}

void leann_table_set_text(leann_table *t, size_t row, const char *name, const char *text)
{
    entry *e = open_entry(t, row, name);
    if (e && text && !(e->text = strdup(text))) no_memory(t);
}

static const entry *look(const leann_table *t, size_t row, int column)
{
    static const entry nothing = {NULL, NAN};
    return column < 0 || row >= t->rows || (size_t)column >= t->room[row] ? &nothing : &t->row[row][column];
}

void leann_table_set_format(leann_table *t, size_t row, const char *name, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    leann_table_set_text(t, row, name, text);
}

void leann_table_set_fixed(leann_table *t, size_t row, const char *name, double x, int decimals, const char *unit)
{
    leann_table_add_column(t, name);
    if (isfinite(x)) leann_table_set_format(t, row, name, "%.*f%s", decimals, x, unit);
}

double leann_table_get(const leann_table *t, size_t row, const char *name)
{
    return look(t, row, leann_table_find(t, name))->number;
}

const char *leann_table_text(const leann_table *t, size_t row, const char *name)
{
    const char *text = look(t, row, leann_table_find(t, name))->text;
    return text ? text : "";
}

bool leann_table_is_text(const leann_table *t, size_t row, size_t column)
{
    return look(t, row, (int)column)->text != NULL;
}

static const char *shortest(double number, char buffer[32])
{
    if (number == rint(number) && fabs(number) < 1e15) { /* counts and bytes: no exponent */
        snprintf(buffer, 32, "%.0f", number + 0.0);      /* -0 as 0 */
        return buffer;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(buffer, 32, "%.*g", digits, number);
        if (strtod(buffer, NULL) == number) break;
    }
    return buffer;
}

const char *leann_table_show(const leann_table *t, size_t row, size_t column, char buffer[32])
{
    const entry *e = look(t, row, (int)column);
    if (e->text) return e->text;
    return isnan(e->number) ? "" : shortest(e->number, buffer);
}

size_t leann_table_copy_row(leann_table *t, const leann_table *other, size_t from)
{
    size_t to = leann_table_add_row(t);
    for (size_t c = 0; c < other->columns; c++) {
        const entry *e = look(other, from, (int)c);
        leann_table_add_column(t, other->name[c]);
        if (e->text)
            leann_table_set_text(t, to, other->name[c], e->text);
        else if (!isnan(e->number))
            leann_table_set(t, to, other->name[c], e->number);
    }
    return to;
}

/* ---- order and choice --------------------------------------------------------------------------------------------------- */

static int compare(const entry *a, const entry *b)
{
    int rank_a = a->text ? 1 : isnan(a->number) ? 2 : 0, rank_b = b->text ? 1 : isnan(b->number) ? 2 : 0;
    if (rank_a != rank_b) return rank_a - rank_b;
    if (rank_a == 1) return strcmp(a->text, b->text);
    return rank_a == 2 ? 0 : (a->number > b->number) - (a->number < b->number);
}

typedef struct {
    const leann_table *t;
    const int *column;
    size_t n;
} order;

static int by_columns(const void *a, const void *b, void *arg)
{
    const order *o = arg;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    for (size_t i = 0; i < o->n; i++) {
        int c = compare(look(o->t, x, o->column[i]), look(o->t, y, o->column[i]));
        if (c) return c;
    }
    return x < y ? -1 : x > y;
}

void leann_table_sort(leann_table *t, const char *const *names, size_t n)
{
    int column[MAX_COLUMNS];
    for (size_t i = 0; i < n && i < MAX_COLUMNS; i++) column[i] = leann_table_find(t, names[i]);
    if (t->rows < 2) return;
    size_t count = t->rows;
    size_t *at = calloc(count, sizeof *at), *room = calloc(count, sizeof *room);
    entry **row = calloc(count, sizeof *row);
    order o = {t, column, n};
    if (at && room && row) {
        for (size_t i = 0; i < t->rows; i++) at[i] = i;
        qsort_r(at, t->rows, sizeof *at, by_columns, &o);
        for (size_t i = 0; i < t->rows; i++) row[i] = t->row[at[i]], room[i] = t->room[at[i]];
        memcpy(t->row, row, t->rows * sizeof *row);
        memcpy(t->room, room, t->rows * sizeof *room);
    } else {
        no_memory(t);
    }
    free(at);
    free(room);
    free(row);
}

typedef struct {
    int column;
    char *value;
} pair;

static bool entry_is(const entry *e, const char *value)
{
    if (e->text) return !strcmp(e->text, value);
    if (isnan(e->number)) return !*value;
    char *end;
    double wanted = strtod(value, &end);
    return end != value && !*end && fabs(wanted - e->number) <= 1e-9 * fabs(e->number);
}

/* Every key that is named must match one of its values. */
static bool row_matches(const leann_table *t, size_t row, const pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool any = false;
        for (size_t j = 0; j < n && !any; j++)
            any = pairs[j].column == pairs[i].column && entry_is(look(t, row, pairs[i].column), pairs[j].value);
        if (!any) return false;
    }
    return true;
}

static leann_status parse_pairs(const leann_table *t, char *text, pair *pairs, size_t *n)
{
    char *rest = text;
    for (char *word; (word = strsep(&rest, ","));) {
        char *equals = strchr(word, '=');
        if (!equals) return leann_fail(t->ctx, LEANN_EINVAL, "'%s' is not key=value", word);
        if (*n == MAX_PAIRS) return leann_fail(t->ctx, LEANN_EINVAL, "more than %d pairs of key=value", MAX_PAIRS);
        *equals = 0;
        int column = leann_table_find(t, word);
        if (column < 0) {
            const char *near = leann_nearest_word(word, (const char *const *)t->name, t->columns);
            return leann_fail(t->ctx, LEANN_EINVAL, "no column '%s'%s%s%s", word, near ? "; did you mean '" : "", near ? near : "",
                              near ? "'?" : "");
        }
        pairs[(*n)++] = (pair){column, equals + 1};
    }
    return LEANN_OK;
}

leann_status leann_table_only(const leann_table *t, const char *only, leann_table **out)
{
    pair pairs[MAX_PAIRS];
    size_t n = 0;
    leann_table *made = leann_table_new(t->ctx);
    char *text = leann_format(t->ctx, "%s", only ? only : "");
    leann_status s = made && text ? LEANN_OK : LEANN_ENOMEM;
    *out = NULL;
    if (!s && *text) s = parse_pairs(t, text, pairs, &n);
    for (size_t c = 0; !s && c < t->columns; c++) leann_table_add_column(made, t->name[c]);
    for (size_t i = 0; !s && i < t->rows; i++)
        if (row_matches(t, i, pairs, n)) leann_table_copy_row(made, t, i);
    if (!s) s = leann_table_check(made);
    if (!s && n && !made->rows) s = leann_fail(t->ctx, LEANN_ENOTFOUND, "no row of %zu matches '%s'", t->rows, only);
    leann_free(text);
    if (s)
        leann_table_free(made);
    else
        *out = made;
    return s;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static void write_quoted(const char *text, FILE *to)
{
    if (!strpbrk(text, ",\"\r\n") && *text != ' ' && *text &&
        strncmp(text, "\xef\xbb\xbf", 3) != 0) { /* a byte order mark would be dropped */
        fputs(text, to);
        return;
    }
    if (!*text) return;
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"') fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

void leann_table_write_csv(const leann_table *t, FILE *to)
{
    char buffer[32];
    for (size_t c = 0; c < t->columns; c++) {
        if (c) fputc(',', to);
        write_quoted(t->name[c], to);
    }
    fputc('\n', to);
    for (size_t i = 0; i < t->rows; i++) {
        for (size_t c = 0; c < t->columns; c++) {
            if (c) fputc(',', to);
            write_quoted(leann_table_show(t, i, c, buffer), to);
        }
        fputc('\n', to);
    }
}

static leann_value *entry_value(const entry *e)
{
    if (!e->text)
        return fabs(e->number) < 9e15 && e->number == floor(e->number) ? leann_value_new_int((int64_t)e->number)
                                                                       : leann_value_new_real(e->number);
    leann_value *v = NULL;
    if (e->text[0] == '{') {
        leann_ctx *quiet = leann_ctx_new(1, 1); /* a text that only looks like JSON is no failure */
        if (quiet) leann_value_parse(quiet, "text", e->text, strlen(e->text), &v);
        leann_ctx_free(quiet);
    }
    return v ? v : leann_value_new_text(e->text);
}

leann_value *leann_table_json(const leann_table *t)
{
    leann_value *list = leann_value_new_list();
    for (size_t i = 0; i < t->rows; i++) {
        leann_value *map = leann_value_new_map();
        for (size_t c = 0; c < t->columns; c++) {
            const entry *e = look(t, i, (int)c);
            leann_value_set(map, t->name[c], e->text || !isnan(e->number) ? entry_value(e) : leann_value_new_null());
        }
        leann_value_append(list, map);
    }
    return list;
}

const char *leann_table_short(double x, char buffer[32])
{
    double size = fabs(x);
    if (isnan(x))
        snprintf(buffer, 32, "–");
    else if (size >= 1e7 || (size > 0 && size < 1e-4))
        snprintf(buffer, 32, "%.3e", x);
    else if (size >= 1000) {
        long whole = lround(x);
        char plain[24];
        snprintf(plain, sizeof plain, "%ld", labs(whole));
        size_t n = strlen(plain), at = 0;
        if (whole < 0) buffer[at++] = '-';
        for (size_t i = 0; i < n; i++) { /* "12 345" */
            if (i && (n - i) % 3 == 0) buffer[at++] = ' ';
            buffer[at++] = plain[i];
        }
        buffer[at] = 0;
    } else if (x == floor(x))
        snprintf(buffer, 32, "%.0f", x);
    else
        snprintf(buffer, 32, "%.4g", x);
    return buffer;
}

void leann_table_write_markdown(const leann_table *t, FILE *to)
{
    char buffer[32];
    for (size_t c = 0; c < t->columns; c++) fprintf(to, "| %s ", t->name[c]);
    fputs("|\n", to);
    for (size_t c = 0; c < t->columns; c++) {
        bool numbers = t->rows > 0;
        for (size_t i = 0; i < t->rows && numbers; i++) numbers = !look(t, i, (int)c)->text;
        fputs(numbers ? "|---:" : "|---", to);
    }
    fputs("|\n", to);
    for (size_t i = 0; i < t->rows; i++) {
        for (size_t c = 0; c < t->columns; c++) {
            const entry *e = look(t, i, (int)c);
            fputs("| ", to);
            for (const char *p = e->text ? e->text : leann_table_short(e->number, buffer); *p; p++) {
                if (*p == '|') fputc('\\', to);
                fputc(*p == '\n' || *p == '\r' ? ' ' : *p, to);
            }
            fputc(' ', to);
        }
        fputs("|\n", to);
    }
}

/* ---- reading CSV ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_ctx *ctx;
    const char *what, *at, *end;
    size_t line;
    char *field; /* of at most the text's size */
} csv;

/* One entry into c->field; *last: it ends its line. */
static leann_status next_entry(csv *c, bool *last)
{
    char *out = c->field;
    bool quoted = c->at < c->end && *c->at == '"';
    size_t begun = c->line;
    if (quoted) c->at++;
    for (;; c->at++) {
        if (c->at == c->end) {
            if (quoted) return leann_fail(c->ctx, LEANN_EFORMAT, "%s:%zu: a quote is never closed", c->what, begun);
            break;
        }
        if (!*c->at) return leann_fail(c->ctx, LEANN_EFORMAT, "%s:%zu: a NUL byte: this is not CSV", c->what, c->line);
        if (quoted && *c->at == '"') {
            if (c->at + 1 < c->end && c->at[1] == '"') {
                c->at++; /* "" is one quote */
            } else {
                quoted = false;
                continue;
            }
        } else if (!quoted && (*c->at == ',' || *c->at == '\n')) {
            break;
        } else if (!quoted && *c->at == '\r' && (c->at + 1 == c->end || c->at[1] == '\n')) {
            continue;
        }
        c->line += *c->at == '\n';
        *out++ = *c->at;
    }
    *out = 0;
    *last = c->at == c->end || *c->at == '\n';
    if (c->at < c->end) c->line += *c->at++ == '\n';
    return LEANN_OK;
}

static leann_status read_names(csv *c, leann_table *t)
{
    leann_status s = LEANN_OK;
    for (bool last = false; !s && !last;) {
        if ((s = next_entry(c, &last))) break;
        if (!c->field[0])
            s = leann_fail(c->ctx, LEANN_EFORMAT, "%s:1: column %zu has no name", c->what, t->columns + 1);
        else if (leann_table_find(t, c->field) >= 0)
            s = leann_fail(c->ctx, LEANN_EFORMAT, "%s:1: column '%s' is there twice", c->what, c->field);
        else {
            leann_table_add_column(t, c->field);
            s = leann_table_check(t);
        }
    }
    return s;
}

static void keep_entry(leann_table *t, size_t row, size_t column, const char *field)
{
    char *end;
    if (!*field) return;
    double number = strtod(field, &end);
    bool plain = strspn(field, "0123456789+-.eE") == strlen(field); /* no "nan", no hexadecimal, no spaces */
    if (plain && end != field && !*end)
        leann_table_set(t, row, t->name[column], number);
    else
        leann_table_set_text(t, row, t->name[column], field);
}

static leann_status read_row(csv *c, leann_table *t)
{
    leann_status s = LEANN_OK;
    size_t line = c->line, column = 0;
    if (t->rows && (t->rows + 1) > MAX_ENTRIES / t->columns)
        return leann_fail(c->ctx, LEANN_ELIMIT, "%s:%zu: more than %d entries", c->what, line, MAX_ENTRIES);
    size_t row = leann_table_add_row(t);
    for (bool last = false; !s && !last; column++) {
        if ((s = next_entry(c, &last))) break;
        if (column >= t->columns || (last && column + 1 != t->columns))
            return leann_fail(c->ctx, LEANN_EFORMAT, "%s:%zu: %s than the %zu columns of the first line", c->what, line,
                              column >= t->columns ? "more entries" : "fewer entries", t->columns);
        keep_entry(t, row, column, c->field);
        s = leann_table_check(t);
    }
    return s;
}

leann_status leann_table_read_csv(leann_ctx *ctx, const char *what, const char *text, size_t bytes, leann_table **out)
{
    if (bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3, bytes -= 3;
    *out = NULL;
    csv c = {ctx, what, text, text + bytes, 1, leann_alloc(ctx, bytes + 1, 1)};
    leann_table *t = leann_table_new(ctx);
    leann_status s = c.field && t ? LEANN_OK : LEANN_ENOMEM;
    if (!s && !bytes) s = leann_fail(ctx, LEANN_EFORMAT, "%s: empty, not even the names of columns", what);
    if (!s) s = read_names(&c, t);
    while (!s && c.at < c.end) {
        if (*c.at == '\n' || (*c.at == '\r' && c.at + 1 < c.end && c.at[1] == '\n')) { /* an empty line */
            c.line++;
            c.at += *c.at == '\r' ? 2 : 1;
            continue;
        }
        s = read_row(&c, t);
    }
    leann_free(c.field);
    if (s)
        leann_table_free(t);
    else
        *out = t;
    return s;
}

leann_status leann_table_load_csv(leann_ctx *ctx, const char *path, leann_table **out)
{
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    leann_status s = leann_file_read(ctx, path, MAX_FILE, &text, &bytes);
    if (!s) s = leann_table_read_csv(ctx, path, text, bytes, out);
    leann_free(text);
    return s;
}
