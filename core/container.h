/* container.h – the index file: named, aligned, checksummed sections written once and mapped afterwards.
 *
 *   offset 0   header, 64 bytes: magic "LEANNIDX", u32 version, u32 flags (0), u64 file bytes, u64 directory offset,
 *              u64 directory bytes, u32 sections, u32 zero, u64 zero, u32 zero, u32 CRC32C of the 60 bytes before
 *   then       sections, each at a multiple of 64 (4096 when it holds >= 1 MiB, or pages), padding zero
 *   last       directory: for each section one 64-byte entry – char name[24], u8 dtype, u8 part, u16 zero, u32 blocks,
 *              u64 rows, u64 stride, u64 offset, u64 bytes – then all block CRC32Cs (one a 1 MiB), then the CRC32C of the directory
 *
 * All little-endian. The ledger of a file adds up to its size exactly: headers, directory and padding are LEANN_PART_META.
 * Pages (LEANN_PAGES, 4 KiB each) are for reading one by one past the map: what is checked of them at opening does not stay resident.
 * A section of pages may hold several parts at once, so it is followed by <name>.parts (parts, 2) u64: each part in it, ascending, and
 * its bytes, which add up to the section.
 * Stages of a build are kept in the same container.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_CONTAINER_H
#define LEANN_CONTAINER_H

#include "core/ctx.h"

#define LEANN_CONTAINER_MAGIC "LEANNIDX" /* 8 bytes, without the NUL */

typedef enum {
    LEANN_PART_META = 0, /* header, directory, padding, manifest */
    LEANN_PART_GRAPH,
    LEANN_PART_CODES,
    LEANN_PART_ANCHORS,
    LEANN_PART_CODEBOOKS,
    LEANN_PART_IDS,
    LEANN_PART_VECTORS,
    LEANN_PART_TEXT,
    LEANN_PART_DELTA,
    LEANN_PARTS
} leann_part;
const char *leann_part_word(leann_part part);

typedef struct {
    uint64_t bytes[LEANN_PARTS];
    uint32_t sections; /* so far: the running file position is kept to predict padding */
    uint64_t position;
    uint64_t blocks;
} leann_ledger;
uint64_t leann_ledger_total(const leann_ledger *ledger);
/* Of a section of pages. As on disk. */
typedef struct {
    uint64_t part, bytes;
} leann_share;
/* Prediction: what the writer would do. begin, then the sections in the order in which save writes them, then end. */
void leann_ledger_begin(leann_ledger *ledger);
void leann_ledger_add(leann_ledger *ledger, leann_part part, uint64_t bytes);
void leann_ledger_add_pages(leann_ledger *ledger, const leann_share *share, uint32_t shares);
void leann_ledger_end(leann_ledger *ledger);

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

typedef struct leann_writer leann_writer;
/* Opens a temporary file beside path. Nothing is seen under path before leann_writer_commit. */
leann_status leann_writer_new(leann_ctx *ctx, const char *path, leann_writer **out);
/* One section of rows * stride bytes. name: at most 23 of [a-z0-9_.-], unique in the file. */
leann_status leann_writer_add(leann_writer *w, const char *name, leann_part part, leann_dtype type, uint64_t rows, uint64_t stride,
                              const void *data);
/* The same piece by piece, for what is not in memory at once: begin, pieces of any size in order, end. LEANN_PAGES: then the shares. */
leann_status leann_writer_begin(leann_writer *w, const char *name, leann_part part, leann_dtype type, uint64_t rows, uint64_t stride);
leann_status leann_writer_put(leann_writer *w, const void *data, uint64_t bytes);
leann_status leann_writer_end(leann_writer *w); /* EINVAL unless rows * stride bytes were put */
/* How the section of pages just written divides among parts. */
leann_status leann_writer_share(leann_writer *w, const leann_share *share, uint32_t shares);
/* Directory, header, fsync, rename, fsync of the folder. On failure the old file under path is untouched. */
leann_status leann_writer_commit(leann_writer *w);
void leann_writer_free(leann_writer *w); /* uncommitted: removes the temporary file */
leann_ctx *leann_writer_ctx(const leann_writer *w);

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

