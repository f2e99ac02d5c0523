/* SPDX-License-Identifier: Apache-2.0 */
/* Fourier and cosine transforms of any length, in double. A plan holds the factors and tables of one length; it is immutable and free to share. Complex
 * numbers lie as pairs (real, imaginary). Lengths whose primes are 13 at most go by mixed radices (Stockham), others through Bluestein's chirps. */
#ifndef LB_BASE_FFT_H
#define LB_BASE_FFT_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lb_fft lb_fft;
/** LB_E_ARG for n < 1 or beyond 2^28. */
LB_API LB_MUST_USE lb_status lb_fft_new(lb_fft **out, int64_t n);
LB_API void lb_fft_free(lb_fft *p);
LB_API int64_t lb_fft_length(const lb_fft *p);
/** Doubles of scratch that each call below wants; a thread its own. */
LB_API int64_t lb_fft_work(const lb_fft *p);

/** X_k = sum_n x_n exp(-2 pi i k n / N), k = 0..N-1, in place; inverse: exp(+...) and divided by N. x: N pairs. */
LB_API void lb_fft_complex(const lb_fft *p, double *x, bool inverse, double *work);
/** The N/2 + 1 first coefficients of N real numbers; they determine the others. x and y may not overlap. */
LB_API void lb_fft_real(const lb_fft *p, const double *x, double *y, double *work);
/** Two rows of real numbers at the price of one: x0 into y0, x1 into y1. */
LB_API void lb_fft_real_two(const lb_fft *p, const double *x0, const double *x1, double *y0, double *y1, double *work);
/** Powers of LB_FFT_ROWS rows of real numbers that lie side by side: y[k, row] = |X_k|^2 of the row, k = 0..N/2. x [N,LB_FFT_ROWS] is overwritten;
 *  work holds lb_fft_powers_work doubles. Equal bits at every kernel level. */
enum { LB_FFT_ROWS = 16 };
LB_API void lb_fft_powers(const lb_fft *p, double *x, double *y, double *work);
LB_API int64_t lb_fft_powers_work(const lb_fft *p);
/** Back: N real numbers from N/2 + 1 pairs (imaginary parts of the first and, for even N, the last are not read). */
LB_API void lb_fft_real_inverse(const lb_fft *p, const double *x, double *y, double *work);
/** Rows by `columns`, then columns by `rows`, of x [rows,columns] pairs, in place. work: lb_fft_work of each plus 2 * rows. */
LB_API void lb_fft_plane(const lb_fft *rows, const lb_fft *columns, double *x, bool inverse, double *work);

/** DCT-II, orthonormal: X_k = s_k sum_n x_n cos(pi k (2 n + 1) / (2 N)), s_0 = sqrt(1 / N), others sqrt(2 / N); inverse: DCT-III, its transpose.
 *  scipy.fft.dct(norm="ortho"). x and y may be the same. work: lb_fft_work + 2 N. */
LB_API void lb_fft_cosine(const lb_fft *p, const double *x, double *y, bool inverse, double *work);

LB_END
#endif
