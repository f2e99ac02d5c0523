/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/archs.h"

#define ARCH(id) extern const lb_arch lb_arch_##id;
#include "vision/archs.def"
#undef ARCH
static const lb_head *const members[] = {
#define ARCH(id) (const lb_head *)&lb_arch_##id,
#include "vision/archs.def"
#undef ARCH
};
const lb_family lb_vision_archs = {.name = "vision-archs", .text = "networks of pictures", .def = "vision/archs.def", .dir = "vision/archs", .count = (int)LB_COUNT(members), .members = members};
