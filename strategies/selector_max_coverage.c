/* selector_max_coverage.c – m rows whose balls of radius τ hold as many rows as they can: O(s² d) by products for the s rows looked
 * at, s² / 8 bytes of neighbour bits, then O(s² / 64) words a pass of the greedy choice.
 *
 * Row i of the bits (s rows of s bits) marks the rows within τ of row i. The gain of a candidate is the number of its bits not yet
 * covered. `lazy` keeps candidates in a heap by their last known gain, an upper bound because gains only shrink, and re-counts only
 * the top; `stochastic` takes the best of (s / m) ln(1 / epsilon) candidates drawn anew for each anchor.
 *
 * Source: Nemhauser, Wolsey & Fisher 1978 (greedy, 1 - 1/e); lazy: Minoux 1978; stochastic: Mirzasoleiman et al. 2015 (arXiv
 *   1409.7938); coverage by balls: Yehuda et al. 2022 (arXiv 2205.11320).
 * Differs: candidates and the rows to be covered are the same seeded sample of `samples` rows. When every row is covered before m
 *   anchors are chosen, all count as uncovered again and the choice goes on: rows get covered twice, and so on. With a
 *   diversity_threshold t no anchor is taken within t τ of another while any candidate is left outside; then the farthest are
 *   taken, one after the other (Gonzalez 1985). The guarantee holds at threshold 0 only.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int algorithm;
    double epsilon, diversity_threshold;
    uint32_t samples, tau_rank;
} coverage_params;

enum { LAZY, STOCHASTIC };
enum { MOST = 120000, TILE = 512 };

static const leann_param table[] = {
    LEANN_PARAM_WORD(coverage_params, algorithm, "lazy|stochastic", "lazy", "exact greedy, or the best of a draw for each anchor"),
    LEANN_PARAM_REAL(coverage_params, epsilon, 1e-6, 0.5, "0.01", "stochastic: loss against exact greedy, as a share of the best"),
    LEANN_PARAM_REAL(coverage_params, diversity_threshold, 0, 100, "0", "least distance between anchors as a share of tau"),
    LEANN_PARAM_INT(coverage_params, samples, 0, MOST, "20000", "rows looked at, drawn by seed, at least 2 an anchor; 0: all"),
    LEANN_PARAM_INT(coverage_params, tau_rank, 0, 4294967294.0, "0", "radius: median distance to this neighbour; 0: ceil(sqrt n)"),
    LEANN_PARAM_END,
};

typedef struct {
    const coverage_params *params;
    leann_rows rows; /* (s, d) the sample, L2 */
    uint32_t s, m;
    size_t words; /* of one row of bits */
    leann_oracle *oracle;
    float limit;              /* τ² */
    uint64_t *bits, *left;    /* (s, words); (words) not covered yet */
    uint32_t *gain;           /* (s) last known */
    uint32_t *heap, heap_n;   /* lazy: candidates, largest gain first. stochastic: the candidates left, in any order */
    float *apart;             /* (s) least squared distance to an anchor; NULL at diversity_threshold 0 */
    bool *taken;              /* (s) */
    uint32_t *chosen, have;   /* (m) rows of the sample */
    uint32_t covered, rounds; /* of this round; how often all were covered */
} cover;

/* ---- neighbour bits ------------------------------------------------------------------------------------------------------ */

/* Tile pair p of the upper triangle, row by row. */
static void pair_at(size_t p, size_t tiles, size_t *a, size_t *b)
{
    for (*a = 0; p >= tiles - *a; (*a)++) p -= tiles - *a;
    *b = *a + p;
}

