"""leann.h by ctypes: build, save, open, plan and search in process, with nothing but Python's own library.

Rows are any writable buffer of n * d values (a numpy array, array.array): they are borrowed, not copied, and kept alive by Rows.

SPDX-License-Identifier: MIT
"""
import ctypes as c
import json
import threading

F32, U8, I8 = 0, 1, 2                # leann_dtype
L2, ANGULAR, IP = 0, 1, 2            # leann_space
NONE = 0xFFFFFFFF                    # LEANN_NONE
VALUE_BYTES = {F32: 4, U8: 1, I8: 1}


class RowsStruct(c.Structure):
    _fields_ = [("base", c.c_void_p), ("stride", c.c_size_t), ("n", c.c_uint32), ("d", c.c_uint32), ("type", c.c_int), ("space", c.c_int)]


class Work(c.Structure):
    _fields_ = [(name, c.c_uint64) for name in ("dist_comps", "hops", "fetches", "recomputes", "encoder_calls", "cache_hits", "pages")]
    _fields_ += [("stage_ns", c.c_uint64 * 3), ("missing_ppm", c.c_uint64), ("approximate", c.c_uint64)]


class Text(c.Structure):
    _fields_ = [("bytes", c.c_char_p), ("n", c.c_size_t)]


class LeannError(Exception):
    pass


def rows(buffer, n, d, dtype=F32, space=L2):
    view = memoryview(buffer)
    if view.nbytes != n * d * VALUE_BYTES[dtype] or not view.c_contiguous:
        raise ValueError(f"rows: {n} x {d} values need {n * d * VALUE_BYTES[dtype]} contiguous bytes, not {view.nbytes}")
    hold = (c.c_char * view.nbytes).from_buffer(buffer)
    struct = RowsStruct(c.addressof(hold), d * VALUE_BYTES[dtype], n, d, dtype, space)
    struct.hold = hold
    return struct


