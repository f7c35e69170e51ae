/* dataset.c – a data set ready for use: checked, finite, unit where angular, with its checksums.
 *
 * Memory: stored rows are mapped (raw.c); angular rows are copied as floats and made unit, many of them in a file without a name (spill.c).
 * Checksums of large files are kept in $XDG_CACHE_HOME/leann/sums under device, inode, size and time of change, and with them the
 * fact that every row was found finite: the second opening of a file reads none of its rows.
 *
 * SPDX-License-Identifier: MIT */
#include "core/container.h"
#include "core/files.h"
#include "core/product.h"
#include "datasets/raw.h"
#include "datasets/spill.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUMS_KEPT_FROM = 16 << 20 }; /* below, hashing is faster than another file */

typedef struct labels {
    struct labels *next;
    char *name;
    uint32_t *label, count;
} labels;

typedef struct {
    leann_dataset data;
    leann_raw raw;
    leann_dataset_sums sums;
    leann_spill train, test; /* copies; empty where the stored rows are used */
    labels *labels;
    leann_passages *passages; /* NULL until they are asked for */
    pthread_mutex_t lock;
} owned;

/* ---- checksums ---------------------------------------------------------------------------------------------------------- */

static void sum_rows(leann_rows rows, const char *what, char hex[65])
{
    char head[128];
    leann_sha *sha = rows.n ? leann_sha_new() : NULL;
    hex[0] = 0;
    if (!sha) return;
    snprintf(head, sizeof head, "%s %u %u %s %s\n", what, rows.n, rows.d, leann_dtype_word(rows.type), leann_space_word(rows.space));
    leann_sha_add(sha, head, strlen(head));
    leann_sha_add(sha, rows.base, (size_t)rows.n * rows.stride);
    leann_sha_end(sha, hex);
}

static void sum_all(const leann_raw *raw, leann_dataset_sums *sums)
{
    leann_rows ids = {.base = raw->neighbors,
                      .stride = raw->gt_k * sizeof(uint32_t),
                      .n = raw->neighbors ? raw->test.n : 0,
                      .d = raw->gt_k,
                      .type = LEANN_U32,
                      .space = raw->space};
    sum_rows(raw->train, "train", sums->train);
    sum_rows(raw->test, "test", sums->test);
    sum_rows(ids, "neighbors", sums->neighbors);
}

/* Heap text, or NULL when there is no place to keep sums. */
static char *sums_path(leann_ctx *ctx, const leann_raw *raw, bool make)
{
    char *cache = leann_cache_folder(ctx), *folder = cache ? leann_format(ctx, "%s/sums", cache) : NULL, *path = NULL;
    leann_free(cache);
    if (folder && (!make || leann_folder_make(ctx, folder) == LEANN_OK))
        path = leann_format(ctx, "%s/%llx-%llx-%llx-%llx-%lx", folder, (unsigned long long)raw->info.st_dev,
                            (unsigned long long)raw->info.st_ino, (unsigned long long)raw->info.st_size,
                            (unsigned long long)raw->info.st_mtim.tv_sec, (unsigned long)raw->info.st_mtim.tv_nsec);
    leann_free(folder);
    return path;
}

static bool hex_word(const char *at, char out[65])
{
    if (at[0] == '-') return out[0] = 0, true;
    if (strspn(at, "0123456789abcdef") != 64) return false;
    memcpy(out, at, 64);
    out[64] = 0;
    return true;
}

/* A cache that cannot be read or written is no failure: hence a context of its own. */
static bool sums_kept(const leann_raw *raw, leann_dataset_sums *sums)
{
    char *path = NULL, *text = NULL;
    size_t bytes = 0;
    bool kept = false;
    leann_ctx *ctx = raw->info.st_size >= SUMS_KEPT_FROM ? leann_ctx_new(0, 1) : NULL;
    if (ctx && (path = sums_path(ctx, raw, false)) && access(path, R_OK) == 0 &&
        leann_file_read(ctx, path, 512, &text, &bytes) == LEANN_OK) {
        const char *second = strchr(text, ' '), *third = second ? strchr(second + 1, ' ') : NULL;
        kept = third && hex_word(text, sums->train) && hex_word(second + 1, sums->test) && hex_word(third + 1, sums->neighbors);
    }
    leann_free(text);
    leann_free(path);
    leann_ctx_free(ctx);
    return kept;
}

