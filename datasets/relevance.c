/* relevance.c – lines of files -> chunks by intervals that overlap; and the group `relevance` of a text set, read in a guarded child.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/relevance.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/h5.h"

void leann_relevance_free(leann_relevance *r)
{
    leann_free(r->offset);
    leann_free(r->ids);
    *r = (leann_relevance){0};
}

/* ---- targets -------------------------------------------------------------------------------------------------------------------- */

leann_status leann_answer_read(leann_ctx *ctx, const char *what, const leann_value *line, leann_answer *out)
{
    const leann_value *path = leann_value_get(line, "path");
    int64_t first = leann_value_int(leann_value_get(line, "first_line"), 0), last = leann_value_int(leann_value_get(line, "last_line"), 0);
    *out = (leann_answer){.file = LEANN_NONE};
    if (!path && !leann_value_get(line, "first_line") && !leann_value_get(line, "last_line")) return LEANN_OK;
    const char *text = leann_value_text(path, NULL);
    if (!text || !*text || first < 1 || last < first || last > UINT32_MAX)
        return leann_fail(ctx, LEANN_EINVAL,
                          "%s: where the answer lies is a \"path\", and \"first_line\" and \"last_line\" from 1 on in order", what);
    out->path = leann_format(ctx, "%s", text);
    out->first_line = (uint32_t)first;
    out->last_line = (uint32_t)last;
    return out->path ? LEANN_OK : LEANN_ENOMEM;
}

/* Files by what they are, not by their names: device and number. */
typedef struct {
    dev_t device;
    ino_t number;
    uint32_t file;
} file_key;

static int by_key(const void *a, const void *b)
{
    const file_key *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static leann_status key_of(leann_ctx *ctx, const char *path, file_key *out)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return errno == ENOENT ? leann_fail(ctx, LEANN_ENOTFOUND, "no file %s", path) : leann_fail_errno(ctx, "cannot look at %s", path);
    *out = (file_key){.device = about.st_dev, .number = about.st_ino};
    return LEANN_OK;
}

static leann_status find_file(leann_ctx *ctx, const char *queries, uint32_t i, leann_answer *target, const file_key *key, size_t keys)
{
    const char *slash = strrchr(queries, '/');
    file_key want = {0};
    if (!target->path) return leann_fail(ctx, LEANN_EINVAL, "%s: query %u does not say where its answer lies, and others do", queries, i);
    bool joined = slash && *target->path != '/';
    char *path = leann_format(ctx, "%.*s%s", joined ? (int)(slash - queries) + 1 : 0, queries, target->path);
    if (!path) return LEANN_ENOMEM;
    leann_status status = key_of(ctx, path, &want);
    const file_key *found = status == LEANN_OK && keys ? bsearch(&want, key, keys, sizeof *key, by_key) : NULL;
    if (found)
        target->file = found->file;
    else if (status == LEANN_OK)
        status =
            leann_fail(ctx, LEANN_EINVAL, "%s: the answer of query %u lies in %s, which is none of the files of the set", queries, i, path);
    leann_free(path);
    return status;
}

leann_status leann_answers_find(leann_ctx *ctx, const char *queries, leann_answer *target, uint32_t n, const leann_text_files *files)
{
    file_key *key = leann_alloc(ctx, files->n + 1, sizeof *key);
    leann_status status = key ? LEANN_OK : LEANN_ENOMEM;
    for (size_t i = 0; status == LEANN_OK && i < files->n; i++) {
        status = key_of(ctx, files->file[i].path, key + i);
        key[i].file = (uint32_t)i;
    }
    if (status == LEANN_OK) qsort(key, files->n, sizeof *key, by_key);
    for (uint32_t i = 0; status == LEANN_OK && i < n; i++) status = find_file(ctx, queries, i, target + i, key, files->n);
    leann_free(key);
    return status;
}

/* ---- intervals -------------------------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const leann_place *x = a, *y = b;
    if (x->file != y->file) return x->file < y->file ? -1 : 1;
    if (x->first_line != y->first_line) return x->first_line < y->first_line ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The first place of a file, or where it would be. */
