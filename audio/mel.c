/* SPDX-License-Identifier: Apache-2.0 */
#include "audio/mel.h"
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/buf.h"
#include "base/fft.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

enum { LANES = LB_FFT_ROWS }; /* frames at once, side by side */

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

/* ---- LANES frames at once: a number of each, side by side ---- */

/* Where a thread works, each part at a multiple of 64 bytes. */
typedef struct space {
    float *grid; /* [hop, rows]: sample j of row r, x[(t + r) hop + j]; frame t + l finds its sample i = a hop + j in row l + a */
    int64_t rows;
    double *frames, *powers, *work, *sums; /* [fft, LANES], [bins, LANES], of the transform, [bands, LANES] */
    float *logs; /* [bands, LANES] */
} space;

static int64_t rounded(int64_t n) { return (n + 15) / 16 * 16; }
static int64_t grid_rows(const lb_mel *m) { return rounded(LANES + (m->s.window - 1) / m->s.hop); }

static bool space_new(space *out, const lb_mel *m) {
    int64_t grid = rounded(m->s.hop * grid_rows(m)), frames = (int64_t)m->s.fft * LANES, powers = (int64_t)m->bins * LANES,
            work = rounded(lb_fft_powers_work(m->fft)), bands = (int64_t)m->s.bands * LANES;
    double *p = lb_alloc_aligned((size_t)(frames + powers + work + bands) * sizeof *p + (size_t)(grid + bands) * sizeof *out->grid);
    if (!p) return false;
    *out = (space){.rows = grid_rows(m), .frames = p, .powers = p + frames, .work = p + frames + powers, .sums = p + frames + powers + work};
    out->grid = (float *)(void *)(out->sums + bands);
    out->logs = out->grid + grid;
    return true;
}

/* Samples from `from` on, n of them in x; beyond its ends it is reflected. */
static void load_grid(space *w, const lb_mel *m, const float *x, int64_t n, int64_t from) {
    int64_t hop = m->s.hop, used = LANES + (m->s.window - 1) / hop;
    for (int64_t r = 0; r < used; r++, from += hop) {
        float *to = w->grid + r;
        if (from >= 0 && from + hop <= n) {
            for (int64_t j = 0; j < hop; j++) to[j * w->rows] = x[from + j];
            continue;
        }
        for (int64_t j = 0; j < hop; j++) {
            int64_t at = from + j;
            at = at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
            to[j * w->rows] = at >= 0 && at < n ? x[at] : 0; /* what no frame needs may lie further out */
        }
    }
}

/* dst[i, l] = sample i of frame l, its mean and pre-emphasis taken off, windowed. */
LBI_LEVELS static void load_frames(double *restrict dst, const lb_mel *m, const space *w) {
    const lb_mel_spec *s = &m->s;
    double mean[LANES] = {0}, before[LANES];
    for (int64_t i = 0, a = 0, j = 0; s->remove_mean && i < s->window; i++) {
        const float *x = w->grid + j * w->rows + a;
        for (int l = 0; l < LANES; l++) mean[l] += (double)x[l] / s->window;
        if (++j == s->hop) j = 0, a++;
    }
    for (int l = 0; l < LANES; l++) before[l] = (double)w->grid[l] - mean[l];
    for (int64_t i = 0, a = 0, j = 0; i < s->window; i++, dst += LANES) {
        const float *x = w->grid + j * w->rows + a;
        double window = m->window[i];
        if (s->remove_mean || s->preemphasis != 0)
            for (int l = 0; l < LANES; l++) {
                double own = (double)x[l] - mean[l];
                dst[l] = (own - s->preemphasis * before[l]) * window;
                before[l] = own;
            }
        else
            for (int l = 0; l < LANES; l++) dst[l] = (double)x[l] * window;
        if (++j == s->hop) j = 0, a++;
    }
    memset(dst, 0, (size_t)(s->fft - s->window) * LANES * sizeof *dst);
}

LBI_LEVELS static void roots(double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = sqrt(x[i]);
}

/* Even and odd bins apart: a sum would wait for itself. */
LBI_LEVELS static void sum_bands(double *dst, const lb_mel *m, const double *power) {
    typedef double half __attribute__((vector_size(LANES / 2 * sizeof(double)), aligned(8), may_alias));
    for (int b = 0; b < m->s.bands; b++) {
        const double *w = m->weight + m->offset[b];
        const half *p = (const half *)(const void *)(power + m->first[b] * LANES);
        half even[2] = {{0}}, odd[2] = {{0}};
        int n = m->count[b];
        for (int k = 0; k + 1 < n; k += 2, p += 4) {
            even[0] += w[k] * p[0], even[1] += w[k] * p[1];
            odd[0] += w[k + 1] * p[2], odd[1] += w[k + 1] * p[3];
        }
        if (n & 1) even[0] += w[n - 1] * p[0], even[1] += w[n - 1] * p[1];
        half *to = (half *)(void *)(dst + b * LANES);
        to[0] = even[0] + odd[0], to[1] = even[1] + odd[1];
    }
}

