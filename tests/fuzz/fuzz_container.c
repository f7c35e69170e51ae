/* fuzz_container.c – any bytes as an index file: once as they are, once with the checksums made right, so that the fuzzer gets past
 * them. A file that opens must add up: its ledger is its size and what prediction says, and every byte of it can be read.
 *
 * The corpus (tests/fuzz/corpus/container/) was made by `fuzz_container`'s own writer: FUZZ_CONTAINER_SEEDS=FOLDER names where its
 * seeds are to go when the target starts.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/container.h"
#include "tests/fuzz/right.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static leann_status write_pages(leann_ctx *ctx, const char *folder)
{
    static const uint8_t page[4096] = {1, 2, 3};
    const leann_share share[] = {{LEANN_PART_GRAPH, 4000}, {LEANN_PART_VECTORS, 96}};
    leann_writer *w = NULL;
    char *path = leann_format(ctx, "%s/pages", folder);
    leann_status status = path ? leann_writer_new(ctx, path, &w) : LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_writer_add(w, "nodes", LEANN_PART_GRAPH, LEANN_PAGES, 1, sizeof page, page);
    if (status == LEANN_OK) status = leann_writer_share(w, share, 2);
    if (status == LEANN_OK) status = leann_writer_commit(w);
    leann_writer_free(w);
    leann_free(path);
    return status;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

static void must(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "fuzz_container: %s\n", what);
    abort();
}

static void check_open(leann_ctx *ctx, const leann_reader *r, size_t size)
{
    leann_ledger ledger;
    uint32_t crc = 0;
    leann_reader_ledger(r, &ledger);
    must(leann_ledger_total(&ledger) == size, "the ledger is not the size");
    for (size_t i = 0; i < leann_reader_sections(r); i++) {
        const leann_section *s = leann_reader_at(r, i);
        const void *again;
        must(leann_reader_find(r, s->name) == s, "a section is not found by its name");
        must(leann_reader_need(ctx, r, s->name, s->type, s->rows, s->stride, &again) == LEANN_OK && again == s->data, "need refuses it");
        crc = leann_crc32c(crc, s->data, s->bytes); /* reads it all */
    }
}

static void try_open(leann_ctx *ctx, const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    leann_reader *r = NULL;
    if (write(fd, data, size) == (ssize_t)size) {
        leann_status status = leann_reader_open(ctx, path, &r);
        must(status == LEANN_OK || (status == LEANN_EFORMAT && leann_ctx_error(ctx)[0] && !r), "neither open nor refused with a sentence");
        if (status == LEANN_OK) check_open(ctx, r, size);
        leann_reader_free(r);
    }
    leann_ctx_clear(ctx);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    uint8_t *copy = malloc(size + 1);
    if (ctx && copy) {
        try_open(ctx, data, size);
        memcpy(copy, data, size);
        make_right(copy, size);
        try_open(ctx, copy, size);
    }
    free(copy);
    leann_ctx_free(ctx);
    return 0;
}

/* ---- seeds ------------------------------------------------------------------------------------------------------------------ */

static leann_status write_seed(leann_ctx *ctx, const char *folder, const char *name, uint32_t sections, uint64_t rows)
{
    leann_writer *w = NULL;
    char *path = leann_format(ctx, "%s/%s", folder, name);
    uint8_t *data = leann_alloc(ctx, rows, 12);
    leann_status status = path && data ? leann_writer_new(ctx, path, &w) : LEANN_ENOMEM;
    for (uint32_t i = 0; i < sections && status == LEANN_OK; i++) {
        char word[16];
        snprintf(word, sizeof word, "part-%u", i);
        status = leann_writer_add(w, word, (leann_part)(i % LEANN_PARTS), (leann_dtype)(i % 3), rows >> i, 4 + 4 * (i % 3), data);
    }
    if (status == LEANN_OK) status = leann_writer_commit(w);
    leann_writer_free(w);
    leann_free(data);
    leann_free(path);
    return status;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const char *folder = getenv("FUZZ_CONTAINER_SEEDS");
    leann_ctx *ctx = folder ? leann_ctx_new(1, 1) : NULL;
    if (!ctx) return 0;
    must(write_seed(ctx, folder, "empty", 0, 1) == LEANN_OK && write_seed(ctx, folder, "one", 1, 3) == LEANN_OK &&
             write_seed(ctx, folder, "nine", 9, 300) == LEANN_OK && write_seed(ctx, folder, "zero-rows", 3, 1) == LEANN_OK &&
             write_pages(ctx, folder) == LEANN_OK,
         leann_ctx_error(ctx));
    leann_ctx_free(ctx);
    return 0;
}
