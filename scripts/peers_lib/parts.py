"""The building blocks of both: FAISS's and ours, in turn, on the same rows and threads.

Ours are timed by `leann bench parts`, which checks them first; k-means is timed for the fewest rounds that reach FAISS's inertia. Every
run is kept in the cache by its number, so that a run goes on where it was.

SPDX-License-Identifier: MIT
"""
import copy
import importlib.metadata
import json
import os
import statistics
import subprocess
import time

import numpy as np

from data import DataSet, file_sha
from cache import Cache, say
from worker import Worker

ROUNDS = {"kmeans": 3, "exact": 3}    # of timed runs in turn; the others 5
KS, LLOYD, TOP, SCANS = (245, 2048), 20, 100, 32
TRAIN_ROWS = 25600                    # of our product quantiser by default; FAISS gets as many


class FaissParts:
    """One worker: FAISS's k-means, product quantiser, scans of codes and flat search over one data set, on a given number of threads."""

    def load(self, path, threads):
        os.environ.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
        import faiss
        self.faiss, self.threads = faiss, threads
        faiss.omp_set_num_threads(threads)
        data = DataSet(path, 1)
        self.metric = faiss.METRIC_INNER_PRODUCT if data.distance == "ip" else faiss.METRIC_L2
        self.rows, self.queries = data.floats(data.train), data.floats(data.test)
        self.d, self.kept = data.d, {}
        self.sample = self.rows[np.sort(np.random.default_rng(1).permutation(data.n)[:TRAIN_ROWS])]

    @staticmethod
    def timed(call):
        start = time.perf_counter()
        answer = call()
        return time.perf_counter() - start, answer

    def kmeans(self, k):
        """All rows, one start, its other settings as they come; the final assignment is part of the time, and its sum the inertia."""
        means = self.faiss.Kmeans(self.d, k, niter=LLOYD, nredo=1, min_points_per_centroid=1,
                                  max_points_per_centroid=len(self.rows))
        seconds, keys = self.timed(lambda: (means.train(self.rows), means.index.search(self.rows, 1)[0])[1])
        return {"seconds": seconds, "quality": float(keys.sum(dtype=np.float64))}

    def pq(self, subs):
        """Training and encoding; the error is that of all rows as a share of their spread."""
        pq = self.faiss.ProductQuantizer(self.d, subs, 8)
        pq.cp.min_points_per_centroid = 1  # of a warning alone
        trained, _ = self.timed(lambda: pq.train(self.sample))
        coded, codes = self.timed(lambda: pq.compute_codes(self.rows))
        miss = spread = 0.0
        mean = self.rows.mean(axis=0, dtype=np.float64)
        for first in range(0, len(self.rows), 8192):
            part = self.rows[first:first + 8192].astype(np.float64)
            miss += ((part - pq.decode(codes[first:first + 8192])) ** 2).sum()
            spread += ((part - mean) ** 2).sum()
        return {"pq train": {"seconds": trained, "quality": miss / spread}, "pq encode": {"seconds": coded, "quality": miss / spread}}

    def index(self, what, subs):
        if what not in self.kept:
            index = {"adc": lambda: self.faiss.IndexPQ(self.d, subs, 8, self.metric),
                     "fastscan": lambda: self.faiss.IndexPQFastScan(self.d, subs, 4, self.metric),
                     "exact": lambda: self.faiss.IndexFlat(self.d, self.metric)}[what]()
            if what != "exact":
                index.pq.cp.min_points_per_centroid = 1
                index.train(self.sample)
            index.add(self.rows)
            self.kept[what] = index
        return self.kept[what]

    def scan(self, what, subs, queries, one_by_one=False):
        """Seconds of a search of the first queries (0: all), in one batch or in calls of one, and the ids of the batch."""
        index, some = self.index(what, subs), self.queries[:queries or None]
        if one_by_one:
            return self.timed(lambda: [index.search(query[None], TOP) for query in some])[0], None
        seconds, (_, ids) = self.timed(lambda: index.search(some, TOP))
        return seconds, ids


