/* measures_kept.c – which raw files of a results folder count: those of points that its sweep has, each point once.
 *
 * A raw file is named by the hash of all that its point is, point_seconds and the revisions of plug-ins among it: where one of those has
 * changed, the file from before lies beside the new one. Both would be rows of one configuration and seed, which nothing tells from two
 * seeds. So a point is known here by what the sweep asks for (data set, configuration, query, k, target, seed), not by how it is measured.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/measures_kept.h"
#include "eval/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    size_t file;
    char *key; /* NULL: not known */
    int64_t threads;
    char date[32]; /* of provenance, which sorts as text; seconds */
    struct timespec written;
} candidate;

typedef struct {
    char **key;
    size_t n;
} key_set;

static int by_key(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void clear(key_set *set)
{
    for (size_t i = 0; i < set->n; i++) leann_free(set->key[i]);
    leann_free(set->key);
    *set = (key_set){0};
}

/* The parts of an identity that say what is asked for, as canonical JSON, heap; NULL for an identity that is none of ours. */
static char *key_of(const char *dataset, const leann_value *identity)
{
    static const char *const parts[] = {"queries", "split", "config", "query", "k", "target_recall", "seed"};
    if (!leann_value_get(identity, "config")) return NULL;
    leann_value *key = leann_value_new_map();
    leann_value_set(key, "dataset", leann_value_new_text(dataset));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const leann_value *v = leann_value_get(identity, parts[i]);
        if (v) leann_value_set(key, parts[i], leann_value_copy(v));
    }
    char *text = leann_value_json(key, true, 0);
    leann_value_free(key);
    return text;
}

static leann_value *parsed(leann_ctx *quiet, const char *text)
{
    leann_value *v = NULL;
    leann_value_parse(quiet, "identity", text, strlen(text), &v);
    return v;
}

/* ---- what the sweep has ------------------------------------------------------------------------------------------------------ */

static leann_status add_points(leann_ctx *quiet, const leann_sweep *sweep, key_set *set)
{
    if (!(set->key = leann_alloc(quiet, (size_t)leann_sweep_points(sweep) + 1, sizeof *set->key))) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < sweep->cells; i++)
        for (uint32_t j = 0; j < sweep->cell[i].points; j++) {
            leann_value *identity = parsed(quiet, sweep->cell[i].point[j].identity);
            char *key = identity ? key_of(sweep->info[sweep->cell[i].data].name, identity) : NULL;
            leann_value_free(identity);
            if (!key) return LEANN_ENOMEM;
            set->key[set->n++] = key;
        }
    qsort(set->key, set->n, sizeof *set->key, by_key);
    return LEANN_OK;
}

/* The points of folder/sweep.json; none where it is not there or does not expand: then nothing is known of what is not its own. */
static void expand(leann_ctx *quiet, const char *folder, key_set *set)
{
    leann_sweep *sweep = NULL;
    leann_dataset_info *info = NULL;
    char *path = leann_format(quiet, "%s/sweep.json", folder);
    leann_status s = path ? leann_sweep_load(quiet, path, &sweep) : LEANN_ENOMEM;
    if (!s && !(info = leann_alloc(quiet, sweep->datas, sizeof *info))) s = LEANN_ENOMEM;
    for (uint32_t i = 0; !s && i < sweep->datas; i++) s = leann_dataset_peek(quiet, sweep->place[i], &info[i]);
    if (!s) s = leann_sweep_expand(quiet, sweep, info);
    for (uint32_t i = 0; !s && i < sweep->datas; i++) s = leann_sweep_identify(quiet, sweep, i, ""); /* no part of the key needs the sum */
    if (!s) s = add_points(quiet, sweep, set);
    if (s) clear(set);
    leann_free(info);
    leann_sweep_free(sweep);
    leann_free(path);
}

/* ---- what the folder has ------------------------------------------------------------------------------------------------------ */

static void look_at(leann_ctx *quiet, const char *folder, const char *name, candidate *c)
{
    leann_result raw;
    struct stat info;
    char *path = leann_format(quiet, "%s/raw/%s", folder, name);
    if (path && !stat(path, &info)) c->written = info.st_mtim;
    if (path && !leann_result_peek(quiet, path, &raw)) {
        leann_value *identity = parsed(quiet, raw.identity);
        c->key = identity ? key_of(raw.dataset, identity) : NULL;
        c->threads = leann_value_int(leann_value_get(identity, "threads"), 0);
        snprintf(c->date, sizeof c->date, "%s", leann_value_text(leann_value_get(raw.provenance, "date"), ""));
        leann_value_free(identity);
        leann_result_clear(&raw);
    }
    leann_ctx_clear(quiet);
    leann_free(path);
}

/* One point's together, the newest first. Builds by another number of threads are another point: their seconds differ. */
static int newest_first(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (!x->key || !y->key) return !x->key - !y->key;
    int order = strcmp(x->key, y->key);
    if (!order) order = (x->threads > y->threads) - (x->threads < y->threads);
    if (!order) order = strcmp(y->date, x->date);
    if (!order) order = (x->written.tv_sec < y->written.tv_sec) - (x->written.tv_sec > y->written.tv_sec);
    return order ? order : (x->written.tv_nsec < y->written.tv_nsec) - (x->written.tv_nsec > y->written.tv_nsec);
}

static void drop(char **name, size_t *count)
{
    free(*name);
    *name = NULL;
    ++*count;
}

static void choose(candidate *all, const key_set *set, char **names, size_t n, leann_left_files *out)
{
    qsort(all, n, sizeof *all, newest_first);
    for (size_t i = 0; i < n && all[i].key; i++) {
        bool again = i && !strcmp(all[i].key, all[i - 1].key) && all[i].threads == all[i - 1].threads;
        if (set->n && !bsearch(&all[i].key, set->key, set->n, sizeof *set->key, by_key))
            drop(&names[all[i].file], &out->gone);
        else if (again)
            drop(&names[all[i].file], &out->older);
    }
}

leann_status leann_measures_keep(leann_ctx *ctx, const char *folder, char **names, size_t *n, leann_left_files *out)
{
    key_set set = {0};
    leann_ctx *quiet = leann_ctx_new(1, 1);
    candidate *all = leann_alloc(ctx, *n + 1, sizeof *all);
    leann_status s = quiet && all ? LEANN_OK : leann_fail(ctx, LEANN_ENOMEM, "out of memory");
    if (s) goto done;
    expand(quiet, folder, &set);
    for (size_t i = 0; i < *n; i++) {
        all[i].file = i;
        look_at(quiet, folder, names[i], &all[i]);
    }
    choose(all, &set, names, *n, out);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (names[i]) names[kept++] = names[i];
    for (size_t i = 0; i < *n; i++) leann_free(all[i].key);
    *n = kept;
done:
    clear(&set);
    leann_free(all);
    leann_ctx_free(quiet);
    return s;
}
