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
sweep() { # NAME LINE, cells from standard input: runs it
    cat - > "$dir/cells"
    cat > "$dir/$1.yml" <<YML
data: $dir/small.hdf5
$2
k: [3, 10]
threads: 1
point_seconds: 0.001
cells:
$(cat "$dir/cells")
YML
    $leann bench run "$dir/$1.yml" --results "$dir/$1" --quiet > /dev/null
}
cells='
  - method: graph
    build: {graph: {hnsw: {M: 8, ef_construction: 40}}}
    query: {ef_search: [10, 40]}
  - method: anchor
    build: {selector: [random, kmeans], anchors: 20, graph: flat, quantizer: {pq: {sub_vectors: 4, codebook_size: 64}}, residual: no}
    query: {probes: 16, rerank: [0, 100]}'
sweep half 'seed: [1, 2]' <<< "$cells"
sweep whole 'split: no' <<< "$cells"
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
grep -q 'in 1 run, builds included: 24 points measured, 0 failed' "$dir/half/report.md" || fail "how long it took: $(grep 'It took' "$dir/half/report.md")"
$leann bench report "$dir/half" --format json --quiet > "$dir/said"
grep -q '"recall_annb"' "$dir/said" || fail "no JSON"

# ---- chosen columns, and parameters out of the points
$leann bench show "$dir/half" --only method=graph,seed=1,k=3 --columns query.ef_search,recall,dataset --sort query.ef_search --format csv > "$dir/said"
[ "$(cut -d, -f1,3 "$dir/said" | tr '\n' ' ')" = "query.ef_search,dataset 10,small 40,small " ] || fail "bench show: $(cat "$dir/said")"
[ "$($leann bench show "$dir/half" --columns build.quantizer.pq.sub_vectors,recall --format csv | sort | uniq -c | grep -c ' 4,')" -ge 1 ] || fail "no nested parameter"
refuses "no column 'nix'" "$leann" bench show "$dir/half" --columns nix
refuses "one of md, csv, json" "$leann" bench show "$dir/half" --format xml

# ---- pages read: a table where searches read any
! grep -q '^### Pages read' "$dir/half/report.md" || fail "pages of methods in memory"
sweep disk 'seed: 1' <<YML
  - method: diskann
    build: {graph: {vamana: {degree: 8, build_window: 20}}}
    query: {ef_search: [10, 40]}
    k: 10
YML
$leann bench report "$dir/disk" --quiet > /dev/null
sed -n '/^### Pages read/,/^#/p' "$dir/disk/report.md" > "$dir/said"
[ "$(grep -c '^| diskann graph=vamana' "$dir/said")" = 2 ] || fail "pages read: $(cat "$dir/said")"

# ---- each point once: neither what was measured again counts beside it, nor what the sweep no longer has
sed -i 's/point_seconds: 0.001/point_seconds: 0.002/' "$dir/half.yml"
$leann bench run "$dir/half.yml" --results "$dir/half" --quiet > /dev/null
[ "$(find "$dir/half/raw" -name '*.h5' | wc -l)" = 48 ] || fail "measured again: $(find "$dir/half/raw" -name '*.h5' | wc -l) files"
$leann bench report "$dir/half" --quiet > /dev/null
grep -q 'in 2 runs, builds included: 48 points' "$dir/half/report.md" || fail "how long two runs took: $(grep 'It took' "$dir/half/report.md")"
[ "$(grep -c . "$dir/half/summary.csv")" = 25 ] || fail "rows of points measured twice: $(grep -c . "$dir/half/summary.csv")"
grep -q '24 raw files are left out: 0 of points that the sweep does not have, 24 of points that were measured again' "$dir/half/report.md" || fail "left out: $(grep 'left out' "$dir/half/report.md")"
cp -r "$dir/half" "$dir/less"
sed -i 's/ef_search: \[10, 40\]/ef_search: 10/; s/seed: .*/seed: 1/' "$dir/half.yml"
$leann bench run "$dir/half.yml" --results "$dir/less" --quiet > /dev/null
$leann bench plot "$dir/less" --out "$dir/less/p" --quiet > /dev/null # the summary from before the change is not taken
[ "$(grep -c '^[0-9]' "$dir/less/p.dat")" = 10 ] || fail "a plot of what the sweep no longer has: $(cat "$dir/less/p.dat")"
$leann bench report "$dir/less" --format md --quiet > "$dir/said"
grep -q '38 raw files are left out: 28 of points that the sweep does not have, 10 of points that were' "$dir/said" || fail "left out: $(grep 'left out' "$dir/said")"
! grep -q 'means over seeds' "$dir/said" || fail "one seed, measured twice, counts as two"

