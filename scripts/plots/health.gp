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
