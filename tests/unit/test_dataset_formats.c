/* test_dataset_formats.c – conversion from every format, splits, ground truth and synthetic data, and what they refuse.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/datasets.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static char folder[] = "/tmp/leann-formats-XXXXXX";
static leann_ctx *ctx;

#define assert_ok(CALL)                                                                                                                    \
    do {                                                                                                                                   \
        if ((CALL) != LEANN_OK) fail_msg("%s: %s", #CALL, leann_ctx_error(ctx));                                                           \
    } while (0)
#define assert_says(WORDS)                                                                                                                 \
    do {                                                                                                                                   \
        if (!strstr(leann_ctx_error(ctx), WORDS)) fail_msg("\"%s\" does not say \"%s\"", leann_ctx_error(ctx), WORDS);                     \
    } while (0)

static int start(void **state)
{
    (void)state;
    ctx = leann_ctx_new(7, 2);
    return mkdtemp(folder) && ctx ? 0 : 1;
}

static int stop(void **state)
{
    char command[300];
    (void)state;
    leann_ctx_free(ctx);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0;
}

static int fresh(void **state)
{
    (void)state;
    leann_ctx_clear(ctx);
    return 0;
}

/* A file of bytes, built piece by piece. */
typedef struct {
    unsigned char data[8192];
    size_t bytes;
} blob;

static void add(blob *b, const void *data, size_t bytes)
{
    assert_true(b->bytes + bytes <= sizeof b->data);
    memcpy(b->data + b->bytes, data, bytes);
    b->bytes += bytes;
}

static void add_number(blob *b, uint64_t bits, unsigned size, bool big)
{
    for (unsigned i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)(bits >> (8 * (big ? size - 1 - i : i)));
        add(b, &byte, 1);
    }
}

static char *save(const blob *b, const char *name, bool packed)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (packed) {
        gzFile f = gzopen(path, "wb");
        gzwrite(f, b->data, (unsigned)b->bytes);
        gzclose(f);
    } else {
        FILE *f = fopen(path, "wb");
        fwrite(b->data, 1, b->bytes, f);
        fclose(f);
    }
    return path;
}

enum { N = 12, D = 3 };
static int value(int i)
{
    return (i * 5) % 97 + 1;
} /* fits every type */

typedef struct {
    const char *name;
    char kind;
    unsigned size;
    bool big, packed;
    const char *npy; /* descr */
    int idx;         /* type byte */
    bool fortran;
} kind;

static uint64_t bits_of(kind k, int v)
{
    float f = (float)v;
    double g = v;
    uint32_t f32;
    uint64_t f64;
    memcpy(&f32, &f, 4);
    memcpy(&f64, &g, 8);
    if (k.kind == 'f' && k.size == 2) { /* 1 .. 97 in half precision */
        int e = 0;
        while ((2 << e) <= v) e++;
        return (uint64_t)((e + 15) << 10 | (int)((v - (1 << e)) * (1024 >> e)));
    }
    return k.kind == 'f' ? k.size == 4 ? f32 : f64 : (uint64_t)v;
}

static blob bake(kind k)
{
    blob b = {{0}, 0};
    bool vecs = strstr(k.name, "vecs"), bin = strstr(k.name, "bin");
    if (bin) add_number(&b, N, 4, false), add_number(&b, D, 4, false);
    if (k.idx)
        add_number(&b, (uint64_t)k.idx << 8 | 3, 4, true), add_number(&b, N, 4, true), add_number(&b, D, 4, true),
            add_number(&b, 1, 4, true);
    if (k.npy) {
        char header[128];
        int length = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': %s, 'shape': (%d, %d), }", k.npy,
                              k.fortran ? "True" : "False", N, D);
        memset(header + length, ' ', sizeof header - (size_t)length);
        header[117] = '\n';
        add(&b, "\x93NUMPY\x01\x00", 8);
        add_number(&b, 118, 2, false);
        add(&b, header, 118);
    }
    for (int i = 0; i < N * D; i++) {
        if (vecs && i % D == 0) add_number(&b, D, 4, false);
        add_number(&b, bits_of(k, value(k.fortran ? i % N * D + i / N : i)), k.size, k.big);
    }
    return b;
}

