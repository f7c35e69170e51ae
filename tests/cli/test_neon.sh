#!/bin/bash
# The NEON kernels, cross-compiled and run under an emulator: every check of tests/unit/kernels_check.c and dense_check.c, and the choice at run time.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v "$tool" >/dev/null || {
        echo "test_neon: $tool is missing; apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" >&2
        exit 1
    }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flags=(-std=gnu11 -O2 -I. -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
       -ffp-contract=off -fno-math-errno)
for source in core/simd/*.c tests/unit/{kernels,dense}_check.c tests/cli/neon_main.c; do
    own=()
    [[ $source == *kernels_neon.c ]] && own=(-march=armv8-a+crc) # as in CMakeLists.txt
    aarch64-linux-gnu-gcc "${flags[@]}" "${own[@]}" -c "$source" -o "$work/$(basename "$source" .c).o"
done
aarch64-linux-gnu-gcc -static "$work"/*.o -lm -lpthread -o "$work/check"

qemu-aarch64 "$work/check" scalar neon
chosen() { LEANN_ISA=$1 qemu-aarch64 "$work/check"; }
[[ $(chosen '') == 'chosen: neon' && $(chosen scalar) == 'chosen: scalar' && $(chosen avx512) == 'chosen: neon' ]]
