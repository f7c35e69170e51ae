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
