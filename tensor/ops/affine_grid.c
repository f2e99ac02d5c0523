/* SPDX-License-Identifier: Apache-2.0 */
/* grid[n,i,j] = theta[n] (x_j, y_i, 1), in volumes grid[n,h,i,j] = theta[n] (x_j, y_i, z_h, 1): coordinates for grid_sample. Along an axis of n
 * elements x_j = -1 + 2 j / (n - 1) with aligned corners, else (2 j + 1) / n - 1; 0 where n = 1. dtheta = sum over places of g times the vector. */
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef struct options {
    int64_t size[3]; /* height, width; or depth, height, width */
    bool align_corners;
} options;

static int axes_of(const lb_call *c) { return (int)c->in[0]->shape[1]; }

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *theta = c->in[0];
    int n = axes_of(c);
    char text[96];
    bool fits = (n == 2 || n == 3) && theta->shape[2] == n + 1;
    for (int a = 0; fits && a < n; a++) fits = o->size[a] > 0;
    if (!fits) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "theta is %s, expected [N,2,3] or [N,3,4] and positive sizes", lb_shape_text(text, sizeof text, 3, theta->shape));
        return false;
    }
    c->out[0]->rank = n + 2;
    c->out[0]->shape[0] = theta->shape[0];
    for (int a = 0; a < n; a++) c->out[0]->shape[1 + a] = o->size[a];
    c->out[0]->shape[1 + n] = n;
    return true;
}

static double coordinate(const options *o, int64_t i, int64_t n) {
    if (n == 1) return 0;
    return o->align_corners ? 2 * (double)i / (double)(n - 1) - 1 : (double)(2 * i + 1) / (double)n - 1;
}

/* v = (x, y, 1) or (x, y, z, 1) of a place. */
static void vector_of(const options *o, int n, int64_t place, double v[4]) {
    for (int a = 0; a < n; a++) {
        int64_t size = o->size[n - 1 - a];
        v[a] = coordinate(o, place % size, size);
        place /= size;
    }
    v[n] = 1;
}

static int64_t places_of(const lb_call *c) {
    const options *o = c->params;
    return o->size[0] * o->size[1] * (axes_of(c) == 3 ? o->size[2] : 1);
}

static void forward(lb_call *c) {
    int n = axes_of(c);
    int64_t places = places_of(c);
#pragma omp parallel for if (c->in[0]->shape[0] * places > LBI_GRAIN / 8)
    for (int64_t i = 0; i < c->in[0]->shape[0] * places; i++) {
        const lb_real *theta = lb_r(c->in[0]) + i / places * n * (n + 1);
        double v[4];
        vector_of(c->params, n, i % places, v);
        for (int a = 0; a < n; a++) {
            double sum = 0;
            for (int b = 0; b <= n; b++) sum += (double)theta[a * (n + 1) + b] * v[b];
            lb_r(c->out[0])[i * n + a] = (lb_real)sum;
        }
    }
}

static void backward(lb_call *c) {
    int n = axes_of(c);
    int64_t places = places_of(c);
    if (!c->gin[0] || !c->gout[0]) return;
#pragma omp parallel for if (c->in[0]->shape[0] * places > LBI_GRAIN / 8)
    for (int64_t s = 0; s < c->in[0]->shape[0]; s++) {
        double sum[12] = {0}, v[4];
        for (int64_t p = 0; p < places; p++) {
            const lb_real *g = lb_r(c->gout[0]) + (s * places + p) * n;
            vector_of(c->params, n, p, v);
            for (int a = 0; a < n; a++)
                for (int b = 0; b <= n; b++) sum[a * (n + 1) + b] += (double)g[a] * v[b];
        }
        lb_real *to = lb_r(c->gin[0]) + s * n * (n + 1);
        for (int k = 0; k < n * (n + 1); k++) to[k] = (c->fresh[0] ? 0 : to[k]) + (lb_real)sum[k];
    }
}

static const options plain = {{3, 4}, false}, corners = {{4, 1}, true}, volume = {{2, 3, 2}, false};
static const lb_op_case cases[] = {
    {.name = "pictures", .rank = {3}, .shape = {{2, 2, 3}}, .params = &plain},
    {.name = "corners aligned", .rank = {3}, .shape = {{1, 2, 3}}, .params = &corners},
    {.name = "volumes", .rank = {3}, .shape = {{2, 3, 4}}, .params = &volume},
    {.name = "none", .rank = {3}, .shape = {{0, 2, 3}}, .params = &plain},
};

LB_OP(affine_grid) = {.id = "affine_grid", .title = "coordinates of an affine map, for grid_sample", .source = "torch.nn.functional.affine_grid", .sig = "theta[N,A,B] -> grid", .math = "grid = theta (x, y, 1)",
                      .flags = LB_OP_SETS, .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_affine_grid(lb_tape *t, lb_tensor *theta, const int64_t *size, bool align_corners) {
    options o = {.align_corners = align_corners};
    for (int a = 0; theta && theta->rank == 3 && a < theta->shape[1] && a < 3; a++) o.size[a] = size[a];
    return lb_apply(t, &lb_op_affine_grid, &o, sizeof o, 1, &theta);
}
