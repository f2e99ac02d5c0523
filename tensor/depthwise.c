/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/depthwise.h"
#include <omp.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/convs.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_depth.h"
#include "tensor/kernels/conv_lanes.h"

/* Numbers that are summed in the maths type before they go into doubles; pictures below which one thread does it all. */
enum { ENOUGH = 65536, FEW = 16384, NARROW = 12, WIDE = 24, SOME_CHANNELS = 8 };

static bool in_lanes(lbi_lanes *d, const lbi_conv *p) { return lbi_cpu() != LBI_CPU_REF && p->c >= SOME_CHANNELS && p->x < NARROW && lbi_lanes_plan(d, p); }

bool lbi_depthwise_columns(const lbi_conv *p) { return lbi_cpu() != LBI_CPU_REF && p->w >= WIDE && lbi_depth_by_columns(p); }

static int64_t blocks_of(const lbi_conv *p) { return (p->c + LBI_LANES - 1) / LBI_LANES; }

static int64_t channels_of(const lbi_conv *p, int64_t block) {
    int64_t left = p->c - block * LBI_LANES;
    return left < LBI_LANES ? left : LBI_LANES;
}

/* ---- channels in lanes ---- */

/* The kernels of all blocks, turned. */
static lb_real *turned_kernels(lb_call *c, const lbi_conv *p, const lbi_lanes *d) {
    lb_real *w = lb_scratch(c, (size_t)(blocks_of(p) * d->taps * LBI_LANES) * sizeof *w);
    for (int64_t b = 0; w && b < blocks_of(p); b++) lbi_lanes_kernel(d, lb_r(c->in[1]) + b * LBI_LANES * d->taps, channels_of(p, b), w + b * d->taps * LBI_LANES);
    return w;
}

static void lanes_forward(lb_call *c, const lbi_conv *p, const lbi_lanes *d, lb_act act, const lb_real *bias) {
    int threads = omp_get_max_threads();
    int64_t blocks = blocks_of(p), images = c->in[0]->shape[0];
    lb_real *w = turned_kernels(c, p, d), *work = lb_scratch(c, (size_t)(d->space * threads) * sizeof *work);
    if (!w || !work) return;
#pragma omp parallel for num_threads(threads) if (images * p->c * d->out > FEW)
    for (int64_t i = 0; i < images * blocks; i++) {
        int64_t b = i % blocks, first = i / blocks * p->c + b * LBI_LANES;
        lbi_lanes_forward(d, lb_r(c->in[0]) + first * d->in, channels_of(p, b), w + b * d->taps * LBI_LANES, bias ? bias + b * LBI_LANES : NULL, act,
                          lb_r(c->out[0]) + first * d->out, work + omp_get_thread_num() * d->space);
    }
}

/* One block of channels over a run of images. sums [taps][LANES]: to be set, or NULL. */
static void lanes_run(lb_call *c, const lbi_conv *p, const lbi_lanes *d, const lb_real *g, int64_t block, int64_t from, int64_t to, const lb_real *w, double *sums, lb_real *work) {
    lb_real *lanes = work + d->space;
    int64_t n = d->taps * LBI_LANES, summed = 0;
    memset(lanes, 0, (size_t)n * sizeof *lanes);
    for (int64_t j = 0; sums && j < n; j++) sums[j] = 0;
    for (int64_t i = from; i < to; i++) {
        int64_t first = i * p->c + block * LBI_LANES;
        lbi_lanes_back(d, lb_r(c->in[0]) + first * d->in, g + first * d->out, channels_of(p, block), w, c->gin[0] ? lb_r(c->gin[0]) + first * d->in : NULL, c->fresh[0], sums ? lanes : NULL, work);
        summed += d->out;
        if (!sums || (summed < ENOUGH / LBI_LANES && i + 1 < to)) continue;
        for (int64_t j = 0; j < n; j++) sums[j] += (double)lanes[j];
        memset(lanes, 0, (size_t)n * sizeof *lanes);
        summed = 0;
    }
}

