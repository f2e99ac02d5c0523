/* SPDX-License-Identifier: Apache-2.0 */
/* How many CPUs the system lets this process use, and what they can do. */
#ifndef LB_BASE_CPU_H
#define LB_BASE_CPU_H
#include "base/attr.h"
LB_BEGIN

/* CPUs of the affinity mask, at least 1. */
int lbi_affinity_cpus(void);
/* CPUs of the smallest cgroup quota (v2 cpu.max, v1 cpu.cfs_quota_us) on the way to the root, rounded up; 0 = no quota.
 * `root` goes before "/proc" and "/sys", so that tests can show it made-up files. */
int lbi_quota_cpus(const char *root);


/* What kernels may use, each including the ones before. Order and numbers may change. */
typedef enum lbi_cpu_level {
    LBI_CPU_REF = 0, /* the plain loops that are the definition */
    LBI_CPU_BLAS,    /* OpenBLAS for products, plain C for the rest */
    LBI_CPU_AVX2,    /* with FMA */
    LBI_CPU_AVX512,  /* F, BW, DQ, VL */
    LBI_CPU_BF16,    /* AVX-512 with bf16 products */
    LBI_CPU_AMX,     /* bf16 tiles, allowed by the system */
} lbi_cpu_level;
/* The best that processor and system have (bf16 products without tiles only where they are faster: those of Intel are not, unless LB_CPU asks for
 * them), not above the environment's LB_CPU=ref|blas|avx2|avx512|bf16|amx (read once; functions made for several levels by the compiler keep to it
 * too: base/cpu_clones.c). */
lbi_cpu_level lbi_cpu(void);
const char *lbi_cpu_name(lbi_cpu_level level);

LB_END
#endif
