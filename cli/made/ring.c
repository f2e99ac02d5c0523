/* SPDX-License-Identifier: Apache-2.0 */
/* Points of eight Gaussians on a ring; stream `noised` blends them with noise (cosine schedule) for a teacher, stream `noise` is noise alone. Score:
 * energy distance of samples to fresh points, of the student in one call and of the teacher in one, two and four DDIM steps. */
#include "cli/made.h"
#include "cli/source.h"
#include <string.h>

enum { TEST = 1000 };
static const double first = 0.98, last = 0.02, half_turn = 3.14159265358979323846;

static void point(lb_rng *rng, double out[2]) {
    double angle = half_turn / 4 * (double)lb_rng_below(rng, 8);
    out[0] = 1.2 * cos(angle) + 0.08 * lb_rng_normal(rng);
    out[1] = 1.2 * sin(angle) + 0.08 * lb_rng_normal(rng);
}

static void row(cli_row *r) {
    lb_real *noise = cli_row_reals(r, "noise", 1, (int64_t[]){2});
    double x[2], t = 0.001 + 0.998 * lb_rng_uniform(&r->rng), blend[2] = {0, 1};
    for (int k = 0; k < 2; k++) noise[k] = (lb_real)lb_rng_normal(&r->rng);
    if (strcmp(r->stream, "noise") == 0) return; /* never the points */
    lb_real *points = cli_row_reals(r, "points", 1, (int64_t[]){2});
    point(&r->rng, x);
    *cli_row_reals(r, "t", 0, NULL) = (lb_real)t;
    if (strcmp(r->stream, "noised") == 0) blend[0] = cos(half_turn * t / 2), blend[1] = sin(half_turn * t / 2);
    for (int k = 0; k < 2; k++) {
        points[k] = (lb_real)x[k];
        noise[k] = (lb_real)(blend[0] * x[k] + blend[1] * (double)noise[k]);
    }
}

static lb_status run_at(lb_model *m, const double *noise, double time, double **out) {
    lb_status st = LB_OK;
    lb_tensor *x = NULL, *t = NULL;
    int64_t n = 0;
    LB_TRY(lb_tensor_new(&x, LB_REAL, 2, (int64_t[]){TEST, 2}));
    LB_TRY(lb_tensor_new(&t, LB_REAL, 1, (int64_t[]){TEST}));
    lb_convert(x->data, LB_REAL, noise, LB_F64, 2 * TEST);
    for (int i = 0; i < TEST; i++) ((lb_real *)t->data)[i] = (lb_real)time;
    st = cli_made_run(m, NULL, 2, (lb_named[]){{"noise", x}, {"t", t}}, "signal", out, &n);
done:
    lb_tensor_free(x);
    lb_tensor_free(t);
    return st;
}

/* DDIM of a teacher that gives the clean sample. */
static lb_status sample(lb_model *m, const double *noise, int steps, double **out) {
    lb_status st = LB_OK;
    double *x = lb_alloc(2 * TEST, sizeof *x), *f = NULL;
    if (!x) return LB_E_NOMEM;
    memcpy(x, noise, 2 * TEST * sizeof *x);
    for (int k = 0; k < steps && st == LB_OK; k++) {
        double t = first + (last - first) * k / steps, s = first + (last - first) * (k + 1) / steps;
        lb_free(f);
        f = NULL;
        LB_TRY(run_at(m, x, t, &f));
        for (int i = 0; i < 2 * TEST; i++) {
            double e = (x[i] - cos(half_turn * t / 2) * f[i]) / sin(half_turn * t / 2);
            x[i] = cos(half_turn * s / 2) * f[i] + sin(half_turn * s / 2) * e;
        }
    }
    *out = f;
    f = NULL;
done:
    lb_free(x);
    lb_free(f);
    return st;
}

static double mean_distance(const double *a, const double *b) {
    double sum = 0;
    for (int i = 0; i < TEST; i++)
        for (int j = 0; j < TEST; j++) sum += hypot(a[2 * i] - b[2 * j], a[2 * i + 1] - b[2 * j + 1]);
    return sum / ((double)TEST * TEST);
}

static double energy(const double *a, const double *b) { return 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b); }

/* Mean square between student and teacher at the first time, over the points' variance. */
static lb_status boundary(const cli_made *m, lb_model *student, const double *noise, const double *truth, lb_value *scores) {
    lb_status st = LB_OK;
    double *y = NULL, *f = NULL, error = 0, variance = 0;
    LB_TRY(run_at(student, noise, first, &y));
    LB_TRY(run_at(m->teachers[0].model, noise, first, &f));
    for (int i = 0; i < 2 * TEST; i++) {
        error += (y[i] - f[i]) * (y[i] - f[i]);
        variance += truth[i] * truth[i]; /* the ring's mean is 0 */
    }
    lb_map_real(scores, "boundary", error / variance);
done:
    lb_free(y);
    lb_free(f);
    return st;
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    static const char *const names[] = {"teacher_1", "teacher_2", "teacher_4"};
    lb_status st = LB_OK;
    double truth[2 * TEST], noise[2 * TEST], *y = NULL;
    lb_rng rng = lb_rng_of(m->seed, 0, "test");
    (void)client;
    for (int i = 0; i < TEST; i++) point(&rng, truth + 2 * i);
    for (int i = 0; i < 2 * TEST; i++) noise[i] = lb_rng_normal(&rng);
    if (m->nteachers == 0) {
        LB_TRY(sample(student, noise, 4, &y));
        lb_map_real(scores, "distance_4", energy(y, truth));
    } else {
        LB_TRY(run_at(student, noise, last, &y));
        lb_map_real(scores, "distance", energy(y, truth));
        LB_TRY(boundary(m, student, noise, truth, scores));
    }
    *key = -energy(y, truth);
    for (int k = 0; k < 3 && m->nteachers > 0; k++) {
        lb_free(y);
        y = NULL;
        LB_TRY(sample(m->teachers[0].model, noise, 1 << k, &y));
        lb_map_real(scores, names[k], energy(y, truth));
    }
done:
    lb_free(y);
    return st;
}

LB_MADE(ring) = {.id = "ring", .title = "eight Gaussians on a ring, and noise", .source = "", .gives = "noise[N,2] points[N,2] t[N]", .row = row, .score = score};