static size_t first_of(const leann_place *place, size_t places, uint32_t file)
{
    size_t lo = 0, hi = places;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (place[middle].file < file)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* Ids (NULL: only counted, with repeats) of the places that overlap a target; how many. */
static uint64_t overlapping(const leann_answer *t, const leann_place *place, size_t places, uint32_t *ids)
{
    uint64_t n = 0;
    for (size_t i = first_of(place, places, t->file); i < places && place[i].file == t->file && place[i].first_line <= t->last_line; i++) {
        if (place[i].last_line < t->first_line) continue;
        if (ids) ids[n] = place[i].id;
        n++;
    }
    return n;
}

/* Sorted, each once; how many are left. */
static uint64_t distinct(uint32_t *ids, uint64_t n)
{
    uint64_t kept = 0;
    qsort(ids, n, sizeof *ids, leann_by_id);
    for (uint64_t i = 0; i < n; i++)
        if (!kept || ids[i] != ids[kept - 1]) ids[kept++] = ids[i];
    return kept;
}

leann_status leann_relevance_make(leann_ctx *ctx, const leann_answer *target, uint32_t n, leann_place *place, size_t places,
                                  const leann_text_files *files, leann_relevance *out)
{
    uint64_t all = 0;
    *out = (leann_relevance){.queries = n};
    if (places) qsort(place, places, sizeof *place, by_place);
    for (uint32_t i = 0; i < n; i++) {
        assert(target[i].file < files->n);
        uint64_t some = overlapping(target + i, place, places, NULL);
        if (some == 0)
            return leann_fail(ctx, LEANN_EINVAL, "query %u: no chunk holds any of lines %u to %u of %s, where its answer lies", i,
                              target[i].first_line, target[i].last_line, files->file[target[i].file].path);
        all += some;
    }
    out->offset = leann_alloc(ctx, (size_t)n + 1, sizeof *out->offset);
    out->ids = leann_alloc(ctx, all + 1, sizeof *out->ids);
    if (!out->offset || !out->ids) {
        leann_relevance_free(out);
        return LEANN_ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *ids = out->ids + out->offset[i];
        out->offset[i + 1] = out->offset[i] + distinct(ids, overlapping(target + i, place, places, ids));
    }
    return LEANN_OK;
}

/* ---- reading: the child's side ------------------------------------------------------------------------------------------------------ */

enum { TEXT, TEXT_OFFSET, OFFSET, IDS, PARTS };
static const struct {
    const char *name;
    uint32_t bytes;
} wanted[PARTS] = {{"queries/text", 1}, {"queries/text_offset", 8}, {"relevance/offset", 8}, {"relevance/ids", 4}};

typedef struct {
    uint32_t there;
    uint64_t rows[PARTS], at[PARTS]; /* in the spill file */
} facts;

typedef struct {
    int fd;
    uint64_t bytes;
} request;

static bool has_group(hid_t file, const char *name)
{
    H5L_info_t link;
    return H5Lexists(file, name, H5P_DEFAULT) > 0 && H5Lget_info(file, name, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD;
}

static leann_status inspect(leann_guard *g, void *arg)
{
    const request *r = arg;
    facts *f = leann_guard_facts(g);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", r->fd);
    hid_t file = leann_h5_file(g, path), as[PARTS] = {H5T_NATIVE_UINT8, H5T_NATIVE_UINT64, H5T_NATIVE_UINT64, H5T_NATIVE_UINT32};
    if (file < 0) return LEANN_EFORMAT;
    if (!has_group(file, "relevance") || !has_group(file, "queries")) return LEANN_OK;
    f->there = 1;
    for (int i = 0; i < PARTS; i++) {
        leann_h5_shape s;
        leann_status status = leann_h5_describe(g, file, wanted[i].name, r->bytes, &s);
        if (status == LEANN_OK && (!s.there || s.is_float || s.is_text || s.rank != 1))
            status = leann_guard_fail(g, LEANN_EFORMAT, "%s: dataset %s is missing, or no list of integers", leann_guard_what(g),
                                      wanted[i].name);
        if (status == LEANN_OK && s.dims[0]) status = leann_h5_spill(g, file, &s, as[i], f->at + i);
        if (status != LEANN_OK) return status;
        f->rows[i] = s.dims[0];
    }
    return LEANN_OK;
}

/* ---- reading: the parent's side, which believes nothing ------------------------------------------------------------------------------- */

/* A column on the heap; one of no rows too. */
static leann_status take(leann_ctx *ctx, const char *what, const facts *f, int i, const char *spill, uint64_t bytes, void **out)
{
    uint64_t size = wanted[i].bytes, rows = f->rows[i];
    if (rows > bytes / size || f->at[i] > bytes - rows * size)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: dataset %s: no sensible answer from the process that reads it", what, wanted[i].name);
    if (!(*out = leann_alloc(ctx, rows + 1, size))) return LEANN_ENOMEM;
    if (rows) memcpy(*out, spill + f->at[i], rows * size);
    return LEANN_OK;
}

static leann_status take_all(leann_ctx *ctx, const char *what, const facts *f, const char *spill, uint64_t bytes, void *column[PARTS])
{
    leann_status status = LEANN_OK;
    for (int i = 0; status == LEANN_OK && i < PARTS; i++) status = take(ctx, what, f, i, spill, bytes, column + i);
    return status;
}

/* queries + 1 offsets that cut all of `rows`. */
static leann_status check_offsets(leann_ctx *ctx, const char *what, const facts *f, int part, const uint64_t *offset, uint32_t queries,
                                  uint64_t rows)
{
    bool good = f->rows[part] == (uint64_t)queries + 1 && offset[0] == 0 && offset[queries] == rows;
    for (uint32_t i = 0; good && i < queries; i++) good = offset[i] <= offset[i + 1];
    return good ? LEANN_OK
                : leann_fail(ctx, LEANN_EFORMAT, "%s: dataset %s does not cut %ju entries for %u queries in order", what, wanted[part].name,
                             (uintmax_t)rows, queries);
}

static leann_status check_ids(leann_ctx *ctx, const char *what, const leann_relevance *r, uint32_t n)
{
    for (uint32_t i = 0; i < r->queries; i++) {
        if (r->offset[i] == r->offset[i + 1])
            return leann_fail(ctx, LEANN_EINVAL, "%s: nothing is relevant to query %u: it cannot be judged", what, i);
        for (uint64_t j = r->offset[i]; j < r->offset[i + 1]; j++)
            if (r->ids[j] >= n || (j > r->offset[i] && r->ids[j] <= r->ids[j - 1]))
                return leann_fail(ctx, LEANN_EFORMAT, "%s: what is relevant to query %u is not in order, or passage %u of %u", what, i,
                                  r->ids[j], n);
    }
    return LEANN_OK;
}

static leann_status judge(leann_ctx *ctx, const char *what, const facts *f, void *column[PARTS], uint32_t queries, uint32_t n,
                          leann_judged *out)
{
    const uint64_t *cut = column[TEXT_OFFSET];
    leann_status status = check_offsets(ctx, what, f, TEXT_OFFSET, cut, queries, f->rows[TEXT]);
    if (status == LEANN_OK) status = check_offsets(ctx, what, f, OFFSET, column[OFFSET], queries, f->rows[IDS]);
    if (status == LEANN_OK && !(out->text = leann_alloc(ctx, (size_t)queries + 1, sizeof *out->text))) status = LEANN_ENOMEM;
    for (uint32_t i = 0; status == LEANN_OK && i < queries; i++)
        out->text[i] = (leann_text){(const char *)column[TEXT] + cut[i], cut[i + 1] - cut[i]};
    out->relevance = (leann_relevance){queries, column[OFFSET], column[IDS]};
    out->owned = column[TEXT];
    column[OFFSET] = column[IDS] = column[TEXT] = NULL;
    return status == LEANN_OK ? check_ids(ctx, what, &out->relevance, n) : status;
}

/* The child's columns, still to be checked. */
static leann_status read_columns(leann_ctx *ctx, const char *path, facts *f, void *column[PARTS])
{
    struct stat about;
    int spill = -1;
    uint64_t spilled = 0;
    void *map = NULL;
    leann_status status = LEANN_OK;
    request r = {open(path, O_RDONLY | O_CLOEXEC), 0};
    if (r.fd < 0 || fstat(r.fd, &about) != 0) {
        status = leann_fail_errno(ctx, "cannot open %s", path);
        goto done;
    }
    r.bytes = (uint64_t)about.st_size;
    leann_guard_limits limits = {.what = path, .spill_limit = (uint64_t)1 << 31, .file_bytes = r.bytes};
    status = leann_guard_run(ctx, limits, inspect, &r, f, sizeof *f, &spill, &spilled);
    if (status == LEANN_OK && !f->there)
        status = leann_fail(ctx, LEANN_ENOTFOUND,
                            "%s does not say what is relevant to its queries: make it by `leann dataset text … --queries` "
                            "of queries that name where their answers lie (scripts/corpora)",
                            path);
    if (status == LEANN_OK && spilled && (map = mmap(NULL, spilled, PROT_READ, MAP_PRIVATE, spill, 0)) == MAP_FAILED) {
        map = NULL;
        status = leann_fail_errno(ctx, "%s: cannot map %ju bytes", path, (uintmax_t)spilled);
    }
    if (status == LEANN_OK) status = take_all(ctx, path, f, map, spilled, column);
done:
    if (map) munmap(map, spilled);
    if (spill >= 0) close(spill);
    if (r.fd >= 0) close(r.fd);
    return status;
}

leann_status leann_judged_open(leann_ctx *ctx, const char *name_or_path, uint32_t queries, uint32_t n, leann_judged *out)
{
    char path[1024];
    facts f = {0};
    void *column[PARTS] = {NULL};
    *out = (leann_judged){0};
    leann_status status = leann_dataset_find(ctx, name_or_path, path);
    if (status == LEANN_OK) status = read_columns(ctx, path, &f, column);
    if (status == LEANN_OK) status = judge(ctx, path, &f, column, queries, n, out);
    for (int i = 0; i < PARTS; i++) leann_free(column[i]);
    if (status != LEANN_OK) leann_judged_free(out);
    return status;
}

void leann_judged_free(leann_judged *j)
{
    leann_relevance_free(&j->relevance);
    leann_free(j->text);
    leann_free(j->owned);
    *j = (leann_judged){0};
}
