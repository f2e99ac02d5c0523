/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,o,i,j] = act(b[o] + scale[o] sum_{c,u,v} x[n,c, i sh + u dh - pt, j sw + v dw - pl] w[o,c,u,v] + add[n,o,i,j]), channels in groups; what
 * lies outside is 0. scale is a constant (a norm's); with g' = g act'(y), dadd = g'.
 * 1x1: one product an image, no copy. Depthwise: direct. Else: patches as columns, then a product. Images over threads.
 * conv1d and the transposed convolutions call these functions too (tensor/convs.h). */
#include <omp.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/convs.h"
#include "tensor/exact.h"
#include "tensor/forms.h"
#include "tensor/depthwise.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_point.h"
#include "tensor/kernels/conv_turn.h"
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_bf16.h"
#include "tensor/kernels/norm.h"
#include "tensor/kernels/winograd.h"
#include "tensor/loops.h"
#include "tensor/last.h"
#include "tensor/op.h"
#include "tensor/ops.h"
#include "tensor/parts.h"
#include "tensor/precision.h"

typedef lbi_conv_options options;
enum { FULL_GROUP = 8, STARTS = 48 }; /* channels of a group's result from which they go in lanes; of a result from which they begin to, in training */

static int64_t one(int64_t x) { return x ? x : 1; }

static lbi_conv plan_of(const lb_call *c) {
    const lb_conv_spec *s = &((const options *)c->params)->spec;
    const lb_tensor *x = c->in[0], *w = c->in[1];
    lbi_conv p = {.c = x->shape[1], .h = x->shape[2], .w = x->shape[3], .o = w->shape[0], .kh = w->shape[2], .kw = w->shape[3], .sh = one(s->stride_h), .sw = one(s->stride_w),
                  .dh = one(s->dilation_h), .dw = one(s->dilation_w), .pt = s->pad_t, .pl = s->pad_l, .groups = one(s->groups), .exact = ((const options *)c->params)->exact};
    p.y = lbi_conv_size(p.h, p.kh, p.sh, s->pad_t, s->pad_b, p.dh);
    p.x = lbi_conv_size(p.w, p.kw, p.sw, s->pad_l, s->pad_r, p.dw);
    return p;
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0], *w = c->in[1], *b = c->in[2], *add = c->in[4];
    char tx[96], tw[96];
    lbi_conv p = plan_of(c);
    if (w->shape[1] * p.groups != p.c || p.o % p.groups || p.y < 1 || p.x < 1 || (b && b->shape[0] != p.o) || (add && (add->shape[2] != p.y || add->shape[3] != p.x))) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "conv2d: x %s, w %s, groups %lld, output %lld x %lld do not go together", lb_shape_text(tx, sizeof tx, 4, x->shape),
                     lb_shape_text(tw, sizeof tw, 4, w->shape), (long long)p.groups, (long long)p.y, (long long)p.x);
        return false;
    }
    c->out[0]->dtype = LB_REAL;
    c->out[0]->rank = 4;
    memcpy(c->out[0]->shape, (int64_t[]){x->shape[0], p.o, p.y, p.x}, 4 * sizeof(int64_t));
    return true;
}

static bool pointwise(const lbi_conv *p) { return p->kh == 1 && p->kw == 1 && p->sh == 1 && p->sw == 1 && p->y == p->h && p->x == p->w && p->pt == 0 && p->pl == 0; }
static bool depthwise(const lbi_conv *p) { return p->groups == p->c && p->o == p->c; }

/* One image. col: scratch of [C/groups*kh*kw, Y*X], unused when pointwise. */
static void image_forward(const lbi_conv *p, const lb_real *x, const lb_real *w, lb_real *y, lb_real *col) {
    int64_t c = p->c / p->groups, o = p->o / p->groups, k = c * p->kh * p->kw, n = p->y * p->x;
    for (int64_t g = 0; g < p->groups; g++) {
        const lb_real *cols = x + g * c * n;
        if (!pointwise(p)) {
            lbi_im2col(p, x, g * c, c, col);
            cols = col;
        }
        lbi_gemm(false, false, o, n, k, w + g * o * k, k, cols, n, 0, y + g * o * n, n);
    }
}

