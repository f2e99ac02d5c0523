/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/attend.h"
#include <math.h>
#include <omp.h>
#include <string.h>
#include "base/rng.h"
#include "tensor/kernels/attend.h"
#include "tensor/kernels/gemm.h"
#include "tensor/parts.h"

/* ---- checks ---- */

/* Aligned at the end to [N,H,L,S]; sizes 1 repeat; the first of four may divide N. */
static bool spreads(const lb_tensor *x, const int64_t full[4]) {
    if (x->rank > 4) return false;
    for (int i = 0; i < x->rank; i++) {
        int64_t size = x->shape[i], whole = full[i + 4 - x->rank];
        bool divides = x->rank == 4 && i == 0 && size > 0 && whole % size == 0;
        if (size != whole && size != 1 && !divides) return false;
    }
    return true;
}

static bool misfit(lb_call *c, const char *name, const lb_tensor *x, const int64_t full[4]) {
    char text[96];
    lb_tape_fail(c->tape, LB_E_SHAPE, "%s %s %s does not go with scores [%lld,%lld,%lld,%lld]", name, lb_dtype_name(x->dtype), lb_shape_text(text, sizeof text, x->rank, x->shape), (long long)full[0],
                 (long long)full[1], (long long)full[2], (long long)full[3]);
    return false;
}

bool lbi_attend_check(lb_call *c, bool values) {
    const lbi_attend_options *o = c->params;
    int at = values ? 3 : 2;
    const lb_tensor *q = c->in[0], *k = c->in[1], *bias = c->in[at], *mask = c->in[at + 1], *relative = c->in[at + 2];
    int64_t full[4] = {q->shape[0], q->shape[1], q->shape[2], k->shape[2]};
    for (int i = 0; i < at; i++)
        if (c->in[i]->dtype != LB_REAL) {
            lb_tape_fail(c->tape, LB_E_SHAPE, "%c is %s, expected %s", "qkv"[i], lb_dtype_name(c->in[i]->dtype), lb_dtype_name(LB_REAL));
            return false;
        }
    if (k->shape[1] < 1 || full[1] % k->shape[1]) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "%lld heads of queries are no multiple of %lld heads of keys", (long long)full[1], (long long)k->shape[1]);
        return false;
    }
    if (bias && (bias->dtype != LB_REAL || !spreads(bias, full))) return misfit(c, "bias", bias, full);
    if (mask && ((mask->dtype != LB_I64 && mask->dtype != LB_U8 && mask->dtype != LB_BOOL) || !spreads(mask, full))) return misfit(c, "mask", mask, full);
    if (relative && (relative->dtype != LB_REAL || relative->rank != 2 || (relative->shape[0] != full[1] && relative->shape[0] != 1) || relative->shape[1] != full[2] + full[3] - 1))
        return misfit(c, "relative, wanted [H,L+S-1],", relative, full);
    if (!(o->dropout >= 0 && o->dropout < 1) || !(o->softcap >= 0) || o->window < 0 || o->prefix < 0) {
        lb_tape_fail(c->tape, LB_E_ARG, "dropout %g, softcap %g, window %lld, prefix %lld: expected dropout below 1 and none negative", o->dropout, o->softcap,
                     (long long)o->window, (long long)o->prefix);
        return false;
    }
    return true;
}

bool lbi_attend_options_of(lbi_attend_options *o, lb_tape *t, const lb_tensor *q, lb_attention_spec spec) {
    double width = q && q->rank > 0 ? (double)q->shape[q->rank - 1] : 0;
    *o = (lbi_attend_options){.scale = spec.scale != 0 ? spec.scale : 1 / sqrt(width > 0 ? width : 1), .softcap = spec.softcap, .window = spec.window, .prefix = spec.prefix, .shift = spec.shift,
                              .causal = spec.causal, .merge = spec.merge};
    if (!lb_tape_training(t) || spec.dropout == 0) return lb_tape_ok(t);
    o->dropout = spec.dropout;
    if (lb_tape_get_mode(t) == LB_TAPE_SHAPES) return lb_tape_ok(t);
    lb_rng *rng = lb_tape_rng(t);
    if (!rng) lb_tape_fail(t, LB_E_ARG, "attention: the tape trains with dropout but has no generator");
    for (int i = 0; rng && i < 2; i++) o->key[i] = lb_rng_u32(rng);
    return lb_tape_ok(t);
}

/* ---- the plan ---- */

