/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/conv_slices.h"
#include <string.h>
#include "base/threads.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_turn.h"
#include "tensor/kernels/last.h"
#include "tensor/last.h"
#include "tensor/loops.h"
#include "tensor/parts.h"

extern LB_OP(conv2d);

enum { ROOM = 1 << 22, LEAST = 256, LANES = 16 }; /* numbers of the pictures made at a time; of an output slice worth while; outputs from which they go in lanes */

/* Some output slices of all volumes, numbered through: pictures of C kd channels, each group's by place in the kernel, then by channel. */
typedef struct slices {
    const lbi_volume *p;
    int64_t volumes, channels, group; /* channels of a picture; of x in a group */
    int64_t in, out;                  /* numbers of a slice */
    int64_t first, count;
    const lb_real *x; /* either x, or where its gradient goes */
    lb_real *gx, *pictures;
    const lb_real *g; /* the gradient of y, or y itself */
    lb_real *y, *turned;
    lb_real *planes; /* room for those of a slice for each thread, forward and last */
    bool last; /* turned has its channels last, where convolutions have their fastest ways */
} slices;

bool lbi_slices_worth(const lbi_volume *p) {
    bool patches = true;
    for (int a = 0; a < 3; a++) patches = patches && p->kernel[a] <= p->stride[a];
    return !patches && p->out[1] * p->out[2] >= LEAST && (p->groups < p->c || p->o > p->c);
}

static bool lanes(const lbi_volume *p) {
#ifndef LB_DOUBLE
    const lbi_conv slice = {.h = p->in[1], .w = p->in[2], .y = p->out[1], .x = p->out[2], .kh = p->kernel[1], .kw = p->kernel[2], .sh = p->stride[1], .sw = p->stride[2],
                            .dh = p->dilation[1], .dw = p->dilation[2], .pt = p->before[1], .pl = p->before[2]};
    return p->groups == 1 && p->o >= LANES && lbi_last_can() && lbi_turns(&slice);
#else
    (void)p;
    return false;
#endif
}

static slices slices_of(const lb_call *c, const lbi_volume *p) {
    slices s = {.p = p, .volumes = c->in[0]->shape[0], .channels = p->c * p->kernel[0], .group = p->c / p->groups, .in = p->in[1] * p->in[2], .out = p->out[1] * p->out[2], .x = lb_r(c->in[0]), .last = lanes(p)};
    s.count = ROOM / (s.channels * s.in) + 1;
    if (s.count < lb_threads()) s.count = lb_threads();
    if (s.count > s.volumes * p->out[0]) s.count = s.volumes * p->out[0];
    return s;
}

/* Where channel q of picture i (counted from the first of this piece) lies in x, or -1: outside. */
static int64_t plane_of(const slices *s, int64_t i, int64_t q) {
    const lbi_volume *p = s->p;
    int64_t k = s->first + i, t = q / s->group % p->kernel[0], channel = q / (s->group * p->kernel[0]) * s->group + q % s->group;
    int64_t z = k % p->out[0] * p->stride[0] + t * p->dilation[0] - p->before[0];
    return z < 0 || z >= p->in[0] ? -1 : ((k / p->out[0] * p->c + channel) * p->in[0] + z) * s->in;
}

static void make_pictures(const void *ctx, int64_t first, int64_t last) {
    const slices *s = ctx;
    for (int64_t k = first; k < last; k++) {
        int64_t at = plane_of(s, k / s->channels, k % s->channels);
        if (at < 0) memset(s->pictures + k * s->in, 0, (size_t)s->in * sizeof(lb_real));
        else memcpy(s->pictures + k * s->in, s->x + at, (size_t)s->in * sizeof(lb_real));
    }
}

/* Gradients of pictures are added to x, channel by channel: each has one thread. */
static void add_pictures(const void *ctx, int64_t first, int64_t last) {
    const slices *s = ctx;
    for (int64_t channel = first; channel < last; channel++)
        for (int64_t i = 0; i < s->count; i++)
            for (int64_t t = 0; t < s->p->kernel[0]; t++) {
                int64_t q = (channel / s->group * s->p->kernel[0] + t) * s->group + channel % s->group, at = plane_of(s, i, q);
                if (at >= 0) lbi_add_row(s->gx + at, s->pictures + (i * s->channels + q) * s->in, s->in);
            }
}

