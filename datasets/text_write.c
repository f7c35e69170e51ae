/* text_write.c – the passages of a set of texts into the HDF5 file that has its rows; a child process calls libhdf5.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/h5.h"
#include "datasets/text_inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4 << 20 };

typedef struct {
    const leann_text_set *set;
    const char *path;
    const char *root; /* the folder that paths are relative to */
    hid_t file, group;
    uint32_t n; /* chunks that are no queries */
} job;

/* ---- small things -------------------------------------------------------------------------------------------------------- */

/* An array in one piece, made and not yet filled. */
static hid_t make_array(hid_t at, const char *name, hid_t type, uint64_t rows, uint64_t cols)
{
    hsize_t dims[2] = {rows, cols};
    hid_t space = H5Screate_simple(cols ? 2 : 1, dims, NULL), made = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(made, H5D_CONTIGUOUS);
    H5Pset_obj_track_times(made, false); /* the same texts, the same bytes */
    hid_t set = H5Dcreate2(at, name, type, space, H5P_DEFAULT, made, H5P_DEFAULT);
    H5Pclose(made);
    H5Sclose(space);
    return set;
}

static bool put_array(hid_t at, const char *name, hid_t stored, hid_t type, uint64_t rows, uint64_t cols, const void *data)
{
    hid_t set = make_array(at, name, stored, rows, cols);
    return set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0 && H5Dclose(set) >= 0;
}

/* A text that comes piece by piece. */
typedef struct {
    hid_t set;
    char *block;
    size_t used;
    uint64_t at;
} pouring;

static bool pour_out(pouring *p)
{
    hsize_t start = p->at, count = p->used;
    if (count == 0) return true;
    hid_t space = H5Dget_space(p->set), part = H5Screate_simple(1, &count, NULL);
    bool done = space >= 0 && part >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &count, NULL) >= 0 &&
                H5Dwrite(p->set, H5T_NATIVE_UINT8, part, space, H5P_DEFAULT, p->block) >= 0;
    if (space >= 0) H5Sclose(space);
    if (part >= 0) H5Sclose(part);
    p->at += p->used;
    p->used = 0;
    return done;
}

/* ---- columns ------------------------------------------------------------------------------------------------------------- */

static const leann_passage *next_passage(const job *j, uint32_t *i)
{
    while (*i < j->set->passages && j->set->passage[*i].held_out) ++*i;
    return *i < j->set->passages ? j->set->passage + (*i)++ : NULL;
}

typedef enum { PATH, FIRST_LINE, LAST_LINE, BYTE_LENGTH, LANGUAGE } column;

static uint32_t value_of(const job *j, const leann_passage *p, column which)
{
    switch (which) {
    case PATH:
        return p->file;
    case FIRST_LINE:
        return p->first_line;
    case LAST_LINE:
        return p->last_line;
    case BYTE_LENGTH:
        return p->bytes;
    default:
        return leann_language_of(j->set->files.file[p->file].path);
    }
}

static bool put_column(const job *j, hid_t at, const char *name, column which)
{
    uint32_t *value = malloc(j->n * sizeof *value), n = 0, i = 0;
    for (const leann_passage *p; value && (p = next_passage(j, &i));) value[n++] = value_of(j, p, which);
    bool done = value && put_array(at, name, H5T_STD_U32LE, H5T_NATIVE_UINT32, n, 0, value);
    free(value);
    return done;
}

static bool put_offsets_in_files(const job *j)
{
    uint64_t *value = malloc(j->n * sizeof *value);
    uint32_t n = 0, i = 0;
    for (const leann_passage *p; value && (p = next_passage(j, &i));) value[n++] = p->offset;
    bool done = value && put_array(j->group, "byte_offset", H5T_STD_U64LE, H5T_NATIVE_UINT64, n, 0, value);
    free(value);
    return done;
}

