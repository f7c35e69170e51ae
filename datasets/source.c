/* source.c – parsers of vector files. A header is believed only after its sizes were held against the file's.
 *
 *   idx    big-endian: 0, 0, type, rank, rank u32 sizes, then the elements; sizes after the first are one row
 *   *vecs  each row: i32 dimension, then the elements
 *   *bin   u32 rows, u32 dimension, then the elements
 *   npy    "\x93NUMPY", version, header length, a Python dictionary, then the elements, row by row or (Fortran order) column by column
 * Source: LeCun's MNIST page (idx), TEXMEX (vecs), Big ANN Benchmarks 2021 (bin), NumPy's NEP 1 (npy).
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/source.h"
#include "core/product.h"
#include "core/simd/kernels.h"
#include "datasets/bytes.h"
#include "datasets/raw.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char kind; /* 'u', 'i', 'f' */
    unsigned size;
    bool big;
} element;

struct leann_source {
    leann_ctx *ctx;
    char *what;
    leann_source_facts about;
    leann_bytes *bytes;
    element element;
    bool prefixed;                /* each row begins with its dimension */
    const unsigned char *columns; /* npy in Fortran order: mapped, column j at columns + j * n * size */
    uint64_t row;                 /* next */
    unsigned char *block;
    size_t block_bytes;
    leann_rows rows; /* instead of bytes */
};

