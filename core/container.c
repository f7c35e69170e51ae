/* container.c – the index file: its writer, its reader, and the ledger that predicts every byte of it.
 *
 * The layout is in container.h. It is canonical: names, sizes and order of the sections fix every offset, so the reader accepts
 * exactly what the writer would have written and nothing else; gaps, overlaps and hidden bytes cannot be stated. Writing costs one
 * pass, opening another (one CRC-32C of each 1 MiB block, in parallel); blocks of pages are let go once they are checked.
 *
 * Source: Castagnoli, Bräuer & Herrmann 1993 (the polynomial of CRC-32C).
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/container.h"
#include "core/files.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "index files are little-endian and mapped as they are");

#define PARTS ".parts" /* ends the name of the section that divides the one before it */

enum { VERSION = 1, BLOCK = 1 << 20, ALIGN = 64, LARGE_ALIGN = 4096, MAX_SECTIONS = 1024, NAME = 24, TYPES = LEANN_PAGES + 1 };

typedef struct { /* as on disk */
    char magic[8];
    uint32_t version, flags;
    uint64_t file_bytes, directory, directory_bytes;
    uint32_t sections, zero0;
    uint64_t zero1;
    uint32_t zero2, crc;
} header;
_Static_assert(sizeof(header) == 64, "a header has 64 bytes");

typedef struct { /* as on disk */
    char name[NAME];
    uint8_t type, part;
    uint16_t zero;
    uint32_t blocks;
    uint64_t rows, stride, offset, bytes;
} entry;
_Static_assert(sizeof(entry) == 64, "an entry has 64 bytes");

const char *leann_part_word(leann_part part)
{
    static const char *const word[LEANN_PARTS] = {"meta", "graph", "codes", "anchors", "codebooks", "ids", "vectors", "text", "delta"};
    return (unsigned)part < LEANN_PARTS ? word[part] : "unknown";
}

/* ---- the layout, in one place ------------------------------------------------------------------------------------------- */

static uint64_t align_to(uint64_t position, uint64_t unit)
{
    return (position + unit - 1) / unit * unit;
}

static uint64_t place(uint64_t position, uint64_t bytes, bool pages)
{
    return align_to(position, pages || bytes >= BLOCK ? LARGE_ALIGN : ALIGN);
}

static uint64_t blocks_of(uint64_t bytes)
{
    return bytes / BLOCK + (bytes % BLOCK != 0);
}

static uint64_t directory_bytes(uint64_t sections, uint64_t blocks)
{
    return sections * sizeof(entry) + blocks * 4 + 4;
}

uint64_t leann_ledger_total(const leann_ledger *ledger)
{
    uint64_t total = 0;
    for (int i = 0; i < LEANN_PARTS; i++) total += ledger->bytes[i];
    return total;
}

void leann_ledger_begin(leann_ledger *ledger)
{
    *ledger = (leann_ledger){.bytes[LEANN_PART_META] = sizeof(header), .position = sizeof(header)};
}

static void add_section(leann_ledger *ledger, uint64_t bytes, bool pages)
{
    uint64_t offset = place(ledger->position, bytes, pages);
    ledger->bytes[LEANN_PART_META] += offset - ledger->position;
    ledger->position = offset + bytes;
    ledger->sections++;
    ledger->blocks += blocks_of(bytes);
}

void leann_ledger_add(leann_ledger *ledger, leann_part part, uint64_t bytes)
{
    add_section(ledger, bytes, false);
    ledger->bytes[part] += bytes;
}

static void add_pages(leann_ledger *ledger, const leann_share *share, uint32_t shares)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < shares; i++) {
        ledger->bytes[share[i].part] += share[i].bytes;
        bytes += share[i].bytes;
    }
    add_section(ledger, bytes, true);
}

void leann_ledger_add_pages(leann_ledger *ledger, const leann_share *share, uint32_t shares)
{
    add_pages(ledger, share, shares);
    leann_ledger_add(ledger, LEANN_PART_META, shares * sizeof *share);
}

