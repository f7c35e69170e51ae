/* minilm_safetensors.c – a safetensors file: 8 bytes little-endian, the bytes of the header; the header, JSON that names each tensor's
 * type, shape and place; then the tensors, which fill the rest without gaps.
 *
 * Nothing of a header is believed: what it says must add up to the file exactly. Tensors are read by pread, a piece at a time, and not
 * through a map: a file that is cut while it is read is then an error and not a signal, and what was packed does not stay resident.
 *
 * Source: the format's description in the `safetensors` package.
 * Differs: the header may have 16 MiB, not 100 MB: that is room for 100,000 tensors, and JSON takes many times its size in memory.
 *
 * SPDX-License-Identifier: MIT */
#include "encoders/minilm_safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/simd/kernels.h"

#define PREFIX "bert."
enum { HEADER_LIMIT = 16 << 20, MAX_RANK = 8 };

struct leann_tensor {
    const char *name; /* borrowed from the header */
    const char *type;
    uint32_t rank;
    uint64_t shape[MAX_RANK], elements, begin, end; /* bytes behind the header */
};
struct leann_safetensors {
    int fd;
    char *path;
    leann_value *header;
    uint64_t data, bytes; /* where the tensors begin in the file; how many bytes they have */
    leann_tensor *tensor; /* (n) by place */
    size_t n;
};

uint64_t leann_tensor_elements(const leann_tensor *tensor)
{
    return tensor->elements;
}
const char *leann_tensor_type(const leann_tensor *tensor)
{
    return tensor->type;
}

/* Of one element; 0: a type that we know nothing of. */
static unsigned bytes_of(const char *type)
{
    static const struct {
        const char *name;
        unsigned bytes;
    } known[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
                 {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"F64", 8},     {"I64", 8}, {"U64", 8}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].name) == 0) return known[i].bytes;
    return 0;
}

static leann_status read_at(leann_ctx *ctx, const leann_safetensors *self, uint64_t offset, void *to, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(self->fd, (char *)to + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return leann_fail_errno(ctx, "cannot read %s", self->path);
        if (n == 0) return leann_fail(ctx, LEANN_EIO, "%s has become shorter while it was read", self->path);
        done += (size_t)n;
    }
    return LEANN_OK;
}

/* ---- the header ---------------------------------------------------------------------------------------------------------------- */

static bool whole(const leann_value *v, uint64_t *out)
{
    if (leann_value_type(v) != LEANN_V_INT || leann_value_int(v, -1) < 0) return false;
    *out = (uint64_t)leann_value_int(v, 0);
    return true;
}

static leann_status take_shape(leann_ctx *ctx, const leann_safetensors *self, const leann_value *shape, leann_tensor *t)
{
    size_t rank = leann_value_count(shape);
    if (leann_value_type(shape) != LEANN_V_LIST || rank > MAX_RANK)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: tensor %.80s has no shape of at most %d numbers", self->path, t->name, MAX_RANK);
    t->rank = (uint32_t)rank;
    t->elements = 1;
    for (size_t i = 0; i < rank; i++)
        if (!whole(leann_value_at(shape, i), &t->shape[i]) || __builtin_mul_overflow(t->elements, t->shape[i], &t->elements))
            return leann_fail(ctx, LEANN_EFORMAT, "%s: tensor %.80s: number %zu of its shape is none, or makes the tensor too large",
                              self->path, t->name, i);
    return LEANN_OK;
}

static leann_status take_tensor(leann_ctx *ctx, const leann_safetensors *self, const char *name, const leann_value *v, leann_tensor *t)
{
    const leann_value *place = leann_value_get(v, "data_offsets");
    uint64_t bytes;
    t->name = name;
    t->type = leann_value_text(leann_value_get(v, "dtype"), NULL);
    if (!t->type) return leann_fail(ctx, LEANN_EFORMAT, "%s: tensor %.80s has no dtype", self->path, name);
    leann_status status = take_shape(ctx, self, leann_value_get(v, "shape"), t);
    if (status != LEANN_OK) return status;
    if (leann_value_count(place) != 2 || !whole(leann_value_at(place, 0), &t->begin) || !whole(leann_value_at(place, 1), &t->end))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: tensor %.80s: its data_offsets are not two whole numbers", self->path, name);
    if (t->begin > t->end || t->end > self->bytes)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: tensor %.80s lies at %ju to %ju of %ju bytes", self->path, name, (uintmax_t)t->begin,
                          (uintmax_t)t->end, (uintmax_t)self->bytes);
    unsigned size = bytes_of(t->type);
    if (size && (__builtin_mul_overflow(t->elements, size, &bytes) || bytes != t->end - t->begin))
        return leann_fail(ctx, LEANN_EFORMAT, "%s: tensor %.80s of %ju elements of %s has %ju bytes", self->path, name,
                          (uintmax_t)t->elements, t->type, (uintmax_t)(t->end - t->begin));
    return LEANN_OK;
}

