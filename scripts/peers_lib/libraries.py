"""The libraries behind one shape: prepare (not timed), build, save, open, set an effort, search a batch on one thread.

A saved index is a file or a folder. Angular data are unit rows in L2 everywhere: the order of their cosines. Peers are imported in the
worker that runs them, never here.

SPDX-License-Identifier: MIT
"""
import ctypes
import os

import numpy as np

SEED = 100
PADDING = 32   # SVS: bytes that LVQ codes are aligned to; its documentation has 32 or 64 as the fastest


def adapter(entry, data, library_path):
    if entry["library"] == "leann":
        return Ours(entry, data, library_path)
    if entry["library"] == "faiss-cpu":
        return FaissFactory(entry, data) if "factory" in entry["params"] else FaissHnsw(entry, data)
    return {"hnswlib": Hnswlib, "usearch": Usearch, "scalable-vs": Svs}[entry["library"]](entry, data)


class Adapter:
    def __init__(self, entry, data):
        self.params, self.data, self.index = entry["params"], data, None
        self.bytes = entry["kind"] == "u8"

    def prepare(self, rows, scratch):
        """What a build needs on disk, under the path `scratch`; rows as floats."""


class Hnswlib(Adapter):
    def empty(self):
        import hnswlib
        return hnswlib.Index(space="ip" if self.data.distance == "ip" else "l2", dim=self.data.d)

    def build(self, rows, threads):
        self.index = self.empty()
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


class Faiss(Adapter):
    def __init__(self, entry, data):
        super().__init__(entry, data)
        import faiss
        self.faiss, self.metric = faiss, faiss.METRIC_INNER_PRODUCT if data.distance == "ip" else faiss.METRIC_L2

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

    def distances(self, queries, k):
        """Distances computed a query, by FAISS's own count."""
        self.faiss.cvar.hnsw_stats.reset()
        self.search(queries, k)
        return self.faiss.cvar.hnsw_stats.ndis / len(queries)


class FaissFactory(Faiss):
    """Flat, or a coarse index whose best k * k_factor are ranked again by their vectors."""

    def empty(self):
        index = self.faiss.index_factory(self.data.d, self.params["factory"], self.metric)
        if "ef_construction" in self.params:
            self.base(index).hnsw.efConstruction = self.params["ef_construction"]
        return index

    def base(self, index):
        return self.faiss.downcast_index(index.base_index)

    def set(self, effort):
        if not effort:
            return
        self.index.k_factor = effort["k_factor"]
        if "ef" in effort:
            self.base(self.index).hnsw.efSearch = effort["ef"]
        else:
            self.faiss.extract_index_ivf(self.base(self.index)).nprobe = effort["nprobe"]


class Usearch(Adapter):
    def empty(self):
        from usearch.index import Index
        return Index(ndim=self.data.d, metric="ip" if self.data.distance == "ip" else "l2sq", dtype=self.params["dtype"],
                     connectivity=self.params["M"], expansion_add=self.params["ef_construction"], enable_key_lookups=False)

    def typed(self, rows):
        """i8: as whole numbers of one scale for all rows, because the library's own conversion would make unit vectors of them. Bytes lose
        nothing by it; inner products need 0 to stay where it is."""
        if self.params["dtype"] != "i8":
            return rows
        low, high = self.bounds
        if self.data.distance == "ip":
            return np.clip(np.rint(rows * (127 / max(high, -low))), -128, 127).astype(np.int8)
        return np.clip(np.rint((rows - low) * (255 / (high - low))) - 128, -128, 127).astype(np.int8)

    def build(self, rows, threads):
        self.bounds = float(rows.min()), float(rows.max())
        self.index = self.empty()
        self.index.add(np.arange(len(rows)), self.typed(rows), threads=threads)

    def save(self, path):
        os.makedirs(path)
        self.index.save(os.path.join(path, "index"))
        np.save(os.path.join(path, "bounds.npy"), self.bounds)

    def open(self, path):
        self.index, self.bounds = self.empty(), np.load(os.path.join(path, "bounds.npy"))
        self.index.load(os.path.join(path, "index"))

    def set(self, effort):
        self.index.expansion_search = effort["ef"]

    def search(self, queries, k):
        self.found = self.index.search(self.typed(queries), k, threads=1)
        return self.found.keys.reshape(len(queries), k)

    def distances(self, queries, k):
        """Distances computed a query, by USearch's own count."""
        self.search(queries, k)
        return self.found.computed_distances / len(queries)