/* Scale, bias, addition and activation of an image as passes of their own. */
static void end_image(const lb_call *c, const lbi_conv *p, int64_t image) {
    const options *o = c->params;
    int64_t n = p->y * p->x, at = image * p->o * n;
    for (int64_t q = 0; q < p->o; q++) {
        lb_real *y = lb_r(c->out[0]) + at + q * n;
        for (int64_t i = 0; c->in[3] && i < n; i++) y[i] *= lb_r(c->in[3])[q];
        if (c->in[4]) lbi_add_row(y, lb_r(c->in[4]) + at + q * n, n);
        lbi_act_plane(o->act, y, n, c->in[2] ? lb_r(c->in[2])[q] : 0);
    }
}

#ifndef LB_DOUBLE
/* With gradients: what dense kernels bring pays for turning pictures where a stretch begins; depthwise ones have no gradients of that kind. */
static bool trains_last(const lb_call *c, const lbi_conv *p) {
    bool starts = p->kh * p->kw > 1 && p->o >= STARTS, one = !c->in[3] && !c->in[4];
    return p->groups == 1 && one && (lbi_is_last(c->in[0]) || starts) && lbi_turns(p);
}
#endif

/* Channels last: wherever they fill vectors. A group of few channels would waste them; planes that lie whole are read once as they are, turning them
 * would take as long again. */
static bool last(const lb_call *c) {
#ifndef LB_DOUBLE
    lbi_conv p = plan_of(c);
    if (depthwise(&p) && !lbi_is_last(c->in[0]) && !c->in[3] && !c->in[4] && lbi_depthwise_columns(&p)) return false;
    if (lb_tape_get_mode(c->tape) != LB_TAPE_NO_GRAD && !trains_last(c, &p)) return false;
    return lbi_last_can() && !p.exact && ((depthwise(&p) && p.kh <= LBI_LAST_DEEP) || p.groups == 1 || p.o / p.groups >= FULL_GROUP);
#else
    (void)c;
    return false;
#endif
}

/* What is added may lie where the result goes, if it has its channels last too: dense kernels read a number of it just before they write there. */
static int over(const lb_call *c) {
    enum { ADDED = 4 };
    lbi_conv p = plan_of(c);
    return c->last && c->in[ADDED] && !depthwise(&p) ? ADDED : -1;
}

#ifndef LB_DOUBLE
/* Have all numbers parts? The kernels were looked at when they were brought into form. */
static bool parted(const lb_call *c, const float *form) { return lbi_last_parted(lb_r(c->in[0]), lb_numel(c->in[0])) && (form || lbi_last_parted(lb_r(c->in[1]), lb_numel(c->in[1]))); }

/* As lbi_last_conv, also of what is added where the result goes. */
static bool plain_last(lb_call *c, const lbi_conv *p, bool planes, float **kept, const lbi_gemm_end *end) {
    lbi_gemm_end apart = *end;
    float *y = lb_r(c->out[0]);
    if (end->add == y && !lbi_last_once(p)) {
        size_t bytes = (size_t)lb_numel(c->out[0]) * sizeof *y;
        apart.add = lb_scratch(c, bytes);
        if (!apart.add) return false;
        memcpy((float *)(uintptr_t)apart.add, y, bytes);
    }
    return lbi_last_conv(p, c->in[0]->shape[0], lb_r(c->in[0]), planes, lb_r(c->in[1]), kept, &apart, y);
}