/* Rows as they lie, or transposed, or a copy. */
static bool rows_of(lbi_attend_rows *r, lb_call *c, const lb_tensor *x) {
    int64_t rows = x->shape[2], width = x->shape[3], step = x->stride[2], across = x->stride[3];
    *r = (lbi_attend_rows){x->data, x->stride[0], x->stride[1], step, false};
    if ((across == 1 || width <= 1) && (step >= width || rows <= 1)) {
        if (rows <= 1 || r->ld < 1) r->ld = width > 0 ? width : 1;
        return true;
    }
    if ((step == 1 || rows <= 1) && across >= rows) {
        r->ld = across;
        r->transposed = true;
        return true;
    }
    lb_real *copy = lb_scratch(c, (size_t)(lb_numel(x) + 1) * sizeof *copy);
    if (!copy) return false;
    lbi_gather_strided(copy, x);
    *r = (lbi_attend_rows){copy, x->shape[1] * rows * width, rows * width, width, false};
    return true;
}

bool lbi_attend_plan(lbi_attend *a, lb_call *c, bool values) {
    const lb_tensor *q = c->in[0], *k = c->in[1];
    int at = values ? 3 : 2;
    *a = (lbi_attend){.call = c, .o = c->params, .n = q->shape[0], .h = q->shape[1], .g = k->shape[1], .l = q->shape[2], .s = k->shape[2], .d = q->shape[3]};
    a->bias = c->in[at];
    a->mask = c->in[at + 1];
    a->relative = c->in[at + 2];
    a->to_bias = a->bias ? c->gin[at] : NULL;
    a->to_relative = a->relative ? c->gin[at + 2] : NULL;
    if (values) a->e = c->in[2]->shape[3];
    return rows_of(&a->q, c, q) && rows_of(&a->k, c, k) && (!values || rows_of(&a->v, c, c->in[2]));
}

const lb_real *lbi_attend_row(const lbi_attend_rows *x, int64_t n, int64_t h, int64_t row) { return x->data + n * x->step_n + h * x->step_h + row * (x->transposed ? 1 : x->ld); }

lbi_attend_place lbi_attend_place_of(const lb_tensor *x, int64_t n, int64_t h, int64_t l, int64_t s) {
    const int64_t at[4] = {n, h, l, s};
    lbi_attend_place p = {0};
    for (int i = 0; i < x->rank; i++) {
        int64_t index = at[i + 4 - x->rank], size = x->shape[i];
        p.at += (index < size ? index : index % size) * x->stride[i];
    }
    if (x->rank > 0 && x->shape[x->rank - 1] > 1) p.step_s = x->stride[x->rank - 1];
    if (x->rank > 1 && x->shape[x->rank - 2] > 1) p.step_l = x->stride[x->rank - 2];
    return p;
}

int64_t lbi_attend_result_at(const lbi_attend *a, int64_t n, int64_t h, int64_t l, int64_t *ld) {
    *ld = a->o->merge ? a->h * a->e : a->e;
    return a->o->merge ? (n * a->l + l) * a->h * a->e + h * a->e : ((n * a->h + h) * a->l + l) * a->e;
}

lb_real *lbi_attend_result_row(const lbi_attend *a, const lb_tensor *y, int64_t n, int64_t h, int64_t l, int64_t *ld) {
    return lb_r(y) + lbi_attend_result_at(a, n, h, l, ld);
}

/* Of the relative bias: element of head h for query l and key s. */
static int64_t offset_of(const lbi_attend *a, const lb_tensor *x, int64_t h, int64_t l, int64_t s) { return (x->shape[0] > 1 ? h : 0) * x->stride[0] + (s - l + a->l - 1) * x->stride[1]; }

/* ---- which keys ---- */

void lbi_attend_sight(const lbi_attend *a, int64_t first, int64_t last, int64_t *lo, int64_t *hi) {
    const lbi_attend_options *o = a->o;
    int64_t shift = a->s - a->l + o->shift; /* where query 0 stands among the keys */
    *lo = 0;
    *hi = a->s;
    if (o->causal) *hi = last + shift;
    else if (o->window > 0) *hi = last - 1 + shift + o->window;
    if (o->window > 0) *lo = first + shift - o->window + 1;
    *hi = *hi > a->s ? a->s : *hi < 0 ? 0 : *hi;
    *lo = *lo < 0 ? 0 : *lo > *hi ? *hi : *lo;
}

static void fill(lb_real *row, int64_t from, int64_t to, int64_t n) {
    from = from < 0 ? 0 : from;
    to = to > n ? n : to;
    for (int64_t i = from; i < to; i++) row[i] = -INFINITY;
}

/* ---- tiles ---- */

