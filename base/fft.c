/* SPDX-License-Identifier: Apache-2.0 */
/* Stockham's form of the mixed-radix transform (Cooley and Tukey 1965; Temperton 1983) needs no reordering: a stage of radix r on length n = r m and stride s
 * takes r inputs m s apart, and puts the r results s apart. Chirps: Bluestein 1970. Cosine transforms by one complex transform of a reordered
 * row (Makhoul 1980). */
#include <math.h>
#include <string.h>
#include "base/fft_private.h"

static const double pi = 3.14159265358979323846;

static void turns(double *to, int64_t n, double step) {
    for (int64_t k = 0; k < n; k++) {
        to[2 * k] = cos(step * (double)k);
        to[2 * k + 1] = -sin(step * (double)k);
    }
}

static bool factorise(lb_fft *p) {
    static const int radices[] = {4, 5, 3, 2, 7, 11, 13};
    int64_t rest = p->n;
    for (size_t i = 0; i < LB_COUNT(radices); i++)
        for (; rest % radices[i] == 0; rest /= radices[i]) p->factor[p->count++] = radices[i];
    if (rest == 1) return true;
    p->count = 0;
    return false;
}

static lb_status make_chirps(lb_fft *p) {
    lb_status st = LB_OK;
    int64_t m = 1;
    double *work = NULL;
    while (m < 2 * p->n - 1) m *= 2;
    LB_TRY(lb_fft_new(&p->inner, m));
    p->chirp = lb_alloc((size_t)(2 * p->n), sizeof(double));
    p->spectrum = lb_calloc((size_t)(2 * m), sizeof(double));
    work = lb_alloc((size_t)lb_fft_work(p->inner), sizeof *work);
    if (!p->chirp || !p->spectrum || !work) LB_TRY(LB_E_NOMEM);
    for (int64_t k = 0; k < p->n; k++) {
        double at = pi * (double)((uint64_t)k * (uint64_t)k % (uint64_t)(2 * p->n)) / (double)p->n; /* k^2 as an integer keeps its digits */
        p->chirp[2 * k] = cos(at);
        p->chirp[2 * k + 1] = -sin(at);
        for (int64_t to = k; to < m; to += k > 0 && to == k ? m - 2 * k : m) {
            p->spectrum[2 * to] = cos(at);
            p->spectrum[2 * to + 1] = sin(at);
        }
    }
    lb_fft_complex(p->inner, p->spectrum, false, work);
done:
    lb_free(work);
    return st;
}

lb_status lb_fft_new(lb_fft **out, int64_t n) {
    lb_status st = LB_OK;
    if (n < 1 || n > (int64_t)1 << 28) return lb_fail(LB_E_ARG, "a transform of length %lld: 1 to 2^28 wanted", (long long)n);
    lb_fft *p = lb_calloc(1, sizeof *p);
    if (!p) return LB_E_NOMEM;
    p->n = n;
    p->turn = lb_alloc((size_t)(2 * n), sizeof(double));
    p->half = lb_alloc((size_t)(2 * n), sizeof(double));
    if (!p->turn || !p->half) LB_TRY(LB_E_NOMEM);
    turns(p->turn, n, 2 * pi / (double)n);
    turns(p->half, n, pi / (2 * (double)n));
    if (!factorise(p)) LB_TRY(make_chirps(p));
    *out = p;
    p = NULL;
done:
    lb_fft_free(p);
    return st;
}

void lb_fft_free(lb_fft *p) {
    if (!p) return;
    lb_fft_free(p->inner);
    lb_free(p->turn);
    lb_free(p->half);
    lb_free(p->chirp);
    lb_free(p->spectrum);
    lb_free(p);
}

int64_t lb_fft_length(const lb_fft *p) { return p->n; }
int64_t lb_fft_work(const lb_fft *p) { return p->inner ? 2 * p->n + 2 * p->inner->n + lb_fft_work(p->inner) : 4 * p->n; }

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LEVELS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), optimize("O3")))
#else
#define LEVELS
#endif

/* Forward transform of x, in place; work 2 n. */
LEVELS static void mixed(const lb_fft *p, complex *x, complex *work) {
    complex *y = lbi_fft_stages(p, x, work);
    if (y != x) memcpy(x, y, (size_t)p->n * sizeof *x);
}

