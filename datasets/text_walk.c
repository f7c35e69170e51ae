/* text_walk.c – the files of text in folders: depth first, in the order of the names' bytes; O(files), one open folder a level.
 *
 * The patterns that hold are a stack, one entry a folder that has a .gitignore: each is asked about the part of the path below its folder,
 * the deepest first, and the first that has something to say decides.
 *
 * Source: gitignore(5) for what holds where.
 * Differs: neither .git/info/exclude nor the user's own list are read, so that a folder gives the same files to everybody.
 *
 * SPDX-License-Identifier: MIT */
#include "core/container.h"
#include "datasets/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 200, PATTERN_BYTES_MAX = 4 << 20 };

static const char *const left_words[LEANN_LEFT_REASONS] = {"ignored", "binary", "large", "link", "special", "deep", "unreadable"};

const char *leann_left_word(leann_left why)
{
    return left_words[why];
}

/* ---- growing texts ------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *at;
    size_t n, room;
} text;

static leann_status append(leann_ctx *ctx, text *t, const char *more, size_t n)
{
    if (t->n + n + 1 > t->room) {
        size_t room = 2 * (t->n + n + 1) + 64;
        char *at = leann_alloc(ctx, room, 1);
        if (!at) return LEANN_ENOMEM;
        if (t->n) memcpy(at, t->at, t->n);
        leann_free(t->at);
        t->at = at;
        t->room = room;
    }
    memcpy(t->at + t->n, more, n);
    t->n += n;
    t->at[t->n] = '\0';
    return LEANN_OK;
}

static void shorten(text *t, size_t n)
{
    t->n = n;
    if (t->at) t->at[n] = '\0';
}

/* ---- is it text? --------------------------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence at p, 0 when it is none, -1 when it is cut off by the end. */
static int sequence(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80) return 1;
    int bytes = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[0] < 0xc2 || p[0] > 0xf4) return 0;
    for (int i = 1; i < bytes; i++, low = 0x80, high = 0xbf) {
        if ((size_t)i == n) return -1;
        if (p[i] < low || p[i] > high) return 0;
    }
    return bytes;
}

bool leann_text_is_binary(const char *bytes, size_t n)
{
    size_t bad = 0;
    if (memchr(bytes, 0, n)) return true;
    for (size_t i = 0; i < n;) {
        int now = sequence((const unsigned char *)bytes + i, n - i);
        if (now < 0) break;
        bad += now == 0;
        i += now == 0 ? 1 : (size_t)now;
    }
    return bad * 10 > n;
}

/* ---- files --------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_ignore *patterns;
    size_t at; /* where in the path from the top the part below its folder begins */
} layer;

typedef struct {
    leann_ctx *ctx;
    const leann_walk_options *options;
    leann_text_files *out;
    text path; /* as files are named */
    text top;  /* the same place from the topmost folder whose patterns hold */
    layer *layer;
    size_t layers, room;
} walk;

static void leave(const walk *w, leann_left why, uint64_t bytes)
{
    if (w->options->left) w->options->left(w->options->arg, why, w->path.at, bytes);
}

static leann_status add_file(walk *w, uint64_t bytes)
{
    leann_text_files *out = w->out;
    if (w->path.n >= PATH_MAX) return leave(w, LEANN_LEFT_DEEP, bytes), LEANN_OK; /* nothing could open it by its path */
    if (out->n == out->room) {
        size_t room = 2 * out->room + 256;
        leann_text_file *file = leann_alloc(w->ctx, room, sizeof *file);
        if (!file) return LEANN_ENOMEM;
        if (out->n) memcpy(file, out->file, out->n * sizeof *file);
        leann_free(out->file);
        out->file = file;
        out->room = room;
    }
    char *path = leann_format(w->ctx, "%s", w->path.at);
    if (!path) return LEANN_ENOMEM;
    out->file[out->n++] = (leann_text_file){path, bytes};
    leann_ctx_progress(w->ctx, "walk", out->n, 0);
    return LEANN_OK;
}

/* The file that is open at fd. named: by the user himself. */
static leann_status take_file(walk *w, int fd, bool named)
{
    char head[LEANN_TEXT_SNIFF];
    struct stat about;
    if (fstat(fd, &about) != 0) return leave(w, LEANN_LEFT_UNREADABLE, 0), LEANN_OK;
    uint64_t bytes = (uint64_t)about.st_size;
    if (!S_ISREG(about.st_mode)) return leave(w, LEANN_LEFT_SPECIAL, 0), LEANN_OK;
    if (!named && w->options->max_file_bytes && bytes > w->options->max_file_bytes) return leave(w, LEANN_LEFT_LARGE, bytes), LEANN_OK;
    ssize_t n = pread(fd, head, sizeof head, 0);
    if (n < 0) return leave(w, LEANN_LEFT_UNREADABLE, bytes), LEANN_OK;
    if (leann_text_is_binary(head, (size_t)n)) return leave(w, LEANN_LEFT_BINARY, bytes), LEANN_OK;
    return add_file(w, bytes);
}

