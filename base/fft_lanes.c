/* SPDX-License-Identifier: Apache-2.0 */
/* Many transforms at once, one in each lane of a vector: no number ever moves between lanes. */
#define LBI_FFT_LANES 8
#include "base/cpu.h"
#include "base/fft_private.h"

enum { LANES = LBI_FFT_LANES };

/* Row l and row l + LANES are the real and the imaginary part of lane l: z = a + i b has A_k = (Z_k + conj Z_(n-k)) / 2, B_k = (Z_k - conj Z_(n-k)) / 2i. */
LBI_FFT_WITHIN void two_powers(number *y, const complex *z, int64_t n) {
    for (int64_t k = 0; k <= n / 2; k++, y += 2) {
        complex a = z[k], b = z[k ? n - k : 0], s = plus(a, b), d = minus(a, b);
        y[0] = (s.re * s.re + d.im * d.im) * 0.25;
        y[1] = (s.im * s.im + d.re * d.re) * 0.25;
    }
}

LBI_FFT_WITHIN void powers(const lb_fft *p, double *x, double *y, double *work) {
    two_powers((number *)(void *)y, lbi_fft_stages(p, (complex *)(void *)x, (complex *)(void *)work), p->n);
}

#if defined(__x86_64__) && defined(__GNUC__)
#define LEVEL(arch) __attribute__((target(arch), optimize("O3"))) static
LEVEL("avx512f,avx512dq,avx512bw,avx512vl") void powers_avx512(const lb_fft *p, double *x, double *y, double *work) { powers(p, x, y, work); }
LEVEL("avx2") void powers_avx2(const lb_fft *p, double *x, double *y, double *work) { powers(p, x, y, work); }
#else
static void powers_avx512(const lb_fft *p, double *x, double *y, double *work) { powers(p, x, y, work); }
static void powers_avx2(const lb_fft *p, double *x, double *y, double *work) { powers(p, x, y, work); }
#endif
static void powers_plain(const lb_fft *p, double *x, double *y, double *work) { powers(p, x, y, work); }

/* Lengths that go through chirps: row by row. */
static void one_by_one(const lb_fft *p, const double *x, double *y, double *work) {
    double *row = work, *spectrum = row + p->n, *rest = spectrum + 2 * (p->n / 2 + 1);
    for (int64_t r = 0; r < LB_FFT_ROWS; r++) {
        for (int64_t i = 0; i < p->n; i++) row[i] = x[i * LB_FFT_ROWS + r];
        lb_fft_real(p, row, spectrum, rest);
        for (int64_t k = 0; k <= p->n / 2; k++) y[k * LB_FFT_ROWS + r] = spectrum[2 * k] * spectrum[2 * k] + spectrum[2 * k + 1] * spectrum[2 * k + 1];
    }
}

int64_t lb_fft_powers_work(const lb_fft *p) {
    return p->inner ? p->n + 2 * (p->n / 2 + 1) + lb_fft_work(p) : p->n * LB_FFT_ROWS;
}

void lb_fft_powers(const lb_fft *p, double *x, double *y, double *work) {
    if (p->inner) one_by_one(p, x, y, work);
    else if (lbi_cpu() >= LBI_CPU_AVX512) powers_avx512(p, x, y, work);
    else if (lbi_cpu() >= LBI_CPU_AVX2) powers_avx2(p, x, y, work);
    else powers_plain(p, x, y, work);
}
