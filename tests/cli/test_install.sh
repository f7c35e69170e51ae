#!/usr/bin/env bash
# test_install.sh – what a program that is not ours gets: an installed tree found by pkg-config wherever it lies, a header that C and C++
# take, a library that exports what leann.h declares and nothing else, and that brings neither HDF5 nor GSL with it.
# SPDX-License-Identifier: MIT
set -u
leann=${LEANN_BIN:?}
build=$(dirname "$leann")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
say() { echo "FAILED: $*"; failed=1; }

cmake --install "$build" --prefix "$out/there" >"$out/text" 2>&1 || { cat "$out/text"; exit 1; }
mv "$out/there" "$out/moved" # the tree may be moved as a whole
pc=$(find "$out/moved" -name leann.pc)
export PKG_CONFIG_PATH=${pc%/*}
read -ra flags <<<"$(pkg-config --cflags --libs leann)"
library=$(find "$out/moved" -name 'libleann.so.*.*.*')
export LD_LIBRARY_PATH=${library%/*}
strict=(-Wall -Wextra -Wpedantic -Werror)

sed -nE 's/^[a-z][^(]*[ *](leann_[a-z0-9_]+)\(.*/\1/p' core/leann.h | sort >"$out/declared"
[ "$(wc -l <"$out/declared")" -gt 15 ] || say "the header's functions were not found"
nm -D --defined-only "$library" | awk '{ print $NF }' | sort >"$out/exported"
diff "$out/declared" "$out/exported" >"$out/text" || say "leann.h declares (<) what is not exported, or not what is (>): $(cat "$out/text")"
ldd "$library" | grep -iE 'gsl|hdf5|not found' && say "the library links what it must not"

cc "${strict[@]}" -std=c11 scripts/examples/nearest_rows.c "${flags[@]}" -o "$out/c" || say "the example is no C"
(cd "$out" && ./c >text && [ "$(wc -l <text)" = 3 ]) || say "the example does not run: $(cat "$out/text")"
if command -v c++ >/dev/null; then
    c++ "${strict[@]}" -x c++ scripts/examples/nearest_rows.c -x none "${flags[@]}" -o "$out/cpp" || say "the example is no C++"
    (cd "$out" && ./cpp >text2 && cmp -s text text2) || say "the example answers otherwise in C++"
fi
# The program as installed has its sweeps and templates with it: it measures and draws in a folder that is not the repository.
program=$(find "$out/moved" -path '*/bin/leann')
mkdir "$out/elsewhere" && cd "$out/elsewhere" || exit 1
"$program" bench run mnist_gird 2>text; grep -q "did you mean 'mnist_grid'" text || say "the sweeps are not installed: $(cat text)"
"$program" dataset synth small.hdf5 --n 500 --dim 8 --queries 20 --quiet >text 2>&1 || say "synth: $(cat text)"
printf 'data: small.hdf5\nk: 10\npoint_seconds: 0.001\ncells: [{method: graph, query: {ef_search: [10, 20, 40]}}]\n' >small.yml
{ "$program" bench run small.yml --results r --quiet && "$program" bench report r --quiet; } >text 2>&1 || say "run and report: $(cat text)"
[ -s r/figures/recall_qps_k10.svg ] || say "the installed program draws nothing"
exit $failed
