/* stages.c – parts of a build kept in a cache folder, so that cells of a sweep share them: one container file a stage, named by the
 * sha256 of all that its bytes depend on.
 *
 * File <folder>/<hash>.stage: the section "stage" (canonical JSON: key, seconds that making it took, facts that making it stated, program
 * and date of making it), then what the stage's own save writes. The key holds the stage's name and parameters, the data's sha256, the
 * seed, the instruction set, the BLAS kernel and the number of threads: instructions and BLAS decide the last bits of
 * sums, threads the seconds. Written atomically, so that two workers may make the same stage at once.
 * A file's modification time is when it was used last: trimming deletes the oldest.
 *
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/plugin.h"
#include "core/product.h"
#include "core/simd/kernels.h"

enum { STAGE_FORMAT = 1, STALE_SECONDS = 3600 };

struct leann_stages {
    char *folder; /* NULL: nothing is cached */
    char *sha;
    const char *program; /* NULL: any */
    int64_t since_ns;
    leann_value *report;
};

leann_status leann_stages_new(leann_ctx *ctx, const char *folder, const char *data_sha, leann_stages **out)
{
    *out = NULL;
    leann_stages *stages = leann_alloc(ctx, 1, sizeof *stages);
    if (!stages) return LEANN_ENOMEM;
    leann_status status = LEANN_OK;
    stages->report = leann_value_new_list();
    stages->sha = leann_format(ctx, "%s", data_sha ? data_sha : "");
    if (!stages->sha) status = LEANN_ENOMEM;
    if (!status && folder && *stages->sha) { /* data that have no name cannot be told apart: nothing of theirs is kept */
        status = leann_folder_make(ctx, folder);
        if (!status && !(stages->folder = leann_format(ctx, "%s", folder))) status = LEANN_ENOMEM;
    }
    if (status)
        leann_stages_free(stages);
    else
        *out = stages;
    return status;
}

void leann_stages_free(leann_stages *stages)
{
    if (!stages) return;
    leann_free(stages->folder);
    leann_free(stages->sha);
    leann_value_free(stages->report);
    leann_free(stages);
}

void leann_stages_accept(leann_stages *stages, const char *program, int64_t since_ns)
{
    stages->program = program;
    stages->since_ns = since_ns;
}

leann_value *leann_stages_report(const leann_stages *stages)
{
    return leann_value_copy(stages->report);
}

/* ---- what a stage is named by ----------------------------------------------------------------------------------------------- */

/* The whole key; takes over the stage's own. */
static leann_value *full_key(const leann_stages *stages, leann_ctx *ctx, const char *name, leann_value *own)
{
    leann_value *key = leann_value_new_map();
    leann_value_set(key, "format", leann_value_new_int(STAGE_FORMAT));
    leann_value_set(key, "stage", leann_value_new_text(name));
    leann_value_set(key, "key", own);
    leann_value_set(key, "data", leann_value_new_text(stages->sha));
    leann_value_set(key, "seed", leann_value_new_int((int64_t)leann_ctx_seed(ctx)));
    leann_value_set(key, "isa", leann_value_new_text(leann_kernels_get()->name));
    leann_value_set(key, "blas", leann_value_new_text(leann_blas_name()));
    leann_value_set(key, "threads", leann_value_new_int(leann_ctx_threads(ctx)));
    return key;
}

static char *path_of(const leann_stages *stages, leann_ctx *ctx, const leann_value *key)
{
    char hex[65], *text = leann_value_json(key, true, 0);
    leann_sha *sha = text ? leann_sha_new() : NULL;
    char *path = NULL;
    if (sha) {
        leann_sha_add(sha, text, strlen(text));
        leann_sha_end(sha, hex);
        path = leann_format(ctx, "%s/%s.stage", stages->folder, hex);
    } else
        leann_fail(ctx, LEANN_ENOMEM, "no memory to name a stage");
    leann_free(text);
    return path;
}

/* ---- facts -------------------------------------------------------------------------------------------------------------------- */

static leann_value *facts_now(const leann_ctx *ctx)
{
    leann_value *facts = leann_value_new_map();
    for (size_t i = 0; i < leann_ctx_facts(ctx); i++) {
        double value;
        const char *name = leann_ctx_fact_at(ctx, i, &value);
        leann_value_set(facts, name, leann_value_new_real(value));
    }
    return facts;
}

