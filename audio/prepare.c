/* SPDX-License-Identifier: Apache-2.0 */
#include "audio/prepare.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static lb_status use_mel(lb_audio_prepare *p, const lb_mel_spec *s) {
    p->rate_hz = s->rate_hz;
    return lb_mel_new(&p->mel, s);
}

static lb_status whisper(lb_audio_prepare *p, const lb_value *v) {
    lb_mel_spec s;
    lb_status st = lb_mel_spec_find(&s, "whisper-80");
    if (st != LB_OK) return st;
    s.bands = (int)lb_get_int(v, "feature_size", 80);
    s.rate_hz = (int)lb_get_int(v, "sampling_rate", 16000);
    s.hop = (int)lb_get_int(v, "hop_length", 160);
    s.window = s.fft = (int)lb_get_int(v, "n_fft", 400);
    p->window = p->step = lb_get_int(v, "chunk_length", 30) * s.rate_hz;
    p->sixteen = true;
    return use_mel(p, &s);
}

static lb_status ast(lb_audio_prepare *p, const lb_value *v) {
    lb_mel_spec s;
    lb_status st = lb_mel_spec_find(&s, "ast");
    if (st != LB_OK) return st;
    bool normal = lb_get_bool(v, "do_normalize", true);
    s.bands = (int)lb_get_int(v, "num_mel_bins", 128);
    s.rate_hz = (int)lb_get_int(v, "sampling_rate", 16000);
    s.high_hz = s.rate_hz / 2;
    s.frames = (int)lb_get_int(v, "max_length", 1024);
    s.shift = -lb_get_real(v, "mean", -4.2677393);
    s.scale = normal ? 2 * lb_get_real(v, "std", 4.5689974) : 0;
    p->step = (int64_t)s.frames * s.hop;
    p->window = p->step - s.hop + s.window;
    return use_mel(p, &s);
}

static lb_status clap(lb_audio_prepare *p, const lb_value *v) {
    lb_mel_spec s;
    const char *padding = lb_get_text(v, "padding", "repeatpad");
    lb_status st = lb_mel_spec_find(&s, strcmp(lb_get_text(v, "truncation", "fusion"), "fusion") == 0 ? "clap-fusion" : "clap");
    if (st == LB_OK && strcmp(padding, "repeatpad") != 0 && strcmp(padding, "pad") != 0) st = lb_fail(LB_E_UNSUPPORTED, "CLAP sound is filled by '%s', repeatpad or pad wanted", padding);
    if (st != LB_OK) return st;
    s.bands = (int)lb_get_int(v, "feature_size", 64);
    s.rate_hz = (int)lb_get_int(v, "sampling_rate", 48000);
    s.hop = (int)lb_get_int(v, "hop_length", 480);
    s.window = s.fft = (int)lb_get_int(v, "fft_window_size", 1024);
    s.low_hz = lb_get_real(v, "frequency_min", 0);
    s.high_hz = lb_get_real(v, "frequency_max", 14000);
    p->window = p->step = lb_get_int(v, "max_length_s", 10) * s.rate_hz;
    p->repeat = strcmp(padding, "repeatpad") == 0;
    p->channel = true;
    return use_mel(p, &s);
}

static lb_status wave(lb_audio_prepare *p, const lb_value *v) {
    p->rate_hz = (int)lb_get_int(v, "sampling_rate", 16000);
    p->normalise = lb_get_bool(v, "do_normalize", true);
    return LB_OK;
}

lb_status lb_audio_prepare_from(lb_audio_prepare *out, const lb_value *config) {
    static const struct {
        const char *type, *name;
        lb_status (*read)(lb_audio_prepare *p, const lb_value *v);
    } known[] = {{"WhisperFeatureExtractor", "whisper", whisper}, {"ASTFeatureExtractor", "ast", ast}, {"ClapFeatureExtractor", "clap", clap}, {"Wav2Vec2FeatureExtractor", "wave", wave}};
    const char *type = lb_get_text(config, "feature_extractor_type", "");
    lb_audio_prepare p = {0};
    for (size_t i = 0; i < LB_COUNT(known); i++) {
        if (strcmp(type, known[i].type) != 0) continue;
        snprintf(p.name, sizeof p.name, "%s", known[i].name);
        lb_status st = known[i].read(&p, config);
        if (st == LB_OK && (p.rate_hz < 1 || p.window < 0)) st = lb_fail(LB_E_FORMAT, "%s: %d samples a second, windows of %lld", type, p.rate_hz, (long long)p.window);
        if (st == LB_OK) *out = p;
        else lb_audio_prepare_free(&p);
        return st;
    }
    return lb_fail(LB_E_UNSUPPORTED, "feature_extractor_type '%s': Whisper-, AST-, Clap- or Wav2Vec2FeatureExtractor wanted", type);
}

