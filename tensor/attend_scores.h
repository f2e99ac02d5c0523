/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of scores with queries side by side, [keys][nr]: everything about them that is no product. Float. Private to tensor/. */
#ifndef LB_TENSOR_ATTEND_SCORES_H
#define LB_TENSOR_ATTEND_SCORES_H
#include "tensor/attend.h"
#include "tensor/kernels/attend.h"
#include "tensor/kernels/gemm_kernel.h"
#ifndef LB_DOUBLE

typedef struct lbi_scores {
    const lbi_attend *a;
    const lbi_gemm_kernel *g; /* nr: queries of a row of a tile */
} lbi_scores;

/* Queries l0..l0+count-1 of map (n, h), keys s0..s0+cols-1. */
typedef struct lbi_scores_at {
    int64_t n, h, l0, count, s0, cols;
    int width; /* lanes that are computed */
} lbi_scores_at;

/* What queries have seen so far: largest score, sum of exponentials. */
typedef struct lbi_scores_sums {
    float most[LBI_NR_MAX], sum[LBI_NR_MAX];
} lbi_scores_sums;

/* Numbers of a buffer, whole cache lines; packing writes up to 16 beyond. */
static inline int64_t lbi_scores_room(int64_t n) { return (n + 16 + 15) / 16 * 16; }
/* The next `n` numbers of memory that begins at `at`; NULL when only sizes are asked for. */
static inline float *lbi_scores_part(float *at, int64_t *used, int64_t n) {
    float *x = at ? at + *used : NULL;
    *used += lbi_scores_room(n);
    return x;
}
/* Of `count` queries, the lanes that are computed. */
static inline int lbi_scores_width(int64_t count) { return (int)((count + LBI_ATTEND_LANES - 1) / LBI_ATTEND_LANES * LBI_ATTEND_LANES); }

/** From scale q k^T to scores. slope: NULL, or with a soft cap its derivative. spare: two tiles. */
void lbi_scores_dress(const lbi_scores *p, const lbi_scores_at *at, float *m, float *slope, float *spare);
/** The dropout of weights. rows: room for a tile. */
void lbi_scores_drop(const lbi_scores *p, const lbi_scores_at *at, float *m, float *rows);

void lbi_scores_begin(lbi_scores_sums *s);
/** Takes the largest of a tile into account; what there is of sums and of result [E][nr] fades (first: there is none). shift: what is taken from scores before exp. */
void lbi_scores_top(const lbi_scores *p, const lbi_scores_at *at, const float *scores, lbi_scores_sums *s, float *result, bool first, float shift[LBI_NR_MAX]);
/** result [E][nr] by sums to rows of y, and the logarithm of each sum. spare: [nr][E] */
void lbi_scores_give(const lbi_scores *p, const lbi_scores_at *at, float *result, const lbi_scores_sums *s, float *spare);
/** dq [D][nr], times scale, to the gradient of the queries of `at`. spare: [nr][D] */
void lbi_scores_give_dq(const lbi_scores *p, const lbi_scores_at *at, float *dq, float *spare);
/** Gradients of biases by those of a tile of scores; then times slope, if there is one. rows: room for a tile. */
void lbi_scores_back(const lbi_scores *p, const lbi_scores_at *at, float *ds, const float *slope, float *rows);

#endif
#endif