static bool put_hashes(const job *j)
{
    uint8_t(*value)[32] = malloc(j->n * sizeof *value);
    uint32_t n = 0, i = 0;
    for (const leann_passage *p; value && (p = next_passage(j, &i));) memcpy(value[n++], p->sha, 32);
    bool done = value && put_array(j->group, "sha256", H5T_STD_U8LE, H5T_NATIVE_UINT8, n, 32, value);
    free(value);
    return done;
}

static bool put_languages(const job *j)
{
    uint32_t n = leann_language_count();
    char(*name)[LEANN_LANGUAGE_BYTES] = calloc(n, sizeof *name);
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, LEANN_LANGUAGE_BYTES);
    for (uint32_t i = 0; name && i < n; i++) strncpy(name[i], leann_language_at(i)->name, LEANN_LANGUAGE_BYTES - 1);
    bool done = name && put_array(j->group, "languages", type, type, n, 0, name);
    H5Tclose(type);
    free(name);
    return done;
}

static bool put_paths(const job *j)
{
    const leann_text_files *files = &j->set->files;
    uint64_t *offset = calloc(files->n + 1, sizeof *offset);
    for (size_t i = 0; offset && i < files->n; i++) offset[i + 1] = offset[i] + strlen(files->file[i].path);
    char *text = offset ? malloc(offset[files->n]) : NULL;
    for (size_t i = 0; text && i < files->n; i++) memcpy(text + offset[i], files->file[i].path, offset[i + 1] - offset[i]);
    bool done = text && put_array(j->group, "paths", H5T_STD_U8LE, H5T_NATIVE_UINT8, offset[files->n], 0, text) &&
                put_array(j->group, "path_offset", H5T_STD_U64LE, H5T_NATIVE_UINT64, files->n + 1, 0, offset);
    free(offset);
    free(text);
    return done;
}

/* ---- texts --------------------------------------------------------------------------------------------------------------- */

/* Text i of those that go into a group, into to (NULL: only how long it is); false after the last. */
typedef bool (*text_at)(const job *j, uint32_t *i, char *to, uint32_t *bytes, bool *bad);

static bool train_text(const job *j, uint32_t *i, char *to, uint32_t *bytes, bool *bad)
{
    const leann_passage *p = next_passage(j, i);
    if (!p) return false;
    *bytes = p->bytes;
    if (to && leann_text_read(j->set, p, to) != LEANN_OK) *bad = true;
    return true;
}

static bool held_out_text(const job *j, uint32_t *i, char *to, uint32_t *bytes, bool *bad)
{
    const leann_text_set *s = j->set;
    while (*i < s->passages && !s->passage[*i].held_out) ++*i;
    if (*i == s->passages) return false;
    const leann_passage *p = s->passage + (*i)++;
    *bytes = p->bytes;
    if (to && leann_text_read(s, p, to) != LEANN_OK) *bad = true;
    return true;
}

static bool query_text(const job *j, uint32_t *i, char *to, uint32_t *bytes, bool *bad)
{
    (void)bad;
    if (*i == j->set->plan.queries) return false;
    const leann_query *q = j->set->query + (*i)++;
    *bytes = (uint32_t)q->bytes;
    if (to) memcpy(to, q->text, q->bytes);
    return true;
}

static bool put_texts(const job *j, hid_t at, uint32_t n, text_at next)
{
    uint64_t *offset = calloc((size_t)n + 1, sizeof *offset);
    uint32_t i = 0, k = 0, bytes, longest = 0;
    bool bad = !offset;
    while (!bad && k < n && next(j, &i, NULL, &bytes, &bad)) {
        offset[k + 1] = offset[k] + bytes;
        if (bytes > longest) longest = bytes;
        k++;
    }
    pouring p = {.set = -1};
    bad = bad || k != n || !put_array(at, "text_offset", H5T_STD_U64LE, H5T_NATIVE_UINT64, (uint64_t)n + 1, 0, offset) ||
          !(p.block = malloc((size_t)BLOCK + longest)) || (p.set = make_array(at, "text", H5T_STD_U8LE, offset[n], 0)) < 0;
    for (i = 0; !bad && next(j, &i, p.block + p.used, &bytes, &bad);) {
        p.used += bytes;
        if (p.used >= BLOCK) bad = bad || !pour_out(&p);
    }
    bad = bad || !pour_out(&p);
    if (p.set >= 0 && H5Dclose(p.set) < 0) bad = true;
    free(p.block);
    free(offset);
    return !bad;
}

