/* SPDX-License-Identifier: Apache-2.0 */
#include "text/archs.h"

#define ARCH(id) extern const lb_arch lb_arch_##id;
#include "text/archs.def"
#undef ARCH
static const lb_head *const members[] = {
#define ARCH(id) (const lb_head *)&lb_arch_##id,
#include "text/archs.def"
#undef ARCH
};
const lb_family lb_text_archs = {.name = "text-archs", .text = "networks of texts", .def = "text/archs.def", .dir = "text/archs", .count = (int)LB_COUNT(members), .members = members};

void lb_text_example(int64_t most, int *rank, int64_t shape[LB_MAX_RANK]) {
    *rank = 2;
    shape[0] = 1;
    shape[1] = most < 16 ? most : 16;
}
