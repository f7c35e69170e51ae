/* references.c – the packed table of where rows' texts lie: measured, made of a data set's columns, saved, opened, asked.
 *
 * Chunk r is the r-th in order of file and offset. starts[r] is where it begins when the chunks are laid end to end with their gaps, each
 * file behind the last chunk of the one before; gap[r] is what lies before it, since the chunk before it or, for the first one of a file,
 * since the file's begin. So a chunk ends at starts[r + 1] - gap[r + 1], and its file began at starts[f] - gap[f], f being the file's first
 * chunk; starts and gap have n + 1 entries, the last gap 0. Most gaps are a newline or two: they are codes of few bits, and what is too
 * large for them stands in two sequences (at which chunks, sums of the gaps).
 *
 * Cost: two gets a chunk, some ten for its file, and at most 256 paths decoded: 2 microseconds; opening 110,000 chunks takes 1.7 ms (Xeon,
 * one thread). Memory: as in the file, and 8 bytes for each 256 chunks and files.
 *
 * Source: Elias 1974; Fano 1971 (the sequences); Witten, Moffat & Bell 1999, section 4.1 (front coding).
 * SPDX-License-Identifier: MIT */
#include "core/references.h"
#include "core/ascending.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATHS = 256, /* a path in so many is not front-coded */
    PATH_MOST = 4095,
    ROOT_MOST = 4095,
    SHA_BYTES = 32,
    CHECK_BYTES = 6, /* a change goes unseen once in 2^48 */
    GAP_BITS_MOST = 16,
    HEAD_WORDS = sizeof(leann_references_shape) / sizeof(uint64_t),
};
_Static_assert(LEANN_PATH_BYTES == ROOT_MOST + 1 + PATH_MOST + 1, "a root, a slash, a path and a NUL");

struct leann_references {
    leann_references_shape shape;
    leann_ascending starts, first, far_at, far_sum;
    const char *root;     /* without a NUL behind it */
    const uint8_t *gaps;  /* (n + 1) packed codes */
    const uint8_t *paths; /* each: how many bytes it shares with the one before, how many more it has, and those */
    const uint8_t *checks;
    const uint8_t *rank; /* (n) packed: which chunk a row is; NULL: the one of its own number */
    uint64_t *path_at;   /* (files / PATHS + 1) of every PATHS-th path */
    void *owned[5];      /* root, gaps, paths, checks, rank when made here */
};

/* ---- the layout of columns ------------------------------------------------------------------------------------------------ */

typedef struct {
    uint64_t offset;
    uint32_t path, bytes, id;
} item;

typedef struct {
    uint32_t *order; /* (n) the row that chunk r is; NULL: r */
    uint64_t *start; /* (n + 1) */
    int64_t *gap;    /* (n + 1) */
    uint64_t *first; /* (shape.files) */
    leann_references_shape shape;
} layout;

static void free_layout(layout *l)
{
    leann_free(l->order);
    leann_free(l->start);
    leann_free(l->gap);
    leann_free(l->first);
}

static uint32_t row_of(const layout *l, uint64_t r)
{
    return l->order ? l->order[r] : (uint32_t)r;
}

static int by_place(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->path != y->path) return x->path < y->path ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static item item_of(const leann_reference_columns *c, uint32_t i)
{
    return (item){c->offset[i], c->path[i], c->bytes[i], i};
}

static leann_status put_in_order(leann_ctx *ctx, const leann_reference_columns *c, layout *l)
{
    bool ordered = true;
    for (uint32_t i = 1; i < c->n && ordered; i++) {
        const item before = item_of(c, i - 1), now = item_of(c, i);
        ordered = by_place(&before, &now) < 0;
    }
    if (ordered) return LEANN_OK;
    item *items = leann_alloc(ctx, c->n, sizeof *items);
    l->order = leann_alloc(ctx, c->n, sizeof *l->order);
    if (items && l->order) {
        for (uint32_t i = 0; i < c->n; i++) items[i] = item_of(c, i);
        qsort(items, c->n, sizeof *items, by_place);
        for (uint32_t i = 0; i < c->n; i++) l->order[i] = items[i].id;
        l->shape.mixed = 1;
    }
    leann_free(items);
    return leann_ctx_status(ctx);
}

