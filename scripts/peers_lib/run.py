"""The referee: builds in turn, chooses efforts on the tune half, then times every entry in turn on the report half.

Everything is kept in build/peers-cache/<data set>: per entry what it built and answered, per round what was timed, so that a run goes on
where it was ended. A changed library, parameter or data set drops that entry's part.

SPDX-License-Identifier: MIT
"""
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import numpy as np

import entries
import libraries
import parts
import report
from cache import Cache, remove, say
from data import DataSet, file_sha, split
from worker import Builder, Searcher, Worker, WorkerError

LOW, HIGH = 0.85, 0.997                     # the recalls between which a curve is drawn
LEAST_QUERIES, LEAST_SECONDS = 200, 0.2     # timed a point and round, at least


class Run:
    def __init__(self, args, root, path):
        self.args, self.root, self.path = args, root, path
        self.data = DataSet(path, args.k)
        self.name = path.stem
        self.tune, self.report = split(len(self.data.test), args.queries)
        self.limits = {"tune": None, "report": None}
        self.folder = root / "build" / "peers-cache" / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.folder / "lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"scripts/peers: another run is at work in {self.folder}") from None
        self.sha, self.program = file_sha(path), pathlib.Path(args.library).with_name("leann")
        self.entries = [e for e in entries.entries(self.data) if not args.only or e["name"] in args.only]
        for entry in self.entries:
            entry["version"] = entries.version(entry, args.library)
            key = {"data": self.sha, "version": entry["version"], "params": entry["params"], "efforts": entry["efforts"]}
            key |= {"k": args.k, "queries": args.queries, "batch": args.batch, "threads": max(args.build_threads), "recalls": [LOW, HIGH]}
            entry["cache"], entry["error"] = Cache(self.folder / entry["name"], key), ""

    def live(self):
        return [entry for entry in self.entries if not entry["error"]]

    def attempt(self, entry, what, make):
        """make(), or None where a library fails: its row says so and the others go on."""
        try:
            return make()
        except WorkerError as error:
            entry["error"] = f"{what}: {error}"
            say(f"{entry['name']}: {entry['error']}")
            return None

    def recall(self, half, ids):
        rows = self.tune if half == "tune" else self.report
        if self.limits[half] is None:
            self.limits[half] = self.data.limits(rows)
        return self.data.recall(rows, self.limits[half], ids)

    # ---- builds --------------------------------------------------------------------------------------------------------------------

    def build_once(self, entry, threads, number):
        worker, out = Worker(Builder), entry["cache"].folder / "index"
        part = out.with_suffix(".part")
        remove(part)
        try:
            facts = worker.call("build", slim(entry), self.path, self.args.k, self.args.library, threads, str(part))
        finally:
            worker.close()
        if number == 0 and threads == max(self.args.build_threads):
            remove(out)
            part.replace(out)  # the one that is searched
        else:
            remove(part)
        say(f"{entry['name']}: built with {threads} threads in {facts['seconds']:.1f} s, {facts['bytes'] / 1e6:.1f} MB (build {number + 1})")
        return facts

    def builds(self):
        for entry in self.entries:
            entry["builds"] = {}
        for number in range(self.args.builds):
            for threads in self.args.build_threads:
                for entry in self.live():
                    facts = self.attempt(entry, "build", lambda: entry["cache"].get(
                        f"build-{threads}-{number}", lambda: self.build_once(entry, threads, number)))
                    if facts:
                        entry["builds"].setdefault(threads, []).append(facts)

    # ---- efforts ---------------------------------------------------------------------------------------------------------------------

    def open_all(self):
        halves = {"tune": self.tune, "report": self.report}
        for entry in self.live():
            entry["worker"] = Worker(Searcher)
            index = str(entry["cache"].folder / "index")
            self.attempt(entry, "open", lambda: entry["worker"].call(
                "open", slim(entry), self.path, self.args.k, self.args.library, index, halves, self.args.batch))

    def tune_grid(self, entry, efforts):
        """One ascending grid on the tune half, from the last point below LOW to the first at HIGH, or to where it no longer rises."""
        found = []
        for effort in efforts:
            ids, wall, cpu = entry["worker"].call("answer", "tune", effort)
            found.append({"effort": effort, "tune_recall": self.recall("tune", ids), "tune_cpu_s": cpu})
            if found[-1]["tune_recall"] >= HIGH or (len(found) > 6 and found[-1]["tune_recall"] < found[-6]["tune_recall"] + 5e-4):
                break
        above = next((i for i, point in enumerate(found) if point["tune_recall"] >= LOW), len(found) - 1)
        return found[max(0, above - 1):]

    def tune_entry(self, entry):
        grids = {}
        for effort in entry["efforts"]:
            grids.setdefault(json.dumps(list(effort.items())[1:]), []).append(effort)
        points = [point for grid in grids.values() for point in self.tune_grid(entry, grid)]
        if len(grids) > 1:  # what the tune half knows to be beaten is not timed
            points = report.pareto(points, "tune_recall", lambda point: -point["tune_cpu_s"])
        points = thin(points)
        say(f"{entry['name']}: {len(points)} points, tune recall {points[0]['tune_recall']:.4f} to {points[-1]['tune_recall']:.4f}")
        return points

    def judge(self, entry):
        """Recall over the whole report half, distances where the library counts them, and how long it took: the size of the timed part."""
        call = entry["worker"].call
        for point in entry["points"]:
            ids, wall, cpu = call("answer", "report", point["effort"])
            point["recall"], point["wall_s"] = self.recall("report", ids), wall
            point["dist_comps"] = call("distances", "report", point["effort"])
        threads = call("threads", "report", entry["points"][-1]["effort"])
        return {"points": entry["points"], "search_threads": threads, "search_mb": call("memory_mb")}

    def choose(self):
        for entry in self.live():
            entry["points"] = self.attempt(entry, "tune", lambda: entry["cache"].get("tune", lambda: self.tune_entry(entry)))
            if not entry["error"]:
                judged = self.attempt(entry, "search", lambda: entry["cache"].get("judge", lambda: self.judge(entry)))
                entry.update(judged or {})

    # ---- rounds ----------------------------------------------------------------------------------------------------------------------

    def round(self, number):
        """Each point of each entry once, in turn: A0 B0 C0 … A1 B1 C1 …, beginning with another entry each round."""
        times, live = {entry["name"]: [] for entry in self.live()}, self.live()
        first = number % len(live)
        for i in range(max(len(entry["points"]) for entry in live)):
            for entry in live[first:] + live[:first]:
                if i < len(entry["points"]):
                    point = entry["points"][i]
                    passes = self.passes(point)
                    wall, cpu = entry["worker"].call("timed", "report", point["effort"], self.timed(point), passes)
                    times[entry["name"]].append([wall, cpu])
        say(f"round {number + 1} of {self.args.repeats}")
        return {"times": times, "load": os.getloadavg()[0]}

    def passes(self, point):
        return max(1, int(min(LEAST_SECONDS, self.args.point_seconds) / point["wall_s"]))

    def timed(self, point):
        """How many of the report queries are timed: all, unless that takes longer than a point may."""
        rows, share = len(self.report), self.args.point_seconds / point["wall_s"]
        return rows if share >= 1 else min(rows, max(LEAST_QUERIES, int(rows * share)))

    def rounds(self):
        plan = [[e["name"], e["cache"].key, [p["effort"] for p in e["points"]], [self.timed(p) for p in e["points"]]] for e in self.live()]
        name = "rounds-" + hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:12]
        cache = Cache(self.folder / name, plan)
        rounds = [cache.get(str(number), lambda: self.round(number)) for number in range(self.args.repeats)]
        self.load = statistics.median(r["load"] for r in rounds)
        for entry in self.live():
            for i, point in enumerate(entry["points"]):
                walls, cpus = zip(*(r["times"][entry["name"]][i] for r in rounds))
                point["timed"] = n = self.timed(point)
                point["qps"], point["qps_lo"], point["qps_hi"] = n / statistics.median(walls), n / max(walls), n / min(walls)
                point["qps_cpu"], point["cpu_share"] = n / statistics.median(cpus), sum(cpus) / sum(walls)

    # ---- what more threads give to ours ----------------------------------------------------------------------------------------------

    def scaling(self):
        """{peak, entry: [[a pass on the fewest threads, on the most]]}: multiply-adds in registers, and a batch by each of our graphs at what
        the tune half chose for 0.95; seconds, in turn."""
        threads = self.args.build_threads[0], self.args.build_threads[-1]
        points = {e["name"]: report.passing(e["points"], 0.95) for e in self.live() if e["library"] == "leann" and e["kind"] != "exact"}
        ours = [entry for entry in self.live() if points.get(entry["name"])]
        if not ours or threads[0] == threads[1] or not self.program.exists():
            return {}
        cache = Cache(self.folder / "scaling", [threads, [[e["cache"].key, points[e["name"]]["effort"]] for e in ours]])

        def once():
            found = {"peak": [parts.ours(self, t, "peak")["peak"] for t in threads]}
            found["peak"] = [facts["seconds"]["median"] / t for facts, t in zip(found["peak"], threads)]  # its work grows with the threads
            for entry in ours:
                point, call = points[entry["name"]], entry["worker"].call
                passes = self.passes(point)
                found[entry["name"]] = [sum(call("shared", "report", point["effort"], t) for _ in range(passes)) for t in threads]
            return found

        found = [cache.get(str(number), once) for number in range(self.args.repeats)]
        say(f"one thread and {threads[-1]} in turn")
        return {name: [times[name] for times in found] for name in found[0]}

    # ---- fidelity: the same graphs? --------------------------------------------------------------------------------------------------

    def fidelity(self):
        """{ours, hnswlib: [{ef: {recall, dist_comps}} a seed]}: levels are drawn, so one graph's distances are 2 % off the next one's.
        A sentence where it was not measured."""
        pair = {e["name"]: e for e in self.live() if e["name"] in ("hnswlib", "leann-hnsw")}
        if len(pair) < 2 or not self.args.count:
            return "not asked for"
        if self.data.distance == "ip":
            return "the counting program knows L2 alone"
        efs = sorted({p["effort"]["ef"] for p in pair["hnswlib"]["points"]} & {p["effort"]["ef"] for p in pair["leann-hnsw"]["points"]})
        seeds = range(self.args.builds)
        try:
            return {"ours": [pair["leann-hnsw"]["cache"].get(f"fidelity-{i}", lambda: self.ours(pair["leann-hnsw"], efs, 1 + i)) for i in seeds],
                    "hnswlib": [pair["hnswlib"]["cache"].get(f"fidelity-{i}", lambda: self.counted(pair["hnswlib"], efs, libraries.SEED + i))
                                for i in seeds]}
        except (OSError, subprocess.CalledProcessError, WorkerError) as error:
            return f"{error} (hnswlib_count.cpp needs g++ and Debian's libhnswlib-dev: scripts/install test)"

    def ours(self, entry, efs, seed):
        builder, searcher, out = Worker(Builder), Worker(Searcher), str(self.folder / "fidelity-index")
        build = entry["params"]["build"]
        params = {**entry["params"], "build": {**build, "graph": {"hnsw": {**build["graph"]["hnsw"], "judge": "rows"}}}}   # as hnswlib
        found, common = {}, ({**slim(entry), "params": params, "seed": seed}, self.path, self.args.k, self.args.library)
        say(f"leann-hnsw: build with seed {seed} and count")
        try:
            builder.call("build", *common, max(self.args.build_threads), out)
            searcher.call("open", *common, out, {"report": self.report}, self.args.batch)
            for ef in efs:
                recall = self.recall("report", searcher.call("answer", "report", {"ef": ef})[0])
                found[str(ef)] = {"recall": recall, "dist_comps": searcher.call("distances", "report", {"ef": ef})}
        finally:
            builder.close()
            searcher.close()
        os.unlink(out)
        return found

    def counted(self, entry, efs, seed):
        """By scripts/reference/hnswlib_count.cpp: hnswlib's own counter adds list lengths, visited nodes included."""
        folder = self.folder / "count"
        program, files = folder / "hnswlib_count", [folder / name for name in ("train.fbin", "queries.fbin", "truth.ibin")]
        if not all(path.exists() for path in (program, *files)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            truth = self.data.neighbors[self.report][:, :10].astype(np.uint32)
            for path, array in zip(files, (self.data.floats(self.data.train), self.data.floats(self.data.test[self.report]), truth)):
                with open(path, "wb") as file:
                    np.array(array.shape, np.uint32).tofile(file)
                    array.tofile(file)
            source = self.root / "scripts" / "reference" / "hnswlib_count.cpp"
            subprocess.run(["g++", "-O3", "-march=native", "-pthread", source, "-o", program], check=True)
        say(f"hnswlib_count: build with seed {seed} and count")
        command = [program, *files, entry["params"]["M"], entry["params"]["ef_construction"], max(self.args.build_threads), *efs]
        done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True,
                              env={**os.environ, "HNSWLIB_SEED": str(seed)})
        return {str(line["ef"]): line for line in map(json.loads, done.stdout.splitlines()) if "ef" in line}

    def go(self):
        self.builds()
        self.open_all()
        try:
            self.choose()
            if not self.live():
                raise SystemExit("scripts/peers: no entry could be built and searched")
            self.rounds()
            self.batches = self.scaling()
        finally:
            for entry in self.entries:
                if "worker" in entry:
                    entry["worker"].close()
        report.write(self, self.fidelity())
        shutil.rmtree(self.folder / "count", ignore_errors=True)


def thin(points):
    """What a curve needs: a point each 0.01 of recall, closer where a fifth of what is missing is less; and what the tune half chooses."""
    chosen, kept = [report.passing(points, target) for target in report.TARGETS] + points[-1:], points[:1]
    for point in points[1:]:
        missing = 1 - kept[-1]["tune_recall"]
        if point["tune_recall"] >= kept[-1]["tune_recall"] + min(0.01, missing / 5) or any(point is other for other in chosen):
            kept.append(point)
    return kept


def slim(entry):
    return {key: entry[key] for key in ("name", "library", "kind", "params")}


def main(args, root, path):
    try:
        run = Run(args, root, path)
        unknown = set(args.only) - {entry["name"] for entry in entries.entries(run.data)}
        if unknown:
            raise SystemExit(f"scripts/peers: no entry {', '.join(sorted(unknown))}; known are: "
                             + ", ".join(entry["name"] for entry in entries.entries(run.data)))
        if args.parts != "only":
            run.go()
        if args.parts != "no":
            report.write_parts(run, parts.Parts(run).go())
    except KeyboardInterrupt:
        sys.exit("scripts/peers: ended; what is done is kept, and the next run goes on from there")
