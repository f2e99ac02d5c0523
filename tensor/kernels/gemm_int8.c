/* SPDX-License-Identifier: Apache-2.0 */
/* W is packed in panels of nr rows, [lanes][nr], with a scale and the sum of a row, which A's zero is taken times. A is rounded and packed whole
 * before the product, its size being a quarter or half of what it was; then tasks, blocks of C, are taken in turn. Floor: multiply-adds, with two
 * passes over A and one over C in memory. */
#include "tensor/kernels/gemm_int8.h"
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

enum { MOST = 127, LEVELS = 254, LONGEST = 65536 / 4, COLUMNS = 512, BLOCK = 256 << 10, FEW = 1 << 19 };
/* LONGEST: k for which no sum leaves 32 bits is four times that; LEVELS: one less than there are, since both ends may be rounded up; BLOCK: bytes of A of a task; FEW: multiply-adds below which one thread is enough */

static int64_t lanes_of(const lbi_int8_kernel *g, int64_t k) { return (k + g->depth - 1) / g->depth; }

#ifdef __x86_64__
const lbi_int8_kernel *const lbi_int8_kernels[LBI_INT8_KERNELS] = {&lbi_int8_avx2, &lbi_int8_avxvnni, &lbi_int8_avx512vnni};
#else
const lbi_int8_kernel *const lbi_int8_kernels[LBI_INT8_KERNELS] = {NULL};
#endif

static const lbi_int8_kernel *chosen;
static void choose(void) {
    int most = lbi_cpu() >= LBI_CPU_AVX512 ? LBI_INT8_KERNELS : lbi_cpu() >= LBI_CPU_AVX2 ? LBI_INT8_KERNELS - 1 : 0;
    for (int i = 0; i < most; i++)
        if (lbi_int8_kernels[i] && lbi_int8_kernels[i]->usable()) chosen = lbi_int8_kernels[i];
}

const lbi_int8_kernel *lbi_int8_kernel_now(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return chosen;
}

/* ---- rounding ---- */

/* Least and largest number, or 0 where that is beyond. NaN in *least if any is not finite. */
LBI_LEVELS static void extent(const float *restrict x, int64_t n, float *least_number, float *most_number) {
    float top[16] = {0}, bottom[16] = {0}, none[16] = {0}, most = 0, low = 0, sum = 0;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) {
            top[k] = x[i + k] > top[k] ? x[i + k] : top[k];
            bottom[k] = x[i + k] < bottom[k] ? x[i + k] : bottom[k];
            none[k] += x[i + k] * 0; /* not 0 if it is not finite */
        }
    for (; i < n; i++) {
        most = x[i] > most ? x[i] : most;
        low = x[i] < low ? x[i] : low;
        sum += x[i] * 0;
    }
    for (int k = 0; k < 16; k++) {
        most = top[k] > most ? top[k] : most;
        low = bottom[k] < low ? bottom[k] : low;
        sum += none[k];
    }
    *least_number = sum == 0 ? low : NAN;
    *most_number = most;
}

/* To the nearest whole number, ties to even; |x| below 2^22. */
static inline __attribute__((always_inline)) int32_t whole(float x) {
    float y = x + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &y, sizeof bits);
    return bits - 0x4b400000;
}

/* Two's complement where there is no zero. With a zero no number leaves 0..255. */
LBI_LEVELS static void round_8(uint8_t *restrict to, const float *restrict x, int64_t n, float by, int32_t zero) {
    for (int64_t i = 0; i < n; i++) to[i] = (uint8_t)(whole(x[i] * by) + zero);
}

LBI_LEVELS static void round_16(int16_t *restrict to, const float *restrict x, int64_t n, float by, int32_t zero) {
    for (int64_t i = 0; i < n; i++) to[i] = (int16_t)(whole(x[i] * by) + zero);
}

/* How a line is rounded: to whole(x by) + zero, times scale. by = 0: all numbers are 0, or (then the scale is NaN) not all finite. */
typedef struct grid {
    float scale, by;
    int32_t zero;
} grid;

/* of_a: with a zero, all levels between least and largest; else as far below 0 as above. */
static grid grid_of(const float *x, int64_t n, bool of_a) {
    float low, high;
    extent(x, n, &low, &high);
    float width = of_a ? high - low : high > -low ? high : -low, levels = of_a ? LEVELS : MOST;
    grid g = {.scale = width / levels};
    if (isnan(low)) g.scale = NAN;
    else if (g.scale > 0) g.by = levels / width;
    if (!isfinite(g.by) || !isfinite(g.scale)) g.by = 0;
    if (of_a && g.by != 0) g.zero = whole(-low * g.by);
    return g;
}

