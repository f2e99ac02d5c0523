/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/loops.h"
#include <omp.h>
#include <string.h>
#include "base/cpu.h"
#include "base/threads.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/sum.h"
#include "tensor/last.h"
#include "tensor/parts.h"

typedef struct plan {
    int rank, count;
    int64_t shape[LB_MAX_RANK], total;
    int64_t stride[LBI_LOOP_MAX][LB_MAX_RANK]; /* bytes */
    char *base[LBI_LOOP_MAX];
} plan;

/* Can axis b follow axis a as one? */
static bool joins(const plan *p, const int64_t step[LBI_LOOP_MAX], int64_t size) {
    for (int k = 0; k < p->count; k++)
        if (p->stride[k][p->rank - 1] != step[k] * size) return false;
    return true;
}

static void make_plan(plan *p, int rank, const int64_t *shape, int count, const lb_tensor *const *x) {
    p->rank = 0;
    p->count = count;
    p->total = 1;
    for (int k = 0; k < count; k++) p->base[k] = x[k]->data;
    for (int i = 0; i < rank; i++) {
        int64_t step[LBI_LOOP_MAX];
        p->total *= shape[i];
        if (shape[i] == 1) continue;
        for (int k = 0; k < count; k++) {
            int at = i - (rank - x[k]->rank);
            step[k] = at < 0 || x[k]->shape[at] == 1 ? 0 : x[k]->stride[at] * (int64_t)lb_dtype_size(x[k]->dtype);
        }
        bool join = p->rank > 0 && joins(p, step, shape[i]);
        if (join) p->shape[p->rank - 1] *= shape[i];
        else p->shape[p->rank++] = shape[i];
        for (int k = 0; k < count; k++) p->stride[k][p->rank - 1] = step[k];
    }
    if (p->rank == 0) {
        p->rank = 1;
        p->shape[0] = 1;
        for (int k = 0; k < count; k++) p->stride[k][0] = 0;
    }
}

/* Rows first..last-1 of the outer axes, elements from..to-1 of each. */
static void walk_rows(const plan *p, int64_t first, int64_t last, int64_t from, int64_t to, lb_row row, const void *ctx) {
    int inner = p->rank - 1;
    int64_t index[LB_MAX_RANK], step[LBI_LOOP_MAX], rest = first;
    char *at[LBI_LOOP_MAX];
    for (int k = 0; k < p->count; k++) {
        step[k] = p->stride[k][inner];
        at[k] = p->base[k] + from * step[k];
    }
    for (int i = inner - 1; i >= 0; i--) {
        index[i] = rest % p->shape[i];
        rest /= p->shape[i];
        for (int k = 0; k < p->count; k++) at[k] += index[i] * p->stride[k][i];
    }
    for (int64_t r = first; r < last; r++) {
        row(ctx, to - from, at, step);
        for (int i = inner - 1; i >= 0; i--) {
            for (int k = 0; k < p->count; k++) at[k] += p->stride[k][i];
            if (++index[i] < p->shape[i]) break;
            for (int k = 0; k < p->count; k++) at[k] -= index[i] * p->stride[k][i];
            index[i] = 0;
        }
    }
}

void lbi_walk(int rank, const int64_t *shape, int count, const lb_tensor *const *x, lb_row row, const void *ctx) {
    plan p;
    make_plan(&p, rank, shape, count, x);
    if (p.total == 0) return;
    int64_t n = p.shape[p.rank - 1], rows = p.total / n, pieces = p.total / LBI_GRAIN;
    int threads = lb_threads();
    if (pieces < 2 || threads < 2) {
        walk_rows(&p, 0, rows, 0, n, row, ctx);
        return;
    }
    if (pieces > threads) pieces = threads;
    if (rows >= pieces) {
#pragma omp parallel for num_threads(threads)
        for (int64_t i = 0; i < pieces; i++)
            walk_rows(&p, rows * i / pieces, rows * (i + 1) / pieces, 0, n, row, ctx);
        return;
    }
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < pieces; i++)
        walk_rows(&p, 0, rows, n * i / pieces, n * (i + 1) / pieces, row, ctx);
}

