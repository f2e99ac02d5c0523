/* SPDX-License-Identifier: Apache-2.0 */
/* Low-rank multimodal fusion: Liu et al., arXiv:1806.00064, eq. (6) to (8): the outer product of all modalities, each with a 1 behind it, through a
 * weight tensor of rank R, without ever making it: the product over modalities of [x_i; 1] W_ir, summed over r with weights, and a bias. */
#include <stdio.h>
#include "fusion/block.h"

typedef struct options {
    int64_t rank;
} options;

static const lb_param params[] = {LB_PARAM(options, rank, 4, 1, 1024, "1", "R"), LB_PARAM_END};

static lb_tensor *join(lb_nn *m, const void *cfg, int n, lb_tensor *const *x) {
    const options *o = cfg;
    lb_tape *t = lb_nn_tape(m);
    int64_t w = x[0]->shape[1], rows = x[0]->shape[0];
    lb_tensor *y = NULL;
    for (int i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "factor.%d", i);
        lb_tensor *f = lb_nn_linear(m, x[i], name, o->rank * w, LB_ACT_NONE); /* its bias is what the 1 brings */
        y = y ? lb_mul(t, y, f) : f;
    }
    lb_tensor *weight = lb_nn_param(m, "rank_weight", 2, (int64_t[]){o->rank, 1}, LB_INIT_XAVIER_UNIFORM, 0);
    y = lb_mul(t, lb_reshape(t, y, 3, (int64_t[]){rows, o->rank, w}), weight);
    return lb_add(t, lb_sum(t, y, 1, false), lb_nn_param(m, "bias", 1, &w, LB_INIT_ZEROS, 0));
}

LB_BLOCK(low_rank) = {.id = "low_rank", .title = "low-rank product of all modalities", .source = "arXiv:1806.00064, eq. (6)-(8)", .params = params, .params_size = sizeof(options),
                      .math = "y = sum_r a_r prod_i W_ir [x_i; 1] + b", .join = join};