/* Bits of both triangles; tiles are whole words wide, so no two tasks share a word. */
static leann_status link_tiles(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    cover *c = arg;
    size_t mark = leann_scratch_mark(worker), tiles = (c->s + TILE - 1) / TILE;
    float *key = leann_scratch(worker, sizeof(float[TILE][TILE]));
    if (!key) return LEANN_ENOMEM;
    for (size_t p = begin; p < end; p++) {
        size_t a, b;
        pair_at(p, tiles, &a, &b);
        uint32_t i0 = (uint32_t)a * TILE, j0 = (uint32_t)b * TILE, h = c->s - i0 < TILE ? c->s - i0 : TILE,
                 w = c->s - j0 < TILE ? c->s - j0 : TILE;
        leann_status status =
            c->oracle->block(c->oracle, worker, (leann_span){LEANN_NONE, i0, h, NULL}, (leann_span){LEANN_NONE, j0, w, NULL}, key);
        if (status) return status;
        for (uint32_t i = 0; i < h; i++)
            for (uint32_t j = 0; j < w; j++)
                if (key[(size_t)i * w + j] <= c->limit) {
                    c->bits[(i0 + i) * c->words + (j0 + j) / 64] |= 1ULL << (j % 64);
                    if (a != b) c->bits[(j0 + j) * c->words + (i0 + i) / 64] |= 1ULL << (i % 64);
                }
    }
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

static leann_status link_rows(leann_ctx *ctx, cover *c)
{
    size_t tiles = (c->s + TILE - 1) / TILE;
    leann_status status = leann_parallel(ctx, tiles * (tiles + 1) / 2, 1, link_tiles, c);
    for (uint32_t i = 0; i < c->s; i++) c->bits[i * c->words + i / 64] |= 1ULL << (i % 64); /* whatever rounding says */
    return status;
}

/* ---- gains ----------------------------------------------------------------------------------------------------------------- */

static uint32_t ones(uint64_t x) /* a table call would be slower than this where the compiler may not use popcnt */
{
    x -= x >> 1 & 0x5555555555555555ULL;
    x = (x & 0x3333333333333333ULL) + (x >> 2 & 0x3333333333333333ULL);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return (uint32_t)(x * 0x0101010101010101ULL >> 56);
}

static uint32_t gain_of(const cover *c, uint32_t i)
{
    const uint64_t *mine = c->bits + i * c->words;
    uint32_t sum = 0;
    for (size_t w = 0; w < c->words; w++) sum += ones(mine[w] & c->left[w]);
    return sum;
}

static leann_status count_gains(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    (void)worker;
    cover *c = arg;
    for (size_t i = begin; i < end; i++) c->gain[i] = gain_of(c, (uint32_t)i);
    return LEANN_OK;
}

/* Larger gain first, then the smaller row. */
static bool ahead(const cover *c, uint32_t a, uint32_t b)
{
    return c->gain[a] > c->gain[b] || (c->gain[a] == c->gain[b] && a < b);
}

static void sink(cover *c, uint32_t at)
{
    uint32_t moving = c->heap[at];
    for (uint32_t child; (child = 2 * at + 1) < c->heap_n; at = child) {
        if (child + 1 < c->heap_n && ahead(c, c->heap[child + 1], c->heap[child])) child++;
        if (!ahead(c, c->heap[child], moving)) break;
        c->heap[at] = c->heap[child];
    }
    c->heap[at] = moving;
}

/* ---- the choice ------------------------------------------------------------------------------------------------------------ */

static bool allowed(const cover *c, uint32_t i)
{
    double least = c->params->diversity_threshold;
    return !c->taken[i] && (!c->apart || (double)c->apart[i] >= least * least * (double)c->limit);
}

/* All rows count as uncovered again, all candidates that are allowed may be chosen. */
static leann_status new_round(leann_ctx *ctx, cover *c)
{
    for (size_t w = 0; w < c->words; w++) c->left[w] = ~0ULL;
    if (c->s % 64) c->left[c->words - 1] = (1ULL << (c->s % 64)) - 1;
    c->covered = 0;
    c->rounds++;
    leann_status status = leann_parallel(ctx, c->s, 256, count_gains, c);
    c->heap_n = 0;
    for (uint32_t i = 0; i < c->s; i++)
        if (allowed(c, i)) c->heap[c->heap_n++] = i;
    for (uint32_t i = c->heap_n / 2; i-- > 0;) sink(c, i);
    return status;
}

static void discard_top(cover *c)
{
    c->heap[0] = c->heap[--c->heap_n];
    if (c->heap_n) sink(c, 0);
}

/* The allowed candidate of the largest gain, or LEANN_NONE when none is left or none gains anything. */
static uint32_t next_lazy(cover *c)
{
    while (c->heap_n) {
        uint32_t top = c->heap[0];
        if (!allowed(c, top)) {
            discard_top(c);
            continue;
        }
        uint32_t now = gain_of(c, top);
        if (now == c->gain[top]) return now ? top : LEANN_NONE;
        c->gain[top] = now;
        sink(c, 0);
    }
    return LEANN_NONE;
}

static uint32_t next_stochastic(leann_ctx *ctx, cover *c)
{
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "selector max-coverage draw", c->have);
    uint32_t best = LEANN_NONE, looked = 0, draws = (uint32_t)ceil((double)c->s / c->m * log(1 / c->params->epsilon));
    /* A draw that gains nothing does not count: the last uncovered rows are found, or it is certain that there are none. */
    for (uint32_t at = 0; at < c->heap_n && looked < draws;) {
        uint32_t other = at + leann_rng_below(&rng, c->heap_n - at), i = c->heap[other];
        c->heap[other] = c->heap[at];
        c->heap[at] = i;
        if (!allowed(c, i)) {
            c->heap[at] = c->heap[--c->heap_n];
            continue;
        }
        c->gain[i] = gain_of(c, i);
        if (c->gain[i]) {
            looked++;
            if (best == LEANN_NONE || ahead(c, i, best)) best = i;
        }
        at++;
    }
    return best;
}

