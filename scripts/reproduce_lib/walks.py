"""Figures 3, 6, 7, 8 and 10: walks over the graphs of the paper's method.

SPDX-License-Identifier: MIT
"""
import json
import math

import published
from plot import PUBLISHED, draw
from run import rows, seconds, sweep
from sets import TEXT, text_set
from told import GRAPHS, NONE, TIMED_QUERIES, TIMED_RECALL, encoder_ms, graph_word, held, modelled_ms, percent, ratio, show, timed_as, times

# ---- figure 3: who is visited --------------------------------------------------------------------------------------------------------

HUB_SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)  # of the rows: fig03_visits.yml's caches, and what builds state as hub_links
WALKS = {(1, 64): "plain", (0.03, 64): "two-level", (1, 0): "plain, from the entry", (0.03, 0): "two-level, from the entry"}  # (ratio, start_every)


def run_visits(place):
    text_set(place)
    sweep(place, "fig08_degrees")  # says how many links hubs have
    sweep(place, "fig03_visits")


def visits_by_share(place):
    """{walk: {share of the rows, those with most links: (visits to them, all visits)}}, a query."""
    found = {walk: {} for walk in WALKS}
    for row in rows(place, "fig03_visits"):
        of = found[row.query["ratio"], row.query["start_every"]]
        of[row.build["cache"]] = (row["cache_hits"], row["cache_hits"] + row["fetches"])
    return {walk: of for walk, of in found.items() if of}


def chances(shares, n):
    """[(share, chance of a row to be visited by a query)]: a row of those between the share before and this one."""
    out, before, hits_before = [], 0, 0
    for share, (hits, _) in sorted(shares.items()):
        out.append((share, (hits - hits_before) / max(1, n * (share - before))))
        before, hits_before = share, hits
    return out


def write_visits(place, page):
    found, full = visits_by_share(place), next((row for row in rows(place, "fig08_degrees") if graph_word(row) == "full"), None)
    if not found:
        return False
    n = rows(place, "fig03_visits")[0]["n"]
    links = dict(zip(HUB_SHARES, json.loads(full["hub_links"]))) if full and full.get("hub_links") else {}
    chance = {walk: chances(shares, n) for walk, shares in found.items()}
    curves = [(WALKS[walk], [(links.get(share, 100 * share), x) for share, x in points if x > 0 and links.get(share, 1) > 0], None)
              for walk, points in chance.items()]
    page.figure(draw(place, "xy", "fig03_visits", curves, lines=1, xlog=1, ylog=1, yname="share of queries that visit a row",
                     xname="links of the row, in and out (the least of its group)" if links else "rows with most links, % of all"),
                "How often a query visits a row, by the row's links: groups from the 0.5 % with most to the half with fewest.")
    share_of = {walk: {share: ratio(*pair) for share, pair in shares.items()} for walk, shares in found.items()}
    page.table(["rows with most links", "links, at least", "published", *(f"measured, {WALKS[walk]}" for walk in found),
                "modelled, if links did not matter"],
               [[percent(share), show(links.get(share)), NONE, *(percent(of.get(share)) for of in share_of.values()), percent(share)]
                for share in HUB_SHARES])
    over = {walk: ratio(points[0][1], found[walk][max(found[walk])][1] / n) for walk, points in chance.items()}
    shares = ", ".join(f"{percent(share_of[walk].get(0.02))} ({WALKS[walk]})" for walk in found)
    page.said(f"{'Agrees' if all(x > 1.5 for x in over.values()) else 'Does not agree'}: the paper shows visits skewed to rows of high degree, and here "
              f"the 2 % of the rows with most links get {shares} of the visits, and a row of the 0.5 % with most is visited "
              f"{', '.join(times(x, '.1f') for x in over.values())} as often as the mean row. {where_it_begins(share_of)} The rest of a walk stays "
              "among the query's own neighbours, whatever their degree.")
    page.note("A visit is an exact vector asked for: out of the cache of those rows, or fetched. The walk is the same whatever is cached.")
    return True


def where_it_begins(share_of):
    sampled, entry = (share_of.get((1, start), {}).get(0.02, math.nan) for start in (64, 0))
    if math.isnan(sampled + entry):
        return "Hubs are what a walk meets on its way."
    if entry > 1.1 * sampled:
        return "Hubs are what a walk meets on its way, and ours, which begins at the best by code of every 64th row, meets fewer than from the entry."
    return "Where a walk begins, at the entry or at the best by code of every 64th row, matters little to that."


# ---- figure 6: what two-level search and batching give ---------------------------------------------------------------------------------

