"""Figures 9 and 11: a smaller encoder, and where the time of a batch goes.

SPDX-License-Identifier: MIT
"""
import json
import math
import os
import random
import statistics
import subprocess
import time

import published
from plot import PUBLISHED, draw
from run import call, rows, seconds, sweep
from sets import HALF, TEXT, WHOLE, facts, sources, text_set, two_encoders
from told import NONE, TIMED_QUERIES, percent, ratio, show, times

# ---- figure 9: a smaller encoder -------------------------------------------------------------------------------------------------------

SIZES = {"whole": WHOLE, "half": HALF}


def judged_path(place):
    return place.results / "fig09_encoders" / "retrieval.json"


def run_encoders(place):
    two_encoders(place)
    found = sweep(place, "fig09_encoders")
    for which, name in SIZES.items():
        seconds(place, f"fig09_seconds_{which}", f"LEANN's figure 9 at this machine's scale: seconds with the {which} encoder in the loop, at "
                                                 "recall 0.90",
                [row for row in found if row["dataset"] == name and row["passed"] == "yes"], TIMED_QUERIES, name)
    if place.measure and not judged_path(place).exists():
        out = call(place, "bench", "retrieval", *(place.sets(name) for name in SIZES.values()), "--json", "--quiet", stdout=subprocess.PIPE)
        found = [{"rankings": one["rankings"], "queries": one["queries"]} for one in json.loads(out)["sets"]]
        judged_path(place).write_text(json.dumps({"sets": found, "made": {name: facts(place, name) for name in SIZES.values()}}, indent=1) + "\n")


def write_encoders(place, page):
    path, timed = judged_path(place), {which: (rows(place, f"fig09_seconds_{which}") or [{}])[0] for which in SIZES}
    if not path.exists():
        return False
    judged = json.loads(path.read_text())
    rate, quality = {}, {}
    for (which, name), one in zip(SIZES.items(), judged["sets"]):
        made = judged["made"][name]
        rate[which] = (made["chunks"] + made["queries"] - made["kept"]) / made["embed_s"]
        quality[which] = next(ranking for ranking in one["rankings"] if ranking["ranking"] == "dense")["ndcg_10"]["value"]
    query = {which: row.get("mean_ms") for which, row in timed.items()}
    counts = {which: row.get("recomputes") for which, row in timed.items()}
    gain, kept = ratio(query["whole"], query["half"]), ratio(quality["half"], quality["whole"])
    names = ("times as fast a query", "share of the accuracy kept")
    bars = [("published", list(zip((1, 2), (published.SMALL_FASTER, 1 - published.SMALL_WITHIN / 100), names)), PUBLISHED),
            ("measured", list(zip((1, 2), (gain, kept), names)), None)]
    page.figure(draw(place, "bars", "fig09_encoders", bars, ylog=0, groups=2, yname="smaller encoder over whole encoder"),
                "The smaller encoder beside the whole one; published: at least so much of the accuracy.")
    page.table(["measure", "published", "measured, whole", "measured, half the layers", "measured, change", "modelled, change"],
               [["passages embedded a second", NONE, show(rate["whole"], ",.1f"), show(rate["half"], ",.1f"),
                 times(ratio(rate["half"], rate["whole"])), "2.00×"],
                ["seconds a query at recall 0.90", f"{published.SMALL_FASTER}× faster",
                 *(show(query[which] and query[which] / 1e3, ".2f") for which in SIZES), times(gain), "2.00×"],
                ["recomputations a query", NONE, *(show(counts[which]) for which in SIZES), times(ratio(counts["half"], counts["whole"])), NONE],
                ["nDCG@10, exact search", f"within {published.SMALL_WITHIN} %", show(quality["whole"], ".3f"), show(quality["half"], ".3f"),
                 f"{100 * (kept - 1):+.1f} %", NONE]])
    page.said(f"The smaller encoder answers {times(gain)} as fast (the paper {published.SMALL_FASTER}×) and its accuracy changes by "
              f"{100 * (kept - 1):+.1f} % (the paper: within {published.SMALL_WITHIN} %): "
              f"{'the speed agrees' if gain >= 1.5 else 'the speed is not measured' if math.isnan(gain) else 'the speed does not agree'}, the "
              f"accuracy {'does' if abs(kept - 1) <= published.SMALL_WITHIN / 100 else 'does not'}. The paper's smaller encoder was trained to be "
              "one; ours is a stand-in, the same model without the upper half of its layers, which nobody trained to end there: its speed is that "
              "of half a model, its accuracy a lower bound of what a trained one has.")
    page.note("Modelled: half the layers are half the products (the paper's smaller encoder has 0.30 of the weights). "
              f"{judged['made'][WHOLE]['chunks']:,} passages{'' if place.quick else ' of Python’s standard library'}, "
              f"{judged['sets'][0]['queries']:,} queries judged.")
    return True


