/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,o,z,i,j] = b[o] + sum_{c,t,u,v} x[n,c, z sd + t dd - p, ...] w[o,c,t,u,v], channels in groups; what lies outside is 0.
 * Kernels that overlap: as convolutions of slices (tensor/conv_slices.h). Else patches of a few output slices at a time as columns (so that they stay in cache), then a product; several volumes over threads, else the
 * work of one. The transposed form calls these functions too (tensor/convs.h). */
#include <omp.h>
#include <string.h>
#include "tensor/conv_slices.h"
#include "tensor/convs.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/volume.h"
#include "tensor/loops.h"

enum { COLUMNS = 1 << 18 }; /* numbers of a matrix of patches: 1 MB of floats, half of a usual L2 cache */

static lbi_volume plan_of(const lb_call *c) {
    const lb_conv3d_spec *s = c->params;
    const lb_tensor *x = c->in[0], *w = c->in[1];
    lbi_volume p = {.c = x->shape[1], .o = w->shape[0], .groups = s->groups ? s->groups : 1};
    for (int a = 0; a < 3; a++) {
        p.in[a] = x->shape[2 + a];
        p.kernel[a] = w->shape[2 + a];
        p.stride[a] = s->stride[a] ? s->stride[a] : 1;
        p.dilation[a] = s->dilation[a] ? s->dilation[a] : 1;
        p.before[a] = s->before[a];
        int64_t room = p.in[a] + s->before[a] + s->after[a] - (p.dilation[a] * (p.kernel[a] - 1) + 1);
        p.out[a] = room < 0 ? -1 : room / p.stride[a] + 1;
    }
    return p;
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0], *w = c->in[1], *b = c->in[2];
    lbi_volume p = plan_of(c);
    char tx[96], tw[96];
    if (w->shape[1] * p.groups != p.c || p.o % p.groups || p.out[0] < 1 || p.out[1] < 1 || p.out[2] < 1 || (b && b->shape[0] != p.o)) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x %s, w %s, groups %lld, output %lld x %lld x %lld do not go together", lb_shape_text(tx, sizeof tx, 5, x->shape),
                     lb_shape_text(tw, sizeof tw, 5, w->shape), (long long)p.groups, (long long)p.out[0], (long long)p.out[1], (long long)p.out[2]);
        return false;
    }
    c->out[0]->dtype = LB_REAL;
    c->out[0]->rank = 5;
    c->out[0]->shape[0] = x->shape[0];
    c->out[0]->shape[1] = p.o;
    memcpy(c->out[0]->shape + 2, p.out, sizeof p.out);
    return true;
}

/* Sizes of one product. */
typedef struct pieces {
    int64_t c, o, k, plane, depth; /* channels in and out of a group, rows of patches, Y*X, output slices at a time */
    int64_t in, out;               /* numbers of a volume */
    size_t col;
    int threads;                   /* over volumes; 1 = inside of one */
} pieces;

static pieces pieces_of(const lbi_volume *p, int64_t volumes) {
    pieces s = {.c = p->c / p->groups, .o = p->o / p->groups, .plane = p->out[1] * p->out[2]};
    s.k = s.c * p->kernel[0] * p->kernel[1] * p->kernel[2];
    s.in = p->c * p->in[0] * p->in[1] * p->in[2];
    s.out = p->o * p->out[0] * s.plane;
    s.threads = volumes > 1 ? omp_get_max_threads() : 1;
    s.depth = COLUMNS / (s.k * s.plane + 1);
    if (s.threads == 1 && omp_get_max_threads() > 1) s.depth *= omp_get_max_threads();
    if (s.depth < 1) s.depth = 1;
    if (s.depth > p->out[0]) s.depth = p->out[0];
    s.col = (size_t)(s.k * s.plane * s.depth);
    return s;
}

static void columns(const lbi_volume *p, const pieces *s, const lb_real *x, int64_t group, int64_t z, int64_t depth, lb_real *col) {
    int64_t each = s->k / s->c * s->plane * depth;
#pragma omp parallel for if (s->threads == 1 && s->c > 1 && s->k * s->plane * depth > 32768)
    for (int64_t c = 0; c < s->c; c++) lbi_vol2col(p, x, group * s->c + c, 1, z, depth, col + c * each);
}

static void uncolumns(const lbi_volume *p, const pieces *s, const lb_real *col, int64_t group, int64_t z, int64_t depth, lb_real *x) {
    int64_t each = s->k / s->c * s->plane * depth;
#pragma omp parallel for if (s->threads == 1 && s->c > 1 && s->k * s->plane * depth > 32768)
    for (int64_t c = 0; c < s->c; c++) lbi_col2vol(p, col + c * each, group * s->c + c, 1, z, depth, x);
}

typedef struct job {
    const lb_call *c;
    const lbi_volume *p;
    const pieces *s;
    lb_real *col; /* [threads][s->col] */
    const lb_real *g; /* backward, as the rest */
    lb_real *part; /* [threads][kernel]; NULL: not asked for */
} job;