static void keep_sums(const leann_raw *raw, const leann_dataset_sums *sums)
{
    leann_ctx *ctx = raw->info.st_size >= SUMS_KEPT_FROM ? leann_ctx_new(0, 1) : NULL;
    char *path = ctx ? sums_path(ctx, raw, true) : NULL;
    char *text =
        path ? leann_format(ctx, "%s %s %s\n", sums->train, sums->test[0] ? sums->test : "-", sums->neighbors[0] ? sums->neighbors : "-")
             : NULL;
    if (text) leann_file_write(ctx, path, text, strlen(text));
    leann_free(text);
    leann_free(path);
    leann_ctx_free(ctx);
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    leann_rows rows;
    float *x;
    const char *what;
} unit_job;

static leann_status unit_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const unit_job *job = arg;
    uint32_t bad = leann_rows_unit(job->rows, (uint32_t)begin, (uint32_t)(end - begin), job->x + begin * job->rows.d);
    leann_pages_forget(leann_row(job->rows, (uint32_t)begin), (end - begin) * job->rows.stride);
    return bad == job->rows.n ? LEANN_OK
                              : leann_fail(ctx, LEANN_EINVAL, "%s: row %u has no direction (zero or not finite)", job->what, bad);
}

/* Angular rows are copied and made unit. Others stay where they are. */
static leann_status ready(leann_ctx *ctx, leann_rows *rows, const char *what, leann_spill *copy)
{
    if (rows->space != LEANN_ANGULAR || rows->n == 0) return LEANN_OK;
    leann_status status = leann_spill_new(ctx, what, (uint64_t)rows->n * rows->d * sizeof(float), leann_spill_from(), copy);
    if (status != LEANN_OK) return status;
    unit_job job = {*rows, copy->rows, what};
    status = leann_parallel(ctx, rows->n, 1024, unit_task, &job);
    rows->base = job.x;
    rows->type = LEANN_F32;
    rows->stride = rows->d * sizeof(float);
    return status;
}

typedef struct {
    leann_rows rows;
    const char *what;
} check_job;

static leann_status check_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const check_job *job = arg;
    leann_rows block = job->rows;
    block.base = (const char *)block.base + begin * block.stride;
    block.n = (uint32_t)(end - begin);
    return leann_block_check(ctx, job->what, block, begin);
}

static leann_status check_rows(leann_ctx *ctx, leann_rows rows, const char *path, const char *part)
{
    char what[1280];
    if (!rows.n || (rows.type != LEANN_F32 && rows.space != LEANN_ANGULAR)) return LEANN_OK;
    snprintf(what, sizeof what, "%s: dataset %s", path, part);
    check_job job = {rows, what};
    return leann_parallel(ctx, rows.n, 4096, check_task, &job);
}

/* ---- labels ----------------------------------------------------------------------------------------------------------------- */

static leann_status labels_of(const leann_dataset *self, leann_ctx *ctx, const char *name, const uint32_t **label, uint32_t *count)
{
    owned *o = self->owner;
    leann_status status = LEANN_OK;
    pthread_mutex_lock(&o->lock);
    labels *l = o->labels;
    while (l && strcmp(l->name, name)) l = l->next;
    if (!l) {
        labels *fresh = leann_alloc(ctx, 1, sizeof *fresh);
        status = fresh && (fresh->name = leann_format(ctx, "%s", name)) ? leann_raw_labels(ctx, &o->raw, name, &fresh->label, &fresh->count)
                                                                        : LEANN_ENOMEM;
        if (status == LEANN_OK) {
            fresh->next = o->labels;
            o->labels = l = fresh;
        } else if (fresh) {
            leann_free(fresh->name);
            leann_free(fresh);
        }
    }
    if (l) {
        *label = l->label;
        *count = l->count;
    }
    pthread_mutex_unlock(&o->lock);
    return status;
}

/* ---- passages ---------------------------------------------------------------------------------------------------------------- */

