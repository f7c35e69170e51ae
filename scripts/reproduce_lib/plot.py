"""A figure as gnuplot draws it through scripts/plots/: its data, a program that runs by itself, SVG and PDF.

SPDX-License-Identifier: MIT
"""
import math
import shutil
import subprocess

# Okabe & Ito 2008: told apart by colour-blind readers. Grey is what others report.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#332288")
PUBLISHED = "#9a9a9a"
WIDTH, HEIGHT = 900, 430


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def value(x):
    return quoted(x) if isinstance(x, str) else "NaN" if math.isnan(x) else f"{x:.9g}"


def draw(place, kind, stem, series, **settings):
    """The stem, or None where nothing could be drawn. series: [(title, rows, colour or None)]; rows of numbers, perhaps with a text at their end."""
    series = [one for one in series if any(math.isfinite(row[1]) for row in one[1])]
    if not series or not shutil.which("gnuplot"):
        return None
    folder = place.out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    blocks = []
    for title, rows, _ in series:
        lines = [" ".join(f'"{x}"' if isinstance(x, str) else value(x) for x in row) for row in rows]
        blocks.append(f"# {quoted(title)}\n" + "\n".join(lines) + "\n")
    (folder / f"{stem}.dat").write_text("\n\n".join(blocks), encoding="utf-8")
    (folder / f"{stem}.gp").write_text(program(place, kind, stem, series, settings), encoding="utf-8")
    done = subprocess.run(["gnuplot", f"{stem}.gp"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"gnuplot failed on {folder}/{stem}.gp: {done.stderr.strip()[:300]}")
    return stem


def program(place, kind, stem, series, settings):
    templates = [(place.root / "scripts" / "plots" / f"{name}.gp").read_text(encoding="utf-8") for name in ("common", kind)]
    lines = [f"# `gnuplot {stem}.gp` in this folder makes {stem}.svg and {stem}.pdf of {stem}.dat.", f"stem = {quoted(stem)}",
             f"width = {WIDTH}; height = {HEIGHT}", *(f"{name} = {value(x)}" for name, x in settings.items()), f"N = {len(series)}"]
    for column in (0, 1):
        numbers = [row[column] for _, rows, _ in series for row in rows if math.isfinite(row[column])]
        if numbers:
            lines.append(f"lo{column + 1} = {min(numbers):.9g}; hi{column + 1} = {max(numbers):.9g}")
    count = range(len(series))
    arrays = {"title": [quoted(title) for title, _, _ in series],
              "colour": [quoted(colour or COLOURS[i % 8]) for i, (_, _, colour) in zip(count, series)],
              "shape": [str((7, 5, 9, 11, 13, 6, 4, 8)[i % 8]) for i in count], "dash": [str(1 + i % 5) for i in count]}
    lines += [f"array {name}[{len(series)}] = [{', '.join(entries)}]" for name, entries in arrays.items()]
    loop = ("do for [format in 'svg pdf'] {\nif (format eq 'svg') { set terminal svg size width,height dynamic noenhanced font 'Helvetica,15' "
            "background '#ffffff' } else { set terminal pdfcairo size width/110.0,height/110.0 noenhanced font 'Helvetica,13' }\n"
            "set output stem.'.'.format\n")
    return "\n".join(lines) + "\n" + templates[0] + "\n" + loop + templates[1] + "set output\n}\n"
