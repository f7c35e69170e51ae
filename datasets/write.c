/* write.c – ANN-benchmarks files: train (n, d), test (q, d), neighbors (q, k) i32, distances (q, k) f32, each in one piece.
 *
 * Layout: each array begins at a multiple of 4096, so that it can be mapped. Attributes: distance, type, dimension, point_type;
 * inner-product files have leann_distance besides, since ANN-benchmarks knows no such distance and must refuse rather than mismeasure.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "datasets/write.h"
#include "core/product.h"
#include "datasets/h5.h"
#include "datasets/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct leann_output {
    leann_ctx *ctx;
    leann_layout layout;
    char *path, *temporary;
    int fd;
    bool committed;
    uint64_t offset[LEANN_TO_PARTS];
    void *map[LEANN_TO_PARTS];
    size_t map_bytes[LEANN_TO_PARTS], map_skip[LEANN_TO_PARTS];
};

typedef struct {
    const char *temporary;
    const leann_layout *layout;
} plan;

typedef struct {
    uint64_t rows, cols;
    unsigned bytes;
    hid_t type;
} part_shape;

static uint64_t part_rows(const leann_layout *l, leann_target part)
{
    return part == LEANN_TO_TRAIN ? l->n : l->queries;
}
static uint64_t part_cols(const leann_layout *l, leann_target part)
{
    return part <= LEANN_TO_TEST ? l->d : l->gt_k;
}
static leann_dtype part_type(const leann_layout *l, leann_target part)
{
    return part == LEANN_TO_TRAIN ? l->train : part == LEANN_TO_TEST ? l->test : part == LEANN_TO_NEIGHBORS ? LEANN_U32 : LEANN_F32;
}
static uint64_t row_bytes(const leann_layout *l, leann_target part)
{
    return part_cols(l, part) * leann_dtype_bytes(part_type(l, part));
}

/* ---- the child: an empty file of the right shape ---------------------------------------------------------------------------- */

static hid_t file_type(const leann_layout *l, leann_target part)
{
    leann_dtype type = part_type(l, part);
    return type == LEANN_U8 ? H5T_STD_U8LE : type == LEANN_I8 ? H5T_STD_I8LE : type == LEANN_U32 ? H5T_STD_I32LE : H5T_IEEE_F32LE;
}

/* Room in one piece, without filling it. */
static hid_t put_array(hid_t file, const char *name, hid_t type, uint64_t rows, uint64_t cols)
{
    hsize_t dims[2] = {rows, cols};
    hid_t space = H5Screate_simple(2, dims, NULL), made = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(made, H5D_CONTIGUOUS);
    H5Pset_alloc_time(made, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(made, H5D_FILL_TIME_NEVER);
    H5Pset_obj_track_times(made, false); /* the same rows, the same bytes */
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, made, H5P_DEFAULT);
    H5Pclose(made);
    H5Sclose(space);
    return set;
}

static leann_status lay_out(leann_guard *g, void *arg)
{
    static const char *const names[] = {"train", "test", "neighbors", "distances"};
    const plan *p = arg;
    const leann_layout *l = p->layout;
    uint64_t *offset = leann_guard_facts(g);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, false, true);
    H5Pset_alignment(access, 4096, 4096);
    hid_t create = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_obj_track_times(create, false);
    hid_t file = H5Fcreate(p->temporary, H5F_ACC_TRUNC, create, access);
    bool done = file >= 0 && leann_h5_put_text(file, "distance", leann_space_word(l->space)) && leann_h5_put_text(file, "type", "dense") &&
                leann_h5_put_int(file, "dimension", l->d) && leann_h5_put_text(file, "point_type", "float") &&
                (l->space != LEANN_IP || leann_h5_put_text(file, "leann_distance", "ip"));
    for (int i = 0; done && i < LEANN_TO_PARTS; i++) {
        leann_target part = (leann_target)i;
        if (!part_rows(l, part) || !part_cols(l, part)) continue;
        hid_t set = put_array(file, names[i], file_type(l, part), part_rows(l, part), part_cols(l, part));
        haddr_t at = set < 0 ? HADDR_UNDEF : H5Dget_offset(set);
        done = at != HADDR_UNDEF && H5Dclose(set) >= 0;
        offset[i] = at;
    }
    if (file >= 0 && H5Fclose(file) < 0) done = false;
    return done ? LEANN_OK : leann_guard_fail(g, LEANN_EIO, "%s: cannot write the file's layout (is the disk full?)", leann_guard_what(g));
}

