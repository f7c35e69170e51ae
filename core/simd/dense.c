/* dense.c – chooses a table of dense.h once, at the first use: that of the kernels in use, with what this machine adds to it.
 *
 * AMX: the system must allow its large registers, which is asked for once (Linux 5.16 and later).
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/simd/dense_tables.h"
#include "core/simd/kernels.h"

#include <pthread.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

const char *const leann_dense_best_first[] = {"amx", "avx512-bf16", "avx512", "avx2", "neon", "scalar", NULL};

#if defined(__x86_64__)
static bool has_bf16(void) /* CPUID leaf 7, subleaf 1; gcc 12 and clang 14 differ in the word */
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1 << 5);
}

static bool has_amx(void) /* tiles, bf16 and int8 of leaf 7; ARCH_REQ_XCOMP_PERM for the tiles' data */
{
    enum { BF16 = 1 << 22, TILE = 1 << 24, INT8 = 1 << 25, ASK_PERMISSION = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (BF16 | TILE | INT8)) != (BF16 | TILE | INT8)) return false;
    return syscall(SYS_arch_prctl, ASK_PERMISSION, TILE_DATA) == 0;
}
#endif

const leann_dense_kernels *leann_dense_named(const char *name)
{
    if (strcmp(name, "scalar") == 0) return &leann_dense_scalar;
#if defined(__x86_64__)
    if (strcmp(name, "avx2") == 0 && leann_kernels_named("avx2")) return &leann_dense_avx2;
    if (!leann_kernels_named("avx512")) return NULL;
    if (strcmp(name, "avx512") == 0) return &leann_dense_avx512;
    if (strcmp(name, "avx512-bf16") == 0 && has_bf16()) return &leann_dense_avx512_bf16;
    if (strcmp(name, "amx") == 0 && has_bf16() && has_amx()) return &leann_dense_amx;
#endif
#if defined(__aarch64__)
    if (strcmp(name, "neon") == 0 && leann_kernels_named("neon")) return &leann_dense_neon;
#endif
    return NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const leann_dense_kernels *chosen;

static void choose(void)
{
    const char *set = leann_kernels_get()->name;
    if (strcmp(set, "avx512") != 0) chosen = leann_dense_named(set);
    for (size_t i = 0; !chosen; i++) chosen = leann_dense_named(leann_dense_best_first[i]);
}

const leann_dense_kernels *leann_dense_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}
