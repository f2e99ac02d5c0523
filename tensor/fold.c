/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/ops/fold.h"

enum { PIECE = 65536 }; /* elements of a piece */

void lbi_fold_forward(lb_call *c, lbi_fold_run run) {
    lbi_fold f = {.c = c, .a = lbi_over_axes(c)};
    int64_t count = f.a.outer * f.a.inner, width = f.a.inner < LBI_COLUMNS ? f.a.inner : LBI_COLUMNS;
    if (count == 0 || !lbi_pieces_of(c, &f.in)) return;
    f.blocks = (f.a.inner + LBI_COLUMNS - 1) / LBI_COLUMNS;
    f.piece = f.a.outer * f.blocks >= 64 || f.a.n == 0 ? f.a.n + 1 : PIECE / width;
    f.pieces = (f.a.n + f.piece - 1) / f.piece;
    if (f.pieces < 1) f.pieces = 1;
    if (f.in.runs > 0) {
        f.piece = f.in.length;
        f.pieces = f.in.runs;
    }
    if (f.pieces > 1) {
        f.part = lb_scratch(c, (size_t)(f.pieces * count) * sizeof *f.part);
        if (!f.part) return;
    }
    lbi_split(f.a.outer * f.blocks * f.pieces, width * (f.piece < f.a.n ? f.piece : f.a.n), run, &f);
    f.joining = true;
    if (f.part) lbi_split(count, f.pieces, run, &f);
}

void lbi_fold_backward(lb_call *c, const lb_tensor *g, const lb_tensor *y, lb_row row) {
    lb_tensor wide_g = lbi_over_view(c, g), wide_y = lbi_over_view(c, y), flat = *c->in[0];
    if (!lbi_flat(c, &flat)) return;
    const lb_tensor *x[] = {c->gin[0], &wide_g, &flat, &wide_y};
    lbi_back b = {c->params, c->fresh[0]};
    lbi_walk(c->in[0]->rank, c->in[0]->shape, 4, x, row, &b);
}

void lbi_some_zeros(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[0]; i++) {
        int64_t kind = i / 5 % 3;
        if (kind == 0 || (kind == 1 && i % 2 == 0)) ((lb_real *)data[0])[i] = 0;
    }
}
