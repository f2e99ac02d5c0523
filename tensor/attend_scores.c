/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/attend_scores.h"
#include "tensor/rounded.h"
#ifndef LB_DOUBLE
#include <math.h>
#include <string.h>
#include "tensor/kernels/counts.h"

/* keys x lanes from numbers that lie `step` apart along queries and side by side along keys; else one at a time. */
static void turned(const lbi_scores *p, const lbi_scores_at *at, float *to, const float *from, int64_t step_l, int64_t step_s) {
    int nr = p->g->nr;
    if (step_s == 1) {
        p->g->across(to, nr, from, step_l, (int)at->count, at->cols);
        return;
    }
    for (int64_t j = 0; j < at->cols; j++)
        for (int64_t q = 0; q < nr; q++) to[j * nr + q] = q < at->count ? from[q * step_l + j * step_s] : 0;
}

static void add_numbers(const lbi_scores *p, const lbi_scores_at *at, float *m, float *spare, const float *from, int64_t step_l, int64_t step_s) {
    int nr = p->g->nr;
    if (step_l != 0) {
        turned(p, at, spare, from, step_l, step_s);
        lbi_attend_add(m, at->cols * nr, spare, 1);
        return;
    }
    for (int64_t j = 0; j < at->cols; j++) lbi_attend_add(m + j * nr, at->width, from + j * step_s, 0);
}

/* Hides keys by the mask. spare: two tiles. */
static void hide(const lbi_scores *p, const lbi_scores_at *at, float *m, float *spare) {
    const lb_tensor *mask = p->a->mask;
    lbi_attend_place x = lbi_attend_place_of(mask, at->n, at->h, at->l0, at->s0);
    const int64_t *large = mask->dtype == LB_I64 ? (const int64_t *)mask->data + x.at : NULL;
    const uint8_t *small = (const uint8_t *)mask->data + x.at;
    int nr = p->g->nr;
    if (x.step_l == 0) {
        for (int64_t j = 0; j < at->cols; j++)
            if (!(large ? large[j * x.step_s] != 0 : small[j * x.step_s] != 0))
                for (int q = 0; q < at->width; q++) m[j * nr + q] = -INFINITY;
        return;
    }
    float *rows = spare + lbi_scores_room(at->cols * nr);
    for (int64_t q = 0; q < at->count; q++)
        for (int64_t j = 0; j < at->cols; j++) {
            int64_t i = q * x.step_l + j * x.step_s;
            rows[q * at->cols + j] = large ? large[i] != 0 : small[i] != 0;
        }
    p->g->across(spare, nr, rows, at->cols, (int)at->count, at->cols);
    lbi_attend_keep(m, spare, at->cols * nr);
}

/* Hides keys by the causal rule and the window. */
static void hide_out_of_sight(const lbi_scores *p, const lbi_scores_at *at, float *m) {
    int64_t lo, hi, prefix = p->a->o->prefix, nr = p->g->nr;
    for (int64_t q = 0; q < at->count; q++) {
        lbi_attend_sight(p->a, at->l0 + q, at->l0 + q + 1, &lo, &hi);
        if (hi < prefix) hi = prefix;
        int64_t first = (prefix > at->s0 ? prefix : at->s0) - at->s0, before = lbi_least(lo - at->s0, at->cols), after = hi > at->s0 ? hi - at->s0 : 0;
        for (int64_t j = first; j < before; j++) m[j * nr + q] = -INFINITY;
        for (int64_t j = after; j < at->cols; j++) m[j * nr + q] = -INFINITY;
    }
}

void lbi_scores_dress(const lbi_scores *p, const lbi_scores_at *at, float *m, float *slope, float *spare) {
    const lbi_attend *a = p->a;
    if (a->o->softcap > 0) lbi_attend_cap(m, at->cols * p->g->nr, 1, (float)a->o->softcap, slope);
    if (a->bias) {
        lbi_attend_place x = lbi_attend_place_of(a->bias, at->n, at->h, at->l0, at->s0);
        add_numbers(p, at, m, spare, lb_r(a->bias) + x.at, x.step_l, x.step_s);
    }
    if (a->relative) {
        const lb_tensor *r = a->relative;
        int64_t from = (r->shape[0] > 1 ? at->h : 0) * r->stride[0] + (at->s0 - at->l0 + a->l - 1) * r->stride[1];
        add_numbers(p, at, m, spare, lb_r(r) + from, -r->stride[1], r->stride[1]);
    }
    if (a->mask) hide(p, at, m, spare);
    if (a->o->causal || a->o->window > 0) hide_out_of_sight(p, at, m);
}

