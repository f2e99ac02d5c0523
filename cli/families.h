/* SPDX-License-Identifier: Apache-2.0 */
/* All families of Limbeck in one table: what `describe` shows and the registry test walks. */
#ifndef LB_CLI_FAMILIES_H
#define LB_CLI_FAMILIES_H
#include "base/registry.h"

extern const lb_family *const cli_families[];
extern const int cli_family_count;

#endif
