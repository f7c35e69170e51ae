"""One report, twice: HTML with its figures inside it, and PDF through groff, which is small and sets tables well.

SPDX-License-Identifier: MIT
"""
import base64
import html
import re
import shutil
import subprocess

from plot import HEIGHT, WIDTH

STYLE = """body{font:16px/1.55 system-ui,sans-serif;color:#222;max-width:60em;margin:2em auto;padding:0 1em}
h1,h2{line-height:1.2;margin-top:1.8em}h1{margin-top:1em}.t{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;margin:1em 0}caption{text-align:left;color:#555;padding-bottom:.4em}
th,td{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}th{border-bottom:2px solid #888}
.n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}tr:hover td{background:#f7f9fc}
figure{margin:1.5em 0}img{max-width:100%;height:auto}figcaption{font-size:14px;color:#555}
.said{border-left:4px solid #0072b2;padding:.1em 1em;background:#f4f8fc}.note{color:#555;font-size:14px}
nav{font-size:14px;columns:2}nav a{display:block;color:#0072b2;text-decoration:none;padding:.1em 0}
@media print{body{font-size:11pt;max-width:none;margin:0}nav{display:none}h2{break-after:avoid}
figure,table,.said{break-inside:avoid}.t{overflow:visible}}"""
LINE_CM, FIGURE_CM = 17.0, 15.0


class Page:
    """Headings, paragraphs, tables and figures in order. Everything given is plain text."""

    def __init__(self, title):
        self.title, self.blocks = title, []

    def heading(self, text):
        self.blocks.append(("heading", text))

    def text(self, text):
        self.blocks.append(("text", text))

    def said(self, text):  # what a section comes to
        self.blocks.append(("said", text))

    def note(self, text):
        self.blocks.append(("note", text))

    def table(self, head, rows):
        self.blocks.append(("table", (head, [[str(entry) for entry in row] for row in rows])))

    def figure(self, stem, caption):
        if stem:
            self.blocks.append(("figure", (stem, caption)))

    # ---- HTML ------------------------------------------------------------------------------------------------------------------------

    def html(self, folder):
        headings = [content for kind, content in self.blocks if kind == "heading"]
        out = [f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">\n'
               f"<title>{html.escape(self.title)}</title>\n<style>{STYLE}</style></head><body>\n<h1>{html.escape(self.title)}</h1>",
               "<nav>" + "".join(f'<a href="#s{i}">{html.escape(text)}</a>' for i, text in enumerate(headings)) + "</nav>"]
        seen = 0
        for kind, content in self.blocks:
            if kind == "heading":
                out.append(f'<h2 id="s{seen}">{html.escape(content)}</h2>')
                seen += 1
            elif kind == "table":
                out.append(html_table(*content))
            elif kind == "figure":
                stem, caption = content
                image = base64.b64encode((folder / "figures" / f"{stem}.svg").read_bytes()).decode()
                out.append(f'<figure><img alt="{html.escape(caption)}" src="data:image/svg+xml;base64,{image}">'
                           f"<figcaption>{html.escape(caption)}</figcaption></figure>")
            else:
                out.append(f'<p class="{kind}">{html.escape(content)}</p>')
        return "\n".join(out) + "\n</body></html>\n"

    # ---- groff -----------------------------------------------------------------------------------------------------------------------

    def roff(self):
        out = [".nr LL 17c", ".nr PO 2c", ".nr HM 2c", ".nr FM 2c", ".nr PS 10", ".nr VS 13", ".nr HY 0", ".fam H",
               ".ds CH", ".ds CF - % -", ".TL", roff(self.title)]
        height = FIGURE_CM * HEIGHT / WIDTH
        kinds = [kind for kind, _ in self.blocks[1:]] + [""]
        for (kind, content), following in zip(self.blocks, kinds):
            if kind == "heading":
                out += [".br", f".ne {height + 2:.1f}c" if following == "figure" else ".ne 6", ".SH", roff(content)]
            elif kind == "table":
                out += roff_table(*content)
            elif kind == "figure":
                stem, caption = content
                size = " ".join(f"{points * 1000:.0f}z" for points in (FIGURE_CM / 2.54 * 72, height / 2.54 * 72))
                out += [".LP", f".ne {height + 1:.1f}c", f"\\X'pdf: pdfpic {stem}.pdf -L {size}'", f".sp {height:.1f}c"]
                out += [".LP", ".ps -1", roff(caption), ".ps"]
            elif kind == "note":
                out += [".LP", ".ne 3", ".ps -1", roff(content), ".ps"]
            else:
                out += [".LP", ".ne 3", roff(content)]
        return "\n".join(out) + "\n"

    def pdf(self, path):
        """Whether it could be made."""
        folder = path.parent / "figures"
        if not (shutil.which("groff") and shutil.which("gropdf")):
            return False
        work = folder / ".pdf"  # copies without the comment that gropdf cannot read
        work.mkdir(parents=True, exist_ok=True)
        try:
            for stem in (content[0] for kind, content in self.blocks if kind == "figure"):
                image = (folder / f"{stem}.pdf").read_bytes()
                (work / f"{stem}.pdf").write_bytes(re.sub(rb"(/Type /Page) % 1\n", rb"\1    \n", image))
            command = ["groff", "-k", "-t", "-ms", "-Tpdf", "-dpaper=a4", "-P-pa4"]
            done = subprocess.run(command, cwd=work, input=self.roff().encode(), capture_output=True)
            said = done.stderr.decode(errors="replace").strip()
            if done.returncode or not done.stdout.startswith(b"%PDF"):
                raise RuntimeError(f"groff made no {path.name}: {said[:300]}")
            path.write_bytes(done.stdout)
        finally:
            shutil.rmtree(work)
        return True


