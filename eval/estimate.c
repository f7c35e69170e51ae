/* estimate.c – seconds of a build and of a point from floating-point operations and three measured rates; O(1) a cell.
 *
 * Counts: k-means 2 n m d a round; hnsw 1.5 n · ef_construction · M distances, vamana the same of window and degree; PQ 2 · rounds ·
 * sample · 256 · d to train and 2 n · 256 · d to encode; a query as many distances or look-ups as its parameters say. They are within a
 * factor of about two on the machines tried; measured builds of the same folder correct them.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/estimate.h"
#include "core/container.h"
#include "core/product.h"
#include "core/simd/kernels.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 256, ROWS = 512, DIMENSION = 256, LOOKUPS = 64 };

/* ---- rates ------------------------------------------------------------------------------------------------------------------ */

static double per_second(uint64_t start, double done)
{
    return done / ((double)(leann_now_ns() - start + 1) * 1e-9);
}

leann_status leann_estimate_calibrate(leann_ctx *ctx, unsigned threads, leann_rates *out)
{
    const uint64_t span = 60000000; /* ns each */
    const leann_kernels *kernels = leann_kernels_get();
    float *a = leann_alloc(ctx, (size_t)ROWS * DIMENSION, sizeof *a), *c = leann_alloc(ctx, (size_t)SIDE * ROWS, sizeof *c);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    double done;
    leann_status s = a && c ? LEANN_OK : LEANN_ENOMEM;
    if (s) goto done;
    *out =
        (leann_rates){.threads = processors > 0 && threads > (unsigned long)processors ? (unsigned)processors : threads, .correction = 1};
    for (size_t i = 0; i < (size_t)ROWS * DIMENSION; i++) a[i] = (float)(i % 97);
    leann_gemm_nt(SIDE, ROWS, DIMENSION, 1, a, DIMENSION, a, DIMENSION, 0, c, ROWS); /* OpenBLAS takes its memory here */
    uint64_t start = leann_now_ns();
    for (done = 0; leann_now_ns() - start < span; done += 2.0 * SIDE * ROWS * DIMENSION)
        leann_gemm_nt(SIDE, ROWS, DIMENSION, 1, a, DIMENSION, a, DIMENSION, 0, c, ROWS);
    out->product = per_second(start, done);
    leann_list rows = {a, DIMENSION * sizeof *a, NULL, 0, ROWS};
    start = leann_now_ns();
    for (done = 0; leann_now_ns() - start < span; done += 3.0 * ROWS * DIMENSION) kernels->l2_f32_list(a, rows, DIMENSION, c);
    out->scan = per_second(start, done);
    rows.stride = LOOKUPS;
    rows.n = ROWS;
    start = leann_now_ns();
    for (done = 0; leann_now_ns() - start < span; done += (double)ROWS * LOOKUPS)
        kernels->adc8_list(c, 256, rows, LOOKUPS, c + 256 * LOOKUPS);
    out->look_up = per_second(start, done);
done:
    leann_free(a);
    leann_free(c);
    return s;
}

/* ---- parameters ---------------------------------------------------------------------------------------------------------------- */

static double number_at(const leann_value *map, const char *path, double n, double otherwise)
{
    const char *word;
    double number;
    return leann_sweep_scalar(leann_sweep_path(map, path), n, &number, &word) && !word && number > 0 ? number : otherwise;
}

static const char *word_at(const leann_value *map, const char *path)
{
    const char *word = NULL;
    double number;
    return leann_sweep_scalar(leann_sweep_path(map, path), 1, &number, &word) && word ? word : "";
}

/* The parameters of a chosen plug-in: {graph: {hnsw: {…}}} at "graph" -> {…}. */
static const leann_value *inner_of(const leann_value *map, const char *key)
{
    const leann_value *choice = leann_value_get(map, key);
    return leann_value_type(choice) == LEANN_V_MAP ? leann_value_entry(choice, 0, NULL) : NULL;
}

/* ---- builds ------------------------------------------------------------------------------------------------------------------- */

/* Flops of products that choosing m centres takes. */
static double selector_flops(const leann_value *build, double n, double d, double m)
{
    const leann_value *p = inner_of(build, "selector");
    const char *word = word_at(build, "selector");
    double samples = number_at(p, "samples", n, n), rounds = number_at(p, "iterations", n, 20);
    if (samples > n) samples = n;
    if (!strcmp(word, "random")) return 0;
    if (!strcmp(word, "max-coverage")) return 2 * n * fmin(n, 20000) * d;
    return 2 * samples * m * d * rounds;
}

static double graph_flops(const leann_value *build, double n, double d)
{
    const leann_value *p = inner_of(build, "graph");
    const char *word = word_at(build, "graph"), *complexity = word_at(p, "complexity");
    unsigned level = !strcmp(complexity, "low") ? 0 : !strcmp(complexity, "high") ? 2 : 1;
    static const double links[] = {12, 16, 32}, efforts[] = {100, 200, 400}, windows[] = {75, 100, 200};
    if (!strcmp(word, "hnsw"))
        return 3 * 1.5 * n * fmin(n, number_at(p, "ef_construction", n, efforts[level]) * number_at(p, "M", n, links[level])) * d;
    if (!strcmp(word, "vamana"))
        return 3 * n * fmin(n, number_at(p, "build_window", n, windows[level]) * number_at(p, "degree", n, 2 * links[level])) * d;
    return 0;
}