bool lbi_broadcast(const lb_tensor *a, const lb_tensor *b, lb_tensor *out) {
    int rank = a->rank > b->rank ? a->rank : b->rank;
    out->rank = rank;
    for (int i = 1; i <= rank; i++) {
        int64_t m = i <= a->rank ? a->shape[a->rank - i] : 1, n = i <= b->rank ? b->shape[b->rank - i] : 1;
        if (m != n && m != 1 && n != 1) return false;
        out->shape[rank - i] = m == 1 ? n : m;
    }
    return true;
}

void lbi_split(int64_t n, int64_t cost, void (*run)(const void *ctx, int64_t first, int64_t last), const void *ctx) {
    int threads = lb_threads();
    int64_t pieces = n < threads ? n : threads;
    if (n <= 0) return;
    if (pieces < 2 || n * (cost > 0 ? cost : 1) < 2 * LBI_GRAIN) {
        run(ctx, 0, n);
        return;
    }
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < pieces; i++) run(ctx, n * i / pieces, n * (i + 1) / pieces);
}

void lbi_each(int64_t n, int threads, void (*one)(const void *ctx, int64_t i, int thread), const void *ctx) {
    if (threads < 2) {
        for (int64_t i = 0; i < n; i++) one(ctx, i, 0);
        return;
    }
#pragma omp parallel
    for (int64_t me = omp_get_thread_num(), i = n * me / threads; me < threads && i < n * (me + 1) / threads; i++) one(ctx, i, (int)me);
}

/* ---- sums over broadcast axes ---- */

typedef struct reduction {
    int kept, gone;
    int64_t kept_shape[LB_MAX_RANK], kept_g[LB_MAX_RANK]; /* sizes and steps in g of the axes that stay, in order */
    int64_t gone_shape[LB_MAX_RANK], gone_g[LB_MAX_RANK];
    int64_t inner; /* elements summed for each result */
    const lb_real *g;
    lb_real *to, factor;
    bool fresh;
} reduction;

static void push_axis(int64_t *shape, int64_t *stride, int *n, int64_t size, int64_t step) {
    if (*n > 0 && stride[*n - 1] == step * size) {
        shape[*n - 1] *= size;
        stride[*n - 1] = step;
        return;
    }
    shape[*n] = size;
    stride[(*n)++] = step;
}

static int64_t place(int n, const int64_t *shape, const int64_t *stride, int64_t flat) {
    int64_t at = 0;
    for (int i = n - 1; i > 0; i--) {
        at += flat % shape[i] * stride[i];
        flat /= shape[i];
    }
    return n > 0 ? at + flat * stride[0] : 0;
}

static inline __attribute__((always_inline)) void halve(double *part, const int half) {
#pragma GCC unroll 1
    for (int k = 0; k < half; k++) part[k] += part[k + half];
}

/* Sums side by side, so that the compiler may use vectors and they do not wait for each other. */
LBI_LEVELS static double sum_row(const lb_real *p, int64_t n, int64_t step) {
    enum { LANES = 32, FEW = 4 };
    double few[FEW] = {0};
    int64_t i = 0;
    if (n < LANES) {
        for (; i + FEW <= n; i += FEW)
            for (int k = 0; k < FEW; k++) few[k] += (double)p[(i + k) * step];
        for (; i < n; i++) few[0] += (double)p[i * step];
        return (few[0] + few[1]) + (few[2] + few[3]);
    }
    double part[LANES] = {0}, sum = 0;
    if (step == 1)
        for (; i + LANES <= n; i += LANES) {
            lbi_fetch(p + i + LBI_FAR, LANES);
            for (int k = 0; k < LANES; k++) part[k] += (double)p[i + k];
        }
    for (; i < n; i++) sum += (double)p[i * step];
    halve(part, 16); /* each with a constant: loops over sizes go through memory; unrolled, they are numbers before vectors are made */
    halve(part, 8);
    halve(part, 4);
    halve(part, 2);
    return sum + (part[0] + part[1]);
}

