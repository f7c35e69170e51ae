#!/usr/bin/env bash
# The sweeps over MNIST expand, on made-up data of its width, and leave nothing out; the quickstart has every method at k = 3, 10, 100.
# SPDX-License-Identifier: MIT
set -euo pipefail
bin=$(realpath "$LEANN_BIN")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
"$bin" dataset synth "$dir/wide.hdf5" --n 8000 --dim 784 --queries 1000 --seed 1 --quiet > /dev/null
for stem in quickstart mnist_grid; do
    sed "s|^data:.*|data: $dir/wide.hdf5|" "eval/sweeps/$stem.yml" > "$dir/$stem.yml"
    "$bin" bench run "$dir/$stem.yml" --dry-run --results "$dir/$stem" --quiet > "$dir/$stem.txt"
    ! grep -q 'left out:\|cannot be built' "$dir/$stem.txt" || fail "$stem: $(grep -A3 'left out:\|cannot be built' "$dir/$stem.txt")"
done
for method in anchor flat 'graph graph=hnsw' 'graph graph=vamana' ivf codes; do
    for k in 3 10 100; do
        awk -v method="$method" -v k="    k=$k " '/^[a-z]/ { of = index($0, method) == 1 } of && index($0, k) == 1 { found = 1 } END { exit !found }' \
            "$dir/quickstart.txt" || fail "quickstart: no point of '$method' at k = $k"
    done
done
echo "all passed"