# ---- a report of a committed folder, without raw results
mkdir "$dir/bare"
cp "$dir/half/summary.csv" "$dir/bare/"
$leann bench report "$dir/bare" --quiet > /dev/null
cmp -s "$dir/bare/summary.csv" "$dir/half/summary.csv" || fail "summary.csv does not survive"

# ---- noise counts where it was measured
$leann bench aa "$dir/half.yml" --results "$dir/half" --pairs 2 --quiet > /dev/null
$leann bench report "$dir/half" --format md --quiet > "$dir/said"
grep -q 'Two runs of one point differ by up to' "$dir/said" || fail "noise: $(grep -i noise "$dir/said")"
sed -i 's/"cpu": "/&another /' "$dir/half/aa.json"
$leann bench report "$dir/half" --format md --quiet > "$dir/said"
grep -q 'The noise in aa.json is that of another machine' "$dir/said" || fail "noise of elsewhere: $(grep -i noise "$dir/said")"
! grep -q 'Two runs of one point differ' "$dir/said" || fail "the noise of another machine is taken"
rm "$dir/half/aa.json"

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
grep -q '6 points in both, 0 in A alone' "$dir/said" || fail "$(head -1 "$dir/said")"
grep -q '+0.0000 to +0.0000 | 1.000 to 1.000 | tie: seeds meet' "$dir/said" || fail "ranges that meet are no tie: $(cat "$dir/said")"
$leann bench compare "$dir/half" "$dir/half" --only k=10,seed=1 --quiet > "$dir/said"
grep -q '+0.0000 to +0.0000 | 1.000 to 1.000 | no difference' "$dir/said" || fail "the same results differ: $(cat "$dir/said")"

# ---- the sweep whose export the README speaks of, on small data: it can be exported, and says what all queries at once give
stem=$(sed -n 's|^ *leann bench export results/\([a-z_]*\) .*|\1|p' README.md)
$leann dataset synth "$dir/wide.hdf5" --n 1000 --dim 784 --queries 20 --seed 1 --quiet > /dev/null
sed "s|^data:.*|data: wide.hdf5|; s|^point_seconds:.*|point_seconds: 0.001|" "eval/sweeps/$stem.yml" > "$dir/$stem.yml"
$leann bench run "$dir/$stem.yml" --results "$dir/$stem" --only method=flat,method=anchor --quiet > /dev/null
$leann bench export "$dir/$stem" --ann-benchmarks "$dir/readme" --quiet > /dev/null || fail "the README's export"
$leann bench report "$dir/$stem" --format json --quiet > "$dir/said"
grep -qE '"batch_qps": [1-9]' "$dir/said" || fail "no batch_qps"
# ---- over seeds: ranges in the first table, pairs over both and at both recalls
grep -q '^| hnsw | 0.90 .*([0-9. ]*–[0-9. ]*) |' "$dir/half/report.md" || fail "no ranges: $(grep '^| hnsw' "$dir/half/report.md")"
for at in 0.90 0.95; do grep -q "at or above recall@10 of $at that" "$dir/half/report.md" || fail "no pairs at $at"; done
grep -q '^| anchor | .* | 2, hnsw 2 |' "$dir/half/report.md" || fail "not over both seeds: $(grep 'hnsw 2' "$dir/half/report.md")"

