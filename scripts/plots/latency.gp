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
