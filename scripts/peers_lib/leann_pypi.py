"""LEANN 0.3.8 (PyPI) measured: its own builder and searcher, and the servers that it recomputes through.

One query goes out at a time, so that what a server is asked for is that query's. Facts are kept by the name of what they tell (cache.py).

SPDX-License-Identifier: MIT
"""
import contextlib
import datetime
import importlib.metadata
import json
import logging
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time

import h5py
import msgpack
import numpy as np
import zmq

import data as sets
import leann_pypi_report as report
from cache import Cache, say
from entries import geometric

REVISION = 1                    # of what is kept: another one begins anew
EF_CONSTRUCTION, COMPLEXITY_MAX = 200, 2000
FEW, COARSE, BELOW = 100, 8, 2  # tune queries and steps of the grid that look where to begin; points under the chosen one that must fail
RESAMPLES, FAR = 1000, 1e9      # as in eval/stats.h; LEANN's distance to what it cannot find
CHECKED, PRUNED = 200, 50       # queries whose truth is computed anew; queries of the trial of prune_ratio
PRUNINGS = [(ratio, word) for ratio in (0.5, 0.9) for word in ("global", "local", "proportional")]
COUNTS = "__COUNTS__"           # asks the replaying server what it was asked for since


# ---- the server that answers out of the vectors -----------------------------------------------------------------------------------


def distances(rows, ids, query):
    known = np.array([0 <= i < len(rows) for i in ids])
    out = np.full(len(ids), FAR, dtype=np.float32)
    out[known] = -(rows[np.array(ids)[known]] @ np.array(query, dtype=np.float32))
    return out.tolist()


def wait(ready, parent):
    """Until something is ready; False once nobody is left who could ask."""
    while not ready():
        if os.getppid() != parent:
            return False
    return True


def serve(rows, pipe):
    """LEANN's language: [ids, query] asks for distances, [ids] for vectors, either list of ids with or without one more around it."""
    socket, parent, requests = zmq.Context().socket(zmq.REP), os.getppid(), []
    pipe.send(socket.bind_to_random_port("tcp://127.0.0.1"))
    while wait(lambda: socket.poll(1000), parent):
        request = msgpack.unpackb(socket.recv())
        if request == [COUNTS]:
            asked = [i for ids in requests for i in ids]
            answer = {"calls": len(requests), "asked": len(asked), "distinct": len(set(asked)),
                      "unknown": sum(not 0 <= i < len(rows) for i in asked)}
            requests = []
        else:
            ids = request[0]
            ids = ids[0] if isinstance(ids[0], list) else ids
            requests.append(ids)
            answer = [distances(rows, ids, request[1])] if len(request) == 2 else [[len(ids), rows.shape[1]], rows[ids].ravel().tolist()]
        socket.send(msgpack.packb(answer, use_single_float=True))


def connect(port):
    socket = zmq.Context().socket(zmq.REQ)
    socket.connect(f"tcp://127.0.0.1:{port}")
    return socket


def child(what, *arguments):
    """A process with arrays of ours, and our end of a pipe to it. Begun before LEANN's libraries have threads."""
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("fork").Process(target=what, args=(*arguments, theirs), daemon=True).start()
    theirs.close()  # so that its end is the pipe's
    return ours