STEPS = {(1, 1): ("plain search", None), (0.03, 1): ("two-level search", published.TWO_LEVEL), (0.03, 64): ("two-level, batched", published.BATCHED),
         (1, 64): ("plain, batched", None)}  # (ratio, batch)


def step_of(row):
    return row.query["ratio"], row.query["batch"]


def run_ablation(place):
    text_set(place)
    found = [row for row in sweep(place, "fig06_ablation") if row["target_recall"] == TIMED_RECALL and row["passed"] == "yes"]
    seconds(place, "fig06_seconds", "LEANN's figure 6 at this machine's scale: seconds with the encoder, at the efforts that fig06_ablation chose "
                                    "for recall 0.90",
            [row for row in found if step_of(row) != (1, 64)], TIMED_QUERIES, TEXT)


def write_ablation(place, page):
    found = {step_of(row): row for row in rows(place, "fig06_ablation") if row["target_recall"] == TIMED_RECALL}
    if (1, 1) not in found:
        return False
    every, (cost, source) = rows(place, "fig06_seconds"), encoder_ms(place)
    timed = {step: timed_as(every, row) for step, row in found.items()}
    lines, gains, bars = [], {}, {"published": [], "measured": [], "modelled": []}
    for step in (step for step in STEPS if step in found):
        (name, theirs), row, real = STEPS[step], found[step], timed[step]
        gains[step] = ratio(timed[1, 1] and timed[1, 1]["mean_ms"], real and real["mean_ms"])
        model = ratio(modelled_ms(found[1, 1], cost), modelled_ms(row, cost))
        together = ratio(real and real["recomputes"], real and real["encoder_calls"])
        lines.append([name, f"{row['recall']:.3f}", show(row["recomputes"]), show(together, ",.1f"), times(theirs),
                      show(real and real["mean_ms"] / 1e3, ".2f"), times(gains[step]), times(model)])
        for series, x in zip(bars.values(), (theirs or (1 if step == (1, 1) else math.nan), gains[step], model)):
            series.append((len(lines), x, name))
    drawn = [(title, series, PUBLISHED if title == "published" else None) for title, series in bars.items()]
    page.figure(draw(place, "bars", "fig06_ablation", drawn, ylog=0, groups=len(lines), yname="times as fast as plain search"),
                "Speed at equal recall (0.90); plain search is 1.")
    page.table(["search", "recall", "recomputations", "rows a call", "published", "measured, seconds a query", "measured", "modelled"], lines)
    two, both = gains.get((0.03, 1), math.nan), gains.get((0.03, 64), math.nan)
    page.said(f"Two-level search is {times(two)} as fast as plain search (the paper {published.TWO_LEVEL:.2f}×, at most "
              f"{published.TWO_LEVEL_MOST:.2f}×: {held(two, published.TWO_LEVEL)}), with dynamic batching {times(both)} (the paper "
              f"{published.BATCHED:.2f}×, at most {published.BATCHED_MOST:.2f}×; asked 1.7: {held(both, 1.7)}). What batching gives is the "
              f"encoder's: a recomputation takes {by_batch(timed)} here, where a GPU is idle in small batches; and rows gathered over hops are "
              "chosen knowing less, so that more of them are embedded.")
    page.note(f"Measured: mean over {show(next((row['queries'] for row in every), None))} report queries, int8 encoder, {place.threads} threads. "
              f"Modelled: counts of the sweep's report half, each recomputation at {show(cost, '.2f')} ms ({source}), whatever its batch.")
    return True


def by_batch(timed):
    """Milliseconds of a recomputation by how many are asked for at once."""
    real = [timed[step] for step in STEPS if timed.get(step)]
    took = [f"{row['stage2_ms'] / row['recomputes']:.1f} ms in calls of {row['recomputes'] / row['encoder_calls']:.0f}" for row in real]
    return ", ".join(took) or "an unknown time"


# ---- figure 7: pruning ---------------------------------------------------------------------------------------------------------------

def run_pruning(place):
    text_set(place)
    sweep(place, "fig08_degrees")  # evidence
    sweep(place, "fig07_pruning")


def judge_order(counts):
    """What is amiss with the paper's order at one recall; [] where it holds, None where it cannot be said."""
    if any(counts.get(name) is None for name in GRAPHS):
        return None
    full, kept, dropped, small = (counts[name] for name in GRAPHS)
    amiss = ((kept < full, "pruned before full"), (dropped <= kept, "random before it"), (small <= kept, "small M before it"))
    return [words for is_so, words in amiss if is_so]


