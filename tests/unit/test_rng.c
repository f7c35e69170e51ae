/* test_rng.c – the generator against published vectors, and its laws.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ctx.h"

static void known_answers(void **state) /* kat_vectors of Random123 for philox4x32-10 */
{
    (void)state;
    static const struct {
        uint64_t key, draw, item;
        uint32_t out[4];
    } kat[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof kat / sizeof *kat; i++) {
        leann_rng rng = {.key = kat[i].key, .item = kat[i].item, .draw = kat[i].draw};
        for (int j = 0; j < 4; j++) assert_int_equal(leann_rng_u32(&rng), kat[i].out[j]);
    }
}

static void streams_differ(void **state)
{
    (void)state;
    leann_rng a = leann_rng_at(1, "x", 0), same = leann_rng_at(1, "x", 0), seed = leann_rng_at(2, "x", 0), stage = leann_rng_at(1, "y", 0),
              item = leann_rng_at(1, "x", 1);
    uint64_t first = leann_rng_u64(&a);
    assert_true(first == leann_rng_u64(&same));
    assert_true(first != leann_rng_u64(&seed) && first != leann_rng_u64(&stage) && first != leann_rng_u64(&item));
}

static void below_is_even(void **state)
{
    (void)state;
    enum { N = 7, DRAWS = 70000 };
    int count[N] = {0};
    leann_rng rng = leann_rng_at(3, "below", 0);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t x = leann_rng_below(&rng, N);
        assert_true(x < N);
        count[x]++;
    }
    double chi = 0, expected = (double)DRAWS / N;
    for (int i = 0; i < N; i++) chi += (count[i] - expected) * (count[i] - expected) / expected;
    assert_true(chi < 22.5); /* 6 degrees of freedom, p = 0.001 */
    for (int i = 0; i < 100; i++) assert_int_equal(leann_rng_below(&rng, 1), 0);
    for (int i = 0; i < 100; i++) assert_true(leann_rng_below(&rng, UINT32_MAX) < UINT32_MAX);
}

static void normals_are_normal(void **state)
{
    (void)state;
    enum { N = 100000 };
    leann_rng rng = leann_rng_at(4, "normal", 0);
    double sum = 0, square = 0, fourth = 0;
    int inside = 0;
    for (int i = 0; i < N; i++) {
        double x = leann_rng_normal(&rng);
        assert_true(isfinite(x));
        sum += x;
        square += x * x;
        fourth += x * x * x * x;
        inside += fabs(x) < 1;
    }
    assert_true(fabs(sum / N) < 0.015 && fabs(square / N - 1) < 0.02 && fabs(fourth / N - 3) < 0.15);
    assert_true(fabs((double)inside / N - 0.682689) < 0.006);
    double mean = 0;
    for (int i = 0; i < N; i++) {
        double x = leann_rng_real(&rng);
        assert_true(x >= 0 && x < 1);
        mean += x / N;
    }
    assert_true(fabs(mean - 0.5) < 0.005);
}

static void sample_of(uint32_t n, uint32_t m, bool sorted)
{
    uint32_t *ids = calloc(m ? m : 1, sizeof *ids);
    unsigned char *seen = calloc(n ? n : 1, 1);
    assert_true(ids && seen);
    leann_rng rng = leann_rng_at(5, "sample", m);
    leann_rng_sample(&rng, n, m, sorted, ids);
    for (uint32_t i = 0; i < m; i++) {
        assert_true(ids[i] < n && !seen[ids[i]]);
        seen[ids[i]] = 1;
        if (sorted && i > 0) assert_true(ids[i - 1] < ids[i]);
    }
    free(ids);
    free(seen);
}

static void samples_are_distinct(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{0, 0}, {1, 0}, {1, 1}, {10, 10}, {1000, 3}, {1000, 62}, {1000, 63}, {1000, 500}, {1000, 1000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sample_of(sizes[i][0], sizes[i][1], true);
        sample_of(sizes[i][0], sizes[i][1], false);
    }
}

static void samples_are_even(void **state) /* each id equally often, for both ways of drawing */
{
    (void)state;
    enum { N = 64, TIMES = 8000 };
    for (uint32_t m = 4; m <= 5; m++) { /* 4 = N / 16: by throwing doubles away; 5: by selection */
        int count[N] = {0};
        uint32_t ids[5];
        for (uint64_t t = 0; t < TIMES; t++) {
            leann_rng rng = leann_rng_at(6, "even", t);
            leann_rng_sample(&rng, N, m, true, ids);
            for (uint32_t i = 0; i < m; i++) count[ids[i]]++;
        }
        double chi = 0, expected = (double)TIMES * m / N;
        for (int i = 0; i < N; i++) chi += (count[i] - expected) * (count[i] - expected) / expected;
        assert_true(chi < 103.4); /* 63 degrees of freedom, p = 0.001 */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),      cmocka_unit_test(streams_differ),       cmocka_unit_test(below_is_even),
        cmocka_unit_test(normals_are_normal), cmocka_unit_test(samples_are_distinct), cmocka_unit_test(samples_are_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