void lbi_attend_scores(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, int64_t s0, int64_t cols, lb_real *m, lb_real *slope, int64_t ld) {
    const lbi_attend_options *o = a->o;
    int64_t lo, hi, prefix = o->prefix;
    lbi_gemm(a->q.transposed, !a->k.transposed, rows, cols, a->d, lbi_attend_row(&a->q, n, h, l0), a->q.ld, lbi_attend_row(&a->k, n, h * a->g / a->h, s0), a->k.ld, 0, m, ld);
    for (int64_t i = 0; i < rows; i++) {
        lb_real *row = m + i * ld;
        if (o->softcap > 0) lbi_attend_cap(row, cols, (lb_real)o->scale, (lb_real)o->softcap, slope ? slope + i * ld : NULL);
        else lbi_attend_scale(row, cols, (lb_real)o->scale);
        if (a->bias) {
            lbi_attend_place p = lbi_attend_place_of(a->bias, n, h, l0 + i, s0);
            lbi_attend_add(row, cols, lb_r(a->bias) + p.at, p.step_s);
        }
        if (a->relative) lbi_attend_add(row, cols, lb_r(a->relative) + offset_of(a, a->relative, h, l0 + i, s0), a->relative->stride[1]);
        if (a->mask) {
            lbi_attend_place p = lbi_attend_place_of(a->mask, n, h, l0 + i, s0);
            int64_t bytes = (int64_t)lb_dtype_size(a->mask->dtype);
            lbi_attend_hide(row, cols, (const char *)a->mask->data + p.at * bytes, (int)bytes, p.step_s);
        }
        if (!o->causal && o->window == 0) continue;
        lbi_attend_sight(a, l0 + i, l0 + i + 1, &lo, &hi);
        fill(row, prefix - s0, lo - s0, cols);
        fill(row, (hi > prefix ? hi : prefix) - s0, cols, cols);
    }
}

/* One Philox block for four keys of a query. */
static void draw(const lbi_attend *a, int64_t n, int64_t h, int64_t l, int64_t s, uint32_t word[4]) {
    int64_t map = n * a->h + h;
    const uint32_t counter[4] = {(uint32_t)(s / 4), (uint32_t)l, (uint32_t)map, (uint32_t)((uint64_t)map >> 32)};
    lb_philox(counter, a->o->key, word);
}

static uint32_t limit_of(const lbi_attend *a) { return (uint32_t)(a->o->dropout * 4294967295.0); }

void lbi_attend_drop(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, int64_t s0, int64_t cols, lb_real *m, int64_t ld) {
    uint32_t limit = limit_of(a), word[4] = {0};
    lb_real up = (lb_real)(1 / (1 - a->o->dropout));
    if (a->o->dropout == 0) return;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            if (j == 0 || (s0 + j) % 4 == 0) draw(a, n, h, l0 + i, s0 + j, word);
            m[i * ld + j] *= word[(s0 + j) % 4] >= limit ? up : 0;
        }
}

double lbi_attend_kept(const lbi_attend *a, int64_t n, int64_t h, int64_t l, int64_t s) {
    uint32_t word[4];
    if (a->o->dropout == 0) return 1;
    draw(a, n, h, l, s, word);
    return word[s % 4] >= limit_of(a) ? 1 / (1 - a->o->dropout) : 0;
}

void lbi_attend_back_biases(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, int64_t s0, int64_t cols, const lb_real *ds, int64_t ld) {
    for (int64_t i = 0; i < rows; i++) {
        const lb_real *row = ds + i * ld;
        if (a->to_bias) {
            lbi_attend_place p = lbi_attend_place_of(a->to_bias, n, h, l0 + i, s0);
            lb_real *to = lb_r(a->to_bias) + p.at;
            if (p.step_s == 1) lbi_attend_add(to, cols, row, 1);
            else
                for (int64_t j = 0; j < cols; j++) to[j * p.step_s] += row[j];
        }
        if (a->to_relative) lbi_attend_add(lb_r(a->to_relative) + offset_of(a, a->to_relative, h, l0 + i, s0), cols, row, 1);
    }
}

void lbi_attend_back_tile(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, int64_t s0, int64_t cols, lb_real *ds, const lb_real *slope, int64_t ld) {
    lbi_attend_back_biases(a, n, h, l0, rows, s0, cols, ds, ld);
    for (int64_t i = 0; i < rows; i++) {
        lb_real *row = ds + i * ld;
        if (slope) lbi_attend_times(row, slope + i * ld, cols);
        lbi_attend_scale(row, cols, (lb_real)a->o->scale);
    }
}

/* Does a gradient get sums over samples, over heads? */
static void sharing(const lbi_attend *a, const lb_tensor *x, bool *samples, bool *heads) {
    *samples = *samples || x->rank < 4 || x->shape[0] < a->n;
    *heads = *heads || x->rank < 3 || x->shape[x->rank - 3] < a->h;
}