leann_source_facts leann_source_about(const leann_source *v)
{
    return v->about;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------------ */

static uint32_t u32_le(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static uint32_t u32_be(const unsigned char *p)
{
    return (uint32_t)p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

static uint64_t load(const unsigned char *p, unsigned size, bool big)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < size; i++) v |= (uint64_t)p[big ? size - 1 - i : i] << (8 * i);
    return v;
}

static float number(uint64_t bits, element e)
{
    if (e.kind == 'f') {
        float f32;
        double f64;
        uint32_t low = (uint32_t)bits;
        uint16_t half = (uint16_t)bits;
        if (e.size == 4) return memcpy(&f32, &low, sizeof f32), f32;
        if (e.size == 8) return memcpy(&f64, &bits, sizeof f64), (float)f64;
        leann_kernels_get()->f32_from_f16(&half, &f32, 1);
        return f32;
    }
    if (e.kind == 'u') return (float)bits;
    unsigned shift = 64 - 8 * e.size; /* sign extension */
    return (float)((int64_t)(bits << shift) >> shift);
}

static leann_dtype row_type(element e)
{
    return e.kind == 'f' || e.size != 1 ? LEANN_F32 : e.kind == 'u' ? LEANN_U8 : LEANN_I8;
}

static void convert(const unsigned char *in, element e, size_t n, void *out)
{
    if (e.size == 1 || (e.kind == 'f' && e.size == 4 && !e.big)) {
        memcpy(out, in, n * e.size);
        return;
    }
    for (size_t i = 0; i < n; i++) ((float *)out)[i] = number(load(in + i * e.size, e.size, e.big), e);
}

/* ---- what all formats check ---------------------------------------------------------------------------------------------------- */

static leann_status shape(leann_source *v, uint64_t n, uint64_t d)
{
    if (n > LEANN_ROWS_MAX)
        return leann_fail(v->ctx, LEANN_ELIMIT, "%s: %llu rows, at most %llu", v->what, (unsigned long long)n,
                          (unsigned long long)LEANN_ROWS_MAX);
    if (d > LEANN_DIMENSION_MAX)
        return leann_fail(v->ctx, LEANN_ELIMIT, "%s: dimension %llu, at most %d", v->what, (unsigned long long)d, LEANN_DIMENSION_MAX);
    if (n < 1 || d < 1)
        return leann_fail(v->ctx, LEANN_EINVAL, "%s: empty: %llu rows of dimension %llu", v->what, (unsigned long long)n,
                          (unsigned long long)d);
    v->about.n = n;
    v->about.d = (uint32_t)d;
    v->about.type = row_type(v->element);
    snprintf(v->about.stored, sizeof v->about.stored, "%c%u%s", v->element.kind, v->element.size * 8, v->element.big ? "be" : "");
    return LEANN_OK;
}

/* header + n * d elements must be the file, to the byte. n and d are within their limits: no overflow. */
static leann_status fits(leann_source *v, uint64_t header)
{
    uint64_t want = header + v->about.n * ((v->prefixed ? 4 : 0) + (uint64_t)v->about.d * v->element.size),
             have = leann_bytes_size(v->bytes);
    if (want == have) return LEANN_OK;
    return leann_fail(v->ctx, LEANN_EFORMAT, "%s: %s: its header says %llu rows of %u %s, which is %llu bytes; the file has %llu%s",
                      v->what, have < want ? "truncated" : "damaged", (unsigned long long)v->about.n, v->about.d, v->about.stored,
                      (unsigned long long)want, (unsigned long long)have, leann_bytes_packed(v->bytes) ? " (uncompressed)" : "");
}

static leann_status head(leann_source *v, void *out, size_t bytes)
{
    if (leann_bytes_size(v->bytes) < bytes)
        return leann_fail(v->ctx, LEANN_EFORMAT, "%s: %llu bytes are too few for a %s file", v->what,
                          (unsigned long long)leann_bytes_size(v->bytes), v->about.format);
    return leann_bytes_read(v->bytes, out, bytes);
}

/* ---- formats -------------------------------------------------------------------------------------------------------------------- */

static leann_status open_idx(leann_source *v)
{
    unsigned char magic[4], size[4];
    static const struct {
        unsigned char code;
        element e;
    } types[] = {{0x08, {'u', 1, true}}, {0x09, {'i', 1, true}}, {0x0b, {'i', 2, true}},
                 {0x0c, {'i', 4, true}}, {0x0d, {'f', 4, true}}, {0x0e, {'f', 8, true}}};
    leann_status status = head(v, magic, sizeof magic);
    if (status != LEANN_OK) return status;
    if (magic[0] || magic[1]) return leann_fail(v->ctx, LEANN_EFORMAT, "%s: not an IDX file: its first two bytes are not zero", v->what);
    size_t t = 0;
    while (t < sizeof types / sizeof *types && types[t].code != magic[2]) t++;
    if (t == sizeof types / sizeof *types)
        return leann_fail(v->ctx, LEANN_EFORMAT, "%s: IDX type 0x%02x is none of 08, 09, 0b, 0c, 0d, 0e", v->what, magic[2]);
    v->element = types[t].e;
    if (v->element.size == 1) v->element.big = false;
    if (magic[3] < 2 || magic[3] > 8)
        return leann_fail(v->ctx, LEANN_EINVAL, "%s: IDX rank %u, needs 2 to 8%s", v->what, magic[3],
                          magic[3] == 1 ? " (these are labels, not vectors)" : "");
    uint64_t n = 0, d = 1;
    for (unsigned i = 0; i < magic[3]; i++) {
        if ((status = head(v, size, sizeof size)) != LEANN_OK) return status;
        if (i == 0)
            n = u32_be(size);
        else if (d <= LEANN_DIMENSION_MAX)
            d *= u32_be(size); /* stays below 2^49 */
    }
    if ((status = shape(v, n, d)) != LEANN_OK) return status;
    return fits(v, 4 + 4 * (uint64_t)magic[3]);
}

static leann_status open_vecs(leann_source *v)
{
    unsigned char first[4];
    leann_status status = head(v, first, sizeof first);
    if (status != LEANN_OK) return status;
    v->prefixed = true;
    uint32_t d = u32_le(first);
    uint64_t size = leann_bytes_size(v->bytes), row = 4 + (uint64_t)d * v->element.size;
    if (d > 0 && d <= LEANN_DIMENSION_MAX && size % row)
        return leann_fail(v->ctx, LEANN_EFORMAT,
                          "%s: truncated or damaged: %llu bytes are not a whole number of rows of dimension %u (%llu bytes each)", v->what,
                          (unsigned long long)size, d, (unsigned long long)row);
    if ((status = shape(v, size / row, d)) != LEANN_OK) return status;
    return leann_bytes_rewind(v->bytes);
}

static leann_status open_bin(leann_source *v)
{
    unsigned char sizes[8];
    leann_status status = head(v, sizes, sizeof sizes);
    if (status == LEANN_OK) status = shape(v, u32_le(sizes), u32_le(sizes + 4));
    return status == LEANN_OK ? fits(v, sizeof sizes) : status;
}

typedef struct { /* of npy's header */
    leann_source *v;
    const char *at;
    bool fortran, has_type, has_order, has_shape;
    unsigned rank;
    uint64_t n, d;
} dictionary;

static bool skip(dictionary *p, char c)
{
    while (*p->at == ' ' || *p->at == '\n') p->at++;
    if (*p->at != c) return false;
    p->at++;
    return true;
}

static leann_status bad_header(const dictionary *p)
{
    return leann_fail(p->v->ctx, LEANN_EFORMAT, "%s: damaged npy header near \"%.20s\"", p->v->what, p->at);
}

static bool word(dictionary *p, char out[16])
{
    size_t n = 0;
    char quote = skip(p, '\'') ? '\'' : '"';
    if (quote == '"' && !skip(p, '"')) return false;
    while (*p->at && *p->at != quote && n < 15) out[n++] = *p->at++;
    out[n] = 0;
    if (*p->at != quote) return false;
    p->at++;
    return true;
}

static leann_status npy_type(dictionary *p)
{
    char descr[16];
    if (!word(p, descr)) return leann_fail(p->v->ctx, LEANN_EINVAL, "%s: npy elements are structures, needs plain numbers", p->v->what);
    char order = descr[0], kind = order ? descr[1] : 0;
    char *end = descr;
    long size = kind ? strtol(descr + 2, &end, 10) : 0;
    bool known = !*end && end > descr + 2;
    known = known && ((kind == 'f' && (size == 2 || size == 4 || size == 8)) ||
                      ((kind == 'u' || kind == 'i') && (size == 1 || size == 2 || size == 4 || size == 8)));
    if (!known || !strchr("<>|=", order))
        return leann_fail(p->v->ctx, LEANN_EINVAL, "%s: npy elements '%s' are none of f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8", p->v->what, descr);
    p->v->element = (element){kind, (unsigned)size, order == '>' && size > 1};
    p->has_type = true;
    return LEANN_OK;
}

static leann_status npy_order(dictionary *p)
{
    p->has_order = true;
    while (*p->at == ' ') p->at++;
    p->fortran = !strncmp(p->at, "True", 4);
    if (!p->fortran && strncmp(p->at, "False", 5) != 0) return bad_header(p);
    p->at += p->fortran ? 4 : 5;
    return LEANN_OK;
}

static leann_status npy_shape(dictionary *p)
{
    p->has_shape = true;
    p->d = 1;
    if (!skip(p, '(')) return bad_header(p);
    while (!skip(p, ')')) {
        while (*p->at == ' ') p->at++;
        if (!isdigit((unsigned char)*p->at)) return bad_header(p);
        uint64_t size = 0;
        for (; isdigit((unsigned char)*p->at); p->at++)
            if ((size = size * 10 + (uint64_t)(*p->at - '0')) > UINT32_MAX) return bad_header(p);
        if (p->rank++ == 0)
            p->n = size;
        else if (p->d <= LEANN_DIMENSION_MAX)
            p->d *= size;
        if (!skip(p, ',') && *p->at != ')') return bad_header(p);
    }
    return LEANN_OK;
}

static leann_status npy_dictionary(dictionary *p)
{
    char key[16];
    leann_status status = LEANN_OK;
    if (!skip(p, '{')) return bad_header(p);
    while (status == LEANN_OK && !skip(p, '}')) {
        if (!word(p, key) || !skip(p, ':')) return bad_header(p);
        if (!strcmp(key, "descr") && !p->has_type)
            status = npy_type(p);
        else if (!strcmp(key, "fortran_order") && !p->has_order)
            status = npy_order(p);
        else if (!strcmp(key, "shape") && !p->has_shape)
            status = npy_shape(p);
        else
            return bad_header(p);
        if (status == LEANN_OK && !skip(p, ',') && *p->at != '}') return bad_header(p);
    }
    if (status == LEANN_OK && (!p->has_type || !p->has_order || !p->has_shape)) return bad_header(p);
    return status;
}

static leann_status open_npy(leann_source *v)
{
    unsigned char start[12];
    char text[8192];
    leann_status status = head(v, start, 10);
    if (status != LEANN_OK) return status;
    if (memcmp(start, "\x93NUMPY", 6) != 0) return leann_fail(v->ctx, LEANN_EFORMAT, "%s: not an npy file", v->what);
    if (start[6] < 1 || start[6] > 3) return leann_fail(v->ctx, LEANN_EFORMAT, "%s: npy version %u, needs 1 to 3", v->what, start[6]);
    uint64_t begin = 10, bytes = (uint64_t)start[8] | (uint64_t)start[9] << 8;
    if (start[6] > 1) {
        if ((status = head(v, start + 10, 2)) != LEANN_OK) return status;
        bytes = u32_le(start + 8);
        begin = 12;
    }
    if (bytes >= sizeof text)
        return leann_fail(v->ctx, LEANN_ELIMIT, "%s: npy header of %llu bytes, at most %zu", v->what, (unsigned long long)bytes,
                          sizeof text - 1);
    if ((status = head(v, text, bytes)) != LEANN_OK) return status;
    text[bytes] = 0;
    dictionary p = {.v = v, .at = text};
    if ((status = npy_dictionary(&p)) != LEANN_OK) return status;
    if (p.rank < 2) return leann_fail(v->ctx, LEANN_EINVAL, "%s: npy rank %u, needs 2 or more: rows and columns", v->what, p.rank);
    if (p.fortran && p.rank > 2)
        return leann_fail(v->ctx, LEANN_EUNSUPPORTED, "%s: npy of rank %u in Fortran order; save it with numpy.ascontiguousarray", v->what,
                          p.rank);
    if ((status = shape(v, p.n, p.d)) != LEANN_OK || (status = fits(v, begin + bytes)) != LEANN_OK || !p.fortran) return status;
    if (!(v->columns = leann_bytes_map(v->bytes))) return leann_ctx_status(v->ctx);
    v->columns += begin + bytes;
    return LEANN_OK;
}

/* ---- choice ------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *ending, *format;
    element element;
    leann_status (*open)(leann_source *v);
} format;
static const format formats[] = {
    {".fvecs", "fvecs", {'f', 4, false}, open_vecs}, {".bvecs", "bvecs", {'u', 1, false}, open_vecs},
    {".ivecs", "ivecs", {'i', 4, false}, open_vecs}, {".fbin", "fbin", {'f', 4, false}, open_bin},
    {".u8bin", "u8bin", {'u', 1, false}, open_bin},  {".i8bin", "i8bin", {'i', 1, false}, open_bin},
    {".ibin", "ibin", {'i', 4, false}, open_bin},    {".npy", "npy", {'f', 4, false}, open_npy},
    {"-ubyte", "idx", {'u', 1, false}, open_idx},    {".idx", "idx", {'u', 1, false}, open_idx},
};

/* By the name's ending, .gz set aside; else by the first bytes. */
static const format *choose(leann_source *v)
{
    size_t length = strlen(v->what);
    unsigned char first[6] = {1};
    if (length > 3 && !strcmp(v->what + length - 3, ".gz")) length -= 3;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t e = strlen(formats[i].ending);
        if (length >= e && !memcmp(v->what + length - e, formats[i].ending, e)) return formats + i;
    }
    if (leann_bytes_size(v->bytes) < sizeof first || leann_bytes_read(v->bytes, first, sizeof first) != LEANN_OK) return NULL;
    leann_bytes_rewind(v->bytes);
    if (!memcmp(first, "\x93NUMPY", 6)) return formats + 7;
    if (!first[0] && !first[1] && first[2] >= 8 && first[2] <= 14 && first[3] >= 1 && first[3] <= 8) return formats + 8;
    return NULL;
}