static uint32_t next_farthest(const cover *c)
{
    uint32_t best = LEANN_NONE;
    for (uint32_t i = 0; i < c->s; i++)
        if (!c->taken[i] && (best == LEANN_NONE || c->apart[i] > c->apart[best])) best = i;
    return best;
}

typedef struct {
    cover *c;
    uint32_t anchor;
} spread;

static leann_status move_apart(leann_ctx *worker, void *arg, size_t begin, size_t end)
{
    const spread *s = arg;
    size_t mark = leann_scratch_mark(worker);
    float *key = leann_scratch(worker, (end - begin) * sizeof *key);
    if (!key) return LEANN_ENOMEM;
    s->c->oracle->list(s->c->oracle, s->anchor, (leann_span){LEANN_NONE, (uint32_t)begin, (uint32_t)(end - begin), NULL}, INFINITY, key);
    for (size_t i = begin; i < end; i++) s->c->apart[i] = fminf(s->c->apart[i], key[i - begin]);
    leann_scratch_reset(worker, mark);
    return LEANN_OK;
}

static leann_status take(leann_ctx *ctx, cover *c, uint32_t anchor)
{
    const uint64_t *mine = c->bits + anchor * c->words;
    c->covered += gain_of(c, anchor);
    for (size_t w = 0; w < c->words; w++) c->left[w] &= ~mine[w];
    c->taken[anchor] = true;
    c->chosen[c->have++] = anchor;
    spread s = {c, anchor};
    return c->apart ? leann_parallel(ctx, c->s, 1024, move_apart, &s) : LEANN_OK;
}

static bool any_allowed(const cover *c)
{
    for (uint32_t i = 0; i < c->s; i++)
        if (allowed(c, i)) return true;
    return false;
}

static int descending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

/* f(S) against what no choice of m can exceed: f(S) plus the m largest gains left, and the number of rows. Spends the gains. */
static leann_status state_bound(leann_ctx *ctx, cover *c)
{
    leann_status status = leann_parallel(ctx, c->s, 256, count_gains, c);
    qsort(c->gain, c->s, sizeof *c->gain, descending);
    double bound = c->covered;
    for (uint32_t i = 0; i < c->m; i++) bound += c->gain[i];
    leann_ctx_fact(ctx, "bound_share", c->covered / fmin(bound, c->s));
    leann_ctx_fact(ctx, "coverage_at_tau", (double)c->covered / c->s);
    return status;
}

static leann_status choose(leann_ctx *ctx, cover *c)
{
    leann_status status = new_round(ctx, c);
    uint32_t crowded = 0;
    while (!status && c->have < c->m) {
        if (leann_ctx_cancelled(ctx)) return leann_fail(ctx, LEANN_EINTR, "interrupted");
        uint32_t next = c->params->algorithm == LAZY ? next_lazy(c) : next_stochastic(ctx, c);
        if (next == LEANN_NONE && any_allowed(c)) { /* nothing left to gain in this round */
            if (c->rounds == 1) status = state_bound(ctx, c);
            if (!status) status = new_round(ctx, c);
            continue;
        }
        if (next == LEANN_NONE) { /* only with a threshold: every candidate lies within it of an anchor */
            assert(c->apart);
            next = next_farthest(c);
            crowded++;
        }
        status = take(ctx, c, next);
        leann_ctx_progress(ctx, "selector max-coverage", c->have, c->m);
    }
    if (!status && c->rounds == 1) status = state_bound(ctx, c);
    leann_ctx_fact(ctx, "coverage_rounds", c->rounds);
    if (c->apart) leann_ctx_fact(ctx, "anchors_within_threshold", crowded);
    return status;
}

