"""The entries: what is built and searched, at equal settings where libraries share them and at each one's advised settings where not.

An entry is {name, library, kind, params, efforts}: `kind` says what it may be compared with (exact | graph: over float vectors | codes |
u8: over the source's own bytes), `efforts` are the query parameters, in grids: the first key of an effort ascends, every combination of
the others is a grid of its own.

SPDX-License-Identifier: MIT
"""
import importlib.metadata
import itertools
import math

from data import file_sha

M, EF_CONSTRUCTION = 16, 200
PREFETCH = (None, [4, 1], [16, 4])   # SVS: [lookahead, step]; None: what the library chooses for the data
K_FACTORS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32)


def geometric(first, last, ratio=1.1):
    """Whole numbers from first to last, neighbours a factor of `ratio` apart (1 where that is less)."""
    values = [first]
    while values[-1] < last:
        values.append(min(last, max(values[-1] + 1, int(values[-1] * ratio))))
    return values


def grid(name, values, **others):
    """Efforts: `name` ascends inside, the others are fixed for each of its runs."""
    fixed = [dict(zip(others, combination)) for combination in itertools.product(*others.values())]
    return [{name: value, **rest} for rest in fixed for value in values]


def entries(data):
    wide = geometric(10, 2000)
    ef, window = grid("ef", wide), grid("ef", wide, prefetch=PREFETCH)
    refined = grid("ef", wide, k_factor=(1, 2, 4))
    table = [
        ("hnswlib", "hnswlib", "graph", hnsw(M), ef),
        ("faiss-hnsw", "faiss-cpu", "graph", hnsw(M), ef),
        ("faiss-hnsw-m32", "faiss-cpu", "graph", hnsw(2 * M), ef),
        ("usearch", "usearch", "graph", hnsw(M) | {"dtype": "f32"}, ef),
        ("usearch-m32", "usearch", "graph", hnsw(2 * M) | {"dtype": "f32"}, ef),
        ("svs-32", "scalable-vs", "graph", svs(data, 32), window),
        ("svs-64", "scalable-vs", "graph", svs(data, 64), window),
        ("leann-hnsw", "leann", "graph", ours({"hnsw": hnsw(M)}, "f32"), ef),
        ("leann-hnsw-m32", "leann", "graph", ours({"hnsw": hnsw(2 * M)}, "f32"), ef),
        ("leann-vamana", "leann", "graph", ours(vamana(2 * M), "f32"), ef),
        ("faiss-ivfpq-refine", "faiss-cpu", "codes", fast_scan(data), grid("nprobe", probes(data), k_factor=K_FACTORS)),
        ("faiss-hnsw-sq8-refine", "faiss-cpu", "codes", {"factory": f"HNSW{M}_SQ8,RFlat", "ef_construction": EF_CONSTRUCTION}, refined),
        ("svs-lvq8", "scalable-vs", "codes", svs(data, 32) | {"lvq": [8, 0]}, window),
        ("svs-lvq4x8", "scalable-vs", "codes", svs(data, 32) | {"lvq": [4, 8]}, window),
        ("usearch-bf16", "usearch", "codes", hnsw(M) | {"dtype": "bf16"}, ef),
        ("usearch-i8", "usearch", "codes", hnsw(M) | {"dtype": "i8"}, ef),
        *((f"leann-{name}-{word}", "leann", "codes", ours(graph, "f32", quantizer), ef)
          for name, graph in (("hnsw", {"hnsw": hnsw(M)}), ("hnsw-m32", {"hnsw": hnsw(2 * M)}), ("vamana", vamana(2 * M)))
          for word, quantizer in quantizers(data)),
        ("faiss-flat", "faiss-cpu", "exact", {"factory": "Flat"}, [{}]),
        ("leann-flat", "leann", "exact", {"method": "flat", "build": {"vectors": "f32"}}, [{}]),
    ]
    if data.train.dtype == "uint8" and data.distance != "angular":
        table += [("svs-32-u8", "scalable-vs", "u8", svs(data, 32), window),
                  ("leann-hnsw-u8", "leann", "u8", ours({"hnsw": hnsw(M)}, "source"), ef)]
    return [dict(zip(("name", "library", "kind", "params", "efforts"), row)) for row in table]


def hnsw(m):
    return {"M": m, "ef_construction": EF_CONSTRUCTION}


def vamana(degree):
    return {"vamana": {"degree": degree, "build_window": 100}}


def quantizers(data):
    """Of long rows the leading axes alone: a line or two of the cache a node (results/search-over-codes.md)."""
    long = data.d > 256
    return (("sq8", {"sq": {"bits": 8, "dims": 124 if long else 0}}), ("rabitq4", {"rabitq": {"bits": 4, "dims": 96 if long else 0}}))


def ours(graph, vectors, quantizer="none"):
    return {"method": "graph", "build": {"graph": graph, "vectors": vectors, "quantizer": quantizer}}


def svs(data, degree):
    """Window and alpha as its documentation has them: the default 200, and 1.2, or 0.95 where larger is nearer."""
    return {"degree": degree, "window": EF_CONSTRUCTION, "alpha": 0.95 if data.distance == "ip" else 1.2}


def lists(data):
    return max(1, round(4 * math.sqrt(data.n)))


def probes(data):
    return geometric(min(4, lists(data)), min(lists(data), 400))


def fast_scan(data):
    """Sub-vectors of 8 values for long rows, of 2 for short ones, as FAISS's wiki's winners have."""
    width = 8 if data.d >= 512 else 2
    subs = max(m for m in range(1, max(2, data.d // width + 1)) if data.d % m == 0)
    return {"factory": f"IVF{lists(data)},PQ{subs}x4fs,RFlat"}


def version(entry, library_path):
    if entry["library"] == "leann":
        return "leann " + file_sha(library_path)[:12]
    return f"{entry['library']} {importlib.metadata.version(entry['library'])}"
