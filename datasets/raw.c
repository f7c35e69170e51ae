/* raw.c – opens train (n, d), test (q, d) and neighbors (q, k) of an ANN-benchmarks file: a child checks, the parent maps.
 *
 * Memory: little-endian float32, uint8 and int8 rows that lie in one piece are mapped from the file; anything else (float64, other
 * integers, chunked, compressed, big-endian) is converted by the child into a spill file that is mapped instead.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/raw.h"
#include "datasets/spill.h"
#include "core/product.h"
#include "datasets/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TRAIN, TEST, NEIGHBORS, PARTS };
static const char *const part_names[PARTS] = {"train", "test", "neighbors"};

typedef struct {
    char distance[64], own[64], type[64];
    uint32_t passages; /* whether it has them */
    leann_h5_shape part[PARTS];
    uint64_t at[PARTS]; /* in the spill file, where part is not direct */
} facts;

typedef struct {
    int fd;
    uint64_t bytes;
    bool rows;
    int parts; /* the first ones of part_names */
} request;

/* ---- what a file may be --------------------------------------------------------------------------------------------------- */

static leann_dtype row_type(const leann_h5_shape *s)
{
    return s->is_float || s->size != 1 ? LEANN_F32 : s->is_signed ? LEANN_I8 : LEANN_U8;
}

/* Whether the bytes in the file are what memory wants. */
static bool as_stored(const leann_h5_shape *s, int part)
{
    if (!s->direct) return false;
    return part == NEIGHBORS ? !s->is_float && s->size == 4 : s->is_float ? s->size == 4 : s->size == 1;
}

static bool space_of(const char *word, leann_space *out)
{
    for (int i = LEANN_L2; i <= LEANN_IP; i++)
        if (!strcmp(word, leann_space_word((leann_space)i))) {
            *out = (leann_space)i;
            return true;
        }
    return false;
}

typedef struct {
    leann_status status;
    char text[512];
} complaint;
#define COMPLAIN(C, STATUS, ...) ((C)->status = (STATUS), (void)snprintf((C)->text, sizeof(C)->text, __VA_ARGS__), false)

static bool rows_good(const leann_h5_shape *s, const char *name, complaint *c)
{
    unsigned long long n = s->dims[0], d = s->dims[1];
    if (s->is_text) return COMPLAIN(c, LEANN_EFORMAT, "dataset %s holds strings, needs numbers", name);
    if (s->rank != 2) return COMPLAIN(c, LEANN_EINVAL, "dataset %s has rank %u, needs 2: rows and columns", name, s->rank);
    if (!n || !d) return COMPLAIN(c, LEANN_EINVAL, "dataset %s is empty (%llu x %llu)", name, n, d);
    if (n > LEANN_ROWS_MAX)
        return COMPLAIN(c, LEANN_ELIMIT, "dataset %s has %llu rows, at most %llu", name, n, (unsigned long long)LEANN_ROWS_MAX);
    if (d > LEANN_DIMENSION_MAX)
        return COMPLAIN(c, LEANN_ELIMIT, "dataset %s has dimension %llu, at most %d", name, d, LEANN_DIMENSION_MAX);
    return true;
}

static bool neighbors_good(const facts *f, complaint *c)
{
    const leann_h5_shape *s = f->part + NEIGHBORS;
    unsigned long long q = f->part[TEST].dims[0], n = f->part[TRAIN].dims[0], k = s->dims[1];
    if (!f->part[TEST].there) return COMPLAIN(c, LEANN_EFORMAT, "dataset neighbors without dataset test");
    if (s->is_text || s->is_float) return COMPLAIN(c, LEANN_EFORMAT, "dataset neighbors holds no integers");
    if (s->rank != 2) return COMPLAIN(c, LEANN_EINVAL, "dataset neighbors has rank %u, needs 2: queries and neighbours", s->rank);
    if (s->dims[0] != q)
        return COMPLAIN(c, LEANN_EINVAL, "dataset neighbors has %llu rows, dataset test %llu", (unsigned long long)s->dims[0], q);
    if (k < 1 || k > n) return COMPLAIN(c, LEANN_EINVAL, "dataset neighbors has %llu columns, needs 1 to the %llu rows of train", k, n);
    return true;
}

