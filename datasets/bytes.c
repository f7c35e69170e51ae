/* bytes.c – a file or a piece of memory as a stream of bytes; zlib in between where it is compressed (RFC 1952, many members).
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { BLOCK = 1 << 18 };

struct leann_bytes {
    leann_ctx *ctx;
    char *what;
    int fd; /* -1: memory */
    const unsigned char *memory;
    uint64_t stored, at; /* bytes stored, bytes taken from there */
    uint64_t size;
    bool packed, member; /* member: inside one, so that an end here is a cut */
    z_stream z;
    unsigned char *block;
    void *map;
};

uint64_t leann_bytes_size(const leann_bytes *b)
{
    return b->size;
}
bool leann_bytes_packed(const leann_bytes *b)
{
    return b->packed;
}

/* At most `bytes` stored bytes; *got 0 at the end. */
static leann_status take(leann_bytes *b, void *out, size_t bytes, size_t *got)
{
    uint64_t left = b->stored - b->at;
    if (bytes > left) bytes = (size_t)left;
    *got = 0;
    if (b->fd < 0) {
        if (bytes) memcpy(out, b->memory + b->at, bytes);
        *got = bytes;
    }
    while (b->fd >= 0 && *got < bytes) {
        ssize_t now = pread(b->fd, (char *)out + *got, bytes - *got, (off_t)(b->at + *got));
        if (now < 0 && errno == EINTR) continue;
        if (now < 0) return leann_fail_errno(b->ctx, "cannot read %s", b->what);
        if (now == 0) return leann_fail(b->ctx, LEANN_EIO, "%s: became shorter while it was read", b->what);
        *got += (size_t)now;
    }
    b->at += *got;
    return LEANN_OK;
}

/* At most `bytes` uncompressed bytes; *got 0 at the end. */
static leann_status inflate_some(leann_bytes *b, void *out, size_t bytes, size_t *got)
{
    b->z.next_out = out;
    b->z.avail_out = (uInt)bytes;
    while (b->z.avail_out > 0) {
        if (b->z.avail_in == 0) {
            size_t now;
            leann_status status = take(b, b->block, BLOCK, &now);
            if (status != LEANN_OK) return status;
            b->z.next_in = b->block;
            b->z.avail_in = (uInt)now;
            if (now == 0 && b->member)
                return leann_fail(b->ctx, LEANN_EFORMAT, "%s: truncated: its gzip data end early, after %llu bytes", b->what,
                                  (unsigned long long)b->stored);
            if (now == 0) break;
        }
        if (!b->member && inflateReset(&b->z) != Z_OK) return leann_fail(b->ctx, LEANN_ENOMEM, "%s: zlib cannot start", b->what);
        b->member = true;
        int result = inflate(&b->z, Z_NO_FLUSH);
        if (result == Z_STREAM_END)
            b->member = false;
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return leann_fail(b->ctx, LEANN_EFORMAT, "%s: damaged gzip data near byte %llu: %s", b->what, (unsigned long long)b->at,
                              b->z.msg ? b->z.msg : "bad stream");
    }
    *got = bytes - b->z.avail_out;
    return LEANN_OK;
}

static leann_status count(leann_bytes *b)
{
    unsigned char *out = leann_alloc(b->ctx, BLOCK, 1);
    leann_status status = out ? LEANN_OK : LEANN_ENOMEM;
    for (size_t now = 1; status == LEANN_OK && now > 0; b->size += now) {
        now = 0;
        if (leann_ctx_cancelled(b->ctx))
            status = leann_fail(b->ctx, LEANN_EINTR, "interrupted");
        else
            status = inflate_some(b, out, BLOCK, &now);
    }
    leann_free(out);
    return status == LEANN_OK ? leann_bytes_rewind(b) : status;
}

