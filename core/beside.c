/* beside.c – lays codes beside neighbour lists and scans them; see beside.h.
 *
 * Cost: making takes a copy of every code for every list that it stands in; a list of 32 the time of one fast-scan block and about ten
 * instructions for its keys.
 *
 * SPDX-License-Identifier: MIT */
#include "core/beside.h"

#include "core/simd/kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { SLOTS = 32, COLUMN = 16, LINE = 64, CHUNK = 256 };

/* ---- making ------------------------------------------------------------------------------------------------------------------ */

static size_t code_bytes(const leann_beside *b)
{
    return (size_t)b->blocks * b->columns.m * COLUMN;
}

static float *terms_of(const leann_beside *b, uint32_t node)
{
    return (float *)(void *)(b->base + node * b->stride + code_bytes(b));
}

typedef struct {
    const leann_quantizer *quantizer;
    const leann_codes *codes;
    const leann_graph *graph;
    leann_beside *beside;
} make_job;

static leann_status make_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    const make_job *job = arg;
    const leann_beside *b = job->beside;
    size_t bytes = job->codes->stride, mark = leann_scratch_mark(ctx);
    uint8_t *code = leann_scratch(ctx, (size_t)job->graph->slots * bytes);
    uint32_t *room = leann_scratch(ctx, ((size_t)job->graph->slots + 1) * sizeof *room);
    if (!code || !room) return LEANN_ENOMEM;
    for (size_t node = begin; node < end; node++) {
        const uint32_t *list = leann_graph_read(job->graph, (uint32_t)node, 0, room);
        float *plus = terms_of(b, (uint32_t)node), *times = plus + (size_t)b->blocks * SLOTS, one;
        for (uint32_t i = 0; i < list[0]; i++) {
            memcpy(code + i * bytes, job->codes->code + list[1 + i] * bytes, bytes);
            job->quantizer->type->terms(job->quantizer, job->codes->space, code + i * bytes, plus + i,
                                        b->columns.scaled ? times + i : &one);
        }
        leann_fastscan_pack(code + b->columns.skip, bytes, list[0], b->columns.m, b->base + node * b->stride);
    }
    leann_scratch_reset(ctx, mark);
    return LEANN_OK;
}

leann_status leann_beside_make(leann_ctx *ctx, const leann_quantizer *quantizer, leann_columns columns, const leann_codes *codes,
                               const leann_graph *graph, leann_beside **out)
{
    leann_beside *b = leann_alloc(ctx, 1, sizeof *b);
    if (!(*out = b)) return LEANN_ENOMEM;
    *b = (leann_beside){.blocks = (graph->slots + SLOTS - 1) / SLOTS, .columns = columns};
    size_t terms = (size_t)b->blocks * SLOTS * sizeof(float) * (columns.scaled ? 2 : 1);
    b->stride = leann_line_up(code_bytes(b) + terms);
    if (!(b->base = leann_alloc(ctx, graph->n, b->stride))) return LEANN_ENOMEM;
    make_job job = {quantizer, codes, graph, b};
    return leann_parallel(ctx, graph->n, CHUNK, make_task, &job);
}

void leann_beside_free(leann_beside *beside)
{
    if (beside) leann_free(beside->base);
    leann_free(beside);
}

/* ---- tables ------------------------------------------------------------------------------------------------------------------ */

/* The least entry of a column, and the largest that is finite. */
static void ends(const float *column, size_t pad, float *least, float *largest)
{
    enum { LANES = 16 };
    float low[LANES], high[LANES];
    for (size_t l = 0; l < LANES; l++) low[l] = high[l] = column[0];
    for (size_t c = 0; c < pad; c += LANES)
        for (size_t l = 0; l < LANES; l++) {
            float x = column[c + l], finite = x <= FLT_MAX ? x : column[0];
            low[l] = x < low[l] ? x : low[l];
            high[l] = finite > high[l] ? finite : high[l];
        }
    *least = low[0];
    *largest = high[0];
    for (size_t l = 1; l < LANES; l++) {
        *least = low[l] < *least ? low[l] : *least;
        *largest = high[l] > *largest ? high[l] : *largest;
    }
}

leann_status leann_lookup_of(leann_ctx *ctx, const float *table, size_t m, size_t pad, leann_lookup *out)
{
    double least = 0, largest = 0, spread = 0;
    float widest = 0, high, *low = leann_scratch(ctx, m * sizeof *low);
    *out = (leann_lookup){.entry = leann_scratch(ctx, m * pad)};
    if (!low || !out->entry) return LEANN_ENOMEM;
    for (size_t s = 0; s < m; s++) {
        ends(table + s * pad, pad, &low[s], &high);
        widest = high - low[s] > widest ? high - low[s] : widest;
        least += (double)low[s];
        largest += (double)fmaxf(fabsf(low[s]), fabsf(high));
        spread += (double)(high - low[s]);
    }
    out->step = fmaxf(widest / 255, (float)(spread / UINT16_MAX));
    out->least = (float)least;
    out->largest = (float)largest;
    float scale = out->step > 0 ? (1 - 8 * FLT_EPSILON) / out->step : 0; /* a little less, so that no rounding lifts an entry */
    for (size_t s = 0; s < m; s++)
        for (size_t c = s * pad; c < (s + 1) * pad; c++) {
            float x = (table[c] - low[s]) * scale;
            out->entry[c] = (uint8_t)(int32_t)(x < 255 ? x : 255);
        }
    return LEANN_OK;
}

/* ---- keys -------------------------------------------------------------------------------------------------------------------- */

void leann_beside_score(const leann_beside *b, const leann_lookup *lookup, float constant, uint32_t node, uint32_t n, float *key)
{
    const leann_kernels *kernels = leann_kernels_get();
    const uint8_t *block = b->base + node * b->stride;
    leann_scan_line line = {lookup->least + 0.5F * lookup->step * (float)b->columns.m, lookup->step, constant, terms_of(b, node), NULL};
    if (b->columns.scaled) line.times = line.plus + (size_t)b->blocks * SLOTS;
    for (uint32_t first = 0; first < n; first += SLOTS, block += b->columns.m * COLUMN, line.plus += SLOTS) {
        uint16_t sum[SLOTS], *sums = sum;
        kernels->fastscan((const uint8_t *const *)&lookup->entry, 1, block, b->columns.m, 1, &sums);
        kernels->scan_keys(sum, SLOTS, line, key + first);
        if (line.times) line.times += SLOTS;
    }
}

void leann_beside_prefetch(const leann_beside *b, uint32_t node)
{
    const uint8_t *at = b->base + node * b->stride;
    for (size_t i = 0; i < b->stride; i += LINE) __builtin_prefetch(at + i);
}
