#!/usr/bin/env bash
# leann advise: on a summary whose right answers are known.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/outside.sh"

mkdir a b
cat >a/summary.csv <<'EOF'
method,quantizer,status,published,params,k,n,d,recall,index_bytes,mean_ms,recomputes,cell,point
graph,,ok,,{},3,1000,8,0.99,2000000,0.1,0,whole graph,ef 40
frugal,opq,ok,,{},3,1000,8,0.96,30000,1,20,frugal opq,confident
leann-paper,pq,ok,,{},3,1000,8,0.96,60000,0.5,400,paper pq,ef 80
codes,pq,ok,,{},3,1000,8,0.80,30000,0.4,0,codes pq,all
codes,sq,failed,,{},3,1000,8,0.99,10000,0.1,0,codes sq,failed
graph,,ok,others,{},3,1000,8,0.99,1000,0.001,0,of a paper,published
EOF
sed -n 1p a/summary.csv >b/summary.csv
echo 'frugal,opq,ok,,"{""fetcher"":""passages""}",3,1000,8,0.96,30000,0.01,20,with an encoder,measured' >>b/summary.csv

# The fastest by what an embedding costs: the whole graph, unless its bytes are too many; then the fewest recomputations, or none of them.
first() { "$leann" advise a b "$@" | sed -n 3p; }
first --n 1000 --encoder-ms 10 | grep -q '| 0.1 |.*whole graph' || say "the graph is the fastest: $(first --n 1000)"
first --n 1000 --encoder-ms 10 --budget 100000 | grep -q '^| 201 |.*frugal opq' || say "1 + 20 x 10 ms: $(first --n 1000 --budget 100000)"
first --n 1000 --encoder-ms 0.0001 --budget 100000 | grep -q 'paper pq' || say "embeddings that cost nothing"
first --n 1000 --encoder-ms 10 --budget 100000 --recall 0.7 | grep -q 'codes pq' || say "less recall, no recomputation"
first --n 4000 --encoder-ms 10 --budget 130000 | grep -q '^| 204 | 120 000 |.*frugal opq' || say "four times the vectors: $(first --n 4000 --budget 130000)"
[ "$("$leann" advise a b --n 1000 --top 100 --recall 0 | wc -l)" = 6 ] || say "four rows fit: neither failed nor published ones, nor with an encoder"
"$leann" advise a --n 1000 --json | grep -q '"recomputes": 20' || say "JSON"
"$leann" advise a --n 1000 --map | grep -q '^| 32 | frugal opq |.*frugal opq |$' || say "the map: $("$leann" advise a --n 1000 --map)"
"$leann" advise a --n 1000 --map | grep -q '^| 24 | – |' || say "nothing fits 24 bytes"

expect 1 "none of 6 measured rows has recall 0.95 in 1000 bytes" "$leann" advise a --budget 1000
expect 1 "none of 6 measured rows" "$leann" advise a --d 9
expect 1 "nowhere/summary.csv" "$leann" advise nowhere
expect 2 "recall" "$leann" advise a --recall 1.5
[ $failures = 0 ]
