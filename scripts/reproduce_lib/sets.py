"""The data sets that the figures need: the text set of scripts/text and a smaller one by two encoders; in a quick run, made-up stand-ins.

SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import re
import subprocess
import sys

from run import call, fail

TEXT, WHOLE, HALF = "debian-text-int8", "python-stdlib-int8", "python-stdlib-half-int8"
QUICK_ROOMS = ("graphs", "strategies")  # whose sources are the text of a quick run


def facts_path(place, name):
    return place.work / f"{name}.json"


def facts(place, name):
    """What `leann dataset text` said of a set when it was made; {} where that is not known."""
    if name == TEXT and not place.quick:  # scripts/text says it, and keeps it with its results
        path = place.root / "results" / "text" / "sets.json"
        return json.loads(path.read_text())["made"]["int8"] if path.exists() else {}
    path = facts_path(place, name)
    return json.loads(path.read_text()) if path.exists() else {}


def make(place, name, texts, queries, model):
    """One set, once."""
    path = place.sets(name)
    if path.exists() and facts_path(place, name).exists() or not place.measure:
        return
    print(f"== {path.name}", flush=True)
    place.work.mkdir(parents=True, exist_ok=True)
    words = ["--model", model] if model else []
    out = call(place, "dataset", "text", *texts, "--queries", queries, "--precision", "int8", *words, "--output", path, "--threads",
               place.threads, "--json", stdout=subprocess.PIPE)
    facts_path(place, name).write_bytes(out)


def model_folder(place):
    """The folder of the encoder: MiniLM's as `leann model fetch` keeps it; in a quick run one with random weights, made here."""
    if not place.quick:
        if place.measure:
            call(place, "model", "fetch", stdout=subprocess.DEVNULL)
        return pathlib.Path(json.loads(call(place, "model", "info", "--json", stdout=subprocess.PIPE))["folder"])
    folder = place.work / "model"
    if not (folder / "config.json").exists():
        maker = place.root / "tests" / "cli" / "tiny_model.py"
        subprocess.run([sys.executable, maker, folder, "--hidden", "384", "--layers", "2", "--positions", "64"], check=True)
    return folder


def half_model(place):
    """The encoder without the upper half of its layers: the files themselves, but for config.json, which says how many layers count."""
    whole, half = model_folder(place), place.work / "model-half"
    config = json.loads((whole / "config.json").read_text())
    config["num_hidden_layers"] //= 2
    half.mkdir(parents=True, exist_ok=True)
    for file in whole.iterdir():
        link = half / file.name
        if file.name != "config.json" and not link.exists():
            link.symlink_to(file.resolve())
    (half / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    return half


def sources(place):
    """Folders of the text that TEXT is made of."""
    return [place.root / room for room in QUICK_ROOMS] if place.quick else [place.root / "build" / "corpora"]


def quick_texts(place):
    """Some of our own sources, and what their comments say of what follows as queries for that."""
    texts = sources(place)
    queries = place.work / "queries.jsonl"
    lines = []
    for path in sorted(file for room in texts for file in room.glob("*.[ch]")):
        text = path.read_text(encoding="utf-8")
        for said in re.finditer(r"(?m)^/\* ([A-Z][^*\n]{20,}?)[.:;]", text):
            first = text.count("\n", 0, said.start()) + 1
            where = {"path": os.path.relpath(path, place.work), "first_line": first, "last_line": min(first + 9, text.count("\n"))}
            lines.append(json.dumps({"text": said[1], **where}) + "\n")
    place.work.mkdir(parents=True, exist_ok=True)
    queries.write_text("".join(lines))
    return texts, queries


def text_set(place):
    """The set that most figures are drawn over."""
    if place.quick:
        make(place, TEXT, *quick_texts(place), model_folder(place))
    elif place.measure and not place.sets(TEXT).exists():
        fail(f"no file {place.sets(TEXT)}; `scripts/text --precisions int8` makes it (20 minutes on 2 cores, and 25 MB of Debian packages)")


def two_encoders(place):
    """The same passages by the whole encoder and by half of it."""
    if place.quick:
        texts, queries = quick_texts(place)
    else:
        corpus = place.root / "build" / "corpora" / "python-stdlib"
        texts, queries = [corpus / "text"], corpus / "queries.jsonl"
        if place.measure and not queries.exists():
            fail(f"no file {queries}; `scripts/corpora all --full` makes it of Debian packages")
    if place.measure:
        make(place, WHOLE, texts, queries, model_folder(place) if place.quick else None)
        make(place, HALF, texts, queries, half_model(place))
