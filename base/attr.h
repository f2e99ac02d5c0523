/* SPDX-License-Identifier: Apache-2.0 */
/* Compiler attributes, in one place so that the rest is plain C17. */
#ifndef LB_BASE_ATTR_H
#define LB_BASE_ATTR_H

#if defined(__GNUC__)
#define LB_MUST_USE __attribute__((warn_unused_result))
#define LB_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define LB_COLD __attribute__((cold))
#else
#define LB_MUST_USE
#define LB_PRINTF(fmt, first)
#define LB_COLD
#endif

/* Everything is hidden by default; LB_API marks what liblimbeck exports. The double build exports nothing. */
#if defined(LB_DOUBLE) || !defined(__GNUC__)
#define LB_API
#else
#define LB_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
#define LB_BEGIN extern "C" {
#define LB_END }
#else
#define LB_BEGIN
#define LB_END
#endif

#define LB_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LB_MAX_RANK 8

#endif