static const kind kinds[] = {
    {"a.fvecs", 'f', 4, false, false, NULL, 0, false},        {"a.fvecs.gz", 'f', 4, false, true, NULL, 0, false},
    {"a.bvecs", 'u', 1, false, false, NULL, 0, false},        {"a.ivecs", 'i', 4, false, false, NULL, 0, false},
    {"a.fbin", 'f', 4, false, false, NULL, 0, false},         {"a.fbin.gz", 'f', 4, false, true, NULL, 0, false},
    {"a.u8bin", 'u', 1, false, false, NULL, 0, false},        {"a.i8bin", 'i', 1, false, false, NULL, 0, false},
    {"a.ibin", 'i', 4, false, false, NULL, 0, false},         {"f4.npy", 'f', 4, false, false, "<f4", 0, false},
    {"f4be.npy", 'f', 4, true, false, ">f4", 0, false},       {"f8.npy.gz", 'f', 8, false, true, "<f8", 0, false},
    {"f2.npy", 'f', 2, false, false, "<f2", 0, false},        {"u1.npy", 'u', 1, false, false, "|u1", 0, false},
    {"i1.npy", 'i', 1, false, false, "|i1", 0, false},        {"i2.npy", 'i', 2, true, false, ">i2", 0, false},
    {"i8.npy", 'i', 8, false, false, "<i8", 0, false},        {"u4.npy", 'u', 4, false, false, "<u4", 0, false},
    {"fortran.npy", 'f', 4, false, false, "<f4", 0, true},    {"a-idx3-ubyte", 'u', 1, false, false, NULL, 8, false},
    {"a-idx3-ubyte.gz", 'u', 1, false, true, NULL, 8, false}, {"i1.idx", 'i', 1, false, false, NULL, 9, false},
    {"i2.idx", 'i', 2, true, false, NULL, 11, false},         {"i4.idx", 'i', 4, true, false, NULL, 12, false},
    {"f4.idx", 'f', 4, true, false, NULL, 13, false},         {"f8.idx.gz", 'f', 8, true, true, NULL, 14, false},
    {"nameless", 'f', 4, true, false, NULL, 13, false},       {"nameless2", 'f', 8, false, false, "<f8", 0, false},
};

static const char *out_path(void)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/out.hdf5", folder);
    return path;
}

static float at(leann_rows rows, uint32_t i, uint32_t j)
{
    const char *row = (const char *)rows.base + i * rows.stride;
    return rows.type == LEANN_F32 ? ((const float *)(const void *)row)[j] : (float)((const uint8_t *)row)[j];
}

static void every_format(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof kinds / sizeof *kinds; t++) {
        kind k = kinds[t];
        blob b = bake(k);
        leann_dataset *data;
        leann_dataset_info info;
        leann_convert_options options = {.split = 2, .space = LEANN_L2, .ground_truth = true};
        const char *path = save(&b, k.name, k.packed);
        if (leann_dataset_convert(ctx, path, out_path(), options) != LEANN_OK) fail_msg("%s: %s", k.name, leann_ctx_error(ctx));
        assert_ok(leann_dataset_sniff(ctx, path, &info));
        assert_int_equal(info.n, N);
        assert_int_equal(info.d, D);
        assert_ok(leann_dataset_open(ctx, out_path(), &data));
        assert_int_equal(data->train.n, N - 2);
        assert_int_equal(data->test.n, 2);
        assert_int_equal(data->gt_k, N - 2);
        assert_int_equal(data->train.type, k.size > 1 || k.kind == 'f' ? LEANN_F32 : k.kind == 'u' ? LEANN_U8 : LEANN_I8);
        /* the rows in their order, the drawn ones apart */
        for (uint32_t i = 0, train = 0, test = 0; i < N; i++) {
            bool drawn = test < 2 && (train == N - 2 || !(fabsf(at(data->train, train, 0) - (float)value((int)i * D)) < 0.5f));
            for (uint32_t j = 0; j < D; j++) {
                float got = drawn ? at(data->test, test, j) : at(data->train, train, j);
                if (!(fabsf(got - (float)value((int)(i * D + j))) < 1e-6f)) fail_msg("%s: row %u: %g", k.name, i, (double)got);
            }
            if (drawn)
                test++;
            else
                train++;
        }
        leann_dataset_free(data);
    }
}