void leann_ledger_end(leann_ledger *ledger)
{
    uint64_t end = align_to(ledger->position, ALIGN) + directory_bytes(ledger->sections, ledger->blocks);
    ledger->bytes[LEANN_PART_META] += end - ledger->position;
    ledger->position = end;
}

static bool name_is_fine(const char name[NAME]) /* 1 … 23 of the set, then NULs */
{
    size_t n = strnlen(name, NAME);
    if (n == 0 || n == NAME) return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-')) return false;
    }
    for (size_t i = n; i < NAME; i++)
        if (name[i]) return false;
    return true;
}

/* ---- writing -------------------------------------------------------------------------------------------------------------- */

struct leann_writer {
    leann_ctx *ctx;
    leann_draft draft;
    leann_status status;     /* a writer that failed once writes no more */
    uint64_t position, left; /* left: bytes that the last section still lacks */
    entry *entries;          /* (MAX_SECTIONS) */
    uint32_t sections;
    uint32_t *crcs; /* (room) of all blocks so far */
    size_t blocks, room;
};

leann_status leann_writer_new(leann_ctx *ctx, const char *path, leann_writer **out)
{
    *out = NULL;
    leann_writer *w = leann_alloc(ctx, 1, sizeof *w);
    if (!w) return LEANN_ENOMEM;
    w->ctx = ctx;
    w->draft.fd = -1;
    w->position = sizeof(header);
    w->entries = leann_alloc(ctx, MAX_SECTIONS, sizeof *w->entries);
    leann_status status = w->entries ? leann_draft_open(ctx, path, &w->draft) : LEANN_ENOMEM;
    if (status == LEANN_OK)
        *out = w;
    else
        leann_writer_free(w);
    return status;
}

void leann_writer_free(leann_writer *w)
{
    if (!w) return;
    leann_draft_drop(&w->draft);
    leann_free(w->entries);
    leann_free(w->crcs);
    leann_free(w);
}

leann_ctx *leann_writer_ctx(const leann_writer *w)
{
    return w->ctx;
}

static leann_status reserve_blocks(leann_writer *w, uint64_t more)
{
    if (more <= w->room - w->blocks) return LEANN_OK;
    size_t room = w->blocks + more + w->room;
    uint32_t *crcs = leann_alloc(w->ctx, room, sizeof *crcs);
    if (!crcs) return LEANN_ENOMEM;
    if (w->blocks) memcpy(crcs, w->crcs, w->blocks * sizeof *crcs);
    leann_free(w->crcs);
    w->crcs = crcs;
    w->room = room;
    return LEANN_OK;
}

/* Zeros up to offset: the file has no holes, so that a full disk is met here and not at a reader's page fault. */
static leann_status write_padding(leann_writer *w, uint64_t offset)
{
    static const char zeros[LARGE_ALIGN];
    assert(offset - w->position < sizeof zeros);
    leann_status status = leann_draft_write(&w->draft, w->position, zeros, offset - w->position);
    w->position = offset;
    return status;
}

static leann_status check_section(leann_writer *w, const char *name, leann_part part, leann_dtype type, uint64_t rows, uint64_t stride)
{
    const char *path = w->draft.path;
    uint64_t bytes;
    entry e = {.name = ""};
    memcpy(e.name, name, strnlen(name, NAME));
    if (!name_is_fine(e.name))
        return leann_fail(w->ctx, LEANN_EINVAL, "%s: section name \"%s\" is not 1 to %d of [a-z0-9_.-]", path, name, NAME - 1);
    for (uint32_t i = 0; i < w->sections; i++)
        if (strcmp(w->entries[i].name, name) == 0) return leann_fail(w->ctx, LEANN_EINVAL, "%s: section %s is there already", path, name);
    if (w->sections == MAX_SECTIONS)
        return leann_fail(w->ctx, LEANN_ELIMIT, "%s: section %s is one more than %d, the limit", path, name, MAX_SECTIONS);
    if ((unsigned)part >= LEANN_PARTS || (unsigned)type >= TYPES)
        return leann_fail(w->ctx, LEANN_EINVAL, "%s: section %s has no part %d or type %d", path, name, (int)part, (int)type);
    if (stride % leann_dtype_bytes(type) != 0)
        return leann_fail(w->ctx, LEANN_EINVAL, "%s: section %s has rows of %ju bytes, no multiple of %zu (%s)", path, name,
                          (uintmax_t)stride, leann_dtype_bytes(type), leann_dtype_word(type));
    if (__builtin_mul_overflow(rows, stride, &bytes) || bytes > (uint64_t)UINT32_MAX * BLOCK)
        return leann_fail(w->ctx, LEANN_EINVAL, "%s: section %s of %ju rows of %ju bytes is too large for a file", path, name,
                          (uintmax_t)rows, (uintmax_t)stride);
    return LEANN_OK;
}

