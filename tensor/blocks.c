/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/blocks.h"
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"

bool lbi_blocks_shape(lb_call *c, const lbi_blocks *b, bool deepens) {
    const lb_tensor *x = c->in[0];
    int64_t s = b->size, area = s * s;
    char text[96];
    if (s < 1 || (deepens ? x->shape[2] % s || x->shape[3] % s : x->shape[1] % area)) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x is %s, blocks are %lld x %lld: expected %s of them", lb_shape_text(text, sizeof text, 4, x->shape), (long long)s, (long long)s,
                     deepens ? "whole multiples" : "channels that are multiples");
        return false;
    }
    c->out[0]->rank = 4;
    c->out[0]->shape[0] = x->shape[0];
    c->out[0]->shape[1] = deepens ? x->shape[1] * area : x->shape[1] / area;
    for (int d = 2; d < 4; d++) c->out[0]->shape[d] = deepens ? x->shape[d] / s : x->shape[d] * s;
    return true;
}

LBI_LEVELS static void gather(lb_real *restrict to, const lb_real *restrict from, int64_t n, int64_t step, bool add) {
    if (add)
        for (int64_t i = 0; i < n; i++) to[i] += from[i * step];
    else if (step == 2)
        for (int64_t i = 0; i < n; i++) to[i] = from[2 * i];
    else
        for (int64_t i = 0; i < n; i++) to[i] = from[i * step];
}

LBI_LEVELS static void spread(lb_real *restrict to, const lb_real *restrict from, int64_t n, int64_t step, bool add) {
    if (add)
        for (int64_t i = 0; i < n; i++) to[i * step] += from[i];
    else
        for (int64_t i = 0; i < n; i++) to[i * step] = from[i];
}

void lbi_blocks_copy(const lbi_blocks *b, int64_t n, int64_t channels, int64_t h, int64_t w, lb_real *wide, lb_real *deep, bool deepens, bool add) {
    int64_t s = b->size, area = s * s;
#pragma omp parallel for if (n * channels * area * h * w > LBI_GRAIN)
    for (int64_t p = 0; p < n * channels; p++)
        for (int64_t r = 0; r < h * s; r++) {
            lb_real *row = wide + (p * h * s + r) * w * s;
            for (int64_t j = 0; j < s; j++) {
                int64_t element = r % s * s + j, c = p % channels;
                int64_t channel = b->order == LB_BLOCK_INNER ? c * area + element : element * channels + c;
                lb_real *line = deep + ((p / channels * channels * area + channel) * h + r / s) * w;
                if (deepens) gather(line, row + j, w, s, add);
                else spread(row + j, line, w, s, add);
            }
        }
}
