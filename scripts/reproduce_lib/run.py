"""The program `leann`, its sweeps, and the rows of their results.

SPDX-License-Identifier: MIT
"""
import csv
import json
import os
import pathlib
import re
import subprocess
import sys


QUICK_QUERIES, QUICK_TIMED = 15, 3  # of a quick run: so many tune, and so many report; with the encoder in the loop


class Place:
    """Where things are: the program, the sweeps, their results, what is made on the way, and the report's folder."""

    def __init__(self, root, out, quick, measure, threads):
        self.root, self.out, self.quick, self.measure, self.threads = root, out, quick, measure, threads
        self.swept = set()
        self.release = root / "build" / "release"
        self.leann = pathlib.Path(os.environ.get("LEANN_BIN", self.release / "leann")).absolute()
        self.work = out if quick else root / "build" / "reproduce"
        self.sweeps, self.results = (self.work / "sweeps", self.work / "results") if quick else (root / "eval" / "sweeps", root / "results")

    def sets(self, name):
        return self.work / f"{name}.hdf5" if self.quick else self.root / "datasets" / f"{name}.hdf5"


def fail(sentence):
    sys.exit(f"scripts/reproduce: {sentence}")


def call(place, *words, **options):
    """The program's exit code, or what it printed where stdout is asked for. A failure, but for failed points of a sweep, ends the script."""
    done = subprocess.run([place.leann, *map(str, words)], cwd=place.results.parent, **options)
    if done.returncode not in (0, 3):
        fail(f"`leann {' '.join(map(str, words[:3]))}` ended with {done.returncode}; what it said stands above")
    return done.stdout if options.get("stdout") else done.returncode


def build(place):
    if "LEANN_BIN" not in os.environ:
        for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
            if subprocess.run(command, cwd=place.root, stdout=subprocess.DEVNULL).returncode:
                fail(f"`{' '.join(command)}` failed; scripts/install brings what building needs")


# ---- sweeps --------------------------------------------------------------------------------------------------------------------------

def quick_sweep(place, stem):
    """The sweep over the small set, with few queries and one quantiser where it has several."""
    text = (place.root / "eval" / "sweeps" / f"{stem}.yml").read_text()
    text = re.sub(r"\.\./\.\./datasets/", "../", text)
    queries = QUICK_TIMED if "fetcher: passages" in text else QUICK_QUERIES
    text = re.sub(r"(?m)^queries: \d+", f"queries: {2 * queries}", text)
    text = re.sub(r"(?m)^point_seconds: .*", "point_seconds: 0.001", text)
    text = re.sub(r"quantizer: \[[^\]]*\]", "quantizer: {opq: {sub_vectors: 24}}", text)
    text = re.sub(r"cache_queries: .*", f"cache_queries: [0, {QUICK_QUERIES}]", text)
    place.sweeps.mkdir(parents=True, exist_ok=True)
    path = place.sweeps / f"{stem}.yml"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def sweep(place, stem):
    """Runs a sweep, once; what was measured before is not measured again. Its rows."""
    if place.measure and stem not in place.swept:
        place.swept.add(stem)
        measure(place, stem, quick_sweep(place, stem) if place.quick else place.sweeps / f"{stem}.yml")
    return rows(place, stem)


def measure(place, stem, path):
    folder = place.results / stem
    print(f"== {stem}", flush=True)
    if call(place, "bench", "run", path) == 3:  # into results/<stem> of the working folder, where all sweeps share what they build
        print(f"{stem}: some points failed; {folder}/report.md says which and why", file=sys.stderr)
    # Its own figures need gnuplot, and without it the exit code is 1: rows alone are taken from here.
    table = subprocess.run([place.leann, "bench", "report", folder, "--quiet"], cwd=place.root, stdout=subprocess.DEVNULL)
    if table.returncode and not (folder / "summary.csv").exists():
        fail(f"`leann bench report {folder}` ended with {table.returncode}; what it said stands above")


def seconds(place, stem, about, chosen, queries, name):
    """The rows' own settings, timed with the encoder in the loop: a sweep of its own, in the work folder. name: of the data set."""
    if place.measure and chosen:
        folder = place.work / "sweeps"
        folder.mkdir(parents=True, exist_ok=True)
        cells = [{"method": row["method"], "build": row.build, "query": {**row.settled, "fetcher": "passages"}} for row in chosen]
        data = os.path.relpath(place.sets(name), folder)
        text = {"about": about, "data": data, "queries": 2 * (QUICK_TIMED if place.quick else queries), "seed": 1, "k": 3,
                "threads": 2, "search_threads": place.threads,
                "limits": {"memory_mb": 6000, "build_s": 1800, "search_s": 3600}, "cells": cells}
        path = folder / f"{stem}.yml"
        path.write_text(json.dumps(text, indent=1) + "\n")
        measure(place, stem, path)
    return rows(place, stem)


# ---- rows ----------------------------------------------------------------------------------------------------------------------------

class Row(dict):
    """A line of summary.csv: numbers as numbers, nothing as None; build, query: the parameters, canonical."""

    def __init__(self, line):
        super().__init__((key, number(value)) for key, value in line.items())
        params = json.loads(line["params"])
        self.build, self.query = params["build"], params["query"]

    @property
    def settled(self):
        """The query's parameters, with what tuning chose in place of its grid."""
        chosen = self.get("chosen")
        chosen = int(chosen) if isinstance(chosen, float) and chosen.is_integer() else chosen
        return {key: chosen if isinstance(value, dict) and "grid" in value else value for key, value in self.query.items()}


def number(text):
    try:
        return float(text)
    except ValueError:
        return text or None


def rows(place, stem):
    """The measured rows of a results folder; [] where there are none."""
    path = place.results / stem / "summary.csv"
    if not path.exists():
        return []
    csv.field_size_limit(1 << 24)
    with open(path, newline="", encoding="utf-8") as file:
        return [Row(line) for line in csv.DictReader(file) if line["status"] == "ok" and not line.get("published")]
