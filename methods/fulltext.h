/* fulltext.h – texts by id, ranked by BM25 against a query's words: the only door to SQLite, whose FTS5 does the work.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_FULLTEXT_H
#define LEANN_FULLTEXT_H

#include "core/plugin.h"

typedef struct leann_fulltext leann_fulltext;
enum { LEANN_FULLTEXT_QUERY_BYTES = 1 << 20, LEANN_FULLTEXT_QUERY_WORDS = 4096 };

/* A new, empty index: in memory (path NULL), or in a file that is seen under its path only after leann_fulltext_finish. Freed before that,
 * it leaves no file.
 *   errors  EUNSUPPORTED a SQLite without FTS5; EIO the file cannot be made; ENOMEM */
leann_status leann_fulltext_new(leann_ctx *ctx, const char *path, leann_fulltext **out);
/* Texts with the next ids, from 0 on. Any bytes; a text without words is one that no query finds.
 *   errors  ELIMIT a text of more than 1,000,000,000 bytes, or the 4,294,967,295th; EIO; ENOMEM; EINTR */
leann_status leann_fulltext_add(leann_ctx *ctx, leann_fulltext *f, const leann_text *texts, uint32_t n);
/* No text may follow, and searches may. */
leann_status leann_fulltext_finish(leann_ctx *ctx, leann_fulltext *f);
/* A file that finish has made; it must not be changed meanwhile.
 *   errors  ENOTFOUND; EFORMAT another database or a damaged one; EUNSUPPORTED; EIO; ENOMEM */
leann_status leann_fulltext_open(leann_ctx *ctx, const char *path, leann_fulltext **out);
void leann_fulltext_free(leann_fulltext *f);
uint32_t leann_fulltext_size(const leann_fulltext *f); /* texts */

/* The k texts of the highest BM25 for any of a query's words: all of them that hold a word at all, if those are fewer.
 *   shape   ids (k), key (k) out; *found says how many there are, closest first, ties by id
 *   units   key: minus BM25, by k1 = 1.2 and b = 0.75; a word that a query repeats counts as often
 *   errors  EINVAL k = 0; ELIMIT a query of more than 1 MiB or 4,096 words; EFORMAT a damaged file; ENOMEM; EINTR
 *   threads one at a time on an index, in whichever context
 *   source  Robertson & Zaragoza 2009, section 3.4; SQLite's FTS5 and its bm25() */
leann_status leann_fulltext_search(leann_ctx *ctx, leann_fulltext *f, leann_text query, uint32_t k, uint32_t *ids, double *key,
                                   uint32_t *found);

#endif