static leann_status make(leann_ctx *ctx, const char *what, leann_source **out)
{
    *out = leann_alloc(ctx, 1, sizeof **out);
    if (!*out) return LEANN_ENOMEM;
    (*out)->ctx = ctx;
    return ((*out)->what = leann_format(ctx, "%s", what)) ? LEANN_OK : LEANN_ENOMEM;
}

static leann_status begin(leann_source *v)
{
    const format *f = choose(v);
    if (!f)
        return leann_fail(v->ctx, LEANN_EFORMAT,
                          "%s: not a format that can be converted; known by their endings: .fvecs .bvecs .ivecs .fbin "
                          ".u8bin .i8bin .ibin .npy -ubyte .idx .hdf5, each also with .gz",
                          v->what);
    v->about.format = f->format;
    v->element = f->element;
    return f->open(v);
}

leann_status leann_source_open(leann_ctx *ctx, const char *path, leann_source **out)
{
    leann_status status = make(ctx, path, out);
    if (status == LEANN_OK) status = leann_bytes_open(ctx, path, &(*out)->bytes);
    if (status == LEANN_OK) status = begin(*out);
    if (status == LEANN_OK) return status;
    leann_source_free(*out);
    *out = NULL;
    return status;
}

leann_status leann_source_memory(leann_ctx *ctx, const char *name, const void *data, size_t size, leann_source **out)
{
    leann_status status = make(ctx, name, out);
    if (status == LEANN_OK) status = leann_bytes_memory(ctx, name, data, size, &(*out)->bytes);
    if (status == LEANN_OK) status = begin(*out);
    if (status == LEANN_OK) return status;
    leann_source_free(*out);
    *out = NULL;
    return status;
}