lb_status lb_audio_prepare_parse(lb_audio_prepare *out, const char *json) {
    lb_value *v = NULL;
    lb_status st = lb_json_parse(&v, json, strlen(json), "preprocessing");
    if (st == LB_OK) st = lb_audio_prepare_from(out, v);
    lb_value_free(v);
    return st;
}

void lb_audio_prepare_free(lb_audio_prepare *p) {
    lb_mel_free(p->mel);
    *p = (lb_audio_prepare){0};
}

lb_value *lb_audio_prepare_value(const lb_audio_prepare *p) {
    lb_value *v = lb_value_map();
    lb_map_text(v, "kind", p->name);
    lb_map_int(v, "rate", p->rate_hz);
    lb_map_int(v, "window", p->window);
    lb_map_bool(v, "repeat", p->repeat);
    lb_map_bool(v, "normalise", p->normalise);
    if (!p->mel) return v;
    const lb_mel_spec *s = lb_mel_spec_of(p->mel);
    lb_map_int(v, "bands", s->bands);
    lb_map_int(v, "fft", s->fft);
    lb_map_int(v, "hop", s->hop);
    lb_map_int(v, "frames", s->frames);
    lb_map_real(v, "low", s->low_hz);
    lb_map_real(v, "high", s->high_hz);
    lb_map_bool(v, "in_hz", s->in_hz);
    lb_map_real(v, "shift", s->shift);
    lb_map_real(v, "scale", s->scale);
    return v;
}

void lb_audio_prepare_shape(const lb_audio_prepare *p, int64_t n, int *rank, int64_t shape[3]) {
    int64_t length = p->window ? p->window : n, frames = p->mel ? lb_mel_frames(p->mel, length) : 0;
    int at = 0;
    if (p->channel) shape[at++] = 1;
    if (!p->mel) {
        shape[at++] = length;
    } else {
        const lb_mel_spec *s = lb_mel_spec_of(p->mel);
        shape[at++] = s->bands_first ? s->bands : frames;
        shape[at++] = s->bands_first ? frames : s->bands;
    }
    *rank = at;
}

static void fill(float *dst, const lb_audio_prepare *p, const float *samples, int64_t n) {
    int64_t done = n < p->window ? n : p->window;
    memcpy(dst, samples, (size_t)done * sizeof *dst);
    while (p->repeat && done + n <= p->window) {
        memcpy(dst + done, samples, (size_t)n * sizeof *dst);
        done += n;
    }
    memset(dst + done, 0, (size_t)(p->window - done) * sizeof *dst);
}

static void normalise(float *x, int64_t n) {
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; i++) mean += x[i];
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    double scale = 1 / sqrt(square / (double)n + 1e-7);
    for (int64_t i = 0; i < n; i++) x[i] = (float)((x[i] - mean) * scale);
}

lb_status lb_audio_prepare_run(float *dst, const lb_audio_prepare *p, const float *samples, int64_t n) {
    if (n < 1) return lb_fail(LB_E_ARG, "sound without a sample");
    if (!p->mel) {
        if (p->window) fill(dst, p, samples, n);
        else memcpy(dst, samples, (size_t)n * sizeof *dst);
        if (p->normalise) normalise(dst, p->window ? p->window : n);
        return LB_OK;
    }
    /* Kaldi's frames beyond the sound are zeros of the log-mel, not of the wave */
    if (lb_mel_spec_of(p->mel)->frames) return lb_mel_run(dst, p->mel, samples, n < p->window ? n : p->window);
    if (n >= p->window) return lb_mel_run(dst, p->mel, samples, p->window);
    float *x = lb_alloc((size_t)p->window, sizeof *x);
    if (!x) return LB_E_NOMEM;
    fill(x, p, samples, n);
    lb_status st = lb_mel_run(dst, p->mel, x, p->window);
    lb_free(x);
    return st;
}
