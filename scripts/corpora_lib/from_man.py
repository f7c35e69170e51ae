"""Manual pages, as plain text: the summary in a page's NAME section names the page.

Reads the macros of man(7) that the Linux man-pages use.
SPDX-License-Identifier: MIT
"""
import functools
import gzip
import re
import textwrap

import corpus

LEAST_LINES, MOST_LINES, LEAST_WORDS, WIDTH = 5, 300, 4, 78
SECTIONS = ("man2", "man3", "man4", "man5", "man7", "man8")
CHARACTERS = {"aq": "'", "dq": '"', "em": "-", "en": "-", "bu": "*", "ti": "~", "ha": "^", "lq": '"', "rq": '"', "oq": "'", "cq": "'", "ga": "`",
              "rs": "\\", "mu": "x", "+-": "+-", "<=": "<=", ">=": ">=", "!=": "!=", "->": "->", "co": "(c)", "hy": "-", "ba": "|", "at": "@",
              "sh": "#", "Do": "$", "or": "|", "ul": "_", "sl": "/", "lB": "[", "rB": "]", "lC": "{", "rC": "}", "la": "<", "ra": ">"}
ESCAPE = re.compile(r"""\\(?:f(?:\[[^\]]*\]|\(..|.)|s[-+]?\d+|[mMkn](?:\[[^\]]*\]|\(..|.)|[hvwlLNoXz]'[^']*'|\*(?:\[[^\]]*\]|\(..|.)|
                        \((?P<two>..)|\[(?P<name>[^\]]*)\]|(?P<one>.)|$)""", re.VERBOSE)
ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|((?:\\ |\S)+)')
BLANK = {"PP", "P", "LP", "TP", "IP", "HP", "sp", "TQ", "SY", "YS"}
FONTS = {"B", "I", "SM", "SB", "R"}
PAIRS = {"BR", "RB", "BI", "IB", "IR", "RI"}


def plain(text):
    """Escapes become what they print, or nothing."""
    text = re.sub(r'\\["#].*', "", text)
    one = {"-": "-", "e": "\\", " ": " ", "~": " ", "0": " ", "t": " ", "'": "'", "`": "`", ".": ".", "\\": "\\"}
    return ESCAPE.sub(lambda m: CHARACTERS.get(m.group("two") or m.group("name") or "", "") + one.get(m.group("one") or "", ""), text)


def arguments(rest):
    return [quoted.replace('""', '"') if quoted else bare for quoted, bare in ARGUMENT.findall(rest)]


class Page:
    """A page being read: lines so far, the paragraph that is being filled, and what its NAME section says."""

    def __init__(self):
        self.lines, self.filling, self.name = [], [], []
        self.in_name, self.fill, self.tag, self.skip = False, True, False, None

    def flush(self):
        self.lines += textwrap.wrap(" ".join(self.filling), WIDTH, break_long_words=False, break_on_hyphens=False)
        self.filling = []

    def blank(self):
        self.flush()
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def say(self, text):
        text = plain(text).rstrip()
        if self.in_name:
            self.name.append(text)
        elif not text:
            self.blank()
        elif self.fill and not text[0].isspace():
            self.filling.append(text)
        else:
            self.flush()
            self.lines.append(text)
        if self.tag:
            self.flush()
            self.tag = False

    def heading(self, text):
        self.in_name, self.fill = plain(text).strip().upper() == "NAME", True
        self.blank()
        if not self.in_name:
            self.say(text)
            self.flush()

    def request(self, word, rest):
        if word in ("SH", "SS"):
            self.heading(" ".join(arguments(rest)))
        elif word in FONTS:
            self.say(" ".join(arguments(rest)))
        elif word in PAIRS:
            self.say("".join(arguments(rest)))
        elif word == "OP":
            self.say("[" + " ".join(arguments(rest)) + "]")
        elif word in BLANK:
            self.blank()
            self.say(rest if word == "SY" else (arguments(rest) or [""])[0] if word == "IP" else "")
            self.tag = word in ("TP", "TQ")
        elif word == "br":
            self.flush()
        elif word in ("nf", "EX", "fi", "EE", "TS", "TE"):
            self.flush()
            self.fill = word in ("fi", "EE", "TE")
            self.skip = "format" if word == "TS" else None
        elif word in ("de", "am", "ig", "de1"):
            self.skip = ".."

    def take(self, line):
        if self.skip == "format":  # of a table: its columns, until a line that ends in a full stop
            self.skip = None if line.endswith(".") else "format"
        elif self.skip:
            self.skip = None if line.startswith(self.skip) else self.skip
        elif line.startswith((".", "'")):
            word, _, rest = line[1:].strip().partition(" ")
            self.request(word, rest.strip())
        elif line not in ("T{", "T}"):
            self.say(line)


def text_of(path, name):
    """A page; None for one that is another's second name."""
    lines = corpus.lines_of(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    if any(line.startswith(".so ") for line in lines):
        return None
    page = Page()
    for line in re.sub(r"(?<!\\)\\\n", "", "\n".join(lines)).split("\n"):  # a backslash at the end: the line goes on
        page.take(line)
    page.flush()
    summary = re.split(r"\s-+\s", " ".join(" ".join(page.name).split()), maxsplit=1)
    return corpus.Text(name, page.lines, functools.partial(queries, summary=summary[1] if len(summary) == 2 else ""))


def queries(lines, summary):
    good = summary and corpus.fits(summary, LEAST_WORDS) and LEAST_LINES <= sum(map(bool, lines)) <= MOST_LINES
    return [corpus.Query("manpage", summary, 1, len(lines), [])] if good else []


def read(tree):
    root = tree / "usr" / "share" / "man"
    for section in SECTIONS:
        for path in sorted((root / section).glob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            name = path.name[:-3] if path.suffix == ".gz" else path.name
            text = text_of(path, f"man/{section}/{name}.txt")
            if text:
                yield text
