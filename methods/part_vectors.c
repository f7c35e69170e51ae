/* part_vectors.c – kept vectors: (n, d) rows in one section, in the source's own type or as floats.
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "methods/parts.h"

leann_dtype leann_keep_type(leann_dtype source, leann_keep keep)
{
    return keep == LEANN_KEEP_F32 ? LEANN_F32 : source;
}

typedef struct {
    leann_rows from;
    const uint32_t *ids;
    char *to;
    size_t bytes, stride; /* of a row as it is copied, and from one to the next */
    bool convert;
} copy_job;

static leann_status copy_chunk(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker;
    const copy_job *job = arg;
    for (size_t i = begin; i < end; i++) {
        uint32_t row = job->ids ? job->ids[i] : (uint32_t)i;
        char *to = job->to + i * job->stride;
        if (job->convert)
            leann_rows_floats(job->from, row, 1, (float *)(void *)to);
        else
            memcpy(to, leann_row(job->from, row), job->bytes);
    }
    return LEANN_OK;
}

leann_status leann_vectors_take(leann_ctx *ctx, const leann_dataset *data, const uint32_t *ids, leann_keep keep, leann_vectors *out)
{
    leann_rows rows = data->train;
    leann_dtype type = leann_keep_type(rows.type, keep);
    if (data->lasting && !ids) {
        *out = (leann_vectors){rows, NULL, type};
        return LEANN_OK;
    }
    size_t stride = rows.d * leann_dtype_bytes(type);
    char *copy = leann_alloc(ctx, rows.n, stride);
    if (!copy) return leann_ctx_status(ctx);
    copy_job job = {rows, ids, copy, stride, stride, type != rows.type};
    leann_status status = leann_parallel(ctx, rows.n, 1024, copy_chunk, &job);
    if (status != LEANN_OK) {
        leann_free(copy);
        return status;
    }
    *out = (leann_vectors){{copy, stride, rows.n, rows.d, type, rows.space}, copy, type};
    return LEANN_OK;
}

leann_status leann_packed_save(leann_writer *w, const char *name, leann_part part, leann_dtype type, uint32_t n, size_t bytes,
                               const void *base, size_t stride)
{
    if (stride == bytes) return leann_writer_add(w, name, part, type, n, bytes, base);
    leann_status status = leann_writer_begin(w, name, part, type, n, bytes);
    for (uint32_t i = 0; i < n && status == LEANN_OK; i++) status = leann_writer_put(w, (const char *)base + i * stride, bytes);
    return status == LEANN_OK ? leann_writer_end(w) : status;
}

leann_status leann_vectors_save(const leann_vectors *vectors, leann_writer *w)
{
    enum { BLOCK = 256 };
    leann_rows rows = vectors->rows;
    leann_ctx *ctx = leann_writer_ctx(w);
    size_t bytes = rows.d * leann_dtype_bytes(vectors->type), mark = leann_scratch_mark(ctx);
    if (vectors->type == rows.type)
        return leann_packed_save(w, "vectors", LEANN_PART_VECTORS, rows.type, rows.n, bytes, rows.base, rows.stride);
    float *x = leann_scratch(ctx, BLOCK * bytes);
    leann_status status = x ? leann_writer_begin(w, "vectors", LEANN_PART_VECTORS, LEANN_F32, rows.n, bytes) : LEANN_ENOMEM;
    for (uint32_t i = 0; i < rows.n && status == LEANN_OK; i += BLOCK) {
        uint32_t n = rows.n - i < BLOCK ? rows.n - i : BLOCK;
        leann_rows_floats(rows, i, n, x);
        status = leann_writer_put(w, x, n * bytes);
    }
    leann_scratch_reset(ctx, mark);
    return status == LEANN_OK ? leann_writer_end(w) : status;
}

leann_status leann_vectors_open(leann_ctx *ctx, const leann_reader *r, uint32_t n, uint32_t d, leann_space space, leann_vectors *out)
{
    const leann_section *section = leann_reader_find(r, "vectors");
    if (!section) return leann_fail(ctx, LEANN_EFORMAT, "%s: no section 'vectors'", leann_reader_path(r));
    if (section->type != LEANN_F32 && section->type != LEANN_U8 && section->type != LEANN_I8)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: vectors of type %s; f32, u8 and i8 are known", leann_reader_path(r),
                          leann_dtype_word(section->type));
    const void *data;
    size_t stride = d * leann_dtype_bytes(section->type);
    leann_status status = leann_reader_need(ctx, r, "vectors", section->type, n, stride, &data);
    if (status != LEANN_OK) return status;
    *out = (leann_vectors){{data, stride, n, d, section->type, space}, NULL, section->type};
    return leann_rows_check_file(ctx, leann_reader_path(r), out->rows);
}

leann_status leann_settle(leann_ctx *ctx, const leann_reader *r, const char *name, size_t stride, void **copy)
{
    const leann_section *section = leann_reader_find(r, name);
    copy_job job = {.from = {.base = section->data, .stride = section->stride}, .bytes = section->stride, .stride = stride};
    if (!(job.to = leann_alloc(ctx, section->rows, stride))) return leann_ctx_status(ctx);
    *copy = job.to;
    leann_status status = leann_parallel(ctx, section->rows, 1024, copy_chunk, &job);
    leann_reader_release(section);
    return status;
}

leann_status leann_vectors_settle(leann_ctx *ctx, const leann_reader *r, leann_vectors *vectors)
{
    size_t stride = leann_line_up(vectors->rows.stride);
    leann_status status = leann_settle(ctx, r, "vectors", stride, &vectors->owned);
    if (status == LEANN_OK) vectors->rows.base = vectors->owned, vectors->rows.stride = stride;
    return status;
}

void leann_vectors_free(leann_vectors *vectors)
{
    leann_free(vectors->owned);
    *vectors = (leann_vectors){0};
}

void leann_vectors_predict(uint64_t n, uint32_t d, leann_dtype source, leann_keep keep, leann_ledger *ledger)
{
    leann_ledger_add(ledger, LEANN_PART_VECTORS, n * d * leann_dtype_bytes(leann_keep_type(source, keep)));
}

void leann_scan_all(leann_scorer *const *scorer, leann_sieve *top, uint32_t queries, uint32_t n)
{
    enum { RUN = 4096 }; /* rows keyed before the best are picked out: 16 KiB of keys stay in L1 */
    float key[RUN];
    if (scorer[0]->sift) {
        scorer[0]->sift(scorer, top, queries, (leann_span){LEANN_NONE, 0, n, NULL});
        return;
    }
    for (uint32_t first = 0, run = top->room; first < n; first += run) { /* as many as give a cut, then twice as many, … */
        if (first) run = first;
        if (run > RUN) run = RUN;
        if (run > n - first) run = n - first;
        for (uint32_t i = 0; i < queries; i++) {
            scorer[i]->score(scorer[i], (leann_span){LEANN_NONE, first, run, NULL}, top[i].cut, key, NULL);
            leann_sieve_push_run(&top[i], key, run, first);
        }
    }
}
