/* text_partial.c – vectors kept beside a set while it is made: appended as they come, found again by the hash of their text.
 *
 * Layout: a header of 128 bytes – magic "LEANNPRT", u32 version, u32 d, the encoder's identity (64 hex digits), zeros, u32 CRC32C – and
 * records of sha256 (32 bytes), d floats and the CRC32C of both. A process that is killed leaves a torn record at most, which the next one
 * cuts off. Order means nothing: where some of the files have changed meanwhile, the vectors of all other texts still serve.
 *
 * SPDX-License-Identifier: MIT */
#include "core/container.h"
#include "datasets/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 128, VERSION = 1, IDENTITY_AT = 16, CRC_AT = HEADER - 4, SHA = 32 };

struct leann_partial {
    leann_ctx *ctx;
    char *path;
    int fd; /* -1: there is none, and none is made */
    uint32_t d;
    size_t record; /* bytes of one */
    uint64_t records;
    uint8_t (*sha)[SHA]; /* (records) */
    uint64_t room;
    uint64_t *slot; /* open addressing: record + 1, 0 free */
    uint64_t slots; /* a power of two, above twice the records */
};

/* ---- the table ----------------------------------------------------------------------------------------------------------- */

static uint64_t first_slot(const leann_partial *p, const uint8_t sha[SHA])
{
    uint64_t h;
    memcpy(&h, sha, sizeof h);
    return h & (p->slots - 1);
}

uint64_t leann_partial_find(const leann_partial *p, const uint8_t sha[SHA])
{
    if (p->records == 0) return LEANN_PARTIAL_NONE;
    for (uint64_t at = first_slot(p, sha); p->slot[at]; at = (at + 1) & (p->slots - 1))
        if (memcmp(p->sha[p->slot[at] - 1], sha, SHA) == 0) return p->slot[at] - 1;
    return LEANN_PARTIAL_NONE;
}

uint64_t leann_partial_count(const leann_partial *p)
{
    return p->records;
}

static void enter(leann_partial *p, uint64_t record)
{
    uint64_t at = first_slot(p, p->sha[record]);
    while (p->slot[at]) at = (at + 1) & (p->slots - 1);
    p->slot[at] = record + 1;
}

static leann_status grow(leann_partial *p)
{
    if (p->records < p->room) return LEANN_OK;
    uint64_t room = p->room ? 2 * p->room : 1024;
    void *sha = leann_alloc(p->ctx, room, SHA);
    uint64_t *slot = leann_alloc(p->ctx, 4 * room, sizeof *slot);
    if (!sha || !slot) {
        leann_free(sha);
        leann_free(slot);
        return LEANN_ENOMEM;
    }
    if (p->records) memcpy(sha, p->sha, p->records * SHA);
    leann_free(p->sha);
    leann_free(p->slot);
    p->sha = sha;
    p->slot = slot;
    p->room = room;
    p->slots = 4 * room;
    for (uint64_t i = 0; i < p->records; i++) enter(p, i);
    return LEANN_OK;
}

/* ---- the file ------------------------------------------------------------------------------------------------------------ */

static void put_crc(uint8_t *at, const uint8_t *from, size_t bytes)
{
    uint32_t crc = leann_crc32c(0, from, bytes);
    memcpy(at, &crc, sizeof crc);
}

static bool has_crc(const uint8_t *at, const uint8_t *from, size_t bytes)
{
    uint32_t crc = leann_crc32c(0, from, bytes);
    return memcmp(at, &crc, sizeof crc) == 0;
}

static leann_status write_at(leann_partial *p, uint64_t at, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t now = pwrite(p->fd, data, bytes, (off_t)at);
        if (now < 0 && errno == EINTR) continue;
        if (now <= 0) return leann_fail_errno(p->ctx, "cannot write %s", p->path);
        data += now;
        at += (uint64_t)now;
        bytes -= (size_t)now;
    }
    return LEANN_OK;
}

static bool read_at(const leann_partial *p, uint64_t at, uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t now = pread(p->fd, data, bytes, (off_t)at);
        if (now < 0 && errno == EINTR) continue;
        if (now <= 0) return false;
        data += now;
        at += (uint64_t)now;
        bytes -= (size_t)now;
    }
    return true;
}

static void make_header(const leann_partial *p, const char *identity, uint8_t header[HEADER])
{
    uint32_t version = VERSION;
    memset(header, 0, HEADER);
    memcpy(header, "LEANNPRT", 8);
    memcpy(header + 8, &version, 4);
    memcpy(header + 12, &p->d, 4);
    memcpy(header + IDENTITY_AT, identity, strnlen(identity, 64));
    put_crc(header + CRC_AT, header, CRC_AT);
}