static void state_facts(leann_ctx *ctx, const leann_value *facts)
{
    for (size_t i = 0; i < leann_value_count(facts); i++) {
        const char *name = NULL;
        const leann_value *value = leann_value_entry(facts, i, &name);
        if (value && leann_value_type(value) != LEANN_V_NULL) leann_ctx_fact(ctx, name, leann_value_real(value, 0));
    }
}

/* ---- the cache ------------------------------------------------------------------------------------------------------------------ */

/* Compared as written: numbers in a file have 15 digits. */
static bool same_text(const leann_value *a, const leann_value *b)
{
    char *x = leann_value_json(a, true, 0), *y = leann_value_json(b, true, 0);
    bool same = x && y && strcmp(x, y) == 0;
    leann_free(x);
    leann_free(y);
    return same;
}

static bool accepted(const leann_stages *stages, const leann_value *head)
{
    if (stages->program && strcmp(leann_value_text(leann_value_get(head, "program"), ""), stages->program) != 0) return false;
    return leann_value_int(leann_value_get(head, "made_ns"), 0) >= stages->since_ns;
}

/* The object of a cached file and its head {key, seconds, facts, program, made_ns}; false when there is none, it will not do or it is
 * damaged. Works on a context of its own: a damaged cache is no failure of the build. */
static bool open_cached(const leann_stages *stages, const leann_stage *stage, leann_ctx *ctx, const char *path, const leann_value *key,
                        void *arg, void **object, leann_value **head)
{
    leann_reader *r = NULL;
    leann_ctx *quiet = leann_ctx_new(leann_ctx_seed(ctx), 1);
    bool opened = false;
    if (!quiet || leann_reader_open(quiet, path, &r)) goto done;
    const leann_section *section = leann_reader_find(r, "stage");
    if (!section || leann_value_parse(quiet, path, section->data, section->bytes, head)) goto done;
    if (!same_text(leann_value_get(*head, "key"), key) || !accepted(stages, *head)) goto done;
    opened = stage->open(quiet, r, arg, object) == LEANN_OK;
done:
    if (opened)
        utimensat(AT_FDCWD, path, NULL, 0); /* used now */
    else {
        leann_value_free(*head);
        *head = NULL;
        *object = NULL;
    }
    leann_reader_free(r);
    leann_ctx_free(quiet);
    return opened;
}

/* Keeps the object under path; a full disk or a read-only folder costs the next build its time, not this one its result. Returns the
 * sentence of what went wrong, heap, or NULL. */
static char *keep(const leann_stage *stage, leann_ctx *ctx, const char *path, const leann_value *head, const void *object)
{
    leann_writer *w = NULL;
    char *sentence = NULL, *text = leann_value_json(head, true, 0);
    leann_ctx *quiet = leann_ctx_new(leann_ctx_seed(ctx), 1);
    leann_status status = quiet && text ? leann_writer_new(quiet, path, &w) : LEANN_ENOMEM;
    if (!status) status = leann_writer_add(w, "stage", LEANN_PART_META, LEANN_BYTES, strlen(text), 1, text);
    if (!status) status = stage->save(object, w);
    if (!status) status = leann_writer_commit(w);
    if (status) sentence = leann_format(ctx, "%s", quiet ? leann_ctx_error(quiet) : "memory ran out");
    leann_writer_free(w);
    leann_ctx_free(quiet);
    leann_free(text);
    return sentence;
}

static leann_status make_measured(const leann_stage *stage, leann_ctx *ctx, void *arg, void **object, leann_value *head)
{
    leann_value *before = facts_now(ctx);
    leann_ctx_facts_clear(ctx); /* so that what make states can be told from what was stated before */
    uint64_t start = leann_now_ns();
    leann_status status = stage->make(ctx, arg, object);
    double seconds = (double)(leann_now_ns() - start) * 1e-9;
    leann_value *stated = facts_now(ctx);
    leann_ctx_facts_clear(ctx);
    state_facts(ctx, before);
    state_facts(ctx, stated);
    leann_value_set(head, "seconds", leann_value_new_real(seconds));
    leann_value_set(head, "facts", stated);
    leann_value_free(before);
    return status;
}

