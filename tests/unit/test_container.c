/* test_container.c – index files: round trips, the ledger, every kind of damage, full disks.
 *
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/container.h"

enum { MIB = 1 << 20 };
static char folder[64];
static char *path;
static leann_ctx *ctx;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/leann-container-XXXXXX");
    ctx = leann_ctx_new(1, 2);
    if (!ctx || !mkdtemp(folder)) return -1;
    path = leann_format(ctx, "%s/file.leann", folder);
    return path ? 0 : -1;
}

static int files_in_folder(void)
{
    DIR *d = opendir(folder);
    int n = 0;
    while (d) {
        struct dirent *e = readdir(d);
        if (!e) break;
        n += e->d_name[0] != '.';
    }
    if (d) closedir(d);
    return n;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    int bad = rmdir(folder);
    leann_free(path);
    leann_ctx_free(ctx);
    return bad;
}

/* Three sections: a few bytes, none, some words. All in less than a block, so that each byte of the file can be tried. */
static void write_small(void)
{
    leann_writer *w;
    const uint32_t ids[] = {1, 2, 3, 4, 5, 6};
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    assert_ptr_equal(leann_writer_ctx(w), ctx);
    assert_int_equal(leann_writer_add(w, "manifest", LEANN_PART_META, LEANN_BYTES, 13, 1, "{\"method\": 1}"), LEANN_OK);
    assert_int_equal(leann_writer_add(w, "nothing", LEANN_PART_CODES, LEANN_U8, 0, 96, NULL), LEANN_OK);
    assert_int_equal(leann_writer_add(w, "ids", LEANN_PART_IDS, LEANN_U32, 3, 8, ids), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
}

static void put(const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

static void get(uint8_t **data, size_t *bytes)
{
    assert_int_equal(leann_file_read(ctx, path, SIZE_MAX, (char **)data, bytes), LEANN_OK);
}

/* Opening the bytes fails with EFORMAT, and the sentence names the file and what is wrong. */
static void refused(const void *data, size_t bytes, const char *word)
{
    leann_reader *r;
    put(data, bytes);
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_EFORMAT);
    assert_null(r);
    assert_non_null(strstr(leann_ctx_error(ctx), path));
    if (!strstr(leann_ctx_error(ctx), word)) fail_msg("\"%s\" does not say \"%s\"", leann_ctx_error(ctx), word);
    leann_ctx_clear(ctx);
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    write_small();
    leann_reader *r;
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    assert_int_equal(leann_reader_sections(r), 3);
    assert_string_equal(leann_reader_path(r), path);
    const leann_section *s = leann_reader_at(r, 0);
    assert_string_equal(s->name, "manifest");
    assert_true(s->part == LEANN_PART_META && s->type == LEANN_BYTES && s->rows == 13 && s->stride == 1 && s->bytes == 13 &&
                s->offset == 64);
    assert_memory_equal(s->data, "{\"method\": 1}", 13);
    s = leann_reader_find(r, "nothing");
    assert_true(s && s->bytes == 0 && s->rows == 0 && s->stride == 96);
    assert_null(leann_reader_find(r, "nothin"));
    const void *data;
    assert_int_equal(leann_reader_need(ctx, r, "ids", LEANN_U32, 3, 8, &data), LEANN_OK);
    assert_int_equal((uintptr_t)data % 64, 0);
    assert_int_equal(((const uint32_t *)data)[5], 6);
    assert_int_equal(leann_reader_need(ctx, r, "ids", LEANN_U32, 4, 8, &data), LEANN_EFORMAT);
    assert_null(data);
    assert_non_null(strstr(leann_ctx_error(ctx), "ids has 3 rows of 8 bytes of u32, not 4 rows"));
    leann_ctx_clear(ctx);
    assert_int_equal(leann_reader_need(ctx, r, "codes", LEANN_U8, 1, 1, &data), LEANN_EFORMAT);
    leann_ctx_clear(ctx);
    assert_ptr_equal(leann_reader_keep(r), r);
    leann_reader_free(r);
    assert_string_equal(leann_reader_at(r, 2)->name, "ids"); /* still held */
    leann_reader_free(r);
    leann_reader_free(NULL);
}

static void same_sections_same_bytes(void **state)
{
    (void)state;
    uint8_t *a, *b;
    size_t na, nb;
    write_small();
    get(&a, &na);
    write_small();
    get(&b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    leann_free(a);
    leann_free(b);
}

static void prediction_is_the_file(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 63, 64, 65, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 77};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    uint8_t *data = malloc(3 * MIB);
    assert_non_null(data);
    leann_rng fill = leann_rng_at(1, "fill", 0);
    for (size_t i = 0; i < 3 * MIB; i++) data[i] = (uint8_t)leann_rng_u32(&fill);
    for (uint64_t trial = 0; trial < 20; trial++) {
        leann_rng rng = leann_rng_at(1, "sections", trial);
        uint32_t count = leann_rng_below(&rng, 12);
        uint64_t size[12], from[12];
        leann_ledger predicted, real;
        leann_writer *w;
        leann_ledger_begin(&predicted);
        assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
        for (uint32_t i = 0; i < count; i++) {
            char name[16];
            snprintf(name, sizeof name, "s%u", i);
            size[i] = sizes[leann_rng_below(&rng, SIZES)];
            from[i] = leann_rng_below(&rng, 1000);
            leann_part part = (leann_part)leann_rng_below(&rng, LEANN_PARTS);
            leann_ledger_add(&predicted, part, size[i]);
            assert_int_equal(leann_writer_add(w, name, part, LEANN_BYTES, size[i], 1, data + from[i]), LEANN_OK);
        }
        leann_ledger_end(&predicted);
        assert_int_equal(leann_writer_commit(w), LEANN_OK);
        leann_writer_free(w);
        struct stat about;
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(leann_ledger_total(&predicted), (uint64_t)about.st_size);
        leann_reader *r;
        assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
        leann_reader_ledger(r, &real);
        assert_memory_equal(&real, &predicted, sizeof real);
        for (uint32_t i = 0; i < count; i++) {
            const leann_section *s = leann_reader_at(r, i);
            assert_int_equal(s->offset % (size[i] >= MIB ? 4096 : 64), 0);
            assert_memory_equal(s->data, data + from[i], size[i]);
        }
        leann_reader_free(r);
    }
    free(data);
}

static void every_bit_is_checked(void **state)
{
    (void)state;
    uint8_t *data;
    size_t bytes;
    write_small();
    get(&data, &bytes);
    for (size_t i = 0; i < bytes; i++) {
        uint8_t bit = (uint8_t)(1u << i % 8);
        data[i] ^= bit;
        refused(data, bytes, "");
        data[i] ^= bit;
    }
    for (size_t n = 0; n < bytes; n++) refused(data, n, "");
    uint8_t *longer = calloc(1, bytes + 1);
    assert_non_null(longer);
    memcpy(longer, data, bytes);
    refused(longer, bytes + 1, "truncated");
    free(longer);
    leann_free(data);
}

static void mapped_first_and_checked_after(void **state) /* blocks are the second half's, all else the first's */
{
    (void)state;
    uint8_t *data;
    size_t bytes;
    leann_reader *r;
    write_small();
    get(&data, &bytes);
    data[64] ^= 1; /* of the manifest */
    put(data, bytes);
    assert_int_equal(leann_reader_map(ctx, path, &r), LEANN_OK);
    assert_int_equal(leann_reader_find(r, "ids")->rows, 3);
    assert_int_equal(leann_reader_check(ctx, r), LEANN_EFORMAT);
    assert_non_null(strstr(leann_ctx_error(ctx), "section manifest, bytes 0 to 13"));
    leann_ctx_clear(ctx);
    leann_reader_free(r);
    refused(data, bytes, "section manifest, bytes 0 to 13");
    data[64] ^= 1;
    put(data, bytes);
    assert_int_equal(leann_reader_map(ctx, path, &r), LEANN_OK);
    assert_int_equal(leann_reader_check(ctx, r), LEANN_OK);
    leann_reader_free(r);
    data[bytes - 1] ^= 1; /* of the directory */
    put(data, bytes);
    assert_int_equal(leann_reader_map(ctx, path, &r), LEANN_EFORMAT);
    assert_null(r);
    leann_ctx_clear(ctx);
    leann_free(data);
}

static void damage_is_found_in_large_files(void **state) /* and the sentence says in which block of which section */
{
    (void)state;
    enum { BYTES = 40 * MIB + 5 };
    uint8_t *data = calloc(1, BYTES), *file;
    size_t bytes;
    assert_non_null(data);
    leann_writer *w;
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    assert_int_equal(leann_writer_add(w, "few", LEANN_PART_IDS, LEANN_BYTES, 10, 1, data), LEANN_OK);
    assert_int_equal(leann_writer_add(w, "codes", LEANN_PART_CODES, LEANN_BYTES, BYTES, 1, data), LEANN_OK);
    assert_int_equal(leann_writer_add(w, "more", LEANN_PART_IDS, LEANN_BYTES, 10, 1, data), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
    get(&file, &bytes);
    file[4096 + 33 * MIB + 7] = 1;
    file[4096 + 21 * MIB] = 1;
    refused(file, bytes, "section codes, bytes 22020096 to 23068672"); /* the first of two */
    leann_free(file);
    free(data);
}

/* ---- files with right checksums and wrong statements ----------------------------------------------------------------------- */

typedef struct {
    uint8_t *data;
    size_t bytes;
    uint64_t directory;
} forgery;

static forgery forge(void)
{
    forgery f;
    write_small();
    get(&f.data, &f.bytes);
    memcpy(&f.directory, f.data + 24, 8);
    return f;
}

static void utter(forgery f, size_t at, uint64_t value, size_t width, const char *word)
{
    uint32_t crc;
    memcpy(f.data + at, &value, width);
    crc = leann_crc32c(0, f.data, 60);
    memcpy(f.data + 60, &crc, 4);
    crc = leann_crc32c(0, f.data + f.directory, f.bytes - f.directory - 4);
    memcpy(f.data + f.bytes - 4, &crc, 4);
    refused(f.data, f.bytes, word);
    leann_free(f.data);
}

static void false_statements_are_refused(void **state)
{
    (void)state;
    forgery f = forge();
    const size_t d = (size_t)f.directory, second = d + 64, third = d + 128, crcs = d + 192;
    utter(f, 8, 2, 4, "version 2; this program reads version 1");
    utter(forge(), 12, 1, 4, "reserved");
    utter(forge(), 16, 1000000, 8, "states 1000000");
    utter(forge(), 24, d + 64, 8, "directory");
    utter(forge(), 24, UINT64_MAX - 63, 8, "directory");
    utter(forge(), 32, 8, 8, "directory");
    utter(forge(), 40, 0xffffffff, 4, "limit");
    utter(forge(), 40, 4, 4, "directory");
    utter(forge(), 40, 2, 4, "directory is at 192, not at 128");
    utter(forge(), 44, 1, 4, "reserved");
    utter(forge(), 48, 1, 8, "reserved");
    utter(forge(), 56, 1, 4, "reserved");
    utter(forge(), d, 'M', 1, "name of section 0");
    utter(forge(), d, 0, 1, "name of section 0");
    utter(forge(), d + 23, 'x', 1, "name of section 0");
    f = forge();
    memcpy(f.data + second, f.data + d, 24);
    utter(f, second, 'm', 1, "both manifest");
    utter(forge(), d + 24, 9, 1, "type 9 of 9");
    utter(forge(), d + 25, LEANN_PARTS, 1, "part 9 of 9");
    utter(forge(), d + 26, 1, 2, "section manifest");
    utter(forge(), d + 28, 2, 4, "states 2 blocks");
    utter(forge(), d + 32, 1ull << 63, 8, "cannot be");
    utter(forge(), d + 56, 12, 8, "cannot be");
    utter(forge(), d + 48, 128, 8, "is at 128, not at 64");
    utter(forge(), third + 40, 6, 8, "cannot be");
    utter(forge(), third + 48, 64, 8, "is at 64, not at 128"); /* an overlap */
    utter(forge(), 64 + 13, 1, 1, "padding byte 77");
    utter(forge(), 64, 'X', 1, "section manifest, bytes 0 to 13");
    utter(forge(), crcs, 0, 4, "section manifest, bytes 0 to 13");
    f = forge();                 /* sections that reach beyond the directory, rows and bytes agreeing */
    uint64_t huge = MIB / 8 - 1; /* below 1 MiB, so that the alignment stays */
    memcpy(f.data + third + 32, &huge, 8);
    huge <<= 3;
    utter(f, third + 56, huge, 8, "runs into the directory");
}

/* ---- pieces and pages ------------------------------------------------------------------------------------------------------- */

static void pieces_make_the_same_file(void **state)
{
    (void)state;
    enum { BYTES = 2 * MIB + 77 };
    uint8_t *data = malloc(BYTES), *whole, *pieces;
    size_t bytes[2];
    assert_non_null(data);
    leann_rng rng = leann_rng_at(1, "pieces", 0);
    for (size_t i = 0; i < BYTES; i++) data[i] = (uint8_t)leann_rng_u32(&rng);
    for (int kind = 0; kind < 2; kind++) {
        leann_writer *w;
        assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
        if (kind == 0) assert_int_equal(leann_writer_add(w, "a", LEANN_PART_CODES, LEANN_BYTES, BYTES, 1, data), LEANN_OK);
        if (kind == 1) assert_int_equal(leann_writer_begin(w, "a", LEANN_PART_CODES, LEANN_BYTES, BYTES, 1), LEANN_OK);
        for (uint64_t at = 0, n; kind == 1 && at < BYTES; at += n) {
            n = leann_rng_below(&rng, 600000);
            if (n > BYTES - at) n = BYTES - at;
            assert_int_equal(leann_writer_put(w, data + at, n), LEANN_OK);
        }
        assert_int_equal(leann_writer_end(w), LEANN_OK);
        assert_int_equal(leann_writer_add(w, "b", LEANN_PART_CODES, LEANN_BYTES, 10, 1, data), LEANN_OK);
        assert_int_equal(leann_writer_commit(w), LEANN_OK);
        leann_writer_free(w);
        get(kind ? &pieces : &whole, &bytes[kind]);
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(whole, pieces, bytes[0]);
    leann_free(whole);
    leann_free(pieces);
    for (int kind = 0; kind < 3; kind++) { /* a byte too many, a byte too few, and that only seen by commit */
        leann_writer *w;
        assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
        assert_int_equal(leann_writer_begin(w, "a", LEANN_PART_CODES, LEANN_BYTES, 10, 1), LEANN_OK);
        if (kind == 0) assert_int_equal(leann_writer_put(w, data, 11), LEANN_EINVAL);
        if (kind > 0) assert_int_equal(leann_writer_put(w, data, 9), LEANN_OK);
        assert_int_equal(kind == 1 ? leann_writer_end(w) : leann_writer_commit(w), LEANN_EINVAL);
        assert_non_null(strstr(leann_ctx_error(ctx), kind ? "lacks 1" : "takes 10 bytes, but 1 more"));
        assert_int_equal(leann_writer_commit(w), LEANN_EINVAL);
        leann_ctx_clear(ctx);
        leann_writer_free(w);
    }
    free(data);
}

enum { PAGE = 4096 };

static void write_pages(const uint8_t *page, uint64_t pages, const leann_share *share, uint32_t shares)
{
    leann_writer *w;
    assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
    assert_int_equal(leann_writer_add(w, "few", LEANN_PART_IDS, LEANN_BYTES, 10, 1, "abcdefghij"), LEANN_OK);
    assert_int_equal(leann_writer_begin(w, "nodes", LEANN_PART_GRAPH, LEANN_PAGES, pages, PAGE), LEANN_OK);
    for (uint64_t i = 0; i < pages; i++) assert_int_equal(leann_writer_put(w, page, PAGE), LEANN_OK);
    assert_int_equal(leann_writer_end(w), LEANN_OK);
    if (shares) assert_int_equal(leann_writer_share(w, share, shares), LEANN_OK);
    assert_int_equal(leann_writer_commit(w), LEANN_OK);
    leann_writer_free(w);
}

static void pages_are_aligned_and_shared_out(void **state)
{
    (void)state;
    static uint8_t page[PAGE] = {1, 2, 3};
    const leann_share share[] = {{LEANN_PART_GRAPH, 2 * PAGE - 1000}, {LEANN_PART_VECTORS, PAGE + 1000}};
    leann_ledger predicted, real;
    leann_reader *r;
    struct stat about;
    write_pages(page, 3, share, 2);
    leann_ledger_begin(&predicted);
    leann_ledger_add(&predicted, LEANN_PART_IDS, 10);
    leann_ledger_add_pages(&predicted, share, 2);
    leann_ledger_end(&predicted);
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    leann_reader_ledger(r, &real);
    assert_memory_equal(&real, &predicted, sizeof real);
    assert_int_equal(real.bytes[LEANN_PART_VECTORS], PAGE + 1000);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(leann_ledger_total(&real), (uint64_t)about.st_size);
    const leann_section *s = leann_reader_find(r, "nodes");
    uint8_t read[PAGE];
    assert_true(s && s->offset % PAGE == 0 && s->bytes == 3 * PAGE);
    assert_int_equal(pread(leann_reader_file(r), read, PAGE, (off_t)s->offset + PAGE), PAGE);
    assert_memory_equal(read, page, PAGE);
    assert_memory_equal(s->data, page, PAGE); /* let go, not gone */
    leann_reader_free(r);
}

static void false_shares_are_refused(void **state)
{
    (void)state;
    static const uint8_t page[PAGE];
    static const leann_share bad[][2] = {
        {{LEANN_PART_GRAPH, 2 * PAGE}, {LEANN_PART_VECTORS, PAGE - 1}},
        {{LEANN_PART_GRAPH, 2 * PAGE}, {LEANN_PART_VECTORS, PAGE + 1}},
        {{LEANN_PART_VECTORS, 2 * PAGE}, {LEANN_PART_GRAPH, PAGE}},
        {{LEANN_PART_GRAPH, 2 * PAGE}, {LEANN_PART_GRAPH, PAGE}},
        {{LEANN_PART_GRAPH, 2 * PAGE}, {LEANN_PARTS, PAGE}},
        {{LEANN_PART_GRAPH, 4 * PAGE}, {LEANN_PART_VECTORS, -(uint64_t)PAGE}},
    };
    uint8_t *data;
    size_t bytes;
    for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
        bool none = i == sizeof bad / sizeof *bad; /* no shares at all */
        write_pages(page, 3, none ? NULL : bad[i], none ? 0 : 2);
        get(&data, &bytes);
        refused(data, bytes, "nodes.parts");
        leann_free(data);
    }
}

static uint64_t status_kb(const char *field)
{
    char line[256];
    uint64_t kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, field, strlen(field))) kb = strtoull(line + strlen(field) + 1, NULL, 10);
    if (f) fclose(f);
    return kb;
}

