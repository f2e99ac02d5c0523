/* SPDX-License-Identifier: Apache-2.0 */
/* Fourier and cosine transforms against their defining sums, rank statistics against recorded values of SciPy. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/fft.h"
#include "base/ranks.h"
#include "base/rng.h"
#include "base/value.h"
#include "tests/check.h"

enum { MOST = 1100 };
static const double pi = 3.14159265358979323846;
/* Powers, products of small primes, primes beyond the radices, and lengths of speech windows. */
static const int64_t lengths[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 30, 34, 64, 91, 101, 125, 400, 480, 512, 1009, 1024};

static lb_fft *plan_of(int64_t n) {
    lb_fft *p = NULL;
    if (!CHECK_OK(lb_fft_new(&p, n))) exit(2);
    CHECK_INT(lb_fft_length(p), n);
    return p;
}

static double *scratch(const lb_fft *p, int64_t more) {
    double *x = lb_alloc((size_t)(lb_fft_work(p) + more + 1), sizeof *x);
    if (!CHECK(x)) exit(2);
    return x;
}

static void draw(double *x, int64_t n, uint64_t seed) {
    lb_rng r = lb_rng_make(seed, 1);
    for (int64_t i = 0; i < n; i++) x[i] = lb_rng_normal(&r);
}

/* The sum itself; k n is reduced as an integer, so that angles keep their digits. */
static void slow(const double *x, double *y, int64_t n, double sign) {
    for (int64_t k = 0; k < n; k++) {
        double re = 0, im = 0;
        for (int64_t i = 0; i < n; i++) {
            double at = sign * 2 * pi * (double)(k * i % n) / (double)n;
            re += x[2 * i] * cos(at) - x[2 * i + 1] * sin(at);
            im += x[2 * i] * sin(at) + x[2 * i + 1] * cos(at);
        }
        y[2 * k] = re;
        y[2 * k + 1] = im;
    }
}

/* Both sides lose about eps log n of the result's size, sqrt(n); sums of the slow side eps sqrt(n) of it. */
static double bound(int64_t n) { return 4e-16 * (double)n + 1e-15; }

static void complex_transforms(void) {
    static double x[2 * MOST], y[2 * MOST], want[2 * MOST];
    for (size_t l = 0; l < LB_COUNT(lengths); l++) {
        int64_t n = lengths[l];
        lb_fft *p = plan_of(n);
        double *work = scratch(p, 0), scale = sqrt((double)n);
        draw(x, 2 * n, (uint64_t)n);
        memcpy(y, x, sizeof y);
        slow(x, want, n, -1);
        lb_fft_complex(p, y, false, work);
        for (int64_t i = 0; i < 2 * n; i++) CHECK_NEAR(y[i] / scale, want[i] / scale, bound(n));
        lb_fft_complex(p, y, true, work);
        for (int64_t i = 0; i < 2 * n; i++) CHECK_NEAR(y[i], x[i], bound(n));
        lb_free(work);
        lb_fft_free(p);
    }
}

static void real_transforms(void) {
    static double x[2][MOST], pairs[2 * MOST], want[2][2 * MOST], y[2][MOST + 2], back[MOST];
    for (size_t l = 0; l < LB_COUNT(lengths); l++) {
        int64_t n = lengths[l], m = 2 * (n / 2 + 1);
        lb_fft *p = plan_of(n);
        double *work = scratch(p, 0), scale = sqrt((double)n);
        for (int s = 0; s < 2; s++) {
            draw(x[s], n, (uint64_t)(n + s));
            for (int64_t i = 0; i < n; i++) pairs[2 * i] = x[s][i], pairs[2 * i + 1] = 0;
            slow(pairs, want[s], n, -1);
            lb_fft_real(p, x[s], y[s], work);
            for (int64_t i = 0; i < m; i++) CHECK_NEAR(y[s][i] / scale, want[s][i] / scale, bound(n));
            lb_fft_real_inverse(p, y[s], back, work);
            for (int64_t i = 0; i < n; i++) CHECK_NEAR(back[i], x[s][i], bound(n));
        }
        lb_fft_real_two(p, x[0], x[1], y[0], y[1], work);
        for (int s = 0; s < 2; s++)
            for (int64_t i = 0; i < m; i++) CHECK_NEAR(y[s][i] / scale, want[s][i] / scale, bound(n));
        lb_free(work);
        lb_fft_free(p);
    }
}

