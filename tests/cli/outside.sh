# outside.sh – what tests of the program from the outside share; they source it, and are then in a fresh folder, $tmp, with a cache of its own.
# SPDX-License-Identifier: MIT
set -u
leann=${LEANN_BIN:?}
case $leann in /*) ;; *) leann=$PWD/$leann ;; esac
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
tidy() { chmod -R u+w "$tmp"; rm -rf "$tmp"; }
trap tidy EXIT
export XDG_CACHE_HOME=$tmp/cache
cd "$tmp" || exit 1
failures=0
say() { echo "FAILED: $*"; failures=$((failures + 1)); }
limit=() # (timeout SECONDS): of what expect runs
# expect CODE WORDS COMMAND…: the exit code, and words in what it prints
expect() {
    local code=$1 words=$2 got
    shift 2
    "${limit[@]}" "$@" >out 2>&1
    got=$?
    [ "$got" = "$code" ] || say "exit $got, not $code: $* -> $(tail -2 out)"
    grep -qF -- "$words" out || say "no \"$words\" in: $* -> $(tail -3 out)"
}
