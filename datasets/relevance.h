/* relevance.h – which passages answer a query: from lines of files that a query names to ids of chunks, and their group in an HDF5 file.
 *
 * The truth of a text set that no encoder made: a query was cut out of the text that answers it, and says where that lies.
 *
 *   relevance/offset (queries + 1) u64, relevance/ids u32: the chunks relevant to query i are ids [offset[i], offset[i + 1]), ascending;
 *   queries in test's order, ids of train's rows. Each query has one at least.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_RELEVANCE_H
#define LEANN_RELEVANCE_H

#include "core/value.h"
#include "datasets/text.h"

typedef struct {
    uint32_t queries;
    uint64_t *offset; /* (queries + 1) */
    uint32_t *ids;
} leann_relevance;
void leann_relevance_free(leann_relevance *r); /* what it holds, not itself */

/* ---- making it ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *path; /* heap; relative to the folder of the file of queries. NULL: the query does not say */
    uint32_t first_line, last_line;
    uint32_t file; /* of the set: leann_answers_find */
} leann_answer;
/* Where a chunk's text stands. One id may have many places: repeats of a text are kept once. */
typedef struct {
    uint32_t file, first_line, last_line, id;
} leann_place;

/* "path", "first_line" and "last_line" of a line of queries.jsonl, a map; none of them: out->path is NULL. what names the line in errors.
 *   errors  EINVAL some are missing, or of another type; lines that are not 1 or more in order; ENOMEM */
leann_status leann_answer_read(leann_ctx *ctx, const char *what, const leann_value *line, leann_answer *out);
/* Fills in target (n) the files that they name, whatever names files and queries were given by. queries: the path of their file.
 *   errors  EINVAL a query that does not say where others do; ENOTFOUND a file that is not there; EINVAL one that is not in the set */
leann_status leann_answers_find(leann_ctx *ctx, const char *queries, leann_answer *target, uint32_t n, const leann_text_files *files);
/* The chunks that overlap each target's lines. place (places) is sorted. Looks at no file; files name theirs in errors.
 *   errors  EINVAL a target that no chunk overlaps (says which); ENOMEM
 *   cost    places log places, and what lies on a target's file */
leann_status leann_relevance_make(leann_ctx *ctx, const leann_answer *target, uint32_t n, leann_place *place, size_t places,
                                  const leann_text_files *files, leann_relevance *out);

/* ---- reading it --------------------------------------------------------------------------------------------------------------- */

/* The queries of a text set with what is relevant to them. */
typedef struct {
    leann_text *text; /* (relevance.queries) */
    leann_relevance relevance;
    void *owned;
} leann_judged;
/* Of a data set by name or path, whose shape (its test and train rows) is queries and n.
 *   errors  ENOTFOUND it has no relevance; EFORMAT it is damaged, or of another shape; EINVAL a query that nothing is relevant to (says
 *           which); those of leann_dataset_open */
leann_status leann_judged_open(leann_ctx *ctx, const char *name_or_path, uint32_t queries, uint32_t n, leann_judged *out);
void leann_judged_free(leann_judged *j); /* what it holds, not itself */

#endif
