# `gnuplot bytes_parts.gp` in this folder makes bytes_parts.svg and bytes_parts.pdf of bytes_parts.dat.
names = '"hnsw" 1'
small_names = ''
bars = 1
small = 0
zoom = 30
width = 1200
stem = 'bytes_parts'
N = 6
lo1 = 1; hi1 = 1
lo2 = 0; hi2 = 104.478143
lo3 = 100; hi3 = 104.48053
array title[6] = ['vectors', 'graph', 'meta', 'vectors', 'graph', 'meta']
array colour[6] = ['#9a9a9a', '#228833', '#aa3377', '#9a9a9a', '#228833', '#aa3377']
array shape[6] = [0, 0, 0, 0, 0, 0]
array dash[6] = [0, 0, 0, 0, 0, 0]
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

do for [format in 'svg pdf'] {
if (format eq 'svg') { set terminal svg size width,height dynamic noenhanced font 'Helvetica,15' background '#ffffff' } else { set terminal pdfcairo size width/110.0,height/110.0 noenhanced font 'Helvetica,13' }
set output stem.'.'.format
# SPDX-License-Identifier: MIT
# Bytes by part as stacked bars, percent of the float32 vectors. One series a part: x, bottom, top; below the left panel's bars that
# end under `zoom` percent come again in the right panel, larger: block N+i is block i of those.
set style fill solid 0.9 noborder
set grid noxtics ytics
set boxwidth 0.7
set multiplot layout 1,2
eval 'set xtics rotate by 35 right ('.names.')'
set bmargin 8
set lmargin 10
set rmargin 2
set tmargin 3
set ylabel 'size, % of the float32 vectors'
set xrange [0.4:bars+0.6]
set yrange [0:*]
unset key
set title 'all'
plot for [i=1:N/2] data index i-1 using 1:(($2+$3)/2):($1-0.36):($1+0.36):2:3 with boxxyerror lc rgb colour[i] notitle
set key outside right top
set rmargin 17
set xrange [0.4:small+0.6]
unset ylabel
set title sprintf('below %g %%', zoom)
if (small > 0) {
    eval 'set xtics rotate by 35 right ('.small_names.')'
    plot for [i=N/2+1:N] data index i-1 using 1:(($2+$3)/2):($1-0.36):($1+0.36):2:3 with boxxyerror lc rgb colour[i] notitle, \
         for [i=1:N/2] keyentry with boxes fill solid 0.9 lc rgb colour[i] title title[i]
}
unset multiplot
set output
}
