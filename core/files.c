/* files.c – files written so that a reader sees the old bytes or the new ones and never a part; whole files read within a limit.
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/container.h"
#include "core/files.h"

enum { TRIES = 100, FIRST_READ = 4096 };

/* ---- drafts ------------------------------------------------------------------------------------------------------------ */

leann_status leann_draft_open(leann_ctx *ctx, const char *path, leann_draft *out)
{
    static atomic_uint serial;
    *out = (leann_draft){.ctx = ctx, .fd = -1, .path = leann_format(ctx, "%s", path)};
    if (!out->path) return LEANN_ENOMEM;
    for (int i = 0; i < TRIES; i++) { /* the process and a serial number: a name that is taken is left by a process that died */
        leann_free(out->temporary);
        out->temporary = leann_format(ctx, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
        if (!out->temporary) break;
        out->fd = open(out->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (out->fd >= 0) return LEANN_OK;
        if (errno != EEXIST) break;
    }
    leann_status status = out->temporary ? leann_fail_errno(ctx, "cannot create %s", out->temporary) : LEANN_ENOMEM;
    leann_free(out->temporary); /* it is not ours to remove */
    out->temporary = NULL;
    leann_draft_drop(out);
    return status;
}

leann_status leann_draft_spool(leann_ctx *ctx, leann_draft *out)
{
    const char *folder = getenv("TMPDIR");
    char *path = leann_format(ctx, "%s/leann-spool", folder && *folder ? folder : "/var/tmp");
    leann_status status = path ? leann_draft_open(ctx, path, out) : LEANN_ENOMEM;
    leann_free(path);
    if (status != LEANN_OK) return status;
    if (unlink(out->temporary) != 0) {
        status = leann_fail_errno(ctx, "cannot unlink %s", out->temporary);
        leann_draft_drop(out);
        return status;
    }
    leann_free(out->temporary);
    out->temporary = NULL;
    return LEANN_OK;
}

leann_status leann_draft_write(leann_draft *draft, uint64_t offset, const void *data, size_t bytes)
{
    const char *from = data;
    while (bytes > 0) {
        if (offset > INT64_MAX - bytes)
            return leann_fail(draft->ctx, LEANN_EIO, "%s: offset %ju is too large", draft->path, (uintmax_t)offset);
        ssize_t n = pwrite(draft->fd, from, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return leann_fail_errno(draft->ctx, "cannot write %zu bytes at %ju of %s", bytes, (uintmax_t)offset, draft->path);
        from += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return LEANN_OK;
}

/* So that the new name survives a power cut. Some file systems cannot sync a folder and say EINVAL. */
static leann_status sync_folder(leann_ctx *ctx, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = leann_format(ctx, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    if (!folder) return LEANN_ENOMEM;
    leann_status status = LEANN_OK;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) status = leann_fail_errno(ctx, "cannot sync the folder %s", folder);
    if (fd >= 0) close(fd);
    leann_free(folder);
    return status;
}

leann_status leann_draft_commit(leann_draft *draft)
{
    if (fsync(draft->fd) != 0) return leann_fail_errno(draft->ctx, "cannot sync %s", draft->temporary);
    int bad = close(draft->fd);
    draft->fd = -1;
    if (bad) return leann_fail_errno(draft->ctx, "cannot close %s", draft->temporary);
    if (rename(draft->temporary, draft->path) != 0)
        return leann_fail_errno(draft->ctx, "cannot rename %s to %s", draft->temporary, draft->path);
    leann_free(draft->temporary);
    draft->temporary = NULL;
    return sync_folder(draft->ctx, draft->path);
}

void leann_draft_drop(leann_draft *draft)
{
    if (draft->fd >= 0) close(draft->fd);
    if (draft->temporary) unlink(draft->temporary);
    leann_free(draft->temporary);
    leann_free(draft->path);
    *draft = (leann_draft){.fd = -1};
}

/* ---- whole files ------------------------------------------------------------------------------------------------------------ */

leann_status leann_file_write(leann_ctx *ctx, const char *path, const void *data, size_t bytes)
{
    leann_draft draft;
    leann_status status = leann_draft_open(ctx, path, &draft);
    if (status == LEANN_OK) status = leann_draft_write(&draft, 0, data, bytes);
    if (status == LEANN_OK) status = leann_draft_commit(&draft);
    leann_draft_drop(&draft);
    return status;
}

leann_status leann_file_read(leann_ctx *ctx, const char *path, size_t limit, char **data, size_t *bytes)
{
    *data = NULL;
    *bytes = 0;
    leann_status status = LEANN_OK;
    char *text = NULL;
    size_t have = 0, room = FIRST_READ;
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        status = leann_fail_errno(ctx, "cannot open %s", path);
        goto done;
    }
    if (about.st_size > 0 && (uint64_t)about.st_size > limit) {
        status = leann_fail(ctx, LEANN_ELIMIT, "%s has %jd bytes; the limit is %zu", path, (intmax_t)about.st_size, limit);
        goto done;
    }
    if (S_ISREG(about.st_mode) && about.st_size > 0) room = (size_t)about.st_size + 1; /* one more: so that the end is seen */
    for (;;) {
        if (!text || have == room) { /* pipes and files that grow: double */
            size_t next = text ? 2 * room : room;
            char *more = leann_alloc(ctx, next, 1);
            if (!more) {
                status = LEANN_ENOMEM;
                goto done;
            }
            if (text) memcpy(more, text, have);
            leann_free(text);
            text = more;
            room = next;
        }
        ssize_t n = read(fd, text + have, room - have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = leann_fail_errno(ctx, "cannot read %s", path);
            goto done;
        }
        if (n == 0) break;
        have += (size_t)n;
        if (have > limit) {
            status = leann_fail(ctx, LEANN_ELIMIT, "%s has more than %zu bytes, the limit", path, limit);
            goto done;
        }
    }
    text[have] = '\0'; /* have < room: the loop ends only where a read found nothing to put into room to spare */
    *data = text;
    *bytes = have;
    text = NULL;
done:
    if (fd >= 0) close(fd);
    leann_free(text);
    return status;
}

leann_status leann_folder_make(leann_ctx *ctx, const char *path)
{
    char *part = leann_format(ctx, "%s", path);
    if (!part) return LEANN_ENOMEM;
    leann_status status = LEANN_OK;
    struct stat about;
    for (char *c = part; status == LEANN_OK;) {
        c += strspn(c, "/");
        c += strcspn(c, "/");
        char cut = *c;
        *c = '\0';
        if (mkdir(part, 0777) != 0) {
            int code = errno;
            bool there = stat(part, &about) == 0;
            errno = there ? ENOTDIR : code;
            if (!there || !S_ISDIR(about.st_mode)) status = leann_fail_errno(ctx, "cannot make the folder %s", part);
        }
        *c = cut;
        if (!cut) break;
    }
    leann_free(part);
    return status;
}

char *leann_cache_folder(leann_ctx *ctx)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && cache[0] == '/') return leann_format(ctx, "%s/leann", cache);
    return home && home[0] == '/' ? leann_format(ctx, "%s/.cache/leann", home) : NULL;
}

void leann_pages_forget(const void *at, size_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)at / page * page, end = (uintptr_t)at + bytes;
    madvise((void *)begin, end - begin, MADV_DONTNEED); /* neighbours in the first and last page just come back */
}

