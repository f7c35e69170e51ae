/* text_set.c – files of text -> chunks without repeats -> vectors -> an ANN-benchmarks file with its passages.
 *
 * Cost: the encoder's, by far. Memory: about 100 bytes a chunk and a batch of vectors; the chunks' text waits in a file without a name, so
 * that what is embedded is what was cut, whatever happens to the files meanwhile.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/container.h"
#include "core/files.h"
#include "datasets/text.h"
#include "datasets/text_inside.h"
#include "datasets/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUERY_BYTES_MAX = 64 << 20, SAMPLE_MAX = 64, BLOCK_MAX = 4096, ROWS_AT_ONCE = 1024 };

/* ---- hashes -------------------------------------------------------------------------------------------------------------- */

leann_status leann_text_hash(leann_ctx *ctx, const char *before, leann_text text, uint8_t out[32])
{
    leann_sha *sha = leann_sha_new();
    if (!sha) return leann_fail(ctx, LEANN_ENOMEM, "no memory for a checksum");
    leann_sha_add(sha, before, strlen(before));
    leann_sha_add(sha, text.bytes, text.n);
    leann_sha_end_bytes(sha, out);
    return LEANN_OK;
}

/* ---- chunks without repeats ---------------------------------------------------------------------------------------------- */

/* Where the passage with this hash is, or would be. */
static uint32_t *slot_of(const leann_text_set *s, const uint8_t sha[32])
{
    uint64_t h, mask = 4 * (uint64_t)s->room - 1;
    memcpy(&h, sha, sizeof h);
    while (s->slot[h & mask] && memcmp(s->passage[s->slot[h & mask] - 1].sha, sha, 32) != 0) h++;
    return s->slot + (h & mask);
}

static leann_status grow_passages(leann_text_set *s)
{
    if (s->passages < s->room) return LEANN_OK;
    uint32_t room = s->room ? 2 * s->room : 1024;
    if (s->room > (uint32_t)INT32_MAX / 2) return leann_fail(s->ctx, LEANN_ELIMIT, "more than %u chunks", s->room);
    leann_passage *more = leann_alloc(s->ctx, room, sizeof *more);
    uint32_t *slot = leann_alloc(s->ctx, 4 * (size_t)room, sizeof *slot);
    if (!more || !slot) {
        leann_free(more);
        leann_free(slot);
        return LEANN_ENOMEM;
    }
    if (s->passages) memcpy(more, s->passage, s->passages * sizeof *more);
    leann_free(s->passage);
    leann_free(s->slot);
    s->passage = more;
    s->slot = slot;
    s->room = room;
    for (uint32_t i = 0; i < s->passages; i++) *slot_of(s, more[i].sha) = i + 1;
    return LEANN_OK;
}

static leann_status add_place(leann_text_set *s, const leann_chunk *chunk, uint32_t file, uint32_t id)
{
    if (s->places == s->place_room) {
        size_t room = s->place_room ? 2 * s->place_room : 1024;
        leann_place *more = leann_alloc(s->ctx, room, sizeof *more);
        if (!more) return LEANN_ENOMEM;
        if (s->places) memcpy(more, s->place, s->places * sizeof *more);
        leann_free(s->place);
        s->place = more;
        s->place_room = room;
    }
    s->place[s->places++] = (leann_place){file, chunk->first_line, chunk->last_line, id};
    return LEANN_OK;
}

