"""What a run found, as results/peers/<data set>.{csv,md,svg}: points, ratios at fixed recall, builds, and the fidelity of our hnsw to hnswlib's.

SPDX-License-Identifier: MIT
"""
import csv
import datetime
import json
import math
import os
import shutil
import statistics
import subprocess

TARGETS = (0.90, 0.95, 0.99)
FAST_SCAN = "faiss-ivfpq-refine"
NEAR = 0.02        # Pareto points further apart in recall than this are not interpolated between (metrics.md)
RECALL_WITHIN, COMPS_WITHIN, QPS_WITHIN = 0.005, 0.03, 1.3   # fidelity of our hnsw to hnswlib's

COLUMNS = ("dataset", "entry", "version", "kind", "params", "effort", "k", "status", "recall", "qps", "qps_lo", "qps_hi", "qps_cpu", "cpu_share",
           "dist_comps", "tune_recall", "chosen_for", "build_s_1", "build_s_2", "index_bytes", "build_peak_mb", "search_mb", "search_threads",
           "queries_timed",
           "repeats", "cpu", "load", "date", "error")


def pareto(points, recall="recall", speed=lambda point: point["qps"]):
    """Points that no other beats in both, by ascending recall."""
    best, out = -math.inf, []
    for point in sorted(points, key=lambda p: (-p[recall], -speed(p))):
        if speed(point) > best:
            best = speed(point)
            out.append(point)
    return out[::-1]


def at(points, target, speed):
    """(speed, how) at a recall: its log between the two Pareto points around it; where these are further apart than NEAR, or nothing lies
    below, that of the fastest point above, and how is "≥ ". (None, "") where no point gets there."""
    curve = pareto([point for point in points if speed(point)], speed=speed)
    for low, high in zip(curve, curve[1:]):
        if low["recall"] <= target <= high["recall"] <= low["recall"] + NEAR:
            share = (target - low["recall"]) / max(high["recall"] - low["recall"], 1e-12)
            return math.exp((1 - share) * math.log(speed(low)) + share * math.log(speed(high))), ""
    return next(((speed(point), "≥ ") for point in curve if point["recall"] >= target), (None, ""))


def passing(points, target):
    """The point that the tune half would choose: the first of the grid that reaches the target there (of several grids, the fastest)."""
    passed = [point for point in points if point["tune_recall"] >= target]
    return min(passed, key=lambda p: p["tune_cpu_s"] if len(p["effort"]) > 1 else p["effort"].get("ef", 0), default=None)


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def cpu_name():
    with open("/proc/cpuinfo") as file:
        words = dict(line.split(":", 1) for line in file if ":" in line)
    words = {key.strip(): value.strip() for key, value in words.items()}
    name, flags = words.get("model name", "unknown"), words.get("flags", "").split()
    return f"{name}, family {words.get('cpu family', '?')} model {words.get('model', '?')}, " + next(
        (isa for isa in ("avx512f", "avx2") if isa in flags), "no AVX2")


def commit(root):
    def git(*words):
        return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True).stdout.strip()
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if git("status", "--porcelain", "-uno") else "")


def seconds(entry, threads):
    builds = entry["builds"].get(threads)
    return statistics.median(b["seconds"] for b in builds) if builds else None


def peak(entry):
    return max((b["peak_mb"] for builds in entry["builds"].values() for b in builds), default=None)


def index_bytes(entry):
    return next((b["bytes"] for builds in entry["builds"].values() for b in builds), None)


# ---- CSV ---------------------------------------------------------------------------------------------------------------------------------

def csv_rows(run):
    for entry in run.entries:
        about = {"dataset": run.name, "entry": entry["name"], "version": entry["version"], "kind": entry["kind"], "k": run.args.k,
                 "params": json.dumps(entry["params"]), "build_s_1": seconds(entry, 1), "build_s_2": seconds(entry, 2), "cpu": cpu_name(),
                 "index_bytes": index_bytes(entry), "build_peak_mb": peak(entry), "search_mb": entry.get("search_mb"),
                 "search_threads": entry.get("search_threads"),
                 "repeats": run.args.repeats, "load": run.load, "date": datetime.date.today().isoformat()}
        if entry["error"]:
            yield about | {"status": "error", "error": entry["error"]}
            continue
        chosen = {}
        for target in TARGETS:
            if (point := passing(entry["points"], target)) is not None:
                chosen.setdefault(id(point), []).append(f"{target:.2f}")
        for point in entry["points"]:
            fields = {name: point[name] for name in COLUMNS if name in point}
            yield about | fields | {"status": "ok", "effort": json.dumps(point["effort"]), "queries_timed": point["timed"],
                                    "chosen_for": " ".join(chosen.get(id(point), []))}


