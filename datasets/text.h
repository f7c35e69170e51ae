/* text.h – from files to passages: the walk over folders, what .gitignore leaves out, the chunks of a text, and the data set of them.
 *
 * The way of a text: walk (folders -> files), chunk (a file -> ranges of bytes of at most so many tokens), set (ranges -> vectors, by an
 * encoder, and HDF5). Who only wants the texts of a set that exists opens its passages.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_TEXT_H
#define LEANN_TEXT_H

#include "datasets/datasets.h"

/* ---- patterns of files to ignore: text_ignore.c -------------------------------------------------------------------------- */

typedef struct leann_ignore leann_ignore; /* the patterns of one file; immutable */
/* The lines of a .gitignore. Any bytes are one: a pattern that can match nothing is dropped, as git does.
 *   errors  ENOMEM
 *   source  gitignore(5): negation, anchored patterns, patterns of folders, *, ?, [...], backslashes and ** */
leann_status leann_ignore_new(leann_ctx *ctx, const char *text, size_t bytes, leann_ignore **out);
void leann_ignore_free(leann_ignore *self);
/* What the last pattern that matches says of a path relative to the folder of the file: 1 to ignore it, 0 not to ('!'), -1 when none does.
 * Below a folder that is ignored nothing is asked. Costs the product of the lengths of pattern and path at most. */
int leann_ignore_says(const leann_ignore *self, const char *path, bool folder);

/* ---- languages, by the name of a file: text_language.c ------------------------------------------------------------------- */

typedef enum { LEANN_PROSE, LEANN_MARKDOWN, LEANN_UNDERLINED, LEANN_CODE } leann_text_shape; /* underlined: the headings of rst */
typedef struct {
    const char *name; /* "c", "python", "rst", …; "other" */
    leann_text_shape shape;
} leann_language;
uint32_t leann_language_count(void);
const leann_language *leann_language_at(uint32_t i);
uint32_t leann_language_of(const char *path);

/* ---- the walk: text_walk.c ----------------------------------------------------------------------------------------------- */

typedef enum {
    LEANN_LEFT_IGNORED, /* files and whole folders */
    LEANN_LEFT_BINARY,
    LEANN_LEFT_LARGE,
    LEANN_LEFT_LINK,    /* symbolic links are not followed */
    LEANN_LEFT_SPECIAL, /* devices, pipes, sockets */
    LEANN_LEFT_DEEP,    /* folders below 200 others, and files whose path is too long to be opened */
    LEANN_LEFT_UNREADABLE,
    LEANN_LEFT_REASONS
} leann_left;
const char *leann_left_word(leann_left why); /* "ignored", "binary", … */

typedef struct {
    uint64_t max_file_bytes; /* of files in folders; one that is named itself may have any size; 0: no limit */
    void (*left)(void *arg, leann_left why, const char *path, uint64_t bytes); /* told of each that is left out; may be NULL */
    void *arg;
} leann_walk_options;
typedef struct {
    char *path; /* as a program in this folder would open it */
    uint64_t bytes;
} leann_text_file;
typedef struct {
    leann_text_file *file;
    size_t n, room;
} leann_text_files;

/* Files of text in the inputs, which are files and folders: folders in the order of their names' bytes, inputs in the order given. The
 * .gitignore files of a folder, of those below it and of those above it up to the repository's root hold; a file or folder that is named
 * itself is taken whatever they say. Folders of version control (.git, .hg, .svn) are left out.
 *   errors  ENOTFOUND an input that is not there; EIO one that cannot be read (below it, such are left out); ELIMIT a .gitignore of more
 *           than 4 MiB; EINTR; ENOMEM
 *   progress "walk" in files */
leann_status leann_text_walk(leann_ctx *ctx, const char *const *inputs, size_t n, const leann_walk_options *options, leann_text_files *out);
void leann_text_files_free(leann_text_files *files);
/* Whether the first bytes of a file are no text: a NUL, or more than a tenth of them no UTF-8. */
enum { LEANN_TEXT_SNIFF = 8192 };
bool leann_text_is_binary(const char *bytes, size_t n);

/* ---- chunks: text_chunk.c ------------------------------------------------------------------------------------------------ */

enum { LEANN_CHUNK_BYTES = 16384 }; /* of a chunk, at most: a word of a million letters is one token */
typedef struct {
    const char *text; /* until the next call */
    uint32_t bytes, tokens;
    uint64_t offset;                /* in the file */
    uint32_t first_line, last_line; /* from 1 on */
} leann_chunk;

/* Fills to with up to room bytes more of a text; *got 0: it ends. */
typedef leann_status (*leann_text_more)(leann_ctx *ctx, void *arg, char *to, size_t room, size_t *got);