static leann_status take_chunk(leann_text_set *s, uint32_t file, const leann_chunk *chunk)
{
    leann_passage p = {.file = file,
                       .first_line = chunk->first_line,
                       .last_line = chunk->last_line,
                       .bytes = chunk->bytes,
                       .tokens = chunk->tokens,
                       .offset = chunk->offset,
                       .text_at = s->plan.chunk_bytes,
                       .record = LEANN_PARTIAL_NONE};
    leann_status status = grow_passages(s);
    if (status == LEANN_OK) status = leann_text_hash(s->ctx, "", (leann_text){chunk->text, chunk->bytes}, p.sha);
    if (status != LEANN_OK) return status;
    uint32_t *slot = slot_of(s, p.sha);
    if (s->judged && (status = add_place(s, chunk, file, *slot ? *slot - 1 : s->passages)) != LEANN_OK) return status;
    if (*slot) {
        s->plan.repeats++;
        return LEANN_OK;
    }
    if ((status = leann_draft_write(&s->texts, p.text_at, chunk->text, chunk->bytes)) != LEANN_OK) return status;
    s->passage[s->passages++] = p;
    *slot = s->passages;
    s->plan.chunk_bytes += chunk->bytes;
    s->plan.tokens += chunk->tokens;
    return LEANN_OK;
}

typedef struct {
    leann_text_set *set;
    const char *path;
    int fd;
    uint64_t before; /* bytes of the files before it */
    uint64_t at;
} reading;

static leann_status read_more(leann_ctx *ctx, void *arg, char *to, size_t room, size_t *got)
{
    reading *r = arg;
    ssize_t now;
    if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
    do now = read(r->fd, to, room);
    while (now < 0 && errno == EINTR);
    if (now < 0) return leann_fail_errno(ctx, "cannot read %s", r->path);
    *got = (size_t)now;
    r->at += *got;
    leann_ctx_progress(ctx, "chunk", r->before + r->at, r->set->plan.file_bytes);
    return LEANN_OK;
}

/* Whether a file is one that the walk came upon, not the user's own word. */
static bool was_found(const leann_text_set *s, const char *path)
{
    for (size_t i = 0; i < s->options.input_count; i++)
        if (strcmp(s->options.inputs[i], path) == 0) return false;
    return true;
}

/* A file that cannot be opened after the walk: one that was found is left out. */
static leann_status not_opened(leann_text_set *s, uint32_t i)
{
    leann_text_file *file = s->files.file + i;
    const leann_walk_options *walk = &s->options.walk;
    if ((errno != ENOENT && errno != EACCES && errno != ENAMETOOLONG) || !was_found(s, file->path))
        return leann_fail_errno(s->ctx, "cannot open %s", file->path);
    if (walk->left) walk->left(walk->arg, LEANN_LEFT_UNREADABLE, file->path, file->bytes);
    s->plan.file_bytes -= file->bytes;
    leann_free(file->path);
    memmove(file, file + 1, (--s->files.n - i) * sizeof *file);
    return LEANN_OK;
}

static leann_status cut_file(leann_text_set *s, leann_chunker *chunker, uint32_t file, int fd, uint64_t before)
{
    leann_chunk chunk;
    leann_status status = LEANN_OK;
    reading r = {.set = s, .path = s->files.file[file].path, .fd = fd, .before = before};
    leann_chunker_begin(chunker, leann_language_at(leann_language_of(r.path))->shape, read_more, &r);
    do {
        if ((status = leann_chunker_next(chunker, &chunk)) == LEANN_OK && chunk.bytes) status = take_chunk(s, file, &chunk);
    } while (status == LEANN_OK && chunk.bytes);
    return status;
}

static leann_status cut_files(leann_text_set *s)
{
    leann_chunker *chunker = NULL;
    uint64_t before = 0;
    if (s->files.n > UINT32_MAX) return leann_fail(s->ctx, LEANN_ELIMIT, "%zu files; the limit is %u", s->files.n, UINT32_MAX);
    for (size_t i = 0; i < s->files.n; i++) s->plan.file_bytes += s->files.file[i].bytes;
    leann_status status = leann_chunker_new(s->ctx, s->encoder, s->options.chunk_tokens, &chunker);
    if (status == LEANN_OK) status = leann_draft_spool(s->ctx, &s->texts);
    for (uint32_t i = 0; status == LEANN_OK && i < s->files.n;) {
        int fd = open(s->files.file[i].path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) {
            status = not_opened(s, i);
            continue;
        }
        status = cut_file(s, chunker, i, fd, before);
        close(fd);
        before += s->files.file[i++].bytes;
    }
    leann_chunker_free(chunker);
    s->plan.files = s->files.n;
    s->plan.chunks = s->passages;
    if (status == LEANN_OK && s->passages == 0) status = leann_fail(s->ctx, LEANN_EINVAL, "no text in the %zu files found", s->files.n);
    return status;
}

