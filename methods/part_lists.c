/* part_lists.c – inverted lists: anchors (m, d), the offset of each list, and the row ids in list order, packed in ceil(log2 n) bits.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "core/simd/kernels.h"
#include "methods/parts.h"

/* ---- the stages: anchors, then the nearest anchor of every row --------------------------------------------------------------- */

typedef struct {
    const leann_dataset *data;
    leann_choice selector;
    uint32_t m;
    const leann_anchors *anchors; /* of the assignment */
} anchor_job;

static leann_status anchors_make(leann_ctx *ctx, void *arg, void **object)
{
    anchor_job *job = arg;
    leann_anchors *anchors = leann_alloc(ctx, 1, sizeof *anchors);
    if (!anchors) return leann_ctx_status(ctx);
    leann_status status = leann_select(ctx, job->selector, job->data, job->m, anchors);
    if (status == LEANN_OK)
        *object = anchors;
    else
        leann_free(anchors);
    return status;
}

static leann_status anchors_save(const void *object, leann_writer *w)
{
    const leann_anchors *anchors = object;
    leann_status status = leann_writer_add(w, "rows", LEANN_PART_ANCHORS, LEANN_F32, anchors->m, anchors->d * sizeof(float), anchors->rows);
    if (status != LEANN_OK) return status;
    return leann_writer_add(w, "ids", LEANN_PART_IDS, LEANN_U32, anchors->m, sizeof(uint32_t), anchors->ids);
}

static leann_status anchors_open(leann_ctx *ctx, leann_reader *r, void *arg, void **object)
{
    anchor_job *job = arg;
    uint32_t m = job->m, d = job->data->train.d;
    const void *rows, *ids;
    leann_status status = leann_reader_need(ctx, r, "rows", LEANN_F32, m, d * sizeof(float), &rows);
    if (status == LEANN_OK) status = leann_reader_need(ctx, r, "ids", LEANN_U32, m, sizeof(uint32_t), &ids);
    if (status != LEANN_OK) return status;
    leann_anchors *anchors = leann_alloc(ctx, 1, sizeof *anchors);
    if (!anchors) return leann_ctx_status(ctx);
    *anchors = (leann_anchors){m, d, leann_alloc(ctx, (size_t)m * d, sizeof(float)), leann_alloc(ctx, m, sizeof(uint32_t))};
    if (!anchors->rows || !anchors->ids) {
        leann_anchors_free(anchors);
        leann_free(anchors);
        return leann_ctx_status(ctx);
    }
    memcpy(anchors->rows, rows, (size_t)m * d * sizeof(float));
    memcpy(anchors->ids, ids, m * sizeof(uint32_t));
    *object = anchors;
    return LEANN_OK;
}

typedef struct {
    uint32_t n;
    uint32_t *owner; /* (n) */
} owners;

static leann_status owners_new(leann_ctx *ctx, uint32_t n, owners **out)
{
    owners *o = leann_alloc(ctx, 1, sizeof *o);
    uint32_t *owner = leann_alloc(ctx, n, sizeof *owner);
    if (!o || !owner) {
        leann_free(o);
        leann_free(owner);
        return leann_ctx_status(ctx);
    }
    *o = (owners){n, owner};
    *out = o;
    return LEANN_OK;
}

static void owners_free(owners *o)
{
    leann_free(o->owner);
    leann_free(o);
}

static leann_status owners_make(leann_ctx *ctx, void *arg, void **object)
{
    anchor_job *job = arg;
    owners *o = NULL;
    leann_status status = owners_new(ctx, job->data->train.n, &o);
    if (status != LEANN_OK) return status;
    status = leann_nearest(ctx, job->data->train, job->anchors->rows, job->anchors->m, o->owner, NULL);
    if (status == LEANN_OK)
        *object = o;
    else
        owners_free(o);
    return status;
}

static leann_status owners_save(const void *object, leann_writer *w)
{
    const owners *o = object;
    return leann_writer_add(w, "owner", LEANN_PART_IDS, LEANN_U32, o->n, sizeof(uint32_t), o->owner);
}

