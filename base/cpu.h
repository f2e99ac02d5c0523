/* SPDX-License-Identifier: Apache-2.0 */
/* How many CPUs the system lets this process use. */
#ifndef LB_BASE_CPU_H
#define LB_BASE_CPU_H
#include "base/attr.h"
LB_BEGIN

/* CPUs of the affinity mask, at least 1. */
int lbi_affinity_cpus(void);
/* CPUs of the smallest cgroup quota (v2 cpu.max, v1 cpu.cfs_quota_us) on the way to the root, rounded up; 0 = no quota.
 * `root` goes before "/proc" and "/sys", so that tests can show it made-up files. */
int lbi_quota_cpus(const char *root);

LB_END
#endif