/* ---- queries ------------------------------------------------------------------------------------------------------------- */

static leann_status grow_queries(leann_text_set *s)
{
    if (s->plan.queries < s->query_room) return LEANN_OK;
    uint32_t room = s->query_room ? 2 * s->query_room : 256;
    leann_query *query = leann_alloc(s->ctx, room, sizeof *query);
    leann_answer *answer = leann_alloc(s->ctx, room, sizeof *answer);
    if (!query || !answer) {
        leann_free(query);
        leann_free(answer);
        return LEANN_ENOMEM;
    }
    if (s->plan.queries) {
        memcpy(query, s->query, s->plan.queries * sizeof *query);
        memcpy(answer, s->answer, s->plan.queries * sizeof *answer);
    }
    leann_free(s->query);
    leann_free(s->answer);
    s->query = query;
    s->answer = answer;
    s->query_room = room;
    return LEANN_OK;
}

/* Takes the answer over. */
static leann_status add_query(leann_text_set *s, leann_text text, leann_answer answer)
{
    leann_query q = {.record = LEANN_PARTIAL_NONE, .bytes = text.n};
    leann_status status = grow_queries(s);
    if (status == LEANN_OK && !(q.text = leann_alloc(s->ctx, text.n + 1, 1))) status = LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_text_hash(s->ctx, "query\n", text, q.sha);
    if (status != LEANN_OK) {
        leann_free(q.text);
        leann_free(answer.path);
        return status;
    }
    memcpy(q.text, text.bytes, text.n);
    s->judged |= answer.path != NULL;
    s->answer[s->plan.queries] = answer;
    s->query[s->plan.queries++] = q;
    return LEANN_OK;
}

static leann_status add_json_query(leann_text_set *s, const char *what, const char *line, size_t bytes)
{
    leann_value *v = NULL;
    leann_answer answer = {0};
    leann_status status = leann_value_parse(s->ctx, what, line, bytes, &v);
    const char *text = status == LEANN_OK ? leann_value_text(leann_value_get(v, "text"), NULL) : NULL;
    if (status == LEANN_OK && (!text || !*text)) status = leann_fail(s->ctx, LEANN_EINVAL, "%s: no \"text\" in this query", what);
    if (status == LEANN_OK) status = leann_answer_read(s->ctx, what, v, &answer);
    if (status == LEANN_OK) status = add_query(s, (leann_text){text, strlen(text)}, answer);
    leann_value_free(v);
    return status;
}

/* One a line; a file whose first line that is not blank begins with '{' has a JSON object a line. */
static leann_status read_queries(leann_text_set *s)
{
    char *data, what[1200];
    size_t bytes, row = 0;
    leann_status status = leann_file_read(s->ctx, s->options.queries, QUERY_BYTES_MAX, &data, &bytes);
    if (status != LEANN_OK) return status;
    bool json = data[strspn(data, " \t\r\n")] == '{';
    for (const char *line = data, *end = data + bytes; status == LEANN_OK && line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = newline ? (size_t)(newline - line) : (size_t)(end - line), first = 0;
        const char *next = newline ? newline + 1 : end;
        row++;
        while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r')) n--;
        while (first < n && (line[first] == ' ' || line[first] == '\t')) first++;
        snprintf(what, sizeof what, "%s:%zu", s->options.queries, row);
        if (first < n && json)
            status = add_json_query(s, what, line + first, n - first);
        else if (first < n)
            status = add_query(s, (leann_text){line + first, n - first}, (leann_answer){0});
        line = next;
    }
    leann_free(data);
    if (status == LEANN_OK && s->plan.queries == 0) status = leann_fail(s->ctx, LEANN_EINVAL, "%s: no queries in it", s->options.queries);
    return status;
}

