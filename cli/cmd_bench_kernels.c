/* cmd_bench_kernels.c – `leann bench kernels`: every SIMD kernel of every instruction set of this machine, checked, then timed.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "eval/dense_bench.h"
#include "eval/kernel_bench.h"

extern const cli_command cli_bench_kernels;

static leann_value *places_value(const double x[LEANN_ROWS_PLACES])
{
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "cache", leann_value_new_real(x[LEANN_ROWS_CACHED]));
    leann_value_set(v, "run", leann_value_new_real(x[LEANN_ROWS_RUN]));
    leann_value_set(v, "random", leann_value_new_real(x[LEANN_ROWS_RANDOM]));
    return v;
}

static leann_value *timing_value(const leann_kernel_timing *t)
{
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "kernel", leann_value_new_text(t->kernel));
    leann_value_set(v, "isa", leann_value_new_text(t->isa));
    leann_value_set(v, "row_bytes", leann_value_new_int((int64_t)t->row_bytes));
    leann_value_set(v, "ns", places_value(t->ns));
    leann_value_set(v, "gb_s", places_value(t->gb_s));
    leann_value_set(v, "speedup", places_value(t->speedup));
    leann_value_set(v, "gflop_s", leann_value_new_real(t->gflop_s));
    leann_value_set(v, "peak_share", leann_value_new_real(t->peak_share));
    leann_value_set(v, "stream_share", leann_value_new_real(t->stream_share));
    return v;
}

static leann_value *dense_value(const leann_dense_timing *t)
{
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "kernel", leann_value_new_text(t->kernel));
    leann_value_set(v, "isa", leann_value_new_text(t->isa));
    leann_value_set(v, "rows", leann_value_new_int((int64_t)t->rows));
    leann_value_set(v, "columns", leann_value_new_int((int64_t)t->columns));
    leann_value_set(v, "inner", leann_value_new_int((int64_t)t->inner));
    leann_value_set(v, "gelu", leann_value_new_bool(t->gelu));
    leann_value_set(v, "us", leann_value_new_real(t->us));
    leann_value_set(v, "speedup", leann_value_new_real(t->speedup));
    leann_value_set(v, "gflop_s", leann_value_new_real(t->gflop_s));
    leann_value_set(v, "peak_share", leann_value_new_real(t->peak_share));
    return v;
}

static const char *const operand_words[LEANN_PEAKS] = {"f32", "bf16", "u8"};

static void print_dense_json(const leann_dense_report *report, unsigned repeats)
{
    leann_value *v = leann_value_new_map(), *peaks = leann_value_new_map(), *list = leann_value_new_list();
    leann_value_set(v, "repeats", leann_value_new_int(repeats));
    for (int i = 0; i < LEANN_PEAKS; i++) leann_value_set(peaks, operand_words[i], leann_value_new_real(report->peak[i].gflop_s));
    leann_value_set(v, "peak_gflop_s", peaks);
    for (size_t i = 0; i < report->n; i++) leann_value_append(list, dense_value(&report->timing[i]));
    leann_value_set(v, "kernels", list);
    cli_print_json(v);
}

static void print_dense_table(const leann_dense_report *report, unsigned repeats)
{
    printf("the encoder's kernels, a sequence of 252 tokens through all-MiniLM-L6-v2, medians of %u, one thread\npeak:", repeats);
    for (int i = 0; i < LEANN_PEAKS; i++)
        printf("%s %.1f GFLOP/s of %s (%s)", i ? "," : "", report->peak[i].gflop_s, operand_words[i], report->peak[i].isa);
    printf("\n\n%-15s%6s%9s%7s  %-13s%10s%10s%9s%7s\n", "kernel", "rows", "columns", "inner", "isa", "us", "GFLOP/s", "of peak", "x");
    for (size_t i = 0; i < report->n; i++) {
        const leann_dense_timing *t = &report->timing[i];
        if (strcmp(t->isa, "scalar") == 0)
            printf("%-15s%6zu%9zu%7zu", t->kernel, t->rows, t->columns, t->inner);
        else
            printf("%-37s", t[-1].gelu && strcmp(t[-1].isa, "scalar") == 0 ? "  and GELU" : "");
        printf("  %-13s%10.2f", t->isa, t->us);
        if (t->gflop_s > 0)
            printf("%10.1f%7.0f %%", t->gflop_s, 100 * t->peak_share);
        else
            printf("%10s%9s", "-", "-");
        printf("%7.1f\n", t->speedup);
    }
}

static leann_status run_dense(cli *c)
{
    leann_dense_report report;
    const leann_dense_options options = {252, (unsigned)cli_int(c, "repeats"), (unsigned)cli_int(c, "sample-us")};
    leann_status status = leann_dense_bench(c->ctx, options, &report);
    if (status == LEANN_OK) (cli_flag(c, "json") ? print_dense_json : print_dense_table)(&report, options.repeats);
    leann_dense_report_free(&report);
    return status;
}

static void print_json(const leann_kernel_report *report, const leann_kernel_bench_options *options)
{
    leann_value *v = leann_value_new_map(), *list = leann_value_new_list();
    leann_value_set(v, "d", leann_value_new_int((int64_t)options->d));
    leann_value_set(v, "memory_bytes", leann_value_new_int((int64_t)options->memory_bytes));
    leann_value_set(v, "repeats", leann_value_new_int((int64_t)options->repeats));
    leann_value_set(v, "peak_gflop_s", leann_value_new_real(report->peak.gflop_s));
    leann_value_set(v, "peak_isa", leann_value_new_text(report->peak.isa));
    leann_value_set(v, "stream_gb_s", leann_value_new_real(report->stream_gb_s));
    for (size_t i = 0; i < report->n; i++) leann_value_append(list, timing_value(&report->timing[i]));
    leann_value_set(v, "kernels", list);
    cli_print_json(v);
}

static void print_table(const leann_kernel_report *report, const leann_kernel_bench_options *options)
{
    char size[32];
    printf("%zu components a row (look-ups: an eighth of that), medians of %u, one thread\n", options->d, options->repeats);
    printf("peak: %.1f GFLOP/s (multiply-adds in registers, %s), %.1f GB/s (reading %s)\n\n", report->peak.gflop_s, report->peak.isa,
           report->stream_gb_s, cli_bytes(size, (double)options->memory_bytes));
    printf("%-34s%42s%30s%22s\n", "", "in cache               ", "a run in memory        ", "lists of 32 at random");
    printf("%-18s%-9s%7s%9s%8s%9s%8s%8s%9s%8s%8s%6s%9s%8s%6s\n", "kernel", "isa", "bytes", "ns", "GB/s", "GFLOP/s", "of peak", "x", "ns",
           "GB/s", "of peak", "x", "ns", "GB/s", "x");
    for (size_t i = 0; i < report->n; i++) {
        const leann_kernel_timing *t = &report->timing[i];
        bool first = i == 0 || strcmp(t->kernel, t[-1].kernel) != 0;
        printf("%-18s%-9s%7zu%9.1f%8.1f", first ? t->kernel : "", t->isa, t->row_bytes, t->ns[0], t->gb_s[0]);
        if (t->gflop_s > 0)
            printf("%9.1f%6.0f %%", t->gflop_s, 100 * t->peak_share);
        else
            printf("%9s%8s", "-", "-");
        printf("%8.1f%9.1f%8.1f%6.0f %%%6.1f%9.1f%8.1f%6.1f\n", t->speedup[0], t->ns[1], t->gb_s[1], 100 * t->stream_share, t->speedup[1],
               t->ns[2], t->gb_s[2], t->speedup[2]);
    }
}

static leann_status run(cli *c)
{
    leann_kernel_report report;
    if (cli_flag(c, "dense")) return run_dense(c);
    const leann_kernel_bench_options options = {.d = (size_t)cli_int(c, "dim"),
                                                .memory_bytes = (size_t)cli_int(c, "memory-mb") << 20,
                                                .repeats = (unsigned)cli_int(c, "repeats"),
                                                .sample_usec = (unsigned)cli_int(c, "sample-us")};
    leann_status status = leann_kernel_bench(c->ctx, &options, &report);
    if (status) goto done;
    if (cli_flag(c, "json"))
        print_json(&report, &options);
    else
        print_table(&report, &options);
done:
    leann_kernel_report_free(&report);
    return status;
}

static const cli_option options_table[] = {{"dim", CLI_INT, "N", "components a row", "784", 1, 65536},
                                           {"memory-mb", CLI_INT, "N", "memory that the rows out of cache lie in, MiB", "256", 1, 1048576},
                                           {"repeats", CLI_INT, "N", "samples whose median is taken", "7", 5, 1001},
                                           {"sample-us", CLI_INT, "N", "time of one sample, microseconds", "3000", 1, 1000000},
                                           {"dense", CLI_FLAG, NULL, "the encoder's kernels, not those of vectors", NULL, 0, 0},
                                           {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
                                           CLI_OPTION_END};

const cli_command cli_bench_kernels = {
    "bench kernels",
    "",
    "check every SIMD kernel against the scalar one, then time it",
    "  leann bench kernels\n"
    "  leann bench kernels --dim 128 --json\n"
    "  leann bench kernels --dense\n"
    "\n"
    "A kernel that differs from the scalar one is an error, and nothing of it is timed.\n"
    "x: times as fast as the scalar kernel. Times are the thread's own, not those of who shares the core.\n",
    0,
    0,
    options_table,
    run};
