/* rng.c – counter-based random numbers: draw j of item i in stage s of seed k is a pure function of (k, s, i, j); O(1) a number.
 *
 * Philox4x32-10 with key = hash(seed, stage) and counter = (draw, item), 64 bits each.
 * Real-valued laws use only + - * / and sqrt, so that their bits do not move between C libraries and processors.
 *
 * Source: Salmon, Moraes, Dror & Shaw 2011 (Philox); Lemire 2019 (numbers below n); Marsaglia & Bray 1964 (polar method);
 *         Knuth, The Art of Computer Programming 2, 3.4.2, Algorithm S (selection sampling).
 * Differs: the polar method's second deviate is dropped, so that a generator has no state beside its counter.
 *
 * SPDX-License-Identifier: MIT */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "core/ctx.h"

static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p = 0xD2511F53ull * c0, q = 0xCD9E8D57ull * c2;
        c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)q;
        c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static uint64_t mix(uint64_t x) /* the finaliser of splitmix64: a bijection */
{
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

leann_rng leann_rng_at(uint64_t seed, const char *stage, uint64_t item)
{
    uint64_t hash = 0xCBF29CE484222325ull; /* FNV-1a of the stage's word */
    for (const char *c = stage; *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001B3ull;
    return (leann_rng){.key = mix(seed ^ mix(hash)), .item = item};
}

uint32_t leann_rng_u32(leann_rng *rng)
{
    if (rng->left == 0) {
        uint32_t counter[4] = {(uint32_t)rng->draw, (uint32_t)(rng->draw >> 32), (uint32_t)rng->item, (uint32_t)(rng->item >> 32)};
        uint32_t key[2] = {(uint32_t)rng->key, (uint32_t)(rng->key >> 32)};
        philox(counter, key, rng->buffer);
        rng->draw++;
        rng->left = 4;
    }
    return rng->buffer[4 - rng->left--];
}

uint64_t leann_rng_u64(leann_rng *rng)
{
    uint64_t low = leann_rng_u32(rng);
    return low | (uint64_t)leann_rng_u32(rng) << 32;
}

uint32_t leann_rng_below(leann_rng *rng, uint32_t n)
{
    assert(n > 0);
    uint64_t product = (uint64_t)leann_rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (0u - n) % n; /* 2^32 mod n: that many draws too many would favour small numbers */
        while ((uint32_t)product < threshold) product = (uint64_t)leann_rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

double leann_rng_real(leann_rng *rng)
{
    return (double)(leann_rng_u64(rng) >> 11) * 0x1p-53;
}

/* Natural logarithm by 2 artanh((m - 1) / (m + 1)), m in [sqrt 1/2, sqrt 2): the series' 11 terms leave 1e-17. libm's own picks
 * fused instructions where it finds them, and then normals would differ between processors. */
static double log_plain(double x)
{
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752440) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int k = 21; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
    return 0.69314718055994530942 * exponent + 2 * s * sum;
}

double leann_rng_normal(leann_rng *rng)
{
    double u, v, square;
    do {
        u = 2 * leann_rng_real(rng) - 1;
        v = 2 * leann_rng_real(rng) - 1;
        square = u * u + v * v;
    } while (square >= 1 || square == 0);
    return u * sqrt(-2 * log_plain(square) / square);
}

int leann_by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Draws until m are distinct, doubles thrown away: O(m log m), for m well below n. */
static void sample_few(leann_rng *rng, uint32_t n, uint32_t m, uint32_t *ids)
{
    for (uint32_t have = 0; have < m;) {
        for (uint32_t i = have; i < m; i++) ids[i] = leann_rng_below(rng, n);
        qsort(ids, m, sizeof *ids, leann_by_id);
        have = 0;
        for (uint32_t i = 0; i < m; i++)
            if (have == 0 || ids[i] != ids[have - 1]) ids[have++] = ids[i];
    }
}

void leann_rng_sample(leann_rng *rng, uint32_t n, uint32_t m, bool sorted, uint32_t *ids)
{
    assert(m <= n);
    if (m <= n / 16) {
        sample_few(rng, n, m, ids);
    } else { /* Algorithm S: id is taken with probability (still wanted) / (still there) */
        for (uint32_t id = 0, have = 0; have < m; id++)
            if (leann_rng_below(rng, n - id) < m - have) ids[have++] = id;
    }
    if (sorted) return;
    for (uint32_t i = m; i > 1; i--) {
        uint32_t j = leann_rng_below(rng, i), id = ids[j];
        ids[j] = ids[i - 1];
        ids[i - 1] = id;
    }
}

leann_status leann_split(leann_ctx *ctx, uint32_t test_rows, uint32_t queries, uint32_t *order, uint32_t *tune)
{
    if (queries > test_rows) return leann_fail(ctx, LEANN_EINVAL, "queries = %u: the data set has %u test rows", queries, test_rows);
    leann_rng rng = leann_rng_at(1, "split", 0);
    size_t mark = leann_scratch_mark(ctx);
    uint32_t *all = leann_scratch(ctx, (size_t)test_rows * sizeof *all);
    if (!all) return LEANN_ENOMEM;
    for (uint32_t i = 0; i < test_rows; i++) all[i] = i;
    uint32_t used = queries ? queries : test_rows;
    for (uint32_t i = 0; i < used; i++) { /* Fisher and Yates, from the front: fewer queries are a prefix of more */
        uint32_t j = i + leann_rng_below(&rng, test_rows - i), swap = all[i];
        all[i] = all[j];
        all[j] = swap;
        order[i] = all[i];
    }
    leann_scratch_reset(ctx, mark);
    *tune = used / 2;
    return LEANN_OK;
}
