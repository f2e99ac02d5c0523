/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/biggest.h"
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/extreme_line.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"

/* ---- boxes ---- */

static bool boxes_new(lb_call *c, lbi_boxes *b, int64_t in, int64_t out, int64_t step, const lbi_window *w) {
    *b = (lbi_boxes){in, out, step, lb_scratch(c, (size_t)(out + 1) * sizeof(int64_t)), lb_scratch(c, (size_t)(out + 1) * sizeof(int64_t)), w};
    return b->first && b->count;
}

static bool boxes_of_window(lb_call *c, lbi_boxes *b, const lbi_window *w) {
    if (!boxes_new(c, b, w->in, w->out, w->dilation, w)) return false;
    for (int64_t i = 0; i < w->out; i++) {
        int64_t start = i * w->stride - w->before, first, last;
        lbi_inside(start, w->dilation, w->in, w->size, &first, &last);
        b->first[i] = start + first * w->dilation;
        b->count[i] = last - first;
    }
    return true;
}

static bool boxes_of_cells(lb_call *c, lbi_boxes *b, int64_t in, int64_t out) {
    if (!boxes_new(c, b, in, out, 1, NULL)) return false;
    for (int64_t i = 0; i < out; i++) {
        b->first[i] = i * in / out;
        b->count[i] = ((i + 1) * in + out - 1) / out - b->first[i];
    }
    return true;
}

void lbi_over_windows(lb_call *c, const lb_window *window, void (*what)(lb_call *c, const lbi_boxes b[3])) {
    lbi_window w[3];
    lbi_boxes b[3];
    lbi_windows_of(c, window, w);
    for (int k = 0; k < 3; k++)
        if (!boxes_of_window(c, &b[k], &w[k])) return;
    what(c, b);
}

void lbi_over_cells(lb_call *c, void (*what)(lb_call *c, const lbi_boxes b[3])) {
    const lb_tensor *x = c->in[0], *y = c->out[0];
    lbi_boxes b[3];
    for (int k = 0; k < 3; k++) {
        int d = k + x->rank - 3;
        if (!boxes_of_cells(c, &b[k], d < 2 ? 1 : x->shape[d], d < 2 ? 1 : y->shape[d])) return;
    }
    what(c, b);
}

/* ---- forward ---- */

LBI_ALWAYS lb_real larger(lb_real a, lb_real most) { return a > most || a != a ? a : most; }

/* line = maxima of the rows of a box, element by element. */
LBI_ALWAYS void rows_of_box(const lbi_boxes b[3], const lb_real *x, int64_t z, int64_t y, lb_real *restrict line) {
    int64_t width = b[2].in;
    for (int64_t q = 0; q < width; q++) line[q] = -INFINITY;
    for (int64_t d = 0; d < b[0].count[z]; d++)
        for (int64_t u = 0; u < b[1].count[y]; u++) {
            const lb_real *restrict row = x + ((b[0].first[z] + d * b[0].step) * b[1].in + b[1].first[y] + u * b[1].step) * width;
            for (int64_t q = 0; q < width; q++) line[q] = larger(row[q], line[q]);
        }
}

/* Windows along a line, one element of all windows at a time. */
LBI_ALWAYS void windows_of_line(const lbi_window *w, const lb_real *restrict line, lb_real *restrict y) {
    for (int64_t q = 0; q < w->out; q++) y[q] = -INFINITY;
    for (int64_t v = 0; v < w->size; v++) {
        int64_t shift = v * w->dilation - w->before, first, last;
        lbi_inside(shift, w->stride, w->in, w->out, &first, &last);
        if (w->stride == 1)
            for (int64_t q = first; q < last; q++) y[q] = larger(line[q + shift], y[q]);
        else if (w->stride == 2)
            for (int64_t q = first; q < last; q++) y[q] = larger(line[2 * q + shift], y[q]);
        else
            for (int64_t q = first; q < last; q++) y[q] = larger(line[q * w->stride + shift], y[q]);
    }
}

