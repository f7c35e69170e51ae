/* fuzz_csv.c – any bytes as CSV: a table whose CSV gives the same table again, or an error with a sentence; never a crash.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "eval/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *csv_of(const leann_table *t, size_t *bytes)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, bytes);
    if (!to) abort();
    leann_table_write_csv(t, to);
    fclose(to);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_table *t = NULL, *again = NULL;
    if (!ctx || size > 1 << 16) {
        leann_ctx_free(ctx);
        return 0;
    }
    if (leann_table_read_csv(ctx, "fuzz", (const char *)data, size, &t) == LEANN_OK) {
        size_t bytes = 0, more = 0;
        char *text = csv_of(t, &bytes), *second = NULL;
        size_t rows = leann_table_rows(t);
        if (leann_table_columns(t) > 1 || rows == 0) { /* a line of one empty entry is an empty line */
            if (leann_table_read_csv(ctx, "again", text, bytes, &again)) abort();
            second = csv_of(again, &more);
            if (more != bytes || memcmp(text, second, bytes) != 0) abort();
        }
        leann_value_free(leann_table_json(t));
        FILE *nowhere = fopen("/dev/null", "w");
        if (nowhere) {
            leann_table_write_markdown(t, nowhere);
            fclose(nowhere);
        }
        free(text);
        free(second);
    } else if (!leann_ctx_error(ctx)[0]) {
        abort();
    }
    leann_table_free(t);
    leann_table_free(again);
    leann_ctx_free(ctx);
    return 0;
}