static void forward_last(lb_call *c, const lbi_conv *p) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0];
    int64_t images = x->shape[0];
    const lb_real *add = c->in[4] ? lbi_channels_last(c, c->in[4]) : NULL, *w = lb_r(c->in[1]), *pixels = lb_r(x);
    const lbi_gemm_end end = {.row_scale = c->in[3] ? lb_r(c->in[3]) : NULL, .row_bias = c->in[2] ? lb_r(c->in[2]) : NULL, .add = add, .act = o->act};
    bool planes = !lbi_is_last(x) && p->h * p->w > 1 && p->c > 1, each = depthwise(p), done;
    bool bf16 = !each && lb_tape_bf16(c->tape) && lbi_last_bf16_worth(p, images), parts = !each && !bf16 && lbi_last_parts_worth(p, images), plain = !each && !bf16 && !parts;
    bool deep = plain && lbi_last_winograd_deep_worth(p, images), winograd = plain && !deep && lbi_winograd_worth(p, images);
    if (each || winograd || deep) pixels = lbi_channels_last(c, x);
    if (!lb_tape_ok(c->tape)) return;
    if (each) done = lbi_last_depth(p, images, pixels, w, &end, lb_r(c->out[0]));
    else if (deep) done = lbi_last_winograd_deep(p, images, pixels, w, &end, lb_r(c->out[0]));
    else {
        lbi_form_kind kind = bf16 ? LBI_FORM_LAST_BF16 : parts ? LBI_FORM_LAST_PARTS : winograd ? LBI_FORM_WINOGRAD : LBI_FORM_LAST;
        float *had = lbi_form_find(c->in[1], kind, p->groups), *form = had, **kept = c->in[1]->fixed ? &form : NULL;
        if (bf16) done = lbi_last_bf16(p, images, pixels, planes, w, kept, &end, lb_r(c->out[0]));
        else if (parts) done = ((add != lb_r(c->out[0]) || parted(c, had)) && lbi_last_parts(p, images, pixels, planes, w, kept, &end, lb_r(c->out[0]), NULL)) || plain_last(c, p, planes, NULL, &end);
        else if (winograd) done = lbi_last_winograd(p, images, pixels, w, kept, &end, lb_r(c->out[0]));
        else done = plain_last(c, p, planes, kept, &end);
        if (!had) lbi_form_keep(c->in[1], kind, p->groups, form);
    }
    if (!done) lb_tape_fail(c->tape, LB_E_NOMEM, "conv2d: no memory for its kernels");
}

/* Convolutions along one axis, without gradient, go in lanes of channels too where turning costs little beside the products: long sums (8x256x1500, kernel of 3: 7.0 ms turned, 6.3 as it lies;
 * 1x512x3000: 6.3 and 6.6), short lines, which would fill their vectors badly, and bf16, which needs pairs of channels. */
static bool worth_turning(const lb_call *c, const lbi_conv *p) {
    enum { CHANNELS = 16, LONG = 1024, SHORT = 128 };
    bool pays = p->c * p->kw >= LONG || p->x < SHORT || lb_tape_bf16(c->tape);
    return pays && p->h == 1 && p->kh == 1 && p->kw > 1 && p->groups == 1 && p->c >= CHANNELS && p->o >= CHANNELS && !p->exact && !c->in[3] && !c->in[4] &&
           lb_tape_get_mode(c->tape) == LB_TAPE_NO_GRAD && lbi_last_can();
}

/* @return false: not done */
static bool turned_forward(lb_call *c, const lbi_conv *p) {
    int64_t images = c->in[0]->shape[0];
    float *y = lb_scratch(c, (size_t)(images * p->o * p->x) * sizeof *y);
    const float *x = y ? lbi_channels_last(c, c->in[0]) : NULL, *w = lb_r(c->in[1]);
    const lbi_gemm_end end = {.row_bias = c->in[2] ? lb_r(c->in[2]) : NULL, .act = ((const options *)c->params)->act};
    /* as a picture that is one pixel wide, whose rows may be divided */
    const lbi_conv high = {.c = p->c, .h = p->w, .w = 1, .o = p->o, .y = p->x, .x = 1, .kh = p->kw, .kw = 1, .sh = p->sw, .sw = 1, .dh = p->dw, .dw = 1, .pt = p->pl, .groups = 1};
    bool bf16 = x && lb_tape_bf16(c->tape) && lbi_last_bf16_worth(&high, images);
    if (!x || !(bf16 ? lbi_last_bf16(&high, images, x, false, w, NULL, &end, y) : lbi_last_conv(p, images, x, false, w, NULL, &end, y))) return false;
    lb_tensor from = *c->out[0];
    from.data = y;
    lbi_layout_last(&from);
    lbi_gather_strided(lb_r(c->out[0]), &from);
    return true;
}
#endif

/* The plain way: rooms of the threads. */
typedef struct job {
    const lb_call *c;
    const lbi_conv *p;
    lb_real *col; /* [threads][each] */
    int64_t each;
    const lb_real *g; /* backward, as the rest */
    lb_real *gx, *part; /* part: [threads][kernel] */
} job;

static void one_forward(const void *ctx, int64_t i, int thread) {
    const job *j = ctx;
    const lbi_conv *p = j->p;
    image_forward(p, lb_r(j->c->in[0]) + i * p->c * p->h * p->w, lb_r(j->c->in[1]), lb_r(j->c->out[0]) + i * p->o * p->y * p->x, j->col + j->each * thread);
    end_image(j->c, p, i);
}