LBI_ALWAYS void cells_of_line(const lbi_boxes *b, const lb_real *line, lb_real *y) {
    for (int64_t q = 0; q < b->out; q++) {
        lb_real most = -INFINITY;
        for (int64_t k = 0; k < b->count[q]; k++) most = larger(line[b->first[q] + k * b->step], most);
        y[q] = most;
    }
}

/* Is the whole volume one box? */
static inline bool is_whole(const lbi_boxes b[3]) {
    bool whole = true;
    for (int k = 0; k < 3; k++) whole = whole && b[k].out == 1 && b[k].count[0] == b[k].in;
    return whole;
}

LBI_LEVELS static void forward_plane(const lbi_boxes b[3], const lb_real *x, lb_real *y, lb_real *line) {
    if (is_whole(b)) {
        *y = lbi_best_of_line(x, b[0].in * b[1].in * b[2].in, false);
        return;
    }
    for (int64_t z = 0; z < b[0].out; z++)
        for (int64_t r = 0; r < b[1].out; r++, y += b[2].out) {
            rows_of_box(b, x, z, r, line);
            if (b[2].w) windows_of_line(b[2].w, line, y);
            else cells_of_line(&b[2], line, y);
        }
}

/* The place in the volume of the first element of box (z,r,q) that is its maximum. Every element is looked at, backwards, and the last match
 * stays: a search that ends early would cost more, since the processor cannot foresee its end. */
static inline int64_t place_of(const lbi_boxes b[3], const lb_real *x, int64_t z, int64_t r, int64_t q, lb_real most) {
    int64_t at = 0, step = b[2].step;
    for (int64_t d = b[0].count[z] - 1; d >= 0; d--)
        for (int64_t u = b[1].count[r] - 1; u >= 0; u--) {
            int64_t row = ((b[0].first[z] + d * b[0].step) * b[1].in + b[1].first[r] + u * b[1].step) * b[2].in + b[2].first[q];
            if (most == most)
                for (int64_t v = b[2].count[q] - 1; v >= 0; v--) at = x[row + v * step] == most ? row + v * step : at;
            else
                for (int64_t v = b[2].count[q] - 1; v >= 0; v--) at = x[row + v * step] != x[row + v * step] ? row + v * step : at;
        }
    return at;
}

static int64_t size_in(const lbi_boxes b[3]) { return b[0].in * b[1].in * b[2].in; }
static int64_t size_out(const lbi_boxes b[3]) { return b[0].out * b[1].out * b[2].out; }

LBI_LEVELS static int64_t place_in_whole(const lb_real *x, int64_t n, lb_real most) { return lbi_first_place(x, n, most); }

/* Of every output of a plane the place of its maximum: as index, or the gradient is sent there. */
static void places(const lbi_boxes b[3], const lb_real *x, const lb_real *y, int64_t *index, const lb_real *g, lb_real *gx) {
    int64_t i = 0;
    if (is_whole(b)) {
        int64_t at = place_in_whole(x, size_in(b), *y);
        if (index) *index = at;
        else gx[at] += *g;
        return;
    }
    for (int64_t z = 0; z < b[0].out; z++)
        for (int64_t r = 0; r < b[1].out; r++)
            for (int64_t q = 0; q < b[2].out; q++, i++) {
                int64_t at = place_of(b, x, z, r, q, y[i]);
                if (index) index[i] = at;
                else gx[at] += g[i];
            }
}