static void one_forward(const void *ctx, int64_t i, int thread) {
    const job *j = ctx;
    const lbi_volume *p = j->p;
    const pieces *s = j->s;
    const lb_real *x = lb_r(j->c->in[0]) + i * s->in, *w = lb_r(j->c->in[1]);
    lb_real *y = lb_r(j->c->out[0]) + i * s->out, *col = j->col + s->col * (size_t)thread;
    int64_t all = p->out[0] * s->plane;
    for (int64_t g = 0; g < p->groups; g++)
        for (int64_t z = 0; z < p->out[0]; z += s->depth) {
            int64_t depth = z + s->depth < p->out[0] ? s->depth : p->out[0] - z, n = depth * s->plane;
            columns(p, s, x, g, z, depth, col);
            lbi_gemm(false, false, s->o, n, s->k, w + g * s->o * s->k, s->k, col, n, 0, y + g * s->o * all + z * s->plane, all);
        }
    if (j->c->in[2]) lbi_act_rows(LB_ACT_NONE, y, p->o, all, lb_r(j->c->in[2]), true);
}

static void forward(lb_call *c) {
    lbi_volume p = plan_of(c);
    int64_t volumes = c->in[0]->shape[0];
    if (lbi_slices_worth(&p)) {
        lbi_slices_forward(c, &p);
        return;
    }
    pieces s = pieces_of(&p, volumes);
    const job j = {.c = c, .p = &p, .s = &s, .col = lb_scratch(c, s.col * sizeof *j.col * (size_t)s.threads)};
    if (j.col) lbi_each(volumes, s.threads, one_forward, &j);
}

/* ---- backward ---- */

/* gx is overwritten when fresh, gw added to. */
static void one_backward(const void *ctx, int64_t i, int thread) {
    const job *j = ctx;
    const lbi_volume *p = j->p;
    const pieces *s = j->s;
    const lb_call *c = j->c;
    const lb_real *x = lb_r(c->in[0]) + i * s->in, *w = lb_r(c->in[1]), *g = j->g + i * s->out;
    lb_real *gx = c->gin[0] ? lb_r(c->gin[0]) + i * s->in : NULL, *gw = j->part ? j->part + lb_numel(c->in[1]) * thread : NULL, *col = j->col + s->col * (size_t)thread;
    int64_t all = p->out[0] * s->plane;
    if (gx && c->fresh[0]) memset(gx, 0, (size_t)s->in * sizeof *gx);
    for (int64_t q = 0; q < p->groups; q++)
        for (int64_t z = 0; z < p->out[0]; z += s->depth) {
            int64_t depth = z + s->depth < p->out[0] ? s->depth : p->out[0] - z, n = depth * s->plane;
            const lb_real *gq = g + q * s->o * all + z * s->plane;
            if (gw) {
                columns(p, s, x, q, z, depth, col);
                lbi_gemm(false, true, s->o, s->k, n, gq, all, col, n, 1, gw + q * s->o * s->k, s->k);
            }
            if (!gx) continue;
            lbi_gemm(true, false, s->k, n, s->o, w + q * s->o * s->k, s->k, gq, all, 0, col, n);
            uncolumns(p, s, col, q, z, depth, gx);
        }
}

/* Each thread sums the kernel's gradient over its own run of volumes; the sums are added in thread order. */
static void backward(lb_call *c) {
    lbi_volume p = plan_of(c);
    int64_t volumes = c->in[0]->shape[0], kernel = lb_numel(c->in[1]);
    if (!c->gout[0]) return;
    const lb_real *g = lb_r(c->gout[0]);
    pieces s = pieces_of(&p, volumes);
    if (c->in[2] && c->gin[2]) lbi_channel_sums(c, 2, g, volumes, p.o, p.out[0] * s.plane);
    if (lbi_slices_worth(&p)) {
        if (c->gin[0] || c->gin[1]) lbi_slices_backward(c, &p);
        return;
    }
    lb_real *col = lb_scratch(c, s.col * sizeof *col * (size_t)s.threads);
    lb_real *part = c->gin[1] ? lb_scratch(c, (size_t)kernel * sizeof *part * (size_t)s.threads) : NULL;
    if (!col || (c->gin[1] && !part)) return;
    if (part) memset(part, 0, (size_t)kernel * sizeof *part * (size_t)s.threads);
    lbi_each(volumes, s.threads, one_backward, &(job){c, &p, &s, col, g, part});
    if (!part) return;
    if (c->fresh[1]) memset(lb_r(c->gin[1]), 0, (size_t)kernel * sizeof *part);
    for (int t = 0; t < s.threads; t++)
        for (int64_t j = 0; j < kernel; j++) lb_r(c->gin[1])[j] += part[(size_t)t * (size_t)kernel + (size_t)j];
}