static leann_status lay_end_to_end(leann_ctx *ctx, const leann_reference_columns *c, layout *l)
{
    uint64_t base = 0, end = 0, end_in_file = 0; /* of the file; of the chunk before */
    uint32_t path = 0;
    for (uint32_t r = 0; r < c->n; r++) {
        const item i = item_of(c, row_of(l, r));
        assert(i.path < c->paths && i.offset <= (uint64_t)INT64_MAX - i.bytes);
        const bool opens = r == 0 || i.path != path;
        if (opens) l->first[l->shape.files++] = r;
        if (opens) base = end;
        if (i.offset > LEANN_ASCENDING_LIMIT_MAX || base + i.offset + i.bytes > LEANN_ASCENDING_LIMIT_MAX)
            return leann_fail(ctx, LEANN_EUNSUPPORTED, "passage %u lies at byte %ju of its file, and the files together have more than %ju",
                              i.id, (uintmax_t)i.offset, (uintmax_t)LEANN_ASCENDING_LIMIT_MAX);
        l->gap[r] = (int64_t)i.offset - (int64_t)(opens ? 0 : end_in_file);
        l->start[r] = base + i.offset;
        end = l->start[r] + i.bytes;
        end_in_file = i.offset + i.bytes;
        path = i.path;
    }
    l->start[c->n] = l->shape.end = end;
    return LEANN_OK;
}

static uint64_t far_from(uint64_t bits) /* what is as large has no code of its own */
{
    return ((uint64_t)1 << bits) - 1;
}

static uint64_t gap_bytes(const leann_references_shape *s)
{
    return leann_packed_bytes(s->n + 1, (unsigned)s->gap_bits) +
           sizeof(uint64_t) * (leann_ascending_words(s->far, s->n) + leann_ascending_words(s->far, s->far_sum));
}

/* The bits with which gaps take the fewest bytes. */
static leann_status choose_bits(leann_ctx *ctx, layout *l)
{
    leann_references_shape *s = &l->shape, trial = *s;
    int64_t least = 0;
    for (uint64_t r = 0; r < s->n; r++)
        if (l->gap[r] < least) least = l->gap[r];
    s->gap_least = trial.gap_least = (uint64_t)least;
    for (trial.gap_bits = 1; trial.gap_bits <= GAP_BITS_MOST; trial.gap_bits++) {
        trial.far = trial.far_sum = 0;
        for (uint64_t r = 0; r <= s->n; r++) {
            const uint64_t value = (uint64_t)(l->gap[r] - least);
            if (value < far_from(trial.gap_bits)) continue;
            trial.far++;
            if (value > LEANN_ASCENDING_LIMIT_MAX - trial.far_sum)
                return leann_fail(ctx, LEANN_EUNSUPPORTED, "the gaps between passages have more than %ju bytes",
                                  (uintmax_t)LEANN_ASCENDING_LIMIT_MAX);
            trial.far_sum += value;
        }
        if (s->gap_bits == 0 || gap_bytes(&trial) < gap_bytes(s)) *s = trial;
    }
    return LEANN_OK;
}

static uint32_t put_number(uint8_t *to, uint32_t value) /* seven bits a byte; to NULL: only how many bytes */
{
    uint32_t n = 0;
    for (; value >= 128; value >>= 7, n++)
        if (to) to[n] = (uint8_t)(value | 128);
    if (to) to[n] = (uint8_t)value;
    return n + 1;
}

/* The paths of files that hold chunks, front-coded; to NULL: only how many bytes. */
static uint64_t code_paths(const leann_reference_columns *c, const layout *l, uint8_t *to)
{
    const char *before = "";
    uint32_t had = 0;
    uint64_t at = 0;
    for (uint64_t f = 0; f < l->shape.files; f++) {
        const uint32_t path = c->path[row_of(l, l->first[f])], length = (uint32_t)(c->text_at[path + 1] - c->text_at[path]);
        const char *now = c->text + c->text_at[path];
        uint32_t shared = 0;
        while (f % PATHS && shared < length && shared < had && now[shared] == before[shared]) shared++;
        at += put_number(to ? to + at : NULL, shared);
        at += put_number(to ? to + at : NULL, length - shared);
        if (to) memcpy(to + at, now + shared, length - shared);
        at += length - shared;
        before = now;
        had = length;
    }
    return at;
}