/* Numbers of an image's patches. */
static int64_t columns_of(const lbi_conv *p) { return pointwise(p) ? 0 : p->c / p->groups * p->kh * p->kw * p->y * p->x; }

static void forward(lb_call *c) {
    lbi_conv p = plan_of(c);
#ifndef LB_DOUBLE
    if (c->last) {
        forward_last(c, &p);
        return;
    }
#endif
    int64_t images = c->in[0]->shape[0], out = p.o * p.y * p.x;
#ifndef LB_DOUBLE
    const lb_real *x = lb_r(c->in[0]), *w = lb_r(c->in[1]);
    lb_real *y = lb_r(c->out[0]);
    if (worth_turning(c, &p) && turned_forward(c, &p)) return;
#endif
    if (depthwise(&p)) {
        bool apart = c->in[3] || c->in[4];
        lbi_depthwise_forward(c, &p, apart);
#pragma omp parallel for if (images * out > 16384)
        for (int64_t i = 0; i < (apart ? images : 0); i++) end_image(c, &p, i);
        return;
    }
#ifndef LB_DOUBLE
    const lbi_gemm_end end = {.row_scale = c->in[3] ? lb_r(c->in[3]) : NULL,
                              .row_bias = c->in[2] ? lb_r(c->in[2]) : NULL,
                              .add = c->in[4] ? lb_r(c->in[4]) : NULL,
                              .ld_add = p.y * p.x,
                              .act = ((const options *)c->params)->act,
                              .bf16 = lb_tape_bf16(c->tape) && lbi_cpu() >= LBI_CPU_BF16};
    if ((lbi_point_worth(&p, images) || (end.bf16 && pointwise(&p) && p.groups == 1)) && lbi_point_forward(&p, images, x, w, &end, y)) return;
    if (lbi_conv_tiles(&p, images, x, w, &end, y)) return;
#endif
    int threads = images > 1 ? omp_get_max_threads() : 1;
    int64_t each = columns_of(&p);
    const job j = {.c = c, .p = &p, .each = each, .col = lb_scratch(c, (size_t)(each * threads) * sizeof *j.col)};
    if (j.col) lbi_each(images, threads, one_forward, &j);
}

/* ---- backward ---- */

static void image_backward(const lbi_conv *p, const lb_real *x, const lb_real *w, const lb_real *g, lb_real *gx, bool fresh, lb_real *gw, lb_real *col) {
    int64_t c = p->c / p->groups, o = p->o / p->groups, k = c * p->kh * p->kw, n = p->y * p->x;
    for (int64_t q = 0; q < p->groups; q++) {
        const lb_real *gq = g + q * o * n;
        if (gw) {
            const lb_real *cols = x + q * c * n;
            if (!pointwise(p)) {
                lbi_im2col(p, x, q * c, c, col);
                cols = col;
            }
            lbi_gemm(false, true, o, k, n, gq, n, cols, n, 1, gw + q * o * k, k);
        }
        if (!gx) continue;
        if (pointwise(p)) lbi_gemm(true, false, k, n, o, w + q * o * k, k, gq, n, fresh ? 0 : 1, gx + q * c * n, n);
        else {
            if (fresh) memset(gx + q * c * p->h * p->w, 0, (size_t)(c * p->h * p->w) * sizeof *gx);
            lbi_gemm(true, false, k, n, o, w + q * o * k, k, gq, n, 0, col, n);
            lbi_col2im(p, col, q * c, c, gx);
        }
    }
}

static void one_backward(const void *ctx, int64_t i, int thread) {
    const job *j = ctx;
    const lbi_conv *p = j->p;
    int64_t in = p->c * p->h * p->w, kernel = lb_numel(j->c->in[1]);
    image_backward(p, lb_r(j->c->in[0]) + i * in, lb_r(j->c->in[1]), j->g + i * p->o * p->y * p->x, j->gx ? j->gx + i * in : NULL, j->c->fresh[0],
                   j->part ? j->part + kernel * thread : NULL, j->col + j->each * thread);
}

/* Each thread sums the weight's gradient over its own run of images; the sums are added in thread order, so a number of threads
 * gives one result. */
