/* SPDX-License-Identifier: Apache-2.0 */
/* LBI_LEVELS before a function: it is made once for each of several instruction levels, and chosen by what the CPU has when the
 * program starts. x86-64-v3 is AVX2 and FMA, x86-64-v4 AVX-512 (System V ABI); names of single CPUs ("haswell") would match that
 * model alone. LBI_LEVELS_FUSED: products go into sums without a rounding between (polynomials of exp and the like are half as long); not
 * where a difference of equal products has to be exactly 0. Private to Limbeck. */
#ifndef LB_TENSOR_KERNELS_LEVELS_H
#define LB_TENSOR_KERNELS_LEVELS_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LBI_LEVELS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), optimize("O3")))
#define LBI_LEVELS_FUSED __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), optimize("O3,fp-contract=fast")))
#else
#define LBI_LEVELS
#define LBI_LEVELS_FUSED
#endif

#endif
