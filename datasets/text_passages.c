/* text_passages.c – the texts of a set that exists: out of its file, or out of the files it refers to, which are held to their hashes.
 *
 * Memory: the file is mapped already; columns that are not stored as memory wants them are converted by the child, like rows (raw.c).
 *
 * SPDX-License-Identifier: MIT */
#include "core/container.h"
#include "datasets/h5.h"
#include "datasets/raw.h"
#include "datasets/spill.h"
#include "datasets/text.h"
#include "datasets/text_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT, TEXT_OFFSET, PATH, PATHS, PATH_OFFSET, BYTE_OFFSET, BYTE_LENGTH, HASH, PARTS };
static const struct {
    const char *name;
    uint32_t bytes, cols;
} wanted[PARTS] = {
    {"passages/text", 1, 1},        {"passages/text_offset", 8, 1}, {"passages/path", 4, 1},        {"passages/paths", 1, 1},
    {"passages/path_offset", 8, 1}, {"passages/byte_offset", 8, 1}, {"passages/byte_length", 4, 1}, {"passages/sha256", 1, 32},
};
enum { PATH_BYTES_MAX = 4095 };

typedef struct {
    char encoder[LEANN_ENCODER_BYTES], identity[65], root[4096];
    leann_h5_shape part[PARTS];
    uint64_t at[PARTS]; /* in the spill file, where part is not as memory wants it */
} facts;

typedef struct {
    int fd;
    uint64_t bytes;
} request;

typedef struct {
    leann_passages common;
    facts facts;
    char *what; /* the set's file */
    char *spill;
    size_t spill_bytes;
    const void *column[PARTS]; /* NULL: there is none */
    uint64_t paths;
    leann_reference_columns columns;
} passages;

static bool as_stored(const leann_h5_shape *s, int part)
{
    return s->direct && !s->is_float && !s->is_signed && s->size == wanted[part].bytes;
}

/* ---- the child's side ---------------------------------------------------------------------------------------------------- */

static leann_status take_part(leann_guard *g, hid_t file, const request *r, int i)
{
    facts *f = leann_guard_facts(g);
    leann_h5_shape *s = f->part + i;
    leann_status status = leann_h5_describe(g, file, wanted[i].name, r->bytes, s);
    if (status != LEANN_OK || !s->there) return status;
    if (s->is_float || s->is_text || s->dims[1] != wanted[i].cols)
        return leann_guard_fail(g, LEANN_EFORMAT, "%s: dataset %s needs integers in %u columns", leann_guard_what(g), s->name,
                                wanted[i].cols);
    if (as_stored(s, i) || s->dims[0] == 0) return LEANN_OK;
    hid_t as = wanted[i].bytes == 1 ? H5T_NATIVE_UINT8 : wanted[i].bytes == 4 ? H5T_NATIVE_UINT32 : H5T_NATIVE_UINT64;
    return leann_h5_spill(g, file, s, as, f->at + i);
}

static leann_status inspect(leann_guard *g, void *arg)
{
    const request *r = arg;
    facts *f = leann_guard_facts(g);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", r->fd);
    hid_t file = leann_h5_file(g, path);
    if (file < 0) return LEANN_EFORMAT;
    leann_status status = leann_h5_word(g, file, "encoder", f->encoder, sizeof f->encoder);
    if (status == LEANN_OK) status = leann_h5_word(g, file, "encoder_identity", f->identity, sizeof f->identity);
    if (status == LEANN_OK) status = leann_h5_word(g, file, "text_root", f->root, sizeof f->root);
    for (int i = 0; status == LEANN_OK && i < PARTS; i++) status = take_part(g, file, r, i);
    return status;
}

/* ---- the parent's side, which believes nothing --------------------------------------------------------------------------- */

static bool terminated(const char *text, size_t bytes)
{
    return memchr(text, 0, bytes) != NULL;
}

static leann_status take_column(leann_ctx *ctx, passages *p, const leann_raw *raw, int i, uint64_t rows)
{
    const leann_h5_shape *s = p->facts.part + i;
    bool direct = as_stored(s, i);
    uint64_t room = direct ? raw->map_bytes : p->spill_bytes, at = direct ? s->offset : p->facts.at[i];
    const char *from = direct ? raw->map : p->spill;
    if (!s->there || s->dims[1] != wanted[i].cols || (rows && s->dims[0] != rows))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: dataset %s is missing, or has not %ju rows", p->what, wanted[i].name, (uintmax_t)rows);
    p->column[i] = "";
    if (s->dims[0] == 0) return LEANN_OK;
    uint64_t row = (uint64_t)wanted[i].bytes * wanted[i].cols;
    if (!from || s->dims[0] > room / row || at > room - s->dims[0] * row || at % wanted[i].bytes)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: dataset %s lies outside the file", p->what, wanted[i].name);
    p->column[i] = from + at;
    return LEANN_OK;
}

