/* convert.c – vector files to ANN-benchmarks HDF5, a block of rows at a time, and ground truth into files that exist.
 *
 * SPDX-License-Identifier: MIT */
#include "core/container.h"
#include "core/product.h"
#include "datasets/bytes.h"
#include "datasets/guard.h"
#include "datasets/raw.h"
#include "datasets/source.h"
#include "datasets/write.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- inputs ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *path;
    leann_source *rows, *test; /* test: only where an HDF5 file has one */
    leann_raw raw;             /* of an HDF5 file */
    char *unpacked;            /* temporary file of a compressed one */
} input;

static bool ends(const char *text, const char *tail)
{
    size_t a = strlen(text), b = strlen(tail);
    return a >= b && !strcmp(text + a - b, tail);
}

/* path without its compression -> a temporary file beside `near`. */
static leann_status unpack(leann_ctx *ctx, const char *path, const char *near, char **out)
{
    enum { BLOCK = 1 << 20 };
    leann_bytes *b = NULL;
    FILE *f = NULL;
    void *block = leann_alloc(ctx, BLOCK, 1);
    leann_status status = block ? leann_bytes_open(ctx, path, &b) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_temporary(ctx, near, out);
    if (status == LEANN_OK && !(f = fopen(*out, "wb"))) status = leann_fail_errno(ctx, "cannot write %s", *out);
    for (uint64_t left = status == LEANN_OK ? leann_bytes_size(b) : 0; status == LEANN_OK && left > 0;) {
        size_t now = left < BLOCK ? (size_t)left : BLOCK;
        if ((status = leann_bytes_read(b, block, now)) == LEANN_OK && fwrite(block, 1, now, f) != now)
            status = leann_fail_errno(ctx, "cannot write %s", *out);
        left -= now;
    }
    if (f && fclose(f) && status == LEANN_OK) status = leann_fail_errno(ctx, "cannot write %s", *out);
    leann_bytes_free(b);
    leann_free(block);
    return status;
}

static leann_status input_open(leann_ctx *ctx, const char *path, const char *near, input *in)
{
    *in = (input){.path = path, .raw.fd = -1};
    leann_status status = LEANN_OK;
    bool packed = ends(path, ".hdf5.gz") || ends(path, ".h5.gz");
    if (!packed && !leann_is_hdf5(path) && !ends(path, ".hdf5") && !ends(path, ".h5")) return leann_source_open(ctx, path, &in->rows);
    if (packed) status = unpack(ctx, path, near, &in->unpacked);
    if (status == LEANN_OK) status = leann_raw_open_rows(ctx, packed ? in->unpacked : path, near, &in->raw);
    if (status == LEANN_OK) status = leann_source_of_rows(ctx, path, in->raw.train, &in->rows);
    if (status == LEANN_OK && in->raw.test.n) status = leann_source_of_rows(ctx, path, in->raw.test, &in->test);
    return status;
}

static void input_close(input *in)
{
    leann_source_free(in->rows);
    leann_source_free(in->test);
    leann_raw_close(&in->raw);
    if (in->unpacked) unlink(in->unpacked);
    leann_free(in->unpacked);
}

/* ---- rows through ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_ctx *ctx;
    leann_output *out;
    leann_space space;
    uint64_t done, total; /* of both parts, for the progress */
} passage;

/* All rows of v to a part; those whose number is in drawn (ascending) go to test instead. */
static leann_status pass(passage *p, leann_source *v, const char *what, leann_target part, const uint32_t *drawn, uint32_t draws)
{
    leann_source_facts about = leann_source_about(v);
    size_t row = about.d * leann_dtype_bytes(about.type);
    uint64_t fit = ((size_t)4 << 20) / row, sent = 0;
    uint32_t block = fit < 1 ? 1 : fit > 65536 ? 65536 : (uint32_t)fit, next = 0;
    char *rows = leann_alloc(p->ctx, block, row);
    leann_status status = rows ? LEANN_OK : LEANN_ENOMEM;
    for (uint64_t i = 0; status == LEANN_OK && i < about.n; i += block) {
        uint32_t now = about.n - i < block ? (uint32_t)(about.n - i) : block, kept = 0;
        leann_rows view = {.base = rows, .stride = row, .n = now, .d = about.d, .type = about.type, .space = p->space};
        if (leann_ctx_cancelled(p->ctx)) status = leann_fail(p->ctx, LEANN_EINTR, "interrupted");
        if (status == LEANN_OK) status = leann_source_next(v, now, rows);
        if (status == LEANN_OK) status = leann_block_check(p->ctx, what, view, i);
        if (!draws) kept = now;
        for (uint32_t j = 0; status == LEANN_OK && draws && j < now; j++) {
            if (next < draws && drawn[next] == i + j)
                status = leann_output_put(p->out, LEANN_TO_TEST, next++, 1, rows + j * row);
            else
                memmove(rows + kept++ * row, rows + j * row, row);
        }
        if (status == LEANN_OK) status = leann_output_put(p->out, part, sent, kept, rows);
        sent += kept;
        p->done += now;
        leann_ctx_progress(p->ctx, "convert", p->done, p->total);
    }
    leann_free(rows);
    return status;
}