static void report(leann_stages *stages, const char *name, const leann_value *head, bool cached, const char *not_kept)
{
    leann_value *entry = leann_value_new_map();
    leann_value_set(entry, "name", leann_value_new_text(name));
    leann_value_set(entry, "seconds", leann_value_copy(leann_value_get(head, "seconds")));
    leann_value_set(entry, "cached", leann_value_new_bool(cached));
    leann_value_set(entry, "facts", leann_value_copy(leann_value_get(head, "facts")));
    if (not_kept) leann_value_set(entry, "not_kept", leann_value_new_text(not_kept));
    leann_value_append(stages->report, entry);
}

leann_status leann_stages_run(leann_stages *stages, leann_ctx *ctx, leann_stage stage, void *arg, void **object)
{
    *object = NULL;
    if (!stages) {
        leann_value_free(stage.key);
        return stage.make(ctx, arg, object);
    }
    leann_value *head = NULL, *key = full_key(stages, ctx, stage.name, stage.key);
    char *path = stages->folder ? path_of(stages, ctx, key) : NULL, *not_kept = NULL;
    leann_status status = stages->folder && !path ? LEANN_ENOMEM : LEANN_OK;
    if (status) goto done;
    bool cached = path && open_cached(stages, &stage, ctx, path, key, arg, object, &head);
    if (cached)
        state_facts(ctx, leann_value_get(head, "facts"));
    else {
        head = leann_value_new_map();
        leann_value_set(head, "program", leann_value_new_text(stages->program ? stages->program : ""));
        leann_value_set(head, "made_ns", leann_value_new_int(leann_date_ns()));
        status = make_measured(&stage, ctx, arg, object, head);
        if (!status && path) {
            leann_value_set(head, "key", leann_value_keep(key));
            not_kept = keep(&stage, ctx, path, head, *object);
        }
    }
    if (!status) report(stages, stage.name, head, cached, not_kept);
done:
    leann_free(not_kept);
    leann_free(path);
    leann_value_free(head);
    leann_value_free(key);
    return status;
}

/* ---- trimming ------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *path;
    uint64_t bytes;
    struct timespec used;
} kept;

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length > tail && strcmp(name + length - tail, end) == 0;
}

static int older_first(const void *a, const void *b)
{
    const struct timespec *x = &((const kept *)a)->used, *y = &((const kept *)b)->used;
    if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

typedef struct {
    kept *file;
    size_t n, room;
    uint64_t bytes;
} listing;

static leann_status add_file(leann_ctx *ctx, listing *list, const char *folder, const char *name)
{
    struct stat about;
    bool temporary = strstr(name, ".stage.tmp-") || strstr(name, ".leann.tmp-");
    if (!temporary && !ends_with(name, ".stage") && !ends_with(name, ".leann")) return LEANN_OK;
    char *path = leann_format(ctx, "%s/%s", folder, name);
    if (!path) return LEANN_ENOMEM;
    if (lstat(path, &about) || !S_ISREG(about.st_mode)) goto skip; /* gone by now, or none of ours */
    if (temporary) {
        if (about.st_mtim.tv_sec + STALE_SECONDS < time(NULL)) unlink(path);
        goto skip;
    }
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        kept *more = realloc(list->file, room * sizeof *more);
        if (!more) {
            leann_free(path);
            return leann_fail(ctx, LEANN_ENOMEM, "no memory for the names of %zu cached files", room);
        }
        list->file = more;
        list->room = room;
    }
    list->file[list->n++] = (kept){path, (uint64_t)about.st_size, about.st_mtim};
    list->bytes += (uint64_t)about.st_size;
    return LEANN_OK;
skip:
    leann_free(path);
    return LEANN_OK;
}

leann_status leann_stages_trim(leann_ctx *ctx, const char *folder, uint64_t max_bytes)
{
    listing list = {0};
    leann_status status = LEANN_OK;
    DIR *open = opendir(folder);
    if (!open) return errno == ENOENT ? LEANN_OK : leann_fail_errno(ctx, "cannot read the folder %s", folder);
    for (struct dirent *entry; !status && (entry = readdir(open));) status = add_file(ctx, &list, folder, entry->d_name);
    closedir(open);
    if (!status && list.n) qsort(list.file, list.n, sizeof *list.file, older_first);
    for (size_t i = 0; i < list.n && !status && list.bytes > max_bytes; i++) {
        if (unlink(list.file[i].path) && errno != ENOENT) status = leann_fail_errno(ctx, "cannot delete %s", list.file[i].path);
        list.bytes -= list.file[i].bytes;
    }
    for (size_t i = 0; i < list.n; i++) leann_free(list.file[i].path);
    free(list.file);
    return status;
}