class Svs(Adapter):
    """Vamana over floats, bytes or LVQ codes; the last are made from a file, and reading it is part of the build."""

    def __init__(self, entry, data):
        super().__init__(entry, data)
        import svs
        self.svs, self.metric = svs, svs.DistanceType.MIP if data.distance == "ip" else svs.DistanceType.L2
        self.type = svs.DataType.uint8 if self.bytes else svs.DataType.float32

    def prepare(self, rows, scratch):
        if "lvq" in self.params:
            self.file = scratch + ".fvecs"
            self.svs.write_vecs(rows, self.file)

    def build(self, rows, threads):
        params = self.svs.VamanaBuildParameters(graph_max_degree=self.params["degree"], window_size=self.params["window"],
                                                alpha=self.params["alpha"])
        if "lvq" in self.params:
            primary, residual = self.params["lvq"]
            loader = self.svs.VectorDataLoader(self.file, self.type)
            rows = self.svs.LVQLoader(loader, primary=primary, residual=residual, padding=PADDING)
        self.index = self.svs.Vamana.build(params, rows, self.metric, num_threads=threads)

    def save(self, path):
        os.makedirs(path)
        self.index.save(*(os.path.join(path, part) for part in ("config", "graph", "data")))

    def open(self, path):
        config, graph, data = (os.path.join(path, part) for part in ("config", "graph", "data"))
        rows = self.svs.LVQLoader(data, padding=PADDING) if "lvq" in self.params else self.svs.VectorDataLoader(data, self.type)
        self.index = self.svs.Vamana(config, self.svs.GraphLoader(graph), rows, self.metric, query_type=self.type, num_threads=1)
        preset = self.index.search_parameters
        self.preset = [preset.prefetch_lookahead, preset.prefetch_step]

    def set(self, effort):
        params = self.index.search_parameters
        params.buffer_config = self.svs.SearchBufferConfig(effort["ef"])
        params.prefetch_lookahead, params.prefetch_step = effort["prefetch"] or self.preset
        self.index.search_parameters = params

    def search(self, queries, k):
        return self.index.search(queries, k)[0]


class Ours(Adapter):
    """libleann through leann.h: the saved file is opened memory-mapped, as a user's would be."""

    def __init__(self, entry, data, library_path):
        super().__init__(entry, data)
        import leann
        self.leann, self.library, self.seed = leann, library_path, entry.get("seed", 1)

    def rows(self, array):
        kind = self.leann.U8 if self.bytes else self.leann.F32
        return self.leann.rows(array, *array.shape, kind, self.data.space)

    def build(self, rows, threads):
        self.index = self.leann.Leann(self.library, seed=self.seed, threads=threads)
        self.index.build(self.rows(rows), self.params)

    def save(self, path):
        self.index.save(path)

    def open(self, path):
        self.index = self.leann.Leann(self.library, threads=1)
        self.index.open(path)

    def set(self, effort):
        """`ef` by the name that peers have for it; what else an effort holds are query parameters of the method."""
        query = {"ef_search" if name == "ef" else name: value for name, value in effort.items()}
        self.index.plan(query)

    def search(self, queries, k, work=None):
        ids, dist = np.empty((len(queries), k), np.uint32), np.empty((len(queries), k), np.float32)
        self.index.search_into(self.rows(queries), k, ids.ctypes.data, dist.ctypes.data, None if work is None else work.ctypes.data)
        return ids

    def search_on(self, threads, queries, k):
        self.index.search_on(threads, self.rows(queries), k)

    def distances(self, queries, k):
        """Distances computed a query, by leann_work's count."""
        work = np.zeros((len(queries), ctypes.sizeof(self.leann.Work) // 8), np.uint64)
        self.search(queries, k, work)
        return float(work[:, 0].mean())
