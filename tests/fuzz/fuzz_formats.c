/* fuzz_formats.c – the parsers of vector files (IDX, *vecs, *bin, npy, each perhaps in gzip): the first byte chooses the name.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/source.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(leann_ctx *ctx, leann_source *v)
{
    leann_source_facts about = leann_source_about(v);
    size_t row = about.d * leann_dtype_bytes(about.type);
    uint32_t block = row > 1 << 16 ? 1 : 64;
    void *rows = leann_alloc(ctx, block, row);
    for (uint64_t i = 0; rows && i < about.n; i += block)
        if (leann_source_next(v, about.n - i < block ? (uint32_t)(about.n - i) : block, rows) != LEANN_OK) break;
    leann_free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"x.fvecs", "x.bvecs", "x.ivecs",  "x.fbin",     "x.u8bin",
                                        "x.i8bin", "x.ibin",  "x.npy.gz", "x-ubyte.gz", "x"};
    static leann_ctx *ctx;
    leann_source *v = NULL;
    if (!ctx && !(ctx = leann_ctx_new(1, 1))) abort();
    if (size < 1) return 0;
    leann_ctx_clear(ctx);
    leann_status status = leann_source_memory(ctx, names[data[0] % 10], data + 1, size - 1, &v);
    if (status == LEANN_OK)
        read_rows(ctx, v);
    else if (v || !leann_ctx_error(ctx)[0])
        abort(); /* a failure says what it is, and leaves nothing */
    leann_source_free(v);
    return 0;
}
