/* SPDX-License-Identifier: Apache-2.0 */
/* Floor: a kernel element costs one multiply-add and two loads from L1 (a cycle) for all lanes, turning about half a cycle a number each way. */
#include "tensor/kernels/conv_lanes.h"
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/turn.h"

enum { LANES = LBI_LANES };
typedef lb_real vec __attribute__((vector_size(64), aligned(64), may_alias));

/* ---- what comes together ---- */

/* out[i] takes in[i * stride + v * dilation - pad] with kernel element v. */
static void reach_forward(lbi_reaches *r, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
    *r = (lbi_reaches){.size = out, .tap_step = 1, .other_step = dilation};
    for (int64_t i = 0; i < out; i++) {
        lbi_reach *a = &r->at[i];
        for (int64_t v = 0; v < kernel; v++) {
            int64_t from = i * stride + v * dilation - pad;
            if (from < 0 || from >= in) continue;
            if (a->count++ == 0) *a = (lbi_reach){1, v, from};
        }
    }
}

static int64_t common(int64_t a, int64_t b) { return b == 0 ? a : common(b, a % b); }

/* The same from the input's side: in[j] goes to out[(j + pad - v * dilation) / stride] where that is whole. */
static void reach_back(lbi_reaches *r, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
    int64_t both = common(stride, dilation);
    *r = (lbi_reaches){.size = in, .tap_step = stride / both, .other_step = -dilation / both};
    for (int64_t j = 0; j < in; j++) {
        lbi_reach *a = &r->at[j];
        for (int64_t v = 0; v < kernel; v++) {
            int64_t at = j + pad - v * dilation;
            if (at < 0 || at % stride != 0 || at / stride >= out) continue;
            if (a->count++ == 0) *a = (lbi_reach){1, v, at / stride};
        }
    }
}

bool lbi_lanes_plan(lbi_lanes *d, const lbi_conv *p) {
    if (p->h > LBI_LANES_SIDE || p->w > LBI_LANES_SIDE || p->y > LBI_LANES_SIDE || p->x > LBI_LANES_SIDE || p->kh * p->kw > LBI_LANES_TAPS) return false;
    *d = (lbi_lanes){.in = p->h * p->w, .out = p->y * p->x, .w = p->w, .x = p->x, .kw = p->kw, .taps = p->kh * p->kw};
    reach_forward(&d->rows, p->h, p->y, p->kh, p->sh, p->dh, p->pt);
    reach_forward(&d->cols, p->w, p->x, p->kw, p->sw, p->dw, p->pl);
    reach_back(&d->back_rows, p->h, p->y, p->kh, p->sh, p->dh, p->pt);
    reach_back(&d->back_cols, p->w, p->x, p->kw, p->sw, p->dw, p->pl);
    d->space = (2 * (d->in + d->out) + 2) * LANES;
    return true;
}

/* ---- sums ---- */

/* out[a,b] = sum over what comes together of in[.,.] w[.,.]; ld: width of `in`. Two sums hide half of the multiply-adds' latency. */
LBI_LEVELS_FUSED static void gather(const lbi_reaches *rows, const lbi_reaches *cols, const vec *in, int64_t ld, const vec *w, int64_t kw, vec *out, const vec *bias) {
    for (int64_t a = 0; a < rows->size; a++)
        for (int64_t b = 0; b < cols->size; b++) {
            const lbi_reach *r = &rows->at[a], *c = &cols->at[b];
            const vec *x = in + r->other * ld + c->other, *k = w + r->tap * kw + c->tap;
            vec s = bias ? *bias : (vec){0}, more = {0};
            for (int64_t i = 0; i < r->count; i++, x += rows->other_step * ld, k += rows->tap_step * kw) {
                int64_t j = 0;
                for (; j + 2 <= c->count; j += 2) {
                    s += x[j * cols->other_step] * k[j * cols->tap_step];
                    more += x[(j + 1) * cols->other_step] * k[(j + 1) * cols->tap_step];
                }
                if (j < c->count) s += x[j * cols->other_step] * k[j * cols->tap_step];
            }
            *out++ = s + more;
        }
}

/* sums[.,.] += in[.,.] g[a,b] */
LBI_LEVELS_FUSED static void correlate(const lbi_reaches *rows, const lbi_reaches *cols, const vec *in, int64_t ld, const vec *g, vec *sums, int64_t kw) {
    for (int64_t a = 0; a < rows->size; a++)
        for (int64_t b = 0; b < cols->size; b++) {
            const lbi_reach *r = &rows->at[a], *c = &cols->at[b];
            const vec *x = in + r->other * ld + c->other, by = *g++;
            vec *k = sums + r->tap * kw + c->tap;
            for (int64_t i = 0; i < r->count; i++, x += rows->other_step * ld, k += kw)
                for (int64_t j = 0; j < c->count; j++) k[j] += x[j * cols->other_step] * by;
        }
}

/* ---- pictures in and out ---- */

static void turn_in(const lb_real *from, int64_t count, int64_t pixels, vec *to) { lbi_turn((lb_real *)to, LANES, from, pixels, (int)count, pixels); }

static void turn_out(const vec *from, int64_t count, int64_t pixels, lb_real *to, bool fresh, lb_real *stage) {
    lbi_turn(stage, (int)pixels, (const lb_real *)from, LANES, (int)pixels, LANES);
    if (fresh) memcpy(to, stage, (size_t)(count * pixels) * sizeof *to);
    else lbi_add_row(to, stage, count * pixels);
}

void lbi_lanes_kernel(const lbi_lanes *d, const lb_real *w, int64_t count, lb_real *to) {
    memset(to, 0, (size_t)(d->taps * LANES) * sizeof *to);
    for (int64_t c = 0; c < count; c++)
        for (int64_t k = 0; k < d->taps; k++) to[k * LANES + c] = w[c * d->taps + k];
}

void lbi_lanes_forward(const lbi_lanes *d, const lb_real *x, int64_t count, const lb_real *w, const lb_real *bias, lb_act act, lb_real *y, lb_real *work) {
    vec *in = (vec *)work, *out = in + d->in + 1, shift = {0};
    for (int64_t c = 0; bias && c < count; c++) shift[c] = bias[c];
    turn_in(x, count, d->in, in);
    gather(&d->rows, &d->cols, in, d->w, (const vec *)w, d->kw, out, bias ? &shift : NULL);
    turn_out(out, count, d->out, y, true, (lb_real *)(out + d->out));
    lbi_act_plane(act, y, count * d->out, 0);
}

void lbi_lanes_back(const lbi_lanes *d, const lb_real *x, const lb_real *g, int64_t count, const lb_real *w, lb_real *gx, bool fresh, lb_real *sums, lb_real *work) {
    vec *in = (vec *)work, *slope = in + d->in + 1, *stage = slope + d->out + 1;
    turn_in(g, count, d->out, slope);
    if (sums) {
        turn_in(x, count, d->in, in);
        correlate(&d->rows, &d->cols, in, d->w, slope, (vec *)sums, d->kw);
    }
    if (!gx) return;
    gather(&d->back_rows, &d->back_cols, slope, d->x, (const vec *)w, d->kw, in, NULL);
    turn_out(in, count, d->in, gx, fresh, (lb_real *)stage);
}
