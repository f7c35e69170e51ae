/* table.h – rows of named columns, each entry a number, a text or nothing; CSV in and out, JSON and Markdown out.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_TABLE_H
#define LEANN_TABLE_H

#include <stdio.h>

#include "core/value.h"

typedef struct leann_table leann_table;

/* Setting never fails by itself: what runs out of memory is kept until leann_table_check, which every maker of a table ends with. */
leann_table *leann_table_new(leann_ctx *ctx); /* NULL with ENOMEM in ctx */
void leann_table_free(leann_table *t);
leann_status leann_table_check(const leann_table *t);
leann_ctx *leann_table_ctx(const leann_table *t);

size_t leann_table_rows(const leann_table *t);
size_t leann_table_columns(const leann_table *t);
const char *leann_table_name(const leann_table *t, size_t column);
int leann_table_find(const leann_table *t, const char *name);  /* -1: no such column */
void leann_table_add_column(leann_table *t, const char *name); /* at the end, unless it is there */
size_t leann_table_add_row(leann_table *t);                    /* its index */

/* A column that is not there yet is added. NaN and NULL leave the entry empty; an infinity is a number. */
void leann_table_set(leann_table *t, size_t row, const char *name, double number);
void leann_table_set_text(leann_table *t, size_t row, const char *name, const char *text);
void leann_table_set_format(leann_table *t, size_t row, const char *name, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* x in so many decimals with a unit after it ("27.21 %"); nothing when x is not finite. */
void leann_table_set_fixed(leann_table *t, size_t row, const char *name, double x, int decimals, const char *unit);

double leann_table_get(const leann_table *t, size_t row, const char *name);       /* NaN: text, nothing, no such column */
const char *leann_table_text(const leann_table *t, size_t row, const char *name); /* "" unless it is text; borrowed */
bool leann_table_is_text(const leann_table *t, size_t row, size_t column);
/* The entry as CSV has it before quoting: a number in as few digits as give it back (at most 17), or the text. buffer of 32. */
const char *leann_table_show(const leann_table *t, size_t row, size_t column, char buffer[32]);

/* Copies row `from` of another table to the end of t, by column names. */
size_t leann_table_copy_row(leann_table *t, const leann_table *other, size_t from);
/* Stable order of the rows by columns, numbers before texts before nothing. */
void leann_table_sort(leann_table *t, const char *const *names, size_t n);
/* A new table of the rows that match "key=value,…"; a key given twice means either.
 *   errors  EINVAL no such column (names the nearest); ENOTFOUND nothing matches */
leann_status leann_table_only(const leann_table *t, const char *only, leann_table **out);

/* RFC 4180, lines end with \n; the first line names the columns. */
void leann_table_write_csv(const leann_table *t, FILE *to);
/* A list of maps; a text that is JSON itself (column "params") goes in as such. Caller frees. */
leann_value *leann_table_json(const leann_table *t);
void leann_table_write_markdown(const leann_table *t, FILE *to); /* numbers in four significant digits; columns of numbers to the right */
/* Four significant digits, thousands grouped: "12 345", "0.9512", "1.2e-05". */
const char *leann_table_short(double number, char buffer[32]);

/* CSV text -> table. Quoted entries may hold commas, quotes and lines; a UTF-8 byte order mark and \r\n are accepted.
 *   what    names the text in errors
 *   errors  EFORMAT with the line: an open quote, a NUL, a row of another length, an empty or repeated name; ELIMIT more than 256
 *           columns or 4,000,000 entries */
leann_status leann_table_read_csv(leann_ctx *ctx, const char *what, const char *text, size_t bytes, leann_table **out);
leann_status leann_table_load_csv(leann_ctx *ctx, const char *path, leann_table **out); /* a file of at most 256 MB */

#endif
