/* SPDX-License-Identifier: Apache-2.0 */
/* The first modality's channels are scaled and shifted as the others say: Perez et al., arXiv:1709.07871, eq. (2); the scale is 1 + what is learned. */
#include "fusion/block.h"

static lb_tensor *join(lb_nn *m, const void *cfg, int n, lb_tensor *const *x) {
    lb_tape *t = lb_nn_tape(m);
    int64_t w = x[0]->shape[1];
    (void)cfg;
    if (n == 1) return x[0];
    lb_tensor *others = lb_concat(t, n - 1, x + 1, 1);
    lb_tensor *scale = lb_nn_linear(m, others, "gamma", w, LB_ACT_NONE), *shift = lb_nn_linear(m, others, "beta", w, LB_ACT_NONE);
    return lb_add(t, lb_mul(t, x[0], lb_add_scalar(t, scale, 1)), shift);
}

LB_BLOCK(film) = {.id = "film", .title = "the others scale and shift the first", .source = "arXiv:1709.07871, eq. (2)", .math = "y = (1 + G [x_2; ..; x_n]) x_1 + B [x_2; ..; x_n]", .join = join};