static leann_status check_paths(leann_ctx *ctx, const leann_reference_columns *c)
{
    const uint64_t bytes = c->text_at[c->paths];
    if (strlen(c->root) > ROOT_MOST)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "the folder of the passages has more than %d bytes", ROOT_MOST);
    for (uint32_t i = 0; i < c->paths; i++) assert(c->text_at[i + 1] - c->text_at[i] <= PATH_MOST);
    return bytes > 0 && memchr(c->text, 0, bytes) ? leann_fail(ctx, LEANN_EFORMAT, "a path of the passages holds a NUL") : LEANN_OK;
}

static leann_status lay_out(leann_ctx *ctx, const leann_reference_columns *c, layout *l)
{
    *l = (layout){.shape = {.n = c->n, .root_bytes = strlen(c->root)}};
    assert(c->n > 0);
    leann_status status = check_paths(ctx, c);
    if (!status) status = put_in_order(ctx, c, l);
    if (status) return status;
    l->start = leann_alloc(ctx, (size_t)c->n + 1, sizeof *l->start);
    l->gap = leann_alloc(ctx, (size_t)c->n + 1, sizeof *l->gap);
    l->first = leann_alloc(ctx, c->n, sizeof *l->first);
    if (!l->start || !l->gap || !l->first) return LEANN_ENOMEM;
    status = lay_end_to_end(ctx, c, l);
    if (!status) status = choose_bits(ctx, l);
    if (!status) l->shape.path_bytes = code_paths(c, l, NULL);
    return status;
}

leann_status leann_references_measure(leann_ctx *ctx, const leann_reference_columns *columns, leann_references_shape *out)
{
    layout l;
    leann_status status = lay_out(ctx, columns, &l);
    *out = status ? (leann_references_shape){0} : l.shape;
    free_layout(&l);
    return status;
}

/* ---- making -------------------------------------------------------------------------------------------------------------- */

static leann_status make_gaps(leann_ctx *ctx, const layout *l, leann_references *self)
{
    const leann_references_shape *s = &l->shape;
    uint32_t *code = leann_alloc(ctx, s->n + 1, sizeof *code);
    uint64_t *at = leann_alloc(ctx, s->far, sizeof *at), *sum = leann_alloc(ctx, s->far, sizeof *sum), far = 0, total = 0;
    uint8_t *packed = self->owned[1] = leann_alloc(ctx, leann_packed_bytes(s->n + 1, (unsigned)s->gap_bits), 1);
    leann_status status = code && at && sum && packed ? LEANN_OK : LEANN_ENOMEM;
    for (uint64_t r = 0; r <= s->n && !status; r++) {
        const uint64_t value = (uint64_t)l->gap[r] - s->gap_least, most = far_from(s->gap_bits);
        code[r] = (uint32_t)(value < most ? value : most);
        if (value < most) continue;
        at[far] = r;
        sum[far++] = total += value;
    }
    if (!status) leann_bits_pack(code, s->n + 1, (unsigned)s->gap_bits, packed);
    if (!status) status = leann_ascending_make(ctx, at, far, s->n, &self->far_at);
    if (!status) status = leann_ascending_make(ctx, sum, far, s->far_sum, &self->far_sum);
    leann_free(code);
    leann_free(at);
    leann_free(sum);
    self->gaps = packed;
    return status;
}

/* A file's check: the first bytes of the sha256 over those of its chunks, in order. */
static leann_status make_checks(leann_ctx *ctx, const leann_reference_columns *c, const layout *l, leann_references *self)
{
    uint8_t *check = self->owned[3] = leann_alloc(ctx, l->shape.files, CHECK_BYTES);
    if (!check) return LEANN_ENOMEM;
    for (uint64_t f = 0; f < l->shape.files; f++) {
        const uint64_t end = f + 1 < l->shape.files ? l->first[f + 1] : c->n;
        uint8_t sum[SHA_BYTES];
        leann_sha *sha = leann_sha_new();
        if (!sha) return leann_fail(ctx, LEANN_ENOMEM, "no memory for a checksum");
        for (uint64_t r = l->first[f]; r < end; r++) leann_sha_add(sha, c->sha + (size_t)row_of(l, r) * SHA_BYTES, SHA_BYTES);
        leann_sha_end_bytes(sha, sum);
        memcpy(check + f * CHECK_BYTES, sum, CHECK_BYTES);
    }
    self->checks = check;
    return LEANN_OK;
}

