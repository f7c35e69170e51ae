#!/usr/bin/env bash
# Follows the README: its plug-in in 25 lines goes into one file, one registry line and one sweep of a copy of the tree, and must then be
# listed, pass the contract tests and give a row of results. Nothing else is touched.
# SPDX-License-Identifier: MIT
set -euo pipefail
top=$PWD
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | grep -zv -e '^results/' -e '^datasets/mnist/' | xargs -0 cp --parents -t "$copy"
cd "$copy"

file=$(sed -n 's/^<!-- plugin: \(.*\) -->$/\1/p' README.md)
sed -n '/^<!-- plugin: /,/^<!-- \/plugin -->$/p' README.md | sed '/^<!--/d; /^```/d' >"$file"
lines=$(grep -c . "$file")
[ "$lines" -le 25 ] || { echo "the README's plug-in has $lines lines, not 25"; exit 1; }
word=$(basename "$file" .c) word=${word#selector_}
grep -q "LEANN_PLUGIN(selector, $word)" README.md
echo "LEANN_PLUGIN(selector, $word)" >>core/plugins.def

cmake -S . -B build/try -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=gcc >/dev/null
cmake --build build/try --target leann conform_methods >/dev/null
leann=build/try/leann
"$leann" plugins selector | grep -q "^ *$word"
build/try/tests/conform_methods

cat >mine.yml <<SWEEP
data: tiny.hdf5
k: 5
point_seconds: 0.01
cells:
  - method: anchor
    build: {selector: [random, $word], anchors: 20, graph: flat, quantizer: {sq: {bits: 8}}, residual: no}
    query: {probes: 5}
SWEEP
"$leann" dataset synth tiny.hdf5 --n 800 --dim 16 --queries 40 --seed 1 >/dev/null
"$leann" bench run mine.yml --results out
"$leann" bench report out --format csv >rows.csv
[ "$(grep -c ",$word,.*,ok," rows.csv)" -eq 1 ] || { cat rows.csv; exit 1; }
cd "$top"
