#!/bin/bash
# bench run on a tiny synthetic set: dry run, run, resume after kill -9 and Ctrl-C, crash, limits, bad folders, a full disk.
# SPDX-License-Identifier: MIT
set -u
bin=$(realpath "${LEANN_BIN:-build/dev/leann}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export HOME=$work

fail() { echo "FAILED: $*" >&2; tail -5 out err >&2 2>/dev/null; exit 1; }
says() { grep -q -- "$2" "$1" || fail "$1 does not say '$2'"; }
run() { "$bin" bench run "$@" >out 2>err; }
fails() { run "$@"; [ $? = 3 ] || fail "exit code not 3, though points failed: $*"; } # all done, some points failed
raws() { find "$1/raw" -name '*.h5' 2>/dev/null | wc -l; }
litter() { find "$1" -name '*tmp*' 2>/dev/null | wc -l; }
sweep() { # sweep FILE POINT_SECONDS LIMITS
    cat >"$1" <<END
about: tiny
data: $work/tiny.hdf5
k: [3, 10]
threads: 2
point_seconds: $2
limits: {$3}
cells:
  - method: codes
    build: {quantizer: [{pq: {sub_vectors: [4, 5]}}, sq]}
    query: {rerank: [0, 20]}
    requires: build.quantizer.pq.sub_vectors divides d
  - method: graph
    query: {ef_search: {grid: [10, 100, 1.1]}}
    target_recall: [0.5, 0.9]
  - method: flat
END
}
points=14
# The worker of a running sweep: its one child.
child_of() { cat /proc/"$1"/task/*/children 2>/dev/null | tr ' ' '\n' | head -1; }
wait_for() { # wait_for "TEST" – up to 30 s
    for _ in $(seq 600); do eval "$1" && return 0; sleep 0.05; done
    fail "waited in vain for: $1"
}

"$bin" dataset synth tiny.hdf5 --n 3000 --dim 16 --queries 200 --seed 1 >out 2>err || fail "synth"
sweep tiny.yml 0.01 ""

# A dry run says everything and writes nothing.
run tiny.yml --dry-run --results r || fail "dry run"
says out "$points points: $points to do"; says out "left out:"; says out "sub_vectors=5"; says out "estimate:"; says out "predicted, build about"
[ -e r ] && fail "a dry run wrote r"
run tiny.yml --dry-run --results r --json || fail "dry run, JSON"
says out '"predicted_bytes"'

# A run, and the same again: nothing left to do.
run tiny.yml --results r || fail "run"
says out "$points points measured, 0 failed, 0 from before, 1 cells or points left out"
[ "$(raws r)" = $points ] || fail "$(raws r) raw files, not $points"
[ "$(litter r)" = 0 ] || fail "temporary files are left"
run tiny.yml --results r --json || fail "second run"
says out '"measured": 0'; says out "\"skipped\": $points"
run tiny.yml --results r --only method=flat,k=3 --force || fail "--force"
says out "1 points measured"
run tiny.yml --results r --only methd=flat && fail "--only with an unknown key"
says err "methd"
sed 's/requires:.*/requires: n > 1000000/; /method: graph/,$d' tiny.yml >none.yml
run none.yml --results r && fail "a sweep without a point"
says err "constraints leave no point over"
run tinny.yml && fail "a sweep that is not there"
says err "tinny.yml"
# `batch: yes` measures more: its points are others, and those without it keep their names.
sed 's/^threads:/batch: yes\n&/' tiny.yml >batch.yml
run tiny.yml --results b1 --only method=flat,k=3 || fail "run"
run batch.yml --results b1 --only method=flat,k=3 || fail "run with batch"
says out "1 points measured, 0 failed, 0 from before"
run tiny.yml --results b1 --only method=flat,k=3 || fail "run without batch"
says out "0 points measured, 0 failed, 1 from before"
# A relative path of data is looked for beside the sweep, then here; a report made anywhere finds what was found.
mkdir -p sub/deep away
sed 's|^data:.*|data: ../tiny.hdf5|' tiny.yml >sub/rel.yml
run sub/rel.yml --results sub/r --only method=flat,k=3 || fail "data beside the sweep"
(cd sub/deep && run ../rel.yml --results ../r --only method=flat,k=3) || fail "data beside the sweep, from elsewhere"
says sub/deep/out "0 points measured, 0 failed, 1 from before"
(cd away && "$bin" bench report ../sub/r --format csv >out 2>err) || fail "a report from elsewhere: $(cat away/err)"
says sub/r/sweep.json '"data": "../../tiny.hdf5"' # no folder of this machine is in what gets committed
sed 's|^data:.*|data: tiny.hdf5|' tiny.yml >sub/rel.yml
run sub/rel.yml --results sub/r --only method=flat,k=3 || fail "data in the working folder"
(cd away && run ../sub/rel.yml --dry-run) && fail "data that are nowhere"
says away/err "no file tiny.hdf5 in the sweep's folder ../sub, nor in the working folder"
# Stages are shared, but their seconds are measurements: --force takes none from before, and those of another program do not count.
cached() { cat "$1"/.cache/*.json | grep -c '"cached": true'; }
rm -r r/raw r/.cache/*.leann r/.cache/*.json
run tiny.yml --results r --only method=codes || fail "run with the stages at hand"
[ "$(cached r)" = 2 ] || fail "$(cached r) stages from the cache, not 2"
run tiny.yml --results r --only method=codes --force || fail "--force"
[ "$(cached r)" = 0 ] || fail "--force took $(cached r) stages from before"
sed -i 's/"program": "/&another /' r/.cache/*.json
rm -r r/raw
run tiny.yml --results r || fail "run over builds of another program"
grep -q 'another' r/.cache/*.json && fail "builds of another program were taken"
# A result that was cut short is measured again, a damaged index is built again.
file=$(find r/raw -name '*.h5' | head -1); truncate -s 1000 "$file"
run tiny.yml --results r || fail "run over a damaged result"
says out "1 points measured, 0 failed"
for f in r/.cache/*.leann; do truncate -s 100 "$f"; done
run tiny.yml --results r --only method=flat,k=3 --force || fail "--force over a damaged cache"
run tiny.yml --results r2 || fail "run"; for f in r2/.cache/*.leann; do truncate -s 100 "$f"; done; rm -r r2/raw
run tiny.yml --results r2 || fail "run over a damaged cache"
says out "$points points measured, 0 failed"

# kill -9 in the middle: what is done stays, the worker dies too, nothing half is left, the next run goes on.
# A point is timed for 0.4 s, but at most 50 passes: it takes queries enough for that.
"$bin" dataset synth slow.hdf5 --n 3000 --dim 16 --queries 1000 --seed 1 >out 2>err || fail "synth"
sweep slow.yml 0.4 ""; sed -i 's/tiny.hdf5/slow.hdf5/' slow.yml
"$bin" bench run slow.yml --results k >out 2>err & pid=$!
wait_for '[ "$(raws k)" -ge 2 ]'
worker=$(child_of $pid)
kill -9 $pid; wait $pid 2>/dev/null
[ -z "$worker" ] || wait_for '[ ! -e /proc/$worker ] || grep -q "State:.Z" /proc/$worker/status'
done_before=$(raws k)
run slow.yml --results k --json || fail "run after kill -9"
says out "\"skipped\": $done_before"; says out '"failed": 0'
[ "$(raws k)" = $points ] || fail "$(raws k) raw files after kill -9"

# Ctrl-C: exit 130, what is done stays. Two writers: the second is refused while the first runs.
"$bin" bench run slow.yml --results c >out1 2>err1 & pid=$!
wait_for '[ "$(raws c)" -ge 1 ]'
worker=$(child_of $pid); kill -STOP "$worker" || fail "the sweep ended too soon" # however fast the points are, the first run is still there
run slow.yml --results c && fail "two writers"
says err "another run (process $pid) is writing c"
kill -INT $pid; kill -CONT "$worker"; wait $pid; code=$?
[ $code = 130 ] || fail "Ctrl-C: exit code $code"
says out1 "interrupted"
[ "$(litter c/raw)" = 0 ] || fail "Ctrl-C left temporary files"
before=$(raws c)
run slow.yml --results c --json || fail "run after Ctrl-C"
says out "\"skipped\": $before"; says out '"failed": 0'

# A crash in a search is one row; the points after it are measured by a fresh worker; --retry mends it.
"$bin" bench run slow.yml --results x --only method=graph >out 2>err & pid=$!
wait_for '[ "$(raws x)" -ge 1 ]'
kill -KILL "$(child_of $pid)"; wait $pid; [ $? = 3 ] || fail "a crash ended the sweep"
says out "3 points measured, 1 failed"; says err "signal 9"
fails slow.yml --results x --only method=graph --json
says out '"measured": 0'
run slow.yml --results x --only method=graph --retry || fail "--retry"
says out "1 points measured, 0 failed"

# Limits: a row that names limit and value; tried again when the limit is raised.
sweep limit.yml 0.01 "memory_mb: 1"
fails limit.yml --results l --only method=flat
says out "2 failed"; says err "memory_mb: .* MB, and the limit is 1 MB"
fails limit.yml --results l --only method=flat --json
says out '"measured": 0'
sweep limit.yml 0.01 "build_s: 0.001"
fails limit.yml --results l --only method=codes,quantizer=pq
says out "4 failed"; says err "build_s: .* s, and the limit is 0.001 s"
sweep limit.yml 0.01 ""
run limit.yml --results l || fail "limits raised"
says out "$points points measured, 0 failed, 0 from before"
sed 's/requires:.*//' tiny.yml >bad.yml
fails bad.yml --results b
says out "4 failed"; says err "sub_vectors"

# Folders that cannot be written, and a disk that fills up: a sentence, exit 1, nothing half.
run tiny.yml --results /proc/none && fail "a folder in /proc"
says err "/proc/none"
(ulimit -f 20; run tiny.yml --results f) && fail "files limited to 20 kB"
says err "leann bench run:"
[ "$(litter f)" = 0 ] || fail "a write that failed left temporary files"
run tiny.yml --results f || fail "run after a full disk"
says out "0 failed"
if unshare -rm true 2>/dev/null; then
    export -f run says fail litter; export bin
    unshare -rm bash -c 'mkdir full; mount -t tmpfs -o size=400k none full; run tiny.yml --results full/r; code=$?
        [ $code = 1 ] && says err "No space left" && [ "$(litter full)" = 0 ]' || fail "a full disk"
    unshare -rm bash -c 'mkdir ro; mount -t tmpfs -o ro none ro; run tiny.yml --results ro/r; [ $? = 1 ] && says err "Read-only"' || fail "read-only"
fi

# A/A: how large a difference is noise.
"$bin" bench aa tiny.yml --results r --only method=flat --pairs 3 >out 2>err || fail "aa"
says out "is noise here"; says r/aa.json '"noise"'
echo "bench run: all good"