void lbi_scores_drop(const lbi_scores *p, const lbi_scores_at *at, float *m, float *rows) {
    int nr = p->g->nr;
    if (p->a->o->dropout == 0) return;
    for (int64_t i = 0; i < at->count * at->cols; i++) rows[i] = 1;
    lbi_attend_drop(p->a, at->n, at->h, at->l0, at->count, at->s0, at->cols, rows, at->cols);
    for (int64_t j = 0; j < at->cols; j++)
        for (int64_t q = 0; q < at->count; q++) m[j * nr + q] *= rows[q * at->cols + j];
}

/* ---- sums ---- */

void lbi_scores_begin(lbi_scores_sums *s) {
    for (int q = 0; q < LBI_NR_MAX; q++) {
        s->most[q] = -INFINITY;
        s->sum[q] = 0;
    }
}

void lbi_scores_top(const lbi_scores *p, const lbi_scores_at *at, const float *scores, lbi_scores_sums *s, float *result, bool first, float shift[LBI_NR_MAX]) {
    int nr = p->g->nr;
    float top[LBI_NR_MAX], fade[LBI_NR_MAX];
    bool fades = false;
    memcpy(top, s->most, sizeof top);
    lbi_attend_cols_max(scores, at->cols, nr, at->width, top);
    for (int q = 0; q < at->width; q++) {
        shift[q] = lbi_attend_shift(top[q]);
        fade[q] = s->most[q] - shift[q];
        fades = fades || (s->most[q] != top[q] && s->most[q] != -INFINITY);
    }
    memcpy(s->most, top, sizeof top);
    if (!fades || first) return;
    float none[LBI_NR_MAX] = {0}, total[LBI_NR_MAX] = {0};
    lbi_attend_cols_exp(fade, 1, nr, at->width, none, total);
    for (int q = 0; q < at->width; q++) s->sum[q] *= fade[q];
    lbi_attend_cols_scale(result, p->a->e, nr, at->width, fade);
}

void lbi_scores_give(const lbi_scores *p, const lbi_scores_at *at, float *result, const lbi_scores_sums *s, float *spare) {
    const lbi_attend *a = p->a;
    const float *sum = s->sum;
    float by[LBI_NR_MAX];
    lb_tensor *y = a->call->out[0];
    int64_t ld, e = a->e, first = lbi_attend_result_at(a, at->n, at->h, at->l0, &ld);
    float *z = lb_r(a->call->out[1]) + (at->n * a->h + at->h) * a->l + at->l0;
    for (int q = 0; q < at->width; q++) by[q] = sum[q] == 0 ? 0 : 1 / sum[q];
    lbi_attend_cols_scale(result, e, p->g->nr, at->width, by);
    p->g->across(spare, (int)e, result, p->g->nr, (int)e, at->count);
    for (int64_t i = 0; i < at->count; i++) {
        float *row = spare + i * e;
        z[i] = sum[i] == 0 ? INFINITY : s->most[i] + (float)log((double)sum[i]); /* infinity: exp(score - z) is 0 */
        if (sum[i] == 0) memset(row, 0, (size_t)e * sizeof *row);
        if (y->dtype == LB_BF16) lbi_round_to(y, first + i * ld, row, e);
        else memcpy(lb_r(y) + first + i * ld, row, (size_t)e * sizeof *row);
    }
}

/* ---- backward ---- */

void lbi_scores_give_dq(const lbi_scores *p, const lbi_scores_at *at, float *dq, float *spare) {
    const lbi_attend *a = p->a;
    lbi_attend_scale(dq, p->g->nr * a->d, (float)a->o->scale);
    p->g->across(spare, (int)a->d, dq, p->g->nr, (int)a->d, at->count);
    lbi_attend_add(lbi_attend_grad_row(a->call->gin[0], at->n, at->h, at->l0), at->count * a->d, spare, 1);
}

void lbi_scores_back(const lbi_scores *p, const lbi_scores_at *at, float *ds, const float *slope, float *rows) {
    const lbi_attend *a = p->a;
    if (a->to_bias || a->to_relative) {
        p->g->across(rows, (int)at->cols, ds, p->g->nr, (int)at->cols, at->count);
        lbi_attend_back_biases(a, at->n, at->h, at->l0, at->count, at->s0, at->cols, rows, at->cols);
    }
    if (slope) lbi_attend_times(ds, slope, at->cols * p->g->nr);
}
#endif
