"""Texts that have queries in them; which queries are fit, how they are cut out, and how all is written.

SPDX-License-Identifier: MIT
"""
import bisect
import collections
import collections.abc
import dataclasses
import hashlib
import json
import re
import shutil
import sys

CHUNK_LETTERS = {".c": 440, ".h": 420, ".py": 550, ".rst": 590, ".txt": 650}  # of a chunk of 254 tokens, without blanks around lines
MOST_OF_A_FILE = 12   # queries
WORD = re.compile(r"[^\W_]+")


@dataclasses.dataclass
class Query:
    """A sentence of a text, what it names there (first to last, lines from 1 on) and the lines it is told in, which must go."""
    kind: str
    text: str
    first: int
    last: int
    cuts: list

    def key(self):
        return tuple(words(self.text))


@dataclasses.dataclass
class Text:
    """A file to be; seek(lines) finds the queries that it could have."""
    path: str
    lines: list
    seek: collections.abc.Callable


def words(text):
    return WORD.findall(text.lower())


def lines_of(data):
    """Lines of a file's bytes, without what ends them."""
    return [line.rstrip() for line in re.split(r"\r\n|\r|\n", data.decode("utf-8", "replace").replace("\f", ""))]


def sentence(text):
    """The first sentence of a paragraph, on one line."""
    text = " ".join(text.split())
    end = re.search(r"(?<=[^.\s][.!?])\s+(?=[A-Z\"'(`])", text)
    return text[:end.start()] if end else text


def fits(text, least, most=40):
    return least <= len(words(text)) <= most and text[0].isalnum() and text.isprintable() and "\\" not in text


def chunks(text):
    """About how many a text makes."""
    return sum(len(line.lstrip()) for line in text.lines) / CHUNK_LETTERS[text.path[text.path.rindex("."):]]


def order(seed, *what):
    return hashlib.sha256("\0".join([str(seed), *map(str, what)]).encode()).digest()


def part(texts, enough, seed):
    """Drawn texts of so many chunks together, none of them of more than a tenth."""
    kept, have = [], 0
    for text in sorted(texts, key=lambda text: order(seed, text.path)):
        if have >= enough:
            break
        size = chunks(text)
        if size <= max(enough / 10, 1):
            kept.append(text)
            have += size
    return sorted(kept or texts[:1], key=lambda text: text.path)


def told(texts, owners):
    """Of the keys, those whose words stand in a row in some text; owners[key] is (path, cuts), the lines where they may."""
    starts, out = collections.defaultdict(list), set()
    for key in owners:
        starts[key[:2]].append(key)
    for text in texts:
        row, line = [], []
        for number, content in enumerate(text.lines, 1):
            some = words(content)
            row += some
            line += [number] * len(some)
        for i, pair in enumerate(zip(row, row[1:])):
            for key in starts.get(pair, ()):
                if tuple(row[i:i + len(key)]) == key:
                    path, cuts = owners[key]
                    if path != text.path or not any(first <= line[i] <= last for first, last in cuts):
                        out.add(key)
    return out


def draw(texts, most, seed):
    """(text, query) pairs that are fit: their words are one query's alone and stand nowhere else; at most so many of a kind, few of a file."""
    pairs = [(text, query) for text in texts for query in text.seek(text.lines)]
    count = collections.Counter(query.key() for _, query in pairs)
    owners = {query.key(): (text.path, query.cuts) for text, query in pairs if count[query.key()] == 1}
    bad = told(texts, owners)
    fit = [pair for pair in pairs if pair[1].key() in owners and pair[1].key() not in bad]
    fit.sort(key=lambda pair: order(seed, pair[0].path, pair[1].first, pair[1].text))
    taken, kinds, files = [], collections.Counter(), collections.Counter()
    for text, query in fit:
        if kinds[query.kind] < most and files[text.path] < MOST_OF_A_FILE:
            kinds[query.kind] += 1
            files[text.path] += 1
            taken.append((text, query))
    return taken


def cut(text, queries):
    """Takes the queries' lines out of a text and counts lines anew; those queries that still name something."""
    gone = {line for query in queries for first, last in query.cuts for line in range(first, last + 1)}
    kept = [line for line in range(1, len(text.lines) + 1) if line not in gone]
    text.lines = [text.lines[line - 1] for line in kept]
    left = []
    for query in queries:
        first, last = bisect.bisect_left(kept, query.first), bisect.bisect_right(kept, query.last) - 1
        while first <= last and not text.lines[first]:
            first += 1
        while first <= last and not text.lines[last]:
            last -= 1
        if first <= last:
            left.append(dataclasses.replace(query, first=first + 1, last=last + 1, cuts=[]))
    return left


def cut_queries(texts, most, seed):
    """Draws queries, cuts them out of the texts, and looks through all that is left whether one is still told."""
    of = collections.defaultdict(list)
    for text, query in draw(texts, most, seed):
        of[text.path].append(query)
    queries = [(text.path, query) for text in texts for query in cut(text, of[text.path])]
    bad = told(texts, {query.key(): ("", []) for _, query in queries})
    return sorted(((path, query) for path, query in queries if query.key() not in bad), key=lambda pair: (pair[0], pair[1].first, pair[1].text))


def put(folder, texts, queries, facts):
    for text in texts:
        path = folder / "text" / text.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(text.lines).rstrip("\n") + "\n", encoding="utf-8", errors="replace")
    with open(folder / "queries.jsonl", "w", encoding="utf-8") as out:
        for path, query in queries:
            line = {"text": query.text, "path": f"text/{path}", "first_line": query.first, "last_line": query.last, "kind": query.kind}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    (folder / "corpus.json").write_text(json.dumps(facts, indent=2) + "\n")


def write(folder, texts, queries, facts):
    """Into a new folder, which then takes the place of the old one."""
    size = sum(len(line.encode("utf-8", "replace")) + 1 for text in texts for line in text.lines)
    kinds = collections.Counter(query.kind for _, query in queries)
    about = round(sum(map(chunks, texts)))
    facts = {**facts, "files": len(texts), "bytes": size, "chunks_about": about, "queries": dict(sorted(kinds.items()))}
    if folder.exists() and not (folder / "corpus.json").exists():
        sys.exit(f"scripts/corpora: {folder} is there, and no corpus: it is not written over")
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    put(new, texts, queries, facts)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    print(f"{folder}: {len(texts):,} files, {size / 1e6:.1f} MB, about {about:,} chunks, {len(queries):,} queries "
          f"({', '.join(f'{n:,} {kind}' for kind, n in sorted(kinds.items())) or 'none'})", flush=True)


def join(out, names):
    """OUT/queries.jsonl: the queries of these corpora, their paths as seen from OUT."""
    new = out / "queries.jsonl.new"
    with open(new, "w", encoding="utf-8") as file:
        for name in names:
            for line in open(out / name / "queries.jsonl", encoding="utf-8"):
                query = json.loads(line)
                file.write(json.dumps({**query, "path": f"{name}/{query['path']}"}, ensure_ascii=False) + "\n")
    new.replace(out / "queries.jsonl")
