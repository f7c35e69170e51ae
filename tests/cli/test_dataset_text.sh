#!/usr/bin/env bash
# test_dataset_text.sh – leann dataset text from the outside, with a small model made here: what it says, broken off and gone on with, full
# disks, and vectors recomputed from its passages by a search.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/outside.sh"
export LC_ALL=C

python3 "$here/tiny_model.py" tiny || exit 1 # its tokens are letters and digits

# ---- texts: paragraphs of 55 letters, and code
mkdir -p in/code in/build
paragraphs() { # HOW MANY
    awk -v n="$1" 'BEGIN { srand(2); for (i = 0; i < n; i++) { line = ""
        for (w = 0; w < 11; w++) { for (l = 0; l < 5; l++) line = line sprintf("%c", 97 + int(rand() * 26)); line = line " " }
        print line "\n" } }'
}
paragraphs 2000 >in/prose.txt
paragraphs 12000 >long.txt
for i in 1 2 3 4 5 6 7 8; do printf 'int f%s(int x)\n{\n    return x + %s;\n}\n' "$i" "$i" >in/code/$i.c; done
cp in/code/1.c in/code/again.c
echo '*.tmp' >in/.gitignore
echo 'build/' >>in/.gitignore
echo x >in/a.tmp
echo x >in/build/b.txt
printf 'a\0b' >in/binary
ln -s prose.txt in/link
make_set() { "$leann" dataset text in --model tiny --threads 1 "$@"; }

# ---- usage
expect 2 "--output is needed" "$leann" dataset text in
expect 2 "must end in .hdf5" "$leann" dataset text in --output x.npy
expect 2 "give --queries or --split, not both" "$leann" dataset text in --output x.hdf5 --queries q --split 3
expect 1 "unknown encoder 'minilmm'; did you mean 'minilm'?" "$leann" dataset text in --output x.hdf5 --encoder minilmm
expect 1 "leann model fetch" "$leann" dataset text in --output x.hdf5
expect 1 "binary: left out, it is binary" "$leann" dataset text in/binary --output x.hdf5 --model tiny
expect 1 "no file or folder none" "$leann" dataset text none --output x.hdf5 --model tiny
expect 1 "chunks of 63 tokens; the encoder takes at most 62" make_set --output x.hdf5 --chunk-tokens 63
expect 0 "above --max-file-mb" "$leann" dataset text --help

# ---- a plan alone, then the set
expect 0 "left out: 2 ignored, 1 binary, 1 link" make_set --output x.hdf5 --dry-run
grep -qF "11 files" out || say "not 11 files: $(cat out)"
grep -qF "1 repeats left out" out || say "the repeat is not seen: $(cat out)"
grep -qE "encoder minilm: 64 chunks in .* so about .* for the rest" out || say "no estimate: $(cat out)"
grep -qF "no queries" out || say "no word on queries: $(cat out)"
[ -e x.hdf5 ] || [ -e x.hdf5.partial ] && say "--dry-run has written"
head -c 5 in/prose.txt >queries.txt
printf '\n{"not": "json"}\nint f3\n' >>queries.txt
expect 0 "64 f32, angular, 3 queries with 100 neighbours each" make_set --output x.hdf5 --queries queries.txt
[ -e x.hdf5.partial ] && say "x.hdf5.partial is left behind"
expect 0 "angular" "$leann" dataset info ./x.hdf5
expect 0 "y.hdf5: 2009 x 64" "$leann" dataset text in --model tiny --threads 2 --output y.hdf5 --queries queries.txt --quiet
cmp x.hdf5 y.hdf5 || say "two threads give other bytes"
expect 0 '"binary": 1' make_set --output y.hdf5 --split 20 --json --quiet
expect 0 "queries    20, 100 neighbours" "$leann" dataset info ./y.hdf5