/* One line as lanes; those beyond k stay 0, W's being 0 there. */
static grid round_line(const lbi_int8_kernel *g, uint32_t *to, const float *x, int64_t k, bool of_a) {
    grid r = grid_of(x, k, of_a);
    int64_t lanes = lanes_of(g, k);
    if (r.by == 0) {
        memset(to, 0, (size_t)lanes * sizeof *to);
        return r;
    }
    to[lanes - 1] = 0;
    if (g->depth == 4) round_8((uint8_t *)to, x, k, r.by, r.zero);
    else round_16((int16_t *)to, x, k, r.by, r.zero);
    return r;
}

/* Lanes that round_panel needs. Turning lines on their side may write a few lanes beyond a panel whose width is no multiple of 8: into the next one's place,
 * which another thread may have filled. */
static int64_t spare_lanes(int width, int64_t lanes) { return (width % 8 ? 2 : 1) * width * lanes + 16; }

/* `count` <= width lines to one panel [lanes][width]. zero: of A; NULL for W. */
static void round_panel(const lbi_int8_kernel *g, uint32_t *to, float *scale, int32_t *zero, const float *x, int64_t count, int width, int64_t k, uint32_t *spare) {
    int64_t lanes = lanes_of(g, k);
    for (int64_t i = 0; i < count; i++) {
        grid r = round_line(g, spare + i * lanes, x + i * k, k, zero != NULL);
        scale[i] = r.scale;
        if (zero) zero[i] = r.zero;
    }
    uint32_t *turned = width % 8 ? spare + width * lanes : to;
    g->across((float *)turned, width, (const float *)spare, lanes, (int)count, lanes);
    if (turned != to) memcpy(to, turned, (size_t)(width * lanes) * sizeof *to);
}

/* ---- W ---- */

/* Packed W: panels, then scales [n], then sums [n], each on a cache line of its own. */
typedef struct weights {
    uint32_t *panels;
    float *scale;
    int32_t *sums;
    int64_t lanes, count;
} weights;

static size_t line(size_t bytes) { return (bytes + 63) / 64 * 64; }

static weights weights_at(const lbi_int8_kernel *g, void *at, int64_t n, int64_t k, size_t *bytes) {
    weights w = {.lanes = lanes_of(g, k), .count = lbi_panels(n, g->nr)};
    size_t panels = line((size_t)(w.count * g->nr * w.lanes) * 4 + 64), each = line((size_t)(w.count * g->nr) * 4);
    if (at) {
        w.panels = at;
        w.scale = (float *)(void *)((char *)at + panels);
        w.sums = (int32_t *)(void *)((char *)at + panels + each);
    }
    if (bytes) *bytes = panels + 2 * each;
    return w;
}

size_t lbi_int8_packed_size(const lbi_int8_kernel *g, int64_t n, int64_t k) {
    size_t bytes = 0;
    if (k < 1 || n < 1 || k > 4 * (int64_t)LONGEST) return 0;
    (void)weights_at(g, NULL, n, k, &bytes);
    return bytes;
}

/* Of the numbers of a line of W. */
static int32_t sum_of(const lbi_int8_kernel *g, const uint32_t *from, int64_t lanes) {
    int32_t sum = 0;
    for (int64_t i = 0; i < g->depth * lanes; i++) sum += g->depth == 4 ? ((const int8_t *)from)[i] : ((const int16_t *)from)[i];
    return sum;
}

bool lbi_int8_pack(const lbi_int8_kernel *g, void *to, const float *x, int64_t n, int64_t k) {
    weights w = weights_at(g, to, n, k, NULL);
    int64_t spare_size = spare_lanes(g->nr, w.lanes);
    int threads = omp_in_parallel() || n * k < FEW ? 1 : omp_get_max_threads();
    uint32_t *spare = lbi_work_take((size_t)(spare_size * threads) * sizeof *spare);
    if (!spare) return false;
    memset(w.scale, 0, (size_t)(w.count * g->nr) * sizeof *w.scale);
    memset(w.sums, 0, (size_t)(w.count * g->nr) * sizeof *w.sums);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t p = 0; p < w.count; p++) {
        uint32_t *mine = spare + omp_get_thread_num() * spare_size;
        int64_t first = p * g->nr, count = lbi_least(g->nr, n - first);
        round_panel(g, w.panels + p * g->nr * w.lanes, w.scale + first, NULL, x + first * k, count, g->nr, k, mine);
        for (int64_t j = 0; j < count; j++) w.sums[first + j] = sum_of(g, mine + j * w.lanes, w.lanes);
    }
    lbi_work_give(spare);
    return true;
}