/* Planes of slice i of this piece in y or its gradient: the first, and how far apart they are. */
static int64_t result_of(const slices *s, int64_t i) {
    int64_t k = s->first + i, deep = s->p->out[0];
    return (k / deep * s->p->o * deep + k % deep) * s->out;
}

static int64_t result_step(const slices *s) { return s->p->out[0] * s->out; }

static void turn_planes(const void *ctx, int64_t first, int64_t last) {
    const slices *s = ctx;
    for (int64_t k = first; k < last; k++) {
        int64_t at = result_of(s, k / s->p->o) + k % s->p->o * result_step(s);
        if (s->g) memcpy(s->turned + k * s->out, s->g + at, (size_t)s->out * sizeof(lb_real));
        else memcpy(s->y + at, s->turned + k * s->out, (size_t)s->out * sizeof(lb_real));
    }
}

static void turn_lanes(const void *ctx, int64_t i, int thread) {
    const slices *s = ctx;
    int64_t o = s->p->o, at = result_of(s, i);
    lb_real *picture = s->turned + i * o * s->out, *planes = s->planes + o * s->out * thread;
    lb_tensor from = {.dtype = LB_REAL, .rank = 2, .shape = {s->out, o}, .stride = {1, result_step(s)}, .data = s->g ? (void *)(uintptr_t)(s->g + at) : NULL};
    if (s->g) {
        lbi_gather_strided(picture, &from);
        return;
    }
    from = (lb_tensor){.dtype = LB_REAL, .rank = 2, .shape = {o, s->out}, .stride = {1, o}, .data = picture};
    lbi_gather_strided(planes, &from);
    for (int64_t q = 0; q < o; q++) memcpy(s->y + at + q * result_step(s), planes + q * s->out, (size_t)s->out * sizeof *planes);
}

/* Output slices as pictures, from the gradient, or back into y. */
static void turn_results(const slices *s) {
    if (s->last) lbi_each(s->count, s->count > 1 ? lb_threads() : 1, turn_lanes, s);
    else lbi_split(s->count * s->p->o, s->out, turn_planes, s);
}

/* The kernel [O,C/groups,kd,kh,kw] as [O,kd C/groups,kh,kw], or the gradient of that added to the kernel's. */
static void turn_kernel(const slices *s, lb_real *wide, const lb_real *w, lb_real *gw) {
    const lbi_volume *p = s->p;
    int64_t n = p->kernel[1] * p->kernel[2];
    for (int64_t k = 0; k < p->o * s->group * p->kernel[0]; k++) {
        int64_t o = k / (s->group * p->kernel[0]), c = k / p->kernel[0] % s->group, t = k % p->kernel[0], to = (o * p->kernel[0] + t) * s->group + c;
        if (gw) lbi_add_row(gw + k * n, wide + to * n, n);
        else memcpy(wide + to * n, w + k * n, (size_t)n * sizeof(lb_real));
    }
}

static lb_tensor tensor_of(lb_real *data, int64_t a, int64_t b, int64_t c, int64_t d) {
    return (lb_tensor){.dtype = LB_REAL, .rank = 4, .shape = {a, b, c, d}, .stride = {b * c * d, c * d, d, 1}, .data = data};
}

static lbi_conv_options options_of(const lbi_volume *p, const lb_conv3d_spec *o) {
    return (lbi_conv_options){.spec = {p->stride[1], p->stride[2], p->before[1], o->after[1], p->before[2], o->after[2], p->dilation[1], p->dilation[2], p->groups}};
}

static lb_real *room(lb_call *c, int64_t n) { return lb_scratch(c, (size_t)n * sizeof(lb_real)); }

/* The call of conv2d on one piece, without gradients. */
typedef struct inner {
    lb_call c;
    lbi_conv_options o;
    lb_tensor x, w, y, gx, gw;
} inner;