static leann_status begin(leann_writer *w, const char *name, leann_part part, leann_dtype type, uint64_t rows, uint64_t stride)
{
    assert(w->left == 0); /* the section before has been ended */
    leann_status status = check_section(w, name, part, type, rows, stride);
    if (status != LEANN_OK) return status;
    uint64_t bytes = rows * stride, blocks = blocks_of(bytes);
    status = reserve_blocks(w, blocks);
    if (status == LEANN_OK) status = write_padding(w, place(w->position, bytes, type == LEANN_PAGES));
    if (status != LEANN_OK) return status;
    entry *e = &w->entries[w->sections++];
    *e = (entry){.type = (uint8_t)type,
                 .part = (uint8_t)part,
                 .blocks = (uint32_t)blocks,
                 .rows = rows,
                 .stride = stride,
                 .offset = w->position,
                 .bytes = bytes};
    memcpy(e->name, name, strnlen(name, NAME));
    w->left = bytes;
    return LEANN_OK;
}

leann_status leann_writer_begin(leann_writer *w, const char *name, leann_part part, leann_dtype type, uint64_t rows, uint64_t stride)
{
    if (w->status == LEANN_OK) w->status = begin(w, name, part, type, rows, stride);
    return w->status;
}

/* Up to the end of a block at a time: its checksum goes on where the last piece left it. */
static leann_status put(leann_writer *w, const char *data, uint64_t bytes)
{
    const entry *e = &w->entries[w->sections - 1];
    if (bytes > w->left)
        return leann_fail(w->ctx, LEANN_EINVAL, "%s: section %s takes %ju bytes, but %ju more are given", w->draft.path, e->name,
                          (uintmax_t)e->bytes, (uintmax_t)(bytes - w->left));
    leann_status status = LEANN_OK;
    while (bytes > 0 && status == LEANN_OK) {
        uint64_t at = (e->bytes - w->left) % BLOCK, room = BLOCK - at;
        size_t n = bytes < room ? (size_t)bytes : (size_t)room;
        if (at == 0) w->crcs[w->blocks++] = 0;
        w->crcs[w->blocks - 1] = leann_crc32c(w->crcs[w->blocks - 1], data, n);
        status = leann_draft_write(&w->draft, w->position, data, n);
        w->position += n;
        w->left -= n;
        data += n;
        bytes -= n;
    }
    return status;
}

leann_status leann_writer_put(leann_writer *w, const void *data, uint64_t bytes)
{
    if (w->status == LEANN_OK) w->status = put(w, data, bytes);
    return w->status;
}

leann_status leann_writer_end(leann_writer *w)
{
    if (w->status == LEANN_OK && w->left > 0)
        w->status = leann_fail(w->ctx, LEANN_EINVAL, "%s: section %s lacks %ju of its bytes", w->draft.path,
                               w->entries[w->sections - 1].name, (uintmax_t)w->left);
    return w->status;
}

leann_status leann_writer_add(leann_writer *w, const char *name, leann_part part, leann_dtype type, uint64_t rows, uint64_t stride,
                              const void *data)
{
    leann_status status = leann_writer_begin(w, name, part, type, rows, stride);
    if (status == LEANN_OK) status = leann_writer_put(w, data, rows * stride);
    return status == LEANN_OK ? leann_writer_end(w) : status;
}

