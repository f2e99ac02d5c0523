/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#define VERB(id) extern const lb_verb lb_verb_##id;
#include "cli/verbs.def"
#undef VERB

static const lb_head *const members[] = {
#define VERB(id) (const lb_head *)&lb_verb_##id,
#include "cli/verbs.def"
#undef VERB
};

const lb_family lb_verbs = {.name = "verbs", .text = "what the command does", .def = "cli/verbs.def", .dir = "cli/verbs", .count = (int)LB_COUNT(members), .members = members};
