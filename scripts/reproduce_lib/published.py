"""What LEANN's paper reports, as far as our report sets it beside ours.

Source: Wang et al. 2025, LEANN, arXiv 2506.08276, the figures by their numbers there. A number that the paper only draws is not guessed.
SPDX-License-Identifier: MIT
"""
PAPER = "Wang et al. 2025, LEANN, arXiv 2506.08276"
PASSAGES = "60 million of 256 tokens, 76 GB of text"
ENCODER = "Contriever, 110 million weights, 768 dimensions"
RECALL = "of the nearest 3, against exact search"
LATENCY = "mean of 20 queries at the least effort, by binary search, that reaches the recall"

VECTORS, DIMENSION, TEXT_GB = 60e6, 768, 76
STORAGE_GB = {"hnsw": 188, "diskann": 270, "ivf": 172, "codes": 20, "leann-paper": 4}                     # figure 4
FASTER_THAN_IVF_RECOMPUTE = (21, 200)                                                                     # figure 5
TWO_LEVEL, TWO_LEVEL_MOST, BATCHED, BATCHED_MOST = 1.40, 1.64, 1.76, 2.02                                 # figure 6
MEAN_DEGREES = {"full": 18, "high-degree-preserving": 9, "random": 9, "small M": 9}                       # figures 7 and 8
SMALL_FASTER, SMALL_WITHIN = 2.3, 2                                                                       # figure 9: times, per cent
CACHE_SHARES, CACHE_FASTER, HIT_RATE = (0, 2.5, 5, 8, 10), 1.47, 41.9                                     # figure 10: per cent, times, per cent
BATCH_MS = {"look-up of codes": 8, "fetch and tokenise": 16, "recompute": 76}                             # figure 11, a batch of 64
