/* fuzz_ignore.c – any bytes as a .gitignore and, behind the first NUL, a path: an answer, the same as that of the last line that matches.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "datasets/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int says(leann_ctx *ctx, const char *lines, size_t n, const char *path, bool folder)
{
    leann_ignore *ignore = NULL;
    if (leann_ignore_new(ctx, lines, n, &ignore)) abort();
    int answer = leann_ignore_says(ignore, path, folder);
    leann_ignore_free(ignore);
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *lines = (const char *)data;
    size_t n = strnlen(lines, size), left = size > n ? size - n - 1 : 0;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    char *path = malloc(left + 1);
    if (!ctx || !path || size > 1 << 14) goto done;
    memcpy(path, lines + size - left, left);
    path[left] = '\0';
    for (int folder = 0; folder < 2; folder++) {
        int last = -1, all = says(ctx, lines, n, path, folder);
        size_t skip = n >= 3 && memcmp(lines, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        for (size_t at = skip; at < n;) {
            const char *newline = memchr(lines + at, '\n', n - at);
            size_t length = newline ? (size_t)(newline - (lines + at)) : n - at;
            bool mark = length >= 3 && memcmp(lines + at, "\xef\xbb\xbf", 3) == 0; /* is one only at the file's begin */
            int one = mark ? -2 : says(ctx, lines + at, length, path, folder);
            if (one != -1) last = one;
            at += length + 1;
        }
        if (all < -1 || all > 1 || (last != -2 && last != all)) abort();
    }
done:
    free(path);
    leann_ctx_free(ctx);
    return 0;
}
