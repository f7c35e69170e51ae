#!/usr/bin/env bash
# scripts/corpora on a made-up tree, without packages or network: which queries there are, where they point, that their words are gone from the
# texts, and that the same tree gives the same bytes.
# SPDX-License-Identifier: MIT
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
say() { echo "FAILED: $*"; failed=1; }

tree=$tmp/tree
rst=$tree/usr/share/doc/linux-doc-6.1/html/_sources
mkdir -p "$tree/usr/lib/python3.11/json" "$rst/mm" "$rst/translations/it" "$tree/usr/share/man/man2" "$tmp/src/linux-source-6.1/mm"

# ---- what is in the packages ----------------------------------------------------------------------------------------------------
cat >"$tree/usr/lib/python3.11/json/walk.py" <<'E'
"""A module."""


class Walker:
    """Documentation of a class is left as it is."""

    def first(self, path):
        """Return all files below a folder, sorted. More is said here.

        And here.
        """
        files = list(path)
        files.sort()
        return files

    def second(self):
        """Too short a function for five words."""
        return 1

    def third(self, path):
        "Count how many entries a folder has"
        n = 0
        for _ in path:
            n += 1
        return n
E
cat >"$tree/usr/lib/python3.11/other.py" <<'E'
def told_elsewhere(x):
    """Every word of this sentence stands below."""
    y = x + 1
    # every word, of THIS sentence: stands below
    z = y + 1
    return z


def same(x):
    """Two functions say this very sentence."""
    y = x + 1
    z = y + 1
    return z


def again(x):
    """Two functions say this very sentence."""
    y = x + 2
    z = y + 2
    return z


def shares_a_line(x): "A docstring beside its code is kept"; y = x; return y
E
printf 'def broken(:\n    """This file is no Python at all."""\n' >"$tree/usr/lib/python3.11/broken.py"
yes 'number = number + 1' | head -n 300 >"$tree/usr/lib/python3.11/large.py"
cat >"$rst/mm/slab.rst.txt" <<'E'
.. _the-slab-allocator-cache:

========================
The slab allocator cache
========================

Introduction
============

One.
Two.
Three.

2.1. How objects are freed:
==========================

Four.
Five.

A part of it all
----------------

Six.

How it is named twice
=====================

Seven.
Eight.
Nine.
E
cat >"$rst/other.rst.txt" <<'E'
How it is named twice
---------------------

