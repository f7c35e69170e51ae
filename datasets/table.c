/* table.c – small HDF5 files of attributes and arrays: results, made in memory and written in one go, read by a guarded child.
 *
 * Memory: a file being written is an image of libhdf5's core driver; its bytes reach the disk through leann_file_write, so that a
 * full disk is an ordinary error. A file being read is a list of entries over one mapped spill file.
 *
 * SPDX-License-Identifier: MIT */
#include "core/container.h"
#include "datasets/datasets.h"
#include "datasets/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 64, ENTRIES_MAX = 4096 };
static const uint64_t spill_limit = (uint64_t)8 << 30;

typedef enum { TEXT, I64, U64, F64, F32, I32, U32 } stored;
static const unsigned stored_bytes[] = {1, 8, 8, 8, 4, 4, 4};

typedef struct {
    char name[NAME_MAX_BYTES];
    uint8_t is_array, type, rank;
    uint64_t rows, cols, offset; /* TEXT: rows bytes, the NUL included */
} entry;
typedef struct {
    uint64_t entries, at;
} summary;

struct leann_h5 {
    leann_ctx *ctx;
    char *path;
    hid_t file; /* being written, else -1 */
    uint64_t entries;
    const entry *entry; /* in the mapping */
    char *map;
    size_t bytes;
};

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static leann_h5 *table_new(leann_ctx *ctx, const char *path)
{
    leann_h5 *h = leann_alloc(ctx, 1, sizeof *h);
    if (!h) return NULL;
    h->ctx = ctx;
    h->file = -1;
    h->path = leann_format(ctx, "%s", path);
    if (!h->path) {
        leann_free(h);
        return NULL;
    }
    return h;
}

leann_status leann_h5_create(leann_ctx *ctx, const char *path, leann_h5 **out)
{
    *out = NULL;
    leann_h5 *h = table_new(ctx, path);
    if (!h) return LEANN_ENOMEM;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t create = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_obj_track_times(create, false); /* the same contents, the same bytes */
    if (H5Pset_fapl_core(access, 1 << 20, false) >= 0) h->file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    H5Pclose(create);
    H5Pclose(access);
    if (h->file < 0) {
        leann_h5_free(h);
        return leann_fail(ctx, LEANN_ENOMEM, "%s: the HDF5 library cannot make a file in memory", path);
    }
    *out = h;
    return LEANN_OK;
}

leann_status leann_h5_commit(leann_h5 *h)
{
    char *image = NULL;
    leann_status status = LEANN_OK;
    ssize_t bytes = H5Fflush(h->file, H5F_SCOPE_GLOBAL) < 0 ? -1 : H5Fget_file_image(h->file, NULL, 0);
    if (bytes < 0) return leann_fail(h->ctx, LEANN_ENOMEM, "%s: the HDF5 library cannot finish the file", h->path);
    if (!(image = leann_alloc(h->ctx, (size_t)bytes, 1))) return LEANN_ENOMEM;
    if (H5Fget_file_image(h->file, image, (size_t)bytes) != bytes)
        status = leann_fail(h->ctx, LEANN_ENOMEM, "%s: the HDF5 library cannot finish the file", h->path);
    else
        status = leann_file_write(h->ctx, h->path, image, (size_t)bytes);
    leann_free(image);
    return status;
}

void leann_h5_free(leann_h5 *h)
{
    if (!h) return;
    if (h->file >= 0) H5Fclose(h->file);
    if (h->map) munmap(h->map, h->bytes);
    leann_free(h->path);
    leann_free(h);
}

/* Replaces a root attribute: one element of type, converted from memory type `from`. */
static leann_status set(leann_h5 *h, const char *name, hid_t type, hid_t from, const void *value)
{
    hid_t space = -1, attribute = -1;
    leann_status status = LEANN_OK;
    if (h->file < 0) return leann_fail(h->ctx, LEANN_EINVAL, "%s: opened for reading, cannot set %s", h->path, name);
    if (H5Aexists(h->file, name) > 0) H5Adelete(h->file, name);
    space = H5Screate(H5S_SCALAR);
    attribute = H5Acreate2(h->file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, from, value) < 0)
        status = leann_fail(h->ctx, LEANN_ENOMEM, "%s: cannot store attribute %s", h->path, name);
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    return status;
}

