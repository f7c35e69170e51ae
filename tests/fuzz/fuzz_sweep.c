/* fuzz_sweep.c – any bytes as a sweep file: refused with a sentence, or expanded over two small data sets.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "eval/sweep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leann_dataset_info info[4] = {0};
    leann_sweep *sweep = NULL;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    if (!ctx) return 0;
    for (int i = 0; i < 4; i++) info[i] = (leann_dataset_info){.n = 1000, .d = 24, .queries = 50, .gt_k = 20, .type = LEANN_F32};
    leann_status s = leann_sweep_parse(ctx, "fuzz", (const char *)data, size, &sweep);
    if (!s && sweep->datas <= 4) {
        s = leann_sweep_expand(ctx, sweep, info);
        for (uint32_t i = 0; i < sweep->datas && !s; i++) s = leann_sweep_identify(ctx, sweep, i, "abc");
        if (!s) s = leann_sweep_only(ctx, sweep, "k=1,method=flat");
    }
    if (s && !*leann_ctx_error(ctx)) abort(); /* a failure without its sentence */
    if (!s || sweep) leann_sweep_free(sweep);
    leann_ctx_free(ctx);
    return 0;
}
