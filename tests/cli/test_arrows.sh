#!/bin/bash
# test_arrows.sh – the house keeps its arrows, and the script that says so finds each kind of offence.
#
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/../.."
.ci/check_arrows

house=$(mktemp -d)
trap 'rm -rf "$house"' EXIT
mkdir -p "$house"/{core/simd,graphs,quant,encoders,methods,datasets,eval,server,cli,tests,scripts/examples,build}
say() { printf '%s\n' "$2" > "$house/$1"; }
say core/a.h ''
say core/leann.h ''
say graphs/b.h '#include "core/a.h"'
say datasets/d.h '#include <hdf5.h>'
say methods/m.h '#include "graphs/b.h"'
say eval/e.h '#include "datasets/d.h"'
say CMakeLists.txt 'BYPRODUCTS ${CMAKE_BINARY_DIR}/made.h'
say eval/f.c '#include "made.h"'
say core/list.def ''
say core/l.c '#include "core/list.def"'
say eval/g.c '#include <gsl/gsl_errno.h>'
say cli/c.c '#include "eval/e.h"'
say server/s.h ''
say cli/s.c '#include "server/s.h"'
say core/simd/k.c '#include <immintrin.h>'
say tests/t.c '#include <hdf5.h>'
say build/x.c '#include "nowhere.h"'
say scripts/examples/s.c '#include <leann.h>'
.ci/check_arrows "$house" > /dev/null || { echo "a good house was refused"; exit 1; }

# one offence each: FILE, its include, a word of the reason
refuse() {
    printf '/* x */\n  # include %s\n' "$2" > "$house/$1"
    if said=$(.ci/check_arrows "$house"); then echo "$1: $2 was let through"; exit 1; fi
    case $said in
    *"$1:2: "*"$3"*) ;;
    *) echo "$1: $2 gave: $said"; exit 1 ;;
    esac
    rm "$house/$1"
}
refuse core/x.c '"graphs/b.h"' 'from above'
refuse core/simd/x.c '"methods/m.h"' 'from above'
refuse graphs/x.h '"methods/m.h"' 'from above'
refuse eval/x.c '"cli/c.c"' 'from above'
refuse server/x.c '"cli/c.c"' 'from above'
refuse quant/x.c '"graphs/b.h"' 'beside'
refuse quant/x.c '"datasets/d.h"' 'beside'
refuse methods/x.c '"datasets/d.h"' 'no HDF5'
refuse eval/x.c '<hdf5.h>' 'one door'
refuse eval/x.c '<H5Tpublic.h>' 'one door'
refuse methods/x.c '<gsl/gsl_rng.h>' 'one door'
refuse cli/x.c '<jansson.h>' 'one door'
refuse core/x.c '<libfyaml.h>' 'one door'
refuse eval/x.c '<zmq.h>' 'one door'
refuse cli/x.c '<microhttpd.h>' 'one door'
refuse encoders/x.c '<utf8proc.h>' 'one door'
refuse eval/x.c '<sqlite3.h>' 'one door'
refuse quant/x.c '<cblas.h>' 'one door'
refuse core/x.c '<nettle/sha2.h>' 'one door'
refuse graphs/x.c '<immintrin.h>' 'one door'
refuse cli/x.c '<zlib.h>' 'one door'
refuse eval/x.c '<cmocka.h>' 'one door'
refuse graphs/x.c '"b.h"' 'no file'
refuse scripts/examples/x.c '"core/a.h"' 'leann.h only'
echo "arrows: good"