leann_status leann_h5_set_text(leann_h5 *h, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    leann_status status = set(h, name, type, type, &text);
    H5Tclose(type);
    return status;
}

leann_status leann_h5_set_int(leann_h5 *h, const char *name, int64_t number)
{
    return set(h, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &number);
}

leann_status leann_h5_set_real(leann_h5 *h, const char *name, double number)
{
    return set(h, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &number);
}

leann_status leann_h5_set_bool(leann_h5 *h, const char *name, bool truth)
{
    int8_t value = 0;
    hid_t type = H5Tenum_create(H5T_STD_I8LE);
    H5Tenum_insert(type, "FALSE", &value);
    value = 1;
    H5Tenum_insert(type, "TRUE", &value);
    value = truth;
    leann_status status = set(h, name, type, type, &value);
    H5Tclose(type);
    return status;
}

static hid_t memory_type(leann_h5_type type)
{
    switch (type) {
    case LEANN_H5_F32:
        return H5T_NATIVE_FLOAT;
    case LEANN_H5_F64:
        return H5T_NATIVE_DOUBLE;
    case LEANN_H5_I32:
        return H5T_NATIVE_INT32;
    case LEANN_H5_U32:
        return H5T_NATIVE_UINT32;
    case LEANN_H5_U64:
        return H5T_NATIVE_UINT64;
    }
    return -1;
}