static leann_status check_options(leann_ctx *ctx, const leann_convert_options *o, const input *in, leann_source *test)
{
    leann_source_facts a = leann_source_about(in->rows);
    if (o->queries && o->split) return leann_fail(ctx, LEANN_EINVAL, "queries come from a file or from a split, not from both");
    if (o->any_space && in->raw.fd < 0)
        return leann_fail(ctx, LEANN_EINVAL, "%s does not say its distance: give --distance euclidean, angular or ip", in->path);
    if (o->split >= a.n)
        return leann_fail(ctx, LEANN_EINVAL, "%s: a split of %u queries leaves nothing of its %llu rows", in->path, o->split,
                          (unsigned long long)a.n);
    if (test && leann_source_about(test).d != a.d)
        return leann_fail(ctx, LEANN_EINVAL, "the queries have dimension %u, the rows of %s %u", leann_source_about(test).d, in->path, a.d);
    return LEANN_OK;
}

/* A file is not converted into itself: what the output leaves out (drawn queries, labels) would be lost. */
static leann_status check_apart(leann_ctx *ctx, const char *from, const char *to)
{
    struct stat a, b;
    if (!from || stat(from, &a) || stat(to, &b) || a.st_dev != b.st_dev || a.st_ino != b.st_ino) return LEANN_OK;
    return leann_fail(ctx, LEANN_EINVAL, "%s is read, so it cannot be the output too: name another", from);
}

leann_status leann_dataset_convert(leann_ctx *ctx, const char *in_path, const char *out_path, leann_convert_options options)
{
    input in = {.raw.fd = -1}, q = {.raw.fd = -1};
    uint32_t *drawn = NULL;
    leann_source *test = NULL;
    passage p = {.ctx = ctx};
    leann_status status = check_apart(ctx, in_path, out_path);
    if (status == LEANN_OK) status = check_apart(ctx, options.queries, out_path);
    if (status == LEANN_OK) status = input_open(ctx, in_path, out_path, &in);
    if (status == LEANN_OK && options.queries) status = input_open(ctx, options.queries, out_path, &q);
    if (status != LEANN_OK) goto done;
    test = options.queries ? (q.test ? q.test : q.rows) : options.split ? NULL : in.test;
    if ((status = check_options(ctx, &options, &in, test)) != LEANN_OK) goto done;
    leann_source_facts a = leann_source_about(in.rows), b = test ? leann_source_about(test) : a;
    p.space = options.any_space ? in.raw.space : options.space;
    uint32_t n = (uint32_t)a.n - options.split, queries = test ? (uint32_t)b.n : options.split;
    uint32_t k = !options.ground_truth || !queries ? 0 : n < LEANN_GT_K ? n : LEANN_GT_K;
    if (options.split) {
        if (!(drawn = leann_alloc(ctx, options.split, sizeof *drawn))) {
            status = LEANN_ENOMEM;
            goto done;
        }
        leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "dataset.split", 0);
        leann_rng_sample(&rng, (uint32_t)a.n, options.split, true, drawn);
    }
    leann_layout layout = {n, a.d, queries, k, a.type, b.type, p.space};
    if ((status = leann_output_new(ctx, out_path, layout, &p.out)) != LEANN_OK) goto done;
    p.total = a.n + (test ? b.n : 0);
    if ((status = pass(&p, in.rows, in_path, LEANN_TO_TRAIN, drawn, options.split)) != LEANN_OK) goto done;
    if (test && (status = pass(&p, test, options.queries ? options.queries : in_path, LEANN_TO_TEST, NULL, 0)) != LEANN_OK) goto done;
    if (k && (status = leann_output_groundtruth(ctx, p.out, k)) != LEANN_OK) goto done;
    status = leann_output_commit(p.out);
done:
    leann_output_free(p.out);
    leann_free(drawn);
    input_close(&q);
    input_close(&in);
    return status;
}

leann_status leann_dataset_sniff(leann_ctx *ctx, const char *path, leann_dataset_info *out)
{
    leann_source *v = NULL;
    memset(out, 0, sizeof *out);
    leann_status status = leann_source_open(ctx, path, &v);
    if (status != LEANN_OK) return status;
    leann_source_facts about = leann_source_about(v);
    snprintf(out->name, sizeof out->name, "%s %s", about.format, about.stored);
    snprintf(out->path, sizeof out->path, "%s", path);
    out->n = (uint32_t)about.n;
    out->d = about.d;
    out->type = about.type;
    leann_source_free(v);
    return LEANN_OK;
}

