"""A data set as the library and its peers are given it, the fixed split of its queries, and recall_tie.

SPDX-License-Identifier: MIT
"""
import hashlib

import h5py
import numpy as np

SPACES = {"euclidean": 0, "angular": 1, "ip": 2}   # attribute `distance` -> leann_space
LOOK_UP = 64 << 20                                  # bytes of float64 rows that recall holds at a time


class DataSet:
    """An HDF5 file of ANN-benchmarks: `train` and `test` in their own type, `rows` and `queries` as float32 (unit rows when angular)."""

    def __init__(self, path, k):
        self.path, self.k = str(path), k
        with h5py.File(self.path, "r") as file:
            for name in ("train", "test", "neighbors"):
                if name not in file:
                    raise SystemExit(f"{path}: has no dataset '{name}'" + (": run `leann dataset groundtruth` on it" if name == "neighbors" else ""))
            distance = file.attrs.get("distance", "")
            self.distance = distance.decode() if isinstance(distance, bytes) else str(distance)
            self.train, self.test = file["train"][:], file["test"][:]
            self.neighbors = file["neighbors"][:]
        if self.distance not in SPACES:
            raise SystemExit(f"{path}: distance '{self.distance}' is none of {', '.join(SPACES)}")
        if self.neighbors.shape[1] < k:
            raise SystemExit(f"{path}: has {self.neighbors.shape[1]} neighbours a query, but k = {k}")
        self.space = SPACES[self.distance]
        self.n, self.d = self.train.shape

    def forget_rows(self):
        """Keeps the shape alone: for a worker that only searches."""
        self.train, self.test = self.train[:0].copy(), self.test[:0].copy()

    def floats(self, rows):
        out = np.ascontiguousarray(rows, dtype=np.float32)
        if self.distance == "angular":
            exact = rows.astype(np.float64)
            out = np.ascontiguousarray(exact / np.linalg.norm(exact, axis=1, keepdims=True), dtype=np.float32)
        return out

    def distances(self, queries, ids):
        """Float64 keys of (q) test rows to (q, m) train rows: squared L2, 1 - cos or -<q, x>. Each sums over d in one order, so ties stay ties."""
        out = np.empty(ids.shape)
        step = max(1, LOOK_UP // (ids.shape[1] * self.d * 8))
        for first in range(0, len(queries), step):
            q = self.test[queries[first:first + step]].astype(np.float64)[:, None, :]
            x = self.train[ids[first:first + step]].astype(np.float64)
            if self.distance == "euclidean":
                out[first:first + step] = ((x - q) ** 2).sum(axis=2)
            elif self.distance == "angular":
                out[first:first + step] = 1 - (x * q).sum(axis=2) / np.sqrt((x * x).sum(axis=2) * (q * q).sum(axis=2))
            else:
                out[first:first + step] = -(x * q).sum(axis=2)
        return out

    def limits(self, queries):
        """D_k of each query: the k-th smallest true distance, all those in the file computed anew."""
        return np.sort(self.distances(queries, self.neighbors[queries]), axis=1)[:, self.k - 1]

    def recall(self, queries, limits, ids):
        """recall_tie of answers (q, k): distinct ids with D <= D_k, over k. An id out of range is no answer."""
        ids = np.asarray(ids, dtype=np.int64)
        good = (ids >= 0) & (ids < self.n)
        for j in range(1, ids.shape[1]):
            good[:, j] &= ~(ids[:, :j] == ids[:, j:j + 1]).any(axis=1)
        near = self.distances(queries, np.where(good, ids, 0)) <= limits[:, None]
        return float((near & good).sum() / ids.size)


def rows_of(path):
    with h5py.File(path, "r") as file:
        return file["train"].shape[0] if "train" in file else 0


def file_sha(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- the split of eval/recall.c: all test rows shuffled by seed 1, the first half tunes, the rest reports -------------------------

MASK = (1 << 64) - 1


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def philox(seed, stage):
    """core/rng.c's u32 stream of item 0: Philox4x32-10 (Salmon et al. 2011)."""
    hashed = 0xCBF29CE484222325
    for letter in stage.encode():
        hashed = ((hashed ^ letter) * 0x100000001B3) & MASK
    key, draw = mix(seed ^ mix(hashed)), 0
    while True:
        c0, c1, c2, c3, k0, k1 = draw & 0xFFFFFFFF, draw >> 32, 0, 0, key & 0xFFFFFFFF, key >> 32
        for _ in range(10):
            p, q = 0xD2511F53 * c0, 0xCD9E8D57 * c2
            c0, c1, c2, c3 = (q >> 32) ^ c1 ^ k0, q & 0xFFFFFFFF, (p >> 32) ^ c3 ^ k1, p & 0xFFFFFFFF
            k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
        yield from (c0, c1, c2, c3)
        draw += 1


def below(draws, n):
    product = next(draws) * n
    if product & 0xFFFFFFFF < n:
        threshold = (1 << 32) % n
        while product & 0xFFFFFFFF < threshold:
            product = next(draws) * n
    return product >> 32


def split(test_rows, used):
    """(tune, report): rows of test, the first `used` (0: all) of the shuffle in two halves."""
    draws, order, used = philox(1, "split"), list(range(test_rows)), used or test_rows
    for i in range(used):
        j = i + below(draws, test_rows - i)
        order[i], order[j] = order[j], order[i]
    return np.array(order[:used // 2]), np.array(order[used // 2:used])