/* ---- patterns ------------------------------------------------------------------------------------------------------------ */

static bool ignored(const walk *w, bool folder)
{
    for (size_t i = w->layers; i-- > 0;) {
        int says = leann_ignore_says(w->layer[i].patterns, w->top.at + w->layer[i].at, folder);
        if (says >= 0) return says;
    }
    return false;
}

static leann_status push_layer(walk *w, leann_ignore *patterns, size_t at)
{
    if (w->layers == w->room) {
        size_t room = 2 * w->room + 16;
        layer *more = leann_alloc(w->ctx, room, sizeof *more);
        if (!more) {
            leann_ignore_free(patterns);
            return LEANN_ENOMEM;
        }
        if (w->layers) memcpy(more, w->layer, w->layers * sizeof *more);
        leann_free(w->layer);
        w->layer = more;
        w->room = room;
    }
    w->layer[w->layers++] = (layer){patterns, at};
    return LEANN_OK;
}

static void pop_layers(walk *w, size_t layers)
{
    while (w->layers > layers) leann_ignore_free(w->layer[--w->layers].patterns);
}

/* The .gitignore of the folder open at fd, if it has one; its paths begin at `at` of the path from the top. */
static leann_status push_patterns(walk *w, int fd, size_t at)
{
    leann_ignore *patterns = NULL;
    struct stat about;
    char *data = NULL;
    size_t have = 0;
    leann_status status = LEANN_OK;
    int file = openat(fd, ".gitignore", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) return LEANN_OK;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) goto done;
    if (about.st_size > PATTERN_BYTES_MAX) {
        status = leann_fail(w->ctx, LEANN_ELIMIT, "the .gitignore at %s has %jd bytes; the limit is %d", w->path.n ? w->path.at : ".",
                            (intmax_t)about.st_size, PATTERN_BYTES_MAX);
        goto done;
    }
    if (!(data = leann_alloc(w->ctx, (size_t)about.st_size + 1, 1))) {
        status = LEANN_ENOMEM;
        goto done;
    }
    for (ssize_t now; have < (size_t)about.st_size && (now = read(file, data + have, (size_t)about.st_size - have)) > 0;)
        have += (size_t)now;
    status = leann_ignore_new(w->ctx, data, have, &patterns);
    if (status == LEANN_OK) status = push_layer(w, patterns, at);
done:
    leann_free(data);
    close(file);
    return status;
}

static bool is_root(const char *folder)
{
    char git[4096 + 8];
    return strlen(folder) <= 4096 && (strcpy(git, folder), strcat(git, "/.git"), access(git, F_OK) == 0);
}

/* The patterns of the folders above an input, from the root of its repository down; none where it lies in no repository. */
static leann_status push_above(walk *w, const char *input)
{
    char *real = realpath(input, NULL), *root = real ? strdup(real) : NULL;
    leann_status status = LEANN_OK;
    while (root && *root && !is_root(root)) *strrchr(root, '/') = '\0';
    size_t at = root && *root ? strlen(root) : 0;
    if (at > 0 && real[at]) {
        status = append(w->ctx, &w->top, real + at + 1, strlen(real + at + 1));
        if (status == LEANN_OK) status = append(w->ctx, &w->top, "/", 1);
    }
    for (size_t end = at; status == LEANN_OK && at > 0 && real[end]; end += 1 + strcspn(real + end + 1, "/")) {
        char cut = real[end];
        real[end] = '\0';
        int fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        real[end] = cut;
        if (fd < 0) continue;
        status = push_patterns(w, fd, end - at);
        close(fd);
    }
    free(root);
    free(real);
    return status;
}

/* ---- folders ------------------------------------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef struct {
    char **name;
    size_t n, room;
} names;

static leann_status list(leann_ctx *ctx, int fd, names *out)
{
    int own = dup(fd);
    DIR *folder = own < 0 ? NULL : fdopendir(own);
    leann_status status = LEANN_OK;
    if (!folder) {
        if (own >= 0) close(own);
        return LEANN_OK; /* it says nothing, so there is nothing in it */
    }
    for (struct dirent *entry; status == LEANN_OK && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (out->n == out->room) {
            size_t room = 2 * out->room + 64;
            char **more = realloc(out->name, room * sizeof *more);
            if (!more) {
                status = leann_fail(ctx, LEANN_ENOMEM, "no memory for the %zu names of a folder", room);
                break;
            }
            out->name = more;
            out->room = room;
        }
        if (!(out->name[out->n] = strdup(entry->d_name)))
            status = leann_fail(ctx, LEANN_ENOMEM, "no memory for the names of a folder");
        else
            out->n++;
    }
    closedir(folder);
    if (out->n) qsort(out->name, out->n, sizeof *out->name, by_bytes);
    return status;
}