static bool put_queries(const job *j)
{
    const leann_text_set *s = j->set;
    if (s->plan.queries == 0) return true;
    hid_t group = H5Gcreate2(j->file, "queries", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    return group >= 0 && put_texts(j, group, s->plan.queries, s->query ? query_text : held_out_text) && H5Gclose(group) >= 0;
}

/* As relevance.h has it. */
static bool put_relevance(const job *j)
{
    const leann_relevance *r = &j->set->relevance;
    if (!j->set->judged) return true;
    hid_t group = H5Gcreate2(j->file, "relevance", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    return group >= 0 && put_array(group, "offset", H5T_STD_U64LE, H5T_NATIVE_UINT64, (uint64_t)r->queries + 1, 0, r->offset) &&
           put_array(group, "ids", H5T_STD_U32LE, H5T_NATIVE_UINT32, r->offset[r->queries], 0, r->ids) && H5Gclose(group) >= 0;
}

/* ---- the file ------------------------------------------------------------------------------------------------------------ */

static bool put_attributes(const job *j)
{
    const leann_text_set *s = j->set;
    return leann_h5_put_int(j->file, "leann_text", LEANN_TEXT_REVISION) && leann_h5_put_text(j->file, "encoder", s->options.encoder) &&
           leann_h5_put_text(j->file, "encoder_identity", s->encoder->identity) &&
           (!s->options.no_text || leann_h5_put_text(j->file, "text_root", j->root)) &&
           leann_h5_put_int(j->file, "chunk_tokens", s->options.chunk_tokens ? s->options.chunk_tokens : s->encoder->max_tokens - 2) &&
           leann_h5_put_int(j->file, "repeats", (int64_t)s->plan.repeats);
}

static leann_status write_all(leann_guard *g, void *arg)
{
    job *j = arg;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, false, true);
    H5Pset_alignment(access, 64, 8);
    j->file = H5Fopen(j->path, H5F_ACC_RDWR, access);
    j->group = j->file < 0 ? -1 : H5Gcreate2(j->file, "passages", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool done = j->group >= 0 && put_attributes(j) && put_column(j, j->file, "language", LANGUAGE) && put_languages(j) &&
                put_column(j, j->group, "path", PATH) && put_paths(j) && put_column(j, j->group, "first_line", FIRST_LINE) &&
                put_column(j, j->group, "last_line", LAST_LINE) && put_offsets_in_files(j) &&
                put_column(j, j->group, "byte_length", BYTE_LENGTH) && put_hashes(j) &&
                (j->set->options.no_text || put_texts(j, j->group, j->n, train_text)) && put_queries(j) && put_relevance(j);
    if (j->group >= 0 && H5Gclose(j->group) < 0) done = false;
    if (j->file >= 0 && H5Fclose(j->file) < 0) done = false;
    return done ? LEANN_OK : leann_guard_fail(g, LEANN_EIO, "%s: cannot write the passages (is the disk full?)", leann_guard_what(g));
}

leann_status leann_text_write_passages(const leann_text_set *s, const char *path)
{
    char *root = realpath(".", NULL);
    if (!root) return leann_fail_errno(s->ctx, "cannot tell the folder that this is");
    job j = {.set = s, .path = path, .root = root, .file = -1, .group = -1, .n = s->passages - s->options.split};
    leann_guard_limits limits = {.what = s->options.output, .file_bytes = 2 * s->plan.chunk_bytes + 128 * (uint64_t)s->passages};
    leann_status status = leann_guard_run(s->ctx, limits, write_all, &j, NULL, 0, NULL, NULL);
    free(root);
    return status;
}
