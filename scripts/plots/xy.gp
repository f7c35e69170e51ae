# SPDX-License-Identifier: MIT
# Any two columns: x against y, one series a legend. xlog and ylog are 0 or 1, lines joins the points of a series.
if (xlog) { set logscale x } else { unset logscale x }
if (ylog) { set logscale y } else { unset logscale y }
if (xlog) { set format x '%.4g' }
if (ylog) { set format y '%.4g' }
set offsets graph 0.03, graph 0.03, graph 0.05, graph 0.05
if (exists('xtop')) { set xrange [*:xtop] }
if (exists('heading')) { set title heading }
set xlabel xname
set ylabel yname
if (lines) {
    plot for [i=1:N] data index i-1 using 1:2 with linespoints lw 2.4 ps 0.9 lc rgb colour[i] pt shape[i] dt dash[i] title title[i]
} else {
    plot for [i=1:N] data index i-1 using 1:2 with points ps 1.3 lw 1.6 lc rgb colour[i] pt shape[i] title title[i]
}
