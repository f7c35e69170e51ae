#!/bin/bash
# scripts/peers without its environment: what it says of itself and refuses; the ctypes binding against a plain scan, from build to search.
# SPDX-License-Identifier: MIT
set -u
bin=${LEANN_BIN:?}
root=$(cd "$(dirname "$0")/../.." && pwd)
export PYTHONDONTWRITEBYTECODE=1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

"$root/scripts/peers" --help >"$out/text" 2>&1 && grep -q -- --build-threads "$out/text" || { echo "failed: --help"; cat "$out/text"; failed=1; }
"$root/scripts/peers" --repeats 0 >"$out/text" 2>&1
[ $? -eq 2 ] && grep -qF -- '--repeats = 0: at least 1' "$out/text" || { echo "--repeats 0 is not refused"; cat "$out/text"; failed=1; }
"$root/scripts/peers" --parts maybe >"$out/text" 2>&1
[ $? -eq 2 ] && grep -qF "'yes', 'no', 'only'" "$out/text" || { echo "--parts maybe is not refused"; cat "$out/text"; failed=1; }

library=$(dirname "$bin")/libleann.so
[ -e "$library" ] || { echo "no $library: build the target leann_shared"; exit 1; }
if LC_ALL=C grep -qE '__(asan|tsan)_init' "$library"; then
    echo "left out here: the binding, because a plain Python cannot load a library built with a sanitizer; the release and clang builds run it"
    exit $failed
fi
python3 - "$root/scripts/peers_lib" "$library" "$out/index.leann" <<'E2' || failed=1
import array, random, sys
sys.path.insert(0, sys.argv[1])
import leann

N, D, Q, K = 600, 12, 20, 5
draw = random.Random(1)
x = array.array("f", [draw.gauss(0, 1) for _ in range(N * D)])
q = array.array("f", [draw.gauss(0, 1) for _ in range(Q * D)])
bytes_ = bytearray(draw.randrange(256) for _ in range(N * D))

def nearest(rows, queries):
    key = lambda i, j: sum((rows[j * D + c] - queries[i * D + c]) ** 2 for c in range(D))
    return [sorted(range(N), key=lambda j: key(i, j))[:K] for i in range(Q)]

def found(ours, rows, queries):
    ids, dist, work = ours.search(queries, K)
    assert list(dist[:K]) == sorted(dist[:K]) and all(w.dist_comps > 0 for w in work)
    return sum(len(set(ids[i * K:i * K + K]) & set(truth)) for i, truth in enumerate(rows)) / (Q * K)

ours = leann.Leann(sys.argv[2], seed=1, threads=2)
train, queries, truth = leann.rows(x, N, D), leann.rows(q, Q, D), nearest(x, q)
ours.build(train, {"method": "flat"})
ours.plan({})
assert found(ours, truth, queries) == 1.0, "flat is not exact"
ours.build(train, {"method": "graph", "build": {"graph": {"hnsw": {"M": 8}}, "vectors": "f32"}})
ours.save(sys.argv[3])
ours.open(sys.argv[3])
assert ours.config()["build"]["graph"]["hnsw"]["M"] == 8 and ours.lib.leann_index_size(ours.index) == N
ours.plan({"ef_search": 200})
assert found(ours, truth, queries) >= 0.95, "hnsw misses"
assert list(ours.search_on(3, queries, K, block=7)) == list(ours.search(queries, K)[0]), "threads give other answers"
u8 = leann.rows(bytes_, N, D, leann.U8)
ours.build(u8, {"method": "flat"})
ours.plan({})
some = leann.rows(bytes_[:Q * D], Q, D, leann.U8)
assert found(ours, nearest(bytes_, bytes_), some) >= 0.95, "flat over bytes misses"  # ties may be either row
for refuse, sentence in ((lambda: ours.search_on(2, some, 0), "k is 0"), (lambda: ours.plan({"rerank": 3}), "rerank"), (lambda: ours.build(train, {"method": "grpah"}), "graph"),
                         (lambda: ours.open("/nowhere/index"), "/nowhere/index")):
    try:
        refuse()
    except leann.LeannError as error:
        assert sentence in str(error), error
    else:
        sys.exit(f"not refused: {sentence}")
ours.close()
E2
exit $failed
