#!/bin/bash
# test_bench_report.sh – a small sweep becomes reports, figures, comparisons, exports and imports; bad input becomes sentences.
# SPDX-License-Identifier: MIT
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
refuses() { # TEXT COMMAND…: the command must fail and say TEXT
    local text=$1
    shift
    if "$@" > "$dir/said" 2>&1; then fail "went through: $*"; fi
    grep -qF -- "$text" "$dir/said" || fail "$* said: $(cat "$dir/said")"
}
leann=$LEANN_BIN
$leann dataset synth "$dir/small.hdf5" --n 1000 --dim 16 --queries 40 --seed 1 --quiet > /dev/null
sweep() {
    cat > "$dir/$1.yml" <<YML
data: $dir/small.hdf5
$2
k: [3, 10]
threads: 1
point_seconds: 0.001
cells:
  - method: graph
    build: {graph: {hnsw: {M: 8, ef_construction: 40}}}
    query: {ef_search: [10, 40]}
  - method: anchor
    build: {selector: [random, kmeans], anchors: 20, graph: flat, quantizer: {pq: {sub_vectors: 4, codebook_size: 64}}, residual: no}
    query: {probes: 8, rerank: [0, 50]}
YML
    $leann bench run "$dir/$1.yml" --results "$dir/$1" --quiet > /dev/null
}
sweep half 'seed: [1, 2]'
sweep whole 'split: no'
sed 's/^split: no/&\nqueries: 10/' "$dir/whole.yml" > "$dir/both.yml"
refuses "queries = 10 must go" "$leann" bench run "$dir/both.yml" --results "$dir/both" --quiet
sed 's/^split: no/&\ntarget_recall: 0.9/' "$dir/whole.yml" > "$dir/both.yml"
refuses "target_recall must go" "$leann" bench run "$dir/both.yml" --results "$dir/both" --quiet

# ---- reports
$leann bench report "$dir/half" --quiet > /dev/null
for f in summary.csv summary.json report.md report.html; do [ -s "$dir/half/$f" ] || fail "no $f"; done
head -1 "$dir/half/summary.csv" | grep -q '^dataset,method,selector,graph,quantizer,residual,anchors,params,k,status,recall,qps,p50_ms,p95_ms,p99_ms,build_s,index_bytes,bytes_per_vector,ratio_vectors,ratio_source,dist_comps,fetches,coverage,balance,quantization_error,peak_rss_mb,recall_lo,recall_hi,recall_annb,recomputes,encoder_calls,n,d,distance,seed,threads,isa,' || fail "columns: $(head -1 "$dir/half/summary.csv")"
[ "$($leann bench report "$dir/half" --format csv --quiet)" = "$(cat "$dir/half/summary.csv")" ] || fail "--format csv is not summary.csv"
[ "$(grep -c . "$dir/half/summary.csv")" = 25 ] || fail "rows: $(grep -c . "$dir/half/summary.csv")"
for f in recall_qps_k3 recall_qps_k10 bytes_fetches_r90 recall_bytes latency bytes_parts health; do
    for e in svg pdf gp dat; do [ -s "$dir/half/figures/$f.$e" ] || fail "no figure $f.$e"; done
done
grep -q 'data:image/svg+xml;base64,' "$dir/half/report.html" || fail "no image inline"
! grep -qE '(src|href)="(http|figures)' "$dir/half/report.html" || fail "report.html is not self-contained"
grep -q 'means over seeds' "$dir/half/report.md" || fail "seeds are not spoken of"
$leann bench report "$dir/half" --format json --quiet > "$dir/said"
grep -q '"recall_annb"' "$dir/said" || fail "no JSON"

# ---- a report of a committed folder, without raw results
mkdir "$dir/bare"
cp "$dir/half/summary.csv" "$dir/bare/"
$leann bench report "$dir/bare" --quiet > /dev/null
cmp -s "$dir/bare/summary.csv" "$dir/half/summary.csv" || fail "summary.csv does not survive"