/* sum_n x_n w^(kn) = chirp_k sum_n (x_n chirp_n) conj(chirp_(k-n)): a convolution. */
static void bluestein(const lb_fft *p, complex *x, double *work) {
    int64_t m = p->inner->n;
    complex *a = (complex *)work;
    const turn *chirp = (const turn *)p->chirp, *spectrum = (const turn *)p->spectrum;
    memset(a, 0, (size_t)m * sizeof *a);
    for (int64_t k = 0; k < p->n; k++) a[k] = times(x[k], chirp[k]);
    lb_fft_complex(p->inner, work, false, work + 2 * m);
    for (int64_t k = 0; k < m; k++) a[k] = times(a[k], spectrum[k]);
    lb_fft_complex(p->inner, work, true, work + 2 * m);
    for (int64_t k = 0; k < p->n; k++) x[k] = times(a[k], chirp[k]);
}

void lb_fft_complex(const lb_fft *p, double *x, bool inverse, double *work) {
    complex *z = (complex *)x;
    for (int64_t k = 0; inverse && k < p->n; k++) z[k].im = -z[k].im;
    if (p->inner) bluestein(p, z, work);
    else mixed(p, z, (complex *)work);
    for (int64_t k = 0; inverse && k < p->n; k++) z[k] = (complex){z[k].re / (double)p->n, -z[k].im / (double)p->n};
}

/* ---- real numbers ---- */

void lb_fft_real(const lb_fft *p, const double *x, double *y, double *work) {
    double *rest = work + 2 * p->n;
    complex *z = (complex *)work;
    for (int64_t i = 0; i < p->n; i++) z[i] = (complex){x[i], 0};
    if (p->inner) bluestein(p, z, rest);
    else mixed(p, z, (complex *)rest);
    memcpy(y, work, (size_t)(p->n / 2 + 1) * sizeof(complex));
}

void lb_fft_real_two(const lb_fft *p, const double *x0, const double *x1, double *y0, double *y1, double *work) {
    complex *z = (complex *)work, *a = (complex *)y0, *b = (complex *)y1;
    int64_t n = p->n;
    for (int64_t i = 0; i < n; i++) z[i] = (complex){x0[i], x1[i]};
    if (p->inner) bluestein(p, z, work + 2 * n);
    else mixed(p, z, (complex *)(work + 2 * n));
    for (int64_t k = 0; k <= n / 2; k++) {
        complex other = z[k ? n - k : 0];
        a[k] = (complex){(z[k].re + other.re) / 2, (z[k].im - other.im) / 2};
        b[k] = (complex){(z[k].im + other.im) / 2, (other.re - z[k].re) / 2};
    }
}

void lb_fft_real_inverse(const lb_fft *p, const double *x, double *y, double *work) {
    const complex *from = (const complex *)x;
    complex *z = (complex *)work;
    int64_t n = p->n;
    for (int64_t k = 0; k < n; k++) z[k] = k <= n / 2 ? (complex){from[k].re, -from[k].im} : from[n - k];
    z[0].im = 0;
    if (n % 2 == 0) z[n / 2].im = 0;
    if (p->inner) bluestein(p, z, work + 2 * n);
    else mixed(p, z, (complex *)(work + 2 * n));
    for (int64_t i = 0; i < n; i++) y[i] = z[i].re / (double)n;
}

void lb_fft_plane(const lb_fft *rows, const lb_fft *columns, double *x, bool inverse, double *work) {
    int64_t m = rows->n, n = columns->n;
    complex *z = (complex *)x, *column = (complex *)work;
    for (int64_t i = 0; i < m; i++) lb_fft_complex(columns, x + 2 * i * n, inverse, work);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) column[i] = z[i * n + j];
        lb_fft_complex(rows, (double *)column, inverse, work + 2 * m);
        for (int64_t i = 0; i < m; i++) z[i * n + j] = column[i];
    }
}

void lb_fft_cosine(const lb_fft *p, const double *x, double *y, bool inverse, double *work) {
    int64_t n = p->n;
    complex *z = (complex *)work;
    const turn *half = (const turn *)p->half;
    double first = sqrt(1 / (double)n), others = sqrt(2 / (double)n);
    if (!inverse) {
        for (int64_t i = 0; i < n; i++) z[i] = (complex){x[2 * i < n ? 2 * i : 2 * n - 1 - 2 * i], 0};
        lb_fft_complex(p, work, false, work + 2 * n);
        for (int64_t k = 0; k < n; k++) y[k] = (k ? others : first) * (z[k].re * half[k].re - z[k].im * half[k].im);
        return;
    }
    /* The spectrum of the reordered row is conj(half_k) (X_k - i X_(n-k)), X unscaled. */
    for (int64_t k = 0; k < n; k++) {
        double a = k ? x[k] / others : x[0] / first, b = k ? -x[n - k] / others : 0;
        z[k] = times((complex){a, b}, (turn){half[k].re, -half[k].im});
    }
    lb_fft_complex(p, work, true, work + 2 * n);
    for (int64_t i = 0; i < n; i++) y[2 * i < n ? 2 * i : 2 * n - 1 - 2 * i] = z[i].re;
}
