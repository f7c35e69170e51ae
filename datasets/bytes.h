/* bytes.h – the bytes of a file in order, gzip-compressed or not (told by its first two bytes), with their number known beforehand.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_BYTES_H
#define LEANN_BYTES_H

#include "core/ctx.h"

typedef struct leann_bytes leann_bytes;
/* A compressed file is read through once to count its bytes and check its sums, so that what a header claims can be held against it.
 *   errors  ENOTFOUND, EIO, EFORMAT damaged or cut compression */
leann_status leann_bytes_open(leann_ctx *ctx, const char *path, leann_bytes **out);
leann_status leann_bytes_memory(leann_ctx *ctx, const char *what, const void *data, size_t size, leann_bytes **out); /* borrowed */
void leann_bytes_free(leann_bytes *b);
uint64_t leann_bytes_size(const leann_bytes *b); /* uncompressed */
bool leann_bytes_packed(const leann_bytes *b);
/* Exactly so many bytes; EFORMAT when there are fewer. */
leann_status leann_bytes_read(leann_bytes *b, void *out, size_t bytes);
/* All stored bytes, mapped until the stream is freed; NULL, with an error, for compressed ones. */
const unsigned char *leann_bytes_map(leann_bytes *b);
leann_status leann_bytes_rewind(leann_bytes *b);

#endif
