/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/parts/boxes.h"
#include <math.h>
#include <stdlib.h>
#include "distill/method.h"

static double area(const lb_part_box *b) { return fmax(b->x1 - b->x0, 0) * fmax(b->y1 - b->y0, 0); }

double lb_part_overlap(const lb_part_box *a, const lb_part_box *b, bool generalised) {
    double inter = fmax(fmin(a->x1, b->x1) - fmax(a->x0, b->x0), 0) * fmax(fmin(a->y1, b->y1) - fmax(a->y0, b->y0), 0), all = area(a) + area(b) - inter, iou = all > 0 ? inter / all : 0;
    if (!generalised) return iou;
    double hull = fmax(fmax(a->x1, b->x1) - fmin(a->x0, b->x0), 0) * fmax(fmax(a->y1, b->y1) - fmin(a->y0, b->y0), 0);
    return hull > 0 ? iou - (hull - all) / hull : iou;
}

lb_part_box lb_part_box_at(const lb_tensor *x, int64_t i, bool centred) {
    double v[4];
    for (int k = 0; k < 4; k++) v[k] = lb_get_at(x, 4 * i + k);
    if (centred) return (lb_part_box){v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2, 0, i};
    return (lb_part_box){v[0], v[1], v[2], v[3], 0, i};
}

static int by_score(const void *a, const void *b) {
    const lb_part_box *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

lb_part_box *lb_part_ranked(lb_tape *t, const lb_tensor *boxes, const lb_tensor *scores, double least, int64_t *count) {
    int64_t n = boxes->shape[0];
    lb_part_box *b = lb_calloc((size_t)n + 1, sizeof *b);
    *count = 0;
    if (!b) (void)lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; b && i < n && !lb_part_shapes_only(t); i++) {
        if (lb_get_at(scores, i) < least) continue;
        b[*count] = lb_part_box_at(boxes, i, false);
        b[(*count)++].score = lb_get_at(scores, i);
    }
    if (b) qsort(b, (size_t)*count, sizeof *b, by_score);
    return b;
}

int64_t lb_part_suppress(lb_part_box *b, int64_t n, double threshold, int64_t most) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n && kept < most; i++) {
        bool free = true;
        for (int64_t k = 0; k < kept && free && threshold > 0; k++) free = lb_part_overlap(&b[i], &b[k], false) <= threshold;
        if (free) b[kept++] = b[i];
    }
    return kept;
}

/* One-to-one pairs by falling IoU; found[i]: IoU of the i-th. */
static int64_t pairs_of(const lb_part_box *b, int64_t n, const lb_part_box *target, int64_t m, bool *used, double *found) {
    int64_t count = 0;
    for (; count < n && count < m; count++) {
        int64_t best = -1, of = -1;
        double most = 0;
        for (int64_t i = 0; i < n * m; i++) {
            if (used[i / m] || used[n + i % m]) continue;
            double iou = lb_part_overlap(&b[i / m], &target[i % m], false);
            if (iou <= most) continue;
            most = iou;
            best = i / m;
            of = i % m;
        }
        if (best < 0) break;
        used[best] = used[n + of] = true;
        found[count] = most;
    }
    return count;
}

bool lb_part_recall(const lb_part_box *b, int64_t n, const lb_part_box *target, int64_t m, double at[10]) {
    bool *used = lb_calloc((size_t)(n + m) + 1, sizeof *used);
    double *found = lb_calloc((size_t)m + 1, sizeof *found);
    int64_t pairs = used && found ? pairs_of(b, n, target, m, used, found) : 0;
    for (int k = 0; k < 10; k++) {
        at[k] = 0;
        for (int64_t i = 0; i < pairs; i++) at[k] += found[i] >= 0.5 + 0.05 * k;
        at[k] /= (double)m;
    }
    bool ok = used && found;
    lb_free(used);
    lb_free(found);
    return ok;
}

/* ---- on the tape ---- */

static lb_tensor *side(lb_tape *t, lb_tensor *low, lb_tensor *high) { return lb_clamp(t, lb_sub(t, high, low), 0, INFINITY); }

static lb_tensor *corner(lb_tape *t, lb_tensor *x, int k) { return lb_slice(t, x, x->rank - 1, k, k + 1, 1); }

/* Over the union where there is one, else 0. */
static lb_tensor *share_of(lb_tape *t, lb_tensor *part, lb_tensor *all) { return lb_div(t, part, lb_add(t, all, lb_eq(t, lb_detach(t, all), lb_scalar(t, 0)))); }