static leann_status owners_open(leann_ctx *ctx, leann_reader *r, void *arg, void **object)
{
    anchor_job *job = arg;
    uint32_t n = job->data->train.n;
    const void *stored;
    leann_status status = leann_reader_need(ctx, r, "owner", LEANN_U32, n, sizeof(uint32_t), &stored);
    owners *o = NULL;
    if (status != LEANN_OK || (status = owners_new(ctx, n, &o)) != LEANN_OK) return status;
    memcpy(o->owner, stored, (size_t)n * sizeof *o->owner);
    for (uint32_t i = 0; i < n; i++)
        if (o->owner[i] >= job->m) {
            status = leann_fail(ctx, LEANN_EFORMAT, "row %u belongs to anchor %u, but there are %u", i, o->owner[i], job->m);
            owners_free(o);
            return status;
        }
    *object = o;
    return LEANN_OK;
}

/* data: lifted already. */
static leann_status choose_and_assign(leann_ctx *ctx, leann_stages *stages, const leann_dataset *data, leann_listing *listing,
                                      leann_anchors *anchors)
{
    const leann_choice selector = listing->selector;
    const uint32_t m = listing->m;
    anchor_job job = {data, selector, m, anchors};
    leann_value *words = leann_value_new_map();
    leann_value_set(words, "selector", leann_choice_value(selector));
    leann_value_set(words, "revision", leann_value_new_int(selector.plugin->revision));
    leann_value_set(words, "anchors", leann_value_new_int(m));
    char labels[65];
    leann_status status = leann_choice_labels(ctx, selector, data, labels);
    if (status != LEANN_OK) goto done;
    if (*labels) leann_value_set(words, "labels", leann_value_new_text(labels));

    void *object = NULL;
    leann_stage choose = {"anchors", leann_value_copy(words), anchors_make, anchors_save, anchors_open};
    status = leann_stages_run(stages, ctx, choose, &job, &object);
    if (status != LEANN_OK) goto done;
    *anchors = *(leann_anchors *)object;
    leann_free(object);

    leann_stage assign = {"assignment", leann_value_copy(words), owners_make, owners_save, owners_open};
    status = leann_stages_run(stages, ctx, assign, &job, &object);
    if (status != LEANN_OK) {
        leann_anchors_free(anchors);
        goto done;
    }
    listing->owner = ((owners *)object)->owner;
    leann_free(object);
    listing->key = leann_value_keep(words);
done:
    leann_value_free(words);
    return status;
}

/* ---- the part ------------------------------------------------------------------------------------------------------------------ */

static uint32_t longest_of(const uint32_t *off, uint32_t m)
{
    uint32_t longest = 0;
    for (uint32_t l = 0; l < m; l++)
        if (off[l + 1] - off[l] > longest) longest = off[l + 1] - off[l];
    return longest;
}

/* Takes over anchors->rows; owner (n) is borrowed. *order: the rows in list order, heap, the caller's. */
static leann_status make_lists(leann_ctx *ctx, leann_anchors *anchors, const uint32_t *owner, uint32_t n, leann_lists *out,
                               uint32_t **order)
{
    uint32_t m = anchors->m;
    unsigned bits = leann_bits_for(n);
    uint32_t *off = leann_alloc(ctx, (size_t)m + 1, sizeof *off);
    uint32_t *rows = leann_alloc(ctx, n, sizeof *rows);
    uint8_t *packed = leann_alloc(ctx, leann_packed_bytes(n, bits), 1);
    if (!off || !rows || !packed) {
        leann_free(off);
        leann_free(rows);
        leann_free(packed);
        return leann_ctx_status(ctx);
    }
    leann_lists_of(owner, n, m, off, rows);
    leann_bits_pack(rows, n, bits, packed);
    *out = (leann_lists){m, anchors->d, n, longest_of(off, m), anchors->rows, off, packed, bits, {anchors->rows, off, packed}};
    anchors->rows = NULL;
    *order = rows;
    return LEANN_OK;
}

