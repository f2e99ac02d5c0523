/* SPDX-License-Identifier: Apache-2.0 */
#include "fusion/block.h"

#define BLOCK(id) extern const lb_block lb_block_##id;
#include "fusion/blocks.def"
#undef BLOCK
static const lb_head *const members[] = {
#define BLOCK(id) (const lb_head *)&lb_block_##id,
#include "fusion/blocks.def"
#undef BLOCK
};

static void describe(const lb_head *member, lb_buf *out) { lb_buf_format(out, "\n`%s`\n", ((const lb_block *)member)->math); }

const lb_family lb_blocks = {.name = "blocks", .text = "fusion blocks: one vector per modality into one", .def = "fusion/blocks.def", .dir = "fusion/blocks", .count = (int)LB_COUNT(members), .members = members, .describe = describe};

static lb_status run(lb_tensor **out, lb_nn *m, const char *name, int n, lb_tensor *const *x) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    void *cfg = NULL;
    LB_TRY(lb_family_find(&head, &lb_blocks, name));
    if (!(cfg = lb_calloc(1, head->params_size + 1))) return LB_E_NOMEM;
    if (head->params) LB_TRY(lb_params_default(head->params, cfg));
    *out = ((const lb_block *)head)->join(m, cfg, n, x);
    if (head->params) lb_params_free(head->params, cfg);
done:
    lb_free(cfg);
    return st;
}

lb_tensor *lb_fuse(lb_nn *m, const char *block, int n, lb_tensor *const *x) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *y = NULL;
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (n < 1 || n > LB_FUSION_MOST) return lb_tape_fail(t, LB_E_ARG, "fusion of %d modalities, 1 to %d are wanted", n, LB_FUSION_MOST);
    for (int i = 0; i < n; i++)
        if (x[i]->rank != 2 || x[i]->shape[0] != x[0]->shape[0] || x[i]->shape[1] != x[0]->shape[1]) return lb_tape_fail(t, LB_E_SHAPE, "fusion: modality %d is not [N,W] as the first is", i);
    lb_status st = run(&y, m, block, n, x);
    return st == LB_OK ? y : lb_tape_fail_status(t, st);
}
