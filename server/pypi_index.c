/* pypi_index.c – LEANN 0.3.8's passages: where the line of each label lies, 16 bytes a label; texts are read when they are asked for.
 *
 * Ids are told apart by 64 bits of a hash; who writes a file in which two of them meet harms his own passages.
 *
 * Source: the files of leann-core 0.3.8.
 * Differs: of lines with one id the last stands (LEANN's pickled offsets say the same of an index that was updated).
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "server/pypi_index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/container.h"

enum { LINE = 16 << 20, META = 16 << 20, MAX_SOURCES = 256, FIRST_LINES = 1024 };

typedef struct {
    uint64_t offset;
    uint32_t bytes;  /* 0: no passage */
    uint32_t source; /* which file */
} place;
typedef struct {
    uint64_t id; /* its hash */
    uint64_t order;
    place at;
} entry;

typedef struct {
    leann_pypi_index common; /* begins with the passages */
    uint32_t sources;
    int fd[MAX_SOURCES];
    char *path[MAX_SOURCES];
    place *place; /* (common.passages.n) */
    entry *entry; /* while it is opened: (entries) of room */
    size_t entries, room;
} pypi;

/* ---- lines --------------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *id, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)id[i]) * 1099511628211u;
    return h;
}

/* The next line, without its end, in buffer (LINE); *n bytes of it. False at the end of the file. ELIMIT: it is longer than that. */
static bool next_line(FILE *file, char *buffer, size_t *n, leann_status *status)
{
    int c = EOF;
    *n = 0;
    while (*n < LINE && (c = getc_unlocked(file)) != EOF && c != '\n') buffer[(*n)++] = (char)c;
    if (*n == LINE) *status = LEANN_ELIMIT;
    return *status == LEANN_OK && (c != EOF || *n > 0);
}

/* What a line holds; NULL with an error where it is no passage. *tree is the caller's. */
static const char *read_line(leann_ctx *ctx, const char *line, size_t n, leann_value **tree, const char **text)
{
    *tree = NULL;
    if (leann_value_parse(ctx, "a line", line, n, tree) != LEANN_OK) return NULL;
    const char *id = leann_value_text(leann_value_get(*tree, "id"), NULL);
    *text = leann_value_text(leann_value_get(*tree, "text"), NULL);
    if (id && *text) return id;
    leann_fail(ctx, LEANN_EFORMAT, "it has no \"id\" or no \"text\"");
    return NULL;
}

static leann_status add_entry(leann_ctx *ctx, pypi *self, uint64_t id, place at)
{
    if (self->entries == self->room) {
        size_t room = self->room ? 2 * self->room : FIRST_LINES;
        entry *more = leann_alloc(ctx, room, sizeof *more);
        if (!more) return LEANN_ENOMEM;
        if (self->entries > 0) memcpy(more, self->entry, self->entries * sizeof *more);
        leann_free(self->entry);
        self->entry = more;
        self->room = room;
    }
    self->entry[self->entries] = (entry){id, self->entries, at};
    self->entries++;
    return LEANN_OK;
}

/* A line that is no passage is no reason to serve none of the others: Python writes JSON that is none (NaN, half of a surrogate pair). */
static leann_status skip_line(leann_ctx *ctx, pypi *self, const leann_ctx *why, const char *path, uint64_t number)
{
    if (self->common.skipped++ > 0) return LEANN_OK;
    self->common.why = leann_format(ctx, "%s, line %" PRIu64 ": %s", path, number, leann_ctx_error(why));
    return self->common.why ? LEANN_OK : LEANN_ENOMEM;
}

