"""The kernel's documentation: a heading names its section, the sections within it included.

SPDX-License-Identifier: MIT
"""
import collections
import functools
import re

import corpus

LEAST_LINES, MOST_LINES, LEAST_WORDS, MOST_WORDS = 3, 150, 3, 20
LINE = re.compile(r"^([-=~^\"'`#*+.:_<>])\1{2,}$")
LABEL = re.compile(r"^\.\. _[^:]+:$")
NUMBER = re.compile(r"^(\d+(\.\d+)*[.):]?|[A-Za-z0-9][.)]|[IVXivx]+[.)])\s+")


def headings(lines):
    """(level, index of the first line, of the title, of the last) of each; levels in the order in which a file uses its styles."""
    out, styles, i = [], [], 0
    while i + 1 < len(lines):
        title, under = lines[i], LINE.match(lines[i + 1])
        good = under and title and not LINE.match(title) and not title[0].isspace() and len(lines[i + 1]) + 2 >= len(title)
        over = i > 0 and lines[i - 1] == lines[i + 1]
        if not good and under and i > 0 and title.strip() and lines[i - 1] == lines[i + 1]:
            good, over = True, True  # a title between two lines may be indented
        if not good or (i > 0 and lines[i - 1] and not over):
            i += 1
            continue
        style = (under.group(1), over)
        if style not in styles:
            styles.append(style)
        out.append((styles.index(style), i - over, i, i + 1))
        i += 2
    return out


def label_above(lines, first):
    """Where the labels above a heading begin: they say its words too."""
    while True:
        above = first - 1
        while above >= 0 and not lines[above]:
            above -= 1
        if above < 0 or not LABEL.match(lines[above]):
            return first
        first = above


def title_of(line):
    """A heading's text, without its number and markup."""
    return " ".join(NUMBER.sub("", line.replace("`", "").strip()).split()).rstrip(":").rstrip()


def queries(lines, titles):
    """titles: how often each occurs in all of the documentation. One that occurs twice is none: "How it works" names nothing."""
    found, out = headings(lines), []
    for n, (level, first, title, last) in enumerate(found):
        end = next((other[1] for other in found[n + 1:] if other[0] <= level), len(lines))
        size = sum(map(bool, lines[last + 1:end]))
        text = title_of(lines[title])
        if LEAST_LINES <= size <= MOST_LINES and text and titles[tuple(corpus.words(text))] == 1 and corpus.fits(text, LEAST_WORDS, MOST_WORDS):
            out.append(corpus.Query("heading", text, last + 2, end, [(label_above(lines, first) + 1, last + 1)]))
    return out


def read(tree):
    titles = collections.Counter()
    for root in sorted((tree / "usr" / "share" / "doc").glob("linux-doc-*/html/_sources")):
        for path in sorted(root.rglob("*.rst.txt")):
            name = path.relative_to(root)
            if name.parts[0] == "translations" or not path.is_file():
                continue
            lines = corpus.lines_of(path.read_bytes())
            titles.update(tuple(corpus.words(title_of(lines[title]))) for _, _, title, _ in headings(lines))
            yield corpus.Text("linux/" + str(name)[:-len(".txt")], lines, functools.partial(queries, titles=titles))
