/* fuzz_safetensors.c – a safetensors file of any bytes: its header, and the tensors a (4) and b (2, 3), where it has them.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "encoders/minilm_safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_tensor(leann_ctx *ctx, const leann_safetensors *file, const char *name, uint64_t rows, uint64_t cols)
{
    const leann_tensor *tensor;
    size_t n = rows * (cols ? cols : 1);
    leann_ctx_clear(ctx);
    float *x = malloc(n * sizeof *x); /* exactly: a write past it is seen by AddressSanitizer */
    if (!x) abort();
    leann_status status = leann_safetensors_need(ctx, file, name, rows, cols, &tensor);
    if (status == LEANN_OK && leann_tensor_elements(tensor) != n) abort();
    if (status == LEANN_OK) status = leann_safetensors_read(ctx, file, tensor, 0, n, x);
    for (size_t i = 0; status == LEANN_OK && i < n; i++)
        if (!isfinite(x[i])) abort();
    if (status != LEANN_OK && !leann_ctx_error(ctx)[0]) abort(); /* a failure says what it is */
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static leann_ctx *ctx;
    static int fd = -1;
    char path[64];
    leann_safetensors *file;
    if (!ctx && (!(ctx = leann_ctx_new(1, 1)) || (fd = memfd_create("safetensors", MFD_CLOEXEC)) < 0)) abort();
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    leann_ctx_clear(ctx);
    leann_status status = leann_safetensors_open(ctx, path, &file);
    if (status != LEANN_OK) {
        if (file || !leann_ctx_error(ctx)[0]) abort();
        return 0;
    }
    read_tensor(ctx, file, "a", 4, 0);
    read_tensor(ctx, file, "b", 2, 3);
    leann_safetensors_free(file);
    return 0;
}
