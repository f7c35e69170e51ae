/* fuzz_index.c – any bytes as a whole index with right checksums: opened, it answers a search with rows of its own or says what is wrong,
 * and where it refers to passages it says of each row where that lies.
 *
 * One index of each method and quantiser, and two that refer to passages, began the corpus (tests/fuzz/corpus/index/):
 * FUZZ_INDEX_SEEDS=FOLDER names where they are to go when the target starts.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/plugin.h"
#include "tests/fuzz/right.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { N = 40, D = 8, K = 5, MAX_D = 4096 };

static const char *const seeds[][2] = {
    {"flat", "{method: flat}"},
    {"hnsw", "{method: graph, build: {graph: {hnsw: {M: 4}}}}"},
    {"vamana", "{method: graph, build: {graph: {vamana: {degree: 6}}}}"},
    {"packed", "{method: graph, build: {graph: {hnsw: {M: 4}}, link_bits: 60, order: bisected}}"},
    {"paper", "{method: leann-paper, build: {graph: {vamana: {degree: 6}}, quantizer: {sq: {bits: 4}}}}"},
    {"graph-sq", "{method: graph, build: {graph: {hnsw: {M: 4}}, quantizer: {sq: {bits: 4, dims: 4}}}}"},
    {"graph-rabitq", "{method: graph, build: {graph: {vamana: {degree: 6}}, quantizer: {rabitq: {bits: 2}}}}"},
    {"diskann", "{method: diskann, build: {graph: {vamana: {degree: 6}}, quantizer: {sq: {bits: 8}}}}"},
    {"ivf", "{method: ivf, build: {lists: 4}}"},
    {"codes-sq-local", "{method: codes, build: {quantizer: {sq: {bits: 4, bounds: local}}}}"},
    {"codes-pq4", "{method: codes, build: {quantizer: {pq: {sub_vectors: 4, codebook_size: 16}}}}"},
    {"codes-opq", "{method: codes, build: {quantizer: {opq: {sub_vectors: 4, codebook_size: 5}}}}"},
    {"codes-rabitq", "{method: codes, build: {quantizer: rabitq}}"},
    {"anchor-pq", "{method: anchor, build: {anchors: 6, quantizer: {pq: {sub_vectors: 4, codebook_size: 32}}, residual: yes}}"},
    {"anchor-opq",
     "{method: anchor, build: {anchors: 6, graph: flat, quantizer: {opq: {sub_vectors: 2, codebook_size: 16}}, residual: yes}}"},
    {"anchor-sq", "{method: anchor, build: {anchors: 6, graph: vamana, quantizer: sq, residual: no}}"},
    {"anchor-none", "{method: anchor, build: {anchors: 6, selector: random, quantizer: none, residual: yes}}"},
    {"references", "{method: flat}"},
    {"references-mixed", "{method: flat}"},
};

static void must(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "fuzz_index: %s\n", what);
    abort();
}

static void search(leann_ctx *ctx, const leann_index *index)
{
    uint32_t n = leann_index_size(index), d = leann_index_dimension(index), k = n < K ? n : K, ids[K];
    if (d > MAX_D) return;
    float q[MAX_D], dist[K];
    for (uint32_t j = 0; j < d; j++) q[j] = 1 - 0.25F * (float)(j % 9);
    leann_plan *plan = NULL;
    leann_status status = leann_plan_new(ctx, index, NULL, NULL, &plan);
    if (status == LEANN_OK) {
        leann_rows row = {q, d * sizeof *q, 1, d, LEANN_F32, leann_index_space(index)};
        status = leann_search(plan, ctx, row, k, ids, dist, NULL);
        for (uint32_t i = 0; i < k && status == LEANN_OK; i++) must(ids[i] < n || ids[i] == LEANN_NONE, "an answer that is no row");
    }
    must(status == LEANN_OK || leann_ctx_error(ctx)[0], "neither an answer nor a sentence");
    leann_plan_free(plan);
}

static void refer(leann_ctx *ctx, const leann_index *index)
{
    static leann_reference at;
    for (uint32_t i = 0; i < leann_index_size(index) && i < N; i++) {
        const leann_status status = leann_index_passage(ctx, index, i, &at);
        must(status == LEANN_ENOTFOUND || (status == LEANN_OK && strlen(at.path) < sizeof at.path && at.offset <= INT64_MAX),
             "a passage that lies nowhere");
        if (status == LEANN_ENOTFOUND) return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leann_ctx *ctx = leann_ctx_new(1, 1);
    uint8_t *copy = malloc(size + 1);
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (ctx && copy && fd >= 0) {
        memcpy(copy, data, size);
        make_right(copy, size);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        leann_index *index = NULL;
        must(write(fd, copy, size) == (ssize_t)size, "cannot write a memory file");
        leann_status status = leann_index_open(ctx, path, &index);
        must(status == LEANN_OK || (leann_ctx_error(ctx)[0] && !index), "neither open nor refused with a sentence");
        if (status == LEANN_OK) search(ctx, index);
        if (status == LEANN_OK) refer(ctx, index);
        leann_index_free(index);
    }
    if (fd >= 0) close(fd);
    free(copy);
    leann_ctx_free(ctx);
    return 0;
}

/* Passages of three files, in order, or the last row's first: those of the seeds that refer to some. */
static leann_reference_columns columns;
static const leann_passages passages = {.n = N, .encoder = "", .identity = "", .columns = &columns};

static leann_status passages_of(const leann_dataset *self, leann_ctx *ctx, const leann_passages **out)
{
    (void)self, (void)ctx;
    *out = &passages;
    return LEANN_OK;
}

static void place_passages(bool mixed)
{
    static const uint64_t text_at[] = {0, 9, 18, 21};
    static uint64_t offset[N];
    static uint32_t path[N], bytes[N];
    static uint8_t sha[N][32];
    for (uint32_t i = 0; i < N; i++) {
        const uint32_t at = mixed ? N - 1 - i : i;
        path[at] = i / 15;
        offset[at] = i % 15 * 100 + (i % 15 > 7 ? 900 : 0);
        bytes[at] = 97 + i % 3;
        sha[at][0] = (uint8_t)i;
    }
    columns = (leann_reference_columns){N, 3, mixed ? "" : "/root", "in/a1.txtin/a2.rsto.c", text_at, path, bytes, offset, sha[0]};
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const char *folder = getenv("FUZZ_INDEX_SEEDS");
    if (!folder) return 0;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    must(ctx, "no context");
    float x[N * D];
    leann_rng rng = leann_rng_at(1, "fuzz", 0);
    for (size_t i = 0; i < N * D; i++) x[i] = (float)leann_rng_normal(&rng);
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        leann_index *index = NULL;
        leann_value *config = NULL;
        const bool refers = strncmp(seeds[i][0], "references", 10) == 0;
        const leann_dataset data = {
            .name = "", .sha = "", .train = {x, D * sizeof *x, N, D, LEANN_F32, LEANN_L2}, .passages = refers ? passages_of : NULL};
        char *path = leann_format(ctx, "%s/%s", folder, seeds[i][0]);
        place_passages(strcmp(seeds[i][0], "references-mixed") == 0);
        must(path && leann_config_parse(ctx, "seed", seeds[i][1], strlen(seeds[i][1]), &config) == LEANN_OK &&
                 leann_method_build(ctx, &data, config, NULL, &index) == LEANN_OK && leann_index_save(ctx, index, path) == LEANN_OK,
             leann_ctx_error(ctx));
        leann_index_free(index);
        leann_value_free(config);
        leann_free(path);
    }
    leann_ctx_free(ctx);
    return 0;
}