/* The chunks that answer each query, where queries say where their answers lie. */
static leann_status judge(leann_text_set *s)
{
    if (!s->judged) return LEANN_OK;
    leann_status status = leann_answers_find(s->ctx, s->options.queries, s->answer, s->plan.queries, &s->files);
    if (status == LEANN_OK)
        status = leann_relevance_make(s->ctx, s->answer, s->plan.queries, s->place, s->places, &s->files, &s->relevance);
    leann_free(s->place);
    s->place = NULL;
    return status;
}

/* Chunks that are held out as queries, ascending. */
static leann_status draw_split(leann_text_set *s)
{
    if (s->options.split >= s->passages)
        return leann_fail(s->ctx, LEANN_EINVAL, "a split of %u queries leaves nothing of the %u chunks", s->options.split, s->passages);
    uint32_t *drawn = leann_alloc(s->ctx, s->options.split, sizeof *drawn);
    if (!drawn) return LEANN_ENOMEM;
    leann_rng rng = leann_rng_at(leann_ctx_seed(s->ctx), "dataset.split", 0);
    leann_rng_sample(&rng, s->passages, s->options.split, true, drawn);
    for (uint32_t i = 0; i < s->options.split; i++) s->passage[drawn[i]].held_out = true;
    leann_free(drawn);
    s->plan.queries = s->options.split;
    return LEANN_OK;
}

/* ---- embedding ----------------------------------------------------------------------------------------------------------- */

leann_status leann_text_read(const leann_text_set *s, const leann_passage *p, char *to)
{
    for (uint32_t done = 0; done < p->bytes;) {
        ssize_t now = pread(s->texts.fd, to + done, p->bytes - done, (off_t)(p->text_at + done));
        if (now < 0 && errno == EINTR) continue;
        if (now <= 0) return leann_fail_errno(s->ctx, "cannot read back the text of the chunks");
        done += (uint32_t)now;
    }
    return LEANN_OK;
}

/* Texts that wait for their vectors. */
typedef struct {
    leann_text_set *set;
    leann_role role;
    char *bytes;
    size_t used, room;
    leann_text text[BLOCK_MAX];
    uint8_t sha[BLOCK_MAX][32];
    uint64_t *record[BLOCK_MAX]; /* where the number of the record goes */
    uint32_t n, most;
    float *x; /* (most, d) */
} batch;

static void free_batch(batch *b)
{
    if (!b) return;
    leann_free(b->bytes);
    leann_free(b->x);
    leann_free(b);
}

/* Of so many texts at most, fewer where they are long. */
static batch *new_batch(leann_text_set *s, leann_role role, uint32_t texts)
{
    batch *b = leann_alloc(s->ctx, 1, sizeof *b);
    if (!b) return NULL;
    b->set = s;
    b->role = role;
    b->x = leann_alloc(s->ctx, (size_t)texts * s->encoder->d, sizeof *b->x);
    b->most = texts;
    b->room = (size_t)texts * 4096 + LEANN_CHUNK_BYTES;
    b->bytes = leann_alloc(s->ctx, b->room, 1);
    if (b->x && b->bytes) return b;
    free_batch(b);
    return NULL;
}

static bool is_full(const batch *b)
{
    return b->n == b->most || b->used > b->room - LEANN_CHUNK_BYTES;
}

static leann_status add_passage(batch *b, leann_passage *p)
{
    leann_status status = leann_text_read(b->set, p, b->bytes + b->used);
    b->text[b->n] = (leann_text){b->bytes + b->used, p->bytes};
    b->record[b->n] = &p->record;
    memcpy(b->sha[b->n++], p->sha, 32);
    b->used += p->bytes;
    return status;
}

