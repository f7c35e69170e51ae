# `gnuplot bytes_parts.gp` in this folder makes bytes_parts.svg and bytes_parts.pdf of bytes_parts.dat.
names = '"leann-paper" 1'
small_names = '"leann-paper" 1'
bars = 1
small = 1
zoom = 30
width = 1200
stem = 'bytes_parts'
N = 8
lo1 = 1; hi1 = 1
lo2 = 0; hi2 = 5.37314741
lo3 = 3.125; hi3 = 5.37821131
array title[8] = ['codes', 'graph', 'codebooks', 'meta', 'codes', 'graph', 'codebooks', 'meta']
array colour[8] = ['#4477aa', '#228833', '#ee6677', '#aa3377', '#4477aa', '#228833', '#ee6677', '#aa3377']
array shape[8] = [0, 0, 0, 0, 0, 0, 0, 0]
array dash[8] = [0, 0, 0, 0, 0, 0, 0, 0]
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

do for [format in 'svg pdf'] {
if (format eq 'svg') { set terminal svg size width,height dynamic noenhanced font 'Helvetica,15' background '#ffffff' } else { set terminal pdfcairo size width/110.0,height/110.0 noenhanced font 'Helvetica,13' }
set output stem.'.'.format
# SPDX-License-Identifier: MIT
# Bytes by part as stacked bars, percent of the float32 vectors. One series a part: x, bottom, top. Where some of the bars end under `zoom`
# percent, a right panel has those again, larger: block N+i is block i of those.
set style fill solid 0.9 noborder
set grid noxtics ytics
set boxwidth 0.7
zoomed = small > 0 && small < bars
room(n) = n > 4 ? n + 0.6 : 4.6
set multiplot layout 1,(zoomed ? 2 : 1)
set bmargin 8
set tmargin 3
set lmargin 10
set ylabel 'size, % of the float32 vectors'
set yrange [0:*]
if (zoomed) {
    set rmargin 2
    unset key
    set title 'all'
} else {
    set rmargin 17
}
set xrange [0.4:room(bars)]
eval 'set xtics rotate by 35 right ('.names.')'
plot for [i=1:N/2] data index i-1 using 1:(($2+$3)/2):($1-0.36):($1+0.36):2:3 with boxxyerror lc rgb colour[i] notitle, \
     for [i=1:N/2] keyentry with boxes fill solid 0.9 lc rgb colour[i] title title[i]
if (zoomed) {
    set key outside right top
    set rmargin 17
    set xrange [0.4:room(small)]
    unset ylabel
    set title sprintf('below %g %%', zoom)
    eval 'set xtics rotate by 35 right ('.small_names.')'
    plot for [i=N/2+1:N] data index i-1 using 1:(($2+$3)/2):($1-0.36):($1+0.36):2:3 with boxxyerror lc rgb colour[i] notitle, \
         for [i=1:N/2] keyentry with boxes fill solid 0.9 lc rgb colour[i] title title[i]
}
unset multiplot
set output
}
