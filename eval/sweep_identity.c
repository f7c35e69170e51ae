/* sweep_identity.c – what a cell and a point are, as canonical JSON whose hash names their files, and the choice of some by words.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/simd/kernels.h"
#include "eval/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PAIRS = 64 };

/* ---- identity ------------------------------------------------------------------------------------------------------------- */

/* Indexes over passages hold references to them, which earlier ones did not; other results keep their names. */
static void put_references(const leann_sweep *sweep, const leann_cell *cell, leann_value *id)
{
    if (sweep->info[cell->data].references.n > 0) leann_value_set(id, "references", leann_value_new_int(LEANN_REFERENCES_REVISION));
}

static leann_status identify_cell(leann_ctx *ctx, const leann_sweep *sweep, const char *sha, const leann_value *words, leann_cell *cell)
{
    leann_value *id = leann_value_new_map();
    leann_value_set(id, "format", leann_value_new_int(1));
    leann_value_set(id, "data_sha", leann_value_new_text(sha));
    leann_value_set(id, "config", leann_value_copy(cell->config));
    leann_value_set(id, "revisions", leann_value_copy(words));
    leann_value_set(id, "seed", leann_value_new_int((int64_t)cell->seed));
    leann_value_set(id, "threads", leann_value_new_int(sweep->threads));
    leann_value_set(id, "isa", leann_value_new_text(leann_kernels_get()->name));
    leann_value_set(id, "blas", leann_value_new_text(leann_blas_name()));
    if (*cell->labels) leann_value_set(id, "labels", leann_value_new_text(cell->labels));
    put_references(sweep, cell, id);
    leann_free(cell->identity);
    cell->identity = leann_value_json(id, true, 0);
    leann_value_free(id);
    return cell->identity ? LEANN_OK : leann_fail(ctx, LEANN_ENOMEM, "out of memory");
}

/* A tuned parameter stands for one value here: revisions do not depend on which. */
static leann_status point_revisions(leann_ctx *ctx, const leann_cell *cell, const leann_point *p, leann_value **out)
{
    leann_value *query = leann_value_copy(p->query);
    if (p->target > 0) leann_value_set(query, p->grid_name, leann_sweep_grid_value(p, 0));
    leann_status s = leann_method_revisions(ctx, cell->config, query, out);
    leann_value_free(query);
    return s;
}

static leann_status identify_point(leann_ctx *ctx, const leann_sweep *sweep, const leann_cell *cell, const char *sha, leann_point *p)
{
    leann_value *words = NULL;
    leann_status s = point_revisions(ctx, cell, p, &words);
    if (s) return s;
    leann_value *id = leann_value_new_map();
    leann_value_set(id, "format", leann_value_new_int(1));
    leann_value_set(id, "data_sha", leann_value_new_text(sha));
    leann_value_set(id, "queries", leann_value_new_int(sweep->queries));
    /* Only where there is such a thing: older results keep their names. */
    if (*cell->labels) leann_value_set(id, "labels", leann_value_new_text(cell->labels));
    put_references(sweep, cell, id);
    if (sweep->whole) leann_value_set(id, "split", leann_value_new_bool(false));
    if (sweep->batch) leann_value_set(id, "batch", leann_value_new_bool(true));
    if (sweep->search_threads > 1) leann_value_set(id, "search_threads", leann_value_new_int(sweep->search_threads));
    leann_value_set(id, "config", leann_value_copy(cell->config));
    leann_value_set(id, "revisions", words);
    leann_value_set(id, "query", leann_value_copy(p->query));
    leann_value_set(id, "k", leann_value_new_int(p->k));
    leann_value_set(id, "target_recall", p->target > 0 ? leann_value_new_real(p->target) : leann_value_new_null());
    leann_value_set(id, "seed", leann_value_new_int((int64_t)cell->seed));
    leann_value_set(id, "threads", leann_value_new_int(sweep->threads));
    leann_value_set(id, "point_seconds", leann_value_new_real(sweep->point_seconds));
    leann_free(p->identity);
    p->identity = leann_value_json(id, true, 0);
    leann_value_free(id);
    return p->identity ? LEANN_OK : leann_fail(ctx, LEANN_ENOMEM, "out of memory");
}

leann_status leann_sweep_labels(leann_ctx *ctx, leann_sweep *sweep, uint32_t data, const leann_dataset *opened)
{
    leann_status s = LEANN_OK;
    for (uint32_t i = 0; i < sweep->cells && !s; i++) {
        leann_cell *cell = &sweep->cell[i];
        if (cell->data != data) continue;
        s = leann_method_labels(ctx, cell->config, opened, cell->labels);
        if (!s || s == LEANN_ENOMEM || s == LEANN_EINTR) continue;
        leann_ctx_clear(ctx);
        s = LEANN_OK;
    }
    return s;
}

leann_status leann_sweep_identify(leann_ctx *ctx, leann_sweep *sweep, uint32_t data, const char *data_sha)
{
    leann_status s = LEANN_OK;
    for (uint32_t i = 0; i < sweep->cells && !s; i++) {
        leann_cell *cell = &sweep->cell[i];
        if (cell->data != data) continue;
        leann_value *words = NULL;
        s = leann_method_revisions(ctx, cell->config, NULL, &words);
        if (!s) s = identify_cell(ctx, sweep, data_sha, words, cell);
        leann_value_free(words);
        for (uint32_t j = 0; j < cell->points && !s; j++) s = identify_point(ctx, sweep, cell, data_sha, &cell->point[j]);
    }
    return s;
}

