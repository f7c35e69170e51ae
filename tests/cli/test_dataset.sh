#!/usr/bin/env bash
# test_dataset.sh – leann dataset from the outside: what it prints, exit codes, full disks, read-only folders, interruption.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/outside.sh"

LEANN_DATA=$tmp/data expect 0 "mnist-784-euclidean" "$leann" dataset list
LEANN_DATA=$tmp/data expect 0 "$tmp/data" "$leann" dataset list
LEANN_DATA=$tmp/data expect 0 '"sha256": "dd6f0a6e' "$leann" dataset list --json
LEANN_DATA=$tmp/data expect 1 "did you mean sift-128-euclidean" "$leann" dataset info sift-128-euclidian
LEANN_DATA=$tmp/data expect 1 "put it into $tmp/data" "$leann" dataset fetch gist-960-euclidean
for name in glove-25-angular glove-50-angular glove-100-angular glove-200-angular sift-128-euclidean nytimes-256-angular deep-image-96-angular \
    fashion-mnist-784-euclidean lastfm-64-dot coco-i2i-512-angular coco-t2i-512-angular; do # all of ANN-benchmarks' dense sets
    LEANN_DATA=$tmp/data expect 1 "there is no download: get the file $name.hdf5" "$leann" dataset fetch $name
done

expect 0 "2000 x 32 f32, angular, 20 queries with 100 neighbours each" "$leann" dataset synth a.hdf5 --n 2000 --dim 32 --queries 20 --distance angular --seed 3
expect 0 "intrinsic dimension" "$leann" dataset synth a2.hdf5 --n 2000 --dim 32 --queries 20 --distance angular --seed 3 --threads 1
cmp -s a.hdf5 a2.hdf5 || say "the same seed gave other bytes"
expect 0 '"distance": "angular"' "$leann" dataset info a.hdf5 --json
expect 0 "angular, 20 queries" "$leann" dataset convert a.hdf5 b.hdf5
expect 0 "euclidean, 7 queries" "$leann" dataset convert a.hdf5 c.hdf5 --split 7 --distance euclidean
expect 0 "angular, 20 queries with 0 neighbours" "$leann" dataset convert a.hdf5 d.hdf5 --no-groundtruth
expect 0 "100 neighbours" "$leann" dataset groundtruth d.hdf5
gzip -k a.hdf5
expect 0 "angular, 20 queries" "$leann" dataset convert a.hdf5.gz e.hdf5
expect 2 "needs one of euclidean, angular, ip" "$leann" dataset convert a.hdf5 f.hdf5 --distance euclidian
expect 2 "must end in .hdf5" "$leann" dataset convert a.hdf5 f.npy
expect 1 "no file none.npy" "$leann" dataset convert none.npy f.hdf5 --distance ip
head -c 200000 a.hdf5 >cut.hdf5
expect 1 "cut.hdf5: not an HDF5 file, truncated or damaged" "$leann" dataset info cut.hdf5
[ -e f.hdf5 ] && say "f.hdf5 was left behind"

# Every row is looked at, unless --quick; what is read is not written over.
printf '\2\0\0\0\2\0\0\0\0\0\200\77\0\0\200\77\0\0\200\77\0\0\300\177' >nan.fbin
expect 1 "nan.fbin: row 1, column 1 is NaN" "$leann" dataset info nan.fbin
expect 0 "2 x 2 f32" "$leann" dataset info nan.fbin --quick
printf '\1\0\0\0a\2\0\0\0b' >mixed.bvecs
expect 1 "row 1 has dimension 2, the first row 1" "$leann" dataset info mixed.bvecs
mkfifo pipe.npy pipe.hdf5 # nobody writes to them
expect 1 "pipe.npy is not a file" timeout 60 "$leann" dataset info pipe.npy
expect 1 "pipe.npy is not a file" timeout 60 "$leann" dataset convert pipe.npy f.hdf5 --distance ip
expect 1 "pipe.hdf5 is not a file" timeout 60 "$leann" dataset info pipe.hdf5
ln a.hdf5 also-a.hdf5
before=$(sha256sum <a.hdf5)
expect 1 "a.hdf5 is read, so it cannot be the output too" "$leann" dataset convert a.hdf5 also-a.hdf5 --split 5
expect 1 "a.hdf5 is read, so it cannot be the output too" "$leann" dataset convert b.hdf5 a.hdf5 --queries a.hdf5
[ "$before" = "$(sha256sum <a.hdf5)" ] || say "a.hdf5 was converted into itself"
rm also-a.hdf5

# A full disk, as a limit on the size of files: the old file stays, no temporary one does.
before=$(sha256sum <a.hdf5)
expect 1 "a.hdf5: cannot write" bash -c "trap '' XFSZ; ulimit -f 64; exec '$leann' dataset synth a.hdf5 --n 2000 --dim 32 --queries 20"
expect 1 "a.hdf5" bash -c "trap '' XFSZ; ulimit -f 64; exec '$leann' dataset groundtruth a.hdf5"
expect 1 "cannot write" bash -c "trap '' XFSZ; ulimit -f 1; exec '$leann' dataset synth a.hdf5 --n 2000 --dim 32 --queries 20"
[ "$before" = "$(sha256sum <a.hdf5)" ] || say "a.hdf5 changed though it could not be written"
# A folder that cannot be written (root may write anywhere).
mkdir locked && chmod a-w locked
if [ "$(id -u)" != 0 ]; then
    expect 1 "cannot write locked/x.hdf5" "$leann" dataset synth locked/x.hdf5 --n 100 --dim 8
fi
expect 1 "cannot write /proc/x.hdf5" "$leann" dataset synth /proc/x.hdf5 --n 100 --dim 8
# Ctrl-C: no file, and nothing temporary.
"$leann" dataset synth big.hdf5 --n 400000 --dim 128 >out 2>&1 &
pid=$!
sleep 1
kill -INT $pid
wait $pid
[ $? = 1 ] || say "an interrupted synth did not exit with 1"
[ -e big.hdf5 ] && say "big.hdf5 was left behind"
left=$(find . -name '.*.??????' -o -name '*fetch-*')
[ -z "$left" ] || say "left behind: $left"

[ "$failures" = 0 ] && echo "leann dataset: all well"
exit "$((failures > 0))"
