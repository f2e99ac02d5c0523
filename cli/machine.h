/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's name, as results carry it. */
#ifndef LB_CLI_MACHINE_H
#define LB_CLI_MACHINE_H
#include <stddef.h>

/** The processor's model as the system tells it, "unknown processor" when it does not. @return dst */
const char *cli_cpu_name(char *dst, size_t cap);

#endif
