/* fuzz_nodes.c – any bytes as the pages of an open disk index, after its checksums were found right: a search answers or says what is wrong.
 *
 * The corpus (tests/fuzz/corpus/nodes/) began with the pages of the index that this target makes: FUZZ_NODES_SEEDS=FOLDER names where they
 * are to go when it starts.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { N = 150, D = 5, K = 8 };
static float rows_x[N * D];

static void must(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "fuzz_nodes: %s\n", what);
    abort();
}

typedef struct {
    leann_index *index;
    int file;
    off_t offset; /* of its pages */
    size_t bytes;
    char *pages; /* as they should be */
} target;

static target *make(leann_ctx *ctx, const char *config)
{
    static char path[] = "/tmp/leann-fuzz-nodes-XXXXXX";
    leann_rows rows = {rows_x, D * sizeof(float), N, D, LEANN_F32, LEANN_L2};
    leann_rng rng = leann_rng_at(1, "fuzz", 0);
    for (size_t i = 0; i < N * D; i++) rows_x[i] = (float)leann_rng_normal(&rng);
    target *t = calloc(1, sizeof *t);
    leann_index *built = NULL;
    char *bytes = NULL, link[64];
    int made = mkstemp(path);
    must(t && made >= 0 && leann_index_build(ctx, rows, config, &built) == LEANN_OK && leann_index_save(ctx, built, path) == LEANN_OK &&
             leann_file_read(ctx, path, SIZE_MAX, &bytes, &t->bytes) == LEANN_OK,
         leann_ctx_error(ctx));
    close(made);
    unlink(path);
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    t->file = memfd_create("nodes", MFD_CLOEXEC); /* pages that are written in turn with reads: no disk below them */
    must(t->file >= 0 && write(t->file, bytes, t->bytes) == (ssize_t)t->bytes, "cannot write a memory file");
    snprintf(link, sizeof link, "/proc/self/fd/%d", t->file);
    leann_reader *r = NULL;
    must(leann_reader_open(ctx, link, &r) == LEANN_OK && leann_index_open(ctx, link, &t->index) == LEANN_OK, leann_ctx_error(ctx));
    t->offset = (off_t)leann_reader_find(r, "nodes")->offset;
    t->bytes = leann_reader_find(r, "nodes")->bytes;
    t->pages = malloc(t->bytes);
    must(t->pages && pread(t->file, t->pages, t->bytes, t->offset) == (ssize_t)t->bytes, "cannot read the pages back");
    leann_reader_free(r);
    leann_index_free(built);
    leann_free(bytes);
    return t;
}

static void search(leann_ctx *ctx, const target *t, const char *query)
{
    leann_plan *plan = NULL;
    leann_rows q = {rows_x + 3 * D, D * sizeof(float), 1, D, LEANN_F32, LEANN_L2};
    uint32_t ids[K];
    float dist[K];
    must(leann_plan_new(ctx, t->index, query, NULL, &plan) == LEANN_OK, leann_ctx_error(ctx));
    leann_status status = leann_search(plan, ctx, q, K, ids, dist, NULL);
    must(status == LEANN_OK || (status == LEANN_EFORMAT && leann_ctx_error(ctx)[0]), "neither an answer nor a sentence");
    for (uint32_t i = 0; i < K && status == LEANN_OK; i++) must(ids[i] < N || ids[i] == LEANN_NONE, "an answer that is no row");
    leann_plan_free(plan);
    leann_ctx_clear(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static leann_ctx *ctx;
    static target *with, *without;
    if (!ctx) {
        must((ctx = leann_ctx_new(1, 1)), "no context");
        with = make(ctx, "{method: diskann, build: {graph: {vamana: {degree: 6}}}}");
        without = make(ctx, "{method: diskann, build: {graph: {vamana: {degree: 6}}, vectors: none}}");
    }
    for (int i = 0; i < 2; i++) {
        const target *t = i ? without : with;
        size_t n = size < t->bytes ? size : t->bytes;
        must(pwrite(t->file, data, n, t->offset) == (ssize_t)n &&
                 pwrite(t->file, t->pages + n, t->bytes - n, t->offset + (off_t)n) == (ssize_t)(t->bytes - n),
             "cannot write pages");
        search(ctx, t, "{ef_search: 8, beam_width: 1}");
        search(ctx, t, "{ef_search: 150, cache_mb: 1}");
    }
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const char *folder = getenv("FUZZ_NODES_SEEDS");
    leann_ctx *ctx = folder ? leann_ctx_new(1, 1) : NULL;
    if (!ctx) return 0;
    for (int i = 0; i < 2; i++) {
        target *t = make(ctx, i ? "{method: diskann, build: {graph: {vamana: {degree: 6}}, vectors: none}}"
                                : "{method: diskann, build: {graph: {vamana: {degree: 6}}}}");
        char *path = leann_format(ctx, "%s/%s", folder, i ? "without" : "with");
        must(path && leann_file_write(ctx, path, t->pages, t->bytes) == LEANN_OK, leann_ctx_error(ctx));
        leann_free(path);
        free(t->pages);
        leann_index_free(t->index);
        close(t->file);
        free(t);
    }
    leann_ctx_free(ctx);
    return 0;
}
