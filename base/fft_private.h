/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a transform, written once and made twice: of single numbers (base/fft.c), and of LBI_FFT_LANES numbers side by side
 * (base/fft_lanes.c defines it), a transform in each lane. Private to base/fft*.c. */
#ifndef LB_BASE_FFT_PRIVATE_H
#define LB_BASE_FFT_PRIVATE_H
#include "base/fft.h"

enum { LBI_FFT_FACTORS = 32, LBI_FFT_PRIME = 13 };

struct lb_fft {
    int64_t n;
    int count, factor[LBI_FFT_FACTORS];
    double *turn; /* n pairs: exp(-2 pi i k / n) */
    double *half; /* n pairs: exp(-pi i k / (2 n)), for cosines */
    /* Bluestein, when count is 0 and n > 1: */
    lb_fft *inner; /* of a power of two, at least 2 n - 1 */
    double *chirp, *spectrum; /* n pairs exp(-pi i k^2 / n); transform of their conjugates over the inner length */
};

#ifdef LBI_FFT_LANES
typedef double number __attribute__((vector_size(8 * LBI_FFT_LANES), aligned(8), may_alias));
#else
typedef double number;
#endif

/* Made for several instruction levels, without fused products: equal bits at every level. */
#if defined(__GNUC__)
#define LBI_FFT_WITHIN static inline __attribute__((always_inline))
#else
#define LBI_FFT_WITHIN static inline
#endif

typedef struct complex {
    number re, im;
} complex;

typedef struct turn {
    double re, im;
} turn;

LBI_FFT_WITHIN complex times(complex a, turn b) { return (complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
LBI_FFT_WITHIN complex plus(complex a, complex b) { return (complex){a.re + b.re, a.im + b.im}; }
LBI_FFT_WITHIN complex minus(complex a, complex b) { return (complex){a.re - b.re, a.im - b.im}; }
LBI_FFT_WITHIN complex down(complex a) { return (complex){a.im, -a.re}; } /* times -i */

/* r results of r inputs; w: exp(-2 pi i k / r) from the table of the whole length, `every` apart. */
LBI_FFT_WITHIN void butterfly(int r, complex *b, const complex *a, const double *turns, int64_t every) {
    if (r == 2) {
        b[0] = plus(a[0], a[1]);
        b[1] = minus(a[0], a[1]);
    } else if (r == 3) {
        complex s = plus(a[1], a[2]), d = down(minus(a[1], a[2])), m = {a[0].re - 0.5 * s.re, a[0].im - 0.5 * s.im};
        d = (complex){d.re * 0.86602540378443864676, d.im * 0.86602540378443864676};
        b[0] = plus(a[0], s);
        b[1] = plus(m, d);
        b[2] = minus(m, d);
    } else if (r == 4) {
        complex s = plus(a[0], a[2]), d = minus(a[0], a[2]), t = plus(a[1], a[3]), e = down(minus(a[1], a[3]));
        b[0] = plus(s, t);
        b[1] = plus(d, e);
        b[2] = minus(s, t);
        b[3] = minus(d, e);
    } else if (r == 5) {
        const double c1 = 0.30901699437494742410, c2 = -0.80901699437494742410, s1 = 0.95105651629515357212, s2 = 0.58778525229247312917; /* of 72 and 144 degrees */
        complex t = plus(a[1], a[4]), u = plus(a[2], a[3]), d = minus(a[1], a[4]), e = minus(a[2], a[3]);
        complex m = {a[0].re + c1 * t.re + c2 * u.re, a[0].im + c1 * t.im + c2 * u.im}, n = {a[0].re + c2 * t.re + c1 * u.re, a[0].im + c2 * t.im + c1 * u.im};
        complex f = down((complex){s1 * d.re + s2 * e.re, s1 * d.im + s2 * e.im}), g = down((complex){s2 * d.re - s1 * e.re, s2 * d.im - s1 * e.im});
        b[0] = plus(a[0], plus(t, u));
        b[1] = plus(m, f);
        b[2] = plus(n, g);
        b[3] = minus(n, g);
        b[4] = minus(m, f);
    } else {
        for (int j = 0; j < r; j++) {
            b[j] = a[0];
            for (int k = 1; k < r; k++) {
                const double *w = turns + 2 * every * (j * k % r);
                b[j] = plus(b[j], times(a[k], (turn){w[0], w[1]}));
            }
        }
    }
}

LBI_FFT_WITHIN void stage(int r, int64_t n, int64_t m, int64_t s, const double *turns, const complex *restrict x, complex *restrict y) {
    for (int64_t p = 0; p < m; p++) {
        turn w[LBI_FFT_PRIME];
        for (int j = 0; j < r; j++) w[j] = (turn){turns[2 * (p * j * s)], turns[2 * (p * j * s) + 1]}; /* p j s < m r s = n */
        for (int64_t q = 0; q < s; q++) {
            complex a[LBI_FFT_PRIME], b[LBI_FFT_PRIME];
            for (int k = 0; k < r; k++) a[k] = x[q + s * (p + m * k)];
            butterfly(r, b, a, turns, n / r);
            y[q + s * r * p] = b[0];
            for (int j = 1; j < r; j++) y[q + s * (r * p + j)] = times(b[j], w[j]);
        }
    }
}

/* Forward transform of x; the result is in x or in work. */
LBI_FFT_WITHIN complex *lbi_fft_stages(const lb_fft *p, complex *x, complex *work) {
    complex *from = x, *to = work;
    int64_t rest = p->n, s = 1;
    for (int i = 0; i < p->count; i++) {
        int r = p->factor[i];
        rest /= r;
        switch (r) { /* the radix known: its loops are unrolled */
        case 2: stage(2, p->n, rest, s, p->turn, from, to); break;
        case 3: stage(3, p->n, rest, s, p->turn, from, to); break;
        case 4: stage(4, p->n, rest, s, p->turn, from, to); break;
        case 5: stage(5, p->n, rest, s, p->turn, from, to); break;
        default: stage(r, p->n, rest, s, p->turn, from, to); break;
        }
        s *= r;
        complex *keep = from;
        from = to;
        to = keep;
    }
    return from;
}

#endif
