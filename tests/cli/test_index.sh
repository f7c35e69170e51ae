#!/bin/bash
# build -> inspect -> search on made data: sizes as predicted, same bytes for 1 and 2 threads, cached stages, damaged files refused.
# SPDX-License-Identifier: MIT
set -u
bin=${LEANN_BIN:?}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
check() { # WHAT COMMAND…
    local what=$1
    shift
    "$@" >"$out/text" 2>&1 || {
        echo "failed: $what"
        cat "$out/text"
        failed=1
    }
}
refuses() { # PIECE COMMAND…: exit code 1 and a sentence
    local piece=$1
    shift
    "$@" >"$out/text" 2>&1
    [ $? -eq 1 ] && grep -qF -- "$piece" "$out/text" || {
        echo "not refused with '$piece': $*"
        cat "$out/text"
        failed=1
    }
}

check synth "$bin" dataset synth "$out/a.hdf5" --n 3000 --dim 16 --queries 100 --quiet
config='{method: graph, build: {graph: {hnsw: {M: 12}}}}'
check build "$bin" build "$out/a.hdf5" "$out/a.leann" --config "$config" --threads 1 --cache "$out/cache"
grep -q 'as predicted' "$out/text" || { echo "the size is not as predicted"; cat "$out/text"; failed=1; }
check "build with two threads" "$bin" build "$out/a.hdf5" "$out/b.leann" --config "$config" --threads 2
check "same bytes for 1 and 2 threads" cmp "$out/a.leann" "$out/b.leann"
echo "$config" >"$out/c.yml"
check "build from the cache" "$bin" build "$out/a.hdf5" "$out/b.leann" --config "$out/c.yml" --cache "$out/cache" --threads 1
grep -q 'from the cache' "$out/text" || { echo "nothing came from the cache"; cat "$out/text"; failed=1; }
check "build with two threads" "$bin" build "$out/a.hdf5" "$out/c.leann" --config "$out/c.yml" --cache "$out/cache" --threads 2
! grep -q 'from the cache' "$out/text" || { echo "seconds of one thread stand for two"; cat "$out/text"; failed=1; }
rm "$out/c.leann"
check "same bytes from the cache" cmp "$out/a.leann" "$out/b.leann"

check inspect "$bin" inspect "$out/a.leann" --json
grep -q "\"bytes\": $(stat -c %s "$out/a.leann")," "$out/text" || { echo "the ledger is not the file's size"; failed=1; }
for stage in "$out"/cache/*.stage; do check "inspect a stage" "$bin" inspect "$stage"; done

check search "$bin" search "$out/a.leann" "$out/a.hdf5" --query '{ef_search: 300}' --json
recall=$(sed -n 's/.*"recall": \([0-9.]*\),.*/\1/p' "$out/text")
awk -v r="${recall:-0}" 'BEGIN { exit !(r >= 0.95 && r <= 1) }' || { echo "recall is '$recall'"; failed=1; }
check answers "$bin" search "$out/a.leann" "$out/a.hdf5" --k 3 --queries 2 --answers
[ "$(grep -c '^[01]: ' "$out/text")" -eq 2 ] || { echo "not two answers"; failed=1; }

check "build without vectors" "$bin" build "$out/a.hdf5" "$out/f.leann" --config '{method: frugal, build: {quantizer: {pq: {sub_vectors: 4}}}}'
check explain "$bin" search "$out/f.leann" "$out/a.hdf5" --k 3 --explain 7
for said in 'codes: 3000 rows scored' 'fetch: 4 rows by replay' 'it ends: the best row left' '  1. row [0-9]*, distance [0-9.]*, exact neighbour 1$'; do
    grep -q -- "$said" "$out/text" || { echo "--explain does not say '$said'"; cat "$out/text"; failed=1; }
done
refuses '--explain 100: the data set' "$bin" search "$out/f.leann" "$out/a.hdf5" --explain 100

# Rows of the same shape that are not those of the index.
check "synth of the same shape" "$bin" dataset synth "$out/other.hdf5" --n 3000 --dim 16 --queries 100 --seed 2 --quiet
refuses "was built from other rows than those of $out/other.hdf5: their sha256 is " "$bin" search "$out/a.leann" "$out/other.hdf5"
sha() { sed -n 's/.*"train_sha256": "\([0-9a-f]*\)".*/\1/p'; }
[ "$("$bin" inspect "$out/a.leann" --json | sha)" = "$("$bin" dataset info "$out/a.hdf5" --json | sha)" ] || { echo "the index names other rows"; failed=1; }
cp "$out/a.hdf5" "$out/again.hdf5"
check "the same rows in another file" "$bin" search "$out/a.leann" "$out/again.hdf5"

refuses 'at most n = 3000' "$bin" search "$out/a.leann" "$out/a.hdf5" --k 3001
refuses "did you mean 'ef_search'?" "$bin" search "$out/a.leann" "$out/a.hdf5" --query '{efsearch: 3}'
refuses "did you mean 'hnsw'?" "$bin" build "$out/a.hdf5" "$out/c.leann" --config '{method: graph, build: {graph: hnws}}'
[ ! -e "$out/c.leann" ] || { echo "a refused build left a file"; failed=1; }
# A path slip of the hand does not cost a data set, nor an unwritable folder the build.
cp "$out/a.hdf5" "$out/data.hdf5"
refuses 'data.hdf5 is there already and is no leann index' "$bin" build "$out/data.hdf5" "$out/data.hdf5" --config "$config"
check "the data set is whole" cmp "$out/a.hdf5" "$out/data.hdf5"
refuses "cannot write $out: it is not a file" "$bin" build "$out/a.hdf5" "$out" --config "$config"
refuses 'cannot write /nonexistent/x.leann' "$bin" build "$out/a.hdf5" /nonexistent/x.leann --config "$config"
: >"$out/empty"
check "an empty file is filled" "$bin" build "$out/a.hdf5" "$out/empty" --config "$config"

head -c 5000 "$out/a.leann" >"$out/short.leann"
refuses short.leann "$bin" inspect "$out/short.leann"
refuses short.leann "$bin" search "$out/short.leann" "$out/a.hdf5"
printf 'x' | dd of="$out/b.leann" bs=1 seek=20000 conv=notrunc status=none
refuses b.leann "$bin" inspect "$out/b.leann"
exit $failed
