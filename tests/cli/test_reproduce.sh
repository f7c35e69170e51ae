#!/usr/bin/env bash
# scripts/reproduce: what it refuses; the whole of it by --quick, on our own sources and an encoder of random weights, without a network; run
# again, it measures nothing anew; its report has every figure, in HTML and, where groff is there, in PDF.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/outside.sh"
export PYTHONDONTWRITEBYTECODE=1 LEANN_BIN=$leann
reproduce=$here/../../scripts/reproduce
expect 0 "scripts/reproduce fig07 fig10" "$reproduce" --help
expect 2 "no figure 'fig12'; known are fig03, fig04" "$reproduce" fig12
expect 2 "--threads = 0: at least 1" "$reproduce" --threads 0
expect 0 "without fig03, fig04" "$reproduce" --quick --report --out "$tmp/nothing"
grep -q "Not measured here: scripts/reproduce fig11" nothing/report.html || say "a report of nothing does not say so"

library=$(dirname "$leann")/libleann.so
[ -e "$library" ] || { echo "no $library: build the target leann_shared"; exit 1; }
if LC_ALL=C grep -qE '__(asan|tsan)_init' "$library"; then
    echo "left out here: the run, since a plain Python cannot load a library built with a sanitizer; the release and clang builds have it"
    exit $((failures > 0))
fi
limit=(timeout 400)
expect 0 "report: $tmp/quick/report.html" "$reproduce" --quick --out "$tmp/quick"
grep -q "without fig" out && say "figures are missing: $(grep 'without fig' out)"
grep -q "points failed" out && say "points failed: $(cat out)"
for n in 3 4 5 6 7 8 9 10 11; do grep -q "<h2[^>]*>Figure $n: " quick/report.html || say "no figure $n"; done
for word in published measured modelled "A trial of the machinery"; do grep -q "$word" quick/report.html || say "the report does not say $word"; done
[ "$(grep -c '<figure>' quick/report.html)" = 9 ] || say "$(grep -c '<figure>' quick/report.html) plots, not 9"
grep -qE '>(nan|inf|None)[< ]' quick/report.html && say "the report has $(grep -oE '>(nan|inf|None)[< ]' quick/report.html | head -1)"
if command -v gropdf >/dev/null; then
    [ "$(head -c 5 quick/report.pdf)" = %PDF- ] || say "report.pdf is none"
else
    grep -q "no report.pdf: that needs groff" out || say "not a word of the PDF that cannot be made"
fi

# Again: every sweep finds all its points, and what was timed apart is not timed again.
stamp() { find quick \( -name '*.h5' -o -name 'parts.json' -o -name 'retrieval.json' -o -name '*.hdf5' \) -printf '%p %T@\n' | sort; }
before=$(stamp)
expect 0 "report: $tmp/quick/report.html" "$reproduce" --quick --out "$tmp/quick"
[ "$(stamp)" = "$before" ] || say "a second run has measured again"
grep -oE '^[0-9]+ points measured' out | grep -v '^0 ' && say "points were measured again"
[ $failures = 0 ]