/* Sixteen rows at once have the powers of each alone. */
static void powers(void) {
    static double rows[LB_FFT_ROWS][MOST], spectrum[MOST + 2];
    for (size_t l = 0; l < LB_COUNT(lengths); l++) {
        int64_t n = lengths[l], bins = n / 2 + 1;
        lb_fft *p = plan_of(n);
        double *work = scratch(p, 0), *side = lb_alloc_aligned((size_t)(LB_FFT_ROWS * (n + bins) + lb_fft_powers_work(p)) * sizeof *side), *y = side + n * LB_FFT_ROWS;
        if (!CHECK(side)) exit(2);
        for (int64_t r = 0; r < LB_FFT_ROWS; r++) {
            draw(rows[r], n, (uint64_t)(n + 100 * r));
            for (int64_t i = 0; i < n; i++) side[i * LB_FFT_ROWS + r] = rows[r][i];
        }
        lb_fft_powers(p, side, y, y + bins * LB_FFT_ROWS);
        for (int64_t r = 0; r < LB_FFT_ROWS; r++) {
            lb_fft_real(p, rows[r], spectrum, work);
            for (int64_t k = 0; k < bins; k++) {
                double want = spectrum[2 * k] * spectrum[2 * k] + spectrum[2 * k + 1] * spectrum[2 * k + 1];
                CHECK_NEAR(y[k * LB_FFT_ROWS + r] / (double)n, want / (double)n, 10 * bound(n)); /* normal numbers: |X|^2 is n times an exponential, seldom above 10 */
            }
        }
        lb_free(side), lb_free(work);
        lb_fft_free(p);
    }
}

static void plane_transforms(void) {
    enum { M = 6, N = 10 };
    double x[2 * M * N], y[2 * M * N];
    lb_fft *rows = plan_of(M), *columns = plan_of(N);
    double *work = scratch(columns, lb_fft_work(rows) + 2 * M);
    draw(x, 2 * M * N, 3);
    memcpy(y, x, sizeof y);
    lb_fft_plane(rows, columns, y, false, work);
    for (int64_t k = 0; k < M * N; k++) {
        double re = 0, im = 0;
        for (int64_t i = 0; i < M * N; i++) {
            double at = -2 * pi * ((double)(k / N * (i / N)) / M + (double)(k % N * (i % N)) / N);
            re += x[2 * i] * cos(at) - x[2 * i + 1] * sin(at);
            im += x[2 * i] * sin(at) + x[2 * i + 1] * cos(at);
        }
        CHECK_NEAR(y[2 * k], re, 1e-12);
        CHECK_NEAR(y[2 * k + 1], im, 1e-12);
    }
    lb_fft_plane(rows, columns, y, true, work);
    for (int64_t i = 0; i < 2 * M * N; i++) CHECK_NEAR(y[i], x[i], 1e-13);
    lb_free(work);
    lb_fft_free(rows);
    lb_fft_free(columns);
}

static void cosine_transforms(void) {
    static double x[MOST], y[MOST];
    for (size_t l = 0; l < LB_COUNT(lengths); l++) {
        int64_t n = lengths[l];
        lb_fft *p = plan_of(n);
        double *work = scratch(p, 2 * n);
        draw(x, n, (uint64_t)n);
        lb_fft_cosine(p, x, y, false, work);
        for (int64_t k = 0; k < n; k++) {
            double sum = 0;
            for (int64_t i = 0; i < n; i++) sum += x[i] * cos(pi * (double)(k * (2 * i + 1) % (4 * n)) / (2 * (double)n));
            CHECK_NEAR(y[k], sum * sqrt((k ? 2 : 1) / (double)n), 10 * bound(n));
        }
        lb_fft_cosine(p, y, y, true, work);
        for (int64_t i = 0; i < n; i++) CHECK_NEAR(y[i], x[i], 10 * bound(n));
        lb_free(work);
        lb_fft_free(p);
    }
}

