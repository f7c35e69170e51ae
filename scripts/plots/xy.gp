# SPDX-License-Identifier: MIT
# Open shapes where points are not joined: those that lie on each other are still seen.
# Any two columns: x against y, one series a legend. xlog and ylog are 0 or 1, lines joins the points of a series.
if (xlog) { set logscale x } else { unset logscale x }
if (ylog) { set logscale y } else { unset logscale y }
if (xlog) { set format x '%.6g' }
if (ylog) { set format y '%.6g' }
if (xlog && hi1 / lo1 < 300) { set xtics add (2, 5, 20, 50, 200, 500, 2000, 5000, 20000, 50000, 200000, 500000) }
if (ylog && hi2 / lo2 < 300) { set ytics add (2, 5, 20, 50, 200, 500, 2000, 5000, 20000, 50000, 200000, 500000) }
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
