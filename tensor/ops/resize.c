/* SPDX-License-Identifier: Apache-2.0 */
/* y[i] = sum_k w[i,k] x[at[i,k]] along each of the last 1 to 3 axes, one after another. With s = 1 / scale (scale given, else out / in) output i
 * looks at u(i): half pixel (i + 1/2) s - 1/2; align corners i (in - 1) / (out - 1); asymmetric i s; others in tensor/ops.h.
 *   nearest   the element at u, rounded as asked
 *   linear    w = 1 - |k - u| of the two around u, what lies outside repeats the border
 *   cubic     Keys' kernel (1981) with coefficient a on the four around u
 *   area      the mean of the elements from floor(i in / out) to ceil((i + 1) in / out) - 1
 * antialias (shrinking only): the kernel is stretched by s and its weights made to sum to 1, as Pillow does.
 * dx = the turned map of g. The taps do not depend on x, so there is no gradient but that. */
#include <math.h>
#include "tensor/last.h"
#include "tensor/resample.h"
#include "tensor/ops.h"

/* One axis of one call. */
typedef struct axis {
    const lb_resize_spec *o;
    int64_t in, out;
    bool given;               /* the scale is */
    double scale, start, end; /* out / in or as given; the part asked for by LB_COORDS_TF_CROP */
} axis;

static int spatial(const lb_tensor *x) { return x->rank - 2; }

/* Axis a of the three (depth, height, width) as the call has it; those missing in front have size 1. */
static axis axis_of(const lb_call *c, int a) {
    const lb_resize_spec *o = c->params;
    int n = spatial(c->in[0]), k = a - (3 - n);
    if (k < 0) return (axis){o, 1, 1, false, 1, 0, 1};
    int64_t in = c->in[0]->shape[2 + k], out = o->size[k];
    double scale = o->scale[k];
    if (out == 0) out = (int64_t)floor((double)in * scale);
    if (scale == 0) scale = (double)out / (double)(in ? in : 1);
    return (axis){o, in, out, o->scale[k] != 0, scale, o->start[k], o->end[k]};
}

static bool shape(lb_call *c) {
    const lb_resize_spec *o = c->params;
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    char text[96];
    if (x->rank < 3 || x->rank > 5) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x is %s, expected [N,C] and one to three axes more", lb_shape_text(text, sizeof text, x->rank, x->shape));
        return false;
    }
    y->dtype = LB_REAL;
    y->rank = x->rank;
    y->shape[0] = x->shape[0];
    y->shape[1] = x->shape[1];
    for (int k = 0; k < spatial(x); k++) {
        axis a = axis_of(c, 3 - spatial(x) + k);
        y->shape[2 + k] = a.out;
        if (a.in > 0 && a.out > 0 && a.scale > 0) continue;
        lb_tape_fail(c->tape, LB_E_SHAPE, "axis %d goes from %lld to %lld elements (scale %g), expected at least one", 2 + k, (long long)a.in, (long long)a.out, a.scale);
        return false;
    }
    if (!o->antialias || o->mode == LB_RESIZE_LINEAR || o->mode == LB_RESIZE_CUBIC) return true;
    lb_tape_fail(c->tape, LB_E_ARG, "antialias goes with linear and cubic");
    return false;
}

/* ---- where an output looks ---- */

static lb_coords coords_of(const lb_resize_spec *o) {
    if (o->coords != LB_COORDS_USUAL) return o->coords;
    return o->mode == LB_RESIZE_NEAREST ? LB_COORDS_ASYMMETRIC : LB_COORDS_HALF_PIXEL;
}

