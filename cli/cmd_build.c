/* cmd_build.c – `leann build`: a data set and a configuration -> an index file; the real size beside the predicted one.
 *
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/plugin.h"
#include "datasets/datasets.h"
#include "eval/provenance.h"

extern const cli_command cli_build;

/* --config: the text itself when it begins with '{', else the name of a file. */
static leann_status read_config(cli *c, leann_value **out)
{
    const char *given = cli_text(c, "config"), *text = given;
    while (text && isspace((unsigned char)*text)) text++;
    if (*text == '{') return leann_config_parse(c->ctx, "--config", text, strlen(text), out);
    return leann_config_load(c->ctx, given, out);
}

typedef struct {
    leann_ledger ledger, predicted;
    double seconds;
    uint64_t peak; /* bytes resident at most, the mapped rows of the data set among them */
    leann_value *stages, *facts;
} built;

static leann_value *facts_value(const leann_ctx *ctx)
{
    leann_value *map = leann_value_new_map();
    for (size_t i = 0; i < leann_ctx_facts(ctx); i++) {
        double value;
        const char *name = leann_ctx_fact_at(ctx, i, &value);
        leann_value_set(map, name, leann_value_new_real(value));
    }
    return map;
}

/* The ledger is read back from the file, which checks it once more. */
static leann_status read_ledger(leann_ctx *ctx, const char *path, leann_ledger *out)
{
    leann_reader *r;
    leann_status status = leann_reader_open(ctx, path, &r);
    if (status) return status;
    leann_reader_ledger(r, out);
    leann_reader_free(r);
    return LEANN_OK;
}

static leann_status build(cli *c, const leann_dataset *data, const leann_value *config, const char *path, built *out)
{
    leann_stages *stages = NULL;
    leann_index *index = NULL;
    leann_data_shape shape;
    leann_dataset lasting = *data;
    lasting.lasting = true;
    leann_status status = leann_data_shape_of(c->ctx, data, &shape);
    if (!status) status = leann_method_predict_over(c->ctx, &shape, config, &out->predicted);
    if (!status) status = leann_stages_new(c->ctx, cli_text(c, "cache"), data->sha, &stages);
    if (!status) leann_stages_accept(stages, leann_program(), 0);
    uint64_t start = leann_now_ns();
    if (!status) status = leann_method_build(c->ctx, &lasting, config, stages, &index);
    out->seconds = (double)(leann_now_ns() - start) * 1e-9;
    if (!status) {
        out->facts = facts_value(c->ctx);
        out->stages = leann_stages_report(stages);
        status = leann_index_save(c->ctx, index, path);
    }
    out->peak = leann_rss_now().peak;
    leann_index_free(index); /* before the file is read, which takes as much again */
    if (!status) status = read_ledger(c->ctx, path, &out->ledger);
    leann_stages_free(stages);
    return status;
}

static void print_json(const leann_dataset *data, const char *path, built *b)
{
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "index", leann_value_new_text(path));
    leann_value_set(v, "n", leann_value_new_int(data->train.n));
    leann_value_set(v, "d", leann_value_new_int(data->train.d));
    leann_value_set(v, "seconds", leann_value_new_real(b->seconds));
    leann_value_set(v, "bytes", leann_value_new_int((int64_t)leann_ledger_total(&b->ledger)));
    leann_value_set(v, "predicted_bytes", leann_value_new_int((int64_t)leann_ledger_total(&b->predicted)));
    leann_value_set(v, "peak_rss_mb", leann_value_new_real((double)b->peak * 1e-6));
    leann_value_set(v, "stages", leann_value_keep(b->stages));
    leann_value_set(v, "facts", leann_value_keep(b->facts));
    cli_print_json(v);
}

