/* SPDX-License-Identifier: Apache-2.0 */
#include "audio/mel.h"
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/buf.h"
#include "base/fft.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

enum { LANES = 8 }; /* frames at once */

struct lb_mel {
    lb_mel_spec s;
    lb_fft *fft;
    int bins;
    double *window;
    double *weight;    /* the non-zero part of each band's row, one after the other */
    int *first, *count, *offset;
};

static const lb_mel_spec specs[] = {
    {.name = "whisper-80", .rate_hz = 16000, .window = 400, .hop = 160, .fft = 400, .bands = 80, .centre = true, .drop_last = true, .slaney = true, .high_hz = 8000,
     .floor = 1e-10, .decimal = true, .range = 8, .shift = 4, .scale = 4, .bands_first = true},
    {.name = "whisper-128", .rate_hz = 16000, .window = 400, .hop = 160, .fft = 400, .bands = 128, .centre = true, .drop_last = true, .slaney = true, .high_hz = 8000,
     .floor = 1e-10, .decimal = true, .range = 8, .shift = 4, .scale = 4, .bands_first = true},
    {.name = "ast", .rate_hz = 16000, .window = 400, .hop = 160, .fft = 512, .bands = 128, .symmetric = true, .remove_mean = true, .preemphasis = 0.97, .low_hz = 20,
     .high_hz = 8000, .floor = FLT_EPSILON, .shift = 4.2677393, .scale = 2 * 4.5689974, .frames = 1024},
    {.name = "clap", .rate_hz = 48000, .window = 1024, .hop = 480, .fft = 1024, .bands = 64, .centre = true, .slaney = true, .low_hz = 50, .high_hz = 14000,
     .floor = 1e-10, .decimal = true, .scale = 0.1},
    {.name = "clap-fusion", .rate_hz = 48000, .window = 1024, .hop = 480, .fft = 1024, .bands = 64, .centre = true, .in_hz = true, .low_hz = 50, .high_hz = 14000,
     .floor = 1e-10, .decimal = true, .scale = 0.1},
    {.name = "yamnet", .rate_hz = 16000, .window = 400, .hop = 160, .fft = 512, .bands = 64, .magnitude = true, .low_hz = 125, .high_hz = 7500, .add = 0.001},
    {.name = "vggish", .rate_hz = 16000, .window = 400, .hop = 160, .fft = 512, .bands = 64, .magnitude = true, .low_hz = 125, .high_hz = 7500, .add = 0.01},
};

lb_status lb_mel_spec_find(lb_mel_spec *out, const char *name) {
    lb_buf known = {0};
    for (size_t i = 0; i < LB_COUNT(specs); i++) {
        if (strcmp(specs[i].name, name) == 0) {
            *out = specs[i];
            lb_buf_free(&known);
            return LB_OK;
        }
        lb_buf_format(&known, "%s%s", i ? ", " : "", specs[i].name);
    }
    lb_status st = lb_fail(LB_E_NOTFOUND, "no log-mel named '%s': %s are known", name, lb_buf_str(&known));
    lb_buf_free(&known);
    return st;
}

/* Slaney's Auditory Toolbox: linear below 1 kHz, then 27 steps for a factor of 6.4. */
static double slaney_of(double hz) { return hz < 1000 ? hz * 3 / 200 : 15 + 27 * log(hz / 1000) / log(6.4); }
static double slaney_hz(double mel) { return mel < 15 ? mel * 200 / 3 : 1000 * exp(log(6.4) / 27 * (mel - 15)); }
static double htk_of(double hz) { return 1127 * log(1 + hz / 700); }
static double htk_hz(double mel) { return 700 * expm1(mel / 1127); }

static double triangle(double x, double left, double middle, double right) {
    double up = (x - left) / (middle - left), down = (right - x) / (right - middle), y = up < down ? up : down;
    return y > 0 ? y : 0;
}

/* Weight of bin k in band b. */
static double bank(const lb_mel_spec *s, int b, int k) {
    double hz = (double)k * s->rate_hz / s->fft;
    double low = s->slaney ? slaney_of(s->low_hz) : htk_of(s->low_hz), high = s->slaney ? slaney_of(s->high_hz) : htk_of(s->high_hz);
    double step = (high - low) / (s->bands + 1), edge[3];
    for (int i = 0; i < 3; i++) edge[i] = low + step * (b + i);
    if (!s->slaney && !s->in_hz) return triangle(htk_of(hz), edge[0], edge[1], edge[2]);
    for (int i = 0; i < 3; i++) edge[i] = s->slaney ? slaney_hz(edge[i]) : htk_hz(edge[i]);
    return triangle(hz, edge[0], edge[1], edge[2]) * (s->slaney ? 2 / (edge[2] - edge[0]) : 1);
}

