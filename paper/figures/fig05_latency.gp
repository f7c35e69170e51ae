# `gnuplot fig05_latency.gp` in this folder makes fig05_latency.svg and fig05_latency.pdf of fig05_latency.dat.
stem = 'fig05_latency'
width = 900; height = 430
ylog = 1
groups = 8
yname = 'seconds a query at recall@3 of 0.90'
N = 2
lo1 = 1; hi1 = 8
lo2 = 0.000142308293; hi2 = 85.6238021
array title[2] = ['measured', 'modelled']
array colour[2] = ['#0072b2', '#d55e00']
array shape[2] = [7, 5]
array dash[2] = [1, 2]
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
# Bars in groups: one series a colour, rows place, height, name. Every series has a row for every group, NaN where it has no bar.
room = 0.84 / N
if (ylog) {
    set logscale y
    set format y '%.6g'
    do for [m in digits(lo2, hi2)] { do for [e=-9:9] { set ytics add (m*10.0**e) } }
    set yrange [lo2 / 2 : hi2 * 1.3]
} else {
    set yrange [0:hi2 * 1.08]
}
set style fill solid 0.9 noborder
set grid noxtics ytics
set boxwidth room * 0.92
set xrange [0.5:groups+0.5]
if (groups > 4) {
    set xtics rotate by 25 right
    set lmargin 14
}
if (exists('heading')) { set title heading }
set ylabel yname
plot for [i=1:N] data index i-1 using ($1 - 0.42 + room * (i - 0.5)):2 with boxes lc rgb colour[i] title title[i], \
     data index 0 using 1:(NaN):xtic(3) with points notitle
set output
}