static leann_status make_rank(leann_ctx *ctx, const layout *l, leann_references *self)
{
    if (!l->order) return LEANN_OK;
    const unsigned bits = leann_bits_for((uint32_t)l->shape.n);
    uint32_t *rank = leann_alloc(ctx, l->shape.n, sizeof *rank);
    uint8_t *packed = self->owned[4] = leann_alloc(ctx, leann_packed_bytes(l->shape.n, bits), 1);
    if (rank && packed) {
        for (uint32_t r = 0; r < l->shape.n; r++) rank[l->order[r]] = r;
        leann_bits_pack(rank, l->shape.n, bits, packed);
    }
    leann_free(rank);
    self->rank = packed;
    return leann_ctx_status(ctx);
}

static leann_status make_paths(leann_ctx *ctx, const leann_reference_columns *c, const layout *l, leann_references *self)
{
    uint8_t *paths = self->owned[2] = leann_alloc(ctx, l->shape.path_bytes, 1);
    char *root = self->owned[0] = leann_alloc(ctx, l->shape.root_bytes, 1);
    if (!paths || !root) return LEANN_ENOMEM;
    code_paths(c, l, paths);
    memcpy(root, c->root, l->shape.root_bytes);
    self->paths = paths;
    self->root = root;
    return LEANN_OK;
}

/* ---- paths --------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *at, *end;
    char path[PATH_MOST + 1]; /* of the last file, with a NUL */
    uint32_t length;
} path_walk;

static bool take_number(path_walk *w, uint32_t *out)
{
    if (w->at == w->end) return false;
    *out = *w->at++;
    if (*out < 128) return true;
    if (w->at == w->end || *w->at == 0 || *w->at >= 128) return false; /* none is above 4095 */
    *out = (*out & 127) | (uint32_t)*w->at++ << 7;
    return true;
}

/* whole: the path shares nothing with the one before. false: the bytes are damaged. */
static bool next_path(path_walk *w, bool whole)
{
    uint32_t shared, more;
    if (whole) w->length = 0;
    if (!take_number(w, &shared) || !take_number(w, &more)) return false;
    if (shared > w->length || more > PATH_MOST - shared || more > (uint64_t)(w->end - w->at) || memchr(w->at, 0, more)) return false;
    memcpy(w->path + shared, w->at, more);
    w->at += more;
    w->length = shared + more;
    w->path[w->length] = 0;
    return true;
}

/* Goes through all of them once. */
static leann_status find_paths(leann_ctx *ctx, const char *what, leann_references *self)
{
    const leann_references_shape *s = &self->shape;
    path_walk w = {.at = self->paths, .end = self->paths + s->path_bytes};
    self->path_at = leann_alloc(ctx, s->files / PATHS + 1, sizeof *self->path_at);
    if (!self->path_at) return LEANN_ENOMEM;
    for (uint64_t f = 0; f < s->files; f++) {
        if (f % PATHS == 0) self->path_at[f / PATHS] = (uint64_t)(w.at - self->paths);
        if (!next_path(&w, f % PATHS == 0))
            return leann_fail(ctx, LEANN_EFORMAT, "%s: path %ju of its passages is damaged", what, (uintmax_t)f);
    }
    return w.at == w.end ? LEANN_OK : leann_fail(ctx, LEANN_EFORMAT, "%s: there are bytes behind the paths of its passages", what);
}