# ---- codes against a scan of all of them, the bound of coverage, figures from elsewhere
cat > "$dir/scan.yml" <<YML
data: $dir/small.hdf5
k: 10
threads: 1
point_seconds: 0.001
cells:
  - method: anchor
    build: {selector: [kmeans, max-coverage], anchors: 20, graph: flat, quantizer: {pq: {sub_vectors: 4, codebook_size: 64}}, residual: [no, yes]}
    query: {probes: [1, 4, 12, 20], rerank: 0}
YML
$leann bench run "$dir/scan.yml" --results "$dir/scan" --quiet > /dev/null
printf 'measure,where,reference,within,better,why\nn,selector=kmeans,1000,0,more,\ncoverage,"selector=kmeans,k=10",0.01,0.005,more,ours are denser\nbalance,selector=random,0.5,0,more,\n' > "$dir/scan/reference.csv"
$leann bench report "$dir/scan" --quiet > /dev/null
sed -n '/^### The anchor method against a scan/,/^### Health/p' "$dir/scan/report.md" | grep '^| kmeans' > "$dir/said"
[ "$(grep -c . "$dir/said")" = 2 ] || fail "scans: $(cat "$dir/said")"
awk -F'|' '{ if ($8 != " 1.0000 " || $11 < $9 - 0.01001 || $10 < 4 || $12 <= 0 || $13 <= 0 || $14 <= 0) exit 1 }' "$dir/said" || fail "scans: $(cat "$dir/said")"
sed -n '/^### Health/,/^##/p' "$dir/scan/report.md" > "$dir/said"
grep -q '^| anchor | max-coverage .* | 0\.[0-9]* | 0\.[0-9]* |' "$dir/said" && grep -q "a scan's recall@10" "$dir/said" || fail "health: $(cat "$dir/said")"
grep -q '^| n | selector=kmeans | 1 000 | 1 000 | 1.000 | agrees |' "$dir/scan/report.md" || fail "reference: $(grep '^| n ' "$dir/scan/report.md")"
grep -q '| better | ours are denser |' "$dir/scan/report.md" || fail "reference: $(grep '^| coverage' "$dir/scan/report.md")"
grep -q '^| balance | selector=random | 0.5 | – | .* | not measured |' "$dir/scan/report.md" || fail "reference: $(grep '^| balance' "$dir/scan/report.md")"

# ---- figures that would show nothing: none is drawn, one from before goes; bars of what reaches no recall; an axis around one value
mkdir "$dir/scan/once" && cp "$dir/scan/summary.csv" "$dir/scan/once/" && mkdir "$dir/scan/once/figures" && : > "$dir/scan/once/figures/latency.svg"
$leann bench report "$dir/scan/once" --quiet > /dev/null
[ ! -e "$dir/scan/once/figures/latency.svg" ] || fail "a figure from before stays"
for f in latency bytes_fetches_r90; do [ ! -e "$dir/scan/figures/$f.svg" ] || fail "a figure $f of nothing"; done
grep -q '"anchor kmeans \*" 1, "anchor max-coverage \*" 2' "$dir/scan/figures/bytes_parts.gp" || fail "bars: $(grep names "$dir/scan/figures/bytes_parts.gp")"
grep -q 'a star marks' "$dir/scan/report.md" || fail "what the star means is not said"
$leann bench plot "$dir/scan" --x fetches --y index_bytes --log y --only 'selector=kmeans,residual=no,point=k=10 probes=4 rerank=0' --out "$dir/one" --quiet > /dev/null
! grep -q '[0-9]e-[0-9]' "$dir/one.svg" || fail "an axis of 1e-09: $(grep -o '>[^<]*e-[^<]*<' "$dir/one.svg" | head -3)"
rm -r "$dir/scan/raw" # what a committed folder shows
$leann bench report "$dir/scan" --format md --quiet > "$dir/said"
grep -q 'against a scan of all its codes' "$dir/said" && grep -q '| better | ours are denser |' "$dir/said" || fail "without raw results: $(cat "$dir/said")"
sed -i 's/^coverage/coverag/' "$dir/scan/reference.csv"
refuses "no column 'coverag'" "$leann" bench report "$dir/scan" --quiet
rm "$dir/scan/reference.csv"

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
