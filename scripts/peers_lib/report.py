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
NEAR = 0.02        # Pareto points further apart in recall than this are not interpolated between (metrics.md)
RECALL_WITHIN, COMPS_WITHIN, QPS_WITHIN = 0.005, 0.03, 1.3   # fidelity of our hnsw to hnswlib's

COLUMNS = ("dataset", "entry", "version", "kind", "params", "effort", "k", "status", "recall", "qps", "qps_lo", "qps_hi", "qps_cpu", "cpu_share",
           "dist_comps", "tune_recall", "chosen_for", "build_s_1", "build_s_2", "index_bytes", "build_peak_mb", "search_mb", "queries_timed",
           "repeats", "cpu", "load", "date", "error")


def pareto(points, recall="recall", speed=lambda point: point["qps"]):
    """Points that no other beats in both, by ascending recall."""
    best, out = -math.inf, []
    for point in sorted(points, key=lambda p: (-p[recall], -speed(p))):
        if speed(point) > best:
            best = speed(point)
            out.append(point)
    return out[::-1]


def at(points, target, field):
    """Speed at a recall: its log between the two Pareto points around it; None where none are near. A curve that starts above starts there."""
    curve = pareto(points, speed=lambda point: point[field])
    for low, high in zip(curve, curve[1:]):
        if low["recall"] <= target <= high["recall"]:
            if high["recall"] - low["recall"] > NEAR:
                return None
            share = (target - low["recall"]) / (high["recall"] - low["recall"])
            return math.exp((1 - share) * math.log(low[field]) + share * math.log(high[field]))
    return curve[0][field] if curve[0]["recall"] >= target else None


def passing(points, target):
    """The point that the tune half would choose: the first of the grid that reaches the target there (of several grids, the fastest)."""
    passed = [point for point in points if point["tune_recall"] >= target]
    return min(passed, key=lambda p: p["tune_cpu_s"] if "k_factor" in p["effort"] else p["effort"].get("ef", 0), default=None)


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

def ratio_tables(run):
    """At each target: QPS, and its ratio to the best peer of the kind and of all; by the clock and by processor seconds."""
    for target in TARGETS:
        rows = []
        speed = {(e["name"], f): at(e["points"], target, f) for e in run.live() for f in ("qps", "qps_cpu")}

        def best(field, kind=None):
            return max((speed[e["name"], field] or 0 for e in run.live() if e["library"] != "leann" and kind in (None, e["kind"])), default=0)

        for entry in run.live():
            qps, cpu, point = speed[entry["name"], "qps"], speed[entry["name"], "qps_cpu"], passing(entry["points"], target)
            ratios = [number(value / over, 2) if value and over else "–" for value, over in (
                (qps, best("qps", entry["kind"])), (qps, best("qps")), (cpu, best("qps_cpu", entry["kind"])), (cpu, best("qps_cpu")))]
            effort = ", ".join(f"{name} {value}" for name, value in point["effort"].items()) or "exact" if point else ""
            tuned = f"{effort}: {point['recall']:.4f} at {point['qps']:,.0f}" if point else "–"
            rows.append([entry["name"], number(qps), *ratios[:2], number(cpu), *ratios[2:], tuned])
        yield target, table(["entry", "QPS", "× best of its kind", "× best peer", "QPS of CPU time", "× kind", "× best",
                             "chosen by the tune half: recall at QPS"], rows)


def build_table(run):
    threads = sorted({t for entry in run.entries for t in entry["builds"]})
    rows = []
    for entry in run.entries:
        size = index_bytes(entry)
        rows.append([entry["name"], entry["version"], f"`{json.dumps(entry['params'])}`", *(number(seconds(entry, t), 1) for t in threads),
                     number(size and size / 1e6, 1), number(peak(entry)), number(entry.get("search_mb")), entry["error"] or "ok"])
    return table(["entry", "version", "built with", *(f"build s, {t} thr." for t in threads), "index MB", "build peak MiB", "search MiB",
                  "status"], rows)


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


def figure(run, path):
    """Recall against QPS, one line an entry; None without gnuplot."""
    if not shutil.which("gnuplot"):
        return None
    blocks, plots = [], []
    for i, entry in enumerate(e for e in run.live() if e["kind"] != "exact"):
        lines = "\n".join(f"{p['recall']:.5f} {p['qps']:.1f}" for p in pareto(entry["points"]))
        blocks.append(f"$d{i} << EOD\n{lines}\nEOD\n")
        plots.append(f"$d{i} with linespoints lw 2 pt {i + 4} ps 0.6 title '{entry['name']}'")
    if not plots:
        return None
    script = "".join(blocks) + f"""set terminal svg noenhanced size 760,480 font 'DejaVu Sans,13' background 'white'
set output '{path}'
set title '{run.name}: one thread, k = {run.args.k}'
set xlabel 'recall@{run.args.k}'
set ylabel 'queries a second'
set logscale y
set grid xtics ytics mytics lc rgb '#dddddd'
set key bottom left
plot {', '.join(plots)}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return path


# ---- the report ----------------------------------------------------------------------------------------------------------------------------

def write(run, graphs):
    folder = run.root / "results" / "peers"
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
    parts.append("QPS is interpolated (log) between Pareto points of the report half at most 0.02 of recall apart; – where the curve has none.\n")
    parts.append(f"## Builds\n\n{build_table(run)}\n"
                 "Build peak: what a build adds to the rows it was given; search: what opening and searching adds.\n")
    parts.append(f"## Our hnsw and hnswlib's with equal M, ef_construction and ef\n\n{fidelity(run, graphs)}")
    (folder / (run.name + ".md")).write_text("\n".join(parts))
    print(f"report: {folder / (run.name + '.md')}")
