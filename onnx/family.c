/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operators, from the one list. */
#include <string.h>
#include "onnx/operator.h"

#define OPERATORS(id) extern ONNX_GROUP(id);
#include "onnx/operators.def"
#undef OPERATORS

static const lb_head *const members[] = {
#define OPERATORS(id) (const lb_head *)&onnx_group_##id,
#include "onnx/operators.def"
#undef OPERATORS
};

static void describe(const lb_head *member, lb_buf *out) {
    const onnx_group *g = (const onnx_group *)member;
    lb_buf_text(out, "\n| operator | not supported |\n|---|---|\n");
    for (const onnx_operator *o = g->operators; o->name; o++) lb_buf_format(out, "| %s | %s |\n", o->name, o->note ? o->note : "");
}

const lb_family lb_onnx_operators = {.name = "operators", .text = "operators of ONNX graphs, kin ones together", .def = "onnx/operators.def", .dir = "onnx/operators",
                                     .count = (int)LB_COUNT(members), .members = members, .describe = describe};

const onnx_operator *onnx_operator_find(const char *name) {
    for (size_t i = 0; i < LB_COUNT(members); i++)
        for (const onnx_operator *o = ((const onnx_group *)members[i])->operators; o->name; o++)
            if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

bool lb_onnx_knows(const char *op) { return onnx_operator_find(op) != NULL; }