void leann_pages_give_back(const void *at, size_t bytes)
{
    uintptr_t begin = (uintptr_t)at, end = begin + bytes;
    char line[512], shared;
    unsigned long from, to;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) /* "from-to rwxs offset device inode path" */
        if (sscanf(line, "%lx-%lx %*c%*c%*c%c", &from, &to, &shared) == 3 && from <= begin && end <= to && shared == 's') {
            leann_pages_forget(at, bytes);
            break;
        }
    if (maps) fclose(maps);
}

/* ---- what comes with the program ----------------------------------------------------------------------------------------- */

bool leann_shipped_find(const char *name, char *path, size_t size)
{
    static const char *const inside[] = {"", "/share/leann"};
    char folder[4096];
    snprintf(path, size, "%s", name);
    if (access(path, R_OK) == 0) return true;
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[length > 0 ? length : 0] = '\0';
    for (char *slash; (slash = strrchr(folder, '/'));) {
        *slash = '\0';
        for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
            if (snprintf(path, size, "%s%s/%s", folder, inside[i], name) < (int)size && access(path, R_OK) == 0) return true;
    }
    snprintf(path, size, "%s", name);
    return false;
}

/* ---- packed ids -------------------------------------------------------------------------------------------------------------- */

unsigned leann_bits_for(uint32_t n)
{
    return n <= 2 ? 1 : 32 - (unsigned)__builtin_clz(n - 1);
}

uint64_t leann_packed_bytes(uint64_t count, unsigned bits)
{
    uint64_t total;
    if (__builtin_mul_overflow(count, bits, &total) || total > UINT64_MAX - 71) return UINT64_MAX; /* no file has so many */
    return (total + 7) / 8 + 8;
}

void leann_bits_pack(const uint32_t *ids, uint64_t count, unsigned bits, uint8_t *out)
{
    memset(out, 0, leann_packed_bytes(count, bits));
    for (uint64_t i = 0; i < count; i++) {
        assert(bits >= 32 || ids[i] >> bits == 0);
        uint64_t bit = i * bits, word;
        memcpy(&word, out + (bit >> 3), sizeof word);
        word |= (uint64_t)ids[i] << (bit & 7);
        memcpy(out + (bit >> 3), &word, sizeof word);
    }
}
