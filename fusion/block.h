/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks that join modalities: each gets one vector of equal width per modality and gives one. A block is one file (fusion/blocks/<id>.c) and one
 * line (fusion/blocks.def); its parameters stand below the name that is open when it runs. */
#ifndef LB_FUSION_BLOCK_H
#define LB_FUSION_BLOCK_H
#include "base/registry.h"
#include "nn/nn.h"
LB_BEGIN

enum { LB_FUSION_MOST = 8 };

typedef struct lb_block {
    LB_HEAD;
    const char *math; /* one line */
    /* x[0 .. n-1] [N,W], n at least 1, order of the modalities fixed -> [N,W]. Inert after a failure. */
    lb_tensor *(*join)(lb_nn *m, const void *cfg, int n, lb_tensor *const *x);
} lb_block;
#define LB_BLOCK(name) const lb_block lb_block_##name
extern LB_API const lb_family lb_blocks;

/** The block of that name with its default parameters. LB_E_NOTFOUND's message, or the shapes that do not go together, fail the tape. */
LB_API lb_tensor *lb_fuse(lb_nn *m, const char *block, int n, lb_tensor *const *x);

LB_END
#endif