leann_status leann_writer_share(leann_writer *w, const leann_share *share, uint32_t shares)
{
    char name[NAME + sizeof PARTS];
    if (w->status != LEANN_OK) return w->status;
    snprintf(name, sizeof name, "%s" PARTS, w->entries[w->sections - 1].name);
    return leann_writer_add(w, name, LEANN_PART_META, LEANN_U64, shares, sizeof *share, share);
}

static leann_status finish(leann_writer *w)
{
    leann_status status = write_padding(w, align_to(w->position, ALIGN));
    if (status != LEANN_OK) return status;
    size_t list = w->sections * sizeof(entry), sums = w->blocks * sizeof *w->crcs;
    header h = {
        .version = VERSION, .directory = w->position, .directory_bytes = directory_bytes(w->sections, w->blocks), .sections = w->sections};
    memcpy(h.magic, LEANN_CONTAINER_MAGIC, sizeof h.magic);
    h.file_bytes = h.directory + h.directory_bytes;
    h.crc = leann_crc32c(0, &h, sizeof h - sizeof h.crc);
    uint32_t crc = leann_crc32c(leann_crc32c(0, w->entries, list), w->crcs, sums);
    status = leann_draft_write(&w->draft, w->position, w->entries, list);
    if (status == LEANN_OK) status = leann_draft_write(&w->draft, w->position + list, w->crcs, sums);
    if (status == LEANN_OK) status = leann_draft_write(&w->draft, w->position + list + sums, &crc, sizeof crc);
    if (status == LEANN_OK) status = leann_draft_write(&w->draft, 0, &h, sizeof h);
    return status == LEANN_OK ? leann_draft_commit(&w->draft) : status;
}

leann_status leann_writer_commit(leann_writer *w)
{
    if (leann_writer_end(w) == LEANN_OK) w->status = finish(w);
    return w->status;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

struct leann_reader {
    atomic_uint holders;
    int fd;
    char *path;
    const char *base; /* the map */
    uint64_t bytes;
    const header *head;
    const entry *entries;
    const uint32_t *crcs; /* (blocks): of the first section's blocks, then of the second's … */
    uint64_t blocks;
    leann_section *sections;
};

static leann_status check_header(leann_ctx *ctx, leann_reader *r)
{
    const header *h = r->head = (const header *)r->base;
    if (memcmp(h->magic, LEANN_CONTAINER_MAGIC, sizeof h->magic) != 0)
        return leann_fail(ctx, LEANN_EFORMAT, "%s is no leann index: it does not begin with %.8s", r->path, LEANN_CONTAINER_MAGIC);
    if (h->version != VERSION)
        return leann_fail(ctx, LEANN_EFORMAT, "%s has format version %u; this program reads version %d", r->path, h->version, VERSION);
    uint32_t crc = leann_crc32c(0, h, sizeof *h - sizeof h->crc);
    if (crc != h->crc) return leann_fail(ctx, LEANN_EFORMAT, "%s is damaged: header checksum %08x, stated %08x", r->path, crc, h->crc);
    if (h->flags || h->zero0 || h->zero1 || h->zero2)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: reserved bytes of the header are not 0", r->path);
    if (h->file_bytes != r->bytes)
        return leann_fail(ctx, LEANN_EFORMAT, "%s has %ju bytes; its header states %ju (truncated?)", r->path, (uintmax_t)r->bytes,
                          (uintmax_t)h->file_bytes);
    if (h->sections > MAX_SECTIONS)
        return leann_fail(ctx, LEANN_EFORMAT, "%s states %u sections; the limit is %d", r->path, h->sections, MAX_SECTIONS);
    uint64_t least = directory_bytes(h->sections, 0);
    if (h->directory < sizeof *h || h->directory % ALIGN != 0 || h->directory > r->bytes || h->directory_bytes != r->bytes - h->directory ||
        h->directory_bytes < least || (h->directory_bytes - least) % 4 != 0)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: a directory of %u sections cannot be %ju bytes at %ju of %ju", r->path, h->sections,
                          (uintmax_t)h->directory_bytes, (uintmax_t)h->directory, (uintmax_t)r->bytes);
    r->entries = (const entry *)(r->base + h->directory);
    r->crcs = (const uint32_t *)(r->entries + h->sections);
    r->blocks = (h->directory_bytes - least) / 4;
    crc = leann_crc32c(0, r->entries, h->directory_bytes - 4);
    if (crc != r->crcs[r->blocks])
        return leann_fail(ctx, LEANN_EFORMAT, "%s is damaged: directory checksum %08x, stated %08x", r->path, crc, r->crcs[r->blocks]);
    return LEANN_OK;
}