leann_status leann_source_of_rows(leann_ctx *ctx, const char *what, leann_rows rows, leann_source **out)
{
    leann_status status = make(ctx, what, out);
    if (status != LEANN_OK) {
        leann_source_free(*out);
        return status;
    }
    (*out)->rows = rows;
    (*out)->about = (leann_source_facts){.format = "hdf5", .n = rows.n, .d = rows.d, .type = rows.type};
    return LEANN_OK;
}

void leann_source_free(leann_source *v)
{
    if (!v) return;
    leann_bytes_free(v->bytes);
    leann_free(v->block);
    leann_free(v->what);
    leann_free(v);
}

/* ---- rows --------------------------------------------------------------------------------------------------------------------------- */

static leann_status next_stored(leann_source *v, uint32_t n, unsigned char *out)
{
    uint64_t in_row = (v->prefixed ? 4 : 0) + (uint64_t)v->about.d * v->element.size;
    uint64_t out_row = v->about.d * leann_dtype_bytes(v->about.type);
    size_t bytes = (size_t)(n * in_row);
    if (bytes > v->block_bytes) {
        leann_free(v->block);
        v->block_bytes = 0;
        if (!(v->block = leann_alloc(v->ctx, bytes, 1))) return LEANN_ENOMEM;
        v->block_bytes = bytes;
    }
    leann_status status = leann_bytes_read(v->bytes, v->block, bytes);
    for (uint32_t i = 0; status == LEANN_OK && i < n; i++) {
        const unsigned char *row = v->block + i * in_row;
        if (v->prefixed && u32_le(row) != v->about.d)
            return leann_fail(v->ctx, LEANN_EFORMAT, "%s: row %llu has dimension %u, the first row %u", v->what,
                              (unsigned long long)(v->row + i), u32_le(row), v->about.d);
        convert(row + (v->prefixed ? 4 : 0), v->element, v->about.d, out + i * out_row);
    }
    return status;
}

