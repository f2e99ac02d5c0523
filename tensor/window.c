/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/window.h"

static int64_t outputs(const lbi_window *w, bool ceil) {
    int64_t room = w->in + w->before + w->after - w->dilation * (w->size - 1) - 1;
    if (room < 0) return 0;
    int64_t out = (room + (ceil ? w->stride - 1 : 0)) / w->stride + 1;
    return ceil && (out - 1) * w->stride >= w->in + w->before ? out - 1 : out;
}

void lbi_windows_of(const lb_call *c, const lb_window *w, lbi_window a[3]) {
    int n = c->in[0]->rank - 2;
    for (int i = 0; i < 3; i++) {
        int k = i - (3 - n);
        if (k < 0) {
            a[i] = (lbi_window){1, 1, 1, 1, 0, 0, 1};
            continue;
        }
        a[i] = (lbi_window){.in = c->in[0]->shape[2 + k], .size = w->size[k], .stride = w->stride[k] ? w->stride[k] : w->size[k], .before = w->before[k],
                            .after = w->after[k], .dilation = w->dilation[k] ? w->dilation[k] : 1};
        a[i].out = outputs(&a[i], w->ceil);
    }
}

bool lbi_window_shape(lb_call *c, const lb_window *w) {
    const lb_tensor *x = c->in[0];
    char text[96];
    lbi_window a[3];
    if (x->rank < 3 || x->rank > 5) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x is %s, expected [N,C] and one to three axes more", lb_shape_text(text, sizeof text, x->rank, x->shape));
        return false;
    }
    for (int k = 0; k < x->rank - 2; k++) {
        if (w->size[k] > 0 && w->stride[k] >= 0 && w->dilation[k] >= 0) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "window %lld, stride %lld, dilation %lld of axis %d, expected positive ones", (long long)w->size[k], (long long)w->stride[k], (long long)w->dilation[k], 2 + k);
        return false;
    }
    lbi_windows_of(c, w, a);
    for (int i = 5 - x->rank; i < 3; i++) {
        int64_t span = a[i].dilation * (a[i].size - 1) + 1;
        if (a[i].out > 0 && a[i].in > 0 && a[i].before >= 0 && a[i].after >= 0 && a[i].before < span && a[i].after < span) continue;
        lb_tape_fail(c->tape, LB_E_SHAPE, "%lld elements along axis %d, padded by %lld and %lld, have no place for a window of %lld (paddings are less than a window)", (long long)a[i].in,
                     x->rank - 3 + i, (long long)a[i].before, (long long)a[i].after, (long long)span);
        return false;
    }
    lb_tensor *y = c->out[0];
    y->rank = x->rank;
    y->shape[0] = x->shape[0];
    y->shape[1] = x->shape[1];
    for (int d = 2; d < x->rank; d++) y->shape[d] = a[5 - x->rank + d - 2].out;
    return true;
}

bool lbi_window_taps(lb_call *c, lbi_taps *t, const lbi_window *w, lb_avg_border border, bool divide, double factor) {
    if (!lbi_taps_new(c, t, w->in, w->out, w->size)) return false;
    for (int64_t i = 0; i < w->out; i++) {
        int64_t start = i * w->stride - w->before, first, last, padded, low;
        lbi_inside(start, w->dilation, w->in, w->size, &first, &last);
        lbi_inside(start + w->before, w->dilation, w->in + w->before + w->after, w->size, &low, &padded);
        double by = border == LB_AVG_EDGES ? (double)w->size : border == LB_AVG_INSIDE ? (double)(last - first) : (double)padded;
        double weight = factor / (divide ? by : 1);
        if (border == LB_AVG_EDGES)
            for (int64_t k = 0; k < w->size; k++) {
                int64_t at = start + k * w->dilation;
                lbi_tap(t, at < 0 ? 0 : at >= w->in ? w->in - 1 : at, weight);
            }
        else
            for (int64_t k = first; k < last; k++) lbi_tap(t, start + k * w->dilation, weight);
        if (!lbi_taps_next(c, t)) return false;
    }
    return true;
}

lbi_cells lbi_cells_of(const lb_tensor *x, const int64_t *size) {
    lbi_cells o = {{0}};
    for (int d = 0; x && d < x->rank - 2 && d < 3; d++) o.size[d] = size[d];
    return o;
}

bool lbi_cells_shape(lb_call *c, const lbi_cells *cells) {
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    char text[96];
    bool fits = x->rank >= 3 && x->rank <= 5;
    y->rank = x->rank;
    for (int d = 0; fits && d < x->rank; d++) {
        y->shape[d] = d < 2 || cells->size[d - 2] == 0 ? x->shape[d] : cells->size[d - 2];
        fits = d < 2 || (x->shape[d] > 0 && y->shape[d] > 0);
    }
    if (!fits) lb_tape_fail(c->tape, LB_E_SHAPE, "x is %s, expected [N,C] and one to three axes more with at least one element", lb_shape_text(text, sizeof text, x->rank, x->shape));
    return fits;
}
