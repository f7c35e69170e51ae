/* advise.c – measured rows that fit a wish, by modelled time.
 *
 * Source: the modelled latency of EdgeRAG's and LEANN's evaluations (arXiv 2412.21023, 2506.08276): seconds measured without an encoder, and
 *   what recomputations would take. Differs: nothing is modelled of recall and recomputations, which are those of the measured row.
 * SPDX-License-Identifier: MIT */
#include "eval/advise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool fits(const leann_table *t, size_t row, const leann_wish *wish, leann_advice *out)
{
    const double n = leann_table_get(t, row, "n"), bytes = leann_table_get(t, row, "index_bytes"), ms = leann_table_get(t, row, "mean_ms");
    const double recomputes = leann_table_get(t, row, "recomputes");
    if (strcmp(leann_table_text(t, row, "status"), "ok") != 0 || *leann_table_text(t, row, "published")) return false;
    if (strstr(leann_table_text(t, row, "params"), "\"passages\"")) return false;
    if (wish->k && leann_table_get(t, row, "k") != wish->k) return false;
    if (wish->d && leann_table_get(t, row, "d") != wish->d) return false;
    if (!(leann_table_get(t, row, "recall") >= wish->recall && n > 0 && bytes > 0 && ms > 0)) return false;
    *out = (leann_advice){row, bytes * wish->n / n, ms * fmax(1, wish->n / n) + (recomputes > 0 ? recomputes * wish->encoder_ms : 0)};
    return out->bytes <= wish->bytes;
}

static int faster(const void *a, const void *b)
{
    const leann_advice *x = a, *y = b;
    if (x->ms != y->ms) return x->ms < y->ms ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

size_t leann_advise(const leann_table *t, const leann_wish *wish, leann_advice *advice)
{
    size_t found = 0;
    for (size_t row = 0; row < leann_table_rows(t); row++) found += fits(t, row, wish, &advice[found]);
    qsort(advice, found, sizeof *advice, faster);
    return found;
}