static leann_status check_zeros(leann_ctx *ctx, const leann_reader *r, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        if (r->base[i])
            return leann_fail(ctx, LEANN_EFORMAT, "%s is damaged: padding byte %ju is %d, not 0", r->path, (uintmax_t)i,
                              (unsigned char)r->base[i]);
    return LEANN_OK;
}

/* Entry i, whose section must begin at the first aligned place past position and end before the directory. */
static leann_status check_entry(leann_ctx *ctx, const leann_reader *r, uint32_t i, uint64_t position)
{
    const entry *e = &r->entries[i];
    uint64_t bytes;
    if (!name_is_fine(e->name))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: the name of section %u is not 1 to %d of [a-z0-9_.-]", r->path, i, NAME - 1);
    for (uint32_t j = 0; j < i; j++)
        if (strcmp(r->entries[j].name, e->name) == 0)
            return leann_fail(ctx, LEANN_EFORMAT, "%s: sections %u and %u are both %s", r->path, j, i, e->name);
    if (e->type >= TYPES || e->part >= LEANN_PARTS || e->zero)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: section %s has type %u of %d, part %u of %d", r->path, e->name, e->type, TYPES, e->part,
                          LEANN_PARTS);
    if (__builtin_mul_overflow(e->rows, e->stride, &bytes) || bytes != e->bytes || e->stride % leann_dtype_bytes(e->type) != 0)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: section %s of %ju bytes cannot be %ju rows of %ju bytes of %s", r->path, e->name,
                          (uintmax_t)e->bytes, (uintmax_t)e->rows, (uintmax_t)e->stride, leann_dtype_word(e->type));
    uint64_t offset = place(position, bytes, e->type == LEANN_PAGES);
    if (e->offset != offset)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: section %s is at %ju, not at %ju behind the one before", r->path, e->name,
                          (uintmax_t)e->offset, (uintmax_t)offset);
    if (offset > r->head->directory || bytes > r->head->directory - offset)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: section %s of %ju bytes at %ju runs into the directory at %ju", r->path, e->name,
                          (uintmax_t)bytes, (uintmax_t)offset, (uintmax_t)r->head->directory);
    if (e->blocks != blocks_of(bytes))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: section %s of %ju bytes states %u blocks of 1 MiB", r->path, e->name, (uintmax_t)bytes,
                          e->blocks);
    return check_zeros(ctx, r, position, offset);
}

static leann_status check_directory(leann_ctx *ctx, leann_reader *r)
{
    uint64_t position = sizeof(header), blocks = 0;
    for (uint32_t i = 0; i < r->head->sections; i++) {
        const entry *e = &r->entries[i];
        leann_status status = check_entry(ctx, r, i, position);
        if (status != LEANN_OK) return status;
        position = e->offset + e->bytes;
        blocks += e->blocks;
        r->sections[i] = (leann_section){.name = e->name,
                                         .part = e->part,
                                         .type = e->type,
                                         .rows = e->rows,
                                         .stride = e->stride,
                                         .bytes = e->bytes,
                                         .offset = e->offset,
                                         .data = r->base + e->offset};
    }
    if (align_to(position, ALIGN) != r->head->directory)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: the directory is at %ju, not at %ju behind the last section", r->path,
                          (uintmax_t)r->head->directory, (uintmax_t)align_to(position, ALIGN));
    if (blocks != r->blocks)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: the directory has %ju block checksums for %ju blocks", r->path, (uintmax_t)r->blocks,
                          (uintmax_t)blocks);
    return check_zeros(ctx, r, position, r->head->directory);
}

