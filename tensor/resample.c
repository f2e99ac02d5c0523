/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/resample.h"
#include <omp.h>
#include <string.h>
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"

enum { WORK = 16384 }; /* numbers between two axes: 64 KB of floats */

/* ---- tables ---- */

bool lbi_taps_new(lb_call *c, lbi_taps *t, int64_t in, int64_t out, int64_t most) {
    memset(t, 0, sizeof *t);
    t->in = in;
    t->out = out;
    if (most < 1) most = 1;
    if (in > INT32_MAX || out > INT32_MAX / most) {
        lb_tape_fail(c->tape, LB_E_LIMIT, "an axis from %lld to %lld elements is too long", (long long)in, (long long)out);
        return false;
    }
    t->start = lb_scratch(c, (size_t)(out + 2) * sizeof *t->start);
    t->at = lb_scratch(c, (size_t)(out * most) * sizeof *t->at);
    t->weight = lb_scratch(c, (size_t)(out * most) * sizeof *t->weight);
    if (!t->start || !t->at || !t->weight) return false;
    t->start[0] = t->start[1] = 0;
    return true;
}

static int64_t count_of(const lbi_taps *t, int64_t i) { return t->start[i + 1] - t->start[i]; }

/* How far output i repeats output i - 1, moved: the step, or -1. */
static int64_t moved_by(const lbi_taps *t, int64_t i) {
    int64_t n = count_of(t, i), step = 0;
    if (n == 0 || count_of(t, i - 1) != n) return -1;
    for (int64_t k = 0; k < n; k++) {
        int64_t now = t->start[i] + k, before = t->start[i - 1] + k, by = t->at[now] - t->at[before];
        if (k == 0) step = by;
        if (by != step || t->weight[now] != t->weight[before]) return -1;
    }
    return step;
}

/* The longest stretch of outputs with the same number of taps, and the longest that repeats itself with one step: the latter is
 * better and taken unless it is much shorter. */
static void find_run(lbi_taps *t) {
    int64_t same = 0, moving = 0, step = 0, a = 0, b = 0;
    for (int64_t i = 0; i < t->out; i++) {
        if (i == 0 || count_of(t, i) != count_of(t, i - 1)) same = i;
        int64_t by = i == 0 ? -1 : moved_by(t, i);
        if (by <= 0) moving = i;
        else if (i == moving + 1 || by != step) {
            moving = i - 1;
            step = by;
        }
        if (i + 1 - same > t->b - t->a && count_of(t, i) > 0) {
            t->a = same;
            t->b = i + 1;
        }
        if (i > moving && i + 1 - moving > b - a) {
            a = moving;
            b = i + 1;
            t->step = step;
        }
    }
    if (2 * (b - a) > t->b - t->a) {
        t->a = a;
        t->b = b;
    } else t->step = 0;
    t->each = t->b > t->a ? count_of(t, t->a) : 0;
    bool few = true;
    for (int64_t i = 0; i < t->out; i++) few = few && count_of(t, i) < 2;
    if (!few || 2 * (t->b - t->a) > t->out) return;
    t->holes = true; /* gradients of neighbours that were left out, one by one: all outputs */
    t->a = t->step = 0;
    t->b = t->out;
    t->each = 1;
}

static bool finish(lb_call *c, lbi_taps *t) {
    find_run(t);
    t->contiguous = true;
    for (int64_t i = 0; i < t->out; i++)
        for (int64_t k = t->start[i] + 1; k < t->start[i + 1]; k++) t->contiguous = t->contiguous && t->at[k] == t->at[k - 1] + 1;
    t->identity = t->in == t->out;
    for (int64_t i = 0; t->identity && i < t->out; i++) t->identity = count_of(t, i) == 1 && t->at[t->start[i]] == i && t->weight[t->start[i]] == 1;
    int64_t n = t->b - t->a;
    if (t->step > 0 || n == 0) return true;
    t->run_at = lb_scratch(c, (size_t)(n * t->each) * sizeof *t->run_at);
    t->run_weight = lb_scratch(c, (size_t)(n * t->each) * sizeof *t->run_weight);
    if (!t->run_at || !t->run_weight) return false;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < t->each; k++) {
            if (t->holes && count_of(t, t->a + i) == 0) {
                t->run_at[i] = 0;
                t->run_weight[i] = 0;
                continue;
            }
            t->run_at[k * n + i] = t->at[t->start[t->a + i] + k];
            t->run_weight[k * n + i] = t->weight[t->start[t->a + i] + k];
        }
    return true;
}

