/* SPDX-License-Identifier: Apache-2.0 */
/* The table of ops, from the one list. */
#include "tensor/op.h"

#define ALSO(name, ...)
#define OP(id, ...) extern LB_OP(id);
#include "tensor/ops.def"
#undef OP

static const lb_head *const members[] = {
#define OP(id, ...) (const lb_head *)&lb_op_##id,
#include "tensor/ops.def"
#undef OP
    NULL,
};
#undef ALSO

static void describe(const lb_head *member, lb_buf *out) {
    const lb_op *op = (const lb_op *)member;
    lb_buf_format(out, "\nSignature: `%s`\n\n", op->sig);
    lb_buf_format(out, "    %s\n", op->math);
    if (op->no_grad) lb_buf_format(out, "\nNo gradient: %s\n", op->no_grad);
    if (op->flags & LB_OP_NONSMOOTH) lb_buf_text(out, "\nThe gradient has kinks.\n");
}

const lb_family lb_ops = {
    .name = "ops",
    .text = "differentiable functions of tensors",
    .def = "tensor/ops.def",
    .dir = "tensor/ops",
    .count = (int)LB_COUNT(members) - 1,
    .members = members,
    .describe = describe,
};