static leann_status encode(batch *b)
{
    leann_text_set *s = b->set;
    leann_status status = s->encoder->type->encode(s->encoder, s->ctx, b->role, b->text, b->n, b->x);
    if (status == LEANN_OK && !s->options.look) {
        uint64_t first = leann_partial_count(s->partial);
        status = leann_partial_add(s->partial, (const uint8_t(*)[32])b->sha, b->n, b->x);
        for (uint32_t i = 0; status == LEANN_OK && i < b->n; i++) *b->record[i] = first + i;
    }
    if (status == LEANN_OK) s->done += b->n;
    b->n = 0;
    b->used = 0;
    return status;
}

static uint64_t missing_tokens(const leann_text_set *s, uint32_t *missing)
{
    uint64_t tokens = 0;
    *missing = 0;
    for (uint32_t i = 0; i < s->passages; i++)
        if (s->passage[i].record == LEANN_PARTIAL_NONE) {
            tokens += s->passage[i].tokens + 2;
            ++*missing;
        }
    return tokens;
}

/* What the encoder takes for some of the chunks that wait, spread over all; the first one alone before, so that the model is in memory. */
static leann_status time_sample(leann_text_set *s)
{
    uint32_t waiting, seen = 0, best = s->encoder->best_batch ? s->encoder->best_batch : 1, all;
    missing_tokens(s, &waiting);
    uint32_t want = best < SAMPLE_MAX ? best : SAMPLE_MAX;
    if (want > waiting) want = waiting;
    if (want == 0) return LEANN_OK;
    batch *b = new_batch(s, LEANN_PASSAGE, want);
    uint64_t tokens = 0;
    leann_status status = b ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; status == LEANN_OK && i < s->passages && !is_full(b); i++) {
        if (s->passage[i].record != LEANN_PARTIAL_NONE) continue;
        if ((uint64_t)seen++ * want / waiting < b->n) continue;
        tokens += s->passage[i].tokens + 2;
        status = add_passage(b, s->passage + i);
    }
    if (status == LEANN_OK) status = s->encoder->type->encode(s->encoder, s->ctx, LEANN_PASSAGE, b->text, 1, b->x);
    uint64_t start = leann_now_ns();
    if (status == LEANN_OK) {
        s->plan.rate_chunks = b->n;
        status = encode(b);
        s->done = 0;
    }
    s->plan.rate_s = (double)(leann_now_ns() - start) * 1e-9;
    if (tokens) s->plan.left_s = s->plan.rate_s * (double)missing_tokens(s, &all) / (double)tokens;
    free_batch(b);
    return status;
}

static leann_status embed_passages(leann_text_set *s, uint32_t most, uint64_t total)
{
    batch *b = new_batch(s, LEANN_PASSAGE, most);
    leann_status status = b ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; status == LEANN_OK && i < s->passages; i++) {
        if (s->passage[i].record == LEANN_PARTIAL_NONE) status = add_passage(b, s->passage + i);
        if (status != LEANN_OK || b->n == 0 || (!is_full(b) && i + 1 < s->passages)) continue;
        status = encode(b);
        leann_ctx_progress(s->ctx, "embed", s->done, total);
        if (status == LEANN_OK && leann_ctx_cancelled(s->ctx)) status = leann_fail(s->ctx, LEANN_EINTR, "interrupted");
    }
    free_batch(b);
    return status;
}

static leann_status embed_queries(leann_text_set *s, uint32_t most, uint64_t total)
{
    batch *b = s->query ? new_batch(s, LEANN_QUERY, most) : NULL;
    leann_status status = b || !s->query ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; status == LEANN_OK && s->query && i < s->plan.queries; i++) {
        leann_query *q = s->query + i;
        if (q->record == LEANN_PARTIAL_NONE) {
            b->text[b->n] = (leann_text){q->text, q->bytes};
            b->record[b->n] = &q->record;
            memcpy(b->sha[b->n++], q->sha, 32);
        }
        if (b->n == 0 || (!is_full(b) && i + 1 < s->plan.queries)) continue;
        status = encode(b);
        leann_ctx_progress(s->ctx, "embed", s->done, total);
        if (status == LEANN_OK && leann_ctx_cancelled(s->ctx)) status = leann_fail(s->ctx, LEANN_EINTR, "interrupted");
    }
    free_batch(b);
    return status;
}