static void set_up(inner *d, const lb_call *c, const slices *s, lb_real *wide) {
    const lbi_volume *p = s->p;
    memset(d, 0, sizeof *d);
    d->o = options_of(p, c->params);
    d->x = tensor_of(s->pictures, s->count, s->channels, p->in[1], p->in[2]);
    d->w = tensor_of(wide, p->o, s->channels / p->groups, p->kernel[1], p->kernel[2]);
    d->y = tensor_of(s->turned, s->count, p->o, p->out[1], p->out[2]);
    if (s->last) lbi_layout_last(&d->y);
    d->c = (lb_call){.tape = c->tape, .op = &lb_op_conv2d, .params = &d->o, .nin = 5, .nout = 1, .last = s->last, .in = {&d->x, &d->w}, .out = {&d->y}};
}

/* The next piece; false at the end. */
static bool next(slices *s, int64_t each) {
    int64_t all = s->volumes * s->p->out[0];
    s->first += s->count;
    s->count = all - s->first < each ? all - s->first : each;
    return s->count > 0;
}

void lbi_slices_forward(lb_call *c, const lbi_volume *p) {
    slices s = slices_of(c, p);
    int64_t each = s.count;
    if (each == 0) return;
    lb_real *wide = room(c, lb_numel(c->in[1]));
    s.pictures = room(c, each * s.channels * s.in);
    s.turned = room(c, each * p->o * s.out);
    s.planes = s.last ? room(c, p->o * s.out * lb_threads()) : NULL;
    s.y = lb_r(c->out[0]);
    if (!wide || !s.pictures || !s.turned || (s.last && !s.planes)) return;
    turn_kernel(&s, wide, lb_r(c->in[1]), NULL);
    do {
        inner d;
        lb_storage *mark = c->tape->scratch;
        lbi_split(s.count * s.channels, s.in, make_pictures, &s);
        set_up(&d, c, &s, wide);
        d.c.in[2] = c->in[2];
        lb_op_conv2d.forward(&d.c);
        turn_results(&s);
        lbi_scratch_back(c->tape, mark);
    } while (next(&s, each));
}

void lbi_slices_backward(lb_call *c, const lbi_volume *p) {
    slices s = slices_of(c, p);
    int64_t each = s.count, kernel = lb_numel(c->in[1]);
    if (each == 0) {
        for (int i = 0; i < 2; i++)
            if (c->gin[i] && c->fresh[i]) lbi_fill(c->gin[i], 0);
        return;
    }
    lb_real *wide = room(c, kernel), *gwide = c->gin[1] ? room(c, kernel) : NULL, *gpictures = c->gin[0] ? room(c, each * s.channels * s.in) : NULL;
    lb_real *pictures = room(c, each * s.channels * s.in);
    s.turned = room(c, each * p->o * s.out);
    s.g = lb_r(c->gout[0]);
    s.gx = c->gin[0] ? lb_r(c->gin[0]) : NULL;
    if (!wide || (c->gin[1] && !gwide) || (c->gin[0] && !gpictures) || !pictures || !s.turned) return;
    turn_kernel(&s, wide, lb_r(c->in[1]), NULL);
    if (c->gin[0] && c->fresh[0]) lbi_fill(c->gin[0], 0);
    do {
        inner d;
        lb_storage *mark = c->tape->scratch;
        s.pictures = pictures;
        if (gwide) lbi_split(s.count * s.channels, s.in, make_pictures, &s);
        turn_results(&s);
        set_up(&d, c, &s, wide);
        d.gx = tensor_of(gpictures, s.count, s.channels, p->in[1], p->in[2]);
        d.gw = tensor_of(gwide, p->o, s.channels / p->groups, p->kernel[1], p->kernel[2]);
        d.c.gout[0] = &d.y;
        d.c.gin[0] = gpictures ? &d.gx : NULL;
        d.c.gin[1] = gwide ? &d.gw : NULL;
        d.c.fresh[0] = true;
        d.c.fresh[1] = s.first == 0;
        lb_op_conv2d.backward(&d.c);
        s.pictures = gpictures;
        if (gpictures) lbi_split(p->c, s.count * p->kernel[0] * s.in, add_pictures, &s);
        lbi_scratch_back(c->tape, mark);
    } while (next(&s, each));
    if (!gwide) return;
    if (c->fresh[1]) lbi_fill(c->gin[1], 0);
    turn_kernel(&s, gwide, NULL, lb_r(c->gin[1]));
}