static bool good(const facts *f, complaint *c)
{
    leann_space space;
    const leann_h5_shape *train = f->part + TRAIN, *test = f->part + TEST;
    const char *word = f->own[0] ? f->own : f->distance;
    if (!strcmp(f->type, "sparse") || !strcmp(word, "jaccard"))
        return COMPLAIN(c, LEANN_EUNSUPPORTED, "sparse (jaccard) data; only dense rows are supported");
    if (!strcmp(word, "hamming")) return COMPLAIN(c, LEANN_EUNSUPPORTED, "distance hamming; supported are euclidean, angular and ip");
    if (!train->there) return COMPLAIN(c, LEANN_EFORMAT, "no dataset train; not an ANN-benchmarks data set");
    if (!word[0]) return COMPLAIN(c, LEANN_EFORMAT, "no attribute distance; needs one of euclidean, angular, ip");
    if (!space_of(word, &space)) return COMPLAIN(c, LEANN_EFORMAT, "distance \"%s\"; needs one of euclidean, angular, ip", word);
    if (!rows_good(train, "train", c) || (test->there && !rows_good(test, "test", c))) return false;
    if (test->there && test->dims[1] != train->dims[1])
        return COMPLAIN(c, LEANN_EINVAL, "dataset test has dimension %llu, dataset train %llu", (unsigned long long)test->dims[1],
                        (unsigned long long)train->dims[1]);
    return !f->part[NEIGHBORS].there || neighbors_good(f, c);
}

/* ---- the child's side ------------------------------------------------------------------------------------------------------ */

static leann_status inspect(leann_guard *g, void *arg)
{
    const request *r = arg;
    facts *f = leann_guard_facts(g);
    char path[64];
    leann_status status;
    complaint c = {LEANN_OK, ""};
    snprintf(path, sizeof path, "/proc/self/fd/%d", r->fd);
    hid_t file = leann_h5_file(g, path);
    if (file < 0) return LEANN_EFORMAT;
    if ((status = leann_h5_word(g, file, "distance", f->distance, sizeof f->distance)) != LEANN_OK) return status;
    if ((status = leann_h5_word(g, file, "leann_distance", f->own, sizeof f->own)) != LEANN_OK) return status;
    if ((status = leann_h5_word(g, file, "type", f->type, sizeof f->type)) != LEANN_OK) return status;
    for (int i = 0; i < r->parts; i++)
        if ((status = leann_h5_describe(g, file, part_names[i], r->bytes, f->part + i)) != LEANN_OK) return status;
    if (!good(f, &c)) return leann_guard_fail(g, c.status, "%s: %s", leann_guard_what(g), c.text);
    f->passages = leann_h5_has_group(file, "passages");
    for (int i = 0; r->rows && i < PARTS; i++) {
        const leann_h5_shape *s = f->part + i;
        if (!s->there || as_stored(s, i)) continue;
        leann_dtype type = row_type(s);
        hid_t as = i == NEIGHBORS      ? H5T_NATIVE_INT32
                   : type == LEANN_F32 ? H5T_NATIVE_FLOAT
                   : type == LEANN_U8  ? H5T_NATIVE_UINT8
                                       : H5T_NATIVE_INT8;
        if ((status = leann_h5_spill(g, file, s, as, f->at + i)) != LEANN_OK) return status;
    }
    return LEANN_OK;
}

/* ---- the parent's side ------------------------------------------------------------------------------------------------------ */

static leann_status map_file(leann_ctx *ctx, const char *path, int fd, uint64_t bytes, char **map, size_t *map_bytes)
{
    if (!bytes) return LEANN_OK;
    if (bytes > SIZE_MAX) return leann_fail(ctx, LEANN_ENOMEM, "%s: %llu bytes cannot be mapped", path, (unsigned long long)bytes);
    void *at = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0); /* never written; shared: see leann_pages_give_back */
    if (at == MAP_FAILED) return leann_fail_errno(ctx, "%s: cannot map %llu bytes", path, (unsigned long long)bytes);
    *map = at;
    *map_bytes = (size_t)bytes;
    return LEANN_OK;
}

/* Where part i lies in memory, or NULL when the child's answer does not fit the files. */
static const char *place(const leann_raw *raw, const facts *f, int i)
{
    const leann_h5_shape *s = f->part + i;
    uint64_t size = i == NEIGHBORS ? 4 : leann_dtype_bytes(row_type(s)), bytes = s->dims[0] * s->dims[1] * size;
    bool direct = as_stored(s, i);
    const char *map = direct ? raw->map : raw->spill;
    uint64_t at = direct ? s->offset : f->at[i], room = direct ? raw->map_bytes : raw->spill_bytes;
    return !map || bytes > room || at > room - bytes || at % size ? NULL : map + at;
}