static leann_status passages_of(const leann_dataset *self, leann_ctx *ctx, const leann_passages **out)
{
    owned *o = self->owner;
    pthread_mutex_lock(&o->lock);
    leann_status status = o->passages ? LEANN_OK : leann_passages_open(ctx, &o->raw, &o->passages);
    *out = o->passages;
    pthread_mutex_unlock(&o->lock);
    return status;
}

/* ---- open --------------------------------------------------------------------------------------------------------------------- */

leann_status leann_dataset_open(leann_ctx *ctx, const char *name_or_path, leann_dataset **out)
{
    char path[1024];
    *out = NULL;
    leann_status status = leann_dataset_find(ctx, name_or_path, path);
    if (status != LEANN_OK) return status;
    owned *o = leann_alloc(ctx, 1, sizeof *o);
    if (!o) return LEANN_ENOMEM;
    pthread_mutex_init(&o->lock, NULL);
    o->data.owner = o;
    if ((status = leann_raw_open(ctx, path, true, NULL, &o->raw)) != LEANN_OK) goto done;
    const leann_raw *raw = &o->raw;
    if (!sums_kept(raw, &o->sums)) {
        if ((status = check_rows(ctx, raw->train, path, "train")) != LEANN_OK) goto done;
        if ((status = check_rows(ctx, raw->test, path, "test")) != LEANN_OK) goto done;
        sum_all(raw, &o->sums);
        keep_sums(raw, &o->sums);
        leann_dataset_forget(&o->data);
    }
    o->data = (leann_dataset){.name = raw->name,
                              .sha = o->sums.train,
                              .train = raw->train,
                              .test = raw->test,
                              .neighbors = raw->neighbors,
                              .gt_k = raw->gt_k,
                              .labels = labels_of,
                              .passages = passages_of,
                              .owner = o};
    if ((status = ready(ctx, &o->data.train, path, &o->train)) != LEANN_OK) goto done;
    status = ready(ctx, &o->data.test, path, &o->test);
done:
    if (status != LEANN_OK)
        leann_dataset_free(&o->data);
    else
        *out = &o->data;
    return status;
}

void leann_dataset_forget(const leann_dataset *data)
{
    const leann_raw *raw = &((const owned *)data->owner)->raw;
    leann_pages_forget(raw->map, raw->map_bytes);
}

void leann_dataset_free(leann_dataset *data)
{
    if (!data) return;
    owned *o = data->owner;
    for (labels *l = o->labels, *next; l; l = next) {
        next = l->next;
        leann_free(l->name);
        leann_free(l->label);
        leann_free(l);
    }
    leann_passages_free(o->passages);
    leann_spill_free(&o->train);
    leann_spill_free(&o->test);
    leann_raw_close(&o->raw);
    pthread_mutex_destroy(&o->lock);
    leann_free(o);
}

const leann_dataset_sums *leann_dataset_checksums(const leann_dataset *data)
{
    return &((const owned *)data->owner)->sums;
}

static leann_status measure_references(leann_ctx *ctx, leann_raw *raw, leann_references_shape *out)
{
    leann_passages *passages = NULL;
    leann_status status = leann_raw_map(ctx, raw);
    if (status == LEANN_OK) status = leann_passages_open(ctx, raw, &passages);
    if (status == LEANN_OK && passages->columns) status = leann_references_measure(ctx, passages->columns, out);
    leann_passages_free(passages);
    return status;
}

leann_status leann_dataset_peek(leann_ctx *ctx, const char *name_or_path, leann_dataset_info *out)
{
    leann_raw raw;
    memset(out, 0, sizeof *out);
    leann_status status = leann_dataset_find(ctx, name_or_path, out->path);
    if (status != LEANN_OK || (status = leann_raw_open(ctx, out->path, false, NULL, &raw)) != LEANN_OK) return status;
    snprintf(out->name, sizeof out->name, "%s", raw.name);
    snprintf(out->distance, sizeof out->distance, "%s", leann_space_word(raw.space));
    out->n = raw.train.n;
    out->d = raw.train.d;
    out->queries = raw.test.n;
    out->gt_k = raw.gt_k;
    out->type = raw.space == LEANN_ANGULAR ? LEANN_F32 : raw.train.type;
    out->space = raw.space;
    if (raw.passages) status = measure_references(ctx, &raw, &out->references);
    leann_raw_close(&raw);
    return status;
}