static int by_place(const void *left, const void *right)
{
    const leann_tensor *a = left, *b = right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end;
}

/* Tensors in order of place fill the bytes: no gap, no overlap. */
static leann_status check_places(leann_ctx *ctx, const leann_safetensors *self)
{
    uint64_t end = 0;
    for (size_t i = 0; i < self->n; end = self->tensor[i++].end)
        if (self->tensor[i].begin != end)
            return leann_fail(ctx, LEANN_EFORMAT, "%s: tensor %.80s begins at %ju, %s the end of what lies before it at %ju", self->path,
                              self->tensor[i].name, (uintmax_t)self->tensor[i].begin, self->tensor[i].begin < end ? "before" : "behind",
                              (uintmax_t)end);
    if (end != self->bytes)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: its tensors end at %ju of %ju bytes", self->path, (uintmax_t)end,
                          (uintmax_t)self->bytes);
    return LEANN_OK;
}

static leann_status take_tensors(leann_ctx *ctx, leann_safetensors *self)
{
    if (leann_value_type(self->header) != LEANN_V_MAP)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: its header is no map of tensors", self->path);
    self->tensor = leann_alloc(ctx, leann_value_count(self->header) + 1, sizeof *self->tensor);
    if (!self->tensor) return LEANN_ENOMEM;
    const char *name;
    void *at = NULL;
    for (const leann_value *v; (v = leann_value_next(self->header, &at, &name));) {
        if (strcmp(name, "__metadata__") == 0) continue;
        leann_status status = take_tensor(ctx, self, name, v, &self->tensor[self->n++]);
        if (status != LEANN_OK) return status;
    }
    qsort(self->tensor, self->n, sizeof *self->tensor, by_place);
    return check_places(ctx, self);
}