/* index: NULL = the maxima themselves are the result. */
static void forward_planes(lb_call *c, const lbi_boxes b[3], int64_t *index) {
    int64_t planes = lbi_planes(c->in[0]), in = size_in(b), out = size_out(b), width = b[2].in, room = width + (index ? out : 0);
    int threads = omp_get_max_threads();
    lb_real *work = lb_scratch(c, (size_t)(room * threads + 1) * sizeof *work);
    if (!work) return;
#pragma omp parallel for num_threads(threads) if (planes * in > LBI_GRAIN)
    for (int64_t i = 0; i < planes; i++) {
        lb_real *line = work + room * omp_get_thread_num(), *y = index ? line + width : lb_r(c->out[0]) + i * out;
        const lb_real *x = lb_r(c->in[0]) + i * in;
        forward_plane(b, x, y, line);
        if (index) places(b, x, y, index + i * out, NULL, NULL);
    }
}

/* ---- channels last ---- */

enum { RUN = 64 }; /* channels at a time */

LBI_LEVELS static void raise(lb_real *restrict y, const lb_real *restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = larger(x[i], y[i]);
}

static void pixels_of_row(const lbi_boxes b[3], int64_t channels, const lb_real *x, int64_t r, lb_real *y) {
    for (int64_t q = 0; q < b[2].out; q++, y += channels)
        for (int64_t k = 0; k < b[1].count[r] * b[2].count[q]; k++) {
            const lb_real *from = x + ((b[1].first[r] + k / b[2].count[q] * b[1].step) * b[2].in + b[2].first[q] + k % b[2].count[q] * b[2].step) * channels;
            if (k == 0) memcpy(y, from, (size_t)channels * sizeof *y);
            else raise(y, from, channels);
        }
}

static void forward_last(lb_call *c, const lbi_boxes b[3]) {
    int64_t channels = c->in[0]->shape[1], rows = c->in[0]->shape[0] * b[1].out, in = b[1].in * b[2].in * channels, out = b[2].out * channels;
#pragma omp parallel for if (rows * out > LBI_GRAIN)
    for (int64_t i = 0; i < rows; i++) pixels_of_row(b, channels, lb_r(c->in[0]) + i / b[1].out * in, i % b[1].out, lb_r(c->out[0]) + i * out);
}

void lbi_biggest_forward(lb_call *c, const lbi_boxes b[3]) {
    if (c->last) forward_last(c, b);
    else forward_planes(c, b, NULL);
}
void lbi_biggest_places(lb_call *c, const lbi_boxes b[3]) {
    if (lb_numel(c->out[0]) > 0) forward_planes(c, b, lb_i(c->out[0]));
}

/* One box of some channels: each gradient goes to the first place of its box that is the result. */
LBI_LEVELS static void give_back(const lbi_boxes b[3], int64_t r, int64_t q, int64_t channels, int64_t n, const lb_real *restrict x, const lb_real *restrict y,
                                 const lb_real *restrict g, lb_real *restrict gx) {
    int32_t at[RUN];
    int64_t first = b[1].first[r] * b[2].in + b[2].first[q], wide = b[2].count[q];
    for (int64_t c = 0; c < n; c++) at[c] = -1;
    for (int64_t k = b[1].count[r] * wide - 1; k >= 0; k--) {
        int32_t place = (int32_t)(first + k / wide * b[1].step * b[2].in + k % wide * b[2].step);
        const lb_real *from = x + place * channels;
        lbi_fetch(from + 4 * channels, n); /* of a box further on */
        for (int64_t c = 0; c < n; c++) at[c] = from[c] == y[c] || (from[c] != from[c] && y[c] != y[c]) ? place : at[c];
    }
    for (int64_t k = 0; k < b[1].count[r] * wide; k++) { /* whole vectors again: numbers one by one cost more */
        int32_t place = (int32_t)(first + k / wide * b[1].step * b[2].in + k % wide * b[2].step);
        lb_real *to = gx + place * channels;
        for (int64_t c = 0; c < n; c++) to[c] += at[c] == place ? g[c] : 0;
    }
}

