/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LB_TESTS_FUZZ_TARGET_H
#define LB_TESTS_FUZZ_TARGET_H
#include <stddef.h>
#include <stdint.h>
/* The name that libFuzzer, AFL++ and honggfuzz call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#endif
