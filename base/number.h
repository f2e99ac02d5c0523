/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, whatever the locale. */
#ifndef LB_BASE_NUMBER_H
#define LB_BASE_NUMBER_H
#include "base/alloc.h"
LB_BEGIN

/* The whole word must be a number. Real: decimal, "inf", "nan". Integer: decimal; out of range is false. */
LB_MUST_USE bool lbi_parse_real(const char *word, double *out);
LB_MUST_USE bool lbi_parse_int(const char *word, int64_t *out);

/* The fewest digits that read back equal: "0.1", "1e-05", "4". */
void lbi_format_real(char dst[40], double x);
void lbi_format_float(char dst[40], float x);

LB_END
#endif
