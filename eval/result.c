/* result.c – saves and loads the raw result of one point as a small HDF5 file (layout: result.h; root attributes, five to seven arrays).
 *
 * A point of 5,000 queries at k = 100 takes about 4 MB before deflate.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/result.h"
#include "core/container.h"
#include "datasets/datasets.h"

#include <stdio.h>
#include <string.h>

void leann_result_clear(leann_result *raw)
{
    void *heap[] = {raw->identity, raw->sweep, raw->dataset, raw->status,     raw->error,    raw->query_rows,
                    raw->ids,      raw->dist,  raw->work,    raw->timed_rows, raw->times_ns, raw->tune_recall};
    for (size_t i = 0; i < sizeof heap / sizeof *heap; i++) leann_free(heap[i]);
    leann_value_free(raw->provenance);
    leann_value_free(raw->build);
    leann_value_free(raw->config);
    *raw = (leann_result){0};
}

char *leann_result_path(leann_ctx *ctx, const char *folder, const char *identity)
{
    char hex[65];
    leann_sha *sha = leann_sha_new();
    if (!sha) {
        leann_fail(ctx, LEANN_ENOMEM, "out of memory");
        return NULL;
    }
    leann_sha_add(sha, identity, strlen(identity));
    leann_sha_end(sha, hex);
    return leann_format(ctx, "%s/raw/%.24s.h5", folder, hex);
}

bool leann_result_is_name(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > 3 && strcmp(name + length - 3, ".h5") == 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static leann_status put_json(leann_ctx *ctx, leann_h5 *h, const char *name, const leann_value *v)
{
    char *text = v ? leann_value_json(v, false, 0) : leann_format(ctx, "{}");
    if (!text) return leann_fail(ctx, LEANN_ENOMEM, "out of memory writing '%s'", name);
    leann_status s = leann_h5_set_text(h, name, text);
    leann_free(text);
    return s;
}

static leann_status put_attributes(leann_ctx *ctx, leann_h5 *h, const leann_result *raw)
{
    leann_status s;
    const struct {
        const char *name, *text;
    } texts[] = {
        {"identity", raw->identity}, {"sweep", raw->sweep}, {"dataset", raw->dataset}, {"status", raw->status}, {"error", raw->error}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if ((s = leann_h5_set_text(h, texts[i].name, texts[i].text ? texts[i].text : ""))) return s;
    if ((s = put_json(ctx, h, "provenance", raw->provenance)) || (s = put_json(ctx, h, "build", raw->build)) ||
        (s = put_json(ctx, h, "config", raw->config)) || (s = leann_h5_set_int(h, "load_rss_bytes", (int64_t)raw->load_rss.peak)) ||
        (s = leann_h5_set_int(h, "load_anon_bytes", (int64_t)raw->load_rss.anon)) ||
        (s = leann_h5_set_int(h, "search_rss_bytes", (int64_t)raw->search_rss.peak)) ||
        (s = leann_h5_set_int(h, "search_anon_bytes", (int64_t)raw->search_rss.anon)) ||
        (s = leann_h5_set_int(h, "cold_ns", (int64_t)raw->cold_ns)) || (s = leann_h5_set_real(h, "batch_qps", raw->batch_qps)))
        return s;
    return LEANN_OK;
}

static leann_status put_arrays(leann_h5 *h, const leann_result *raw)
{
    leann_status s;
    if (raw->n && ((s = leann_h5_put(h, "query_rows", LEANN_H5_U32, raw->n, 0, raw->query_rows, true)) ||
                   (s = leann_h5_put(h, "ids", LEANN_H5_U32, raw->n, raw->k, raw->ids, true)) ||
                   (s = leann_h5_put(h, "dist", LEANN_H5_F32, raw->n, raw->k, raw->dist, true)) ||
                   (s = leann_h5_put(h, "work", LEANN_H5_U64, raw->n, LEANN_RESULT_WORK, raw->work, true))))
        return s;
    if (raw->t && ((s = leann_h5_put(h, "timed_rows", LEANN_H5_U32, raw->t, 0, raw->timed_rows, true)) ||
                   (s = leann_h5_put(h, "times_ns", LEANN_H5_U64, raw->repeats, raw->t, raw->times_ns, true))))
        return s;
    if (raw->tuned && (s = leann_h5_put(h, "tune_recall", LEANN_H5_F64, raw->tuned, 3, raw->tune_recall, true))) return s;
    return LEANN_OK;
}

leann_status leann_result_save(leann_ctx *ctx, const leann_result *raw, const char *path)
{
    leann_h5 *h = NULL;
    leann_status s = leann_h5_create(ctx, path, &h);
    if (s) goto done;
    if ((s = put_attributes(ctx, h, raw)) || (s = put_arrays(h, raw))) goto done;
    s = leann_h5_commit(h);
done:
    leann_h5_free(h);
    return s;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static leann_status get_json(leann_ctx *ctx, leann_h5 *h, const char *path, const char *name, leann_value **out)
{
    char *text = NULL, what[64];
    leann_status s = leann_h5_text(h, name, &text);
    if (s) return s;
    snprintf(what, sizeof what, "attribute '%s'", name);
    s = leann_value_parse(ctx, what, text, strlen(text), out);
    leann_free(text);
    if (!s && leann_value_type(*out) != LEANN_V_MAP) s = leann_fail(ctx, LEANN_EFORMAT, "%s: attribute '%s' is not a map", path, name);
    return s;
}

static leann_status get_count(leann_ctx *ctx, leann_h5 *h, const char *path, const char *name, uint64_t *out)
{
    double number = 0;
    leann_status s = leann_h5_real(h, name, &number);
    if (s) return s;
    if (!(number >= 0 && number <= 9007199254740992.0))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: attribute '%s' is %g, not a count", path, name, number);
    *out = (uint64_t)number;
    return LEANN_OK;
}

static leann_status get_attributes(leann_ctx *ctx, leann_h5 *h, const char *path, leann_result *raw)
{
    leann_status s;
    if ((s = leann_h5_text(h, "identity", &raw->identity)) || (s = leann_h5_text(h, "sweep", &raw->sweep)) ||
        (s = leann_h5_text(h, "dataset", &raw->dataset)) || (s = leann_h5_text(h, "status", &raw->status)) ||
        (s = leann_h5_text(h, "error", &raw->error)) || (s = get_json(ctx, h, path, "provenance", &raw->provenance)) ||
        (s = get_json(ctx, h, path, "build", &raw->build)) || (s = get_json(ctx, h, path, "config", &raw->config)) ||
        (s = get_count(ctx, h, path, "load_rss_bytes", &raw->load_rss.peak)) ||
        (s = get_count(ctx, h, path, "search_rss_bytes", &raw->search_rss.peak)) ||
        (leann_h5_has(h, "load_anon_bytes") &&
         (s = get_count(ctx, h, path, "load_anon_bytes", &raw->load_rss.anon))) || /* older files have none */
        (leann_h5_has(h, "search_anon_bytes") && (s = get_count(ctx, h, path, "search_anon_bytes", &raw->search_rss.anon))) ||
        (s = get_count(ctx, h, path, "cold_ns", &raw->cold_ns)) || (s = leann_h5_real(h, "batch_qps", &raw->batch_qps)))
        return s;
    return LEANN_OK;
}

