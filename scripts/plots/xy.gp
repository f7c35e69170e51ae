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