static double quantizer_flops(const leann_value *build, double n, double d)
{
    const leann_value *p = inner_of(build, "quantizer");
    const char *word = word_at(build, "quantizer");
    double k = number_at(p, "codebook_size", n, 256), samples = fmin(n, number_at(p, "training_samples", n, 25600));
    double turns = !strcmp(word, "opq") ? number_at(p, "turns", n, 5) : 0, rounds = number_at(p, "iterations", n, 25);
    if (strcmp(word, "pq") != 0 && strcmp(word, "opq") != 0) return 0;
    return 2 * samples * k * d * (rounds + turns) + 2 * n * k * d + turns * (4 * samples * d * d + 20 * d * d * d) +
           2 * n * d * d * (turns > 0);
}

/* What a part rests on, as a checksum: data set, seed and some of the build's values. */
static uint32_t key_of(const leann_cell *cell, const char *const *names)
{
    const leann_value *build = leann_value_get(cell->config, "build");
    uint32_t key = leann_crc32c(0, &cell->data, sizeof cell->data);
    key = leann_crc32c(key, &cell->seed, sizeof cell->seed);
    for (; *names; names++) {
        char *text = leann_value_json(leann_value_get(build, *names), true, 0);
        if (text) key = leann_crc32c(key, text, strlen(text));
        leann_free(text);
    }
    return key;
}

void leann_estimate_build(const leann_rates *rates, const leann_sweep *sweep, const leann_cell *cell,
                          leann_build_part parts[LEANN_BUILD_PARTS])
{
    static const char *const anchors[] = {"selector", "anchors", "lists", NULL};
    static const char *const plain[] = {"quantizer", NULL}, *const residual[] = {"quantizer", "selector", "anchors", "residual", NULL};
    static const char *const graph[] = {"graph", "selector", "anchors", NULL};
    const leann_dataset_info *info = &sweep->info[cell->data];
    const leann_value *build = leann_value_get(cell->config, "build");
    double n = info->n, d = info->d, m = number_at(build, "anchors", n, number_at(build, "lists", n, 0));
    double per_product = rates->correction / rates->product / rates->threads, per_scan = rates->correction / rates->scan / rates->threads;
    bool alone = !strcmp(word_at(build, "residual"), "no") || m == 0;
    parts[0] = (leann_build_part){key_of(cell, anchors), m > 0 ? (selector_flops(build, n, d, m) + 2 * n * m * d) * per_product : 0};
    parts[1] = (leann_build_part){key_of(cell, alone ? plain : residual), quantizer_flops(build, n, d) * per_product};
    parts[2] = (leann_build_part){key_of(cell, graph), graph_flops(build, m > 0 ? m : n, d) * per_scan};
}

/* ---- points -------------------------------------------------------------------------------------------------------------------- */

static double query_seconds(const leann_rates *rates, const leann_sweep *sweep, const leann_cell *cell, const leann_point *point,
                            double grid)
{
    const leann_dataset_info *info = &sweep->info[cell->data];
    const leann_value *build = leann_value_get(cell->config, "build"), *query = point->query;
    double n = info->n, d = info->d, m = number_at(build, "anchors", n, number_at(build, "lists", n, 0)), codes = 0, rows = 0;
    double probes = strcmp(point->grid_name, "probes") ? number_at(query, "probes", n, 8) : grid;
    double ef = strcmp(point->grid_name, "ef_search") ? number_at(query, "ef_search", n, 100) : grid;
    double rerank = strcmp(point->grid_name, "rerank") ? number_at(query, "rerank", n, 0) : grid;
    bool walks = m > 0 ? m > 2000 : leann_value_get(build, "graph") != NULL;
    bool coded = leann_value_get(build, "quantizer") != NULL;
    rows += walks ? fmin(m > 0 ? m : n, ef * 20) : m;
    if (m > 0)
        *(coded ? &codes : &rows) += n * fmin(1, probes / m);
    else if (!walks)
        *(coded ? &codes : &rows) += n;
    rows += rerank;
    const char *word = word_at(build, "quantizer");
    if (strcmp(word, "pq") != 0 && strcmp(word, "opq") != 0) return 2e-6 + 3 * (rows + codes) * d / rates->scan;
    double look_ups = codes * number_at(inner_of(build, "quantizer"), "sub_vectors", n, d / 8), table = 2 * 256 * d;
    return 2e-6 + (3 * rows * d + table) / rates->scan + look_ups / rates->look_up;
}

double leann_estimate_point(const leann_rates *rates, const leann_sweep *sweep, const leann_cell *cell, const leann_point *point)
{
    double used = sweep->queries ? sweep->queries : sweep->info[cell->data].queries, tuning = 0;
    double middle = point->grid_n ? point->grid[point->grid_n / 3] : 0;
    double one = query_seconds(rates, sweep, cell, point, middle);
    if (point->target > 0) tuning = 0.3 * point->grid_n / 3 * used / 2 * one; /* most values are given up early */
    return 0.01 + tuning + used / 2 * one + fmax(sweep->point_seconds, 5 * fmin(used, 200) * one);
}
