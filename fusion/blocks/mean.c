/* SPDX-License-Identifier: Apache-2.0 */
/* The mean of the modalities: what the others are measured against. */
#include "fusion/block.h"

static lb_tensor *join(lb_nn *m, const void *cfg, int n, lb_tensor *const *x) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *y = x[0];
    (void)cfg;
    for (int i = 1; i < n; i++) y = lb_add(t, y, x[i]);
    return lb_scale(t, y, 1.0 / n);
}

LB_BLOCK(mean) = {.id = "mean", .title = "mean", .source = "", .math = "y = sum_i x_i / n", .join = join};