One.
Two.
Three.
E
cp "$rst/mm/slab.rst.txt" "$rst/translations/it/slab.rst.txt"
gzip -c >"$tree/usr/share/man/man2/dig.2.gz" <<'E'
.TH dig 2 2022-10-30 "Linux man-pages 6.03"
.SH NAME
dig, digat \- make a hole in a given place
.SH SYNOPSIS
.nf
.BI "int dig(int " depth );
.fi
.SH DESCRIPTION
The
.BR dig ()
system call digs to
.IR depth .
.TP
.B EDEEP
There is no \(lqdeeper\(rq than \-1.
.SH SEE ALSO
.BR fill (2)
E
printf '.so man2/dig.2\n' | gzip -c >"$tree/usr/share/man/man2/digat.2.gz"
cat >"$tmp/src/linux-source-6.1/mm/hole.c" <<'E'
#include <linux/mm.h>

/**
 * hole_fill() - fill one hole up with
 *               a page of zeros
 * @hole: which
 *
 * Return: 0.
 */
int hole_fill(struct hole *hole,
	      int how)
{
	int done = 0;

	done += how;
	return done;
}

/**
 * hole_dig - dig one hole as deep as asked
 */
int hole_dig(struct hole *hole);

/* hole_look - a plain comment of five words */
static void hole_look(void)
{
	look();
	look();
	look();
}
E
mkdir -p "$tree/usr/src" "$tmp/src/linux-source-6.1/drivers"
cp "$tmp/src/linux-source-6.1/mm/hole.c" "$tmp/src/linux-source-6.1/drivers/"
(cd "$tmp/src" && python3 -m tarfile -c "$tree/usr/src/linux-source-6.1.tar.xz" linux-source-6.1) || say "no archive"

# ---- what becomes of them -----------------------------------------------------------------------------------------------------------
"$root/scripts/corpora" all --unpacked "$tree" --out "$tmp/out" --full >"$tmp/log" 2>&1 || { say "exit $?"; cat "$tmp/log"; }
queries() { # of a corpus, one a line: kind, path, lines, text
    python3 -c '
import json, sys
for line in open(sys.argv[1]):
    q = json.loads(line)
    print(q["kind"], q["path"], q["first_line"], q["last_line"], q["text"], sep="|")' "$tmp/out/$1/queries.jsonl"
}
expect() { # of a corpus: its queries
    queries "$1" >"$tmp/have" 2>&1
    cat >"$tmp/want"
    diff "$tmp/want" "$tmp/have" >"$tmp/diff" || { say "queries of $1"; cat "$tmp/diff"; }
}
expect python-stdlib <<'E'
docstring|text/json/walk.py|7|10|Return all files below a folder, sorted.
docstring|text/json/walk.py|16|20|Count how many entries a folder has
E
expect kernel-doc <<'E'
heading|text/linux/mm/slab.rst|2|23|The slab allocator cache
heading|text/linux/mm/slab.rst|10|16|How objects are freed
manpage|text/man/man2/dig.2.txt|1|11|make a hole in a given place
E
expect kernel-source <<'E'
kernel-doc|text/mm/hole.c|3|10|fill one hole up with a page of zeros
E

lines() { sed -n "$2p" "$tmp/out/$1"; }
[ "$(lines python-stdlib/text/json/walk.py 7,10)" = "    def first(self, path):
        files = list(path)
        files.sort()
        return files" ] || say "the lines of Walker.first"
[ "$(lines kernel-source/text/mm/hole.c 3)" = "int hole_fill(struct hole *hole," ] || say "the first line of hole_fill"
[ "$(lines kernel-source/text/mm/hole.c 10)" = "}" ] || say "the last line of hole_fill"
grep -q 'hole_dig - dig' "$tmp/out/kernel-source/text/mm/hole.c" || say "a comment that is no query's went too"
grep -q 'Documentation of a class' "$tmp/out/python-stdlib/text/json/walk.py" || say "the docstring of a class went too"
grep -q 'no Python at all' "$tmp/out/python-stdlib/text/broken.py" || say "a file that is no Python is not as it was"
grep -q '^Introduction$' "$tmp/out/kernel-doc/text/linux/mm/slab.rst" || say "a heading that is no query's went too"
[ "$(grep -c '^===*$' "$tmp/out/kernel-doc/text/linux/mm/slab.rst")" = 2 ] || say "the lines of a heading are left"
grep -rq 'slab.allocator.cache' "$tmp/out/kernel-doc/text" && say "a label tells the heading's words"
diff - "$tmp/out/kernel-doc/text/man/man2/dig.2.txt" <<'E' || say "the page"
SYNOPSIS
int dig(int depth);

DESCRIPTION
The dig() system call digs to depth.

EDEEP
There is no "deeper" than -1.

SEE ALSO
fill(2)
E
[ -e "$tmp/out/kernel-source/text/drivers" ] && say "drivers/ is taken"
[ -e "$tmp/out/kernel-doc/text/linux/translations" ] && say "translations are taken"
[ -e "$tmp/out/kernel-doc/text/man/man2/digat.2.txt" ] && say "a second name is a page"
# No text holds a query's words in a row, whatever stands between them.
python3 - "$tmp/out" <<'E' || say "a query is told"
import json, pathlib, re, sys
out = pathlib.Path(sys.argv[1])
own, joined = [], [json.loads(line) for line in open(out / "queries.jsonl")]
for folder in sorted(path.parent for path in out.glob("*/queries.jsonl")):
    own += [json.loads(line) for line in open(folder / "queries.jsonl")]
    told = " ".join(" ".join(re.findall(r"[a-z0-9]+", p.read_text().lower())) + " |" for p in folder.rglob("text/**/*") if p.is_file())
    for line in open(folder / "queries.jsonl"):
        words = " ".join(re.findall(r"[a-z0-9]+", json.loads(line)["text"].lower()))
        if f" {words} " in f" {told} ":
            sys.exit(words)
# The queries of all of them together name the same texts.
if [q["text"] for q in own] != [q["text"] for q in joined] or not all((out / q["path"]).is_file() for q in joined):
    sys.exit("queries.jsonl is not what the corpora have")
E

# ---- again, and in part --------------------------------------------------------------------------------------------------------------
sums() { (cd "$1" && find . -type f | LC_ALL=C sort | xargs sha256sum) | sha256sum; }
before=$(sums "$tmp/out")
"$root/scripts/corpora" all --unpacked "$tree" --out "$tmp/out" --full >"$tmp/log" 2>&1 || say "a second run"
[ "$before" = "$(sums "$tmp/out")" ] || say "the same tree gave other bytes"
"$root/scripts/corpora" python-stdlib --unpacked "$tree" --out "$tmp/part" --chunks 1 --queries 1 >"$tmp/log" 2>&1 || say "a part"
[ "$(wc -l <"$tmp/part/python-stdlib/queries.jsonl")" -le 1 ] || say "more queries than asked for"
[ -e "$tmp/out/python-stdlib/text/large.py" ] && [ ! -e "$tmp/part/python-stdlib/text/large.py" ] || say "a part is the whole"

# ---- what is refused --------------------------------------------------------------------------------------------------------------------
refuse() { # CODE WORDS ARGUMENT…
    local code=$1 words=$2
    shift 2
    "$root/scripts/corpora" "$@" >"$tmp/log" 2>&1
    [ $? -eq "$code" ] || say "exit is not $code: $*"
    grep -qF -- "$words" "$tmp/log" || { say "no \"$words\": $*"; cat "$tmp/log"; }
}
refuse 0 "usage: scripts/corpora" --help
refuse 2 "no corpus 'python'" python
refuse 2 "--chunks and --queries must be at least 1" python-stdlib --chunks 0
refuse 1 "no texts of python-stdlib" python-stdlib --unpacked "$tmp/src" --out "$tmp/none"
mkdir -p "$tmp/mine/python-stdlib" && touch "$tmp/mine/python-stdlib/precious"
refuse 1 "is there, and no corpus" python-stdlib --unpacked "$tree" --out "$tmp/mine"
[ -e "$tmp/mine/python-stdlib/precious" ] || say "a folder that is no corpus was written over"
exit $failed