leann_status leann_references_make(leann_ctx *ctx, const leann_reference_columns *columns, leann_references **out)
{
    layout l = {0};
    *out = NULL;
    leann_references *self = leann_alloc(ctx, 1, sizeof *self);
    leann_status status = self ? lay_out(ctx, columns, &l) : LEANN_ENOMEM;
    if (status) goto done;
    self->shape = l.shape;
    status = leann_ascending_make(ctx, l.start, l.shape.n + 1, l.shape.end, &self->starts);
    if (!status) status = leann_ascending_make(ctx, l.first, l.shape.files, l.shape.n, &self->first);
    if (!status) status = make_gaps(ctx, &l, self);
    if (!status) status = make_checks(ctx, columns, &l, self);
    if (!status) status = make_rank(ctx, &l, self);
    if (!status) status = make_paths(ctx, columns, &l, self);
    if (!status) status = find_paths(ctx, "the data set", self);
done:
    free_layout(&l);
    if (status)
        leann_references_free(self);
    else
        *out = self;
    return status;
}

void leann_references_free(leann_references *self)
{
    if (!self) return;
    leann_ascending_free(&self->starts);
    leann_ascending_free(&self->first);
    leann_ascending_free(&self->far_at);
    leann_ascending_free(&self->far_sum);
    for (size_t i = 0; i < sizeof self->owned / sizeof *self->owned; i++) leann_free(self->owned[i]);
    leann_free(self->path_at);
    leann_free(self);
}

const leann_references_shape *leann_references_shape_of(const leann_references *self)
{
    return &self->shape;
}

/* ---- file ---------------------------------------------------------------------------------------------------------------- */

#define NAME(PART) "references." PART

void leann_references_predict(const leann_references_shape *s, leann_ledger *ledger)
{
    const leann_part part = LEANN_PART_IDS;
    if (s->n == 0) return;
    leann_ledger_add(ledger, part, sizeof *s);
    if (s->root_bytes) leann_ledger_add(ledger, part, s->root_bytes);
    leann_ascending_predict(s->n + 1, s->end, part, ledger);
    leann_ledger_add(ledger, part, leann_packed_bytes(s->n + 1, (unsigned)s->gap_bits));
    leann_ascending_predict(s->far, s->n, part, ledger);
    leann_ascending_predict(s->far, s->far_sum, part, ledger);
    leann_ascending_predict(s->files, s->n, part, ledger);
    leann_ledger_add(ledger, part, s->path_bytes);
    leann_ledger_add(ledger, part, s->files * CHECK_BYTES);
    if (s->mixed) leann_ledger_add(ledger, part, leann_packed_bytes(s->n, leann_bits_for((uint32_t)s->n)));
}

leann_status leann_references_save(const leann_references *self, leann_writer *w)
{
    const leann_part part = LEANN_PART_IDS;
    const leann_references_shape *s = &self->shape;
    const uint64_t gaps = leann_packed_bytes(s->n + 1, (unsigned)s->gap_bits),
                   rank = leann_packed_bytes(s->n, leann_bits_for((uint32_t)s->n));
    leann_status status = leann_writer_add(w, NAME("head"), part, LEANN_U64, HEAD_WORDS, sizeof(uint64_t), s);
    if (!status && s->root_bytes) status = leann_writer_add(w, NAME("root"), part, LEANN_BYTES, s->root_bytes, 1, self->root);
    if (!status) status = leann_ascending_save(&self->starts, w, NAME("starts"), part);
    if (!status) status = leann_writer_add(w, NAME("gaps"), part, LEANN_BYTES, gaps, 1, self->gaps);
    if (!status) status = leann_ascending_save(&self->far_at, w, NAME("far_at"), part);
    if (!status) status = leann_ascending_save(&self->far_sum, w, NAME("far_sum"), part);
    if (!status) status = leann_ascending_save(&self->first, w, NAME("first"), part);
    if (!status) status = leann_writer_add(w, NAME("paths"), part, LEANN_BYTES, s->path_bytes, 1, self->paths);
    if (!status) status = leann_writer_add(w, NAME("checks"), part, LEANN_U8, s->files, CHECK_BYTES, self->checks);
    if (!status && s->mixed) status = leann_writer_add(w, NAME("rank"), part, LEANN_BYTES, rank, 1, self->rank);
    return status;
}

