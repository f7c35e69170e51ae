"""What scripts/leann-pypi found, as results/text/leann-pypi.{json,md}.

SPDX-License-Identifier: MIT
"""
import json

from report import commit, cpu_name, table  # noqa: F401 – leann_pypi takes them from here


def interval(x):
    return f"{x['value']:.4f} ({x['lo']:.4f} to {x['hi']:.4f})"


def spread(x, form=",.0f"):
    return " / ".join(format(x[name], form) for name in ("mean", "p50", "p95"))


def chosen_rows(degrees, which):
    rows = []
    for degree, made in degrees.items():
        if not made[which]:
            rows.append([str(degree), "none passes", *["–"] * 5])
            continue
        tune, found = made[which]["tune"], made[which]["report"]
        rows.append([str(degree), str(found["complexity"]), interval(tune["recall"]), interval(found["recall"]), spread(found["recomputations"]),
                     spread(found["distinct"]), spread(found["encoder_calls"])])
    return rows


def bytes_rows(degrees):
    rows = []
    for degree, made in degrees.items():
        size, a_chunk = made["bytes"], made["bytes"]["a_chunk"]
        rows.append([str(degree), *(f"{a_chunk[name]:.1f}" for name in ("graph", "references", "passages_beyond_their_text", "all_but_text")),
                     f"{100 * size['all_but_text'] / size['text']:.1f} %"])
    return rows


def file_rows(degrees):
    return [[str(degree), name, f"{size:,}"] for degree, made in degrees.items() for name, size in made["bytes"]["files"].items()]


def time_lines(degrees):
    lines = []
    for degree, made in degrees.items():
        if "time" not in made:
            continue
        rows = [[b, spread(t["seconds"], ".2f"), spread(t["recomputations"]), f"{t['milliseconds_a_recomputation']:.1f}", f"{t['recall']:.3f}",
                 f"{t['load']:.1f}"] for b, t in made["time"]["batch_size"].items()]
        lines += [f"## Seconds: M {degree}, {made['time']['queries']} report queries, one pass, encoder on {made['time']['threads']} threads", "",
                  "The query's own embedding is not in them. `batch_size` 0 is LEANN's default.", "",
                  table(["batch_size", "seconds a query: mean / p50 / p95", "recomputations: mean / p50 / p95", "ms a recomputation",
                         "recall of these", "load of the machine, at most"], rows)]
    return lines


def finding_lines(result):
    points = [made[which][half] for made in result["degrees"].values() for which in ("chosen", "chosen_by_mean") if made[which]
              for half in ("tune", "report")]
    lines = [f"- Held against an exact scan: the k-th distances of {result['checks']['truth']['queries']} queries differ by "
             f"{result['checks']['truth']['largest_difference']:.0e} at most."]
    if points:
        same = all(point["counted_as_leann_counts"] and not point["unknown_ids"] for point in points)
        lines.append(f"- What our server was asked for is {'' if same else 'NOT '}what LEANN counts itself, query by query; its products differ "
                     f"from ours by {max(point['largest_difference_of_a_product'] for point in points):.0e} at most.")
    for degree, made in result["degrees"].items():
        if not made["chosen"]:
            continue
        changed = [f"{t['prune_ratio']} {t['strategy']}" for t in made["prune_ratio"] if not (t["same_answers"] and t["same_counts"])]
        tried = ", ".join(f"{t['prune_ratio']} {t['strategy']}" for t in made["prune_ratio"])
        lines.append(f"- M {degree}: `prune_ratio` changes {'answers or counts at ' + ', '.join(changed) if changed else 'no answer and no count'} "
                     f"(tried: {tried}).")
        plain, batched = made["chosen"]["report"], made["batched"]
        lines.append(f"- M {degree}: `batch_size` 64 makes {batched['encoder_calls']['mean']:,.0f} calls of the encoder a query out of "
                     f"{plain['encoder_calls']['mean']:,.0f}, with {batched['recomputations']['mean']:,.0f} recomputations against "
                     f"{plain['recomputations']['mean']:,.0f} and recall {interval(batched['recall'])}.")
    return lines


def write(out, result):
    about, degrees = result["about"], result["degrees"]
    head = ["M", "complexity", "tune recall", "report recall", "recomputations: mean / p50 / p95", "distinct texts among them",
            "encoder calls: mean / p50 / p95"]
    builds = ", ".join(f"M {degree} in {made['build']['seconds']:,.0f} s (threads {made['build']['threads']}, load {made['build']['load']:.1f})"
                       for degree, made in degrees.items())
    better = f"The better of these, by recomputations on the tune half: **M {result['better']}**." if result["better"] else "None reaches the target."
    lines = [f"# LEANN {about['packages']['leann-core']} (PyPI) on {about['data']}", "",
             f"{about['n']:,} chunks, d = {about['d']}, {about['distance']}; {about['queries']['tune']:,} queries tune, "
             f"{about['queries']['report']:,} report; recall_tie@{about['k']} with 95 % bootstrap intervals. Unchanged packages "
             f"({', '.join(f'{name} {version}' for name, version in about['packages'].items())}): HNSW, compact, recompute, mips, "
             f"efConstruction {about['ef_construction']}, beam_width 1. Built: {builds}.", "",
             f"{about['cpu']}, {about['processors']} processors; data sha256 {about['sha256'][:12]}…; commit {about['commit']}; {about['date']}. "
             "Made by `scripts/leann-pypi`; all figures in leann-pypi.json.", "",
             f"## Recomputations at recall@{about['k']} = {about['target']}", "",
             "Chosen: the first complexity of the grid (ratio ≤ 1.1) whose lower bound reaches the target on the tune half. Counts are a query's "
             "on the report half, by vectors that are replayed; a recomputation is a text that LEANN asks its server to embed, each time that it "
             "does. The two points of the grid before a chosen one were seen to fail.", "",
             better, "", table(head, chosen_rows(degrees, "chosen")),
             "The first complexity whose mean alone reaches it:", "", table(head, chosen_rows(degrees, "chosen_by_mean")),
             "## Bytes a chunk", "",
             f"The text itself has {next(iter(degrees.values()))['bytes']['text']:,} bytes, "
             f"{next(iter(degrees.values()))['bytes']['text'] / about['n']:.0f} a chunk. References are .passages.idx, .ids.txt and .meta.json; "
             "the .jsonl holds the texts, and beyond them keys, ids and escapes. Ids are the rows' numbers, and nothing is stored of where a text "
             "comes from: the least that LEANN can do. The full-text database that its default build adds is not made here.", "",
             table(["M", "graph (.index)", "references", ".jsonl beyond the text", "all but the text", "of the text"], bytes_rows(degrees)),
             table(["M", "file", "bytes"], file_rows(degrees)),
             *time_lines(degrees), "## What was checked", "", *finding_lines(result)]
    out.mkdir(parents=True, exist_ok=True)
    (out / "leann-pypi.json").write_text(json.dumps(result, indent=2) + "\n")
    (out / "leann-pypi.md").write_text("\n".join(lines) + "\n")
    print((out / "leann-pypi.md").read_text())
