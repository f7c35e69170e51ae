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