static void backward_last(lb_call *c, const lbi_boxes b[3]) {
    int64_t channels = c->in[0]->shape[1], images = c->in[0]->shape[0], in = b[1].in * b[2].in * channels, out = b[1].out * b[2].out * channels;
#pragma omp parallel for if (images * in > LBI_GRAIN)
    for (int64_t i = 0; i < images; i++) {
        lb_real *gx = lb_r(c->gin[0]) + i * in;
        int64_t line = b[2].in * channels, zeroed = c->fresh[0] ? 0 : b[1].in; /* lines are set to 0 right before the first box that reaches them */
        for (int64_t j = 0; j < out;) {
            int64_t pixel = j / channels, q = j % channels, n = channels - q < RUN ? channels - q : RUN, r = pixel / b[2].out;
            int64_t end = b[1].first[r] + (b[1].count[r] - 1) * b[1].step + 1;
            for (; zeroed < end; zeroed++) memset(gx + zeroed * line, 0, (size_t)line * sizeof *gx);
            give_back(b, pixel / b[2].out, pixel % b[2].out, channels, n, lb_r(c->in[0]) + i * in + q, lb_r(c->out[0]) + i * out + j, lb_r(c->gout[0]) + i * out + j, gx + q);
            j += n;
        }
        if (zeroed < b[1].in) memset(gx + zeroed * line, 0, (size_t)((b[1].in - zeroed) * line) * sizeof *gx);
    }
}

void lbi_biggest_backward(lb_call *c, const lbi_boxes b[3]) {
    int64_t planes = lbi_planes(c->in[0]), in = size_in(b), out = size_out(b);
    if (!c->gin[0] || !c->gout[0]) return;
    if (c->last) {
        backward_last(c, b);
        return;
    }
#pragma omp parallel for if (planes * in > LBI_GRAIN)
    for (int64_t i = 0; i < planes; i++) {
        lb_real *gx = lb_r(c->gin[0]) + i * in;
        if (c->fresh[0]) memset(gx, 0, (size_t)in * sizeof *gx);
        places(b, lb_r(c->in[0]) + i * in, lb_r(c->out[0]) + i * out, NULL, lb_r(c->gout[0]) + i * out, gx);
    }
}

/* ---- definition ---- */

static int64_t first_biggest(const lbi_boxes b[3], const lb_real *x, int64_t i) {
    int64_t q = i % b[2].out, r = i / b[2].out % b[1].out, z = i / (b[2].out * b[1].out) % b[0].out, best = -1;
    for (int64_t k = 0; k < b[0].count[z] * b[1].count[r] * b[2].count[q]; k++) {
        int64_t v = k % b[2].count[q], u = k / b[2].count[q] % b[1].count[r], d = k / (b[2].count[q] * b[1].count[r]);
        int64_t at = ((b[0].first[z] + d * b[0].step) * b[1].in + b[1].first[r] + u * b[1].step) * b[2].in + b[2].first[q] + v * b[2].step;
        if (best < 0 || x[at] > x[best] || (x[at] != x[at] && x[best] == x[best])) best = at;
    }
    return best;
}

void lbi_biggest_reference(lb_call *c, const lbi_boxes b[3]) {
    for (int64_t i = 0, n = lb_numel(c->out[0]); i < n; i++) {
        const lb_real *x = lb_r(c->in[0]) + i / size_out(b) * size_in(b);
        lb_r(c->out[0])[i] = x[first_biggest(b, x, i)];
    }
}

void lbi_biggest_places_reference(lb_call *c, const lbi_boxes b[3]) {
    for (int64_t i = 0, n = lb_numel(c->out[0]); i < n; i++) lb_i(c->out[0])[i] = first_biggest(b, lb_r(c->in[0]) + i / size_out(b) * size_in(b), i);
}

void lbi_apart(void *const *data, const int64_t *numel) {
    lb_real *x = data[0];
    for (int64_t i = 0; i < numel[0]; i++) x[i] = (lb_real)((i * 37) % (numel[0] + 1)) / 8 - 2 + x[i] / 64;
}
