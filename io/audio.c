/* SPDX-License-Identifier: Apache-2.0 */
#include "io/audio.h"
#include <libavutil/opt.h>
#include <math.h>
#include <string.h>
#include "base/buf.h"
#include "io/av.h"
#include "io/uri.h"

enum { BLOCK = 8192, MAX_CHANNELS = 64 };

typedef struct job {
    lb_audio_options o;
    lbi_av av;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    SwrContext *swr;
    /* what swr was made for */
    AVChannelLayout layout;
    int format, rate;
    int stream, out_channels, out_rate;
    int64_t made, skip, want; /* samples a channel: made so far, left out at the begin, wanted after that (-1 = all) */
    lb_buf planes[MAX_CHANNELS];
    uint8_t *block;
} job;

/* Appends n samples a channel, without those before the start and after the length. */
static void keep(job *j, int n) {
    int64_t from = j->skip > j->made ? j->skip - j->made : 0, to = n;
    if (j->want >= 0 && j->skip + j->want - j->made < to) to = j->skip + j->want - j->made;
    j->made += n;
    for (int c = 0; c < j->out_channels && from < to; c++) {
        if (!j->o.sixteen) {
            lb_buf_add(&j->planes[c], (const float *)(const void *)j->block + (size_t)c * BLOCK + from, (size_t)(to - from) * sizeof(float));
            continue;
        }
        const int16_t *s = (const int16_t *)(const void *)j->block + (size_t)c * BLOCK;
        for (int64_t i = from; i < to; i++) {
            float x = (float)s[i] / 32768.0f;
            lb_buf_add(&j->planes[c], &x, sizeof x);
        }
    }
}

static bool enough(const job *j) { return j->want >= 0 && j->made >= j->skip + j->want; }

/* Through the resampler; data NULL empties it. */
static lb_status convert(job *j, const uint8_t **data, int n) {
    uint8_t *to[MAX_CHANNELS];
    size_t each = (size_t)BLOCK * (j->o.sixteen ? 2 : 4);
    for (int c = 0; c < j->out_channels; c++) to[c] = j->block + (size_t)c * each;
    for (int got = BLOCK; data ? got == BLOCK : got > 0; n = 0) { /* samples that do not fit stay inside for the next round */
        got = lbi_ff.swr_convert(j->swr, to, BLOCK, data, n);
        if (got < 0) return lbi_av_fail(got, &j->av, "resampling");
        keep(j, got);
        if ((double)j->made > j->o.max_seconds * j->out_rate) return lb_fail(LB_E_LIMIT, "more than %.0f s of sound", j->o.max_seconds);
    }
    return LB_OK;
}

static lb_status drain(job *j) { return j->swr ? convert(j, NULL, 0) : LB_OK; }

static lb_status setup(job *j) {
    const AVFrame *f = j->frame;
    AVChannelLayout in = {0}, out = {0};
    if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) lbi_ff.av_channel_layout_default(&in, f->ch_layout.nb_channels);
    else if (lbi_ff.av_channel_layout_copy(&in, &f->ch_layout) < 0) return lb_fail(LB_E_NOMEM, "FFmpeg got no memory");
    if (j->out_rate == 0) j->out_rate = j->o.rate_hz ? j->o.rate_hz : f->sample_rate;
    if (j->out_channels == 0) j->out_channels = j->o.channels ? j->o.channels : in.nb_channels;
    if (j->out_channels > MAX_CHANNELS || in.nb_channels > MAX_CHANNELS) return lb_fail(LB_E_LIMIT, "sound of %d channels, the limit is %d", in.nb_channels, MAX_CHANNELS);
    if (j->out_channels == in.nb_channels) (void)lbi_ff.av_channel_layout_copy(&out, &in);
    else lbi_ff.av_channel_layout_default(&out, j->out_channels);
    if (j->swr) lbi_ff.swr_free(&j->swr);
    int code = lbi_ff.swr_alloc_set_opts2(&j->swr, &out, j->o.sixteen ? AV_SAMPLE_FMT_S16P : AV_SAMPLE_FMT_FLTP, j->out_rate, &in, (enum AVSampleFormat)f->format, f->sample_rate, 0, NULL);
    if (code >= 0) code = lbi_ff.swr_init(j->swr);
    lbi_ff.av_channel_layout_uninit(&j->layout);
    if (code >= 0) code = lbi_ff.av_channel_layout_copy(&j->layout, &f->ch_layout);
    lbi_ff.av_channel_layout_uninit(&in);
    lbi_ff.av_channel_layout_uninit(&out);
    j->format = f->format, j->rate = f->sample_rate;
    if (code < 0) return lbi_av_fail(code, &j->av, "setting up the resampler");
    if (!j->block && !(j->block = lb_alloc((size_t)BLOCK * (size_t)j->out_channels, sizeof(float)))) return LB_E_NOMEM;
    j->skip = (int64_t)llround(j->o.start_s * j->out_rate);
    j->want = j->o.length_s > 0 ? (int64_t)llround(j->o.length_s * j->out_rate) : -1;
    return LB_OK;
}

