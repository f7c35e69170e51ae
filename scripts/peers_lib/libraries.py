"""The entries: each library's indexes behind one shape – build, save, open, set an effort, search a batch – at their equal settings.

An entry is {name, library, kind, params, efforts}: `kind` says what it may be compared with (exact | graph | codes), `efforts` are the
grid of query parameters. Peers are imported in the worker that runs them, never here.

SPDX-License-Identifier: MIT
"""
import ctypes
import importlib.metadata
import math

import numpy as np

from data import file_sha

M, EF_CONSTRUCTION, SEED = 16, 200, 100


def geometric(first, last, ratio=1.1):
    """Whole numbers from first to last, neighbours a factor of `ratio` apart (1 where that is less)."""
    values = [first]
    while values[-1] < last:
        values.append(min(last, max(values[-1] + 1, int(values[-1] * ratio))))
    return values


def entries(data):
    """All entries for a data set. FAISS's sub-vectors: 8 values each for long rows, 2 for short ones, as its wiki's winners have."""
    ef = [{"ef": value} for value in geometric(10, 2000)]
    hnsw = {"M": M, "ef_construction": EF_CONSTRUCTION}
    lists, width = max(1, round(4 * math.sqrt(data.n))), 8 if data.d >= 512 else 2
    subs = max(m for m in range(1, max(2, data.d // width + 1)) if data.d % m == 0)
    probes = [{"nprobe": value, "k_factor": factor} for factor in (2, 4, 8, 16, 32) for value in geometric(4, min(lists, 400))]
    ours = {"method": "graph", "build": {"graph": {"hnsw": hnsw}, "vectors": "f32"}}
    vamana = {"method": "graph", "build": {"graph": {"vamana": {"degree": 2 * M, "build_window": 100}}, "vectors": "f32"}}
    table = [
        ("hnswlib", "hnswlib", "graph", hnsw, ef),
        ("faiss-hnsw", "faiss-cpu", "graph", hnsw, ef),
        ("leann-hnsw", "leann", "graph", ours, ef),
        ("leann-vamana", "leann", "graph", vamana, ef),
        ("faiss-ivfpq-refine", "faiss-cpu", "codes", {"factory": f"IVF{lists},PQ{subs}x4fs,RFlat"}, probes),
        ("faiss-flat", "faiss-cpu", "exact", {"factory": "Flat"}, [{}]),
        ("leann-flat", "leann", "exact", {"method": "flat", "build": {"vectors": "f32"}}, [{}]),
    ]
    if data.train.dtype == "uint8" and data.distance != "angular":
        u8 = {"method": "graph", "build": {"graph": {"hnsw": hnsw}, "vectors": "source"}}
        table.append(("leann-hnsw-u8", "leann", "u8", u8, ef))
    return [dict(zip(("name", "library", "kind", "params", "efforts"), row)) for row in table]


def version(entry, library_path):
    if entry["library"] == "leann":
        return "leann " + file_sha(library_path)[:12]
    return f"{entry['library']} {importlib.metadata.version(entry['library'])}"


def adapter(entry, data, library_path):
    if entry["library"] == "leann":
        return Ours(entry, data, library_path)
    if entry["library"] == "hnswlib":
        return Hnswlib(entry, data)
    return FaissHnsw(entry, data) if entry["kind"] == "graph" else FaissFactory(entry, data)


class Hnswlib:
    def __init__(self, entry, data):
        import hnswlib
        self.params, self.data, self.hnswlib = entry["params"], data, hnswlib
        self.index = self.empty()

    def empty(self):  # unit rows in L2 are in the order of their cosines
        return self.hnswlib.Index(space="ip" if self.data.distance == "ip" else "l2", dim=self.data.d)

    def build(self, rows, threads):
        self.index.init_index(max_elements=len(rows), M=self.params["M"], ef_construction=self.params["ef_construction"], random_seed=SEED)
        self.index.add_items(rows, num_threads=threads)

    def save(self, path):
        self.index.save_index(str(path))

    def open(self, path):
        self.index = self.empty()
        self.index.load_index(str(path))
        self.index.set_num_threads(1)

    def set(self, effort):
        self.index.set_ef(effort["ef"])

    def search(self, queries, k):
        return self.index.knn_query(queries, k=k, num_threads=1)[0]


class Faiss:
    def __init__(self, entry, data):
        import faiss
        self.faiss, self.params, self.data, self.index = faiss, entry["params"], data, None
        self.metric = faiss.METRIC_INNER_PRODUCT if data.distance == "ip" else faiss.METRIC_L2

    def build(self, rows, threads):
        self.faiss.omp_set_num_threads(threads)
        self.index = self.empty()
        if not self.index.is_trained:
            self.index.train(rows)
        self.index.add(rows)

    def save(self, path):
        self.faiss.write_index(self.index, str(path))

    def open(self, path):
        self.faiss.omp_set_num_threads(1)
        self.index = self.faiss.read_index(str(path))

    def search(self, queries, k):
        return self.index.search(queries, k)[1]


class FaissHnsw(Faiss):
    def empty(self):
        index = self.faiss.IndexHNSWFlat(self.data.d, self.params["M"], self.metric)
        index.hnsw.efConstruction = self.params["ef_construction"]
        return index

    def set(self, effort):
        self.index.hnsw.efSearch = effort["ef"]


class FaissFactory(Faiss):
    def empty(self):
        return self.faiss.index_factory(self.data.d, self.params["factory"], self.metric)

    def set(self, effort):
        if effort:
            self.index.k_factor = effort["k_factor"]
            self.faiss.extract_index_ivf(self.faiss.downcast_index(self.index.base_index)).nprobe = effort["nprobe"]


class Ours:
    """libleann through leann.h: the saved file is opened memory-mapped, as a user's would be."""

    def __init__(self, entry, data, library_path):
        import leann
        self.leann, self.config, self.data, self.library, self.handle = leann, entry["params"], data, library_path, None
        self.bytes, self.seed = entry["kind"] == "u8", entry.get("seed", 1)

    def rows(self, array):
        kind = self.leann.U8 if self.bytes else self.leann.F32
        return self.leann.rows(array, *array.shape, kind, self.data.space)

    def build(self, rows, threads):
        self.handle = self.leann.Leann(self.library, seed=self.seed, threads=threads)
        self.handle.build(self.rows(self.data.train if self.bytes else rows), self.config)

    def save(self, path):
        self.handle.save(path)

    def open(self, path):
        self.handle = self.leann.Leann(self.library, threads=1)
        self.handle.open(path)

    def set(self, effort):
        self.handle.plan({"ef_search": effort["ef"]} if effort else {})

    def search(self, queries, k, work=None):
        ids, dist = np.empty((len(queries), k), np.uint32), np.empty((len(queries), k), np.float32)
        self.handle.search_into(self.rows(queries), k, ids.ctypes.data, dist.ctypes.data, None if work is None else work.ctypes.data)
        return ids

    def distances(self, queries, k):
        """Distances computed a query, by leann_work's count."""
        work = np.zeros((len(queries), ctypes.sizeof(self.leann.Work) // 8), np.uint64)
        self.search(queries, k, work)
        return float(work[:, 0].mean())