def fetches_at(place):
    """{(ratio, recall asked): {graph: rows fetched a query}}, without graphs that do not get there."""
    found = {}
    for row in rows(place, "fig07_pruning"):
        if row["target_recall"]:
            of = found.setdefault((row.query["ratio"], row["target_recall"]), {})
            if row["passed"] == "yes":
                of[graph_word(row)] = row["fetches"]
    return dict(sorted(found.items(), key=lambda one: (-one[0][0], one[0][1])))


def write_pruning(place, page):
    found = fetches_at(place)
    if not found:
        return False
    plain = {asked: counts for (level, asked), counts in found.items() if level == 1}
    curves = [(name, [(100 * asked, counts[name]) for asked, counts in plain.items() if name in counts], None) for name in GRAPHS]
    page.figure(draw(place, "xy", "fig07_pruning", curves, lines=1, xlog=0, ylog=1, xname="recall@3 asked for, %", yname="rows embedded again a "
                                                                                                                         "query, plain search"),
                "Rows recomputed to reach a recall, plain search, by graph.")
    judged = {at: judge_order(counts) for at, counts in found.items()}
    page.table(["search", "recall", "published", *(f"measured, {name}" for name in GRAPHS), "the paper's order"],
               [["plain" if level == 1 else "two-level", f"{asked:.2f}", NONE, *(show(counts.get(name)) for name in GRAPHS),
                 NONE if judged[level, asked] is None else ", ".join(judged[level, asked]) or "holds"] for (level, asked), counts in found.items()])
    degrees = {graph_word(row): row["mean_degree"] for row in rows(place, "fig08_degrees")}
    page.said(f"The paper's order holds at {sum(x == [] for x in judged.values())} of {len(judged)} recalls and searches, and "
              "high-degree-preserving pruning is ahead of random pruning and of a small M at "
              f"{sum(x is not None and not set(x) - {'pruned before full'} for x in judged.values())}{broken_at(found, judged)}. " + why_order(judged)
              + (f" Links a row: {', '.join(f'{degrees[name]:.1f} ({name})' for name in GRAPHS if name in degrees)}." if degrees else ""))
    page.note("The paper's order: full ≤ high-degree-preserving < random, small M; it draws the counts, and they are not guessed here. A dash: no "
              "effort up to 2,000 reaches that recall. Two-level search recomputes, a hop, a share 0.03 of the rows met, those best by codes of "
              "48 bytes.")
    return True


def broken_at(found, judged):
    """One of the places where the order does not hold, in numbers."""
    broken = [at for at, amiss in judged.items() if amiss]
    if not broken:
        return ""
    level, asked = broken[-1]
    return (f"; {'plain' if level == 1 else 'two-level'} search at {asked:.2f}, for one, embeds "
            + ", ".join(f"{found[level, asked][name]:,.0f} ({name})" for name in GRAPHS) + " rows again")


REASONS = {
    "pruned before full": "Fewer links mean fewer neighbours embedded a hop, and where hubs still lead everywhere that outweighs the longer walk.",
    "small M before it": "A graph built with few links chooses each among 200 candidates and gets links back, and over so few passages it needs "
                         "no more to reach everywhere; Algorithm 3 spends its links on hubs, and a high recall is a matter of the other rows' own.",
    "random before it": "Random pruning takes from hubs and others alike, and here that costs no more than choosing anew."}


def why_order(judged):
    amiss = {words for found in judged.values() for words in found or ()}
    if not amiss:
        return "Links chosen anew, many for hubs and few for others, keep walks short, and links dropped by chance do not."
    return " ".join(reason for words, reason in REASONS.items() if words in amiss)


# ---- figure 8: degrees ---------------------------------------------------------------------------------------------------------------

def run_degrees(place):
    text_set(place)
    sweep(place, "fig08_degrees")


