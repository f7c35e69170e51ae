"""The figures by name: title, what each runs, and its section of the report.

A `run` measures what is missing (or, where nothing is to be measured, nothing); a `write` tells what is there and says whether that was anything.
SPDX-License-Identifier: MIT
"""
from encoders import run_batch, run_encoders, write_batch, write_encoders
from tables import run_latency, run_storage, write_latency, write_storage
from walks import run_ablation, run_cache, run_degrees, run_pruning, run_visits
from walks import write_ablation, write_cache, write_degrees, write_pruning, write_visits

FIGURES = {
    "fig03": ("Figure 3: who is visited", run_visits, write_visits),
    "fig04": ("Figure 4: storage", run_storage, write_storage),
    "fig05": ("Figure 5: latency", run_latency, write_latency),
    "fig06": ("Figure 6: two-level search and dynamic batching", run_ablation, write_ablation),
    "fig07": ("Figure 7: pruning", run_pruning, write_pruning),
    "fig08": ("Figure 8: links out of a row", run_degrees, write_degrees),
    "fig09": ("Figure 9: a smaller encoder", run_encoders, write_encoders),
    "fig10": ("Figure 10: a cache of hubs", run_cache, write_cache),
    "fig11": ("Figure 11: inside a batch", run_batch, write_batch),
}
