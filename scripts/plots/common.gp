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
