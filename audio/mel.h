/* SPDX-License-Identifier: Apache-2.0 */
/* Log-mel spectrograms as published audio models expect them. A spec is data; an opened one is immutable, share freely; running takes its own
 * workspace. Sums are in double, results in float.
 *
 * frame t = window * x[t hop .. t hop + window)      (x reflected at both ends by fft / 2 when `centre`)
 * P[k] = |DFT(frame, padded with zeros to fft)[k]|^2, or its root when `magnitude`
 * y[b, t] = log(max(sum_k bank[b, k] P[k], floor) + add)
 *
 * | name | source |
 * |---|---|
 * | whisper-80, whisper-128 | openai/whisper, audio.py: 16 kHz, 400, 160, periodic Hann, Slaney bank, log10, at least (largest - 8), then (y + 4) / 4; the
 *   last frame is dropped; give 480,000 samples (30 s, zeros behind) |
 * | ast | transformers, ASTFeatureExtractor: torchaudio's Kaldi fbank, 128 bins, 1024 frames (cut, or zeros behind), (y + 4.2677393) / (2 * 4.5689974) |
 * | clap | transformers, ClapFeatureExtractor: 48 kHz, 1024, 480, Slaney bank of 64 from 50 to 14000 Hz, 10 log10; give 480,000 samples. clap-fusion: HTK's
 *   scale with triangles in Hz |
 * | yamnet, vggish | tensorflow/models, research/audioset: 25 ms, 10 ms, HTK mel of 125 to 7500 Hz on magnitudes, log(y + 0.001), log(y + 0.01) | */
#ifndef LB_AUDIO_MEL_H
#define LB_AUDIO_MEL_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lb_mel_spec {
    const char *name;
    int rate_hz, window, hop, fft, bands; /* samples */
    bool centre, drop_last;   /* frames centred on their time; without the last one */
    bool symmetric;           /* Hann over window - 1 steps, else over window */
    bool remove_mean;         /* of each frame, before pre-emphasis and window (Kaldi) */
    double preemphasis;       /* x[i] - p x[i-1], within a frame; its first sample x[0] - p x[0] */
    bool magnitude;
    bool slaney;              /* bank on Slaney's mel scale with triangles in Hz of unit area; else HTK's, 1127 ln(1 + f / 700), triangles in mel of height 1 */
    bool in_hz;               /* on HTK's scale, but triangles in Hz of height 1 */
    double low_hz, high_hz;
    double floor, add;
    bool decimal;             /* log10, else natural */
    double range;             /* values below (largest - range) are raised; 0 = off */
    double shift, scale;      /* (y + shift) / scale at the end; scale 0 = off */
    int frames;               /* cut or filled with zeros before the end; 0 = as many as there are */
    bool bands_first;         /* [bands, frames], else [frames, bands] */
} lb_mel_spec;

typedef struct lb_mel lb_mel;

/** The spec of a published model; LB_E_NOTFOUND names the known ones. */
LB_API LB_MUST_USE lb_status lb_mel_spec_find(lb_mel_spec *out, const char *name);
LB_API LB_MUST_USE lb_status lb_mel_new(lb_mel **out, const lb_mel_spec *spec);
LB_API void lb_mel_free(lb_mel *m);
LB_API const lb_mel_spec *lb_mel_spec_of(const lb_mel *m);
/** Frames that n samples give. */
LB_API int64_t lb_mel_frames(const lb_mel *m, int64_t n);
/** dst holds bands * frames floats. LB_E_ARG when n samples give no frame. Frames are shared among OpenMP's threads; the values do not depend on their number. */
LB_API LB_MUST_USE lb_status lb_mel_run(float *dst, const lb_mel *m, const float *samples, int64_t n);

LB_END
#endif