static int64_t gap_of(const leann_references *self, uint64_t r)
{
    const leann_references_shape *s = &self->shape;
    const uint64_t code = leann_bits_at(self->gaps, r, (unsigned)s->gap_bits);
    if (code < far_from(s->gap_bits)) return (int64_t)(code + s->gap_least);
    const uint64_t j = leann_ascending_upto(&self->far_at, r) - 1, before = j ? leann_ascending_get(&self->far_sum, j - 1) : 0;
    return (int64_t)(leann_ascending_get(&self->far_sum, j) - before + s->gap_least);
}

/* What sizes do not say: the far gaps are those whose code says so, each file begins at 0 or later, and no chunk ends before it begins. */
static bool chunks_sound(const leann_references *self)
{
    const leann_references_shape *s = &self->shape;
    leann_ascending_walk starts = leann_ascending_from(&self->starts, 0), first = leann_ascending_from(&self->first, 0);
    leann_ascending_walk at = leann_ascending_from(&self->far_at, 0), sum = leann_ascending_from(&self->far_sum, 0);
    uint64_t opens = leann_ascending_next(&first), total = 0, files = 0;
    int64_t before = 0; /* where the chunk before begins */
    if (opens != 0) return false;
    for (uint64_t r = 0; r <= s->n; r++) {
        const int64_t start = (int64_t)leann_ascending_next(&starts);
        uint64_t value = leann_bits_at(self->gaps, r, (unsigned)s->gap_bits);
        if (value == far_from(s->gap_bits)) {
            if (at.i == s->far || leann_ascending_next(&at) != r) return false;
            const uint64_t now = leann_ascending_next(&sum);
            value = now - total;
            total = now;
        }
        const int64_t gap = (int64_t)(value + s->gap_least);
        if (files < s->files && opens == r && r < s->n) {
            if (gap < 0 || gap > start) return false;
            if (++files < s->files && (opens = leann_ascending_next(&first)) <= r) return false;
        }
        if (r > 0 && (start - gap < before || start - gap - before > UINT32_MAX)) return false;
        before = start;
    }
    return files == s->files && at.i == s->far && total == s->far_sum;
}

/* Each chunk is one row's. */
static leann_status check_rank(leann_ctx *ctx, const char *what, const leann_references *self)
{
    const uint64_t n = self->shape.n;
    const unsigned bits = leann_bits_for((uint32_t)n);
    uint64_t *seen = leann_alloc(ctx, n / 64 + 1, sizeof *seen);
    bool sound = seen != NULL;
    for (uint64_t i = 0; i < n && sound; i++) {
        const uint32_t r = leann_bits_at(self->rank, i, bits);
        sound = r < n && !(seen[r / 64] >> r % 64 & 1);
        if (sound) seen[r / 64] |= (uint64_t)1 << r % 64;
    }
    leann_free(seen);
    if (!seen) return LEANN_ENOMEM;
    return sound ? LEANN_OK : leann_fail(ctx, LEANN_EFORMAT, "%s: two of its rows have one passage", what);
}

static bool head_sound(const leann_references_shape *s, uint32_t n)
{
    return s->n == n && s->files >= 1 && s->files <= n && s->end <= LEANN_ASCENDING_LIMIT_MAX && s->gap_bits >= 1 &&
           s->gap_bits <= GAP_BITS_MOST && s->far <= (uint64_t)n + 1 && s->far_sum <= LEANN_ASCENDING_LIMIT_MAX &&
           (int64_t)s->gap_least <= 0 && (int64_t)s->gap_least > -(int64_t)LEANN_ASCENDING_LIMIT_MAX && s->root_bytes <= ROOT_MOST &&
           s->mixed <= 1;
}