static double source(const axis *a, int64_t i) {
    double in = (double)a->in, out = (double)a->out, at = (double)i;
    switch (coords_of(a->o)) {
    case LB_COORDS_USUAL:
    case LB_COORDS_HALF_PIXEL: break;
    case LB_COORDS_ALIGN_CORNERS: return out > 1 ? at * (in - 1) / (out - 1) : 0;
    case LB_COORDS_ASYMMETRIC: return at / a->scale;
    case LB_COORDS_PYTORCH_HALF_PIXEL: return out > 1 ? (at + 0.5) / a->scale - 0.5 : 0;
    case LB_COORDS_HALF_PIXEL_SYMMETRIC: {
        double whole = in * a->scale;
        return in / 2 * (1 - out / whole) + (at + 0.5) / a->scale - 0.5;
    }
    case LB_COORDS_TF_CROP:
        return out > 1 ? a->start * (in - 1) + at * (a->end - a->start) * (in - 1) / (out - 1) : 0.5 * (a->start + a->end) * (in - 1);
    }
    return (at + 0.5) / a->scale - 0.5;
}

static bool outside(const axis *a, double u) { return a->o->coords == LB_COORDS_TF_CROP && (u < 0 || u > (double)(a->in - 1)); }

static int64_t clip(int64_t k, int64_t size) { return k < 0 ? 0 : k >= size ? size - 1 : k; }

/* PyTorch computes these in float whatever the tensor's type, which decides where a product is whole. */
static int64_t nearest_at(const axis *a, int64_t i) {
    float step = a->given ? (float)(1 / a->scale) : (float)a->in / (float)a->out;
    if (a->o->coords == LB_COORDS_USUAL) {
        if (a->o->nearest == LB_NEAREST_EXACT) return clip((int64_t)floorf(((float)i + 0.5f) * step), a->in);
        return clip((int64_t)floorf((float)i * step), a->in);
    }
    double u = source(a, i);
    float v = (float)u;
    switch (a->o->nearest) {
    case LB_NEAREST_FLOOR: return clip((int64_t)floorf(v), a->in);
    case LB_NEAREST_CEIL: return clip((int64_t)ceilf(v), a->in);
    case LB_NEAREST_ROUND_DOWN: return clip(v == floorf(v) + 0.5f ? (int64_t)floorf(v) : (int64_t)roundf(v), a->in);
    case LB_NEAREST_EXACT:
    case LB_NEAREST_ROUND_UP: break;
    }
    return clip((int64_t)floorf(v + 0.5f), a->in);
}

/* ---- kernels ---- */

static double cubic_coefficient(const lb_resize_spec *o) { return o->cubic_a != 0 ? o->cubic_a : o->antialias ? -0.5 : -0.75; }