/* Rows across the columns of a file in Fortran order. */
static void next_columns(leann_source *v, uint32_t n, unsigned char *out)
{
    element e = v->element;
    size_t size = leann_dtype_bytes(v->about.type);
    for (uint32_t j = 0; j < v->about.d; j++) {
        const unsigned char *column = v->columns + (j * v->about.n + v->row) * e.size;
        for (uint32_t i = 0; i < n; i++) convert(column + (size_t)i * e.size, e, 1, out + ((size_t)i * v->about.d + j) * size);
    }
}

leann_status leann_source_next(leann_source *v, uint32_t n, void *rows)
{
    leann_status status = LEANN_OK;
    if (n > v->about.n - v->row)
        return leann_fail(v->ctx, LEANN_EINVAL, "%s: asked for row %llu of %llu", v->what, (unsigned long long)(v->row + n),
                          (unsigned long long)v->about.n);
    if (v->columns)
        next_columns(v, n, rows);
    else if (v->bytes)
        status = next_stored(v, n, rows);
    else
        for (uint32_t i = 0; i < n; i++)
            memcpy((char *)rows + i * v->rows.d * leann_dtype_bytes(v->rows.type), leann_row(v->rows, (uint32_t)v->row + i),
                   v->rows.d * leann_dtype_bytes(v->rows.type));
    v->row += n;
    return status;
}

bool leann_is_hdf5(const char *path)
{
    static const unsigned char magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char first[8];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hold us up */
    bool is = fd >= 0 && read(fd, first, sizeof first) == (ssize_t)sizeof first && !memcmp(first, magic, sizeof magic);
    if (fd >= 0) close(fd);
    return is;
}