/* ---- files -------------------------------------------------------------------------------------------------------------------- */

leann_status leann_temporary(leann_ctx *ctx, const char *path, char **out)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    *out = leann_format(ctx, "%.*s.%s.XXXXXX", folder, path, path + folder);
    if (!*out) return LEANN_ENOMEM;
    int fd = mkostemp(*out, O_CLOEXEC);
    if (fd < 0) {
        leann_free(*out);
        *out = NULL;
        return leann_fail_errno(ctx, "cannot write %s", path);
    }
    fchmod(fd, 0644);
    close(fd);
    return LEANN_OK;
}

leann_status leann_replace(leann_ctx *ctx, int fd, const char *temporary, const char *path)
{
    if (fsync(fd) || rename(temporary, path)) return leann_fail_errno(ctx, "cannot write %s", path);
    char *folder = leann_format(ctx, "%s", path);
    if (!folder) return LEANN_ENOMEM;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    int at = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    leann_free(folder);
    if (at >= 0) {
        fsync(at);
        close(at);
    }
    return LEANN_OK;
}

static leann_status reserve(leann_output *o)
{
    uint64_t end = 0;
    for (int i = 0; i < LEANN_TO_PARTS; i++) {
        uint64_t bytes = part_rows(&o->layout, (leann_target)i) * row_bytes(&o->layout, (leann_target)i);
        if (bytes && o->offset[i] + bytes > end) end = o->offset[i] + bytes;
    }
    int error = posix_fallocate(o->fd, 0, (off_t)end);
    if (error == 0 || error == EOPNOTSUPP || error == EINVAL) return LEANN_OK;
    errno = error;
    return leann_fail_errno(o->ctx, "cannot write %s: no room for its %.1f MB", o->path, (double)end / 1e6);
}

leann_status leann_output_new(leann_ctx *ctx, const char *path, leann_layout layout, leann_output **out)
{
    *out = NULL;
    leann_output *o = leann_alloc(ctx, 1, sizeof *o);
    if (!o) return LEANN_ENOMEM;
    o->ctx = ctx;
    o->layout = layout;
    o->fd = -1;
    leann_status status = (o->path = leann_format(ctx, "%s", path)) ? leann_temporary(ctx, path, &o->temporary) : LEANN_ENOMEM;
    if (status == LEANN_OK) {
        plan p = {o->temporary, &layout};
        leann_guard_limits limits = {.what = path};
        status = leann_guard_run(ctx, limits, lay_out, &p, o->offset, sizeof o->offset, NULL, NULL);
    }
    if (status == LEANN_OK && (o->fd = open(o->temporary, O_RDWR | O_CLOEXEC)) < 0) status = leann_fail_errno(ctx, "cannot write %s", path);
    if (status == LEANN_OK) status = reserve(o);
    if (status != LEANN_OK)
        leann_output_free(o);
    else
        *out = o;
    return status;
}

leann_status leann_output_put(leann_output *o, leann_target part, uint64_t first, uint64_t n, const void *rows)
{
    uint64_t stride = row_bytes(&o->layout, part), bytes = n * stride, at = o->offset[part] + first * stride;
    for (uint64_t done = 0; done < bytes;) {
        ssize_t now = pwrite(o->fd, (const char *)rows + done, bytes - done, (off_t)(at + done));
        if (now < 0 && errno == EINTR) continue;
        if (now <= 0) return leann_fail_errno(o->ctx, "cannot write %s", o->path);
        done += (uint64_t)now;
    }
    return LEANN_OK;
}