static void dense_backward(lb_call *c, const lbi_conv *p, const lb_real *g, bool input, bool weights) {
    int64_t images = c->in[0]->shape[0], each = columns_of(p), kernel = lb_numel(c->in[1]);
    int threads = images > 1 ? omp_get_max_threads() : 1;
    lb_real *part = weights ? lb_scratch(c, (size_t)kernel * sizeof *part * (size_t)threads) : NULL;
    const job j = {c, p, lb_scratch(c, (size_t)(each * threads) * sizeof *j.col), each, g, input ? lb_r(c->gin[0]) : NULL, part};
    if (!j.col || (weights && !part)) return;
    if (part) memset(part, 0, (size_t)kernel * sizeof *part * (size_t)threads);
    lbi_each(images, threads, one_backward, &j);
    for (int64_t q = 0; part && c->fresh[1] && q < kernel; q++) lb_r(c->gin[1])[q] = 0;
    for (int t = 0; part && t < threads; t++)
        for (int64_t q = 0; q < kernel; q++) lb_r(c->gin[1])[q] += part[t * kernel + q];
}

#ifndef LB_DOUBLE
enum { TURNED = 32 }; /* channels from which on pictures in planes are turned for the kernels' gradient: all but the plain way wants that */

/* g: that of what stands before the activation. */
static void backward_last(lb_call *c, const lbi_conv *p, const lb_real *g) {
    const lb_tensor *x = c->in[0];
    int64_t images = x->shape[0], shape[] = {images * p->y * p->x, p->o};
    bool planes = !lbi_is_last(x) && p->h * p->w > 1 && p->c > 1, ok = true;
    if (c->in[2] && c->gin[2]) {
        lb_tensor rows = {.dtype = LB_REAL, .rank = 2, .shape = {shape[0], shape[1]}, .stride = {shape[1], 1}, .data = (void *)(uintptr_t)g};
        lbi_reduce_to(c->gin[2], &rows, 1, c->fresh[2]);
    }
    if (c->gin[1]) {
        bool turn = planes && p->c >= TURNED;
        const lb_real *pixels = turn ? lbi_channels_last(c, x) : lb_r(x);
        ok = pixels && lbi_last_kernels(p, images, pixels, planes && !turn, g, lb_r(c->gin[1]), c->fresh[1]);
    }
    if (ok && c->gin[0]) {
        bool apart = planes;
        lb_tensor made = *c->gin[0];
        if (apart) {
            lbi_layout_last(&made);
            made.data = lb_scratch(c, (size_t)lb_numel(x) * sizeof(lb_real));
            if (!made.data) return;
        }
        ok = lbi_last_input(p, images, g, lb_r(c->in[1]), lb_r(&made), apart || c->fresh[0]) == LBI_CONV_DONE;
        if (ok && apart && c->fresh[0]) lbi_gather_strided(lb_r(c->gin[0]), &made);
        else if (ok && apart) lbi_add_view(c->gin[0], &made, 1, false);
    }
    if (!ok) lb_tape_fail(c->tape, LB_E_NOMEM, "conv2d: no memory for a gradient");
}
#endif