static double kernel(const lb_resize_spec *o, double x) {
    x = fabs(x);
    if (o->mode == LB_RESIZE_LINEAR) return x < 1 ? 1 - x : 0;
    double a = cubic_coefficient(o);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static int64_t kernel_reach(const lb_resize_spec *o) { return o->mode == LB_RESIZE_LINEAR ? 1 : 2; }

/* The elements around u; outside, the border's again or (exclude_outside) nothing, the rest scaled to sum 1. */
static void interpolate(const axis *a, double u, lbi_taps *t) {
    int64_t reach = kernel_reach(a->o), base = (int64_t)floor(u) - reach + 1;
    double sum = 0;
    if (a->o->mode == LB_RESIZE_LINEAR) { /* at the borders one element, so that nothing is multiplied by 0 */
        u = u < 0 ? 0 : u > (double)(a->in - 1) ? (double)(a->in - 1) : u;
        base = (int64_t)floor(u);
        lbi_tap(t, base, base + 1 < a->in ? 1 - (u - (double)base) : 1);
        if (base + 1 < a->in) lbi_tap(t, base + 1, u - (double)base);
        return;
    }
    for (int64_t k = base; k < base + 2 * reach; k++) sum += k >= 0 && k < a->in ? kernel(a->o, u - (double)k) : 0;
    for (int64_t k = base; k < base + 2 * reach; k++) {
        bool in = k >= 0 && k < a->in;
        if (in || !a->o->exclude_outside) lbi_tap(t, clip(k, a->in), kernel(a->o, u - (double)k) / (a->o->exclude_outside ? sum : 1));
    }
}

/* The stretched kernel, its weights scaled to sum 1: what lies outside is left out. */
static void antialiased(const axis *a, int64_t i, lbi_taps *t) {
    double step = 1 / a->scale, center = ((double)i + 0.5) * step, by = step > 1 ? step : 1, support = (double)kernel_reach(a->o) * by, sum = 0;
    if (coords_of(a->o) != LB_COORDS_HALF_PIXEL) center = source(a, i) + 0.5;
    int64_t low = (int64_t)(center - support + 0.5), high = (int64_t)(center + support + 0.5);
    if (low < 0) low = 0;
    if (high > a->in) high = a->in;
    for (int64_t k = low; k < high; k++) sum += kernel(a->o, ((double)k - center + 0.5) / by);
    for (int64_t k = low; k < high; k++) lbi_tap(t, k, kernel(a->o, ((double)k - center + 0.5) / by) / (sum != 0 ? sum : 1));
}

static int64_t most_taps(const axis *a) {
    if (a->o->mode == LB_RESIZE_NEAREST) return 1;
    if (!a->o->antialias) return 2 * kernel_reach(a->o);
    double step = 1 / a->scale, taps = 2 * (double)kernel_reach(a->o) * (step > 1 ? step : 1) + 2;
    return taps < (double)a->in ? (int64_t)taps : a->in;
}

static bool table(lb_call *c, lbi_taps *t, const axis *a) {
    if (a->o->mode == LB_RESIZE_AREA) return lbi_taps_cells(c, t, a->in, a->out);
    if (!lbi_taps_new(c, t, a->in, a->out, most_taps(a))) return false;
    for (int64_t i = 0; i < a->out; i++) {
        double u = source(a, i);
        if (outside(a, u)) (void)0;
        else if (a->o->mode == LB_RESIZE_NEAREST) lbi_tap(t, nearest_at(a, i), 1);
        else if (a->o->antialias) antialiased(a, i, t);
        else interpolate(a, u, t);
        if (!lbi_taps_next(c, t)) return false;
    }
    return true;
}

/* As in PyTorch, linear and antialiased resizing to the same size copies, whatever the scale that was given. */
static bool stays(const axis *a) {
    bool copies = a->o->mode == LB_RESIZE_LINEAR || a->o->antialias;
    return a->in == a->out && (a->in == 1 || (copies && a->o->coords == LB_COORDS_USUAL));
}

static bool tables(lb_call *c, lbi_taps t[3]) {
    for (int k = 0; k < 3; k++) {
        axis a = axis_of(c, k);
        if (stays(&a) ? !lbi_taps_same(c, &t[k], a.in) : !table(c, &t[k], &a)) return false;
    }
    return true;
}

/* ---- the op ---- */

/* tf_crop_and_resize: outputs that look outside along any axis get the given value. */
static void extrapolate(const lb_call *c) {
    const lb_resize_spec *o = c->params;
    if (o->coords != LB_COORDS_TF_CROP || o->outside == 0) return;
    axis d = axis_of(c, 0), h = axis_of(c, 1), w = axis_of(c, 2);
    int64_t size = d.out * h.out * w.out;
    for (int64_t i = 0, n = lbi_planes(c->in[0]) * size; i < n; i++) {
        int64_t x = i % w.out, y = i / w.out % h.out, z = i / (w.out * h.out) % d.out;
        bool away = outside(&w, source(&w, x)) || (spatial(c->in[0]) > 1 && outside(&h, source(&h, y))) || (spatial(c->in[0]) > 2 && outside(&d, source(&d, z)));
        if (away) lb_r(c->out[0])[i] = (lb_real)o->outside;
    }
}

static bool last(const lb_call *c) { return ((const lb_resize_spec *)c->params)->coords != LB_COORDS_TF_CROP && lbi_runs_last(c); }

static void forward(lb_call *c) {
    lbi_resample_forward(c, tables);
    extrapolate(c);
}

static void backward(lb_call *c) { lbi_resample_backward(c, tables); }

static void reference(lb_call *c) {
    lbi_resample_reference(c, tables);
    extrapolate(c);
}

static const lb_resize_spec nearest = {.size = {5, 7}}, half = {.size = {7, 22}}, exact = {.mode = LB_RESIZE_NEAREST, .scale = {1.7, 0.6}, .nearest = LB_NEAREST_EXACT}, linear = {.size = {7, 8}, .mode = LB_RESIZE_LINEAR},
                            corners = {.size = {2, 5, 4}, .mode = LB_RESIZE_LINEAR, .coords = LB_COORDS_ALIGN_CORNERS}, cubic = {.size = {6, 3}, .mode = LB_RESIZE_CUBIC},
                            area = {.size = {3, 4}, .mode = LB_RESIZE_AREA}, smooth = {.size = {3, 9}, .mode = LB_RESIZE_LINEAR, .antialias = true},
                            sharp = {.size = {4}, .mode = LB_RESIZE_CUBIC, .antialias = true}, rounded = {.size = {3, 7}, .coords = LB_COORDS_HALF_PIXEL, .nearest = LB_NEAREST_ROUND_DOWN},
                            crop = {.size = {4, 5}, .mode = LB_RESIZE_LINEAR, .coords = LB_COORDS_TF_CROP, .start = {0.2, -0.3}, .end = {0.9, 1.2}, .outside = 7},
                            inside = {.size = {7, 3}, .mode = LB_RESIZE_CUBIC, .coords = LB_COORDS_ASYMMETRIC, .cubic_a = -0.5, .exclude_outside = true},
                            twice = {.scale = {2, 2}, .mode = LB_RESIZE_LINEAR}, volume = {.scale = {2, 0.5, 1.5}, .mode = LB_RESIZE_LINEAR};
static const lb_op_case cases[] = {
    {.name = "nearest", .rank = {4}, .shape = {{2, 2, 4, 3}}, .params = &nearest},
    {.name = "nearest, every other", .rank = {4}, .shape = {{2, 2, 14, 44}}, .params = &half},
    {.name = "nearest exact", .rank = {4}, .shape = {{1, 2, 4, 5}}, .params = &exact},
    {.name = "linear", .rank = {4}, .shape = {{2, 2, 4, 5}}, .params = &linear},
    {.name = "linear, corners aligned, volume", .rank = {5}, .shape = {{1, 2, 3, 4, 5}}, .params = &corners},
    {.name = "linear, volume", .rank = {5}, .shape = {{2, 1, 2, 5, 3}}, .params = &volume},
    {.name = "cubic", .rank = {4}, .shape = {{1, 2, 4, 5}}, .params = &cubic},
    {.name = "area", .rank = {4}, .shape = {{2, 1, 7, 3}}, .params = &area},
    {.name = "antialiased linear", .rank = {4}, .shape = {{1, 2, 7, 5}}, .params = &smooth},
    {.name = "antialiased cubic, line", .rank = {3}, .shape = {{2, 2, 11}}, .params = &sharp},
    {.name = "nearest of half pixels, half down", .rank = {4}, .shape = {{1, 1, 6, 5}}, .params = &rounded},
    {.name = "crop", .rank = {4}, .shape = {{1, 2, 5, 4}}, .params = &crop},
    {.name = "cubic without the outside", .rank = {4}, .shape = {{1, 1, 4, 6}}, .params = &inside},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 2, 4, 3}}, .params = &nearest},
    {.name = "large", .rank = {4}, .shape = {{2, 5, 61, 47}}, .params = &twice},
};

LB_OP(resize) = {.id = "resize", .title = "resizing of lines, pictures and volumes", .source = "torch.nn.functional.interpolate; ONNX Resize (coordinate and rounding modes)", .sig = "x -> y",
                 .math = "y[i] = sum_k w[i,k] x[at[i,k]] along each axis", .flags = LB_OP_SETS, .shape = shape, .params_size = sizeof(lb_resize_spec), .last = last, .forward = forward,
                 .backward = backward, .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_resize(lb_tape *t, lb_tensor *x, lb_resize_spec spec) { return lb_apply(t, &lb_op_resize, &spec, sizeof spec, 1, &x); }

lb_tensor *lb_resize2d(lb_tape *t, lb_tensor *x, int64_t h, int64_t w, lb_resize_mode mode, bool align_corners) {
    return lb_resize(t, x, (lb_resize_spec){.size = {h, w}, .mode = mode, .coords = align_corners ? LB_COORDS_ALIGN_CORNERS : LB_COORDS_USUAL});
}