double lbi_sum_row(const lb_real *p, int64_t n, int64_t step) {
#if defined(__x86_64__) && !defined(LB_DOUBLE)
    if (step == 1 && lbi_cpu() >= LBI_CPU_AVX512) return lbi_sum_avx512(p, n);
#endif
    return sum_row(p, n, step);
}

typedef struct total {
    const lb_real *x;
    int64_t n;
    double *sums;
} total;

enum { PIECE = 65536, MAX_PIECES = 256 };

static void sum_pieces(const void *ctx, int64_t first, int64_t last) {
    const total *t = ctx;
    for (int64_t i = first; i < last; i++) {
        int64_t from = i * PIECE, n = t->n - from < PIECE ? t->n - from : PIECE;
        t->sums[i % MAX_PIECES] = lbi_sum_row(t->x + from, n, 1);
    }
}

double lbi_total(const lb_real *x, int64_t n) {
    double sums[MAX_PIECES], sum = 0;
    for (int64_t at = 0; at < n; at += (int64_t)PIECE * MAX_PIECES) {
        total t = {x + at, n - at < (int64_t)PIECE * MAX_PIECES ? n - at : (int64_t)PIECE * MAX_PIECES, sums};
        int64_t pieces = (t.n + PIECE - 1) / PIECE;
        lbi_split(pieces, PIECE, sum_pieces, &t);
        for (int64_t i = 0; i < pieces; i++) sum += sums[i];
    }
    return sum;
}

/* Each result sums its elements in a fixed order, whatever the threads. */
static void reduce_each(const void *ctx, int64_t first, int64_t last) {
    const reduction *r = ctx;
    int64_t run = r->gone ? r->gone_shape[r->gone - 1] : 1, step = r->gone ? r->gone_g[r->gone - 1] : 0;
    for (int64_t o = first; o < last; o++) {
        const lb_real *from = r->g + place(r->kept, r->kept_shape, r->kept_g, o);
        double sum = 0;
        for (int64_t j = 0, runs = run > 0 ? r->inner / run : 0; j < runs; j++) sum += lbi_sum_row(from + place(r->gone - 1, r->gone_shape, r->gone_g, j), run, step);
        r->to[o] = (lb_real)((r->fresh ? 0 : (double)r->to[o]) + (double)r->factor * sum);
    }
}

enum { BLOCK = 64 };

/* When the last axis stays (a bias added to rows), whole pieces of rows are summed, so that memory is read in order. */
LBI_LEVELS static void reduce_rows(const void *ctx, int64_t first, int64_t last) {
    const reduction *r = ctx;
    int64_t width = r->kept_shape[r->kept - 1], blocks = (width + BLOCK - 1) / BLOCK;
    for (int64_t o = first; o < last; o++) {
        int64_t row = o / blocks, b = o % blocks * BLOCK, n = width - b < BLOCK ? width - b : BLOCK;
        const lb_real *from = r->g + place(r->kept - 1, r->kept_shape, r->kept_g, row) + b;
        double sum[BLOCK] = {0};
        int64_t j = 0;
        for (; j + 4 <= r->inner; j += 4) { /* four at a time, since sums go through memory */
            const lb_real *p[4];
            for (int i = 0; i < 4; i++) {
                p[i] = from + place(r->gone, r->gone_shape, r->gone_g, j + i);
                if (r->gone == 1) lbi_fetch(p[i] + 8 * r->gone_g[0], n);
            }
            for (int64_t k = 0; k < n; k++) sum[k] += ((double)p[0][k] + (double)p[1][k]) + ((double)p[2][k] + (double)p[3][k]);
        }
        for (; j < r->inner; j++) {
            const lb_real *p = from + place(r->gone, r->gone_shape, r->gone_g, j);
            for (int64_t k = 0; k < n; k++) sum[k] += (double)p[k];
        }
        lb_real *to = r->to + row * width + b;
        for (int64_t k = 0; k < n; k++)
            to[k] = (lb_real)((r->fresh ? 0 : (double)to[k]) + (double)r->factor * sum[k]);
    }
}

