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
# A logarithm says little over less than a factor of two, and such an axis would have no label: it stays linear.
logs(lo, hi) = hi > 2 * lo
# A range with a margin of 4 percent, on a logarithmic axis of 4 percent of its decades; one value is put in the middle.
below(lo, hi, islog) = islog ? lo / (hi / lo) ** 0.04 / 1.05 : lo - (hi > lo ? (hi - lo) * 0.04 : lo == 0 ? 1 : abs(lo) * 0.1)
above(lo, hi, islog) = islog ? hi * (hi / lo) ** 0.04 * 1.05 : hi + (hi > lo ? (hi - lo) * 0.04 : hi == 0 ? 1 : abs(hi) * 0.1)
# The digits that a logarithmic axis labels beside 1: more of them over fewer decades.
digits(lo, hi) = hi / lo > 3000 ? '' : hi / lo > 10 ? '2 5' : '1.5 2 3 4 5 6 8'