/* Cut by one byte, one byte too many, and each byte of the header changed: an error or other rows, never a crash. */
static void damaged_files(void **state)
{
    (void)state;
    leann_dataset_info info;
    for (size_t t = 0; t < sizeof kinds / sizeof *kinds; t++) {
        kind k = kinds[t];
        blob b = bake(k);
        b.bytes--;
        leann_ctx_clear(ctx);
        assert_int_equal(leann_dataset_sniff(ctx, save(&b, k.name, k.packed), &info), LEANN_EFORMAT);
        assert_says(k.name);
        b.bytes += 2;
        leann_ctx_clear(ctx);
        assert_int_equal(leann_dataset_sniff(ctx, save(&b, k.name, k.packed), &info), LEANN_EFORMAT);
        b.bytes--;
        for (size_t i = 0; i < 150 && i < b.bytes; i += k.npy ? 7 : 1) {
            blob hurt = b;
            hurt.data[i] ^= 0x81;
            leann_ctx_clear(ctx);
            leann_dataset_sniff(ctx, save(&hurt, k.name, k.packed), &info);
        }
    }
}

static void refused(const char *name, const void *data, size_t bytes, leann_status status, const char *words)
{
    blob b = {{0}, 0};
    leann_dataset_info info;
    add(&b, data, bytes);
    leann_ctx_clear(ctx);
    leann_status got = leann_dataset_sniff(ctx, save(&b, name, false), &info);
    if (got != status) fail_msg("%s: %s: %s", name, leann_status_word(got), leann_ctx_error(ctx));
    assert_says(words);
}