def load(path):
    lib = c.CDLL(path)
    pointer, text = c.c_void_p, c.c_char_p
    out = c.POINTER(c.c_void_p)
    for name, result, arguments in (
        ("leann_ctx_new", pointer, (c.c_uint64, c.c_uint)),
        ("leann_ctx_free", None, (pointer,)),
        ("leann_ctx_error", text, (pointer,)),
        ("leann_status_word", text, (c.c_int,)),
        ("leann_index_build", c.c_int, (pointer, RowsStruct, text, out)),
        ("leann_index_save", c.c_int, (pointer, pointer, text)),
        ("leann_index_open", c.c_int, (pointer, text, out)),
        ("leann_index_free", None, (pointer,)),
        ("leann_index_size", c.c_uint32, (pointer,)),
        ("leann_index_dimension", c.c_uint32, (pointer,)),
        ("leann_index_config", text, (pointer,)),
        ("leann_plan_new", c.c_int, (pointer, pointer, text, c.POINTER(RowsStruct), out)),
        ("leann_plan_free", None, (pointer,)),
        ("leann_encoder_new", c.c_int, (pointer, text, out)),
        ("leann_encoder_free", None, (pointer,)),
        ("leann_encoder_dimension", c.c_uint32, (pointer,)),
        ("leann_encoder_identity", text, (pointer,)),
        ("leann_encode", c.c_int, (pointer, pointer, c.c_int, c.POINTER(Text), c.c_uint32, c.c_void_p)),
        ("leann_count_tokens", c.c_int, (pointer, pointer, c.POINTER(Text), c.c_uint32, c.c_void_p)),
        ("leann_search", c.c_int, (pointer, pointer, RowsStruct, c.c_uint32, c.c_void_p, c.c_void_p, c.c_void_p)),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class Leann:
    """One context with at most one index and one plan. Every failure is a LeannError with the library's own sentence."""

    def __init__(self, library, seed=1, threads=1):
        self.lib = load(str(library))
        self.ctx, self.index, self.plan_, self.source = self.lib.leann_ctx_new(seed, threads), None, None, None
        if not self.ctx:
            raise LeannError("leann_ctx_new: no memory")

    def check(self, status):
        if status:
            error = self.lib.leann_ctx_error(self.ctx).decode()
            raise LeannError(f"{self.lib.leann_status_word(status).decode()}: {error}")

    def take(self, make, *arguments):
        made = c.c_void_p()
        self.check(make(self.ctx, *arguments, c.byref(made)))
        return made

    def build(self, train, config):
        self.drop()
        self.index = self.take(self.lib.leann_index_build, train, json.dumps(config).encode())

    def save(self, path):
        self.check(self.lib.leann_index_save(self.ctx, self.index, str(path).encode()))

    def open(self, path):
        self.drop()
        self.index = self.take(self.lib.leann_index_open, str(path).encode())

    def config(self):
        return json.loads(self.lib.leann_index_config(self.index))

    def plan(self, query, source=None):
        self.lib.leann_plan_free(self.plan_)
        self.plan_, self.source = None, source
        self.plan_ = self.take(self.lib.leann_plan_new, self.index, json.dumps(query).encode(), c.byref(source) if source else None)

    def search_into(self, queries, k, ids, dist, work=None):
        """ids, dist, work: addresses of the caller's arrays (n, k) u32, (n, k) f32 and (n) Work or None."""
        self.check(self.lib.leann_search(self.plan_, self.ctx, queries, k, ids, dist, work))

    def search(self, queries, k):
        """(ids, dist, work) as ctypes arrays of n * k, n * k and n."""
        ids, dist, work = (c.c_uint32 * (queries.n * k))(), (c.c_float * (queries.n * k))(), (Work * queries.n)()
        self.search_into(queries, k, c.addressof(ids), c.addressof(dist), c.addressof(work))
        return ids, dist, work

    def search_on(self, threads, queries, k, block=64):
        """ids as a ctypes array of n * k: blocks of queries go to threads with a context each. A plan is shared by any number of them."""
        ids, dist = (c.c_uint32 * (queries.n * k))(), (c.c_float * (queries.n * k))()
        starts, errors = iter(range(0, queries.n, block)), []

        def work():
            ctx = self.lib.leann_ctx_new(1, 1)
            for first in starts:
                some = RowsStruct(queries.base + first * queries.stride, queries.stride, min(block, queries.n - first), queries.d,
                                  queries.type, queries.space)
                if self.lib.leann_search(self.plan_, ctx, some, k, c.addressof(ids) + 4 * first * k, c.addressof(dist) + 4 * first * k, None):
                    errors.append(self.lib.leann_ctx_error(ctx).decode())
                    break
            self.lib.leann_ctx_free(ctx)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if errors:
            raise LeannError(errors[0])
        return ids

    def drop(self):
        self.lib.leann_plan_free(self.plan_)
        self.lib.leann_index_free(self.index)
        self.plan_ = self.index = None

    def close(self):
        self.drop()
        self.lib.leann_ctx_free(self.ctx)
        self.ctx = None


class Encoder:
    """An encoder of text with one context: `leann plugins encoder` lists the words and parameters of a configuration."""

    def __init__(self, library, config, threads=1):
        self.leann = Leann(library, threads=threads)
        lib = self.leann.lib
        self.encoder = self.leann.take(lib.leann_encoder_new, json.dumps(config).encode())
        self.dimension, self.identity = lib.leann_encoder_dimension(self.encoder), lib.leann_encoder_identity(self.encoder).decode()

    def encode_into(self, texts, x, query=False):
        """texts: bytes each; x: address of the caller's array (len(texts), dimension) f32."""
        self.leann.check(self.leann.lib.leann_encode(self.encoder, self.leann.ctx, int(query), self.given(texts), len(texts), x))

    def count_tokens(self, texts):
        """Tokens of each text, bytes: without a limit, without the marks at its ends."""
        tokens = (c.c_uint32 * len(texts))()
        self.leann.check(self.leann.lib.leann_count_tokens(self.encoder, self.leann.ctx, self.given(texts), len(texts), tokens))
        return list(tokens)

    @staticmethod
    def given(texts):
        return (Text * len(texts))(*((text, len(text)) for text in texts))