leann_status leann_dataset_scan(leann_ctx *ctx, const char *path)
{
    leann_source *v = NULL;
    char *rows = NULL;
    leann_status status = leann_source_open(ctx, path, &v);
    if (status != LEANN_OK) return status;
    leann_source_facts about = leann_source_about(v);
    size_t row = about.d * leann_dtype_bytes(about.type);
    uint64_t fit = ((size_t)4 << 20) / row;
    uint32_t block = fit < 1 ? 1 : fit > 65536 ? 65536 : (uint32_t)fit;
    if (!(rows = leann_alloc(ctx, block, row))) status = LEANN_ENOMEM;
    for (uint64_t i = 0; status == LEANN_OK && i < about.n; i += block) {
        uint32_t now = about.n - i < block ? (uint32_t)(about.n - i) : block;
        leann_rows view = {.base = rows, .stride = row, .n = now, .d = about.d, .type = about.type, .space = LEANN_L2};
        if (leann_ctx_cancelled(ctx)) status = leann_fail(ctx, LEANN_EINTR, "interrupted");
        if (status == LEANN_OK) status = leann_source_next(v, now, rows);
        if (status == LEANN_OK) status = leann_block_check(ctx, path, view, i);
        leann_ctx_progress(ctx, "check", i + now, about.n);
    }
    leann_free(rows);
    leann_source_free(v);
    return status;
}

/* ---- ground truth of a file that exists ------------------------------------------------------------------------------------------- */

typedef struct {
    const char *file;
    uint32_t queries, k;
    const uint32_t *ids;
    const float *dist;
} truth;

static bool put_truth(hid_t file, const char *name, hid_t type, hid_t from, const truth *t, const void *data)
{
    hsize_t dims[2] = {t->queries, t->k};
    if (H5Lexists(file, name, H5P_DEFAULT) > 0 && H5Ldelete(file, name, H5P_DEFAULT) < 0) return false;
    hid_t space = H5Screate_simple(2, dims, NULL), made = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(made, false);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, made, H5P_DEFAULT);
    bool done = set >= 0 && H5Dwrite(set, from, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0 && H5Dclose(set) >= 0;
    H5Pclose(made);
    H5Sclose(space);
    return done;
}

static leann_status write_truth(leann_guard *g, void *arg)
{
    const truth *t = arg;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, false, true);
    hid_t file = H5Fopen(t->file, H5F_ACC_RDWR, access);
    bool done = file >= 0 && put_truth(file, "neighbors", H5T_STD_I32LE, H5T_NATIVE_INT32, t, t->ids) &&
                put_truth(file, "distances", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, t, t->dist);
    if (file >= 0 && H5Fclose(file) < 0) done = false;
    return done ? LEANN_OK : leann_guard_fail(g, LEANN_EIO, "%s: cannot write the ground truth (is the disk full?)", leann_guard_what(g));
}

static leann_status copy(leann_ctx *ctx, const leann_raw *raw, const char *to, int *fd)
{
    *fd = open(to, O_RDWR | O_CLOEXEC);
    if (*fd < 0) return leann_fail_errno(ctx, "cannot write %s", to);
    for (size_t done = 0; done < raw->map_bytes;) {
        size_t block = raw->map_bytes - done < (16u << 20) ? raw->map_bytes - done : 16u << 20;
        ssize_t now = write(*fd, raw->map + done, block);
        if (now < 0 && errno == EINTR) continue;
        if (now <= 0) return leann_fail_errno(ctx, "cannot write a copy of %s", raw->path);
        done += (size_t)now;
    }
    return LEANN_OK;
}

leann_status leann_dataset_groundtruth(leann_ctx *ctx, const char *path)
{
    leann_raw raw;
    truth t = {0};
    uint32_t *ids = NULL;
    float *dist = NULL;
    char *temporary = NULL;
    int fd = -1;
    leann_status status = leann_raw_open_rows(ctx, path, path, &raw);
    if (status != LEANN_OK) return status;
    if (!raw.test.n) {
        status = leann_fail(ctx, LEANN_EINVAL, "%s: no dataset test: nothing to find the neighbours of", path);
        goto done;
    }
    if ((status = leann_block_check(ctx, path, raw.train, 0)) != LEANN_OK) goto done;
    if ((status = leann_block_check(ctx, path, raw.test, 0)) != LEANN_OK) goto done;
    if ((status = leann_temporary(ctx, path, &temporary)) != LEANN_OK) goto done; /* before hours of work */
    uint32_t k = raw.train.n < LEANN_GT_K ? raw.train.n : LEANN_GT_K;
    ids = leann_alloc(ctx, (size_t)raw.test.n * k, sizeof *ids);
    dist = leann_alloc(ctx, (size_t)raw.test.n * k, sizeof *dist);
    status = ids && dist ? leann_groundtruth(ctx, raw.train, raw.test, k, ids, dist) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = copy(ctx, &raw, temporary, &fd);
    if (status != LEANN_OK) goto done;
    t = (truth){temporary, raw.test.n, k, ids, dist};
    leann_guard_limits limits = {.what = path, .file_bytes = raw.map_bytes};
    if ((status = leann_guard_run(ctx, limits, write_truth, &t, NULL, 0, NULL, NULL)) == LEANN_OK)
        status = leann_replace(ctx, fd, temporary, path);
done:
    if (fd >= 0) close(fd);
    if (temporary && status != LEANN_OK) unlink(temporary);
    leann_free(temporary);
    leann_free(ids);
    leann_free(dist);
    leann_raw_close(&raw);
    return status;
}
