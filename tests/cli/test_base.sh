#!/bin/bash
# The program's frame: help for every command, exit codes, nearest words, output that cannot be written, plug-ins in all three forms.
# SPDX-License-Identifier: MIT
set -u
bin=${LEANN_BIN:?}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

# expect CODE TEXT COMMAND…: the exit code, and a piece of what it prints on either stream
expect() {
    local code=$1 text=$2
    shift 2
    "$bin" "$@" >"$out/text" 2>&1
    local got=$?
    if [ "$got" -ne "$code" ] || ! grep -qF -- "$text" "$out/text"; then
        echo "leann $*: exit code $got, wanted $code and '$text'; it printed:"
        cat "$out/text"
        failed=1
    fi
}

expect 2 "usage: leann COMMAND"
expect 0 "usage: leann COMMAND" --help
expect 0 "leann 0." --version
expect 2 "did you mean 'plugins'?" plugin
expect 2 "unknown command 'zzz'" zzz
expect 2 "unknown option '--zzz'" --zzz
expect 0 "examples:" help plugins
expect 0 "dataset info" help dataset
expect 0 "dataset info" dataset --help
expect 2 "dataset info" dataset
expect 2 "not both" plugins --json --markdown
expect 2 "between 0 and 9007199254740992" plugins --seed -1
expect 0 "  --only KEY=VALUE,…        only" bench run --help
expect 2 "did you mean --json?" plugins --jsn
expect 2 "--json takes no argument" plugins --json=5
expect 2 "one word too many: 'b'" plugins a b
expect 1 "did you mean 'selector'?" plugins selektor
expect 2 "--threads is 'x', but must be an integer" plugins --threads x
expect 2 "--threads is 5000, but must be between 0 and 1024" plugins --threads=5000
expect 2 "--seed needs an argument" plugins --seed
expect 2 "0 of at least 1 words given: FILE" inspect
expect 1 "/nonexistent" inspect /nonexistent
expect 1 "LEANNIDX" inspect "$0"
expect 1 "c.yml" build a b --config /nonexistent/c.yml
expect 1 "--config:2:1:" build a b --config '{method: ['
expect 0 '"kind": "graph"' plugins graph --json
expect 0 '| word | parameter | range | default | meaning |' plugins --markdown
expect 0 'default 1.095' plugins graph

# a level of instructions that is not there is no wish to fall back on another
export LEANN_ISA=avx9
expect 2 "LEANN_ISA is 'avx9', but this machine runs " plugins graph
expect 2 "scalar" plugins graph
expect 0 "leann 0." --version
export LEANN_ISA=scalar
expect 0 'default 1.095' plugins graph
export LEANN_ISA=
expect 0 'default 1.095' plugins graph
unset LEANN_ISA

# every command that help lists has help of its own, with examples
"$bin" --help | sed -n 's/^  \([a-z][a-z -]*[a-z]\)   .*/\1/p' >"$out/commands"
[ "$(wc -l <"$out/commands")" -ge 4 ] || { echo "help lists too few commands"; failed=1; }
while read -r command; do
    # shellcheck disable=SC2086
    expect 0 "examples:" $command --help
    ! grep -qF "(default )" "$out/text" || { echo "$command shows an empty default"; failed=1; }
done <"$out/commands"

if [ -w /dev/full ] && "$bin" plugins >/dev/full 2>"$out/text"; then
    echo "a full disk went unnoticed"
    failed=1
fi
exit $failed