leann_status leann_text_set_embed(leann_text_set *s)
{
    uint32_t best = s->encoder->best_batch ? s->encoder->best_batch : 1, missing;
    uint64_t most = (uint64_t)best * leann_ctx_threads(s->ctx) * 2, total;
    most = most < BLOCK_MAX ? most : BLOCK_MAX;
    missing_tokens(s, &missing);
    total = missing;
    for (uint32_t i = 0; s->query && i < s->plan.queries; i++) total += s->query[i].record == LEANN_PARTIAL_NONE;
    s->done = 0;
    leann_status status = embed_passages(s, (uint32_t)most, total);
    return status == LEANN_OK ? embed_queries(s, (uint32_t)most, total) : status;
}

/* ---- vectors to their places --------------------------------------------------------------------------------------------- */

typedef struct {
    leann_output *out;
    leann_target part;
    float *x;
    uint32_t n;
    uint64_t sent;
} rows_out;

static leann_status send_rows(rows_out *r)
{
    leann_status status = r->n ? leann_output_put(r->out, r->part, r->sent, r->n, r->x) : LEANN_OK;
    r->sent += r->n;
    r->n = 0;
    return status;
}

static leann_status put_row(leann_text_set *s, rows_out *r, uint64_t record)
{
    leann_status status = leann_partial_read(s->partial, record, r->x + (size_t)r->n * s->encoder->d);
    if (status == LEANN_OK && ++r->n == ROWS_AT_ONCE) status = send_rows(r);
    return status;
}

static leann_status put_vectors(leann_text_set *s, leann_output *o)
{
    rows_out train = {.out = o, .part = LEANN_TO_TRAIN}, test = {.out = o, .part = LEANN_TO_TEST};
    train.x = leann_alloc(s->ctx, (size_t)ROWS_AT_ONCE * s->encoder->d, sizeof(float));
    test.x = leann_alloc(s->ctx, (size_t)ROWS_AT_ONCE * s->encoder->d, sizeof(float));
    leann_status status = train.x && test.x ? LEANN_OK : LEANN_ENOMEM;
    for (uint32_t i = 0; status == LEANN_OK && i < s->passages; i++)
        status = put_row(s, s->passage[i].held_out ? &test : &train, s->passage[i].record);
    for (uint32_t i = 0; status == LEANN_OK && s->query && i < s->plan.queries; i++) status = put_row(s, &test, s->query[i].record);
    if (status == LEANN_OK) status = send_rows(&train);
    if (status == LEANN_OK) status = send_rows(&test);
    leann_free(train.x);
    leann_free(test.x);
    return status;
}

static leann_status write_rows(leann_text_set *s, const char *path)
{
    leann_output *o = NULL;
    uint32_t n = s->passages - s->options.split, k = n < LEANN_GT_K ? n : LEANN_GT_K;
    leann_layout layout = {n, s->encoder->d, s->plan.queries, s->plan.queries ? k : 0, LEANN_F32, LEANN_F32, s->encoder->space};
    leann_status status = leann_output_new(s->ctx, path, layout, &o);
    if (status == LEANN_OK) status = put_vectors(s, o);
    if (status == LEANN_OK && s->plan.queries) status = leann_output_groundtruth(s->ctx, o, k);
    if (status == LEANN_OK) status = leann_output_commit(o);
    leann_output_free(o);
    return status;
}