def is_number(text):
    return bool(re.fullmatch(r"[-+]?[\d.,]*\d(e[-+]?\d+)?( ?%|×)?|–|", text))


def number_columns(head, rows):
    return [i > 0 and all(is_number(row[i]) for row in rows) for i in range(len(head))]


def html_table(head, rows):
    mark = [' class="n"' if number else "" for number in number_columns(head, rows)]

    def line(word, entries):
        return "<tr>" + "".join(f"<{word}{mark[i]}>{html.escape(entry)}</{word}>" for i, entry in enumerate(entries)) + "</tr>"
    body = "\n".join(line("td", row) for row in rows)
    return f'<div class="t"><table><thead>{line("th", head)}</thead><tbody>\n{body}\n</tbody></table></div>'


def roff(text):
    text = text.replace("\\", "\\e").replace("~", "\\[ti]").replace("'", "\\[cq]")
    return "\\&" + text if text.startswith(".") else text


def column_widths(head, rows):
    """Centimetres: what each asks for, or where that is more than the line, no less than its longest word and the rest shared out."""
    a_letter = 0.175
    columns = [[row[i] for row in [head, *rows]] for i in range(len(head))]
    asked = [a_letter * max(map(len, column)) + 0.1 for column in columns]
    least = [a_letter * max(len(word) for entry in column for word in ([entry] if is_number(entry) else entry.split())) + 0.1 for column in columns]
    room = LINE_CM - 0.55 * (len(head) - 1)
    if sum(asked) <= room:
        return asked
    slack = max(0, room - sum(least)) / (sum(asked) - sum(least) or 1)
    widths = [b + (a - b) * slack for a, b in zip(asked, least)]
    return [width * min(1, room / sum(widths)) for width in widths]


def roff_table(head, rows):
    sides = ["r" if number else "l" for number in number_columns(head, rows)]

    def line(entries, before="", after=""):
        cells = []
        for side, entry in zip(sides, entries):
            text = roff(entry).replace(" ", "\\ ") if side == "r" and not before else roff(entry)
            cells.append("T{\n" + (".ad r\n" if side == "r" else ".na\n") + f"{before}{text}{after}\nT}}")
        return "~".join(cells)
    form = " ".join(f"{side}w({width:.2f}c)" for side, width in zip(sides, column_widths(head, rows)))
    whole = len(rows) <= 20  # on one page
    top, below, end = (".KS", "_", ".KE") if whole else (".LP", "_\n.TH", "")
    lines = [".LP", top, ".ps -1", ".vs -1", ".TS" if whole else ".TS H", "tab(~);", form + ".", line(head, "\\fB", "\\fP"), below,
             *map(line, rows), ".TE", ".ps", ".vs", end, ".LP"]
    return [line for line in lines if line]
