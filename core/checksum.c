/* checksum.c – sha256 as hex digits (the door to nettle) and CRC-32C (the kernels').
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <nettle/sha2.h>

#include "core/container.h"
#include "core/simd/kernels.h"

struct leann_sha {
    struct sha256_ctx state;
};

leann_sha *leann_sha_new(void)
{
    leann_sha *sha = malloc(sizeof *sha);
    if (sha) sha256_init(&sha->state);
    return sha;
}

void leann_sha_add(leann_sha *sha, const void *data, size_t bytes)
{
    sha256_update(&sha->state, bytes, data);
}

void leann_sha_end_bytes(leann_sha *sha, uint8_t sum[32])
{
    sha256_digest(&sha->state, SHA256_DIGEST_SIZE, sum);
    free(sha);
}

void leann_sha_end(leann_sha *sha, char hex[65])
{
    static const char digit[] = "0123456789abcdef";
    uint8_t sum[SHA256_DIGEST_SIZE];
    leann_sha_end_bytes(sha, sum);
    for (size_t i = 0; i < sizeof sum; i++) {
        hex[2 * i] = digit[sum[i] >> 4];
        hex[2 * i + 1] = digit[sum[i] & 15];
    }
    hex[64] = '\0';
}

uint32_t leann_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    return leann_kernels_get()->crc32c(crc, data, bytes);
}