static leann_status check_header(leann_partial *p, const uint8_t have[HEADER], const uint8_t want[HEADER])
{
    if (memcmp(have, want, HEADER) == 0) return LEANN_OK;
    if (memcmp(have, want, 12) != 0 || !has_crc(have + CRC_AT, have, CRC_AT))
        return leann_fail(p->ctx, LEANN_EFORMAT, "%s is damaged, or nothing that an interrupted run left; remove it", p->path);
    return leann_fail(p->ctx, LEANN_EINVAL,
                      "%s holds vectors of another encoder (%.12s…, this one is %.12s…); go on with that one, or remove the file", p->path,
                      (const char *)have + IDENTITY_AT, (const char *)want + IDENTITY_AT);
}

/* Takes in the whole records; *end: behind the last of them. */
static leann_status read_records(leann_partial *p, uint64_t bytes, uint64_t *end)
{
    leann_status status = LEANN_OK;
    uint8_t *record = leann_alloc(p->ctx, p->record, 1);
    if (!record) return LEANN_ENOMEM;
    for (*end = HEADER; bytes - *end >= p->record; *end += p->record) {
        if (!read_at(p, *end, record, p->record) || !has_crc(record + p->record - 4, record, p->record - 4)) break;
        if ((status = grow(p)) != LEANN_OK) break;
        memcpy(p->sha[p->records], record, SHA);
        enter(p, p->records++);
    }
    leann_free(record);
    return status;
}

static leann_status open_file(leann_partial *p, const char *identity, bool look)
{
    uint8_t want[HEADER], have[HEADER];
    struct stat about;
    p->fd = open(p->path, look ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (p->fd < 0 && look && errno == ENOENT) return LEANN_OK;
    if (p->fd < 0 || fstat(p->fd, &about) != 0) return leann_fail_errno(p->ctx, "cannot open %s", p->path);
    if (!S_ISREG(about.st_mode)) return leann_fail(p->ctx, LEANN_EINVAL, "%s is not a file", p->path);
    if (flock(p->fd, LOCK_NB | (look ? LOCK_SH : LOCK_EX)) != 0)
        return leann_fail(p->ctx, LEANN_EINVAL, "%s is in use: another process makes the same set", p->path);
    make_header(p, identity, want);
    if (about.st_size < HEADER) { /* new, or killed at once */
        if (look) return LEANN_OK;
        if (ftruncate(p->fd, 0) != 0) return leann_fail_errno(p->ctx, "cannot write %s", p->path);
        return write_at(p, 0, want, HEADER);
    }
    if (!read_at(p, 0, have, HEADER)) return leann_fail_errno(p->ctx, "cannot read %s", p->path);
    uint64_t end;
    leann_status status = check_header(p, have, want);
    if (status == LEANN_OK) status = read_records(p, (uint64_t)about.st_size, &end);
    if (status == LEANN_OK && !look && end < (uint64_t)about.st_size && ftruncate(p->fd, (off_t)end) != 0)
        status = leann_fail_errno(p->ctx, "cannot write %s", p->path);
    return status;
}

leann_status leann_partial_open(leann_ctx *ctx, const char *path, const char *identity, uint32_t d, bool look, leann_partial **out)
{
    *out = NULL;
    leann_partial *p = leann_alloc(ctx, 1, sizeof *p);
    if (!p) return LEANN_ENOMEM;
    *p = (leann_partial){.ctx = ctx, .fd = -1, .d = d, .record = SHA + d * sizeof(float) + 4};
    p->path = leann_format(ctx, "%s", path);
    leann_status status = p->path ? open_file(p, identity, look) : LEANN_ENOMEM;
    if (status == LEANN_OK)
        *out = p;
    else
        leann_partial_free(p);
    return status;
}

leann_status leann_partial_add(leann_partial *p, const uint8_t (*sha)[SHA], uint32_t n, const float *x)
{
    uint8_t *records = leann_alloc(p->ctx, n, p->record);
    if (!records) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *r = records + i * p->record;
        memcpy(r, sha[i], SHA);
        memcpy(r + SHA, x + (size_t)i * p->d, p->d * sizeof *x);
        put_crc(r + p->record - 4, r, p->record - 4);
    }
    leann_status status = write_at(p, HEADER + p->records * p->record, records, n * p->record);
    for (uint32_t i = 0; status == LEANN_OK && i < n; i++) {
        if ((status = grow(p)) != LEANN_OK) break;
        memcpy(p->sha[p->records], sha[i], SHA);
        enter(p, p->records++);
    }
    leann_free(records);
    return status;
}

leann_status leann_partial_read(const leann_partial *p, uint64_t record, float *x)
{
    if (read_at(p, HEADER + record * p->record + SHA, (uint8_t *)x, p->d * sizeof *x)) return LEANN_OK;
    return leann_fail(p->ctx, LEANN_EIO, "cannot read vector %ju of %s", (uintmax_t)record, p->path);
}

leann_status leann_partial_remove(leann_partial *p)
{
    if (p->fd >= 0 && unlink(p->path) != 0) return leann_fail_errno(p->ctx, "cannot remove %s", p->path);
    return LEANN_OK;
}

void leann_partial_free(leann_partial *p)
{
    if (!p) return;
    if (p->fd >= 0) close(p->fd);
    leann_free(p->sha);
    leann_free(p->slot);
    leann_free(p->path);
    leann_free(p);
}