def degree_facts(count):
    """Of count[i], the rows with i links: mean, median, most, share with at most 3, mean of the 2 % with most."""
    n, seen, median, hubs, of_hubs = sum(count), 0, None, max(1, sum(count) // 50), 0
    left = hubs
    for links, rows_so in enumerate(count):
        seen += rows_so
        median = links if median is None and 2 * seen >= n else median
    for links in reversed(range(len(count))):
        taken = min(left, count[links])
        left, of_hubs = left - taken, of_hubs + taken * links
    mean = sum(links * rows_so for links, rows_so in enumerate(count)) / n
    most = max(links for links, rows_so in enumerate(count) if rows_so)
    return {"mean": mean, "median": median, "most": most, "few": sum(count[:4]) / n, "hubs": of_hubs / hubs}


def write_degrees(place, page):
    count = {graph_word(row): json.loads(row["out_degrees"]) for row in rows(place, "fig08_degrees") if row.get("out_degrees")}
    if not count:
        return False
    of = {name: degree_facts(count[name]) for name in GRAPHS if name in count}
    curves = [(name, [(links, 100 * x / sum(count[name])) for links, x in enumerate(count[name])], None) for name in of]
    page.figure(draw(place, "xy", "fig08_degrees", curves, lines=1, xlog=0, ylog=0, xname="links out", yname="rows with so many, %"),
                "Links out of a row, on level 0.")
    page.table(["graph", "published, mean", "measured, mean", "median", "most", "rows with 3 or fewer", "the 2 % with most, mean", "modelled"],
               [[name, str(published.MEAN_DEGREES[name]), f"{x['mean']:.1f}", str(x["median"]), str(x["most"]),
                 percent(x["few"]), f"{x['hubs']:.1f}", NONE] for name, x in of.items()])
    over = {name: ratio(x["hubs"], x["mean"]) for name, x in of.items()}
    kept, dropped = over.get("high-degree-preserving", math.nan), over.get("random", math.nan)
    page.said(f"{'Agrees' if kept > dropped else 'Does not agree'}: at half the links, high-degree-preserving pruning leaves the 2 % of the rows "
              f"with most links {times(kept, '.1f')} the mean, random pruning {times(dropped, '.1f')} and a small M "
              f"{times(over.get('small M'), '.1f')}, where the full graph has {times(over.get('full'), '.1f')}: the first keeps hubs and thins "
              "the rest, the others cut the tail off. The means of the pruned graphs are the paper's by construction; the full one's is what M 16 "
              "gives over these passages.")
    return True


# ---- figure 10: a cache of hubs --------------------------------------------------------------------------------------------------------

POLICIES = ("by links", "by fetches")


def run_cache(place):
    text_set(place)
    sweep(place, "fig10_cache")


def write_cache(place, page):
    found = {policy: {} for policy in POLICIES}
    for row in rows(place, "fig10_cache"):
        found[POLICIES[row.build["cache_queries"] > 0]][row.build["cache"]] = row
    plain, (cost, source) = found["by links"].get(0), encoder_ms(place)
    if not plain:
        return False
    found["by fetches"][0] = plain
    rate, gain = {}, {}
    for policy, of in found.items():
        rate[policy] = {share: ratio(row["cache_hits"], row["cache_hits"] + row["fetches"]) for share, row in of.items()}
        gain[policy] = {share: ratio(modelled_ms(plain, cost), modelled_ms(row, cost)) for share, row in of.items()}
    shares, most = sorted(found["by links"]), max(found["by links"])
    curves = [(f"measured, {policy}", [(100 * share, 100 * x) for share, x in sorted(of.items())], None) for policy, of in rate.items()]
    curves += [("as large as the cache", [(100 * share, 100 * share) for share in shares], "#555555"),
               ("published, at most", [(published.CACHE_SHARES[-1], published.HIT_RATE)], PUBLISHED)]
    page.figure(draw(place, "xy", "fig10_cache", curves, lines=1, xlog=0, ylog=0, xname="embeddings kept, % of all",
                     yname="visits that the cache answers, %"),
                "Hit rate by the share of the embeddings that is kept.")
    page.table(["kept", "published: hit rate", "published: faster", "measured hit rate, by links", "measured, by fetches",
                "modelled: faster, by links", "modelled, by fetches"],
               [[percent(share), *((f"{published.HIT_RATE} %", times(published.CACHE_FASTER)) if share == 0.1 else (NONE, NONE)),
                 *(percent(rate[policy].get(share)) for policy in POLICIES),
                 *(times(gain[policy].get(share)) for policy in POLICIES)] for share in shares])
    best = max(rate[policy].get(most, 0) for policy in POLICIES)
    agrees = "Agrees" if 100 * best > 0.9 * published.HIT_RATE else "Agrees in kind, not in size" if best > 1.5 * most else "Does not agree"
    page.said(f"{agrees}: with {percent(most, '.0f')} of the embeddings kept, {percent(rate['by links'].get(most))} of the visits (hubs by links) "
              f"and {percent(rate['by fetches'].get(most))} (by what queries of the tune half fetch) need no encoder; the paper has up to "
              f"{published.HIT_RATE} % and {published.CACHE_FASTER}×, the model here {times(gain['by links'].get(most))} and "
              f"{times(gain['by fetches'].get(most))}. By links the rate follows the skew of figure 3; what "
              "earlier queries fetched says more of the next ones.")
    page.note(f"Modelled: measured milliseconds of the search, and {show(cost, '.2f')} ms a recomputation ({source}). The published rate is the "
              "highest of its data sets.")
    return True