LBI_LEVELS static void logs(float *restrict dst, const double *restrict sums, int64_t n, double floor, double add, float unit) {
    for (int64_t i = 0; i < n; i++) dst[i] = lbi_log((float)((sums[i] > floor ? sums[i] : floor) + add)) * unit;
}

static void store(float *dst, const lb_mel *m, const float *y, int64_t t, int64_t count, int64_t frames) {
    for (int64_t b = 0; m->s.bands_first && b < m->s.bands; b++) memcpy(dst + b * frames + t, y + b * LANES, (size_t)count * sizeof *dst);
    for (int64_t l = 0; !m->s.bands_first && l < count; l++)
        for (int64_t b = 0; b < m->s.bands; b++) dst[(t + l) * m->s.bands + b] = y[b * LANES + l];
}

/* Frames t .. t + LANES - 1 of `own`. */
static void block(float *dst, const lb_mel *m, const float *x, int64_t n, int64_t t, int64_t own, int64_t frames, space *w) {
    int64_t cells = (int64_t)m->s.bands * LANES, count = own - t < LANES ? own - t : LANES;
    load_grid(w, m, x, n, t * m->s.hop - (m->s.centre ? m->s.fft / 2 : 0));
    load_frames(w->frames, m, w);
    lb_fft_powers(m->fft, w->frames, w->powers, w->work);
    if (m->s.magnitude) roots(w->powers, (int64_t)m->bins * LANES);
    sum_bands(w->sums, m, w->powers);
    logs(w->logs, w->sums, cells, m->s.floor, m->s.add, m->s.decimal ? 0.43429448190325182765f : 1.0f);
    store(dst, m, w->logs, t, count, frames);
}

LBI_LEVELS static float largest(const float *x, int64_t n) {
    float most[LANES];
    for (int l = 0; l < LANES; l++) most[l] = -INFINITY;
    for (; n >= LANES; n -= LANES, x += LANES)
        for (int l = 0; l < LANES; l++) most[l] = x[l] > most[l] ? x[l] : most[l];
    for (int64_t i = 0; i < n; i++) most[0] = x[i] > most[0] ? x[i] : most[0];
    for (int l = 1; l < LANES; l++) most[0] = most[l] > most[0] ? most[l] : most[0];
    return most[0];
}

LBI_LEVELS static void finish(float *x, int64_t n, double least, double shift, double scale) {
    for (int64_t i = 0; i < n; i++) {
        double v = x[i];
        v = v < least ? least : v;
        x[i] = (float)((v + shift) / scale);
    }
}

LBI_LEVELS static void finish_times(float *x, int64_t n, double least, double shift, double factor) {
    for (int64_t i = 0; i < n; i++) {
        double v = x[i];
        v = v < least ? least : v;
        x[i] = (float)((v + shift) * factor);
    }
}

/* By a power of two, as Whisper's 4, a product is the quotient, without a division. */
static void finish_part(float *x, int64_t n, double least, double shift, double scale) {
    int exponent;
    if (fabs(frexp(scale, &exponent)) == 0.5) finish_times(x, n, least, shift, 1 / scale);
    else finish(x, n, least, shift, scale);
}

/* In parts of a band's (or a few frames') size, shared among the threads of the region around. */
static void finish_shared(float *x, const lb_mel *m, int64_t n, float *most) {
    const int64_t part = 4096, parts = (n + part - 1) / part;
    const lb_mel_spec *s = &m->s;
    float own = -INFINITY;
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < (s->range > 0 ? parts : 0); i++) own = fmaxf(own, largest(x + i * part, n - i * part < part ? n - i * part : part));
#pragma omp critical(lb_mel_most)
    *most = fmaxf(*most, own);
#pragma omp barrier
    double least = s->range > 0 ? (double)*most - s->range : -INFINITY;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < (s->range > 0 || s->scale != 0 ? parts : 0); i++)
        finish_part(x + i * part, n - i * part < part ? n - i * part : part, least, s->scale != 0 ? s->shift : 0, s->scale != 0 ? s->scale : 1);
}

lb_status lb_mel_run(float *dst, const lb_mel *m, const float *samples, int64_t n) {
    int64_t frames = lb_mel_frames(m, n), own = own_frames(m, n);
    if (frames < 1) return lb_fail(LB_E_ARG, "log-mel of %lld samples: at least %d are needed", (long long)n, m->s.centre ? m->s.fft / 2 + 1 : m->s.window);
    if (own > frames) own = frames;
    int64_t blocks = (own + LANES - 1) / LANES;
    if (own < frames) memset(dst, 0, (size_t)(frames * m->s.bands) * sizeof *dst);
    bool refused = false;
    float most = -INFINITY;
#pragma omp parallel
    {
        space w = {0};
        if (!space_new(&w, m)) {
#pragma omp atomic write
            refused = true;
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < blocks; i++)
            if (w.frames) block(dst, m, samples, n, i * LANES, own, frames, &w);
        finish_shared(dst, m, frames * m->s.bands, &most);
        lb_free(w.frames);
    }
    return refused ? lb_fail(LB_E_NOMEM, "no memory for the log-mel") : LB_OK;
}