static leann_status read_header(leann_ctx *ctx, leann_safetensors *self)
{
    struct stat about;
    uint8_t head[8];
    uint64_t bytes = 0;
    self->fd = open(self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hold us up */
    if (self->fd < 0 || fstat(self->fd, &about) != 0) return leann_fail_errno(ctx, "cannot open %s", self->path);
    if (!S_ISREG(about.st_mode)) return leann_fail(ctx, LEANN_EFORMAT, "%s is not a regular file", self->path);
    uint64_t size = (uint64_t)about.st_size;
    if (size < sizeof head)
        return leann_fail(ctx, LEANN_EFORMAT, "%s is no safetensors file: %ju bytes, the least is %zu", self->path, (uintmax_t)size,
                          sizeof head);
    leann_status status = read_at(ctx, self, 0, head, sizeof head);
    if (status != LEANN_OK) return status;
    for (int i = 7; i >= 0; i--) bytes = bytes << 8 | head[i];
    if (bytes > size - sizeof head)
        return leann_fail(ctx, LEANN_EFORMAT, "%s states a header of %ju bytes, but has %ju behind the first 8 (truncated?)", self->path,
                          (uintmax_t)bytes, (uintmax_t)(size - sizeof head));
    if (bytes > HEADER_LIMIT)
        return leann_fail(ctx, LEANN_ELIMIT, "%s has a header of %ju bytes; the limit is %d", self->path, (uintmax_t)bytes, HEADER_LIMIT);
    char *text = leann_alloc(ctx, bytes + 1, 1);
    if (!text) return LEANN_ENOMEM;
    self->data = sizeof head + bytes;
    self->bytes = size - self->data;
    status = read_at(ctx, self, sizeof head, text, bytes);
    if (status == LEANN_OK) status = leann_value_parse(ctx, self->path, text, bytes, &self->header);
    leann_free(text);
    return status == LEANN_OK ? take_tensors(ctx, self) : status;
}

leann_status leann_safetensors_open(leann_ctx *ctx, const char *path, leann_safetensors **out)
{
    *out = NULL;
    leann_safetensors *self = leann_alloc(ctx, 1, sizeof *self);
    if (!self) return LEANN_ENOMEM;
    self->fd = -1;
    self->path = leann_format(ctx, "%s", path);
    leann_status status = self->path ? read_header(ctx, self) : LEANN_ENOMEM;
    if (status == LEANN_OK)
        *out = self;
    else
        leann_safetensors_free(self);
    return status;
}

void leann_safetensors_free(leann_safetensors *self)
{
    if (!self) return;
    if (self->fd >= 0) close(self->fd);
    leann_value_free(self->header);
    leann_free(self->tensor);
    leann_free(self->path);
    leann_free(self);
}

/* ---- the tensors --------------------------------------------------------------------------------------------------------------- */

static const leann_tensor *find(const leann_safetensors *self, const char *prefix, const char *name)
{
    size_t length = strlen(prefix);
    for (size_t i = 0; i < self->n; i++)
        if (strncmp(self->tensor[i].name, prefix, length) == 0 && strcmp(self->tensor[i].name + length, name) == 0) return &self->tensor[i];
    return NULL;
}

/* "(384, 1536)" */
static void shape_text(const leann_tensor *t, char out[256])
{
    size_t used = 0;
    for (uint32_t i = 0; i < t->rank; i++)
        used += (size_t)snprintf(out + used, 256 - used, "%s%ju", i ? ", " : "(", (uintmax_t)t->shape[i]); /* at most 8 * 22 */
    snprintf(out + used, 256 - used, t->rank ? ")" : "()");
}

leann_status leann_safetensors_need(leann_ctx *ctx, const leann_safetensors *self, const char *name, uint64_t rows, uint64_t cols,
                                    const leann_tensor **out)
{
    char have[256], want[256];
    const leann_tensor *t = find(self, "", name), wanted = {.rank = cols ? 2 : 1, .shape = {rows, cols}};
    if (!t) t = find(self, PREFIX, name);
    *out = t;
    if (!t) return leann_fail(ctx, LEANN_EFORMAT, "%s has no tensor %s, with or without \"" PREFIX "\" before it", self->path, name);
    shape_text(t, have);
    shape_text(&wanted, want);
    if (strcmp(have, want) != 0)
        return leann_fail(ctx, LEANN_EFORMAT, "%s: tensor %s has shape %s, but config.json asks for %s", self->path, t->name, have, want);
    if (strcmp(t->type, "F32") != 0 && strcmp(t->type, "F16") != 0 && strcmp(t->type, "BF16") != 0)
        return leann_fail(ctx, LEANN_EUNSUPPORTED, "%s: tensor %s is of %.20s; only F32, F16 and BF16 are read", self->path, t->name,
                          t->type);
    return LEANN_OK;
}

leann_status leann_safetensors_read(leann_ctx *ctx, const leann_safetensors *self, const leann_tensor *tensor, uint64_t first, size_t n,
                                    float *x)
{
    unsigned size = bytes_of(tensor->type);
    char *raw = (char *)x + n * (sizeof *x - size); /* halves come into the second half: element i is written where those up to i were */
    leann_status status = read_at(ctx, self, self->data + tensor->begin + first * size, raw, n * size);
    if (status != LEANN_OK) return status;
    bool brain = tensor->type[0] == 'B';
    for (size_t i = 0; size == 2 && i < n; i++) {
        uint16_t half;
        memcpy(&half, raw + 2 * i, sizeof half);
        uint32_t bits = (uint32_t)half << 16;
        if (brain)
            memcpy(x + i, &bits, sizeof bits);
        else
            leann_kernels_get()->f32_from_f16(&half, x + i, 1);
    }
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return leann_fail(ctx, LEANN_EFORMAT, "%s: tensor %s: element %ju is %s", self->path, tensor->name, (uintmax_t)(first + i),
                              isnan(x[i]) ? "NaN" : "infinite");
    return LEANN_OK;
}