/* Cuts a text into chunks of at most max_tokens (encoder->max_tokens - 2 at most; 0: that many), along its structure: where the part
 * that fits holds several places to cut, a stronger one wins (heading by level, top-level block or function, paragraph, line), then a
 * later one, as long as the chunk does not stay too small. A line that does not fit is cut after a sentence, else after a word, and a word
 * that does not fit at a UTF-8 boundary. Every byte that is not blank (space, tab, newline, carriage return, form feed, vertical tab) is in
 * one chunk; chunks are in order, and neither begin nor end with a blank line. Holds a window of the text and never all of it.
 *   errors  EINVAL max_tokens; the reader's and the encoder's; ENOMEM
 *   threads one context each; the chunks do not depend on how the reader cuts the text */
typedef struct leann_chunker leann_chunker;
leann_status leann_chunker_new(leann_ctx *ctx, const leann_encoder *encoder, uint32_t max_tokens, leann_chunker **out);
void leann_chunker_free(leann_chunker *self);
void leann_chunker_begin(leann_chunker *self, leann_text_shape shape, leann_text_more more, void *arg);
/* *out has 0 bytes after the last chunk. */
leann_status leann_chunker_next(leann_chunker *self, leann_chunk *out);

/* ---- vectors kept while a set is made: text_partial.c -------------------------------------------------------------------- */

#define LEANN_PARTIAL_NONE UINT64_MAX
typedef struct leann_partial leann_partial;
/* Opens the file, or makes it; look: changes nothing, and a file that is not there is an empty one.
 *   errors  EINVAL it belongs to another encoder, or is in use; EFORMAT it is no such file; EIO; ENOMEM */
leann_status leann_partial_open(leann_ctx *ctx, const char *path, const char *identity, uint32_t d, bool look, leann_partial **out);
void leann_partial_free(leann_partial *p);
uint64_t leann_partial_find(const leann_partial *p, const uint8_t sha[32]); /* the record of a text, or LEANN_PARTIAL_NONE */
uint64_t leann_partial_count(const leann_partial *p);                       /* records */
leann_status leann_partial_add(leann_partial *p, const uint8_t (*sha)[32], uint32_t n, const float *x);
leann_status leann_partial_read(const leann_partial *p, uint64_t record, float *x);
leann_status leann_partial_remove(leann_partial *p); /* the file; the caller still frees p */

/* ---- the set: text_set.c ------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *const *inputs;
    size_t input_count;
    const char *output;
    const char *encoder; /* the encoder's configuration as JSON: who reads the set opens it by that */
    const char *queries; /* a file of them, one a line or {"text": …} a line, which may say where its answer lies; NULL: none */
    uint32_t split;      /* or so many chunks, drawn by ctx's seed, become the queries; 0: none */
    uint32_t chunk_tokens;
    leann_walk_options walk;
    bool no_text; /* refer to the files instead of holding their text */
    bool look;    /* plan only: nothing is written */
} leann_text_options;
typedef struct {
    uint64_t files, file_bytes;
    uint64_t chunks, chunk_bytes, tokens; /* without repeats of the same text */
    uint64_t repeats;
    uint32_t queries;
    uint64_t kept;        /* of chunks and queries: vectors that an interrupted run had made */
    uint64_t rate_chunks; /* the sample that was timed */
    double rate_s;
    double left_s; /* what the rest will take, by its tokens */
} leann_text_plan;

/* A set in the making: new walks, cuts, and times the encoder on a small batch; embed does the work; write puts the file in its place.
 *   files   vectors are kept in <output>.partial as they come. A run that was interrupted, in whatever way, goes on where it was; after
 *           write that file is gone
 *   errors  those of the walk, the chunker, the encoder and the partial file; EINVAL no text in the inputs, a split that leaves nothing,
 *           a query without text (says which line); EINTR (what is done is kept)
 *   progress "chunk" in bytes, "embed" in texts, "ground truth" in rows */
typedef struct leann_text_set leann_text_set;
leann_status leann_text_set_new(leann_ctx *ctx, const leann_encoder *encoder, const leann_text_options *options, leann_text_set **out);
const leann_text_plan *leann_text_set_plan(const leann_text_set *set);
leann_status leann_text_set_embed(leann_text_set *set);
leann_status leann_text_set_write(leann_text_set *set);
void leann_text_set_free(leann_text_set *set);

/* What a set holds beside train, test, neighbors and distances: n chunks in train's order.
 *   language (n) u32                 as passages/languages numbers them: labels for `stratified-kmeans`
 *   passages/languages (l) S32       their names
 *   passages/path (n) u32            into the table of paths: passages/path_offset (p + 1) u64 cuts passages/paths (bytes) u8
 *   passages/first_line, last_line (n) u32; byte_offset (n) u64, byte_length (n) u32 in that file; sha256 (n, 32) u8 of the text
 *   passages/text (bytes) u8, text_offset (n + 1) u64; not with no_text
 *   queries/text, text_offset        the same of test
 *   relevance/offset, relevance/ids  where queries say where their answers lie (relevance.h)
 *   attributes leann_text = 1 (revision), encoder (JSON), encoder_identity, chunk_tokens, repeats; text_root with no_text: the folder
 *   that paths are relative to */
enum { LEANN_TEXT_REVISION = 1, LEANN_LANGUAGE_BYTES = 32, LEANN_ENCODER_BYTES = 4096 };

#endif
