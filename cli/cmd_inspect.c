/* cmd_inspect.c – `leann inspect`: the sections, ledger and manifest of an index or stage file, once every check has passed.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/references.h"

extern const cli_command cli_inspect;

/* The JSON head of the file: an index's manifest or a stage's key, or NULL. */
static leann_status read_head(leann_ctx *ctx, const leann_reader *r, const char *name, leann_value **out)
{
    const leann_section *section = leann_reader_find(r, name);
    *out = NULL;
    return section ? leann_value_parse(ctx, name, section->data, section->bytes, out) : LEANN_OK;
}

static leann_value *sections_value(const leann_reader *r)
{
    leann_value *list = leann_value_new_list();
    for (size_t i = 0; i < leann_reader_sections(r); i++) {
        const leann_section *s = leann_reader_at(r, i);
        leann_value *v = leann_value_new_map();
        leann_value_set(v, "name", leann_value_new_text(s->name));
        leann_value_set(v, "part", leann_value_new_text(leann_part_word(s->part)));
        leann_value_set(v, "dtype", leann_value_new_text(leann_dtype_word(s->type)));
        leann_value_set(v, "rows", leann_value_new_int((int64_t)s->rows));
        leann_value_set(v, "stride", leann_value_new_int((int64_t)s->stride));
        leann_value_set(v, "offset", leann_value_new_int((int64_t)s->offset));
        leann_value_set(v, "bytes", leann_value_new_int((int64_t)s->bytes));
        leann_value_append(list, v);
    }
    return list;
}

static leann_value *ledger_value(const leann_ledger *ledger)
{
    leann_value *map = leann_value_new_map();
    for (int part = 0; part < LEANN_PARTS; part++)
        leann_value_set(map, leann_part_word((leann_part)part), leann_value_new_int((int64_t)ledger->bytes[part]));
    return map;
}

/* What an index's references to passages are of, n = 0 where it holds none, or later ones than this program knows. */
static leann_status read_references(leann_ctx *ctx, const leann_reader *r, const leann_value *manifest, leann_references_shape *out)
{
    const int64_t n = leann_value_int(leann_value_get(manifest, "n"), 0);
    const leann_value *revision = leann_value_get(leann_value_get(manifest, "revisions"), "references");
    leann_references *references = NULL;
    *out = (leann_references_shape){0};
    if (leann_value_int(revision, 0) != LEANN_REFERENCES_REVISION) return LEANN_OK;
    leann_status status = n > 0 && n <= UINT32_MAX ? leann_references_open(ctx, r, (uint32_t)n, &references) : LEANN_OK;
    if (references) *out = *leann_references_shape_of(references);
    leann_references_free(references);
    return status;
}

static uint64_t bytes_of(const leann_references_shape *references)
{
    leann_ledger ledger;
    leann_ledger_begin(&ledger);
    leann_references_predict(references, &ledger);
    return ledger.bytes[LEANN_PART_IDS];
}

static leann_value *references_value(const leann_references_shape *references)
{
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "passages", leann_value_new_int((int64_t)references->n));
    leann_value_set(v, "files", leann_value_new_int((int64_t)references->files));
    leann_value_set(v, "in_order", leann_value_new_bool(!references->mixed));
    leann_value_set(v, "bytes", leann_value_new_int((int64_t)bytes_of(references)));
    return v;
}

static void print_references(const leann_references_shape *references)
{
    if (references->n == 0) return;
    printf("  %-12s %" PRIu64 " in %" PRIu64 " files, %.2f bytes each%s\n", "passages", references->n, references->files,
           (double)bytes_of(references) / (double)references->n, references->mixed ? "; not in the files' order" : "");
}