leann_status leann_h5_put(leann_h5 *h, const char *name, leann_h5_type type, size_t rows, size_t cols, const void *data, bool deflate)
{
    hid_t space = -1, made = -1, array = -1;
    leann_status status = LEANN_OK;
    if (h->file < 0) return leann_fail(h->ctx, LEANN_EINVAL, "%s: opened for reading, cannot put %s", h->path, name);
    hsize_t dims[2] = {rows, cols}, chunk[2] = {rows < 1024 ? rows : 1024, cols};
    int rank = cols ? 2 : 1;
    space = H5Screate_simple(rank, dims, NULL);
    made = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(made, false);
    if (deflate && rows > 0) {
        H5Pset_chunk(made, rank, chunk);
        H5Pset_shuffle(made);
        H5Pset_deflate(made, 4);
    }
    array = H5Dcreate2(h->file, name, memory_type(type), space, H5P_DEFAULT, made, H5P_DEFAULT);
    if (array < 0 || (rows > 0 && H5Dwrite(array, memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0))
        status = leann_fail(h->ctx, LEANN_ENOMEM, "%s: cannot store array %s of %zu x %zu", h->path, name, rows, cols);
    if (array >= 0) H5Dclose(array);
    H5Pclose(made);
    H5Sclose(space);
    return status;
}

/* ---- reading: the child's side ------------------------------------------------------------------------------------------ */

typedef struct {
    leann_guard *g;
    hid_t file;
    entry *list;
    uint64_t count, file_bytes;
    char *text; /* of one attribute */
} reading;
enum { TEXT_MAX = 16 << 20 };

static entry *next_entry(reading *r, const char *name)
{
    if (r->count == ENTRIES_MAX || strlen(name) >= NAME_MAX_BYTES) return NULL; /* no file of ours has such */
    entry *e = r->list + r->count++;
    memset(e, 0, sizeof *e);
    memcpy(e->name, name, strlen(name));
    return e;
}

static herr_t read_attribute(hid_t root, const char *name, const H5A_info_t *info, void *arg)
{
    (void)info;
    reading *r = arg;
    hid_t attribute = H5Aopen(root, name, H5P_DEFAULT), type = attribute < 0 ? -1 : H5Aget_type(attribute);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    bool single = space >= 0 && H5Sget_simple_extent_npoints(space) == 1, failed = space < 0 || type < 0;
    int64_t whole = 0;
    double real = 0;
    entry *e = NULL;
    if (!failed && single && class == H5T_STRING) {
        failed = leann_h5_word(r->g, r->file, name, r->text, TEXT_MAX) != LEANN_OK;
        if (!failed && (e = next_entry(r, name))) {
            e->type = TEXT;
            e->rows = strlen(r->text) + 1;
            failed = leann_guard_append(r->g, r->text, e->rows, true, &e->offset) != LEANN_OK;
        }
    } else if (!failed && single && (class == H5T_INTEGER || (class == H5T_ENUM && H5Tget_size(type) == 1))) {
        int8_t byte = 0;
        failed = class == H5T_ENUM ? H5Aread(attribute, type, &byte) < 0 : H5Aread(attribute, H5T_NATIVE_INT64, &whole) < 0;
        if (class == H5T_ENUM) whole = byte;
        if (!failed && (e = next_entry(r, name))) {
            e->type = I64;
            failed = leann_guard_append(r->g, &whole, sizeof whole, true, &e->offset) != LEANN_OK;
        }
    } else if (!failed && single && class == H5T_FLOAT) {
        failed = H5Aread(attribute, H5T_NATIVE_DOUBLE, &real) < 0;
        if (!failed && (e = next_entry(r, name))) {
            e->type = F64;
            failed = leann_guard_append(r->g, &real, sizeof real, true, &e->offset) != LEANN_OK;
        }
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attribute >= 0) H5Aclose(attribute);
    if (failed) leann_guard_fail(r->g, LEANN_EFORMAT, "%s: attribute %s is damaged", leann_guard_what(r->g), name);
    return failed ? -1 : 0;
}

static herr_t read_array(hid_t root, const char *name, const H5L_info_t *info, void *arg)
{
    (void)root;
    reading *r = arg;
    leann_h5_shape shape;
    H5O_info_t object;
    if (info->type != H5L_TYPE_HARD) return 0;
    if (H5Oget_info_by_name2(r->file, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0) {
        leann_guard_fail(r->g, LEANN_EFORMAT, "%s: object %s is damaged", leann_guard_what(r->g), name);
        return -1;
    }
    if (object.type != H5O_TYPE_DATASET || strlen(name) >= NAME_MAX_BYTES) return 0;
    if (leann_h5_describe(r->g, r->file, name, r->file_bytes, &shape) != LEANN_OK) return -1;
    if (shape.is_text) return 0;
    entry *e = next_entry(r, name);
    if (!e) return 0;
    e->is_array = 1;
    e->rank = (uint8_t)shape.rank;
    e->rows = shape.dims[0];
    e->cols = shape.dims[1];
    bool narrow = shape.size <= 4;
    e->type = shape.is_float ? narrow ? F32 : F64 : shape.is_signed ? narrow ? I32 : I64 : narrow ? U32 : U64;
    hid_t as[] = {-1, H5T_NATIVE_INT64, H5T_NATIVE_UINT64, H5T_NATIVE_DOUBLE, H5T_NATIVE_FLOAT, H5T_NATIVE_INT32, H5T_NATIVE_UINT32};
    return leann_h5_spill(r->g, r->file, &shape, as[e->type], &e->offset) == LEANN_OK ? 0 : -1;
}

static leann_status read_all(leann_guard *g, void *arg)
{
    const struct {
        int fd;
        uint64_t bytes;
    } *given = arg;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", given->fd);
    reading r = {.g = g, .file_bytes = given->bytes, .list = calloc(ENTRIES_MAX, sizeof(entry)), .text = malloc(TEXT_MAX)};
    if (!r.list || !r.text) return leann_guard_fail(g, LEANN_ENOMEM, "%s: no memory to read it", leann_guard_what(g));
    if ((r.file = leann_h5_file(g, path)) < 0) return LEANN_EFORMAT;
    hsize_t at = 0;
    if (H5Aiterate2(r.file, H5_INDEX_NAME, H5_ITER_INC, &at, read_attribute, &r) < 0 ||
        (at = 0, H5Literate(r.file, H5_INDEX_NAME, H5_ITER_INC, &at, read_array, &r)) < 0)
        return leann_guard_fail(g, LEANN_EFORMAT, "%s: damaged: its contents cannot be listed", leann_guard_what(g));
    summary *facts = leann_guard_facts(g);
    facts->entries = r.count;
    return leann_guard_append(g, r.list, r.count * sizeof(entry), true, &facts->at);
}

/* ---- reading: the parent's side ------------------------------------------------------------------------------------------- */

/* The child may have been misled: every entry must lie in the spill file. */
static bool sound(const leann_h5 *h)
{
    for (uint64_t i = 0; i < h->entries; i++) {
        const entry *e = h->entry + i;
        uint64_t cells = e->is_array ? 0 : e->type == TEXT ? e->rows : 1;
        if (e->name[NAME_MAX_BYTES - 1] || e->type > U32) return false;
        if (e->is_array && __builtin_mul_overflow(e->rows, e->cols, &cells)) return false;
        if (e->offset > h->bytes || cells > (h->bytes - e->offset) / stored_bytes[e->type]) return false;
        if (e->type == TEXT && (!e->rows || h->map[e->offset + e->rows - 1])) return false;
    }
    return true;
}

leann_status leann_h5_open(leann_ctx *ctx, const char *path, leann_h5 **out)
{
    *out = NULL;
    int spill = -1;
    uint64_t spilled = 0;
    summary facts = {0, 0};
    leann_status status = LEANN_OK;
    struct {
        int fd;
        uint64_t bytes;
    } given = {open(path, O_RDONLY | O_CLOEXEC), 0};
    leann_h5 *h = table_new(ctx, path);
    struct stat info;
    if (!h)
        status = LEANN_ENOMEM;
    else if (given.fd < 0 || fstat(given.fd, &info))
        status = errno == ENOENT ? leann_fail(ctx, LEANN_ENOTFOUND, "no file %s", path) : leann_fail_errno(ctx, "cannot open %s", path);
    if (status != LEANN_OK) goto done;
    given.bytes = (uint64_t)info.st_size;
    leann_guard_limits limits = {.what = path, .spill_limit = spill_limit, .file_bytes = given.bytes};
    status = leann_guard_run(ctx, limits, read_all, &given, &facts, sizeof facts, &spill, &spilled);
    if (status != LEANN_OK) goto done;
    h->bytes = (size_t)spilled;
    if (spilled) {
        void *map = mmap(NULL, h->bytes, PROT_READ, MAP_PRIVATE, spill, 0);
        if (map == MAP_FAILED) {
            status = leann_fail_errno(ctx, "%s: cannot map %zu bytes", path, h->bytes);
            goto done;
        }
        h->map = map;
        h->entries = facts.entries;
        h->entry = (const entry *)(const void *)(h->map + facts.at);
    }
    if (facts.at % 4096 || facts.at > spilled || facts.entries > (spilled - facts.at) / sizeof(entry) || !sound(h))
        status = leann_fail(ctx, LEANN_EFORMAT, "%s: damaged: no sensible answer from the process that reads it", path);
done:
    if (given.fd >= 0) close(given.fd);
    if (spill >= 0) close(spill);
    if (status != LEANN_OK)
        leann_h5_free(h);
    else
        *out = h;
    return status;
}

static const entry *find(const leann_h5 *h, const char *name, int is_array)
{
    for (uint64_t i = 0; i < h->entries; i++)
        if ((is_array < 0 || h->entry[i].is_array == is_array) && !strcmp(h->entry[i].name, name)) return h->entry + i;
    return NULL;
}

bool leann_h5_has(leann_h5 *h, const char *name)
{
    if (h->file >= 0) return H5Aexists(h->file, name) > 0 || H5Lexists(h->file, name, H5P_DEFAULT) > 0;
    return find(h, name, -1) != NULL;
}

leann_status leann_h5_text(leann_h5 *h, const char *name, char **out)
{
    const entry *e = find(h, name, 0);
    *out = NULL;
    if (!e) return leann_fail(h->ctx, LEANN_ENOTFOUND, "%s: no attribute %s", h->path, name);
    if (e->type != TEXT) return leann_fail(h->ctx, LEANN_EFORMAT, "%s: attribute %s is no text", h->path, name);
    *out = leann_format(h->ctx, "%s", h->map + e->offset);
    return *out ? LEANN_OK : LEANN_ENOMEM;
}

/* Cell i as a double, exact where |value| < 2^53. */
static double cell(const char *at, unsigned type, uint64_t i)
{
    switch ((stored)type) {
    case I64: {
        int64_t v;
        memcpy(&v, at + i * 8, 8);
        return (double)v;
    }
    case U64: {
        uint64_t v;
        memcpy(&v, at + i * 8, 8);
        return (double)v;
    }
    case F64: {
        double v;
        memcpy(&v, at + i * 8, 8);
        return v;
    }
    case F32: {
        float v;
        memcpy(&v, at + i * 4, 4);
        return (double)v;
    }
    case I32: {
        int32_t v;
        memcpy(&v, at + i * 4, 4);
        return (double)v;
    }
    case U32: {
        uint32_t v;
        memcpy(&v, at + i * 4, 4);
        return (double)v;
    }
    case TEXT:
        break;
    }
    return 0;
}

leann_status leann_h5_real(leann_h5 *h, const char *name, double *out)
{
    const entry *e = find(h, name, 0);
    if (!e) return leann_fail(h->ctx, LEANN_ENOTFOUND, "%s: no attribute %s", h->path, name);
    if (e->type == TEXT) return leann_fail(h->ctx, LEANN_EFORMAT, "%s: attribute %s is text, not a number", h->path, name);
    *out = cell(h->map + e->offset, e->type, 0);
    return LEANN_OK;
}

/* One cell into the caller's type; false when it does not fit. */
static bool store(leann_h5_type type, double v, void *out, size_t i)
{
    switch (type) {
    case LEANN_H5_F32:
        ((float *)out)[i] = (float)v;
        return true;
    case LEANN_H5_F64:
        ((double *)out)[i] = v;
        return true;
    case LEANN_H5_I32:
        if (!(v >= INT32_MIN && v <= INT32_MAX)) return false;
        ((int32_t *)out)[i] = (int32_t)v;
        return true;
    case LEANN_H5_U32:
        if (!(v >= 0 && v <= UINT32_MAX)) return false;
        ((uint32_t *)out)[i] = (uint32_t)v;
        return true;
    case LEANN_H5_U64:
        if (!(v >= 0 && v < 0x1p64)) return false;
        ((uint64_t *)out)[i] = (uint64_t)v;
        return true;
    }
    return false;
}

leann_status leann_h5_get(leann_h5 *h, const char *name, leann_h5_type type, size_t *rows, size_t *cols, void **data)
{
    static const stored same[] = {F32, F64, I32, U32, U64};
    static const size_t bytes[] = {4, 8, 4, 4, 8};
    const entry *e = find(h, name, 1);
    *data = NULL;
    if (!e) return leann_fail(h->ctx, LEANN_ENOTFOUND, "%s: no array %s", h->path, name);
    size_t cells = e->rows * e->cols;
    void *out = leann_alloc(h->ctx, cells ? cells : 1, bytes[type]);
    if (!out) return LEANN_ENOMEM;
    const char *from = h->map + e->offset;
    if (e->type == same[type] && cells)
        memcpy(out, from, cells * bytes[type]);
    else
        for (size_t i = 0; i < cells; i++)
            if (!store(type, cell(from, e->type, i), out, i)) {
                leann_free(out);
                return leann_fail(h->ctx, LEANN_EFORMAT, "%s: array %s: value %g at row %zu does not fit the type asked for", h->path, name,
                                  cell(from, e->type, i), i / (e->cols ? e->cols : 1));
            }
    *rows = e->rows;
    *cols = e->rank == 2 ? e->cols : 0;
    *data = out;
    return LEANN_OK;
}