static void backward(lb_call *c) {
    const options *o = c->params;
    lbi_conv p = plan_of(c);
    int64_t images = c->in[0]->shape[0], n = p.y * p.x, all = images * p.o * n;
    if (!c->gout[0]) return;
    const lb_real *g = lb_r(c->gout[0]);
    if (o->act != LB_ACT_NONE) {
        lb_real *through = lb_scratch(c, (size_t)all * sizeof *through);
        if (!through) return;
        lbi_act_back(o->act, through, g, lb_r(c->out[0]), all);
        g = through;
    }
#ifndef LB_DOUBLE
    if (c->last) {
        backward_last(c, &p, g);
        return;
    }
#endif
    if (c->in[2] && c->gin[2]) lbi_channel_sums(c, 2, g, images, p.o, n);
    if (c->in[4] && c->gin[4]) {
        lb_tensor slope = *c->gout[0];
        slope.data = (void *)g;
        lbi_add_flat(c->gin[4], &slope, c->fresh[4]);
    }
    if (c->in[3]) {
        lb_real *scaled = lb_scratch(c, (size_t)all * sizeof *scaled);
        if (!scaled) return;
        for (int64_t i = 0; i < images * p.o; i++) lbi_plane_affine(LB_ACT_NONE, scaled + i * n, g + i * n, NULL, n, lb_r(c->in[3])[i % p.o], 0);
        g = scaled;
    }
    if (!depthwise(&p)) {
        bool input = c->gin[0] != NULL, weights = c->gin[1] != NULL;
#ifndef LB_DOUBLE
        if (pointwise(&p) && p.groups == 1 && lbi_cpu() >= LBI_CPU_AVX2 &&
            lbi_point_backward(&p, images, lb_r(c->in[0]), lb_r(c->in[1]), g, input ? lb_r(c->gin[0]) : NULL, c->fresh[0], weights ? lb_r(c->gin[1]) : NULL,
                               c->fresh[1]))
            return;
        lbi_conv_done done = input ? lbi_conv_input(&p, images, g, lb_r(c->in[1]), lb_r(c->gin[0]), c->fresh[0]) : LBI_CONV_DONE;
        if (done == LBI_CONV_BROKEN) lb_tape_fail(c->tape, LB_E_NOMEM, "conv2d: no memory for a part of the gradient");
        input = done == LBI_CONV_NOT_DONE;
        if (weights) weights = !lbi_conv_kernel(&p, images, lb_r(c->in[0]), g, lb_r(c->gin[1]), c->fresh[1]);
#endif
        if (input || weights) dense_backward(c, &p, g, input, weights);
    } else lbi_depthwise_backward(c, &p, g);
}

static void reference(lb_call *c) {
    const options *o = c->params;
    lbi_conv p = plan_of(c);
    int64_t cg = p.c / p.groups, og = p.o / p.groups;
    lb_real *y = lb_r(c->out[0]);
    for (int64_t n = 0; n < c->in[0]->shape[0]; n++)
        for (int64_t q = 0; q < p.o; q++)
            for (int64_t i = 0; i < p.y; i++)
                for (int64_t j = 0; j < p.x; j++) {
                    double sum = 0;
                    for (int64_t ch = 0; ch < cg; ch++)
                        for (int64_t u = 0; u < p.kh; u++)
                            for (int64_t v = 0; v < p.kw; v++) {
                                int64_t row = i * p.sh + u * p.dh - p.pt, at = j * p.sw + v * p.dw - p.pl;
                                if (row < 0 || row >= p.h || at < 0 || at >= p.w) continue;
                                sum += (double)lb_r(c->in[0])[((n * p.c + q / og * cg + ch) * p.h + row) * p.w + at] * (double)lb_r(c->in[1])[((q * cg + ch) * p.kh + u) * p.kw + v];
                            }
                    int64_t place = ((n * p.o + q) * p.y + i) * p.x + j;
                    if (c->in[3]) sum *= (double)lb_r(c->in[3])[q];
                    if (c->in[2]) sum += (double)lb_r(c->in[2])[q];
                    if (c->in[4]) sum += (double)lb_r(c->in[4])[place];
                    y[place] = (lb_real)sum;
                }
    lbi_act_rows(o->act, y, 1, lb_numel(c->out[0]), NULL, false);
}

static double flops(const lb_call *c) {
    lbi_conv p = plan_of(c);
    return 2.0 * (double)lb_numel(c->out[0]) * (double)(p.c / p.groups * p.kh * p.kw);
}

static const options same3 = {{1, 1, 1, 1, 1, 1, 1, 1, 1}, LB_ACT_NONE}, stride2 = {{2, 2, 0, 1, 0, 1, 1, 1, 1}, LB_ACT_RELU}, dilated = {{1, 2, 2, 2, 1, 0, 2, 1, 2}, LB_ACT_NONE},
                     depth = {{1, 1, 1, 1, 1, 1, 1, 1, 4}, LB_ACT_NONE}, depth2 = {{2, 2, 2, 2, 2, 2, 1, 1, 3}, LB_ACT_NONE}, point = {{1, 1, 0, 0, 0, 0, 1, 1, 1}, LB_ACT_RELU6},
                     point2 = {{2, 2, 0, 0, 0, 0, 1, 1, 1}, LB_ACT_NONE}, wide = {{3, 1, 3, 4, 1, 2, 1, 2, 1}, LB_ACT_NONE};