/* n + 1 offsets that cut `bytes` of them into pieces of at most `most`. */
static leann_status check_offsets(leann_ctx *ctx, const passages *p, int part, uint64_t n, uint64_t bytes, uint64_t most)
{
    const uint64_t *offset = p->column[part];
    bool good = offset[0] == 0;
    for (uint64_t i = 0; good && i < n; i++) good = offset[i + 1] >= offset[i] && offset[i + 1] - offset[i] <= most;
    if (good && offset[n] <= bytes) return LEANN_OK;
    return leann_fail(ctx, LEANN_EFORMAT, "%s: dataset %s does not cut its text in order", p->what, wanted[part].name);
}

static leann_status check_references(leann_ctx *ctx, const passages *p)
{
    const uint32_t *path = p->column[PATH], *length = p->column[BYTE_LENGTH];
    const uint64_t *offset = p->column[BYTE_OFFSET];
    for (uint32_t i = 0; i < p->common.n; i++)
        if (path[i] >= p->paths || length[i] > LEANN_CHUNK_BYTES || offset[i] > INT64_MAX - LEANN_CHUNK_BYTES)
            return leann_fail(ctx, LEANN_EFORMAT, "%s: passage %u refers to path %u of %ju, %u bytes at %ju", p->what, i, path[i],
                              (uintmax_t)p->paths, length[i], (uintmax_t)offset[i]);
    return LEANN_OK;
}

/* Where the texts lie in files: needed where their text is not held, else known where the set has it. */
static leann_status take_references(leann_ctx *ctx, passages *p, const leann_raw *raw)
{
    const facts *f = &p->facts;
    const uint64_t n = p->common.n;
    leann_status status = LEANN_OK;
    p->paths = f->part[PATH_OFFSET].dims[0] ? f->part[PATH_OFFSET].dims[0] - 1 : 0;
    for (int i = PATH; status == LEANN_OK && i < PARTS; i++)
        status = take_column(ctx, p, raw, i, i == PATHS ? 0 : i == PATH_OFFSET ? p->paths + 1 : n);
    if (status == LEANN_OK && p->paths > UINT32_MAX)
        status = leann_fail(ctx, LEANN_ELIMIT, "%s: passages of %ju files, at most %u", p->what, (uintmax_t)p->paths, UINT32_MAX);
    if (status == LEANN_OK) status = check_offsets(ctx, p, PATH_OFFSET, p->paths, f->part[PATHS].dims[0], PATH_BYTES_MAX);
    if (status == LEANN_OK) status = check_references(ctx, p);
    if (status != LEANN_OK) return status;
    p->columns = (leann_reference_columns){.n = p->common.n,
                                           .paths = (uint32_t)p->paths,
                                           .root = f->root,
                                           .text = p->column[PATHS],
                                           .text_at = p->column[PATH_OFFSET],
                                           .path = p->column[PATH],
                                           .bytes = p->column[BYTE_LENGTH],
                                           .offset = p->column[BYTE_OFFSET],
                                           .sha = p->column[HASH]};
    p->common.columns = &p->columns;
    return LEANN_OK;
}

static leann_status take(leann_ctx *ctx, passages *p, const leann_raw *raw)
{
    const facts *f = &p->facts;
    const uint64_t n = p->common.n;
    leann_status status = LEANN_OK;
    if (!terminated(f->encoder, sizeof f->encoder) || !terminated(f->identity, sizeof f->identity) || !terminated(f->root, sizeof f->root))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: damaged: no sensible answer from the process that reads it", p->what);
    if (f->part[TEXT].there) {
        status = take_column(ctx, p, raw, TEXT, 0);
        if (status == LEANN_OK) status = take_column(ctx, p, raw, TEXT_OFFSET, n + 1);
        if (status == LEANN_OK) status = check_offsets(ctx, p, TEXT_OFFSET, n, f->part[TEXT].dims[0], UINT32_MAX);
        if (status != LEANN_OK || !f->part[PATH].there) return status;
    }
    return take_references(ctx, p, raw);
}

/* ---- texts --------------------------------------------------------------------------------------------------------------- */

static bool read_whole(int fd, char *to, uint32_t bytes, uint64_t at)
{
    for (uint32_t done = 0; done < bytes;) {
        ssize_t now = pread(fd, to + done, bytes - done, (off_t)(at + done));
        if (now < 0 && errno == EINTR) continue;
        if (now <= 0) return false; /* the file has become shorter, or is a folder now */
        done += (uint32_t)now;
    }
    return true;
}