/* IoU of broadcast boxes [...,4] and, when asked for, GIoU: [...,1]. Where corners meet each lb_part_box has half the gradient. */
lb_tensor *lb_part_overlaps(lb_tape *t, lb_tensor *a, lb_tensor *b, lb_tensor **generalised) {
    lb_tensor *inner[2], *hull[2], *sides[2][2];
    for (int k = 0; k < 2; k++) {
        lb_tensor *low[2] = {corner(t, a, k), corner(t, b, k)}, *high[2] = {corner(t, a, k + 2), corner(t, b, k + 2)};
        inner[k] = side(t, lb_maximum(t, low[0], low[1]), lb_minimum(t, high[0], high[1]));
        hull[k] = side(t, lb_minimum(t, low[0], low[1]), lb_maximum(t, high[0], high[1]));
        for (int i = 0; i < 2; i++) sides[i][k] = side(t, low[i], high[i]);
    }
    lb_tensor *both = lb_mul(t, inner[0], inner[1]), *outer = lb_mul(t, hull[0], hull[1]);
    lb_tensor *all = lb_sub(t, lb_add(t, lb_mul(t, sides[0][0], sides[0][1]), lb_mul(t, sides[1][0], sides[1][1])), both), *iou = share_of(t, both, all);
    if (generalised) *generalised = lb_sub(t, iou, share_of(t, lb_sub(t, outer, all), outer));
    return iou;
}

lb_tensor *lb_part_corners(lb_tape *t, lb_tensor *x) {
    lb_tensor *centre = lb_slice(t, x, 1, 0, 2, 1), *half = lb_scale(t, lb_slice(t, x, 1, 2, 4, 1), 0.5);
    return lb_concat(t, 2, (lb_tensor *[]){lb_sub(t, centre, half), lb_add(t, centre, half)}, 1);
}

/* Of cy, cx, w, h in turn: sine and cosine interleaved. v: centres and sides as parts of the picture. */
static void sine_row(double *to, const double v[4], int64_t dim) {
    static const int order[4] = {1, 0, 2, 3};
    for (int c = 0; c < 4; c++)
        for (int64_t i = 0; i < dim; i++) {
            double angle = 2 * acos(-1.0) * v[order[c]] / pow(10000, (double)(i / 2 * 2) / (double)dim);
            to[c * dim + i] = i % 2 ? cos(angle) : sin(angle);
        }
}

lb_tensor *lb_part_box_sine(lb_tape *t, const lb_tensor *boxes, int64_t dim, double width, double height) {
    int64_t k = boxes->shape[0];
    if (!lb_check(t, dim >= 2 && dim % 2 == 0, "the embedding of a coordinate is %lld wide, an even number is wanted", (long long)dim)) return lb_inert(t);
    double *rows = lb_calloc((size_t)(k * 4 * dim) + 1, sizeof *rows);
    if (!rows) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < k && !lb_part_shapes_only(t); i++) {
        lb_part_box b = lb_part_box_at(boxes, i, false);
        double v[4] = {b.x0, b.y0, b.x1, b.y1};
        if (width > 0) {
            v[0] = (b.x0 + b.x1) / 2 / width;
            v[1] = (b.y0 + b.y1) / 2 / height;
            v[2] = (b.x1 - b.x0) / width;
            v[3] = (b.y1 - b.y0) / height;
        }
        sine_row(rows + i * 4 * dim, v, dim);
    }
    lb_tensor *x = lb_part_constant(t, 2, (int64_t[]){k, 4 * dim}, rows);
    lb_free(rows);
    return x;
}

lb_tensor *lb_part_regions(lb_tape *t, lb_tensor *map, const lb_tensor *boxes, int64_t size, double scale, int64_t ratio, bool aligned) {
    int64_t k = boxes->shape[0];
    double *rows = lb_calloc((size_t)k * 5 + 1, sizeof *rows);
    if (!rows) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < k * 4 && !lb_part_shapes_only(t); i++) rows[i / 4 * 5 + 1 + i % 4] = lb_get_at(boxes, i);
    lb_tensor *at = lb_part_constant(t, 2, (int64_t[]){k, 5}, rows), *one = lb_reshape(t, map, 4, (int64_t[]){1, map->shape[0], map->shape[1], map->shape[2]});
    lb_free(rows);
    return lb_roi_align(t, one, at, size, size, scale, ratio > 0 ? ratio : 0, aligned);
}