static leann_value *file_value(const leann_reader *r, const leann_value *manifest, const leann_value *stage,
                               const leann_references_shape *references)
{
    leann_ledger ledger;
    leann_value *v = leann_value_new_map();
    leann_reader_ledger(r, &ledger);
    leann_value_set(v, "file", leann_value_new_text(leann_reader_path(r)));
    leann_value_set(v, "bytes", leann_value_new_int((int64_t)leann_ledger_total(&ledger)));
    leann_value_set(v, "checksums", leann_value_new_text("ok")); /* a file with a wrong one was not opened */
    leann_value_set(v, "ledger", ledger_value(&ledger));
    leann_value_set(v, "sections", sections_value(r));
    if (manifest) leann_value_set(v, "manifest", leann_value_copy(manifest));
    if (stage) leann_value_set(v, "stage", leann_value_copy(stage));
    if (references->n > 0) leann_value_set(v, "references", references_value(references));
    return v;
}

static void print_sections(const leann_reader *r)
{
    printf("\n  %-24s%-11s%-7s%12s%12s%15s%15s\n", "section", "part", "dtype", "rows", "stride", "offset", "bytes");
    for (size_t i = 0; i < leann_reader_sections(r); i++) {
        const leann_section *s = leann_reader_at(r, i);
        printf("  %-24s%-11s%-7s%12" PRIu64 "%12" PRIu64 "%15" PRIu64 "%15" PRIu64 "\n", s->name, leann_part_word(s->part),
               leann_dtype_word(s->type), s->rows, s->stride, s->offset, s->bytes);
    }
}

static void print_ledger(const leann_ledger *ledger, int64_t n)
{
    double total = (double)leann_ledger_total(ledger);
    printf("\n  %-24s%15s%9s%s\n", "part", "bytes", "share", n > 0 ? "  bytes a vector" : "");
    for (int part = 0; part <= LEANN_PARTS; part++) {
        uint64_t bytes = part < LEANN_PARTS ? ledger->bytes[part] : leann_ledger_total(ledger);
        if (bytes == 0) continue;
        printf("  %-24s%15" PRIu64 "%7.1f %%", part < LEANN_PARTS ? leann_part_word((leann_part)part) : "whole file", bytes,
               100 * (double)bytes / total);
        if (n > 0) printf("%16.2f", (double)bytes / (double)n);
        putchar('\n');
    }
}

static void print_text(const leann_reader *r, const leann_value *manifest, const leann_value *stage,
                       const leann_references_shape *references)
{
    leann_ledger ledger;
    char size[32];
    leann_reader_ledger(r, &ledger);
    const leann_value *head = manifest ? manifest : stage;
    printf("%s: %s, %s; header, directory, padding and all checksums are in order\n", leann_reader_path(r),
           manifest ? "an index"
           : stage  ? "a stage of a build"
                    : "a container of no known kind",
           cli_bytes(size, (double)leann_ledger_total(&ledger)));
    for (size_t i = 0; i < leann_value_count(head); i++) {
        const char *key;
        char *text = leann_value_json(leann_value_entry(head, i, &key), false, 0);
        printf("  %-12s %s\n", key, text ? text : "");
        leann_free(text);
    }
    print_references(references);
    print_sections(r);
    print_ledger(&ledger, leann_value_int(leann_value_get(manifest, "n"), 0));
}

static leann_status run(cli *c)
{
    leann_reader *r = NULL;
    leann_value *manifest = NULL, *stage = NULL;
    leann_references_shape references;
    leann_status status = leann_reader_open(c->ctx, cli_word(c, 0), &r);
    if (!status) status = read_head(c->ctx, r, "manifest", &manifest);
    if (!status) status = read_head(c->ctx, r, "stage", &stage);
    if (!status) status = read_references(c->ctx, r, manifest, &references);
    if (!status) {
        if (cli_flag(c, "json"))
            cli_print_json(file_value(r, manifest, stage, &references));
        else
            print_text(r, manifest, stage, &references);
    }
    leann_value_free(stage);
    leann_value_free(manifest);
    leann_reader_free(r);
    return status;
}

static const cli_option options[] = {{"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0}, CLI_OPTION_END};
const cli_command cli_inspect = {"inspect",
                                 "FILE",
                                 "check an index or stage file and print its sections, ledger and manifest",
                                 "  leann inspect mnist.leann\n"
                                 "  leann inspect mnist.leann --json\n",
                                 1,
                                 1,
                                 options,
                                 run};
