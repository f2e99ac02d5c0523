/* SPDX-License-Identifier: Apache-2.0 */
/* All vectors side by side through two linear maps. */
#include "fusion/block.h"

typedef struct options {
    int64_t expand;
} options;

static const lb_param params[] = {LB_PARAM(options, expand, 2, 1, 64, "1", "inner width, as a multiple of a vector's"), LB_PARAM_END};

static lb_tensor *join(lb_nn *m, const void *cfg, int n, lb_tensor *const *x) {
    const options *o = cfg;
    int64_t w = x[0]->shape[1];
    return lb_nn_linear(m, lb_nn_linear(m, lb_concat(lb_nn_tape(m), n, x, 1), "fc1", o->expand * w, LB_ACT_GELU), "fc2", w, LB_ACT_NONE);
}

LB_BLOCK(concat) = {.id = "concat",
                    .title = "side by side, then two maps",
                    .source = "",
                    .params = params,
                    .params_size = sizeof(options),
                    .math = "y = W2 gelu(W1 [x_1; ..; x_n] + b1) + b2",
                    .join = join};