# ---- without gnuplot: tables all the same, and the package's name
mkdir "$dir/none"
refuses gnuplot-nox env PATH="$dir/none" "$leann" bench report "$dir/half" --quiet
$leann bench report "$dir/half" --format md --quiet > "$dir/said"
grep -q 'QPS / hnsw' "$dir/said" || fail "no Markdown"

# ---- plot and compare
$leann bench plot "$dir/half" --x fetches --y recall --by selector --only method=anchor,k=10 --log y --out "$dir/p" --quiet > /dev/null
for e in svg pdf gp dat; do [ -s "$dir/p.$e" ] || fail "no p.$e"; done
refuses "did you mean 'recall'" "$leann" bench plot "$dir/half" --x recal --quiet
refuses "matches" "$leann" bench plot "$dir/half" --only method=nothing --quiet
$leann bench compare "$dir/half" "$dir/half" --only k=10 --quiet > "$dir/said"
grep -q '12 points in both, 0 in A alone' "$dir/said" || fail "$(head -1 "$dir/said")"
grep -q '+0.0000 to +0.0000 | 1.000 to 1.000 | no difference' "$dir/said" || fail "the same results differ: $(cat "$dir/said")"

# ---- the sweep whose export the README speaks of, on small data: it can be exported, and says what all queries at once give
stem=$(sed -n 's|^ *leann bench export results/\([a-z_]*\) .*|\1|p' README.md)
$leann dataset synth "$dir/wide.hdf5" --n 1000 --dim 784 --queries 20 --seed 1 --quiet > /dev/null
sed "s|^data:.*|data: wide.hdf5|; s|^point_seconds:.*|point_seconds: 0.001|" "eval/sweeps/$stem.yml" > "$dir/$stem.yml"
$leann bench run "$dir/$stem.yml" --results "$dir/$stem" --only method=flat,method=anchor --quiet > /dev/null
$leann bench export "$dir/$stem" --ann-benchmarks "$dir/readme" --quiet > /dev/null || fail "the README's export"
$leann bench report "$dir/$stem" --format json --quiet > "$dir/said"
grep -qE '"batch_qps": [1-9]' "$dir/said" || fail "no batch_qps"

# ---- export and import
refuses "split: no" "$leann" bench export "$dir/half" --ann-benchmarks "$dir/annb" --quiet
$leann bench export "$dir/whole" --ann-benchmarks "$dir/annb" --only k=10 --quiet > /dev/null
files=$(find "$dir/annb/small/10" -name '*.hdf5' | wc -l)
[ "$files" = 6 ] || fail "$files exported files"
find "$dir/annb" -name '*.hdf5' -print0 | xargs -0 "$leann" bench import --into "$dir/in" --data "$dir/small.hdf5" --quiet > /dev/null
cp "$dir/in/imported.csv" "$dir/whole/"
$leann bench report "$dir/whole" --quiet > /dev/null
grep -q 'leann-anchor' "$dir/whole/report.md" || fail "imported rows are not in the report"
printf 'dataset,method,k,recall,qps\nsmall,"Some, paper",10,0.93,50000\n' > "$dir/pub.csv"
$leann bench import "$dir/pub.csv" --into "$dir/in" --quiet > /dev/null
$leann bench import "$dir/pub.csv" --into "$dir/in" --quiet > /dev/null
[ "$(grep -c published "$dir/in/imported.csv")" = 2 ] || fail "imported twice: $(cat "$dir/in/imported.csv")"
printf 'dataset,method,k,recal\nsmall,x,10,0.9\n' > "$dir/bad.csv"
refuses "did you mean 'recall'" "$leann" bench import "$dir/bad.csv" --into "$dir/in" --quiet
printf 'dataset,method,k,recall\nsmall,x,10\n' > "$dir/bad.csv"
refuses ":2: fewer entries" "$leann" bench import "$dir/bad.csv" --into "$dir/in" --quiet
printf 'dataset,method,k,recall\nsmall,x,10,93\n' > "$dir/bad.csv"
refuses "not between 0 and 1" "$leann" bench import "$dir/bad.csv" --into "$dir/in" --quiet
refuses "attribute" "$leann" bench import "$dir/small.hdf5" --into "$dir/in" --quiet
refuses "no results in" "$leann" bench report "$dir/none" --quiet
echo "all passed"