/* An array whose rows and columns must be what is said; a size of 0 takes what the file has. */
static leann_status get_array(leann_ctx *ctx, leann_h5 *h, const char *path, const char *name, leann_h5_type type, uint32_t *rows,
                              uint32_t *cols, void **out)
{
    size_t r = 0, c = 0;
    leann_status s = leann_h5_get(h, name, type, &r, &c, out);
    if (s) return s;
    if (r == 0 || r > UINT32_MAX || c > UINT32_MAX || (*rows && r != *rows) || (cols ? c == 0 || (*cols && c != *cols) : c > 1))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: '%s' is (%zu, %zu), which does not fit the other arrays", path, name, r, c);
    *rows = (uint32_t)r;
    if (cols) *cols = (uint32_t)c;
    return LEANN_OK;
}

/* A count that was added later is 0 in older files: their rows are the beginning of today's. */
static leann_status get_work(leann_ctx *ctx, leann_h5 *h, const char *path, leann_result *raw)
{
    enum { FIRST = 9 }; /* counts that every file has */
    uint32_t cols = 0;
    uint64_t *work = NULL;
    leann_status s = get_array(ctx, h, path, "work", LEANN_H5_U64, &raw->n, &cols, (void **)&work);
    if (!s && (cols < FIRST || cols > LEANN_RESULT_WORK))
        s = leann_fail(ctx, LEANN_EFORMAT, "%s: 'work' has %u counts a query; %d to %d are known", path, cols, FIRST, LEANN_RESULT_WORK);
    if (!s && !(raw->work = leann_alloc(ctx, raw->n, LEANN_RESULT_WORK * sizeof *work))) s = LEANN_ENOMEM;
    for (uint32_t i = 0; i < raw->n && !s; i++)
        memcpy(raw->work + (size_t)i * LEANN_RESULT_WORK, work + (size_t)i * cols, cols * sizeof *work);
    leann_free(work);
    return s;
}

static leann_status get_arrays(leann_ctx *ctx, leann_h5 *h, const char *path, leann_result *raw)
{
    leann_status s;
    uint32_t tune = 3;
    if (leann_h5_has(h, "ids") &&
        ((s = get_array(ctx, h, path, "ids", LEANN_H5_U32, &raw->n, &raw->k, (void **)&raw->ids)) ||
         (s = get_array(ctx, h, path, "query_rows", LEANN_H5_U32, &raw->n, NULL, (void **)&raw->query_rows)) ||
         (s = get_array(ctx, h, path, "dist", LEANN_H5_F32, &raw->n, &raw->k, (void **)&raw->dist)) || (s = get_work(ctx, h, path, raw))))
        return s;
    if (leann_h5_has(h, "times_ns") &&
        ((s = get_array(ctx, h, path, "times_ns", LEANN_H5_U64, &raw->repeats, &raw->t, (void **)&raw->times_ns)) ||
         (s = get_array(ctx, h, path, "timed_rows", LEANN_H5_U32, &raw->t, NULL, (void **)&raw->timed_rows))))
        return s;
    if (leann_h5_has(h, "tune_recall") &&
        (s = get_array(ctx, h, path, "tune_recall", LEANN_H5_F64, &raw->tuned, &tune, (void **)&raw->tune_recall)))
        return s;
    if (!strcmp(raw->status, "ok") && (!raw->n || !raw->t))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: status is ok, but answers or times are missing", path);
    return LEANN_OK;
}

static leann_status load(leann_ctx *ctx, const char *path, bool arrays, leann_result *raw)
{
    leann_h5 *h = NULL;
    *raw = (leann_result){0};
    leann_status s = leann_h5_open(ctx, path, &h);
    if (!s) s = get_attributes(ctx, h, path, raw);
    if (!s && arrays) s = get_arrays(ctx, h, path, raw);
    leann_h5_free(h);
    if (s) leann_result_clear(raw);
    return s;
}

leann_status leann_result_load(leann_ctx *ctx, const char *path, leann_result *raw)
{
    return load(ctx, path, true, raw);
}

leann_status leann_result_peek(leann_ctx *ctx, const char *path, leann_result *raw)
{
    return load(ctx, path, false, raw);
}