#if defined(__SANITIZE_THREAD__)
#define SHADOWED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHADOWED 1
#endif
#endif

static void checked_pages_do_not_stay_resident(void **state)
{
    (void)state;
#ifdef SHADOWED /* what was read stays resident as the sanitizer's shadow */
    skip();
#endif
    enum { PAGES = 16384 };
    static const uint8_t page[PAGE] = {7};
    const leann_share share = {LEANN_PART_GRAPH, (uint64_t)PAGES * PAGE};
    leann_reader *r;
    write_pages(page, PAGES, &share, 1);
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) skip();
    if (fputs("5", f) < 0 || fclose(f)) skip(); /* from here VmHWM is of what follows */
    uint64_t before = status_kb("VmRSS");
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_OK);
    assert_true(status_kb("VmHWM") < before + 24 * 1024); /* of 64 MiB */
    leann_reader_free(r);
}

static void bad_sections_are_not_written(void **state)
{
    (void)state;
    write_small();
    uint8_t *before, *after;
    size_t n;
    get(&before, &n);
    static const struct {
        const char *name;
        int part, type;
        uint64_t rows, stride;
        const char *word;
    } bad[] = {
        {"", 1, LEANN_BYTES, 1, 1, "section name \"\""},
        {"Upper", 1, LEANN_BYTES, 1, 1, "Upper"},
        {"a/b", 1, LEANN_BYTES, 1, 1, "a/b"},
        {"twenty-four-characters.x", 1, LEANN_BYTES, 1, 1, "1 to 23"},
        {"x", LEANN_PARTS, LEANN_BYTES, 1, 1, "part 9"},
        {"x", 1, 9, 1, 1, "type 9"},
        {"x", 1, LEANN_F32, 1, 6, "rows of 6 bytes"},
        {"x", 1, LEANN_BYTES, 1ull << 40, 1ull << 40, "too large"},
        {"x", 1, LEANN_BYTES, 1, UINT64_MAX - 3, "too large"},
        {"twice", 1, LEANN_BYTES, 1, 1, "is there already"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        leann_writer *w;
        assert_int_equal(leann_writer_new(ctx, path, &w), LEANN_OK);
        assert_int_equal(leann_writer_add(w, "twice", LEANN_PART_IDS, LEANN_BYTES, 1, 1, "x"), LEANN_OK);
        assert_int_equal(
            leann_writer_add(w, bad[i].name, (leann_part)bad[i].part, (leann_dtype)bad[i].type, bad[i].rows, bad[i].stride, "x"),
            LEANN_EINVAL);
        if (!strstr(leann_ctx_error(ctx), bad[i].word)) fail_msg("\"%s\" does not say \"%s\"", leann_ctx_error(ctx), bad[i].word);
        assert_int_equal(leann_writer_commit(w), LEANN_EINVAL); /* a writer that failed stays failed */
        leann_writer_free(w);
        leann_ctx_clear(ctx);
    }
    get(&after, &n);
    assert_memory_equal(before, after, n);
    assert_int_equal(files_in_folder(), 1);
    leann_free(before);
    leann_free(after);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    enum { BYTES = 3 * MIB };
    write_small();
    uint8_t *before, *after, *data = calloc(1, BYTES);
    size_t n, m;
    assert_non_null(data);
    get(&before, &n);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    /* no room for the section; for the second one; for the directory behind a section of 3 MiB at 4096 */
    static const rlim_t limits[] = {0, 100, MIB + 5, BYTES + 4096, BYTES + 4096 + 150};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        leann_writer *w;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){limits[i], old.rlim_max}), 0);
        leann_status opened = leann_writer_new(ctx, path, &w), status = opened;
        if (status == LEANN_OK) status = leann_writer_add(w, "large", LEANN_PART_CODES, LEANN_BYTES, BYTES, 1, data);
        if (status == LEANN_OK) status = leann_writer_add(w, "more", LEANN_PART_CODES, LEANN_BYTES, 60, 1, data);
        if (status == LEANN_OK) status = leann_writer_commit(w);
        if (opened == LEANN_OK) leann_writer_free(w);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(status, LEANN_EIO);
        assert_non_null(strstr(leann_ctx_error(ctx), "cannot write"));
        leann_ctx_clear(ctx);
        get(&after, &m);
        assert_int_equal(n, m);
        assert_memory_equal(before, after, n);
        assert_int_equal(files_in_folder(), 1);
        leann_free(after);
    }
    signal(SIGXFSZ, handler);
    leann_free(before);
    free(data);
}

