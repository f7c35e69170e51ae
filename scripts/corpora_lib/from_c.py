"""The kernel's C: the short description in a kernel-doc comment names the function below it.

SPDX-License-Identifier: MIT
"""
import re
import tarfile

import corpus

FOLDERS = ("block", "init", "ipc", "kernel", "lib", "mm", "security")  # what makes 100,000 chunks, with the other corpora
MOST_BYTES = 400000  # of a file: above are tables of numbers
LEAST_LINES, MOST_LINES, LEAST_WORDS, HEAD_LINES = 5, 150, 4, 12
FIRST = re.compile(r"^ \*\s+(\w+)\s*(?:\(\s*\w*\s*\))?\s*[-:–]+\s*(\S.*)$")


def description(comment):
    """The name and the short description of a kernel-doc comment's lines; it may go on until a parameter, a section or a blank line."""
    match = FIRST.match(comment[1]) if len(comment) > 2 else None
    if not match:
        return None, ""
    said = [match.group(2)]
    for line in comment[2:-1]:
        more = line.strip().lstrip("*").strip()
        if not more or more[0] == "@" or re.match(r"\w[\w ]*:", more):
            break
        said.append(more)
    return match.group(1), corpus.sentence(" ".join(said))


def body(lines, at, name):
    """The last line (index) of the function that begins at a line, or None where none of that name does."""
    for i in range(at, min(at + HEAD_LINES, len(lines))):
        if lines[i] == "{":
            if not re.search(rf"\b{re.escape(name)}\b", " ".join(lines[at:i])):
                return None
            return next((end for end in range(i, len(lines)) if lines[end].startswith("}")), None)
        if not lines[i] or lines[i].endswith(";") or lines[i].startswith(("#", "}")):
            return None
    return None


def queries(lines):
    out, begin = [], None
    for i, line in enumerate(lines):
        if line == "/**":
            begin = i
        elif line.strip() == "*/" and begin is not None:
            name, text = description(lines[begin:i + 1])
            end = body(lines, i + 1, name) if name else None
            size = sum(map(bool, lines[i + 1:end + 1])) if end else 0
            if LEAST_LINES <= size <= MOST_LINES and corpus.fits(text, LEAST_WORDS):
                out.append(corpus.Query("kernel-doc", text, i + 2, end + 1, [(begin + 1, i + 1)]))
            begin = None
    return out


def read(tree):
    for path in sorted((tree / "usr" / "src").glob("linux-source-*.tar.xz")):
        with tarfile.open(path, "r|xz") as archive:
            for member in archive:
                name = member.name.partition("/")[2]
                if member.isfile() and member.size <= MOST_BYTES and name.endswith((".c", ".h")) and name.split("/")[0] in FOLDERS:
                    yield corpus.Text(name, corpus.lines_of(archive.extractfile(member).read()), queries)