static leann_status begin(leann_bytes *b)
{
    unsigned char magic[2] = {0, 0};
    size_t got;
    leann_status status = take(b, magic, sizeof magic, &got);
    b->at = 0;
    b->size = b->stored;
    b->packed = got == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    if (status != LEANN_OK || !b->packed) return status;
    b->size = 0;
    if (!(b->block = leann_alloc(b->ctx, BLOCK, 1))) return LEANN_ENOMEM;
    if (inflateInit2(&b->z, 15 + 16) != Z_OK) {
        b->packed = false; /* nothing for inflateEnd */
        return leann_fail(b->ctx, LEANN_ENOMEM, "%s: zlib cannot start", b->what);
    }
    return count(b);
}

static leann_status make(leann_ctx *ctx, const char *what, leann_bytes **out)
{
    *out = leann_alloc(ctx, 1, sizeof **out);
    if (!*out) return LEANN_ENOMEM;
    (*out)->ctx = ctx;
    (*out)->fd = -1;
    (*out)->what = leann_format(ctx, "%s", what);
    return (*out)->what ? LEANN_OK : LEANN_ENOMEM;
}

leann_status leann_bytes_open(leann_ctx *ctx, const char *path, leann_bytes **out)
{
    struct stat info;
    leann_status status = make(ctx, path, out);
    leann_bytes *b = *out;
    if (status == LEANN_OK && ((b->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0 || fstat(b->fd, &info)))
        status = errno == ENOENT ? leann_fail(ctx, LEANN_ENOTFOUND, "no file %s", path) : leann_fail_errno(ctx, "cannot open %s", path);
    if (status == LEANN_OK && !S_ISREG(info.st_mode)) status = leann_fail(ctx, LEANN_EINVAL, "%s is not a file", path);
    if (status == LEANN_OK) {
        b->stored = (uint64_t)info.st_size;
        status = begin(b);
    }
    if (status != LEANN_OK) {
        leann_bytes_free(b);
        *out = NULL;
    }
    return status;
}

leann_status leann_bytes_memory(leann_ctx *ctx, const char *what, const void *data, size_t size, leann_bytes **out)
{
    leann_status status = make(ctx, what, out);
    if (status == LEANN_OK) {
        (*out)->memory = data;
        (*out)->stored = size;
        status = begin(*out);
    }
    if (status != LEANN_OK) {
        leann_bytes_free(*out);
        *out = NULL;
    }
    return status;
}

void leann_bytes_free(leann_bytes *b)
{
    if (!b) return;
    if (b->packed) inflateEnd(&b->z);
    if (b->map) munmap(b->map, (size_t)b->stored);
    if (b->fd >= 0) close(b->fd);
    leann_free(b->block);
    leann_free(b->what);
    leann_free(b);
}

const unsigned char *leann_bytes_map(leann_bytes *b)
{
    if (b->packed) leann_fail(b->ctx, LEANN_EUNSUPPORTED, "%s: in Fortran order and compressed; decompress it first", b->what);
    if (b->packed || b->fd < 0) return b->packed ? NULL : b->memory;
    if (!b->map && b->stored > 0) {
        void *map = mmap(NULL, (size_t)b->stored, PROT_READ, MAP_PRIVATE, b->fd, 0);
        if (map == MAP_FAILED)
            leann_fail_errno(b->ctx, "cannot map %s", b->what);
        else
            b->map = map;
    }
    return b->map;
}

leann_status leann_bytes_rewind(leann_bytes *b)
{
    b->at = 0;
    b->member = false;
    b->z.avail_in = 0;
    return LEANN_OK;
}

leann_status leann_bytes_read(leann_bytes *b, void *out, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        size_t got = 0, ask = bytes - done < (1u << 30) ? bytes - done : 1u << 30;
        leann_status status = b->packed ? inflate_some(b, (char *)out + done, ask, &got) : take(b, (char *)out + done, ask, &got);
        if (status != LEANN_OK) return status;
        if (!got) return leann_fail(b->ctx, LEANN_EFORMAT, "%s: truncated: ends at byte %llu", b->what, (unsigned long long)b->size);
        done += got;
    }
    return LEANN_OK;
}