static const lb_op_case cases[] = {
    {.name = "3x3 same", .rank = {4, 4, 1, -1, -1}, .shape = {{2, 3, 5, 6}, {4, 3, 3, 3}, {4}}, .params = &same3},
    {.name = "3x3 stride 2, uneven padding, relu", .rank = {4, 4, 1, -1, -1}, .shape = {{2, 2, 6, 7}, {3, 2, 3, 3}, {3}}, .params = &stride2},
    {.name = "dilated, two groups", .rank = {4, 4, -1, -1, -1}, .shape = {{1, 4, 7, 6}, {6, 2, 3, 2}}, .params = &dilated},
    {.name = "depthwise 3x3", .rank = {4, 4, 1, -1, -1}, .shape = {{2, 4, 5, 5}, {4, 1, 3, 3}, {4}}, .params = &depth},
    {.name = "depthwise 5x5 stride 2", .rank = {4, 4, -1, -1, -1}, .shape = {{2, 3, 6, 7}, {3, 1, 5, 5}}, .params = &depth2},
    {.name = "1x1 relu6", .rank = {4, 4, 1, -1, -1}, .shape = {{2, 5, 3, 4}, {6, 5, 1, 1}, {6}}, .params = &point},
    {.name = "1x1 stride 2", .rank = {4, 4, -1, -1, -1}, .shape = {{2, 3, 5, 5}, {2, 3, 1, 1}}, .params = &point2},
    {.name = "scaled and added, relu", .rank = {4, 4, 1, 1, 4}, .shape = {{2, 2, 6, 7}, {3, 2, 3, 3}, {3}, {3}, {2, 3, 3, 3}}, .params = &stride2},
    {.name = "depthwise, scaled", .rank = {4, 4, -1, 1, -1}, .shape = {{2, 4, 5, 5}, {4, 1, 3, 3}, {0}, {4}}, .params = &depth},
    {.name = "1x1 of many channels, scaled and added", .rank = {4, 4, 1, 1, 4}, .shape = {{2, 70, 5, 5}, {40, 70, 1, 1}, {40}, {40}, {2, 40, 5, 5}}, .params = &point},
    {.name = "3x3 of many channels, scaled and added", .rank = {4, 4, 1, 1, 4}, .shape = {{1, 33, 20, 19}, {34, 33, 3, 3}, {34}, {34}, {1, 34, 20, 19}}, .params = &same3},
    {.name = "padding beyond the kernel's reach", .rank = {4, 4, -1, -1, -1}, .shape = {{2, 1, 7, 3}, {2, 1, 3, 1}}, .params = &wide},
    {.name = "no images", .rank = {4, 4, -1, -1, -1}, .shape = {{0, 3, 5, 5}, {2, 3, 1, 1}}, .params = &point2},
};

LB_OP(conv2d) = {.id = "conv2d",
                 .title = "2-D convolution: stride, padding, dilation, groups, an activation",
                 .source = "torch.nn.functional.conv2d",
                 .sig = "x[N,C,H,W] w[O,D,kh,kw] b[O]? scale[O]? add[N,O,Y,X]? -> y",
                 .math = "y = act(scale (w * x) + b + add)",
                 .flags = LB_OP_NONSMOOTH | LB_OP_SETS,
                 .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(3) | LB_READS_OUT(0),
                 .constant = 1u << 3,
                 .shape = shape,
                 .last = last,
                 .over = over,
                 .params_size = sizeof(options),
                 .forward = forward,
                 .backward = backward,
                 .reference = reference,
                 .flops = flops,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_conv2d_scaled(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_tensor *scale, lb_tensor *add, lb_conv_spec spec, lb_act act) {
    bool fuse = lbi_act_from_result(act) || lb_tape_get_mode(t) == LB_TAPE_NO_GRAD;
    lb_tensor *y = lb_apply(t, &lb_op_conv2d, &(options){spec, fuse ? act : LB_ACT_NONE}, sizeof(options), 5, (lb_tensor *[]){x, w, b, scale, add});
    return fuse ? y : lbi_act_op(t, y, act);
}

lb_tensor *lb_conv2d(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_conv_spec spec, lb_act act) { return lb_conv2d_scaled(t, x, w, b, NULL, NULL, spec, act); }

lb_tensor *lb_conv2d_exact(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_conv_spec spec) {
    return lb_apply(t, &lb_op_conv2d, &(options){.spec = spec, .exact = true}, sizeof(options), 2, (lb_tensor *[]){x, w});
}
