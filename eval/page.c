/* page.c – headings, paragraphs, tables and figures into two memory streams, Markdown and HTML; images become data URIs.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* vasprintf */
#include "eval/page.h"
#include "core/container.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:1200px;margin:2em auto;padding:0 1em}"
    "h1,h2,h3{line-height:1.2;margin-top:1.6em}.t{overflow-x:auto}table{border-collapse:collapse;font-size:14px;margin:1em 0}"
    "th,td{padding:.3em .7em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}th{border-bottom:2px solid "
    "#888;white-space:nowrap}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}figure{margin:1.5em 0}img{max-width:100%;height:auto}"
    "figcaption{font-size:14px;color:#555}pre{background:#f4f4f4;padding:.8em;overflow-x:auto}tr:hover td{background:#f7f9fc}";

static void escape(const char *text, FILE *to)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", to);
        else if (*text == '>')
            fputs("&gt;", to);
        else if (*text == '&')
            fputs("&amp;", to);
        else if (*text == '"')
            fputs("&quot;", to);
        else
            fputc(*text, to);
    }
}

leann_status leann_page_begin(leann_ctx *ctx, const char *title, leann_page *p)
{
    *p = (leann_page){.ctx = ctx};
    p->to_md = open_memstream(&p->md, &p->md_bytes);
    p->to_html = open_memstream(&p->html, &p->html_bytes);
    if (!p->to_md || !p->to_html) {
        leann_page_free(p);
        return leann_fail(ctx, LEANN_ENOMEM, "out of memory for a report");
    }
    fprintf(p->to_html, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
    escape(title, p->to_html);
    fprintf(p->to_html, "</title>\n<style>%s</style></head><body>\n", style);
    leann_page_heading(p, 1, title);
    return LEANN_OK;
}

void leann_page_heading(leann_page *p, int level, const char *text)
{
    fprintf(p->to_md, "%s%.*s %s\n\n", level > 1 ? "\n" : "", level, "####", text);
    fprintf(p->to_html, "<h%d>", level);
    escape(text, p->to_html);
    fprintf(p->to_html, "</h%d>\n", level);
}

void leann_page_text(leann_page *p, const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    int n = vasprintf(&text, format, list);
    va_end(list);
    if (n < 0) return;
    fprintf(p->to_md, "%s\n\n", text);
    fputs("<p>", p->to_html);
    escape(text, p->to_html);
    fputs("</p>\n", p->to_html);
    free(text);
}

void leann_page_code(leann_page *p, const char *text)
{
    fprintf(p->to_md, "```\n%s\n```\n\n", text);
    fputs("<pre>", p->to_html);
    escape(text, p->to_html);
    fputs("</pre>\n", p->to_html);
}

void leann_page_table(leann_page *p, const leann_table *t)
{
    char buffer[32];
    leann_table_write_markdown(t, p->to_md);
    fputc('\n', p->to_md);
    fputs("<div class=\"t\"><table><thead><tr>", p->to_html);
    for (size_t c = 0; c < leann_table_columns(t); c++) {
        fputs("<th>", p->to_html);
        escape(leann_table_name(t, c), p->to_html);
        fputs("</th>", p->to_html);
    }
    fputs("</tr></thead><tbody>\n", p->to_html);
    for (size_t i = 0; i < leann_table_rows(t); i++) {
        fputs("<tr>", p->to_html);
        for (size_t c = 0; c < leann_table_columns(t); c++) {
            bool text = leann_table_is_text(t, i, c);
            fputs(text ? "<td>" : "<td class=\"n\">", p->to_html);
            escape(text ? leann_table_text(t, i, leann_table_name(t, c))
                        : leann_table_short(leann_table_get(t, i, leann_table_name(t, c)), buffer),
                   p->to_html);
            fputs("</td>", p->to_html);
        }
        fputs("</tr>\n", p->to_html);
    }
    fputs("</tbody></table></div>\n", p->to_html);
}

static void base64(const unsigned char *data, size_t bytes, FILE *to)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        unsigned v = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0U);
        fputc(digit[v >> 18], to);
        fputc(digit[v >> 12 & 63], to);
        fputc(left > 1 ? digit[v >> 6 & 63] : '=', to);
        fputc(left > 2 ? digit[v & 63] : '=', to);
    }
}

void leann_page_figure(leann_page *p, const char *folder, const char *stem, const char *caption)
{
    char *path = leann_format(p->ctx, "%s/%s.svg", folder, stem), *image = NULL;
    size_t bytes = 0;
    leann_ctx *quiet = leann_ctx_new(1, 1);
    if (path && quiet && !leann_file_read(quiet, path, 64 << 20, &image, &bytes)) {
        fprintf(p->to_md, "![%s](figures/%s.svg)\n\n*%s* ([PDF](figures/%s.pdf))\n\n", caption, stem, caption, stem);
        fputs("<figure><img alt=\"", p->to_html);
        escape(caption, p->to_html);
        fputs("\" src=\"data:image/svg+xml;base64,", p->to_html);
        base64((const unsigned char *)image, bytes, p->to_html);
        fputs("\"><figcaption>", p->to_html);
        escape(caption, p->to_html);
        fputs("</figcaption></figure>\n", p->to_html);
    }
    leann_free(image);
    leann_free(path);
    leann_ctx_free(quiet);
}

leann_status leann_page_end(leann_page *p)
{
    fputs("</body></html>\n", p->to_html);
    int failed = fclose(p->to_md);
    failed |= fclose(p->to_html);
    p->to_md = p->to_html = NULL;
    return failed ? leann_fail(p->ctx, LEANN_ENOMEM, "out of memory for a report") : LEANN_OK;
}

void leann_page_free(leann_page *p)
{
    if (p->to_md) fclose(p->to_md);
    if (p->to_html) fclose(p->to_html);
    free(p->md);
    free(p->html);
    *p = (leann_page){0};
}