/* ---- the product ---- */

typedef struct run {
    const lbi_int8_kernel *g;
    weights w;
    int64_t m, n, k, rows; /* rows: of a task */
    const float *a;
    uint32_t *packed;      /* A: panels of mr rows */
    float *scale;
    int32_t *zero;
    lbi_tile_end end;
    lb_act after;
    float *c;
    int64_t ldc;
} run;

static void task(const run *r, int64_t i0, int64_t j0) {
    const lbi_int8_kernel *g = r->g;
    int64_t i1 = lbi_least(i0 + r->rows, r->m), j1 = lbi_least(j0 + COLUMNS, r->n);
    for (int64_t j = j0; j < j1; j += g->nr)
        for (int64_t i = i0; i < i1; i += g->mr) {
            lbi_tile_end e = r->end;
            e.row_scale = r->scale + i;
            if (e.col_bias) e.col_bias += j;
            if (e.add) e.add += i * e.ld_add + j;
            g->tile(r->w.lanes, r->packed + i * r->w.lanes, r->w.panels + j * r->w.lanes, r->zero + i, r->w.sums + j, r->w.scale + j, r->c + i * r->ldc + j,
                    r->ldc, (int)lbi_least(g->mr, i1 - i), (int)lbi_least(g->nr, j1 - j), &e);
        }
    for (int64_t i = i0; r->after != LB_ACT_NONE && i < i1; i++) lbi_act_plane(r->after, r->c + i * r->ldc + j0, j1 - j0, 0);
}

bool lbi_int8_product(const lbi_int8_kernel *g, int64_t m, int64_t n, int64_t k, const float *a, const void *packed, const lbi_gemm_end *end, float *c, int64_t ldc) {
    union { const void *in; void *out; } at = {.in = packed};
    run r = {.g = g, .w = weights_at(g, at.out, n, k, NULL), .m = m, .n = n, .k = k, .a = a, .c = c, .ldc = ldc};
    int threads = omp_in_parallel() || m * n * k < FEW ? 1 : omp_get_max_threads();
    int64_t panels = lbi_panels(m, g->mr), spare_size = spare_lanes(g->mr, r.w.lanes), size = panels * g->mr * r.w.lanes + 16;
    uint32_t *work = lbi_work_take((size_t)(size + spare_size * threads + 2 * panels * g->mr + 64) * sizeof *work);
    if (!work) return false;
    r.end = lbi_tile_end_of(end, &r.after);
    r.packed = work;
    r.scale = (float *)(work + size);
    r.zero = (int32_t *)(work + size + panels * g->mr);
    int64_t fit = BLOCK / 4 / (r.w.lanes * g->mr), blocks = lbi_panels(n, COLUMNS), share = lbi_panels(panels * blocks, 4 * threads);
    r.rows = (fit < 1 ? 1 : threads > 1 && share < fit ? share : fit) * g->mr;
    int64_t row_blocks = lbi_panels(m, (int)r.rows);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        uint32_t *spare = work + size + 2 * panels * g->mr + 16 + omp_get_thread_num() * spare_size;
#pragma omp for schedule(static)
        for (int64_t p = 0; p < panels; p++) {
            uint32_t *to = r.packed + p * g->mr * r.w.lanes;
            round_panel(g, to, r.scale + p * g->mr, r.zero + p * g->mr, a + p * g->mr * k, lbi_least(g->mr, m - p * g->mr), g->mr, k, spare);
        }
#pragma omp for schedule(dynamic)
        for (int64_t t = 0; t < row_blocks * blocks; t++) task(&r, t % row_blocks * r.rows, t / row_blocks * COLUMNS);
    }
    lbi_work_give(work);
    return true;
}

/* ---- the definition ---- */

void lbi_int8_ref(int64_t m, int64_t n, int64_t k, const float *a, const float *w, const lbi_gemm_end *end, float *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++) {
        grid of_a = grid_of(a + i * k, k, true);
        for (int64_t j = 0; j < n; j++) {
            grid of_w = grid_of(w + j * k, k, false);
            int64_t sum = 0;
            for (int64_t p = 0; p < k && of_a.by != 0 && of_w.by != 0; p++) sum += (int64_t)whole(a[i * k + p] * of_a.by) * whole(w[j * k + p] * of_w.by);
            c[i * ldc + j] = (float)sum * of_w.scale * of_a.scale + (end->col_bias ? end->col_bias[j] : 0) + (end->add ? end->add[i * end->ld_add + j] : 0);
        }
        lbi_act_plane(end->act, c + i * ldc, n, 0);
    }
}
#endif