leann_status leann_lists_over_rows(leann_ctx *ctx, leann_stages *stages, const leann_dataset *data, leann_listing *listing,
                                   leann_lists *out)
{
    leann_dataset lifted = *data;
    leann_anchors anchors = {0};
    leann_status status = leann_rows_lift(ctx, data->train, &lifted.train);
    if (status != LEANN_OK) return status;
    status = choose_and_assign(ctx, stages, &lifted, listing, &anchors);
    if (lifted.train.base != data->train.base) leann_free((void *)(uintptr_t)lifted.train.base);
    if (status == LEANN_OK) status = make_lists(ctx, &anchors, listing->owner, data->train.n, out, &listing->order);
    leann_anchors_free(&anchors);
    return status;
}

void leann_listing_free(leann_listing *listing)
{
    leann_free(listing->owner);
    leann_free(listing->order);
    leann_value_free(listing->key);
}

leann_status leann_lists_save(const leann_lists *lists, leann_writer *w)
{
    leann_status status = leann_writer_add(w, "anchors", LEANN_PART_ANCHORS, LEANN_F32, lists->m, lists->d * sizeof(float), lists->anchor);
    if (status == LEANN_OK)
        status = leann_writer_add(w, "lists", LEANN_PART_IDS, LEANN_U32, (uint64_t)lists->m + 1, sizeof(uint32_t), lists->off);
    if (status == LEANN_OK)
        status = leann_writer_add(w, "ids", LEANN_PART_IDS, LEANN_BYTES, leann_packed_bytes(lists->n, lists->bits), 1, lists->ids);
    return status;
}

void leann_lists_predict(uint64_t n, uint32_t m, uint32_t d, leann_ledger *ledger)
{
    leann_ledger_add(ledger, LEANN_PART_ANCHORS, (uint64_t)m * d * sizeof(float));
    leann_ledger_add(ledger, LEANN_PART_IDS, ((uint64_t)m + 1) * sizeof(uint32_t));
    leann_ledger_add(ledger, LEANN_PART_IDS, leann_packed_bytes(n, leann_bits_for((uint32_t)n)));
}

/* Every row exactly once. */
static leann_status check_lists(leann_ctx *ctx, const leann_lists *lists, const char *path)
{
    if (lists->off[0] != 0 || lists->off[lists->m] != lists->n)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: lists run from %u to %u instead of 0 to %u", path, lists->off[0], lists->off[lists->m],
                          lists->n);
    for (uint32_t l = 0; l < lists->m; l++)
        if (lists->off[l] > lists->off[l + 1] || lists->off[l + 1] > lists->n)
            return leann_fail(ctx, LEANN_EFORMAT, "%s: list %u begins at %u and ends at %u of %u slots", path, l, lists->off[l],
                              lists->off[l + 1], lists->n);
    uint8_t *seen = leann_alloc(ctx, lists->n, 1);
    if (!seen) return leann_ctx_status(ctx);
    leann_status status = LEANN_OK;
    for (uint32_t i = 0; i < lists->n && status == LEANN_OK; i++) {
        uint32_t id = leann_bits_at(lists->ids, i, lists->bits);
        if (id >= lists->n)
            status = leann_fail(ctx, LEANN_EFORMAT, "%s: slot %u holds row %u of %u", path, i, id, lists->n);
        else if (seen[id]++)
            status = leann_fail(ctx, LEANN_EFORMAT, "%s: row %u stands in two slots, the second is %u", path, id, i);
    }
    leann_free(seen);
    return status;
}

leann_status leann_lists_open(leann_ctx *ctx, const leann_reader *r, uint32_t m, uint32_t d, uint32_t n, leann_lists *out)
{
    unsigned bits = leann_bits_for(n);
    const void *anchor, *off, *ids;
    leann_status status = leann_reader_need(ctx, r, "anchors", LEANN_F32, m, d * sizeof(float), &anchor);
    if (status == LEANN_OK) status = leann_reader_need(ctx, r, "lists", LEANN_U32, (uint64_t)m + 1, sizeof(uint32_t), &off);
    if (status == LEANN_OK) status = leann_reader_need(ctx, r, "ids", LEANN_BYTES, leann_packed_bytes(n, bits), 1, &ids);
    if (status != LEANN_OK) return status;
    leann_rows rows = {anchor, d * sizeof(float), m, d, LEANN_F32, LEANN_L2};
    if ((status = leann_rows_check_file(ctx, leann_reader_path(r), rows)) != LEANN_OK) return status;
    *out = (leann_lists){m, d, n, 0, anchor, off, ids, bits, {NULL, NULL, NULL}};
    if ((status = check_lists(ctx, out, leann_reader_path(r))) != LEANN_OK) return status;
    out->longest = longest_of(out->off, m);
    return LEANN_OK;
}

