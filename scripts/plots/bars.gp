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
