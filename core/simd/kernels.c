/* kernels.c – chooses a kernel table once, at the first use: what LEANN_ISA names if this machine can run it, else the best it can.
 *
 * Threads: leann_kernels_get may be called by any number at once; the choice is made by exactly one of them.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>

/* gcc 10 and clang 14 do not know the word "f16c"; the system saves its registers if it saves those of AVX2. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

const char *const leann_kernels_best_first[] = {"avx512", "avx2", "neon", "scalar", NULL};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const leann_kernels *chosen;

#if defined(__x86_64__)
static pthread_once_t once_vbmi = PTHREAD_ONCE_INIT;
static leann_kernels with_vbmi;

static void take_vbmi(void)
{
    with_vbmi = leann_kernels_avx512;
    with_vbmi.fastscan = leann_fastscan_vbmi;
    with_vbmi.fastscan8 = leann_fastscan8_vbmi;
}

/* The AVX-512 table of this machine: one with VBMI has two entries of its own, which give the same integers. */
static const leann_kernels *avx512_table(void)
{
    if (!__builtin_cpu_supports("avx512vbmi")) return &leann_kernels_avx512;
    pthread_once(&once_vbmi, take_vbmi);
    return &with_vbmi;
}
#endif

const leann_kernels *leann_kernels_named(const char *name)
{
    if (strcmp(name, "scalar") == 0) return &leann_kernels_scalar;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("sse4.2") && has_f16c();
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
    if (avx2 && strcmp(name, "avx2") == 0) return &leann_kernels_avx2;
    if (avx512 && strcmp(name, "avx512") == 0) return avx512_table();
#endif
#if defined(__aarch64__)
    if ((getauxval(AT_HWCAP) & HWCAP_CRC32) && strcmp(name, "neon") == 0) return &leann_kernels_neon;
#endif
    return NULL;
}

static void choose(void)
{
    const char *wish = getenv("LEANN_ISA");
    if (wish) chosen = leann_kernels_named(wish);
    for (size_t i = 0; !chosen; i++) chosen = leann_kernels_named(leann_kernels_best_first[i]);
}

const leann_kernels *leann_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}