typedef struct leann_reader leann_reader;
typedef struct {
    const char *name;
    leann_part part;
    leann_dtype type;
    uint64_t rows, stride, bytes, offset;
    const void *data; /* mapped, read-only, aligned as above; lives as long as the reader. What is read of it becomes resident */
} leann_section;

/* Maps the file and checks everything: magic, version, size, header, directory, overlaps, overflows, padding and all checksums.
 *   errors  EFORMAT with what is wrong and where; ENOTFOUND; EIO */
leann_status leann_reader_open(leann_ctx *ctx, const char *path, leann_reader **out);
/* The two halves of that: all but the checksums of the blocks, which costs nothing by the byte (90 MB: 0.1 ms, not 40), for large files
 * that are opened often and of which any bytes will do; and those checksums. A ledger is right only after the second. */
leann_status leann_reader_map(leann_ctx *ctx, const char *path, leann_reader **out);
leann_status leann_reader_check(leann_ctx *ctx, leann_reader *r);
leann_reader *leann_reader_keep(leann_reader *r); /* counted: an index keeps its reader */
void leann_reader_free(leann_reader *r);
size_t leann_reader_sections(const leann_reader *r);
const leann_section *leann_reader_at(const leann_reader *r, size_t i);
const leann_section *leann_reader_find(const leann_reader *r, const char *name); /* NULL when absent */
/* The section, refused unless it has exactly that type, rows and stride. */
leann_status leann_reader_need(leann_ctx *ctx, const leann_reader *r, const char *name, leann_dtype type, uint64_t rows, uint64_t stride,
                               const void **data);
/* The section's bytes are not needed for a while: they leave resident memory, and come back from the file when they are read. */
void leann_reader_release(const leann_section *section);
/* The file itself, for reading a section at its offset instead of through the map; the reader's own. */
int leann_reader_file(const leann_reader *r);
void leann_reader_ledger(const leann_reader *r, leann_ledger *out);
const char *leann_reader_path(const leann_reader *r);

/* ---- what formats share ------------------------------------------------------------------------------------------------ */

uint32_t leann_crc32c(uint32_t crc, const void *data, size_t bytes); /* start with 0 */
/* ids of [0, n) in ceil(log2 n) bits each, packed little-endian, 8 spare bytes at the end so that a reader may load 64 bits. */
unsigned leann_bits_for(uint32_t n); /* bits an id needs, at least 1 */
uint64_t leann_packed_bytes(uint64_t count, unsigned bits);
void leann_bits_pack(const uint32_t *ids, uint64_t count, unsigned bits, uint8_t *out);
static inline uint32_t leann_bits_at(const uint8_t *packed, uint64_t i, unsigned bits)
{
    uint64_t bit = i * bits, word;
    __builtin_memcpy(&word, packed + (bit >> 3), sizeof word);
    return (uint32_t)(word >> (bit & 7)) & (uint32_t)((bits < 32 ? (1ULL << bits) : (1ULL << 32)) - 1);
}

/* sha256 of text or data, as 64 hex digits and a NUL, or as bytes (nettle is behind this door). */
typedef struct leann_sha leann_sha;
leann_sha *leann_sha_new(void); /* NULL when memory runs out */
void leann_sha_add(leann_sha *sha, const void *data, size_t bytes);
void leann_sha_end(leann_sha *sha, char hex[65]);          /* frees it */
void leann_sha_end_bytes(leann_sha *sha, uint8_t sum[32]); /* so does this */

/* Any small file, the same careful way: temporary, fsync, rename, fsync of the folder. */
leann_status leann_file_write(leann_ctx *ctx, const char *path, const void *data, size_t bytes);
/* A whole file into heap memory with a NUL behind it; refuses more than limit bytes. */
leann_status leann_file_read(leann_ctx *ctx, const char *path, size_t limit, char **data, size_t *bytes);
leann_status leann_folder_make(leann_ctx *ctx, const char *path); /* mkdir -p */

#endif
