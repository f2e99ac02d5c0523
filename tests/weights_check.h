/* SPDX-License-Identifier: Apache-2.0 */
/* What the suites of weight files share: files of tests/data/weights, tensors compared exactly, the values of their fixtures. */
#ifndef LB_TESTS_WEIGHTS_CHECK_H
#define LB_TESTS_WEIGHTS_CHECK_H
#include "io/weights.h"

/* tests/data/weights/NAME, opened. */
lb_weights *check_weights(const char *name);
/* The tensor has this type and shape; its element i, converted, is want(i) (NULL: any). */
void check_weight(const lb_weights *w, const char *name, lb_dtype dtype, const char *shape, double (*want)(int64_t i));
/* Each file (a path as check_data wants it) opened with every allocation refused in turn: LB_E_NOMEM, and nothing is left. */
void check_weights_memory(int n_files, const char *const *names);

double check_ramp(int64_t i);    /* i / 2 - 3 */
double check_turned(int64_t i);  /* of a ramp [4,6], transposed */
double check_part(int64_t i);    /* its rows 1 to 2, columns 1 to 3 */
double check_minus_seven(int64_t i);
double check_odd_one(int64_t i); /* 1 0 1 ... */

#endif