static leann_status open_sections(leann_ctx *ctx, const leann_reader *r, leann_references *self)
{
    const leann_references_shape *s = &self->shape;
    const uint64_t gaps = leann_packed_bytes(s->n + 1, (unsigned)s->gap_bits),
                   rank = leann_packed_bytes(s->n, leann_bits_for((uint32_t)s->n));
    const void *at = "";
    leann_status status = s->root_bytes ? leann_reader_need(ctx, r, NAME("root"), LEANN_BYTES, s->root_bytes, 1, &at) : LEANN_OK;
    self->root = at;
    if (!status && memchr(self->root, 0, s->root_bytes))
        status = leann_fail(ctx, LEANN_EFORMAT, "%s: the folder of its passages holds a NUL", leann_reader_path(r));
    if (!status) status = leann_ascending_open(ctx, r, NAME("starts"), s->n + 1, s->end, &self->starts);
    if (!status) status = leann_reader_need(ctx, r, NAME("gaps"), LEANN_BYTES, gaps, 1, &at);
    self->gaps = at;
    if (!status) status = leann_ascending_open(ctx, r, NAME("far_at"), s->far, s->n, &self->far_at);
    if (!status) status = leann_ascending_open(ctx, r, NAME("far_sum"), s->far, s->far_sum, &self->far_sum);
    if (!status) status = leann_ascending_open(ctx, r, NAME("first"), s->files, s->n, &self->first);
    if (!status) status = leann_reader_need(ctx, r, NAME("paths"), LEANN_BYTES, s->path_bytes, 1, &at);
    self->paths = at;
    if (!status) status = leann_reader_need(ctx, r, NAME("checks"), LEANN_U8, s->files, CHECK_BYTES, &at);
    self->checks = at;
    if (!status && s->mixed) status = leann_reader_need(ctx, r, NAME("rank"), LEANN_BYTES, rank, 1, &at);
    self->rank = s->mixed ? at : NULL;
    return status;
}

leann_status leann_references_open(leann_ctx *ctx, const leann_reader *r, uint32_t n, leann_references **out)
{
    const void *head;
    *out = NULL;
    if (!leann_reader_find(r, NAME("head"))) return LEANN_OK;
    leann_status status = leann_reader_need(ctx, r, NAME("head"), LEANN_U64, HEAD_WORDS, sizeof(uint64_t), &head);
    leann_references *self = status ? NULL : leann_alloc(ctx, 1, sizeof *self);
    if (!self) return leann_ctx_status(ctx);
    memcpy(&self->shape, head, sizeof self->shape);
    if (!head_sound(&self->shape, n))
        status = leann_fail(ctx, LEANN_EFORMAT, "%s: the head of its passages' references is damaged", leann_reader_path(r));
    if (!status) status = open_sections(ctx, r, self);
    if (!status && !chunks_sound(self))
        status = leann_fail(ctx, LEANN_EFORMAT, "%s: its passages do not lie in their files in order", leann_reader_path(r));
    if (!status && self->rank) status = check_rank(ctx, leann_reader_path(r), self);
    if (!status) status = find_paths(ctx, leann_reader_path(r), self);
    if (status)
        leann_references_free(self);
    else
        *out = self;
    return status;
}

/* ---- asking -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t chunk, file, first, last; /* the file's chunks: [first, last) */
    int64_t base;                      /* where the file begins when all is laid end to end */
} place;

static place place_of(const leann_references *self, uint32_t id)
{
    const leann_references_shape *s = &self->shape;
    assert(id < s->n);
    place p = {.chunk = self->rank ? leann_bits_at(self->rank, id, leann_bits_for((uint32_t)s->n)) : id};
    p.file = leann_ascending_upto(&self->first, p.chunk) - 1;
    p.first = leann_ascending_get(&self->first, p.file);
    p.last = p.file + 1 < s->files ? leann_ascending_get(&self->first, p.file + 1) : s->n;
    p.base = (int64_t)leann_ascending_get(&self->starts, p.first) - gap_of(self, p.first);
    return p;
}

/* Of a chunk of that file. */
static uint64_t offset_of(const leann_references *self, const place *p, uint64_t chunk, uint32_t *bytes)
{
    leann_ascending_walk walk = leann_ascending_from(&self->starts, chunk);
    const int64_t start = (int64_t)leann_ascending_next(&walk), next = (int64_t)leann_ascending_next(&walk);
    *bytes = (uint32_t)(next - gap_of(self, chunk + 1) - start);
    return (uint64_t)(start - p->base);
}

