/* retrieval.h – how well passages that answer a query are found: measures of ranked lists, their fusion, and exact dense search, BM25 and
 * the fusion of both measured on one text set.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_RETRIEVAL_H
#define LEANN_RETRIEVAL_H

#include "core/plugin.h"
#include "eval/stats.h"

/* ---- measures of one ranked list --------------------------------------------------------------------------------------------------- */

typedef enum {
    LEANN_NDCG_10,
    LEANN_MRR_10,
    LEANN_RECALL_1,
    LEANN_RECALL_3,
    LEANN_RECALL_10,
    LEANN_RECALL_100,
    LEANN_RETRIEVAL_MEASURES
} leann_retrieval_measure;
extern const char *const leann_retrieval_measure_words[LEANN_RETRIEVAL_MEASURES]; /* "ndcg_10", … */

enum { LEANN_RETRIEVAL_DEPTH = 100 }; /* of the lists that are judged, and of those that are fused */

/* Of the ids (n) found, best first and each once, where relevant (m, ascending, m >= 1) are right; all in [0, 1]:
 *   nDCG@k    sum over ranks r <= k that hold a relevant id of 1 / log2(r + 1), over what the best list would have
 *   MRR@k     1 / r of the first relevant id, 0 when there is none up to k
 *   recall@k  the share of the relevant that is found up to k; below 1 of necessity where m > k
 *   source    Järvelin & Kekäläinen 2002 (nDCG, gains of 0 and 1); Voorhees 1999 (MRR) */
void leann_retrieval_judge(const uint32_t *ids, uint32_t n, const uint32_t *relevant, uint64_t m, double out[LEANN_RETRIEVAL_MEASURES]);

/* Reciprocal rank fusion: an id scores the sum over the lists that hold it of 1 / (60 + rank), ranks from 1 on; ties by id.
 *   shape   a (na), b (nb): ids, best first and each once; out (k), *found of them
 *   errors  ENOMEM
 *   source  Cormack, Clarke & Büttcher 2009 */
enum { LEANN_FUSION_K = 60 };
leann_status leann_fuse(leann_ctx *ctx, const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb, uint32_t k, uint32_t *out,
                        uint32_t *found);

/* ---- a text set, measured -------------------------------------------------------------------------------------------------------------- */

typedef enum { LEANN_DENSE, LEANN_BM25, LEANN_HYBRID, LEANN_RANKINGS } leann_ranking;
extern const char *const leann_ranking_words[LEANN_RANKINGS]; /* "dense", "bm25", "hybrid" */

typedef struct {
    char *name, *encoder;    /* the set's, and what made its vectors (JSON) */
    char identity[65];       /* of that encoder */
    char texts[65];          /* sha256 of passages, queries and what is relevant: equal, and sets can be paired */
    uint32_t n, queries, of; /* passages; queries judged, of so many */
    uint32_t *ids[LEANN_RANKINGS], *found[LEANN_RANKINGS];   /* (queries, LEANN_RETRIEVAL_DEPTH), (queries) */
    double *value[LEANN_RANKINGS][LEANN_RETRIEVAL_MEASURES]; /* (queries) */
} leann_retrieval;

/* Ranks the passages of a set for its queries, exactly by its vectors, by BM25 of its texts, and by the fusion of both, and judges all three.
 * Queries: the report half of the fixed split (eval/recall.h), or all.
 *   like    NULL, or a set already measured: where it has the same texts, its BM25 is taken from there
 *   errors  ENOTFOUND the set has no passages, or does not say what is relevant; EINVAL a query that nothing is relevant to (says which),
 *           no queries; those of leann_dataset_open, leann_exact and full-text search
 *   progress "ground truth" in rows, "full text" in passages, "bm25" in queries */
leann_status leann_retrieval_run(leann_ctx *ctx, const char *name_or_path, bool all, const leann_retrieval *like, leann_retrieval *out);
void leann_retrieval_free(leann_retrieval *r); /* what it holds, not itself */

/* A measure's mean over the queries, and the mean difference of a to b over the same ones, with 95 % bootstrap intervals.
 *   errors  ENOMEM; EINVAL a and b have not the same texts, or judged others of the queries */
leann_status leann_retrieval_mean(leann_ctx *ctx, const leann_retrieval *r, leann_ranking ranking, leann_retrieval_measure measure,
                                  leann_interval *out);
leann_status leann_retrieval_difference(leann_ctx *ctx, const leann_retrieval *a, leann_ranking a_ranking, const leann_retrieval *b,
                                        leann_ranking b_ranking, leann_retrieval_measure measure, leann_interval *out);
/* The share of b's dense list, its first k, that the first k of a's hold: recall of a's truth against b's.
 *   errors  ENOMEM; EINVAL as before */
leann_status leann_retrieval_agreement(leann_ctx *ctx, const leann_retrieval *a, const leann_retrieval *b, uint32_t k, leann_interval *out);
bool leann_retrieval_pairs(const leann_retrieval *a, const leann_retrieval *b); /* whether they can be compared query by query */

#endif
