# `gnuplot health.gp` in this folder makes health.svg and health.pdf of health.dat.
A = 1
worst = 0.273157375
groups = 1
names = '"kmeans" 1'
width = 1300
height = 617
lines = 3
stem = 'health'
N = 3
lo1 = 1; hi1 = 1
lo2 = 0.209655181; hi2 = 0.999644957
lo3 = 0.999644957; hi3 = 0.999644957
lo4 = 0.999644957; hi4 = 0.999644957
lo5 = 0.737218081; hi5 = 0.737218081
lo6 = 0.737218081; hi6 = 0.737218081
lo7 = 0.737218081; hi7 = 0.737218081
array title[3] = ['829 anchors', 'opq, residual no', 'opq, residual yes, 829 anchors']
array colour[3] = ['#0072b2', '#e69f00', '#e69f00']
array shape[3] = [7, 4, 5]
array dash[3] = [1, 1, 1]
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
# Health of the anchors by selector and number of anchors, with its limits. Series 1 .. A: one a number of anchors, rows x, coverage, its
# range over seeds, balance, its range; series A+1 .. N: one a quantiser, rows x, error.
set multiplot layout 1,3
set grid noxtics ytics
set xrange [0.5:groups+0.5]
eval 'set xtics rotate by 35 right ('.names.')'
set lmargin 8
set rmargin 2
set bmargin 7 + 1.3 * lines
set tmargin 3
set key bmargin center horizontal maxcols 2 width -1
set offsets 0, 0, 0, 0
set yrange [0:1.02]
set title 'coverage'
unset ylabel
plot 0.80 with lines lw 2 dt 2 lc rgb '#2a7f2a' title 'healthy from 0.80', 0.70 with lines lw 2 dt 3 lc rgb '#b22222' title 'rebuild below 0.70', \
     for [i=1:A] data index i-1 using 1:2:3:4 with yerrorbars ps 1.5 lw 1.6 pt shape[i] lc rgb colour[i] title title[i]
set title 'balance'
plot 0.70 with lines lw 2 dt 2 lc rgb '#2a7f2a' title 'healthy from 0.70', \
     for [i=1:A] data index i-1 using 1:5:6:7 with yerrorbars ps 1.5 lw 1.6 pt shape[i] lc rgb colour[i] title title[i]
set title 'quantisation error'
set yrange [0:worst > 0.055 ? worst * 1.1 : 0.06]
plot 0.05 with lines lw 2 dt 2 lc rgb '#2a7f2a' title 'healthy up to 0.05', \
     for [i=A+1:N] data index i-1 using 1:2 with points ps 1.4 lw 1.6 pt shape[i] lc rgb colour[i] title title[i]
unset multiplot
set output
}