static leann_rows rows_of(const leann_raw *raw, const facts *f, int i)
{
    const leann_h5_shape *s = f->part + i;
    leann_dtype type = row_type(s);
    return (leann_rows){.base = place(raw, f, i),
                        .stride = s->dims[1] * leann_dtype_bytes(type),
                        .n = (uint32_t)s->dims[0],
                        .d = (uint32_t)s->dims[1],
                        .type = type,
                        .space = raw->space};
}

static leann_status take(leann_ctx *ctx, const facts *f, bool rows, leann_raw *raw)
{
    complaint c = {LEANN_OK, ""};
    if (!good(f, &c) || !space_of(f->own[0] ? f->own : f->distance, &raw->space))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: damaged: %s", raw->path, c.text);
    raw->passages = f->passages != 0;
    raw->train = rows_of(raw, f, TRAIN);
    if (f->part[TEST].there)
        raw->test = rows_of(raw, f, TEST);
    else
        raw->test = (leann_rows){.d = raw->train.d, .type = raw->train.type, .space = raw->space, .stride = raw->train.stride};
    raw->gt_k = f->part[NEIGHBORS].there ? (uint32_t)f->part[NEIGHBORS].dims[1] : 0;
    if (!rows) return LEANN_OK;
    raw->neighbors = raw->gt_k ? (const uint32_t *)(const void *)place(raw, f, NEIGHBORS) : NULL;
    if (!raw->train.base || (raw->test.n && !raw->test.base) || (raw->gt_k && !raw->neighbors))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: damaged: rows lie outside the file", raw->path);
    for (size_t i = 0; i < (size_t)raw->gt_k * raw->test.n; i++)
        if (raw->neighbors[i] >= raw->train.n)
            return leann_fail(ctx, LEANN_EFORMAT, "%s: dataset neighbors: row %zu has id %d, needs 0 to %u", raw->path, i / raw->gt_k,
                              (int)raw->neighbors[i], raw->train.n - 1);
    return LEANN_OK;
}

static char *stem(leann_ctx *ctx, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = leann_format(ctx, "%s", slash ? slash + 1 : path);
    char *dot = name ? strrchr(name, '.') : NULL;
    if (dot && dot != name && (!strcmp(dot, ".hdf5") || !strcmp(dot, ".h5"))) *dot = 0;
    return name;
}