leann_status leann_output_rows(leann_output *o, leann_target part, leann_rows *rows)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), skip = o->offset[part] % page;
    const leann_layout *l = &o->layout;
    if (!o->map[part]) {
        size_t bytes = (size_t)(part_rows(l, part) * row_bytes(l, part) + skip);
        void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, o->fd, (off_t)(o->offset[part] - skip));
        if (at == MAP_FAILED) return leann_fail_errno(o->ctx, "%s: cannot map %zu bytes", o->path, bytes);
        o->map[part] = at;
        o->map_bytes[part] = bytes;
    }
    *rows = (leann_rows){.base = (char *)o->map[part] + skip,
                         .stride = row_bytes(l, part),
                         .n = (uint32_t)part_rows(l, part),
                         .d = (uint32_t)part_cols(l, part),
                         .type = part_type(l, part),
                         .space = l->space};
    return LEANN_OK;
}

leann_status leann_output_commit(leann_output *o)
{
    leann_status status = leann_replace(o->ctx, o->fd, o->temporary, o->path);
    o->committed = status == LEANN_OK;
    return status;
}

void leann_output_free(leann_output *o)
{
    if (!o) return;
    for (int i = 0; i < LEANN_TO_PARTS; i++)
        if (o->map[i]) munmap(o->map[i], o->map_bytes[i]);
    if (o->fd >= 0) close(o->fd);
    if (o->temporary && !o->committed) unlink(o->temporary);
    leann_free(o->temporary);
    leann_free(o->path);
    leann_free(o);
}

/* ---- everything at once --------------------------------------------------------------------------------------------------------- */

static leann_status put_rows(leann_output *o, leann_target part, leann_rows rows)
{
    leann_status status = LEANN_OK;
    uint64_t bytes = rows.d * leann_dtype_bytes(rows.type);
    for (uint32_t i = 0; status == LEANN_OK && i < rows.n; i++) {
        uint32_t run = bytes == rows.stride ? rows.n : 1; /* contiguous rows go in one write */
        status = leann_output_put(o, part, i, run, leann_row(rows, i));
        i += run - 1;
    }
    return status;
}

leann_status leann_dataset_write(leann_ctx *ctx, const char *path, leann_rows train, leann_rows test, const uint32_t *neighbors,
                                 const double *distances, uint32_t gt_k)
{
    leann_output *o = NULL;
    float *dist = NULL;
    size_t cells = (size_t)test.n * gt_k;
    if (train.n < 1 || train.d < 1 || (test.n && test.d != train.d))
        return leann_fail(ctx, LEANN_EINVAL, "%s: cannot write %u x %u rows with %u x %u queries", path, train.n, train.d, test.n, test.d);
    leann_layout layout = {train.n, train.d, test.n, gt_k, train.type, test.n ? test.type : train.type, train.space};
    leann_status status = leann_output_new(ctx, path, layout, &o);
    if (status == LEANN_OK) status = put_rows(o, LEANN_TO_TRAIN, train);
    if (status == LEANN_OK && test.n) status = put_rows(o, LEANN_TO_TEST, test);
    if (status == LEANN_OK && cells) {
        if (!(dist = leann_alloc(ctx, cells, sizeof *dist))) status = LEANN_ENOMEM;
        for (size_t i = 0; status == LEANN_OK && i < cells; i++) dist[i] = (float)distances[i];
        if (status == LEANN_OK) status = leann_output_put(o, LEANN_TO_NEIGHBORS, 0, test.n, neighbors);
        if (status == LEANN_OK) status = leann_output_put(o, LEANN_TO_DISTANCES, 0, test.n, dist);
    }
    if (status == LEANN_OK) status = leann_output_commit(o);
    leann_free(dist);
    leann_output_free(o);
    return status;
}
