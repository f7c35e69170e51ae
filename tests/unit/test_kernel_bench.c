/* test_kernel_bench.c – the kernel benchmark on a tiny load: every kernel of every table is there, with figures that can be divided by.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/dense.h"
#include "core/simd/kernels.h"
#include "eval/dense_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void figures(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    for (size_t d = 1; d < 200; d += 66) {
        leann_kernel_report report;
        const leann_kernel_bench_options options = {.d = d, .memory_bytes = 1 << 20, .repeats = 2, .sample_usec = 1};
        assert_int_equal(leann_kernel_bench(ctx, &options, &report), LEANN_OK);
        size_t entries = (sizeof(leann_kernels) - sizeof(char *)) / sizeof(void (*)(void)), tables = 0, missing = 0;
        for (size_t i = 0; i < report.n && strcmp(report.timing[i].kernel, report.timing[0].kernel) == 0; i++) {
            const leann_kernels *t = leann_kernels_named(report.timing[i].isa);
            assert_non_null(t);
            missing += (size_t)!t->fastscan8 + 3 * (size_t)!t->panels_u8; /* what a table may lack */
            tables++;
        }
        assert_string_equal(report.timing[0].isa, "scalar");
        assert_int_equal(report.n, entries * tables - missing); /* a kernel added to the table and not here is noticed */
        assert_true(report.peak.gflop_s > 0 && report.stream_gb_s > 0);
        for (size_t i = 0; i < report.n; i++)
            for (int place = 0; place < LEANN_ROWS_PLACES; place++)
                assert_true(report.timing[i].ns[place] > 0 && report.timing[i].speedup[place] > 0);
        leann_kernel_report_free(&report);
    }
    leann_ctx_free(ctx);
}

/* All entries of the table are in it. */
static void dense(void **state)
{
    (void)state;
    leann_ctx *ctx = leann_ctx_new(1, 1);
    leann_dense_report report;
    assert_int_equal(leann_dense_bench(ctx, (leann_dense_options){.tokens = 3, .repeats = 1, .sample_usec = 1}, &report), LEANN_OK);
    size_t kernels = 0, entries = 0;
    for (size_t i = 0; i < report.n; i++) {
        const leann_dense_timing *t = &report.timing[i];
        assert_non_null(leann_dense_named(t->isa));
        assert_true(t->us > 0 && t->speedup > 0 && (t->gflop_s > 0) == (t->inner > 0));
        kernels += i == 0 || strcmp(t->kernel, t[-1].kernel) != 0;
    }
    entries = (sizeof(leann_dense_kernels) - offsetof(leann_dense_kernels, product_f32)) / sizeof(void (*)(void));
    assert_int_equal(kernels, entries); /* a kernel added to the table and not here is noticed */
    assert_true(report.peak[LEANN_PEAK_F32].gflop_s > 0);
    leann_dense_report_free(&report);
    assert_int_equal(leann_dense_bench(ctx, (leann_dense_options){.tokens = 253, .repeats = 1}, &report), LEANN_EINVAL);
    assert_int_equal(leann_dense_bench(ctx, (leann_dense_options){.tokens = 3}, &report), LEANN_EINVAL);
    leann_ctx_free(ctx);
}

static void refused(void **state)
{
    (void)state;
    const leann_kernel_bench_options bad[] = {{0, 1 << 20, 5, 1}, {65537, 1 << 30, 5, 1}, {784, 1000, 5, 1}, {784, 1 << 20, 0, 1}};
    static const char *const says[] = {"0 components", "65537 components", "1000 bytes", "0 repeats"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        leann_ctx *ctx = leann_ctx_new(1, 1);
        leann_kernel_report report;
        assert_int_equal(leann_kernel_bench(ctx, &bad[i], &report), LEANN_EINVAL);
        assert_non_null(strstr(leann_ctx_error(ctx), says[i]));
        leann_kernel_report_free(&report);
        leann_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(figures), cmocka_unit_test(dense), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
