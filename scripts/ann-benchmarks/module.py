"""leann under ANN-benchmarks: one class for all methods, with the build configuration and then the effort as arguments.

A query is prepared first, so that what is timed is one call of leann_search; rows and answers are shared with the library, not copied.
The binding is scripts/peers_lib/leann.py, on PYTHONPATH; the library $LEANN_LIBRARY.

SPDX-License-Identifier: MIT
"""
import ctypes
import os

import leann

from ..base.module import BaseANN


class Leann(BaseANN):
    def __init__(self, metric, config):
        self.space = {"euclidean": leann.L2, "angular": leann.ANGULAR}[metric]
        self.config, self.name = config, f"leann {config}"
        self.index, self.dist_comps = leann.Leann(os.environ["LEANN_LIBRARY"], threads=0), 0

    def rows(self, array):
        """Rows of floats, (n, d) or (d): borrowed where that is what they are."""
        view = memoryview(array)
        if view.format.lstrip("<=@") != "f" or not view.c_contiguous or view.readonly:
            array = array.astype("float32", order="C")
        shape = view.shape if view.ndim == 2 else (1, *view.shape)
        return leann.rows(array, *shape, leann.F32, self.space)

    def fit(self, X):
        self.index.build(self.rows(X), self.config)
        self.index.plan({})

    def set_query_arguments(self, effort):
        self.index.plan({"ef_search": effort})
        self.name, self.dist_comps = f"leann {self.config}, ef_search {effort}", 0

    def prepare_query(self, v, n):
        self.query_row, self.k = self.rows(v), n
        self.ids, self.dist, self.work = (ctypes.c_uint32 * n)(), (ctypes.c_float * n)(), leann.Work()
        self.places = [ctypes.addressof(out) for out in (self.ids, self.dist, self.work)]

    def run_prepared_query(self):
        self.index.search_into(self.query_row, self.k, *self.places)

    def get_prepared_query_results(self):
        self.dist_comps += self.work.dist_comps
        return [row for row in self.ids if row != leann.NONE]

    def query(self, v, n):
        self.prepare_query(v, n)
        self.run_prepared_query()
        return self.get_prepared_query_results()

    def batch_query(self, X, n):
        ids = self.index.search_on(len(os.sched_getaffinity(0)), self.rows(X), n)
        self.found = [[row for row in ids[first:first + n] if row != leann.NONE] for first in range(0, len(ids), n)]

    def get_batch_results(self):
        return self.found

    def get_additional(self):
        return {"dist_comps": self.dist_comps}

    def done(self):
        self.index.close()
