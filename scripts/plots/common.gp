# SPDX-License-Identifier: MIT
# What all figures share. A figure sets before this: stem, N series with title, colour, shape and dash, and what its template asks for.
set encoding utf8
set termoption noenhanced
set datafile missing 'NaN'
if (!exists('width')) width = 1000
if (!exists('height')) height = 560
set border 3 lw 1.2 lc rgb '#333333'
set tics nomirror out scale 0.6
set grid back lw 1 dt 1 lc rgb '#e2e2e2'
set key outside right top vertical Left reverse spacing 1.25 samplen 2.2
data = stem.'.dat'
# A range with a margin of 4 percent, on a logarithmic axis of 4 percent of its decades.
below(lo, hi, islog) = islog ? lo / (hi / lo) ** 0.04 / 1.05 : lo - (hi > lo ? (hi - lo) * 0.04 : abs(lo) * 0.05 + 1e-9)
above(lo, hi, islog) = islog ? hi * (hi / lo) ** 0.04 * 1.05 : hi + (hi > lo ? (hi - lo) * 0.04 : abs(hi) * 0.05 + 1e-9)
