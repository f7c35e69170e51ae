"""What the sections of the report share: numbers as text, which graph a row is over, and what a recomputation costs.

SPDX-License-Identifier: MIT
"""
import math

from run import rows

NONE = "–"
GRAPHS = ("full", "high-degree-preserving", "random", "small M")  # figure 7's
TIMED_RECALL, TIMED_QUERIES = 0.90, 50                            # where seconds are taken with the encoder in the loop


def show(x, form=",.0f"):
    return NONE if x is None or math.isnan(x) else format(x, form)


def times(x, form=".2f"):
    return NONE if x is None or math.isnan(x) else f"{x:{form}}×"


def percent(x, form=".1f"):
    return NONE if x is None or math.isnan(x) else f"{100 * x:{form}} %"


def ratio(a, b):
    return a / b if a is not None and b else math.nan


def held(x, wanted):
    return "not measured" if math.isnan(x) else "held" if x >= wanted else "not held"


def graph_word(row):
    """Which of figure 7's four graphs a row is over."""
    graph = row.build["graph"]
    if "pruned" in graph:
        return "random" if graph["pruned"]["rule"] == "random" else "high-degree-preserving"
    return "full" if graph["hnsw"]["M"] >= 16 else "small M"


def encoder_ms(place):
    """Milliseconds of a recomputation in the loop of a search, of the largest batches that were timed; and where that is from."""
    for stem in ("fig11_batch", "fig06_seconds", "recompute_seconds"):
        timed = [row for row in rows(place, stem) if "passages" in row.query.get("fetcher", {}) and row["recomputes"]]
        if timed:
            row = max(timed, key=lambda one: one["recomputes"] / one["encoder_calls"])
            return row["stage2_ms"] / row["recomputes"], f"results/{stem}"
    return math.nan, "nowhere yet"


def modelled_ms(row, cost):
    """Of a query whose vectors were replayed: what it took, and what its recomputations would."""
    return row["mean_ms"] + row["recomputes"] * cost


def timed_as(timed, row):
    """The row with the encoder in the loop that has the settings of a tuned one; None where there is none."""
    settled = {key: value for key, value in row.settled.items() if key != "fetcher"}
    return next((one for one in timed if one["method"] == row["method"] and one.build == row.build and settled.items() <= one.query.items()), None)