static leann_status scan_lines(leann_ctx *ctx, leann_ctx *own, pypi *self, FILE *file, char *line)
{
    const uint32_t source = self->sources - 1;
    uint64_t offset = 0, number = 0;
    size_t n;
    leann_status status = LEANN_OK;
    for (; status == LEANN_OK && next_line(file, line, &n, &status); offset += n + 1) {
        leann_value *tree;
        const char *text;
        number++;
        if (n == 0) continue;
        leann_ctx_clear(own);
        const char *id = read_line(own, line, n, &tree, &text);
        status = id ? add_entry(ctx, self, hash_of(id, strlen(id)), (place){offset, (uint32_t)n, source})
                    : skip_line(ctx, self, own, self->path[source], number);
        leann_value_free(tree);
    }
    if (status == LEANN_ELIMIT)
        return leann_fail(ctx, status, "%s: line %" PRIu64 " has more than %d bytes", self->path[source], number + 1, LINE);
    if (status == LEANN_OK && ferror(file)) return leann_fail_errno(ctx, "cannot read %s", self->path[source]);
    return status;
}

/* path: heap, taken over. */
static leann_status add_source(leann_ctx *ctx, pypi *self, char *path)
{
    if (self->sources == MAX_SOURCES) {
        leann_free(path);
        return leann_fail(ctx, LEANN_ELIMIT, "the index has more than %d files of passages", MAX_SOURCES);
    }
    struct stat about;
    FILE *file = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe in its place is not waited for */
    self->path[self->sources] = path;
    self->fd[self->sources++] = fd;
    if (fd < 0 || fstat(fd, &about) != 0) return leann_fail_errno(ctx, "cannot open %s", path);
    if (!S_ISREG(about.st_mode)) return leann_fail(ctx, LEANN_EFORMAT, "%s is no file", path);
    if (!(file = fopen(path, "re"))) return leann_fail_errno(ctx, "cannot open %s", path); /* in order; the other is read by places */
    leann_ctx *own = leann_ctx_new(0, 1);
    char *line = leann_alloc(ctx, LINE, 1);
    leann_status status = own && line ? scan_lines(ctx, own, self, file, line) : LEANN_ENOMEM;
    leann_free(line);
    leann_ctx_free(own);
    fclose(file);
    return status;
}

/* ---- labels -------------------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return x->id != y->id ? (x->id < y->id ? -1 : 1) : x->order < y->order ? -1 : x->order > y->order;
}

/* In the order of ids, one of each: the last. */
static void sort_entries(pypi *self)
{
    size_t kept = 0;
    if (self->entries > 0) qsort(self->entry, self->entries, sizeof *self->entry, by_id);
    for (size_t i = 0; i < self->entries; i++) {
        if (kept > 0 && self->entry[kept - 1].id == self->entry[i].id) kept--;
        self->entry[kept++] = self->entry[i];
    }
    self->entries = kept;
}

static place find_entry(const pypi *self, uint64_t id)
{
    size_t low = 0, high = self->entries;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->entry[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < self->entries && self->entry[low].id == id ? self->entry[low].at : (place){0};
}

/* ids: the text of X.ids.txt, or NULL. */
static leann_status place_labels(leann_ctx *ctx, pypi *self, const char *ids, size_t bytes)
{
    size_t n = self->entries;
    if (ids) {
        n = bytes > 0 && ids[bytes - 1] != '\n';
        for (size_t i = 0; i < bytes; i++) n += ids[i] == '\n';
    }
    if (n >= LEANN_NONE) return leann_fail(ctx, LEANN_ELIMIT, "the index has %zu labels; the limit is %u", n, LEANN_NONE - 1);
    if (!(self->place = leann_alloc(ctx, n, sizeof *self->place))) return LEANN_ENOMEM;
    self->common.passages.n = (uint32_t)n;
    for (size_t i = 0, at = 0; i < n; i++) {
        char number[24];
        const char *id = number, *end;
        size_t length = (size_t)snprintf(number, sizeof number, "%zu", i);
        if (ids) {
            id = ids + at;
            end = memchr(id, '\n', bytes - at);
            length = end ? (size_t)(end - id) : bytes - at;
            at += length + 1;
        }
        self->place[i] = find_entry(self, hash_of(id, length));
        self->common.missing += self->place[i].bytes == 0;
    }
    return LEANN_OK;
}

/* ---- the files of an index ----------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int folder_bytes(const char *path) /* with the slash */
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) + 1 : 0;
}