class Parts:
    def __init__(self, run):
        if not run.program.exists():
            raise SystemExit(f"scripts/peers: no program {run.program}, which times our building blocks")
        self.run, self.args = run, run.args
        self.version = {"faiss": "faiss-cpu " + importlib.metadata.version("faiss-cpu"), "leann": "leann " + file_sha(run.program)[:12]}
        key = {"data": run.sha, "version": self.version, "constants": [ROUNDS, KS, LLOYD, TOP, SCANS, TRAIN_ROWS]}
        self.cache, self.data = Cache(run.folder / "parts", key), run.data
        width = -(-self.data.d // 8)
        self.subs = next(m for m in range(width, self.data.d + 1) if self.data.d % m == 0)  # as pq prefers
        self.results, self.workers = [], {}

    # ---- one run ---------------------------------------------------------------------------------------------------------------------

    def faiss(self, threads, *call):
        if threads not in self.workers:
            self.workers[threads] = Worker(FaissParts)
            self.workers[threads].call("load", self.run.path, threads)
        return self.workers[threads].call(*call)

    def ours(self, threads, only, *more, repeats=1):
        return ours(self.run, threads, only, "--repeats", repeats, "--sub-vectors", self.subs, "--top", TOP, "--scans", SCANS, *more)

    def in_turn(self, name, threads, theirs, ours):
        """[(FAISS's run, ours)]: what either gives is {seconds, …}, or a map of several."""
        pairs = []
        for number in range(ROUNDS.get(name.split()[0], 5)):
            for who, make in (("faiss", theirs), ("leann", ours)):
                if make:
                    pairs.append((who, self.cache.get(f"{name}-{threads}-{number}-{who}".replace(" ", "-"), make)))
        say(f"parts: {name}, {threads} threads")
        return pairs

    def add(self, part, about, threads, who, runs, items, unit, measure=""):
        """runs: [{seconds, quality}]."""
        seconds = [run["seconds"] for run in runs]
        median = statistics.median(seconds)
        self.results.append({"part": part, "about": about, "threads": threads, "who": who, "seconds": median, "least": min(seconds),
                             "most": max(seconds), "rate": items / median, "unit": unit, "measure": measure, "runs": len(runs),
                             "quality": runs[0].get("quality")})

    # ---- the parts -------------------------------------------------------------------------------------------------------------------

    def kmeans(self, threads):
        for k in (k for k in KS if k <= self.data.n // 4):
            theirs = self.cache.get(f"kmeans-{k}-{threads}-0-faiss", lambda: self.faiss(threads, "kmeans", k))
            name = f"kmeans {k} to inertia"
            rounds = self.cache.get(f"kmeans-{k}-rounds", lambda: self.ours(max(self.args.build_threads), "kmeans", "--k", k, "--rounds", LLOYD,
                                                                            "--inertia", theirs["quality"])[name].get("rounds", 0))
            pairs = self.in_turn(f"kmeans {k}", threads, lambda: self.faiss(threads, "kmeans", k), rounds and (
                lambda: timing(self.ours(threads, "kmeans", "--k", k, "--rounds", rounds)[f"kmeans {k}"], "inertia")))
            for who, about in (("faiss", f"{LLOYD} rounds"), ("leann", f"{rounds} rounds, to FAISS's inertia")):
                if runs := of(pairs, who):
                    self.add(f"k-means, K = {k:,}", about, threads, who, runs, self.data.n, "rows", "inertia")

    def quantiser(self, threads):
        pairs = self.in_turn("pq", threads, lambda: self.faiss(threads, "pq", self.subs), lambda: {
            name: timing(part, "relative error") for name, part in self.ours(threads, "pq").items()})
        for name, items in (("pq train", min(self.data.n, TRAIN_ROWS)), ("pq encode", self.data.n)):
            for who in ("faiss", "leann"):
                self.add(name, f"{self.subs} x 256", threads, who, [run[name] for run in of(pairs, who)], items, "rows", "relative error")

    def scans(self, threads):
        truth = None
        if self.data.neighbors.shape[1] >= TOP:
            truth = copy.copy(self.data)
            truth.k = TOP
        queries = np.arange(min(SCANS, len(self.data.test)))
        limits = truth and truth.limits(queries)

        def theirs(name, one_by_one):
            seconds, ids = self.faiss(threads, "scan", name, self.subs, SCANS, one_by_one)
            return {"seconds": seconds, "quality": truth.recall(queries, limits, ids) if truth and ids is not None else None}

        items = len(queries) * self.data.n
        for name, centroids in (("adc", 256), ("fastscan", 16)):
            about = f"{self.subs} x {centroids}, top {TOP}"
            pairs = self.in_turn(name, threads, lambda: {"batch": theirs(name, False), "one": theirs(name, True)},
                                 lambda: timing(self.ours(threads, name, repeats=5)[name], "recall"))
            label = f"{8 if centroids == 256 else 4}-bit scan"
            for how, words in (("batch", "in one batch"), ("one", "a query a call")):
                self.add(f"{label}, {words}", about, threads, "faiss", [run[how] for run in of(pairs, "faiss")], items, "codes", "recall")
                self.add(f"{label}, {words}", about, threads, "leann", of(pairs, "leann"), items, "codes", "recall")

    def exact(self, threads):
        count = self.args.queries or len(self.data.test)
        pairs = self.in_turn("exact", threads, lambda: {"seconds": self.faiss(threads, "scan", "exact", self.subs, count)[0]},
                             lambda: timing(self.ours(threads, "exact", "--queries", count)["exact"], ""))
        for who in ("faiss", "leann"):
            self.add("exact search", f"{count:,} queries, k = {TOP}", threads, who, of(pairs, who), count, "queries")

    def go(self):
        try:
            for threads in self.args.build_threads:
                for part in (self.kmeans, self.quantiser, self.scans, self.exact):
                    part(threads)
        finally:
            for worker in self.workers.values():
                worker.close()
        return self


def ours(run, threads, only, *more):
    """{part: what `leann bench parts` says of it}."""
    command = [run.program, "bench", "parts", run.path, "--only", only, "--threads", threads, "--json", "--quiet", *more]
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, cwd=run.root)
    return {part["part"]: part for part in json.loads(done.stdout)["parts"]}


def of(pairs, who):
    return [facts for whose, facts in pairs if whose == who]


def timing(part, measure):
    """What `leann bench parts` says of one part, as add takes it."""
    return {"seconds": part["seconds"]["median"], "quality": part.get(measure)}