lbi_attend_units lbi_attend_units_of(const lbi_attend *a) {
    bool samples = false, heads = false;
    if (a->to_bias) sharing(a, a->to_bias, &samples, &heads);
    if (a->to_relative) {
        samples = true;
        heads = heads || a->to_relative->shape[0] < a->h;
    }
    return (lbi_attend_units){(samples ? 1 : a->n) * (heads ? 1 : a->g), !samples, !heads};
}

lbi_attend_span lbi_attend_unit(const lbi_attend *a, const lbi_attend_units *units, int64_t u) {
    lbi_attend_span x = {0, a->n, 0, a->h};
    if (units->by_sample) {
        x.n0 = units->by_head ? u / a->g : u;
        x.n1 = x.n0 + 1;
    }
    if (units->by_head) {
        x.h0 = u % a->g * (a->h / a->g);
        x.h1 = x.h0 + a->h / a->g;
    }
    return x;
}

lb_real *lbi_attend_grad_row(lb_tensor *g, int64_t n, int64_t h, int64_t row) { return lb_r(g) + ((n * g->shape[1] + h) * g->shape[2] + row) * g->shape[3]; }

void lbi_attend_clear(const lbi_attend *a, int i, int64_t n, int64_t h, int64_t row, int64_t rows) {
    lb_tensor *g = a->call->gin[i];
    if (g && a->call->fresh[i] && rows * g->shape[3] > 0) memset(lbi_attend_grad_row(g, n, h, row), 0, (size_t)(rows * g->shape[3]) * sizeof(lb_real));
}

void lbi_attend_clear_group(const lbi_attend *a, int64_t n, int64_t group) {
    int64_t share = a->h / a->g;
    for (int64_t h = group * share; h < (group + 1) * share; h++) lbi_attend_clear(a, 0, n, h, 0, a->l);
    for (int i = 1; i < 3; i++) lbi_attend_clear(a, i, n, group, 0, a->s);
}

int lbi_attend_threads(const lbi_attend *a, int64_t pieces, int64_t width) {
    double work = (double)(a->n * a->h * a->l) * (double)(a->s * width);
    return pieces < 2 || work < 2e5 ? 1 : omp_get_max_threads();
}

/* ---- the plain definition ---- */

static bool sees(const lbi_attend *a, int64_t n, int64_t h, int64_t l, int64_t s) {
    const lbi_attend_options *o = a->o;
    int64_t behind = l + a->s - a->l + o->shift - s;
    if (a->mask) {
        int64_t at = lbi_attend_place_of(a->mask, n, h, l, s).at;
        if (!(a->mask->dtype == LB_I64 ? ((const int64_t *)a->mask->data)[at] : ((const uint8_t *)a->mask->data)[at])) return false;
    }
    if (s < o->prefix) return true;
    if (o->causal && behind < 0) return false;
    return o->window == 0 || (behind < 0 ? -behind : behind) < o->window;
}

static double score(const lbi_attend *a, int64_t n, int64_t h, int64_t l, int64_t s) {
    const lb_tensor *q = a->call->in[0], *k = a->call->in[1];
    const lb_real *x = lb_r(q) + n * q->stride[0] + h * q->stride[1] + l * q->stride[2];
    const lb_real *y = lb_r(k) + n * k->stride[0] + h * a->g / a->h * k->stride[1] + s * k->stride[2];
    double sum = 0;
    for (int64_t d = 0; d < a->d; d++) sum += (double)x[d * q->stride[3]] * (double)y[d * k->stride[3]];
    sum *= a->o->scale;
    if (a->o->softcap > 0) sum = a->o->softcap * tanh(sum / a->o->softcap);
    if (a->bias) sum += (double)lb_r(a->bias)[lbi_attend_place_of(a->bias, n, h, l, s).at];
    if (a->relative) sum += (double)lb_r(a->relative)[offset_of(a, a->relative, h, l, s)];
    return sum;
}

double lbi_attend_reference(const lbi_attend *a, int64_t n, int64_t h, int64_t l, double *p) {
    double top = -INFINITY, sum = 0;
    for (int64_t s = 0; s < a->s; s++) {
        p[s] = sees(a, n, h, l, s) ? score(a, n, h, l, s) : -INFINITY;
        top = fmax(top, p[s]);
    }
    for (int64_t s = 0; s < a->s; s++) sum += p[s] = p[s] == -INFINITY ? 0 : exp(p[s] - top);
    for (int64_t s = 0; s < a->s; s++) p[s] = sum == 0 ? 0 : p[s] / sum;
    return sum == 0 ? INFINITY : top + log(sum);
}