LBI_LEVELS static void add_all(const void *ctx, int64_t first, int64_t last) {
    const reduction *r = ctx;
    if (r->fresh)
        for (int64_t i = first; i < last; i++) r->to[i] = r->factor * r->g[i];
    else
        for (int64_t i = first; i < last; i++) r->to[i] += r->factor * r->g[i];
}

void lbi_reduce_to(lb_tensor *to, const lb_tensor *g, lb_real factor, bool fresh) {
    reduction r = {.g = lb_r(g), .to = lb_r(to), .factor = factor, .fresh = fresh, .inner = 1};
    int64_t n = lb_numel(to);
    for (int i = 0; i < g->rank; i++) {
        int at = i - (g->rank - to->rank);
        bool stays = at >= 0 && to->shape[at] == g->shape[i];
        if (!stays) r.inner *= g->shape[i];
        if (g->shape[i] == 1) continue;
        if (stays) push_axis(r.kept_shape, r.kept_g, &r.kept, g->shape[i], g->stride[i]);
        else push_axis(r.gone_shape, r.gone_g, &r.gone, g->shape[i], g->stride[i]);
    }
    if (n == 0) return;
    int64_t width = r.kept > 0 && r.kept_g[r.kept - 1] == 1 ? r.kept_shape[r.kept - 1] : 0;
    bool flat = lb_is_contiguous(g) || (n == 1 && lbi_is_last(g)); /* in the order of memory */
    if (r.gone == 0 && r.inner == 1 && flat) lbi_split(n, 1, add_all, &r);
    else if (n == 1 && flat)
        r.to[0] = (lb_real)((fresh ? 0 : (double)r.to[0]) + (double)factor * lbi_total(r.g, r.inner));
    else if (r.inner > 0 && width >= 8) lbi_split(n / width * ((width + BLOCK - 1) / BLOCK), r.inner * BLOCK, reduce_rows, &r);
    else lbi_split(n, r.inner, reduce_each, &r);
}

/* ---- copies and sums of views ---- */

static void copy8(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
    for (int64_t i = 0; i < n; i++) *(uint64_t *)(p[0] + i * s[0]) = *(const uint64_t *)(p[1] + i * s[1]);
}

static void copy4(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
    if (s[0] == 4 && s[1] == 4) {
        memcpy(p[0], p[1], (size_t)n * 4);
        return;
    }
    for (int64_t i = 0; i < n; i++) *(uint32_t *)(p[0] + i * s[0]) = *(const uint32_t *)(p[1] + i * s[1]);
}

static void copy_bytes(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
    const size_t *size = ctx;
    for (int64_t i = 0; i < n; i++) memcpy(p[0] + i * s[0], p[1] + i * s[1], *size);
}

void lbi_copy_view(lb_tensor *to, const lb_tensor *from) {
    size_t size = lb_dtype_size(to->dtype);
    const lb_tensor *x[] = {to, from};
    lbi_walk(to->rank, to->shape, 2, x, size == 8 ? copy8 : size == 4 ? copy4 : copy_bytes, &size);
}

typedef struct scaled {
    lb_real factor;
    bool fresh;
} scaled;

