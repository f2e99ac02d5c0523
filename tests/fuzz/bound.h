/* SPDX-License-Identifier: Apache-2.0 */
/* What a parser takes, bounded by what it was given: under AddressSanitizer all memory that is alive is counted, elsewhere nothing. */
#ifndef LB_TESTS_FUZZ_BOUND_H
#define LB_TESTS_FUZZ_BOUND_H
#include <stddef.h>

/* From here on. */
void fuzz_bound_begin(void);
/* Aborts, with the numbers, when more than `times` bytes for each of `size` and `more` were alive at once since then. */
void fuzz_bound_end(size_t size, size_t times, size_t more);

#endif