static void put_path(const leann_references *self, uint64_t file, char out[LEANN_PATH_BYTES])
{
    const leann_references_shape *s = &self->shape;
    path_walk w = {.at = self->paths + self->path_at[file / PATHS], .end = self->paths + s->path_bytes};
    for (uint64_t f = file / PATHS * PATHS; f <= file; f++) next_path(&w, f % PATHS == 0); /* whole: opening has gone through them */
    const int root = w.path[0] == '/' ? 0 : (int)s->root_bytes;
    snprintf(out, LEANN_PATH_BYTES, "%.*s%s%s", root, self->root, root ? "/" : "", w.path);
}

void leann_references_get(const leann_references *self, uint32_t id, leann_reference *out)
{
    const place p = place_of(self, id);
    out->offset = offset_of(self, &p, p.chunk, &out->bytes);
    put_path(self, p.file, out->path);
}

/* ---- the files ----------------------------------------------------------------------------------------------------------- */

/* Adds the newlines of [at, at + bytes) to *lines, and the bytes to sha (NULL: not); false: they are not there, or ctx is cancelled. */
static bool read_range(const leann_ctx *ctx, int fd, uint64_t at, uint64_t bytes, leann_sha *sha, uint64_t *lines)
{
    char block[16384];
    while (bytes > 0 && !leann_ctx_cancelled(ctx)) {
        const ssize_t n = pread(fd, block, bytes < sizeof block ? (size_t)bytes : sizeof block, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        for (const char *to = block; (to = memchr(to, '\n', (size_t)(block + n - to))); to++) ++*lines;
        if (sha) leann_sha_add(sha, block, (size_t)n);
        at += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return bytes == 0;
}

static leann_status sum_chunk(const leann_references *self, leann_ctx *ctx, const place *p, uint64_t chunk, int fd, uint64_t *lines,
                              uint8_t sum[SHA_BYTES], bool *there)
{
    uint32_t bytes;
    const uint64_t at = offset_of(self, p, chunk, &bytes);
    leann_sha *sha = leann_sha_new();
    if (!sha) return leann_fail(ctx, LEANN_ENOMEM, "no memory for a checksum");
    *there = read_range(ctx, fd, at, bytes, sha, lines);
    leann_sha_end_bytes(sha, sum);
    return LEANN_OK;
}

/* Whether the chunks of a file are what they were; *lines: the newlines in the one that was asked for. */
static leann_status check_file(const leann_references *self, leann_ctx *ctx, const place *p, int fd, uint64_t *lines, bool *same)
{
    uint8_t sum[SHA_BYTES];
    leann_sha *sha = leann_sha_new();
    leann_status status = sha ? LEANN_OK : leann_fail(ctx, LEANN_ENOMEM, "no memory for a checksum");
    *same = true;
    for (uint64_t chunk = p->first; chunk < p->last && *same && !status; chunk++) {
        uint64_t other = 0;
        status = sum_chunk(self, ctx, p, chunk, fd, chunk == p->chunk ? lines : &other, sum, same);
        if (!status) leann_sha_add(sha, sum, sizeof sum);
    }
    if (!sha) return status;
    leann_sha_end_bytes(sha, sum);
    *same = *same && memcmp(sum, self->checks + p->file * CHECK_BYTES, CHECK_BYTES) == 0;
    return status;
}

leann_status leann_references_lines(const leann_references *self, leann_ctx *ctx, uint32_t id, uint64_t *first, uint64_t *last)
{
    const place p = place_of(self, id);
    struct stat about;
    char path[LEANN_PATH_BYTES];
    uint32_t bytes;
    uint64_t before = 0, inside = 0;
    bool same = false;
    put_path(self, p.file, path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return leann_fail_errno(ctx, "cannot open %s", path);
    leann_status status = fstat(fd, &about) ? leann_fail_errno(ctx, "cannot read %s", path) : LEANN_OK;
    if (!status && S_ISREG(about.st_mode)) status = check_file(self, ctx, &p, fd, &inside, &same);
    if (!status && same) same = read_range(ctx, fd, 0, offset_of(self, &p, p.chunk, &bytes), NULL, &before);
    close(fd);
    if (!status && leann_ctx_cancelled(ctx)) status = leann_fail(ctx, LEANN_EINTR, "interrupted");
    if (!status && !same) status = leann_fail(ctx, LEANN_EIO, "%s has changed since the index was built", path);
    *first = before + 1;
    *last = before + inside + 1;
    return status;
}