static leann_status open_parts(leann_ctx *ctx, const char *path, bool rows, int parts, const char *spill_near, leann_raw *out)
{
    facts *f = NULL;
    int spill = -1;
    uint64_t spilled = 0;
    leann_status status = LEANN_OK;
    *out = (leann_raw){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (out->fd < 0 || fstat(out->fd, &out->info)) {
        status = errno == ENOENT ? leann_fail(ctx, LEANN_ENOTFOUND, "no file %s", path) : leann_fail_errno(ctx, "cannot open %s", path);
        goto done;
    }
    if (!S_ISREG(out->info.st_mode)) {
        status = leann_fail(ctx, LEANN_EINVAL, "%s is not a file", path);
        goto done;
    }
    if (!(out->path = leann_format(ctx, "%s", path)) || !(out->name = stem(ctx, path)) || !(f = leann_alloc(ctx, 1, sizeof *f))) {
        status = LEANN_ENOMEM;
        goto done;
    }
    request r = {out->fd, (uint64_t)out->info.st_size, rows, parts};
    leann_guard_limits limits = {.what = path,
                                 .spill_near = spill_near,
                                 .spill_limit = spill_near ? (uint64_t)1 << 50 : leann_machine_memory(),
                                 .file_bytes = r.bytes};
    status = leann_guard_run(ctx, limits, inspect, &r, f, sizeof *f, rows ? &spill : NULL, &spilled);
    if (status == LEANN_OK && rows) status = map_file(ctx, path, out->fd, r.bytes, &out->map, &out->map_bytes);
    if (status == LEANN_OK && rows) status = map_file(ctx, path, spill, spilled, &out->spill, &out->spill_bytes);
    if (status == LEANN_OK) status = take(ctx, f, rows, out);
done:
    if (spill >= 0) close(spill);
    leann_free(f);
    if (status != LEANN_OK) leann_raw_close(out);
    return status;
}

leann_status leann_raw_open(leann_ctx *ctx, const char *path, bool rows, const char *spill_near, leann_raw *out)
{
    return open_parts(ctx, path, rows, PARTS, spill_near, out);
}

leann_status leann_raw_open_rows(leann_ctx *ctx, const char *path, const char *spill_near, leann_raw *out)
{
    return open_parts(ctx, path, true, NEIGHBORS, spill_near, out);
}

leann_status leann_raw_map(leann_ctx *ctx, leann_raw *raw)
{
    return raw->map ? LEANN_OK : map_file(ctx, raw->path, raw->fd, (uint64_t)raw->info.st_size, &raw->map, &raw->map_bytes);
}

void leann_raw_close(leann_raw *raw)
{
    if (raw->fd >= 0) close(raw->fd);
    if (raw->map) munmap(raw->map, raw->map_bytes);
    if (raw->spill) munmap(raw->spill, raw->spill_bytes);
    leann_free(raw->path);
    leann_free(raw->name);
    *raw = (leann_raw){.fd = -1};
}

/* ---- rows --------------------------------------------------------------------------------------------------------------------- */

uint32_t leann_rows_unit(leann_rows rows, uint32_t first, uint32_t n, float *x)
{
    leann_rows_floats(rows, first, n, x);
    for (uint32_t i = 0; i < n; i++, x += rows.d) {
        double sum = 0;
        for (uint32_t j = 0; j < rows.d; j++) sum += (double)x[j] * (double)x[j];
        if (!(sum > 0) || !isfinite(sum)) return first + i;
        double scale = 1 / sqrt(sum);
        for (uint32_t j = 0; j < rows.d; j++) x[j] = (float)((double)x[j] * scale);
    }
    return rows.n;
}

leann_status leann_block_check(leann_ctx *ctx, const char *what, leann_rows block, uint64_t first)
{
    for (uint32_t i = 0; i < block.n; i++) {
        const unsigned char *row = (const unsigned char *)block.base + block.stride * i;
        bool zero = true;
        for (uint32_t j = 0; j < block.d; j++) {
            float v = 0;
            if (block.type == LEANN_F32)
                memcpy(&v, row + j * sizeof v, sizeof v);
            else
                v = (float)row[j];
            if (!isfinite(v))
                return leann_fail(ctx, LEANN_EINVAL, "%s: row %llu, column %u is %s; needs finite numbers", what,
                                  (unsigned long long)(first + i), j, isnan(v) ? "NaN" : "infinite");
            if (v < 0 || v > 0) zero = false;
        }
        if (zero && block.space == LEANN_ANGULAR)
            return leann_fail(ctx, LEANN_EINVAL, "%s: row %llu is zero: it has no direction, so no angular distance", what,
                              (unsigned long long)(first + i));
    }
    return LEANN_OK;
}

/* ---- labels --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int fd;
    uint64_t bytes;
    const char *name;
    uint32_t n;
} label_request;

typedef struct {                  /* distinct values in order of first appearance */
    uint32_t slots, count, *slot; /* open addressing: label + 1, 0 free */
    char **value;
    uint32_t *length, room;
} dictionary;

static uint64_t hash_of(const char *data, uint32_t bytes)
{
    uint64_t h = 1469598103934665603ULL; /* FNV-1a */
    for (uint32_t i = 0; i < bytes; i++) h = (h ^ (unsigned char)data[i]) * 1099511628211ULL;
    return h ^ (h >> 29);
}

/* The label of a value, or UINT32_MAX when memory runs out. slots is a power of two above twice the rows. */
static uint32_t label_of(dictionary *d, const char *data, uint32_t bytes)
{
    uint32_t at = (uint32_t)hash_of(data, bytes) & (d->slots - 1);
    for (; d->slot[at]; at = (at + 1) & (d->slots - 1)) {
        uint32_t label = d->slot[at] - 1;
        if (d->length[label] == bytes && !memcmp(d->value[label], data, bytes)) return label;
    }
    if (d->count == d->room) {
        uint32_t room = d->room ? d->room * 2 : 256;
        char **value = realloc(d->value, room * sizeof *value);
        if (value) d->value = value;
        uint32_t *length = realloc(d->length, room * sizeof *length);
        if (length) d->length = length;
        if (!value || !length) return UINT32_MAX;
        d->room = room;
    }
    char *copy = malloc(bytes ? bytes : 1);
    if (!copy) return UINT32_MAX;
    memcpy(copy, data, bytes);
    d->value[d->count] = copy;
    d->length[d->count] = bytes;
    d->slot[at] = ++d->count;
    return d->count - 1;
}