static void lengths_refused(void) {
    lb_fft *p = NULL;
    CHECK_FAILS(lb_fft_new(&p, 0), LB_E_ARG, "length 0");
    CHECK(!p);
    for (int64_t at = 1; at < 12; at++) { /* each allocation of a plan with an inner one */
        lb_alloc_fail_at(at);
        lb_status st = lb_fft_new(&p, 17);
        lb_alloc_fail_at(0);
        if (st == LB_OK) lb_fft_free(p);
        else CHECK_INT(st, LB_E_NOMEM);
    }
    lb_error_clear();
}

/* ---- ranks: tests/data/numbers/make.py ---- */

static int64_t numbers(double *to, const lb_value *list) {
    for (int64_t i = 0; i < list->count; i++) to[i] = list->items[i]->kind == LB_V_INT ? (double)list->items[i]->integer : list->items[i]->real;
    return list->count;
}

static void ranks_as_scipy(void) {
    lb_value *all = NULL;
    double x[256], y[256], want[256], got[256], r = 0;
    if (!CHECK_OK(lb_json_read(&all, check_data("numbers/ranks.json")))) return;
    CHECK(all->count > 4);
    for (int64_t i = 0; i < all->count; i++) {
        const lb_value *v = all->items[i];
        int64_t n = numbers(x, lb_get(v, "x"));
        numbers(y, lb_get(v, "y"));
        numbers(want, lb_get(v, "ranks"));
        CHECK_OK(lb_average_ranks(got, x, n));
        CHECK_DOUBLES(got, want, n, 0, 0);
        CHECK_OK(lb_kendall(&r, x, y, n));
        CHECK_NEAR(r, lb_get(v, "kendall")->real, 1e-14);
        CHECK_OK(lb_spearman(&r, x, y, n));
        CHECK_NEAR(r, lb_get(v, "spearman")->real, 1e-13);
        CHECK_NEAR(lb_pearson(x, y, n), lb_get(v, "pearson")->real, 1e-13);
    }
    lb_value_free(all);
    double flat[] = {1, 1, 1};
    CHECK_OK(lb_kendall(&r, flat, x, 3));
    CHECK(isnan(r) && isnan(lb_pearson(flat, x, 3)));
}

/* Times 1 2 2 3, events y y n y, risks 3 1 1 2. Comparable: (0,1) (0,2) (0,3) concordant; (1,2) of equal times, risks equal; (1,3) discordant; 3 has none after it. */
static void concordance(void) {
    lb_concordance c = lb_concordance_index((double[]){1, 2, 2, 3}, (bool[]){true, true, false, true}, (double[]){3, 1, 1, 2}, 4, 1e-8);
    CHECK_INT(c.concordant, 3);
    CHECK_INT(c.discordant, 1);
    CHECK_INT(c.tied_risk, 1);
    CHECK_INT(c.tied_time, 1);
    CHECK_NEAR(c.index, 0.7, 1e-15);
    CHECK(isnan(lb_concordance_index((double[]){1}, (bool[]){true}, (double[]){1}, 1, 0).index));
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "numbers", (check_test[]){
        {"complex transforms", complex_transforms},
        {"real transforms", real_transforms},
        {"powers of many rows", powers},
        {"plane transforms", plane_transforms},
        {"cosine transforms", cosine_transforms},
        {"lengths refused", lengths_refused},
        {"ranks as scipy", ranks_as_scipy},
        {"concordance", concordance},
        {0}});
}