/* meta, its folder, or the path itself where it is absolute; NULL where no such file is there, or memory runs out. */
static char *in_folder(leann_ctx *ctx, const char *meta, const char *name)
{
    if (!name || !*name) return NULL;
    char *path = name[0] == '/' ? leann_format(ctx, "%s", name) : leann_format(ctx, "%.*s%s", folder_bytes(meta), meta, name);
    if (path && access(path, R_OK) == 0) return path;
    leann_free(path);
    return NULL;
}

/* Where a source lies: where it says, where it says from the folder on, or beside the metadata by its name. */
static leann_status open_source(leann_ctx *ctx, pypi *self, const char *meta, const leann_value *source)
{
    const char *type = leann_value_text(leann_value_get(source, "type"), "");
    if (strcmp(type, "jsonl") != 0)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "%s: passages of type '%.40s' are not known; only jsonl is", meta, type);
    char *path = in_folder(ctx, meta, leann_value_text(leann_value_get(source, "path"), NULL));
    if (!path) path = in_folder(ctx, meta, leann_value_text(leann_value_get(source, "path_relative"), NULL));
    if (!path) {
        char *name = leann_format(ctx, "%.*s.passages.jsonl", (int)(strlen(meta) - strlen(".meta.json")) - folder_bytes(meta),
                                  meta + folder_bytes(meta));
        path = in_folder(ctx, meta, name);
        leann_free(name);
    }
    if (leann_ctx_status(ctx) != LEANN_OK) {
        leann_free(path);
        return leann_ctx_status(ctx);
    }
    return path ? add_source(ctx, self, path) : leann_fail(ctx, LEANN_ENOTFOUND, "%s: a file of its passages is not there", meta);
}

static leann_status read_meta(leann_ctx *ctx, pypi *self, const char *path, const leann_value *meta)
{
    const leann_value *sources = leann_value_get(meta, "passage_sources"), *backend = leann_value_get(meta, "backend_kwargs");
    const char *metric = leann_value_text(leann_value_get(backend, "distance_metric"), "mips");
    int64_t d = leann_value_int(leann_value_get(meta, "dimensions"), 0);
    self->common.d = d > 0 && d < UINT32_MAX ? (uint32_t)d : 0;
    self->common.squared_l2 = strcasecmp(metric, "l2") == 0;
    if (!self->common.squared_l2 && strcasecmp(metric, "mips") != 0 && strcasecmp(metric, "cosine") != 0)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "%s: metric '%.40s' is not known", path, metric);
    if (leann_value_type(sources) != LEANN_V_LIST || leann_value_count(sources) == 0)
        return leann_fail(ctx, LEANN_EFORMAT, "%s names no \"passage_sources\"", path);
    leann_status status = LEANN_OK;
    for (size_t i = 0; i < leann_value_count(sources) && status == LEANN_OK; i++)
        status = open_source(ctx, self, path, leann_value_at(sources, i));
    return status;
}

/* X.ids.txt beside X.leann.meta.json; *ids NULL where there is none. */
static leann_status read_ids(leann_ctx *ctx, const char *meta, char **ids, size_t *bytes)
{
    size_t n = strlen(meta) - strlen(".meta.json");
    if (n >= 6 && memcmp(meta + n - 6, ".leann", 6) == 0) n -= 6;
    char *path = leann_format(ctx, "%.*s.ids.txt", (int)n, meta);
    if (!path) return LEANN_ENOMEM;
    leann_status status = access(path, F_OK) == 0 ? leann_file_read(ctx, path, SIZE_MAX / 4, ids, bytes) : LEANN_OK;
    leann_free(path);
    return status;
}