static leann_status check_blocks(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const leann_reader *r = arg;
    uint64_t first = 0; /* block of section i */
    for (uint32_t i = 0; i < r->head->sections && first < end; first += r->entries[i++].blocks) {
        const leann_section *s = &r->sections[i];
        for (uint64_t b = first > begin ? first : begin; b < end && b < first + r->entries[i].blocks; b++) {
            uint64_t at = (b - first) * BLOCK, n = s->bytes - at < BLOCK ? s->bytes - at : BLOCK;
            uint32_t crc = leann_crc32c(0, (const char *)s->data + at, n);
            leann_pages_forget((const char *)s->data + at, n); /* who opens a file just for its ledger reads no more of it */
            if (crc != r->crcs[b])
                return leann_fail(ctx, LEANN_EFORMAT, "%s is damaged: section %s, bytes %ju to %ju, checksum %08x, stated %08x", r->path,
                                  s->name, (uintmax_t)at, (uintmax_t)(at + n), crc, r->crcs[b]);
        }
    }
    return LEANN_OK;
}

static leann_status map_file(leann_ctx *ctx, leann_reader *r)
{
    struct stat about;
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hold us up */
    if (r->fd < 0 || fstat(r->fd, &about) != 0) return leann_fail_errno(ctx, "cannot open %s", r->path);
    uint64_t least = sizeof(header) + directory_bytes(0, 0);
    if (!S_ISREG(about.st_mode)) return leann_fail(ctx, LEANN_EFORMAT, "%s is not a regular file", r->path);
    if ((uint64_t)about.st_size < least)
        return leann_fail(ctx, LEANN_EFORMAT, "%s is no leann index: %jd bytes, the least is %ju", r->path, (intmax_t)about.st_size,
                          (uintmax_t)least);
    void *map = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, r->fd, 0);
    if (map == MAP_FAILED) return leann_fail_errno(ctx, "cannot map %s", r->path);
    r->base = map;
    r->bytes = (uint64_t)about.st_size;
    return LEANN_OK;
}

/* The shares of section i, which are the section behind it; NULL unless they add up to it. Their checksum has been found right. */
static const leann_share *shares_of(const leann_reader *r, uint32_t i, uint32_t *n)
{
    const leann_section *s = &r->sections[i], *parts = s + 1;
    size_t length = strlen(s->name);
    if (i + 1 == r->head->sections || strncmp(parts->name, s->name, length) != 0 || strcmp(parts->name + length, PARTS) != 0) return NULL;
    if (parts->type != LEANN_U64 || parts->stride != sizeof(leann_share) || parts->rows == 0 || parts->rows > LEANN_PARTS) return NULL;
    const leann_share *share = parts->data;
    uint64_t left = s->bytes;
    for (uint64_t j = 0; j < parts->rows; left -= share[j++].bytes)
        if (share[j].part >= LEANN_PARTS || (j > 0 && share[j].part <= share[j - 1].part) || share[j].bytes > left) return NULL;
    *n = (uint32_t)parts->rows;
    return left == 0 ? share : NULL;
}

static leann_status check_shares(leann_ctx *ctx, const leann_reader *r)
{
    uint32_t n;
    for (uint32_t i = 0; i < r->head->sections; i++)
        if (r->sections[i].type == LEANN_PAGES && !shares_of(r, i, &n))
            return leann_fail(ctx, LEANN_EFORMAT, "%s: section %s is of pages, but no %s" PARTS " behind it says what their %ju bytes are",
                              r->path, r->sections[i].name, r->sections[i].name, (uintmax_t)r->sections[i].bytes);
    return LEANN_OK;
}

