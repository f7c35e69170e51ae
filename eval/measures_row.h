/* measures_row.h – one raw result -> its row of measures, without recall.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_MEASURES_ROW_H
#define LEANN_MEASURES_ROW_H

#include "eval/result.h"
#include "eval/table.h"

/* Fills in the row: what the point is and what its build cost, and for one that is ok its work and speed.
 *   errors  ENOMEM */
leann_status leann_row_measure(leann_table *t, size_t row, const leann_result *raw);

/* Column codes_recall of all rows: what a scan of all the codes that a row rests on finds without a re-rank; empty where no row is such a
 * scan. errors: ENOMEM */
leann_status leann_row_ceilings(leann_table *t);

/* Each timed query's median over the passes: seconds (raw->t) out. errors: ENOMEM */
leann_status leann_row_seconds(leann_ctx *ctx, const leann_result *raw, double *seconds);

#endif