/* Runs of images are a function of shapes alone, and their sums are added in order. */
static void lanes_backward(lb_call *c, const lbi_conv *p, const lbi_lanes *d, const lb_real *g) {
    int threads = omp_get_max_threads();
    int64_t blocks = blocks_of(p), images = c->in[0]->shape[0], n = d->taps * LBI_LANES, runs = images >= 16 ? 4 : 1, space = d->space + n;
    lb_real *w = turned_kernels(c, p, d), *work = lb_scratch(c, (size_t)(space * threads) * sizeof *work);
    double *sums = c->gin[1] ? lb_scratch(c, (size_t)(blocks * runs * n) * sizeof *sums) : NULL;
    if (!w || !work || (c->gin[1] && !sums)) return;
#pragma omp parallel for num_threads(threads) if (images * p->c * d->out > FEW)
    for (int64_t i = 0; i < blocks * runs; i++) {
        int64_t b = i / runs, q = i % runs;
        lanes_run(c, p, d, g, b, q * images / runs, (q + 1) * images / runs, w + b * n, sums ? sums + i * n : NULL, work + omp_get_thread_num() * space);
    }
    for (int64_t ch = 0; sums && ch < p->c; ch++)
        for (int64_t k = 0; k < d->taps; k++) {
            lb_real *to = lb_r(c->gin[1]) + ch * d->taps + k;
            double sum = c->fresh[1] ? 0 : (double)*to;
            for (int64_t q = 0; q < runs; q++) sum += sums[(ch / LBI_LANES * runs + q) * n + k * LBI_LANES + ch % LBI_LANES];
            *to = (lb_real)sum;
        }
}

/* ---- planes ---- */

/* Work memory of a plane for each thread; NULL: the plain loops do it. */
static lb_real *plane_work(lb_call *c, const lbi_depth *d, bool planned, int threads) {
    return planned && lbi_cpu() != LBI_CPU_REF ? lb_scratch(c, (size_t)(d->space * threads) * sizeof(lb_real)) : NULL;
}

static void planes_forward(lb_call *c, const lbi_conv *p, lb_act act, const lb_real *biases) {
    lbi_depth d;
    int threads = omp_get_max_threads();
    int64_t planes = c->in[0]->shape[0] * p->c;
    lb_real *work = plane_work(c, &d, lbi_depth_plan(&d, p), threads);
#pragma omp parallel num_threads(threads) if (planes * p->y * p->x > FEW)
    {
        lb_real *own = work ? work + omp_get_thread_num() * d.space : NULL;
        if (own) lbi_depth_begin(&d, own);
#pragma omp for
        for (int64_t i = 0; i < planes; i++) {
            const lb_real *x = lb_r(c->in[0]) + i * p->h * p->w, *kernel = lb_r(c->in[1]) + i % p->c * p->kh * p->kw;
            lb_real *y = lb_r(c->out[0]) + i * p->y * p->x, bias = biases ? biases[i % p->c] : 0;
            if (own) lbi_depth_forward(&d, x, i + 1 < planes ? x + p->h * p->w : NULL, kernel, act, bias, y, own);
            else {
                lbi_depthwise(p, x, kernel, y);
                lbi_act_plane(act, y, p->y * p->x, bias);
            }
        }
    }
}

/* What is the same for all channels; work NULL: the plain loops. */
typedef struct planes {
    const lbi_conv *p;
    const lb_real *g;
    lbi_depth kernel, input;
    lb_real *kernel_work, *input_work;
} planes;

/* The next plane that the thread sees is that of the next image. */
static void plane_input(lb_call *c, const planes *r, int64_t i, int thread) {
    const lbi_conv *p = r->p;
    const lb_real *kernel = lb_r(c->in[1]) + i % p->c * p->kh * p->kw, *g = r->g + i * p->y * p->x;
    lb_real *to = lb_r(c->gin[0]) + i * p->h * p->w;
    if (r->input_work) {
        bool more = i + p->c < c->in[0]->shape[0] * p->c;
        lbi_depth_input(&r->input, g, more ? g + p->c * p->y * p->x : NULL, kernel, to, c->fresh[0], r->input_work + thread * r->input.space);
        return;
    }
    if (c->fresh[0]) memset(to, 0, (size_t)(p->h * p->w) * sizeof *to);
    lbi_depthwise_input(p, g, kernel, to);
}

