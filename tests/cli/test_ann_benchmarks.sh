#!/bin/bash
# scripts/ann-benchmarks: what install puts where; module.py under a stand-in for ANN-benchmarks' base class, against a plain scan.
# SPDX-License-Identifier: MIT
set -u
bin=${LEANN_BIN:?}
root=$(cd "$(dirname "$0")/../.." && pwd)
export PYTHONDONTWRITEBYTECODE=1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

"$root/scripts/ann-benchmarks/install" --help | grep -q CHECKOUT || { echo "failed: install --help"; failed=1; }
"$root/scripts/ann-benchmarks/install" "$out" 2>"$out/text"
[ $? -eq 2 ] && grep -q 'needs the folder' "$out/text" || { echo "a folder that is no checkout is not refused"; failed=1; }
algorithms=$out/annb/ann_benchmarks/algorithms
mkdir -p "$algorithms/base"
"$root/scripts/ann-benchmarks/install" "$out/annb" >/dev/null || { echo "failed: install"; exit 1; }
tar tzf "$algorithms/leann/leann.tar.gz" >"$out/list"
for file in CMakeLists.txt core/leann.h scripts/peers_lib/leann.py; do
    grep -qx "leann/$file" "$out/list" || { echo "the archive has no $file"; failed=1; }
done

library=$(dirname "$bin")/libleann.so
[ -e "$library" ] || { echo "no $library: build the target leann_shared"; exit 1; }
if LC_ALL=C grep -qE '__(asan|tsan)_init' "$library"; then
    echo "left out here: module.py, because a plain Python cannot load a library built with a sanitizer; the release and clang builds run it"
    exit $failed
fi
echo 'class BaseANN: pass' >"$algorithms/base/module.py"
LEANN_LIBRARY=$library PYTHONPATH=$root/scripts/peers_lib:$out/annb python3 - "$algorithms/leann/config.yml" <<'E2' || failed=1
import ctypes, importlib, json, random, re, sys

N, D, Q, K = 500, 10, 12, 5
draw = random.Random(1)

def floats(n):
    return ((ctypes.c_float * D) * n)(*[(ctypes.c_float * D)(*[draw.gauss(0, 1) for _ in range(D)]) for _ in range(n)])

def nearest(x, v, angular):
    def key(row):
        if not angular:
            return sum((a - b) ** 2 for a, b in zip(row, v))
        return -sum(a * b for a, b in zip(row, v)) / sum(a * a for a in row) ** 0.5
    return sorted(range(N), key=lambda i: key(x[i]))[:K]

module = importlib.import_module("ann_benchmarks.algorithms.leann.module")
x, queries = floats(N), floats(Q)
text = open(sys.argv[1]).read()
assert set(re.findall(r"constructor: (\w+)", text)) == {"Leann"} and set(re.findall(r"module: (\S+)", text)) == {"ann_benchmarks.algorithms.leann"}
configs = [json.loads(re.sub(r"(\w*[a-zA-Z]\w*)", r'"\1"', group)) for group in re.findall(r"arg_groups: \[(.*)\]", text)]
assert len(configs) >= 6
for metric in ("euclidean", "angular"):
    truth = [nearest(x, v, metric == "angular") for v in queries]
    for config in configs:
        algorithm = module.Leann(metric, config)
        algorithm.fit(x)
        if config["method"] == "graph":
            algorithm.set_query_arguments(100)
        found = []
        for v in queries:
            algorithm.prepare_query(v, K)
            algorithm.run_prepared_query()
            found.append(algorithm.get_prepared_query_results())
        hits = sum(len(set(a) & set(b)) for a, b in zip(found, truth)) / (Q * K)
        assert hits >= (1 if config["method"] == "flat" else 0.95), (metric, config, hits)
        assert algorithm.query(queries[0], K) == found[0]
        algorithm.batch_query(queries, K)
        assert algorithm.get_batch_results() == found and algorithm.get_additional()["dist_comps"] > 0
        assert str(config) in algorithm.name
        algorithm.done()
E2
exit $failed
