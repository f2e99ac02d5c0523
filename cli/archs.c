/* SPDX-License-Identifier: Apache-2.0 */
/* One table of all archs, whatever folder they lie in: meson joins and sorts their lists into archs_all.def. */
#include "cli/models.h"

#define ARCH(id, ...) extern LB_ARCH(id);
#include "cli/archs_all.def"
#undef ARCH

static const lb_head *const members[] = {
#define ARCH(id, ...) (const lb_head *)&lb_arch_##id,
#include "cli/archs_all.def"
#undef ARCH
    NULL};

static void describe(const lb_head *member, lb_buf *out) {
    const lb_arch *a = (const lb_arch *)member;
    lb_buf_format(out, "\nKind: %s\n\nInputs: `%s`\n\nTaps: `%s`\n", a->kind, a->inputs, a->taps);
    if (a->preprocess) lb_buf_format(out, "\nPreprocessing when the model's folder states none: `%s`\n", a->preprocess);
}

const lb_family lb_archs = {.name = "archs", .text = "networks: parameters, inputs, taps, one forward function", .def = "", .dir = "", .count = (int)LB_COUNT(members) - 1, .members = members, .describe = describe};