leann_status leann_reader_map(leann_ctx *ctx, const char *path, leann_reader **out)
{
    *out = NULL;
    leann_reader *r = leann_alloc(ctx, 1, sizeof *r);
    if (!r) return LEANN_ENOMEM;
    atomic_init(&r->holders, 1);
    r->fd = -1;
    r->path = leann_format(ctx, "%s", path);
    leann_status status = r->path ? map_file(ctx, r) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = check_header(ctx, r);
    if (status != LEANN_OK) goto done;
    r->sections = leann_alloc(ctx, r->head->sections, sizeof *r->sections);
    status = r->sections ? check_directory(ctx, r) : LEANN_ENOMEM;
done:
    if (status == LEANN_OK)
        *out = r;
    else
        leann_reader_free(r);
    return status;
}

leann_status leann_reader_check(leann_ctx *ctx, leann_reader *r)
{
    leann_status status = leann_parallel(ctx, r->blocks, 16, check_blocks, r);
    return status == LEANN_OK ? check_shares(ctx, r) : status;
}

leann_status leann_reader_open(leann_ctx *ctx, const char *path, leann_reader **out)
{
    leann_status status = leann_reader_map(ctx, path, out);
    if (status == LEANN_OK) status = leann_reader_check(ctx, *out);
    if (status == LEANN_OK) return LEANN_OK;
    leann_reader_free(*out);
    *out = NULL;
    return status;
}

leann_reader *leann_reader_keep(leann_reader *r)
{
    atomic_fetch_add(&r->holders, 1);
    return r;
}

void leann_reader_free(leann_reader *r)
{
    if (!r || atomic_fetch_sub(&r->holders, 1) > 1) return;
    if (r->fd >= 0) close(r->fd);
    if (r->base) munmap((void *)(uintptr_t)r->base, r->bytes);
    leann_free(r->path);
    leann_free(r->sections);
    leann_free(r);
}

size_t leann_reader_sections(const leann_reader *r)
{
    return r->head->sections;
}

const leann_section *leann_reader_at(const leann_reader *r, size_t i)
{
    assert(i < r->head->sections);
    return &r->sections[i];
}

const leann_section *leann_reader_find(const leann_reader *r, const char *name)
{
    for (uint32_t i = 0; i < r->head->sections; i++)
        if (strcmp(r->sections[i].name, name) == 0) return &r->sections[i];
    return NULL;
}

leann_status leann_reader_need(leann_ctx *ctx, const leann_reader *r, const char *name, leann_dtype type, uint64_t rows, uint64_t stride,
                               const void **data)
{
    const leann_section *s = leann_reader_find(r, name);
    *data = NULL;
    if (!s) return leann_fail(ctx, LEANN_EFORMAT, "%s has no section %s", r->path, name);
    if (s->type != type || s->rows != rows || s->stride != stride)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: section %s has %ju rows of %ju bytes of %s, not %ju rows of %ju bytes of %s", r->path,
                          name, (uintmax_t)s->rows, (uintmax_t)s->stride, leann_dtype_word(s->type), (uintmax_t)rows, (uintmax_t)stride,
                          leann_dtype_word(type));
    *data = s->data;
    return LEANN_OK;
}

void leann_reader_release(const leann_section *section)
{
    leann_pages_forget(section->data, section->bytes);
}

void leann_reader_ledger(const leann_reader *r, leann_ledger *out)
{
    leann_ledger_begin(out);
    for (uint32_t i = 0; i < r->head->sections; i++) {
        uint32_t n;
        if (r->sections[i].type == LEANN_PAGES) {
            const leann_share *share = shares_of(r, i, &n);
            add_pages(out, share, n);
        } else
            leann_ledger_add(out, r->sections[i].part, r->sections[i].bytes);
    }
    leann_ledger_end(out);
    assert(leann_ledger_total(out) == r->bytes);
}

int leann_reader_file(const leann_reader *r)
{
    return r->fd;
}

const char *leann_reader_path(const leann_reader *r)
{
    return r->path;
}
