/* nearest_rows.c – leann.h from end to end: build an index over 10,000 random rows, save it, open it, search it.
 *
 *     cc nearest_rows.c $(pkg-config --cflags --libs leann) && ./a.out
 *
 * SPDX-License-Identifier: MIT */
#include <leann.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 10000, D = 64, K = 5 };

static float x[N][D];

int main(void)
{
    static const char config[] =
        "{method: anchor, build: {selector: kmeans, anchors: {sqrt_n: 2.5}, graph: hnsw, quantizer: {pq: {sub_vectors: 16}}}}";
    uint32_t ids[3][K];
    float dist[3][K];
    leann_work work[3];
    int code = 1;
    leann_index *built = NULL, *index = NULL;
    leann_plan *plan = NULL;
    leann_rows rows = {x, sizeof x[0], N, D, LEANN_F32, LEANN_L2}, query = {x, sizeof x[0], 3, D, LEANN_F32, LEANN_L2};
    leann_ctx *ctx = leann_ctx_new(1, 0); /* seed 1, as many threads as processors */
    if (!ctx) return 1;
    srand(1);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < D; j++) x[i][j] = (float)rand() / (float)RAND_MAX + (float)(i % 50 == j);
    if (leann_index_build(ctx, rows, config, &built) != LEANN_OK) goto done;
    if (leann_index_save(ctx, built, "nearest_rows.leann") != LEANN_OK) goto done;
    if (leann_index_open(ctx, "nearest_rows.leann", &index) != LEANN_OK) goto done;

    /* Two stages over codes, then the best 50 re-ranked with the exact rows. */
    if (leann_plan_new(ctx, index, "{probes: 20, rerank: 50}", &rows, &plan) != LEANN_OK) goto done;
    if (leann_search(plan, ctx, query, K, ids[0], dist[0], work) != LEANN_OK) goto done;
    for (int q = 0; q < 3; q++) {
        printf("row %d (%llu distances, %llu fetches):", q, (unsigned long long)work[q].dist_comps, (unsigned long long)work[q].fetches);
        for (int i = 0; i < K; i++) printf("  %u at %.3f", ids[q][i], (double)dist[q][i]);
        printf("\n");
    }
    code = 0;
done:
    if (code) fprintf(stderr, "%s\n", leann_ctx_error(ctx));
    leann_plan_free(plan);
    leann_index_free(index);
    leann_index_free(built);
    leann_ctx_free(ctx);
    return code;
}
