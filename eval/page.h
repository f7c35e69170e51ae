/* page.h – a document written as Markdown and as self-contained HTML at once.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PAGE_H
#define LEANN_PAGE_H

#include "eval/table.h"

typedef struct {
    leann_ctx *ctx;
    char *md, *html; /* heap of libc (free), valid after leann_page_end */
    size_t md_bytes, html_bytes;
    FILE *to_md, *to_html;
} leann_page;

leann_status leann_page_begin(leann_ctx *ctx, const char *title, leann_page *p);
void leann_page_heading(leann_page *p, int level, const char *text);
void leann_page_text(leann_page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void leann_page_code(leann_page *p, const char *text);
void leann_page_table(leann_page *p, const leann_table *t);
/* folder/<stem>.svg: inline in the HTML, linked as figures/<stem>.svg in the Markdown. A file that cannot be read is left out. */
void leann_page_figure(leann_page *p, const char *folder, const char *stem, const char *caption);
leann_status leann_page_end(leann_page *p);
void leann_page_free(leann_page *p);

#endif