static void other_things_than_files(void **state)
{
    (void)state;
    leann_reader *r;
    leann_writer *w;
    unlink(path);
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_ENOTFOUND);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_reader_open(ctx, folder, &r), LEANN_EFORMAT);
    leann_ctx_clear(ctx);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(leann_reader_open(ctx, path, &r), LEANN_EFORMAT);
    leann_ctx_clear(ctx);
    unlink(path);
    assert_int_equal(leann_writer_new(ctx, "/nonexistent-folder/x", &w), LEANN_ENOTFOUND);
    assert_null(w);
    leann_ctx_clear(ctx);
    assert_int_equal(leann_writer_new(ctx, folder, &w), LEANN_OK); /* its temporary lies beside it */
    assert_int_equal(leann_writer_commit(w), LEANN_EIO);
    leann_writer_free(w);
    leann_ctx_clear(ctx);
    for (leann_part p = LEANN_PART_META; p < LEANN_PARTS; p++) assert_true(strlen(leann_part_word(p)) > 0);
}

static void checksums(void **state)
{
    (void)state;
    assert_int_equal(leann_crc32c(0, "123456789", 9), 0xE3069283); /* RFC 3720's check value */
    assert_int_equal(leann_crc32c(leann_crc32c(0, "1234", 4), "56789", 5), 0xE3069283);
    assert_int_equal(leann_crc32c(0, "", 0), 0);
    char hex[65];
    leann_sha *sha = leann_sha_new();
    assert_non_null(sha);
    leann_sha_add(sha, "a", 1);
    leann_sha_add(sha, "bc", 2);
    leann_sha_end(sha, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-2, B.1 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),         cmocka_unit_test(same_sections_same_bytes),
        cmocka_unit_test(prediction_is_the_file),         cmocka_unit_test(every_bit_is_checked),
        cmocka_unit_test(damage_is_found_in_large_files), cmocka_unit_test(false_statements_are_refused),
        cmocka_unit_test(bad_sections_are_not_written),   cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(other_things_than_files),        cmocka_unit_test(checksums),
        cmocka_unit_test(pieces_make_the_same_file),      cmocka_unit_test(pages_are_aligned_and_shared_out),
        cmocka_unit_test(false_shares_are_refused),       cmocka_unit_test(checked_pages_do_not_stay_resident),
        cmocka_unit_test(mapped_first_and_checked_after),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