bool lbi_taps_next(lb_call *c, lbi_taps *t) {
    t->made++;
    if (t->made == t->out) return finish(c, t);
    t->start[t->made + 1] = t->start[t->made];
    return true;
}

bool lbi_taps_same(lb_call *c, lbi_taps *t, int64_t size) {
    if (!lbi_taps_new(c, t, size, size, 1)) return false;
    for (int64_t i = 0; i < size; i++) {
        lbi_tap(t, i, 1);
        if (!lbi_taps_next(c, t)) return false;
    }
    return true;
}

bool lbi_taps_cells(lb_call *c, lbi_taps *t, int64_t in, int64_t out) {
    if (!lbi_taps_new(c, t, in, out, in / out + 2)) return false;
    for (int64_t i = 0; i < out; i++) {
        int64_t low = i * in / out, high = ((i + 1) * in + out - 1) / out;
        for (int64_t k = low; k < high; k++) lbi_tap(t, k, 1 / (double)(high - low));
        if (!lbi_taps_next(c, t)) return false;
    }
    return true;
}

bool lbi_taps_turn(lb_call *c, lbi_taps *to, const lbi_taps *from) {
    int64_t all = from->start[from->out];
    memset(to, 0, sizeof *to);
    to->in = from->out;
    to->out = from->in;
    to->start = lb_scratch(c, (size_t)(to->out + 2) * sizeof *to->start);
    to->at = lb_scratch(c, (size_t)(all + 1) * sizeof *to->at);
    to->weight = lb_scratch(c, (size_t)(all + 1) * sizeof *to->weight);
    if (!to->start || !to->at || !to->weight) return false;
    memset(to->start, 0, (size_t)(to->out + 2) * sizeof *to->start);
    for (int64_t k = 0; k < all; k++) to->start[from->at[k] + 2]++;
    for (int64_t i = 0; i < to->out; i++) to->start[i + 2] += to->start[i + 1];
    for (int64_t i = 0; i < from->out; i++) /* in order of i, so that sums are made in that order */
        for (int64_t k = from->start[i]; k < from->start[i + 1]; k++) {
            int32_t place = to->start[from->at[k] + 1]++;
            to->at[place] = (int32_t)i;
            to->weight[place] = from->weight[k];
        }
    to->made = to->out;
    return finish(c, to);
}

/* ---- passes ---- */

/* y[i] (+)= sum_k w[k] x[at[k] ld + i step]: rows added to rows with step 1, and stencils along a row with ld 1. */
LBI_ALWAYS void combine_by(lb_real *restrict y, const lb_real *restrict x, int64_t ld, int64_t step, const int32_t *at, const lb_real *w, int64_t count, int64_t width, bool add) {
    int64_t k = 0;
    if (!add && count == 0) memset(y, 0, (size_t)width * sizeof *y);
    for (; k + 4 <= count; k += 4) {
        const lb_real *p = x + at[k] * ld, *q = x + at[k + 1] * ld, *r = x + at[k + 2] * ld, *s = x + at[k + 3] * ld;
        lb_real a = w[k], b = w[k + 1], c = w[k + 2], d = w[k + 3];
        if (add || k > 0)
            for (int64_t i = 0; i < width; i++) y[i] += a * p[i * step] + b * q[i * step] + c * r[i * step] + d * s[i * step];
        else
            for (int64_t i = 0; i < width; i++) y[i] = a * p[i * step] + b * q[i * step] + c * r[i * step] + d * s[i * step];
    }
    if (count - k >= 2) {
        const lb_real *p = x + at[k] * ld, *q = x + at[k + 1] * ld;
        lb_real a = w[k], b = w[k + 1];
        if (add || k > 0)
            for (int64_t i = 0; i < width; i++) y[i] += a * p[i * step] + b * q[i * step];
        else
            for (int64_t i = 0; i < width; i++) y[i] = a * p[i * step] + b * q[i * step];
        k += 2;
    }
    if (k < count) {
        const lb_real *p = x + at[k] * ld;
        lb_real a = w[k];
        if (add || k > 0)
            for (int64_t i = 0; i < width; i++) y[i] += a * p[i * step];
        else
            for (int64_t i = 0; i < width; i++) y[i] = a * p[i * step];
    }
}

