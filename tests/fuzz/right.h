/* right.h – an index file of any bytes made to pass its checksums, so that a fuzzer gets past them to what they guard.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_FUZZ_RIGHT_H
#define LEANN_FUZZ_RIGHT_H

#include <stdint.h>
#include <string.h>

#include "core/container.h"

enum { HEADER = 64, ENTRY = 64, BLOCK = 1 << 20 };

static uint64_t u64_at(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static void put_crc(uint8_t *at, const uint8_t *from, size_t bytes)
{
    uint32_t crc = leann_crc32c(0, from, bytes);
    memcpy(at, &crc, sizeof crc);
}

/* The right magic, size and checksums, as far as what the bytes say of where they are makes sense. */
static void make_right(uint8_t *file, size_t size)
{
    if (size < HEADER + 4) return;
    uint64_t bytes = size, directory = u64_at(file + 24), left;
    memcpy(file, "LEANNIDX\1\0\0\0", 12);
    memcpy(file + 16, &bytes, 8);
    if (directory >= HEADER && directory <= size - 4) {
        uint32_t sections;
        memcpy(&sections, file + 40, 4);
        left = size - directory;
        memcpy(file + 32, &left, 8);
        uint8_t *crc = file + directory + (uint64_t)sections * ENTRY, *last = file + size - 4;
        for (uint32_t i = 0; (uint64_t)sections * ENTRY <= left - 4 && i < sections; i++) {
            uint64_t offset = u64_at(file + directory + (size_t)i * ENTRY + 48), n = u64_at(file + directory + (size_t)i * ENTRY + 56);
            if (offset > directory || n > directory - offset) break;
            for (; n > 0 && crc + 4 <= last; crc += 4) {
                uint64_t block = n < BLOCK ? n : BLOCK;
                put_crc(crc, file + offset, block);
                offset += block;
                n -= block;
            }
        }
        put_crc(last, file + directory, left - 4);
    }
    put_crc(file + 60, file, 60);
}

#endif