def tidy(value):
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


# ---- tables --------------------------------------------------------------------------------------------------------------------------------

def by_clock(point):
    return point["qps"]


def by_processor(point):
    return point["qps_cpu"]


def best_of(run, target, speed, *kinds, name=None):
    """The fastest peer at a recall, of some kinds or by name."""
    peers = (e for e in run.live() if e["library"] != "leann" and (not kinds or e["kind"] in kinds) and name in (None, e["name"]))
    return max((at(e["points"], target, speed)[0] or 0 for e in peers), default=0)


def ratio_tables(run):
    """At each target: QPS, and its ratios to the best peers; by the clock, and to the best graph by processor seconds."""
    for target in TARGETS:
        graph, codes, fast, best = (best_of(run, target, by_clock, "graph"), best_of(run, target, by_clock, "codes"),
                                    best_of(run, target, by_clock, name=FAST_SCAN), best_of(run, target, by_clock))
        graph_cpu, rows = best_of(run, target, by_processor, "graph"), []
        for entry in run.live():
            (qps, how), (cpu, _), point = at(entry["points"], target, by_clock), at(entry["points"], target, by_processor), passing(
                entry["points"], target)
            ratios = [number(value / over, 2) if value and over else "–" for value, over in (
                (qps, graph), (qps, codes), (qps, fast), (qps, best), (cpu, graph_cpu))]
            effort = ", ".join(f"{name} {value}" for name, value in point["effort"].items()) or "exact" if point else ""
            tuned = f"{effort}: {point['recall']:.4f} at {point['qps']:,.0f}" if point else "–"
            rows.append([entry["name"], entry["kind"], how + number(qps), *ratios[:4], number(cpu), ratios[4], tuned])
        yield target, table(["entry", "kind", "QPS", "× best graph", "× best codes", "× fast scan", "× best peer", "QPS of CPU time", "× graph",
                             "chosen by the tune half: recall at QPS"], rows)


def build_table(run):
    threads = sorted({t for entry in run.entries for t in entry["builds"]})
    theirs = {t: next((seconds(e, t) for e in run.entries if e["name"] == "hnswlib"), None) for t in threads}
    rows = []
    for entry in run.entries:
        size, took, points = index_bytes(entry), {t: seconds(entry, t) for t in threads}, [] if entry["error"] else entry["points"]
        times = [cell for t in threads for cell in (number(took[t], 1), number(took[t] and theirs[t] and took[t] / theirs[t], 2))]
        most = peak(entry)
        each = at(points, 0.95, lambda point: point.get("dist_comps") and 1 / point["dist_comps"])[0]
        rows.append([entry["name"], entry["version"], f"`{json.dumps(entry['params'])}`", *times, number(size and size / 1e6, 1),
                     number(most), number(most and size and most * 2 ** 20 / size, 2), number(entry.get("search_mb")),
                     number(each and 1 / each), number(entry.get("search_threads")), entry["error"] or "ok"])
    return table(["entry", "version", "built with", *(head for t in threads for head in (f"build s, {t} thr.", "× hnswlib")), "index MB",
                  "build peak MiB", "peak / index", "search MiB", "distances at 0.95", "search threads", "status"], rows)


def scaling_table(run):
    """What the most threads gain over the fewest, each as a share of what multiply-adds in registers do."""
    if not run.batches:
        return None
    fewest, most = run.args.build_threads[0], run.args.build_threads[-1]
    gain = {name: statistics.median(pair[0] for pair in pairs) / statistics.median(pair[1] for pair in pairs)
            for name, pairs in run.batches.items()}
    rows = [["multiply-adds in registers", "–", "–", f"{gain['peak']:.3f}", "1"]]
    for entry in run.entries:
        built = (seconds(entry, fewest) or 0) / (seconds(entry, most) or math.inf)
        searched = gain.get(entry["name"], 0)
        if built or searched:
            rows.append([entry["name"], *(cell for value in (built, searched) for cell in (
                (f"{value:.3f}", f"{value / gain['peak']:.3f}") if value else ("–", "–")))])
    return table(["", f"build: {most} threads over {fewest}", "share of multiply-adds'", "batch search", "share of multiply-adds'"], rows)


def over_seeds(graphs, ef, field):
    """(mean, least, most) over the graphs of several seeds."""
    values = [graph[str(ef)][field] for graph in graphs if str(ef) in graph]
    return (statistics.mean(values), min(values), max(values)) if values else None