LBI_LEVELS static void combine(lb_real *y, const lb_real *x, int64_t ld, int64_t step, const int32_t *at, const lb_real *w, int64_t count, int64_t width, bool add) {
    if (step == 1) combine_by(y, x, ld, 1, at, w, count, width, add);
    else if (step == 2) combine_by(y, x, ld, 2, at, w, count, width, add);
    else combine_by(y, x, ld, step, at, w, count, width, add);
}

LBI_ALWAYS lb_real one_tap_sum(const lbi_taps *t, const lb_real *x, int64_t i) {
    int64_t k = t->start[i], end = t->start[i + 1];
    lb_real sum = 0;
    if (t->contiguous && end > k) {
        const lb_real *from = x + t->at[k] - k, *w = t->weight;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = k; j < end; j++) sum += w[j] * from[j];
    } else
        for (; k < end; k++) sum += t->weight[k] * x[t->at[k]];
    return sum;
}

/* Outputs a .. b - 1, which have `each` taps with no common step. */
LBI_ALWAYS void run_by(const lbi_taps *t, const lb_real *restrict x, lb_real *restrict y, bool add) {
    int64_t n = t->b - t->a;
    const int32_t *restrict at = t->run_at;
    const lb_real *restrict w = t->run_weight;
    y += t->a;
    if (t->holes)
        for (int64_t i = 0; i < n; i++) {
            lb_real v = w[i] * x[at[i]];
            y[i] = (add ? y[i] : 0) + (w[i] != 0 ? v : 0);
        }
    else if (t->each == 1)
        for (int64_t i = 0; i < n; i++) y[i] = (add ? y[i] : 0) + w[i] * x[at[i]];
    else if (t->each == 2)
        for (int64_t i = 0; i < n; i++) y[i] = (add ? y[i] : 0) + w[i] * x[at[i]] + w[n + i] * x[at[n + i]];
    else if (t->each == 4)
        for (int64_t i = 0; i < n; i++) y[i] = (add ? y[i] : 0) + w[i] * x[at[i]] + w[n + i] * x[at[n + i]] + w[2 * n + i] * x[at[2 * n + i]] + w[3 * n + i] * x[at[3 * n + i]];
    else
        for (int64_t i = 0; i < n; i++) {
            lb_real s = one_tap_sum(t, x, t->a + i);
            y[i] = (add ? y[i] : 0) + s;
        }
}

/* One row through the last axis. */
LBI_LEVELS static void along(const lbi_taps *t, const lb_real *x, lb_real *y, bool add) {
    for (int64_t i = 0; i < t->out; i++) {
        if (i == t->a && t->b > t->a) i = t->b;
        if (i == t->out) break;
        lb_real s = one_tap_sum(t, x, i);
        y[i] = (add ? y[i] : 0) + s;
    }
    if (t->b == t->a) return;
    if (t->step > 0) combine(y + t->a, x, 1, t->step, t->at + t->start[t->a], t->weight + t->start[t->a], t->each, t->b - t->a, add);
    else if (add) run_by(t, x, y, true);
    else run_by(t, x, y, false);
}

/* Input rows that outputs first .. last - 1 of an axis read: [*low, *high). */
static void reach(const lbi_taps *t, int64_t first, int64_t last, int64_t *low, int64_t *high) {
    *low = t->in;
    *high = 0;
    for (int64_t k = t->start[first]; k < t->start[last]; k++) {
        if (t->at[k] < *low) *low = t->at[k];
        if (t->at[k] + 1 > *high) *high = t->at[k] + 1;
    }
}

static bool rows_first(const lbi_taps *h, const lbi_taps *w) { return w->identity || h->identity || h->out <= h->in; }

