/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/precision.h"
#include <string.h>
#include "base/cpu.h"
#include "tensor/parts.h"

static const char *const names[] = {[LB_PRECISION_F32] = "f32", [LB_PRECISION_BF16] = "bf16", [LB_PRECISION_INT8] = "int8"};

const char *lb_precision_name(lb_precision p) { return names[p]; }

lb_status lb_precision_parse(lb_precision *out, const char *name) {
    for (int i = 0; i < (int)LB_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (lb_precision)i;
            return LB_OK;
        }
    return lb_fail(LB_E_ARG, "'%s' is no precision; known: f32 bf16 int8", name);
}

lb_precision lb_precision_here(lb_precision p) { return p == LB_PRECISION_BF16 && lbi_cpu() < LBI_CPU_BF16 ? LB_PRECISION_F32 : p; }

void lb_tape_set_precision(lb_tape *t, lb_precision p) { t->precision = p; }

lb_precision lb_tape_precision(const lb_tape *t) { return t->precision; }

void lb_tape_set_bf16(lb_tape *t, bool on) { t->precision = on ? LB_PRECISION_BF16 : LB_PRECISION_F32; }

bool lb_tape_bf16(const lb_tape *t) { return t->precision == LB_PRECISION_BF16; }
