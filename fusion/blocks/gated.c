/* SPDX-License-Identifier: Apache-2.0 */
/* Gated multimodal unit, for any number of modalities: Arevalo et al., arXiv:1702.01992, eq. of section 3.1 (multimodal case): each modality's
 * h_i = tanh(W_i x_i) counts as much as a gate that sees all of them lets through. */
#include <stdio.h>
#include "fusion/block.h"

static lb_tensor *join(lb_nn *m, const void *cfg, int n, lb_tensor *const *x) {
    lb_tape *t = lb_nn_tape(m);
    int64_t w = x[0]->shape[1];
    lb_tensor *all = lb_concat(t, n, x, 1), *y = NULL;
    (void)cfg;
    for (int i = 0; i < n; i++) {
        char hidden[16], gate[16];
        snprintf(hidden, sizeof hidden, "hidden.%d", i);
        snprintf(gate, sizeof gate, "gate.%d", i);
        lb_tensor *part = lb_mul(t, lb_nn_linear_no_bias(m, all, gate, w, LB_ACT_SIGMOID), lb_nn_linear_no_bias(m, x[i], hidden, w, LB_ACT_TANH));
        y = y ? lb_add(t, y, part) : part;
    }
    return y;
}

LB_BLOCK(gated) = {.id = "gated", .title = "gated multimodal unit", .source = "arXiv:1702.01992, section 3.1", .math = "y = sum_i sigmoid(V_i [x_1; ..; x_n]) tanh(W_i x_i)", .join = join};