int64_t lbi_plane_space(const lbi_taps *h, const lbi_taps *w) {
    if (rows_first(h, w)) return w->in;
    int64_t most = 1, low, high;
    for (int64_t i = 0; i < h->out; i++) {
        reach(h, i, i + 1, &low, &high);
        if (high - low > most) most = high - low;
    }
    int64_t space = most * w->out, all = h->in * w->out;
    space = space > WORK ? space : WORK;
    return space < all ? space : all;
}

/* A height that grows: rows go through the last axis first, as many at a time as fit between, then are added. */
static void columns_first(const lbi_taps *h, const lbi_taps *w, const lb_real *x, int64_t ldx, lb_real *y, int64_t ldy, bool add, lb_real *work) {
    int64_t room = lbi_plane_space(h, w) / w->out, low = 0, high = 0;
    for (int64_t i = 0; i < h->out;) {
        int64_t end = i + 1, from, to;
        reach(h, i, end, &low, &high);
        for (; end < h->out; end++) {
            reach(h, end, end + 1, &from, &to);
            from = from < low ? from : low;
            to = to > high ? to : high;
            if (to - from > room) break;
            low = from;
            high = to;
        }
        for (int64_t r = low; r < high; r++) along(w, x + r * ldx, work + (r - low) * w->out, false);
        for (; i < end; i++) combine(y + i * ldy, work - low * w->out, w->out, 1, h->at + h->start[i], h->weight + h->start[i], count_of(h, i), w->out, add);
    }
}

void lbi_resample_plane(const lbi_taps *h, const lbi_taps *w, const lb_real *x, int64_t ldx, lb_real *y, int64_t ldy, bool add, lb_real *work) {
    if (!rows_first(h, w)) {
        columns_first(h, w, x, ldx, y, ldy, add, work);
        return;
    }
    for (int64_t i = 0; i < h->out; i++) {
        lb_real *to = w->identity ? y + i * ldy : work;
        if (!h->identity || w->identity) combine(to, x, ldx, 1, h->at + h->start[i], h->weight + h->start[i], count_of(h, i), w->in, add && w->identity);
        if (!w->identity) along(w, h->identity ? x + i * ldx : work, y + i * ldy, add);
    }
}

/* ---- volumes ---- */

typedef struct job {
    const lbi_taps *d, *h, *w;
    const lb_real *x;
    lb_real *y;
    bool add, shrinks; /* shrinks: slices are added before they are resampled */
    int64_t in, out;   /* numbers of a slice */
    int64_t plane_space;
} job;

static void slices_of_plane(const job *j, int64_t plane, lb_real *work) {
    const lb_real *x = j->x + plane * j->d->in * j->in;
    lb_real *y = j->y + plane * j->d->out * j->out, *between = work + j->plane_space;
    if (j->d->identity || j->shrinks) {
        for (int64_t z = 0; z < j->d->out; z++) {
            const lb_real *from = x + z * j->in;
            if (!j->d->identity) {
                combine(between, x, j->in, 1, j->d->at + j->d->start[z], j->d->weight + j->d->start[z], count_of(j->d, z), j->in, false);
                from = between;
            }
            lbi_resample_plane(j->h, j->w, from, j->w->in, y + z * j->out, j->w->out, j->add, work);
        }
        return;
    }
    for (int64_t z = 0; z < j->d->in; z++) lbi_resample_plane(j->h, j->w, x + z * j->in, j->w->in, between + z * j->out, j->w->out, false, work);
    for (int64_t z = 0; z < j->d->out; z++)
        combine(y + z * j->out, between, j->out, 1, j->d->at + j->d->start[z], j->d->weight + j->d->start[z], count_of(j->d, z), j->out, j->add);
}

void lbi_resample(lb_call *c, const lbi_taps axes[3], int64_t planes, const lb_real *x, lb_real *y, bool add) {
    job j = {&axes[0], &axes[1], &axes[2], x, y, add, axes[0].out <= axes[0].in, axes[1].in * axes[2].in, axes[1].out * axes[2].out, lbi_plane_space(&axes[1], &axes[2])};
    int64_t between = j.d->identity ? 0 : j.shrinks ? j.in : j.d->in * j.out, space = j.plane_space + between;
    int threads = omp_get_max_threads();
    lb_real *work = lb_scratch(c, (size_t)(space * threads + 1) * sizeof *work);
    if (!work) return;
#pragma omp parallel for num_threads(threads) if (planes * (j.d->in * j.in + j.d->out * j.out) > LBI_GRAIN)
    for (int64_t p = 0; p < planes; p++) slices_of_plane(&j, p, work + space * omp_get_thread_num());
}