# ---- killed, and stopped by Ctrl-C: the next run goes on, to the same bytes
slow=(dataset text long.txt --model tiny --threads 1 --encoder '{minilm: {batch: 1}}' --queries queries.txt --output z.hdf5)
expect 0 "z.hdf5: 12000 x 64" "$leann" "${slow[@]}"
mv z.hdf5 unbroken.hdf5
for signal in KILL INT; do
    "$leann" "${slow[@]}" >out 2>&1 &
    pid=$!
    for _ in $(seq 2000); do
        [ -e z.hdf5.partial ] && [ "$(stat -c %s z.hdf5.partial)" -gt 20000 ] && break
        sleep 0.01
    done
    kill -$signal $pid
    wait $pid
    [ -e z.hdf5 ] && say "z.hdf5 is there after a SIG$signal"
    [ $signal = KILL ] || grep -qF "the same command goes on there" out || say "no word of what is kept: $(cat out)"
    expect 0 "vectors kept of an interrupted run" "$leann" "${slow[@]}"
    cmp z.hdf5 unbroken.hdf5 || say "a set that was broken off by SIG$signal has other bytes"
    rm z.hdf5
done
left=$(find . -name '.z.hdf5.*')
[ -z "$left" ] || say "left behind: $left"
# A full disk, as a limit on the size of files.
expect 1 "cannot write" bash -c "trap '' XFSZ; ulimit -f 400; exec '$leann' dataset text in --model tiny --output full.hdf5"
[ -e full.hdf5 ] && say "full.hdf5 is there"

# ---- what it is for: codes alone, the best recomputed from text; the same answers as from the vectors themselves
expect 0 "as predicted" "$leann" build ./x.hdf5 x.leann --config '{method: codes, build: {quantizer: {pq: {sub_vectors: 8}}}}'
ids() { sed -n '/^[0-9]*: /s/ ([^)]*)//gp' out; }
expect 0 "20.0 recomputes" "$leann" search x.leann ./x.hdf5 --query '{rerank: 20}' --answers
wanted=$(ids)
expect 0 "20.0 recomputes, 1.0 encoder_calls" "$leann" search x.leann ./x.hdf5 --query '{rerank: 20, fetcher: passages}' --answers
[ -n "$wanted" ] && [ "$(ids)" = "$wanted" ] || say "other answers from text: $(ids) but $wanted"
expect 1 "is not the one that made the data set: its identity is" \
    "$leann" search x.leann ./x.hdf5 --query "{rerank: 20, fetcher: {passages: {encoder: {minilm: {model: $tmp/tiny, precision: int8}}}}}"
expect 0 "64 f32" "$leann" dataset synth plain.hdf5 --n 300 --dim 64 --queries 5 --quiet
expect 0 "as predicted" "$leann" build ./plain.hdf5 plain.leann --config '{method: codes, build: {quantizer: {pq: {sub_vectors: 8}}}}'
expect 1 "has no passages: it was not made by" "$leann" search plain.leann ./plain.hdf5 --query '{rerank: 5, fetcher: passages}'
strata='{method: anchor, build: {selector: {stratified-kmeans: {group_by: language}}}}'
expect 0 "as predicted" "$leann" build ./x.hdf5 a.leann --config "$strata"