static bool of_version_control(const char *name)
{
    return strcmp(name, ".git") == 0 || strcmp(name, ".hg") == 0 || strcmp(name, ".svn") == 0;
}

static leann_status take_folder(walk *w, int fd, unsigned depth);

/* Entry `name` of the folder at fd; both paths end with it. */
static leann_status take_entry(walk *w, int fd, const char *name, unsigned depth)
{
    struct stat about;
    if (fstatat(fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0) return leave(w, LEANN_LEFT_UNREADABLE, 0), LEANN_OK;
    bool folder = S_ISDIR(about.st_mode);
    if (of_version_control(name)) return LEANN_OK;
    if (ignored(w, folder)) return leave(w, LEANN_LEFT_IGNORED, folder ? 0 : (uint64_t)about.st_size), LEANN_OK;
    if (S_ISLNK(about.st_mode)) return leave(w, LEANN_LEFT_LINK, 0), LEANN_OK;
    if (!folder && !S_ISREG(about.st_mode)) return leave(w, LEANN_LEFT_SPECIAL, 0), LEANN_OK;
    if (folder && depth == DEPTH_MAX) return leave(w, LEANN_LEFT_DEEP, 0), LEANN_OK;
    int at = openat(fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (folder ? O_DIRECTORY : 0));
    if (at < 0) return leave(w, LEANN_LEFT_UNREADABLE, 0), LEANN_OK;
    leann_status status = folder ? take_folder(w, at, depth + 1) : take_file(w, at, false);
    close(at);
    return status;
}

static leann_status take_folder(walk *w, int fd, unsigned depth)
{
    names found = {0};
    size_t layers = w->layers, path = w->path.n, top = w->top.n;
    leann_status status = leann_ctx_cancelled(w->ctx) ? leann_fail(w->ctx, LEANN_EINTR, "interrupted") : LEANN_OK;
    if (status == LEANN_OK && path > 0 && w->path.at[path - 1] != '/') status = append(w->ctx, &w->path, "/", 1);
    if (status == LEANN_OK && top > 0 && w->top.at[top - 1] != '/') status = append(w->ctx, &w->top, "/", 1);
    size_t inside = w->path.n, below = w->top.n;
    if (status == LEANN_OK) status = push_patterns(w, fd, below);
    if (status == LEANN_OK) status = list(w->ctx, fd, &found);
    for (size_t i = 0; status == LEANN_OK && i < found.n; i++) {
        status = append(w->ctx, &w->path, found.name[i], strlen(found.name[i]));
        if (status == LEANN_OK) status = append(w->ctx, &w->top, found.name[i], strlen(found.name[i]));
        if (status == LEANN_OK) status = take_entry(w, fd, found.name[i], depth);
        shorten(&w->path, inside);
        shorten(&w->top, below);
    }
    for (size_t i = 0; i < found.n; i++) free(found.name[i]);
    free(found.name);
    pop_layers(w, layers);
    shorten(&w->path, path);
    shorten(&w->top, top);
    return status;
}

/* ---- inputs -------------------------------------------------------------------------------------------------------------- */

static leann_status take_input(walk *w, const char *input)
{
    struct stat about;
    size_t length = strlen(input);
    int fd = open(input, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &about) != 0) {
        leann_status status = errno == ENOENT ? leann_fail(w->ctx, LEANN_ENOTFOUND, "no file or folder %s", input)
                                              : leann_fail_errno(w->ctx, "cannot open %s", input);
        if (fd >= 0) close(fd);
        return status;
    }
    bool folder = S_ISDIR(about.st_mode);
    while (folder && length > 1 && input[length - 1] == '/') length--;
    if (folder && length == 1 && *input == '.') length = 0; /* names of files without "./" */
    shorten(&w->path, 0);
    shorten(&w->top, 0);
    leann_status status = append(w->ctx, &w->path, input, length);
    if (status == LEANN_OK && folder) status = push_above(w, input);
    if (status == LEANN_OK) status = folder ? take_folder(w, fd, 0) : take_file(w, fd, true);
    pop_layers(w, 0);
    close(fd);
    return status;
}

leann_status leann_text_walk(leann_ctx *ctx, const char *const *inputs, size_t n, const leann_walk_options *options, leann_text_files *out)
{
    walk w = {.ctx = ctx, .options = options, .out = out};
    leann_status status = LEANN_OK;
    *out = (leann_text_files){0};
    for (size_t i = 0; status == LEANN_OK && i < n; i++) status = take_input(&w, inputs[i]);
    leann_free(w.path.at);
    leann_free(w.top.at);
    leann_free(w.layer);
    if (status != LEANN_OK) leann_text_files_free(out);
    return status;
}

void leann_text_files_free(leann_text_files *files)
{
    for (size_t i = 0; i < files->n; i++) leann_free(files->file[i].path);
    leann_free(files->file);
    *files = (leann_text_files){0};
}
