/* SPDX-License-Identifier: Apache-2.0 */
/* The modalities as tokens of a transformer, each with a learned vector that says which it is; the mean of what comes out. */
#include "fusion/block.h"
#include "nn/attention.h"
#include "tensor/arrange.h"

typedef struct options {
    int64_t depth, heads, expand;
} options;

static const lb_param params[] = {
    LB_PARAM(options, depth, 1, 1, 100, "1", "blocks"),
    LB_PARAM(options, heads, 4, 1, 256, "1", "attention heads"),
    LB_PARAM(options, expand, 2, 1, 64, "1", "inner width of a block's map, as a multiple of a vector's"),
    LB_PARAM_END};

static lb_tensor *join(lb_nn *m, const void *cfg, int n, lb_tensor *const *x) {
    const options *o = cfg;
    lb_tape *t = lb_nn_tape(m);
    int64_t w = x[0]->shape[1];
    if (w % o->heads != 0) return lb_tape_fail(t, LB_E_SHAPE, "fusion by attention: width %lld is no multiple of %lld heads", (long long)w, (long long)o->heads);
    lb_tensor *tokens = lb_add(t, lb_stack(t, n, x, 1), lb_nn_param(m, "modality", 2, (int64_t[]){n, w}, LB_INIT_NORMAL, 0.02));
    tokens = lb_nn_blocks(m, tokens, o->depth, &(lb_block_spec){.self = {.heads = o->heads}, .mlp = {.width = o->expand * w, .act = LB_ACT_GELU}});
    return lb_mean(t, lb_nn_layer_norm(m, tokens, "norm", 1e-5), 1, false);
}

LB_BLOCK(attention) = {.id = "attention",
                       .title = "a transformer over the modalities",
                       .source = "arXiv:1706.03762, section 3.2; pre-norm: arXiv:2002.04745",
                       .params = params,
                       .params_size = sizeof(options),
                       .math = "y = mean_i norm(blocks(x_i + e_i))",
                       .join = join};