static lb_status take(job *j) {
    const AVFrame *f = j->frame;
    if (f->sample_rate < 1 || f->ch_layout.nb_channels < 1) return lb_fail(LB_E_FORMAT, "sound without a rate or channels");
    if (!j->swr || f->format != j->format || f->sample_rate != j->rate || lbi_ff.av_channel_layout_compare(&f->ch_layout, &j->layout) != 0) {
        lb_status st = drain(j);
        if (st == LB_OK) st = setup(j);
        if (st != LB_OK) return st;
    }
    return convert(j, (const uint8_t **)(uintptr_t)f->extended_data, f->nb_samples);
}

static lb_status run(job *j) {
    for (bool end = false;;) {
        int code = lbi_ff.avcodec_receive_frame(j->codec, j->frame);
        if (code >= 0) {
            lb_status st = take(j);
            if (st != LB_OK || enough(j)) return st;
            continue;
        }
        if (code == AVERROR_EOF) return drain(j);
        if (code != AVERROR(EAGAIN)) {
            if (code == AVERROR(ENOMEM) || end) return lbi_av_fail(code, &j->av, "decoding");
            j->av.budget -= 4096;
        }
        lb_status st = lbi_av_packet(j->packet, &end, &j->av, j->stream);
        if (st != LB_OK) return st;
        code = lbi_ff.avcodec_send_packet(j->codec, end ? NULL : j->packet);
        lbi_ff.av_packet_unref(j->packet);
        if (code == AVERROR(ENOMEM)) return lbi_av_fail(code, &j->av, "decoding");
    }
}

static lb_status finish(lb_audio *out, job *j) {
    if (j->out_channels == 0) return lb_fail(LB_E_FORMAT, "no sound could be decoded");
    int64_t n = (int64_t)(j->planes[0].size / sizeof(float));
    lb_audio a = {.channels = j->out_channels, .rate_hz = j->out_rate, .frames = n, .start_s = (double)j->skip / j->out_rate};
    for (int c = 0; c < j->out_channels; c++) {
        lb_status st = lb_buf_status(&j->planes[c]);
        if (st != LB_OK) return st;
    }
    if (!(a.samples = lb_alloc((size_t)n * (size_t)a.channels, sizeof(float)))) return LB_E_NOMEM;
    for (int c = 0; c < a.channels && n > 0; c++) memcpy(a.samples + (size_t)c * (size_t)n, j->planes[c].data, (size_t)n * sizeof(float));
    *out = a;
    return LB_OK;
}

static lb_status decode(lb_audio *out, job *j, const uint8_t *data, size_t size) {
    lb_status st = lbi_av_open(&j->av, data, size, NULL);
    if (st != LB_OK) return st;
    j->stream = lbi_ff.av_find_best_stream(j->av.format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    if (j->stream < 0) return lb_fail(LB_E_UNSUPPORTED, "no sound track that FFmpeg decodes");
    for (unsigned i = 0; i < j->av.format->nb_streams; i++)
        if ((int)i != j->stream) j->av.format->streams[i]->discard = AVDISCARD_ALL;
    const AVStream *s = j->av.format->streams[j->stream];
    j->packet = lbi_ff.av_packet_alloc(), j->frame = lbi_ff.av_frame_alloc();
    if (!j->packet || !j->frame) return lb_fail(LB_E_NOMEM, "FFmpeg got no memory");
    if ((st = lbi_av_decoder(&j->codec, s->codecpar, s->time_base, 1, 0)) != LB_OK) return st;
    lbi_av_allow(&j->av, 4);
    if ((st = run(j)) != LB_OK) return st;
    return finish(out, j);
}

lb_status lb_audio_decode(lb_audio *out, const uint8_t *data, size_t size, const char *name, const lb_audio_options *o) {
    if (o && (o->rate_hz < 0 || o->rate_hz > 768000)) return lb_fail(LB_E_ARG, "sound at %d Hz: 1 to 768000 are possible", o->rate_hz);
    if (o && (o->channels < 0 || o->channels > MAX_CHANNELS)) return lb_fail(LB_E_ARG, "sound of %d channels: 1 to %d are possible", o->channels, MAX_CHANNELS);
    if (o && !(o->start_s >= 0 && o->start_s < 1e6 && o->length_s >= 0 && o->length_s < 1e6)) return lb_fail(LB_E_ARG, "sound from %g s over %g s", o->start_s, o->length_s);
    job *j = lb_calloc(1, sizeof *j);
    if (!j) return LB_E_NOMEM;
    if (o) j->o = *o;
    if (!(j->o.max_seconds > 0)) j->o.max_seconds = 6 * 3600;
    lb_status st = decode(out, j, data, size);
    if (j->codec) lbi_ff.avcodec_free_context(&j->codec);
    if (j->packet) lbi_ff.av_packet_free(&j->packet);
    if (j->frame) lbi_ff.av_frame_free(&j->frame);
    if (j->swr) lbi_ff.swr_free(&j->swr);
    if (lbi_ff.ready) lbi_ff.av_channel_layout_uninit(&j->layout);
    lbi_av_close(&j->av);
    for (int c = 0; c < MAX_CHANNELS; c++) lb_buf_free(&j->planes[c]);
    lb_free(j->block);
    lb_free(j);
    return st == LB_OK ? st : lb_where(st, "%s", name ? name : "data");
}

lb_status lb_audio_read(lb_audio *out, const char *path, const lb_audio_options *o) {
    lb_mmap m = {0};
    lb_status st = lb_uri_map(&m, path);
    if (st != LB_OK) return st;
    st = lb_audio_decode(out, m.data, m.size, path, o);
    lb_mmap_close(&m);
    return st;
}
