# `gnuplot bytes_fetches_r90.gp` in this folder makes bytes_fetches_r90.svg and bytes_fetches_r90.pdf of bytes_fetches_r90.dat.
xname = 'exact vectors fetched a query at recall@3 >= 0.90'
yname = 'index bytes a vector'
xlog = 0
ylog = 1
lines = 0
stem = 'bytes_fetches_r90'
N = 1
lo1 = 505.688; hi1 = 655.968
lo2 = 82.6093258; hi2 = 236.617009
array title[1] = ['leann-paper']
array colour[1] = ['#56b4e9']
array shape[1] = [7]
array dash[1] = [1]
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
# Open shapes where points are not joined: those that lie on each other are still seen.
# Any two columns: x against y, one series a legend. xlog and ylog are 0 or 1, lines joins the points of a series.
xlog = xlog && logs(lo1, hi1)
ylog = ylog && logs(lo2, hi2)
if (xlog) {
    set logscale x
    set format x '%.6g'
    do for [m in digits(lo1, hi1)] { do for [e=-9:9] { set xtics add (m*10.0**e) } }
}
if (ylog) {
    set logscale y
    set format y '%.6g'
    do for [m in digits(lo2, hi2)] { do for [e=-9:9] { set ytics add (m*10.0**e) } }
}
left = exists('xfrom') && lo1 < xfrom && hi1 > xfrom ? xfrom : below(lo1, hi1, xlog)
right = exists('xtop') ? xtop : above(lo1, hi1, xlog)
set xrange [left:right]
set yrange [below(lo2, hi2, ylog):above(lo2, hi2, ylog)]
if (exists('heading')) { set title heading }
set xlabel xname
set ylabel yname
if (lines) {
    plot for [i=1:N] data index i-1 using 1:2 with linespoints lw 2.4 ps 0.9 lc rgb colour[i] pt shape[i] dt dash[i] title title[i]
} else {
    plot for [i=1:N] data index i-1 using 1:2 with points ps 1.4 lw 2 lc rgb colour[i] pt (shape[i] % 2 ? shape[i] - 1 : shape[i] + 1) title title[i]
}
set output
}