# ---- figure 11: inside a batch ---------------------------------------------------------------------------------------------------------

def parts_path(place):
    return place.results / "fig11_batch" / "parts.json"


def run_batch(place):
    text_set(place)
    found = sweep(place, "fig11_batch")
    if place.measure and found and not parts_path(place).exists():
        size = max(1, round(found[0]["recomputes"] / found[0]["encoder_calls"]))
        parts_path(place).write_text(json.dumps(time_parts(place, size), indent=1) + "\n")


def some_texts(place, count, length):
    """Pieces of the set's sources, as long as its passages are on average."""
    files = sorted(file for root in sources(place) for file in root.rglob("*") if file.is_file() and file.stat().st_size > 2 * length)
    chance = random.Random(1)
    return [chance.choice(files).read_bytes()[length:2 * length].decode(errors="ignore").encode() for _ in range(count)]


def median_ms(work, repeats=15):
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        took.append((time.perf_counter() - start) * 1e3)
    return statistics.median(took)


def time_parts(place, size):
    """Medians in milliseconds, for a batch of `size` passages: reading as much out of the set's file, their tokens, and all of the encoder."""
    import leann
    made, path = facts(place, TEXT), place.sets(TEXT)
    length = round(made["chunk_bytes"] / made["chunks"])
    model = {"model": str(place.work / "model")} if place.quick else {}
    encoder = leann.Encoder(place.leann.parent / "libleann.so", {"minilm": {**model, "precision": "int8"}}, place.threads)
    texts, vectors = some_texts(place, size, length), (leann.c.c_float * (encoder.dimension * size))()
    end, chance = path.stat().st_size - length, random.Random(2)
    with open(path, "rb") as file:
        read = median_ms(lambda: [os.pread(file.fileno(), length, chance.randrange(end)) for _ in range(size)])
    return {"texts": size, "bytes_a_text": length, "threads": place.threads, "tokens": sum(encoder.count_tokens(texts)), "read_ms": read,
            "tokenise_ms": median_ms(lambda: encoder.count_tokens(texts)),
            "encode_ms": median_ms(lambda: encoder.encode_into(texts, leann.c.addressof(vectors)))}


def write_batch(place, page):
    found, path = rows(place, "fig11_batch"), parts_path(place)
    if not found or not path.exists():
        return False
    row, part, theirs = found[0], json.loads(path.read_text()), published.BATCH_MS
    calls = row["encoder_calls"]
    ours = dict(zip(theirs, (row["stage0_ms"] / calls, part["read_ms"] + part["tokenise_ms"], part["encode_ms"] - part["tokenise_ms"])))
    bars = [("published, batches of 64", [(i, x, name) for i, (name, x) in enumerate(theirs.items(), 1)], PUBLISHED),
            (f"measured, batches of {part['texts']}", [(i, max(x, 1e-3), name) for i, (name, x) in enumerate(ours.items(), 1)], None)]
    page.figure(draw(place, "bars", "fig11_batch", bars, ylog=1, groups=len(theirs), yname="milliseconds a batch"), "Where the time of one batch "
                                                                                                                    "goes, logarithmic.")
    all_theirs, all_ours = sum(theirs.values()), sum(ours.values())
    page.table(["part", "published, ms", "measured, ms", "published, share", "measured, share", "modelled"],
               [[name, show(theirs[name]), show(ours[name], ".3g"), percent(theirs[name] / all_theirs),
                 percent(ours[name] / all_ours), NONE] for name in theirs]
               + [["together", show(all_theirs), show(all_ours, ".3g"), "100.0 %", "100.0 %", NONE],
                  ["in the loop of a search", NONE, show((row["stage0_ms"] + row["stage2_ms"]) / calls, ".3g"), NONE, NONE, NONE]])
    encoder = list(theirs)[2]
    page.said(f"{'Agrees' if ours[encoder] / all_ours > 0.5 else 'Does not agree'} that recomputing is most of a batch: "
              f"{percent(ours[encoder] / all_ours)} here and {percent(theirs[encoder] / all_theirs)} there, while reading and tokenising is "
              f"{percent(ours['fetch and tokenise'] / all_ours)} here and {percent(theirs['fetch and tokenise'] / all_theirs)} there. Theirs "
              "recomputes on a GPU what Python fetches and tokenises; ours does all of it in C on two cores, where the encoder is slower and the "
              "rest is faster.")
    page.note(f"The look-up is the walk with it, measured in the search: {row['queries']:.0f} report queries of {calls:.1f} batches. Reading: "
              f"{part['texts']} places of the set's file, in the page cache; tokens and vectors: {part['texts']} texts of {part['bytes_a_text']} "
              f"bytes; int8, {part['threads']} threads, medians of 15.")
    return True
