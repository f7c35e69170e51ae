/* test_methods.c – what each method answers on 2,000 fixed rows under LEANN_ISA=scalar: recall, bytes, work and the very ids, held to
 * tests/golden/methods.txt. No times. LEANN_GOLDEN=write rewrites the file: do so only with the reason in the commit.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/product.h"

enum { N = 2000, D = 24, Q = 100, K = 10, CLUSTERS = 40 };

static const char expected_path[] = "tests/golden/methods.txt";

static const struct {
    const char *config, *query;
} cases[] = {
    {"{method: flat}", "{}"},
    {"{method: graph, build: {graph: hnsw}}", "{ef_search: 40}"},
    {"{method: graph, build: {graph: vamana}}", "{ef_search: 40}"},
    {"{method: graph, build: {graph: hnsw, quantizer: {sq: {bits: 4}}}}", "{ef_search: 20}"},
    {"{method: diskann}", "{ef_search: 40}"},
    {"{method: diskann, build: {quantizer: {pq: {sub_vectors: 6, codebook_size: 64}}, vectors: none}}", "{ef_search: 40, rerank: 40}"},
    {"{method: ivf}", "{probes: 4}"},
    {"{method: codes, build: {quantizer: {pq: {sub_vectors: 6, codebook_size: 64}}}}", "{rerank: 40}"},
    {"{method: codes, build: {quantizer: {opq: {sub_vectors: 6, codebook_size: 64}}}}", "{rerank: 40}"},
    {"{method: codes, build: {quantizer: {sq: {bits: 8}}}}", "{}"},
    {"{method: codes, build: {quantizer: {sq: {bits: 4}}}}", "{}"},
    {"{method: anchor, build: {selector: random, quantizer: {sq: {bits: 8}}, residual: no}}", "{probes: 8}"},
    {"{method: anchor, build: {selector: kmeans, quantizer: {pq: {sub_vectors: 6, codebook_size: 64}}, residual: yes}}",
     "{probes: 8, rerank: 40}"},
    {"{method: anchor, build: {selector: {kmeans: {output: medoids}}, graph: flat, quantizer: {pq: {sub_vectors: 6, codebook_size: 64}}, "
     "residual: auto}}",
     "{probes: 8, rerank: 40}"},
    {"{method: anchor, build: {selector: stratified-kmeans, graph: vamana, quantizer: none, residual: yes}}", "{probes: 8}"},
    {"{method: anchor, build: {selector: max-coverage, graph: flat, quantizer: none, residual: no}}", "{probes: 8}"},
};

static float train[N * D], test[Q * D];

static void fill(float *x, size_t rows, uint64_t item)
{
    for (size_t i = 0; i < rows; i++) {
        leann_rng rng = leann_rng_at(17, "golden rows", item + i);
        leann_rng centre = leann_rng_at(17, "golden centres", leann_rng_below(&rng, CLUSTERS));
        for (size_t j = 0; j < D; j++) x[i * D + j] = (float)(0.6 * leann_rng_normal(&centre) + leann_rng_normal(&rng));
    }
}

static double recall(const uint32_t *ids, const uint32_t *truth)
{
    uint32_t hits = 0;
    for (uint32_t q = 0; q < Q; q++)
        for (uint32_t i = 0; i < K; i++)
            for (uint32_t j = 0; j < K; j++) hits += ids[q * K + i] == truth[q * K + j];
    return (double)hits / (Q * K);
}

static char *describe(size_t c, const uint32_t *truth)
{
    leann_ctx *ctx = leann_ctx_new(4, 2);
    leann_rows rows = {train, D * sizeof(float), N, D, LEANN_F32, LEANN_L2}, queries = {test, D * sizeof(float), Q, D, LEANN_F32, LEANN_L2};
    leann_index *index = NULL;
    leann_plan *plan = NULL;
    static uint32_t ids[Q * K];
    static float dist[Q * K];
    static leann_work work[Q];
    char path[] = "/tmp/leann-golden-XXXXXX", *line = NULL;
    int file = mkstemp(path);
    struct stat about;
    assert_true(file >= 0);
    close(file);
    if (leann_index_build(ctx, rows, cases[c].config, &index) || leann_index_save(ctx, index, path) || stat(path, &about) ||
        leann_plan_new(ctx, index, cases[c].query, &rows, &plan) || leann_search(plan, ctx, queries, K, ids, dist, work))
        fail_msg("%s: %s", cases[c].config, leann_ctx_error(ctx));
    uint64_t dist_comps = 0, fetches = 0, pages = 0;
    for (size_t q = 0; q < Q; q++) dist_comps += work[q].dist_comps, fetches += work[q].fetches, pages += work[q].pages;
    char read[32] = "";
    if (pages) snprintf(read, sizeof read, " pages=%llu", (unsigned long long)pages);
    assert_true(asprintf(&line, "%s %s recall=%.3f bytes=%lld dist_comps=%llu fetches=%llu%s ids=%08x\n", cases[c].config, cases[c].query,
                         recall(ids, truth), (long long)about.st_size, (unsigned long long)dist_comps, (unsigned long long)fetches, read,
                         leann_crc32c(0, ids, sizeof ids)) > 0);
    unlink(path);
    leann_plan_free(plan);
    leann_index_free(index);
    leann_ctx_free(ctx);
    return line;
}

static void methods_answer_as_before(void **state)
{
    (void)state;
    static uint32_t truth[Q * K];
    static double dist[Q * K];
    leann_ctx *ctx = leann_ctx_new(1, 2);
    leann_rows rows = {train, D * sizeof(float), N, D, LEANN_F32, LEANN_L2}, queries = {test, D * sizeof(float), Q, D, LEANN_F32, LEANN_L2};
    fill(train, N, 0);
    fill(test, Q, 1 << 20);
    assert_int_equal(leann_exact(ctx, rows, queries, K, truth, dist), LEANN_OK);
    leann_ctx_free(ctx);

    bool rewrite = getenv("LEANN_GOLDEN") && !strcmp(getenv("LEANN_GOLDEN"), "write");
    FILE *f = fopen(expected_path, rewrite ? "w" : "r");
    if (!f) fail_msg("cannot open %s", expected_path);
    int different = 0;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char *line = describe(c, truth), expected[1024] = "";
        if (rewrite)
            fputs(line, f);
        else if (!fgets(expected, sizeof expected, f) || strcmp(line, expected)) {
            print_error("expected %s", *expected ? expected : "(no line)\n");
            print_error("got      %s", line);
            different++;
        }
        free(line);
    }
    fclose(f);
    assert_int_equal(different, 0);
}

int main(void)
{
    setenv("LEANN_ISA", "scalar", 1); /* before the first kernel is asked for */
    const struct CMUnitTest tests[] = {cmocka_unit_test(methods_answer_as_before)};
    return cmocka_run_group_tests_name("golden methods", tests, NULL, NULL);
}
