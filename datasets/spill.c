/* spill.c – rows go to a file from 64 MiB on, because pages of a file can be given back while a graph is built over their codes; where there
 * is no room for it, to memory all the same, up to half of what the process may have. A file costs its bytes on disk while it is open.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#include "datasets/spill.h"
#include "core/container.h"
#include "core/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILE_FROM = 64 << 20 };

/* ---- how much ------------------------------------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t process_limit(__rlimit_resource_t what)
{
    struct rlimit limit;
    return getrlimit(what, &limit) || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}

/* Of a container: version 2, then version 1; "max", or no such file, is no limit. */
static uint64_t group_limit(void)
{
    static const char *const paths[] = {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    unsigned long long bytes = UINT64_MAX;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        FILE *f = fopen(paths[i], "r");
        if (!f) continue;
        if (fscanf(f, "%llu", &bytes) != 1) bytes = UINT64_MAX;
        fclose(f);
    }
    return bytes;
}

uint64_t leann_machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : (uint64_t)4 << 30;
}

/* More than this is not asked of the heap. */
static uint64_t half_of_memory(void)
{
    return least(least(leann_machine_memory(), group_limit()), least(process_limit(RLIMIT_DATA), process_limit(RLIMIT_AS))) / 2;
}

uint64_t leann_spill_from(void)
{
    return least(FILE_FROM, half_of_memory());
}

/* ---- where ---------------------------------------------------------------------------------------------------------------- */

char *leann_spill_folder(leann_ctx *ctx)
{
    const char *chosen = getenv("TMPDIR");
    if (chosen && *chosen) return leann_format(ctx, "%s", chosen);
    char *folder = leann_cache_folder(ctx);
    if (!folder) return leann_ctx_status(ctx) ? NULL : leann_format(ctx, "/var/tmp");
    if (leann_folder_make(ctx, folder) == LEANN_OK) return folder;
    leann_free(folder);
    return NULL;
}

int leann_spill_file(leann_ctx *ctx, const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    char *name = leann_format(ctx, "%s/leann-rows-XXXXXX", folder); /* file systems that know no nameless files */
    if (!name) return -1;
    if ((fd = mkostemp(name, O_CLOEXEC)) < 0)
        leann_fail_errno(ctx, "cannot make a temporary file in %s", folder);
    else
        unlink(name);
    leann_free(name);
    return fd;
}

/* ---- room ----------------------------------------------------------------------------------------------------------------- */

static leann_status map_file(leann_ctx *ctx, const char *what, uint64_t bytes, const char *folder, leann_spill *out)
{
    int fd = leann_spill_file(ctx, folder), full;
    if (fd < 0) return leann_ctx_status(ctx);
    while ((full = posix_fallocate(fd, 0, (off_t)bytes)) == EINTR) continue;
    void *at = full ? MAP_FAILED : mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (full) errno = full;
    if (at == MAP_FAILED)
        leann_fail_errno(ctx, "%s: no room for %llu MB of rows in %s (TMPDIR names another folder)", what,
                         (unsigned long long)(bytes + 999999) / 1000000, folder);
    close(fd);
    if (at == MAP_FAILED) return leann_ctx_status(ctx);
    *out = (leann_spill){at, bytes};
    return LEANN_OK;
}

leann_status leann_spill_new(leann_ctx *ctx, const char *what, uint64_t bytes, uint64_t from, leann_spill *out)
{
    *out = (leann_spill){0};
    if (bytes >= from && bytes <= INT64_MAX) {
        char *folder = leann_spill_folder(ctx);
        leann_status status = folder ? map_file(ctx, what, bytes, folder, out) : leann_ctx_status(ctx);
        leann_free(folder);
        if (status == LEANN_OK || bytes >= half_of_memory()) return status;
        leann_ctx_clear(ctx);
    }
    return (out->rows = leann_alloc(ctx, bytes, 1)) ? LEANN_OK : LEANN_ENOMEM;
}

void leann_spill_free(leann_spill *spill)
{
    if (spill->mapped)
        munmap(spill->rows, (size_t)spill->mapped);
    else
        leann_free(spill->rows);
    *spill = (leann_spill){0};
}
