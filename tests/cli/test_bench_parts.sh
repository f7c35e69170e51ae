#!/bin/bash
# leann bench parts: its table, its JSON, what it refuses.
# SPDX-License-Identifier: MIT
set -u
bin=${LEANN_BIN:?}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

# expect CODE TEXT ARGUMENT…: the exit code, and a piece of what it prints on either stream
expect() {
    local code=$1 text=$2
    shift 2
    "$bin" bench parts "$@" >"$out/text" 2>&1
    local got=$?
    if [ "$got" -ne "$code" ] || ! grep -qF -- "$text" "$out/text"; then
        echo "leann bench parts $*: exit code $got, wanted $code and '$text'; it printed:"
        cat "$out/text"
        failed=1
    fi
}

"$bin" dataset synth "$out/tiny.hdf5" --n 1200 --dim 32 --queries 30 --quiet >"$out/text" 2>&1 || { cat "$out/text"; exit 1; }
expect 0 "kmeans 9 to inertia" "$out/tiny.hdf5" --k 9 --inertia 1e30 --rounds 3 --repeats 2 --top 10 --scans 4
for part in peak 'kmeans 9' 'pq train' 'pq encode' adc fastscan exact; do
    grep -q "^$part " "$out/text" || { echo "no part '$part' in the table:"; cat "$out/text"; failed=1; }
done
expect 0 "not reached" "$out/tiny.hdf5" --only kmeans --k 9 --inertia 1e-9 --rounds 2 --repeats 1
expect 2 "did you mean 'fastscan'?" "$out/tiny.hdf5" --only adc,fastscna
expect 2 "--k has 'x'" "$out/tiny.hdf5" --k 9,x
expect 2 "--inertia has 2 numbers for 1 of --k" "$out/tiny.hdf5" --k 9 --inertia 1,2
expect 1 "2048 centroids of 1200 rows" "$out/tiny.hdf5"
expect 1 "no file" "$out/none.hdf5"
"$bin" bench parts "$out/tiny.hdf5" --only kmeans,pq,adc,exact --k 9 --repeats 3 --threads 1 --sub-vectors 8 --json --quiet >"$out/json" ||
    { echo "no JSON"; failed=1; }
python3 - "$out/json" <<'E2' || failed=1
import json, sys
report = json.load(open(sys.argv[1]))
parts = {part["part"]: part for part in report["parts"]}
assert list(parts) == ["kmeans 9", "pq train", "pq encode", "adc", "exact"], list(parts)
assert report["n"] == 1200 and report["d"] == 32 and report["threads"] == 1 and report["repeats"] == 3
for part in parts.values():
    assert 0 < part["seconds"]["min"] <= part["seconds"]["median"] <= part["seconds"]["max"] and part["rate"] > 0, part
assert parts["kmeans 9"]["inertia"] > 0 and 0 < parts["adc"]["recall"] <= 1 and 0 < parts["pq train"]["relative error"] < 1
E2
exit $failed
