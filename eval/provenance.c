/* provenance.c – the record of data, program and machine that goes with every result; reads /proc/cpuinfo once a call.
 *
 * Commit and flags are those of the build, from a header that the build makes: a program copied elsewhere still knows them.
 *
 * SPDX-License-Identifier: MIT */
#include "eval/provenance.h"
#include "core/container.h"
#include "core/product.h"
#include "core/simd/kernels.h"
#include "leann_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef LEANN_FLAGS
#define LEANN_FLAGS "unknown"
#endif
#ifndef LEANN_LIBRARIES
#define LEANN_LIBRARIES "unknown"
#endif

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

const char *leann_program(void)
{
    return LEANN_SOURCES " " COMPILER " " LEANN_FLAGS;
}

void leann_data_sha(const leann_dataset *data, char hex[65])
{
    const leann_dataset_sums *sums = leann_dataset_checksums(data);
    char text[256];
    snprintf(text, sizeof text, "%s %s %s", sums->train, sums->test, sums->neighbors);
    hex[0] = 0;
    leann_sha *sha = leann_sha_new();
    if (!sha) return;
    leann_sha_add(sha, text, strlen(text));
    leann_sha_end(sha, hex);
}

static void put(leann_value *map, const char *key, const char *text)
{
    leann_value_set(map, key, leann_value_new_text(text));
}

static void cpu_model(char *model, size_t size)
{
    char line[512];
    snprintf(model, size, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "model name", 10) != 0 && strncmp(line, "CPU part", 8) != 0) continue;
        const char *colon = strchr(line, ':');
        if (!colon) continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(model, size, "%.*s", (int)strcspn(colon, "\n"), colon);
        break;
    }
    if (f) fclose(f);
}

/* Of a set of texts: what its encoder is. */
static void put_encoder(leann_value *parts, const leann_dataset *data)
{
    const leann_passages *passages = NULL;
    leann_ctx *quiet = data->passages ? leann_ctx_new(0, 1) : NULL; /* a set without passages is none of its business */
    if (quiet && data->passages(data, quiet, &passages) == LEANN_OK) put(parts, "encoder", passages->identity);
    leann_ctx_free(quiet);
}

leann_value *leann_provenance(const leann_dataset *data, unsigned threads)
{
    const leann_dataset_sums *sums = leann_dataset_checksums(data);
    leann_value *map = leann_value_new_map(), *parts = leann_value_new_map();
    char text[512];
    struct utsname os;
    struct tm utc;
    time_t now = time(NULL);
    put(parts, "train", sums->train);
    put(parts, "test", sums->test);
    put(parts, "neighbors", sums->neighbors);
    put_encoder(parts, data);
    leann_value_set(map, "data", parts);
    put(map, "commit", LEANN_COMMIT);
    leann_value_set(map, "dirty", leann_value_new_bool(LEANN_DIRTY));
    snprintf(text, sizeof text, "%d.%d.%d", LEANN_VERSION_MAJOR, LEANN_VERSION_MINOR, LEANN_VERSION_PATCH);
    put(map, "version", text);
    put(map, "compiler", COMPILER);
    put(map, "flags", LEANN_FLAGS);
    put(map, "isa", leann_kernels_get()->name);
    cpu_model(text, sizeof text);
    put(map, "cpu", text);
    leann_value_set(map, "processors", leann_value_new_int(sysconf(_SC_NPROCESSORS_ONLN)));
    leann_value_set(map, "threads", leann_value_new_int(threads));
    put(map, "blas", leann_blas_name());
    leann_value_set(map, "blas_threads", leann_value_new_int(1)); /* products run inside our own workers */
    put(map, "libraries", LEANN_LIBRARIES);
    if (!uname(&os)) {
        snprintf(text, sizeof text, "%s %s %s", os.sysname, os.release, os.machine);
        put(map, "system", text);
    }
    if (gmtime_r(&now, &utc) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)) put(map, "date", text);
    return map;
}