leann_status leann_text_set_write(leann_text_set *s)
{
    char *temporary = NULL;
    int fd = -1;
    leann_status status = leann_temporary(s->ctx, s->options.output, &temporary);
    if (status == LEANN_OK) status = write_rows(s, temporary);
    if (status == LEANN_OK) status = leann_text_write_passages(s, temporary);
    if (status == LEANN_OK && (fd = open(temporary, O_RDWR | O_CLOEXEC)) < 0)
        status = leann_fail_errno(s->ctx, "cannot write %s", s->options.output);
    if (status == LEANN_OK) status = leann_replace(s->ctx, fd, temporary, s->options.output);
    if (fd >= 0) close(fd);
    if (temporary && status != LEANN_OK) unlink(temporary);
    leann_free(temporary);
    return status == LEANN_OK ? leann_partial_remove(s->partial) : status;
}

/* ---- begin and end ------------------------------------------------------------------------------------------------------- */

static leann_status open_partial(leann_text_set *s)
{
    char *path = leann_format(s->ctx, "%s.partial", s->options.output);
    if (!path) return LEANN_ENOMEM;
    leann_status status = leann_partial_open(s->ctx, path, s->encoder->identity, s->encoder->d, s->options.look, &s->partial);
    leann_free(path);
    if (status != LEANN_OK) return status;
    for (uint32_t i = 0; i < s->passages; i++) {
        s->passage[i].record = leann_partial_find(s->partial, s->passage[i].sha);
        s->plan.kept += s->passage[i].record != LEANN_PARTIAL_NONE;
    }
    for (uint32_t i = 0; s->query && i < s->plan.queries; i++) {
        s->query[i].record = leann_partial_find(s->partial, s->query[i].sha);
        s->plan.kept += s->query[i].record != LEANN_PARTIAL_NONE;
    }
    return LEANN_OK;
}

leann_status leann_text_set_new(leann_ctx *ctx, const leann_encoder *encoder, const leann_text_options *options, leann_text_set **out)
{
    *out = NULL;
    if (strlen(options->encoder) >= LEANN_ENCODER_BYTES)
        return leann_fail(ctx, LEANN_EINVAL, "the encoder's configuration has %zu bytes; a set holds at most %d", strlen(options->encoder),
                          LEANN_ENCODER_BYTES - 1);
    if (options->queries && options->split) return leann_fail(ctx, LEANN_EINVAL, "queries come from a file or from a split, not from both");
    leann_text_set *s = leann_alloc(ctx, 1, sizeof *s);
    if (!s) return LEANN_ENOMEM;
    s->ctx = ctx;
    s->encoder = encoder;
    s->options = *options;
    s->texts.fd = -1;
    leann_status status = options->queries ? read_queries(s) : LEANN_OK;
    if (status == LEANN_OK) status = leann_text_walk(ctx, options->inputs, options->input_count, &options->walk, &s->files);
    if (status == LEANN_OK) status = cut_files(s);
    if (status == LEANN_OK) status = judge(s);
    if (status == LEANN_OK && options->split) status = draw_split(s);
    if (status == LEANN_OK) status = open_partial(s);
    if (status == LEANN_OK) status = time_sample(s);
    if (status == LEANN_OK)
        *out = s;
    else
        leann_text_set_free(s);
    return status;
}

const leann_text_plan *leann_text_set_plan(const leann_text_set *s)
{
    return &s->plan;
}

void leann_text_set_free(leann_text_set *s)
{
    if (!s) return;
    for (uint32_t i = 0; s->query && i < s->plan.queries; i++) {
        leann_free(s->query[i].text);
        leann_free(s->answer[i].path);
    }
    leann_free(s->query);
    leann_free(s->answer);
    leann_free(s->place);
    leann_relevance_free(&s->relevance);
    leann_free(s->passage);
    leann_free(s->slot);
    leann_text_files_free(&s->files);
    leann_partial_free(s->partial);
    leann_draft_drop(&s->texts);
    leann_free(s);
}