static lb_status make_bank(lb_mel *m) {
    const lb_mel_spec *s = &m->s;
    m->first = lb_calloc((size_t)s->bands, 3 * sizeof *m->first);
    m->weight = lb_calloc((size_t)s->bands * (size_t)m->bins, sizeof *m->weight);
    if (!m->first || !m->weight) return LB_E_NOMEM;
    m->count = m->first + s->bands, m->offset = m->count + s->bands;
    bool all = s->slaney || s->in_hz;
    int last_bin = all ? m->bins : m->bins - 1; /* Kaldi and TensorFlow leave the highest bin out */
    for (int b = 0, used = 0; b < s->bands; b++) {
        m->offset[b] = used;
        for (int k = all ? 0 : 1; k < last_bin; k++) {
            double w = bank(s, b, k);
            if (w <= 0) continue;
            if (m->count[b] == 0) m->first[b] = k;
            m->weight[used++] = w;
            m->count[b]++;
        }
    }
    return LB_OK;
}

lb_status lb_mel_new(lb_mel **out, const lb_mel_spec *spec) {
    if (spec->window < 2 || spec->fft < spec->window || spec->hop < 1 || spec->bands < 1 || spec->rate_hz < 1 || !(spec->high_hz > spec->low_hz))
        return lb_fail(LB_E_ARG, "log-mel of windows of %d, transforms of %d, steps of %d, %d bands", spec->window, spec->fft, spec->hop, spec->bands);
    lb_mel *m = lb_calloc(1, sizeof *m);
    if (!m) return LB_E_NOMEM;
    m->s = *spec;
    m->bins = spec->fft / 2 + 1;
    lb_status st = lb_fft_new(&m->fft, spec->fft);
    if (st == LB_OK) st = make_bank(m);
    if (st == LB_OK && !(m->window = lb_alloc((size_t)spec->window, sizeof *m->window))) st = LB_E_NOMEM;
    for (int i = 0; st == LB_OK && i < spec->window; i++) m->window[i] = 0.5 - 0.5 * cos(2 * M_PI * i / (spec->window - (spec->symmetric ? 1 : 0)));
    if (st == LB_OK) *out = m;
    else lb_mel_free(m);
    return st;
}

void lb_mel_free(lb_mel *m) {
    if (!m) return;
    lb_fft_free(m->fft);
    lb_free(m->window);
    lb_free(m->weight);
    lb_free(m->first);
    lb_free(m);
}

const lb_mel_spec *lb_mel_spec_of(const lb_mel *m) { return &m->s; }

/* Frames computed from n samples, before cutting or filling. */
static int64_t own_frames(const lb_mel *m, int64_t n) {
    int64_t all = n + (m->s.centre ? 2 * (int64_t)(m->s.fft / 2) : 0), frames = all < m->s.window ? 0 : (all - m->s.window) / m->s.hop + 1;
    if (m->s.centre && n <= m->s.fft / 2) return 0; /* cannot be reflected */
    return frames - (m->s.drop_last && frames > 0);
}

int64_t lb_mel_frames(const lb_mel *m, int64_t n) { return m->s.frames && own_frames(m, n) > 0 ? m->s.frames : own_frames(m, n); }

/* One frame, ready for the transform. */
static void load(double *dst, const lb_mel *m, const float *x, int64_t n, int64_t t) {
    const lb_mel_spec *s = &m->s;
    int64_t from = t * s->hop - (s->centre ? s->fft / 2 : 0);
    double mean = 0;
    for (int i = 0; s->remove_mean && i < s->window; i++) mean += (double)x[from + i] / s->window;
    for (int i = 0; i < s->window; i++) {
        int64_t at = from + i;
        at = at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
        dst[i] = (double)x[at] - mean;
    }
    for (int i = s->window - 1; s->preemphasis != 0 && i >= 0; i--) dst[i] -= s->preemphasis * dst[i > 0 ? i - 1 : 0];
    for (int i = 0; i < s->window; i++) dst[i] *= m->window[i];
    memset(dst + s->window, 0, (size_t)(s->fft - s->window) * sizeof *dst);
}

/* |y|^2 of one frame into every LANES-th double. */
static void powers(double *dst, const double *y, int bins) {
    for (int k = 0; k < bins; k++) dst[k * LANES] = y[2 * k] * y[2 * k] + y[2 * k + 1] * y[2 * k + 1];
}