/* The bytes that passage i refers to, if they are still those that were embedded. */
static leann_status read_file(const passages *p, leann_ctx *ctx, uint32_t i, leann_text *text)
{
    const uint64_t *path_offset = p->column[PATH_OFFSET];
    const char *paths = p->column[PATHS];
    uint32_t which = ((const uint32_t *)p->column[PATH])[i], bytes = ((const uint32_t *)p->column[BYTE_LENGTH])[i];
    const uint8_t *want = (const uint8_t *)p->column[HASH] + (size_t)i * 32;
    int length = (int)(path_offset[which + 1] - path_offset[which]);
    const char *name = length ? paths + path_offset[which] : "";
    bool joined = length > 0 && *name != '/' && p->facts.root[0];
    uint8_t have[32];
    struct stat about;
    char *path = leann_format(ctx, "%s%s%.*s", joined ? p->facts.root : "", joined ? "/" : "", length, name);
    char *to = leann_scratch(ctx, bytes + 1);
    if (!path || !to) {
        leann_free(path);
        return LEANN_ENOMEM;
    }
    leann_status status = LEANN_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &about) != 0)
        status = leann_fail_errno(ctx, "cannot open %s, which %s refers to", path, p->what);
    else if (!S_ISREG(about.st_mode) || !read_whole(fd, to, bytes, ((const uint64_t *)p->column[BYTE_OFFSET])[i]))
        status = leann_fail(ctx, LEANN_EIO, "%s has changed since %s was made of it", path, p->what);
    if (status == LEANN_OK) status = leann_text_hash(ctx, "", (leann_text){to, bytes}, have);
    if (status == LEANN_OK && memcmp(have, want, 32) != 0)
        status = leann_fail(ctx, LEANN_EIO, "%s has changed since %s was made of it", path, p->what);
    if (fd >= 0) close(fd);
    leann_free(path);
    *text = (leann_text){to, bytes};
    return status;
}

static leann_status read_texts(const leann_passages *self, leann_ctx *ctx, const uint32_t *ids, uint32_t n, leann_text *text)
{
    const passages *p = (const passages *)(const void *)self;
    const uint64_t *offset = p->column[TEXT_OFFSET];
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; status == LEANN_OK && i < n; i++) {
        if (ids[i] >= self->n) return leann_fail(ctx, LEANN_EINVAL, "passage %u asked for, but %s has %u", ids[i], p->what, self->n);
        if (offset)
            text[i] = (leann_text){(const char *)p->column[TEXT] + offset[ids[i]], offset[ids[i] + 1] - offset[ids[i]]};
        else
            status = read_file(p, ctx, ids[i], text + i);
    }
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

static leann_status map_spill(leann_ctx *ctx, passages *p, int fd, uint64_t bytes)
{
    if (bytes == 0) return LEANN_OK;
    void *at = bytes > SIZE_MAX ? MAP_FAILED : mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return leann_fail_errno(ctx, "%s: cannot map %ju bytes", p->what, (uintmax_t)bytes);
    p->spill = at;
    p->spill_bytes = (size_t)bytes;
    return LEANN_OK;
}

leann_status leann_passages_open(leann_ctx *ctx, const leann_raw *raw, leann_passages **out)
{
    int spill = -1;
    uint64_t spilled = 0;
    *out = NULL;
    if (!raw->passages) return leann_fail(ctx, LEANN_ENOTFOUND, "%s has no passages: it was not made by `leann dataset text`", raw->path);
    passages *p = leann_alloc(ctx, 1, sizeof *p);
    if (!p) return LEANN_ENOMEM;
    request r = {raw->fd, (uint64_t)raw->info.st_size};
    leann_guard_limits limits = {.what = raw->path, .spill_limit = leann_machine_memory(), .file_bytes = r.bytes};
    leann_status status = (p->what = leann_format(ctx, "%s", raw->path)) ? LEANN_OK : LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_guard_run(ctx, limits, inspect, &r, &p->facts, sizeof p->facts, &spill, &spilled);
    if (status == LEANN_OK) status = map_spill(ctx, p, spill, spilled);
    p->common = (leann_passages){.n = raw->train.n, .encoder = p->facts.encoder, .identity = p->facts.identity, .read = read_texts};
    if (status == LEANN_OK) status = take(ctx, p, raw);
    if (spill >= 0) close(spill);
    if (status == LEANN_OK)
        *out = &p->common;
    else
        leann_passages_free(&p->common);
    return status;
}

void leann_passages_free(leann_passages *self)
{
    passages *p = (passages *)(void *)self;
    if (!p) return;
    if (p->spill) munmap(p->spill, p->spill_bytes);
    leann_free(p->what);
    leann_free(p);
}