void lbi_resample_plainly(const lbi_taps axes[3], int64_t planes, const lb_real *x, lb_real *y) {
    const lbi_taps *d = &axes[0], *h = &axes[1], *w = &axes[2];
    for (int64_t i = 0, n = planes * d->out * h->out * w->out; i < n; i++) {
        int64_t b = i % w->out, a = i / w->out % h->out, z = i / (w->out * h->out) % d->out, p = i / (w->out * h->out * d->out);
        double sum = 0;
        for (int64_t k = d->start[z]; k < d->start[z + 1]; k++)
            for (int64_t l = h->start[a]; l < h->start[a + 1]; l++)
                for (int64_t m = w->start[b]; m < w->start[b + 1]; m++)
                    sum += (double)d->weight[k] * (double)h->weight[l] * (double)w->weight[m] * (double)x[((p * d->in + d->at[k]) * h->in + h->at[l]) * w->in + w->at[m]];
        y[i] = (lb_real)sum;
    }
}

/* ---- channels last ---- */

/* A row of y: rows of x added, then its pixels. between: a row of x. */
static void row_last(const lbi_taps *h, const lbi_taps *w, int64_t channels, const lb_real *x, int64_t i, lb_real *y, lb_real *between) {
    int64_t row = w->in * channels, at = h->start[i];
    const lb_real *from = h->identity ? x + i * row : w->identity ? y : between;
    if (!h->identity) combine(w->identity ? y : between, x, row, 1, h->at + at, h->weight + at, count_of(h, i), row, false);
    else if (w->identity) memcpy(y, from, (size_t)row * sizeof *y);
    for (int64_t j = 0; !w->identity && j < w->out; j++, y += channels) combine(y, from, channels, 1, w->at + w->start[j], w->weight + w->start[j], count_of(w, j), channels, false);
}

static void resample_last(lb_call *c, const lbi_taps *h, const lbi_taps *w) {
    int64_t channels = c->in[0]->shape[1], in = h->in * w->in * channels, out = w->out * channels, rows = c->in[0]->shape[0] * h->out, space = w->in * channels;
    int threads = omp_get_max_threads();
    lb_real *work = lb_scratch(c, (size_t)(space * threads + 1) * sizeof *work);
    if (!work) return;
#pragma omp parallel for num_threads(threads) if (rows * (out + space) > LBI_GRAIN)
    for (int64_t i = 0; i < rows; i++) row_last(h, w, channels, lb_r(c->in[0]) + i / h->out * in, i % h->out, lb_r(c->out[0]) + i * out, work + space * omp_get_thread_num());
}

/* ---- whole ops ---- */

void lbi_resample_forward(lb_call *c, lbi_tables tables) {
    lbi_taps t[3];
    if (lb_numel(c->in[0]) == 0 || !tables(c, t)) return;
    if (c->last) resample_last(c, &t[1], &t[2]);
    else lbi_resample(c, t, lbi_planes(c->in[0]), lb_r(c->in[0]), lb_r(c->out[0]), false);
}

void lbi_resample_backward(lb_call *c, lbi_tables tables) {
    lbi_taps t[3], turned[3];
    if (!c->gin[0] || !c->gout[0] || lb_numel(c->in[0]) == 0 || !tables(c, t)) return;
    for (int a = 0; a < 3; a++)
        if (!lbi_taps_turn(c, &turned[a], &t[a])) return;
    lbi_resample(c, turned, lbi_planes(c->in[0]), lb_r(c->gout[0]), lb_r(c->gin[0]), !c->fresh[0]);
}

void lbi_resample_reference(lb_call *c, lbi_tables tables) {
    lbi_taps t[3];
    if (lb_numel(c->in[0]) > 0 && tables(c, t)) lbi_resample_plainly(t, lbi_planes(c->in[0]), lb_r(c->in[0]), lb_r(c->out[0]));
}