void leann_lists_free(leann_lists *lists)
{
    for (size_t i = 0; i < 3; i++) leann_free(lists->owned[i]);
    *lists = (leann_lists){0};
}

leann_rows leann_lists_anchors(const leann_lists *lists, uint32_t d, leann_space space)
{
    return (leann_rows){lists->anchor, lists->d * sizeof(float), lists->m, d, LEANN_F32, space == LEANN_IP ? LEANN_IP : LEANN_L2};
}

uint32_t *leann_lists_slots(leann_ctx *ctx, const leann_lists *lists)
{
    uint32_t *slot = leann_scratch(ctx, lists->n * sizeof *slot);
    if (!slot) return NULL;
    for (uint32_t i = 0; i < lists->n; i++) slot[leann_bits_at(lists->ids, i, lists->bits)] = i;
    return slot;
}

uint32_t leann_lists_owner(const leann_lists *lists, uint32_t slot)
{
    uint32_t low = 0, high = lists->m; /* the last list that begins at or before slot: empty ones before it begin there too */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (lists->off[middle] <= slot)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* ---- a query ------------------------------------------------------------------------------------------------------------------- */

leann_status leann_lists_check(leann_ctx *ctx, const char *what, leann_count count, uint64_t n)
{
    if (!count.per_sqrt_n && count.value > (double)n)
        return leann_fail(ctx, LEANN_EINVAL, "%s is %.0f, but at most n = %llu", what, count.value, (unsigned long long)n);
    return LEANN_OK;
}

enum { RUN = 1024 }; /* keys of a run stay in L1 */

leann_status leann_lists_probe(leann_ctx *ctx, const leann_lists *lists, uint32_t d, leann_space space, const float *q, uint32_t *probes,
                               leann_hit **list)
{
    uint32_t m = lists->m;
    if (*probes > m) *probes = m;
    float *key = leann_scratch(ctx, m * sizeof *key);
    leann_sieve top;
    leann_scorer *scorer = leann_rows_scorer(ctx, leann_lists_anchors(lists, d, space), q);
    if (!key || !scorer || !leann_sieve_start(&top, ctx, *probes)) return leann_ctx_status(ctx);
    scorer->score(scorer, (leann_span){LEANN_NONE, 0, m, NULL}, INFINITY, key, NULL);
    leann_ctx_work(ctx)->dist_comps += m;
    leann_sieve_push_run(&top, key, m, 0);
    *list = leann_sieve_sort(&top);
    return LEANN_OK;
}

leann_status leann_lists_scan(leann_ctx *ctx, const leann_lists *lists, leann_scorer *scorer, const leann_hit *list, uint32_t probes,
                              leann_sieve *top)
{
    leann_work *work = leann_ctx_work(ctx);
    const leann_kernels *kernels = leann_kernels_get();
    float key[RUN];
    uint32_t index[RUN];
    for (uint32_t p = 0; p < probes; p++) {
        uint32_t l = list[p].id, end = lists->off[l + 1];
        for (uint32_t first = lists->off[l]; first < end; first += RUN) {
            uint32_t n = end - first < RUN ? end - first : RUN;
            scorer->score(scorer, (leann_span){l, first, n, NULL}, top->cut, key, NULL);
            uint32_t some = kernels->at_most(key, n, top->cut, index); /* the packed id is read for the few that may enter */
            for (uint32_t i = 0; i < some; i++)
                leann_sieve_push(top, key[index[i]], leann_bits_at(lists->ids, first + index[i], lists->bits));
            work->dist_comps += n;
        }
        work->hops++;
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
    }
    return LEANN_OK;
}