static leann_status open_meta(leann_ctx *ctx, pypi *self, const char *path)
{
    char *text = NULL, *ids = NULL;
    size_t bytes, ids_bytes = 0;
    leann_value *meta = NULL;
    leann_status status = leann_file_read(ctx, path, META, &text, &bytes);
    if (status == LEANN_OK) status = leann_value_parse(ctx, path, text, bytes, &meta);
    if (status == LEANN_OK) status = read_meta(ctx, self, path, meta);
    if (status == LEANN_OK) status = read_ids(ctx, path, &ids, &ids_bytes);
    if (status == LEANN_OK) sort_entries(self);
    if (status == LEANN_OK) status = place_labels(ctx, self, ids, ids_bytes);
    leann_value_free(meta);
    leann_free(ids);
    leann_free(text);
    return status;
}

static leann_status open_lines(leann_ctx *ctx, pypi *self, const char *path)
{
    char *copy = leann_format(ctx, "%s", path);
    leann_status status = copy ? add_source(ctx, self, copy) : LEANN_ENOMEM;
    if (status != LEANN_OK) return status;
    sort_entries(self);
    return place_labels(ctx, self, NULL, 0);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static leann_status read_whole(int fd, char *to, const place *at)
{
    for (size_t done = 0; done < at->bytes;) {
        ssize_t n = pread(fd, to + done, at->bytes - done, (off_t)(at->offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return LEANN_EIO;
        done += (size_t)n;
    }
    return LEANN_OK;
}

static leann_status read_one(const pypi *self, leann_ctx *ctx, uint32_t label, leann_text *text)
{
    const place *at = &self->place[label];
    *text = (leann_text){0};
    if (at->bytes == 0) return LEANN_OK;
    char *line = leann_scratch(ctx, at->bytes);
    leann_ctx *own = line ? leann_ctx_new(0, 1) : NULL;
    leann_value *tree = NULL;
    const char *found = NULL;
    if (!own) return leann_fail(ctx, LEANN_ENOMEM, "no memory for a passage");
    leann_status status = read_whole(self->fd[at->source], line, at);
    if (status == LEANN_OK && !read_line(own, line, at->bytes, &tree, &found)) status = LEANN_EIO;
    if (status == LEANN_OK) {
        text->n = strlen(found); /* never longer than the line */
        text->bytes = memcpy(line, found, text->n);
    } else {
        leann_fail(ctx, status, "the passage of label %u in %s is not what it was: the file has changed", label, self->path[at->source]);
    }
    leann_value_free(tree);
    leann_ctx_free(own);
    return status;
}

static leann_status pypi_read(const leann_passages *passages, leann_ctx *ctx, const uint32_t *ids, uint32_t n, leann_text *text)
{
    const pypi *self = (const pypi *)(const void *)passages;
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; i < n && status == LEANN_OK; i++) {
        if (ids[i] >= passages->n) return leann_fail(ctx, LEANN_EINVAL, "label %u, but there are %u", ids[i], passages->n);
        status = read_one(self, ctx, ids[i], &text[i]);
    }
    return status;
}

leann_status leann_pypi_open(leann_ctx *ctx, const char *path, leann_pypi_index **out)
{
    *out = NULL;
    pypi *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    self->common.passages = (leann_passages){.encoder = "", .identity = "", .read = pypi_read};
    leann_status status;
    if (ends_with(path, ".meta.json"))
        status = open_meta(ctx, self, path);
    else if (ends_with(path, ".jsonl"))
        status = open_lines(ctx, self, path);
    else
        status = leann_fail(ctx, LEANN_EINVAL, "%s is neither FILE.meta.json nor FILE.jsonl", path);
    leann_free(self->entry);
    self->entry = NULL;
    if (status == LEANN_OK)
        *out = &self->common;
    else
        leann_pypi_free(&self->common);
    return status;
}

void leann_pypi_free(leann_pypi_index *index)
{
    pypi *self = (pypi *)(void *)index;
    if (!self) return;
    for (uint32_t i = 0; i < self->sources; i++) {
        if (self->fd[i] >= 0) close(self->fd[i]);
        leann_free(self->path[i]);
    }
    leann_free(self->place);
    leann_free(self->common.why);
    leann_free(self);
}