def fidelity(run, graphs):
    """Recall and distances are means over seeds; QPS is that of the two graphs searched in turn."""
    pair = {entry["name"]: {p["effort"]["ef"]: p for p in entry["points"]} for entry in run.live()
            if entry["name"] in ("hnswlib", "leann-hnsw")}
    if len(pair) < 2:
        return "Needs both `hnswlib` and `leann-hnsw`.\n"
    rows, gaps, comps, slow, slow_cpu = [], [], [], [], []
    for ef in sorted(pair["hnswlib"].keys() & pair["leann-hnsw"].keys()):
        theirs, ours, cells = pair["hnswlib"][ef], pair["leann-hnsw"][ef], []
        slow.append(theirs["qps"] / ours["qps"])
        slow_cpu.append(theirs["qps_cpu"] / ours["qps_cpu"])
        if isinstance(graphs, dict):
            recall, count = ([over_seeds(graphs[who], ef, field) for who in ("ours", "hnswlib")] for field in ("recall", "dist_comps"))
            if None in recall:
                continue
            gaps.append(recall[0][0] - recall[1][0])
            comps.append(count[0][0] / count[1][0] - 1)
            cells = [*(f"{mean:.4f}" for mean, low, high in recall), f"{100 * gaps[-1]:+.2f}",
                     *(f"{mean:.1f} ({low:.1f} to {high:.1f})" for mean, low, high in count), f"{100 * comps[-1]:+.1f} %"]
        rows.append([str(ef), *(cells or ["–"] * 6), number(ours["qps"]), number(theirs["qps"]), f"{1 / slow[-1]:.2f}", f"{1 / slow_cpu[-1]:.2f}"])
    limits = (("recall apart by at most 0.5 points", [100 * abs(gap) for gap in gaps], 100 * RECALL_WITHIN, "{:.2f} points"),
              ("distance computations within 3 %", [100 * abs(value) for value in comps], 100 * COMPS_WITHIN, "{:.1f} %"),
              ("QPS within 1.3x by the clock", slow, QPS_WITHIN, "ours takes {:.2f} of hnswlib's time"),
              ("QPS within 1.3x by CPU time", slow_cpu, QPS_WITHIN, "ours takes {:.2f} of hnswlib's time"))
    verdict = f"At the worst ef; recall and distances are means over {run.args.builds} seeds each (least to most), QPS of the two in turn.\n\n"
    for what, values, limit, form in limits:
        found = f"not measured ({graphs})" if not values else form.format(max(values)) + (" – holds" if max(values) <= limit else " – DOES NOT HOLD")
        verdict += f"- {what}: {found}\n"
    return verdict + "\n" + table(["ef", "recall ours", "hnswlib", "points", "distances ours", "hnswlib, counted", "", "QPS ours", "hnswlib",
                                   "ratio", "ratio of CPU time"], rows)


COLOURS = {"leann": "#d55e00", "hnswlib": "#000000", "faiss-cpu": "#0072b2", "usearch": "#999999", "scalable-vs": "#009e73"}
DASHES = {"graph": 1, "codes": 2, "u8": 3}


def figure(run, path):
    """Recall against QPS, one line an entry: a colour a library, a dash a kind, a mark an entry of both; None without gnuplot."""
    if not shutil.which("gnuplot"):
        return None
    blocks, plots, marks = [], [], {}
    for i, entry in enumerate(e for e in run.live() if e["kind"] != "exact"):
        lines = "\n".join(f"{p['recall']:.5f} {p['qps']:.1f}" for p in pareto(entry["points"]))
        mark = marks[entry["library"], entry["kind"]] = marks.get((entry["library"], entry["kind"]), 3) + 1
        blocks.append(f"$d{i} << EOD\n{lines}\nEOD\n")
        plots.append(f"$d{i} with linespoints lw 2 dt {DASHES[entry['kind']]} lc rgb '{COLOURS[entry['library']]}' pt {mark} ps 0.7 "
                     f"title '{entry['name']}'")
    if not plots:
        return None
    script = "".join(blocks) + f"""set terminal svg noenhanced size 980,560 font 'DejaVu Sans,13' background 'white'
set output '{path}'
set title '{run.name}: one thread, k = {run.args.k}'
set xlabel 'recall@{run.args.k}'
set ylabel 'queries a second'
set logscale y
set grid xtics ytics mytics lc rgb '#dddddd'
set key outside right top samplen 3
plot {', '.join(plots)}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return path


# ---- the report ----------------------------------------------------------------------------------------------------------------------------

def write(run, graphs):
    folder = run.args.out
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / (run.name + ".csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: tidy(value) for key, value in row.items()} for row in csv_rows(run))
    drawn = figure(run, folder / (run.name + ".svg"))
    share = statistics.median(p["cpu_share"] for e in run.live() for p in e["points"])
    busy = "" if share >= 0.97 and run.load <= 1.5 else (
        f"\n**The machine was busy** (load {run.load:.1f} on {os.cpu_count()} processors; searches got {100 * share:.0f} % of one): take the "
        "figures by the clock as rough, those of CPU time as better, and neither as final.\n")
    data, calls = run.data, run.args.batch or "all"
    versions = ", ".join(sorted({entry["version"] for entry in run.entries}))
    parts = [f"""# Peers on {run.name}