LBI_LEVELS static void add_row(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
    const scaled *f = ctx;
    const int64_t one = (int64_t)sizeof(lb_real);
    lb_real *restrict to = (lb_real *)p[0], k = f->factor;
    const lb_real *g = (const lb_real *)p[1];
    if (s[0] == one && s[1] == one && f->fresh)
        for (int64_t i = 0; i < n; i++) to[i] = k * g[i];
    else if (s[0] == one && s[1] == one)
        for (int64_t i = 0; i < n; i++) to[i] += k * g[i];
    else if (s[0] == one && s[1] == 0 && f->fresh)
        for (int64_t i = 0; i < n; i++) to[i] = k * *g;
    else if (s[0] == one && s[1] == 0)
        for (int64_t i = 0; i < n; i++) to[i] += k * *g;
    else if (f->fresh)
        for (int64_t i = 0; i < n; i++) *(lb_real *)(p[0] + i * s[0]) = k * *(const lb_real *)(p[1] + i * s[1]);
    else
        for (int64_t i = 0; i < n; i++) *(lb_real *)(p[0] + i * s[0]) += k * *(const lb_real *)(p[1] + i * s[1]);
}

void lbi_add_view(lb_tensor *to, const lb_tensor *g, lb_real factor, bool fresh) {
    const lb_tensor *x[] = {to, g};
    scaled f = {factor, fresh};
    if (fresh && factor == 1 && lb_same_shape(to, g) && lb_is_contiguous(to)) {
        lbi_gather_strided(to->data, g);
        return;
    }
    lbi_walk(to->rank, to->shape, 2, x, add_row, &f);
}

typedef struct bytes {
    char *to;
    const char *from;
} bytes;

static void copy_range(const void *ctx, int64_t first, int64_t last) {
    const bytes *b = ctx;
    memcpy(b->to + first, b->from + first, (size_t)(last - first));
}

void lbi_copy_bytes(void *to, const void *from, size_t n) {
    bytes b = {to, from};
    if (n > 0) lbi_split((int64_t)n, 1, copy_range, &b);
}

static void zero_range(const void *ctx, int64_t first, int64_t last) {
    const bytes *b = ctx;
    memset(b->to + first, 0, (size_t)(last - first));
}

void lbi_zero_bytes(void *to, size_t n) {
    bytes b = {to, NULL};
    if (n > 0) lbi_split((int64_t)n, 1, zero_range, &b);
}

void lbi_add_flat(lb_tensor *to, const lb_tensor *g, bool fresh) {
    reduction r = {.g = lb_r(g), .to = lb_r(to), .factor = 1, .fresh = fresh};
    int64_t n = lb_numel(to);
    if (fresh) lbi_copy_bytes(r.to, r.g, (size_t)n * sizeof(lb_real));
    else lbi_split(n, 1, add_all, &r);
}

typedef struct filling {
    lb_real *to, value;
} filling;

static void fill_range(const void *ctx, int64_t first, int64_t last) {
    const filling *f = ctx;
    lb_real *restrict to = f->to, value = f->value;
    for (int64_t i = first; i < last; i++) to[i] = value;
}

void lbi_fill(lb_tensor *to, double value) {
    int64_t n = lb_numel(to);
    if (to->dtype == LB_REAL) {
        lbi_split(n, 1, fill_range, &(filling){lb_r(to), (lb_real)value});
        return;
    }
    for (int64_t i = 0; i < n; i++)
        lb_convert((char *)to->data + (size_t)i * lb_dtype_size(to->dtype), to->dtype, &value, LB_F64, 1);
}

/* ---- axes ---- */

lbi_axes lbi_axes_of(const lb_tensor *x, int axis) {
    lbi_axes a = {axis, 1, x->shape[axis], 1};
    for (int i = 0; i < axis; i++) a.outer *= x->shape[i];
    for (int i = axis + 1; i < x->rank; i++) a.inner *= x->shape[i];
    return a;
}

int lbi_axis(lb_call *c, int axis, int rank) {
    if (axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
    lb_tape_fail(c->tape, LB_E_SHAPE, "axis %d of a tensor of rank %d", axis, rank);
    return -1;
}

int64_t lbi_inner(const lb_tensor *x) {
    int64_t n = 1;
    for (int d = 2; d < x->rank; d++) n *= x->shape[d];
    return n;
}

void lbi_like(lb_tensor *y, const lb_tensor *x) {
    y->rank = x->rank;
    memcpy(y->shape, x->shape, sizeof x->shape);
}
