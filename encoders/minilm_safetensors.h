/* minilm_safetensors.h – the tensors of a safetensors file, by name, as float32.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_MINILM_SAFETENSORS_H
#define LEANN_MINILM_SAFETENSORS_H

#include "core/value.h"

typedef struct leann_safetensors leann_safetensors; /* immutable: any number of threads */
typedef struct leann_tensor leann_tensor;           /* borrowed from the file's */

/* Reads the header and checks it against the file: names, types, shapes and places of all tensors, of those nobody wants too.
 *   errors  ENOTFOUND, EIO; EFORMAT with tensor, value and limit; ELIMIT a header of more than 16 MiB; ENOMEM */
leann_status leann_safetensors_open(leann_ctx *ctx, const char *path, leann_safetensors **out);
void leann_safetensors_free(leann_safetensors *self);

/* The tensor of exactly that shape, (rows, cols) or, where cols is 0, (rows); a name may have "bert." before it in the file.
 *   errors  EFORMAT missing, another shape; EUNSUPPORTED neither F32, F16 nor BF16 */
leann_status leann_safetensors_need(leann_ctx *ctx, const leann_safetensors *self, const char *name, uint64_t rows, uint64_t cols,
                                    const leann_tensor **out);
/* Elements [first, first + n) of a tensor that was needed.
 *   shape   x (n) out, exact
 *   errors  EIO, also where the file has become shorter; EFORMAT NaN or infinity: says where */
leann_status leann_safetensors_read(leann_ctx *ctx, const leann_safetensors *self, const leann_tensor *tensor, uint64_t first, size_t n,
                                    float *x);
uint64_t leann_tensor_elements(const leann_tensor *tensor);
const char *leann_tensor_type(const leann_tensor *tensor); /* "F32" */

#endif