/* ---- the selector ----------------------------------------------------------------------------------------------------------- */

static leann_status sample_size(leann_ctx *ctx, const coverage_params *p, uint32_t n, uint32_t m, uint32_t *s)
{
    uint32_t wanted = p->samples ? p->samples : n, pairs = m > MOST / 2 ? MOST : 2 * m;
    if (wanted < pairs) wanted = pairs;
    *s = wanted < n ? wanted : n;
    if (*s > MOST) return leann_fail(ctx, LEANN_ELIMIT, "samples is %u, but neighbour bits are kept of at most %d rows", *s, MOST);
    if (*s < m) return leann_fail(ctx, LEANN_ELIMIT, "anchors is %u, but max-coverage looks at %d rows at most", m, MOST);
    return LEANN_OK;
}

static leann_status make_room(leann_ctx *ctx, cover *c)
{
    c->words = (c->s + (size_t)63) / 64;
    c->bits = leann_alloc(ctx, c->s, c->words * sizeof *c->bits);
    c->left = leann_alloc(ctx, c->words, sizeof *c->left);
    c->gain = leann_alloc(ctx, c->s, sizeof *c->gain);
    c->heap = leann_alloc(ctx, c->s, sizeof *c->heap);
    c->taken = leann_alloc(ctx, c->s, sizeof *c->taken);
    c->chosen = leann_alloc(ctx, c->m, sizeof *c->chosen);
    if (!c->bits || !c->left || !c->gain || !c->heap || !c->taken || !c->chosen) return LEANN_ENOMEM;
    if (c->params->diversity_threshold == 0) return LEANN_OK;
    c->apart = leann_alloc(ctx, c->s, sizeof *c->apart);
    for (uint32_t i = 0; c->apart && i < c->s; i++) c->apart[i] = INFINITY;
    return c->apart ? LEANN_OK : LEANN_ENOMEM;
}

static leann_status pick(leann_ctx *ctx, const leann_dataset *data, uint32_t m, const void *params, leann_anchors *out)
{
    cover c = {.params = params, .m = m};
    uint32_t *ids = NULL;
    double tau;
    leann_status status = sample_size(ctx, params, data->train.n, m, &c.s);
    if (status) return status;
    if (!(ids = leann_alloc(ctx, c.s, sizeof *ids))) return LEANN_ENOMEM;
    leann_rng rng = leann_rng_at(leann_ctx_seed(ctx), "selector max-coverage rows", 0);
    leann_rng_sample(&rng, data->train.n, c.s, true, ids);
    if ((status = leann_coverage_radius(ctx, data->train, c.params->tau_rank, &tau))) goto done;
    leann_ctx_fact(ctx, "tau", tau);
    c.limit = (float)(tau * tau);
    if ((status = leann_rows_pick(ctx, data->train, ids, c.s, &c.rows))) goto done;
    c.rows.space = LEANN_L2;
    if ((status = leann_oracle_new(ctx, c.rows, &c.oracle)) || (status = make_room(ctx, &c))) goto done;
    if ((status = link_rows(ctx, &c)) || (status = choose(ctx, &c))) goto done;
    for (uint32_t j = 0; j < m; j++) c.chosen[j] = ids[c.chosen[j]];
    status = leann_rows_anchors(ctx, data->train, c.chosen, m, out);
done:
    leann_free(ids);
    leann_free((void *)(uintptr_t)c.rows.base);
    leann_oracle_free(c.oracle);
    leann_free(c.bits);
    leann_free(c.left);
    leann_free(c.gain);
    leann_free(c.heap);
    leann_free(c.apart);
    leann_free(c.taken);
    leann_free(c.chosen);
    return status;
}

extern const leann_selector_type leann_selector_max_coverage;
const leann_selector_type leann_selector_max_coverage = {
    .common = {.name = "max-coverage",
               .revision = 1,
               .about = "rows whose balls of radius tau hold the most rows, chosen greedily",
               .source = "Nemhauser, Wolsey & Fisher 1978; Minoux 1978; Mirzasoleiman et al. 2015 (arXiv 1409.7938)",
               .params = table,
               .params_size = sizeof(coverage_params)},
    .select = pick,
};
