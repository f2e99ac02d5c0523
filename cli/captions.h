/* SPDX-License-Identifier: Apache-2.0 */
/* Text that a model wrote, as a list of items. */
#ifndef LB_CLI_CAPTIONS_H
#define LB_CLI_CAPTIONS_H
#include "cli/models.h"

/** Writes a JSONL list: each item of the feature file's rows that has a text under the tap `text`, with its other fields (paths made absolute) and that text.
 *  Items that failed, and those of which nothing was written, are left out. */
LB_MUST_USE lb_status cli_write_captions(const char *path, const char *features, const lb_items *items, const int64_t *indices, int64_t count);

#endif