static void print_text(const leann_dataset *data, const char *path, const built *b)
{
    char time[32], size[32];
    uint64_t bytes = leann_ledger_total(&b->ledger), predicted = leann_ledger_total(&b->predicted);
    double vectors = (double)data->train.n * data->train.d * 4;
    printf("%s: %u x %u in %s; %s, %.2f %% of the vectors as floats", path, data->train.n, data->train.d, cli_seconds(time, b->seconds),
           cli_bytes(size, (double)bytes), 100 * (double)bytes / vectors);
    if (predicted == bytes)
        printf(" (as predicted)\n");
    else
        printf(" (predicted: %s, %+.2f %%)\n", cli_bytes(size, (double)predicted), 100 * ((double)predicted / (double)bytes - 1));
    for (size_t i = 0; i < leann_value_count(b->stages); i++) {
        const leann_value *stage = leann_value_at(b->stages, i);
        printf("  %-20s %s%s\n", leann_value_text(leann_value_get(stage, "name"), ""),
               cli_seconds(time, leann_value_real(leann_value_get(stage, "seconds"), 0)),
               leann_value_bool(leann_value_get(stage, "cached"), false) ? " (from the cache)" : "");
    }
    for (size_t i = 0; i < leann_value_count(b->facts); i++) {
        const char *name;
        double value = leann_value_real(leann_value_entry(b->facts, i, &name), 0);
        printf("  %-20s %.6g\n", name, value);
    }
    printf("  %-20s %s\n", "peak memory", cli_bytes(size, (double)b->peak));
}

/* Before hours of work: the folder takes a file, and what lies there already is an index, never somebody's data. */
static leann_status check_output(leann_ctx *ctx, const char *path)
{
    char magic[8] = "";
    struct stat info;
    leann_status status = LEANN_OK;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? leann_format(ctx, "%.*s", slash == path ? 1 : (int)(slash - path), path) : leann_format(ctx, ".");
    if (!folder) return LEANN_ENOMEM;
    if (access(folder, W_OK | X_OK)) status = leann_fail_errno(ctx, "cannot write %s", path);
    leann_free(folder);
    if (status || stat(path, &info)) return status;
    if (!S_ISREG(info.st_mode)) return leann_fail(ctx, LEANN_EINVAL, "cannot write %s: it is not a file", path);
    FILE *f = info.st_size > 0 ? fopen(path, "rb") : NULL;
    if (f && (fread(magic, 1, sizeof magic, f) < sizeof magic || memcmp(magic, LEANN_CONTAINER_MAGIC, sizeof magic) != 0))
        status = leann_fail(ctx, LEANN_EINVAL, "%s is there already and is no leann index: name another file, or remove it", path);
    if (f) fclose(f);
    return status;
}

static leann_status run(cli *c)
{
    leann_dataset *data = NULL;
    leann_value *config = NULL;
    built b = {0};
    leann_status status = read_config(c, &config);
    if (!status) status = check_output(c->ctx, cli_word(c, 1));
    if (!status) status = leann_dataset_open(c->ctx, cli_word(c, 0), &data);
    if (!status) status = build(c, data, config, cli_word(c, 1), &b);
    if (!status) {
        cli_progress_clear();
        if (cli_flag(c, "json"))
            print_json(data, cli_word(c, 1), &b);
        else
            print_text(data, cli_word(c, 1), &b);
    }
    leann_value_free(b.stages);
    leann_value_free(b.facts);
    leann_value_free(config);
    leann_dataset_free(data);
    return status;
}

static const cli_option options[] = {{"config", CLI_TEXT, "FILE|'{…}'",
                                      "method and build parameters, YAML or JSON; `leann plugins method` lists them",
                                      "{complexity: medium}", 0, 0},
                                     {"cache", CLI_TEXT, "DIR", "keep the stages of the build there for other builds", NULL, 0, 0},
                                     {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
                                     CLI_OPTION_END};
const cli_command cli_build = {"build",
                               "DATA INDEX",
                               "build an index over a data set (a catalogue name or an HDF5 file)",
                               "  leann build my.hdf5 my.leann                               # frugal, a byte on 16 dimensions\n"
                               "  leann build mnist-784-euclidean mnist.leann --config '{method: anchor}'\n"
                               "  leann build mnist-784-euclidean mnist.leann --config '{method: anchor, build: {selector: kmeans,\n"
                               "              anchors: {sqrt_n: 2.5}, quantizer: {pq: {sub_vectors: 98}}, residual: no}}'\n"
                               "  leann build my.hdf5 my.leann --config graph.yml --seed 7 --threads 2\n",
                               2,
                               2,
                               options,
                               run};