n = {data.n:,}, d = {data.d}, {data.distance}; {len(run.tune):,} queries tune, {len(run.report):,} report; k = {run.args.k}, one search thread,
{calls} queries a call, median of {run.args.repeats} rounds taken in turn, median of {run.args.builds} builds. recall is `recall_tie`.

{cpu_name()}, {os.cpu_count()} processors; {versions}; commit {commit(run.root)}; {datetime.date.today().isoformat()}.
Made by `scripts/peers {run.name}`; all points in {run.name}.csv.
{busy}"""]
    if drawn:
        parts.append(f"![recall against QPS]({drawn.name})\n")
    parts += [f"## At recall@{run.args.k} = {target:.2f}\n\n{text}" for target, text in ratio_tables(run)]
    parts.append("QPS is interpolated (log) between Pareto points of the report half; ≥: those around lie more than 0.02 of recall apart, and "
                 "it is that of the fastest point above. – where none gets there. Ratios are to peers alone.\n")
    parts.append(f"## Builds\n\n{build_table(run)}\n"
                 "Build peak: what a build adds to the rows it was given; search: what opening and searching adds, on how many threads.\n")
    if scaling := scaling_table(run):
        parts.append(f"## What more threads give\n\n{scaling}\nBatch search: a batch of ours at what the tune half chose for 0.95, shared out; "
                     "in turn with the multiply-adds.\n")
    parts.append(f"## Our hnsw and hnswlib's with equal M, ef_construction and ef\n\n{fidelity(run, graphs)}")
    place = folder / (run.name + ".md")
    place.write_text("\n".join(parts) + parts_of(place))
    print(f"report: {place}")


# ---- the building blocks: a section of the same report, and a CSV of its own ------------------------------------------------------------

PARTS_HEAD = "\n## Building blocks, FAISS's and ours\n"
PART_COLUMNS = ("dataset", "part", "about", "threads", "who", "version", "seconds", "least", "most", "rate", "unit", "measure", "quality",
                "runs", "cpu", "load", "date")


def parts_of(place):
    """The section of a report that is there already, or nothing: a run without parts keeps it."""
    text = place.read_text() if place.exists() else ""
    return text[text.index(PARTS_HEAD):] if PARTS_HEAD in text else ""


def write_parts(run, parts):
    folder = run.args.out
    folder.mkdir(parents=True, exist_ok=True)
    about = {"dataset": run.name, "cpu": cpu_name(), "load": os.getloadavg()[0], "date": datetime.date.today().isoformat()}
    with open(folder / (run.name + ".parts.csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, PART_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: tidy(value) for name, value in {**about, **result, "version": parts.version[result["who"]]}.items()}
                         for result in parts.results)
    theirs = {(r["part"], r["threads"]): r for r in parts.results if r["who"] == "faiss"}
    rows = []
    for mine in (r for r in parts.results if r["who"] == "leann"):
        other = theirs[mine["part"], mine["threads"]]
        rows.append([mine["part"], mine["about"], str(mine["threads"]), *(spread(r) for r in (other, mine)),
                     f"{mine['seconds'] / other['seconds']:.2f}", f"{other['seconds'] / mine['seconds']:.2f}",
                     f"{mine['rate']:,.4g} {mine['unit']}", mine["measure"], *("–" if r["quality"] is None else f"{r['quality']:.5g}" for r in (other, mine))])
    section = PARTS_HEAD + f"""
{cpu_name()}; {', '.join(parts.version.values())}; commit {commit(run.root)}; {datetime.date.today().isoformat()}; load {about['load']:.1f}.
Medians of runs in turn on the same threads (least to most); all in {run.name}.parts.csv. K-means of ours runs the fewest rounds that reach
FAISS's inertia, the final assignment included in both.

""" + table(["part", "ours", "threads", "FAISS s", "ours s", "seconds, ours / FAISS", "times as fast", "a second", "quality", "FAISS", "ours"], rows)
    place = folder / (run.name + ".md")
    text = place.read_text() if place.exists() else f"# Peers on {run.name}\n"
    place.write_text(text.removesuffix(parts_of(place)) + section)
    print(f"report: {place}")


def spread(result):
    return f"{result['seconds']:.4g} ({result['least']:.4g} to {result['most']:.4g})"