static void bad_files(void **state)
{
    (void)state;
    refused("z.fvecs", "", 0, LEANN_EFORMAT, "0 bytes are too few for a fvecs file");
    refused("z.fvecs", "\xff\xff\xff\x7f", 4, LEANN_ELIMIT, "dimension 2147483647, at most 65536");
    refused("z.fvecs", "\0\0\0\0", 4, LEANN_EINVAL, "empty");
    refused("z.fbin", "\xff\xff\xff\xff\1\0\0\0", 8, LEANN_ELIMIT, "4294967295 rows, at most 2147483647");
    refused("z.fbin", "\xff\xff\xff\x7f\0\0\1\0", 8, LEANN_EFORMAT,
            "2147483647 rows of 65536 f32, which is 562949953159176 bytes; the file has 8");
    refused("z-idx1-ubyte", "\0\0\x08\x01\0\0\0\0", 8, LEANN_EINVAL, "labels, not vectors");
    refused("z-ubyte", "\0\0\x07\x02\0\0\0\0", 8, LEANN_EFORMAT, "IDX type 0x07");
    refused("z-ubyte", "\0\0\x08\x04\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20, LEANN_ELIMIT, "dimension 4294967295");
    refused("z.npy", "\x93NUMPY\1\0\x37\0{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 65, LEANN_EINVAL, "rank 1");
    refused("z.npy", "\x93NUMPY\1\0\x37\0{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}", 65, LEANN_EINVAL, "'<c8'");
    refused("z.npy", "\x93NUMPY\4\0\x37\0{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}", 65, LEANN_EFORMAT, "version 4");
    refused("z.npy", "\x93NUMPY\1\0\x1a\0{'descr': [('a', '<f4')], ", 36, LEANN_EINVAL, "structures");
    refused("z.npy", "\x93NUMPY\2\0\xff\xff\xff\xff", 12, LEANN_ELIMIT, "header of 4294967295 bytes");
    refused("z.txt", "1 2 3\n", 6, LEANN_EFORMAT, "not a format");
}

static void wrong_options(void **state)
{
    (void)state;
    blob b = bake(kinds[0]), q = bake(kinds[4]);
    char in[256], queries[256];
    snprintf(in, sizeof in, "%s", save(&b, "rows.fvecs", false));
    q.data[4] = 4; /* 9 rows of dimension 4 */
    q.data[0] = 9;
    snprintf(queries, sizeof queries, "%s", save(&q, "q.fbin", false));
    assert_int_equal(leann_dataset_convert(ctx, in, out_path(), (leann_convert_options){.split = N}), LEANN_EINVAL);
    assert_says("a split of 12 queries leaves nothing of its 12 rows");
    leann_ctx_clear(ctx);
    assert_int_equal(leann_dataset_convert(ctx, in, out_path(), (leann_convert_options){.queries = queries}), LEANN_EINVAL);
    assert_says("the queries have dimension 4");
    leann_ctx_clear(ctx);
    assert_int_equal(leann_dataset_convert(ctx, in, out_path(), (leann_convert_options){.any_space = true}), LEANN_EINVAL);
    assert_says("--distance");
    leann_ctx_clear(ctx);
    unsigned char nan[] = {0, 0, 0xc0, 0x7f};
    memcpy(b.data + 4 + 16 * 5, nan, 4);
    snprintf(in, sizeof in, "%s", save(&b, "nan.fvecs", false));
    unlink(out_path());
    assert_int_equal(leann_dataset_convert(ctx, in, out_path(), (leann_convert_options){.space = LEANN_L2}), LEANN_EINVAL);
    assert_says("nan.fvecs: row 5, column 0 is NaN");
    assert_int_equal(access(out_path(), F_OK), -1); /* nothing is left of it */
    leann_ctx_clear(ctx);
    memset(b.data + 4 + 16 * 5, 0, 12);
    snprintf(in, sizeof in, "%s", save(&b, "zero.fvecs", false));
    assert_int_equal(leann_dataset_convert(ctx, in, out_path(), (leann_convert_options){.space = LEANN_ANGULAR}), LEANN_EINVAL);
    assert_says("row 5 is zero");
}

/* ---- ground truth and synthetic data ---------------------------------------------------------------------------------------- */

static double distance(leann_space space, leann_rows a, uint32_t i, leann_rows b, uint32_t j)
{
    double dot = 0, square = 0, x = 0, y = 0;
    for (uint32_t c = 0; c < a.d; c++) {
        double p = (double)at(a, i, c), q = (double)at(b, j, c);
        dot += p * q;
        square += (p - q) * (p - q);
        x += p * p;
        y += q * q;
    }
    return space == LEANN_L2 ? square : space == LEANN_IP ? -dot : 1 - dot / sqrt(x * y);
}

static void truth_of(leann_space space)
{
    leann_dataset *data;
    leann_synth_report report;
    leann_synth_options options = {300, 24, 9, space};
    assert_ok(leann_dataset_synth(ctx, out_path(), options, &report));
    assert_int_equal(report.clusters, 18);
    assert_true(report.ivf_recall > 0.1 && report.ivf_recall <= 0.6);
    assert_true(report.intrinsic_dimension > 3 && report.intrinsic_dimension < 24);
    assert_ok(leann_dataset_groundtruth(ctx, out_path())); /* into the file that exists */
    assert_ok(leann_dataset_open(ctx, out_path(), &data));
    assert_int_equal(data->gt_k, 100);
    assert_int_equal(data->test.n, 9);
    for (uint32_t q = 0; q < 9; q++) {
        const uint32_t *ids = data->neighbors + q * 100;
        double last = distance(space, data->train, ids[99], data->test, q);
        uint32_t nearer = 0;
        for (uint32_t i = 0; i < 300; i++) nearer += distance(space, data->train, i, data->test, q) <= last;
        assert_in_range(nearer, 99, 101); /* angular rows are rounded once more */
        for (uint32_t j = 1; j < 100; j++)
            assert_true(distance(space, data->train, ids[j], data->test, q) >=
                        distance(space, data->train, ids[j - 1], data->test, q) - 1e-6);
    }
    leann_dataset_free(data);
}

static void truth(void **state)
{
    (void)state;
    truth_of(LEANN_L2);
    truth_of(LEANN_ANGULAR);
    truth_of(LEANN_IP);
}

static size_t slurp(const char *path, char *out, size_t bytes)
{
    FILE *f = fopen(path, "rb");
    size_t got = fread(out, 1, bytes, f);
    fclose(f);
    return got;
}

static void same_seed_same_bytes(void **state)
{
    (void)state;
    static char a[1 << 20], b[1 << 20];
    leann_synth_report report;
    leann_synth_options options = {2000, 40, 5, LEANN_L2};
    leann_ctx *one = leann_ctx_new(7, 1), *other = leann_ctx_new(8, 1);
    assert_ok(leann_dataset_synth(ctx, out_path(), options, &report));
    size_t bytes = slurp(out_path(), a, sizeof a);
    assert_in_range(bytes, 320000, sizeof a - 1);
    assert_int_equal(leann_dataset_synth(one, out_path(), options, &report), LEANN_OK);
    assert_int_equal(slurp(out_path(), b, sizeof b), bytes);
    assert_memory_equal(a, b, bytes);
    assert_int_equal(leann_dataset_synth(other, out_path(), options, &report), LEANN_OK);
    assert_int_equal(slurp(out_path(), b, sizeof b), bytes);
    assert_memory_not_equal(a, b, bytes);
    leann_ctx_free(one);
    leann_ctx_free(other);
}

static void cancelled(void **state)
{
    (void)state;
    leann_synth_report report;
    unlink(out_path());
    leann_ctx_cancel(ctx);
    assert_int_equal(leann_dataset_synth(ctx, out_path(), (leann_synth_options){2000, 40, 5, LEANN_L2}, &report), LEANN_EINTR);
    assert_int_equal(access(out_path(), F_OK), -1);
}

static void catalogue(void **state)
{
    (void)state;
    char path[1024];
    leann_synth_report made;
    for (size_t i = 0; i < leann_catalogue_count(); i++) {
        const leann_catalogue_entry *e = leann_catalogue_at(i);
        assert_ptr_equal(leann_catalogue_find(e->name), e);
        assert_true(strlen(e->sha256) == 0 || strspn(e->sha256, "0123456789abcdef") == 64);
        assert_null(strchr(e->name, '_')); /* ANN-benchmarks splits names there */
    }
    setenv("LEANN_DATA", folder, 1);
    assert_int_equal(leann_dataset_fetch(ctx, "sift-128-euclidean", path, &made), LEANN_EUNSUPPORTED);
    assert_says("sift-128-euclidean.hdf5");
    assert_says(folder);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_dataset_fetch(ctx, "sift-128-euclidian", path, &made), LEANN_ENOTFOUND);
    assert_says("did you mean sift-128-euclidean?");
    leann_ctx_clear(ctx);
    blob b = {{1, 2, 3}, 3};
    save(&b, "sift-128-euclidean.hdf5", false); /* a file that is not the published one */
    assert_int_equal(leann_dataset_fetch(ctx, "sift-128-euclidean", path, &made), LEANN_EFORMAT);
    assert_says("sha256 is 039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81, must be dd6f0a6e");
    unsetenv("LEANN_DATA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_format, fresh), cmocka_unit_test_setup(damaged_files, fresh),
        cmocka_unit_test_setup(bad_files, fresh),    cmocka_unit_test_setup(wrong_options, fresh),
        cmocka_unit_test_setup(truth, fresh),        cmocka_unit_test_setup(same_seed_same_bytes, fresh),
        cmocka_unit_test_setup(cancelled, fresh),    cmocka_unit_test_setup(catalogue, fresh),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