/* One channel over all images: both gradients while the planes are near. sum [kh*kw]: to be set, or NULL. */
static void plane_channel(lb_call *c, const planes *r, int64_t ch, double *sum, int thread) {
    const lbi_conv *p = r->p;
    int64_t images = c->in[0]->shape[0], in = p->h * p->w, out = p->y * p->x, k = p->kh * p->kw, summed = 0;
    lb_real *work = r->kernel_work ? r->kernel_work + thread * r->kernel.space : NULL, *lanes = work ? work + r->kernel.space - k * LBI_DEPTH_LANES : NULL;
    for (int64_t j = 0; sum && j < k; j++) sum[j] = 0;
    if (lanes) memset(lanes, 0, (size_t)(k * LBI_DEPTH_LANES) * sizeof *lanes);
    for (int64_t n = 0; n < images; n++) {
        int64_t at = n * p->c + ch;
        const lb_real *x = lb_r(c->in[0]) + at * in, *from = r->g + at * out;
        if (c->gin[0]) plane_input(c, r, at, thread);
        if (!sum) continue;
        if (!work) {
            lbi_depthwise_kernel(p, x, from, sum);
            continue;
        }
        lbi_depth_kernel(&r->kernel, x, from, lanes, work);
        summed += out;
        if (summed < ENOUGH && n + 1 < images) continue;
        lbi_depth_kernel_sums(&r->kernel, lanes, sum);
        summed = 0;
    }
}

static void planes_backward(lb_call *c, const lbi_conv *p, const lb_real *g) {
    int threads = omp_get_max_threads();
    int64_t k = p->kh * p->kw;
    planes r = {.p = p, .g = g};
    r.kernel_work = c->gin[1] ? plane_work(c, &r.kernel, lbi_depth_plan(&r.kernel, p), threads) : NULL;
    r.input_work = c->gin[0] ? plane_work(c, &r.input, lbi_depth_plan_back(&r.input, p, c->fresh[0]), threads) : NULL;
    double *sums = c->gin[1] ? lb_scratch(c, (size_t)(p->c * k) * sizeof *sums) : NULL;
    if (c->gin[1] && !sums) return;
#pragma omp parallel num_threads(threads) if (c->in[0]->shape[0] * p->c * p->y * p->x > FEW)
    {
        int thread = omp_get_thread_num();
        if (r.input_work) lbi_depth_begin(&r.input, r.input_work + thread * r.input.space);
#pragma omp for
        for (int64_t ch = 0; ch < p->c; ch++) plane_channel(c, &r, ch, sums ? sums + ch * k : NULL, thread);
    }
    lb_real *to = c->gin[1] ? lb_r(c->gin[1]) : NULL;
    for (int64_t j = 0; to && j < p->c * k; j++) to[j] = (lb_real)(sums[j] + (c->fresh[1] ? 0 : (double)to[j]));
}

void lbi_depthwise_forward(lb_call *c, const lbi_conv *p, bool bare) {
    lbi_lanes d;
    lb_act act = bare ? LB_ACT_NONE : ((const lbi_conv_options *)c->params)->act;
    const lb_real *bias = bare || !c->in[2] ? NULL : lb_r(c->in[2]);
    if (in_lanes(&d, p)) lanes_forward(c, p, &d, act, bias);
    else planes_forward(c, p, act, bias);
}

void lbi_depthwise_backward(lb_call *c, const lbi_conv *p, const lb_real *g) {
    lbi_lanes d;
    if (!c->gin[0] && !c->gin[1]) return;
    if (in_lanes(&d, p)) lanes_backward(c, p, &d, g);
    else planes_backward(c, p, g);
}
