/* measures_codes.c – the ceiling of codes: the recall of a scan of all of them without a re-rank, beside every point that rests on them.
 *
 * Codes are the same where data set, seed, quantiser and, for residuals, anchors are: the scan may be another method's or another graph's
 * point. A point scans them all when it fetches nothing and keys at least n rows, both as counted: a walk that asks for every anchor's
 * list may still miss some. O(rows * scans).
 *
 * SPDX-License-Identifier: MIT */
#include "eval/measures_row.h"

#include <math.h>
#include <string.h>

/* What the codes of a row and the recall of their scan depend on, as canonical JSON, heap; NULL: it has none. */
static char *codes_of(const leann_table *t, size_t row, leann_ctx *quiet)
{
    const char *text = leann_table_text(t, row, "params"), *residual = leann_table_text(t, row, "residual");
    bool differences = !strcmp(residual, "yes") || (!strcmp(residual, "auto") && leann_table_get(t, row, "residual_taken") == 1);
    leann_value *params = NULL;
    if (!*leann_table_text(t, row, "quantizer") || leann_value_parse(quiet, "params", text, strlen(text), &params)) return NULL;
    const char *const parts[] = {"quantizer", "selector", "anchors"}, *const numbers[] = {"seed", "k"};
    leann_value *key = leann_value_new_map(), *build = leann_value_get(params, "build");
    leann_value_set(key, "dataset", leann_value_new_text(leann_table_text(t, row, "dataset")));
    for (size_t i = 0; i < 2; i++) leann_value_set(key, numbers[i], leann_value_new_real(leann_table_get(t, row, numbers[i])));
    for (size_t i = 0; i < (differences ? 3 : 1); i++) leann_value_set(key, parts[i], leann_value_copy(leann_value_get(build, parts[i])));
    char *json = leann_value_json(key, true, 0);
    leann_value_free(key);
    leann_value_free(params);
    return json;
}

static bool scans_all(const leann_table *t, size_t row)
{
    return !strcmp(leann_table_text(t, row, "status"), "ok") && leann_table_get(t, row, "fetches") == 0 &&
           leann_table_get(t, row, "dist_comps") >= leann_table_get(t, row, "n");
}

leann_status leann_row_ceilings(leann_table *t)
{
    leann_ctx *ctx = leann_table_ctx(t), *quiet = leann_ctx_new(1, 1); /* an imported row without parameters is no failure */
    size_t n = leann_table_rows(t), scans = 0;
    char **key = leann_alloc(ctx, n + 1, sizeof *key);
    size_t *scan = leann_alloc(ctx, n + 1, sizeof *scan);
    leann_status s = quiet && key && scan ? LEANN_OK : leann_fail(ctx, LEANN_ENOMEM, "out of memory");
    for (size_t i = 0; i < n && !s; i++) {
        key[i] = codes_of(t, i, quiet);
        leann_ctx_clear(quiet);
        if (key[i] && scans_all(t, i)) scan[scans++] = i;
    }
    for (size_t i = 0; i < n && !s; i++) {
        double best = NAN;
        for (size_t j = 0; j < scans && key[i]; j++)
            if (!strcmp(key[i], key[scan[j]])) best = fmax(best, leann_table_get(t, scan[j], "recall"));
        if (!isnan(best)) leann_table_set(t, i, "codes_recall", best);
    }
    for (size_t i = 0; key && i < n; i++) leann_free(key[i]);
    leann_free(key);
    leann_free(scan);
    leann_ctx_free(quiet);
    return s;
}
