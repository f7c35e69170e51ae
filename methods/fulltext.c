/* fulltext.c – an inverted index of texts and their BM25 for a query; a search costs the postings of its words, one score a text in them.
 *
 * Words are runs of letters and digits as FTS5's tokenizer `unicode61` has them: case folded, accents of Latin letters dropped, by the tables
 * of Unicode 6.1. A query goes through the same tokenizer here, and its words are put in quotes and joined by OR: no byte of it can be read
 * as FTS5's query syntax. The table is contentless (FTS5's word for: it keeps postings and lengths, not the texts).
 *
 * Source: Robertson & Zaragoza 2009, section 3.4 (BM25); FTS5's own bm25() of SQLite.
 * Differs: FTS5's inverse document frequency log((N - n + 0.5) / (n + 0.5)) is 1e-6 where it would not be above that, so that a word in more
 *          than half of the texts hardly counts, and never against one.
 *
 * SPDX-License-Identifier: MIT */
#include "methods/fulltext.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/files.h"

/* A file with another number or another table is none of ours. */
enum { APPLICATION = 0x4c6e4654, STEPS_BETWEEN_LOOKS = 100000 };
static const char table_sql[] = "CREATE VIRTUAL TABLE texts USING fts5(body, content='', tokenize='unicode61')";
static const char add_sql[] = "INSERT INTO texts(rowid, body) VALUES(?1, ?2)";
static const char search_sql[] = "SELECT rowid, bm25(texts) FROM texts WHERE texts MATCH ?1 ORDER BY 2, 1 LIMIT ?2";

struct leann_fulltext {
    sqlite3 *db;
    sqlite3_stmt *add, *search; /* add: NULL once it is finished */
    fts5_tokenizer words;
    Fts5Tokenizer *tokenizer;
    leann_draft draft; /* of the file; fd -1: in memory, or finished */
    const char *what;  /* for errors: the path, or "the full-text index" */
    char *path;
    uint32_t n;
};

/* ---- what SQLite says ------------------------------------------------------------------------------------------------------------------- */

static leann_status failed(leann_ctx *ctx, const leann_fulltext *f, const char *doing)
{
    leann_status status;
    if (!f->db) return leann_fail(ctx, LEANN_ENOMEM, "%s: no memory for SQLite", f->what);
    switch (sqlite3_errcode(f->db) & 0xff) {
    case SQLITE_NOMEM:
        status = LEANN_ENOMEM;
        break;
    case SQLITE_INTERRUPT:
        return leann_fail(ctx, LEANN_EINTR, "interrupted");
    case SQLITE_TOOBIG:
        status = LEANN_ELIMIT;
        break;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        status = LEANN_EIO;
        break;
    default:
        status = LEANN_EFORMAT;
    }
    return leann_fail(ctx, status, "%s: cannot %s: %s", f->what, doing, sqlite3_errmsg(f->db));
}

static int is_cancelled(void *arg)
{
    return leann_ctx_cancelled(arg);
}

/* Calls of the database belong to this context until the next call. */
static void serve(leann_fulltext *f, leann_ctx *ctx)
{
    sqlite3_progress_handler(f->db, STEPS_BETWEEN_LOOKS, is_cancelled, ctx);
}

static leann_status run(leann_ctx *ctx, const leann_fulltext *f, const char *sql, const char *doing)
{
    return sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK ? LEANN_OK : failed(ctx, f, doing);
}