/* ---- choosing some -------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *key, *value;
    bool known; /* some point has such a thing */
} pair;

static bool is_value(const pair *p, double number, const char *word)
{
    char *end;
    if (word) return !strcmp(word, p->value);
    double wanted = strtod(p->value, &end);
    return end != p->value && !*end && fabs(wanted - number) <= 1e-9 * fabs(number);
}

static bool data_is(const char *data, const char *value)
{
    const char *base = strrchr(data, '/');
    base = base ? base + 1 : data;
    size_t n = strlen(value);
    return !strcmp(data, value) || (!strncmp(base, value, n) && (base[n] == 0 || base[n] == '.'));
}

static bool matches_one(const leann_sweep *sweep, const leann_cell *cell, const leann_point *p, pair *wanted)
{
    const leann_value *build = leann_value_get(cell->config, "build"), *v = NULL;
    const char *key = wanted->key, *word = NULL;
    double number = 0;
    bool fixed = true, is = false;
    if (!strcmp(key, "method"))
        is = !strcmp(cell->method, wanted->value);
    else if (!strcmp(key, "data") || !strcmp(key, "dataset"))
        is = data_is(sweep->data[cell->data], wanted->value);
    else if (!strcmp(key, "seed"))
        is = is_value(wanted, (double)cell->seed, NULL);
    else if (!strcmp(key, "k"))
        is = is_value(wanted, p->k, NULL);
    else if (!strcmp(key, "target_recall"))
        is = is_value(wanted, p->target, NULL);
    else
        fixed = false;
    wanted->known |= fixed;
    if (fixed) return is;
    if (!strncmp(key, "build.", 6))
        v = leann_sweep_path(build, key + 6);
    else if (!strncmp(key, "query.", 6))
        v = leann_sweep_path(p->query, key + 6);
    else if (!(v = leann_sweep_path(build, key)))
        v = leann_sweep_path(p->query, key);
    wanted->known |= v != NULL;
    return leann_sweep_scalar(v, sweep->info[cell->data].n, &number, &word) && is_value(wanted, number, word);
}

/* Keys are joined by "and", values of one key by "or". */
static bool matches(const leann_sweep *sweep, const leann_cell *cell, const leann_point *p, pair *pairs, size_t n)
{
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        bool first = true, is = false;
        for (size_t j = 0; j < n; j++) {
            if (strcmp(pairs[i].key, pairs[j].key) != 0) continue;
            first &= j >= i;
            is |= matches_one(sweep, cell, p, &pairs[j]);
        }
        if (first) all &= is;
    }
    return all;
}

static leann_status split_pairs(leann_ctx *ctx, char *text, pair *pairs, size_t *n)
{
    char *save = NULL;
    for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(word, '=');
        if (!equals || equals == word || !equals[1]) return leann_fail(ctx, LEANN_EINVAL, "--only: '%s' is not key=value", word);
        if (*n >= MAX_PAIRS) return leann_fail(ctx, LEANN_ELIMIT, "--only: more than %d pairs", MAX_PAIRS);
        *equals = 0;
        pairs[(*n)++] = (pair){word, equals + 1, false};
    }
    return *n ? LEANN_OK : leann_fail(ctx, LEANN_EINVAL, "--only is empty");
}

static void drop_point(leann_cell *cell, uint32_t i)
{
    leann_value_free(cell->point[i].query);
    leann_free(cell->point[i].grid);
    leann_free(cell->point[i].label);
    leann_free(cell->point[i].identity);
    memmove(&cell->point[i], &cell->point[i + 1], (cell->points - i - 1) * sizeof *cell->point);
    cell->points--;
}

static leann_status unknown_key(leann_ctx *ctx, const leann_sweep *sweep, const char *key)
{
    static const char *const words[] = {"method", "data", "dataset", "seed", "k", "target_recall"};
    const char *nearest = leann_nearest_word(key, words, sizeof words / sizeof *words);
    if (nearest)
        return leann_fail(ctx, LEANN_EINVAL, "--only: no point of sweep '%s' has '%s'; did you mean '%s'?", sweep->stem, key, nearest);
    return leann_fail(ctx, LEANN_EINVAL,
                      "--only: no point of sweep '%s' has '%s'; known are method, data, seed, k, target_recall and what its build and query "
                      "hold, as in quantizer=pq or build.quantizer.pq.sub_vectors=98",
                      sweep->stem, key);
}

leann_status leann_sweep_only(leann_ctx *ctx, leann_sweep *sweep, const char *only)
{
    pair pairs[MAX_PAIRS];
    size_t n = 0;
    char *text = leann_format(ctx, "%s", only);
    leann_status s = text ? split_pairs(ctx, text, pairs, &n) : LEANN_ENOMEM;
    for (uint32_t i = 0; i < sweep->cells && !s; i++)
        for (uint32_t j = sweep->cell[i].points; j-- > 0;)
            if (!matches(sweep, &sweep->cell[i], &sweep->cell[i].point[j], pairs, n)) drop_point(&sweep->cell[i], j);
    for (size_t i = 0; i < n && !s; i++)
        if (!pairs[i].known) s = unknown_key(ctx, sweep, pairs[i].key);
    if (!s && !leann_sweep_points(sweep)) s = leann_fail(ctx, LEANN_EINVAL, "--only %s: no point of sweep '%s' matches", only, sweep->stem);
    leann_free(text);
    return s;
}