# ---- queries that say where their answers lie: how well they are found
for i in 1 2 3 4 5 6; do echo '{"text": "return f'$i'", "path": "in/code/'$i'.c", "first_line": 1, "last_line": 4}'; done >judged.jsonl
expect 0 "6 queries" make_set --output j.hdf5 --queries judged.jsonl
expect 0 "6 queries" make_set --output k.hdf5 --queries judged.jsonl --precision int8
expect 0 "./j.hdf5: 2009 passages, 3 of 6 queries" "$leann" bench retrieval ./j.hdf5
expect 0 "nearest of dense of ./j.hdf5 that its own hold: of 3 " "$leann" bench retrieval ./j.hdf5 ./k.hdf5 --all
grep -qE "^bm25 +1\.000 \[1\.000, 1\.000\]" out || say "a word that one chunk alone has is not found: $(cat out)"
grep -qE "^hybrid +[01]\.[0-9]{3} \[" out || say "no hybrid: $(cat out)"
expect 0 '"compared_with": "./j.hdf5"' "$leann" bench retrieval ./j.hdf5 ./k.hdf5 --all --json
expect 1 "does not say what is relevant to its queries" "$leann" bench retrieval ./x.hdf5
expect 1 "which is none of the files of the set" "$leann" dataset text in/prose.txt --model tiny --output n.hdf5 --queries judged.jsonl
# ---- the index itself says where each answer lies
expect 0 "references.starts" "$leann" inspect x.leann
grep -qE '^  passages +2009 in 10 files, [0-9.]+ bytes each$' out || say "inspect says nothing of passages: $(cat out)"
identity=$("$leann" model info --model tiny | sed -n 's/^f32 .* //p')
grep -qF "encoder_identity \"$identity\"" out && [ ${#identity} = 64 ] || say "inspect does not name the encoder $identity: $(cat out)"
grep -qE '^  references.paths +ids ' out || say "references are not counted as ids: $(cat out)"
grep -qE '^  revisions .*"references": 1' out || say "no revision of references: $(cat out)"
expect 0 "recall@" "$leann" search x.leann ./x.hdf5 --query '{rerank: 20}' --answers --k 3 --queries 1
grep -cE '^ +[0-9]+  in/(prose.txt|code/[0-9].c|.gitignore):[0-9]+-[0-9]+$' out | grep -qx 3 || say "not three passages: $(cat out)"
place=$(sed -nE 's/^ +[0-9]+  (in.prose.txt:[0-9]+)-.*/\1/p' out | head -1)
[ -n "$(sed -n "${place#*:}p" "${place%%:*}")" ] || say "there is nothing at $place"
expect 0 '"first_line": ' "$leann" search x.leann ./x.hdf5 --answers --k 3 --queries 1 --json
grep -c '"path": "in/' out | grep -qx 3 || say "not three paths: $(cat out)"
expect 0 "in/prose.txt:" "$leann" search x.leann ./x.hdf5 --query '{rerank: 20}' --explain 0
expect 0 '"references": {' "$leann" inspect x.leann --json
expect 0 "recall@" "$leann" search plain.leann ./plain.hdf5 --answers --queries 1
grep -q '^ .* in/' out && say "passages where there are none"
# A set that refers to its files.
expect 0 "3 queries" make_set --output r.hdf5 --queries queries.txt --no-text
[ "$(stat -c %s r.hdf5)" -lt "$(stat -c %s x.hdf5)" ] || say "a set without text is not smaller"
expect 0 "20.0 recomputes" "$leann" search x.leann ./r.hdf5 --query '{rerank: 20, fetcher: passages}' --answers
[ "$(ids)" = "$wanted" ] || say "other answers from the files"
sed -i 's/^\(.\)/\1z/' in/prose.txt
expect 1 "in/prose.txt has changed since ./r.hdf5 was made of it" "$leann" search x.leann ./r.hdf5 --query '{rerank: 20, fetcher: passages}'
expect 0 "20.0 recomputes" "$leann" search x.leann ./x.hdf5 --query '{rerank: 20, fetcher: passages}' --answers
grep -qE '^ +[0-9]+  in/prose.txt, bytes [0-9]+ to [0-9]+: in/prose.txt has changed since the index was built$' out ||
    say "no word of the changed file: $(cat out)"
rm in/prose.txt
expect 0 '"problem": "cannot open in/prose.txt' "$leann" search x.leann ./x.hdf5 --answers --json

# ---- large files: left out with a word, unless named
mkdir large
head -c 70000000 /dev/zero | tr '\0' '\n' >large/big.txt
echo word >>large/big.txt
echo other >large/small.txt
expect 0 "large/big.txt: left out, 70.0 MB is above --max-file-mb 64" "$leann" dataset text large --model tiny --output l.hdf5 --dry-run
grep -qF "1 files" out || say "not one file: $(cat out)"
expect 0 "2 files (70.0 MB): 2 chunks" "$leann" dataset text large/big.txt large/small.txt --model tiny --output l.hdf5 --dry-run

# ---- paths that nothing can open as a whole: left out with a word, and the rest is taken
name=$(printf '%0200d' 0)
mkdir long
(cd long && for _ in $(seq 25); do echo word >f.txt; mkdir "$name" && cd -P "$name" || exit 1; done) || say "no long paths here"
expect 0 "left out: 4 deep" "$leann" dataset text long --model tiny --output p.hdf5 --dry-run
grep -qE '^21 files .*: 1 chunks' out || say "not the 21 files with paths below 4096 bytes: $(grep ' files ' out)"
(cd long && rm -rf "$name")

[ "$failures" = 0 ] && echo "leann dataset text: all well"
exit "$((failures > 0))"