LBI_LEVELS static void sum_bands(double *dst, const lb_mel *m, const double *power) {
    for (int b = 0; b < m->s.bands; b++) {
        const double *w = m->weight + m->offset[b], *p = power + m->first[b] * LANES;
        double sum[LANES] = {0};
        for (int k = 0; k < m->count[b]; k++, p += LANES)
            for (int l = 0; l < LANES; l++) sum[l] += w[k] * p[l];
        for (int l = 0; l < LANES; l++) dst[b * LANES + l] = sum[l];
    }
}

LBI_LEVELS static void logs(float *restrict dst, const double *restrict sums, int64_t n, double floor, double add, float unit) {
    for (int64_t i = 0; i < n; i++) dst[i] = lbi_log((float)((sums[i] > floor ? sums[i] : floor) + add)) * unit;
}

static void store(float *dst, const lb_mel *m, const float *y, int64_t t, int64_t count, int64_t frames) {
    bool first = m->s.bands_first;
    for (int b = 0; b < m->s.bands; b++)
        for (int64_t l = 0; l < count; l++) dst[first ? b * frames + t + l : (t + l) * m->s.bands + b] = y[b * LANES + l];
}

/* Frames t .. t + LANES - 1, two to a transform. */
static void block(float *dst, const lb_mel *m, const float *x, int64_t n, int64_t t, int64_t own, int64_t frames, double *space) {
    int64_t cells = (int64_t)m->s.bands * LANES, count = own - t < LANES ? own - t : LANES;
    double *in = space, *out = in + 2 * m->s.fft, *power = out + 4 * m->bins, *sums = power + (int64_t)m->bins * LANES, *work = sums + 2 * cells;
    float *y = (float *)(void *)(sums + cells);
    for (int64_t l = 0; l < LANES; l += 2) {
        for (int64_t h = 0; h < 2; h++) load(in + h * m->s.fft, m, x, n, t + l + h < own ? t + l + h : own - 1);
        lb_fft_real_two(m->fft, in, in + m->s.fft, out, out + 2 * m->bins, work);
        for (int64_t h = 0; h < 2; h++) powers(power + l + h, out + 2 * h * m->bins, m->bins);
    }
    for (int64_t k = 0; m->s.magnitude && k < (int64_t)m->bins * LANES; k++) power[k] = sqrt(power[k]);
    sum_bands(sums, m, power);
    logs(y, sums, cells, m->s.floor, m->s.add, m->s.decimal ? 0.43429448190325182765f : 1.0f);
    store(dst, m, y, t, count, frames);
}

static void finish(float *dst, const lb_mel *m, int64_t frames) {
    const lb_mel_spec *s = &m->s;
    int64_t n = frames * s->bands;
    float most = -INFINITY;
    for (int64_t i = 0; s->range > 0 && i < n; i++) most = dst[i] > most ? dst[i] : most;
    for (int64_t i = 0; i < n; i++) {
        double v = dst[i];
        if (s->range > 0 && v < (double)most - s->range) v = (double)most - s->range;
        if (s->scale != 0) v = (v + s->shift) / s->scale;
        dst[i] = (float)v;
    }
}

lb_status lb_mel_run(float *dst, const lb_mel *m, const float *samples, int64_t n) {
    int64_t frames = lb_mel_frames(m, n), own = own_frames(m, n);
    if (frames < 1) return lb_fail(LB_E_ARG, "log-mel of %lld samples: at least %d are needed", (long long)n, m->s.centre ? m->s.fft / 2 + 1 : m->s.window);
    if (own > frames) own = frames;
    int64_t each = 2 * m->s.fft + m->bins * (4 + LANES) + 2 * (int64_t)m->s.bands * LANES + lb_fft_work(m->fft), blocks = (own + LANES - 1) / LANES;
    if (own < frames) memset(dst, 0, (size_t)(frames * m->s.bands) * sizeof *dst);
    bool refused = false;
#pragma omp parallel
    {
        double *space = lb_alloc_aligned((size_t)each * sizeof *space);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < blocks; i++) {
            if (space) block(dst, m, samples, n, i * LANES, own, frames, space);
            else {
#pragma omp atomic write
                refused = true;
            }
        }
        lb_free(space);
    }
    if (refused) return lb_fail(LB_E_NOMEM, "no memory for the log-mel");
    finish(dst, m, frames);
    return LB_OK;
}