static leann_status prepare(leann_ctx *ctx, const leann_fulltext *f, const char *sql, sqlite3_stmt **out)
{
    int code = sqlite3_prepare_v3(f->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return code == SQLITE_OK ? LEANN_OK : failed(ctx, f, "prepare a statement");
}

/* The first row of a statement: a number, or a text that must be `text`. */
static leann_status ask(leann_ctx *ctx, const leann_fulltext *f, const char *sql, const char *text, int64_t *number)
{
    sqlite3_stmt *statement = NULL;
    leann_status status = prepare(ctx, f, sql, &statement);
    if (status != LEANN_OK) return status;
    int code = sqlite3_step(statement);
    const char *have = text && code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = failed(ctx, f, "read the file");
    else if (code == SQLITE_DONE || (text && (!have || strcmp(have, text) != 0)))
        status = leann_fail(ctx, LEANN_EFORMAT, "%s is a database, but no full-text index of this program", f->what);
    else if (number)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

/* ---- words -------------------------------------------------------------------------------------------------------------------------------- */

static leann_status take_tokenizer(leann_ctx *ctx, leann_fulltext *f)
{
    fts5_api *api = NULL;
    sqlite3_stmt *statement = NULL;
    void *own = NULL;
    if (sqlite3_prepare_v2(f->db, "SELECT fts5(?1)", -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(statement, 1, (void *)&api, "fts5_api_ptr", NULL);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    if (!api)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "full-text search needs SQLite's FTS5, and SQLite %s here is without",
                          sqlite3_libversion());
    if (api->xFindTokenizer(api, "unicode61", &own, &f->words) == SQLITE_OK && f->words.xCreate(own, NULL, 0, &f->tokenizer) == SQLITE_OK)
        return LEANN_OK;
    return leann_fail(ctx, LEANN_ENOMEM, "no memory for the tokenizer of SQLite's FTS5");
}

typedef struct {
    char *text; /* "word" OR "word" …; NULL: only counted */
    size_t bytes;
    uint32_t words;
} expression;

static int take_word(void *arg, int flags, const char *word, int n, int begin, int end)
{
    (void)flags, (void)begin, (void)end;
    expression *e = arg;
    const char *before = e->words++ ? " OR \"" : "\"";
    if (e->text) {
        memcpy(e->text + e->bytes, before, strlen(before));
        memcpy(e->text + e->bytes + strlen(before), word, (size_t)n);
        e->text[e->bytes + strlen(before) + (size_t)n] = '"';
    }
    e->bytes += strlen(before) + (size_t)n + 1;
    return SQLITE_OK;
}

/* The query as FTS5 reads it, in scratch. */
static leann_status express(leann_ctx *ctx, const leann_fulltext *f, leann_text query, expression *out)
{
    *out = (expression){0};
    if (query.n > LEANN_FULLTEXT_QUERY_BYTES)
        return leann_fail(ctx, LEANN_ELIMIT, "a query of %zu bytes; full-text search takes %d", query.n, LEANN_FULLTEXT_QUERY_BYTES);
    for (int pass = 0; pass < 2; pass++) {
        if (pass && !(out->text = leann_scratch(ctx, out->bytes + 1))) return LEANN_ENOMEM;
        out->words = 0;
        out->bytes = 0;
        if (f->words.xTokenize(f->tokenizer, out, FTS5_TOKENIZE_QUERY, query.n ? query.bytes : "", (int)query.n, take_word) != SQLITE_OK)
            return leann_fail(ctx, LEANN_ENOMEM, "no memory for the words of a query");
    }
    if (out->words <= LEANN_FULLTEXT_QUERY_WORDS) return LEANN_OK;
    return leann_fail(ctx, LEANN_ELIMIT, "a query of %u words; full-text search takes %d", out->words, LEANN_FULLTEXT_QUERY_WORDS);
}

/* ---- making ------------------------------------------------------------------------------------------------------------------------------- */

static leann_status new_handle(leann_ctx *ctx, const char *path, leann_fulltext **out)
{
    leann_fulltext *f = leann_alloc(ctx, 1, sizeof *f);
    if (!f) return LEANN_ENOMEM;
    f->draft.fd = -1;
    f->what = "the full-text index";
    if (path) f->what = f->path = leann_format(ctx, "%s", path);
    if (!f->what) {
        leann_free(f);
        return LEANN_ENOMEM;
    }
    *out = f;
    return LEANN_OK;
}

static leann_status open_database(leann_ctx *ctx, leann_fulltext *f, const char *file, int how)
{
    if (sqlite3_open_v2(file, &f->db, how | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK)
        return failed(ctx, f, "open it");
    sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL); /* a file's own schema is not trusted to run anything */
    sqlite3_db_config(f->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    serve(f, ctx);
    return take_tokenizer(ctx, f);
}

/* One transaction, and no journal: what is not finished is thrown away whole. */
static leann_status lay_out(leann_ctx *ctx, leann_fulltext *f)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA application_id = %d; BEGIN; %s",
             APPLICATION, table_sql);
    leann_status status = run(ctx, f, sql, "lay it out");
    return status == LEANN_OK ? prepare(ctx, f, add_sql, &f->add) : status;
}

leann_status leann_fulltext_new(leann_ctx *ctx, const char *path, leann_fulltext **out)
{
    leann_fulltext *f = NULL;
    *out = NULL;
    leann_status status = new_handle(ctx, path, &f);
    if (status == LEANN_OK && path) status = leann_draft_open(ctx, path, &f->draft);
    if (status == LEANN_OK)
        status = open_database(ctx, f, path ? f->draft.temporary : ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (status == LEANN_OK) status = lay_out(ctx, f);
    if (status == LEANN_OK)
        *out = f;
    else
        leann_fulltext_free(f);
    return status;
}

leann_status leann_fulltext_add(leann_ctx *ctx, leann_fulltext *f, const leann_text *texts, uint32_t n)
{
    serve(f, ctx);
    if (n >= LEANN_NONE - f->n) return leann_fail(ctx, LEANN_ELIMIT, "%s: more than %u texts", f->what, LEANN_NONE - 1);
    for (uint32_t i = 0; i < n; i++) {
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        const char *bytes = texts[i].n ? texts[i].bytes : "";
        bool done = sqlite3_bind_int64(f->add, 1, (int64_t)f->n + 1) == SQLITE_OK && /* rows of SQLite count from 1 on */
                    sqlite3_bind_text64(f->add, 2, bytes, texts[i].n, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK &&
                    sqlite3_step(f->add) == SQLITE_DONE;
        leann_status status = done ? LEANN_OK : failed(ctx, f, "add a text");
        sqlite3_reset(f->add);
        sqlite3_clear_bindings(f->add);
        if (status != LEANN_OK) return status;
        f->n++;
    }
    return LEANN_OK;
}

leann_status leann_fulltext_finish(leann_ctx *ctx, leann_fulltext *f)
{
    serve(f, ctx);
    sqlite3_finalize(f->add);
    f->add = NULL;
    leann_status status = run(ctx, f, "INSERT INTO texts(texts) VALUES('optimize'); COMMIT", "finish it"); /* one list of postings a word */
    if (status == LEANN_OK && f->draft.fd >= 0) {
        status = leann_draft_commit(&f->draft); /* the database stays open: its file has another name now */
        leann_draft_drop(&f->draft);
    }
    return status == LEANN_OK ? prepare(ctx, f, search_sql, &f->search) : status;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------------------------- */

static leann_status check(leann_ctx *ctx, leann_fulltext *f)
{
    int64_t application = 0, rows = 0, last = 0;
    leann_status status = ask(ctx, f, "PRAGMA application_id", NULL, &application);
    if (status == LEANN_OK && application != APPLICATION)
        status = leann_fail(ctx, LEANN_EFORMAT, "%s is a database, but no full-text index of this program", f->what);
    if (status == LEANN_OK) status = ask(ctx, f, "PRAGMA quick_check(1)", "ok", NULL);
    if (status == LEANN_OK) status = ask(ctx, f, "SELECT sql FROM sqlite_schema WHERE name = 'texts'", table_sql, NULL);
    if (status == LEANN_OK) status = ask(ctx, f, "SELECT count(*) FROM texts_docsize", NULL, &rows);
    if (status == LEANN_OK) status = ask(ctx, f, "SELECT ifnull(max(id), 0) FROM texts_docsize", NULL, &last);
    if (status == LEANN_OK && (rows != last || rows >= LEANN_NONE))
        status = leann_fail(ctx, LEANN_EFORMAT, "%s is damaged: it has %jd texts, and the last is number %jd", f->what, (intmax_t)rows,
                            (intmax_t)last);
    f->n = (uint32_t)rows;
    return status;
}

leann_status leann_fulltext_open(leann_ctx *ctx, const char *path, leann_fulltext **out)
{
    leann_fulltext *f = NULL;
    *out = NULL;
    leann_status status = new_handle(ctx, path, &f);
    if (status == LEANN_OK && access(path, F_OK) != 0 && errno == ENOENT) status = leann_fail(ctx, LEANN_ENOTFOUND, "no file %s", path);
    if (status == LEANN_OK) status = open_database(ctx, f, path, SQLITE_OPEN_READONLY);
    if (status == LEANN_OK) status = check(ctx, f);
    if (status == LEANN_OK) status = prepare(ctx, f, search_sql, &f->search);
    if (status == LEANN_OK)
        *out = f;
    else
        leann_fulltext_free(f);
    return status;
}

void leann_fulltext_free(leann_fulltext *f)
{
    if (!f) return;
    sqlite3_finalize(f->add);
    sqlite3_finalize(f->search);
    if (f->tokenizer) f->words.xDelete(f->tokenizer);
    sqlite3_close(f->db);
    leann_draft_drop(&f->draft);
    leann_free(f->path);
    leann_free(f);
}

uint32_t leann_fulltext_size(const leann_fulltext *f)
{
    return f->n;
}

/* ---- searching -------------------------------------------------------------------------------------------------------------------------------- */

static leann_status take_answers(leann_ctx *ctx, leann_fulltext *f, uint32_t k, uint32_t *ids, double *key, uint32_t *found)
{
    int code;
    while ((code = sqlite3_step(f->search)) == SQLITE_ROW && *found < k) {
        int64_t row = sqlite3_column_int64(f->search, 0);
        if (row < 1 || row > f->n)
            return leann_fail(ctx, LEANN_EFORMAT, "%s is damaged: text %jd of %u was found", f->what, (intmax_t)row, f->n);
        ids[*found] = (uint32_t)(row - 1);
        key[(*found)++] = sqlite3_column_double(f->search, 1);
    }
    return code == SQLITE_DONE ? LEANN_OK : failed(ctx, f, "search it");
}

leann_status leann_fulltext_search(leann_ctx *ctx, leann_fulltext *f, leann_text query, uint32_t k, uint32_t *ids, double *key,
                                   uint32_t *found)
{
    expression e;
    size_t mark = leann_scratch_mark(ctx);
    *found = 0;
    serve(f, ctx);
    leann_status status = k ? express(ctx, f, query, &e) : leann_fail(ctx, LEANN_EINVAL, "k is 0; it must be at least 1");
    if (status == LEANN_OK && e.words) {
        bool bound = sqlite3_bind_text64(f->search, 1, e.text, e.bytes, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK &&
                     sqlite3_bind_int64(f->search, 2, k) == SQLITE_OK;
        status = bound ? take_answers(ctx, f, k, ids, key, found) : failed(ctx, f, "search it");
        sqlite3_reset(f->search);
        sqlite3_clear_bindings(f->search);
    }
    leann_scratch_reset(ctx, mark);
    return status;
}
