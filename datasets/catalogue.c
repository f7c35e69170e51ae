/* catalogue.c – the data sets known by name, and where data sets lie.
 *
 * SPDX-License-Identifier: MIT */
#include "core/container.h"
#include "datasets/catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const leann_catalogue_entry sets[] = {
#define SET(NAME, N, D, QUERIES, DISTANCE, WAY, BYTES, SHA, LICENCE, ABOUT)                                                                \
    {.name = NAME,                                                                                                                         \
     .n = N,                                                                                                                               \
     .d = D,                                                                                                                               \
     .queries = QUERIES,                                                                                                                   \
     .distance = DISTANCE,                                                                                                                 \
     .way = WAY,                                                                                                                           \
     .bytes = BYTES,                                                                                                                       \
     .sha256 = SHA,                                                                                                                        \
     .licence = LICENCE,                                                                                                                   \
     .about = ABOUT},
#include "datasets/catalogue.def"
#undef SET
};

size_t leann_catalogue_count(void)
{
    return sizeof sets / sizeof *sets;
}
const leann_catalogue_entry *leann_catalogue_at(size_t i)
{
    return sets + i;
}

const leann_catalogue_entry *leann_catalogue_find(const char *name)
{
    for (size_t i = 0; i < leann_catalogue_count(); i++)
        if (!strcmp(sets[i].name, name)) return sets + i;
    return NULL;
}

/* ---- folders --------------------------------------------------------------------------------------------------------------- */

/* The repository is known by the IDX files it carries. */
static bool is_repository(const char *folder, char out[1024])
{
    char probe[1200];
    snprintf(probe, sizeof probe, "%s/datasets/mnist/train-images-idx3-ubyte.gz", folder);
    if (access(probe, R_OK)) return false;
    return snprintf(out, 1024, "%s/datasets", folder) < 1024;
}

static bool upwards(char *folder, char out[1024])
{
    for (;;) {
        if (is_repository(folder, out)) return true;
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder) return false;
        *slash = 0;
    }
}

/* datasets/ of the repository around the working folder, or around the program. */
bool leann_dataset_repository(char out[1024])
{
    char folder[1024];
    if (getcwd(folder, sizeof folder) && upwards(folder, out)) return true;
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length <= 0) return false;
    folder[length] = 0;
    return upwards(folder, out);
}

static bool personal(char out[1024])
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && data[0] == '/') return snprintf(out, 1024, "%s/leann", data) < 1024;
    return home && home[0] == '/' && snprintf(out, 1024, "%s/.local/share/leann", home) < 1024;
}

/* Folder i of those searched, first the one data sets are made in. */
static bool folder_at(unsigned i, char out[1024])
{
    const char *chosen = getenv("LEANN_DATA");
    switch (i) {
    case 0:
        return chosen && chosen[0] && snprintf(out, 1024, "%s", chosen) < 1024;
    case 1:
        return leann_dataset_repository(out);
    case 2:
        return personal(out);
    default:
        return false;
    }
}
enum { FOLDERS = 3 };

leann_status leann_dataset_folder(leann_ctx *ctx, char path[1024])
{
    for (unsigned i = 0; i < FOLDERS; i++)
        if (folder_at(i, path)) return LEANN_OK;
    return leann_fail(ctx, LEANN_ENOTFOUND, "no folder for data sets: set LEANN_DATA to one");
}

static bool ends(const char *text, const char *tail)
{
    size_t a = strlen(text), b = strlen(tail);
    return a >= b && !strcmp(text + a - b, tail);
}

bool leann_dataset_is_path(const char *name_or_path)
{
    return strchr(name_or_path, '/') || ends(name_or_path, ".hdf5") || ends(name_or_path, ".h5");
}

static leann_status missing(leann_ctx *ctx, const char *name)
{
    char folder[1024];
    const char *names[64];
    const leann_catalogue_entry *e = leann_catalogue_find(name);
    leann_status status = leann_dataset_folder(ctx, folder);
    if (status != LEANN_OK) return status;
    if (e && e->way != LEANN_PUT_BY_USER)
        return leann_fail(ctx, LEANN_ENOTFOUND, "data set %s is not made yet: run `leann dataset fetch %s`", name, name);
    if (e)
        return leann_fail(ctx, LEANN_ENOTFOUND,
                          "data set %s is not here: put ANN-benchmarks' file %s.hdf5 into %s (`leann dataset fetch %s` "
                          "says more)",
                          name, name, folder, name);
    size_t n = 0;
    for (; n < leann_catalogue_count() && n < 64; n++) names[n] = sets[n].name;
    const char *nearest = leann_nearest_word(name, names, n);
    return leann_fail(ctx, LEANN_ENOTFOUND, "no data set or file %s (%s.hdf5 is not in %s)%s%s%s", name, name, folder,
                      nearest ? "; did you mean " : "", nearest ? nearest : "",
                      nearest ? "?" : "; `leann dataset list` names the known ones");
}

leann_status leann_dataset_find(leann_ctx *ctx, const char *name_or_path, char path[1024])
{
    char folder[1024];
    struct stat info;
    if (leann_dataset_is_path(name_or_path) || (stat(name_or_path, &info) == 0 && S_ISREG(info.st_mode))) {
        if (snprintf(path, 1024, "%s", name_or_path) >= 1024)
            return leann_fail(ctx, LEANN_EINVAL, "a path of %zu characters, at most 1023", strlen(name_or_path));
        if (access(path, F_OK) == 0) return LEANN_OK;
        return errno == ENOENT ? leann_fail(ctx, LEANN_ENOTFOUND, "no file %s", path) : leann_fail_errno(ctx, "cannot open %s", path);
    }
    if (!name_or_path[0]) return leann_fail(ctx, LEANN_EINVAL, "an empty name of a data set");
    for (unsigned i = 0; i < FOLDERS; i++)
        if (folder_at(i, folder) && snprintf(path, 1024, "%s/%s.hdf5", folder, name_or_path) < 1024 && access(path, F_OK) == 0)
            return LEANN_OK;
    return missing(ctx, name_or_path);
}
