/* pq_book.h – the codebooks that pq and opq share: m sub-spaces of width d / m, k centroids each, about a centre.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PQ_BOOK_H
#define LEANN_PQ_BOOK_H

#include "core/quantizer.h"

#include <math.h>
#include <stdlib.h>

typedef struct { /* also the beginning of opq's parameters */
    uint32_t sub_vectors, codebook_size, training_samples, iterations, dsub;
} leann_pq_params;
#define LEANN_PQ_PARAMS(S)                                                                                                                 \
    LEANN_PARAM_INT(S, sub_vectors, 0, 65536, "0", "parts a row is cut into; must divide d; 0: the least divisor of d from d / dsub on"),  \
        LEANN_PARAM_INT(S, codebook_size, 2, 256, "256", "centroids of a sub-space; up to 16: two sub-vectors a byte"),                    \
        LEANN_PARAM_INT(S, training_samples, 2, 4294967294.0, "25600", "rows trained on at most"),                                         \
        LEANN_PARAM_INT(S, iterations, 1, 1000, "25", "k-means rounds of a sub-space"),                                                    \
        LEANN_PARAM_LATE_INT(S, dsub, 0, 65536, "components of a part at most, where sub_vectors is 0; 0: 8")

typedef struct {
    uint32_t d, m, k, width; /* width = d / m */
    uint32_t pad;            /* entries of a table: 16 (two codes a byte) or 256, so that no damaged code reads past it */
    leann_dtype kept;        /* I8 or F16: what a file keeps a centroid's component as, in units of its sub-space */
    float *unit;             /* (m); of F16 one power of two for all */
    float *centre;           /* (d) what is taken from a row before it is coded */
    float *column;           /* (m, width, pad), zero from k on */
    float *norm;             /* (m, pad): |c|², infinite from k on */
} leann_pq_book;

/* A number of [-127², 127²] as a byte, and what that stands for: v |v|. Of many small numbers and few large ones, which rotations and
 * centroids often are, the small ones are kept finer than by even steps, and normal ones no worse. */
static inline int8_t leann_pq_to_byte(float x)
{
    return (int8_t)lrintf(copysignf(sqrtf(fabsf(x)), x));
}
static inline float leann_pq_from_byte(int8_t v)
{
    return (float)(v * abs(v));
}
enum { LEANN_PQ_BYTE_MOST = 127 * 127 };

/* who: the plug-in's word, for errors. params as above, sub_vectors resolved by leann_pq_sub_vectors. */
leann_status leann_pq_check(leann_ctx *ctx, const char *who, uint32_t d, const leann_pq_params *params);
leann_status leann_pq_check_rows(leann_ctx *ctx, const char *who, uint64_t n, const leann_pq_params *params);
uint32_t leann_pq_sub_vectors(uint32_t d, const leann_pq_params *params);
uint32_t leann_pq_code_bytes(uint32_t d, const leann_pq_params *params);
uint32_t leann_pq_training_rows(uint64_t n, const leann_pq_params *params);

leann_status leann_pq_book_new(leann_ctx *ctx, uint32_t d, const leann_pq_params *params, leann_pq_book *book);
void leann_pq_book_free(leann_pq_book *book); /* what it holds */

/* The mean of the sample into book->centre, the rows less the mean into x (sample.n, d). In parallel. */
leann_status leann_pq_book_centre(leann_ctx *ctx, leann_pq_book *book, leann_rows sample, float *x);
/* k-means in every sub-space.
 *   shape   x (n, d), n >= k: rows less the centre (opq: turned); decoded NULL, or (n, d) out: the centroids of x's rows at the end
 *   units   start: begin with k-means++, else go on from the book's centroids; rounds of assignment and means, at least 1
 *   threads in parallel over sub-spaces; same seed, same bits for any number
 *   source  Jégou, Douze & Schmid 2011, §2.2; the start Arthur & Vassilvitskii 2007 */
leann_status leann_pq_book_train(leann_ctx *ctx, leann_pq_book *book, const float *x, uint32_t n, bool start, uint32_t rounds,
                                 float *decoded);
/* Rounds all centroids to what a file keeps. After this no bit changes any more. */
void leann_pq_book_round(leann_pq_book *book);

/* Rows less the centre, turned by rotation (d, d) where that is not NULL, -> codes.
 *   shape   code (rows.n, leann_pq_code_bytes) out
 *   errors  ENOMEM, EINTR
 *   threads in parallel over fixed blocks of rows
 *   cost    rows.n d k multiply-adds; a rotation rows.n d² more */
leann_status leann_pq_book_encode(leann_ctx *ctx, const leann_pq_book *book, leann_rows rows, const float *rotation, uint8_t *code);
/* The centroids, without the centre. */
void leann_pq_book_decode(const leann_pq_book *book, const uint8_t *code, size_t stride, uint32_t n, float *x);

/* The codebook of sub-space s as kernels take it. */
static inline leann_codebook leann_pq_book_columns(const leann_pq_book *book, uint32_t s)
{
    return (leann_codebook){.column = book->column + (size_t)s * book->width * book->pad,
                            .norm = book->norm + (size_t)s * book->pad,
                            .d = book->width,
                            .k = book->pad == 16 ? 16 : (book->k + 15) / 16 * 16,
                            .stride = book->pad};
}

/* ---- keys: pq_scan.c ---- */

/* A scorer as leann_quantizer_type.prepare's. q (d), centre (d), turned as the book's sub-spaces are. Cost: d k multiply-adds. */
leann_scorer *leann_pq_book_scorer(const leann_pq_book *book, leann_ctx *ctx, const leann_codes *codes, const float *q, const float *centre,
                                   const float *base);
/* As leann_quantizer_type.pack: blocks for the fast scans, in the order of the codes; NULL where the machine has no fast scan for them. */
leann_status leann_pq_book_pack(leann_ctx *ctx, const leann_pq_book *book, const leann_codes *codes, uint8_t **packed);

/* As leann_quantizer_type.columns and .terms. */
leann_columns leann_pq_columns(uint32_t d, const leann_pq_params *params);
void leann_pq_terms(const leann_quantizer *self, leann_space space, const uint8_t *code, float *plus, float *times);

leann_status leann_pq_book_save(const leann_pq_book *book, leann_writer *w);
leann_status leann_pq_book_open(leann_ctx *ctx, const leann_reader *r, uint32_t d, const leann_pq_params *params, leann_pq_book *book);
void leann_pq_book_predict(uint32_t d, const leann_pq_params *params, leann_ledger *ledger);

#endif