static void reference(lb_call *c) {
    lbi_volume p = plan_of(c);
    int64_t cg = p.c / p.groups, og = p.o / p.groups, taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    for (int64_t i = 0, all = lb_numel(c->out[0]); i < all; i++) {
        int64_t x = i % p.out[2], y = i / p.out[2] % p.out[1], z = i / (p.out[1] * p.out[2]) % p.out[0], q = i / (p.out[0] * p.out[1] * p.out[2]) % p.o;
        int64_t n = i / (p.o * p.out[0] * p.out[1] * p.out[2]);
        double sum = c->in[2] ? (double)lb_r(c->in[2])[q] : 0;
        for (int64_t k = 0; k < cg * taps; k++) {
            int64_t v = k % p.kernel[2], u = k / p.kernel[2] % p.kernel[1], t = k / (p.kernel[1] * p.kernel[2]) % p.kernel[0], ch = q / og * cg + k / taps;
            int64_t d = z * p.stride[0] + t * p.dilation[0] - p.before[0], h = y * p.stride[1] + u * p.dilation[1] - p.before[1];
            int64_t a = x * p.stride[2] + v * p.dilation[2] - p.before[2];
            if (d < 0 || d >= p.in[0] || h < 0 || h >= p.in[1] || a < 0 || a >= p.in[2]) continue;
            sum += (double)lb_r(c->in[0])[(((n * p.c + ch) * p.in[0] + d) * p.in[1] + h) * p.in[2] + a] * (double)lb_r(c->in[1])[q * cg * taps + k];
        }
        lb_r(c->out[0])[i] = (lb_real)sum;
    }
}

static double flops(const lb_call *c) {
    lbi_volume p = plan_of(c);
    return 2.0 * (double)lb_numel(c->out[0]) * (double)(p.c / p.groups * p.kernel[0] * p.kernel[1] * p.kernel[2]);
}

static const lb_conv3d_spec same = {.before = {1, 1, 1}, .after = {1, 1, 1}}, uneven = {{2, 1, 3}, {1, 0, 2}, {0, 1, 1}, {1, 2, 1}, 2}, depth = {.before = {1, 1, 0}, .groups = 3},
                            steps = {{2, 2, 1}, {1, 1, 1}, {0, 1, 1}, {2, 1, 1}, 2}, patch = {.stride = {2, 2, 2}},
                            far = {{1, 2, 2}, {1, 2, 1}, {1, 1, 1}, {1, 1, 1}, 1}, half = {{2, 2, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 1};
static const lb_op_case cases[] = {
    {.name = "3x3x3 same", .rank = {5, 5, 1}, .shape = {{2, 2, 3, 4, 3}, {3, 2, 3, 3, 3}, {3}}, .params = &same},
    {.name = "strided, dilated, two groups", .rank = {5, 5, -1}, .shape = {{1, 4, 3, 5, 6}, {2, 2, 2, 3, 3}}, .params = &uneven},
    {.name = "depthwise", .rank = {5, 5, 1}, .shape = {{2, 3, 2, 3, 3}, {3, 1, 2, 3, 2}, {3}}, .params = &depth},
    {.name = "patches", .rank = {5, 5, 1}, .shape = {{1, 1, 4, 4, 5}, {3, 1, 2, 2, 2}, {3}}, .params = &patch},
    {.name = "no volumes", .rank = {5, 5, -1}, .shape = {{0, 1, 4, 4, 5}, {3, 1, 2, 2, 2}}, .params = &patch},
    {.name = "slices, strided, two groups", .rank = {5, 5, 1}, .shape = {{2, 4, 5, 33, 17}, {6, 2, 2, 3, 2}, {6}}, .params = &steps},
    {.name = "large, outputs in lanes", .rank = {5, 5, 1}, .shape = {{1, 12, 3, 16, 17}, {34, 12, 3, 3, 3}, {34}}, .params = &same},
    {.name = "large, outputs in lanes, strided", .rank = {5, 5, 1}, .shape = {{2, 3, 4, 33, 34}, {17, 3, 3, 3, 3}, {17}}, .params = &half},
    {.name = "large, strided and dilated", .rank = {5, 5, -1}, .shape = {{1, 3, 4, 36, 35}, {17, 3, 3, 3, 3}}, .params = &far},
    {.name = "large", .rank = {5, 5, -1}, .shape = {{2, 5, 9, 19, 23}, {7, 5, 3, 3, 3}}, .params = &same},
};

LB_OP(conv3d) = {.id = "conv3d", .title = "3-D convolution: stride, padding, dilation, groups", .source = "torch.nn.functional.conv3d", .sig = "x[N,C,D,H,W] w[O,E,kd,kh,kw] b[O]? -> y",
                 .math = "y = w * x + b", .flags = LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = shape, .params_size = sizeof(lb_conv3d_spec), .forward = forward,
                 .backward = backward, .reference = reference, .flops = flops, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_conv3d(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_conv3d_spec spec) {
    return lb_apply(t, &lb_op_conv3d, &spec, sizeof spec, 3, (lb_tensor *[]){x, w, b});
}