/* Labels of rows [first, first + now) of a dataset; child only. */
static bool label_block(hid_t set, hid_t space, hid_t type, const leann_h5_shape *s, hsize_t first, hsize_t now, void *cells, dictionary *d,
                        uint32_t *label)
{
    hid_t part = H5Screate_simple(1, &now, NULL);
    bool varying = s->is_text && H5Tis_variable_str(type) > 0;
    bool done = part >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, NULL, &now, NULL) >= 0 &&
                H5Dread(set, s->is_text ? type : H5T_NATIVE_INT64, part, space, H5P_DEFAULT, cells) >= 0;
    for (hsize_t i = 0; done && i < now; i++) {
        const char *value = (char *)cells + i * (s->is_text ? s->size : 8);
        uint32_t bytes = 8;
        if (varying) {
            const char *const *at = (const char *const *)(const void *)value;
            value = *at ? *at : "";
        }
        if (s->is_text) bytes = (uint32_t)(varying ? strlen(value) : strnlen(value, s->size));
        label[i] = label_of(d, value, bytes);
        done = label[i] != UINT32_MAX;
    }
    if (part >= 0) H5Sclose(part);
    return done; /* strings are left to the child's end */
}

static leann_status read_labels(leann_guard *g, void *arg)
{
    const label_request *r = arg;
    leann_h5_shape s;
    char path[64];
    uint32_t *count = leann_guard_facts(g), block = 65536;
    snprintf(path, sizeof path, "/proc/self/fd/%d", r->fd);
    hid_t file = leann_h5_file(g, path);
    if (file < 0) return LEANN_EFORMAT;
    leann_status status = leann_h5_describe(g, file, r->name, r->bytes, &s);
    if (status != LEANN_OK) return status;
    if (!s.there) return leann_guard_fail(g, LEANN_ENOTFOUND, "%s: no dataset %s for labels", leann_guard_what(g), r->name);
    if (s.is_float || s.rank != 1 || s.dims[0] != r->n)
        return leann_guard_fail(g, LEANN_EINVAL, "%s: dataset %s cannot be labels: needs rank 1, %u integers or strings",
                                leann_guard_what(g), r->name, r->n);
    dictionary d = {.slots = 1024};
    while (d.slots < 2 * (uint64_t)r->n && d.slots < (1u << 31)) d.slots *= 2;
    d.slot = calloc(d.slots, sizeof *d.slot);
    uint32_t *label = malloc(block * sizeof *label);
    void *cells = malloc((size_t)block * (s.size > 8 ? s.size : 8));
    hid_t set = H5Dopen2(file, r->name, H5P_DEFAULT), space = H5Dget_space(set), type = H5Dget_type(set);
    if (!d.slot || !label || !cells)
        return leann_guard_fail(g, LEANN_ENOMEM, "%s: no memory for the labels %s", leann_guard_what(g), r->name);
    for (uint32_t i = 0; i < r->n; i += block) {
        uint32_t now = r->n - i < block ? r->n - i : block;
        if (!label_block(set, space, type, &s, i, now, cells, &d, label))
            return leann_guard_fail(g, LEANN_EFORMAT, "%s: labels %s cannot be read at rows %u to %u", leann_guard_what(g), r->name, i,
                                    i + now - 1);
        if ((status = leann_guard_append(g, label, now * sizeof *label, false, NULL)) != LEANN_OK) return status;
    }
    *count = d.count;
    return LEANN_OK;
}

leann_status leann_raw_labels(leann_ctx *ctx, const leann_raw *raw, const char *name, uint32_t **label, uint32_t *count)
{
    int spill = -1;
    uint64_t spilled = 0, want = raw->train.n * sizeof **label;
    label_request r = {raw->fd, (uint64_t)raw->info.st_size, name, raw->train.n};
    leann_guard_limits limits = {.what = raw->path, .spill_limit = want, .file_bytes = r.bytes};
    *label = NULL;
    leann_status status = leann_guard_run(ctx, limits, read_labels, &r, count, sizeof *count, &spill, &spilled);
    if (status != LEANN_OK) return status;
    if (!(*label = leann_alloc(ctx, raw->train.n, sizeof **label))) status = LEANN_ENOMEM;
    for (uint64_t done = 0; status == LEANN_OK && done < want;) {
        ssize_t now = pread(spill, (char *)*label + done, want - done, (off_t)done);
        if (now <= 0)
            status = leann_fail(ctx, LEANN_EFORMAT, "%s: labels %s are incomplete", raw->path, name);
        else
            done += (uint64_t)now;
    }
    for (uint32_t i = 0; status == LEANN_OK && i < raw->train.n; i++)
        if ((*label)[i] >= *count) status = leann_fail(ctx, LEANN_EFORMAT, "%s: labels %s are damaged", raw->path, name);
    if (status != LEANN_OK) {
        leann_free(*label);
        *label = NULL;
    }
    close(spill);
    return status;
}