class Embedding:
    """`leann embed-server` over the passages of an index, with the encoder that embedded the set; ends with the block."""

    def __init__(self, args, encoder, index):
        options = ["--encoder", encoder, "--passages", f"{index}.meta.json", "--threads", str(args.threads), "--port", "0", "--no-http"]
        self.process = subprocess.Popen([args.leann, "embed-server", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"scripts/leann-pypi: the server did not start: {self.process.communicate()[1].strip()}")
        self.port = int(line.split()[0].rstrip(":").rsplit(":", 1)[1])
        self.socket = connect(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def identity(self):
        self.socket.send(json.dumps({"ask": "about"}).encode())
        return json.loads(self.socket.recv())["identity"]

    def rows(self, ids):
        self.socket.send(msgpack.packb([ids]))
        shape, values = msgpack.unpackb(self.socket.recv())
        return np.array(values, dtype=np.float32).reshape(shape)


# ---- LEANN's own code -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def hushed():
    """LEANN's C++ tells of every query. What a program of Python prints itself goes where it went."""
    sys.stdout.flush()
    kept, nowhere = [(fd, os.dup(fd)) for fd in (1, 2)], os.open(os.devnull, os.O_WRONLY)
    for fd, _ in kept:
        os.dup2(nowhere, fd)
    try:
        yield
    finally:
        for fd, copy in kept:
            os.dup2(copy, fd)
            os.close(copy)
        os.close(nowhere)


def build(folder, rows, texts, degree):
    """The index, in a folder of its own that is whole or not there; the seconds it took."""
    from leann.api import LeannBuilder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    builder = LeannBuilder(backend_name="hnsw", embedding_model="leann embed-server", dimensions=rows.shape[1], M=degree,
                           efConstruction=EF_CONSTRUCTION, distance_metric="mips", is_compact=True, is_recompute=True)
    for text in texts:
        builder.add_text(text)  # its ids are the rows' numbers then: the shortest that it has
    start = time.perf_counter()
    builder.build_index_from_arrays(str(part / "docs.leann"), list(range(len(rows))), rows)
    seconds = time.perf_counter() - start
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return seconds


class Searcher:
    def __init__(self, index):
        from leann_backend_hnsw.hnsw_backend import HNSWSearcher
        self.leann = HNSWSearcher(str(index))

    def search(self, query, k, complexity, port, **more):
        """(ids, inner products, texts that LEANN itself says it fetched) of one query."""
        found = self.leann.search(query[None], k, zmq_port=port, complexity=complexity, recompute_embeddings=True, **more)
        return ([int(name) for name in found["labels"][0]], [float(x) for x in found["distances"][0]],
                int(self.leann._index.get_last_total_fetch_count()))


def work(queries, port, pipe):
    """Searches for the rows of `queries` that it is told to, one at a time, and lists what is found and what the replaying server counts."""
    server, parent, searchers = connect(port), os.getppid(), {}

    def counts():
        server.send(msgpack.packb([COUNTS]))
        return msgpack.unpackb(server.recv())
    with hushed():
        while wait(lambda: pipe.poll(1), parent):
            index, rows, k, complexity, more = pipe.recv()
            searchers[index] = searchers.get(index) or Searcher(index)
            out = []
            for q in rows:
                ids, products, believed = searchers[index].search(queries[q], k, complexity, port, **more)
                out.append({"ids": ids, "products": products, "believed": believed, **counts()})
            pipe.send(out)


# ---- figures ----------------------------------------------------------------------------------------------------------------------


def interval(values):
    """The mean and its 95 % bootstrap interval over queries, as eval/stats.c has it but for the generator."""
    value, count = np.unique(values, return_counts=True)
    means = np.random.default_rng(1).multinomial(len(values), count / len(values), RESAMPLES) @ value / len(values)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"value": float(np.mean(values)), "lo": float(low), "hi": float(high)}


def spread(values):
    p50, p95 = np.quantile(values, (0.5, 0.95))
    return {"mean": float(np.mean(values)), "p50": float(p50), "p95": float(p95), "max": float(np.max(values))}


def locate(grid, passes):
    """About where an ascending grid begins to pass, by coarse steps, then halves; its last point where nothing does."""
    high = next((i for i in range(0, len(grid), COARSE) if passes(grid[i])), len(grid) - 1)
    low = max(-1, high - COARSE)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(grid[middle]) else (middle, high)
    return high


def first_passing(grid, near, passes):
    """The place of the first point that passes, looked for from one near it: the BELOW points just below were seen to fail. None: none passes."""
    found = next((i for i in range(near, len(grid)) if passes(grid[i])), None)
    while found and (below := [i for i in range(max(0, found - BELOW), found) if passes(grid[i])]):
        found = below[0]
    return found


class Run:
    def __init__(self, args, root):
        self.args, self.root = args, root
        self.data = sets.DataSet(args.data, args.k)
        if self.data.distance not in ("angular", "ip"):
            sys.exit(f"scripts/leann-pypi: {args.data} is {self.data.distance}; the inner products asked for here suit angular and ip")
        self.rows, self.queries = self.data.floats(self.data.train), self.data.floats(self.data.test)
        self.halves = dict(zip(("tune", "report"), sets.split(len(self.data.test), min(args.queries, len(self.data.test)))))
        self.limits = {half: self.data.limits(rows) for half, rows in self.halves.items()}
        self.read_texts()
        packages = {name: importlib.metadata.version(name) for name in ("leann-core", "leann-backend-hnsw", "numpy", "pyzmq")}
        self.about = {"data": args.data.name, "sha256": sets.file_sha(args.data), "packages": packages, "revision": REVISION}
        self.cache = Cache(root / "build" / "leann-pypi-cache" / args.data.stem, self.about)
        self.workers = [child(work, self.queries, child(serve, self.rows).recv()) for _ in range(args.threads)]
        self.points = {}
        logging.disable(logging.WARNING)

    def read_texts(self):
        with h5py.File(self.args.data, "r") as file:
            if "passages/text" not in file:
                sys.exit(f"scripts/leann-pypi: {self.args.data} holds no texts: `leann dataset text` without --no-text makes one that does")
            text, offset = file["passages/text"][:].tobytes(), file["passages/text_offset"][:]
            self.encoder, self.identity = file.attrs["encoder"], file.attrs["encoder_identity"]
        self.texts = [text[a:b].decode(errors="replace") for a, b in zip(offset, offset[1:])]
        self.text_bytes = int(offset[-1])

    def folder(self, degree):
        return self.cache.folder / f"M{degree}"

    def build(self, degree):
        def make():
            say(f"M {degree}: building over {self.data.n:,} rows")
            with hushed(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                seconds = build(self.folder(degree), self.rows, self.texts, degree)
            return {"seconds": seconds, "threads": self.args.threads, "load": os.getloadavg()[0]}
        return self.cache.get(f"M{degree}-build", make)

    # ---- counts and recall, by vectors that are replayed --------------------------------------------------------------------------

    def search(self, degree, queries, limits, complexity, **more):
        """Facts of each query, as lists; the workers share the queries."""
        start, found = time.perf_counter(), [None] * len(queries)
        for i, pipe in enumerate(self.workers):
            pipe.send((self.folder(degree) / "docs.leann", queries[i::len(self.workers)], self.args.k, complexity, more))
        for i, pipe in enumerate(self.workers):
            found[i::len(self.workers)] = pipe.recv()
        off = max(abs(x - float(self.rows[i] @ self.queries[q])) for q, f in zip(queries, found) for i, x in zip(f["ids"], f["products"]) if i >= 0)
        recall = [self.data.recall(np.array([q]), np.array([limit]), np.array([f["ids"]])) for q, limit, f in zip(queries, limits, found)]
        facts = {name: [f[name] for f in found] for name in ("asked", "distinct", "calls", "unknown", "believed", "ids")}
        return {**facts, "recall": recall, "product_off": off, "seconds": time.perf_counter() - start}

    def point(self, degree, half, complexity, batch_size=0, few=None):
        """A point's figures over a half, or over the first few of it."""
        rows = self.halves[half][:few]
        name = f"M{degree}-k{self.args.k}-{half}{len(rows)}-c{complexity}-b{batch_size}"
        if name in self.points:
            return self.points[name]
        facts = self.cache.get(name, lambda: self.search(degree, rows, self.limits[half], complexity, batch_size=batch_size))
        self.points[name] = out = {
            "complexity": complexity, "batch_size": batch_size, "queries": len(rows), "recall": interval(facts["recall"]),
            "recomputations": spread(facts["asked"]), "distinct": spread(facts["distinct"]), "encoder_calls": spread(facts["calls"]),
            "unknown_ids": sum(facts["unknown"]), "counted_as_leann_counts": facts["asked"] == facts["believed"],
            "largest_difference_of_a_product": facts["product_off"]}
        say(f"M {degree}, {half} {len(rows)}, complexity {complexity}{f', batch_size {batch_size}' if batch_size else ''}: recall "
            f"{report.interval(out['recall'])}, {out['recomputations']['mean']:,.0f} recomputations, {facts['seconds']:.0f} s")
        return out

    def choose(self, degree):
        """The first complexities of the grid whose tune recall reaches the target: its lower bound, and its mean alone; None: none does."""
        def passes(measure, few=None):
            return lambda complexity: self.point(degree, "tune", complexity, few=few)["recall"][measure] >= self.args.recall
        grid = geometric(self.args.k, COMPLEXITY_MAX)
        by_mean = first_passing(grid, locate(grid, passes("value", FEW)), passes("value"))
        chosen = None if by_mean is None else first_passing(grid, by_mean, passes("lo"))
        return [None if i is None else grid[i] for i in (chosen, by_mean)]

    def prunings(self, degree, complexity):
        """Whether prune_ratio changes an answer or a count."""
        rows = self.halves["tune"][:PRUNED]

        def make():
            plain = self.search(degree, rows, self.limits["tune"], complexity)
            out = []
            for ratio, strategy in PRUNINGS:
                trial = self.search(degree, rows, self.limits["tune"], complexity, prune_ratio=ratio, pruning_strategy=strategy)
                out.append({"prune_ratio": ratio, "strategy": strategy, "same_answers": trial["ids"] == plain["ids"],
                            "same_counts": trial["asked"] == plain["asked"], "recomputations": float(np.mean(trial["asked"])),
                            "without": float(np.mean(plain["asked"]))})
            return out
        return self.cache.get(f"M{degree}-k{self.args.k}-prune-c{complexity}-q{len(rows)}", make)

    # ---- bytes --------------------------------------------------------------------------------------------------------------------

    def bytes(self, degree):
        sizes = {path.name: path.stat().st_size for path in sorted(self.folder(degree).iterdir())}
        passages = sum(size for name, size in sizes.items() if name.endswith(".jsonl"))
        graph = sum(size for name, size in sizes.items() if name.endswith(".index"))
        parts = {"graph": graph, "references": sum(sizes.values()) - graph - passages, "passages_beyond_their_text": passages - self.text_bytes,
                 "all_but_text": sum(sizes.values()) - self.text_bytes}
        return {"files": sizes, "text": self.text_bytes, **parts, "a_chunk": {name: size / self.data.n for name, size in parts.items()}}

    # ---- seconds, with the encoder ------------------------------------------------------------------------------------------------

    def timed(self, degree, complexity):
        """One pass over a seeded few of the report queries, which are in a seeded order: its first ones. Batch sizes take turns."""
        rows, k = self.halves["report"][:self.args.timed], self.args.k
        wanted = [(int(q), limit, b) for q, limit in zip(rows, self.limits["report"]) for b in self.args.batch_sizes]
        names = {(q, b): f"M{degree}-k{k}-time-t{self.args.threads}-c{complexity}-b{b}-q{q}" for q, _, b in wanted}
        if all((self.cache.folder / (name + ".json")).exists() for name in names.values()):
            return self.timing(rows, names)
        index = self.folder(degree) / "docs.leann"
        with hushed():
            searcher = Searcher(index)
        with Embedding(self.args, self.encoder, index) as server:
            if server.identity() != self.identity:
                sys.exit(f"scripts/leann-pypi: the set is of encoder {self.identity[:12]}…, but the server has {server.identity()[:12]}…")
            warm = list(range(min(256, self.data.n)))
            off = float(np.abs(server.rows(warm) - self.rows[warm]).max())
            say(f"M {degree}: the encoder is warm; its vectors differ from the set's by {off:.1e} at most")

            def make(q, limit, batch_size):
                start = time.perf_counter()
                with hushed():
                    ids, _, fetched = searcher.search(self.queries[q], k, complexity, server.port, batch_size=batch_size)
                seconds = time.perf_counter() - start
                say(f"M {degree}, query {q}, batch_size {batch_size}: {seconds:.2f} s, {fetched:,} recomputations")
                return {"seconds": seconds, "recomputations": fetched, "load": os.getloadavg()[0], "vectors_off": off,
                        "recall": self.data.recall(np.array([q]), np.array([limit]), np.array([ids]))}
            for q, limit, batch_size in wanted:
                self.cache.get(names[q, batch_size], lambda: make(q, limit, batch_size))
        return self.timing(rows, names)

    def timing(self, rows, names):
        out = {}
        for b in self.args.batch_sizes:
            facts = [self.cache.get(names[int(q), b], None) for q in rows]
            out[str(b)] = {"seconds": spread([f["seconds"] for f in facts]), "recall": statistics.fmean(f["recall"] for f in facts),
                           "recomputations": spread([f["recomputations"] for f in facts]), "load": max(f["load"] for f in facts),
                           "milliseconds_a_recomputation": 1e3 * sum(f["seconds"] for f in facts) / sum(f["recomputations"] for f in facts),
                           "vectors_off": max(f["vectors_off"] for f in facts)}
        return {"queries": len(rows), "threads": self.args.threads, "batch_size": out}

    # ---- all of it ----------------------------------------------------------------------------------------------------------------

    def truth_off(self):
        """How far the k-th distances in the file are from those of a scan."""
        some = self.halves["report"][:CHECKED]
        scan = 1 - self.queries[some].astype(np.float64) @ self.rows.T.astype(np.float64)
        exact = np.partition(scan, self.args.k - 1, axis=1)[:, self.args.k - 1]
        ours = self.limits["report"][:CHECKED] + (self.data.distance == "ip")
        return {"queries": len(some), "largest_difference": float(np.abs(exact - ours).max())}

    def tuned(self, degree):
        """Every point of the tune half that was searched, as kept."""
        names = self.cache.folder.glob(f"M{degree}-k{self.args.k}-tune{len(self.halves['tune'])}-c*-b0.json")
        return [self.point(degree, "tune", c) for c in sorted(int(path.stem.split("-c")[1].split("-")[0]) for path in names)]

    def degree(self, degree):
        made = {"build": self.build(degree), "bytes": self.bytes(degree), "chosen": None, "chosen_by_mean": None}
        chosen, by_mean = self.choose(degree)
        if by_mean:
            made["chosen_by_mean"] = {half: self.point(degree, half, by_mean) for half in self.halves}
        if chosen:
            made["chosen"] = {half: self.point(degree, half, chosen) for half in self.halves}
            made["prune_ratio"] = self.prunings(degree, chosen)
            made["batched"] = self.point(degree, "report", chosen, batch_size=64)
        return made | {"tune": self.tuned(degree)}

    def all(self):
        self.about |= {"n": self.data.n, "d": self.data.d, "distance": self.data.distance, "k": self.args.k, "target": self.args.recall,
                       "queries": {half: len(rows) for half, rows in self.halves.items()}, "encoder": self.encoder,
                       "encoder_identity": self.identity, "ef_construction": EF_CONSTRUCTION, "complexity_max": COMPLEXITY_MAX,
                       "cpu": report.cpu_name(), "processors": os.cpu_count(), "commit": report.commit(self.root),
                       "date": datetime.date.today().isoformat()}
        checks = {"truth": self.truth_off()}
        say(f"the {self.args.k}-th distances of {checks['truth']['queries']} queries differ from a scan's by "
            f"{checks['truth']['largest_difference']:.1e} at most")
        degrees = {degree: self.degree(degree) for degree in self.args.degrees}
        passed = [degree for degree in degrees if degrees[degree]["chosen"]]
        better = min(passed, key=lambda m: degrees[m]["chosen"]["tune"]["recomputations"]["mean"], default=None)
        if self.args.time and better:
            degrees[better]["time"] = self.timed(better, degrees[better]["chosen"]["report"]["complexity"])
        return {"about": self.about, "checks": checks, "degrees": degrees, "better": better}


def main(args, root):
    report.write(args.out, Run(args, root).all())
