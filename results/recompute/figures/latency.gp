# `gnuplot latency.gp` in this folder makes latency.svg and latency.pdf of latency.dat.
tail = 0
heading = 'fastest build of each method with recall@3 of at least 0.90'
stem = 'latency'
N = 10
lo1 = 1; hi1 = 10
lo2 = 0.139605; hi2 = 15.91231
lo3 = 0.201464; hi3 = 17.769767
lo4 = 0.2436703; hi4 = 18.1390809
array title[10] = ['anchor kmeans', 'codes opq', 'codes rabitq', 'codes sq', 'diskann', 'flat f32', 'frugal', 'hnsw f32', 'ivf-recompute', 'leann-paper']
array colour[10] = ['#0072b2', '#e69f00', '#e69f00', '#e69f00', '#56b4e9', '#555555', '#8c564b', '#d55e00', '#7f7f00', '#882255']
array shape[10] = [7, 7, 5, 9, 7, 7, 7, 7, 7, 7]
array dash[10] = [1, 1, 2, 3, 1, 1, 1, 1, 1, 1]
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
# Latency percentiles, one column a method: x, p50, p95, p99, p99.9 (ms), name. One series a method.
top = tail && hi5 > hi4 ? hi5 : hi4
ylog = logs(lo2, top)
if (ylog) {
    set logscale y
    do for [m in digits(lo2, top)] { do for [e=-9:9] { set ytics add (m*10.0**e) } }
}
set format y '%.4g'
set ylabel 'latency (ms)'
if (exists('heading')) { set title heading }
set xrange [0.5:N+0.5]
set yrange [below(lo2, top, ylog):above(lo2, top, ylog)]
set xtics rotate by 30 right
set grid noxtics ytics
plot for [i=1:N] data index i-1 using 1:2:(0):(column(4)-column(2)):xtic(6) with vectors nohead lw 2.4 lc rgb colour[i] notitle, \
     for [i=1:N] data index i-1 using 1:2 with points pt 7 ps 1.3 lc rgb colour[i] notitle, \
     for [i=1:N] data index i-1 using 1:3 with points pt 5 ps 1.3 lc rgb colour[i] notitle, \
     for [i=1:N] data index i-1 using 1:4 with points pt 9 ps 1.5 lc rgb colour[i] notitle, \
     for [i=1:N] data index i-1 using 1:5 with points pt 3 ps 1.5 lw 1.6 lc rgb colour[i] notitle, \
     NaN with points pt 7 ps 1.3 lc rgb '#333333' title 'p50', \
     NaN with points pt 5 ps 1.3 lc rgb '#333333' title 'p95', \
     NaN with points pt 9 ps 1.5 lc rgb '#333333' title 'p99', \
     NaN with points pt (tail ? 3 : -1) ps 1.5 lw 1.6 lc rgb '#333333' title (tail ? 'p99.9' : '')
set output
}
