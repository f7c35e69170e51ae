/* pypi_index.h – the passages of an index that LEANN 0.3.8 (PyPI) built, so that its HNSW backend can recompute them here.
 *
 * Beside X.leann lie X.leann.meta.json (dimension, metric, which files hold the passages), X.leann.passages.jsonl (a line {"id", "text",
 * "metadata"} each), and X.ids.txt (a line an id: the passage of label i of the graph; without it label i is the passage "i").
 * The offsets that LEANN pickles beside the passages are not read: a pickle is a program. The lines are looked through once instead.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PYPI_INDEX_H
#define LEANN_PYPI_INDEX_H

#include "core/plugin.h"

typedef struct {
    leann_passages passages; /* by label; the text of a label that has none is empty */
    uint32_t d;              /* 0: not stated */
    bool squared_l2;
    uint32_t missing; /* labels without a passage */
    uint32_t skipped; /* lines that are no passage: no JSON, or without id or text … */
    char *why;        /* … and what was wrong with the first of them; NULL where there is none */
} leann_pypi_index;

/* path: FILE.meta.json; or FILE.jsonl, passages alone.
 *   errors  ENOTFOUND; EFORMAT; EUNSUPPORTED another kind of passages, or metric; ELIMIT more than 2^32 - 2 passages; EIO; ENOMEM
 *   threads reading passages: any number, each with its context
 *   source  leann-core's api.py (PassageManager, LeannBuilder) and leann-backend-hnsw's hnsw_backend.py: where files lie, in which
 *           order paths are tried; nothing was copied */
leann_status leann_pypi_open(leann_ctx *ctx, const char *path, leann_pypi_index **out);
void leann_pypi_free(leann_pypi_index *self); /* NULL: nothing */

#endif
