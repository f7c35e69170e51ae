"""Child processes: one that builds an index and ends, one that holds an open index and searches when told.

A child keeps one library's memory, threads and crashes apart from the others'. The parent talks to it over a pipe, one call at a time, so that
searches are taken in turn.

SPDX-License-Identifier: MIT
"""
import glob
import multiprocessing
import os
import signal
import sys
import time
import traceback

import numpy as np

import libraries
from data import DataSet

SPAWN = multiprocessing.get_context("spawn")


class WorkerError(Exception):
    pass


def status_mb(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field + ":")) / 1024


def task_ticks():
    """Processor time of each of this process's threads so far, in clock ticks."""
    ticks = {}
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        ticks[task] = int(fields[11]) + int(fields[12])
    return ticks


def reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def size_of(path):
    """Bytes of a file, or of all files of a folder."""
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names) or os.path.getsize(path)


def typed(entry, data, rows):
    return np.ascontiguousarray(rows) if entry["kind"] == "u8" else data.floats(rows)


class Builder:
    """Builds and saves; seconds of the build alone, and what its peak adds to the memory that held the rows."""

    def build(self, entry, path, k, library, threads, out):
        os.environ.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
        data = DataSet(path, k)
        rows, scratch = typed(entry, data, data.train), out + ".scratch"
        data.forget_rows()
        adapter = libraries.adapter(entry, data, library)
        adapter.prepare(rows, scratch)
        before = status_mb("VmRSS")
        reset_peak()
        start = time.perf_counter()
        adapter.build(rows, threads)
        facts = {"seconds": time.perf_counter() - start}
        facts["peak_mb"] = status_mb("VmHWM") - before
        for name in glob.glob(glob.escape(scratch) + "*"):
            os.unlink(name)
        adapter.save(out)
        return {**facts, "bytes": size_of(out)}


class Searcher:
    """Holds one open index and both halves of the queries. One thread."""

    def open(self, entry, path, k, library, out, halves, batch):
        os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        data, self.k, self.batch = DataSet(path, k), k, batch
        queries = typed(entry, data, data.test)
        self.halves = {name: queries[rows].copy() for name, rows in halves.items()}
        del queries
        data.forget_rows()
        self.adapter = libraries.adapter(entry, data, library)
        self.before = status_mb("VmRSS")
        self.adapter.open(out)

    def answer(self, half, effort, rows=None):
        """All answers with the seconds they took, by the clock and of this process's processors."""
        queries = self.halves[half][:rows]
        step = self.batch or len(queries)
        self.adapter.set(effort)
        start, cpu = time.perf_counter(), time.process_time()
        parts = [self.adapter.search(queries[first:first + step], self.k) for first in range(0, len(queries), step)]
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        return np.concatenate(parts), wall, cpu

    def timed(self, half, effort, rows, passes=1):
        """Seconds a pass over the first rows, by the clock and by processors."""
        times = [self.answer(half, effort, rows)[1:] for _ in range(passes)]
        return [sum(column) / passes for column in zip(*times)]

    def shared(self, half, effort, threads):
        """Seconds of one pass shared out among threads, by the clock."""
        self.adapter.set(effort)
        start = time.perf_counter()
        self.adapter.search_on(threads, self.halves[half], self.k)
        return time.perf_counter() - start

    def threads(self, half, effort):
        """How many threads do the work of a search: those that take a tenth of its processor time or more."""
        before, deadline = task_ticks(), time.process_time() + 0.3
        while time.process_time() < deadline:
            self.answer(half, effort)
        spent = [ticks - before.get(task, 0) for task, ticks in task_ticks().items()]
        return sum(10 * ticks >= sum(spent) for ticks in spent)

    def distances(self, half, effort):
        self.adapter.set(effort)
        return self.adapter.distances(self.halves[half], self.k) if hasattr(self.adapter, "distances") else None

    def memory_mb(self):
        return status_mb("VmRSS") - self.before


def serve(pipe, kind):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    self, sys.stdout = kind(), sys.stderr
    while True:
        call = pipe.recv()
        try:
            pipe.send((True, getattr(self, call[0])(*call[1:])))
        except Exception as error:
            traceback.print_exc()
            pipe.send((False, f"{type(error).__name__}: {error}"))


class Worker:
    """A child of a kind above: call("method", …) answers or raises WorkerError, also when the child dies."""

    def __init__(self, kind):
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=serve, args=(theirs, kind), daemon=True)
        self.process.start()
        theirs.close()

    def call(self, *call):
        try:
            self.pipe.send(call)
            good, answer = self.pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.process.join()
            raise WorkerError(f"the worker died in {call[0]} with exit status {self.process.exitcode}") from None
        if not good:
            raise WorkerError(answer)
        return answer

    def close(self):
        self.process.terminate()
        self.process.join()
